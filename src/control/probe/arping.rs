//! The schedule and the books of one arping.
//!
//! - takes: the time, and what ARP says on its link
//! - gives: ARP packets, events, and whether it is over
//! - obeys: `arping(8)` of iputils; RFC 826, RFC 5227 section 2.1.1 (probes that come from nobody)

use std::net::Ipv4Addr;

use super::{
    ping::Due,
    spec::{ArpingMode, ArpingSpec, Event},
};
use crate::{
    graph::Nanos,
    packet::{
        MacAddr,
        arp::{ArpSpec, ArpView, REPLY, REQUEST},
    },
};

const MS: Nanos = 1_000_000;

/// One arping.
pub(super) struct Arping {
    pub(super) spec: ArpingSpec,
    /// Interface of its link.
    pub(super) iface: u16,
    /// Sender of its packets.
    pub(super) source: Ipv4Addr,
    started: Nanos,
    next: Nanos,
    last: Option<Nanos>,
    /// Where packets go, once somebody has answered.
    to: Option<MacAddr>,
    pub(super) sent: u64,
    pub(super) received: u64,
    over: bool,
}

impl Arping {
    pub(super) fn new(spec: ArpingSpec, iface: u16, source: Ipv4Addr, now: Nanos) -> Self {
        Self {
            spec,
            iface,
            source,
            started: now,
            next: now,
            last: None,
            to: None,
            sent: 0,
            received: 0,
            over: false,
        }
    }

    /// What to do at `now`.
    pub(super) fn due(&self, now: Nanos) -> Due {
        let end = self.spec.deadline_ms.map(|ms| self.started + ms * MS);
        if self.over || end.is_some_and(|end| end <= now) {
            return Due::Over;
        }
        if self.next > now {
            return Due::Wait(Some(end.map_or(self.next, |end| end.min(self.next))));
        }
        // The last one is waited for as long as another would have taken.
        match self.spec.count {
            Some(count) if self.sent >= count => Due::Over,
            _ => Due::Send,
        }
    }

    /// The packet to send now, and to whom.
    pub(super) fn send(&mut self, now: Nanos, mine: MacAddr) -> (MacAddr, ArpSpec) {
        self.sent += 1;
        self.last = Some(now);
        self.next = now + self.spec.interval_ms.max(ArpingSpec::MIN_INTERVAL_MS) * MS;
        let to = self.to.unwrap_or(MacAddr::BROADCAST);
        let answers = self.spec.mode == ArpingMode::Answer;
        let arp = ArpSpec {
            operation: if answers { REPLY } else { REQUEST },
            sender_mac: mine,
            sender_ip: self.source,
            target_mac: if answers { mine } else { to },
            target_ip: self.spec.host,
        };
        (to, arp)
    }

    /// ARP has said something on the link, to `mine` alone or to all.
    pub(super) fn heard(
        &mut self,
        arp: &ArpView<'_>,
        mine: MacAddr,
        broadcast: bool,
        at: Nanos,
    ) -> Option<Event> {
        let (sender, target) = (arp.sender_mac(), arp.target_ip());
        let is_known = matches!(arp.operation(), REQUEST | REPLY);
        if !is_known || arp.sender_ip() != self.spec.host || self.over {
            return None;
        }
        let meant = match self.spec.mode {
            // Another station has the address, whomever it speaks to.
            ArpingMode::Duplicate => {
                sender != mine && (self.source.is_unspecified() || self.source == target)
            }
            _ => target == self.source && arp.target_mac() == mine,
        };
        if !meant {
            return None;
        }
        self.received += 1;
        let all = self.spec.count.is_some_and(|count| self.sent >= count);
        let first = self.spec.first_reply || self.spec.mode == ArpingMode::Duplicate;
        self.over = first || all && self.received == self.sent;
        if !self.spec.keep_broadcasting {
            self.to = Some(sender);
        }
        Some(Event::ArpHeard {
            from: self.spec.host,
            mac: sender.to_string(),
            request: arp.operation() == REQUEST,
            broadcast,
            target: (target != self.source).then_some(target),
            target_mac: (arp.target_mac() != mine).then(|| arp.target_mac().to_string()),
            rtt: self.last.map(|last| at.saturating_sub(last)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
    const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const MINE: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
    const PEER: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 9]);

    fn arping(change: impl FnOnce(&mut ArpingSpec)) -> Arping {
        let mut spec = ArpingSpec::to(HOST);
        change(&mut spec);
        let source = if spec.mode == ArpingMode::Duplicate { Ipv4Addr::UNSPECIFIED } else { OWN };
        Arping::new(spec, 1, source, 0)
    }

    fn hear(arping: &mut Arping, arp: ArpSpec, at: Nanos) -> Option<Event> {
        let bytes = arp.to_bytes();
        arping.heard(&ArpView::new_checked(&bytes).unwrap(), MINE, false, at)
    }

    fn reply(to: Ipv4Addr) -> ArpSpec {
        ArpSpec::reply(PEER, HOST, MINE, to)
    }

    #[test]
    fn who_has_answered_is_asked_alone() {
        let mut arping = arping(|spec| spec.count = Some(2));
        let (to, asked) = arping.send(0, MINE);
        assert_eq!((to, asked.target_mac), (MacAddr::BROADCAST, MacAddr::BROADCAST));
        assert_eq!((asked.operation, asked.sender_ip, asked.target_ip), (REQUEST, OWN, HOST));
        let heard = hear(&mut arping, reply(OWN), MS);
        assert!(matches!(heard, Some(Event::ArpHeard { rtt: Some(1_000_000), .. })), "{heard:?}");
        assert_eq!(arping.due(MS), Due::Wait(Some(1000 * MS)));
        assert_eq!(arping.due(1000 * MS), Due::Send);
        assert_eq!(arping.send(1000 * MS, MINE).0, PEER);
        hear(&mut arping, reply(OWN), 1001 * MS);
        assert_eq!(arping.due(1001 * MS), Due::Over, "all have been answered");
    }

    #[test]
    fn what_is_meant_for_others_is_no_answer() {
        let mut arping = arping(|_| {});
        arping.send(0, MINE);
        assert_eq!(hear(&mut arping, reply(Ipv4Addr::new(192, 0, 2, 7)), MS), None);
        let foreign = ArpSpec::reply(PEER, Ipv4Addr::new(192, 0, 2, 7), MINE, OWN);
        assert_eq!(hear(&mut arping, foreign, MS), None);
        let to_another = ArpSpec { target_mac: PEER, ..reply(OWN) };
        assert_eq!(hear(&mut arping, to_another, MS), None);
        assert_eq!(arping.received, 0);
    }

    #[test]
    fn an_address_is_a_duplicate_when_another_station_speaks_in_its_name() {
        let mut arping = arping(|spec| spec.mode = ArpingMode::Duplicate);
        let (to, probe) = arping.send(0, MINE);
        assert_eq!((to, probe.sender_ip), (MacAddr::BROADCAST, Ipv4Addr::UNSPECIFIED));
        let own = ArpSpec { sender_mac: MINE, ..reply(OWN) };
        assert_eq!(hear(&mut arping, own, MS), None, "this router's own words");
        // A request that the other sends for something else shows it as well.
        let request = ArpSpec::request(PEER, HOST, Ipv4Addr::new(192, 0, 2, 7));
        let heard = hear(&mut arping, request, MS);
        assert!(matches!(heard, Some(Event::ArpHeard { request: true, .. })), "{heard:?}");
        assert_eq!(arping.due(MS), Due::Over);
    }

    #[test]
    fn it_ends_an_interval_after_the_last_or_at_the_deadline() {
        let mut silent = arping(|spec| spec.count = Some(1));
        silent.send(0, MINE);
        assert_eq!(silent.due(999 * MS), Due::Wait(Some(1000 * MS)));
        assert_eq!(silent.due(1000 * MS), Due::Over);
        let mut short = arping(|spec| spec.deadline_ms = Some(300));
        short.send(0, MINE);
        assert_eq!(short.due(0), Due::Wait(Some(300 * MS)));
        assert_eq!(short.due(300 * MS), Due::Over);
    }

    #[test]
    fn neighbours_are_told_in_both_ways() {
        let mut update = arping(|spec| spec.mode = ArpingMode::Update);
        assert_eq!(update.send(0, MINE).1.operation, REQUEST);
        let mut answer = arping(|spec| spec.mode = ArpingMode::Answer);
        let (to, told) = answer.send(0, MINE);
        assert_eq!((to, told.operation, told.target_mac), (MacAddr::BROADCAST, REPLY, MINE));
    }
}
