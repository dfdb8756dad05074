//! Any bytes read as rules of iptables keep the promises of `wagonway::iptables::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wagonway::iptables::fuzz::rules(bytes));
