//! Which helpers there are, and which ports they read.
//!
//! - obeys: rows [9.151] to [9.155], [9.166], [9.172] to [9.176]

use arrayvec::ArrayVec;

use super::super::tuple::Tuple;
use crate::packet::ipv4::protocol;

/// Most ports that a helper reads (`MAX_PORTS`).
pub const MAX_PORTS: usize = 8;

/// A class of expectations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// Its name in `conntrack -L expect`.
    pub name: &'static str,
    /// Most that one connection may expect.
    pub most: u32,
    /// How long one is kept, in seconds.
    pub timeout: u32,
}

const fn class(name: &'static str, most: u32, timeout: u32) -> Class {
    Class { name, most, timeout }
}

/// What is known of a helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Its name in rules and dumps.
    pub name: &'static str,
    /// Protocols that it reads.
    pub protocols: &'static [u8],
    /// Whether it reads IPv6 too.
    pub six: bool,
    /// The port that it reads unless told otherwise.
    pub port: u16,
    /// Its classes of expectations.
    pub classes: &'static [Class],
}

/// A helper by its number in [`HELPERS`], which starts with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Helper {
    /// File transfer.
    Ftp = 1,
    /// Trivial file transfer.
    Tftp,
    /// Direct connections of chat clients.
    Irc,
    /// Sessions of telephones.
    Sip,
    /// Tunnels of PPP in GRE.
    Pptp,
    /// Backups.
    Amanda,
    /// Scanners.
    Sane,
    /// Broadcast queries for names.
    NetbiosNs,
    /// Broadcast queries of management.
    Snmp,
}

/// All helpers in the order of their numbers.
pub const HELPERS: [(Helper, Info); 9] = {
    const TCP: &[u8] = &[protocol::TCP];
    const UDP: &[u8] = &[protocol::UDP];
    const BOTH: &[u8] = &[protocol::UDP, protocol::TCP];
    const FTP: &[Class] = &[class("ftp", 1, 5 * 60)];
    const TFTP: &[Class] = &[class("tftp", 1, 5 * 60)];
    const IRC: &[Class] = &[class("irc", 8, 5 * 60)];
    const SIP: &[Class] = &[
        class("signalling", 1, 3 * 60),
        class("audio", 4, 3 * 60),
        class("video", 4, 3 * 60),
        class("image", 2, 3 * 60),
    ];
    const PPTP: &[Class] = &[class("pptp", 2, 5 * 60)];
    const AMANDA: &[Class] = &[class("amanda", 3, 180)];
    const SANE: &[Class] = &[class("sane", 1, 5 * 60)];
    const NETBIOS: &[Class] = &[class("netbios-ns", 1, 3)];
    const SNMP: &[Class] = &[class("snmp", 1, 30)];
    const fn info(
        name: &'static str,
        protocols: &'static [u8],
        six: bool,
        port: u16,
        classes: &'static [Class],
    ) -> Info {
        Info { name, protocols, six, port, classes }
    }
    [
        (Helper::Ftp, info("ftp", TCP, true, 21, FTP)),
        (Helper::Tftp, info("tftp", UDP, true, 69, TFTP)),
        (Helper::Irc, info("irc", TCP, false, 6667, IRC)),
        (Helper::Sip, info("sip", BOTH, true, 5060, SIP)),
        (Helper::Pptp, info("pptp", TCP, false, 1723, PPTP)),
        (Helper::Amanda, info("amanda", UDP, true, 10_080, AMANDA)),
        (Helper::Sane, info("sane", TCP, true, 6566, SANE)),
        (Helper::NetbiosNs, info("netbios-ns", UDP, false, 137, NETBIOS)),
        (Helper::Snmp, info("snmp", UDP, false, 161, SNMP)),
    ]
};

impl Helper {
    /// What is known of it.
    pub const fn info(self) -> &'static Info {
        const TABLE: &[(Helper, Info)] = &HELPERS;
        &TABLE[self as usize - 1].1
    }

    /// Its number, as entries and expectations have it.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The helper of a number.
    pub fn of_number(number: u16) -> Option<Self> {
        let (helper, _) = HELPERS.get(usize::from(number).checked_sub(1)?)?;
        Some(*helper)
    }

    /// The helper of a name.
    pub fn named(name: &str) -> Option<Self> {
        HELPERS.iter().find(|(_, info)| info.name == name).map(|(helper, _)| *helper)
    }

    /// Most expectations of a class.
    pub fn most(self, class: u8) -> u32 {
        self.info().classes.get(usize::from(class)).map_or(0, |class| class.most)
    }

    /// Whether it reads such a protocol.
    pub fn reads(self, proto: u8, six: bool) -> bool {
        let info = self.info();
        info.protocols.contains(&proto) && (info.six || !six)
    }
}

/// The ports that each helper reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    ports: [ArrayVec<u16, MAX_PORTS>; HELPERS.len()],
}

impl Default for Registry {
    /// Each its own port.
    fn default() -> Self {
        Self { ports: HELPERS.map(|(_, info)| [info.port].into_iter().collect()) }
    }
}

/// More ports than a helper can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_PORTS} ports")]
pub struct TooMany;

impl Registry {
    /// Has a helper read these ports instead; none is none at all.
    pub fn set_ports(&mut self, helper: Helper, ports: &[u16]) -> Result<(), TooMany> {
        self.ports[helper as usize - 1] = ArrayVec::try_from(ports).map_err(|_| TooMany)?;
        Ok(())
    }

    /// The ports that a helper reads.
    pub fn ports(&self, helper: Helper) -> &[u16] {
        &self.ports[helper as usize - 1]
    }

    /// The helper that reads a connection with this reply: the port that answers counts.
    pub fn find(&self, reply: &Tuple) -> Option<Helper> {
        HELPERS.iter().zip(&self.ports).find_map(|((helper, _), ports)| {
            (ports.contains(&reply.sport) && helper.reads(reply.proto, reply.six))
                .then_some(*helper)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows [9.151], [9.152] and [9.166].
    #[test]
    fn helpers_are_found_by_the_port_that_answers() {
        let mut registry = Registry::default();
        let reply = |proto, sport, six| Tuple { proto, sport, six, dport: 21, ..Tuple::default() };
        assert_eq!(registry.find(&reply(6, 21, true)), Some(Helper::Ftp));
        assert_eq!(registry.find(&reply(17, 21, false)), None);
        assert_eq!(registry.find(&reply(6, 6667, false)), Some(Helper::Irc));
        assert_eq!(registry.find(&reply(6, 6667, true)), None);
        assert_eq!(registry.find(&reply(6, 5060, true)), Some(Helper::Sip));
        registry.set_ports(Helper::Ftp, &[2022, 2121]).unwrap();
        assert_eq!(registry.find(&reply(6, 21, false)), None);
        assert_eq!(registry.find(&reply(6, 2121, false)), Some(Helper::Ftp));
        assert_eq!(registry.set_ports(Helper::Ftp, &[1; 9]), Err(TooMany));
        assert_eq!(registry.ports(Helper::Ftp), [2022, 2121]);
    }

    #[test]
    fn numbers_and_names_lead_to_the_same_helper() {
        for (n, (helper, info)) in HELPERS.iter().enumerate() {
            assert_eq!(usize::from(helper.number()), n + 1);
            assert_eq!(Helper::of_number(helper.number()), Some(*helper));
            assert_eq!(Helper::named(info.name), Some(*helper));
            assert_eq!(helper.info(), info);
        }
        assert_eq!((Helper::of_number(0), Helper::of_number(10)), (None, None));
    }
}
