//! The tables of a family, and what statements do to them.
//!
//! - takes: command lines, whole files
//! - gives: what `iptables` would print; the rules that the hooks then obey
//! - obeys: `iptables(8)`; nothing is changed by a statement that fails

use crate::netfilter::rule::{
    Chain, Counters, Family, Policy, Rule, Ruleset, Table, TableName, Target,
};

use super::basic;
use super::check::{Surroundings, check_table};
use super::error::{Error, Fact, Parse, Refused};
use super::line;
use super::list;
use super::save;
use super::statement::{Format, Op, Statement};

/// The tables of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    rules: Ruleset,
}

impl Tables {
    /// As they are before anybody stated a rule.
    #[must_use]
    pub fn new(family: Family) -> Self {
        Self { rules: Ruleset::new(family) }
    }

    /// Of rules that came another way.
    #[must_use]
    pub fn from_rules(rules: Ruleset) -> Self {
        Self { rules }
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Ruleset {
        &self.rules
    }

    /// The rules, for their counters to be brought up to date.
    pub fn rules_mut(&mut self) -> &mut Ruleset {
        &mut self.rules
    }

    /// Carries out a command line, without the program's name; gives what is printed.
    ///
    /// # Errors
    ///
    /// What `iptables` would print on its standard error.
    pub fn command(&mut self, words: &[String], around: &dyn Surroundings) -> Parse<String> {
        let family = self.rules.family;
        let Some(statement) = line::read(words, family, false)? else { return Ok(String::new()) };
        let Some(name) = TableName::of(&statement.table) else {
            return Err(Fact::NoTable(statement.table).into());
        };
        // A list reads a table that nobody asked for yet, as the kernel makes it then.
        let mut table = self.rules.table(name).cloned().unwrap_or_else(|| Table::new(name));
        let told = carry_out(&mut table, &statement, family, around)?;
        if changes(&statement.op) {
            check_table(&table, family, around)?;
        }
        *self.rules.table_mut(name) = table;
        Ok(told)
    }

    /// Puts whole tables in the place of those there are.
    pub(super) fn replace(&mut self, tables: Vec<Table>) {
        for table in tables {
            let name = table.name;
            *self.rules.table_mut(name) = table;
        }
    }
}

/// Whether a statement leaves a table that must be checked.
fn changes(op: &Op) -> bool {
    matches!(op, Op::Append { .. } | Op::Insert { .. } | Op::Replace { .. } | Op::Rename { .. })
}

fn kernel<T>(refused: Refused) -> Parse<T> {
    Err(Fact::Kernel(refused).into())
}

fn chain_of<'a>(table: &'a mut Table, name: &str) -> Parse<&'a mut Chain> {
    table.chain_mut(name).ok_or_else(|| Error::from(Fact::Kernel(Refused::NoName)))
}

/// Whether the chains that rules lead to, and the sets they name, are there.
fn resolve(table: &Table, rules: &[Rule], around: &dyn Surroundings) -> Parse<()> {
    use crate::netfilter::rule::Match;
    for rule in rules {
        let mut sets: Vec<&str> = Vec::new();
        for of in &rule.matches {
            if let Match::Set(set) = of {
                sets.push(&set.name.value);
            }
        }
        if let Target::Set(set) = &rule.target {
            let named = [&set.add, &set.del, &set.map].into_iter().flatten();
            sets.extend(named.map(|(name, _)| name.as_str()));
        }
        if let Some(set) = sets.iter().find(|set| !around.has_set(set)) {
            return Err(Fact::Tells(format!("Set {set} doesn't exist.\n")).into());
        }
        match &rule.target {
            Target::Jump(to) if table.chain(to).is_none() => {
                return Err(Fact::NoTarget(to.clone()).into());
            }
            Target::Goto(to) if table.chain(to).is_none() => {
                return Err(Fact::GotoNoChain(to.clone()).into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether two rules ask and do the same.
fn equal(one: &Rule, other: &Rule) -> bool {
    (&one.basic, &one.matches, &one.target) == (&other.basic, &other.matches, &other.target)
}

/// Does to a table what a statement says; gives what is printed.
pub(super) fn carry_out(
    table: &mut Table,
    statement: &Statement,
    family: Family,
    around: &dyn Surroundings,
) -> Parse<String> {
    match &statement.op {
        Op::Append { rules, .. }
        | Op::Insert { rules, .. }
        | Op::Delete { rules, .. }
        | Op::Check { rules, .. } => resolve(table, rules, around)?,
        Op::Replace { rule, .. } => resolve(table, std::slice::from_ref(rule), around)?,
        _ => {}
    }
    let mut told = String::new();
    match &statement.op {
        Op::Append { chain, rules } => {
            chain_of(table, chain)?.rules.extend(rules.iter().cloned());
            told = list::echo(rules, statement.format, family);
        }
        Op::Insert { chain, at, rules } => {
            let chain = chain_of(table, chain)?;
            if at - 1 > chain.rules.len() {
                return kernel(Refused::InsertionIndex);
            }
            let at = at - 1;
            // Each goes before the one that went in before it.
            chain.rules.splice(at..at, rules.iter().rev().cloned());
            told = list::echo(rules, statement.format, family);
        }
        Op::Replace { chain, at, rule } => {
            let chain = chain_of(table, chain)?;
            let Some(place) = chain.rules.get_mut(at - 1) else {
                return kernel(Refused::ReplacementIndex);
            };
            *place = (**rule).clone();
            told = list::echo(std::slice::from_ref(rule), statement.format, family);
        }
        Op::Delete { chain, rules } => {
            let Some(chain) = table.chain_mut(chain) else { return kernel(Refused::NoRule) };
            for rule in rules {
                let Some(at) = chain.rules.iter().position(|have| equal(have, rule)) else {
                    return kernel(Refused::NoRule);
                };
                chain.rules.remove(at);
            }
            told = list::echo(rules, statement.format, family);
        }
        Op::DeleteAt { chain, at } => {
            let chain = chain_of(table, chain)?;
            if *at > chain.rules.len() {
                return kernel(Refused::DeletionIndex);
            }
            chain.rules.remove(at - 1);
        }
        Op::Check { chain, rules } => {
            let Some(chain) = table.chain(chain) else { return kernel(Refused::NoRule) };
            let missing = |rule: &Rule| !chain.rules.iter().any(|have| equal(have, rule));
            if rules.iter().any(missing) {
                return kernel(Refused::NoRule);
            }
            told = list::echo(rules, statement.format, family);
        }
        Op::List { chain, at, zero } => {
            told = list::list(table, chain.as_deref(), *at, statement.format, family)?;
            if *zero {
                told.push_str(&zero_told(table, chain.as_deref(), *at, statement.format)?);
            }
        }
        Op::ListRules { chain, at, zero } => {
            told = save::rules(table, chain.as_deref(), *at, family, statement.format.verbose)?;
            if *zero {
                told.push_str(&zero_told(table, chain.as_deref(), *at, statement.format)?);
            }
        }
        Op::Flush { chain: Some(chain) } => {
            chain_of(table, chain)?.rules.clear();
            told = each("Flushing", std::slice::from_ref(chain), statement.format);
        }
        Op::Flush { chain: None } => {
            table.chains.iter_mut().for_each(|chain| chain.rules.clear());
            told = each("Flushing", &names(table, true), statement.format);
        }
        Op::Zero { chain, at } => {
            told = zero_told(table, chain.as_deref(), *at, statement.format)?;
        }
        Op::NewChain { chain } => {
            if table.chain(chain).is_some() {
                return kernel(Refused::Exists);
            }
            table.add_chain(Chain { name: chain.clone(), ..Chain::default() });
        }
        Op::DeleteChain { chain } => {
            let going = chain.clone().map_or_else(|| names(table, false), |chain| vec![chain]);
            for name in &going {
                delete_chain(table, name)?;
            }
            told = each("Deleting", &going, statement.format);
        }
        Op::Rename { chain, to } => rename(table, chain, to, family)?,
        Op::Policy { chain, policy, counters } => {
            set_policy(table, chain, policy, *counters)?;
        }
        Op::Version => told = format!("{} {}\n", super::program(family), super::VERSION),
        Op::Help => told = super::usage(family),
    }
    Ok(told)
}

/// The names of all chains, or of the operator's alone.
fn names(table: &Table, all: bool) -> Vec<String> {
    let wanted = table.chains.iter().filter(|chain| all || chain.policy.is_none());
    wanted.map(|chain| chain.name.clone()).collect()
}

/// What `-v` tells of each chain.
fn each(what: &str, chains: &[String], format: Format) -> String {
    let shown = chains.iter().filter(|_| format.verbose);
    shown.map(|chain| format!("{what} chain `{chain}'\n")).collect()
}

/// Counts from zero, and tells of it.
fn zero_told(
    table: &mut Table,
    chain: Option<&str>,
    at: Option<usize>,
    format: Format,
) -> Parse<String> {
    zero_counters(table, chain, at)?;
    let zeroed = chain.map_or_else(|| names(table, true), |chain| vec![chain.to_owned()]);
    Ok(if at.is_none() { each("Zeroing", &zeroed, format) } else { String::new() })
}

fn zero_counters(table: &mut Table, chain: Option<&str>, at: Option<usize>) -> Parse<()> {
    if let Some(name) = chain {
        let chain = chain_of(table, name)?;
        match at {
            None => zero_chain(chain),
            Some(at) => {
                let Some(rule) = chain.rules.get_mut(at - 1) else {
                    return kernel(Refused::CounterIndex);
                };
                rule.counters = Counters::default();
            }
        }
    } else {
        table.chains.iter_mut().for_each(zero_chain);
    }
    Ok(())
}

fn zero_chain(chain: &mut Chain) {
    chain.counters = Counters::default();
    chain.rules.iter_mut().for_each(|rule| rule.counters = Counters::default());
}

/// How many rules lead to a chain.
pub(super) fn references(table: &Table, name: &str) -> usize {
    let leads =
        |rule: &&Rule| matches!(&rule.target, Target::Jump(to) | Target::Goto(to) if to == name);
    table.chains.iter().map(|chain| chain.rules.iter().filter(leads).count()).sum()
}

fn delete_chain(table: &mut Table, name: &str) -> Parse<()> {
    let chain = chain_of(table, name)?;
    if chain.policy.is_some() {
        let why = "built-in chains stay";
        return Err(Error::because(Fact::Kernel(Refused::Invalid), why));
    }
    let empty = chain.rules.is_empty();
    if references(table, name) > 0 {
        return kernel(Refused::Linked);
    }
    if !empty {
        return kernel(Refused::NotEmpty);
    }
    table.chains.retain(|chain| chain.name != name);
    Ok(())
}

fn rename(table: &mut Table, from: &str, to: &str, family: Family) -> Parse<()> {
    if basic::verdict(to).is_some() {
        return kernel(Refused::NameTaken);
    }
    basic::chain_name(to, family)?;
    let built_in = table.chain(from).is_none_or(|chain| chain.policy.is_some());
    if built_in {
        return kernel(Refused::NoName);
    }
    if table.chain(to).is_some() {
        return kernel(Refused::NameTaken);
    }
    let at = table.chains.iter().position(|chain| chain.name == from);
    let Some(mut chain) = at.map(|at| table.chains.remove(at)) else {
        return kernel(Refused::NoName);
    };
    to.clone_into(&mut chain.name);
    table.add_chain(chain);
    for rule in table.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
        if let Target::Jump(name) | Target::Goto(name) = &mut rule.target
            && name == from
        {
            to.clone_into(name);
        }
    }
    Ok(())
}

/// Sets a built-in chain's policy, and its counters where they are given.
pub(super) fn set_policy(
    table: &mut Table,
    chain: &str,
    policy: &str,
    counters: Option<Counters>,
) -> Parse<()> {
    let built_in = table.chain_mut(chain).filter(|chain| chain.policy.is_some());
    let Some(chain) = built_in else { return kernel(Refused::BuiltIn) };
    chain.policy = Some(match policy {
        "ACCEPT" => Policy::Accept,
        "DROP" => Policy::Drop,
        _ => return kernel(Refused::PolicyName),
    });
    if let Some(counters) = counters {
        chain.counters = counters;
    }
    Ok(())
}
