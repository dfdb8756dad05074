//! Which matches and targets there are: for `wagonway show`, and for the page `docs/iptables.md`.
//!
//! - takes: the registry
//! - gives: [`extensions`], [`refused`], [`page`]
//! - obeys: `iptables-extensions(8)`

use std::fmt::Write as _;

use crate::netfilter::rule::Family;

use super::matches::{self, MATCHES};
use super::options::Opt;
use super::registry::{Families, Place};
use super::targets::{self, TARGETS};
use super::words::protocol_text;

/// A match or target that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Whether it is a target.
    pub target: bool,
    /// As `-m` or `-j` calls it.
    pub name: &'static str,
    /// Of which family; both if not said.
    pub family: Option<Family>,
    /// Its options by their long names, those with `!` first where one may stand before them.
    pub options: Vec<String>,
    /// The tables it may stand in; any if empty.
    pub tables: Vec<&'static str>,
    /// The built-in chains that may lead to it; any if empty.
    pub chains: Vec<&'static str>,
    /// The protocols that `-p` must name one of; none need be named if empty.
    pub protocols: Vec<String>,
}

impl Extension {
    fn new(
        target: bool,
        name: &'static str,
        families: Families,
        options: &'static [Opt],
        place: Place,
    ) -> Self {
        let option = |opt: &Opt| {
            let not = if opt.inverts { "! " } else { "" };
            format!("{not}--{}", opt.name())
        };
        Self {
            target,
            name,
            family: match families {
                Families::Both => None,
                Families::Four => Some(Family::Four),
                Families::Six => Some(Family::Six),
            },
            options: options.iter().map(option).collect(),
            tables: place.tables.iter().map(|table| table.name()).collect(),
            chains: place.hooks.iter().map(|hook| hook.chain()).collect(),
            protocols: place.protocols.iter().map(|number| protocol_text(*number)).collect(),
        }
    }
}

/// All matches, then all targets but the verdicts.
#[must_use]
pub fn extensions() -> Vec<Extension> {
    let matches = MATCHES
        .iter()
        .map(|entry| Extension::new(false, entry.name, entry.families, entry.options, entry.place));
    let targets = TARGETS
        .iter()
        .map(|entry| Extension::new(true, entry.name, entry.families, entry.options, entry.place));
    matches.chain(targets).collect()
}

/// Matches and targets that iptables knows and this router refuses, with what to do instead.
pub fn refused() -> impl Iterator<Item = (&'static str, &'static str)> {
    matches::ABSENT.iter().chain(targets::ABSENT).copied()
}

/// `docs/iptables.md`.
#[must_use]
pub fn page() -> String {
    let mut out = String::from(
        "<!-- Written by `WAGONWAY_UPDATE_DOCS=1 cargo test --lib iptables::`; edit src/iptables \
         instead. -->\n# Rules in the words of iptables\n\nRules are read from files that \
         `iptables-save` and `ip6tables-save` write, and from command\nlines of `iptables` and \
         `ip6tables`. Tables are raw, mangle, nat, filter and security. What is not\nlisted here is \
         refused, with the line on which it stands; nothing is ignored. A file is carried out\nwhole \
         or not at all. Names of hosts are not looked up.\n",
    );
    for (target, title) in [(false, "Matches"), (true, "Targets")] {
        let _ = write!(
            out,
            "\n## {title}\n\n| name | family | where | options |\n| --- | --- | --- | --- |\n"
        );
        for of in extensions().iter().filter(|of| of.target == target) {
            let family = match of.family {
                None => "both",
                Some(Family::Four) => "IPv4",
                Some(Family::Six) => "IPv6",
            };
            let with = of.protocols.iter().map(|name| format!("`-p {name}`"));
            let with = with.collect::<Vec<_>>().join(" or ");
            let place = [of.tables.join(", "), of.chains.join(", "), with];
            let place: Vec<&str> =
                place.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            let options: Vec<String> =
                of.options.iter().map(|option| format!("`{option}`")).collect();
            let _ = writeln!(
                out,
                "| `{}` | {family} | {} | {} |",
                of.name,
                place.join(": "),
                options.join(" ")
            );
        }
    }
    out.push_str(
        "\nBeside these there are the verdicts `ACCEPT`, `DROP`, `RETURN` and `QUEUE`, and chains of \
         one's own.\n\n## Refused\n\n| name | instead |\n| --- | --- |\n",
    );
    for (name, hint) in refused() {
        let _ = writeln!(out, "| `{name}` | {hint} |");
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_of_rules_tells_what_is_read() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/iptables.md");
        let page = super::page();
        if std::env::var_os("WAGONWAY_UPDATE_DOCS").is_some() {
            std::fs::write(path, &page).expect("a page");
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            there, page,
            "run WAGONWAY_UPDATE_DOCS=1 cargo test --lib iptables:: and look at what changed"
        );
    }
}
