//! The packet filter at the desk: policies of timeouts, rules and sets as rows.

use super::{super::nfct::nfct, *};
use crate::telemetry::protocol::Tool;

/// What Linux says to commands of `nfct`.
const LINUX: &str = include_str!("../nfct/linux.txt");

fn tool(world: &mut World, program: &str, words: &str) -> IpOutput {
    let words = words.split_whitespace().map(str::to_owned).collect();
    world.desk().tool(&Tool { program: program.into(), words, input: None })
}

#[test]
fn policies_are_made_told_and_taken_away_as_by_the_real_nfct() {
    let mut world = World::new();
    let mut commands = 0;
    for part in LINUX.split("$ nfct").skip(1) {
        let (words, rest) = part.split_once('\n').unwrap();
        let (said, rest) = rest.rsplit_once("= ").unwrap();
        let status = rest.lines().next().unwrap();
        let list: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let done = nfct(&mut world.router, &list);
        assert_eq!(done.out.clone() + &done.err, said, "{words}");
        assert_eq!(done.status.to_string(), status, "{words}");
        for rule in rest.lines().filter_map(|line| line.strip_prefix("# iptables ")) {
            assert_eq!(tool(&mut world, "iptables", rule).err, "");
        }
        commands += 1;
    }
    assert!(commands > 40);
    // A place whose policy is gone is nobody's.
    let rules = world.router.conntrack_rules();
    assert_eq!(rules.policies[0].name, "");
    assert_eq!(rules.timeouts_of(1), &rules.timeouts);
}

#[test]
fn a_policy_is_for_rules_of_its_protocol() {
    let mut world = World::new();
    for words in ["add timeout u inet udp replied 5", "add timeout g inet generic timeout 5"] {
        assert_eq!(tool(&mut world, "nfct", words).status, 0);
    }
    let mut asks = |program: &str, words: &str| {
        let said = tool(&mut world, program, &format!("-t raw -A PREROUTING {words}"));
        said.err.lines().next().unwrap_or_default().to_owned()
    };
    // As Linux says to the same.
    let none = asks("iptables", "-p udp -j CT --timeout nope");
    assert!(none.ends_with("No chain/target/match by that name."), "{none}");
    for words in ["-p tcp -j CT --timeout u", "-j CT --timeout u", "! -p udp -j CT --timeout u"] {
        let said = asks("iptables", words);
        assert!(said.contains("Invalid argument"), "{words}: {said}");
    }
    assert!(asks("ip6tables", "-p udp -j CT --timeout u").contains("Invalid argument"));
    assert_eq!(asks("iptables", "-p udp -j CT --timeout u"), "");
    assert_eq!(asks("iptables", "-p 99 -j CT --timeout g"), "");
    assert!(asks("iptables", "-p tcp -j CT --timeout g").contains("Invalid argument"));
}

#[test]
fn rules_and_sets_are_rows() {
    let mut world = World::new();
    for (program, words) in [
        ("ipset", "create hosts hash:ip maxelem 100"),
        ("ipset", "add hosts 192.0.2.7"),
        ("iptables", "-A FORWARD -m set --match-set hosts src -j DROP"),
        ("ip6tables", "-t raw -A PREROUTING -p udp -c 5 60 -j ACCEPT"),
    ] {
        let said = tool(&mut world, program, words);
        assert_eq!((said.err.as_str(), said.status), ("", 0), "{program} {words}");
    }
    let sets = all(&mut world, Request::Show(Show::Sets));
    let one = &sets[0];
    assert_eq!((sets.len(), &one["name"], &one["kind"]), (1, &"hosts".into(), &"hash:ip".into()));
    assert_eq!((&one["entries"], &one["limit"]), (&1.into(), &100.into()));
    assert_eq!(one["references"], 1);
    let rules = all(&mut world, Request::Show(Show::Filter(None)));
    let texts: Vec<_> = rules.iter().map(|row| row["rule"].as_str().unwrap()).collect();
    assert!(texts.contains(&"-m set --match-set hosts src -j DROP"), "{texts:?}");
    assert!(texts.contains(&"policy ACCEPT"), "{texts:?}");
    let top = all(&mut world, Request::Show(Show::Filter(Some(1))));
    assert_eq!((top.len(), &top[0]["family"]), (1, &"ipv6".into()));
    assert_eq!((&top[0]["packets"], &top[0]["bytes"]), (&5.into(), &60.into()));
    assert_eq!(top[0]["number"], 1);
}

#[test]
fn reports_that_ask_for_a_number_say_so() {
    let wire = |show| serde_json::to_string(&Request::Show(show)).unwrap();
    assert_eq!(wire(Show::Talkers(Some(3))), r#"{"show":"talkers","most":3}"#);
    assert_eq!(wire(Show::Log(None)), r#"{"show":"log"}"#);
    for text in [r#"{"show":"nat"}"#, r#"{"show":"filter","most":7}"#, r#"{"show":"sets"}"#] {
        let request = serde_json::from_str::<Request>(text).unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
    }
}
