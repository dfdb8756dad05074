//! `ip link`: interfaces as the operator writes them.

use super::addr;
use super::error::Fact;
use super::usage::{Object, Usage};
use super::words::{Parse, Words, abbreviates, c_number};

/// What `ip link` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkCommand {
    /// Change an interface.
    Set {
        /// The interface.
        dev: String,
        /// What to change.
        change: LinkChange,
    },
    /// Make a VLAN interface.
    Add {
        /// Name of the new interface; `None` lets the router choose `PARENT.ID`.
        name: Option<String>,
        /// The interface that carries it.
        link: Option<String>,
        /// Its VLAN.
        vlan: VlanSpec,
        /// What to set at once.
        change: LinkChange,
    },
    /// Make a VRF.
    AddVrf {
        /// Its name.
        name: String,
        /// The table in which its routes stand.
        table: u32,
        /// What to set at once.
        change: LinkChange,
    },
    /// Change all interfaces of a group.
    SetGroup {
        /// The group.
        group: u32,
        /// What to change.
        change: LinkChange,
    },
    /// Take an interface away.
    Del {
        /// The interface.
        dev: String,
    },
    /// Print interfaces.
    Show(LinkFilter),
}

/// Settings of an interface; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkChange {
    /// `up` or `down`.
    pub up: Option<bool>,
    /// The link itself, for devices that exist only in memory.
    pub carrier: Option<bool>,
    /// Bytes of an IP packet.
    pub mtu: Option<u32>,
    /// Ethernet address.
    pub address: Option<[u8; 6]>,
    /// A new name.
    pub name: Option<String>,
    /// Free text; empty takes it away.
    pub alias: Option<String>,
    /// Take frames for anyone.
    pub promisc: Option<bool>,
    /// Take all multicast frames.
    pub allmulticast: Option<bool>,
    /// The MULTICAST flag.
    pub multicast: Option<bool>,
    /// Resolve neighbours; `off` sets NOARP.
    pub arp: Option<bool>,
    /// Packets that may wait to be sent.
    pub txqueuelen: Option<u32>,
    /// The VRF to be in.
    pub master: Option<Master>,
    /// Group of interfaces.
    pub group: Option<u32>,
}

/// What `master`, `vrf` and `nomaster` say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Master {
    /// None.
    None,
    /// This one.
    Device(String),
    /// This one, which is a VRF.
    Vrf(String),
}

/// The tag of a VLAN interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanSpec {
    /// 1 to 4094.
    pub id: u16,
    /// Ethernet type of the tag.
    pub protocol: VlanProtocol,
}

/// Ethernet type of a VLAN tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VlanProtocol {
    /// 0x8100
    #[default]
    Dot1q,
    /// 0x88a8
    Dot1ad,
}

/// Which interfaces `ip link show` prints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFilter {
    /// The interface.
    pub dev: Option<String>,
    /// Only interfaces that are up.
    pub up: bool,
    /// Type of the link.
    pub kind: Option<String>,
    /// Group of interfaces.
    pub group: Option<u32>,
    /// The VRF that the interface is in.
    pub master: Option<Master>,
}

pub(super) fn read(words: &mut Words<'_>) -> Parse<LinkCommand> {
    let Some(verb) = words.take() else {
        return Ok(LinkCommand::Show(LinkFilter::default()));
    };
    let is = |full: &str| abbreviates(verb, full);
    if is("add") {
        read_add(words)
    } else if is("set") || is("change") {
        let mut read = read_words(words)?;
        if read.kind.is_some() {
            return words.unsupported("link set type");
        }
        match (read.dev, read.change.group) {
            (Some(dev), _) => Ok(LinkCommand::Set { dev, change: read.change }),
            (None, Some(group)) => {
                read.change.group = None;
                Ok(LinkCommand::SetGroup { group, change: read.change })
            }
            (None, None) => words.fail_end(Fact::LinkDevRequired),
        }
    } else if is("replace") {
        words.unsupported("link replace")
    } else if is("delete") {
        let read = read_words(words)?;
        let Some(dev) = read.dev else {
            return words.fail_end(Fact::LinkDevRequired);
        };
        Ok(LinkCommand::Del { dev })
    } else if is("show") || is("lst") || is("list") {
        let filter = addr::read_filter(words, Object::Link)?;
        let addr::AddrFilter { dev, up, kind, group, master, .. } = filter;
        Ok(LinkCommand::Show(LinkFilter { dev, up, kind, group, master }))
    } else if is("xstats") || is("afstats") || is("property") {
        words.unsupported(format!("link {verb}"))
    } else if is("help") {
        words.fail(Fact::Usage(Usage(Some(Object::Link))))
    } else {
        words.fail(Fact::UnknownCommand { word: verb.to_owned(), object: "link" })
    }
}

fn read_add(words: &mut Words<'_>) -> Parse<LinkCommand> {
    let mut read = read_words(words)?;
    let name = match (read.change.name.take(), read.dev) {
        (Some(_), Some(_)) => return words.fail_end(Fact::TwoNames),
        (name, dev) => name.or(dev),
    };
    match read.kind {
        None => words.fail_end(Fact::TypeRequired),
        Some(Kind::Other(kind)) => words.unsupported(format!("link add type {kind}")),
        Some(Kind::Vrf { table }) => {
            let Some(table) = table else {
                return words.fail_end(Fact::Kernel("Error: VRF table id is missing."));
            };
            if table == 0 {
                return words.fail_end(Fact::Kernel("Error: Invalid VRF table id."));
            }
            match name {
                Some(name) => Ok(LinkCommand::AddVrf { name, table, change: read.change }),
                None => words.unsupported("link add without a name"),
            }
        }
        Some(Kind::Vlan { id: None, .. }) => {
            words.fail_end(Fact::Kernel("Error: VLAN properties not specified."))
        }
        Some(Kind::Vlan { id: Some(0xfff..), .. }) => {
            words.fail_end(Fact::Kernel("Error: Invalid VLAN id."))
        }
        Some(Kind::Vlan { id: Some(id), protocol }) => Ok(LinkCommand::Add {
            name,
            link: read.link,
            vlan: VlanSpec { id, protocol },
            change: read.change,
        }),
    }
}

/// What stands after `type`.
enum Kind {
    Vlan { id: Option<u16>, protocol: VlanProtocol },
    Vrf { table: Option<u32> },
    Other(String),
}

#[derive(Default)]
struct ReadLink {
    dev: Option<String>,
    link: Option<String>,
    kind: Option<Kind>,
    change: LinkChange,
}

/// Words that iproute2 knows and this router does not do.
const NOT_YET: &[&str] = &[
    "index",
    "broadcast",
    "brd",
    "xdp",
    "xdpgeneric",
    "xdpdrv",
    "xdpoffload",
    "netns",
    "trailers",
    "vf",
    "dynamic",
    "mode",
    "state",
    "numtxqueues",
    "numrxqueues",
    "addrgenmode",
    "link-netns",
    "link-netnsid",
    "protodown",
    "protodown_reason",
    "gso_max_size",
    "gso_max_segs",
    "gro_max_size",
    "parentdev",
];

fn read_words(words: &mut Words<'_>) -> Parse<ReadLink> {
    let mut read = ReadLink::default();
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        let change = &mut read.change;
        if word == "up" {
            change.up = Some(true);
        } else if word == "down" {
            change.up = Some(false);
        } else if word == "name" {
            let value = words.value()?;
            words.once(change.name.is_some(), "name", value)?;
            if !is_ifname(value) {
                return words.wrong(value, "\"name\" not a valid ifname");
            }
            change.name = Some(value.to_owned());
        } else if word == "index" {
            return words.unsupported("index");
        } else if is("link") {
            read.link = Some(words.value()?.to_owned());
        } else if is("address") {
            change.address = Some(read_mac(words)?);
        } else if is("txqueuelen") || is("qlen") || is("txqlen") {
            let value = words.value()?;
            words.once(change.txqueuelen.is_some(), "txqueuelen", value)?;
            words.back();
            change.txqueuelen =
                Some(words.number(i32::MAX.unsigned_abs(), "Invalid \"txqueuelen\" value")?);
        } else if word == "mtu" {
            let value = words.value()?;
            words.once(change.mtu.is_some(), "mtu", value)?;
            words.back();
            change.mtu = Some(words.number(i32::MAX.unsigned_abs(), "Invalid \"mtu\" value")?);
        } else if word == "carrier" {
            change.carrier = Some(words.on_off("carrier")?);
        } else if word == "multicast" {
            change.multicast = Some(words.on_off("multicast")?);
        } else if word == "allmulticast" {
            change.allmulticast = Some(words.on_off("allmulticast")?);
        } else if word == "promisc" {
            change.promisc = Some(words.on_off("promisc")?);
        } else if word == "arp" {
            change.arp = Some(words.on_off("arp")?);
        } else if word == "master" {
            change.master = Some(Master::Device(words.value()?.to_owned()));
        } else if word == "vrf" {
            change.master = Some(Master::Vrf(words.value()?.to_owned()));
        } else if word == "nomaster" {
            change.master = Some(Master::None);
        } else if word == "group" {
            change.group = Some(words.group("Invalid \"group\" value")?);
        } else if is("type") {
            read.kind = Some(read_type(words)?);
        } else if is("alias") {
            change.alias = Some(words.value()?.to_owned());
        } else if NOT_YET.contains(&word) {
            return words.unsupported(format!("link {word}"));
        } else {
            if is("help") {
                return words.fail(Fact::Usage(Usage(Some(Object::Link))));
            }
            let word = if word == "dev" { words.value()? } else { word };
            words.once_or_garbage(read.dev.is_some(), "dev", word)?;
            read.dev = Some(word.to_owned());
        }
    }
    Ok(read)
}

fn read_mac(words: &mut Words<'_>) -> Parse<[u8; 6]> {
    let bytes = words.lladdr()?;
    match <[u8; 6]>::try_from(bytes.as_slice()) {
        Ok(mac) => Ok(mac),
        Err(_) => words.fail(Fact::LladdrLength { len: bytes.len() }),
    }
}

/// The type and all words after it.
fn read_type(words: &mut Words<'_>) -> Parse<Kind> {
    let kind = words.value()?;
    if kind == "vrf" {
        return read_vrf(words);
    }
    if kind != "vlan" {
        // What follows belongs to the type and cannot be judged without knowing it.
        while words.take().is_some() {}
        return Ok(Kind::Other(kind.to_owned()));
    }
    let (mut id, mut protocol) = (None, VlanProtocol::Dot1q);
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        if is("protocol") {
            protocol = read_vlan_protocol(words)?;
        } else if is("id") {
            let value = words.value()?;
            match c_number(value, 0).and_then(|n| u16::try_from(n).ok()) {
                Some(n) => id = Some(n),
                None => return words.wrong(value, "id is invalid"),
            }
        } else if ["reorder_hdr", "gvrp", "mvrp", "loose_binding", "bridge_binding"]
            .iter()
            .chain(&["ingress-qos-map", "egress-qos-map"])
            .any(|full| is(full))
        {
            return words.unsupported(format!("vlan {word}"));
        } else if is("help") {
            return words.fail(Fact::Usage(Usage(Some(Object::Link))));
        } else {
            return words.fail(Fact::UnknownTypeArgument { kind: "vlan", word: word.to_owned() });
        }
    }
    Ok(Kind::Vlan { id, protocol })
}

/// What stands after `type vrf`.
fn read_vrf(words: &mut Words<'_>) -> Parse<Kind> {
    let mut table = None;
    while let Some(word) = words.take() {
        if abbreviates(word, "table") {
            table = Some(words.table("invalid table ID")?);
        } else if abbreviates(word, "help") {
            return words.fail(Fact::VrfHelp);
        } else {
            return words.fail(Fact::UnknownTypeOption { kind: "vrf", word: word.to_owned() });
        }
    }
    Ok(Kind::Vrf { table })
}

fn read_vlan_protocol(words: &mut Words<'_>) -> Parse<VlanProtocol> {
    let word = words.value()?;
    match word.to_ascii_lowercase().as_str() {
        "802.1q" => Ok(VlanProtocol::Dot1q),
        "802.1ad" => Ok(VlanProtocol::Dot1ad),
        _ => words.wrong(word, "protocol is invalid"),
    }
}

/// Linux's rule for interface names.
pub(super) fn is_ifname(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 16
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c.is_whitespace())
}
