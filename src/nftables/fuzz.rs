//! What must hold of any text that is loaded; shared by tests and by `fuzz/`.

use super::{Around, Nft};

/// Interfaces that texts may name.
const LINKS: &[(u16, &str)] = &[(1, "lan"), (2, "wan"), (3, "dmz"), (4, "wan.10")];

/// What is around a text.
pub fn around() -> Around<'static> {
    let now = 1_000_000_000;
    Around { links: LINKS, ports: &[1, 2, 3], services: |_, _| None, workers: 1, now }
}

/// Loads a text. What was taken lists itself so that it can be loaded again, to the same listing; what was
/// refused leaves nothing behind, and says why.
pub fn load(text: &str) {
    let around = around();
    let mut nft = Nft::default();
    match nft.load(text, &around) {
        Ok(()) => {
            let listed = nft.list(&around);
            let mut again = Nft::default();
            let loaded = again.load(&listed, &around);
            assert!(loaded.is_ok(), "{listed}: {loaded:?}");
            let steady = |text: String| {
                // Handles count what has been.
                let mut value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
                for object in value["nftables"].as_array_mut().into_iter().flatten() {
                    for (_, inside) in object.as_object_mut().into_iter().flatten() {
                        inside.as_object_mut().and_then(|inside| inside.remove("handle"));
                    }
                }
                value
            };
            assert_eq!(steady(again.list(&around)), steady(listed));
            assert!(nft.renew(&around) || nft.program().is_none());
        }
        Err(error) => {
            assert!(!error.what.is_empty() && nft.program().is_none(), "{error}");
        }
    }
}

/// The same of any bytes.
pub fn bytes(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        load(text);
    }
}
