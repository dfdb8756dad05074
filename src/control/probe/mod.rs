//! The router's own probes: sessions of ping, traceroute and arping.
//!
//! - takes: what operators ask for, the time, what `icmp4-input`, `icmp6-input` and what refuses TCP
//!   hand on, and ARP
//! - gives: packets for `ip4-output` and `ip6-output`, routed as the router's own, and events for
//!   operators
//! - obeys: `ping(8)`, `traceroute(8)`, `arping(8)`; ledger 3.10, 3.11, 3.71, 3.90 to 3.93
//!
//! A session is bounded in every way: requests are at least two milliseconds apart, what nobody
//! reads stops the sending, and all sessions together get a few pieces of a turn of the management
//! core. Times of sending are the management core's, times of receiving the worker's.

mod arping;
mod packet;
mod ping;
pub mod spec;
mod way;
mod way6;
mod window;

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use self::{
    arping::Arping,
    packet::{About, Ends, Heard},
    ping::{Due, Ping},
    spec::{
        ArpingMode, ArpingSpec, Discovery, Event, Method, Origin, PingSpec, SessionRow,
        TracerouteSpec, Unsendable,
    },
    way::{Bound, Datagram, Way, has},
    window::{Step, Window, verdict, verdict6},
};
use super::Router;
use crate::{
    dpdk::mbuf::Packet,
    graph::{Nanos, SNMPS, Snmp},
    icmp::expected::Expected,
    packet::{
        MacAddr,
        arp::ArpView,
        icmp6::{ty, unreachable},
        ipv4, ipv6,
    },
    port::table::Iface,
};

/// Most sessions at a time.
const SESSIONS: usize = 32;
/// Events that wait for an operator; no more are made until some are read.
const UNREAD: usize = 256;
/// Datagrams and pieces of them that all sessions may send in one turn of the management core, which
/// is a millisecond; what a large one takes too much is missing from the next turns.
const TURN: i64 = 16;
/// Identifiers, which are ports as well (`ip_local_port_range`).
const FIRST_ID: u16 = 32_768;
const IDS: u16 = 28_232;

enum Work {
    Ping(Ping),
    Traceroute(Window),
    Arping(Arping),
}

struct Session {
    work: Work,
    host: IpAddr,
    bound: Bound,
    source: IpAddr,
    dev: Option<String>,
    events: VecDeque<Event>,
    over: bool,
    /// First sequence number of TCP.
    base: u32,
}

/// All sessions.
pub(super) struct Probes {
    sessions: BTreeMap<u16, Session>,
    next: u16,
    /// The last one that was served.
    served: u16,
    /// What may still be sent in this turn.
    credit: i64,
    changed: bool,
    now: Nanos,
    counts: [u64; SNMPS],
}

impl Probes {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            sessions: BTreeMap::new(),
            next: (seed >> 32) as u16 % IDS,
            served: 0,
            credit: 0,
            changed: false,
            now: 0,
            counts: [0; SNMPS],
        }
    }

    pub(super) fn count(&mut self, counter: Snmp, by: u64) {
        self.counts[counter as usize] += by;
    }
}

impl Router {
    /// Begins to ping; gives the session's identifier.
    ///
    /// # Errors
    /// When a word does not fit, or there is no way to the destination.
    pub fn start_ping(&mut self, now: Nanos, spec: PingSpec) -> Result<u16, Unsendable> {
        let too_long = spec.size > PingSpec::MAX_SIZE;
        let no_ttl = spec.ttl == Some(0) && spec.host.is_ipv4();
        if too_long || spec.count == Some(0) || no_ttl {
            return Err(Unsendable::OutOfRange);
        }
        let (host, origin) = (spec.host, spec.origin.clone());
        let of = Method::Icmp.protocol(host);
        self.start(host, &origin, of, Work::Ping(Ping::new(spec, now)))
    }

    /// Begins a traceroute; gives the session's identifier.
    ///
    /// # Errors
    /// When a word does not fit, or there is no way to the destination.
    pub fn start_traceroute(&mut self, spec: TracerouteSpec) -> Result<u16, Unsendable> {
        let in_range = (1..=10).contains(&spec.queries)
            && (1..=TracerouteSpec::MAX_SIMULTANEOUS).contains(&spec.simultaneous)
            && (1..=spec.max_ttl).contains(&spec.first_ttl)
            && usize::from(spec.len) >= header_len(spec.host) + 8;
        if !in_range {
            return Err(Unsendable::OutOfRange);
        }
        let (host, origin) = (spec.host, spec.origin.clone());
        let of = spec.method.protocol(host);
        self.start(host, &origin, of, Work::Traceroute(Window::new(spec)))
    }

    /// Begins an arping; gives the session's identifier.
    ///
    /// # Errors
    /// When a word does not fit, or there is no such interface or source.
    pub fn start_arping(&mut self, now: Nanos, spec: ArpingSpec) -> Result<u16, Unsendable> {
        if spec.count == Some(0) {
            return Err(Unsendable::OutOfRange);
        }
        if self.probes.sessions.len() >= SESSIONS {
            return Err(Unsendable::Full);
        }
        let speaks = |iface: &&Iface| !iface.noarp && !iface.is_loopback();
        let iface = match &spec.iface {
            Some(name) => self.iface(name).ok_or(Unsendable::NoDevice)?,
            None => {
                let mut all = self.ifaces().iter().filter(|iface| iface.up).filter(speaks);
                all.next().filter(|_| all.next().is_none()).ok_or(Unsendable::NoDevice)?
            }
        };
        if !iface.up {
            return Err(Unsendable::LinkDown);
        }
        if !speaks(&iface) {
            return Err(Unsendable::NotArpable);
        }
        let (index, dev) = (iface.index, iface.name.clone());
        let vrf = iface.own_vrf();
        let origin = Origin {
            iface: Some(dev.clone()),
            source: spec.source.map(IpAddr::V4),
            ..Origin::default()
        };
        let bound = self.bind(&origin)?;
        let source = match (spec.source, spec.mode) {
            (Some(source), _) => source,
            (None, ArpingMode::Duplicate) => Ipv4Addr::UNSPECIFIED,
            (None, ArpingMode::Update | ArpingMode::Answer) => {
                let here = self.ifaces().iter().filter(|iface| iface.own_vrf() == vrf);
                let own = IpAddr::V4(spec.host);
                if !{ here }.any(|iface| has(iface, own)) {
                    return Err(Unsendable::ForeignSource);
                }
                spec.host
            }
            (None, ArpingMode::Ask) => {
                self.source_on(index, spec.host).ok_or(Unsendable::NoRoute)?
            }
        };
        let id = self.free_session_id();
        let session = Session {
            host: spec.host.into(),
            work: Work::Arping(Arping::new(spec, index, source, now)),
            bound,
            source: source.into(),
            dev: Some(dev.clone()),
            events: VecDeque::from([Event::ArpStart { source, dev }]),
            over: false,
            base: 0,
        };
        self.probes.sessions.insert(id, session);
        Ok(id)
    }

    fn free_session_id(&mut self) -> u16 {
        loop {
            let id = FIRST_ID + self.probes.next;
            self.probes.next = (self.probes.next + 1) % IDS;
            if !self.probes.sessions.contains_key(&id) {
                return id;
            }
        }
    }

    fn start(
        &mut self,
        host: IpAddr,
        origin: &Origin,
        protocol: u8,
        work: Work,
    ) -> Result<u16, Unsendable> {
        if self.probes.sessions.len() >= SESSIONS {
            return Err(Unsendable::Full);
        }
        let mut bound = self.bind(origin)?;
        // A source is one of packets of its own family.
        bound.source = bound.source.filter(|source| source.is_ipv6() == host.is_ipv6());
        let source = self.way(&bound, host, protocol)?.source;
        let id = self.free_session_id();
        let dev = origin.iface.as_ref().and_then(|name| self.iface(name));
        let elsewhere = dev.is_some_and(|iface| !has(iface, source));
        let session = Session {
            work,
            host,
            bound,
            source,
            dev: origin.iface.clone().or_else(|| origin.vrf.clone()),
            events: VecDeque::from([Event::Start { source, elsewhere }]),
            over: false,
            base: u32::from(id).wrapping_mul(0x9e37_79b1),
        };
        self.probes.sessions.insert(id, session);
        self.probes.changed = true;
        Ok(id)
    }

    /// What a session has to tell since the last call, and whether that is all.
    pub fn probe_events(&mut self, id: u16) -> (Vec<Event>, bool) {
        let Some(session) = self.probes.sessions.get_mut(&id) else { return (Vec::new(), true) };
        (session.events.drain(..).collect(), session.over)
    }

    /// Ends a session.
    pub fn end_probe(&mut self, id: u16) {
        if self.probes.sessions.remove(&id).is_some() {
            self.probes.changed = true;
        }
    }

    /// Sessions under way.
    pub fn probe_sessions(&self) -> Vec<SessionRow> {
        let rows = self.probes.sessions.iter().map(|(id, session)| {
            let (kind, sent, received) = match &session.work {
                Work::Ping(ping) => ("ping", ping.sent, ping.received),
                Work::Traceroute(window) => ("traceroute", window.sent, window.received),
                Work::Arping(arping) => ("arping", arping.sent, arping.received),
            };
            SessionRow {
                id: *id,
                kind: kind.to_owned(),
                host: session.host,
                source: session.source,
                dev: session.dev.clone(),
                sent,
                received,
            }
        });
        rows.collect()
    }

    /// What the management core has counted for the kernel's MIBs, by [`Snmp`].
    pub fn counts(&self) -> &[u64; SNMPS] {
        &self.probes.counts
    }

    /// What workers have to look out for, when that has changed since the last call.
    pub(super) fn take_expected(&mut self) -> Option<Option<Arc<Expected>>> {
        if !std::mem::take(&mut self.probes.changed) {
            return None;
        }
        // ARP is the management core's own work in any case.
        let by_workers = |session: &Session| !matches!(session.work, Work::Arping(_));
        let sessions = self.probes.sessions.iter().filter(|(_, session)| by_workers(session));
        let ids: Vec<u16> = sessions.map(|(id, _)| *id).collect();
        Some((!ids.is_empty()).then(|| Arc::new(Expected::new(ids))))
    }

    /// Sends what is due.
    pub(super) fn poll_probes(&mut self, now: Nanos) {
        self.probes.now = now;
        if self.probes.sessions.is_empty() {
            return;
        }
        self.probes.credit = (self.probes.credit + TURN).min(TURN);
        // Each turn begins behind the one that was served last.
        let after = self.probes.sessions.range(self.probes.served.saturating_add(1)..);
        let mut ids: Vec<u16> = after.map(|(id, _)| *id).collect();
        ids.extend(self.probes.sessions.range(..=self.probes.served).map(|(id, _)| *id));
        for id in ids {
            if self.probes.credit <= 0 {
                break;
            }
            if let Some(mut session) = self.probes.sessions.remove(&id) {
                self.serve(now, id, &mut session);
                self.probes.sessions.insert(id, session);
                self.probes.served = id;
            }
        }
    }

    /// When [`Router::poll_probes`] has something to do.
    pub(super) fn next_probe(&self) -> Option<Nanos> {
        let now = self.probes.now;
        let when = |due| match due {
            Due::Wait(next) => next,
            Due::Send | Due::Over => Some(now),
        };
        let next = |session: &Session| match &session.work {
            _ if session.over => None,
            Work::Ping(ping) => when(ping.due(now)),
            Work::Arping(arping) => when(arping.due(now)),
            Work::Traceroute(_) => Some(now + 1_000_000),
        };
        self.probes.sessions.values().filter_map(next).min()
    }

    fn serve(&mut self, now: Nanos, id: u16, session: &mut Session) {
        while self.probes.credit > 0 && !session.over && session.events.len() < UNREAD {
            let source = session.source;
            let Session { work, host, bound, events, base, .. } = &mut *session;
            match work {
                Work::Ping(ping) => match ping.due(now) {
                    Due::Wait(_) => return,
                    Due::Over => session.over = true,
                    Due::Send => {
                        let seq = ping.send(now);
                        events.push_back(Event::Sent { seq, at: now });
                        match self.request(ping, *host, bound, (id, seq as u16)) {
                            Ok(None) => {}
                            Ok(Some((from, ttl))) => {
                                let bytes = usize::from(ping.spec.size) + 8;
                                let reply = ping.answered(seq as u16, from, bytes, ttl, now);
                                events.push_back(reply);
                            }
                            Err(why) => {
                                if matches!(why, Unsendable::TooLong { .. }) {
                                    ping.failed();
                                }
                                events.push_back(Event::NotSent { why });
                            }
                        }
                    }
                },
                Work::Arping(arping) => match arping.due(now) {
                    Due::Wait(_) => return,
                    Due::Over => session.over = true,
                    Due::Send => {
                        let Some(mine) = self.mac_of(arping.iface) else {
                            session.over = true;
                            return;
                        };
                        let (to, arp) = arping.send(now, mine);
                        let broadcast = to == MacAddr::BROADCAST;
                        events.push_back(Event::ArpSent { broadcast });
                        self.probes.credit -= 1;
                        self.send_arp(arping.iface, to, &arp);
                    }
                },
                Work::Traceroute(window) => match window.step(now) {
                    Step::Wait(_) => return,
                    Step::Over => session.over = true,
                    Step::Tell(event) => events.push_back(event),
                    Step::Send { index, ttl } => {
                        window.sent_at(index, now);
                        match self.trace_one(window, *host, bound, id, *base, index, ttl) {
                            Ok(false) => {}
                            Ok(true) => {
                                window.answered(index, *host, true, String::new(), now);
                            }
                            Err(Unsendable::TooLong { mtu }) => {
                                let mark = format!("!F-{mtu}");
                                window.answered(index, source, true, mark, now);
                            }
                            Err(why) => {
                                events.push_back(Event::NotSent { why });
                                session.over = true;
                            }
                        }
                    }
                },
            }
        }
    }

    /// Sends an echo request; gives who of the router itself answers it, and with which hops to go.
    fn request(
        &mut self,
        ping: &Ping,
        dst: IpAddr,
        bound: &Bound,
        (id, seq): (u16, u16),
    ) -> Result<Option<(IpAddr, u8)>, Unsendable> {
        let of = Method::Icmp.protocol(dst);
        let way = self.way(bound, dst, of)?;
        let ends = Ends::of(way.source, dst).ok_or(Unsendable::NoRoute)?;
        let payload = packet::echo(id, seq, ping.spec.size.into(), self.probes.now, ends);
        let len = header_len(dst) + payload.len();
        if ping.spec.discovery == Discovery::Do && len > usize::from(way.mtu) && way.hop.is_some() {
            return Err(Unsendable::TooLong { mtu: way.mtu.into() });
        }
        let df = match ping.spec.discovery {
            Discovery::Do => true,
            Discovery::Want => len <= usize::from(way.mtu) && !way.mtu_locked,
            Discovery::Dont => false,
        };
        let ttl = ping.spec.ttl.unwrap_or(way.ttl);
        let datagram = Datagram { protocol: of, ttl, tos: bound.tos, df, dst, payload };
        self.originate(&way, &datagram)?;
        self.count_echo(dst);
        Ok(self.answers_itself(&way, dst))
    }

    fn answers_itself(&self, way: &Way, dst: IpAddr) -> Option<(IpAddr, u8)> {
        let tunables = self.tunables();
        let rules = &tunables.six.icmp;
        match dst {
            IpAddr::V4(_) => {
                let answers = way.hop.is_none() && !tunables.echo_ignore_all;
                answers.then_some((dst, tunables.default_ttl))
            }
            IpAddr::V6(_) if rules.echo_ignore_all => None,
            IpAddr::V6(group) if group.is_multicast() => {
                let answers = !rules.echo_ignore_multicast && self.hears_group(way.iface, group);
                answers.then_some((way.source, 64))
            }
            IpAddr::V6(_) => way.hop.is_none().then_some((dst, way.ttl)),
        }
    }

    fn count_echo(&mut self, dst: IpAddr) {
        let counters = match dst {
            IpAddr::V4(_) => [Snmp::IcmpOutMsgs, Snmp::IcmpOutEchos],
            IpAddr::V6(_) => [Snmp::Icmp6OutMsgs, Snmp::Icmp6OutEchos],
        };
        counters.into_iter().for_each(|counter| self.probes.count(counter, 1));
    }

    /// Sends a probe; true when it has come to the router itself.
    #[allow(clippy::too_many_arguments)]
    fn trace_one(
        &mut self,
        window: &Window,
        dst: IpAddr,
        bound: &Bound,
        id: u16,
        base: u32,
        index: u16,
        ttl: u8,
    ) -> Result<bool, Unsendable> {
        let number = window.number(index);
        let len = usize::from(window.spec.len) - header_len(dst);
        let of = window.spec.method.protocol(dst);
        let way = self.way(bound, dst, of)?;
        let ends = Ends::of(way.source, dst).ok_or(Unsendable::NoRoute)?;
        let payload = match window.spec.method {
            Method::Udp => packet::datagram(id, number, len, ends),
            Method::Icmp => packet::echo(id, number, len - 8, self.probes.now, ends),
            Method::Tcp => packet::syn(id, window.number(0), base.wrapping_add(index.into()), ends),
        };
        let df = window.spec.dont_fragment;
        if df && header_len(dst) + payload.len() > usize::from(way.mtu) && way.hop.is_some() {
            return Err(Unsendable::TooLong { mtu: way.mtu.into() });
        }
        let datagram = Datagram { protocol: of, ttl, tos: bound.tos, df, dst, payload };
        self.originate(&way, &datagram)?;
        if window.spec.method == Method::Icmp {
            self.count_echo(dst);
        }
        Ok(way.hop.is_none())
    }

    // ---- what is heard ----

    /// A worker handed on what may be about a probe, its time of receipt in [`Packet::hash`].
    pub(super) fn hear(&mut self, now: Nanos, packet: &Packet) {
        // The low half of the time, of which the rest is that of now: a ring is emptied sooner.
        let late = (now as u32).wrapping_sub(packet.hash()) as i32;
        let at = now.saturating_add_signed(-i64::from(late));
        let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
        match packet::heard(bytes) {
            Some(Heard::Answer { about, bytes, ttl }) => {
                let Some(session) = self.session(&about) else { return };
                let (from, index) = (about.dst, session.index(&about));
                let event = match &mut session.work {
                    Work::Ping(ping) => {
                        Some(ping.answered(about.number as u16, from, bytes, ttl, at))
                    }
                    Work::Traceroute(window) => {
                        window.answered(index, from, true, String::new(), at);
                        None
                    }
                    Work::Arping(_) => None,
                };
                session.events.extend(event);
            }
            Some(Heard::Error { about, from, kind, code, info }) => {
                self.told(&about, from, (kind, code, info), at);
            }
            None => {}
        }
    }

    /// A neighbour on the way of a packet of ours does not answer.
    pub(super) fn probe_failed(&mut self, packet: &Packet) {
        let at = self.probes.now;
        let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
        if let Some(about) = packet::about(bytes) {
            let error = match about.src {
                IpAddr::V4(_) => (3, 1, 0),
                IpAddr::V6(_) => (ty::UNREACHABLE, unreachable::ADDRESS, 0),
            };
            self.told(&about, about.src, error, at);
        }
    }

    fn told(&mut self, about: &About, from: IpAddr, error: (u8, u8, u32), at: Nanos) {
        let (kind, code, info) = error;
        let Some(session) = self.session(about) else { return };
        let index = session.index(about);
        match &mut session.work {
            Work::Ping(ping) => {
                // Redirects and source quenches do not mean that the request is lost.
                if from.is_ipv6() || !matches!(kind, 4 | 5) {
                    ping.failed();
                }
                let seq = about.number as u16;
                session.events.push_back(Event::Error { seq, from, kind, code, info });
            }
            Work::Traceroute(window) => {
                let verdict = if from.is_ipv6() { verdict6 } else { verdict };
                if let Some((last, mark)) = verdict(kind, code, info) {
                    window.answered(index, from, last, mark, at);
                }
            }
            Work::Arping(_) => {}
        }
    }

    /// ARP has said something on a link.
    pub(super) fn hear_arp(&mut self, now: Nanos, index: u16, arp: &ArpView<'_>, broadcast: bool) {
        if self.probes.sessions.is_empty() {
            return;
        }
        let Some(mine) = self.mac_of(index) else { return };
        for session in self.probes.sessions.values_mut() {
            let Work::Arping(arping) = &mut session.work else { continue };
            if arping.iface == index && session.events.len() < 2 * UNREAD {
                session.events.extend(arping.heard(arp, mine, broadcast, now));
            }
        }
    }

    /// The session that sent a probe, unless its operator has stopped to read.
    fn session(&mut self, about: &About) -> Option<&mut Session> {
        let session = self.probes.sessions.get_mut(&about.id)?;
        let of = match &session.work {
            Work::Ping(_) => Method::Icmp,
            Work::Traceroute(window) => window.spec.method,
            Work::Arping(_) => return None,
        };
        // To a group many answer, each in its own name.
        let to_whom = about.dst == session.host || session.host.is_multicast();
        let mine = to_whom && about.protocol == of.protocol(session.host);
        (mine && session.events.len() < 2 * UNREAD).then_some(session)
    }
}

/// Bytes of the header in front of what goes to a host.
const fn header_len(host: IpAddr) -> usize {
    match host {
        IpAddr::V4(_) => ipv4::HEADER_LEN,
        IpAddr::V6(_) => ipv6::HEADER_LEN,
    }
}

impl Session {
    /// Which probe of a traceroute something is about.
    fn index(&self, about: &About) -> u16 {
        match &self.work {
            Work::Traceroute(window) => match window.spec.method {
                Method::Tcp => {
                    u16::try_from(about.number.wrapping_sub(self.base)).unwrap_or(u16::MAX)
                }
                _ => window.index(about.number as u16),
            },
            Work::Ping(_) | Work::Arping(_) => 0,
        }
    }
}
