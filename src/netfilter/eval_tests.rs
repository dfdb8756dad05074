//! Chains, counters, traces: how packets go through tables.

use super::doubles::*;
use super::rule::*;
use super::view::{PacketFacts, View};
use super::{DropCause, Program, Slots, Verdict, compile, evaluate};

fn filter(chains: &[(&str, Option<Policy>, Vec<Rule>)]) -> Ruleset {
    let mut ruleset = Ruleset::new(Family::Four);
    let table = ruleset.table_mut(TableName::Filter);
    for (name, policy, rules) in chains {
        match table.chain_mut(name) {
            Some(chain) => {
                chain.policy = *policy;
                chain.rules = rules.clone();
            }
            None => table.add_chain(Chain {
                name: (*name).into(),
                rules: rules.clone(),
                ..Chain::default()
            }),
        }
    }
    ruleset
}

fn to(target: Target) -> Rule {
    rule_of(0, vec![], target)
}

fn port(port: u16, target: Target) -> Rule {
    let destination = Some(Is::so(Span::only(port)));
    rule_of(17, vec![Match::Udp(Udp { source: None, destination })], target)
}

fn jump(name: &str) -> Target {
    Target::Jump(name.into())
}

fn meet(program: &Program, packet: &[u8], about: PacketFacts<'_>, world: &mut World) -> Verdict {
    let mut bytes = packet.to_vec();
    let mut view = View::new(&mut bytes, packet.len(), about).unwrap();
    let entry = program.entry(TableName::Filter, Hook::Forward).unwrap();
    evaluate(program, entry, &mut view, world, 0)
}

#[test]
fn chains_are_called_left_and_gone_to_as_in_the_kernel() {
    let ruleset = filter(&[
        (
            "FORWARD",
            Some(Policy::Drop),
            vec![
                port(1, jump("a")),
                port(2, Target::Goto("a".into())),
                port(3, Target::Return),
                to(Target::Accept),
            ],
        ),
        ("a", None, vec![to(jump("b")), to(Target::None)]),
        ("b", None, vec![port(4, Target::Accept), to(Target::Return), to(Target::Accept)]),
    ]);
    let mut slots = Slots::new(1);
    let program = compile(&ruleset, LINKS, &mut slots, &[]).unwrap();
    let verdict =
        |port| meet(&program, &udp(9, port), PacketFacts::default(), &mut World::default());
    // Called and come back; gone to, and so at the policy; returned to the policy.
    assert_eq!(verdict(1), Verdict::Accept);
    assert_eq!(verdict(2), Verdict::Drop(DropCause::Policy));
    assert_eq!(verdict(3), Verdict::Drop(DropCause::Policy));
    assert_eq!(verdict(5), Verdict::Accept);
    let count = |chain: &str, at| {
        let counters = slots.rule(TableName::Filter, chain, at).unwrap();
        (counters.packets, counters.bytes)
    };
    let len = udp(9, 1).len() as u64;
    assert_eq!(count("FORWARD", 0), (1, len));
    assert_eq!(count("FORWARD", 3), (2, 2 * len));
    assert_eq!(count("a", 1), (2, 2 * len));
    assert_eq!((count("b", 1), count("b", 2)), ((2, 2 * len), (0, 0)));
    assert_eq!(slots.policy(TableName::Filter, "FORWARD").unwrap().packets, 2);
}

#[test]
fn interfaces_addresses_and_fragments_choose_rules() {
    let iface = |name: &str, wildcard| Some(Is::so(Iface { name: name.into(), wildcard }));
    let drop = |basic| Rule { basic, target: Target::Drop, ..Rule::default() };
    let hit = |basic: Basic, packet: &[u8], input, output| {
        let ruleset = filter(&[("FORWARD", Some(Policy::Accept), vec![drop(basic)])]);
        let program = compile(&ruleset, LINKS, &mut Slots::new(1), &[]).unwrap();
        let about = PacketFacts { input, output, ..PacketFacts::default() };
        meet(&program, packet, about, &mut World::default()) != Verdict::Accept
    };
    let any = Basic::default();
    let packet = udp(1, 2);
    let eth = Basic { input: iface("eth", true), ..any.clone() };
    assert!(hit(eth.clone(), &packet, 2, 0) && hit(eth.clone(), &packet, 3, 0));
    assert!(
        !hit(eth.clone(), &packet, 4, 0)
            && !hit(eth.clone(), &packet, 0, 0)
            && !hit(eth, &packet, 900, 0)
    );
    let not = Some(Is::not(Iface { name: "eth0".into(), wildcard: false }));
    let not = Basic { output: not, ..any.clone() };
    assert!(
        hit(not.clone(), &packet, 0, 3)
            && hit(not.clone(), &packet, 0, 0)
            && !hit(not, &packet, 0, 2)
    );
    assert!(hit(Basic { input: iface("", true), ..any.clone() }, &packet, 0, 0));
    let net = |text: &str| Prefix::from(text.parse::<ipnet::IpNet>().unwrap());
    assert!(hit(Basic { source: Some(Is::so(net("10.0.0.0/30"))), ..any.clone() }, &packet, 0, 0));
    assert!(!hit(
        Basic { destination: Some(Is::not(net("10.0.0.0/30"))), ..any.clone() },
        &packet,
        0,
        0
    ));
    // A mask with a hole.
    let holed = Prefix::new("10.9.0.1".parse().unwrap(), "255.0.255.255".parse().unwrap());
    assert!(hit(Basic { source: Some(Is::so(holed)), ..any.clone() }, &packet, 0, 0));
    assert!(hit(Basic { protocol: Some(Is::not(6)), ..any.clone() }, &packet, 0, 0));
    let later = four(|frame| frame.fragment_offset(16).protocol(17).payload(&[0; 8]));
    let fragment = |want| Basic { fragment: Some(want), ..any.clone() };
    assert!(hit(fragment(true), &later, 0, 0) && !hit(fragment(true), &packet, 0, 0));
    assert!(!hit(fragment(false), &later, 0, 0) && hit(fragment(false), &packet, 0, 0));
}

#[test]
fn a_chain_of_headers_that_leads_nowhere_ends_the_packet_where_a_protocol_is_asked() {
    let mut ruleset = Ruleset::new(Family::Six);
    let chain = ruleset.table_mut(TableName::Filter).chain_mut("FORWARD").unwrap();
    chain.rules = vec![rule_of(17, vec![], Target::Accept)];
    let program = compile(&ruleset, LINKS, &mut Slots::new(1), &[]).unwrap();
    let verdict =
        |packet: &[u8]| meet(&program, packet, PacketFacts::default(), &mut World::default());
    assert_eq!(verdict(&six(0, &[60, 9])), Verdict::Drop(DropCause::Malformed));
    assert_eq!(verdict(&six(0, &[17, 0, 0, 0, 0, 0, 0, 0])), Verdict::Accept);
}

#[test]
fn every_rule_of_a_traced_packet_is_told() {
    let ruleset = filter(&[
        ("FORWARD", Some(Policy::Accept), vec![port(7, Target::Drop), port(2, jump("own"))]),
        ("own", None, vec![port(2, Target::None)]),
    ]);
    let program = compile(&ruleset, LINKS, &mut Slots::new(1), &[]).unwrap();
    let about = PacketFacts { traced: true, ..PacketFacts::default() };
    let mut world = World::default();
    meet(&program, &udp(1, 2), about, &mut world);
    assert_eq!(
        world.told,
        [
            "filter:FORWARD:rule:2",
            "filter:own:rule:1",
            "filter:own:return:2",
            "filter:FORWARD:policy:3"
        ]
    );
}
