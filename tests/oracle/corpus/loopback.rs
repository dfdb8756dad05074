//! What stands on the loopback: addresses of the router that hang on no link, and routes that lead
//! nowhere else: [5.23], [8.5], [8.6].

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Family;
use super::six::{LAN6_HOST, WAN6_HOST, ip6};
use crate::common::frame::Ip;
use crate::common::frame6::Ip6;
use crate::topology::{CROWD, LAN_HOST};

/// Addresses that are the router's for a time.
const OWN6: [&str; 4] = ["2001:db8:70::5", "2001:db8:7a::1", "2001:db8:7a::2", "2001:db8:79::1"];
const OWN: [&str; 4] = ["10.99.0.1", "10.98.0.1", "10.98.0.7", "10.97.0.1"];

/// Both families.
pub(crate) fn family() -> Family {
    let mut f = Family::six("loopback");
    let mut crowd = CROWD;
    for (words, then) in [
        ("-6 addr add 2001:db8:70::5/128 dev lo", "one address"),
        ("-6 addr add 2001:db8:70::5/128 dev lo", "the same again"),
        ("-6 addr add 2001:db8:7a::1/64 dev lo nodad", "an address with a net"),
        ("-6 route add 2001:db8:79::/48 dev lo", "a way by the loopback"),
        ("-6 route add 2001:db8:78::/48 via fe80::9 dev lo", "a gateway on the loopback"),
        ("-6 route replace local 2001:db8:79::/48 dev lo", "a net of the router's own"),
        ("-6 route replace blackhole 2001:db8:79::/48", "a blackhole beside it"),
        ("-6 route del local 2001:db8:79::/48", "the net gone"),
        ("addr add 10.99.0.1/32 dev lo", "one of IPv4"),
        ("addr add 10.98.0.1/24 dev lo", "a net of IPv4"),
        ("route add local 10.97.0.0/16 dev lo", "a net that is the router's"),
        ("link set dmz down", "a link down"),
        ("link set dmz up", "a link up"),
        ("route del local 10.97.0.0/16", "that net gone"),
        ("addr del 10.98.0.1/24 dev lo", "the other net gone"),
        ("addr del 10.99.0.1/32 dev lo", "the address of IPv4 gone"),
        ("-6 addr del 2001:db8:7a::1/64 dev lo", "the net of IPv6 gone"),
        ("-6 addr del 2001:db8:70::5/128 dev lo", "the address gone"),
        ("-6 addr del 2001:db8:70::5/128 dev lo", "and gone again"),
    ] {
        f.ip_says(words, "?");
        // Linux takes an address for its own some time after it says so.
        f.settle(Duration::from_millis(60));
        for own in OWN6 {
            let echo = Ip6::new(WAN6_HOST, ip6(own)).echo(1, 1, b"x");
            f.wan6(format!("{then}: ping {own}, time {}", f.steps.len()), &echo, "?");
            f.ip_says(format!("-6 route get {own}"), "?");
        }
        for own in OWN {
            let own = own.parse().expect("an address");
            // Errors are limited by whom they go to.
            let host = Ipv4Addr::new(10, 1, 0, crowd.next().expect("a crowd large enough"));
            let echo = Ip::new(host, own).echo(1, 1, b"x");
            f.lan(format!("{then}: ping {own}, time {}", f.steps.len()), &echo, "?");
            f.ip_says(format!("route get {own}"), "?");
        }
        f.ip_says("-6 route show dev lo", "?");
        f.ip_says("-6 route show table local dev lo", "?");
        f.ip_says("-6 route show root 2001:db8:78::/45", "?");
        f.ip_says("route show table local root 10.96.0.0/14", "?");
        f.ip_says("route show root 10.96.0.0/14", "?");
    }
    f.ip_says("link show lo", "?");
    f.ip_says("-6 route add 2001:db8:79::/48 dev lo metric 7", "?");
    f.ip_says("-6 route append 2001:db8:79::/48 dev wan metric 7", "?");
    f.ip_says("-6 route show 2001:db8:79::/48", "?");
    f.ip_says("-6 route flush dev lo", "?");
    f.ip_says("-6 route show 2001:db8:79::/48", "?");
    f.lan6("from nowhere", &Ip6::new(LAN6_HOST, ip6("::1")).echo(1, 1, b"x"), "nothing");
    f.lan(
        "from nowhere, IPv4",
        &Ip::new(LAN_HOST, [127, 0, 0, 1].into()).echo(1, 1, b"x"),
        "nothing",
    );
    f
}
