//! What packets ask of sets.
//!
//! - takes: the parts of a packet that elements are made of
//! - gives: [`Sets`], part of the snapshot: whether a packet is in a set, and sets that packets change
//! - obeys: `ip_set_core` and the types' own `kadt`
//! - costs: a search among the names, then what [`Table`] costs

use std::sync::Arc;

use super::{
    element::{Element, name},
    kind::{Kind, Part},
    table::{Compare, Extensions, Question, Skb, Table},
};
use crate::graph::Nanos;

/// A packet as sets see it.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// IPv6.
    pub six: bool,
    /// Source and destination.
    pub addresses: [u128; 2],
    /// Protocol, none where a fragment does not tell its ports.
    pub proto: Option<u8>,
    /// Source and destination port; of ICMP twice the type and code.
    pub ports: [u16; 2],
    /// Source and destination of its frame.
    pub macs: Option<[[u8; 6]; 2]>,
    /// Names of the interfaces it comes and leaves by, empty for none.
    pub ifaces: [&'a str; 2],
    /// Bytes from the network header on.
    pub len: u64,
    /// Time.
    pub now: Nanos,
}

/// How a packet is looked for, or what is put in for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// How many sides are said, and which of them are sources, the first lowest.
    pub sides: (u8, u8),
    /// Exempt elements are found instead.
    pub return_nomatch: bool,
    /// Finding it does not count.
    pub keep_counters: bool,
    /// Nor in the sets that a list holds.
    pub keep_subcounters: bool,
    /// Its packets must compare so.
    pub packets: Option<Compare>,
    /// Its bytes must compare so.
    pub bytes: Option<Compare>,
    /// One that is there gets a new timeout.
    pub exist: bool,
    /// Seconds it stays, if not the set's own.
    pub timeout: Option<u32>,
}

/// A set by its name.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) table: Arc<Table>,
    /// Of a list: rows of its members, and their numbers in it.
    pub(super) members: Vec<(usize, u64)>,
}

/// All sets, by name.
#[derive(Debug, Default)]
pub struct Sets {
    rows: Vec<Row>,
}

impl Sets {
    /// Of rows in the order of their names.
    pub(super) fn new(rows: Vec<Row>) -> Self {
        Self { rows }
    }

    fn row(&self, name: &str) -> Option<&Row> {
        let at = self.rows.binary_search_by(|row| row.name.as_str().cmp(name)).ok()?;
        self.rows.get(at)
    }

    /// Whether a packet is in a set, and then what it takes from there.
    pub fn find(&self, name: &str, packet: &Packet<'_>, how: &How) -> Option<Skb> {
        self.find_in(self.row(name)?, packet, how)
    }

    /// Puts a packet's element in.
    pub fn add(&self, name: &str, packet: &Packet<'_>, how: &How) -> bool {
        self.row(name).is_some_and(|row| self.add_to(row, packet, how))
    }

    /// Takes a packet's element out.
    pub fn del(&self, name: &str, packet: &Packet<'_>, how: &How) -> bool {
        self.row(name).is_some_and(|row| self.del_from(row, packet, how))
    }

    fn find_in(&self, row: &Row, packet: &Packet<'_>, how: &How) -> Option<Skb> {
        let table = &*row.table;
        if !fits(table, packet, how) {
            return None;
        }
        let question = Question {
            count: (!how.keep_counters).then_some((1, packet.len)),
            packets: how.packets,
            bytes: how.bytes,
        };
        if table.spec().kind == Kind::List {
            let inner = How {
                packets: None,
                bytes: None,
                keep_counters: how.keep_counters || how.keep_subcounters,
                ..*how
            };
            return row.members.iter().find_map(|(member, number)| {
                let found = self.find_in(self.rows.get(*member)?, packet, &inner)?;
                let element = Element { ip: [(*number).into(), 0], ..Element::default() };
                let place = table.find(&element, &question, packet.now)?;
                Some(table.skb(place).unwrap_or(found))
            });
        }
        let element = element(table, packet, how, false)?;
        let place = table.find(&element, &question, packet.now)?;
        let wanted = how.return_nomatch && table.spec().kind.has_nets();
        (table.is_exempt(place) == wanted).then(|| table.skb(place).unwrap_or_default())
    }

    fn add_to(&self, row: &Row, packet: &Packet<'_>, how: &How) -> bool {
        let table = &*row.table;
        if !fits(table, packet, how) {
            return false;
        }
        if table.spec().kind == Kind::List {
            let mut members = row.members.iter().filter_map(|(member, _)| self.rows.get(*member));
            return members.any(|member| self.add_to(member, packet, how));
        }
        let Some(element) = element(table, packet, how, true) else { return false };
        let with = Extensions {
            timeout: how.timeout.or(table.spec().timeout).unwrap_or_default(),
            packets: 1,
            bytes: packet.len,
            ..Extensions::default()
        };
        table.add(&element, &with, how.exist, packet.now).is_ok()
    }

    fn del_from(&self, row: &Row, packet: &Packet<'_>, how: &How) -> bool {
        let table = &*row.table;
        if !fits(table, packet, how) {
            return false;
        }
        if table.spec().kind == Kind::List {
            let mut members = row.members.iter().filter_map(|(member, _)| self.rows.get(*member));
            return members.any(|member| self.del_from(member, packet, how));
        }
        element(table, packet, how, true).is_some_and(|element| table.del(&element, packet.now))
    }
}

/// Whether a set can say anything of a packet.
fn fits(table: &Table, packet: &Packet<'_>, how: &How) -> bool {
    let spec = table.spec();
    let family = match spec.kind {
        Kind::BitmapIp | Kind::BitmapIpMac => !packet.six,
        kind => !kind.has_family() || spec.six == packet.six,
    };
    family && usize::from(how.sides.0) >= spec.kind.parts().len()
}

/// The element that a packet has in a set; one to `store` has the longest prefix that the set knows.
fn element(table: &Table, packet: &Packet<'_>, how: &How, store: bool) -> Option<Element> {
    let spec = table.spec();
    let mut element = Element::default();
    let mut address = 0;
    for (at, part) in spec.kind.parts().iter().enumerate() {
        let side = usize::from(how.sides.1 >> at & 1 == 0);
        match part {
            Part::Ip => {
                let ip = packet.addresses[side];
                let ip = spec.cut(ip, spec.netmask.unwrap_or_else(|| spec.host()));
                let range = u128::from(spec.range.0)..=u128::from(spec.range.1);
                if spec.kind.is_bitmap() && !range.contains(&ip)
                    || ip == 0 && !spec.kind.is_bitmap()
                {
                    return None;
                }
                element.ip[address] = ip;
                address += 1;
            }
            Part::Net => {
                let len = if store { table.longest(address) } else { spec.host() };
                element.ip[address] = spec.cut(packet.addresses[side], len);
                element.len[address] = len;
                address += 1;
            }
            Part::Port => {
                element.proto = packet.proto?;
                element.port = packet.ports[side];
            }
            Part::PlainPort => {
                let range = spec.range.0..=spec.range.1;
                let port = packet.ports[side];
                let has = matches!(packet.proto?, 6 | 17);
                if !has || !range.contains(&port.into()) {
                    return None;
                }
                element.port = port;
            }
            Part::Mac => {
                element.mac = packet.macs?[side];
                if element.mac == [0; 6] {
                    return None;
                }
            }
            Part::Iface => {
                let found = packet.ifaces[side];
                if found.is_empty() {
                    return None;
                }
                element.iface = name(found);
            }
            Part::Set => {}
        }
    }
    Some(element)
}
