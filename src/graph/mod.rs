//! The graph engine: nodes, frames, and how packets move from one to the other.
//!
//! A node sees a frame of up to [`FRAME_LEN`] packets and names an edge for each. The dispatcher
//! moves them (whole frames when all take one edge), counts, frees what is dropped, and records
//! traced packets; nodes know nothing of it. What a node makes anew it hands out by [`Out::emit`].
//!
//! - obeys: every packet leaves a node exactly once; the order of packets on one edge is kept
//! - costs: two stores a packet, and about 100 cycles a frame and node (`benches/engine.rs`)

mod dispatch;
mod marks;
mod reason;
mod snmp;
mod stats;
pub mod trace;

pub use dispatch::Graph;
pub use marks::Marks;
pub use reason::{REASONS, Reason};
pub use snmp::{SNMPS, Snmp};
pub use stats::{
    Count, IfaceCounts, InputStats, Latency, LongTurns, MAX_EDGES, MAX_IFACES, NodeStats, Stats,
};

use arrayvec::ArrayVec;

use crate::dpdk::{
    cycles::rdtsc,
    mbuf::{Burst, Packet},
    mempool::Pool,
};

/// Packets that move together; the worker's unit of work.
pub type Frame = Burst;

/// Most packets in a frame.
pub const FRAME_LEN: usize = crate::dpdk::mbuf::BURST_MAX;

/// Most packets that one run of a node may make anew.
pub const EMIT_LEN: usize = 2048;

/// Nanoseconds on the one clock: since an arbitrary start when live, capture time in replay.
pub type Nanos = u64;

/// Where an edge of a node leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// To the node of this name.
    To(&'static str),
    /// To the first enabled feature of this arc, or to its end.
    Arc(&'static str),
    /// From a feature to the next enabled feature of its arc, or to its end.
    Continue,
    /// The end, for this reason.
    Drop(Reason),
    /// The end, for the reason noted on the packet (see [`crate::icmp::table::Cause`]).
    DropMarked,
}

/// A point of the graph where features can be switched on: a name, the node at its end, and the
/// feature nodes in the order in which they run.
#[derive(Clone, Copy, Debug)]
pub struct ArcSpec {
    /// Name of the arc, as edges call it.
    pub name: &'static str,
    /// Node that follows the last feature.
    pub end: &'static str,
    /// Feature nodes in order.
    pub features: &'static [&'static str],
}

/// The tables that nodes read.
pub trait Snapshot {
    /// What belongs to one worker and is shared by its nodes: state of flows, which no other worker
    /// ever sees.
    type Own: Send;
}

impl Snapshot for () {
    type Own = ();
}

/// One step of the pipeline. `T` is the snapshot of tables that nodes read.
pub trait Node<T: Snapshot>: Send {
    /// Name in counters and pictures.
    fn name(&self) -> &'static str;

    /// Ways out; an edge's number is its place here.
    fn edges(&self) -> &'static [Edge];

    /// Names an edge for each packet of `frame` in `out`, or takes the packet out of the frame.
    /// `out` starts with edge 0 for all.
    fn process(&mut self, cx: &mut Cx<'_, T>, frame: &mut Frame, out: &mut Out);

    /// The node's clock, for one that keeps packets back. Whether there is one never changes.
    fn timer(&mut self) -> Option<&mut dyn Timer<T>> {
        None
    }
}

/// What a node has to do though no packet comes.
///
/// A packet that a node takes out of its frame and does not end is counted in [`Stats::kept`] as long
/// as it is kept, so that the books add up all the while.
pub trait Timer<T: Snapshot> {
    /// When that is; [`Nanos::MAX`] for never.
    fn due(&self) -> Nanos;

    /// Does some of what is due, and as much as another burst may wait for; the rest stays due. What
    /// leaves is emitted.
    fn run_out(&mut self, cx: &mut Cx<'_, T>, out: &mut Out);

    /// Ends what is kept, as [`Reason::Shutdown`].
    fn clear(&mut self, stats: &Stats);
}

/// Where packets come from.
pub trait Input<T: Snapshot>: Send {
    /// Name in counters and pictures.
    fn name(&self) -> &str;

    /// The node that gets the packets.
    fn target(&self) -> &'static str;

    /// Puts what has arrived, at most a burst, at the end of the empty `frame`.
    fn poll(&mut self, cx: &mut Cx<'_, T>, frame: &mut Frame);
}

/// What a node may use beside its own state.
pub struct Cx<'a, T: Snapshot> {
    /// The tables in force for this walk of the graph.
    pub tables: &'a T,
    /// What belongs to this worker alone.
    pub own: &'a mut T::Own,
    /// Time of this walk.
    pub now: Nanos,
    /// What to add to `now` to get nanoseconds since 1970.
    pub wall_offset: Nanos,
    /// TSC when this walk began.
    pub started: u64,
    /// TSC as it was read last: reading it takes as long as a packet does, so what one has read serves
    /// the next.
    pub stamp: u64,
    /// This worker's counters.
    pub stats: &'a Stats,
    /// Where new packets come from.
    pub pool: &'a Pool,
}

impl<T: Snapshot> Cx<'_, T> {
    /// Reads the TSC.
    #[inline]
    pub fn stamp(&mut self) -> u64 {
        self.stamp = rdtsc();
        self.stamp
    }

    /// Milliseconds since midnight UTC, as ICMP and IPv4 options tell the time.
    pub fn since_midnight(&self) -> u32 {
        ((self.now + self.wall_offset) / 1_000_000 % 86_400_000) as u32
    }

    /// Counts an ICMP message received, by its type.
    pub fn count_icmp_in(&self, kind: u8) {
        self.stats.icmp[0][usize::from(kind)].add(1);
    }

    /// Counts an ICMP message sent, by its type.
    pub fn count_icmp_out(&self, kind: u8) {
        self.stats.icmp[1][usize::from(kind)].add(1);
        self.count(Snmp::IcmpOutMsgs, 1);
    }

    /// Counts an ICMPv6 message received, by its type.
    pub fn count_icmp6_in(&self, kind: u8) {
        self.stats.icmp6[0][usize::from(kind)].add(1);
    }

    /// Counts an ICMPv6 message sent, by its type.
    pub fn count_icmp6_out(&self, kind: u8) {
        self.stats.icmp6[1][usize::from(kind)].add(1);
        self.count(Snmp::Icmp6OutMsgs, 1);
    }

    /// Raises a counter of the kernel's MIBs.
    #[inline]
    pub fn count(&self, counter: Snmp, by: u64) {
        self.stats.snmp[counter as usize].add(by);
    }
}

/// A node's verdicts on its frame.
pub struct Out {
    next: [u8; FRAME_LEN],
    emitted: ArrayVec<(u8, Packet), EMIT_LEN>,
}

impl Default for Out {
    fn default() -> Self {
        Self { next: [0; FRAME_LEN], emitted: ArrayVec::new() }
    }
}

impl Out {
    /// Sends packet `index` of the frame along `edge`.
    #[inline]
    pub fn set(&mut self, index: usize, edge: u8) {
        self.next[index] = edge;
    }

    /// The edge of packet `index` so far.
    #[inline]
    pub const fn edge(&self, index: usize) -> u8 {
        self.next[index]
    }

    /// Sends every packet of the frame along `edge`.
    #[inline]
    pub fn all(&mut self, edge: u8) {
        self.next.fill(edge);
    }

    /// The edges as an array, for nodes that write them in bulk.
    #[inline]
    pub fn edges_mut(&mut self) -> &mut [u8; FRAME_LEN] {
        &mut self.next
    }

    /// Sends a packet that the node made along `edge`.
    ///
    /// # Errors
    /// Gives the packet back when the node has made [`EMIT_LEN`] in this run already.
    pub fn emit(&mut self, edge: u8, packet: Packet) -> Result<(), Packet> {
        self.emitted.try_push((edge, packet)).map_err(|full| full.element().1)
    }

    /// How many more packets can be emitted in this run.
    pub fn emit_room(&self) -> usize {
        self.emitted.remaining_capacity()
    }
}
