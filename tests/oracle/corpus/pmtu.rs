//! What ICMP errors to the router change: [3.12], [3.14], chapter 5 on path MTU exceptions.

use super::Family;
use crate::common::frame::{DF, Ip, filler};
use crate::topology::{LAN, LAN_HOST, LAN_OTHER, WAN, WAN_HOST};

pub(crate) fn family() -> Family {
    let mut f = Family::new("pmtu");
    let ping = |host| Ip::new(host, LAN).echo(1, 1, &filler(1392));
    let reply = |host| Ip::new(LAN, host).icmp(0, 0, &filler(1396));
    let needed = |host, mtu: u32| Ip::new(host, LAN).icmp_error(3, 4, mtu, &reply(host), 8);

    f.lan("a long ping is answered whole", &ping(LAN_HOST), "lan: icmp 0/0");
    f.lan("the host says the answer was too long", &needed(LAN_HOST, 1000), "nothing");
    f.lan(
        "the next answer comes in pieces of 1000",
        &ping(LAN_HOST),
        "lan: frag 0+976 more, frag 976+424",
    );
    f.lan("another host still gets it whole", &ping(LAN_OTHER), "lan: icmp 0/0");
    f.lan("the host asks for more again, in vain", &needed(LAN_HOST, 1300), "nothing");
    f.lan(
        "the answer is in pieces of 1000 still",
        &ping(LAN_HOST),
        "lan: frag 0+976 more, frag 976+424",
    );
    f.wan(
        "what passes through is not cut",
        &Ip::new(WAN_HOST, LAN_HOST).udp(1, 2, &filler(1372)),
        "lan: udp",
    );
    f.wan(
        "nor refused",
        &Ip::new(WAN_HOST, LAN_HOST).flags(DF).udp(1, 2, &filler(1372)),
        "lan: udp",
    );
    f.lan("no host may ask for less than 552", &needed(LAN_OTHER, 200), "nothing");
    f.lan(
        "so it gets 552",
        &ping(LAN_OTHER),
        "lan: frag 0+528 more, frag 528+528 more, frag 1056+344",
    );

    let host = [10, 1, 0, 100].into();
    f.lan("a third host is answered whole", &ping(host), "lan: icmp 0/0");
    f.lan(
        "too-big with too little quoted is ignored",
        &Ip::new(host, LAN).icmp_error(3, 4, 1000, &reply(host), 4),
        "nothing",
    );
    f.lan("so the third host is answered whole", &ping(host), "lan: icmp 0/0");
    f.lan(
        "too-big with a wrong checksum is ignored",
        &needed(host, 1000).spoil_payload(7, 1),
        "nothing",
    );
    f.lan("the third host is answered whole again", &ping(host), "lan: icmp 0/0");
    let foreign = Ip::new(WAN_HOST, host).icmp(0, 0, &filler(1396));
    f.lan(
        "too-big about a packet that is not the router's",
        &Ip::new(host, LAN).icmp_error(3, 4, 1000, &foreign, 8),
        "nothing",
    );
    f.lan("does not change the way to the third host", &ping(host), "lan: icmp 0/0");
    f.lan("too-big with no MTU in it", &needed(host, 0), "nothing");
    f.lan(
        "counts as the least that may be asked for",
        &ping(host),
        "lan: frag 0+528 more, frag 528+528 more, frag 1056+344",
    );

    let gateway = u32::from(std::net::Ipv4Addr::new(10, 1, 0, 11));
    let redirect = Ip::new(LAN_HOST, LAN).icmp_error(
        5,
        1,
        gateway,
        &Ip::new(LAN, WAN_HOST).icmp(0, 0, &filler(20)),
        8,
    );
    f.lan("a redirect is not for routers", &redirect, "nothing");
    f.wan("and changes nothing", &Ip::new(WAN_HOST, WAN).echo(1, 1, b"there"), "wan: icmp 0/0");
    f
}
