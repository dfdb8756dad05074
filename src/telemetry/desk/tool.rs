//! The packet filter's programs at the desk: `iptables`, `iptables-save`, `iptables-restore`, those of
//! IPv6, `ipset`, and `nft`.
//!
//! - takes: a program's name, its words, and what it would read
//! - gives: what the real one prints, and its exit status
//! - obeys: a command that fails changes nothing

use super::Desk;
use crate::{
    control::Router,
    iptables::{RestoreOptions, SaveOptions, Surroundings, Tables, save, service},
    netfilter::rule::{Family, TableName},
    telemetry::protocol::{IpOutput, Tool},
};

/// What rules may refer to.
pub(crate) struct Near<'a>(pub(crate) &'a Router);

impl Surroundings for Near<'_> {
    fn has_set(&self, name: &str) -> bool {
        self.0.has_set(name)
    }

    fn has_timeout(&self, name: &str) -> bool {
        let mut policies = self.0.conntrack_rules().policies.iter();
        !name.is_empty() && policies.any(|policy| policy.name == *name)
    }

    fn timeout_fits(&self, name: &str, six: bool, protocol: u8) -> bool {
        let mut policies = self.0.conntrack_rules().policies.iter();
        policies.any(|policy| {
            // Protocols that no tracker knows have the generic one's.
            let same = policy.proto == protocol
                || policy.proto == u8::MAX && !super::nfct::has_tracker(protocol);
            policy.name == *name && policy.six.is_none_or(|of| of == six) && same
        })
    }
}

/// What a program's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Command,
    Save,
    Restore,
}

/// The program of a name, and whether it is of IPv6.
fn program(name: &str) -> Option<(Program, bool)> {
    let (six, rest) = match name.strip_prefix("ip6tables") {
        Some(rest) => (true, rest),
        None => (false, name.strip_prefix("iptables")?),
    };
    let program = match rest {
        "" => Program::Command,
        "-save" => Program::Save,
        "-restore" => Program::Restore,
        _ => return None,
    };
    Some((program, six))
}

/// Whether a word is the name of one of the programs.
pub fn is_tool(word: &str) -> bool {
    program(word).is_some() || matches!(word, "conntrack" | "ipset" | "nfct" | "nft")
}

fn failed(err: String, status: u8) -> IpOutput {
    IpOutput { out: String::new(), err, status }
}

fn said(out: String) -> IpOutput {
    IpOutput { out, ..IpOutput::default() }
}

/// The words of `iptables-save` and `iptables-restore`.
#[derive(Debug, Default)]
struct Options {
    counters: bool,
    noflush: bool,
    test: bool,
    table: Option<TableName>,
    file: Option<String>,
}

impl Options {
    fn read(program: Program, words: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.iter();
        let restores = program == Program::Restore;
        while let Some(word) = words.next() {
            match word.as_str() {
                "-c" | "--counters" => options.counters = true,
                "-n" | "--noflush" if restores => options.noflush = true,
                "-t" | "--test" if restores => options.test = true,
                "-v" | "--verbose" | "-w" | "--wait" => {}
                "-T" | "--table" | "-t" => {
                    let name = words.next().map_or("", String::as_str);
                    let table = TableName::of(name);
                    options.table =
                        Some(table.ok_or_else(|| format!("there is no table {name:?}"))?);
                }
                word if word.starts_with('-') => return Err(format!("unknown option {word:?}")),
                word => options.file = Some(word.to_owned()),
            }
        }
        Ok(options)
    }
}

/// Tables that a file for `iptables-restore` names, or `only` that one.
fn named(text: &str, only: Option<TableName>) -> Vec<TableName> {
    let tables = text.lines().filter_map(|line| TableName::of(line.strip_prefix('*')?.trim()));
    tables.filter(|table| only.is_none_or(|only| only == *table)).collect()
}

impl Desk<'_> {
    /// Carries a command of one of the programs out; the next packet meets what it has changed.
    pub fn tool(&mut self, tool: &Tool) -> IpOutput {
        if tool.program == "ipset" {
            let said = self.router.ipset(&tool.words, tool.input.as_deref(), service, self.now);
            self.router.commit();
            return IpOutput { out: said.out, err: said.err, status: said.status };
        }
        if tool.program == "nfct" {
            return super::nfct::nfct(self.router, &tool.words);
        }
        if tool.program == "nft" {
            let said = self.router.nft(&tool.words, tool.input.as_deref(), service, self.now);
            self.router.commit();
            return IpOutput { out: said.out, err: said.err, status: said.status };
        }
        let Some((which, six)) = program(&tool.program) else {
            return failed(format!("there is no program {:?}\n", tool.program), 1);
        };
        let family = if six { Family::Six } else { Family::Four };
        let mut tables = Tables::new(family);
        *tables.rules_mut() = self.router.filter_rules(six);
        let done = match which {
            Program::Command => self.filter_command(tables, six, tool),
            Program::Save => match Options::read(which, &tool.words) {
                Ok(Options { counters, table, .. }) => {
                    let stamp = self.stamp();
                    said(save(tables.rules(), SaveOptions { counters, table, stamp: &stamp }))
                }
                Err(error) => failed(format!("{}: {error}\n", tool.program), 2),
            },
            Program::Restore => self.filter_restore(tables, tool),
        };
        self.router.commit();
        done
    }

    fn filter_command(&mut self, mut tables: Tables, six: bool, tool: &Tool) -> IpOutput {
        let before = tables.rules().clone();
        let out = match tables.command(&tool.words, &Near(self.router)) {
            Ok(out) => out,
            Err(error) => return failed(error.render(&tool.program), error.exit_status()),
        };
        if let Some((table, chain, rule)) = zeroed(&tool.words) {
            self.router.zero_filter_counts(six, table, chain, rule);
        }
        if *tables.rules() == before {
            return said(out);
        }
        if let Err(fault) = self.router.set_filter_rules(tables.rules().clone(), &[]) {
            return failed(format!("{}: {fault}\n", tool.program), 1);
        }
        // A program that changes a table begins to count anew at the ends of its chains.
        for table in tables.rules().tables.iter().filter(|table| !before.tables.contains(table)) {
            self.router.zero_policy_counts(six, table.name);
        }
        said(out)
    }

    fn filter_restore(&mut self, mut tables: Tables, tool: &Tool) -> IpOutput {
        let options = match Options::read(Program::Restore, &tool.words) {
            Ok(options) => options,
            Err(error) => return failed(format!("{}: {error}\n", tool.program), 2),
        };
        let text = tool.input.as_deref().unwrap_or_default();
        let how = RestoreOptions {
            counters: options.counters,
            noflush: options.noflush,
            test: options.test,
            table: options.table,
        };
        let out = match tables.restore(text, how, &Near(self.router)) {
            Ok(out) => out,
            Err(error) => return failed(error.render(&tool.program), error.exit_status()),
        };
        let named = named(text, options.table);
        let renewed = if options.noflush { Vec::new() } else { named.clone() };
        if options.test {
            return said(out);
        }
        let six = tables.rules().family == Family::Six;
        if let Err(fault) = self.router.set_filter_rules(tables.rules().clone(), &renewed) {
            return failed(format!("{}: {fault}\n", tool.program), 1);
        }
        if options.noflush {
            for table in named {
                self.router.renew_policy_counts(six, table);
            }
        }
        said(out)
    }

    /// The time as `asctime(3)` tells it, for comments that nobody reads back.
    fn stamp(&self) -> String {
        let seconds = self.now / 1_000_000_000;
        format!("{seconds} s")
    }
}

/// What `-Z` sets to zero: the table, the chain, and the rule.
fn zeroed(words: &[String]) -> Option<(TableName, Option<&str>, Option<usize>)> {
    let at = words.iter().position(|word| word == "-Z" || word == "--zero")?;
    let table = words.windows(2).find(|pair| pair[0] == "-t" || pair[0] == "--table");
    let table = table.map_or(Some(TableName::Filter), |pair| TableName::of(&pair[1]))?;
    let plain = |at: usize| words.get(at).filter(|word| !word.starts_with('-'));
    // With `-L CHAIN -Z` the chain stands before.
    let listed = words.iter().position(|word| word == "-L" || word == "--list" || word == "-S");
    let chain = plain(at + 1).or_else(|| listed.and_then(|at| plain(at + 1)));
    let rule = plain(at + 2).and_then(|number| number.parse::<usize>().ok());
    Some((table, chain.map(String::as_str), rule.and_then(|number| number.checked_sub(1))))
}
