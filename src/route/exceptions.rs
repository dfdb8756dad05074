//! What crosses to the workers: other ways to single destinations, learned from ICMP.
//!
//! A path MTU or a redirect holds for one destination by one hop. It is a hop of its own, which
//! packets to that destination take in the place of the route's. The table is made anew by the
//! management core for each change, and bounded there.
//!
//! - obeys: ledger 5.69 to 5.75 (`fib_nh_exception`)

/// Destinations with a way of their own.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    /// For packets in transit.
    forward: Table,
    /// For the router's own.
    output: Table,
}

/// One exception: the hop that the route gives, the destination, and the hop to take.
pub type Entry = (u32, u32, u32);

/// Open addressing; a key of 0 is a free place, as no exception hangs on hop 0.
#[derive(Clone, Debug, Default)]
struct Table(Box<[(u64, u32)]>);

const fn key(hop: u32, dst: u32) -> u64 {
    (hop as u64) << 32 | dst as u64
}

impl Table {
    fn new(entries: &[Entry]) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        let slots = (entries.len() * 2).next_power_of_two();
        let mut table = Self(vec![(0, 0); slots].into_boxed_slice());
        for (hop, dst, other) in entries {
            let mut at = Self::place(key(*hop, *dst), slots);
            while table.0[at].0 != 0 {
                at = (at + 1) & (slots - 1);
            }
            table.0[at] = (key(*hop, *dst), *other);
        }
        table
    }

    #[inline]
    const fn place(key: u64, slots: usize) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize & (slots - 1)
    }

    #[inline]
    fn get(&self, hop: u32, dst: u32) -> Option<u32> {
        let slots = self.0.len();
        if slots == 0 {
            return None;
        }
        let key = key(hop, dst);
        let mut at = Self::place(key, slots);
        loop {
            let (found, other) = self.0[at];
            if found == key {
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
    /// From the exceptions for packets in transit and those for the router's own.
    pub fn new(forward: &[Entry], output: &[Entry]) -> Self {
        Self { forward: Table::new(forward), output: Table::new(output) }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_holds_for_its_hop_and_destination_alone() {
        let entries: Vec<Entry> = (1..2000).map(|n| (n % 7 + 1, n, n + 10_000)).collect();
        let all = Exceptions::new(&entries, &entries[..1]);
        for (hop, dst, other) in &entries {
            assert_eq!(all.transit(*hop, *dst), Some(*other));
            assert_eq!(all.transit(hop + 1, *dst), None);
        }
        assert_eq!((all.output(2, 1), all.output(3, 2)), (Some(10_001), None));
        assert!(!all.no_transit() && Exceptions::default().no_transit());
    }
}
