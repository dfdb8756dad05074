//! Policy routing: which tables are asked for a packet, and in which order.
//!
//! Rules are compiled into sets of bits, one bit a rule: for each field of a packet there is the set
//! of rules whose selector it fits, and the rules that fit the whole packet are the intersection.
//! The cost hardly depends on the number of rules; a worker's cache in front of it makes it that of
//! a look-up. Without rules of its own a router has no policy at all, and costs nothing.
//!
//! - takes: a [`Flow`]
//! - gives: the index of a hop, 0 for no route
//! - obeys: RFC 1812 section 5.2.4; `ip-rule(8)`; ledger 6.118 to 6.130
//! - costs: `wagonway bench --rules 256 --tables 16`, with and without `--cache`

use std::collections::HashMap;

use crate::packet::Bits;
pub use crate::packet::Flow;

use super::{
    cache::FlowKey,
    family::{Family, Fib},
    table::{HopKind, HopTable},
    trie::{TrieId, Tries},
};

/// Where a rule looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// In the large table.
    Main,
    /// In one of the others.
    Trie(TrieId),
    /// In the table of the packet's VRF.
    Vrf,
    /// In a table that has no routes.
    Empty,
}

/// What a rule does with packets that fit, ready for workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Looks in a table. Routes of at most this length do not count, -1 for all do.
    Lookup(Where, i16),
    /// Ends with this hop.
    Hop(u32),
    /// Goes on at the rule of this number.
    Goto(u32),
    /// Goes on.
    Nop,
}

/// A rule with its names resolved.
#[derive(Clone, Debug)]
pub struct Rule<B = u32> {
    /// Takes the packets that the selectors do not fit.
    pub invert: bool,
    /// Source prefix: bits and length.
    pub src: (B, u8),
    /// Destination prefix.
    pub dst: (B, u8),
    /// TOS, 0 for any.
    pub tos: u8,
    /// Mark and its mask; mask 0 for any.
    pub mark: (u32, u32),
    /// Interface it came by: `None` for any, 0 for the router's own packets, and one that is not
    /// there for nothing.
    pub iif: Option<u16>,
    /// Interface it is bound to.
    pub oif: Option<u16>,
    /// Protocol, 0 for any.
    pub protocol: u8,
    /// Source ports.
    pub sport: Option<(u16, u16)>,
    /// Destination ports.
    pub dport: Option<(u16, u16)>,
    /// Only packets of a VRF.
    pub l3mdev: bool,
    /// What it does.
    pub act: Act,
    /// Routes out of these interfaces do not count.
    pub suppressed: Vec<u16>,
}

#[cfg(test)]
impl Rule {
    /// Takes every packet and does nothing with it.
    pub(super) const ANY: Self = Self {
        invert: false,
        src: (0, 0),
        dst: (0, 0),
        tos: 0,
        mark: (0, 0),
        iif: None,
        oif: None,
        protocol: 0,
        sport: None,
        dport: None,
        l3mdev: false,
        act: Act::Nop,
        suppressed: Vec::new(),
    };
}

/// Index of an interface that is not there.
pub const ABSENT: u16 = u16::MAX;

/// Sets of rules by a number that lies in ranges.
struct Ranges<B> {
    starts: Vec<B>,
    sets: Vec<u64>,
    words: usize,
}

impl<B: Bits> Ranges<B> {
    /// `fits` gives the first and last number that each rule takes.
    fn new(words: usize, fits: &[(B, B)]) -> Self {
        let mut starts: Vec<B> = std::iter::once(B::default())
            .chain(
                fits.iter()
                    .flat_map(|(first, last)| [Some(*first), last.next()].into_iter().flatten()),
            )
            .collect();
        starts.sort_unstable();
        starts.dedup();
        let mut sets = vec![0; starts.len() * words];
        for (rule, (first, last)) in fits.iter().enumerate() {
            let from = starts.partition_point(|start| start < first);
            let to = starts.partition_point(|start| start <= last);
            for place in from..to {
                sets[place * words + rule / 64] |= 1 << (rule % 64);
            }
        }
        Self { starts, sets, words }
    }

    #[inline]
    fn set(&self, number: B) -> &[u64] {
        let place = self.starts.partition_point(|start| *start <= number) - 1;
        &self.sets[place * self.words..][..self.words]
    }
}

/// Sets of rules by a small number.
struct Direct {
    sets: Vec<u64>,
    words: usize,
    /// Numbers above the list fit these.
    other: Vec<u64>,
}

impl Direct {
    fn new(
        words: usize,
        rules: usize,
        numbers: usize,
        fits: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let set = |number: usize| {
            let mut set = vec![0; words];
            for rule in (0..rules).filter(|rule| fits(*rule, number)) {
                set[rule / 64] |= 1 << (rule % 64);
            }
            set
        };
        Self {
            sets: (0..numbers).flat_map(set).collect(),
            words,
            other: set(usize::from(ABSENT) - 1),
        }
    }

    #[inline]
    fn set(&self, number: usize) -> &[u64] {
        self.sets.get(number * self.words..(number + 1) * self.words).unwrap_or(&self.other)
    }
}

/// Sets of rules by marks under one mask.
struct Marks {
    mask: u32,
    exact: HashMap<u32, Vec<u64>>,
}

/// Which fields some rule looks at, as a mask for the key of a cache: source, then marks, then
/// interfaces and the small fields, then ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// The source.
    pub src: u32,
    /// The mark.
    pub mark: u32,
    /// TOS.
    pub tos: u8,
    /// The protocol.
    pub protocol: u8,
    /// Ports, both.
    pub ports: u32,
}

/// The rules, compiled.
pub struct Policy<B = u32> {
    words: usize,
    acts: Vec<Act>,
    /// Interfaces whose routes do not count, a bit each; empty for most rules.
    suppressed: Vec<Box<[u64]>>,
    src: Ranges<B>,
    dst: Ranges<B>,
    sport: Ranges<u32>,
    dport: Ranges<u32>,
    iif: Direct,
    oif: Direct,
    tos: Direct,
    protocol: Direct,
    /// Rules that want a mark, and rules that do not.
    unmarked: Vec<u64>,
    marks: Vec<Marks>,
    /// Rules for packets outside of VRFs.
    outside: Vec<u64>,
    invert: Vec<u64>,
    fields: Fields,
    key_mask: FlowKey,
    /// Table of each VRF, by its index.
    vrfs: Vec<Where>,
}

/// The tables that rules name.
pub struct Sources<'a, B: Family = u32> {
    /// The large table.
    pub fib: &'a B::Fib,
    /// The others.
    pub tries: &'a Tries<B>,
    /// What the values in them stand for.
    pub hops: &'a HopTable,
}

impl<B: Family> Clone for Sources<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Family> Copy for Sources<'_, B> {}

impl<B: Family> Sources<'_, B> {
    /// The hop that a hop of kind [`HopKind::Sources`] has for a source; any other is itself. What
    /// has no route for a source falls back on the next shorter prefix, whose hop may be one of
    /// this kind again.
    pub fn by_source(&self, mut hop: u32, src: B) -> u32 {
        for _ in 0..=B::LEN {
            let found = self.hops.get(hop);
            if found.kind() != HopKind::Sources {
                break;
            }
            hop = self.tries.lookup(found.trie(), src);
        }
        hop
    }
}

fn span<B: Family>((bits, len): (B, u8)) -> (B, B) {
    let mask = B::mask(len);
    (bits & mask, bits | !mask)
}

/// Bits of the DSCP that rules look at: of IPv4 those of the old TOS alone.
pub const fn dscp_mask<B: Bits>() -> u8 {
    if B::SIX { 0x3f } else { 0x07 }
}

/// A bit for each number.
fn bits(numbers: &[u16]) -> Box<[u64]> {
    let words = numbers.iter().max().map_or(0, |most| usize::from(*most) / 64 + 1);
    let mut set = vec![0; words];
    for number in numbers {
        set[usize::from(*number) / 64] |= 1 << (number % 64);
    }
    set.into_boxed_slice()
}

impl<B: Family> Policy<B> {
    /// Compiles `rules`, which stand in the order in which they are asked; `vrfs` names the table of
    /// each VRF by its interface index, and `masters` the VRF that each interface is in: a rule for a
    /// VRF takes what comes and goes by its interfaces (`fib_rule_iif_match`).
    pub fn new(rules: &[Rule<B>], vrfs: Vec<Where>, masters: &[u16]) -> Self {
        let count = rules.len();
        let words = count.div_ceil(64).max(1);
        let set = |fits: &dyn Fn(&Rule<B>) -> bool| {
            let mut set = vec![0; words];
            for (number, _) in rules.iter().enumerate().filter(|(_, rule)| fits(rule)) {
                set[number / 64] |= 1 << (number % 64);
            }
            set
        };
        let ports = |of: fn(&Rule<B>) -> Option<(u16, u16)>| {
            let spans: Vec<_> = rules
                .iter()
                .map(|rule| of(rule).map_or((0, u32::MAX), |(a, b)| (a.into(), b.into())))
                .collect();
            Ranges::new(words, &spans)
        };
        let spans = |of: fn(&Rule<B>) -> (B, u8)| {
            Ranges::new(words, &rules.iter().map(|rule| span(of(rule))).collect::<Vec<_>>())
        };
        let ifaces = |of: fn(&Rule<B>) -> Option<u16>| {
            let named = rules.iter().filter_map(of).filter(|index| *index != ABSENT);
            let most = (usize::from(named.max().unwrap_or(0)) + 1).max(masters.len());
            Direct::new(words, count, most, |rule, number| {
                of(&rules[rule]).is_none_or(|index| {
                    let master = masters.get(number).copied().unwrap_or(0);
                    usize::from(index) == number || index != 0 && index == master
                })
            })
        };
        let mut masks: Vec<u32> =
            rules.iter().map(|rule| rule.mark.1).filter(|mask| *mask != 0).collect();
        masks.sort_unstable();
        masks.dedup();
        let marks = masks.into_iter().map(|mask| {
            let of = rules.iter().filter(|rule| rule.mark.1 == mask).map(|rule| rule.mark.0);
            let exact = of
                .map(|mark| (mark & mask, set(&|rule| rule.mark.1 == mask && rule.mark.0 == mark)));
            Marks { mask, exact: exact.collect() }
        });
        let any = |of: fn(&Rule<B>) -> bool| rules.iter().any(of);
        let fields = Fields {
            src: if any(|rule| rule.src.1 != 0) { u32::MAX } else { 0 },
            mark: rules.iter().fold(0, |all, rule| all | rule.mark.1),
            tos: if any(|rule| rule.tos != 0) { dscp_mask::<B>() << 2 } else { 0 },
            protocol: if any(|rule| rule.protocol != 0) { 0xff } else { 0 },
            ports: if any(|rule| rule.sport.is_some() || rule.dport.is_some()) {
                u32::MAX
            } else {
                0
            },
        };
        Self {
            words,
            acts: rules.iter().map(|rule| rule.act).collect(),
            suppressed: rules.iter().map(|rule| bits(&rule.suppressed)).collect(),
            src: spans(|rule| rule.src),
            dst: spans(|rule| rule.dst),
            sport: ports(|rule| rule.sport),
            dport: ports(|rule| rule.dport),
            iif: ifaces(|rule| rule.iif),
            oif: ifaces(|rule| rule.oif),
            tos: Direct::new(words, count, usize::from(dscp_mask::<B>()) + 1, |rule, bits| {
                rules[rule].tos == 0 || usize::from(rules[rule].tos >> 2) == bits
            }),
            protocol: Direct::new(words, count, 256, |rule, number| {
                rules[rule].protocol == 0 || usize::from(rules[rule].protocol) == number
            }),
            unmarked: set(&|rule| rule.mark.1 == 0),
            marks: marks.collect(),
            outside: set(&|rule| !rule.l3mdev),
            invert: set(&|rule| rule.invert),
            key_mask: FlowKey::mask(&fields),
            fields,
            vrfs,
        }
    }

    /// What rules look at beside the destination and the interface.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The same, as bits of a cache's key.
    #[inline]
    pub fn key_mask(&self) -> &FlowKey {
        &self.key_mask
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.acts.len()
    }

    /// True without rules.
    pub fn is_empty(&self) -> bool {
        self.acts.is_empty()
    }

    /// The rules that fit, in one word of their set.
    #[inline]
    fn fitting(&self, flow: &Flow<B>, sets: &[&[u64]; 8], word: usize) -> u64 {
        let mut fit = sets.iter().fold(u64::MAX, |fit, set| fit & set[word]);
        let mut marked = self.unmarked[word];
        for marks in &self.marks {
            if let Some(set) = marks.exact.get(&(flow.mark & marks.mask)) {
                marked |= set[word];
            }
        }
        fit &= marked;
        if flow.vrf == 0 {
            fit &= self.outside[word];
        }
        fit ^ self.invert[word]
    }

    /// The hop of a flow, 0 where no table has a route for it; and the number of the rule that said
    /// so.
    #[inline(never)]
    pub fn decide(&self, flow: &Flow<B>, from: Sources<'_, B>) -> (u32, Option<usize>) {
        let found = self.walk(flow, |rule, act| match act {
            Act::Hop(hop) => Some((hop, Some(rule))),
            Act::Lookup(table, suppress) => {
                let hop = self.look(table, suppress, flow, from);
                let leads = hop != 0 && !self.is_suppressed(rule, hop, from.hops);
                leads.then_some((hop, Some(rule)))
            }
            Act::Nop | Act::Goto(_) => None,
        });
        found.unwrap_or((0, None))
    }

    /// Whether a rule ends a flow to an address of one link before a table is asked that has links.
    pub fn ends(&self, flow: &Flow<B>, from: Sources<'_, B>) -> bool {
        let found = self.walk(flow, |_, act| match act {
            Act::Hop(_) => Some(true),
            Act::Lookup(table, suppress) => {
                let hop = from.hops.get(self.look(table, suppress, flow, from));
                (hop.kind() == HopKind::Link).then_some(false)
            }
            Act::Nop | Act::Goto(_) => None,
        });
        found.unwrap_or(false)
    }

    /// Goes through the rules that fit a flow until one has an answer.
    #[inline(always)]
    fn walk<T>(&self, flow: &Flow<B>, mut ask: impl FnMut(usize, Act) -> Option<T>) -> Option<T> {
        let sets = [
            self.src.set(flow.src),
            self.dst.set(flow.dst),
            self.sport.set(flow.sport.into()),
            self.dport.set(flow.dport.into()),
            self.iif.set(flow.iif.into()),
            self.oif.set(flow.oif.into()),
            self.tos.set(usize::from(flow.tos >> 2 & dscp_mask::<B>())),
            self.protocol.set(flow.protocol.into()),
        ];
        let mut start = 0;
        for word in 0..self.words {
            if start >= (word + 1) * 64 {
                continue;
            }
            let mut fit = self.fitting(flow, &sets, word);
            // Behind the last rule an inverted set has no meaning.
            let left = self.acts.len() - (word * 64).min(self.acts.len());
            if left < 64 {
                fit &= (1 << left) - 1;
            }
            while fit != 0 {
                let rule = word * 64 + fit.trailing_zeros() as usize;
                fit &= fit - 1;
                if rule < start {
                    continue;
                }
                if let Act::Goto(target) = self.acts[rule] {
                    start = target as usize;
                } else if let Some(answer) = ask(rule, self.acts[rule]) {
                    return Some(answer);
                }
            }
        }
        None
    }

    /// True for a hop out of an interface that the rule does not want; of several next hops the
    /// first one tells, as in the kernel.
    #[inline]
    fn is_suppressed(&self, rule: usize, index: u32, hops: &HopTable) -> bool {
        let set = &self.suppressed[rule];
        if set.is_empty() {
            return false;
        }
        let mut hop = hops.get(index);
        if hop.kind() == HopKind::Group {
            hop = hops.get(hops.members(hop).next().unwrap_or(index));
        }
        let leads = matches!(hop.kind(), HopKind::Neighbour | HopKind::Link);
        let iface = usize::from(hop.out().iface);
        leads && set.get(iface / 64).is_some_and(|word| word >> (iface % 64) & 1 != 0)
    }

    /// The hop that a table has, 0 for none, for a throw, and for a route that is suppressed.
    #[inline]
    fn look(&self, table: Where, suppress: i16, flow: &Flow<B>, from: Sources<'_, B>) -> u32 {
        let table = match table {
            Where::Vrf => self.vrfs.get(usize::from(flow.vrf)).copied().unwrap_or(Where::Empty),
            other => other,
        };
        let (mut hop, len) = match table {
            // No length is suppressed: it need not be known.
            Where::Main if suppress < 0 => (from.fib.lookup(flow.dst), u8::MAX),
            Where::Main => from.fib.lookup_with_len(flow.dst),
            Where::Trie(trie) => from.tries.lookup_with_len(trie, flow.dst),
            Where::Empty | Where::Vrf => return 0,
        };
        match from.hops.get(hop).kind() {
            HopKind::Choice => hop = from.hops.chosen(from.hops.get(hop), flow.tos),
            HopKind::Sources => hop = from.by_source(hop, flow.src),
            _ => {}
        }
        let ends = matches!(from.hops.get(hop).kind(), HopKind::Throw | HopKind::NoRoute);
        if hop == 0 || ends || i16::from(len) <= suppress { 0 } else { hop }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{
        doubles::Up,
        fib::Fib4Writer,
        hops::{HopSpec, Hops},
        table::Attrs,
        trie::TriesWriter,
    };
    use std::net::Ipv4Addr;

    /// Whether a rule fits, field by field.
    fn fits(rule: &Rule, flow: &Flow) -> bool {
        let within = |(bits, len): (u32, u8), address: u32| {
            len == 0 || (bits ^ address) >> (32 - u32::from(len)) == 0
        };
        let in_range = |range: Option<(u16, u16)>, port: u16| {
            range.is_none_or(|(first, last)| (first..=last).contains(&port))
        };
        let all = within(rule.src, flow.src)
            && within(rule.dst, flow.dst)
            && (rule.tos == 0 || rule.tos >> 2 == flow.tos >> 2 & 7)
            && (rule.mark.1 == 0 || flow.mark & rule.mark.1 == rule.mark.0)
            && rule.iif.is_none_or(|iif| iif == flow.iif)
            && rule.oif.is_none_or(|oif| oif == flow.oif)
            && (rule.protocol == 0 || rule.protocol == flow.protocol)
            && in_range(rule.sport, flow.sport)
            && in_range(rule.dport, flow.dport)
            && (!rule.l3mdev || flow.vrf != 0);
        all != rule.invert
    }

    /// Two tables: main has a default route to hop A, another has 10.0.0.0/8 to hop B.
    fn world() -> (Fib4Writer, TriesWriter, Hops, TrieId, [u32; 2]) {
        let (mut fib, mut tries, mut hops) =
            (Fib4Writer::new(4), TriesWriter::new(4, 16), Hops::new(64));
        let via = |last: u8| HopSpec::Via {
            iface: 1,
            six: false,
            gateway: Some(Ipv4Addr::new(192, 0, 2, last).into()),
            mtu: None,
            prefsrc: None,
            attrs: Attrs::default(),
        };
        let both = [1, 2].map(|last| hops.acquire(via(last), &Up).unwrap());
        let trie = tries.create().unwrap();
        fib.insert(0, 0, both[0]).unwrap();
        tries.insert(trie, 0x0a00_0000, 8, both[1]).unwrap();
        (fib, tries, hops, trie, both)
    }

    #[test]
    fn compiled_rules_decide_as_one_rule_after_the_other_does() {
        let (fib, tries, hops, trie, _) = world();
        let from: Sources<'_> =
            Sources { fib: fib.table().as_ref(), tries: tries.tables(), hops: hops.table() };
        bolero::check!()
            .with_type::<(Vec<([u8; 12], u8, bool)>, Vec<[u8; 12]>)>()
            .with_max_len(1500)
            .with_iterations(300)
            .for_each(|(made, flows)| {
                let rules: Vec<Rule> = made
                    .iter()
                    .enumerate()
                    .map(|(number, (bytes, which, invert))| {
                        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
                        let bit = |n: u8| which & 1 << n != 0;
                        let pick = |on: bool, n: u8| u16::from(on) * u16::from(n % 4);
                        Rule {
                            invert: *invert,
                            src: if bit(0) { (u32::from(a) << 24, 1 + b % 8) } else { (0, 0) },
                            dst: if bit(1) { (0x0a00_0000, 1 + c % 8) } else { (0, 0) },
                            tos: if bit(2) { (d & 7) << 2 } else { 0 },
                            mark: if bit(3) { (u32::from(e & 3), 3) } else { (0, 0) },
                            iif: bit(4).then(|| pick(true, f)),
                            oif: (bit(5) && g > 200).then(|| pick(true, g)),
                            protocol: if bit(6) { h % 3 * 8 + 1 } else { 0 },
                            sport: (bit(7) && i > 128).then_some((10, 10 + u16::from(i))),
                            dport: (bit(7) && i <= 128).then_some((u16::from(i), 100)),
                            l3mdev: j > 240,
                            suppressed: Vec::new(),
                            act: match k % 5 {
                                0 => Act::Nop,
                                1 => Act::Hop(60),
                                2 => Act::Goto(number as u32 + 1 + u32::from(l % 8)),
                                3 => Act::Lookup(Where::Main, i16::from(l % 2) - 1),
                                _ => Act::Lookup(Where::Trie(trie), i16::from(l % 10) - 1),
                            },
                        }
                    })
                    .collect();
                let policy = Policy::new(&rules, Vec::new(), &[]);
                for bytes in flows {
                    let [a, b, c, d, e, f, g, h, i, j, _, _] = *bytes;
                    let flow = Flow {
                        src: u32::from(a) << 24,
                        dst: if b & 1 == 0 { 0x0a00_0001 } else { 0x1400_0001 },
                        mark: u32::from(c & 3),
                        iif: u16::from(d % 4),
                        oif: u16::from(e % 4),
                        vrf: u16::from(f & 1),
                        sport: g.into(),
                        dport: h.into(),
                        tos: (i & 7) << 2,
                        protocol: j % 3 * 8 + 1,
                    };
                    let (mut expected, mut skip) = ((0, None), 0);
                    for (number, rule) in rules.iter().enumerate() {
                        if number < skip || !fits(rule, &flow) {
                            continue;
                        }
                        let hop = match rule.act {
                            Act::Nop => 0,
                            Act::Hop(hop) => hop,
                            Act::Goto(target) => {
                                skip = target as usize;
                                0
                            }
                            Act::Lookup(table, suppress) => {
                                policy.look(table, suppress, &flow, from)
                            }
                        };
                        if hop != 0 {
                            expected = (hop, Some(number));
                            break;
                        }
                    }
                    assert_eq!(policy.decide(&flow, from), expected, "{flow:?} {rules:?}");
                }
            });
    }

    #[test]
    fn a_short_route_can_be_suppressed() {
        let (fib, tries, hops, _, [a, _]) = world();
        let from: Sources<'_> =
            Sources { fib: fib.table().as_ref(), tries: tries.tables(), hops: hops.table() };
        let flow = Flow { dst: 0x0101_0101, ..Flow::default() };
        let decide = |suppress| {
            let rule = Rule { act: Act::Lookup(Where::Main, suppress), ..Rule::ANY };
            Policy::new(&[rule], Vec::new(), &[]).decide(&flow, from).0
        };
        assert_eq!((decide(-1), decide(0)), (a, 0));
    }
}
