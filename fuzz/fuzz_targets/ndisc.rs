//! Any bytes read as messages of neighbour discovery keep the promises of `wagonway::packet::ndisc::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wagonway::packet::ndisc::fuzz::messages(bytes));
