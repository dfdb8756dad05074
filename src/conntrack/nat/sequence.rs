//! Corrects sequence numbers behind a payload that was rewritten to another length.
//!
//! - takes: a segment from its IP header on, the corrections of its connection, and its direction
//! - gives: whether it could be written; a segment where it could not is to be dropped
//! - obeys: `nf_ct_seq_adjust` of the kernel; RFC 2018; row [9.189]
//! - costs: a few additions, and a step for each option of TCP
//!
//! A segment's own number moves by what its direction has grown by, what it acknowledges by what the
//! other direction has.

use crate::packet::checksum::update32;
use crate::packet::ipv4::protocol;
use crate::packet::tcp;

use super::super::headers;
use super::super::seqadj::{SeqAdj, Way};
use super::rewrite::{read, store};

/// Selective acknowledgment, and the bytes of one of its blocks.
const SACK: u8 = 5;
const SACK_BLOCK: usize = 8;

/// Writes sequence number, acknowledgment and blocks of selective acknowledgments as the other side
/// knows them.
///
/// `dir` is 0 in the original direction and 1 in the other.
#[must_use = "a segment that could not be written is to be dropped"]
pub fn adjust(packet: &mut [u8], adj: &SeqAdj, dir: usize) -> bool {
    let len = headers::trimmed(packet).len();
    let Some(packet) = packet.get_mut(..len) else { return false };
    match headers::find(packet) {
        Some(found) if found.proto == protocol::TCP => {
            let this = &adj.ways[dir & 1];
            let other = &adj.ways[!dir & 1];
            packet.get_mut(found.l4..).and_then(|segment| write(segment, this, other)).is_some()
        }
        _ => false,
    }
}

const fn after(a: u32, b: u32) -> bool {
    (b.wrapping_sub(a) as i32) < 0
}

/// The number that the receiver of an acknowledgment knows, who has not seen what was added.
const fn taken_back(number: u32, way: &Way) -> u32 {
    let before = number.wrapping_sub(way.before as u32);
    if after(before, way.position) { number.wrapping_sub(way.after as u32) } else { before }
}

/// Reads, writes and mends a number of 32 bits.
fn change(segment: &mut [u8], at: usize, new: impl FnOnce(u32) -> u32) -> Option<()> {
    let place = segment.get_mut(at..)?.first_chunk_mut::<4>()?;
    let old = u32::from_be_bytes(*place);
    let new = new(old);
    *place = new.to_be_bytes();
    let check = update32(read(segment, tcp::field::CHECKSUM.start), old, new);
    store(segment, tcp::field::CHECKSUM.start, check);
    Some(())
}

fn write(segment: &mut [u8], this: &Way, other: &Way) -> Option<()> {
    let &head = segment.first_chunk::<{ tcp::HEADER_LEN }>()?;
    change(segment, tcp::field::SEQ.start, |seq| {
        let grown = if after(seq, this.position) { this.after } else { this.before };
        seq.wrapping_add(grown as u32)
    })?;
    if head[tcp::field::FLAGS] & tcp::flag::ACK == 0 {
        return Some(());
    }
    change(segment, tcp::field::ACK.start, |ack| taken_back(ack, other))?;
    let end = usize::from(head[tcp::field::DATA_OFFSET] >> 4) * 4;
    segment.get(..end)?;
    let mut at = tcp::HEADER_LEN;
    while at < end {
        let len = match *segment.get(at..end)? {
            [0, ..] => break,
            [1, ..] => 1,
            [kind, len @ (2..), ..] if at + usize::from(len) <= end => {
                let len = usize::from(len);
                if kind == SACK && len > 2 && (len - 2).is_multiple_of(SACK_BLOCK) {
                    for edge in (at + 2..at + len).step_by(4) {
                        change_at(segment, edge, |number| taken_back(number, other))?;
                    }
                }
                len
            }
            _ => return None,
        };
        at += len;
    }
    Some(())
}

/// Reads, writes and mends a number of 32 bits of a segment at any place: options may stand at odd ones,
/// where the checksum sees the bytes swapped. Nothing where it does not stand there whole.
pub fn change_at(segment: &mut [u8], at: usize, new: impl FnOnce(u32) -> u32) -> Option<()> {
    if at.is_multiple_of(2) {
        return change(segment, at, new);
    }
    let place = segment.get_mut(at..)?.first_chunk_mut::<4>()?;
    let old = u32::from_be_bytes(*place);
    let new = new(old);
    *place = new.to_be_bytes();
    let swapped = |number: u32| number.rotate_left(8);
    let check = read(segment, tcp::field::CHECKSUM.start);
    store(segment, tcp::field::CHECKSUM.start, update32(check, swapped(old), swapped(new)));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::sample::{packet, settle};
    use super::*;
    use crate::conntrack::tuple::Addr;

    const CLIENT: Addr = Addr::four([10, 0, 0, 1]);
    const SERVER: Addr = Addr::four([8, 8, 8, 8]);

    fn segment(seq: u32, ack: u32, options: &[u8]) -> Vec<u8> {
        let mut l4 = vec![0x12, 0x34, 0, 21];
        l4.extend(seq.to_be_bytes());
        l4.extend(ack.to_be_bytes());
        let words = (20 + options.len()) / 4;
        l4.extend([(words as u8) << 4, tcp::flag::ACK, 1, 0, 0, 0, 0, 0]);
        l4.extend(options);
        l4.extend(b"data");
        let mut packet = packet(CLIENT, SERVER, false, 6, &l4);
        settle(&mut packet);
        packet
    }

    fn numbers(packet: &[u8]) -> (u32, u32) {
        let view = tcp::TcpView::new_checked(&packet[20..]).unwrap();
        assert!(view.checksum_holds([10, 0, 0, 1].into(), [8, 8, 8, 8].into()));
        (view.seq(), view.ack())
    }

    /// The client's command at 1000 grew by 5 bytes.
    fn grown() -> SeqAdj {
        let mut adj = SeqAdj::default();
        adj.grow(0, 1000, 5);
        adj
    }

    /// Shows [9.189].
    #[test]
    fn what_was_sent_before_the_change_keeps_its_number() {
        for (seq, want) in [(990, 990), (1000, 1000), (1001, 1006), (2000, 2005)] {
            let mut packet = segment(seq, 70, &[]);
            assert!(adjust(&mut packet, &grown(), 0));
            assert_eq!(numbers(&packet), (want, 70), "{seq}");
        }
        // The server acknowledges what it has seen, the client hears of what it has sent.
        for (ack, want) in [(1000, 1000), (1030, 1025), (900, 900)] {
            let mut packet = segment(70, ack, &[]);
            assert!(adjust(&mut packet, &grown(), 1));
            assert_eq!(numbers(&packet), (70, want), "{ack}");
        }
    }

    #[test]
    fn a_second_change_adds_to_the_first() {
        let mut adj = grown();
        adj.grow(0, 3000, -2);
        for (seq, want) in [(2000, 2005), (3000, 3005), (3001, 3004)] {
            let mut packet = segment(seq, 0, &[]);
            assert!(adjust(&mut packet, &adj, 0));
            assert_eq!(numbers(&packet).0, want);
        }
    }

    #[test]
    fn blocks_of_selective_acknowledgments_move_wherever_they_stand() {
        for before in 0..4_usize {
            let mut options = vec![1; before];
            options.extend([5, 18]);
            for edge in [1030_u32, 1040, 900, 950] {
                options.extend(edge.to_be_bytes());
            }
            options.resize(24, 0);
            let mut packet = segment(70, 1020, &options);
            assert!(adjust(&mut packet, &grown(), 1));
            assert_eq!(numbers(&packet), (70, 1015));
            let edges: Vec<_> = packet[40 + before + 2..][..16]
                .chunks(4)
                .map(|edge| u32::from_be_bytes(edge.try_into().unwrap()))
                .collect();
            assert_eq!(edges, [1025, 1035, 900, 950], "behind {before} bytes");
        }
    }

    #[test]
    fn segments_that_lie_about_their_options_are_not_written() {
        for options in [[5, 40, 0, 0], [5, 1, 0, 0], [1, 1, 1, 5]] {
            assert!(!adjust(&mut segment(1, 1, &options), &grown(), 1), "{options:?}");
        }
        assert!(!adjust(&mut segment(1, 1, &[])[..39], &grown(), 0));
        assert!(adjust(&mut segment(1, 1, &[0, 40, 40, 40]), &grown(), 1), "behind the end");
    }

    #[test]
    fn any_segment_keeps_a_right_checksum() {
        bolero::check!().with_type::<(Vec<u8>, [(u32, i32, i32); 2], bool)>().for_each(
            |(bytes, ways, reply)| {
                let [a, b] = ways.map(|(position, before, after)| Way { position, before, after });
                let adj = SeqAdj { ways: [a, b] };
                let mut raw = bytes.clone();
                let _ = adjust(&mut raw, &adj, usize::from(*reply));
                let mut packet = packet(CLIENT, SERVER, false, 6, bytes);
                settle(&mut packet);
                if adjust(&mut packet, &adj, usize::from(*reply)) {
                    let mut whole = packet.clone();
                    settle(&mut whole);
                    assert_eq!(packet, whole);
                }
            },
        );
    }
}
