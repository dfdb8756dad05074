//! ICMP: [3.8] to [3.25], [3.29] to [3.40], [3.53] to [3.61].

use std::net::Ipv4Addr;

use super::Family;
use crate::common::frame::{DF, ICMP, Ip, MF, filler};
use crate::topology::{
    DMZ, DMZ_HOST, FAR_HOST, LAN, LAN_HOST, LAN_OTHER, LAN_SECOND, WAN, WAN_HOST,
};

const LAN_BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 255);
const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
const EVERYBODY: Ipv4Addr = Ipv4Addr::BROADCAST;
/// Data of a timestamp request.
const STAMP: [u8; 16] = [0, 1, 0, 1, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 0];

/// An extension structure with one MPLS label object (RFC 4884, RFC 4950).
const LABELS: [u8; 12] = [0x20, 0, 0xbb, 0xfb, 0, 8, 1, 1, 0x03, 0xe8, 0x01, 0x01];

/// An error that quotes 128 bytes and goes on with an extension structure.
fn extended(src: Ipv4Addr, dst: Ipv4Addr, kind: u8, code: u8) -> Ip {
    let culprit = Ip::new(dst, src).udp(1, 2, &filler(200)).bytes();
    // The length stands in the sixth byte, in words of four; MTU and pointer stand beside it.
    let mut rest = vec![0, 32, 0, 0];
    rest.extend(&culprit[..128]);
    rest.extend(LABELS);
    Ip::new(src, dst).icmp(kind, code, &rest)
}

pub(crate) fn family() -> Family {
    let mut f = Family::new("icmp");
    received_errors(&mut f);
    cut_quotes(&mut f);
    passing(&mut f);
    gate(&mut f);
    quotes(&mut f);
    f.lan(
        "echo request to the broadcast address with its Ethernet address",
        &Ip::new(LAN_HOST, LAN_BROADCAST).icmp(8, 0, &[0, 1, 0, 1]),
        "nothing",
    );
    f.lan(
        "address mask request to the broadcast address",
        &Ip::new(LAN_HOST, LAN_BROADCAST).icmp(17, 0, &[0, 1, 0, 1, 0, 0, 0, 0]),
        "nothing",
    );
    for kind in [0, 3, 11, 14, 30, 43] {
        f.lan(
            format!("type {kind} to the broadcast address"),
            &Ip::new(LAN_HOST, LAN_BROADCAST).icmp(kind, 0, &filler(32)),
            "nothing",
        );
    }
    f
}

/// Errors about packets that the router never sent, or that it did send.
fn received_errors(f: &mut Family) {
    let codes = (0..=16)
        .map(|code| (3, code))
        .chain([(4, 0), (5, 0), (5, 1), (5, 2), (5, 3), (5, 4)])
        .chain([(11, 0), (11, 1), (11, 2), (12, 0), (12, 1), (12, 2), (12, 3)]);
    for (kind, code) in codes {
        let udp = Ip::new(LAN, LAN_HOST).udp(33434, 33435, b"never sent");
        let error = Ip::new(LAN_HOST, LAN).icmp_error(kind, code, 0, &udp, 8);
        f.lan(format!("error {kind}/{code} about a datagram of the router's"), &error, "nothing");
    }
    for kind in [3, 4, 5, 11, 12] {
        let tcp = Ip::new(LAN, LAN_HOST).tcp((81, 40000), 1, 2, 4, b"");
        let error = Ip::new(LAN_HOST, LAN).icmp_error(kind, 1, 0, &tcp, 8);
        f.lan(format!("error {kind}/1 about a segment of the router's"), &error, "nothing");
        let other = Ip::new(LAN, LAN_HOST).raw(253, &filler(16));
        let error = Ip::new(LAN_HOST, LAN).icmp_error(kind, 0, 0, &other, 8);
        f.lan(format!("error {kind}/0 about a protocol that nobody has"), &error, "nothing");
        let ping = Ip::new(LAN, LAN_HOST).echo(1, 1, b"ping");
        let error = Ip::new(LAN_HOST, LAN).icmp_error(kind, 0, 0, &ping, 8);
        f.lan(format!("error {kind}/0 about a ping of the router's"), &error, "nothing");
        let broadcast = Ip::new(LAN, LAN_BROADCAST).udp(1, 2, b"to all");
        let error = Ip::new(LAN_HOST, LAN).icmp_error(kind, 0, 0, &broadcast, 8);
        f.lan(format!("error {kind}/0 about a broadcast"), &error, "nothing");
        f.lan(
            format!("error {kind}/0 with extensions"),
            &extended(LAN_HOST, LAN, kind, 0),
            "nothing",
        );
    }
}

/// Errors that quote too little, or nothing that could be a header.
fn cut_quotes(f: &mut Family) {
    let culprit = Ip::new(LAN, LAN_HOST).udp(1, 2, b"cut short here").bytes();
    for kind in [3, 4, 5, 11, 12] {
        for len in [0, 1, 19, 20, 27] {
            let rest = [&[0; 4], &culprit[..len]].concat();
            f.lan(
                format!("error of type {kind} that quotes {len} bytes"),
                &Ip::new(LAN_HOST, LAN).icmp(kind, 0, &rest),
                "nothing",
            );
        }
        for first in [0x40, 0x44, 0x4f, 0x65, 0x05] {
            let mut rest = [&[0; 4], &culprit[..28]].concat();
            rest[4] = first;
            f.lan(
                format!("error of type {kind} about a packet that begins with {first:#04x}"),
                &Ip::new(LAN_HOST, LAN).icmp(kind, 0, &rest),
                "nothing",
            );
        }
    }
    for len in [4, 5, 7] {
        let message = &[3, 0, 0x12, 0x34, 0, 0, 0, 0][..len];
        f.lan(
            format!("ICMP of {len} bytes with a wrong checksum"),
            &Ip::new(LAN_HOST, LAN).raw(ICMP, message),
            "nothing",
        );
    }
}

/// Whatever the message, it is another's.
fn passing(f: &mut Family) {
    for kind in (0..=19).chain([30, 40, 42, 43, 253, 255]) {
        f.lan(
            format!("type {kind} passes"),
            &Ip::new(LAN_HOST, WAN_HOST).icmp(kind, 7, &filler(40)),
            format!("wan: icmp {kind}/7{}", if kind == 12 { " ptr 0" } else { "" }),
        );
    }
    for (kind, code) in [(3, 1), (3, 4), (11, 0), (12, 0)] {
        let words = match kind {
            3 if code == 4 => " mtu 0",
            12 => " ptr 0",
            _ => "",
        };
        f.lan(
            format!("error {kind}/{code} with extensions passes"),
            &extended(LAN_HOST, WAN_HOST, kind, code),
            format!("wan: icmp {kind}/{code}{words}"),
        );
    }
    f.lan(
        "ICMP with a wrong checksum passes",
        &Ip::new(LAN_HOST, WAN_HOST).echo(1, 1, b"data").spoil_payload(9, 4),
        "wan: icmp 8/0",
    );
    f.lan(
        "ICMP without a byte passes",
        &Ip::new(LAN_HOST, WAN_HOST).raw(ICMP, &[]),
        "wan: proto 1",
    );
}

/// What may not be answered by an error, in more than one way at once.
fn gate(f: &mut Family) {
    let closed = |src, dst| Ip::new(src, dst).udp(1, 33434, b"gate");
    f.lan("a first fragment to a closed port", &closed(LAN_HOST, LAN).flags(MF), "nothing");
    for (name, options) in [("router alert", [148, 4, 0, 0]), ("a mark", [136, 4, 1, 2])] {
        f.lan(
            format!("unreachable with {name}"),
            &Ip::new(LAN_HOST, [10, 20, 0, 1].into()).options(&options).udp(1, 2, b""),
            "lan: icmp 3/1",
        );
        f.lan(
            format!("prohibited with {name}"),
            &Ip::new(LAN_HOST, [10, 21, 0, 1].into()).options(&options).udp(1, 2, b""),
            "lan: icmp 3/13",
        );
        f.lan(
            format!("protocol that nobody has with {name}"),
            &Ip::new(LAN_HOST, LAN).options(&options).raw(253, &filler(8)),
            "lan: icmp 3/2",
        );
    }
    // Bad options come first, whatever becomes of the route.
    for (name, dst, expect) in [
        ("unreachable", [10, 20, 0, 2], "lan: icmp 12/0 ptr 20"),
        ("prohibited", [10, 21, 0, 2], "lan: icmp 12/0 ptr 20"),
        ("blackholed", [10, 22, 0, 2], "lan: icmp 12/0 ptr 20"),
        ("without a route", [172, 31, 0, 2], "lan: icmp 12/0 ptr 20"),
        ("to a broadcast address", [10, 1, 0, 255], "nothing"),
        ("to a group", [224, 0, 0, 1], "nothing"),
        ("to a loopback address", [127, 0, 0, 1], "nothing"),
    ] {
        f.lan(
            format!("bad options, {name}"),
            &Ip::new(LAN_HOST, dst.into()).options(&[94, 1, 1, 1]).udp(1, 2, b""),
            expect,
        );
    }
    f.lan(
        "bad options in a later fragment",
        &Ip::new(LAN_HOST, WAN_HOST).options(&[94, 1, 1, 1]).raw(17, &filler(32)).offset(64),
        "nothing",
    );
    f.lan(
        "bad options in a first fragment",
        &Ip::new(LAN_HOST, WAN_HOST).options(&[94, 1, 1, 1]).raw(17, &filler(32)).flags(MF),
        "lan: icmp 12/0 ptr 20",
    );
    for (kind, expect) in [(3, "nothing"), (8, "lan: icmp 12/0 ptr 20"), (42, "nothing")] {
        f.lan(
            format!("bad options before ICMP of type {kind}"),
            &Ip::new(LAN_HOST, WAN_HOST).options(&[94, 1, 1, 1]).icmp(kind, 0, &filler(32)),
            expect,
        );
    }
}

/// How much of the culprit comes back, beside options of either.
fn quotes(f: &mut Family) {
    let record = [7, 7, 4, 0, 0, 0, 0, 1];
    let full = [7, 7, 8, 9, 9, 9, 9, 1];
    for len in [0, 480, 500, 511, 512, 513, 520, 528, 540, 1000] {
        f.lan(
            format!("{len} bytes with a record route, hop error"),
            &Ip::new(LAN_HOST, WAN_HOST).ttl(1).options(&record).udp(1, 2, &filler(len)),
            "lan: icmp 11/0",
        );
        f.lan(
            format!("{len} bytes with a full record route, port error"),
            &Ip::new(LAN_HOST, LAN).options(&full).udp(1, 33434, &filler(len)),
            "lan: icmp 3/3",
        );
    }
    for tos in [0x00, 0x03, 0x1c, 0xfc] {
        f.lan(
            format!("port error about TOS {tos:#04x} and DF"),
            &Ip::new(LAN_HOST, LAN_SECOND).flags(DF).tos(tos).udp(1, 33434, b"tos"),
            "lan: icmp 3/3",
        );
    }
}

/// The object of a probe (RFC 8335) that names an interface.
fn probe(kind: u8, name: &[u8]) -> Vec<u8> {
    let len = 4 + name.len() as u8;
    [&[0, 1, 9, 1, 0x20, 0, 0, 0, 0, len, 3, kind][..], name].concat()
}

/// Everything that is off by default switched on.
pub(crate) fn loud() -> Family {
    let mut f = Family::new("icmp-loud");
    f.topology = f
        .topology
        .sysctl("net.ipv4.icmp_echo_ignore_broadcasts", "0")
        .sysctl("net.ipv4.icmp_echo_enable_probe", "1")
        .sysctl("net.ipv4.icmp_ignore_bogus_error_responses", "0")
        .sysctl("net.ipv4.icmp_errors_use_inbound_ifaddr", "1");
    for (name, dst) in [
        ("the lan broadcast address", LAN_BROADCAST),
        ("everybody", EVERYBODY),
        ("all hosts", ALL_HOSTS),
    ] {
        let to = || Ip::new(LAN_HOST, dst);
        f.lan(format!("ping to {name}"), &to().echo(1, 1, b"anybody"), "lan: icmp 0/0");
        f.lan(format!("timestamp request to {name}"), &to().icmp(13, 0, &STAMP), "lan: icmp 14/0");
        f.lan(format!("mask request to {name}"), &to().icmp(17, 0, &filler(8)), "nothing");
        f.lan(format!("mask reply to {name}"), &to().icmp(18, 0, &filler(8)), "nothing");
        f.lan(format!("echo reply to {name}"), &to().icmp(0, 0, &filler(8)), "nothing");
        f.lan(format!("probe to {name}"), &to().icmp(42, 0, &probe(1, b"lan\0")), "lan: icmp 43/0");
        f.lan(
            format!("ping to {name} with a record route"),
            &to().options(&[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0]).echo(1, 1, b"anybody"),
            "lan: icmp 0/0",
        );
    }
    f.lan(
        "ping to everybody from behind the gateway",
        &Ip::new(FAR_HOST, EVERYBODY).echo(1, 1, b"anybody"),
        "wan: icmp 0/0",
    );
    probes(&mut f);
    inbound(&mut f);
    for kind in [3, 4, 5, 11, 12] {
        for (name, dst) in [
            ("the lan broadcast address", LAN_BROADCAST),
            ("everybody", EVERYBODY),
            ("address 0", Ipv4Addr::UNSPECIFIED),
            ("a host", LAN_HOST),
        ] {
            let culprit = Ip::new(LAN, dst).udp(1, 2, b"to all");
            f.lan(
                format!("error of type {kind} about a packet to {name}"),
                &Ip::new(LAN_HOST, LAN).icmp_error(kind, 0, 0, &culprit, 8),
                "nothing",
            );
        }
    }
    f
}

fn probes(f: &mut Family) {
    let to = || Ip::new(LAN_HOST, LAN);
    let address = |octets: [u8; 4]| [&[0, 1, 4, 0][..], &octets].concat();
    for (name, message, code) in [
        ("of lan by name", probe(1, b"lan\0"), 0),
        ("of dmz by name without an end", probe(1, b"dmz"), 0),
        ("of a VLAN by name", probe(1, b"wan.10\0\0"), 0),
        ("of no such name", probe(1, b"tun9\0\0\0\0"), 2),
        ("of the longest name", probe(1, b"fifteen-letters"), 2),
        ("of too long a name", probe(1, b"sixteen-letters!"), 1),
        ("of no such index", probe(2, &[0, 0, 0x7f, 0xff]), 2),
        ("of an index of two bytes", probe(2, &[0, 1]), 1),
        ("of the wan by its address", probe(3, &address(WAN.octets())), 0),
        ("of the lan by its second address", probe(3, &address(LAN_SECOND.octets())), 0),
        ("of another's address", probe(3, &address([10, 1, 0, 77])), 2),
        ("of an address of three bytes", probe(3, &[0, 1, 3, 0, 10, 1, 0]), 1),
        ("of an address with a wrong length", probe(3, &[0, 1, 5, 0, 10, 1, 0, 1]), 1),
        ("of an IPv6 address", probe(3, &[&[0, 2, 16, 0][..], &[0xfd; 16]].concat()), 2),
        ("of an address of family 3", probe(3, &[0, 3, 4, 0, 10, 1, 0, 1]), 1),
        ("of kind 4", probe(4, b"lan\0"), 1),
        ("of nothing", vec![0, 1, 9, 1], 1),
        ("of an extension header alone", vec![0, 1, 9, 1, 0x20, 0, 0, 0], 1),
        ("of an empty object", probe(1, b""), 1),
    ] {
        f.lan(format!("probe {name}"), &to().icmp(42, 0, &message), format!("lan: icmp 43/{code}"));
    }
    let mut cut = probe(1, b"lan\0");
    cut.truncate(13);
    f.lan("probe cut in the name", &to().icmp(42, 0, &cut), "lan: icmp 43/1");
    let mut remote = probe(1, b"lan\0");
    remote[3] = 0;
    f.lan("probe of another node's interface", &to().icmp(42, 0, &remote), "nothing");
    let mut odd = probe(1, b"lan\0");
    odd[3] = 0xff;
    f.lan("probe with all bits", &to().icmp(42, 0, &odd), "lan: icmp 43/0");
    f.lan("probe with code 9", &to().icmp(42, 9, &probe(1, b"lan\0")), "lan: icmp 43/9");
    f.lan(
        "probe with a wrong checksum",
        &to().icmp(42, 0, &probe(1, b"lan\0")).spoil_payload(9, 1),
        "nothing",
    );
}

/// Errors from the address of the interface on which the culprit came.
fn inbound(f: &mut Family) {
    let away = |src: Ipv4Addr| Ip::new(src, [10, 30, 0, 1].into()).ttl(1).udp(1, 2, b"inbound");
    f.lan("hop error to the sender's side", &away(LAN_HOST), "lan: icmp 11/0");
    f.lan("hop error by another port, from the lan address", &away(DMZ_HOST), "dmz: icmp 11/0");
    f.lan(
        "hop error to behind the gateway, from the lan address",
        &away(FAR_HOST),
        "wan: icmp 11/0",
    );
    f.dmz("hop error from the dmz address", &away(LAN_OTHER), "lan: icmp 11/0");
    f.lan(
        "unreachable by another port, from the lan address",
        &Ip::new(DMZ_HOST, [10, 20, 0, 1].into()).udp(1, 2, b""),
        "dmz: icmp 3/1",
    );
    f.lan(
        "too big by another port, from the lan address",
        &Ip::new(WAN_HOST, DMZ_HOST).flags(DF).udp(1, 2, &filler(1400)),
        "wan: icmp 3/4 mtu 1400",
    );
    f.lan(
        "bad options by another port, from the lan address",
        &Ip::new(WAN_HOST, DMZ_HOST).options(&[94, 1, 1, 1]).udp(1, 2, b""),
        "wan: icmp 12/0 ptr 20",
    );
    f.lan(
        "closed port by another port, from the address that was asked",
        &Ip::new(DMZ_HOST, DMZ).udp(1, 33434, b""),
        "dmz: icmp 3/3",
    );
}

/// A router that does not answer pings.
pub(crate) fn quiet() -> Family {
    let mut f = Family::new("icmp-quiet");
    f.topology = f
        .topology
        .sysctl("net.ipv4.icmp_echo_ignore_all", "1")
        .sysctl("net.ipv4.icmp_echo_ignore_broadcasts", "0")
        .sysctl("net.ipv4.icmp_echo_enable_probe", "1");
    for dst in [LAN, LAN_SECOND, WAN, DMZ, LAN_BROADCAST, EVERYBODY, ALL_HOSTS] {
        f.lan(format!("ping to {dst}"), &Ip::new(LAN_HOST, dst).echo(1, 1, b"hello"), "nothing");
        f.lan(
            format!("timestamp request to {dst}"),
            &Ip::new(LAN_HOST, dst).icmp(13, 0, &STAMP),
            "lan: icmp 14/0",
        );
        f.lan(
            format!("probe to {dst}"),
            &Ip::new(LAN_HOST, dst).icmp(42, 0, &probe(1, b"lan\0")),
            "nothing",
        );
    }
    f.lan("pings pass", &Ip::new(LAN_HOST, WAN_HOST).echo(1, 1, b"hello"), "wan: icmp 8/0");
    f.lan("errors are sent", &Ip::new(LAN_HOST, LAN).udp(1, 33434, b""), "lan: icmp 3/3");
    f
}

/// Echo and timestamp replies limited, and nothing else: bits 0 and 14 of the mask.
pub(crate) fn limited() -> Family {
    let mut f = Family::new("icmp-limited");
    f.topology = f
        .topology
        .sysctl("net.ipv4.icmp_ratelimit", "1000")
        .sysctl("net.ipv4.icmp_ratemask", "16385");
    for n in 1..=9 {
        let expect = if n <= 6 { "lan: icmp 0/0" } else { "nothing" };
        f.lan(format!("ping {n} in a row"), &Ip::new(LAN_HOST, LAN).echo(1, n, b"more"), expect);
    }
    f.lan(
        "a timestamp request of the same host, which has used up its share",
        &Ip::new(LAN_HOST, LAN).icmp(13, 0, &STAMP),
        "nothing",
    );
    f.lan(
        "a ping from another host",
        &Ip::new(LAN_OTHER, LAN).echo(1, 1, b"more"),
        "lan: icmp 0/0",
    );
    for n in 1..=8 {
        f.lan(
            format!("port error {n} in a row"),
            &Ip::new(LAN_HOST, LAN).udp(1, 33434, b""),
            "lan: icmp 3/3",
        );
        f.lan(
            format!("hop error {n} in a row"),
            &Ip::new(LAN_HOST, WAN_HOST).ttl(1).udp(1, 2, b""),
            "lan: icmp 11/0",
        );
    }
    f
}
