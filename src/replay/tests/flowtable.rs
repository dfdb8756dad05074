//! The short way past the packet filter makes of every packet what the long way would.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{fragments::Lab, *};
use crate::{
    packet::{ipv6::Ipv6View, tcp::TcpSpec},
    port::table::IfaceAddr6,
    route::spec::NextHopSpec,
};

/// Rules of which some are in force; what they say of a flow's packets is not always the same.
const FORWARD: [&[&str]; 2] = [
    &[
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-p tcp --dport 80 -j ACCEPT",
        "-p udp -m multiport --dports 53,123,5000:5010 -j ACCEPT",
        "-p tcp --syn -j ACCEPT",
        "-m conntrack --ctstate INVALID -j DROP",
        "-i lan -o wan -j some",
        "-m mark --mark 7 -j ACCEPT",
    ],
    &[
        "-m length --length 0:90 -j ACCEPT",
        "-m conntrack --ctstatus ASSURED -m limit --limit 5/s -j ACCEPT",
        "-p udp -m statistic --mode nth --every 3 --packet 0",
        "-p tcp -m tcp --tcp-flags PSH PSH",
        "-m connmark --mark 3 -j ACCEPT",
    ],
];
const MANGLE: [&[&str]; 2] = [
    &[
        "-p udp --dport 53 -j MARK --set-mark 7",
        "-m tos --tos 0x10 -j MARK --or-mark 1",
        "-p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1200",
    ],
    &[
        "-p tcp -j CONNMARK --set-mark 3",
        "-p udp -m length --length 100:65535 -j TOS --set-tos 0x08",
    ],
];

/// Half of the rules that say the same of all packets of a flow, and few of the others.
fn some(random: &mut Random, of: [&[&'static str]; 2]) -> Vec<&'static str> {
    let mut picked = Vec::new();
    for (rules, of) in of.iter().zip([2, 10]) {
        picked.extend(rules.iter().filter(|_| random.below(of) == 0));
    }
    random.shuffle(&mut picked);
    picked
}

/// A rule file of one family.
fn rules(random: &mut Random, six: bool) -> String {
    let (own, other) =
        if six { ("2001:db8:b::1", "2001:db8:1000::55") } else { ("10.0.1.1", "198.51.100.55") };
    let nat = [
        format!("-A POSTROUTING -o wan -p tcp -j SNAT --to-source {own}"),
        "-A POSTROUTING -o wan -p udp -j MASQUERADE".to_owned(),
        format!("-A PREROUTING -i lan -p udp --dport 5003 -j DNAT --to-destination {other}"),
    ];
    let mut text = "*mangle\n".to_owned();
    for rule in some(random, MANGLE) {
        text += &format!("-A PREROUTING {rule}\n");
    }
    text += "COMMIT\n*nat\n";
    for rule in nat.iter().filter(|_| random.below(3) > 0) {
        text += &format!("{rule}\n");
    }
    text += "COMMIT\n*raw\n-A PREROUTING -p udp --dport 123\nCOMMIT\n*filter\n:some - [0:0]\n";
    for rule in some(random, FORWARD) {
        text += &format!("-A FORWARD {rule}\n");
    }
    text += "-A some -p udp --sport 1004\n-A some -p tcp -j RETURN\nCOMMIT\n";
    text
}

/// Rules of nftables for both families, as JSON.
fn nft(random: &mut Random) -> String {
    let is = |op: &str, left: Value, right: Value| json!({ "match": { "op": op, "left": left, "right": right } });
    let field = |protocol: &str, field: &str| json!({ "payload": { "protocol": protocol, "field": field } });
    let (ct, meta) = (
        |key: &str| json!({ "ct": { "key": key } }),
        |key: &str| json!({ "meta": { "key": key } }),
    );
    let counter = || json!({ "counter": { "packets": 0, "bytes": 0 } });
    let accept = || json!({ "accept": null });
    let steady = [
        vec![is("in", ct("state"), json!(["established", "related"])), counter(), accept()],
        vec![is("==", field("tcp", "dport"), json!(80)), counter()],
        vec![is("==", field("udp", "dport"), json!({ "set": [53, 123] })), counter()],
        vec![is("==", meta("iifname"), json!("lan")), counter()],
        vec![is("==", field("ip", "dscp"), json!("af11")), counter()],
        vec![
            is(
                "==",
                field("ip6", "saddr"),
                json!({ "prefix": { "addr": "2001:db8:a::", "len": 64 } }),
            ),
            counter(),
        ],
        vec![json!({ "mangle": { "key": meta("mark"), "value": 7 } }), counter()],
        vec![
            is("==", ct("direction"), json!("reply")),
            counter(),
            json!({ "jump": { "target": "more" } }),
        ],
    ];
    let others = [
        vec![is("<", meta("length"), json!(90)), counter()],
        vec![json!({ "limit": { "rate": 5, "per": "second" } }), counter(), accept()],
        vec![is("==", field("ip", "ttl"), json!(64)), counter()],
        vec![is("==", ct("status"), json!("assured")), counter()],
    ];
    let mut picked: Vec<_> = steady.into_iter().filter(|_| random.below(2) == 0).collect();
    picked.extend(others.into_iter().filter(|_| random.below(12) == 0));
    random.shuffle(&mut picked);
    let of = |what: &str, mut object: Value| {
        object["family"] = json!("inet");
        if what != "table" {
            object["table"] = json!("t");
        }
        json!({ "add": { what: object } })
    };
    let mut commands = vec![
        of("table", json!({ "name": "t" })),
        of("chain", json!({ "name": "more" })),
        of(
            "chain",
            json!({ "name": "c", "type": "filter", "hook": "forward", "prio": -5, "policy": "accept" }),
        ),
        of("rule", json!({ "chain": "more", "expr": [counter()] })),
    ];
    commands
        .extend(picked.into_iter().map(|expr| of("rule", json!({ "chain": "c", "expr": expr }))));
    json!({ "nftables": commands }).to_string()
}

/// A router with these rules, whose flows take the short way or not.
fn lab(machine: &Machine, rules: &[String; 2], short: bool, acct: bool) -> Lab {
    let flows = if short { 1024 } else { 0 };
    let words = format!("[limits]\nflowtable = {flows}\n");
    let mut lab = Lab::new(machine, 1, &words);
    let router = lab.router();
    for (name, address) in [("lan", "2001:db8:a::1/64"), ("wan", "2001:db8:b::1/64")] {
        router.add_address6(name, IfaceAddr6::permanent(address.parse().unwrap())).unwrap();
    }
    let hop = NextHopSpec {
        via: Some("2001:db8:b::9".parse().unwrap()),
        dev: Some("wan".into()),
        weight: 1,
        onlink: false,
    };
    let dst: ipnet::Ipv6Net = "2001:db8:1000::/36".parse().unwrap();
    router.route(Verb::Add, &RouteSpec::through(dst, hop)).unwrap();
    router.set_flowtable(short);
    router.set_conntrack_rules(|rules| rules.acct = acct);
    router.commit();
    for (program, text) in ["iptables-restore", "ip6tables-restore"].iter().zip(rules) {
        let said = tool(&mut lab, program, &[], Some(text));
        assert_eq!(said, "", "{text}");
    }
    lab
}

fn tool(lab: &mut Lab, program: &str, words: &[&str], input: Option<&str>) -> String {
    let said = lab.tool(program, &words.join(" "), input);
    said.out + &said.err
}

/// A conversation between a host by the lan and one by the wan.
struct Talk {
    tcp: bool,
    ports: (u16, u16),
    ends: (IpAddr, IpAddr),
    /// What the far host sees of the near one, and how it was spoken to, once it has been.
    seen: Option<((IpAddr, u16), (IpAddr, u16))>,
    /// Next sequence numbers.
    seq: (u32, u32),
    steps: u64,
    tos: u8,
}

impl Talk {
    fn new(random: &mut Random) -> Self {
        let six = random.below(3) == 0;
        let host = random.below(200) as u8 + 2;
        let ends = if six {
            let near = format!("2001:db8:a::{host:x}").parse().unwrap();
            (near, format!("2001:db8:1000::{:x}", random.below(50)).parse().unwrap())
        } else {
            (IpAddr::from([10, 0, 0, host]), IpAddr::from([198, 51, 100, random.below(50) as u8]))
        };
        let far = [80, 53, 123, 5003, 443][random.below(5) as usize];
        Self {
            tcp: random.below(2) == 0,
            ports: (1000 + random.below(8) as u16, far),
            ends,
            seen: None,
            seq: (random.next_u64() as u32, random.next_u64() as u32),
            steps: 0,
            tos: [0, 0, 0x10, 0xb8][random.below(4) as usize],
        }
    }

    /// The next frame, and the port it comes by.
    fn next(&mut self, random: &mut Random) -> (usize, Vec<u8>) {
        self.steps += 1;
        let back = self.seen.is_some() && (self.steps == 2 || random.below(2) == 0);
        let ((src, sport), (dst, dport)) = match self.seen {
            Some((from, to)) if back => (to, from),
            _ => ((self.ends.0, self.ports.0), (self.ends.1, self.ports.1)),
        };
        let mac = |last| MacAddr([2, 0, 0, 0, 0, last]);
        let mut frame = FrameBuilder::new()
            .ethernet(mac(9), mac(if back { 3 } else { 2 }))
            .ip(src, dst)
            .tos(if random.below(20) == 0 { 0x20 } else { self.tos })
            .ttl([64, 64, 64, 2, 1][random.below(5).min(random.below(5)) as usize]);
        let len = if random.below(6) == 0 { 1400 } else { random.below(120) as usize };
        if self.tcp {
            let flags = match self.steps {
                1 => 0x02,
                2 => 0x12,
                _ => [0x10, 0x18, 0x10, 0x18, 0x11, 0x14, 0x00][random.below(40).min(6) as usize],
            };
            let flags = if random.below(12) > 0 && self.steps > 2 { 0x10 } else { flags };
            let (seq, ack) = if back { (self.seq.1, self.seq.0) } else { self.seq };
            let strange = if random.below(15) == 0 { 1 << 20 } else { 0 };
            let spec = TcpSpec {
                src_port: sport,
                dst_port: dport,
                seq: seq.wrapping_add(strange),
                ack: if flags & 0x10 != 0 { ack } else { 0 },
                flags,
                window: 8192,
            };
            let len = if self.steps < 3 { 0 } else { len };
            let taken = len as u32 + u32::from(flags & 3 != 0);
            let own = if back { &mut self.seq.1 } else { &mut self.seq.0 };
            *own = own.wrapping_add(if strange == 0 { taken } else { 0 });
            frame = frame.tcp_spec(spec).payload_len(len);
        } else {
            frame = frame.udp(sport, dport).payload_len(len);
            if random.below(8) == 0 {
                frame = frame.no_udp_checksum();
            }
        }
        if random.below(25) == 0 {
            frame = frame.bad_transport_checksum();
        }
        (usize::from(back), frame.build())
    }

    /// What left by the wan: the far host answers it.
    fn sees(&mut self, frame: &[u8]) {
        let ip = &frame[14..];
        let (src, dst, l4): (IpAddr, IpAddr, &[u8]) = match frame[12] {
            8 => {
                let view = Ipv4View::new_checked(ip).unwrap();
                (view.src().into(), view.dst().into(), &ip[20..])
            }
            _ => {
                let view = Ipv6View::new_checked(ip).unwrap();
                (view.src().into(), view.dst().into(), &ip[40..])
            }
        };
        let port = |at: usize| u16::from_be_bytes([l4[at], l4[at + 1]]);
        self.seen = Some(((src, port(0)), (dst, port(2))));
    }
}

/// What an operator may do in between.
fn change(random: &mut Random, labs: &mut [Lab; 2]) {
    let words: &[&str] = match random.below(4) {
        0 => &["-I", "FORWARD", "1", "-p", "udp", "--sport", "1005", "-j", "DROP"],
        1 => &["-D", "FORWARD", "-p", "udp", "--sport", "1005", "-j", "DROP"],
        2 => &["-t", "raw", "-A", "PREROUTING", "-p", "tcp", "--dport", "443"],
        _ => &["-Z"],
    };
    let [one, other] = labs;
    assert_eq!(tool(one, "iptables", words, None), tool(other, "iptables", words, None));
}

/// All that can be seen of a router from outside, but the packets.
fn shown(lab: &mut Lab) -> Vec<String> {
    let mut all = vec![
        tool(lab, "iptables-save", &["-c"], None),
        tool(lab, "ip6tables-save", &["-c"], None),
        tool(lab, "conntrack", &["-L", "-o", "extended"], None),
        tool(lab, "conntrack", &["-L", "-f", "ipv6", "-o", "extended"], None),
        tool(lab, "nft", &["-j", "list", "ruleset"], None),
    ];
    for said in &mut all {
        // The first line says when.
        said.retain(|letter| letter != '\r');
        let lines = said.lines().filter(|line| !line.starts_with('#'));
        *said = lines.collect::<Vec<_>>().join("\n");
    }
    let drops: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| (reason.name(), lab.sum(|stats| stats.drops[*reason as usize].get())))
        .filter(|(_, count)| *count > 0)
        .collect();
    all.push(format!("{drops:?}"));
    all
}

#[test]
fn the_short_way_is_the_long_way() {
    let machine = machine_for(&world());
    let mut shortened = 0;
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let rules = [rules(&mut random, false), rules(&mut random, true)];
        let acct = seed % 3 == 0;
        let mut labs = [true, false].map(|short| lab(&machine, &rules, short, acct));
        if seed % 2 == 1 {
            let rules = nft(&mut random);
            for lab in &mut labs {
                assert_eq!(tool(lab, "nft", &["-j", "-f", "-"], Some(&rules)), "", "{rules}");
            }
        }
        let mut talks: Vec<_> = (0..12).map(|_| Talk::new(&mut random)).collect();
        for step in 0..600 {
            let at = random.below(talks.len() as u64) as usize;
            let (place, frame) = talks[at].next(&mut random);
            let [one, other] = &mut labs;
            one.give_by(place, &frame);
            other.give_by(place, &frame);
            let (sent, same) = (one.take(), other.take());
            assert_eq!(sent, same, "seed {seed}, step {step}: {frame:02x?}\n{}", rules[0]);
            if let Some((1, _, frame)) = sent.last().filter(|_| place == 0) {
                talks[at].sees(frame);
            }
            let wait = [0, 0, 0, 200, 1000, 31_000][random.below(8).min(5) as usize];
            if random.below(10) == 0 {
                one.wait(wait * 1_000_000);
                other.wait(wait * 1_000_000);
            }
            if random.below(150) == 0 {
                change(&mut random, &mut labs);
            }
            if random.below(60) == 0 {
                talks[at] = Talk::new(&mut random);
            }
        }
        let [mut one, mut other] = labs;
        let (seen, same) = (shown(&mut one), shown(&mut other));
        for (seen, same) in seen.iter().zip(&same) {
            assert_eq!(seen, same, "seed {seed}");
        }
        shortened += one.shortened();
        assert_eq!(other.shortened(), 0);
        one.finish();
        other.finish();
    }
    // Most packets of half the rule sets.
    assert!(shortened > 5_000, "{shortened}");
}
