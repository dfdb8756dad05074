//! Any bytes read as IPv6 extension headers keep the promises of `wagonway::packet::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wagonway::packet::fuzz::chain(bytes));
