//! Any bytes read as a file of sets keep the promises of `wagonway::sets::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wagonway::sets::fuzz::sets(bytes));
