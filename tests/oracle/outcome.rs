//! What left the router because of one frame, and which of its bytes may differ.

use std::collections::BTreeMap;

use crate::common::decode::brief;
use crate::common::frame::{ARP, ETH_HEADER, ICMP, IPV4, Mac, checksum, tag, untag};
use crate::common::frame6::{DST_OPTIONS, FRAGMENT, HOP_BY_HOP, ICMP6, IPV6, ROUTING};
use crate::cookie;

/// The ports that have a cable.
pub(crate) const PORTS: [&str; 3] = ["lan", "wan", "dmz"];

/// Frames by port, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    frames: BTreeMap<&'static str, Vec<Vec<u8>>>,
    /// What a command said and how it ended.
    said: Option<Said>,
}

/// What a command said.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) status: u8,
}

impl From<std::process::Output> for Said {
    fn from(output: std::process::Output) -> Self {
        Self {
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code().and_then(|code| code.try_into().ok()).unwrap_or(u8::MAX),
        }
    }
}

impl Said {
    fn normalised(&self) -> Self {
        let numberless = |line: &str| match line.split_once(": ").or_else(|| line.split_once(":\t"))
        {
            Some((number, rest)) if number.parse::<u32>().is_ok() => format!("N: {}", rest.trim()),
            _ => line.to_owned(),
        };
        let mut lines: Vec<String> = self.out.lines().map(numberless).collect();
        if lines.iter().any(|line| line.contains("inet6 ff")) {
            lines.sort();
        }
        Self { out: lines.join("\n"), ..self.clone() }
    }

    fn brief(&self) -> String {
        let lines: Vec<&str> = self.out.lines().chain(self.err.lines()).map(str::trim).collect();
        match (lines.is_empty(), self.status) {
            (true, 0) => "done".to_owned(),
            (true, status) => format!("status {status}"),
            _ => lines.join(" / ").replace('\t', " "),
        }
    }
}

impl Outcome {
    /// Adds a frame that left by `port`.
    pub(crate) fn push(&mut self, port: &'static str, frame: Vec<u8>) {
        self.frames.entry(port).or_default().push(frame);
    }

    /// Notes what a command said.
    pub(crate) fn say(&mut self, mut said: Said) {
        // Whether the first tick of ten minutes is over is chance.
        for (whole, begun) in
            [("expires 600sec", "expires 599sec"), ("\"expires\":600", "\"expires\":599")]
        {
            said.out = said.out.replace(whole, begun);
        }
        self.said = Some(said);
    }

    /// Whether nothing left, and nothing was said.
    pub(crate) fn is_nothing(&self) -> bool {
        self.frames.is_empty() && self.said.is_none()
    }

    /// All frames, by port and then in order.
    pub(crate) fn frames(self) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        let by_port = self.frames.into_iter();
        by_port.flat_map(|(port, frames)| frames.into_iter().map(move |frame| (port, frame)))
    }

    /// Whether every frame went to this address.
    pub(crate) fn is_all_to(&self, mac: Mac) -> bool {
        self.frames.values().flatten().all(|frame| frame.starts_with(&mac))
    }

    /// The packets that left, whatever way.
    pub(crate) fn packets(&self) -> Vec<Vec<u8>> {
        let packet = |frame: &Vec<u8>| {
            let plain = untag(frame).map_or_else(|| frame.clone(), |(_, inner)| inner);
            plain.get(ETH_HEADER..).unwrap_or_default().to_vec()
        };
        self.frames.values().flatten().map(packet).collect()
    }

    /// Frames that left by one port.
    pub(crate) fn of(&self, port: &str) -> Vec<Vec<u8>> {
        self.frames.get(port).cloned().unwrap_or_default()
    }

    /// The outcome in a few words, such as `lan: icmp 11/0` or `nothing`.
    pub(crate) fn brief(&self) -> String {
        if self.is_nothing() {
            return "nothing".to_owned();
        }
        let ports: Vec<String> = self
            .frames
            .iter()
            .map(|(port, frames)| {
                let frames: Vec<String> = frames.iter().map(|frame| brief(frame)).collect();
                format!("{port}: {}", frames.join(", "))
            })
            .collect();
        self.said.iter().map(Said::brief).chain(ports).collect::<Vec<_>>().join("; ")
    }

    /// The outcome with what two right routers may do differently taken out:
    ///
    /// - bytes after the end of the packet, if zero (a short frame is padded by some cards);
    /// - the identification of packets the router makes itself, as long as it may be any: with DF
    ///   clear. Pieces of one packet must still agree;
    /// - times written into ICMP timestamp replies and the timestamp option;
    /// - of IPv6 packets that the router makes itself, the identification of pieces, and the flow
    ///   label where there is one that is not the given packet's; the nonce of questions for
    ///   duplicates; the order of groups in a report;
    /// - what the router makes up where it answers for another: see [`cookie`](crate::cookie);
    /// - the numbers of interfaces in what a command says, and the order of groups there.
    ///
    /// A checksum over such a field is replaced only if it was right.
    pub(crate) fn normalised(&self, given: &[u8]) -> Self {
        let mut ids = Vec::new();
        let frames = self.frames.iter().map(|(port, frames)| {
            let frames = frames.iter().map(|frame| normalise(frame, given, &mut ids)).collect();
            (*port, frames)
        });
        Self { frames: frames.collect(), said: self.said.as_ref().map(Said::normalised) }
    }
}

fn normalise(frame: &[u8], given: &[u8], ids: &mut Vec<Vec<u8>>) -> Vec<u8> {
    if let Some((tci, inner)) = untag(frame) {
        return tag(&normalise(&inner, given, ids), tci);
    }
    let mut frame = frame.to_vec();
    match frame.get(12..14) {
        Some(kind) if kind == ARP.to_be_bytes() => trim(&mut frame, ETH_HEADER + 28),
        Some(kind) if kind == IPV4.to_be_bytes() && frame.len() >= ETH_HEADER + 20 => {
            let total = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
            trim(&mut frame, ETH_HEADER + total);
            normalise_ip(&mut frame[ETH_HEADER..], given, ids);
        }
        Some(kind) if kind == IPV6.to_be_bytes() && frame.len() >= ETH_HEADER + 40 => {
            let len = usize::from(u16::from_be_bytes([frame[18], frame[19]]));
            trim(&mut frame, ETH_HEADER + 40 + len);
            normalise_ip6(&mut frame[ETH_HEADER..], given, ids);
        }
        _ => {}
    }
    frame
}

/// Cuts padding that holds nothing; padding that holds something is a leak and stays to be seen.
fn trim(frame: &mut Vec<u8>, len: usize) {
    if frame.len() > len && frame[len..].iter().all(|byte| *byte == 0) {
        frame.truncate(len);
    }
}

fn normalise_ip(packet: &mut [u8], given: &[u8], ids: &mut Vec<Vec<u8>>) {
    let header = usize::from(packet[0] & 15) * 4;
    if header < 20 || packet.len() < header || checksum(&[&packet[..header]]) != 0 {
        return;
    }
    let id = [packet[4], packet[5]];
    let dont_fragment = packet[6] & 0x40 != 0;
    if made_by_router(packet, given) && !dont_fragment {
        packet[4..6].copy_from_slice(&token(&id, ids).to_be_bytes());
    }
    blank_timestamp_option(&mut packet[20..header]);
    packet[10..12].fill(0);
    let sum = checksum(&[&packet[..header]]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());

    cookie::blank(packet, packet_of(given));
    if packet[9] == ICMP && packet[6] & 0x1f == 0 && packet[7] == 0 {
        normalise_icmp(&mut packet[header..]);
    }
}

/// Stands for an identification: the same for the same one.
fn token(id: &[u8], ids: &mut Vec<Vec<u8>>) -> u16 {
    let known = ids.iter().position(|known| known == id);
    known.unwrap_or_else(|| {
        ids.push(id.to_vec());
        ids.len() - 1
    }) as u16
}

/// What is behind the Ethernet header of an untagged frame.
fn packet_of(given: &[u8]) -> &[u8] {
    given.get(ETH_HEADER..).unwrap_or_default()
}

fn normalise_ip6(packet: &mut [u8], given: &[u8], ids: &mut Vec<Vec<u8>>) {
    cookie::blank(packet, packet_of(given));
    let given = untag(given).map_or_else(|| given.to_vec(), |(_, inner)| inner);
    let given = given.get(ETH_HEADER..).filter(|given| given.len() >= 40 && given[0] >> 4 == 6);
    // A packet that passes through keeps its source. Its pieces have an identification of their own where
    // it was whole in between.
    if let Some(given) = given.filter(|given| given[8..24] == packet[8..24]) {
        let piece = |packet: &[u8]| {
            let (next, at) = behind_options(packet);
            (next == FRAGMENT && packet.len() >= at + 8).then_some(at + 4)
        };
        let id = |packet: &[u8]| piece(packet).map(|at| packet[at..at + 4].to_vec());
        if let Some(at) = piece(packet).filter(|_| id(packet) != id(given)) {
            let id = token(&packet[at..at + 4], ids);
            packet[at..at + 4].copy_from_slice(&u32::from(id).to_be_bytes());
        }
        return;
    }
    let label = |packet: &[u8]| [packet[1] & 15, packet[2], packet[3]];
    if label(packet) != [0; 3] && given.is_none_or(|given| label(given) != label(packet)) {
        packet[1] &= 0xf0;
        packet[2..4].copy_from_slice(&[0xff, 0xff]);
    }
    let (next, at) = behind_options(packet);
    // A question whether an address is another's has a number for none but itself (RFC 7527).
    if next == ICMP6 && packet[8..24] == [0; 16] && packet[at..].len() == 32 && packet[at] == 135 {
        packet[at + 2..at + 4].fill(0);
        packet[at + 26..].fill(0);
    }
    if next == ICMP6 && packet.len() > at + 8 && packet[at] == 143 {
        let records: Vec<u8> = packet[at + 8..].to_vec();
        let mut sorted: Vec<&[u8]> = Vec::new();
        let mut rest = &records[..];
        while rest.len() >= 20 {
            let sources = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let (record, more) = rest.split_at(rest.len().min(20 + 16 * sources));
            sorted.push(record);
            rest = more;
        }
        sorted.sort();
        sorted.push(rest);
        packet[at + 8..].copy_from_slice(&sorted.concat());
    }
    if next == FRAGMENT && packet.len() >= at + 8 {
        let id = token(&packet[at + 4..at + 8], ids);
        packet[at + 4..at + 8].copy_from_slice(&u32::from(id).to_be_bytes());
    }
}

/// What follows a packet's options and routing headers, and where.
fn behind_options(packet: &[u8]) -> (u8, usize) {
    let (mut next, mut at) = (packet[6], 40);
    while let (HOP_BY_HOP | ROUTING | DST_OPTIONS, Some(words)) = (next, packet.get(at + 1)) {
        let len = usize::from(*words) * 8 + 8;
        (next, at) = (packet[at], at + len);
    }
    (next, at)
}

/// Whether a frame is what an IPv6 router says of itself when nobody asked: reports of the groups
/// it is in, and solicitations of other routers. They come at the router's own pace.
pub(crate) fn is_chatter(frame: &[u8]) -> bool {
    if let Some((_, inner)) = untag(frame) {
        return is_chatter(&inner);
    }
    let Some(packet) = frame.get(ETH_HEADER..).filter(|packet| packet.len() > 48) else {
        return false;
    };
    if frame[12..14] != IPV6.to_be_bytes() {
        return false;
    }
    match (packet[6], packet[40]) {
        (HOP_BY_HOP, ICMP6) => matches!(packet[48], 131 | 132 | 143),
        (ICMP6, 133) => true,
        _ => false,
    }
}

fn normalise_icmp(message: &mut [u8]) {
    if message.len() < 8 || checksum(&[message]) != 0 {
        return;
    }
    match message[0] {
        14 if message.len() >= 20 => message[12..20].fill(0),
        // An error quotes the options as the router had filled them in by then.
        3 | 4 | 5 | 11 | 12 => {
            let quote = &mut message[8..];
            let header = quote.first().map_or(0, |first| usize::from(first & 15) * 4);
            if let Some(options) = quote.get_mut(20..header) {
                blank_timestamp_option(options);
            }
        }
        _ => return,
    }
    message[2..4].fill(0);
    let sum = checksum(&[message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
}

/// A packet that passes through keeps protocol and identification, whatever becomes of its addresses, and
/// a message of ICMP its type; another was made here, even if by chance its identification is the same.
fn made_by_router(packet: &[u8], given: &[u8]) -> bool {
    let given = untag(given).map_or_else(|| given.to_vec(), |(_, inner)| inner);
    let Some(given) = given.get(ETH_HEADER..).filter(|given| given.len() >= 20) else {
        return true;
    };
    let kind = |packet: &[u8]| {
        let whole = packet[9] == ICMP && packet[6] & 0x1f == 0 && packet[7] == 0;
        whole.then(|| packet.get(usize::from(packet[0] & 15) * 4).copied()).flatten()
    };
    let answers = kind(packet).zip(kind(given)).is_some_and(|(kind, given)| kind != given);
    packet[4..6] != given[4..6] || packet[9] != given[9] || answers
}

/// Zeroes the times that a timestamp option (RFC 791 §3.1) holds so far.
fn blank_timestamp_option(options: &mut [u8]) {
    let mut at = 0;
    while at < options.len() {
        match options[at] {
            0 => return,
            1 => at += 1,
            kind => {
                let Some(&len) = options.get(at + 1) else {
                    return;
                };
                let (len, end) = (usize::from(len), at + usize::from(len));
                if len < 2 || end > options.len() {
                    return;
                }
                if kind == 68 && len >= 4 {
                    let filled = (usize::from(options[at + 2]).max(5) - 1).min(len);
                    let with_address = options[at + 3] & 15 != 0;
                    let step = if with_address { 8 } else { 4 };
                    let mut slot = 4;
                    while slot + step <= filled {
                        let time = at + slot + step - 4;
                        options[time..time + 4].fill(0);
                        slot += step;
                    }
                }
                at = end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::frame::{DF, Ip, MF, ether, filler};
    use crate::common::frame6::Ip6;
    use crate::corpus::six::{LAN6, LAN6_HOST, WAN6_HOST, framed, ping};
    use crate::topology::{LAN, LAN_HOST, LAN_MAC, WAN_HOST, mac_of};

    fn frame(packet: &Ip) -> Vec<u8> {
        ether(mac_of(LAN_HOST), LAN_MAC, IPV4, &packet.bytes())
    }

    /// Whether these two lists of frames, sent because of an echo request, count as the same.
    fn same(left: &[Ip], right: &[Ip]) -> bool {
        let outcome = |packets: &[Ip]| {
            let mut outcome = Outcome::default();
            for packet in packets {
                outcome.push("lan", frame(packet));
            }
            outcome.normalised(&frame(&Ip::new(LAN_HOST, WAN_HOST).echo(1, 1, b"given")))
        };
        outcome(left) == outcome(right)
    }

    fn made() -> Ip {
        Ip::new(LAN, LAN_HOST).icmp(0, 0, &filler(40))
    }

    #[test]
    fn identification_of_the_routers_own_packets_is_free_without_df() {
        assert!(same(&[made().id(1)], &[made().id(2)]));
        // The second has by chance the identification of what it answers.
        assert!(same(&[made().id(1)], &[made().id(0x1234)]));
        assert!(!same(&[made().id(1).flags(DF)], &[made().id(2).flags(DF)]));
    }

    #[test]
    fn pieces_of_one_packet_share_their_identification() {
        let pieces = |a, b| [made().id(a).flags(MF), made().id(b).offset(40)];
        assert!(same(&pieces(5, 5), &pieces(9, 9)));
        assert!(!same(&pieces(5, 5), &pieces(9, 8)));
    }

    #[test]
    fn identification_of_a_packet_passing_through_is_compared() {
        let passing = Ip::new(LAN_HOST, WAN_HOST).echo(1, 1, b"given");
        let changed = [passing.clone().id(0x1235)];
        let passing = [passing];
        assert!(same(&passing, &passing));
        assert!(!same(&changed, &passing));
    }

    #[test]
    fn every_other_byte_counts() {
        let given = frame(&Ip::new(LAN_HOST, WAN_HOST).echo(1, 1, b"given"));
        let normalised = |frame: Vec<u8>| {
            let mut outcome = Outcome::default();
            outcome.push("lan", frame);
            outcome.normalised(&given)
        };
        let right = frame(&made());
        for at in 0..right.len() {
            // Changing the identification alone makes the header checksum wrong, which counts too.
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            assert_ne!(normalised(wrong), normalised(right.clone()), "byte {at}");
        }
    }

    #[test]
    fn padding_may_only_be_zero() {
        let given = frame(&made());
        let padded = |byte: u8| {
            let mut outcome = Outcome::default();
            outcome.push("lan", [given.clone(), vec![byte; 3]].concat());
            outcome.normalised(&given)
        };
        let mut bare = Outcome::default();
        bare.push("lan", given.clone());
        assert_eq!(padded(0), bare.normalised(&given));
        assert_ne!(padded(1), bare.normalised(&given));
    }

    /// The same of these packets, sent because of an echo request of IPv6.
    fn same6(left: &[Ip6], right: &[Ip6]) -> bool {
        let frame = |packet: &Ip6| framed([2; 6], LAN_MAC, packet);
        let outcome = |packets: &[Ip6]| {
            let mut outcome = Outcome::default();
            for packet in packets {
                outcome.push("lan", frame(packet));
            }
            outcome.normalised(&frame(&ping().label(5)))
        };
        outcome(left) == outcome(right)
    }

    #[test]
    fn labels_and_identifications_of_the_routers_own_ipv6_are_free() {
        let made = || Ip6::new(LAN6, LAN6_HOST).icmp(129, 0, &filler(40));
        assert!(same6(&[made().label(1)], &[made().label(2)]));
        assert!(!same6(&[made().label(1)], &[made().label(0)]));
        assert!(!same6(&[made().label(1)], &[made().label(5)]), "5 is the one that was asked with");
        assert!(!same6(&[made().hops(63)], &[made()]));
        let pieces = |a, b| [made().piece(0, true, a), made().piece(8, false, b)];
        assert!(same6(&pieces(5, 5), &pieces(9, 9)));
        assert!(!same6(&pieces(5, 5), &pieces(9, 8)));
        let passing = || Ip6::new(LAN6_HOST, WAN6_HOST).echo(1, 1, b"given");
        assert!(!same6(&[passing().label(1)], &[passing().label(2)]));
    }

    #[test]
    fn reports_and_solicitations_are_chatter() {
        let groups = Ip6::new(LAN6, LAN6_HOST).hop_by_hop(&[5, 2, 0, 0]).icmp(143, 0, &[0; 24]);
        let routers = Ip6::new(LAN6, LAN6_HOST).icmp(133, 0, &[0; 8]);
        for chatter in [&groups, &routers] {
            assert!(is_chatter(&framed([2; 6], LAN_MAC, chatter)));
            assert!(is_chatter(&tag(&framed([2; 6], LAN_MAC, chatter), 10)));
        }
        assert!(!is_chatter(&framed([2; 6], LAN_MAC, &ping())));
    }
}
