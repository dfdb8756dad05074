//! Multicast listener discovery: queries, reports and farewells of both versions.
//!
//! - takes: bytes that start at the IPv6 header; messages to be written
//! - gives: a [`Message`]; packets from the IPv6 header on, with a router alert and hop limit 1
//! - obeys: RFC 2710, RFC 3810 section 5; rows [8.144] to [8.150]

use std::net::Ipv6Addr;

use super::{
    envelope::{Envelope, seal_alert},
    record::{Newer, Query, Record},
};

/// ICMPv6 type of a query.
pub const QUERY: u8 = 130;
/// ICMPv6 type of a report of MLDv1.
pub const REPORT: u8 = 131;
/// ICMPv6 type of a farewell.
pub const DONE: u8 = 132;
/// ICMPv6 type of a report of MLDv2.
pub const REPORT2: u8 = 143;

/// All routers of the link.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All routers that hear MLDv2.
pub const ALL_MLD2_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

const OLD: usize = 24;
const NEW: usize = 28;

/// A message of MLD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who listens?
    Query(Query<Ipv6Addr>),
    /// Somebody listens to a group (MLDv1).
    Report {
        /// Who.
        src: Ipv6Addr,
        /// To what.
        group: Ipv6Addr,
    },
    /// The last listener may be gone (MLDv1).
    Done {
        /// Who.
        src: Ipv6Addr,
        /// From what.
        group: Ipv6Addr,
    },
    /// Somebody tells of all its groups, or of changes (MLDv2).
    Records {
        /// Who.
        src: Ipv6Addr,
        /// What.
        records: Vec<Record<Ipv6Addr>>,
    },
}

impl Message {
    /// Reads the packet of a message. Queries have come from the link and carry a router alert
    /// (RFC 3810 section 6.2); reports come from an address of the link or from none.
    pub fn parse(l3: &[u8]) -> Option<Self> {
        let Envelope { src, hop_limit, alert, message, .. } = Envelope::open(l3)?;
        let address = |at: usize| {
            let octets: [u8; 16] = message.get(at..at + 16)?.try_into().ok()?;
            Some(Ipv6Addr::from(octets))
        };
        let of_link = src.is_unicast_link_local();
        match message[0] {
            QUERY => {
                if !of_link || hop_limit != 1 || alert != Some(0) {
                    return None;
                }
                let group = address(8)?;
                if !group.is_unspecified() && !group.is_multicast() {
                    return None;
                }
                let newer = match message.len() {
                    OLD => None,
                    NEW.. => Some(Newer::read(&message[OLD..])?),
                    _ => return None,
                };
                let code = u16::from_be_bytes([message[4], message[5]]);
                Some(Self::Query(Query { src, group, code, newer }))
            }
            REPORT | DONE if of_link || src.is_unspecified() => {
                let group = address(8)?;
                let report = message[0] == REPORT;
                Some(if report { Self::Report { src, group } } else { Self::Done { src, group } })
            }
            REPORT2 if of_link || src.is_unspecified() => {
                let count = u16::from_be_bytes([message[6], message[7]]);
                Some(Self::Records { src, records: Record::read_all(count, &message[8..])? })
            }
            _ => None,
        }
    }

    /// The IPv6 packet.
    pub fn to_bytes(&self) -> Vec<u8> {
        let old = |kind: u8, code: u16, group: &Ipv6Addr| {
            let [high, low] = code.to_be_bytes();
            [&[kind, 0, 0, 0, high, low, 0, 0][..], &group.octets()].concat()
        };
        match self {
            Self::Query(query) => {
                let mut message = old(QUERY, query.code, &query.group);
                if let Some(newer) = &query.newer {
                    newer.emit(&mut message);
                }
                let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
                let dst = if query.group.is_unspecified() { all } else { query.group };
                seal_alert(query.src, dst, message)
            }
            Self::Report { src, group } => seal_alert(*src, *group, old(REPORT, 0, group)),
            Self::Done { src, group } => seal_alert(*src, ALL_ROUTERS, old(DONE, 0, group)),
            Self::Records { src, records } => {
                let [high, low] = (records.len() as u16).to_be_bytes();
                let mut message = vec![REPORT2, 0, 0, 0, 0, 0, high, low];
                records.iter().for_each(|record| record.emit(&mut message));
                seal_alert(*src, ALL_MLD2_ROUTERS, message)
            }
        }
    }
}

/// What must hold of any bytes that are read as a message of MLD.
#[cfg(any(test, fuzzing))]
pub mod fuzz {
    use std::net::Ipv6Addr;

    use super::{Message, QUERY, seal_alert};

    /// Reads bytes as a packet and as a message; what is read is written alike.
    pub fn messages(bytes: &[u8]) {
        let _ = Message::parse(bytes);
        let Some((&first, rest)) = bytes.split_first() else { return };
        let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let message = [&[QUERY + first % 14, 0, 0, 0][..], rest].concat();
        let read =
            Message::parse(&seal_alert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1), all, message));
        if let Some(read) = read {
            assert_eq!(Message::parse(&read.to_bytes()), Some(read));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::record::RecordKind;

    fn address(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn query(newer: Option<Newer<Ipv6Addr>>) -> Message {
        let (src, group) = (address("fe80::1"), address("ff1e::9"));
        Message::Query(Query { src, group, code: 10_000, newer })
    }

    #[test]
    fn what_is_written_reads_back() {
        let (src, group) = (address("fe80::1"), address("ff1e::9"));
        let sources = vec![address("2001::1"), address("2001::2")];
        let record = Record { kind: RecordKind::ToInclude, group, sources: sources.clone() };
        let newer = Newer { suppress: true, robustness: 2, interval: 125, sources };
        let records = vec![record.clone(), Record { kind: RecordKind::Block, ..record }];
        for message in [
            query(None),
            query(Some(newer)),
            Message::Report { src, group },
            Message::Done { src, group },
            Message::Records { src, records },
        ] {
            assert_eq!(Message::parse(&message.to_bytes()), Some(message));
        }
    }

    /// A record of three sources has 20 and 48 bytes; a report has a router alert. [8.144] [8.146]
    #[test]
    fn a_report_is_as_linux_writes_it() {
        let (src, group) = (address("fe80::1"), address("ff1e::9"));
        let sources = vec![address("2001::1"), address("2001::2"), address("2001::3")];
        let record = Record { kind: RecordKind::ToInclude, group, sources };
        let bytes = Message::Records { src, records: vec![record] }.to_bytes();
        assert_eq!(bytes.len(), 40 + 8 + 8 + 20 + 48);
        assert_eq!(bytes[6..8], [0, 1]);
        assert_eq!(bytes[24..40], address("ff02::16").octets());
        assert_eq!(bytes[40..48], [58, 0, 5, 2, 0, 0, 1, 0]);
        assert_eq!(bytes[48..50], [143, 0]);
        assert_eq!(bytes[52..60], [0, 0, 0, 1, 3, 0, 0, 3]);
    }

    /// Queries of 24 bytes are old ones, of 28 and more new ones. [8.149] [8.150]
    #[test]
    fn queries_that_rfc_3810_refuses_are_refused() {
        let cut = |len: usize| {
            let newer = Newer { suppress: false, robustness: 2, interval: 1, sources: vec![] };
            let whole = query(Some(newer)).to_bytes();
            let src = address("fe80::1");
            let parsed = Message::parse(&seal_alert(src, src, whole[48..48 + len].to_vec()));
            parsed.map(|message| matches!(message, Message::Query(Query { newer: Some(_), .. })))
        };
        assert_eq!([23, 24, 27, 28].map(cut), [None, Some(false), None, Some(true)]);
        let open = query(None).to_bytes();
        let message = open[48..].to_vec();
        let (link, all) = (address("fe80::1"), address("ff02::1"));
        assert!(Message::parse(&seal_alert(link, all, message.clone())).is_some());
        assert!(Message::parse(&seal_alert(address("2001::1"), all, message.clone())).is_none());
        let plain = super::super::envelope::seal(link, all, 1, message.clone());
        assert!(Message::parse(&plain).is_none(), "no router alert");
        let mut far = seal_alert(link, all, message.clone());
        far[7] = 2;
        assert!(Message::parse(&far).is_none(), "it may come from behind a router");
        let mut unicast = message;
        unicast[8] = 0x20;
        assert!(Message::parse(&seal_alert(link, all, unicast)).is_none(), "no group");
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().for_each(|bytes: &[u8]| fuzz::messages(bytes));
    }
}
