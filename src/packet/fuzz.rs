//! What must hold of any bytes that are read as a packet; shared by tests and by `fuzz/`.

use super::arp::{ArpSpec, ArpView};
use super::ethernet::EthernetView;
use super::icmp4::{self, Icmp4View};
use super::ipv4::{Compiled, Ipv4Spec, Ipv4View, Router, protocol};
use super::ipv6::Ipv6View;
use super::tcp::TcpView;
use super::udp::UdpView;
use super::{checksum, flow_hash, flow_hash6, icmp6, vlan};

mod six;
pub use six::chain;

/// Reads bytes as a frame, and as what stands at each layer of one.
pub fn frame(bytes: &[u8]) {
    if let Ok(view) = EthernetView::new_checked(bytes) {
        assert_eq!(view.payload().len() + super::ethernet::HEADER_LEN, bytes.len());
        let _ = (view.dst(), view.src(), view.is_802_3());
    }
    if let Ok(peeled) = vlan::peel(bytes) {
        assert_eq!(peeled.payload, &bytes[peeled.offset..]);
        assert_eq!(peeled.offset, 14 + 4 * peeled.tags().len());
        network(peeled.payload);
    }
    network(bytes);
}

/// Reads bytes as options of a packet that this router receives, forwards and answers.
///
/// The first four bytes say how the router is: an address of its own, which the rest may name. Of the
/// rest, up to 40 bytes are options.
pub fn options(bytes: &[u8]) {
    let Some((&own, rest)) = bytes.split_first_chunk::<4>() else { return };
    let options = &rest[..rest.len().min(40)];
    let router = Told { own: own.into() };
    let spec = Ipv4Spec {
        tos: 0,
        id: 1,
        fragment_word: 0,
        ttl: 64,
        protocol: protocol::UDP,
        src: [10, 0, 0, 1].into(),
        dst: own.into(),
        options,
        payload_len: 8,
    };
    // What stands behind the header is not the header's to write.
    let mut given = [0xa5; super::ipv4::MAX_HEADER_LEN + 8];
    let len = spec.emit(&mut given).unwrap_or_default();
    let mut packet = given;
    let (mut compiled, sound) = Compiled::new(&mut packet[..len], &router);
    assert_eq!(Compiled::from_bits(compiled.to_bits()), compiled);
    assert_eq!(packet[..20], given[..20], "receiving writes options alone");
    assert_eq!(packet[len..], given[len..]);
    if let Some(pointer) = sound.err() {
        assert!((20..len).contains(&usize::from(pointer)), "pointer {pointer} of {len}");
    }
    answer(&compiled, &packet[..len], &router);
    if sound.is_err() {
        return;
    }
    // A second router finds what the first one left as sound as it was.
    let shape = |header: &[u8]| -> Vec<_> {
        let view = Ipv4View::new_quoted(header).expect("a header");
        view.options().map(|item| item.map(|found| (found.kind, found.bytes.len()))).collect()
    };
    assert_eq!(shape(&packet[..len]), shape(&given[..len]), "lengths are kept");
    for place in compiled.unvisited(&packet[..len]) {
        match place {
            Ok((_, address)) if address == router.own => {
                compiled.pass_through(&mut packet[..len], address);
            }
            Ok((slot, _)) => {
                compiled.reroute(slot);
                break;
            }
            Err(pointer) => {
                assert!((20..len).contains(&usize::from(pointer)));
                return;
            }
        }
    }
    compiled.forward(&mut packet[..len], |_| [192, 0, 2, 1].into());
    assert!(checksum::ipv4_header(&packet[..len]), "the checksum is right");
    assert_eq!(packet[len..], given[len..]);
    assert_eq!(packet[..10], given[..10]);
    assert_eq!(packet[12..16], given[12..16]);
    assert_eq!(shape(&packet[..len]), shape(&given[..len]));
    answer(&compiled, &packet[..len], &router);
}

/// The answer's options fit, come in whole words, and are sound for the one who gets them.
fn answer(compiled: &Compiled, header: &[u8], router: &Told) {
    let Some(mut echo) = compiled.echo(header, router) else { return };
    let len = echo.len();
    assert!(len + 20 <= header.len() && len.is_multiple_of(4), "{len} of {}", header.len());
    let first = echo.first_hop();
    let options = echo.finish(router.own, [10, 0, 0, 1].into(), 7);
    assert_eq!(options.len(), len);
    assert!(first.is_none() || options.iter().any(|byte| matches!(byte, 131 | 137)));
    for item in super::ipv4::Options::new(options) {
        assert!(item.is_ok(), "{options:?}");
    }
}

/// A router that has one address.
struct Told {
    own: std::net::Ipv4Addr,
}

impl Router for Told {
    fn own_address(&self) -> std::net::Ipv4Addr {
        self.own
    }

    fn is_elsewhere(&self, address: std::net::Ipv4Addr) -> bool {
        address != self.own
    }

    fn time(&self) -> u32 {
        0x0102_0304
    }
}

/// Reads bytes as what stands over a link header.
fn network(bytes: &[u8]) {
    flow_hash(bytes, 1);
    flow_hash6(bytes, 1);
    icmp6::may_be_answered_by_error(bytes);
    if let Ok(view) = Ipv6View::new_checked(bytes) {
        let upper = view.upper_layer();
        let rest = upper.and_then(|upper| view.payload().get(upper.offset..)).unwrap_or_default();
        let (src, dst) = (view.src(), view.dst());
        let _ = UdpView::new_checked(rest).is_ok_and(|udp| udp.checksum_holds6(src, dst));
        let _ = TcpView::new_checked(rest).is_ok_and(|tcp| tcp.checksum_holds6(src, dst));
        if let Ok(message) = icmp6::Icmp6View::new_checked(rest) {
            let _ = (message.quoted().map(|inner| inner.upper_layer()), message.word());
            let _ = icmp6::name(message.ty(), message.code());
        }
    }
    if let Ok(view) = ArpView::new_checked(bytes) {
        let spec = ArpSpec {
            operation: view.operation(),
            sender_mac: view.sender_mac(),
            sender_ip: view.sender_ip(),
            target_mac: view.target_mac(),
            target_ip: view.target_ip(),
        };
        // The hardware type has two spellings, all else is the same again.
        assert_eq!(spec.to_bytes()[2..], bytes[2..super::arp::PACKET_LEN]);
    }
    if let Ok(view) = Ipv4View::new_quoted(bytes) {
        assert_eq!(view.header().len(), usize::from(view.ihl()) * 4);
        quoted(&view);
    }
    if let Ok(view) = Ipv4View::new_checked(bytes) {
        assert_eq!(view.header_len() + view.payload().len(), usize::from(view.total_len()));
        written_again(&view);
        transport(&view);
        if view.ttl() > 0 && view.checksum_holds() {
            let mut lowered = bytes[..view.header_len()].to_vec();
            let at = super::ipv4::field::TTL;
            let word = [lowered[at], lowered[at + 1], lowered[at + 2], lowered[at + 3]];
            lowered[at..at + 4].copy_from_slice(&checksum::ttl_decremented(word));
            assert!(checksum::ipv4_header(&lowered));
            assert_eq!(lowered[at], view.ttl() - 1);
        }
    }
}

/// Walks the options, which must cover their bytes up to a bad one.
fn quoted(view: &Ipv4View<'_>) {
    let mut at = super::ipv4::HEADER_LEN;
    for item in view.options() {
        match item {
            Ok(option) => {
                assert_eq!(usize::from(option.offset), at);
                let _ = (option.data(), super::ipv4::option::name(option.kind));
                at += option.bytes.len();
            }
            Err(bad) => {
                assert_eq!(usize::from(bad.offset), at);
                assert!(at < view.header_len());
                return;
            }
        }
    }
    assert_eq!(at, view.header_len());
}

/// A header written from what was read of it is the same, but for its checksum.
fn written_again(view: &Ipv4View<'_>) {
    let spec = Ipv4Spec {
        tos: view.tos(),
        id: view.id(),
        fragment_word: view.fragment_word(),
        ttl: view.ttl(),
        protocol: view.protocol(),
        src: view.src(),
        dst: view.dst(),
        options: view.option_bytes(),
        payload_len: view.payload().len(),
    };
    let mut header = [0; super::ipv4::MAX_HEADER_LEN];
    let len = spec.emit(&mut header);
    assert_eq!(len, Ok(view.header_len()));
    assert_eq!(header[..10], view.header()[..10]);
    assert_eq!(header[12..view.header_len()], view.header()[12..]);
    assert!(checksum::ipv4_header(&header[..view.header_len()]));
}

/// Reads the payload as each transport, whatever the protocol says.
fn transport(ip: &Ipv4View<'_>) {
    let _ = protocol::name(ip.protocol());
    if let Ok(udp) = UdpView::new_checked(ip.payload()) {
        assert_eq!(udp.payload().len() + 8, usize::from(udp.len()));
        udp.checksum_holds(ip.src(), ip.dst());
    }
    if let Ok(tcp) = TcpView::new_checked(ip.payload()) {
        let options = tcp.option_bytes().len();
        assert_eq!(20 + options, tcp.header_len());
        assert_eq!(tcp.header_len() + tcp.payload().len(), ip.payload().len());
        tcp.checksum_holds(ip.src(), ip.dst());
        tcp.mss();
    }
    if let Ok(icmp) = Icmp4View::new_checked(ip.payload()) {
        let _ = (icmp.checksum_holds(), icmp4::name(icmp.ty(), icmp.code()));
        if let Ok(inner) = icmp.quoted() {
            quoted(&inner);
            transport(&inner);
        }
        let mut message = ip.payload().to_vec();
        icmp4::echo_reply_in_place(&mut message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::icmp4::ErrorKind;
    use crate::packet::vlan::Tag;
    use crate::packet::{FrameBuilder, MacAddr};
    use std::net::Ipv4Addr;
    use std::time::Duration;

    /// One sound frame of every kind.
    fn sound() -> Vec<Vec<u8>> {
        let base = FrameBuilder::new();
        let inner = base.clone().udp(1, 2).options(&[7, 7, 4, 0, 0, 0, 0]).build();
        let ip = Ipv4Addr::new(10, 0, 0, 1);
        let six = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        let mut syn = vec![0; 24];
        syn[12] = 6 << 4;
        syn[20..].copy_from_slice(&[2, 4, 5, 0xb4]);
        [
            base.clone().udp(1, 2).payload_len(30),
            base.clone().tcp(1, 2, 2).payload_len(30),
            base.clone().protocol(6).payload(&syn),
            base.clone().echo_request(1, 2).payload_len(56),
            base.clone().icmp_error(ErrorKind::TimeExceeded { code: 0 }).payload(&inner[14..]),
            base.clone().options(&[1, 131, 7, 4, 10, 0, 0, 1, 68, 8, 5, 0]).udp(1, 2),
            base.clone().more_fragments().payload_len(64),
            base.clone().ipv6(six, six).udp(1, 2).payload_len(30),
            base.clone().ipv6(six, six).hop_by_hop(&[5, 2, 0, 0]).echo_request(1, 2),
            base.clone().ipv6(six, six).fragment(1, 0, true).tcp(1, 2, 2),
            base.clone().vlan(Tag::dot1ad(3)).vlan(Tag::dot1q(4)).udp(1, 2),
            base.arp(ArpSpec::request(MacAddr([2; 6]), ip, ip)),
        ]
        .iter()
        .map(|builder| builder.clone().padded().build())
        .collect()
    }

    #[test]
    fn sound_frames_keep_every_promise() {
        for bytes in sound() {
            for len in 0..=bytes.len() {
                frame(&bytes[..len]);
            }
        }
    }

    #[test]
    #[ignore = "writes fuzz/seeds/frame anew"]
    fn seeds_are_written() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/frame");
        std::fs::create_dir_all(dir).unwrap();
        for (at, bytes) in sound().iter().enumerate() {
            std::fs::write(format!("{dir}/{at:02}"), bytes).unwrap();
        }
    }

    #[test]
    fn damaged_frames_keep_every_promise() {
        let sound = sound();
        bolero::check!()
            .with_type::<(u8, u16, Vec<(u8, u8)>)>()
            .with_test_time(Duration::from_secs(2))
            .for_each(|(which, cut, changes)| {
                let mut bytes = sound[usize::from(*which) % sound.len()].clone();
                for (place, value) in changes.iter().take(6) {
                    let place = usize::from(*place) % bytes.len();
                    bytes[place] = *value;
                }
                bytes.truncate(usize::from(*cut).max(20));
                frame(&bytes);
            });
    }

    /// Option lists that a router deals with in each of its ways, each with the router's address.
    fn option_lists() -> Vec<Vec<u8>> {
        let own = [10, 0, 0, 2];
        [
            &[7, 15, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &[68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            &[68, 20, 5, 3, 10, 0, 0, 2, 0, 0, 0, 0, 10, 0, 0, 2, 0, 0, 0, 0],
            &[68, 8, 9, 0xe0, 0, 0, 0, 0],
            &[1, 131, 11, 4, 10, 0, 0, 2, 198, 51, 100, 7],
            &[1, 137, 11, 12, 10, 0, 0, 1, 198, 51, 100, 7],
            &[148, 4, 0, 0, 136, 4, 1, 2, 130, 3, 0, 0, 9, 9],
            &[134, 10, 0, 0, 0, 1, 1, 4, 0, 0],
            &[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 68, 8, 5, 0, 0, 0, 0, 0, 131, 7, 4, 9, 9, 9, 9],
        ]
        .map(|list| [&own[..], list].concat())
        .to_vec()
    }

    #[test]
    fn sound_options_keep_every_promise() {
        for list in option_lists() {
            for len in 0..=list.len() {
                options(&list[..len]);
            }
        }
    }

    #[test]
    fn damaged_options_keep_every_promise() {
        let lists = option_lists();
        bolero::check!()
            .with_type::<(u8, Vec<(u8, u8)>)>()
            .with_test_time(Duration::from_secs(2))
            .for_each(|(which, changes)| {
                let mut list = lists[usize::from(*which) % lists.len()].clone();
                for (place, value) in changes.iter().take(6) {
                    let place = usize::from(*place) % list.len();
                    list[place] = *value;
                }
                options(&list);
            });
    }

    #[test]
    fn options_of_chance_keep_every_promise() {
        bolero::check!().for_each(options);
    }

    #[test]
    #[ignore = "writes fuzz/seeds/options anew"]
    fn option_seeds_are_written() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/options");
        std::fs::create_dir_all(dir).unwrap();
        for (at, bytes) in option_lists().iter().enumerate() {
            std::fs::write(format!("{dir}/{at:02}"), bytes).unwrap();
        }
    }

    #[test]
    fn bytes_of_chance_keep_every_promise() {
        bolero::check!().for_each(frame);
    }
}
