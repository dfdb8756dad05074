//! The reassembler by itself.

use super::*;
use crate::packet::generate::Random;

const SECOND: Nanos = 1_000_000_000;

/// A piece of a datagram of `id`, its bytes told by their place.
fn bytes(id: u16, start: usize, len: usize, more: bool) -> Vec<u8> {
    let mut bytes = vec![0; 20];
    bytes[0] = 0x45;
    bytes[2..4].copy_from_slice(&(20 + len as u16).to_be_bytes());
    bytes[4..6].copy_from_slice(&id.to_be_bytes());
    let word = (start / 8) as u16 | if more { ipv4::MORE_FRAGMENTS } else { 0 };
    bytes[6..8].copy_from_slice(&word.to_be_bytes());
    bytes[8..20].copy_from_slice(&[64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend((start..start + len).map(|at| (at * 31 + at / 256) as u8));
    bytes
}

fn put(all: &mut Reassembler, bytes: &[u8], now: Nanos, rules: &Rules) -> Put {
    let ip = Ipv4View::new_checked(bytes).unwrap();
    all.put(&Piece { ip, vrf: 0, mark: Mark::default() }, now, rules)
}

fn payload(all: &Reassembler, done: &Done) -> Vec<u8> {
    all.datagram(done).bytes().flatten().copied().collect()
}

#[test]
fn the_model_and_the_reassembler_agree() {
    bolero::check!().for_each(fuzz::pieces);
}

#[test]
fn pieces_in_any_order_make_the_same_datagram() {
    let mut random = Random::new(11);
    let mut all = Reassembler::new(4 << 20, 1);
    let rules = Rules { max_dist: 0, ..Rules::default() };
    for id in 0..300 {
        let len = 1 + random.below(65_515) as usize;
        let size = 8 * (1 + random.below(200) as usize).max(len / 8 / 500);
        let mut starts: Vec<_> = (0..len).step_by(size).collect();
        random.shuffle(&mut starts);
        let mut whole = None;
        for (n, start) in starts.iter().enumerate() {
            let end = (start + size).min(len);
            let piece = bytes(id, *start, end - start, end < len);
            match put(&mut all, &piece, 0, &rules).fate {
                Fate::Whole(done) => {
                    assert_eq!(n + 1, starts.len());
                    whole = Some(done);
                }
                fate => assert_eq!(fate, Fate::Kept),
            }
        }
        let done = whole.unwrap();
        assert_eq!(payload(&all, &done), bytes(id, 0, len, false)[20..]);
        all.release(done);
        assert_eq!(all.memory(), 0);
    }
}

#[test]
fn memory_stays_at_the_threshold_and_comes_back_when_time_runs_out() {
    let rules = Rules { high_thresh: 1 << 20, ..Rules::default() };
    let mut all = Reassembler::new(1 << 20, 1);
    let (mut kept, mut refused) = (0, 0);
    for n in 0..50_000_u32 {
        let mut piece = bytes(n as u16, 0, 1480, true);
        piece[14..16].copy_from_slice(&((n >> 16) as u16).to_be_bytes());
        match put(&mut all, &piece, 0, &rules).fate {
            Fate::Kept => kept += 1,
            fate => {
                assert_eq!(fate, Fate::Refused);
                refused += 1;
            }
        }
        assert!(all.memory() < (1 << 20) + 66_000, "{} bytes", all.memory());
    }
    assert_eq!((kept + refused, all.memory() > 1 << 20), (50_000, true));
    assert!(kept > 400, "only {kept} pieces of a frame's size in a MiB");
    // Even the missing piece of a datagram that waits is refused, as by the kernel.
    assert_eq!(put(&mut all, &bytes(0, 1480, 8, false), 0, &rules).fate, Fate::Refused);
    let mut expired = 0;
    while let Some(done) = all.expire(30 * SECOND) {
        all.release(done);
        expired += 1;
    }
    assert_eq!((expired, all.memory()), (kept, 0));
    assert_eq!(put(&mut all, &bytes(1, 0, 8, true), 0, &rules).fate, Fate::Kept);
}

#[test]
fn without_a_threshold_nothing_is_taken() {
    let rules = Rules { high_thresh: 0, ..Rules::default() };
    let mut all = Reassembler::new(0, 1);
    assert_eq!(put(&mut all, &bytes(1, 0, 8, true), 0, &rules).fate, Fate::Refused);
}

#[test]
fn a_datagram_lives_as_long_as_was_said_when_it_began() {
    let mut all = Reassembler::new(1 << 20, 1);
    let (long, short) = (Rules::default(), Rules { time: SECOND, ..Rules::default() });
    assert_eq!(all.due(), Nanos::MAX);
    put(&mut all, &bytes(1, 0, 8, true), 0, &long);
    put(&mut all, &bytes(2, 0, 8, true), 5 * SECOND, &short);
    assert_eq!(all.due(), 6 * SECOND);
    // A further piece gives no more time.
    put(&mut all, &bytes(2, 8, 8, true), 5 * SECOND + 1, &short);
    assert!(all.expire(6 * SECOND - 1).is_none());
    let done = all.expire(6 * SECOND).unwrap();
    assert_eq!(all.datagram(&done).pieces(), 2);
    all.release(done);
    assert_eq!(all.due(), 30 * SECOND);
}

#[test]
fn too_many_pieces_of_others_in_between_start_a_datagram_anew() {
    let mut all = Reassembler::new(4 << 20, 1);
    let rules = Rules::default();
    put(&mut all, &bytes(1, 0, 8, true), 0, &rules);
    for id in 100..163 {
        put(&mut all, &bytes(id, 0, 8, true), SECOND, &rules);
    }
    // The 64th piece since is the last that may be.
    let near = put(&mut all, &bytes(1, 8, 8, true), SECOND, &rules);
    assert_eq!(near, Put { fate: Fate::Kept, ended: 0, too_far: 0 });
    for id in 200..264 {
        put(&mut all, &bytes(id, 0, 8, true), SECOND, &rules);
    }
    let far = put(&mut all, &bytes(1, 16, 8, false), 2 * SECOND, &rules);
    assert_eq!(far, Put { fate: Fate::Kept, ended: 0, too_far: 2 });
    put(&mut all, &bytes(1, 0, 8, true), 2 * SECOND, &rules);
    let whole = put(&mut all, &bytes(1, 8, 8, true), 2 * SECOND, &rules);
    assert!(matches!(whole, Put { fate: Fate::Whole(_), ended: 2, too_far: 0 }), "{whole:?}");
}

#[test]
fn congestion_marks_join_as_rfc_3168_says() {
    let seen = |marks: &[u8]| marks.iter().fold(0, |all, mark| all | 1 << mark);
    for mark in 0..4 {
        assert_eq!(join_marks(seen(&[mark])), Some(0));
    }
    for other in 1..4 {
        assert_eq!(join_marks(seen(&[0, other])), None);
    }
    assert_eq!(join_marks(seen(&[1, 2])), Some(0));
    for marks in [&[1, 3][..], &[2, 3], &[1, 2, 3]] {
        assert_eq!(join_marks(seen(marks)), Some(3));
    }
    assert_eq!(join_marks(seen(&[0, 1, 2, 3])), None);
}

#[test]
fn df_is_kept_only_when_the_largest_piece_had_it() {
    let mut all = Reassembler::new(1 << 20, 1);
    let rules = Rules::default();
    for (df_small, df_large, keeps) in
        [(false, false, false), (true, false, false), (false, true, true), (true, true, true)]
    {
        let (mut small, mut large) = (bytes(1, 0, 8, true), bytes(1, 8, 100, false));
        small[6] |= u8::from(df_small) << 6;
        large[6] |= u8::from(df_large) << 6;
        put(&mut all, &small, 0, &rules);
        let Fate::Whole(done) = put(&mut all, &large, 0, &rules).fate else { panic!("not whole") };
        let datagram = all.datagram(&done);
        assert_eq!((datagram.keeps_df(), datagram.largest()), (keeps, 120));
        assert_eq!(datagram.header().0[6..8], [u8::from(keeps) << 6, 0]);
        all.release(done);
    }
}
