//! The states of neighbours, what leads from one to the next, and what `ip neigh` says of them: [7.23]
//! to [7.50], [7.75] to [7.81].

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Family;
use crate::common::frame::{ARP, Arp, BROADCAST, Ip, Mac, ether, pad};
use crate::topology::{DMZ, DMZ_MAC, LAN_HOST, LAN_OTHER, colons, mac_of};

const OTHER: Mac = [0x02, 0xcc, 0, 0, 0, 9];

fn host(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, last)
}

fn arp(to: Mac, from: Mac, arp: &Arp) -> Vec<u8> {
    pad(ether(to, from, ARP, &arp.bytes()), 60)
}

fn reply(h: Ipv4Addr, mac: Mac) -> Vec<u8> {
    arp(DMZ_MAC, mac, &Arp::reply(mac, h, DMZ_MAC, DMZ))
}

fn packet(h: Ipv4Addr) -> Ip {
    Ip::new(LAN_HOST, h).udp(1, 2, b"x")
}

fn asked(h: Ipv4Addr) -> String {
    format!("arp who-has {h} tell {DMZ}")
}

/// The entry as `ip neigh` shows it.
fn shown(h: Ipv4Addr, mac: Option<Mac>, words: &str) -> String {
    let mac = mac.map(|mac| format!("lladdr {} ", colons(mac))).unwrap_or_default();
    format!("{h} dev dmz {mac}{words}")
}

fn tuned(name: &'static str, sysctls: &[(&str, &str)]) -> Family {
    let mut f = Family::new(name);
    for (sysctl, value) in sysctls {
        f.topology = f.topology.sysctl(&format!("net.ipv4.neigh.dmz.{sysctl}"), value);
    }
    f
}

impl Family {
    /// Puts a neighbour of the dmz into a state.
    fn put(&mut self, h: Ipv4Addr, state: &str) {
        self.ip(format!("neigh replace {h} lladdr {} nud {state} dev dmz", colons(mac_of(h))));
    }

    /// Has a neighbour of the dmz probed, at once.
    fn probe(&mut self, h: Ipv4Addr) {
        let words = format!("neigh replace {h} lladdr {} nud probe dev dmz", colons(mac_of(h)));
        self.ip_says(words, format!("done; dmz: {}", asked(h)));
        self.settle(Duration::from_millis(20));
    }

    /// Looks at a neighbour of the dmz.
    fn look(&mut self, h: Ipv4Addr, mac: Option<Mac>, state: &str) {
        self.ip_says(format!("neigh show {h} nud all"), shown(h, mac, state));
    }
}

/// Each state as the administrator sets it, and what a packet and a claim make of it.
pub(crate) fn states() -> Family {
    let mut f = tuned("neigh-states", &[("delay_first_probe_time", "60")]);
    let claims = |h| arp(DMZ_MAC, OTHER, &Arp::reply(OTHER, h, DMZ_MAC, DMZ));
    for (number, (state, before, sends, after, taken)) in [
        ("permanent", "PERMANENT", true, "PERMANENT", false),
        ("noarp", "NOARP", true, "NOARP", false),
        ("reachable", "REACHABLE", true, "REACHABLE", false),
        ("stale", "STALE", true, "DELAY", false),
        ("failed", "FAILED", false, "INCOMPLETE", true),
        ("none", "NONE", false, "INCOMPLETE", true),
    ]
    .into_iter()
    .enumerate()
    {
        let h = host(60 + number as u8);
        let mac = Some(mac_of(h));
        f.put(h, state);
        // A state of nothing is shown as nothing.
        let valid = mac.filter(|_| sends);
        let words = if before == "NONE" { "" } else { before };
        f.ip_says(format!("neigh show {h} nud all"), shown(h, valid, words).trim());
        let expect = if sends { "dmz: udp".to_owned() } else { format!("dmz: {}", asked(h)) };
        f.lan(format!("a packet to one that is {state}"), &packet(h), expect);
        f.look(h, valid, after);
        let released = if sends { "nothing" } else { "dmz: udp" };
        f.add(format!("another claims to be the one that was {state}"), "dmz", claims(h), released);
        let (mac, now) = if taken { (Some(OTHER), "REACHABLE") } else { (mac, after) };
        f.ip_says(format!("neigh get {h} dev dmz"), shown(h, mac, now));
    }
    f
}

/// Who asks, replies and announces, and what it does to a known neighbour.
pub(crate) fn heard() -> Family {
    let mut f = tuned("neigh-heard", &[("delay_first_probe_time", "60"), ("locktime", "0")]);
    let mut number = 60;
    let mut case = |state: &str,
                    what: &str,
                    make: &dyn Fn(Mac, Ipv4Addr) -> Vec<u8>,
                    mac,
                    did,
                    after: &str| {
        let h = host(number);
        number += 1;
        f.put(h, if state == "delay" { "stale" } else { state });
        if state == "delay" {
            f.lan(format!("used before {what}, number {number}"), &packet(h), "dmz: udp");
        }
        f.settle(Duration::from_millis(20));
        let mac = if mac { OTHER } else { mac_of(h) };
        let did = if did { format!("dmz: arp reply {DMZ}") } else { "nothing".to_owned() };
        f.add(format!("{state}: {what}"), "dmz", make(mac, h), did);
        f.look(h, Some(mac), after);
        f.lan(format!("{state}: a packet after {what}"), &packet(h), "dmz: udp");
    };
    let all = |packet: &Arp| arp(BROADCAST, packet.sender_mac, packet);
    let asks = |m: Mac, h: Ipv4Addr| all(&Arp::request(m, h, DMZ));
    let asks_other = |m: Mac, h: Ipv4Addr| all(&Arp::request(m, h, host(10)));
    let replies = |m: Mac, h: Ipv4Addr| arp(DMZ_MAC, m, &Arp::reply(m, h, DMZ_MAC, DMZ));
    let replies_to_all = |m: Mac, h: Ipv4Addr| all(&Arp::reply(m, h, DMZ_MAC, DMZ));
    let announces = |m: Mac, h: Ipv4Addr| all(&Arp::request(m, h, h));
    let announces_by_reply = |m: Mac, h: Ipv4Addr| all(&Arp::reply(m, h, m, h));
    for state in ["reachable", "stale", "delay"] {
        let same = match state {
            "reachable" => "REACHABLE",
            "stale" => "STALE",
            _ => "DELAY",
        };
        case(state, "it asks", &asks, false, true, same);
        case(state, "it asks for another", &asks_other, false, false, same);
        case(state, "it replies", &replies, false, false, "REACHABLE");
        case(state, "it replies to all", &replies_to_all, false, false, same);
        case(state, "it announces itself", &announces, false, false, same);
        case(state, "it asks from elsewhere", &asks, true, true, "STALE");
        case(state, "it asks for another from elsewhere", &asks_other, true, false, "STALE");
        case(state, "it replies from elsewhere", &replies, true, false, "REACHABLE");
        case(state, "it replies to all from elsewhere", &replies_to_all, true, false, "STALE");
        case(state, "it announces itself elsewhere", &announces, true, false, "STALE");
        case(state, "it announces itself by reply", &announces_by_reply, true, false, "STALE");
    }
    f
}

/// In use again after a while: delayed, probed by unicast, and what becomes of it.
pub(crate) fn probed() -> Family {
    let mut f = tuned(
        "neigh-probed",
        &[("delay_first_probe_time", "1"), ("retrans_time_ms", "200"), ("ucast_solicit", "2")],
    );
    let h = host(60);
    f.put(h, "stale");
    f.lan(
        "a stale one is used, and asked after a second",
        &packet(h),
        format!("dmz: udp, {}", asked(h)),
    );
    f.leads_to(h);
    f.settle(Duration::from_millis(1100));
    f.look(h, Some(mac_of(h)), "PROBE");
    f.add("it answers", "dmz", reply(h, mac_of(h)), "nothing");
    f.look(h, Some(mac_of(h)), "REACHABLE");

    let h = host(61);
    f.put(h, "stale");
    f.lan(
        "another is asked twice and does not answer",
        &packet(h),
        format!("dmz: udp, {}, {}", asked(h), asked(h)),
    );
    f.leads_to(h);
    f.settle(Duration::from_millis(1500));
    f.lan("then all are asked", &packet(h), format!("dmz: {}", asked(h)));
    f.add("and it answers from elsewhere", "dmz", reply(h, OTHER), "dmz: udp");

    let h = host(62);
    f.probe(h);
    f.lan("one that is probed is still used", &packet(h), "dmz: udp");
    f.add(
        "it asks itself, which proves nothing",
        "dmz",
        arp(BROADCAST, mac_of(h), &Arp::request(mac_of(h), h, DMZ)),
        format!("dmz: arp reply {DMZ}"),
    );
    f.look(h, Some(mac_of(h)), "PROBE");
    f.add("it replies", "dmz", reply(h, mac_of(h)), "nothing");
    f.look(h, Some(mac_of(h)), "REACHABLE");
    f
}

/// An answer that is confirmed no more: reachable until the time is over, and silent after it.
pub(crate) fn aged() -> Family {
    let mut f =
        tuned("neigh-aged", &[("base_reachable_time_ms", "1000"), ("delay_first_probe_time", "0")]);
    let h = host(60);
    f.put(h, "reachable");
    f.lan("it is used", &packet(h), "dmz: udp");
    f.settle(Duration::from_millis(300));
    f.look(h, Some(mac_of(h)), "REACHABLE");
    f.lan("and is not used any more", &packet(h), "dmz: udp");
    f.settle(Duration::from_millis(1800));
    f.look(h, Some(mac_of(h)), "STALE");
    f.lan("it is used once more", &packet(h), format!("dmz: udp, {}", asked(h)));
    f.leads_to(h);
    f.settle(Duration::from_millis(100));
    f.add("and answers", "dmz", reply(h, mac_of(h)), "nothing");
    f.look(h, Some(mac_of(h)), "REACHABLE");
    f
}

/// How often and whom to ask.
pub(crate) fn solicits() -> Family {
    let mut f = tuned(
        "neigh-solicits",
        &[
            ("retrans_time_ms", "200"),
            ("mcast_solicit", "2"),
            ("ucast_solicit", "1"),
            ("mcast_resolicit", "2"),
        ],
    );
    let h = host(60);
    f.lan(
        "two questions to all",
        &packet(h),
        format!("dmz: {}, {}; lan: icmp 3/1", asked(h), asked(h)),
    );
    f.settle(Duration::from_millis(600));
    let h = host(61);
    f.probe(h);
    f.lan(
        "after the question to it two to all",
        &packet(h),
        format!("dmz: udp, {}, {}", asked(h), asked(h)),
    );
    f.settle(Duration::from_millis(900));
    f
}

/// Where nobody may be asked.
pub(crate) fn silent() -> Family {
    let mut f = tuned("neigh-silent", &[("mcast_solicit", "0"), ("ucast_solicit", "0")]);
    let h = host(60);
    f.lan("nobody is asked, nobody told", &packet(h), "nothing");
    f.look(h, None, "FAILED");
    f.lan("nor the second time", &packet(h), "nothing");
    f.put(h, "stale");
    f.lan("a known one is used", &packet(h), "dmz: udp");
    f
}

/// Those who watch are asked first.
pub(crate) fn asks_application() -> Family {
    let mut f = tuned(
        "neigh-application",
        &[("retrans_time_ms", "300"), ("app_solicit", "1"), ("mcast_solicit", "1")],
    );
    let h = host(60);
    f.lan("the first question is not on the wire", &packet(h), "nothing");
    f.settle(Duration::from_millis(100));
    f.lan("the second one is", &packet(h), format!("dmz: {}", asked(h)));
    f.settle(Duration::from_millis(300));
    f.add("and is answered", "dmz", reply(h, mac_of(h)), "dmz: udp, udp");
    f
}

/// A short queue.
pub(crate) fn queue() -> Family {
    let mut f = tuned("neigh-queue", &[("unres_qlen_bytes", "2600")]);
    let h = host(60);
    let numbered = |n: u8| Ip::new(LAN_HOST, h).id(n.into()).udp(1, 2, &[n]);
    f.lan("the first asks", &numbered(1), format!("dmz: {}", asked(h)));
    for n in 2..=6 {
        f.lan(format!("number {n} waits"), &numbered(n), "nothing");
    }
    f.add("the newest three have found room", "dmz", reply(h, mac_of(h)), "dmz: udp, udp, udp");
    f
}

/// Taken away while packets wait, and afterwards.
pub(crate) fn deleted() -> Family {
    let mut f = Family::new("neigh-deleted");
    let h = host(60);
    let other = Ip::new(LAN_OTHER, h).udp(1, 2, b"y");
    f.lan("one waits", &packet(h), format!("dmz: {}", asked(h)));
    f.lan("and another", &other, "nothing");
    f.ip_says(format!("neigh del {h} dev dmz"), "done; lan: icmp 3/1, icmp 3/1");
    f.ip_says(format!("neigh show {h} nud all"), "done");
    f.ip_says(format!("neigh del {h} dev dmz"), "RTNETLINK answers: No such file or directory");
    f.put(h, "permanent");
    f.lan("it is there again", &packet(h), "dmz: udp");
    f.ip(format!("neigh del {h} dev dmz"));
    f.lan("and is gone again", &packet(h), format!("dmz: {}", asked(h)));
    f.ip_says(format!("neigh flush {h}"), "done; lan: icmp 3/1");
    f.lan("asked once more", &packet(h), format!("dmz: {}", asked(h)));
    f.ip("link set dmz down");
    f.ip("link set dmz up");
    f.ip_says(format!("neigh show {h} nud all"), "done");
    f.lan("a link that was down knows nobody", &packet(h), format!("dmz: {}", asked(h)));
    f.add("and learns", "dmz", reply(h, mac_of(h)), "dmz: udp");
    f
}

/// The verbs of `ip neigh`, and what they refuse.
pub(crate) fn verbs() -> Family {
    let mut f = Family::new("neigh-verbs");
    let h = host(60);
    let (mac, other) = (colons(mac_of(h)), colons(OTHER));
    let missing = "RTNETLINK answers: No such file or directory";
    f.ip_says(format!("neigh change {h} lladdr {mac} dev dmz"), missing);
    f.ip_says(format!("neigh get {h} dev dmz"), "Error: Neighbour entry not found.");
    f.ip(format!("neigh add {h} lladdr {mac} nud stale dev dmz"));
    f.ip_says(
        format!("neigh add {h} lladdr {mac} nud stale dev dmz"),
        "RTNETLINK answers: File exists",
    );
    f.look(h, Some(mac_of(h)), "STALE");
    f.ip(format!("neigh change {h} lladdr {other} dev dmz"));
    f.look(h, Some(OTHER), "PERMANENT");
    f.lan("the changed address", &packet(h), "dmz: udp");
    f.ip(format!("neigh replace {h} nud stale dev dmz"));
    f.look(h, Some(OTHER), "STALE");
    f.ip(format!("neigh change {h} lladdr {mac} nud reachable router dev dmz"));
    f.look(h, Some(mac_of(h)), "router REACHABLE");
    f.ip(format!("neigh change {h} nud stale dev dmz"));
    f.look(h, Some(mac_of(h)), "STALE");
    f.ip(format!("neigh replace {h} lladdr {mac} nud stale extern_learn dev dmz"));
    f.look(h, Some(mac_of(h)), "extern_learn STALE");
    f.ip(format!("neigh replace {h} lladdr {mac} nud noarp proto static dev dmz"));
    f.look(h, Some(mac_of(h)), "NOARP proto static");
    let h = host(61);
    f.ip_says(format!("neigh add {h} dev dmz"), "says No link layer address given");
    f.ip_says(format!("neigh show {h}"), "done");
    f.ip_says(format!("neigh show {h} nud none"), format!("{h} dev dmz"));
    f.ip_says(format!("neigh add {h} nud failed dev dmz"), "RTNETLINK answers: File exists");
    f.ip(format!("neigh replace {h} nud failed dev dmz"));
    f.look(h, None, "FAILED");
    let h = host(62);
    f.ip_says(format!("neigh add {h} dev dmz use"), format!("done; dmz: {}", asked(h)));
    f.look(h, None, "INCOMPLETE");
    f.add("which is answered", "dmz", reply(h, mac_of(h)), "nothing");
    f.look(h, Some(mac_of(h)), "REACHABLE");
    let h = host(63);
    f.ip_says(format!("neigh add {h} dev dmz managed"), format!("done; dmz: {}", asked(h)));
    f.add("it is managed, and answers", "dmz", reply(h, mac_of(h)), "nothing");
    f.look(h, Some(mac_of(h)), "managed REACHABLE");
    f.ip_says(format!("neigh add {h} dev nowhere lladdr {mac}"), "Cannot find device \"nowhere\"");
    f.ip("neigh flush dev dmz nud stale");
    f.ip("neigh flush dev dmz nud reachable");
    f.ip_says(format!("neigh show {h} nud all"), "done");
    f
}
