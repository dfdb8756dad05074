//! Any bytes read as messages of MLD keep the promises of `wagonway::packet::mld::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wagonway::packet::mld::fuzz::messages(bytes));
