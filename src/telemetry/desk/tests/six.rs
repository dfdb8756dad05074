//! `ip -6`, line by line as the real `ip` does it.

use super::*;

fn world() -> World {
    let mut world = World::new();
    let said = world.ip("addr add 2001:db8:1::1/64 dev d0 nodad");
    assert_eq!(said.status, 0, "{}", said.err);
    world
}

/// Lines without what differs by nature: the index of an interface and what is at the other end.
fn bare(out: &str) -> String {
    let line = |line: &str| {
        let rest = match line.split_once(": ") {
            Some((index, rest)) if index.bytes().all(|byte| byte.is_ascii_digit()) => rest,
            _ => line,
        };
        rest.replace("@d0", "").replace("@d1", "")
    };
    out.split_inclusive('\n').map(line).collect()
}

fn compare_six(lines: &str) {
    let lines: Vec<String> =
        lines.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let Some(outcomes) = oracle::run_six(&lines) else { return };
    let mut world = world();
    let mut wrong = String::new();
    for (line, linux) in lines.iter().zip(outcomes) {
        let ours = world.ip(line);
        let (out, theirs) = (bare(&ours.out), bare(&linux.stdout));
        let same = (ours.status, &out, ours.err.trim_end())
            == (linux.status, &theirs, linux.stderr.trim_end());
        if !same {
            let (theirs, own) = (apart(&theirs), apart(&out));
            let first = theirs.iter().zip(&own).find(|(theirs, own)| theirs != own);
            wrong += &format!(
                "ip {line}\n  Linux {} {:?}\n  ours  {} {:?}\n  first apart: {first:#?}\n",
                linux.status, linux.stderr, ours.status, ours.err
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn routes_of_ipv6_are_made_and_told_as_by_the_real_ip() {
    compare_six(ROUTES);
}

#[test]
fn rules_of_ipv6_are_made_and_told_as_by_the_real_ip() {
    compare_six(RULES);
}

#[test]
fn addresses_of_ipv6_are_made_and_told_as_by_the_real_ip() {
    compare_six(ADDRESSES);
}

#[test]
fn a_watcher_is_told_of_addresses_and_routes_of_ipv6() {
    let mut world = world();
    let words = ["-6", "monitor", "label", "all"].map(str::to_owned).to_vec();
    let Reply::Rows { next, .. } = world.desk().answer(Request::Ip(words)) else {
        panic!("no watch")
    };
    for line in [
        "addr add 2001:db8:2::1/64 dev d0",
        "route add 192.0.3.0/24 via 192.0.2.9",
        "route add 2001:db8:5::/48 via 2001:db8:1::9",
        "route append 2001:db8:5::/48 via 2001:db8:1::a",
        "-6 route del 2001:db8:5::/48 via 2001:db8:1::9",
        "addr del 2001:db8:2::1/64 dev d0",
    ] {
        let said = world.ip(line);
        assert_eq!(said.status, 0, "{line}: {}", said.err);
    }
    let Reply::Rows { rows, next, .. } = world.desk().resume(next) else { panic!("no news") };
    world.desk().abandon(next);
    let told: String =
        rows.into_iter().map(|row| serde_json::from_value::<IpOutput>(row).unwrap().out).collect();
    for line in [
        "[ADDR]1: d0    inet6 2001:db8:2::1/64 scope global \n",
        "[ROUTE]local 2001:db8:2::1 dev d0 table local proto kernel metric 0 pref medium\n",
        "[ROUTE]2001:db8:2::/64 dev d0 proto kernel metric 256 pref medium\n",
        "[ROUTE]2001:db8:5::/48 via 2001:db8:1::9 dev d0 metric 1024 pref medium\n",
        "\tnexthop via 2001:db8:1::a dev d0 weight 1 \n",
        "[ROUTE]Deleted 2001:db8:5::/48 via 2001:db8:1::9 dev d0 metric 1024 pref medium\n",
        "[ADDR]Deleted 1: d0    inet6 2001:db8:2::1/64 scope global \n",
        "[ROUTE]Deleted local 2001:db8:2::1 dev d0 table local proto kernel metric 0 pref medium\n",
    ] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
    assert!(!told.contains("192.0.3.0"), "{told}");
}

const ROUTES: &str = "
-6 route show dev d0
-6 route show root 2000::/3
-6 route show table local dev d0
-6 route show table local dev d1
-6 route show table all dev d1
-6 route add 2001:db8:5::/48 via 2001:db8:1::9
-6 route add 2001:db8:5::/48 via 2001:db8:1::a
-6 route append 2001:db8:5::/48 via 2001:db8:1::a
-6 route append 2001:db8:5::/48 via 2001:db8:1::a
-6 route append 2001:db8:5::/48 dev d1
-6 route show root 2000::/3
-j -6 route show 2001:db8:5::/48
-6 route del 2001:db8:5::/48 via 2001:db8:1::9
-6 route show root 2000::/3
-6 route replace 2001:db8:5::/48 via 2001:db8:1::b
-6 route show root 2000::/3
-6 route add default via fe80::1
-6 route add default via fe80::1 dev d0
-6 route add default via fe80::2 dev d0 metric 100 pref high
-6 route add default via fe80::2 dev d0 metric 101 pref low
-6 route add 2001:db8:6::/48 from 2001:db8:1::/64 via 2001:db8:1::c
-6 route add 2001:db8:6::/48 from 2001:db8:1::/64 via 2001:db8:1::d
-6 route add 2001:db8:6::/48 via 2001:db8:1::d mtu 1400 src 2001:db8:1::1 proto static
-6 route add 2001:db8:7::/48 nexthop via 2001:db8:1::d weight 2 nexthop via 2001:db8:1::e dev d0
-6 route add unreachable 2001:db8:8::/48
-6 route add blackhole 2001:db8:9::/48
-6 route add prohibit 2001:db8:a::/48 metric 5
-6 route add throw 2001:db8:b::/48
-6 route add local 2001:db8:c::/64 dev d0
-6 route add anycast 2001:db8:c::5 dev d0
-6 route add multicast ff05::/16 dev d0
-6 route show root 2000::/3
-6 -j route show root 2000::/3
-6 -d route show root 2000::/3
-6 route show table local dev d0
-6 route del 2001:db8:5::/48 dev d1
-6 route get 2001:db8:5::1
-6 route get 2001:db8:6::1
-6 route get 2001:db8:6::1 from 2001:db8:1::1
-6 route get 2001:db8:8::1
-6 route get 2001:db8:9::1
-6 route get 2001:db8:a::1
-6 route get 2001:db8:b::1
-6 route get 2001:db8:1::1
-6 route get 2001:db8:1::
-6 route get fe80::5 dev d1
-6 route get 2001:db8:1::77
-6 route get 2001:db8:7::1 fibmatch
-6 route get 2001:db8:5::1 fibmatch
-6 route get 2001:db8:5::1 from 2001:db8:1::5 iif d1
-6 route get 2001:db8:5::1 from 2001:db8:1::5 iif d0
-6 route get 2001:db8:5::1 iif d1
-6 -j route get 2001:db8:5::1
route get 2001:db8:5::1
-6 route get
-6 route show cache
-6 route show 2001:db8:6::/48
-6 route show via 2001:db8:1::d
-6 route show dev d0
-6 route show proto static
-6 route show scope link
-6 route list exact ::/0
-6 route list default
-6 route list root 2001:db8:8::/45
-6 route list match 2001:db8:6::5
-6 route show from 2001:db8:1::/64
-6 route flush 2001:db8:5::/48
-6 route flush 2001:db8:5::/48
-6 route show table 77
-6 route flush table 77
-6 route del 2001:db8:5::/48 table 77
-6 route add 2001:db8:5::/48 table 77 via 2001:db8:1::9
-6 route show table 77
-6 route del 2001:db8:5::/48 table 77
-6 route del 2001:db8:7::/48
-6 route add 2001:db8:77::/48 via 2001:db8:1::1
-6 route add 2001:db8:77::/48 via 2001:db8:99::1
-6 route add 2001:db8:77::/48 via 2001:db8:5::1 dev d0
-6 route add 2001:db8:77::/48 via 2001:db8:5::1 dev d0 onlink
-6 route add 2001:db8:78::/48
-6 route add 2001:db8:78::/48 via ff02::1 dev d0
-6 route add 2001:db8:78::/48 via fe80::1 dev nosuch
-6 route add ::/0 dev d0
-6 route del 2001:db8:78::/48
-6 route change 2001:db8:79::/48 via 2001:db8:1::d
-6 route change 2001:db8:77::/48 via 2001:db8:1::d metric 7
-6 route add 10.0.0.0/8 via 2001:db8:1::d
-6 route add default via 10.0.0.1
-6 route add 2001:db8:99::/48 via inet 10.0.0.1 dev d0
-4 route add 2001:db8:99::/48 dev d0
route add 2001:db8:99::/48 dev d0
route add default via 2001:db8:1::9
route show default
-6 route show default
route add 10.9.0.0/16 via inet6 fe80::9 dev d0
-6 route add 2001:db8:30::/48 nexthop dev d0 nexthop dev d1
-6 route add 2001:db8:30::/48 nexthop via 2001:db8:1::5 nexthop via 2001:db8:1::5
-6 route add 2001:db8:30::/48 nexthop via 2001:db8:1::5 nexthop via 2001:db8:1::6 nexthop via fe80::1 dev d1
-6 route replace 2001:db8:30::/48 nexthop via 2001:db8:1::7
-6 route show 2001:db8:30::/48
-6 route del 2001:db8:30::/48 via 2001:db8:1::8
-6 route del 2001:db8:30::/48 dev d1
-6 route del 2001:db8:30::/48 metric 5
-6 route prepend 2001:db8:30::/48 via 2001:db8:1::9
-6 route show 2001:db8:30::/48
-6 route replace 2001:db8:30::/48 dev d1
-6 route show 2001:db8:30::/48
-6 route replace unreachable 2001:db8:30::/48
-6 route show 2001:db8:30::/48
-6 route add 2001:db8:31::/48 nhid 5
-6 nexthop add id 5 via 2001:db8:1::9 dev d0
-6 route add 2001:db8:31::/48 nhid 5
-6 route add 2001:db8:31::/48 nhid 5 from 2001:db8::/32
-6 route show 2001:db8:31::/48
nexthop
-6 route add unreachable default metric 4278198272
-6 route add 2001:db8:40::/48 dev d0 onlink
-6 route add 2001:db8:41::/48 via 2001:db8:99::1 onlink
-6 route add 2001:db8:42::1 dev d0 metric 3
-6 route add 2001:db8:42::5/48 dev d0
-6 route add 2001:db8:43::/48 dev d0 src 2001:db8:1::77
-6 route add 2001:db8:44::/48 dev d0 hoplimit 5 advmss 1000
-6 route add 2001:db8:45::/48 dev d0 tos 4
-6 route add 2001:db8:46::/48 dev d0 realms 5
-6 route add 2001:db8:47::/48 dev d0 scope link
-6 route add 2001:db8:48::/48 dev d0 pref best
-6 route add 2001:db8:48::/48 dev d0 expires x
-6 route add 2001:db8:48::/48 dev d0 expires 100
-6 route del 2001:db8:48::/48 dev d0
-6 route add 2001:db8:49::/129 dev d0
-6 route add 2001:db8:49::/ffff:: dev d0
-6 route add 2001:zz::/48 dev d0
-6 route show root 2000::/3
link set d1 down
-6 route add 2001:db8:50::/48 dev d1
-6 route add 2001:db8:50::/48 via fe80::1 dev d1
-6 neigh add 2001:db8:1::9 lladdr 02:aa:00:00:00:09 dev d0
-6 neigh
neigh
-4 neigh
-6 neigh show 2001:db8:1::/64
-6 neigh get 2001:db8:1::9 dev d0
-6 neigh del 2001:db8:1::9 dev d0
-6 neigh add 10.0.0.1 lladdr 02:aa:00:00:00:09 dev d0
";

const RULES: &str = "
-6 rule
rule
-4 rule
rule add from 2001:db8::/32 table 9
-6 rule add from 2001:db8::/32 table 9
-6 rule add from 10.0.0.0/8 table 9
-6 rule
-6 rule add to 2001:db8::1 tos 4 table 9
-6 rule add tos 0x20 table 9
-6 rule
-6 rule del table 9
-6 rule add from 2001:db8:1::/64 to any iif d0 table 10 suppress_prefixlength 64
-6 rule add from 2001:db8:1::/64 fwmark 1 blackhole
-6 rule
-6 -j rule
-6 rule show from 2001:db8:1::/64
-6 rule del from 2001:db8:1::/64 fwmark 1
-6 rule del pref 5
-6 rule add from 2001:db8:2::1/64 table 5
-6 rule add from default table 6
-6 rule add from any table 7
-6 rule add not to 2001:db8:9::/48 oif d1 pref 100 goto 200
-6 rule add iif nosuch unreachable pref 101
-6 rule add ipproto ipv6-icmp table 8
-6 rule add ipproto tcp dport 80-90 prohibit
-6 rule add from ::/0 table 77
-6 rule
rule
-6 rule flush
-6 rule
-6 route get 2001:db8:1::77
";

const ADDRESSES: &str = "
-o -6 addr show dev d0
-o -6 addr show dev d1
-6 addr add 2001:db8:2::1/64 dev d1 nodad
-6 addr add 2001:db8:2::1/64 dev d1 nodad
-6 addr add 2001:db8:2::2/64 dev d1 nodad
-6 addr add 2001:db8:12::2/64 dev d1 metric 77 nodad
-o -6 addr show dev d1
-6 route show dev d1
-6 route show table local dev d1
-6 addr add 2001:db8:3::1 peer 2001:db8:4::1/64 dev d1 nodad home noprefixroute
-6 addr add 2001:db8:9::1/64 dev d1 mngtmpaddr nodad
-o -6 addr show dev d1
-o -4 addr show dev d0
-o addr show dev d0
-o addr show dev d1 to 2001:db8:2::/64
-o addr show dev d1 home
-o addr show dev d1 -home scope global
-o addr show dev d1 label d1
-o addr show dev d1 permanent -nodad
-6 addr add ff02::1/64 dev d1
-6 addr add :: dev d1
-6 addr add ::1/128 dev d1
-6 addr add anycast 2001:db8:2::3 dev d1
-6 addr add 2001:db8:a::1/64 broadcast 2001:db8:a::ff dev d1 nodad
addr add 2001:db8:2::77/64 brd + dev d1 nodad
addr add 2001:db8::1/129 dev d1 nodad
addr add 2001:db8:8::1/64 dev nosuch
-6 addr del 2001:db8:2::2 dev d1
-6 addr del 2001:db8:2::9/64 dev d1
-6 addr del 2001:db8:2::2/64 dev d1
-6 addr add 10.0.0.1/24 dev d1
addr change 2001:db8:2::1/48 dev d1 nodad
addr change 2001:db8:b::5/64 dev d1 nodad
-6 addr add 2001:db8:d::1 dev d1 nodad
-6 addr add 2001:db8:e::1/127 dev d1 nodad
-6 addr add 2001:db8:f::1/0 dev d1 nodad
-6 route show dev d1
-6 route show table local dev d1
-o -6 addr show dev d1
-6 addr flush dev d1 scope global
-o -6 addr show dev d1
-6 route show dev d1
-6 route show table local dev d1
-6 addr flush
-6 addr add 2001:db8:e::1/64 dev d1 valid_lft 100 preferred_lft 50 nodad
-6 addr add 2001:db8:e::2/64 dev d1 valid_lft 5 preferred_lft 50 nodad
-6 addr add 2001:db8:e::3/64 dev d1 valid_lft 500 preferred_lft 0 nodad
-o -6 addr show dev d1
addrlabel
addrlabel list
addrlabel add prefix 2001:db8::/32 label 99
addrlabel add prefix 2001:db8::/32 label 98
addrlabel list
addrlabel del prefix 2001:db8::/32 label 98
addrlabel del prefix 2001:db8::/32
addrlabel add prefix 10.0.0.0/8 label 5
addrlabel add label 5
addrlabel foo
addrlabel del prefix 2001:db8:77::/48 label 5
addrlabel flush
addrlabel
";
