//! What happens to one neighbour: the rules of `net/core/neighbour.c`.
//!
//! Each function is named after what happened; the kernel's is named beside it.
//!
//! - obeys: RFC 4861 section 7.3; ledger 7.17, 7.18, 7.26 to 7.48

use std::collections::{BTreeMap, BTreeSet};

use super::{
    action::{Action, Lost, Refusal},
    entry::{Entry, Family, Key, Stamp, State, UpdateFlags},
    params::{Params, SHORTEST_TIMER, Thresholds, Var},
    stats::Stats,
};
use crate::{graph::Nanos, packet::MacAddr};

/// An interface.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) params: [Params; 2],
    /// Nobody is asked here: all are at this address.
    pub(super) fixed: Option<MacAddr>,
}

/// One table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) params: Params,
    pub(super) thresholds: Thresholds,
    pub(super) stats: Stats,
    /// Entries.
    pub(super) entries: usize,
    /// Those that count against the thresholds.
    pub(super) counted: usize,
    pub(super) last_flush: Stamp,
    pub(super) last_draw: Stamp,
    /// When the periodic collector runs next.
    pub(super) next_run: Stamp,
    /// What a forced run may take, the best first.
    pub(super) forced: BTreeSet<(Stamp, Key)>,
    /// What a periodic run may take, the first first.
    pub(super) aged: BTreeSet<(Stamp, Key)>,
    /// Buckets that the kernel's hash table would have.
    pub(super) buckets: usize,
}

/// All but the entries, so that one of those may be held meanwhile.
#[derive(Debug)]
pub(super) struct Core<P> {
    pub(super) tables: [Table; 2],
    pub(super) devices: BTreeMap<u16, Device>,
    pub(super) deadlines: BTreeSet<(Nanos, u64, Key)>,
    pub(super) serial: u64,
    pub(super) actions: Vec<Action<P>>,
    pub(super) held: usize,
    pub(super) seed: u64,
    pub(super) tells: bool,
}

impl<P> Core<P> {
    pub(super) fn params(&self, iface: u16, family: Family) -> &Params {
        let own = self.devices.get(&iface).map(|device| &device.params[family as usize]);
        own.unwrap_or(&self.tables[family as usize].params)
    }

    pub(super) fn params_mut(&mut self, iface: u16, family: Family) -> &mut Params {
        match self.devices.get_mut(&iface) {
            Some(device) => &mut device.params[family as usize],
            None => &mut self.tables[family as usize].params,
        }
    }

    pub(super) fn params_of(&self, key: Key) -> &Params {
        self.params(key.iface, key.family())
    }

    pub(super) fn table(&mut self, key: Key) -> &mut Table {
        &mut self.tables[key.family() as usize]
    }

    /// A number below `end`, 0 for an empty range.
    pub(super) fn random_below(&mut self, end: Nanos) -> Nanos {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        if end == 0 { 0 } else { self.seed % end }
    }

    /// Draws the reachable time of a set of parameters (`neigh_rand_reach_time`).
    pub(super) fn draw(&mut self, base: Nanos) -> Nanos {
        self.random_below(base) + base / 2
    }

    pub(super) fn draw_all(&mut self, family: Family) {
        self.draw_default(family);
        let ifaces: Vec<u16> = self.devices.keys().copied().collect();
        for iface in ifaces {
            self.draw_for(iface, family);
        }
    }

    pub(super) fn draw_default(&mut self, family: Family) {
        let base = self.tables[family as usize].params.time(Var::BaseReachableTime);
        self.tables[family as usize].params.reachable_time = self.draw(base);
    }

    pub(super) fn draw_for(&mut self, iface: u16, family: Family) {
        let base = self.params(iface, family).time(Var::BaseReachableTime);
        self.params_mut(iface, family).reachable_time = self.draw(base);
    }

    fn disarm(&mut self, key: Key, entry: &mut Entry<P>) {
        if let Some((at, serial)) = entry.deadline.take() {
            self.deadlines.remove(&(at, serial, key));
        }
    }

    fn arm(&mut self, key: Key, entry: &mut Entry<P>, at: Nanos) {
        self.disarm(key, entry);
        self.serial += 1;
        entry.deadline = Some((at, self.serial));
        self.deadlines.insert((at, self.serial, key));
    }

    /// As [`Core::arm`], for a timer that begins: what is confirmed has been used (`neigh_add_timer`).
    fn start(&mut self, key: Key, entry: &mut Entry<P>, at: Nanos) {
        entry.used = entry.used.max(entry.confirmed);
        self.arm(key, entry, at);
    }

    /// Tells the state of a neighbour to those who watch.
    pub(super) fn note(&mut self, key: Key, entry: &Entry<P>, deleted: bool) {
        if self.tells {
            let (mac, state, flags) = (entry.valid_mac(), entry.state, entry.flags);
            self.actions.push(Action::Tell { key, mac, state, flags, deleted });
        }
    }

    /// Brings what hangs on state and address up to date: workers and the collector.
    pub(super) fn settle(&mut self, key: Key, entry: &mut Entry<P>) {
        let mac = entry.valid_mac();
        if entry.shown != mac {
            entry.shown = mac;
            self.actions.push(match mac {
                Some(mac) => Action::Resolved(key, mac),
                None => Action::Unresolved(key),
            });
        }
        let watched = entry.state == State::Stale;
        if entry.watched != watched {
            entry.watched = watched;
            self.actions.push(Action::Watch(key, watched));
        }
        self.place(key, entry);
    }

    fn drop_waiting(&mut self, entry: &mut Entry<P>, why: Lost) {
        let waiting = entry.queue.take();
        self.drop_all(waiting, why);
    }

    fn drop_all(&mut self, packets: Vec<P>, why: Lost) {
        if !packets.is_empty() {
            self.held -= packets.len();
            self.actions.push(Action::Drop(why, packets));
        }
    }

    /// Asks once (`neigh_probe`).
    fn probe(&mut self, key: Key, entry: &mut Entry<P>) {
        let params = self.params_of(key);
        let (unicast, app) = (params.get(Var::UcastSolicit), params.get(Var::AppSolicit));
        let attempt = entry.probes;
        let unicast_left = u64::from(attempt) < unicast;
        self.actions.push(if !unicast_left && u64::from(attempt) < unicast + app {
            Action::Ask(key)
        } else {
            let mac = entry.mac.filter(|_| unicast_left);
            Action::Solicit { key, mac, attempt }
        });
        entry.probes = entry.probes.saturating_add(1);
    }

    /// Gives up (`neigh_invalidate`).
    fn invalidate(&mut self, now: Nanos, key: Key, entry: &mut Entry<P>) {
        self.table(key).stats.res_failed += 1;
        entry.updated = now as Stamp;
        self.settle(key, entry);
        let waiting = entry.queue.take();
        if !waiting.is_empty() {
            self.held -= waiting.len();
            self.actions.push(Action::Fail(key, waiting));
        }
    }

    /// A neighbour is to be used (`neigh_event_send`). False when packets have to wait for it; the
    /// packet, when there is one, is the caller's then.
    pub(super) fn wake(&mut self, now: Nanos, key: Key, entry: &mut Entry<P>) {
        entry.used = now as Stamp;
        match entry.state {
            State::None | State::Failed => {
                let params = self.params_of(key);
                let asks = params.get(Var::McastSolicit) + params.get(Var::AppSolicit) != 0;
                let (first, retrans) = (params.get(Var::UcastSolicit), params.retrans());
                entry.updated = now as Stamp;
                if asks {
                    entry.probes = u32::try_from(first).unwrap_or(u32::MAX);
                    entry.state = State::Incomplete;
                    self.start(key, entry, now.saturating_add(retrans));
                } else {
                    entry.state = State::Failed;
                }
                self.settle(key, entry);
            }
            State::Stale => {
                let delay = self.params_of(key).time(Var::DelayFirstProbeTime);
                entry.state = State::Delay;
                entry.updated = now as Stamp;
                self.start(key, entry, now.saturating_add(delay));
                self.settle(key, entry);
            }
            _ => {}
        }
    }

    /// [`Core::wake`], and the question that it may call for, with `packet` in the queue already.
    pub(super) fn send(
        &mut self,
        now: Nanos,
        key: Key,
        entry: &mut Entry<P>,
        packet: Option<(P, usize)>,
    ) {
        let before = entry.state;
        self.wake(now, key, entry);
        match (packet, entry.state) {
            (Some((packet, len)), State::Incomplete) => {
                let limit = self.params_of(key).get(Var::UnresQlenBytes);
                let over = entry.queue.push(packet, len, limit);
                self.held += 1;
                self.table(key).stats.unres_discards += over.len() as u64;
                self.drop_all(over, Lost::QueueFull);
            }
            (Some((packet, _)), State::None | State::Failed) => {
                self.held += 1;
                self.drop_all(vec![packet], Lost::Unasked);
            }
            // It was resolved while the packet was on its way here.
            (Some((packet, _)), _) => self.actions.push(Action::Release(key, vec![packet])),
            (None, _) => {}
        }
        if before != State::Incomplete && entry.state == State::Incomplete {
            self.probe(key, entry);
        }
    }

    /// A timer has run out (`neigh_timer_handler`).
    pub(super) fn expire(&mut self, now: Nanos, key: Key, entry: &mut Entry<P>) {
        entry.deadline = None;
        let stamp = now as Stamp;
        let params = self.params_of(key);
        let reachable = params.reachable_time as Stamp;
        let delay = params.time(Var::DelayFirstProbeTime) as Stamp;
        let (retrans, again) = (params.retrans() as Stamp, entry.state != State::Incomplete);
        let most = params.most_probes(again);
        let mut told = false;
        let next = match entry.state {
            State::Reachable if stamp <= entry.confirmed.saturating_add(reachable) => {
                entry.confirmed.saturating_add(reachable)
            }
            State::Reachable if stamp <= entry.used.saturating_add(delay) => {
                entry.state = State::Delay;
                entry.updated = stamp;
                stamp.saturating_add(delay)
            }
            State::Reachable => {
                entry.state = State::Stale;
                entry.updated = stamp;
                told = true;
                stamp
            }
            State::Delay if stamp <= entry.confirmed.saturating_add(delay) => {
                entry.state = State::Reachable;
                entry.updated = stamp;
                told = true;
                entry.confirmed.saturating_add(reachable)
            }
            State::Delay => {
                entry.state = State::Probe;
                entry.updated = stamp;
                entry.probes = 0;
                told = true;
                stamp.saturating_add(retrans)
            }
            State::Incomplete | State::Probe => stamp.saturating_add(retrans),
            _ => return,
        };
        let asking = matches!(entry.state, State::Incomplete | State::Probe);
        if asking && u64::from(entry.probes) >= most {
            entry.state = State::Failed;
            self.invalidate(now, key, entry);
            self.note(key, entry, false);
            return;
        }
        if entry.state.in_timer() {
            let soonest = now.saturating_add(SHORTEST_TIMER);
            self.arm(key, entry, soonest.max(Nanos::try_from(next).unwrap_or(0)));
        }
        self.settle(key, entry);
        if asking {
            self.probe(key, entry);
        }
        if told {
            self.note(key, entry, false);
        }
    }

    /// An update of an entry (`__neigh_update`).
    pub(super) fn update(
        &mut self,
        now: Nanos,
        key: Key,
        entry: &mut Entry<P>,
        mac: Option<MacAddr>,
        mut new: State,
        flags: UpdateFlags,
    ) -> Result<(), Refusal> {
        let (old, stamp) = (entry.state, now as Stamp);
        if !flags.admin && matches!(old, State::Noarp | State::Permanent) {
            return Err(Refusal::Locked);
        }
        let marks = entry.flags;
        if flags.admin {
            entry.flags.ext_learned = flags.ext_learned;
            entry.flags.managed = flags.managed;
        }
        let mut told = entry.flags != marks;
        if flags.probes || flags.managed {
            if old == State::Permanent {
                entry.state = State::None;
            }
            self.settle(key, entry);
            self.finish(key, entry, told);
            return Ok(());
        }
        if !new.is_valid() {
            self.disarm(key, entry);
            entry.state = new;
            told = old.is_valid();
            if matches!(old, State::Incomplete | State::Probe) && new == State::Failed {
                self.invalidate(now, key, entry);
                told = true;
            }
            self.settle(key, entry);
            self.finish(key, entry, told);
            return Ok(());
        }
        let known = entry.valid_mac();
        let Some(mut next) = mac.or(known) else {
            self.settle(key, entry);
            self.finish(key, entry, told);
            return Err(Refusal::NoAddress);
        };
        if new.is_connected() {
            entry.confirmed = stamp;
        }
        let mut router = flags.overrides_router;
        if let Some(known) = known {
            if next != known && !flags.overrides {
                router = false;
                if !(flags.weak && old.is_connected()) {
                    self.settle(key, entry);
                    self.finish(key, entry, told);
                    return Ok(());
                }
                next = known;
                new = State::Stale;
            } else if next == known && new == State::Stale && !flags.admin {
                new = old;
            }
        }
        let moved = known != Some(next);
        if new != old || moved {
            entry.updated = stamp;
        }
        if new != old {
            self.disarm(key, entry);
            if new == State::Probe {
                entry.probes = 0;
            }
            if new.in_timer() {
                let reachable = self.params_of(key).reachable_time;
                let wait = if new == State::Reachable { reachable } else { 0 };
                self.start(key, entry, now.saturating_add(wait));
            }
            entry.state = new;
            told = true;
        }
        if moved {
            entry.mac = Some(next);
            if !new.is_connected() {
                let base = self.params_of(key).time(Var::BaseReachableTime);
                entry.confirmed = stamp - 2 * base as Stamp;
            }
            told = true;
        }
        self.settle(key, entry);
        if !old.is_valid() {
            let waiting = entry.queue.take();
            if !waiting.is_empty() {
                self.held -= waiting.len();
                self.actions.push(Action::Release(key, waiting));
                // They use it.
                self.wake(now, key, entry);
            }
        }
        if router && entry.flags.router != flags.router {
            entry.flags.router = flags.router;
            told = true;
        }
        self.finish(key, entry, told);
        Ok(())
    }

    fn finish(&mut self, key: Key, entry: &Entry<P>, told: bool) {
        if told {
            self.note(key, entry, false);
        }
    }

    /// Ends an entry that is out of the table (`neigh_cleanup_and_release`).
    pub(super) fn bury(&mut self, key: Key, mut entry: Entry<P>) {
        self.disarm(key, &mut entry);
        self.unplace(key, &mut entry);
        if entry.watched {
            self.actions.push(Action::Watch(key, false));
        }
        if entry.shown.is_some() {
            self.actions.push(Action::Unresolved(key));
        }
        self.drop_waiting(&mut entry, Lost::Flushed);
        self.note(key, &entry, true);
        let table = self.table(key);
        table.entries -= 1;
        table.stats.destroys += 1;
    }
}

impl<P> Core<P> {
    /// The address that nobody needs to be asked for (`arp_constructor`, `ndisc_constructor`).
    pub(super) fn implied(&self, key: Key) -> Option<MacAddr> {
        match key.address {
            std::net::IpAddr::V4(group) if group.is_multicast() => {
                Some(MacAddr::of_ipv4_group(group))
            }
            std::net::IpAddr::V6(group) if group.is_multicast() => {
                let [.., a, b, c, d] = group.octets();
                Some(MacAddr::new([0x33, 0x33, a, b, c, d]))
            }
            std::net::IpAddr::V4(address) if address.is_broadcast() => Some(MacAddr::BROADCAST),
            _ => self.devices.get(&key.iface)?.fixed,
        }
    }
}
