//! Translation: `SNAT`, `DNAT`, `MASQUERADE`, `REDIRECT`, `NETMAP`, `SNPT`, `DNPT`.
//!
//! - takes: their options
//! - gives: [`Target::Snat`] and its like
//! - obeys: `iptables-extensions(8)`

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use crate::netfilter::rule::{
    Family, Hook, Masquerade, Nat, Npt, Prefix, Redirect, Span, TableName, Target,
};

use super::super::error::{Error, Fact, Parse, Refused};
use super::super::options::{Args, Kind, Opt, bad_word, opt};
use super::super::registry::{Check, Families, Place, Site, TargetEntry, free};
use super::super::words;

const NAT: Place = Place::tables(&[TableName::Nat]);
const SOURCES: &[Hook] = &[Hook::PostRouting, Hook::LocalIn];
const DESTINATIONS: &[Hook] = &[Hook::PreRouting, Hook::LocalOut];

const RANDOM: Opt = opt(&["random"], Kind::Flag);
const RANDOM_FULLY: Opt = opt(&["random-fully"], Kind::Flag);
const PERSISTENT: Opt = opt(&["persistent"], Kind::Flag);
const TO_PORTS: Opt = opt(&["to-ports"], Kind::Text);

/// Ports need a protocol that has them.
fn need_ports(args: &Args) -> Parse<()> {
    // Of ICMP the identifier is changed instead.
    if args.has_ports() || args.is_protocol(1) {
        return Ok(());
    }
    Err(Fact::Says("Need TCP, UDP, SCTP or DCCP with port specification").into())
}

fn one_port(text: &str) -> Parse<u16> {
    words::port(text).map_err(|_| bad_word("Port `", text, "' not valid\n"))
}

/// `5`, `5-9`
fn ports(text: &str) -> Parse<Span<u16>> {
    let Some((first, last)) = text.split_once('-') else { return one_port(text).map(Span::only) };
    let span = Span::new(one_port(first)?, one_port(last)?);
    if span.first > span.last {
        return Err(bad_word("Port range `", last, "' funky\n"));
    }
    Ok(span)
}

fn ports_text(ports: Span<u16>) -> String {
    if ports.first == ports.last {
        ports.first.to_string()
    } else {
        format!("{}-{}", ports.first, ports.last)
    }
}

fn addresses(text: &str, family: Family) -> Parse<Span<IpAddr>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let one = |text: &str| {
        words::host(text, family).map_err(|_| bad_word("Bad IP address \"", text, "\"\n"))
    };
    Ok(Span { first: one(first)?, last: one(last)? })
}

/// `1.2.3.4-1.2.3.9:5-9/7`, of IPv6 with brackets around the addresses where ports follow.
fn range(args: &Args, text: &str, based: bool) -> Parse<Nat> {
    let (address, ports_of) = match args.family {
        Family::Four => match text.split_once(':') {
            Some((address, ports)) => (address, Some(ports)),
            None => (text, None),
        },
        Family::Six => match (text.strip_prefix('['), text.strip_prefix(':')) {
            (Some(inner), _) => {
                let Some((address, rest)) = inner.split_once(']') else {
                    return Err(Fact::Says("Invalid address format").into());
                };
                match rest {
                    "" => (address, None),
                    rest => match rest.strip_prefix(':') {
                        Some(ports) => (address, Some(ports)),
                        None => return Err(Fact::Says("Invalid address format").into()),
                    },
                }
            }
            (None, Some(ports)) if !ports.contains(':') => ("", Some(ports)),
            _ => (text, None),
        },
    };
    let mut nat = Nat::default();
    if let Some(text) = ports_of {
        need_ports(args)?;
        let (text, base) = match text.split_once('/') {
            Some((text, base)) if based => (text, Some(base)),
            _ => (text, None),
        };
        nat.ports = Some(ports(text)?);
        nat.base_port = base.map(one_port).transpose()?;
    }
    if !address.is_empty() || ports_of.is_none() {
        nat.addresses = Some(addresses(address, args.family)?);
    }
    Ok(nat)
}

fn range_text(nat: &Nat) -> String {
    let mut text = String::new();
    if let Some(Span { first, last }) = nat.addresses {
        let many = if first == last { String::new() } else { format!("-{last}") };
        text = if first.is_ipv6() && nat.ports.is_some() {
            format!("[{first}{many}]")
        } else {
            format!("{first}{many}")
        };
    }
    if let Some(ports) = nat.ports {
        let _ = write!(text, ":{}", ports_text(ports));
        if let Some(base) = nat.base_port {
            let _ = write!(text, "/{base}");
        }
    }
    text
}

fn print_nat(out: &mut String, nat: &Nat, dashes: &str) {
    for (on, word) in
        [(nat.random, "random"), (nat.random_fully, "random-fully"), (nat.persistent, "persistent")]
    {
        if on {
            let _ = write!(out, " {dashes}{word}");
        }
    }
}

fn list_nat(out: &mut String, nat: &Nat) {
    let _ = write!(out, " to:{}", range_text(nat));
    print_nat(out, nat, "");
}

pub(super) static SNAT: TargetEntry = TargetEntry {
    name: "SNAT",
    families: Families::Both,
    place: NAT.hooks(SOURCES),
    options: &[opt(&["to-source"], Kind::Text).required(), RANDOM, RANDOM_FULLY, PERSISTENT],
    build: |args| {
        let text = args.text("to-source").map_or("", |words| words.value);
        Ok(Target::Snat(Nat {
            random: args.has("random"),
            random_fully: args.has("random-fully"),
            persistent: args.has("persistent"),
            ..range(args, text, false)?
        }))
    },
    save: |of, out| {
        let Target::Snat(nat) = of else { return false };
        let _ = write!(out, " --to-source {}", range_text(nat));
        print_nat(out, nat, "--");
        true
    },
    list: |of, out, _| {
        let Target::Snat(nat) = of else { return false };
        list_nat(out, nat);
        true
    },
    check: free,
};

pub(super) static DNAT: TargetEntry = TargetEntry {
    name: "DNAT",
    families: Families::Both,
    place: NAT.hooks(DESTINATIONS),
    options: &[opt(&["to-destination"], Kind::Text).required(), RANDOM, PERSISTENT],
    build: |args| {
        let text = args.text("to-destination").map_or("", |words| words.value);
        Ok(Target::Dnat(Nat {
            random: args.has("random"),
            persistent: args.has("persistent"),
            ..range(args, text, true)?
        }))
    },
    save: |of, out| {
        let Target::Dnat(nat) = of else { return false };
        let _ = write!(out, " --to-destination {}", range_text(nat));
        print_nat(out, nat, "--");
        true
    },
    list: |of, out, _| {
        let Target::Dnat(nat) = of else { return false };
        list_nat(out, nat);
        true
    },
    check: free,
};

/// Ports of `--to-ports`.
fn to_ports(args: &Args) -> Parse<Option<Span<u16>>> {
    let Some(words) = args.text("to-ports") else { return Ok(None) };
    need_ports(args)?;
    if words.value.contains(':') {
        return Err(Fact::Says("Invalid port:port syntax - use dash\n").into());
    }
    if words.value.contains('/') {
        let says = "Shifted portmap ranges not supported with this kernel";
        return Err(Fact::Says(says).into());
    }
    ports(words.value).map(Some)
}

pub(super) static MASQUERADE: TargetEntry = TargetEntry {
    name: "MASQUERADE",
    families: Families::Both,
    place: NAT.hooks(&[Hook::PostRouting]),
    options: &[TO_PORTS, RANDOM, RANDOM_FULLY],
    build: |args| {
        Ok(Target::Masquerade(Masquerade {
            ports: to_ports(args)?,
            random: args.has("random"),
            random_fully: args.has("random-fully"),
        }))
    },
    save: |of, out| {
        let Target::Masquerade(of) = of else { return false };
        if let Some(ports) = of.ports {
            let _ = write!(out, " --to-ports {}", ports_text(ports));
        }
        out.push_str(if of.random { " --random" } else { "" });
        out.push_str(if of.random_fully { " --random-fully" } else { "" });
        true
    },
    list: |of, out, _| {
        let Target::Masquerade(of) = of else { return false };
        if let Some(ports) = of.ports {
            let _ = write!(out, " masq ports: {}", ports_text(ports));
        }
        out.push_str(if of.random { " random" } else { "" });
        out.push_str(if of.random_fully { " random-fully" } else { "" });
        true
    },
    check: free,
};

pub(super) static REDIRECT: TargetEntry = TargetEntry {
    name: "REDIRECT",
    families: Families::Both,
    place: NAT.hooks(DESTINATIONS),
    options: &[TO_PORTS, RANDOM],
    build: |args| {
        let ports = to_ports(args)?;
        Ok(Target::Redirect(Redirect { ports, random: args.has("random") }))
    },
    save: |of, out| {
        let Target::Redirect(of) = of else { return false };
        if let Some(ports) = of.ports {
            let _ = write!(out, " --to-ports {}", ports_text(ports));
        }
        out.push_str(if of.random { " --random" } else { "" });
        true
    },
    list: |of, out, _| {
        let Target::Redirect(of) = of else { return false };
        if let Some(ports) = of.ports {
            let _ = write!(out, " redir ports {}", ports_text(ports));
        }
        out.push_str(if of.random { " random" } else { "" });
        true
    },
    check: free,
};

pub(super) static NETMAP: TargetEntry = TargetEntry {
    name: "NETMAP",
    families: Families::Both,
    place: NAT,
    options: &[opt(&["to"], Kind::Prefix).required()],
    build: |args| {
        let any = Prefix::new(args.family.any(), args.family.any());
        let to = args.prefix("to").map_or(any, |prefix| prefix.value);
        if to.length().is_none() {
            let fact = Fact::Mask(to.mask.to_string());
            return Err(Error::because(fact, "NETMAP: a mask's ones are its first bits"));
        }
        Ok(Target::Netmap(to))
    },
    save: |of, out| {
        let Target::Netmap(to) = of else { return false };
        let _ = write!(out, " --to {}", words::prefix_text(*to));
        true
    },
    list: |of, out, _| {
        let Target::Netmap(to) = of else { return false };
        let _ = write!(out, " to:{}", words::prefix_text(*to));
        true
    },
    check: free,
};

fn build_npt(args: &Args) -> Parse<Npt> {
    let side = |name: &'static str| {
        let text = args.text(name).map_or("", |words| words.value);
        let (address, length) = text.split_once('/').unwrap_or((text, "128"));
        let length = words::number(length).and_then(|n| u8::try_from(n).ok());
        let length = length.filter(|n| *n <= 128).ok_or(Fact::NotCidr(args.name, name, 128))?;
        match words::host(address, args.family)? {
            IpAddr::V6(address) => Ok((address, length)),
            IpAddr::V4(_) => Err(Error::from(Fact::NoHost(address.to_owned()))),
        }
    };
    Ok(Npt { from: side("src-pfx")?, to: side("dst-pfx")? })
}

fn print_npt(of: &Npt, out: &mut String, dashes: &str) {
    let ((from, length), (to, other)) = (of.from, of.to);
    let _ = write!(out, " {dashes}src-pfx {from}/{length} {dashes}dst-pfx {to}/{other}");
}

fn check_npt(of: &Target, _: &Site<'_>) -> Check {
    let (Target::Snpt(npt) | Target::Dnpt(npt)) = of else { return Ok(()) };
    if npt.from.1 > 64 || npt.to.1 > 64 {
        return Err((Refused::Invalid, "prefixes are at most 64 bits long".to_owned()));
    }
    let stray = |(address, length): (Ipv6Addr, u8)| {
        let mask = words::length_mask(length, Family::Six);
        Prefix::new(address.into(), mask).address != address
    };
    if stray(npt.from) || stray(npt.to) {
        return Err((Refused::Invalid, "a prefix has bits beyond its length".to_owned()));
    }
    Ok(())
}

const PREFIXES: &[Opt] =
    &[opt(&["src-pfx"], Kind::Text).required(), opt(&["dst-pfx"], Kind::Text).required()];

const MANGLE: Place = Place::tables(&[TableName::Mangle]);

pub(super) static SNPT: TargetEntry = TargetEntry {
    name: "SNPT",
    families: Families::Six,
    place: MANGLE.hooks(SOURCES),
    options: PREFIXES,
    build: |args| Ok(Target::Snpt(build_npt(args)?)),
    save: |of, out| {
        let Target::Snpt(of) = of else { return false };
        print_npt(of, out, "--");
        true
    },
    list: |of, out, _| {
        let Target::Snpt(of) = of else { return false };
        out.push_str(" SNPT");
        print_npt(of, out, "");
        true
    },
    check: check_npt,
};

pub(super) static DNPT: TargetEntry = TargetEntry {
    name: "DNPT",
    families: Families::Six,
    place: MANGLE.hooks(DESTINATIONS),
    options: PREFIXES,
    build: |args| Ok(Target::Dnpt(build_npt(args)?)),
    save: |of, out| {
        let Target::Dnpt(of) = of else { return false };
        print_npt(of, out, "--");
        true
    },
    list: |of, out, _| {
        let Target::Dnpt(of) = of else { return false };
        out.push_str(" DNPT");
        print_npt(of, out, "");
        true
    },
    check: check_npt,
};
