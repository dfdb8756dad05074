//! Rules of nftables as an operator stated them.
//!
//! - gives: [`Ruleset`]: tables with their chains, sets and objects; rules stay the JSON that they were
//!
//! What rules, elements and objects remember hangs on them here, so that it lives as long as they do.

use std::sync::Arc;

use serde_json::Value;

use super::{
    build::{Says, States},
    types::Type,
};
use crate::{
    graph::Nanos,
    netfilter::{
        nft::{Family, Kind, State, Table as Live},
        rule::Policy,
    },
};

/// Everything that nft knows here.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    pub(super) tables: Vec<Table>,
    /// The last handle of a table.
    pub(super) last: u64,
    /// How many chains there have been.
    pub(super) chains: u64,
}

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) family: Family,
    pub(super) name: String,
    pub(super) handle: u64,
    pub(super) comment: Option<Value>,
    /// Its chains are met by nobody.
    pub(super) dormant: bool,
    /// The last handle of a member.
    pub(super) last: u64,
    pub(super) chains: Vec<Chain>,
    pub(super) sets: Vec<Set>,
    pub(super) objects: Vec<Object>,
    pub(super) flowtables: Vec<Flowtable>,
}

/// A chain.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) name: String,
    pub(super) handle: u64,
    pub(super) comment: Option<Value>,
    pub(super) base: Option<Base>,
    pub(super) rules: Vec<Rule>,
    /// Its place in the order in which chains came.
    pub(super) serial: u64,
    pub(super) origin: String,
}

/// Where a chain stands that packets come to.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) kind: Kind,
    pub(super) hook: String,
    pub(super) priority: i32,
    pub(super) policy: Policy,
    pub(super) devices: Vec<String>,
}

/// A rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) handle: u64,
    pub(super) comment: Option<Value>,
    pub(super) expr: Vec<Value>,
    pub(super) states: States,
    /// Where it stood in the text that brought it, until that is in force.
    pub(super) origin: String,
}

/// A set or a map.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) name: String,
    pub(super) handle: u64,
    pub(super) is_map: bool,
    pub(super) types: Vec<Type>,
    pub(super) says: Says,
    /// All of its text but name, table and elements.
    pub(super) body: serde_json::Map<String, Value>,
    pub(super) flags: Vec<String>,
    /// How long elements stay, 0 for ever.
    pub(super) timeout: Nanos,
    pub(super) size: Option<u32>,
    pub(super) stated: Vec<Value>,
    pub(super) merges: bool,
    pub(super) elements: Vec<Element>,
    pub(super) states: States,
    /// Elements where packets change them.
    pub(super) live: Option<Arc<Live>>,
    /// Elements that are to be taken out of there.
    pub(super) removed: Vec<Value>,
    /// All are.
    pub(super) cleared: bool,
    pub(super) origin: String,
}

/// An element that an operator stated.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) value: Value,
    /// When it is gone.
    pub(super) until: Option<Nanos>,
    /// Where it stood in the text that brought it, until that is in force.
    pub(super) origin: String,
}

/// An object that has a name.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) handle: u64,
    /// Its text but for name and table.
    pub(super) body: serde_json::Map<String, Value>,
    pub(super) state: Option<State>,
    pub(super) origin: String,
}

/// A flowtable, which is a hint.
#[derive(Clone, Debug)]
pub(super) struct Flowtable {
    pub(super) name: String,
    pub(super) handle: u64,
    pub(super) body: serde_json::Map<String, Value>,
}

impl Table {
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(super) fn chain_mut(&mut self, name: &str) -> Option<&mut Chain> {
        self.chains.iter_mut().find(|chain| chain.name == name)
    }

    pub(super) fn set_mut(&mut self, name: &str) -> Option<&mut Set> {
        self.sets.iter_mut().find(|set| set.name == name)
    }
}

impl Set {
    pub(super) fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }

    /// What it is called in a text.
    pub(super) const fn word(&self) -> &'static str {
        if self.is_map { "map" } else { "set" }
    }
}

impl Ruleset {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// What was stated is in force: places in texts mean nothing any more.
    pub(super) fn settled(&mut self) {
        for table in &mut self.tables {
            for set in &mut table.sets {
                set.origin.clear();
                set.elements.iter_mut().for_each(|element| element.origin.clear());
            }
            table.objects.iter_mut().for_each(|object| object.origin.clear());
            for chain in &mut table.chains {
                chain.origin.clear();
                chain.rules.iter_mut().for_each(|rule| rule.origin.clear());
            }
        }
    }
}
