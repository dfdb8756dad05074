//! The safe layer over DPDK: the only room of `src/` where unsafe code may live.
#![allow(unsafe_code)]

pub mod cycles;
pub mod eal;
pub mod mbuf;
pub mod mempool;
pub mod port;
