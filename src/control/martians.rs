//! The log of packets with impossible addresses (`log_martians`).
//!
//! - takes: packets that the workers left to us, with what is wrong as their note
//! - gives: lines in the kernel's words, at most ten in five seconds (`net_ratelimit`)
//! - obeys: RFC 1812 section 5.3.8; `ip_handle_martian_source`

use std::{collections::VecDeque, fmt::Write as _, net::Ipv4Addr};

use super::{Router, journal::LogLine};
use crate::{
    dpdk::mbuf::Packet,
    graph::{Nanos, Reason},
    neighbour::table::martian,
    packet::ipv4::Ipv4View,
};

/// Time of one allowance, and how many lines are in it. Workers count theirs from when a packet came
/// to when the next did; a little less is asked here, where packets may be seen late.
const INTERVAL: Nanos = 4_900_000_000;
const BURST: u32 = 10;
/// Lines that wait to be written; what a log cannot take is counted and forgotten.
const WAITING: usize = 256;
/// The same of lines that somebody may be answerable for.
const LOGGED: usize = 8192;
const ETHERNET: usize = 14;

/// Lines to be written, and how many may follow.
#[derive(Default)]
pub(super) struct Martians {
    lines: VecDeque<String>,
    began: Nanos,
    written: u32,
    suppressed: u64,
}

impl Martians {
    /// True when another packet may be logged; the first one after a silence tells how many were not.
    fn allow(&mut self, now: Nanos) -> bool {
        if now.saturating_sub(self.began) >= INTERVAL || self.began == 0 {
            if self.suppressed > 0 {
                let count = std::mem::take(&mut self.suppressed);
                self.push(format!("net_ratelimit: {count} callbacks suppressed"));
            }
            (self.began, self.written) = (now.max(1), 0);
        }
        let allowed = self.written < BURST;
        self.written += u32::from(allowed);
        self.suppressed += u64::from(!allowed);
        allowed
    }

    fn push(&mut self, line: String) {
        if self.lines.len() < WAITING {
            self.lines.push_back(line);
        }
    }
}

/// What is logged about a packet, in the kernel's words.
fn lines(
    wrong: u16,
    name: &str,
    (src, dst): (Ipv4Addr, Ipv4Addr),
    bytes: &[u8],
    l3: usize,
) -> Vec<String> {
    match wrong {
        martian::SOURCE_ROUTE => vec![format!("source route option {src} -> {dst}")],
        martian::BOGUS_ERROR => {
            let message = bytes.get(l3..).and_then(|ip| Ipv4View::new_quoted(ip).ok());
            let message = message.map(|ip| ip.payload()).unwrap_or_default();
            let told = |at: usize| message.get(at).copied().unwrap_or_default();
            let quoted = Ipv4Addr::new(told(24), told(25), told(26), told(27));
            let (kind, code) = (told(0), told(1));
            vec![format!(
                "{src} sent an invalid ICMP type {kind}, code {code} error to a broadcast: {quoted} on {name}"
            )]
        }
        martian::DESTINATION => {
            vec![format!("IPv4: martian destination {dst} from {src}, dev {name}")]
        }
        _ => {
            let mut link = String::from("ll header: 00000000:");
            for byte in bytes.iter().take(ETHERNET.min(l3)) {
                // Writing to a string never fails.
                let _ = write!(link, " {byte:02x}");
            }
            vec![format!("IPv4: martian source {dst} from {src}, on dev {name}"), link]
        }
    }
}

impl Router {
    /// Lines for the log since the last call.
    pub fn take_log(&mut self) -> impl Iterator<Item = LogLine> + '_ {
        self.martians.lines.drain(..).map(LogLine::warning).chain(self.journal.take())
    }

    /// Has a line logged.
    pub fn log(&mut self, line: String) {
        if self.martians.lines.len() < LOGGED {
            self.martians.lines.push_back(line);
        }
    }

    /// Logs a packet and ends it.
    pub(super) fn handle_martian(&mut self, now: Nanos, packet: Packet) {
        let wrong = packet.note();
        // What the workers kept back since the last one.
        self.martians.suppressed += u64::from(packet.hash());
        if self.martians.allow(now) {
            let name = self.ifaces.iter().find(|own| own.index == packet.iface());
            let name = name.map_or("?", |iface| iface.name.as_str());
            let bytes = packet.data();
            let (src, dst) =
                match Ipv4View::new_quoted(bytes.get(packet.l3()..).unwrap_or_default()) {
                    Ok(ip) => (ip.src(), ip.dst()),
                    Err(_) => (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED),
                };
            for line in lines(wrong, name, (src, dst), bytes, packet.l3()) {
                self.martians.push(line);
            }
        }
        let reason = match wrong {
            martian::DESTINATION => Reason::MartianDestination,
            martian::REVERSE_PATH => Reason::RpFilter,
            martian::SOURCE_ROUTE => Reason::SourceRoute,
            martian::BOGUS_ERROR => Reason::IcmpBogusError,
            _ => Reason::MartianSource,
        };
        self.discard(packet, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{FrameBuilder, icmp4::ErrorKind};

    #[test]
    fn lines_are_those_of_the_kernel() {
        let (host, own) = (Ipv4Addr::new(10, 1, 0, 10), Ipv4Addr::new(10, 1, 0, 1));
        let error = FrameBuilder::new()
            .ipv4(host, own)
            .icmp_error(ErrorKind::Unreachable { code: 3 })
            .payload(&FrameBuilder::new().ipv4(own, [10, 1, 0, 255].into()).udp(1, 2).build()[14..])
            .build();
        let log = |wrong| lines(wrong, "lan", (host, own), &error, 14);
        assert_eq!(log(martian::SOURCE_ROUTE), ["source route option 10.1.0.10 -> 10.1.0.1"]);
        assert_eq!(
            log(martian::BOGUS_ERROR),
            [
                "10.1.0.10 sent an invalid ICMP type 3, code 3 error to a broadcast: 10.1.0.255 on lan"
            ]
        );
        assert_eq!(
            log(martian::DESTINATION),
            ["IPv4: martian destination 10.1.0.1 from 10.1.0.10, dev lan"]
        );
        assert_eq!(log(martian::SOURCE).len(), 2, "the second tells the frame's header");
    }

    #[test]
    fn ten_lines_in_five_seconds_and_the_rest_is_counted() {
        let mut log = Martians::default();
        let second = 1_000_000_000;
        assert_eq!((0..25).filter(|n| log.allow(second + n)).count(), 10);
        assert!(log.lines.is_empty());
        assert!(!log.allow(5 * second) && log.allow(6 * second));
        assert_eq!(log.lines, ["net_ratelimit: 16 callbacks suppressed"]);
    }
}
