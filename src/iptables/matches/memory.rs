//! Lists and sets of addresses: `recent`, `set`.
//!
//! - takes: their options
//! - gives: [`Match::Recent`], [`Match::Set`]
//! - obeys: `iptables-extensions(8)`

use std::fmt::Write as _;

use crate::netfilter::rule::{Is, Match, Recent, RecentAction, SetCounter, SetMatch, SetSide};

use super::super::error::{Fact, Parse, Refused};
use super::super::options::{Args, Kind, Opt, opt};
use super::super::registry::{Check, Families, MatchEntry, Place, Site, free};
use super::super::words::{self, bang, name, quote};

const ACTIONS: [(&str, &str, RecentAction); 4] = [
    ("set", "SET", RecentAction::Set),
    ("rcheck", "CHECK", RecentAction::Check),
    ("update", "UPDATE", RecentAction::Update),
    ("remove", "REMOVE", RecentAction::Remove),
];

fn build_recent(args: &Args) -> Parse<Match> {
    let given = ACTIONS.iter().find_map(|(name, _, action)| {
        args.get(name).map(|given| Is { not: given.not, value: *action })
    });
    let Some(action) = given else {
        let says = "recent: you must specify one of `--set', `--rcheck' `--update' or `--remove'";
        return Err(Fact::Says(says).into());
    };
    let number = |name: &str| args.uint::<u32>(name).map_or(0, |number| number.value);
    let list = args.text("name").map_or("DEFAULT", |words| words.value);
    Ok(Match::Recent(Recent {
        name: list.to_owned(),
        action,
        seconds: number("seconds"),
        reap: args.has("reap"),
        hit_count: number("hitcount"),
        same_ttl: args.has("rttl"),
        mask: args.host("mask").unwrap_or(words::length_mask(args.family.bits(), args.family)),
        destination: args.has("rdest"),
    }))
}

const ACTION: Opt = opt(&["set"], Kind::Flag).inverts();

pub(super) static RECENT: MatchEntry = MatchEntry {
    name: "recent",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        ACTION.excludes(&["rcheck", "update", "remove"]),
        opt(&["rcheck"], Kind::Flag).inverts().excludes(&["set", "update", "remove"]),
        opt(&["update"], Kind::Flag).inverts().excludes(&["set", "rcheck", "remove"]),
        opt(&["remove"], Kind::Flag).inverts().excludes(&["set", "rcheck", "update"]),
        opt(&["seconds"], Kind::Uint(1, u32::MAX as u64)),
        opt(&["reap"], Kind::Flag).also(&["seconds"]),
        opt(&["hitcount"], Kind::Uint(0, u32::MAX as u64)),
        opt(&["rttl"], Kind::Flag).excludes(&["set", "remove"]),
        opt(&["name"], Kind::Cut(199)),
        opt(&["rsource"], Kind::Flag),
        opt(&["rdest"], Kind::Flag),
        opt(&["mask"], Kind::Host),
    ],
    build: build_recent,
    save: |of, out| {
        let Match::Recent(of) = of else { return false };
        bang(out, of.action.not);
        let action = ACTIONS.iter().find(|(.., action)| *action == of.action.value);
        let _ = write!(out, " --{}", action.map_or("", |(name, ..)| name));
        if of.seconds != 0 {
            let _ = write!(out, " --seconds {}", of.seconds);
        }
        out.push_str(if of.reap { " --reap" } else { "" });
        if of.hit_count != 0 {
            let _ = write!(out, " --hitcount {}", of.hit_count);
        }
        out.push_str(if of.same_ttl { " --rttl" } else { "" });
        out.push_str(" --name");
        quote(out, &of.name);
        let side = if of.destination { "rdest" } else { "rsource" };
        let _ = write!(out, " --mask {} --{side}", of.mask);
        true
    },
    list: |of, out, _| {
        let Match::Recent(of) = of else { return false };
        bang(out, of.action.not);
        let action = ACTIONS.iter().find(|(.., action)| *action == of.action.value);
        let _ = write!(out, " recent: {}", action.map_or("", |(_, word, _)| word));
        if of.seconds != 0 {
            let _ = write!(out, " seconds: {}", of.seconds);
        }
        out.push_str(if of.reap { " reap" } else { "" });
        if of.hit_count != 0 {
            let _ = write!(out, " hit_count: {}", of.hit_count);
        }
        out.push_str(if of.same_ttl { " TTL-Match" } else { "" });
        let side = if of.destination { "dest" } else { "source" };
        let _ = write!(out, " name: {} side: {side} mask: {}", of.name, of.mask);
        true
    },
    check: check_recent,
};

fn check_recent(of: &Match, _: &Site<'_>) -> Check {
    let Match::Recent(of) = of else { return Ok(()) };
    let plain = matches!(of.action.value, RecentAction::Set | RecentAction::Remove);
    let why = if plain && (of.seconds != 0 || of.hit_count != 0 || of.same_ttl) {
        "recent: --set and --remove ask nothing of time or hits"
    } else if of.hit_count >= 65536 {
        "recent: hitcount is larger than allowed maximum (65535)"
    } else if of.name.is_empty() || of.name.contains('/') {
        "recent: this name is not allowed"
    } else {
        return Ok(());
    };
    Err((Refused::Invalid, why.to_owned()))
}

/// The longest name of a set.
const SET_NAME: usize = 31;

/// `NAME src,dst`, as it follows `--match-set` and `--add-set`.
pub(in super::super) fn set_use(text: &str) -> Parse<(String, Vec<SetSide>)> {
    let (name, list) = text.split_once(' ').unwrap_or((text, ""));
    if name.len() > SET_NAME {
        let says = format!("setname `{name}' too long, max {SET_NAME} characters.");
        return Err(Fact::Tells(says).into());
    }
    let mut sides = Vec::new();
    for word in list.split(',') {
        sides.push(match word {
            "src" => SetSide::Source,
            "dst" => SetSide::Destination,
            _ => {
                let says = "You must spefify (the comma separated list of) 'src' or 'dst'.";
                return Err(Fact::Says(says).into());
            }
        });
    }
    if sides.len() > 6 {
        return Err(Fact::Says("Can't be more src/dst options than 6.").into());
    }
    Ok((name.to_owned(), sides))
}

/// `src,dst`
pub(in super::super) fn sides_text(sides: &[SetSide]) -> String {
    let word = |side: &SetSide| match side {
        SetSide::Source => "src",
        SetSide::Destination => "dst",
    };
    sides.iter().map(word).collect::<Vec<_>>().join(",")
}

fn counter(args: &Args, name: &str) -> Parse<Option<SetCounter>> {
    let [eq, lt, gt] = ["eq", "lt", "gt"].map(|word| format!("{name}-{word}"));
    if [&eq, &lt, &gt].iter().filter(|option| args.has(option)).count() > 1 {
        let says = format!("only one of the --{name}-[eq|lt|gt] is allowed\n");
        return Err(Fact::Tells(says).into());
    }
    if let Some(value) = args.uint::<u64>(&eq) {
        let of = if value.not { SetCounter::NotEqual } else { SetCounter::Equal };
        return Ok(Some(of(value.value)));
    }
    let less = args.uint(&lt).map(|value| SetCounter::Less(value.value));
    Ok(less.or_else(|| args.uint(&gt).map(|value| SetCounter::Greater(value.value))))
}

fn print_counter(out: &mut String, dashes: &str, what: &str, of: Option<SetCounter>) {
    let (not, word, value) = match of {
        None => return,
        Some(SetCounter::Equal(value)) => (false, "eq", value),
        Some(SetCounter::NotEqual(value)) => (true, "eq", value),
        Some(SetCounter::Less(value)) => (false, "lt", value),
        Some(SetCounter::Greater(value)) => (false, "gt", value),
    };
    bang(out, not);
    let _ = write!(out, " {dashes}{what}-{word} {value}");
}

fn build_set(args: &Args) -> Parse<Match> {
    let Some(words) = args.text("match-set") else {
        return Err(Fact::Says("You must specify `--match-set' with proper arguments").into());
    };
    let (name, sides) = set_use(words.value)?;
    Ok(Match::Set(SetMatch {
        name: Is { not: words.not, value: name },
        sides,
        return_nomatch: args.has("return-nomatch"),
        keep_counters: args.flag("update-counters") == Some(false),
        keep_subcounters: args.flag("update-subcounters") == Some(false),
        packets: counter(args, "packets")?,
        bytes: counter(args, "bytes")?,
    }))
}

fn print_set(of: &SetMatch, out: &mut String, dashes: &str) {
    bang(out, of.name.not);
    let _ = write!(out, " {dashes}match-set");
    name(out, &of.name.value);
    let _ = write!(out, " {}", sides_text(&of.sides));
    if of.return_nomatch {
        let _ = write!(out, " {dashes}return-nomatch");
    }
    if of.keep_counters {
        let _ = write!(out, " ! {dashes}update-counters");
    }
    if of.keep_subcounters {
        let _ = write!(out, " ! {dashes}update-subcounters");
    }
    print_counter(out, dashes, "packets", of.packets);
    print_counter(out, dashes, "bytes", of.bytes);
}

const COUNT: Kind = Kind::Uint(0, u64::MAX);

pub(super) static SET: MatchEntry = MatchEntry {
    name: "set",
    families: Families::Both,
    place: Place::ANY,
    terse: true,
    options: &[
        opt(&["match-set"], Kind::Pair).inverts(),
        opt(&["return-nomatch"], Kind::Flag),
        opt(&["update-counters"], Kind::Flag).inverts(),
        opt(&["update-subcounters"], Kind::Flag).inverts(),
        opt(&["packets-eq"], COUNT).inverts(),
        opt(&["packets-lt"], COUNT),
        opt(&["packets-gt"], COUNT),
        opt(&["bytes-eq"], COUNT).inverts(),
        opt(&["bytes-lt"], COUNT),
        opt(&["bytes-gt"], COUNT),
    ],
    build: build_set,
    save: |of, out| {
        let Match::Set(of) = of else { return false };
        print_set(of, out, "--");
        true
    },
    list: |of, out, _| {
        let Match::Set(of) = of else { return false };
        print_set(of, out, "");
        true
    },
    check: free,
};
