//! The report of `replay`.

use serde::{Deserialize, Serialize};

use super::{CounterRow, DropRow, NodeRow, Percentiles};

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
