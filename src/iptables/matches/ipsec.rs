//! Who has a packet and what transforms it: `owner`, `policy`.
//!
//! - takes: their options
//! - gives: [`Match::Owner`], [`Match::Policy`]
//! - obeys: `iptables-extensions(8)`
//!
//! Of users and groups only `root` is known by name: others depend on files of a host.

use std::fmt::Write as _;

use crate::netfilter::rule::{
    Hook, IpsecPolicy, Is, Match, Owner, PolicyElement, PolicyMode, PolicyWay, Span,
};

use super::super::error::{Fact, Parse, Refused};
use super::super::options::{Args, Kind, Value, opt};
use super::super::registry::{Check, Families, Look, MatchEntry, Place, Site};
use super::super::words::{self, bang, protocol_text, short_prefix_text};

fn ids(args: &Args, name: &'static str) -> Parse<Option<Is<Span<u32>>>> {
    let Some(words) = args.text(name) else { return Ok(None) };
    let bad = || Fact::BadChoice("owner", name, words.value.to_owned());
    let value = if words.value == "root" {
        Span::only(0)
    } else {
        let (first, last) = words.value.split_once('-').unwrap_or((words.value, words.value));
        let one = |text: &str| words::number32(text).ok_or_else(bad);
        Span::new(one(first)?, one(last)?)
    };
    Ok(Some(Is { not: words.not, value }))
}

fn ids_text(ids: Span<u32>) -> String {
    if ids.first == ids.last {
        ids.first.to_string()
    } else {
        format!("{}-{}", ids.first, ids.last)
    }
}

fn who_text(ids: Span<u32>, look: Look) -> String {
    if ids == Span::only(0) && !look.numeric { "root".to_owned() } else { ids_text(ids) }
}

pub(super) static OWNER: MatchEntry = MatchEntry {
    name: "owner",
    families: Families::Both,
    place: Place::ANY.hooks(&[Hook::LocalOut, Hook::PostRouting]),
    terse: false,
    options: &[
        opt(&["uid-owner"], Kind::Text).inverts(),
        opt(&["gid-owner"], Kind::Text).inverts(),
        opt(&["socket-exists"], Kind::Flag).inverts(),
        opt(&["suppl-groups"], Kind::Flag),
    ],
    build: |args| {
        let of = Owner {
            uid: ids(args, "uid-owner")?,
            gid: ids(args, "gid-owner")?,
            socket: args.flag("socket-exists"),
            supplementary: args.has("suppl-groups"),
        };
        if of == (Owner { supplementary: of.supplementary, ..Owner::default() }) {
            let says =
                "owner: At least one of --uid-owner, --gid-owner or --socket-exists is required";
            return Err(Fact::Says(says).into());
        }
        Ok(Match::Owner(of))
    },
    save: |of, out| {
        let Match::Owner(of) = of else { return false };
        if let Some(exists) = of.socket {
            bang(out, !exists);
            out.push_str(" --socket-exists");
        }
        for (name, ids) in [("uid", of.uid), ("gid", of.gid)] {
            if let Some(ids) = ids {
                bang(out, ids.not);
                let _ = write!(out, " --{name}-owner {}", ids_text(ids.value));
            }
        }
        out.push_str(if of.supplementary { " --suppl-groups" } else { "" });
        true
    },
    list: |of, out, look| {
        let Match::Owner(of) = of else { return false };
        if let Some(exists) = of.socket {
            bang(out, !exists);
            out.push_str(" owner socket exists");
        }
        for (name, ids) in [("UID", of.uid), ("GID", of.gid)] {
            if let Some(ids) = ids {
                bang(out, ids.not);
                let _ = write!(out, " owner {name} match {}", who_text(ids.value, look));
            }
        }
        out.push_str(if of.supplementary { " incl. suppl. groups" } else { "" });
        true
    },
    check: |of, _| {
        let Match::Owner(of) = of else { return Ok(()) };
        let reversed =
            |ids: Option<Is<Span<u32>>>| ids.is_some_and(|ids| ids.value.first > ids.value.last);
        if reversed(of.uid) || reversed(of.gid) {
            return Err((Refused::Invalid, "owner: a range is the wrong way round".to_owned()));
        }
        Ok(())
    },
};

const DEPTH: usize = 4;

fn elements(args: &Args) -> Parse<Vec<PolicyElement>> {
    let mut elements = vec![PolicyElement::default()];
    for given in &args.given {
        let (not, name) = (given.not, given.opt.name());
        if name == "next" {
            if elements.len() == DEPTH {
                return Err(Fact::Says("policy match: maximum policy depth reached").into());
            }
            elements.push(PolicyElement::default());
            continue;
        }
        let Some(last) = elements.last_mut() else { continue };
        let twice = Fact::Once("policy", name);
        match (&given.value, name) {
            (Value::Uint(number), "reqid" | "spi") => {
                let value = u32::try_from(*number).unwrap_or(u32::MAX);
                let place = if name == "spi" { &mut last.spi } else { &mut last.request };
                if place.replace(Is { not, value }).is_some() {
                    return Err(twice.into());
                }
            }
            (Value::Uint(number), "proto") => {
                if !matches!(number, 50 | 51 | 108) {
                    let says = "policy match: protocol must be ah/esp/ipcomp";
                    return Err(Fact::Says(says).into());
                }
                let value = u8::try_from(*number).unwrap_or(u8::MAX);
                if last.protocol.replace(Is { not, value }).is_some() {
                    return Err(twice.into());
                }
            }
            (Value::Text(word), "mode") => {
                let value = match word.as_str() {
                    "transport" => PolicyMode::Transport,
                    "tunnel" => PolicyMode::Tunnel,
                    _ => {
                        let says = format!("policy match: invalid mode \"{word}\"");
                        return Err(Fact::Tells(says).into());
                    }
                };
                if last.mode.replace(Is { not, value }).is_some() {
                    return Err(twice.into());
                }
            }
            (Value::Prefix(value), _) => {
                let value = *value;
                let place = if name == "tunnel-src" {
                    &mut last.tunnel_source
                } else {
                    &mut last.tunnel_destination
                };
                if place.replace(Is { not, value }).is_some() {
                    return Err(twice.into());
                }
            }
            _ => {}
        }
    }
    Ok(elements)
}

fn build_policy(args: &Args) -> Parse<Match> {
    let way = match args.text("dir").map(|words| words.value) {
        Some("in") => PolicyWay::In,
        Some("out") => PolicyWay::Out,
        Some(word) => {
            return Err(Fact::Tells(format!("policy match: invalid dir \"{word}\"")).into());
        }
        None => {
            let says = "policy match: neither --dir in nor --dir out specified";
            return Err(Fact::Says(says).into());
        }
    };
    let none = match args.text("pol").map(|words| words.value) {
        Some("none") => true,
        Some("ipsec") | None => false,
        Some(word) => {
            return Err(Fact::Tells(format!("policy match: invalid policy \"{word}\"")).into());
        }
    };
    let strict = args.has("strict");
    if none {
        if strict {
            let says = "policy match: policy none but --strict given";
            return Err(Fact::Says(says).into());
        }
        let elements = Vec::new();
        return Ok(Match::Policy(IpsecPolicy { way, none, strict, elements }));
    }
    let elements = elements(args)?;
    for (at, element) in elements.iter().enumerate() {
        if strict && *element == PolicyElement::default() {
            let says = format!(
                "policy match: empty policy element {at}. --strict is in effect, but at least \
                 one of reqid, spi, tunnel-src, tunnel-dst, proto or mode is required."
            );
            return Err(Fact::Tells(says).into());
        }
        let tunnel = element.tunnel_source.is_some() || element.tunnel_destination.is_some();
        let in_tunnel =
            element.mode.is_some_and(|mode| mode.holds(|mode| *mode == PolicyMode::Tunnel));
        if tunnel && !in_tunnel {
            let says = "policy match: --tunnel-src/--tunnel-dst is only valid in tunnel mode";
            return Err(Fact::Says(says).into());
        }
    }
    let empty = elements.iter().all(|element| *element == PolicyElement::default());
    let elements = if empty { Vec::new() } else { elements };
    Ok(Match::Policy(IpsecPolicy { way, none, strict, elements }))
}

fn print_element(of: &PolicyElement, out: &mut String, dashes: &str, numeric: bool) {
    let mut put = |name: &str, not: bool, value: String| {
        bang(out, not);
        let _ = write!(out, " {dashes}{name} {value}");
    };
    if let Some(request) = of.request {
        put("reqid", request.not, request.value.to_string());
    }
    if let Some(spi) = of.spi {
        put("spi", spi.not, format!("{:#x}", spi.value));
    }
    if let Some(protocol) = of.protocol {
        let number = protocol.value;
        let text = if numeric { number.to_string() } else { protocol_text(number) };
        put("proto", protocol.not, text);
    }
    if let Some(mode) = of.mode {
        let word = match mode.value {
            PolicyMode::Transport => "transport",
            PolicyMode::Tunnel => "tunnel",
        };
        put("mode", mode.not, word.to_owned());
    }
    if let Some(prefix) = of.tunnel_destination {
        put("tunnel-dst", prefix.not, short_prefix_text(prefix.value));
    }
    if let Some(prefix) = of.tunnel_source {
        put("tunnel-src", prefix.not, short_prefix_text(prefix.value));
    }
}

fn print_policy(of: &IpsecPolicy, out: &mut String, dashes: &str) {
    let way = if of.way == PolicyWay::In { "in" } else { "out" };
    let pol = if of.none { "none" } else { "ipsec" };
    let _ = write!(out, " {dashes}dir {way} {dashes}pol {pol}");
    if of.strict {
        let _ = write!(out, " {dashes}strict");
    }
}

fn check_policy(of: &Match, site: &Site<'_>) -> Check {
    let Match::Policy(of) = of else { return Ok(()) };
    let at = |hooks: [Hook; 2]| site.hooks.iter().any(|hook| hooks.contains(hook));
    let why = if of.way == PolicyWay::Out && at([Hook::PreRouting, Hook::LocalIn]) {
        "policy: output policy not valid in PREROUTING and INPUT"
    } else if of.way == PolicyWay::In && at([Hook::PostRouting, Hook::LocalOut]) {
        "policy: input policy not valid in POSTROUTING and OUTPUT"
    } else {
        return Ok(());
    };
    Err((Refused::Invalid, why.to_owned()))
}

const WORD: Kind = Kind::Uint(0, u32::MAX as u64);

pub(super) static POLICY: MatchEntry = MatchEntry {
    name: "policy",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["dir"], Kind::Text),
        opt(&["pol"], Kind::Text),
        opt(&["strict"], Kind::Flag),
        opt(&["reqid"], WORD).inverts().repeats(),
        opt(&["spi"], WORD).inverts().repeats(),
        opt(&["tunnel-src"], Kind::Prefix).inverts().repeats(),
        opt(&["tunnel-dst"], Kind::Prefix).inverts().repeats(),
        opt(&["proto"], Kind::Protocol).inverts().repeats(),
        opt(&["mode"], Kind::Text).inverts().repeats(),
        opt(&["next"], Kind::Flag).repeats().also(&["strict"]),
    ],
    build: build_policy,
    save: |of, out| {
        let Match::Policy(of) = of else { return false };
        print_policy(of, out, "--");
        for (at, element) in of.elements.iter().enumerate() {
            out.push_str(if at != 0 { " --next" } else { "" });
            print_element(element, out, "--", false);
        }
        true
    },
    list: |of, out, look| {
        let Match::Policy(of) = of else { return false };
        out.push_str(" policy match");
        print_policy(of, out, "");
        for (at, element) in of.elements.iter().enumerate() {
            if of.elements.len() > 1 {
                let _ = write!(out, " [{at}]");
            }
            print_element(element, out, "", look.numeric);
        }
        true
    },
    check: check_policy,
};
