//! Matches: each is an entry of the registry, and each file has a group of them.
//!
//! - takes: `-m NAME` with its options
//! - gives: [`MATCHES`], and [`ABSENT`] of those that are refused
//! - obeys: `iptables-extensions(8)`

mod conn;
mod conntrack;
mod header;
mod icmp;
mod ipsec;
mod memory;
mod payload;
mod place;
mod ports;
mod rate;
mod six;
mod time;

use super::registry::MatchEntry;

pub(super) use header::{dscp_class, tos, tos_word};
pub(super) use memory::{set_use, sides_text};
pub(crate) use time::date_text;

/// All matches.
pub(super) static MATCHES: &[&MatchEntry] = &[
    &ports::TCP,
    &ports::UDP,
    &ports::UDPLITE,
    &ports::SCTP,
    &ports::DCCP,
    &ports::MULTIPORT,
    &icmp::ICMP,
    &icmp::ICMP6,
    &conntrack::STATE,
    &conntrack::CONNTRACK,
    &conn::MARK,
    &conn::CONNMARK,
    &conn::CONNLABEL,
    &conn::CONNBYTES,
    &conn::CONNLIMIT,
    &conn::HELPER,
    &header::DSCP,
    &header::TOS,
    &header::ECN,
    &header::TTL,
    &header::HL,
    &header::LENGTH,
    &header::TCPMSS,
    &header::AH,
    &header::AH6,
    &header::ESP,
    &header::IPCOMP,
    &rate::LIMIT,
    &rate::HASHLIMIT,
    &rate::QUOTA,
    &rate::STATISTIC,
    &memory::RECENT,
    &memory::SET,
    &place::IPRANGE,
    &place::MAC,
    &place::ADDRTYPE,
    &place::PKTTYPE,
    &place::RPFILTER,
    &place::DEVGROUP,
    &place::REALM,
    &place::CPU,
    &place::COMMENT,
    &ipsec::OWNER,
    &ipsec::POLICY,
    &time::TIME,
    &payload::STRING,
    &payload::U32_MATCH,
    &six::FRAG,
    &six::IPV6HEADER,
    &six::RT,
    &six::HBH,
    &six::DST,
    &six::MH,
    &six::EUI64,
];

/// Matches that iptables has and this router refuses, with what to do instead.
pub(super) const ABSENT: &[(&str, &str)] = &[
    ("bpf", "programs are not run in the packet path; state the same with u32 or string"),
    ("cgroup", "packets that are forwarded belong to no process"),
    ("cluster", "flows are spread over workers by the ports' receive hash"),
    ("ipvs", "there is no virtual server here; use DNAT with a range of addresses"),
    ("l2tp", "use u32 on the tunnel's header"),
    ("nfacct", "every rule counts; see iptables -L -v -x"),
    ("osf", "fingerprints of systems are not kept"),
    ("physdev", "there are no bridged ports below an interface; use -i and -o"),
    ("rateest", "use hashlimit with --hashlimit-rate-match"),
    ("socket", "use conntrack --ctstate, or -d with the router's own addresses"),
    ("srh", "segment routing headers are matched with rt --rt-type 4"),
];
