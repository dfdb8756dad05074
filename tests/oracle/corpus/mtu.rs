//! Packets larger than the way out: [1.7], [3.37], [3.44], [4.92] to [4.100], [4.121].

use super::Family;
use crate::common::frame::{DF, Ip, MF, RESERVED, filler};
use crate::topology::{DMZ, DMZ_HOST, FAR_HOST, LAN_HOST, VLAN10_HOST, WAN_HOST};

/// The dmz takes 1400 bytes, one route 1300.
pub(crate) fn family() -> Family {
    let mut f = Family::new("mtu");
    let there = || Ip::new(LAN_HOST, DMZ_HOST);
    for total in [1399, 1400] {
        f.lan(
            format!("{total} bytes fit"),
            &there().raw(253, &filler(total - 20)),
            "dmz: proto 253",
        );
        f.lan(
            format!("{total} bytes with DF fit"),
            &there().flags(DF).raw(253, &filler(total - 20)),
            "dmz: proto 253",
        );
    }
    for total in [1401, 1402, 1403, 1404, 1405, 1407, 1408, 1409, 1450, 1499, 1500] {
        let (first, rest) = (1376, total - 20 - 1376);
        let packet = there().raw(253, &filler(total - 20));
        f.lan(
            format!("{total} bytes are cut in two"),
            &packet,
            format!("dmz: frag 0+{first} more, frag {first}+{rest}"),
        );
        f.lan(
            format!("{total} bytes with DF are refused"),
            &packet.flags(DF),
            "lan: icmp 3/4 mtu 1400",
        );
    }
    let big = || there().udp(1000, 2000, &filler(1472));
    let cut = "dmz: frag 0+1376 more, frag 1376+104";
    f.lan("UDP is cut in two", &big(), cut);
    f.lan("TOS is on both pieces", &big().tos(0xb9), cut);
    f.lan("TTL is taken off once", &big().ttl(2), cut);
    f.lan("identification 0 is kept", &big().id(0), cut);
    f.lan("reserved flag and too big", &big().flags(RESERVED), cut);
    f.lan("reserved flag, DF and too big", &big().flags(RESERVED | DF), "lan: icmp 3/4 mtu 1400");
    f.lan(
        "TCP with DF is refused",
        &there().flags(DF).tcp((1, 2), 1, 1, 16, &filler(1460)),
        "lan: icmp 3/4 mtu 1400",
    );
    f.lan(
        "echo request with DF is refused",
        &there().flags(DF).echo(1, 1, &filler(1472)),
        "lan: icmp 3/4 mtu 1400",
    );
    let quoted = Ip::new(DMZ_HOST, LAN_HOST).udp(1, 2, &filler(1500));
    f.lan(
        "ICMP error with DF is dropped without a word",
        &there().flags(DF).icmp_error(3, 3, 0, &quoted, 1400),
        "nothing",
    );
    f.lan(
        "ICMP error without DF is cut in two",
        &there().icmp_error(3, 3, 0, &quoted, 1400),
        "dmz: frag 0+1376 more, frag 1376+52",
    );
    f.lan("TTL 1 comes before too big", &big().flags(DF).ttl(1), "lan: icmp 11/0");
    f.lan("refused with TOS 0x5e", &big().flags(DF).tos(0x5e), "lan: icmp 3/4 mtu 1400");
    f.wan(
        "refused to the wan",
        &Ip::new(WAN_HOST, DMZ_HOST).flags(DF).udp(1, 2, &filler(1472)),
        "wan: icmp 3/4 mtu 1400",
    );
    f.wan(
        "refused to one behind the gateway",
        &Ip::new(FAR_HOST, DMZ_HOST).flags(DF).udp(1, 2, &filler(1472)),
        "wan: icmp 3/4 mtu 1400",
    );
    f.lan(
        "refused to a source on another port",
        &Ip::new(VLAN10_HOST, DMZ_HOST).flags(DF).udp(1, 2, &filler(1472)),
        "wan: vlan 10 icmp 3/4 mtu 1400",
    );

    let piece = || there().raw(17, &filler(1480));
    f.lan(
        "first fragment is cut again, both with more to come",
        &piece().flags(MF),
        "dmz: frag 0+1376 more, frag 1376+104 more",
    );
    f.lan(
        "middle fragment is cut again",
        &piece().flags(MF).offset(1480),
        "dmz: frag 1480+1376 more, frag 2856+104 more",
    );
    f.lan(
        "last fragment is cut again",
        &piece().offset(2960),
        "dmz: frag 2960+1376 more, frag 4336+104",
    );
    f.lan("first fragment with DF is refused", &piece().flags(MF | DF), "lan: icmp 3/4 mtu 1400");
    f.lan(
        "later fragment with DF is dropped without a word",
        &piece().flags(DF).offset(1480),
        "nothing",
    );

    let routed = || Ip::new(LAN_HOST, [10, 30, 0, 1].into());
    f.lan("route of 1300: 1300 bytes fit", &routed().raw(253, &filler(1280)), "wan: proto 253");
    f.lan(
        "route of 1300: 1300 bytes with DF fit",
        &routed().flags(DF).raw(253, &filler(1280)),
        "wan: proto 253",
    );
    f.lan(
        "route of 1300: 1301 bytes are cut in two",
        &routed().raw(253, &filler(1281)),
        "wan: frag 0+1280 more, frag 1280+1",
    );
    f.lan(
        "route of 1300: 1301 bytes with DF are refused",
        &routed().flags(DF).raw(253, &filler(1281)),
        "lan: icmp 3/4 mtu 1300",
    );
    f.lan(
        "route of 1300: 1500 bytes are cut in two",
        &routed().raw(253, &filler(1480)),
        "wan: frag 0+1280 more, frag 1280+200",
    );

    f.dmz(
        "from the small side nothing is too big",
        &Ip::new(DMZ_HOST, LAN_HOST).flags(DF).udp(1, 2, &filler(1372)),
        "lan: udp",
    );
    f.dmz(
        "a port takes in what it could not send out",
        &Ip::new(DMZ_HOST, LAN_HOST).udp(1, 2, &filler(1472)),
        "lan: udp",
    );
    f.lan(
        "1500 bytes into a VLAN",
        &Ip::new(LAN_HOST, VLAN10_HOST).flags(DF).udp(1, 2, &filler(1472)),
        "wan: vlan 10 udp",
    );
    f
}

/// The dmz takes only `mtu` bytes; 68 is the least there is.
pub(crate) fn small(name: &'static str, mtu: u16) -> Family {
    let mut f = Family::new(name);
    f.topology = f.topology.port("dmz", |port| port.mtu = mtu);
    let room = usize::from(mtu) - 20;
    let step = room / 8 * 8;
    let mut lengths =
        vec![step - 20, step, room, room + 1, step + 8, 2 * step, 2 * step + 1, 3 * step, 1480];
    lengths.sort_unstable();
    lengths.dedup();
    for len in lengths {
        let packet = Ip::new(LAN_HOST, DMZ_HOST).raw(253, &filler(len));
        let (cut, refused) = if len <= room {
            ("dmz: proto 253".to_owned(), "dmz: proto 253".to_owned())
        } else {
            (format!("dmz: {}", pieces(len, mtu)), format!("lan: icmp 3/4 mtu {mtu}"))
        };
        f.lan(format!("{len} bytes and a header"), &packet, cut);
        f.lan(format!("{len} bytes and a header with DF"), &packet.flags(DF), refused);
    }
    let error = Ip::new(DMZ_HOST, LAN_HOST).ttl(1).udp(1, 2, &filler(32));
    f.dmz("an error of the router's own quotes only what fits", &error, "dmz: icmp 11/0");
    let ping = Ip::new(DMZ_HOST, DMZ).echo(1, 1, &filler(600));
    f.dmz(
        "an answer of the router's own is cut as well",
        &ping,
        format!("dmz: {}", pieces(608, mtu)),
    );
    f
}

/// What `len` bytes become on a link of `mtu`: whole eights, but the last may fill it.
fn pieces(len: usize, mtu: u16) -> String {
    let room = usize::from(mtu) - 20;
    let mut at = 0;
    let mut words = Vec::new();
    while len - at > room {
        let step = room / 8 * 8;
        words.push(format!("frag {at}+{step} more"));
        at += step;
    }
    words.push(format!("frag {at}+{}", len - at));
    words.join(", ")
}
