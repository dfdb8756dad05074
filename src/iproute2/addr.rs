//! `ip address`: addresses of interfaces as the operator writes them.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::error::Fact;
use super::link::Master;
use super::names;
use super::usage::{Object, Usage};
use super::words::{Inet, Parse, Prefix, Words, abbreviates, c_number, named_number};
use crate::route::spec::scope;

/// What `ip address` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddrCommand {
    /// Give an interface a new address.
    Add(AddrSpec),
    /// Give an interface an address, or change it if it is there.
    Replace(AddrSpec),
    /// Change an address; Linux adds it if it is not there.
    Change(AddrSpec),
    /// Take an address from an interface.
    Del {
        /// What was said.
        spec: AddrSpec,
        /// No prefix length was written: any address under `local` fits, and `ip` warns.
        wildcard: bool,
    },
    /// Take away all addresses that fit.
    Flush(AddrFilter),
    /// Print the addresses that fit.
    Show(AddrFilter),
}

/// The broadcast address as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Broadcast {
    /// Nothing was said: there is none.
    #[default]
    None,
    /// This one.
    Address(Ipv4Addr),
}

/// An address as stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddrSpec {
    /// The router's own address; `None` only when deleting by label or peer.
    pub local: Option<IpAddr>,
    /// Address at the other end of a point-to-point link; the same as `local` without one.
    pub peer: Option<IpAddr>,
    /// Length of the prefix that lies on the link (of `peer` if there is one).
    pub prefixlen: u8,
    /// Broadcast address, `+` and `-` worked out.
    pub broadcast: Broadcast,
    /// Name shown beside the address.
    pub label: Option<String>,
    /// Where the address is valid; worked out if it was not said.
    pub scope: u8,
    /// The interface.
    pub dev: String,
    /// Metric of the prefix route.
    pub metric: Option<u32>,
    /// Flags that were said (`IFA_F_*`).
    pub flags: u32,
    /// An anycast address, of which the router has one with others.
    pub anycast: Option<IpAddr>,
    /// Seconds that the address is valid; `None` is forever.
    pub valid_lft: Option<u32>,
    /// Seconds that the address is preferred; `None` is forever.
    pub preferred_lft: Option<u32>,
}

/// Flags of addresses by their words (`IFA_F_*`), in the order of printing.
pub const FLAG_WORDS: &[(&str, u32)] = &[
    ("secondary", 0x01),
    ("temporary", 0x01),
    ("nodad", 0x02),
    ("optimistic", 0x04),
    ("dadfailed", 0x08),
    ("home", 0x10),
    ("deprecated", 0x20),
    ("tentative", 0x40),
    ("permanent", 0x80),
    ("mngtmpaddr", 0x100),
    ("noprefixroute", 0x200),
    ("autojoin", 0x400),
    ("stable-privacy", 0x800),
];
/// `permanent`
pub const PERMANENT: u32 = 0x80;
/// `noprefixroute`
pub const NOPREFIXROUTE: u32 = 0x200;
/// What can be said of a new address, and whether it is a matter of IPv6 alone.
const SETTABLE: &[(&str, u32, bool)] = &[
    ("nodad", 0x02, true),
    ("optimistic", 0x04, true),
    ("home", 0x10, true),
    ("mngtmpaddr", 0x100, true),
    ("noprefixroute", NOPREFIXROUTE, false),
    ("autojoin", 0x400, false),
];

/// Flags of addresses that a filter asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddrFlags {
    /// Flags that must be set (`IFA_F_*`).
    pub set: u32,
    /// Flags that must not be set.
    pub clear: u32,
}

/// Which addresses `show` and `flush` take; `None` takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddrFilter {
    /// The family.
    pub family: Inet,
    /// The interface.
    pub dev: Option<String>,
    /// Scope.
    pub scope: Option<u8>,
    /// Address inside this prefix.
    pub to: Option<IpNet>,
    /// Label; `*` and `?` are wild.
    pub label: Option<String>,
    /// Only interfaces that are up.
    pub up: bool,
    /// Flags.
    pub flags: AddrFlags,
    /// Type of the link.
    pub kind: Option<String>,
    /// Group of interfaces.
    pub group: Option<u32>,
    /// The VRF that the interface is in.
    pub master: Option<Master>,
}

pub(super) fn read(words: &mut Words<'_>) -> Parse<AddrCommand> {
    let Some(verb) = words.take() else {
        let family = words.family();
        return Ok(AddrCommand::Show(AddrFilter { family, ..AddrFilter::default() }));
    };
    let is = |full: &str| abbreviates(verb, full);
    if is("add") {
        read_spec(words, false).map(|(spec, _)| AddrCommand::Add(spec))
    } else if is("change") || verb == "chg" {
        read_spec(words, false).map(|(spec, _)| AddrCommand::Change(spec))
    } else if is("replace") {
        read_spec(words, false).map(|(spec, _)| AddrCommand::Replace(spec))
    } else if is("delete") {
        read_spec(words, true).map(|(spec, wildcard)| AddrCommand::Del { spec, wildcard })
    } else if is("show") || is("lst") || is("list") {
        read_filter(words, Object::Address).map(AddrCommand::Show)
    } else if is("flush") {
        if words.is_empty() {
            return words.fail_end(Fact::FlushRequiresArguments);
        }
        read_filter(words, Object::Address).map(AddrCommand::Flush)
    } else if is("save") || is("showdump") || is("restore") {
        words.unsupported(format!("address {verb}"))
    } else if is("help") {
        words.fail(Fact::Usage(Usage(Some(Object::Address))))
    } else {
        words.fail(Fact::UnknownCommand { word: verb.to_owned(), object: "address" })
    }
}

/// The broadcast word before the prefix is known.
enum BroadcastWord {
    Address(Option<IpAddr>),
    HostOnes,
    HostZeros,
}

fn read_spec(words: &mut Words<'_>, del: bool) -> Parse<(AddrSpec, bool)> {
    let mut local: Option<Prefix> = None;
    let mut peer: Option<Prefix> = None;
    let mut broadcast: Option<BroadcastWord> = None;
    let mut label = None;
    let mut scope_given = None;
    let mut dev: Option<&str> = None;
    let mut metric = None;
    let (mut flags, mut only_six) = (0, None);
    let mut anycast = None;
    let mut valid_lft: Option<Option<u32>> = None;
    let mut preferred_lft: Option<Option<u32>> = None;
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        if word == "peer" || word == "remote" {
            let value = words.value()?;
            words.once(peer.is_some(), "peer", value)?;
            words.back();
            peer = Some(words.prefix()?);
        } else if is("broadcast") || word == "brd" {
            let value = words.value()?;
            words.once(broadcast.is_some(), "broadcast", value)?;
            broadcast = Some(match value {
                "+" => BroadcastWord::HostOnes,
                "-" => BroadcastWord::HostZeros,
                _ => {
                    words.back();
                    BroadcastWord::Address(words.address()?)
                }
            });
        } else if word == "anycast" {
            let value = words.value()?;
            words.once(anycast.is_some(), "anycast", value)?;
            words.back();
            anycast = words.address()?;
        } else if word == "scope" {
            scope_given = Some(words.named(names::SCOPES, 0, "invalid scope value.")?);
        } else if word == "dev" {
            dev = Some(words.value()?);
        } else if word == "label" {
            label = Some(words.value()?.to_owned());
        } else if is("metric") || is("priority") || word == "preference" {
            metric = Some(words.number(u32::MAX, "\"metric\" value is invalid")?);
        } else if is("valid_lft") {
            let value = words.value()?;
            words.once(valid_lft.is_some(), "valid_lft", "valid_lft")?;
            valid_lft = Some(read_lifetime(words, value, "valid_lft value")?);
        } else if is("preferred_lft") {
            let value = words.value()?;
            words.once(preferred_lft.is_some(), "preferred_lft", "preferred_lft")?;
            preferred_lft = Some(read_lifetime(words, value, "preferred_lft value")?);
        } else if let Some((name, flag, six)) = SETTABLE.iter().find(|known| known.0 == word) {
            flags |= flag;
            only_six = only_six.or(six.then_some(*name));
        } else {
            let word = if word == "local" { words.value()? } else { word };
            if abbreviates(word, "help") {
                return words.fail(Fact::Usage(Usage(Some(Object::Address))));
            }
            words.once_or_garbage(local.is_some(), "local", word)?;
            words.back();
            local = Some(words.prefix()?);
        }
    }
    // A warning of `ip`, which then does without.
    if only_six.is_some() && words.family() != Inet::Six {
        flags &= NOPREFIXROUTE | 0x400;
    }
    let Some(dev) = dev else {
        return words.fail_end(Fact::DevRequired);
    };
    let (valid_lft, preferred_lft) = (valid_lft.flatten(), preferred_lft.flatten());
    if valid_lft == Some(0) {
        return words.fail_end(Fact::LifetimeZero);
    }
    if preferred_lft.unwrap_or(u32::MAX) > valid_lft.unwrap_or(u32::MAX) {
        return words.fail_end(Fact::LifetimeOrder);
    }
    let local_addr = local.and_then(|p| p.addr);
    let peer_addr = peer.and_then(|p| p.addr);
    let worked_out = matches!(broadcast, Some(BroadcastWord::HostOnes | BroadcastWord::HostZeros));
    if worked_out && words.family() == Inet::Six {
        return words.fail_end(Fact::BroadcastOfSix);
    }
    if local_addr.is_none() && anycast.is_some() {
        return words.fail_end(Fact::Kernel("RTNETLINK answers: Invalid argument"));
    }
    if local_addr.is_none() && !del {
        return words.fail_end(Fact::Kernel("RTNETLINK answers: Operation not supported"));
    }
    let whole = peer.or(local);
    let wildcard = del
        && peer.is_none()
        && local.is_some_and(|p| !p.len_given && p.addr.is_some_and(|addr| addr.is_ipv4()));
    let spec = AddrSpec {
        local: local_addr,
        peer: peer_addr,
        prefixlen: whole.map_or(32, |p| p.len),
        broadcast: work_out_broadcast(broadcast, whole),
        label,
        scope: scope_given.unwrap_or(match local_addr {
            Some(IpAddr::V4(addr)) if addr.is_loopback() => scope::HOST,
            _ => scope::UNIVERSE,
        }),
        dev: dev.to_owned(),
        metric,
        flags,
        anycast,
        valid_lft,
        preferred_lft,
    };
    Ok((spec, wildcard))
}

/// `+` sets the host bits of the prefix, `-` clears them; a prefix longer than 30 has no broadcast.
fn work_out_broadcast(word: Option<BroadcastWord>, prefix: Option<Prefix>) -> Broadcast {
    let ones = match word {
        Some(BroadcastWord::Address(Some(IpAddr::V4(addr)))) => return Broadcast::Address(addr),
        None | Some(BroadcastWord::Address(_)) => return Broadcast::None,
        Some(BroadcastWord::HostOnes) => true,
        Some(BroadcastWord::HostZeros) => false,
    };
    match prefix {
        Some(prefix) if prefix.addr.is_some() && prefix.len <= 30 => {
            match prefix.lenient_net(Inet::Four) {
                IpNet::V4(net) if ones => Broadcast::Address(net.broadcast()),
                IpNet::V4(net) => Broadcast::Address(net.network()),
                IpNet::V6(_) => Broadcast::None,
            }
        }
        _ => Broadcast::None,
    }
}

/// `forever` or seconds.
fn read_lifetime(words: &Words<'_>, word: &str, what: &'static str) -> Parse<Option<u32>> {
    if word == "forever" {
        return Ok(None);
    }
    match c_number(word, 0).and_then(|n| u32::try_from(n).ok()) {
        Some(u32::MAX) => Ok(None),
        Some(seconds) => Ok(Some(seconds)),
        None => words.wrong(word, what),
    }
}

/// Filters of `ip address` and, with fewer fields of use, of `ip link`.
pub(super) fn read_filter(words: &mut Words<'_>, object: Object) -> Parse<AddrFilter> {
    let mut filter = AddrFilter::default();
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        if word == "to" {
            filter.to = words.filter_net()?;
        } else if word == "scope" {
            let value = words.value()?;
            filter.scope = match (named_number(names::SCOPES, value, 0), value) {
                (Some(scope), _) => Some(scope),
                (None, "all") => None,
                _ => return words.wrong(value, "invalid \"scope\""),
            };
        } else if word == "up" {
            filter.up = true;
        } else if read_flag(word, &mut filter.flags) {
        } else if word == "label" {
            filter.label = Some(words.value()?.to_owned());
        } else if word == "group" {
            filter.group = Some(words.group("Invalid \"group\" value")?);
        } else if word == "master" {
            filter.master = Some(Master::Device(words.value()?.to_owned()));
        } else if word == "vrf" {
            filter.master = Some(Master::Vrf(words.value()?.to_owned()));
        } else if word == "nomaster" {
            filter.master = Some(Master::None);
        } else if word == "proto" {
            return words.unsupported(word);
        } else if word == "type" {
            filter.kind = Some(words.value()?.to_owned());
        } else {
            let word = if word == "dev" { words.value()? } else { word };
            if is("help") {
                return words.fail(Fact::Usage(Usage(Some(object))));
            }
            words.once_or_garbage(filter.dev.is_some(), "dev", word)?;
            filter.dev = Some(word.to_owned());
        }
    }
    filter.family = words.family();
    Ok(filter)
}

fn read_flag(word: &str, flags: &mut AddrFlags) -> bool {
    let (name, on) = match word.strip_prefix('-') {
        Some(name) => (name, false),
        None => (word, true),
    };
    let (flag, on) = match name {
        "dynamic" => (PERMANENT, !on),
        "primary" => (0x01, !on),
        _ => match FLAG_WORDS.iter().find(|(known, _)| *known == name) {
            Some((_, flag)) => (*flag, on),
            None => return false,
        },
    };
    if on {
        flags.set |= flag;
    } else {
        flags.clear |= flag;
    }
    true
}
