//! `ip neighbour`: neighbour entries as the operator writes them.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::error::Fact;
use super::names;
use super::usage::{Object, Usage};
use super::words::{Inet, Parse, Words, abbreviates, c_number};

/// What `ip neighbour` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NeighCommand {
    /// Make an entry that is not there.
    Add(NeighSpec),
    /// Make an entry, or change it if it is there.
    Replace(NeighSpec),
    /// Change an entry that is there.
    Change(NeighSpec),
    /// Take an entry away.
    Del(NeighSpec),
    /// Take away all entries that fit.
    Flush(NeighFilter),
    /// Print the entries that fit.
    Show(NeighFilter),
    /// Print one entry.
    Get {
        /// Its address.
        addr: IpAddr,
        /// Its interface.
        dev: String,
        /// Ask for the proxy entry.
        proxy: bool,
    },
}

/// States of neighbour unreachability detection (`NUD_*`), one or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NudState(pub u16);

impl NudState {
    /// Resolution under way.
    pub const INCOMPLETE: Self = Self(0x01);
    /// Confirmed of late.
    pub const REACHABLE: Self = Self(0x02);
    /// Known, not confirmed of late.
    pub const STALE: Self = Self(0x04);
    /// Used while stale; a probe will follow.
    pub const DELAY: Self = Self(0x08);
    /// Being probed.
    pub const PROBE: Self = Self(0x10);
    /// Resolution failed.
    pub const FAILED: Self = Self(0x20);
    /// Needs no resolution.
    pub const NOARP: Self = Self(0x40);
    /// Set by the operator for good.
    pub const PERMANENT: Self = Self(0x80);
    /// Not in any state yet.
    pub const NONE: Self = Self(0);

    /// The words of iproute2.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("permanent", Self::PERMANENT),
        ("reachable", Self::REACHABLE),
        ("noarp", Self::NOARP),
        ("none", Self::NONE),
        ("stale", Self::STALE),
        ("incomplete", Self::INCOMPLETE),
        ("delay", Self::DELAY),
        ("probe", Self::PROBE),
        ("failed", Self::FAILED),
    ];

    fn read(word: &str) -> Option<Self> {
        // iproute2 takes only these three cut short.
        let is = |name: &str| match name {
            "permanent" | "reachable" | "failed" => abbreviates(word, name),
            _ => word == name,
        };
        match Self::NAMES.iter().find(|(name, _)| is(name)) {
            Some((_, state)) => Some(*state),
            None => c_number(word, 0).and_then(|n| u8::try_from(n).ok()).map(|n| Self(n.into())),
        }
    }
}

/// A neighbour entry as stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighSpec {
    /// The neighbour's address.
    pub addr: IpAddr,
    /// The interface behind which it is.
    pub dev: String,
    /// Its Ethernet address.
    pub lladdr: Option<[u8; 6]>,
    /// The state; `permanent` if nothing was said.
    pub nud: NudState,
    /// Answer for it instead of sending to it.
    pub proxy: bool,
    /// It is a router.
    pub router: bool,
    /// Resolve it now.
    pub use_now: bool,
    /// Keep it resolved.
    pub managed: bool,
    /// Learned by a control protocol: never collected.
    pub extern_learn: bool,
    /// Who installed it.
    pub protocol: u8,
}

/// Which entries `show` and `flush` take; `None` takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeighFilter {
    /// The interface.
    pub dev: Option<String>,
    /// The family.
    pub family: Inet,
    /// Address inside this prefix.
    pub to: Option<IpNet>,
    /// In one of these states; `None` is iproute2's default: all but `none` and `noarp`.
    pub nud: Option<NudState>,
    /// `nud none` was among the states.
    pub nud_none: bool,
    /// Proxy entries instead of resolved ones.
    pub proxy: bool,
    /// Only entries that nobody uses.
    pub unused: bool,
    /// Who installed it.
    pub protocol: Option<u8>,
}

pub(super) fn read(words: &mut Words<'_>) -> Parse<NeighCommand> {
    let Some(verb) = words.take() else {
        let family = words.family();
        return Ok(NeighCommand::Show(NeighFilter { family, ..NeighFilter::default() }));
    };
    let is = |full: &str| abbreviates(verb, full);
    if is("add") {
        read_spec(words).map(NeighCommand::Add)
    } else if is("change") || verb == "chg" {
        read_spec(words).map(NeighCommand::Change)
    } else if is("replace") {
        read_spec(words).map(NeighCommand::Replace)
    } else if is("delete") {
        read_spec(words).map(NeighCommand::Del)
    } else if is("get") {
        read_get(words)
    } else if is("show") || is("lst") || is("list") {
        read_filter(words).map(NeighCommand::Show)
    } else if is("flush") {
        if words.is_empty() {
            return words.fail_end(Fact::FlushRequiresArguments);
        }
        read_filter(words).map(NeighCommand::Flush)
    } else if is("help") {
        words.fail(Fact::Usage(Usage(Some(Object::Neigh))))
    } else {
        words.fail(Fact::UnknownCommand { word: verb.to_owned(), object: "neigh" })
    }
}

fn read_spec(words: &mut Words<'_>) -> Parse<NeighSpec> {
    let mut dst: Option<Option<IpAddr>> = None;
    let mut dev: Option<&str> = None;
    let mut lladdr: Option<(usize, &str)> = None;
    let mut spec = NeighSpec {
        addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        dev: String::new(),
        lladdr: None,
        nud: NudState::PERMANENT,
        proxy: false,
        router: false,
        use_now: false,
        managed: false,
        extern_learn: false,
        protocol: 0,
    };
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        if is("lladdr") {
            let at = words.at();
            let value = words.value()?;
            words.once(lladdr.is_some(), "lladdr", value)?;
            lladdr = Some((at, value));
        } else if word == "nud" {
            let value = words.value()?;
            match NudState::read(value) {
                Some(state) => spec.nud = state,
                None => return words.wrong(value, "nud state is bad"),
            }
        } else if is("proxy") {
            let value = words.value()?;
            if abbreviates(value, "help") {
                return words.fail(Fact::Usage(Usage(Some(Object::Neigh))));
            }
            words.once(dst.is_some(), "address", value)?;
            words.back();
            dst = Some(words.address()?);
            spec.proxy = true;
        } else if word == "router" {
            spec.router = true;
        } else if word == "use" {
            spec.use_now = true;
        } else if word == "managed" {
            spec.managed = true;
        } else if is("extern_learn") {
            spec.extern_learn = true;
        } else if word == "dev" {
            dev = Some(words.value()?);
        } else if is("protocol") {
            spec.protocol = words.named(names::PROTOS, 0, "\"protocol\" value is invalid")?;
        } else {
            let word = if word == "to" { words.value()? } else { word };
            if abbreviates(word, "help") {
                return words.fail(Fact::Usage(Usage(Some(Object::Neigh))));
            }
            words.once_or_garbage(dst.is_some(), "to", word)?;
            words.back();
            dst = Some(words.address()?);
        }
    }
    let (Some(dev), Some(Some(addr))) = (dev, dst) else {
        return words.fail_end(Fact::NeighbourIncomplete);
    };
    spec.addr = addr;
    spec.dev = dev.to_owned();
    if let Some((at, _)) = lladdr.filter(|(_, value)| *value != "null") {
        words.seek(at);
        let bytes = words.lladdr()?;
        // The kernel takes as many bytes as Ethernet has and forgets the rest.
        match bytes.first_chunk::<6>() {
            Some(mac) => spec.lladdr = Some(*mac),
            None => return words.fail(Fact::Kernel("Error: Invalid link address.")),
        }
    }
    Ok(spec)
}

fn read_get(words: &mut Words<'_>) -> Parse<NeighCommand> {
    let mut addr: Option<Option<IpAddr>> = None;
    let mut dev = None;
    let mut proxy = false;
    while let Some(word) = words.take() {
        if word == "dev" {
            dev = Some(words.value()?);
        } else if abbreviates(word, "proxy") {
            let value = words.value()?;
            if abbreviates(value, "help") {
                return words.fail(Fact::Usage(Usage(Some(Object::Neigh))));
            }
            words.once(addr.is_some(), "address", value)?;
            words.back();
            addr = Some(words.address()?);
            proxy = true;
        } else {
            let word = if word == "to" { words.value()? } else { word };
            if abbreviates(word, "help") {
                return words.fail(Fact::Usage(Usage(Some(Object::Neigh))));
            }
            words.once_or_garbage(addr.is_some(), "to", word)?;
            words.back();
            addr = Some(words.address()?);
        }
    }
    match (addr, dev) {
        (Some(Some(addr)), Some(dev)) => Ok(NeighCommand::Get { addr, dev: dev.to_owned(), proxy }),
        _ => words.fail_end(Fact::NeighbourGetIncomplete),
    }
}

fn read_filter(words: &mut Words<'_>) -> Parse<NeighFilter> {
    let mut filter = NeighFilter::default();
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        if word == "dev" {
            let value = words.value()?;
            words.once(filter.dev.is_some(), "dev", value)?;
            filter.dev = Some(value.to_owned());
        } else if matches!(word, "master" | "vrf" | "nomaster") {
            return words.unsupported(format!("neigh show {word}"));
        } else if word == "unused" {
            filter.unused = true;
        } else if word == "nud" {
            let value = words.value()?;
            let seen = filter.nud.unwrap_or_default();
            match (NudState::read(value), value) {
                (Some(NudState::NONE), _) => {
                    filter.nud = Some(seen);
                    filter.nud_none = true;
                }
                (Some(state), _) => filter.nud = Some(NudState(seen.0 | state.0)),
                (None, "all") => {
                    filter.nud = Some(NudState(0xff));
                    filter.nud_none = true;
                }
                (None, _) => return words.wrong(value, "nud state is bad"),
            }
        } else if word == "proxy" {
            filter.proxy = true;
        } else if is("protocol") {
            filter.protocol =
                Some(words.named(names::PROTOS, 0, "\"protocol\" value is invalid")?);
        } else {
            let word = if word == "to" { words.value()? } else { word };
            if abbreviates(word, "help") {
                return words.fail(Fact::Usage(Usage(Some(Object::Neigh))));
            }
            words.back();
            filter.to = words.filter_net()?;
        }
    }
    filter.family = words.family();
    Ok(filter)
}
