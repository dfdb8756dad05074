//! What the engine itself costs: `cargo bench --bench engine`.
//!
//! A frame that passes nodes which do nothing, one that `classify` proves, and one that goes to another
//! worker and back by the rings of hand-over. The figure is for a frame of 64 packets.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_queue::ArrayQueue;
use wagonway::{
    config::Config,
    dpdk::mempool::Pool,
    graph::{Cx, Edge, Frame, Graph, Node, Out, Reason, Snapshot},
    l2::nodes::Classify,
    packet::generate::TrafficSpec,
    publish::Epochs,
    setup::{self, Leniency, Machine, PortFact},
    tables::Tables,
};

const FRAME: usize = 64;

/// Sends all it gets by its one edge.
struct Step<const END: bool>(&'static str, &'static [Edge]);

impl<T: Snapshot, const END: bool> Node<T> for Step<END> {
    fn name(&self) -> &'static str {
        self.0
    }

    fn edges(&self) -> &'static [Edge] {
        self.1
    }

    fn process(&mut self, _cx: &mut Cx<'_, T>, _frame: &mut Frame, _out: &mut Out) {}
}

fn pass<T: Snapshot<Own: Default>>(
    graph: &mut Graph<T>,
    tables: &T,
    pool: &Pool,
    frames: &[Vec<u8>],
) {
    let mut burst = Frame::new();
    assert!(pool.alloc_bulk(&mut burst, FRAME), "the pool is dry");
    for (packet, frame) in burst.iter_mut().zip(frames) {
        packet.fill(frame);
        packet.set_port(0);
    }
    for packet in burst.drain(..) {
        graph.enqueue(0, packet);
    }
    let stats = Arc::clone(graph.stats());
    let mut own = T::Own::default();
    let mut cx = Cx {
        tables,
        own: &mut own,
        now: 0,
        wall_offset: 0,
        started: 0,
        stamp: 0,
        stats: &stats,
        pool,
    };
    graph.run(&mut cx);
}

fn engine(c: &mut Criterion) {
    let text = "[dpdk]\nhuge = \"never\"\n[[port]]\nname = \"lan\"\nmac = \"02:00:00:00:00:02\"\n\
                addresses = [\"10.0.0.1/24\"]\n";
    let config = Config::parse("bench.toml", text).expect("a sound configuration");
    let machine = Machine::start(&config, 4095, 2176, Vec::new()).expect("a machine");
    let fact = PortFact {
        number: 0,
        mac: config.ports[0].mac.expect("a MAC"),
        permanent: wagonway::packet::MacAddr::ZERO,
        carrier: true,
    };
    let (pool, epochs) = (machine.pool, Epochs::new(1));
    let router = setup::router(&config, &[fact], pool, Arc::clone(&epochs), Leniency::default(), 1)
        .expect("a router");
    let mut reader = router.reader();
    let guard = epochs.guard(0);
    guard.online();
    let tables: Tables = (**reader.refresh()).clone();
    let traffic = TrafficSpec::default().traffic().expect("the default spec is sound");
    let frames: Vec<Vec<u8>> = traffic.take(FRAME).collect();

    let mut group = c.benchmark_group("64 packets");
    group.throughput(Throughput::Elements(FRAME as u64));
    const DROP: &[Edge] = &[Edge::Drop(Reason::LocalDone)];
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    const TO: [&[Edge]; 8] = [
        &[Edge::To("b")],
        &[Edge::To("c")],
        &[Edge::To("d")],
        &[Edge::To("e")],
        &[Edge::To("f")],
        &[Edge::To("g")],
        &[Edge::To("h")],
        &[Edge::To("i")],
    ];
    for nodes in [1_usize, 9] {
        let chain: Vec<Box<dyn Node<Tables>>> = (0..nodes)
            .map(|at| match at + 1 == nodes {
                true => Box::new(Step::<true>(names[at], DROP)) as Box<dyn Node<Tables>>,
                false => Box::new(Step::<false>(names[at], TO[at])) as Box<dyn Node<Tables>>,
            })
            .collect();
        let mut graph = Graph::new(chain, Vec::new(), &[], |_| Reason::LocalDone);
        group.bench_function(format!("alloc, fill, {nodes} empty nodes, free"), |b| {
            b.iter(|| pass(&mut graph, &tables, &pool, &frames));
        });
    }
    let nodes: Vec<Box<dyn Node<Tables>>> = vec![
        Box::new(Classify::default()),
        Box::new(Step::<true>("ethernet-input", DROP)),
        Box::new(Step::<true>("ip4-lookup", DROP)),
    ];
    let arcs = &wagonway::worker::pipeline::ARCS[..1];
    let mut graph = Graph::new(nodes, Vec::new(), arcs, |_| Reason::LocalDone);
    group.bench_function("alloc, fill, classify, 1 empty node, free", |b| {
        b.iter(|| pass(&mut graph, &tables, &pool, &frames));
    });

    let (full, empty) = (ArrayQueue::<Box<Frame>>::new(32), ArrayQueue::<Box<Frame>>::new(32));
    empty.push(Box::default()).ok();
    group.bench_function("hand-over of a frame, there and back", |b| {
        b.iter(|| {
            let frame = empty.pop().expect("a frame");
            full.push(black_box(frame)).ok();
            let frame = full.pop().expect("a frame");
            empty.push(black_box(frame)).ok();
        });
    });
    group.finish();
    guard.offline();
}

criterion_group!(benches, engine);
criterion_main!(benches);
