//! What crosses to the workers: which hop reaches a neighbour on a link.
//!
//! An open hash table with one writer. A slot's key never changes once written: a neighbour that
//! goes leaves its key with hop 0, so that a worker which matched the key can never read another
//! neighbour's hop. The writer builds a new table when this one fills.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

/// What is wrong with a packet that is handed over to be logged.
pub mod martian {
    /// Its source.
    pub const SOURCE: u16 = 0;
    /// Its destination.
    pub const DESTINATION: u16 = 1;
    /// Its source is reached by another interface.
    pub const REVERSE_PATH: u16 = 2;
    /// It has a source route, and those are not followed.
    pub const SOURCE_ROUTE: u16 = 3;
    /// It is an ICMP error about a packet to a broadcast address.
    pub const BOGUS_ERROR: u16 = 4;
}

const USED: u64 = 1 << 63;

/// Neighbours by interface and address.
pub struct NeighbourTable {
    keys: Box<[AtomicU64]>,
    hops: Box<[AtomicU32]>,
    mask: usize,
}

fn key(iface: u16, address: Ipv4Addr) -> u64 {
    USED | u64::from(iface) << 32 | u64::from(address.to_bits())
}

impl NeighbourTable {
    /// A table for up to `count` neighbours, at most half full.
    pub fn new(count: usize) -> Self {
        let slots = (count.max(32) * 2).next_power_of_two();
        Self {
            keys: bytemuck::zeroed_slice_box(slots),
            hops: bytemuck::zeroed_slice_box(slots),
            mask: slots - 1,
        }
    }

    /// How many keys this table takes before it must be rebuilt.
    pub fn capacity(&self) -> usize {
        self.keys.len() / 2
    }

    #[inline]
    fn start(&self, key: u64) -> usize {
        // Fibonacci hashing: neighbours are few and chosen by the operator's own links.
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & self.mask
    }

    /// The hop of a neighbour, 0 when it is not known.
    #[inline]
    pub fn get(&self, iface: u16, address: Ipv4Addr) -> u32 {
        let key = key(iface, address);
        let mut slot = self.start(key);
        loop {
            match self.keys[slot & self.mask].load(Ordering::Acquire) {
                0 => return 0,
                found if found == key => {
                    return self.hops[slot & self.mask].load(Ordering::Acquire);
                }
                _ => slot += 1,
            }
        }
    }

    /// Sets the hop of a neighbour; 0 forgets it. Only the management core calls this. False when a
    /// new key does not fit any more.
    pub fn set(&self, iface: u16, address: Ipv4Addr, hop: u32, used: &mut usize) -> bool {
        let key = key(iface, address);
        let mut slot = self.start(key);
        loop {
            match self.keys[slot & self.mask].load(Ordering::Relaxed) {
                0 if hop == 0 => return true,
                0 if *used >= self.capacity() => return false,
                0 => {
                    self.hops[slot & self.mask].store(hop, Ordering::Relaxed);
                    self.keys[slot & self.mask].store(key, Ordering::Release);
                    *used += 1;
                    return true;
                }
                found if found == key => {
                    self.hops[slot & self.mask].store(hop, Ordering::Release);
                    return true;
                }
                _ => slot += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_found_on_their_own_link_only() {
        let table = NeighbourTable::new(32);
        let mut used = 0;
        let address = Ipv4Addr::new(10, 0, 0, 1);
        assert!(table.set(1, address, 7, &mut used));
        assert!(table.set(2, address, 8, &mut used));
        assert_eq!(
            (table.get(1, address), table.get(2, address), table.get(3, address)),
            (7, 8, 0)
        );
        assert!(table.set(1, address, 0, &mut used));
        assert_eq!((table.get(1, address), used), (0, 2));
    }

    #[test]
    fn a_full_table_refuses_new_neighbours_and_keeps_the_old() {
        let table = NeighbourTable::new(32);
        let mut used = 0;
        let fits =
            (0..1000).take_while(|n| table.set(1, Ipv4Addr::from_bits(*n), 9, &mut used)).count();
        assert_eq!(fits, table.capacity());
        assert!((0..fits as u32).all(|n| table.get(1, Ipv4Addr::from_bits(n)) == 9));
        assert_eq!(table.get(1, Ipv4Addr::from_bits(999)), 0);
    }
}
