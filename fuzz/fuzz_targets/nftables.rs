//! Any bytes read as rules of nftables keep the promises of `wagonway::nftables::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wagonway::nftables::fuzz::bytes(bytes));
