//! What the router's own probes wait for: the few identifiers that `icmp4-input` and `tcp-reset`
//! hand on to the management core.
//!
//! - obeys: ledger 3.10, 3.11, 3.93
//! - costs: nothing while nobody probes; a search among the sessions for what comes to the router
//!   and would end there otherwise

use crate::packet::{
    icmp4::{self, ty},
    ipv4::{Ipv4View, protocol},
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
            _ if icmp4::is_error(kind) => {
                let quoted = message.get(icmp4::HEADER_LEN..).unwrap_or_default();
                quoted_id(quoted).is_some_and(|id| self.has(id))
            }
            _ => false,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// The identifier of a datagram of which an error quotes the start.
pub fn quoted_id(quoted: &[u8]) -> Option<u16> {
    let ip = Ipv4View::new_quoted(quoted).ok()?;
    if ip.fragment_offset() != 0 {
        return None;
    }
    let payload = quoted.get(ip.header_len()..)?;
    match ip.protocol() {
        protocol::ICMP if payload.first() == Some(&ty::ECHO_REQUEST) => {
            word(payload, icmp4::field::ID.start)
        }
        protocol::UDP | protocol::TCP => word(payload, 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::ipv4::Ipv4Spec;

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

    #[test]
    fn no_message_however_broken_does_harm() {
        bolero::check!().with_type::<Vec<u8>>().for_each(|message| {
            let _ = Expected::new([1]).wants(message);
        });
    }
}
