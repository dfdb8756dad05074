//! What is decided before a connection is: `CT`, `NOTRACK`, `TRACE`, `SYNPROXY`.
//!
//! - takes: their options
//! - gives: [`Target::Ct`] and its like
//! - obeys: `iptables-extensions(8)`

use std::fmt::Write as _;

use crate::netfilter::rule::{Ct, CtZone, Family, Hook, Is, Synproxy, TableName, Target};

use super::super::error::{Fact, Parse, Refused};
use super::super::options::{Args, Kind, bad_word, opt};
use super::super::registry::{Check, Families, Place, Site, TargetEntry, free};
use super::super::words;

const RAW: Place = Place::tables(&[TableName::Raw]);

/// Helpers, the protocols they read, and whether IPv6 has them.
const HELPERS: &[(&str, u8, bool)] = &[
    ("ftp", 6, true),
    ("irc", 6, false),
    ("pptp", 6, false),
    ("sip", 6, true),
    ("sip", 17, true),
    ("tftp", 17, true),
];

const EVENTS: [&str; 10] = [
    "new",
    "related",
    "destroy",
    "reply",
    "assured",
    "protoinfo",
    "helper",
    "mark",
    "natseqinfo",
    "secmark",
];

fn events(words: Option<Is<&str>>, known: &[&str]) -> Parse<u32> {
    let mut bits = 0;
    for word in words.map(|words| words.value.split(',')).into_iter().flatten() {
        let Some(bit) = known.iter().position(|name| *name == word) else {
            return Err(bad_word("Unknown event type \"", word, "\""));
        };
        bits |= 1 << bit;
    }
    Ok(bits)
}

fn events_text(bits: u32) -> String {
    let set = EVENTS.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}

/// The last of the options that set a zone; zone 0 is none.
fn zone(args: &Args) -> Parse<Option<CtZone>> {
    let mut zone = None;
    for given in &args.given {
        let (of, mark): (fn(u16) -> CtZone, _) = match given.opt.name() {
            "zone" => (CtZone::Both, CtZone::Mark),
            "zone-orig" => (CtZone::Original, CtZone::OriginalMark),
            "zone-reply" => (CtZone::Reply, CtZone::ReplyMark),
            _ => continue,
        };
        let word = args.text(given.opt.name()).map_or("", |words| words.value);
        zone = if word == "mark" {
            Some(mark)
        } else {
            let number = words::number(word).and_then(|n| u16::try_from(n).ok());
            let number = number.ok_or_else(|| bad_word("Cannot parse ", word, " as a zone ID"))?;
            (number != 0).then(|| of(number))
        };
    }
    Ok(zone)
}

fn print_ct(of: &Ct, out: &mut String, dashes: &str) {
    let mut put = |name: &str, value: &str| {
        let _ = write!(out, " {dashes}{name}");
        if !value.is_empty() {
            words::name(out, value);
        }
    };
    if of.notrack {
        put("notrack", "");
    }
    if let Some(helper) = &of.helper {
        put("helper", helper);
    }
    if let Some(timeout) = &of.timeout {
        put("timeout", timeout);
    }
    if of.events != 0 {
        put("ctevents", &events_text(of.events));
    }
    if of.expect_events != 0 {
        put("expevents", &events_text(of.expect_events));
    }
    match of.zone {
        None => {}
        Some(CtZone::Both(zone)) => put("zone", &zone.to_string()),
        Some(CtZone::Original(zone)) => put("zone-orig", &zone.to_string()),
        Some(CtZone::Reply(zone)) => put("zone-reply", &zone.to_string()),
        Some(CtZone::Mark) => put("zone", "mark"),
        Some(CtZone::OriginalMark) => put("zone-orig", "mark"),
        Some(CtZone::ReplyMark) => put("zone-reply", "mark"),
    }
}

fn check_ct(of: &Target, site: &Site<'_>) -> Check {
    let Target::Ct(of) = of else { return Ok(()) };
    if of.notrack && of.timeout.is_some() {
        return Err((Refused::Invalid, "CT: what is not tracked has no timeout".to_owned()));
    }
    let Some(helper) = &of.helper else { return Ok(()) };
    let Some(Is { not: false, value: protocol }) = site.basic.protocol else {
        let why = "CT: You must specify a L4 protocol and not use inversions on it";
        return Err((Refused::NoName, why.to_owned()));
    };
    let four = site.family == Family::Four;
    let known =
        |(name, of, six): &(&str, u8, bool)| name == helper && *of == protocol && (four || *six);
    if !HELPERS.iter().any(known) {
        let mut names: Vec<&str> = HELPERS.iter().map(|(name, ..)| *name).collect();
        names.dedup();
        let why = format!(
            "CT: No such helper \"{helper}\" for this protocol; there are {}",
            names.join(", ")
        );
        return Err((Refused::NoName, why));
    }
    Ok(())
}

pub(super) static CT: TargetEntry = TargetEntry {
    name: "CT",
    families: Families::Both,
    place: RAW,
    options: &[
        opt(&["notrack"], Kind::Flag),
        opt(&["helper"], Kind::Cut(15)),
        opt(&["timeout"], Kind::Cut(31)),
        opt(&["ctevents"], Kind::Text),
        opt(&["expevents"], Kind::Text),
        opt(&["zone-orig"], Kind::Text),
        opt(&["zone-reply"], Kind::Text),
        opt(&["zone"], Kind::Text),
    ],
    build: |args| {
        let text = |name: &str| args.text(name).map(|words| words.value.to_owned());
        Ok(Target::Ct(Box::new(Ct {
            notrack: args.has("notrack"),
            zone: zone(args)?,
            helper: text("helper"),
            timeout: text("timeout"),
            events: events(args.text("ctevents"), &EVENTS)?,
            expect_events: events(args.text("expevents"), &EVENTS[..1])?,
        })))
    },
    save: |of, out| {
        let Target::Ct(of) = of else { return false };
        print_ct(of, out, "--");
        true
    },
    list: |of, out, _| {
        let Target::Ct(of) = of else { return false };
        out.push_str(" CT");
        print_ct(of, out, "");
        true
    },
    check: check_ct,
};

pub(super) static NOTRACK: TargetEntry = TargetEntry {
    name: "NOTRACK",
    families: Families::Both,
    place: RAW,
    options: &[],
    build: |_| Ok(Target::Notrack),
    save: |of, _| *of == Target::Notrack,
    list: |of, out, _| {
        let same = *of == Target::Notrack;
        out.push_str(if same { " NOTRACK" } else { "" });
        same
    },
    check: free,
};

pub(super) static TRACE: TargetEntry = TargetEntry {
    name: "TRACE",
    families: Families::Both,
    place: RAW,
    options: &[],
    build: |_| Ok(Target::Trace),
    save: |of, _| *of == Target::Trace,
    list: |of, _, _| *of == Target::Trace,
    check: free,
};

pub(super) static SYNPROXY: TargetEntry = TargetEntry {
    name: "SYNPROXY",
    families: Families::Both,
    place: Place::ANY.hooks(&[Hook::LocalIn, Hook::Forward]),
    options: &[
        opt(&["sack-perm"], Kind::Flag),
        opt(&["timestamp"], Kind::Flag),
        opt(&["wscale"], Kind::Uint(0, u32::MAX as u64)),
        opt(&["mss"], Kind::Uint(0, 65535)),
        opt(&["ecn"], Kind::Flag),
    ],
    build: |args| {
        let scale = args.uint::<u64>("wscale").map(|scale| u8::try_from(scale.value));
        let scale = scale.transpose();
        Ok(Target::Synproxy(Synproxy {
            mss: args.uint("mss").map(|mss| mss.value),
            window_scale: scale.map_err(|_| Fact::OutOfRange("SYNPROXY", "wscale", 0, 255))?,
            sack: args.has("sack-perm"),
            timestamp: args.has("timestamp"),
            ecn: args.has("ecn"),
            lax: false,
        }))
    },
    save: |of, out| {
        let Target::Synproxy(of) = of else { return false };
        out.push_str(if of.sack { " --sack-perm" } else { "" });
        out.push_str(if of.timestamp { " --timestamp" } else { "" });
        if let Some(scale) = of.window_scale {
            let _ = write!(out, " --wscale {scale}");
        }
        if let Some(mss) = of.mss {
            let _ = write!(out, " --mss {mss}");
        }
        out.push_str(if of.ecn { " --ecn" } else { "" });
        true
    },
    list: |of, out, _| {
        let Target::Synproxy(of) = of else { return false };
        out.push_str(" SYNPROXY ");
        out.push_str(if of.sack { "sack-perm " } else { "" });
        out.push_str(if of.timestamp { "timestamp " } else { "" });
        if let Some(scale) = of.window_scale {
            let _ = write!(out, "wscale {scale} ");
        }
        if let Some(mss) = of.mss {
            let _ = write!(out, "mss {mss} ");
        }
        out.push_str(if of.ecn { "ecn " } else { "" });
        true
    },
    check: |_, site| {
        if site.basic.protocol != Some(Is::so(6)) {
            return Err((Refused::Invalid, "SYNPROXY: needs -p tcp".to_owned()));
        }
        Ok(())
    },
};
