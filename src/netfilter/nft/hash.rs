//! The hash of `jhash`: Bob Jenkins' lookup3 of 2006, over bytes as they lie in memory.
//!
//! - takes: the fields of a value
//! - gives: the number that the kernel finds for the same value and seed
//! - obeys: `nft_jhash_eval`, `jhash`
//! - costs: a mix for each twelve bytes

use super::{SCRATCH, WIDEST};

/// What all hashes begin with.
const BEGIN: u32 = 0xdead_beef;
/// Bytes of a value whose fields each begin at a multiple of four.
const ROOM: usize = WIDEST * 4;

fn mix([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    [a, b, c]
}

fn last([mut a, mut b, mut c]: [u32; 3]) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

/// The hash of some bytes.
fn jhash(mut bytes: &[u8], seed: u32) -> u32 {
    let mut state = [BEGIN.wrapping_add(bytes.len() as u32).wrapping_add(seed); 3];
    let add = |state: &mut [u32; 3], bytes: &[u8]| {
        for (word, part) in state.iter_mut().zip(bytes.chunks(4)) {
            let mut whole = [0; 4];
            whole[..part.len()].copy_from_slice(part);
            *word = word.wrapping_add(u32::from_le_bytes(whole));
        }
    };
    while bytes.len() > 12 {
        let (first, rest) = bytes.split_at(12);
        add(&mut state, first);
        state = mix(state);
        bytes = rest;
    }
    if bytes.is_empty() {
        return state[2];
    }
    add(&mut state, bytes);
    last(state)
}

/// The hash of a value of these fields that stands at a place.
pub(super) fn registers(scratch: &[u8; SCRATCH], at: u8, fields: &[u8], seed: u32) -> u32 {
    let mut room = [0; ROOM];
    let (mut from, mut to) = (usize::from(at), 0);
    for len in fields {
        let len = usize::from(*len);
        if let (Some(own), Some(into)) = (scratch.get(from..from + len), room.get_mut(to..to + len))
        {
            into.copy_from_slice(own);
        }
        from += len;
        to += len.next_multiple_of(4);
    }
    // A field that stands alone counts as long as it is.
    let len = match fields {
        [alone] => usize::from(*alone),
        _ => to,
    };
    jhash(room.get(..len).unwrap_or_default(), seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_values_come_out() {
        // From the driver of lookup3.c.
        assert_eq!(jhash(b"", 0), 0xdead_beef);
        assert_eq!(jhash(b"", 0xdead_beef), 0xbd5b_7dde);
        assert_eq!(jhash(b"Four score and seven years ago", 0), 0x1777_0551);
        assert_eq!(jhash(b"Four score and seven years ago", 1), 0xcd62_8161);
    }

    #[test]
    fn fields_begin_at_multiples_of_four_bytes() {
        let mut scratch = [0; SCRATCH];
        scratch[..6].copy_from_slice(&[10, 0, 0, 1, 0, 80]);
        assert_eq!(registers(&scratch, 0, &[4, 2], 7), jhash(&[10, 0, 0, 1, 0, 80, 0, 0], 7));
        assert_eq!(registers(&scratch, 4, &[2], 7), jhash(&[0, 80], 7));
        scratch[..6].copy_from_slice(&[0, 80, 10, 0, 0, 1]);
        assert_eq!(registers(&scratch, 0, &[2, 4], 7), jhash(&[0, 80, 0, 0, 10, 0, 0, 1], 7));
    }
}
