//! Programs that decide on packets, from the rule to the wire.

use super::{fragments::Lab, *};
use crate::{
    control::queues::{Bind, Decision, Offered, QueueError, Ruling},
    netfilter::queue::Served,
    telemetry::desk::Desk,
};

const PROGRAM: u64 = 7;

fn tool(lab: &mut Lab, program: &str, words: &str) {
    let said = lab.tool(program, words, None);
    assert_eq!((said.err.as_str(), said.status), ("", 0));
}

fn iptables(lab: &mut Lab, words: &str) {
    tool(lab, "iptables", words);
}

fn udp(port: u16) -> Vec<u8> {
    let (src, dst) = ([10, 0, 0, 7].into(), [198, 51, 100, 9].into());
    FrameBuilder::new().ipv4(src, dst).udp(port, 53).payload(b"question").build()
}

fn wish(first: u16, last: u16) -> Bind {
    Bind { served: Served { first, last }, limit: 4, range: 0xffff, fail_open: false }
}

fn bind(lab: &mut Lab, bind: Bind) {
    lab.router().bind_queues(PROGRAM, bind).unwrap();
    lab.router().commit();
    lab.settle();
}

fn rule(lab: &mut Lab, id: u64, decision: Decision) {
    say(lab, &Ruling { id, decision, mark: None, payload: None });
}

fn say(lab: &mut Lab, ruling: &Ruling<'_>) {
    let now = lab.now();
    lab.router().handle_ruling(now, PROGRAM, ruling).unwrap();
    lab.settle();
}

fn offered(lab: &mut Lab) -> Vec<Offered> {
    lab.router().take_offered()
}

fn one(lab: &mut Lab) -> Offered {
    let mut all = offered(lab);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn a_program_sees_a_packet_and_lets_it_pass_or_not() {
    let machine = machine_for(&world());
    let mut lab = Lab::new(&machine, 2, "");
    iptables(&mut lab, "-A FORWARD -p udp -j NFQUEUE --queue-num 5");
    iptables(&mut lab, "-A FORWARD -j DROP");
    lab.give(&udp(1));
    assert_eq!(lab.ended(Reason::QueueNobody), 1, "nobody listens yet");
    bind(&mut lab, wish(5, 5));
    lab.give(&udp(1));
    let first = one(&mut lab);
    assert_eq!((first.program, first.queue, first.hook), (PROGRAM, 5, 2));
    assert_eq!(first.interfaces, ["lan", "wan"]);
    assert_eq!((first.len, &first.bytes[28..]), (36, &b"question"[..]));
    assert_eq!(first.link.len(), 14);
    assert!(lab.take().is_empty(), "it waits");
    // Accepted, it has passed the table, and meets no other rule of it.
    rule(&mut lab, first.id, Decision::Accept);
    let sent = lab.take();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].0, sent[0].2[22]), (1, 63));
    lab.give(&udp(2));
    let second = one(&mut lab);
    rule(&mut lab, second.id, Decision::Drop);
    assert_eq!(lab.ended(Reason::QueueDrop), 1);
    assert!(lab.take().is_empty());
    // What has been decided is decided, and what another has is not to be decided.
    let now = lab.now();
    let again = Ruling { id: first.id, decision: Decision::Accept, mark: None, payload: None };
    assert_eq!(lab.router().handle_ruling(now, PROGRAM, &again), Err(QueueError::NoPacket));
    lab.give(&udp(3));
    let third = one(&mut lab);
    let others = Ruling { id: third.id, decision: Decision::Accept, mark: None, payload: None };
    assert_eq!(lab.router().handle_ruling(now, PROGRAM + 1, &others), Err(QueueError::NoPacket));
    assert_eq!(lab.router().bind_queues(9, wish(4, 6)), Err(QueueError::Busy));
    assert_eq!(lab.router().bind_queues(9, wish(7, 6)), Err(QueueError::Invalid));
    lab.finish();
}

#[test]
fn marks_payloads_and_repetition_are_as_the_program_wants() {
    let machine = machine_for(&world());
    let mut lab = Lab::new(&machine, 1, "");
    iptables(&mut lab, "-A FORWARD -m mark --mark 9 -j ACCEPT");
    iptables(&mut lab, "-A FORWARD -p udp -j NFQUEUE --queue-balance 2:3");
    iptables(&mut lab, "-t mangle -A POSTROUTING -m mark --mark 8 -j DROP");
    bind(&mut lab, wish(2, 3));
    // Asked again with its mark, the rule before lets it pass.
    lab.give(&udp(1));
    let first = one(&mut lab);
    let ruling = |id| Ruling { id, decision: Decision::Repeat, mark: Some(9), payload: None };
    say(&mut lab, &ruling(first.id));
    assert_eq!(lab.take().len(), 1);
    // Asked again without, it comes again.
    lab.give(&udp(1));
    let second = one(&mut lab);
    rule(&mut lab, second.id, Decision::Repeat);
    let again = one(&mut lab);
    assert_eq!(again.bytes, second.bytes);
    // The mark is there for what comes behind.
    let ruling = Ruling { id: again.id, decision: Decision::Accept, mark: Some(8), payload: None };
    say(&mut lab, &ruling);
    assert_eq!((lab.take().len(), lab.ended(Reason::FilterRule)), (0, 1));
    // Longer, and whole again on the wire.
    lab.give(&udp(1));
    let third = one(&mut lab);
    let mut longer = third.bytes.clone();
    longer.extend_from_slice(b" and answer");
    let len = (longer.len() as u16).to_be_bytes();
    longer[2..4].copy_from_slice(&len);
    checksum::ipv4_header_fill(&mut longer[..20]);
    let new =
        Ruling { id: third.id, decision: Decision::Accept, mark: None, payload: Some(&longer) };
    say(&mut lab, &new);
    let sent = lab.take();
    assert!(sent[0].2.ends_with(b"question and answer"));
    assert_eq!(sent[0].2.len(), 14 + longer.len());
    assert_eq!(sent[0].2[16..18], len);
    // What is no packet is not sent.
    lab.give(&udp(1));
    let fourth = one(&mut lab);
    let new = Ruling { id: fourth.id, decision: Decision::Accept, mark: None, payload: Some(b"x") };
    say(&mut lab, &new);
    assert_eq!((lab.take().len(), lab.ended(Reason::QueueDrop)), (0, 1));
    // Another queue of somebody's, and one of nobody's.
    lab.give(&udp(1));
    let fifth = one(&mut lab);
    let other = 5 - fifth.queue;
    rule(&mut lab, fifth.id, Decision::Queue(other));
    let sixth = one(&mut lab);
    assert_eq!(sixth.queue, other);
    rule(&mut lab, sixth.id, Decision::Queue(77));
    assert_eq!(lab.ended(Reason::QueueNobody), 1);
    lab.finish();
}

#[test]
fn full_queues_drop_or_let_pass_and_a_program_that_goes_takes_its_packets_with_it() {
    let machine = machine_for(&world());
    let mut lab = Lab::new(&machine, 1, "");
    iptables(&mut lab, "-A FORWARD -p udp --sport 1:99 -j NFQUEUE --queue-num 1 --queue-bypass");
    iptables(&mut lab, "-A FORWARD -p udp -j NFQUEUE --queue-num 2");
    bind(&mut lab, wish(1, 1));
    (1..=6).for_each(|port| lab.give(&udp(port)));
    assert_eq!(offered(&mut lab).len(), 4);
    assert_eq!(lab.ended(Reason::QueueFull), 2, "the bypass is for where nobody listens");
    lab.router().bind_queues(8, Bind { fail_open: true, limit: 1, ..wish(2, 2) }).unwrap();
    lab.router().commit();
    (100..103).for_each(|port| lab.give(&udp(port)));
    assert_eq!((offered(&mut lab).len(), lab.take().len()), (1, 2));
    lab.router().forget_program(PROGRAM);
    lab.router().commit();
    lab.settle();
    assert_eq!((lab.ended(Reason::QueueDrop), lab.take().len()), (4, 0));
    lab.give(&udp(1));
    assert_eq!(lab.take().len(), 1, "and later ones pass by the bypass");
    assert_eq!(lab.router().queue_counts().1, 1, "what waits for others waits on");
    lab.finish();
}

#[test]
fn a_new_connection_waits_with_its_packet_and_is_translated_behind_the_program() {
    let machine = machine_for(&world());
    let mut lab = Lab::new(&machine, 1, "");
    iptables(&mut lab, "-A FORWARD -m conntrack --ctstate NEW -j NFQUEUE --queue-num 0");
    iptables(&mut lab, "-t nat -A POSTROUTING -o wan -j SNAT --to-source 10.0.1.77");
    iptables(
        &mut lab,
        "-t nat -A PREROUTING -p udp --dport 53 -j DNAT --to-destination 198.51.100.10:54",
    );
    bind(&mut lab, wish(0, 0));
    lab.give(&udp(1));
    let first = one(&mut lab);
    assert_eq!(
        (&first.bytes[16..20], &first.bytes[22..24]),
        (&[198, 51, 100, 10][..], &[0, 54][..])
    );
    // Turns go by, and other connections with them.
    lab.wait(2_000_000_000);
    lab.give(&udp(2));
    let second = one(&mut lab);
    rule(&mut lab, second.id, Decision::Drop);
    lab.wait(2_000_000_000);
    rule(&mut lab, first.id, Decision::Accept);
    let sent = lab.take();
    assert_eq!(sent.len(), 1);
    let ip = Ipv4View::new_quoted(&sent[0].2[14..]).unwrap();
    assert_eq!((ip.src(), ip.dst()), ([10, 0, 1, 77].into(), [198, 51, 100, 10].into()));
    // The answer belongs to it, and is nobody's to decide.
    let answer = FrameBuilder::new()
        .ipv4([198, 51, 100, 10].into(), [10, 0, 1, 77].into())
        .udp(54, 1)
        .payload(b"answer")
        .build();
    lab.give(&answer);
    assert!(offered(&mut lab).is_empty());
    let sent = lab.take();
    let ip = Ipv4View::new_quoted(&sent[0].2[14..]).unwrap();
    assert_eq!((ip.src(), ip.dst()), ([198, 51, 100, 9].into(), [10, 0, 0, 7].into()));
    // Two packets of one new connection wait, and both pass.
    lab.give(&udp(3));
    lab.give(&udp(3));
    let both = offered(&mut lab);
    assert_eq!(both.len(), 2);
    rule(&mut lab, both[0].id, Decision::Accept);
    rule(&mut lab, both[1].id, Decision::Accept);
    assert_eq!(lab.take().len(), 2);
    lab.finish();
}

#[test]
fn a_way_that_has_become_anothers_is_looked_up_again() {
    let machine = machine_for(&world());
    let mut lab = Lab::new(&machine, 1, "");
    iptables(&mut lab, "-A FORWARD -j NFQUEUE --queue-num 0");
    bind(&mut lab, wish(0, 0));
    let nowhere = FrameBuilder::new().ipv4([10, 0, 0, 7].into(), [198, 18, 2, 1].into()).udp(1, 2);
    let ip = |lab: &mut Lab, words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        let (pool, now) = (lab.pool(), lab.now());
        let said = Desk::bare(lab.router(), &pool, now).command(&words);
        assert_eq!((said.err.as_str(), said.status), ("", 0));
        // Workers go on, so that places become free.
        lab.give(&nowhere.build());
        lab.wait(1_000_000);
    };
    ip(&mut lab, "route del 198.51.100.0/24 via 10.0.1.2");
    ip(&mut lab, "route add 198.51.100.0/24 via 10.0.1.99");
    lab.give(&udp(1));
    lab.give(&udp(2));
    let both = offered(&mut lab);
    ip(&mut lab, "route del 198.51.100.0/24 via 10.0.1.99");
    ip(&mut lab, "neigh del 10.0.1.99 dev wan");
    ip(&mut lab, "route add 198.51.100.0/24 via 10.0.2.9");
    // Other routes take the places that became free.
    (0..8).for_each(|n| ip(&mut lab, &format!("route add 172.16.{n}.0/24 via 10.0.0.{}", 50 + n)));
    rule(&mut lab, both[0].id, Decision::Accept);
    let sent = lab.take();
    assert_eq!((sent.len(), sent[0].0), (1, 2), "by the trunk now");
    ip(&mut lab, "route del 198.51.100.0/24 via 10.0.2.9");
    (0..8).for_each(|n| ip(&mut lab, &format!("route add 172.17.{n}.0/24 via 10.0.0.{}", 60 + n)));
    rule(&mut lab, both[1].id, Decision::Accept);
    assert_eq!(lab.ended(Reason::OutNoRoute), 1);
    lab.finish();
}

#[test]
fn all_hooks_of_both_families_have_queues() {
    let machine = machine_for(&world());
    let six = "\n[[route]]\nto = \"2001:db8:9::/64\"\nvia = \"fe80::9\"\ndev = \"wan\"\n";
    let mut lab = Lab::new(&machine, 1, six);
    lab.router()
        .add_address6(
            "lan",
            crate::port::table::IfaceAddr6::permanent("2001:db8::1/64".parse().unwrap()),
        )
        .unwrap();
    lab.router().commit();
    for program in ["iptables", "ip6tables"] {
        for chain in ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"] {
            tool(&mut lab, program, &format!("-t mangle -A {chain} -j NFQUEUE --queue-num 1"));
        }
    }
    bind(&mut lab, wish(1, 1));
    let ping = FrameBuilder::new()
        .ipv4([10, 0, 0, 7].into(), [10, 0, 0, 1].into())
        .echo_request(1, 1)
        .build();
    let hooks = |lab: &mut Lab| {
        let mut hooks = Vec::new();
        loop {
            let all = offered(lab);
            if all.is_empty() {
                return hooks;
            }
            for one in all {
                hooks.push(one.hook);
                rule(lab, one.id, Decision::Accept);
            }
        }
    };
    lab.give(&udp(1));
    assert_eq!(hooks(&mut lab), [0, 2, 4]);
    assert_eq!(lab.take().len(), 1);
    lab.give(&ping);
    assert_eq!(hooks(&mut lab), [0, 1, 3, 4]);
    assert_eq!(lab.take().len(), 1, "the answer");
    let from = "2001:db8::7".parse().unwrap();
    lab.give(&FrameBuilder::new().ipv6(from, "2001:db8:9::1".parse().unwrap()).udp(1, 2).build());
    assert_eq!(hooks(&mut lab), [0, 2, 4]);
    assert_eq!(lab.take().len(), 1);
    // One hook's rules go while a packet waits there, and the next hook has its say all the same.
    lab.give(&udp(1));
    let first = one(&mut lab);
    rule(&mut lab, first.id, Decision::Accept);
    let second = one(&mut lab);
    assert_eq!(second.hook, 2);
    iptables(&mut lab, "-t mangle -F FORWARD");
    rule(&mut lab, second.id, Decision::Accept);
    assert_eq!(hooks(&mut lab), [4]);
    assert_eq!(lab.take().len(), 1);
    // All rules go while a packet waits.
    lab.give(&udp(1));
    let last = one(&mut lab);
    iptables(&mut lab, "-t mangle -F");
    iptables(&mut lab, "-t mangle -X");
    tool(&mut lab, "ip6tables", "-t mangle -F");
    rule(&mut lab, last.id, Decision::Accept);
    assert_eq!(lab.take().len(), 1);
    lab.finish();
}

#[test]
fn a_copy_keeps_its_gateway_and_a_mark_may_lead_the_routers_own_packets_elsewhere() {
    let machine = machine_for(&world());
    let mut lab = Lab::new(&machine, 1, "");
    iptables(&mut lab, "-t mangle -A PREROUTING -p udp -j TEE --gateway 10.0.2.9");
    iptables(&mut lab, "-t mangle -A OUTPUT -j NFQUEUE --queue-num 1");
    bind(&mut lab, wish(1, 1));
    let places = |lab: &Lab| lab.take().iter().map(|(place, ..)| *place).collect::<Vec<_>>();
    lab.give(&udp(1));
    assert_eq!(places(&lab), [1], "the packet itself");
    let copy = one(&mut lab);
    rule(&mut lab, copy.id, Decision::Accept);
    assert_eq!(places(&lab), [2], "by the trunk, whatever its destination");
    // A marked one has another way.
    let (pool, now) = (lab.pool(), lab.now());
    for words in ["rule add fwmark 7 table 100", "route add default via 10.0.1.2 table 100"] {
        let words: Vec<&str> = words.split(' ').collect();
        let said = Desk::bare(lab.router(), &pool, now).command(&words);
        assert_eq!((said.err.as_str(), said.status), ("", 0));
    }
    lab.settle();
    lab.give(&udp(1));
    places(&lab);
    let copy = one(&mut lab);
    let ruling = Ruling { id: copy.id, decision: Decision::Accept, mark: Some(7), payload: None };
    say(&mut lab, &ruling);
    assert_eq!(places(&lab), [1]);
    lab.finish();
}

/// A program that says whatever it likes: bytes of a packet changed here and there, longer or shorter.
#[test]
fn whatever_a_program_makes_of_packets_each_is_accounted_for() {
    let machine = machine_for(&world());
    let six = "\n[[route]]\nto = \"2001:db8:9::/64\"\nvia = \"fe80::9\"\ndev = \"wan\"\n";
    let mut lab = Lab::new(&machine, 2, six);
    let address = "2001:db8::1/64".parse().unwrap();
    lab.router().add_address6("lan", crate::port::table::IfaceAddr6::permanent(address)).unwrap();
    lab.router().commit();
    for program in ["iptables", "ip6tables"] {
        for chain in ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"] {
            tool(&mut lab, program, &format!("-t mangle -A {chain} -j NFQUEUE --queue-num 1"));
        }
        let reject = "-A FORWARD -p udp --dport 99 -j REJECT";
        tool(&mut lab, program, reject);
        tool(&mut lab, program, "-A INPUT -m conntrack --ctstate INVALID -j DROP");
    }
    iptables(&mut lab, "-t nat -A POSTROUTING -o wan -j SNAT --to-source 10.0.1.77");
    bind(&mut lab, Bind { limit: 64, ..wish(1, 1) });
    let (host, to) = ([10, 0, 0, 7].into(), [198, 51, 100, 9].into());
    let (host6, to6) = ("2001:db8::7".parse().unwrap(), "2001:db8:9::1".parse().unwrap());
    let own = [10, 0, 0, 1].into();
    let frames = [
        FrameBuilder::new().ipv4(host, to).udp(1, 53).payload(b"question").build(),
        FrameBuilder::new().ipv4(host, to).tcp(2, 80, 2).build(),
        FrameBuilder::new().ipv4(host, to).options(&[1, 1, 1, 0]).udp(3, 99).build(),
        FrameBuilder::new().ipv4(host, own).echo_request(1, 1).payload(&[7; 100]).build(),
        FrameBuilder::new().ipv6(host6, to6).udp(1, 99).payload(b"question").build(),
        FrameBuilder::new().ipv6(host6, to6).hop_by_hop(&[]).tcp(2, 80, 2).build(),
    ];
    let mut random = Random::new(9);
    let mut sent = 0;
    for round in 0..4000_usize {
        lab.give(&frames[round % frames.len()]);
        // Some wait while others come.
        let waiting = offered(&mut lab);
        for mut one in waiting {
            let mut next = || random.below(256) as u8;
            for _ in 0..next() % 4 {
                let at = usize::from(next()) % one.bytes.len();
                one.bytes[at] = next();
            }
            match next() % 6 {
                0 => one.bytes.truncate(usize::from(next())),
                1 => one.bytes.extend(std::iter::repeat_n(7, usize::from(next()) * 8)),
                _ => {}
            }
            let (decision, changed) = match next() % 8 {
                0 => (Decision::Drop, true),
                1 => (Decision::Queue(u16::from(next() % 3)), true),
                2 => (Decision::Accept, false),
                _ => (Decision::Accept, true),
            };
            let payload = changed.then_some(&one.bytes[..]);
            let mark = Some(u32::from(next()));
            let now = lab.now();
            let ruling = Ruling { id: one.id, decision, mark, payload };
            lab.router().handle_ruling(now, PROGRAM, &ruling).unwrap();
        }
        lab.settle();
        sent += lab.take().len();
        if round % 500 == 499 {
            lab.wait(1_000_000_000);
        }
    }
    assert!(sent > 100, "{sent}");
    assert!(lab.ended(Reason::QueueDrop) > 100);
    lab.finish();
}
