//! The ways of carriers to translate sources, with one worker and with several.

use super::{
    workers::{LAN, MASQUERADE, WAN, answer_to, ip, lab},
    *,
};

const SMALL: &str = "[limits]\nconnections = 16384\n";

fn from_client(host: u8, port: u16, server: u8) -> Vec<u8> {
    let ends = FrameBuilder::new().ipv4([10, 0, 0, host].into(), [198, 51, 100, server].into());
    ends.udp(port, 53).build()
}

fn ports(frame: &[u8]) -> (u16, u16) {
    let l4 = &ip(frame)[20..];
    (u16::from_be_bytes([l4[0], l4[1]]), u16::from_be_bytes([l4[2], l4[3]]))
}

/// The one frame that left, and by which port.
fn only(lab: &super::fragments::Lab) -> Option<(usize, Vec<u8>)> {
    let mut sent = lab.take();
    assert!(sent.len() <= 1, "{} frames", sent.len());
    sent.pop().map(|(to, _, frame)| (to, frame))
}

/// Who a line of the log is about, and which ports.
fn block(line: &str) -> (bool, String, u16, u16) {
    let words: Vec<_> = line.split_whitespace().collect();
    let [_, _, "given" | "taken:", ..] = words[..] else { panic!("{line}") };
    let taken = words[2] == "taken:";
    let rest = &words[if taken { 3 } else { 4 }..];
    let [host, "as", "10.0.1.1", "ports", span] = rest else { panic!("{line}") };
    let (first, last) = span.split_once('-').unwrap();
    (taken, (*host).to_owned(), first.parse().unwrap(), last.parse().unwrap())
}

/// RFC 6888 REQ-14: the log of blocks tells who had a port, with no line for each connection.
#[test]
fn blocks_of_ports_are_logged_and_no_two_hosts_share_one() {
    let machine = machine_for(&world());
    let words = format!("{SMALL}[netfilter.blocks]\nsize = 64\nmost = 6\nlast = 9000\n");
    for workers in [1, 3] {
        let mut lab = lab(&machine, workers, &words, MASQUERADE);
        let mut seen = Vec::new();
        for flow in 0..60_u16 {
            for host in 20..26 {
                lab.give_by(LAN, &from_client(host, 2000 + flow, 1 + (flow % 9) as u8));
                let (WAN, out) = only(&lab).unwrap() else { panic!("by another port") };
                let (port, _) = ports(&out);
                seen.push((host, port));
                lab.give_by(WAN, &answer_to(&out).build());
                let (LAN, back) = only(&lab).unwrap() else { panic!("by another port") };
                assert_eq!(ip(&back)[16..20], [10, 0, 0, host]);
                assert_eq!(ports(&back), (53, 2000 + flow));
            }
        }
        let lines: Vec<_> = lab.router().take_log().collect();
        let taken: Vec<_> = lines.iter().map(|line| block(&line.text)).collect();
        assert!(taken.len() <= 6 * workers * 2, "{} lines", taken.len());
        assert!(taken.iter().all(|(taken, ..)| *taken));
        let owner = |port| {
            let all: Vec<_> =
                taken.iter().filter(|(_, _, a, b)| (*a..=*b).contains(&port)).collect();
            let [(_, owner, ..)] = all[..] else { panic!("{port} is in {} blocks", all.len()) };
            owner.clone()
        };
        for (host, port) in seen {
            assert_eq!(owner(port), format!("10.0.0.{host}"));
        }
        // With their connections they are given back.
        lab.wait(200_000_000_000);
        for flow in 0..400 {
            lab.give_by(LAN, &from_client(99, 9, 1 + (flow % 200) as u8));
        }
        lab.take();
        let lines: Vec<_> = lab.router().take_log().collect();
        let back: Vec<_> =
            lines.iter().map(|line| block(&line.text)).filter(|(taken, ..)| !taken).collect();
        assert_eq!(back.len(), taken.len());
        for (_, host, first, last) in back {
            assert!(taken.contains(&(true, host, first, last)));
        }
        lab.finish();
    }
}

/// RFC 6888 REQ-4: what a host may have is limited.
#[test]
fn a_host_that_has_all_its_blocks_gets_no_more() {
    let machine = machine_for(&world());
    let words = format!("{SMALL}[netfilter.blocks]\nsize = 8\nmost = 2\n");
    let mut lab = lab(&machine, 1, &words, MASQUERADE);
    let mut passed = 0;
    for flow in 0..20_u16 {
        lab.give_by(LAN, &from_client(20, 2000 + flow, 1));
        passed += u16::from(only(&lab).is_some());
    }
    assert_eq!((passed, lab.ended(Reason::FilterTarget)), (16, 4));
    // Others have theirs.
    lab.give_by(LAN, &from_client(21, 2000, 1));
    assert!(only(&lab).is_some());
    lab.finish();
}

#[test]
fn blocks_that_leave_a_worker_without_any_are_refused() {
    let text = "[workers]\ncount = 8\n[netfilter.blocks]\nsize = 16384\n[[port]]\nname = \"a\"\n";
    let errors = Config::parse("blocks.toml", text).unwrap_err().to_string();
    assert!(errors.contains("64512 ports have no block of 16384 for each worker"), "{errors}");
}

/// RFC 4787 REQ-1: one outer end for all that an inner one talks with, and it alone has it.
#[test]
fn a_host_shows_one_port_to_all_servers_whichever_worker_its_packets_come_to() {
    let machine = machine_for(&world());
    let words = format!("{SMALL}[netfilter]\nmapping = \"endpoint-independent\"\n");
    for workers in [1, 3] {
        let mut lab = lab(&machine, workers, &words, MASQUERADE);
        let mut seen: HashMap<u8, u16> = HashMap::new();
        for server in 1..40 {
            for host in 20..24 {
                lab.give_by(LAN, &from_client(host, 5000, server));
                let (WAN, out) = only(&lab).unwrap() else { panic!("by another port") };
                let port = *seen.entry(host).or_insert(ports(&out).0);
                assert_eq!(ports(&out).0, port, "{workers} workers, 10.0.0.{host} to {server}");
                lab.give_by(WAN, &answer_to(&out).build());
                let (LAN, back) = only(&lab).unwrap() else { panic!("by another port") };
                assert_eq!(ip(&back)[16..20], [10, 0, 0, host]);
                // A stranger is nobody's peer.
                let stranger =
                    FrameBuilder::new().ipv4([203, 0, 113, 9].into(), [10, 0, 1, 1].into());
                lab.give_by(WAN, &stranger.udp(777, port).build());
                assert!(only(&lab).is_none_or(|(to, _)| to != LAN));
            }
        }
        let mut all: Vec<_> = seen.into_values().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4, "two hosts share a port");
        assert_eq!(lab.handed() > 20, workers > 1);
        lab.finish();
    }
}

/// RFC 4787 section 5: endpoint-independent filtering, as games want it.
#[test]
fn strangers_reach_a_host_by_a_port_that_it_speaks_with() {
    let machine = machine_for(&world());
    let words = format!("{SMALL}[netfilter]\nfiltering = \"endpoint-independent\"\n");
    for workers in [1, 3] {
        let mut lab = lab(&machine, workers, &words, &MASQUERADE[..1]);
        lab.give_by(LAN, &from_client(20, 5000, 1));
        let (_, out) = only(&lab).unwrap();
        let (port, _) = ports(&out);
        for n in 0..40 {
            let stranger =
                || FrameBuilder::new().ipv4([198, 51, 100, 100 + n].into(), [10, 0, 1, 1].into());
            lab.give_by(WAN, &stranger().udp(700, port).build());
            let (LAN, came) = only(&lab).unwrap() else { panic!("by another port") };
            assert_eq!((&ip(&came)[16..20], ports(&came)), (&[10, 0, 0, 20][..], (700, 5000)));
            // And hears its answer from where it sent to.
            lab.give_by(LAN, &answer_to(&came).build());
            let (WAN, back) = only(&lab).unwrap() else { panic!("by another port") };
            assert_eq!((&ip(&back)[12..16], ports(&back)), (&[10, 0, 1, 1][..], (port, 700)));
            // Not by another port of the router's.
            lab.give_by(WAN, &stranger().udp(700, port ^ 1).build());
            assert!(only(&lab).is_none_or(|(to, _)| to != LAN));
        }
        lab.finish();
    }
}
