//! `ip neighbour show`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::super::{NeighFilter, NudState, Options, names};
use super::link::mac;
use super::out::{Entry, Listing};

/// Use of one neighbour entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighStats {
    /// Who holds the entry, beside the table itself.
    pub refcnt: u32,
    /// Seconds since a packet used it.
    pub used: u32,
    /// Seconds since it was confirmed.
    pub confirmed: u32,
    /// Seconds since it changed.
    pub updated: u32,
    /// Probes sent without an answer.
    pub probes: u32,
}

/// One neighbour entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighView {
    /// The neighbour's address.
    pub dst: IpAddr,
    /// The interface behind which it is.
    pub dev: String,
    /// Its Ethernet address, if known.
    pub lladdr: Option<[u8; 6]>,
    /// `NUD_*` as [`NudState`] has them; one bit, or none.
    pub state: u16,
    /// It is a router.
    pub router: bool,
    /// The router answers for it.
    pub proxy: bool,
    /// Kept resolved.
    pub managed: bool,
    /// Learned by a control protocol.
    pub extern_learn: bool,
    /// Who installed it; 0 is nobody in particular.
    pub protocol: u8,
    /// For `-statistics`.
    pub stats: NeighStats,
}

impl NeighFilter {
    /// Whether `ip neigh show` prints this entry under this filter.
    #[must_use]
    pub fn accepts(&self, neigh: &NeighView) -> bool {
        let states = match self.nud {
            Some(nud) => nud.0,
            None => 0xff & !NudState::NOARP.0,
        };
        let state = neigh.state & states != 0
            || (neigh.state == 0 && self.nud_none)
            || neigh.proxy
            || neigh.extern_learn;
        state
            && self.proxy == neigh.proxy
            && self.dev.as_ref().is_none_or(|dev| *dev == neigh.dev)
            && self.family.takes(neigh.dst.is_ipv6())
            && self.to.is_none_or(|net| net.contains(&neigh.dst))
            && self.protocol.is_none_or(|protocol| protocol == neigh.protocol)
            && !(self.unused && neigh.stats.refcnt > 0)
    }
}

/// What `ip neigh show` prints for these entries, those that the filter refuses left out.
pub fn show_neighbours<'a>(
    neighbours: impl IntoIterator<Item = &'a NeighView>,
    filter: &NeighFilter,
    options: &Options,
) -> String {
    let mut listing = Listing::new(options);
    for neigh in neighbours.into_iter().filter(|neigh| filter.accepts(neigh)) {
        listing.entry(|entry| {
            if options.brief {
                print_brief(entry, neigh, filter);
            } else {
                print_neigh(entry, neigh, filter, options);
            }
        });
    }
    listing.finish()
}

fn print_brief(entry: &mut Entry<'_>, neigh: &NeighView, filter: &NeighFilter) {
    entry.field("dst", neigh.dst.to_string(), format_args!("{:<39} ", neigh.dst.to_string()));
    if filter.dev.is_none() {
        entry.field("dev", neigh.dev.as_str(), format_args!("{:<16} ", neigh.dev));
    }
    if let Some(lladdr) = neigh.lladdr.map(mac) {
        entry.field("lladdr", lladdr.as_str(), format_args!("{lladdr}"));
    }
    entry.text(format_args!("\n"));
}

fn print_neigh(entry: &mut Entry<'_>, neigh: &NeighView, filter: &NeighFilter, options: &Options) {
    entry.field("dst", neigh.dst.to_string(), format_args!("{} ", neigh.dst));
    if filter.dev.is_none() {
        entry.field("dev", neigh.dev.as_str(), format_args!("dev {} ", neigh.dev));
    }
    if let Some(lladdr) = neigh.lladdr.map(mac) {
        entry.field("lladdr", lladdr.as_str(), format_args!("lladdr {lladdr} "));
    }
    let flags = [
        ("router", neigh.router),
        ("proxy", neigh.proxy),
        ("managed", neigh.managed),
        ("extern_learn", neigh.extern_learn),
    ];
    for (word, _) in flags.iter().filter(|(_, on)| *on) {
        entry.word(word);
    }
    if options.statistics > 0 && !neigh.proxy {
        let stats = &neigh.stats;
        if stats.refcnt > 0 {
            entry.field("refcnt", stats.refcnt, format_args!(" ref {}", stats.refcnt));
        }
        entry.field("used", stats.used, format_args!(" used {}", stats.used));
        entry.field("confirmed", stats.confirmed, format_args!("/{}", stats.confirmed));
        entry.field("updated", stats.updated, format_args!("/{}", stats.updated));
        entry.field("probes", stats.probes, format_args!("probes {} ", stats.probes));
    }
    if neigh.state != 0 {
        let set: Vec<String> = NudState::NAMES
            .iter()
            .filter(|(_, state)| neigh.state & state.0 != 0)
            .map(|(name, _)| name.to_ascii_uppercase())
            .collect();
        let set: Vec<&str> = set.iter().map(String::as_str).collect();
        entry.words("state", &set);
    }
    if neigh.protocol != 0 {
        let name = if options.numeric {
            neigh.protocol.to_string()
        } else {
            names::proto(neigh.protocol).into_owned()
        };
        entry.field("protocol", name.as_str(), format_args!("proto {name} "));
    }
    entry.text(format_args!("\n"));
}
