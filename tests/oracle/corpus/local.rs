//! Packets to the router itself: [3.10] to [3.27], [3.41], [3.42], [4.27], [4.28].

use super::Family;
use crate::common::frame::{DF, ICMP, IPV4, Ip, RESERVED, TCP, UDP, checksum, ether, filler};
use crate::topology::{
    DMZ, DMZ_HOST, FAR_HOST, LAN, LAN_HOST, LAN_SECOND, VLAN10, WAN, WAN_HOST, mac_of,
};

const SYN: u8 = 2;
const FIN: u8 = 1;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

pub(crate) fn family() -> Family {
    let mut f = Family::new("local");
    echo(&mut f);
    other_icmp(&mut f);
    udp(&mut f);
    tcp(&mut f);
    other_protocols(&mut f);
    f
}

fn echo(f: &mut Family) {
    let ping = || Ip::new(LAN_HOST, LAN);
    for len in [0, 1, 2, 3, 17, 18, 55, 56, 57, 64, 200, 999, 1000, 1471, 1472] {
        f.lan(
            format!("ping with {len} bytes"),
            &ping().echo(0x4242, 1, &filler(len)),
            "lan: icmp 0/0",
        );
    }
    for (name, address) in [("second", LAN_SECOND), ("wan", WAN), ("dmz", DMZ), ("VLAN", VLAN10)] {
        let packet = Ip::new(LAN_HOST, address).echo(1, 1, &filler(56));
        f.lan(format!("ping the {name} address from the lan"), &packet, "lan: icmp 0/0");
    }
    f.wan("ping from the wan", &Ip::new(WAN_HOST, WAN).echo(1, 1, b"ping"), "wan: icmp 0/0");
    f.wan(
        "ping from behind the gateway",
        &Ip::new(FAR_HOST, WAN).echo(1, 1, b"ping"),
        "wan: icmp 0/0",
    );
    f.wan(
        "ping from behind the gateway to the lan address",
        &Ip::new(FAR_HOST, LAN).echo(1, 1, b"ping"),
        "wan: icmp 0/0",
    );
    f.dmz("ping from the dmz", &Ip::new(DMZ_HOST, DMZ).echo(1, 1, b"ping"), "dmz: icmp 0/0");
    f.dmz(
        "ping from the dmz that needs two fragments to answer",
        &Ip::new(DMZ_HOST, DMZ).echo(1, 1, &filler(1472)),
        "dmz: frag 0+1376 more, frag 1376+104",
    );
    f.dmz(
        "the same with DF",
        &Ip::new(DMZ_HOST, DMZ).flags(DF).echo(1, 1, &filler(1472)),
        "dmz: frag 0+1376 more, frag 1376+104",
    );
    f.lan(
        "ping from a source whose route leads elsewhere",
        &Ip::new(DMZ_HOST, LAN).echo(1, 1, b"ping"),
        "dmz: icmp 0/0",
    );
    f.lan(
        "ping from a source that no route leads to",
        &Ip::new([172, 31, 0, 1].into(), LAN).echo(1, 1, b"ping"),
        "nothing",
    );
    for tos in [0x00, 0x01, 0x02, 0x10, 0xb8, 0xff] {
        f.lan(
            format!("ping with TOS {tos:#04x}"),
            &ping().tos(tos).echo(1, 1, b"tos"),
            "lan: icmp 0/0",
        );
    }
    for ttl in [1, 2, 255] {
        f.lan(format!("ping with TTL {ttl}"), &ping().ttl(ttl).echo(1, 1, b"ttl"), "lan: icmp 0/0");
    }
    f.lan("ping with DF", &ping().flags(DF).echo(1, 1, b"df"), "lan: icmp 0/0");
    f.lan(
        "ping with the reserved flag",
        &ping().flags(RESERVED).echo(1, 1, b"evil"),
        "lan: icmp 0/0",
    );
    f.lan("ping with identification 0", &ping().id(0).echo(1, 1, b"id"), "lan: icmp 0/0");
    f.lan("ping with code 1", &ping().icmp(8, 1, &[0, 1, 0, 1, 9, 9]), "lan: icmp 0/1");
    f.lan("ping with code 255", &ping().icmp(8, 255, &[0, 1, 0, 1, 9, 9]), "lan: icmp 0/255");
    f.lan("ping with a wrong checksum", &ping().echo(1, 1, b"data").spoil_payload(9, 4), "nothing");
    f.lan(
        "ping with checksum field zero",
        &ping().echo(1, 1, b"data").set_payload(2, &[0, 0]),
        "nothing",
    );
    f.lan("ping whose checksum comes out as zero", &checksum_zero_ping(), "lan: icmp 0/0");
    f.lan("ping of eight bytes", &ping().icmp(8, 0, &[0, 1, 0, 1]), "lan: icmp 0/0");
    for len in 4..8 {
        let mut message = [8, 0, 0, 0, 0xa0, 0x0b, 0xc0, 0x0d][..len].to_vec();
        let sum = checksum(&[&message]);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        f.lan(
            format!("echo request of {len} bytes with a right checksum"),
            &ping().raw(ICMP, &message),
            "nothing",
        );
    }
    for len in 0..4 {
        f.lan(
            format!("ICMP cut to {len} bytes"),
            &ping().raw(ICMP, &[8, 0, 0xf7][..len]),
            "nothing",
        );
    }
    for (name, to, expect) in [
        ("the lan broadcast address", [10, 1, 0, 255], "nothing"),
        (
            "the lan network address, which is an address like any other",
            [10, 1, 0, 0],
            "lan: arp who-has 10.1.0.0 tell 10.1.0.1",
        ),
        ("the wan broadcast address", [192, 0, 2, 255], "nothing"),
        ("the limited broadcast address", [255, 255, 255, 255], "nothing"),
        ("all hosts", [224, 0, 0, 1], "nothing"),
        ("all routers", [224, 0, 0, 2], "nothing"),
        ("a group that nobody joined", [239, 1, 2, 3], "nothing"),
    ] {
        f.lan(
            format!("ping to {name}"),
            &Ip::new(LAN_HOST, to.into()).echo(1, 1, b"smurf"),
            expect,
        );
    }
    let all_hosts = Ip::new(LAN_HOST, [224, 0, 0, 1].into()).echo(1, 1, b"smurf");
    let group_mac = [0x01, 0x00, 0x5e, 0, 0, 1];
    f.add(
        "ping to all hosts by the group's Ethernet address",
        "lan",
        ether(group_mac, mac_of(LAN_HOST), IPV4, &all_hosts.bytes()),
        "nothing",
    );
}

/// Chooses the last two data bytes so that the right checksum is zero.
fn checksum_zero_ping() -> Ip {
    let open = Ip::new(LAN_HOST, LAN).echo(1, 1, &[1, 2, 3, 4, 0, 0]);
    let bytes = open.bytes();
    let sum = [bytes[22], bytes[23]];
    Ip::new(LAN_HOST, LAN).echo(1, 1, &[1, 2, 3, 4, sum[0], sum[1]])
}

fn other_icmp(f: &mut Family) {
    let to = || Ip::new(LAN_HOST, LAN);
    let stamp = [0, 1, 0, 1, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 0];
    f.lan("timestamp request", &to().icmp(13, 0, &stamp), "lan: icmp 14/0");
    f.lan("timestamp request with code 1", &to().icmp(13, 1, &stamp), "lan: icmp 14/0");
    f.lan(
        "timestamp request with data after it",
        &to().icmp(13, 0, &[&stamp[..], b"more"].concat()),
        "lan: icmp 14/0",
    );
    f.lan("timestamp request cut in its first time", &to().icmp(13, 0, &stamp[..6]), "nothing");
    f.lan(
        "timestamp request with the first time only",
        &to().icmp(13, 0, &stamp[..8]),
        "lan: icmp 14/0",
    );
    f.lan(
        "timestamp request cut in its last time",
        &to().icmp(13, 0, &stamp[..14]),
        "lan: icmp 14/0",
    );
    f.lan(
        "timestamp request with a wrong checksum",
        &to().icmp(13, 0, &stamp).spoil_payload(5, 1),
        "nothing",
    );
    f.lan(
        "timestamp request to all hosts",
        &Ip::new(LAN_HOST, [224, 0, 0, 1].into()).icmp(13, 0, &stamp),
        "nothing",
    );
    f.lan(
        "timestamp request to the lan broadcast address",
        &Ip::new(LAN_HOST, [10, 1, 0, 255].into()).icmp(13, 0, &stamp),
        "nothing",
    );
    for (kind, name) in [
        (0, "echo reply that nobody waits for"),
        (1, "unassigned type 1"),
        (2, "unassigned type 2"),
        (3, "destination unreachable"),
        (4, "source quench"),
        (5, "redirect"),
        (6, "alternate host address"),
        (7, "unassigned type 7"),
        (9, "router advertisement"),
        (10, "router solicitation"),
        (11, "time exceeded"),
        (12, "parameter problem"),
        (14, "timestamp reply"),
        (15, "information request"),
        (16, "information reply"),
        (17, "address mask request"),
        (18, "address mask reply"),
        (19, "reserved type 19"),
        (30, "traceroute type 30"),
        (40, "Photuris"),
        (41, "experimental type 41"),
        (43, "extended echo reply"),
        (253, "experiment 253"),
        (255, "reserved type 255"),
    ] {
        f.lan(format!("ICMP {name} to the router"), &to().icmp(kind, 0, &filler(24)), "nothing");
    }
    f.lan(
        "ICMP extended echo request while probing is off",
        &to().icmp(42, 0, &[0, 1, 1, 1, 0x20, 0, 0, 0]),
        "nothing",
    );
}

fn udp(f: &mut Family) {
    let to = || Ip::new(LAN_HOST, LAN);
    for len in [0, 1, 8, 100, 519, 520, 521, 1472] {
        f.lan(
            format!("UDP of {len} bytes to a closed port"),
            &to().udp(4000, 33434, &filler(len)),
            "lan: icmp 3/3",
        );
    }
    f.lan(
        "UDP to a closed port, checksum wrong",
        &to().udp(4000, 33434, b"data").spoil_payload(9, 1),
        "nothing",
    );
    f.lan(
        "UDP to a closed port, checksum zero",
        &to().udp(4000, 33434, b"data").set_payload(6, &[0, 0]),
        "lan: icmp 3/3",
    );
    f.lan("UDP to a closed port, odd length", &to().udp(4000, 33434, b"odd"), "lan: icmp 3/3");
    f.lan("UDP to port 0", &to().udp(4000, 0, b"data"), "lan: icmp 3/3");
    f.lan("UDP from port 0", &to().udp(0, 33434, b"data"), "lan: icmp 3/3");
    f.lan(
        "UDP to a closed port with DF",
        &to().flags(DF).udp(4000, 33434, b"data"),
        "lan: icmp 3/3",
    );
    f.lan(
        "UDP to a closed port with TOS 0xb9",
        &to().tos(0xb9).udp(4000, 33434, b"data"),
        "lan: icmp 3/3",
    );
    f.lan(
        "UDP to a closed port of the wan address",
        &Ip::new(LAN_HOST, WAN).udp(4000, 33434, b"data"),
        "lan: icmp 3/3",
    );
    f.lan(
        "UDP to a closed port of the second address",
        &Ip::new(LAN_HOST, LAN_SECOND).udp(4000, 33434, b"data"),
        "lan: icmp 3/3",
    );
    f.wan(
        "UDP from behind the gateway to a closed port",
        &Ip::new(FAR_HOST, LAN).udp(4000, 33434, b"data"),
        "wan: icmp 3/3",
    );
    f.lan(
        "UDP to the lan broadcast address",
        &Ip::new(LAN_HOST, [10, 1, 0, 255].into()).udp(4000, 33434, b"data"),
        "nothing",
    );
    f.lan(
        "UDP to the limited broadcast address",
        &Ip::new(LAN_HOST, [255; 4].into()).udp(4000, 33434, b"data"),
        "nothing",
    );
    f.lan(
        "UDP to all hosts",
        &Ip::new(LAN_HOST, [224, 0, 0, 1].into()).udp(4000, 33434, b"data"),
        "nothing",
    );
    for len in 0..8 {
        let cut = to().udp(4000, 33434, b"").cut_payload(len);
        f.lan(format!("UDP header cut to {len} bytes"), &cut, "nothing");
    }
    let whole = || to().udp(4000, 33434, b"some data");
    f.lan(
        "UDP length field greater than the packet",
        &whole().set_payload(4, &[0, 200]),
        "nothing",
    );
    f.lan("UDP length field 7", &whole().set_payload(4, &[0, 7]), "nothing");
    f.lan("UDP length field 0", &whole().set_payload(4, &[0, 0]), "nothing");
    let short = to().udp(4000, 33434, b"some");
    let longer = [&short.bytes()[20..], b" and more"].concat();
    f.lan(
        "UDP shorter than its packet, checksum over the datagram",
        &to().raw(UDP, &longer),
        "lan: icmp 3/3",
    );
}

fn tcp(f: &mut Family) {
    let to = || Ip::new(LAN_HOST, LAN);
    let ports = (40000, 81);
    for (name, seq, ack, flags, len, expect) in [
        ("SYN", 100, 0, SYN, 0, "lan: tcp RA"),
        ("SYN with data", 100, 0, SYN, 10, "lan: tcp RA"),
        ("SYN at the end of sequence space", u32::MAX, 0, SYN, 0, "lan: tcp RA"),
        ("SYN ACK", 100, 900, SYN | ACK, 0, "lan: tcp R"),
        ("ACK", 100, 900, ACK, 0, "lan: tcp R"),
        ("ACK with data", 100, 900, ACK, 99, "lan: tcp R"),
        ("FIN", 100, 0, FIN, 0, "lan: tcp RA"),
        ("FIN ACK", 100, 900, FIN | ACK, 0, "lan: tcp R"),
        ("PSH ACK", 100, 900, PSH | ACK, 5, "lan: tcp R"),
        ("RST", 100, 0, RST, 0, "nothing"),
        ("RST ACK", 100, 900, RST | ACK, 0, "nothing"),
        ("SYN RST", 100, 0, SYN | RST, 0, "nothing"),
        ("no flag", 100, 0, 0, 0, "lan: tcp RA"),
        ("no flag but data", 100, 0, 0, 33, "lan: tcp RA"),
        ("SYN FIN", 100, 0, SYN | FIN, 0, "lan: tcp RA"),
        ("all flags but RST", 100, 7, 0x3b, 0, "lan: tcp R"),
        ("ECE and CWR with SYN", 100, 0, SYN | 0xc0, 0, "lan: tcp RA"),
    ] {
        let packet = to().tcp(ports, seq, ack, flags, &filler(len));
        f.lan(format!("TCP {name} to a closed port"), &packet, expect);
    }
    f.lan(
        "TCP SYN, checksum wrong",
        &to().tcp(ports, 1, 0, SYN, b"").spoil_payload(17, 1),
        "nothing",
    );
    f.lan(
        "TCP SYN, checksum zero",
        &to().tcp(ports, 1, 0, SYN, b"").set_payload(16, &[0, 0]),
        "nothing",
    );
    f.lan("TCP SYN to port 0", &to().tcp((40000, 0), 1, 0, SYN, b""), "lan: tcp RA");
    f.lan("TCP SYN from port 0", &to().tcp((0, 81), 1, 0, SYN, b""), "lan: tcp RA");
    f.lan("TCP SYN with DF", &to().flags(DF).tcp(ports, 1, 0, SYN, b""), "lan: tcp RA");
    for tos in [0x10, 0x03, 0xb8] {
        f.lan(
            format!("TCP SYN with TOS {tos:#04x}"),
            &to().tos(tos).tcp(ports, 1, 0, SYN, b""),
            "lan: tcp RA",
        );
    }
    f.lan("TCP SYN with TTL 1", &to().ttl(1).tcp(ports, 1, 0, SYN, b""), "lan: tcp RA");
    f.lan(
        "TCP SYN to the wan address",
        &Ip::new(LAN_HOST, WAN).tcp(ports, 1, 0, SYN, b""),
        "lan: tcp RA",
    );
    f.wan(
        "TCP SYN from behind the gateway",
        &Ip::new(FAR_HOST, LAN).tcp(ports, 1, 0, SYN, b""),
        "wan: tcp RA",
    );
    f.lan(
        "TCP SYN to the lan broadcast address",
        &Ip::new(LAN_HOST, [10, 1, 0, 255].into()).tcp(ports, 1, 0, SYN, b""),
        "nothing",
    );
    f.lan(
        "TCP SYN to all hosts",
        &Ip::new(LAN_HOST, [224, 0, 0, 1].into()).tcp(ports, 1, 0, SYN, b""),
        "nothing",
    );
    for len in [0, 1, 8, 13, 19] {
        let cut = to().tcp(ports, 1, 0, SYN, b"").cut_payload(len);
        f.lan(format!("TCP header cut to {len} bytes"), &cut, "nothing");
    }
    for words in [0, 4, 6, 15] {
        // The offset field is summed too, so the checksum is made for the lie.
        let packet = to().tcp(ports, 1, 0, SYN, b"");
        let sum = u16::from_be_bytes([packet.bytes()[36], packet.bytes()[37]]);
        let change = (u32::from(!sum) + 0xffff - 0x5000 + (words << 12)) % 0xffff;
        let packet = packet
            .set_payload(12, &[(words << 4) as u8])
            .set_payload(16, &(!(change as u16)).to_be_bytes());
        f.lan(format!("TCP header that says it has {words} words of 5"), &packet, "nothing");
    }
    let with_options = to().raw(TCP, &tcp_with_options(&to()));
    f.lan("TCP SYN with options", &with_options, "lan: tcp RA");
}

/// A SYN with maximum segment size, SACK, timestamps and window scale, as Linux sends it.
fn tcp_with_options(packet: &Ip) -> Vec<u8> {
    let options = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7];
    let bare = packet.clone().tcp((40000, 81), 1, 0, SYN, &options);
    let mut segment = bare.bytes()[20..].to_vec();
    segment[12] = 0xa0;
    let sum = u32::from(!u16::from_be_bytes([segment[16], segment[17]])) + 0x5000;
    let sum = (sum & 0xffff) + (sum >> 16);
    segment[16..18].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    segment
}

fn other_protocols(f: &mut Family) {
    let to = || Ip::new(LAN_HOST, LAN);
    // Only such as no kernel has a handler for, whatever it was built with.
    for protocol in [0, 3, 8, 46, 60, 88, 89, 112, 200, 253, 254, 255] {
        f.lan(
            format!("protocol {protocol} to the router"),
            &to().raw(protocol, &filler(32)),
            "lan: icmp 3/2",
        );
    }
    f.lan("protocol 253 with no data to the router", &to().raw(253, &[]), "lan: icmp 3/2");
    f.lan(
        "protocol 253 and 1480 bytes to the router",
        &to().raw(253, &filler(1480)),
        "lan: icmp 3/2",
    );
    f.lan(
        "protocol 253 to the lan broadcast address",
        &Ip::new(LAN_HOST, [10, 1, 0, 255].into()).raw(253, &filler(32)),
        "nothing",
    );
    f.lan(
        "protocol 253 to all hosts",
        &Ip::new(LAN_HOST, [224, 0, 0, 1].into()).raw(253, &filler(32)),
        "nothing",
    );
    f.lan(
        "protocol 253 with TTL 1 to the router",
        &to().ttl(1).raw(253, &filler(32)),
        "lan: icmp 3/2",
    );
    f.lan(
        "IGMP query to all hosts",
        &Ip::new(LAN_HOST, [224, 0, 0, 1].into())
            .ttl(1)
            .raw(2, &[0x11, 100, 0xee, 0x9b, 0, 0, 0, 0]),
        "nothing",
    );
    f.lan("IGMP to the router", &to().raw(2, &[0x11, 100, 0xee, 0x9b, 0, 0, 0, 0]), "nothing");
}
