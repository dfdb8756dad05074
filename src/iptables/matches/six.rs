//! Headers that only IPv6 has: `frag`, `ipv6header`, `rt`, `hbh`, `dst`, `mh`, `eui64`.
//!
//! - takes: their options
//! - gives: [`Match::Frag`] and its like
//! - obeys: `iptables-extensions(8)`

use std::fmt::Write as _;
use std::net::Ipv6Addr;

use crate::netfilter::rule::{
    ExtOption, ExtOptions, Frag, HeaderOption, Hook, Ipv6Header, Is, Match, Rt, Span,
};

use super::super::error::{Fact, Parse};
use super::super::options::{Args, Kind, bad_word, opt};
use super::super::registry::{Families, MatchEntry, Place, free};
use super::super::words::{self, bang, span_text};

const WORD: Kind = Kind::Uint(0, u32::MAX as u64);
const WORDS: Kind = Kind::Span(u32::MAX as u64);

pub(super) static FRAG: MatchEntry = MatchEntry {
    name: "frag",
    families: Families::Six,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["fragfirst"], Kind::Flag),
        opt(&["fragid"], WORDS).inverts(),
        opt(&["fraglen"], WORD).inverts(),
        opt(&["fragmore"], Kind::Flag).excludes(&["fraglast"]),
        opt(&["fraglast"], Kind::Flag).excludes(&["fragmore"]),
        opt(&["fragres"], Kind::Flag),
    ],
    build: |args| {
        let more = args.has("fragmore").then_some(true);
        Ok(Match::Frag(Frag {
            id: args.spis("fragid"),
            length: args.uint("fraglen"),
            reserved: args.has("fragres"),
            first: args.has("fragfirst"),
            more: more.or_else(|| args.has("fraglast").then_some(false)),
        }))
    },
    save: |of, out| {
        let Match::Frag(frag) = of else { return false };
        if let Some(id) = frag.id {
            bang(out, id.not);
            let _ = write!(out, " --fragid {}", span_text(id.value));
        }
        if let Some(length) = frag.length {
            bang(out, length.not);
            let _ = write!(out, " --fraglen {}", length.value);
        }
        out.push_str(if frag.reserved { " --fragres" } else { "" });
        out.push_str(if frag.first { " --fragfirst" } else { "" });
        out.push_str(match frag.more {
            Some(true) => " --fragmore",
            Some(false) => " --fraglast",
            None => "",
        });
        true
    },
    list: |of, out, _| {
        let Match::Frag(frag) = of else { return false };
        out.push_str(" frag ");
        if let Some(id) = frag.id {
            let many = if id.value.first == id.value.last { "" } else { "s" };
            let inverted = if id.not { "!" } else { "" };
            let _ = write!(out, "id{many}:{inverted}{}", span_text(id.value));
        }
        if let Some(length) = frag.length {
            let inverted = if length.not { "!" } else { "" };
            let _ = write!(out, " length:{inverted}{}", length.value);
        }
        out.push_str(if frag.reserved { " reserved" } else { "" });
        out.push_str(if frag.first { " first" } else { "" });
        out.push_str(match frag.more {
            Some(true) => " more",
            Some(false) => " last",
            None => "",
        });
        true
    },
    check: free,
};

/// Headers in the order they are printed, with the words that are read.
const HEADERS: [(HeaderOption, &str, &[&str]); 8] = [
    (HeaderOption::HopByHop, "hop-by-hop", &["hop", "0", "hopopt"]),
    (HeaderOption::Destination, "ipv6-opts", &["dst", "60"]),
    (HeaderOption::Routing, "ipv6-route", &["route", "43"]),
    (HeaderOption::Fragment, "ipv6-frag", &["frag", "44"]),
    (HeaderOption::Ah, "ah", &["auth", "51"]),
    (HeaderOption::Esp, "esp", &["50"]),
    (HeaderOption::NoNext, "ipv6-nonxt", &["none", "59"]),
    (HeaderOption::Payload, "protocol", &["prot", "255"]),
];

fn headers_of(list: &str) -> Parse<u8> {
    let mut bits = 0;
    for word in list.split(',') {
        let named =
            |known: &&(HeaderOption, &str, &[&str])| known.1 == word || known.2.contains(&word);
        let Some((header, ..)) = HEADERS.iter().find(named) else {
            // Those that have a number are told by it.
            let known = words::protocol(word).ok().filter(|number| *number != 0);
            let told = known.map_or_else(|| word.to_owned(), |number| number.to_string());
            return Err(bad_word("unknown header `", &told, "' specified"));
        };
        bits |= *header as u8;
    }
    Ok(bits)
}

fn headers_text(bits: u8) -> String {
    let set = HEADERS.iter().filter(|(header, ..)| bits & *header as u8 != 0);
    set.map(|(_, name, _)| *name).collect::<Vec<_>>().join(",")
}

pub(super) static IPV6HEADER: MatchEntry = MatchEntry {
    name: "ipv6header",
    families: Families::Six,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["header"], Kind::Text).inverts().required(), opt(&["soft"], Kind::Flag)],
    build: |args| {
        let words = args.text("header").unwrap_or(Is::so(""));
        let headers = Is { not: words.not, value: headers_of(words.value)? };
        Ok(Match::Ipv6Header(Ipv6Header { headers, soft: args.has("soft") }))
    },
    save: |of, out| {
        let Match::Ipv6Header(of) = of else { return false };
        bang(out, of.headers.not);
        let _ = write!(out, " --header {}", headers_text(of.headers.value));
        out.push_str(if of.soft { " --soft" } else { "" });
        true
    },
    list: |of, out, look| {
        let Match::Ipv6Header(of) = of else { return false };
        let inverted = if of.headers.not { "!" } else { "" };
        let _ = if look.numeric {
            write!(out, " ipv6header flags:{inverted}0x{:02X}", of.headers.value)
        } else {
            write!(out, " ipv6header flags:{inverted}{}", headers_text(of.headers.value))
        };
        out.push_str(if of.soft { " soft" } else { "" });
        true
    },
    check: free,
};

fn build_rt(args: &Args) -> Parse<Match> {
    let zero = args.uint::<u32>("rt-type") == Some(Is::so(0));
    for name in ["rt-0-res", "rt-0-addrs"] {
        if args.has(name) && !zero {
            let says = format!("`--rt-type 0' required before `--{name}'");
            return Err(Fact::Tells(says).into());
        }
    }
    let addresses = match args.text("rt-0-addrs") {
        None => None,
        Some(words) => {
            let list: Vec<&str> = words.value.split(',').collect();
            if list.len() > 16 {
                return Err(Fact::Says("too many addresses specified").into());
            }
            let one = |word: &&str| -> Parse<Ipv6Addr> {
                word.parse().map_err(|_| bad_word("bad address: ", word, ""))
            };
            Some(list.iter().map(one).collect::<Parse<Vec<_>>>()?)
        }
    };
    if args.has("rt-0-not-strict") && addresses.is_none() {
        let says = "`--rt-0-addr ...' required before `--rt-0-not-strict'";
        return Err(Fact::Says(says).into());
    }
    Ok(Match::Rt(Rt {
        kind: args.uint("rt-type"),
        segments_left: args.spis("rt-segsleft"),
        length: args.uint("rt-len"),
        reserved: args.has("rt-0-res"),
        addresses,
        not_strict: args.has("rt-0-not-strict"),
    }))
}

fn addresses_text(addresses: &[Ipv6Addr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

pub(super) static RT: MatchEntry = MatchEntry {
    name: "rt",
    families: Families::Six,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["rt-type"], WORD).inverts(),
        opt(&["rt-segsleft"], WORDS).inverts(),
        opt(&["rt-len"], WORD).inverts(),
        opt(&["rt-0-res"], Kind::Flag),
        opt(&["rt-0-addrs"], Kind::Text),
        opt(&["rt-0-not-strict"], Kind::Flag),
    ],
    build: build_rt,
    save: |of, out| {
        let Match::Rt(rt) = of else { return false };
        if let Some(kind) = rt.kind {
            bang(out, kind.not);
            let _ = write!(out, " --rt-type {}", kind.value);
        }
        if let Some(left) = rt.segments_left {
            bang(out, left.not);
            let _ = write!(out, " --rt-segsleft {}", span_text(left.value));
        }
        if let Some(length) = rt.length {
            bang(out, length.not);
            let _ = write!(out, " --rt-len {}", length.value);
        }
        out.push_str(if rt.reserved { " --rt-0-res" } else { "" });
        if let Some(addresses) = &rt.addresses {
            let _ = write!(out, " --rt-0-addrs {}", addresses_text(addresses));
        }
        out.push_str(if rt.not_strict { " --rt-0-not-strict" } else { "" });
        true
    },
    list: |of, out, _| {
        let Match::Rt(rt) = of else { return false };
        let inverted = |not: bool| if not { "!" } else { "" };
        out.push_str(" rt");
        if let Some(kind) = rt.kind {
            let _ = write!(out, " type:{}{}", inverted(kind.not), kind.value);
        }
        if let Some(left) = rt.segments_left {
            let many = if left.value.first == left.value.last { "" } else { "s" };
            let _ = write!(out, " segsleft{many}:{}{}", inverted(left.not), span_text(left.value));
        }
        if let Some(length) = rt.length {
            let _ = write!(out, " length:{}{}", inverted(length.not), length.value);
        }
        out.push_str(if rt.reserved { " reserved" } else { "" });
        if let Some(addresses) = &rt.addresses {
            let _ = write!(out, " 0-addrs {}", addresses_text(addresses));
        }
        out.push_str(if rt.not_strict { " 0-not-strict" } else { "" });
        true
    },
    check: free,
};

fn ext_options(args: &Args, length: &str, list: &str) -> Parse<ExtOptions> {
    let mut options = Vec::new();
    for word in args.text(list).map(|words| words.value.split(',')).into_iter().flatten() {
        let (kind, length) = match word.split_once(':') {
            Some((kind, length)) => (kind, Some(length)),
            None => (word, None),
        };
        let byte = |text: &str| words::number(text).and_then(|n| u8::try_from(n).ok());
        let Some(kind) = byte(kind) else {
            let says = format!("{}: no valid digits in opt `{kind}'", args.name);
            return Err(Fact::Tells(says).into());
        };
        let length = match length {
            None => None,
            Some(text) => {
                let says =
                    || Fact::Tells(format!("{}: no valid digits in length `{text}'", args.name));
                Some(byte(text).ok_or_else(says)?)
            }
        };
        options.push(ExtOption { kind, length });
        if options.len() > 16 {
            return Err(Fact::Says("too many addresses specified").into());
        }
    }
    Ok(ExtOptions { length: args.uint(length), options })
}

fn options_text(options: &[ExtOption]) -> String {
    let one = |option: &ExtOption| match option.length {
        Some(length) => format!("{}:{length}", option.kind),
        None => option.kind.to_string(),
    };
    options.iter().map(one).collect::<Vec<_>>().join(",")
}

fn save_options(of: &ExtOptions, out: &mut String, name: &str) {
    if let Some(length) = of.length {
        bang(out, length.not);
        let _ = write!(out, " --{name}-len {}", length.value);
    }
    if !of.options.is_empty() {
        let _ = write!(out, " --{name}-opts {}", options_text(&of.options));
    }
}

fn list_options(of: &ExtOptions, out: &mut String, name: &str) {
    let _ = write!(out, " {name}");
    if let Some(length) = of.length {
        let inverted = if length.not { "!" } else { "" };
        let _ = write!(out, " length:{inverted}{}", length.value);
    }
    if !of.options.is_empty() {
        let _ = write!(out, " opts {}", options_text(&of.options));
    }
}

pub(super) static HBH: MatchEntry = MatchEntry {
    name: "hbh",
    families: Families::Six,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["hbh-len"], WORD).inverts(), opt(&["hbh-opts"], Kind::Text)],
    build: |args| Ok(Match::HopByHop(ext_options(args, "hbh-len", "hbh-opts")?)),
    save: |of, out| {
        let Match::HopByHop(of) = of else { return false };
        save_options(of, out, "hbh");
        true
    },
    list: |of, out, _| {
        let Match::HopByHop(of) = of else { return false };
        list_options(of, out, "hbh");
        true
    },
    check: free,
};

pub(super) static DST: MatchEntry = MatchEntry {
    name: "dst",
    families: Families::Six,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["dst-len"], WORD).inverts(), opt(&["dst-opts"], Kind::Text)],
    build: |args| Ok(Match::DestinationOptions(ext_options(args, "dst-len", "dst-opts")?)),
    save: |of, out| {
        let Match::DestinationOptions(of) = of else { return false };
        save_options(of, out, "dst");
        true
    },
    list: |of, out, _| {
        let Match::DestinationOptions(of) = of else { return false };
        list_options(of, out, "dst");
        true
    },
    check: free,
};

/// Mobility messages with their short names.
const MOBILITY: [(&str, &str); 8] = [
    ("binding-refresh-request", "brr"),
    ("home-test-init", "hoti"),
    ("careof-test-init", "coti"),
    ("home-test", "hot"),
    ("careof-test", "cot"),
    ("binding-update", "bu"),
    ("binding-acknowledgement", "ba"),
    ("binding-error", "be"),
];

fn mobility(word: &str) -> Parse<u8> {
    let begins =
        |name: &str| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let named = |pair: &(&str, &str)| begins(pair.0) || pair.1.eq_ignore_ascii_case(word);
    let found = MOBILITY.iter().position(named).filter(|_| !word.is_empty());
    let number = words::number(word).and_then(|n| u8::try_from(n).ok());
    let kind = found.and_then(|at| u8::try_from(at).ok()).or(number);
    kind.ok_or_else(|| bad_word("Invalid MH type `", word, "'"))
}

fn mobility_word(kind: u8, numeric: bool) -> String {
    match MOBILITY.get(usize::from(kind)) {
        Some((name, _)) if !numeric => (*name).to_owned(),
        _ => kind.to_string(),
    }
}

fn mobility_text(types: Span<u8>, numeric: bool) -> String {
    let first = mobility_word(types.first, numeric);
    if types.first == types.last {
        first
    } else {
        format!("{first}:{}", mobility_word(types.last, numeric))
    }
}

/// What asks for any mobility message.
const ANY_MOBILITY: Is<Span<u8>> = Is { not: false, value: Span { first: 0, last: u8::MAX } };

pub(super) static MH: MatchEntry = MatchEntry {
    name: "mh",
    families: Families::Six,
    place: Place::ANY.protocols(&[135]),
    terse: false,
    options: &[opt(&["mh-type"], Kind::Text).inverts()],
    build: |args| {
        let Some(words) = args.text("mh-type") else { return Ok(Match::Mobility(ANY_MOBILITY)) };
        let value = match words.value.split_once(':') {
            None => Span::only(mobility(words.value)?),
            Some((first, last)) => {
                let first = if first.is_empty() { 0 } else { mobility(first)? };
                let last = if last.is_empty() { u8::MAX } else { mobility(last)? };
                Span::new(first, last)
            }
        };
        if value.first > value.last {
            return Err(Fact::Says("Invalid MH type range (min > max)").into());
        }
        Ok(Match::Mobility(Is { not: words.not, value }))
    },
    save: |of, out| {
        let Match::Mobility(of) = of else { return false };
        if *of != ANY_MOBILITY {
            bang(out, of.not);
            let _ = write!(out, " --mh-type {}", mobility_text(of.value, true));
        }
        true
    },
    list: |of, out, look| {
        let Match::Mobility(of) = of else { return false };
        out.push_str(" mh");
        if *of != ANY_MOBILITY {
            let inverted = if of.not { "!" } else { "" };
            let _ = write!(out, " {inverted}{}", mobility_text(of.value, look.numeric));
        }
        true
    },
    check: free,
};

pub(super) static EUI64: MatchEntry = MatchEntry {
    name: "eui64",
    families: Families::Six,
    place: Place::ANY.hooks(&[Hook::PreRouting, Hook::LocalIn, Hook::Forward]),
    terse: false,
    options: &[],
    build: |_| Ok(Match::Eui64),
    save: |of, _| *of == Match::Eui64,
    list: |of, out, _| {
        let same = *of == Match::Eui64;
        // The one that stands without a space before it.
        out.push_str(if same { "eui64 " } else { "" });
        same
    },
    check: free,
};
