//! `ip vrf`: the VRFs that there are.

use super::error::Fact;
use super::usage::{Object, Usage};
use super::words::{Parse, Words, abbreviates};

/// What `ip vrf` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VrfCommand {
    /// Print all VRFs, or one.
    Show(Option<String>),
}

pub(super) fn read(words: &mut Words<'_>) -> Parse<VrfCommand> {
    let Some(verb) = words.take() else { return Ok(VrfCommand::Show(None)) };
    let is = |full: &str| abbreviates(verb, full);
    let usage = Fact::Usage(Usage(Some(Object::Vrf)));
    if is("identify") || is("pids") {
        words.unsupported(format!("vrf {verb}"))
    } else if is("exec") {
        match words.take() {
            None => words.fail_end(Fact::NoVrfName),
            Some(_) => words.unsupported("vrf exec"),
        }
    } else if is("show") || is("lst") || is("list") {
        let name = words.take().map(str::to_owned);
        if words.is_empty() { Ok(VrfCommand::Show(name)) } else { words.fail(usage) }
    } else if is("help") {
        words.fail(usage)
    } else {
        words.fail(Fact::UnknownCommand { word: verb.to_owned(), object: "vrf" })
    }
}
