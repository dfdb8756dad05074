//! The router's state on the management core, and every change of it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, atomic::AtomicU64},
};

use ipnet::{IpNet, Ipv4Net};

use super::{
    events::Events, families::Kept, filter::Filtering, hosts::Hosts, journal::Journal,
    learned::Memory, martians::Martians, probe::Probes, queues::Queues, spec::Limits,
};
use crate::{
    dpdk::{mbuf::Packet, mempool::Pool},
    graph::{Nanos, Reason, trace::Session},
    icmp::{expected::Expected, table::Limits as IcmpLimits},
    neighbour::{
        control::{Action, Key, Neighbours, State},
        nodes::{PuntKind, Punted},
        table::NeighbourTables,
    },
    packet::{Bits, MacAddr},
    port::table::{Iface, Ifaces, LocalAddresses},
    publish::{Epochs, Publisher, Reader},
    route::{
        control::{RouteControl, RouteError, Verb},
        exceptions::Exceptions,
        family::FibWriter,
        hops::{Change, HopSpec, Hops},
        nexthops::Nexthops,
        policy::Policy,
        rib::{Prefix, RouteInfo},
        spec::{RouteSpec, RouteType, RuleSpec, proto, table},
    },
    tables::{IN_TRANSIT, Tables, Tunables},
    worker::Injected,
};

/// What was ever added by hand, so that the addresses of interfaces no longer tell alone which sources
/// there cannot be (`fib_has_custom_local_routes`, `fib4_has_custom_rules`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Custom {
    /// Local routes.
    pub(super) locals: bool,
    /// Rules.
    pub(super) rules: bool,
}

impl Custom {
    const fn any(self) -> bool {
        self.locals || self.rules
    }
}

/// The management core's state.
pub struct Router {
    limits: Limits,
    pub(super) ifaces: Vec<Iface>,
    pub(super) any_mac: bool,
    pub(super) stand_in: bool,
    pub(super) routes: RouteControl,
    pub(super) routes6: RouteControl<u128>,
    pub(super) objects: Nexthops,
    pub(super) hosts: Hosts,
    pub(super) events: Events,
    pub(super) rules: Vec<RuleSpec>,
    pub(super) rules6: Vec<RuleSpec>,
    pub(super) policy_dirty: bool,
    pub(super) custom: Custom,
    policy: Option<Arc<Policy>>,
    policy6: Option<Arc<Policy<u128>>>,
    pub(super) learned: Arc<Exceptions>,
    pub(super) memory: Memory,
    pub(super) now: Nanos,
    pub(super) min_pmtu: u16,
    pub(super) pmtu_holds: Nanos,
    pub(super) pmtu_holds6: Nanos,
    pub(super) martians: Martians,
    pub(super) journal: Journal,
    pub(super) queues: Queues,
    pub(super) probes: Probes,
    expected: Option<Arc<Expected>>,
    pub(super) hops: Hops,
    pub(super) plain_hops: HashMap<HopSpec, u32>,
    /// Hops to a gateway, by the neighbour that they need.
    pub(super) gateways: HashMap<Key, Vec<u32>>,
    pub(super) neighbours: Neighbours<Packet>,
    /// Hops to neighbours on links, for the table that workers ask, and for packets of IPv6 or not.
    pub(super) on_link: HashMap<(Key, bool), u32>,
    pub(super) neighbour_table: Arc<NeighbourTables>,
    pub(super) neighbour_slots: [usize; 2],
    pub(super) tunables: Tunables,
    pub(super) filtering: Filtering,
    features: Vec<&'static str>,
    clamp_mss: bool,
    defragment: bool,
    trace: Option<Arc<Session>>,
    pub(super) icmp_limits: Arc<IcmpLimits>,
    publisher: Publisher<Tables>,
    epochs: Arc<Epochs>,
    pub(super) dirty: bool,
    pub(super) links_dirty: bool,
    wiring: u64,
    generation: u64,
    pub(super) pool: Pool,
    pub(super) injected: Vec<Injected>,
    /// Packets that the management core ended, by reason.
    pub(super) dropped: HashMap<Reason, u64>,
    /// Packets that the management core made.
    pub made: u64,
    /// Times that an address was asked for.
    pub solicits: AtomicU64,
}

impl Router {
    /// A router without interfaces. `epochs` has a cell for each worker. With `any_mac` every
    /// unicast frame counts as addressed to the router; with `stand_in` a neighbour that nobody has
    /// set is given an address of its own instead of being asked for.
    pub fn new(
        limits: &Limits,
        epochs: Arc<Epochs>,
        pool: Pool,
        any_mac: bool,
        stand_in: bool,
        seed: u64,
    ) -> Self {
        let routes = RouteControl::<u32>::new(limits.routes, limits.fib_groups);
        let routes6 = RouteControl::<u128>::new(limits.routes, limits.fib_groups);
        let hops = Hops::new(limits.nexthops);
        let neighbour_table = Arc::new(NeighbourTables::new(64));
        let icmp_limits = Arc::new(IcmpLimits::default());
        let ifaces = Arc::new(Ifaces::default());
        let mut tunables = Tunables::default();
        tunables.multipath.seed = seed as u32;
        let tables = Tables {
            locals: Arc::new(LocalAddresses::new(&ifaces, false)),
            ifaces,
            custom_locals: false,
            fib: Arc::clone(routes.fib().table()),
            tries: Arc::clone(routes.tries().tables()),
            policy: None,
            fib6: Arc::clone(routes6.fib().table()),
            tries6: Arc::clone(routes6.tries().tables()),
            policy6: None,
            labels: Arc::default(),
            exceptions: Arc::default(),
            hops: Arc::clone(hops.table()),
            neighbours: Arc::clone(&neighbour_table),
            limits: Arc::clone(&icmp_limits),
            expected: None,
            tunables: tunables.clone(),
            wiring: 0,
            features: Vec::new(),
            filter: None,
            straight: [false; 2],
            trace: None,
            generation: 1,
        };
        let mut router = Self {
            limits: *limits,
            ifaces: Vec::new(),
            any_mac,
            stand_in,
            routes,
            routes6,
            objects: Nexthops::default(),
            hosts: Hosts { seed, ..Hosts::default() },
            events: Events::default(),
            rules: super::rules::initial(false),
            rules6: super::rules::initial(true),
            policy_dirty: false,
            custom: Custom::default(),
            policy: None,
            policy6: None,
            learned: Arc::default(),
            memory: Memory::default(),
            now: 0,
            min_pmtu: 552,
            pmtu_holds: 600_000_000_000,
            pmtu_holds6: 600_000_000_000,
            martians: Martians::default(),
            journal: Journal::new(),
            queues: Queues::default(),
            probes: Probes::new(seed),
            expected: None,
            hops,
            plain_hops: HashMap::new(),
            gateways: HashMap::new(),
            neighbours: Neighbours::new(limits.neighbours, seed),
            on_link: HashMap::new(),
            neighbour_table,
            neighbour_slots: [0; 2],
            tunables,
            filtering: Filtering::new(epochs.readers()),
            features: Vec::new(),
            clamp_mss: false,
            defragment: false,
            trace: None,
            icmp_limits,
            publisher: Publisher::new(tables),
            epochs,
            dirty: false,
            links_dirty: false,
            wiring: 0,
            generation: 1,
            pool,
            injected: Vec::new(),
            dropped: HashMap::new(),
            made: 0,
            solicits: AtomicU64::new(0),
        };
        router.begin_loopback();
        router
    }

    /// A reader of the tables, for one worker.
    pub fn reader(&self) -> Reader<Tables> {
        self.publisher.reader()
    }

    /// Interfaces, in the order of their indices.
    pub fn ifaces(&self) -> &[Iface] {
        &self.ifaces
    }

    /// The interface of a name.
    pub fn iface(&self, name: &str) -> Option<&Iface> {
        self.ifaces.iter().find(|iface| iface.name == name)
    }

    /// Routes of IPv4.
    pub fn routes(&self) -> &RouteControl {
        &self.routes
    }

    /// Routes of IPv6.
    pub fn routes6(&self) -> &RouteControl<u128> {
        &self.routes6
    }

    /// Next-hop objects.
    pub fn objects(&self) -> &Nexthops {
        &self.objects
    }

    /// Hops.
    pub fn hops(&self) -> &Hops {
        &self.hops
    }

    /// Neighbours.
    pub fn neighbours(&self) -> &Neighbours<Packet> {
        &self.neighbours
    }

    /// Changes parameters of neighbours, some of which time the search for duplicates too.
    pub fn with_neighbours<T>(&mut self, change: impl FnOnce(&mut Neighbours<Packet>) -> T) -> T {
        let done = change(&mut self.neighbours);
        self.refresh_hosts();
        done
    }

    /// Packets that the management core ended, by reason.
    pub fn dropped(&self) -> &HashMap<Reason, u64> {
        &self.dropped
    }

    /// Tunables.
    pub fn tunables(&self) -> &Tunables {
        &self.tunables
    }

    /// Changes tunables.
    pub fn set_tunables(&mut self, change: impl FnOnce(&mut Tunables)) {
        change(&mut self.tunables);
        self.dirty = true;
    }

    /// Bounds of the tables.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The trace under way.
    pub fn trace(&self) -> Option<&Arc<Session>> {
        self.trace.as_ref()
    }

    /// Follows packets for `session`, or none.
    pub fn set_trace(&mut self, session: Option<Arc<Session>>) {
        self.trace = session;
        self.wiring += 1;
        self.dirty = true;
    }

    /// Lowers the maximum segment size of TCP connections in transit to what their way carries.
    pub fn set_clamp_mss(&mut self, on: bool) {
        self.clamp_mss = on;
        self.links_changed();
    }

    /// Whether datagrams in transit are put together before their way is known, as features need that
    /// look further than at the header; they leave in pieces again.
    pub fn set_defragment(&mut self, on: bool) {
        self.defragment = on;
        self.links_changed();
    }

    /// Interfaces have changed: rules may name them, and features may hang on their tunables.
    pub(super) fn links_changed(&mut self) {
        self.dirty = true;
        self.links_dirty = true;
        self.policy_dirty = true;
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.ifaces.iter().position(|iface| iface.name == name)
    }

    /// Sources are looked at more closely from now on.
    pub(super) fn became_custom(&mut self, custom: Custom) {
        if self.custom != custom {
            self.custom = custom;
            self.links_changed();
        }
    }

    // ---- routes ----

    /// Changes a route.
    ///
    /// # Errors
    /// When the route cannot be as stated, is there, or is not.
    pub fn route(&mut self, verb: Verb, spec: &RouteSpec) -> Result<(), RouteError> {
        match spec.dst {
            IpNet::V4(dst) => self.route4(verb, spec, dst),
            IpNet::V6(_) => self.change_route::<u128>(verb, spec),
        }
    }

    fn route4(&mut self, verb: Verb, spec: &RouteSpec, dst: Ipv4Net) -> Result<(), RouteError> {
        let best = |router: &Self, dst: std::net::IpAddr| {
            let bits = u32::of(dst).unwrap_or_default();
            router.routes.rib().best(spec.table, bits)
        };
        let known = self.memory.within(dst.into(), |dst| best(self, dst));
        self.change_route::<u32>(verb, spec)?;
        // Another route has learned nothing yet.
        for (key, dst, route) in known {
            if best(self, dst) != route {
                self.forget(key);
            }
        }
        if spec.kind == RouteType::Local && spec.proto != proto::KERNEL && verb != Verb::Delete {
            self.became_custom(Custom { locals: true, ..self.custom });
        }
        Ok(())
    }

    fn change_route<B: Kept>(&mut self, verb: Verb, spec: &RouteSpec) -> Result<(), RouteError> {
        let before = B::routes(self).trie(spec.table);
        B::parts(self).with(|routes, world| routes.apply(verb, spec, world))?;
        self.dirty = true;
        // Rules name only tables that have routes.
        let emptied = verb == Verb::Delete
            && !matches!(spec.table, table::MAIN | table::LOCAL)
            && B::routes(self).rib().prefix_count(spec.table) == 0;
        if before != B::routes(self).trie(spec.table) || emptied {
            self.policy_changed();
        }
        self.note_hop_changes();
        Ok(())
    }

    /// Takes away all routes of IPv6 for which `gone` says so; gives their number.
    pub fn flush_routes6(&mut self, gone: impl Fn(Prefix<u128>, &RouteInfo) -> bool) -> usize {
        self.routes6.tells_flushed = true;
        let count = self.flush_of::<u128>(|_, prefix, info| gone(prefix, info));
        self.routes6.tells_flushed = false;
        self.dirty = true;
        count
    }

    /// Takes away all routes for which `gone` says so; gives their number.
    pub fn flush_routes(
        &mut self,
        gone: impl Fn(&RouteControl, Prefix, &RouteInfo) -> bool,
    ) -> usize {
        // What an operator takes away is told route by route.
        self.routes.tells_flushed = true;
        let count = self.flush_where(gone);
        self.routes.tells_flushed = false;
        self.dirty = true;
        count
    }

    /// Takes the routes of IPv6 away whose time is over.
    fn expire_routes(&mut self, now: Nanos) {
        if self.routes6.next_expiry().is_none_or(|end| end > now) {
            return;
        }
        self.routes6.tells_flushed = true;
        self.flush_of::<u128>(|_, _, info| info.expires.is_some_and(|end| end <= now));
        self.routes6.tells_flushed = false;
        self.dirty = true;
    }

    pub(super) fn note_hop_changes(&mut self) {
        // What hangs on a hop that is gone goes too, and may be the last user of others.
        loop {
            let changes = self.hops.take_changes();
            if changes.is_empty() {
                break;
            }
            for change in changes {
                self.note_hop_change(change);
            }
        }
        self.act(self.now);
    }

    fn note_hop_change(&mut self, change: Change) {
        match change {
            Change::Added(hop, HopSpec::Via { iface, gateway: Some(address), .. }) => {
                let key = Key { iface, address };
                self.gateways.entry(key).or_default().push(hop);
                if self.stand_in && self.neighbours.get(key).is_none() {
                    self.neighbours.set(self.now, key, stand_in_mac(address), State::Noarp);
                }
            }
            Change::Added(..) => {}
            Change::Removed(hop, spec) => {
                self.forget_hop(hop);
                let HopSpec::Via { iface, gateway: Some(address), .. } = spec else { return };
                let key = Key { iface, address };
                if let Some(hops) = self.gateways.get_mut(&key) {
                    hops.retain(|other| *other != hop);
                    if hops.is_empty() {
                        self.gateways.remove(&key);
                    }
                }
            }
        }
    }

    // ---- packets ----

    /// A worker left a packet to us.
    pub fn handle_punt(&mut self, now: Nanos, punted: Punted) {
        match punted.kind {
            PuntKind::Arp => self.handle_arp(now, punted.packet, false),
            PuntKind::Nd => self.handle_nd(now, punted.packet, false),
            PuntKind::Igmp => self.handle_igmp(now, punted.packet),
            PuntKind::Learn => {
                self.hear(now, &punted.packet);
                self.handle_error(now, punted.packet);
            }
            PuntKind::Martian => self.handle_martian(now, punted.packet),
            PuntKind::Resolve(iface, address) => {
                let key = Key { iface, address };
                if !self.ifaces.iter().any(|known| known.index == iface && known.up) {
                    self.drop_packet(punted.packet, Reason::LinkDown);
                    return;
                }
                if self.stand_in && self.neighbours.get(key).is_none() {
                    self.neighbours.set(now, key, stand_in_mac(address), State::Noarp);
                }
                let len = punted.packet.len();
                self.neighbours.handle_packet(now, key, punted.packet, len);
                self.act(now);
            }
        }
    }

    /// Lets time pass.
    pub fn poll(&mut self, now: Nanos) {
        self.now = self.now.max(now);
        self.neighbours.poll(now);
        self.act(now);
        self.poll_hosts(now);
        self.poll_probes(now);
        self.expire_exceptions(now);
        self.expire_routes(now);
        self.objects.poll(now, &mut self.hops);
        self.keep_ahead();
        self.poll_reclaim();
    }

    /// When [`Router::poll`] has something to do.
    pub fn next_deadline(&self) -> Option<Nanos> {
        let objects = self.objects.next_deadline();
        let (hosts, routes) = (self.hosts.next_deadline(), self.routes6.next_expiry());
        let neighbours = self.neighbours.next_deadline();
        [neighbours, self.next_exception(), objects, self.next_probe(), hosts, routes]
            .into_iter()
            .flatten()
            .min()
    }

    /// The tables as last published.
    pub(super) fn current(&self) -> Arc<Tables> {
        self.publisher.current()
    }

    /// Packets for the workers since the last call.
    pub fn take_injected(&mut self) -> Vec<Injected> {
        std::mem::take(&mut self.injected)
    }

    /// Packets that wait for a neighbour.
    pub fn held(&self) -> usize {
        self.neighbours.held()
    }

    /// Forgets packets that wait; for the end.
    pub fn clear(&mut self) {
        let keys: Vec<Key> = self.neighbours.iter().map(|(key, _)| *key).collect();
        for key in keys {
            self.neighbours.remove(key);
        }
        for action in self.neighbours.take_actions() {
            if let Action::Fail(_, packets) | Action::Drop(_, packets) = action {
                for packet in packets {
                    self.drop_packet(packet, Reason::Shutdown);
                }
            }
        }
        self.clear_queues();
        for injected in std::mem::take(&mut self.injected) {
            self.drop_packet(injected.packet, Reason::Shutdown);
        }
    }

    /// Publishes what has changed, and retires what it replaced.
    pub fn commit(&mut self) {
        if std::mem::take(&mut self.policy_dirty) {
            self.routes.prune();
            self.routes6.prune();
            self.policy = self.compile_policy().map(Arc::new);
            self.policy6 = self.compile_policy().map(Arc::new);
        }
        self.publish_exceptions();
        if self.links_dirty {
            self.recompile_filter();
            self.recompile_nft();
            self.note_lost();
        }
        if self.renew_filter() || self.links_dirty {
            self.choose_features();
        }
        if let Some(expected) = self.take_expected() {
            self.expected = expected;
            self.dirty = true;
        }
        let unlinked =
            self.hops.has_unlinked() || self.routes.has_unlinked() || self.routes6.has_unlinked();
        if self.dirty {
            self.dirty = false;
            self.generation += 1;
            let old = self.publisher.current();
            let (ifaces, locals) = if self.links_dirty {
                self.links_dirty = false;
                let ifaces = Ifaces::new(self.ifaces.clone(), self.any_mac);
                let locals = LocalAddresses::new(&ifaces, self.custom.any());
                (Arc::new(ifaces), Arc::new(locals))
            } else {
                (Arc::clone(&old.ifaces), Arc::clone(&old.locals))
            };
            let next = Tables {
                ifaces,
                locals,
                custom_locals: self.custom.locals,
                neighbours: Arc::clone(&self.neighbour_table),
                tunables: self.tunables.clone(),
                wiring: self.wiring,
                features: self.features.clone(),
                filter: self.filtering.filter.clone(),
                straight: self.straight(),
                trace: self.trace.clone(),
                generation: self.generation,
                fib: Arc::clone(&old.fib),
                tries: Arc::clone(&old.tries),
                policy: self.policy.clone(),
                fib6: Arc::clone(&old.fib6),
                tries6: Arc::clone(&old.tries6),
                policy6: self.policy6.clone(),
                labels: Arc::clone(&self.hosts.labels),
                exceptions: Arc::clone(&self.learned),
                hops: Arc::clone(&old.hops),
                limits: Arc::clone(&self.icmp_limits),
                expected: self.expected.clone(),
            };
            drop(old);
            self.publisher.publish(next, &self.epochs);
        }
        if unlinked {
            // Behind the publication, so that no cache of a worker still names what is retired.
            let epoch = self.epochs.advance();
            self.hops.retire(epoch);
            self.routes.retire(epoch);
            self.routes6.retire(epoch);
        }
        self.poll_reclaim();
    }

    /// Switches the nodes on that some interface's tunables want.
    fn choose_features(&mut self) {
        let filters =
            self.custom.locals || self.ifaces.iter().any(|iface| iface.conf.rp_filter != 0);
        let mut wanted = Vec::new();
        if filters {
            wanted.extend(["ip4-source-forward", "ip4-source-local"]);
        }
        if self.clamp_mss {
            wanted.push("ip4-clamp-mss");
        }
        if self.defragment {
            wanted.push("ip4-reassemble");
        }
        wanted.extend(self.filter_features());
        if self.features != wanted {
            self.features = wanted;
            self.wiring += 1;
        }
    }

    /// Whether plain packets in transit meet nothing but their route, of IPv4 and of IPv6.
    fn straight(&self) -> [bool; 2] {
        let asked = [
            self.policy.is_some() || !self.learned.no_transit() || self.tunables.destination_cache,
            self.policy6.is_some() || !self.learned.no_output6(),
        ];
        let free = |at: usize| !IN_TRANSIT[at].iter().any(|name| self.features.contains(name));
        // A traced packet shows each step of its way.
        [0, 1].map(|at| self.trace.is_none() && !asked[at] && free(at))
    }

    fn poll_reclaim(&mut self) {
        let safe = self.epochs.safe();
        self.publisher.reclaim(safe);
        self.hops.reclaim(safe);
        self.routes.reclaim(safe);
        self.routes6.reclaim(safe);
    }
}

/// A link-layer address for a neighbour that nobody can be asked for: locally administered, and
/// telling which address it stands for.
fn stand_in_mac(address: IpAddr) -> MacAddr {
    let [a, b, c, d] = match address {
        IpAddr::V4(four) => four.octets(),
        IpAddr::V6(six) => {
            let [.., a, b, c, d] = six.octets();
            [a, b, c, d]
        }
    };
    MacAddr::new([0x02, 0x57, a, b, c, d])
}
