//! The safe layer over DPDK: the only room of `src/` where unsafe code may live.
#![allow(unsafe_code)]

pub mod cycles;
pub mod eal;
mod log;
pub mod mbuf;
pub mod mempool;
mod notes;
pub mod pages;
pub mod port;
pub mod prefetch;
