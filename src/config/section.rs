//! How a table of the file is declared: one list of keys gives the type, the reading and the manual.

use std::ops::{Range, RangeInclusive};

use toml::de::DeTable;

use super::{
    error::suggest,
    value::{Bounded, Errors, Value, entry},
};

/// What the manual says about a key.
pub(super) struct KeyDoc {
    pub(super) name: &'static str,
    pub(super) what: String,
    pub(super) range: Option<RangeInclusive<i128>>,
    /// As written in the file; `None` when the key has no value unless one is given.
    pub(super) default: Option<String>,
    pub(super) required: bool,
    pub(super) help: String,
    pub(super) section: Option<SectionDoc>,
}

/// What the manual says about a table.
pub(super) struct SectionDoc {
    pub(super) keys: Vec<KeyDoc>,
}

/// Reads one key. `None` when it is wrong, or missing without a default.
pub(super) fn read_key<T: Value>(
    table: &DeTable<'_>,
    key: &str,
    default: Option<T>,
    place: &Range<usize>,
    errors: &mut Errors,
    outside: impl FnOnce(&T) -> Option<RangeInclusive<i128>>,
) -> Option<T> {
    let Some((_, value)) = entry(table, key) else {
        if default.is_none() {
            let hint = format!("add {key} = ..., {}", T::what());
            errors.add(place.clone(), format!("`{key}` is missing"), hint);
        }
        return default;
    };
    let read = T::read(value, errors)?;
    if let Some(range) = outside(&read) {
        let message = format!("`{key}` must be {} to {}", range.start(), range.end());
        errors.add(value.span(), message, None);
        return None;
    }
    Some(read)
}

/// The range that a value misses.
pub(super) fn outside<T: Bounded>(
    value: &T,
    range: RangeInclusive<i128>,
) -> Option<RangeInclusive<i128>> {
    value.outside(&range).then_some(range)
}

/// Notes the keys of a table that nobody knows.
pub(super) fn refuse_unknown(table: &DeTable<'_>, known: &[&str], errors: &mut Errors) {
    for name in table.keys() {
        if known.contains(&&**name.get_ref()) {
            continue;
        }
        let hint = match suggest(name.get_ref(), known.iter().copied()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        errors.add(name.span(), format!("unknown key `{}`", name.get_ref()), hint);
    }
}

/// Declares a table: doc comments become the manual, and each key is
/// `field "name": Type = default, in range;` where the default is `Some(value)` or `None` for a key
/// that must be given.
macro_rules! section {
    (
        $(#[doc = $doc:literal])+
        $vis:vis struct $Name:ident {
            $(
                $(#[doc = $help:literal])+
                $field:ident $key:literal: $T:ty = $default:expr $(, in $range:expr)?;
            )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq)]
        #[allow(unreachable_pub)]
        $vis struct $Name {
            $($(#[doc = $help])+ pub $field: $T,)+
        }

        impl $Name {
            /// The table when nothing is written; `None` when a key must be given.
            #[allow(dead_code)]
            pub(super) fn empty() -> Option<Self> {
                let mut errors = $crate::config::value::Errors::default();
                Self::read_table(&toml::de::DeTable::new(), 0..0, &mut errors)
            }

            /// Reads the table at `place`.
            pub(super) fn read_table(
                table: &toml::de::DeTable<'_>,
                place: std::ops::Range<usize>,
                errors: &mut $crate::config::value::Errors,
            ) -> Option<Self> {
                $crate::config::section::refuse_unknown(table, &[$($key),+], errors);
                $(
                    let $field = $crate::config::section::read_key::<$T>(
                        table,
                        $key,
                        $default,
                        &place,
                        errors,
                        |_value| {
                            let _range: Option<std::ops::RangeInclusive<i128>> = None;
                            $(
                                let _range =
                                    $crate::config::section::outside(_value, $range);
                            )?
                            _range
                        },
                    );
                )+
                Some(Self { $($field: $field?),+ })
            }
        }

        impl $crate::config::value::Value for $Name {
            fn what() -> String {
                "a table".into()
            }

            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                errors: &mut $crate::config::value::Errors,
            ) -> Option<Self> {
                let toml::de::DeValue::Table(table) = value.get_ref() else {
                    $crate::config::value::wrong_kind::<Self>(value, errors);
                    return None;
                };
                Self::read_table(table, value.span(), errors)
            }

            fn show(&self) -> Option<String> {
                None
            }

            fn section() -> Option<$crate::config::section::SectionDoc> {
                Some($crate::config::section::SectionDoc {
                    keys: vec![$(
                        {
                            let default: Option<$T> = $default;
                            let _range: Option<std::ops::RangeInclusive<i128>> = None;
                            $( let _range = Some($range); )?
                            $crate::config::section::KeyDoc {
                                name: $key,
                                what: <$T as $crate::config::value::Value>::what(),
                                range: _range,
                                required: default.is_none(),
                                default: default
                                    .as_ref()
                                    .and_then($crate::config::value::Value::show),
                                help: $crate::config::section::joined(&[$($help),+]),
                                section: <$T as $crate::config::value::Value>::section(),
                            }
                        },
                    )+],
                })
            }
        }
    };
}
pub(super) use section;

/// Doc comments as one text.
pub(super) fn joined(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").replace("  ", "\n\n")
}
