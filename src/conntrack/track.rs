//! What each transport makes of a packet of a connection.
//!
//! - takes: the entry, and the packet from its transport header on ([`Facts`])
//! - gives: one [`Step`]; a tracker changes its own state and the status bits, nothing else
//! - obeys: rows [9.116] to [9.144]; the kernel's `nf_conntrack_proto_*.c`, in the order of their checks

pub mod dccp;
pub mod generic;
pub mod gre;
pub mod icmp;
pub mod icmp6;
pub mod sctp;
pub mod tcp;
pub mod udp;

use crate::packet::{checksum, ipv4::protocol};

use super::{
    Nanos,
    entry::{Dir, Entry, status},
    events,
    rules::Rules,
    seqadj::SeqAdj,
    timeouts::Timeouts,
    tuple::ICMPV6,
};

/// What a tracker knows beside the entry.
pub(crate) struct Facts<'a> {
    /// The packet from its IP header on, without padding.
    pub(crate) packet: &'a [u8],
    /// The same from its transport header on.
    pub(crate) l4: &'a [u8],
    pub(crate) six: bool,
    pub(crate) dir: Dir,
    /// Whether this packet made the entry.
    pub(crate) fresh: bool,
    /// Whether checksums are to be verified.
    pub(crate) verify: bool,
    pub(crate) now: Nanos,
    pub(crate) rules: &'a Rules,
    pub(crate) timeouts: &'a Timeouts,
    pub(crate) seqadj: Option<&'a SeqAdj>,
}

impl Facts<'_> {
    /// Whether the checksum over the pseudo-header and the first `cover` octets holds.
    pub(crate) fn sum_holds(&self, proto: u8, cover: usize) -> bool {
        sum_holds(self.packet, self.l4, self.six, proto, cover)
    }
}

/// Whether a checksum over the pseudo-header and the first `cover` octets of the transport holds.
fn sum_holds(packet: &[u8], l4: &[u8], six: bool, proto: u8, cover: usize) -> bool {
    let addresses = match six {
        true => packet.get(8..40).map_or(0, checksum::wide),
        false => packet.get(12..20).map_or(0, checksum::wide),
    };
    let pseudo = u64::from((l4.len() as u16).to_be()) + u64::from(u16::from(proto).to_be());
    let covered = checksum::wide(l4.get(..cover).unwrap_or(l4));
    checksum::fold(addresses + pseudo + covered) == 0xffff
}

/// Whether the checksum over the pseudo-header and all of the transport holds, which stands right behind
/// the addresses.
#[inline(always)]
fn sum_holds_plain<const SIX: bool>(packet: &[u8], l4: &[u8], proto: u8) -> bool {
    let named = packet.get(if SIX { 8 } else { 12 }..).unwrap_or_default();
    let pseudo = u64::from((l4.len() as u16).to_be()) + u64::from(u16::from(proto).to_be());
    checksum::is_whole(checksum::wide(named) + pseudo)
}

/// What a tracker decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The packet goes on; the entry lives as long as before.
    Pass,
    /// The packet goes on and counts; the entry lives so long from now on.
    Refresh(Nanos),
    /// The packet goes on and counts; the entry ends.
    Kill,
    /// The packet asks for a new connection in the place of this one.
    Reopen,
    /// The packet belongs to no connection.
    Invalid(Why),
    /// The same, and the entry lives no longer than this from now on.
    InvalidShorten(Why, Nanos),
    /// The same, and it must not go on.
    Drop(Why),
}

/// Why a packet belongs to no connection, in the kernel's words of `nf_conntrack_log_invalid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Why {
    /// No transport header was found.
    #[error("no transport header")]
    NoTransport,
    /// The transport header is not whole, or its protocol has no tuple for it.
    #[error("no tuple")]
    NoTuple,
    /// The message has no answer.
    #[error("not invertible")]
    NotInvertible,
    /// No room for another entry.
    #[error("table full, dropping packet")]
    TableFull,
    /// Fewer octets than a header.
    #[error("short packet")]
    Short,
    /// A length field that cannot be.
    #[error("truncated/malformed packet")]
    Malformed,
    /// The checksum does not hold.
    #[error("bad checksum")]
    BadChecksum,
    /// UDP-Lite without checksum.
    #[error("checksum missing")]
    NoChecksum,
    /// A checksum that covers what cannot be.
    #[error("invalid checksum coverage")]
    BadCoverage,
    /// Flags that no TCP sends.
    #[error("invalid tcp flag combination")]
    BadFlags,
    /// A type of ICMP that nobody knows.
    #[error("invalid icmp type")]
    BadType,
    /// An ICMP message that cannot begin a connection.
    #[error("cannot start a connection")]
    NoStart,
    /// An ICMP error about nothing known.
    #[error("no connection for the quoted packet")]
    Unrelated,
    /// An ICMP error to somebody else than the sender of what it quotes.
    #[error("outer daddr != inner")]
    OtherReceiver,
    /// A redirect of IPv6 that the neighbour cannot have sent.
    #[error("invalid saddr or hoplimit for redirect")]
    BadRedirect,
    /// The state has no place for such a packet.
    #[error("invalid state")]
    BadState,
    /// A connection under way, which is not to be picked up.
    #[error("not picking up existing connection")]
    NoPickup,
    /// A reset with an old sequence number.
    #[error("invalid rst")]
    BadReset,
    /// Beyond what the receiver offered.
    #[error("SEQ is over upper bound (over the window of the receiver)")]
    SeqOver,
    /// An acknowledgement of what has not been sent.
    #[error("ACK is over upper bound (ACKed data not seen yet)")]
    AckOver,
    /// A type of DCCP that is reserved.
    #[error("reserved packet type")]
    ReservedType,
    /// Chunks of SCTP that cannot stand so.
    #[error("bad chunks")]
    BadChunks,
    /// A verification tag of SCTP that is not the connection's.
    #[error("verification tag failed")]
    BadTag,
}

/// Asks the tracker of the entry's protocol.
#[inline]
pub(crate) fn packet(entry: &mut Entry, facts: &Facts<'_>) -> Step {
    match entry.nodes[0].tuple.proto {
        protocol::TCP => tcp::packet(entry, facts),
        protocol::UDP => udp::packet(entry, facts),
        protocol::UDPLITE => udp::lite_packet(entry, facts),
        protocol::ICMP => icmp::packet(entry, facts),
        ICMPV6 => icmp6::packet(entry, facts),
        protocol::SCTP => sctp::packet(entry, facts),
        protocol::DCCP => dccp::packet(entry, facts),
        protocol::GRE => gre::packet(entry, facts),
        _ => generic::packet(facts),
    }
}

/// Whether two packets of one flow may have made an entry each without harm.
pub(crate) const fn allows_clash(proto: u8) -> bool {
    !matches!(proto, protocol::TCP | protocol::SCTP | protocol::DCCP | protocol::ICMP | ICMPV6)
}

/// Whether an assured entry may still make room for others: its connection is closing.
pub(crate) const fn may_go_early(entry: &Entry) -> bool {
    use super::entry::Proto;
    match &entry.proto {
        Proto::Tcp(tcp) => tcp.is_closing(),
        Proto::Sctp(sctp) => sctp.is_closing(),
        Proto::Dccp(dccp) => dccp.is_closing(),
        _ => false,
    }
}

/// Marks a connection as not to be dropped early.
pub(crate) const fn assure(entry: &mut Entry) {
    if !entry.is(status::ASSURED) {
        entry.status |= status::ASSURED;
        entry.happened(events::ASSURED);
    }
}
