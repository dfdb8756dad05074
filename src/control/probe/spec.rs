//! What an operator asks of the router's own probes, and what they tell: the words of the status
//! socket.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::{
    graph::Nanos,
    packet::{ipv4::protocol, ipv6::next_header},
};

/// What becomes of a datagram that is larger than its path carries (`IP_MTU_DISCOVER`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discovery {
    /// It is not sent: never cut, not even here.
    Do,
    /// It is cut here by what is known of the path, and must not be cut on the way.
    #[default]
    Want,
    /// It may be cut anywhere.
    Dont,
}

/// From where probes are sent, and how their headers look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Origin {
    /// Interface by which they must leave; for a VRF, in that VRF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iface: Option<String>,
    /// VRF in which they are routed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vrf: Option<String>,
    /// Source address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Type of service.
    pub tos: u8,
}

/// A ping: echo requests at an interval, as `ping(8)` sends them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PingSpec {
    /// Destination; one of a single link needs the interface of its origin.
    pub host: IpAddr,
    /// From where.
    #[serde(default)]
    pub origin: Origin,
    /// How many; without end unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Milliseconds from one to the next, at least [`PingSpec::MIN_INTERVAL_MS`].
    #[serde(default = "PingSpec::interval")]
    pub interval_ms: u64,
    /// Bytes of data.
    #[serde(default = "PingSpec::size")]
    pub size: u16,
    /// Time to live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u8>,
    /// What if it is too large.
    #[serde(default)]
    pub discovery: Discovery,
    /// Milliseconds to wait at the end when nothing has been answered, 0 for ever.
    #[serde(default = "PingSpec::timeout")]
    pub timeout_ms: u64,
    /// Milliseconds after which it ends in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

impl PingSpec {
    /// Shortest interval.
    pub const MIN_INTERVAL_MS: u64 = 2;
    /// Most data: what fits a datagram.
    pub const MAX_SIZE: u16 = 65_507;

    /// As `ping` is when nothing else is said.
    pub fn to(host: IpAddr) -> Self {
        Self {
            host,
            origin: Origin::default(),
            count: None,
            interval_ms: Self::interval(),
            size: Self::size(),
            ttl: None,
            discovery: Discovery::default(),
            timeout_ms: Self::timeout(),
            deadline_ms: None,
        }
    }

    fn interval() -> u64 {
        1000
    }

    fn size() -> u16 {
        56
    }

    fn timeout() -> u64 {
        10_000
    }
}

/// What a traceroute sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Datagrams to ports that count up.
    #[default]
    Udp,
    /// Echo requests.
    Icmp,
    /// SYN segments to one port.
    Tcp,
}

impl Method {
    /// Number of the protocol that carries it to a host.
    pub const fn protocol(self, host: IpAddr) -> u8 {
        match self {
            Self::Udp => protocol::UDP,
            Self::Tcp => protocol::TCP,
            Self::Icmp if host.is_ipv6() => next_header::ICMPV6,
            Self::Icmp => protocol::ICMP,
        }
    }
}

/// A traceroute, as `traceroute(8)` makes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracerouteSpec {
    /// Destination; one of a single link needs the interface of its origin.
    pub host: IpAddr,
    /// From where.
    #[serde(default)]
    pub origin: Origin,
    /// What is sent.
    #[serde(default)]
    pub method: Method,
    /// First port of UDP, first sequence number of ICMP, the port of TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Probes for each hop, 1 to 10.
    #[serde(default = "TracerouteSpec::queries")]
    pub queries: u8,
    /// Probes under way at a time, 1 to [`TracerouteSpec::MAX_SIMULTANEOUS`].
    #[serde(default = "TracerouteSpec::simultaneous")]
    pub simultaneous: u8,
    /// First time to live.
    #[serde(default = "TracerouteSpec::first")]
    pub first_ttl: u8,
    /// Last time to live.
    #[serde(default = "TracerouteSpec::max")]
    pub max_ttl: u8,
    /// Bytes of a whole probe, its headers among them.
    #[serde(default = "TracerouteSpec::len")]
    pub len: u16,
    /// Probes must not be cut.
    #[serde(default)]
    pub dont_fragment: bool,
    /// Milliseconds to wait for an answer at most.
    #[serde(default = "TracerouteSpec::wait")]
    pub wait_ms: u64,
    /// At most so many times as long as an answer from the same hop took; 0 for no such bound.
    #[serde(default = "TracerouteSpec::here")]
    pub here: u32,
    /// At most so many times as long as an answer from a later hop took; 0 for no such bound.
    #[serde(default = "TracerouteSpec::near")]
    pub near: u32,
}

impl TracerouteSpec {
    /// Most probes under way at a time.
    pub const MAX_SIMULTANEOUS: u8 = 64;

    /// As `traceroute` is when nothing else is said.
    pub fn to(host: IpAddr) -> Self {
        Self {
            host,
            origin: Origin::default(),
            method: Method::default(),
            port: None,
            queries: Self::queries(),
            simultaneous: Self::simultaneous(),
            first_ttl: Self::first(),
            max_ttl: Self::max(),
            len: if host.is_ipv6() { Self::len() + 20 } else { Self::len() },
            dont_fragment: false,
            wait_ms: Self::wait(),
            here: Self::here(),
            near: Self::near(),
        }
    }

    fn queries() -> u8 {
        3
    }

    fn simultaneous() -> u8 {
        16
    }

    fn first() -> u8 {
        1
    }

    fn max() -> u8 {
        30
    }

    fn len() -> u16 {
        60
    }

    fn wait() -> u64 {
        5000
    }

    fn here() -> u32 {
        3
    }

    fn near() -> u32 {
        10
    }
}

/// What an arping is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArpingMode {
    /// To ask who has an address.
    #[default]
    Ask,
    /// To find out whether another has it, in nobody's name.
    Duplicate,
    /// To tell neighbours of it by requests.
    Update,
    /// To tell neighbours of it by replies.
    Answer,
}

/// An arping, as `arping(8)` makes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArpingSpec {
    /// The address.
    pub host: Ipv4Addr,
    /// Interface; the only one that speaks ARP unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iface: Option<String>,
    /// Sender of its packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Ipv4Addr>,
    /// What it is for.
    #[serde(default)]
    pub mode: ArpingMode,
    /// How many packets; without end unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Milliseconds from one to the next, at least [`ArpingSpec::MIN_INTERVAL_MS`].
    #[serde(default = "ArpingSpec::interval")]
    pub interval_ms: u64,
    /// Milliseconds after which it ends in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Everybody is asked, even after an answer.
    #[serde(default)]
    pub keep_broadcasting: bool,
    /// The first answer ends it.
    #[serde(default)]
    pub first_reply: bool,
}

impl ArpingSpec {
    /// Shortest interval.
    pub const MIN_INTERVAL_MS: u64 = 2;

    /// As `arping` is when nothing else is said.
    pub fn to(host: Ipv4Addr) -> Self {
        Self {
            host,
            iface: None,
            source: None,
            mode: ArpingMode::default(),
            count: None,
            interval_ms: Self::interval(),
            deadline_ms: None,
            keep_broadcasting: false,
            first_reply: false,
        }
    }

    fn interval() -> u64 {
        1000
    }
}

/// What a session has to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// It began.
    Start {
        /// Source of its probes.
        source: IpAddr,
        /// It is no address of the interface that was named.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        elsewhere: bool,
    },
    /// A ping sent a request, or tried to.
    Sent {
        /// Sequence number, from 1 and without end.
        seq: u64,
        /// When, in nanoseconds on the router's clock.
        at: Nanos,
    },
    /// A request was answered.
    Reply {
        /// Its sequence number as on the wire.
        seq: u16,
        /// By whom.
        from: IpAddr,
        /// Bytes of the ICMP message.
        bytes: usize,
        /// Time to live of the answer.
        ttl: u8,
        /// Nanoseconds that it took; none for a request that is forgotten or too short to tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rtt: Option<Nanos>,
        /// It was answered before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        duplicate: bool,
    },
    /// Somebody had to say something about a request.
    Error {
        /// Its sequence number as on the wire.
        seq: u16,
        /// Who.
        from: IpAddr,
        /// Type of the ICMP message.
        kind: u8,
        /// Code.
        code: u8,
        /// The word whose meaning is the type's.
        info: u32,
    },
    /// A request was not sent.
    NotSent {
        /// Why.
        why: Unsendable,
    },
    /// One probe of a traceroute is over. These come in the order of hops.
    Probe {
        /// Time to live with which it was sent.
        ttl: u8,
        /// Its number among those of this time to live, from 0.
        query: u8,
        /// Who answered; nobody in time if none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<IpAddr>,
        /// Nanoseconds that it took.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rtt: Option<Nanos>,
        /// `!H`, `!N` and the like.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        mark: String,
    },
    /// An arping began.
    ArpStart {
        /// Sender of its packets.
        source: Ipv4Addr,
        /// Interface.
        dev: String,
    },
    /// An arping sent a packet.
    ArpSent {
        /// To everybody.
        broadcast: bool,
    },
    /// ARP that an arping waits for.
    ArpHeard {
        /// Address of the sender.
        from: Ipv4Addr,
        /// Its Ethernet address.
        mac: String,
        /// It asks, and does not answer.
        request: bool,
        /// It came to everybody.
        broadcast: bool,
        /// Whom it is for, where that is not the sender of the arping.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<Ipv4Addr>,
        /// For which Ethernet address, where that is not the router's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target_mac: Option<String>,
        /// Nanoseconds since a packet was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rtt: Option<Nanos>,
    },
}

/// Why the router cannot send a packet of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Unsendable {
    /// No route (`ENETUNREACH`).
    #[error("Network is unreachable")]
    NoRoute,
    /// A route of type unreachable (`EHOSTUNREACH`).
    #[error("No route to host")]
    HostUnreachable,
    /// A route of type prohibit, or a broadcast address (`EACCES`).
    #[error("Permission denied")]
    Prohibited,
    /// A route of type blackhole (`EINVAL`).
    #[error("Invalid argument")]
    Blackhole,
    /// An address of one link, and nobody said of which (`EINVAL`).
    #[error("Invalid argument")]
    NoLink,
    /// There is no such interface (`ENODEV`).
    #[error("No such device")]
    NoDevice,
    /// The interface is down (`ENETDOWN`).
    #[error("Network is down")]
    LinkDown,
    /// Nobody is asked for addresses there.
    #[error("Interface is not ARPable")]
    NotArpable,
    /// The source is not the router's (`EADDRNOTAVAIL`).
    #[error("Cannot assign requested address")]
    ForeignSource,
    /// Larger than the path carries (`EMSGSIZE`).
    #[error("Message too long")]
    TooLong {
        /// What it carries.
        mtu: u32,
    },
    /// No buffer is free (`ENOBUFS`).
    #[error("No buffer space available")]
    NoBuffer,
    /// A value is out of its range (`ERANGE`).
    #[error("Numerical result out of range")]
    OutOfRange,
    /// All sessions are taken (`EUSERS`).
    #[error("Too many users")]
    Full,
}

/// A session under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its identifier in ICMP, its source port in UDP and TCP, of no meaning in ARP.
    pub id: u16,
    /// `ping`, `traceroute` or `arping`.
    pub kind: String,
    /// Destination.
    pub host: IpAddr,
    /// Source.
    pub source: IpAddr,
    /// Interface or VRF that it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<String>,
    /// Probes sent.
    pub sent: u64,
    /// Answers received.
    pub received: u64,
}
