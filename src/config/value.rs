//! How one value of the file is read: its type, its range, and what is said when it is wrong.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    ops::{Deref, Range, RangeInclusive},
    path::PathBuf,
};

use ipnet::{IpNet, Ipv4Net};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::error::{ConfigError, suggest};
use crate::packet::MacAddr;

/// Collects errors while a file is read.
#[derive(Default)]
pub(super) struct Errors(pub(super) Vec<ConfigError>);

impl Errors {
    /// Notes an error, with what to do about it.
    pub(super) fn add(
        &mut self,
        at: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.0.push(ConfigError { message: message.into(), hint: hint.into(), at: Some(at) });
    }
}

/// A value that remembers where it is written, for errors that are found later.
#[derive(Clone, Debug, Default)]
pub struct At<T> {
    value: T,
    place: Range<usize>,
}

impl<T> At<T> {
    /// `value`, written at these bytes of the file.
    pub fn new(value: T, place: Range<usize>) -> Self {
        Self { value, place }
    }

    /// Where it is written, as bytes of the file.
    pub fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// The value, to change it in its place.
    pub(super) fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// The value alone.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Two values are equal wherever they are written.
impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for At<T> {}

/// Something that can be written as the value of a key.
pub(super) trait Value: Sized {
    /// What an operator should write, with an article.
    fn what() -> String;

    /// Reads it; what is wrong goes to `errors`.
    fn read(value: &Spanned<DeValue<'_>>, errors: &mut Errors) -> Option<Self>;

    /// As it is written in the file; nothing for a value that is not given.
    fn show(&self) -> Option<String>;

    /// What is known of the inside of a table.
    fn section() -> Option<super::section::SectionDoc> {
        None
    }
}

/// Kind of a value, for messages.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Notes that a value is of the wrong kind.
pub(super) fn wrong_kind<T: Value>(value: &Spanned<DeValue<'_>>, errors: &mut Errors) {
    let hint = match value.get_ref() {
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_)
            if T::what().contains("string") || T::what().contains('"') =>
        {
            Some("put it in quotes".to_owned())
        }
        DeValue::String(text) if text.parse::<i64>().is_ok() && T::what().contains("integer") => {
            Some("take the quotes away".to_owned())
        }
        DeValue::String(text)
            if ["true", "false"].contains(&&**text) && T::what().contains("true") =>
        {
            Some("take the quotes away".to_owned())
        }
        _ => None,
    };
    let message = format!("expected {}, found {}", T::what(), kind(value.get_ref()));
    errors.add(value.span(), message, hint);
}

/// The integer that stands there, whatever its base.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i128> {
    let DeValue::Integer(number) = value else { return None };
    i128::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
}

macro_rules! integers {
    ($($int:ty),+) => { $(
        impl Value for $int {
            fn what() -> String {
                "an integer".into()
            }

            fn read(value: &Spanned<DeValue<'_>>, errors: &mut Errors) -> Option<Self> {
                if !matches!(value.get_ref(), DeValue::Integer(_)) {
                    wrong_kind::<Self>(value, errors);
                    return None;
                }
                let number = integer(value.get_ref()).and_then(|number| number.try_into().ok());
                if number.is_none() {
                    let message = format!("expected an integer of {} to {}", Self::MIN, Self::MAX);
                    errors.add(value.span(), message, None);
                }
                number
            }

            fn show(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )+ };
}

integers!(u8, u16, u32, u64, i64);

impl Value for bool {
    fn what() -> String {
        "true or false".into()
    }

    fn read(value: &Spanned<DeValue<'_>>, errors: &mut Errors) -> Option<Self> {
        if let DeValue::Boolean(boolean) = value.get_ref() {
            return Some(*boolean);
        }
        wrong_kind::<Self>(value, errors);
        None
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for String {
    fn what() -> String {
        "a string".into()
    }

    fn read(value: &Spanned<DeValue<'_>>, errors: &mut Errors) -> Option<Self> {
        if let DeValue::String(text) = value.get_ref() {
            return Some(text.clone().into_owned());
        }
        wrong_kind::<Self>(value, errors);
        None
    }

    fn show(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

impl Value for PathBuf {
    fn what() -> String {
        "a string with a path".into()
    }

    fn read(value: &Spanned<DeValue<'_>>, errors: &mut Errors) -> Option<Self> {
        let path = String::read(value, errors)?;
        if path.is_empty() {
            errors.add(value.span(), "the path is empty", None);
            return None;
        }
        Some(path.into())
    }

    fn show(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

impl<T: Value> Value for Option<T> {
    fn what() -> String {
        T::what()
    }

    fn read(value: &Spanned<DeValue<'_>>, errors: &mut Errors) -> Option<Self> {
        T::read(value, errors).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(Value::show)
    }

    fn section() -> Option<super::section::SectionDoc> {
        T::section()
    }
}

impl<T: Value> Value for At<T> {
    fn what() -> String {
        T::what()
    }

    fn read(value: &Spanned<DeValue<'_>>, errors: &mut Errors) -> Option<Self> {
        T::read(value, errors).map(|read| Self::new(read, value.span()))
    }

    fn show(&self) -> Option<String> {
        self.value.show()
    }

    fn section() -> Option<super::section::SectionDoc> {
        T::section()
    }
}

impl<T: Value> Value for Vec<T> {
    fn what() -> String {
        match T::section() {
            Some(_) => "an array of tables".into(),
            None => format!("an array, each item {}", T::what()),
        }
    }

    fn read(value: &Spanned<DeValue<'_>>, errors: &mut Errors) -> Option<Self> {
        let DeValue::Array(items) = value.get_ref() else {
            let hint = match value.get_ref() {
                DeValue::Table(_) if T::section().is_some() => "write it in double brackets, [[ ]]",
                DeValue::String(_) | DeValue::Integer(_) => "put it in brackets, [ ]",
                _ => "",
            };
            let message = format!("expected {}, found {}", Self::what(), kind(value.get_ref()));
            errors.add(value.span(), message, (!hint.is_empty()).then(|| hint.to_owned()));
            return None;
        };
        // All items are read before the first bad one ends it, so that all errors are told.
        let read: Vec<_> = items.iter().map(|item| T::read(item, errors)).collect();
        read.into_iter().collect()
    }

    fn show(&self) -> Option<String> {
        if T::section().is_some() {
            return None;
        }
        let items: Vec<_> = self.iter().filter_map(Value::show).collect();
        Some(format!("[{}]", items.join(", ")))
    }

    fn section() -> Option<super::section::SectionDoc> {
        T::section()
    }
}

/// A value written as a string that a parser takes or refuses.
pub(super) trait Word: Sized {
    /// What an operator should write, with an article.
    const WHAT: &'static str;

    /// The value, or the error and a hint.
    fn parse(text: &str) -> Result<Self, (String, Option<String>)>;

    /// As it is written, without quotes.
    fn text(&self) -> String;
}

macro_rules! words {
    ($($word:ty),+ $(,)?) => { $(
        impl $crate::config::value::Value for $word {
            fn what() -> String {
                <$word as $crate::config::value::Word>::WHAT.into()
            }

            fn read(value: &toml::Spanned<toml::de::DeValue<'_>>, errors: &mut $crate::config::value::Errors) -> Option<Self> {
                let toml::de::DeValue::String(text) = value.get_ref() else {
                    $crate::config::value::wrong_kind::<Self>(value, errors);
                    return None;
                };
                match <$word as $crate::config::value::Word>::parse(text) {
                    Ok(word) => Some(word),
                    Err((message, hint)) => {
                        errors.add(value.span(), message, hint);
                        None
                    }
                }
            }

            fn show(&self) -> Option<String> {
                Some(format!("{:?}", $crate::config::value::Word::text(self)))
            }
        }
    )+ };
}
pub(super) use words;

words!(Ipv4Addr, MacAddr, Prefix, InterfaceAddress, InterfaceName);

impl Word for Ipv4Addr {
    const WHAT: &'static str = "an IPv4 address such as \"192.0.2.1\"";

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        text.parse().map_err(|_| {
            let hint = if text.contains(':') {
                Some("this is one of IPv6".to_owned())
            } else if text.contains('/') {
                Some("write the address without the length of a prefix".to_owned())
            } else {
                None
            };
            (format!("{text:?} is not an IPv4 address"), hint)
        })
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Word for MacAddr {
    const WHAT: &'static str = "an Ethernet address such as \"02:00:00:00:00:01\"";

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let mac: Self = text
            .parse()
            .map_err(|error: crate::packet::mac::ParseMacError| (error.to_string(), None))?;
        if mac.is_unicast() {
            Ok(mac)
        } else {
            Err((format!("{text:?} is not the address of one station"), None))
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

fn prefix(text: &str, what: &str) -> Result<IpNet, (String, Option<String>)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| (format!("{text:?} is not {what}"), None))?;
    let most = if address.is_ipv6() { 128 } else { 32 };
    let digits = |length: &&str| length.bytes().all(|byte| byte.is_ascii_digit());
    let length = match length {
        None => most,
        Some(length) => Some(length)
            .filter(digits)
            .and_then(|length| length.parse().ok())
            .filter(|length| *length <= most)
            .ok_or_else(|| {
                let message =
                    format!("the length of the prefix in {text:?} is not a number of 0 to {most}");
                (message, None)
            })?,
    };
    IpNet::new(address, length).map_err(|error| (error.to_string(), None))
}

/// Whether nothing is set behind a prefix's length.
pub(super) fn whole(text: &str, net: IpNet) -> Result<(), (String, Option<String>)> {
    if net.addr() == net.network() {
        return Ok(());
    }
    let message = format!("{text:?} has bits set behind its length");
    Err((message, Some(format!("did you mean \"{}\"?", net.trunc()))))
}

/// Destination of a route: `default`, a prefix, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Prefix(pub(super) IpNet);

impl Word for Prefix {
    const WHAT: &'static str =
        "\"default\", a prefix such as \"10.0.0.0/8\" or \"2001:db8::/32\", or an address";

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        if text == "default" {
            return Ok(Self(Ipv4Net::default().into()));
        }
        let net = prefix(text, "a prefix")?;
        whole(text, net)?;
        Ok(Self(net))
    }

    fn text(&self) -> String {
        match self.0 {
            IpNet::V4(net) if net.prefix_len() == 0 => "default".into(),
            net => net.to_string(),
        }
    }
}

/// Address of an interface with the length of its subnet's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct InterfaceAddress(pub(super) IpNet);

impl Word for InterfaceAddress {
    const WHAT: &'static str =
        "an address with the length of its prefix, such as \"192.0.2.1/24\" or \"2001:db8::1/64\"";

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let net = prefix(text, "an address with the length of its prefix")?;
        if !text.contains('/') {
            let message = format!("{text:?} lacks the length of its prefix");
            let (usual, alone) = if text.contains(':') { (64, 128) } else { (24, 32) };
            let hint =
                format!("write \"{text}/{usual}\", or \"{text}/{alone}\" for the address alone");
            return Err((message, Some(hint)));
        }
        let nobody = match net.addr() {
            IpAddr::V4(four) => four.is_broadcast() || four.octets()[0] == 0,
            IpAddr::V6(six) => six.is_unspecified() || six.to_ipv4_mapped().is_some(),
        };
        let why = if net.addr().is_multicast() {
            "a multicast group"
        } else if nobody {
            "no station's address"
        } else if net.prefix_len() == 0 {
            "everybody's address"
        } else {
            return Ok(Self(net));
        };
        Err((format!("an interface cannot have {text:?}, which is {why}"), None))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// Name of an interface, as the kernel takes them: at most 15 bytes, no space, no slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceName(pub String);

/// Longest name of an interface (`IFNAMSIZ` less its end).
const NAME_MAX: usize = 15;

impl Word for InterfaceName {
    const WHAT: &'static str = "the name of an interface such as \"wan\"";

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let why = if text.is_empty() {
            "it is empty".to_owned()
        } else if text.len() > NAME_MAX {
            format!("it is longer than {NAME_MAX} characters")
        } else if ["all", "default", ".", ".."].contains(&text) {
            "the word means something else in the names of sysctls".to_owned()
        } else if let Some(c) =
            text.chars().find(|c| !c.is_ascii_graphic() || ['/', '"', '\\', '='].contains(c))
        {
            format!("it contains {c:?}")
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err((format!("{text:?} cannot be the name of an interface: {why}"), None))
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Deref for InterfaceName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Reads one of a list of words.
pub(super) fn choose<T: Copy>(
    text: &str,
    choices: &[(&'static str, T)],
) -> Result<T, (String, Option<String>)> {
    if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
        return Ok(*choice);
    }
    let words = choices.iter().map(|(word, _)| *word);
    let hint = match suggest(text, words.clone()) {
        Some(word) => format!("did you mean {word:?}?"),
        None => format!("write {}", either(words)),
    };
    Err((format!("{text:?} is none of the words that may stand here"), Some(hint)))
}

/// `"a", "b" or "c"`.
pub(super) fn either<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().map(|word| format!("{word:?}")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// Declares how the words of an enum are written.
macro_rules! choices {
    ($Type:ty { $($word:literal = $value:expr),+ $(,)? }) => {
        impl $crate::config::value::Value for $Type {
            fn what() -> String {
                $crate::config::value::either([$($word),+])
            }

            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                errors: &mut $crate::config::value::Errors,
            ) -> Option<Self> {
                let toml::de::DeValue::String(text) = value.get_ref() else {
                    $crate::config::value::wrong_kind::<Self>(value, errors);
                    return None;
                };
                match $crate::config::value::choose(text, &[$(($word, $value)),+]) {
                    Ok(choice) => Some(choice),
                    Err((message, hint)) => {
                        errors.add(value.span(), message, hint);
                        None
                    }
                }
            }

            fn show(&self) -> Option<String> {
                [$(($word, $value)),+]
                    .iter()
                    .find(|(_, value)| value == self)
                    .map(|(word, _)| format!("{word:?}"))
            }
        }
    };
}
pub(super) use choices;

/// A number must be in a range; anything else always is.
pub(super) trait Bounded {
    /// The number outside of the range, if any.
    fn outside(&self, range: &RangeInclusive<i128>) -> bool;
}

macro_rules! bounded {
    ($($int:ty),+) => { $(
        impl Bounded for $int {
            fn outside(&self, range: &RangeInclusive<i128>) -> bool {
                !range.contains(&i128::from(*self))
            }
        }
    )+ };
}

bounded!(u8, u16, u32, u64, i64);

impl<T: Bounded> Bounded for Option<T> {
    fn outside(&self, range: &RangeInclusive<i128>) -> bool {
        self.as_ref().is_some_and(|value| value.outside(range))
    }
}

impl<T: Bounded> Bounded for At<T> {
    fn outside(&self, range: &RangeInclusive<i128>) -> bool {
        self.value.outside(range)
    }
}

/// The value of a key in a table, with the place of the key.
pub(super) fn entry<'t, 'i>(
    table: &'t DeTable<'i>,
    key: &str,
) -> Option<(Range<usize>, &'t Spanned<DeValue<'i>>)> {
    table.iter().find(|(name, _)| name.get_ref() == key).map(|(name, value)| (name.span(), value))
}
