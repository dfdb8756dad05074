//! The IPv6 half of a sample: the same small network, with what goes wrong in IPv6 alone.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::Sample;
use crate::packet::icmp6::{Icmp6Spec, ty};
use crate::packet::ipv6::{address, next_header, option};
use crate::packet::{FrameBuilder, MacAddr, tcp::flag};

/// What kind of event a frame of IPv6 belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind6 {
    /// A segment of TCP.
    Tcp,
    /// A datagram of UDP.
    Udp,
    /// A ping to a server.
    Echo,
    /// A ping to the router.
    EchoToRouter,
    /// A packet whose hop limit ends at the router.
    HopLimit,
    /// A packet to where no route leads.
    NoRoute,
    /// A packet whose length says more than there is.
    BadLength,
    /// A datagram in two or three fragments; each is a frame.
    Fragments,
    /// A packet with a hop-by-hop option that every node skips.
    HopByHop,
    /// A packet with a hop-by-hop option that every node complains about.
    UnknownOption,
    /// A packet with options for its destination.
    DestinationOptions,
    /// A packet to a server from an address of the link.
    LinkLocal,
    /// A packet from the loopback address.
    Martian,
    /// A question for the router's link address.
    Neighbour,
}

/// How often each kind is among fifty events.
pub(super) const DECK: [(Kind6, usize); 14] = [
    (Kind6::Tcp, 18),
    (Kind6::Udp, 14),
    (Kind6::Echo, 3),
    (Kind6::EchoToRouter, 1),
    (Kind6::HopLimit, 2),
    (Kind6::NoRoute, 2),
    (Kind6::BadLength, 1),
    (Kind6::Fragments, 2),
    (Kind6::HopByHop, 1),
    (Kind6::UnknownOption, 1),
    (Kind6::DestinationOptions, 2),
    (Kind6::LinkLocal, 1),
    (Kind6::Martian, 1),
    (Kind6::Neighbour, 1),
];

/// Who is where in IPv6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample6Spec {
    /// Address of the router's port.
    pub router: Ipv6Addr,
    /// The network of the hosts, which holds the router's address too.
    pub hosts: Ipv6Net,
    /// Where the servers are; a route should lead there.
    pub servers: Ipv6Net,
    /// Where no route should lead.
    pub nowhere: Ipv6Net,
}

impl Default for Sample6Spec {
    /// Hosts in 2001:db8:0:1::/64 behind 2001:db8:0:1::1, servers in 2001:db8:100::/40, and no route
    /// to 2001:db8:f00::/40.
    fn default() -> Self {
        let net =
            |c, d, len| Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, c, d, 0, 0, 0, 0), len);
        let hosts = net(0, 1, 64);
        Self {
            router: Ipv6Addr::from_bits(hosts.network().to_bits() | 1),
            hosts,
            servers: net(0x100, 0, 40),
            nowhere: net(0xf00, 0, 40),
        }
    }
}

impl Sample {
    /// The frames of an event of IPv6.
    pub(super) fn builders6(&mut self, spec: &Sample6Spec, kind: Kind6) -> Vec<FrameBuilder> {
        let (host, server) = (self.host6(spec), self.within6(spec.servers));
        let port = self.port();
        let talk = self.from6(host, server);
        // RFC 6437 wants a label that is the same all along a flow.
        let talk = talk.flow_label(0x1_0000 | u32::from(port));
        vec![match kind {
            Kind6::Tcp => {
                let len = self.chance.below(1400) as usize;
                talk.tcp(port, 443, flag::ACK | flag::PSH).payload_len(len)
            }
            Kind6::Udp => {
                let len = 20 + self.chance.below(1200) as usize;
                talk.udp(port, [53, 123, 443, 443][len % 4]).payload_len(len)
            }
            Kind6::Echo => talk.echo_request(port, 1).payload_len(56),
            Kind6::EchoToRouter => {
                self.from6(host, spec.router).echo_request(port, 1).payload_len(56)
            }
            Kind6::HopLimit => talk.ttl(1).udp(port, 33_434).payload_len(32),
            Kind6::NoRoute => {
                let nowhere = self.within6(spec.nowhere);
                self.from6(host, nowhere).udp(port, 443).payload_len(200)
            }
            Kind6::BadLength => talk.total_len(1400).udp(port, 53).payload_len(30),
            Kind6::Fragments => return self.fragments6(talk, port),
            Kind6::HopByHop => talk.hop_by_hop(&[0x1e, 2, 0, 0]).udp(port, 53).payload_len(30),
            Kind6::UnknownOption => talk.hop_by_hop(&[0x9e, 2, 0, 0]).udp(port, 53).payload_len(30),
            Kind6::DestinationOptions => {
                talk.destination_options(&[option::ty::PADN, 0]).udp(port, 53).payload_len(30)
            }
            Kind6::LinkLocal => {
                let src =
                    Ipv6Addr::from_bits(0xfe80 << 112 | host.to_bits() & u128::from(u64::MAX));
                self.from6(src, server).udp(port, 53).payload_len(30)
            }
            Kind6::Martian => self.from6(Ipv6Addr::LOCALHOST, server).udp(port, 53).payload_len(30),
            Kind6::Neighbour => {
                let group = address::solicited_node(spec.router.to_bits());
                let link = MacAddr::new(address::group_mac(group));
                let mut message = spec.router.octets().to_vec();
                message.extend([1, 1]);
                message.extend(mac6(host).octets());
                FrameBuilder::new()
                    .ethernet(mac6(host), link)
                    .ipv6(host, Ipv6Addr::from_bits(group))
                    .ttl(255)
                    .icmp6(Icmp6Spec { ty: ty::NEIGHBOUR_SOLICITATION, code: 0, rest: [0; 4] })
                    .payload(&message)
            }
        }]
    }

    /// A UDP datagram in fragments that were made for an MTU of 1500.
    fn fragments6(&mut self, base: FrameBuilder, port: u16) -> Vec<FrameBuilder> {
        const PIECE: usize = 1448;
        let len = 1500 + self.chance.below(2500) as usize;
        let whole = base.clone().udp(port, 5004).payload_len(len).build();
        let l3 = base.l3_offset() + crate::packet::ipv6::HEADER_LEN;
        let pieces: Vec<_> = whole.get(l3..).unwrap_or_default().chunks(PIECE).collect();
        let (last, id) = (pieces.len() - 1, self.chance.next_u64() as u32);
        let fragment = |(place, piece): (usize, &&[u8])| {
            base.clone()
                .protocol(next_header::UDP)
                .fragment(id, (place * PIECE) as u16, place < last)
                .payload(piece)
        };
        pieces.iter().enumerate().map(fragment).collect()
    }

    /// A frame from a host to the router's port.
    fn from6(&self, src: Ipv6Addr, dst: Ipv6Addr) -> FrameBuilder {
        FrameBuilder::new().ethernet(mac6(src), self.spec.router_mac).ipv6(src, dst)
    }

    /// A host that is not the router, of a few hundred.
    fn host6(&mut self, spec: &Sample6Spec) -> Ipv6Addr {
        let host = 0x100 + u128::from(self.chance.below(0x200));
        Ipv6Addr::from_bits(spec.hosts.network().to_bits() | host)
    }

    /// An address of a network, never the one of all its routers.
    fn within6(&mut self, net: Ipv6Net) -> Ipv6Addr {
        let host =
            u128::from(self.chance.next_u64()) << 64 | u128::from(self.chance.next_u64()) | 1;
        Ipv6Addr::from_bits(net.network().to_bits() | host & net.hostmask().to_bits())
    }
}

/// A link address for a host, made of its IPv6 address.
fn mac6(host: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = host.octets();
    MacAddr([0x06, 6, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, SampleSpec, Sampled};
    use super::*;
    use crate::packet::ipv6::Ipv6View;
    use crate::packet::udp::UdpView;
    use std::collections::HashMap;

    fn first(count: usize) -> Vec<(Kind6, Sampled)> {
        SampleSpec::both()
            .frames()
            .take(count)
            .filter_map(|sampled| match sampled.kind {
                Kind::Six(kind) => Some((kind, sampled)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_short_sample_of_both_has_every_kind() {
        let sample = first(170);
        for (kind, _) in DECK {
            assert!(sample.iter().any(|(found, _)| *found == kind), "{kind:?}");
        }
        assert_eq!(DECK.iter().map(|(_, count)| count).sum::<usize>(), 50);
        assert!(
            SampleSpec::default()
                .frames()
                .take(500)
                .all(|sampled| !matches!(sampled.kind, Kind::Six(_)))
        );
    }

    #[test]
    fn each_kind_of_ipv6_is_what_it_says() {
        let spec = Sample6Spec::default();
        for (kind, sampled) in first(3000) {
            let bytes = &sampled.frame[14..];
            let view = Ipv6View::new_checked(bytes);
            assert_eq!(view.is_err(), kind == Kind6::BadLength);
            let Ok(view) = view else { continue };
            let limits = option::Limits::default();
            let accepted = !option::has_hop_by_hop(bytes)
                || matches!(
                    option::walk(bytes, 40, option::Place::HopByHop, limits),
                    option::Verdict::Accept(_)
                );
            assert_eq!(accepted, kind != Kind6::UnknownOption);
            assert_eq!(view.hop_limit() == 1, kind == Kind6::HopLimit);
            assert_eq!(view.dst() == spec.router, kind == Kind6::EchoToRouter);
            assert_eq!(spec.nowhere.contains(&view.dst()), kind == Kind6::NoRoute);
            let odd = matches!(kind, Kind6::Martian | Kind6::LinkLocal);
            assert_eq!(spec.hosts.contains(&view.src()), !odd, "{kind:?}");
            let upper = view.upper_layer().unwrap();
            assert_eq!(upper.fragment.is_some(), kind == Kind6::Fragments);
            if upper.number == next_header::UDP && upper.fragment.is_none() {
                let udp = UdpView::new_checked(&view.payload()[upper.offset..]).unwrap();
                assert!(udp.checksum_holds6(view.src(), view.dst()));
            }
            if kind == Kind6::Neighbour {
                assert!(crate::packet::ndisc::Neighbour::parse(bytes).is_some());
            }
        }
    }

    #[test]
    fn fragments_of_ipv6_make_whole_datagrams() {
        use crate::packet::ipv6::fragment::FragmentHeader;
        let mut parts: HashMap<u32, Vec<u8>> = HashMap::new();
        let mut whole = 0;
        for (_, sampled) in first(3000).iter().filter(|(kind, _)| *kind == Kind6::Fragments) {
            let view = Ipv6View::new_checked(&sampled.frame[14..]).unwrap();
            let header = FragmentHeader::read(view.payload()).unwrap();
            let part = parts.entry(header.id).or_default();
            assert_eq!(part.len(), usize::from(header.offset));
            part.extend(&view.payload()[8..]);
            if !header.more {
                let datagram = parts.remove(&header.id).unwrap();
                let udp = UdpView::new_checked(&datagram).unwrap();
                assert!(udp.checksum_holds6(view.src(), view.dst()));
                whole += 1;
            }
        }
        assert!(whole > 20, "{whole}");
    }
}
