//! What must hold of any bytes that are read as an IPv6 packet with a chain of extension headers.

use std::net::Ipv6Addr;

use crate::packet::ipv6::option::{self, Limits, Place, Verdict, ty};
use crate::packet::ipv6::routing::RoutingView;
use crate::packet::ipv6::{
    self, Ipv6Spec, Ipv6View, extension, field, fragment::FragmentHeader, next_header,
};
use crate::packet::{FrameBuilder, flow_hash6, icmp6};

/// Reads bytes as what stands behind an IPv6 header; the first one says which header comes first,
/// the second one which limits the node has and whether the packet goes to a group.
pub fn chain(bytes: &[u8]) {
    let Some((&[number, node], payload)) = bytes.split_first_chunk() else { return };
    let payload = payload.get(..4096).unwrap_or(payload);
    let group = Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0, 9);
    let dst = if node & 1 == 0 { Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2) } else { group };
    let spec = Ipv6Spec {
        traffic_class: node,
        flow_label: u32::from(node) << 12,
        payload_len: payload.len(),
        next_header: number,
        hop_limit: 64,
        src: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
        dst,
    };
    let packet = [&spec.to_bytes()[..], payload].concat();
    let limits = Limits { count: i32::from(node as i8 >> 1), len: i32::from(node) << 4 };
    let view = Ipv6View::new_checked(&packet).expect("a packet that was just written");
    assert_eq!((view.payload(), view.next_header()), (payload, number));
    walked(&view, &packet, limits);
    written_again(&view, &packet);
    icmp6::may_be_answered_by_error(&packet);
    let mut back = packet.clone();
    back[field::SRC].copy_from_slice(&packet[field::DST]);
    back[field::DST].copy_from_slice(&packet[field::SRC]);
    // Without ports both directions are the same packet.
    if view.upper_layer().is_none_or(|upper| upper.offset + 4 > payload.len()) {
        assert_eq!(flow_hash6(&packet, 1), flow_hash6(&back, 1));
    }
}

/// Every header of the chain stands behind the one before, and says what its type lets it say.
fn walked(view: &Ipv6View<'_>, packet: &[u8], limits: Limits) {
    let (mut at, mut named_at) = (0, field::NEXT_HEADER);
    for header in view.chain() {
        assert_eq!((header.offset, header.named_at), (at, named_at));
        assert_eq!(packet[named_at], header.number);
        let place = ipv6::HEADER_LEN + at;
        assert_eq!(packet[place..place + header.bytes.len()], *header.bytes);
        assert!(header.bytes.len().is_multiple_of(4) && header.bytes.len() >= 8);
        match header.number {
            next_header::HOP_BY_HOP => {
                options(packet, place, header.bytes, Place::HopByHop, limits)
            }
            next_header::DESTINATION => {
                options(packet, place, header.bytes, Place::Destination, limits);
            }
            next_header::ROUTING => routing(header.bytes),
            next_header::FRAGMENT => {
                let read = FragmentHeader::read(header.bytes).expect("eight bytes");
                assert_eq!(FragmentHeader::read(&read.to_bytes()), Ok(read));
            }
            _ => {}
        }
        (at, named_at) = (at + header.bytes.len(), place);
    }
    if let Some(upper) = view.upper_layer() {
        assert!(upper.is_later_fragment() || !extension::is_extension(upper.number));
    }
}

/// Reads a header of options under the limits and without any.
fn options(packet: &[u8], at: usize, bytes: &[u8], place: Place, limits: Limits) {
    let free = Limits { count: i32::MAX, len: i32::MAX };
    let verdict = option::walk(packet, at, place, free);
    match verdict {
        Verdict::Accept(taken) => {
            assert_eq!((taken.len, taken.next_header), (bytes.len(), bytes[0]));
            assert!(plainly_padded(&bytes[2..]));
        }
        Verdict::Problem { code, pointer } => {
            assert!(code == 0 || code == 2);
            // A jumbo payload is pointed at, a byte of it at most two further.
            assert!((at + 2..at + bytes.len()).contains(&pointer));
        }
        Verdict::Discard(_) => {}
    }
    // Limits only ever take away.
    let strict = option::walk(packet, at, place, limits);
    assert!(strict == verdict || matches!(strict, Verdict::Discard(_)) || limits.count < 0);
    for kind in [ty::ROUTER_ALERT, ty::HOME_ADDRESS] {
        if let Some(found) = option::find(packet, at, kind) {
            assert_eq!(packet[found], kind);
        }
    }
    option::home_address(packet, at);
}

/// RFC 8200 section 4.2 read aloud: options follow each other, padding is short and empty.
fn plainly_padded(mut rest: &[u8]) -> bool {
    let mut padding = 0;
    while let Some(&kind) = rest.first() {
        let len = if kind == ty::PAD1 { 1 } else { usize::from(rest[1]) + 2 };
        let (option, after) = rest.split_at(len);
        match kind {
            ty::PAD1 => padding += 1,
            ty::PADN if option[2..].iter().all(|byte| *byte == 0) => padding += len,
            ty::PADN => return false,
            _ => padding = 0,
        }
        if padding > 7 {
            return false;
        }
        rest = after;
    }
    true
}

fn routing(bytes: &[u8]) {
    let view = RoutingView::new_checked(bytes).expect("a header that is there whole");
    assert_eq!(view.len(), bytes.len());
    let listed = (0..=255).take_while(|place| view.address(*place).is_some()).count();
    assert_eq!(listed, usize::from(view.capacity()));
    let _ = (view.home_address(), view.has_hmac(), view.leaves_too_many(), view.tag());
}

/// A packet built from the headers that were read of it is the same again.
fn written_again(view: &Ipv6View<'_>, packet: &[u8]) {
    let mut builder = FrameBuilder::new()
        .ipv6(view.src(), view.dst())
        .tos(view.traffic_class())
        .flow_label(view.flow_label())
        .ttl(view.hop_limit());
    let mut chain = view.chain();
    for header in chain.by_ref() {
        builder = builder.extension(header.number, header.bytes);
    }
    let rest = view.payload().get(chain.offset()..).unwrap_or_default();
    let frame = builder.protocol(chain.number()).payload(rest).build();
    assert_eq!(frame[14..], *packet);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Sound chains of every kind, as [`chain`] takes them.
    fn sound() -> Vec<Vec<u8>> {
        let base = || FrameBuilder::new().ipv6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        let visits = [Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED];
        let mut home = vec![1, 2, 0, 0, ty::HOME_ADDRESS, 16];
        home.extend([0x20; 16]);
        [
            base().udp(1, 2).payload_len(8),
            base().hop_by_hop(&[5, 2, 0, 0]).icmp6(icmp6::Icmp6Spec::echo(false, 1, 2)),
            base().hop_by_hop(&[0xc2, 4, 0, 1, 0, 0]).udp(1, 2),
            base().destination_options(&[0x1e, 1, 7]).segments(&visits, 1).tcp(1, 2, 2),
            base().routing(2, 1, &[0; 20]).destination_options(&home).udp(1, 2),
            base().fragment(7, 0, true).udp(1, 2).payload_len(16),
            base().fragment(7, 1480, false).payload_len(16),
            base().hop_by_hop(&[]).destination_options(&[]).protocol(59),
            base().extension(51, &[0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]).udp(1, 2),
            base().hop_by_hop(&[0x31, 2, 0, 0]).hop_by_hop(&[7, 8, 0, 0, 0, 1, 0, 0, 0, 0]),
        ]
        .iter()
        .map(|builder| {
            let packet = &builder.build()[14..];
            [&[packet[6], 0x10], &packet[40..]].concat()
        })
        .collect()
    }

    #[test]
    fn sound_chains_keep_every_promise() {
        for bytes in sound() {
            for len in 0..=bytes.len() {
                chain(&bytes[..len]);
            }
        }
    }

    #[test]
    fn damaged_chains_keep_every_promise() {
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
                bytes.truncate(usize::from(*cut).max(10));
                chain(&bytes);
            });
    }

    #[test]
    fn chains_of_chance_keep_every_promise() {
        bolero::check!().for_each(chain);
    }

    #[test]
    #[ignore = "writes fuzz/seeds/ipv6_chain anew"]
    fn chain_seeds_are_written() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/ipv6_chain");
        std::fs::create_dir_all(dir).unwrap();
        for (at, bytes) in sound().iter().enumerate() {
            std::fs::write(format!("{dir}/{at:02}"), bytes).unwrap();
        }
    }
}
