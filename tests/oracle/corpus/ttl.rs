//! Hops that run out: [1.24], [3.32], [3.33], [3.39], [3.40], [3.49], [3.50], [4.119].

use super::Family;
use crate::common::frame::{DF, ICMP, Ip, MF, filler};
use crate::topology::{
    DMZ_HOST, FAR_HOST, LAN, LAN_HOST, LAN_OTHER, VLAN10_HOST, WAN, WAN_GATEWAY, WAN_HOST,
};

pub(crate) fn family() -> Family {
    let mut f = Family::new("ttl");
    let there = || Ip::new(LAN_HOST, WAN_HOST);
    for ttl in [0, 1] {
        let there = || there().ttl(ttl);
        let at = |what: &str| format!("TTL {ttl}: {what}");
        for len in [0, 1, 7, 8, 9, 100, 519, 520, 521, 540, 548, 549, 1000, 1472] {
            let udp = there().udp(1000, 2000, &filler(len));
            f.lan(at(&format!("UDP with {len} bytes")), &udp, "lan: icmp 11/0");
        }
        f.lan(at("TCP"), &there().tcp((1, 2), 3, 4, 16, &filler(100)), "lan: icmp 11/0");
        f.lan(at("echo request"), &there().echo(1, 2, &filler(56)), "lan: icmp 11/0");
        f.lan(at("echo reply"), &there().icmp(0, 0, &[0, 1, 0, 2]), "lan: icmp 11/0");
        f.lan(at("protocol of no kind"), &there().raw(253, &filler(64)), "lan: icmp 11/0");
        f.lan(at("nothing after the header"), &there().raw(253, &[]), "lan: icmp 11/0");
        f.lan(
            at("fewer than eight bytes after the header"),
            &there().raw(253, &filler(5)),
            "lan: icmp 11/0",
        );
        f.lan(at("DF"), &there().flags(DF).udp(1, 2, b"df"), "lan: icmp 11/0");
        for tos in [0x02, 0x10, 0x1e, 0xb8, 0xff] {
            let name = at(&format!("TOS {tos:#04x} comes back with precedence 6"));
            f.lan(name, &there().tos(tos).udp(1, 2, b"tos"), "lan: icmp 11/0");
        }
        f.lan(at("first fragment"), &there().raw(17, &filler(64)).flags(MF), "lan: icmp 11/0");
        f.lan(at("later fragment"), &there().raw(17, &filler(64)).offset(64), "nothing");
        f.lan(
            at("later fragment with more to come"),
            &there().raw(17, &filler(64)).flags(MF).offset(8),
            "nothing",
        );

        let quoted = Ip::new(WAN_HOST, LAN_HOST).udp(9, 9, b"quoted");
        for kind in [3, 4, 5, 11, 12] {
            let error = there().icmp_error(kind, 0, 0, &quoted, 8);
            f.lan(at(&format!("ICMP error of type {kind}")), &error, "nothing");
        }
        for kind in [13, 14, 15, 16, 17, 18] {
            let query = there().icmp(kind, 0, &filler(16));
            f.lan(at(&format!("ICMP of type {kind}")), &query, "lan: icmp 11/0");
        }
        // What may be an error of a kind not known yet is treated as one.
        for kind in [1, 2, 6, 7, 9, 10, 19, 41, 42, 43, 253, 255] {
            let strange = there().icmp(kind, 0, &filler(16));
            f.lan(
                at(&format!("ICMP of type {kind}, which Linux has no definition for")),
                &strange,
                "nothing",
            );
        }
        f.lan(at("ICMP without even a type"), &there().raw(ICMP, &[]), "nothing");
        f.lan(at("ICMP of one byte, an echo request"), &there().raw(ICMP, &[8]), "lan: icmp 11/0");
        f.lan(at("ICMP of one byte, an error"), &there().raw(ICMP, &[3]), "nothing");

        f.lan(
            at("towards no route"),
            &Ip::new([10, 1, 0, 100 + ttl].into(), [172, 31, 0, 1].into()).ttl(ttl).udp(1, 2, b""),
            "lan: icmp 3/0",
        );
        f.lan(
            at("towards an unreachable route"),
            &Ip::new([10, 1, 0, 110 + ttl].into(), [10, 20, 0, 1].into()).ttl(ttl).udp(1, 2, b""),
            "lan: icmp 3/1",
        );
        f.lan(
            at("towards a blackhole"),
            &Ip::new(LAN_HOST, [10, 22, 0, 1].into()).ttl(ttl).udp(1, 2, b""),
            "nothing",
        );
        f.lan(
            at("too big and DF"),
            &Ip::new(LAN_HOST, DMZ_HOST).ttl(ttl).flags(DF).udp(1, 2, &filler(1440)),
            "lan: icmp 11/0",
        );
        f.lan(
            at("to the multicast group 239.1.1.1"),
            &Ip::new(LAN_HOST, [239, 1, 1, 1].into()).ttl(ttl).udp(1, 2, b""),
            "nothing",
        );
        f.lan(
            at("to the router itself is delivered"),
            &Ip::new(LAN_HOST, LAN).ttl(ttl).echo(1, 1, b"here"),
            "lan: icmp 0/0",
        );
        f.lan(
            at("to the router's far address is delivered"),
            &Ip::new(LAN_HOST, WAN).ttl(ttl).echo(1, 1, b"here"),
            "lan: icmp 0/0",
        );
        f.lan(
            at("back out of the same port"),
            &Ip::new(LAN_HOST, LAN_OTHER).ttl(ttl).udp(1, 2, b""),
            "lan: icmp 11/0",
        );

        f.wan(
            at("from the wan"),
            &Ip::new(WAN_HOST, LAN_HOST).ttl(ttl).udp(1, 2, b""),
            "wan: icmp 11/0",
        );
        f.wan(
            at("from behind the gateway"),
            &Ip::new(FAR_HOST, LAN_HOST).ttl(ttl).udp(1, 2, b""),
            "wan: icmp 11/0",
        );
        f.dmz(
            at("from the dmz"),
            &Ip::new(DMZ_HOST, LAN_HOST).ttl(ttl).udp(1, 2, b""),
            "dmz: icmp 11/0",
        );
        f.lan(
            at("with a source on another port, who is told"),
            &Ip::new(WAN_GATEWAY, DMZ_HOST).ttl(ttl).udp(1, 2, b""),
            "wan: icmp 11/0",
        );
        f.lan(
            at("with a source in a VLAN, who is told"),
            &Ip::new(VLAN10_HOST, DMZ_HOST).ttl(ttl).udp(1, 2, b""),
            "wan: vlan 10 icmp 11/0",
        );
        f.lan(
            at("with a source that no route leads to"),
            &Ip::new([172, 31, 0, 1].into(), DMZ_HOST).ttl(ttl).udp(1, 2, b""),
            "nothing",
        );
        f.lan(
            at("with a source behind a blackhole"),
            &Ip::new([10, 22, 0, 1].into(), DMZ_HOST).ttl(ttl).udp(1, 2, b""),
            "nothing",
        );
    }
    f.lan("TTL 2 passes", &there().ttl(2).udp(1, 2, b""), "wan: udp");
    f.lan(
        "TTL 2 passes as a later fragment",
        &there().ttl(2).raw(17, &filler(64)).offset(64),
        "wan: frag 64+64",
    );
    f
}
