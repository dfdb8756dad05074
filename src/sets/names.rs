//! Names of protocols, and of the messages of ICMP.
//!
//! - takes: words, or numbers
//! - gives: numbers, or words
//! - obeys: `/etc/protocols`, and `ipset` 7.17's own names of messages

use super::error::{Error, number};

/// `icmp` and `ipv6-icmp`
pub(super) const ICMP: u8 = 1;
pub(super) const ICMPV6: u8 = 58;
const TCP: u8 = 6;

const PROTOCOLS: [(u8, &str); 18] = [
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipencap"),
    (6, "tcp"),
    (8, "egp"),
    (17, "udp"),
    (33, "dccp"),
    (41, "ipv6"),
    (46, "rsvp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (89, "ospf"),
    (103, "pim"),
    (112, "vrrp"),
    (132, "sctp"),
    (136, "udplite"),
];

/// Messages of ICMP by type and code.
const MESSAGES: [(u8, u8, &str); 34] = [
    (0, 0, "echo-reply"),
    (0, 0, "pong"),
    (3, 0, "network-unreachable"),
    (3, 1, "host-unreachable"),
    (3, 2, "protocol-unreachable"),
    (3, 3, "port-unreachable"),
    (3, 4, "fragmentation-needed"),
    (3, 5, "source-route-failed"),
    (3, 6, "network-unknown"),
    (3, 7, "host-unknown"),
    (3, 9, "network-prohibited"),
    (3, 10, "host-prohibited"),
    (3, 11, "TOS-network-unreachable"),
    (3, 12, "TOS-host-unreachable"),
    (3, 13, "communication-prohibited"),
    (3, 14, "host-precedence-violation"),
    (3, 15, "precedence-cutoff"),
    (4, 0, "source-quench"),
    (5, 0, "network-redirect"),
    (5, 1, "host-redirect"),
    (5, 2, "TOS-network-redirect"),
    (5, 3, "TOS-host-redirect"),
    (8, 0, "echo-request"),
    (8, 0, "ping"),
    (9, 0, "router-advertisement"),
    (10, 0, "router-solicitation"),
    (11, 0, "ttl-zero-during-transit"),
    (11, 1, "ttl-zero-during-reassembly"),
    (12, 0, "ip-header-bad"),
    (12, 1, "required-option-missing"),
    (13, 0, "timestamp-request"),
    (14, 0, "timestamp-reply"),
    (17, 0, "address-mask-request"),
    (18, 0, "address-mask-reply"),
];

const MESSAGES6: [(u8, u8, &str); 21] = [
    (1, 0, "no-route"),
    (1, 1, "communication-prohibited"),
    (1, 3, "address-unreachable"),
    (1, 4, "port-unreachable"),
    (2, 0, "packet-too-big"),
    (3, 0, "ttl-zero-during-transit"),
    (3, 1, "ttl-zero-during-reassembly"),
    (4, 0, "bad-header"),
    (4, 1, "unknown-header-type"),
    (4, 2, "unknown-option"),
    (128, 0, "echo-request"),
    (128, 0, "ping"),
    (129, 0, "echo-reply"),
    (129, 0, "pong"),
    (133, 0, "router-solicitation"),
    (134, 0, "router-advertisement"),
    (135, 0, "neighbour-solicitation"),
    (135, 0, "neighbor-solicitation"),
    (136, 0, "neighbour-advertisement"),
    (136, 0, "neighbor-advertisement"),
    (137, 0, "redirect"),
];

fn messages(proto: u8) -> &'static [(u8, u8, &'static str)] {
    if proto == ICMP { &MESSAGES } else { &MESSAGES6 }
}

fn protocol_text(proto: u8) -> String {
    let named = PROTOCOLS.iter().find(|(number, _)| *number == proto);
    named.map_or_else(|| proto.to_string(), |(_, name)| (*name).to_owned())
}

/// `tcp:80`, `icmp:echo-request`
pub(super) fn port_text(proto: u8, port: u16) -> String {
    let name = protocol_text(proto);
    if !matches!(proto, ICMP | ICMPV6) {
        return format!("{name}:{port}");
    }
    let [kind, code] = port.to_be_bytes();
    let known = messages(proto).iter().find(|row| (row.0, row.1) == (kind, code));
    match known {
        Some((_, _, message)) => format!("{name}:{message}"),
        None => format!("{name}:{kind}/{code}"),
    }
}

/// Finds the port of a service by its name and its protocol's.
pub type Services = fn(&str, &str) -> Option<u16>;

fn has_ports(proto: u8) -> bool {
    matches!(proto, TCP | 17 | 132 | 136)
}

fn plain_port(text: &str, proto: &str, services: Services) -> Result<u16, Error> {
    number(text, 0, 65535).map(|port| port as u16).or_else(|error| {
        services(text, proto).ok_or_else(|| {
            let more = "Syntax error: 'tcp' is invalid as number";
            Error::plain(format!("{error}\n{more}\ncannot parse '{text}' as a {proto} port"))
        })
    })
}

/// Ports of a protocol, from and to.
pub(super) fn ports(text: &str, proto: &str, services: Services) -> Result<(u16, u16), Error> {
    // A service may have a dash in its name.
    if let Some(port) = services(text, proto) {
        return Ok((port, port));
    }
    let (from, to) = match text.split_once('-') {
        Some((from, to)) => (plain_port(from, proto, services)?, plain_port(to, proto, services)?),
        None => {
            let port = plain_port(text, proto, services)?;
            (port, port)
        }
    };
    Ok((from.min(to), from.max(to)))
}

fn message(text: &str, proto: u8) -> Result<u16, Error> {
    if let Some((kind, code, _)) = messages(proto).iter().find(|row| row.2 == text) {
        return Ok(u16::from_be_bytes([*kind, *code]));
    }
    let name = if proto == ICMP { "ICMP" } else { "ICMPv6" };
    let Some((kind, code)) = text.split_once('/') else {
        return Err(Error::plain(format!("Cannot parse {text} as an {name} type/code.")));
    };
    let (kind, code) = (number(kind, 0, 255)?, number(code, 0, 255)?);
    Ok(u16::from_be_bytes([kind as u8, code as u8]))
}

/// A protocol and its ports, from and to.
pub(super) fn proto_ports(
    text: &str,
    six: bool,
    services: Services,
) -> Result<(u8, u16, u16), Error> {
    let Some((name, rest)) = text.split_once(':').filter(|(_, rest)| !rest.is_empty()) else {
        let (from, to) = ports(text, "tcp", services)?;
        return Ok((TCP, from, to));
    };
    let lower = name.to_ascii_lowercase();
    let known = PROTOCOLS.iter().find(|(_, known)| *known == lower).map(|(number, _)| *number);
    let proto = known
        .or(Some(ICMPV6).filter(|_| lower == "icmpv6"))
        .or_else(|| name.parse().ok())
        .ok_or_else(|| Error::syntax(format!("cannot parse '{name}' as a protocol")))?;
    match proto {
        ICMP if six => Err(Error::syntax("Protocol ICMP can be used with family inet only")),
        ICMPV6 if !six => Err(Error::syntax(
            "Protocol ICMPv6 can be used with family inet6 only\nInvalid add command: missing setname",
        )),
        ICMP | ICMPV6 => message(rest, proto).map(|port| (proto, port, port)),
        _ if has_ports(proto) => {
            let (from, to) = ports(rest, &protocol_text(proto), services)?;
            Ok((proto, from, to))
        }
        _ if rest == "0" => Ok((proto, 0, 0)),
        _ => {
            let why = format!("Protocol {name} can be used with pseudo port value 0 only.");
            Err(Error::syntax(why))
        }
    }
}
