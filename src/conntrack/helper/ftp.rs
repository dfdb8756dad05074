//! FTP: who listens for data, and where.
//!
//! - takes: segments of a control connection, and where its lines have ended
//! - gives: an expectation of the data connection for PORT, EPRT and the answers 227 and 229
//! - obeys: RFC 959 section 4.1.2, RFC 1123 section 4.1.2.6, RFC 2428; `nf_conntrack_ftp` and
//!   `nf_nat_ftp` of the kernel; rows [9.156], [9.160], [9.166] to [9.170]
//! - costs: the first line of a segment that follows the end of a line

use super::super::entry::Dir;
use super::super::tuple::Addr;
use super::text::{self, Line};
use super::{Cx, Desk, Helper, Verdict, Why, expect_plain, expect_translated};

/// What is remembered of a control connection: where lines ended, by direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lines {
    ends: [[u32; 2]; 2],
    known: [u8; 2],
    /// The next segment is read wherever it stands, as nobody has seen the line before it.
    pub picked_up: [bool; 2],
}

const fn after(a: u32, b: u32) -> bool {
    (b.wrapping_sub(a) as i32) < 0
}

impl Lines {
    fn starts_at(&self, dir: usize, seq: u32) -> bool {
        self.ends[dir].iter().take(usize::from(self.known[dir])).any(|&end| end == seq)
    }

    fn end_at(&mut self, dir: usize, seq: u32) {
        if self.starts_at(dir, seq) {
            return;
        }
        let (ends, known) = (&mut self.ends[dir], &mut self.known[dir]);
        if let Some(free) = ends.get_mut(usize::from(*known)) {
            *free = seq;
            *known += 1;
            return;
        }
        let oldest = if after(ends[1], ends[0]) { 0 } else { 1 };
        if after(seq, ends[oldest]) {
            ends[oldest] = seq;
        }
    }
}

/// The forms in which a listener is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Port,
    Eprt,
    Pasv,
    Epsv,
}

/// A command or an answer that names a listener.
struct Pattern {
    word: &'static str,
    form: Form,
    /// What stands before the numbers.
    skip: Option<u8>,
}

const COMMANDS: [Pattern; 2] = [
    Pattern { word: "PORT", form: Form::Port, skip: Some(b' ') },
    Pattern { word: "EPRT", form: Form::Eprt, skip: Some(b' ') },
];
const ANSWERS: [Pattern; 2] = [
    Pattern { word: "227 ", form: Form::Pasv, skip: None },
    Pattern { word: "229 ", form: Form::Epsv, skip: Some(b'(') },
];

/// A listener, and where the text that names it stands.
struct Named {
    /// Nothing where the text has none, or one of the other family.
    address: Option<Addr>,
    port: u16,
    at: usize,
    len: usize,
}

enum Match {
    None,
    Partial,
    Found(Named),
}

impl Pattern {
    fn read(&self, data: &[u8], six: bool) -> Match {
        let word = self.word.as_bytes();
        if data.len() <= word.len() {
            let partial = text::starts_with(word, data);
            return if partial { Match::Partial } else { Match::None };
        }
        if !text::starts_with(data, word) {
            return Match::None;
        }
        let mut at = word.len();
        if let Some(skip) = self.skip {
            // What is looked for is not to be the last byte.
            match data[at..data.len() - 1].iter().position(|&byte| byte == skip) {
                Some(found) => at += found + 1,
                None => return Match::Partial,
            }
        }
        let named = match self.form {
            Form::Port => six_numbers(&data[at..], Some(b'\r')),
            Form::Pasv => {
                let digit = data[at..].iter().position(u8::is_ascii_digit);
                digit.and_then(|skipped| {
                    at += skipped;
                    six_numbers(&data[at..], None)
                })
            }
            Form::Eprt => eprt(&data[at..], six),
            Form::Epsv => epsv(&data[at..]),
        };
        match named {
            Some(named) => Match::Found(Named { at, ..named }),
            None => Match::Partial,
        }
    }
}

/// Numbers with something between them, up to what ends them (anything, without a word), and their
/// length.
fn numbers<const N: usize>(data: &[u8], between: u8, end: Option<u8>) -> Option<([u32; N], usize)> {
    let mut numbers = [0_u32; N];
    let mut n = 0;
    for (len, &byte) in data.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                numbers[n] = numbers[n].wrapping_mul(10).wrapping_add(u32::from(byte - b'0'));
            }
            _ if byte == between => {
                n += 1;
                if n == N {
                    return None;
                }
            }
            _ => {
                return (n == N - 1 && end.is_none_or(|end| end == byte)).then_some((numbers, len));
            }
        }
    }
    None
}

/// Octets as one number, the same wherever one of them is too large.
const fn join(octets: [u32; 4]) -> Addr {
    let [a, b, c, d] = octets;
    Addr::four((a << 24 | b << 16 | c << 8 | d).to_be_bytes())
}

/// `h1,h2,h3,h4,p1,p2`.
fn six_numbers(data: &[u8], end: Option<u8>) -> Option<Named> {
    let ([a, b, c, d, high, low], len) = numbers::<6>(data, b',', end)?;
    let port = (high << 8 | low) as u16;
    Some(Named { address: Some(join([a, b, c, d])), port, at: 0, len })
}

const fn is_delimiter(byte: u8) -> bool {
    matches!(byte, 33..=126) && !byte.is_ascii_digit()
}

/// A port between a place and the delimiter, and where that ends.
fn port(data: &[u8], start: usize, delimiter: u8) -> Option<(u16, usize)> {
    let digits = data.get(start..)?;
    let end = digits.iter().position(|&byte| byte == delimiter)?;
    let (port, len) = text::digits(digits);
    (len == end && port as u16 != 0).then_some((port as u16, start + end + 1))
}

/// `|1|132.235.1.2|6275|` or `|2|1080::8:800:200C:417A|5282|`.
fn eprt(data: &[u8], six: bool) -> Option<Named> {
    let &[delimiter, family, again, ..] = data else { return None };
    if !is_delimiter(delimiter) || again != delimiter || family != if six { b'2' } else { b'1' } {
        return None;
    }
    let (address, len) = if six {
        let (address, len) = text::address(data.get(3..)?, true)?;
        (data.get(3 + len) == Some(&delimiter)).then_some((address, len))?
    } else {
        let (octets, len) = numbers::<4>(data.get(3..)?, b'.', Some(delimiter))?;
        (len != 0).then_some((join(octets), len))?
    };
    let (port, len) = port(data, 3 + len + 1, delimiter)?;
    Some(Named { address: Some(address), port, at: 0, len })
}

/// `|||6446|`.
fn epsv(data: &[u8]) -> Option<Named> {
    let &[delimiter, second, third, _, ..] = data else { return None };
    if !is_delimiter(delimiter) || second != delimiter || third != delimiter {
        return None;
    }
    let (port, len) = port(data, 3, delimiter)?;
    Some(Named { address: None, port, at: 0, len })
}

/// Reads a segment. `loose` takes listeners on other hosts than the sender for real.
pub fn read(cx: &Cx<'_>, lines: &mut Lines, loose: bool, desk: &mut impl Desk) -> Verdict {
    let (data, dir) = (cx.payload, cx.dir.index());
    if !cx.established || data.is_empty() {
        return Verdict::Accept;
    }
    let verdict = if lines.starts_at(dir, cx.seq) || std::mem::take(&mut lines.picked_up[dir]) {
        line(cx, loose, desk)
    } else {
        Verdict::Accept
    };
    // A segment that is sent again is to be read again.
    let partial = matches!(verdict, Verdict::Drop(Why::Partial(_)));
    if data.last() == Some(&b'\n') && !partial {
        lines.end_at(dir, cx.seq.wrapping_add(data.len() as u32));
    }
    verdict
}

fn line(cx: &Cx<'_>, loose: bool, desk: &mut impl Desk) -> Verdict {
    let six = cx.tuples[0].six;
    let patterns = match cx.dir {
        Dir::Original => &COMMANDS,
        Dir::Reply => &ANSWERS,
    };
    for pattern in patterns {
        match pattern.read(cx.payload, six) {
            Match::None => {}
            Match::Partial => return Verdict::Drop(Why::Partial(pattern.word)),
            Match::Found(named) => return announce(cx, pattern.form, &named, loose, desk),
        }
    }
    Verdict::Accept
}

fn announce(cx: &Cx<'_>, form: Form, named: &Named, loose: bool, desk: &mut impl Desk) -> Verdict {
    let six = cx.tuples[0].six;
    // As the other direction sees it, where the sender is translated.
    let mut listener = cx.other().dst;
    // PORT and 227 have no place for an address of IPv6.
    if six && matches!(form, Form::Port | Form::Pasv) {
        return Verdict::Accept;
    }
    if let Some(address) = named.address
        && address != cx.this().src
    {
        // Somebody wants a hole towards a third host (RFC 2577 section 3).
        if !loose {
            return Verdict::Accept;
        }
        listener = address;
    }
    let expect = cx.expect(Helper::Ftp, 0, Some(cx.other().src), (listener, named.port));
    if !cx.translated {
        return expect_plain(desk, expect, Helper::Ftp);
    }
    let shown = cx.other().dst;
    expect_translated(desk, expect, Helper::Ftp, cx.dir.other(), |edits, port| {
        let line = Line::default();
        let number = u32::from(port);
        let line = match form {
            Form::Port | Form::Pasv => line
                .octets(shown.first4(), b',')
                .put(b",")
                .number(number >> 8)
                .put(b",")
                .number(number & 0xff),
            Form::Eprt => line
                .put(if six { b"|2|" } else { b"|1|" })
                .address_in_full(shown, six)
                .put(b"|")
                .number(number)
                .put(b"|"),
            Form::Epsv => line.put(b"|||").number(number).put(b"|"),
        };
        edits.replace(named.at, named.len, line.bytes()).is_ok()
    })
}

#[cfg(test)]
mod tests;
