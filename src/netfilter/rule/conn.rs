//! Matches on a packet's connection.
//!
//! - takes: nothing
//! - gives: [`Conntrack`], [`ConnBytes`], [`ConnLabel`], [`ConnLimit`]
//! - obeys: xt_conntrack, xt_connbytes, xt_connlabel, xt_connlimit

use super::basic::{Is, Prefix, Span};

/// States of a packet towards its connection, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CtStates(pub u8);

impl CtStates {
    /// No connection can be made of it.
    pub const INVALID: Self = Self(1);
    /// Of a connection that has seen answers.
    pub const ESTABLISHED: Self = Self(1 << 1);
    /// Expected by, or an error about, another connection.
    pub const RELATED: Self = Self(1 << 2);
    /// Begins a connection, or none has answered yet.
    pub const NEW: Self = Self(1 << 3);
    /// Exempt by `NOTRACK`.
    pub const UNTRACKED: Self = Self(1 << 4);
    /// The connection's source was changed.
    pub const SNAT: Self = Self(1 << 5);
    /// The connection's destination was changed.
    pub const DNAT: Self = Self(1 << 6);

    /// Whether one of these is among them.
    #[must_use]
    pub fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }
}

/// What is known of a connection, a bit each; they are the kernel's `IPS_` bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CtStatus(pub u32);

impl CtStatus {
    /// `NONE`: nothing of what can be asked for.
    pub const NONE: Self = Self(0);
    /// It was expected.
    pub const EXPECTED: Self = Self(1);
    /// Both sides were heard.
    pub const SEEN_REPLY: Self = Self(1 << 1);
    /// It does not yield to new ones.
    pub const ASSURED: Self = Self(1 << 2);
    /// It has a place in the table.
    pub const CONFIRMED: Self = Self(1 << 3);
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CtDirection {
    /// As the first one did.
    Original,
    /// The other way.
    Reply,
}

/// `-m conntrack`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conntrack {
    /// `--ctstate`
    pub states: Option<Is<CtStates>>,
    /// `--ctproto`
    pub protocol: Option<Is<u8>>,
    /// `--ctorigsrc`
    pub orig_source: Option<Is<Prefix>>,
    /// `--ctorigdst`
    pub orig_destination: Option<Is<Prefix>>,
    /// `--ctreplsrc`
    pub reply_source: Option<Is<Prefix>>,
    /// `--ctrepldst`
    pub reply_destination: Option<Is<Prefix>>,
    /// `--ctorigsrcport`
    pub orig_source_port: Option<Is<Span<u16>>>,
    /// `--ctorigdstport`
    pub orig_destination_port: Option<Is<Span<u16>>>,
    /// `--ctreplsrcport`
    pub reply_source_port: Option<Is<Span<u16>>>,
    /// `--ctrepldstport`
    pub reply_destination_port: Option<Is<Span<u16>>>,
    /// `--ctstatus`
    pub status: Option<Is<CtStatus>>,
    /// `--ctexpire`, seconds until it is forgotten.
    pub expire: Option<Is<Span<u32>>>,
    /// `--ctdir`
    pub direction: Option<CtDirection>,
}

/// `-m connlabel`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnLabel {
    /// Bit 0 to 127.
    pub label: Is<u16>,
    /// `--set`: is set, so that it then holds.
    pub set: bool,
}

/// Whose packets count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnSide {
    /// `original`
    Original,
    /// `reply`
    Reply,
    /// `both`
    Both,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnBytesMode {
    /// `packets`
    Packets,
    /// `bytes`
    Bytes,
    /// `avgpkt`: bytes a packet.
    Average,
}

/// `-m connbytes`: how much a connection has carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnBytes {
    /// `--connbytes`
    pub count: Is<Span<u64>>,
    /// `--connbytes-dir`
    pub side: ConnSide,
    /// `--connbytes-mode`
    pub mode: ConnBytesMode,
}

/// `-m connlimit`: how many connections a block of addresses has open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnLimit {
    /// `--connlimit-upto` holds up to this many, `--connlimit-above` (`not`) beyond.
    pub upto: Is<u32>,
    /// `--connlimit-mask`: bits of an address that make a block.
    pub mask: u8,
    /// `--connlimit-daddr` instead of `--connlimit-saddr`.
    pub destination: bool,
}
