//! One command line of `iptables`, or one line of a file: words become a [`Statement`].
//!
//! - takes: words, as a shell or [`restore`](super::restore) splits them
//! - gives: what is to be done, or the error that `iptables` would print
//! - obeys: `iptables(8)`; long options may be cut short while they are not ambiguous, and those of the
//!   match or target that was named last come first
//!
//! Which chains and sets there are is not known here: [`Statement::jumps`] and the rule's matches are
//! looked up by whoever carries it out.

mod finish;

use crate::netfilter::rule::{Basic, Counters, Family, Is};

use super::basic;
use super::error::{Error, Fact, Parse};
use super::matches;
use super::options::{Args, Kind, Opt};
use super::own::{OWN, Own, Takes};
use super::registry::{MatchEntry, TargetEntry, find_match, find_target};
use super::statement::{Format, Op, Statement};
use super::targets;
use super::words;

/// An option as it was found.
enum Found {
    Own(Own, Takes),
    /// Of the extension at this place of [`Line::loaded`].
    Of(usize, &'static Opt),
}

/// A match or target whose options are read.
enum Loaded {
    Match(&'static MatchEntry, Args),
    Target(&'static TargetEntry, Args),
}

impl Loaded {
    fn args(&mut self) -> &mut Args {
        match self {
            Self::Match(_, args) | Self::Target(_, args) => args,
        }
    }

    fn options(&self) -> &'static [Opt] {
        match self {
            Self::Match(entry, _) => entry.options,
            Self::Target(entry, _) => entry.options,
        }
    }
}

/// A line while it is read.
struct Line<'a> {
    family: Family,
    restore: bool,
    words: &'a [String],
    at: usize,
    not: bool,
    seen: Vec<char>,
    command: Option<char>,
    /// Set where `-Z` came with `-L` or `-S`.
    zero: bool,
    chain: Option<String>,
    second: Option<String>,
    number: Option<usize>,
    table: Option<String>,
    sources: Option<Is<String>>,
    destinations: Option<Is<String>>,
    protocol_word: Option<String>,
    protocol_loaded: bool,
    basic: Basic,
    loaded: Vec<Loaded>,
    jump: Option<String>,
    goto: bool,
    counters: Option<Counters>,
    format: Format,
    /// A line for the other family, of which nothing is done.
    skipped: bool,
    asks: Option<Op>,
}

/// Reads one line.
///
/// In a file (`restore`) a line of the other family, marked by `-4` or `-6`, is nothing to do.
pub(super) fn read(words: &[String], family: Family, restore: bool) -> Parse<Option<Statement>> {
    let mut line = Line {
        family,
        restore,
        words,
        at: 0,
        not: false,
        seen: Vec::new(),
        command: None,
        zero: false,
        chain: None,
        second: None,
        number: None,
        table: None,
        sources: None,
        destinations: None,
        protocol_word: None,
        protocol_loaded: false,
        basic: Basic::default(),
        loaded: Vec::new(),
        jump: None,
        goto: false,
        counters: None,
        format: Format::default(),
        skipped: false,
        asks: None,
    };
    line.run()?;
    if line.skipped {
        return Ok(None);
    }
    line.finish().map(Some)
}

impl Line<'_> {
    fn run(&mut self) -> Parse<()> {
        while let Some(word) = self.words.get(self.at) {
            self.at += 1;
            if self.skipped || self.asks.is_some() {
                return Ok(());
            }
            if let Some(long) = word.strip_prefix("--").filter(|long| !long.is_empty()) {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                self.long(name, value)?;
            } else if word.len() > 1 && word.starts_with('-') {
                self.short(&word[1..])?;
            } else if word == "!" {
                if self.not {
                    return Err(Fact::BangTwice.into());
                }
                self.not = true;
            } else {
                return Err(Fact::BadArgument(word.clone()).into());
            }
        }
        Ok(())
    }

    /// The option of a long name, whole or cut short.
    fn find(&self, name: &str) -> Option<Found> {
        let own = |exact: bool| {
            OWN.iter()
                .filter(
                    move |(long, ..)| if exact { *long == name } else { long.starts_with(name) },
                )
                .map(|(_, _, own, takes)| Found::Own(*own, *takes))
        };
        let of = |exact: bool| {
            self.loaded.iter().enumerate().rev().flat_map(move |(at, loaded)| {
                let named = move |opt: &&Opt| {
                    opt.names
                        .iter()
                        .any(|long| if exact { *long == name } else { long.starts_with(name) })
                };
                loaded.options().iter().filter(named).map(move |opt| Found::Of(at, opt))
            })
        };
        if let Some(found) = own(true).next().or_else(|| of(true).next()) {
            return Some(found);
        }
        let mut cut = own(false).chain(of(false));
        let first = cut.next()?;
        let same = |other: Found| match (&first, &other) {
            (Found::Own(one, _), Found::Own(two, _)) => one == two,
            (Found::Of(at, one), Found::Of(other, two)) => at == other && one.name() == two.name(),
            _ => false,
        };
        cut.all(same).then_some(first)
    }

    fn long(&mut self, name: &str, value: Option<String>) -> Parse<()> {
        let mut found = self.find(name);
        if found.is_none() && self.load_protocol()? {
            found = self.find(name);
        }
        let unknown = || Fact::UnknownOption(format!("--{name}"));
        match found.ok_or_else(unknown)? {
            Found::Own(own, takes) => {
                let value = match (takes, value) {
                    (Takes::Nothing, Some(_)) => return Err(unknown().into()),
                    (Takes::Word, None) => Some(self.word(&format!("--{name}"))?),
                    (_, value) => value,
                };
                self.own(own, value)
            }
            Found::Of(at, opt) => {
                let value = match (opt.kind, value) {
                    (Kind::Flag, Some(_)) => return Err(unknown().into()),
                    (Kind::Flag, None) => String::new(),
                    (_, Some(value)) => value,
                    (_, None) => self.word(&format!("--{name}"))?,
                };
                self.extension(at, opt, value)
            }
        }
    }

    fn extension(&mut self, at: usize, opt: &'static Opt, mut value: String) -> Parse<()> {
        if opt.kind == Kind::Pair {
            let next = self.words.get(self.at).filter(|next| !next.starts_with(['-', '!']));
            let second = next.ok_or_else(|| {
                // Only one of them leaves out the dot.
                let dot = if opt.name() == "chunk-types" { "" } else { "." };
                Fact::Tells(format!("--{} requires two args{dot}", opt.name()))
            })?;
            value = format!("{value} {second}");
            self.at += 1;
        }
        let not = std::mem::take(&mut self.not);
        let protocol = self.basic.protocol;
        let args = self.loaded[at].args();
        args.protocol = protocol;
        args.take(opt, not, &value)
    }

    /// Short options, the last of which may have its value in the same word.
    fn short(&mut self, cluster: &str) -> Parse<()> {
        let mut rest = cluster.chars();
        while let Some(letter) = rest.next() {
            let own = OWN.iter().find(|(_, short, ..)| *short == letter && letter != '0');
            let Some((_, _, own, takes)) = own else {
                return Err(Fact::UnknownOption(format!("-{letter}")).into());
            };
            let attached = Some(rest.as_str()).filter(|rest| !rest.is_empty());
            match (takes, attached) {
                (Takes::Nothing, _) => self.own(*own, None)?,
                (_, Some(value)) => return self.own(*own, Some(value.to_owned())),
                (Takes::Word, None) => {
                    let value = self.word(&format!("-{letter}"))?;
                    return self.own(*own, Some(value));
                }
                (Takes::Maybe, None) => return self.own(*own, None),
            }
        }
        Ok(())
    }

    fn word(&mut self, option: &str) -> Parse<String> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        Ok(word.ok_or_else(|| Fact::NeedsArgument(option.to_owned()))?)
    }

    /// The next word, if it is no option.
    fn maybe(&mut self) -> Option<String> {
        let word = self.words.get(self.at).filter(|word| !word.starts_with(['-', '!']))?;
        self.at += 1;
        Some(word.clone())
    }

    /// Takes the `!` before an option; one that comes twice is refused.
    fn once(&mut self, letter: char) -> Parse<bool> {
        if self.seen.contains(&letter) {
            return Err(Fact::Twice(letter).into());
        }
        self.seen.push(letter);
        Ok(std::mem::take(&mut self.not))
    }

    fn plain(&mut self, letter: char) -> Parse<()> {
        if self.not {
            return Err(Fact::BangBefore(letter).into());
        }
        self.once(letter).map(|_| ())
    }

    fn own(&mut self, own: Own, value: Option<String>) -> Parse<()> {
        let word = value.clone().unwrap_or_default();
        match own {
            Own::Command(letter) => return self.command(letter, value),
            Own::Source => {
                let not = self.once('s')?;
                self.sources = Some(Is { not, value: word });
            }
            Own::Destination => {
                let not = self.once('d')?;
                self.destinations = Some(Is { not, value: word });
            }
            Own::Protocol => {
                let not = self.once('p')?;
                let word = word.to_ascii_lowercase();
                let number = words::protocol(&word)?;
                if number == 0 && not {
                    return Err(Fact::NeverMatchesProtocol.into());
                }
                self.basic.protocol = (number != 0).then_some(Is { not, value: number });
                self.protocol_word = Some(word);
            }
            Own::Input => {
                let not = self.once('i')?;
                self.basic.input = basic::iface(&word, not)?;
            }
            Own::Output => {
                let not = self.once('o')?;
                self.basic.output = basic::iface(&word, not)?;
            }
            Own::Fragments => {
                if self.family == Family::Six {
                    return Err(Fact::FragmentOfSix.into());
                }
                let not = self.once('f')?;
                self.basic.fragment = Some(!not);
            }
            Own::Jump => {
                self.plain('j')?;
                self.target(&word)?;
            }
            Own::Goto => {
                // One that was jumped to cannot be gone to as well.
                self.plain('j')?;
                basic::target_name(&word)?;
                self.goto = true;
                self.jump = Some(word);
            }
            Own::Match => self.load_match(&word)?,
            Own::Table => {
                self.unbanged("table")?;
                if self.restore {
                    let program = super::restore_program(self.family).to_owned();
                    return Err(Fact::NotInFile("t", program).into());
                }
                self.table = Some(word);
            }
            Own::Numeric => {
                self.plain('n')?;
                self.format.numeric = true;
            }
            Own::Verbose => {
                self.unbanged("verbose")?;
                self.format.verbose = true;
            }
            Own::Exact => {
                self.plain('x')?;
                self.format.exact = true;
            }
            Own::LineNumbers => {
                self.plain('0')?;
                self.format.line_numbers = true;
            }
            // Nothing here waits for a lock, and nothing is loaded.
            Own::Wait | Own::WaitInterval => {
                if value.is_none() {
                    self.maybe();
                }
            }
            Own::Modprobe => {}
            Own::Counters => self.set_counters(&word)?,
            Own::Version => self.asks = Some(Op::Version),
            Own::Help => self.asks = Some(Op::Help),
            Own::Four | Own::Six => {
                let other = (own == Own::Six) == (self.family == Family::Four);
                if other && self.restore {
                    self.skipped = true;
                } else if other {
                    let hint = "this is the command of the other family";
                    return Err(Error::because(Fact::OtherFamily, hint));
                }
            }
        }
        Ok(())
    }

    fn unbanged(&self, name: &str) -> Parse<()> {
        if self.not {
            return Err(Fact::UnexpectedBang(name.to_owned()).into());
        }
        Ok(())
    }

    fn set_counters(&mut self, word: &str) -> Parse<()> {
        self.plain('c')?;
        let (packets, bytes) = match word.split_once(',') {
            Some((packets, bytes)) => (packets.to_owned(), bytes.to_owned()),
            None => (word.to_owned(), self.maybe().ok_or(Fact::CountersNeeded)?),
        };
        let packets = packets.parse().map_err(|_| Fact::CounterNotNumeric("packet"))?;
        let bytes = bytes.parse().map_err(|_| Fact::CounterNotNumeric("byte"))?;
        self.counters = Some(Counters { packets, bytes });
        Ok(())
    }

    fn command(&mut self, letter: char, value: Option<String>) -> Parse<()> {
        if self.not {
            return Err(Fact::Says("unexpected '!' flag").into());
        }
        if let Some(before) = self.command {
            let pair = [before, letter];
            let lists = pair.contains(&'Z') && (pair.contains(&'L') || pair.contains(&'S'));
            if !lists || before == letter {
                return Err(Fact::TwoCommands(letter, before).into());
            }
            self.zero = true;
        }
        if self.command.is_none() || letter != 'Z' {
            self.command = Some(letter);
        }
        let chain = match value {
            None => self.maybe(),
            chain => chain,
        };
        if chain.is_some() {
            self.chain = chain;
        }
        match letter {
            'D' | 'I' | 'R' | 'L' | 'S' | 'Z' if self.chain.is_some() => match self.maybe() {
                Some(word) => self.number = Some(rule_number(&word)?),
                None if letter == 'R' => return Err(Fact::ReplaceNumber.into()),
                None => {}
            },
            'N' => basic::chain_name(self.chain.as_deref().unwrap_or_default(), self.family)?,
            'E' => {
                let word = self.maybe();
                self.second =
                    Some(word.ok_or(Fact::SecondWord('E', "old-chain-name and new-chain-name"))?);
            }
            'P' => {
                let word = self.maybe();
                self.second = Some(word.ok_or(Fact::SecondWord('P', "a chain and a policy"))?);
            }
            _ => {}
        }
        Ok(())
    }

    fn args(&self, name: &'static str, table: &'static [Opt], terse: bool) -> Args {
        Args {
            name,
            table,
            terse,
            given: Vec::new(),
            family: self.family,
            protocol: self.basic.protocol,
        }
    }

    fn load_match(&mut self, name: &str) -> Parse<()> {
        self.unbanged("match")?;
        let Some(entry) = find_match(name, self.family) else {
            let fact = Fact::NoMatch(name.to_owned());
            return Err(absent(fact, name, matches::ABSENT));
        };
        let args = self.args(entry.name, entry.options, entry.terse);
        self.loaded.push(Loaded::Match(entry, args));
        Ok(())
    }

    /// Loads the match of the protocol's own, for an option that nobody knows yet.
    fn load_protocol(&mut self) -> Parse<bool> {
        let Some(word) = self.protocol_word.clone().filter(|_| !self.protocol_loaded) else {
            return Ok(false);
        };
        self.protocol_loaded = true;
        let named = words::number(&word)
            .and_then(|number| u8::try_from(number).ok())
            .and_then(words::protocol_name);
        let name = named.unwrap_or(&word);
        let loaded = self
            .loaded
            .iter()
            .any(|loaded| matches!(loaded, Loaded::Match(entry, _) if entry.name == name));
        if loaded || find_match(name, self.family).is_none() {
            return Ok(false);
        }
        let not = std::mem::take(&mut self.not);
        self.load_match(name)?;
        self.not = not;
        Ok(true)
    }

    fn target(&mut self, name: &str) -> Parse<()> {
        basic::target_name(name)?;
        if let Some((_, _)) = targets::ABSENT.iter().find(|(known, _)| *known == name) {
            return Err(absent(Fact::NoTarget(name.to_owned()), name, targets::ABSENT));
        }
        if let Some(entry) = find_target(name, self.family) {
            let args = self.args(entry.name, entry.options, false);
            self.loaded.push(Loaded::Target(entry, args));
        }
        self.jump = Some(name.to_owned());
        Ok(())
    }
}

fn rule_number(word: &str) -> Parse<usize> {
    let number = words::number(word).and_then(|n| usize::try_from(n).ok()).filter(|n| *n != 0);
    Ok(number.ok_or_else(|| Fact::RuleNumber(word.to_owned()))?)
}

/// The refusal of an extension that is not here, with what to do instead if that is known.
fn absent(fact: Fact, name: &str, known: &[(&str, &str)]) -> Error {
    match known.iter().find(|(absent, _)| *absent == name) {
        Some((_, hint)) => Error::because(fact, format!("{name} is not supported: {hint}")),
        None => fact.into(),
    }
}
