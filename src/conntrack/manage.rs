//! What operators, helpers and translation do to connections beside the packets.
//!
//! - gives: listing, deletion, changes and creation by hand; expectations; labels
//! - obeys: rows [9.54], [9.73], [9.147], [9.159] to [9.165], [9.186]; `nf_conntrack_netlink.c`
//!
//! Called on the worker that owns the table, in bounded steps.

use super::{
    Nanos,
    directory::Kind,
    entry::{ConnId, Dir, Entry, Proto, feature, status},
    events::{self, Event},
    expect::{Announced, CLASSES, Expect, Refused, flag},
    helper::Helper,
    rules::{Rules, Zone},
    show::{Shown, Snapshot},
    table::Conntrack,
    timeouts::SECOND,
    track::{dccp, sctp, tcp},
    tuple::Tuple,
};

/// What an operator changes of a connection; nothing where it stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change {
    /// A new mark under a mask.
    pub mark: Option<(u32, u32)>,
    /// A new timeout.
    pub timeout: Option<Nanos>,
    /// Status bits to be set; only some may be.
    pub status: Option<u32>,
    /// A helper, 0 for none.
    pub helper: Option<u16>,
    /// State of the protocol, with all that is known beside it.
    pub proto: Option<Proto>,
    /// State of the protocol alone.
    pub state: Option<Shown>,
    /// Labels under a mask.
    pub labels: Option<(u128, u128)>,
}

/// Why an operator's wish was refused, as the kernel's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is such a connection.
    #[error("File exists")]
    Exists,
    /// There is none.
    #[error("No such file or directory")]
    Gone,
    /// No room for another.
    #[error("Cannot allocate memory")]
    Full,
    /// Such a bit cannot be changed.
    #[error("Device or resource busy")]
    Busy,
    /// Such a connection cannot be.
    #[error("Invalid argument")]
    Invalid,
}

impl Conntrack {
    /// Goes through the connections of the table in steps: calls `each` for no more than `looks`
    /// places from `from` on, and gives the place to go on from, or nothing at the end.
    pub fn walk(
        &self,
        from: u32,
        looks: u32,
        now: Nanos,
        mut each: impl FnMut(ConnId, &Entry),
    ) -> Option<u32> {
        let end = (from.saturating_add(looks) as usize).min(self.entries.len());
        for index in from as usize..end {
            let entry = &self.entries[index];
            if entry.live && in_table(entry) && self.ends(index as u32) > now {
                each(ConnId { index: index as u32, generation: entry.generation }, entry);
            }
        }
        (end < self.entries.len()).then_some(end as u32)
    }

    /// Ends all connections that `wanted` tells, in steps as [`Conntrack::walk`]; counts them.
    pub fn sweep(
        &mut self,
        from: u32,
        looks: u32,
        now: Nanos,
        mut wanted: impl FnMut(&Entry) -> bool,
    ) -> (Option<u32>, u32) {
        let end = (from.saturating_add(looks) as usize).min(self.entries.len());
        let mut ended = 0;
        for index in from as usize..end {
            let entry = &self.entries[index];
            if entry.live && in_table(entry) && wanted(entry) {
                self.end(index as u32, now);
                ended += 1;
            }
        }
        ((end < self.entries.len()).then_some(end as u32), ended)
    }

    /// Puts a connection into the table by hand (`conntrack -I`); its timeout is the operator's.
    #[allow(clippy::too_many_arguments, reason = "an entry's beginning has that many parts")]
    pub fn add(
        &mut self,
        original: &Tuple,
        reply: &Tuple,
        timeout: Nanos,
        change: &Change,
        zone: Zone,
        rules: &Rules,
        now: Nanos,
    ) -> Result<ConnId, Denied> {
        let hash = self.hash(original);
        if timeout == 0 || original.six != reply.six || original.proto != reply.proto {
            return Err(Denied::Invalid);
        }
        if self.find(hash, original, now).is_some() || self.lookup(reply, now).is_some() {
            return Err(Denied::Exists);
        }
        let index = self.create(original, reply, hash, zone, rules, now).ok_or(Denied::Full)?;
        self.entries[index as usize].expires = timeout;
        let conn = self.id(index);
        if let Err(denied) = self.change(conn, change, now) {
            self.end(index, now);
            return Err(denied);
        }
        // What was made by hand is no packet's to keep alive or not: only its bits say so.
        for dir in [Dir::Original, Dir::Reply] {
            if self.list(index, dir).is_err() {
                self.end(index, now);
                return Err(Denied::Exists);
            }
        }
        self.settle(index, now, true);
        self.stats.created += 1;
        let what = std::mem::take(&mut self.entries[index as usize].events);
        self.tell(index, what, now);
        Ok(conn)
    }

    /// Changes a connection (`conntrack -U`).
    pub fn change(&mut self, conn: ConnId, change: &Change, now: Nanos) -> Result<(), Denied> {
        if self.get(conn).is_some() {
            self.unknow(conn.index);
        }
        let entry =
            self.get_mut(conn).filter(|entry| !entry.is(status::DYING)).ok_or(Denied::Gone)?;
        if let Some(bits) = change.status {
            let changed = entry.status ^ bits;
            // The bits that matter for its standing cannot be taken back.
            if changed & (status::EXPECTED | status::CONFIRMED | status::DYING) & bits != 0
                || changed & entry.status & (status::SEEN_REPLY | status::ASSURED) != 0
            {
                return Err(Denied::Busy);
            }
            entry.status |= bits & !status::UNCHANGEABLE;
        }
        if let Some((mark, mask)) = change.mark {
            let new = entry.mark & !mask | mark;
            if new != entry.mark {
                entry.mark = new;
                entry.happened(events::MARK);
            }
        }
        if let Some(helper) = change.helper {
            entry.helper = helper;
            entry.happened(events::HELPER);
        }
        if let Some(proto) = change.proto {
            entry.proto = proto;
            entry.happened(events::PROTOINFO);
        }
        if let Some(state) = change.state.filter(|state| *state != (&entry.proto).into()) {
            entry.proto = match (entry.proto, state) {
                (Proto::Tcp(mut tcp), Shown::Tcp(state)) => {
                    tcp.state = state;
                    Proto::Tcp(tcp)
                }
                (_, Shown::Tcp(state)) => Proto::Tcp(tcp::Tcp::in_state(state)),
                (Proto::Sctp(sctp), Shown::Sctp(state)) => {
                    Proto::Sctp(sctp::Sctp::in_state(state, sctp.tags()))
                }
                (_, Shown::Sctp(state)) => Proto::Sctp(sctp::Sctp::in_state(state, [0; 2])),
                (Proto::Dccp(dccp), Shown::Dccp(state)) => {
                    let (client, handshake) = (dccp.client(), dccp.handshake());
                    Proto::Dccp(dccp::Dccp::in_state(state, client, handshake))
                }
                (_, Shown::Dccp(state)) => {
                    Proto::Dccp(dccp::Dccp::in_state(state, Dir::Original, 0))
                }
                (proto, Shown::None) => proto,
            };
            entry.happened(events::PROTOINFO);
        }
        if let Some(timeout) = change.timeout {
            if entry.is(status::CONFIRMED) {
                let ends = now.saturating_add(timeout);
                self.wheel.refresh(&mut self.entries, conn.index, ends);
            } else {
                entry.expires = timeout;
            }
        }
        if let Some((labels, mask)) = change.labels {
            let old = self.labels(conn).unwrap_or(0);
            self.set_labels(conn, old & !mask | labels & mask);
        }
        Ok(())
    }

    /// Gives a connection that has not left yet the timeouts of a policy.
    pub fn set_policy(&mut self, conn: ConnId, policy: u16, rules: &Rules) {
        let Some(entry) = self.get_mut(conn) else { return };
        entry.policy = policy;
        if let (Proto::Udp(_), false) = (&entry.proto, entry.is(status::CONFIRMED)) {
            entry.expires = rules.timeouts_of(policy).udp[0];
        }
    }

    /// The router itself has reset a connection of TCP (`nf_conntrack_tcp_set_closing`).
    pub fn close_tcp(&mut self, conn: ConnId, rules: &Rules, now: Nanos) {
        let Some(entry) = self.get_mut(conn).filter(|entry| in_table(entry)) else { return };
        let timeout = rules.timeouts_of(entry.policy).tcp[tcp::State::Close as usize];
        let Proto::Tcp(tcp) = &mut entry.proto else { return };
        let closed = tcp.state() == tcp::State::Close;
        tcp.close();
        if !closed && !entry.is(status::FIXED_TIMEOUT) {
            entry.happened(events::PROTOINFO);
            self.refresh(conn.index, timeout, now);
        }
    }

    /// Tells what has changed of a connection since the last event.
    pub fn flush_events(&mut self, conn: ConnId, now: Nanos) {
        if let Some(entry) = self.get_mut(conn)
            && in_table(entry)
        {
            let what = std::mem::take(&mut entry.events);
            self.tell(conn.index, what, now);
        }
    }

    /// Packets and octets of the original direction, then of the reply direction.
    pub fn counts(&self, conn: ConnId) -> Option<[u64; 4]> {
        let entry = self.get(conn)?;
        (entry.nodes[0].features & feature::ACCT != 0).then(|| self.acct[conn.index as usize])
    }

    /// Sets the counts to zero (`conntrack -L -z`).
    pub fn clear_counts(&mut self, conn: ConnId) {
        if self.get(conn).is_some() {
            self.acct[conn.index as usize] = [0; 4];
        }
    }

    /// The labels of a connection.
    #[inline]
    pub fn labels(&self, conn: ConnId) -> Option<u128> {
        let entry = self.get(conn)?;
        if entry.nodes[0].features & feature::LABELS == 0 {
            return Some(0);
        }
        let [low, high] = self.labels[conn.index as usize];
        Some(u128::from(high) << 64 | u128::from(low))
    }

    /// Sets the labels of a connection.
    pub fn set_labels(&mut self, conn: ConnId, labels: u128) {
        let old = self.labels(conn);
        let Some(entry) = self.get_mut(conn) else { return };
        entry.nodes[0].features |= feature::LABELS;
        if old != Some(labels) {
            entry.happened(events::LABEL);
        }
        self.labels[conn.index as usize] = [labels as u64, (labels >> 64) as u64];
    }

    /// The connection that announced this one, while it lives.
    pub fn master(&self, conn: ConnId) -> Option<ConnId> {
        let master = self.get(conn)?.master()?;
        self.get(master).map(|_| master)
    }

    /// Learns a call of GRE from its control connection; false when there is no room.
    pub fn add_call(&mut self, master: ConnId, tuple: Tuple) -> bool {
        self.get(master).is_some() && self.keymap.add(tuple, master)
    }

    /// Forgets the calls of a control connection.
    pub fn forget_calls(&mut self, master: ConnId) {
        self.keymap.forget(master);
    }
}

/// Whether an entry stands in the table and is no loser of a clash, which operators do not see.
const fn in_table(entry: &Entry) -> bool {
    entry.status & (status::CONFIRMED | status::DYING | status::NAT_CLASH) == status::CONFIRMED
}

/// Expectations.
impl Conntrack {
    /// Announces a connection. `most` is how many of its class its master may expect, 0 for any.
    pub fn expect(&mut self, expect: Expect, most: u32, rules: &Rules) -> Result<(), Refused> {
        let master = self.get(expect.master).filter(|entry| !entry.is(status::DYING));
        let by_hand = expect.flags & flag::USERSPACE != 0;
        let master =
            master.filter(|entry| entry.helper != 0 || by_hand).ok_or(Refused::NoHelper)?;
        let mut head = master.nodes[0].extra;
        if usize::from(expect.class) >= CLASSES {
            return Err(Refused::NoHelper);
        }
        if let Some(same) = self.expects.obstacle(&self.seed, &expect)? {
            self.remove_expect(same);
            head = self.entries[expect.master.index as usize].nodes[0].extra;
        }
        let (oldest, count) = self.expects.oldest(head, expect.class);
        if most != 0 && count >= most {
            self.remove_expect(oldest);
            head = self.entries[expect.master.index as usize].nodes[0].extra;
        }
        if self.expects.len() >= rules.expect_max {
            return Err(Refused::Full);
        }
        let place = self.expects.insert(&self.seed, expect, head).ok_or(Refused::Full)?;
        self.entries[expect.master.index as usize].nodes[0].extra = place;
        self.list_end(Kind::Towards, &expect.tuple, true);
        self.stats.expect_create += 1;
        self.tell_of(&expect, events::NEW);
        Ok(())
    }

    /// A copy of an expectation; its time is when it ends.
    pub fn announced(&self, expect: &Expect) -> Announced {
        Announced {
            expect: *expect,
            master: self.tuples(expect.master).map(|[original, _]| original),
            helper: self.get(expect.master).map_or(0, |master| master.helper),
            left: expect.expires,
        }
    }

    /// Tells who listens of an expectation.
    fn tell_of(&mut self, expect: &Expect, what: u16) {
        if self.listening {
            let expected = Some(self.announced(expect));
            self.events.push(Event { what, snapshot: Snapshot::default(), expected });
        }
    }

    /// Makes an expectation for an operator: of the connection of a tuple, in the first class of its
    /// helper (`ctnetlink_create_expect`).
    ///
    /// # Errors
    /// Without such a connection or a helper of it, and where something like it is expected.
    pub fn announce(
        &mut self,
        master: &Tuple,
        expect: Expect,
        rules: &Rules,
        now: Nanos,
    ) -> Result<(), Denied> {
        let (conn, _) = self.lookup(master, now).ok_or(Denied::Gone)?;
        let helper = self.get(conn).and_then(|entry| Helper::of_number(entry.helper));
        let helper = helper.ok_or(Denied::Invalid)?;
        if self.expects.iter().any(|(_, known)| known.tuple == expect.tuple) {
            return Err(Denied::Exists);
        }
        let seconds = helper.info().classes.first().map_or(0, |class| class.timeout);
        let expires = now.saturating_add(Nanos::from(seconds) * SECOND);
        let expect = Expect { master: conn, expires, ..expect };
        self.expect(expect, helper.most(0), rules).map_err(|refused| match refused {
            Refused::Full => Denied::Full,
            Refused::NoHelper => Denied::Invalid,
            Refused::Busy | Refused::Already => Denied::Busy,
        })
    }

    /// Takes back an expectation by its place.
    pub fn remove_expect(&mut self, place: u32) -> Option<Expect> {
        let removed = self.expects.remove(&self.seed, place)?;
        self.stats.expect_delete += 1;
        self.tell_of(&removed.expect, events::DESTROY);
        self.list_end(Kind::Towards, &removed.expect.tuple, false);
        if let Some(head) = removed.head
            && let Some(master) = self.get_mut(removed.expect.master)
        {
            master.nodes[0].extra = head;
        }
        Some(removed.expect)
    }

    /// Takes back what a connection has announced.
    pub fn forget_expects(&mut self, master: ConnId) {
        while let Some(head @ 1..) = self.get(master).map(|entry| entry.nodes[0].extra) {
            if self.remove_expect(head).is_none() {
                break;
            }
        }
    }

    /// Number of expectations.
    pub const fn expects(&self) -> u32 {
        self.expects.len()
    }

    /// All expectations with their places.
    pub fn iter_expects(&self) -> impl Iterator<Item = (u32, &Expect)> {
        self.expects.iter()
    }

    /// Takes back what is expected, of one tuple or all; counts them.
    pub fn forget_expectations(&mut self, tuple: Option<&Tuple>) -> u32 {
        let mut gone = 0;
        loop {
            let meant = |(_, expect): &(u32, &Expect)| tuple.is_none_or(|it| expect.tuple == *it);
            let Some((place, _)) = self.expects.iter().find(meant) else { return gone };
            if self.remove_expect(place).is_none() {
                return gone;
            }
            gone += 1;
        }
    }

    /// What a connection has announced, newest first.
    pub fn expects_of(&self, master: ConnId) -> impl Iterator<Item = (u32, &Expect)> {
        let head = self.get(master).map_or(0, |entry| entry.nodes[0].extra);
        self.expects.of(head)
    }

    /// The expectation that a tuple would fulfil.
    pub fn find_expect(&self, tuple: &Tuple, now: Nanos) -> Option<(u32, &Expect)> {
        let place = self.expects.find(&self.seed, tuple, now)?;
        Some((place, self.expects.get(place)?))
    }

    /// The expectation that a new flow fulfils; used up, unless it is permanent.
    pub(crate) fn fulfil(&mut self, tuple: &Tuple, now: Nanos) -> Option<Expect> {
        let place = self.expects.find(&self.seed, tuple, now)?;
        let expect = *self.expects.get(place)?;
        // Whose master has not left the router cannot be expected by anybody outside.
        let master = self.get(expect.master)?;
        if !in_table(master) || master.is_expired(now) {
            return None;
        }
        if expect.flags & flag::PERMANENT == 0 {
            self.remove_expect(place);
        }
        Some(expect)
    }

    pub(crate) fn expire_expects(&mut self, now: Nanos, looks: u32) {
        while let Some(place) = self.expects.expired(now, looks) {
            self.remove_expect(place);
        }
    }

    /// The directions of a connection as tuples.
    pub fn tuples(&self, conn: ConnId) -> Option<[Tuple; 2]> {
        let entry = self.get(conn)?;
        Some([*entry.tuple(Dir::Original), *entry.tuple(Dir::Reply)])
    }
}
