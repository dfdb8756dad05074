//! The far ends of a router's ports.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::frame::{ARP, Arp, BROADCAST, ETH_HEADER, IPV4, Ip, ether, pad, tag, untag};
use crate::common::guest::Nic;
use crate::common::netns::Namespace;
use crate::common::tap::Tap;
use crate::corpus::Step;
use crate::outcome::{Outcome, PORTS, Said, is_chatter};
use crate::topology::{DMZ, DMZ_MAC, LAN, LAN_MAC, SENTINELS, Topology, WAN, WAN_MAC, mac_of};

/// A wire in every port.
pub(crate) struct Wires {
    ends: Vec<Wire>,
    /// Whether what the router says unasked is taken too.
    chatty: bool,
}

/// The end of a cable that the test holds.
enum End {
    Tap(Tap),
    Nic(Nic),
}

impl End {
    fn name(&self) -> &str {
        match self {
            Self::Tap(tap) => tap.name(),
            Self::Nic(nic) => nic.name(),
        }
    }

    fn send(&self, frame: &[u8]) {
        match self {
            Self::Tap(tap) => tap.send(frame),
            Self::Nic(nic) => nic.send(frame),
        }
    }

    fn receive(&self) -> Option<Vec<u8>> {
        match self {
            Self::Tap(tap) => tap.receive(),
            Self::Nic(nic) => nic.receive(),
        }
    }
}

struct Wire {
    end: End,
    /// For the stand-in of a VLAN interface: the port and the VLAN identifier.
    stands_for: Option<(&'static str, u16)>,
}

/// How many frames the sentinels cause: one out of each port and VLAN, and three answers.
const SENTINEL_FRAMES: usize = SENTINELS.len() + 3;

impl Wires {
    pub(crate) fn new(chatty: bool) -> Self {
        Self { ends: Vec::new(), chatty }
    }

    /// Takes all that a router says of its own while it starts.
    pub(crate) fn calm(&self) {
        sleep(Duration::from_millis(if self.chatty { 300 } else { 20 }));
        self.collect();
    }

    /// Makes a port.
    pub(crate) fn plug(&mut self, namespace: &Namespace, port: &str) {
        let tap = Tap::new(namespace, port);
        self.ends.push(Wire { end: End::Tap(tap), stands_for: None });
    }

    /// Takes hold of the cables of a guest's cards.
    pub(crate) fn of_guest(nics: Vec<Nic>) -> Self {
        let wire = |nic| Wire { end: End::Nic(nic), stands_for: None };
        Self { ends: nics.into_iter().map(wire).collect(), chatty: false }
    }

    /// Makes an interface that sees and sends what a VLAN interface would.
    pub(crate) fn plug_for_vlan(
        &mut self,
        namespace: &Namespace,
        name: &str,
        parent: &'static str,
        vid: u16,
    ) {
        let tap = Tap::new(namespace, name);
        self.ends.push(Wire { end: End::Tap(tap), stands_for: Some((parent, vid)) });
    }

    /// Gives the router each frame in turn and takes what has come of it when `inject` returns.
    pub(crate) fn play(&self, steps: &[Step], command: impl Fn(&str) -> Said) -> Vec<Outcome> {
        let outcomes = steps
            .iter()
            .map(|step| {
                let said = step.command.as_deref().map(&command);
                if said.is_none() {
                    self.inject(step.port, &step.frame);
                }
                if !step.settle.is_zero() {
                    sleep(step.settle);
                }
                let mut outcome = self.collect();
                said.into_iter().for_each(|said| outcome.say(said));
                outcome
            })
            .collect();
        // Were an effect late, the next frame would be blamed for it, so that there are none is not
        // left to belief: after the last one nothing may come.
        sleep(Duration::from_millis(20));
        let late = self.collect();
        assert!(late.is_nothing(), "the router sent frames late: {}", late.brief());
        outcomes
    }

    /// The same with a router that takes its time: behind each frame go others that are known to
    /// come out, by every way through the router, and when they have, so has what came before.
    pub(crate) fn play_with_sentinels(&self, steps: &[Step]) -> Vec<Outcome> {
        let played = steps.iter().map(|step| {
            self.inject(step.port, &step.frame);
            sleep(step.settle);
            for sentinel in sentinels(step.port) {
                self.inject(step.port, &sentinel);
            }
            let (mut outcome, mut seen) = (Outcome::default(), 0);
            let deadline = Instant::now() + Duration::from_secs(5);
            while seen < SENTINEL_FRAMES {
                assert!(
                    Instant::now() < deadline,
                    "{} of {SENTINEL_FRAMES} sentinels came behind {:?}; besides: {}",
                    seen,
                    step.name,
                    outcome.brief()
                );
                for (port, frame) in self.collect().frames() {
                    if is_sentinel(&frame) {
                        seen += usize::from(!is_redirect(&frame));
                    } else {
                        outcome.push(port, frame);
                    }
                }
            }
            // What left by another port before the last sentinel may have been looked for before.
            self.question_all(&PORTS, &step.name, &mut outcome);
            outcome
        });
        played.collect()
    }

    /// Asks every one of these ports for its address, and takes what comes until all have answered.
    fn question_all(&self, ports: &[&str], behind: &str, outcome: &mut Outcome) {
        ports.iter().for_each(|port| self.inject(port, &question(port)));
        let (mut seen, deadline) = (0, Instant::now() + Duration::from_secs(5));
        while seen < ports.len() {
            assert!(
                Instant::now() < deadline,
                "{seen} of {ports:?} answered behind {behind:?}; besides: {}",
                outcome.brief()
            );
            for (port, frame) in self.collect().frames() {
                match is_sentinel(&frame) {
                    true => seen += usize::from(!is_redirect(&frame)),
                    false => outcome.push(port, frame),
                }
            }
        }
        for (port, frame) in self.collect().frames().filter(|(_, frame)| !is_sentinel(frame)) {
            outcome.push(port, frame);
        }
    }

    /// The same with a router whose ways change: behind each frame every port that is up is asked
    /// for its address, twice, since a first answer may overtake what was given to another port.
    pub(crate) fn play_with_questions(
        &self,
        steps: &[Step],
        command: impl Fn(&str) -> Said,
    ) -> Vec<Outcome> {
        let mut up: Vec<&'static str> = PORTS.to_vec();
        let played = steps.iter().map(|step| {
            let said = step.command.as_deref().map(&command);
            match step.command.as_deref().and_then(change_of) {
                Some((link, is_up)) => {
                    up.retain(|port| *port != link);
                    up.extend(PORTS.into_iter().filter(|port| is_up && *port == link));
                }
                None if said.is_none() => self.inject(step.port, &step.frame),
                None => {}
            }
            sleep(step.settle);
            let mut outcome = Outcome::default();
            said.into_iter().for_each(|said| outcome.say(said));
            (0..2).for_each(|_| self.question_all(&up, &step.name, &mut outcome));
            outcome
        });
        played.collect()
    }

    /// The same with ports that have addresses of their own: each is asked for its address and for an
    /// echo, which the workers answer themselves.
    pub(crate) fn play_with_answers(
        &self,
        topology: &Topology,
        steps: &[Step],
        mut command: impl FnMut(&str) -> Said,
    ) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            let mut outcome = Outcome::default();
            match &step.command {
                Some(words) => outcome.say(command(words)),
                None => self.inject(step.port, &step.frame),
            }
            sleep(step.settle);
            for _ in 0..2 {
                assert!(
                    self.ask_ends(topology, Duration::from_secs(5), &mut outcome),
                    "not all ports answer behind {:?}; besides: {}",
                    step.name,
                    outcome.brief()
                );
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    /// Asks every port of a topology; false when not all answer in time. What else comes meanwhile is
    /// added to `outcome`.
    pub(crate) fn ask_ends(
        &self,
        topology: &Topology,
        limit: Duration,
        outcome: &mut Outcome,
    ) -> bool {
        let mut missing = 0;
        for port in topology.ports.iter().filter(|port| port.vlan.is_none()) {
            let (router, asks) = port.ends();
            let own = mac_of(asks);
            let arp = Arp::request(own, asks, router);
            let echo = Ip::new(asks, router).echo(7, 7, b"sentinel");
            self.inject(port.name, &pad(ether(BROADCAST, own, ARP, &arp.bytes()), 60));
            self.inject(port.name, &pad(ether(port.mac, own, IPV4, &echo.bytes()), 60));
            missing += 2;
        }
        let deadline = Instant::now() + limit;
        while missing > 0 && Instant::now() < deadline {
            for (port, frame) in self.collect().frames() {
                if is_sentinel(&frame) {
                    missing -= usize::from(!is_redirect(&frame)).min(missing);
                } else {
                    outcome.push(port, frame);
                }
            }
            // A guest needs the processor that this would burn.
            sleep(Duration::from_micros(50));
        }
        missing == 0
    }

    /// Whether a router on these wires answers within a moment.
    pub(crate) fn answer(&self) -> bool {
        for sentinel in sentinels("lan") {
            self.inject("lan", &sentinel);
        }
        sleep(Duration::from_millis(100));
        // All of what it has to say, so that nothing of it is left for later.
        let mut said = false;
        while let Some(more) = Some(self.collect()).filter(|outcome| !outcome.is_nothing()) {
            said |= !more.is_nothing();
            sleep(Duration::from_millis(100));
        }
        said
    }

    /// Whether a router whose ways are unknown answers within a moment.
    pub(crate) fn answer_questions(&self) -> bool {
        PORTS.iter().for_each(|port| self.inject(port, &question(port)));
        sleep(Duration::from_millis(100));
        let mut said = 0;
        while let Some(more) = Some(self.collect()).filter(|outcome| !outcome.is_nothing()) {
            said += more.frames().count();
            sleep(Duration::from_millis(100));
        }
        said >= PORTS.len()
    }

    fn inject(&self, port: &str, frame: &[u8]) {
        if let Some((tci, inner)) = untag(frame) {
            let stand_in =
                self.ends.iter().find(|wire| wire.stands_for == Some((known(port), tci & 0xfff)));
            // A tag with no ethertype behind it is no frame for any interface; the port drops it.
            if let Some(wire) = stand_in.filter(|_| inner.len() >= ETH_HEADER) {
                wire.end.send(&inner);
                return;
            }
        }
        let wire = self.ends.iter().find(|wire| wire.end.name() == port);
        wire.expect("a port of that name").end.send(frame);
    }

    fn collect(&self) -> Outcome {
        let mut outcome = Outcome::default();
        for wire in &self.ends {
            while let Some(frame) = wire.end.receive() {
                if !self.chatty && is_chatter(&frame) {
                    continue;
                }
                match wire.stands_for {
                    Some((parent, vid)) => outcome.push(parent, tag(&frame, vid)),
                    None => outcome.push(known(wire.end.name()), frame),
                }
            }
        }
        outcome
    }
}

fn known(name: &str) -> &'static str {
    PORTS
        .into_iter()
        .find(|port| *port == name)
        .unwrap_or_else(|| panic!("{name} is no port of the laboratory"))
}

/// One packet out of every interface, and questions that the router answers in different places.
fn sentinels(port: &str) -> Vec<Vec<u8>> {
    let (mac, router, own) = match port {
        "lan" => (LAN_MAC, LAN, SENTINELS[0].0),
        "wan" => (WAN_MAC, WAN, SENTINELS[1].0),
        _ => (DMZ_MAC, DMZ, SENTINELS[2].0),
    };
    let packet = |packet: Ip| pad(ether(mac, mac_of(own), IPV4, &packet.bytes()), 60);
    let mut frames: Vec<Vec<u8>> = SENTINELS
        .iter()
        .map(|(host, _)| packet(Ip::new(own, *host).udp(7, 7, b"sentinel")))
        .collect();
    frames.push(packet(Ip::new(own, router).echo(7, 7, b"sentinel")));
    frames.push(packet(Ip::new(own, router).tcp((7, 81), 7, 0, 2, b"")));
    let ask = Arp::request(mac_of(own), own, router);
    frames.push(pad(ether(BROADCAST, mac_of(own), ARP, &ask.bytes()), 60));
    frames
}

/// A probe for the router's address (RFC 5227), which needs no way back.
fn question(port: &str) -> Vec<u8> {
    let (router, own) = match port {
        "lan" => (LAN, SENTINELS[0].0),
        "wan" => (WAN, SENTINELS[1].0),
        _ => (DMZ, SENTINELS[2].0),
    };
    let ask = Arp::request(mac_of(own), Ipv4Addr::UNSPECIFIED, router);
    pad(ether(BROADCAST, mac_of(own), ARP, &ask.bytes()), 60)
}

/// The link that a command has carry frames or no longer, and which.
fn change_of(words: &str) -> Option<(&str, bool)> {
    if let Some(carrier) = carrier_of(words) {
        return Some(carrier);
    }
    match words.split_whitespace().collect::<Vec<_>>()[..] {
        ["link", "set", link, "up"] => Some((link, true)),
        ["link", "set", link, "down"] => Some((link, false)),
        _ => None,
    }
}

/// The link whose cable a command plugs or pulls, and which.
pub(crate) fn carrier_of(words: &str) -> Option<(&str, bool)> {
    match words.split_whitespace().collect::<Vec<_>>()[..] {
        ["link", "set", link, "carrier", state] => Some((link, state == "on")),
        _ => None,
    }
}

/// Whether a frame is to one of the hosts that only sentinels come from.
fn is_sentinel(frame: &[u8]) -> bool {
    SENTINELS.iter().any(|(host, _)| frame[..6] == mac_of(*host))
}

/// Whether a frame tells a sentinel of a better way: it comes now and then, at the router's own pace, and
/// says nothing about what came before.
fn is_redirect(frame: &[u8]) -> bool {
    let at = 14 + usize::from(frame[14] & 0x0f) * 4;
    frame[12..14] == [0x08, 0x00] && frame[23] == 1 && frame.get(at) == Some(&5)
}
