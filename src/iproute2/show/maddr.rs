//! `ip maddress show`.

use std::net::IpAddr;

use super::super::{Inet, Options};
use super::out::Listing;
use crate::packet::MacAddr;

/// The groups of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaddrView {
    /// Its number.
    pub ifindex: u16,
    /// Its name.
    pub ifname: String,
    /// Link-layer addresses, and how many groups have each.
    pub link: Vec<(MacAddr, u32)>,
    /// Groups, and how many listen to each.
    pub groups: Vec<(IpAddr, u32)>,
}

/// What `ip maddress show` prints for these interfaces.
#[must_use]
pub fn show_groups(views: &[MaddrView], options: &Options) -> String {
    let mut listing = Listing::new(options);
    let of = |view: &MaddrView| -> Vec<(&'static str, String, u32)> {
        let link = view.link.iter().map(|(mac, users)| ("link", mac.to_string(), *users));
        let groups = view.groups.iter().map(|(group, users)| {
            let family = if group.is_ipv4() { "inet" } else { "inet6" };
            (family, group.to_string(), *users)
        });
        let link = link.filter(|_| options.family == Inet::Any);
        link.chain(groups.filter(|(family, ..)| options.family.takes(*family == "inet6"))).collect()
    };
    for view in views {
        let rows = of(view);
        if rows.is_empty() {
            continue;
        }
        listing.entry(|entry| {
            entry.field("ifindex", u32::from(view.ifindex), format_args!("{}:", view.ifindex));
            entry.field("ifname", view.ifname.as_str(), format_args!("\t{}\n", view.ifname));
            entry.list("maddr", rows, |entry, (family, address, users)| {
                entry.text(format_args!("\t"));
                if family == "link" {
                    entry.field("link", address.as_str(), format_args!("link  {address}"));
                } else {
                    entry.field("family", family, format_args!("{family:<5} "));
                    entry.field("address", address.as_str(), format_args!("{address}"));
                }
                if users != 1 {
                    entry.field("users", users, format_args!(" users {users}"));
                }
                entry.text(format_args!("\n"));
            });
        });
    }
    listing.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `ip maddress` of iproute2 6.1 prints it. [8.17] [8.142]
    #[test]
    fn groups_are_listed_by_interface() {
        let view = MaddrView {
            ifindex: 2,
            ifname: "lan".into(),
            link: vec![(MacAddr::new([0x33, 0x33, 0, 0, 0, 1]), 1)],
            groups: vec![("224.0.0.1".parse().unwrap(), 1), ("ff02::2".parse().unwrap(), 2)],
        };
        let text =
            "2:\tlan\n\tlink  33:33:00:00:00:01\n\tinet  224.0.0.1\n\tinet6 ff02::2 users 2\n";
        assert_eq!(show_groups(std::slice::from_ref(&view), &Options::default()), text);
        let inet = Options { family: Inet::Four, ..Options::default() };
        assert_eq!(show_groups(std::slice::from_ref(&view), &inet), "2:\tlan\n\tinet  224.0.0.1\n");
        let json = Options { json: true, ..Options::default() };
        let want = r#"[{"ifindex":2,"ifname":"lan","maddr":[{"link":"33:33:00:00:00:01"},{"family":"inet","address":"224.0.0.1"},{"family":"inet6","address":"ff02::2","users":2}]}]"#;
        assert_eq!(show_groups(&[view], &json).trim(), want);
    }
}
