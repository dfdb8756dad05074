//! Frames in words: a few for a glance, tshark's many for an argument.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::decode6::brief6;
use super::frame::{ARP, ETH_HEADER, ICMP, IPV4, TCP, UDP, untag};
use super::frame6::IPV6;
use super::pcap;

/// A frame in a few words: `udp`, `icmp 3/4 mtu 1400`, `arp reply 10.1.0.1`, `frag 8+16 more`.
pub(crate) fn brief(frame: &[u8]) -> String {
    if let Some((tci, inner)) = untag(frame) {
        return format!("vlan {} {}", tci & 0xfff, brief(&inner));
    }
    let Some(packet) = frame.get(ETH_HEADER..) else {
        return "runt".to_owned();
    };
    match u16::from_be_bytes([frame[12], frame[13]]) {
        IPV4 if packet.len() >= 20 => brief_ip(packet),
        IPV6 if packet.len() >= 40 => brief6(packet),
        ARP if packet.len() >= 28 => {
            let address = |at: usize| {
                Ipv4Addr::from([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
            };
            match packet[7] {
                1 => format!("arp who-has {} tell {}", address(24), address(14)),
                2 => format!("arp reply {}", address(14)),
                operation => format!("arp operation {operation}"),
            }
        }
        ethertype => format!("ethertype {ethertype:04x}"),
    }
}

fn brief_ip(packet: &[u8]) -> String {
    let header = usize::from(packet[0] & 15) * 4;
    let flags = u16::from_be_bytes([packet[6], packet[7]]);
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let (offset, more) = (flags & 0x1fff, flags & 0x2000 != 0);
    if offset != 0 || more {
        let more = if more { " more" } else { "" };
        return format!("frag {}+{}{more}", offset * 8, total.saturating_sub(header));
    }
    let Some(inside) = packet.get(header..total.min(packet.len())) else {
        return "ip cut short".to_owned();
    };
    match (packet[9], inside) {
        (ICMP, [kind @ (3 | 5 | 11 | 12), code, _, _, pointer, _, mtu @ ..])
            if inside.len() >= 8 =>
        {
            let mut words = format!("icmp {kind}/{code}");
            match (kind, code) {
                (3, 4) => write!(words, " mtu {}", u16::from_be_bytes([mtu[0], mtu[1]])),
                (12, _) => write!(words, " ptr {pointer}"),
                _ => Ok(()),
            }
            .expect("write to a string");
            words
        }
        (ICMP, [kind, code, ..]) => format!("icmp {kind}/{code}"),
        (UDP, _) => "udp".to_owned(),
        (TCP, inside) if inside.len() >= 20 => {
            format!("tcp {}", tcp_flags(inside[13]))
        }
        (protocol, _) => format!("proto {protocol}"),
    }
}

/// `SA` for an answer to a connection, and so on.
pub(super) fn tcp_flags(flags: u8) -> String {
    let names = [(2, 'S'), (1, 'F'), (4, 'R'), (8, 'P'), (16, 'A')];
    names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name).collect()
}

/// tshark's full decoding of these frames, or their bytes if tshark is not installed.
pub(crate) fn verbose(frames: &[Vec<u8>], scratch: &Path) -> String {
    if frames.is_empty() {
        return "    (nothing)\n".to_owned();
    }
    let numbered = frames.iter().map(|frame| (Duration::ZERO, frame.as_slice()));
    let decoded = pcap::write(scratch, numbered).and_then(|()| {
        Command::new("tshark")
            .args(["-n", "-V", "-o", "ip.check_checksum:TRUE", "-r"])
            .arg(scratch)
            .output()
    });
    match decoded {
        Ok(output) if output.status.success() => {
            protocols_of(&String::from_utf8_lossy(&output.stdout))
        }
        _ => frames.iter().fold(String::new(), |mut text, frame| {
            for (row, bytes) in frame.chunks(16).enumerate() {
                write!(text, "    {:04x} ", row * 16).expect("write to a string");
                for byte in bytes {
                    write!(text, " {byte:02x}").expect("write to a string");
                }
                text.push('\n');
            }
            text.push('\n');
            text
        }),
    }
}

/// A decoding without what it says of the capture itself: arrival times, frame numbers.
fn protocols_of(decoding: &str) -> String {
    let mut about_capture = false;
    let mut text = String::new();
    for line in decoding.lines() {
        if !line.starts_with(' ') && !line.is_empty() {
            about_capture = line.starts_with("Frame ");
        }
        if !about_capture {
            writeln!(text, "    {line}").expect("write to a string");
        }
    }
    text
}
