//! The words of a command line, read one by one by iproute2's rules for numbers and addresses.
//!
//! Numbers are C's: `0x` is hexadecimal and a leading zero octal, also inside addresses; `10.1/16`
//! is `10.1.0.0/16`. Differential tests hold these rules against the real `ip`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::error::{Fact, ParseError};
use super::names;

/// What every reader of words returns.
pub(super) type Parse<T> = Result<T, ParseError>;

/// True if `word` is an abbreviation of `full` or the whole of it.
pub(super) fn abbreviates(word: &str, full: &str) -> bool {
    !word.is_empty() && full.starts_with(word)
}

/// The family that a command is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Inet {
    /// Not said.
    #[default]
    Any,
    /// `-4`, or an IPv4 address.
    Four,
    /// `-6`, or an IPv6 address.
    Six,
}

impl Inet {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv6() { Self::Six } else { Self::Four }
    }

    /// Whether something of IPv6, or of IPv4, is meant.
    #[must_use]
    pub fn takes(self, six: bool) -> bool {
        self == Self::Any || self == if six { Self::Six } else { Self::Four }
    }

    /// This one, or IPv4 when nothing was said.
    #[must_use]
    pub fn or_four(self) -> Self {
        if self == Self::Any { Self::Four } else { self }
    }

    /// As errors call it.
    fn name(self) -> &'static str {
        match self {
            Self::Any => "any valid",
            Self::Four => "inet",
            Self::Six => "inet6",
        }
    }

    /// All addresses.
    pub(super) fn everything(self) -> IpNet {
        match self {
            Self::Six => Ipv6Net::default().into(),
            Self::Any | Self::Four => Ipv4Net::default().into(),
        }
    }
}

/// A cursor over the words of one command.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    words: &'a [&'a str],
    at: usize,
    /// What was said with `-4` or `-6`, or told by an address.
    family: Inet,
}

/// A prefix as written: the address keeps its host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    /// `None` for `any` and `all`, which carry no address.
    pub(super) addr: Option<IpAddr>,
    pub(super) len: u8,
    /// The length was written, not assumed.
    pub(super) len_given: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(words: &'a [&'a str]) -> Self {
        Self { words, at: 0, family: Inet::Any }
    }

    pub(super) fn family(&self) -> Inet {
        self.family
    }

    pub(super) fn set_family(&mut self, family: Inet) {
        self.family = family;
    }

    fn learn(&mut self, address: Option<IpAddr>) {
        if let (Inet::Any, Some(address)) = (self.family, address) {
            self.family = Inet::of(address);
        }
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
    pub(super) fn address(&mut self) -> Parse<Option<IpAddr>> {
        let word = self.value()?;
        match read_address(word, self.family) {
            Some(address) => {
                self.learn(address);
                Ok(address)
            }
            None => self
                .fail(Fact::AddressExpected { family: self.family.name(), word: word.to_owned() }),
        }
    }

    /// A prefix with its host bits as written.
    pub(super) fn prefix(&mut self) -> Parse<Prefix> {
        let word = self.value()?;
        match read_prefix(word, self.family) {
            Some(prefix) => {
                // `default` is of either family until something else tells.
                if word != "default" {
                    self.learn(prefix.addr);
                }
                Ok(prefix)
            }
            None => self
                .fail(Fact::PrefixExpected { family: self.family.name(), word: word.to_owned() }),
        }
    }

    /// A prefix to compare with; `None` for `any` and `all`, which anything fits.
    pub(super) fn filter_net(&mut self) -> Parse<Option<IpNet>> {
        let prefix = self.prefix()?;
        Ok(prefix.addr.map(|_| prefix.lenient_net(self.family)))
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

    /// A gateway, of the family that is said before it, or of the command's; `None` for `any` and
    /// `all`.
    pub(super) fn gateway(&mut self) -> Parse<Option<IpAddr>> {
        let family = match self.peek() {
            Some(family @ ("mpls" | "bridge" | "link")) => {
                self.at += 1;
                return self.unsupported(format!("via {family}"));
            }
            Some("inet") => Inet::Four,
            Some("inet6") => Inet::Six,
            _ => return self.address(),
        };
        self.at += 1;
        let own = std::mem::replace(&mut self.family, family);
        let address = self.address();
        if own != Inet::Any {
            self.family = own;
        }
        address
    }

    /// A prefix of a route: of IPv4 the host bits must be zero, as the kernel demands.
    pub(super) fn net(&mut self) -> Parse<Option<IpNet>> {
        let prefix = self.prefix()?;
        let Some(addr) = prefix.addr else { return Ok(None) };
        let net = prefix.lenient_net(self.family);
        if addr.is_ipv4() && addr != net.addr() {
            return self.fail(Fact::Kernel("Error: Invalid prefix for given prefix length."));
        }
        Ok(Some(net))
    }

    /// The bytes of a link layer address.
    pub(super) fn lladdr(&mut self) -> Parse<Vec<u8>> {
        let word = self.value()?;
        match read_lladdr(word) {
            Ok(bytes) => Ok(bytes),
            Err(part) => self.fail(Fact::BadLladdr(part.to_owned())),
        }
    }
}

impl Prefix {
    /// The prefix with its host bits, as rules keep it.
    pub(super) fn as_written(&self, family: Inet) -> IpNet {
        match self.addr.filter(|_| self.len > 0) {
            Some(addr) => {
                IpNet::new(addr, self.len).unwrap_or_else(|_| Inet::of(addr).everything())
            }
            None => family.everything(),
        }
    }

    /// The network that contains the address as written.
    pub(super) fn lenient_net(&self, family: Inet) -> IpNet {
        match self.addr {
            Some(addr) => IpNet::new(addr, self.len)
                .map_or_else(|_| Inet::of(addr).everything(), |net| net.trunc()),
            None => family.everything(),
        }
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

/// The outer option is "is an address of this family", the inner one is `None` for `any` and `all`.
#[allow(clippy::option_option, reason = "two different questions")]
fn read_address(word: &str, family: Inet) -> Option<Option<IpAddr>> {
    match (word, family) {
        ("any" | "all", _) => Some(None),
        ("default", Inet::Six) => Some(Some(Ipv6Addr::UNSPECIFIED.into())),
        ("default", _) => Some(Some(Ipv4Addr::UNSPECIFIED.into())),
        (_, Inet::Any | Inet::Six) if word.contains(':') => {
            word.parse::<Ipv6Addr>().ok().map(|six| Some(six.into()))
        }
        (_, Inet::Any | Inet::Four) => read_dotted(word).map(|four| Some(four.into())),
        (_, Inet::Six) => None,
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

fn read_prefix(word: &str, family: Inet) -> Option<Prefix> {
    let (host, len) = match word.split_once('/') {
        Some((host, len)) => (host, Some(len)),
        None => (word, None),
    };
    let addr = read_address(host, family)?;
    if len.is_some() && (addr.is_none() || host == "default") {
        return None;
    }
    let longest = if addr.is_some_and(|addr| addr.is_ipv6()) { 128 } else { 32 };
    let given = match len {
        Some(len) => Some(read_masklen(len).filter(|len| *len <= longest)?),
        None => None,
    };
    let len = if addr.is_none() || host == "default" { 0 } else { given.unwrap_or(longest) };
    Some(Prefix { addr, len, len_given: given.is_some() || host == "default" })
}

/// A prefix length as a number or as a contiguous netmask.
fn read_masklen(word: &str) -> Option<u8> {
    if let Some(n) = c_number(word, 0) {
        return u8::try_from(n).ok().filter(|n| *n <= 128);
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
