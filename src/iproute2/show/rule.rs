//! `ip rule show`.

use std::borrow::Cow;

use ipnet::IpNet;

use super::super::{Options, names};
use super::out::{Entry, Json, Listing};
use super::route::{kind_name, named};
use crate::route::spec::{RouteType, RuleAction, RuleSpec};

/// One rule with its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleView<'a> {
    /// The rule.
    pub rule: &'a RuleSpec,
    /// There is no interface of the name that packets must come in by.
    pub iif_detached: bool,
    /// There is no interface of the name that packets must be bound to.
    pub oif_detached: bool,
    /// There is no rule at the place that this one jumps to.
    pub unresolved: bool,
}

/// What `ip rule show` prints for these rules.
pub fn show_rules<'a>(rules: impl IntoIterator<Item = RuleView<'a>>, options: &Options) -> String {
    let mut listing = Listing::new(options);
    for rule in rules {
        listing.entry(|entry| print_rule(entry, &rule, options));
    }
    listing.finish()
}

fn print_rule(entry: &mut Entry<'_>, view: &RuleView<'_>, options: &Options) {
    let rule = view.rule;
    let priority = rule.priority.unwrap_or_default();
    entry.field("priority", priority, format_args!("{priority}:\t"));
    if rule.invert {
        entry.word("not");
    }
    print_selectors(entry, view, options);
    print_action(entry, view, options);
    if (rule.protocol != 0 && rule.protocol != KERNEL) || options.details {
        let name = named(options, rule.protocol, names::proto);
        entry.field("protocol", &*name, format_args!(" proto {name}"));
    }
    entry.text(format_args!("\n"));
}

/// Whose rules are shown without saying so.
const KERNEL: u8 = 2;

fn print_selectors(entry: &mut Entry<'_>, view: &RuleView<'_>, options: &Options) {
    let rule = view.rule;
    if rule.from.prefix_len() == 0 {
        entry.field("src", "all", format_args!("from all"));
    } else {
        print_net(entry, "from ", ("src", "srclen"), rule.from);
    }
    if rule.to.prefix_len() != 0 {
        print_net(entry, " to ", ("dst", "dstlen"), rule.to);
    }
    if rule.tos != 0 {
        let tos = if options.numeric {
            Cow::Owned(format!("{:#04x}", rule.tos))
        } else {
            names::dsfield(rule.tos)
        };
        entry.field("tos", &*tos, format_args!(" tos {tos}"));
    }
    if rule.fwmark != 0 || rule.fwmask != 0 {
        // C's `%#x` writes zero without its prefix.
        let hex = |n: u32| if n == 0 { "0".to_owned() } else { format!("{n:#x}") };
        let (mark, mask) = (hex(rule.fwmark), hex(rule.fwmask));
        entry.field("fwmark", mark.as_str(), format_args!(" fwmark {mark}"));
        if rule.fwmask != u32::MAX {
            entry.field("fwmask", mask.as_str(), format_args!("/{mask}"));
        }
    }
    if let Some(iif) = &rule.iif {
        entry.field("iif", iif.as_str(), format_args!(" iif {iif}"));
        if view.iif_detached {
            entry.field("iif_detached", Json::Null, format_args!(" [detached]"));
        }
    }
    if let Some(oif) = &rule.oif {
        entry.field("oif", oif.as_str(), format_args!(" oif {oif}"));
        if view.oif_detached {
            entry.field("oif_detached", Json::Null, format_args!(" [detached]"));
        }
    }
    if rule.l3mdev {
        entry.field("l3mdev", Json::Null, format_args!(" lookup [l3mdev-table]"));
    }
    if rule.ipproto != 0 {
        let name = if options.numeric {
            Cow::Owned(format!("ipproto-{}", rule.ipproto))
        } else {
            names::ip_proto(rule.ipproto)
        };
        entry.field("ipproto", &*name, format_args!(" ipproto {name}"));
    }
    print_ports(entry, "sport", ("sport_start", "sport_end"), rule.sport);
    print_ports(entry, "dport", ("dport_start", "dport_end"), rule.dport);
}

fn print_net(
    entry: &mut Entry<'_>,
    word: &'static str,
    (key, len): (&'static str, &'static str),
    net: IpNet,
) {
    entry.field(key, net.addr().to_string(), format_args!("{word}{}", net.addr()));
    if net.prefix_len() != net.max_prefix_len() {
        entry.field(len, u32::from(net.prefix_len()), format_args!("/{}", net.prefix_len()));
    }
}

fn print_ports(
    entry: &mut Entry<'_>,
    key: &'static str,
    (start, end): (&'static str, &'static str),
    ports: Option<(u16, u16)>,
) {
    match ports.map(|(first, last)| (u32::from(first), u32::from(last))) {
        None => {}
        Some((first, last)) if first == last => {
            entry.field(key, first, format_args!(" {key} {first}"));
        }
        Some((first, last)) => {
            entry.field(start, first, format_args!(" {key} {first}"));
            entry.field(end, last, format_args!("-{last}"));
        }
    }
}

fn print_action(entry: &mut Entry<'_>, view: &RuleView<'_>, options: &Options) {
    let rule = view.rule;
    let word = |entry: &mut Entry<'_>, kind| {
        let name = kind_name(options, kind);
        entry.field("action", &*name, format_args!(" {name}"));
    };
    match rule.action {
        RuleAction::Lookup(0) => {}
        RuleAction::Lookup(table) => {
            let name = named(options, table, names::table);
            entry.field("table", &*name, format_args!(" lookup {name}"));
            if let Some(len) = rule.suppress_prefixlength {
                let text = format_args!(" suppress_prefixlength {len}");
                entry.field("suppress_prefixlen", u32::from(len), text);
            }
            if let Some(group) = rule.suppress_ifgroup {
                let name = named(options, group, names::group);
                entry.field("suppress_ifgroup", &*name, format_args!(" suppress_ifgroup {name}"));
            }
        }
        RuleAction::Goto(target) => {
            entry.field("goto", target, format_args!(" goto {target}"));
            if view.unresolved {
                entry.field("unresolved", Json::Null, format_args!(" [unresolved]"));
            }
        }
        RuleAction::Nop => entry.field("nop", Json::Null, format_args!(" nop")),
        RuleAction::Blackhole => word(entry, RouteType::Blackhole),
        RuleAction::Unreachable => word(entry, RouteType::Unreachable),
        RuleAction::Prohibit => word(entry, RouteType::Prohibit),
    }
}
