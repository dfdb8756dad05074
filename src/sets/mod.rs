//! Sets of addresses, ports and interfaces that rules ask about by name: `ipset`.
//!
//! - takes: the words of `ipset`, and packets
//! - gives: [`Book`], which the management core keeps; [`Sets`], part of the snapshot that workers read
//! - obeys: `ipset` 7.17 and the sets of the kernel it speaks to
//! - costs: a test takes no lock and allocates nothing; a set's room is reserved when it is made, and pages
//!   that no element uses cost nothing
//!
//! Elements come and go in place, by workers as by the management core. That a set is made, renamed, swapped or
//! destroyed is a publication.

mod book;
mod change;
mod create;
mod element;
mod error;
pub mod fuzz;
mod kind;
mod names;
mod packet;
mod read;
mod show;
mod table;
#[cfg(test)]
mod tests;

pub use book::{Around, Book, Census, Named, Said};
pub use element::Element;
pub use error::Error;
pub use kind::{Kind, Part, Spec};
pub use names::Services;
pub use packet::{How, Packet, Sets};
pub use table::{Compare, Extensions, Skb, Table};
