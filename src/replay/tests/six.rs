//! IPv6 from receive to transmit.

use std::net::Ipv6Addr;

use super::{fragments::Lab, *};
use crate::{
    packet::{
        icmp6::{Icmp6Spec, Icmp6View, ty},
        ipv6::Ipv6View,
        ndisc::link_local,
    },
    port::table::IfaceAddr6,
    route::spec::NextHopSpec,
};

/// What leaves when a frame comes by the lan: port, and the IPv6 packet.
fn after(lab: &mut Lab, frame: &[u8]) -> Vec<(usize, Vec<u8>)> {
    lab.give(frame);
    lab.take().into_iter().map(|(port, _, frame)| (port, frame[14..].to_vec())).collect()
}

fn lab(machine: &Machine) -> Lab {
    let mut lab = Lab::new(machine, 1, "");
    let router = lab.router();
    for (name, address) in
        [("lan", "2001:db8:a::1/64"), ("wan", "2001:db8:b::1/64"), ("trunk", "2001:db8:c::1/64")]
    {
        router.add_address6(name, IfaceAddr6::permanent(address.parse().unwrap())).unwrap();
    }
    for (dst, via) in [("2001:db8:1000::/36", "2001:db8:b::9"), ("2001:db8:2000::/36", "fe80::9")] {
        let hop = NextHopSpec {
            via: Some(via.parse().unwrap()),
            dev: Some(if via.starts_with("fe80") { "trunk" } else { "wan" }.into()),
            weight: 1,
            onlink: false,
        };
        let dst: ipnet::Ipv6Net = dst.parse().unwrap();
        router.route(Verb::Add, &RouteSpec::through(dst, hop)).unwrap();
    }
    router.commit();
    lab
}

const HOST: &str = "2001:db8:a::7";

fn to(dst: &str) -> FrameBuilder {
    FrameBuilder::new().ipv6(HOST.parse().unwrap(), dst.parse().unwrap()).udp(1000, 2000)
}

/// Type and code of the ICMPv6 message that comes back by the lan.
fn error(sent: &[(usize, Vec<u8>)]) -> (u8, u8, u32) {
    let [(0, bytes)] = sent else { panic!("{sent:x?}") };
    let ip = Ipv6View::new_checked(bytes).unwrap();
    let message = Icmp6View::new_checked(ip.payload()).unwrap();
    assert!(message.checksum_holds(ip.src(), ip.dst()));
    assert_eq!(ip.dst().to_string(), HOST);
    (message.ty(), message.code(), message.word())
}

#[test]
fn packets_go_their_way_and_senders_hear_why_not() {
    let machine = machine_for(&world());
    let mut lab = lab(&machine);
    for (dst, port) in [("2001:db8:1fff::1", 1), ("2001:db8:2fff::1", 2), ("2001:db8:b::77", 1)] {
        let sent = after(&mut lab, &to(dst).ttl(9).payload_len(64).build());
        let [(out, bytes)] = &sent[..] else { panic!("{dst}: {sent:x?}") };
        let ip = Ipv6View::new_checked(bytes).unwrap();
        assert_eq!((*out, ip.hop_limit(), ip.dst().to_string()), (port, 8, dst.to_owned()));
    }
    let spent = after(&mut lab, &to("2001:db8:1fff::1").ttl(1).build());
    assert_eq!(error(&spent), (ty::TIME_EXCEEDED, 0, 0));
    let lost = after(&mut lab, &to("2001:db8:f000::1").build());
    assert_eq!(error(&lost), (ty::UNREACHABLE, 0, 0));
    let large = after(&mut lab, &to("2001:db8:2000::1").payload_len(1400).build());
    assert_eq!(error(&large), (ty::PACKET_TOO_BIG, 0, 1400));
    let closed = after(&mut lab, &to("2001:db8:b::1").build());
    assert_eq!(error(&closed), (ty::UNREACHABLE, 4, 0));
    let echo = |dst: Ipv6Addr| {
        let spec = Icmp6Spec::echo(false, 1, 2);
        FrameBuilder::new().ipv6(HOST.parse().unwrap(), dst).icmp6(spec).payload(b"ping").build()
    };
    let own = link_local(MacAddr::new([2, 0, 0, 0, 0, 2]));
    for dst in ["2001:db8:a::1".parse().unwrap(), "2001:db8:c::1".parse().unwrap(), own] {
        let (kind, _, word) = error(&after(&mut lab, &echo(dst)));
        assert_eq!((kind, word), (ty::ECHO_REPLY, 1 << 16 | 2), "{dst}");
    }
    let link_local = FrameBuilder::new()
        .ipv6("fe80::7".parse().unwrap(), "2001:db8:1000::1".parse().unwrap())
        .udp(1, 2);
    let [(0, bytes)] = &after(&mut lab, &link_local.build())[..] else { panic!() };
    assert_eq!(
        Icmp6View::new_checked(&bytes[40..]).map(|error| (error.ty(), error.code())),
        Ok((1, 2))
    );
    lab.finish();
}
