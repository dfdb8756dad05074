//! The host side of IGMP and MLD on one interface: reports when something changes, when somebody
//! asks, and in the words of the oldest querier that is on the link.
//!
//! A machine without input or output: `handle_*` tells it what the world said, [`Host::hold`],
//! [`Host::join`] and their like what is wanted, [`Host::poll`] lets time pass, [`Host::take_actions`]
//! says what is to be sent.
//!
//! - obeys: RFC 3376 sections 5 and 7, RFC 3810 sections 6 and 8; rows [6.15] to [6.20], [8.151] to
//!   [8.156]

use super::{
    Group, Knobs, Mode, Outgoing, Protocol,
    filter::Change,
    members::Membership,
    protocol::Timing,
    report::{Of, Pack},
};
use crate::{
    graph::Nanos,
    packet::{
        generate::Random,
        record::{Query, RecordKind},
    },
};

const SECOND: Nanos = 1_000_000_000;
/// What changes together is told together: two of the kernel's ticks.
const SETTLE: Nanos = 8_000_000;
/// How long after a report of the kind the next is sent.
const QUERY_INTERVAL: Nanos = 125 * SECOND;
const RESPONSE_INTERVAL: Nanos = 10 * SECOND;

/// A timer that may run, and how often it shall run again.
#[derive(Clone, Copy, Debug, Default)]
struct Timer {
    at: Option<Nanos>,
    left: u8,
}

impl Timer {
    /// True once when the time has come.
    fn is_due(&mut self, now: Nanos) -> bool {
        self.at.take_if(|at| *at <= now).is_some()
    }
}

/// The machine of an interface.
pub struct Host<P: Protocol> {
    knobs: Knobs,
    up: bool,
    /// Newest first, as the kernel keeps them and tells of them.
    groups: Vec<Group<P::Address>>,
    /// Groups that are not listened to any more, as long as that is to be told.
    gone: Vec<Group<P::Address>>,
    pub(super) memberships: Vec<Membership<P::Address>>,
    timing: Timing,
    /// Until when queriers of version 1 and 2 are thought to be there.
    older: [Nanos; 2],
    /// An answer to a query for all groups.
    general: Option<Nanos>,
    change: Timer,
    /// What was told without an address to tell it from is told again.
    initial: Timer,
    random: Random,
    actions: Vec<Outgoing<P::Address>>,
}

impl<P: Protocol> Host<P> {
    /// The machine of an interface that is down; `seed` scatters its answers.
    pub fn new(knobs: Knobs, seed: u64) -> Self {
        Self {
            knobs,
            up: false,
            groups: Vec::new(),
            gone: Vec::new(),
            memberships: Vec::new(),
            timing: Self::first_timing(&knobs),
            older: [0; 2],
            general: None,
            change: Timer::default(),
            initial: Timer::default(),
            random: Random::new(seed),
            actions: Vec::new(),
        }
    }

    const fn first_timing(knobs: &Knobs) -> Timing {
        let robustness = knobs.robustness;
        Timing { robustness, interval: QUERY_INTERVAL, response: RESPONSE_INTERVAL }
    }

    /// The tunables.
    pub fn knobs(&self) -> &Knobs {
        &self.knobs
    }

    /// Replaces the tunables.
    pub fn set_knobs(&mut self, knobs: Knobs) {
        self.knobs = knobs;
    }

    /// Groups that are listened to, newest first.
    pub fn groups(&self) -> &[Group<P::Address>] {
        &self.groups
    }

    /// Whether packets to a group are wanted, from a source where one is named.
    pub fn permits(&self, group: P::Address, source: Option<P::Address>) -> bool {
        let known = self.groups.iter().find(|known| known.address == group);
        known.is_some_and(|known| source.is_none_or(|source| known.permits(source)))
    }

    /// The version that is spoken.
    pub fn version(&self, now: Nanos) -> u8 {
        let forced = self.knobs.force;
        if P::is_deaf(forced, 1) {
            return P::NEWEST;
        }
        let speaks = |version: u8| {
            version < P::NEWEST && (forced == version || self.older[usize::from(version) - 1] > now)
        };
        (1..P::NEWEST).find(|version| speaks(*version)).unwrap_or(P::NEWEST)
    }

    fn speaks_newest(&self, now: Nanos) -> bool {
        self.version(now) == P::NEWEST
    }

    /// Longest time to the next report that nobody asked for.
    fn unsolicited(&self, now: Nanos) -> Nanos {
        match self.speaks_newest(now) {
            true => self.knobs.unsolicited_new,
            false => self.knobs.unsolicited_old,
        }
        .max(1_000_000)
    }

    fn within(&mut self, now: Nanos, most: Nanos) -> Nanos {
        now + self.random.below(most)
    }

    /// The interface is up; what is listened to is told anew.
    pub fn handle_up(&mut self, now: Nanos) {
        if !self.up {
            self.rejoin(now);
        }
    }

    /// Tells all that is listened to anew, as if the interface had just come up: Linux does so for each
    /// address that it is given (`ipv6_find_idev`).
    pub fn rejoin(&mut self, now: Nanos) {
        self.up = true;
        self.timing = Self::first_timing(&self.knobs);
        self.older = [0; 2];
        let groups: Vec<P::Address> = self.groups.iter().map(|group| group.address).collect();
        for group in groups {
            self.revive(group);
            self.tell_new(now, group);
        }
    }

    /// The interface is down; nobody is told any more.
    pub fn handle_down(&mut self) {
        self.up = false;
        self.general = None;
        self.change = Timer::default();
        self.initial = Timer::default();
        self.gone.clear();
        self.actions.clear();
        for group in &mut self.groups {
            (group.timer, group.reporter, group.unsolicited) = (None, false, 0);
        }
    }

    /// There is an address now from which reports may come. [8.156]
    pub fn handle_address(&mut self, now: Nanos) {
        self.initial = Timer { at: None, left: self.timing.robustness };
        self.tell_initial(now);
    }

    fn tell_initial(&mut self, now: Nanos) {
        if !self.up || self.initial.left == 0 {
            return;
        }
        if self.speaks_newest(now) {
            let mut pack = Pack::<P>::new(&self.knobs);
            for group in &mut self.groups {
                let kind = match group.excludes {
                    0 => RecordKind::Allow,
                    _ => RecordKind::ToExclude,
                };
                pack.tell(group, Of { always: kind == RecordKind::ToExclude, ..Of::state(kind) });
            }
            let packets = pack.finish();
            self.actions.extend(packets);
        }
        self.initial.left -= 1;
        if self.initial.left > 0 {
            let most = self.unsolicited(now);
            self.initial.at = Some(self.within(now, most) + SETTLE);
        }
    }

    fn place(&self, group: P::Address) -> Option<usize> {
        self.groups.iter().position(|known| known.address == group)
    }

    /// One more listens to a group, whoever sends.
    pub fn hold(&mut self, now: Nanos, group: P::Address) {
        self.hold_as(now, group, Mode::Exclude);
    }

    pub(super) fn hold_as(&mut self, now: Nanos, group: P::Address, mode: Mode) {
        if let Some(place) = self.place(group) {
            self.groups[place].users += 1;
            self.filter(now, group, mode, &[], true);
            return;
        }
        self.groups.insert(0, Group::new(group, mode));
        self.revive(group);
        self.tell_new(now, group);
    }

    /// One less listens to a group; nothing where nobody did.
    pub fn release(&mut self, now: Nanos, group: P::Address) {
        let Some(place) = self.place(group) else { return };
        self.groups[place].users -= 1;
        if self.groups[place].users > 0 {
            return;
        }
        let mut left = self.groups.remove(place);
        if !self.up || P::is_silent(group, &self.knobs) {
            return;
        }
        let version = self.version(now);
        if version < P::NEWEST {
            if P::has_leave(version) && left.reporter {
                self.actions.push(Outgoing::Leave(group));
            }
            return;
        }
        left.left = self.timing.robustness;
        match left.mode {
            Mode::Include => {
                for source in left.sources.iter_mut().chain(&mut left.gone) {
                    source.left = self.timing.robustness;
                }
            }
            Mode::Exclude => {
                left.sources.clear();
                left.gone.clear();
            }
        }
        left.timer = None;
        self.gone.insert(0, left);
        self.tell_changes(now);
    }

    /// One less listens to a group that was held with [`Host::hold`].
    pub fn drop_hold(&mut self, now: Nanos, group: P::Address) {
        self.unfilter(now, group, Mode::Exclude, &[], true);
        self.release(now, group);
    }

    /// A group that is listened to again is not told to be gone any more.
    fn revive(&mut self, group: P::Address) {
        let Some(old) = self.gone.iter().position(|gone| gone.address == group) else { return };
        let old = self.gone.remove(old);
        let robustness = self.timing.robustness;
        let Some(place) = self.place(group) else { return };
        let known = &mut self.groups[place];
        match known.mode {
            Mode::Include => {
                known.gone = old.gone;
                known.sources = old.sources;
                for source in &mut known.sources {
                    source.left = robustness;
                    (source.include, source.exclude) = (0, 0);
                }
            }
            Mode::Exclude => known.left = robustness,
        }
    }

    /// Tells that a group is listened to from now on.
    fn tell_new(&mut self, now: Nanos, group: P::Address) {
        let Some(place) = self.place(group) else { return };
        if !self.up || P::is_silent(group, &self.knobs) {
            return;
        }
        let version = self.version(now);
        if version == P::NEWEST {
            // With sources to come there is no change of mode: nothing included is where it began.
            if self.groups[place].mode == Mode::Exclude {
                self.groups[place].left = self.timing.robustness;
            }
            self.tell_changes(now);
        } else if P::REPORTS_AT_ONCE {
            self.actions.push(Outgoing::Report(group, version));
            let most = self.unsolicited(now);
            let at = self.within(now, most);
            let known = &mut self.groups[place];
            known.timer = Some(known.timer.unwrap_or(at));
            known.reporter = true;
        } else {
            let known = &mut self.groups[place];
            known.unsolicited = self.knobs.robustness;
            known.timer = Some(now + SETTLE);
        }
    }

    /// There are changes to tell.
    fn tell_changes(&mut self, now: Nanos) {
        if self.up && self.speaks_newest(now) {
            self.change = Timer { at: Some(now + SETTLE), left: self.timing.robustness };
        }
    }

    fn note(&mut self, now: Nanos, change: Change) {
        if change != Change::None {
            self.tell_changes(now);
        }
    }

    pub(super) fn filter(
        &mut self,
        now: Nanos,
        group: P::Address,
        mode: Mode,
        sources: &[P::Address],
        whole: bool,
    ) {
        let robustness = self.timing.robustness;
        let Some(place) = self.place(group) else { return };
        let change = self.groups[place].add(mode, sources, whole, robustness);
        self.note(now, change);
    }

    pub(super) fn unfilter(
        &mut self,
        now: Nanos,
        group: P::Address,
        mode: Mode,
        sources: &[P::Address],
        whole: bool,
    ) {
        let (robustness, keeps) = (self.timing.robustness, self.speaks_newest(now));
        let Some(place) = self.place(group) else { return };
        let change = self.groups[place].remove(mode, sources, whole, robustness, keeps);
        if let Ok(change) = change {
            self.note(now, change);
        }
    }

    /// Somebody asks who listens.
    pub fn handle_query(&mut self, now: Nanos, query: &Query<P::Address>) {
        if !self.up {
            return;
        }
        let (asks, speaks) = (P::version(query), self.version(now));
        if P::is_deaf(self.knobs.force, asks) {
            return;
        }
        let mut some = None;
        // IGMPv1 asks for all groups, whatever a query of it or in its days says.
        let first = P::NEWEST == 3 && (asks == 1 || asks == P::NEWEST && speaks == 1);
        let all = P::is_general(query) || first;
        let delay = if asks < P::NEWEST {
            let Timing { robustness, interval, response } = self.timing;
            let until = now + Nanos::from(robustness) * interval + response;
            self.older[usize::from(asks) - 1] = until;
            self.forget_changes();
            P::delay(query, asks)
        } else if speaks < P::NEWEST {
            if P::OLD_STOPS_ANSWERS {
                self.forget_changes();
            }
            P::delay(query, speaks)
        } else {
            let delay = P::delay(query, speaks);
            let sources = match &query.newer {
                Some(newer) => {
                    P::learn(&mut self.timing, newer, delay, &self.knobs);
                    newer.sources.as_slice()
                }
                None => &[],
            };
            if P::is_general(query) {
                // A query for all groups names no sources.
                if sources.is_empty() {
                    let at = self.within(now, delay) + SETTLE;
                    self.general = Some(self.general.map_or(at, |before| before.min(at)));
                }
                return;
            }
            some = (!sources.is_empty()).then_some(sources);
            delay
        };
        for place in 0..self.groups.len() {
            let known = &mut self.groups[place];
            if !all && known.address != query.group || P::is_silent(known.address, &self.knobs) {
                continue;
            }
            known.some_asked = some.is_some() && (known.timer.is_none() || known.some_asked);
            let concerns = match some {
                Some(sources) if known.some_asked => known.ask(sources),
                _ => true,
            };
            if concerns {
                self.answer(now, place, delay);
            }
        }
    }

    /// Tells of a group within some time, sooner where that is under way.
    fn answer(&mut self, now: Nanos, place: usize, most: Nanos) {
        let at = self.within(now, most);
        let known = &mut self.groups[place];
        known.unsolicited = 0;
        if known.timer.is_none_or(|before| before >= now + most) {
            known.timer = Some(at);
        }
    }

    /// An old querier would not understand what is still to be told.
    fn forget_changes(&mut self) {
        self.change = Timer::default();
        if P::OLD_STOPS_ANSWERS {
            self.general = None;
        }
        self.gone.clear();
        for group in &mut self.groups {
            group.gone.clear();
        }
    }

    /// Somebody else told of a group, in an old version's words, to all who listen: we need not.
    pub fn handle_report(&mut self, group: P::Address) {
        if P::is_silent(group, &self.knobs) {
            return;
        }
        if let Some(place) = self.place(group) {
            let known = &mut self.groups[place];
            (known.timer, known.reporter, known.unsolicited) = (None, false, 0);
        }
    }

    /// When [`Host::poll`] has something to do.
    pub fn next_deadline(&self) -> Option<Nanos> {
        let own = [self.general, self.change.at, self.initial.at];
        own.into_iter().chain(self.groups.iter().map(|group| group.timer)).flatten().min()
    }

    /// Lets time pass.
    pub fn poll(&mut self, now: Nanos) {
        let version = self.version(now);
        for place in 0..self.groups.len() {
            let known = &mut self.groups[place];
            if known.timer.take_if(|at| *at <= now).is_none() {
                continue;
            }
            known.reporter = true;
            known.unsolicited = known.unsolicited.saturating_sub(1);
            if known.unsolicited > 0 {
                let most = self.unsolicited(now);
                self.groups[place].timer = Some(self.within(now, most) + SETTLE);
            }
            if version < P::NEWEST {
                self.actions.push(Outgoing::Report(self.groups[place].address, version));
            } else {
                let mut pack = Pack::<P>::new(&self.knobs);
                pack.state(&mut self.groups[place]);
                let packets = pack.finish();
                self.actions.extend(packets);
            }
        }
        if self.general.take_if(|at| *at <= now).is_some() {
            let mut pack = Pack::<P>::new(&self.knobs);
            self.groups.iter_mut().for_each(|group| pack.state(group));
            let packets = pack.finish();
            self.actions.extend(packets);
        }
        if self.change.is_due(now) {
            let mut pack = Pack::<P>::new(&self.knobs);
            self.gone.retain_mut(|group| pack.farewell(group));
            self.groups.iter_mut().for_each(|group| pack.change(group));
            let packets = pack.finish();
            self.actions.extend(packets);
            self.change.left = self.change.left.saturating_sub(1);
            if self.change.left > 0 {
                let most = self.unsolicited(now);
                self.change.at = Some(self.within(now, most) + SETTLE);
            }
        }
        if self.initial.is_due(now) {
            self.tell_initial(now);
        }
    }

    /// What is to be sent, in order.
    pub fn take_actions(&mut self) -> Vec<Outgoing<P::Address>> {
        std::mem::take(&mut self.actions)
    }
}
