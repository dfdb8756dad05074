//! Packets of all trackers in any order keep the promises of `wagonway::conntrack::sample`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wagonway::conntrack::sample::drive(bytes));
