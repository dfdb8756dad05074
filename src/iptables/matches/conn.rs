//! Marks and what connections remember: `mark`, `connmark`, `connlabel`, `connbytes`, `connlimit`,
//! `helper`.
//!
//! - takes: their options
//! - gives: [`Match::Mark`] and its like
//! - obeys: `iptables-extensions(8)`

use std::fmt::Write as _;

use crate::netfilter::rule::{
    ConnBytes, ConnBytesMode, ConnLabel, ConnLimit, ConnSide, Is, Masked, Match, Span,
};

use super::super::error::{Fact, Parse, Refused};
use super::super::options::{Args, Kind, opt};
use super::super::registry::{Families, MatchEntry, Place, free};
use super::super::words::{self, bang, mark_text};

fn any_mark(args: &Args) -> Is<Masked<u32>> {
    args.mark("mark").unwrap_or(Is::so(Masked { value: 0, mask: 0 }))
}

pub(super) static MARK: MatchEntry = MatchEntry {
    name: "mark",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["mark"], Kind::Mark).inverts().required()],
    build: |args| Ok(Match::Mark(any_mark(args))),
    save: |of, out| {
        let Match::Mark(mark) = of else { return false };
        bang(out, mark.not);
        let _ = write!(out, " --mark {}", mark_text(mark.value));
        true
    },
    list: |of, out, _| {
        let Match::Mark(mark) = of else { return false };
        out.push_str(" mark match");
        bang(out, mark.not);
        let _ = write!(out, " {}", mark_text(mark.value));
        true
    },
    check: free,
};

pub(super) static CONNMARK: MatchEntry = MatchEntry {
    name: "connmark",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["mark"], Kind::Mark).inverts().required()],
    build: |args| Ok(Match::Connmark(any_mark(args))),
    save: |of, out| {
        let Match::Connmark(mark) = of else { return false };
        bang(out, mark.not);
        let _ = write!(out, " --mark {}", mark_text(mark.value));
        true
    },
    list: |of, out, _| {
        let Match::Connmark(mark) = of else { return false };
        out.push_str(if mark.not { " connmark match !" } else { " connmark match " });
        let _ = write!(out, " {}", mark_text(mark.value));
        true
    },
    check: free,
};

pub(super) static CONNLABEL: MatchEntry = MatchEntry {
    name: "connlabel",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["label"], Kind::Text).inverts().required(), opt(&["set"], Kind::Flag)],
    build: |args| {
        let words = args.text("label").unwrap_or(Is::so(""));
        let bit = words::number(words.value).and_then(|n| u16::try_from(n).ok());
        let unknown = || Fact::Tells(format!("label '{}' not found or invalid value", words.value));
        let bit = bit.ok_or_else(unknown)?;
        Ok(Match::ConnLabel(ConnLabel {
            label: Is { not: words.not, value: bit },
            set: args.has("set"),
        }))
    },
    save: |of, out| {
        let Match::ConnLabel(of) = of else { return false };
        bang(out, of.label.not);
        let set = if of.set { " --set" } else { "" };
        let _ = write!(out, " --label \"{}\"{set}", of.label.value);
        true
    },
    list: |of, out, _| {
        let Match::ConnLabel(of) = of else { return false };
        out.push_str(" connlabel");
        bang(out, of.label.not);
        let set = if of.set { " set" } else { "" };
        let _ = write!(out, " {}{set}", of.label.value);
        true
    },
    check: |of, _| match of {
        Match::ConnLabel(of) if of.label.value > 127 => {
            Err((Refused::Range, "connlabel: labels are 0 to 127".to_owned()))
        }
        _ => Ok(()),
    },
};

const SIDES: [(&str, ConnSide); 3] =
    [("original", ConnSide::Original), ("reply", ConnSide::Reply), ("both", ConnSide::Both)];
const MODES: [(&str, ConnBytesMode); 3] = [
    ("packets", ConnBytesMode::Packets),
    ("bytes", ConnBytesMode::Bytes),
    ("avgpkt", ConnBytesMode::Average),
];

fn word_of<T: Copy + PartialEq>(table: &[(&'static str, T)], value: T) -> &'static str {
    table.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}

fn build_bytes(args: &Args) -> Parse<Match> {
    let choice = |name: &str| args.text(name).map(|words| words.value).unwrap_or_default();
    let side = choice("connbytes-dir");
    let Some((_, side)) = SIDES.iter().find(|(word, _)| *word == side) else {
        return Err(Fact::Tells(format!("Unknown --connbytes-dir `{side}'")).into());
    };
    let mode = choice("connbytes-mode");
    let Some((_, mode)) = MODES.iter().find(|(word, _)| *word == mode) else {
        return Err(Fact::Tells(format!("Unknown --connbytes-mode `{mode}'")).into());
    };
    let words = args.text("connbytes").unwrap_or(Is::so(""));
    // One number is the least.
    let (first, last) = words.value.split_once(':').unwrap_or((words.value, ""));
    let number = |text: &str, missing: u64| {
        if text.is_empty() { Some(missing) } else { words::number(text) }
    };
    let (Some(first), Some(last)) = (number(first, 0), number(last, u64::MAX)) else {
        let near = words.value.to_owned();
        return Err(Fact::OutOfRangeNear(args.name, "connbytes", near, u64::MAX).into());
    };
    if first > last {
        return Err(Fact::Tells(format!("{first} should be less than {last}")).into());
    }
    let count = Is { not: words.not, value: Span::new(first, last) };
    Ok(Match::ConnBytes(ConnBytes { count, side: *side, mode: *mode }))
}

fn print_bytes(of: &ConnBytes, out: &mut String, dashes: &str) {
    bang(out, of.count.not);
    let Span { first, last } = of.count.value;
    let _ = write!(out, " {dashes}connbytes {first}");
    if last != u64::MAX {
        let _ = write!(out, ":{last}");
    }
}

pub(super) static CONNBYTES: MatchEntry = MatchEntry {
    name: "connbytes",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["connbytes"], Kind::Text).inverts().required(),
        opt(&["connbytes-dir"], Kind::Text).required(),
        opt(&["connbytes-mode"], Kind::Text).required(),
    ],
    build: build_bytes,
    save: |of, out| {
        let Match::ConnBytes(of) = of else { return false };
        print_bytes(of, out, "--");
        let (mode, side) = (word_of(&MODES, of.mode), word_of(&SIDES, of.side));
        let _ = write!(out, " --connbytes-mode {mode} --connbytes-dir {side}");
        true
    },
    list: |of, out, _| {
        let Match::ConnBytes(of) = of else { return false };
        print_bytes(of, out, "");
        let (mode, side) = (word_of(&MODES, of.mode), word_of(&SIDES, of.side));
        let _ = write!(out, " connbytes mode {mode} connbytes direction {side}");
        true
    },
    check: free,
};

fn build_limit(args: &Args) -> Parse<Match> {
    let above = args.uint::<u32>("connlimit-above");
    let upto = match (above, args.uint::<u32>("connlimit-upto")) {
        (Some(above), _) => Is { not: !above.not, value: above.value },
        (None, Some(upto)) => upto,
        (None, None) => {
            let says = "You must specify \"--connlimit-above\" or \"--connlimit-upto\".";
            return Err(Fact::Says(says).into());
        }
    };
    let most = args.family.bits();
    let mask = args.uint::<u8>("connlimit-mask").map_or(most, |mask| mask.value);
    Ok(Match::ConnLimit(ConnLimit { upto, mask, destination: args.has("connlimit-daddr") }))
}

pub(super) static CONNLIMIT: MatchEntry = MatchEntry {
    name: "connlimit",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["connlimit-upto"], Kind::Uint(0, u32::MAX as u64))
            .inverts()
            .excludes(&["connlimit-above"]),
        opt(&["connlimit-above"], Kind::Uint(0, u32::MAX as u64))
            .inverts()
            .excludes(&["connlimit-upto"]),
        opt(&["connlimit-mask"], Kind::Length),
        opt(&["connlimit-saddr"], Kind::Flag).excludes(&["connlimit-daddr"]),
        opt(&["connlimit-daddr"], Kind::Flag).excludes(&["connlimit-saddr"]),
    ],
    build: build_limit,
    save: |of, out| {
        let Match::ConnLimit(of) = of else { return false };
        let which = if of.upto.not { "above" } else { "upto" };
        let side = if of.destination { "daddr" } else { "saddr" };
        let (limit, mask) = (of.upto.value, of.mask);
        let _ =
            write!(out, " --connlimit-{which} {limit} --connlimit-mask {mask} --connlimit-{side}");
        true
    },
    list: |of, out, _| {
        let Match::ConnLimit(of) = of else { return false };
        let side = if of.destination { "dst" } else { "src" };
        let which = if of.upto.not { ">" } else { "<=" };
        let _ = write!(out, " #conn {side}/{} {which} {}", of.mask, of.upto.value);
        true
    },
    check: free,
};

pub(super) static HELPER: MatchEntry = MatchEntry {
    name: "helper",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["helper"], Kind::Text).inverts().required()],
    build: |args| {
        let words = args.text("helper").unwrap_or(Is::so(""));
        let value = words::cut(words.value, 29).to_owned();
        Ok(Match::Helper(Is { not: words.not, value }))
    },
    save: |of, out| {
        let Match::Helper(helper) = of else { return false };
        bang(out, helper.not);
        out.push_str(" --helper");
        words::quote(out, &helper.value);
        true
    },
    list: |of, out, _| {
        let Match::Helper(helper) = of else { return false };
        let inverted = if helper.not { "! " } else { "" };
        let _ = write!(out, " helper match {inverted}\"{}\"", helper.value);
        true
    },
    check: free,
};
