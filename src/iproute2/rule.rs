//! `ip rule`: the rules of policy routing as the operator writes them.

use ipnet::IpNet;

use super::error::Fact;
use super::link::is_ifname;
use super::names;
use super::route::route_type_number;
use super::usage::{Object, Usage};
use super::words::{Inet, Parse, Words, abbreviates, c_number, table_number};
use crate::route::spec::{RuleAction, RuleSpec, table};

/// What `ip rule` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleCommand {
    /// Add a rule. One to table 0 looks into a table that the router chooses.
    Add(RuleSpec),
    /// Take away the first rule that fits.
    Del(RulePattern),
    /// Take away all rules that fit.
    Flush(RuleFilter),
    /// Print the rules that fit.
    Show(RuleFilter),
}

/// Which rule to take away: what was not said fits any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulePattern {
    /// What was said, but for the table.
    pub said: RuleSpec,
    /// The table; 0 fits any.
    pub table: u32,
    /// The action was said.
    pub with_action: bool,
}

impl RulePattern {
    /// Whether the kernel would take this rule away; it compares neither `not` nor the target of a
    /// jump.
    #[must_use]
    pub fn fits(&self, rule: &RuleSpec) -> bool {
        let said = &self.said;
        let net = |said: IpNet, of: IpNet| said.prefix_len() == 0 || said == of;
        let table = self.table == 0 || self.table == table_of(rule);
        (!self.with_action || same_action(said.action, rule.action))
            && table
            && said.priority.is_none_or(|priority| rule.priority == Some(priority))
            && net(said.from, rule.from)
            && net(said.to, rule.to)
            && (said.tos == 0 || said.tos == rule.tos)
            && (said.fwmark == 0 || said.fwmark == rule.fwmark)
            && (said.fwmask == 0 || said.fwmask == rule.fwmask)
            && (said.iif.is_none() || said.iif == rule.iif)
            && (said.oif.is_none() || said.oif == rule.oif)
            && (said.ipproto == 0 || said.ipproto == rule.ipproto)
            && (said.sport.is_none() || said.sport == rule.sport)
            && (said.dport.is_none() || said.dport == rule.dport)
            && (!said.l3mdev || rule.l3mdev)
            && (said.suppress_prefixlength.is_none()
                || said.suppress_prefixlength == rule.suppress_prefixlength)
            && (said.suppress_ifgroup.is_none() || said.suppress_ifgroup == rule.suppress_ifgroup)
            && (said.protocol == 0 || said.protocol == rule.protocol)
    }
}

/// The table of a rule, 0 for one that looks in none.
fn table_of(rule: &RuleSpec) -> u32 {
    match rule.action {
        RuleAction::Lookup(table) => table,
        _ => 0,
    }
}

fn same_action(one: RuleAction, other: RuleAction) -> bool {
    std::mem::discriminant(&one) == std::mem::discriminant(&other)
}

/// Which rules `show` and `flush` take; `None` takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFilter {
    /// The family.
    pub family: Inet,
    /// Place.
    pub priority: Option<u32>,
    /// Only rules with `not`.
    pub invert: bool,
    /// Source prefix inside this one.
    pub from: Option<IpNet>,
    /// Destination prefix inside this one.
    pub to: Option<IpNet>,
    /// TOS byte.
    pub tos: Option<u8>,
    /// Firewall mark; 0 is any.
    pub fwmark: u32,
    /// Mask of the mark; 0 is any.
    pub fwmask: u32,
    /// Interface by which packets come in.
    pub iif: Option<String>,
    /// Interface to which the router's own packets are bound.
    pub oif: Option<String>,
    /// Only rules for VRFs.
    pub l3mdev: bool,
    /// Table; 0 is any.
    pub table: u32,
    /// Origin; only `flush` asks for it.
    pub protocol: Option<u8>,
    /// IP protocol; 0 is any.
    pub ipproto: u8,
    /// Source ports.
    pub sport: Option<(u16, u16)>,
    /// Destination ports.
    pub dport: Option<(u16, u16)>,
}

impl RuleFilter {
    /// Whether `ip rule show` prints this rule under this filter.
    #[must_use]
    pub fn accepts(&self, rule: &RuleSpec) -> bool {
        let inside = |wanted: Option<IpNet>, net: IpNet| {
            wanted.is_none_or(|wanted| {
                wanted.prefix_len() <= net.prefix_len()
                    && (net.prefix_len() == 0 || wanted.contains(&net.addr()))
            })
        };
        self.priority.is_none_or(|priority| rule.priority == Some(priority))
            && (!self.invert || rule.invert)
            && inside(self.from, rule.from)
            && inside(self.to, rule.to)
            && self.tos.is_none_or(|tos| tos == rule.tos)
            && (self.fwmark == 0 || self.fwmark == rule.fwmark)
            && (self.fwmask == 0 || self.fwmask == rule.fwmask)
            && (self.iif.is_none() || self.iif == rule.iif)
            && (self.oif.is_none() || self.oif == rule.oif)
            && (!self.l3mdev || rule.l3mdev)
            && (self.table == 0 || self.table == table_of(rule))
            && (self.ipproto == 0 || self.ipproto == rule.ipproto)
            && (self.sport.is_none() || self.sport == rule.sport)
            && (self.dport.is_none() || self.dport == rule.dport)
    }

    /// Whether `ip rule flush` takes this rule away: the first one always stays.
    #[must_use]
    pub fn flushes(&self, rule: &RuleSpec) -> bool {
        rule.priority.is_some_and(|priority| priority != 0)
            && self.accepts(rule)
            && self.protocol.is_none_or(|protocol| protocol == rule.protocol)
    }
}

pub(super) fn read(words: &mut Words<'_>) -> Parse<RuleCommand> {
    let Some(verb) = words.take() else {
        let family = words.family().or_four();
        return Ok(RuleCommand::Show(RuleFilter { family, ..RuleFilter::default() }));
    };
    let is = |full: &str| abbreviates(verb, full);
    if is("list") || is("lst") || is("show") {
        read_filter(words).map(RuleCommand::Show)
    } else if is("save") {
        if words.is_empty() {
            return words.unsupported("rule save");
        }
        words.fail(Fact::RuleSaveArguments)
    } else if is("restore") {
        words.unsupported("rule restore")
    } else if is("add") {
        if words.is_empty() {
            return words.fail_end(Fact::RuleRequiresArguments("add"));
        }
        let spec = read_spec(words)?.said;
        accept(words, &spec)?;
        Ok(RuleCommand::Add(spec))
    } else if is("delete") {
        if words.is_empty() {
            return words.fail_end(Fact::RuleRequiresArguments("del"));
        }
        read_spec(words).map(RuleCommand::Del)
    } else if is("flush") {
        read_filter(words).map(RuleCommand::Flush)
    } else if is("help") {
        words.fail(Fact::Usage(Usage(Some(Object::Rule))))
    } else {
        words.fail(Fact::UnknownCommand { word: verb.to_owned(), object: "rule" })
    }
}

/// A prefix of a rule; its address does not tell the family to the next one.
fn read_net(words: &mut Words<'_>) -> Parse<IpNet> {
    let family = words.family();
    Ok(words.keep_family(|words| words.prefix())?.as_written(family))
}

fn read_spec(words: &mut Words<'_>) -> Parse<RulePattern> {
    let mut spec = match words.family() {
        Inet::Six => RuleSpec::lookup6(table::MAIN),
        _ => RuleSpec::lookup(table::MAIN),
    };
    let (mut with_table, mut action) = (None, None);
    let mut mask_said = false;
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        if word == "not" {
            spec.invert = true;
        } else if word == "from" {
            spec.from = read_net(words)?;
        } else if word == "to" {
            spec.to = read_net(words)?;
        } else if is("preference") || is("order") || is("priority") {
            spec.priority = Some(words.number(u32::MAX, "preference value is invalid")?);
        } else if word == "tos" || is("dsfield") {
            spec.tos = words.dsfield("TOS value is invalid")?;
        } else if word == "fwmark" {
            let (mark, mask) = read_mark(words)?;
            spec.fwmark = mark;
            mask_said |= mask.is_some();
            spec.fwmask = mask.unwrap_or(spec.fwmask);
        } else if is("realms") {
            return words.unsupported("rule realms");
        } else if is("protocol") {
            spec.protocol = words.named(names::PROTOS, 0, "\"protocol\" value is invalid")?;
        } else if is("tun_id") {
            return words.unsupported("rule tun_id");
        } else if is("table") || word == "lookup" {
            with_table = Some(words.table("invalid table ID")?);
        } else if is("suppress_prefixlength") || word == "sup_pl" {
            let what = "suppress_prefixlength value is invalid";
            let len = words.number(i32::MAX.unsigned_abs(), what)?;
            // No prefix is longer than 32, so a greater number means no more than this one.
            spec.suppress_prefixlength = Some(u8::try_from(len).unwrap_or(u8::MAX));
        } else if is("suppress_ifgroup") || word == "sup_group" {
            spec.suppress_ifgroup = Some(words.group("Invalid \"suppress_ifgroup\" value")?);
        } else if word == "dev" || word == "iif" {
            spec.iif = Some(read_ifname(words, "\"iif\"/\"dev\" not a valid ifname")?);
        } else if word == "oif" {
            spec.oif = Some(read_ifname(words, "\"oif\" not a valid ifname")?);
        } else if word == "l3mdev" {
            spec.l3mdev = true;
        } else if word == "uidrange" {
            read_range(words, "invalid UID range", u32::MAX)?;
            return words.unsupported("rule uidrange");
        } else if word == "nat" || is("map-to") {
            return words.unsupported("rule nat");
        } else if word == "ipproto" {
            spec.ipproto = words.ipproto()?;
        } else if word == "sport" {
            spec.sport = Some(read_ports(words, "invalid port range")?);
        } else if word == "dport" {
            spec.dport = Some(read_ports(words, "invalid dport range")?);
        } else {
            let word = if word == "type" { words.value()? } else { word };
            action = Some(read_action(words, word)?);
        }
    }
    if spec.fwmark != 0 && !mask_said {
        spec.fwmask = u32::MAX;
    }
    if spec.l3mdev && with_table.is_some_and(|table| table != 0) {
        return words.fail_end(Fact::TableOfL3mdev);
    }
    spec.action = match (action, with_table) {
        (Some(RuleAction::Lookup(_)), table) => RuleAction::Lookup(table.unwrap_or(0)),
        (Some(action), _) => action,
        (None, Some(table)) => RuleAction::Lookup(table),
        (None, None) if spec.l3mdev => RuleAction::Lookup(0),
        (None, None) => RuleAction::Lookup(table::MAIN),
    };
    if words.family() != Inet::Six {
        // Without `-6` they are taken for addresses of IPv4 that are too long.
        let other = |net: IpNet| matches!(net, IpNet::V6(_));
        if other(spec.from) {
            return words.fail_end(Fact::Kernel("Error: Invalid source address."));
        }
        if other(spec.to) {
            return words.fail_end(Fact::Kernel("Error: Invalid dst address."));
        }
    }
    let (table, with_action) = (with_table.unwrap_or(0), action.is_some());
    Ok(RulePattern { said: spec, table, with_action })
}

/// What the kernel says of a rule that it would not take whatever the other rules are.
fn accept(words: &Words<'_>, spec: &RuleSpec) -> Parse<()> {
    let valid = |range: Option<(u16, u16)>| {
        range.is_none_or(|(first, last)| first != 0 && first <= last && last != u16::MAX)
    };
    let six = words.family() == Inet::Six;
    let refusal = if spec.tos & 3 != 0 {
        "Error: Invalid dsfield (tos): ECN bits must be 0."
    } else if spec.tos & 0xe0 != 0 && !six {
        "Error: Invalid tos."
    } else if !valid(spec.sport) {
        "Error: Invalid sport range."
    } else if !valid(spec.dport) {
        "Error: Invalid dport range."
    } else {
        return Ok(());
    };
    words.fail_end(Fact::Kernel(refusal))
}

/// An action by its name or by the number of the route type that shares it.
fn read_action(words: &mut Words<'_>, word: &str) -> Parse<RuleAction> {
    if abbreviates(word, "help") {
        return words.fail(Fact::Usage(Usage(Some(Object::Rule))));
    }
    if abbreviates(word, "goto") {
        return words.number(u32::MAX, "invalid target").map(RuleAction::Goto);
    }
    if abbreviates(word, "nop") {
        return Ok(RuleAction::Nop);
    }
    match route_type_number(word) {
        Some(1) => Ok(RuleAction::Lookup(0)),
        Some(2) => words.fail_end(Fact::Kernel("Error: Missing goto target for action goto.")),
        Some(3) => Ok(RuleAction::Nop),
        Some(6) => Ok(RuleAction::Blackhole),
        Some(7) => Ok(RuleAction::Unreachable),
        Some(8) => Ok(RuleAction::Prohibit),
        Some(_) => words.unsupported(format!("rule {word}")),
        None => words.wrong(word, "Failed to parse rule type"),
    }
}

/// A mark, and the mask that may follow a slash.
fn read_mark(words: &mut Words<'_>) -> Parse<(u32, Option<u32>)> {
    let word = words.value()?;
    let (mark, mask) = match word.split_once('/') {
        Some((mark, mask)) => (mark, Some(mask)),
        None => (word, None),
    };
    let read = |word: &str| c_number(word, 0).and_then(|n| u32::try_from(n).ok());
    let Some(mark) = read(mark) else { return words.wrong(mark, "fwmark value is invalid") };
    match mask.map(|mask| (mask, read(mask))) {
        None => Ok((mark, None)),
        Some((_, Some(mask))) => Ok((mark, Some(mask))),
        Some((mask, None)) => words.wrong(mask, "fwmask value is invalid"),
    }
}

fn read_ifname(words: &mut Words<'_>, what: &'static str) -> Parse<String> {
    let word = words.value()?;
    if is_ifname(word) { Ok(word.to_owned()) } else { words.wrong(word, what) }
}

/// A port, or the first and the last of several.
fn read_ports(words: &mut Words<'_>, what: &'static str) -> Parse<(u16, u16)> {
    let (first, last) = read_range(words, what, u32::from(u16::MAX))?;
    let port = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    let first = port(first);
    Ok((first, last.map_or(first, port)))
}

/// One decimal number or two with a dash between.
fn read_range(words: &mut Words<'_>, what: &'static str, max: u32) -> Parse<(u32, Option<u32>)> {
    let word = words.value()?;
    let read = |word: &str| word.parse::<u32>().ok().filter(|n| *n <= max);
    let range = match word.split_once('-') {
        Some((first, last)) => read(first).zip(read(last)).map(|(a, b)| (a, Some(b))),
        None => read(word).map(|first| (first, None)),
    };
    match range {
        Some(range) => Ok(range),
        None => words.wrong(word, what),
    }
}

fn read_filter(words: &mut Words<'_>) -> Parse<RuleFilter> {
    let mut filter = RuleFilter::default();
    words.set_family(words.family().or_four());
    filter.family = words.family();
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        if is("preference") || is("order") || is("priority") {
            filter.priority = Some(words.number(u32::MAX, "preference value is invalid")?);
        } else if word == "not" {
            filter.invert = true;
        } else if word == "tos" || word == "dsfield" {
            filter.tos = Some(words.dsfield("TOS value is invalid")?);
        } else if word == "fwmark" {
            let (mark, mask) = read_mark(words)?;
            filter.fwmark = mark;
            filter.fwmask = mask.unwrap_or(filter.fwmask);
        } else if word == "dev" || word == "iif" {
            filter.iif = Some(read_ifname(words, "\"iif\"/\"dev\" not a valid ifname")?);
        } else if word == "oif" {
            filter.oif = Some(read_ifname(words, "\"oif\" not a valid ifname")?);
        } else if word == "l3mdev" {
            filter.l3mdev = true;
        } else if word == "uidrange" || is("tun_id") {
            return words.unsupported(format!("rule show {word}"));
        } else if is("lookup") || is("table") {
            let value = words.value()?;
            match table_number(value) {
                Some(table) => filter.table = table,
                None => return words.wrong(value, "table id value is invalid"),
            }
        } else if is("from") || is("src") {
            filter.from = words.filter_net()?;
        } else if is("protocol") {
            filter.protocol = words.named_or_all(names::PROTOS, "invalid \"protocol\"")?;
        } else if word == "ipproto" {
            filter.ipproto = words.ipproto()?;
        } else if word == "sport" {
            filter.sport = some_ports(read_ports(words, "invalid port range")?);
        } else if word == "dport" {
            filter.dport = some_ports(read_ports(words, "invalid dport range")?);
        } else {
            if is("dst") || is("to") {
                words.value()?;
            }
            words.back();
            filter.to = words.filter_net()?;
        }
    }
    Ok(filter)
}

/// Port 0 asks for any.
fn some_ports(ports: (u16, u16)) -> Option<(u16, u16)> {
    Some(ports).filter(|(first, _)| *first != 0)
}
