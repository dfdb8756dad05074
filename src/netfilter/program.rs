//! Rules as workers run them.
//!
//! - takes: nothing; the compiler fills it in
//! - gives: [`Program`]: the rules of all chains in one piece, their tests and effects beside them
//! - obeys: the order of checks of `ip_packet_match` and `ip6_packet_match`
//! - costs: 96 bytes a rule; two masks and two compares for one that is about other addresses

use std::net::IpAddr;

use super::counters::{Counts, Lease};
use super::index::Index;
use super::matches::Test;
use super::rule::{self, Family, Hook, Policy, TableName};
use super::targets::Effect;
use super::view::Facts;

/// What a rule does, beside effects of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Counts and goes on.
    Next,
    /// Lets pass.
    Accept,
    /// Ends the packet.
    Drop,
    /// Goes back to where the chain was called.
    Return,
    /// The end of a built-in chain.
    Policy(Policy),
    /// Calls a chain.
    Jump(u32),
    /// Goes on in a chain.
    Goto(u32),
    /// Does something more.
    Effect(u32),
}

/// Bits of [`Op::flags`].
pub(super) mod flag {
    /// The source must not be there.
    pub(crate) const NOT_SRC: u8 = 1;
    /// The destination must not be there.
    pub(crate) const NOT_DST: u8 = 1 << 1;
    /// It must not come by these interfaces.
    pub(crate) const NOT_IN: u8 = 1 << 2;
    /// It must not leave by these.
    pub(crate) const NOT_OUT: u8 = 1 << 3;
    /// It must not be of this protocol.
    pub(crate) const NOT_PROTOCOL: u8 = 1 << 4;
    /// It must be a fragment other than the first.
    pub(crate) const FRAGMENT: u8 = 1 << 5;
    /// It must be none.
    pub(crate) const NOT_FRAGMENT: u8 = 1 << 6;
    /// A trace calls it the end of its chain.
    pub(crate) const TAIL: u8 = 1 << 7;
}

/// A rule.
#[derive(Clone, Debug)]
pub(super) struct Op {
    /// Source under its mask, and the mask.
    pub(super) src: [u128; 2],
    /// Destination likewise.
    pub(super) dst: [u128; 2],
    /// Where its tests begin.
    pub(super) tests: u32,
    /// Where it counts.
    pub(super) slot: u32,
    /// How many tests.
    pub(super) test_count: u16,
    /// The set of interfaces it comes by, 0 for any.
    pub(super) input: u16,
    /// The set of interfaces it leaves by, 0 for any.
    pub(super) output: u16,
    /// Protocol, 0 for any.
    pub(super) protocol: u8,
    /// Bits of [`flag`].
    pub(super) flags: u8,
    /// Which of its tests is the first whose answer may differ between packets of a flow; beyond all
    /// for none.
    pub(super) unsteady: u16,
    /// Whether what it does is the same for all packets of a flow.
    pub(super) steady: bool,
    /// What it does.
    pub(super) act: Act,
}

/// Whether the basic part of a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// Nobody can tell, and the packet is not to go on.
    Broken,
}

/// Sets of interfaces by index.
#[derive(Clone, Debug, Default)]
pub(super) struct IfaceSets {
    /// Words of one set.
    pub(super) stride: usize,
    /// All sets; the first is empty and never asked.
    pub(super) words: Vec<u64>,
}

impl IfaceSets {
    /// Whether an interface is in a set; one that came after the program was made is in none.
    #[inline]
    fn has(&self, set: u16, iface: u16) -> bool {
        let word = usize::from(iface) / 64;
        word < self.stride
            && self
                .words
                .get(usize::from(set) * self.stride + word)
                .is_some_and(|word| word >> (iface % 64) & 1 != 0)
    }
}

/// A chain.
#[derive(Debug)]
pub(super) struct Chain {
    /// Its name.
    pub(super) name: Box<str>,
    /// Its first rule.
    pub(super) start: u32,
    /// Its end, which is a rule too.
    pub(super) end: u32,
    /// Which of its rules can fit a packet, of a long one.
    pub(super) index: Option<Index>,
}

/// Where a hook enters a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which table.
    pub table: TableName,
    /// At which hook.
    pub hook: Hook,
    pub(super) chain: u32,
}

/// The rules of one family, ready to run.
#[derive(Debug)]
pub struct Program {
    pub(super) family: Family,
    pub(super) ops: Vec<Op>,
    pub(super) tests: Vec<Test>,
    pub(super) effects: Vec<Effect>,
    pub(super) chains: Vec<Chain>,
    pub(super) entries: Vec<Entry>,
    pub(super) ifaces: IfaceSets,
    pub(super) templates: Vec<rule::Ct>,
    /// Whether a rule may make packets longer.
    pub(super) grows: bool,
    pub(super) counts: Counts,
    pub(super) _lease: Lease,
}

impl Program {
    /// Whose packets it is about.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// Where a hook enters a table; nothing for a table that was never asked for.
    #[must_use]
    pub fn entry(&self, table: TableName, hook: Hook) -> Option<Entry> {
        self.entries.iter().find(|entry| entry.table == table && entry.hook == hook).copied()
    }

    /// All entries, a hook's in the order in which packets meet them.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether a table lets all pass at a hook without looking, so that nothing but a count is lost
    /// where it is not entered.
    #[must_use]
    pub fn is_idle(&self, entry: Entry) -> bool {
        let chain = &self.chains[entry.chain as usize];
        chain.start == chain.end && self.ops[chain.end as usize].act == Act::Policy(Policy::Accept)
    }

    /// What a `CT` rule asked for, by the number that it left on the packet.
    #[must_use]
    pub fn template(&self, number: u16) -> Option<&rule::Ct> {
        self.templates.get(usize::from(number))
    }

    /// How many things `CT` rules ask for.
    #[must_use]
    pub fn template_count(&self) -> u16 {
        self.templates.len() as u16
    }

    /// Whether a rule may make packets longer, by at most 8 bytes in a table.
    #[must_use]
    #[inline]
    pub fn grows(&self) -> bool {
        self.grows
    }

    /// Gateways that rules copy packets to.
    pub fn gateways(&self) -> impl Iterator<Item = IpAddr> {
        self.effects.iter().filter_map(Effect::gateway)
    }

    /// Whether any rule asks for, or changes, connections.
    #[must_use]
    pub fn needs_tracking(&self) -> bool {
        self.tests.iter().any(Test::needs_tracking)
            || self.effects.iter().any(Effect::needs_tracking)
    }

    /// Whether a rule counts open connections, for which [`Program::sweep`] is there.
    #[must_use]
    pub fn counts_connections(&self) -> bool {
        self.tests.iter().any(|test| matches!(test, Test::ConnLimit(_)))
    }

    /// Gives up what connections of this worker that are gone were counted for by `connlimit`; to be
    /// called now and then by each worker, looks at up to `most` of them.
    pub fn sweep(&self, worker: usize, most: usize, is_open: &dyn Fn(u64) -> bool) {
        for test in &self.tests {
            if let Test::ConnLimit(limit) = test {
                limit.counted.sweep(worker, most, is_open);
            }
        }
    }

    /// Counts packets of this worker that met a rule without being asked, at the place that
    /// [`Env::counted`](super::Env::counted) told.
    #[inline]
    pub fn count(&self, slot: u32, worker: usize, packets: u64, bytes: u64) {
        self.counts.add_many(slot, worker, packets, bytes);
    }

    /// Whether the basic part of a rule holds.
    #[inline(always)]
    pub(super) fn fits(&self, op: &Op, facts: &Facts, input: u16, output: u16) -> Fit {
        let not = |bit: u8| op.flags & bit != 0;
        let holds = |value: bool, bit: u8| value != not(bit);
        if !holds(facts.src & op.src[1] == op.src[0], flag::NOT_SRC)
            || !holds(facts.dst & op.dst[1] == op.dst[0], flag::NOT_DST)
        {
            return Fit::No;
        }
        if op.input != 0 && !holds(self.ifaces.has(op.input, input), flag::NOT_IN)
            || op.output != 0 && !holds(self.ifaces.has(op.output, output), flag::NOT_OUT)
        {
            return Fit::No;
        }
        if op.protocol != 0 {
            if facts.broken {
                return Fit::Broken;
            }
            if !holds(facts.protocol == op.protocol, flag::NOT_PROTOCOL) {
                return Fit::No;
            }
        }
        let later = facts.fragment_offset != 0;
        if not(flag::FRAGMENT) && !later || not(flag::NOT_FRAGMENT) && later {
            return Fit::No;
        }
        Fit::Yes
    }
}
