//! Rows of the reports: what `show` and `replay` tell, as text and as JSON alike.
//!
//! Names are iproute2's and the kernel's where they have one. Rates and shares are computed when a
//! row is made, so that text and JSON cannot differ.

mod latency;
mod measured;
mod replayed;

use serde::{Deserialize, Serialize};

pub use latency::{BucketRow, Percentiles};
pub use measured::{BenchReport, BenchRow, FactRow, LoadRow, NodeCost, SearchRow};
pub use replayed::{CommandRow, PortReport, ReplayReport, RoundReport};

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
