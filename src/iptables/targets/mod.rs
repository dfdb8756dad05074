//! Targets: each is an entry of the registry, and each file has a group of them.
//!
//! - takes: `-j NAME` with its options
//! - gives: [`TARGETS`], and [`ABSENT`] of those that are refused
//! - obeys: `iptables-extensions(8)`

mod ct;
mod mangle;
mod marks;
mod nat;
mod report;

use super::registry::TargetEntry;

/// All targets that are extensions.
pub(super) static TARGETS: &[&TargetEntry] = &[
    &report::REJECT,
    &report::LOG,
    &report::NFLOG,
    &report::NFQUEUE,
    &report::AUDIT,
    &report::TEE,
    &report::SET,
    &marks::MARK,
    &marks::CONNMARK,
    &marks::CLASSIFY,
    &mangle::DSCP,
    &mangle::TOS,
    &mangle::ECN,
    &mangle::TTL,
    &mangle::HL,
    &mangle::TCPMSS,
    &mangle::TCPOPTSTRIP,
    &mangle::CHECKSUM,
    &ct::CT,
    &ct::NOTRACK,
    &ct::TRACE,
    &ct::SYNPROXY,
    &nat::SNAT,
    &nat::DNAT,
    &nat::MASQUERADE,
    &nat::REDIRECT,
    &nat::NETMAP,
    &nat::SNPT,
    &nat::DNPT,
];

/// Targets that iptables has and this router refuses, with what to do instead.
pub(super) const ABSENT: &[(&str, &str)] = &[
    ("CLUSTERIP", "it left the kernel; use VRRP for addresses that move"),
    ("CONNSECMARK", "packets have no security marks here"),
    ("HMARK", "use CONNMARK, or weighted next hops, to spread flows"),
    ("IDLETIMER", "there is no such timer; see the interfaces' counters"),
    ("LED", "there are no lights to light"),
    ("RATEEST", "use the match hashlimit with --hashlimit-rate-match"),
    ("SECMARK", "packets have no security marks here"),
    ("TPROXY", "there are no local sockets to take foreign packets; use DNAT"),
    ("ULOG", "it left the kernel; use NFLOG"),
];
