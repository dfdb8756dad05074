//! Changes told to those who watch, as they are made.
//!
//! Without watchers nothing is kept. Each watcher has a queue of its own with bounded room; one that
//! is too slow is told that it missed something, as netlink does.
//!
//! - obeys: `rtnetlink(7)`; what the kernel tells and what it passes over in silence

use std::{collections::VecDeque, sync::Arc};

use ipnet::IpNet;

use super::Router;
use crate::{
    neighbour::control::{EntryFlags, Key, State},
    packet::{Bits, MacAddr},
    port::table::{Iface, IfaceAddr, IfaceAddr6},
    route::{
        control::RouteNote,
        nexthops::Object,
        rib::{Nexthop, RouteInfo},
        spec::RuleSpec,
    },
};

/// Changes that wait for one watcher.
const ROOM: usize = 4096;

/// A change.
#[derive(Clone, Debug)]
pub struct Event {
    /// It is there no more.
    pub deleted: bool,
    /// What it is, as it was at the time.
    pub what: What,
}

/// What has changed.
#[derive(Clone, Debug)]
pub enum What {
    /// An interface.
    Link(Iface),
    /// An address of an interface.
    Address(Iface, IfaceAddr),
    /// The same of IPv6.
    Address6(Iface, IfaceAddr6),
    /// A route.
    Route {
        /// Its prefix.
        prefix: IpNet,
        /// Its TOS.
        tos: u8,
        /// The rest of it.
        info: RouteInfo,
        /// Its next hops, those of its object when it has one.
        nexthops: Vec<Nexthop>,
    },
    /// A neighbour.
    Neighbour {
        /// Interface and address.
        key: Key,
        /// Its link-layer address.
        mac: Option<MacAddr>,
        /// Its state.
        state: State,
        /// Its marks.
        flags: EntryFlags,
        /// Nobody knows it, and those who watch are asked (`app_solicit`).
        missed: bool,
    },
    /// A rule.
    Rule(RuleSpec),
    /// A next-hop object.
    Nexthop(u32, Object),
}

#[derive(Default)]
struct Watcher {
    id: u64,
    queue: VecDeque<Arc<Event>>,
    missed: bool,
}

/// Those who watch.
#[derive(Default)]
pub(super) struct Events {
    watchers: Vec<Watcher>,
    next: u64,
}

/// What a watcher has to be told.
#[derive(Debug, Default)]
pub struct News {
    /// Changes, the oldest first.
    pub events: Vec<Arc<Event>>,
    /// There were more than there was room for.
    pub missed: bool,
}

impl Events {
    fn are_wanted(&self) -> bool {
        !self.watchers.is_empty()
    }

    fn push(&mut self, event: Event) {
        let event = Arc::new(event);
        for watcher in &mut self.watchers {
            if watcher.queue.len() < ROOM {
                watcher.queue.push_back(Arc::clone(&event));
            } else {
                watcher.missed = true;
            }
        }
    }
}

impl Router {
    /// Begins to watch; gives the watcher's number.
    pub fn watch(&mut self) -> u64 {
        self.events.next += 1;
        let id = self.events.next;
        self.events.watchers.push(Watcher { id, ..Watcher::default() });
        self.tell_watchers(true);
        id
    }

    /// Ends to watch.
    pub fn unwatch(&mut self, id: u64) {
        self.events.watchers.retain(|watcher| watcher.id != id);
        self.tell_watchers(self.events.are_wanted());
    }

    fn tell_watchers(&mut self, wanted: bool) {
        self.routes.journal = wanted.then(Vec::new);
        self.routes6.journal = wanted.then(Vec::new);
        self.neighbours.tell(wanted);
    }

    /// At most `most` changes that a watcher has not seen yet.
    pub fn news(&mut self, id: u64, most: usize) -> News {
        self.tell_routes();
        let Some(watcher) = self.events.watchers.iter_mut().find(|watcher| watcher.id == id) else {
            return News::default();
        };
        let count = watcher.queue.len().min(most);
        News {
            events: watcher.queue.drain(..count).collect(),
            missed: std::mem::take(&mut watcher.missed),
        }
    }

    /// Tells a change; what it is gets made only for watchers.
    pub(super) fn tell(&mut self, deleted: bool, what: impl FnOnce(&Self) -> Option<What>) {
        if !self.events.are_wanted() {
            return;
        }
        self.tell_routes();
        if let Some(what) = what(self) {
            self.events.push(Event { deleted, what });
        }
    }

    pub(super) fn tell_link(&mut self, index: u16) {
        self.tell(false, |router| {
            router.ifaces.iter().find(|iface| iface.index == index).cloned().map(What::Link)
        });
    }

    pub(super) fn tell_nexthop(&mut self, id: u32) {
        self.tell(false, |router| Some(What::Nexthop(id, router.objects.get(id)?.clone())));
    }

    /// Tells the routes through an object and the groups that it is in, whose next hops are others
    /// now.
    pub(super) fn tell_routes_through(&mut self, id: u32) {
        if !self.events.are_wanted() {
            return;
        }
        let mut ids = self.objects.groups_with(id);
        ids.push(id);
        let Self { routes, routes6, objects, .. } = self;
        routes.note_routes(objects, |info| ids.contains(&info.nhid));
        routes6.note_routes(objects, |info| ids.contains(&info.nhid));
        self.tell_routes();
    }

    /// Tells the changes of routes that were noted since the last time.
    fn tell_routes(&mut self) {
        let four = self.routes.journal.as_mut().map(std::mem::take).unwrap_or_default();
        let six = self.routes6.journal.as_mut().map(std::mem::take).unwrap_or_default();
        let all = four.into_iter().map(told).chain(six.into_iter().map(told));
        for event in all {
            self.events.push(event);
        }
    }
}

/// A change of a route as it is told.
fn told<B: Bits>((deleted, prefix, tos, info, nexthops): RouteNote<B>) -> Event {
    Event { deleted, what: What::Route { prefix: prefix.net(), tos, info, nexthops } }
}
