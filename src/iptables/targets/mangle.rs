//! Changes of headers: `DSCP`, `TOS`, `ECN`, `TTL`, `HL`, `TCPMSS`, `TCPOPTSTRIP`, `CHECKSUM`.
//!
//! - takes: their options
//! - gives: [`Target::Dscp`] and its like
//! - obeys: `iptables-extensions(8)`

use std::fmt::Write as _;

use crate::netfilter::rule::{
    EcnTarget, Family, Hook, Is, Masked, Match, TableName, Target, Tcpmss, Ttl,
};

use super::super::error::{Fact, Parse, Refused};
use super::super::matches::{dscp_class, tos, tos_word};
use super::super::options::{Args, Kind, bad_word, opt};
use super::super::registry::{Check, Families, Place, Site, TargetEntry, free};
use super::super::words;

const MANGLE: Place = Place::tables(&[TableName::Mangle]);
const BYTE: Kind = Kind::Uint(0, 255);

pub(super) static DSCP: TargetEntry = TargetEntry {
    name: "DSCP",
    families: Families::Both,
    place: MANGLE,
    options: &[
        opt(&["set-dscp"], Kind::Uint(0, 63)).excludes(&["set-dscp-class"]),
        opt(&["set-dscp-class"], Kind::Text).excludes(&["set-dscp"]),
    ],
    build: |args| {
        if let Some(value) = args.uint("set-dscp") {
            return Ok(Target::Dscp(value.value));
        }
        let Some(words) = args.text("set-dscp-class") else {
            return Err(Fact::Says("DSCP target: Parameter --set-dscp is required").into());
        };
        Ok(Target::Dscp(dscp_class(words.value)?))
    },
    save: |of, out| {
        let Target::Dscp(dscp) = of else { return false };
        let _ = write!(out, " --set-dscp 0x{dscp:02x}");
        true
    },
    list: |of, out, _| {
        let Target::Dscp(dscp) = of else { return false };
        let _ = write!(out, " DSCP set 0x{dscp:02x}");
        true
    },
    check: free,
};

fn build_tos(args: &Args) -> Parse<Target> {
    let bits = |name: &str| args.uint::<u8>(name).map(|bits| bits.value);
    let of = if let Some(words) = args.text("set-tos") {
        tos(words.value)?
    } else if let Some(bits) = bits("and-tos") {
        Masked { value: 0, mask: !bits }
    } else if let Some(bits) = bits("or-tos") {
        Masked { value: bits, mask: bits }
    } else if let Some(bits) = bits("xor-tos") {
        Masked { value: bits, mask: 0 }
    } else {
        return Err(Fact::Says("TOS: An action is required").into());
    };
    Ok(Target::Tos(of))
}

pub(super) static TOS: TargetEntry = TargetEntry {
    name: "TOS",
    families: Families::Both,
    place: MANGLE,
    options: &[
        opt(&["set-tos"], Kind::Text).excludes(&["and-tos", "or-tos", "xor-tos"]),
        opt(&["and-tos"], BYTE).excludes(&["set-tos", "or-tos", "xor-tos"]),
        opt(&["or-tos"], BYTE).excludes(&["set-tos", "and-tos", "xor-tos"]),
        opt(&["xor-tos"], BYTE).excludes(&["set-tos", "and-tos", "or-tos"]),
    ],
    build: build_tos,
    save: |of, out| {
        let Target::Tos(tos) = of else { return false };
        let _ = write!(out, " --set-tos 0x{:02x}/0x{:02x}", tos.value, tos.mask);
        true
    },
    list: |of, out, look| {
        let Target::Tos(tos) = of else { return false };
        let Masked { value, mask } = *tos;
        let _ = match tos_word(*tos) {
            _ if look.numeric => write!(out, " TOS set 0x{value:02x}/0x{mask:02x}"),
            Some(word) => write!(out, "  TOS set{word}"),
            None if mask == value => write!(out, " TOS or 0x{value:02x}"),
            None if mask == 0 => write!(out, " TOS xor 0x{value:02x}"),
            None if value == 0 => write!(out, " TOS and 0x{:02x}", !mask),
            None => write!(out, " TOS set 0x{value:02x}/0x{mask:02x}"),
        };
        true
    },
    check: free,
};

pub(super) static ECN: TargetEntry = TargetEntry {
    name: "ECN",
    families: Families::Four,
    place: MANGLE,
    options: &[
        opt(&["ecn-tcp-remove"], Kind::Flag).excludes(&["ecn-tcp-cwr", "ecn-tcp-ece"]),
        opt(&["ecn-tcp-cwr"], Kind::Uint(0, 1)).excludes(&["ecn-tcp-remove"]),
        opt(&["ecn-tcp-ece"], Kind::Uint(0, 1)).excludes(&["ecn-tcp-remove"]),
        opt(&["ecn-ip-ect"], Kind::Uint(0, 3)),
    ],
    build: |args| {
        if args.given.is_empty() {
            return Err(Fact::Says("ECN target: An operation is required").into());
        }
        let bit = |name: &str| args.uint::<u8>(name).map(|bit| bit.value != 0);
        let remove = args.has("ecn-tcp-remove").then_some(false);
        Ok(Target::Ecn(EcnTarget {
            ip: args.uint("ecn-ip-ect").map(|ip| ip.value),
            cwr: remove.or_else(|| bit("ecn-tcp-cwr")),
            ece: remove.or_else(|| bit("ecn-tcp-ece")),
        }))
    },
    save: |of, out| {
        let Target::Ecn(of) = of else { return false };
        if (of.cwr, of.ece) == (Some(false), Some(false)) {
            out.push_str(" --ecn-tcp-remove");
        } else {
            for (name, bit) in [("ece", of.ece), ("cwr", of.cwr)] {
                if let Some(bit) = bit {
                    let _ = write!(out, " --ecn-tcp-{name} {}", u8::from(bit));
                }
            }
        }
        if let Some(ip) = of.ip {
            let _ = write!(out, " --ecn-ip-ect {ip}");
        }
        true
    },
    list: |of, out, _| {
        let Target::Ecn(of) = of else { return false };
        out.push_str(" ECN");
        if (of.cwr, of.ece) == (Some(false), Some(false)) {
            out.push_str(" TCP remove");
        } else {
            for (name, bit) in [("ECE", of.ece), ("CWR", of.cwr)] {
                if let Some(bit) = bit {
                    let _ = write!(out, " {name}={}", u8::from(bit));
                }
            }
        }
        if let Some(ip) = of.ip {
            let _ = write!(out, " ECT codepoint={ip}");
        }
        true
    },
    check: |of, site| {
        let Target::Ecn(of) = of else { return Ok(()) };
        let bits = of.cwr.is_some() || of.ece.is_some();
        if bits && site.basic.protocol != Some(Is::so(6)) {
            let why = "ECN: cannot use operation on non-tcp rule";
            return Err((Refused::Invalid, why.to_owned()));
        }
        Ok(())
    },
};

/// What `--ttl-set` and its like say, by the names of their options.
fn change(args: &Args, set: &str, dec: &str, inc: &str) -> Option<Ttl> {
    let byte = |name: &str| args.uint::<u8>(name).map(|byte| byte.value);
    let set = byte(set).map(Ttl::Set);
    set.or_else(|| byte(dec).map(Ttl::Decrease)).or_else(|| byte(inc).map(Ttl::Increase))
}

fn save_change(out: &mut String, name: &str, of: Ttl) {
    let (word, value) = match of {
        Ttl::Set(value) => ("set", value),
        Ttl::Decrease(value) => ("dec", value),
        Ttl::Increase(value) => ("inc", value),
    };
    let _ = write!(out, " --{name}-{word} {value}");
}

fn list_change(out: &mut String, name: &str, of: Ttl) {
    let (words, value) = match of {
        Ttl::Set(value) => ("set to", value),
        Ttl::Decrease(value) => ("decrement by", value),
        Ttl::Increase(value) => ("increment by", value),
    };
    let _ = write!(out, " {name} {words} {value}");
}

const STEP: Kind = Kind::Uint(1, 255);

pub(super) static TTL: TargetEntry = TargetEntry {
    name: "TTL",
    families: Families::Four,
    place: MANGLE,
    options: &[
        opt(&["ttl-set"], BYTE).excludes(&["ttl-inc", "ttl-dec"]),
        opt(&["ttl-dec"], STEP).excludes(&["ttl-inc", "ttl-set"]),
        opt(&["ttl-inc"], STEP).excludes(&["ttl-dec", "ttl-set"]),
    ],
    build: |args| {
        let says = Fact::Says("TTL: You must specify an action");
        Ok(Target::Ttl(change(args, "ttl-set", "ttl-dec", "ttl-inc").ok_or(says)?))
    },
    save: |of, out| {
        let Target::Ttl(of) = of else { return false };
        save_change(out, "ttl", *of);
        true
    },
    list: |of, out, _| {
        let Target::Ttl(of) = of else { return false };
        list_change(out, "TTL", *of);
        true
    },
    check: free,
};

pub(super) static HL: TargetEntry = TargetEntry {
    name: "HL",
    families: Families::Six,
    place: MANGLE,
    options: &[
        opt(&["hl-set"], BYTE).excludes(&["hl-inc", "hl-dec"]),
        opt(&["hl-dec"], STEP).excludes(&["hl-inc", "hl-set"]),
        opt(&["hl-inc"], STEP).excludes(&["hl-dec", "hl-set"]),
    ],
    build: |args| {
        let says = Fact::Says("HL: You must specify an action");
        Ok(Target::HopLimit(change(args, "hl-set", "hl-dec", "hl-inc").ok_or(says)?))
    },
    save: |of, out| {
        let Target::HopLimit(of) = of else { return false };
        save_change(out, "hl", *of);
        true
    },
    list: |of, out, _| {
        let Target::HopLimit(of) = of else { return false };
        list_change(out, "HL", *of);
        true
    },
    check: free,
};

const SYN: u8 = 0x02;

fn check_tcpmss(of: &Target, site: &Site<'_>) -> Check {
    let leaves = [Hook::Forward, Hook::LocalOut, Hook::PostRouting];
    if *of == Target::Tcpmss(Tcpmss::Clamp) && site.hooks.iter().any(|hook| !leaves.contains(hook))
    {
        let why = "TCPMSS: path-MTU clamping only supported in FORWARD, OUTPUT and POSTROUTING \
                   hooks";
        return Err((Refused::Invalid, why.to_owned()));
    }
    let syn = |of: &Match| match of {
        Match::Tcp(tcp) => tcp.flags.is_some_and(|flags| {
            !flags.not && flags.value.value & SYN != 0 && flags.value.mask & SYN != 0
        }),
        _ => false,
    };
    if !site.matches.iter().any(syn) {
        return Err((Refused::Invalid, "TCPMSS: Only works on TCP SYN packets".to_owned()));
    }
    Ok(())
}

pub(super) static TCPMSS: TargetEntry = TargetEntry {
    name: "TCPMSS",
    families: Families::Both,
    place: Place::ANY.protocols(&[6]),
    options: &[opt(&["set-mss"], Kind::Text), opt(&["clamp-mss-to-pmtu"], Kind::Flag)],
    build: |args| {
        let mss = match args.text("set-mss") {
            None => None,
            Some(words) => {
                let most = if args.family == Family::Six { 65495 } else { 65515 };
                let bad = Fact::OutOfRange("TCPMSS", "set-mss", 0, most);
                let mss = words::number(words.value).filter(|mss| *mss <= most);
                Some(mss.and_then(|mss| u16::try_from(mss).ok()).ok_or(bad)?)
            }
        };
        match mss {
            _ if args.has("clamp-mss-to-pmtu") => Ok(Target::Tcpmss(Tcpmss::Clamp)),
            Some(mss) => Ok(Target::Tcpmss(Tcpmss::Set(mss))),
            None => Err(Fact::Says("TCPMSS target: At least one parameter is required").into()),
        }
    },
    save: |of, out| {
        let Target::Tcpmss(of) = of else { return false };
        let _ = match of {
            Tcpmss::Set(mss) => write!(out, " --set-mss {mss}"),
            Tcpmss::Clamp => write!(out, " --clamp-mss-to-pmtu"),
        };
        true
    },
    list: |of, out, _| {
        let Target::Tcpmss(of) = of else { return false };
        let _ = match of {
            Tcpmss::Set(mss) => write!(out, " TCPMSS set {mss}"),
            Tcpmss::Clamp => write!(out, " TCPMSS clamp to PMTU"),
        };
        true
    },
    check: check_tcpmss,
};

const OPTIONS: [(&str, u8); 6] =
    [("wscale", 3), ("mss", 2), ("sack-permitted", 4), ("sack", 5), ("timestamp", 8), ("md5", 19)];

fn build_strip(args: &Args) -> Parse<Target> {
    let mut kinds = Vec::new();
    for word in args.text("strip-options").map(|words| words.value.split(',')).into_iter().flatten()
    {
        let named = OPTIONS.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind);
        let numbered = || words::number(word).and_then(|n| u8::try_from(n).ok());
        let Some(kind) = named.or_else(numbered) else {
            return Err(bad_word("Bad TCP option value \"", word, "\""));
        };
        if kind < 2 {
            return Err(Fact::Says("Option value may not be 0 or 1").into());
        }
        kinds.push(kind);
    }
    kinds.sort_unstable();
    kinds.dedup();
    Ok(Target::Tcpoptstrip(kinds))
}

fn kinds_text(kinds: &[u8], numeric: bool) -> String {
    let one = |kind: &u8| match OPTIONS.iter().find(|(_, known)| known == kind) {
        Some((name, _)) if !numeric => (*name).to_owned(),
        _ => kind.to_string(),
    };
    kinds.iter().map(one).collect::<Vec<_>>().join(",")
}

pub(super) static TCPOPTSTRIP: TargetEntry = TargetEntry {
    name: "TCPOPTSTRIP",
    families: Families::Both,
    place: MANGLE.protocols(&[6]),
    options: &[opt(&["strip-options"], Kind::Text)],
    build: build_strip,
    save: |of, out| {
        let Target::Tcpoptstrip(kinds) = of else { return false };
        if !kinds.is_empty() {
            let _ = write!(out, " --strip-options {}", kinds_text(kinds, true));
        }
        true
    },
    list: |of, out, look| {
        let Target::Tcpoptstrip(kinds) = of else { return false };
        if !kinds.is_empty() {
            let _ = write!(out, " TCPOPTSTRIP options {}", kinds_text(kinds, look.numeric));
        }
        true
    },
    check: free,
};

pub(super) static CHECKSUM: TargetEntry = TargetEntry {
    name: "CHECKSUM",
    families: Families::Both,
    place: MANGLE,
    options: &[opt(&["checksum-fill"], Kind::Flag).required()],
    build: |_| Ok(Target::Checksum),
    save: |of, out| {
        let same = *of == Target::Checksum;
        out.push_str(if same { " --checksum-fill" } else { "" });
        same
    },
    list: |of, out, _| {
        let same = *of == Target::Checksum;
        out.push_str(if same { " CHECKSUM fill" } else { "" });
        same
    },
    check: free,
};
