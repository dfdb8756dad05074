//! Packets that any router passes on: [1.24], [4.3] to [4.12], [4.16], [4.118], [4.123], [5.1].

use super::Family;
use crate::common::frame::{DF, IPV4, Ip, MF, RESERVED, ether, filler};
use crate::topology::{
    DMZ_HOST, FAR_HOST, LAN_HOST, LAN_MAC, LAN_OTHER, ONLINK_HOST, WAN_HOST, mac_of,
};

pub(crate) fn family() -> Family {
    let mut f = Family::new("forward");
    let there = || Ip::new(LAN_HOST, WAN_HOST);
    let back = || Ip::new(WAN_HOST, LAN_HOST);

    for size in [
        60, 61, 62, 63, 64, 65, 127, 128, 129, 255, 256, 511, 512, 576, 590, 1000, 1023, 1024,
        1025, 1279, 1280, 1500, 1512, 1513, 1514,
    ] {
        let udp = there().udp(1000, 2000, &filler(size - 42));
        f.lan(format!("frame of {size} bytes"), &udp, "wan: udp");
    }
    for size in [20, 21, 24, 27, 28, 40, 45, 46] {
        let packet = there().raw(253, &filler(size - 20)).bytes();
        let frame = ether(LAN_MAC, mac_of(LAN_HOST), IPV4, &packet);
        f.add(
            format!("packet of {size} bytes in a frame without padding"),
            "lan",
            frame,
            "wan: proto 253",
        );
        let packet = there().raw(253, &filler(size - 20));
        f.lan(format!("packet of {size} bytes in a padded frame"), &packet, "wan: proto 253");
    }
    let mut leaking = ether(LAN_MAC, mac_of(LAN_HOST), IPV4, &there().udp(7, 7, b"hi").bytes());
    leaking.resize(60, 0xa5);
    f.add("padding that is not zero is cut off", "lan", leaking, "wan: udp");
    let mut long_tail =
        ether(LAN_MAC, mac_of(LAN_HOST), IPV4, &there().udp(7, 7, &filler(100)).bytes());
    long_tail.resize(1514, 0xa5);
    f.add("a thousand bytes after the packet are cut off", "lan", long_tail, "wan: udp");

    for protocol in [
        0, 2, 3, 4, 8, 33, 41, 46, 47, 50, 51, 88, 89, 94, 103, 108, 112, 115, 132, 136, 137, 253,
        254, 255,
    ] {
        let packet = there().raw(protocol, &filler(32));
        f.lan(format!("protocol {protocol}"), &packet, format!("wan: proto {protocol}"));
    }
    f.lan("TCP SYN", &there().tcp((40000, 80), 1, 0, 2, b""), "wan: tcp S");
    f.lan("TCP data", &there().tcp((40000, 80), 1, 1, 0x18, &filler(1460)), "wan: tcp PA");
    f.lan("ICMP echo request", &there().echo(7, 1, &filler(56)), "wan: icmp 8/0");
    f.wan("ICMP echo reply", &back().icmp(0, 0, &[0, 7, 0, 1, 1, 2, 3]), "lan: icmp 0/0");
    f.wan(
        "ICMP port unreachable",
        &back().icmp_error(3, 3, 0, &there().udp(1, 2, b"x"), 8),
        "lan: icmp 3/3",
    );
    f.wan(
        "ICMP redirect",
        &back().icmp_error(5, 1, 0xc000_0209, &there().udp(1, 2, b"x"), 8),
        "lan: icmp 5/1",
    );
    f.wan("ICMP of no known type", &back().icmp(77, 9, &filler(20)), "lan: icmp 77/9");

    for (name, packet) in [
        ("UDP without checksum", there().udp(1000, 2000, &filler(20)).set_payload(6, &[0, 0])),
        ("UDP with a wrong checksum", there().udp(1000, 2000, &filler(20)).spoil_payload(7, 1)),
        ("UDP whose length is a lie", there().udp(1000, 2000, &filler(20)).spoil_payload(5, 0x55)),
    ] {
        f.lan(name, &packet, "wan: udp");
    }
    f.lan(
        "TCP with a wrong checksum",
        &there().tcp((1, 2), 3, 4, 16, b"data").spoil_payload(16, 0xff),
        "wan: tcp A",
    );
    f.lan(
        "ICMP with a wrong checksum",
        &there().echo(1, 1, b"data").spoil_payload(3, 0xff),
        "wan: icmp 8/0",
    );

    for tos in [
        0x01, 0x02, 0x03, 0x04, 0x08, 0x10, 0x1c, 0x28, 0x48, 0x70, 0xa0, 0xb8, 0xbb, 0xc0, 0xe0,
        0xff,
    ] {
        f.lan(format!("TOS {tos:#04x}"), &there().tos(tos).udp(1, 2, b"tos"), "wan: udp");
    }
    for id in [0, 1, 0x00ff, 0x8000, 0xffff] {
        f.lan(format!("identification {id:#06x}"), &there().id(id).udp(1, 2, b"id"), "wan: udp");
        f.lan(
            format!("identification {id:#06x} and DF"),
            &there().id(id).flags(DF).udp(1, 2, b"id"),
            "wan: udp",
        );
    }
    f.lan("reserved flag", &there().flags(RESERVED).udp(1, 2, b"evil"), "wan: udp");
    f.lan("reserved flag and DF", &there().flags(RESERVED | DF).udp(1, 2, b"evil"), "wan: udp");
    for ttl in [2, 3, 63, 64, 127, 128, 254, 255] {
        f.lan(format!("TTL {ttl}"), &there().ttl(ttl).udp(1, 2, b"ttl"), "wan: udp");
    }

    f.lan("first fragment", &there().raw(17, &filler(64)).flags(MF), "wan: frag 0+64 more");
    f.lan(
        "middle fragment",
        &there().raw(17, &filler(64)).flags(MF).offset(64),
        "wan: frag 64+64 more",
    );
    f.lan("last fragment", &there().raw(17, &filler(13)).offset(128), "wan: frag 128+13");
    f.lan(
        "fragment at the very end of a datagram",
        &there().raw(17, &filler(7)).offset(65504),
        "wan: frag 65504+7",
    );
    f.lan(
        "fragment beyond 65535 bytes",
        &there().raw(17, &filler(64)).offset(65528),
        "wan: frag 65528+64",
    );
    f.lan(
        "fragment of one byte in the middle",
        &there().raw(17, &[9]).flags(MF).offset(8),
        "wan: frag 8+1 more",
    );
    f.lan("fragment with DF", &there().raw(17, &filler(64)).flags(MF | DF), "wan: frag 0+64 more");

    let udp = |src, dst| Ip::new(src, dst).udp(5000, 5001, &filler(30));
    f.lan("lan to dmz", &udp(LAN_HOST, DMZ_HOST), "dmz: udp");
    f.lan("lan to a routed network", &udp(LAN_HOST, FAR_HOST), "wan: udp");
    f.lan("lan to a host on the wan link by a route", &udp(LAN_HOST, ONLINK_HOST), "wan: udp");
    f.lan("lan back to lan", &udp(LAN_HOST, LAN_OTHER), "lan: udp");
    f.wan("wan to lan", &udp(WAN_HOST, LAN_HOST), "lan: udp");
    f.wan("wan to dmz", &udp(WAN_HOST, DMZ_HOST), "dmz: udp");
    f.wan("from behind the gateway to lan", &udp(FAR_HOST, LAN_HOST), "lan: udp");
    f.dmz("dmz to lan", &udp(DMZ_HOST, LAN_HOST), "lan: udp");
    f.dmz("dmz to wan", &udp(DMZ_HOST, WAN_HOST), "wan: udp");
    f.dmz(
        "dmz with a source that no route leads to",
        &udp([172, 16, 5, 5].into(), LAN_HOST),
        "lan: udp",
    );
    f.lan("source that belongs behind another port", &udp(FAR_HOST, DMZ_HOST), "dmz: udp");

    // The checksum is adjusted, not computed: every value around the wrap must come out right.
    for sum in [0x0000, 0x0001, 0x00ff, 0x0100, 0xfeff, 0xff00, 0xff01, 0xfffe] {
        let id = (0..=u16::MAX).find(|id| {
            let packet = there().id(*id).udp(1, 2, b"sum").bytes();
            packet[10..12] == u16::to_be_bytes(sum)
        });
        let packet = there().id(id.expect("an identification that makes this checksum"));
        f.lan(format!("header checksum {sum:#06x}"), &packet.udp(1, 2, b"sum"), "wan: udp");
    }
    f
}
