use super::super::sample::{CLIENT, Counter, PUBLIC, SERVER, cx, masqueraded, plain};
use super::super::{after, follow as way};
use super::*;
use crate::conntrack::entry::Dir;
use crate::conntrack::nat::Range;
use crate::conntrack::tuple::Tuple;

const SDP: &str = "v=0\r\no=alice 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n\
                   m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 51372 RTP/AVP 31\r\n";

fn invite(sdp: &str) -> String {
    format!(
        "INVITE sip:bob@198.51.100.7 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 10.0.0.2:40000;rport;branch=z9hG4bK1\r\n\
         From: <sip:alice@10.0.0.2:40000>;tag=1\r\n\
         To: <sip:bob@198.51.100.7>\r\n\
         Call-ID: 1@10.0.0.2\r\nCSeq: 7 INVITE\r\n\
         Contact: <sip:alice@10.0.0.2:40000>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

fn say(
    text: &str,
    dir: Dir,
    tuples: &[Tuple; 2],
    dialogue: &mut Dialogue,
    desk: &mut Counter,
) -> Verdict {
    read(&cx(text.as_bytes(), dir, tuples), dialogue, &Options::default(), desk)
}

fn ports(desk: &Counter) -> Vec<(u8, u16)> {
    desk.expects.iter().map(|expect| (expect.class, expect.tuple.dport)).collect()
}

/// Shows [9.172].
#[test]
fn a_call_opens_ports_for_media_and_their_reports() {
    let tuples = plain(17, 5060);
    let (mut dialogue, mut desk) = <(Dialogue, Counter)>::default();
    let verdict = say(&invite(SDP), Dir::Original, &tuples, &mut dialogue, &mut desk);
    assert_eq!((verdict, desk.refreshed), (Verdict::Accept, Some(3600)));
    assert_eq!(ports(&desk), [(1, 49_170), (1, 49_171), (2, 51_372), (2, 51_373)]);
    let tuple = desk.expects[0].tuple;
    assert_eq!((tuple.src, tuple.dst, tuple.proto), (SERVER, CLIENT, 17));
    assert_eq!(desk.expects[0].expires, 180 * crate::conntrack::timeouts::SECOND);

    // The answer names the other side's.
    let sdp = "v=0\r\nc=IN IP4 198.51.100.7\r\nm=audio 3000 RTP/AVP 0\r\n";
    let ok = format!("SIP/2.0 200 OK\r\nCSeq: 7 INVITE\r\nContent-Length: 52\r\n\r\n{sdp}");
    assert_eq!(say(&ok, Dir::Reply, &tuples, &mut dialogue, &mut desk), Verdict::Accept);
    assert_eq!(ports(&desk)[4..], [(1, 3000), (1, 3001)]);
    assert_eq!((desk.expects[4].tuple.src, desk.expects[4].tuple.dst), (CLIENT, SERVER));

    // Who hangs up, or refuses the call, ends all that.
    let busy = "SIP/2.0 486 Busy\r\nCSeq: 6 INVITE\r\n\r\n";
    say(busy, Dir::Reply, &tuples, &mut dialogue, &mut desk);
    assert_eq!(desk.expects.len(), 6, "the answer to another request");
    let bye = "BYE sip:bob@198.51.100.7 SIP/2.0\r\nCSeq: 8 BYE\r\n\r\n";
    assert_eq!(say(bye, Dir::Original, &tuples, &mut dialogue, &mut desk), Verdict::Accept);
    assert!(desk.expects.is_empty());
    say(&invite(SDP), Dir::Original, &tuples, &mut dialogue, &mut desk);
    say(
        "SIP/2.0 486 Busy\r\nCSeq: 7 INVITE\r\n\r\n",
        Dir::Reply,
        &tuples,
        &mut dialogue,
        &mut desk,
    );
    assert!(desk.expects.is_empty());
}

#[test]
fn media_elsewhere_or_unused_are_not_expected() {
    let tuples = plain(17, 5060);
    for sdp in [
        SDP.replace("c=IN IP4 10.0.0.2", "c=IN IP4 10.0.0.9"),
        SDP.replace("49170", "0").replace("51372", "0"),
        SDP.replace("audio", "text").replace("video", "application"),
    ] {
        let (mut dialogue, mut desk) = <(Dialogue, Counter)>::default();
        let verdict = say(&invite(&sdp), Dir::Original, &tuples, &mut dialogue, &mut desk);
        assert_eq!((verdict, desk.expects.len()), (Verdict::Accept, 0), "{sdp}");
    }
    for sdp in [SDP.replace("49170", "80"), SDP.replace("49170", "70000"), SDP.replace("c=", "b=")]
    {
        let (mut dialogue, mut desk) = <(Dialogue, Counter)>::default();
        let verdict = say(&invite(&sdp), Dir::Original, &tuples, &mut dialogue, &mut desk);
        assert_eq!(verdict, Verdict::Drop(Why::Unreadable), "{sdp}");
    }
    let (mut dialogue, mut desk) = <(Dialogue, Counter)>::default();
    let elsewhere = SDP.replace("c=IN IP4 10.0.0.2", "c=IN IP4 10.0.0.9");
    let text = invite(&elsewhere);
    let options = Options { sip_direct_media: false, ..Options::default() };
    let cx = cx(text.as_bytes(), Dir::Original, &tuples);
    assert_eq!(read(&cx, &mut dialogue, &options, &mut desk), Verdict::Accept);
    assert_eq!(desk.expects[0].tuple.dst, Addr::four([10, 0, 0, 9]));
}

/// The whole message as the other side sees it.
#[test]
fn a_translated_caller_tells_its_public_address_everywhere() {
    let tuples = masqueraded(17, 5060);
    let (mut dialogue, mut desk) = <(Dialogue, Counter)>::default();
    let text = invite(SDP);
    let verdict = say(&text, Dir::Original, &tuples, &mut dialogue, &mut desk);
    assert_eq!(verdict, Verdict::Accept);
    let new_sdp = SDP.replace("10.0.0.2", "203.0.113.100");
    let want = text
        .replace(SDP, &new_sdp)
        .replace(
            &format!("Content-Length: {}", SDP.len()),
            &format!("Content-Length: {}", new_sdp.len()),
        )
        .replace("10.0.0.2:40000", "203.0.113.100:50000");
    assert_eq!(String::from_utf8(desk.edited(text.as_bytes())).unwrap(), want);

    let expect = desk.expects[0];
    assert_eq!((expect.tuple.dst, expect.tuple.dport), (PUBLIC, 49_170));
    assert_eq!(expect.follow, way::SIP);
    let own = Tuple { src: SERVER, ..expect.tuple };
    let [src, dst] = after::follow(&tuples, &expect, &own);
    assert_eq!(src, Some(Range::address(SERVER)));
    assert_eq!(dst, Some(Range::address(CLIENT).with_ports(49_170, 49_170)));
    let other = Tuple { src: Addr::four([9; 4]), ..own };
    assert_eq!(after::follow(&tuples, &expect, &other)[0], None);

    // Ports that are taken move in pairs, and the line says so.
    let (mut dialogue, mut desk) =
        (Dialogue::default(), Counter { refuse: 2, ..Default::default() });
    say(&text, Dir::Original, &tuples, &mut dialogue, &mut desk);
    assert_eq!(ports(&desk)[..2], [(1, 49_174), (1, 49_175)]);
    let edited = String::from_utf8(desk.edited(text.as_bytes())).unwrap();
    assert!(edited.contains("m=audio 49174 RTP/AVP 0\r\n"));
    desk.refuse = u32::MAX;
    let verdict = say(&text, Dir::Original, &tuples, &mut dialogue, &mut desk);
    assert_eq!(verdict, Verdict::Drop(Why::PortsInUse));
}

#[test]
fn an_answer_finds_the_inner_caller_in_its_way_back() {
    let tuples = masqueraded(17, 5060);
    let text = "SIP/2.0 180 Ringing\r\n\
                Via: SIP/2.0/UDP 203.0.113.100:50000;received=203.0.113.100;rport=50000\r\n\
                To: <sip:alice@203.0.113.100:50000>\r\nCSeq: 7 INVITE\r\n\r\n";
    let (mut dialogue, mut desk) = <(Dialogue, Counter)>::default();
    assert_eq!(say(text, Dir::Reply, &tuples, &mut dialogue, &mut desk), Verdict::Accept);
    let want = "SIP/2.0 180 Ringing\r\n\
                Via: SIP/2.0/UDP 10.0.0.2:40000;received=10.0.0.2;rport=40000\r\n\
                To: <sip:alice@10.0.0.2:40000>\r\nCSeq: 7 INVITE\r\n\r\n";
    assert_eq!(String::from_utf8(desk.edited(text.as_bytes())).unwrap(), want);
}

fn register(contact: &str) -> String {
    format!(
        "REGISTER sip:198.51.100.7 SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.2:40000\r\n\
         CSeq: 3 REGISTER\r\nm: {contact}\r\nExpires: 600\r\n\r\n"
    )
}

#[test]
fn a_registered_telephone_is_called_as_long_as_the_registrar_agrees() {
    let tuples = plain(17, 5060);
    let (mut dialogue, mut desk) = <(Dialogue, Counter)>::default();
    let text = register("<sip:alice@10.0.0.2:40000>");
    assert_eq!(say(&text, Dir::Original, &tuples, &mut dialogue, &mut desk), Verdict::Accept);
    let [expect] = desk.expects[..] else { panic!() };
    assert_eq!(expect.flags, flag::PERMANENT | flag::INACTIVE);
    assert_eq!((expect.class, expect.helper), (SIGNALLING, Helper::Sip.number()));
    assert_eq!((expect.tuple.src, expect.tuple.dst, expect.tuple.dport), (SERVER, CLIENT, 40_000));
    let ok = "SIP/2.0 200 OK\r\nCSeq: 3 REGISTER\r\n\
              Contact: <sip:x@9.9.9.9>, <sip:alice@10.0.0.2:40000>;expires=300\r\n\r\n";
    let answer = |code: &str| ok.replace("200", code);
    say(&answer("100"), Dir::Reply, &tuples, &mut dialogue, &mut desk);
    assert_eq!(desk.expects[0].flags, flag::PERMANENT | flag::INACTIVE);
    say(&ok.replace("CSeq: 3", "CSeq: 2"), Dir::Reply, &tuples, &mut dialogue, &mut desk);
    assert_eq!(desk.expects[0].flags, flag::PERMANENT | flag::INACTIVE, "a late answer");
    say(ok, Dir::Reply, &tuples, &mut dialogue, &mut desk);
    assert_eq!((desk.expects[0].flags, desk.expects[0].expires), (flag::PERMANENT, 300));
    say(&answer("403"), Dir::Reply, &tuples, &mut dialogue, &mut desk);
    assert!(desk.expects.is_empty());
    // For others, for nothing, over what nobody carries, from a call: nothing.
    for contact in [
        "<sip:alice@10.0.0.9:40000>",
        "<sip:alice@10.0.0.2:40000>;expires=0",
        "<sip:alice@10.0.0.2:40000;transport=sctp>",
        "<sip:alice@example.com>",
    ] {
        say(&register(contact), Dir::Original, &tuples, &mut dialogue, &mut desk);
        assert!(desk.expects.is_empty(), "{contact}");
    }
    let expected = Cx { expected: true, ..cx(text.as_bytes(), Dir::Original, &tuples) };
    let _ = read(&expected, &mut dialogue, &Options::default(), &mut desk);
    assert!(desk.expects.is_empty());
}

#[test]
fn a_translated_registration_tells_where_calls_shall_come() {
    let tuples = masqueraded(17, 5060);
    let (mut dialogue, mut desk) = <(Dialogue, Counter)>::default();
    let text = register("<sip:alice@10.0.0.2:40000>");
    assert_eq!(say(&text, Dir::Original, &tuples, &mut dialogue, &mut desk), Verdict::Accept);
    let want = text.replace("10.0.0.2:40000", "203.0.113.100:50000");
    assert_eq!(String::from_utf8(desk.edited(text.as_bytes())).unwrap(), want);
    let [expect] = desk.expects[..] else { panic!() };
    assert_eq!((expect.tuple.dst, expect.tuple.dport), (PUBLIC, 50_000));
    assert_eq!((expect.saved_addr, expect.saved_port), (CLIENT, 40_000));
}

#[test]
fn a_segment_may_carry_several_messages() {
    let tuples = plain(6, 5060);
    let one = invite(SDP).replace("UDP", "TCP");
    let two = one.replace("49170", "49180").replace("51372", "0");
    let two = two.replace(
        &format!("Content-Length: {}", SDP.len()),
        &format!("Content-Length: {}", SDP.len() - 4),
    );
    let (mut dialogue, mut desk) = <(Dialogue, Counter)>::default();
    let both = format!("{one}{two}");
    assert_eq!(say(&both, Dir::Original, &tuples, &mut dialogue, &mut desk), Verdict::Accept);
    assert_eq!(ports(&desk), [(1, 49_180), (1, 49_181)], "the second call in place of the first");
    let (mut dialogue, mut desk) = <(Dialogue, Counter)>::default();
    let cut = &both[..both.len() - 3];
    assert_eq!(say(cut, Dir::Original, &tuples, &mut dialogue, &mut desk), Verdict::Accept);
    assert_eq!(ports(&desk)[0], (1, 49_170), "half a message is not read");
}

#[test]
fn messages_without_a_number_are_dropped() {
    let tuples = plain(17, 5060);
    for text in [
        "INVITE sip:bob@198.51.100.7 SIP/2.0\r\n\r\n",
        "INVITE sip:bob@198.51.100.7 SIP/2.0\r\nCSeq: x INVITE\r\n\r\n",
        "SIP/2.0 200 OK\r\n\r\n",
        "SIP/2.0 xyz OK\r\nCSeq: 7 INVITE\r\n\r\n",
    ] {
        let (mut dialogue, mut desk) = <(Dialogue, Counter)>::default();
        let verdict = say(text, Dir::Original, &tuples, &mut dialogue, &mut desk);
        assert_eq!(verdict, Verdict::Drop(Why::Unreadable), "{text}");
    }
}

#[test]
fn any_message_is_read() {
    let all = [plain(17, 5060), masqueraded(17, 5060), masqueraded(6, 5060)];
    let texts = [invite(SDP), register("<sip:alice@10.0.0.2:40000>")];
    bolero::check!().with_type::<(u8, Vec<(u16, Vec<u8>)>, bool)>().for_each(
        |(which, changes, reply)| {
            let mut text = texts[usize::from(which & 1)].clone().into_bytes();
            for (at, bytes) in changes {
                let at = usize::from(*at) % (text.len() + 1);
                let end = (at + bytes.len() / 2).min(text.len());
                text.splice(at..end, bytes.iter().copied());
            }
            let tuples = &all[usize::from(which >> 1) % 3];
            let dir = if *reply { Dir::Reply } else { Dir::Original };
            let (mut dialogue, mut desk) = (Dialogue::default(), Counter::default());
            let _ = read(&cx(&text, dir, tuples), &mut dialogue, &Options::default(), &mut desk);
            let _ = desk.edited(&text);
        },
    );
}
