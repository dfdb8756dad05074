//! What the router's own probes wait for: the few identifiers that `icmp4-input`, `icmp6-input` and
//! what refuses TCP hand on to the management core.
//!
//! - obeys: ledger 3.10, 3.11, 3.71, 3.93
//! - costs: nothing while nobody probes; a search among the sessions for what comes to the router
//!   and would end there otherwise

use crate::packet::{
    icmp4::{self, ty},
    icmp6,
    ipv4::{Ipv4View, protocol},
    ipv6::{self, Ipv6View, extension, next_header},
};

/// Identifiers in use, ICMP's and ports alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    sorted: Vec<u16>,
}

impl Expected {
    /// These identifiers.
    pub fn new(ids: impl IntoIterator<Item = u16>) -> Self {
        let mut sorted: Vec<u16> = ids.into_iter().collect();
        sorted.sort_unstable();
        Self { sorted }
    }

    /// True when a session has this identifier.
    pub fn has(&self, id: u16) -> bool {
        self.sorted.binary_search(&id).is_ok()
    }

    /// True when an ICMP message for the router answers a probe, or quotes one.
    pub fn wants(&self, message: &[u8]) -> bool {
        let Some(&kind) = message.first() else { return false };
        match kind {
            ty::ECHO_REPLY => word(message, icmp4::field::ID.start).is_some_and(|id| self.has(id)),
            _ => icmp4::is_error(kind) && self.is_quoted(message),
        }
    }

    /// The same of an ICMPv6 message.
    pub fn wants6(&self, message: &[u8]) -> bool {
        let Some(&kind) = message.first() else { return false };
        match kind {
            icmp6::ty::ECHO_REPLY => {
                word(message, icmp4::field::ID.start).is_some_and(|id| self.has(id))
            }
            _ => icmp6::is_error(kind) && self.is_quoted(message),
        }
    }

    /// Whether an error, whose header is as long in both families, quotes a probe.
    fn is_quoted(&self, message: &[u8]) -> bool {
        let quoted = message.get(icmp4::HEADER_LEN..).unwrap_or_default();
        quoted_id(quoted).is_some_and(|id| self.has(id))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// What a datagram of either family carries, of which the start alone may be there: the protocol, and
/// its bytes. Nothing of a fragment other than the first.
pub fn carried(datagram: &[u8]) -> Option<(u8, &[u8])> {
    if datagram.first()? >> 4 == 6 {
        let ip = Ipv6View::new_quoted(datagram).ok()?;
        let upper = extension::skip(datagram, ipv6::HEADER_LEN, ip.next_header())?;
        let payload = datagram.get(upper.offset..)?;
        return (!upper.is_later_fragment()).then_some((upper.number, payload));
    }
    let ip = Ipv4View::new_quoted(datagram).ok()?;
    let payload = datagram.get(ip.header_len()..)?;
    (ip.fragment_offset() == 0).then_some((ip.protocol(), payload))
}

/// The identifier of a datagram of which an error quotes the start.
pub fn quoted_id(quoted: &[u8]) -> Option<u16> {
    let (number, payload) = carried(quoted)?;
    let request = match number {
        protocol::ICMP => ty::ECHO_REQUEST,
        next_header::ICMPV6 => icmp6::ty::ECHO_REQUEST,
        protocol::UDP | protocol::TCP => return word(payload, 0),
        _ => return None,
    };
    (payload.first() == Some(&request)).then(|| word(payload, icmp4::field::ID.start))?
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;
    use crate::packet::{ipv4::Ipv4Spec, ipv6::Ipv6Spec};

    fn quoting(protocol: u8, fragment_word: u16, payload: [u8; 8]) -> Vec<u8> {
        let mut message = vec![11, 0, 0, 0, 0, 0, 0, 0];
        let mut header = [0; 20];
        let spec = Ipv4Spec {
            tos: 0,
            id: 1,
            fragment_word,
            ttl: 1,
            protocol,
            src: [192, 0, 2, 1].into(),
            dst: [192, 0, 2, 2].into(),
            options: &[],
            payload_len: 40,
        };
        spec.emit(&mut header).unwrap();
        message.extend(header);
        message.extend(payload);
        message
    }

    #[test]
    fn only_what_a_session_waits_for_is_handed_on() {
        let expected = Expected::new([40_000, 0x1234]);
        assert!(expected.wants(&[0, 0, 0, 0, 0x12, 0x34, 0, 1]));
        assert!(!expected.wants(&[0, 0, 0, 0, 0x12, 0x35, 0, 1]), "a foreign reply");
        assert!(!expected.wants(&[8, 0, 0, 0, 0x12, 0x34, 0, 1]), "a request");
        let echo = [8, 0, 0, 0, 0x12, 0x34, 0, 7];
        assert!(expected.wants(&quoting(1, 0, echo)));
        assert!(expected.wants(&quoting(1, 0x2000, echo)), "a first fragment");
        assert!(!expected.wants(&quoting(1, 1, echo)), "a later one");
        assert!(!expected.wants(&quoting(1, 0, [0, 0, 0, 0, 0x12, 0x34, 0, 7])), "a reply");
        assert!(expected.wants(&quoting(17, 0, [0x9c, 0x40, 0x82, 0x9a, 0, 40, 0, 0])));
        assert!(!expected.wants(&quoting(17, 0, [0x82, 0x9a, 0x9c, 0x40, 0, 40, 0, 0])));
        assert!(!expected.wants(&quoting(47, 0, [0x9c, 0x40, 0, 0, 0, 0, 0, 0])));
        assert!(!Expected::default().wants(&quoting(1, 0, echo)));
    }

    /// The first fragment of a request over IPv6, the start of one, and a later one.
    #[test]
    fn requests_over_ipv6_are_found_behind_their_headers() {
        let expected = Expected::new([0x1234]);
        let echo = [128, 0, 0, 0, 0x12, 0x34, 0, 7];
        let quoting = |headers: &[u8], number: u8, payload: [u8; 8]| {
            let header = Ipv6Spec {
                traffic_class: 0,
                flow_label: 0,
                payload_len: headers.len() + 8,
                next_header: number,
                hop_limit: 1,
                src: Ipv6Addr::LOCALHOST,
                dst: Ipv6Addr::LOCALHOST,
            };
            [&[3, 0, 0, 0, 0, 0, 0, 0], &header.to_bytes()[..], headers, &payload].concat()
        };
        assert!(expected.wants6(&[129, 0, 0, 0, 0x12, 0x34, 0, 1]));
        assert!(!expected.wants6(&[129, 0, 0, 0, 0x12, 0x35, 0, 1]), "a foreign reply");
        assert!(!expected.wants6(&[128, 0, 0, 0, 0x12, 0x34, 0, 1]), "a request");
        assert!(!expected.wants6(&[0, 0, 0, 0, 0x12, 0x34, 0, 1]), "a reply of IPv4");
        assert!(expected.wants6(&quoting(&[], 58, echo)));
        assert!(expected.wants6(&quoting(&[58, 0, 0, 1, 0, 0, 0, 9], 44, echo)));
        assert!(!expected.wants6(&quoting(&[58, 0, 0, 8, 0, 0, 0, 9], 44, echo)), "a later one");
        assert!(expected.wants6(&quoting(&[], 17, [0x12, 0x34, 0x82, 0x9a, 0, 40, 0, 0])));
        assert!(!expected.wants6(&quoting(&[], 58, [129, 0, 0, 0, 0x12, 0x34, 0, 7])));
        let mut redirect = quoting(&[], 58, echo);
        redirect[0] = 137;
        assert!(!expected.wants6(&redirect));
    }

    #[test]
    fn no_message_however_broken_does_harm() {
        bolero::check!().with_type::<Vec<u8>>().for_each(|message| {
            let expected = Expected::new([1]);
            let _ = (expected.wants(message), expected.wants6(message));
        });
    }
}
