//! Which options of `conntrack` go with which command.
//!
//! - gives: rows of the table by which the program refuses options, and the names that it refuses them by
//! - obeys: conntrack-tools 1.4.7

use super::words::{Command, Table};

/// Whether an option may stand beside a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Legal {
    No,
    May,
    Must,
}

/// Names of the options, in the order in which they are judged.
pub(super) const OPTIONS: [&str; 29] = [
    "src",
    "dst",
    "reply-src",
    "reply-dst",
    "protonum",
    "timeout",
    "status",
    "zero",
    "event-mask",
    "tuple-src",
    "tuple-dst",
    "mask-src",
    "mask-dst",
    "nat-range",
    "mark",
    "id",
    "family",
    "src-nat",
    "dst-nat",
    "output",
    "secmark",
    "buffer-size",
    "any-nat",
    "zone",
    "label",
    "label-add",
    "label-del",
    "orig-zone",
    "reply-zone",
];

/// The row of a command: `.` is refused, `-` may stand there and `!` has to.
const fn row(command: Command, expectations: bool) -> &'static [u8; 29] {
    match (command, expectations) {
        (Command::List, false) => b"-----.--...--.-.-----.---..--",
        (Command::Create | Command::Add, false) => b"----!!-.......-..--....-.-.--",
        (Command::Update, false) => b"-------....--.------....---..",
        (Command::Delete, false) => b"-------....--.------...--..--",
        (Command::Get, false) => b"----!..........-...-.........",
        (Command::Flush, false) => b"................-............",
        (Command::Event, false) => b"-----...-..--.-.---------..--",
        (Command::List | Command::Event, true) => b"................-..-.........",
        (Command::Create | Command::Add, true) => b"!!--!!-..!!!!................",
        (Command::Delete | Command::Get, true) => b"!!--!........................",
        (Command::Help, _) => b"....-........................",
        _ => b".............................",
    }
}

/// Whether an option may stand beside a command on a table.
pub(super) fn legal(command: Command, table: Table, option: usize) -> Legal {
    match row(command, table == Table::Expectations)[option] {
        b'-' => Legal::May,
        b'!' => Legal::Must,
        _ => Legal::No,
    }
}

/// Long options beside those of the protocols: a name, its letter, and whether a value follows.
pub(super) const LONG: &[(&str, char, Value)] = &[
    ("dump", 'L', Value::Maybe),
    ("create", 'I', Value::Maybe),
    ("add", 'A', Value::Maybe),
    ("delete", 'D', Value::Maybe),
    ("update", 'U', Value::Maybe),
    ("get", 'G', Value::Maybe),
    ("flush", 'F', Value::Maybe),
    ("event", 'E', Value::Maybe),
    ("counter", 'C', Value::Maybe),
    ("stats", 'S', Value::No),
    ("load-file", 'R', Value::Yes),
    ("version", 'V', Value::No),
    ("help", 'h', Value::No),
    ("orig-src", 's', Value::Yes),
    ("src", 's', Value::Yes),
    ("orig-dst", 'd', Value::Yes),
    ("dst", 'd', Value::Yes),
    ("reply-src", 'r', Value::Yes),
    ("reply-dst", 'q', Value::Yes),
    ("protonum", 'p', Value::Yes),
    ("timeout", 't', Value::Yes),
    ("status", 'u', Value::Yes),
    ("zero", 'z', Value::No),
    ("event-mask", 'e', Value::Yes),
    ("tuple-src", '[', Value::Yes),
    ("tuple-dst", ']', Value::Yes),
    ("mask-src", '{', Value::Yes),
    ("mask-dst", '}', Value::Yes),
    ("nat-range", 'a', Value::Yes),
    ("mark", 'm', Value::Yes),
    ("secmark", 'c', Value::Yes),
    ("id", 'i', Value::Yes),
    ("family", 'f', Value::Yes),
    ("src-nat", 'n', Value::Maybe),
    ("dst-nat", 'g', Value::Maybe),
    ("output", 'o', Value::Yes),
    ("buffer-size", 'b', Value::Yes),
    ("any-nat", 'j', Value::Maybe),
    ("zone", 'w', Value::Yes),
    ("label", 'l', Value::Yes),
    ("label-add", '<', Value::Yes),
    ("label-del", '>', Value::Maybe),
    ("orig-zone", '(', Value::Yes),
    ("reply-zone", ')', Value::Yes),
];

/// Whether a value follows an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    No,
    Yes,
    /// Only where it is written onto the option, and then nobody reads it.
    Maybe,
}

/// The option that a letter sets, by its place in [`OPTIONS`].
pub(super) fn option(letter: char) -> Option<usize> {
    "sdrqptuze[]{}amifngocbjwl<>()".chars().position(|each| each == letter)
}
