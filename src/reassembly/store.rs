//! Where the bytes of unfinished datagrams lie: blocks of one size, each at its place in a datagram.

/// Bytes of a datagram in one block.
pub(crate) const BLOCK_LEN: usize = 512;
/// Offsets count in units of eight bytes, of which a block holds as many as a word has bits.
const UNIT: usize = 8;
/// Blocks that a datagram may reach over: the last offset, and a whole packet behind it.
pub(crate) const REACH: usize = 256;

/// What memory one block takes.
pub(crate) const BLOCK_COST: usize = size_of::<Block>();

#[derive(Clone, Copy)]
struct Block {
    /// Units that have come.
    covered: u64,
    /// Units at which a run of pieces begins.
    begins: u64,
    data: [u8; BLOCK_LEN],
}

/// Blocks of one datagram, by place; 0 for none, else the number of the block and one.
pub(crate) type Map = [u16; REACH];

/// How a piece lies to those that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Nothing of it is there.
    New,
    /// All of it is there, within one run.
    Within,
    /// Some of it is there.
    Across,
}

/// All blocks of a worker.
pub(crate) struct Blocks {
    /// Those that were ever used; there is room for all.
    all: Vec<Block>,
    most: usize,
    /// Blocks that were used and given back.
    free: Vec<u16>,
}

/// Units from `start` to `end` (bytes) that lie in the block at `place`.
const fn mask(place: usize, start: usize, end: usize) -> u64 {
    let (first, last) = (start / UNIT, end.div_ceil(UNIT));
    let base = place * (BLOCK_LEN / UNIT);
    let low = first.saturating_sub(base);
    let high = last - base;
    let high = if high >= 64 { u64::MAX } else { (1 << high) - 1 };
    high & (u64::MAX << low)
}

/// Places of the blocks that the bytes from `start` to `end` touch.
const fn places(start: usize, end: usize) -> std::ops::Range<usize> {
    start / BLOCK_LEN..end.div_ceil(BLOCK_LEN)
}

impl Blocks {
    /// `count` blocks, at most 65 535. Memory is touched when it is used first.
    pub(crate) fn new(count: usize) -> Self {
        let count = count.min(usize::from(u16::MAX));
        Self { all: Vec::with_capacity(count), most: count, free: Vec::with_capacity(count) }
    }

    fn get(&self, map: &Map, place: usize) -> Option<&Block> {
        let number = usize::from(map[place]).checked_sub(1)?;
        self.all.get(number)
    }

    /// How the bytes from `start` to `end` lie to what is there.
    pub(crate) fn lie(&self, map: &Map, start: usize, end: usize) -> Lie {
        let (mut some, mut all, mut apart) = (false, true, false);
        for place in places(start, end) {
            let mask = mask(place, start, end);
            let Some(block) = self.get(map, place) else {
                all = false;
                continue;
            };
            some |= block.covered & mask != 0;
            all &= block.covered & mask == mask;
            // A run that begins where the piece does holds it like any other.
            let own = if place == start / BLOCK_LEN { 1 << (start % BLOCK_LEN / UNIT) } else { 0 };
            apart |= block.begins & mask & !own != 0;
        }
        match (some, all && !apart) {
            (false, _) => Lie::New,
            (true, true) => Lie::Within,
            (true, false) => Lie::Across,
        }
    }

    /// Puts `bytes` at `start`; `begins` when they are the beginning of a run. Gives the number of
    /// blocks taken for them, or nothing when there are too few.
    pub(crate) fn put(
        &mut self,
        map: &mut Map,
        start: usize,
        bytes: &[u8],
        begins: bool,
    ) -> Option<usize> {
        let end = start + bytes.len();
        let needed = places(start, end).filter(|place| map[*place] == 0).count();
        if needed > self.free.len() + self.most - self.all.len() {
            return None;
        }
        for place in places(start, end) {
            if map[place] == 0 {
                map[place] = self.take() + 1;
            }
            let base = place * BLOCK_LEN;
            let (from, to) = (start.max(base), end.min(base + BLOCK_LEN));
            let block = &mut self.all[usize::from(map[place] - 1)];
            block.covered |= mask(place, start, end);
            block.data[from - base..to - base].copy_from_slice(&bytes[from - start..to - start]);
            if begins && from == start {
                block.begins |= 1 << ((start - base) / UNIT);
            }
        }
        Some(needed)
    }

    fn take(&mut self) -> u16 {
        let Some(number) = self.free.pop() else {
            // Within the capacity, which `put` has seen to.
            self.all.push(Block { covered: 0, begins: 0, data: [0; BLOCK_LEN] });
            return (self.all.len() - 1) as u16;
        };
        let block = &mut self.all[usize::from(number)];
        (block.covered, block.begins) = (0, 0);
        number
    }

    /// Gives back all blocks of a datagram; gives their number.
    pub(crate) fn clear(&mut self, map: &mut Map) -> usize {
        let mut count = 0;
        for entry in map.iter_mut().filter(|entry| **entry != 0) {
            self.free.push(*entry - 1);
            *entry = 0;
            count += 1;
        }
        count
    }

    /// `len` bytes of a datagram in order, from a place where a block begins; they must have come.
    pub(crate) fn bytes<'a>(
        &'a self,
        map: &'a Map,
        from: usize,
        len: usize,
    ) -> impl Iterator<Item = &'a [u8]> {
        let end = from + len;
        places(from, end).filter_map(move |place| {
            let block = self.get(map, place)?;
            Some(&block.data[..(end - place * BLOCK_LEN).min(BLOCK_LEN)])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_new_within_a_run_or_across() {
        let (mut blocks, mut map) = (Blocks::new(REACH), [0; REACH]);
        assert_eq!(blocks.put(&mut map, 496, &[1; 600], true), Some(3));
        assert_eq!(blocks.lie(&map, 0, 496), Lie::New);
        assert_eq!(blocks.lie(&map, 496, 1096), Lie::Within);
        assert_eq!(blocks.lie(&map, 504, 1000), Lie::Within);
        assert_eq!(blocks.lie(&map, 488, 504), Lie::Across);
        assert_eq!(blocks.lie(&map, 1088, 1104), Lie::Across);
        assert_eq!(blocks.lie(&map, 1096, 5000), Lie::New);
        // Another run next to it: what spans both is in neither.
        assert_eq!(blocks.put(&mut map, 1096, &[2; 8], true), Some(0));
        assert_eq!(blocks.lie(&map, 1088, 1104), Lie::Across);
        assert_eq!(blocks.lie(&map, 1096, 1104), Lie::Within);
        assert_eq!(blocks.clear(&mut map), 3);
        assert_eq!(blocks.lie(&map, 496, 1096), Lie::New);
    }

    #[test]
    fn bytes_come_back_in_order_and_blocks_are_used_again() {
        let (mut blocks, mut map) = (Blocks::new(3), [0; REACH]);
        let bytes: Vec<u8> = (0..1200_u32).map(|n| (n * 7) as u8).collect();
        for _ in 0..3 {
            for start in (0..1200).step_by(104).rev() {
                let end = (start + 104).min(1200);
                assert!(blocks.put(&mut map, start, &bytes[start..end], true).is_some());
            }
            let back: Vec<u8> = blocks.bytes(&map, 0, 1200).flatten().copied().collect();
            assert_eq!(back, bytes);
            assert_eq!(blocks.put(&mut map, 2048, &[0], true), None, "all are in use");
            assert_eq!(blocks.clear(&mut map), 3);
        }
    }

    #[test]
    fn the_furthest_piece_has_its_place() {
        let (mut blocks, mut map) = (Blocks::new(REACH), [0; REACH]);
        assert!(blocks.put(&mut map, 65_528, &[3; 65_515], true).is_some());
        assert_eq!(blocks.lie(&map, 65_528, 65_528 + 65_515), Lie::Within);
    }
}
