//! Rule sets that no packet is to meet.
//!
//! - takes: a [`Ruleset`]
//! - gives: how deep its chains call each other; or the first [`Fault`]
//! - obeys: `mark_source_chains` of `ip_tables`, `xt_check_match` and `xt_check_target`, and what each
//!   extension itself wants to be so

use std::collections::HashMap;

use super::eval::MOST_CALLS;
use super::rule::{Chain, Hook, Ruleset, Table, TableName, Target};

mod demands;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A rule leads to a chain that is not there, or to a built-in one.
    #[error("no chain named {0:?} to go to")]
    NoChain(String),
    /// Two chains of a table, or two tables, have one name.
    #[error("it stands twice")]
    Twice,
    /// A built-in chain is missing, or one is there that the table has not.
    #[error("the table has other built-in chains")]
    BuiltIn,
    /// Chains call each other in a circle.
    #[error("Too many levels of symbolic links")]
    Loop,
    /// Chains call each other too deep.
    #[error("more than {MOST_CALLS} chains call each other")]
    Deep,
    /// An extension is for another table.
    #[error("{0} is only valid in the {1} table")]
    Table(&'static str, &'static str),
    /// An extension is for other hooks than those from which its chain is reached.
    #[error("{0} cannot be used at {1}")]
    Hook(&'static str, &'static str),
    /// An extension is for other protocols than the rule.
    #[error("{0} needs the rule to be about {1}")]
    Protocol(&'static str, &'static str),
    /// An extension is for the other family.
    #[error("{0} is for the other family")]
    Family(&'static str),
    /// No helper of this name reads such packets.
    #[error("no helper {0:?} for such packets")]
    NoHelper(String),
    /// Numbers beyond what can be counted.
    #[error("{0}: Numerical result out of range")]
    Range(&'static str),
    /// Something else that the kernel refuses.
    #[error("{0}: Invalid argument")]
    Invalid(&'static str),
}

/// Where something is wrong, and what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("table {table}, chain {chain}{}: {wrong}", .rule.map(|at| format!(", rule {}", at + 1)).unwrap_or_default())]
pub struct Fault {
    /// The table.
    pub table: TableName,
    /// The chain.
    pub chain: String,
    /// The rule's place from 0, if one is at fault.
    pub rule: Option<usize>,
    /// What.
    pub wrong: Wrong,
}

/// Checks a rule set whole.
pub(super) fn check(ruleset: &Ruleset) -> Result<(), Fault> {
    for (at, table) in ruleset.tables.iter().enumerate() {
        if ruleset.tables[..at].iter().any(|before| before.name == table.name) {
            let chain = String::new();
            return Err(Fault { table: table.name, chain, rule: None, wrong: Wrong::Twice });
        }
        check_table(ruleset, table)?;
    }
    Ok(())
}

fn check_table(ruleset: &Ruleset, table: &Table) -> Result<(), Fault> {
    let fault = |chain: &Chain, rule, wrong| Fault {
        table: table.name,
        chain: chain.name.clone(),
        rule,
        wrong,
    };
    let mut places = HashMap::new();
    for (at, chain) in table.chains.iter().enumerate() {
        if places.insert(chain.name.as_str(), at).is_some() {
            return Err(fault(chain, None, Wrong::Twice));
        }
        let hook = Hook::of_chain(&chain.name).filter(|hook| table.name.hooks().contains(hook));
        if hook.is_some() != chain.policy.is_some() {
            return Err(fault(chain, None, Wrong::BuiltIn));
        }
    }
    for hook in table.name.hooks() {
        if !places.contains_key(hook.chain()) {
            let chain = Chain { name: hook.chain().to_owned(), ..Chain::default() };
            return Err(fault(&chain, None, Wrong::BuiltIn));
        }
    }
    let mut calls = Vec::new();
    for chain in &table.chains {
        let mut called = Vec::new();
        for (at, rule) in chain.rules.iter().enumerate() {
            if let Target::Jump(name) | Target::Goto(name) = &rule.target {
                let place = places.get(name.as_str()).copied();
                let place = place.filter(|place| table.chains[*place].policy.is_none());
                let place =
                    place.ok_or_else(|| fault(chain, Some(at), Wrong::NoChain(name.clone())))?;
                called.push((place, at));
            }
        }
        calls.push(called);
    }
    let reached = reach(table, &calls)
        .map_err(|(chain, rule, wrong)| fault(&table.chains[chain], Some(rule), wrong))?;
    for (chain, hooks) in table.chains.iter().zip(reached) {
        for (at, rule) in chain.rules.iter().enumerate() {
            demands::check(ruleset.family, table.name, hooks, rule)
                .map_err(|wrong| fault(chain, Some(at), wrong))?;
        }
    }
    Ok(())
}

type Calls = Vec<Vec<(usize, usize)>>;

/// From which hooks each chain is reached, a bit each; or the rule that leads there in a circle or too deep.
fn reach(table: &Table, calls: &Calls) -> Result<Vec<u8>, (usize, usize, Wrong)> {
    let mut depth = vec![None; calls.len()];
    let mut reached = vec![0; calls.len()];
    for (start, chain) in table.chains.iter().enumerate() {
        let Some(hook) = Hook::of_chain(&chain.name).filter(|_| chain.policy.is_some()) else {
            continue;
        };
        // A circle that no hook leads to harms nobody.
        measure(start, calls, &mut depth)?;
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            if reached[at] & bit(hook) == 0 {
                reached[at] |= bit(hook);
                open.extend(calls[at].iter().map(|(to, _)| *to));
            }
        }
    }
    Ok(reached)
}

/// The bit of a hook.
pub(super) const fn bit(hook: Hook) -> u8 {
    1 << hook as u8
}

/// How deep the calls below each chain go. Without recursion: files choose the depth.
fn measure(
    start: usize,
    calls: &Calls,
    depth: &mut [Option<usize>],
) -> Result<(), (usize, usize, Wrong)> {
    let mut open = vec![(start, 0)];
    let mut on_way = vec![false; calls.len()];
    on_way[start] = true;
    while let Some((at, next)) = open.last_mut() {
        let at = *at;
        if depth[at].is_some() {
            on_way[at] = false;
            open.pop();
            continue;
        }
        let Some(&(to, rule)) = calls[at].get(*next) else {
            let below = calls[at].iter().filter_map(|(to, _)| depth[*to]).max();
            let deep = below.map_or(0, |below| below + 1);
            if deep > MOST_CALLS {
                return Err((at, calls[at].first().map_or(0, |(_, rule)| *rule), Wrong::Deep));
            }
            depth[at] = Some(deep);
            continue;
        };
        *next += 1;
        if on_way[to] {
            return Err((at, rule, Wrong::Loop));
        }
        if depth[to].is_none() {
            on_way[to] = true;
            open.push((to, 0));
        }
    }
    Ok(())
}
