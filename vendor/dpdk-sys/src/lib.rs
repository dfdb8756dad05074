//! Raw bindings to the DPDK that is installed on the building machine.
//!
//! Everything here is unsafe and named as in C; `wagonway::dpdk` is the safe layer. Functions that
//! are inline in C are wrapped by a C function, so they cost a call.
#![allow(
    non_camel_case_types,
    non_upper_case_globals,
    non_snake_case,
    unsafe_op_in_unsafe_fn,
    unused_imports,
    clippy::all,
    clippy::undocumented_unsafe_blocks
)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

pub mod mbuf;
