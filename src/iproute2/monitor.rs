//! `ip monitor`: changes of the router's state as they are made.

use super::error::Fact;
use super::usage::{Object, Usage};
use super::words::{Parse, Words, abbreviates};

/// What `ip monitor` is to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MonitorCommand {
    /// Interfaces.
    pub link: bool,
    /// Addresses of interfaces.
    pub address: bool,
    /// Routes.
    pub route: bool,
    /// Neighbours.
    pub neigh: bool,
    /// Rules.
    pub rule: bool,
    /// Next-hop objects.
    pub nexthop: bool,
    /// Each line says what it is about.
    pub label: bool,
    /// Only what is about this interface.
    pub dev: Option<String>,
}

pub(super) fn read(words: &mut Words<'_>) -> Parse<MonitorCommand> {
    let mut command = MonitorCommand::default();
    let mut others = false;
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        if is("file") {
            return words.unsupported("monitor file");
        } else if is("label") {
            command.label = true;
        } else if is("link") {
            command.link = true;
        } else if is("address") {
            command.address = true;
        } else if is("route") {
            command.route = true;
        } else if is("mroute") || is("prefix") || is("netconf") || is("nsid") || is("stats") {
            // There are none of these here, so there is nothing to tell of them.
            others = true;
        } else if is("neigh") {
            command.neigh = true;
        } else if is("rule") {
            command.rule = true;
        } else if is("nexthop") {
            command.nexthop = true;
        } else if word == "all" {
            command.label = true;
        } else if word == "all-nsid" {
            // There is one namespace.
        } else if is("help") {
            return words.fail(Fact::Usage(Usage(Some(Object::Monitor))));
        } else if word == "dev" {
            command.dev = Some(words.value()?.to_owned());
        } else {
            return words.fail(Fact::UnknownArgument(word.to_owned()));
        }
    }
    let MonitorCommand { link, address, route, neigh, rule, nexthop, .. } = command;
    if !(link || address || route || neigh || rule || nexthop || others) {
        command = MonitorCommand {
            link: true,
            address: true,
            route: true,
            neigh: true,
            rule: true,
            nexthop: true,
            ..command
        };
    }
    Ok(command)
}
