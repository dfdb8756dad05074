//! Matches on any bytes of a packet.
//!
//! - takes: nothing
//! - gives: [`StringMatch`], [`U32`]
//! - obeys: xt_string, xt_u32

use super::basic::Span;

/// `--algo`; what is found does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `bm`: Boyer and Moore.
    BoyerMoore,
    /// `kmp`: Knuth, Morris and Pratt.
    KnuthMorrisPratt,
}

/// `-m string`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StringMatch {
    /// Whether it must not be there.
    pub not: bool,
    /// `--algo`
    pub algorithm: Algorithm,
    /// `--from`, counted from the network header.
    pub from: u16,
    /// `--to`: where it must end at the latest.
    pub to: u16,
    /// `--icase`
    pub ignore_case: bool,
    /// `--string`, `--hex-string`: 1 to 128 bytes.
    pub pattern: Vec<u8>,
}

/// How a location goes on from a value to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum U32Op {
    /// `&`
    And,
    /// `<<`
    Left,
    /// `>>`
    Right,
    /// `@`: the value is added to where one reads, and the number too.
    At,
}

/// An operator and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct U32Step {
    /// The operator.
    pub op: U32Op,
    /// What it takes.
    pub number: u32,
}

/// Where to read four bytes, and what they may be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct U32Test {
    /// The first place to read, from the network header.
    pub start: u32,
    /// At most ten.
    pub steps: Vec<U32Step>,
    /// One to ten; the value is in one of them.
    pub ranges: Vec<Span<u32>>,
}

/// `-m u32 --u32`: one to ten tests that must all hold.
pub type U32 = Vec<U32Test>;
