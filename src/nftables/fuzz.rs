//! What fuzzers do with the reader.

use super::{Around, Nft};

/// Loads a text; what is accepted must list itself so that it can be loaded again.
pub fn load(text: &str) {
    let links = [(1, "lan"), (2, "wan")];
    let around =
        Around { links: &links, services: |_, _| None, workers: 1, now: 1_000_000_000 };
    let mut nft = Nft::default();
    if nft.load(text, &around).is_ok() {
        let listed = nft.list(&around);
        let again = Nft::default().load(&listed, &around);
        assert!(again.is_ok(), "{listed}: {again:?}");
    }
}
