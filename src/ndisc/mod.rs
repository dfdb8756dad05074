//! Neighbour discovery of an interface beside the neighbour table: its addresses and how they come to
//! be, routers that it hears, and what it tells as a router.
//!
//! - takes: tunables, addresses that operators add, messages from the link, time
//! - gives: packets to be sent, groups to be joined, routes and addresses that come and go
//! - obeys: RFC 4861, RFC 4862 (addresses without state), RFC 4191 (routes), RFC 7217 and RFC 8981
//!   (identifiers), RFC 7527 and RFC 4429 (duplicates), RFC 7559 (asking for routers), RFC 6724 (source
//!   addresses); rows [7.141] to [7.163], [8.67] to [8.88]
//!
//! [`Interface`] is what an interface is as a host, [`Advertiser`] what it is as a router; both are
//! machines without input or output. What a message means for a neighbour's entry is in [`decide`],
//! which keeps nothing.

mod accept;
mod address;
mod advertise;
mod autoconf;
mod conf;
pub mod decide;
pub mod identifier;
mod interface;
pub mod select;
mod solicit;

pub use address::{Address, AddressError, FOREVER, Flags, NewAddress};
pub use advertise::{
    Advertiser, Domains, Prefix, Route as AdvertisedRoute, Servers, Settings, SettingsError,
};
pub use conf::Conf;
pub use interface::{Action, Interface, Parameter, Route, RouteKind};

use crate::graph::Nanos;

const SECOND: Nanos = 1_000_000_000;

#[cfg(test)]
mod tests;
