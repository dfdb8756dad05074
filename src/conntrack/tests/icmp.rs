//! ICMP and ICMPv6: questions, answers, and errors about other flows.

use super::*;

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";
const ROUTER: &str = "192.0.2.1";

/// Shows [9.61] and [9.137].
#[test]
fn questions_are_connections_and_answers_may_come_twice() {
    let mut bench = Bench::new();
    assert_eq!(bench.info(&Packet::icmp(A, B, 8, 0, 7).bytes()), Ok(CtInfo::New));
    for _ in 0..2 {
        let reply = Packet::icmp(B, A, 0, 0, 7).bytes();
        assert_eq!(bench.info(&reply), Ok(CtInfo::EstablishedReply));
    }
    assert_eq!(
        bench.list(),
        ["icmp     1 30 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=7 \
          src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=7 mark=0 use=1"]
    );
    assert_eq!(bench.info(&Packet::icmp(A, B, 8, 0, 8).bytes()), Ok(CtInfo::New));
    assert_eq!(bench.info(&Packet::icmp(A, "10.0.0.3", 8, 0, 7).bytes()), Ok(CtInfo::New));
    assert_eq!(bench.ct.count(), 3);
    assert!(!bench.list().iter().any(|line| line.contains("ASSURED")));
}

/// Shows [9.137], [9.138] and [9.64]: each type of ICMP.
#[test]
fn only_four_types_start_a_connection() {
    for ty in 0..=255 {
        let mut bench = Bench::new();
        let wanted = match ty {
            8 | 13 | 15 | 17 => Ok(CtInfo::New),
            0 | 14 | 16 | 18 => Err(Why::NoStart),
            3 | 4 | 5 | 11 | 12 => Err(Why::Unrelated),
            19.. => Err(Why::BadType),
            _ => Err(Why::NotInvertible),
        };
        assert_eq!(bench.info(&Packet::icmp(A, B, ty, 0, 7).bytes()), wanted, "{ty}");
        let stats = bench.ct.stats;
        let errors = matches!(wanted, Err(Why::Unrelated | Why::BadType));
        assert_eq!(stats.error, u64::from(errors), "{ty}");
        assert_eq!(stats.invalid, u64::from(wanted.is_err() && !errors), "{ty}");
        bench.wait(S);
    }
}

/// Shows [9.77] and [9.138].
#[test]
fn malformed_messages_count_as_errors() {
    let mut bench = Bench::new();
    let short = Packet::icmp(A, B, 8, 0, 7).l4(|l4| l4.truncate(7)).bytes();
    assert_eq!(bench.info(&short), Err(Why::Short));
    let bad = Packet::icmp(A, B, 8, 0, 7).raw();
    assert_eq!(bench.info(&bad), Err(Why::BadChecksum));
    assert_eq!((bench.ct.stats.error, bench.ct.stats.invalid, bench.ct.count()), (2, 0, 0));
    bench.rules.checksum = false;
    assert_eq!(bench.info(&bad), Ok(CtInfo::New));
}

/// Shows [9.93], [9.97] and [9.53]: errors belong to the flow that they quote.
#[test]
fn errors_are_related_to_what_they_quote() {
    let mut bench = Bench::new();
    let ask = Packet::udp(A, 1000, B, 53, b"ask").bytes();
    let answer = Packet::udp(B, 53, A, 1000, b"answer").bytes();
    let error = |to: &str, quoted: &[u8]| Packet::error(ROUTER, to, 3, 4, quoted).bytes();
    assert_eq!(bench.info(&error(A, &ask)), Err(Why::Unrelated));
    let conn = bench.pass(&ask).conn;
    bench.pass(&answer);
    let before = bench.only().left;
    bench.now += 5 * S;
    for (packet, info) in [
        (error(A, &ask), CtInfo::RelatedReply),
        (error(B, &answer), CtInfo::Related),
        // Eight octets behind the header are enough.
        (error(A, &ask[..28]), CtInfo::RelatedReply),
        (error(A, &ask[..24]), CtInfo::RelatedReply),
        (Packet::error(ROUTER, A, 11, 0, &ask).bytes(), CtInfo::RelatedReply),
    ] {
        let entered = bench.pass(&packet);
        assert_eq!((entered.info, entered.conn), (info, conn));
    }
    assert_eq!(bench.only().left, before - 5 * S, "errors do not refresh");
    // To somebody else than the sender.
    assert_eq!(bench.info(&error("10.0.0.9", &ask)), Err(Why::OtherReceiver));
    for (quoted, why) in [
        (&ask[..20], "nothing of the transport"),
        (&ask[..23], "three octets of it"),
        (&ask[..19], "not even a header"),
        (&[][..], "nothing"),
    ] {
        assert_eq!(bench.info(&error(A, quoted)), Err(Why::Unrelated), "{why}");
    }
    let mut later = ask.clone();
    later[7] = 9;
    assert_eq!(bench.info(&error(A, &later)), Err(Why::Unrelated), "a later fragment");
    // An error about an error has no inverse.
    let nested = error(A, &error(A, &ask));
    assert_eq!(bench.info(&nested), Err(Why::Unrelated));
    bench.wait(S);
}

/// Shows [9.97]: where translation has changed the reply tuple, errors still find their flow.
#[test]
fn errors_about_translated_packets_find_their_flow() {
    let mut bench = Bench::new();
    let ask = Packet::udp(A, 1000, B, 53, b"ask").bytes();
    let entered = bench.enter(&ask);
    let conn = entered.conn.unwrap();
    let reply = bench.ct.tuples(conn).unwrap()[1];
    let public = Tuple { dst: ip("198.51.100.1").into(), dport: 4000, ..reply };
    assert!(bench.ct.alter_reply(conn, public));
    bench.ct.confirm(conn, entered.info, bench.now);
    let translated = Packet::udp("198.51.100.1", 4000, B, 53, b"ask").bytes();
    let error = Packet::error(ROUTER, "198.51.100.1", 3, 1, &translated).bytes();
    assert_eq!(bench.info(&error), Ok(CtInfo::RelatedReply));
    assert_eq!(bench.info(&Packet::error(ROUTER, A, 3, 1, &ask).bytes()), Err(Why::Unrelated));
}

/// Shows [9.139]: each type of ICMPv6.
#[test]
fn neighbour_discovery_is_not_tracked() {
    for ty in 0..=255 {
        let mut bench = Bench::new();
        let packet = Packet::icmp("fe80::1", "fe80::2", ty, 0, 7).bytes();
        let wanted = match ty {
            128 | 139 => Ok(CtInfo::New),
            129 | 140 => Err(Why::NoStart),
            130..=136 | 143 => Ok(CtInfo::Untracked),
            137 => Err(Why::Short),
            128.. => Err(Why::NotInvertible),
            _ => Err(Why::Unrelated),
        };
        assert_eq!(bench.info(&packet), wanted, "{ty}");
    }
    let mut bench = Bench::new();
    let bad = Packet::icmp("fe80::1", "fe80::2", 135, 0, 7).raw();
    assert_eq!(bench.info(&bad), Err(Why::BadChecksum));
    // The other family's message is no message.
    let odd = Packet { proto: 1, ..Packet::icmp("fe80::1", "fe80::2", 8, 0, 7) }.raw();
    assert_eq!(bench.info(&odd), Err(Why::NoStart));
    let odd = Packet { proto: 58, ..Packet::icmp(A, B, 128, 0, 7) }.raw();
    assert_eq!(bench.info(&odd), Err(Why::NoStart));
    bench.wait(S);
}

/// Shows [9.139] and [9.97] for IPv6, behind extension headers as well.
#[test]
fn errors_of_ipv6_are_related() {
    let (a, b) = ("fd00::1", "fd00::2");
    let mut bench = Bench::new();
    let mut l4 = vec![17, 0, 1, 4, 0, 0, 0, 0];
    l4.extend(&Packet::udp(a, 1000, b, 53, b"").bytes()[40..]);
    let ask = Packet::new(a, b, 60, l4).raw();
    assert_eq!(bench.info(&ask), Ok(CtInfo::New));
    assert_eq!(
        bench.list(),
        ["udp      17 30 src=fd00::1 dst=fd00::2 sport=1000 dport=53 [UNREPLIED] \
          src=fd00::2 dst=fd00::1 sport=53 dport=1000 mark=0 use=1"]
    );
    let error = |ty, to: &str| Packet::error("fd00::ff", to, ty, 0, &ask).bytes();
    for ty in [1, 2, 3, 4] {
        assert_eq!(bench.info(&error(ty, a)), Ok(CtInfo::RelatedReply));
    }
    assert_eq!(bench.info(&error(2, "fd00::9")), Err(Why::OtherReceiver));
}

/// A redirect belongs to the packet that it quotes, where a neighbour sent it.
#[test]
fn redirects_of_ipv6_are_related_when_a_neighbour_sent_them() {
    let (a, b) = ("fd00::1", "fd00::2");
    let mut bench = Bench::new();
    let ask = Packet::udp(a, 1000, b, 53, b"").bytes();
    bench.pass(&ask);
    let redirect = |from: &str, option: u8, hops: u8| {
        let packet = Packet::error(from, a, 137, 0, &[0; 32]).l4(|l4| {
            l4.extend([option, 7, 0, 0, 0, 0, 0, 0]);
            l4.extend(&ask);
        });
        let mut bytes = packet.bytes();
        bytes[7] = hops;
        bytes
    };
    assert_eq!(bench.info(&redirect("fe80::1", 4, 255)), Ok(CtInfo::RelatedReply));
    assert_eq!(bench.info(&redirect("fe80::1", 4, 64)), Err(Why::BadRedirect));
    assert_eq!(bench.info(&redirect("fd00::5", 4, 255)), Err(Why::BadRedirect));
    assert_eq!(bench.info(&redirect("fe80::1", 2, 255)), Err(Why::NotInvertible));
}
