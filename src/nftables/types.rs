//! Kinds of values: how they are written and how they lie in a packet.
//!
//! - takes: JSON values
//! - gives: bytes, highest first; and the values that bytes stand for
//! - obeys: nft(8), "DATA TYPES"

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use crate::sets::Services;

use super::{
    error::{Error, Path},
    names::{self, Names},
};

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Integer,
    Ip4,
    Ip6,
    Ether,
    Protocol,
    Service,
    EtherType,
    IfName,
    IfIndex,
    Mark,
    CtState,
    CtStatus,
    CtDir,
    CtLabel,
    IcmpType,
    IcmpCode,
    Icmp6Type,
    Icmp6Code,
    Dscp,
    Ecn,
    TcpFlags,
    PacketType,
    NfProto,
    FibType,
    Time,
    Day,
    Hour,
    Boolean,
    Text,
    Class,
    ArpOperation,
    Seconds,
}

/// A kind of value, and how many bits it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Type {
    pub(super) kind: Kind,
    pub(super) bits: u32,
}

/// What a type is called where sets are declared, and how long it is there.
const DECLARED: &[(&str, Kind, u32)] = &[
    ("ipv4_addr", Kind::Ip4, 32),
    ("ipv6_addr", Kind::Ip6, 128),
    ("ether_addr", Kind::Ether, 48),
    ("inet_proto", Kind::Protocol, 8),
    ("inet_service", Kind::Service, 16),
    ("ether_type", Kind::EtherType, 16),
    ("ifname", Kind::IfName, 128),
    ("iface_index", Kind::IfIndex, 32),
    ("mark", Kind::Mark, 32),
    ("ct_state", Kind::CtState, 32),
    ("ct_status", Kind::CtStatus, 32),
    ("ct_dir", Kind::CtDir, 8),
    ("ct_label", Kind::CtLabel, 128),
    ("icmp_type", Kind::IcmpType, 8),
    ("icmp_code", Kind::IcmpCode, 8),
    ("icmpv6_type", Kind::Icmp6Type, 8),
    ("icmpv6_code", Kind::Icmp6Code, 8),
    ("dscp", Kind::Dscp, 6),
    ("ecn", Kind::Ecn, 2),
    ("tcp_flag", Kind::TcpFlags, 8),
    ("pkt_type", Kind::PacketType, 8),
    ("nf_proto", Kind::NfProto, 8),
    ("fib_addrtype", Kind::FibType, 32),
    ("day", Kind::Day, 8),
    ("hour", Kind::Hour, 32),
    ("time", Kind::Time, 64),
    ("classid", Kind::Class, 32),
    ("devgroup", Kind::Integer, 32),
    ("realm", Kind::Integer, 32),
    ("uid", Kind::Integer, 32),
    ("gid", Kind::Integer, 32),
    ("arp_op", Kind::ArpOperation, 16),
    ("boolean", Kind::Boolean, 8),
];

/// What values may name.
#[derive(Clone, Copy)]
pub(super) struct Near<'a> {
    /// Interfaces: indices and names.
    pub(super) links: &'a [(u16, &'a str)],
    /// Ports of services.
    pub(super) services: Services,
    /// What was there when it was stated may be gone by now.
    pub(super) again: bool,
}

impl Type {
    pub(super) const fn new(kind: Kind, bits: u32) -> Self {
        Self { kind, bits }
    }

    /// Bytes that it fills.
    pub(super) const fn len(self) -> usize {
        self.bits.div_ceil(8) as usize
    }

    /// The type that sets call so.
    pub(super) fn declared(name: &str) -> Option<Self> {
        let found = DECLARED.iter().find(|(known, ..)| *known == name);
        found.map(|(_, kind, bits)| Self::new(*kind, *bits))
    }

    /// Whether its values are bits that stand side by side.
    pub(super) const fn is_flags(self) -> bool {
        matches!(self.kind, Kind::CtState | Kind::CtStatus | Kind::TcpFlags | Kind::CtLabel)
    }

    fn names(self) -> Names {
        match self.kind {
            Kind::Protocol => names::PROTOCOLS,
            Kind::EtherType => names::ETHERTYPES,
            Kind::CtState => names::CT_STATES,
            Kind::CtStatus => names::CT_STATUS,
            Kind::CtDir => names::DIRECTIONS,
            Kind::IcmpType => names::ICMP_TYPES,
            Kind::IcmpCode => names::ICMP_CODES,
            Kind::Icmp6Type => names::ICMP6_TYPES,
            Kind::Icmp6Code => names::ICMP6_CODES,
            Kind::Dscp => names::DSCP,
            Kind::Ecn => names::ECN,
            Kind::TcpFlags => names::TCP_FLAGS,
            Kind::PacketType => names::PACKET_TYPES,
            Kind::NfProto => names::NFPROTO,
            Kind::FibType => names::FIB_TYPES,
            Kind::Day => names::DAYS,
            Kind::ArpOperation => names::ARP_OPERATIONS,
            Kind::Boolean => names::BOOLEANS,
            _ => &[],
        }
    }

    /// The bytes of a number; nothing if it is too large.
    pub(super) fn number(self, number: u64) -> Option<Vec<u8>> {
        let fits = self.bits >= 64 || number >> self.bits == 0;
        let len = self.len();
        fits.then(|| {
            let mut bytes = vec![0; len.saturating_sub(8)];
            bytes.extend_from_slice(&number.to_be_bytes()[8 - len.min(8)..]);
            bytes
        })
    }

    /// The bytes of one value; an interface that is not there has the index of none.
    pub(super) fn read(
        self,
        value: &Value,
        path: &Path<'_>,
        near: Near<'_>,
    ) -> Result<Vec<u8>, Error> {
        match value {
            Value::Number(number) => match number.as_u64() {
                Some(seconds) if self.kind == Kind::Time => {
                    self.fitting(seconds.checked_mul(1_000_000_000), path)
                }
                Some(label) if self.kind == Kind::CtLabel => self.label(label, path),
                // What time a connection has yet is told in seconds and known in milliseconds.
                Some(seconds) if self.kind == Kind::Seconds => {
                    self.fitting(seconds.checked_mul(1000), path)
                }
                Some(number) if self.kind != Kind::IfName => self.fitting(Some(number), path),
                _ => Err(self.wrong(value, path)),
            },
            Value::Bool(on) => self.fitting(Some(u64::from(*on)), path),
            Value::String(text) => self.word(text, path, near),
            Value::Array(all) if self.is_flags() => self.any_of(all, path, near),
            Value::Object(map) if map.len() == 1 => match map.iter().next() {
                Some((op, Value::Array(all))) if op == "|" => self.any_of(all, &path.key(op), near),
                _ => Err(self.wrong(value, path)),
            },
            _ => Err(self.wrong(value, path)),
        }
    }

    /// All bits of a few values.
    fn any_of(self, all: &[Value], path: &Path<'_>, near: Near<'_>) -> Result<Vec<u8>, Error> {
        let mut bits = vec![0; self.len()];
        for (at, value) in all.iter().enumerate() {
            let more = self.read(value, &path.at(at), near)?;
            bits.iter_mut().zip(more).for_each(|(bits, more)| *bits |= more);
        }
        Ok(bits)
    }

    fn fitting(self, number: Option<u64>, path: &Path<'_>) -> Result<Vec<u8>, Error> {
        number.and_then(|number| self.number(number)).ok_or_else(|| {
            Error::new(
                path,
                format!(
                    "Value exceeds valid range 0-{}",
                    u64::MAX >> (64 - self.bits.clamp(1, 64))
                ),
                "write a number that fits the field",
            )
        })
    }

    fn label(self, label: u64, path: &Path<'_>) -> Result<Vec<u8>, Error> {
        let bit = u32::try_from(label).ok().and_then(|label| 1_u128.checked_shl(label));
        bit.map(|bit| bit.to_be_bytes().to_vec()).ok_or_else(|| {
            Error::new(path, format!("no label {label}"), "labels are numbers from 0 to 127")
        })
    }

    fn wrong(self, value: &Value, path: &Path<'_>) -> Error {
        let names: Vec<_> = self.names().iter().take(6).map(|(name, _)| *name).collect();
        let hint = match self.kind {
            Kind::Ip4 => "write an address as in \"192.0.2.1\"".to_owned(),
            Kind::Ip6 => "write an address as in \"2001:db8::1\"".to_owned(),
            Kind::Ether => "write an address as in \"02:00:00:00:00:01\"".to_owned(),
            Kind::IfName | Kind::IfIndex => "write the name of an interface".to_owned(),
            Kind::Service => "write the port's number".to_owned(),
            _ if names.is_empty() => "write a number".to_owned(),
            _ => format!("write a number or a word as {}", names.join(", ")),
        };
        Error::new(path, format!("{value} cannot stand here"), hint)
    }

    fn word(self, text: &str, path: &Path<'_>, near: Near<'_>) -> Result<Vec<u8>, Error> {
        let wrong = || self.wrong(&Value::from(text), path);
        let number = |text: &str| match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        };
        match self.kind {
            Kind::Ip4 => {
                text.parse::<Ipv4Addr>().map(|own| own.octets().to_vec()).map_err(|_| wrong())
            }
            Kind::Ip6 => {
                text.parse::<Ipv6Addr>().map(|own| own.octets().to_vec()).map_err(|_| wrong())
            }
            Kind::Ether => {
                let bytes: Option<Vec<u8>> =
                    text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
                bytes.filter(|bytes| bytes.len() == 6).ok_or_else(wrong)
            }
            Kind::IfName | Kind::Text => {
                let most = 16 - usize::from(self.kind == Kind::IfName);
                if text.is_empty() || text.len() > most {
                    return Err(wrong());
                }
                let mut bytes = text.as_bytes().to_vec();
                bytes.resize(16, 0);
                Ok(bytes)
            }
            Kind::IfIndex => {
                let found = near.links.iter().find(|(_, name)| *name == text);
                let index = found.map(|(index, _)| u32::from(*index));
                let index = index.or_else(|| near.again.then_some(u32::MAX));
                index.map(|index| index.to_be_bytes().to_vec()).ok_or_else(|| {
                    Error::new(
                        path,
                        format!("Interface {text:?} does not exist"),
                        "name an interface of this router, or ask by iifname and oifname",
                    )
                })
            }
            Kind::Class => {
                let class = match text {
                    "none" => Some(0),
                    "root" => Some(u64::from(u32::MAX)),
                    _ => text.split_once(':').and_then(|(major, minor)| {
                        let part = |text: &str| match text {
                            "" => Some(0),
                            text => u16::from_str_radix(text, 16).ok(),
                        };
                        Some(u64::from(part(major)?) << 16 | u64::from(part(minor)?))
                    }),
                };
                self.fitting(Some(class.or_else(|| number(text)).ok_or_else(wrong)?), path)
            }
            Kind::Hour => {
                self.fitting(Some(clock(text).or_else(|| number(text)).ok_or_else(wrong)?), path)
            }
            Kind::Time => self.fitting(Some(date(text).ok_or_else(wrong)?), path),
            Kind::CtLabel => self.label(number(text).ok_or_else(wrong)?, path),
            Kind::Seconds => self.fitting(number(text).ok_or_else(wrong)?.checked_mul(1000), path),
            _ => {
                let named = self.names().iter().find(|(name, _)| *name == text);
                let service = |protocol| (near.services)(text, protocol).map(u64::from);
                let value = match self.kind {
                    Kind::Service => ["tcp", "udp", "sctp"].into_iter().find_map(service),
                    _ => named.map(|(_, value)| *value),
                };
                let value = value.or_else(|| number(text));
                self.fitting(Some(value.ok_or_else(wrong)?), path)
            }
        }
    }

    /// The value that bytes stand for.
    pub(super) fn show(self, bytes: &[u8], near: Near<'_>) -> Value {
        let number = bytes.iter().take(8).fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        let text = || {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            Value::from(String::from_utf8_lossy(&bytes[..end]).into_owned())
        };
        match self.kind {
            Kind::Ip4 => match bytes.first_chunk::<4>() {
                Some(four) => json!(Ipv4Addr::from(*four).to_string()),
                None => Value::Null,
            },
            Kind::Ip6 => match bytes.first_chunk::<16>() {
                Some(six) => json!(Ipv6Addr::from(*six).to_string()),
                None => Value::Null,
            },
            Kind::Ether => {
                let parts: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                json!(parts.join(":"))
            }
            Kind::IfName | Kind::Text => text(),
            Kind::IfIndex => {
                let found = near.links.iter().find(|(index, _)| u64::from(*index) == number);
                found.map_or(json!(number), |(_, name)| json!(name))
            }
            Kind::Service | Kind::Mark | Kind::Integer => json!(number),
            _ => {
                let named = self.names().iter().find(|(_, value)| *value == number);
                named.map_or(json!(number), |(name, _)| json!(name))
            }
        }
    }
}

/// Seconds since midnight of `HH:MM` or `HH:MM:SS`.
fn clock(text: &str) -> Option<u64> {
    let mut parts = text.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    (parts.next().is_none() && hour < 24 && minute < 60 && second < 60)
        .then_some(hour * 3600 + minute * 60 + second)
}

/// Nanoseconds since 1970 of `YYYY-MM-DD`, with `HH:MM:SS` or without.
fn date(text: &str) -> Option<u64> {
    let (day, time) = text.split_once(' ').unwrap_or((text, "00:00"));
    let mut parts = day.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1970..=2262).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    // Years begin in March, so that a leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5;
    let days = (days + day).checked_sub(1 + 719_468)?;
    (1..=31).contains(&day).then_some(())?;
    (days * 86_400 + clock(time)?).checked_mul(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near() -> Near<'static> {
        let services = |name: &str, _: &str| (name == "ssh").then_some(22);
        Near { links: &[(3, "lan")], services, again: false }
    }

    fn read(kind: Kind, bits: u32, value: Value) -> Result<Vec<u8>, String> {
        Type::new(kind, bits).read(&value, &Path::Root, near()).map_err(|error| error.what)
    }

    #[test]
    fn values_lie_as_in_packets() {
        assert_eq!(read(Kind::Ip4, 32, json!("10.0.0.1")), Ok(vec![10, 0, 0, 1]));
        assert_eq!(read(Kind::Service, 16, json!(443)), Ok(vec![1, 187]));
        assert_eq!(read(Kind::Service, 16, json!("ssh")), Ok(vec![0, 22]));
        assert_eq!(read(Kind::TcpFlags, 8, json!(["syn", "ack"])), Ok(vec![18]));
        assert_eq!(read(Kind::TcpFlags, 8, json!({"|": ["syn", "fin"]})), Ok(vec![3]));
        assert_eq!(read(Kind::IfIndex, 32, json!("lan")), Ok(vec![0, 0, 0, 3]));
        assert_eq!(read(Kind::Class, 32, json!("1:a")), Ok(vec![0, 1, 0, 10]));
        assert_eq!(read(Kind::Hour, 32, json!("10:00")), Ok(36_000_u32.to_be_bytes().into()));
        assert_eq!(read(Kind::Dscp, 6, json!("ef")), Ok(vec![46]));
        assert_eq!(read(Kind::CtLabel, 128, json!(5)), Ok(32_u128.to_be_bytes().into()));
        assert!(read(Kind::Service, 16, json!(65_536)).is_err());
        assert!(read(Kind::Dscp, 6, json!(64)).is_err());
        assert!(read(Kind::Protocol, 8, json!("nobody")).is_err());
        assert!(read(Kind::IfIndex, 32, json!("wan")).is_err());
    }

    #[test]
    fn dates_are_seconds_since_the_epoch() {
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("2020-01-01 00:00:00"), Some(1_577_836_800_000_000_000));
        assert_eq!(date("2024-02-29 12:00"), Some(1_709_208_000_000_000_000));
        assert_eq!([date("2020-13-01"), date("x"), date("2020-01-01 25:00")], [None; 3]);
    }

    #[test]
    fn what_bytes_stand_for_can_be_read_again() {
        for (kind, bits, value) in [
            (Kind::Ip4, 32, json!("10.0.0.1")),
            (Kind::Ip6, 128, json!("2001:db8::1")),
            (Kind::Ether, 48, json!("02:00:00:00:00:01")),
            (Kind::IfName, 128, json!("lan")),
            (Kind::IfIndex, 32, json!("lan")),
            (Kind::Service, 16, json!(53)),
            (Kind::Protocol, 8, json!("tcp")),
        ] {
            let of = Type::new(kind, bits);
            let bytes = of.read(&value, &Path::Root, near()).unwrap();
            assert_eq!(of.show(&bytes, near()), value);
        }
    }
}
