//! The command line and the files of iptables: rules as operators state them.
//!
//! - takes: `iptables ...` and `ip6tables ...` as a shell splits them, and whole files as
//!   `iptables-save` writes them
//! - gives: [`Tables`], the rules of a family in the model of [`rule`](crate::netfilter::rule), and all
//!   that `iptables`, `iptables-save` and `iptables-restore` print
//! - obeys: `iptables(8)`, `iptables-extensions(8)`, `iptables-save(8)`, `iptables-restore(8)`, and the
//!   words of iptables 1.8.9
//!
//! A match or target is one entry of the registry: an options table, what is built of it, and how it is
//! printed. What iptables knows and this router does not is an error, never ignored.

mod basic;
mod check;
mod error;
pub mod fuzz;
mod line;
mod list;
pub mod manual;
mod matches;
mod options;
mod own;
mod programs;
mod registry;
mod restore;
mod save;
mod services;
mod statement;
mod tables;
mod targets;
#[cfg(test)]
mod tests;
mod words;

pub use check::{Bare, Fault, Surroundings, check, check_table};
pub use error::{Error, Fact, Refused};
pub(crate) use matches::date_text;
pub use programs::{RestoreWords, SaveWords, restore_words, save_words};
pub use restore::{RestoreError, RestoreOptions};
pub use save::{SaveOptions, rule_words, save};
pub use services::service;
pub use statement::{Format, Op, Statement};
pub use tables::Tables;

use crate::netfilter::rule::Family;

/// The version whose words these are.
pub const VERSION: &str = "v1.8.9 (wagonway)";

/// The program of a family.
#[must_use]
pub fn program(family: Family) -> &'static str {
    match family {
        Family::Four => "iptables",
        Family::Six => "ip6tables",
    }
}

/// The program that reads a family's files.
#[must_use]
pub fn restore_program(family: Family) -> &'static str {
    match family {
        Family::Four => "iptables-restore",
        Family::Six => "ip6tables-restore",
    }
}

/// What `-h` prints.
fn usage(family: Family) -> String {
    let program = program(family);
    format!(
        "{program} {VERSION}\n\n\
         Usage: {program} [-t TABLE] -A|-C|-D CHAIN RULE\n       \
         {program} [-t TABLE] -I CHAIN [NUMBER] RULE\n       \
         {program} [-t TABLE] -R CHAIN NUMBER RULE\n       \
         {program} [-t TABLE] -D CHAIN NUMBER\n       \
         {program} [-t TABLE] -L|-S [CHAIN [NUMBER]] [-n] [-v] [-x] [--line-numbers]\n       \
         {program} [-t TABLE] -F|-X [CHAIN] | -Z [CHAIN [NUMBER]]\n       \
         {program} [-t TABLE] -N CHAIN | -E CHAIN NAME | -P CHAIN ACCEPT|DROP\n\n\
         TABLE is raw, mangle, nat, filter (if none is said) or security.\n\
         RULE  is [!] -s|-d ADDRESS[/MASK] [!] -i|-o INTERFACE[+] [!] -p PROTOCOL [!] -f\n      \
         [-m MATCH OPTIONS]... -j TARGET OPTIONS | -g CHAIN\n"
    )
}
