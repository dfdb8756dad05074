//! The probes of one traceroute: which to send, and which are over.
//!
//! - takes: the time, and what was heard about its probes
//! - gives: probes to send, a bounded number of them under way, and events in the order of hops
//! - obeys: `traceroute(8)`: an answer is waited for at most three times as long as another of the
//!   same hop took, ten times as long as one from further on, and five seconds

use std::net::IpAddr;

use super::spec::{Event, Method, TracerouteSpec};
use crate::{graph::Nanos, packet::icmp6::ty};

const MS: Nanos = 1_000_000;
/// What is added to a time before it is multiplied, so that a fast hop gets some time at all.
const PRECISION: Nanos = MS;

#[derive(Clone, Debug, Default)]
struct Probe {
    sent: Option<Nanos>,
    done: bool,
    /// It shows the end of the way.
    last: bool,
    from: Option<IpAddr>,
    took: Option<Nanos>,
    mark: String,
}

/// The probes.
pub(super) struct Window {
    pub(super) spec: TracerouteSpec,
    probes: Vec<Probe>,
    start: usize,
    end: usize,
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// What can be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send probe `index` with this time to live, and tell by [`Window::sent_at`].
    Send { index: u16, ttl: u8 },
    /// Tell the operator.
    Tell(Event),
    /// Nothing before this time.
    Wait(Nanos),
    /// It is over.
    Over,
}

impl Window {
    pub(super) fn new(spec: TracerouteSpec) -> Self {
        let queries = usize::from(spec.queries);
        let end = usize::from(spec.max_ttl) * queries;
        let start = usize::from(spec.first_ttl.saturating_sub(1)) * queries;
        Self { spec, probes: vec![Probe::default(); end], start, end, sent: 0, received: 0 }
    }

    fn hop(&self, index: usize) -> std::ops::Range<usize> {
        let queries = usize::from(self.spec.queries);
        let first = index - index % queries;
        first..(first + queries).min(self.probes.len())
    }

    /// How long to wait for an answer to probe `index`.
    fn patience(&self, index: usize) -> Nanos {
        let most = self.spec.wait_ms * MS;
        let times = |took: Nanos, factor: u32| (took + PRECISION).saturating_mul(factor.into());
        if self.spec.here > 0
            && let Some(took) = self.probes[self.hop(index)].iter().find_map(|probe| probe.took)
        {
            return most.min(times(took, self.spec.here));
        }
        if self.spec.near > 0 {
            let further = self.probes[index + 1..].iter().take_while(|probe| probe.sent.is_some());
            if let Some(took) = further.filter_map(|probe| probe.took).next() {
                return most.min(times(took, self.spec.near));
            }
        }
        most
    }

    /// The next thing to do at `now`.
    pub(super) fn step(&mut self, now: Nanos) -> Step {
        let (mut under_way, mut wake) = (0, Nanos::MAX);
        let mut index = self.start;
        while index < self.end {
            if let Some(sent) = self.probes[index].sent
                && !self.probes[index].done
            {
                let end = sent + self.patience(index);
                if end <= now {
                    self.probes[index].done = true;
                } else {
                    wake = wake.min(end);
                }
            }
            let probe = &self.probes[index];
            if probe.done {
                if probe.last {
                    self.end = self.end.min(self.hop(index).end);
                }
                if index == self.start {
                    self.start += 1;
                    return Step::Tell(self.tell(index));
                }
            } else if probe.sent.is_none() {
                let queries = usize::from(self.spec.queries);
                return Step::Send { index: index as u16, ttl: (index / queries + 1) as u8 };
            } else {
                under_way += 1;
            }
            if under_way >= usize::from(self.spec.simultaneous.max(1)) {
                break;
            }
            index += 1;
        }
        if self.start >= self.end { Step::Over } else { Step::Wait(wake) }
    }

    fn tell(&self, index: usize) -> Event {
        let queries = usize::from(self.spec.queries);
        let probe = &self.probes[index];
        Event::Probe {
            ttl: (index / queries + 1) as u8,
            query: (index % queries) as u8,
            from: probe.from,
            rtt: probe.took,
            mark: probe.mark.clone(),
        }
    }

    /// Probe `index` is on its way.
    pub(super) fn sent_at(&mut self, index: u16, now: Nanos) {
        self.sent += 1;
        if let Some(probe) = self.probes.get_mut(usize::from(index)) {
            probe.sent = Some(now);
        }
    }

    /// An answer to probe `index` came; `mark` is for what it says, `last` for the end of the way.
    pub(super) fn answered(
        &mut self,
        index: u16,
        from: IpAddr,
        last: bool,
        mark: String,
        at: Nanos,
    ) {
        let Some(probe) = self.probes.get_mut(usize::from(index)) else { return };
        let Some(sent) = probe.sent.filter(|_| !probe.done) else { return };
        self.received += 1;
        probe.done = true;
        probe.last = last;
        probe.from = Some(from);
        probe.took = Some(at.saturating_sub(sent));
        probe.mark = mark;
    }

    /// Port or sequence number of probe `index`.
    pub(super) fn number(&self, index: u16) -> u16 {
        let first = self.spec.port.unwrap_or(match self.spec.method {
            Method::Udp => 33_434,
            Method::Icmp => 1,
            Method::Tcp => 80,
        });
        first.wrapping_add(index)
    }

    /// The probe of this port or sequence number.
    pub(super) fn index(&self, number: u16) -> u16 {
        number.wrapping_sub(self.number(0))
    }
}

/// The mark of an ICMP error, and whether it is the end of the way; `None` for one that tells
/// nothing.
pub(super) fn verdict(kind: u8, code: u8, info: u32) -> Option<(bool, String)> {
    let mark = match (kind, code) {
        (11, 0) => return Some((false, String::new())),
        (3, 0 | 6 | 8 | 11) => "!N".into(),
        (3, 1 | 7 | 12) => "!H".into(),
        (3, 2) => "!P".into(),
        (3, 3) => String::new(),
        (3, 4) => format!("!F-{}", info & 0xffff),
        (3, 5) => "!S".into(),
        (3, 9 | 10 | 13) => "!X".into(),
        (3, 14) => "!V".into(),
        (3, 15) => "!C".into(),
        (3, other) => format!("!<{other}>"),
        (11 | 12, other) => format!("!<{kind}-{other}>"),
        _ => return None,
    };
    Some((true, mark))
}

/// The same for an error of ICMPv6.
pub(super) fn verdict6(kind: u8, code: u8, info: u32) -> Option<(bool, String)> {
    let mark = match (kind, code) {
        (ty::TIME_EXCEEDED, 0) => return Some((false, String::new())),
        (ty::UNREACHABLE, 0) => "!N".into(),
        (ty::UNREACHABLE, 1) => "!X".into(),
        (ty::UNREACHABLE, 2 | 3) => "!H".into(),
        (ty::UNREACHABLE, 4) => String::new(),
        (ty::UNREACHABLE, other) => format!("!<{other}>"),
        (ty::PACKET_TOO_BIG, _) => format!("!F-{info}"),
        (ty::PARAMETER_PROBLEM, 1) => "!P".into(),
        (ty::TIME_EXCEEDED | ty::PARAMETER_PROBLEM, other) => format!("!<{kind}-{other}>"),
        _ => return None,
    };
    Some((true, mark))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    /// Lets it go on until it waits or is over; gives what it sent and told.
    fn run(window: &mut Window, now: Nanos) -> (Vec<(u16, u8)>, Vec<Event>, Step) {
        let (mut sent, mut told) = (Vec::new(), Vec::new());
        loop {
            match window.step(now) {
                Step::Send { index, ttl } => {
                    window.sent_at(index, now);
                    sent.push((index, ttl));
                }
                Step::Tell(event) => told.push(event),
                step => return (sent, told, step),
            }
        }
    }

    #[test]
    fn sixteen_are_under_way_and_answers_are_told_in_the_order_of_hops() {
        let mut window = Window::new(TracerouteSpec::to(HOST));
        let (sent, told, step) = run(&mut window, 0);
        assert_eq!((sent.len(), told.len()), (16, 0));
        assert_eq!((sent[0], sent[3], sent[15]), ((0, 1), (3, 2), (15, 6)));
        assert_eq!(step, Step::Wait(5000 * MS));
        // The end of the way is at the second hop; its first answer comes before those of the first.
        for index in 3..6 {
            window.answered(index, HOST, true, String::new(), 2 * MS);
        }
        assert!(run(&mut window, 2 * MS).0.is_empty(), "nothing is sent beyond the end");
        for index in 0..3 {
            window.answered(index, NEAR, false, String::new(), 3 * MS);
        }
        let (_, told, step) = run(&mut window, 3 * MS);
        let from: Vec<_> = told
            .iter()
            .map(|event| match event {
                Event::Probe { ttl, query, from, .. } => (*ttl, *query, *from),
                other => panic!("{other:?}"),
            })
            .collect();
        let (near, host) = (Some(NEAR), Some(HOST));
        assert_eq!(
            from,
            [(1, 0, near), (1, 1, near), (1, 2, near), (2, 0, host), (2, 1, host), (2, 2, host)]
        );
        assert_eq!(step, Step::Over);
    }

    #[test]
    fn a_silent_probe_is_given_up_sooner_when_its_neighbours_were_fast() {
        let spec = TracerouteSpec { max_ttl: 1, ..TracerouteSpec::to(HOST) };
        let mut window = Window::new(spec);
        run(&mut window, 0);
        window.answered(0, NEAR, false, String::new(), 4 * MS);
        let (_, told, step) = run(&mut window, 5 * MS);
        assert_eq!((told.len(), step), (1, Step::Wait(15 * MS)));
        let (_, told, step) = run(&mut window, 15 * MS);
        assert!(matches!(told[..], [Event::Probe { from: None, .. }, Event::Probe { .. }]));
        assert_eq!(step, Step::Over);
    }

    #[test]
    fn nothing_answers_and_it_ends_at_the_last_hop() {
        let spec =
            TracerouteSpec { first_ttl: 2, max_ttl: 3, queries: 1, ..TracerouteSpec::to(HOST) };
        let mut window = Window::new(spec);
        let (sent, ..) = run(&mut window, 0);
        assert_eq!(sent, [(1, 2), (2, 3)]);
        let (_, told, step) = run(&mut window, 5000 * MS);
        assert_eq!((told.len(), step), (2, Step::Over));
        // What comes late changes nothing.
        window.answered(1, NEAR, false, String::new(), 5001 * MS);
        assert_eq!(window.received, 0);
    }

    #[test]
    fn codes_have_the_marks_of_traceroute() {
        let mark = |kind, code, info| verdict(kind, code, info).map(|(_, mark)| mark);
        assert_eq!(verdict(11, 0, 0), Some((false, String::new())));
        assert_eq!(verdict(3, 3, 0), Some((true, String::new())));
        for (code, text) in [(0, "!N"), (1, "!H"), (2, "!P"), (5, "!S"), (13, "!X"), (9, "!X")] {
            assert_eq!(mark(3, code, 0).as_deref(), Some(text));
        }
        assert_eq!(mark(3, 4, 1400).as_deref(), Some("!F-1400"));
        assert_eq!(verdict(5, 1, 0), None, "a redirect is no answer");
    }

    #[test]
    fn codes_of_icmpv6_have_marks_of_their_own() {
        let mark = |kind, code, info| verdict6(kind, code, info).map(|(_, mark)| mark);
        assert_eq!(verdict6(3, 0, 0), Some((false, String::new())));
        assert_eq!(verdict6(1, 4, 0), Some((true, String::new())));
        for (code, text) in [(0, "!N"), (1, "!X"), (2, "!H"), (3, "!H"), (6, "!<6>")] {
            assert_eq!(mark(1, code, 0).as_deref(), Some(text));
        }
        assert_eq!(mark(2, 0, 1280).as_deref(), Some("!F-1280"));
        assert_eq!(mark(4, 1, 40).as_deref(), Some("!P"));
        assert_eq!(verdict6(137, 0, 0), None, "a redirect is no answer");
    }
}
