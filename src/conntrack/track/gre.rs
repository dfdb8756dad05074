//! GRE: plain tunnels by their addresses, calls of PPTP by number.
//!
//! - obeys: row [9.141]; `nf_conntrack_proto_gre.c`
//!
//! The number in a call's header is the receiver's; the sender's own is known only from the control
//! connection. [`Keymap`] keeps what a helper has read there.

use super::{
    super::{
        Nanos,
        entry::{ConnId, Entry, Proto, status},
        tuple::Tuple,
    },
    Facts, Step, assure,
};

/// Timeouts of a flow, which a helper may raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gre {
    /// Without an answer.
    pub timeout: Nanos,
    /// With answers.
    pub stream_timeout: Nanos,
}

/// The call that a header names; 0 for plain GRE, nothing where version 1 carries no PPP.
pub(crate) fn call(l4: &[u8]) -> Option<u16> {
    // What is cut short, as errors quote it, counts as plain.
    let Some(&[_, flags, a, b]) = l4.first_chunk() else { return Some(0) };
    if flags & 7 != 1 {
        return Some(0);
    }
    let Some(&[_, _, _, _, _, _, high, low]) = l4.first_chunk() else { return Some(0) };
    (u16::from_be_bytes([a, b]) == 0x880b).then(|| u16::from_be_bytes([high, low]))
}

/// A packet of GRE.
pub(crate) const fn packet(entry: &mut Entry, facts: &Facts<'_>) -> Step {
    if facts.fresh {
        let [timeout, stream_timeout] = facts.timeouts.gre;
        entry.proto = Proto::Gre(Gre { timeout, stream_timeout });
    }
    let Proto::Gre(gre) = entry.proto else {
        return Step::Refresh(facts.timeouts.gre[0]);
    };
    if !entry.is(status::SEEN_REPLY) {
        return Step::Refresh(gre.timeout);
    }
    if !entry.is(status::NAT_CLASH) {
        assure(entry);
    }
    Step::Refresh(gre.stream_timeout)
}

/// The calls that helpers know of: for a tuple without the sender's number, that number.
#[derive(Debug)]
pub(crate) struct Keymap {
    /// In the order of [`order`].
    calls: Vec<(Tuple, ConnId)>,
}

/// What a call is found by: everything but the sender's number.
fn order(tuple: &Tuple) -> (u16, u16, [u8; 16], [u8; 16], bool) {
    (tuple.dport, tuple.zone, tuple.src.0, tuple.dst.0, tuple.six)
}

impl Keymap {
    pub(crate) fn new(capacity: u32) -> Self {
        Self { calls: Vec::with_capacity(capacity as usize) }
    }

    /// Learns a call; false when there is no room.
    pub(crate) fn add(&mut self, tuple: Tuple, master: ConnId) -> bool {
        match self.calls.binary_search_by_key(&order(&tuple), |(known, _)| order(known)) {
            Ok(at) => self.calls[at] = (tuple, master),
            Err(_) if self.calls.len() == self.calls.capacity() => return false,
            Err(at) => self.calls.insert(at, (tuple, master)),
        }
        true
    }

    /// Forgets the calls of a control connection.
    pub(crate) fn forget(&mut self, master: ConnId) {
        self.calls.retain(|(_, of)| *of != master);
    }

    /// Puts the sender's number into a tuple.
    #[inline]
    pub(crate) fn complete(&self, tuple: &mut Tuple) {
        if self.calls.is_empty() || tuple.dport == 0 {
            return;
        }
        if let Ok(at) = self.calls.binary_search_by_key(&order(tuple), |(known, _)| order(known)) {
            tuple.sport = self.calls[at].0.sport;
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_numbered_and_plain_tunnels_are_not() {
        assert_eq!(call(&[0, 0, 8, 0]), Some(0));
        assert_eq!(call(&[0x30, 1, 0x88, 0x0b, 0, 9, 0x12, 0x34]), Some(0x1234));
        assert_eq!(call(&[0x30, 1, 8, 0, 0, 9, 0x12, 0x34]), None);
        assert_eq!(call(&[0x30, 1, 0x88, 0x0b]), Some(0));
        assert_eq!(call(&[0, 0, 8]), Some(0));
    }

    #[test]
    fn a_known_call_completes_the_tuple() {
        let mut map = Keymap::new(2);
        let master = ConnId { index: 1, generation: 1 };
        let known = |dport, sport| Tuple { dport, sport, proto: 47, ..Tuple::default() };
        assert!(map.add(known(9, 100), master) && map.add(known(3, 200), master));
        assert!(!map.add(known(4, 1), master), "full");
        assert!(map.add(known(3, 201), master), "replaced");
        let mut tuple = known(3, 0);
        map.complete(&mut tuple);
        assert_eq!(tuple.sport, 201);
        map.forget(master);
        assert!(map.is_empty());
    }
}
