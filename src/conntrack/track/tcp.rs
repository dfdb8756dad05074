//! TCP: the states of a connection as somebody in the middle sees them.
//!
//! - takes: segments of both directions, in the order in which they pass
//! - gives: the state, timeouts, and which segments belong to no connection
//! - obeys: rows [9.121] to [9.136]; RFC 793, RFC 1122 4.2.2.13, RFC 5961; `nf_conntrack_proto_tcp.c`

mod segment;
#[cfg(test)]
mod tests;
mod window;

use segment::Segment;

use super::{
    super::{
        entry::{Dir, Entry, Proto, status},
        events,
        seqadj::before,
        timeouts::tcp_extra,
    },
    Facts, Step, Why, assure,
};

/// States of a connection, with the kernel's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Nothing seen.
    None,
    /// A SYN seen.
    SynSent,
    /// Its SYN and ACK seen.
    SynRecv,
    /// The handshake is done.
    Established,
    /// A FIN seen.
    FinWait,
    /// That FIN is acknowledged.
    CloseWait,
    /// The other FIN seen.
    LastAck,
    /// Both are acknowledged.
    TimeWait,
    /// A reset seen.
    Close,
    /// A SYN of each side seen.
    SynSent2,
}

impl State {
    /// All, by number.
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::SynSent,
        Self::SynRecv,
        Self::Established,
        Self::FinWait,
        Self::CloseWait,
        Self::LastAck,
        Self::TimeWait,
        Self::Close,
        Self::SynSent2,
    ];

    /// As `conntrack -L` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::Established => "ESTABLISHED",
            Self::FinWait => "FIN_WAIT",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::SynSent2 => "SYN_SENT2",
        }
    }
}

/// What a segment is to the state machine; RST before SYN before FIN before ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// SYN.
    Syn,
    /// SYN and ACK.
    SynAck,
    /// FIN.
    Fin,
    /// ACK alone.
    Ack,
    /// RST.
    Rst,
    /// None of them.
    None,
}

/// What a state and a segment lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    To(State),
    /// Let it pass and remember it: the ends may know better.
    Ignore,
    Invalid,
}

/// The machine: by direction, class and state.
const fn transition(dir: Dir, class: Class, state: State) -> Move {
    use Move::{Ignore as IG, Invalid as IV, To};
    use State as S;
    const NO: Move = IV;
    const SS: Move = To(S::SynSent);
    const SR: Move = To(S::SynRecv);
    const ES: Move = To(S::Established);
    const FW: Move = To(S::FinWait);
    const CW: Move = To(S::CloseWait);
    const LA: Move = To(S::LastAck);
    const TW: Move = To(S::TimeWait);
    const CL: Move = To(S::Close);
    const S2: Move = To(S::SynSent2);
    // In the order of the states: none, SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT,
    // LAST_ACK, TIME_WAIT, CLOSE, SYN_SENT2.
    let row: [Move; 10] = match (dir, class) {
        (Dir::Original, Class::Syn) => [SS, SS, IG, IG, IG, IG, IG, SS, SS, S2],
        (Dir::Original, Class::SynAck) => [NO, NO, SR, NO, NO, NO, NO, NO, NO, SR],
        (Dir::Original, Class::Ack) => [ES, NO, ES, ES, CW, CW, TW, TW, CL, NO],
        (Dir::Reply, Class::Syn) => [NO, S2, NO, NO, NO, NO, NO, SS, NO, S2],
        (Dir::Reply, Class::SynAck) => [NO, SR, IG, IG, IG, IG, IG, IG, IG, SR],
        (Dir::Reply, Class::Ack) => [NO, IG, SR, ES, CW, CW, TW, TW, CL, IG],
        (_, Class::Fin) => [NO, NO, FW, FW, LA, LA, LA, TW, CL, NO],
        (_, Class::Rst) => [NO, CL, CL, CL, CL, CL, CL, CL, CL, CL],
        (_, Class::None) => [NO; 10],
    };
    row[state as usize]
}

/// Flags of one side, and of the segment remembered (`IP_CT_TCP_FLAG_*`).
mod flag {
    pub(super) const WINDOW_SCALE: u8 = 0x01;
    pub(super) const SACK_PERM: u8 = 0x02;
    pub(super) const CLOSE_INIT: u8 = 0x04;
    pub(super) const BE_LIBERAL: u8 = 0x08;
    pub(super) const DATA_UNACKNOWLEDGED: u8 = 0x10;
    pub(super) const MAXACK_SET: u8 = 0x20;
    pub(super) const CHALLENGE_ACK: u8 = 0x40;
    pub(super) const SIMULTANEOUS_OPEN: u8 = 0x80;
}

/// What has been seen of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Side {
    /// Highest sequence number sent, with its length.
    pub end: u32,
    /// Highest that the other side's window allows.
    pub maxend: u32,
    /// Greatest window offered.
    pub maxwin: u32,
    /// Highest acknowledgement sent.
    pub maxack: u32,
    /// Window scale.
    pub scale: u8,
    /// Scaling, SACK, who closed, how strict.
    pub flags: u8,
}

/// State of a connection of TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp {
    /// What has been seen of each side.
    pub seen: [Side; 2],
    pub(crate) state: State,
    last_dir: Dir,
    retrans: u8,
    last_class: Class,
    last_seq: u32,
    last_ack: u32,
    last_end: u32,
    last_win: u16,
    last_scale: u8,
    last_flags: u8,
}

impl Tcp {
    const NEW: Self = Self {
        seen: [Side { end: 0, maxend: 0, maxwin: 0, maxack: 0, scale: 0, flags: 0 }; 2],
        state: State::None,
        last_dir: Dir::Original,
        retrans: 0,
        last_class: Class::None,
        last_seq: 0,
        last_ack: 0,
        last_end: 0,
        last_win: 0,
        last_scale: 0,
        last_flags: 0,
    };

    /// The state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// A connection made by hand in this state; its windows are not checked.
    pub const fn in_state(state: State) -> Self {
        let side = Side {
            end: 0,
            maxend: 0,
            maxwin: 0,
            maxack: 0,
            scale: 0,
            flags: flag::SACK_PERM | flag::BE_LIBERAL,
        };
        Self { seen: [side; 2], state, ..Self::NEW }
    }

    /// A reset of the router's own ends it, as `REJECT --reject-with tcp-reset` does.
    pub const fn close(&mut self) {
        self.state = State::Close;
    }

    pub(crate) const fn is_closing(&self) -> bool {
        matches!(
            self.state,
            State::FinWait | State::LastAck | State::TimeWait | State::Close | State::CloseWait
        )
    }

    /// The state of a connection whose first segment this is.
    fn begin(segment: &Segment<'_>, loose: bool) -> Result<Self, Why> {
        let mut tcp = Self::NEW;
        let window = u32::from(segment.window).max(1);
        match transition(Dir::Original, segment.class(), State::None) {
            Move::To(State::SynSent) => {
                let side = &mut tcp.seen[0];
                side.end = segment.end();
                side.maxend = side.end;
                side.maxwin = window;
                segment.read_options(side);
            }
            Move::To(_) if !loose => return Err(Why::NoPickup),
            Move::To(_) => {
                // Its history is lost: trust the segment, and be liberal from here on.
                let side = &mut tcp.seen[0];
                side.end = segment.end();
                side.maxwin = window;
                side.maxend = side.end.wrapping_add(window);
                for side in &mut tcp.seen {
                    side.flags = flag::SACK_PERM | flag::BE_LIBERAL;
                }
            }
            _ => return Err(Why::BadState),
        }
        Ok(tcp)
    }

    /// Remembers a segment that is let through without being believed.
    fn remember(&mut self, segment: &Segment<'_>, dir: Dir, old: State) {
        let class = segment.class();
        self.last_class = class;
        self.last_dir = dir;
        self.last_seq = segment.seq;
        self.last_end = segment.end();
        self.last_win = segment.window;
        if class == Class::Syn && dir == Dir::Original {
            // Both ends may be in step and only we not; should a SYN and ACK follow, this is what it
            // answers. Else a challenge ACK may come, which must not pass for the last ACK.
            let mut side = Side::default();
            segment.read_options(&mut side);
            self.last_flags = side.flags & (flag::WINDOW_SCALE | flag::SACK_PERM);
            self.last_scale = side.scale;
            if old == State::LastAck {
                self.last_flags |= flag::CHALLENGE_ACK;
            }
        }
        if old == State::SynSent && class == Class::Ack && dir == Dir::Reply {
            self.last_ack = segment.ack;
        }
    }

    /// Takes both ends' word that a SYN remembered has opened the connection anew.
    fn resynchronise(&mut self, dir: Dir) {
        self.last_flags &= !flag::CHALLENGE_ACK;
        let client = &mut self.seen[self.last_dir.index()];
        client.end = self.last_end;
        client.maxend = self.last_end;
        client.maxwin = u32::from(self.last_win).max(1);
        client.scale = self.last_scale;
        client.flags = self.last_flags;
        let liberal = self.seen[dir.index()].flags & flag::BE_LIBERAL;
        self.seen[dir.index()] = Side { flags: liberal, ..Side::default() };
    }

    /// Whether a reset is to be believed, given the bits of the status.
    fn reset(&self, segment: &Segment<'_>, dir: Dir, old: State, bits: u32, ignore: bool) -> Reset {
        let established = self.state == State::Established && bits & status::ASSURED != 0;
        let other = &self.seen[dir.other().index()];
        let mut next = State::Close;
        // The ports may have been taken again, so what is known of the closing connection is old.
        if self.is_closing() {
            return Reset::Believe(next);
        }
        // After a SYN that was let through the last acknowledgement means nothing either.
        if other.flags & flag::MAXACK_SET != 0 && self.last_class != Class::Syn {
            let seq = segment.seq;
            // Most likely the answer to a SYN that was let through.
            if seq == 0 && !established {
                return Reset::Check(next);
            }
            if before(seq, other.maxack) && !ignore {
                return Reset::Invalid;
            }
            if !established || seq == other.maxack {
                return Reset::Check(next);
            }
            // The last of a train that this side has just sent.
            if self.last_class == Class::Ack && self.last_dir == dir && seq == self.last_end {
                return Reset::Check(next);
            }
            // In the window but not exact: the receiver may answer with a challenge.
            next = old;
        }
        let answers = segment.ack == self.last_end
            && (bits & status::SEEN_REPLY != 0 && self.last_class == Class::Syn
                || bits & status::ASSURED == 0 && self.last_class == Class::Ack);
        let challenged = old == State::SynSent
            && self.last_class == Class::Ack
            && self.last_dir == Dir::Reply
            && segment.seq == self.last_ack;
        if answers || challenged { Reset::Believe(next) } else { Reset::Check(next) }
    }
}

/// What a reset is worth.
enum Reset {
    Invalid,
    /// Its window decides.
    Check(State),
    /// It answers what was let through, so the window says nothing.
    Believe(State),
}

/// A segment of a connection.
pub(crate) fn packet(entry: &mut Entry, facts: &Facts<'_>) -> Step {
    let segment = match Segment::read(facts) {
        Ok(segment) => segment,
        Err(why) => return Step::Invalid(why),
    };
    if facts.fresh {
        match Tcp::begin(&segment, facts.rules.tcp_loose) {
            Ok(tcp) => entry.proto = Proto::Tcp(tcp),
            Err(why) => return Step::Invalid(why),
        }
    }
    let bits = entry.status;
    let Proto::Tcp(tcp) = &mut entry.proto else { return Step::Invalid(Why::BadState) };
    let (dir, class) = (facts.dir, segment.class());
    let mut old = tcp.state;
    let mut ignore = false;
    let mut in_window = false;

    let mut new = match transition(dir, class, old) {
        Move::Invalid => return Step::Invalid(Why::BadState),
        Move::Ignore => {
            ignore = true;
            old
        }
        Move::To(State::SynSent) if old >= State::TimeWait => {
            let closed = (tcp.seen[0].flags | tcp.seen[1].flags) & flag::CLOSE_INIT != 0;
            if closed || tcp.last_dir == dir && tcp.last_class == Class::Rst {
                return Step::Reopen;
            }
            ignore = true;
            old
        }
        Move::To(new) => new,
    };
    match new {
        _ if ignore => {
            let answers = class == Class::SynAck
                && tcp.last_class == Class::Syn
                && tcp.last_dir != dir
                && segment.ack == tcp.last_end;
            if !answers {
                tcp.remember(&segment, dir, old);
                return Step::Pass;
            }
            tcp.resynchronise(dir);
            (old, new) = (State::SynSent, State::SynRecv);
        }
        State::TimeWait => {
            let challenge = old == State::LastAck
                && class == Class::Ack
                && tcp.last_dir != dir
                && tcp.last_class == Class::Syn
                && tcp.last_flags & flag::CHALLENGE_ACK != 0;
            if challenge {
                tcp.last_flags &= !flag::CHALLENGE_ACK;
                return Step::Pass;
            }
        }
        State::SynSent2 => tcp.last_flags |= flag::SIMULTANEOUS_OPEN,
        State::SynRecv => {
            let simultaneous = tcp.last_flags & flag::SIMULTANEOUS_OPEN != 0;
            if dir == Dir::Reply && class == Class::Ack && simultaneous {
                new = State::Established;
            }
        }
        State::Close if class == Class::Rst => {
            match tcp.reset(&segment, dir, old, bits, facts.rules.tcp_ignore_invalid_rst) {
                Reset::Invalid => return Step::Invalid(Why::BadReset),
                Reset::Check(next) => new = next,
                Reset::Believe(next) => (new, in_window) = (next, true),
            }
        }
        _ => {}
    }

    if !in_window {
        match tcp.in_window(&segment, facts) {
            window::Judgement::Accept => {}
            window::Judgement::Ignore => return Step::Pass,
            window::Judgement::Invalid(why) => {
                if bits & (status::ASSURED | status::FIXED_TIMEOUT) == status::ASSURED
                    && matches!(class, Class::Rst | Class::Fin)
                {
                    return doubt(entry, facts, class, why);
                }
                return Step::Invalid(why);
            }
        }
    }
    settle(entry, facts, class, old, new)
}

/// An assured connection sees FINs or resets that it cannot place: when both sides send such, it does
/// not live for days.
fn doubt(entry: &mut Entry, facts: &Facts<'_>, class: Class, why: Why) -> Step {
    let left = entry.left(facts.now);
    let unack = facts.timeouts.tcp[tcp_extra::UNACK];
    let Proto::Tcp(tcp) = &mut entry.proto else { return Step::Invalid(why) };
    if tcp.last_dir != facts.dir && matches!(tcp.last_class, Class::Fin | Class::Rst) {
        if left >= 120 * super::super::timeouts::SECOND && left > unack {
            return Step::InvalidShorten(why, unack);
        }
    } else {
        tcp.last_class = class;
        tcp.last_dir = facts.dir;
    }
    Step::Invalid(why)
}

/// A segment in the window: the state changes and the timeout follows.
fn settle(entry: &mut Entry, facts: &Facts<'_>, class: Class, old: State, new: State) -> Step {
    let bits = entry.status;
    let Proto::Tcp(tcp) = &mut entry.proto else { return Step::Pass };
    tcp.last_class = class;
    tcp.last_dir = facts.dir;
    tcp.state = new;
    if old != new && new == State::FinWait {
        tcp.seen[facts.dir.index()].flags |= flag::CLOSE_INIT;
    }

    let all = &facts.timeouts.tcp;
    let usual = all[new as usize];
    let unacknowledged = (tcp.seen[0].flags | tcp.seen[1].flags) & flag::DATA_UNACKNOWLEDGED != 0;
    let shorter = |extra: usize, wanted: bool| (wanted && usual > all[extra]).then(|| all[extra]);
    let mut timeout = shorter(tcp_extra::RETRANS, tcp.retrans >= facts.rules.tcp_max_retrans)
        .or_else(|| (class == Class::Rst).then_some(all[State::Close as usize]))
        .or_else(|| shorter(tcp_extra::UNACK, unacknowledged))
        .or_else(|| shorter(tcp_extra::RETRANS, tcp.last_win == 0))
        .unwrap_or(usual);

    if old != new {
        entry.happened(events::PROTOINFO);
    }
    if bits & status::SEEN_REPLY == 0 {
        // Nobody answered but with a reset: there has been no connection.
        if class == Class::Rst {
            return Step::Kill;
        }
        // A SYN sent again does not keep an entry, with its translation, alive for ever.
        if class == Class::Syn && old == State::SynSent {
            return Step::Pass;
        }
        if new == State::Established {
            timeout = timeout.min(all[tcp_extra::UNACK]);
        }
    } else if bits & status::ASSURED == 0
        && matches!(old, State::SynRecv | State::Established)
        && new == State::Established
    {
        assure(entry);
    }
    Step::Refresh(timeout)
}
