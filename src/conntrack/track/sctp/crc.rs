//! The CRC of SCTP: Castagnoli's polynomial, eight octets a step.
//!
//! - obeys: RFC 9260 appendix A

const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut n = 0;
    while n < 256 {
        let mut crc = n as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = crc >> 1 ^ POLYNOMIAL & (crc & 1).wrapping_neg();
            bit += 1;
        }
        tables[0][n] = crc;
        n += 1;
    }
    n = 0;
    while n < 256 {
        let mut table = 1;
        while table < 8 {
            let last = tables[table - 1][n];
            tables[table][n] = last >> 8 ^ tables[0][(last & 0xff) as usize];
            table += 1;
        }
        n += 1;
    }
    tables
}

fn extend(mut crc: u32, bytes: &[u8]) -> u32 {
    let (blocks, rest) = bytes.as_chunks::<8>();
    for block in blocks {
        let word = u64::from_le_bytes(*block) ^ u64::from(crc);
        let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
        let at = |table: usize, byte: u8| TABLES[table][usize::from(byte)];
        crc = at(7, a) ^ at(6, b) ^ at(5, c) ^ at(4, d) ^ at(3, e) ^ at(2, f) ^ at(1, g) ^ at(0, h);
    }
    for byte in rest {
        crc = crc >> 8 ^ TABLES[0][usize::from(crc as u8 ^ byte)];
    }
    crc
}

/// The CRC that a packet must carry, as the number whose octets stand in it lowest first.
pub(super) fn of_packet(l4: &[u8]) -> u32 {
    let (head, rest) = l4.split_at(l4.len().min(8));
    let crc = extend(extend(!0, head), &[0; 4]);
    !extend(crc, rest.get(4..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_castagnolis() {
        assert_eq!(!extend(!0, b"123456789"), 0xe306_9283);
        assert_eq!(!extend(!0, &[0; 32]), 0x8a91_36aa);
    }
}
