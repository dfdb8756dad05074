//! What the router says about its interfaces to who asks by extended echo (PROBE).
//!
//! - obeys: RFC 8335; `icmp_build_probe`

use std::net::Ipv4Addr;

use crate::port::table::Ifaces;

/// Codes of the answer.
const MALFORMED: u8 = 1;
const NO_SUCH_INTERFACE: u8 = 2;

/// Bits of the answer: the interface is up, and speaks IPv4.
const ACTIVE: u8 = 4;
const IPV4: u8 = 2;

/// Kinds of what a probe names an interface by.
const BY_NAME: u8 = 1;
const BY_INDEX: u8 = 2;
const BY_ADDRESS: u8 = 3;

/// Bytes of the longest interface name with its end.
const NAME_LEN: usize = 16;
/// Bytes of the longest object that names an interface.
const OBJECT_LEN: usize = 24;

/// What is said about the interface that a probe names: a code, where it is not the request's, and
/// the bits of the interface (`icmp_build_probe`).
pub(super) fn probe(message: &[u8], ifaces: &Ifaces) -> (Option<u8>, u8) {
    let malformed = (Some(MALFORMED), 0);
    let Some(object) = message.get(12..) else { return malformed };
    let Some(&[high, low, _, kind]) = object.first_chunk::<4>() else { return malformed };
    let len = usize::from(u16::from_be_bytes([high, low]));
    let Some(name) = object.get(4..len).filter(|name| !name.is_empty() && len <= OBJECT_LEN) else {
        return malformed;
    };
    let found = match (kind, name) {
        (BY_NAME, name) if name.len() < NAME_LEN => {
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            std::str::from_utf8(&name[..end]).ok().and_then(|name| ifaces.by_name(name))
        }
        (BY_INDEX, &[a, b, c, d]) => {
            let index = u32::from_be_bytes([a, b, c, d]);
            u16::try_from(index).ok().and_then(|index| ifaces.get(index))
        }
        (BY_ADDRESS, &[0, 1, 4, _, a, b, c, d]) => {
            let wanted = Ipv4Addr::new(a, b, c, d);
            ifaces.iter().find(|iface| iface.addresses.iter().any(|own| own.local.addr() == wanted))
        }
        // Of IPv6 addresses it has none.
        (BY_ADDRESS, [0, 2, 16, _, address @ ..]) if address.len() == 16 => None,
        _ => return malformed,
    };
    match found {
        None => (Some(NO_SUCH_INTERFACE), 0),
        Some(iface) => {
            let active = if iface.up { ACTIVE } else { 0 };
            let ipv4 = if iface.addresses.is_empty() { 0 } else { IPV4 };
            (None, active | ipv4)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        packet::MacAddr,
        port::table::{Iface, IfaceAddr, IfaceConf, IfaceConf6},
    };

    fn ask(kind: u8, name: &[u8]) -> (Option<u8>, u8) {
        let len = 4 + name.len() as u8;
        let object = [&[0, len, 3, kind][..], name].concat();
        let iface = |index, name: &str, addresses: &[&str]| Iface {
            index,
            name: name.to_owned(),
            port: 0,
            vlan: None,
            parent: None,
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            up: !addresses.is_empty(),
            carrier: true,
            noarp: false,
            conf: IfaceConf::default(),
            addresses6: Vec::new(),
            conf6: IfaceConf6::default(),
            groups6: Vec::new(),
            groups4: Vec::new(),
            filters: Vec::new(),
            link6: 0,
            vrf: 0,
            vrf_table: None,
            group: 0,
            addresses: addresses
                .iter()
                .map(|text| IfaceAddr {
                    local: text.parse().unwrap(),
                    broadcast: None,
                    secondary: false,
                })
                .collect(),
        };
        let ifaces = vec![iface(5, "lan", &["10.1.0.1/24"]), iface(6, "spare", &[])];
        let header = [42, 0, 0, 0, 0, 1, 1, 1, 0x20, 0, 0, 0];
        probe(&[&header[..], &object].concat(), &Ifaces::new(ifaces, false))
    }

    #[test]
    fn a_probe_finds_an_interface_by_name_index_and_address() {
        let up = (None, ACTIVE | IPV4);
        assert_eq!(ask(BY_NAME, b"lan\0"), up);
        assert_eq!(ask(BY_INDEX, &[0, 0, 0, 5]), up);
        assert_eq!(ask(BY_ADDRESS, &[0, 1, 4, 0, 10, 1, 0, 1]), up);
        assert_eq!(ask(BY_NAME, b"spare"), (None, 0));
        for (kind, name) in [
            (BY_NAME, &b"wan"[..]),
            (BY_INDEX, &[0, 1, 0, 5]),
            (BY_ADDRESS, &[0, 1, 4, 0, 10, 1, 0, 9]),
            (BY_ADDRESS, &[0, 2, 16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        ] {
            assert_eq!(ask(kind, name), (Some(NO_SUCH_INTERFACE), 0), "{name:?}");
        }
        for (kind, name) in [
            (BY_NAME, &b"sixteen-letters!"[..]),
            (BY_NAME, b""),
            (BY_INDEX, &[0, 5]),
            (BY_ADDRESS, &[0, 1, 5, 0, 10, 1, 0, 1]),
            (BY_ADDRESS, &[0, 3, 4, 0, 10, 1, 0, 1]),
            (7, &[1, 2, 3, 4]),
        ] {
            assert_eq!(ask(kind, name), (Some(MALFORMED), 0), "{name:?}");
        }
    }
}
