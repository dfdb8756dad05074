//! The schedule and the books of one ping.
//!
//! - takes: the time, and what was heard about its requests
//! - gives: when to send, events, and whether it is over
//! - obeys: `ping(8)`: the next request an interval after the one before; at the end as long as two
//!   round trips, or the timeout when nothing was answered

use std::{collections::VecDeque, net::IpAddr};

use super::spec::{Event, PingSpec};
use crate::graph::Nanos;

const MS: Nanos = 1_000_000;
/// Requests that can be told apart: older ones are forgotten.
const REMEMBERED: usize = 16_384;
/// Data long enough for `ping` to write a time into (`struct timeval`).
const TIMED: u16 = 16;

/// One ping.
pub(super) struct Ping {
    pub(super) spec: PingSpec,
    started: Nanos,
    pub(super) sent: u64,
    pub(super) received: u64,
    errors: u64,
    next: Nanos,
    slowest: Nanos,
    /// The end when nothing more comes.
    lingers: Option<Nanos>,
    /// Of the last requests: when it was sent, and whether it was answered.
    memory: VecDeque<(Nanos, bool)>,
}

/// What the time has come for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Send,
    Wait(Option<Nanos>),
    Over,
}

impl Ping {
    pub(super) fn new(spec: PingSpec, now: Nanos) -> Self {
        Self {
            spec,
            started: now,
            sent: 0,
            received: 0,
            errors: 0,
            next: now,
            slowest: 0,
            lingers: None,
            memory: VecDeque::new(),
        }
    }

    /// What to do at `now`.
    pub(super) fn due(&self, now: Nanos) -> Due {
        let deadline = self.spec.deadline_ms.map(|ms| self.started + ms * MS);
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Due::Over;
        }
        let complete = self.spec.count.is_some_and(|count| self.received + self.errors >= count);
        if complete || deadline.is_some() && self.errors > 0 {
            return Due::Over;
        }
        // With a deadline, requests go on until so many have been answered.
        if deadline.is_none() && self.spec.count.is_some_and(|count| self.sent >= count) {
            return match self.lingers {
                Some(end) if end <= now => Due::Over,
                end => Due::Wait(end),
            };
        }
        if self.next <= now {
            return Due::Send;
        }
        Due::Wait(Some(deadline.map_or(self.next, |deadline| deadline.min(self.next))))
    }

    /// Notes that a request goes out; gives its number.
    pub(super) fn send(&mut self, now: Nanos) -> u64 {
        self.sent += 1;
        if self.memory.len() == REMEMBERED {
            self.memory.pop_front();
        }
        self.memory.push_back((now, false));
        let interval = self.spec.interval_ms.max(PingSpec::MIN_INTERVAL_MS) * MS;
        // A turn that came late does not make for two requests close together.
        self.next = (self.next + interval).max(now + interval - interval.min(MS));
        if self.spec.count.is_some_and(|count| self.sent >= count) && self.lingers.is_none() {
            let linger = match self.received {
                0 => self.spec.timeout_ms * MS,
                _ => (2 * self.slowest).max(interval),
            };
            self.lingers = (linger > 0).then_some(now + linger);
        }
        self.sent
    }

    /// The request that bears this number on the wire, if it is remembered: its place in memory.
    fn place(&self, seq: u16) -> Option<usize> {
        let age = usize::from((self.sent as u16).wrapping_sub(seq));
        (age < self.memory.len()).then(|| self.memory.len() - 1 - age)
    }

    /// An answer came.
    pub(super) fn answered(
        &mut self,
        seq: u16,
        from: IpAddr,
        bytes: usize,
        ttl: u8,
        at: Nanos,
    ) -> Event {
        let place = self.place(seq);
        let known = place.and_then(|place| self.memory.get_mut(place));
        let mut duplicate = false;
        let mut took = None;
        if let Some((sent, answered)) = known {
            duplicate = std::mem::replace(answered, true);
            took = Some(at.saturating_sub(*sent));
        }
        if !duplicate {
            self.received += 1;
        }
        if let Some(took) = took {
            self.slowest = self.slowest.max(took);
        }
        let rtt = took.filter(|_| self.spec.size >= TIMED);
        Event::Reply { seq, from, bytes, ttl, rtt, duplicate }
    }

    /// Somebody could not deliver a request, or it could not be sent.
    pub(super) fn failed(&mut self) {
        self.errors += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn ping(count: u64) -> Ping {
        Ping::new(PingSpec { count: Some(count), ..PingSpec::to(HOST) }, 0)
    }

    #[test]
    fn requests_go_out_at_the_interval_and_it_ends_with_the_last_answer() {
        let mut ping = ping(2);
        assert_eq!(ping.due(0), Due::Send);
        assert_eq!(ping.send(0), 1);
        assert_eq!(ping.due(1), Due::Wait(Some(1000 * MS)));
        let reply = ping.answered(1, HOST, 64, 63, 3 * MS);
        assert!(matches!(reply, Event::Reply { rtt: Some(3_000_000), duplicate: false, .. }));
        assert_eq!(ping.due(1000 * MS), Due::Send);
        ping.send(1000 * MS);
        // Two round trips, but at least an interval.
        assert_eq!(ping.due(1001 * MS), Due::Wait(Some(2000 * MS)));
        ping.answered(2, HOST, 64, 63, 1002 * MS);
        assert_eq!(ping.due(1002 * MS), Due::Over);
    }

    #[test]
    fn an_answer_counts_once() {
        let mut ping = ping(3);
        ping.send(0);
        ping.answered(1, HOST, 64, 64, MS);
        let again = ping.answered(1, HOST, 64, 64, 2 * MS);
        assert!(matches!(again, Event::Reply { duplicate: true, .. }));
        assert_eq!(ping.received, 1);
        // Nothing was ever sent under this number, so nobody knows how long it took.
        assert!(matches!(ping.answered(9, HOST, 64, 64, 3), Event::Reply { rtt: None, .. }));
    }

    #[test]
    fn without_an_answer_the_timeout_is_waited_for_and_errors_end_it_at_once() {
        let mut ping = ping(1);
        ping.send(0);
        assert_eq!(ping.due(0), Due::Wait(Some(10_000 * MS)));
        assert_eq!(ping.due(10_000 * MS), Due::Over);
        ping.failed();
        assert_eq!(ping.due(1), Due::Over);
        let patient = PingSpec { count: Some(1), timeout_ms: 0, ..PingSpec::to(HOST) };
        let mut patient = Ping::new(patient, 0);
        patient.send(0);
        assert_eq!(patient.due(1 << 50), Due::Wait(None));
    }

    #[test]
    fn a_late_turn_does_not_bunch_requests_and_none_is_closer_than_the_least() {
        let eager = PingSpec { interval_ms: 0, ..PingSpec::to(HOST) };
        let mut ping = Ping::new(eager, 0);
        let mut sent = 0;
        for tick in 0..1000 {
            if ping.due(tick * MS) == Due::Send {
                ping.send(tick * MS);
                sent += 1;
            }
        }
        assert_eq!(sent, 500);
        let mut late = Ping::new(PingSpec::to(HOST), 0);
        late.send(5000 * MS);
        assert_eq!(late.due(5500 * MS), Due::Wait(Some(5999 * MS)));
    }

    #[test]
    fn memory_is_bounded_and_sequence_numbers_wrap() {
        let mut ping = Ping::new(PingSpec::to(HOST), 0);
        for at in 0..70_000 {
            ping.send(at);
        }
        assert_eq!(ping.memory.len(), REMEMBERED);
        // Number 70000 is 4464 on the wire, sent at 69999.
        let reply = ping.answered(4464, HOST, 64, 64, 70_004);
        assert!(matches!(reply, Event::Reply { rtt: Some(5), .. }));
        assert!(matches!(ping.answered(30_000, HOST, 64, 64, 0), Event::Reply { rtt: None, .. }));
    }
}
