//! Prints state as `ip` prints it: text, `-oneline`, `-brief`, `-details`, `-json` and `-pretty`.
//!
//! - takes: plain views that the management core fills ([`RouteView`], [`NeighView`], [`LinkView`])
//! - gives: the bytes that `ip` would write to its standard output
//! - obeys: the output of iproute2 6.1, blanks at line ends included; differential tests compare

mod label;
mod link;
mod maddr;
mod neigh;
mod nexthop;
mod ntable;
mod out;
mod route;
mod rule;
mod stats;
mod vrf;

pub use label::{LabelView, show_labels};
pub use link::{
    AddrView, LinkDetails, LinkView, iff, show_address_event, show_addresses, show_link_event,
    show_links,
};
pub use maddr::{MaddrView, show_groups};
pub use neigh::{NeighStats, NeighView, show_neighbours};
pub use nexthop::{BucketView, NexthopView, ResilientView, show_nexthop_buckets, show_nexthops};
pub use ntable::{NtableView, show_ntables};
pub use route::{NextHopView, RouteGetView, RouteView, pref, show_route_get, show_routes};
pub use rule::{RuleView, show_rules};
pub use stats::{LinkStats, RxStats, TxStats};
pub use vrf::{VrfView, show_vrfs};
