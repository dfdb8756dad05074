//! The list: names, ranges, defaults and what each does.

use std::ops::RangeInclusive;

macro_rules! sysctls {
    ($($Name:ident = $name:literal, $range:expr, $default:literal, linux $linux:literal, $help:literal;)+) => {
        /// A tunable of the whole router.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Sysctl { $(#[doc = $help] $Name,)+ }

        impl Sysctl {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$Name,)+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$Name => $name,)+ }
            }

            /// The values that it may have.
            pub fn range(self) -> RangeInclusive<i64> {
                match self { $(Self::$Name => $range,)+ }
            }

            /// Its value when none is given.
            pub const fn default(self) -> i64 {
                match self { $(Self::$Name => $default,)+ }
            }

            /// Its value in Linux when none is given.
            pub const fn linux_default(self) -> i64 {
                match self { $(Self::$Name => $linux,)+ }
            }

            /// What it does.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$Name => $help,)+ }
            }
        }
    };
}

/// Most that the kernel's `int` tunables hold.
const INT: i64 = i32::MAX as i64;

sysctls! {
    IpForward = "net.ipv4.ip_forward", 0..=1, 1, linux 0,
        "Forward packets between interfaces; also written net.ipv4.conf.all.forwarding.";
    IpDefaultTtl = "net.ipv4.ip_default_ttl", 1..=255, 64, linux 64,
        "Time to live of packets that the router makes.";
    IcmpEchoIgnoreAll = "net.ipv4.icmp_echo_ignore_all", 0..=1, 0, linux 0,
        "Leave all echo requests unanswered.";
    IcmpEchoIgnoreBroadcasts = "net.ipv4.icmp_echo_ignore_broadcasts", 0..=1, 1, linux 1,
        "Leave echo and timestamp requests to broadcast and multicast addresses unanswered.";
    IcmpErrorsUseInboundIfaddr = "net.ipv4.icmp_errors_use_inbound_ifaddr", 0..=1, 0, linux 0,
        "Send ICMP errors from the address of the interface on which the packet came in.";
    FwmarkReflect = "net.ipv4.fwmark_reflect", 0..=1, 0, linux 0,
        "Give answers that the router makes the mark of what they answer: echo replies, errors, resets.";
    IcmpEchoEnableProbe = "net.ipv4.icmp_echo_enable_probe", 0..=1, 0, linux 0,
        "Answer extended echo requests (RFC 8335) with the state of the interface they name.";
    IcmpIgnoreBogusErrorResponses = "net.ipv4.icmp_ignore_bogus_error_responses", 0..=1, 1, linux 1,
        "Take ICMP errors about packets to broadcast addresses as others; 0 to log and drop them.";
    IcmpRatelimit = "net.ipv4.icmp_ratelimit", 0..=INT, 1000, linux 1000,
        "Least milliseconds between two limited ICMP messages to one target; 0 for no limit.";
    IcmpRatemask = "net.ipv4.icmp_ratemask", 0..=0xffff_ffff, 6168, linux 6168,
        "Which ICMP types are limited: bit n for type n.";
    IcmpMsgsPerSec = "net.ipv4.icmp_msgs_per_sec", 0..=INT, 1000, linux 1000,
        "Most limited ICMP messages a second, to all targets together.";
    IcmpMsgsBurst = "net.ipv4.icmp_msgs_burst", 0..=INT, 50, linux 50,
        "Most limited ICMP messages at once, to all targets together.";
    FibMultipathHashPolicy = "net.ipv4.fib_multipath_hash_policy", 0..=3, 0, linux 0,
        "What chooses among the next hops of a route: 0 for addresses, 1 for addresses and ports, 2 for addresses of what is carried inside, 3 for the fields that fib_multipath_hash_fields names.";
    FibMultipathHashFields = "net.ipv4.fib_multipath_hash_fields", 0..=4095, 7, linux 7,
        "Fields for policy 3: 1 source, 2 destination, 4 protocol, 16 source port, 32 destination port, and 64 times that for what is carried inside.";
    FibMultipathHashSeed = "net.ipv4.fib_multipath_hash_seed", 0..=0xffff_ffff, 0, linux 0,
        "Seed of the hash that chooses among next hops; 0 for one that nobody can foretell.";
    IpForwardUsePmtu = "net.ipv4.ip_forward_use_pmtu", 0..=1, 0, linux 0,
        "Let learned path MTUs hold for packets in transit too.";
    RouteMinPmtu = "net.ipv4.route.min_pmtu", 68..=INT, 552, linux 552,
        "Least path MTU that is believed; a smaller one is taken for this and locked.";
    RouteMtuExpires = "net.ipv4.route.mtu_expires", 1..=INT, 600, linux 600,
        "Seconds for which a learned path MTU holds.";
    RouteRedirectNumber = "net.ipv4.route.redirect_number", 0..=255, 9, linux 9,
        "Redirects that a host gets before it is left alone.";
    RouteRedirectLoad = "net.ipv4.route.redirect_load", 0..=INT, 20, linux 20,
        "Milliseconds before the second redirect to a host; twice as many before each further one.";
    RouteRedirectSilence = "net.ipv4.route.redirect_silence", 0..=INT, 20_480, linux 20_480,
        "Milliseconds without a redirect after which a host that was left alone is told again.";
    IpfragTime = "net.ipv4.ipfrag_time", 0..=INT, 30, linux 30,
        "Seconds for which fragments wait for the rest of their datagram.";
    IpfragHighThresh = "net.ipv4.ipfrag_high_thresh", 0..=33_554_432, 4_194_304, linux 4_194_304,
        "Bytes that waiting fragments may take, over all workers, each of which has its share; with more than that nothing is taken until time runs out for some. 0 turns reassembly off.";
    IpfragLowThresh = "net.ipv4.ipfrag_low_thresh", 0..=33_554_432, 3_145_728, linux 3_145_728,
        "Nothing depends on it, as in Linux since 4.17.";
    IpfragMaxDist = "net.ipv4.ipfrag_max_dist", 0..=INT, 64, linux 64,
        "Fragments of one sender that may come between two of one datagram; with more in between it starts anew. 0 for no limit.";
    IgmpMaxMemberships = "net.ipv4.igmp_max_memberships", 0..=INT, 20, linux 20,
        "Most groups that one owner listens to on an interface.";
    IgmpMaxMsf = "net.ipv4.igmp_max_msf", 0..=INT, 10, linux 10,
        "Most sources in a filter of an IPv4 group.";
    IgmpQrv = "net.ipv4.igmp_qrv", 1..=INT, 2, linux 2,
        "How often changes of IPv4 groups are told.";
    IgmpLinkLocalMcastReports = "net.ipv4.igmp_link_local_mcast_reports", 0..=1, 1, linux 1,
        "Tell of groups in 224.0.0.0/24 as well.";
    MldMaxMsf = "net.ipv6.mld_max_msf", 0..=INT, 64, linux 64,
        "Most sources in a filter of an IPv6 group.";
    MldQrv = "net.ipv6.mld_qrv", 1..=INT, 2, linux 2,
        "How often changes of IPv6 groups are told.";
    IdgenRetries = "net.ipv6.idgen_retries", 0..=255, 3, linux 3,
        "How often another address of the same secret is tried where one is a duplicate.";
    IdgenDelay = "net.ipv6.idgen_delay", 0..=INT, 1, linux 1,
        "Seconds before that.";
    Ip6RouteMtuExpires = "net.ipv6.route.mtu_expires", 1..=INT, 600, linux 600,
        "Seconds for which a learned path MTU of IPv6 holds.";
    Ip6MaxHbhOptsNumber = "net.ipv6.max_hbh_opts_number", -INT..=INT, 8, linux 8,
        "Most options, padding not counted, in hop-by-hop headers; below zero that many that are known and no other.";
    Ip6MaxHbhLength = "net.ipv6.max_hbh_length", 0..=INT, 2_147_483_647, linux 2_147_483_647,
        "Most bytes of a hop-by-hop header.";
    Ip6MaxDstOptsNumber = "net.ipv6.max_dst_opts_number", -INT..=INT, 8, linux 8,
        "Most options, padding not counted, in destination headers for the router; below zero that many that are known and no other.";
    Ip6MaxDstOptsLength = "net.ipv6.max_dst_opts_length", 0..=INT, 2_147_483_647, linux 2_147_483_647,
        "Most bytes of a destination header for the router.";
    Ip6fragTime = "net.ipv6.ip6frag_time", 0..=INT, 60, linux 60,
        "Seconds for which IPv6 fragments wait for the rest of their packet.";
    Ip6fragHighThresh = "net.ipv6.ip6frag_high_thresh", 0..=33_554_432, 4_194_304, linux 4_194_304,
        "Bytes that waiting IPv6 fragments may take, over all workers, each of which has its share. 0 turns reassembly off.";
    Ip6fragLowThresh = "net.ipv6.ip6frag_low_thresh", 0..=33_554_432, 3_145_728, linux 3_145_728,
        "Nothing depends on it, as in Linux since 4.17.";
    Icmp6Ratelimit = "net.ipv6.icmp.ratelimit", 0..=INT, 100, linux 100,
        "Least milliseconds between two limited ICMPv6 messages to one target; 0 for no limit.";
    Icmp6EchoIgnoreAll = "net.ipv6.icmp.echo_ignore_all", 0..=1, 0, linux 0,
        "Leave all ICMPv6 echo requests unanswered.";
    Icmp6EchoIgnoreMulticast = "net.ipv6.icmp.echo_ignore_multicast", 0..=1, 0, linux 0,
        "Leave ICMPv6 echo requests to groups unanswered.";
    Icmp6EchoIgnoreAnycast = "net.ipv6.icmp.echo_ignore_anycast", 0..=1, 0, linux 0,
        "Leave ICMPv6 echo requests to anycast addresses unanswered.";
    Icmp6ErrorAnycastAsUnicast = "net.ipv6.icmp.error_anycast_as_unicast", 0..=1, 0, linux 0,
        "Send ICMPv6 errors to anycast addresses too.";
    AnycastSrcEchoReply = "net.ipv6.anycast_src_echo_reply", 0..=1, 0, linux 0,
        "Answer ICMPv6 echo requests to anycast addresses from these addresses.";
    AutoFlowlabels = "net.ipv6.auto_flowlabels", 0..=3, 1, linux 1,
        "Give packets of the router's own a flow label: 0 and 2 for none, 1 and 3 for one that comes of the flow.";
    Ip6FwmarkReflect = "net.ipv6.fwmark_reflect", 0..=1, 0, linux 0,
        "The same for answers over IPv6.";
    FlowlabelReflect = "net.ipv6.flowlabel_reflect", 0..=7, 0, linux 0,
        "Whose flow labels come back in answers: 2 of refused TCP segments, 4 of echo requests.";
    FlowlabelStateRanges = "net.ipv6.flowlabel_state_ranges", 0..=1, 0, linux 0,
        "Take flow labels of the router's own from the upper half.";
}

/// How the value of `conf.all` and that of an interface make the one in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// The interface's own alone; setting that of `all` sets it on every interface.
    Own,
    /// Both must be set.
    And,
    /// One of them must be set.
    Or,
    /// The greater of them.
    Max,
    /// The lesser of them.
    Min,
    /// The interface's own alone; that of `all` means nothing.
    Alone,
}

impl Combine {
    pub(super) const fn apply(self, all: i64, own: i64) -> i64 {
        match self {
            Self::Own | Self::Alone => own,
            Self::And => (all != 0 && own != 0) as i64,
            Self::Or => (all != 0 || own != 0) as i64,
            Self::Max => {
                if all > own {
                    all
                } else {
                    own
                }
            }
            Self::Min => {
                if all < own {
                    all
                } else {
                    own
                }
            }
        }
    }

    /// In words.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Own => "own value",
            Self::And => "all and own",
            Self::Or => "all or own",
            Self::Max => "greater of all and own",
            Self::Min => "lesser of all and own",
            Self::Alone => "own value, `all` means nothing",
        }
    }
}

macro_rules! conf_sysctls {
    ($($family:literal {
        $($Name:ident = $name:literal, $range:expr, $combine:ident, all $all:literal, default $default:literal, $help:literal;)+
    })+) => {
        /// A tunable of each interface, `net.ipv4.conf.IFACE.*` or `net.ipv6.conf.IFACE.*`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ConfSysctl { $($(#[doc = $help] $Name,)+)+ }

        impl ConfSysctl {
            /// All of them.
            pub const ALL: &'static [Self] = &[$($(Self::$Name,)+)+];

            /// `ipv4` or `ipv6`.
            pub const fn family(self) -> &'static str {
                match self { $($(Self::$Name => $family,)+)+ }
            }

            /// Last word of its name.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$Name => $name,)+)+ }
            }

            /// The values that it may have.
            pub const fn range(self) -> RangeInclusive<i64> {
                match self { $($(Self::$Name => $range,)+)+ }
            }

            /// How `conf.all` takes part.
            pub const fn combine(self) -> Combine {
                match self { $($(Self::$Name => Combine::$combine,)+)+ }
            }

            /// Linux's value of `conf.all` and of `conf.default` when none is given.
            pub const fn defaults(self) -> (i64, i64) {
                match self { $($(Self::$Name => ($all, $default),)+)+ }
            }

            /// What it does.
            pub const fn help(self) -> &'static str {
                match self { $($(Self::$Name => $help,)+)+ }
            }
        }
    };
}

conf_sysctls! {
    "ipv4" {
        Forwarding = "forwarding", 0..=1, Own, all 0, default 0,
            "Forward packets that come in by this interface.";
        RpFilter = "rp_filter", 0..=2, Max, all 0, default 0,
            "Take only packets whose source is reached by the interface they came in by (1), or by any (2).";
        AcceptLocal = "accept_local", 0..=1, Or, all 0, default 0,
            "Take packets from the router's own addresses.";
        RouteLocalnet = "route_localnet", 0..=1, Or, all 0, default 0,
            "Take 127.0.0.0/8 for ordinary addresses.";
        LogMartians = "log_martians", 0..=1, Or, all 0, default 0,
            "Log packets with impossible addresses.";
        BcForwarding = "bc_forwarding", 0..=1, And, all 0, default 0,
            "Forward packets to the broadcast address of another link.";
        AcceptSourceRoute = "accept_source_route", 0..=1, And, all 0, default 1,
            "Obey source routes.";
        SendRedirects = "send_redirects", 0..=1, Or, all 1, default 1,
            "Tell hosts of a better gateway on their own link.";
        AcceptRedirects = "accept_redirects", 0..=1, And, all 1, default 1,
            "Learn better gateways from redirects; `all` is 0 on a router unless it is set.";
        SecureRedirects = "secure_redirects", 0..=1, Or, all 1, default 1,
            "Learn only gateways that are in a route already.";
        SharedMedia = "shared_media", 0..=1, Or, all 1, default 1,
            "Take several subnets to share one link, so that redirects may name hosts of another.";
        IgnoreRoutesWithLinkdown = "ignore_routes_with_linkdown", 0..=1, Or, all 0, default 0,
            "Do not use next hops whose link is down.";
        PromoteSecondaries = "promote_secondaries", 0..=1, Or, all 0, default 0,
            "Make the next address of a subnet primary when the primary one is deleted.";
        DropUnicastInL2Multicast = "drop_unicast_in_l2_multicast", 0..=1, Or, all 0, default 0,
            "Drop unicast packets for the router that came in broadcast or multicast frames.";
        ArpAnnounce = "arp_announce", 0..=2, Max, all 0, default 0,
            "Source of ARP requests: that of the packet that waits (0), where the target's subnet holds it (1), or the best one for the target (2).";
        ArpIgnore = "arp_ignore", 0..=8, Max, all 0, default 0,
            "Requests answered: for all own addresses (0), those of the interface (1), the same from senders in their subnet (2), those of wider scope than host (3), none (8).";
        ArpAccept = "arp_accept", 0..=2, Max, all 0, default 0,
            "Make entries of announcements and unasked replies of strangers: no (0), yes (1), of senders in a subnet of the interface (2).";
        ArpFilter = "arp_filter", 0..=1, Or, all 0, default 0,
            "Answer only senders that are reached by the interface on which they ask.";
        ArpNotify = "arp_notify", 0..=1, Max, all 0, default 0,
            "Announce the interface's addresses when it comes up.";
        ProxyArp = "proxy_arp", 0..=1, Or, all 0, default 0,
            "Answer for addresses that are reached by another interface.";
        ProxyArpPvlan = "proxy_arp_pvlan", 0..=1, Or, all 0, default 0,
            "Answer for addresses that are reached by the same interface (RFC 3069).";
        MediumId = "medium_id", -1..=INT, Alone, all 0, default 0,
            "Links of one number are one medium, between which proxy_arp does not answer; 0 for one of its own, -1 for no answers.";
        DropGratuitousArp = "drop_gratuitous_arp", 0..=1, Or, all 0, default 0,
            "Drop announcements.";
        ArpEvictNocarrier = "arp_evict_nocarrier", 0..=1, And, all 1, default 1,
            "Forget neighbours, but for permanent ones, when the link is lost.";
        ForceIgmpVersion = "force_igmp_version", 0..=3, Max, all 0, default 0,
            "Speak IGMPv1 (1) or IGMPv2 (2); 0 and 3 for what the link speaks.";
        Igmpv2UnsolicitedReportInterval = "igmpv2_unsolicited_report_interval", 0..=INT, Alone, all 10_000, default 10_000,
            "Most milliseconds between reports of a new group in IGMPv1 and IGMPv2.";
        Igmpv3UnsolicitedReportInterval = "igmpv3_unsolicited_report_interval", 0..=INT, Alone, all 1000, default 1000,
            "The same in IGMPv3.";
    }
    "ipv6" {
        Forwarding6 = "forwarding", 0..=1, Own, all 0, default 0,
            "Forward IPv6 packets that come in by this interface.";
        ForceForwarding = "force_forwarding", 0..=1, Own, all 0, default 0,
            "Forward packets that come in by this interface though `all` says not to.";
        DisableIpv6 = "disable_ipv6", 0..=1, Own, all 0, default 0,
            "Have nothing to do with IPv6.";
        HopLimit = "hop_limit", 1..=255, Alone, all 64, default 64,
            "Hop limit of packets that the router makes.";
        Mtu6 = "mtu", 0..=65_535, Alone, all 0, default 0,
            "Largest IPv6 packet, where that is less than the interface's; 0 for that.";
        AcceptRedirects6 = "accept_redirects", 0..=1, Alone, all 1, default 1,
            "Learn better gateways from redirects where forwarding is off.";
        AcceptSourceRoute6 = "accept_source_route", -1..=INT, Min, all 0, default 0,
            "Take routing headers of type 2 (0 and above); none of any type (below).";
        Seg6Enabled = "seg6_enabled", 0..=1, Min, all 0, default 0,
            "Follow segment routing headers (RFC 8754).";
        ProxyNdp = "proxy_ndp", 0..=1, Or, all 0, default 0,
            "Answer for neighbours that `ip neigh add proxy` names.";
        DropUnicastInL2Multicast6 = "drop_unicast_in_l2_multicast", 0..=1, Alone, all 0, default 0,
            "Drop unicast packets that came in broadcast or multicast frames.";
        AcceptRa = "accept_ra", 0..=2, Alone, all 1, default 1,
            "Hear router advertisements: where forwarding is off (1), always (2).";
        AcceptRaDefrtr = "accept_ra_defrtr", 0..=1, Alone, all 1, default 1,
            "Learn default routes from router advertisements.";
        AcceptRaPinfo = "accept_ra_pinfo", 0..=1, Alone, all 1, default 1,
            "Learn prefixes from router advertisements.";
        AcceptRaRtrPref = "accept_ra_rtr_pref", 0..=1, Alone, all 1, default 1,
            "Heed the preference of routers (RFC 4191).";
        AcceptRaRtInfoMinPlen = "accept_ra_rt_info_min_plen", 0..=128, Alone, all 0, default 0,
            "Shortest prefix of a route that a router may tell of.";
        AcceptRaRtInfoMaxPlen = "accept_ra_rt_info_max_plen", 0..=128, Alone, all 0, default 0,
            "Longest prefix of a route that a router may tell of.";
        AcceptRaMtu = "accept_ra_mtu", 0..=1, Alone, all 1, default 1,
            "Take the MTU that routers advertise.";
        AcceptRaMinHopLimit = "accept_ra_min_hop_limit", 0..=255, Alone, all 1, default 1,
            "Least hop limit that is taken from routers.";
        AcceptRaMinLft = "accept_ra_min_lft", 0..=INT, Alone, all 0, default 0,
            "Seconds of life below which what a router tells is not heard.";
        AcceptRaFromLocal = "accept_ra_from_local", 0..=1, Alone, all 0, default 0,
            "Hear router advertisements from the router's own addresses.";
        RaDefrtrMetric = "ra_defrtr_metric", 1..=0xffff_ffff, Alone, all 1024, default 1024,
            "Metric of default routes from router advertisements.";
        Autoconf = "autoconf", 0..=1, Alone, all 1, default 1,
            "Make addresses from advertised prefixes.";
        MaxAddresses = "max_addresses", 0..=INT, Alone, all 16, default 16,
            "Most addresses that an interface makes itself; 0 for any number.";
        RouterSolicitations = "router_solicitations", -1..=INT, Alone, all -1, default -1,
            "Times that routers are asked for; -1 for no end.";
        RouterSolicitationDelay = "router_solicitation_delay", 0..=INT, Alone, all 1, default 1,
            "Seconds before routers are asked for first.";
        RouterSolicitationInterval = "router_solicitation_interval", 1..=INT, Alone, all 4, default 4,
            "Seconds between the first two questions for routers.";
        RouterSolicitationMaxInterval = "router_solicitation_max_interval", 1..=INT, Alone, all 3600, default 3600,
            "Most seconds between two questions for routers.";
        RouterProbeInterval = "router_probe_interval", 1..=INT, Alone, all 60, default 60,
            "Least seconds between two questions for a router that does not answer while there are others.";
        DadTransmits = "dad_transmits", 0..=INT, Alone, all 1, default 1,
            "Questions for duplicates of an address before it is used.";
        AcceptDad = "accept_dad", -1..=2, Max, all 0, default 1,
            "Look for duplicates (1); and switch IPv6 off where the link's own address is one (2).";
        OptimisticDad = "optimistic_dad", 0..=1, Or, all 0, default 0,
            "Use addresses while duplicates are looked for (RFC 4429).";
        UseOptimistic = "use_optimistic", 0..=1, Or, all 0, default 0,
            "Let such addresses be chosen as sources.";
        EnhancedDad = "enhanced_dad", 0..=1, And, all 1, default 1,
            "Tell one's own questions for duplicates by a nonce (RFC 7527).";
        UseTempaddr = "use_tempaddr", -1..=2, Alone, all 0, default 0,
            "Make temporary addresses (1), and prefer them (2).";
        TempValidLft = "temp_valid_lft", 0..=INT, Alone, all 604_800, default 604_800,
            "Seconds for which a temporary address is valid.";
        TempPreferedLft = "temp_prefered_lft", 0..=INT, Alone, all 86_400, default 86_400,
            "Seconds for which a temporary address is preferred.";
        RegenMaxRetry = "regen_max_retry", 0..=INT, Alone, all 3, default 3,
            "Times that a temporary address is made anew.";
        MaxDesyncFactor = "max_desync_factor", 0..=INT, Alone, all 600, default 600,
            "Most seconds by which temporary addresses are made earlier.";
        AddrGenMode = "addr_gen_mode", 0..=3, Alone, all 0, default 0,
            "How interface identifiers are made: EUI-64, not at all, stable with the secret, stable with a secret of chance.";
        KeepAddrOnDown = "keep_addr_on_down", -1..=1, Or, all 0, default 0,
            "Keep addresses of an interface that goes down.";
        NdiscNotify = "ndisc_notify", 0..=1, Or, all 0, default 0,
            "Tell neighbours when an interface comes up or its link-layer address changes.";
        DropUnsolicitedNa = "drop_unsolicited_na", 0..=1, Or, all 0, default 0,
            "Do not hear advertisements that nobody asked for.";
        AcceptUntrackedNa = "accept_untracked_na", 0..=2, Alone, all 0, default 0,
            "Learn neighbours from advertisements that nobody asked for: all (1), or those of the interface's networks (2).";
        ForceTllao = "force_tllao", 0..=1, Or, all 0, default 0,
            "Tell the link-layer address in answers to unicast questions too.";
        NdiscTclass = "ndisc_tclass", 0..=255, Alone, all 0, default 0,
            "Traffic class of messages of neighbour discovery.";
        SuppressFragNdisc = "suppress_frag_ndisc", 0..=1, Alone, all 1, default 1,
            "Do not hear messages of neighbour discovery that came in fragments (RFC 6980).";
        DisablePolicy6 = "disable_policy", 0..=1, Alone, all 0, default 0,
            "Do not ask policies of IPsec. There are none yet: nothing depends on it.";
        ForceMldVersion = "force_mld_version", 0..=2, Max, all 0, default 0,
            "Speak this version of multicast listener discovery; 0 for what the link speaks.";
        Mldv1UnsolicitedReportInterval = "mldv1_unsolicited_report_interval", 0..=INT, Alone, all 10_000, default 10_000,
            "Most milliseconds to the second report of a new group in MLDv1.";
        Mldv2UnsolicitedReportInterval = "mldv2_unsolicited_report_interval", 0..=INT, Alone, all 1000, default 1000,
            "The same in MLDv2.";
        RaHonorPioLife = "ra_honor_pio_life", 0..=1, Alone, all 0, default 0,
            "Believe lifetimes of prefixes even below two hours.";
        RaHonorPioPflag = "ra_honor_pio_pflag", 0..=1, Alone, all 0, default 0,
            "Make no addresses of prefixes that are for delegation (RFC 9762).";
        RegenMinAdvance = "regen_min_advance", 0..=INT, Alone, all 2, default 2,
            "Least seconds before its end at which a temporary address gets a successor.";
    }
}

/// Names under `net.ipv4.` that the router does not act upon, with the value that says what it does.
pub(in crate::config) const FIXED: &[(&str, i64)] =
    &[("fib_multipath_use_neigh", 0), ("ip_no_pmtu_disc", 0)];

/// The same under `net.ipv4.conf.IFACE.`.
pub(in crate::config) const FIXED_CONF: &[(&str, i64)] = &[("mc_forwarding", 0)];
