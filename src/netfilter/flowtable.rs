//! The short way: what the long way has made of an established flow's packets, for those that follow.
//!
//! - takes: flows whose packets all meet the same rules and leave the same way
//! - gives: [`FlowTable`]: of a packet's key the connection, the translation and the next hop, and
//!   which rules count it
//! - obeys: a flow is forgotten with the generation of the tables it was learned in; what rules say of
//!   one packet and not of the next is never learned
//! - costs: a line of tags, and a line of the flow for IPv4 and two for IPv6; one count a packet, which is
//!   carried to the rules' own at the end of each turn

use crate::{
    conntrack::{Dir, Tuple, nat::delta::Delta},
    dpdk::pages::{self, Stretch},
    graph::Nanos,
    packet::ipv4::protocol,
    route::cache::FlowKey,
};

/// Places side by side in which a flow may stand.
const WAYS: usize = 8;
/// Most different ways through the rules that are told apart.
const PATHS: usize = 4096;
/// Flags of TCP: FIN, SYN and RST begin and end connections; without ACK nothing is one.
const TURNING: u8 = 0x07;
const ACK: u8 = 0x10;
/// Offset of a fragment, and the flag for more, in the order of memory.
const FRAGMENT: u16 = 0x3fff_u16.to_be();

/// A family of addresses.
pub trait Family: Copy + Send + Sync + 'static {
    /// What a flow's packets share.
    type Key: Copy + PartialEq + Default + Send;
    /// How they are translated.
    type Delta: Copy + Send + Default;
    /// Whether it is IPv6.
    const SIX: bool;
    /// Where the transport header stands in a plain frame.
    const L4: usize;

    /// The key of a plain frame of TCP or UDP that neither begins nor ends anything and has hops
    /// left; `iface` is where it came in.
    fn key(frame: &[u8], iface: u16) -> Option<Self::Key>;
    /// Whether a key is of UDP, and else of TCP.
    fn is_udp(key: &Self::Key) -> bool;
    /// The key that packets of a flow have; `tos` is their class.
    fn key_of(flow: &Tuple, tos: u8, label: u32, iface: u16) -> Self::Key;
    /// A hash of a key.
    fn hash(key: &Self::Key) -> u32;
    /// The change of a packet from one tuple to another.
    fn delta(old: &Tuple, new: &Tuple) -> Option<Self::Delta>;
    /// Changes a packet, one of UDP or else of TCP, and takes a hop from it; `ip` begins with its
    /// network header.
    fn forward(delta: &Self::Delta, ip: &mut [u8], udp: bool) -> bool;
}

/// Whether a frame, whose transport header stands there whole if it is of UDP, is one that goes the
/// short way; its first 20 bytes are there for TCP.
#[inline(always)]
fn goes_on<F: Family>(number: u8, frame: &[u8]) -> bool {
    if number == protocol::UDP {
        return true;
    }
    let segment = frame.get(F::L4..).and_then(<[u8]>::first_chunk::<20>);
    (number == protocol::TCP) & segment.is_some_and(|segment| segment[13] & (TURNING | ACK) == ACK)
}

/// IPv4.
#[derive(Clone, Copy, Debug)]
pub struct Four;

/// What packets of a flow of IPv6 share: both addresses; ports, interface, class and protocol; the label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Key6([u64; 6]);

/// IPv6.
#[derive(Clone, Copy, Debug)]
pub struct Six;

impl Family for Four {
    type Key = FlowKey;
    type Delta = Delta<4>;
    const SIX: bool = false;
    const L4: usize = 34;

    #[inline(always)]
    fn key(frame: &[u8], iface: u16) -> Option<FlowKey> {
        let head = frame.first_chunk::<42>()?;
        let whole = u16::from_ne_bytes([head[20], head[21]]) & FRAGMENT == 0;
        if !whole | (head[14] != 0x45) | (head[22] <= 1) || !goes_on::<Self>(head[23], frame) {
            return None;
        }
        Some(FlowKey::of_whole(head.first_chunk()?, iface))
    }

    #[inline(always)]
    fn is_udp(key: &FlowKey) -> bool {
        key.protocol() == protocol::UDP
    }

    fn key_of(flow: &Tuple, tos: u8, _: u32, iface: u16) -> FlowKey {
        FlowKey::of(&crate::packet::Flow {
            src: u32::from_be_bytes(flow.src.first4()),
            dst: u32::from_be_bytes(flow.dst.first4()),
            sport: flow.sport,
            dport: flow.dport,
            protocol: flow.proto,
            tos,
            iif: iface,
            ..Default::default()
        })
    }

    #[inline(always)]
    fn hash(key: &FlowKey) -> u32 {
        key.hash()
    }

    fn delta(old: &Tuple, new: &Tuple) -> Option<Delta<4>> {
        Delta::new(old, new)
    }

    #[inline(always)]
    fn forward(delta: &Delta<4>, ip: &mut [u8], udp: bool) -> bool {
        delta.forward(ip, udp)
    }
}

/// Eight bytes of a frame.
#[inline(always)]
fn word(bytes: &[u8; 62], at: usize) -> u64 {
    let mut all = [0; 8];
    all.copy_from_slice(&bytes[at..at + 8]);
    u64::from_ne_bytes(all)
}

/// The last two words of a key: ports as they stand in a header.
#[inline(always)]
fn rest6(ports: u32, iface: u16, class: u8, number: u8, label: u32) -> [u64; 2] {
    let small = u64::from(iface) << 16 | u64::from(class) << 8 | u64::from(number);
    [u64::from(ports) << 32 | small, u64::from(label)]
}

impl Family for Six {
    type Key = Key6;
    type Delta = Delta<16>;
    const SIX: bool = true;
    const L4: usize = 54;

    #[inline(always)]
    fn key(frame: &[u8], iface: u16) -> Option<Key6> {
        let head = frame.first_chunk::<62>()?;
        if head[21] <= 1 || !goes_on::<Self>(head[20], frame) {
            return None;
        }
        let first = u32::from_be_bytes([head[14], head[15], head[16], head[17]]);
        let ports = u32::from_ne_bytes([head[54], head[55], head[56], head[57]]);
        let [ports, label] = rest6(ports, iface, (first >> 20) as u8, head[20], first & 0xf_ffff);
        let key = [word(head, 22), word(head, 30), word(head, 38), word(head, 46), ports, label];
        Some(Key6(key))
    }

    #[inline(always)]
    fn is_udp(key: &Key6) -> bool {
        key.0[4] as u8 == protocol::UDP
    }

    fn key_of(flow: &Tuple, class: u8, label: u32, iface: u16) -> Key6 {
        let half = |address: &[u8; 16], at: usize| {
            let mut all = [0; 8];
            all.copy_from_slice(&address[at..at + 8]);
            u64::from_ne_bytes(all)
        };
        let ([a, b], [c, d]) = (flow.sport.to_be_bytes(), flow.dport.to_be_bytes());
        let ports = u32::from_ne_bytes([a, b, c, d]);
        let [rest, label] = rest6(ports, iface, class, flow.proto, label);
        let (src, dst) = (&flow.src.0, &flow.dst.0);
        Key6([half(src, 0), half(src, 8), half(dst, 0), half(dst, 8), rest, label])
    }

    #[inline(always)]
    fn hash(key: &Key6) -> u32 {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let [a, b, c, d, e, f] = key.0;
        let one = (a ^ c.rotate_left(32)).wrapping_mul(ODD);
        let two = (b ^ d.rotate_left(29) ^ e.rotate_left(21) ^ f).wrapping_mul(ODD | 1 << 40);
        ((one ^ two.rotate_left(17)).wrapping_mul(ODD) >> 32) as u32
    }

    fn delta(old: &Tuple, new: &Tuple) -> Option<Delta<16>> {
        Delta::new(old, new)
    }

    #[inline(always)]
    fn forward(delta: &Delta<16>, ip: &mut [u8], udp: bool) -> bool {
        delta.forward(ip, udp)
    }
}

/// What is known of one direction of a connection.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Way<F: Family> {
    key: F::Key,
    /// The connection, as the tracker counts them.
    pub conn: u64,
    /// How long it lives from each packet on, where nothing else of it changes; 0 where more does.
    pub timeout: Nanos,
    /// Low half of the generation of the tables in which this was learned; 0 of a place never used.
    generation: u32,
    /// The way out.
    pub hop: u32,
    /// Which rules count its packets.
    pub path: u16,
    /// What is changed of its packets.
    pub delta: F::Delta,
    /// The direction.
    pub dir: Dir,
    /// The connection's packets are counted.
    pub counts: bool,
}

impl<F: Family> Way<F> {
    /// What its packets share.
    #[inline(always)]
    pub const fn key(&self) -> &F::Key {
        &self.key
    }

    /// Whether it is of a flow, learned in a generation.
    #[inline(always)]
    pub fn is(&self, key: &F::Key, generation: u32) -> bool {
        (self.key == *key) & (self.generation == generation)
    }
}

const _: () = assert!(size_of::<Way<Four>>() == 64 && size_of::<Way<Six>>() == 128);

/// Of some places side by side, what is told of a flow without touching it: a part of the hash of what
/// stands at each; 0 of one never used.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(16))]
pub struct Tags([u16; WAYS]);

impl Tags {
    /// Which of the places may have a flow, a bit each.
    #[inline(always)]
    fn matching(&self, tag: u16) -> u32 {
        let bits = self.0.iter().enumerate().map(|(at, one)| u32::from(*one == tag) << at);
        bits.fold(0, |all, bit| all | bit)
    }

    /// Whether each place has been used.
    #[inline]
    fn is_full(&self) -> bool {
        self.matching(0) == 0
    }
}

/// One family's flows: each in one of eight places that its hash leads to, or in one of eight others where
/// those had all been taken.
pub struct FlowTable<F: Family> {
    /// Reserved when the worker is built, and filled with empty ones while it has time.
    ways: Vec<Way<F>>,
    /// The same; one for each eight ways.
    tags: Vec<Tags>,
    /// Of a number of tags.
    mask: usize,
    turn: u32,
}

/// Empty places that are made ready in a turn.
const GROWTH: usize = 512;

impl<F: Family> FlowTable<F> {
    /// Room for `entries` directions of connections, rounded up to a power of two; none with 0.
    pub fn new(entries: u32) -> Self {
        let places =
            if entries == 0 { 0 } else { (entries as usize).next_power_of_two().max(WAYS) };
        let mut ways = Vec::with_capacity(places);
        pages::prefer_large(ways.spare_capacity_mut());
        let tags = Vec::with_capacity(places / WAYS);
        Self { ways, tags, mask: (places / WAYS).wrapping_sub(1), turn: 0 }
    }

    /// Where it lies.
    pub(super) fn stretch(&self) -> Stretch {
        Stretch::of_room(&self.ways)
    }

    /// How many places there are once they are ready.
    #[inline(always)]
    const fn places(&self) -> usize {
        self.mask.wrapping_add(1) * WAYS
    }

    /// Makes some more places ready; nothing is learned before all are.
    #[inline]
    pub fn grow(&mut self) {
        if self.ways.len() < self.places() {
            let none = Way {
                key: F::Key::default(),
                conn: 0,
                timeout: 0,
                generation: 0,
                hop: 0,
                path: 0,
                delta: F::Delta::default(),
                dir: Dir::Original,
                counts: false,
            };
            let len = (self.ways.len() + GROWTH).min(self.places());
            self.ways.resize(len, none);
            self.tags.resize(len / WAYS, Tags::default());
        }
    }

    /// Whether flows can be learned.
    #[inline(always)]
    pub fn is_ready(&self) -> bool {
        self.ways.len() == self.places() && !self.ways.is_empty()
    }

    /// A place, to be changed.
    #[inline(always)]
    pub fn way_mut(&mut self, place: usize) -> Option<&mut Way<F>> {
        self.ways.get_mut(place)
    }

    /// A place, to be asked for before it is needed.
    #[inline(always)]
    pub fn way(&self, place: usize) -> Option<&Way<F>> {
        self.ways.get(place)
    }

    /// Never that of a place without a flow.
    #[inline(always)]
    const fn tag(hash: u32) -> u16 {
        (hash >> 16) as u16 | 1
    }

    /// Where flows of a hash stand first.
    #[inline(always)]
    const fn first(&self, hash: u32) -> usize {
        hash as usize & self.mask
    }

    /// Where they stand where those places had been taken.
    const fn second(&self, hash: u32) -> usize {
        self.first(hash) ^ (hash >> 12).wrapping_mul(0x9e37_79b1) as usize & self.mask
    }

    /// What tells where a flow of a hash may stand, to be asked for before it is needed.
    #[inline(always)]
    pub fn tags(&self, hash: u32) -> Option<&Tags> {
        self.tags.get(self.first(hash))
    }

    /// The place where a flow of a hash most probably stands, if it is there at all.
    #[inline(always)]
    pub fn candidate(&self, hash: u32) -> Option<usize> {
        let tags = self.tags(hash)?;
        match tags.matching(Self::tag(hash)) {
            0 if tags.is_full() => self.candidate_in(self.second(hash), hash),
            0 => None,
            found => Some(self.first(hash) * WAYS + found.trailing_zeros() as usize),
        }
    }

    #[cold]
    fn candidate_in(&self, tags: usize, hash: u32) -> Option<usize> {
        let found = self.tags.get(tags)?.matching(Self::tag(hash));
        (found != 0).then(|| tags * WAYS + found.trailing_zeros() as usize)
    }

    /// The place of a flow that was learned in a generation, wherever it may be. Only lines whose tag is the
    /// flow's are touched: one that is of an older generation may be asked about packet after packet.
    #[cold]
    pub fn search(&self, key: &F::Key, generation: u32) -> Option<usize> {
        let hash = F::hash(key);
        let tagged = |place: &usize| {
            self.tags.get(place / WAYS).is_some_and(|tags| tags.0[place % WAYS] == Self::tag(hash))
        };
        let mut places = self.places_of(hash).filter(tagged);
        places.find(|place| self.way(*place).is_some_and(|way| way.is(key, generation)))
    }

    /// All places where flows of a hash may stand.
    fn places_of(&self, hash: u32) -> impl Iterator<Item = usize> + use<F> {
        let both = [self.first(hash), self.second(hash)];
        both.into_iter().flat_map(|tags| tags * WAYS..(tags + 1) * WAYS)
    }

    /// Learns a flow. Where all places are taken by others of the same generation whose connections
    /// are alive, it has to wait: one of eight is let in, so that too many flows do not write all the
    /// time what nobody will read.
    pub fn learn(&mut self, learned: Learned<F>, is_alive: impl Fn(u64) -> bool) {
        if !self.is_ready() {
            return;
        }
        let hash = F::hash(&learned.key);
        let stale = |way: &Way<F>| way.generation != learned.generation || !is_alive(way.conn);
        let mut place = None;
        for at in self.places_of(hash) {
            let way = &self.ways[at];
            if way.generation != 0 && way.key == learned.key {
                place = Some(at);
                break;
            }
            if place.is_none() && stale(way) {
                place = Some(at);
            }
        }
        let place = place.or_else(|| {
            self.turn = self.turn.wrapping_add(1);
            let number = (self.turn >> 3) as usize % WAYS;
            (self.turn & 7 == 0).then(|| self.first(hash) * WAYS + number)
        });
        let Some(place) = place else { return };
        let Learned { key, generation, conn, hop, path, delta, dir, counts } = learned;
        self.ways[place] = Way { key, conn, timeout: 0, generation, hop, path, delta, dir, counts };
        self.tags[place / WAYS].0[place % WAYS] = Self::tag(hash);
    }
}

/// What the long way has found out about a flow.
#[derive(Debug)]
pub struct Learned<F: Family> {
    /// What its packets share as they come.
    pub key: F::Key,
    /// Low half of the tables' generation, never 0.
    pub generation: u32,
    /// The connection.
    pub conn: u64,
    /// The way out.
    pub hop: u32,
    /// Which rules count its packets.
    pub path: u16,
    /// What is changed of them.
    pub delta: F::Delta,
    /// The direction.
    pub dir: Dir,
    /// The connection's packets are counted.
    pub counts: bool,
}

/// What counts a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// A rule of iptables, of a family, in its slot.
    Rule {
        /// Of IPv6.
        six: bool,
        /// Where it counts.
        slot: u32,
    },
    /// A step of nftables.
    Step(u32),
}

impl Counter {
    /// As one number.
    pub const fn to_bits(self) -> u32 {
        match self {
            Self::Rule { six, slot } => slot << 2 | six as u32,
            Self::Step(step) => step << 2 | 2,
        }
    }

    /// Of one number.
    pub const fn of(bits: u32) -> Self {
        match bits & 2 {
            0 => Self::Rule { six: bits & 1 != 0, slot: bits >> 2 },
            _ => Self::Step(bits >> 2),
        }
    }
}

/// Ways through the rules: which of them count a packet. Each is the way before, and one more.
#[derive(Debug)]
pub struct Paths {
    /// The path before, and the count of the last rule.
    steps: Vec<(u16, u32)>,
    /// Packets and octets that have not been carried to the rules yet.
    counts: Vec<[u64; 2]>,
    /// Numbers of paths by a hash of their last step; 0 for none.
    places: Box<[u16]>,
    /// Paths that have counted something.
    counted: Vec<u16>,
}

impl Paths {
    /// The path that nothing counts.
    pub const NONE: u16 = 0;

    /// None yet, and room for none at all where they are not wanted.
    pub fn new(wanted: bool) -> Self {
        let room = if wanted { PATHS } else { 0 };
        let mut paths = Self {
            steps: Vec::with_capacity(room),
            counts: Vec::with_capacity(room),
            places: vec![0; room * 2].into(),
            counted: Vec::with_capacity(room),
        };
        paths.clear();
        paths
    }

    /// Forgets all paths; what they counted is lost unless it has been flushed.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.counts.clear();
        self.counted.clear();
        self.places.fill(0);
        if !self.places.is_empty() {
            self.steps.push((0, 0));
            self.counts.push([0; 2]);
        }
    }

    /// The path that goes on from another by a rule's count; nothing where there are too many.
    pub fn extend(&mut self, path: u16, slot: u32) -> Option<u16> {
        let mask = self.places.len().checked_sub(1)?;
        let mixed = (u64::from(slot) << 16 | u64::from(path)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut place = (mixed >> 40) as usize & mask;
        loop {
            match self.places[place] {
                0 => break,
                known if self.steps[usize::from(known)] == (path, slot) => return Some(known),
                _ => place = (place + 1) & mask,
            }
        }
        if self.steps.len() >= PATHS {
            return None;
        }
        let number = self.steps.len() as u16;
        self.steps.push((path, slot));
        self.counts.push([0; 2]);
        self.places[place] = number;
        Some(number)
    }

    /// A packet of so many octets has gone a path.
    #[inline(always)]
    pub fn count(&mut self, path: u16, octets: usize) {
        let Some(counts) = self.counts.get_mut(usize::from(path)) else { return };
        if counts[0] == 0 {
            self.counted.push(path);
        }
        counts[0] += 1;
        counts[1] += octets as u64;
    }

    /// Whether anything has been counted since the last time.
    #[inline(always)]
    pub fn has_counted(&self) -> bool {
        !self.counted.is_empty()
    }

    /// Carries what was counted to the rules: count, packets, octets.
    pub fn flush(&mut self, mut add: impl FnMut(u32, u64, u64)) {
        for path in self.counted.drain(..) {
            let [packets, octets] = std::mem::take(&mut self.counts[usize::from(path)]);
            let mut at = path;
            while at != Self::NONE {
                let (before, slot) = self.steps[usize::from(at)];
                add(slot, packets, octets);
                at = before;
            }
        }
    }
}

#[cfg(test)]
mod tests;
