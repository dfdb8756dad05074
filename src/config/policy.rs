//! Rules, next-hop objects and VRFs of the file, in the words of `ip rule`, `ip nexthop` and
//! `ip link add type vrf`.
//!
//! - obeys: `ip-rule(8)`, `ip-nexthop(8)`, `ip-vrf(8)`; what the kernel refuses is refused here

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    ops::Range,
};

use toml::{Spanned, de::DeValue};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    Vrf,
    build::Names,
    route::Protocol,
    section::section,
    value::{
        At, Errors, InterfaceAddress, InterfaceName, Prefix, Value, Word, choices, integer, words,
        wrong_kind,
    },
};
use crate::{
    iproute2::{ResilientWords, names},
    route::spec::{NexthopKind, NexthopSpec, RuleAction, RuleSpec, proto},
};

section! {
    /// A rule.
    pub(super) struct RuleTable {
        /// Place among the rules, the lowest first. There are three from the start: 0 for table
        /// local, 32766 for main and 32767 for default.
        priority "priority": At<u32> = None;
        /// Take the packets that the selectors below do not fit.
        not "not": bool = Some(false);
        /// Family, where neither `from` nor `to` tells it.
        family "family": Option<FamilyWord> = Some(None);
        /// Source: a prefix or an address.
        from "from": Option<Prefix> = Some(None);
        /// Destination: a prefix or an address.
        to "to": Option<Prefix> = Some(None);
        /// TOS byte; its three highest and two lowest bits are zero.
        tos "tos": Option<At<u8>> = Some(None);
        /// Firewall mark.
        fwmark "fwmark": u32 = Some(0);
        /// Bits of the mark that count; all unless given.
        fwmask "fwmask": Option<u32> = Some(None);
        /// Interface that packets come in by; "lo" for the router's own.
        iif "iif": Option<At<InterfaceName>> = Some(None);
        /// Interface that the router's own packets are bound to.
        oif "oif": Option<At<InterfaceName>> = Some(None);
        /// IP protocol by name or number.
        ipproto "ipproto": Option<IpProto> = Some(None);
        /// Source port, or the first and the last of several: "1000-1999".
        sport "sport": Option<Ports> = Some(None);
        /// Destination port, or the first and the last of several.
        dport "dport": Option<Ports> = Some(None);
        /// Table to look the destination up in.
        table "table": Option<At<u32>> = Some(None), in 1..=0xffff_ffff;
        /// Take the packets of VRFs, and look in the tables of theirs.
        l3mdev "l3mdev": bool = Some(false);
        /// Go on at the rule of this priority.
        goto "goto": Option<At<u32>> = Some(None);
        /// What else to do.
        action "action": Option<At<ActionWord>> = Some(None);
        /// Go on when the route found is no longer than this.
        suppress_prefixlength "suppress-prefixlength": Option<u8> = Some(None), in 0..=128;
        /// Go on when the route found leads out of an interface of this group.
        suppress_ifgroup "suppress-ifgroup": Option<u32> = Some(None);
        /// Who the rule is from.
        protocol "protocol": Protocol = Some(Protocol(proto::STATIC));
    }
}

section! {
    /// A next-hop object.
    pub(super) struct NexthopTable {
        /// Its number, by which routes and groups name it.
        id "id": At<u32> = None, in 1..=0xffff_ffff;
        /// Gateway, of either family.
        via "via": Option<IpAddr> = Some(None);
        /// Interface.
        dev "dev": Option<At<InterfaceName>> = Some(None);
        /// The gateway is on the link, even if no address of the interface covers it.
        onlink "onlink": bool = Some(false);
        /// Drop what comes.
        blackhole "blackhole": bool = Some(false);
        /// For routes of IPv6; where there is a gateway, that says so itself.
        ipv6 "ipv6": bool = Some(false);
        /// Share the flows among other objects: [{ id = 1 }, { id = 2, weight = 3 }].
        group "group": Vec<At<MemberTable>> = Some(Vec::new());
        /// Buckets of a resilient group, which keeps flows where they are as long as it can.
        buckets "buckets": Option<At<u16>> = Some(None), in 1..=65_535;
        /// Seconds that a bucket must be unused before it may move.
        idle_timer "idle-timer": Option<At<u32>> = Some(None), in 0..=42_949_671;
        /// Seconds that a group may be out of balance before buckets in use move too; 0 for ever.
        unbalanced_timer "unbalanced-timer": Option<At<u32>> = Some(None), in 0..=42_949_671;
        /// Who the object is from.
        protocol "protocol": Protocol = Some(Protocol(proto::STATIC));
    }
}

section! {
    /// A member of a group.
    pub(super) struct MemberTable {
        /// Number of an object.
        id "id": At<u32> = None;
        /// Share of the flows.
        weight "weight": u16 = Some(1), in 1..=256;
    }
}

section! {
    /// A VRF.
    pub(super) struct VrfTable {
        /// Name of its interface.
        name "name": At<InterfaceName> = None;
        /// Table in which its routes stand.
        table "table": At<u32> = None, in 1..=0xffff_ffff;
        /// Interfaces in it.
        interfaces "interfaces": Vec<At<InterfaceName>> = Some(Vec::new());
        /// Administratively up.
        up "up": bool = Some(true);
        /// Addresses of its own interface, each with the length of its subnet's prefix.
        addresses "addresses": Vec<At<InterfaceAddress>> = Some(Vec::new());
    }
}

/// What a rule does when it names no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActionWord {
    Nop,
    Blackhole,
    Unreachable,
    Prohibit,
}

choices!(ActionWord {
    "nop" = ActionWord::Nop,
    "blackhole" = ActionWord::Blackhole,
    "unreachable" = ActionWord::Unreachable,
    "prohibit" = ActionWord::Prohibit,
});

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FamilyWord {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
}

choices!(FamilyWord { "inet" = FamilyWord::Inet, "inet6" = FamilyWord::Inet6 });

words!(IpAddr);

impl Word for IpAddr {
    const WHAT: &'static str = "an address such as \"192.0.2.1\" or \"fe80::1\"";

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let hint = text.contains('/').then(|| "write the address without a length".to_owned());
        text.parse().map_err(|_| (format!("{text:?} is not an address"), hint))
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// An IP protocol, by name or number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IpProto(u8);

impl Value for IpProto {
    fn what() -> String {
        "the name of an IP protocol such as \"udp\", or its number".into()
    }

    fn read(value: &Spanned<DeValue<'_>>, errors: &mut Errors) -> Option<Self> {
        let found = match value.get_ref() {
            DeValue::String(text) => {
                names::IP_PROTOS.iter().find(|(name, _)| name == text).map(|(_, n)| *n)
            }
            number @ DeValue::Integer(_) => integer(number).and_then(|n| n.try_into().ok()),
            _ => {
                wrong_kind::<Self>(value, errors);
                return None;
            }
        };
        if found.is_none() {
            errors.add(value.span(), format!("expected {}", Self::what()), None);
        }
        found.map(Self)
    }

    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// One port or several in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports(u16, u16);

impl Value for Ports {
    fn what() -> String {
        "a port, or \"FIRST-LAST\"".into()
    }

    fn read(value: &Spanned<DeValue<'_>>, errors: &mut Errors) -> Option<Self> {
        let found = match value.get_ref() {
            DeValue::String(text) => {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                first.trim().parse().ok().zip(last.trim().parse().ok())
            }
            number @ DeValue::Integer(_) => {
                integer(number).and_then(|n| u16::try_from(n).ok()).map(|port| (port, port))
            }
            _ => {
                wrong_kind::<Self>(value, errors);
                return None;
            }
        };
        match found {
            Some((first, last)) if first != 0 && first <= last && last != u16::MAX => {
                Some(Self(first, last))
            }
            _ => {
                let hint = "ports are 1 to 65534, the first one no greater than the last";
                errors.add(value.span(), format!("expected {}", Self::what()), hint.to_owned());
                None
            }
        }
    }

    fn show(&self) -> Option<String> {
        Some(format!("\"{}-{}\"", self.0, self.1))
    }
}

/// A TOS byte that selects routes or rules.
pub(super) fn tos(stated: Option<&At<u8>>, errors: &mut Errors) -> u8 {
    let Some(tos) = stated else { return 0 };
    if **tos & !0x1c != 0 {
        let hint = "only bits 2 to 4 choose, as in 0x04, 0x08, 0x10 and their sums".to_owned();
        errors.add(tos.place(), format!("{:#04x} cannot choose", **tos), hint);
    }
    **tos
}

impl RuleTable {
    fn action(&self, errors: &mut Errors) -> RuleAction {
        let mut said: Vec<(Range<usize>, RuleAction)> = Vec::new();
        said.extend(self.table.as_ref().map(|table| (table.place(), RuleAction::Lookup(**table))));
        said.extend(self.goto.as_ref().map(|target| (target.place(), RuleAction::Goto(**target))));
        said.extend(self.action.as_ref().map(|word| {
            let action = match **word {
                ActionWord::Nop => RuleAction::Nop,
                ActionWord::Blackhole => RuleAction::Blackhole,
                ActionWord::Unreachable => RuleAction::Unreachable,
                ActionWord::Prohibit => RuleAction::Prohibit,
            };
            (word.place(), action)
        }));
        let most = usize::from(!self.l3mdev);
        if let Some((place, _)) = said.get(most) {
            let hint = "a rule has one of `table`, `l3mdev`, `goto` and `action`".to_owned();
            errors.add(place.clone(), "the rule is to do two things", hint);
        }
        match said.first() {
            Some((_, action)) => *action,
            None => {
                if !self.l3mdev {
                    let hint = "add table = NUMBER, l3mdev = true, goto = PRIORITY or action = ...";
                    errors.add(self.priority.place(), "the rule does nothing", hint.to_owned());
                }
                RuleAction::Lookup(0)
            }
        }
    }
}

/// The rules of the file.
pub(super) fn rules(
    tables: &[At<RuleTable>],
    names: &Names,
    errors: &mut Errors,
) -> Vec<At<RuleSpec>> {
    let places: HashSet<u32> =
        tables.iter().map(|table| *table.priority).chain([0, 32_766, 32_767]).collect();
    let mut rules = Vec::with_capacity(tables.len());
    for table in tables {
        for name in table.iif.iter().chain(&table.oif).filter(|name| name.0 != "lo") {
            names.known(name, name.place(), errors);
        }
        if let Some(target) = &table.goto {
            let hint = "a rule can jump to a rule behind it only".to_owned();
            if **target <= *table.priority {
                errors.add(target.place(), "the jump goes backward", hint);
            } else if !places.contains(target) {
                errors.add(target.place(), format!("no rule has priority {}", **target), hint);
            }
        }
        let six = match (table.family, table.from, table.to) {
            (Some(FamilyWord::Inet6), ..) => true,
            (Some(FamilyWord::Inet), ..) => false,
            (None, from, to) => {
                [from, to].iter().flatten().any(|prefix| matches!(prefix.0, IpNet::V6(_)))
            }
        };
        let any = match six {
            true => IpNet::from(Ipv6Net::default()),
            false => IpNet::from(Ipv4Net::default()),
        };
        let fits = |net: IpNet| matches!(net, IpNet::V6(_)) == six;
        if let Some(prefix) = [table.from, table.to].iter().flatten().find(|own| !fits(own.0)) {
            let message = format!("{} is not of the rule's family", prefix.0);
            errors.add(table.place(), message, None);
            continue;
        }
        let net = |prefix: Option<Prefix>| prefix.map_or(any, |prefix| prefix.0);
        let ports = |ports: Option<Ports>| ports.map(|Ports(first, last)| (first, last));
        let name = |name: &Option<At<InterfaceName>>| name.as_ref().map(|name| name.0.clone());
        let fwmask = match table.fwmark {
            0 => 0,
            _ => u32::MAX,
        };
        let spec = RuleSpec {
            priority: Some(*table.priority),
            invert: table.not,
            from: net(table.from),
            to: net(table.to),
            tos: tos(table.tos.as_ref(), errors),
            fwmark: table.fwmark,
            fwmask: table.fwmask.unwrap_or(fwmask),
            iif: name(&table.iif),
            oif: name(&table.oif),
            ipproto: table.ipproto.map_or(0, |proto| proto.0),
            sport: ports(table.sport),
            dport: ports(table.dport),
            l3mdev: table.l3mdev,
            suppress_prefixlength: table.suppress_prefixlength,
            suppress_ifgroup: table.suppress_ifgroup,
            protocol: table.protocol.0,
            action: table.action(errors),
        };
        if rules.iter().any(|other: &At<RuleSpec>| **other == spec) {
            errors.add(table.place(), "there is another rule like it", None);
        }
        rules.push(At::new(spec, table.place()));
    }
    rules
}

impl NexthopTable {
    fn kind(&self, place: Range<usize>, errors: &mut Errors) -> NexthopKind {
        let of_group = [
            self.buckets.as_ref().map(At::place),
            self.idle_timer.as_ref().map(At::place),
            self.unbalanced_timer.as_ref().map(At::place),
        ];
        let several = [self.blackhole, !self.group.is_empty(), self.dev.is_some()];
        if several.iter().filter(|said| **said).count() > 1 {
            let hint = "an object is one of a `dev` with or without `via`, a `blackhole`, and a \
                        `group`";
            errors.add(place.clone(), "the object is two things", hint.to_owned());
        }
        if let Some(first) = self.group.first() {
            if self.buckets.is_none()
                && let Some(place) = of_group.into_iter().flatten().next()
            {
                let hint = "add `buckets`, which makes the group resilient".to_owned();
                errors.add(place, "a plain group has no timers", hint);
            }
            if self.via.is_some() || self.onlink {
                errors.add(first.place(), "a group has no gateway of its own", None);
            }
            let seconds = |timer: &Option<At<u32>>| timer.as_ref().map(|timer| **timer * 100);
            let resilient = self.buckets.as_ref().map(|buckets| {
                let said = ResilientWords {
                    buckets: Some(**buckets),
                    idle_timer: seconds(&self.idle_timer),
                    unbalanced_timer: seconds(&self.unbalanced_timer),
                };
                said.over(None)
            });
            let members = self.group.iter().map(|member| (*member.id, member.weight)).collect();
            return NexthopKind::Group { members, resilient };
        }
        if let Some(place) = of_group.into_iter().flatten().next() {
            errors.add(place, "only a group has buckets", "add a `group`".to_owned());
        }
        if self.blackhole {
            if self.via.is_some() || self.onlink {
                errors.add(place, "a blackhole has no gateway", None);
            }
            return NexthopKind::Blackhole;
        }
        match &self.dev {
            None => {
                let hint = "add dev = \"INTERFACE\", blackhole = true or group = [...]".to_owned();
                errors.add(place, "the object leads nowhere", hint);
            }
            Some(dev) if self.onlink && self.via.is_none() => {
                errors.add(dev.place(), "`onlink` needs `via`", None);
            }
            Some(_) => {}
        }
        let dev = self.dev.as_ref().map(|dev| dev.0.clone());
        NexthopKind::Via { via: self.via, dev, onlink: self.onlink }
    }
}

/// The next-hop objects of the file, groups behind what they are made of.
pub(super) fn nexthops(
    tables: &[At<NexthopTable>],
    names: &Names,
    errors: &mut Errors,
) -> Vec<At<NexthopSpec>> {
    let all: HashMap<u32, &NexthopTable> =
        tables.iter().map(|table| (*table.id, &**table)).collect();
    let mut seen = HashSet::new();
    let mut found = Vec::with_capacity(tables.len());
    for table in tables {
        if !seen.insert(*table.id) {
            let message = format!("there is another object with number {}", *table.id);
            errors.add(table.id.place(), message, None);
        }
        if let Some(dev) = &table.dev {
            names.known(dev, dev.place(), errors);
        }
        let mut members = HashSet::new();
        for member in &table.group {
            let why = match all.get(&*member.id) {
                None => format!("there is no object with number {}", *member.id),
                Some(of) if !of.group.is_empty() => "a group cannot have a group in it".to_owned(),
                Some(of) if of.blackhole && table.group.len() > 1 => {
                    "a blackhole must be alone in its group".to_owned()
                }
                Some(_) if !members.insert(*member.id) => {
                    format!("{} is in the group twice", *member.id)
                }
                Some(_) => continue,
            };
            errors.add(member.id.place(), why, None);
        }
        let kind = table.kind(table.place(), errors);
        let six = table.via.map_or(table.ipv6, |via| via.is_ipv6());
        let spec = NexthopSpec { id: *table.id, protocol: table.protocol.0, six, kind };
        found.push(At::new(spec, table.place()));
    }
    found.sort_by_key(|spec: &At<NexthopSpec>| matches!(spec.kind, NexthopKind::Group { .. }));
    found
}

/// The VRFs of the file.
pub(super) fn vrfs(tables: &[At<VrfTable>], names: &mut Names, errors: &mut Errors) -> Vec<Vrf> {
    let mut owner: HashMap<String, String> = HashMap::new();
    let mut vrfs = Vec::with_capacity(tables.len());
    for table in tables {
        for name in &table.interfaces {
            if tables.iter().any(|other| other.name.0 == name.0) {
                errors.add(name.place(), "a VRF cannot be in a VRF", None);
                continue;
            }
            names.known(name, name.place(), errors);
            if let Some(other) = owner.insert(name.0.clone(), table.name.0.clone()) {
                let message = format!("{:?} is in {other:?} already", name.0);
                errors.add(name.place(), message, None);
            }
        }
    }
    for table in tables {
        names.take(&table.name, table.name.place(), errors);
        vrfs.push(Vrf {
            name: At::new(table.name.0.clone(), table.name.place()),
            table: *table.table,
            interfaces: table
                .interfaces
                .iter()
                .map(|name| At::new(name.0.clone(), name.place()))
                .collect(),
            up: table.up,
            addresses: super::build::addresses(&table.addresses),
            addresses6: super::build::addresses6(&table.addresses),
        });
    }
    vrfs
}
