//! The part of a rule that belongs to no extension, and how whole rules are printed.
//!
//! - takes: words of `-i`, `-o`, `-j`, `-N`
//! - gives: their values; [`rule_text`], a rule as `iptables-save` prints it
//! - obeys: `iptables(8)`

use std::fmt::Write as _;

use crate::netfilter::rule::{Family, Iface, Is, Rule, Target};

use super::error::{Fact, Parse};
use super::registry::{find_target, saved_match, saved_target};
use super::words::{self, bang, prefix_text, protocol_text};

/// The longest name of a chain or target.
pub(super) const CHAIN_NAME: usize = 28;
/// The longest name of an interface.
const IFACE_NAME: usize = 15;

/// An interface; `+` alone is any.
pub(super) fn iface(word: &str, not: bool) -> Parse<Option<Is<Iface>>> {
    if word.len() > IFACE_NAME {
        return Err(Fact::IfaceLong(word.to_owned()).into());
    }
    if word.is_empty() {
        return Err(Fact::IfaceEmpty.into());
    }
    if word.contains(['/', ' ']) {
        return Err(Fact::IfaceWeird(word.to_owned()).into());
    }
    let (name, wildcard) = match word.strip_suffix('+') {
        Some(name) => (name, true),
        None => (word, false),
    };
    Ok(Some(Is { not, value: Iface { name: name.to_owned(), wildcard } }))
}

/// Whether a word can be a target's name.
pub(super) fn target_name(word: &str) -> Parse<()> {
    if word.is_empty() {
        return Err(Fact::TargetShort.into());
    }
    if word.len() > CHAIN_NAME {
        return Err(Fact::TargetLong(word.to_owned()).into());
    }
    if word.contains(|c: char| c.is_ascii_whitespace()) {
        return Err(Fact::TargetSpace(word.to_owned()).into());
    }
    Ok(())
}

/// Whether a word can be a new chain's name.
pub(super) fn chain_name(word: &str, family: Family) -> Parse<()> {
    if let Some(start) = word.chars().next().filter(|c| matches!(c, '-' | '!')) {
        return Err(Fact::ChainStart(start).into());
    }
    if is_target(word, family) {
        return Err(Fact::ChainClash.into());
    }
    // One with a quote could not be read back from a file.
    if word.is_empty() || word.contains(|c: char| c.is_ascii_whitespace() || c == '"') {
        return Err(Fact::ChainSpace(word.to_owned()).into());
    }
    if word.len() > CHAIN_NAME {
        return Err(Fact::ChainLong(word.to_owned()).into());
    }
    Ok(())
}

/// Whether `-j` with this word is a target whatever chains there are.
pub(super) fn is_target(word: &str, family: Family) -> bool {
    verdict(word).is_some()
        || find_target(word, family).is_some()
        || super::targets::ABSENT.iter().any(|(absent, _)| *absent == word)
}

/// The targets that are no extensions.
pub(super) fn verdict(word: &str) -> Option<Target> {
    Some(match word {
        "ACCEPT" => Target::Accept,
        "DROP" => Target::Drop,
        "RETURN" => Target::Return,
        "QUEUE" => Target::Queue,
        _ => return None,
    })
}

/// The name of a target, and its options.
pub(super) fn target_text(target: &Target) -> (&str, String) {
    let name = match target {
        Target::None => "",
        Target::Accept => "ACCEPT",
        Target::Drop => "DROP",
        Target::Return => "RETURN",
        Target::Queue => "QUEUE",
        Target::Jump(chain) | Target::Goto(chain) => chain,
        other => match saved_target(other) {
            Some((entry, text)) => return (entry.name, text),
            None => "",
        },
    };
    (name, String::new())
}

/// A rule without `-A` and its chain, as `iptables-save` prints it, each word after a space; counters
/// as `-S -v` has them.
pub(super) fn rule_text(rule: &Rule, family: Family, counters: bool) -> String {
    let mut out = String::new();
    let basic = &rule.basic;
    for (letter, prefix) in [('s', basic.source), ('d', basic.destination)] {
        if let Some(prefix) = prefix {
            bang(&mut out, prefix.not);
            let _ = write!(out, " -{letter} {}", prefix_text(prefix.value));
        }
    }
    for (letter, iface) in [('i', &basic.input), ('o', &basic.output)] {
        // Any interface is not told, as iptables does not.
        let any = |of: &Iface| of.wildcard && of.name.is_empty();
        if let Some(iface) = iface.as_ref().filter(|iface| iface.not || !any(&iface.value)) {
            bang(&mut out, iface.not);
            let _ = write!(out, " -{letter}");
            words::name(&mut out, &iface_text(&iface.value));
        }
    }
    if let Some(protocol) = basic.protocol {
        bang(&mut out, protocol.not);
        let _ = write!(out, " -p {}", protocol_text(protocol.value));
    }
    if let Some(fragment) = basic.fragment {
        bang(&mut out, !fragment);
        out.push_str(" -f");
    }
    for of in &rule.matches {
        let Some((entry, options)) = saved_match(of, family) else { continue };
        let _ = write!(out, " -m {}{options}", entry.name);
    }
    if counters {
        let _ = write!(out, " -c {} {}", rule.counters.packets, rule.counters.bytes);
    }
    if rule.target != Target::None {
        let (name, options) = target_text(&rule.target);
        let letter = if matches!(rule.target, Target::Goto(_)) { 'g' } else { 'j' };
        let _ = write!(out, " -{letter} {name}{options}");
    }
    out
}

/// `eth0`, `eth+`
pub(super) fn iface_text(iface: &Iface) -> String {
    format!("{}{}", iface.name, if iface.wildcard { "+" } else { "" })
}
