//! Options of neighbour discovery.
//!
//! - obeys: RFC 4861 section 4.6, RFC 4191 (routes), RFC 7527 (nonce), RFC 8106 (RDNSS, DNSSL),
//!   RFC 8781 (PREF64), RFC 8910 (captive portal), RFC 5175 (flags); unknown options are passed over,
//!   one of no length or beyond the end spoils the message [7.140]

use std::net::Ipv6Addr;

use super::{Preference, Refused};
use crate::packet::MacAddr;

const SOURCE: u8 = 1;
const TARGET: u8 = 2;
const PREFIX: u8 = 3;
const REDIRECTED: u8 = 4;
const MTU: u8 = 5;
const NONCE: u8 = 14;
const ROUTE: u8 = 24;
const RDNSS: u8 = 25;
const FLAGS: u8 = 26;
const DNSSL: u8 = 31;
const PORTAL: u8 = 37;
const PREF64: u8 = 38;
/// Longest name of a domain in text.
const MAX_NAME: usize = 253;

/// A prefix of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixInfo {
    /// Its address.
    pub prefix: Ipv6Addr,
    /// Its length.
    pub len: u8,
    /// Its addresses are on this link.
    pub on_link: bool,
    /// Hosts may make addresses of it.
    pub autonomous: bool,
    /// The address is the router's own (RFC 6275).
    pub router_address: bool,
    /// Prefix delegation is preferred to addresses of it (RFC 9762).
    pub prefers_delegation: bool,
    /// Seconds for which it is valid; all ones is forever.
    pub valid: u32,
    /// Seconds for which its addresses are preferred.
    pub preferred: u32,
}

/// A prefix that is reached by the router (RFC 4191 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// Its address, bits beyond the length cleared.
    pub prefix: Ipv6Addr,
    /// Its length.
    pub len: u8,
    /// Rank among routers that tell the same.
    pub preference: Preference,
    /// Seconds for which it holds; all ones is forever.
    pub lifetime: u32,
}

/// A prefix of NAT64 (RFC 8781).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pref64 {
    /// Its address.
    pub prefix: Ipv6Addr,
    /// Its length: 96, 64, 56, 48, 40 or 32.
    pub len: u8,
    /// Seconds for which it holds, a multiple of 8 up to 65528.
    pub lifetime: u16,
}

/// An option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Where the sender is.
    Source(MacAddr),
    /// Where the target is.
    Target(MacAddr),
    /// A prefix of the link.
    Prefix(PrefixInfo),
    /// The packet that went the wrong way, cut to a multiple of eight bytes.
    Redirected(Vec<u8>),
    /// The link's MTU.
    Mtu(u32),
    /// By which a question is known again.
    Nonce([u8; 6]),
    /// A prefix behind the router.
    Route(RouteInfo),
    /// Servers of names.
    Rdnss {
        /// Seconds for which they may be asked.
        lifetime: u32,
        /// Their addresses.
        servers: Vec<Ipv6Addr>,
    },
    /// Where short names are looked for.
    Dnssl {
        /// Seconds for which it holds.
        lifetime: u32,
        /// Domains, without a dot at the end.
        domains: Vec<String>,
    },
    /// Where the captive portal tells of itself.
    CaptivePortal(String),
    /// A prefix of NAT64.
    Pref64(Pref64),
    /// More flags of a router advertisement.
    Flags([u8; 6]),
    /// An option of a known type that cannot be read; a link-layer address other than Ethernet's.
    Odd(u8),
}

/// Prefix lengths by their code in PREF64.
const PREF64_LEN: [u8; 6] = [96, 64, 56, 48, 40, 32];

fn masked(bits: u128, len: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0);
    Ipv6Addr::from_bits(bits & mask)
}

/// Up to 16 bytes as the first of an address.
fn leading(bytes: &[u8]) -> u128 {
    let mut octets = [0; 16];
    let len = bytes.len().min(16);
    octets[..len].copy_from_slice(&bytes[..len]);
    u128::from_be_bytes(octets)
}

/// Names in the wire's form, one after the other, padded with zeroes.
fn names(mut bytes: &[u8]) -> Option<Vec<String>> {
    let (mut found, mut name) = (Vec::new(), String::new());
    while let Some((&len, rest)) = bytes.split_first() {
        let (label, behind) = rest.split_at_checked(usize::from(len))?;
        bytes = behind;
        if len == 0 {
            if !name.is_empty() {
                found.push(std::mem::take(&mut name));
            }
            continue;
        }
        // No compression here; a label has 63 bytes at most, and no bytes that a log would choke on.
        if len > 63 || !label.iter().all(|c| c.is_ascii_graphic() && *c != b'.') {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(std::str::from_utf8(label).ok()?);
        if name.len() > MAX_NAME {
            return None;
        }
    }
    (name.is_empty() && !found.is_empty()).then_some(found)
}

impl Item {
    /// Of the bytes of one option, which are as many as its length says; nothing for an unknown one.
    fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_be_bytes(bytes))
        };
        let kind = *bytes.first()?;
        let body = bytes.get(2..)?;
        let six = || body.try_into().ok();
        let read = || match kind {
            SOURCE => Some(Self::Source(MacAddr::new(six()?))),
            TARGET => Some(Self::Target(MacAddr::new(six()?))),
            NONCE => Some(Self::Nonce(six()?)),
            FLAGS => Some(Self::Flags(six()?)),
            MTU => Some(Self::Mtu(word(4)?)),
            REDIRECTED => Some(Self::Redirected(body.get(6..)?.to_vec())),
            PREFIX => {
                let flag = |bit: u8| bytes[3] & bit != 0;
                Some(Self::Prefix(PrefixInfo {
                    prefix: Ipv6Addr::from_bits(leading(bytes.get(16..32)?)),
                    len: body[0],
                    on_link: flag(0x80),
                    autonomous: flag(0x40),
                    router_address: flag(0x20),
                    prefers_delegation: flag(0x10),
                    valid: word(4)?,
                    preferred: word(8)?,
                }))
            }
            ROUTE => {
                let (len, units) = (body[0], bytes[1]);
                // RFC 4191 section 2.3: as long as its prefix needs.
                let need = match len {
                    0 => 1,
                    1..=64 => 2,
                    65..=128 => 3,
                    _ => return None,
                };
                let preference = Preference::from_bits(bytes[3] >> 3)?;
                let prefix = masked(leading(bytes.get(8..)?), len);
                let route = RouteInfo { prefix, len, preference, lifetime: word(4)? };
                (need..=3).contains(&units).then_some(Self::Route(route))
            }
            RDNSS => {
                let addresses = bytes.get(8..)?;
                let (servers, rest) = addresses.as_chunks::<16>();
                let servers: Vec<Ipv6Addr> = servers.iter().map(|o| Ipv6Addr::from(*o)).collect();
                let sound = rest.is_empty() && !servers.is_empty();
                sound.then_some(Self::Rdnss { lifetime: word(4)?, servers })
            }
            DNSSL => Some(Self::Dnssl { lifetime: word(4)?, domains: names(bytes.get(8..)?)? }),
            PORTAL => {
                let text = std::str::from_utf8(body).ok()?.trim_end_matches('\0');
                let sound = text.chars().all(|c| c.is_ascii_graphic());
                sound.then(|| Self::CaptivePortal(text.to_owned()))
            }
            PREF64 => {
                let scaled = u16::from_be_bytes([body[0], body[1]]);
                let len = *PREF64_LEN.get(usize::from(scaled & 7))?;
                let prefix = masked(leading(body.get(2..14)?), len);
                Some(Self::Pref64(Pref64 { prefix, len, lifetime: scaled & !7 }))
            }
            _ => None,
        };
        let known =
            matches!(kind, SOURCE..=MTU | NONCE | ROUTE | RDNSS | FLAGS | DNSSL | PORTAL | PREF64);
        known.then(|| read().unwrap_or(Self::Odd(kind)))
    }

    /// Writes the option.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        match self {
            Self::Source(mac) => {
                out.extend_from_slice(&[SOURCE, 0]);
                out.extend_from_slice(&mac.octets());
            }
            Self::Target(mac) => {
                out.extend_from_slice(&[TARGET, 0]);
                out.extend_from_slice(&mac.octets());
            }
            Self::Prefix(info) => {
                let bit = |on: bool, bit: u8| if on { bit } else { 0 };
                let flags = bit(info.on_link, 0x80)
                    | bit(info.autonomous, 0x40)
                    | bit(info.router_address, 0x20)
                    | bit(info.prefers_delegation, 0x10);
                out.extend_from_slice(&[PREFIX, 0, info.len, flags]);
                out.extend_from_slice(&info.valid.to_be_bytes());
                out.extend_from_slice(&info.preferred.to_be_bytes());
                out.extend_from_slice(&[0; 4]);
                out.extend_from_slice(&info.prefix.octets());
            }
            Self::Redirected(packet) => {
                out.extend_from_slice(&[REDIRECTED, 0, 0, 0, 0, 0, 0, 0]);
                out.extend_from_slice(packet);
            }
            Self::Mtu(mtu) => {
                out.extend_from_slice(&[MTU, 0, 0, 0]);
                out.extend_from_slice(&mtu.to_be_bytes());
            }
            Self::Nonce(nonce) => {
                out.extend_from_slice(&[NONCE, 0]);
                out.extend_from_slice(nonce);
            }
            Self::Route(route) => {
                out.extend_from_slice(&[ROUTE, 0, route.len, route.preference.bits() << 3]);
                out.extend_from_slice(&route.lifetime.to_be_bytes());
                let len = usize::from(route.len).div_ceil(64) * 8;
                out.extend_from_slice(&route.prefix.octets()[..len.min(16)]);
            }
            Self::Rdnss { lifetime, servers } => {
                out.extend_from_slice(&[RDNSS, 0, 0, 0]);
                out.extend_from_slice(&lifetime.to_be_bytes());
                for server in servers {
                    out.extend_from_slice(&server.octets());
                }
            }
            Self::Dnssl { lifetime, domains } => {
                out.extend_from_slice(&[DNSSL, 0, 0, 0]);
                out.extend_from_slice(&lifetime.to_be_bytes());
                for domain in domains {
                    for label in domain.split('.').filter(|label| !label.is_empty()) {
                        let label = &label.as_bytes()[..label.len().min(63)];
                        out.push(label.len() as u8);
                        out.extend_from_slice(label);
                    }
                    out.push(0);
                }
            }
            Self::CaptivePortal(uri) => {
                out.extend_from_slice(&[PORTAL, 0]);
                out.extend_from_slice(uri.as_bytes());
            }
            Self::Pref64(told) => {
                let code = PREF64_LEN.iter().position(|len| *len == told.len).unwrap_or(0) as u16;
                out.extend_from_slice(&[PREF64, 0]);
                out.extend_from_slice(&(told.lifetime & !7 | code).to_be_bytes());
                out.extend_from_slice(&told.prefix.octets()[..12]);
            }
            Self::Flags(flags) => {
                out.extend_from_slice(&[FLAGS, 0]);
                out.extend_from_slice(flags);
            }
            Self::Odd(_) => return,
        }
        let units = (out.len() - start).div_ceil(8);
        out.resize(start + units * 8, 0);
        out[start + 1] = u8::try_from(units).unwrap_or(u8::MAX);
    }
}

/// The options of a message, unknown ones left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items(Vec<Item>);

impl From<Vec<Item>> for Items {
    fn from(items: Vec<Item>) -> Self {
        Self(items)
    }
}

impl Items {
    /// Reads the options; nothing where one has no length or is longer than what is there.
    pub fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut items = Vec::new();
        while !bytes.is_empty() {
            let len = usize::from(*bytes.get(1)?) * 8;
            // An option of no length would never end.
            let (option, rest) = bytes.split_at_checked(len).filter(|_| len > 0)?;
            items.extend(Item::read(option));
            bytes = rest;
        }
        Some(Self(items))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Item> {
        self.0.iter()
    }

    fn station(
        &self,
        kind: u8,
        of: impl Fn(&Item) -> Option<MacAddr>,
    ) -> Result<Option<MacAddr>, Refused> {
        // Of several, the first counts.
        let first = self.0.iter().find(|item| of(item).is_some() || **item == Item::Odd(kind));
        match first {
            Some(Item::Odd(_)) => Err(Refused::LinkLayer),
            found => Ok(found.and_then(of)),
        }
    }

    /// Where the sender is.
    pub fn source(&self) -> Result<Option<MacAddr>, Refused> {
        self.station(SOURCE, |item| match item {
            Item::Source(mac) => Some(*mac),
            _ => None,
        })
    }

    /// Where the target is.
    pub fn target(&self) -> Result<Option<MacAddr>, Refused> {
        self.station(TARGET, |item| match item {
            Item::Target(mac) => Some(*mac),
            _ => None,
        })
    }

    /// By which a question is known again.
    pub fn nonce(&self) -> Option<[u8; 6]> {
        self.0.iter().find_map(|item| match item {
            Item::Nonce(nonce) => Some(*nonce),
            _ => None,
        })
    }

    /// The link's MTU.
    pub fn mtu(&self) -> Option<u32> {
        self.0.iter().find_map(|item| match item {
            Item::Mtu(mtu) => Some(*mtu),
            _ => None,
        })
    }

    /// The packet that went the wrong way.
    pub fn redirected(&self) -> Option<&[u8]> {
        self.0.iter().find_map(|item| match item {
            Item::Redirected(packet) => Some(packet.as_slice()),
            _ => None,
        })
    }

    /// Prefixes of the link, in order.
    pub fn prefixes(&self) -> impl Iterator<Item = &PrefixInfo> {
        self.0.iter().filter_map(|item| match item {
            Item::Prefix(info) => Some(info),
            _ => None,
        })
    }

    /// Prefixes behind the router, in order.
    pub fn routes(&self) -> impl Iterator<Item = &RouteInfo> {
        self.0.iter().filter_map(|item| match item {
            Item::Route(route) => Some(route),
            _ => None,
        })
    }
}
