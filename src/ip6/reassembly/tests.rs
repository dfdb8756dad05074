//! The reassembler of IPv6 by itself.

use std::collections::BTreeMap;

use super::*;
use crate::packet::{FrameBuilder, generate::Random, ipv6::Ipv6View, ipv6::next_header};

const SECOND: Nanos = 1_000_000_000;

fn data(start: usize, len: usize) -> Vec<u8> {
    (start..start + len).map(|at| (at * 31 + at / 256) as u8).collect()
}

fn base(id: u32, start: usize, more: bool) -> FrameBuilder {
    FrameBuilder::new().ipv6([0x20; 16].into(), [0x30; 16].into()).protocol(17).fragment(
        id,
        start as u16,
        more,
    )
}

/// A fragment of the packet `id`, its bytes told by their place.
fn bytes(id: u32, start: usize, len: usize, more: bool) -> Vec<u8> {
    base(id, start, more).payload(&data(start, len)).build()[14..].to_vec()
}

fn put(all: &mut Reassembler, packet: &[u8], now: Nanos, rules: &Rules) -> Put {
    let found = Ipv6View::new_checked(packet)
        .unwrap()
        .chain()
        .find(|header| header.number == next_header::FRAGMENT)
        .unwrap();
    let (at, named_at) = (40 + found.offset, found.named_at);
    all.put(&Piece { packet, at, named_at, vrf: 0, mark: Mark::default() }, now, rules)
}

fn whole(all: &mut Reassembler, put: Put) -> Vec<u8> {
    let Fate::Whole(done) = put.fate else { panic!("{put:?}") };
    let datagram = all.datagram(&done);
    let mut packet: Vec<u8> = datagram.headers().flatten().copied().collect();
    assert_eq!(packet.len(), datagram.headers_len());
    datagram.finish_headers(&mut packet).unwrap();
    packet.extend(datagram.bytes().flatten());
    assert_eq!(packet.len(), datagram.total_len());
    all.release(done);
    packet
}

/// Shows [8.52].
#[test]
fn fragments_in_any_order_become_the_packet() {
    let rules = Rules::default();
    let mut all = Reassembler::new(1 << 20, 1);
    let (mut random, mut order) = (Random::new(3), (0..7).collect::<Vec<usize>>());
    for id in 0..200 {
        random.shuffle(&mut order);
        for (n, place) in order.iter().enumerate() {
            let len = if *place == 6 { 333 } else { 1448 };
            let piece = bytes(id, place * 1448, len, *place < 6);
            let put = put(&mut all, &piece, 0, &rules);
            if n < 6 {
                assert_eq!(put, Put { fate: Fate::Kept, ended: 0 });
                continue;
            }
            assert_eq!(put.ended, 6);
            let packet = whole(&mut all, put);
            let view = Ipv6View::new_checked(&packet).unwrap();
            assert_eq!(view.next_header(), 17);
            assert_eq!(view.payload(), data(0, 6 * 1448 + 333));
        }
        assert_eq!(all.memory(), 0);
    }
}

#[test]
fn headers_before_the_fragment_header_stay_and_name_what_follows() {
    let rules = Rules::default();
    let mut all = Reassembler::new(1 << 20, 1);
    for filler in [0, 6, 2000] {
        let ahead = |more: bool, start: u16, payload: &[u8]| {
            let options = [&[0x1e, 0][..], &[0x1e, 0].repeat(filler)].concat();
            FrameBuilder::new()
                .ipv6([0x20; 16].into(), [0x30; 16].into())
                .hop_by_hop(&options[..options.len().min(2000)])
                .destination_options(&[])
                .fragment(9, start, more)
                .protocol(6)
                .payload(payload)
                .build()[14..]
                .to_vec()
        };
        assert_eq!(put(&mut all, &ahead(false, 64, b"tail"), 0, &rules).fate, Fate::Kept);
        let done = put(&mut all, &ahead(true, 0, &data(0, 64)), 0, &rules);
        let packet = whole(&mut all, done);
        let view = Ipv6View::new_checked(&packet).unwrap();
        let numbers: Vec<u8> = view.chain().map(|header| header.number).collect();
        assert_eq!(numbers, [0, 60]);
        let upper = view.upper_layer().unwrap();
        assert_eq!((upper.number, view.payload().len() - upper.offset), (6, 68));
        assert_eq!(all.memory(), 0);
    }
}

/// Shows [8.52] and [8.53].
#[test]
fn what_cannot_be_right_is_told_or_given_up() {
    let rules = Rules::default();
    let mut all = Reassembler::new(1 << 20, 1);
    let mut of = |id, pieces: &[(usize, usize, bool)]| {
        let mut last = None;
        for (start, len, more) in pieces {
            last = Some(put(&mut all, &bytes(id, *start, *len, *more), 0, &rules));
        }
        last.unwrap()
    };
    let problem = |at| Put { fate: Fate::Problem(at), ended: 0 };
    assert_eq!(of(1, &[(64, 9, true)]), problem(4), "pieces but the last are of 8");
    assert_eq!(of(2, &[(65_528, 8, true)]), problem(42), "beyond the longest packet");
    assert_eq!(of(3, &[(0, 0, false)]).fate, Fate::Malformed);
    assert_eq!(of(4, &[(0, 64, true), (0, 64, true)]).fate, Fate::Duplicate);
    let overlap = of(5, &[(0, 64, true), (56, 72, true)]);
    assert_eq!(overlap, Put { fate: Fate::Overlap, ended: 1 });
    assert_eq!(of(6, &[(64, 64, false), (128, 16, true)]).fate, Fate::Malformed);
    assert_eq!(of(7, &[(128, 24, true), (64, 32, false)]).fate, Fate::Malformed);
    assert_eq!(of(8, &[(64, 64, false), (64, 32, false)]).fate, Fate::Malformed);
    let long = of(9, &[(0, 65_520, true), (65_520, 15, false)]);
    assert!(matches!(long.fate, Fate::Whole(_)));
}

#[test]
fn headers_make_a_packet_too_long() {
    let rules = Rules::default();
    let mut all = Reassembler::new(1 << 20, 1);
    let ahead = |start: u16, more, payload: &[u8]| {
        base(1, 0, false).ipv6([0x20; 16].into(), [0x30; 16].into());
        FrameBuilder::new()
            .ipv6([0x20; 16].into(), [0x30; 16].into())
            .hop_by_hop(&[])
            .fragment(9, start, more)
            .payload(payload)
            .build()[14..]
            .to_vec()
    };
    assert_eq!(put(&mut all, &ahead(0, true, &data(0, 32_768)), 0, &rules).fate, Fate::Kept);
    let last = put(&mut all, &ahead(32_768, false, &data(0, 32_764)), 0, &rules);
    assert_eq!(last, Put { fate: Fate::Oversize, ended: 1 });
    assert_eq!(all.memory(), 0);
}

#[test]
fn congestion_marks_join_or_end_the_packet() {
    let rules = Rules::default();
    let mut all = Reassembler::new(1 << 20, 1);
    for (first, second, wanted) in [
        (0, 0, Some(0)),
        (0, 1, None),
        (1, 2, Some(1)),
        (2, 3, Some(3)),
        (3, 1, Some(3)),
        (3, 0, None),
    ] {
        let id = first * 4 + second;
        let piece = |ecn: u32, start, more| {
            base(id, start, more).tos(ecn as u8).payload(&[7; 64]).build()[14..].to_vec()
        };
        let _ = put(&mut all, &piece(first, 0, true), 0, &rules);
        let last = put(&mut all, &piece(second, 64, false), 0, &rules);
        match wanted {
            None => assert_eq!(last.fate, Fate::Ecn),
            Some(wanted) => {
                let packet = whole(&mut all, last);
                assert_eq!(Ipv6View::new_checked(&packet).unwrap().ecn(), wanted);
            }
        }
    }
}

/// Shows [8.56].
#[test]
fn fragments_meet_by_addresses_identification_and_where_they_mean_something() {
    let rules = Rules::default();
    let mut all = Reassembler::new(1 << 20, 1);
    let mut meets = |dst: [u8; 16], ifaces: [u16; 2], vrfs: [u16; 2]| {
        let piece = |start: u16, more| {
            FrameBuilder::new()
                .ipv6([0x20; 16].into(), dst.into())
                .fragment(7, start, more)
                .payload(&[1; 64])
                .build()[14..]
                .to_vec()
        };
        let fates: Vec<_> = [(0, true), (64, false)]
            .iter()
            .zip(ifaces)
            .zip(vrfs)
            .map(|(((start, more), iface), vrf)| {
                let packet = piece(*start, *more);
                let mark = Mark { iface, ..Mark::default() };
                let piece = Piece { packet: &packet, at: 40, named_at: 6, vrf, mark };
                all.put(&piece, 0, &rules).fate
            })
            .collect();
        while let Some(done) = all.expire(Nanos::MAX) {
            all.release(done);
        }
        matches!(fates[1], Fate::Whole(_))
    };
    let mut link_local = [0; 16];
    link_local[..2].copy_from_slice(&[0xfe, 0x80]);
    assert!(meets([0x30; 16], [1, 2], [0, 0]));
    assert!(!meets([0x30; 16], [1, 2], [0, 9]));
    assert!(!meets(link_local, [1, 2], [0, 0]) && meets(link_local, [2, 2], [0, 0]));
    assert!(!meets([0xff; 16], [1, 2], [0, 0]));
}

/// Shows [8.54].
#[test]
fn time_runs_out_once_and_memory_is_bounded() {
    let rules = Rules { time: 60 * SECOND, high_thresh: 64 << 10 };
    let mut all = Reassembler::new(64 << 10, 1);
    let mut refused = 0;
    for id in 0..2000 {
        let put = put(&mut all, &bytes(id, 0, 1448, true), u64::from(id), &rules);
        refused += usize::from(put.fate == Fate::Refused);
    }
    assert!(all.memory() <= (64 << 10) + 2048 + QUEUE_COST + 4 * BLOCK_COST, "{}", all.memory());
    assert!(refused > 1900, "{refused}");
    assert_eq!((all.due(), all.expire(60 * SECOND - 1)), (60 * SECOND, None));
    let mut ended = 0;
    while let Some(done) = all.expire(60 * SECOND + 2000) {
        let datagram = all.datagram(&done);
        assert_eq!((datagram.pieces(), datagram.headers_len()), (1, 48));
        let first: Vec<u8> = datagram.first_bytes(1232).flatten().copied().collect();
        assert_eq!(first, data(0, 1232));
        all.release(done);
        ended += 1;
    }
    assert_eq!((ended + refused, all.memory()), (2000, 0));
    // A mistake alone leaves a packet of nothing behind, as in the kernel.
    let _ = put(&mut all, &bytes(1, 64, 9, true), 0, &rules);
    let done = all.expire(Nanos::MAX).unwrap();
    assert_eq!(all.datagram(&done).pieces(), 0);
    all.release(done);
    let none = Rules { high_thresh: 0, ..rules };
    assert_eq!(put(&mut all, &bytes(1, 0, 8, true), 0, &none).fate, Fate::Refused);
}

/// Whatever comes, what becomes whole is what was sent, and room comes back.
#[test]
fn no_fragments_make_another_packet_than_their_bytes() {
    bolero::check!().with_type::<Vec<(u8, u8, u8)>>().for_each(|pieces| {
        let rules = Rules::default();
        let mut all = Reassembler::new(1 << 18, 7);
        let mut model: BTreeMap<u32, BTreeMap<usize, u8>> = BTreeMap::new();
        for (id, place, len) in pieces {
            let (start, id) = (usize::from(place % 16) * 8, u32::from(id % 2));
            let (more, len) = (len % 4 != 0, usize::from(len / 4));
            let packet = bytes(id, start, len, more);
            let put = put(&mut all, &packet, 0, &rules);
            match put.fate {
                Fate::Kept => {
                    model.entry(id).or_default().extend((start..).zip(data(start, len)));
                }
                Fate::Whole(_) => {
                    let mut bytes = model.remove(&id).unwrap_or_default();
                    bytes.extend((start..).zip(data(start, len)));
                    let packet = whole(&mut all, put);
                    let want: Vec<u8> = bytes.values().copied().collect();
                    assert_eq!(Ipv6View::new_checked(&packet).unwrap().payload(), want);
                    assert_eq!(*bytes.keys().last().unwrap() + 1, want.len(), "without a gap");
                }
                Fate::Problem(_) | Fate::Duplicate | Fate::Refused => {}
                _ => {
                    model.remove(&id);
                }
            }
        }
        while let Some(done) = all.expire(Nanos::MAX) {
            all.release(done);
        }
        assert_eq!(all.memory(), 0);
    });
}
