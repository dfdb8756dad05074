//! Any bytes read as a capture file keep the promises of `wagonway::capture::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wagonway::capture::fuzz::file(bytes));
