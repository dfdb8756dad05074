//! What crosses to the workers: the rules of both families, and in which order a hook asks what.
//!
//! - takes: programs of the management core's compiler
//! - gives: [`Filter`], part of the snapshot; a packet meets one generation of all of it
//! - obeys: the kernel's hook priorities; ledger 9.33 to 9.49
//! - costs: nothing while there is none

use std::{net::IpAddr, sync::Arc};

use super::{
    Entry, Program, nft,
    queue::Served,
    rule::{CtZone, Family, Hook, TableName, priority},
};
use crate::{
    conntrack::{
        self, Addr, Dir, Policy, Rules, Template, Zone, helper::Helper, nat::cross::Net64,
        timeouts::SECOND, track::tcp::State,
    },
    graph::{MAX_IFACES, Nanos},
    sets::Sets,
};

/// Which part of a tuple a translation changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// One thing that is done at a hook.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The packet gets its connection.
    Track,
    /// A table's rules are met.
    Table(Entry),
    /// A base chain of nftables is met, by its number.
    Chain(u16),
    /// Addresses are translated; these say how, once a connection.
    Translate(Side, Lookups),
    /// A helper reads what applications say, and sequence numbers follow what it changed.
    Help,
    /// The connection becomes known.
    Confirm,
    /// Packets to the other family go there.
    Cross,
}

impl Step {
    /// The last turn behind which a packet can be told to go on.
    pub const LAST: u8 = 14;

    /// The turn of a step of a plan. Tables have the same in each plan; where there are chains of nftables
    /// as well, whose order anybody may choose, it is the place.
    pub fn turn(plan: &[Self], at: usize) -> u8 {
        match plan.iter().any(|step| matches!(step, Self::Chain(_))) {
            true => u8::try_from(at).unwrap_or(u8::MAX),
            false => plan[at].rank(),
        }
    }

    /// Its turn among all that there may be at a hook beside chains of nftables.
    const fn rank(&self) -> u8 {
        match self {
            Self::Chain(_) => 0,
            Self::Table(entry) => match entry.table {
                TableName::Raw => 0,
                TableName::Mangle => 2,
                TableName::Nat => 3,
                TableName::Filter => 4,
                TableName::Security => 5,
            },
            Self::Track => 1,
            Self::Translate(Side::Destination, _) => 3,
            Self::Translate(Side::Source, _) => 6,
            Self::Help => 7,
            Self::Confirm => 8,
            Self::Cross => 9,
        }
    }
}

/// Which of [`Filter::lookups`] a translation asks, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    from: u16,
    to: u16,
}

/// Rules that say how connections are translated.
#[derive(Clone, Copy, Debug)]
pub enum Lookup {
    /// A table.
    Table(Entry),
    /// A base chain of nftables, by its number.
    Chain(u16),
}

/// An address that an interface has lost, or with none the interface itself: connections that speak with
/// it by a masquerade end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Its place in the order of all losses, from 1.
    pub serial: u64,
    /// The interface.
    pub iface: u16,
    /// The address.
    pub address: Option<Addr>,
}

impl Lost {
    /// Whether a connection ends with it (`nf_nat_masquerade`: `inet_cmp`, `device_cmp`).
    pub fn ends(&self, entry: &conntrack::Entry) -> bool {
        entry.masquerade == u32::from(self.iface)
            && self.address.is_none_or(|address| entry.tuple(Dir::Reply).dst == address)
    }
}

/// What a hook asks, in order.
pub type Plan = Vec<Step>;

/// Number of the interface by which the router sends to itself: none of a port's.
pub const LOOPBACK: u16 = MAX_IFACES as u16;

/// The packet filter.
#[derive(Debug)]
pub struct Filter {
    programs: [Option<Arc<Program>>; 2],
    nft: Option<Arc<nft::Program>>,
    lookups: Vec<Lookup>,
    /// Chains of nftables that frames meet, by interface.
    ingress: Vec<Vec<u16>>,
    /// How many templates of connections the programs have.
    templates: [u16; 2],
    /// Whether rules count open connections.
    counting: [bool; 2],
    plans: [[Plan; 5]; 2],
    /// Helpers of the programs' templates, by their numbers.
    helpers: [Vec<u16>; 2],
    /// Gateways that rules copy packets to.
    gateways: Vec<IpAddr>,
    /// Whether connections are tracked.
    pub tracks: bool,
    /// Whether established flows go the short way.
    pub short: bool,
    /// Sysctls of connection tracking.
    pub rules: Rules,
    /// Sets that rules ask about.
    pub sets: Arc<Sets>,
    /// What interfaces have lost of late, oldest first.
    pub lost: Arc<[Lost]>,
    /// Queues that programs listen to.
    pub queues: Arc<[Served]>,
    /// Which addresses stand for ones of the other family.
    pub cross: Option<Net64>,
    /// Policy of timeouts of connections that go there.
    pub cross_policy: u16,
}

impl Filter {
    /// The filter of these programs; with `tracks` connections are tracked though no rule asks for it.
    pub fn new(
        programs: [Option<Arc<Program>>; 2],
        nft: Option<Arc<nft::Program>>,
        tracks: bool,
        rules: Rules,
    ) -> Self {
        let asks = programs.iter().flatten().any(|program| program.needs_tracking());
        let asked = nft.as_deref().is_some_and(|nft| nft.tracks.contains(&true));
        let tracks = tracks || asks || asked;
        let mut lookups = Vec::new();
        let mut plans = <[[Plan; 5]; 2]>::default();
        for (six, plans) in plans.iter_mut().enumerate() {
            let rules = (programs[six].as_deref(), nft.as_deref());
            for hook in Hook::ALL {
                plans[hook as usize] = Self::order(rules, six != 0, hook, tracks, &mut lookups);
            }
        }
        let helpers = [0, 1].map(|six| Self::helpers(programs[six].as_deref()));
        let mut gateways: Vec<IpAddr> =
            programs.iter().flatten().flat_map(|program| program.gateways()).collect();
        gateways.extend(nft.iter().flat_map(|nft| nft.gateways.iter().copied()));
        gateways.sort_unstable();
        gateways.dedup();
        let (sets, lost, queues) = (Arc::default(), Arc::new([]), Arc::new([]));
        let counts = |at: usize| programs[at].as_ref().is_some_and(|one| one.counts_connections());
        let counting = [0, 1].map(counts);
        let ingress = Self::ingress_of(nft.as_deref());
        let count = |at: usize| programs[at].as_ref().map_or(0, |one| one.template_count());
        let templates = [0, 1].map(count);
        let (cross, cross_policy, short) = (None, 0, false);
        Self {
            programs,
            nft,
            lookups,
            ingress,
            templates,
            counting,
            plans,
            helpers,
            gateways,
            tracks,
            short,
            rules,
            sets,
            lost,
            queues,
            cross,
            cross_policy,
        }
    }

    /// The same, where addresses stand for ones of the other family; connections have to be tracked.
    pub fn with_cross(mut self, net: Net64) -> Self {
        for plans in &mut self.plans {
            // Last of all, so that every table has had its word.
            for hook in [Hook::PreRouting, Hook::LocalOut] {
                plans[hook as usize].push(Step::Cross);
            }
        }
        // RFC 6146 section 4: five minutes of UDP, two hours and four minutes of TCP, four minutes where
        // that begins or ends, and one of questions.
        let mut timeouts = self.rules.timeouts;
        let least = |time: &mut Nanos, seconds: Nanos| *time = (*time).max(seconds * SECOND);
        timeouts.udp.iter_mut().for_each(|time| least(time, 300));
        timeouts.tcp[..State::Close as usize].iter_mut().for_each(|time| least(time, 240));
        least(&mut timeouts.tcp[State::Established as usize], 7440);
        least(&mut timeouts.icmpv6, 60);
        let policy = Policy { name: "nat64".to_owned(), six: None, proto: 0, timeouts };
        self.rules.policies.push(policy);
        Self { cross: Some(net), cross_policy: self.rules.policies.len() as u16, ..self }
    }

    /// The same, with these sets.
    pub fn with_sets(self, sets: Arc<Sets>) -> Self {
        Self { sets, ..self }
    }

    /// Numbers of the helpers that templates name; 0 where they name none.
    fn helpers(program: Option<&Program>) -> Vec<u16> {
        let templates = (0..).map_while(|number| program?.template(number));
        let number = |name: &String| Helper::named(name).map_or(0, Helper::number);
        templates.map(|ct| ct.helper.as_ref().map_or(0, number)).collect()
    }

    /// The steps of a hook by priority.
    ///
    /// Where two have the same, chains of nftables come before tables of iptables, and younger ones before
    /// older ones, as the kernel puts who registers later in front.
    fn order(
        (program, nft): (Option<&Program>, Option<&nft::Program>),
        six: bool,
        hook: Hook,
        tracks: bool,
        lookups: &mut Vec<Lookup>,
    ) -> Plan {
        use nft::{At, Kind};
        // A table that is there counts what passes, whether it has rules or not.
        let entry = |table: TableName| program?.entry(table, hook);
        let chains = || {
            let all = nft.into_iter().flat_map(|nft| nft.bases.iter()).enumerate();
            all.filter(move |(_, base)| base.family.takes(six) && base.at == At::Hook(hook))
        };
        let mut steps: Vec<(i32, Step)> = Vec::new();
        let translates = nft.is_some_and(|nft| {
            nft.bases.iter().any(|base| base.kind == Kind::Nat && base.family.takes(six))
        }) || program.is_some_and(|program| {
            program.entries().iter().any(|entry| entry.table == TableName::Nat)
        });
        let begins = matches!(hook, Hook::PreRouting | Hook::LocalOut);
        let ends = matches!(hook, Hook::LocalIn | Hook::PostRouting);
        if tracks && begins {
            steps.push((priority::CONNTRACK, Step::Track));
        }
        if tracks && translates && (begins || ends) {
            let from = lookups.len() as u16;
            let mut asked: Vec<(i32, Lookup)> = chains()
                .filter(|(_, base)| base.kind == Kind::Nat)
                .map(|(at, base)| (base.priority, Lookup::Chain(at as u16)))
                .collect();
            let table = TableName::Nat;
            asked.extend(entry(table).map(|at| (table.priority(hook), Lookup::Table(at))));
            asked.sort_by_key(|(priority, _)| *priority);
            lookups.extend(asked.into_iter().map(|(_, lookup)| lookup));
            let side = if begins { Side::Destination } else { Side::Source };
            let asked = Lookups { from, to: lookups.len() as u16 };
            steps.push((TableName::Nat.priority(hook), Step::Translate(side, asked)));
        }
        let filters = chains().filter(|(_, base)| base.kind != Kind::Nat);
        steps.extend(filters.map(|(at, base)| (base.priority, Step::Chain(at as u16))));
        for table in TableName::ALL.into_iter().filter(|table| *table != TableName::Nat) {
            steps.extend(entry(table).map(|at| (table.priority(hook), Step::Table(at))));
        }
        if tracks && ends {
            steps.push((priority::HELPER, Step::Help));
            steps.push((priority::CONFIRM, Step::Confirm));
        }
        steps.sort_by_key(|(priority, _)| *priority);
        steps.into_iter().map(|(_, step)| step).collect()
    }

    /// For each interface the chains that its frames meet.
    fn ingress_of(nft: Option<&nft::Program>) -> Vec<Vec<u16>> {
        let mut ingress: Vec<Vec<u16>> = Vec::new();
        for (number, base) in nft.into_iter().flat_map(|nft| nft.bases.iter()).enumerate() {
            if let nft::At::Ingress(iface) = base.at {
                let iface = usize::from(iface);
                ingress.resize(ingress.len().max(iface + 1), Vec::new());
                ingress[iface].push(number as u16);
            }
        }
        ingress
    }

    /// Chains of nftables that frames of an interface meet.
    #[inline]
    pub fn ingress(&self, iface: u16) -> &[u16] {
        self.ingress.get(usize::from(iface)).map_or(&[], Vec::as_slice)
    }

    /// Whether frames meet any.
    pub fn has_ingress(&self) -> bool {
        !self.ingress.is_empty()
    }

    /// The rules of nftables.
    pub fn nft(&self) -> Option<&nft::Program> {
        self.nft.as_deref()
    }

    /// A packet's meeting with a base chain of nftables, by its number.
    pub fn meeting(
        &self,
        number: u16,
        six: bool,
        hook: Hook,
        worker: usize,
    ) -> Option<nft::Meeting> {
        let base = *self.nft()?.bases.get(usize::from(number))?;
        Some(nft::Meeting { base, hook, worker, templates: self.templates[usize::from(six)] })
    }

    /// Whether what a chain of nftables changes may lead a packet of the router's own another way.
    pub fn may_reroute(&self, number: u16) -> bool {
        let base = self.nft().and_then(|nft| nft.bases.get(usize::from(number)));
        base.is_some_and(|base| base.kind == nft::Kind::Route)
    }

    /// Who says how connections are translated.
    pub fn lookups(&self, which: Lookups) -> &[Lookup] {
        self.lookups.get(which.from.into()..which.to.into()).unwrap_or_default()
    }

    /// Whether a program listens to a queue.
    pub fn is_served(&self, number: u16) -> bool {
        self.queues.iter().any(|served| served.has(number))
    }

    /// The rules of a family.
    pub fn program(&self, six: bool) -> Option<&Program> {
        self.programs[usize::from(six)].as_deref()
    }

    /// What a `CT` rule wants of the connection that a packet makes, by the number it left on it.
    pub fn template(&self, six: bool, number: u8, mark: u32) -> Option<Template> {
        let own = self.templates[usize::from(six)];
        let ct = match u16::from(number).checked_sub(own) {
            Some(number) => self.nft()?.templates.get(usize::from(number))?,
            None => self.program(six)?.template(number.into())?,
        };
        let mark = mark as u16;
        let zone = |id, original, reply| Zone { id, original, reply };
        let zone = ct.zone.map(|stated| match stated {
            CtZone::Both(id) => Zone::both(id),
            CtZone::Original(id) => zone(id, true, false),
            CtZone::Reply(id) => zone(id, false, true),
            CtZone::Mark => Zone::both(mark),
            CtZone::OriginalMark => zone(mark, true, false),
            CtZone::ReplyMark => zone(mark, false, true),
        });
        let policy = ct
            .timeout
            .as_ref()
            .and_then(|name| self.rules.policies.iter().position(|policy| policy.name == *name));
        let events = if ct.events == 0 { u16::MAX } else { ct.events as u16 };
        Some(Template {
            zone,
            helper: self.helpers[usize::from(six)].get(usize::from(number)).map_or(0, |n| *n),
            policy: policy.map_or(0, |at| at as u16 + 1),
            event_mask: events,
        })
    }

    /// A gateway that packets are copied to, by its number from 1.
    pub fn gateway(&self, number: u16) -> Option<IpAddr> {
        self.gateways.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// The number of a gateway that packets are copied to; 0 where it has none.
    pub fn gateway_number(&self, gateway: IpAddr) -> u16 {
        let place = self.gateways.iter().position(|known| *known == gateway);
        place.map_or(0, |place| u16::try_from(place + 1).unwrap_or(0))
    }

    /// Programs that count open connections.
    pub fn counting(&self) -> impl Iterator<Item = &Program> {
        let counting = self.programs.iter().zip(self.counting);
        counting.filter_map(|(program, counts)| program.as_deref().filter(|_| counts))
    }

    /// What a hook asks.
    #[inline]
    pub fn plan(&self, six: bool, hook: Hook) -> &Plan {
        &self.plans[usize::from(six)][hook as usize]
    }

    /// Whether packets of IPv4 meet it before anybody has looked at their addresses.
    pub fn looks_at_all4(&self) -> bool {
        !self.is_idle(false, Hook::PreRouting)
    }

    /// Whether it has a word about packets that the router itself sends.
    pub fn sees_own(&self, six: bool) -> bool {
        let hooks = [Hook::LocalOut, Hook::Forward, Hook::PostRouting];
        hooks.into_iter().any(|hook| !self.is_idle(six, hook))
    }

    /// Whether a hook asks nothing.
    pub fn is_idle(&self, six: bool, hook: Hook) -> bool {
        self.plan(six, hook).is_empty()
    }
}

/// The family of packets of IPv6 or not.
pub const fn family(six: bool) -> Family {
    if six { Family::Six } else { Family::Four }
}
