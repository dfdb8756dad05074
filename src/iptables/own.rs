//! The options of `iptables` itself.
//!
//! - takes: nothing
//! - gives: [`OWN`], by long and short name
//! - obeys: `iptables(8)`, "OPTIONS"

/// An option of `iptables` itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    Command(char),
    Source,
    Destination,
    Protocol,
    Input,
    Output,
    Jump,
    Goto,
    Table,
    Match,
    Numeric,
    Verbose,
    Wait,
    WaitInterval,
    Exact,
    Fragments,
    Version,
    Help,
    LineNumbers,
    Modprobe,
    Counters,
    Four,
    Six,
}

/// Whether an option takes a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Word,
    /// A word if one comes that is no option.
    Maybe,
}

/// Long names, short ones, and what they take; of several that are cut short alike none is meant.
pub(super) const OWN: &[(&str, char, Own, Takes)] = &[
    ("append", 'A', Own::Command('A'), Takes::Word),
    ("delete", 'D', Own::Command('D'), Takes::Word),
    ("check", 'C', Own::Command('C'), Takes::Word),
    ("insert", 'I', Own::Command('I'), Takes::Word),
    ("replace", 'R', Own::Command('R'), Takes::Word),
    ("list", 'L', Own::Command('L'), Takes::Maybe),
    ("list-rules", 'S', Own::Command('S'), Takes::Maybe),
    ("flush", 'F', Own::Command('F'), Takes::Maybe),
    ("zero", 'Z', Own::Command('Z'), Takes::Maybe),
    ("new-chain", 'N', Own::Command('N'), Takes::Word),
    ("delete-chain", 'X', Own::Command('X'), Takes::Maybe),
    ("rename-chain", 'E', Own::Command('E'), Takes::Word),
    ("policy", 'P', Own::Command('P'), Takes::Word),
    ("source", 's', Own::Source, Takes::Word),
    ("destination", 'd', Own::Destination, Takes::Word),
    ("src", 's', Own::Source, Takes::Word),
    ("dst", 'd', Own::Destination, Takes::Word),
    ("protocol", 'p', Own::Protocol, Takes::Word),
    ("in-interface", 'i', Own::Input, Takes::Word),
    ("jump", 'j', Own::Jump, Takes::Word),
    ("table", 't', Own::Table, Takes::Word),
    ("match", 'm', Own::Match, Takes::Word),
    ("numeric", 'n', Own::Numeric, Takes::Nothing),
    ("out-interface", 'o', Own::Output, Takes::Word),
    ("verbose", 'v', Own::Verbose, Takes::Nothing),
    ("wait", 'w', Own::Wait, Takes::Maybe),
    ("wait-interval", 'W', Own::WaitInterval, Takes::Maybe),
    ("exact", 'x', Own::Exact, Takes::Nothing),
    ("fragments", 'f', Own::Fragments, Takes::Nothing),
    ("version", 'V', Own::Version, Takes::Nothing),
    ("help", 'h', Own::Help, Takes::Maybe),
    ("line-numbers", '0', Own::LineNumbers, Takes::Nothing),
    ("modprobe", 'M', Own::Modprobe, Takes::Word),
    ("set-counters", 'c', Own::Counters, Takes::Word),
    ("goto", 'g', Own::Goto, Takes::Word),
    ("ipv4", '4', Own::Four, Takes::Nothing),
    ("ipv6", '6', Own::Six, Takes::Nothing),
];
