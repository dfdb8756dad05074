//! `ip neighbour` and `ip ntable`, carried out.

use super::Desk;
use super::ip::{Done, Refused};
use crate::{
    control::NeighbourSpec,
    graph::Nanos,
    iproute2::{
        NeighCommand, NeighFilter, NeighSpec, NtableCommand, NtableParam, NtableSpec,
        NtableThreshold, NudState, Options,
        show::{self, NeighStats, NeighView, NtableView},
    },
    neighbour::control::{EntryFlags, Family, Key, Params, Proxied, State, UpdateFlags, Var},
    packet::MacAddr,
    route::control::Verb,
};

const SECOND: Nanos = 1_000_000_000;

/// States and their bits.
const STATES: [(State, NudState); 9] = [
    (State::None, NudState::NONE),
    (State::Incomplete, NudState::INCOMPLETE),
    (State::Reachable, NudState::REACHABLE),
    (State::Stale, NudState::STALE),
    (State::Delay, NudState::DELAY),
    (State::Probe, NudState::PROBE),
    (State::Failed, NudState::FAILED),
    (State::Noarp, NudState::NOARP),
    (State::Permanent, NudState::PERMANENT),
];

impl Desk<'_> {
    pub(super) fn neigh(&mut self, command: &NeighCommand, options: &Options) -> Done {
        match command {
            NeighCommand::Add(spec) => self.set_neighbour(Verb::Add, spec),
            NeighCommand::Replace(spec) => self.set_neighbour(Verb::Replace, spec),
            NeighCommand::Change(spec) => self.set_neighbour(Verb::Change, spec),
            NeighCommand::Del(spec) => {
                self.known(&spec.dev)?;
                let address = spec.addr;
                let done = match spec.proxy {
                    true => self.router.delete_proxy(Some(&spec.dev), address),
                    false => self.router.delete_neighbour(&spec.dev, address, self.now),
                };
                done.map_err(Refused::new)?;
                Ok(String::new())
            }
            NeighCommand::Flush(filter) => self.flush_neighbours(filter, options),
            NeighCommand::Show(filter) => {
                self.check_filter(filter.dev.as_ref())?;
                Ok(show::show_neighbours(&self.neigh_views(), filter, options))
            }
            NeighCommand::Get { addr, dev, proxy } => {
                self.known(dev)?;
                let mut views = self.neigh_views();
                views.retain(|view| view.dst == *addr && view.dev == *dev && view.proxy == *proxy);
                if views.is_empty() {
                    let proxy = if *proxy { "Proxy neighbour" } else { "Neighbour" };
                    return Err(Refused::new(format!("Error: {proxy} entry not found.")));
                }
                let filter = NeighFilter {
                    nud: Some(NudState(0xff)),
                    nud_none: true,
                    proxy: *proxy,
                    ..NeighFilter::default()
                };
                Ok(show::show_neighbours(&views, &filter, options))
            }
        }
    }

    fn set_neighbour(&mut self, verb: Verb, spec: &NeighSpec) -> Done {
        self.known(&spec.dev)?;
        let address = spec.addr;
        if spec.proxy {
            if spec.managed {
                return Err(Refused::new("Error: Invalid NTF_* flag combination."));
            }
            let entry = Proxied {
                router: spec.router,
                ext_learned: spec.extern_learn,
                protocol: spec.protocol,
                permanent: spec.nud == NudState::PERMANENT,
            };
            self.router.add_proxy(Some(&spec.dev), address, entry).map_err(Refused::new)?;
            return Ok(String::new());
        }
        // What is kept resolved is not permanent unless that is said.
        let managed = spec.managed && spec.nud == NudState::PERMANENT;
        let stated = if managed { NudState::NONE } else { spec.nud };
        let known = STATES.iter().find(|(_, nud)| *nud == stated);
        let &(state, _) = known.ok_or_else(Refused::invalid)?;
        let flags = UpdateFlags {
            router: spec.router,
            probes: spec.use_now,
            managed: spec.managed,
            ext_learned: spec.extern_learn,
            ..UpdateFlags::default()
        };
        let mac = spec.lladdr.map(MacAddr::new);
        let stated = NeighbourSpec { mac, state, flags, protocol: spec.protocol };
        self.router
            .set_neighbour(verb, &spec.dev, address, &stated, self.now)
            .map_err(Refused::new)?;
        Ok(String::new())
    }

    fn flush_neighbours(&mut self, filter: &NeighFilter, options: &Options) -> Done {
        self.check_filter(filter.dev.as_ref())?;
        let lasting = NudState::PERMANENT.0 | NudState::NOARP.0;
        let going = |view: &NeighView| {
            filter.accepts(view) && (filter.nud.is_some() || view.state & lasting == 0)
        };
        let going: Vec<_> = self.neigh_views().into_iter().filter(going).collect();
        if going.is_empty() {
            let told = options.statistics > 0;
            return Ok(if told { "Nothing to flush.\n".to_owned() } else { String::new() });
        }
        for view in going {
            let done = match view.proxy {
                true => {
                    let dev = Some(view.dev.as_str()).filter(|dev| !dev.is_empty());
                    self.router.delete_proxy(dev, view.dst)
                }
                false => self.router.delete_neighbour(&view.dev, view.dst, self.now),
            };
            done.map_err(Refused::new)?;
        }
        Ok(String::new())
    }

    fn neigh_views(&self) -> Vec<NeighView> {
        let neighbours = self.router.neighbours();
        let mut entries: Vec<(&Key, _)> = neighbours.iter().collect();
        entries.sort_by_key(|(key, _)| **key);
        let views = entries.into_iter().map(|(key, entry)| {
            let ages = entry.ages(self.now);
            let seconds = |age: Nanos| u32::try_from(age / SECOND).unwrap_or(u32::MAX);
            NeighView {
                stats: NeighStats {
                    // Its timer holds an entry.
                    refcnt: entry.state.in_timer().into(),
                    used: seconds(ages.used),
                    confirmed: seconds(ages.confirmed),
                    updated: seconds(ages.updated),
                    probes: entry.probes,
                },
                protocol: entry.protocol,
                ..self.neigh_view(*key, entry.mac, entry.state, entry.flags)
            }
        });
        let proxies = neighbours.proxies().map(|(iface, dst, entry)| NeighView {
            dst,
            dev: iface.map_or_else(String::new, |iface| self.name(iface)),
            lladdr: None,
            state: NudState::NONE.0,
            router: entry.router,
            proxy: true,
            managed: false,
            extern_learn: entry.ext_learned,
            protocol: entry.protocol,
            stats: NeighStats::default(),
        });
        views.chain(proxies).collect()
    }

    pub(super) fn neigh_view(
        &self,
        key: Key,
        mac: Option<MacAddr>,
        state: State,
        flags: EntryFlags,
    ) -> NeighView {
        NeighView {
            dst: key.address,
            dev: self.name(key.iface),
            lladdr: mac.filter(|_| state.is_valid()).map(MacAddr::octets),
            state: STATES.iter().find(|(known, _)| *known == state).map_or(0, |(_, nud)| nud.0),
            router: flags.router,
            proxy: false,
            managed: flags.managed,
            extern_learn: flags.ext_learned,
            protocol: 0,
            stats: NeighStats::default(),
        }
    }

    // ---- tables ----

    pub(super) fn ntable(&mut self, command: &NtableCommand, options: &Options) -> Done {
        match command {
            NtableCommand::Show(filter) => {
                if let Some(dev) = &filter.dev
                    && self.router.iface(dev).is_none()
                {
                    return Err(Refused::argument(dev, "\"DEV\" is invalid"));
                }
                Ok(show::show_ntables(&self.ntable_views(options), filter, options))
            }
            NtableCommand::Change(spec) => self.change_ntable(spec),
        }
    }

    fn change_ntable(&mut self, spec: &NtableSpec) -> Done {
        let iface = match &spec.dev {
            Some(dev) => Some(self.known(dev)?.index),
            None => None,
        };
        let family = Family::ALL.into_iter().find(|family| family.table() == spec.name);
        let missing = || Refused::new("RTNETLINK answers: No such file or directory");
        let family = family.ok_or_else(missing)?;
        self.router.with_neighbours(|neighbours| {
            for &(param, value) in &spec.params {
                let (var, value) = variable(param, value);
                neighbours.set_table_param(iface, family, var, value);
            }
            let mut thresholds = *neighbours.thresholds(family);
            for &(which, value) in &spec.thresholds {
                let number = usize::try_from(value).unwrap_or(usize::MAX);
                match which {
                    NtableThreshold::Thresh1 => thresholds.thresh1 = number,
                    NtableThreshold::Thresh2 => thresholds.thresh2 = number,
                    NtableThreshold::Thresh3 => thresholds.thresh3 = number,
                    NtableThreshold::Interval => thresholds.interval = value / 1000,
                }
            }
            neighbours.set_thresholds(family, thresholds);
        });
        Ok(String::new())
    }

    fn ntable_views(&self, options: &Options) -> Vec<NtableView> {
        let neighbours = self.router.neighbours();
        let mut views = Vec::new();
        for family in Family::ALL {
            if !options.family.takes(family == Family::Ndisc) {
                continue;
            }
            let (inet, key_len) = match family {
                Family::Arp => ("inet", 4),
                Family::Ndisc => ("inet6", 16),
            };
            let thresholds = neighbours.thresholds(family);
            let view = |dev: Option<String>, params: &Params| NtableView {
                family: inet,
                name: family.table(),
                dev,
                thresholds: None,
                config: [0; 4],
                params: shown(params),
                stats: Vec::new(),
            };
            let waiting = self.router.ifaces().iter();
            let waiting = waiting.map(|iface| neighbours.params(Some(iface.index), family));
            views.push(NtableView {
                thresholds: Some([
                    thresholds.thresh1 as u64,
                    thresholds.thresh2 as u64,
                    thresholds.thresh3 as u64,
                    thresholds.interval * 1000,
                ]),
                config: [
                    key_len,
                    crate::neighbour::control::ENTRY_SIZE as u64,
                    neighbours.count(family) as u64,
                    waiting.map(|params| params.proxied() as u64).sum(),
                ],
                stats: counters(neighbours.stats(family).all()),
                ..view(None, neighbours.params(None, family))
            });
            for iface in self.router.ifaces() {
                let params = neighbours.params(Some(iface.index), family);
                views.push(view(Some(iface.name.clone()), params));
            }
        }
        views
    }
}

/// The counters that `ip` knows.
fn counters(all: [(&'static str, u64); 12]) -> Vec<(&'static str, u64)> {
    const ORDER: [&str; 11] = [
        "allocs",
        "destroys",
        "hash_grows",
        "res_failed",
        "lookups",
        "hits",
        "rcv_probes_mcast",
        "rcv_probes_ucast",
        "periodic_gc_runs",
        "forced_gc_runs",
        "table_fulls",
    ];
    let find = |name: &&str| all.into_iter().find(|(known, _)| known == name);
    ORDER.iter().filter_map(find).collect()
}

/// Parameters as `ip ntable` prints them: times in milliseconds.
fn shown(params: &Params) -> [u64; 14] {
    let ms = |var| params.time(var) / 1_000_000;
    [
        1,
        params.reachable_time() / 1_000_000,
        ms(Var::BaseReachableTime),
        ms(Var::RetransTime),
        ms(Var::GcStaleTime),
        ms(Var::DelayFirstProbeTime),
        params.unres_qlen(),
        params.get(Var::AppSolicit),
        params.get(Var::UcastSolicit),
        params.get(Var::McastSolicit),
        ms(Var::AnycastDelay),
        ms(Var::ProxyDelay),
        params.get(Var::ProxyQlen),
        ms(Var::Locktime),
    ]
}

/// The parameter that a word means, and its value in the parameter's own unit.
fn variable(param: NtableParam, value: u64) -> (Var, u64) {
    match param {
        NtableParam::BaseReachable => (Var::BaseReachableTime, value),
        NtableParam::Retrans => (Var::RetransTime, value),
        NtableParam::GcStale => (Var::GcStaleTime, value / 1000),
        NtableParam::DelayProbe => (Var::DelayFirstProbeTime, value / 1000),
        NtableParam::Queue => (Var::UnresQlenBytes, Params::unres_qlen_bytes(value)),
        NtableParam::AppProbes => (Var::AppSolicit, value),
        NtableParam::UcastProbes => (Var::UcastSolicit, value),
        NtableParam::McastProbes => (Var::McastSolicit, value),
        NtableParam::AnycastDelay => (Var::AnycastDelay, value / 10),
        NtableParam::ProxyDelay => (Var::ProxyDelay, value / 10),
        NtableParam::ProxyQueue => (Var::ProxyQlen, value),
        NtableParam::Locktime => (Var::Locktime, value / 10),
    }
}
