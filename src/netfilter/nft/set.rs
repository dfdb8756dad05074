//! Sets and maps as workers look into them.
//!
//! - takes: a key as it lies in a rule's scratch: its fields one behind the other
//! - gives: the element that it is, or is in
//! - obeys: `nft_set_hash`, `nft_set_rbtree`, `nft_set_pipapo`: of elements that may both hold a key the
//!   first one listed is found
//! - costs: one hash for sets of single keys, a binary search for ranges, and a walk over all elements
//!   for ranges of several fields
//!
//! Elements that an operator states stand here and never change; those that packets add are in the
//! [`Table`].

use std::{collections::HashMap, sync::Arc};

use super::op::{Decision, Object};
use super::state::State;
use super::table::{Live, Table};
use crate::graph::Nanos;

/// What an element says beside being there.
#[derive(Clone, Debug, Default)]
pub enum Data {
    /// Nothing.
    #[default]
    None,
    /// A value.
    Value(Box<[u8]>),
    /// What becomes of the packet.
    Decision(Decision),
    /// An object that counts or limits.
    Object(Object),
}

/// An element.
#[derive(Clone, Debug, Default)]
pub struct Element {
    /// What it says.
    pub data: Data,
    /// What it remembers; whether a packet that exceeds passes.
    pub states: Vec<(State, bool)>,
    /// When it is gone.
    pub until: Option<Nanos>,
}

impl Element {
    fn lives(&self, now: Nanos) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// First and last key of an element, and the element.
pub type Range = (Box<[u8]>, Box<[u8]>, Element);

/// Elements by how they are found.
#[derive(Debug)]
pub enum Elements {
    /// Each is one key.
    Keys(HashMap<Box<[u8]>, Element>),
    /// Each is a range; in order, and none over another.
    Ranges(Vec<Range>),
    /// Each is a range in each field.
    Boxes(Vec<Range>),
    /// Packets may add and take away some.
    Live(Arc<Table>),
}

/// Lengths of the fields of a key.
pub type Fields = Box<[u8]>;

/// A set or a map.
#[derive(Debug)]
pub struct Set {
    /// Bytes of a key.
    pub key_len: usize,
    /// Of which fields.
    pub fields: Fields,
    /// What is in it.
    pub elements: Elements,
    /// What all other keys are.
    pub otherwise: Option<Element>,
}

/// What was found.
pub(super) enum Found<'a> {
    Element(&'a Element),
    Live(Live<'a>),
}

impl Set {
    /// Whether it says of a key what it said before, and remembers nothing, until it is stated anew.
    pub(super) fn is_steady(&self) -> bool {
        let steady = |element: &Element| element.states.is_empty() && element.until.is_none();
        let elements = match &self.elements {
            Elements::Keys(keys) => keys.values().all(steady),
            Elements::Ranges(ranges) | Elements::Boxes(ranges) => {
                ranges.iter().all(|(.., element)| steady(element))
            }
            Elements::Live(_) => false,
        };
        elements && self.otherwise.as_ref().is_none_or(steady)
    }

    /// The element that a key is in.
    #[inline]
    pub(super) fn find(&self, key: &[u8], now: Nanos) -> Option<Found<'_>> {
        let found = match &self.elements {
            Elements::Keys(keys) => keys.get(key),
            Elements::Ranges(ranges) => {
                let behind = ranges.partition_point(|(from, ..)| from.as_ref() <= key);
                let range = behind.checked_sub(1).and_then(|at| ranges.get(at));
                range.filter(|(_, to, _)| key <= to.as_ref()).map(|(.., element)| element)
            }
            Elements::Boxes(boxes) => {
                let holds = |(from, to, element): &&Range| {
                    element.lives(now) && self.is_inside(key, from, to)
                };
                boxes.iter().find(holds).map(|(.., element)| element)
            }
            Elements::Live(table) => match table.find(key, now) {
                Some(live) => return Some(Found::Live(live)),
                None => None,
            },
        };
        found.filter(|element| element.lives(now)).or(self.otherwise.as_ref()).map(Found::Element)
    }

    /// Whether each field of a key is in its range.
    fn is_inside(&self, key: &[u8], from: &[u8], to: &[u8]) -> bool {
        let mut at = 0;
        self.fields.iter().all(|len| {
            let end = at + usize::from(*len);
            let (Some(key), Some(from), Some(to)) =
                (key.get(at..end), from.get(at..end), to.get(at..end))
            else {
                return false;
            };
            at = end;
            from <= key && key <= to
        })
    }
}
