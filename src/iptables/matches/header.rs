//! Fields of network and security headers: `dscp`, `tos`, `ecn`, `ttl`, `hl`, `length`, `tcpmss`,
//! `ah`, `esp`, `ipcomp`.
//!
//! - takes: their options
//! - gives: [`Match::Dscp`] and its like
//! - obeys: `iptables-extensions(8)`

use std::fmt::Write as _;

use crate::netfilter::rule::{Ah, Compare, Ecn, Is, Masked, Match, Span};

use super::super::error::{Fact, Parse, Refused};
use super::super::options::{Args, Kind, Opt, opt};
use super::super::registry::{Check, Families, MatchEntry, Place, Site, free};
use super::super::words::{self, bang, span_text};

/// Classes of DSCP.
const CLASSES: [(&str, u8); 22] = [
    ("CS0", 0x00),
    ("CS1", 0x08),
    ("CS2", 0x10),
    ("CS3", 0x18),
    ("CS4", 0x20),
    ("CS5", 0x28),
    ("CS6", 0x30),
    ("CS7", 0x38),
    ("BE", 0x00),
    ("AF11", 0x0a),
    ("AF12", 0x0c),
    ("AF13", 0x0e),
    ("AF21", 0x12),
    ("AF22", 0x14),
    ("AF23", 0x16),
    ("AF31", 0x1a),
    ("AF32", 0x1c),
    ("AF33", 0x1e),
    ("AF41", 0x22),
    ("AF42", 0x24),
    ("AF43", 0x26),
    ("EF", 0x2e),
];

/// The value of a class of DSCP.
pub(in super::super) fn dscp_class(word: &str) -> Parse<u8> {
    let found = CLASSES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    let unknown =
        || Fact::Word { before: "Invalid DSCP value `", word: word.to_owned(), after: "'\n" };
    Ok(found.ok_or_else(unknown)?.1)
}

pub(super) static DSCP: MatchEntry = MatchEntry {
    name: "dscp",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["dscp"], Kind::Uint(0, 0x3f)).inverts().excludes(&["dscp-class"]),
        opt(&["dscp-class"], Kind::Text).inverts().excludes(&["dscp"]),
    ],
    build: |args| {
        if let Some(value) = args.uint("dscp") {
            return Ok(Match::Dscp(value));
        }
        let Some(word) = args.text("dscp-class") else {
            return Err(Fact::Says("DSCP match: Parameter --dscp is required").into());
        };
        Ok(Match::Dscp(Is { not: word.not, value: dscp_class(word.value)? }))
    },
    save: |of, out| {
        let Match::Dscp(dscp) = of else { return false };
        bang(out, dscp.not);
        let _ = write!(out, " --dscp 0x{:02x}", dscp.value);
        true
    },
    list: |of, out, _| {
        let Match::Dscp(dscp) = of else { return false };
        let inverted = if dscp.not { "!" } else { "" };
        let _ = write!(out, " DSCP match {inverted}0x{:02x}", dscp.value);
        true
    },
    check: free,
};

const TOS_WORDS: [(&str, u8); 5] = [
    ("Minimize-Delay", 0x10),
    ("Maximize-Throughput", 0x08),
    ("Maximize-Reliability", 0x04),
    ("Minimize-Cost", 0x02),
    ("Normal-Service", 0x00),
];

/// The bits that words of TOS speak of.
const TOS_MASK: u8 = 0x3f;

/// A value of TOS with its mask, or a word for it.
pub(in super::super) fn tos(text: &str) -> Parse<Masked<u8>> {
    let byte = |text: &str| words::number(text).and_then(|n| u8::try_from(n).ok());
    let (value, mask) = match text.split_once('/') {
        Some((value, mask)) => (byte(value), byte(mask)),
        None => (byte(text), Some(u8::MAX)),
    };
    if let (Some(value), Some(mask)) = (value, mask) {
        return Ok(Masked { value, mask });
    }
    if value.is_some() {
        return Err(Fact::Tells(format!("Illegal value: \"{text}\"")).into());
    }
    let named = TOS_WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(text));
    let unknown = || Fact::Tells(format!("Symbolic name \"{text}\" is unknown"));
    let (_, value) = named.ok_or_else(unknown)?;
    Ok(Masked { value: *value, mask: TOS_MASK })
}

/// The word for a value of TOS.
pub(in super::super) fn tos_word(tos: Masked<u8>) -> Option<&'static str> {
    let found = TOS_WORDS.iter().find(|(_, value)| *value == tos.value && tos.mask == TOS_MASK);
    found.map(|(word, _)| *word)
}

pub(super) static TOS: MatchEntry = MatchEntry {
    name: "tos",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["tos"], Kind::Text).inverts().required()],
    build: |args| {
        let words = args.text("tos").unwrap_or(Is::so(""));
        Ok(Match::Tos(Is { not: words.not, value: tos(words.value)? }))
    },
    save: |of, out| {
        let Match::Tos(tos) = of else { return false };
        bang(out, tos.not);
        let _ = write!(out, " --tos 0x{:02x}/0x{:02x}", tos.value.value, tos.value.mask);
        true
    },
    list: |of, out, look| {
        let Match::Tos(tos) = of else { return false };
        out.push_str(if tos.not { " tos match!" } else { " tos match" });
        let _ = match tos_word(tos.value).filter(|_| !look.numeric) {
            Some(word) => write!(out, " {word}"),
            None => write!(out, "0x{:02x}/0x{:02x}", tos.value.value, tos.value.mask),
        };
        true
    },
    check: free,
};

fn check_ecn(of: &Match, site: &Site<'_>) -> Check {
    let Match::Ecn(ecn) = of else { return Ok(()) };
    if (ecn.cwr.is_some() || ecn.ece.is_some()) && site.basic.protocol != Some(Is::so(6)) {
        return Err((Refused::Invalid, "ecn: cannot match TCP bits for non-tcp packets".into()));
    }
    Ok(())
}

pub(super) static ECN: MatchEntry = MatchEntry {
    name: "ecn",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["ecn-tcp-cwr"], Kind::Flag).inverts(),
        opt(&["ecn-tcp-ece"], Kind::Flag).inverts(),
        opt(&["ecn-ip-ect"], Kind::Uint(0, 3)).inverts(),
    ],
    build: |args| {
        if args.given.is_empty() {
            return Err(Fact::Says("ECN match: some option required").into());
        }
        Ok(Match::Ecn(Ecn {
            ip: args.uint("ecn-ip-ect"),
            cwr: args.flag("ecn-tcp-cwr"),
            ece: args.flag("ecn-tcp-ece"),
        }))
    },
    save: |of, out| {
        let Match::Ecn(ecn) = of else { return false };
        for (flag, name) in [(ecn.ece, "ece"), (ecn.cwr, "cwr")] {
            if let Some(so) = flag {
                bang(out, !so);
                let _ = write!(out, " --ecn-tcp-{name}");
            }
        }
        if let Some(ip) = ecn.ip {
            bang(out, ip.not);
            let _ = write!(out, " --ecn-ip-ect {}", ip.value);
        }
        true
    },
    list: |of, out, _| {
        let Match::Ecn(ecn) = of else { return false };
        out.push_str(" ECN match");
        for (flag, name) in [(ecn.ece, "ECE"), (ecn.cwr, "CWR")] {
            if let Some(so) = flag {
                let inverted = if so { "" } else { "!" };
                let _ = write!(out, " {inverted}{name}");
            }
        }
        if let Some(ip) = ecn.ip {
            let inverted = if ip.not { "!" } else { "" };
            let _ = write!(out, " {inverted}ECT={}", ip.value);
        }
        true
    },
    check: check_ecn,
};

/// What `--ttl-eq`, `--ttl-lt`, `--ttl-gt` ask, by the names of their options.
fn compare(args: &Args, eq: &str, lt: &str, gt: &str) -> Option<Compare> {
    if let Some(value) = args.uint::<u8>(eq) {
        let of = if value.not { Compare::NotEqual } else { Compare::Equal };
        return Some(of(value.value));
    }
    let less = args.uint(lt).map(|value| Compare::Less(value.value));
    less.or_else(|| args.uint(gt).map(|value| Compare::Greater(value.value)))
}

fn save_compare(out: &mut String, name: &str, of: Compare) {
    let (not, word, value) = match of {
        Compare::Equal(value) => (false, "eq", value),
        Compare::NotEqual(value) => (true, "eq", value),
        Compare::Less(value) => (false, "lt", value),
        Compare::Greater(value) => (false, "gt", value),
    };
    bang(out, not);
    let _ = write!(out, " --{name}-{word} {value}");
}

fn list_compare(out: &mut String, name: &str, of: Compare) {
    let (sign, value) = match of {
        Compare::Equal(value) => ("==", value),
        Compare::NotEqual(value) => ("!=", value),
        Compare::Less(value) => ("<", value),
        Compare::Greater(value) => (">", value),
    };
    let _ = write!(out, " {name} match {name} {sign} {value}");
}

const BYTE: Kind = Kind::Uint(0, 255);

pub(super) static TTL: MatchEntry = MatchEntry {
    name: "ttl",
    families: Families::Four,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["ttl-lt"], BYTE).excludes(&["ttl-gt", "ttl-eq"]),
        opt(&["ttl-gt"], BYTE).excludes(&["ttl-lt", "ttl-eq"]),
        opt(&["ttl-eq"], BYTE).inverts().excludes(&["ttl-lt", "ttl-gt"]),
    ],
    build: |args| {
        let says =
            Fact::Says("TTL match: You must specify one of `--ttl-eq', `--ttl-lt', `--ttl-gt");
        Ok(Match::Ttl(compare(args, "ttl-eq", "ttl-lt", "ttl-gt").ok_or(says)?))
    },
    save: |of, out| {
        let Match::Ttl(of) = of else { return false };
        save_compare(out, "ttl", *of);
        true
    },
    list: |of, out, _| {
        let Match::Ttl(of) = of else { return false };
        list_compare(out, "TTL", *of);
        true
    },
    check: free,
};

pub(super) static HL: MatchEntry = MatchEntry {
    name: "hl",
    families: Families::Six,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["hl-lt"], BYTE).excludes(&["hl-gt", "hl-eq"]),
        opt(&["hl-gt"], BYTE).excludes(&["hl-lt", "hl-eq"]),
        opt(&["hl-eq"], BYTE).inverts().excludes(&["hl-lt", "hl-gt"]),
    ],
    build: |args| {
        let says = Fact::Says("HL match: You must specify one of `--hl-eq', `--hl-lt', `--hl-gt'");
        Ok(Match::HopLimit(compare(args, "hl-eq", "hl-lt", "hl-gt").ok_or(says)?))
    },
    save: |of, out| {
        let Match::HopLimit(of) = of else { return false };
        save_compare(out, "hl", *of);
        true
    },
    list: |of, out, _| {
        let Match::HopLimit(of) = of else { return false };
        list_compare(out, "HL", *of);
        true
    },
    check: free,
};

pub(super) static LENGTH: MatchEntry = MatchEntry {
    name: "length",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["length"], Kind::Span(65535)).inverts().required()],
    build: |args| Ok(Match::Length(args.span("length").unwrap_or(Is::so(Span::new(0, u16::MAX))))),
    save: |of, out| {
        let Match::Length(of) = of else { return false };
        bang(out, of.not);
        let _ = write!(out, " --length {}", span_text(of.value));
        true
    },
    list: |of, out, _| {
        let Match::Length(of) = of else { return false };
        let inverted = if of.not { "!" } else { "" };
        let _ = write!(out, " length {inverted}{}", span_text(of.value));
        true
    },
    check: free,
};

pub(super) static TCPMSS: MatchEntry = MatchEntry {
    name: "tcpmss",
    families: Families::Both,
    place: Place::ANY.protocols(&[6]),
    terse: false,
    options: &[opt(&["mss"], Kind::Span(65535)).inverts().required()],
    build: |args| {
        let mss = args.span("mss").unwrap_or(Is::so(Span::new(0, u16::MAX)));
        if mss.value.first > mss.value.last {
            return Err(Fact::Says("tcpmss: invalid range given").into());
        }
        Ok(Match::TcpMss(mss))
    },
    save: |of, out| {
        let Match::TcpMss(of) = of else { return false };
        bang(out, of.not);
        let _ = write!(out, " --mss {}", span_text(of.value));
        true
    },
    list: |of, out, _| {
        let Match::TcpMss(of) = of else { return false };
        let inverted = if of.not { "!" } else { "" };
        let _ = write!(out, " tcpmss match {inverted}{}", span_text(of.value));
        true
    },
    check: free,
};

fn save_spis(out: &mut String, name: &str, spis: Option<Is<Span<u32>>>) {
    if let Some(spis) = spis {
        bang(out, spis.not);
        let _ = write!(out, " --{name} {}", span_text(spis.value));
    }
}

/// `spi:5`, `spis:!5:7`
fn spis_text(spis: Is<Span<u32>>) -> String {
    let many = if spis.value.first == spis.value.last { "" } else { "s" };
    let inverted = if spis.not { "!" } else { "" };
    format!("spi{many}:{inverted}{}", span_text(spis.value))
}

const SPI: Kind = Kind::Span(u32::MAX as u64);
const AHSPI: Opt = opt(&["ahspi"], SPI).inverts();

fn save_ah(of: &Match, out: &mut String) -> bool {
    let Match::Ah(ah) = of else { return false };
    save_spis(out, "ahspi", ah.spi);
    if let Some(length) = ah.length {
        bang(out, length.not);
        let _ = write!(out, " --ahlen {}", length.value);
    }
    out.push_str(if ah.reserved { " --ahres" } else { "" });
    true
}

fn list_ah(of: &Match, out: &mut String) -> bool {
    let Match::Ah(ah) = of else { return false };
    out.push_str(" ah ");
    if let Some(spi) = ah.spi {
        out.push_str(&spis_text(spi));
    }
    if let Some(length) = ah.length {
        let inverted = if length.not { "!" } else { "" };
        let _ = write!(out, "length:{inverted}{}", length.value);
    }
    out.push_str(if ah.reserved { " reserved" } else { "" });
    true
}

pub(super) static AH: MatchEntry = MatchEntry {
    name: "ah",
    families: Families::Four,
    place: Place::ANY.protocols(&[51]),
    terse: false,
    options: &[AHSPI],
    build: |args| Ok(Match::Ah(Ah { spi: args.spis("ahspi"), ..Ah::default() })),
    save: save_ah,
    list: |of, out, _| list_ah(of, out),
    check: free,
};

pub(super) static AH6: MatchEntry = MatchEntry {
    name: "ah",
    families: Families::Six,
    place: Place::ANY,
    terse: false,
    options: &[
        AHSPI,
        opt(&["ahlen"], Kind::Uint(0, u32::MAX as u64)).inverts(),
        opt(&["ahres"], Kind::Flag),
    ],
    build: |args| {
        Ok(Match::Ah(Ah {
            spi: args.spis("ahspi"),
            length: args.uint("ahlen"),
            reserved: args.has("ahres"),
        }))
    },
    save: save_ah,
    list: |of, out, _| list_ah(of, out),
    check: free,
};

/// What asks for any SPI.
const ANY_SPI: Is<Span<u32>> = Is { not: false, value: Span { first: 0, last: u32::MAX } };

pub(super) static ESP: MatchEntry = MatchEntry {
    name: "esp",
    families: Families::Both,
    place: Place::ANY.protocols(&[50]),
    terse: false,
    options: &[opt(&["espspi"], SPI).inverts()],
    build: |args| Ok(Match::Esp(args.span("espspi").unwrap_or(ANY_SPI))),
    save: |of, out| {
        let Match::Esp(spi) = of else { return false };
        save_spis(out, "espspi", Some(*spi).filter(|spi| *spi != ANY_SPI));
        true
    },
    list: |of, out, _| {
        let Match::Esp(spi) = of else { return false };
        out.push_str(" esp");
        if *spi != ANY_SPI {
            let _ = write!(out, " {}", spis_text(*spi));
        }
        true
    },
    check: free,
};

pub(super) static IPCOMP: MatchEntry = MatchEntry {
    name: "ipcomp",
    families: Families::Both,
    place: Place::ANY.protocols(&[108]),
    terse: false,
    options: &[opt(&["ipcompspi"], SPI).inverts()],
    build: |args| Ok(Match::Ipcomp(args.span("ipcompspi").unwrap_or(ANY_SPI))),
    save: |of, out| {
        let Match::Ipcomp(spi) = of else { return false };
        save_spis(out, "ipcompspi", Some(*spi).filter(|spi| *spi != ANY_SPI));
        true
    },
    list: |of, out, _| {
        let Match::Ipcomp(spi) = of else { return false };
        out.push_str(" comp");
        if *spi != ANY_SPI {
            let _ = write!(out, " {}", spis_text(*spi));
        }
        true
    },
    check: free,
};
