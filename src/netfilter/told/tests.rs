//! Lines are those of Linux, and records survive their way.

use super::*;
use crate::netfilter::{
    PacketFacts,
    rule::{self, Log, Nflog},
};

/// Frames with the kernel's lines about them.
const LINUX: &str = include_str!("linux.txt");

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn name(iface: u16) -> String {
    ["", "lan", "wan"][usize::from(iface)].to_owned()
}

/// What is told of a frame.
fn told(frame: &[u8], why: Why, words: &str) -> Told {
    let (link, has_link) = header(&frame[..14]);
    let about = About {
        at: 0,
        wall: 1_700_000_000_042_000_000,
        table: TableName::Raw,
        hook: Hook::PreRouting,
        why,
        words: Words::of(words),
        input: 1,
        output: 0,
        mark: 0,
        len: frame.len() as u32 - 14,
        link,
        has_link,
    };
    Told { about, bytes: frame[14..].to_vec() }
}

fn log(level: u8, options: u8) -> Why {
    Why::Log { level, options }
}

#[test]
fn lines_are_those_of_linux() {
    let mut frame = Vec::new();
    let mut lines = 0;
    for line in LINUX.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(hex) = line.strip_prefix("frame ") {
            frame = bytes(hex);
            continue;
        }
        let (level, text) = line.split_once(' ').unwrap();
        let level: u8 = level.parse().unwrap();
        let text = text.trim_end_matches(['|', ' ']);
        let prefix = |prefix: &str| text.starts_with(prefix);
        let mut of = match () {
            () if prefix("TLall") => told(&frame, log(6, option::TRACE), "TLall "),
            () if prefix("TLplain") => told(&frame, log(4, 0), "TLplain "),
            () if prefix("TLmac") => told(&frame, log(7, option::MAC_DECODE), "TLmac "),
            () if prefix("TLfwd") => told(&frame, log(4, 0), "TLfwd:"),
            () => {
                let mut words = text.split([':', ' ']).skip(2);
                let mut next = || words.next().unwrap();
                let (table, chain, kind) = (next(), next(), next());
                let kinds = [TraceKind::Rule, TraceKind::Return, TraceKind::Policy];
                let kind = kinds.into_iter().find(|known| known.name() == kind).unwrap();
                let number = next().parse().unwrap();
                let mut of = told(&frame, Why::Trace { kind, number }, chain);
                of.about.table = TableName::of(table).unwrap();
                of
            }
        };
        if text.contains("OUT=wan") {
            of.about.output = 2;
            let six = of.bytes[0] >> 4 == 6;
            of.bytes[if six { 7 } else { 8 }] -= 1;
            of.about.mark = if prefix("TLfwd") { 0x2a } else { 0 };
        }
        assert_eq!(super::line(&of, &name), text, "level {level}");
        lines += 1;
    }
    assert!(lines > 160, "{lines}");
}

#[test]
fn what_a_record_does_not_hold_is_incomplete() {
    let frame = LINUX.lines().find_map(|line| line.strip_prefix("frame ")).unwrap();
    let mut of = told(&bytes(frame), log(4, 0), "");
    of.bytes.truncate(30);
    assert!(super::line(&of, &name).ends_with("PROTO=TCP INCOMPLETE [40 bytes]"));
    of.bytes.truncate(10);
    assert!(super::line(&of, &name).ends_with("TRUNCATED"));
    (of.about.input, of.about.output) = (0, 2);
    assert_eq!(super::line(&of, &name), "IN= OUT=wan TRUNCATED");
}

#[test]
fn audits_tell_mark_addresses_and_protocol() {
    let frames: Vec<_> = LINUX.lines().filter_map(|line| line.strip_prefix("frame ")).collect();
    let why = Why::Audit(rule::Audit::Drop);
    let of = told(&bytes(frames[0]), why, "");
    assert_eq!(
        audit(&of, 7),
        "audit: type=1324 audit(1700000000.042:7): mark=0x0 saddr=10.1.0.2 daddr=10.2.0.9 proto=6"
    );
    let six = frames.iter().find(|frame| frame[24..28] == *"86dd").unwrap();
    let mut of = told(&bytes(six), why, "");
    of.about.mark = 0x2a;
    assert!(audit(&of, 8).ends_with(":8): mark=0x2a saddr=fd01::2 daddr=fd02::9 proto=6"));
    of.bytes.truncate(20);
    assert!(audit(&of, 9).ends_with("mark=0x2a saddr=? daddr=? proto=-1"));
}

#[test]
fn no_bytes_make_lines_panic() {
    bolero::check!().with_type::<(u8, bool, u16, Vec<u8>)>().for_each(
        |(options, six, more, bytes)| {
            let mut frame = vec![0; 14];
            frame.extend_from_slice(bytes);
            let mut of = told(&frame, log(4, *options), "");
            if let Some(first) = of.bytes.first_mut() {
                *first = (*first & 0xf) | if *six { 0x60 } else { 0x40 };
            }
            of.about.len += u32::from(*more);
            let _ = (super::line(&of, &name), audit(&of, 0));
        },
    );
}

/// A packet of UDP of so many bytes.
fn packet(len: usize) -> Vec<u8> {
    let mut packet: Vec<u8> = (0..len).map(|at| at as u8).collect();
    packet[..20].copy_from_slice(&[
        0x45,
        0,
        (len >> 8) as u8,
        len as u8,
        0,
        0,
        0,
        0,
        64,
        17,
        0,
        0,
        10,
        1,
        0,
        2,
        10,
        2,
        0,
        9,
    ]);
    packet
}

/// Has a teller tell of a packet.
fn tell(teller: &mut Teller, kind: RecordKind<'_>, len: usize) {
    let mut bytes = packet(len);
    let link = [7; 14];
    let about = PacketFacts { link: &link, input: 1, mark: 5, wall: 9, ..PacketFacts::default() };
    let view = View::new(&mut bytes, len, about).unwrap();
    teller.note(&Record { table: TableName::Filter, hook: Hook::Forward, kind }, &view, 3);
}

fn all(listener: &mut Listener) -> Vec<Told> {
    std::iter::from_fn(|| listener.next()).flatten().collect()
}

#[test]
fn packets_come_whole_or_as_long_as_the_rule_wants_them() {
    let mut listener = Listener::default();
    let mut teller = Teller::new(Arc::clone(listener.ring()), Arc::new(ArrayQueue::new(1)));
    let sizes =
        [(28, None), (1500, None), (1500, Some(0)), (1500, Some(100)), (192, None), (193, None)];
    for (len, size) in sizes {
        let nflog = Nflog { group: 2, prefix: "to group two".into(), size, ..Nflog::default() };
        tell(&mut teller, RecordKind::Nflog(&nflog), len);
    }
    let told = all(&mut listener);
    for ((len, size), told) in sizes.into_iter().zip(&told) {
        let kept = size.map_or(len, |size: u32| (size as usize).min(len));
        assert_eq!(told.bytes, packet(len)[..kept]);
        assert_eq!(told.about.len, len as u32);
        assert_eq!(told.about.why, Why::Nflog { group: 2 });
        assert_eq!(told.about.words.text(), "to group two");
        assert_eq!((told.about.mark, told.about.input, told.about.wall), (5, 1, 9));
    }
    assert_eq!(told.len(), sizes.len());
}

#[test]
fn a_packet_that_finds_no_room_is_counted_and_none_comes_in_part() {
    let mut listener = Listener::default();
    let mut teller = Teller::new(Arc::clone(listener.ring()), Arc::new(ArrayQueue::new(1)));
    let nflog = Nflog::default();
    let parts = 1500_usize.div_ceil(KEPT);
    let fit = DEPTH / parts;
    (0..fit + 5).for_each(|_| tell(&mut teller, RecordKind::Nflog(&nflog), 1500));
    assert_eq!(listener.ring().lost(), 5);
    assert!(all(&mut listener).iter().all(|told| told.bytes == packet(1500)));
    // Words need the beginning alone.
    let log = Log {
        level: 4,
        prefix: String::new(),
        tcp_sequence: true,
        tcp_options: false,
        ip_options: true,
        uid: false,
        mac_decode: false,
    };
    tell(&mut teller, RecordKind::Log(&log), 1500);
    let told = all(&mut listener);
    assert_eq!(told[0].bytes.len(), SPOKEN);
    assert_eq!(told[0].about.why, Why::Log { level: 4, options: 5 });
}

#[test]
fn tags_of_vlans_are_no_part_of_the_header() {
    let tagged = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x81, 0, 0, 10, 8, 0];
    let (link, there) = header(&tagged);
    assert!(there);
    assert_eq!(link, [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 8, 0]);
    assert!(!header(&tagged[..13]).1 && !header(&[]).1);
}
