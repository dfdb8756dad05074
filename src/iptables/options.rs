//! The options of an extension: a table of them, and what a rule gave.
//!
//! - takes: the words after `-m NAME` or `-j NAME`
//! - gives: [`Args`], from which an extension builds its match or target
//! - obeys: the errors of xtables' guided option parser

use std::net::IpAddr;

use crate::netfilter::rule::{Family, Is, Masked, Prefix, Span};

use super::error::{Error, Fact, Parse};
use super::words;

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Flag,
    /// A number from the first to the second.
    Uint(u64, u64),
    /// `5`, `5:7`, `:7` or `5:`, up to this number.
    Span(u64),
    /// Words that the extension reads.
    Text,
    /// At least one character, at most so many; what is beyond is cut.
    Cut(usize),
    /// Two words, kept with a space between them.
    Pair,
    /// An address.
    Host,
    /// An address with a mask.
    Prefix,
    /// An address with the length of a mask.
    Length,
    /// A port or service.
    PortSpan,
    /// A protocol.
    Protocol,
    /// `5`, `0x5/0xff`; without a mask all bits.
    Mark,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opt {
    /// Its names without the dashes; errors use the first.
    pub(super) names: &'static [&'static str],
    /// What it takes.
    pub(super) kind: Kind,
    /// Whether `!` may stand before it.
    pub(super) inverts: bool,
    /// Whether it must be there.
    required: bool,
    /// Whether it may be there more than once.
    repeats: bool,
    /// Others that must not be there, by their first name.
    excludes: &'static [&'static str],
    /// Others that must be there.
    also: &'static [&'static str],
}

/// An option of these names.
pub(super) const fn opt(names: &'static [&'static str], kind: Kind) -> Opt {
    Opt { names, kind, inverts: false, required: false, repeats: false, excludes: &[], also: &[] }
}

impl Opt {
    /// May follow `!`.
    pub(super) const fn inverts(mut self) -> Self {
        self.inverts = true;
        self
    }

    /// Must be there.
    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// May be there again.
    pub(super) const fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }

    /// Must not be there with these.
    pub(super) const fn excludes(mut self, others: &'static [&'static str]) -> Self {
        self.excludes = others;
        self
    }

    /// Must be there with these.
    pub(super) const fn also(mut self, others: &'static [&'static str]) -> Self {
        self.also = others;
        self
    }

    /// As errors call it.
    pub(super) fn name(&self) -> &'static str {
        self.names[0]
    }
}

/// What an option was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Flag,
    Uint(u64),
    Span(u64, u64),
    Text(String),
    Host(IpAddr),
    Prefix(Prefix),
    Mark(Masked<u32>),
}

/// One option of a rule.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) opt: &'static Opt,
    pub(super) not: bool,
    pub(super) value: Value,
}

/// The options of one extension in one rule, and what of the rule it may ask.
#[derive(Clone, Debug)]
pub(super) struct Args {
    /// The extension.
    pub(super) name: &'static str,
    /// The options it knows.
    pub(super) table: &'static [Opt],
    /// Whether it says "Only one ... allowed".
    pub(super) terse: bool,
    /// In the order given.
    pub(super) given: Vec<Given>,
    /// The rule's family.
    pub(super) family: Family,
    /// `-p`, as far as read.
    pub(super) protocol: Option<Is<u8>>,
}

impl Args {
    /// Takes one option with its argument.
    pub(super) fn take(&mut self, opt: &'static Opt, not: bool, argument: &str) -> Parse<()> {
        if !opt.repeats && self.given.iter().any(|have| have.opt.name() == opt.name()) {
            // Options that name a set have a sentence of their own.
            return Err(if opt.name().ends_with("-set") {
                Fact::Tells(format!("--{} can be specified only once", opt.name()))
            } else if self.terse {
                Fact::OnlyOne(opt.name())
            } else {
                Fact::Once(self.name, opt.name())
            }
            .into());
        }
        if not && !opt.inverts {
            return Err(Fact::NotInvertible(self.name, opt.name()).into());
        }
        let value = self.read(opt, argument)?;
        self.given.push(Given { opt, not, value });
        Ok(())
    }

    fn read(&self, opt: &Opt, text: &str) -> Parse<Value> {
        let name = opt.name();
        Ok(match opt.kind {
            Kind::Flag => Value::Flag,
            Kind::Uint(least, most) => {
                let number = words::number(text).filter(|n| (least..=most).contains(n));
                Value::Uint(number.ok_or(Fact::OutOfRange(self.name, name, least, most))?)
            }
            Kind::Span(most) => {
                let (first, last) = self.span_of(name, text, most)?;
                Value::Span(first, last)
            }
            Kind::Text => Value::Text(text.to_owned()),
            Kind::Cut(most) => {
                if text.is_empty() {
                    return Err(Fact::TextShort(1).into());
                }
                Value::Text(words::cut(text, most).to_owned())
            }
            Kind::Pair => Value::Text(text.to_owned()),
            Kind::Host => Value::Host(words::host(text, self.family)?),
            Kind::Prefix => {
                let bits = u64::from(self.family.bits());
                let prefix = words::prefix(text, self.family).map_err(|error| match error.fact {
                    Fact::Mask(_) => Fact::NotCidr(self.name, name, bits).into(),
                    _ => error,
                });
                Value::Prefix(prefix?)
            }
            Kind::Length => {
                let most = u64::from(self.family.bits());
                let length = words::number(text.strip_prefix('/').unwrap_or(text));
                let length =
                    length.filter(|n| *n <= most).ok_or(Fact::NotCidr(self.name, name, most))?;
                Value::Uint(length)
            }
            Kind::PortSpan => {
                let span = if self.terse { words::port_span(text)? } else { resolved(text)? };
                Value::Span(span.first.into(), span.last.into())
            }
            Kind::Protocol => Value::Uint(words::protocol(text)?.into()),
            Kind::Mark => {
                let (value, mask) = match text.split_once('/') {
                    Some((value, mask)) => (value, Some(mask)),
                    None => (text, None),
                };
                let value = words::number32(value).ok_or(Fact::BadInteger(self.name, name))?;
                let mask = match mask {
                    Some(mask) => words::number32(mask).ok_or(Fact::BadInteger(self.name, name))?,
                    None => u32::MAX,
                };
                Value::Mark(Masked { value, mask })
            }
        })
    }

    fn span_of(&self, name: &'static str, text: &str, most: u64) -> Parse<(u64, u64)> {
        let bad = |near: &str| Fact::OutOfRangeNear(self.name, name, near.to_owned(), most);
        let one = |part: &str, default: u64, near: &str| -> Parse<u64> {
            if part.is_empty() {
                return Ok(default);
            }
            Ok(words::number(part).filter(|n| *n <= most).ok_or_else(|| bad(near))?)
        };
        match text.split_once(':') {
            None if text.is_empty() => Err(bad(text).into()),
            None => one(text, 0, text).map(|only| (only, only)),
            Some((first, last)) => Ok((one(first, 0, text)?, one(last, most, last)?)),
        }
    }

    /// Whether the options go together, once all are read.
    pub(super) fn check(&self) -> Parse<()> {
        let has = |name: &str| self.has(name);
        for opt in self.table {
            if !has(opt.name()) {
                if opt.required {
                    return Err(Fact::Required(self.name, opt.name()).into());
                }
                continue;
            }
            if let Some(other) = opt.also.iter().find(|other| !has(other)) {
                return Err(Fact::AlsoRequired(self.name, opt.name(), other).into());
            }
            if let Some(other) = opt.excludes.iter().find(|other| has(other)) {
                return Err(Fact::Together(self.name, opt.name(), other).into());
            }
        }
        Ok(())
    }

    /// An option, if it was given.
    pub(super) fn get(&self, name: &str) -> Option<&Given> {
        debug_assert!(
            self.table.iter().any(|opt| opt.name() == name),
            "{} has no --{name}",
            self.name
        );
        self.given.iter().rev().find(|given| given.opt.name() == name)
    }

    /// Whether an option was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A flag: whether it holds, if it was given.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|given| !given.not)
    }

    /// A number that an option of [`Kind::Uint`] was given.
    pub(super) fn uint<T: TryFrom<u64>>(&self, name: &str) -> Option<Is<T>> {
        let given = self.get(name)?;
        let Value::Uint(number) = given.value else { return None };
        Some(Is { not: given.not, value: T::try_from(number).ok()? })
    }

    /// Numbers that an option of [`Kind::Span`] or [`Kind::PortSpan`] was given.
    pub(super) fn span<T: TryFrom<u64>>(&self, name: &str) -> Option<Is<Span<T>>> {
        let given = self.get(name)?;
        let Value::Span(first, last) = given.value else { return None };
        let value = Span { first: T::try_from(first).ok()?, last: T::try_from(last).ok()? };
        Some(Is { not: given.not, value })
    }

    /// Ports; all of them are asked for only if inverted.
    pub(super) fn ports(&self, name: &str) -> Option<Is<Span<u16>>> {
        self.span(name).filter(|ports| ports.not || ports.value != Span::new(0, u16::MAX))
    }

    /// Numbers of 32 bits; all of them are asked for only if inverted.
    pub(super) fn spis(&self, name: &str) -> Option<Is<Span<u32>>> {
        self.span(name).filter(|span| span.not || span.value != Span::new(0, u32::MAX))
    }

    /// The words an option was given.
    pub(super) fn text(&self, name: &str) -> Option<Is<&str>> {
        let given = self.get(name)?;
        let Value::Text(text) = &given.value else { return None };
        Some(Is { not: given.not, value: text })
    }

    /// An address.
    pub(super) fn host(&self, name: &str) -> Option<IpAddr> {
        let Value::Host(address) = self.get(name)?.value else { return None };
        Some(address)
    }

    /// An address with its mask.
    pub(super) fn prefix(&self, name: &str) -> Option<Is<Prefix>> {
        let given = self.get(name)?;
        let Value::Prefix(value) = given.value else { return None };
        Some(Is { not: given.not, value })
    }

    /// A mark.
    pub(super) fn mark(&self, name: &str) -> Option<Is<Masked<u32>>> {
        let given = self.get(name)?;
        let Value::Mark(value) = given.value else { return None };
        Some(Is { not: given.not, value })
    }

    /// Whether the rule is about this protocol alone.
    pub(super) fn is_protocol(&self, number: u8) -> bool {
        self.protocol == Some(Is::so(number))
    }

    /// Whether the rule is about a protocol that has ports and is not UDP-Lite.
    pub(super) fn has_ports(&self) -> bool {
        [6, 17, 132, 33].iter().any(|number| self.is_protocol(*number))
    }
}

/// Ports of those matches that take them in any order.
fn resolved(text: &str) -> Parse<Span<u16>> {
    let one = |text: &str, missing: u16| -> Parse<u16> {
        if text.is_empty() {
            return Ok(missing);
        }
        let unknown = || Fact::Tells(format!("Port \"{text}\" does not resolve to anything.\n"));
        words::port(text).map_err(|_| unknown().into())
    };
    match text.split_once(':') {
        None => one(text, 0).map(Span::only),
        Some((first, last)) => Ok(Span::new(one(first, 0)?, one(last, u16::MAX)?)),
    }
}

/// The refusal of a word that is not of its kind.
pub(super) fn bad_word(before: &'static str, word: &str, after: &'static str) -> Error {
    Fact::Word { before, word: word.to_owned(), after }.into()
}
