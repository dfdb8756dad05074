//! Whether a table may be loaded: the checks that a kernel makes of all of it at once.
//!
//! - takes: a table
//! - gives: nothing, or where it is wrong and why
//! - obeys: `ip_tables` and `x_tables`: chains that lead back to themselves are refused where packets
//!   could come to them; a match or target stands only in its tables, at its hooks, for its protocol

use std::collections::HashMap;

use crate::netfilter::rule::{Family, Hook, Is, Match, Rule, Ruleset, Table, Target};

use super::error::{Error, Fact, Refused};
use super::registry::{Check, Place, Site, saved_match, saved_target};

/// What rules refer to that is not in their table.
pub trait Surroundings {
    /// Whether there is a set of this name.
    fn has_set(&self, name: &str) -> bool;
    /// Whether there is a timeout policy of this name.
    fn has_timeout(&self, name: &str) -> bool;
}

/// No set and no policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bare;

impl Surroundings for Bare {
    fn has_set(&self, _: &str) -> bool {
        false
    }

    fn has_timeout(&self, _: &str) -> bool {
        false
    }
}

/// Where a table is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What the kernel answers.
    pub refused: Refused,
    /// Why.
    pub why: String,
    /// The chain.
    pub chain: String,
    /// Its rule, from 1.
    pub rule: usize,
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let Fault { refused, why, chain, rule } = fault;
        Self::because(Fact::Kernel(refused), format!("{chain} rule {rule}: {why}"))
    }
}

/// Checks all tables.
///
/// # Errors
///
/// The first fault.
pub fn check(rules: &Ruleset, around: &dyn Surroundings) -> Result<(), Fault> {
    rules.tables.iter().try_for_each(|table| check_table(table, rules.family, around))
}

/// Checks one table.
///
/// # Errors
///
/// The first fault.
pub fn check_table(table: &Table, family: Family, around: &dyn Surroundings) -> Result<(), Fault> {
    let reach = reach(table)?;
    for (chain, hooks) in table.chains.iter().zip(&reach) {
        for (at, rule) in chain.rules.iter().enumerate() {
            check_rule(table, family, rule, hooks, around).map_err(|(refused, why)| Fault {
                refused,
                why,
                chain: chain.name.clone(),
                rule: at + 1,
            })?;
        }
    }
    Ok(())
}

/// The hooks from which packets come to each chain.
fn reach(table: &Table) -> Result<Vec<Vec<Hook>>, Fault> {
    let places: HashMap<&str, usize> =
        table.chains.iter().enumerate().map(|(at, chain)| (chain.name.as_str(), at)).collect();
    // Of each chain, the chains its rules lead to and by which rule.
    let mut ways: Vec<Vec<(usize, usize)>> = Vec::with_capacity(table.chains.len());
    for chain in &table.chains {
        let mut leads = Vec::new();
        for (at, rule) in chain.rules.iter().enumerate() {
            if let Target::Jump(to) | Target::Goto(to) = &rule.target {
                let Some(place) = places.get(to.as_str()) else {
                    return Err(Fault {
                        refused: Refused::NoName,
                        why: format!("there is no chain {to}"),
                        chain: chain.name.clone(),
                        rule: at + 1,
                    });
                };
                if table.chains[*place].policy.is_some() {
                    return Err(Fault {
                        refused: Refused::Invalid,
                        why: format!("{to} is a built-in chain, to which no rule leads"),
                        chain: chain.name.clone(),
                        rule: at + 1,
                    });
                }
                leads.push((*place, at));
            }
        }
        ways.push(leads);
    }
    let mut reach = vec![Vec::new(); table.chains.len()];
    for (at, chain) in table.chains.iter().enumerate() {
        if let Some(hook) = Hook::of_chain(&chain.name).filter(|_| chain.policy.is_some()) {
            walk(table, &ways, &mut reach, at, hook)?;
        }
    }
    Ok(reach)
}

/// Marks all chains that can be come to from one, and finds those that lead back to themselves.
fn walk(
    table: &Table,
    ways: &[Vec<(usize, usize)>],
    reach: &mut [Vec<Hook>],
    from: usize,
    hook: Hook,
) -> Result<(), Fault> {
    let mut open = vec![false; ways.len()];
    // A chain, and how many of its ways were gone.
    let mut path = vec![(from, 0)];
    open[from] = true;
    reach[from].push(hook);
    while let Some((chain, gone)) = path.last_mut() {
        let here = *chain;
        let Some((next, rule)) = ways[here].get(*gone).copied() else {
            open[here] = false;
            path.pop();
            continue;
        };
        *gone += 1;
        if open[next] {
            return Err(Fault {
                refused: Refused::Loop,
                why: format!("chain {} leads back to itself", table.chains[next].name),
                chain: table.chains[here].name.clone(),
                rule: rule + 1,
            });
        }
        if !reach[next].contains(&hook) {
            reach[next].push(hook);
            open[next] = true;
            path.push((next, 0));
        }
    }
    Ok(())
}

fn check_rule(
    table: &Table,
    family: Family,
    rule: &Rule,
    hooks: &[Hook],
    around: &dyn Surroundings,
) -> Check {
    let site =
        Site { family, table: table.name, basic: &rule.basic, matches: &rule.matches, hooks };
    for of in &rule.matches {
        let Some((entry, _)) = saved_match(of, family) else { continue };
        if !entry.families.has(family) {
            return Err((Refused::Invalid, format!("{}: not of this family", entry.name)));
        }
        check_place(entry.place, entry.name, table, &site)?;
        (entry.check)(of, &site)?;
        if let Match::Set(set) = of {
            has_set(&set.name.value, around)?;
        }
    }
    let Some((entry, _)) = saved_target(&rule.target) else { return Ok(()) };
    if !entry.families.has(family) {
        return Err((Refused::Invalid, format!("{}: not of this family", entry.name)));
    }
    check_place(entry.place, entry.name, table, &site)?;
    (entry.check)(&rule.target, &site)?;
    match &rule.target {
        Target::Set(set) => {
            for (name, _) in [&set.add, &set.del, &set.map].into_iter().flatten() {
                has_set(name, around)?;
            }
        }
        Target::Ct(ct) => {
            if let Some(timeout) = ct.timeout.as_ref().filter(|name| !around.has_timeout(name)) {
                let (refused, why) = match rule.basic.protocol {
                    Some(Is { not: false, .. }) => {
                        (Refused::NoName, format!("CT: No such timeout policy \"{timeout}\""))
                    }
                    _ => (Refused::Invalid, "CT: You must specify a L4 protocol".to_owned()),
                };
                return Err((refused, why));
            }
        }
        _ => {}
    }
    Ok(())
}

fn has_set(name: &str, around: &dyn Surroundings) -> Check {
    if around.has_set(name) {
        return Ok(());
    }
    Err((Refused::NoName, format!("there is no set {name}")))
}

fn check_place(place: Place, name: &str, table: &Table, site: &Site<'_>) -> Check {
    let wrong = |why: String| Err((Refused::Invalid, format!("{name}: {why}")));
    let words = |words: Vec<&str>| words.join("/");
    if !place.tables.is_empty() && !place.tables.contains(&table.name) {
        let tables = words(place.tables.iter().map(|table| table.name()).collect());
        return wrong(format!("only valid in {tables} table, not {}", table.name));
    }
    let stray = |hook: &&Hook| !place.hooks.is_empty() && !place.hooks.contains(hook);
    let strays: Vec<&str> = site.hooks.iter().filter(stray).map(|hook| hook.chain()).collect();
    if !strays.is_empty() {
        let own = words(place.hooks.iter().map(|hook| hook.chain()).collect());
        return wrong(format!("used from hooks {}, but only usable from {own}", words(strays)));
    }
    let asked = |number: &u8| site.basic.protocol == Some(Is::so(*number));
    if !place.protocols.is_empty() && !place.protocols.iter().any(asked) {
        let names: Vec<String> =
            place.protocols.iter().map(|number| super::words::protocol_text(*number)).collect();
        return wrong(format!("only valid for protocol {}", names.join("/")));
    }
    Ok(())
}
