//! IPv6 packets in a few words.

use std::net::Ipv6Addr;

use super::decode::tcp_flags;
use super::frame::{TCP, UDP};
use super::frame6::{AUTH, DST_OPTIONS, FRAGMENT, HOP_BY_HOP, ICMP6, NONE, ROUTING};

/// A packet in a few words: `udp6`, `icmp6 2/0 mtu 1400`, `na fe80::1 R S O`, `frag6 0+1232 more`,
/// `hbh+udp6`.
pub(super) fn brief6(packet: &[u8]) -> String {
    let len = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    let whole = packet.len().min(40 + len);
    let mut words = String::new();
    let (mut next, mut rest) = (packet[6], &packet[40..whole]);
    loop {
        let (name, len) = match (next, rest) {
            (HOP_BY_HOP, [_, words, ..]) => ("hbh+", usize::from(*words) * 8 + 8),
            (DST_OPTIONS, [_, words, ..]) => ("dst+", usize::from(*words) * 8 + 8),
            (ROUTING, [_, words, ..]) => ("rh+", usize::from(*words) * 8 + 8),
            (AUTH, [_, words, ..]) => ("ah+", usize::from(*words) * 4 + 8),
            (FRAGMENT, [_, _, a, b, ..]) if rest.len() >= 8 => {
                let field = u16::from_be_bytes([*a, *b]);
                let more = if field & 1 != 0 { " more" } else { "" };
                return format!("{words}frag6 {}+{}{more}", field & 0xfff8, rest.len() - 8);
            }
            _ => break,
        };
        words += name;
        next = rest[0];
        match rest.get(len..) {
            Some(behind) => rest = behind,
            None => return words + "cut short",
        }
    }
    words + &inside(next, rest)
}

fn inside(next: u8, rest: &[u8]) -> String {
    match (next, rest) {
        (ICMP6, [_, _, _, _, _, _, _, _, ..]) => message(rest),
        (UDP, _) => "udp6".to_owned(),
        (TCP, rest) if rest.len() >= 20 => format!("tcp6 {}", tcp_flags(rest[13])),
        (NONE, _) => "none6".to_owned(),
        (next, _) => format!("next {next}"),
    }
}

fn message(message: &[u8]) -> String {
    let address = |at: usize| {
        let bytes: Option<[u8; 16]> = message.get(at..at + 16).and_then(|b| b.try_into().ok());
        bytes.map_or_else(|| "cut short".to_owned(), |bytes| Ipv6Addr::from(bytes).to_string())
    };
    let number = || u32::from_be_bytes([message[4], message[5], message[6], message[7]]);
    match message[..2] {
        [2, code] => format!("icmp6 2/{code} mtu {}", number()),
        [4, code] => format!("icmp6 4/{code} ptr {}", number()),
        [130, 0] => format!("mld query {}", address(8)),
        [131, 0] => format!("mld report {}", address(8)),
        [132, 0] => format!("mld done {}", address(8)),
        [133, 0] => "rs".to_owned(),
        [134, 0] => "ra".to_owned(),
        [135, 0] => format!("ns {}", address(8)),
        [136, 0] => {
            let names = [(0x80, " R"), (0x40, " S"), (0x20, " O")];
            let flags: String = names
                .iter()
                .filter(|(bit, _)| message[4] & bit != 0)
                .map(|(_, name)| *name)
                .collect();
            format!("na {}{flags}", address(8))
        }
        [137, 0] => format!("redirect {} to {}", address(24), address(8)),
        [143, 0] => format!("mld2 report of {}", number() & 0xffff),
        [kind, code] => format!("icmp6 {kind}/{code}"),
        _ => "icmp6".to_owned(),
    }
}
