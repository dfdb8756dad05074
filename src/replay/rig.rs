//! A router in memory: workers whose packets come from captures and go wherever they are wanted.

use std::sync::Arc;

use super::ReplayError;
use crate::{
    config::{Config, Spread},
    conntrack::Homes,
    control::Router,
    dpdk::mempool::Pool,
    graph::{Edge, Input, Nanos, Stats},
    port::{self, nodes::Sink},
    publish::Epochs,
    setup::{self, Crew, Leniency, PortFact, Shared},
    tables::Tables,
    worker::{
        Worker,
        pipeline::{self, Parts},
    },
};

/// A router and its workers.
pub(super) struct Rig {
    pub(super) router: Router,
    pub(super) crew: Crew,
    pub(super) workers: Vec<Worker>,
    pub(super) stats: Vec<Arc<Stats>>,
    /// Names of each worker's inputs.
    pub(super) inputs: Vec<Vec<String>>,
    /// Nodes and their edges.
    pub(super) shape: Vec<(&'static str, &'static [Edge])>,
    /// By place in the configuration: number in DPDK, and interface.
    pub(super) ports: Vec<(u16, u16)>,
    /// Workers that there will be.
    count: usize,
    /// What they know of each other.
    shared: Shared,
    spread: Spread,
}

/// What a worker is made of: its input and, for each port of the configuration, where packets go.
pub(super) type Ends = (Box<dyn Input<Tables>>, Vec<Sink>);

/// Link-layer address of the port at `place` when the configuration gives none.
fn mac(place: usize) -> crate::packet::MacAddr {
    let [high, low] = (place as u16 + 2).to_be_bytes();
    crate::packet::MacAddr::new([0x02, 0, 0, 0, high, low])
}

/// Facts of ports that exist only in memory.
pub(super) fn facts(config: &Config) -> Vec<PortFact> {
    let ports = config.ports.iter().enumerate();
    ports
        .map(|(place, port)| PortFact {
            number: place as u16,
            mac: port.mac.unwrap_or_else(|| mac(place)),
            permanent: crate::packet::MacAddr::ZERO,
            carrier: true,
        })
        .collect()
}

impl Rig {
    /// Builds a router without workers.
    pub(super) fn new(
        config: &Config,
        pool: Pool,
        workers: usize,
        leniency: Leniency,
    ) -> Result<(Self, Arc<Epochs>), ReplayError> {
        let epochs = Epochs::new(workers);
        let facts = facts(config);
        let router = setup::router(config, &facts, pool, Arc::clone(&epochs), leniency, SEED)?;
        let ports = config.ports.iter().zip(&facts).map(|(port, fact)| {
            let iface = router.iface(&port.name).map_or(0, |iface| iface.index);
            (fact.number, iface)
        });
        let ports = ports.collect();
        let homes = match config.workers.spread {
            Spread::Off => Homes::Unknown,
            Spread::Rss | Spread::Hash => Homes::Hash(workers as u32),
        };
        let crew = Crew::new(workers);
        let rig = Self {
            router,
            crew,
            workers: Vec::new(),
            stats: Vec::new(),
            inputs: Vec::new(),
            shape: Vec::new(),
            ports,
            count: workers,
            shared: Shared::new(config, workers, homes, SEED),
            spread: config.workers.spread,
        };
        Ok((rig, epochs))
    }

    /// The worker to which a frame comes by the port at `place`, as it would live.
    pub(super) fn owner(&self, place: usize, frame: &[u8]) -> usize {
        owner(self.spread, place, frame, self.count)
    }

    /// Adds a worker with these ends.
    pub(super) fn add_worker(
        &mut self,
        config: &Config,
        pool: Pool,
        epochs: &Arc<Epochs>,
        (input, sinks): Ends,
        wall_offset: Nanos,
    ) {
        let index = self.workers.len();
        let sinks = self.ports.iter().zip(sinks).map(|((port, iface), sink)| (*port, *iface, sink));
        self.inputs.push(vec![input.name().to_owned()]);
        let graph = pipeline::graph(Parts {
            inputs: vec![input],
            sinks: sinks.collect(),
            punt: self.crew.punt(index),
            queue: self.crew.queue(index),
            spread: None,
            handed: (index, self.crew.handed()),
            cache_entries: config.cache.entries as usize,
            reassembly: setup::reassembly_room(config, self.count, SEED),
        });
        let inject = self.crew.inject(index);
        self.shape = graph.shape();
        let reader = self.router.reader();
        let worker = Worker::new(
            graph,
            setup::flows(config, index, self.count, SEED, self.crew.teller(index), &self.shared),
            reader,
            epochs.guard(index),
            pool,
            (inject, self.crew.jobs(index)),
            wall_offset,
        );
        self.crew.watch(Arc::clone(worker.stats()));
        self.stats.push(Arc::clone(worker.stats()));
        self.workers.push(worker);
    }
}

/// The same of so many workers.
pub(super) fn owner(spread: Spread, place: usize, frame: &[u8], workers: usize) -> usize {
    match spread {
        Spread::Off => place % workers,
        Spread::Rss | Spread::Hash => port::nodes::Spread::owner(frame, workers).unwrap_or(0),
    }
}

/// Replays are the same on every run, so nothing in them is left to chance.
const SEED: u64 = 0;
