//! Rules of nftables as workers run them, beside the tables of iptables.
//!
//! - takes: a [`Program`], made by the room of nftables; a packet, where it meets it, what is around it
//! - gives: a [`Verdict`]
//! - obeys: `nft_do_chain` and the expressions of `nf_tables`, each in the file that does it
//! - costs: no allocation, no lock, no clock; rules one after the other, sets by one look-up
//!
//! A rule is a list of steps over a few bytes of scratch, which hold values as the wire does, highest
//! byte first, so that all of them compare alike. A step that cannot be taken leaves the rule, and the
//! packet goes on to the next one.

mod hash;
mod load;
mod op;
mod packet;
mod set;
mod state;
mod store;
mod table;

pub use load::{Base, ConnKey, FibResult, Load, MetaKey, RtKey};
pub use op::{Cmp, Decision, Join, NatOp, NatWhat, Object, Op, SetUpdate};
pub use set::{Data, Element, Elements, Fields, Range, Set};
pub use state::{Conns, Count, Limit, Quota, Rate, State, Stated};
pub use store::{Store, Sums};
pub use table::{Listed, Live, STATES, Table};

use arrayvec::ArrayVec;

use super::env::Env;
use super::eval::{DropCause, Verdict};
use super::rule::{self, Hook, Policy};
use super::view::View;

/// Bytes of scratch that a rule has.
pub const SCRATCH: usize = 192;
/// Bytes of scratch that one value may fill.
pub const WIDEST: usize = 64;
/// Chains that may be open at once (`NFT_JUMP_STACK_SIZE`).
pub const MOST_CALLS: usize = 16;

/// Whose packets meet a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Those of IPv4.
    Ip,
    /// Those of IPv6.
    Ip6,
    /// Those of both.
    Inet,
    /// All frames of an interface.
    Netdev,
}

impl Family {
    /// As nft calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Netdev => "netdev",
        }
    }

    /// Whether packets of IPv6, or of IPv4, are its own.
    #[must_use]
    pub const fn takes(self, six: bool) -> bool {
        match self {
            Self::Ip => !six,
            Self::Ip6 => six,
            Self::Inet | Self::Netdev => true,
        }
    }
}

/// What a base chain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It lets pass or not.
    Filter,
    /// It says how connections are translated, once each.
    Nat,
    /// It may change the way of what the router itself sends.
    Route,
}

/// Where a base chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At a hook of the network layer.
    Hook(Hook),
    /// Where frames of an interface come in.
    Ingress(u16),
}

/// A chain that packets come to by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseChain {
    /// Whose packets.
    pub family: Family,
    /// What for.
    pub kind: Kind,
    /// Where.
    pub at: At,
    /// Its turn there: lower numbers come first.
    pub priority: i32,
    /// What happens at its end.
    pub policy: Policy,
    /// The chain.
    pub chain: u32,
}

/// Where the rules of a chain lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Its first rule.
    pub start: u32,
    /// Behind its last one.
    pub end: u32,
}

/// All rules of nftables, ready to run.
#[derive(Debug, Default)]
pub struct Program {
    /// Steps of all rules.
    pub ops: Vec<Op>,
    /// Where the steps of each rule lie.
    pub rules: Vec<(u32, u32)>,
    /// Where the rules of each chain lie.
    pub chains: Vec<Chain>,
    /// Chains that packets come to, in the order in which they meet them.
    pub bases: Vec<BaseChain>,
    /// Names of interfaces by index.
    pub names: Vec<[u8; 16]>,
    /// Zones and what else a connection begins with, by the number that a rule leaves on a packet.
    pub templates: Vec<rule::Ct>,
    /// Gateways that rules copy packets to.
    pub gateways: Vec<std::net::IpAddr>,
    /// What counts open connections.
    pub conns: Vec<std::sync::Arc<Conns>>,
    /// Whether a rule asks for, or changes, connections, of IPv4 and of IPv6.
    pub tracks: [bool; 2],
    /// For each step, whether it is the same for all packets of a flow, of IPv4 and of IPv6.
    pub steady: Vec<[bool; 2]>,
}

impl Program {
    /// Notes which steps are the same for all packets of a flow; to be called when all are there.
    pub fn settle(&mut self) {
        self.steady =
            self.ops.iter().map(|op| [false, true].map(|six| op.is_steady(six))).collect();
    }

    /// Counts packets of a worker that have met a step without taking it.
    #[inline]
    pub(super) fn count(&self, step: u32, worker: usize, packets: u64, bytes: u64) {
        if let Some(Op::Count(count) | Op::Object(Object::Count(count))) =
            self.ops.get(step as usize)
        {
            count.add_many(worker, packets, bytes);
        }
    }

    /// The name of an interface, none of those that are not there.
    #[inline]
    pub(super) fn name(&self, iface: u16) -> &[u8; 16] {
        const NONE: &[u8; 16] = &[0; 16];
        self.names.get(usize::from(iface)).unwrap_or(NONE)
    }
}

/// What steps work on.
pub(super) struct Cx<'c, 'v, 'p, E> {
    pub(super) program: &'c Program,
    pub(super) family: Family,
    pub(super) hook: Hook,
    pub(super) view: &'v mut View<'p>,
    pub(super) env: &'v mut E,
    pub(super) worker: usize,
    /// How many templates other rules have, after which those of this program count.
    pub(super) templates: u16,
    pub(super) scratch: [u8; SCRATCH],
}

/// What comes behind a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The next step.
    On,
    /// The next rule.
    Break,
    /// What it says.
    Do(Decision),
    /// Nothing more.
    End(Verdict),
}

/// Where a packet meets a program.
#[derive(Clone, Copy, Debug)]
pub struct Meeting {
    /// The base chain.
    pub base: BaseChain,
    /// Where it stands; of an ingress any.
    pub hook: Hook,
    /// Whose packet it is.
    pub worker: usize,
    /// How many templates of connections other rules have.
    pub templates: u16,
}

/// Lets a packet meet the rules of a base chain.
///
/// Only the worker of this number may say so of itself: it counts without regard to others.
pub fn evaluate<E: Env>(
    program: &Program,
    meeting: &Meeting,
    view: &mut View<'_>,
    env: &mut E,
) -> Verdict {
    let Meeting { base, hook, worker, templates } = *meeting;
    let mut cx = Cx {
        program,
        family: base.family,
        hook,
        view,
        env,
        worker,
        templates,
        scratch: [0; SCRATCH],
    };
    let mut calls: ArrayVec<(u32, u32), MOST_CALLS> = ArrayVec::new();
    let Some(first) = program.chains.get(base.chain as usize) else { return Verdict::Accept };
    let (mut at, mut end) = (first.start, first.end);
    loop {
        let decision = match at < end {
            true => run(&mut cx, at),
            false => Then::Do(Decision::Return),
        };
        at += 1;
        match decision {
            Then::On | Then::Break | Then::Do(Decision::Continue) => {}
            Then::Do(Decision::Accept) => return Verdict::Accept,
            Then::Do(Decision::Drop) => return Verdict::Drop(DropCause::Rule),
            Then::End(verdict) => return verdict,
            Then::Do(Decision::Return) => match calls.pop() {
                Some(back) => (at, end) = back,
                None if base.policy == Policy::Drop => return Verdict::Drop(DropCause::Policy),
                None => return Verdict::Accept,
            },
            Then::Do(Decision::Jump(to)) => {
                // Depth is bounded when the rules are checked.
                if calls.try_push((at, end)).is_err() {
                    return Verdict::Drop(DropCause::Target);
                }
                (at, end) = bounds(program, to);
            }
            Then::Do(Decision::Goto(to)) => (at, end) = bounds(program, to),
        }
    }
}

fn bounds(program: &Program, chain: u32) -> (u32, u32) {
    program.chains.get(chain as usize).map_or((0, 0), |chain| (chain.start, chain.end))
}

/// Takes the steps of a rule.
#[inline]
fn run<E: Env>(cx: &mut Cx<'_, '_, '_, E>, rule: u32) -> Then {
    let program = cx.program;
    let Some(&(from, to)) = program.rules.get(rule as usize) else { return Then::Break };
    let six = cx.view.facts().family == rule::Family::Six;
    for (step, op) in (from..to).zip(&program.ops[from as usize..to as usize]) {
        if cx.env.learns() {
            match program.steady.get(step as usize) {
                Some(steady) if steady[usize::from(six)] => match op {
                    Op::Count(_) | Op::Object(_) => cx.env.counted_by_step(step),
                    _ => {}
                },
                _ => cx.env.unsteady(),
            }
        }
        match op.run(cx) {
            Then::On => {}
            other => return other,
        }
    }
    Then::On
}
