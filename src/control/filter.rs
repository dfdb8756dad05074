//! The packet filter on the management core: rule sets, the programs made of them, sysctls of tracking.
//!
//! - takes: whole rule sets; a set that does not compile changes nothing
//! - gives: the [`Filter`] that workers read, and the nodes that have to be on for it
//! - obeys: a change of rules is one step for packets, and rules that stay keep their counts

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use super::Router;
use crate::{
    conntrack::{Addr, Rules, nat::cross::Net64},
    graph::Nanos,
    netfilter::{
        Fault, Program, Slots, compile,
        room::Room,
        rule::{Chain, Counters, Family, Hook, Match, Ruleset, TableName, Target},
        table::{Filter, LOOPBACK, Lost},
    },
    nftables::{self, Nft},
    port::table::Iface,
    sets::{self, Book, Said, Services},
};

/// What the operator has said about packets.
#[derive(Debug)]
pub(super) struct Filtering {
    rulesets: [Ruleset; 2],
    slots: [Slots; 2],
    programs: [Option<Arc<Program>>; 2],
    /// Rules of nftables, and how many workers count for them.
    nft: Nft,
    workers: usize,
    /// Connections are tracked though no rule asks for it.
    pub(super) tracks: bool,
    /// Which addresses stand for ones of the other family.
    cross: Option<Net64>,
    /// Established flows may go the short way.
    pub(super) short: bool,
    pub(super) rules: Rules,
    /// What workers read, made anew when something has changed.
    pub(super) filter: Option<Arc<Filter>>,
    pub(super) dirty: bool,
    /// Sets that rules ask about.
    sets: Book,
    /// Which interfaces were up, and their addresses.
    links: Vec<(u16, Vec<Addr>)>,
    /// What they have lost of late, and how much in all.
    lost: VecDeque<Lost>,
    losses: u64,
    /// Memory of workers for connections.
    rooms: Vec<Room>,
}

/// Most losses that workers are told of.
const LOST: usize = 256;

impl Filtering {
    /// Nothing is filtered yet; `workers` count.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            rulesets: [Ruleset::new(Family::Four), Ruleset::new(Family::Six)],
            slots: [Slots::new(workers), Slots::new(workers)],
            programs: [None, None],
            nft: Nft::default(),
            workers,
            tracks: false,
            cross: None,
            short: false,
            rules: Rules::default(),
            filter: None,
            dirty: false,
            sets: Book::default(),
            links: Vec::new(),
            lost: VecDeque::new(),
            losses: 0,
            rooms: Vec::new(),
        }
    }
}

impl Router {
    /// The rules of a family, with their counts as they are now.
    pub fn filter_rules(&self, six: bool) -> Ruleset {
        let at = usize::from(six);
        let mut rules = self.filtering.rulesets[at].clone();
        self.filtering.slots[at].fill(&mut rules);
        rules
    }

    /// Puts other rules in force for a family. Tables that are `renewed` count from what the rules say,
    /// as after `iptables-restore`; the rules of the others that stay keep their counts.
    ///
    /// # Errors
    /// What the kernel would refuse; then nothing has changed.
    pub fn set_filter_rules(&mut self, rules: Ruleset, renewed: &[TableName]) -> Result<(), Fault> {
        let at = usize::from(rules.family == Family::Six);
        let links = self.link_names();
        let links: Vec<(u16, &str)> =
            links.iter().map(|(index, name)| (*index, name.as_str())).collect();
        let program = compile(&rules, &links, &mut self.filtering.slots[at], renewed)?;
        self.filtering.programs[at] = (!rules.tables.is_empty()).then(|| Arc::new(program));
        self.filtering.rulesets[at] = rules;
        self.filter_changed();
        Ok(())
    }

    /// Lets counts of a family's rules begin again: of a table, of one chain, or of one rule of it by its
    /// place.
    pub fn zero_filter_counts(
        &mut self,
        six: bool,
        table: TableName,
        chain: Option<&str>,
        rule: Option<usize>,
    ) {
        self.filtering.slots[usize::from(six)].zero(table, chain, rule);
    }

    /// Carries a command of `ipset` out; `input` is what it would read.
    pub fn ipset(
        &mut self,
        words: &[String],
        input: Option<&str>,
        services: Services,
        now: Nanos,
    ) -> Said {
        let Filtering { rulesets, sets, .. } = &mut self.filtering;
        let uses = |name: &str| rulesets.iter().map(|rules| uses(rules, name)).sum();
        let said = sets.command(words, input, &sets::Around { now, uses: &uses, services });
        if sets.is_changed() {
            self.filter_changed();
        }
        said
    }

    /// What there is to tell of each set.
    pub fn set_census(&self, services: Services, now: Nanos) -> Vec<sets::Census> {
        let Filtering { rulesets, sets, .. } = &self.filtering;
        let uses = |name: &str| rulesets.iter().map(|rules| uses(rules, name)).sum();
        sets.census(&sets::Around { now, uses: &uses, services })
    }

    /// Carries a command of `nft` out; `input` is what it would read.
    pub fn nft(
        &mut self,
        words: &[String],
        input: Option<&str>,
        services: Services,
        now: Nanos,
    ) -> nftables::Said {
        let links = self.link_names();
        let links: Vec<(u16, &str)> =
            links.iter().map(|(index, name)| (*index, name.as_str())).collect();
        let ports = self.frame_links();
        let Filtering { nft, workers, .. } = &mut self.filtering;
        let before = nft.program().cloned();
        let around =
            nftables::Around { links: &links, ports: &ports, services, workers: *workers, now };
        let said = nft.command(words, input, &around);
        let same = match (&before, nft.program()) {
            (None, None) => true,
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            _ => false,
        };
        if !same {
            self.filter_changed();
        }
        said
    }

    /// Whether there is a set of this name.
    pub fn has_set(&self, name: &str) -> bool {
        self.filtering.sets.has(name)
    }

    /// Lets what came to the ends of the built-in chains of a table of a family count from 0.
    pub fn zero_policy_counts(&mut self, six: bool, table: TableName) {
        self.begin_policy_counts(six, table, |_| Counters::default());
    }

    /// Lets what came to the ends of the built-in chains of a table of a family count from what its rules
    /// say.
    pub fn renew_policy_counts(&mut self, six: bool, table: TableName) {
        self.begin_policy_counts(six, table, |chain| chain.counters);
    }

    fn begin_policy_counts(
        &mut self,
        six: bool,
        table: TableName,
        from: impl Fn(&Chain) -> Counters,
    ) {
        let Filtering { rulesets, slots, .. } = &mut self.filtering;
        let at = usize::from(six);
        if let Some(table) = rulesets[at].tables.iter().find(|known| known.name == table) {
            slots[at].begin_policies(table, from);
        }
    }

    /// Tracks connections though no rule asks for it.
    pub fn set_tracking(&mut self, on: bool) {
        self.filtering.tracks = on;
        self.filter_changed();
    }

    /// Translates between IPv6 and IPv4, for which connections are tracked.
    pub fn set_cross(&mut self, net: Net64) {
        self.filtering.cross = Some(net);
        self.set_tracking(true);
    }

    /// Lets established flows go the short way, where workers have room for them.
    pub fn set_flowtable(&mut self, on: bool) {
        self.filtering.short = on;
        self.filter_changed();
    }

    /// Changes sysctls of connection tracking.
    pub fn set_conntrack_rules(&mut self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.filtering.rules);
        self.filter_changed();
    }

    /// Sysctls of connection tracking.
    pub fn conntrack_rules(&self) -> &Rules {
        &self.filtering.rules
    }

    /// What workers read of the packet filter.
    pub fn filter(&self) -> Option<&Arc<Filter>> {
        self.filtering.filter.as_ref()
    }

    pub(super) fn filter_changed(&mut self) {
        self.filtering.dirty = true;
        self.dirty = true;
    }

    fn link_names(&self) -> Vec<(u16, String)> {
        let links = self.ifaces.iter().map(|iface| (iface.index, iface.name.clone()));
        links.chain([(LOOPBACK, "lo".to_owned())]).collect()
    }

    /// Interfaces by which frames come in.
    fn frame_links(&self) -> Vec<u16> {
        let ports = self.ifaces.iter().filter(|one| one.vlan.is_none() && one.vrf_table.is_none());
        ports.map(|iface| iface.index).collect()
    }

    /// Interfaces have come, gone or changed their names, which rules name.
    pub(super) fn recompile_filter(&mut self) {
        for at in 0..2 {
            if self.filtering.programs[at].is_none() {
                continue;
            }
            let links = self.link_names();
            let links: Vec<(u16, &str)> =
                links.iter().map(|(index, name)| (*index, name.as_str())).collect();
            let rules = &self.filtering.rulesets[at];
            // It has compiled before, and names of links are no cause to refuse it.
            if let Ok(program) = compile(rules, &links, &mut self.filtering.slots[at], &[]) {
                self.filtering.programs[at] = Some(Arc::new(program));
                self.filtering.dirty = true;
            }
        }
    }

    /// The same of rules of nftables.
    pub(super) fn recompile_nft(&mut self) {
        let links = self.link_names();
        let links: Vec<(u16, &str)> =
            links.iter().map(|(index, name)| (*index, name.as_str())).collect();
        let (ports, workers) = (self.frame_links(), self.filtering.workers);
        let services: Services = |_, _| None;
        let around =
            nftables::Around { links: &links, ports: &ports, services, workers, now: self.now };
        self.filtering.dirty |= self.filtering.nft.renew(&around);
    }

    /// Interfaces or their addresses have changed: connections that speak with what is gone are to end
    /// (`masq_device_event`, `masq_inet_event`).
    pub(super) fn note_lost(&mut self) {
        let addresses = |iface: &Iface| {
            let four = iface.addresses.iter().map(|own| IpAddr::V4(own.local.addr()));
            let six = iface.addresses6.iter().map(|own| IpAddr::V6(own.local.addr()));
            four.chain(six).map(Addr::from).collect()
        };
        let up = self.ifaces.iter().filter(|iface| iface.up);
        let now: Vec<(u16, Vec<Addr>)> = up.map(|own| (own.index, addresses(own))).collect();
        let filtering = &mut self.filtering;
        for (iface, had) in std::mem::replace(&mut filtering.links, now) {
            let have = filtering.links.iter().find(|link| link.0 == iface).map(|link| &link.1);
            let gone = match have {
                None => vec![None],
                Some(have) => had.into_iter().filter(|own| !have.contains(own)).map(Some).collect(),
            };
            for address in gone {
                filtering.losses += 1;
                filtering.lost.push_back(Lost { serial: filtering.losses, iface, address });
                filtering.dirty = true;
            }
        }
        while filtering.lost.len() > LOST {
            filtering.lost.pop_front();
        }
    }

    /// Makes what workers read anew, where something has changed. Says whether it has.
    pub(super) fn renew_filter(&mut self) -> bool {
        if !std::mem::take(&mut self.filtering.dirty) {
            return false;
        }
        let programs = self.filtering.programs.clone();
        let nft = self.filtering.nft.program().cloned();
        let mut filter =
            Filter::new(programs, nft, self.filtering.tracks, self.filtering.rules.clone())
                .with_sets(self.filtering.sets.sets());
        if let Some(net) = self.filtering.cross {
            filter = filter.with_cross(net);
        }
        filter.short = self.filtering.short && filter.tracks;
        filter.lost = self.filtering.lost.iter().copied().collect();
        filter.queues = self.queues.served().into();
        let idle = [false, true]
            .into_iter()
            .all(|six| Hook::ALL.into_iter().all(|hook| filter.is_idle(six, hook)))
            && !filter.has_ingress();
        self.filtering.filter = (!idle).then(|| Arc::new(filter));
        // Before any worker sees that connections are tracked.
        self.keep_ahead();
        true
    }

    /// Takes care that a worker never waits for the memory of its connections.
    pub fn add_room(&mut self, room: Room) {
        self.filtering.rooms.push(room);
        self.keep_ahead();
    }

    pub(super) fn keep_ahead(&mut self) {
        if let Some(filter) = &self.filtering.filter {
            self.filtering.rooms.iter_mut().for_each(|room| room.keep_ahead(filter));
        }
    }

    /// Whether the filter has a word about what the router itself sends.
    pub(super) fn filters_own(&self, six: bool) -> bool {
        self.filtering.filter.as_ref().is_some_and(|filter| filter.sees_own(six))
    }

    /// Nodes that have to be on for the filter.
    pub(super) fn filter_features(&self) -> Vec<&'static str> {
        let Some(filter) = &self.filtering.filter else { return Vec::new() };
        let mut wanted = Vec::new();
        let asks = |six, hooks: &[Hook]| hooks.iter().any(|hook| !filter.is_idle(six, *hook));
        let leaving = [Hook::Forward, Hook::PostRouting];
        if filter.has_ingress() {
            wanted.push("nf-ingress");
        }
        if asks(false, &[Hook::PreRouting]) {
            if filter.short {
                wanted.push("nf4-flowtable");
            }
            if filter.tracks {
                wanted.push("ip4-reassemble");
            }
            wanted.extend(["nf4-pre-routing", "ip4-addresses"]);
        }
        if asks(false, &[Hook::LocalIn]) {
            wanted.push("nf4-local-in");
        }
        if asks(false, &leaving) {
            wanted.extend(["ip4-transit", "nf4-forward"]);
        }
        if filter.sees_own(false) {
            wanted.push("nf4-local-out");
        }
        if asks(true, &[Hook::PreRouting]) {
            if filter.short {
                wanted.push("nf6-flowtable");
            }
            if filter.tracks {
                wanted.push("ip6-reassemble");
            }
            wanted.push("nf6-pre-routing");
        }
        if asks(true, &[Hook::LocalIn]) {
            wanted.push("nf6-local-in");
        }
        if asks(true, &leaving) {
            wanted.extend(["ip6-transit", "nf6-forward"]);
        }
        if filter.sees_own(true) {
            wanted.push("nf6-local-out");
        }
        wanted
    }
}

/// How many rules of a family refer to a set, one that does twice counted twice.
fn uses(rules: &Ruleset, name: &str) -> u32 {
    let chains = rules.tables.iter().flat_map(|table| &table.chains);
    let rules = chains.flat_map(|chain| &chain.rules);
    let counts = rules.map(|rule| {
        let asked = rule
            .matches
            .iter()
            .filter(|asked| matches!(asked, Match::Set(set) if set.name.value == name));
        let changed = match &rule.target {
            Target::Set(set) => [&set.add, &set.del, &set.map]
                .into_iter()
                .flatten()
                .filter(|(changed, _)| changed == name)
                .count(),
            _ => 0,
        };
        (asked.count() + changed) as u32
    });
    counts.sum()
}
