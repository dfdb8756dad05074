//! Bob Jenkins' lookup3 of 2006, over bytes as they lie in memory.
//!
//! - takes: bytes and a seed
//! - gives: the number that the kernel's `jhash` finds for them
//! - costs: a mix for each twelve bytes

/// What all hashes begin with.
const BEGIN: u32 = 0xdead_beef;
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
pub fn jhash(mut bytes: &[u8], seed: u32) -> u32 {
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
}
