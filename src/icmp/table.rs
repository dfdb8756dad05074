//! What crosses to the workers: causes of ICMP errors, and the limits on sending them.
//!
//! The limits are shared by all workers, as the kernel's are by all CPUs: one target's allowance
//! does not depend on which worker a packet met. They are touched only when an error is about to
//! be sent, and only read once an allowance is used up.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering},
};

use crate::{
    graph::{Nanos, Reason},
    icmp6::table::Rules,
    packet::icmp4::MAX_TYPE,
};

/// Why an ICMP error is due, and what becomes of the packet that provoked it. Kept on the packet
/// as [`crate::dpdk::mbuf::Packet::note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Cause {
    /// Nothing.
    None = 0,
    /// Time to live ran out on the way.
    TtlExceeded = 1,
    /// No route.
    NetUnreachable = 2,
    /// A route of type unreachable.
    HostUnreachable = 3,
    /// A route of type prohibit.
    Prohibited = 4,
    /// Larger than the MTU with DF set.
    FragNeeded = 5,
    /// No local service for the protocol.
    ProtocolUnreachable = 6,
    /// No local service on the port.
    PortUnreachable = 7,
    /// The neighbour did not answer.
    NeighbourFailed = 8,
    /// A malformed option; the offset of the bad byte is in the high byte of the note.
    Option = 9,
    /// A rule of type unreachable.
    RuleUnreachable = 10,
    /// A source route that leads nowhere; the offset of the bad byte is in the high byte of the note.
    SourceRoute = 20,
    /// A strict source route whose next address is behind a gateway.
    SourceRouteFailed = 21,
    /// A better gateway for the sender; the packet goes on, this is a copy of it.
    Redirect = 11,
    /// The rest of a datagram did not come in time; this is a copy of its first fragment.
    ReassemblyTimeout = 12,
    /// A rule of the packet filter refuses it; the code is in the high byte of the note.
    Rejected = 30,
    /// Larger than what carries it in IPv6; the MTU stands where the packet's hash does.
    FragNeededBeyond = 31,
}

impl Cause {
    /// The note for a packet.
    pub const fn note(self) -> u16 {
        self as u16
    }

    /// The note for a malformed option at `offset` bytes into the header.
    pub const fn option_note(offset: u8) -> u16 {
        Self::Option as u16 | (offset as u16) << 8
    }

    /// The note for a source route that cannot be followed, for the byte at `offset` into the header.
    pub const fn source_route_note(offset: u8) -> u16 {
        Self::SourceRoute as u16 | (offset as u16) << 8
    }

    /// The note for a packet that a rule refuses with this code.
    pub const fn rejected_note(code: u8) -> u16 {
        Self::Rejected as u16 | (code as u16) << 8
    }

    /// Reads a packet's note: the cause and the pointer.
    pub const fn from_note(note: u16) -> (Self, u8) {
        let cause = match note & 0xff {
            1 => Self::TtlExceeded,
            2 => Self::NetUnreachable,
            3 => Self::HostUnreachable,
            4 => Self::Prohibited,
            5 => Self::FragNeeded,
            6 => Self::ProtocolUnreachable,
            7 => Self::PortUnreachable,
            8 => Self::NeighbourFailed,
            9 => Self::Option,
            10 => Self::RuleUnreachable,
            11 => Self::Redirect,
            20 => Self::SourceRoute,
            21 => Self::SourceRouteFailed,
            12 => Self::ReassemblyTimeout,
            30 => Self::Rejected,
            31 => Self::FragNeededBeyond,
            _ => Self::None,
        };
        (cause, (note >> 8) as u8)
    }

    /// Type and code of the error.
    pub const fn message(self) -> (u8, u8) {
        match self {
            Self::TtlExceeded => (11, 0),
            Self::ReassemblyTimeout => (11, 1),
            Self::None | Self::NetUnreachable | Self::RuleUnreachable => (3, 0),
            Self::Redirect => (5, 1),
            Self::HostUnreachable | Self::NeighbourFailed => (3, 1),
            Self::Prohibited => (3, 13),
            Self::FragNeeded | Self::FragNeededBeyond => (3, 4),
            Self::ProtocolUnreachable => (3, 2),
            Self::PortUnreachable | Self::Rejected => (3, 3),
            Self::SourceRouteFailed => (3, 5),
            Self::Option | Self::SourceRoute => (12, 0),
        }
    }

    /// The drop reason of the packet that provoked it.
    pub const fn reason(self) -> Reason {
        match self {
            Self::None => Reason::LocalDone,
            Self::TtlExceeded => Reason::TtlExceeded,
            Self::NetUnreachable => Reason::NoRoute,
            Self::HostUnreachable | Self::RuleUnreachable => Reason::RouteUnreachable,
            Self::Redirect => Reason::Redirected,
            Self::ReassemblyTimeout => Reason::FragTimeoutTold,
            Self::Prohibited => Reason::RouteProhibit,
            Self::FragNeeded | Self::FragNeededBeyond => Reason::FragNeeded,
            Self::ProtocolUnreachable => Reason::NoProtocol,
            Self::PortUnreachable => Reason::NoSocket,
            Self::Rejected => Reason::FilterReject,
            Self::NeighbourFailed => Reason::NeighbourFailed,
            Self::Option => Reason::IpOptions,
            Self::SourceRoute | Self::SourceRouteFailed => Reason::SourceRoute,
        }
    }
}

/// Tunables of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRules {
    /// `icmp_ratelimit`: ms between messages to one target, 0 for no limit.
    pub ratelimit_ms: u32,
    /// `icmp_ratemask`: bit per type that is limited.
    pub ratemask: u32,
    /// `icmp_msgs_per_sec`: messages a second to all targets.
    pub msgs_per_sec: u32,
    /// `icmp_msgs_burst`: how many may go at once.
    pub msgs_burst: u32,
    /// Makes what is charged for each of them hard to guess.
    pub seed: u32,
}

/// What a limit said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send.
    Allowed,
    /// One target has had its share.
    TargetLimited,
    /// All together have had theirs.
    GloballyLimited,
}

const WAYS: usize = 4;
const SETS: usize = 16_384;
/// Messages that one target may get at once (`XRLIM_BURST_FACTOR`).
const BURST: u32 = 6;
/// `net.ipv4.route.error_cost` and `error_burst`, in ms.
const ROUTE_ERROR_COST: u32 = 1000;
const ROUTE_ERROR_BURST: u32 = 5000;
const MS: u64 = 1_000_000;
/// Allowance that a target starts with at most, in ms.
const UNKNOWN: u32 = 60_000;
/// A second, and the least time after which the credit for all targets grows, in ms.
const SECOND: u32 = 1000;
const STEP: u32 = 20;
/// Hosts that are remembered to have been redirected.
const REDIRECTS: usize = 4096;

/// State of the limits: bounded, however many targets there are.
pub struct Limits {
    /// Target (high half), and the time in ms at which it had nothing left of its allowance, which
    /// grows by a ms each ms; 0 for a free place.
    targets: Box<[AtomicU64]>,
    /// The same for IPv6, of whose addresses a keyed hash stands for each.
    targets6: Box<[AtomicU64]>,
    /// Messages that may go to all targets together before time has to pass.
    credit: AtomicI32,
    /// When there were last some added, in ms.
    stamp: AtomicU32,
    /// Messages that were charged for.
    charged: AtomicU32,
    /// Identification of the last answer.
    id: AtomicU32,
    /// Fragments that were numbered.
    fragments: AtomicU32,
    /// Hosts that were told of a better gateway: their address (high half), how often (low byte), and
    /// when (ms, in the bits between).
    redirects: Box<[AtomicU64]>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            targets: bytemuck::zeroed_slice_box(WAYS * SETS),
            targets6: bytemuck::zeroed_slice_box(WAYS * SETS),
            credit: AtomicI32::new(0),
            // A second ago when the clock starts at 0, so that a fresh router has its full burst.
            stamp: AtomicU32::new(SECOND.wrapping_neg()),
            charged: AtomicU32::new(0),
            id: AtomicU32::new(0),
            fragments: AtomicU32::new(0),
            redirects: bytemuck::zeroed_slice_box(REDIRECTS),
        }
    }
}

impl Limits {
    /// The next IPv4 identification of an answer, never 0; shared by all workers, as the kernel's is
    /// by all processors.
    pub fn next_id(&self) -> u16 {
        let id = self.id.fetch_add(1, Ordering::Relaxed).wrapping_add(1) as u16;
        if id == 0 { self.next_id() } else { id }
    }

    /// The next identification of an IPv6 packet in pieces, never 0, in an order that nobody who does
    /// not know the seed can foretell.
    pub fn next_fragment_id(&self, seed: u32) -> u32 {
        let number = self.fragments.fetch_add(1, Ordering::Relaxed);
        match crate::packet::tuple_hash(number, seed, 44, 0, 0, seed) {
            0 => self.next_fragment_id(seed),
            id => id,
        }
    }

    /// May an ICMPv6 message of `kind` go to `target`? Takes from its allowance if so. All families
    /// share what may go to whomever.
    pub fn allow6(
        &self,
        (all, six): (&LimitRules, &Rules),
        kind: u8,
        target: u128,
        now: Nanos,
    ) -> Verdict {
        if !six.is_limited(kind) {
            return Verdict::Allowed;
        }
        if !self.global_has_credit(all, now) {
            return Verdict::GloballyLimited;
        }
        let (cost, key) = (six.ratelimit_ms, crate::packet::l3_hash6(target, 0, 0, all.seed));
        // Without a cost nothing is left of what a target has gathered (`inet_peer_xrlim_allow`).
        if !take(&self.targets6, key, now, cost, cost.saturating_mul(BURST)) {
            return Verdict::TargetLimited;
        }
        self.take_global(all);
        Verdict::Allowed
    }

    /// May a message of `kind` and `code` go to `target`? Takes from its allowance if so.
    pub fn allow(
        &self,
        rules: &LimitRules,
        kind: u8,
        code: u8,
        target: Ipv4Addr,
        now: Nanos,
    ) -> Verdict {
        // Path MTU discovery must not be held up [3.54].
        let exempt = (kind, code) == (3, 4) || kind > MAX_TYPE || rules.ratemask & 1 << kind == 0;
        if exempt {
            return Verdict::Allowed;
        }
        if !self.global_has_credit(rules, now) {
            return Verdict::GloballyLimited;
        }
        if !self.target_allows(rules, target, now) {
            return Verdict::TargetLimited;
        }
        self.take_global(rules);
        Verdict::Allowed
    }

    /// Whether there is credit for a message to whomever (`icmp_global_allow`). It grows in steps of
    /// 20 ms or more, and never to more than a burst.
    fn global_has_credit(&self, rules: &LimitRules, now: Nanos) -> bool {
        if self.credit.load(Ordering::Relaxed) > 0 {
            return true;
        }
        let now = (now / MS) as u32;
        let stamp = self.stamp.load(Ordering::Relaxed);
        let passed = now.wrapping_sub(stamp).min(SECOND);
        let more = u64::from(rules.msgs_per_sec) * u64::from(passed) / u64::from(SECOND);
        if passed < STEP || more == 0 {
            return false;
        }
        let (more, most) = (more.min(1 << 30) as i32, rules.msgs_burst.min(1 << 30) as i32);
        let mine = self.stamp.compare_exchange(stamp, now, Ordering::Relaxed, Ordering::Relaxed);
        if mine.is_ok() {
            let add = |credit: i32| Some(credit.saturating_add(more).min(most));
            let _ = self.credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        }
        true
    }

    /// Charges none, one or two, one in the mean: who watches the limit from outside shall not be able
    /// to count the messages that went to others (`icmp_global_consume`).
    fn take_global(&self, rules: &LimitRules) {
        let number = self.charged.fetch_add(1, Ordering::Relaxed);
        let mixed = crate::packet::tuple_hash(number, rules.seed, 0, 0, 0, rules.seed);
        self.credit.fetch_sub(((u64::from(mixed) * 3) >> 32) as i32, Ordering::Relaxed);
    }

    fn target_allows(&self, rules: &LimitRules, target: Ipv4Addr, now: Nanos) -> bool {
        let cost = rules.ratelimit_ms;
        cost == 0 || take(&self.targets, target.to_bits(), now, cost, cost.saturating_mul(BURST))
    }

    /// May `host` be told of a better gateway? At most `number` times in a row, with a pause of
    /// `load` ms that doubles each time, and anew after `silence` ms (`ip_rt_send_redirect`).
    pub fn allow_redirect(
        &self,
        (number, load, silence): (u8, u32, u32),
        host: Ipv4Addr,
        now: Nanos,
    ) -> bool {
        // 2^24 ms are more than four hours; the next wrap at worst brings one redirect early.
        let now = (now / MS) as u32 & 0xff_ffff;
        let key = u64::from(host.to_bits()) << 32;
        let slot = host.to_bits().wrapping_mul(0x9e37_79b1) >> 20;
        let slot = &self.redirects[slot as usize % REDIRECTS];
        let old = slot.load(Ordering::Relaxed);
        let (mut count, last) = match old >> 32 == key >> 32 {
            true => (old as u8, (old >> 8) as u32 & 0xff_ffff),
            false => (0, 0),
        };
        let since = now.wrapping_sub(last) & 0xff_ffff;
        if count > 0 && since > silence {
            count = 0;
        }
        let told =
            count < number && (count == 0 || since > load.saturating_mul(1 << count.min(24)));
        if told || count >= number {
            let count = if told { count + 1 } else { count };
            let new = key | u64::from(now) << 8 | u64::from(count);
            slot.store(new, Ordering::Relaxed);
        }
        told
    }

    /// May a redirect go to `target`, or to others for its sake? Takes from the allowance of
    /// [`Limits::allow6`], as the kernel does (`ip6_forward`, `ndisc_send_redirect`).
    pub fn allow_redirect6(&self, seed: u32, target: u128, now: Nanos) -> bool {
        let key = crate::packet::l3_hash6(target, 0, 0, seed);
        take(&self.targets6, key, now, SECOND, SECOND * BURST)
    }

    /// May an error about the lack of a route go to `target`? Takes from the allowance that
    /// [`Limits::allow`] takes from again, as the kernel does (`ip_error`).
    pub fn allow_route_error(&self, target: Ipv4Addr, now: Nanos) -> bool {
        take(&self.targets, target.to_bits(), now, ROUTE_ERROR_COST, ROUTE_ERROR_BURST)
    }
}

/// Takes `cost` ms from the allowance of a target, of which at most `most` may have gathered. A target
/// that is not known counts as one that got nothing for a minute, as in the kernel (`inet_getpeer`).
fn take(targets: &[AtomicU64], target: u32, now: Nanos, cost: u32, most: u32) -> bool {
    let now = (now / MS) as u32;
    let key = u64::from(target) << 32;
    let set = (target.wrapping_mul(0x9e37_79b1) >> 18) as usize % SETS;
    let ways = &targets[set * WAYS..][..WAYS];
    loop {
        let tokens = |word: u64| now.wrapping_sub(word as u32);
        let found = ways.iter().find(|way| {
            let word = way.load(Ordering::Relaxed);
            word != 0 && word >> 32 == key >> 32
        });
        // No entry yet: take a free place, or that of the target who has waited longest.
        let way = found.unwrap_or_else(|| {
            let longest = ways.iter().max_by_key(|way| match way.load(Ordering::Relaxed) {
                0 => u32::MAX,
                word => tokens(word),
            });
            longest.unwrap_or(&ways[0])
        });
        let old = way.load(Ordering::Relaxed);
        let gathered = if found.is_some() { tokens(old).min(most) } else { most.min(UNKNOWN) };
        let (left, allowed) = match gathered.checked_sub(cost) {
            Some(left) => (left, true),
            None => (gathered, false),
        };
        let new = key | u64::from(now.wrapping_sub(left));
        // Who has nothing left is only read, however often it is asked for.
        if new == old {
            return allowed;
        }
        if way.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return allowed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: LimitRules = LimitRules {
        ratelimit_ms: 1000,
        ratemask: 0x1818,
        msgs_per_sec: 1000,
        msgs_burst: 50,
        seed: 7,
    };
    const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

    fn sent(
        limits: &Limits,
        rules: &LimitRules,
        kind: u8,
        code: u8,
        times: u32,
        now: Nanos,
    ) -> u32 {
        (0..times).filter(|_| limits.allow(rules, kind, code, A, now) == Verdict::Allowed).count()
            as u32
    }

    #[test]
    fn one_target_gets_six_at_once_and_then_one_a_second() {
        let limits = Limits::default();
        assert_eq!(sent(&limits, &RULES, 11, 0, 20, 0), 6);
        assert_eq!(sent(&limits, &RULES, 11, 0, 20, 1_500 * MS), 1);
        assert_eq!(sent(&limits, &RULES, 11, 0, 20, 2_000 * MS), 1);
        assert_eq!(sent(&limits, &RULES, 11, 0, 20, 60_000 * MS), 6);
    }

    /// How many of 200 targets get a message at this time.
    fn to_many(limits: &Limits, first: u32, ms: u64) -> usize {
        (0..200)
            .filter(|n| {
                let target = Ipv4Addr::from_bits(first + n);
                limits.allow(&RULES, 3, 1, target, ms * MS) == Verdict::Allowed
            })
            .count()
    }

    #[test]
    fn each_target_has_an_allowance_of_its_own_within_the_global_one() {
        let limits = Limits::default();
        let burst = to_many(&limits, 0x0a00_0000, 0);
        assert!((35..=70).contains(&burst), "50 in the mean, and not to be counted: {burst}");
        assert_eq!(limits.allow(&RULES, 3, 1, A, 0), Verdict::GloballyLimited);
        assert_eq!(to_many(&limits, 0x0b00_0000, 19), 0, "not before 20 ms");
        let step = to_many(&limits, 0x0b00_0000, 20);
        assert!((10..=35).contains(&step), "20 in the mean: {step}");
        assert!((35..=70).contains(&to_many(&limits, 0x0c00_0000, 60_000)), "a burst again");
    }

    #[test]
    fn in_the_mean_one_is_charged_for_each_message() {
        let rules = LimitRules { msgs_burst: 1_000_000, msgs_per_sec: 1_000_000, ..RULES };
        let limits = Limits::default();
        assert!(limits.global_has_credit(&rules, 0));
        for _ in 0..100_000 {
            limits.take_global(&rules);
        }
        let charged = 1_000_000 - limits.credit.load(Ordering::Relaxed);
        assert!((99_000..=101_000).contains(&charged), "{charged}");
    }

    #[test]
    fn path_mtu_and_types_outside_the_mask_are_never_held_back() {
        let limits = Limits::default();
        assert_eq!(sent(&limits, &RULES, 3, 4, 1000, 0), 1000);
        assert_eq!(sent(&limits, &RULES, 0, 0, 1000, 0), 1000);
        let off =
            LimitRules { ratelimit_ms: 0, msgs_per_sec: 1_000_000, msgs_burst: 2000, ..RULES };
        assert_eq!(sent(&limits, &off, 11, 0, 1000, 0), 1000);
    }

    #[test]
    fn icmpv6_is_limited_by_mask_and_target() {
        let limits = Limits::default();
        let six = Rules { ratelimit_ms: 1000, ..Rules::default() };
        let sent = |kind: u8, target: u128, now: Nanos| {
            let allow =
                |_: &u32| limits.allow6((&RULES, &six), kind, target, now) == Verdict::Allowed;
            (0..20).filter(allow).count()
        };
        assert_eq!((sent(1, 7, 0), sent(1, 8, 0), sent(1, 7, 600 * MS)), (6, 6, 0));
        assert_eq!(sent(1, 7, 2600 * MS), 2);
        assert_eq!((sent(2, 7, 0), sent(129, 7, 0)), (20, 20), "too big and echoes are not");
        let rare = Rules { ratelimit_ms: 100_000, ..six };
        let never = limits.allow6((&RULES, &rare), 1, 9, 0);
        assert_eq!(never, Verdict::TargetLimited, "a minute is all that is given at first");
        let told = (0..20).filter(|_| limits.allow_redirect6(RULES.seed, 77, 5 * MS)).count();
        assert_eq!((told, limits.allow_redirect6(RULES.seed, 77, 1006 * MS)), (6, true));
        let off = Rules { ratelimit_ms: 0, ..six };
        assert_eq!(limits.allow6((&RULES, &off), 1, 7, 2600 * MS), Verdict::Allowed);
        let ids: std::collections::HashSet<u32> =
            (0..10_000).map(|_| limits.next_fragment_id(9)).collect();
        assert!(ids.len() > 9_990 && !ids.contains(&0));
    }

    #[test]
    fn a_million_targets_take_no_more_memory_and_the_limit_still_holds() {
        let limits = Limits::default();
        let rules = LimitRules { msgs_per_sec: 1_000_000, msgs_burst: 5_000_000, ..RULES };
        for n in 0..1_000_000 {
            limits.allow(&rules, 11, 0, Ipv4Addr::from_bits(n), 0);
        }
        assert!(sent(&limits, &rules, 11, 0, 20, 0) <= 6);
    }

    #[test]
    fn a_host_is_redirected_nine_times_with_growing_pauses_and_then_left_alone() {
        let limits = Limits::default();
        let allow = |ms: u64| limits.allow_redirect((9, 20, 20_480), A, ms * MS);
        assert!(allow(1000) && !allow(1040), "the second after 40 ms");
        assert!(allow(1041) && !allow(1121) && allow(1122));
        let mut told = 3;
        for ms in 1123..20_000 {
            told += u32::from(allow(ms));
        }
        assert_eq!(told, 9);
        assert!(!allow(40_000), "each try prolongs the silence");
        assert!(allow(40_000 + 20_481));
    }

    #[test]
    fn notes_carry_the_cause_and_the_pointer() {
        assert_eq!(Cause::from_note(Cause::option_note(21)), (Cause::Option, 21));
        assert_eq!(Cause::from_note(Cause::NeighbourFailed.note()), (Cause::NeighbourFailed, 0));
    }
}
