//! SIP: where telephones listen for calls, and for what they say to each other.
//!
//! - takes: datagrams or segments of signalling, and the numbers of its last requests
//! - gives: expectations of media (RTP and RTCP of each line `m=`) and of calls after a registration;
//!   under translation the edits of request line, Via, Contact, From, To and the session's description
//! - obeys: RFC 3261, RFC 3581, RFC 8866; `nf_conntrack_sip` and `nf_nat_sip` of the kernel; row [9.172]
//! - costs: a few searches of the message for lines; at most [`MEDIA`] media and [`MESSAGES`] messages
//!   of a segment
//!
//! What the kernel has and this has not: the port that Cisco's telephones ask answers at
//! (`forced_dport`), the pairing of both sides' media, and `sip_external_media`.

use super::super::expect::{Expect, Refused, flag};
use super::super::tuple::Addr;
use super::text::{self, Line};
use super::{Cx, Desk, Helper, Options, Verdict, Why, expect_plain, expect_port, follow};
use crate::packet::ipv4::protocol;

mod message;

use message::{CONTACT, CONTENT_LENGTH, CSEQ, EXPIRES, FROM, Place, Spot, TO};

/// Most media of one description, and most messages of one segment.
pub const MEDIA: usize = 8;
/// Most messages of one segment.
pub const MESSAGES: usize = 8;
/// The class of calls; others are media.
pub const SIGNALLING: u8 = 0;
/// Most pairs of ports that are tried for media.
const PAIRS: u16 = 128;
const RESPONSE: &[u8] = b"SIP/2.0 ";

/// What is remembered: the numbers of the last requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dialogue {
    invite: u32,
    register: u32,
}

/// A method that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Invite,
    Update,
    Ack,
    Prack,
    Bye,
    Register,
}

const METHODS: [(&[u8], Method); 6] = [
    (b"INVITE", Method::Invite),
    (b"UPDATE", Method::Update),
    (b"ACK", Method::Ack),
    (b"PRACK", Method::Prack),
    (b"BYE", Method::Bye),
    (b"REGISTER", Method::Register),
];

/// The media that are expected, with their classes.
const MEDIA_KINDS: [(&[u8], u8); 3] = [(b"audio ", 1), (b"video ", 2), (b"image ", 3)];

/// One message, and where it stands in the payload.
struct Message<'a> {
    cx: &'a Cx<'a>,
    options: &'a Options,
    data: &'a [u8],
    base: usize,
    six: bool,
    /// How much longer the description becomes.
    grown: isize,
    /// The place that a registration has edited already.
    edited: Option<usize>,
}

/// Reads a datagram or a segment.
pub fn read(
    cx: &Cx<'_>,
    dialogue: &mut Dialogue,
    options: &Options,
    desk: &mut impl Desk,
) -> Verdict {
    let tcp = cx.tuples[0].proto == protocol::TCP;
    if cx.payload.is_empty() || tcp && !cx.established {
        return Verdict::Accept;
    }
    desk.refresh(options.sip_timeout);
    let mut base = 0;
    for _ in 0..MESSAGES {
        let rest = cx.payload.get(base..).unwrap_or_default();
        if rest.len() < RESPONSE.len() + 3 {
            break;
        }
        let Some(len) = (if tcp { message_len(rest) } else { Some(rest.len()) }) else { break };
        let mut message = Message {
            cx,
            options,
            data: &rest[..len],
            base,
            six: cx.tuples[0].six,
            grown: 0,
            edited: None,
        };
        if let Err(why) = message.read(dialogue, desk) {
            return Verdict::Drop(why);
        }
        base += len;
    }
    Verdict::Accept
}

/// The length of the message that a segment starts with, where it is there whole.
fn message_len(data: &[u8]) -> Option<usize> {
    let head = text::find(data, b"\r\n\r\n")? + 4;
    let value = message::header(data, 0, CONTENT_LENGTH)?;
    let len = head.checked_add(message::number(data, value)? as usize)?;
    (len <= data.len()).then_some(len)
}

impl Message<'_> {
    fn read(&mut self, dialogue: &mut Dialogue, desk: &mut impl Desk) -> Result<(), Why> {
        let response = text::starts_with(self.data, RESPONSE);
        if response {
            self.response(dialogue, desk)?;
        } else {
            self.request(dialogue, desk)?;
        }
        if self.cx.translated {
            self.translate(!response, desk)?;
        }
        Ok(())
    }

    /// The number of the request, and where what follows it stands.
    fn number(&self) -> Result<(u32, Place), Why> {
        let value = message::header(self.data, 0, CSEQ).ok_or(Why::Unreadable)?;
        let number = message::number(self.data, value).ok_or(Why::Unreadable)?;
        let digits = value.of(self.data).iter().take_while(|byte| byte.is_ascii_digit()).count();
        let at = value.end().min(value.at + digits + 1);
        Ok((number, Place { at, len: value.end() - at }))
    }

    fn request(&mut self, dialogue: &mut Dialogue, desk: &mut impl Desk) -> Result<(), Why> {
        let known = METHODS.iter().find(|(name, _)| {
            text::starts_with(self.data, name)
                && matches!(&self.data[name.len()..], [b' ', next, ..] if next.is_ascii_alphabetic())
        });
        let Some(&(_, method)) = known else { return Ok(()) };
        let (number, _) = self.number()?;
        match method {
            Method::Invite => {
                desk.forget(Some(false));
                self.session(desk)?;
                dialogue.invite = number;
            }
            Method::Update | Method::Ack | Method::Prack => self.session(desk)?,
            Method::Bye => desk.forget(Some(false)),
            Method::Register => {
                if self.register(desk)? {
                    dialogue.register = number;
                }
            }
        }
        Ok(())
    }

    fn response(&mut self, dialogue: &Dialogue, desk: &mut impl Desk) -> Result<(), Why> {
        let (code, _) = text::digits(&self.data[RESPONSE.len()..]);
        if code == 0 {
            return Err(Why::Unreadable);
        }
        let (number, rest) = self.number()?;
        let known = METHODS.iter().find(|(name, _)| text::starts_with(rest.of(self.data), name));
        let Some(&(_, method)) = known else { return Ok(()) };
        match (method, code) {
            (Method::Invite | Method::Update | Method::Prack, 100..300) => self.session(desk)?,
            (Method::Invite | Method::Update | Method::Prack, _) if dialogue.invite == number => {
                desk.forget(Some(false));
            }
            (Method::Register, _) if dialogue.register == number => {
                self.registered(code, desk);
            }
            _ => {}
        }
        Ok(())
    }

    /// Where the sender is seen from outside; its own address where that is not translated.
    fn shown(&self, own: Addr) -> Addr {
        let shown = self.cx.other().dst;
        if self.cx.this().src == shown { own } else { shown }
    }

    /// Expects media as the description has them.
    fn session(&mut self, desk: &mut impl Desk) -> Result<(), Why> {
        let Some(start) = message::description(self.data) else { return Ok(()) };
        let (data, six) = (self.data, self.six);
        let connection = |from| {
            let line = message::line(data, from, b'c', Some(b'm'))?;
            message::described(data, line, six)
        };
        let session = connection(start);
        let mut media_address = None;
        let mut at = start;
        for _ in 0..MEDIA {
            let Some(line) = message::line(self.data, at, b'm', None) else { break };
            at = message::next_line(self.data, line.end());
            let kind = MEDIA_KINDS.iter().find(|(kind, _)| line.of(self.data).starts_with(kind));
            let Some(&(kind, class)) = kind else { continue };
            let number = line.at + kind.len();
            let (port, len) = text::digits(&self.data[number..line.end()]);
            if port == 0 {
                // The stream is not used.
                continue;
            }
            let port = u16::try_from(port).map_err(|_| Why::Unreadable)?;
            if port < 1024 {
                return Err(Why::Unreadable);
            }
            // A medium's own address goes before that of the session.
            let own = connection(at);
            let (address, _) = own.or(session).ok_or(Why::Unreadable)?;
            let number = Place { at: number, len };
            let shown = self.media(class, address, port, number, desk)?;
            media_address = Some(shown);
            if let Some((_, place)) = own
                && self.cx.translated
            {
                self.describe(place, shown, desk)?;
            }
        }
        if self.cx.translated {
            let address = media_address.or_else(|| session.map(|(address, _)| address));
            if let Some(address) = address {
                let owner = message::line(self.data, start, b'o', Some(b'm'))
                    .and_then(|line| message::described(self.data, line, self.six));
                for (_, place) in [owner, session].into_iter().flatten() {
                    self.describe(place, address, desk)?;
                }
            }
            self.tell_length(start, desk)?;
        }
        Ok(())
    }

    /// Expects a medium and its reports, and gives the address that it is told to be at.
    fn media(
        &mut self,
        class: u8,
        address: Addr,
        port: u16,
        number: Place,
        desk: &mut impl Desk,
    ) -> Result<Addr, Why> {
        let cx = self.cx;
        let mut source = None;
        if self.options.sip_direct_media {
            if address != cx.this().src {
                return Ok(address);
            }
            source = Some(cx.other().src);
        }
        // Media have the even port and reports the odd one behind it.
        let base = port & !1;
        let mut pair = [base, base + 1].map(|port| {
            let mut expect = cx.expect(Helper::Sip, class, source, (address, port));
            expect.tuple.proto = protocol::UDP;
            expect
        });
        let most = Helper::Sip.most(class);
        if !cx.translated {
            // What another dialogue has told already is expected as well.
            let done = |result| matches!(result, Ok(()) | Err(Refused::Already));
            let first = desk.expect(pair[0], most);
            if !done(first) {
                return Err(Why::NoExpectation);
            }
            if !done(desk.expect(pair[1], most)) {
                if first.is_ok() {
                    desk.unexpect(&pair[0]);
                }
                return Err(Why::NoExpectation);
            }
            return Ok(address);
        }
        let shown = self.shown(address);
        for expect in &mut pair {
            expect.saved_addr = address;
            expect.saved_port = expect.tuple.dport;
            expect.tuple.dst = shown;
            expect.dir = cx.dir.other();
            expect.follow = follow::SIP;
        }
        let found = expect_pair(&mut pair, most, desk).ok_or(Why::PortsInUse)?;
        if found != base {
            let text = Line::default().number(u32::from(found));
            if self.edit(number, text.bytes(), desk).is_err() {
                pair.iter().for_each(|expect| desk.unexpect(expect));
                return Err(Why::NoEdit);
            }
            self.grown += text.bytes().len() as isize - number.len as isize;
        }
        Ok(shown)
    }

    /// Expects calls to where a telephone registers; false where the registration is not for us.
    fn register(&mut self, desk: &mut impl Desk) -> Result<bool, Why> {
        let cx = self.cx;
        if cx.expected {
            return Ok(false);
        }
        let Some(contact) = message::header(self.data, 0, CONTACT) else { return Ok(false) };
        let Some((Some(spot), _)) = message::uri(self.data, contact, 0, self.six) else {
            return Ok(false);
        };
        // Nobody registers for others.
        if spot.address != cx.this().src {
            return Ok(false);
        }
        let Some(proto) = self.transport(spot, contact) else { return Ok(false) };
        if self.expires(spot, contact) == 0 {
            return Ok(true);
        }
        let source = self.options.sip_direct_signalling.then(|| cx.other().src);
        let mut expect = cx.expect(Helper::Sip, SIGNALLING, source, (spot.address, spot.port));
        expect.tuple.proto = proto;
        expect.helper = Helper::Sip.number();
        // It counts as soon as the registrar has agreed.
        expect.flags = flag::PERMANENT | flag::INACTIVE;
        if !cx.translated {
            return match expect_plain(desk, expect, Helper::Sip) {
                Verdict::Accept => Ok(true),
                Verdict::Drop(why) => Err(why),
            };
        }
        let shown = self.shown(spot.address);
        expect.saved_addr = expect.tuple.dst;
        expect.saved_port = expect.tuple.dport;
        expect.tuple.dst = shown;
        expect.dir = cx.dir.other();
        expect.follow = follow::SIP;
        if spot.port == cx.this().sport {
            expect.tuple.dport = cx.other().dport;
        }
        let most = Helper::Sip.most(SIGNALLING);
        let port = expect_port(desk, &mut expect, most).ok_or(Why::PortsInUse)?;
        if (shown, port) != (spot.address, spot.port) {
            let text = address_port(shown, port, self.six);
            if let Err(why) = self.edit(spot.place, text.bytes(), desk) {
                desk.unexpect(&expect);
                return Err(why);
            }
            self.edited = Some(spot.place.at);
        }
        Ok(true)
    }

    /// The protocol that a contact asks for: its own parameter, or that of the message.
    fn transport(&self, spot: Spot, contact: Place) -> Option<u8> {
        let within = rest_of(contact, spot.place.end());
        match message::parameter(self.data, within, b"transport=") {
            None => Some(self.cx.tuples[0].proto),
            Some(value) if value.of(self.data).eq_ignore_ascii_case(b"UDP") => Some(protocol::UDP),
            Some(value) if value.of(self.data).eq_ignore_ascii_case(b"TCP") => Some(protocol::TCP),
            Some(_) => None,
        }
    }

    /// How many seconds a contact stands: its own parameter, or the header's.
    fn expires(&self, spot: Spot, contact: Place) -> u32 {
        let within = rest_of(contact, spot.place.end());
        let number = |place| message::number(self.data, place);
        message::parameter(self.data, within, b"expires=")
            .or_else(|| message::header(self.data, 0, EXPIRES))
            .and_then(number)
            .unwrap_or(self.options.sip_timeout)
    }

    /// The registrar's answer.
    fn registered(&self, code: u32, desk: &mut impl Desk) {
        match code {
            100..200 => return,
            200..300 => {
                let mut from = 0;
                while let Some(contact) = message::header(self.data, from, CONTACT) {
                    from = contact.end();
                    let mut at = 0;
                    while let Some((spot, next)) = message::uri(self.data, contact, at, self.six) {
                        at = next;
                        let Some(spot) = spot.filter(|spot| spot.address == self.cx.this().dst)
                        else {
                            continue;
                        };
                        let Some(proto) = self.transport(spot, contact) else { continue };
                        let seconds = self.expires(spot, contact);
                        if seconds != 0
                            && desk.activate(SIGNALLING, proto, (spot.address, spot.port), seconds)
                        {
                            return;
                        }
                    }
                }
            }
            _ => {}
        }
        desk.forget(Some(true));
    }

    /// Has addresses of the connection be those that the other side knows.
    fn translate(&mut self, request: bool, desk: &mut impl Desk) -> Result<(), Why> {
        let (this, other) = (*self.cx.this(), *self.cx.other());
        if request && let Some(spot) = message::request(self.data, self.six) {
            self.map(spot, desk)?;
        }
        let tcp = this.proto == protocol::TCP;
        if let Some((spot, parameters)) = message::via(self.data, tcp, self.six) {
            let own = if request { (this.src, this.sport) } else { (this.dst, this.dport) };
            if (spot.address, spot.port) == own {
                self.map(spot, desk)?;
                // Where an answer goes to, and where the request was seen to come from.
                for (name, old, new) in
                    [(&b"maddr="[..], this.src, other.dst), (b"received=", this.dst, other.src)]
                {
                    if let Some((address, place)) =
                        message::address_parameter(self.data, parameters, name, self.six)
                        && address == old
                        && address != new
                    {
                        let text = address_only(new, self.six, name == b"maddr=");
                        self.edit(place, text.bytes(), desk)?;
                    }
                }
                if let Some(place) = message::parameter(self.data, parameters, b"rport=")
                    && message::number(self.data, place) == Some(u32::from(this.dport))
                    && this.dport != other.sport
                {
                    let text = Line::default().number(u32::from(other.sport));
                    self.edit(place, text.bytes(), desk)?;
                }
            }
        }
        let mut from = 0;
        while let Some(contact) = message::header(self.data, from, CONTACT) {
            from = contact.end();
            let mut at = 0;
            while let Some((spot, next)) = message::uri(self.data, contact, at, self.six) {
                at = next;
                if let Some(spot) = spot.filter(|spot| Some(spot.place.at) != self.edited) {
                    self.map(spot, desk)?;
                }
            }
        }
        for name in [FROM, TO] {
            if let Some(value) = message::header(self.data, 0, name)
                && let Some((Some(spot), _)) = message::uri(self.data, value, 0, self.six)
            {
                self.map(spot, desk)?;
            }
        }
        Ok(())
    }

    /// Edits an address and port that are an end of the connection.
    fn map(&self, spot: Spot, desk: &mut impl Desk) -> Result<(), Why> {
        let (this, other) = (self.cx.this(), self.cx.other());
        let new = match (spot.address, spot.port) {
            own if own == (this.src, this.sport) => (other.dst, other.dport),
            own if own == (this.dst, this.dport) => (other.src, other.sport),
            _ => return Ok(()),
        };
        if new == (spot.address, spot.port) {
            return Ok(());
        }
        self.edit(spot.place, address_port(new.0, new.1, self.six).bytes(), desk)
    }

    /// Edits an address of the description.
    fn describe(&mut self, place: Place, new: Addr, desk: &mut impl Desk) -> Result<(), Why> {
        let text = address_only(new, self.six, false);
        if text.bytes() == place.of(self.data) {
            return Ok(());
        }
        self.grown += text.bytes().len() as isize - place.len as isize;
        self.edit(place, text.bytes(), desk)
    }

    /// Tells how long the description has become.
    fn tell_length(&self, start: usize, desk: &mut impl Desk) -> Result<(), Why> {
        let value = message::header(self.data, 0, CONTENT_LENGTH).ok_or(Why::NoEdit)?;
        let digits = value.of(self.data).iter().take_while(|byte| byte.is_ascii_digit()).count();
        let len = (self.data.len() - start).saturating_add_signed(self.grown);
        let text = Line::default().number(len as u32);
        let place = Place { at: value.at, len: digits };
        if text.bytes() == place.of(self.data) {
            return Ok(());
        }
        self.edit(place, text.bytes(), desk)
    }

    fn edit(&self, place: Place, text: &[u8], desk: &mut impl Desk) -> Result<(), Why> {
        let edits = desk.edits();
        edits.replace(self.base + place.at, place.len, text).map_err(|_| Why::NoEdit)
    }
}

/// What of a value stands behind a place, up to the next of a list.
const fn rest_of(value: Place, at: usize) -> Place {
    Place { at, len: value.end().saturating_sub(at) }
}

fn address_only(address: Addr, six: bool, brackets: bool) -> Line {
    match (six, brackets) {
        (true, true) => Line::default().put(b"[").address(address, true).put(b"]"),
        _ => Line::default().address(address, six),
    }
}

fn address_port(address: Addr, port: u16, six: bool) -> Line {
    address_only(address, six, true).put(b":").number(u32::from(port))
}

/// Takes a pair of ports, the told ones first, and gives the even one.
fn expect_pair(pair: &mut [Expect; 2], most: u32, desk: &mut impl Desk) -> Option<u16> {
    let mut port = pair[0].tuple.dport;
    for _ in 0..PAIRS {
        pair[0].tuple.dport = port;
        pair[1].tuple.dport = port + 1;
        match desk.expect(pair[0], most) {
            Ok(()) => match desk.expect(pair[1], most) {
                Ok(()) => return Some(port),
                refused => {
                    desk.unexpect(&pair[0]);
                    (refused == Err(Refused::Busy)).then_some(())?;
                }
            },
            Err(Refused::Busy) => {}
            Err(_) => return None,
        }
        port = port.checked_add(2)?;
    }
    None
}

#[cfg(test)]
mod tests;
