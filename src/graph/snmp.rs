//! The kernel's SNMP counters, by their names in `/proc/net/snmp` and `/proc/net/netstat`.
//!
//! Most of them are sums over drop reasons and node counters, made when somebody reads them; the
//! rest are counted by nodes through [`super::Cx::count`].

macro_rules! snmp {
    ($($group:literal { $($variant:ident = $name:literal $help:literal,)+ })+) => {
        /// A counter of the kernel's MIBs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[allow(missing_docs)]
        pub enum Snmp { $($($variant,)+)+ }

        impl Snmp {
            /// All counters, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)+)+];

            /// Group as the first word of the line in `/proc/net/snmp`, name, and help.
            pub const fn describe(self) -> (&'static str, &'static str, &'static str) {
                match self { $($(Self::$variant => ($group, $name, $help),)+)+ }
            }
        }
    };
}

snmp! {
    "Ip" {
        InReceives = "InReceives" "IPv4 packets received, broken ones too.",
        InHdrErrors = "InHdrErrors" "Dropped for a bad header, a bad checksum or an expired time to live.",
        InAddrErrors = "InAddrErrors" "Dropped because the destination is not for this router to handle.",
        ForwDatagrams = "ForwDatagrams" "IPv4 packets forwarded.",
        InUnknownProtos = "InUnknownProtos" "Packets for the router with a protocol that nothing takes.",
        InDelivers = "InDelivers" "Packets handed to the router's own protocols.",
        OutRequests = "OutRequests" "IPv4 packets that the router made itself.",
        OutDiscards = "OutDiscards" "Packets dropped on output for want of a buffer or ring space.",
        OutNoRoutes = "OutNoRoutes" "The router's own packets that no route covers.",
        ReasmTimeout = "ReasmTimeout" "Reassemblies whose time ran out.",
        ReasmReqds = "ReasmReqds" "Fragments received that needed reassembly.",
        ReasmOKs = "ReasmOKs" "Datagrams put together from their fragments.",
        ReasmFails = "ReasmFails" "Reassemblies that failed.",
        FragOKs = "FragOKs" "Packets cut into fragments.",
        FragFails = "FragFails" "Packets that needed cutting and could not be cut.",
        FragCreates = "FragCreates" "Fragments made.",
        OutTransmits = "OutTransmits" "IPv4 packets handed to an interface, forwarded or made here, before they were cut.",
    }
    "TcpExt" {
        ArpFilter = "ArpFilter" "ARP requests not answered because the sender is reached by another interface.",
        IPReversePathFilter = "IPReversePathFilter" "Packets whose source is not reached by the interface they came in by.",
    }
    "IpExt" {
        InNoRoutes = "InNoRoutes" "Packets to forward that no route covers.",
        InTruncatedPkts = "InTruncatedPkts" "Packets shorter than their total length.",
        InMcastPkts = "InMcastPkts" "IPv4 multicast packets received.",
        InBcastPkts = "InBcastPkts" "IPv4 broadcast packets received.",
        InCsumErrors = "InCsumErrors" "Packets with a wrong header checksum.",
        ReasmOverlaps = "ReasmOverlaps" "Reassemblies given up because fragments overlap.",
    }
    "Icmp" {
        IcmpInMsgs = "InMsgs" "ICMP messages received, broken ones too.",
        IcmpInErrors = "InErrors" "ICMP messages received that were broken or unknown.",
        IcmpInCsumErrors = "InCsumErrors" "ICMP messages with a wrong checksum.",
        IcmpInDestUnreachs = "InDestUnreachs" "Destination unreachable received.",
        IcmpInTimeExcds = "InTimeExcds" "Time exceeded received.",
        IcmpInParmProbs = "InParmProbs" "Parameter problem received.",
        IcmpInSrcQuenchs = "InSrcQuenchs" "Source quench received.",
        IcmpInRedirects = "InRedirects" "Redirects received.",
        IcmpInEchos = "InEchos" "Echo requests received.",
        IcmpInEchoReps = "InEchoReps" "Echo replies received.",
        IcmpInTimestamps = "InTimestamps" "Timestamp requests received.",
        IcmpInTimestampReps = "InTimestampReps" "Timestamp replies received.",
        IcmpInAddrMasks = "InAddrMasks" "Address mask requests received.",
        IcmpInAddrMaskReps = "InAddrMaskReps" "Address mask replies received.",
        IcmpOutMsgs = "OutMsgs" "ICMP messages sent.",
        IcmpOutErrors = "OutErrors" "ICMP messages that could not be sent.",
        IcmpOutRateLimitGlobal = "OutRateLimitGlobal" "ICMP messages held back by the limit for all targets.",
        IcmpOutRateLimitHost = "OutRateLimitHost" "ICMP messages held back by the limit for one target.",
        IcmpOutDestUnreachs = "OutDestUnreachs" "Destination unreachable sent.",
        IcmpOutTimeExcds = "OutTimeExcds" "Time exceeded sent.",
        IcmpOutParmProbs = "OutParmProbs" "Parameter problem sent.",
        IcmpOutSrcQuenchs = "OutSrcQuenchs" "Source quench sent; always 0.",
        IcmpOutRedirects = "OutRedirects" "Redirects sent.",
        IcmpOutEchos = "OutEchos" "Echo requests sent.",
        IcmpOutEchoReps = "OutEchoReps" "Echo replies sent.",
        IcmpOutTimestamps = "OutTimestamps" "Timestamp requests sent; always 0.",
        IcmpOutTimestampReps = "OutTimestampReps" "Timestamp replies sent.",
        IcmpOutAddrMasks = "OutAddrMasks" "Address mask requests sent; always 0.",
        IcmpOutAddrMaskReps = "OutAddrMaskReps" "Address mask replies sent; always 0.",
    }
    "Tcp" {
        TcpInSegs = "InSegs" "TCP segments received for the router itself.",
        TcpInErrs = "InErrs" "TCP segments received that were broken.",
        TcpOutRsts = "OutRsts" "TCP resets sent.",
        TcpInCsumErrors = "InCsumErrors" "TCP segments with a wrong checksum.",
    }
    "Udp" {
        UdpNoPorts = "NoPorts" "Datagrams for a port that nobody listens on.",
        UdpInErrors = "InErrors" "Datagrams received that were broken.",
        UdpInCsumErrors = "InCsumErrors" "Datagrams with a wrong checksum.",
    }
    "Ip6" {
        Ip6InReceives = "InReceives" "IPv6 packets received, broken ones too.",
        Ip6InHdrErrors = "InHdrErrors" "Dropped for a bad header or a spent hop limit.",
        Ip6InTooBigErrors = "InTooBigErrors" "Packets too large for the way out.",
        Ip6InNoRoutes = "InNoRoutes" "Packets to forward that no route covers.",
        Ip6InAddrErrors = "InAddrErrors" "Dropped because the addresses are not for this router to handle.",
        Ip6InUnknownProtos = "InUnknownProtos" "Packets for the router with a next header that nothing takes.",
        Ip6InTruncatedPkts = "InTruncatedPkts" "Packets shorter than their payload length.",
        Ip6InDiscards = "InDiscards" "Packets dropped on input though nothing was wrong with them.",
        Ip6InDelivers = "InDelivers" "Packets handed to the router's own protocols.",
        Ip6OutForwDatagrams = "OutForwDatagrams" "IPv6 packets forwarded.",
        Ip6OutRequests = "OutRequests" "IPv6 packets that the router made itself.",
        Ip6OutDiscards = "OutDiscards" "Packets dropped on output for want of a buffer.",
        Ip6OutNoRoutes = "OutNoRoutes" "The router's own packets that no route covers.",
        Ip6ReasmTimeout = "ReasmTimeout" "Reassemblies whose time ran out.",
        Ip6ReasmReqds = "ReasmReqds" "Fragments received that needed reassembly.",
        Ip6ReasmOKs = "ReasmOKs" "Packets put together from their fragments.",
        Ip6ReasmFails = "ReasmFails" "Reassemblies that failed.",
        Ip6FragOKs = "FragOKs" "The router's own packets cut into fragments.",
        Ip6FragFails = "FragFails" "Packets that needed cutting and could not be cut.",
        Ip6FragCreates = "FragCreates" "Fragments made.",
        Ip6InMcastPkts = "InMcastPkts" "IPv6 packets to groups received.",
        Ip6OutMcastPkts = "OutMcastPkts" "IPv6 packets to groups sent.",
        Ip6OutTransmits = "OutTransmits" "IPv6 packets handed to an interface, forwarded or made here; of what was cut each piece.",
    }
    "Icmp6" {
        Icmp6InMsgs = "InMsgs" "ICMPv6 messages received, broken ones too.",
        Icmp6InErrors = "InErrors" "ICMPv6 messages received that were broken.",
        Icmp6OutMsgs = "OutMsgs" "ICMPv6 messages sent.",
        Icmp6OutErrors = "OutErrors" "ICMPv6 messages that could not be sent.",
        Icmp6InCsumErrors = "InCsumErrors" "ICMPv6 messages with a wrong checksum.",
        Icmp6OutRateLimitHost = "OutRateLimitHost" "ICMPv6 messages held back by the limit for one target.",
        Icmp6InDestUnreachs = "InDestUnreachs" "Destination unreachable received.",
        Icmp6InPktTooBigs = "InPktTooBigs" "Packet too big received.",
        Icmp6InTimeExcds = "InTimeExcds" "Time exceeded received.",
        Icmp6InParmProblems = "InParmProblems" "Parameter problem received.",
        Icmp6InEchos = "InEchos" "Echo requests received.",
        Icmp6InEchoReplies = "InEchoReplies" "Echo replies received.",
        Icmp6InGroupMembQueries = "InGroupMembQueries" "Multicast listener queries received.",
        Icmp6InGroupMembResponses = "InGroupMembResponses" "Multicast listener reports received.",
        Icmp6InGroupMembReductions = "InGroupMembReductions" "Multicast listener done received.",
        Icmp6InRouterSolicits = "InRouterSolicits" "Router solicitations received.",
        Icmp6InRouterAdvertisements = "InRouterAdvertisements" "Router advertisements received.",
        Icmp6InNeighborSolicits = "InNeighborSolicits" "Neighbour solicitations received.",
        Icmp6InNeighborAdvertisements = "InNeighborAdvertisements" "Neighbour advertisements received.",
        Icmp6InRedirects = "InRedirects" "Redirects received.",
        Icmp6InMLDv2Reports = "InMLDv2Reports" "Multicast listener reports of version 2 received.",
        Icmp6OutDestUnreachs = "OutDestUnreachs" "Destination unreachable sent.",
        Icmp6OutPktTooBigs = "OutPktTooBigs" "Packet too big sent.",
        Icmp6OutTimeExcds = "OutTimeExcds" "Time exceeded sent.",
        Icmp6OutParmProblems = "OutParmProblems" "Parameter problem sent.",
        Icmp6OutEchos = "OutEchos" "Echo requests sent.",
        Icmp6OutEchoReplies = "OutEchoReplies" "Echo replies sent.",
        Icmp6OutGroupMembQueries = "OutGroupMembQueries" "Multicast listener queries sent.",
        Icmp6OutGroupMembResponses = "OutGroupMembResponses" "Multicast listener reports sent.",
        Icmp6OutGroupMembReductions = "OutGroupMembReductions" "Multicast listener done sent.",
        Icmp6OutRouterSolicits = "OutRouterSolicits" "Router solicitations sent.",
        Icmp6OutRouterAdvertisements = "OutRouterAdvertisements" "Router advertisements sent.",
        Icmp6OutNeighborSolicits = "OutNeighborSolicits" "Neighbour solicitations sent.",
        Icmp6OutNeighborAdvertisements = "OutNeighborAdvertisements" "Neighbour advertisements sent.",
        Icmp6OutRedirects = "OutRedirects" "Redirects sent.",
        Icmp6OutMLDv2Reports = "OutMLDv2Reports" "Multicast listener reports of version 2 sent.",
    }
    "Udp6" {
        Udp6NoPorts = "NoPorts" "Datagrams over IPv6 for a port that nobody listens on.",
        Udp6InErrors = "InErrors" "Datagrams over IPv6 received that were broken.",
        Udp6InCsumErrors = "InCsumErrors" "Datagrams over IPv6 with a wrong checksum, or none.",
        Udp6IgnoredMulti = "IgnoredMulti" "Datagrams to IPv6 groups that nobody listens to.",
    }
}

impl Snmp {
    /// The ICMP type whose messages it counts, and whether those sent; of most counters none.
    pub const fn icmp_type(self) -> Option<(bool, u8)> {
        Some(match self {
            Self::IcmpInEchoReps => (false, 0),
            Self::IcmpInDestUnreachs => (false, 3),
            Self::IcmpInSrcQuenchs => (false, 4),
            Self::IcmpInRedirects => (false, 5),
            Self::IcmpInEchos => (false, 8),
            Self::IcmpInTimeExcds => (false, 11),
            Self::IcmpInParmProbs => (false, 12),
            Self::IcmpInTimestamps => (false, 13),
            Self::IcmpInTimestampReps => (false, 14),
            Self::IcmpInAddrMasks => (false, 17),
            Self::IcmpInAddrMaskReps => (false, 18),
            Self::IcmpOutEchoReps => (true, 0),
            Self::IcmpOutDestUnreachs => (true, 3),
            Self::IcmpOutSrcQuenchs => (true, 4),
            Self::IcmpOutRedirects => (true, 5),
            Self::IcmpOutEchos => (true, 8),
            Self::IcmpOutTimeExcds => (true, 11),
            Self::IcmpOutParmProbs => (true, 12),
            Self::IcmpOutTimestamps => (true, 13),
            Self::IcmpOutTimestampReps => (true, 14),
            Self::IcmpOutAddrMasks => (true, 17),
            Self::IcmpOutAddrMaskReps => (true, 18),
            _ => return None,
        })
    }
}

impl Snmp {
    /// The ICMPv6 type whose messages it counts, and whether those sent; of most counters none.
    pub const fn icmp6_type(self) -> Option<(bool, u8)> {
        Some(match self {
            Self::Icmp6InDestUnreachs => (false, 1),
            Self::Icmp6InPktTooBigs => (false, 2),
            Self::Icmp6InTimeExcds => (false, 3),
            Self::Icmp6InParmProblems => (false, 4),
            Self::Icmp6InEchos => (false, 128),
            Self::Icmp6InEchoReplies => (false, 129),
            Self::Icmp6InGroupMembQueries => (false, 130),
            Self::Icmp6InGroupMembResponses => (false, 131),
            Self::Icmp6InGroupMembReductions => (false, 132),
            Self::Icmp6InRouterSolicits => (false, 133),
            Self::Icmp6InRouterAdvertisements => (false, 134),
            Self::Icmp6InNeighborSolicits => (false, 135),
            Self::Icmp6InNeighborAdvertisements => (false, 136),
            Self::Icmp6InRedirects => (false, 137),
            Self::Icmp6InMLDv2Reports => (false, 143),
            Self::Icmp6OutDestUnreachs => (true, 1),
            Self::Icmp6OutPktTooBigs => (true, 2),
            Self::Icmp6OutTimeExcds => (true, 3),
            Self::Icmp6OutParmProblems => (true, 4),
            Self::Icmp6OutEchos => (true, 128),
            Self::Icmp6OutEchoReplies => (true, 129),
            Self::Icmp6OutGroupMembQueries => (true, 130),
            Self::Icmp6OutGroupMembResponses => (true, 131),
            Self::Icmp6OutGroupMembReductions => (true, 132),
            Self::Icmp6OutRouterSolicits => (true, 133),
            Self::Icmp6OutRouterAdvertisements => (true, 134),
            Self::Icmp6OutNeighborSolicits => (true, 135),
            Self::Icmp6OutNeighborAdvertisements => (true, 136),
            Self::Icmp6OutRedirects => (true, 137),
            Self::Icmp6OutMLDv2Reports => (true, 143),
            _ => return None,
        })
    }
}

/// How many counters there are.
pub const SNMPS: usize = Snmp::ALL.len();
