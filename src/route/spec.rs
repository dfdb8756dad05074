//! A route in the operator's words, before interfaces and gateways are resolved.
//!
//! Both `ip route` and the configuration file produce these; the routing room turns them into
//! forwarding state. Field meanings and defaults are those of `ip-route(8)`.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What a matching packet meets (ledger 5.34 to 5.47, `RTN_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum RouteType {
    /// Forwarded to a next hop.
    #[default]
    Unicast,
    /// Delivered to this router.
    Local,
    /// Delivered to this router as broadcast, and sent as broadcast.
    Broadcast,
    /// Delivered to this router as broadcast, but sent as unicast.
    Anycast,
    /// Route for multicast that the router itself sends.
    Multicast,
    /// Dropped in silence.
    Blackhole,
    /// Answered with ICMP host unreachable (type 3 code 1).
    Unreachable,
    /// Answered with ICMP communication prohibited (type 3 code 13).
    Prohibit,
    /// Ends the look-up in this table.
    Throw,
}

/// Route origin numbers of `/etc/iproute2/rt_protos` (`RTPROT_*`).
pub mod proto {
    /// Installed by an ICMP redirect.
    pub const REDIRECT: u8 = 1;
    /// Installed by the router itself, from addresses.
    pub const KERNEL: u8 = 2;
    /// Installed during boot; what `ip route add` writes when nothing is said.
    pub const BOOT: u8 = 3;
    /// Installed by the administrator.
    pub const STATIC: u8 = 4;
    /// Installed by a router advertisement.
    pub const RA: u8 = 9;
}

/// Route scope numbers of `/etc/iproute2/rt_scopes` (`RT_SCOPE_*`).
pub mod scope {
    /// Anywhere.
    pub const UNIVERSE: u8 = 0;
    /// On a link of this router.
    pub const LINK: u8 = 253;
    /// This router.
    pub const HOST: u8 = 254;
    /// Destination does not exist.
    pub const NOWHERE: u8 = 255;
}

/// Table numbers of `/etc/iproute2/rt_tables`.
pub mod table {
    /// The last one asked, empty unless somebody fills it.
    pub const DEFAULT: u32 = 253;
    /// The table `ip route` means when none is named.
    pub const MAIN: u32 = 254;
    /// Local and broadcast addresses, kept by the router itself.
    pub const LOCAL: u32 = 255;
}

/// Preference among default routers (RFC 4191 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Pref {
    /// Only if there is no other.
    Low,
    /// As most.
    #[default]
    Medium,
    /// Before the others.
    High,
}

/// One next hop as stated.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct NextHopSpec {
    /// Gateway address; `None` for a destination on the link.
    pub via: Option<IpAddr>,
    /// Interface name; may be left out when the gateway tells it.
    pub dev: Option<String>,
    /// Share of the flows, 1 to 256.
    pub weight: u16,
    /// Take the gateway to be on the link even if no address covers it.
    pub onlink: bool,
}

/// One route as stated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteSpec {
    /// Destination; host bits are zero.
    pub dst: IpNet,
    /// Source that packets must have, for IPv6 (`from`); `None` for any.
    pub src: Option<IpNet>,
    /// What a matching packet meets.
    pub kind: RouteType,
    /// DSCP/TOS selector, 0 matches any packet.
    pub tos: u8,
    /// Routing table number.
    pub table: u32,
    /// Preference among routes to one prefix; the lowest is used.
    pub metric: u32,
    /// Who installed the route.
    pub proto: u8,
    /// Distance of the destination; `None` takes the default for the kind (ledger 5.30).
    pub scope: Option<u8>,
    /// Preferred source address for the router's own packets.
    pub prefsrc: Option<IpAddr>,
    /// Path MTU of the route in bytes.
    pub mtu: Option<u32>,
    /// The MTU is locked: path MTU discovery must not change it.
    pub mtu_locked: bool,
    /// Other metrics (`hoplimit`, `advmss`, ...) by name, kept and shown.
    pub metrics: Vec<(&'static str, u32)>,
    /// Next hops; empty for blackhole, unreachable, prohibit and throw.
    pub nexthops: Vec<NextHopSpec>,
    /// Next-hop object to go through, in the place of next hops.
    pub nhid: Option<u32>,
    /// Preference among default routers (RFC 4191), for IPv6.
    pub pref: Pref,
    /// Seconds after which the route goes, for IPv6.
    pub expires: Option<u32>,
}

impl RouteSpec {
    /// A static unicast route in the main table with nothing else said.
    pub fn through(dst: impl Into<IpNet>, hop: NextHopSpec) -> Self {
        Self {
            dst: dst.into(),
            src: None,
            kind: RouteType::Unicast,
            tos: 0,
            table: table::MAIN,
            metric: 0,
            proto: proto::STATIC,
            scope: None,
            prefsrc: None,
            mtu: None,
            mtu_locked: false,
            metrics: Vec::new(),
            nexthops: vec![hop],
            nhid: None,
            pref: Pref::Medium,
            expires: None,
        }
    }
}

/// A next-hop object as stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NexthopSpec {
    /// Its number; 0 lets the router choose.
    pub id: u32,
    /// Who makes it.
    pub protocol: u8,
    /// Of IPv6, as its gateway says or, where it has none, whoever makes it.
    pub six: bool,
    /// What it is.
    pub kind: NexthopKind,
}

/// What a next-hop object is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NexthopKind {
    /// Drops what comes.
    Blackhole,
    /// One next hop.
    Via {
        /// Gateway.
        via: Option<IpAddr>,
        /// Interface name.
        dev: Option<String>,
        /// The gateway is on the link even if no address covers it.
        onlink: bool,
    },
    /// Several objects.
    Group {
        /// Numbers and weights.
        members: Vec<(u32, u16)>,
        /// Keeps flows where they are as long as it can.
        resilient: Option<ResilientSpec>,
    },
}

/// Tunables of a resilient group; times in hundredths of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResilientSpec {
    /// Number of buckets.
    pub buckets: u16,
    /// How long a bucket must be unused before it may move.
    pub idle_timer: u32,
    /// How long a group may be out of balance before buckets in use move too; 0 for ever.
    pub unbalanced_timer: u32,
}

/// A rule of policy routing as stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSpec {
    /// Place among the rules, the lowest first; `None` lets the router choose.
    pub priority: Option<u32>,
    /// Takes the packets that the selectors do not fit.
    pub invert: bool,
    /// Source prefix; 0/0 for any.
    pub from: IpNet,
    /// Destination prefix; 0/0 for any.
    pub to: IpNet,
    /// TOS, 0 for any.
    pub tos: u8,
    /// Firewall mark under `fwmask`.
    pub fwmark: u32,
    /// Bits of the mark that count; 0 for any mark.
    pub fwmask: u32,
    /// Interface by which packets come in; `lo` for the router's own.
    pub iif: Option<String>,
    /// Interface to which the router's own packets are bound.
    pub oif: Option<String>,
    /// IP protocol, 0 for any.
    pub ipproto: u8,
    /// Source ports, first and last.
    pub sport: Option<(u16, u16)>,
    /// Destination ports, first and last.
    pub dport: Option<(u16, u16)>,
    /// Takes packets of VRFs, to the table of theirs.
    pub l3mdev: bool,
    /// Goes on when the route found is no longer than this.
    pub suppress_prefixlength: Option<u8>,
    /// Goes on when the route found leaves by an interface of this group.
    pub suppress_ifgroup: Option<u32>,
    /// Who made it.
    pub protocol: u8,
    /// What it does.
    pub action: RuleAction,
}

impl RuleSpec {
    /// A rule that takes all packets to a table.
    pub fn lookup(table_id: u32) -> Self {
        Self {
            priority: None,
            invert: false,
            from: Ipv4Net::default().into(),
            to: Ipv4Net::default().into(),
            tos: 0,
            fwmark: 0,
            fwmask: 0,
            iif: None,
            oif: None,
            ipproto: 0,
            sport: None,
            dport: None,
            l3mdev: false,
            suppress_prefixlength: None,
            suppress_ifgroup: None,
            protocol: 0,
            action: RuleAction::Lookup(table_id),
        }
    }

    /// The same for IPv6.
    pub fn lookup6(table_id: u32) -> Self {
        let any = IpNet::from(Ipv6Net::default());
        Self { from: any, to: any, ..Self::lookup(table_id) }
    }

    /// True for a rule of IPv6.
    pub fn is_six(&self) -> bool {
        matches!(self.from, IpNet::V6(_))
    }
}

/// What a rule does with packets that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// Looks the destination up in a table.
    Lookup(u32),
    /// Goes on at the rule of this priority.
    Goto(u32),
    /// Goes on.
    Nop,
    /// Drops in silence.
    Blackhole,
    /// ICMP network unreachable.
    Unreachable,
    /// ICMP communication prohibited.
    Prohibit,
}
