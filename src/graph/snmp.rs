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
        ReasmReqds = "ReasmReqds" "Fragments received that needed reassembly.",
        ReasmFails = "ReasmFails" "Reassemblies that failed.",
        FragOKs = "FragOKs" "Packets cut into fragments.",
        FragFails = "FragFails" "Packets that needed cutting and could not be cut.",
        FragCreates = "FragCreates" "Fragments made.",
    }
    "TcpExt" {
        IPReversePathFilter = "IPReversePathFilter" "Packets whose source is not reached by the interface they came in by.",
    }
    "IpExt" {
        InNoRoutes = "InNoRoutes" "Packets to forward that no route covers.",
        InTruncatedPkts = "InTruncatedPkts" "Packets shorter than their total length.",
        InMcastPkts = "InMcastPkts" "IPv4 multicast packets received.",
        InBcastPkts = "InBcastPkts" "IPv4 broadcast packets received.",
        InCsumErrors = "InCsumErrors" "Packets with a wrong header checksum.",
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
        IcmpOutRedirects = "OutRedirects" "Redirects sent.",
        IcmpOutEchoReps = "OutEchoReps" "Echo replies sent.",
        IcmpOutTimestampReps = "OutTimestampReps" "Timestamp replies sent.",
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
}

/// How many counters there are.
pub const SNMPS: usize = Snmp::ALL.len();
