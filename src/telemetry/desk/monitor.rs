//! `ip monitor`: changes of the router's state as they are made, in the words of `ip`.

use std::time::Duration;

use ipnet::IpNet;

use super::ip::{Refused, address_view};
use super::route::view_with;
use super::{Cursor, Desk, IpOutput, Reply, line, value};
use crate::{
    control::{Event, What},
    iproute2::{
        self, Action, Inet, MonitorCommand, NeighFilter, NudState, Options, RouteFilter,
        show::{self, LinkStats},
    },
};

/// Whether a change is one of IPv6; `None` for what is of no family.
fn is_six(what: &What) -> Option<bool> {
    match what {
        What::Link(_) | What::Nexthop(..) => None,
        What::Address(..) => Some(false),
        What::Address6(..) => Some(true),
        What::Route { prefix, .. } => Some(matches!(prefix, IpNet::V6(_))),
        What::Neighbour { key, .. } => Some(key.address.is_ipv6()),
        What::Rule(rule) => Some(rule.is_six()),
    }
}

/// How often a watcher is looked after.
const PAUSE: Duration = Duration::from_millis(20);
/// Changes in one piece of an answer.
const PIECE: usize = 1000;

/// A watch under way.
pub struct Watch {
    id: u64,
    command: MonitorCommand,
    options: Options,
}

impl Watch {
    /// Number of the watcher.
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Desk<'_> {
    /// Begins to watch, if that is what the words ask for.
    pub(super) fn monitor(&mut self, words: &[&str]) -> Option<Reply<Cursor>> {
        let command = iproute2::parse(words).ok()?;
        let Action::Monitor(monitor) = command.action else { return None };
        if let Some(dev) = &monitor.dev
            && self.router.iface(dev).is_none()
        {
            let Refused { message, status } = Refused::argument(dev, "Device does not exist\n");
            let said = IpOutput { out: String::new(), err: line(&message), status };
            return Some(Reply::LastRows(vec![value(said)]));
        }
        // ip prints text here whatever it is asked for.
        let options = Options { json: false, ..command.options };
        let watch = Watch { id: self.router.watch(), command: monitor, options };
        Some(self.more_news(Box::new(watch)))
    }

    /// What has changed since the last time.
    pub(super) fn more_news(&mut self, watch: Box<Watch>) -> Reply<Cursor> {
        let news = self.router.news(watch.id, PIECE);
        let mut said = IpOutput::default();
        for event in &news.events {
            if let Some(text) = self.event(event, &watch.command, &watch.options) {
                said.out += &text;
            }
        }
        if news.missed {
            said.err += "netlink receive error No buffer space available (105)\n";
        }
        let quiet = said.out.is_empty() && said.err.is_empty();
        let rows = if quiet { Vec::new() } else { vec![value(said)] };
        let pause = if news.events.len() == PIECE { Duration::ZERO } else { PAUSE };
        Reply::Rows { rows, next: Cursor::Monitor(watch), pause }
    }

    /// A change in the words of `ip`; `None` when the watcher did not ask for it.
    fn event(&self, event: &Event, wanted: &MonitorCommand, options: &Options) -> Option<String> {
        if !options.family.takes(is_six(&event.what).unwrap_or(options.family == Inet::Six)) {
            return None;
        }
        let by = |index: u16| wanted.dev.as_ref().is_none_or(|dev| *dev == self.name(index));
        let (label, text) = match &event.what {
            What::Link(iface) if wanted.link && by(iface.index) => {
                let view = self.link_view(iface, LinkStats::default());
                ("[LINK]", show::show_link_event(&view, options))
            }
            What::Address(iface, own) if wanted.address && by(iface.index) => {
                let view = self.link_view(iface, LinkStats::default());
                let address = address_view(iface, own);
                ("[ADDR]", show::show_address_event(&view, &address, options))
            }
            What::Address6(iface, own) if wanted.address && by(iface.index) => {
                let view = self.link_view(iface, LinkStats::default());
                let address = self.address6_view(own);
                ("[ADDR]", show::show_address_event(&view, &address, options))
            }
            What::Route { prefix, tos, info, nexthops }
                if wanted.route
                    && (wanted.dev.is_none() || nexthops.iter().any(|hop| by(hop.iface))) =>
            {
                let blackhole = info.nhid != 0 && nexthops.is_empty();
                let ifaces = self.router.ifaces();
                let view = view_with(*prefix, *tos, info, nexthops, blackhole, ifaces, self.now);
                let group = self.router.objects().is_group(info.nhid);
                let grouped = matches!(prefix, IpNet::V6(_)) && group;
                let view = show::RouteView { grouped, ..view };
                let family = Inet::Any;
                let filter = RouteFilter { family, table: None, ..RouteFilter::default() };
                ("[ROUTE]", show::show_routes([&view], &filter, options))
            }
            What::Neighbour { key, mac, state, flags, missed } if wanted.neigh && by(key.iface) => {
                let view = self.neigh_view(*key, *mac, *state, *flags);
                if *missed {
                    return Some(format!("miss {} dev {} \n", view.dst, view.dev));
                }
                let filter = NeighFilter { nud: Some(NudState(0xff)), ..NeighFilter::default() };
                ("[NEIGH]", show::show_neighbours([&view], &filter, options))
            }
            What::Rule(rule) if wanted.rule => {
                let view = self.rule_view(rule);
                ("[RULE]", show::show_rules([view], options))
            }
            What::Nexthop(id, object) if wanted.nexthop => {
                ("[NEXTHOP]", show::show_nexthops([&self.view_of(*id, object)], options))
            }
            _ => return None,
        };
        let label = if wanted.label { label } else { "" };
        let deleted = if event.deleted { "Deleted " } else { "" };
        Some(format!("{label}{deleted}{text}"))
    }
}
