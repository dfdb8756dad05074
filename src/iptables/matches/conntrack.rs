//! `conntrack` and `state`: a packet's connection.
//!
//! - takes: `--ctstate`, `--ctorigsrc` and their like; `--state`
//! - gives: [`Match::Conntrack`], [`Match::State`]
//! - obeys: `iptables-extensions(8)`

use std::fmt::Write as _;

use crate::netfilter::rule::{Conntrack, CtDirection, CtStates, CtStatus, Is, Match};

use super::super::error::{Fact, Parse};
use super::super::options::{Args, Kind, bad_word, opt};
use super::super::registry::{Families, MatchEntry, Place, free};
use super::super::words::{bang, short_prefix_text, span_text};

/// In the order they are printed.
const STATES: [(&str, CtStates); 7] = [
    ("INVALID", CtStates::INVALID),
    ("NEW", CtStates::NEW),
    ("RELATED", CtStates::RELATED),
    ("ESTABLISHED", CtStates::ESTABLISHED),
    ("UNTRACKED", CtStates::UNTRACKED),
    ("SNAT", CtStates::SNAT),
    ("DNAT", CtStates::DNAT),
];

/// The states without those of translation, which `state` does not know.
const PLAIN: usize = 5;

fn states_of(words: &str, known: &[(&str, CtStates)], bad: &'static str) -> Parse<CtStates> {
    let mut states = CtStates::default();
    for word in words.split(',') {
        let found = known.iter().find(|(name, _)| {
            !word.is_empty() && name.get(..word.len()).is_some_and(|n| n.eq_ignore_ascii_case(word))
        });
        let Some((_, state)) = found else { return Err(bad_word(bad, words, "\"")) };
        states.0 |= state.0;
    }
    Ok(states)
}

fn states_text(states: CtStates) -> String {
    let set = STATES.iter().filter(|(_, state)| states.any(*state));
    set.map(|(name, _)| *name).collect::<Vec<_>>().join(",")
}

pub(super) static STATE: MatchEntry = MatchEntry {
    name: "state",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["state"], Kind::Text).inverts().required()],
    build: |args| {
        let words = args.text("state").unwrap_or(Is::so(""));
        let value = states_of(words.value, &STATES[..PLAIN], "Bad state \"")?;
        Ok(Match::State(Is { not: words.not, value }))
    },
    save: |of, out| {
        let Match::State(states) = of else { return false };
        bang(out, states.not);
        let _ = write!(out, " --state {}", states_text(states.value));
        true
    },
    list: |of, out, _| {
        let Match::State(states) = of else { return false };
        bang(out, states.not);
        let _ = write!(out, " state {}", states_text(states.value));
        true
    },
    check: free,
};

const STATUS: [(&str, CtStatus); 5] = [
    ("NONE", CtStatus::NONE),
    ("EXPECTED", CtStatus::EXPECTED),
    ("SEEN_REPLY", CtStatus::SEEN_REPLY),
    ("ASSURED", CtStatus::ASSURED),
    ("CONFIRMED", CtStatus::CONFIRMED),
];

fn status_of(words: &str) -> Parse<CtStatus> {
    let mut status = CtStatus::NONE;
    for word in words.split(',') {
        let found = STATUS.iter().find(|(name, _)| {
            !word.is_empty() && name.get(..word.len()).is_some_and(|n| n.eq_ignore_ascii_case(word))
        });
        let Some((_, bit)) = found else { return Err(bad_word("Bad ctstatus \"", words, "\"")) };
        status.0 |= bit.0;
    }
    Ok(status)
}

fn status_text(status: CtStatus) -> String {
    if status == CtStatus::NONE {
        return "NONE".to_owned();
    }
    let set = STATUS.iter().filter(|(_, bit)| status.0 & bit.0 != 0);
    set.map(|(name, _)| *name).collect::<Vec<_>>().join(",")
}

fn build(args: &Args) -> Parse<Match> {
    let states = match args.text("ctstate") {
        Some(words) => {
            let value = states_of(words.value, &STATES, "Bad ctstate \"")?;
            Some(Is { not: words.not, value })
        }
        None => None,
    };
    let status = match args.text("ctstatus") {
        Some(words) => Some(Is { not: words.not, value: status_of(words.value)? }),
        None => None,
    };
    let direction = match args.text("ctdir").map(|words| words.value.to_ascii_uppercase()) {
        None => None,
        Some(word) if word == "ORIGINAL" => Some(CtDirection::Original),
        Some(word) if word == "REPLY" => Some(CtDirection::Reply),
        Some(_) => {
            let word = args.text("ctdir").map(|words| words.value.to_owned()).unwrap_or_default();
            return Err(Fact::BadChoice("conntrack", "ctdir", word).into());
        }
    };
    if args.given.is_empty() {
        return Err(Fact::Says("conntrack: At least one option is required").into());
    }
    let protocol: Option<Is<u8>> = args.uint("ctproto");
    if protocol == Some(Is::not(0)) {
        let says = "conntrack: rule would never match protocol";
        return Err(Fact::Says(says).into());
    }
    Ok(Match::Conntrack(Box::new(Conntrack {
        states,
        protocol,
        orig_source: args.prefix("ctorigsrc"),
        orig_destination: args.prefix("ctorigdst"),
        reply_source: args.prefix("ctreplsrc"),
        reply_destination: args.prefix("ctrepldst"),
        orig_source_port: args.span("ctorigsrcport"),
        orig_destination_port: args.span("ctorigdstport"),
        reply_source_port: args.span("ctreplsrcport"),
        reply_destination_port: args.span("ctrepldstport"),
        status,
        expire: args.span("ctexpire"),
        direction,
    })))
}

/// The options, each after the dashes and before its value.
fn print(of: &Conntrack, out: &mut String, dashes: &str) {
    let mut put = |name: &str, not: bool, value: String| {
        bang(out, not);
        let _ = write!(out, " {dashes}{name} {value}");
    };
    if let Some(states) = of.states {
        put("ctstate", states.not, states_text(states.value));
    }
    if let Some(protocol) = of.protocol {
        put("ctproto", protocol.not, protocol.value.to_string());
    }
    for (name, prefix) in [
        ("ctorigsrc", of.orig_source),
        ("ctorigdst", of.orig_destination),
        ("ctreplsrc", of.reply_source),
        ("ctrepldst", of.reply_destination),
    ] {
        if let Some(prefix) = prefix {
            put(name, prefix.not, short_prefix_text(prefix.value));
        }
    }
    for (name, ports) in [
        ("ctorigsrcport", of.orig_source_port),
        ("ctorigdstport", of.orig_destination_port),
        ("ctreplsrcport", of.reply_source_port),
        ("ctrepldstport", of.reply_destination_port),
    ] {
        if let Some(ports) = ports {
            put(name, ports.not, span_text(ports.value));
        }
    }
    if let Some(status) = of.status {
        put("ctstatus", status.not, status_text(status.value));
    }
    if let Some(expire) = of.expire {
        put("ctexpire", expire.not, span_text(expire.value));
    }
    match of.direction {
        Some(CtDirection::Original) => put("ctdir", false, "ORIGINAL".to_owned()),
        Some(CtDirection::Reply) => put("ctdir", false, "REPLY".to_owned()),
        None => {}
    }
}

pub(super) static CONNTRACK: MatchEntry = MatchEntry {
    name: "conntrack",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["ctstate"], Kind::Text).inverts(),
        opt(&["ctproto"], Kind::Protocol).inverts(),
        opt(&["ctorigsrc"], Kind::Prefix).inverts(),
        opt(&["ctorigdst"], Kind::Prefix).inverts(),
        opt(&["ctreplsrc"], Kind::Prefix).inverts(),
        opt(&["ctrepldst"], Kind::Prefix).inverts(),
        opt(&["ctorigsrcport"], Kind::PortSpan).inverts(),
        opt(&["ctorigdstport"], Kind::PortSpan).inverts(),
        opt(&["ctreplsrcport"], Kind::PortSpan).inverts(),
        opt(&["ctrepldstport"], Kind::PortSpan).inverts(),
        opt(&["ctstatus"], Kind::Text).inverts(),
        opt(&["ctexpire"], Kind::Span(u32::MAX as u64)).inverts(),
        opt(&["ctdir"], Kind::Text),
    ],
    build,
    save: |of, out| {
        let Match::Conntrack(of) = of else { return false };
        print(of, out, "--");
        true
    },
    list: |of, out, _| {
        let Match::Conntrack(of) = of else { return false };
        print(of, out, "");
        true
    },
    check: free,
};
