//! Rows of `bench`.

use serde::{Deserialize, Serialize};

use super::{BucketRow, Percentiles, is_zero};

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
