//! `ip addrlabel`: labels that prefer some IPv6 sources for some destinations.

use ipnet::{IpNet, Ipv6Net};

use super::error::Fact;
use super::usage::{Object, Usage};
use super::words::{Inet, Parse, Words, abbreviates};

/// What `ip addrlabel` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelCommand {
    /// Set the label of a prefix that has none.
    Add(LabelSpec),
    /// Take a prefix's label away.
    Del(LabelSpec),
    /// Print all labels.
    Show,
    /// Take all labels away.
    Flush,
}

/// A label as stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSpec {
    /// Addresses that have it.
    pub net: Ipv6Net,
    /// Only on this interface.
    pub dev: Option<String>,
    /// The label.
    pub label: u32,
}

pub(super) fn read(words: &mut Words<'_>) -> Parse<LabelCommand> {
    let Some(verb) = words.take() else { return show(words) };
    let is = |full: &str| abbreviates(verb, full);
    if is("list") || is("show") || is("lst") {
        if words.is_empty() {
            return show(words);
        }
        words.fail(Fact::LabelArguments("\"ip addrlabel show\" does not take any arguments."))
    } else if is("add") {
        read_spec(words).map(LabelCommand::Add)
    } else if is("delete") {
        read_spec(words).map(LabelCommand::Del)
    } else if is("flush") {
        if words.is_empty() {
            return Ok(LabelCommand::Flush);
        }
        words.fail(Fact::LabelArguments("\"ip addrlabel flush\" does not allow extra arguments"))
    } else if is("help") {
        words.fail(Fact::Usage(Usage(Some(Object::Label))))
    } else {
        words.fail(Fact::UnknownCommand { word: verb.to_owned(), object: "addrlabel" })
    }
}

fn show(words: &Words<'_>) -> Parse<LabelCommand> {
    match words.family() {
        Inet::Four => words.fail_end(Fact::NoLabels),
        _ => Ok(LabelCommand::Show),
    }
}

fn read_spec(words: &mut Words<'_>) -> Parse<LabelSpec> {
    let (mut net, mut dev, mut label) = (None, None, None);
    while let Some(word) = words.take() {
        match word {
            "prefix" => net = words.filter_net()?,
            "dev" => dev = Some(words.value()?.to_owned()),
            "label" => label = Some(words.number(u32::MAX - 1, "label is invalid\n")?),
            // `ip` passes over what it does not know here.
            _ => {}
        }
    }
    let Some(net) = net else {
        return words.fail_end(Fact::LabelArguments(
            "Not enough information: \"prefix\" argument is required.",
        ));
    };
    let Some(label) = label else {
        return words.fail_end(Fact::LabelArguments(
            "Not enough information: \"label\" argument is required.",
        ));
    };
    match net {
        IpNet::V6(net) => Ok(LabelSpec { net, dev, label }),
        IpNet::V4(_) => words.fail_end(Fact::Kernel("Error: Attribute failed policy validation.")),
    }
}
