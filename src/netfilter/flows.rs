//! What the packet filter keeps for one worker: its connections, and what tells of packets.
//!
//! - takes: limits when the worker is built; everything is reserved then, and pages that nothing uses
//!   cost nothing; what it will use soon is made ready by others (`room.rs`)
//! - gives: [`Flows`], part of the worker's own state, which no other worker ever sees

use std::sync::atomic::Ordering::Relaxed;

use arrayvec::ArrayVec;

use super::{
    flowtable::{Counter, FlowTable, Four, Paths, Six},
    jobs::LOOKS,
    proxy::{Cookies, Proxies},
    room::Used,
    table::{Filter, Lost},
    told::Teller,
};
use crate::{
    conntrack::{
        ConnId, Conntrack, CtInfo, Dir, Entry, Limits, Rules, Tuple,
        entry::Proto,
        helper::{Heard, Helpers, run},
        nat::{
            Manip, Range,
            cross::Net64,
            setup::{Env, Outcome},
            sources::Sources,
        },
        status,
        track::tcp::State,
        tuple::Seed,
    },
    dpdk::mbuf::Packet,
    graph::Nanos,
};

/// Places that the tracker has beyond its limit, for entries that have ended.
const SLACK: u32 = 2048;
/// Most packets that one packet makes the filter send.
const SENT: usize = 32;
/// Entries that housekeeping looks at in a turn in which none begins.
const BUDGET: u32 = 32;

/// A worker's own part of the filter.
#[expect(missing_debug_implementations, reason = "packets have none")]
pub struct Flows {
    /// Number of the worker.
    pub worker: usize,
    /// Its connections.
    pub conntrack: Conntrack,
    /// What tells of packets.
    pub log: Teller,
    pub(super) short4: FlowTable<Four>,
    pub(super) short6: FlowTable<Six>,
    pub(super) paths: Paths,
    /// The generation of the tables that the paths belong to.
    pub(super) generation: u64,
    pub(super) sources: Sources,
    helpers: Helpers,
    pub(super) cookies: Cookies,
    pub(super) proxies: Proxies,
    /// What the packet at hand has made the filter send.
    pub(super) sent: ArrayVec<Packet, SENT>,
    /// The last loss whose connections have ended, the one whose are ending, and where that goes on.
    lost: (u64, u64, u32),
    random: u64,
    /// Connections that had begun at the end of the last turn.
    begun: u64,
    pub(super) used: Used,
}

impl Default for Flows {
    /// Of a worker that tracks nothing.
    fn default() -> Self {
        let limits =
            Limits { entries: 64, buckets: 64, expects: 16, seqadj: 16, calls: 16, events: 0 };
        Self::new(0, &limits, 0, Teller::default())
    }
}

impl Flows {
    /// For the worker of this number; `seed` is what nobody can foresee, or in a reproducible replay
    /// always the same.
    pub fn new(worker: usize, limits: &Limits, seed: u64, log: Teller) -> Self {
        let conntrack = Conntrack::new(limits, seed, 0);
        let random = (seed ^ (worker as u64) << 32) | 1;
        let sources = Sources::new(limits.entries.saturating_add(SLACK), Seed::new(seed));
        Self {
            worker,
            conntrack,
            log,
            short4: FlowTable::new(0),
            short6: FlowTable::new(0),
            paths: Paths::new(false),
            generation: 0,
            sources,
            helpers: Helpers::new(limits.seqadj),
            cookies: Cookies::new(seed),
            proxies: Proxies::new(limits.seqadj),
            sent: ArrayVec::new(),
            lost: (0, 0, 0),
            random,
            begun: 0,
            used: Used::default(),
        }
    }

    /// The same, with room for so many flows of each family that go the short way.
    pub fn with_flowtable(self, flows: u32) -> Self {
        Self {
            short4: FlowTable::new(flows),
            short6: FlowTable::new(flows),
            paths: Paths::new(flows > 0),
            ..self
        }
    }

    /// What was learned of another generation of the tables is so no more.
    #[inline]
    pub(super) fn renew(&mut self, generation: u64) {
        if self.generation != generation {
            self.generation = generation;
            self.paths.clear();
        }
    }

    /// The helper of a connection reads the packet that the first `len` bytes of a buffer are.
    pub(super) fn help(
        &mut self,
        conn: ConnId,
        info: CtInfo,
        buffer: &mut [u8],
        len: usize,
        rules: &Rules,
        now: Nanos,
    ) -> Heard {
        let mut seed = self.random;
        let mut random = || next(&mut seed);
        let table = &mut self.conntrack;
        let heard = self.helpers.run(table, conn, info, buffer, len, rules, now, &mut random);
        self.random = seed;
        heard
    }

    /// A connection has just been made: one that was announced is translated as its master is.
    pub(super) fn begin(&mut self, conn: ConnId, now: Nanos) {
        let Some(expect) = self.conntrack.fulfilled().copied() else { return };
        let mut seed = self.random();
        let random = || draw(&mut seed);
        let (table, sources) = (&mut self.conntrack, &mut self.sources);
        let mut env = Env { table, sources, steers: |_: &Tuple| true, random, now };
        run::begin(&mut env, conn, &expect);
    }

    /// A number that who does not know the seed cannot foresee in time (xorshift64*).
    pub fn random(&mut self) -> u32 {
        next(&mut self.random)
    }

    /// Decides a side of a connection that has not left yet; false where it may not leave.
    pub fn bind(&mut self, conn: ConnId, which: Manip, range: &Range, now: Nanos) -> bool {
        let mut seed = self.random();
        let random = || draw(&mut seed);
        let (table, sources) = (&mut self.conntrack, &mut self.sources);
        let mut env = Env { table, sources, steers: |_: &Tuple| true, random, now };
        // A choice from an exhausted range clashes when it is confirmed, as in the kernel.
        !matches!(env.setup(conn, range, which), Outcome::Refused(_))
    }

    /// No rule has decided: addresses stay, and a port changes only where it is taken.
    pub fn bind_nothing(&mut self, conn: ConnId, which: Manip, now: Nanos) {
        let Some(entry) = self.conntrack.get(conn) else { return };
        let Some(current) = entry.tuple(Dir::Reply).inverse() else { return };
        let address = match which {
            Manip::Src => current.src,
            Manip::Dst => current.dst,
        };
        // Strangers may send to an endpoint that somebody speaks with, where that is wanted.
        let stranger = self.conntrack.carrier.as_ref().filter(|_| which == Manip::Dst);
        let range = stranger.and_then(|carrier| carrier.inward(&current));
        self.bind(conn, which, &range.unwrap_or_else(|| Range::address(address)), now);
    }

    /// Gives a new connection its tuple in the other family; false where it may not leave.
    pub(super) fn cross(
        &mut self,
        conn: ConnId,
        net: Net64,
        (six, from_inside): (bool, bool),
        now: Nanos,
    ) -> bool {
        let mut seed = self.random();
        let random = || draw(&mut seed);
        let (table, sources) = (&mut self.conntrack, &mut self.sources);
        let mut env = Env { table, sources, steers: |_: &Tuple| true, random, now };
        let outcome = match six {
            true => env.cross(conn, net),
            false => env.cross_inward(conn, net, from_inside),
        };
        !matches!(outcome, Outcome::Refused(_))
    }

    /// Between two bursts, when no packet is under way: what has ended is freed.
    pub fn rest(&mut self, now: Nanos, filter: &Filter) {
        if filter.short {
            self.short4.grow();
            self.short6.grow();
            if self.paths.has_counted() {
                let worker = self.worker;
                self.paths.flush(|by, packets, octets| match Counter::of(by) {
                    Counter::Rule { six, slot } => {
                        if let Some(program) = filter.program(six) {
                            program.count(slot, worker, packets, octets);
                        }
                    }
                    Counter::Step(step) => {
                        if let Some(nft) = filter.nft() {
                            nft.count(step, worker, packets, octets);
                        }
                    }
                });
            }
        }
        self.conntrack.abandon(now);
        let places = self.conntrack.places() as u32;
        if self.used.load(Relaxed) != places {
            self.used.store(places, Relaxed);
        }
        // As many end in the long run as begin, and some more, so that none waits for its end.
        let begun = self
            .conntrack
            .stats
            .new
            .wrapping_sub(std::mem::replace(&mut self.begun, self.conntrack.stats.new));
        let budget = BUDGET.saturating_add((begun as u32).saturating_mul(2));
        self.conntrack.run(now, &filter.rules, budget);
        if let Some(carrier) = &mut self.conntrack.carrier {
            self.log.tell_blocks(carrier, now);
        }
        for conns in filter.nft().into_iter().flat_map(|nft| &nft.conns) {
            conns.sweep(self.worker, BUDGET as usize, &|conn| self.is_open(conn));
        }
        for program in filter.counting() {
            program.sweep(self.worker, BUDGET as usize, &|conn| self.is_open(conn));
        }
    }

    /// Whether a connection is there, and neither closed nor waiting to be forgotten
    /// (`already_closed` of the kernel's count of connections).
    pub fn is_open(&self, conn: u64) -> bool {
        let entry = ConnId::from_bits(conn).and_then(|conn| self.conntrack.get(conn));
        entry.is_some_and(|entry| {
            let closed = matches!(
                &entry.proto,
                Proto::Tcp(tcp) if matches!(tcp.state(), State::TimeWait | State::Close)
            );
            !entry.is(status::DYING) && !closed
        })
    }

    /// Ends connections that speak with what interfaces have lost, some in a turn. Says whether more remain.
    pub fn forget(&mut self, lost: &[Lost], now: Nanos) -> bool {
        let (seen, goal, from) = self.lost;
        let newest = match lost.last() {
            Some(newest) if newest.serial > seen => newest.serial,
            _ => return false,
        };
        let from = if goal == newest { from } else { 0 };
        let ends = |entry: &Entry| {
            let fresh = lost.iter().rev().take_while(|lost| lost.serial > seen);
            entry.masquerade != 0 && fresh.into_iter().any(|lost| lost.ends(entry))
        };
        let (next, _) = self.conntrack.sweep(from, LOOKS, now, ends);
        self.lost = match next {
            Some(next) => (seen, newest, next),
            None => (newest, newest, 0),
        };
        next.is_some()
    }

    /// The router itself has reset a packet's connection.
    pub fn has_reset(&mut self, conn: u64, rules: &Rules, now: Nanos) {
        if let Some(conn) = ConnId::from_bits(conn) {
            self.conntrack.close_tcp(conn, rules, now);
        }
    }

    /// A packet with this connection has ended before it was confirmed.
    pub fn release(&mut self, conn: u64, now: Nanos) {
        if let Some(conn) = ConnId::from_bits(conn) {
            self.conntrack.release(conn, now);
        }
    }
}

/// The next of a series of numbers (xorshift64*).
fn next(state: &mut u64) -> u32 {
    let mut word = *state;
    word ^= word >> 12;
    word ^= word << 25;
    word ^= word >> 27;
    *state = word;
    (word.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
}

/// One draw gives as many as a search of ports needs.
fn draw(seed: &mut u32) -> u16 {
    *seed = seed.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
    (*seed >> 16) as u16
}
