//! `ip maddress`: the groups that interfaces listen to.

use super::error::Fact;
use super::usage::{Object, Usage};
use super::words::{Parse, Words, abbreviates};

/// What `ip maddress` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaddrCommand {
    /// Print the groups of all interfaces, or of one.
    Show(Option<String>),
}

pub(super) fn read(words: &mut Words<'_>) -> Parse<MaddrCommand> {
    let Some(verb) = words.take() else { return Ok(MaddrCommand::Show(None)) };
    let is = |full: &str| abbreviates(verb, full);
    let usage = Fact::Usage(Usage(Some(Object::Maddr)));
    if is("add") || is("delete") {
        // These are link-layer addresses, which ports take all of.
        words.unsupported(format!("maddress {verb}"))
    } else if is("show") || is("lst") || is("list") {
        let mut dev: Option<String> = None;
        while let Some(word) = words.take() {
            let name = if word == "dev" { words.value()? } else { word };
            if abbreviates(word, "help") {
                return words.fail(usage);
            }
            words.once_or_garbage(dev.is_some(), "dev", name)?;
            dev = Some(name.to_owned());
        }
        Ok(MaddrCommand::Show(dev))
    } else if is("help") {
        words.fail(usage)
    } else {
        words.fail(Fact::UnknownCommand { word: verb.to_owned(), object: "maddr" })
    }
}
