//! ARP answered, ignored, learned and asked: chapter 7 of the ledger.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Family;
use crate::common::frame::{ARP, Arp, BROADCAST, IPV4, Ip, Mac, ether, filler, pad};
use crate::topology::{
    DMZ_HOST, LAN, LAN_HOST, LAN_MAC, LAN_SECOND, WAN, WAN_HOST, WAN_MAC, mac_of,
};

const STRANGER: Mac = [0x02, 0xcc, 0, 0, 0, 9];

fn frame(to: Mac, from: Mac, arp: &Arp) -> Vec<u8> {
    pad(ether(to, from, ARP, &arp.bytes()), 60)
}

pub(crate) fn family() -> Family {
    let mut f = Family::new("arp");
    let me = mac_of(LAN_HOST);
    let ask = |target| Arp::request(me, LAN_HOST, target);
    let all = |arp: &Arp| frame(BROADCAST, me, arp);
    f.add("who has the router", "lan", all(&ask(LAN)), "lan: arp reply 10.1.0.1");
    f.add(
        "who has the router's second address",
        "lan",
        all(&ask(LAN_SECOND)),
        "lan: arp reply 10.1.0.2",
    );
    f.add(
        "who has the router's address on the wan",
        "lan",
        all(&ask(WAN)),
        "lan: arp reply 192.0.2.1",
    );
    f.add("asked by unicast", "lan", frame(LAN_MAC, me, &ask(LAN)), "lan: arp reply 10.1.0.1");
    f.add(
        "asked by multicast",
        "lan",
        frame([1, 0, 0x5e, 0, 0, 1], me, &ask(LAN)),
        "lan: arp reply 10.1.0.1",
    );
    f.add("asked in a frame for somebody else", "lan", frame(STRANGER, me, &ask(LAN)), "nothing");
    f.add(
        "frame without padding",
        "lan",
        ether(BROADCAST, me, ARP, &ask(LAN).bytes()),
        "lan: arp reply 10.1.0.1",
    );
    f.add("who has a host of the lan", "lan", all(&ask(Ipv4Addr::new(10, 1, 0, 11))), "nothing");
    f.add(
        "who has an address nobody has",
        "lan",
        all(&ask(Ipv4Addr::new(10, 1, 0, 250))),
        "nothing",
    );
    f.add("who has a host behind the wan", "lan", all(&ask(WAN_HOST)), "nothing");
    f.add(
        "who has the lan broadcast address",
        "lan",
        all(&ask(Ipv4Addr::new(10, 1, 0, 255))),
        "nothing",
    );
    f.add("who has everybody", "lan", all(&ask(Ipv4Addr::BROADCAST)), "nothing");
    f.add("who has all hosts", "lan", all(&ask(Ipv4Addr::new(224, 0, 0, 1))), "nothing");
    f.add("who has nobody", "lan", all(&ask(Ipv4Addr::UNSPECIFIED)), "nothing");
    f.add("who has loopback", "lan", all(&ask(Ipv4Addr::LOCALHOST)), "nothing");
    f.add(
        "probe for the router's address",
        "lan",
        all(&Arp { sender: Ipv4Addr::UNSPECIFIED, ..ask(LAN) }),
        "lan: arp reply 10.1.0.1",
    );
    f.add(
        "probe for another address",
        "lan",
        all(&Arp { sender: Ipv4Addr::UNSPECIFIED, ..ask(Ipv4Addr::new(10, 1, 0, 77)) }),
        "nothing",
    );
    f.add("gratuitous request", "lan", all(&ask(LAN_HOST)), "nothing");
    f.add(
        "gratuitous reply",
        "lan",
        all(&Arp::reply(me, LAN_HOST, BROADCAST, LAN_HOST)),
        "nothing",
    );
    f.add(
        "somebody claims the router's address",
        "lan",
        frame(BROADCAST, STRANGER, &Arp::request(STRANGER, LAN, LAN)),
        "nothing",
    );
    f.add(
        "somebody replies with the router's address",
        "lan",
        frame(LAN_MAC, STRANGER, &Arp::reply(STRANGER, LAN, LAN_MAC, LAN)),
        "nothing",
    );
    for (name, sender, expect) in [
        ("off every subnet", Ipv4Addr::new(172, 16, 9, 9), "lan: arp reply 10.1.0.1"),
        ("of the wan's subnet", WAN_HOST, "lan: arp reply 10.1.0.1"),
        ("of the dmz's subnet", DMZ_HOST, "lan: arp reply 10.1.0.1"),
        ("that is loopback", Ipv4Addr::LOCALHOST, "nothing"),
        ("that is a group", Ipv4Addr::new(224, 0, 0, 9), "nothing"),
        ("that is everybody", Ipv4Addr::BROADCAST, "nothing"),
        ("that is the lan broadcast", Ipv4Addr::new(10, 1, 0, 255), "lan: arp reply 10.1.0.1"),
        ("that is the router's wan address", WAN, "nothing"),
        ("in 240/4", Ipv4Addr::new(240, 1, 1, 1), "lan: arp reply 10.1.0.1"),
        ("in 0/8", Ipv4Addr::new(0, 1, 1, 1), "lan: arp reply 10.1.0.1"),
    ] {
        f.add(
            format!("asked by an address {name}"),
            "lan",
            all(&Arp { sender, ..ask(LAN) }),
            expect,
        );
    }
    f.add(
        "asked with another Ethernet source than the sender's",
        "lan",
        frame(BROADCAST, STRANGER, &ask(LAN)),
        "lan: arp reply 10.1.0.1",
    );
    f.add(
        "asked with the sender's hardware address zero",
        "lan",
        all(&Arp { sender_mac: [0; 6], ..ask(LAN) }),
        "lan: arp reply 10.1.0.1",
    );
    f.add(
        "asked with the sender's hardware address broadcast",
        "lan",
        all(&Arp { sender_mac: BROADCAST, ..ask(LAN) }),
        "lan: arp reply 10.1.0.1",
    );
    f.add(
        "asked with the router's own hardware address",
        "lan",
        frame(BROADCAST, LAN_MAC, &Arp { sender_mac: LAN_MAC, ..ask(LAN) }),
        "lan: arp reply 10.1.0.1",
    );
    f.add(
        "asked with a target hardware address",
        "lan",
        all(&Arp { target_mac: STRANGER, ..ask(LAN) }),
        "lan: arp reply 10.1.0.1",
    );
    for operation in [0, 3, 4, 8, 9, 25, 0xffff] {
        f.add(
            format!("operation {operation}"),
            "lan",
            all(&Arp { operation, ..ask(LAN) }),
            "nothing",
        );
    }
    for hardware in [0, 2, 7, 15, 24, 256] {
        f.add(
            format!("hardware type {hardware}"),
            "lan",
            all(&Arp { hardware, ..ask(LAN) }),
            "nothing",
        );
    }
    // RFC 1042 networks share the Ethernet address space, so type 6 is as good as 1.
    f.add(
        "hardware type 6",
        "lan",
        all(&Arp { hardware: 6, ..ask(LAN) }),
        "lan: arp reply 10.1.0.1",
    );
    for protocol in [0, 0x0806, 0x86dd, 0x1000] {
        f.add(
            format!("protocol type {protocol:#06x}"),
            "lan",
            all(&Arp { protocol, ..ask(LAN) }),
            "nothing",
        );
    }
    for hardware_len in [0, 4, 5, 7, 8, 255] {
        f.add(
            format!("hardware address of {hardware_len} bytes"),
            "lan",
            all(&Arp { hardware_len, ..ask(LAN) }),
            "nothing",
        );
    }
    for protocol_len in [0, 3, 5, 16, 255] {
        f.add(
            format!("protocol address of {protocol_len} bytes"),
            "lan",
            all(&Arp { protocol_len, ..ask(LAN) }),
            "nothing",
        );
    }
    let whole = ether(BROADCAST, me, ARP, &ask(LAN).bytes());
    for len in 14..whole.len() {
        f.add(format!("request cut to {len} bytes"), "lan", whole[..len].to_vec(), "nothing");
    }
    let reply = Arp::reply(me, LAN_HOST, LAN_MAC, LAN);
    f.add("reply that nobody asked for", "lan", frame(LAN_MAC, me, &reply), "nothing");
    f.add(
        "permanent neighbours are not talked into another address",
        "lan",
        frame(LAN_MAC, STRANGER, &Arp::reply(STRANGER, LAN_HOST, LAN_MAC, LAN)),
        "nothing",
    );
    f.wan(
        "and are still reached where they were",
        &Ip::new(WAN_HOST, LAN_HOST).udp(1, 2, b"still"),
        "lan: udp",
    );
    f
}

/// Neighbours that are found while packets wait.
pub(crate) fn resolve() -> Family {
    let mut f = Family::new("resolve");
    let host = |last| Ipv4Addr::new(192, 0, 2, last);
    let udp = |to: Ipv4Addr, n: u8| Ip::new(LAN_HOST, to).id(u16::from(n)).udp(1, 2, &[n]);
    let reply = |of: Ipv4Addr, mac: Mac| frame(WAN_MAC, mac, &Arp::reply(mac, of, WAN_MAC, WAN));
    let asked = |of: Ipv4Addr| format!("wan: arp who-has {of} tell 192.0.2.1");

    let h = host(60);
    f.lan("first packet to a silent host asks", &udp(h, 1), asked(h));
    f.lan("second packet waits", &udp(h, 2), "nothing");
    f.lan("third packet waits", &udp(h, 3), "nothing");
    f.add(
        "a reply for another host changes nothing",
        "wan",
        reply(host(61), mac_of(host(61))),
        "nothing",
    );
    f.add(
        "a reply in a frame for somebody else changes nothing",
        "wan",
        frame(STRANGER, mac_of(h), &Arp::reply(mac_of(h), h, WAN_MAC, WAN)),
        "nothing",
    );
    f.add("the reply lets all three go in order", "wan", reply(h, mac_of(h)), "wan: udp, udp, udp");
    f.lan("a fourth goes at once", &udp(h, 4), "wan: udp");
    f.add(
        "a second reply within a second is too early to change the address",
        "wan",
        reply(h, STRANGER),
        "nothing",
    );
    f.lan("so the fifth goes where the fourth went", &udp(h, 5), "wan: udp");
    f.settle(Duration::from_millis(1100));
    f.add("a later reply changes the address", "wan", reply(h, STRANGER), "nothing");
    f.lan("and the sixth goes there", &udp(h, 6), "wan: udp");

    let h = host(62);
    f.lan("asked by a packet", &udp(h, 1), asked(h));
    f.add(
        "answered by the host's own question",
        "wan",
        frame(BROADCAST, mac_of(h), &Arp::request(mac_of(h), h, WAN)),
        "wan: udp, arp reply 192.0.2.1",
    );
    let h = host(63);
    f.add(
        "a host asks first",
        "wan",
        frame(BROADCAST, mac_of(h), &Arp::request(mac_of(h), h, WAN)),
        "wan: arp reply 192.0.2.1",
    );
    f.lan("and is known from it", &udp(h, 1), "wan: udp");
    let h = host(64);
    f.add(
        "a host asks for another",
        "wan",
        frame(BROADCAST, mac_of(h), &Arp::request(mac_of(h), h, host(65))),
        "nothing",
    );
    f.lan("and is not known from it", &udp(h, 1), asked(h));
    f.add(
        "the reply comes from the broadcast address",
        "wan",
        frame(WAN_MAC, BROADCAST, &Arp::reply(mac_of(h), h, WAN_MAC, WAN)),
        "wan: udp",
    );
    let h = host(66);
    f.add(
        "a host announces itself",
        "wan",
        frame(BROADCAST, mac_of(h), &Arp::request(mac_of(h), h, h)),
        "nothing",
    );
    f.lan("and is not known from it either", &udp(h, 1), asked(h));
    f.add(
        "announcing itself by a reply to all does tell",
        "wan",
        frame(BROADCAST, mac_of(h), &Arp::reply(mac_of(h), h, BROADCAST, h)),
        "wan: udp",
    );
    let h = host(67);
    f.lan("asked once more", &udp(h, 1), asked(h));
    f.add(
        "announcing itself by a request tells one that waits",
        "wan",
        frame(BROADCAST, mac_of(h), &Arp::request(mac_of(h), h, h)),
        "wan: udp",
    );
    let h = host(68);
    f.add("a reply that nobody asked for", "wan", reply(h, mac_of(h)), "nothing");
    f.lan("makes nobody known", &udp(h, 1), asked(h));
    f.add("reply with a broadcast hardware address", "wan", reply(h, BROADCAST), "wan: udp");

    let h = Ipv4Addr::new(10, 1, 0, 60);
    f.add(
        "ping from a host not known",
        "lan",
        pad(ether(LAN_MAC, mac_of(h), IPV4, &Ip::new(h, LAN).echo(1, 1, b"who").bytes()), 60),
        "lan: arp who-has 10.1.0.60 tell 10.1.0.1",
    );
    f.add(
        "the answer follows",
        "lan",
        frame(LAN_MAC, mac_of(h), &Arp::reply(mac_of(h), h, LAN_MAC, LAN)),
        "lan: icmp 0/0",
    );
    let h = Ipv4Addr::new(10, 1, 0, 61);
    f.add(
        "ping of the second address asks in that address's name",
        "lan",
        pad(
            ether(LAN_MAC, mac_of(h), IPV4, &Ip::new(h, LAN_SECOND).echo(1, 1, b"who").bytes()),
            60,
        ),
        "lan: arp who-has 10.1.0.61 tell 10.1.0.2",
    );
    f.add(
        "and is answered",
        "lan",
        frame(LAN_MAC, mac_of(h), &Arp::reply(mac_of(h), h, LAN_MAC, LAN_SECOND)),
        "lan: icmp 0/0",
    );
    let h = host(69);
    f.lan(
        "a packet to be cut waits whole",
        &Ip::new(LAN_HOST, h).udp(1, 2, &filler(1472)),
        asked(h),
    );
    f.add("and goes", "wan", reply(h, mac_of(h)), "wan: udp");
    f
}

/// Neighbours that never answer.
pub(crate) fn failure() -> Family {
    let mut f = Family::new("resolve-failure");
    let h = Ipv4Addr::new(192, 0, 2, 70);
    let packet = |from: Ipv4Addr| Ip::new(from, h).udp(1, 2, &filler(12));
    f.lan(
        "two packets wait: first",
        &packet(LAN_HOST),
        "wan: arp who-has 192.0.2.70 tell 192.0.2.1",
    );
    f.lan(
        "two packets wait: after three questions both senders are told",
        &packet(Ipv4Addr::new(10, 1, 0, 11)),
        "lan: icmp 3/1, icmp 3/1; wan: arp who-has 192.0.2.70 tell 192.0.2.1, arp who-has 192.0.2.70 tell 192.0.2.1",
    );
    f.settle(Duration::from_millis(3300));
    f.lan(
        "the next packet asks again",
        &packet(LAN_HOST),
        "wan: arp who-has 192.0.2.70 tell 192.0.2.1",
    );
    f.add(
        "and a late answer helps",
        "wan",
        frame(WAN_MAC, mac_of(h), &Arp::reply(mac_of(h), h, WAN_MAC, WAN)),
        "wan: udp",
    );
    f
}
