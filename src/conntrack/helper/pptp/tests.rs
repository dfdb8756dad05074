use super::super::after;
use super::super::sample::{CLIENT, Counter, PUBLIC, SERVER, cx, masqueraded, plain};
use super::*;
use crate::conntrack::nat::Range;

fn message(number: u16, fields: &[u8]) -> Vec<u8> {
    let len = LENGTHS[usize::from(number)];
    let mut bytes = Vec::from((len as u16).to_be_bytes());
    bytes.extend([0, 1, 0x1a, 0x2b, 0x3c, 0x4d]);
    bytes.extend(number.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(fields);
    bytes.resize(len, 0);
    bytes
}

/// A conversation on one control connection.
struct Talk {
    tuples: [Tuple; 2],
    control: Control,
    desk: Counter,
}

impl Talk {
    fn new(tuples: [Tuple; 2]) -> Self {
        let mut talk = Self { tuples, control: Control::default(), desk: Counter::default() };
        talk.say(Dir::Original, message(1, &[]));
        talk.say(Dir::Reply, message(2, &[1, 0, 1, 0]));
        talk
    }

    /// The message as it goes on.
    fn say(&mut self, dir: Dir, bytes: Vec<u8>) -> Vec<u8> {
        self.desk.edits.clear();
        let cx = cx(&bytes, dir, &self.tuples);
        assert_eq!(read(&cx, &mut self.control, &mut self.desk), Verdict::Accept);
        self.desk.edited(&bytes)
    }

    fn dial(&mut self) -> [Vec<u8>; 2] {
        [
            self.say(Dir::Original, message(7, &[0, 7])),
            // The server answers to the number that it was told.
            self.say(Dir::Reply, message(8, &[0, 9, 0, 0])),
        ]
    }
}

/// Shows [9.176].
#[test]
fn a_call_opens_gre_both_ways() {
    let mut talk = Talk::new(plain(6, 1723));
    talk.say(Dir::Original, message(7, &[0, 7]));
    talk.say(Dir::Reply, message(8, &[0, 9, 0, 8, 1]));
    assert!(talk.desk.expects.is_empty(), "the answer to another call");
    talk.say(Dir::Reply, message(8, &[0, 9, 0, 7, 2]));
    assert!(talk.desk.expects.is_empty(), "refused");
    talk.say(Dir::Original, message(7, &[0, 7]));
    talk.say(Dir::Reply, message(8, &[0, 9, 0, 7, 1]));
    let [there, back] = talk.desk.expects[..] else { panic!() };
    assert_eq!((there.tuple.src, there.tuple.dst), (CLIENT, SERVER));
    assert_eq!((there.tuple.sport, there.tuple.dport, there.tuple.proto), (7, 9, 47));
    assert_eq!(Some(back.tuple), there.tuple.inverse());
    assert_eq!(talk.desk.calls, Some([there.tuple, back.tuple]));
    talk.say(Dir::Reply, message(13, &[0, 9]));
    assert_eq!(talk.desk.calls, None, "hung up");
}

#[test]
fn a_call_from_the_server_is_up_after_three_messages() {
    let mut talk = Talk::new(plain(6, 1723));
    talk.say(Dir::Reply, message(9, &[0, 9]));
    talk.say(Dir::Original, message(10, &[0, 7, 0, 9, 1]));
    talk.say(Dir::Reply, message(11, &[0, 7]));
    let [there, _] = talk.desk.expects[..] else { panic!() };
    assert_eq!((there.tuple.sport, there.tuple.dport), (7, 9));
}

#[test]
fn a_translated_client_is_renumbered_and_its_call_follows() {
    let mut talk = Talk::new(masqueraded(6, 1723));
    let [asked, _] = talk.dial();
    let port = 50_000_u16.to_be_bytes();
    assert_eq!(asked[12..14], port, "the number is the port that the server sees");
    let answer = talk.say(Dir::Reply, message(8, &[0, 9, port[0], port[1], 1]));
    assert_eq!(answer[12..17], [0, 9, 0, 7, 1], "the client hears its own");

    let [there, back] = talk.desk.expects[..] else { panic!() };
    assert_eq!((there.tuple.src, there.tuple.dst), (CLIENT, SERVER));
    assert_eq!((there.tuple.sport, there.tuple.dport), (7, 9));
    assert_eq!((back.tuple.src, back.tuple.dst), (SERVER, PUBLIC));
    assert_eq!((back.tuple.sport, back.tuple.dport), (9, 50_000));
    let [src, dst] = after::follow(&talk.tuples, &there, &there.tuple);
    assert_eq!(src, Some(Range::address(PUBLIC).with_ports(50_000, 50_000)));
    assert_eq!(dst, Some(Range::address(SERVER)));
    let [src, dst] = after::follow(&talk.tuples, &back, &back.tuple);
    assert_eq!(src, Some(Range::address(SERVER)));
    assert_eq!(dst, Some(Range::address(CLIENT).with_ports(7, 7)));
    let clear = talk.say(Dir::Original, message(12, &[0, 7]));
    assert_eq!(clear[12..14], port);
}

#[test]
fn what_is_no_control_message_is_let_through() {
    let mut talk = Talk::new(plain(6, 1723));
    let call = message(7, &[0, 7]);
    for (at, bytes) in [(2, [0, 2]), (4, [0, 0])] {
        let mut bad = call.clone();
        bad[at..at + 2].copy_from_slice(&bytes);
        talk.say(Dir::Original, bad);
        assert_eq!(talk.control.call, Call::None);
    }
    talk.say(Dir::Original, call[..167].to_vec());
    assert_eq!(talk.control.call, Call::None, "shorter than it must be");
}

#[test]
fn an_announcement_stands_whole_or_not_at_all() {
    let mut talk = Talk::new(plain(6, 1723));
    talk.say(Dir::Original, message(7, &[0, 7]));
    talk.desk.refuse = 1;
    talk.say(Dir::Reply, message(8, &[0, 9, 0, 7, 1]));
    assert!(talk.desk.expects.is_empty() && talk.desk.calls.is_none());
}

#[test]
fn any_conversation_is_heard() {
    bolero::check!().with_type::<(Vec<(bool, u8, Vec<u8>)>, bool)>().for_each(|(says, hidden)| {
        let mut talk = Talk::new(if *hidden { masqueraded(6, 1723) } else { plain(6, 1723) });
        for (reply, number, fields) in says {
            let dir = if *reply { Dir::Reply } else { Dir::Original };
            let mut bytes = message(u16::from(number % 16), fields);
            if number & 0x80 != 0 {
                bytes = fields.clone();
            }
            talk.say(dir, bytes);
        }
    });
}
