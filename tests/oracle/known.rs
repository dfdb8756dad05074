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
        "nf-tcpmss",
        "lan:1 > wan:80 tcp S topt=00020405b4",
        "Linux mends the checksum for an option at an even place, and sends what no receiver takes",
    ),
    (
        "nf-nft-options",
        "lan:1000 > dmz:80 tcp SA topt=0102040578",
        "Linux mends the checksum of an option at an odd place wrongly, and sends what no receiver takes",
    ),
    (
        "nf-tee",
        "other:2000 > dmz:53 udp len=200",
        "where packet and copy leave by one link, the copy is the second here and the first with Linux",
    ),
    (
        "nf-tee",
        "wan:5 > rwan:81 tcp S",
        "a copy does not wait for what answers the packet, and leaves before it",
    ),
    (
        "nf-conntrack-tool",
        "conntrack -C, time 2",
        "Linux counts a connection that has ended as long as a packet of it waits for a neighbour",
    ),
    (
        "nf-dccp",
        "lan:1 > wan:2 dccp data seq=1001 ack=1000",
        "kernels since 6.16 know nothing of DCCP, and those before do as is done here",
    ),
    (
        "nf-dccp",
        "lan:8 > dmz:53 dccp request",
        "kernels since 6.16 know nothing of DCCP, and those before do as is done here",
    ),
    (
        "nf-dccp",
        "dmz:53 > 198.51.100.50:8 dccp response ack=1000",
        "kernels since 6.16 know nothing of DCCP, and those before do as is done here",
    ),
    (
        "nf-dccp",
        "conntrack -L",
        "kernels since 6.16 know nothing of DCCP, and those before do as is done here",
    ),
    (
        "nf-dccp",
        "iptables-save -c",
        "kernels since 6.16 know nothing of DCCP, and those before do as is done here",
    ),
    (
        "nf-restore-half",
        "iptables-save -c",
        "a file that is wrong changes nothing; xtables has loaded the tables before the wrong one by then",
    ),
];
