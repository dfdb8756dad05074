//! Rules of nftables, as `nft -j` writes and reads them.
//!
//! - takes: JSON texts of libnftables-json(5), and the words of `nft`
//! - gives: [`Nft`], which the management core keeps: what is stated, and the program that workers run
//! - obeys: libnftables-json(5), nft(8); docs/nftables.md says what of it
//!
//! A text is carried out whole or not at all. What is not known is refused with its place. Rules and elements
//! stay the JSON that they were; steps are made of them anew for each change, and what they remember
//! hangs on them.

mod build;
mod effects;
mod error;
mod expr;
mod fields;
pub mod fuzz;
mod live;
mod lower;
mod members;
mod model;
mod names;
mod nat;
mod rates;
mod read;
mod set;
mod show;
mod statement;
#[cfg(test)]
mod tests;
mod types;
mod write;

use std::sync::Arc;

pub use error::Error;
pub use model::Ruleset;

use crate::{graph::Nanos, netfilter::nft::Program, sets::Services};

/// What is around a command.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Interfaces: indices and names.
    pub links: &'a [(u16, &'a str)],
    /// Those by which frames come in.
    pub ports: &'a [u16],
    /// Ports of services.
    pub services: Services,
    /// How many workers count.
    pub workers: usize,
    /// The time.
    pub now: Nanos,
}

impl<'a> Around<'a> {
    fn how(&self, again: bool) -> lower::For<'a> {
        let near = types::Near { links: self.links, services: self.services, again };
        lower::For { near, ports: self.ports, workers: self.workers, now: self.now }
    }
}

/// What a command says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// What it prints.
    pub out: String,
    /// What it complains of.
    pub err: String,
    /// Its exit status.
    pub status: u8,
}

/// The rules of nftables.
#[derive(Debug, Default)]
pub struct Nft {
    rules: Ruleset,
    program: Option<Arc<Program>>,
}

impl Nft {
    /// What workers run, if there is a table.
    pub fn program(&self) -> Option<&Arc<Program>> {
        self.program.as_ref()
    }

    /// Carries a text out.
    ///
    /// # Errors
    /// What is wrong, and where; then nothing has changed.
    pub fn load(&mut self, input: &str, around: &Around<'_>) -> Result<(), Error> {
        let mut rules = read::read(&self.rules, input, around.now)?;
        let how = around.how(false);
        let program = lower::compile(&mut rules, how)?;
        live::settle(&mut rules, how);
        rules.settled();
        self.program = (!rules.is_empty()).then(|| Arc::new(program));
        self.rules = rules;
        Ok(())
    }

    /// Interfaces have come, gone or changed their names, which rules name. Says whether that matters.
    pub fn renew(&mut self, around: &Around<'_>) -> bool {
        if self.program.is_none() {
            return false;
        }
        // It has compiled before, and names of links are no cause to refuse it.
        let Ok(program) = lower::compile(&mut self.rules, around.how(true)) else { return false };
        self.program = Some(Arc::new(program));
        true
    }

    /// All rules as a text that can be loaded again.
    pub fn list(&self, around: &Around<'_>) -> String {
        format!("{}\n", show::list(&self.rules, around.how(true).near, around.now))
    }

    /// Carries a command of `nft` out; `input` is the text that it would read.
    pub fn command(&mut self, words: &[String], input: Option<&str>, around: &Around<'_>) -> Said {
        let refused = |err: &str, hint: &str| Said {
            err: format!("nft: {err}\nhint: {hint}\n"),
            status: 1,
            ..Said::default()
        };
        let (mut json, mut file, mut check, mut rest) = (false, None, false, Vec::new());
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "-j" | "--json" => json = true,
                "-c" | "--check" => check = true,
                "-a" | "--handle" | "-n" | "--numeric" => {}
                "-f" | "--file" => file = Some(words.next().unwrap_or("-")),
                option if option.starts_with('-') => {
                    let hint = "what may stand here: -j, -c, -a, -n, -f FILE";
                    return refused(&format!("unknown option {option:?}"), hint);
                }
                word => rest.push(word),
            }
        }
        let text = "nft's own language is not spoken here: write JSON, and -j";
        match (file, rest.as_slice()) {
            (Some(_), _) if !json => refused("the file is to be JSON", text),
            (Some(file), []) => {
                let input = input.unwrap_or_default();
                let done = match check {
                    true => self.try_out(input, around),
                    false => self.load(input, around),
                };
                match done {
                    Ok(()) => Said::default(),
                    Err(error) => Said {
                        err: format!("nft: {file}: {error}\n"),
                        status: 1,
                        ..Said::default()
                    },
                }
            }
            (None, ["flush", "ruleset"]) => {
                if !check {
                    (self.rules, self.program) = (Ruleset::default(), None);
                }
                Said::default()
            }
            (None, ["list", "ruleset"]) if json => {
                Said { out: self.list(around), ..Said::default() }
            }
            (None, ["list", ..]) if !json => refused("rules are listed as JSON", text),
            _ => refused(
                &format!("unknown command {:?}", rest.join(" ")),
                "what may stand here: -j -f FILE, -j list ruleset, flush ruleset",
            ),
        }
    }

    /// Whether a text could be carried out.
    fn try_out(&self, input: &str, around: &Around<'_>) -> Result<(), Error> {
        let mut rules = read::read(&self.rules, input, around.now)?;
        lower::compile(&mut rules, around.how(false)).map(|_| ())
    }
}
