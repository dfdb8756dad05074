//! Elements as they are written.
//!
//! - takes: an element's text, for a set
//! - gives: [`Written`], which stands for one element or for many
//! - obeys: `ipset` 7.17

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    element::{Element, NAME, PHYSDEV, name},
    error::{Error, number},
    kind::{Kind, Part, Spec},
    names::{self, Services},
};

/// Addresses or prefixes of one part.
#[derive(Clone, Debug)]
enum Where {
    /// From and to.
    Addresses(u128, u128),
    /// Each with its length.
    Prefixes(Vec<(u128, u8)>),
}

/// What an element's text stands for.
#[derive(Clone, Debug)]
pub(super) struct Written {
    base: Element,
    places: Vec<Where>,
    ports: (u16, u16),
    netmask: Option<u8>,
}

impl Written {
    /// Gives each element that it stands for, until one is refused.
    pub(super) fn each<E>(&self, mut f: impl FnMut(&Element) -> Result<(), E>) -> Result<(), E> {
        self.place(0, self.base, &mut f)
    }

    /// The first of them, which a question is about.
    pub(super) fn first(&self) -> Element {
        let mut first = self.base;
        let _ = self.each(|element| {
            first = *element;
            Err(())
        });
        first
    }

    /// Marks it as exempt.
    pub(super) fn exempt(&mut self) {
        self.base.flags |= super::element::NOMATCH;
    }

    fn place<E>(
        &self,
        at: usize,
        element: Element,
        f: &mut impl FnMut(&Element) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut element = element;
        match self.places.get(at) {
            None => {
                (self.ports.0..=self.ports.1).try_for_each(|port| f(&Element { port, ..element }))
            }
            Some(Where::Addresses(from, to)) => {
                let step = match (at, self.netmask) {
                    (0, Some(len)) if len < 32 && *to < 1 << 32 => 1_u128 << (32 - len),
                    _ => 1,
                };
                let mut ip = *from;
                loop {
                    element.ip[at] = ip;
                    self.place(at + 1, element, f)?;
                    match ip.checked_add(step) {
                        Some(next) if next <= *to => ip = next,
                        _ => return Ok(()),
                    }
                }
            }
            Some(Where::Prefixes(prefixes)) => prefixes.iter().try_for_each(|(ip, len)| {
                (element.ip[at], element.len[at]) = (*ip, *len);
                self.place(at + 1, element, f)
            }),
        }
    }
}

fn address(text: &str, six: bool) -> Result<u128, Error> {
    let text = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let (read, family) = match six {
        false => (text.parse().ok().map(|ip: Ipv4Addr| ip.to_bits().into()), "IPv4"),
        true => (text.parse().ok().map(|ip: Ipv6Addr| ip.to_bits()), "IPv6"),
    };
    read.ok_or_else(|| {
        Error::syntax(format!("cannot parse {text}: resolving to {family} address failed"))
    })
}

/// An address, with the length of its prefix if that is said.
fn prefix(text: &str, spec: &Spec) -> Result<(u128, Option<u8>), Error> {
    match text.split_once('/') {
        Some((ip, len)) => {
            let len = number(len, 0, spec.host().into())?;
            Ok((address(ip, spec.six)?, Some(len as u8)))
        }
        None => Ok((address(text, spec.six)?, None)),
    }
}

fn span(text: &str, six: bool) -> Result<Option<(u128, u128)>, Error> {
    let Some((from, to)) = text.split_once('-') else { return Ok(None) };
    let (from, to) = (address(from, six)?, address(to, six)?);
    Ok(Some((from.min(to), from.max(to))))
}

fn plain(text: &str, six: bool) -> Result<Where, Error> {
    if text.contains(['/', '-']) {
        return Err(Error::syntax(format!("plain IP address must be supplied: {text}")));
    }
    let ip = address(text, six)?;
    Ok(Where::Addresses(ip, ip))
}

/// Addresses: one, a range, or all of a prefix.
pub(super) fn addresses(text: &str, spec: &Spec) -> Result<(u128, u128), Error> {
    if let Some(span) = span(text, spec.six)? {
        return Ok(span);
    }
    let (ip, len) = prefix(text, spec)?;
    let len = len.unwrap_or_else(|| spec.host());
    let from = spec.cut(ip, len);
    let behind = spec.host() - len;
    let rest = if behind >= 128 { u128::MAX } else { (1 << behind) - 1 };
    Ok((from, from | rest))
}

/// The fewest prefixes that make up a range of IPv4.
fn cover(from: u128, to: u128) -> Vec<(u128, u8)> {
    let mut prefixes = Vec::new();
    let mut at = from;
    while at <= to {
        let mut behind = at.trailing_zeros().min(32);
        while at + (1 << behind) - 1 > to {
            behind -= 1;
        }
        prefixes.push((at, 32 - behind as u8));
        at += 1 << behind;
    }
    prefixes
}

fn prefixes(text: &str, spec: &Spec) -> Result<Where, Error> {
    if !spec.six
        && let Some((from, to)) = span(text, false)?
    {
        return Ok(Where::Prefixes(cover(from, to)));
    }
    let (ip, len) = prefix(text, spec)?;
    let len = len.unwrap_or_else(|| spec.host());
    if len == 0 && spec.kind != Kind::HashNetIface {
        let why = "The value of the CIDR parameter of the IP address is invalid";
        return Err(Error::kernel(why));
    }
    Ok(Where::Prefixes(vec![(spec.cut(ip, len), len)]))
}

fn mac(text: &str) -> Result<[u8; 6], Error> {
    let wrong = || Error::syntax(format!("cannot parse '{text}' as Ethernet address"));
    let mut mac = [0; 6];
    let mut words = text.split(':');
    for byte in &mut mac {
        let word = words.next().filter(|word| (1..=2).contains(&word.len())).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(word, 16).map_err(|_| wrong())?;
    }
    if words.next().is_some() || mac == [0; 6] {
        return Err(wrong());
    }
    Ok(mac)
}

fn iface(text: &str, element: &mut Element) -> Result<(), Error> {
    let plain = text.strip_prefix("physdev:");
    if plain.is_some() {
        element.flags |= PHYSDEV;
    }
    let text = plain.unwrap_or(text);
    if text.is_empty() || text.len() > NAME {
        let why = format!("interface name '{text}' is longer than {NAME} characters");
        return Err(Error::syntax(why));
    }
    element.iface = name(text);
    Ok(())
}

/// Reads an element of a set.
pub(super) fn element(text: &str, spec: &Spec, services: Services) -> Result<Written, Error> {
    let parts = spec.kind.parts();
    let words: Vec<&str> = text.split(',').collect();
    let kind = spec.kind.name();
    if words.len() > parts.len() {
        let (has, supports) = match parts.len() {
            1 => ("Elem separator", "none"),
            2 => ("Two elem separators", "one"),
            _ => ("Three elem separators", "two"),
        };
        let why = format!("{has} in {text}, but settype {kind} supports {supports}.");
        return Err(Error::syntax(why));
    }
    let optional = spec.kind == Kind::BitmapIpMac;
    if words.len() < parts.len() && !optional {
        let which = if words.len() == 1 { "Second" } else { "Third" };
        return Err(Error::syntax(format!("{which} element is missing from {text}.")));
    }
    let mut written = Written {
        base: Element::default(),
        places: Vec::new(),
        ports: (0, 0),
        netmask: spec.netmask,
    };
    for (at, (part, word)) in parts.iter().zip(words).enumerate() {
        match part {
            Part::Ip if at > 0 || spec.six || spec.kind == Kind::HashIpMac => {
                written.places.push(plain(word, spec.six)?);
            }
            Part::Ip => {
                let (from, to) = addresses(word, spec)?;
                written.places.push(Where::Addresses(from, to));
            }
            Part::Net => written.places.push(prefixes(word, spec)?),
            Part::Port => {
                let (proto, from, to) = names::proto_ports(word, spec.six, services)?;
                written.base.proto = proto;
                written.ports = (from, to);
            }
            Part::PlainPort => {
                let (_, from, to) = names::proto_ports(word, spec.six, services)?;
                written.ports = (from, to);
            }
            Part::Mac => written.base.mac = mac(word)?,
            Part::Iface => iface(word, &mut written.base)?,
            Part::Set => {}
        }
    }
    let cut = |len: u8| move |ip: u128| spec.cut(ip, len);
    if let (Some(len), Some(Where::Addresses(from, to))) =
        (spec.netmask, written.places.first_mut())
    {
        (*from, *to) = (cut(len)(*from), cut(len)(*to));
    }
    Ok(written)
}

/// Whether an element lies in its set's range, and is not one that a hash cannot hold.
pub(super) fn is_held(element: &Element, spec: &Spec) -> Result<(), Error> {
    let range = u128::from(spec.range.0)..=u128::from(spec.range.1);
    let within = match spec.kind {
        Kind::BitmapPort => range.contains(&element.port.into()),
        kind if kind.is_bitmap() => range.contains(&element.ip[0]),
        _ => true,
    };
    if !within {
        return Err(Error::kernel("Element is out of the range of the set"));
    }
    let null = spec.kind.parts().first() == Some(&Part::Ip) && element.ip[0] == 0;
    if null && matches!(spec.kind, Kind::HashIp | Kind::HashIpMac) {
        let why = "Null-valued element, cannot be stored in a hash type of set";
        return Err(Error::kernel(why));
    }
    Ok(())
}
