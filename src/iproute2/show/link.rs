//! `ip link show` and `ip address show`.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::super::{
    AddrFilter, FLAG_WORDS, Inet, LinkFilter, Master, Options, PERMANENT, VlanProtocol, VlanSpec,
    names,
};
use super::out::{Entry, Listing};
use super::stats::{self, LinkStats};

/// Interface flags (`IFF_*`).
pub mod iff {
    /// Up by the operator's will.
    pub const UP: u32 = 0x1;
    /// Has a broadcast address.
    pub const BROADCAST: u32 = 0x2;
    /// Is a loopback.
    pub const LOOPBACK: u32 = 0x8;
    /// Has one peer.
    pub const POINTOPOINT: u32 = 0x10;
    /// Can send: up and with carrier.
    pub const RUNNING: u32 = 0x40;
    /// Resolves no neighbours.
    pub const NOARP: u32 = 0x80;
    /// Takes frames for anyone.
    pub const PROMISC: u32 = 0x100;
    /// Takes all multicast frames.
    pub const ALLMULTI: u32 = 0x200;
    /// Has others in it.
    pub const MASTER: u32 = 0x400;
    /// Can send multicast.
    pub const MULTICAST: u32 = 0x1000;
    /// Has carrier.
    pub const LOWER_UP: u32 = 0x1_0000;
}

/// Flags in the order of printing.
const FLAGS: &[(&str, u32)] = &[
    ("LOOPBACK", iff::LOOPBACK),
    ("BROADCAST", iff::BROADCAST),
    ("POINTOPOINT", iff::POINTOPOINT),
    ("MULTICAST", iff::MULTICAST),
    ("NOARP", iff::NOARP),
    ("ALLMULTI", iff::ALLMULTI),
    ("PROMISC", iff::PROMISC),
    ("MASTER", iff::MASTER),
    ("UP", iff::UP),
    ("LOWER_UP", iff::LOWER_UP),
];

/// One address of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddrView {
    /// The router's own address.
    pub local: IpAddr,
    /// The address at the other end, if there is one.
    pub peer: Option<IpAddr>,
    /// Length of the prefix on the link.
    pub prefixlen: u8,
    /// Metric of the prefix route.
    pub metric: Option<u32>,
    /// Broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// Scope.
    pub scope: u8,
    /// `IFA_F_*`
    pub flags: u32,
    /// Name shown beside the address; IPv6 has none.
    pub label: Option<String>,
    /// Seconds that it is valid; `None` is forever.
    pub valid_lft: Option<u32>,
    /// Seconds that it is preferred; `None` is forever.
    pub preferred_lft: Option<u32>,
}

impl AddrFilter {
    /// Whether `ip address show` prints this address of an interface under this filter.
    #[must_use]
    pub fn accepts(&self, addr: &AddrView, ifname: &str) -> bool {
        // What has no label of its own is called like its interface.
        let label = addr.label.as_deref().unwrap_or(ifname);
        self.family.takes(addr.local.is_ipv6())
            && self.scope.is_none_or(|scope| scope == addr.scope)
            && self.to.is_none_or(|net| net.contains(&addr.local))
            && self.label.as_ref().is_none_or(|wanted| glob(wanted, label))
            && addr.flags & self.flags.set == self.flags.set
            && addr.flags & self.flags.clear == 0
    }
}

/// What `-details` adds to an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkDetails {
    /// Who asked for promiscuous mode, counted.
    pub promiscuity: u32,
    /// Who asked for all multicast, counted.
    pub allmulti: u32,
    /// Smallest MTU.
    pub min_mtu: u32,
    /// Largest MTU.
    pub max_mtu: u32,
    /// Type of the link, `vlan` for one.
    pub kind: Option<String>,
    /// The table of a VRF.
    pub vrf_table: Option<u32>,
    /// The table of the VRF that the interface is in.
    pub vrf_slave: Option<u32>,
    /// The tag of a VLAN interface: identifier and whether it is 802.1ad.
    pub vlan: Option<(u16, bool)>,
    /// Further words and numbers in Linux's order: text word, JSON key and value.
    pub numbers: Vec<(String, String, u64)>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// Number of the interface.
    pub ifindex: u32,
    /// Name of the interface.
    pub ifname: String,
    /// The interface that carries it.
    pub link: Option<String>,
    /// `IFF_*`
    pub flags: u32,
    /// The interface that carries it is down.
    pub link_down: bool,
    /// Bytes of an IP packet.
    pub mtu: u32,
    /// Name of the queueing discipline.
    pub qdisc: String,
    /// `UP`, `DOWN`, `LOWERLAYERDOWN`, `UNKNOWN`, ...
    pub operstate: String,
    /// `DEFAULT` or `DORMANT`
    pub linkmode: String,
    /// Group of interfaces.
    pub group: u32,
    /// The VRF that it is in.
    pub master: Option<String>,
    /// Packets that may wait to be sent.
    pub txqlen: u32,
    /// `ether` or `loopback`
    pub link_type: String,
    /// Ethernet address.
    pub address: [u8; 6],
    /// Ethernet broadcast address.
    pub broadcast: [u8; 6],
    /// Text of the operator.
    pub ifalias: Option<String>,
    /// For `-details`.
    pub details: LinkDetails,
    /// For `-statistics`.
    pub stats: LinkStats,
    /// Addresses, for `ip address`.
    pub addrs: Vec<AddrView>,
}

impl LinkFilter {
    /// Whether `ip link show` prints this interface under this filter.
    #[must_use]
    pub fn accepts(&self, link: &LinkView) -> bool {
        self.dev.as_ref().is_none_or(|dev| *dev == link.ifname)
            && (!self.up || link.flags & iff::UP != 0)
            && (self.kind.is_none() || self.kind == link.details.kind)
            && self.group.is_none_or(|group| group == link.group)
            && match &self.master {
                None => true,
                Some(Master::None) => link.master.is_none(),
                Some(Master::Device(name) | Master::Vrf(name)) => {
                    link.master.as_ref() == Some(name)
                }
            }
    }
}

/// What `ip link show` prints for these interfaces, those that the filter refuses left out.
pub fn show_links<'a>(
    links: impl IntoIterator<Item = &'a LinkView>,
    filter: &LinkFilter,
    options: &Options,
) -> String {
    let mut listing = Listing::new(options);
    for link in links.into_iter().filter(|link| filter.accepts(link)) {
        listing.entry(|entry| {
            if options.brief {
                print_brief(entry, link);
                let address = mac(link.address);
                entry.field("address", address.as_str(), format_args!("{address} "));
                print_flags(entry, link);
                entry.text(format_args!("\n"));
                return;
            }
            print_header(entry, link, true);
            print_hardware(entry, link, options);
            if options.statistics > 0 {
                stats::print(entry, &link.stats, options);
            }
            entry.text(format_args!("\n"));
        });
    }
    listing.finish()
}

/// What `ip address show` prints for these interfaces, what the filter refuses left out.
pub fn show_addresses<'a>(
    links: impl IntoIterator<Item = &'a LinkView>,
    filter: &AddrFilter,
    options: &Options,
) -> String {
    let AddrFilter { dev, up, kind, group, master, .. } = filter.clone();
    let by_link = LinkFilter { dev, up, kind, group, master };
    // A prefix, `-4` or `-6` asks for the addresses of a family: what has none is left out, and so
    // is the hardware.
    let inet_only = filter.family != Inet::Any;
    let mut listing = Listing::new(options);
    for link in links.into_iter().filter(|link| by_link.accepts(link)) {
        let addrs: Vec<&AddrView> =
            link.addrs.iter().filter(|a| filter.accepts(a, &link.ifname)).collect();
        if addrs.is_empty() && (inet_only || filter.label.is_some() || !link.addrs.is_empty()) {
            continue;
        }
        let header = filter.label.is_none() && (!options.oneline || options.brief);
        listing.entry(|entry| {
            if options.brief {
                if header {
                    print_brief(entry, link);
                }
                entry.list("addr_info", addrs, print_addr_brief);
                entry.text(format_args!("\n"));
                return;
            }
            if header {
                print_header(entry, link, false);
                if !inet_only {
                    print_hardware(entry, link, options);
                }
                entry.text(format_args!("\n"));
            }
            entry.list("addr_info", addrs, |entry, addr| print_addr(entry, link, addr, options));
            if header && options.statistics > 0 {
                stats::print_after_addresses(entry, &link.stats, options);
            }
        });
    }
    listing.finish()
}

/// What `ip monitor` prints for an interface.
#[must_use]
pub fn show_link_event(link: &LinkView, options: &Options) -> String {
    let mut listing = Listing::new(options);
    listing.entry(|entry| {
        print_header(entry, &LinkView { txqlen: 0, ..link.clone() }, false);
        print_hardware(entry, link, options);
        entry.text(format_args!("\n"));
    });
    listing.finish()
}

/// What `ip monitor` prints for an address of an interface.
#[must_use]
pub fn show_address_event(link: &LinkView, addr: &AddrView, options: &Options) -> String {
    let mut listing = Listing::new(options);
    listing.entry(|entry| {
        entry.text(format_args!("{}: {}", link.ifindex, link.ifname));
        print_addr(entry, link, addr, &Options { oneline: false, ..options.clone() });
    });
    listing.finish()
}

fn print_brief(entry: &mut Entry<'_>, link: &LinkView) {
    match &link.link {
        Some(parent) => {
            entry.json("link", parent.as_str());
            let both = format!("{}@{parent}", link.ifname);
            entry.field("ifname", link.ifname.as_str(), format_args!("{both:<16} "));
        }
        None => entry.field("ifname", link.ifname.as_str(), format_args!("{:<16} ", link.ifname)),
    }
    entry.field("operstate", link.operstate.as_str(), format_args!("{:<14} ", link.operstate));
}

fn print_header(entry: &mut Entry<'_>, link: &LinkView, with_mode: bool) {
    entry.field("ifindex", link.ifindex, format_args!("{}: ", link.ifindex));
    match &link.link {
        Some(parent) => {
            entry.json("link", parent.as_str());
            entry.field("ifname", link.ifname.as_str(), format_args!("{}@{parent}: ", link.ifname));
        }
        None => entry.field("ifname", link.ifname.as_str(), format_args!("{}: ", link.ifname)),
    }
    print_flags(entry, link);
    entry.field("mtu", link.mtu, format_args!("mtu {} ", link.mtu));
    entry.field("qdisc", link.qdisc.as_str(), format_args!("qdisc {} ", link.qdisc));
    if let Some(master) = &link.master {
        entry.field("master", master.as_str(), format_args!("master {master} "));
    }
    entry.field("operstate", link.operstate.as_str(), format_args!("state {} ", link.operstate));
    if with_mode {
        entry.field("linkmode", link.linkmode.as_str(), format_args!("mode {} ", link.linkmode));
    }
    let group = names::group(link.group);
    entry.field("group", &*group, format_args!("group {group} "));
    if link.txqlen != 0 {
        entry.field("txqlen", link.txqlen, format_args!("qlen {}", link.txqlen));
    }
}

fn print_flags(entry: &mut Entry<'_>, link: &LinkView) {
    let mut words = Vec::new();
    if link.flags & (iff::UP | iff::RUNNING) == iff::UP {
        words.push("NO-CARRIER");
    }
    words.extend(FLAGS.iter().filter(|(_, bit)| link.flags & bit != 0).map(|(word, _)| *word));
    if link.link_down {
        words.push("M-DOWN");
    }
    if entry.is_json() {
        entry.words("flags", &words);
    } else {
        entry.text(format_args!("<{}> ", words.join(",")));
    }
}

fn print_hardware(entry: &mut Entry<'_>, link: &LinkView, options: &Options) {
    let line = entry.line_break;
    entry.field(
        "link_type",
        link.link_type.as_str(),
        format_args!("{line}    link/{} ", link.link_type),
    );
    let (address, broadcast) = (mac(link.address), mac(link.broadcast));
    entry.field("address", address.as_str(), format_args!("{address}"));
    entry.field("broadcast", broadcast.as_str(), format_args!(" brd {broadcast}"));
    if options.details {
        print_details(entry, &link.details);
    }
    if let Some(alias) = &link.ifalias {
        entry.field("ifalias", alias.as_str(), format_args!("{line}    alias {alias}"));
    }
}

fn print_details(entry: &mut Entry<'_>, details: &LinkDetails) {
    let line = entry.line_break;
    let LinkDetails { promiscuity, allmulti, min_mtu, max_mtu, .. } = *details;
    entry.field("promiscuity", promiscuity, format_args!(" promiscuity {promiscuity} "));
    entry.field("allmulti", allmulti, format_args!(" allmulti {allmulti} "));
    entry.field("min_mtu", min_mtu, format_args!("minmtu {min_mtu} "));
    entry.field("max_mtu", max_mtu, format_args!("maxmtu {max_mtu} "));
    if details.kind.is_some() || details.vrf_slave.is_some() {
        entry.object("linkinfo", |entry| {
            if let Some(kind) = &details.kind {
                entry.field("info_kind", kind.as_str(), format_args!("{line}    {kind} "));
            }
            if let Some(table) = details.vrf_table {
                entry.object("info_data", |entry| {
                    entry.field("table", table, format_args!("table {table} "));
                });
            }
            if let Some((id, service)) = details.vlan {
                let protocol = if service { "802.1ad" } else { "802.1Q" };
                entry.object("info_data", |entry| {
                    entry.field("protocol", protocol, format_args!("protocol {protocol} "));
                    entry.field("id", u32::from(id), format_args!("id {id} "));
                    entry.field("flags", flags_of_vlan(), format_args!("<REORDER_HDR> "));
                });
            }
            if let Some(table) = details.vrf_slave {
                entry.field("info_slave_kind", "vrf", format_args!("{line}    vrf_slave "));
                entry.object("info_slave_data", |entry| {
                    entry.field("table", table, format_args!("table {table} "));
                });
            }
        });
    }
    for (word, key, value) in &details.numbers {
        print_number(entry, word, key, *value);
    }
}

/// Tags are always taken off before the interface sees a frame.
fn flags_of_vlan() -> super::out::Json {
    super::out::Json::Array(vec!["REORDER_HDR".into()])
}

/// Keys of JSON objects are static; these are all that Linux prints here.
const DETAIL_KEYS: &[&str] = &[
    "num_tx_queues",
    "num_rx_queues",
    "gso_max_size",
    "gso_max_segs",
    "tso_max_size",
    "tso_max_segs",
    "gro_max_size",
];

fn print_number(entry: &mut Entry<'_>, word: &str, key: &str, value: u64) {
    if let Some(key) = DETAIL_KEYS.iter().find(|known| **known == key) {
        entry.field(key, value, format_args!("{word} {value} "));
    }
}

impl From<VlanSpec> for (u16, bool) {
    fn from(vlan: VlanSpec) -> Self {
        (vlan.id, vlan.protocol == VlanProtocol::Dot1ad)
    }
}

fn print_addr_brief(entry: &mut Entry<'_>, addr: &AddrView) {
    print_prefix(entry, addr, "");
}

/// The address itself; a peer takes the prefix length over.
fn print_prefix(entry: &mut Entry<'_>, addr: &AddrView, before: &str) {
    let AddrView { local, prefixlen, .. } = addr;
    entry.field("local", local.to_string(), format_args!("{before}{local}"));
    if let Some(peer) = addr.peer {
        entry.field("address", peer.to_string(), format_args!(" peer {peer}"));
    }
    entry.field("prefixlen", u32::from(*prefixlen), format_args!("/{prefixlen} "));
    if let Some(metric) = addr.metric.filter(|metric| *metric != 0) {
        entry.field("metric", metric, format_args!("metric {metric} "));
    }
}

fn print_addr(entry: &mut Entry<'_>, link: &LinkView, addr: &AddrView, options: &Options) {
    if options.oneline {
        entry.field("index", link.ifindex, format_args!("{}: {}", link.ifindex, link.ifname));
        entry.json("dev", link.ifname.as_str());
    }
    let six = addr.local.is_ipv6();
    let family = if six { "inet6" } else { "inet" };
    entry.field("family", family, format_args!("    {family} "));
    print_prefix(entry, addr, "");
    if let Some(broadcast) = addr.broadcast {
        entry.field("broadcast", broadcast.to_string(), format_args!("brd {broadcast} "));
    }
    let scope = if options.numeric {
        addr.scope.to_string()
    } else {
        names::scope(addr.scope).into_owned()
    };
    entry.field("scope", scope.as_str(), format_args!("scope {scope} "));
    // One bit means either, by the family.
    let other = if six { "secondary" } else { "temporary" };
    for (word, flag) in FLAG_WORDS.iter().filter(|(word, _)| *word != other) {
        let set = addr.flags & flag != 0;
        match *flag {
            PERMANENT if !set => entry.field("dynamic", true, format_args!("dynamic ")),
            PERMANENT => {}
            _ if set => entry.field(word, true, format_args!("{word} ")),
            _ => {}
        }
    }
    if let Some(label) = &addr.label {
        entry.field("label", label.as_str(), format_args!("{label}"));
    }
    entry.text(format_args!("{}       valid_lft ", entry_line(options)));
    print_lifetime(entry, "valid_life_time", addr.valid_lft);
    entry.text(format_args!(" preferred_lft "));
    print_lifetime(entry, "preferred_life_time", addr.preferred_lft);
    entry.text(format_args!("\n"));
}

fn entry_line(options: &Options) -> &'static str {
    if options.oneline { "\\" } else { "\n" }
}

fn print_lifetime(entry: &mut Entry<'_>, key: &'static str, seconds: Option<u32>) {
    match seconds {
        None => entry.field(key, u32::MAX, format_args!("forever")),
        Some(seconds) => entry.field(key, seconds, format_args!("{seconds}sec")),
    }
}

/// An Ethernet address as iproute2 prints it.
pub(super) fn mac(bytes: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = bytes;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// `fnmatch` with `*` and `?`, which is what labels are matched with.
fn glob(pattern: &str, text: &str) -> bool {
    fn matches(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                matches(rest, text) || text.split_first().is_some_and(|(_, t)| matches(pattern, t))
            }
            (Some((b'?', rest)), Some((_, t))) => matches(rest, t),
            (Some((p, rest)), Some((c, t))) => p == c && matches(rest, t),
            _ => false,
        }
    }
    matches(pattern.as_bytes(), text.as_bytes())
}
