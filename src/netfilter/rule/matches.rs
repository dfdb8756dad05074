//! All that a rule can ask beyond [`Basic`](super::Basic).
//!
//! - takes: nothing
//! - gives: [`Match`], one variant for each extension that is understood
//! - obeys: `iptables-extensions(8)`, "MATCH EXTENSIONS"

use super::basic::{Is, Masked, Span};
use super::conn::{ConnBytes, ConnLabel, ConnLimit, Conntrack, CtStates};
use super::header::{
    AddrType, Ah, Compare, DevGroup, Ecn, ExtOptions, Frag, IpRange, Ipv6Header, Owner, PacketType,
    Policy, RpFilter, Rt,
};
use super::payload::{StringMatch, U32};
use super::ports::{Dccp, Icmp, Multiport, Sctp, Tcp, Udp};
use super::rate::{HashLimit, Limit, Quota, Recent, SetMatch, Statistic, Time};

/// One extension's question about a packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    /// `tcp` (xt_tcpudp)
    Tcp(Tcp),
    /// `udp` (xt_tcpudp)
    Udp(Udp),
    /// `udplite` (xt_tcpudp)
    UdpLite(Udp),
    /// `sctp` (xt_sctp)
    Sctp(Sctp),
    /// `dccp` (xt_dccp)
    Dccp(Dccp),
    /// `icmp` (ip_tables); IPv4 only.
    Icmp(Is<Icmp>),
    /// `icmp6` (ip6_tables); IPv6 only.
    Icmp6(Is<Icmp>),
    /// `multiport` (xt_multiport)
    Multiport(Is<Multiport>),
    /// `state` (xt_state, an alias of xt_conntrack)
    State(Is<CtStates>),
    /// `conntrack` (xt_conntrack)
    Conntrack(Box<Conntrack>),
    /// `mark` (xt_mark)
    Mark(Is<Masked<u32>>),
    /// `connmark` (xt_connmark)
    Connmark(Is<Masked<u32>>),
    /// `connlabel` (xt_connlabel)
    ConnLabel(ConnLabel),
    /// `connbytes` (xt_connbytes)
    ConnBytes(ConnBytes),
    /// `connlimit` (xt_connlimit)
    ConnLimit(ConnLimit),
    /// `dscp` (xt_dscp): the upper six bits of TOS or traffic class.
    Dscp(Is<u8>),
    /// `tos` (xt_dscp): bits of TOS or traffic class.
    Tos(Is<Masked<u8>>),
    /// `ecn` (xt_ecn)
    Ecn(Ecn),
    /// `ttl` (xt_hl); IPv4 only.
    Ttl(Compare),
    /// `hl` (xt_hl); IPv6 only.
    HopLimit(Compare),
    /// `length` (xt_length): of the packet from its network header on.
    Length(Is<Span<u16>>),
    /// `limit` (xt_limit)
    Limit(Limit),
    /// `hashlimit` (xt_hashlimit)
    HashLimit(Box<HashLimit>),
    /// `recent` (xt_recent)
    Recent(Recent),
    /// `set` (xt_set)
    Set(SetMatch),
    /// `iprange` (xt_iprange)
    IpRange(IpRange),
    /// `mac` (xt_mac): the Ethernet source address.
    Mac(Is<[u8; 6]>),
    /// `addrtype` (xt_addrtype)
    AddrType(AddrType),
    /// `pkttype` (xt_pkttype)
    PacketType(Is<PacketType>),
    /// `rpfilter` (ipt_rpfilter, ip6t_rpfilter)
    RpFilter(RpFilter),
    /// `time` (xt_time)
    Time(Time),
    /// `string` (xt_string)
    String(StringMatch),
    /// `u32` (xt_u32)
    U32(Is<U32>),
    /// `statistic` (xt_statistic)
    Statistic(Is<Statistic>),
    /// `helper` (xt_helper); the empty name is any helper.
    Helper(Is<String>),
    /// `frag` (ip6t_frag); IPv6 only.
    Frag(Frag),
    /// `ipv6header` (ip6t_ipv6header); IPv6 only.
    Ipv6Header(Ipv6Header),
    /// `rt` (ip6t_rt); IPv6 only.
    Rt(Rt),
    /// `hbh` (ip6t_hbh); IPv6 only.
    HopByHop(ExtOptions),
    /// `dst` (ip6t_hbh); IPv6 only.
    DestinationOptions(ExtOptions),
    /// `mh` (ip6t_mh): types of mobility messages; IPv6 only.
    Mobility(Is<Span<u8>>),
    /// `eui64` (ip6t_eui64): the source was made of the Ethernet source; IPv6 only.
    Eui64,
    /// `ah` (ipt_ah, ip6t_ah)
    Ah(Ah),
    /// `esp` (xt_esp): its SPI.
    Esp(Is<Span<u32>>),
    /// `ipcomp` (xt_ipcomp): its CPI.
    Ipcomp(Is<Span<u32>>),
    /// `policy` (xt_policy)
    Policy(Policy),
    /// `owner` (xt_owner)
    Owner(Owner),
    /// `comment` (xt_comment): asks nothing.
    Comment(String),
    /// `quota` (xt_quota)
    Quota(Is<Quota>),
    /// `devgroup` (xt_devgroup)
    DevGroup(DevGroup),
    /// `cpu` (xt_cpu): the worker that has the packet.
    Cpu(Is<u32>),
    /// `realm` (xt_realm): of the route; IPv4 only.
    Realm(Is<Masked<u32>>),
    /// `tcpmss` (xt_tcpmss): the option's value in a SYN.
    TcpMss(Is<Span<u16>>),
}
