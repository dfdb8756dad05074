//! The router's own probes: sessions of ping and traceroute.
//!
//! - takes: what operators ask for, the time, and what `icmp4-input` and `tcp-reset` hand on
//! - gives: packets for `ip4-output`, routed as the router's own, and events for operators
//! - obeys: `ping(8)`, `traceroute(8)`; ledger 3.10, 3.11, 3.90 to 3.93
//!
//! A session is bounded in every way: requests are at least two milliseconds apart, what nobody
//! reads stops the sending, and all sessions together get a few pieces of a turn of the management
//! core. Times of sending are the management core's, times of receiving the worker's.

mod packet;
mod ping;
pub mod spec;
mod way;
mod window;

use std::{
    collections::{BTreeMap, VecDeque},
    net::Ipv4Addr,
    sync::Arc,
};

use self::{
    packet::{About, Heard},
    ping::{Due, Ping},
    spec::{Discovery, Event, Method, Origin, PingSpec, SessionRow, TracerouteSpec, Unsendable},
    way::{Bound, Datagram, Sent},
    window::{Step, Window, verdict},
};
use super::Router;
use crate::{
    dpdk::mbuf::Packet,
    graph::{Nanos, SNMPS, Snmp},
    icmp::expected::Expected,
    packet::ipv4::{self, protocol},
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
}

struct Session {
    work: Work,
    host: Ipv4Addr,
    bound: Bound,
    source: Ipv4Addr,
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
        if too_long || spec.count == Some(0) || spec.ttl == Some(0) {
            return Err(Unsendable::OutOfRange);
        }
        let (host, origin) = (spec.host, spec.origin.clone());
        self.start(host, &origin, protocol::ICMP, Work::Ping(Ping::new(spec, now)))
    }

    /// Begins a traceroute; gives the session's identifier.
    ///
    /// # Errors
    /// When a word does not fit, or there is no way to the destination.
    pub fn start_traceroute(&mut self, spec: TracerouteSpec) -> Result<u16, Unsendable> {
        let in_range = (1..=10).contains(&spec.queries)
            && (1..=TracerouteSpec::MAX_SIMULTANEOUS).contains(&spec.simultaneous)
            && (1..=spec.max_ttl).contains(&spec.first_ttl)
            && spec.len >= 28;
        if !in_range {
            return Err(Unsendable::OutOfRange);
        }
        let (host, origin) = (spec.host, spec.origin.clone());
        let protocol = match spec.method {
            Method::Udp => protocol::UDP,
            Method::Icmp => protocol::ICMP,
            Method::Tcp => protocol::TCP,
        };
        self.start(host, &origin, protocol, Work::Traceroute(Window::new(spec)))
    }

    fn start(
        &mut self,
        host: Ipv4Addr,
        origin: &Origin,
        protocol: u8,
        work: Work,
    ) -> Result<u16, Unsendable> {
        if self.probes.sessions.len() >= SESSIONS {
            return Err(Unsendable::Full);
        }
        let bound = self.bind(origin)?;
        let source = self.way(&bound, host, protocol)?.source;
        let id = loop {
            let id = FIRST_ID + self.probes.next;
            self.probes.next = (self.probes.next + 1) % IDS;
            if !self.probes.sessions.contains_key(&id) {
                break id;
            }
        };
        let dev = origin.iface.as_ref().and_then(|name| self.iface(name));
        let has = |iface: &Iface| iface.addresses.iter().any(|own| own.local.addr() == source);
        let elsewhere = dev.is_some_and(|iface| !has(iface));
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
        let ids = self.probes.sessions.keys().copied();
        Some((ids.len() > 0).then(|| Arc::new(Expected::new(ids))))
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
        let next = |session: &Session| match &session.work {
            _ if session.over => None,
            Work::Ping(ping) => match ping.due(now) {
                Due::Wait(next) => next,
                Due::Send | Due::Over => Some(now),
            },
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
                        let message = packet::echo(id, seq as u16, ping.spec.size.into(), now);
                        match self.request(ping, *host, bound, message) {
                            Ok(Sent::OnItsWay) => {}
                            Ok(Sent::Here) => {
                                let bytes = usize::from(ping.spec.size) + 8;
                                let ttl = self.tunables().default_ttl;
                                if !self.tunables().echo_ignore_all {
                                    events.push_back(
                                        ping.answered(seq as u16, *host, bytes, ttl, now),
                                    );
                                }
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
                Work::Traceroute(window) => match window.step(now) {
                    Step::Wait(_) => return,
                    Step::Over => session.over = true,
                    Step::Tell(event) => events.push_back(event),
                    Step::Send { index, ttl } => {
                        window.sent_at(index, now);
                        match self.trace_one(window, *host, bound, id, *base, index, ttl) {
                            Ok(Sent::OnItsWay) => {}
                            Ok(Sent::Here) => {
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

    fn request(
        &mut self,
        ping: &Ping,
        dst: Ipv4Addr,
        bound: &Bound,
        payload: Vec<u8>,
    ) -> Result<Sent, Unsendable> {
        let way = self.way(bound, dst, protocol::ICMP)?;
        let len = ipv4::HEADER_LEN + payload.len();
        if ping.spec.discovery == Discovery::Do && len > usize::from(way.mtu) && way.hop.is_some() {
            return Err(Unsendable::TooLong { mtu: way.mtu.into() });
        }
        let df = match ping.spec.discovery {
            Discovery::Do => true,
            Discovery::Want => len <= usize::from(way.mtu) && !way.mtu_locked,
            Discovery::Dont => false,
        };
        let ttl = ping.spec.ttl.unwrap_or(way.ttl);
        let tos = bound.tos;
        let sent = self
            .originate(&way, &Datagram { protocol: protocol::ICMP, ttl, tos, df, dst, payload })?;
        self.probes.count(Snmp::IcmpOutMsgs, 1);
        self.probes.count(Snmp::IcmpOutEchos, 1);
        Ok(sent)
    }

    #[allow(clippy::too_many_arguments)]
    fn trace_one(
        &mut self,
        window: &Window,
        dst: Ipv4Addr,
        bound: &Bound,
        id: u16,
        base: u32,
        index: u16,
        ttl: u8,
    ) -> Result<Sent, Unsendable> {
        let number = window.number(index);
        let len = usize::from(window.spec.len) - ipv4::HEADER_LEN;
        let of = match window.spec.method {
            Method::Udp => protocol::UDP,
            Method::Icmp => protocol::ICMP,
            Method::Tcp => protocol::TCP,
        };
        let way = self.way(bound, dst, of)?;
        let payload = match window.spec.method {
            Method::Udp => packet::datagram(id, number, len, way.source, dst),
            Method::Icmp => packet::echo(id, number, len - 8, self.probes.now),
            Method::Tcp => {
                let seq = base.wrapping_add(index.into());
                packet::syn(id, window.number(0), seq, way.source, dst)
            }
        };
        let df = window.spec.dont_fragment;
        if df && ipv4::HEADER_LEN + payload.len() > usize::from(way.mtu) && way.hop.is_some() {
            return Err(Unsendable::TooLong { mtu: way.mtu.into() });
        }
        let sent = self
            .originate(&way, &Datagram { protocol: of, ttl, tos: bound.tos, df, dst, payload })?;
        if of == protocol::ICMP {
            self.probes.count(Snmp::IcmpOutMsgs, 1);
            self.probes.count(Snmp::IcmpOutEchos, 1);
        }
        Ok(sent)
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
            self.told(&about, about.src, (3, 1, 0), at);
        }
    }

    fn told(&mut self, about: &About, from: Ipv4Addr, error: (u8, u8, u32), at: Nanos) {
        let (kind, code, info) = error;
        let Some(session) = self.session(about) else { return };
        let index = session.index(about);
        match &mut session.work {
            Work::Ping(ping) => {
                // Redirects and source quenches do not mean that the request is lost.
                if !matches!(kind, 4 | 5) {
                    ping.failed();
                }
                let seq = about.number as u16;
                session.events.push_back(Event::Error { seq, from, kind, code, info });
            }
            Work::Traceroute(window) => {
                if let Some((last, mark)) = verdict(kind, code, info) {
                    window.answered(index, from, last, mark, at);
                }
            }
        }
    }

    /// The session that sent a probe, unless its operator has stopped to read.
    fn session(&mut self, about: &About) -> Option<&mut Session> {
        let session = self.probes.sessions.get_mut(&about.id)?;
        let of = match &session.work {
            Work::Ping(_) => protocol::ICMP,
            Work::Traceroute(window) => match window.spec.method {
                Method::Udp => protocol::UDP,
                Method::Icmp => protocol::ICMP,
                Method::Tcp => protocol::TCP,
            },
        };
        let mine = about.dst == session.host && about.protocol == of;
        (mine && session.events.len() < 2 * UNREAD).then_some(session)
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
            Work::Ping(_) => 0,
        }
    }
}
