//! Decides how a connection of a table is translated.
//!
//! - takes: a connection that has not left yet, the range of the rule that it has met, and which end
//!   that translates
//! - gives: the new reply in the table, the connection's status, and what came of the choice
//! - obeys: `nf_nat_setup_info` of the kernel; rows [9.231], [9.233], [9.241] to [9.245]
//! - costs: what [`choose`] costs, once for each end of a connection

use super::super::Nanos;
use super::super::entry::{ConnId, Dir, Proto, status};
use super::super::table::Conntrack;
use super::super::track::tcp::State;
use super::super::tuple::Tuple;
use super::blocks::Refused;
use super::carrier::Decision;
use super::choose::{Choice, Range, Tuples, choose};
use super::rewrite::Manip;
use super::sources::Sources;

/// What translations of one worker share.
#[derive(Debug)]
pub struct Env<'a, S, R> {
    /// Its connections.
    pub table: &'a mut Conntrack,
    /// The same by their sources.
    pub sources: &'a mut Sources,
    /// Whether packets with a tuple come to this worker.
    pub steers: S,
    /// Random numbers.
    pub random: R,
    /// The time.
    pub now: Nanos,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was decided before, or the connection has left already: nothing changes.
    Settled,
    /// The connection has the tuple that was chosen.
    Chosen(Choice),
    /// Its source may have no port: it is not to leave.
    Refused(Refused),
}

impl<S: Fn(&Tuple) -> bool, R: FnMut() -> u16> Env<'_, S, R> {
    /// Translates one end of a connection into a range.
    pub fn setup(&mut self, conn: ConnId, range: &Range, which: Manip) -> Outcome {
        let (done, translated) = match which {
            Manip::Src => (status::SRC_NAT_DONE, status::SRC_NAT),
            Manip::Dst => (status::DST_NAT_DONE, status::DST_NAT),
        };
        let Some(entry) = self.table.get(conn) else { return Outcome::Settled };
        if entry.status & (status::CONFIRMED | status::DYING | done) != 0 {
            return Outcome::Settled;
        }
        // What the first packet is like after what has been decided so far.
        let Some(current) = entry.tuple(Dir::Reply).inverse() else { return Outcome::Settled };
        let original = *entry.tuple(Dir::Original);
        let expected = entry.master().is_some();
        let mut carrier = self.table.carrier.take();
        let mut others = Others {
            table: self.table,
            sources: self.sources,
            steers: &self.steers,
            conn,
            now: self.now,
        };
        let mut random = &mut self.random;
        let decision = match (&mut carrier, which) {
            (Some(carrier), Manip::Src) => {
                carrier.choose(&current, range, expected, &mut others, &mut random)
            }
            _ => {
                let choice = choose(&current, range, which, expected, &mut others, &mut random);
                Ok(Decision::plain(choice))
            }
        };
        let held = decision.and_then(|decision| {
            let Some(carrier) = &mut carrier else { return Ok((decision, 0)) };
            let affinity = self.table.affinity.as_ref();
            let bits = carrier.hold(conn.index, &original, &decision, affinity)?;
            Ok((decision, bits))
        });
        self.table.carrier = carrier;
        let (decision, holds) = match held {
            Ok(held) => held,
            Err(refused) => return Outcome::Refused(refused),
        };
        let choice = decision.choice;
        let mut bits = done;
        if *choice.tuple() != current
            && let Some(reply) = choice.tuple().inverse()
        {
            self.table.alter_reply(conn, reply);
            bits |= translated;
        }
        if which == Manip::Src {
            self.sources.insert(conn.index, &original);
        }
        if let Some(entry) = self.table.get_mut(conn) {
            entry.status |= bits;
            entry.nodes[0].features |= holds;
        }
        Outcome::Chosen(choice)
    }
}

/// The connections of a table but one.
pub(super) struct Others<'a, S> {
    pub(super) table: &'a mut Conntrack,
    pub(super) sources: &'a Sources,
    pub(super) steers: &'a S,
    pub(super) conn: ConnId,
    pub(super) now: Nanos,
}

impl<S: Fn(&Tuple) -> bool> Others<'_, S> {
    /// Ends the connection of a reply, where it is closed and waits, and this one is newer.
    fn make_way(&mut self, reply: &Tuple) -> Option<()> {
        let (other, dir) = self.table.lookup(reply, self.now)?;
        let new = self.table.get(self.conn)?;
        let old = self.table.get(other)?;
        let (Proto::Tcp(new), Proto::Tcp(tcp)) = (&new.proto, &old.proto) else { return None };
        let closed = matches!(tcp.state, State::TimeWait | State::Close);
        let ends = [tcp, new].map(|tcp| tcp.seen[Dir::Original.index()].end);
        let advanced = ends[1].wrapping_sub(ends[0]) as i32 > 0;
        let may = new.state == State::SynSent
            && dir == Dir::Reply
            && closed
            && advanced
            && old.status & (status::FIXED_TIMEOUT | status::DYING) == 0
            && old.is(status::SRC_NAT)
            && old.status & status::OFFLOAD == 0;
        may.then(|| self.table.kill(other, self.now)).map(|_| ())
    }
}

impl<S: Fn(&Tuple) -> bool> Tuples for Others<'_, S> {
    fn taken(&mut self, reply: &Tuple) -> bool {
        self.table.tuple_taken(reply, self.conn, self.now)
    }

    fn taken_for_good(&mut self, reply: &Tuple) -> bool {
        self.taken(reply) && {
            let _ = self.make_way(reply);
            self.taken(reply)
        }
    }

    fn mapping_of_source(
        &mut self,
        tuple: &Tuple,
        mut fits: impl FnMut(&Tuple) -> bool,
    ) -> Option<Tuple> {
        let original = *self.table.get(self.conn)?.tuple(Dir::Original);
        let own = |tuple: &Tuple| (tuple.src, tuple.sport, tuple.proto, tuple.six, tuple.zone);
        self.sources.of(&original).find_map(|place| {
            let other = self.table.entries.get(place as usize)?;
            let there = other.live && other.status & status::DYING == 0;
            let decided = other.is(status::SRC_NAT_DONE) && place != self.conn.index;
            if !there || !decided || own(other.tuple(Dir::Original)) != own(&original) {
                return None;
            }
            let shown = other.tuple(Dir::Reply).inverse()?;
            let found = Tuple { src: shown.src, sport: shown.sport, ..*tuple };
            fits(&found).then_some(found)
        })
    }

    fn steers(&self, reply: &Tuple) -> bool {
        // Ports of those who are known by them stay as they are, as far as they are free.
        (self.steers)(reply) && (reply.dport < 1024 || self.table.is_home(reply))
    }
}

#[cfg(test)]
mod tests;
