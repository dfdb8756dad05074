//! IPv4 headers that lie: [4.1], [4.2], [4.5], [4.13] to [4.16].

use super::Family;
use crate::common::frame::{ICMP, IPV4, Ip, ether, filler, pad};
use crate::topology::{LAN, LAN_HOST, LAN_MAC, WAN_HOST, mac_of};

pub(crate) fn family() -> Family {
    let mut f = Family::new("header");
    let there = || Ip::new(LAN_HOST, WAN_HOST).udp(1, 2, &filler(60));
    for version in (0..16).filter(|version| *version != 4) {
        f.lan(format!("version {version}"), &there().version(version), "nothing");
    }
    for words in 0..5 {
        f.lan(format!("header of {words} words"), &there().ihl(words), "nothing");
    }
    // No-operation options, so that only the length can be wrong.
    let padded = || Ip::new(LAN_HOST, WAN_HOST).raw(253, &[1; 48]);
    for words in 6..16 {
        f.lan(
            format!("header of {words} words, all no-operation"),
            &padded().ihl(words),
            "wan: proto 253",
        );
    }
    for words in [6, 10, 15] {
        let bare = Ip::new(LAN_HOST, WAN_HOST).raw(253, &[]).ihl(words);
        f.lan(format!("header of {words} words in a packet of 20 bytes"), &bare, "nothing");
        let bare = ether(LAN_MAC, mac_of(LAN_HOST), IPV4, &bare.bytes());
        f.add(
            format!("header of {words} words in a frame that ends after 5"),
            "lan",
            bare,
            "nothing",
        );
    }
    for bits in [0x0001, 0x0080, 0x0100, 0x8000, 0xffff] {
        f.lan(
            format!("header checksum with bits {bits:#06x} flipped"),
            &there().spoil_checksum(bits),
            "nothing",
        );
        f.lan(
            format!("header checksum with bits {bits:#06x} flipped, to the router"),
            &Ip::new(LAN_HOST, LAN).echo(1, 1, b"x").spoil_checksum(bits),
            "nothing",
        );
    }
    f.lan("header checksum wrong and TTL 1", &there().ttl(1).spoil_checksum(1), "nothing");
    f.lan(
        "header checksum wrong in an option",
        &Ip::new(LAN_HOST, WAN_HOST).options(&[1, 1, 1, 1]).udp(1, 2, b"").spoil_checksum(0x0100),
        "nothing",
    );

    let len = there().bytes().len() as u16;
    for (name, claim, expect) in [
        ("0", 0, "nothing"),
        ("1", 1, "nothing"),
        ("19", 19, "nothing"),
        ("20, which is the header alone", 20, "wan: udp"),
        ("21", 21, "wan: udp"),
        ("one less than there is", len - 1, "wan: udp"),
        ("one more than there is", len + 1, "nothing"),
        ("more than any frame has", 1501, "nothing"),
        ("65535", u16::MAX, "nothing"),
    ] {
        f.lan(format!("total length {name}"), &there().total_len(claim), expect);
        f.lan(
            format!("total length {name}, TTL 1"),
            &there().ttl(1).total_len(claim),
            expect.replace("wan: udp", "lan: icmp 11/0"),
        );
    }
    f.lan(
        "total length less than a header of 15 words",
        &padded().ihl(15).total_len(59),
        "nothing",
    );
    f.lan(
        "total length equal to a header of 15 words",
        &padded().ihl(15).total_len(60),
        "wan: proto 253",
    );

    let whole = ether(
        LAN_MAC,
        mac_of(LAN_HOST),
        IPV4,
        &Ip::new(LAN_HOST, WAN_HOST).udp(1, 2, &filler(12)).bytes(),
    );
    for len in 14..whole.len() {
        f.add(format!("frame cut to {len} bytes"), "lan", whole[..len].to_vec(), "nothing");
    }
    let ping = ether(
        LAN_MAC,
        mac_of(LAN_HOST),
        IPV4,
        &Ip::new(LAN_HOST, LAN).echo(1, 1, &filler(12)).bytes(),
    );
    for len in (34..ping.len()).step_by(3) {
        f.add(format!("ping cut to {len} bytes"), "lan", ping[..len].to_vec(), "nothing");
    }
    let zeroes = ether(LAN_MAC, mac_of(LAN_HOST), IPV4, &[0; 46]);
    f.add("zeroes", "lan", zeroes, "nothing");
    let ones = ether(LAN_MAC, mac_of(LAN_HOST), IPV4, &[0xff; 46]);
    f.add("ones", "lan", ones, "nothing");
    f.add(
        "header and nothing, ping",
        "lan",
        pad(
            ether(LAN_MAC, mac_of(LAN_HOST), IPV4, &Ip::new(LAN_HOST, LAN).raw(ICMP, &[]).bytes()),
            60,
        ),
        "nothing",
    );
    f
}
