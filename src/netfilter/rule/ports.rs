//! Matches on the headers of transport protocols.
//!
//! - takes: nothing
//! - gives: [`Tcp`], [`Udp`], [`Sctp`], [`Dccp`], [`Icmp`], [`Multiport`]
//! - obeys: xt_tcpudp, xt_sctp, xt_dccp, xt_multiport and the icmp matches of ip_tables and
//!   ip6_tables: none holds for fragments but the first

use super::basic::{Bits, Is, Masked, Span};

/// Bits of the TCP header's byte of flags: FIN is 1, URG is 32.
pub type TcpFlags = Masked<u8>;

/// `-m tcp`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tcp {
    /// `--sport`
    pub source: Option<Is<Span<u16>>>,
    /// `--dport`
    pub destination: Option<Is<Span<u16>>>,
    /// `--tcp-flags`; `--syn` looks at FIN, SYN, RST and ACK and wants SYN alone.
    pub flags: Option<Is<TcpFlags>>,
    /// `--tcp-option`: an option of this kind is there.
    pub option: Option<Is<u8>>,
}

impl Tcp {
    /// FIN, SYN, RST and ACK.
    pub const TURNS: u8 = 0x17;
}

/// `-m udp`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Udp {
    /// `--sport`
    pub source: Option<Is<Span<u16>>>,
    /// `--dport`
    pub destination: Option<Is<Span<u16>>>,
}

/// `-m sctp`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sctp {
    /// `--sport`
    pub source: Option<Is<Span<u16>>>,
    /// `--dport`
    pub destination: Option<Is<Span<u16>>>,
    /// `--chunk-types`
    pub chunks: Option<Is<SctpChunks>>,
}

/// Which chunks of a packet satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChunkRule {
    /// One of those listed is there.
    Any,
    /// All of those listed are there.
    All,
    /// None but those listed is there.
    Only,
}

/// A kind of chunk and the flags it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chunk {
    /// Its type.
    pub kind: u8,
    /// Bits of its flags, if they are looked at.
    pub flags: Option<Masked<u8>>,
}

/// Chunks that are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SctpChunks {
    /// How many of them.
    pub rule: ChunkRule,
    /// By type, each once.
    pub chunks: Vec<Chunk>,
}

/// `-m dccp`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dccp {
    /// `--sport`
    pub source: Option<Is<Span<u16>>>,
    /// `--dport`
    pub destination: Option<Is<Span<u16>>>,
    /// `--dccp-types`, a bit each: REQUEST is bit 0; INVALID is all of bits 10 to 15.
    pub types: Option<Is<Bits>>,
    /// `--dccp-option`: an option of this kind is there.
    pub option: Option<Is<u8>>,
}

/// `--icmp-type`, `--icmpv6-type`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Icmp {
    /// The type; of IPv4, 255 is any.
    pub kind: u8,
    /// Its codes.
    pub codes: Span<u8>,
}

impl Icmp {
    /// Any type, of IPv4.
    pub const ANY: u8 = 255;
}

/// Which port of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortSide {
    /// `--sports`
    Source,
    /// `--dports`
    Destination,
    /// `--ports`
    Either,
}

/// `-m multiport`: of TCP, UDP, UDP-Lite, SCTP and DCCP.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Multiport {
    /// Which is looked at.
    pub side: PortSide,
    /// At most 15, a range counting as two.
    pub ports: Vec<Span<u16>>,
}
