//! `ip maddress`, carried out.

use std::net::IpAddr;

use super::{Desk, ip::Done};
use crate::{
    iproute2::{
        MaddrCommand, Options,
        show::{self, MaddrView},
    },
    packet::{MacAddr, ndisc::group_mac},
    port::table::Iface,
};

impl Desk<'_> {
    pub(super) fn maddr(&self, command: &MaddrCommand, options: &Options) -> Done {
        let MaddrCommand::Show(dev) = command;
        self.check_filter(dev.as_ref())?;
        let wanted = |iface: &&Iface| dev.as_ref().is_none_or(|dev| *dev == iface.name);
        let views = self.router.ifaces().iter().filter(wanted).map(|iface| self.groups(iface));
        Ok(show::show_groups(&views.collect::<Vec<_>>(), options))
    }

    fn groups(&self, iface: &Iface) -> MaddrView {
        let four = self.router.igmp(iface.index).map(|igmp| igmp.groups()).unwrap_or_default();
        let six = self.router.mld(iface.index).map(|mld| mld.groups()).unwrap_or_default();
        let mut link: Vec<(MacAddr, u32)> = Vec::new();
        // Groups that do not leave the node need no frames.
        let leaves = six.iter().rev().filter(|group| group.address.octets()[1] & 0xf > 1);
        let macs = leaves.map(|group| group_mac(group.address));
        let macs = macs.chain(four.iter().rev().map(|group| MacAddr::of_ipv4_group(group.address)));
        for mac in macs.filter(|_| iface.up) {
            match link.iter_mut().find(|(known, _)| *known == mac) {
                Some((_, users)) => *users += 1,
                None => link.push((mac, 1)),
            }
        }
        let four = four.iter().map(|group| (IpAddr::V4(group.address), group.users));
        let six = six.iter().map(|group| (IpAddr::V6(group.address), group.users));
        MaddrView {
            ifindex: iface.index,
            ifname: iface.name.clone(),
            link,
            groups: four.chain(six).collect(),
        }
    }
}
