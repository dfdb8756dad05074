//! The options between `ip` and the object.

use super::error::Fact;
use super::usage::Usage;
use super::words::{Inet, Parse, Words, abbreviates};

/// How a command's output is to look, and how a batch is to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `-4` or `-6`.
    pub family: Inet,
    /// `-json`
    pub json: bool,
    /// `-pretty`: JSON with line breaks.
    pub pretty: bool,
    /// `-details`
    pub details: bool,
    /// How often `-statistics` was given.
    pub statistics: u8,
    /// `-brief`
    pub brief: bool,
    /// `-oneline`
    pub oneline: bool,
    /// `-human-readable`
    pub human: bool,
    /// `-Numeric`
    pub numeric: bool,
    /// `-force`: a batch goes on after an error.
    pub force: bool,
    /// `-batch`
    pub batch: Option<String>,
}

/// Reads options up to the object.
pub(super) fn read(words: &mut Words<'_>) -> Parse<Options> {
    let mut options = Options::default();
    while let Some(word) = words.peek().filter(|word| word.starts_with('-')) {
        words.take();
        if word == "--" {
            break;
        }
        // One dash and two are the same to iproute2.
        let name = word.strip_prefix("--").unwrap_or_else(|| &word[1..]);
        let is = |full: &str| abbreviates(name, full);
        if is("loops") || is("rcvbuf") {
            value(words)?;
            return words.unsupported(word);
        } else if is("family") {
            let family = value(words)?;
            match family {
                "inet" => options.family = Inet::Four,
                "inet6" => options.family = Inet::Six,
                "help" => return words.fail(Fact::Usage(Usage(None))),
                "mpls" | "bridge" | "link" => return words.unsupported(family),
                _ => return words.wrong(family, "invalid protocol family"),
            }
        } else if name == "4" {
            options.family = Inet::Four;
        } else if name == "6" {
            options.family = Inet::Six;
        } else if matches!(name, "0" | "M" | "B") {
            return words.unsupported(word);
        } else if is("human-readable") || is("human") {
            options.human = true;
        } else if is("stats") || is("statistics") {
            options.statistics = options.statistics.saturating_add(1);
        } else if is("details") {
            options.details = true;
        } else if is("oneline") {
            options.oneline = true;
        } else if is("force") {
            options.force = true;
        } else if is("batch") {
            options.batch = Some(value(words)?.to_owned());
        } else if is("brief") {
            options.brief = true;
        } else if is("json") {
            options.json = true;
        } else if is("pretty") {
            options.pretty = true;
        } else if is("Numeric") {
            options.numeric = true;
        } else if is_colour(name) {
            // The router's output has no colours, so asking for them changes nothing that is said.
        } else if is("help") || name.is_empty() {
            return words.fail(Fact::Usage(Usage(None)));
        } else if ["iec", "timestamp", "tshort", "Version", "resolve", "netns", "all", "echo", "rc"]
            .iter()
            .any(|full| is(full))
        {
            return words.unsupported(word);
        } else {
            return words.fail(Fact::UnknownOption(word.to_owned()));
        }
    }
    words.set_family(options.family);
    Ok(options)
}

/// The value of an option; iproute2 prints its help if there is none.
fn value<'a>(words: &mut Words<'a>) -> Parse<&'a str> {
    if words.is_empty() { words.fail_end(Fact::Usage(Usage(None))) } else { words.value() }
}

/// `-c`, `-color` or one of these with `=always`, `=auto` or `=never`.
fn is_colour(option: &str) -> bool {
    let (name, when) = option.split_once('=').unwrap_or((option, "always"));
    abbreviates(name, "color") && matches!(when, "always" | "auto" | "never")
}
