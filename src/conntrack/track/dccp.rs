//! DCCP: connections by the types of their packets and who is client.
//!
//! - obeys: row [9.144]; RFC 4340 section 8; `nf_conntrack_proto_dccp.c`

#[cfg(test)]
mod tests;

use crate::packet::ipv4::protocol;

use super::{
    super::{
        entry::{Dir, Entry, Proto, status},
        events,
    },
    Facts, Step, Why,
};

/// States of a connection, with the kernel's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Nothing seen.
    None,
    /// A Request seen.
    Request,
    /// The Response seen.
    Respond,
    /// The client's Ack seen.
    PartOpen,
    /// The server has gone on.
    Open,
    /// The server asks for the end.
    CloseReq,
    /// A Close seen.
    Closing,
    /// A Reset seen.
    TimeWait,
}

impl State {
    /// All, by number.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Request,
        Self::Respond,
        Self::PartOpen,
        Self::Open,
        Self::CloseReq,
        Self::Closing,
        Self::TimeWait,
    ];

    /// As `conntrack -L` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Request => "REQUEST",
            Self::Respond => "RESPOND",
            Self::PartOpen => "PARTOPEN",
            Self::Open => "OPEN",
            Self::CloseReq => "CLOSEREQ",
            Self::Closing => "CLOSING",
            Self::TimeWait => "TIMEWAIT",
        }
    }
}

/// Types of packets.
mod ty {
    pub(super) const REQUEST: u8 = 0;
    pub(super) const RESPONSE: u8 = 1;
    pub(super) const DATA: u8 = 2;
    pub(super) const ACK: u8 = 3;
    pub(super) const DATA_ACK: u8 = 4;
    pub(super) const CLOSE_REQ: u8 = 5;
    pub(super) const CLOSE: u8 = 6;
    pub(super) const RESET: u8 = 7;
    pub(super) const SYNC: u8 = 8;
    pub(super) const SYNC_ACK: u8 = 9;
}

/// What a state and a packet lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    To(State),
    Ignore,
    Invalid,
}

/// The machine: by role of the sender, type and state.
const fn transition(client: bool, ty: u8, state: State) -> Move {
    use Move::{Ignore as IG, Invalid as IV, To};
    const RQ: Move = To(State::Request);
    const RS: Move = To(State::Respond);
    const PO: Move = To(State::PartOpen);
    const OP: Move = To(State::Open);
    const CR: Move = To(State::CloseReq);
    const CG: Move = To(State::Closing);
    const TW: Move = To(State::TimeWait);
    // In the order of the states: none, REQUEST, RESPOND, PARTOPEN, OPEN, CLOSEREQ, CLOSING, TIMEWAIT.
    let row: [Move; 8] = match (client, ty) {
        (true, ty::REQUEST) => [RQ, RQ, RS, IG, IG, IG, IG, RQ],
        (true, ty::RESPONSE) => [IV, IG, IG, IG, IG, IG, IG, IV],
        (true, ty::ACK | ty::DATA_ACK) => [IV, IV, PO, PO, OP, CR, CG, IV],
        (true, ty::DATA) => [IV, IV, IV, IV, OP, CR, CG, IV],
        (true, ty::CLOSE) => [IV, IV, IV, CG, CG, CG, IV, IV],
        (false, ty::REQUEST) => [IV, IG, IG, IG, IG, IG, IG, RQ],
        (false, ty::RESPONSE) => [IV, RS, RS, IG, IG, IG, IG, IV],
        (false, ty::ACK | ty::DATA | ty::DATA_ACK) => [IV, IV, IV, OP, OP, IV, CG, IV],
        (false, ty::CLOSE_REQ) => [IV, IV, IV, CR, CR, CR, CR, IV],
        (false, ty::CLOSE) => [IV, IV, IV, CG, CG, IV, CG, IV],
        (true, ty::RESET) => [IV, TW, TW, TW, TW, TW, TW, IG],
        // A Reset of the server is taken also in TIMEWAIT.
        (false, ty::RESET) => [IV, TW, TW, TW, TW, TW, TW, TW],
        (_, ty::SYNC | ty::SYNC_ACK) => [IV, IG, IG, IG, IG, IG, IG, IG],
        _ => [IV; 8],
    };
    row[state as usize]
}

/// State of a connection of DCCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dccp {
    pub(crate) state: State,
    /// The direction of the client.
    client: Dir,
    last_dir: Dir,
    last_type: u8,
    handshake: u64,
}

impl Dccp {
    /// The state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// A connection made by hand.
    pub const fn in_state(state: State, client: Dir, handshake: u64) -> Self {
        Self { state, client, last_dir: Dir::Original, last_type: ty::REQUEST, handshake }
    }

    /// The direction of the client.
    pub const fn client(&self) -> Dir {
        self.client
    }

    /// The sequence number of the Response.
    pub const fn handshake(&self) -> u64 {
        self.handshake
    }

    pub(crate) const fn is_closing(&self) -> bool {
        matches!(self.state, State::CloseReq | State::Closing | State::TimeWait)
    }
}

/// What a header says.
struct Header<'a> {
    l4: &'a [u8],
    ty: u8,
    long: bool,
}

impl<'a> Header<'a> {
    fn read(facts: &Facts<'a>) -> Result<Self, Step> {
        let l4 = facts.l4;
        // The kernel drops what is too short to be looked at.
        let Some(head) = l4.first_chunk::<12>() else { return Err(Step::Drop(Why::Short)) };
        let len = usize::from(head[4]) * 4;
        if !(12..=l4.len()).contains(&len) {
            return Err(Step::Invalid(Why::Malformed));
        }
        let cover = match usize::from(head[5] & 0xf) {
            0 => l4.len(),
            n => (n - 1) * 4,
        };
        if cover > l4.len() {
            return Err(Step::Invalid(Why::BadCoverage));
        }
        if facts.verify && !facts.sum_holds(protocol::DCCP, cover) {
            return Err(Step::Invalid(Why::BadChecksum));
        }
        let ty = head[8] >> 1 & 0xf;
        let long = head[8] & 1 != 0;
        if ty > ty::SYNC_ACK {
            return Err(Step::Invalid(Why::ReservedType));
        }
        Ok(Self { l4, ty, long })
    }

    /// Sequence number: 48 bits, or 24 in a short header.
    fn seq(&self) -> u64 {
        let byte = |at: usize| u64::from(self.l4.get(at).copied().unwrap_or(0));
        let top = byte(9) << 16 | byte(10) << 8 | byte(11);
        if !self.long {
            return top;
        }
        // A long header has a reserved octet, two high octets and four low ones.
        let high = byte(10) << 8 | byte(11);
        high << 32 | byte(12) << 24 | byte(13) << 16 | byte(14) << 8 | byte(15)
    }

    /// Acknowledged number.
    fn ack(&self) -> Option<u64> {
        let at = if self.long { 16 } else { 12 };
        let &[_, _, a, b, c, d, e, f] = self.l4.get(at..)?.first_chunk()?;
        Some(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }
}

/// A packet of a connection.
pub(crate) fn packet(entry: &mut Entry, facts: &Facts<'_>) -> Step {
    let header = match Header::read(facts) {
        Ok(header) => header,
        Err(step) => return step,
    };
    let (kind, dir) = (header.ty, facts.dir);
    if facts.fresh {
        match transition(true, kind, State::None) {
            Move::Invalid => return Step::Invalid(Why::BadState),
            Move::To(State::Request) => {}
            _ if !facts.rules.dccp_loose => return Step::Invalid(Why::NoPickup),
            _ => {}
        }
        entry.proto = Proto::Dccp(Dccp::in_state(State::None, Dir::Original, 0));
    }
    // Nobody answered but with a Reset: there has been no connection.
    if kind == ty::RESET && !entry.is(status::SEEN_REPLY) {
        return Step::Kill;
    }
    let Proto::Dccp(dccp) = &mut entry.proto else { return Step::Invalid(Why::BadState) };
    let old = dccp.state;
    let mut assured = false;
    let new = match transition(dccp.client == dir, kind, old) {
        Move::Invalid => return Step::Invalid(Why::BadState),
        Move::Ignore => {
            let answers =
                dccp.last_dir != dir && dccp.last_type == ty::REQUEST && kind == ty::RESPONSE;
            if !answers {
                // The ends may know better; remember what they said.
                dccp.last_dir = dir;
                dccp.last_type = kind;
                return Step::Pass;
            }
            dccp.client = dir.other();
            dccp.handshake = header.seq();
            State::Respond
        }
        Move::To(new) => {
            match new {
                // Made anew in the other direction: the roles change.
                State::Request if old == State::TimeWait => dccp.client = dir,
                State::Respond if old == State::Request => dccp.handshake = header.seq(),
                State::PartOpen if old == State::Respond && kind == ty::ACK => {
                    assured = header.ack() == Some(dccp.handshake);
                }
                _ => {}
            }
            new
        }
    };
    dccp.last_dir = dir;
    dccp.last_type = kind;
    dccp.state = new;
    if assured {
        entry.status |= status::ASSURED;
    }
    if new != old {
        entry.happened(events::PROTOINFO);
    }
    Step::Refresh(facts.timeouts.dccp[new as usize])
}
