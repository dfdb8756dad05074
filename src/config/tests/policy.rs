//! Rules, next hop objects and VRFs of a file, beside what the words of `ip` mean.

use super::*;

/// What the words of `ip` mean, to compare the file's with.
fn ip(line: &str) -> crate::iproute2::Action {
    crate::iproute2::parse(&line.split_whitespace().collect::<Vec<_>>()).expect(line).action
}

#[test]
fn rules_objects_and_routes_mean_what_the_words_of_ip_mean() {
    use crate::iproute2::{Action, NexthopCommand, RouteCommand, RuleCommand};
    let config = parse(
        r#"
[[port]]
name = "lan"
group = 7
[[vrf]]
name = "red"
table = 100
interfaces = ["lan"]
[[nexthop]]
id = 10
group = [{ id = 1, weight = 3 }, { id = 2 }]
buckets = 64
idle-timer = 60
[[nexthop]]
id = 1
via = "192.0.2.1"
dev = "lan"
protocol = "bgp"
[[nexthop]]
id = 2
via = "fe80::1"
dev = "lan"
onlink = true
[[nexthop]]
id = 3
blackhole = true
[[rule]]
priority = 10
not = true
from = "10.0.0.0/8"
to = "10.9.9.9"
tos = 0x10
fwmark = 5
fwmask = 0xff
iif = "lan"
oif = "lo"
ipproto = "udp"
sport = 53
dport = "1000-1999"
table = 70000
suppress-prefixlength = 8
suppress-ifgroup = 7
[[rule]]
priority = 20
fwmark = 6
goto = 30
[[rule]]
priority = 30
action = "unreachable"
[[rule]]
priority = 40
l3mdev = true
[[route]]
to = "10.1.0.0/16"
nhid = 10
metric = 5
[[route]]
to = "10.2.0.0/16"
via6 = "fe80::2"
dev = "lan"
vrf = "red"
tos = 0x10
mtu = 1400
mtu-lock = true
metrics = { window = 9, rtt = 5, rto-min = 200, hoplimit = 9, advmss = 1300 }
[[route]]
to = "10.3.0.0/16"
nexthops = [{ via6 = "fe80::2", dev = "lan" }, { via = "192.0.2.7", weight = 2 }]
"#,
    );
    let rules = [
        "rule add pref 10 not from 10.0.0.0/8 to 10.9.9.9 tos 0x10 fwmark 5/0xff iif lan oif lo \
         ipproto udp sport 53 dport 1000-1999 table 70000 suppress_prefixlength 8 \
         suppress_ifgroup 7 proto static",
        "rule add pref 20 fwmark 6 goto 30 proto static",
        "rule add pref 30 unreachable proto static",
        "rule add pref 40 l3mdev proto static",
    ];
    for (rule, line) in config.rules.iter().zip(rules) {
        assert_eq!(Action::Rule(RuleCommand::Add((**rule).clone())), ip(line));
    }
    let nexthops = [
        "nexthop add id 1 via 192.0.2.1 dev lan proto bgp",
        "nexthop add id 2 via fe80::1 dev lan onlink proto static",
        "nexthop add id 3 blackhole proto static",
        "nexthop add id 10 group 1,3/2 type resilient buckets 64 idle_timer 60 proto static",
    ];
    for (nexthop, line) in config.nexthops.iter().zip(nexthops) {
        let Action::Nexthop(NexthopCommand::Add(spec, _)) = ip(line) else { panic!("{line}") };
        assert_eq!(**nexthop, spec, "groups come behind what they are made of");
    }
    let routes = [
        "route add 10.1.0.0/16 nhid 10 metric 5 proto static",
        "route add 10.2.0.0/16 tos 0x10 via inet6 fe80::2 dev lan table 100 mtu lock 1400 window 9 \
         rtt 5ms advmss 1300 hoplimit 9 rto_min 200ms proto static",
        "route add 10.3.0.0/16 proto static nexthop via inet6 fe80::2 dev lan nexthop via \
         192.0.2.7 weight 2",
    ];
    for (route, line) in config.routes.iter().zip(routes) {
        assert_eq!(Action::Route(RouteCommand::Add((**route).clone())), ip(line));
    }
    assert_eq!((config.rules.len(), config.nexthops.len(), config.routes.len()), (4, 4, 3));
    assert_eq!(config.ports[0].group, 7);
    assert_eq!((&**config.vrfs[0].name, config.vrfs[0].table), ("red", 100));
}

#[test]
fn rules_that_cannot_be_are_refused_where_they_stand() {
    let rule = |text: &str| error(&format!("[[port]]\nname = \"lan\"\n[[rule]]\n{text}"));
    assert_eq!(rule("table = 5"), "`priority` is missing (add priority = ..., an integer)");
    assert!(rule("priority = 5").starts_with("the rule does nothing"));
    assert!(rule("priority = 5\ntable = 5\ngoto = 32766").contains("two things"));
    assert!(rule("priority = 5\ntable = 5\nl3mdev = true").contains("two things"));
    assert_eq!(
        rule("priority = 5\ngoto = 5"),
        "the jump goes backward (a rule can jump to a rule behind it only)"
    );
    assert!(rule("priority = 5\ngoto = 6").starts_with("no rule has priority 6"));
    assert!(rule("priority = 5\ntable = 5\ntos = 0x03").starts_with("0x03 cannot choose"));
    assert!(rule("priority = 5\ntable = 5\nsport = \"9-3\"").contains("a port, or"));
    assert!(rule("priority = 5\ntable = 5\nipproto = \"udpp\"").contains("an IP protocol"));
    assert_eq!(
        rule("priority = 5\ntable = 5\niif = \"lam\""),
        "there is no interface \"lam\" (did you mean \"lan\"?)"
    );
    assert!(rule("priority = 5\ntabel = 5\ntable = 5").starts_with("unknown key `tabel`"));
}

#[test]
fn objects_and_vrfs_that_cannot_be_are_refused_where_they_stand() {
    let with = |text: &str| error(&format!("[[port]]\nname = \"lan\"\n{text}"));
    let object = |text: &str| with(&format!("[[nexthop]]\nid = 1\n{text}"));
    assert!(object("").starts_with("the object leads nowhere"));
    assert!(object("dev = \"lan\"\nblackhole = true").starts_with("the object is two things"));
    assert!(object("blackhole = true\nbuckets = 4").starts_with("only a group has buckets"));
    assert_eq!(object("dev = \"lan\"\nonlink = true"), "`onlink` needs `via`");
    assert_eq!(object("group = [{ id = 9 }]"), "there is no object with number 9");
    assert_eq!(object("group = [{ id = 1 }]"), "a group cannot have a group in it");
    let two = "[[nexthop]]\nid = 2\nblackhole = true\n[[nexthop]]\nid = 3\ndev = \"lan\"\n";
    assert_eq!(
        object(&format!("group = [{{ id = 2 }}, {{ id = 3 }}]\n{two}")),
        "a blackhole must be alone in its group"
    );
    assert!(
        object(&format!("group = [{{ id = 3 }}]\nidle-timer = 5\n{two}")).contains("no timers")
    );
    let again = "dev = \"lan\"\n[[nexthop]]\nid = 1\nblackhole = true";
    assert_eq!(object(again), "there is another object with number 1");
    assert!(
        with("[[route]]\nto = \"default\"\nnhid = 4").starts_with("there is no object with number")
    );
    let both = "[[route]]\nto = \"default\"\nnhid = 1\ndev = \"lan\"";
    assert!(object(&format!("dev = \"lan\"\n{both}")).starts_with("the route leads two ways"));
    let vrf = |text: &str| with(&format!("[[vrf]]\nname = \"red\"\ntable = 9\n{text}"));
    assert!(vrf("interfaces = [\"lam\"]").starts_with("there is no interface \"lam\""));
    assert_eq!(vrf("interfaces = [\"red\"]\n").lines().count(), 1);
    let twice =
        "interfaces = [\"lan\"]\n[[vrf]]\nname = \"blue\"\ntable = 8\ninterfaces = [\"lan\"]";
    assert_eq!(vrf(twice), "\"lan\" is in \"red\" already");
    assert!(
        vrf("[[route]]\nto = \"default\"\ndev = \"lan\"\nvrf = \"rad\"").contains("did you mean")
    );
}

#[test]
fn addresses_may_be_the_same_in_different_vrfs() {
    let ports = "[[port]]\nname = \"a\"\naddresses = [\"10.0.0.1/24\"]\n\
                 [[port]]\nname = \"b\"\naddresses = [\"10.0.0.1/24\"]\n";
    assert!(error(ports).contains("belongs to \"a\" already"));
    parse(&format!("{ports}[[vrf]]\nname = \"red\"\ntable = 9\ninterfaces = [\"b\"]\n"));
}
