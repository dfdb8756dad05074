//! What one line asks for.
//!
//! - takes: nothing
//! - gives: [`Statement`], which [`Tables`](super::Tables) carries out
//! - obeys: `iptables(8)`, "COMMANDS"

use crate::netfilter::rule::{Counters, Rule};

/// How lists are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// `-n`
    pub numeric: bool,
    /// `-v`
    pub verbose: bool,
    /// `-x`
    pub exact: bool,
    /// `--line-numbers`
    pub line_numbers: bool,
}

/// One line of `iptables`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// `-t`, as written.
    pub table: String,
    /// What is to be done.
    pub op: Op,
    /// How it is told.
    pub format: Format,
}

impl Statement {
    /// One that is told plainly.
    #[must_use]
    pub fn new(table: String, op: Op) -> Self {
        Self { table, op, format: Format::default() }
    }
}

/// What is to be done with a table. Rules count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// `-A`
    Append {
        /// Where.
        chain: String,
        /// One for each pair of source and destination.
        rules: Vec<Rule>,
    },
    /// `-I`
    Insert {
        /// Where.
        chain: String,
        /// Before which.
        at: usize,
        /// One for each pair of source and destination.
        rules: Vec<Rule>,
    },
    /// `-D` with a rule.
    Delete {
        /// Where.
        chain: String,
        /// The first that is equal goes.
        rules: Vec<Rule>,
    },
    /// `-D` with a number.
    DeleteAt {
        /// Where.
        chain: String,
        /// Which.
        at: usize,
    },
    /// `-R`
    Replace {
        /// Where.
        chain: String,
        /// Which.
        at: usize,
        /// What by.
        rule: Box<Rule>,
    },
    /// `-C`
    Check {
        /// Where.
        chain: String,
        /// All must be there.
        rules: Vec<Rule>,
    },
    /// `-L`
    List {
        /// Which, or all.
        chain: Option<String>,
        /// Which of its rules, or all.
        at: Option<usize>,
        /// `-Z`: counts from zero afterwards.
        zero: bool,
    },
    /// `-S`
    ListRules {
        /// Which, or all.
        chain: Option<String>,
        /// Which of its rules, or all.
        at: Option<usize>,
        /// `-Z`: counts from zero afterwards.
        zero: bool,
    },
    /// `-F`
    Flush {
        /// Which, or all.
        chain: Option<String>,
    },
    /// `-Z`
    Zero {
        /// Which, or all.
        chain: Option<String>,
        /// Which of its rules, or all.
        at: Option<usize>,
    },
    /// `-N`
    NewChain {
        /// Its name.
        chain: String,
    },
    /// `-X`
    DeleteChain {
        /// Which, or all of the operator's.
        chain: Option<String>,
    },
    /// `-E`
    Rename {
        /// Which.
        chain: String,
        /// Its new name.
        to: String,
    },
    /// `-P`
    Policy {
        /// Which.
        chain: String,
        /// As written.
        policy: String,
        /// `-c`
        counters: Option<Counters>,
    },
    /// `-V`
    Version,
    /// `-h`
    Help,
}
