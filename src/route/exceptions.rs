//! What crosses to the workers: other ways to single destinations, learned from ICMP.
//!
//! A path MTU or a redirect holds for one destination by one hop. It is a hop of its own, which
//! packets to that destination take in the place of the route's. The table is made anew by the
//! management core for each change, and bounded there.
//!
//! - obeys: ledger 5.69 to 5.75 (`fib_nh_exception`)

use crate::packet::Bits;

/// Destinations with a way of their own.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    /// For packets in transit.
    forward: Table<u32>,
    /// For the router's own.
    output: Table<u32>,
    /// For the router's own over IPv6.
    output6: Table<u128>,
}

/// One exception: the hop that the route gives, the destination, and the hop to take.
pub type Entry<B = u32> = (u32, B, u32);

/// Open addressing; hop 0 is a free place, as no exception hangs on it.
#[derive(Clone, Debug, Default)]
struct Table<B>(Box<[Entry<B>]>);

impl<B: Bits> Table<B> {
    fn new(entries: &[Entry<B>]) -> Self {
        if entries.is_empty() {
            return Self(Box::default());
        }
        let slots = (entries.len() * 2).next_power_of_two();
        let mut table = Self(vec![(0, B::default(), 0); slots].into_boxed_slice());
        for entry in entries {
            let mut at = Self::place(entry.0, entry.1, slots);
            while table.0[at].0 != 0 {
                at = (at + 1) & (slots - 1);
            }
            table.0[at] = *entry;
        }
        table
    }

    #[inline]
    fn place(hop: u32, dst: B, slots: usize) -> usize {
        // The upper half of an address of IPv6 is that of many, the lower half of few.
        let dst = dst.upper();
        let word = (dst >> 96) as u64 ^ (dst >> 64) as u64 ^ (dst as u64).rotate_left(17);
        let key = u64::from(hop) << 32 ^ word;
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize & (slots - 1)
    }

    #[inline]
    fn get(&self, hop: u32, dst: B) -> Option<u32> {
        let slots = self.0.len();
        if slots == 0 || hop == 0 {
            return None;
        }
        let mut at = Self::place(hop, dst, slots);
        loop {
            let (found, to, other) = self.0[at];
            if found == hop && to == dst {
                return Some(other);
            }
            if found == 0 {
                return None;
            }
            at = (at + 1) & (slots - 1);
        }
    }
}

impl Exceptions {
    /// From the exceptions for packets in transit, and those for the router's own of each family.
    pub fn new(forward: &[Entry], output: &[Entry], output6: &[Entry<u128>]) -> Self {
        Self {
            forward: Table::new(forward),
            output: Table::new(output),
            output6: Table::new(output6),
        }
    }

    /// True when packets in transit have none.
    #[inline]
    pub fn no_transit(&self) -> bool {
        self.forward.0.is_empty()
    }

    /// The hop for a packet in transit that would take `hop` to `dst`.
    #[inline]
    pub fn transit(&self, hop: u32, dst: u32) -> Option<u32> {
        self.forward.get(hop, dst)
    }

    /// The hop for a packet of the router's own that would take `hop` to `dst`.
    #[inline]
    pub fn output(&self, hop: u32, dst: u32) -> Option<u32> {
        self.output.get(hop, dst)
    }

    /// True when there are none of IPv6.
    #[inline]
    pub fn no_output6(&self) -> bool {
        self.output6.0.is_empty()
    }

    /// The same over IPv6, where it holds for packets in transit as well.
    #[inline]
    pub fn output6(&self, hop: u32, dst: u128) -> Option<u32> {
        self.output6.get(hop, dst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_holds_for_its_hop_and_destination_alone() {
        let entries: Vec<Entry> = (1..2000).map(|n| (n % 7 + 1, n, n + 10_000)).collect();
        let six: Vec<Entry<u128>> = entries
            .iter()
            .map(|(hop, n, other)| (*hop, u128::from(*n) << 60 | 1, *other))
            .collect();
        let all = Exceptions::new(&entries, &entries[..1], &six);
        for (hop, dst, other) in &entries {
            assert_eq!(all.transit(*hop, *dst), Some(*other));
            assert_eq!(all.transit(hop + 1, *dst), None);
            let six = u128::from(*dst) << 60 | 1;
            assert_eq!((all.output6(*hop, six), all.output6(*hop, six ^ 1)), (Some(*other), None));
        }
        assert_eq!((all.output(2, 1), all.output(3, 2)), (Some(10_001), None));
        assert!(!all.no_transit() && Exceptions::default().no_transit());
    }
}
