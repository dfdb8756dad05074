//! Rows of the reports: what `show` and `replay` tell, as text and as JSON alike.
//!
//! Names are iproute2's and the kernel's where they have one. Rates and shares are computed when a
//! row is made, so that text and JSON cannot differ.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// `numerator / denominator`, 0 when there is nothing to divide by.
pub fn ratio(numerator: f64, denominator: f64) -> f64 {
    if denominator > 0.0 { numerator / denominator } else { 0.0 }
}

/// What kind of interface it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InterfaceKind {
    /// A device.
    Port,
    /// A VLAN on a port.
    Vlan,
    /// A VRF.
    Vrf,
    /// The router's own.
    Loopback,
}

/// An address of an interface, as in `ip -j address`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRow {
    /// The address.
    pub local: String,
    /// Length of its subnet's prefix.
    pub prefixlen: u8,
    /// Broadcast address of the subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<String>,
    /// `global`, `link` or `host`.
    pub scope: String,
    /// Not the first address of its subnet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secondary: bool,
}

/// An interface: `show interfaces`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterfaceRow {
    /// Number, from 1.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Port or VLAN.
    pub kind: InterfaceKind,
    /// Port that a VLAN is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// VLAN id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// The VRF that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// Table of a VRF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// Device of a port, as the configuration writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Driver of a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Link-layer address.
    pub mac: String,
    /// Largest IPv4 packet.
    pub mtu: u32,
    /// `BROADCAST`, `MULTICAST`, `UP`, `LOWER_UP`, `NO-CARRIER`, as `ip link` prints them.
    pub flags: Vec<String>,
    /// `UP`, `DOWN`, `LOWERLAYERDOWN` or `UNKNOWN`.
    pub state: String,
    /// Speed of the link in Mb/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<u32>,
    /// Addresses.
    pub addresses: Vec<AddressRow>,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received, Ethernet header included.
    pub rx_bytes: u64,
    /// Packets received and dropped by the router.
    pub rx_dropped: u64,
    /// Broken packets that the device received.
    pub rx_errors: u64,
    /// Packets that the device lost because nobody took them in time.
    pub rx_missed: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets dropped on the way out.
    pub tx_dropped: u64,
    /// Packets that the device could not send.
    pub tx_errors: u64,
}

/// A worker: `show workers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerRow {
    /// Number, from 0.
    pub id: u32,
    /// Processor core; none when it may run anywhere.
    pub core: Option<u32>,
    /// Idle policy.
    pub idle: String,
    /// Share of the time spent on turns that found work.
    pub busy_percent: f64,
    /// Share of the time spent asleep.
    pub asleep_percent: f64,
    /// Turns of the loop.
    pub loops: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets given to devices.
    pub tx_packets: u64,
    /// Packets dropped.
    pub dropped: u64,
    /// Packets given to the management core.
    pub punted: u64,
    /// Packets taken from the management core.
    pub injected: u64,
    /// Packets taken over from other workers.
    pub handed_in: u64,
    /// Packets handed to other workers.
    pub handed_out: u64,
    /// Cycles of busy turns for each packet received.
    pub cycles_per_packet: f64,
    /// The longest turn, in nanoseconds; zero while none has taken ten microseconds.
    #[serde(default)]
    pub longest_turn: u64,
    /// Turns that took more than a hundred microseconds.
    #[serde(default)]
    pub stalls: u64,
    /// Turns that took ten microseconds and more, by their length.
    #[serde(default)]
    pub long_turns: Vec<TurnRow>,
}

/// Turns of a worker of about one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRow {
    /// The longest that may be among them, in nanoseconds.
    pub at_most: u64,
    /// How many there were.
    pub turns: u64,
}

/// Where a node's packets went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeRow {
    /// Node, or drop reason.
    pub to: String,
    /// The packets end there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drop: bool,
    /// Packets.
    pub packets: u64,
}

/// A node or an input of the graph: `show graph`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeRow {
    /// Name.
    pub name: String,
    /// Packets enter the graph here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub input: bool,
    /// Packets.
    pub packets: u64,
    /// Frames.
    pub batches: u64,
    /// TSC cycles.
    pub cycles: u64,
    /// Packets in a frame, in the mean.
    pub packets_per_batch: f64,
    /// Cycles for a packet, in the mean.
    pub cycles_per_packet: f64,
    /// Ways out.
    pub edges: Vec<EdgeRow>,
}

impl NodeRow {
    /// A row with its means. All workers' numbers are added before.
    pub fn new(
        name: impl Into<String>,
        input: bool,
        (packets, batches, cycles): (u64, u64, u64),
        edges: Vec<EdgeRow>,
    ) -> Self {
        Self {
            name: name.into(),
            input,
            packets,
            batches,
            cycles,
            packets_per_batch: ratio(packets as f64, batches as f64),
            cycles_per_packet: ratio(cycles as f64, packets as f64),
            edges,
        }
    }
}

/// A drop reason: `show drops`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropRow {
    /// Stable name.
    pub reason: String,
    /// Node that dropped, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Packets.
    pub count: u64,
    /// What it means.
    pub help: String,
}

/// A counter of the kernel's MIBs: `show counters`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterRow {
    /// `Ip`, `IpExt`, `Icmp`, `Tcp`, `Udp`, as in `/proc/net/snmp` and `/proc/net/netstat`.
    pub group: String,
    /// Name in the group.
    pub name: String,
    /// Value.
    pub value: u64,
    /// What it counts.
    pub help: String,
}

/// A neighbour, as in `ip -j neigh`: `show neighbours`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NeighbourRow {
    /// Address.
    pub dst: String,
    /// Interface.
    pub dev: String,
    /// Link-layer address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lladdr: Option<String>,
    /// `REACHABLE`, `STALE`, ...
    pub state: Vec<String>,
    /// `router`, `proxy`, `managed`, `extern_learn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Seconds since a packet used it while it was in doubt.
    #[serde(default)]
    pub used: u64,
    /// Seconds since it was known to answer.
    #[serde(default)]
    pub confirmed: u64,
    /// Seconds since it changed.
    #[serde(default)]
    pub updated: u64,
    /// Seconds until its timer runs out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<f64>,
    /// Questions without an answer.
    #[serde(default)]
    pub probes: u32,
    /// Packets that wait for it.
    #[serde(default)]
    pub waiting: u64,
}

/// A next hop of a route with several, as in `ip -j route`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NextHopRow {
    /// Gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev: Option<String>,
    /// Gateway of another family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<ViaRow>,
    /// Share of the flows.
    pub weight: u16,
    /// `onlink`, `linkdown`, ...
    pub flags: Vec<String>,
}

/// A route, as in `ip -j route`: `show routes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteRow {
    /// `blackhole`, `local`, ...; none for a unicast route.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Destination; `default` for 0.0.0.0/0 or ::/0, and no length for a single address.
    pub dst: String,
    /// Source that packets must have, of IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Type of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos: Option<String>,
    /// Next-hop object that it leads through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nhid: Option<u32>,
    /// Gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Gateway of another family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<ViaRow>,
    /// Interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev: Option<String>,
    /// Routing table, when not `main`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Who the route is from; none for `boot`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// `link` or `host`; none for `global`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Source of the router's own packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefsrc: Option<String>,
    /// Preference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// `onlink`, `linkdown`, `dead`, ...
    pub flags: Vec<String>,
    /// Path metrics: one object of `mtu`, `advmss`, ...
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<serde_json::Map<String, serde_json::Value>>,
    /// Next hops, when there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nexthops: Vec<NextHopRow>,
}

/// A gateway of another family, as in `ip -j route`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViaRow {
    /// `inet6`.
    pub family: String,
    /// Its address.
    pub host: String,
}

/// A rule: `show rules`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRow {
    /// Place among the rules.
    pub priority: u32,
    /// What it takes and does, in the words of `ip rule`.
    pub words: String,
    /// The same as in `ip -d -j rule`.
    #[serde(flatten)]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// A next-hop object: `show nexthops`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NexthopRow {
    /// Its number.
    pub id: u32,
    /// What it is, in the words of `ip nexthop`.
    pub words: String,
    /// Its buckets, for a resilient group: how many belong to each member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<ShareRow>,
    /// The same as in `ip -d -j nexthop`.
    #[serde(flatten)]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// How many buckets of a resilient group belong to a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareRow {
    /// Number of the member.
    pub id: u32,
    /// Buckets.
    pub buckets: u64,
}

/// A VRF: `show vrfs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrfRow {
    /// Name of its interface.
    pub name: String,
    /// Table in which its routes stand.
    pub table: u32,
    /// Interfaces in it.
    pub interfaces: Vec<String>,
    /// Prefixes in its table.
    pub prefixes: u64,
}

/// What was learned about a destination: `show exceptions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionRow {
    /// The destination.
    pub dst: String,
    /// Gateway in the place of the route's, from a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Path MTU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// The MTU is not to be lowered further.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub locked: bool,
    /// Seconds for which it still holds.
    pub expires: u64,
}

/// How full something is: `show memory`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRow {
    /// What it is: `packet buffers`, `routes`, `punt ring 0`, ...
    pub name: String,
    /// In use.
    pub used: u64,
    /// Most that fit.
    pub limit: u64,
    /// Memory taken in bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// What happens when it is full.
    pub help: String,
}

/// A rule of the packet filter: `show filter`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FilterRow {
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// Its place in the chain, from 1; none for what holds at the chain's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Packets that it has met.
    pub packets: u64,
    /// Their octets.
    pub bytes: u64,
    /// The rule in iptables' words.
    pub rule: String,
}

/// A program that decides on packets: `show queues`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueRow {
    /// Its first queue.
    pub first: u16,
    /// Its last queue.
    pub last: u16,
    /// Number of its conversation.
    pub program: u64,
    /// Packets that wait for it.
    pub waiting: u64,
    /// Most that may.
    pub limit: u64,
    /// Octets of each packet that it sees.
    pub range: u64,
    /// Others pass when as many wait.
    pub fail_open: bool,
    /// Packets that it was handed.
    pub offered: u64,
    /// Packets that found as many waiting as may.
    pub full: u64,
}

/// A set: `show sets`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetRow {
    /// Its name.
    pub name: String,
    /// Its type, as `hash:ip`.
    pub kind: String,
    /// Elements.
    pub entries: u64,
    /// Most elements.
    pub limit: u64,
    /// Octets that it may take.
    pub memory: u64,
    /// Rules and lists that refer to it.
    pub references: u32,
}

/// A translated connection: `show nat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NatRow {
    /// Number of the worker whose it is.
    pub worker: u64,
    /// Its protocol.
    pub protocol: String,
    /// What is translated: `source`, `destination`, `both`.
    pub kind: String,
    /// Address and port that its packets come from.
    pub source: String,
    /// Address and port that they come to.
    pub destination: String,
    /// Address and port that they leave from.
    pub new_source: String,
    /// Address and port that they leave to.
    pub new_destination: String,
    /// State of its protocol, where that has any.
    pub state: String,
    /// Seconds that it lives on.
    pub seconds: u64,
}

/// A host and what it has said: `show talkers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TalkerRow {
    /// Its address.
    pub host: String,
    /// Its connections.
    pub connections: u64,
    /// Packets that it has sent in them.
    pub sent_packets: u64,
    /// Their octets.
    pub sent_bytes: u64,
    /// Packets that it has received.
    pub received_packets: u64,
    /// Their octets.
    pub received_bytes: u64,
}

/// A line about a packet: `show log`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogRow {
    /// When, in nanoseconds since 1970.
    pub at: u64,
    /// How urgent it is, in syslog's words.
    pub level: String,
    /// The line.
    pub text: String,
}

/// A worker's connections: `show connections`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionsRow {
    /// Number of the worker.
    pub worker: u64,
    /// Connections that it tracks, those that have not left yet among them.
    pub connections: u64,
    /// Most that it takes.
    pub limit: u64,
    /// Connections made since the start.
    pub new: u64,
    /// Connections ended since the start.
    pub ended: u64,
    /// Packets that belong to none.
    pub invalid: u64,
    /// Connections that could not be made known.
    pub insert_failed: u64,
    /// Packets dropped for want of room or because of a clash.
    pub drop: u64,
    /// Connections that had to make room for others.
    pub early_drop: u64,
    /// Expectations made.
    pub expected: u64,
}

/// What a port of a replay saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortReport {
    /// Name of the interface.
    pub name: String,
    /// Packets in.
    pub rx_packets: u64,
    /// Bytes in.
    pub rx_bytes: u64,
    /// Packets out.
    pub tx_packets: u64,
    /// Bytes out.
    pub tx_bytes: u64,
    /// Packets dropped on the way out.
    pub tx_dropped: u64,
    /// Capture that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
}

/// How long packets took, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of them at most.
    pub p50: u64,
    /// Nine in ten at most.
    pub p90: u64,
    /// 99 in a hundred at most.
    pub p99: u64,
    /// 999 in a thousand at most.
    pub p999: u64,
    /// 9999 in ten thousand at most.
    pub p9999: u64,
    /// All of them.
    pub max: u64,
}

impl Percentiles {
    /// From upper bounds of buckets and their counts; `None` when all are empty.
    pub fn from_buckets(buckets: impl IntoIterator<Item = (u64, u64)>) -> Option<Self> {
        // Five digits, so that what is told is the bucket's own bound.
        let mut histogram = Histogram::<u64>::new(5).ok()?;
        for (high, count) in buckets {
            // It grows with its values, so none is too large.
            let _ = histogram.record_n(high, count);
        }
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile: f64| histogram.value_at_quantile(quantile);
        Some(Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: histogram.max(),
        })
    }
}

/// How many packets took about as long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketRow {
    /// Most that they took, in nanoseconds.
    pub upto: u64,
    /// Packets.
    pub packets: u64,
}

/// One round of a replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoundReport {
    /// Time it took.
    pub seconds: f64,
    /// Millions of packets a second.
    pub mpps: f64,
}

/// A command between packets of a replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommandRow {
    /// Seconds since the first packet.
    pub at: f64,
    /// Line of the file.
    pub line: u64,
    /// What follows `ip`.
    pub command: String,
    /// What it printed.
    pub out: String,
    /// What it complained of.
    pub err: String,
    /// Exit status of `ip`.
    pub status: u8,
}

/// What a replay did: `replay`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplayReport {
    /// Name of the configuration.
    pub config: String,
    /// Workers that shared the work.
    pub workers: u32,
    /// Packets in.
    pub packets_in: u64,
    /// Bytes in.
    pub bytes_in: u64,
    /// Time from the first packet to the last, start and end of the router not counted.
    pub seconds: f64,
    /// Millions of packets a second.
    pub mpps: f64,
    /// Gigabits a second, frame check sequence and gaps not counted.
    pub gbps: f64,
    /// TSC cycles of workers for each packet.
    pub cycles_per_packet: f64,
    /// The longest that a worker waited for captures to be read, in seconds.
    pub waited_seconds: f64,
    /// Time that the captures span, in seconds.
    pub capture_seconds: f64,
    /// Packets given to ports.
    pub transmitted: u64,
    /// Packets that the router took for itself.
    pub delivered: u64,
    /// Packets that went to the management core.
    pub punted: u64,
    /// Packets that the router made.
    pub made: u64,
    /// Packets dropped.
    pub dropped: u64,
    /// What came in or was made less what has ended: always 0.
    pub unaccounted: i64,
    /// Packet buffers that did not come back: always 0.
    pub leaked: i64,
    /// By port.
    pub ports: Vec<PortReport>,
    /// By node.
    pub nodes: Vec<NodeRow>,
    /// By reason.
    pub drops: Vec<DropRow>,
    /// Counters that are not 0.
    pub counters: Vec<CounterRow>,
    /// From receive to transmit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Percentiles>,
    /// Each round, when there were several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<RoundReport>,
    /// What the commands before the first packet have printed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub said: String,
    /// Commands between packets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandRow>,
    /// Things worth knowing, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why captures could not be read to their ends, when they could not: what is told is true of what was
    /// read before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl ReplayReport {
    /// Every packet is accounted for, and every buffer came back.
    pub fn is_sound(&self) -> bool {
        self.unaccounted == 0 && self.leaked == 0
    }
}

/// One measurement of `bench`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BenchRow {
    /// Size of frames in bytes, or `imix`.
    pub size: String,
    /// Flows.
    pub flows: u64,
    /// Routes in the table.
    pub routes: u64,
    /// Rules of policy routing.
    pub rules: u64,
    /// Workers.
    pub workers: u32,
    /// Packets forwarded.
    pub packets: u64,
    /// Time it took.
    pub seconds: f64,
    /// Millions of packets a second.
    pub mpps: f64,
    /// Gigabits a second, frame check sequence and gaps not counted.
    pub gbps: f64,
    /// TSC cycles of workers for each packet.
    pub cycles_per_packet: f64,
    /// From receive to transmit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Percentiles>,
    /// The same in all detail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub histogram: Vec<BucketRow>,
    /// What each node had of the cycles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeCost>,
}

/// What a node costs, shared out over all packets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeCost {
    /// Name of the node or input.
    pub name: String,
    /// TSC cycles for each packet that came in.
    pub cycles_per_packet: f64,
}

/// One load of a search.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadRow {
    /// Share of the rate without loss, in percent.
    pub percent: u32,
    /// Millions of packets a second that were offered.
    pub mpps: f64,
    /// Packets forwarded.
    pub packets: u64,
    /// Packets lost.
    pub lost: u64,
    /// Packets that waited for the generator, and are not timed.
    #[serde(skip_serializing_if = "is_zero")]
    pub untimed: u64,
    /// From when a packet came to when it left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Percentiles>,
    /// The same in all detail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub histogram: Vec<BucketRow>,
}

/// The highest rate without loss, and how long packets take below it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchRow {
    /// Size of frames in bytes, or `imix`.
    pub size: String,
    /// Flows.
    pub flows: u64,
    /// Routes in the table.
    pub routes: u64,
    /// Workers.
    pub workers: u32,
    /// Length of a trial.
    pub seconds: f64,
    /// Trials that it took.
    pub trials: u32,
    /// Millions of packets a second without loss.
    pub mpps: f64,
    /// Gigabits a second, frame check sequence and gaps not counted.
    pub gbps: f64,
    /// Time that packets took at shares of that rate.
    pub loads: Vec<LoadRow>,
}

/// Something that is known of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactRow {
    /// What.
    pub name: String,
    /// What it is here.
    pub value: String,
}

/// What `bench` measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BenchReport {
    /// Processor, as the kernel names it.
    pub machine: String,
    /// The machine in more words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<FactRow>,
    /// Measurements.
    pub rows: Vec<BenchRow>,
    /// Measurements by numbers of routes and of flows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grid: Vec<BenchRow>,
    /// Rates without loss.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<SearchRow>,
    /// Things worth knowing, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One step of one packet: `trace`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceRow {
    /// Number of the packet, from 1.
    pub packet: u32,
    /// When, in nanoseconds since the first step of the trace.
    pub at: u64,
    /// Name of the input, of the node that the packet enters, or of the node that it leaves.
    pub node: String,
    /// Where it goes from there; none for an entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The packet ends here: `to` is the reason.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drop: bool,
    /// The packet came in here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub input: bool,
    /// What the packet is, in a line; without a node, the rule that it has met.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Length of the packet.
    pub len: u32,
    /// Its first bytes in hexadecimal.
    pub head: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_values_of_the_sorted_list() {
        bolero::check!().with_type::<Vec<u16>>().for_each(|values| {
            let mut sorted: Vec<u64> = values.iter().map(|value| u64::from(*value)).collect();
            sorted.sort_unstable();
            let found = Percentiles::from_buckets(sorted.iter().map(|value| (*value, 1)));
            let Some(found) = found else {
                assert!(sorted.is_empty());
                return;
            };
            let at = |share: f64| {
                let place = (sorted.len() as f64 * share).ceil() as usize;
                sorted[place.clamp(1, sorted.len()) - 1]
            };
            assert_eq!(found.p50, at(0.5));
            assert_eq!(found.p90, at(0.9));
            assert_eq!(found.max, sorted[sorted.len() - 1]);
            assert!(found.p99 <= found.p999 && found.p999 <= found.p9999);
            assert!(found.p9999 <= found.max);
        });
    }

    #[test]
    fn one_slow_packet_in_ten_thousand_is_beyond_the_last_percentile() {
        let found = Percentiles::from_buckets([(10, 9_999), (500, 1)]).unwrap();
        assert_eq!((found.p9999, found.max), (10, 500));
        let found = Percentiles::from_buckets([(10, 9_998), (500, 2)]).unwrap();
        assert_eq!(found.p9999, 500);
    }

    #[test]
    fn a_route_in_json_has_the_fields_of_ip() {
        let row = RouteRow {
            dst: "default".into(),
            gateway: Some("192.0.2.2".into()),
            dev: Some("wan".into()),
            protocol: Some("static".into()),
            metric: Some(20),
            ..RouteRow::default()
        };
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            r#"{"dst":"default","gateway":"192.0.2.2","dev":"wan","protocol":"static","metric":20,"flags":[]}"#
        );
    }
}
