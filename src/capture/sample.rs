//! A capture to try the router with: a small network's day, with everything that goes wrong in it.
//!
//! - takes: a [`SampleSpec`]: who is where
//! - gives: what arrives at the router's port to that network, the same for the same spec
//!
//! Every hundred events hold each kind as often as [`Kind`] says, in an order of chance, so that
//! even a short capture has all of them.

use std::net::Ipv4Addr;
use std::path::Path;

use ipnet::Ipv4Net;

use super::write::{PcapWriter, WriteError};
use crate::packet::arp::ArpSpec;
use crate::packet::generate::{Addresses, Random};
use crate::packet::ipv4::protocol;
use crate::packet::tcp::{TcpSpec, flag};
use crate::packet::{FrameBuilder, MacAddr};

mod six;
pub use six::{Kind6, Sample6Spec};

/// What kind of event a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A segment of one of the TCP conversations: opening, data, closing.
    Tcp,
    /// A question of DNS or NTP, or a datagram of QUIC.
    Udp,
    /// A ping to a server.
    Echo,
    /// A ping to the router.
    EchoToRouter,
    /// A probe of traceroute whose TTL ends at the router.
    TtlExpires,
    /// A packet to where no route leads.
    NoRoute,
    /// A packet whose header checksum is wrong.
    BadChecksum,
    /// A packet whose length says more than there is.
    BadLength,
    /// A datagram in two or three fragments; each is a frame.
    Fragments,
    /// A packet with a record route option.
    Options,
    /// A packet from an address that no neighbour can have.
    Martian,
    /// A question for the router's link address.
    Arp,
    /// A frame of a protocol that a router does not speak.
    Foreign,
    /// An event of IPv6.
    Six(Kind6),
}

/// How often each kind is in a hundred events.
const DECK: [(Kind, usize); 13] = [
    (Kind::Tcp, 46),
    (Kind::Udp, 25),
    (Kind::Echo, 6),
    (Kind::EchoToRouter, 2),
    (Kind::TtlExpires, 4),
    (Kind::NoRoute, 4),
    (Kind::BadChecksum, 2),
    (Kind::BadLength, 1),
    (Kind::Fragments, 4),
    (Kind::Options, 2),
    (Kind::Martian, 1),
    (Kind::Arp, 2),
    (Kind::Foreign, 1),
];
/// TCP conversations that go on at the same time.
const CONVERSATIONS: usize = 16;

/// Who is where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleSpec {
    /// What chance starts from.
    pub seed: u64,
    /// Link address of the router's port.
    pub router_mac: MacAddr,
    /// Address of the router's port.
    pub router: Ipv4Addr,
    /// The network of the hosts, which holds the router's address too.
    pub hosts: Ipv4Net,
    /// Where the servers are; routes should lead there.
    pub servers: Vec<Ipv4Net>,
    /// Where no route should lead.
    pub nowhere: Ipv4Net,
    /// Who is where in IPv6; then fifty events of it come with every hundred.
    pub six: Option<Sample6Spec>,
    /// When the capture starts, in nanoseconds since 1970.
    pub start_ns: u64,
    /// Nanoseconds between two events, in the mean.
    pub gap_ns: u64,
}

impl Default for SampleSpec {
    /// Hosts in 10.0.0.0/24 behind 10.0.0.1, servers in the documentation networks 198.51.100.0/24
    /// and 203.0.113.0/24, and no route to the third of these, 192.0.2.0/24.
    fn default() -> Self {
        let net = |a, b, c| Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), 24);
        Self {
            seed: 1,
            router_mac: MacAddr([0x02, 0, 0, 0, 0, 0x02]),
            router: Ipv4Addr::new(10, 0, 0, 1),
            hosts: net(10, 0, 0),
            servers: vec![net(198, 51, 100), net(203, 0, 113)],
            nowhere: net(192, 0, 2),
            six: None,
            start_ns: 1_700_000_000_000_000_000,
            gap_ns: 100_000,
        }
    }
}

/// One frame of the sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// When it arrives.
    pub ts_ns: u64,
    /// What it belongs to.
    pub kind: Kind,
    /// Its bytes.
    pub frame: Vec<u8>,
}

/// Writes the first `packets` frames of the default sample with this seed, with IPv6 or without, and
/// tells how many.
pub fn sample_capture(
    path: impl AsRef<Path>,
    packets: u64,
    seed: u64,
    ipv6: bool,
) -> Result<u64, WriteError> {
    let spec = if ipv6 { SampleSpec::both() } else { SampleSpec::default() };
    SampleSpec { seed, ..spec }.write(path, packets)
}

impl SampleSpec {
    /// The default network with the default one of IPv6 beside it.
    pub fn both() -> Self {
        Self { six: Some(Sample6Spec::default()), ..Self::default() }
    }

    /// The frames of this network, without end.
    pub fn frames(self) -> Sample {
        let chance = Random::new(self.seed);
        let now_ns = self.start_ns;
        let talks = [const { None }; CONVERSATIONS];
        Sample { spec: self, chance, now_ns, deck: Vec::new(), ready: Vec::new(), talks, id: 0 }
    }

    /// Writes the first `packets` frames to a capture file, and tells how many.
    pub fn write(self, path: impl AsRef<Path>, packets: u64) -> Result<u64, WriteError> {
        let mut writer = PcapWriter::create(path)?;
        let mut frames = self.frames();
        for _ in 0..packets {
            let Sampled { ts_ns, frame, .. } = frames.sampled();
            writer.write(ts_ns, &frame)?;
        }
        writer.finish()
    }
}

/// A TCP conversation as its client's side goes on.
#[derive(Debug, Clone)]
struct Talk {
    client: Ipv4Addr,
    server: Ipv4Addr,
    ports: (u16, u16),
    seq: u32,
    ack: u32,
    /// Segments said: the first opens, the second acknowledges.
    said: u32,
    /// Segments of data before it closes.
    length: u32,
}

/// The frames of a sample, without end.
#[derive(Debug, Clone)]
pub struct Sample {
    spec: SampleSpec,
    chance: Random,
    now_ns: u64,
    /// Kinds still to come of the hundred at hand.
    deck: Vec<Kind>,
    /// Frames of the event at hand, last first.
    ready: Vec<Sampled>,
    talks: [Option<Talk>; CONVERSATIONS],
    id: u16,
}

impl Sample {
    /// The next frame.
    pub fn sampled(&mut self) -> Sampled {
        loop {
            if let Some(sampled) = self.ready.pop() {
                return sampled;
            }
            self.event();
        }
    }

    /// Makes the frames of the next event.
    fn event(&mut self) {
        let Some(kind) = self.deck.pop() else {
            self.deck = DECK.iter().flat_map(|(kind, count)| vec![*kind; *count]).collect();
            if self.spec.six.is_some() {
                let deck = six::DECK.iter();
                self.deck.extend(deck.flat_map(|(kind, count)| vec![Kind::Six(*kind); *count]));
            }
            self.chance.shuffle(&mut self.deck);
            return;
        };
        let mut ts_ns = self.now_ns;
        self.now_ns += 1 + self.chance.below(2 * self.spec.gap_ns.max(1));
        for builder in self.builders(kind) {
            self.ready.push(Sampled { ts_ns, kind, frame: builder.padded().build() });
            // The frames of one event follow each other as fast as 10 Gbit/s carries them.
            ts_ns += 1230;
        }
        self.now_ns = self.now_ns.max(ts_ns);
        self.ready.reverse();
    }

    fn builders(&mut self, kind: Kind) -> Vec<FrameBuilder> {
        if let (Kind::Six(kind), Some(spec)) = (kind, self.spec.six.clone()) {
            return self.builders6(&spec, kind);
        }
        let (host, server) = (self.host(), self.server());
        let port = self.port();
        let talk = self.from(host, server);
        vec![match kind {
            Kind::Tcp => self.segment(),
            Kind::Udp => {
                let (service, len) = match self.chance.below(4) {
                    0 => (123, 48),
                    1 => (53, 20 + self.chance.below(40)),
                    _ => (443, 20 + self.chance.below(1230)),
                };
                talk.udp(port, service).payload_len(len as usize)
            }
            Kind::Echo => talk.echo_request(port, self.id).payload_len(56),
            Kind::EchoToRouter => {
                self.from(host, self.spec.router).echo_request(port, self.id).payload_len(56)
            }
            Kind::TtlExpires => {
                let probe = 33_434 + self.chance.below(90) as u16;
                talk.ttl(1).udp(port, probe).payload_len(32)
            }
            Kind::NoRoute => {
                let nowhere = self.within(self.spec.nowhere);
                self.from(host, nowhere).udp(port, 443).payload_len(200)
            }
            Kind::BadChecksum => talk.bad_header_checksum().udp(port, 53).payload_len(30),
            Kind::BadLength => talk.total_len(1400).udp(port, 53).payload_len(30),
            Kind::Fragments => return self.fragments(talk, port),
            Kind::Options => {
                // Room for three addresses, and the end that pads it.
                let mut record_route = [0; 16];
                record_route[..3].copy_from_slice(&[7, 15, 4]);
                talk.options(&record_route).echo_request(port, self.id).payload_len(56)
            }
            Kind::Martian => self.from(Ipv4Addr::LOCALHOST, server).udp(port, 53).payload_len(30),
            Kind::Arp => {
                FrameBuilder::new().arp(ArpSpec::request(mac(host), host, self.spec.router))
            }
            // Link layer discovery goes to its own group and is not forwarded.
            Kind::Foreign | Kind::Six(_) => FrameBuilder::new()
                .ethernet(mac(host), MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x0e]))
                .ethertype(crate::packet::ethernet::ethertype::LLDP)
                .payload_len(46),
        }]
    }

    /// The next segment of a conversation of chance.
    fn segment(&mut self) -> FrameBuilder {
        let place = self.chance.below(CONVERSATIONS as u64) as usize;
        let mut talk = match self.talks[place].take() {
            Some(talk) => talk,
            None => Talk {
                client: self.host(),
                server: self.server(),
                ports: (self.port(), [443, 443, 80, 22][self.chance.below(4) as usize]),
                seq: self.chance.next_u64() as u32,
                ack: 0,
                said: 0,
                length: 1 + self.chance.below(20) as u32,
            },
        };
        let (flags, len) = match talk.said {
            0 => (flag::SYN, 0),
            1 => (flag::ACK, 0),
            said if said < 2 + talk.length => {
                (flag::PSH | flag::ACK, 1 + self.chance.below(1460) as usize)
            }
            _ => (flag::FIN | flag::ACK, 0),
        };
        let spec = TcpSpec {
            src_port: talk.ports.0,
            dst_port: talk.ports.1,
            seq: talk.seq,
            ack: talk.ack,
            flags,
            window: 64_240,
        };
        let frame = self.from(talk.client, talk.server).dont_fragment();
        if talk.said == 0 {
            talk.ack = self.chance.next_u64() as u32;
        }
        let takes_a_number = u32::from(flags & (flag::SYN | flag::FIN) != 0);
        talk.seq = talk.seq.wrapping_add(len as u32 + takes_a_number);
        talk.said += 1;
        if flags & flag::FIN == 0 {
            self.talks[place] = Some(talk);
        }
        frame.tcp_spec(spec).payload_len(len)
    }

    /// A UDP datagram in fragments that were made for an MTU of 1500.
    fn fragments(&mut self, base: FrameBuilder, port: u16) -> Vec<FrameBuilder> {
        const PIECE: usize = 1480;
        let len = 1500 + self.chance.below(2800) as usize;
        let whole = base.clone().udp(port, 5004).payload_len(len).build();
        let l3 = base.l3_offset() + crate::packet::ipv4::HEADER_LEN;
        let datagram = whole.get(l3..).unwrap_or_default();
        let pieces: Vec<_> = datagram.chunks(PIECE).collect();
        let last = pieces.len() - 1;
        let fragment = |(place, piece): (usize, &&[u8])| {
            let fragment = base
                .clone()
                .protocol(protocol::UDP)
                .fragment_offset((place * PIECE) as u16)
                .payload(piece);
            if place < last { fragment.more_fragments() } else { fragment }
        };
        pieces.iter().enumerate().map(fragment).collect()
    }

    /// A frame from a host to the router's port.
    fn from(&mut self, src: Ipv4Addr, dst: Ipv4Addr) -> FrameBuilder {
        self.id = self.id.wrapping_add(1);
        FrameBuilder::new().ethernet(mac(src), self.spec.router_mac).ipv4(src, dst).id(self.id)
    }

    /// A host that is neither the network, the router nor everyone.
    fn host(&mut self) -> Ipv4Addr {
        let net = self.spec.hosts;
        loop {
            let host = self.within(net);
            if net.prefix_len() > 30
                || ![net.network(), net.broadcast(), self.spec.router].contains(&host)
            {
                return host;
            }
        }
    }

    fn server(&mut self) -> Ipv4Addr {
        let place = self.chance.below(self.spec.servers.len() as u64) as usize;
        match self.spec.servers.get(place) {
            Some(net) => self.within(*net),
            None => self.within(self.spec.nowhere),
        }
    }

    fn port(&mut self) -> u16 {
        32_768 + self.chance.below(28_232) as u16
    }

    /// An address of a network, the first and last left out where there are others.
    fn within(&mut self, net: Ipv4Net) -> Ipv4Addr {
        let addresses = Addresses::from(net);
        let place = match addresses.count() {
            count @ 0..=2 => self.chance.below(count),
            count => 1 + self.chance.below(count - 2),
        };
        match addresses.at(place) {
            Some(std::net::IpAddr::V4(address)) => address,
            _ => net.addr(),
        }
    }
}

impl Iterator for Sample {
    type Item = Sampled;

    fn next(&mut self) -> Option<Sampled> {
        Some(self.sampled())
    }
}

/// A link address for a host, made of its IPv4 address.
fn mac(host: Ipv4Addr) -> MacAddr {
    let [a, b, c, d] = host.octets();
    MacAddr([0x06, 0, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::CaptureReader;
    use crate::packet::{ethernet, ipv4::Ipv4View, vlan};
    use std::collections::HashMap;

    fn first(count: usize) -> Vec<Sampled> {
        SampleSpec::default().frames().take(count).collect()
    }

    fn ip(sampled: &Sampled) -> Ipv4View<'_> {
        Ipv4View::new_quoted(&sampled.frame[14..]).unwrap()
    }

    #[test]
    fn a_short_sample_has_every_kind_and_the_same_seed_gives_it_again() {
        let sample = first(110);
        for (kind, _) in DECK {
            assert!(sample.iter().any(|sampled| sampled.kind == kind), "{kind:?}");
        }
        assert_eq!(DECK.iter().map(|(_, count)| count).sum::<usize>(), 100);
        assert_eq!(first(110), sample);
        let other = SampleSpec { seed: 2, ..SampleSpec::default() };
        assert_ne!(other.frames().take(110).collect::<Vec<_>>(), sample);
    }

    #[test]
    fn times_only_grow_and_frames_fit_the_link() {
        let sample = first(3000);
        assert!(sample.is_sorted_by(|a, b| a.ts_ns < b.ts_ns));
        for sampled in &sample {
            assert!((60..=1514).contains(&sampled.frame.len()), "{:?}", sampled.kind);
        }
    }

    #[test]
    fn each_kind_is_what_it_says() {
        let spec = SampleSpec::default();
        for sampled in first(3000) {
            let peeled = vlan::peel(&sampled.frame).unwrap();
            match sampled.kind {
                Kind::Arp => assert_eq!(peeled.ethertype, ethernet::ethertype::ARP),
                Kind::Foreign => assert_eq!(peeled.ethertype, ethernet::ethertype::LLDP),
                Kind::BadLength => assert!(Ipv4View::new_checked(peeled.payload).is_err()),
                Kind::Six(_) => unreachable!("the default sample has none"),
                kind => {
                    let ip = Ipv4View::new_checked(peeled.payload).unwrap();
                    assert_eq!(ip.checksum_holds(), kind != Kind::BadChecksum);
                    assert_eq!(ip.ttl() == 1, kind == Kind::TtlExpires);
                    assert_eq!(ip.is_fragment(), kind == Kind::Fragments);
                    assert_eq!(ip.dst() == spec.router, kind == Kind::EchoToRouter);
                    assert_eq!(spec.nowhere.contains(&ip.dst()), kind == Kind::NoRoute);
                    assert_eq!(spec.hosts.contains(&ip.src()), kind != Kind::Martian);
                    assert_ne!(ip.src(), spec.router);
                    assert_eq!(ip.option_bytes().is_empty(), kind != Kind::Options);
                    assert!(ip.options().all(|option| option.is_ok()));
                }
            }
        }
    }

    #[test]
    fn fragments_make_whole_datagrams_with_sound_checksums() {
        let mut parts: HashMap<u16, Vec<u8>> = HashMap::new();
        let mut whole = 0;
        for sampled in first(3000).iter().filter(|sampled| sampled.kind == Kind::Fragments) {
            let ip = ip(sampled);
            let part = parts.entry(ip.id()).or_default();
            assert_eq!(part.len(), ip.fragment_offset());
            part.extend(ip.payload());
            if !ip.mf() {
                let datagram = parts.remove(&ip.id()).unwrap();
                let udp = crate::packet::udp::UdpView::new_checked(&datagram).unwrap();
                assert!(udp.checksum_holds(ip.src(), ip.dst()));
                assert!(datagram.len() > 1480);
                whole += 1;
            }
        }
        assert!(whole > 80, "{whole}");
    }

    #[test]
    fn conversations_open_go_on_without_gaps_and_close() {
        let mut next: HashMap<(Ipv4Addr, u16), u32> = HashMap::new();
        let (mut opened, mut closed) = (0, 0);
        for sampled in first(6000).iter().filter(|sampled| sampled.kind == Kind::Tcp) {
            let ip = Ipv4View::new_checked(&sampled.frame[14..]).unwrap();
            let tcp = crate::packet::tcp::TcpView::new_checked(ip.payload()).unwrap();
            assert!(tcp.checksum_holds(ip.src(), ip.dst()));
            let key = (ip.src(), tcp.src_port());
            let expected = next.get(&key).copied();
            if tcp.flags() & flag::SYN != 0 {
                opened += 1;
                next.insert(key, tcp.seq().wrapping_add(1));
            } else if tcp.flags() & flag::FIN != 0 {
                assert_eq!(expected, Some(tcp.seq()));
                next.remove(&key);
                closed += 1;
            } else {
                assert_eq!(expected, Some(tcp.seq()));
                next.insert(key, tcp.seq().wrapping_add(tcp.payload().len() as u32));
            }
        }
        assert!(opened > 100 && closed > 100, "{opened} {closed}");
    }

    #[test]
    fn the_file_holds_the_frames_of_the_sample() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("sample.pcap");
        assert_eq!(sample_capture(&path, 250, 1, false).unwrap(), 250);
        let mut reader = CaptureReader::open(&path).unwrap();
        for want in first(250) {
            let record = reader.next().unwrap().unwrap();
            assert_eq!((record.ts_ns, record.data), (want.ts_ns, &want.frame[..]));
        }
        assert!(reader.next().unwrap().is_none());
    }
}
