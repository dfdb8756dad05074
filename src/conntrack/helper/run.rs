//! Has helpers read packets of a table's connections, and what they announce translated.
//!
//! - takes: a packet that leaves, in a buffer with room behind it, and its connection
//! - gives: the packet with its edits, expectations in the table, corrections of sequence numbers
//! - obeys: `nf_ct_helper`, `nf_nat_follow_master` and `pptp_expectfn` of the kernel; rows [9.151],
//!   [9.161], [9.162], [9.170]
//!
//! A helper reads after all translation and before the connection is confirmed; sequence numbers are
//! corrected behind it.

use super::super::entry::{ConnId, Dir};
use super::super::expect::{Expect, Refused, flag};
use super::super::nat::Manip;
use super::super::nat::mangle::{Edits, mangle};
use super::super::nat::setup::Env;
use super::super::pipeline::CtInfo;
use super::super::rules::Rules;
use super::super::table::Conntrack;
use super::super::timeouts::SECOND;
use super::super::tuple::{Addr, Tuple};
use super::super::{Nanos, headers, status};
use super::{Cx, Desk, Helper, Memories, Options, Verdict, Why, after, follow};
use crate::packet::ipv4::protocol;
use crate::packet::udp;

/// The helpers of one worker.
#[derive(Debug)]
pub struct Helpers {
    /// What they were told by operators.
    pub options: Options,
    memories: Memories,
    edits: Edits,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Its bytes, which may be more or fewer than before.
    pub len: usize,
    /// Whether it goes on.
    pub verdict: Verdict,
}

/// What readers ask of a table.
struct TableDesk<'a, R> {
    table: &'a mut Conntrack,
    rules: &'a Rules,
    edits: &'a mut Edits,
    random: &'a mut R,
    conn: ConnId,
    now: Nanos,
}

impl Helpers {
    /// Room for the memories of so many connections.
    pub fn new(capacity: u32) -> Self {
        Self { options: Options::default(), memories: Memories::new(capacity), edits: Edits::new() }
    }

    /// Has the helper of a connection read the packet that the first `len` bytes of a buffer are.
    #[expect(clippy::too_many_arguments, reason = "all that a packet has to do with")]
    pub fn run(
        &mut self,
        table: &mut Conntrack,
        conn: ConnId,
        info: CtInfo,
        buffer: &mut [u8],
        len: usize,
        rules: &Rules,
        now: Nanos,
        random: &mut impl FnMut() -> u32,
    ) -> Heard {
        let accepted = Heard { len, verdict: Verdict::Accept };
        let Some(entry) = table.get(conn).filter(|entry| entry.helper != 0) else {
            return accepted;
        };
        let Some(helper) = Helper::of_number(entry.helper) else { return accepted };
        if matches!(info, CtInfo::RelatedReply | CtInfo::Untracked | CtInfo::Invalid) {
            return accepted;
        }
        let Some((payload, seq)) = buffer.get(..len).and_then(payload) else { return accepted };
        let tuples = [*entry.tuple(Dir::Original), *entry.tuple(Dir::Reply)];
        let bits = entry.status;
        let mut place = entry.helper_data();
        if place == 0 || self.memories.get_mut(place, conn).is_none() {
            let Some(taken) = self.memories.take(helper, conn, |conn| table.get(conn).is_some())
            else {
                // A helper that cannot remember cannot read; the connection goes on without it.
                return accepted;
            };
            place = taken;
            if let Some(entry) = table.get_mut(conn) {
                entry.set_helper_data(place);
            }
        }
        let Some(memory) = self.memories.get_mut(place, conn) else { return accepted };
        self.edits.clear();
        let cx = Cx {
            payload,
            seq,
            dir: info.dir(),
            tuples: &tuples,
            established: matches!(info, CtInfo::Established | CtInfo::EstablishedReply),
            translated: bits & status::NAT_MASK != 0,
            expected: bits & status::EXPECTED != 0,
            conn,
            now,
        };
        let edits = &mut self.edits;
        let mut desk = TableDesk { table, rules, edits, random, conn, now };
        let verdict = super::read(helper, &cx, memory, &self.options, &mut desk);
        if verdict != Verdict::Accept || self.edits.is_empty() {
            return Heard { len, verdict };
        }
        let dropped = Heard { len, verdict: Verdict::Drop(Why::NoEdit) };
        let Some(done) = mangle(buffer, len, &self.edits) else { return dropped };
        if done.grown != 0 && tuples[0].proto == protocol::TCP {
            let Some(corrections) = table.seqadj_mut(conn) else { return dropped };
            corrections.grow(info.dir().index(), done.seq, done.grown);
        }
        Heard { len: done.len, verdict: Verdict::Accept }
    }
}

/// What a transport header carries, and the sequence number of a segment.
fn payload(packet: &[u8]) -> Option<(&[u8], u32)> {
    let packet = headers::trimmed(packet);
    let found = headers::find(packet)?;
    let l4 = packet.get(found.l4..)?;
    match found.proto {
        protocol::TCP => {
            let &[_, _, _, _, a, b, c, d, _, _, _, _, words, ..] = l4.first_chunk::<20>()?;
            let data = l4.get(usize::from(words >> 4).max(5) * 4..)?;
            Some((data, u32::from_be_bytes([a, b, c, d])))
        }
        protocol::UDP => Some((l4.get(udp::HEADER_LEN..)?, 0)),
        _ => None,
    }
}

impl<R: FnMut() -> u32> Desk for TableDesk<'_, R> {
    fn expect(&mut self, expect: Expect, most: u32) -> Result<(), Refused> {
        self.table.expect(expect, most, self.rules)
    }

    fn unexpect(&mut self, expect: &Expect) {
        let found = self.table.expects_of(self.conn).find(|(_, known)| *known == expect);
        if let Some(place) = found.map(|(place, _)| place) {
            self.table.remove_expect(place);
        }
    }

    fn edits(&mut self) -> &mut Edits {
        self.edits
    }

    fn random(&mut self) -> u32 {
        (self.random)()
    }

    fn refresh(&mut self, seconds: u32) {
        if self.table.get(self.conn).is_some() {
            self.table.refresh(self.conn.index, Nanos::from(seconds) * SECOND, self.now);
        }
    }

    fn add_calls(&mut self, calls: &[Tuple; 2]) -> bool {
        let [there, back] = *calls;
        let added = self.table.add_call(self.conn, there) && self.table.add_call(self.conn, back);
        if !added {
            self.table.forget_calls(self.conn);
        }
        added
    }

    fn end_calls(&mut self, calls: &[Tuple; 2]) {
        self.table.forget_calls(self.conn);
        for call in calls {
            if let Some((found, _)) = self.table.lookup(call, self.now) {
                self.table.kill(found, self.now);
            }
            let announced =
                self.table.expects_of(self.conn).find(|(_, known)| known.tuple == *call);
            if let Some(place) = announced.map(|(place, _)| place) {
                self.table.remove_expect(place);
            }
        }
    }

    fn forget(&mut self, first_class: Option<bool>) {
        loop {
            let found = self
                .table
                .expects_of(self.conn)
                .find(|(_, known)| first_class.is_none_or(|first| first == (known.class == 0)));
            let Some(place) = found.map(|(place, _)| place) else { return };
            self.table.remove_expect(place);
            if first_class == Some(true) {
                return;
            }
        }
    }

    fn activate(&mut self, class: u8, proto: u8, dst: (Addr, u16), seconds: u32) -> bool {
        let found = self.table.expects_of(self.conn).find(|(_, known)| {
            (known.class, known.tuple.proto) == (class, proto)
                && (known.tuple.dst, known.tuple.dport) == dst
        });
        let Some((place, mut expect)) = found.map(|(place, known)| (place, *known)) else {
            return false;
        };
        expect.flags &= !flag::INACTIVE;
        expect.expires = self.now.saturating_add(Nanos::from(seconds) * SECOND);
        self.table.remove_expect(place);
        self.table.expect(expect, 0, self.rules).is_ok()
    }
}

/// Does to a connection what was to be done when it came: its translation, and for a call of PPTP
/// the end of the other announcement. The helper's own timeouts for calls never come to count in the
/// kernel: the tracker of GRE sets its own behind them.
pub fn begin<S: Fn(&Tuple) -> bool, R: FnMut() -> u16>(
    env: &mut Env<'_, S, R>,
    conn: ConnId,
    expect: &Expect,
) {
    if expect.follow == follow::CALL {
        let other = env
            .table
            .expects_of(expect.master)
            .find(|(_, known)| known.follow == follow::CALL && known.dir != expect.dir);
        if let Some(place) = other.map(|(place, _)| place) {
            env.table.remove_expect(place);
        }
    }
    let Some(master) = env.table.get(expect.master) else { return };
    if master.status & status::NAT_MASK == 0 {
        return;
    }
    let master = [*master.tuple(Dir::Original), *master.tuple(Dir::Reply)];
    let Some(own) = env.table.get(conn).map(|entry| *entry.tuple(Dir::Original)) else { return };
    let [src, dst] = after::follow(&master, expect, &own);
    for (range, which) in [(src, Manip::Src), (dst, Manip::Dst)] {
        if let Some(range) = range {
            env.setup(conn, &range, which);
        }
    }
}

#[cfg(test)]
mod tests;
