//! Traffic made to measure, for benches and tests: so many flows, of such sizes, to such places.
//!
//! - takes: a [`TrafficSpec`]
//! - gives: frames without end, the same for the same spec on every machine
//! - obeys: the customary "simple IMIX", 7:4:1 frames of 64, 594 and 1518 bytes
//!
//! Sizes are those on the wire, with the 4 bytes of frame check sequence that no buffer holds: a
//! frame of 64 is 60 bytes here. One of IPv6 has no room in 64 bytes and has 70 then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::build::FrameBuilder;
use super::mac::MacAddr;
use super::tcp;

/// Bytes of a frame on the wire that no buffer holds.
pub const FCS_LEN: usize = 4;
/// The frames of which the simple IMIX is made, as often as they are in it.
const IMIX: [u16; 12] = [64, 64, 64, 64, 64, 64, 64, 594, 594, 594, 594, 1518];
/// Ports below are those of services.
const FIRST_PORT: u16 = 1024;
const PORTS: u32 = 65_536 - FIRST_PORT as u32;

/// Numbers that look random and are the same for the same seed (SplitMix64 of Steele et al., 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; zero when `end` is zero.
    pub const fn below(&mut self, end: u64) -> u64 {
        ((self.next_u64() as u128 * end as u128) >> 64) as u64
    }

    /// Puts things into an order of chance.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// How long the frames are on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// All the same.
    Fixed(u16),
    /// Of every twelve, seven of 64, four of 594 and one of 1518 bytes, in an order of chance.
    Imix,
}

impl Sizes {
    /// Bytes of the mean frame on the wire.
    pub fn mean(self) -> f64 {
        match self {
            Self::Fixed(size) => size.into(),
            Self::Imix => IMIX.iter().map(|size| f64::from(*size)).sum::<f64>() / IMIX.len() as f64,
        }
    }
}

/// Addresses to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addresses {
    /// Those of a prefix, its first and last included; of one of IPv6, 2^64 at most.
    Net(IpNet),
    /// These.
    List(Vec<IpAddr>),
}

impl Addresses {
    /// How many there are.
    pub fn count(&self) -> u64 {
        match self {
            Self::Net(net) => {
                let bits = net.max_prefix_len() - net.prefix_len();
                1u64.checked_shl(bits.into()).unwrap_or(u64::MAX)
            }
            Self::List(list) => list.len() as u64,
        }
    }

    /// The address at a place below [`count`](Self::count); places beyond start over.
    pub fn at(&self, place: u64) -> Option<IpAddr> {
        let place = place.checked_rem(self.count())?;
        match self {
            Self::Net(IpNet::V4(net)) => {
                Some(Ipv4Addr::from_bits(net.network().to_bits() + place as u32).into())
            }
            Self::Net(IpNet::V6(net)) => {
                Some(Ipv6Addr::from_bits(net.network().to_bits() + u128::from(place)).into())
            }
            Self::List(list) => list.get(place as usize).copied(),
        }
    }

    /// Whether all are of IPv6, or all of IPv4; nothing when they are mixed.
    fn family(&self) -> Option<bool> {
        match self {
            Self::Net(net) => Some(matches!(net, IpNet::V6(_))),
            Self::List(list) => {
                let six = list.first().is_some_and(IpAddr::is_ipv6);
                list.iter().all(|address| address.is_ipv6() == six).then_some(six)
            }
        }
    }
}

impl From<IpNet> for Addresses {
    fn from(net: IpNet) -> Self {
        Self::Net(net)
    }
}

impl From<Ipv4Net> for Addresses {
    fn from(net: Ipv4Net) -> Self {
        Self::Net(net.into())
    }
}

impl From<Ipv6Net> for Addresses {
    fn from(net: Ipv6Net) -> Self {
        Self::Net(net.into())
    }
}

impl<A: Into<IpAddr>> From<Vec<A>> for Addresses {
    fn from(list: Vec<A>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

/// The transport that flows use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// UDP.
    #[default]
    Udp,
    /// TCP segments that only acknowledge.
    Tcp,
}

/// How often each flow has a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Popularity {
    /// They take turns.
    #[default]
    Equal,
    /// By chance, the first most often: the flow at rank n as often as 1/n^s (Zipf's law), with s in
    /// hundredths.
    Zipf(u16),
}

/// What traffic is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficSpec {
    /// How long frames are.
    pub sizes: Sizes,
    /// How many flows there are.
    pub flows: u32,
    /// Which of them a packet is of.
    pub popularity: Popularity,
    /// What chance starts from.
    pub seed: u64,
    /// Where packets come from; flows take these in turn.
    pub src: Addresses,
    /// Where packets go; each flow takes one by chance.
    pub dst: Addresses,
    /// The transport of all flows.
    pub transport: Transport,
    /// Link address of the sender.
    pub src_mac: MacAddr,
    /// Link address of the router's port.
    pub dst_mac: MacAddr,
}

impl Default for TrafficSpec {
    /// The traffic that routers are compared by: 64-byte UDP frames in 64 flows, within the
    /// addresses that RFC 2544 §C.2.2 set aside for it.
    fn default() -> Self {
        let half = |third| Ipv4Net::new_assert(Ipv4Addr::new(198, third, 0, 0), 16);
        Self {
            sizes: Sizes::Fixed(64),
            flows: 64,
            popularity: Popularity::Equal,
            seed: 1,
            src: half(18).into(),
            dst: half(19).into(),
            transport: Transport::Udp,
            src_mac: MacAddr([0x02, 0, 0, 0, 0, 0x01]),
            dst_mac: MacAddr([0x02, 0, 0, 0, 0, 0x02]),
        }
    }
}

/// Why a spec describes no traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSpec {
    /// A size that no frame can have.
    #[error("a frame of {0} bytes cannot be made: 64 to 16000 can")]
    Size(u16),
    /// No flow.
    #[error("traffic needs at least one flow")]
    Flows,
    /// No address to choose from.
    #[error("traffic needs at least one {0} address")]
    Addresses(&'static str),
    /// Sources of one family and destinations of the other, or both in one list.
    #[error("traffic needs addresses of one family")]
    Families,
    /// More flows than addresses and ports can tell apart.
    #[error("{flows} flows are wanted, and the source addresses and ports make {most}")]
    TooManyFlows {
        /// How many are wanted.
        flows: u32,
        /// How many can be told apart.
        most: u64,
    },
}

impl TrafficSpec {
    /// The same over IPv6, within the addresses that RFC 5180 section 8 set aside for it.
    pub fn ipv6() -> Self {
        let half = |third| Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 2, 0, third, 0, 0, 0, 0), 64);
        Self { src: half(0).into(), dst: half(1).into(), ..Self::default() }
    }

    /// The traffic, or why there is none.
    pub fn traffic(self) -> Result<Traffic, BadSpec> {
        if let Sizes::Fixed(size) = self.sizes
            && !(64..=16_000).contains(&size)
        {
            return Err(BadSpec::Size(size));
        }
        if self.flows == 0 {
            return Err(BadSpec::Flows);
        }
        for (addresses, which) in [(&self.src, "source"), (&self.dst, "destination")] {
            if addresses.count() == 0 {
                return Err(BadSpec::Addresses(which));
            }
        }
        match (self.src.family(), self.dst.family()) {
            (Some(src), Some(dst)) if src == dst => {}
            _ => return Err(BadSpec::Families),
        }
        let most = self.src.count().saturating_mul(PORTS.into());
        if u64::from(self.flows) > most {
            return Err(BadSpec::TooManyFlows { flows: self.flows, most });
        }
        let order = Random::new(self.seed);
        let ranks = match self.popularity {
            Popularity::Equal => Vec::new(),
            Popularity::Zipf(hundredths) => ranks(self.flows, f64::from(hundredths) / 100.0),
        };
        Ok(Traffic { spec: self, sent: 0, order, imix: IMIX, ranks })
    }

    /// The ends of a flow; two flows of one spec never have the same.
    fn ends(&self, flow: u32) -> Option<(IpAddr, u16, IpAddr, u16)> {
        let (flow, sources) = (u64::from(flow), self.src.count());
        let src_port = FIRST_PORT + (flow / sources % u64::from(PORTS)) as u16;
        let mut chance = Random::new(self.seed ^ flow.wrapping_mul(0xd6e8_feb8_6659_fd93));
        let dst = self.dst.at(chance.below(self.dst.count()))?;
        let dst_port = FIRST_PORT + chance.below(PORTS.into()) as u16;
        Some((self.src.at(flow % sources)?, src_port, dst, dst_port))
    }
}

/// For each flow what is below 1 for it and those before it, of the law of Zipf.
fn ranks(flows: u32, exponent: f64) -> Vec<f64> {
    let weights = (1..=flows).map(|rank| f64::from(rank).powf(-exponent));
    let mut sum = 0.0;
    let mut ranks: Vec<f64> = weights
        .map(|weight| {
            sum += weight;
            sum
        })
        .collect();
    ranks.iter_mut().for_each(|rank| *rank /= sum);
    ranks
}

/// Frames without end; each frame's payload starts with its number.
#[derive(Debug, Clone)]
pub struct Traffic {
    spec: TrafficSpec,
    sent: u64,
    order: Random,
    /// The order of the sizes of the twelve frames at hand.
    imix: [u16; 12],
    /// Where chance finds each flow; empty when they take turns.
    ranks: Vec<f64>,
}

impl Traffic {
    /// The flow of a frame.
    fn flow(&mut self, number: u64) -> u32 {
        let flows = self.spec.flows;
        if self.ranks.is_empty() {
            return (number % u64::from(flows)) as u32;
        }
        // As many bits as a number from 0 to 1 has.
        let chance = (self.order.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        (self.ranks.partition_point(|rank| *rank <= chance) as u32).min(flows - 1)
    }

    /// Makes the next frame in `frame`, whose former contents are lost and whose room is reused.
    pub fn next_into(&mut self, frame: &mut Vec<u8>) {
        let number = self.sent;
        self.sent += 1;
        let size = match self.spec.sizes {
            Sizes::Fixed(size) => size,
            Sizes::Imix => {
                let turn = (number % IMIX.len() as u64) as usize;
                if turn == 0 {
                    self.order.shuffle(&mut self.imix);
                }
                self.imix[turn]
            }
        };
        let flow = self.flow(number);
        // A spec was proved to have addresses before there was traffic of it.
        let Some((src, src_port, dst, dst_port)) = self.spec.ends(flow) else {
            return;
        };
        let builder = FrameBuilder::new()
            .ethernet(self.spec.src_mac, self.spec.dst_mac)
            .ip(src, dst)
            .id(number as u16)
            .payload(&(number as u32).to_be_bytes())
            .frame_len(usize::from(size) - FCS_LEN);
        match self.spec.transport {
            Transport::Udp => builder.udp(src_port, dst_port),
            Transport::Tcp => builder.tcp(src_port, dst_port, tcp::flag::ACK),
        }
        .build_into(frame);
    }
}

impl Iterator for Traffic {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut frame = Vec::new();
        self.next_into(&mut frame);
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::ipv4::{Ipv4View, protocol};
    use crate::packet::udp::UdpView;
    use std::collections::{HashMap, HashSet};

    fn ends(frame: &[u8]) -> (Ipv4Addr, Ipv4Addr, u16, u16) {
        let ip = Ipv4View::new_checked(&frame[14..]).unwrap();
        assert!(ip.checksum_holds() && ip.protocol() == protocol::UDP);
        let udp = UdpView::new_checked(ip.payload()).unwrap();
        assert!(udp.checksum_holds(ip.src(), ip.dst()));
        (ip.src(), ip.dst(), udp.src_port(), udp.dst_port())
    }

    #[test]
    fn the_same_spec_gives_the_same_frames_and_another_seed_others() {
        let spec = TrafficSpec { sizes: Sizes::Imix, ..TrafficSpec::default() };
        let frames =
            |spec: &TrafficSpec| -> Vec<_> { spec.clone().traffic().unwrap().take(100).collect() };
        assert_eq!(frames(&spec), frames(&spec));
        assert_ne!(frames(&spec), frames(&TrafficSpec { seed: 2, ..spec.clone() }));
    }

    #[test]
    fn chance_is_the_published_sequence_on_every_machine() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
        assert_eq!(Random::new(1).below(0), 0);
    }

    #[test]
    fn flows_are_as_frequent_as_zipf_has_them() {
        let popularity = Popularity::Zipf(100);
        let spec = TrafficSpec { flows: 100, popularity, ..TrafficSpec::default() };
        let mut counts = HashMap::new();
        let packets = 50_000;
        for frame in spec.traffic().unwrap().take(packets) {
            *counts.entry(ends(&frame)).or_insert(0_u32) += 1;
        }
        let mut counts: Vec<_> = counts.into_values().map(f64::from).collect();
        counts.sort_by(|one, other| other.total_cmp(one));
        assert_eq!(counts.len(), 100);
        // The sum of 1/n up to 100.
        let most = packets as f64 / 5.187_377;
        for (rank, least) in [(1, 0.97), (2, 0.95), (10, 0.9)] {
            let share = counts[rank - 1] * rank as f64 / most;
            assert!((least..2.0 - least).contains(&share), "rank {rank}: {share}");
        }
    }

    #[test]
    fn there_are_as_many_flows_as_asked_for() {
        for (flows, src) in [(1, "10.0.0.1/32"), (64, "10.0.0.0/24"), (70_000, "10.0.0.0/31")] {
            let src: Ipv4Net = src.parse().unwrap();
            let spec = TrafficSpec { flows, src: src.into(), ..TrafficSpec::default() };
            let frames = spec.traffic().unwrap().take(flows as usize * 2);
            let seen: HashSet<_> = frames.map(|frame| ends(&frame)).collect();
            assert_eq!(seen.len(), flows as usize);
            assert!(seen.iter().all(|(from, ..)| src.contains(from)));
        }
    }

    #[test]
    fn destinations_are_those_of_the_list_and_all_of_them() {
        let list: Vec<Ipv4Addr> = (1..=50).map(|host| Ipv4Addr::new(203, 0, 113, host)).collect();
        let dst = list.clone().into();
        let spec = TrafficSpec { flows: 2000, dst, ..TrafficSpec::default() };
        let seen: HashSet<_> =
            spec.traffic().unwrap().take(2000).map(|frame| ends(&frame).1).collect();
        assert_eq!(seen, list.into_iter().collect());
    }

    #[test]
    fn sizes_are_those_of_the_wire_without_the_check_sequence() {
        for size in [64, 65, 128, 1518, 9018] {
            let spec = TrafficSpec { sizes: Sizes::Fixed(size), ..TrafficSpec::default() };
            let frame = spec.traffic().unwrap().next().unwrap();
            assert_eq!(frame.len(), usize::from(size) - 4);
        }
        let spec = TrafficSpec { sizes: Sizes::Imix, ..TrafficSpec::default() };
        let lens: Vec<_> = spec.traffic().unwrap().take(1200).map(|frame| frame.len()).collect();
        for dozen in lens.chunks(12) {
            let of = |len| dozen.iter().filter(|found| **found == len).count();
            assert_eq!((of(60), of(590), of(1514)), (7, 4, 1));
        }
        assert_ne!(lens[..12], lens[12..24], "the order is of chance");
        let mean = lens.iter().map(|len| len + FCS_LEN).sum::<usize>() as f64 / 1200.0;
        assert!((mean - Sizes::Imix.mean()).abs() < 1e-9);
    }

    #[test]
    fn each_frame_is_numbered_in_its_payload() {
        let mut traffic = TrafficSpec::default().traffic().unwrap();
        let mut frame = Vec::new();
        for number in 0..200u32 {
            traffic.next_into(&mut frame);
            assert_eq!(frame[42..46], number.to_be_bytes());
        }
    }

    #[test]
    fn specs_that_describe_no_traffic_are_refused() {
        let base = TrafficSpec::default();
        let none = Addresses::List(Vec::new());
        let one = Addresses::from(vec![Ipv4Addr::LOCALHOST]);
        let six = Addresses::from(vec![Ipv6Addr::LOCALHOST]);
        let mixed = Addresses::List(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        let refused = |spec: TrafficSpec| spec.traffic().err();
        let sizes = |size| TrafficSpec { sizes: Sizes::Fixed(size), ..base.clone() };
        assert_eq!(refused(sizes(63)), Some(BadSpec::Size(63)));
        assert_eq!(refused(sizes(16_001)), Some(BadSpec::Size(16_001)));
        assert_eq!(refused(TrafficSpec { flows: 0, ..base.clone() }), Some(BadSpec::Flows));
        let spec = TrafficSpec { dst: none.clone(), ..base.clone() };
        assert_eq!(refused(spec), Some(BadSpec::Addresses("destination")));
        let spec = TrafficSpec { src: none, ..base.clone() };
        assert_eq!(refused(spec), Some(BadSpec::Addresses("source")));
        for dst in [six, mixed] {
            let spec = TrafficSpec { dst, ..base.clone() };
            assert_eq!(refused(spec), Some(BadSpec::Families));
        }
        let spec = TrafficSpec { src: one, flows: 64_513, ..base };
        assert_eq!(refused(spec), Some(BadSpec::TooManyFlows { flows: 64_513, most: 64_512 }));
    }

    #[test]
    fn a_prefix_of_any_length_has_its_addresses() {
        let all = Addresses::Net("0.0.0.0/0".parse().unwrap());
        assert_eq!(
            (all.count(), all.at(u64::from(u32::MAX))),
            (1 << 32, Some(Ipv4Addr::BROADCAST.into()))
        );
        let odd = Addresses::Net("10.0.0.5/30".parse().unwrap());
        let fifth = Ipv4Addr::new(10, 0, 0, 5).into();
        assert_eq!((odd.at(0), odd.at(5)), (odd.at(4), Some(fifth)));
        let six = Addresses::Net("2001:db8::/64".parse().unwrap());
        assert_eq!(six.count(), u64::MAX);
        assert_eq!(six.at(258), Some("2001:db8::102".parse().unwrap()));
        assert_eq!(Addresses::Net("2001:db8::/120".parse().unwrap()).count(), 256);
    }

    #[test]
    fn flows_of_ipv6_are_sound_and_as_long_as_they_can_be() {
        use crate::packet::ipv6::Ipv6View;
        let spec = TrafficSpec { sizes: Sizes::Imix, flows: 500, ..TrafficSpec::ipv6() };
        let mut seen = HashSet::new();
        for frame in spec.clone().traffic().unwrap().take(1000) {
            assert!([66, 590, 1514].contains(&frame.len()), "{}", frame.len());
            let ip = Ipv6View::new_checked(&frame[14..]).unwrap();
            let udp = UdpView::new_checked(ip.payload()).unwrap();
            assert!(udp.checksum_holds6(ip.src(), ip.dst()));
            let (src, dst) = (spec.src.at(0).unwrap(), spec.dst.at(0).unwrap());
            assert_eq!(IpAddr::from(Ipv6Addr::from_bits(ip.src_bits() >> 64 << 64)), src);
            assert_eq!(IpAddr::from(Ipv6Addr::from_bits(ip.dst_bits() >> 64 << 64)), dst);
            seen.insert((ip.src(), ip.dst(), udp.src_port(), udp.dst_port()));
        }
        assert_eq!(seen.len(), 500);
    }

    #[test]
    fn tcp_flows_are_tcp() {
        let spec = TrafficSpec { transport: Transport::Tcp, ..TrafficSpec::default() };
        let frame = spec.traffic().unwrap().next().unwrap();
        let ip = Ipv4View::new_checked(&frame[14..]).unwrap();
        let tcp = tcp::TcpView::new_checked(ip.payload()).unwrap();
        assert!(tcp.checksum_holds(ip.src(), ip.dst()) && tcp.flags() == tcp::flag::ACK);
    }
}
