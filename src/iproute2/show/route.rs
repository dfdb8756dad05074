//! `ip route show` and `ip route get`.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::super::metrics::{METRICS, Metric, Unit};
use super::super::{Options, RouteFilter, names};
use super::nexthop::{NexthopView, print_nexthop};
use super::out::{Entry, Json, Listing};
use crate::route::spec::{Pref, RouteSpec, RouteType, scope, table};

/// One next hop of a route with its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NextHopView {
    /// Gateway address.
    pub via: Option<IpAddr>,
    /// Interface name.
    pub dev: Option<String>,
    /// Share of the flows.
    pub weight: u16,
    /// The gateway is taken to be on the link.
    pub onlink: bool,
    /// The interface is down.
    pub dead: bool,
    /// The interface has no carrier.
    pub linkdown: bool,
}

/// One route of a table with its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// Destination.
    pub dst: IpNet,
    /// Source that packets must have, of IPv6.
    pub src: Option<IpNet>,
    /// What a matching packet meets.
    #[serde(rename = "type", with = "kind")]
    pub kind: RouteType,
    /// TOS byte.
    pub tos: u8,
    /// Table number.
    pub table: u32,
    /// Preference among routes to one prefix.
    pub metric: u32,
    /// Origin.
    pub proto: u8,
    /// Scope.
    pub scope: u8,
    /// Preferred source address.
    pub prefsrc: Option<IpAddr>,
    /// Path MTU.
    pub mtu: Option<u32>,
    /// The MTU is locked.
    pub mtu_locked: bool,
    /// Other metrics as [`RouteSpec::metrics`] keeps them.
    pub metrics: Vec<(String, u32)>,
    /// Preference among default routers, of IPv6.
    pub pref: Option<String>,
    /// Seconds until the route goes, of IPv6.
    pub expires: Option<u32>,
    /// Interface by which the packet comes whose way was asked for.
    pub iif: Option<String>,
    /// Learned about one destination, and stated by nobody: no origin and no scope are told.
    #[serde(default)]
    pub learned: bool,
    /// Its next hops are told as several, even when one alone is left.
    #[serde(default)]
    pub grouped: bool,
    /// Next hops.
    pub nexthops: Vec<NextHopView>,
    /// Next-hop object that the route leads through; 0 for none.
    pub nhid: u32,
    /// That object, for `-details`.
    pub nh_info: Option<NexthopView>,
}

impl RouteView {
    /// The next hop, where there is one alone.
    fn single(&self) -> Option<&NextHopView> {
        match self.nexthops.as_slice() {
            [hop] if !self.grouped => Some(hop),
            _ => None,
        }
    }
}

impl From<&RouteSpec> for RouteView {
    /// The route as it stands in its table when nothing is known of its state.
    fn from(spec: &RouteSpec) -> Self {
        Self {
            dst: spec.dst,
            src: spec.src,
            pref: matches!(spec.dst, IpNet::V6(_)).then(|| pref(spec.pref).to_owned()),
            expires: spec.expires,
            iif: None,
            learned: false,
            grouped: false,
            kind: spec.kind,
            tos: spec.tos,
            table: spec.table,
            metric: spec.metric,
            proto: spec.proto,
            scope: spec.scope.unwrap_or_else(|| default_scope(spec)),
            prefsrc: spec.prefsrc,
            mtu: spec.mtu,
            mtu_locked: spec.mtu_locked,
            metrics: spec.metrics.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
            nexthops: spec
                .nexthops
                .iter()
                .map(|hop| NextHopView {
                    via: hop.via,
                    dev: hop.dev.clone(),
                    weight: hop.weight,
                    onlink: hop.onlink,
                    dead: false,
                    linkdown: false,
                })
                .collect(),
            nhid: spec.nhid.unwrap_or(0),
            nh_info: None,
        }
    }
}

/// How iproute2 prints a preference among default routers.
#[must_use]
pub fn pref(pref: Pref) -> &'static str {
    match pref {
        Pref::Low => "low",
        Pref::Medium => "medium",
        Pref::High => "high",
    }
}

/// The scope that `ip route add` gives a route when none is said [5.30].
fn default_scope(spec: &RouteSpec) -> u8 {
    match spec.kind {
        RouteType::Local => scope::HOST,
        RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast => scope::LINK,
        RouteType::Unicast if spec.nexthops.len() == 1 && spec.nexthops[0].via.is_none() => {
            scope::LINK
        }
        _ => scope::UNIVERSE,
    }
}

impl RouteFilter {
    /// Whether `ip route show` prints this route under this filter.
    #[must_use]
    pub fn accepts(&self, route: &RouteView) -> bool {
        let single = route.single();
        // A filter by next hop passes over routes with several, as iproute2 does.
        let dev = single.and_then(|hop| hop.dev.as_deref());
        let via = single.and_then(|hop| hop.via);
        let from = self.from.root.is_none() && self.from.matching.is_none()
            || route.src.is_some_and(|src| self.from.accepts(&src));
        !self.cached
            && from
            && self.family.takes(is_six(route))
            && self.table.is_none_or(|table| table == route.table)
            && self.dst.accepts(&route.dst)
            && self.tos.is_none_or(|tos| tos == route.tos)
            && self.proto.is_none_or(|proto| proto == route.proto)
            && self.scope.is_none_or(|scope| scope == route.scope)
            && self.kind.is_none_or(|kind| kind == route.kind)
            && (self.dev.is_none() || self.dev.as_deref() == dev)
            && self.via.is_none_or(|net| via.is_some_and(|via| net.contains(&via)))
            && self.src.is_none_or(|net| route.prefsrc.is_some_and(|src| net.contains(&src)))
    }
}

/// What `ip route show` prints for these routes, those that the filter refuses left out.
pub fn show_routes<'a>(
    routes: impl IntoIterator<Item = &'a RouteView>,
    filter: &RouteFilter,
    options: &Options,
) -> String {
    let mut listing = Listing::new(options);
    for route in routes.into_iter().filter(|route| filter.accepts(route)) {
        listing.entry(|entry| print_route(entry, route, filter, options));
    }
    listing.finish()
}

/// A name, or the number when `-Numeric` asks for it.
pub(super) fn named<T: Copy + ToString>(
    options: &Options,
    value: T,
    name: fn(T) -> Cow<'static, str>,
) -> Cow<'static, str> {
    if options.numeric { Cow::Owned(value.to_string()) } else { name(value) }
}

pub(super) fn kind_name(options: &Options, kind: RouteType) -> Cow<'static, str> {
    if !options.numeric {
        return Cow::Borrowed(names::route_type(kind));
    }
    // The table of names is in the order of the kernel's numbers, from 1.
    let number = names::TYPES.iter().position(|(_, other)| *other == kind);
    Cow::Owned(number.map_or(0, |n| n + 1).to_string())
}

fn print_route(entry: &mut Entry<'_>, route: &RouteView, filter: &RouteFilter, options: &Options) {
    print_kind(entry, route.kind, options);
    let dst = match route.dst.prefix_len() {
        0 if route.dst.addr().is_unspecified() => "default".to_owned(),
        len if len == route.dst.max_prefix_len() => route.dst.addr().to_string(),
        _ => route.dst.to_string(),
    };
    entry.field("dst", dst.as_str(), format_args!("{dst} "));
    if let Some(src) = route.src {
        let src = match src.prefix_len() {
            len if len == src.max_prefix_len() => src.addr().to_string(),
            _ => src.to_string(),
        };
        entry.field("from", src.as_str(), format_args!("from {src} "));
    }
    if filter.tos.is_none() {
        print_tos(entry, route.tos, options);
    }
    if route.nhid != 0 {
        entry.field("nhid", route.nhid, format_args!("nhid {} ", route.nhid));
    }
    let single = route.single();
    if let Some(hop) = single {
        let shown = |net: IpNet| net.prefix_len() < net.max_prefix_len();
        let other = |via: &IpAddr| via.is_ipv6() != is_six(route);
        let via = hop.via.filter(|via| other(via) || filter.via.is_none_or(shown));
        print_hop(entry, is_six(route), via, hop.dev.as_deref().filter(|_| filter.dev.is_none()));
    }
    if filter.table.is_none() && (route.table != table::MAIN || options.details) {
        let name = named(options, route.table, names::table);
        entry.field("table", &*name, format_args!("table {name} "));
    }
    let stated = !route.learned;
    if stated && filter.proto.is_none() && (route.proto != 3 || options.details) {
        let name = named(options, route.proto, names::proto);
        entry.field("protocol", &*name, format_args!("proto {name} "));
    }
    if stated && filter.scope.is_none() && (route.scope != scope::UNIVERSE || options.details) {
        let name = named(options, route.scope, names::scope);
        entry.field("scope", &*name, format_args!("scope {name} "));
    }
    let shown = |net: IpNet| net.prefix_len() < net.max_prefix_len();
    if let Some(src) = route.prefsrc.filter(|_| filter.src.is_none_or(shown)) {
        entry.field("prefsrc", src.to_string(), format_args!("src {src} "));
    }
    if route.metric != 0 || is_six(route) {
        entry.field("metric", route.metric, format_args!("metric {} ", route.metric));
    }
    // Of several the route itself is marked when all of them are.
    let linkdown = !route.nexthops.is_empty() && route.nexthops.iter().all(|hop| hop.linkdown);
    let whole = NextHopView { linkdown, ..NextHopView::default() };
    print_flags(entry, single.unwrap_or(&whole));
    print_realms(entry, &route.metrics);
    if let Some(expires) = route.expires {
        entry.field("expires", expires, format_args!("expires {expires}sec "));
    }
    print_metrics(entry, route.mtu, route.mtu_locked, &route.metrics);
    if let Some(iif) = &route.iif {
        entry.field("iif", iif.as_str(), format_args!("iif {iif} "));
    }
    if let Some(pref) = &route.pref {
        entry.field("pref", pref.as_str(), format_args!("pref {pref}"));
    }
    if let Some(info) = route.nh_info.as_ref().filter(|_| options.details) {
        entry.text(format_args!("{}\tnh_info ", entry_break(options)));
        entry.object("nh_info", |entry| print_nexthop(entry, info, options));
    }
    if single.is_none() && !route.nexthops.is_empty() {
        entry.list("nexthops", &route.nexthops, |entry, hop| {
            entry.text(format_args!("{}\tnexthop ", entry_break(options)));
            print_hop(entry, is_six(route), hop.via, hop.dev.as_deref());
            entry.field("weight", u32::from(hop.weight), format_args!("weight {} ", hop.weight));
            print_flags(entry, hop);
        });
    }
    entry.text(format_args!("\n"));
}

fn entry_break(options: &Options) -> &'static str {
    if options.oneline { "\\" } else { "\n" }
}

fn print_kind(entry: &mut Entry<'_>, kind: RouteType, options: &Options) {
    if kind != RouteType::Unicast || options.details {
        let name = kind_name(options, kind);
        entry.field("type", &*name, format_args!("{name} "));
    }
}

fn print_tos(entry: &mut Entry<'_>, tos: u8, options: &Options) {
    if tos != 0 {
        let name =
            if options.numeric { Cow::Owned(format!("{tos:#04x}")) } else { names::dsfield(tos) };
        entry.field("tos", &*name, format_args!("tos {name} "));
    }
}

fn is_six(route: &RouteView) -> bool {
    matches!(route.dst, IpNet::V6(_))
}

fn print_hop(entry: &mut Entry<'_>, six: bool, via: Option<IpAddr>, dev: Option<&str>) {
    match via {
        Some(via) if via.is_ipv6() == six => {
            entry.field("gateway", via.to_string(), format_args!("via {via} "));
        }
        Some(via) => entry.object("via", |entry| {
            let family = if six { "inet" } else { "inet6" };
            entry.field("family", family, format_args!("via {family} "));
            entry.field("host", via.to_string(), format_args!("{via} "));
        }),
        None => {}
    }
    if let Some(dev) = dev {
        entry.field("dev", dev, format_args!("dev {dev} "));
    }
}

fn print_flags(entry: &mut Entry<'_>, hop: &NextHopView) {
    print_state(entry, hop.dead, hop.onlink, hop.linkdown);
}

pub(super) fn print_state(entry: &mut Entry<'_>, dead: bool, onlink: bool, linkdown: bool) {
    let flags = [("dead", dead), ("onlink", onlink), ("linkdown", linkdown)];
    let set: Vec<&str> = flags.iter().filter(|(_, on)| *on).map(|(word, _)| *word).collect();
    entry.words("flags", &set);
}

fn print_realms(entry: &mut Entry<'_>, metrics: &[(String, u32)]) {
    let Some((_, realms)) = metrics.iter().find(|(name, _)| name == "realms") else {
        return;
    };
    let (from, to) = (realms >> 16, realms & 0xffff);
    let name = |realm: u32| {
        if realm == 0 { "cosmos".to_owned() } else { realm.to_string() }
    };
    entry.object("flow", |entry| {
        if from != 0 {
            entry.field("from", name(from), format_args!("realms {}/", name(from)));
        } else {
            entry.text(format_args!("realm "));
        }
        entry.field("to", name(to), format_args!("{} ", name(to)));
    });
}

fn print_metrics(
    entry: &mut Entry<'_>,
    mtu: Option<u32>,
    mtu_locked: bool,
    metrics: &[(String, u32)],
) {
    let stated = |metric: &Metric| {
        metrics.iter().find_map(|(name, value)| {
            let locked = metric.locked == Some(name.as_str());
            (locked || name == metric.name).then_some((locked, *value))
        })
    };
    if mtu.is_none() && !METRICS.iter().any(|metric| stated(metric).is_some()) {
        return;
    }
    let print = |entry: &mut Entry<'_>, ()| {
        if let Some(mtu) = mtu {
            let lock = if mtu_locked { "lock " } else { "" };
            entry.field("mtu", mtu, format_args!("mtu {lock}{mtu} "));
        }
        for metric in METRICS {
            if let Some((locked, value)) = stated(metric) {
                print_metric(entry, metric, locked, value);
            }
        }
    };
    entry.list("metrics", [()], print);
}

fn print_metric(entry: &mut Entry<'_>, metric: &Metric, locked: bool, value: u32) {
    let word = metric.word();
    let lock = if locked { "lock " } else { "" };
    match metric.unit {
        Unit::Number(_) | Unit::Bool => {
            entry.field(word, value, format_args!("{word} {lock}{value} "));
        }
        Unit::Time(parts) => {
            let millis = value / parts;
            if millis >= 1000 {
                let seconds = f64::from(millis) / 1000.0;
                entry.field(word, millis, format_args!("{word} {lock}{seconds}s "));
            } else {
                entry.field(word, millis, format_args!("{word} {lock}{millis}ms "));
            }
        }
        Unit::Features => {
            entry.text(format_args!("{word} {lock}"));
            if value & 1 != 0 {
                entry.word("ecn");
            }
            if value & !1 != 0 {
                let rest = format!("{:#x}", value & !1);
                entry.field("features", rest.as_str(), format_args!("{rest} "));
            }
        }
        Unit::Algorithm => {
            let name = names::CONGCTL.get(value as usize).copied().unwrap_or("reno");
            entry.field("congestion", name, format_args!("{word} {lock}{name} "));
        }
    }
}

/// The way that one packet takes, as `ip route get` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteGetView {
    /// Destination asked for.
    pub dst: IpAddr,
    /// Source asked for.
    pub from: Option<IpAddr>,
    /// What the packet meets.
    #[serde(rename = "type", with = "kind")]
    pub kind: RouteType,
    /// TOS byte asked for.
    pub tos: u8,
    /// Gateway chosen.
    pub via: Option<IpAddr>,
    /// Interface by which the packet leaves.
    pub dev: Option<String>,
    /// Table in which the route was found.
    pub table: u32,
    /// Source address chosen for the router's own packet.
    pub prefsrc: Option<IpAddr>,
    /// Firewall mark asked for.
    pub mark: u32,
    /// User asked for; Linux tells 0 for the router's own packets and none for others.
    pub uid: Option<u32>,
    /// Words of the cache line: `local`, `brd`, `mc`, `redirect`, `redirected`, ...
    pub cache: Vec<String>,
    /// Seconds until a learned path MTU or redirect is forgotten.
    pub expires: Option<u32>,
    /// Path MTU in force, if it is not the interface's.
    pub mtu: Option<u32>,
    /// That MTU is locked.
    pub mtu_locked: bool,
    /// Other metrics in force.
    pub metrics: Vec<(String, u32)>,
    /// Interface on which the packet arrives.
    pub iif: Option<String>,
}

/// What `ip route get` prints.
#[must_use]
pub fn show_route_get(view: &RouteGetView, options: &Options) -> String {
    let mut listing = Listing::new(options);
    listing.entry(|entry| {
        print_kind(entry, view.kind, options);
        entry.field("dst", view.dst.to_string(), format_args!("{} ", view.dst));
        if let Some(from) = view.from {
            entry.field("from", from.to_string(), format_args!("from {from} "));
        }
        print_tos(entry, view.tos, options);
        print_hop(entry, view.dst.is_ipv6(), view.via, view.dev.as_deref());
        if options.details || view.table != table::MAIN {
            let name = named(options, view.table, names::table);
            entry.field("table", &*name, format_args!("table {name} "));
        }
        if let Some(src) = view.prefsrc {
            entry.field("prefsrc", src.to_string(), format_args!("src {src} "));
        }
        entry.words("flags", &[]);
        if view.mark != 0 {
            print_mark(entry, view.mark);
        }
        print_realms(entry, &view.metrics);
        if let Some(uid) = view.uid {
            entry.field("uid", uid, format_args!("uid {uid} "));
        }
        print_cache(entry, view, options);
        print_metrics(entry, view.mtu, view.mtu_locked, &view.metrics);
        if let Some(iif) = &view.iif {
            entry.field("iif", iif.as_str(), format_args!("iif {iif} "));
        }
        entry.text(format_args!("\n"));
    });
    listing.finish()
}

/// Marks from 16 on are hexadecimal in text.
fn print_mark(entry: &mut Entry<'_>, mark: u32) {
    if mark >= 16 {
        entry.field("mark", format!("{mark:#x}"), format_args!("mark {mark:#x} "));
    } else {
        entry.field("mark", mark, format_args!("mark {mark} "));
    }
}

fn print_cache(entry: &mut Entry<'_>, view: &RouteGetView, options: &Options) {
    let words = view.cache.iter().map(|word| Json::from(word.as_str())).collect();
    let line = entry_break(options);
    if view.cache.is_empty() {
        entry.field("cache", Json::Array(words), format_args!("{line}    cache "));
    } else {
        let list = view.cache.join(",");
        entry.field("cache", Json::Array(words), format_args!("{line}    cache <{list}> "));
    }
    if let Some(expires) = view.expires {
        entry.field("expires", expires, format_args!("expires {expires}sec "));
    }
}

/// Route types by name, for a wire that people read.
mod kind {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::super::super::names;
    use crate::route::spec::RouteType;

    pub(super) fn serialize<S: Serializer>(kind: &RouteType, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(names::route_type(*kind))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<RouteType, D::Error> {
        let word = String::deserialize(from)?;
        names::TYPES
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, kind)| *kind)
            .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&word), &"a route type"))
    }
}
