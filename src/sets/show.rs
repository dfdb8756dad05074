//! Sets as `ipset list` and `ipset save` tell them.
//!
//! - takes: sets, and the time
//! - gives: text
//! - obeys: `ipset` 7.17; elements are in their own order, and sizes and seeds are this router's

use std::fmt::Write as _;

use super::{
    book::Named,
    element::address_text,
    kind::{Kind, Spec},
    table::Extensions,
};
use crate::graph::Nanos;

/// What a set was made with.
fn header(spec: &Spec) -> String {
    let mut words: Vec<String> = Vec::new();
    let (from, to) = spec.range;
    let hash = !spec.kind.is_bitmap() && spec.kind != Kind::List;
    match spec.kind {
        Kind::BitmapPort => words.push(format!("range {from}-{to}")),
        Kind::BitmapIp | Kind::BitmapIpMac => {
            let text = |ip: u32| address_text(ip.into(), false);
            words.push(format!("range {}-{}", text(from), text(to)));
        }
        Kind::List => words.push(format!("size {}", spec.size)),
        _ => {
            if spec.kind.has_family() {
                words.push(format!("family {}", if spec.six { "inet6" } else { "inet" }));
            }
            words.push(format!("hashsize {} maxelem {}", spec.hashsize, spec.maxelem));
        }
    }
    let netmask = spec.netmask.map(|len| format!("netmask {len}"));
    let late = spec.kind == Kind::HashIpPort;
    words.extend(netmask.clone().filter(|_| !late));
    words.extend(spec.timeout.map(|timeout| format!("timeout {timeout}")));
    let flags = [(spec.counters, "counters"), (spec.comment, "comment"), (spec.skbinfo, "skbinfo")];
    words.extend(flags.iter().filter(|flag| flag.0).map(|flag| flag.1.to_owned()));
    if hash {
        words.push(format!("bucketsize {} initval 0x{:08x}", spec.bucketsize, spec.initval));
    }
    words.extend(netmask.filter(|_| late));
    words.join(" ")
}

/// What an element has beside what it is.
fn extensions(spec: &Spec, with: &Extensions, exempt: bool, comment: Option<&str>) -> String {
    let mut out = String::new();
    if spec.timeout.is_some() {
        let _ = write!(out, " timeout {}", with.timeout);
    }
    if exempt {
        out.push_str(" nomatch");
    }
    if spec.counters {
        let _ = write!(out, " packets {} bytes {}", with.packets, with.bytes);
    }
    if let Some(comment) = comment {
        let _ = write!(out, " comment \"{comment}\"");
    }
    let (mark, mask) = with.skb.mark;
    match (mark, mask) {
        (0, 0) => {}
        (mark, u32::MAX) => {
            let _ = write!(out, " skbmark {mark:#x}");
        }
        (mark, mask) => {
            let _ = write!(out, " skbmark {mark:#x}/{mask:#x}");
        }
    }
    if with.skb.priority != 0 {
        let (major, minor) = (with.skb.priority >> 16, with.skb.priority & 0xffff);
        let _ = write!(out, " skbprio {major:x}:{minor:x}");
    }
    if with.skb.queue != 0 {
        let _ = write!(out, " skbqueue {}", with.skb.queue);
    }
    out
}

/// The elements of a set, one a line.
pub(super) fn members(set: &Named, now: Nanos) -> Vec<String> {
    let spec = set.table.spec();
    let found = set.table.elements(now);
    let tell = |name: String, element: &super::Element, with: &Extensions| {
        let comment = set.comments.get(&with.comment).map(String::as_str);
        name + &extensions(spec, with, element.is_exempt(), comment)
    };
    if spec.kind == Kind::List {
        let listed = set.members.iter().filter_map(|(name, number)| {
            let number = u128::from(*number);
            let (element, with) = found.iter().find(|(element, _)| element.ip[0] == number)?;
            Some(tell(name.clone(), element, with))
        });
        return listed.collect();
    }
    found.iter().map(|(element, with)| tell(element.text(spec), element, with)).collect()
}

/// A set as `list` tells it; `terse` without its elements.
pub(super) fn list(set: &Named, references: u32, terse: bool, now: Nanos) -> String {
    let spec = set.table.spec();
    let members = members(set, now);
    let mut out = format!(
        "Name: {}\nType: {}\nRevision: {}\nHeader: {}\nSize in memory: {}\nReferences: {references}\nNumber of entries: {}\n",
        set.name,
        spec.kind.name(),
        spec.kind.revision(),
        header(spec),
        set.table.size(),
        members.len(),
    );
    if !terse {
        out.push_str("Members:\n");
        for member in members {
            out.push_str(&member);
            out.push('\n');
        }
    }
    out
}

/// A set as `save` tells it.
pub(super) fn save(set: &Named, now: Nanos) -> String {
    let spec = set.table.spec();
    let mut out = format!("create {} {} {}\n", set.name, spec.kind.name(), header(spec));
    for member in members(set, now) {
        let _ = writeln!(out, "add {} {member}", set.name);
    }
    out
}
