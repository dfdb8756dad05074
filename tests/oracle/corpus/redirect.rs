//! Redirects that the router sends, and those that it is sent: [5.93] to [5.102], [5.108] to [5.111].

use std::net::Ipv4Addr;
use std::time::Duration;

use super::{Family, from};
use crate::common::frame::{BROADCAST, DF, IPV4, Ip, MF, ether, filler, pad, tag};
use crate::topology::{
    CROWD, DMZ, DMZ_HOST, FAR_HOST, LAN, LAN_HOST, LAN_OTHER, ONLINK_HOST, VLAN10, VLAN10_HOST,
    WAN, WAN_GATEWAY, WAN_HOST, WAN_MAC, mac_of,
};

/// Behind a gateway on the lan, on the dmz, and on the VLAN.
const BEHIND_LAN: Ipv4Addr = Ipv4Addr::new(10, 60, 0, 1);
const BEHIND_DMZ: Ipv4Addr = Ipv4Addr::new(10, 61, 0, 1);
const BEHIND_VLAN: Ipv4Addr = Ipv4Addr::new(10, 62, 0, 1);
const VLAN10_OTHER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 12);

/// Different on every interface: on a shared medium, on one that is none, off, and on a VLAN.
pub(crate) fn sent() -> Family {
    let mut f = Family::new("redirects-sent");
    f.topology = f
        .topology
        .sysctl("net.ipv4.conf.all.accept_source_route", "1")
        .sysctl("net.ipv4.conf.default.accept_source_route", "1")
        .sysctl("net.ipv4.conf.all.shared_media", "0")
        .sysctl("net.ipv4.conf.default.shared_media", "0")
        .sysctl("net.ipv4.conf.lan.send_redirects", "1")
        .sysctl("net.ipv4.conf.lan.shared_media", "1")
        .sysctl("net.ipv4.conf.wan.send_redirects", "1")
        .sysctl("net.ipv4.conf.wan.10.send_redirects", "1")
        .route("10.60.0.0/16", &[("via", "10.1.0.11")])
        .route("10.61.0.0/16", &[("via", "198.51.100.10")])
        .route("10.62.0.0/16", &[("via", "203.0.113.10")])
        .route("10.63.0.0/16", &[("via", "10.1.0.11"), ("mtu", "1300")])
        .route("10.64.0.0/16", &[("dev", "lan")])
        .command(format!("neigh replace 10.64.0.1 lladdr {} dev lan", colons([10, 64, 0, 1])))
        .command(format!(
            "neigh replace {VLAN10_OTHER} lladdr {} dev wan.10",
            colons(VLAN10_OTHER.octets())
        ));
    // Whoever was told is not told again for a while, so each comes from a sender of its own.
    let mut crowd = CROWD.map(|host| Ipv4Addr::new(10, 1, 0, host));
    let mut to = |dst: Ipv4Addr| Ip::new(crowd.next().expect("a crowd large enough"), dst);
    for (name, dst) in [("a gateway", BEHIND_LAN), ("a neighbour", LAN_OTHER)] {
        let told = |what: &str| format!("lan: icmp 5/1, {what}");
        f.lan(format!("UDP by {name}"), &to(dst).udp(1, 2, b"hairpin"), told("udp"));
        f.lan(format!("long UDP by {name}"), &to(dst).udp(1, 2, &filler(1472)), told("udp"));
        f.lan(format!("TCP by {name}"), &to(dst).tcp((1, 2), 1, 0, 2, b""), told("tcp S"));
        f.lan(format!("echo request by {name}"), &to(dst).echo(1, 1, b"ping"), told("icmp 8/0"));
        f.lan(format!("echo reply by {name}"), &to(dst).icmp(0, 0, &[0; 8]), told("icmp 0/0"));
        f.lan(format!("DF by {name}"), &to(dst).flags(DF).udp(1, 2, b""), told("udp"));
        f.lan(format!("TOS 0x5d by {name}"), &to(dst).tos(0x5d).udp(1, 2, b""), told("udp"));
        f.lan(format!("TTL 2 by {name}"), &to(dst).ttl(2).udp(1, 2, b""), told("udp"));
        f.lan(format!("TTL 1 by {name}"), &to(dst).ttl(1).udp(1, 2, b""), "lan: icmp 11/0");
        f.lan(
            format!("first fragment by {name}"),
            &to(dst).raw(17, &filler(64)).flags(MF),
            told("frag 0+64 more"),
        );
        f.lan(
            format!("later fragment by {name}"),
            &to(dst).raw(17, &filler(64)).offset(64),
            "lan: frag 64+64",
        );
        let culprit = to(dst);
        let quoted = Ip::new(culprit.dst, culprit.src).udp(1, 2, b"");
        f.lan(
            format!("ICMP error by {name}"),
            &culprit.icmp_error(3, 3, 0, &quoted, 8),
            "lan: icmp 3/3",
        );
        f.lan(
            format!("no operation by {name}"),
            &to(dst).options(&[1, 1, 1, 0]).udp(1, 2, b""),
            told("udp"),
        );
        let frame = ether(BROADCAST, mac_of(LAN_HOST), IPV4, &to(dst).udp(1, 2, b"").bytes());
        f.add(format!("in a broadcast frame by {name}"), "lan", pad(frame, 60), "nothing");
    }
    f.lan(
        "to a host on the link by a route",
        &to(Ipv4Addr::new(10, 64, 0, 1)).udp(1, 2, b""),
        "lan: icmp 5/1, udp",
    );
    f.lan(
        "too long for the route with DF",
        &to(Ipv4Addr::new(10, 63, 0, 1)).flags(DF).udp(1, 2, &filler(1400)),
        "lan: icmp 3/4 mtu 1300",
    );
    f.lan(
        "too long for the route",
        &to(Ipv4Addr::new(10, 63, 0, 1)).udp(1, 2, &filler(1400)),
        "lan: icmp 5/1, frag 0+1280 more, frag 1280+128",
    );
    f.lan(
        "by a source route",
        &to(LAN).options(&[131, 7, 4, 10, 60, 0, 1, 0]).udp(1, 2, b"routed"),
        "lan: udp",
    );
    f.lan("out by another interface", &to(FAR_HOST).udp(1, 2, b""), "wan: udp");
    for (name, src) in [
        ("from behind a gateway", BEHIND_LAN),
        ("from behind another interface", FAR_HOST),
        ("from nowhere", Ipv4Addr::new(172, 30, 0, 1)),
        ("from the wan's link", WAN_HOST),
    ] {
        let packet = Ip::new(src, LAN_OTHER).udp(1, 2, b"");
        f.add(name, "lan", from(LAN_HOST, crate::topology::LAN_MAC, &packet), "lan: udp");
    }
    f.lan(
        "from a host on the link by a route, on a shared medium",
        &Ip::new(Ipv4Addr::new(10, 64, 0, 1), BEHIND_LAN).udp(1, 2, b""),
        "lan: icmp 5/1, udp",
    );

    f.wan(
        "by a gateway, not shared",
        &Ip::new(WAN_HOST, FAR_HOST).udp(1, 2, b""),
        "wan: icmp 5/1, udp",
    );
    f.wan(
        "from a host on the link by a route, not shared",
        &Ip::new(ONLINK_HOST, FAR_HOST).udp(1, 2, b""),
        "wan: udp",
    );
    f.wan("from behind the gateway", &Ip::new(FAR_HOST, WAN_HOST).udp(1, 2, b""), "wan: udp");
    f.wan(
        "to a host on the link by a route, not shared",
        &Ip::new(WAN_GATEWAY, ONLINK_HOST).udp(1, 2, b""),
        "wan: icmp 5/1, udp",
    );
    f.wan(
        "to the VLAN of the same port",
        &Ip::new(WAN_HOST, VLAN10_HOST).udp(1, 2, b""),
        "wan: vlan 10 udp",
    );
    f.dmz("where none are sent", &Ip::new(DMZ_HOST, BEHIND_DMZ).udp(1, 2, b""), "dmz: udp");
    let vlan = |src, dst| tag(&from(src, WAN_MAC, &Ip::new(src, dst).udp(1, 2, b"")), 10);
    f.add(
        "by a gateway on the VLAN",
        "wan",
        vlan(VLAN10_OTHER, BEHIND_VLAN),
        "wan: vlan 10 icmp 5/1, vlan 10 udp",
    );
    f.add("from the VLAN to the port itself", "wan", vlan(VLAN10_OTHER, WAN_HOST), "wan: udp");

    f.ip("route replace 10.60.0.0/16 via 198.51.100.10");
    f.lan("by a route that was changed", &to(BEHIND_LAN).udp(1, 2, b""), "dmz: udp");
    f.ip("route replace 10.60.0.0/16 via 10.1.0.10");
    f.lan("by a route that was changed back", &to(BEHIND_LAN).udp(1, 2, b""), "lan: icmp 5/1, udp");
    f.ip("route replace unreachable 10.60.0.0/16");
    f.lan("by a route that is none", &to(BEHIND_LAN).udp(1, 2, b""), "lan: icmp 3/1");
    f.ip("route replace 10.60.0.0/16 via 10.1.0.11");

    // One at once, then after 40 ms, 80 ms, 160 ms ...
    let host = || Ip::new(LAN_HOST, BEHIND_LAN).udp(1, 2, b"again");
    let told = "lan: icmp 5/1, udp";
    f.lan("a host is told", &host(), told);
    f.lan("not again at once", &host(), "lan: udp");
    f.settle(Duration::from_millis(70));
    f.lan("but again after 70 ms", &host(), told);
    f.settle(Duration::from_millis(50));
    f.lan("not yet after 50 ms more", &host(), "lan: udp");
    f.settle(Duration::from_millis(70));
    f.lan("but after 120 ms", &host(), told);
    f.settle(Duration::from_millis(120));
    f.lan("not yet after 120 ms more", &host(), "lan: udp");
    f.settle(Duration::from_millis(80));
    f.lan("but after 200 ms", &host(), told);
    f.lan(
        "whatever the destination",
        &Ip::new(LAN_HOST, LAN_OTHER).udp(1, 2, b"again"),
        "lan: udp",
    );
    f
}

/// Switched on for all, whatever each interface says; and shared for all.
pub(crate) fn sent_by_all() -> Family {
    let mut f = Family::new("redirects-by-all");
    f.topology = f
        .topology
        .sysctl("net.ipv4.conf.all.send_redirects", "1")
        .route("10.61.0.0/16", &[("via", "198.51.100.10")])
        .route("10.62.0.0/16", &[("via", "203.0.113.10")]);
    let udp = |src, dst| Ip::new(src, dst).udp(1, 2, b"all");
    f.lan("on the lan", &udp(LAN_HOST, LAN_OTHER), "lan: icmp 5/1, udp");
    f.wan("on the wan", &udp(WAN_HOST, FAR_HOST), "wan: icmp 5/1, udp");
    f.wan(
        "from a host on the link by a route, shared",
        &udp(ONLINK_HOST, FAR_HOST),
        "wan: icmp 5/1, udp",
    );
    f.dmz("on the dmz", &udp(DMZ_HOST, BEHIND_DMZ), "dmz: icmp 5/1, udp");
    f.wan("from nowhere", &udp(Ipv4Addr::new(172, 30, 0, 1), FAR_HOST), "wan: udp");
    f.lan("out by another interface", &udp(LAN_HOST, FAR_HOST), "wan: udp");
    for (n, host) in CROWD.take(40).enumerate() {
        f.lan(
            format!("host {n} of many"),
            &udp(Ipv4Addr::new(10, 1, 0, host), LAN_OTHER),
            "lan: icmp 5/1, udp",
        );
    }
    f
}

fn colons(host: [u8; 4]) -> String {
    crate::topology::colons(mac_of(Ipv4Addr::from(host)))
}

/// A redirect to the router: `by` says that `new` is better for what the router says to `host`.
fn redirect(by: Ipv4Addr, own: Ipv4Addr, host: Ipv4Addr, new: Ipv4Addr, code: u8) -> Ip {
    let quoted = Ip::new(own, host).icmp(0, 0, &filler(24));
    Ip::new(by, own).icmp_error(5, code, new.to_bits(), &quoted, 8)
}

/// The interfaces differ: the wan is shared and believes all; the dmz is not shared and believes
/// only gateways; the lan is not shared and believes all; the VLAN believes nothing.
fn receiving(name: &'static str, forwarding: &str) -> Family {
    let mut f = Family::new(name);
    f.topology = f
        .topology
        .sysctl("net.ipv4.ip_forward", forwarding)
        .sysctl("net.ipv4.conf.all.accept_redirects", "1")
        .sysctl("net.ipv4.conf.all.secure_redirects", "0")
        .sysctl("net.ipv4.conf.all.shared_media", "0")
        .sysctl("net.ipv4.conf.default.accept_redirects", "1")
        .sysctl("net.ipv4.conf.default.secure_redirects", "0")
        .sysctl("net.ipv4.conf.default.shared_media", "0")
        .sysctl("net.ipv4.conf.wan.shared_media", "1")
        .sysctl("net.ipv4.conf.dmz.secure_redirects", "1")
        .sysctl("net.ipv4.conf.wan.10.accept_redirects", "0")
        .route("10.60.0.0/16", &[("via", "10.1.0.11")])
        .route("10.61.0.0/16", &[("via", "198.51.100.10")])
        .route("10.61.128.0/17", &[("via", "198.51.100.11")])
        .route("10.62.0.0/16", &[("via", "203.0.113.10")]);
    for (host, port) in [
        ([192, 0, 2, 11], "wan"),
        ([198, 51, 100, 11], "dmz"),
        ([198, 51, 100, 12], "dmz"),
        ([203, 0, 113, 11], "wan.10"),
        ([10, 50, 0, 2], "wan"),
    ] {
        let words =
            format!("neigh replace {} lladdr {} dev {port}", Ipv4Addr::from(host), colons(host));
        f.topology = f.topology.command(words);
    }
    f
}

/// What a router learns from redirects about its own packets.
pub(crate) fn received() -> Family {
    received_by(receiving("redirects-received", "1"))
}

/// The same of a host, which is ready to learn where either `all` or the interface says so.
pub(crate) fn received_by_host() -> Family {
    received_by(receiving("redirects-received-by-host", "0"))
}

fn received_by(mut f: Family) -> Family {
    let routes = f
        .topology
        .sysctls
        .iter()
        .any(|(name, value)| name == "net.ipv4.ip_forward" && value == "1");
    let far = |n: u8| Ipv4Addr::new(10, 9, 0, n);
    let better = Ipv4Addr::new(192, 0, 2, 11);
    // Each host is asked for, told of, and asked for again; and somebody else sends to it.
    let mut next = 0_u8;
    let mut wan = |f: &mut Family,
                   name: &str,
                   tell: &dyn Fn(Ipv4Addr) -> Ip,
                   heard: &str,
                   leads: Ipv4Addr| {
        next += 1;
        let host = far(next);
        f.wan(
            format!("{name}: before"),
            &Ip::new(host, WAN).echo(1, 1, b"before"),
            "wan: icmp 0/0",
        );
        f.leads_to(WAN_GATEWAY);
        f.wan(format!("{name}: told"), &tell(host), heard);
        f.wan(format!("{name}: after"), &Ip::new(host, WAN).echo(1, 1, b"after"), "wan: icmp 0/0");
        f.leads_to(leads);
        f.lan(
            format!("{name}: in transit"),
            &Ip::new(LAN_HOST, host).udp(1, 2, b"transit"),
            if routes { "wan: udp" } else { "nothing" },
        );
        if routes {
            f.leads_to(leads);
        }
    };
    let by = WAN_GATEWAY;
    for code in 0..=3 {
        let tell = |host| redirect(by, WAN, host, better, code);
        wan(&mut f, &format!("code {code}"), &tell, "nothing", better);
    }
    for code in [4, 5, 15] {
        let tell = |host| redirect(by, WAN, host, better, code);
        wan(
            &mut f,
            &format!("code {code}"),
            &tell,
            "nothing",
            if code & 4 == 0 { better } else { by },
        );
    }
    wan(&mut f, "not from the gateway", &|h| redirect(WAN_HOST, WAN, h, better, 1), "nothing", by);
    wan(&mut f, "to the gateway itself", &|h| redirect(by, WAN, h, by, 1), "nothing", by);
    let group = Ipv4Addr::new(224, 0, 0, 9);
    wan(&mut f, "to a group", &|h| redirect(by, WAN, h, group, 1), "nothing", by);
    wan(&mut f, "to all", &|h| redirect(by, WAN, h, Ipv4Addr::BROADCAST, 1), "nothing", by);
    let zero = Ipv4Addr::new(0, 1, 2, 3);
    let asks = "wan: arp who-has 0.1.2.3 tell 192.0.2.1";
    wan(&mut f, "to the zero network", &|h| redirect(by, WAN, h, zero, 1), asks, by);
    f.ip(format!("neigh replace 0.1.2.3 lladdr {} dev wan", colons([0, 1, 2, 3])));
    let nobody = Ipv4Addr::UNSPECIFIED;
    wan(&mut f, "to nobody", &|h| redirect(by, WAN, h, nobody, 1), "nothing", by);
    wan(&mut f, "to the router", &|h| redirect(by, WAN, h, LAN, 1), "nothing", by);
    let all = Ipv4Addr::new(192, 0, 2, 255);
    wan(
        &mut f,
        "to the link's broadcast address",
        &|h| redirect(by, WAN, h, all, 1),
        "nothing",
        by,
    );
    let nowhere = Ipv4Addr::new(172, 31, 0, 1);
    let asks = "wan: arp who-has 172.31.0.1 tell 192.0.2.1";
    wan(&mut f, "to an address without a route", &|h| redirect(by, WAN, h, nowhere, 1), asks, by);
    f.ip(format!("neigh replace 172.31.0.1 lladdr {} dev wan", colons([172, 31, 0, 1])));
    let onlink = Ipv4Addr::new(10, 50, 0, 2);
    wan(
        &mut f,
        "to a host of another subnet, shared",
        &|h| redirect(by, WAN, h, onlink, 1),
        "nothing",
        onlink,
    );
    let unknown = Ipv4Addr::new(192, 0, 2, 77);
    let asks = "wan: arp who-has 192.0.2.77 tell 192.0.2.1";
    wan(&mut f, "to somebody unknown", &|h| redirect(by, WAN, h, unknown, 1), asks, by);
    f.ip(format!("neigh replace 192.0.2.77 lladdr {} dev wan", colons([192, 0, 2, 77])));
    let short = |host| {
        let quoted = Ip::new(WAN, host).icmp(0, 0, &filler(24));
        Ip::new(by, WAN).icmp_error(5, 1, better.to_bits(), &quoted, 4)
    };
    wan(&mut f, "with too little quoted", &short, "nothing", by);
    let spoiled = |host| redirect(by, WAN, host, better, 1).spoil_payload(7, 1);
    wan(&mut f, "with a wrong checksum", &spoiled, "nothing", by);
    let foreign = |host| {
        let quoted = Ip::new(LAN_HOST, host).icmp(0, 0, &filler(24));
        Ip::new(by, WAN).icmp_error(5, 1, better.to_bits(), &quoted, 8)
    };
    wan(&mut f, "about somebody else's packet", &foreign, "nothing", by);

    // A host is told twice: only the gateway that is in use may say so.
    let host = far(200);
    let ping = || Ip::new(host, WAN).echo(1, 1, b"twice");
    f.wan("a first redirect", &redirect(by, WAN, host, better, 1), "nothing");
    f.wan("is obeyed", &ping(), "wan: icmp 0/0");
    f.leads_to(better);
    f.wan("the old gateway has no more say", &redirect(by, WAN, host, WAN_HOST, 1), "nothing");
    f.wan("so nothing changes", &ping(), "wan: icmp 0/0");
    f.leads_to(better);
    f.wan("the new one has", &redirect(better, WAN, host, WAN_HOST, 1), "nothing");
    f.wan("so it changes", &ping(), "wan: icmp 0/0");
    f.leads_to(WAN_HOST);
    f.ip("route replace 10.9.0.0/16 via 192.0.2.9 proto zebra");
    f.wan("a new route has learned nothing", &ping(), "wan: icmp 0/0");
    f.leads_to(WAN_GATEWAY);
    f.wan(
        "a host on the link is not redirected",
        &redirect(by, WAN, WAN_HOST, better, 1),
        "nothing",
    );
    f.wan("but reached as ever", &Ip::new(WAN_HOST, WAN).echo(1, 1, b"link"), "wan: icmp 0/0");
    f.leads_to(WAN_HOST);

    // Not shared, and believing only gateways.
    let (dmz, gateway) = (Ipv4Addr::new(10, 61, 0, 1), DMZ_HOST);
    for (name, new, leads) in [
        ("dmz: to a host that is no gateway", [198, 51, 100, 12], gateway),
        ("dmz: to a host of another subnet", [192, 0, 2, 11], gateway),
        ("dmz: to a host that is another route's gateway", [198, 51, 100, 11], DMZ_OTHER),
    ] {
        let ping = || Ip::new(dmz, DMZ).echo(1, 1, name.as_bytes());
        f.dmz(format!("{name}: told"), &redirect(gateway, DMZ, dmz, new.into(), 1), "nothing");
        f.dmz(format!("{name}: after"), &ping(), "dmz: icmp 0/0");
        f.leads_to(leads);
    }
    // Not shared, believing all.
    let (lan, gateway) = (BEHIND_LAN, LAN_OTHER);
    for (name, new, leads) in [
        ("lan: to a host of another subnet", [192, 0, 2, 11], gateway),
        ("lan: to a host that is no gateway", [10, 1, 0, 10], LAN_HOST),
    ] {
        let ping = || Ip::new(lan, LAN).echo(1, 1, name.as_bytes());
        f.lan(format!("{name}: told"), &redirect(gateway, LAN, lan, new.into(), 1), "nothing");
        f.lan(format!("{name}: after"), &ping(), "lan: icmp 0/0");
        f.leads_to(leads);
    }
    // Where `all` says yes and the interface no.
    let host = Ipv4Addr::new(10, 62, 0, 1);
    let new = Ipv4Addr::new(203, 0, 113, 11);
    let on_vlan = |packet: &Ip| tag(&from(VLAN10_HOST, WAN_MAC, packet), 10);
    f.add("VLAN: told", "wan", on_vlan(&redirect(VLAN10_HOST, VLAN10, host, new, 1)), "nothing");
    f.add(
        "VLAN: after",
        "wan",
        on_vlan(&Ip::new(host, VLAN10).echo(1, 1, b"vlan")),
        "wan: vlan 10 icmp 0/0",
    );
    f.leads_to(if routes { VLAN10_HOST } else { new });
    f
}

const DMZ_OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 11);
