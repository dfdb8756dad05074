//! Where Wagonway is known to differ from Linux, and why it may.
//!
//! An entry that no longer differs fails the test, so this list cannot outlive its reasons.

use crate::compare::Known;

/// Family, name of the frame, and the reason.
pub(crate) const KNOWN: &[Known] = &[
    (
        "vrf",
        "a rule for what comes in by red",
        "Linux 5.19 to 6.14 does not know a VRF by its links; before and since, as here, it does",
    ),
    (
        "six-segments",
        "segments: behind hop-by-hop",
        "Linux forgets the hop-by-hop header and forwards what is no packet of any kind",
    ),
    (
        "six-tuned-force-forwarding",
        "ping of the anycast address",
        "Linux takes what redirects may cost away with each error, even where errors are not limited",
    ),
];
