//! The end of a line: its words are read, and become a statement.
//!
//! - takes: a line whose options are known
//! - gives: a [`Statement`], or what does not go together
//! - obeys: `iptables(8)`: which options go with which command, and in which order it is told

use crate::netfilter::rule::{Basic, Is, Match, Prefix, Rule, Target};

use super::super::basic;
use super::super::error::{Fact, Parse};
use super::super::statement::{Op, Statement};
use super::super::words;
use super::{Line, Loaded};

impl Line<'_> {
    pub(super) fn finish(mut self) -> Parse<Statement> {
        let table = self.table.clone().unwrap_or_else(|| "filter".to_owned());
        if let Some(op) = self.asks {
            return Ok(Statement::new(table, op));
        }
        let (matches, target) = self.build()?;
        let Some(command) = self.command else { return Err(Fact::NoCommand.into()) };
        if self.not {
            return Err(Fact::NothingAfterBang.into());
        }
        let sources = self.hosts(self.sources.as_ref())?;
        let destinations = self.hosts(self.destinations.as_ref())?;
        if command == 'R' && (sources.len() > 1 || destinations.len() > 1) {
            return Err(Fact::ReplaceMany.into());
        }
        self.check_options(command)?;
        let chain = self.chain.take();
        if let Some(chain) = &chain {
            if chain.len() > basic::CHAIN_NAME {
                return Err(Fact::ChainLong(chain.clone()).into());
            }
            self.check_ifaces(command, chain)?;
        }
        let counters = self.counters.unwrap_or_default();
        let mut rules = Vec::new();
        for source in &sources {
            for destination in &destinations {
                let (source, destination) = (*source, *destination);
                let basic = Basic { source, destination, ..self.basic.clone() };
                let (matches, target) = (matches.clone(), target.clone());
                rules.push(Rule { basic, matches, target, counters });
            }
        }
        let named = chain.clone().unwrap_or_default();
        let op = match (command, self.number) {
            ('A', _) => Op::Append { chain: named, rules },
            ('I', at) => Op::Insert { chain: named, at: at.unwrap_or(1), rules },
            ('D', None) => Op::Delete { chain: named, rules },
            ('D', Some(at)) => Op::DeleteAt { chain: named, at },
            ('R', at) => {
                let rule = rules.into_iter().next().unwrap_or_default();
                Op::Replace { chain: named, at: at.unwrap_or(1), rule: Box::new(rule) }
            }
            ('C', _) => Op::Check { chain: named, rules },
            ('L', at) => Op::List { chain, at, zero: self.zero },
            ('S', at) => Op::ListRules { chain, at, zero: self.zero },
            ('F', _) => Op::Flush { chain },
            ('Z', at) => Op::Zero { chain, at },
            ('N', _) => Op::NewChain { chain: named },
            ('X', _) => Op::DeleteChain { chain },
            ('E', _) => Op::Rename { chain: named, to: self.second.unwrap_or_default() },
            (_, _) => {
                let policy = self.second.unwrap_or_default();
                Op::Policy { chain: named, policy, counters: self.counters }
            }
        };
        let drops = match &op {
            Op::Policy { policy, .. } => policy == "DROP",
            _ => target == Target::Drop,
        };
        if table == "nat" && drops {
            return Err(Fact::DropInNat.into());
        }
        Ok(Statement { format: self.format, ..Statement::new(table, op) })
    }

    fn build(&mut self) -> Parse<(Vec<Match>, Target)> {
        let mut matches = Vec::new();
        let mut target = None;
        for loaded in &self.loaded {
            if let Loaded::Match(entry, args) = loaded {
                args.check()?;
                matches.push((entry.build)(args)?);
            }
        }
        for loaded in &self.loaded {
            if let Loaded::Target(entry, args) = loaded {
                args.check()?;
                target = Some((entry.build)(args)?);
            }
        }
        let target = match (target, self.jump.take()) {
            (Some(target), _) => target,
            (None, None) => Target::None,
            (None, Some(name)) if self.goto => Target::Goto(name),
            (None, Some(name)) => basic::verdict(&name).unwrap_or(Target::Jump(name)),
        };
        Ok((matches, target))
    }

    /// The prefixes of a list of hosts, of which none is asked if there are none.
    fn hosts(&self, words: Option<&Is<String>>) -> Parse<Vec<Option<Is<Prefix>>>> {
        let Some(Is { not, value }) = words else { return Ok(vec![None]) };
        let many: Vec<&str> = value.split(',').collect();
        if *not && many.len() > 1 {
            return Err(Fact::BangMany.into());
        }
        let any = self.family.any();
        let one = |word: &&str| {
            let value = words::prefix(word.trim(), self.family)?;
            Ok((*not || value.mask != any).then_some(Is { not: *not, value }))
        };
        many.iter().map(one).collect()
    }

    /// Options that have no meaning with a command.
    fn check_options(&self, command: char) -> Parse<()> {
        let given = [
            ('n', self.format.numeric),
            ('s', self.sources.is_some()),
            ('d', self.destinations.is_some()),
            ('p', self.seen.contains(&'p')),
            ('j', self.seen.contains(&'j')),
            ('x', self.format.exact),
            ('i', self.seen.contains(&'i')),
            ('o', self.seen.contains(&'o')),
            ('0', self.format.line_numbers),
            ('c', self.counters.is_some()),
            ('f', self.seen.contains(&'f')),
        ];
        let numbered = self.number.is_some();
        let allowed = match command {
            'A' | 'I' | 'R' => "sdpjiocf",
            'D' if numbered => "",
            'D' | 'C' => "sdpjiof",
            'L' => "nx0",
            'P' => "c",
            _ => "",
        };
        let stray = given.iter().find(|(letter, given)| *given && !allowed.contains(*letter));
        stray.map_or(Ok(()), |(letter, _)| Err(Fact::IllegalOption(*letter).into()))
    }

    /// Interfaces that packets do not have, or no longer have, at a chain.
    fn check_ifaces(&self, command: char, chain: &str) -> Parse<()> {
        if !matches!(command, 'A' | 'D' | 'I' | 'R' | 'C') {
            return Ok(());
        }
        let output = matches!(chain, "PREROUTING" | "INPUT") && self.seen.contains(&'o');
        let input = matches!(chain, "POSTROUTING" | "OUTPUT") && self.seen.contains(&'i');
        if output || input {
            let letter = if output { 'o' } else { 'i' };
            return Err(Fact::IfaceHook(letter, chain.to_owned()).into());
        }
        Ok(())
    }
}
