//! Answers, reports and copies: `REJECT`, `LOG`, `NFLOG`, `NFQUEUE`, `AUDIT`, `TEE`, `SET`.
//!
//! - takes: their options
//! - gives: [`Target::Reject`] and its like
//! - obeys: `iptables-extensions(8)`

use std::fmt::Write as _;

use crate::netfilter::rule::{
    Audit, Hook, Is, Log, Nflog, Nfqueue, Reject, SetTarget, SetUse, Span, TableName, Target, Tee,
};

use super::super::error::{Fact, Parse, Refused};
use super::super::matches::{set_use, sides_text};
use super::super::options::{Args, Kind, bad_word, opt};
use super::super::registry::{Check, Families, Place, Site, TargetEntry, free};
use super::super::words::{self, cut, level, level_text, quote};

/// What packets are answered with, by both its names.
type Answer = (&'static str, &'static str, Reject);

const ANSWERS: [Answer; 8] = [
    ("icmp-net-unreachable", "net-unreach", Reject::Icmp(0)),
    ("icmp-host-unreachable", "host-unreach", Reject::Icmp(1)),
    ("icmp-proto-unreachable", "proto-unreach", Reject::Icmp(2)),
    ("icmp-port-unreachable", "port-unreach", Reject::Icmp(3)),
    ("icmp-net-prohibited", "net-prohib", Reject::Icmp(9)),
    ("icmp-host-prohibited", "host-prohib", Reject::Icmp(10)),
    ("tcp-reset", "tcp-rst", Reject::TcpReset),
    ("icmp-admin-prohibited", "admin-prohib", Reject::Icmp(13)),
];

const ANSWERS6: [Answer; 7] = [
    ("icmp6-no-route", "no-route", Reject::Icmp6(0)),
    ("icmp6-adm-prohibited", "adm-prohibited", Reject::Icmp6(1)),
    ("icmp6-addr-unreachable", "addr-unreach", Reject::Icmp6(3)),
    ("icmp6-port-unreachable", "port-unreach", Reject::Icmp6(4)),
    ("tcp-reset", "tcp-reset", Reject::TcpReset),
    ("icmp6-policy-fail", "policy-fail", Reject::Icmp6(5)),
    ("icmp6-reject-route", "reject-route", Reject::Icmp6(6)),
];

fn build_reject(args: &Args) -> Parse<Target> {
    let six = args.family == crate::netfilter::rule::Family::Six;
    let (answers, default): (&[Answer], _) =
        if six { (&ANSWERS6, Reject::Icmp6(4)) } else { (&ANSWERS, Reject::Icmp(3)) };
    let Some(words) = args.text("reject-with") else { return Ok(Target::Reject(default)) };
    let begins = |name: &str| {
        name.get(..words.value.len()).is_some_and(|start| start.eq_ignore_ascii_case(words.value))
    };
    let found = answers.iter().find(|(long, short, _)| begins(long) || begins(short));
    let Some((.., answer)) = found.filter(|_| !words.value.is_empty()) else {
        return Err(bad_word("unknown reject type \"", words.value, "\""));
    };
    Ok(Target::Reject(*answer))
}

fn answer_word(of: Reject) -> &'static str {
    let mut all = ANSWERS.iter().chain(&ANSWERS6);
    all.find(|(.., known)| *known == of).map_or("", |(name, ..)| name)
}

pub(super) static REJECT: TargetEntry = TargetEntry {
    name: "REJECT",
    families: Families::Both,
    place: Place::tables(&[TableName::Filter]).hooks(&[
        Hook::LocalIn,
        Hook::Forward,
        Hook::LocalOut,
    ]),
    options: &[opt(&["reject-with"], Kind::Text)],
    build: build_reject,
    save: |of, out| {
        let Target::Reject(of) = of else { return false };
        let _ = write!(out, " --reject-with {}", answer_word(*of));
        true
    },
    list: |of, out, _| {
        let Target::Reject(of) = of else { return false };
        let _ = write!(out, " reject-with {}", answer_word(*of));
        true
    },
    check: |of, site| {
        if *of == Target::Reject(Reject::TcpReset) && site.basic.protocol != Some(Is::so(6)) {
            return Err((Refused::Invalid, "REJECT: TCP_RESET invalid for non-tcp".to_owned()));
        }
        Ok(())
    },
};

/// The level that is not printed.
const WARNING: u8 = 4;
const LOG_PREFIX: usize = 29;

fn log_flags(of: &Log) -> [(bool, &'static str, u8); 5] {
    [
        (of.tcp_sequence, "tcp-sequence", 1),
        (of.tcp_options, "tcp-options", 2),
        (of.ip_options, "ip-options", 4),
        (of.uid, "uid", 8),
        (of.mac_decode, "macdecode", 32),
    ]
}

fn build_log(args: &Args) -> Parse<Target> {
    let level = match args.text("log-level").map(|words| words.value) {
        None => WARNING,
        Some(word) => level(word).ok_or_else(|| bad_word("log level \"", word, "\" unknown"))?,
    };
    let prefix = args.text("log-prefix").map_or("", |words| words.value);
    if prefix.contains('\n') {
        return Err(Fact::Says("Newlines not allowed in --log-prefix").into());
    }
    Ok(Target::Log(Log {
        level,
        prefix: prefix.to_owned(),
        tcp_sequence: args.has("log-tcp-sequence"),
        tcp_options: args.has("log-tcp-options"),
        ip_options: args.has("log-ip-options"),
        uid: args.has("log-uid"),
        mac_decode: args.has("log-macdecode"),
    }))
}

pub(super) static LOG: TargetEntry = TargetEntry {
    name: "LOG",
    families: Families::Both,
    place: Place::ANY,
    options: &[
        opt(&["log-level"], Kind::Text),
        opt(&["log-prefix"], Kind::Cut(LOG_PREFIX)),
        opt(&["log-tcp-sequence"], Kind::Flag),
        opt(&["log-tcp-options"], Kind::Flag),
        opt(&["log-ip-options"], Kind::Flag),
        opt(&["log-uid"], Kind::Flag),
        opt(&["log-macdecode"], Kind::Flag),
    ],
    build: build_log,
    save: |of, out| {
        let Target::Log(of) = of else { return false };
        if !of.prefix.is_empty() {
            out.push_str(" --log-prefix");
            quote(out, &of.prefix);
        }
        if of.level != WARNING {
            let _ = write!(out, " --log-level {}", of.level);
        }
        for (_, name, _) in log_flags(of).iter().filter(|(on, ..)| *on) {
            let _ = write!(out, " --log-{name}");
        }
        true
    },
    list: |of, out, look| {
        let Target::Log(of) = of else { return false };
        let on = log_flags(of).into_iter().filter(|(on, ..)| *on);
        if look.numeric {
            let bits: u8 = on.map(|(.., bit)| bit).sum();
            let _ = write!(out, " LOG flags {bits} level {}", of.level);
        } else {
            let _ = write!(out, " LOG level {}", level_text(of.level));
            for (_, name, _) in on {
                let _ = write!(out, " {name}");
            }
        }
        if !of.prefix.is_empty() {
            let _ = write!(out, " prefix \"{}\"", of.prefix);
        }
        true
    },
    check: free,
};

const NFLOG_PREFIX: usize = 63;
const HALF: Kind = Kind::Uint(0, 65535);

fn print_nflog(of: &Nflog, out: &mut String, dashes: &str) {
    if !of.prefix.is_empty() {
        let _ = write!(out, " {dashes}nflog-prefix");
        quote(out, &of.prefix);
    }
    if of.group != 0 {
        let _ = write!(out, " {dashes}nflog-group {}", of.group);
    }
    if let Some(size) = of.size {
        let _ = write!(out, " {dashes}nflog-size {size}");
    } else if of.range != 0 {
        let _ = write!(out, " {dashes}nflog-range {}", of.range);
    }
    if of.threshold != 0 {
        let _ = write!(out, " {dashes}nflog-threshold {}", of.threshold);
    }
}

pub(super) static NFLOG: TargetEntry = TargetEntry {
    name: "NFLOG",
    families: Families::Both,
    place: Place::ANY,
    options: &[
        opt(&["nflog-group"], HALF),
        opt(&["nflog-prefix"], Kind::Cut(NFLOG_PREFIX)),
        opt(&["nflog-range"], Kind::Uint(0, u32::MAX as u64)),
        opt(&["nflog-size"], Kind::Uint(0, u32::MAX as u64)),
        opt(&["nflog-threshold"], HALF),
    ],
    build: |args| {
        let prefix = args.text("nflog-prefix").map_or("", |words| words.value);
        if prefix.contains('\n') {
            return Err(Fact::Says("Newlines not allowed in --log-prefix").into());
        }
        Ok(Target::Nflog(Nflog {
            group: args.uint("nflog-group").map_or(0, |group| group.value),
            prefix: cut(prefix, NFLOG_PREFIX).to_owned(),
            range: args.uint("nflog-range").map_or(0, |range| range.value),
            size: args.uint("nflog-size").map(|size| size.value),
            threshold: args.uint("nflog-threshold").map_or(0, |threshold| threshold.value),
        }))
    },
    save: |of, out| {
        let Target::Nflog(of) = of else { return false };
        print_nflog(of, out, "--");
        true
    },
    list: |of, out, _| {
        let Target::Nflog(of) = of else { return false };
        print_nflog(of, out, "");
        true
    },
    check: free,
};

fn queues(text: &str) -> Parse<Span<u16>> {
    let Some((first, last)) = text.split_once(':') else {
        return Err(bad_word("Bad range \"", text, "\""));
    };
    let one = |text: &str| words::number(text).and_then(|n| u16::try_from(n).ok());
    let (Some(first), Some(last)) = (one(first), one(last)) else {
        return Err(bad_word("Bad range \"", text, "\""));
    };
    if first >= last {
        return Err(Fact::Tells(format!("{first} should be less than {last}")).into());
    }
    Ok(Span::new(first, last))
}

fn print_queue(of: &Nfqueue, out: &mut String, dashes: &str, queue: &str) {
    let Span { first, last } = of.queues;
    let _ = if first == last {
        write!(out, " {dashes}{queue}num {first}")
    } else {
        write!(out, " {dashes}{queue}balance {first}:{last}")
    };
    for (on, word) in [(of.bypass, "bypass"), (of.cpu_fanout, "cpu-fanout")] {
        if on {
            let _ = write!(out, " {dashes}{queue}{word}");
        }
    }
}

pub(super) static NFQUEUE: TargetEntry = TargetEntry {
    name: "NFQUEUE",
    families: Families::Both,
    place: Place::ANY,
    options: &[
        opt(&["queue-num"], HALF).excludes(&["queue-balance"]),
        opt(&["queue-balance"], Kind::Text).excludes(&["queue-num"]),
        opt(&["queue-bypass"], Kind::Flag),
        opt(&["queue-cpu-fanout"], Kind::Flag).also(&["queue-balance"]),
    ],
    build: |args| {
        let queues = match args.text("queue-balance") {
            Some(words) => queues(words.value)?,
            None => Span::only(args.uint("queue-num").map_or(0, |queue| queue.value)),
        };
        Ok(Target::Nfqueue(Nfqueue {
            queues,
            bypass: args.has("queue-bypass"),
            cpu_fanout: args.has("queue-cpu-fanout"),
        }))
    },
    save: |of, out| {
        let Target::Nfqueue(of) = of else { return false };
        print_queue(of, out, "--", "queue-");
        true
    },
    list: |of, out, _| {
        let Target::Nfqueue(of) = of else { return false };
        out.push_str(" NFQUEUE");
        print_queue(of, out, "", "");
        true
    },
    check: |of, _| match of {
        Target::Nfqueue(of) if of.queues == Span::new(0, u16::MAX) => {
            Err((Refused::Invalid, "NFQUEUE: there are at most 65535 queues".to_owned()))
        }
        _ => Ok(()),
    },
};

const AUDITS: [(&str, Audit); 3] =
    [("accept", Audit::Accept), ("drop", Audit::Drop), ("reject", Audit::Reject)];

fn audit_word(of: Audit) -> &'static str {
    AUDITS.iter().find(|(_, known)| *known == of).map_or("", |(word, _)| word)
}

pub(super) static AUDIT: TargetEntry = TargetEntry {
    name: "AUDIT",
    families: Families::Both,
    place: Place::ANY,
    options: &[opt(&["type"], Kind::Text).required()],
    build: |args| {
        let word = args.text("type").map_or("", |words| words.value);
        let found = AUDITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        let bad = || bad_word("Bad action type value \"", word, "\"");
        Ok(Target::Audit(found.ok_or_else(bad)?.1))
    },
    save: |of, out| {
        let Target::Audit(of) = of else { return false };
        let _ = write!(out, " --type {}", audit_word(*of));
        true
    },
    list: |of, out, _| {
        let Target::Audit(of) = of else { return false };
        let _ = write!(out, " AUDIT {}", audit_word(*of));
        true
    },
    check: free,
};

pub(super) static TEE: TargetEntry = TargetEntry {
    name: "TEE",
    families: Families::Both,
    place: Place::ANY,
    options: &[opt(&["gateway"], Kind::Host).required(), opt(&["oif"], Kind::Cut(15))],
    build: |args| {
        Ok(Target::Tee(Tee {
            gateway: args.host("gateway").unwrap_or(args.family.any()),
            output: args.text("oif").map(|words| words.value.to_owned()),
        }))
    },
    save: |of, out| {
        let Target::Tee(of) = of else { return false };
        let _ = write!(out, " --gateway {}", of.gateway);
        if let Some(output) = &of.output {
            out.push_str(" --oif");
            words::name(out, output);
        }
        true
    },
    list: |of, out, _| {
        let Target::Tee(of) = of else { return false };
        let _ = write!(out, " TEE gw:{}", of.gateway);
        if let Some(output) = &of.output {
            let _ = write!(out, " oif={output}");
        }
        true
    },
    check: |of, _| match of {
        Target::Tee(of) if of.gateway.is_unspecified() => {
            Err((Refused::Invalid, "TEE: a gateway is needed".to_owned()))
        }
        _ => Ok(()),
    },
};

fn build_set(args: &Args) -> Parse<Target> {
    let named = |name: &'static str| -> Parse<Option<SetUse>> {
        args.text(name).map(|words| set_use(words.value)).transpose()
    };
    let of = SetTarget {
        add: named("add-set")?,
        del: named("del-set")?,
        map: named("map-set")?,
        exist: args.has("exist"),
        timeout: args.uint("timeout").map(|timeout| timeout.value),
        map_mark: args.has("map-mark"),
        map_priority: args.has("map-prio"),
        map_queue: args.has("map-queue"),
    };
    if of.add.is_none() && of.del.is_none() && of.map.is_none() {
        let says = "You must specify either `--add-set' or `--del-set' or `--map-set'";
        return Err(Fact::Says(says).into());
    }
    let mapped = of.map_mark || of.map_priority || of.map_queue;
    if mapped && of.map.is_none() {
        let says = "You must specify `--map-set' with `--map-mark', `--map-prio' or `--map-queue'";
        return Err(Fact::Says(says).into());
    }
    if of.map.is_some() && !mapped {
        let says = "You must specify flags `--map-mark' or '--map-prio` or `--map-queue'";
        return Err(Fact::Says(says).into());
    }
    if of.add.is_none() && of.exist {
        return Err(Fact::Says("Flag `--exist' can be used with `--add-set' only").into());
    }
    if of.add.is_none() && of.timeout.is_some() {
        return Err(Fact::Says("Option `--timeout' can be used with `--add-set' only").into());
    }
    Ok(Target::Set(Box::new(of)))
}

fn print_set(of: &SetTarget, out: &mut String, dashes: &str) {
    let print = |out: &mut String, name: &str, set: &Option<SetUse>| {
        if let Some((set, sides)) = set {
            let _ = write!(out, " {dashes}{name}-set");
            words::name(out, set);
            let _ = write!(out, " {}", sides_text(sides));
        }
    };
    print(out, "add", &of.add);
    if of.exist {
        let _ = write!(out, " {dashes}exist");
    }
    if let Some(timeout) = of.timeout {
        let _ = write!(out, " {dashes}timeout {timeout}");
    }
    print(out, "del", &of.del);
    print(out, "map", &of.map);
    for (on, word) in [(of.map_mark, "mark"), (of.map_priority, "prio"), (of.map_queue, "queue")] {
        if on {
            let _ = write!(out, " {dashes}map-{word}");
        }
    }
}

fn check_set(of: &Target, site: &Site<'_>) -> Check {
    let Target::Set(of) = of else { return Ok(()) };
    let early = [Hook::PreRouting, Hook::LocalIn];
    let queues = of.map_priority || of.map_queue;
    let why = if of.map.is_some() && site.table != TableName::Mangle {
        "SET: --map-set only usable from mangle table"
    } else if queues && site.hooks.iter().any(|hook| early.contains(hook)) {
        "SET: mapping of prio or/and queue is allowed only from OUTPUT/FORWARD/POSTROUTING chains"
    } else {
        return Ok(());
    };
    Err((Refused::Invalid, why.to_owned()))
}

pub(super) static SET: TargetEntry = TargetEntry {
    name: "SET",
    families: Families::Both,
    place: Place::ANY,
    options: &[
        opt(&["add-set"], Kind::Pair),
        opt(&["del-set"], Kind::Pair),
        opt(&["map-set"], Kind::Pair),
        opt(&["exist"], Kind::Flag),
        opt(&["timeout"], Kind::Uint(0, u32::MAX as u64)),
        opt(&["map-mark"], Kind::Flag),
        opt(&["map-prio"], Kind::Flag),
        opt(&["map-queue"], Kind::Flag),
    ],
    build: build_set,
    save: |of, out| {
        let Target::Set(of) = of else { return false };
        print_set(of, out, "--");
        true
    },
    list: |of, out, _| {
        let Target::Set(of) = of else { return false };
        print_set(of, out, "");
        true
    },
    check: check_set,
};
