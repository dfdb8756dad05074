//! The tables: who is in them, what is said of them, and what time does.
//!
//! Each function is named after what happened; the kernel's is named beside it where there is one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    action::{Action, Lost, Refusal},
    core::{Core, Device, Table},
    entry::{Entry, EntryFlags, Family, Key, Stamp, State, UpdateFlags},
    params::{Params, REACHABLE_RENEWAL, SHORTEST_TIMER, Thresholds, Var},
    proxy::Proxies,
    stats::Stats,
};
use crate::{graph::Nanos, packet::MacAddr};

/// The tables.
#[derive(Debug)]
pub struct Neighbours<P> {
    pub(super) core: Core<P>,
    pub(super) entries: HashMap<Key, Entry<P>>,
    pub(super) proxies: Proxies<P>,
    managed: BTreeSet<Key>,
    next_managed: Option<Nanos>,
    limit: usize,
}

impl<P> Neighbours<P> {
    /// Empty tables for up to `limit` neighbours together; `seed` scatters the reachable times.
    pub fn new(limit: usize, seed: u64) -> Self {
        let table = |family| Table {
            params: Params::new(family),
            thresholds: Thresholds::of(limit),
            stats: Stats::default(),
            entries: 0,
            counted: 0,
            last_flush: 0,
            last_draw: 0,
            next_run: 0,
            forced: BTreeSet::new(),
            aged: BTreeSet::new(),
            buckets: 8,
        };
        let mut core = Core {
            tables: Family::ALL.map(table),
            devices: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            serial: 0,
            actions: Vec::new(),
            held: 0,
            seed: seed | 1,
            tells: false,
        };
        for family in Family::ALL {
            core.draw_all(family);
            let table = &mut core.tables[family as usize];
            table.next_run = table.params.reachable_time as Stamp;
        }
        Self {
            core,
            entries: HashMap::new(),
            proxies: Proxies::default(),
            managed: BTreeSet::new(),
            next_managed: None,
            limit,
        }
    }

    // ---- what there is ----

    /// Whether changes of state are to be told.
    pub fn tell(&mut self, wanted: bool) {
        self.core.tells = wanted;
    }

    /// Most neighbours, of both tables together.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// All neighbours, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Entry<P>)> {
        self.entries.iter()
    }

    /// One neighbour.
    pub fn get(&self, key: Key) -> Option<&Entry<P>> {
        self.entries.get(&key)
    }

    /// Entries of a table.
    pub fn count(&self, family: Family) -> usize {
        self.core.tables[family as usize].entries
    }

    /// What a table has counted.
    pub fn stats(&self, family: Family) -> &Stats {
        &self.core.tables[family as usize].stats
    }

    /// Counts a solicitation that was received.
    pub fn count_probe(&mut self, family: Family, multicast: bool) {
        let stats = &mut self.core.tables[family as usize].stats;
        if multicast {
            stats.rcv_probes_mcast += 1;
        } else {
            stats.rcv_probes_ucast += 1;
        }
    }

    /// Packets that wait for an answer, and questions that wait for one of ours.
    pub fn held(&self) -> usize {
        self.core.held
    }

    /// The packet that came last of those that wait for a neighbour: a question bears its source.
    pub fn hint(&self, key: Key) -> Option<&P> {
        self.entries.get(&key)?.queue.newest()
    }

    /// What the machine wants done, in order.
    pub fn take_actions(&mut self) -> Vec<Action<P>> {
        std::mem::take(&mut self.core.actions)
    }

    // ---- parameters ----

    /// An interface has appeared; with `fixed` nobody is asked there, and all are at that address.
    pub fn add_device(&mut self, iface: u16, fixed: Option<MacAddr>) {
        if let Some(device) = self.core.devices.get_mut(&iface) {
            device.fixed = fixed;
            return;
        }
        let params = [0, 1].map(|at| self.core.tables[at].params.for_device());
        self.core.devices.insert(iface, Device { params, fixed });
        for family in Family::ALL {
            self.core.draw_for(iface, family);
        }
    }

    /// An interface is there no more.
    pub fn remove_device(&mut self, iface: u16) {
        self.handle_link_down(iface);
        self.core.devices.remove(&iface);
    }

    /// Parameters of an interface, or a table's defaults.
    pub fn params(&self, iface: Option<u16>, family: Family) -> &Params {
        match iface {
            Some(iface) => self.core.params(iface, family),
            None => &self.core.tables[family as usize].params,
        }
    }

    /// Changes a parameter of an interface, or of all that follow a table's default.
    pub fn set_param(&mut self, iface: Option<u16>, family: Family, var: Var, value: u64) {
        let core = &mut self.core;
        let mut changed = Vec::new();
        match iface {
            Some(iface) => {
                core.params_mut(iface, family).set(var, value);
                changed.push(iface);
            }
            None => {
                core.tables[family as usize].params.set(var, value);
                for (&iface, device) in &mut core.devices {
                    if device.params[family as usize].follow(var, value) {
                        changed.push(iface);
                    }
                }
            }
        }
        match var {
            Var::BaseReachableTime => {
                if iface.is_none() {
                    core.draw_default(family);
                }
                for iface in changed {
                    core.draw_for(iface, family);
                }
            }
            Var::GcStaleTime => {
                let mut entries: Vec<(&Key, &mut Entry<P>)> = self.entries.iter_mut().collect();
                entries.retain(|(key, _)| key.family() == family);
                for (key, entry) in entries {
                    core.place(*key, entry);
                }
            }
            _ => {}
        }
    }

    /// Changes a parameter of an interface or a table's default, which only interfaces to come take
    /// over (`neightbl_set`).
    pub fn set_table_param(&mut self, iface: Option<u16>, family: Family, var: Var, value: u64) {
        if iface.is_some() {
            return self.set_param(iface, family, var, value);
        }
        self.core.tables[family as usize].params.set(var, value);
        if var == Var::BaseReachableTime {
            self.core.draw_default(family);
        }
    }

    /// Thresholds of a table.
    pub fn thresholds(&self, family: Family) -> &Thresholds {
        &self.core.tables[family as usize].thresholds
    }

    /// Changes the thresholds of a table.
    pub fn set_thresholds(&mut self, family: Family, thresholds: Thresholds) {
        self.core.tables[family as usize].thresholds = thresholds;
    }

    // ---- what happens ----

    /// Asks the table, and counts that (`neigh_lookup`).
    pub fn lookup(&mut self, key: Key) -> Option<&Entry<P>> {
        let found = self.entries.get(&key);
        let stats = &mut self.core.tables[key.family() as usize].stats;
        stats.lookups += 1;
        stats.hits += u64::from(found.is_some());
        found
    }

    /// An entry that is there or made now; false when there is no room (`___neigh_create`).
    pub fn create(&mut self, now: Nanos, key: Key) -> bool {
        self.create_as(now, key, State::None, EntryFlags::default())
    }

    fn create_as(&mut self, now: Nanos, key: Key, as_state: State, flags: EntryFlags) -> bool {
        if self.entries.contains_key(&key) {
            return true;
        }
        let exempt = as_state == State::Permanent || flags.ext_learned;
        if !self.make_room(now, key.family(), exempt) {
            return false;
        }
        let base = self.core.params_of(key).time(Var::BaseReachableTime);
        let stamp = now as Stamp;
        let mut entry = Entry::new(stamp, stamp - 2 * base as Stamp);
        entry.flags = flags;
        if let Some(mac) = self.core.implied(key) {
            entry.mac = Some(mac);
            entry.state = State::Noarp;
        }
        let table = self.core.table(key);
        table.stats.allocs += 1;
        table.entries += 1;
        if table.entries > table.buckets {
            table.buckets *= 2;
            table.stats.hash_grows += 1;
        }
        self.core.settle(key, &mut entry);
        self.entries.insert(key, entry);
        true
    }

    /// A packet of `len` bytes needs a neighbour.
    pub fn handle_packet(&mut self, now: Nanos, key: Key, packet: P, len: usize) {
        if !self.create(now, key) {
            self.core.actions.push(Action::Drop(Lost::TableFull, vec![packet]));
            return;
        }
        if let Some(entry) = self.entries.get_mut(&key) {
            self.core.send(now, key, entry, Some((packet, len)));
        }
    }

    /// Somebody wants to use a neighbour, and has no packet for it yet.
    pub fn handle_use(&mut self, now: Nanos, key: Key) {
        if self.create(now, key)
            && let Some(entry) = self.entries.get_mut(&key)
        {
            self.core.send(now, key, entry, None);
        }
    }

    /// A worker has used a neighbour whose address it knew.
    pub fn note_used(&mut self, now: Nanos, key: Key) {
        if let Some(entry) = self.entries.get_mut(&key)
            && entry.state.is_valid()
        {
            self.core.wake(now, key, entry);
        }
    }

    /// What was sent to a neighbour has arrived: somebody above knows (`neigh_confirm`).
    pub fn handle_confirmation(&mut self, now: Nanos, key: Key) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.confirmed = now as Stamp;
            self.core.place(key, entry);
        }
    }

    /// News of a neighbour that is in the table.
    ///
    /// # Errors
    /// When it is not there, is the administrator's, or has no address.
    pub fn update(
        &mut self,
        now: Nanos,
        key: Key,
        mac: Option<MacAddr>,
        state: State,
        flags: UpdateFlags,
    ) -> Result<(), Refusal> {
        let entry = self.entries.get_mut(&key).ok_or(Refusal::NotFound)?;
        self.core.update(now, key, entry, mac, state, flags)
    }

    /// Somebody who needs us told its address: it is known, but not confirmed (`neigh_event_ns`).
    /// False when there is no room for it.
    pub fn learn(&mut self, now: Nanos, key: Key, mac: MacAddr) -> bool {
        self.lookup(key);
        let there = self.create(now, key);
        // What the administrator has set stays.
        let _ = self.update(now, key, Some(mac), State::Stale, UpdateFlags::OVERRIDE);
        there
    }

    /// A neighbour that was not asked by us is heard to be at an address: what is known of it is
    /// brought up to date, and with `create` it becomes known. Two claims within `locktime` do not
    /// make it flap, unless the later one is `gratuitous` (the end of `arp_process`).
    pub fn hear(
        &mut self,
        now: Nanos,
        key: Key,
        mac: MacAddr,
        state: State,
        (create, gratuitous): (bool, bool),
    ) {
        if self.lookup(key).is_none() {
            if !create {
                return;
            }
            self.lookup(key);
            if !self.create(now, key) {
                return;
            }
        }
        let locktime = self.core.params_of(key).time(Var::Locktime) as Stamp;
        let updated = self.entries.get(&key).map_or(0, |entry| entry.updated);
        let overrides = gratuitous || now as Stamp > updated.saturating_add(locktime);
        let flags = UpdateFlags { overrides, ..UpdateFlags::default() };
        // What the administrator has set stays.
        let _ = self.update(now, key, Some(mac), state, flags);
    }

    /// The administrator sets a neighbour, whatever there was. False when the table is full.
    pub fn set(&mut self, now: Nanos, key: Key, mac: MacAddr, state: State) -> bool {
        self.create_as(now, key, state, EntryFlags::default())
            && self.update(now, key, Some(mac), state, UpdateFlags::ADMIN).is_ok()
    }

    /// The administrator states a neighbour (`neigh_add`); `flags` are completed here.
    ///
    /// # Errors
    /// When there is one and `exclusive`, none and not `create`, no room, or no address.
    #[expect(clippy::too_many_arguments, reason = "the words of one command")]
    pub fn administer(
        &mut self,
        now: Nanos,
        key: Key,
        mac: Option<MacAddr>,
        state: State,
        flags: UpdateFlags,
        protocol: u8,
        (create, exclusive, replace): (bool, bool, bool),
    ) -> Result<(), Refusal> {
        let mut flags = UpdateFlags { admin: true, ..flags };
        flags.overrides = true;
        flags.overrides_router = true;
        if self.lookup(key).is_none() {
            if !create {
                return Err(Refusal::NotFound);
            }
            if state == State::Permanent && flags.managed {
                return Err(Refusal::Permanent);
            }
            let marks = EntryFlags {
                router: false,
                ext_learned: flags.ext_learned,
                managed: flags.managed,
            };
            if !self.create_as(now, key, state, marks) {
                return Err(Refusal::Full);
            }
        } else if exclusive {
            return Err(Refusal::Exists);
        } else if !replace {
            flags.overrides = false;
            flags.overrides_router = false;
        }
        if let Some(entry) = self.entries.get_mut(&key)
            && protocol != 0
        {
            entry.protocol = protocol;
        }
        let done = self.update(now, key, mac, state, flags);
        self.manage(now, key);
        if done.is_ok() && (flags.probes || flags.managed) {
            self.handle_use(now, key);
        }
        done
    }

    /// Keeps the list of managed entries.
    fn manage(&mut self, now: Nanos, key: Key) {
        if self.entries.get(&key).is_some_and(|entry| entry.flags.managed) {
            self.managed.insert(key);
            let wait = self.core.tables[0].params.time(Var::IntervalProbeTime);
            self.next_managed.get_or_insert(now.saturating_add(wait));
        } else {
            self.managed.remove(&key);
        }
    }

    pub(super) fn bury(&mut self, key: Key) -> bool {
        self.managed.remove(&key);
        let gone = self.entries.remove(&key);
        gone.map(|entry| self.core.bury(key, entry)).is_some()
    }

    /// Forgets a neighbour; packets that wait for it are dropped. False when there is none.
    pub fn remove(&mut self, key: Key) -> bool {
        self.bury(key)
    }

    /// The administrator takes a neighbour away: it fails first (`neigh_delete`). False when there is
    /// none.
    pub fn delete(&mut self, now: Nanos, key: Key) -> bool {
        if self.lookup(key).is_none() {
            return false;
        }
        let flags = UpdateFlags { admin: true, ..UpdateFlags::OVERRIDE };
        let _ = self.update(now, key, None, State::Failed, flags);
        self.bury(key)
    }

    /// Forgets the neighbours of an interface in a table: its own address has changed, or it no longer
    /// asks (`neigh_changeaddr`). With `keep` those set by hand stay.
    pub fn flush_device(&mut self, iface: u16, family: Family, keep: bool) {
        let gone = |(key, entry): &(&Key, &Entry<P>)| {
            key.iface == iface
                && key.family() == family
                && !(keep && entry.state == State::Permanent)
        };
        let mut keys: Vec<Key> = self.entries.iter().filter(gone).map(|(key, _)| *key).collect();
        keys.sort_unstable();
        for key in keys {
            self.bury(key);
        }
    }

    /// An interface went down: its neighbours and proxies are forgotten (`neigh_ifdown`).
    pub fn handle_link_down(&mut self, iface: u16) {
        for family in Family::ALL {
            self.flush_device(iface, family, false);
            self.forget_proxies(iface, family, false);
        }
    }

    /// An interface has lost its link: its neighbours and proxies in a table are forgotten, but for
    /// those set by hand (`neigh_carrier_down`).
    pub fn handle_carrier_loss(&mut self, iface: u16, family: Family) {
        self.flush_device(iface, family, true);
        self.forget_proxies(iface, family, true);
    }

    // ---- time ----

    /// When [`Neighbours::poll`] has something to do.
    pub fn next_deadline(&self) -> Option<Nanos> {
        let timers = self.core.deadlines.first().map(|&(at, ..)| at);
        let managed = self.next_managed.filter(|_| !self.managed.is_empty());
        let all = [timers, managed, self.next_run(), self.proxies.next_deadline()];
        all.into_iter().flatten().min()
    }

    /// Lets time pass.
    pub fn poll(&mut self, now: Nanos) {
        while let Some(&(at, serial, key)) = self.core.deadlines.first()
            && at <= now
        {
            self.core.deadlines.remove(&(at, serial, key));
            if let Some(entry) = self.entries.get_mut(&key) {
                self.core.expire(now, key, entry);
            }
        }
        self.poll_managed(now);
        for family in Family::ALL {
            let table = &mut self.core.tables[family as usize];
            if now as Stamp > table.last_draw + REACHABLE_RENEWAL as Stamp {
                table.last_draw = now as Stamp;
                self.core.draw_all(family);
            }
        }
        self.collect(now);
        self.poll_proxies(now);
    }

    /// Keeps managed entries resolved (`neigh_managed_work`).
    fn poll_managed(&mut self, now: Nanos) {
        if self.managed.is_empty() {
            self.next_managed = None;
        }
        if self.next_managed.is_none_or(|at| at > now) {
            return;
        }
        for key in self.managed.clone() {
            if let Some(entry) = self.entries.get_mut(&key) {
                self.core.send(now, key, entry, None);
            }
        }
        let wait = self.core.tables[0].params.time(Var::IntervalProbeTime).max(SHORTEST_TIMER);
        self.next_managed = Some(now.saturating_add(wait));
    }
}

#[cfg(test)]
#[path = "machine/tests.rs"]
mod tests;
