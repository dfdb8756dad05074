//! What must hold of any bytes that are read as a packet; shared by tests and by `fuzz/`.

use super::arp::{ArpSpec, ArpView};
use super::ethernet::EthernetView;
use super::icmp4::{self, Icmp4View};
use super::ipv4::{Ipv4Spec, Ipv4View, protocol};
use super::tcp::TcpView;
use super::udp::UdpView;
use super::{checksum, flow_hash, vlan};

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

/// Reads bytes as what stands over a link header.
fn network(bytes: &[u8]) {
    flow_hash(bytes, 1);
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

    #[test]
    fn bytes_of_chance_keep_every_promise() {
        bolero::check!().for_each(frame);
    }
}
