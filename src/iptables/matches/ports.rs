//! Matches on transport headers: `tcp`, `udp`, `udplite`, `sctp`, `dccp`, `multiport`.
//!
//! - takes: their options
//! - gives: [`Match::Tcp`] and its like
//! - obeys: `iptables-extensions(8)`

use std::fmt::Write as _;

use crate::netfilter::rule::{
    Chunk, ChunkRule, Dccp, Is, Masked, Match, Multiport, PortSide, Sctp, SctpChunks, Span, Tcp,
    TcpFlags, Udp,
};

use super::super::error::{Fact, Parse, Refused};
use super::super::options::{Args, Kind, Opt, bad_word, opt};
use super::super::registry::{Check, Families, Look, MatchEntry, Place, Site, free};
use super::super::services;
use super::super::words::{self, bang, span_text};

type Ports = Option<Is<Span<u16>>>;

const SPORT: Opt = opt(&["source-port", "sport"], Kind::PortSpan).inverts();
const DPORT: Opt = opt(&["destination-port", "dport"], Kind::PortSpan).inverts();

fn save_ports(out: &mut String, source: Ports, destination: Ports) {
    for (name, ports) in [("sport", source), ("dport", destination)] {
        if let Some(ports) = ports {
            bang(out, ports.not);
            let _ = write!(out, " --{name} {}", span_text(ports.value));
        }
    }
}

fn list_ports(out: &mut String, source: Ports, destination: Ports, look: Look) {
    for (name, ports) in [("spt", source), ("dpt", destination)] {
        let Some(ports) = ports else { continue };
        let (first, last) = (ports.value.first, ports.value.last);
        let _ = write!(out, " {name}{}:", if first == last { "" } else { "s" });
        out.push_str(if ports.not { "!" } else { "" });
        out.push_str(&port_text(first, look));
        if first != last {
            let _ = write!(out, ":{}", port_text(last, look));
        }
    }
}

/// A port by name where lists show names.
pub(super) fn port_text(port: u16, look: Look) -> String {
    match services::name(port, look.protocol) {
        Some(name) if !look.numeric => name.to_owned(),
        _ => port.to_string(),
    }
}

const FLAGS: [&str; 6] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
const SYN: TcpFlags = TcpFlags { value: 0x02, mask: 0x17 };

fn flag_bits(words: &str) -> Parse<u8> {
    let mut bits = 0;
    for word in words.split(',') {
        bits |= match word.to_ascii_uppercase().as_str() {
            "ALL" => 0x3F,
            "NONE" => 0,
            upper => match FLAGS.iter().position(|flag| *flag == upper) {
                Some(bit) => 1 << bit,
                None => return Err(bad_word("Unknown TCP flag `", word, "'")),
            },
        };
    }
    Ok(bits)
}

fn flag_text(bits: u8) -> String {
    let set = |bit: &usize| bits >> bit & 1 != 0;
    let named: Vec<&str> = (0..FLAGS.len()).filter(set).map(|bit| FLAGS[bit]).collect();
    if named.is_empty() { "NONE".to_owned() } else { named.join(",") }
}

fn build_tcp(args: &Args) -> Parse<Match> {
    let flags = match args.text("tcp-flags") {
        Some(words) => {
            let (mask, value) = words.value.split_once(' ').unwrap_or((words.value, ""));
            if args.has("syn") {
                return Err(Fact::Says("Only one of `--syn' or `--tcp-flags'  allowed").into());
            }
            let value = Masked { value: flag_bits(value)?, mask: flag_bits(mask)? };
            Some(Is { not: words.not, value })
        }
        None => args.flag("syn").map(|so| Is { not: !so, value: SYN }),
    };
    let option = match args.text("tcp-option") {
        Some(words) => {
            let kind = words::number(words.value).and_then(|n| u8::try_from(n).ok());
            let kind = kind.filter(|kind| *kind != 0);
            let value = kind.ok_or_else(|| bad_word("Bad TCP option \"", words.value, "\""))?;
            Some(Is { not: words.not, value })
        }
        None => None,
    };
    Ok(Match::Tcp(Tcp {
        source: args.ports("source-port"),
        destination: args.ports("destination-port"),
        flags,
        option,
    }))
}

pub(super) static TCP: MatchEntry = MatchEntry {
    name: "tcp",
    families: Families::Both,
    place: Place::ANY.protocols(&[6]),
    terse: true,
    options: &[
        SPORT,
        DPORT,
        opt(&["syn"], Kind::Flag).inverts(),
        opt(&["tcp-flags"], Kind::Pair).inverts(),
        opt(&["tcp-option"], Kind::Text).inverts(),
    ],
    build: build_tcp,
    save: |of, out| {
        let Match::Tcp(tcp) = of else { return false };
        save_ports(out, tcp.source, tcp.destination);
        if let Some(option) = tcp.option {
            bang(out, option.not);
            let _ = write!(out, " --tcp-option {}", option.value);
        }
        if let Some(flags) = tcp.flags {
            bang(out, flags.not);
            let (mask, value) = (flag_text(flags.value.mask), flag_text(flags.value.value));
            let _ = write!(out, " --tcp-flags {mask} {value}");
        }
        true
    },
    list: |of, out, look| {
        let Match::Tcp(tcp) = of else { return false };
        out.push_str(" tcp");
        list_ports(out, tcp.source, tcp.destination, look);
        if let Some(option) = tcp.option {
            let inverted = if option.not { "!" } else { "" };
            let _ = write!(out, " option={inverted}{}", option.value);
        }
        if let Some(flags) = tcp.flags {
            out.push_str(if flags.not { " flags:!" } else { " flags:" });
            let (mask, value) = (flags.value.mask, flags.value.value);
            let _ = if look.numeric {
                write!(out, "0x{mask:02X}/0x{value:02X}")
            } else {
                write!(out, "{}/{}", flag_text(mask), flag_text(value))
            };
        }
        true
    },
    check: free,
};

fn udp_of(args: &Args) -> Udp {
    Udp { source: args.ports("source-port"), destination: args.ports("destination-port") }
}

pub(super) static UDP: MatchEntry = MatchEntry {
    name: "udp",
    families: Families::Both,
    place: Place::ANY.protocols(&[17]),
    terse: true,
    options: &[SPORT, DPORT],
    build: |args| Ok(Match::Udp(udp_of(args))),
    save: |of, out| {
        let Match::Udp(udp) = of else { return false };
        save_ports(out, udp.source, udp.destination);
        true
    },
    list: |of, out, look| {
        let Match::Udp(udp) = of else { return false };
        out.push_str(" udp");
        list_ports(out, udp.source, udp.destination, look);
        true
    },
    check: free,
};

pub(super) static UDPLITE: MatchEntry = MatchEntry {
    name: "udplite",
    families: Families::Both,
    place: Place::ANY.protocols(&[136]),
    terse: true,
    options: &[SPORT, DPORT],
    build: |args| Ok(Match::UdpLite(udp_of(args))),
    save: |of, out| {
        let Match::UdpLite(udp) = of else { return false };
        save_ports(out, udp.source, udp.destination);
        true
    },
    list: |of, out, look| {
        let Match::UdpLite(udp) = of else { return false };
        out.push_str(" udplite");
        list_ports(out, udp.source, udp.destination, look);
        true
    },
    check: free,
};

/// Chunks by name, and the letters of their flags from the highest bit on.
const CHUNKS: &[(&str, u8, &str)] = &[
    ("DATA", 0, "----IUBE"),
    ("INIT", 1, ""),
    ("INIT_ACK", 2, ""),
    ("SACK", 3, ""),
    ("HEARTBEAT", 4, ""),
    ("HEARTBEAT_ACK", 5, ""),
    ("ABORT", 6, "-------T"),
    ("SHUTDOWN", 7, ""),
    ("SHUTDOWN_ACK", 8, ""),
    ("ERROR", 9, ""),
    ("COOKIE_ECHO", 10, ""),
    ("COOKIE_ACK", 11, ""),
    ("ECN_ECNE", 12, ""),
    ("ECN_CWR", 13, ""),
    ("SHUTDOWN_COMPLETE", 14, "-------T"),
    ("I_DATA", 64, "----IUBE"),
    ("RE_CONFIG", 130, ""),
    ("PAD", 132, ""),
    ("ASCONF", 193, ""),
    ("ASCONF_ACK", 128, ""),
    ("FORWARD_TSN", 192, ""),
    ("I_FORWARD_TSN", 194, ""),
];

fn chunk_of(word: &str) -> Parse<Chunk> {
    let (name, letters) = match word.split_once(':') {
        Some((name, letters)) => (name, Some(letters)),
        None => (word, None),
    };
    let found = CHUNKS.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(name));
    let Some((_, kind, valid)) = found else {
        return Err(bad_word("Unknown sctp chunk `", name, "'"));
    };
    let mut flags = Masked { value: 0, mask: 0 };
    for letter in letters.unwrap_or_default().chars() {
        let at = valid.chars().position(|known| known.eq_ignore_ascii_case(&letter));
        let Some(at) = at.filter(|_| letter != '-') else {
            return Err(Fact::Tells(format!("Invalid flags for chunk type {kind}")).into());
        };
        let bit = 0x80 >> at;
        // A flag that is asked for both ways must be there.
        flags.mask |= bit;
        if letter.is_ascii_uppercase() {
            flags.value |= bit;
        }
    }
    Ok(Chunk { kind: *kind, flags: (flags.mask != 0).then_some(flags) })
}

fn chunks_of(words: &str) -> Parse<SctpChunks> {
    let (rule, list) = words.split_once(' ').unwrap_or((words, ""));
    let rule = match rule.to_ascii_lowercase().as_str() {
        "any" => ChunkRule::Any,
        "all" => ChunkRule::All,
        "only" => ChunkRule::Only,
        _ => {
            return Err(
                Fact::Says("Match type has to be one of \"ALL\", \"ANY\" or \"ONLY\"").into()
            );
        }
    };
    let mut chunks: Vec<Chunk> = match list {
        "ALL" => (0..=u8::MAX).map(|kind| Chunk { kind, flags: None }).collect(),
        "NONE" => Vec::new(),
        list => list.split(',').map(chunk_of).collect::<Parse<_>>()?,
    };
    chunks.sort_by_key(|chunk| chunk.kind);
    // One that comes again adds its flags.
    chunks.dedup_by(|next, chunk| {
        let same = next.kind == chunk.kind;
        if same {
            chunk.flags = match (chunk.flags, next.flags) {
                (Some(one), Some(two)) => Some(Masked {
                    value: one.value & !two.mask | two.value,
                    mask: one.mask | two.mask,
                }),
                (one, two) => one.or(two),
            };
        }
        same
    });
    Ok(SctpChunks { rule, chunks })
}

fn chunk_text(chunk: &Chunk, numeric: bool) -> String {
    let known = CHUNKS.iter().find(|(_, kind, _)| *kind == chunk.kind);
    let mut text = match known {
        Some((name, _, _)) if !numeric => (*name).to_owned(),
        _ => format!("0x{:04X}", chunk.kind),
    };
    if let (Some(flags), Some((_, _, valid))) = (chunk.flags, known) {
        text.push(':');
        for (at, letter) in valid.chars().enumerate() {
            let bit = 0x80 >> at;
            if flags.mask & bit != 0 {
                let upper = flags.value & bit != 0;
                text.push(if upper { letter } else { letter.to_ascii_lowercase() });
            }
        }
    }
    text
}

fn chunks_text(of: &SctpChunks, numeric: bool) -> String {
    let rule = match of.rule {
        ChunkRule::Any => "any",
        ChunkRule::All => "all",
        ChunkRule::Only => "only",
    };
    let chunks = match of.chunks.len() {
        0 => "NONE".to_owned(),
        256 => "ALL".to_owned(),
        _ => {
            let texts: Vec<String> =
                of.chunks.iter().map(|chunk| chunk_text(chunk, numeric)).collect();
            texts.join(",")
        }
    };
    format!("{rule} {chunks}")
}

pub(super) static SCTP: MatchEntry = MatchEntry {
    name: "sctp",
    families: Families::Both,
    place: Place::ANY.protocols(&[132]),
    terse: true,
    options: &[SPORT, DPORT, opt(&["chunk-types"], Kind::Pair).inverts()],
    build: |args| {
        let chunks = match args.text("chunk-types") {
            Some(words) => Some(Is { not: words.not, value: chunks_of(words.value)? }),
            None => None,
        };
        Ok(Match::Sctp(Sctp {
            source: args.ports("source-port"),
            destination: args.ports("destination-port"),
            chunks,
        }))
    },
    save: |of, out| {
        let Match::Sctp(sctp) = of else { return false };
        save_ports(out, sctp.source, sctp.destination);
        if let Some(chunks) = &sctp.chunks {
            bang(out, chunks.not);
            let _ = write!(out, " --chunk-types {}", chunks_text(&chunks.value, false));
        }
        true
    },
    list: |of, out, look| {
        let Match::Sctp(sctp) = of else { return false };
        out.push_str(" sctp");
        list_ports(out, sctp.source, sctp.destination, look);
        if let Some(chunks) = &sctp.chunks {
            bang(out, chunks.not);
            let _ = write!(out, " {}", chunks_text(&chunks.value, look.numeric));
        }
        true
    },
    check: free,
};

const DCCP_TYPES: [&str; 10] = [
    "REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC",
    "SYNCACK",
];
const DCCP_INVALID: u32 = 0xFC00;

fn dccp_bits(words: &str) -> Parse<u32> {
    let mut bits = 0;
    for word in words.split(',') {
        let upper = word.to_ascii_uppercase();
        bits |= match DCCP_TYPES.iter().position(|name| *name == upper) {
            Some(bit) => 1 << bit,
            None if upper == "INVALID" => DCCP_INVALID,
            None => return Err(bad_word("Unknown DCCP type `", word, "'")),
        };
    }
    Ok(bits)
}

fn dccp_text(bits: u32, numeric: bool) -> String {
    let mut words: Vec<String> = Vec::new();
    for bit in (0..16).filter(|bit| bits >> bit & 1 != 0) {
        match DCCP_TYPES.get(bit) {
            _ if numeric => words.push(bit.to_string()),
            Some(name) => words.push((*name).to_owned()),
            None => {
                words.push("INVALID".to_owned());
                break;
            }
        }
    }
    words.join(",")
}

pub(super) static DCCP: MatchEntry = MatchEntry {
    name: "dccp",
    families: Families::Both,
    place: Place::ANY.protocols(&[33]),
    terse: true,
    options: &[
        SPORT,
        DPORT,
        opt(&["dccp-types"], Kind::Text).inverts(),
        opt(&["dccp-option"], Kind::Uint(1, 255)).inverts(),
    ],
    build: |args| {
        let types = match args.text("dccp-types") {
            Some(words) => Some(Is { not: words.not, value: dccp_bits(words.value)? }),
            None => None,
        };
        Ok(Match::Dccp(Dccp {
            source: args.ports("source-port"),
            destination: args.ports("destination-port"),
            types,
            option: args.uint("dccp-option"),
        }))
    },
    save: |of, out| {
        let Match::Dccp(dccp) = of else { return false };
        save_ports(out, dccp.source, dccp.destination);
        if let Some(types) = dccp.types {
            bang(out, types.not);
            let _ = write!(out, " --dccp-types {}", dccp_text(types.value, false));
        }
        if let Some(option) = dccp.option {
            bang(out, option.not);
            let _ = write!(out, " --dccp-option {}", option.value);
        }
        true
    },
    list: |of, out, look| {
        let Match::Dccp(dccp) = of else { return false };
        out.push_str(" dccp");
        list_ports(out, dccp.source, dccp.destination, look);
        if let Some(types) = dccp.types {
            bang(out, types.not);
            let _ = write!(out, " {}", dccp_text(types.value, look.numeric));
        }
        if let Some(option) = dccp.option {
            let inverted = if option.not { "!" } else { "" };
            let _ = write!(out, " option={inverted}{}", option.value);
        }
        true
    },
    check: free,
};

const MANY: &[&str] = &["source-ports", "destination-ports", "ports"];

fn many_ports(words: &str) -> Parse<Vec<Span<u16>>> {
    let mut ports = Vec::new();
    let mut room = 15usize;
    for word in words.split(',') {
        let span = match word.split_once(':') {
            None => Span::only(words::port(word)?),
            Some((first, last)) => Span::new(words::port(first)?, words::port(last)?),
        };
        let takes = if word.contains(':') { 2 } else { 1 };
        room = room.checked_sub(takes).ok_or(Fact::Says("too many ports specified"))?;
        if word.contains(':') && span.first >= span.last {
            return Err(Fact::PortRange("invalid portrange specified").into());
        }
        ports.push(span);
    }
    Ok(ports)
}

fn build_multiport(args: &Args) -> Parse<Match> {
    let sides = [PortSide::Source, PortSide::Destination, PortSide::Either];
    let Some((name, side)) = MANY.iter().zip(sides).find(|(name, _)| args.has(name)) else {
        return Err(Fact::Says("multiport expection an option").into());
    };
    match args.protocol {
        Some(Is { not: false, value: 6 | 17 | 136 | 132 | 33 }) => {}
        None | Some(Is { not: true, .. }) => {
            return Err(Fact::Says(
                "multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'",
            )
            .into());
        }
        Some(_) => {
            return Err(
                Fact::Says("multiport only works with TCP, UDP, UDPLITE, SCTP and DCCP").into()
            );
        }
    }
    let words = args.text(name).unwrap_or(Is::so(""));
    let value = Multiport { side, ports: many_ports(words.value)? };
    Ok(Match::Multiport(Is { not: words.not, value }))
}

fn side_word(side: PortSide) -> &'static str {
    match side {
        PortSide::Source => "sports",
        PortSide::Destination => "dports",
        PortSide::Either => "ports",
    }
}

fn check_multiport(of: &Match, site: &Site<'_>) -> Check {
    let Match::Multiport(of) = of else { return Ok(()) };
    let known =
        matches!(site.basic.protocol, Some(Is { not: false, value: 6 | 17 | 136 | 132 | 33 }));
    if !known || of.value.ports.len() > 15 {
        return Err((Refused::Invalid, "multiport needs a protocol with ports".to_owned()));
    }
    Ok(())
}

pub(super) static MULTIPORT: MatchEntry = MatchEntry {
    name: "multiport",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["source-ports", "sports"], Kind::Text)
            .inverts()
            .excludes(&["destination-ports", "ports"]),
        opt(&["destination-ports", "dports"], Kind::Text)
            .inverts()
            .excludes(&["source-ports", "ports"]),
        opt(&["ports"], Kind::Text).inverts().excludes(&["source-ports", "destination-ports"]),
    ],
    build: build_multiport,
    save: |of, out| {
        let Match::Multiport(of) = of else { return false };
        bang(out, of.not);
        let ports: Vec<String> = of.value.ports.iter().map(|ports| span_text(*ports)).collect();
        let _ = write!(out, " --{} {}", side_word(of.value.side), ports.join(","));
        true
    },
    list: |of, out, look| {
        let Match::Multiport(of) = of else { return false };
        let _ = write!(out, " multiport {} ", side_word(of.value.side));
        out.push_str(if of.not { " !" } else { "" });
        let text = |ports: &Span<u16>| {
            let first = port_text(ports.first, look);
            if ports.first == ports.last {
                first
            } else {
                format!("{first}:{}", port_text(ports.last, look))
            }
        };
        out.push_str(&of.value.ports.iter().map(text).collect::<Vec<_>>().join(","));
        true
    },
    check: check_multiport,
};
