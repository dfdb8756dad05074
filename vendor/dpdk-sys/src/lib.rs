//! Raw bindings to the installed DPDK, made at build time. Nothing here is safe; the safe layer is
//! `wagonway::dpdk`.
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals, missing_docs)]
#![allow(unsafe_op_in_unsafe_fn, clippy::all, unnecessary_transmutes)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
