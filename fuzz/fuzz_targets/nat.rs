//! Packets that are translated and read by helpers keep the promises of `wagonway::conntrack::nat::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wagonway::conntrack::nat::fuzz::drive(bytes));
