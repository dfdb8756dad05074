//! Pieces of datagrams in any order become what a plain model of `wagonway::ip4::reassembly` says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wagonway::ip4::reassembly::fuzz::pieces(bytes));
