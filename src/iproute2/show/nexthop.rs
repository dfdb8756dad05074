//! `ip nexthop show`, `ip nexthop get` and `ip nexthop bucket show`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::super::{Options, names};
use super::out::{Entry, Json, Listing, real};
use super::route::{named, print_state};
use crate::route::spec::scope;

/// One next-hop object with its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NexthopView {
    /// Its number.
    pub id: u32,
    /// Members of a group and their weights.
    pub group: Vec<(u32, u16)>,
    /// A resilient group's state.
    pub resilient: Option<ResilientView>,
    /// Gateway.
    pub via: Option<IpAddr>,
    /// Interface name.
    pub dev: Option<String>,
    /// Scope.
    pub scope: u8,
    /// Drops what comes.
    pub blackhole: bool,
    /// Origin.
    pub protocol: u8,
    /// The interface is down.
    pub dead: bool,
    /// The gateway is taken to be on the link.
    pub onlink: bool,
    /// The interface has no carrier.
    pub linkdown: bool,
}

/// State of a resilient group; times in hundredths of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResilientView {
    /// Number of buckets.
    pub buckets: u16,
    /// How long a bucket must be unused before it may move.
    pub idle_timer: u32,
    /// How long the group may be out of balance.
    pub unbalanced_timer: u32,
    /// How long it has been.
    pub unbalanced_time: u64,
}

/// One bucket of a resilient group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketView {
    /// Number of the group.
    pub id: u32,
    /// Its place.
    pub index: u16,
    /// Hundredths of a second since a packet used it.
    pub idle_time: u64,
    /// The object it belongs to.
    pub nhid: u32,
}

/// What `ip nexthop show` prints for these objects.
pub fn show_nexthops<'a>(
    nexthops: impl IntoIterator<Item = &'a NexthopView>,
    options: &Options,
) -> String {
    let mut listing = Listing::new(options);
    for nexthop in nexthops {
        listing.entry(|entry| {
            print_nexthop(entry, nexthop, options);
            entry.text(format_args!("\n"));
        });
    }
    listing.finish()
}

/// What `ip nexthop bucket show` prints for these buckets.
pub fn show_nexthop_buckets<'a>(
    buckets: impl IntoIterator<Item = &'a BucketView>,
    options: &Options,
) -> String {
    let mut listing = Listing::new(options);
    for bucket in buckets {
        listing.entry(|entry| {
            entry.field("id", bucket.id, format_args!("id {} ", bucket.id));
            entry.object("bucket", |entry| {
                let index = u32::from(bucket.index);
                entry.field("index", index, format_args!("index {index} "));
                print_time(entry, "idle_time", bucket.idle_time);
                entry.field("nhid", bucket.nhid, format_args!("nhid {} ", bucket.nhid));
            });
            entry.words("flags", &[]);
            entry.text(format_args!("\n"));
        });
    }
    listing.finish()
}

/// Hundredths of a second, printed as seconds.
fn print_time(entry: &mut Entry<'_>, key: &'static str, time: u64) {
    #[allow(clippy::cast_precision_loss, reason = "six digits are shown")]
    let seconds = time as f64 / 100.0;
    entry.field(key, Json::Real(seconds), format_args!("{key} {} ", real(seconds)));
}

/// The object alone; a route's details have it too.
pub(super) fn print_nexthop(entry: &mut Entry<'_>, nexthop: &NexthopView, options: &Options) {
    entry.field("id", nexthop.id, format_args!("id {} ", nexthop.id));
    if !nexthop.group.is_empty() {
        entry.text(format_args!("group "));
        let mut first = true;
        entry.list("group", &nexthop.group, |entry, (id, weight)| {
            if !std::mem::take(&mut first) {
                entry.text(format_args!("/"));
            }
            entry.field("id", *id, format_args!("{id}"));
            if *weight > 1 {
                entry.field("weight", u32::from(*weight), format_args!(",{weight}"));
            }
        });
        entry.text(format_args!(" "));
    }
    if let Some(state) = nexthop.resilient {
        entry.field("type", "resilient", format_args!("type resilient "));
        entry.object("resilient_args", |entry| {
            let buckets = u32::from(state.buckets);
            entry.field("buckets", buckets, format_args!("buckets {buckets} "));
            print_time(entry, "idle_timer", state.idle_timer.into());
            print_time(entry, "unbalanced_timer", state.unbalanced_timer.into());
            print_time(entry, "unbalanced_time", state.unbalanced_time);
        });
    }
    if let Some(via) = nexthop.via {
        entry.field("gateway", via.to_string(), format_args!("via {via} "));
    }
    if let Some(dev) = &nexthop.dev {
        entry.field("dev", dev.as_str(), format_args!("dev {dev} "));
    }
    if nexthop.scope != scope::UNIVERSE || options.details {
        let name = named(options, nexthop.scope, names::scope);
        entry.field("scope", &*name, format_args!("scope {name} "));
    }
    if nexthop.blackhole {
        entry.word("blackhole");
    }
    if nexthop.protocol != 0 || options.details {
        let name = named(options, nexthop.protocol, names::proto);
        entry.field("protocol", &*name, format_args!("proto {name} "));
    }
    print_state(entry, nexthop.dead, nexthop.onlink, nexthop.linkdown);
}
