//! What the Ethernet header decides: [1.11], [1.30] to [1.34], [4.118].

use super::Family;
use crate::common::frame::{ARP, Arp, BROADCAST, IPV4, Ip, VLAN, ether, filler, pad, tag, tag_as};
use crate::topology::{
    DMZ_HOST, DMZ_MAC, LAN, LAN_HOST, LAN_MAC, VLAN10, VLAN10_HOST, WAN, WAN_HOST, WAN_MAC, mac_of,
};

const MULTICAST: [u8; 6] = [0x01, 0x00, 0x5e, 0x01, 0x02, 0x03];
const ALL_HOSTS: [u8; 6] = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01];
const STRANGER: [u8; 6] = [0x02, 0xcc, 0, 0, 0, 9];

pub(crate) fn family() -> Family {
    let mut f = Family::new("link");
    let forward = Ip::new(LAN_HOST, WAN_HOST).udp(1, 2, &filler(20));
    let ping = Ip::new(LAN_HOST, LAN).echo(1, 1, &filler(20));
    let expired = Ip::new(LAN_HOST, WAN_HOST).ttl(1).udp(1, 2, &filler(20));
    let lost = Ip::new(LAN_HOST, [172, 31, 0, 1].into()).udp(1, 2, &filler(20));
    let closed = Ip::new(LAN_HOST, LAN).udp(1, 33434, &filler(20));
    let syn = Ip::new(LAN_HOST, LAN).tcp((40000, 81), 1, 0, 2, b"");
    let strange = Ip::new(LAN_HOST, LAN).raw(253, &filler(20));
    let bad = Ip::new(LAN_HOST, LAN).version(5).echo(1, 1, b"five");
    for (name, to, answers) in [
        ("the broadcast address", BROADCAST, true),
        ("a multicast address", MULTICAST, true),
        ("the all-hosts multicast address", ALL_HOSTS, true),
        ("another host", mac_of(WAN_HOST), false),
        ("the router's address on another port", WAN_MAC, false),
        ("a stranger", STRANGER, false),
        ("the zero address", [0; 6], false),
    ] {
        let frame = |packet: &Ip| pad(ether(to, mac_of(LAN_HOST), IPV4, &packet.bytes()), 60);
        // Linux answers a ping whatever the frame, and nothing else of it.
        let ping_answer = if answers { "lan: icmp 0/0" } else { "nothing" };
        f.add(format!("to {name}: packet to forward"), "lan", frame(&forward), "nothing");
        f.add(format!("to {name}: ping"), "lan", frame(&ping), ping_answer);
        f.add(format!("to {name}: TTL 1"), "lan", frame(&expired), "nothing");
        f.add(format!("to {name}: no route"), "lan", frame(&lost), "nothing");
        f.add(format!("to {name}: UDP to a closed port"), "lan", frame(&closed), "nothing");
        f.add(format!("to {name}: TCP SYN to a closed port"), "lan", frame(&syn), "nothing");
        f.add(format!("to {name}: protocol of no kind"), "lan", frame(&strange), "nothing");
        f.add(format!("to {name}: not IPv4"), "lan", frame(&bad), "nothing");
    }
    for (name, from) in [
        ("the broadcast address", BROADCAST),
        ("a multicast address", MULTICAST),
        ("the router's own address", LAN_MAC),
        ("the zero address", [0; 6]),
        ("a stranger", STRANGER),
    ] {
        let frame = |packet: &Ip| pad(ether(LAN_MAC, from, IPV4, &packet.bytes()), 60);
        f.add(format!("from {name}: packet to forward"), "lan", frame(&forward), "wan: udp");
        f.add(format!("from {name}: ping"), "lan", frame(&ping), "lan: icmp 0/0");
    }
    for (ethertype, name) in [
        (0x0000, "length 0"),
        (0x002e, "length 46"),
        (0x05dc, "length 1500"),
        (0x0600, "XNS"),
        (0x0805, "X.25"),
        (0x0842, "wake on LAN"),
        (0x6003, "DECnet"),
        (0x8035, "RARP"),
        (0x8137, "IPX"),
        (0x86dd, "IPv6"),
        (0x8808, "flow control"),
        (0x8847, "MPLS"),
        (0x8863, "PPPoE discovery"),
        (0x8864, "PPPoE"),
        (0x888e, "802.1X"),
        (0x88cc, "LLDP"),
        (0x88e5, "MACsec"),
        (0xffff, "reserved"),
    ] {
        let frame = ether(LAN_MAC, mac_of(LAN_HOST), ethertype, &ping.bytes());
        f.add(format!("ethertype {ethertype:#06x} ({name})"), "lan", pad(frame, 60), "nothing");
    }
    f
}

/// 802.1Q tags on ports with and without VLANs.
pub(crate) fn vlan() -> Family {
    let mut f = Family::new("vlan");
    let inside = |packet: &Ip| pad(ether(WAN_MAC, mac_of(VLAN10_HOST), IPV4, &packet.bytes()), 60);
    let out = Ip::new(VLAN10_HOST, LAN_HOST).udp(1, 2, &filler(20));
    let ping = Ip::new(VLAN10_HOST, VLAN10).echo(1, 1, &filler(20));
    f.add("VLAN 10 to the lan", "wan", tag(&inside(&out), 10), "lan: udp");
    f.add("ping the router in VLAN 10", "wan", tag(&inside(&ping), 10), "wan: vlan 10 icmp 0/0");
    f.add(
        "TTL 1 in VLAN 10",
        "wan",
        tag(&inside(&Ip::new(VLAN10_HOST, LAN_HOST).ttl(1).udp(1, 2, b"")), 10),
        "wan: vlan 10 icmp 11/0",
    );
    f.add(
        "UDP to a closed port in VLAN 10",
        "wan",
        tag(&inside(&Ip::new(VLAN10_HOST, VLAN10).udp(1, 33434, b"")), 10),
        "wan: vlan 10 icmp 3/3",
    );
    f.add(
        "TCP SYN to a closed port in VLAN 10",
        "wan",
        tag(&inside(&Ip::new(VLAN10_HOST, VLAN10).tcp((1, 81), 1, 0, 2, b"")), 10),
        "wan: vlan 10 tcp RA",
    );
    f.add(
        "VLAN 10 to the untagged network of the same port",
        "wan",
        tag(&inside(&Ip::new(VLAN10_HOST, WAN_HOST).udp(1, 2, b"")), 10),
        "wan: udp",
    );
    f.wan(
        "untagged to VLAN 10 of the same port",
        &Ip::new(WAN_HOST, VLAN10_HOST).udp(1, 2, b""),
        "wan: vlan 10 udp",
    );
    f.lan("lan to VLAN 10", &Ip::new(LAN_HOST, VLAN10_HOST).udp(1, 2, b""), "wan: vlan 10 udp");
    f.lan(
        "lan to VLAN 10 with TOS 0xb8, which sets no tag priority",
        &Ip::new(LAN_HOST, VLAN10_HOST).tos(0xb8).udp(1, 2, b""),
        "wan: vlan 10 udp",
    );
    f.dmz("dmz to VLAN 10", &Ip::new(DMZ_HOST, VLAN10_HOST).udp(1, 2, b""), "wan: vlan 10 udp");
    for tci in [0x100a, 0x200a, 0x700a, 0xe00a, 0xf00a] {
        f.add(
            format!("VLAN 10 with control word {tci:#06x}"),
            "wan",
            tag(&inside(&out), tci),
            "lan: udp",
        );
        f.add(
            format!("ping in VLAN 10 with control word {tci:#06x}"),
            "wan",
            tag(&inside(&ping), tci),
            "wan: vlan 10 icmp 0/0",
        );
    }
    for vid in [1, 9, 11, 266, 4094, 4095] {
        f.add(format!("unknown VLAN {vid}"), "wan", tag(&inside(&out), vid), "nothing");
        let native = pad(
            ether(
                WAN_MAC,
                mac_of(WAN_HOST),
                IPV4,
                &Ip::new(WAN_HOST, WAN).echo(1, 1, b"native").bytes(),
            ),
            60,
        );
        f.add(
            format!("ping the untagged address in unknown VLAN {vid}"),
            "wan",
            tag(&native, vid),
            "nothing",
        );
    }
    let native = |packet: &Ip| pad(ether(WAN_MAC, mac_of(WAN_HOST), IPV4, &packet.bytes()), 60);
    for tci in [0x0000, 0x1000, 0xa000, 0xe000] {
        f.add(
            format!("priority tag {tci:#06x} counts as untagged"),
            "wan",
            tag(&native(&Ip::new(WAN_HOST, LAN_HOST).udp(1, 2, b"")), tci),
            "lan: udp",
        );
        f.add(
            format!("ping with priority tag {tci:#06x}"),
            "wan",
            tag(&native(&Ip::new(WAN_HOST, WAN).echo(1, 1, b"")), tci),
            "wan: icmp 0/0",
        );
    }
    let lan = |packet: &Ip| pad(ether(LAN_MAC, mac_of(LAN_HOST), IPV4, &packet.bytes()), 60);
    f.add(
        "VLAN 10 on a port without VLANs",
        "lan",
        tag(&lan(&Ip::new(LAN_HOST, WAN_HOST).udp(1, 2, b"")), 10),
        "nothing",
    );
    f.add(
        "priority tag on a port without VLANs",
        "lan",
        tag(&lan(&Ip::new(LAN_HOST, WAN_HOST).udp(1, 2, b"")), 0),
        "wan: udp",
    );
    f.add("two tags, 10 in 10", "wan", tag(&tag(&inside(&out), 10), 10), "nothing");
    f.add(
        "two tags, 10 in a priority tag",
        "lan",
        tag(&tag(&lan(&Ip::new(LAN_HOST, WAN_HOST).udp(1, 2, b"")), 10), 0),
        "nothing",
    );
    f.add(
        "tag of 802.1ad",
        "lan",
        tag_as(&lan(&Ip::new(LAN_HOST, WAN_HOST).udp(1, 2, b"")), 0x88a8, 10),
        "nothing",
    );
    f.add(
        "priority tag of 802.1ad",
        "lan",
        tag_as(&lan(&Ip::new(LAN_HOST, WAN_HOST).udp(1, 2, b"")), 0x88a8, 0),
        "wan: udp",
    );
    f.add(
        "tag of the old QinQ type",
        "lan",
        tag_as(&lan(&Ip::new(LAN_HOST, WAN_HOST).udp(1, 2, b"")), 0x9100, 0),
        "nothing",
    );
    f.add(
        "VLAN 10 to another host",
        "wan",
        tag(&pad(ether(STRANGER, mac_of(VLAN10_HOST), IPV4, &out.bytes()), 60), 10),
        "nothing",
    );
    f.add(
        "VLAN 10 in a broadcast frame",
        "wan",
        tag(&pad(ether(BROADCAST, mac_of(VLAN10_HOST), IPV4, &out.bytes()), 60), 10),
        "nothing",
    );
    let ask = |target| {
        pad(
            ether(
                BROADCAST,
                mac_of(VLAN10_HOST),
                ARP,
                &Arp::request(mac_of(VLAN10_HOST), VLAN10_HOST, target).bytes(),
            ),
            60,
        )
    };
    f.add(
        "ARP for the router in VLAN 10",
        "wan",
        tag(&ask(VLAN10), 10),
        "wan: vlan 10 arp reply 203.0.113.1",
    );
    f.add("ARP for the router in VLAN 11", "wan", tag(&ask(VLAN10), 11), "nothing");
    f.add(
        "ARP for the untagged address in VLAN 10",
        "wan",
        tag(&ask(WAN), 10),
        "wan: vlan 10 arp reply 192.0.2.1",
    );
    f.add(
        "ARP for the VLAN address without a tag",
        "wan",
        pad(
            ether(
                BROADCAST,
                mac_of(WAN_HOST),
                ARP,
                &Arp::request(mac_of(WAN_HOST), WAN_HOST, VLAN10).bytes(),
            ),
            60,
        ),
        "wan: arp reply 203.0.113.1",
    );
    f.add(
        "a tag and nothing behind it",
        "wan",
        [&WAN_MAC[..], &mac_of(VLAN10_HOST), &VLAN.to_be_bytes(), &[0, 10]].concat(),
        "nothing",
    );
    f.add(
        "a tag, an ethertype and nothing behind them",
        "wan",
        tag(&ether(WAN_MAC, mac_of(VLAN10_HOST), IPV4, &[]), 10),
        "nothing",
    );
    let wrong_port = pad(
        ether(DMZ_MAC, mac_of(DMZ_HOST), IPV4, &Ip::new(DMZ_HOST, LAN_HOST).udp(1, 2, b"").bytes()),
        60,
    );
    f.add("VLAN 10 on the dmz, which has none", "dmz", tag(&wrong_port, 10), "nothing");
    f
}
