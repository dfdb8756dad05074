//! The safe layer over DPDK: the only room of `src/` where unsafe code may live.
#![allow(unsafe_code)]
