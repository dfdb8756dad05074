//! Telling hosts of a link what holds there: router advertisements, in time and on request.
//!
//! - takes: what is configured, solicitations, time
//! - gives: advertisements to be sent
//! - obeys: RFC 4861 section 6.2, RFC 4191, RFC 7772 section 5 (unicast answers), RFC 8106, RFC 8781,
//!   RFC 8910; the words and figures are radvd's; rows [8.71] to [8.73], [8.84], [8.87]

use std::net::Ipv6Addr;

use super::SECOND;
use crate::{
    graph::Nanos,
    packet::{
        MacAddr,
        generate::Random,
        ndisc::{
            ALL_NODES, Item, Items, Pref64, Preference, PrefixInfo, RouteInfo, RouterAdvertisement,
            RouterSolicitation,
        },
    },
};

/// Longest wait before the first advertisements.
const INITIAL_INTERVAL: Nanos = 16 * SECOND;
const INITIAL_COUNT: u32 = 3;
/// Longest delay of an answer.
const ANSWER_DELAY: Nanos = SECOND / 2;
/// Answers to single hosts that wait at once; who comes after them hears what all hear.
const MOST_ANSWERS: usize = 64;
/// Validity that remains to a prefix that is taken back (RFC 4862 section 5.5.3).
const TWO_HOURS: u32 = 7200;
const FOREVER: u32 = u32::MAX;
/// Bytes of an advertisement before its options, from the IPv6 header on.
const OVERHEAD: usize = 40 + 16;

/// A prefix that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// What is told of it; its lifetimes are those at the start where they decrease.
    pub info: PrefixInfo,
    /// Its lifetimes decrease as time goes (`DecrementLifetimes`).
    pub decrements: bool,
    /// It is taken back when the router goes (`DeprecatePrefix`).
    pub deprecates: bool,
}

impl Prefix {
    /// A prefix on the link of which hosts make addresses, with radvd's lifetimes.
    pub const fn new(prefix: Ipv6Addr, len: u8) -> Self {
        let info = PrefixInfo {
            prefix,
            len,
            on_link: true,
            autonomous: true,
            router_address: false,
            prefers_delegation: false,
            valid: 86_400,
            preferred: 14_400,
        };
        Self { info, decrements: false, deprecates: false }
    }
}

/// A route that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its prefix, rank and lifetime; the lifetime is three intervals where none is given.
    pub prefix: Ipv6Addr,
    /// Length of its prefix.
    pub len: u8,
    /// Its rank.
    pub preference: Preference,
    /// Seconds for which it holds.
    pub lifetime: Option<u32>,
    /// It is taken back when the router goes (`RemoveRoute`).
    pub removes: bool,
}

/// Servers of names that are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    /// Their addresses.
    pub servers: Vec<Ipv6Addr>,
    /// Seconds for which they may be asked; three intervals where nothing is given.
    pub lifetime: Option<u32>,
    /// They are taken back when the router goes (`FlushRDNSS`).
    pub flushes: bool,
}

/// Domains that are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domains {
    /// Where short names are looked for.
    pub domains: Vec<String>,
    /// Seconds for which that holds; three intervals where nothing is given.
    pub lifetime: Option<u32>,
    /// They are taken back when the router goes (`FlushDNSSL`).
    pub flushes: bool,
}

/// What an interface tells, by radvd's words in the comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Longest time between advertisements (`MaxRtrAdvInterval`).
    pub max_interval: Nanos,
    /// Shortest (`MinRtrAdvInterval`); nothing for a third of the longest.
    pub min_interval: Option<Nanos>,
    /// Shortest time between two that all hear (`MinDelayBetweenRAs`).
    pub min_delay: Nanos,
    /// Advertisements are sent in answer alone, never to all (`UnicastOnly`).
    pub unicast_only: bool,
    /// A host that asks is answered alone (`AdvRASolicitedUnicast`).
    pub unicast_answers: bool,
    /// Addresses are to be had by DHCPv6 (`AdvManagedFlag`).
    pub managed: bool,
    /// Other things are to be had by DHCPv6 (`AdvOtherConfigFlag`).
    pub other: bool,
    /// MTU of the link (`AdvLinkMTU`).
    pub mtu: Option<u32>,
    /// Milliseconds for which neighbours count as reachable (`AdvReachableTime`).
    pub reachable_time: u32,
    /// Milliseconds between questions (`AdvRetransTimer`).
    pub retrans_timer: u32,
    /// Hop limit of what hosts send (`AdvCurHopLimit`).
    pub hop_limit: u8,
    /// Seconds for which this is a default router (`AdvDefaultLifetime`); three intervals where nothing
    /// is given.
    pub lifetime: Option<u16>,
    /// Rank among default routers (`AdvDefaultPreference`).
    pub preference: Preference,
    /// It is told where the router is (`AdvSourceLLAddress`).
    pub source_mac: bool,
    /// Prefixes.
    pub prefixes: Vec<Prefix>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Servers of names.
    pub servers: Vec<Servers>,
    /// Where short names are looked for.
    pub domains: Vec<Domains>,
    /// Where the captive portal tells of itself (`AdvCaptivePortalAPI`).
    pub captive_portal: Option<String>,
    /// Prefixes of NAT64 (`nat64prefix`).
    pub nat64: Vec<Pref64>,
    /// Hosts that alone are told, where there are any (`clients`).
    pub clients: Vec<Ipv6Addr>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_interval: 600 * SECOND,
            min_interval: None,
            min_delay: 3 * SECOND,
            unicast_only: false,
            unicast_answers: true,
            managed: false,
            other: false,
            mtu: None,
            reachable_time: 0,
            retrans_timer: 0,
            hop_limit: 64,
            lifetime: None,
            preference: Preference::Medium,
            source_mac: true,
            prefixes: Vec::new(),
            routes: Vec::new(),
            servers: Vec::new(),
            domains: Vec::new(),
            captive_portal: None,
            nat64: Vec::new(),
            clients: Vec::new(),
        }
    }
}

/// Why settings cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// RFC 4861 section 6.2.1: 4 to 1800 seconds.
    #[error("max-interval must be between 4 and 1800 seconds")]
    MaxInterval,
    /// RFC 4861 section 6.2.1: 3 seconds to three quarters of the longest.
    #[error("min-interval must be between 3 seconds and 3/4 of max-interval")]
    MinInterval,
    /// RFC 8319 section 4: zero, or from the longest interval on.
    #[error("lifetime must be 0 or at least max-interval")]
    Lifetime,
    /// A prefix whose addresses are preferred longer than they are valid.
    #[error("preferred lifetime is longer than the valid one")]
    Preferred,
    /// A prefix that is the link's own or a group's.
    #[error("a link-local or multicast prefix cannot be advertised")]
    Prefix,
}

impl Settings {
    /// Whether the settings can be.
    pub fn check(&self) -> Result<(), SettingsError> {
        if !(4 * SECOND..=1800 * SECOND).contains(&self.max_interval) {
            return Err(SettingsError::MaxInterval);
        }
        let longest = self.max_interval / 4 * 3;
        if self.min_interval.is_some_and(|min| !(3 * SECOND..=longest).contains(&min)) {
            return Err(SettingsError::MinInterval);
        }
        let least = self.max_interval / SECOND;
        if self.lifetime.is_some_and(|lifetime| lifetime != 0 && Nanos::from(lifetime) < least) {
            return Err(SettingsError::Lifetime);
        }
        for Prefix { info, .. } in &self.prefixes {
            if info.preferred > info.valid {
                return Err(SettingsError::Preferred);
            }
            if info.prefix.is_multicast() || info.prefix.is_unicast_link_local() {
                return Err(SettingsError::Prefix);
            }
        }
        Ok(())
    }

    /// The shortest time between advertisements to all.
    fn min_interval(&self) -> Nanos {
        let third = self.max_interval / 100 * 33;
        let usual = if self.max_interval >= 9 * SECOND { third } else { self.max_interval / 4 * 3 };
        self.min_interval.unwrap_or(usual).max(3 * SECOND).min(self.max_interval)
    }

    /// Three intervals, in seconds.
    fn three(&self) -> u32 {
        u32::try_from(3 * self.max_interval / SECOND).unwrap_or(FOREVER)
    }
}

/// The machine of an interface.
#[derive(Debug)]
pub struct Advertiser {
    settings: Settings,
    /// Our address of the link, while the link is up.
    source: Option<Ipv6Addr>,
    mac: MacAddr,
    mtu: usize,
    /// When what decreases began to.
    since: Nanos,
    sent: u32,
    last: Option<Nanos>,
    next: Option<Nanos>,
    answers: Vec<(Nanos, Ipv6Addr)>,
    /// The router has said that it goes.
    ceased: bool,
    random: Random,
    actions: Vec<RouterAdvertisement>,
}

impl Advertiser {
    /// The device has another link-layer address.
    pub fn set_mac(&mut self, mac: MacAddr) {
        self.mac = mac;
    }

    /// The machine of an interface that has no address yet.
    pub fn new(now: Nanos, settings: Settings, mac: MacAddr, mtu: u32, seed: u64) -> Self {
        Self {
            settings,
            source: None,
            mac,
            mtu: mtu as usize,
            since: now,
            sent: 0,
            last: None,
            next: None,
            answers: Vec::new(),
            ceased: false,
            random: Random::new(seed),
            actions: Vec::new(),
        }
    }

    /// What is told.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Advertisements sent to all since the link came up.
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// Tells something else from now on, and soon.
    pub fn set_settings(&mut self, now: Nanos, settings: Settings) {
        if settings == self.settings {
            return;
        }
        self.settings = settings;
        self.since = now;
        self.ceased = false;
        if self.source.is_some() {
            self.start(now);
        }
    }

    fn start(&mut self, now: Nanos) {
        self.sent = 0;
        self.next = (!self.settings.unicast_only).then(|| self.not_before(now));
    }

    /// The link is up and has an address to tell from.
    pub fn handle_up(&mut self, now: Nanos, source: Ipv6Addr) {
        if self.source != Some(source) && !self.ceased {
            self.source = Some(source);
            self.start(now);
        }
    }

    /// The link is down, or has no such address any more.
    pub fn handle_down(&mut self) {
        self.source = None;
        self.next = None;
        self.answers.clear();
    }

    /// The earliest time for another advertisement to all.
    fn not_before(&self, now: Nanos) -> Nanos {
        self.last.map_or(now, |last| now.max(last + self.settings.min_delay))
    }

    fn is_client(&self, host: Ipv6Addr) -> bool {
        self.settings.clients.is_empty() || self.settings.clients.contains(&host)
    }

    /// A host asks. [8.72]
    pub fn handle_solicitation(&mut self, now: Nanos, heard: &RouterSolicitation) {
        if self.source.is_none() || !self.is_client(heard.src) {
            return;
        }
        let at = now + self.random.below(ANSWER_DELAY);
        let unicast = self.settings.unicast_answers || self.settings.unicast_only;
        if unicast && !heard.src.is_unspecified() {
            let waits = self.answers.iter().any(|(_, host)| *host == heard.src);
            if waits {
                return;
            }
            if self.answers.len() < MOST_ANSWERS {
                self.answers.push((at, heard.src));
                return;
            }
        }
        if self.settings.unicast_only {
            return;
        }
        let at = self.not_before(at);
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// When [`Advertiser::poll`] has something to do.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.answers.iter().map(|(at, _)| *at).chain(self.next).min()
    }

    /// Lets time pass.
    pub fn poll(&mut self, now: Nanos) {
        let mut due = Vec::new();
        self.answers.retain(|&(at, host)| {
            if at <= now {
                due.push(host);
            }
            at > now
        });
        for host in due {
            self.advertise(now, host, false);
        }
        if self.next.take_if(|at| *at <= now).is_some() {
            self.advertise_all(now, false);
            let (least, most) = (self.settings.min_interval(), self.settings.max_interval);
            let mut wait = least + self.random.below(most - least);
            self.sent = self.sent.saturating_add(1);
            if self.sent < INITIAL_COUNT {
                wait = wait.min(INITIAL_INTERVAL);
            }
            self.next = Some(now + wait);
        }
    }

    fn advertise_all(&mut self, now: Nanos, last: bool) {
        if self.settings.clients.is_empty() {
            self.advertise(now, ALL_NODES, last);
        } else {
            for host in self.settings.clients.clone() {
                self.advertise(now, host, last);
            }
        }
        self.last = Some(now);
    }

    /// The router goes: hosts shall not use it any more. [8.84]
    pub fn cease(&mut self, now: Nanos) {
        if self.source.is_some() && !self.settings.unicast_only {
            self.advertise_all(now, true);
        }
        self.ceased = true;
        self.handle_down();
    }

    /// Advertisements to be sent, in order.
    pub fn take_actions(&mut self) -> Vec<RouterAdvertisement> {
        std::mem::take(&mut self.actions)
    }

    /// Options as they are now; `last` where the router goes.
    fn items(&self, now: Nanos, last: bool) -> Vec<Item> {
        let settings = &self.settings;
        let gone = u32::try_from(now.saturating_sub(self.since) / SECOND).unwrap_or(FOREVER);
        let three = settings.three();
        let mut items = Vec::new();
        for prefix in &settings.prefixes {
            let mut info = prefix.info;
            if prefix.decrements {
                for lifetime in [&mut info.valid, &mut info.preferred] {
                    if *lifetime != FOREVER {
                        *lifetime = lifetime.saturating_sub(gone);
                    }
                }
            }
            if last && prefix.deprecates {
                info.preferred = 0;
                info.valid = info.valid.min(TWO_HOURS);
            }
            items.push(Item::Prefix(info));
        }
        for route in &settings.routes {
            let Route { prefix, len, preference, removes, .. } = *route;
            let lifetime = if last && removes { 0 } else { route.lifetime.unwrap_or(three) };
            items.push(Item::Route(RouteInfo { prefix, len, preference, lifetime }));
        }
        for told in &settings.servers {
            let lifetime = if last && told.flushes { 0 } else { told.lifetime.unwrap_or(three) };
            items.push(Item::Rdnss { lifetime, servers: told.servers.clone() });
        }
        for told in &settings.domains {
            let lifetime = if last && told.flushes { 0 } else { told.lifetime.unwrap_or(three) };
            items.push(Item::Dnssl { lifetime, domains: told.domains.clone() });
        }
        items.extend(settings.mtu.map(Item::Mtu));
        items.extend(settings.source_mac.then_some(Item::Source(self.mac)));
        items.extend(settings.captive_portal.clone().map(Item::CaptivePortal));
        for told in &settings.nat64 {
            let lifetime = if last { 0 } else { told.lifetime };
            items.push(Item::Pref64(Pref64 { lifetime, ..*told }));
        }
        items
    }

    /// Tells a host, or all of them; what does not fit into one packet goes into another.
    fn advertise(&mut self, now: Nanos, dst: Ipv6Addr, last: bool) {
        let Some(src) = self.source else { return };
        let settings = &self.settings;
        let three = u16::try_from(settings.three()).unwrap_or(u16::MAX);
        let lifetime = if last { 0 } else { settings.lifetime.unwrap_or(three) };
        let head = RouterAdvertisement {
            src,
            dst,
            hop_limit: settings.hop_limit,
            managed: settings.managed,
            other: settings.other,
            home_agent: false,
            // RFC 4191 section 2.2: who is no default router has no rank.
            preference: Some(if lifetime == 0 { Preference::Medium } else { settings.preference }),
            lifetime,
            reachable_time: settings.reachable_time,
            retrans_timer: settings.retrans_timer,
            items: Items::default(),
        };
        let room = self.mtu.saturating_sub(OVERHEAD);
        let (mut open, mut used, mut packets) = (Vec::new(), 0, Vec::new());
        for item in self.items(now, last) {
            let mut bytes = Vec::new();
            item.emit(&mut bytes);
            if used + bytes.len() > room && !open.is_empty() {
                packets.push(std::mem::take(&mut open));
                used = 0;
            }
            used += bytes.len();
            open.push(item);
        }
        packets.push(open);
        let told = packets.into_iter();
        self.actions
            .extend(told.map(|items| RouterAdvertisement { items: items.into(), ..head.clone() }));
    }
}
