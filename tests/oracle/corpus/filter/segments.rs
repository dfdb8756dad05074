//! What is in a packet, by its protocol.
//!
//! ```text
//! tcp FLAGS       seq= ack= win= urg= mss= ws= sackok ts=V,E sack=L-R topt=HEX doff= csum
//! udp             ulen= nosum csum
//! udplite         cov=
//! echo, reply     eid= eseq=
//! icmp T/C        info= quote=N [ SPEC ]        icmp6 likewise
//! sctp CHUNKS     vtag= itag= csum (init,initack,cookie,cookieack,data,sack,hb,hback,abort,shut,shutack,shutdone,error)
//! dccp TYPE       seq= ack= topt=HEX doff=
//! gre             gproto= key=                  pptp    callid= seq=
//! esp, ah         spi= seq=
//! proto N
//! ```
//!
//! FLAGS are some of `SFRPAUEWN`, or `-`. `csum` makes the checksum wrong.

use std::net::IpAddr;

use super::spec::Spec;
use crate::common::frame::{ICMP, TCP, UDP, checksum, filler};
use crate::common::frame6::ICMP6;

const SCTP: u8 = 132;
const UDPLITE: u8 = 136;
const DCCP: u8 = 33;
const GRE: u8 = 47;

/// The number of a packet's protocol and all that is behind the IP header.
pub(super) fn segment(spec: &Spec) -> (u8, Vec<u8>) {
    match spec.protocol.as_str() {
        "tcp" => (TCP, tcp(spec)),
        "udp" => (UDP, udp(spec)),
        "udplite" => (UDPLITE, udplite(spec)),
        "echo" => (ICMP, message(spec, 8, 0, &echo(spec))),
        "reply" => (ICMP, message(spec, 0, 0, &echo(spec))),
        "icmp" => {
            let (kind, code) = kind(spec);
            let rest = if matches!(kind, 0 | 8) { echo(spec) } else { about(spec) };
            (ICMP, message(spec, kind, code, &rest))
        }
        "icmp6" => {
            let (kind, code) = kind(spec);
            let rest = if matches!(kind, 128 | 129) { echo(spec) } else { about(spec) };
            (ICMP6, message(spec, kind, code, &rest))
        }
        "sctp" => (SCTP, sctp(spec)),
        "dccp" => (DCCP, dccp(spec)),
        "gre" => (GRE, gre(spec)),
        "pptp" => (GRE, pptp(spec)),
        "esp" => (50, security(spec, &[])),
        "ah" => (51, security(spec, &[253, 4, 0, 0])),
        "proto" => (spec.plain[0].parse().expect("a protocol"), data(spec)),
        other => panic!("no protocol {other}"),
    }
}

/// What is carried.
fn data(spec: &Spec) -> Vec<u8> {
    if let Some(text) = spec.words.get("data") {
        let escapes = [("\\r", "\r"), ("\\n", "\n"), ("\\0", "\0"), ("\\x01", "\x01")];
        let plain = escapes.iter().fold(text.clone(), |text, (from, to)| text.replace(from, to));
        return plain.into_bytes();
    }
    let hex = spec.hex("hex");
    if !hex.is_empty() {
        return hex;
    }
    filler(spec.number_or("len", 0) as usize)
}

/// The checksum over the addresses as well.
fn pseudo(spec: &Spec, protocol: u8, segment: &[u8], covered: usize) -> u16 {
    let len = segment.len() as u32;
    let covered = &segment[..covered];
    match (spec.src, spec.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let len = (len as u16).to_be_bytes();
            checksum(&[&src.octets(), &dst.octets(), &[0, protocol], &len, covered])
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let len = len.to_be_bytes();
            checksum(&[&src.octets(), &dst.octets(), &len, &[0, 0, 0, protocol], covered])
        }
        _ => panic!("addresses of two kinds"),
    }
}

/// Puts a checksum where it belongs, wrong if that is asked for.
fn seal(spec: &Spec, segment: &mut [u8], at: usize, sum: u16) {
    let sum = if spec.says("csum") { sum ^ 0x0101 } else { sum };
    segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

fn ports(spec: &Spec) -> Vec<u8> {
    [spec.sport.to_be_bytes(), spec.dport.to_be_bytes()].concat()
}

fn tcp(spec: &Spec) -> Vec<u8> {
    let bit = |letter| match letter {
        'F' => 1,
        'S' => 2,
        'R' => 4,
        'P' => 8,
        'A' => 16,
        'U' => 32,
        'E' => 64,
        'W' => 128,
        'N' => 256,
        '-' => 0,
        other => panic!("no flag {other}"),
    };
    let flags: u16 = spec.plain.first().map_or("-", |word| word).chars().map(bit).sum();
    let mut options = Vec::new();
    if let Some(mss) = spec.number("mss") {
        options.extend([2, 4]);
        options.extend((mss as u16).to_be_bytes());
    }
    if spec.says("sackok") {
        options.extend([4, 2]);
    }
    if let Some((value, echoed)) = spec.pair("ts", ',') {
        options.extend([8, 10]);
        options.extend((value as u32).to_be_bytes());
        options.extend((echoed as u32).to_be_bytes());
    }
    if let Some(scale) = spec.number("ws") {
        options.extend([3, 3, scale as u8]);
    }
    if let Some((left, right)) = spec.pair("sack", '-') {
        options.extend([1, 1, 5, 10]);
        options.extend((left as u32).to_be_bytes());
        options.extend((right as u32).to_be_bytes());
    }
    options.extend(spec.hex("topt"));
    while !options.len().is_multiple_of(4) {
        options.push(1);
    }
    let words = spec.number_or("doff", (20 + options.len() as u64) / 4) as u16;
    let mut segment = ports(spec);
    segment.extend((spec.number_or("seq", 1000) as u32).to_be_bytes());
    segment.extend((spec.number_or("ack", 0) as u32).to_be_bytes());
    segment.extend((words << 12 | flags).to_be_bytes());
    segment.extend((spec.number_or("win", 8192) as u16).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend((spec.number_or("urg", 0) as u16).to_be_bytes());
    segment.extend(options);
    segment.extend(data(spec));
    let sum = pseudo(spec, TCP, &segment, segment.len());
    seal(spec, &mut segment, 16, sum);
    segment
}

fn udp(spec: &Spec) -> Vec<u8> {
    let data = data(spec);
    let mut segment = ports(spec);
    segment.extend((spec.number_or("ulen", 8 + data.len() as u64) as u16).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(data);
    if spec.says("nosum") {
        return segment;
    }
    let sum = match pseudo(spec, UDP, &segment, segment.len()) {
        0 => 0xffff,
        sum => sum,
    };
    seal(spec, &mut segment, 6, sum);
    segment
}

fn udplite(spec: &Spec) -> Vec<u8> {
    let coverage = spec.number_or("cov", 0);
    let mut segment = ports(spec);
    segment.extend((coverage as u16).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(data(spec));
    let covered = if coverage == 0 { segment.len() } else { segment.len().min(coverage as usize) };
    let sum = match pseudo(spec, UDPLITE, &segment, covered) {
        0 => 0xffff,
        sum => sum,
    };
    seal(spec, &mut segment, 6, sum);
    segment
}

/// Identification, number and data of an echo.
fn echo(spec: &Spec) -> Vec<u8> {
    let id = spec.number_or("eid", 77) as u16;
    let number = spec.number_or("eseq", 1) as u16;
    [&id.to_be_bytes()[..], &number.to_be_bytes(), &data(spec)].concat()
}

/// What an error says and quotes.
fn about(spec: &Spec) -> Vec<u8> {
    let mut rest = (spec.number_or("info", 0) as u32).to_be_bytes().to_vec();
    match &spec.quote {
        Some(quoted) => {
            let mut packet = quoted.packet();
            if let Some(len) = spec.number("quote") {
                packet.truncate(len as usize);
            }
            rest.extend(packet);
        }
        None => rest.extend(data(spec)),
    }
    rest
}

fn kind(spec: &Spec) -> (u8, u8) {
    let (kind, code) = spec.plain[0].split_once('/').expect("a type and a code");
    (kind.parse().expect("a type"), code.parse().expect("a code"))
}

fn message(spec: &Spec, kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest);
    let sum = match spec.is_six() && spec.protocol == "icmp6" {
        true => pseudo(spec, ICMP6, &message, message.len()),
        false => checksum(&[&message]),
    };
    seal(spec, &mut message, 2, sum);
    message
}

fn sctp(spec: &Spec) -> Vec<u8> {
    let mut segment = ports(spec);
    segment.extend((spec.number_or("vtag", 0) as u32).to_be_bytes());
    segment.extend([0; 4]);
    for name in spec.plain[0].split(',').filter(|name| *name != "-") {
        let tag = (spec.number_or("itag", 0x1111) as u32).to_be_bytes();
        let init = [&tag[..], &[0, 1, 0, 0, 0, 5, 0, 5, 0, 0, 0, 1]].concat();
        let (kind, body) = match name {
            "data" => (0, [&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0][..], b"data"].concat()),
            "init" => (1, init),
            "initack" => (2, [&init[..], &[0, 7, 0, 8, 1, 2, 3, 4]].concat()),
            "sack" => (3, vec![0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]),
            "hb" => (4, vec![0, 1, 0, 8, 1, 2, 3, 4]),
            "hback" => (5, vec![0, 1, 0, 8, 1, 2, 3, 4]),
            "abort" => (6, vec![]),
            "shut" => (7, vec![0, 0, 0, 1]),
            "shutack" => (8, vec![]),
            "error" => (9, vec![0, 1, 0, 4]),
            "cookie" => (10, vec![1, 2, 3, 4]),
            "cookieack" => (11, vec![]),
            "shutdone" => (14, vec![]),
            other => (other.parse().expect("a chunk"), vec![]),
        };
        let len = spec.number_or("clen", 4 + body.len() as u64) as u16;
        segment.push(kind);
        segment.push(spec.number_or("cflags", 0) as u8);
        segment.extend(len.to_be_bytes());
        segment.extend(body);
    }
    let sum = crc32c(&segment) ^ if spec.says("csum") { 1 } else { 0 };
    segment[8..12].copy_from_slice(&sum.to_le_bytes());
    segment
}

/// The checksum of SCTP (RFC 3309).
fn crc32c(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc));
    !bytes.iter().fold(u32::MAX, byte)
}

fn dccp(spec: &Spec) -> Vec<u8> {
    let kind = match spec.plain[0].as_str() {
        "request" => 0,
        "response" => 1,
        "data" => 2,
        "ack" => 3,
        "dataack" => 4,
        "closereq" => 5,
        "close" => 6,
        "reset" => 7,
        "sync" => 8,
        "syncack" => 9,
        other => other.parse().expect("a type"),
    };
    let mut rest = Vec::new();
    if !matches!(kind, 0 | 2) {
        rest.extend([0, 0]);
        rest.extend(&spec.number_or("ack", 0).to_be_bytes()[2..]);
    }
    if matches!(kind, 0 | 1 | 7) {
        rest.extend([0, 0, 0, 42]);
    }
    rest.extend(spec.hex("topt"));
    rest.resize(rest.len().next_multiple_of(4), 0);
    let mut segment = ports(spec);
    segment.push(spec.number_or("doff", (16 + rest.len() as u64) / 4) as u8);
    segment.extend([0, 0, 0]);
    segment.extend([kind << 1 | 1, 0]);
    segment.extend(&spec.number_or("seq", 1000).to_be_bytes()[2..]);
    segment.extend(rest);
    segment.extend(data(spec));
    let sum = pseudo(spec, DCCP, &segment, segment.len());
    seal(spec, &mut segment, 6, sum);
    segment
}

fn gre(spec: &Spec) -> Vec<u8> {
    let key = spec.number("key");
    let mut packet = vec![if key.is_some() { 0x20 } else { 0 }, 0];
    packet.extend((spec.number_or("gproto", 0x0800) as u16).to_be_bytes());
    packet.extend(key.iter().flat_map(|key| (*key as u32).to_be_bytes()));
    packet.extend(data(spec));
    packet
}

fn pptp(spec: &Spec) -> Vec<u8> {
    let data = data(spec);
    let mut packet = vec![0x30, 0x01, 0x88, 0x0b];
    packet.extend((data.len() as u16).to_be_bytes());
    packet.extend((spec.number_or("callid", 1) as u16).to_be_bytes());
    packet.extend((spec.number_or("seq", 0) as u32).to_be_bytes());
    packet.extend(data);
    packet
}

fn security(spec: &Spec, before: &[u8]) -> Vec<u8> {
    let mut packet = before.to_vec();
    packet.extend((spec.number_or("spi", 0x100) as u32).to_be_bytes());
    packet.extend((spec.number_or("seq", 1) as u32).to_be_bytes());
    packet.extend([0xaa; 12]);
    packet.extend(data(spec));
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_sctp_is_that_of_its_standard() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn what_is_sealed_is_right() {
        let spec = Spec::parse("lan:1 > wan:2 tcp SA seq=5 mss=1460 data=abc");
        let (protocol, segment) = segment(&spec);
        assert_eq!(pseudo(&spec, protocol, &segment, segment.len()), 0);
    }
}
