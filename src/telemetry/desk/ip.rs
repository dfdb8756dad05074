//! Commands of iproute2, carried out; what they print is as `ip` prints it.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Desk;
use crate::{
    control::{AddressError, IfaceSpec, LinkError},
    iproute2::{
        Action, AddrCommand, AddrFilter, AddrSpec, Broadcast, Command, LinkChange, LinkCommand,
        NOPREFIXROUTE, Options, PERMANENT, VlanProtocol, VlanSpec,
        show::{self, AddrView, LinkDetails, LinkStats, LinkView, iff},
    },
    packet::MacAddr,
    port::table::{AddrFlags, Iface, IfaceAddr, IfaceAddr6, LOOPBACK},
    route::spec::scope,
};

/// MTU of a VRF's interface and its least, as the kernel shows them.
const VRF_MTU: u32 = 65_575;
/// That of the loopback.
const LOOPBACK_MTU: u32 = 65_536;
const VRF_MIN_MTU: u32 = 1280;

/// Flags of addresses (`IFA_F_*`).
const SECONDARY: u32 = 0x01;
const NODAD: u32 = 0x02;
const OPTIMISTIC: u32 = 0x04;
const HOME: u32 = 0x10;
const DEPRECATED: u32 = 0x20;
const MNGTMPADDR: u32 = 0x100;
const AUTOJOIN: u32 = 0x400;
/// `site` among the scopes of iproute2.
const SITE: u8 = 200;

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
            Action::Label(label) => self.label(label, options),
            Action::Monitor(_) | Action::Batch(_) => Err(Refused::unsupported()),
        }
    }

    pub(super) fn known(&self, name: &str) -> Result<&Iface, Refused> {
        self.router.iface(name).ok_or_else(|| Refused::no_device(name))
    }

    /// The same of a filter, in the words of `ip route` and `ip neigh`.
    pub(super) fn check_filter(&self, dev: Option<&String>) -> Result<(), Refused> {
        let dev = dev.filter(|dev| *dev != LOOPBACK);
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
            address,
            name: None,
            alias: None,
            promisc: None,
            allmulticast: None,
            multicast: None,
            arp,
            txqueuelen: None,
            master,
            group,
        } = change
        else {
            return Err(Refused::unsupported());
        };
        if self.known(dev)?.is_loopback() && (address.is_some() || arp.is_some()) {
            return Err(Refused::unsupported());
        }
        if let Some(address) = address {
            self.change_mac(dev, MacAddr(*address))?;
        }
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
        if let Some(arp) = arp {
            self.router.set_arp(dev, *arp).map_err(Refused::new)?;
        }
        if let Some(up) = up {
            self.router.set_up(dev, *up).map_err(Refused::new)?;
        }
        Ok(String::new())
    }

    /// A VLAN has the address of its port, which is all that a device listens for.
    fn change_mac(&mut self, dev: &str, mac: MacAddr) -> Result<(), Refused> {
        let iface = self.known(dev)?;
        if iface.vlan.is_some() {
            return Err(Refused::unsupported());
        }
        let (port, is_device) = (iface.port, iface.has_port() && mac != iface.mac);
        if !mac.is_unicast() {
            return Err(Refused::new(LinkError::BadMac));
        }
        if is_device {
            (self.set_mac)(port, mac).map_err(Refused::new)?;
        }
        self.router.set_mac(dev, mac).map_err(Refused::new)
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
        let itself = iface.is_loopback();
        let mut flags = match (is_vrf, itself) {
            (true, _) => iff::MASTER,
            (_, true) => iff::LOOPBACK,
            _ => iff::BROADCAST | iff::MULTICAST,
        };
        flags |= if iface.noarp { iff::NOARP } else { 0 };
        if iface.up {
            flags |= iff::UP;
            flags |= if iface.carrier { iff::RUNNING | iff::LOWER_UP } else { 0 };
        }
        let operstate = match (iface.up, iface.carrier) {
            (true, true) if itself => "UNKNOWN",
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
            mtu: match (is_vrf, itself) {
                (true, _) => VRF_MTU,
                (_, true) => LOOPBACK_MTU,
                _ => u32::from(iface.mtu),
            },
            qdisc: if iface.vlan.is_some() || !iface.has_port() { "noqueue" } else { "mq" }
                .to_owned(),
            operstate: operstate.to_owned(),
            linkmode: "DEFAULT".to_owned(),
            group: iface.group,
            master: (iface.vrf != 0).then(|| self.name(iface.vrf)),
            txqlen: 1000,
            link_type: if itself { "loopback" } else { "ether" }.to_owned(),
            address: iface.mac.octets(),
            broadcast: if itself { [0; 6] } else { [0xff; 6] },
            ifalias: None,
            details: LinkDetails {
                min_mtu: match (is_vrf, itself) {
                    (true, _) => VRF_MIN_MTU,
                    (_, true) => 0,
                    _ => 68,
                },
                max_mtu: match (is_vrf, itself) {
                    (true, _) => VRF_MTU,
                    (_, true) => 0,
                    _ => u32::from(u16::MAX),
                },
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
            addrs: iface
                .addresses
                .iter()
                .map(|own| address_view(iface, own))
                .chain(iface.addresses6.iter().map(|own| self.address6_view(own)))
                .collect(),
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
        if spec.dev != LOOPBACK {
            self.known(&spec.dev)?;
        }
        let local = spec.local.ok_or_else(Refused::invalid)?;
        if local.is_multicast() && spec.flags & AUTOJOIN != 0 {
            self.router.join_group(&spec.dev, local, None).map_err(Refused::new)?;
            return Ok(String::new());
        }
        let local = match local {
            IpAddr::V4(local) => local,
            IpAddr::V6(local) => return self.add_address6(spec, local, replace),
        };
        let plain = spec.peer.is_none_or(|peer| Some(peer) == spec.local)
            && spec.flags == 0
            && spec.metric.is_none()
            && spec.valid_lft.is_none()
            && spec.label.as_ref().is_none_or(|label| *label == spec.dev);
        if !plain {
            return Err(Refused::unsupported());
        }
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

    fn has_address6(&self, dev: &str, local: Ipv6Addr) -> bool {
        let iface = self.router.iface(dev);
        iface.is_some_and(|iface| iface.addresses6.iter().any(|own| own.local.addr() == local))
    }

    fn add_address6(&mut self, spec: &AddrSpec, local: Ipv6Addr, replace: bool) -> Done {
        let refused = |message: &str| Err(Refused::new(message));
        if local.is_unspecified() {
            return refused("Error: ipv6: Invalid address.");
        }
        if local.is_multicast() && spec.flags & AUTOJOIN == 0 {
            return refused(
                "Error: ipv6: Cannot assign multicast address without \"IFA_F_MCAUTOJOIN\" flag.",
            );
        }
        if local.is_loopback() {
            return refused("Error: ipv6: Cannot assign loopback address on this device.");
        }
        if spec.flags & !(NOPREFIXROUTE | NODAD | HOME | MNGTMPADDR | OPTIMISTIC) != 0 {
            return Err(Refused::unsupported());
        }
        if spec.flags & MNGTMPADDR != 0 && spec.prefixlen != 64 {
            return refused(
                "Error: address with \"mngtmpaddr\" flag must have a prefix length of 64.",
            );
        }
        let until = |seconds: Option<u32>| {
            seconds.map(|seconds| self.now + u64::from(seconds) * 1_000_000_000)
        };
        let forever = if spec.valid_lft.is_none() { PERMANENT } else { 0 };
        let over = if spec.preferred_lft == Some(0) { DEPRECATED } else { 0 };
        let own = IfaceAddr6 {
            local: Ipv6Net::new(local, spec.prefixlen).map_err(|_| Refused::invalid())?,
            peer: match spec.peer {
                Some(IpAddr::V6(peer)) if peer != local => Some(peer),
                _ => None,
            },
            flags: AddrFlags(spec.flags | forever | over),
            preferred_until: until(spec.preferred_lft),
            valid_until: until(spec.valid_lft),
            metric: spec.metric.unwrap_or(0),
            proto: 0,
        };
        let done = match replace {
            true if self.has_address6(&spec.dev, local) => {
                self.router.change_address6(&spec.dev, own)
            }
            _ => self.router.add_address6(&spec.dev, own),
        };
        done.map_err(Refused::new)?;
        Ok(String::new())
    }

    fn delete_address(&mut self, spec: &AddrSpec, wildcard: bool) -> Done {
        self.known(&spec.dev)?;
        if let Some(group) = spec.local.filter(IpAddr::is_multicast) {
            self.router.leave_group(&spec.dev, group).map_err(Refused::new)?;
            return Ok(String::new());
        }
        let iface = self.known(&spec.dev)?;
        if let Some(IpAddr::V6(local)) = spec.local {
            // The length tells, not the peer's address (`inet6_addr_del`).
            let fits = |own: &Ipv6Net| own.addr() == local && own.prefix_len() == spec.prefixlen;
            let found = iface.addresses6.iter().map(|own| own.local).find(fits);
            let net = found.ok_or_else(|| Refused::new(AddressError::NotFound6))?;
            self.router.delete_address6(&spec.dev, net).map_err(Refused::new)?;
            return Ok(String::new());
        }
        let fits = |net: &Ipv4Net| {
            spec.local.is_none_or(|local| local == IpAddr::V4(net.addr()))
                && (wildcard || spec.prefixlen == net.prefix_len())
        };
        let found = iface.addresses.iter().map(|own| own.local).find(fits);
        let net = found.ok_or_else(|| Refused::new(AddressError::NotFound))?;
        self.router.delete_address(&spec.dev, net).map_err(Refused::new)?;
        Ok(String::new())
    }

    fn flush_addresses(&mut self, filter: &AddrFilter) -> Done {
        self.check_dev(filter.dev.as_ref())?;
        let mut found = Vec::new();
        for iface in self.router.ifaces() {
            if filter.dev.as_ref().is_some_and(|dev| *dev != iface.name) {
                continue;
            }
            for own in &iface.addresses {
                if filter.accepts(&address_view(iface, own), &iface.name) {
                    found.push((iface.name.clone(), IpNet::V4(own.local)));
                }
            }
            for own in &iface.addresses6 {
                if filter.accepts(&self.address6_view(own), &iface.name) {
                    found.push((iface.name.clone(), IpNet::V6(own.local)));
                }
            }
        }
        for (name, net) in found {
            match net {
                IpNet::V4(net) => self.router.delete_address(&name, net).map_err(Refused::new)?,
                IpNet::V6(net) => self.router.delete_address6(&name, net).map_err(Refused::new)?,
            }
        }
        Ok(String::new())
    }

    /// An IPv6 address as `ip addr show` wants it.
    pub(super) fn address6_view(&self, own: &IfaceAddr6) -> AddrView {
        let left = |until: Option<u64>| {
            until.map(|until| (until.saturating_sub(self.now) / 1_000_000_000) as u32)
        };
        let local = own.local.addr();
        AddrView {
            local: local.into(),
            peer: own.peer.map(IpAddr::V6),
            prefixlen: own.local.prefix_len(),
            metric: (own.metric != 0).then_some(own.metric),
            broadcast: None,
            scope: match local.segments()[0] {
                _ if local.is_loopback() => scope::HOST,
                0xfe80..=0xfebf => scope::LINK,
                0xfec0..=0xfeff => SITE,
                _ => scope::UNIVERSE,
            },
            flags: own.flags.0,
            label: None,
            valid_lft: left(own.valid_until),
            preferred_lft: left(own.preferred_until),
        }
    }
}

/// An address as `ip addr show` wants it.
pub(super) fn address_view(iface: &Iface, own: &IfaceAddr) -> AddrView {
    AddrView {
        local: own.local.addr().into(),
        peer: None,
        prefixlen: own.local.prefix_len(),
        metric: None,
        broadcast: own.broadcast,
        scope: scope::UNIVERSE,
        flags: PERMANENT | if own.secondary { SECONDARY } else { 0 },
        label: Some(iface.name.clone()),
        valid_lft: None,
        preferred_lft: None,
    }
}
