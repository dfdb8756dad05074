//! IGMP: queries, reports and farewells of its three versions.
//!
//! - takes: bytes that start at the IPv4 header; messages to be written
//! - gives: a [`Message`]; packets from the IPv4 header on, with a router alert and TTL 1
//! - obeys: RFC 1112 appendix I, RFC 2236, RFC 3376 section 4; rows [6.11] to [6.14], [6.17], [6.18],
//!   [6.22], [6.23]

use std::net::Ipv4Addr;

use super::{
    checksum,
    record::{Newer, Query, Record},
};

const QUERY: u8 = 0x11;
const REPORT1: u8 = 0x12;
const REPORT2: u8 = 0x16;
const LEAVE: u8 = 0x17;
const REPORT3: u8 = 0x22;
const IGMP: u8 = 2;
const HEADER: usize = 24;
const OLD: usize = 8;

/// All hosts of the link.
pub const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
/// All routers of the link.
pub const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
/// All routers that hear IGMPv3.
pub const ALL_IGMP3_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);

/// A message of IGMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who is a member? Of version 1 where the code is 0, of version 3 with what that added.
    Query(Query<Ipv4Addr>),
    /// Somebody is a member of a group (IGMPv1 or IGMPv2).
    Report {
        /// Who.
        src: Ipv4Addr,
        /// Of what.
        group: Ipv4Addr,
        /// Of version 1.
        first: bool,
    },
    /// The last member may be gone (IGMPv2).
    Leave {
        /// Who.
        src: Ipv4Addr,
        /// From what.
        group: Ipv4Addr,
    },
    /// Somebody tells of all its groups, or of changes (IGMPv3).
    Records {
        /// Who.
        src: Ipv4Addr,
        /// What.
        records: Vec<Record<Ipv4Addr>>,
    },
}

impl Message {
    /// Reads the packet of a message whose checksum holds.
    pub fn parse(l3: &[u8]) -> Option<Self> {
        let (header, _) = l3.split_first_chunk::<20>()?;
        let start = usize::from(header[0] & 0xf) * 4;
        let end = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let src = Ipv4Addr::read_at(header, 12)?;
        let message = l3.get(start..end).filter(|_| header[0] >> 4 == 4 && header[9] == IGMP)?;
        if start < 20 || message.len() < OLD || checksum::checksum(message) != 0 {
            return None;
        }
        let group = Ipv4Addr::read_at(message, 4)?;
        match message[0] {
            QUERY => {
                let newer = match message.len() {
                    OLD => None,
                    12.. => Some(Newer::read(&message[OLD..])?),
                    _ => return None,
                };
                Some(Self::Query(Query { src, group, code: message[1].into(), newer }))
            }
            REPORT1 => Some(Self::Report { src, group, first: true }),
            REPORT2 => Some(Self::Report { src, group, first: false }),
            LEAVE => Some(Self::Leave { src, group }),
            REPORT3 => {
                let count = u16::from_be_bytes([message[6], message[7]]);
                Some(Self::Records { src, records: Record::read_all(count, &message[8..])? })
            }
            _ => None,
        }
    }

    /// The IPv4 packet, which must not be cut, with this identification.
    pub fn to_bytes(&self, id: u16) -> Vec<u8> {
        let old = |kind: u8, code: u8, group: &Ipv4Addr| {
            [&[kind, code, 0, 0][..], &group.octets()].concat()
        };
        let (src, dst, mut message) = match self {
            Self::Query(query) => {
                let code = u8::try_from(query.code).unwrap_or(u8::MAX);
                let mut message = old(QUERY, code, &query.group);
                if let Some(newer) = &query.newer {
                    newer.emit(&mut message);
                }
                let all = query.group.is_unspecified();
                (query.src, if all { ALL_HOSTS } else { query.group }, message)
            }
            Self::Report { src, group, first } => {
                (*src, *group, old(if *first { REPORT1 } else { REPORT2 }, 0, group))
            }
            Self::Leave { src, group } => (*src, ALL_ROUTERS, old(LEAVE, 0, group)),
            Self::Records { src, records } => {
                let [high, low] = (records.len() as u16).to_be_bytes();
                let mut message = vec![REPORT3, 0, 0, 0, 0, 0, high, low];
                records.iter().for_each(|record| record.emit(&mut message));
                (*src, ALL_IGMP3_ROUTERS, message)
            }
        };
        let check = checksum::checksum(&message);
        message[2..4].copy_from_slice(&check.to_be_bytes());
        let [high, low] = ((HEADER + message.len()) as u16).to_be_bytes();
        let [first, second] = id.to_be_bytes();
        let mut packet = vec![0x46, 0xc0, high, low, first, second, 0x40, 0, 1, IGMP, 0, 0];
        packet.extend_from_slice(&src.octets());
        packet.extend_from_slice(&dst.octets());
        packet.extend_from_slice(&[0x94, 4, 0, 0]);
        checksum::ipv4_header_fill(&mut packet);
        packet.extend_from_slice(&message);
        packet
    }
}

/// An address at a place of a header.
trait ReadAt: Sized {
    fn read_at(bytes: &[u8], at: usize) -> Option<Self>;
}

impl ReadAt for Ipv4Addr {
    fn read_at(bytes: &[u8], at: usize) -> Option<Self> {
        Some(Self::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::record::RecordKind;

    const SRC: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

    #[test]
    fn what_is_written_reads_back() {
        let sources = vec![Ipv4Addr::new(10, 0, 0, 1)];
        let newer =
            Newer { suppress: false, robustness: 3, interval: 0x8f, sources: sources.clone() };
        let record = Record { kind: RecordKind::ToExclude, group: GROUP, sources };
        let query = |code, newer| Message::Query(Query { src: SRC, group: GROUP, code, newer });
        for message in [
            query(0, None),
            query(100, None),
            query(100, Some(newer)),
            Message::Report { src: SRC, group: GROUP, first: true },
            Message::Report { src: SRC, group: GROUP, first: false },
            Message::Leave { src: SRC, group: GROUP },
            Message::Records { src: SRC, records: vec![record] },
        ] {
            assert_eq!(Message::parse(&message.to_bytes(7)), Some(message));
        }
    }

    /// TTL 1, precedence of routing, a router alert. [6.23]
    #[test]
    fn a_report_is_as_linux_writes_it() {
        let bytes = Message::Report { src: SRC, group: GROUP, first: false }.to_bytes(0);
        assert_eq!(bytes[..10], [0x46, 0xc0, 0, 32, 0, 0, 0x40, 0, 1, 2]);
        assert_eq!(bytes[16..24], [239, 1, 2, 3, 0x94, 4, 0, 0]);
        assert_eq!(bytes[24..26], [0x16, 0]);
        assert!(checksum::ipv4_header(&bytes[..24]));
    }

    /// 8 bytes and 12 are queries, 9 to 11 are nothing. [6.18]
    #[test]
    fn lengths_tell_versions_apart() {
        let newer = Newer { suppress: false, robustness: 2, interval: 125, sources: vec![] };
        let whole = Message::Query(Query { src: SRC, group: GROUP, code: 1, newer: Some(newer) });
        let whole = whole.to_bytes(0);
        for len in 0..=12 {
            let mut cut = whole[..HEADER + len].to_vec();
            cut[3] = cut.len() as u8;
            if len >= 4 {
                cut[HEADER + 2..HEADER + 4].fill(0);
                let check = checksum::checksum(&cut[HEADER..]);
                cut[HEADER + 2..HEADER + 4].copy_from_slice(&check.to_be_bytes());
            }
            assert_eq!(Message::parse(&cut).is_some(), [8, 12].contains(&len), "{len}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            Message::parse(bytes);
            let mut packet = Message::Leave { src: SRC, group: GROUP }.to_bytes(0);
            packet.truncate(HEADER);
            packet.extend_from_slice(bytes);
            packet[3] = packet.len() as u8;
            if let Some(field) = packet.get_mut(HEADER + 2..HEADER + 4) {
                field.fill(0);
                let check = checksum::checksum(&packet[HEADER..]);
                packet[HEADER + 2..HEADER + 4].copy_from_slice(&check.to_be_bytes());
            }
            Message::parse(&packet);
        });
    }
}
