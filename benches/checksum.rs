//! What the arithmetic on a header costs a packet: `cargo bench --bench checksum`.
//!
//! Every header of the set is another, so that no result can be foreseen; the figure printed is for
//! 256 packets, a full frame of the graph.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wagonway::packet::generate::{Random, TrafficSpec};
use wagonway::packet::{checksum, flow_hash, flow_hash6, ipv6};

const PACKETS: usize = 256;

fn headers() -> Vec<[u8; 20]> {
    let traffic = TrafficSpec::default().traffic().expect("the default spec is sound");
    traffic
        .take(PACKETS)
        .map(|frame| *frame[14..].first_chunk().expect("a frame holds a header"))
        .collect()
}

fn header(c: &mut Criterion) {
    let headers = headers();
    let mut group = c.benchmark_group("ipv4-header");
    group.throughput(Throughput::Elements(PACKETS as u64));
    group.bench_function("check 20 bytes", |b| {
        b.iter(|| black_box(&headers).iter().filter(|h| checksum::ipv4_header20(h)).count());
    });
    group.bench_function("check any length", |b| {
        b.iter(|| black_box(&headers).iter().filter(|h| checksum::ipv4_header(&h[..])).count());
    });
    group.bench_function("lower the ttl", |b| {
        let mut headers = headers.clone();
        b.iter(|| black_box(&mut headers).iter_mut().for_each(checksum::ttl_decrement));
    });
    group.bench_function("flow hash", |b| {
        let packets: Vec<_> = TrafficSpec::default()
            .traffic()
            .expect("the default spec is sound")
            .take(PACKETS)
            .collect();
        b.iter(|| {
            black_box(&packets).iter().fold(0, |all, frame| all ^ flow_hash(&frame[14..], 1))
        });
    });
    group.finish();
}

fn header6(c: &mut Criterion) {
    let packets: Vec<_> =
        TrafficSpec::ipv6().traffic().expect("the spec is sound").take(PACKETS).collect();
    let heads: Vec<[u8; ipv6::HEAD_LEN]> =
        packets.iter().map(|frame| *frame.first_chunk().expect("a frame of IPv6")).collect();
    let mut group = c.benchmark_group("ipv6-header");
    group.throughput(Throughput::Elements(PACKETS as u64));
    group.bench_function("plain test", |b| {
        b.iter(|| black_box(&heads).iter().filter(|head| ipv6::plain(head, 66)).count());
    });
    group.bench_function("flow hash", |b| {
        b.iter(|| {
            black_box(&packets).iter().fold(0, |all, frame| all ^ flow_hash6(&frame[14..], 1))
        });
    });
    group.bench_function("upper-layer checksum", |b| {
        let (src, dst) = (std::net::Ipv6Addr::LOCALHOST, std::net::Ipv6Addr::UNSPECIFIED);
        b.iter(|| {
            let whole = |frame: &&Vec<u8>| checksum::transport6_holds(src, dst, 17, &frame[54..]);
            black_box(&packets).iter().filter(whole).count()
        });
    });
    group.finish();
}

fn payload(c: &mut Criterion) {
    let mut group = c.benchmark_group("sum");
    let mut random = Random::new(1);
    for len in [20, 64, 576, 1500, 9000] {
        let bytes: Vec<u8> = (0..len).map(|_| random.next_u64() as u8).collect();
        group.throughput(Throughput::Bytes(len));
        group.bench_function(format!("{len} bytes"), |b| {
            b.iter(|| checksum::sum(black_box(&bytes)));
        });
    }
    group.finish();
}

criterion_group!(benches, header, header6, payload);
criterion_main!(benches);
