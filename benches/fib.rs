//! What a look-up costs: `cargo bench --bench fib`. The figure is for a frame of 64 destinations.
//!
//! Small and full tables, with destinations at random and with a few that most packets go to, each by
//! the table alone and with a worker's destination cache in front of it.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wagonway::{
    packet::generate::Random,
    route::{cache::DestinationCache, fib::Fib4Writer, synth},
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

criterion_group!(benches, lookup);
criterion_main!(benches);
