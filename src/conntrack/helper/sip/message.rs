//! Reads the lines of SIP and SDP that name addresses and ports.
//!
//! - takes: one message
//! - gives: places in it
//! - obeys: RFC 3261 sections 7.3 and 20, RFC 8866 section 5; `ct_sip_get_header` and its like of the
//!   kernel

use super::super::super::tuple::Addr;
use super::super::text;

/// The port of signalling that names none.
const PORT: u16 = 5060;

/// A part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) len: usize,
}

impl Place {
    pub(super) const fn end(self) -> usize {
        self.at + self.len
    }

    pub(super) fn of(self, data: &[u8]) -> &[u8] {
        data.get(self.at..self.end()).unwrap_or_default()
    }
}

/// An address with a port, and where both stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) place: Place,
    pub(super) address: Addr,
    pub(super) port: u16,
}

/// A header by its name and its short name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name(&'static [u8], &'static [u8]);

pub(super) const CSEQ: Name = Name(b"CSeq", b"");
pub(super) const FROM: Name = Name(b"From", b"f");
pub(super) const TO: Name = Name(b"To", b"t");
pub(super) const CONTACT: Name = Name(b"Contact", b"m");
pub(super) const VIA: Name = Name(b"Via", b"v");
pub(super) const EXPIRES: Name = Name(b"Expires", b"");
pub(super) const CONTENT_LENGTH: Name = Name(b"Content-Length", b"l");

fn blanks(data: &[u8]) -> usize {
    data.iter().take_while(|&&byte| byte == b' ' || byte == b'\t').count()
}

/// The value of the next header of a name behind a place; ends with its line.
pub(super) fn header(data: &[u8], from: usize, name: Name) -> Option<Place> {
    let mut at = from;
    loop {
        // Lines end with a return, a new line, or both.
        at += data.get(at..)?.iter().position(|&byte| byte == b'\n' || byte == b'\r')? + 1;
        if data[at - 1] == b'\r' && data.get(at) == Some(&b'\n') {
            at += 1;
        }
        let line = data.get(at..)?;
        // The message itself follows an empty line.
        if matches!(line.first(), None | Some(b'\r' | b'\n')) {
            return None;
        }
        let long = text::starts_with(line, name.0);
        let short = !name.1.is_empty()
            && text::starts_with(line, name.1)
            && !line.get(name.1.len()).is_some_and(u8::is_ascii_alphabetic);
        if !long && !short {
            continue;
        }
        let mut value = if long { name.0.len() } else { name.1.len() };
        value += blanks(&line[value..]);
        if line.get(value) != Some(&b':') {
            continue;
        }
        value += 1;
        value += blanks(&line[value..]);
        let len = line[value..].iter().take_while(|&&byte| byte != b'\r' && byte != b'\n').count();
        return Some(Place { at: at + value, len });
    }
}

/// An address as SIP has it, one of IPv6 in brackets or without.
fn bare(text: &[u8], six: bool) -> Option<(Addr, usize)> {
    match text.first() {
        Some(b'[') if six => {
            let (address, len) = text::address(&text[1..], true)?;
            (text.get(1 + len) == Some(&b']')).then_some((address, len + 2))
        }
        _ => text::address(text, six),
    }
}

/// An address with its port at a place.
fn spot_at(data: &[u8], at: usize, end: usize, six: bool) -> Option<Spot> {
    let text = data.get(at..end)?;
    let (address, mut len) = bare(text, six)?;
    let mut port = PORT;
    if text.get(len) == Some(&b':') {
        let (told, digits) = text::port(&text[len + 1..])?;
        (told >= 1024).then_some(())?;
        (port, len) = (told, len + 1 + digits);
    }
    Some(Spot { place: Place { at, len }, address, port })
}

/// The address in the next `sip:` of a value behind a place, and where to look for more.
///
/// Nothing where there is none; `Some((None, _))` where it has a name instead of an address.
pub(super) fn uri(
    data: &[u8],
    value: Place,
    from: usize,
    six: bool,
) -> Option<(Option<Spot>, usize)> {
    let start = from.max(value.at);
    let text = data.get(start..value.end())?;
    let at = start + text.windows(4).position(|word| word.eq_ignore_ascii_case(b"sip:"))? + 4;
    // A user may stand before, up to the end of the address.
    let rest = &data[at..value.end()];
    let ends = |byte: &u8| matches!(byte, b'@' | b'>' | b',');
    let host = match rest.iter().position(ends) {
        Some(user) if rest[user] == b'@' => at + user + 1,
        _ => at,
    };
    Some((spot_at(data, host, value.end(), six), host))
}

/// The address of the request line.
pub(super) fn request(data: &[u8], six: bool) -> Option<Spot> {
    let len = data.iter().take_while(|&&byte| byte != b'\r' && byte != b'\n').count();
    uri(data, Place { at: 0, len }, 0, six)?.0
}

/// The address of the first way back, and its parameters.
pub(super) fn via(data: &[u8], tcp: bool, six: bool) -> Option<(Spot, Place)> {
    let value = header(data, 0, VIA)?;
    let word: &[u8] = if tcp { b"TCP " } else { b"UDP " };
    let text = value.of(data);
    let at = value.at + text.windows(4).position(|found| found.eq_ignore_ascii_case(word))? + 4;
    let spot = spot_at(data, at, value.end(), six)?;
    let rest = spot.place.end();
    let len = data[rest..value.end()].iter().take_while(|&&byte| byte != b',').count();
    Some((spot, Place { at: rest, len }))
}

/// The value of a parameter.
pub(super) fn parameter(data: &[u8], within: Place, name: &[u8]) -> Option<Place> {
    let text = within.of(data);
    let found = text.windows(name.len()).position(|word| word.eq_ignore_ascii_case(name))?;
    let at = within.at + found + name.len();
    let ends = |byte: &u8| matches!(byte, b';' | b',' | b'>' | b' ' | b'\t');
    let rest = &data[at..within.end()];
    Some(Place { at, len: rest.iter().position(ends).unwrap_or(rest.len()) })
}

/// The address that a parameter is.
pub(super) fn address_parameter(
    data: &[u8],
    within: Place,
    name: &[u8],
    six: bool,
) -> Option<(Addr, Place)> {
    let place = parameter(data, within, name)?;
    let (address, len) = bare(place.of(data), six)?;
    Some((address, Place { len, ..place }))
}

/// The number that a value starts with.
pub(super) fn number(data: &[u8], value: Place) -> Option<u32> {
    let (number, len) = text::digits(value.of(data));
    (len != 0).then_some(number)
}

/// Where the session is described: behind an empty line.
pub(super) fn description(data: &[u8]) -> Option<usize> {
    let at = text::find(data, b"\r\n\r\n")? + 4;
    text::starts_with(data.get(at..)?, b"v=").then_some(at)
}

/// The next line of a description that starts with a letter, before any that starts with another.
pub(super) fn line(data: &[u8], from: usize, letter: u8, before: Option<u8>) -> Option<Place> {
    let mut at = from;
    while let Some(&[first, second]) = data.get(at..)?.first_chunk() {
        let len = data[at..].iter().take_while(|&&byte| byte != b'\r' && byte != b'\n').count();
        if second == b'=' {
            if first == letter {
                return Some(Place { at: at + 2, len: len.saturating_sub(2) });
            }
            if Some(first) == before {
                return None;
            }
        }
        at += len;
        at += data[at..].iter().take_while(|&&byte| byte == b'\r' || byte == b'\n').count();
    }
    None
}

/// The line behind a place.
pub(super) fn next_line(data: &[u8], at: usize) -> usize {
    let rest = data.get(at..).unwrap_or_default();
    let len = rest.iter().take_while(|&&byte| byte != b'\n').count();
    at + len + 1
}

/// The address of a line of a description, as `IN IP4 10.0.0.1`.
pub(super) fn described(data: &[u8], line: Place, six: bool) -> Option<(Addr, Place)> {
    let word: &[u8] = if six { b"IN IP6 " } else { b"IN IP4 " };
    let at = line.at + text::find(line.of(data), word)? + word.len();
    let (address, len) = text::address(data.get(at..line.end())?, six)?;
    Some((address, Place { at, len }))
}
