//! Messages between programs and the router: numbers in network order, a kind first.
//!
//! - takes: bytes of a program, without the length in front of them
//! - gives: [`Message`]; bytes for a program, with it
//! - obeys: docs/netfilter.md, "Programs that decide"

use crate::{
    control::queues::{Bind, Decision, Offered, QueueError, Ruling, WAITING},
    netfilter::queue::Served,
};

/// Longest message of a program: a packet, and what is said of it.
pub(super) const LONGEST: usize = (1 << 16) + 64;

const BIND: u8 = b'B';
const VERDICT: u8 = b'V';
const OK: u8 = b'O';
const ERROR: u8 = b'E';
const PACKET: u8 = b'P';

/// Bits of a wish.
const FAIL_OPEN: u8 = 1;
/// Bits of a verdict.
const MARK: u8 = 1;
const PAYLOAD: u8 = 2;

/// What a program says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// It wants to listen.
    Bind(Bind),
    /// It decides.
    Ruling(Ruling<'a>),
}

/// What is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It ends too early.
    #[error("a message is too short")]
    Short,
    /// No message begins so.
    #[error("a message is of no known kind")]
    Kind,
    /// There is no such verdict.
    #[error("there is no such verdict")]
    Verdict,
}

/// Bytes to be read one by one.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(MessageError::Short)?;
        self.0 = rest;
        Ok(*first)
    }

    fn byte(&mut self) -> Result<u8, MessageError> {
        Ok(self.take::<1>()?[0])
    }

    fn word(&mut self) -> Result<u16, MessageError> {
        self.take().map(u16::from_be_bytes)
    }

    fn long(&mut self) -> Result<u32, MessageError> {
        self.take().map(u32::from_be_bytes)
    }
}

impl<'a> Message<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader(bytes);
        match reader.byte()? {
            BIND => {
                let served = Served { first: reader.word()?, last: reader.word()? };
                let (limit, range) = (reader.long()?, reader.long()?);
                let limit = if limit == 0 { WAITING } else { limit };
                let fail_open = reader.byte()? & FAIL_OPEN != 0;
                Ok(Self::Bind(Bind { served, limit, range, fail_open }))
            }
            VERDICT => {
                let id = reader.take().map(u64::from_be_bytes)?;
                let (verdict, queue) = (reader.byte()?, reader.word()?);
                let (bits, mark) = (reader.byte()?, reader.long()?);
                let decision = match verdict {
                    0 => Decision::Drop,
                    1 => Decision::Accept,
                    3 => Decision::Queue(queue),
                    4 => Decision::Repeat,
                    _ => return Err(MessageError::Verdict),
                };
                Ok(Self::Ruling(Ruling {
                    id,
                    decision,
                    mark: (bits & MARK != 0).then_some(mark),
                    payload: (bits & PAYLOAD != 0).then_some(reader.0),
                }))
            }
            _ => Err(MessageError::Kind),
        }
    }
}

/// A message of a kind with its length in front.
fn message(kind: u8, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, kind];
    body(&mut bytes);
    let len = (bytes.len() - 4) as u32;
    bytes[..4].copy_from_slice(&len.to_be_bytes());
    bytes
}

/// What a program hears of its wish.
pub(super) fn answer(done: Result<(), QueueError>) -> Vec<u8> {
    match done {
        Ok(()) => message(OK, |_| {}),
        Err(error) => message(ERROR, |into| into.extend_from_slice(error.to_string().as_bytes())),
    }
}

/// A packet for a program.
pub(super) fn packet(offered: &Offered, wall: u64) -> Vec<u8> {
    message(PACKET, |into| {
        into.extend_from_slice(&offered.id.to_be_bytes());
        into.extend_from_slice(&offered.queue.to_be_bytes());
        into.push(offered.hook);
        into.extend_from_slice(&offered.mark.to_be_bytes());
        into.extend_from_slice(&wall.to_be_bytes());
        into.extend_from_slice(&offered.len.to_be_bytes());
        let [input, output] = &offered.interfaces;
        for text in [input.as_bytes(), output.as_bytes(), &offered.link] {
            let text = &text[..text.len().min(255)];
            into.push(text.len() as u8);
            into.extend_from_slice(text);
        }
        into.extend_from_slice(&offered.bytes);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read() {
        let bytes = [b"B".as_slice(), &[0, 5, 0, 7], &[0, 0, 0, 9], &[0, 0, 0xff, 0xff], &[1]];
        let served = Served { first: 5, last: 7 };
        let bind = Bind { served, limit: 9, range: 0xffff, fail_open: true };
        assert_eq!(Message::read(&bytes.concat()), Ok(Message::Bind(bind)));
        let plain = [b"B".as_slice(), &[0; 13]].concat();
        let served = Served { first: 0, last: 0 };
        let bind = Bind { served, limit: WAITING, range: 0, fail_open: false };
        assert_eq!(Message::read(&plain), Ok(Message::Bind(bind)));
        (0..14).for_each(|len| assert_eq!(Message::read(&plain[..len]), Err(MessageError::Short)));
    }

    #[test]
    fn verdicts_are_read_with_marks_and_packets() {
        let verdict = |verdict: u8, bits: u8| {
            let id = 0x0102_0304_0506_0708_u64.to_be_bytes();
            [b"V".as_slice(), &id, &[verdict, 0, 3, bits], &[0, 0, 0, 42], b"IP"].concat()
        };
        let ruling = |decision, mark, payload: Option<&'static [u8]>| {
            Ok(Message::Ruling(Ruling { id: 0x0102_0304_0506_0708, decision, mark, payload }))
        };
        assert_eq!(Message::read(&verdict(0, 0)), ruling(Decision::Drop, None, None));
        assert_eq!(Message::read(&verdict(1, 1)), ruling(Decision::Accept, Some(42), None));
        assert_eq!(Message::read(&verdict(4, 2)), ruling(Decision::Repeat, None, Some(b"IP")));
        assert_eq!(Message::read(&verdict(3, 0)), ruling(Decision::Queue(3), None, None));
        assert_eq!(Message::read(&verdict(2, 0)), Err(MessageError::Verdict));
        assert_eq!(Message::read(&verdict(1, 0)[..16]), Err(MessageError::Short));
        assert_eq!(Message::read(b"X"), Err(MessageError::Kind));
    }

    #[test]
    fn a_packet_says_where_it_is_and_holds_its_bytes() {
        let offered = Offered {
            program: 1,
            id: 7,
            queue: 2,
            hook: 3,
            mark: 5,
            interfaces: ["lan".into(), String::new()],
            link: vec![0xaa; 14],
            len: 1500,
            bytes: vec![0x45, 1],
        };
        let want = [
            &[0, 0, 0, 50, b'P'][..],
            &[0, 0, 0, 0, 0, 0, 0, 7, 0, 2, 3, 0, 0, 0, 5],
            &[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 5, 0xdc],
            b"\x03lan\x00\x0e",
            &[0xaa; 14],
            &[0x45, 1],
        ];
        let bytes = packet(&offered, 9);
        assert_eq!(bytes, want.concat());
        assert_eq!(answer(Ok(())), [0, 0, 0, 1, b'O']);
        assert!(answer(Err(QueueError::Busy)).ends_with(b"EDevice or resource busy"));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().with_type::<Vec<u8>>().for_each(|bytes| {
            let _ = Message::read(bytes);
            for kind in [BIND, VERDICT] {
                let _ = Message::read(&[&[kind], &bytes[..]].concat());
            }
        });
    }
}
