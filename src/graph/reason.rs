//! Why a packet ended: the one list of drop reasons.
//!
//! Each reason has a stable name, the SNMP counters of the kernel that it raises, and a sentence
//! of help. `show drops`, `show counters`, JSON and docs/drops.md all come from this list.

macro_rules! reasons {
    ($($(#[doc = $help:literal])+ $variant:ident = $name:literal [$($snmp:ident),*],)+) => {
        /// Why a packet was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[doc = $help])+ $variant,)+
        }

        impl Reason {
            /// All reasons, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it means to an operator.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($help),+).trim_ascii(),)+ }
            }

            /// The kernel's counters that rise with it.
            pub const fn snmp(self) -> &'static [Snmp] {
                match self { $(Self::$variant => &[$(Snmp::$snmp),*],)+ }
            }
        }
    };
}

use super::snmp::Snmp;

reasons! {
    /// The frame is shorter than an Ethernet header.
    EthernetTruncated = "ethernet_truncated" [],
    /// The destination MAC address is another station's.
    OtherHost = "otherhost" [],
    /// No part of the router takes this ethertype.
    UnhandledEthertype = "unhandled_ethertype" [],
    /// No sub-interface has this VLAN id.
    UnknownVlan = "unknown_vlan" [],
    /// The interface is administratively down.
    LinkDown = "link_down" [],
    /// The ARP packet is not one for IPv4 over Ethernet, or is cut short.
    ArpMalformed = "arp_malformed" [],
    /// Not answered: the sender is reached by another interface (`arp_filter`).
    ArpFilter = "arp_filter" [ArpFilter],
    /// Too many questions wait for a proxy's answer already (`proxy_qlen`).
    ProxyQueueFull = "proxy_queuefull" [],
    /// The packet about an IPv6 neighbour fails the checks of RFC 4861.
    NdMalformed = "nd_malformed" [],
    /// IPv4 header cut short, of wrong version or of impossible length.
    IpHeader = "ip_header" [InHdrErrors],
    /// The IPv4 header checksum does not match.
    IpChecksum = "ip_csum" [InHdrErrors, InCsumErrors],
    /// The frame holds less than the IPv4 total length says.
    IpTruncated = "ip_truncated" [InTruncatedPkts],
    /// The source address cannot be on the wire: multicast, broadcast, loopback, zero, or our own.
    MartianSource = "ip_invalid_source" [],
    /// The destination address cannot be on the wire: loopback or zero.
    MartianDestination = "ip_invalid_dest" [],
    /// A unicast IPv4 packet came in a broadcast or multicast frame.
    UnicastInL2Multicast = "unicast_in_l2_multicast" [],
    /// No route covers the destination; answered with ICMP network unreachable.
    NoRoute = "ip_innoroutes" [InNoRoutes],
    /// No route covers the destination of a packet that the router made itself.
    OutNoRoute = "ip_outnoroutes" [OutNoRoutes],
    /// The covering route is a blackhole: dropped in silence.
    Blackhole = "route_blackhole" [],
    /// The covering route is unreachable; answered with ICMP host unreachable.
    RouteUnreachable = "route_unreachable" [InAddrErrors],
    /// The covering route is prohibit; answered with ICMP communication prohibited.
    RouteProhibit = "route_prohibit" [],
    /// Forwarding is off on the receiving interface.
    ForwardingOff = "forwarding_off" [InAddrErrors],
    /// Broadcast for this router that no local service takes.
    Broadcast = "broadcast_not_taken" [],
    /// Multicast to a group that the router has not joined.
    MulticastNotJoined = "multicast_not_joined" [],
    /// A copy of a packet whose sender was told of a better gateway; the packet itself went on.
    Redirected = "redirected" [],
    /// The source is not reached by the interface that the packet came in by (`rp_filter`).
    RpFilter = "ip_rpfilter" [IPReversePathFilter],
    /// The time to live ran out; answered with ICMP time exceeded.
    TtlExceeded = "ttl_exceeded" [InHdrErrors],
    /// Larger than the MTU with DF set; answered with ICMP fragmentation needed.
    FragNeeded = "pkt_too_big" [FragFails],
    /// The packet could not be cut to fit the MTU.
    FragFailed = "frag_failed" [FragFails],
    /// The packet was cut into fragments, which took its place.
    Fragmented = "fragmented" [],
    /// An IPv4 option is malformed; answered with ICMP parameter problem.
    IpOptions = "ip_options" [InHdrErrors],
    /// A source route that is not followed: `accept_source_route` is off, or it leads nowhere.
    SourceRoute = "ip_source_route" [],
    /// A fragment that found its datagram: the datagram took the place of its fragments.
    Reassembled = "reassembled" [],
    /// All bytes of the fragment had come before.
    FragDuplicate = "dup_frag" [],
    /// The fragment overlaps another; its datagram was given up.
    FragOverlap = "frag_overlap" [ReasmFails, ReasmOverlaps],
    /// The fragment is empty, or its end does not agree with others; its datagram was given up.
    FragMalformed = "frag_malformed" [ReasmFails],
    /// The fragments have congestion marks that cannot go together (RFC 3168 section 5.3).
    FragEcn = "frag_ecn" [ReasmFails],
    /// The fragments make more than the 65,535 bytes that a packet can have.
    FragOversize = "frag_oversize" [ReasmFails],
    /// Fragments that wait take more memory than `ipfrag_high_thresh`.
    FragMemory = "frag_high_thresh" [ReasmFails],
    /// No packet buffer was free for the datagram.
    FragNoBuffer = "frag_nomem" [ReasmFails],
    /// A fragment that had waited when another one ended its datagram.
    FragGivenUp = "frag_given_up" [],
    /// More than `ipfrag_max_dist` fragments of the same sender had come since the last of its datagram.
    FragTooFar = "frag_too_far" [],
    /// The other fragments did not come within `ipfrag_time`.
    FragTimeout = "frag_reasm_timeout" [],
    /// A copy of a first fragment whose sender was told that the others did not come.
    FragTimeoutTold = "frag_timeout_told" [],
    /// No local service takes this IP protocol; answered with ICMP protocol unreachable.
    NoProtocol = "ip_noproto" [InUnknownProtos],
    /// No local service listens on this UDP port; answered with ICMP port unreachable.
    NoSocket = "no_socket" [UdpNoPorts],
    /// No local service listens on this TCP port; answered with a reset.
    TcpNoSocket = "tcp_no_socket" [TcpInSegs],
    /// The UDP header is cut short or its length is impossible.
    UdpMalformed = "udp_malformed" [UdpInErrors],
    /// The UDP checksum does not match.
    UdpChecksum = "udp_csum" [UdpInErrors, UdpInCsumErrors],
    /// The TCP header is cut short or of impossible length.
    TcpMalformed = "tcp_malformed" [TcpInSegs, TcpInErrs],
    /// The TCP checksum does not match.
    TcpChecksum = "tcp_csum" [TcpInSegs, TcpInErrs, TcpInCsumErrors],
    /// The ICMP message is shorter than its header.
    IcmpTruncated = "icmp_truncated" [IcmpInErrors],
    /// The ICMP checksum does not match.
    IcmpChecksum = "icmp_csum" [IcmpInErrors, IcmpInCsumErrors],
    /// The ICMP type is above the highest defined one.
    IcmpUnknownType = "unhandled_icmp_type" [IcmpInErrors],
    /// An ICMP message that needs no answer: read, counted and done with.
    IcmpConsumed = "icmp_consumed" [],
    /// An ICMP error that does not quote an IP header and eight bytes.
    IcmpBadQuote = "icmp_bad_quote" [IcmpInErrors],
    /// An ICMP error about a TCP or UDP session that the router does not have.
    IcmpNoSession = "icmp_no_session" [IcmpInErrors],
    /// A request that sysctls or limits leave unanswered.
    IcmpIgnored = "icmp_ignored" [],
    /// An ICMP message to a broadcast or multicast address that is not taken there.
    IcmpBroadcast = "icmp_broadcast" [IcmpInErrors],
    /// An ICMP error about a packet to a broadcast address.
    IcmpBogusError = "icmp_bogus_error" [],
    /// IPv6 header cut short, of wrong version, or with addresses that cannot be on the wire.
    Ip6Header = "ip6_header" [Ip6InHdrErrors],
    /// The frame holds less than the IPv6 payload length says.
    Ip6Truncated = "ip6_truncated" [Ip6InTruncatedPkts],
    /// IPv6 is off on the receiving interface (`disable_ipv6`).
    Ip6Disabled = "ipv6disabled" [Ip6InDiscards],
    /// No route covers the IPv6 destination; answered with ICMPv6 no route.
    Ip6NoRoute = "ip6_innoroutes" [Ip6InNoRoutes],
    /// No route covers the destination of an IPv6 packet that the router made itself.
    Ip6OutNoRoute = "ip6_outnoroutes" [Ip6OutNoRoutes],
    /// The covering IPv6 route is unreachable; answered with ICMPv6 no route.
    Ip6RouteUnreachable = "ip6_route_unreachable" [Ip6InNoRoutes],
    /// The covering IPv6 route is prohibit; answered with ICMPv6 communication prohibited.
    Ip6RouteProhibit = "ip6_route_prohibit" [Ip6InNoRoutes],
    /// The IPv6 destination is unspecified; answered with ICMPv6 no route.
    Ip6ToNobody = "ip6_to_nobody" [Ip6InAddrErrors],
    /// IPv6 forwarding is off on the receiving interface.
    Ip6ForwardingOff = "ip6_forwarding_off" [Ip6InAddrErrors],
    /// A source that may not leave its link; answered with ICMPv6 beyond scope where it is an address.
    Ip6BeyondScope = "ip6_beyond_scope" [Ip6InAddrErrors],
    /// The hop limit ran out; answered with ICMPv6 time exceeded.
    Ip6HopLimit = "ip6_hop_limit" [Ip6InHdrErrors],
    /// Larger than the way out carries; answered with ICMPv6 packet too big.
    Ip6TooBig = "ip6_pkt_too_big" [Ip6OutForwDatagrams, Ip6InTooBigErrors, Ip6FragFails],
    /// Larger than its way carries, though not than the link; answered with ICMPv6 packet too big.
    Ip6TooBigForWay = "ip6_too_big_for_way" [Ip6OutForwDatagrams, Ip6FragFails],
    /// No local service takes this next header; answered with ICMPv6 parameter problem.
    Ip6NextHeader = "ip6_unknown_next_header" [Ip6InUnknownProtos],
    /// No local service listens on this UDP port; answered with ICMPv6 port unreachable.
    Udp6NoSocket = "udp6_no_socket" [Udp6NoPorts],
    /// Options of an IPv6 header are malformed, too many, or ask for this where they are not known.
    Ip6Options = "ip6_options" [Ip6InHdrErrors],
    /// A header of destination options is longer than `max_dst_opts_length`.
    Ip6OptionsTooLong = "ip6_options_too_long" [],
    /// An IPv6 jumbogram that is not there whole.
    Ip6ShortJumbo = "ip6_short_jumbo" [Ip6InHdrErrors],
    /// A routing header in a packet to a group, or in a frame to many.
    Ip6SourceRoute = "ip6_source_route" [Ip6InAddrErrors],
    /// A segment routing header where `seg6_enabled` is off, or with a keyed hash.
    Ip6Segments = "ip6_segments" [],
    /// The IPv6 fragment overlaps another; its packet was given up.
    Frag6Overlap = "frag6_overlap" [Ip6ReasmFails],
    /// The IPv6 fragment is empty, or its end does not agree with others; its packet was given up.
    Frag6Malformed = "frag6_malformed" [Ip6ReasmFails],
    /// The IPv6 fragments have congestion marks that cannot go together.
    Frag6Ecn = "frag6_ecn" [Ip6ReasmFails],
    /// The IPv6 fragments make more than the 65,535 bytes that a packet can have.
    Frag6Oversize = "frag6_oversize" [Ip6ReasmFails],
    /// IPv6 fragments that wait take more memory than `ip6frag_high_thresh`.
    Frag6Memory = "frag6_high_thresh" [Ip6ReasmFails],
    /// No packet buffer was free for the IPv6 packet.
    Frag6NoBuffer = "frag6_nomem" [Ip6ReasmFails],
    /// An IPv6 packet of the router's own could not be cut to fit the MTU.
    Frag6Failed = "frag6_failed" [Ip6FragFails],
    /// Connection tracking cannot put the IPv6 fragment together with others.
    Frag6Filter = "nf_frag6" [],
    /// The UDP header over IPv6 is cut short or its length is impossible.
    Udp6Malformed = "udp6_malformed" [Udp6InErrors],
    /// The UDP checksum over IPv6 does not match, or is missing.
    Udp6Checksum = "udp6_csum" [Udp6InErrors, Udp6InCsumErrors],
    /// A datagram to an IPv6 group that nobody listens to.
    Udp6Group = "udp6_group" [Udp6IgnoredMulti],
    /// An ICMPv6 error that does not quote an IPv6 header and eight bytes behind its headers.
    Icmp6BadQuote = "icmp6_bad_quote" [Icmp6InErrors],
    /// An ICMPv6 error about a TCP or UDP session that the router does not have.
    Icmp6NoSession = "icmp6_no_session" [Icmp6InErrors],
    /// An ICMPv6 request that sysctls or limits leave unanswered.
    Icmp6Ignored = "icmp6_ignored" [],
    /// Multicast to a group that is not wanted from this source.
    Ip6MulticastSource = "ip6_multicast_source" [Ip6InDiscards],
    /// The ICMPv6 message is shorter than its header.
    Icmp6Truncated = "icmp6_truncated" [Icmp6InErrors],
    /// The ICMPv6 checksum does not match.
    Icmp6Checksum = "icmp6_csum" [Icmp6InErrors, Icmp6InCsumErrors],
    /// An ICMPv6 message that needs no answer: read, counted and done with.
    Icmp6Consumed = "icmp6_consumed" [],
    /// The router took the packet for itself and nothing was left to do.
    LocalDone = "local_done" [],
    /// The next hop's link-layer address could not be resolved; answered with ICMP host unreachable.
    NeighbourFailed = "neigh_failed" [],
    /// The queue of packets waiting for the next hop's address is full.
    NeighbourQueueFull = "neigh_queuefull" [],
    /// The next hop was forgotten, with its link or by the administrator, before it answered.
    NeighbourDead = "neigh_dead" [],
    /// The neighbour table is full.
    NeighbourTableFull = "neigh_tablefull" [],
    /// The management core is behind: its ring is full.
    PuntFull = "punt_full" [],
    /// The workers are behind: their rings from the management core are full.
    InjectFull = "inject_full" [OutDiscards],
    /// The management core had nothing to do with the packet.
    PuntIgnored = "punt_ignored" [],
    /// The device's transmit ring stayed full.
    TxFull = "tx_ring_full" [OutDiscards],
    /// The outgoing port does not exist any more.
    TxNoPort = "tx_no_port" [OutDiscards],
    /// No packet buffer was free to build an answer or a fragment.
    NoBuffer = "nomem" [OutDiscards],
    /// A rule of the packet filter drops it.
    FilterRule = "nf_drop" [],
    /// The policy of a chain of the packet filter drops it.
    FilterPolicy = "nf_policy" [],
    /// A match of the packet filter met a packet that is not whole.
    FilterMalformed = "nf_hotdrop" [],
    /// A target of the packet filter could not do what it was to do.
    FilterTarget = "nf_target" [],
    /// A rule of the packet filter refuses it; its sender is told.
    FilterReject = "nf_reject" [],
    /// A rule hands it to a program, and none listens.
    QueueNobody = "nf_queue_nobody" [],
    /// A rule hands it to a program, for which as many packets wait as may.
    QueueFull = "nf_queue_full" [],
    /// A program to which a rule hands it has dropped it, or has gone before it decided.
    QueueDrop = "nf_queue_drop" [],
    /// Connection tracking has no room for another connection, or cannot let the packet pass.
    ConntrackDrop = "nf_ct_drop" [],
    /// Another connection has the same addresses and ports already.
    ConntrackClash = "nf_ct_clash" [],
    /// Its addresses could not be translated.
    NatFailed = "nf_nat_failed" [],
    /// It goes to an address that stands for one of the other family, and has no counterpart there.
    NatCross = "nf_nat64" [],
    /// Its connection speaks with the address of another interface than the one it would leave by.
    NatMoved = "nf_nat_moved" [],
    /// The ring to the worker that has its connection was full.
    ConntrackHandover = "nf_handover_full" [],
    /// A helper could not read it, or not change it as its translation needs.
    HelperDrop = "nf_ct_helper" [],
    /// Its sequence numbers could not be corrected.
    SequenceDrop = "nf_ct_seqadj" [],
    /// It is of no handshake that was answered in a server's stead.
    SynproxyDrop = "nf_synproxy" [],
    /// The router finishes a handshake in its place.
    SynproxyTaken = "nf_synproxy_taken" [],
    /// The worker's own frames were all in use.
    FramePoolEmpty = "frame_pool_empty" [],
    /// The ring to the worker that owns the flow was full.
    HandoverFull = "handover_full" [],
    /// Packets in hand when the router stopped.
    Shutdown = "shutdown" [],
}

impl Reason {
    /// False where the packet was not lost: the router took it for itself, or others took its place.
    pub const fn is_drop(self) -> bool {
        !matches!(
            self,
            Self::LocalDone
                | Self::IcmpConsumed
                | Self::Icmp6Consumed
                | Self::Fragmented
                | Self::Reassembled
                | Self::FragTimeoutTold
                | Self::Redirected
        )
    }
}

/// How many reasons there are.
pub const REASONS: usize = Reason::ALL.len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_reason_is_explained() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), REASONS);
        for (number, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, number);
            assert!(reason.help().ends_with('.'), "{}: {:?}", reason.name(), reason.help());
        }
    }
}
