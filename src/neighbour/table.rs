//! What crosses to the workers: which hop reaches a neighbour on a link.
//!
//! An open hash table with one writer. A slot's key never changes once written: a neighbour that
//! goes leaves its key with hop 0, so that a worker which matched the key can never read another
//! neighbour's hop. The writer builds a new table when this one fills.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use crate::dpdk::pages;

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

/// IPv4 neighbours by interface and address.
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
        Self { keys: pages::zeroed(slots), hops: pages::zeroed(slots), mask: slots - 1 }
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

/// IPv6 neighbours by interface and address: as [`NeighbourTable`], with keys of three words, of which
/// the one that says that the slot is in use is written last.
pub struct NeighbourTable6 {
    keys: Box<[AtomicU64]>,
    hops: Box<[AtomicU32]>,
    mask: usize,
}

/// Words of a key: interface, and the address in two halves.
const KEY6: usize = 3;

fn halves(address: Ipv6Addr) -> (u64, u64) {
    let bits = address.to_bits();
    ((bits >> 64) as u64, bits as u64)
}

impl NeighbourTable6 {
    /// A table for up to `count` neighbours, at most half full.
    pub fn new(count: usize) -> Self {
        let slots = (count.max(32) * 2).next_power_of_two();
        Self { keys: pages::zeroed(slots * KEY6), hops: pages::zeroed(slots), mask: slots - 1 }
    }

    /// How many keys this table takes before it must be rebuilt.
    pub fn capacity(&self) -> usize {
        self.hops.len() / 2
    }

    #[inline]
    fn start(&self, iface: u16, (high, low): (u64, u64)) -> usize {
        // Interface identifiers of a link may differ in few bits, and prefixes in others.
        let mixed = (high ^ low.rotate_left(29) ^ u64::from(iface))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ low.wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        (mixed >> 32) as usize & self.mask
    }

    /// The slot of a key, or the free one where it belongs.
    #[inline]
    fn find(&self, iface: u16, address: Ipv6Addr) -> (usize, bool) {
        let words = halves(address);
        let used = USED | u64::from(iface);
        let mut slot = self.start(iface, words);
        loop {
            let at = slot & self.mask;
            let key = &self.keys[at * KEY6..][..KEY6];
            match key[0].load(Ordering::Acquire) {
                0 => return (at, false),
                found
                    if found == used
                        && key[1].load(Ordering::Relaxed) == words.0
                        && key[2].load(Ordering::Relaxed) == words.1 =>
                {
                    return (at, true);
                }
                _ => slot += 1,
            }
        }
    }

    /// The hop of a neighbour, 0 when it is not known.
    #[inline]
    pub fn get(&self, iface: u16, address: Ipv6Addr) -> u32 {
        match self.find(iface, address) {
            (at, true) => self.hops[at].load(Ordering::Acquire),
            _ => 0,
        }
    }

    /// Sets the hop of a neighbour; 0 forgets it. Only the management core calls this. False when a
    /// new key does not fit any more.
    pub fn set(&self, iface: u16, address: Ipv6Addr, hop: u32, used: &mut usize) -> bool {
        let (at, there) = self.find(iface, address);
        if there {
            self.hops[at].store(hop, Ordering::Release);
            return true;
        }
        if hop == 0 {
            return true;
        }
        if *used >= self.capacity() {
            return false;
        }
        let key = &self.keys[at * KEY6..][..KEY6];
        let (high, low) = halves(address);
        self.hops[at].store(hop, Ordering::Relaxed);
        key[1].store(high, Ordering::Relaxed);
        key[2].store(low, Ordering::Relaxed);
        key[0].store(USED | u64::from(iface), Ordering::Release);
        *used += 1;
        true
    }
}

/// Neighbours of both families, as the management core writes them.
pub struct NeighbourTables {
    /// IPv4.
    pub four: NeighbourTable,
    /// IPv6.
    pub six: NeighbourTable6,
}

impl NeighbourTables {
    /// Tables for up to `count` neighbours of each family.
    pub fn new(count: usize) -> Self {
        Self { four: NeighbourTable::new(count), six: NeighbourTable6::new(count) }
    }

    /// Sets the hop of a neighbour; 0 forgets it. `used` counts the keys of both. False when a new key
    /// does not fit any more.
    pub fn set(&self, iface: u16, address: IpAddr, hop: u32, used: &mut [usize; 2]) -> bool {
        match address {
            IpAddr::V4(four) => self.four.set(iface, four, hop, &mut used[0]),
            IpAddr::V6(six) => self.six.set(iface, six, hop, &mut used[1]),
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
    fn ipv6_neighbours_are_found_by_their_whole_address() {
        let table = NeighbourTable6::new(1000);
        let mut used = 0;
        let address = |n: u128| Ipv6Addr::from_bits(0xfe80 << 112 | n << 61 | n);
        let fits =
            (1..2000).take_while(|n| table.set(1, address(*n), *n as u32, &mut used)).count();
        assert_eq!(fits, table.capacity().min(1999));
        for n in 1..=fits as u128 {
            assert_eq!((table.get(1, address(n)), table.get(2, address(n))), (n as u32, 0));
            assert_eq!(table.get(1, Ipv6Addr::from_bits(address(n).to_bits() ^ 1 << 63)), 0);
        }
        assert!(table.set(1, address(1), 0, &mut used));
        assert_eq!(table.get(1, address(1)), 0);
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
