//! Commands of iproute2, carried out; what they print is as `ip` prints it.

use ipnet::Ipv4Net;

use super::Desk;
use crate::{
    control::{AddressError, IfaceSpec},
    iproute2::{
        Action, AddrCommand, AddrFilter, AddrSpec, Broadcast, Command, LinkChange, LinkCommand,
        Options, VlanProtocol, VlanSpec,
        show::{self, AddrView, LinkDetails, LinkStats, LinkView, iff},
    },
    port::table::{Iface, IfaceAddr},
    route::spec::scope,
};

/// MTU of a VRF's interface and its least, as the kernel shows them.
const VRF_MTU: u32 = 65_575;
const VRF_MIN_MTU: u32 = 1280;

/// A command that was not carried out.
pub(super) struct Refused {
    pub(super) message: String,
    /// Exit status of `ip`.
    pub(super) status: u8,
}

impl Refused {
    /// A value that does not fit, as `ip` says it.
    pub(super) fn argument(word: &str, what: &str) -> Self {
        Self { message: format!("Error: argument \"{word}\" is wrong: {what}"), status: 255 }
    }

    /// What `ip` itself finds out ends with 1, what the kernel refuses with 2.
    pub(super) fn new(message: impl ToString) -> Self {
        let message = message.to_string();
        let status = if message.starts_with("Cannot find device") { 1 } else { 2 };
        Self { message, status }
    }

    pub(super) fn unsupported() -> Self {
        Self::new("RTNETLINK answers: Operation not supported")
    }

    pub(super) fn invalid() -> Self {
        Self::new("RTNETLINK answers: Invalid argument")
    }

    pub(super) fn no_device(name: &str) -> Self {
        Self::new(format!("Cannot find device \"{name}\""))
    }
}

pub(super) type Done = Result<String, Refused>;

impl Desk<'_> {
    /// Carries a command out; gives what it prints.
    pub(super) fn execute(&mut self, command: &Command) -> Done {
        let options = &command.options;
        match &command.action {
            Action::Link(link) => self.link(link, options),
            Action::Addr(addr) => self.addr(addr, options),
            Action::Route(route) => self.route(route, options),
            Action::Neigh(neigh) => self.neigh(neigh, options),
            Action::Ntable(ntable) => self.ntable(ntable, options),
            Action::Rule(rule) => self.rule(rule, options),
            Action::Nexthop(nexthop) => self.nexthop(nexthop, options),
            Action::Maddr(maddr) => self.maddr(maddr, options),
            Action::Vrf(vrf) => self.vrf(vrf, options),
            Action::Monitor(_) | Action::Batch(_) => Err(Refused::unsupported()),
        }
    }

    pub(super) fn known(&self, name: &str) -> Result<&Iface, Refused> {
        self.router.iface(name).ok_or_else(|| Refused::no_device(name))
    }

    /// The same of a filter, in the words of `ip route` and `ip neigh`.
    pub(super) fn check_filter(&self, dev: Option<&String>) -> Result<(), Refused> {
        dev.map_or(Ok(()), |dev| self.known(dev).map(|_| ()))
    }

    /// The same in the words of `ip link` and `ip addr`.
    pub(super) fn check_dev(&self, dev: Option<&String>) -> Result<(), Refused> {
        match dev {
            Some(dev) if self.router.iface(dev).is_none() => {
                let message = format!("Device \"{dev}\" does not exist.");
                Err(Refused { message, status: 1 })
            }
            _ => Ok(()),
        }
    }

    // ---- links ----

    fn link(&mut self, command: &LinkCommand, options: &Options) -> Done {
        match command {
            LinkCommand::Show(filter) => {
                self.check_dev(filter.dev.as_ref())?;
                self.check_master(filter.master.as_ref())?;
                Ok(show::show_links(&self.link_views(), filter, options))
            }
            LinkCommand::Set { dev, change } => self.change_link(dev, change),
            LinkCommand::Add { name, link, vlan, change } => {
                self.add_vlan(name.as_ref(), link.as_ref(), *vlan, change)
            }
            LinkCommand::AddVrf { name, table, change } => self.add_vrf(name, *table, change),
            LinkCommand::SetGroup { group, change } => {
                let of = self.router.ifaces().iter().filter(|iface| iface.group == *group);
                let names: Vec<String> = of.map(|iface| iface.name.clone()).collect();
                for name in names {
                    self.change_link(&name, change)?;
                }
                Ok(String::new())
            }
            LinkCommand::Del { dev } => {
                let iface = self.known(dev)?;
                if iface.vlan.is_none() && iface.vrf_table.is_none() {
                    return Err(Refused::unsupported());
                }
                self.router.delete_iface(dev).map_err(Refused::new)?;
                Ok(String::new())
            }
        }
    }

    pub(super) fn change_link(&mut self, dev: &str, change: &LinkChange) -> Done {
        self.known(dev)?;
        let LinkChange {
            up,
            carrier,
            mtu,
            address: None,
            name: None,
            alias: None,
            promisc: None,
            allmulticast: None,
            multicast: None,
            arp: None,
            txqueuelen: None,
            master,
            group,
        } = change
        else {
            return Err(Refused::unsupported());
        };
        if let Some(mtu) = mtu {
            let mtu = u16::try_from(*mtu)
                .map_err(|_| Refused::new("Error: mtu greater than device maximum."))?;
            self.router.set_mtu(dev, mtu).map_err(Refused::new)?;
        }
        if let Some(master) = master {
            self.set_master(dev, master)?;
        }
        if let Some(group) = group {
            self.router.set_group(dev, *group).map_err(Refused::new)?;
        }
        if let Some(carrier) = carrier {
            let port = self.known(dev)?.port;
            // A device says itself whether it has a link.
            if (self.devices)().iter().any(|device| device.port == port) {
                return Err(Refused::unsupported());
            }
            self.router.set_carrier(port, *carrier);
        }
        if let Some(up) = up {
            self.router.set_up(dev, *up).map_err(Refused::new)?;
        }
        Ok(String::new())
    }

    fn add_vlan(
        &mut self,
        name: Option<&String>,
        link: Option<&String>,
        vlan: VlanSpec,
        change: &LinkChange,
    ) -> Done {
        if vlan.protocol != VlanProtocol::Dot1q {
            return Err(Refused::unsupported());
        }
        let link = link.ok_or_else(Refused::invalid)?;
        let parent = self.known(link)?;
        let spec = IfaceSpec {
            name: name.cloned().unwrap_or_else(|| format!("{link}.{}", vlan.id)),
            port: parent.port,
            vlan: Some(vlan.id),
            mac: parent.mac,
            mtu: parent.mtu,
            conf: parent.conf,
            conf6: parent.conf6,
        };
        let name = spec.name.clone();
        self.router.add_iface(spec).map_err(Refused::new)?;
        self.change_link(&name, change)
    }

    fn link_views(&self) -> Vec<LinkView> {
        let devices = (self.devices)();
        let ifaces = self.router.ifaces().iter();
        ifaces
            .map(|iface| {
                let at = usize::from(iface.index);
                let sum = |of: fn(&crate::graph::IfaceCounts) -> u64| {
                    self.tally().sum(|stats| stats.ifaces.get(at).map_or(0, of))
                };
                let device = devices.iter().find(|device| device.port == iface.port);
                let device = device.filter(|_| iface.vlan.is_none());
                let counted = device.map(|device| device.stats).unwrap_or_default();
                let mut stats = LinkStats::default();
                stats.rx.packets = sum(|counts| counts.rx_packets.get());
                stats.rx.bytes = sum(|counts| counts.rx_bytes.get());
                stats.rx.errors = counted.rx_errors;
                stats.rx.missed_errors = counted.rx_missed + counted.rx_no_buffer;
                stats.tx.packets = sum(|counts| counts.tx_packets.get());
                stats.tx.bytes = sum(|counts| counts.tx_bytes.get());
                stats.tx.errors = counted.tx_errors;
                stats.tx.dropped = sum(|counts| counts.tx_dropped.get());
                self.link_view(iface, stats)
            })
            .collect()
    }

    pub(super) fn link_view(&self, iface: &Iface, stats: LinkStats) -> LinkView {
        let is_vrf = iface.vrf_table.is_some();
        let mut flags =
            if is_vrf { iff::NOARP | iff::MASTER } else { iff::BROADCAST | iff::MULTICAST };
        if iface.up {
            flags |= iff::UP;
            flags |= if iface.carrier { iff::RUNNING | iff::LOWER_UP } else { 0 };
        }
        let operstate = match (iface.up, iface.carrier) {
            (true, true) => "UP",
            (true, false) if iface.vlan.is_some() => "LOWERLAYERDOWN",
            _ => "DOWN",
        };
        LinkView {
            ifindex: u32::from(iface.index),
            ifname: iface.name.clone(),
            link: iface.parent.map(|parent| self.name(parent)),
            flags,
            link_down: iface.up && !iface.carrier,
            mtu: if is_vrf { VRF_MTU } else { u32::from(iface.mtu) },
            qdisc: if iface.vlan.is_some() || is_vrf { "noqueue" } else { "mq" }.to_owned(),
            operstate: operstate.to_owned(),
            linkmode: "DEFAULT".to_owned(),
            group: iface.group,
            master: (iface.vrf != 0).then(|| self.name(iface.vrf)),
            txqlen: 1000,
            link_type: "ether".to_owned(),
            address: iface.mac.octets(),
            broadcast: [0xff; 6],
            ifalias: None,
            details: LinkDetails {
                min_mtu: if is_vrf { VRF_MIN_MTU } else { 68 },
                max_mtu: if is_vrf { VRF_MTU } else { u32::from(u16::MAX) },
                kind: match (iface.vlan, is_vrf) {
                    (Some(_), _) => Some("vlan".to_owned()),
                    (None, true) => Some("vrf".to_owned()),
                    (None, false) => None,
                },
                vrf_table: iface.vrf_table,
                vrf_slave: (iface.vrf != 0).then(|| self.router.table_of(iface.index)),
                vlan: iface.vlan.map(|vlan| (vlan, false)),
                ..LinkDetails::default()
            },
            stats,
            addrs: iface.addresses.iter().map(|own| address_view(iface, own)).collect(),
        }
    }

    // ---- addresses ----

    fn addr(&mut self, command: &AddrCommand, options: &Options) -> Done {
        match command {
            AddrCommand::Show(filter) => {
                self.check_dev(filter.dev.as_ref())?;
                self.check_master(filter.master.as_ref())?;
                Ok(show::show_addresses(&self.link_views(), filter, options))
            }
            AddrCommand::Add(spec) => self.add_address(spec, false),
            AddrCommand::Replace(spec) | AddrCommand::Change(spec) => self.add_address(spec, true),
            AddrCommand::Del { spec, wildcard } => self.delete_address(spec, *wildcard),
            AddrCommand::Flush(filter) => self.flush_addresses(filter),
        }
    }

    fn add_address(&mut self, spec: &AddrSpec, replace: bool) -> Done {
        self.known(&spec.dev)?;
        let plain = spec.peer.is_none_or(|peer| Some(peer) == spec.local)
            && !spec.noprefixroute
            && spec.metric.is_none()
            && spec.valid_lft.is_none()
            && spec.label.as_ref().is_none_or(|label| *label == spec.dev);
        if !plain {
            return Err(Refused::unsupported());
        }
        let local = spec.local.ok_or_else(Refused::invalid)?;
        let net = Ipv4Net::new(local, spec.prefixlen).map_err(|_| Refused::invalid())?;
        let broadcast = match spec.broadcast {
            Broadcast::None => None,
            Broadcast::Address(address) => Some(address),
        };
        match self.router.add_address(&spec.dev, net, broadcast) {
            Err(AddressError::Exists) if replace => Ok(String::new()),
            Err(error) => Err(Refused::new(error)),
            Ok(()) => Ok(String::new()),
        }
    }

    fn delete_address(&mut self, spec: &AddrSpec, wildcard: bool) -> Done {
        let iface = self.known(&spec.dev)?;
        let fits = |net: &Ipv4Net| {
            spec.local.is_none_or(|local| local == net.addr())
                && (wildcard || spec.prefixlen == net.prefix_len())
        };
        let found = iface.addresses.iter().map(|own| own.local).find(fits);
        let net = found.ok_or_else(|| Refused::new(AddressError::NotFound))?;
        self.router.delete_address(&spec.dev, net).map_err(Refused::new)?;
        Ok(String::new())
    }

    fn flush_addresses(&mut self, filter: &AddrFilter) -> Done {
        self.check_dev(filter.dev.as_ref())?;
        let fits = |net: &Ipv4Net| filter.to.is_none_or(|to| to.contains(&net.addr()));
        let mut found = Vec::new();
        for iface in self.router.ifaces() {
            if filter.dev.as_ref().is_none_or(|dev| *dev == iface.name) {
                let own = iface.addresses.iter().map(|own| own.local).filter(fits);
                found.extend(own.map(|net| (iface.name.clone(), net)));
            }
        }
        for (name, net) in found {
            self.router.delete_address(&name, net).map_err(Refused::new)?;
        }
        Ok(String::new())
    }
}

/// An address as `ip addr show` wants it.
pub(super) fn address_view(iface: &Iface, own: &IfaceAddr) -> AddrView {
    AddrView {
        local: own.local.addr(),
        peer: None,
        prefixlen: own.local.prefix_len(),
        metric: None,
        broadcast: own.broadcast,
        scope: scope::UNIVERSE,
        secondary: own.secondary,
        deprecated: false,
        noprefixroute: false,
        label: iface.name.clone(),
        valid_lft: None,
        preferred_lft: None,
    }
}
