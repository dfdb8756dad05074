//! Connections as `conntrack` prints them.
//!
//! - takes: a [`Snapshot`], a plain copy that a worker makes of an entry
//! - gives: lines of `conntrack -L`, `-E` and `-S`
//! - obeys: rows [9.145], [9.146]; conntrack-tools 1.4.7
//!
//! Belongs to the management core: workers make snapshots and print nothing.

use std::fmt::Write;

use super::{
    Dir, Nanos, Stats,
    entry::{ConnId, Proto, dirs, feature, status},
    events::{Event, Message},
    table::Conntrack,
    timeouts::SECOND,
    track::{dccp, sctp, tcp},
    tuple::{Addr, ICMPV6, Tuple},
};
use crate::packet::ipv4::protocol;

/// The state of a connection's protocol, as far as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Shown {
    /// The protocol has none.
    #[default]
    None,
    /// TCP.
    Tcp(tcp::State),
    /// SCTP.
    Sctp(sctp::State),
    /// DCCP.
    Dccp(dccp::State),
}

impl Shown {
    /// Its name; nothing where there is none.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Tcp(state) => Some(state.name()),
            Self::Sctp(state) => Some(state.name()),
            Self::Dccp(state) => Some(state.name()),
        }
    }
}

impl From<&Proto> for Shown {
    fn from(proto: &Proto) -> Self {
        match proto {
            Proto::Tcp(tcp) => Self::Tcp(tcp.state()),
            Proto::Sctp(sctp) => Self::Sctp(sctp.state()),
            Proto::Dccp(dccp) => Self::Dccp(dccp.state()),
            _ => Self::None,
        }
    }
}

/// A plain copy of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Number of the connection within its worker, as [`ConnId::to_bits`].
    pub id: u64,
    /// The tuples of both directions.
    pub tuples: [Tuple; 2],
    /// Bits of [`status`].
    pub status: u32,
    /// The mark.
    pub mark: u32,
    /// Time left.
    pub left: Nanos,
    /// State of the protocol.
    pub state: Shown,
    /// Packets and octets of both directions, where they are counted.
    pub counts: Option<[u64; 4]>,
    /// When it began, and ended or was looked at, where that is noted.
    pub times: Option<[Nanos; 2]>,
    /// Labels.
    pub labels: u128,
    /// Zone.
    pub zone: u16,
    /// Zone numbers count for the original and the reply direction.
    pub zone_dirs: [bool; 2],
    /// Helper, 0 for none.
    pub helper: u16,
    /// Timeout policy, 0 for none.
    pub policy: u16,
    /// The original tuple of the connection that announced it.
    pub master: Option<Tuple>,
}

impl Conntrack {
    pub(crate) fn snapshot_at(&self, index: u32, now: Nanos) -> Snapshot {
        let entry = &self.entries[index as usize];
        let id = self.id(index);
        let features = entry.nodes[0].features;
        let times = self.times[index as usize];
        let end = if times[1] == 0 { now } else { times[1] };
        Snapshot {
            id: id.to_bits(),
            tuples: [*entry.tuple(Dir::Original), *entry.tuple(Dir::Reply)],
            status: entry.status,
            mark: entry.mark,
            left: match entry.is(status::CONFIRMED) {
                true => self.ends(index).saturating_sub(now),
                false => entry.left(now),
            },
            state: (&entry.proto).into(),
            counts: self.counts(id),
            times: (features & feature::TIMESTAMP != 0).then_some([times[0], end]),
            labels: self.labels(id).unwrap_or(0),
            zone: entry.zone,
            zone_dirs: [dirs::ORIGINAL, dirs::REPLY].map(|bit| entry.zone_dirs & bit != 0),
            helper: entry.helper,
            policy: entry.policy,
            master: self
                .master(id)
                .and_then(|master| self.get(master))
                .map(|master| *master.tuple(Dir::Original)),
        }
    }
}

/// What is printed of a connection beside the usual (`conntrack -o`).
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// The network protocol before all.
    pub extended: bool,
    /// The number of the connection.
    pub id: bool,
    /// Names of labels, by bit; without them labels are not printed.
    pub labels: Option<&'a [String]>,
    /// Names of helpers, by number counted from 1.
    pub helpers: &'a [String],
    /// An event: marks of 0 are not told, nor who uses the entry.
    pub event: bool,
}

/// Name of a transport as `conntrack` knows it.
pub fn transport(proto: u8) -> &'static str {
    match proto {
        protocol::ICMP => "icmp",
        ICMPV6 => "icmpv6",
        protocol::TCP => "tcp",
        protocol::UDP => "udp",
        protocol::UDPLITE => "udplite",
        protocol::SCTP => "sctp",
        protocol::DCCP => "dccp",
        protocol::GRE => "gre",
        _ => "unknown",
    }
}

fn tuple(line: &mut String, tuple: &Tuple) {
    let address = |address: Addr| address.ip(tuple.six);
    // Writing to a string cannot fail.
    let _ = write!(line, "src={} dst={} ", address(tuple.src), address(tuple.dst));
    let _ = match tuple.proto {
        protocol::ICMP | ICMPV6 => {
            let [ty, code] = tuple.type_code();
            write!(line, "type={ty} code={code} id={} ", tuple.sport)
        }
        protocol::GRE => write!(line, "srckey=0x{:x} dstkey=0x{:x} ", tuple.sport, tuple.dport),
        _ if transport(tuple.proto) == "unknown" => Ok(()),
        _ => write!(line, "sport={} dport={} ", tuple.sport, tuple.dport),
    };
}

impl Snapshot {
    /// The connection that it is a copy of.
    pub const fn conn(&self) -> Option<ConnId> {
        ConnId::from_bits(self.id)
    }

    /// Whether all these status bits are set.
    pub const fn is(&self, bits: u32) -> bool {
        self.status & bits == bits
    }

    /// A line of `conntrack -L`, without its end.
    pub fn line(&self, options: &Options<'_>) -> String {
        let mut line = String::new();
        let [original, reply] = &self.tuples;
        let out = &mut line;
        if options.extended {
            let (name, number) = if original.six { ("ipv6", 10) } else { ("ipv4", 2) };
            let _ = write!(out, "{name:<8} {number} ");
        }
        let _ = write!(out, "{:<8} {} ", transport(original.proto), original.proto);
        // The end of what has expired is told without its time.
        if !(options.event && self.is(status::DYING) && self.left < SECOND) {
            let _ = write!(out, "{} ", self.left / SECOND);
        }
        if let Some(state) = self.state.name() {
            let _ = write!(out, "{state} ");
        }
        let only = |dir: usize| self.zone != 0 && self.zone_dirs == [dir == 0, dir == 1];
        let counts = |out: &mut String, dir: usize| {
            if let Some(counts) = self.counts {
                let [packets, octets] = [counts[dir * 2], counts[dir * 2 + 1]];
                let _ = write!(out, "packets={packets} bytes={octets} ");
            }
        };
        tuple(out, original);
        if only(0) {
            let _ = write!(out, "zone-orig={} ", self.zone);
        }
        counts(out, 0);
        if !self.is(status::SEEN_REPLY) {
            out.push_str("[UNREPLIED] ");
        }
        tuple(out, reply);
        if only(1) {
            let _ = write!(out, "zone-reply={} ", self.zone);
        }
        counts(out, 1);
        if self.is(status::HW_OFFLOAD) {
            out.push_str("[HW_OFFLOAD] ");
        } else if self.is(status::OFFLOAD) {
            out.push_str("[OFFLOAD] ");
        } else if self.is(status::ASSURED) {
            out.push_str("[ASSURED] ");
        }
        if !options.event || self.mark != 0 {
            let _ = write!(out, "mark={} ", self.mark);
        }
        if self.zone != 0 && self.zone_dirs == [true; 2] {
            let _ = write!(out, "zone={} ", self.zone);
        }
        if let Some([start, end]) = self.times {
            let _ = write!(out, "delta-time={} ", end.saturating_sub(start) / SECOND);
        }
        if let Some(name) = options.helpers.get(usize::from(self.helper).wrapping_sub(1)) {
            let _ = write!(out, "helper={name} ");
        }
        if !options.event {
            out.push_str("use=1 ");
        }
        if options.id {
            let _ = write!(out, "id={} ", self.number());
        }
        if let Some(names) = options.labels
            && self.labels != 0
        {
            let set = (0..128).filter(|bit| self.labels >> bit & 1 == 1);
            let named: Vec<_> = set.filter_map(|bit| names.get(bit).map(String::as_str)).collect();
            let _ = write!(out, "labels={} ", named.join(","));
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// A number of 32 bits for the connection, as the kernel has one.
    pub const fn number(&self) -> u32 {
        (self.id ^ (self.id >> 32).wrapping_mul(0x9e37_79b9)) as u32
    }
}

impl Event {
    /// A line of `conntrack -E`, without its end.
    pub fn line(&self, options: &Options<'_>) -> String {
        let options = Options { event: true, ..*options };
        let mut snapshot = self.snapshot;
        if self.message() != Message::Destroy {
            // Counts and times are told at the end.
            (snapshot.counts, snapshot.times) = (None, None);
        }
        let name = match self.message() {
            Message::New => "[NEW]",
            Message::Update => "[UPDATE]",
            Message::Destroy => "[DESTROY]",
        };
        format!("{name:>9} {}", snapshot.line(&options))
    }
}

impl Stats {
    /// A line of `conntrack -S`, with the kernel's meaning of each name.
    pub fn line(&self, cpu: usize) -> String {
        let mut line = format!("cpu={cpu:<4}\t");
        for (name, count) in [
            ("found", self.taken),
            ("invalid", self.invalid),
            ("insert", self.created),
            ("insert_failed", self.insert_failed),
            ("drop", self.drop),
            ("early_drop", self.early_drop),
            ("error", self.error),
            ("search_restart", self.search_restart),
            ("clash_resolve", self.clash_resolve),
            ("chaintoolong", self.chaintoolong),
        ] {
            let _ = write!(line, "{name}={count} ");
        }
        line
    }
}
