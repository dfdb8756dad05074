//! A desk for the tests of readers, and the connections that they read.

use super::super::entry::{ConnId, Dir};
use super::super::expect::{Expect, Refused};
use super::super::nat::mangle::Edits;
use super::super::tuple::{Addr, Tuple};
use super::{Cx, Desk};

pub(super) const CLIENT: Addr = Addr::four([10, 0, 0, 2]);
pub(super) const SERVER: Addr = Addr::four([198, 51, 100, 7]);
pub(super) const PUBLIC: Addr = Addr::four([203, 0, 113, 100]);

/// Takes down what readers ask for.
#[derive(Default)]
pub(super) struct Counter {
    pub(super) expects: Vec<Expect>,
    pub(super) edits: Edits,
    /// How many announcements are refused as busy from here on.
    pub(super) refuse: u32,
    pub(super) refreshed: Option<u32>,
    pub(super) calls: Option<[Tuple; 2]>,
    pub(super) forgotten: u32,
    pub(super) numbers: u32,
}

impl Desk for Counter {
    fn expect(&mut self, expect: Expect, most: u32) -> Result<(), Refused> {
        assert!(most > 0, "every class has a limit");
        if self.refuse != 0 {
            self.refuse = self.refuse.saturating_sub(u32::from(self.refuse != u32::MAX));
            return Err(Refused::Busy);
        }
        self.expects.push(expect);
        Ok(())
    }

    fn unexpect(&mut self, expect: &Expect) {
        let place = self.expects.iter().position(|known| known == expect).expect("announced");
        self.expects.remove(place);
    }

    fn edits(&mut self) -> &mut Edits {
        &mut self.edits
    }

    fn random(&mut self) -> u32 {
        self.numbers += 7;
        self.numbers
    }

    fn refresh(&mut self, seconds: u32) {
        self.refreshed = Some(seconds);
    }

    fn add_calls(&mut self, calls: &[Tuple; 2]) -> bool {
        self.calls = Some(*calls);
        true
    }

    fn end_calls(&mut self, _: &[Tuple; 2]) {
        self.calls = None;
    }

    fn forget(&mut self, first_class: Option<bool>) {
        self.forgotten += 1;
        self.expects.retain(|expect| first_class.is_some_and(|first| first != (expect.class == 0)));
    }

    fn activate(&mut self, class: u8, proto: u8, dst: (Addr, u16), seconds: u32) -> bool {
        let found = self.expects.iter_mut().find(|expect| {
            (expect.class, expect.tuple.proto) == (class, proto)
                && (expect.tuple.dst, expect.tuple.dport) == dst
        });
        found.is_some_and(|expect| {
            expect.flags &= !super::super::expect::flag::INACTIVE;
            expect.expires = u64::from(seconds);
            true
        })
    }
}

impl Counter {
    /// The payload after all edits.
    pub(super) fn edited(&self, payload: &[u8]) -> Vec<u8> {
        let mut new = Vec::new();
        let mut from = 0;
        for (at, len, text) in self.edits.iter() {
            new.extend(&payload[from..at]);
            new.extend(text);
            from = at + len;
        }
        new.extend(&payload[from..]);
        new
    }
}

/// A client that talks with a server, untranslated.
pub(super) fn plain(proto: u8, port: u16) -> [Tuple; 2] {
    let tuple =
        Tuple { src: CLIENT, dst: SERVER, sport: 40_000, dport: port, proto, ..Tuple::default() };
    [tuple, tuple.inverse().expect("an answer")]
}

/// The same behind a public address.
pub(super) fn masqueraded(proto: u8, port: u16) -> [Tuple; 2] {
    let [tuple, reply] = plain(proto, port);
    [tuple, Tuple { dst: PUBLIC, dport: 50_000, ..reply }]
}

pub(super) fn cx<'a>(payload: &'a [u8], dir: Dir, tuples: &'a [Tuple; 2]) -> Cx<'a> {
    Cx {
        payload,
        seq: 1000,
        dir,
        tuples,
        established: true,
        translated: tuples[0].inverse() != Some(tuples[1]),
        expected: false,
        conn: ConnId { index: 1, generation: 1 },
        now: 0,
    }
}
