//! IRC: a client offers a file or a chat on a port of its own (DCC).
//!
//! - takes: segments of a connection to a chat server
//! - gives: an expectation of a connection from anybody to the port that was offered
//! - obeys: the client-to-client protocol's DCC; `nf_conntrack_irc` and `nf_nat_irc` of the kernel;
//!   row [9.174]
//! - costs: the first [`MOST`] bytes of a segment, once

use super::super::entry::Dir;
use super::text::{self, Line};
use super::{Cx, Desk, Helper, Verdict, expect_plain, expect_translated};

/// Most bytes that are searched.
pub const MOST: usize = 4095;
const OFFERS: [&[u8]; 5] = [b"SEND ", b"CHAT ", b"MOVE ", b"TSEND ", b"SCHAT "];
/// The shortest `PRIVMSG x `, and the shortest offer in a message.
const SHORTEST_START: usize = 10;
const SHORTEST_OFFER: usize = 26;

/// What an offer names, and where the text stands that does.
struct Offer {
    address: u32,
    port: u16,
    at: usize,
    len: usize,
}

/// Reads what follows the word of an offer.
fn offer(data: &[u8], mut at: usize) -> Option<Offer> {
    // The name of what is offered comes first.
    at += data.get(at..)?.iter().position(|&byte| byte == b' ')? + 1;
    data.get(at..)?.iter().position(|&byte| byte == b'\n')?;
    let start = at;
    let (address, len) = text::digits(&data[at..]);
    at += len;
    at += data[at..].iter().take_while(|&&byte| byte == b' ').count();
    let (port, len) = text::digits(&data[at..]);
    Some(Offer { address, port: port as u16, at: start, len: at + len - start })
}

/// Reads a segment.
pub fn read(cx: &Cx<'_>, desk: &mut impl Desk) -> Verdict {
    // Servers offer nothing themselves; they pass on what other clients do.
    if cx.dir == Dir::Reply || !cx.established {
        return Verdict::Accept;
    }
    let data = cx.payload.get(..cx.payload.len().min(MOST)).unwrap_or_default();
    let mut at = data.iter().take_while(|byte| b" \r\n".contains(byte)).count();
    if at + SHORTEST_START < data.len() {
        if !text::starts_with(&data[at..], b"PRIVMSG ") {
            return Verdict::Accept;
        }
        at += 8;
    }
    // The message starts behind the first colon, and an offer is all that there is in it.
    let Some(found) = text::find(&data[at.min(data.len())..], b" :") else {
        return Verdict::Accept;
    };
    at += found;
    if at + SHORTEST_OFFER > data.len() || data.get(at + 2..at + 7) != Some(b"\x01DCC ") {
        return Verdict::Accept;
    }
    at += 7;
    let Some(word) = OFFERS.iter().find(|word| data[at..].starts_with(word)) else {
        return Verdict::Accept;
    };
    let Some(offer) = offer(data, at + word.len()) else { return Verdict::Accept };
    let own = |address: [u8; 4]| u32::from_be_bytes(address) == offer.address;
    // The address may be the client's own or the one that it knows it is shown as.
    let known = own(cx.this().src.first4()) || own(cx.other().dst.first4());
    if !known || offer.port == 0 || cx.tuples[0].six {
        return Verdict::Accept;
    }
    let shown = cx.other().dst;
    let expect = cx.expect(Helper::Irc, 0, None, (shown, offer.port));
    if !cx.translated {
        return expect_plain(desk, expect, Helper::Irc);
    }
    expect_translated(desk, expect, Helper::Irc, Dir::Reply, |edits, port| {
        let line = Line::default().number(u32::from_be_bytes(shown.first4()));
        let line = line.put(b" ").number(u32::from(port));
        edits.replace(offer.at, offer.len, line.bytes()).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{CLIENT, Counter, PUBLIC, cx, masqueraded, plain};
    use super::*;

    const SEND: &str = "PRIVMSG bob :\x01DCC SEND a.txt 167772162 1025 77\x01\n";

    fn say(text: &str, dir: Dir) -> Counter {
        let tuples = plain(6, 6667);
        let mut desk = Counter::default();
        assert_eq!(read(&cx(text.as_bytes(), dir, &tuples), &mut desk), Verdict::Accept, "{text}");
        desk
    }

    /// Shows [9.174].
    #[test]
    fn an_offer_opens_a_port_for_anybody() {
        let desk = say(SEND, Dir::Original);
        let [expect] = desk.expects[..] else { panic!() };
        assert_eq!((expect.tuple.dst, expect.tuple.dport), (CLIENT, 1025));
        assert_eq!((expect.mask_src, expect.mask_sport), Default::default());
        for text in [
            "\r\n PRIVMSG bob :\x01DCC CHAT chat 167772162 1025\x01\n",
            "privmsg bob :\x01DCC TSEND x 167772162  1025\x01\n",
        ] {
            assert_eq!(say(text, Dir::Original).expects.len(), 1, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_offer_of_the_sender_opens_nothing() {
        for text in [
            "PRIVMSG bob :hello, how are you today, friend?\n",
            "PRIVMSG bob :see \x01DCC SEND a.txt 167772162 1025\x01\n",
            "NOTICE bob :\x01DCC SEND a.txt 167772162 1025 77\x01\n",
            "PRIVMSG bob :\x01DCC SEND a.txt 167772169 1025 77\x01\n",
            "PRIVMSG bob :\x01DCC SEND a.txt 167772162 0 77 77\x01\n",
            "PRIVMSG bob :\x01DCC SEND a.txt 167772162 1025 77\x01",
            "PRIVMSG bob :\x01DCC HUNT a.txt 167772162 1025 77\x01\n",
            "",
        ] {
            assert!(say(text, Dir::Original).expects.is_empty(), "{text:?}");
        }
        assert!(say(SEND, Dir::Reply).expects.is_empty());
    }

    #[test]
    fn under_translation_the_public_address_is_offered() {
        let tuples = masqueraded(6, 6667);
        let mut desk = Counter::default();
        let cx = cx(SEND.as_bytes(), Dir::Original, &tuples);
        assert_eq!(read(&cx, &mut desk), Verdict::Accept);
        let want = "PRIVMSG bob :\x01DCC SEND a.txt 3405803876 1025 77\x01\n";
        assert_eq!(desk.edited(SEND.as_bytes()), want.as_bytes());
        let [expect] = desk.expects[..] else { panic!() };
        assert_eq!((expect.tuple.dst, expect.saved_port, expect.dir), (PUBLIC, 1025, Dir::Reply));
    }

    #[test]
    fn any_segment_is_read() {
        let tuples = masqueraded(6, 6667);
        bolero::check!().with_type::<(Vec<u8>, u8)>().for_each(|(bytes, cut)| {
            let start = &SEND.as_bytes()[..usize::from(*cut) % SEND.len()];
            let text = [start, bytes].concat();
            let mut desk = Counter::default();
            let _ = read(&cx(&text, Dir::Original, &tuples), &mut desk);
            let _ = desk.edited(&text);
        });
    }
}
