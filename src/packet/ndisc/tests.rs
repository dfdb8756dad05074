//! Messages written and read, and what RFC 4861 refuses.

use super::*;
use crate::packet::envelope::seal;

const MAC: MacAddr = MacAddr::new([2, 0x77, 0, 0, 0, 1]);

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn solicitation() -> Neighbour {
    let target = ip("fe80::1234:5678");
    Neighbour {
        src: link_local(MAC),
        dst: solicited_node(target),
        target,
        mac: Some(MAC),
        nonce: None,
        advertisement: None,
    }
}

fn every_option() -> Vec<Item> {
    vec![
        Item::Source(MAC),
        Item::Prefix(PrefixInfo {
            prefix: ip("2001:db8:1::"),
            len: 64,
            on_link: true,
            autonomous: true,
            router_address: false,
            prefers_delegation: false,
            valid: 86_400,
            preferred: 14_400,
        }),
        Item::Route(RouteInfo {
            prefix: ip("2001:db8:8000::"),
            len: 33,
            preference: Preference::High,
            lifetime: u32::MAX,
        }),
        Item::Rdnss { lifetime: 600, servers: vec![ip("2001:db8::53"), ip("fe80::53")] },
        Item::Dnssl { lifetime: 600, domains: vec!["example.org".into(), "lan".into()] },
        Item::Mtu(1400),
        Item::Nonce([1, 2, 3, 4, 5, 6]),
        Item::CaptivePortal("https://example.org/api".into()),
        Item::Pref64(Pref64 { prefix: ip("64:ff9b::"), len: 96, lifetime: 1800 }),
        Item::Flags([0x80, 0, 0, 0, 0, 0]),
    ]
}

fn advertisement() -> RouterAdvertisement {
    RouterAdvertisement {
        src: link_local(MAC),
        dst: ALL_NODES,
        hop_limit: 64,
        managed: true,
        other: false,
        home_agent: false,
        preference: Some(Preference::High),
        lifetime: 1800,
        reachable_time: 30_000,
        retrans_timer: 1000,
        items: every_option().into(),
    }
}

#[test]
fn neighbours_read_back() {
    let asked = solicitation();
    assert_eq!(Neighbour::parse(&asked.to_bytes()), Some(asked));
    let says = Advertisement { router: true, solicited: true, overrides: false };
    let told = Neighbour { dst: asked.src, advertisement: Some(says), ..asked };
    assert_eq!(Neighbour::parse(&told.to_bytes()), Some(told));
    let probe = Neighbour {
        src: Ipv6Addr::UNSPECIFIED,
        mac: None,
        nonce: Some([9, 8, 7, 6, 5, 4]),
        ..asked
    };
    assert_eq!(Neighbour::parse(&probe.to_bytes()), Some(probe));
    assert_eq!(link_local(MAC).to_string(), "fe80::77:ff:fe00:1");
    assert_eq!(solicited_node(asked.target).to_string(), "ff02::1:ff34:5678");
    assert_eq!(group_mac(asked.dst).octets(), [0x33, 0x33, 0xff, 0x34, 0x56, 0x78]);
}

/// Every option of a router advertisement, and routers' other messages. [8.71] [8.120]
#[test]
fn routers_read_back() {
    let asked = RouterSolicitation { src: link_local(MAC), dst: ALL_ROUTERS, mac: Some(MAC) };
    assert_eq!(Message::parse(&asked.to_bytes()), Ok(Message::RouterSolicitation(asked)));
    let told = advertisement();
    assert_eq!(Message::parse(&told.to_bytes()), Ok(Message::RouterAdvertisement(told)));
    let redirect = Redirect {
        src: link_local(MAC),
        dst: ip("2001:db8::2"),
        target: ip("fe80::3"),
        destination: ip("2001:db8:9::1"),
        mac: Some(MAC),
        redirected: Some(vec![0x60; 2000]),
    };
    let bytes = redirect.to_bytes();
    assert_eq!(bytes.len(), 1280);
    let cut = Redirect { redirected: Some(vec![0x60; 1184]), ..redirect };
    assert_eq!(Message::parse(&bytes), Ok(Message::Redirect(cut)));
}

/// The bytes that radvd sends for a prefix. [8.71]
#[test]
fn a_prefix_is_as_radvd_writes_it() {
    let mut bytes = Vec::new();
    every_option()[1].emit(&mut bytes);
    let want = "0304 40c0 0001 5180 0000 3840 0000 0000 2001 0db8 0001 0000 0000 0000 0000 0000";
    let hex: String = bytes.chunks(2).map(|two| format!("{:02x}{:02x} ", two[0], two[1])).collect();
    assert_eq!(hex.trim(), want);
}

#[test]
fn what_rfc_4861_refuses_is_refused_by_name() {
    let (link, target) = (link_local(MAC), ip("fe80::1234:5678"));
    let all = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &target.octets()].concat();
    let with = |options: &[u8]| [&all, options].concat();
    let told = |flags: u8| {
        let mut message = all.clone();
        (message[0], message[4]) = (136, flags);
        message
    };
    let none = Ipv6Addr::UNSPECIFIED;
    let group = solicited_node(target);
    let redirect = |target: &str, destination: &str| {
        [&[137, 0, 0, 0, 0, 0, 0, 0][..], &ip(target).octets(), &ip(destination).octets()].concat()
    };
    type Case = (Ipv6Addr, Ipv6Addr, u8, Vec<u8>, Option<Refused>);
    let cases: Vec<Case> = vec![
        (link, group, 255, all.clone(), None),
        (link, group, 254, all.clone(), Some(Refused::HopLimit)),
        (link, group, 255, [&[135, 1][..], &all[2..]].concat(), Some(Refused::Code)),
        (link, group, 255, all[..23].to_vec(), Some(Refused::Short)),
        (link, group, 255, [&all[..8], &[0xff; 16]].concat(), Some(Refused::Target)),
        (none, target, 255, all.clone(), Some(Refused::ProbeDestination)),
        (none, group, 255, all.clone(), None),
        (link, group, 255, with(&[1, 0, 2, 0, 0, 0, 0, 1]), Some(Refused::Options)),
        (link, group, 255, with(&[200, 1, 2, 0, 0, 0, 0, 1]), None),
        (link, group, 255, with(&[200, 2, 2, 0, 0, 0, 0, 1]), Some(Refused::Options)),
        (link, group, 255, with(&[1]), Some(Refused::Options)),
        (link, group, 255, with(&[&[1, 2][..], &[0; 14]].concat()), Some(Refused::LinkLayer)),
        (none, group, 255, with(&[1, 1, 2, 0, 0, 0, 0, 1]), Some(Refused::ProbeLinkLayer)),
        (link, ALL_NODES, 255, told(0x40), Some(Refused::Solicited)),
        (link, ALL_NODES, 255, told(0x20), None),
        (ip("2001:db8::1"), ALL_NODES, 255, [&[134][..], &[0; 15]].concat(), Some(Refused::Source)),
        (link, ALL_NODES, 255, [&[134][..], &[0; 14]].concat(), Some(Refused::Short)),
        (ip("2001::1"), link, 255, redirect("fe80::2", "2001::2"), Some(Refused::Source)),
        (link, link, 255, redirect("2001::1", "2001::2"), Some(Refused::RedirectTarget)),
        (link, link, 255, redirect("fe80::2", "ff02::2"), Some(Refused::Destination)),
        (link, link, 255, redirect("2001::2", "2001::2"), None),
        (none, ALL_ROUTERS, 255, vec![133, 0, 0, 0, 0, 0, 0, 0], None),
    ];
    for (src, dst, hop_limit, message, refused) in cases {
        let told = format!("{message:?}");
        let read = Message::parse(&seal(src, dst, hop_limit, message));
        assert_eq!(read.err(), refused, "{told}");
    }
}

#[test]
fn nothing_of_a_cut_or_damaged_packet_is_read() {
    let whole = advertisement().to_bytes();
    for cut in 0..whole.len() {
        assert!(Message::parse(&whole[..cut]).is_err());
        let mut wrong = whole.clone();
        wrong[cut] ^= 1;
        // The traffic class and flow label are nobody's business here.
        assert_eq!(Message::parse(&wrong).is_ok(), (0..4).contains(&cut) && wrong[0] >> 4 == 6);
    }
}

#[test]
fn no_bytes_make_it_panic_and_what_is_read_is_written_alike() {
    bolero::check!().for_each(|bytes: &[u8]| {
        fuzz::messages(bytes);
    });
}
