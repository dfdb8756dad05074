//! Corrections of sequence numbers where a payload was rewritten to another length.
//!
//! - gives: [`SeqAdj`] of a connection, kept in a slab beside the entries
//! - obeys: row [9.189]; `nf_conntrack_seqadj.c` of the kernel

/// The corrections of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Way {
    /// Sequence number of the last change of length.
    pub position: u32,
    /// What is added before that position.
    pub before: i32,
    /// What is added behind it.
    pub after: i32,
}

/// The corrections of both directions, 0 original and 1 reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeqAdj {
    /// By direction.
    pub ways: [Way; 2],
}

/// Whether a sequence number stands behind another.
#[inline(always)]
pub(crate) const fn after(a: u32, b: u32) -> bool {
    (b.wrapping_sub(a) as i32) < 0
}

/// Whether a sequence number stands before another.
#[inline(always)]
pub(crate) const fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

impl SeqAdj {
    /// What was added to this sequence number in this direction.
    pub const fn offset(&self, dir: usize, seq: u32) -> i32 {
        let way = &self.ways[dir & 1];
        if after(seq, way.position) { way.after } else { way.before }
    }

    /// Notes that the segment at `seq` grew by `by` octets (`nf_ct_seqadj_set`).
    pub const fn grow(&mut self, dir: usize, seq: u32, by: i32) {
        let way = &mut self.ways[dir & 1];
        if way.before == way.after || before(way.position, seq) {
            way.position = seq;
            way.before = way.after;
            way.after = way.after.wrapping_add(by);
        }
    }
}

/// A bounded slab of corrections; place 0 is none.
#[derive(Debug)]
pub(crate) struct Slab {
    places: Vec<SeqAdj>,
    free: Vec<u32>,
}

impl Slab {
    pub(crate) fn new(capacity: u32) -> Self {
        let mut places = Vec::with_capacity(capacity as usize + 1);
        places.push(SeqAdj::default());
        Self { places, free: Vec::with_capacity(capacity as usize) }
    }

    /// A place, unless all are taken.
    pub(crate) fn take(&mut self) -> Option<u32> {
        if let Some(place) = self.free.pop() {
            self.places[place as usize] = SeqAdj::default();
            return Some(place);
        }
        let place = self.places.len();
        (place < self.places.capacity()).then(|| {
            self.places.push(SeqAdj::default());
            place as u32
        })
    }

    pub(crate) fn give_back(&mut self, place: u32) {
        if place != 0 && self.free.len() < self.free.capacity() {
            self.free.push(place);
        }
    }

    #[inline]
    pub(crate) fn get(&self, place: u32) -> Option<&SeqAdj> {
        if place == 0 { None } else { self.places.get(place as usize) }
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut SeqAdj> {
        if place == 0 { None } else { self.places.get_mut(place as usize) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows [9.189]: what was sent before a change keeps the old offset.
    #[test]
    fn retransmissions_keep_the_old_offset() {
        let mut adj = SeqAdj::default();
        adj.grow(0, 1000, 4);
        assert_eq!((adj.offset(0, 1000), adj.offset(0, 1001), adj.offset(1, 1001)), (0, 4, 0));
        adj.grow(0, 2000, -1);
        assert_eq!((adj.offset(0, 1500), adj.offset(0, 2001)), (4, 3));
        adj.grow(0, 1500, 9);
        assert_eq!(adj.offset(0, 2001), 3, "an older change is a retransmission");
    }

    #[test]
    fn places_are_bounded_and_come_back_clean() {
        let mut slab = Slab::new(2);
        let (one, two) = (slab.take().unwrap(), slab.take().unwrap());
        assert_eq!((one, two, slab.take()), (1, 2, None));
        slab.get_mut(one).unwrap().grow(0, 1, 1);
        slab.give_back(one);
        assert_eq!(slab.take(), Some(one));
        assert_eq!(slab.get(one), Some(&SeqAdj::default()));
        assert_eq!(slab.get(0), None);
    }
}
