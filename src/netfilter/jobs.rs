//! What the management core asks a worker about its connections: carried there and back in a box.
//!
//! - takes: a [`Job`], made with all the room that its answer needs
//! - gives: the same, done or begun; one that is only begun goes there again
//! - costs: a worker does one step of at most [`LOOKS`] places between two bursts, and allocates nothing

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::conntrack::{
    Conntrack, Expect, Nanos, Rules, Snapshot, Stats, Tuple, Zone,
    entry::status,
    events::Event,
    expect::flag,
    manage::{Change, Denied},
    show::Shown,
};

pub use crate::conntrack::expect::Announced as Expected;

/// Places that one step looks at.
pub const LOOKS: u32 = 256;

/// Questions to one worker, and those that it has done a step of.
pub type Rings = (Arc<ArrayQueue<Box<Job>>>, Arc<ArrayQueue<Box<Job>>>);

/// Which connections are meant; a field without a value is as good as any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// IPv6 or not.
    pub six: Option<bool>,
    /// Protocol.
    pub protocol: Option<u8>,
    /// Source and destination of the original direction, with masks.
    pub original: [Option<Net>; 2],
    /// Source and destination of the reply direction, with masks.
    pub reply: [Option<Net>; 2],
    /// Source and destination port of the original direction; identifier of ICMP, its type and code.
    pub ports: [Option<Key>; 2],
    /// The same of the reply direction.
    pub reply_ports: [Option<Key>; 2],
    /// Mark, under a mask.
    pub mark: Option<(u32, u32)>,
    /// Zones: of both directions, of the original alone, and of the reply alone.
    pub zones: [Option<u16>; 3],
    /// Bits of the status that are set, and those that are not.
    pub status: (u32, u32),
    /// State of the protocol.
    pub state: Option<Shown>,
    /// Labels that are set.
    pub labels: u128,
    /// Number that is shown for it.
    pub number: Option<u32>,
    /// Seconds that are left of its time.
    pub seconds: Option<u32>,
    /// How it is translated.
    pub translated: Translated,
}

/// An address under a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    /// The bits, in network order.
    pub address: u128,
    /// Which of them count.
    pub mask: u128,
}

impl Net {
    fn holds(self, address: &crate::conntrack::Addr) -> bool {
        u128::from_be_bytes(address.0) & self.mask == self.address & self.mask
    }
}

/// A port or what stands in its place, under a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The number.
    pub value: u16,
    /// Which of its bits count.
    pub mask: u16,
}

impl Key {
    /// A number of which all bits count.
    pub const fn exactly(value: u16) -> Self {
        Self { value, mask: u16::MAX }
    }

    const fn holds(self, port: u16) -> bool {
        port & self.mask == self.value & self.mask
    }
}

/// To what a side is translated, where that matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct To {
    /// The address.
    pub address: Option<crate::conntrack::Addr>,
    /// The port.
    pub port: Option<u16>,
}

/// How connections are translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// Their source.
    pub source: Option<To>,
    /// Their destination.
    pub destination: Option<To>,
    /// One of both will do.
    pub either: bool,
}

impl Translated {
    fn holds(&self, one: &Snapshot) -> bool {
        let [original, reply] = &one.tuples;
        let side = |to: To, done: u32, was: (crate::conntrack::Addr, u16), is| {
            let (address, port): (crate::conntrack::Addr, u16) = is;
            let (moved, mapped) = (was.0 != address, was.1 != port);
            let done = one.is(done);
            match (to.address, to.port) {
                (None, None) => done && (moved || mapped),
                (Some(wanted), None) => done && moved && wanted == address,
                (None, Some(wanted)) => done && mapped && wanted == port,
                (Some(wanted), Some(number)) => {
                    done && moved && wanted == address && mapped && number == port
                }
            }
        };
        // With ICMP the library compares types with identifiers: such connections pass for translated
        // wherever translation has looked at them.
        let source = self.source.map(|to| {
            let was = (original.src, original.sport);
            side(to, status::SRC_NAT_DONE, was, (reply.dst, reply.dport))
        });
        let destination = self.destination.map(|to| {
            let was = (original.dst, original.dport);
            side(to, status::DST_NAT_DONE, was, (reply.src, reply.sport))
        });
        if self.either {
            return source == Some(true) || destination == Some(true);
        }
        source != Some(false) && destination != Some(false)
    }
}

impl Which {
    /// Whether a connection is meant.
    pub fn holds(&self, one: &Snapshot) -> bool {
        let [original, reply] = &one.tuples;
        let nets = |nets: &[Option<Net>; 2], tuple: &Tuple| {
            nets[0].is_none_or(|net| net.holds(&tuple.src))
                && nets[1].is_none_or(|net| net.holds(&tuple.dst))
        };
        let ports = |ports: &[Option<Key>; 2], tuple: &Tuple| {
            ports[0].is_none_or(|port| port.holds(tuple.sport))
                && ports[1].is_none_or(|port| port.holds(tuple.dport))
        };
        let zones = [[true, true], [true, false], [false, true]];
        let mut zones = self.zones.iter().zip(zones);
        self.six.is_none_or(|six| six == original.six)
            && self.protocol.is_none_or(|protocol| protocol == original.proto)
            && nets(&self.original, original)
            && nets(&self.reply, reply)
            && ports(&self.ports, original)
            && ports(&self.reply_ports, reply)
            && self.mark.is_none_or(|(mark, mask)| one.mark & mask == mark)
            && zones.all(|(zone, dirs)| {
                // The others are 0 then.
                let own = if one.zone_dirs == dirs { one.zone } else { 0 };
                zone.is_none_or(|zone| zone == own)
            })
            && one.status & self.status.0 == self.status.0
            && one.status & self.status.1 == 0
            && self.state.is_none_or(|state| one.state == state)
            && one.labels & self.labels == self.labels
            && self.number.is_none_or(|number| one.number() == number)
            && self.seconds.is_none_or(|seconds| one.left / 1_000_000_000 == u64::from(seconds))
            && self.translated.holds(one)
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    /// Copies of connections; with `clear` their counts begin again.
    List {
        /// Which.
        which: Which,
        /// Counts begin again.
        clear: bool,
    },
    /// A copy of the connection of a tuple.
    Get(Tuple),
    /// Ends connections.
    Delete(Which),
    /// Changes connections that it would change, the mark by exclusion: bits of the mask are cleared
    /// before.
    Change(Which, Change),
    /// Makes a connection, where `worker` alone is asked.
    Create {
        /// Its original tuple.
        original: Tuple,
        /// Its reply tuple.
        reply: Tuple,
        /// Seconds that it lives.
        timeout: u32,
        /// What is set of it beside.
        change: Change,
        /// Its zone.
        zone: Zone,
        /// Bits of the status that tell of its translation.
        nat: u32,
    },
    /// Makes an expectation of the connection of a tuple, where `worker` alone is asked.
    Announce {
        /// The tuple of its master.
        master: Tuple,
        /// The expectation, but for its master and its time.
        expect: Expect,
    },
    /// What has been counted, and how many connections there are.
    Count,
    /// Copies of expectations, of one tuple or of all.
    Expectations(Option<Tuple>),
    /// Takes expectations back, of one tuple or all.
    Forget(Option<Tuple>),
    /// Records of what happens from now on, or no more of them.
    Listen(bool),
}

/// A question under way.
#[derive(Debug)]
pub struct Job {
    /// Who asks.
    pub id: u64,
    /// What is asked.
    pub ask: Ask,
    /// Where the next step begins; `None` when all is done.
    pub next: Option<u32>,
    /// Copies of what was found in this step.
    pub found: Vec<Snapshot>,
    /// Expectations that were found.
    pub expected: Vec<Expected>,
    /// What has happened.
    pub events: Vec<Event>,
    /// Records that found no room.
    pub lost: u64,
    /// How many connections were meant so far.
    pub count: u64,
    /// Places for connections.
    pub limit: u64,
    /// What the worker has counted.
    pub stats: Stats,
    /// Why a connection could not be made or changed.
    pub refused: Option<Denied>,
}

impl Job {
    /// A question that has not been asked yet, with room for its answer.
    pub fn new(id: u64, ask: Ask) -> Self {
        let all = LOOKS as usize;
        let (mut found, mut expected, mut events) = (0, 0, 0);
        match ask {
            Ask::List { .. } | Ask::Delete(_) | Ask::Change(..) => found = all,
            Ask::Get(_) => found = 1,
            Ask::Expectations(_) | Ask::Forget(_) => expected = all,
            Ask::Listen(_) => events = all,
            Ask::Create { .. } | Ask::Announce { .. } | Ask::Count => {}
        }
        Self {
            id,
            ask,
            next: Some(0),
            found: Vec::with_capacity(found),
            expected: Vec::with_capacity(expected),
            events: Vec::with_capacity(events),
            lost: 0,
            count: 0,
            limit: 0,
            stats: Stats::default(),
            refused: None,
        }
    }

    /// One step on the worker.
    pub fn step(&mut self, conntrack: &mut Conntrack, rules: &Rules, now: Nanos) {
        self.found.clear();
        self.expected.clear();
        self.events.clear();
        let Some(from) = self.next else { return };
        match self.ask {
            Ask::List { which, clear } => {
                self.list(conntrack, from, &which, now);
                for one in &self.found {
                    if clear && let Some(conn) = one.conn() {
                        conntrack.clear_counts(conn);
                    }
                }
            }
            Ask::Get(tuple) => {
                self.next = None;
                if let Some((conn, _)) = conntrack.lookup(&tuple, now) {
                    self.found.extend(conntrack.snapshot(conn, now));
                    self.count = 1;
                }
            }
            Ask::Delete(which) => {
                self.list(conntrack, from, &which, now);
                for conn in self.found.iter().filter_map(Snapshot::conn) {
                    conntrack.kill(conn, now);
                }
            }
            Ask::Change(which, change) => self.change(conntrack, from, &which, &change, now),
            Ask::Create { original, reply, timeout, change, zone, nat } => {
                self.next = None;
                let timeout = u64::from(timeout) * 1_000_000_000;
                match conntrack.add(&original, &reply, timeout, &change, zone, rules, now) {
                    Ok(conn) => {
                        self.count = 1;
                        if let Some(entry) = conntrack.get_mut(conn) {
                            entry.status |= nat;
                        }
                    }
                    Err(denied) => self.refused = Some(denied),
                }
            }
            Ask::Announce { master, expect } => {
                self.next = None;
                match conntrack.announce(&master, expect, rules, now) {
                    Ok(()) => self.count = 1,
                    Err(denied) => self.refused = Some(denied),
                }
            }
            Ask::Count => {
                self.next = None;
                self.stats = conntrack.stats;
                self.count = conntrack.count().into();
                self.limit = conntrack.limit(rules).into();
            }
            Ask::Expectations(tuple) => self.expectations(conntrack, from, tuple, now),
            Ask::Forget(tuple) => {
                self.next = None;
                self.count = conntrack.forget_expectations(tuple.as_ref()).into();
            }
            Ask::Listen(on) => {
                conntrack.listen(on);
                let records = conntrack.events();
                while self.events.len() < LOOKS as usize
                    && let Some(event) = records.pop()
                {
                    self.events.push(event);
                }
                self.lost = records.take_lost();
                if !on && records.is_empty() {
                    self.next = None;
                }
            }
        }
    }

    fn list(&mut self, conntrack: &Conntrack, from: u32, which: &Which, now: Nanos) {
        let found = &mut self.found;
        self.next = conntrack.walk(from, LOOKS, now, |conn, _| {
            if let Some(one) = conntrack.snapshot(conn, now)
                && which.holds(&one)
                && found.len() < found.capacity()
            {
                found.push(one);
            }
        });
        self.count += self.found.len() as u64;
    }

    /// Changes what a change would alter; what is left are copies of what has become of it.
    fn change(
        &mut self,
        conntrack: &mut Conntrack,
        from: u32,
        which: &Which,
        change: &Change,
        now: Nanos,
    ) {
        let before = self.count;
        self.list(conntrack, from, which, now);
        self.count = before;
        let mut kept = 0;
        for at in 0..self.found.len() {
            let old = self.found[at];
            let Some(conn) = old.conn() else { continue };
            let mut change = *change;
            if let Some((mark, mask)) = change.mark {
                change.mark = Some((old.mark & !mask ^ mark, u32::MAX));
            }
            if let Some(bits) = change.status {
                change.status = Some(old.status | bits);
            }
            if let Err(denied) = conntrack.change(conn, &change, now) {
                self.refused = Some(denied);
                continue;
            }
            conntrack.flush_events(conn, now);
            match conntrack.snapshot(conn, now) {
                Some(new) if new != old => {
                    self.found[kept] = new;
                    kept += 1;
                }
                _ => {}
            }
        }
        self.found.truncate(kept);
        self.count += kept as u64;
    }

    fn expectations(&mut self, conntrack: &Conntrack, from: u32, tuple: Option<Tuple>, now: Nanos) {
        self.next = None;
        for (place, expect) in conntrack.iter_expects().skip_while(|(place, _)| *place < from) {
            if self.expected.len() == self.expected.capacity() {
                self.next = Some(place);
                break;
            }
            // One without a helper behind it and the rest alike: time counts for all.
            let over = expect.expires <= now && expect.flags & flag::PERMANENT == 0;
            if over || tuple.is_some_and(|tuple| tuple != expect.tuple) {
                continue;
            }
            let copy = conntrack.announced(expect);
            let left = copy.left.saturating_sub(now);
            self.expected.push(Expected { left, ..copy });
            self.count += 1;
        }
    }
}
