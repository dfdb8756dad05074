//! The words of a command line, read one by one by iproute2's rules for numbers and addresses.
//!
//! Numbers are C's: `0x` is hexadecimal and a leading zero octal, also inside addresses; `10.1/16`
//! is `10.1.0.0/16`. Differential tests hold these rules against the real `ip`.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;

use super::error::{Fact, ParseError};
use super::names;

/// What every reader of words returns.
pub(super) type Parse<T> = Result<T, ParseError>;

/// True if `word` is an abbreviation of `full` or the whole of it.
pub(super) fn abbreviates(word: &str, full: &str) -> bool {
    !word.is_empty() && full.starts_with(word)
}

/// A cursor over the words of one command.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    words: &'a [&'a str],
    at: usize,
    /// How the family is called in errors: `inet` after `-4` or once an address was read.
    family: &'static str,
}

/// A gateway as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gateway {
    /// `None` for `any` and `all`.
    V4(Option<Ipv4Addr>),
    V6(Ipv6Addr),
}

/// A prefix as written: the address keeps its host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    /// `None` for `any` and `all`, which carry no address.
    pub(super) addr: Option<Ipv4Addr>,
    pub(super) len: u8,
    /// The length was written, not assumed.
    pub(super) len_given: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(words: &'a [&'a str]) -> Self {
        Self { words, at: 0, family: "any valid" }
    }

    pub(super) fn set_inet(&mut self) {
        self.family = "inet";
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.words.len()
    }

    /// The word under the cursor.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    /// Takes the word under the cursor if there is one.
    pub(super) fn take(&mut self) -> Option<&'a str> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    /// Takes a word that must be there.
    pub(super) fn value(&mut self) -> Parse<&'a str> {
        match self.take() {
            Some(word) => Ok(word),
            None => Err(ParseError { at: self.words.len(), fact: Fact::Incomplete }),
        }
    }

    /// Gives the word taken last back.
    pub(super) fn back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    /// Goes to a word that was passed.
    pub(super) fn seek(&mut self, at: usize) {
        self.at = at;
    }

    /// Takes the word under the cursor if it is this one.
    pub(super) fn skip(&mut self, word: &str) -> bool {
        let hit = self.peek() == Some(word);
        if hit {
            self.at += 1;
        }
        hit
    }

    /// An error about the word taken last.
    pub(super) fn fail<T>(&self, fact: Fact) -> Parse<T> {
        Err(ParseError { at: self.at.saturating_sub(1), fact })
    }

    /// An error about the end of the line.
    pub(super) fn fail_end<T>(&self, fact: Fact) -> Parse<T> {
        Err(ParseError { at: self.words.len(), fact })
    }

    pub(super) fn wrong<T>(&self, word: &str, what: &'static str) -> Parse<T> {
        self.fail(Fact::WrongArgument { word: word.to_owned(), what })
    }

    pub(super) fn unsupported<T>(&self, what: impl Into<String>) -> Parse<T> {
        self.fail(Fact::NotSupported(what.into()))
    }

    /// Errors if `seen` is already set, as iproute2 does for keywords that may stand once.
    pub(super) fn once(&self, seen: bool, key: &'static str, word: &str) -> Parse<()> {
        if seen { self.fail(Fact::Duplicate { key, word: word.to_owned() }) } else { Ok(()) }
    }

    /// Errors if `seen` is already set, for values whose keyword may be left out.
    pub(super) fn once_or_garbage(&self, seen: bool, key: &'static str, word: &str) -> Parse<()> {
        if seen {
            self.fail(Fact::DuplicateOrGarbage { key, word: word.to_owned() })
        } else {
            Ok(())
        }
    }

    /// A number of C's `strtoul` with base 0, at most `max`.
    pub(super) fn number(&mut self, max: u32, what: &'static str) -> Parse<u32> {
        let word = self.value()?;
        match c_number(word, 0).filter(|n| *n <= u64::from(max)) {
            #[allow(clippy::cast_possible_truncation, reason = "bounded by max, a u32")]
            Some(n) => Ok(n as u32),
            None => self.wrong(word, what),
        }
    }

    /// A `u8` under its name of a table or as a number in this base.
    pub(super) fn named(
        &mut self,
        names: &[(&str, u8)],
        base: u32,
        what: &'static str,
    ) -> Parse<u8> {
        let word = self.value()?;
        match named_number(names, word, base) {
            Some(n) => Ok(n),
            None => self.wrong(word, what),
        }
    }

    pub(super) fn dsfield(&mut self, what: &'static str) -> Parse<u8> {
        self.named(names::DSFIELDS, 16, what)
    }

    pub(super) fn table(&mut self, what: &'static str) -> Parse<u32> {
        let word = self.value()?;
        match table_number(word) {
            Some(n) => Ok(n),
            None => self.wrong(word, what),
        }
    }

    pub(super) fn on_off(&mut self, key: &'static str) -> Parse<bool> {
        match self.value()? {
            "on" => Ok(true),
            "off" => Ok(false),
            word => self.fail(Fact::OnOff { key, word: word.to_owned() }),
        }
    }

    /// An address; `None` for `any` and `all`.
    pub(super) fn address(&mut self) -> Parse<Option<Ipv4Addr>> {
        let word = self.value()?;
        self.reject_inet6(word)?;
        match read_address(word) {
            Some(address) => {
                if address.is_some() {
                    self.set_inet();
                }
                Ok(address)
            }
            None => self.fail(Fact::AddressExpected { family: self.family, word: word.to_owned() }),
        }
    }

    /// A prefix with its host bits as written.
    pub(super) fn prefix(&mut self) -> Parse<Prefix> {
        let word = self.value()?;
        self.reject_inet6(word)?;
        match read_prefix(word) {
            Some(prefix) => {
                if prefix.addr.is_some() {
                    self.set_inet();
                }
                Ok(prefix)
            }
            None => self.fail(Fact::PrefixExpected { family: self.family, word: word.to_owned() }),
        }
    }

    /// A prefix to compare with; `None` for `any` and `all`, which anything fits.
    pub(super) fn filter_net(&mut self) -> Parse<Option<Ipv4Net>> {
        let prefix = self.prefix()?;
        Ok(prefix.addr.map(|_| prefix.lenient_net()))
    }

    /// Reads without learning the family: the address of a rule's prefix does not tell it to the
    /// next one.
    pub(super) fn keep_family<T>(&mut self, read: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        let family = self.family;
        let value = read(self);
        self.family = family;
        value
    }

    /// A named number, or `all`, which is `None`.
    pub(super) fn named_or_all(
        &mut self,
        names: &[(&str, u8)],
        what: &'static str,
    ) -> Parse<Option<u8>> {
        let word = self.value()?;
        match (named_number(names, word, 0), word) {
            (Some(n), _) => Ok(Some(n)),
            (None, "all") => Ok(None),
            (None, _) => self.wrong(word, what),
        }
    }

    /// An IP protocol by its name or its decimal number.
    pub(super) fn ipproto(&mut self) -> Parse<u8> {
        let what = "Invalid \"ipproto\" value";
        // Each name has itself in capitals as an alias.
        match self.peek().map(|word| (word, word.to_ascii_lowercase())) {
            Some((word, lower)) if word == word.to_ascii_uppercase() => {
                self.at += 1;
                match named_number(names::IP_PROTOS, &lower, 10) {
                    Some(n) => Ok(n),
                    None => self.wrong(word, what),
                }
            }
            _ => self.named(names::IP_PROTOS, 10, what),
        }
    }

    /// A group of interfaces.
    pub(super) fn group(&mut self, what: &'static str) -> Parse<u32> {
        let word = self.value()?;
        match group_number(word) {
            Some(n) => Ok(n),
            None => self.wrong(word, what),
        }
    }

    /// A gateway, of either family if the family is said, or was not learned before.
    pub(super) fn gateway(&mut self) -> Parse<Gateway> {
        let family = match self.peek() {
            Some(family @ ("mpls" | "bridge" | "link")) => {
                self.at += 1;
                return self.unsupported(format!("via {family}"));
            }
            Some(family @ ("inet" | "inet6")) => {
                self.at += 1;
                Some(family)
            }
            _ => None,
        };
        let word = self.value()?;
        if family == Some("inet6") {
            return match word.parse() {
                Ok(address) => Ok(Gateway::V6(address)),
                Err(_) => {
                    self.fail(Fact::AddressExpected { family: "inet6", word: word.to_owned() })
                }
            };
        }
        if family == Some("inet") {
            self.set_inet();
        }
        if self.family != "inet"
            && let Ok(address) = word.parse()
        {
            return Ok(Gateway::V6(address));
        }
        self.back();
        self.address().map(Gateway::V4)
    }

    /// A prefix of a route: host bits must be zero, as the kernel demands.
    pub(super) fn net(&mut self) -> Parse<Ipv4Net> {
        let prefix = self.prefix()?;
        let net = prefix.lenient_net();
        if prefix.addr.is_some_and(|addr| addr != net.addr()) {
            return self.fail(Fact::Kernel("Error: Invalid prefix for given prefix length."));
        }
        Ok(net)
    }

    /// The bytes of a link layer address.
    pub(super) fn lladdr(&mut self) -> Parse<Vec<u8>> {
        let word = self.value()?;
        match read_lladdr(word) {
            Ok(bytes) => Ok(bytes),
            Err(part) => self.fail(Fact::BadLladdr(part.to_owned())),
        }
    }

    /// Says clearly that IPv6 addresses are not taken, unless `-4` already makes them errors.
    fn reject_inet6(&self, word: &str) -> Parse<()> {
        let host = word.split('/').next().unwrap_or(word);
        if self.family != "inet" && host.parse::<std::net::Ipv6Addr>().is_ok() {
            return self.unsupported("inet6");
        }
        Ok(())
    }
}

impl Prefix {
    /// The prefix with its host bits, as rules keep it.
    pub(super) fn as_written(&self) -> Ipv4Net {
        let addr = self.addr.filter(|_| self.len > 0).unwrap_or(Ipv4Addr::UNSPECIFIED);
        Ipv4Net::new(addr, self.len.min(32)).unwrap_or_default()
    }

    /// The network that contains the address as written.
    pub(super) fn lenient_net(&self) -> Ipv4Net {
        let addr = self.addr.unwrap_or(Ipv4Addr::UNSPECIFIED);
        Ipv4Net::new(addr, self.len.min(32)).map_or_else(|_| Ipv4Net::default(), |net| net.trunc())
    }
}

/// C's `strtoul`: the whole word must be a number.
pub(super) fn c_number(word: &str, base: u32) -> Option<u64> {
    let digits = word.strip_prefix('+').unwrap_or(word);
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (digits, radix) = match (base, hex) {
        (0 | 16, Some(hex)) => (hex, 16),
        (0, None) if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        (0, None) => (digits, 10),
        _ => (digits, base),
    };
    // from_str_radix takes a sign of its own, strtoul takes one only.
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// A byte under its name or as a number.
pub(super) fn named_number(names: &[(&str, u8)], word: &str, base: u32) -> Option<u8> {
    match names.iter().find(|(name, _)| *name == word) {
        Some((_, n)) => Some(*n),
        None => c_number(word, base).and_then(|n| u8::try_from(n).ok()),
    }
}

/// A group of interfaces under its name or as a number.
pub(super) fn group_number(word: &str) -> Option<u32> {
    match names::GROUPS.iter().find(|(name, _)| *name == word) {
        Some((_, n)) => Some(*n),
        None => c_number(word, 0).and_then(|n| u32::try_from(n).ok()),
    }
}

/// A routing table under its name or as a number.
pub(super) fn table_number(word: &str) -> Option<u32> {
    match names::TABLES.iter().find(|(name, _)| *name == word) {
        Some((_, n)) => Some(*n),
        None => c_number(word, 0).and_then(|n| u32::try_from(n).ok()),
    }
}

/// The outer option is "is an address", the inner one is `None` for `any` and `all`.
#[allow(clippy::option_option, reason = "two different questions")]
fn read_address(word: &str) -> Option<Option<Ipv4Addr>> {
    match word {
        "any" | "all" => Some(None),
        "default" => Some(Some(Ipv4Addr::UNSPECIFIED)),
        _ => read_dotted(word).map(Some),
    }
}

/// Up to four C numbers joined by dots; missing ones are zero.
fn read_dotted(word: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = word.split('.');
    for (i, part) in parts.by_ref().take(4).enumerate() {
        octets[i] = c_number(part, 0).and_then(|n| u8::try_from(n).ok())?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

fn read_prefix(word: &str) -> Option<Prefix> {
    let (host, len) = match word.split_once('/') {
        Some((host, len)) => (host, Some(len)),
        None => (word, None),
    };
    let addr = read_address(host)?;
    if len.is_some() && (addr.is_none() || host == "default") {
        return None;
    }
    let given = match len {
        Some(len) => Some(read_masklen(len)?),
        None => None,
    };
    let len = if addr.is_none() || host == "default" { 0 } else { given.unwrap_or(32) };
    Some(Prefix { addr, len, len_given: given.is_some() || host == "default" })
}

/// A prefix length as a number or as a contiguous netmask.
fn read_masklen(word: &str) -> Option<u8> {
    if let Some(n) = c_number(word, 0) {
        return u8::try_from(n).ok().filter(|n| *n <= 32);
    }
    let mask = u32::from(read_dotted(word)?);
    let len = mask.leading_ones();
    #[allow(clippy::cast_possible_truncation, reason = "at most 32")]
    (mask.checked_shl(len).unwrap_or(0) == 0).then_some(len as u8)
}

/// Hexadecimal bytes joined by colons, or an IPv4 address as four bytes; the error is the part that
/// is neither.
fn read_lladdr(word: &str) -> Result<Vec<u8>, &str> {
    if word.contains('.') {
        return read_dotted(word).map(|addr| addr.octets().to_vec()).ok_or(word);
    }
    let byte = |part| c_number(part, 16).and_then(|n| u8::try_from(n).ok()).ok_or(part);
    word.split(':').map(byte).collect()
}
