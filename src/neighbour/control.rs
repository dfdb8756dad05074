//! The neighbour table of the management core: states, timers, and packets that wait.
//!
//! A machine without input or output: `handle_*` tells it what the world said, [`Neighbours::poll`]
//! lets time pass, [`Neighbours::take_actions`] says what it wants done. `P` is a packet, so that
//! tests need none.
//!
//! The states are the kernel's. Until workers report which neighbours they use, an entry whose
//! reachability has expired is probed by unicast whether or not it is in use, and stays in use
//! while it answers.
//!
//! - obeys: RFC 826, RFC 4861 section 7.3.2; ledger 1.31, 5.62 (a link that goes down forgets)

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::IpAddr,
};

use crate::{graph::Nanos, packet::MacAddr};

/// A neighbour: the interface it is on, and its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Interface.
    pub iface: u16,
    /// Address.
    pub address: IpAddr,
}

/// States of `ip neigh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Asked, not answered yet.
    Incomplete,
    /// Known to answer.
    Reachable,
    /// Known, but not confirmed for a while.
    Stale,
    /// Being asked again by unicast.
    Probe,
    /// Did not answer.
    Failed,
    /// Set by the administrator.
    Permanent,
    /// Never asked: a stand-in where nobody can answer.
    Noarp,
}

impl State {
    /// Name as `ip neigh` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Incomplete => "INCOMPLETE",
            Self::Reachable => "REACHABLE",
            Self::Stale => "STALE",
            Self::Probe => "PROBE",
            Self::Failed => "FAILED",
            Self::Permanent => "PERMANENT",
            Self::Noarp => "NOARP",
        }
    }

    /// Packets may be sent to its address.
    pub const fn is_valid(self) -> bool {
        !matches!(self, Self::Incomplete | Self::Failed)
    }
}

/// Tunables, `net.ipv4.neigh.default.*`, times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `base_reachable_time_ms`.
    pub reachable_time: Nanos,
    /// `retrans_time_ms`.
    pub retrans_time: Nanos,
    /// `delay_first_probe_time`.
    pub delay_first_probe: Nanos,
    /// `gc_stale_time`.
    pub gc_stale_time: Nanos,
    /// `locktime`.
    pub locktime: Nanos,
    /// `mcast_solicit`.
    pub mcast_solicit: u32,
    /// `ucast_solicit`.
    pub ucast_solicit: u32,
    /// `unres_qlen_bytes`, counted as the kernel counts: whole buffers.
    pub unres_qlen_bytes: usize,
    /// Most entries.
    pub limit: usize,
}

const SECOND: Nanos = 1_000_000_000;
/// What a waiting packet costs beside its bytes, about the kernel's `skb->truesize` overhead.
const PACKET_OVERHEAD: usize = 768;

impl Default for Rules {
    fn default() -> Self {
        Self {
            reachable_time: 30 * SECOND,
            retrans_time: SECOND,
            delay_first_probe: 5 * SECOND,
            gc_stale_time: 60 * SECOND,
            locktime: SECOND,
            mcast_solicit: 3,
            ucast_solicit: 3,
            unres_qlen_bytes: 212_992,
            limit: 65_536,
        }
    }
}

/// What the machine wants done.
#[derive(Debug)]
pub enum Action<P> {
    /// Ask for an address, by broadcast or of one station.
    Solicit(Key, Option<MacAddr>),
    /// The neighbour is at this address now.
    Resolved(Key, MacAddr),
    /// The neighbour's address is not known any more.
    Unresolved(Key),
    /// Send these packets, in order.
    Release(Key, Vec<P>),
    /// Tell the senders of these packets that the neighbour does not answer.
    Fail(Key, Vec<P>),
    /// Drop these packets: the queue was full.
    Drop(Vec<P>),
    /// Tell those who watch.
    Tell {
        /// Who.
        key: Key,
        /// Its link-layer address.
        mac: Option<MacAddr>,
        /// Its state.
        state: State,
        /// It is there no more.
        deleted: bool,
    },
}

/// One neighbour.
pub struct Entry<P> {
    /// State.
    pub state: State,
    /// Link-layer address, where one is known.
    pub mac: Option<MacAddr>,
    /// When the state or address last changed.
    pub updated: Nanos,
    /// Questions asked since the last answer.
    pub probes: u32,
    deadline: Option<Nanos>,
    queue: VecDeque<(P, usize)>,
    queued: usize,
}

/// The table.
pub struct Neighbours<P> {
    rules: Rules,
    entries: HashMap<Key, Entry<P>>,
    deadlines: BTreeSet<(Nanos, Key)>,
    actions: Vec<Action<P>>,
    held: usize,
    seed: u64,
    /// Changes of state are told.
    tells: bool,
}

impl<P> Neighbours<P> {
    /// An empty table; `seed` scatters the reachable times.
    pub fn new(rules: Rules, seed: u64) -> Self {
        Self {
            rules,
            entries: HashMap::new(),
            deadlines: BTreeSet::new(),
            actions: Vec::new(),
            held: 0,
            seed: seed | 1,
            tells: false,
        }
    }

    /// Whether changes of state are to be told.
    pub fn tell(&mut self, wanted: bool) {
        self.tells = wanted;
    }

    /// Tells the state of a neighbour to those who watch.
    fn note(&mut self, key: Key, deleted: bool) {
        if !self.tells {
            return;
        }
        if let Some(entry) = self.entries.get(&key) {
            let (state, mac) = (entry.state, entry.mac.filter(|_| entry.state.is_valid()));
            self.actions.push(Action::Tell { key, mac, state, deleted });
        }
    }

    /// Replaces the tunables.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// The tunables.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// All neighbours, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Entry<P>)> {
        self.entries.iter()
    }

    /// One neighbour.
    pub fn get(&self, key: Key) -> Option<&Entry<P>> {
        self.entries.get(&key)
    }

    /// Packets that wait for an answer.
    pub fn held(&self) -> usize {
        self.held
    }

    /// What the machine wants done, in order.
    pub fn take_actions(&mut self) -> Vec<Action<P>> {
        std::mem::take(&mut self.actions)
    }

    /// When [`Neighbours::poll`] has something to do.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// The base reachable time times 0.5 to 1.5, so that neighbours do not expire together.
    fn reachable_time(&mut self) -> Nanos {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        let base = self.rules.reachable_time;
        base / 2 + if base == 0 { 0 } else { self.seed % base }
    }

    fn set_deadline(&mut self, key: Key, at: Option<Nanos>) {
        if let Some(entry) = self.entries.get_mut(&key) {
            if let Some(old) = entry.deadline {
                self.deadlines.remove(&(old, key));
            }
            entry.deadline = at;
            if let Some(at) = at {
                self.deadlines.insert((at, key));
            }
        }
    }

    /// Makes room for one more entry: those that failed go first. False when all are in use.
    fn make_room(&mut self) -> bool {
        if self.entries.len() < self.rules.limit {
            return true;
        }
        let failed: Vec<Key> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.state == State::Failed)
            .map(|(key, _)| *key)
            .collect();
        for key in failed {
            self.remove(key);
        }
        self.entries.len() < self.rules.limit
    }

    fn insert(&mut self, key: Key, state: State, now: Nanos) -> bool {
        if self.entries.contains_key(&key) {
            return true;
        }
        if !self.make_room() {
            return false;
        }
        let entry = Entry {
            state,
            mac: None,
            updated: now,
            probes: 0,
            deadline: None,
            queue: VecDeque::new(),
            queued: 0,
        };
        self.entries.insert(key, entry);
        true
    }

    /// The packet that has waited longest for a neighbour.
    pub fn first_waiting(&self, key: Key) -> Option<&P> {
        self.entries.get(&key)?.queue.front().map(|(packet, _)| packet)
    }

    /// A packet of `len` bytes needs a neighbour.
    pub fn handle_packet(&mut self, now: Nanos, key: Key, packet: P, len: usize) {
        if !self.insert(key, State::Failed, now) {
            self.actions.push(Action::Drop(vec![packet]));
            return;
        }
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        if entry.state.is_valid() {
            // It was resolved while the packet was on its way here.
            self.actions.push(Action::Release(key, vec![packet]));
            return;
        }
        entry.queue.push_back((packet, len + PACKET_OVERHEAD));
        entry.queued += len + PACKET_OVERHEAD;
        self.held += 1;
        let mut over = Vec::new();
        while entry.queued > self.rules.unres_qlen_bytes
            && let Some((oldest, cost)) = entry.queue.pop_front()
        {
            entry.queued -= cost;
            self.held -= 1;
            over.push(oldest);
        }
        if !over.is_empty() {
            self.actions.push(Action::Drop(over));
        }
        if entry.state == State::Failed {
            entry.state = State::Incomplete;
            entry.updated = now;
            entry.probes = 0;
            self.solicit(now, key);
        }
    }

    /// Somebody wants to use a neighbour, and has no packet for it yet.
    pub fn handle_use(&mut self, now: Nanos, key: Key) {
        if !self.insert(key, State::Failed, now) {
            return;
        }
        if let Some(entry) = self.entries.get_mut(&key)
            && entry.state == State::Failed
        {
            entry.state = State::Incomplete;
            entry.updated = now;
            entry.probes = 0;
            self.solicit(now, key);
        }
    }

    /// Asks once more, or gives up when it has asked often enough.
    fn solicit(&mut self, now: Nanos, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let (limit, mac) = match entry.state {
            State::Probe => (self.rules.ucast_solicit, entry.mac),
            _ => (self.rules.mcast_solicit, None),
        };
        if entry.probes >= limit {
            self.fail(now, key);
            return;
        }
        entry.probes += 1;
        self.actions.push(Action::Solicit(key, mac));
        self.set_deadline(key, Some(now + self.rules.retrans_time));
    }

    fn fail(&mut self, now: Nanos, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let was_valid = entry.state.is_valid();
        entry.state = State::Failed;
        entry.updated = now;
        entry.queued = 0;
        let waiting: Vec<P> = entry.queue.drain(..).map(|(packet, _)| packet).collect();
        self.held -= waiting.len();
        if was_valid {
            self.actions.push(Action::Unresolved(key));
        }
        if !waiting.is_empty() {
            self.actions.push(Action::Fail(key, waiting));
        }
        self.set_deadline(key, Some(now + self.rules.gc_stale_time));
        self.note(key, false);
    }

    fn enter(&mut self, now: Nanos, key: Key, mac: MacAddr, state: State) {
        let reachable = self.reachable_time();
        let delay = self.rules.delay_first_probe;
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let changed = entry.mac != Some(mac) || !entry.state.is_valid();
        let told = (entry.mac, entry.state);
        entry.mac = Some(mac);
        entry.state = state;
        entry.updated = now;
        entry.probes = 0;
        entry.queued = 0;
        let waiting: Vec<P> = entry.queue.drain(..).map(|(packet, _)| packet).collect();
        self.held -= waiting.len();
        if changed {
            self.actions.push(Action::Resolved(key, mac));
        }
        if !waiting.is_empty() {
            self.actions.push(Action::Release(key, waiting));
        }
        let deadline = match state {
            State::Reachable => Some(now + reachable),
            State::Stale => Some(now + delay),
            _ => None,
        };
        self.set_deadline(key, deadline);
        if told != (Some(mac), state) {
            self.note(key, false);
        }
    }

    /// Somebody who needs us told its address: it is known, but not confirmed.
    pub fn handle_request(&mut self, now: Nanos, key: Key, mac: MacAddr) {
        if self.insert(key, State::Failed, now) {
            self.handle_hint(now, key, mac, false, false);
        }
    }

    /// An address was heard of a neighbour that is in the table; of others nothing is learned.
    /// `confirmed`: it answered us. `gratuitous`: it announced itself.
    pub fn handle_hint(
        &mut self,
        now: Nanos,
        key: Key,
        mac: MacAddr,
        confirmed: bool,
        gratuitous: bool,
    ) {
        let Some(entry) = self.entries.get(&key) else {
            return;
        };
        if matches!(entry.state, State::Permanent | State::Noarp) {
            return;
        }
        let same = entry.mac == Some(mac) && entry.state.is_valid();
        let locked = now < entry.updated + self.rules.locktime;
        // Two stations that claim one address must not make it flap.
        if entry.state.is_valid() && !same && locked && !gratuitous {
            return;
        }
        match (same, confirmed) {
            (_, true) => self.enter(now, key, mac, State::Reachable),
            (false, false) => self.enter(now, key, mac, State::Stale),
            (true, false) => {}
        }
    }

    /// The administrator sets a neighbour. False when the table is full.
    pub fn set(&mut self, now: Nanos, key: Key, mac: MacAddr, state: State) -> bool {
        let fits = self.insert(key, State::Failed, now);
        if fits {
            self.enter(now, key, mac, state);
        }
        fits
    }

    /// Forgets a neighbour; packets that wait for it fail. False when there is none.
    pub fn remove(&mut self, key: Key) -> bool {
        self.set_deadline(key, None);
        self.note(key, true);
        let Some(entry) = self.entries.remove(&key) else {
            return false;
        };
        self.held -= entry.queue.len();
        if entry.state.is_valid() {
            self.actions.push(Action::Unresolved(key));
        }
        let waiting: Vec<P> = entry.queue.into_iter().map(|(packet, _)| packet).collect();
        if !waiting.is_empty() {
            self.actions.push(Action::Fail(key, waiting));
        }
        true
    }

    /// The administrator takes a neighbour away: as in the kernel it fails first. False when there
    /// is none.
    pub fn delete(&mut self, key: Key) -> bool {
        if let Some(entry) = self.entries.get_mut(&key)
            && self.tells
            && entry.state.is_valid()
        {
            let mac = entry.mac.take();
            let state = std::mem::replace(&mut entry.state, State::Failed);
            self.note(key, false);
            self.note(key, true);
            // Told already; what hangs on it goes the ordinary way.
            if let Some(entry) = self.entries.get_mut(&key) {
                (entry.mac, entry.state) = (mac, state);
            }
            self.tells = false;
            let gone = self.remove(key);
            self.tells = true;
            return gone;
        }
        self.remove(key)
    }

    /// An interface went down: its neighbours are forgotten, but for those set by hand when `keep`.
    pub fn handle_link_down(&mut self, iface: u16, keep: bool) {
        let gone: Vec<Key> = self
            .entries
            .iter()
            .filter(|(key, entry)| key.iface == iface && !(keep && entry.state == State::Permanent))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            self.remove(key);
        }
    }

    /// Lets time pass.
    pub fn poll(&mut self, now: Nanos) {
        while let Some(&(at, key)) = self.deadlines.first()
            && at <= now
        {
            self.set_deadline(key, None);
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            match entry.state {
                State::Incomplete | State::Probe => self.solicit(now, key),
                State::Reachable | State::Stale => {
                    entry.state = State::Probe;
                    entry.probes = 0;
                    self.note(key, false);
                    self.solicit(now, key);
                }
                State::Failed => {
                    self.remove(key);
                }
                State::Permanent | State::Noarp => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const KEY: Key = Key { iface: 1, address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9)) };
    const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 9]);
    const OTHER: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 8]);

    fn table() -> Neighbours<u32> {
        Neighbours::new(Rules::default(), 7)
    }

    fn said(table: &mut Neighbours<u32>) -> Vec<String> {
        table.take_actions().iter().map(|action| format!("{action:?}")).collect()
    }

    #[test]
    fn packets_wait_for_the_answer_and_leave_in_order() {
        let mut table = table();
        for packet in 1..=3 {
            table.handle_packet(0, KEY, packet, 100);
        }
        assert!(matches!(table.take_actions()[..], [Action::Solicit(KEY, None)]));
        assert_eq!(table.held(), 3);
        table.handle_hint(10, KEY, MAC, true, false);
        let actions = table.take_actions();
        assert!(matches!(&actions[..],
            [Action::Resolved(KEY, MAC), Action::Release(KEY, packets)] if packets[..] == [1, 2, 3]));
        assert_eq!((table.held(), table.get(KEY).unwrap().state), (0, State::Reachable));
    }

    #[test]
    fn silence_is_asked_three_times_and_then_the_senders_are_told() {
        let mut table = table();
        table.handle_packet(0, KEY, 1, 100);
        for second in 1..=2 {
            table.poll(second * SECOND);
        }
        assert_eq!(table.take_actions().len(), 3);
        table.poll(3 * SECOND);
        assert!(
            matches!(&table.take_actions()[..], [Action::Fail(KEY, packets)] if packets[..] == [1])
        );
        assert_eq!(table.get(KEY).unwrap().state, State::Failed);
        table.handle_packet(4 * SECOND, KEY, 2, 100);
        assert!(matches!(table.take_actions()[..], [Action::Solicit(KEY, None)]), "asked afresh");
    }

    #[test]
    fn the_queue_is_bounded_and_the_oldest_goes_first() {
        let mut table = table();
        for packet in 0..1000 {
            table.handle_packet(0, KEY, packet, 1500);
        }
        let dropped: Vec<u32> = table
            .take_actions()
            .into_iter()
            .flat_map(|action| if let Action::Drop(packets) = action { packets } else { vec![] })
            .collect();
        assert_eq!(dropped.len() + table.held(), 1000);
        assert!(table.held() < 150 && dropped[..3] == [0, 1, 2]);
    }

    #[test]
    fn an_expired_neighbour_is_probed_and_stays_in_use_while_it_answers() {
        let mut table = table();
        table.handle_packet(0, KEY, 1, 100);
        table.handle_hint(0, KEY, MAC, true, false);
        table.take_actions();
        table.poll(50 * SECOND);
        assert!(matches!(table.take_actions()[..], [Action::Solicit(KEY, Some(MAC))]));
        assert!(table.get(KEY).unwrap().state.is_valid());
        table.handle_hint(50 * SECOND, KEY, MAC, true, false);
        assert!(said(&mut table).is_empty(), "no packet notices");
        for second in 100..110 {
            table.poll(second * SECOND);
        }
        assert!(said(&mut table).last().is_some_and(|last| last.starts_with("Unresolved")));
        table.poll(200 * SECOND);
        assert!(table.get(KEY).is_none(), "a failed entry is collected");
    }

    #[test]
    fn a_second_claim_within_the_locktime_is_not_believed_unless_announced() {
        let mut table = table();
        table.handle_request(0, KEY, MAC);
        table.handle_hint(SECOND / 2, KEY, OTHER, true, false);
        assert_eq!(table.get(KEY).unwrap().mac, Some(MAC));
        table.handle_hint(SECOND / 2, KEY, OTHER, false, true);
        assert_eq!(table.get(KEY).unwrap().mac, Some(OTHER));
    }

    #[test]
    fn strangers_teach_nothing_and_permanent_entries_do_not_change() {
        let mut table = table();
        table.handle_hint(0, KEY, MAC, true, true);
        assert!(table.get(KEY).is_none());
        assert!(table.set(0, KEY, MAC, State::Permanent));
        table.handle_hint(9 * SECOND, KEY, OTHER, true, true);
        table.poll(1_000 * SECOND);
        assert_eq!(table.get(KEY).unwrap().mac, Some(MAC));
    }

    #[test]
    fn a_full_table_sheds_failed_entries_and_refuses_beyond() {
        let mut table = Neighbours::new(Rules { limit: 2, ..Rules::default() }, 7);
        let key = |last| Key { iface: 1, address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)) };
        assert!(table.set(0, key(1), MAC, State::Permanent));
        table.handle_packet(0, key(2), 2, 60);
        table.handle_packet(0, key(3), 3, 60);
        assert!(said(&mut table).iter().any(|action| action == "Drop([3])"));
        table.poll(10 * SECOND);
        table.poll(20 * SECOND);
        table.poll(30 * SECOND);
        table.handle_packet(40 * SECOND, key(3), 4, 60);
        assert!(table.get(key(3)).is_some() && table.get(key(2)).is_none());
    }
}
