//! Tunables by their names in `/proc/sys`: one list gives reading, defaults and the manual.
//!
//! - takes: `name = value`, as in `sysctl.conf(5)`; dots or slashes set the words apart
//! - gives: [`Sysctls`], one value for every tunable
//! - obeys: the kernel's `Documentation/networking/ip-sysctl.rst`; names and units are the kernel's
//!
//! A name that the kernel knows and this router does not act upon is refused, unless its value says
//! what the router does anyway: a setting never seems to work while it does not.

mod names;

use std::{collections::BTreeMap, net::Ipv6Addr, ops::RangeInclusive};

use thiserror::Error;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub(super) use names::{Combine, FIXED, FIXED_CONF};
pub use names::{ConfSysctl, Sysctl};

use super::{
    error::suggest,
    neigh::NeighName,
    netfilter,
    value::{At, Errors, Value, integer},
};
use crate::port::table::{ArpConf, IfaceConf, IfaceConf6};

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SysctlName {
    /// Of the whole router.
    Global(Sysctl),
    /// Of all interfaces, beside the value of each.
    All(ConfSysctl),
    /// Of interfaces that have no value of their own.
    Default(ConfSysctl),
    /// Of one interface.
    Interface(String, ConfSysctl),
    /// Of a neighbour table.
    Neigh(NeighName),
    /// Of connection tracking: what is behind `nf_conntrack_`.
    Conntrack(&'static str),
    /// Nothing that the router acts upon; this value says what it does anyway.
    Fixed(i64),
}

/// A tunable cannot be set so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SysctlError {
    /// No such name.
    #[error("there is no sysctl `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// One that was perhaps meant.
        near: Option<String>,
    },
    /// A name of the kernel's that only one value describes.
    #[error("`{name}` can only be {only}: this router does not act upon it")]
    Fixed {
        /// The name.
        name: String,
        /// The value that describes the router.
        only: i64,
    },
    /// The value is no list of numbers.
    #[error("`{name}` must be a list of numbers up to 255 and of ranges of them, as 0-1,3-127")]
    List {
        /// The name.
        name: String,
    },
    /// The value is no address.
    #[error("`{name}` must be an IPv6 address")]
    Secret {
        /// The name.
        name: String,
    },
    /// The value is out of range.
    #[error("`{name}` must be {} to {}", range.start(), range.end())]
    Range {
        /// The name.
        name: String,
        /// The range.
        range: RangeInclusive<i64>,
    },
}

impl SysctlError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::Unknown { near: None, .. } => {
                Some("docs/configuration.md lists the names that this router knows".into())
            }
            Self::Fixed { only, .. } => Some(format!("write {only}, or leave it out")),
            Self::List { .. } | Self::Secret { .. } | Self::Range { .. } => None,
        }
    }
}

/// A value for every tunable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctls {
    global: Vec<i64>,
    all: BTreeMap<ConfSysctl, i64>,
    default: BTreeMap<ConfSysctl, i64>,
    interface: BTreeMap<(String, ConfSysctl), i64>,
    neigh: BTreeMap<NeighName, i64>,
    conntrack: BTreeMap<&'static str, i64>,
    pub(super) icmp6_ratemask: [u64; 4],
    /// `stable_secret` by interface, or of `default`.
    pub(super) secrets: BTreeMap<String, Ipv6Addr>,
}

impl Default for Sysctls {
    fn default() -> Self {
        Self {
            global: Sysctl::ALL.iter().map(|sysctl| sysctl.default()).collect(),
            all: BTreeMap::new(),
            default: BTreeMap::new(),
            interface: BTreeMap::new(),
            neigh: BTreeMap::new(),
            conntrack: BTreeMap::new(),
            icmp6_ratemask: crate::icmp6::table::Rules::default().ratemask,
            secrets: BTreeMap::new(),
        }
    }
}

impl Sysctls {
    /// Value of a tunable of the whole router.
    pub fn get(&self, sysctl: Sysctl) -> i64 {
        self.global[sysctl as usize]
    }

    /// A switch of the whole router.
    pub fn is_on(&self, sysctl: Sysctl) -> bool {
        self.get(sysctl) != 0
    }

    /// Value of `conf.all`.
    fn all(&self, sysctl: ConfSysctl) -> i64 {
        match (self.all.get(&sysctl), sysctl) {
            (Some(value), _) => *value,
            (None, ConfSysctl::Forwarding) => self.get(Sysctl::IpForward),
            // A router routes unless told otherwise.
            (None, ConfSysctl::Forwarding6) => 1,
            // Switching forwarding on switches this off (`inet_forward_change`).
            (None, ConfSysctl::AcceptRedirects) => 1 - self.get(Sysctl::IpForward),
            (None, _) => sysctl.defaults().0,
        }
    }

    /// What an interface itself is set to: its own value, or else that of `conf.default`.
    fn own(&self, interface: &str, sysctl: ConfSysctl) -> i64 {
        let own = self.interface.get(&(interface.to_owned(), sysctl));
        let otherwise = match sysctl.combine() {
            Combine::Own => self.all(sysctl),
            _ => sysctl.defaults().1,
        };
        own.or_else(|| self.default.get(&sysctl)).copied().unwrap_or(otherwise)
    }

    /// Whether an interface itself, or `conf.default`, is set to something.
    pub(super) fn states(&self, interface: &str, sysctl: ConfSysctl) -> bool {
        let own = self.interface.contains_key(&(interface.to_owned(), sysctl));
        own || self.default.contains_key(&sysctl)
    }

    /// Value in force for one interface: its own, or else that of `conf.default`, with that of
    /// `conf.all` as the kernel combines them.
    pub fn of_interface(&self, interface: &str, sysctl: ConfSysctl) -> i64 {
        let (all, own) = (self.all(sysctl), self.own(interface, sysctl));
        let combine = match sysctl {
            // A host listens to either (`IN_DEV_RX_REDIRECTS`).
            ConfSysctl::AcceptRedirects
                if self.of_interface(interface, ConfSysctl::Forwarding) == 0 =>
            {
                Combine::Or
            }
            _ => sysctl.combine(),
        };
        combine.apply(all, own)
    }

    /// All that the nodes want to know of one interface.
    pub fn iface_conf(&self, interface: &str) -> IfaceConf {
        let on = |sysctl| self.of_interface(interface, sysctl) != 0;
        IfaceConf {
            forwarding: on(ConfSysctl::Forwarding),
            rp_filter: self.of_interface(interface, ConfSysctl::RpFilter) as u8,
            accept_local: on(ConfSysctl::AcceptLocal),
            route_localnet: on(ConfSysctl::RouteLocalnet),
            log_martians: on(ConfSysctl::LogMartians),
            bc_forwarding: on(ConfSysctl::BcForwarding),
            accept_source_route: on(ConfSysctl::AcceptSourceRoute),
            send_redirects: on(ConfSysctl::SendRedirects),
            accept_redirects: on(ConfSysctl::AcceptRedirects),
            secure_redirects: on(ConfSysctl::SecureRedirects),
            shared_media: on(ConfSysctl::SharedMedia),
            ignore_linkdown: on(ConfSysctl::IgnoreRoutesWithLinkdown),
            promote_secondaries: on(ConfSysctl::PromoteSecondaries),
            drop_unicast_in_l2_multicast: on(ConfSysctl::DropUnicastInL2Multicast),
            arp: self.arp_conf(interface),
        }
    }

    fn arp_conf(&self, interface: &str) -> ArpConf {
        let on = |sysctl| self.of_interface(interface, sysctl) != 0;
        let level = |sysctl| self.of_interface(interface, sysctl) as u8;
        ArpConf {
            announce: level(ConfSysctl::ArpAnnounce),
            ignore: level(ConfSysctl::ArpIgnore),
            accept: level(ConfSysctl::ArpAccept),
            filter: on(ConfSysctl::ArpFilter),
            notify: on(ConfSysctl::ArpNotify),
            proxy: on(ConfSysctl::ProxyArp),
            proxy_pvlan: on(ConfSysctl::ProxyArpPvlan),
            medium: self.of_interface(interface, ConfSysctl::MediumId) as i32,
            drop_gratuitous: on(ConfSysctl::DropGratuitousArp),
            evict_nocarrier: on(ConfSysctl::ArpEvictNocarrier),
        }
    }

    /// The same of IPv6.
    pub fn iface_conf6(&self, interface: &str) -> IfaceConf6 {
        let on = |sysctl| self.of_interface(interface, sysctl) != 0;
        let of = |sysctl| self.of_interface(interface, sysctl);
        IfaceConf6 {
            forwarding: on(ConfSysctl::Forwarding6),
            // Of IPv6 what an interface itself says makes it a router or a host, and no more.
            transit: self.all(ConfSysctl::Forwarding6) != 0 || on(ConfSysctl::ForceForwarding),
            disable_ipv6: on(ConfSysctl::DisableIpv6),
            hop_limit: of(ConfSysctl::HopLimit) as u8,
            mtu: of(ConfSysctl::Mtu6) as u16,
            accept_redirects: on(ConfSysctl::AcceptRedirects6),
            accept_source_route: of(ConfSysctl::AcceptSourceRoute6).clamp(-1, 1) as i8,
            seg6_enabled: on(ConfSysctl::Seg6Enabled),
            drop_unicast_in_l2_multicast: on(ConfSysctl::DropUnicastInL2Multicast6),
            proxy_ndp: on(ConfSysctl::ProxyNdp),
            prefers_temporary: of(ConfSysctl::UseTempaddr) >= 2,
            use_optimistic: on(ConfSysctl::UseOptimistic),
            ndisc_tclass: of(ConfSysctl::NdiscTclass) as u8,
            suppress_frag_ndisc: on(ConfSysctl::SuppressFragNdisc),
        }
    }

    /// Value of whatever a name stands for.
    pub fn value(&self, name: &SysctlName) -> i64 {
        match name {
            SysctlName::Global(sysctl) => self.get(*sysctl),
            SysctlName::All(sysctl) => self.all(*sysctl),
            SysctlName::Default(sysctl) => self.own("", *sysctl),
            SysctlName::Interface(interface, sysctl) => self.own(interface, *sysctl),
            SysctlName::Neigh(name) => self.neigh.get(name).copied().unwrap_or_default(),
            SysctlName::Conntrack(name) => match self.conntrack.get(name) {
                Some(value) => *value,
                None => netfilter::find(name).map_or(0, |(.., default)| default),
            },
            SysctlName::Fixed(only) => *only,
        }
    }

    /// Sets a tunable by its name. Setting `ip_forward` sets it on all interfaces, as in the kernel.
    ///
    /// # Errors
    /// When there is no such name, or it cannot have this value.
    pub fn set(&mut self, name: &str, value: i64) -> Result<SysctlName, SysctlError> {
        let which = SysctlName::find(name)?;
        if let SysctlName::Fixed(only) = which {
            return match only == value {
                true => Ok(which),
                false => Err(SysctlError::Fixed { name: name.to_owned(), only }),
            };
        }
        let range = which.range();
        if !range.contains(&value) {
            return Err(SysctlError::Range { name: name.to_owned(), range });
        }
        match which.clone() {
            SysctlName::Global(sysctl) => {
                self.global[sysctl as usize] = value;
                if sysctl == Sysctl::IpForward {
                    self.default.remove(&ConfSysctl::Forwarding);
                    self.interface.retain(|(_, sysctl), _| *sysctl != ConfSysctl::Forwarding);
                }
            }
            SysctlName::All(sysctl) => {
                self.all.insert(sysctl, value);
            }
            SysctlName::Default(sysctl) => {
                self.default.insert(sysctl, value);
            }
            SysctlName::Interface(interface, sysctl) => {
                self.interface.insert((interface, sysctl), value);
            }
            SysctlName::Neigh(name) => {
                self.neigh.insert(name, value);
            }
            SysctlName::Conntrack(name) => {
                self.conntrack.insert(name, value);
            }
            SysctlName::Fixed(_) => {}
        }
        Ok(which)
    }

    /// Values of the neighbour tables that are set, defaults before those of interfaces.
    pub fn neigh(&self) -> impl Iterator<Item = (&NeighName, i64)> {
        self.neigh.iter().map(|(name, value)| (name, *value))
    }

    /// Values of connection tracking that are set, by the words behind `nf_conntrack_`.
    pub fn conntrack(&self) -> impl Iterator<Item = (&'static str, i64)> {
        self.conntrack.iter().map(|(name, value)| (*name, *value))
    }

    /// Interfaces that have a value of their own.
    pub fn interfaces(&self) -> impl Iterator<Item = &str> {
        self.interface.keys().map(|(interface, _)| interface.as_str())
    }
}

impl SysctlName {
    /// The values that it may have.
    pub(super) fn range(&self) -> RangeInclusive<i64> {
        match self {
            Self::Global(sysctl) => sysctl.range(),
            Self::All(sysctl) | Self::Default(sysctl) | Self::Interface(_, sysctl) => {
                sysctl.range()
            }
            Self::Neigh(name) => name.what.range(),
            Self::Conntrack(name) => netfilter::find(name).map_or(0..=0, |(_, range, _)| range),
            Self::Fixed(only) => *only..=*only,
        }
    }

    /// What a name stands for.
    ///
    /// # Errors
    /// When this router has no such tunable.
    pub fn find(name: &str) -> Result<Self, SysctlError> {
        let plain = dotted(name);
        let unknown = || {
            let all = known_names();
            let near = suggest(&plain, all.iter().map(String::as_str)).map(str::to_owned);
            SysctlError::Unknown { name: name.to_owned(), near }
        };
        if let Some(sysctl) = Sysctl::ALL.iter().find(|sysctl| sysctl.name() == plain) {
            return Ok(Self::Global(*sysctl));
        }
        if let Some(name) = plain.strip_prefix("net.").and_then(NeighName::find) {
            return Ok(Self::Neigh(name));
        }
        if let Some((name, ..)) = plain.strip_prefix(netfilter::PREFIX).and_then(netfilter::find) {
            return Ok(Self::Conntrack(name));
        }
        let (family, below) = match plain.strip_prefix("net.ipv6.") {
            Some(below) => ("ipv6", below),
            None => ("ipv4", plain.strip_prefix("net.ipv4.").ok_or_else(unknown)?),
        };
        let four = family == "ipv4";
        let fixed = |list: &[(&str, i64)], word: &str| {
            list.iter().find(|(fixed, _)| *fixed == word).map(|(_, only)| Self::Fixed(*only))
        };
        if let Some(fixed) = fixed(FIXED, below).filter(|_| four) {
            return Ok(fixed);
        }
        // The name of an interface may contain dots itself.
        let conf = below.strip_prefix("conf.").and_then(|rest| rest.rsplit_once('.'));
        let (interface, word) = conf.ok_or_else(unknown)?;
        if let Some(fixed) = fixed(FIXED_CONF, word).filter(|_| four) {
            return Ok(fixed);
        }
        let is = |sysctl: &&ConfSysctl| sysctl.name() == word && sysctl.family() == family;
        let sysctl = ConfSysctl::ALL.iter().find(is);
        let sysctl = *sysctl.ok_or_else(unknown)?;
        Ok(match (interface, sysctl) {
            ("all", ConfSysctl::Forwarding) => Self::Global(Sysctl::IpForward),
            ("all", _) => Self::All(sysctl),
            ("default", _) => Self::Default(sysctl),
            _ => Self::Interface(interface.to_owned(), sysctl),
        })
    }
}

/// A name with dots, whichever way it is written: `net/ipv4/conf/lan.5/forwarding` and
/// `net.ipv4.conf.lan/5.forwarding` are the same as `net.ipv4.conf.lan.5.forwarding`.
pub(super) fn dotted(name: &str) -> String {
    name.trim().replace('/', ".")
}

fn known_names() -> Vec<String> {
    let global = Sysctl::ALL.iter().map(|sysctl| sysctl.name().to_owned());
    let conf = ConfSysctl::ALL.iter().flat_map(|sysctl| {
        ["all", "default"]
            .map(|which| format!("net.{}.conf.{which}.{}", sysctl.family(), sysctl.name()))
    });
    let neigh = super::neigh::all().flat_map(|(word, _)| {
        ["ipv4", "ipv6"].map(|family| format!("net.{family}.neigh.default.{word}"))
    });
    let conntrack = netfilter::all().map(|(word, ..)| format!("{}{word}", netfilter::PREFIX));
    global.chain(conf).chain(neigh).chain(conntrack).collect()
}

/// The `[sysctl]` table as written: names, values and their places.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SysctlTable {
    pub(super) numbers: Vec<(At<String>, At<i64>)>,
    pub(super) lists: Vec<(At<String>, At<String>)>,
}

impl Value for SysctlTable {
    fn what() -> String {
        "a table with names of /proc/sys as keys".into()
    }

    fn read(value: &Spanned<DeValue<'_>>, errors: &mut Errors) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            super::value::wrong_kind::<Self>(value, errors);
            return None;
        };
        let mut read = Self::default();
        let before = errors.0.len();
        read.flatten("", table, errors);
        (errors.0.len() == before).then_some(read)
    }

    fn show(&self) -> Option<String> {
        None
    }
}

impl SysctlTable {
    /// Names without quotes come as tables in tables.
    fn flatten(&mut self, above: &str, table: &DeTable<'_>, errors: &mut Errors) {
        for (key, value) in table {
            let name = format!("{above}{}", key.get_ref());
            if let DeValue::Table(below) = value.get_ref() {
                self.flatten(&format!("{name}."), below, errors);
                continue;
            }
            if let DeValue::String(list) = value.get_ref()
                && (name.ends_with("ratemask") || name.ends_with("stable_secret"))
            {
                let list = At::new(list.to_string(), value.span());
                self.lists.push((At::new(name, key.span()), list));
                continue;
            }
            let number = match value.get_ref() {
                DeValue::Boolean(on) => Some(i64::from(*on)),
                other => integer(other).and_then(|number| number.try_into().ok()),
            };
            match number {
                Some(number) => {
                    self.numbers.push((At::new(name, key.span()), At::new(number, value.span())));
                }
                None => errors.add(value.span(), "expected an integer, true or false", None),
            }
        }
    }

    /// Puts the values into `sysctls`. `prefix` stands before each name.
    pub(super) fn apply(&self, prefix: &str, sysctls: &mut Sysctls, errors: &mut Errors) {
        let mut seen: Vec<(SysctlName, i64)> = Vec::new();
        // What is said for all interfaces comes first, whatever the order in the file, so that it
        // does not undo what is said for one.
        let general = |name: &str| {
            matches!(SysctlName::find(name), Ok(SysctlName::Global(_) | SysctlName::All(_)))
        };
        for (key, list) in &self.lists {
            if let Err(error) = sysctls.set_list(&format!("{prefix}{}", **key), list) {
                errors.add(key.place(), error.to_string(), error.hint());
            }
        }
        let named =
            self.numbers.iter().map(|(name, value)| (format!("{prefix}{}", **name), name, value));
        let (first, second): (Vec<_>, Vec<_>) = named.partition(|(name, ..)| general(name));
        for (name, key, value) in first.into_iter().chain(second) {
            let which = match sysctls.set(&name, **value) {
                Ok(which) => which,
                Err(error) => {
                    let at = match &error {
                        SysctlError::Unknown { .. } => key.place(),
                        _ => value.place(),
                    };
                    errors.add(at, error.to_string(), error.hint());
                    continue;
                }
            };
            let twice = seen.iter().any(|(other, as_)| *other == which && *as_ != **value);
            if twice && !matches!(which, SysctlName::Fixed(_)) {
                let message = format!("`{name}` is another name for a sysctl that is set already");
                errors.add(key.place(), message, Some("leave one of them out".to_owned()));
            }
            seen.push((which, **value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarding_is_decided_by_the_nearest_name() {
        let mut sysctls = Sysctls::default();
        let forwards =
            |sysctls: &Sysctls, name: &str| sysctls.of_interface(name, ConfSysctl::Forwarding) == 1;
        assert!(forwards(&sysctls, "lan"), "a router routes unless told otherwise");
        sysctls.set("net.ipv4.conf.default.forwarding", 0).unwrap();
        sysctls.set("net.ipv4.conf.wan.forwarding", 1).unwrap();
        assert!(!forwards(&sysctls, "lan") && forwards(&sysctls, "wan"));
        sysctls.set("net.ipv4.ip_forward", 0).unwrap();
        assert!(!forwards(&sysctls, "lan") && !forwards(&sysctls, "wan"));
        sysctls.set("net/ipv4/conf/all/forwarding", 1).unwrap();
        assert!(forwards(&sysctls, "lan"));
        assert_eq!(sysctls, Sysctls::default());
    }

    /// Shows the table of `include/linux/inetdevice.h`: and, or, or the greater.
    #[test]
    fn all_and_own_are_combined_as_in_the_kernel() {
        let mut sysctls = Sysctls::default();
        let set = |sysctls: &mut Sysctls, name: &str, value| {
            sysctls.set(&format!("net.ipv4.conf.{name}"), value).unwrap();
        };
        let wan = |sysctls: &Sysctls| sysctls.iface_conf("wan");
        assert!(wan(&sysctls).send_redirects && !wan(&sysctls).accept_redirects);
        assert!(!wan(&sysctls).accept_source_route, "all is 0");
        set(&mut sysctls, "all.accept_source_route", 1);
        assert!(wan(&sysctls).accept_source_route, "the default of each is 1");
        set(&mut sysctls, "all.rp_filter", 1);
        set(&mut sysctls, "wan.rp_filter", 2);
        assert_eq!((wan(&sysctls).rp_filter, sysctls.iface_conf("lan").rp_filter), (2, 1));
        set(&mut sysctls, "all.send_redirects", 0);
        assert!(wan(&sysctls).send_redirects);
        set(&mut sysctls, "default.send_redirects", 0);
        assert!(!wan(&sysctls).send_redirects);
        sysctls.set("net.ipv4.ip_forward", 0).unwrap();
        assert!(wan(&sysctls).accept_redirects, "a host listens");
        assert!(sysctls.set("net.ipv4.conf.wan.rp_filter", 3).is_err());
    }

    #[test]
    fn the_name_of_an_interface_may_have_dots() {
        let expected = SysctlName::Interface("lan.5".into(), ConfSysctl::Forwarding);
        for name in [
            "net.ipv4.conf.lan.5.forwarding",
            "net.ipv4.conf.lan/5.forwarding",
            "net/ipv4/conf/lan.5/forwarding",
        ] {
            assert_eq!(SysctlName::find(name), Ok(expected.clone()), "{name}");
        }
    }

    #[test]
    fn a_value_that_would_not_be_obeyed_is_refused() {
        let mut sysctls = Sysctls::default();
        assert_eq!(sysctls.set("net.ipv4.conf.all.mc_forwarding", 0), Ok(SysctlName::Fixed(0)));
        let refused = sysctls.set("net.ipv4.conf.wan.mc_forwarding", 1).unwrap_err();
        assert!(refused.to_string().contains("can only be 0"), "{refused}");
        let refused = sysctls.set("net.ipv4.ip_default_ttl", 0).unwrap_err();
        assert!(refused.to_string().contains("must be 1 to 255"), "{refused}");
        let refused = sysctls.set("net.ipv4.icmp_rate_limit", 0).unwrap_err();
        assert!(refused.hint().unwrap().contains("net.ipv4.icmp_ratelimit"), "{refused:?}");
    }

    #[test]
    fn defaults_are_those_of_the_running_kernel() {
        // The kernel's own namespace may have been tuned by its administrator, so only a fresh one
        // can be asked; where that is not allowed there is nothing to compare with.
        let names: Vec<_> = Sysctl::ALL.iter().map(|sysctl| sysctl.name()).collect();
        let output = std::process::Command::new("unshare")
            .args(["--net", "sh", "-c"])
            .arg("for n in \"$@\"; do cat /proc/sys/$(echo $n | tr . /) || echo; done")
            .arg("sh")
            .args(&names)
            .output();
        let Ok(output) = output else { return };
        if !output.status.success() {
            return;
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let values: Vec<_> = text.lines().collect();
        assert_eq!(values.len(), names.len(), "{text}");
        for (sysctl, value) in Sysctl::ALL.iter().zip(values) {
            // Kernels without a tunable say nothing.
            if let Ok(value) = value.parse::<i64>() {
                assert_eq!(sysctl.linux_default(), value, "{}", sysctl.name());
            }
        }
    }
}
