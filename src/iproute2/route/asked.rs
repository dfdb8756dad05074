//! What is asked of routes: which to show, and which way a packet would take.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::super::{
    error::Fact,
    names,
    usage::{Object, Usage},
    words::{Inet, Parse, Words, abbreviates, c_number, table_number},
};
use super::{RouteCommand, in_vrf, read_type};
use crate::route::spec::{RouteType, table};

/// Which prefixes a filter takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixFilter {
    /// Only prefixes inside this one.
    pub root: Option<IpNet>,
    /// Only prefixes that contain this one.
    pub matching: Option<IpNet>,
}

impl PrefixFilter {
    /// Whether a prefix passes.
    #[must_use]
    pub fn accepts(&self, net: &IpNet) -> bool {
        // What is of length 0 is of either family.
        let all = |net: &IpNet| net.prefix_len() == 0;
        self.root.is_none_or(|root| all(&root) || root.contains(net))
            && self.matching.is_none_or(|inner| match all(&inner) {
                true => all(net),
                false => net.contains(&inner),
            })
    }
}

/// Which routes `show` and `flush` take; `None` takes all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteFilter {
    /// The family.
    pub family: Inet,
    /// The table; `None` is `table all`, and `main` when nothing is said.
    pub table: Option<u32>,
    /// Only cached routes, of which this router shows none.
    pub cached: bool,
    /// Destination.
    pub dst: PrefixFilter,
    /// TOS byte.
    pub tos: Option<u8>,
    /// Origin.
    pub proto: Option<u8>,
    /// Scope.
    pub scope: Option<u8>,
    /// Type.
    pub kind: Option<RouteType>,
    /// Interface of a next hop.
    pub dev: Option<String>,
    /// Gateway inside this prefix.
    pub via: Option<IpNet>,
    /// Preferred source inside this prefix.
    pub src: Option<IpNet>,
    /// Source that packets must have, of IPv6.
    pub from: PrefixFilter,
}

impl Default for RouteFilter {
    fn default() -> Self {
        Self {
            family: Inet::Four,
            table: Some(table::MAIN),
            cached: false,
            dst: PrefixFilter::default(),
            tos: None,
            proto: None,
            scope: None,
            kind: None,
            dev: None,
            via: None,
            src: None,
            from: PrefixFilter::default(),
        }
    }
}

/// The packet whose way is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteGet {
    /// Destination address.
    pub dst: IpAddr,
    /// Source address.
    pub from: Option<IpAddr>,
    /// Interface on which it arrives; without one it is the router's own packet.
    pub iif: Option<String>,
    /// Interface by which it must leave.
    pub oif: Option<String>,
    /// TOS byte.
    pub tos: u8,
    /// User to whom the packet belongs.
    pub uid: Option<u32>,
    /// VRF in which it is sent.
    pub vrf: Option<String>,
    /// Firewall mark.
    pub mark: u32,
    /// Transport protocol number.
    pub ipproto: Option<u8>,
    /// Source port.
    pub sport: Option<u16>,
    /// Destination port.
    pub dport: Option<u16>,
    /// Print the matching route of the table instead of the outcome.
    pub fibmatch: bool,
}

/// A filter, and the VRF whose table is meant.
pub(super) struct ReadFilter {
    filter: RouteFilter,
    vrf: Option<String>,
}

impl ReadFilter {
    pub(super) fn within(self, command: impl FnOnce(RouteFilter) -> RouteCommand) -> RouteCommand {
        in_vrf(self.vrf, command(self.filter))
    }
}

pub(super) fn read_filter(words: &mut Words<'_>) -> Parse<ReadFilter> {
    let mut filter = RouteFilter::default();
    let mut vrf = None;
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        if is("table") {
            let value = words.value()?;
            match (table_number(value), value) {
                (Some(0), _) | (None, "all") => filter.table = None,
                (Some(table), _) => filter.table = Some(table),
                (None, "cache") => filter.cached = true,
                (None, "help") => return words.fail(Fact::Usage(Usage(Some(Object::Route)))),
                (None, _) => return words.wrong(value, "table id value is invalid"),
            }
        } else if word == "vrf" {
            vrf = Some(words.value()?.to_owned());
        } else if is("cached") || is("cloned") {
            filter.cached = true;
        } else if word == "tos" || is("dsfield") {
            filter.tos = Some(words.dsfield("TOS value is invalid")?);
        } else if is("protocol") {
            filter.proto = words.named_or_all(names::PROTOS, "invalid \"protocol\"")?;
        } else if is("scope") {
            filter.scope = words.named_or_all(names::SCOPES, "invalid \"scope\"")?;
        } else if is("type") {
            filter.kind = Some(read_filter_type(words)?);
        } else if word == "dev" || word == "oif" {
            filter.dev = Some(words.value()?.to_owned());
        } else if word == "iif" || word == "mark" || word == "metric" || is("realms") {
            return words.unsupported(format!("route show {word}"));
        } else if word == "via" {
            read_via_filter(words, &mut filter)?;
        } else if word == "src" {
            filter.src = read_net(words)?;
        } else if is("from") {
            read_prefix_filter(words, &mut filter.from)?;
        } else {
            if !is("to") {
                words.back();
            }
            read_prefix_filter(words, &mut filter.dst)?;
        }
    }
    filter.family = match (words.family(), filter.table) {
        (Inet::Any, None) => Inet::Any,
        (family, _) => family.or_four(),
    };
    Ok(ReadFilter { filter, vrf })
}

/// A prefix of a filter; its address does not tell the family to the next one.
fn read_net(words: &mut Words<'_>) -> Parse<Option<IpNet>> {
    words.keep_family(|words| words.filter_net())
}

/// `root`, `match` or `exact`, and a prefix.
fn read_prefix_filter(words: &mut Words<'_>, filter: &mut PrefixFilter) -> Parse<()> {
    let word = words.value()?;
    let is = |full: &str| abbreviates(word, full);
    if is("root") {
        filter.root = read_net(words)?;
    } else if is("match") {
        filter.matching = read_net(words)?;
    } else {
        if !is("exact") {
            words.back();
        }
        let net = read_net(words)?;
        *filter = PrefixFilter { root: net, matching: net };
    }
    Ok(())
}

/// The gateway that a filter asks for.
fn read_via_filter(words: &mut Words<'_>, filter: &mut RouteFilter) -> Parse<()> {
    if !matches!(words.peek(), Some("inet6" | "mpls" | "bridge" | "link")) {
        words.skip("inet");
        filter.via = read_net(words)?;
        return Ok(());
    }
    let via = words.keep_family(|words| words.gateway())?;
    filter.via = via.map(IpNet::from);
    Ok(())
}

pub(super) fn read_get(words: &mut Words<'_>) -> Parse<RouteGet> {
    let mut dst = None;
    let mut get = RouteGet {
        dst: Ipv4Addr::UNSPECIFIED.into(),
        from: None,
        iif: None,
        oif: None,
        tos: 0,
        uid: None,
        vrf: None,
        mark: 0,
        ipproto: None,
        sport: None,
        dport: None,
        fibmatch: false,
    };
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        if word == "tos" || is("dsfield") {
            get.tos = words.dsfield("TOS value is invalid")?;
        } else if is("from") {
            if words.peek().is_some_and(|next| abbreviates(next, "help")) {
                words.take();
                return words.fail(Fact::Usage(Usage(Some(Object::Route))));
            }
            get.from = words.prefix()?.addr;
        } else if is("iif") {
            get.iif = Some(words.value()?.to_owned());
        } else if is("mark") {
            get.mark = words.number(u32::MAX, "invalid mark value")?;
        } else if is("oif") || word == "dev" {
            get.oif = Some(words.value()?.to_owned());
        } else if is("uid") {
            get.uid = Some(words.number(u32::MAX, "invalid UID")?);
        } else if word == "vrf" {
            get.vrf = Some(words.value()?.to_owned());
        } else if is("notify") || is("connected") {
            return words.unsupported(format!("route get {word}"));
        } else if is("fibmatch") {
            get.fibmatch = true;
        } else if word == "as" {
            return words.unsupported("route get as");
        } else if is("sport") {
            get.sport = Some(read_port(words, "invalid sport")?);
        } else if is("dport") {
            get.dport = Some(read_port(words, "invalid dport")?);
        } else if is("ipproto") {
            get.ipproto = Some(words.ipproto()?);
        } else {
            let word = if word == "to" { words.value()? } else { word };
            if abbreviates(word, "help") {
                return words.fail(Fact::Usage(Usage(Some(Object::Route))));
            }
            words.back();
            // A prefix stands for its address; iproute2 warns of the rest.
            let everything = words.family().everything().addr();
            dst = Some(words.prefix()?.addr.unwrap_or(everything));
        }
    }
    match dst {
        Some(dst) => get.dst = dst,
        None => return words.fail_end(Fact::DestinationRequired),
    }
    Ok(get)
}

fn read_port(words: &mut Words<'_>, what: &'static str) -> Parse<u16> {
    let port = words.number(u32::from(u16::MAX), what)?;
    #[allow(clippy::cast_possible_truncation, reason = "bounded above")]
    Ok(port as u16)
}

/// A route type by name or by its number (`RTN_*`), as filters take it.
fn read_filter_type(words: &mut Words<'_>) -> Parse<RouteType> {
    const BY_NUMBER: [RouteType; 9] = [
        RouteType::Unicast,
        RouteType::Local,
        RouteType::Broadcast,
        RouteType::Anycast,
        RouteType::Multicast,
        RouteType::Blackhole,
        RouteType::Unreachable,
        RouteType::Prohibit,
        RouteType::Throw,
    ];
    let word = words.value()?;
    match (read_type(word), c_number(word, 0)) {
        (Some(Ok(kind)), _) => Ok(kind),
        (Some(Err(kind)), _) => words.unsupported(kind),
        (None, Some(n @ 1..=9)) => Ok(BY_NUMBER[n as usize - 1]),
        (None, Some(0..=255)) => words.unsupported(format!("type {word}")),
        _ => words.wrong(word, "node type value is invalid"),
    }
}
