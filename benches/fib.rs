//! What a look-up costs: `cargo bench --bench fib`. The figure is for a frame of 64 destinations.
//!
//! Small and full tables, with destinations at random and with a few that most packets go to, each by
//! the table alone and with a worker's destination cache in front of it.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wagonway::{
    packet::{bits::Bits, generate::Random},
    publish::Epoch,
    route::{
        cache::DestinationCache,
        family::{Fib, FibWriter},
        fib::Fib4Writer,
        fib6::Fib6Writer,
        synth,
        trie::TriesWriter,
    },
};

const FRAME: usize = 64;
/// Destinations in turn; more than a processor's nearest caches hold.
const DESTINATIONS: usize = 1 << 16;

fn table(routes: usize) -> (Fib4Writer, Vec<(u32, u8)>) {
    let mut fib = Fib4Writer::new(1 << 16);
    let mut nets = Vec::new();
    for (number, net) in synth::prefixes(routes, 1).enumerate() {
        let (bits, len) = (net.addr().to_bits(), net.prefix_len());
        fib.insert(bits, len, 1 + number as u32 % 100).expect("room for all");
        nets.push((bits, len));
    }
    (fib, nets)
}

/// Destinations within the routes: at random, or nine in ten of them to 256 hosts.
fn destinations(nets: &[(u32, u8)], skewed: bool) -> Vec<u32> {
    let mut random = Random::new(2);
    let host = |random: &mut Random| {
        let (bits, len) = nets[random.below(nets.len() as u64) as usize];
        bits | random.next_u64() as u32 & u32::MAX.checked_shr(len.into()).unwrap_or(0)
    };
    let few: Vec<u32> = (0..256).map(|_| host(&mut random)).collect();
    let one = |_| match random.below(10) {
        1.. if skewed => few[random.below(256) as usize],
        _ => host(&mut random),
    };
    (0..DESTINATIONS).map(one).collect()
}

fn lookup(c: &mut Criterion) {
    for routes in [16, 1_000_000] {
        let (fib, nets) = table(routes);
        let mut group = c.benchmark_group(format!("{routes} routes"));
        group.throughput(Throughput::Elements(FRAME as u64));
        for (name, skewed) in [("random", false), ("skewed", true)] {
            let destinations = destinations(&nets, skewed);
            let mut found = [0; FRAME];
            let mut frames = destinations.chunks_exact(FRAME).cycle();
            group.bench_function(BenchmarkId::new("table", name), |b| {
                b.iter(|| {
                    let frame = frames.next().expect("it goes round");
                    fib.table().lookup_batch(black_box(frame), &mut found);
                    black_box(found[0])
                });
            });
            let mut cache = DestinationCache::new(8192);
            let mut frames = destinations.chunks_exact(FRAME).cycle();
            group.bench_function(BenchmarkId::new("cache", name), |b| {
                b.iter(|| {
                    let frame = frames.next().expect("it goes round");
                    cache.lookup_batch(fib.table(), 1, black_box(frame), &mut found);
                    black_box(found[0])
                });
            });
        }
        group.finish();
    }
}

fn table6(routes: usize) -> (Fib6Writer, Vec<(u128, u8)>) {
    let mut fib = Fib6Writer::new(1 << 16);
    let mut nets = Vec::new();
    for (number, net) in synth::prefixes6(routes, 1).enumerate() {
        let (bits, len) = (net.addr().to_bits(), net.prefix_len());
        fib.insert(bits, len, 1 + number as u32 % 100).expect("room for all");
        nets.push((bits, len));
    }
    fib.retire(Epoch(1));
    fib.reclaim(Epoch(1));
    let (nodes, bytes) = fib.usage();
    println!("{routes} IPv6 routes: {nodes} nodes, {} KiB at most", bytes >> 10);
    (fib, nets)
}

/// Destinations at random within the routes.
fn destinations6(nets: &[(u128, u8)]) -> Vec<u128> {
    let mut random = Random::new(2);
    let one = |_| {
        let (bits, len) = nets[random.below(nets.len() as u64) as usize];
        let host = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
        bits | host & !u128::mask(len)
    };
    (0..DESTINATIONS).map(one).collect()
}

fn lookup6(c: &mut Criterion) {
    for routes in [16, 250_000] {
        let (fib, nets) = table6(routes);
        let mut group = c.benchmark_group(format!("{routes} IPv6 routes"));
        let destinations = destinations6(&nets);
        for frame in [FRAME, 256] {
            group.throughput(Throughput::Elements(frame as u64));
            let mut found = [0; 256];
            let mut frames = destinations.chunks_exact(frame).cycle();
            group.bench_function(BenchmarkId::new("frame", frame), |b| {
                b.iter(|| {
                    let frame = frames.next().expect("it goes round");
                    fib.table().lookup_batch(black_box(frame), &mut found[..frame.len()]);
                    black_box(found[0])
                });
            });
        }
        group.throughput(Throughput::Elements(FRAME as u64));
        let mut frames = destinations.chunks_exact(FRAME).cycle();
        group.bench_function("one by one", |b| {
            b.iter(|| {
                let frame = frames.next().expect("it goes round");
                frame.iter().map(|dst| fib.table().lookup(black_box(*dst))).max()
            });
        });
        group.finish();
    }
}

/// Tables beside the main one are asked for one destination after the other.
fn beside(c: &mut Criterion) {
    for routes in [16, 1_000_000] {
        let mut tries = TriesWriter::<u32>::new(2, 1 << 16);
        let id = tries.create().expect("room for one");
        let mut nets = Vec::new();
        for (number, net) in synth::prefixes(routes, 1).enumerate() {
            let (bits, len) = (net.addr().to_bits(), net.prefix_len());
            tries.insert(id, bits, len, 1 + number as u32 % 100).expect("room for all");
            tries.retire(Epoch(1));
            tries.reclaim(Epoch(1));
            nets.push((bits, len));
        }
        let destinations = destinations(&nets, false);
        let mut group = c.benchmark_group(format!("{routes} routes beside"));
        group.throughput(Throughput::Elements(FRAME as u64));
        let mut frames = destinations.chunks_exact(FRAME).cycle();
        group.bench_function("one by one", |b| {
            b.iter(|| {
                let frame = frames.next().expect("it goes round");
                frame.iter().map(|dst| tries.tables().lookup(id, black_box(*dst))).max()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, lookup, lookup6, beside);
criterion_main!(benches);
