//! Where something is wrong, what it is, and what may help.
//!
//! - gives: [`Error`], whose words name the place as a path into the JSON text, and the rule's handle
//! - obeys: the kernel's and nft's own words where they have some

use std::fmt;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The place as a path: `nftables[3].rule.expr[1].match.left`.
    pub path: String,
    /// The rule or set that it is about, as `rule 12 of inet t forward`.
    pub whose: String,
    /// What is wrong.
    pub what: String,
    /// What may help.
    pub hint: String,
}

impl Error {
    /// Something is wrong at a place.
    pub(super) fn new(path: &Path<'_>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { path: path.to_string(), whose: String::new(), what: what.into(), hint: hint.into() }
    }

    /// The same, below a place.
    pub(super) fn below(mut self, path: &str) -> Self {
        let dot = !self.path.is_empty() && !self.path.starts_with('[');
        self.path = format!("{path}{}{}", if dot { "." } else { "" }, self.path);
        self
    }

    /// The same, of a rule or set.
    pub(super) fn of(mut self, whose: impl FnOnce() -> String) -> Self {
        if self.whose.is_empty() {
            self.whose = whose();
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)?;
        if !self.whose.is_empty() {
            write!(f, " ({})", self.whose)?;
        }
        if !self.hint.is_empty() {
            write!(f, "\nhint: {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// A place in a text, from the outside inwards.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path<'a> {
    /// The text itself, or what one begins with.
    Root,
    /// A member of an object.
    Key(&'a Self, &'a str),
    /// An element of a list.
    Index(&'a Self, usize),
}

impl<'a> Path<'a> {
    pub(super) const fn key(&'a self, key: &'a str) -> Self {
        Self::Key(self, key)
    }

    pub(super) const fn at(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, key) => f.write_str(key),
            Self::Key(outer, key) => write!(f, "{outer}.{key}"),
            Self::Index(outer, index) => write!(f, "{outer}[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_as_a_path() {
        let root = Path::Root;
        let (list, rule) = (root.key("expr"), root.key("expr"));
        let inner = list.at(2);
        let left = inner.key("match");
        assert_eq!((left.to_string(), rule.to_string()), ("expr[2].match".into(), "expr".into()));
        let error = Error::new(&left, "no such thing", "say another").below("nftables[7].rule");
        let error = error.of(|| "handle 4".into());
        assert_eq!(
            error.to_string(),
            "nftables[7].rule.expr[2].match: no such thing (handle 4)\nhint: say another"
        );
    }
}
