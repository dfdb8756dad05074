use insta::assert_snapshot;

use super::*;
use crate::route::spec::{RouteType, proto};

mod policy;

fn parse(text: &str) -> Config {
    Config::parse("test.toml", text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors(text: &str) -> String {
    Config::parse("test.toml", text).expect_err("a file with errors").to_string()
}

/// The one message of a file with one error, without its place.
fn error(text: &str) -> String {
    let errors = Config::parse("test.toml", text).expect_err("a file with errors");
    let [error] = &errors.iter().collect::<Vec<_>>()[..] else { panic!("{errors}") };
    match &error.hint {
        Some(hint) => format!("{} ({hint})", error.message),
        None => error.message.clone(),
    }
}

#[test]
fn the_built_in_configuration_is_good_and_needs_no_privileges() {
    let config = Config::embedded_default().unwrap();
    assert_eq!(config.dpdk.huge, crate::dpdk::eal::Huge::Never);
    assert!(config.dpdk.in_memory);
    assert_eq!(config.interfaces().collect::<Vec<_>>(), ["lan", "wan"]);
    assert_eq!(config.routes.len(), 3);
    assert_eq!(config.neighbours.len(), 2);
    let refused = config.require_devices().unwrap_err();
    assert_eq!(refused.len(), 2, "{refused}");
}

#[test]
fn every_example_is_good_and_can_run() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let config = Config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        if !path.ends_with("default.toml") {
            config.require_devices().unwrap_or_else(|errors| panic!("{errors}"));
        }
        count += 1;
    }
    assert!(count >= 5, "{count} files in {directory}");
}

#[test]
fn an_empty_file_is_a_router_of_defaults() {
    let config = parse("");
    assert_eq!(config.instance.name.as_str(), "wagonway");
    assert_eq!(config.workers.cores, Cores::Count(1));
    assert_eq!(config.workers.burst, 128);
    assert_eq!(config.buffers_at_hand(), 256);
    assert_eq!(config.sysctls, Sysctls::default());
    assert_eq!(config.data_room(), 2176);
    assert!(config.ports.is_empty() && config.require_devices().is_err());
}

#[test]
fn memory_is_not_made_ready_for_more_connections_than_there_may_be() {
    let limits = |connections, ready| {
        format!("[limits]\nconnections = {connections}\nconnections-ready = {ready}\n")
    };
    assert_eq!(*parse(&limits(1000, 1000)).limits.connections_ready, 1000);
    assert_eq!(
        error(&limits(1000, 1001)),
        "`connections-ready` is more than `connections`, 1000 (write 1000 or less, or raise `connections`)"
    );
}

#[test]
fn a_burst_fits_twice_into_the_buffers_at_hand() {
    assert_eq!(parse("[workers]\nburst = 256\n").buffers_at_hand(), 512);
    assert_eq!(parse("[workers]\nburst = 256\n[buffers]\ncache = 0\n").buffers_at_hand(), 0);
}

#[test]
fn the_manual_in_docs_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    if std::env::var_os("WAGONWAY_UPDATE_DOCS").is_some() {
        std::fs::write(path, manual()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == manual(),
        "docs/configuration.md does not say what src/config reads; write it anew with\n\n    \
         WAGONWAY_UPDATE_DOCS=1 cargo test --lib config::\n"
    );
}

#[test]
fn all_errors_of_a_file_are_told_with_their_places() {
    let text = r#"
[instance]
name = "Lab"

[workers]
burst = 300
idel = "poll"

[[port]]
name = "lan"
device = "af_xpd:eth0"
adresses = ["10.0.0.1/24"]
addresses = ["10.0.0.1", "10.0.0.300/24"]
mtu = "1500"

[[route]]
to = "10.1.0.1/16"
type = "blakhole"
"#;
    assert_snapshot!(errors(text), @r#"
    test.toml:3:8: "Lab" is not a name of small letters, digits and hyphens
      |
    3 | name = "Lab"
      |        ^^^^^

    test.toml:6:9: `burst` must be 1 to 256
      |
    6 | burst = 300
      |         ^^^

    test.toml:7:1: unknown key `idel`
      |
    7 | idel = "poll"
      | ^^^^
      = hint: did you mean `idle`?

    test.toml:11:10: "af_xpd:eth0" is not a device
       |
    11 | device = "af_xpd:eth0"
       |          ^^^^^^^^^^^^^
       = hint: did you mean "af_xdp:eth0"?

    test.toml:12:1: unknown key `adresses`
       |
    12 | adresses = ["10.0.0.1/24"]
       | ^^^^^^^^
       = hint: did you mean `addresses`?

    test.toml:13:14: "10.0.0.1" lacks the length of its prefix
       |
    13 | addresses = ["10.0.0.1", "10.0.0.300/24"]
       |              ^^^^^^^^^^
       = hint: write "10.0.0.1/24", or "10.0.0.1/32" for the address alone

    test.toml:13:26: "10.0.0.300/24" is not an address with the length of its prefix
       |
    13 | addresses = ["10.0.0.1", "10.0.0.300/24"]
       |                          ^^^^^^^^^^^^^^^

    test.toml:14:7: expected an integer, found a string
       |
    14 | mtu = "1500"
       |       ^^^^^^
       = hint: take the quotes away

    test.toml:17:6: "10.1.0.1/16" has bits set behind its length
       |
    17 | to = "10.1.0.1/16"
       |      ^^^^^^^^^^^^^
       = hint: did you mean "10.1.0.0/16"?

    test.toml:18:8: "blakhole" is none of the words that may stand here
       |
    18 | type = "blakhole"
       |        ^^^^^^^^^^
       = hint: did you mean "blackhole"?

    10 errors in test.toml
    "#);
}

#[test]
fn a_broken_text_is_shown_where_it_breaks() {
    assert_snapshot!(errors("[instance]\nname = \"a\n\n[workers\nburst = 1\n"), @r#"
    test.toml:2:10: invalid basic string, expected `"`
      |
    2 | name = "a
      |          ^

    test.toml:4:9: unclosed table, expected `]`
      |
    4 | [workers
      |         ^

    2 errors in test.toml
    "#);
}

#[test]
fn relations_between_tables_are_checked_at_their_places() {
    let text = r#"
[workers]
cores = [1, 1]
count = 2

[[port]]
name = "lan"
mtu = 1500
addresses = ["10.0.0.1/24", "10.0.0.1/24"]
vlan = [
    { id = 5, addresses = ["10.0.0.1/25"] },
    { id = 5, name = "five", mtu = 9000 },
]

[[port]]
name = "lan.5"

[[vlan]]
port = "lna"
id = 7

[[route]]
to = "default"
via = "10.0.0.2"
dev = "lan.6"

[[route]]
to = "0.0.0.0/0"
via = "10.0.0.3"

[[neighbour]]
address = "10.0.0.2"
lladdr = "02:00:00:00:00:01"
dev = "wan"

[sysctl]
"net.ipv4.conf.lann.forwarding" = 0
"#;
    assert_snapshot!(errors(text), @r#"
    test.toml:3:9: a core is listed twice
      |
    3 | cores = [1, 1]
      |         ^^^^^^

    test.toml:4:9: `cores` and `count` are both given
      |
    4 | count = 2
      |         ^
      = hint: leave one of them out: `cores` says how many workers there are, too

    test.toml:9:29: "lan" has this address already
      |
    9 | addresses = ["10.0.0.1/24", "10.0.0.1/24"]
      |                             ^^^^^^^^^^^^^

    test.toml:11:28: 10.0.0.1 belongs to "lan" already
       |
    11 |     { id = 5, addresses = ["10.0.0.1/25"] },
       |                            ^^^^^^^^^^^^^
       = hint: interfaces can share an address only when one of them has it as /32

    test.toml:12:12: there is another VLAN 5 on "lan"
       |
    12 |     { id = 5, name = "five", mtu = 9000 },
       |            ^

    test.toml:12:36: the MTU of a VLAN cannot exceed its port's, which is 1500
       |
    12 |     { id = 5, name = "five", mtu = 9000 },
       |                                    ^^^^

    test.toml:16:8: there is another interface named "lan.5"
       |
    16 | name = "lan.5"
       |        ^^^^^^^

    test.toml:19:8: there is no port "lna"
       |
    19 | port = "lna"
       |        ^^^^^
       = hint: did you mean "lan"?

    test.toml:25:7: there is no interface "lan.6"
       |
    25 | dev = "lan.6"
       |       ^^^^^^^
       = hint: did you mean "lan.5"?

    test.toml:28:6: there is another route to this destination with the same metric
       |
    28 | to = "0.0.0.0/0"
       |      ^^^^^^^^^^^
       = hint: give it another `metric`, or put several gateways into `nexthops`

    test.toml:34:7: there is no interface "wan"
       |
    34 | dev = "wan"
       |       ^^^^^
       = hint: did you mean "lan"?

    test.toml:37:1: there is no interface "lann"
       |
    37 | "net.ipv4.conf.lann.forwarding" = 0
       | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = hint: did you mean "lan"?

    12 errors in test.toml
    "#);
}

#[test]
fn a_value_of_the_wrong_kind_tells_what_belongs_there() {
    let text = "[dpdk]\nhuge = true\nin-memory = \"true\"\nmax-simd = 96\nmemory-mib = 1.5\n\
                extra-args = \"-v\"\n[port]\nname = \"lan\"\n";
    assert_snapshot!(errors(text), @r#"
    test.toml:2:8: expected "auto", "always" or "never", found a boolean
      |
    2 | huge = true
      |        ^^^^

    test.toml:3:13: expected true or false, found a string
      |
    3 | in-memory = "true"
      |             ^^^^^^
      = hint: take the quotes away

    test.toml:4:12: expected 64, 128, 256 or 512
      |
    4 | max-simd = 96
      |            ^^

    test.toml:5:14: expected an integer, found a float
      |
    5 | memory-mib = 1.5
      |              ^^^

    test.toml:6:14: expected an array, each item a string, found a string
      |
    6 | extra-args = "-v"
      |              ^^^^
      = hint: put it in brackets, [ ]

    test.toml:7:1: expected an array of tables, found a table
      |
    7 | [port]
      | ^^^^^^
      = hint: write it in double brackets, [[ ]]

    6 errors in test.toml
    "#);
}

#[test]
fn a_route_that_leads_nowhere_is_refused() {
    let route = |rest: &str| {
        error(&format!("[[port]]\nname = \"a\"\n[[route]]\nto = \"10.0.0.0/8\"\n{rest}\n"))
    };
    assert!(route("").starts_with("the route leads nowhere"));
    assert_eq!(
        route("type = \"blackhole\"\nvia = \"10.0.0.1\""),
        "a route of this type has no next hop"
    );
    assert!(
        route("via = \"10.0.0.1\"\nnexthops = [{ dev = \"a\" }]")
            .starts_with("next hops are given twice")
    );
    assert!(route("nexthops = [{ weight = 2 }]").starts_with("the next hop leads nowhere"));
    assert_eq!(route("via = \"10.0.0.1\"\nonlink = true"), "`onlink` needs `dev`");
    assert!(
        route("nexthops = [{ dev = \"a\", weight = 257 }]").contains("`weight` must be 1 to 256")
    );
    assert!(route("via = \"fe80::1\"").contains("other family"));
}

#[test]
fn routes_and_neighbours_say_what_ip_would() {
    let config = parse(
        r#"
[[port]]
name = "wan"
addresses = ["192.0.2.1/24"]
[[route]]
to = "default"
nexthops = [{ via = "192.0.2.2", weight = 3 }, { dev = "wan" }]
metric = 20
[[route]]
to = "198.51.100.7"
type = "prohibit"
[[neighbour]]
address = "192.0.2.2"
lladdr = "2:0:0:0:0:9"
dev = "wan"
"#,
    );
    let [default, host] = &config.routes[..] else { panic!("{:?}", config.routes) };
    assert_eq!(default.dst.to_string(), "0.0.0.0/0");
    assert_eq!((default.metric, default.proto, default.table), (20, proto::STATIC, 254));
    assert_eq!(default.nexthops.iter().map(|hop| hop.weight).collect::<Vec<_>>(), [3, 1]);
    assert_eq!((host.kind, host.dst.to_string()), (RouteType::Prohibit, "198.51.100.7/32".into()));
    assert!(host.nexthops.is_empty());
    assert_eq!(config.neighbours[0].lladdr.to_string(), "02:00:00:00:00:09");
}

#[test]
fn a_vlan_takes_its_name_and_mtu_from_its_port() {
    let config = parse(
        r#"
[[port]]
name = "trunk"
mtu = 9000
[[port.vlan]]
id = 10
[[port.vlan]]
id = 20
name = "guests"
mtu = 1500
[[vlan]]
port = "trunk"
id = 30
sysctl = { forwarding = false }
"#,
    );
    let vlans = &config.ports[0].vlans;
    let facts: Vec<_> = vlans.iter().map(|vlan| (vlan.id, vlan.name.as_str(), vlan.mtu)).collect();
    assert_eq!(facts, [(10, "trunk.10", 9000), (20, "guests", 1500), (30, "trunk.30", 9000)]);
    let forwards = |name| config.sysctls.of_interface(name, ConfSysctl::Forwarding);
    assert_eq!((forwards("trunk.30"), forwards("guests")), (0, 1));
    assert!(
        error("[[port]]\nname = \"a-long-name-01\"\n[[port.vlan]]\nid = 20\n").contains("too long")
    );
}

#[test]
fn sysctls_are_read_with_or_without_quotes() {
    let config = parse(
        "[sysctl]\n\"net.ipv4.icmp_ratelimit\" = 7\nnet.ipv4.icmp_echo_ignore_all = true\n\
         \"net/ipv4/ip_default_ttl\" = 0x20\n",
    );
    assert_eq!(config.sysctls.get(Sysctl::IcmpRatelimit), 7);
    assert!(config.sysctls.is_on(Sysctl::IcmpEchoIgnoreAll));
    assert_eq!(config.sysctls.get(Sysctl::IpDefaultTtl), 32);
    let text = "[sysctl]\n\"net.ipv4.ip_forward\" = 0\n\"net.ipv4.conf.all.forwarding\" = 1\n";
    assert!(error(text).contains("another name for a sysctl"));
    let text = "[sysctl]\n\"net.ipv4.icmp_ratelimits\" = 7\n";
    assert!(error(text).contains("did you mean `net.ipv4.icmp_ratelimit`?"));
    assert!(error("[sysctl]\n\"net.ipv4.ip_default_ttl\" = 256\n").contains("must be 1 to 255"));
}

#[test]
fn what_one_interface_is_told_outlives_what_all_are_told() {
    // Keys of a table have no order, so the general name must not undo the special one.
    let config = parse(
        "[[port]]\nname = \"wan\"\n[sysctl]\n\"net.ipv4.conf.wan.forwarding\" = 0\n\
         \"net.ipv4.ip_forward\" = 1\n",
    );
    assert_eq!(config.sysctls.of_interface("wan", ConfSysctl::Forwarding), 0);
    assert_eq!(config.sysctls.of_interface("lan", ConfSysctl::Forwarding), 1);
}

#[test]
fn buffers_grow_with_frames_and_queues() {
    let config = parse("[[port]]\nname = \"a\"\nmtu = 9000\n");
    assert!(config.data_room() >= 9000 + 22 + 128, "{}", config.data_room());
    let (one, four) = (config.buffer_count(1), config.buffer_count(4));
    assert!(one >= 2 * 1024 + 4096 && four > one, "{one} {four}");
    assert_eq!((one + 1).count_ones(), 1);
    assert_eq!(parse("[buffers]\ncount = 5000\n").buffer_count(4), 5000);
}

#[test]
fn a_file_that_is_not_there_is_said_so() {
    let errors = Config::load(Path::new("/no/such.toml")).unwrap_err().to_string();
    assert!(errors.starts_with("/no/such.toml: cannot read the configuration: "), "{errors}");
}

#[test]
fn routes_come_from_a_file_beside_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("router.toml");
    std::fs::write(&path, "[[port]]\nname = \"wan\"\n[routes]\nfile = \"full.routes\"\n").unwrap();
    let config = Config::load(&path).unwrap();
    let missing = config.each_file_route(|_| Ok(())).unwrap_err().to_string();
    assert!(missing.contains("router.toml:4:8: cannot read"), "{missing}");
    let lines = "# a full table\n10.0.0.0/8 via 192.0.2.1 dev wan metric 5\nblackhole 10.1.0.0/16\n\
                 default proto static\n\tnexthop via 192.0.2.1 dev wan weight 1\n\
                 \tnexthop via 192.0.2.2 dev wan weight 2\n\nip route add 10.2.0.0/16 dev wan\n";
    std::fs::write(directory.path().join("full.routes"), lines).unwrap();
    let mut routes = Vec::new();
    let keep = |route| {
        routes.push(route);
        Ok(())
    };
    assert_eq!(config.each_file_route(keep).unwrap(), routes.len());
    let found: Vec<_> =
        routes.iter().map(|route| (route.dst.to_string(), route.nexthops.len())).collect();
    let expected = [("10.0.0.0/8", 1), ("10.1.0.0/16", 0), ("0.0.0.0/0", 2), ("10.2.0.0/16", 1)];
    assert_eq!(found, expected.map(|(dst, hops)| (dst.to_owned(), hops)));
}

#[test]
fn a_line_that_is_no_route_is_shown() {
    let text = "10.0.0.0/8 via 192.0.2.1\n10.0.0.0/33 via 192.0.2.1\n10.2.0.0/16 via\n";
    assert_snapshot!(each_route("full.routes", text.into(), |_| Ok(())).unwrap_err().to_string(), @r#"
    full.routes:2:1: Error: any valid prefix is expected rather than "10.0.0.0/33".
      |
    2 | 10.0.0.0/33 via 192.0.2.1
      | ^^^^^^^^^^^

    full.routes:3:16: Command line is not complete. Try option "help"
      |
    3 | 10.2.0.0/16 via
      |                ^

    2 errors in full.routes
    "#);
}

#[test]
fn no_text_is_too_strange_to_be_refused_in_peace() {
    bolero::check!().with_type::<String>().for_each(|text| {
        if let Err(errors) = Config::parse("x", text) {
            assert!(!errors.is_empty() && !errors.to_string().is_empty());
        }
        if let Err(errors) = each_route("x", text.clone(), |_| Ok(())) {
            assert!(!errors.to_string().is_empty());
        }
    });
}

#[test]
fn no_value_is_too_strange_for_any_key() {
    const VALUES: [&str; 9] = [
        "-1",
        "99999999999999999999",
        "1.5",
        "\"\"",
        "\"\u{e9}/x\"",
        "true",
        "[]",
        "{}",
        "[[1], \"a\"]",
    ];
    use super::value::Value as _;
    let file = sections::File::section().unwrap();
    for section in &file.keys {
        let array = section.what.starts_with("an array");
        let Some(keys) = &section.section else { continue };
        for key in &keys.keys {
            for value in VALUES {
                let (open, close) = if array { ("[[", "]]") } else { ("[", "]") };
                let text = format!("{open}{}{close}\n{} = {value}\n", section.name, key.name);
                if let Err(errors) = Config::parse("x", &text) {
                    assert!(errors.iter().all(|error| error.at.is_some()), "{text}{errors}");
                }
            }
        }
    }
}

#[test]
fn the_socket_is_named_after_the_instance() {
    let config = parse("[instance]\nname = \"edge\"\n");
    assert!(config.socket_path().ends_with("edge.sock"), "{:?}", config.socket_path());
    let config = parse("[telemetry]\nsocket = \"/x/y.sock\"\n");
    assert_eq!(config.socket_path(), Path::new("/x/y.sock"));
}
