//! Connections of several workers, whose packets come to whichever the port gives them to.

use super::{fragments::Lab, *};
use crate::{
    packet::{checksum, icmp4::ErrorKind, ipv4::protocol},
    telemetry::{desk::Desk, protocol::Tool},
};

pub(super) const HANDED: &str = "[limits]\nconnections = 16384\n";
pub(super) const LAN: usize = 0;
pub(super) const WAN: usize = 1;

/// Nobody knows to which worker a flow comes: each port has its own.
const BY_PORT: &str = "[limits]\nconnections = 16384\n[workers]\nspread = \"off\"\n";

/// A lab with these rules of iptables.
pub(super) fn lab(machine: &Machine, workers: usize, words: &str, rules: &[&str]) -> Lab {
    let mut lab = Lab::new(machine, workers, words);
    for rule in rules {
        let said = lab.tool("iptables", rule, None);
        assert_eq!((said.status, &*said.err), (0, ""), "{rule}");
    }
    lab
}

/// An IPv4 packet from its header on.
pub(super) fn ip(frame: &[u8]) -> &[u8] {
    &frame[14..]
}

/// The payload of a packet and its ends the other way round.
pub(super) fn answer_to(frame: &[u8]) -> FrameBuilder {
    let view = Ipv4View::new_checked(ip(frame)).unwrap();
    let l4 = view.payload();
    let port = |at: usize| u16::from_be_bytes([l4[at], l4[at + 1]]);
    let back = FrameBuilder::new().ipv4(view.dst(), view.src());
    match view.protocol() {
        protocol::TCP => back.tcp(port(2), port(0), 0x10),
        protocol::UDP => back.udp(port(2), port(0)),
        _ => back.echo_reply(port(4), port(6)),
    }
}

/// A frame in pieces of up to `size` bytes.
pub(super) fn pieces(frame: &[u8], size: usize) -> Vec<Vec<u8>> {
    let payload = &frame[34..];
    let piece = |start: usize| {
        let end = (start + size).min(payload.len());
        let mut piece = [&frame[..34], &payload[start..end]].concat();
        piece[16..18].copy_from_slice(&((20 + end - start) as u16).to_be_bytes());
        let more = if end < payload.len() { 0x2000 } else { 0 };
        piece[20..22].copy_from_slice(&(more | (start / 8) as u16).to_be_bytes());
        checksum::ipv4_header_fill(&mut piece[14..34]);
        piece
    };
    (0..payload.len()).step_by(size).map(piece).collect()
}

/// Clients on the lan that talk with servers beyond the wan.
struct Talk {
    lab: Lab,
    /// By flow: what left last by the wan, and what came last to the client.
    outside: HashMap<u8, Vec<u8>>,
    inside: HashMap<u8, Vec<u8>>,
    id: u16,
}

impl Talk {
    fn new(machine: &Machine, workers: usize, words: &str, rules: &[&str]) -> Self {
        let lab = lab(machine, workers, words, rules);
        Self { lab, outside: HashMap::new(), inside: HashMap::new(), id: 0 }
    }

    fn client(flow: u8) -> FrameBuilder {
        let (host, server) = (10 + flow % 4, 1 + flow / 4 % 3);
        let ends = FrameBuilder::new().ipv4([10, 0, 0, host].into(), [198, 51, 100, server].into());
        // Clients have the same ports, so that some have to change.
        let port = 5000 + u16::from(flow / 12);
        match flow % 3 {
            0 => ends.udp(port, 53),
            1 => ends.tcp(port, 80, 2),
            _ => ends.echo_request(port, 1),
        }
    }

    /// One thing happens to a flow: what leaves because of it, the ports that a worker has chosen left
    /// out.
    fn step(&mut self, flow: u8, what: u8) -> Vec<(usize, Vec<u8>)> {
        self.id += 1;
        let id = self.id;
        let came = self.inside.get(&flow).cloned();
        let router = FrameBuilder::new().ipv4([198, 51, 100, 77].into(), [10, 0, 1, 1].into());
        let (place, frames) = match (what % 8, self.outside.get(&flow)) {
            (0 | 1, _) | (_, None) => {
                (LAN, vec![Self::client(flow).id(id).payload_len(20).build()])
            }
            (2, _) => {
                let whole = Self::client(flow).id(id).payload_len(2000).build();
                (LAN, pieces(&whole, 1000))
            }
            (3 | 4, Some(out)) => (WAN, vec![answer_to(out).id(id).payload_len(30).build()]),
            (5, Some(out)) => (WAN, pieces(&answer_to(out).id(id).payload_len(1800).build(), 800)),
            (6, Some(out)) => {
                let quoted = &ip(out)[..ip(out).len().min(68)];
                let error = router.icmp_error(ErrorKind::TimeExceeded { code: 0 });
                (WAN, vec![error.id(id).payload(quoted).build()])
            }
            (_, Some(_)) => match &came {
                // The client says that nobody is there.
                Some(came) if flow.is_multiple_of(3) => {
                    let view = Ipv4View::new_checked(ip(came)).unwrap();
                    let back = FrameBuilder::new().ipv4(view.dst(), view.src());
                    let error = back.icmp_error(ErrorKind::Unreachable { code: 3 });
                    let quoted = &ip(came)[..ip(came).len().min(68)];
                    (LAN, vec![error.id(id).payload(quoted).build()])
                }
                _ => return Vec::new(),
            },
        };
        for frame in &frames {
            self.lab.give_by(place, frame);
        }
        let sent: Vec<_> = self.lab.take().into_iter().map(|(to, _, frame)| (to, frame)).collect();
        for (to, frame) in &sent {
            let whole = frames.len() == 1 && what % 8 < 5;
            match *to {
                WAN if whole && place == LAN => drop(self.outside.insert(flow, frame.clone())),
                LAN if whole && place == WAN => drop(self.inside.insert(flow, frame.clone())),
                _ => {}
            }
        }
        sent.into_iter().map(|(to, frame)| (to, plain(to, frame))).collect()
    }
}

/// A frame without what a choice of ports changes in it; its checksums hold.
fn plain(to: usize, mut frame: Vec<u8>) -> Vec<u8> {
    let view = Ipv4View::new_checked(ip(&frame)).unwrap();
    assert!(view.checksum_holds());
    let fragment = view.is_fragment();
    let proto = view.protocol();
    if to == LAN {
        return frame;
    }
    // Source port and checksum; of ICMP checksum and identifier, or of what it quotes likewise.
    let blanks: &[std::ops::Range<usize>] = match (proto, frame[34]) {
        _ if fragment && u16::from_be_bytes([frame[20], frame[21]]) & 0x1fff != 0 => &[],
        (protocol::UDP, _) => &[34..36, 40..42],
        (protocol::TCP, _) => &[34..36, 50..52],
        (_, 0 | 8) => &[36..38, 38..40],
        _ => &[36..38, 52..54, 64..66, 68..70],
    };
    for blank in blanks {
        let end = blank.end.min(frame.len());
        frame[blank.start.min(end)..end].fill(0);
    }
    frame
}

pub(super) const MASQUERADE: &[&str] = &[
    "-t nat -A POSTROUTING -o wan -j MASQUERADE",
    "-P FORWARD DROP",
    "-A FORWARD -i lan -j ACCEPT",
    "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
];
const FILTER: &[&str] = &[
    "-P FORWARD DROP",
    "-A FORWARD -i lan -j ACCEPT",
    "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
];

/// Several workers do what one does, up to the ports that they choose: whole packets and pieces of both
/// directions, and errors about them, come to workers that do not have their connection.
#[test]
fn several_workers_translate_as_one_does() {
    let machine = machine_for(&world());
    for (name, rules) in [("masquerade", MASQUERADE), ("filter", FILTER)] {
        for seed in 0..12 {
            let run = |workers, words| {
                let mut talk = Talk::new(&machine, workers, words, rules);
                let mut random = Random::new(seed + 1);
                let steps: Vec<_> = (0..150)
                    .map(|_| {
                        let (flow, what) = (random.below(30) as u8, random.below(8) as u8);
                        ((flow, what), talk.step(flow, what))
                    })
                    .collect();
                let handed = talk.lab.handed();
                talk.lab.finish();
                (steps, handed)
            };
            let (one, none) = run(1, HANDED);
            assert_eq!(none, 0);
            let answered = one.iter().filter(|(_, sent)| !sent.is_empty()).count();
            assert!(answered > 100, "{answered}");
            for (workers, words) in [(2, HANDED), (3, HANDED), (2, BY_PORT)] {
                let (many, handed) = run(workers, words);
                for (at, (one, many)) in one.iter().zip(&many).enumerate() {
                    assert_eq!(
                        one, many,
                        "{name}, seed {seed}, {workers} workers {words:?}, step {at}"
                    );
                }
                assert!(handed > 0, "{name}, seed {seed}: nothing was handed over");
            }
        }
    }
}

/// Where workers know how flows are spread, the answers to a port that one chooses come to itself.
#[test]
fn a_port_is_chosen_whose_answers_come_to_the_same_worker() {
    let machine = machine_for(&world());
    let mut lab = lab(&machine, 3, HANDED, MASQUERADE);
    for client in 0..200_u16 {
        // All clients want one port, so that most get another.
        let host = [10, 0, 0, 20 + client as u8].into();
        let frame = FrameBuilder::new().ipv4(host, [198, 51, 100, 9].into()).udp(7000, 53);
        lab.give_by(LAN, &frame.build());
        let sent = lab.take();
        let [(WAN, _, out)] = &sent[..] else { panic!("{} frames", sent.len()) };
        lab.give_by(WAN, &answer_to(out).build());
        let sent = lab.take();
        let [(LAN, _, back)] = &sent[..] else { panic!("{} frames", sent.len()) };
        assert_eq!(Ipv4View::new_checked(ip(back)).unwrap().dst(), host);
    }
    assert_eq!(lab.handed(), 0);
    lab.finish();
}

/// Translated destinations, whose answers no choice of a port steers.
#[test]
fn answers_of_a_server_behind_the_router_find_their_way() {
    let machine = machine_for(&world());
    let rule =
        "-t nat -A PREROUTING -i wan -p tcp --dport 80 -j DNAT --to-destination 10.0.0.9:8080";
    let mut lab = lab(&machine, 2, HANDED, &[rule]);
    for client in 1..60 {
        let host = [198, 51, 100, client].into();
        let ask = FrameBuilder::new().ipv4(host, [10, 0, 1, 1].into()).tcp(4000, 80, 2);
        lab.give_by(WAN, &ask.build());
        let sent = lab.take();
        let [(LAN, _, inside)] = &sent[..] else { panic!("{} frames", sent.len()) };
        assert_eq!(ip(inside)[16..20], [10, 0, 0, 9]);
        let syn_ack = {
            let mut frame = answer_to(inside).build();
            frame[47] = 0x12;
            let sum = |frame: &mut Vec<u8>| {
                let view = Ipv4View::new_checked(&frame[14..]).unwrap();
                let (src, dst) = (view.src(), view.dst());
                let mut l4 = view.payload().to_vec();
                l4[16..18].fill(0);
                let sum = checksum::transport(src, dst, 6, &l4);
                frame[50..52].copy_from_slice(&sum.to_be_bytes());
            };
            // It acknowledges the SYN.
            let seq = u32::from_be_bytes([inside[38], inside[39], inside[40], inside[41]]);
            frame[42..46].copy_from_slice(&(seq + 1).to_be_bytes());
            sum(&mut frame);
            frame
        };
        lab.give_by(LAN, &syn_ack);
        let sent = lab.take();
        let [(WAN, _, back)] = &sent[..] else { panic!("client {client}: {} frames", sent.len()) };
        assert_eq!((&ip(back)[12..16], &ip(back)[20..22]), (&[10, 0, 1, 1][..], &[0, 80][..]));
    }
    assert!(lab.handed() > 10, "{}", lab.handed());
    lab.finish();
}

/// A segment of a control connection of FTP.
fn segment(ends: (FrameBuilder, u16, u16), seq: u32, ack: u32, flags: u8, text: &str) -> Vec<u8> {
    use crate::packet::tcp::TcpSpec;
    let (frame, src_port, dst_port) = ends;
    let spec = TcpSpec { src_port, dst_port, seq, ack, flags, window: 60_000 };
    frame.tcp_spec(spec).payload(text.as_bytes()).build()
}

/// Shows [9.161]: what a helper has announced is known wherever it comes.
#[test]
fn announced_connections_belong_to_the_worker_that_heard_of_them() {
    let machine = machine_for(&world());
    let rules = [
        "-t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
        "-t nat -A POSTROUTING -o wan -j MASQUERADE",
        "-P FORWARD DROP",
        "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A FORWARD -i lan -p tcp --dport 21 -j ACCEPT",
    ];
    for workers in [1, 3] {
        announces(lab(&machine, workers, HANDED, &rules), workers);
    }
}

fn announces(mut lab: Lab, workers: usize) {
    let (client, server) = ([10, 0, 0, 7].into(), [198, 51, 100, 9].into());
    let there = || FrameBuilder::new().ipv4(client, server);
    for round in 0..12_u16 {
        let port = 3000 + round;
        let mut give = |place, frame: &[u8]| {
            lab.give_by(place, frame);
            let sent = lab.take();
            let [(_, _, frame)] = &sent[..] else {
                panic!("{workers} workers, round {round}: {} frames", sent.len())
            };
            frame.clone()
        };
        let out = give(LAN, &segment((there(), port, 21), 100, 0, 0x02, ""));
        let mapped = u16::from_be_bytes([out[34], out[35]]);
        let back = || FrameBuilder::new().ipv4(server, [10, 0, 1, 1].into());
        give(WAN, &segment((back(), 21, mapped), 500, 101, 0x12, ""));
        give(LAN, &segment((there(), port, 21), 101, 501, 0x10, ""));
        give(WAN, &segment((back(), 21, mapped), 501, 101, 0x18, "220 Ready.\r\n"));
        let data = 20_000 + round * 7;
        let text =
            format!("227 Entering Passive Mode (198,51,100,9,{},{}).\r\n", data >> 8, data & 255);
        give(WAN, &segment((back(), 21, mapped), 513, 101, 0x18, &text));
        // Nobody else may open what was announced, and it once.
        let out = give(LAN, &segment((there(), 4000 + round, data), 7, 0, 0x02, ""));
        let mapped = u16::from_be_bytes([out[34], out[35]]);
        let open = give(WAN, &segment((back(), data, mapped), 9, 8, 0x12, ""));
        assert_eq!(ip(&open)[16..20], [10, 0, 0, 7]);
        lab.give_by(LAN, &segment((there(), 4500 + round, data), 7, 0, 0x02, ""));
        assert!(lab.take().is_empty());
    }
    assert_eq!(lab.handed() > 5, workers > 1, "{}", lab.handed());
    lab.finish();
}

/// A worker that is behind costs the packets that are for it, and no others.
#[test]
fn what_finds_no_room_on_the_way_to_its_worker_is_counted() {
    let machine = machine_for(&world());
    let mut talk = Talk::new(&machine, 2, HANDED, MASQUERADE);
    for flow in (2..60).step_by(3) {
        talk.step(flow, 0);
    }
    let ways = talk.lab.ways();
    let kept: Vec<Vec<_>> =
        ways.iter().map(|way| std::iter::from_fn(|| way.empty()).collect()).collect();
    // Answers to pings come by their addresses alone.
    let came: usize = (2..60).step_by(3).map(|flow| talk.step(flow, 3).len()).sum();
    let lost = talk.lab.ended(Reason::ConntrackHandover);
    assert!(lost > 3, "{lost}");
    assert_eq!(came as u64 + lost, 20);
    for (way, frames) in ways.iter().zip(kept) {
        frames.into_iter().for_each(|frame| way.give(frame));
    }
    talk.lab.finish();
}

/// A router that masquerades, and what reaches its hosts.
struct Masquerading {
    config: Config,
    pool: crate::dpdk::mempool::Pool,
    came: Arc<AtomicU64>,
}

impl Beside for Masquerading {
    fn prepare(&mut self, router: &mut Router) -> Result<(), ReplayError> {
        setup::load_routes(&self.config, router)?;
        for rule in MASQUERADE {
            let words = rule.split_whitespace().map(str::to_owned).collect();
            let tool = Tool { program: "iptables".into(), words, input: None };
            assert_eq!(Desk::bare(router, &self.pool, 1).tool(&tool).status, 0);
        }
        Ok(())
    }

    fn sink(&mut self, place: usize) -> Sink {
        let came = Arc::clone(&self.came);
        Sink::Other(Box::new(move |frame, _| {
            let count = if place == LAN { frame.len() as u64 } else { 0 };
            came.fetch_add(count, Ordering::Relaxed);
            crate::dpdk::mbuf::Packet::free_all(frame);
        }))
    }
}

/// Threads hand packets to each other while they forward as fast as they can: nothing is lost but what is
/// counted, and nothing stays behind.
#[test]
fn workers_at_full_speed_account_for_what_they_hand_over() {
    let machine = machine_for(&world());
    let config = Lab::config(HANDED);
    let (mut frames, mut ports) = (Vec::new(), Vec::new());
    for n in 0..600_u16 {
        let (host, server) = ([10, 0, 0, 10 + (n % 8) as u8], [198, 51, 100, 1 + (n % 16) as u8]);
        let there = FrameBuilder::new().ipv4(host.into(), server.into());
        // Identifiers stay as they are, so that answers can be made beforehand.
        let back = FrameBuilder::new().ipv4(server.into(), [10, 0, 1, 1].into());
        let error = FrameBuilder::new().ipv4([198, 51, 100, 77].into(), [10, 0, 1, 1].into());
        let quoted = FrameBuilder::new().ipv4([10, 0, 1, 1].into(), server.into());
        let quoted = quoted.echo_request(n, 1).payload_len(20).build();
        let error = error.icmp_error(ErrorKind::TimeExceeded { code: 0 }).payload(ip(&quoted));
        for (place, frame) in [
            (LAN, there.echo_request(n, 1).payload_len(20).build()),
            (WAN, back.echo_reply(n, 1).payload_len(20).build()),
            (WAN, error.build()),
        ] {
            frames.push(frame);
            ports.push(place as u16);
        }
    }
    let mut arena = Arena::of(&frames);
    for (entry, port) in arena.entries.iter_mut().zip(ports) {
        entry.port = port;
    }
    let leniency = Leniency { any_mac: true, stand_in: true, speaks: false };
    let came = Arc::<AtomicU64>::default();
    let mut beside =
        Masquerading { config: config.clone(), pool: machine.pool, came: Arc::clone(&came) };
    let one = Play { leniency, ..rounds(40, &config, &machine, 3) };
    let played = play(&one, &arena, &mut beside).unwrap();
    let sum = |of: fn(&Stats) -> u64| played.rig.stats.iter().map(|stats| of(stats)).sum::<u64>();
    let (out, taken) = (sum(|stats| stats.handed_out.get()), sum(|stats| stats.handed_in.get()));
    println!("{out} handed over, {} of {} came", came.load(Ordering::Relaxed), played.packets);
    assert_eq!((played.unaccounted, out), (0, taken));
    assert!(out > 1000 && came.load(Ordering::Relaxed) > 1000);
    drop(played);
    assert_eq!(machine.pool.in_use(), 0, "leaked");
}

/// Flows that are at home take the short way at their worker, and those that are handed over come out the
/// same.
#[test]
fn established_flows_of_several_workers_go_on_as_they_began() {
    let machine = machine_for(&world());
    for (workers, words, home) in [(1, HANDED, true), (3, HANDED, true), (2, BY_PORT, false)] {
        let words = words.replace("16384\n", "16384\nflowtable = 1024\n");
        let mut lab = lab(&machine, workers, &words, MASQUERADE);
        let mut outside: HashMap<u8, (u16, u16)> = HashMap::new();
        for round in 0..30_u16 {
            for flow in 0..12_u8 {
                let (host, server) = ([10, 0, 0, 10 + flow], [198, 51, 100, 9]);
                let there = FrameBuilder::new().ipv4(host.into(), server.into());
                let there = there.udp(6000, 53).id(round).payload_len(30 + usize::from(round));
                lab.give_by(LAN, &there.build());
                let sent = lab.take();
                let [(WAN, _, out)] = &sent[..] else { panic!("{} frames", sent.len()) };
                let port = |frame: &[u8], at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
                let ends = (port(out, 34), port(out, 36));
                assert_eq!(*outside.entry(flow).or_insert(ends), ends);
                lab.give_by(WAN, &answer_to(out).id(round).payload_len(40).build());
                let sent = lab.take();
                let [(LAN, _, back)] = &sent[..] else { panic!("{} frames", sent.len()) };
                assert_eq!((&ip(back)[16..20], port(back, 36)), (&host[..], 6000));
                let view = Ipv4View::new_checked(ip(back)).unwrap();
                let sum = checksum::transport(view.src(), view.dst(), 17, view.payload());
                assert_eq!((view.ttl(), sum), (63, 0xffff));
            }
        }
        // All but the first few of each direction; answers that come elsewhere go the long way.
        let least = if home { 600 } else { 300 };
        assert!(lab.shortened() > least, "{workers} workers: {}", lab.shortened());
        assert_eq!(lab.handed() > 0, !home);
        lab.finish();
    }
}
