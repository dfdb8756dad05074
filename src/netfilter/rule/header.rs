//! Matches on network headers, on where a packet comes from and on what carries it.
//!
//! - takes: nothing
//! - gives: one struct for each match that asks more than one value
//! - obeys: xt_ecn, xt_hl, xt_iprange, xt_addrtype, xt_pkttype, ipt_rpfilter, ip6t_frag,
//!   ip6t_ipv6header, ip6t_rt, ip6t_hbh, ipt_ah, xt_policy, xt_owner, xt_devgroup

use std::net::{IpAddr, Ipv6Addr};

use super::basic::{Is, Masked, Prefix, Span};

/// `-m ttl`, `-m hl`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// `--ttl-eq`
    Equal(u8),
    /// `! --ttl-eq`
    NotEqual(u8),
    /// `--ttl-lt`
    Less(u8),
    /// `--ttl-gt`
    Greater(u8),
}

/// `-m ecn`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ecn {
    /// `--ecn-ip-ect`: the two bits of the network header.
    pub ip: Option<Is<u8>>,
    /// `--ecn-tcp-cwr`, or with `!` false.
    pub cwr: Option<bool>,
    /// `--ecn-tcp-ece`, or with `!` false.
    pub ece: Option<bool>,
}

/// `-m iprange`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct IpRange {
    /// `--src-range`
    pub source: Option<Is<Span<IpAddr>>>,
    /// `--dst-range`
    pub destination: Option<Is<Span<IpAddr>>>,
}

/// Types of routes, a bit each, numbered as `RTN_`: UNSPEC is bit 0, UNICAST bit 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddrTypes(pub u16);

impl AddrTypes {
    /// The words, the n-th for bit n.
    pub const NAMES: [&'static str; 12] = [
        "UNSPEC",
        "UNICAST",
        "LOCAL",
        "BROADCAST",
        "ANYCAST",
        "MULTICAST",
        "BLACKHOLE",
        "UNREACHABLE",
        "PROHIBIT",
        "THROW",
        "NAT",
        "XRESOLVE",
    ];
}

/// `-m addrtype`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddrType {
    /// `--src-type`
    pub source: Option<Is<AddrTypes>>,
    /// `--dst-type`
    pub destination: Option<Is<AddrTypes>>,
    /// `--limit-iface-in`: the route must lead to the interface it came by.
    pub limit_in: bool,
    /// `--limit-iface-out`: the route must lead to the interface it leaves by.
    pub limit_out: bool,
}

/// To whom the link layer's destination belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketType {
    /// `unicast`: this host.
    Unicast,
    /// `broadcast`
    Broadcast,
    /// `multicast`
    Multicast,
    /// `otherhost`: another host.
    OtherHost,
    /// `outgoing`, of which no rule ever sees one.
    Outgoing,
    /// `loopback`
    Loopback,
}

/// `-m rpfilter`: holds when the way back leads to where the packet came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RpFilter {
    /// `--loose`: any interface will do.
    pub loose: bool,
    /// `--validmark`: routes by the packet's mark too.
    pub valid_mark: bool,
    /// `--accept-local`
    pub accept_local: bool,
    /// `--invert`
    pub invert: bool,
}

/// `-m frag`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Frag {
    /// `--fragid`
    pub id: Option<Is<Span<u32>>>,
    /// `--fraglen`, which the kernel does not look at.
    pub length: Option<Is<u32>>,
    /// `--fragres`: the reserved fields are not zero.
    pub reserved: bool,
    /// `--fragfirst`
    pub first: bool,
    /// `--fragmore`, or `Some(false)` for `--fraglast`.
    pub more: Option<bool>,
}

/// A header between IPv6's own and the payload, and its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum HeaderOption {
    /// `prot`: a transport protocol.
    Payload = 1,
    /// `none`
    NoNext = 2,
    /// `esp`
    Esp = 4,
    /// `ah`
    Ah = 8,
    /// `frag`
    Fragment = 16,
    /// `route`
    Routing = 32,
    /// `dst`
    Destination = 64,
    /// `hop`
    HopByHop = 128,
}

/// `-m ipv6header`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ipv6Header {
    /// `--header`: bits of [`HeaderOption`].
    pub headers: Is<u8>,
    /// `--soft`: others may be there too.
    pub soft: bool,
}

/// `-m rt`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rt {
    /// `--rt-type`
    pub kind: Option<Is<u32>>,
    /// `--rt-segsleft`
    pub segments_left: Option<Is<Span<u32>>>,
    /// `--rt-len`
    pub length: Option<Is<u32>>,
    /// `--rt-0-res`
    pub reserved: bool,
    /// `--rt-0-addrs`; `None` if not asked.
    pub addresses: Option<Vec<Ipv6Addr>>,
    /// `--rt-0-not-strict`: others may stand between them.
    pub not_strict: bool,
}

/// An option of a header of options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExtOption {
    /// Its type.
    pub kind: u8,
    /// The length of its data, if asked.
    pub length: Option<u8>,
}

/// `-m hbh`, `-m dst`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ExtOptions {
    /// `--hbh-len`, `--dst-len`: of the header, in bytes.
    pub length: Option<Is<u32>>,
    /// `--hbh-opts`, `--dst-opts`: in this order, at most 16.
    pub options: Vec<ExtOption>,
}

/// `-m ah`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ah {
    /// `--ahspi`
    pub spi: Option<Is<Span<u32>>>,
    /// `--ahlen`: of the header, in bytes; IPv6 only.
    pub length: Option<Is<u32>>,
    /// `--ahres`: the reserved field is not zero; IPv6 only.
    pub reserved: bool,
}

/// Whether a packet was, or will be, transformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyWay {
    /// `in`
    In,
    /// `out`
    Out,
}

/// `--mode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyMode {
    /// `transport`
    Transport,
    /// `tunnel`
    Tunnel,
}

/// One transformation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PolicyElement {
    /// `--reqid`
    pub request: Option<Is<u32>>,
    /// `--spi`
    pub spi: Option<Is<u32>>,
    /// `--proto`
    pub protocol: Option<Is<u8>>,
    /// `--mode`
    pub mode: Option<Is<PolicyMode>>,
    /// `--tunnel-src`
    pub tunnel_source: Option<Is<Prefix>>,
    /// `--tunnel-dst`
    pub tunnel_destination: Option<Is<Prefix>>,
}

/// `-m policy`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// `--dir`
    pub way: PolicyWay,
    /// `--pol none`: it was not.
    pub none: bool,
    /// `--strict`: all of these, in order.
    pub strict: bool,
    /// At most four.
    pub elements: Vec<PolicyElement>,
}

/// `-m owner`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    /// `--uid-owner`
    pub uid: Option<Is<Span<u32>>>,
    /// `--gid-owner`
    pub gid: Option<Is<Span<u32>>>,
    /// `--socket-exists`, or with `!` false.
    pub socket: Option<bool>,
    /// `--suppl-groups`
    pub supplementary: bool,
}

/// `-m devgroup`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DevGroup {
    /// `--src-group`
    pub source: Option<Is<Masked<u32>>>,
    /// `--dst-group`
    pub destination: Option<Is<Masked<u32>>>,
}
