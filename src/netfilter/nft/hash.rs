//! The hash of a value in the scratch.
//!
//! - takes: the fields of a value
//! - gives: the number that the kernel finds for the same value and seed
//! - obeys: `nft_jhash_eval`, `jhash`
//! - costs: a mix for each twelve bytes

use super::{SCRATCH, WIDEST};
use crate::packet::jhash::jhash;

/// Bytes of a value whose fields each begin at a multiple of four.
const ROOM: usize = WIDEST * 4;

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
    fn fields_begin_at_multiples_of_four_bytes() {
        let mut scratch = [0; SCRATCH];
        scratch[..6].copy_from_slice(&[10, 0, 0, 1, 0, 80]);
        assert_eq!(registers(&scratch, 0, &[4, 2], 7), jhash(&[10, 0, 0, 1, 0, 80, 0, 0], 7));
        assert_eq!(registers(&scratch, 4, &[2], 7), jhash(&[0, 80], 7));
        scratch[..6].copy_from_slice(&[0, 80, 10, 0, 0, 1]);
        assert_eq!(registers(&scratch, 0, &[2, 4], 7), jhash(&[0, 80, 0, 0, 10, 0, 0, 1], 7));
    }
}
