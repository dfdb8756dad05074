//! Where a packet comes from and goes to: `iprange`, `mac`, `addrtype`, `pkttype`, `rpfilter`,
//! `devgroup`, `realm`, `cpu`, and `comment`, which asks nothing.
//!
//! - takes: their options
//! - gives: [`Match::IpRange`] and its like
//! - obeys: `iptables-extensions(8)`

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::netfilter::rule::{
    AddrType, AddrTypes, DevGroup, Family, Hook, IpRange, Is, Masked, Match, PacketType, RpFilter,
    Span, TableName,
};

use super::super::error::{Fact, Parse, Refused};
use super::super::options::{Args, Kind, bad_word, opt};
use super::super::registry::{Check, Families, MatchEntry, Place, Site, free};
use super::super::words::{self, bang, mark_text, quote};

fn range(args: &Args, name: &'static str) -> Parse<Option<Is<Span<IpAddr>>>> {
    let Some(words) = args.text(name) else { return Ok(None) };
    let (first, last) = words.value.split_once('-').unwrap_or((words.value, words.value));
    let one = |text: &str| {
        words::host(text, args.family)
            .map_err(|_| Fact::BadChoice("iprange", name, text.to_owned()))
    };
    let value = Span { first: one(first)?, last: one(last)? };
    Ok(Some(Is { not: words.not, value }))
}

pub(super) static IPRANGE: MatchEntry = MatchEntry {
    name: "iprange",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["src-range"], Kind::Text).inverts(),
        opt(&["dst-range"], Kind::Text).inverts(),
    ],
    build: |args| {
        let of =
            IpRange { source: range(args, "src-range")?, destination: range(args, "dst-range")? };
        if of == IpRange::default() {
            let says = "iprange match: You must specify `--src-range' or `--dst-range'";
            return Err(Fact::Says(says).into());
        }
        Ok(Match::IpRange(of))
    },
    save: |of, out| {
        let Match::IpRange(of) = of else { return false };
        for (name, range) in [("src", of.source), ("dst", of.destination)] {
            if let Some(range) = range {
                bang(out, range.not);
                let (first, last) = (range.value.first, range.value.last);
                let _ = write!(out, " --{name}-range {first}-{last}");
            }
        }
        true
    },
    list: |of, out, _| {
        let Match::IpRange(of) = of else { return false };
        for (name, range) in [("source", of.source), ("destination", of.destination)] {
            if let Some(range) = range {
                let _ = write!(out, " {name} IP range");
                bang(out, range.not);
                let _ = write!(out, " {}-{}", range.value.first, range.value.last);
            }
        }
        true
    },
    check: free,
};

/// An Ethernet address; of each byte the leading zero may be left out.
fn mac_of(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut words = text.split(':');
    for byte in &mut mac {
        let word = words.next().filter(|word| (1..=2).contains(&word.len()))?;
        *byte = u8::from_str_radix(word, 16).ok()?;
    }
    words.next().is_none().then_some(mac)
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

const ARRIVES: &[Hook] = &[Hook::PreRouting, Hook::LocalIn, Hook::Forward];
const LEAVES: &[Hook] = &[Hook::Forward, Hook::LocalOut, Hook::PostRouting];

pub(super) static MAC: MatchEntry = MatchEntry {
    name: "mac",
    families: Families::Both,
    place: Place::ANY.hooks(ARRIVES),
    terse: false,
    options: &[opt(&["mac-source"], Kind::Text).inverts().required()],
    build: |args| {
        let words = args.text("mac-source").unwrap_or(Is::so(""));
        let says = Fact::Says("Invalid MAC address specified.");
        Ok(Match::Mac(Is { not: words.not, value: mac_of(words.value).ok_or(says)? }))
    },
    save: |of, out| {
        let Match::Mac(mac) = of else { return false };
        bang(out, mac.not);
        let _ = write!(out, " --mac-source {}", mac_text(mac.value));
        true
    },
    list: |of, out, _| {
        let Match::Mac(mac) = of else { return false };
        out.push_str(" MAC");
        bang(out, mac.not);
        let _ = write!(out, " {}", mac_text(mac.value));
        true
    },
    check: free,
};

fn types_of(words: &str) -> Parse<AddrTypes> {
    let mut bits = 0;
    for word in words.split(',') {
        let begins = |name: &str| {
            !word.is_empty() && name.get(..word.len()).is_some_and(|n| n.eq_ignore_ascii_case(word))
        };
        let Some(bit) = AddrTypes::NAMES.iter().position(|name| begins(name)) else {
            return Err(bad_word("addrtype: bad type \"", words, "\""));
        };
        bits |= 1 << bit;
    }
    Ok(AddrTypes(bits))
}

fn types_text(types: AddrTypes) -> String {
    let set = AddrTypes::NAMES.iter().enumerate().filter(|(bit, _)| types.0 >> bit & 1 != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}

fn build_addrtype(args: &Args) -> Parse<Match> {
    let types = |name: &str| -> Parse<Option<Is<AddrTypes>>> {
        let Some(words) = args.text(name) else { return Ok(None) };
        Ok(Some(Is { not: words.not, value: types_of(words.value)? }))
    };
    let of = AddrType {
        source: types("src-type")?,
        destination: types("dst-type")?,
        limit_in: args.has("limit-iface-in"),
        limit_out: args.has("limit-iface-out"),
    };
    if of.source.is_none() && of.destination.is_none() {
        return Err(Fact::Says("addrtype: you must specify --src-type or --dst-type").into());
    }
    Ok(Match::AddrType(of))
}

fn check_addrtype(of: &Match, site: &Site<'_>) -> Check {
    let Match::AddrType(of) = of else { return Ok(()) };
    let at = |hooks: [Hook; 2]| site.hooks.iter().any(|hook| hooks.contains(hook));
    let bits = |types: Option<Is<AddrTypes>>| types.map_or(0, |types| types.value.0);
    let asked = bits(of.source) | bits(of.destination);
    let six = site.family == Family::Six;
    let why = if of.limit_in && of.limit_out {
        "both incoming and outgoing interface limitation cannot be selected"
    } else if of.limit_out && at([Hook::PreRouting, Hook::LocalIn]) {
        "output interface limitation not valid in PREROUTING and INPUT"
    } else if of.limit_in && at([Hook::PostRouting, Hook::LocalOut]) {
        "input interface limitation not valid in POSTROUTING and OUTPUT"
    } else if six && asked & 1 << 6 != 0 {
        "ipv6 BLACKHOLE matching not supported"
    } else if six && asked >= 1 << 8 {
        "ipv6 PROHIBIT (THROW, NAT ..) matching not supported"
    } else if six && asked & 1 << 3 != 0 {
        "ipv6 does not support BROADCAST matching"
    } else {
        return Ok(());
    };
    Err((Refused::Invalid, format!("addrtype: {why}")))
}

pub(super) static ADDRTYPE: MatchEntry = MatchEntry {
    name: "addrtype",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["src-type"], Kind::Text).inverts(),
        opt(&["dst-type"], Kind::Text).inverts(),
        opt(&["limit-iface-in"], Kind::Flag).excludes(&["limit-iface-out"]),
        opt(&["limit-iface-out"], Kind::Flag).excludes(&["limit-iface-in"]),
    ],
    build: build_addrtype,
    save: |of, out| {
        let Match::AddrType(of) = of else { return false };
        for (name, types) in [("src", of.source), ("dst", of.destination)] {
            if let Some(types) = types {
                bang(out, types.not);
                let _ = write!(out, " --{name}-type {}", types_text(types.value));
            }
        }
        out.push_str(if of.limit_in { " --limit-iface-in" } else { "" });
        out.push_str(if of.limit_out { " --limit-iface-out" } else { "" });
        true
    },
    list: |of, out, _| {
        let Match::AddrType(of) = of else { return false };
        out.push_str(" ADDRTYPE match");
        for (name, types) in [("src", of.source), ("dst", of.destination)] {
            if let Some(types) = types {
                let inverted = if types.not { "!" } else { "" };
                let _ = write!(out, " {name}-type {inverted}{}", types_text(types.value));
            }
        }
        out.push_str(if of.limit_in { " limit-in" } else { "" });
        out.push_str(if of.limit_out { " limit-out" } else { "" });
        true
    },
    check: check_addrtype,
};

/// Words for types of packets; of each the first is printed.
const PACKETS: [(&str, PacketType); 9] = [
    ("unicast", PacketType::Unicast),
    ("broadcast", PacketType::Broadcast),
    ("multicast", PacketType::Multicast),
    ("otherhost", PacketType::OtherHost),
    ("outgoing", PacketType::Outgoing),
    ("loopback", PacketType::Loopback),
    ("host", PacketType::Unicast),
    ("bcast", PacketType::Broadcast),
    ("mcast", PacketType::Multicast),
];

fn packet_word(of: PacketType) -> &'static str {
    PACKETS.iter().find(|(_, known)| *known == of).map_or("", |(word, _)| word)
}

pub(super) static PKTTYPE: MatchEntry = MatchEntry {
    name: "pkttype",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["pkt-type"], Kind::Text).inverts().required()],
    build: |args| {
        let words = args.text("pkt-type").unwrap_or(Is::so(""));
        let named = PACKETS.iter().find(|(name, _)| name.eq_ignore_ascii_case(words.value));
        let Some((_, value)) = named else {
            return Err(bad_word("Bad packet type '", words.value, "'"));
        };
        Ok(Match::PacketType(Is { not: words.not, value: *value }))
    },
    save: |of, out| {
        let Match::PacketType(of) = of else { return false };
        bang(out, of.not);
        let _ = write!(out, " --pkt-type {}", packet_word(of.value));
        true
    },
    list: |of, out, _| {
        let Match::PacketType(of) = of else { return false };
        let sign = if of.not { "!=" } else { "=" };
        let _ = write!(out, " PKTTYPE {sign} {}", packet_word(of.value));
        true
    },
    check: free,
};

fn print_rpfilter(of: &RpFilter, out: &mut String, dashes: &str) {
    for (on, word) in [
        (of.loose, "loose"),
        (of.valid_mark, "validmark"),
        (of.accept_local, "accept-local"),
        (of.invert, "invert"),
    ] {
        if on {
            let _ = write!(out, " {dashes}{word}");
        }
    }
}

pub(super) static RPFILTER: MatchEntry = MatchEntry {
    name: "rpfilter",
    families: Families::Both,
    place: Place::tables(&[TableName::Raw, TableName::Mangle]).hooks(&[Hook::PreRouting]),
    terse: false,
    options: &[
        opt(&["loose"], Kind::Flag),
        opt(&["validmark"], Kind::Flag),
        opt(&["accept-local"], Kind::Flag),
        opt(&["invert"], Kind::Flag),
    ],
    build: |args| {
        Ok(Match::RpFilter(RpFilter {
            loose: args.has("loose"),
            valid_mark: args.has("validmark"),
            accept_local: args.has("accept-local"),
            invert: args.has("invert"),
        }))
    },
    save: |of, out| {
        let Match::RpFilter(of) = of else { return false };
        print_rpfilter(of, out, "--");
        true
    },
    list: |of, out, _| {
        let Match::RpFilter(of) = of else { return false };
        out.push_str(" rpfilter");
        print_rpfilter(of, out, "");
        true
    },
    check: free,
};

/// A number that may have a name in a file of the host, of which only that of zero is known.
fn named_text(mark: Masked<u32>, zero: &str, numeric: bool) -> String {
    if !numeric && mark == (Masked { value: 0, mask: u32::MAX }) {
        return zero.to_owned();
    }
    mark_text(mark)
}

/// The name of the group of zero, and that of the realm of zero.
const ZEROES: [&str; 2] = ["default", "cosmos"];

fn print_groups(of: &DevGroup, out: &mut String, dashes: &str, numeric: bool) {
    for (name, group) in [("src", of.source), ("dst", of.destination)] {
        if let Some(group) = group {
            bang(out, group.not);
            let _ = write!(
                out,
                " {dashes}{name}-group {}",
                named_text(group.value, ZEROES[0], numeric)
            );
        }
    }
}

/// A number with a mask; names stand in files of the host, of which only those of zero are known.
fn numbered(args: &Args, name: &'static str) -> Parse<Option<Is<Masked<u32>>>> {
    let Some(words) = args.text(name) else { return Ok(None) };
    let (value, mask) = match words.value.split_once('/') {
        Some((value, mask)) => (value, Some(mask)),
        None => (words.value, None),
    };
    let zero = (value == ZEROES[usize::from(args.name == "realm")]).then_some(0);
    let Some(number) = words::number32(value).or(zero) else {
        let says = format!(
            "{}: could not map name {value} to an integer value for option \"--{name}\".",
            args.name
        );
        return Err(Fact::Tells(says).into());
    };
    let mask = match mask {
        None => u32::MAX,
        Some(mask) => words::number32(mask).ok_or(Fact::BadMask(args.name, name))?,
    };
    Ok(Some(Is { not: words.not, value: Masked { value: number, mask } }))
}

pub(super) static DEVGROUP: MatchEntry = MatchEntry {
    name: "devgroup",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["src-group"], Kind::Text).inverts(),
        opt(&["dst-group"], Kind::Text).inverts(),
    ],
    build: |args| {
        let of = DevGroup {
            source: numbered(args, "src-group")?,
            destination: numbered(args, "dst-group")?,
        };
        if of == DevGroup::default() {
            let says = "devgroup match: You must specify either '--src-group' or '--dst-group'";
            return Err(Fact::Says(says).into());
        }
        Ok(Match::DevGroup(of))
    },
    save: |of, out| {
        let Match::DevGroup(of) = of else { return false };
        print_groups(of, out, "--", false);
        true
    },
    list: |of, out, look| {
        let Match::DevGroup(of) = of else { return false };
        print_groups(of, out, "", look.numeric);
        true
    },
    check: |of, site| {
        let Match::DevGroup(of) = of else { return Ok(()) };
        let stray = |hooks: &[Hook]| site.hooks.iter().any(|hook| !hooks.contains(hook));
        let why = if of.source.is_some() && stray(ARRIVES) {
            "devgroup: --src-group is for packets that arrive"
        } else if of.destination.is_some() && stray(LEAVES) {
            "devgroup: --dst-group is for packets that leave"
        } else {
            return Ok(());
        };
        Err((Refused::Invalid, why.to_owned()))
    },
};

pub(super) static REALM: MatchEntry = MatchEntry {
    name: "realm",
    families: Families::Four,
    place: Place::ANY.hooks(&[Hook::LocalIn, Hook::Forward, Hook::LocalOut, Hook::PostRouting]),
    terse: false,
    options: &[opt(&["realm"], Kind::Text).inverts().required()],
    build: |args| {
        let any = Is::so(Masked { value: 0, mask: 0 });
        Ok(Match::Realm(numbered(args, "realm")?.unwrap_or(any)))
    },
    save: |of, out| {
        let Match::Realm(of) = of else { return false };
        bang(out, of.not);
        let _ = write!(out, " --realm {}", named_text(of.value, ZEROES[1], false));
        true
    },
    list: |of, out, look| {
        let Match::Realm(of) = of else { return false };
        bang(out, of.not);
        let _ = write!(out, " realm {}", named_text(of.value, ZEROES[1], look.numeric));
        true
    },
    check: free,
};

pub(super) static CPU: MatchEntry = MatchEntry {
    name: "cpu",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["cpu"], Kind::Uint(0, u32::MAX as u64)).inverts().required()],
    build: |args| Ok(Match::Cpu(args.uint("cpu").unwrap_or(Is::so(0)))),
    save: |of, out| {
        let Match::Cpu(of) = of else { return false };
        bang(out, of.not);
        let _ = write!(out, " --cpu {}", of.value);
        true
    },
    list: |of, out, _| {
        let Match::Cpu(of) = of else { return false };
        let inverted = if of.not { "! " } else { "" };
        let _ = write!(out, " cpu {inverted}{}", of.value);
        true
    },
    check: free,
};

pub(super) static COMMENT: MatchEntry = MatchEntry {
    name: "comment",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["comment"], Kind::Text).required()],
    build: |args| {
        let words = args.text("comment").map_or("", |words| words.value);
        Ok(Match::Comment(words::cut(words, 255).to_owned()))
    },
    save: |of, out| {
        let Match::Comment(comment) = of else { return false };
        out.push_str(" --comment");
        quote(out, comment);
        true
    },
    list: |of, out, _| {
        let Match::Comment(comment) = of else { return false };
        let _ = write!(out, " /* {comment} */");
        true
    },
    check: free,
};
