//! Workers: one pinned thread each, from receive to transmit without waiting for anybody.
//!
//! A [`Worker`] is the loop's state; [`Worker::step`] is one turn of it. A live worker is a thread
//! that turns as fast as its idle policy allows; deterministic replay turns several by hand.

mod clock;
mod idle;
pub mod pipeline;
mod thread;

pub use clock::Clock;
pub use idle::Idle;
pub use thread::{Running, spawn};

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::{
    conntrack::Rules,
    dpdk::{cycles::rdtsc, mbuf::Packet, mempool::Pool},
    graph::{Cx, Graph, Nanos, Stats},
    netfilter::{flows::Flows, jobs::Job},
    publish::{Guard, Reader},
    tables::Tables,
};

/// Where a packet of the management core enters a worker's graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `ip4-output`: it has a hop, and waits for nothing.
    Output,
    /// `icmp4-error`: it ends here, and its sender is told.
    Error,
    /// `ip6-output`: as [`Entry::Output`].
    Output6,
    /// `icmp6-error`: as [`Entry::Error`].
    Error6,
    /// `tx`: a complete frame.
    Transmit,
    /// `ip4-originate`: it is the router's own and has a hop.
    Originate,
    /// `ip6-originate`: as [`Entry::Originate`].
    Originate6,
    /// `nf4-link-out`: as [`Entry::Transmit`], but the packet filter has a word.
    LinkOut,
    /// `nf6-link-out`: as [`Entry::LinkOut`].
    LinkOut6,
    /// `nf4-pre-routing`: it was away for a program there.
    PreRouting,
    /// `nf6-pre-routing`: as [`Entry::PreRouting`].
    PreRouting6,
    /// `nf4-local-in`: as [`Entry::PreRouting`].
    LocalIn,
    /// `nf6-local-in`: as [`Entry::PreRouting`].
    LocalIn6,
    /// `nf4-forward`: as [`Entry::PreRouting`].
    Transit,
    /// `nf6-forward`: as [`Entry::PreRouting`].
    Transit6,
    /// `nf4-local-out`: as [`Entry::PreRouting`].
    LocalOut,
    /// `nf6-local-out`: as [`Entry::PreRouting`].
    LocalOut6,
}

/// A packet from the management core.
pub struct Injected {
    /// Where it enters.
    pub entry: Entry,
    /// The packet.
    pub packet: Packet,
}

/// Questions about a worker's connections, and those that have been answered.
pub type Jobs = crate::netfilter::jobs::Rings;

/// One worker.
pub struct Worker {
    graph: Graph<Tables>,
    own: Flows,
    jobs: Jobs,
    stats: Arc<Stats>,
    reader: Reader<Tables>,
    guard: Guard,
    pool: Pool,
    inject: Arc<ArrayQueue<Injected>>,
    entries: [u8; 17],
    wired: u64,
    wall_offset: Nanos,
}

/// Most injected packets in one turn, so that the management core cannot starve receive.
const INJECT_BURST: usize = 64;

impl Worker {
    /// A worker around its graph.
    pub fn new(
        graph: Graph<Tables>,
        own: Flows,
        reader: Reader<Tables>,
        guard: Guard,
        pool: Pool,
        (inject, jobs): (Arc<ArrayQueue<Injected>>, Jobs),
        wall_offset: Nanos,
    ) -> Self {
        let entries = [
            "ip4-output",
            "icmp4-error",
            "ip6-output",
            "icmp6-error",
            "tx",
            "ip4-originate",
            "ip6-originate",
            "nf4-link-out",
            "nf6-link-out",
            "nf4-pre-routing",
            "nf6-pre-routing",
            "nf4-local-in",
            "nf6-local-in",
            "nf4-forward",
            "nf6-forward",
            "nf4-local-out",
            "nf6-local-out",
        ]
        .map(|name| graph.node(name).unwrap_or_else(|| panic!("there is no node {name}")));
        let stats = Arc::clone(graph.stats());
        Self {
            graph,
            own,
            jobs,
            stats,
            reader,
            guard,
            pool,
            inject,
            entries,
            wired: u64::MAX,
            wall_offset,
        }
    }

    /// This worker's counters.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// The graph, to ask for its shape.
    pub fn graph(&self) -> &Graph<Tables> {
        &self.graph
    }

    /// One turn at time `now`, when the TSC was `stamp`: what was injected, then what is due, then what the
    /// inputs have. Gives the number of packets that came, and more than 0 when something was due; and the
    /// TSC as it was read last, which is that after the packets where some came.
    #[inline]
    pub fn step(&mut self, now: Nanos, stamp: u64) -> (usize, u64) {
        let seen = self.guard.observe();
        let tables = self.reader.refresh();
        self.guard.announce(seen);
        if tables.wiring != self.wired {
            self.wired = tables.wiring;
            self.graph.rewire(|feature| tables.features.contains(&feature));
            self.graph.tracer_mut().arm(tables.trace.as_ref());
            self.own.log.follow(tables.trace.as_ref());
        }
        if let Some(filter) = &tables.filter {
            self.own.forget(&filter.lost, now);
        }
        let mut cx = Cx {
            tables: &**tables,
            own: &mut self.own,
            now,
            wall_offset: self.wall_offset,
            started: stamp,
            stamp,
            stats: &self.stats,
            pool: &self.pool,
        };
        let mut came = 0;
        let mut entry = None;
        // Asking whether a ring is empty is cheaper than taking nothing out of it.
        while came < INJECT_BURST
            && !self.inject.is_empty()
            && let Some(injected) = self.inject.pop()
        {
            // What enters further down must not overtake what came before it.
            if entry.replace(injected.entry).is_some_and(|before| before != injected.entry) {
                self.graph.run(&mut cx);
            }
            self.graph.enqueue(self.entries[injected.entry as usize], injected.packet);
            came += 1;
        }
        if came > 0 {
            self.stats.injected.add(came as u64);
            self.graph.run(&mut cx);
        }
        came += self.graph.turn(&mut cx);
        let mut stamp = cx.stamp;
        // No packet is under way now.
        if let Some(filter) = &tables.filter {
            self.own.rest(now, filter);
            stamp = rdtsc();
        }
        if !self.jobs.0.is_empty()
            && let Some(mut job) = self.jobs.0.pop()
        {
            let none = Rules::default();
            let rules = tables.filter.as_ref().map_or(&none, |filter| &filter.rules);
            job.step(&mut self.own.conntrack, rules, now);
            // There is room for as many answers as for questions.
            let _ = self.jobs.1.push(job);
            came += 1;
            stamp = rdtsc();
        }
        (came, stamp)
    }

    /// Does a step of a question about connections at once, for one who turns the worker by hand.
    pub(crate) fn answer(&mut self, job: &mut Job, now: Nanos) {
        let tables = self.reader.refresh();
        if let Some(filter) = &tables.filter {
            while self.own.forget(&filter.lost, now) {}
        }
        let rules = tables.filter.as_ref().map(|filter| filter.rules.clone());
        job.step(&mut self.own.conntrack, &rules.unwrap_or_default(), now);
    }

    /// When the worker has something to do though no packet comes.
    pub(crate) fn due(&mut self) -> Nanos {
        self.graph.due()
    }

    /// The worker will not look at tables for a while.
    pub(crate) fn rest(&self) {
        self.guard.offline();
    }

    /// The worker looks at tables again.
    pub(crate) fn wake(&self) {
        self.guard.online();
    }

    /// Drops what is under way.
    pub(crate) fn finish(&mut self) {
        while let Some(injected) = self.inject.pop() {
            self.graph.enqueue(self.entries[Entry::Transmit as usize], injected.packet);
            self.stats.injected.add(1);
        }
        self.graph.clear();
    }
}
