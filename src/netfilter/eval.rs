//! A packet meets a table's rules.
//!
//! - takes: a [`Program`], where to enter it, a packet, what is around it
//! - gives: a [`Verdict`]
//! - obeys: `ipt_do_table`, `ip6t_do_table`
//! - costs: no allocation, no lock, no clock; rules that an index rules out are not looked at

use arrayvec::ArrayVec;

use super::env::{Env, Record, RecordKind, TraceKind};
use super::index::{Cursor, Key};
use super::matches::Found;
use super::program::{Act, Chain, Entry, Fit, Op, Program, flag};
use super::rule::{self, Policy};
use super::view::View;

/// Chains that may be open at once.
pub(super) const MOST_CALLS: usize = 128;

/// Why rules end a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropCause {
    /// A rule says so.
    Rule,
    /// A chain's policy does.
    Policy,
    /// A match met a packet that is not whole, or had no room to remember it.
    Malformed,
    /// A target could not do what it was to do.
    Target,
    /// Nobody was given the number that it acknowledges.
    Cookie,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// It ends here.
    Drop(DropCause),
    /// It ends here, and its sender is told.
    Reject(rule::Reject),
    /// Somebody else decides.
    Queue {
        /// Who.
        number: u16,
        /// It goes on where nobody listens there.
        bypass: bool,
    },
    /// A target has it, or has ended it.
    Stolen,
}

/// Where a rule is met.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    /// The entry into the table.
    pub(super) entry: Entry,
    /// Whose packet it is.
    pub(super) worker: usize,
}

/// Lets a packet meet a table's rules at a hook.
///
/// Only the worker of this number may say so of itself: it counts without regard to others.
pub fn evaluate<E: Env>(
    program: &Program,
    entry: Entry,
    view: &mut View<'_>,
    env: &mut E,
    worker: usize,
) -> Verdict {
    run::<E, true>(program, entry, view, env, worker)
}

/// The same with every rule looked at, for comparison.
#[cfg(test)]
pub(super) fn evaluate_linear<E: Env>(
    program: &Program,
    entry: Entry,
    view: &mut View<'_>,
    env: &mut E,
    worker: usize,
) -> Verdict {
    run::<E, false>(program, entry, view, env, worker)
}

fn run<E: Env, const INDEXED: bool>(
    program: &Program,
    entry: Entry,
    view: &mut View<'_>,
    env: &mut E,
    worker: usize,
) -> Verdict {
    let site = Site { entry, worker };
    let mut calls: ArrayVec<(u32, u32), MOST_CALLS> = ArrayVec::new();
    let mut key = None;
    let mut chain_at = entry.chain;
    let mut chain = &program.chains[chain_at as usize];
    let mut at = chain.start;
    let mut cursor = cursor::<INDEXED>(chain, view, &mut key);
    loop {
        if let Some(cursor) = &mut cursor {
            at = cursor.next(at).unwrap_or(chain.end);
        }
        let op = &program.ops[at as usize];
        match holds(program, op, view, env, &site) {
            Found::Hit => {}
            Found::Miss => {
                at += 1;
                continue;
            }
            Found::HotDrop => return Verdict::Drop(DropCause::Malformed),
        }
        program.counts.add(op.slot, worker, view.len());
        env.counted(op.slot);
        if !op.steady {
            env.unsteady();
        }
        if view.about.traced | view.about.followed {
            trace(entry, chain, chain_at == entry.chain, op, at, view, env);
        }
        let enter = match op.act {
            Act::Next => None,
            Act::Accept | Act::Policy(Policy::Accept) => return Verdict::Accept,
            Act::Drop => return Verdict::Drop(DropCause::Rule),
            Act::Policy(Policy::Drop) => return Verdict::Drop(DropCause::Policy),
            Act::Jump(to) => {
                if calls.try_push((chain_at, at + 1)).is_err() {
                    return Verdict::Drop(DropCause::Target);
                }
                Some((to, program.chains[to as usize].start))
            }
            Act::Goto(to) => Some((to, program.chains[to as usize].start)),
            // A built-in chain has nobody to go back to, and goes to its end.
            Act::Return => {
                Some(calls.pop().unwrap_or((entry.chain, program.chains[entry.chain as usize].end)))
            }
            Act::Effect(number) => {
                let effect = &program.effects[number as usize];
                if let Some(verdict) = effect.run(view, env, &site) {
                    return verdict;
                }
                if effect.moves_packet() {
                    key = None;
                    cursor = self::cursor::<INDEXED>(chain, view, &mut key);
                }
                None
            }
        };
        match enter {
            None => at += 1,
            Some((to, start)) => {
                (chain_at, chain, at) = (to, &program.chains[to as usize], start);
                cursor = self::cursor::<INDEXED>(chain, view, &mut key);
            }
        }
    }
}

/// The rules of a long chain that may fit a packet.
#[inline]
fn cursor<'p, const INDEXED: bool>(
    chain: &'p Chain,
    view: &View<'_>,
    key: &mut Option<Option<Key>>,
) -> Option<Cursor<'p>> {
    if !INDEXED {
        return None;
    }
    let index = chain.index.as_ref()?;
    let key = key.get_or_insert_with(|| Key::of(view)).as_ref()?;
    Some(index.find(key))
}

/// Whether all of a rule holds.
#[inline(always)]
fn holds<E: Env>(
    program: &Program,
    op: &Op,
    view: &mut View<'_>,
    env: &mut E,
    site: &Site,
) -> Found {
    match program.fits(op, view.facts(), view.about.input, view.about.output) {
        Fit::Yes => {}
        Fit::No => return Found::Miss,
        Fit::Broken => return Found::HotDrop,
    }
    let tests = op.tests as usize..op.tests as usize + usize::from(op.test_count);
    for (number, test) in program.tests[tests].iter().enumerate() {
        if number == usize::from(op.unsteady) {
            env.unsteady();
        }
        match test.ask(view, env, site) {
            Found::Hit => {}
            other => return other,
        }
    }
    Found::Hit
}

/// Tells of a rule that held.
#[cold]
fn trace<E: Env>(
    entry: Entry,
    chain: &Chain,
    built_in: bool,
    op: &Op,
    at: u32,
    view: &View<'_>,
    env: &mut E,
) {
    let kind = match op.flags & flag::TAIL != 0 {
        false => TraceKind::Rule,
        true if built_in => TraceKind::Policy,
        true => TraceKind::Return,
    };
    let kind = RecordKind::Trace { chain: &chain.name, kind, number: at - chain.start + 1 };
    env.record(&Record { table: entry.table, hook: entry.hook, kind }, view);
}
