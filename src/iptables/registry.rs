//! Extensions: one entry for each match and target, which reads it, prints it, and says where it may
//! stand.
//!
//! - takes: entries that the files of [`matches`](super::matches) and [`targets`](super::targets) state
//! - gives: look-ups by name and by value
//! - obeys: the tables, hooks and protocols that the kernel's modules register with

use crate::netfilter::rule::{Basic, Family, Hook, Match, TableName, Target};

use super::error::Parse;
use super::matches::MATCHES;
use super::options::{Args, Opt};
use super::targets::TARGETS;

/// Which families have an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Families {
    Both,
    Four,
    Six,
}

impl Families {
    pub(super) fn has(self, family: Family) -> bool {
        matches!(
            (self, family),
            (Self::Both, _) | (Self::Four, Family::Four) | (Self::Six, Family::Six)
        )
    }
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) family: Family,
    /// `-n`
    pub(super) numeric: bool,
    /// Of the rule.
    pub(super) protocol: Option<u8>,
}

/// Where an extension may stand; what is empty is not asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) tables: &'static [TableName],
    pub(super) hooks: &'static [Hook],
    pub(super) protocols: &'static [u8],
}

impl Place {
    pub(super) const ANY: Self = Self { tables: &[], hooks: &[], protocols: &[] };

    pub(super) const fn tables(tables: &'static [TableName]) -> Self {
        Self { tables, ..Self::ANY }
    }

    pub(super) const fn hooks(mut self, hooks: &'static [Hook]) -> Self {
        self.hooks = hooks;
        self
    }

    pub(super) const fn protocols(mut self, protocols: &'static [u8]) -> Self {
        self.protocols = protocols;
        self
    }
}

/// What stands around a match or target that is checked.
pub(super) struct Site<'a> {
    pub(super) family: Family,
    pub(super) table: TableName,
    pub(super) basic: &'a Basic,
    pub(super) matches: &'a [Match],
    /// Hooks from which the rule can be reached.
    pub(super) hooks: &'a [Hook],
}

/// Why the kernel refuses it: its answer and its reason.
pub(super) type Check = Result<(), (super::error::Refused, String)>;

/// A match.
pub(super) struct MatchEntry {
    pub(super) name: &'static str,
    pub(super) families: Families,
    pub(super) place: Place,
    /// Whether it says "Only one ... allowed".
    pub(super) terse: bool,
    pub(super) options: &'static [Opt],
    /// Builds it of its options.
    pub(super) build: fn(&Args) -> Parse<Match>,
    /// Prints its options as they are read, or says that it is another's.
    pub(super) save: fn(&Match, &mut String) -> bool,
    /// Prints it for a list.
    pub(super) list: fn(&Match, &mut String, Look) -> bool,
    /// What the kernel checks beyond its place.
    pub(super) check: fn(&Match, &Site<'_>) -> Check,
}

/// A target.
pub(super) struct TargetEntry {
    pub(super) name: &'static str,
    pub(super) families: Families,
    pub(super) place: Place,
    pub(super) options: &'static [Opt],
    pub(super) build: fn(&Args) -> Parse<Target>,
    pub(super) save: fn(&Target, &mut String) -> bool,
    pub(super) list: fn(&Target, &mut String, Look) -> bool,
    pub(super) check: fn(&Target, &Site<'_>) -> Check,
}

/// Nothing more is checked.
pub(super) fn free<T>(_: &T, _: &Site<'_>) -> Check {
    Ok(())
}

/// A match by name; the names of ICMPv6's protocol are its match's too.
pub(super) fn find_match(name: &str, family: Family) -> Option<&'static MatchEntry> {
    let name = match name {
        "icmpv6" | "ipv6-icmp" => "icmp6",
        name => name,
    };
    MATCHES.iter().copied().find(|entry| entry.name == name && entry.families.has(family))
}

/// A target by name.
pub(super) fn find_target(name: &str, family: Family) -> Option<&'static TargetEntry> {
    TARGETS.iter().copied().find(|entry| entry.name == name && entry.families.has(family))
}

/// The entry of a match, that of its family before that of the other, and what its options are.
pub(super) fn saved_match(of: &Match, family: Family) -> Option<(&'static MatchEntry, String)> {
    let mut text = String::new();
    let own = MATCHES.iter().copied().filter(|entry| entry.families.has(family));
    let other = MATCHES.iter().copied().filter(|entry| !entry.families.has(family));
    let entry = own.chain(other).find(|entry| (entry.save)(of, &mut text))?;
    Some((entry, text))
}

/// The entry of a target that is an extension, and what its options are.
pub(super) fn saved_target(of: &Target) -> Option<(&'static TargetEntry, String)> {
    let mut text = String::new();
    let entry = TARGETS.iter().copied().find(|entry| (entry.save)(of, &mut text))?;
    Some((entry, text))
}
