//! PPTP: calls of PPP in GRE, which a control connection numbers.
//!
//! - takes: segments of a control connection, and how far its session and its call have come
//! - gives: an expectation of GRE in each direction when a call is up, and the numbers of its packets
//! - obeys: RFC 2637; `nf_conntrack_pptp` and `nf_nat_pptp` of the kernel; row [9.176]
//! - costs: one message of at most 220 bytes
//!
//! The client (PNS) has opened the connection, the server (PAC) answers. Behind a translation the
//! client's call is renumbered to its port towards the server, so that two clients may use the same
//! number.

use super::super::entry::Dir;
use super::super::tuple::Tuple;
use super::{Cx, Desk, Helper, Verdict, Why, follow};
use crate::packet::ipv4::protocol;

const COOKIE: u32 = 0x1a2b_3c4d;
/// Bytes before the fields that a message has of its own.
const HEAD: usize = 12;
/// The least length of each message, by its number.
const LENGTHS: [usize; 16] = [0, 156, 156, 16, 16, 16, 20, 168, 32, 220, 24, 28, 16, 148, 40, 24];

mod message {
    pub(super) const START_REQUEST: u16 = 1;
    pub(super) const START_REPLY: u16 = 2;
    pub(super) const STOP_REQUEST: u16 = 3;
    pub(super) const STOP_REPLY: u16 = 4;
    pub(super) const OUT_CALL_REQUEST: u16 = 7;
    pub(super) const OUT_CALL_REPLY: u16 = 8;
    pub(super) const IN_CALL_REQUEST: u16 = 9;
    pub(super) const IN_CALL_REPLY: u16 = 10;
    pub(super) const IN_CALL_CONNECT: u16 = 11;
    pub(super) const CALL_CLEAR: u16 = 12;
    pub(super) const CALL_DISCONNECT: u16 = 13;
    pub(super) const WAN_ERROR: u16 = 14;
    pub(super) const SET_LINK: u16 = 15;
}

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Session {
    #[default]
    None,
    Error,
    StopRequested,
    Requested,
    Confirmed,
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Call {
    #[default]
    None,
    OutRequested,
    OutConfirmed,
    InRequested,
    InReplied,
    InConfirmed,
    ClearRequested,
}

/// What is remembered of a control connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Control {
    session: Session,
    call: Call,
    /// Numbers of the call as the server sees them.
    client: u16,
    server: u16,
    /// The client's own number, where it is translated.
    inner_client: u16,
    inner_server: u16,
}

/// A message of the control connection.
struct Message<'a> {
    number: u16,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    fn read(payload: &'a [u8]) -> Option<Self> {
        let &[_, _, kind_high, kind_low, a, b, c, d, high, low, _, _] = payload.first_chunk()?;
        let control = u16::from_be_bytes([kind_high, kind_low]) == 1;
        let number = u16::from_be_bytes([high, low]);
        let least = LENGTHS.get(usize::from(number)).copied().unwrap_or(0);
        (control && u32::from_be_bytes([a, b, c, d]) == COOKIE && payload.len() >= least)
            .then(|| Self { number, body: &payload[HEAD..] })
    }

    /// A number of a call.
    fn word(&self, at: usize) -> u16 {
        self.body
            .get(at..)
            .and_then(|rest| rest.first_chunk())
            .map_or(0, |&w| u16::from_be_bytes(w))
    }

    fn octet(&self, at: usize) -> u8 {
        self.body.get(at).copied().unwrap_or(0)
    }
}

/// Reads a segment.
pub fn read(cx: &Cx<'_>, control: &mut Control, desk: &mut impl Desk) -> Verdict {
    if !cx.established || cx.tuples[0].six {
        return Verdict::Accept;
    }
    let Some(message) = Message::read(cx.payload) else { return Verdict::Accept };
    let heard = match cx.dir {
        Dir::Original => control.hear_client(&message).then_some(Heard::Noted),
        Dir::Reply => control.hear_server(&message),
    };
    match heard {
        // What breaks the order of messages is left to those who talk.
        None => return Verdict::Accept,
        Some(Heard::Noted) => {}
        Some(Heard::Up) => {
            // Refused expectations are no reason to hold the answer back.
            control.announce(cx, desk);
        }
        Some(Heard::Down) => desk.end_calls(&control.calls(cx)),
    }
    if !cx.translated {
        return Verdict::Accept;
    }
    match control.renumbered(cx, &message) {
        Some((at, number))
            if desk.edits().replace(HEAD + at, 2, &number.to_be_bytes()).is_err() =>
        {
            Verdict::Drop(Why::NoEdit)
        }
        _ => Verdict::Accept,
    }
}

enum Heard {
    Noted,
    Up,
    Down,
}

impl Control {
    /// What the client says; false where it does not fit.
    fn hear_client(&mut self, message: &Message<'_>) -> bool {
        match message.number {
            message::START_REQUEST => {
                let first = self.session == Session::None;
                if first {
                    self.session = Session::Requested;
                }
                first
            }
            message::STOP_REQUEST => {
                self.session = Session::StopRequested;
                true
            }
            message::OUT_CALL_REQUEST if self.session == Session::Confirmed => {
                self.call = Call::OutRequested;
                self.client = message.word(0);
                true
            }
            message::IN_CALL_REPLY
                if matches!(self.call, Call::InRequested | Call::InReplied)
                    && self.server == message.word(2) =>
            {
                if message.octet(4) == 1 {
                    self.call = Call::InReplied;
                    self.client = message.word(0);
                } else {
                    self.call = Call::None;
                }
                true
            }
            message::CALL_CLEAR if self.session == Session::Confirmed => {
                self.call = Call::ClearRequested;
                true
            }
            5 | 6 | message::SET_LINK => true,
            _ => false,
        }
    }

    /// What the server says; nothing where it does not fit.
    fn hear_server(&mut self, message: &Message<'_>) -> Option<Heard> {
        match message.number {
            message::START_REPLY if self.session >= Session::Requested => {
                let started = message.octet(2) == 1;
                self.session = if started { Session::Confirmed } else { Session::Error };
            }
            message::STOP_REPLY if self.session <= Session::StopRequested => {
                let stopped = message.octet(0) == 1;
                self.session = if stopped { Session::None } else { Session::Error };
            }
            message::OUT_CALL_REPLY
                if self.session == Session::Confirmed
                    && matches!(self.call, Call::OutRequested | Call::OutConfirmed)
                    && self.client == message.word(2) =>
            {
                if message.octet(4) != 1 {
                    self.call = Call::None;
                    return Some(Heard::Noted);
                }
                self.call = Call::OutConfirmed;
                self.server = message.word(0);
                return Some(Heard::Up);
            }
            message::IN_CALL_REQUEST if self.session == Session::Confirmed => {
                self.call = Call::InRequested;
                self.server = message.word(0);
            }
            message::IN_CALL_CONNECT
                if self.session == Session::Confirmed
                    && matches!(self.call, Call::InReplied | Call::InConfirmed)
                    && self.client == message.word(0) =>
            {
                self.call = Call::InConfirmed;
                return Some(Heard::Up);
            }
            message::CALL_DISCONNECT => {
                self.call = Call::None;
                return Some(Heard::Down);
            }
            5 | 6 | message::WAN_ERROR | message::SET_LINK => {}
            _ => return None,
        }
        Some(Heard::Noted)
    }

    /// The tuples of the call's packets, by direction.
    fn calls(&self, cx: &Cx<'_>) -> [Tuple; 2] {
        let gre =
            |tuple: &Tuple, sport, dport| Tuple { sport, dport, proto: protocol::GRE, ..*tuple };
        let [original, reply] = cx.tuples;
        if cx.translated {
            [
                gre(original, self.inner_client, self.server),
                gre(reply, self.inner_server, self.client),
            ]
        } else {
            [gre(original, self.client, self.server), gre(reply, self.server, self.client)]
        }
    }

    /// Announces a call that is up.
    fn announce(&mut self, cx: &Cx<'_>, desk: &mut impl Desk) {
        if cx.translated {
            self.inner_server = self.server;
        }
        let calls = self.calls(cx);
        let [there, back] = [Dir::Original, Dir::Reply].map(|dir| {
            let tuple = calls[dir.index()];
            let mut expect = cx.expect(Helper::Pptp, 0, Some(tuple.src), (tuple.dst, tuple.dport));
            expect.tuple = tuple;
            expect.mask_sport = u16::MAX;
            expect.dir = dir;
            expect.follow = follow::CALL;
            expect.saved_port = match (cx.translated, dir) {
                (true, Dir::Original) => self.client,
                (true, Dir::Reply) => self.inner_client,
                (false, _) => 0,
            };
            expect
        });
        let most = Helper::Pptp.most(0);
        if desk.expect(there, most).is_err() {
            return;
        }
        if desk.expect(back, most).is_err() {
            desk.unexpect(&there);
            return;
        }
        if !desk.add_calls(&calls) {
            desk.unexpect(&there);
            desk.unexpect(&back);
        }
    }

    /// Where a message has the client's number in it, and what it is on the other side.
    fn renumbered(&mut self, cx: &Cx<'_>, message: &Message<'_>) -> Option<(usize, u16)> {
        match (cx.dir, message.number) {
            (Dir::Original, message::OUT_CALL_REQUEST) => {
                self.inner_client = self.client;
                self.client = cx.tuples[1].dport;
                Some((0, self.client))
            }
            (Dir::Original, message::IN_CALL_REPLY | message::CALL_CLEAR) => Some((0, self.client)),
            (Dir::Reply, message::OUT_CALL_REPLY) => Some((2, self.inner_client)),
            (
                Dir::Reply,
                message::IN_CALL_CONNECT
                | message::WAN_ERROR
                | message::CALL_DISCONNECT
                | message::SET_LINK,
            ) => Some((0, self.inner_client)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
