//! What a set is made with, as `ipset create` reads it.
//!
//! - takes: the words behind the type's name
//! - gives: [`Spec`]
//! - obeys: `ipset` 7.17

use super::{
    error::{Error, number},
    kind::{Kind, Spec},
    names::{self, Services},
    read,
};

/// The longest timeout, in seconds.
pub(super) const LONGEST: u64 = 2_147_483;
/// The most addresses or ports of a range.
const WIDEST: u64 = 65536;

/// Reads the options of a new set; `serial` tells it from others.
pub(super) fn read(
    kind: Kind,
    words: &[&str],
    serial: u64,
    services: Services,
) -> Result<Spec, Error> {
    let mut spec = Spec::new(kind);
    spec.initval = (serial as u32).wrapping_mul(0x9e37_79b9);
    let hash = !kind.is_bitmap() && kind != Kind::List;
    let (mut range, mut netmask) = (None, None);
    let mut rest = words.iter().copied();
    while let Some(word) = rest.next() {
        let mut value = || {
            rest.next().ok_or_else(|| {
                Error::words(format!("Missing mandatory argument of option `{word}'"))
            })
        };
        match word {
            "family" if kind.has_family() => {
                spec.six = match value()? {
                    "inet" | "-4" => false,
                    "inet6" | "-6" => true,
                    other => {
                        return Err(Error::syntax(format!("unknown inet family {other}")));
                    }
                };
            }
            "-4" if kind.has_family() => spec.six = false,
            "-6" if kind.has_family() => spec.six = true,
            "hashsize" if hash => {
                let size = number(value()?, 0, u32::MAX.into())?.clamp(64, 1 << 31);
                spec.hashsize = (size as u32).next_power_of_two();
            }
            "maxelem" if hash => spec.maxelem = number(value()?, 0, u32::MAX.into())? as u32,
            "bucketsize" if hash => {
                let size = number(value()?, 0, 255)?.clamp(2, 14);
                spec.bucketsize = size.next_multiple_of(2) as u8;
            }
            "initval" if hash => spec.initval = number(value()?, 0, u32::MAX.into())? as u32,
            "forceadd" if hash => spec.forceadd = true,
            "timeout" => spec.timeout = Some(number(value()?, 0, LONGEST)? as u32),
            "counters" => spec.counters = true,
            "comment" => spec.comment = true,
            "skbinfo" => spec.skbinfo = true,
            "netmask" if kind.has_netmask() => netmask = Some(value()?),
            "range" if kind.is_bitmap() => range = Some(value()?),
            "size" if kind == Kind::List => {
                spec.size = (number(value()?, 0, u32::MAX.into())? as u32).max(4);
            }
            word => return Err(Error::words(format!("Unknown argument: `{word}'"))),
        }
    }
    if let Some(text) = netmask {
        let most = spec.host();
        let len = number(text, 1, most.into()).map_err(|error| {
            let more = format!("Syntax error: netmask is out of the inclusive range of 1-{most}");
            Error::plain(format!("{error}\n{more}"))
        })?;
        spec.netmask = Some(len as u8).filter(|len| *len != most);
    }
    if kind.is_bitmap() {
        let Some(text) = range else {
            return Err(Error::words("Mandatory option `range' is missing"));
        };
        spec.range = span(text, &spec, services)?;
    }
    Ok(spec)
}

fn span(text: &str, spec: &Spec, services: Services) -> Result<(u32, u32), Error> {
    if spec.kind == Kind::BitmapPort {
        let plain = text.split_once(':').map_or(text, |(_, rest)| rest);
        if !plain.contains('-') {
            return Err(Error::words("Mandatory option `to' is missing"));
        }
        let (_, from, to) = names::proto_ports(text, false, services)?;
        return Ok((from.into(), to.into()));
    }
    if !text.contains(['/', '-']) {
        return Err(Error::syntax(format!("IP/cidr or IP-IP range must be specified: {text}")));
    }
    let (from, to) = read::addresses(text, spec)?;
    let behind = spec.netmask.map_or(0, |len| 32 - u32::from(len));
    let places = ((to >> behind) - (from >> behind) + 1) as u64;
    if places > WIDEST {
        let why = "The range you specified exceeds the size limit of the set type";
        return Err(Error::kernel(why));
    }
    Ok((from as u32, to as u32))
}
