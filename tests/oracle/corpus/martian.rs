//! Addresses that may not be, as sender or as target: [5.42] and RFC 1812 §5.3.7, as Linux reads it.

use std::net::Ipv4Addr;

use super::Family;
use crate::common::frame::{BROADCAST, IPV4, Ip, ether, filler, pad};
use crate::topology::{DMZ_HOST, LAN, LAN_HOST, LAN_OTHER, VLAN10, WAN, WAN_HOST, mac_of};

pub(crate) fn family() -> Family {
    let mut f = Family::new("martian");
    // With a default route, so that only the address can be the reason.
    f.topology = f.topology.route("default", &[("via", "192.0.2.9")]);

    let sources: [(&str, [u8; 4], &str, &str); 15] = [
        ("0.0.0.0", [0, 0, 0, 0], "nothing", "nothing"),
        ("0.1.2.3", [0, 1, 2, 3], "dmz: udp", "wan: icmp 0/0"),
        ("127.0.0.1", [127, 0, 0, 1], "nothing", "nothing"),
        ("127.255.0.1", [127, 255, 0, 1], "nothing", "nothing"),
        ("the group 224.0.0.1", [224, 0, 0, 1], "nothing", "nothing"),
        ("the group 239.255.255.255", [239, 255, 255, 255], "nothing", "nothing"),
        ("240.0.0.1", [240, 0, 0, 1], "dmz: udp", "wan: icmp 0/0"),
        ("255.255.255.254", [255, 255, 255, 254], "dmz: udp", "wan: icmp 0/0"),
        ("255.255.255.255", [255, 255, 255, 255], "nothing", "nothing"),
        ("the router's own lan address", LAN.octets(), "nothing", "nothing"),
        ("the router's own wan address", WAN.octets(), "nothing", "nothing"),
        ("the router's own VLAN address", VLAN10.octets(), "nothing", "nothing"),
        ("the lan broadcast address", [10, 1, 0, 255], "dmz: udp", "lan: icmp 0/0"),
        ("the dmz broadcast address", [198, 51, 100, 255], "dmz: udp", "dmz: icmp 0/0"),
        ("169.254.9.9", [169, 254, 9, 9], "dmz: udp", "wan: icmp 0/0"),
    ];
    for (name, source, forward, ping) in sources {
        f.lan(
            format!("from {name} to the dmz"),
            &Ip::new(source.into(), DMZ_HOST).udp(1, 2, b"martian"),
            forward,
        );
        f.lan(
            format!("from {name} to the router"),
            &Ip::new(source.into(), LAN).echo(1, 1, b"martian"),
            ping,
        );
        let expired = Ip::new(source.into(), DMZ_HOST).ttl(1).udp(1, 2, b"martian");
        let told = ping.replace("0/0", "11/0");
        f.lan(format!("from {name} to the dmz with TTL 1"), &expired, told);
        f.wan(
            format!("from {name} on the wan to the lan"),
            &Ip::new(source.into(), LAN_HOST).udp(1, 2, b"martian"),
            forward.replace("dmz", "lan"),
        );
    }
    f.lan(
        "from nobody to nobody",
        &Ip::new([0; 4].into(), [0; 4].into()).udp(68, 67, &filler(48)),
        "nothing",
    );
    f.lan(
        "from nobody to everybody, as DHCP asks",
        &Ip::new([0; 4].into(), [255; 4].into()).udp(68, 67, &filler(300)),
        "nothing",
    );

    let targets: [(&str, [u8; 4], &str); 15] = [
        ("0.0.0.0", [0, 0, 0, 0], "nothing"),
        ("0.1.2.3", [0, 1, 2, 3], "wan: udp"),
        ("127.0.0.1", [127, 0, 0, 1], "nothing"),
        ("127.8.8.8", [127, 8, 8, 8], "nothing"),
        ("all hosts", [224, 0, 0, 1], "nothing"),
        ("the group 224.0.0.251", [224, 0, 0, 251], "nothing"),
        ("the group 239.1.2.3", [239, 1, 2, 3], "nothing"),
        ("240.0.0.1", [240, 0, 0, 1], "wan: udp"),
        ("255.255.255.254", [255, 255, 255, 254], "wan: udp"),
        ("everybody", [255, 255, 255, 255], "nothing"),
        ("the lan broadcast address", [10, 1, 0, 255], "nothing"),
        ("the wan broadcast address", [192, 0, 2, 255], "nothing"),
        ("the dmz broadcast address", [198, 51, 100, 255], "nothing"),
        ("the VLAN broadcast address", [203, 0, 113, 255], "nothing"),
        ("a broadcast address beyond the gateway", [10, 9, 255, 255], "wan: udp"),
    ];
    for (name, target, expect) in targets {
        let target = Ipv4Addr::from(target);
        f.lan(format!("UDP to {name}"), &Ip::new(LAN_HOST, target).udp(1, 2, b"martian"), expect);
        f.lan(
            format!("TCP SYN to {name}"),
            &Ip::new(LAN_HOST, target).tcp((1, 2), 1, 0, 2, b""),
            expect.replace("udp", "tcp S"),
        );
        let frame = pad(
            ether(
                BROADCAST,
                mac_of(LAN_HOST),
                IPV4,
                &Ip::new(LAN_HOST, target).udp(1, 2, b"martian").bytes(),
            ),
            60,
        );
        f.add(format!("UDP to {name} in a broadcast frame"), "lan", frame, "nothing");
        let expect = expect.replace("wan: udp", "wan: icmp 11/0").replace("wan: icmp", "lan: icmp");
        f.lan(
            format!("UDP with TTL 1 to {name}"),
            &Ip::new(LAN_HOST, target).ttl(1).udp(1, 2, b"martian"),
            expect,
        );
    }
    f.lan("to itself", &Ip::new(LAN_HOST, LAN_HOST).udp(1, 2, b"me"), "lan: udp");
    f.lan("land: router to router", &Ip::new(LAN, LAN).tcp((81, 81), 1, 0, 2, b""), "nothing");
    f.lan("between two lan hosts", &Ip::new(LAN_OTHER, LAN_HOST).udp(1, 2, b"u turn"), "lan: udp");
    f.wan(
        "with the lan's address, from the wan",
        &Ip::new(LAN_HOST, DMZ_HOST).udp(1, 2, b"spoof"),
        "dmz: udp",
    );
    f.wan(
        "to the router's lan address from the wan",
        &Ip::new(WAN_HOST, LAN).echo(1, 1, b"weak host"),
        "wan: icmp 0/0",
    );
    f
}
