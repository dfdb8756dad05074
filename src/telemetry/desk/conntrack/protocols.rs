//! Protocols as `conntrack` knows them: their options, what is demanded of them, and names of states.
//!
//! - gives: [`Kind`] of a protocol, the options that come with it, and the judgement of what was said
//! - obeys: conntrack-tools 1.4.7

use super::words::{Command, Complaint, Table};
use crate::conntrack::{
    show::{Shown, transport},
    track::{dccp, sctp, tcp},
};

/// What a protocol's tuples consist of beside addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ports, and with it states and tags.
    Tcp,
    Udp,
    Sctp,
    Dccp,
    /// Keys.
    Gre,
    /// Type, code and identifier.
    Icmp,
    Icmp6,
    /// Nothing.
    Other,
}

/// What an option of a protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Source and destination port or key, of the original and of the reply direction.
    Port(usize),
    State,
    /// A verification tag of a direction.
    Tag(usize),
    Role,
    Type,
    Code,
    Id,
    /// Of an expectation: ports of its master or masks, by their place.
    Expected(usize),
}

/// The number of a protocol by its name or number.
pub(super) fn number(name: &str) -> Option<u8> {
    const OTHERS: &[(&str, u8)] = &[
        ("igmp", 2),
        ("ipencap", 4),
        ("egp", 8),
        ("igp", 9),
        ("idp", 22),
        ("rsvp", 46),
        ("esp", 50),
        ("ah", 51),
        ("ipv6-icmp", 58),
        ("eigrp", 88),
        ("ospf", 89),
        ("ipip", 94),
        ("pim", 103),
        ("ipcomp", 108),
        ("vrrp", 112),
        ("l2tp", 115),
    ];
    let known = (0..=u8::MAX).find(|number| {
        let own = transport(*number);
        own != "unknown" && own.eq_ignore_ascii_case(name)
    });
    let other = || OTHERS.iter().find(|(other, _)| *other == name).map(|(_, number)| *number);
    known.or_else(other).or_else(|| name.parse().ok())
}

impl Kind {
    /// Of a protocol's number.
    pub(super) fn of(protocol: u8) -> Self {
        match transport(protocol) {
            "tcp" => Self::Tcp,
            "udp" | "udplite" => Self::Udp,
            "sctp" => Self::Sctp,
            "dccp" => Self::Dccp,
            "gre" => Self::Gre,
            "icmp" => Self::Icmp,
            "icmpv6" => Self::Icmp6,
            _ => Self::Other,
        }
    }

    /// Its options.
    pub(super) const fn options(self) -> &'static [(&'static str, Part)] {
        const PORTS: [(&str, Part); 10] = [
            ("sport", Part::Port(0)),
            ("dport", Part::Port(1)),
            ("orig-port-src", Part::Port(0)),
            ("orig-port-dst", Part::Port(1)),
            ("reply-port-src", Part::Port(2)),
            ("reply-port-dst", Part::Port(3)),
            ("mask-port-src", Part::Expected(0)),
            ("mask-port-dst", Part::Expected(1)),
            ("tuple-port-src", Part::Expected(2)),
            ("tuple-port-dst", Part::Expected(3)),
        ];
        const fn with<const N: usize>(
            more: [(&'static str, Part); N],
        ) -> [(&'static str, Part); 13] {
            let mut all = [("", Part::State); 13];
            let mut at = 0;
            while at < 10 {
                all[at] = PORTS[at];
                at += 1;
            }
            while at < 10 + N {
                all[at] = more[at - 10];
                at += 1;
            }
            all
        }
        const TCP: [(&str, Part); 13] = with([("state", Part::State)]);
        const SCTP: [(&str, Part); 13] = with([
            ("state", Part::State),
            ("orig-vtag", Part::Tag(0)),
            ("reply-vtag", Part::Tag(1)),
        ]);
        const DCCP: [(&str, Part); 13] = with([("state", Part::State), ("role", Part::Role)]);
        match self {
            Self::Udp => &PORTS,
            Self::Tcp => &TCP,
            Self::Sctp => &SCTP,
            Self::Dccp => &DCCP,
            Self::Gre => &[
                ("srckey", Part::Port(0)),
                ("dstkey", Part::Port(1)),
                ("orig-key-src", Part::Port(0)),
                ("orig-key-dst", Part::Port(1)),
                ("reply-key-src", Part::Port(2)),
                ("reply-key-dst", Part::Port(3)),
                ("mask-key-src", Part::Expected(0)),
                ("mask-key-dst", Part::Expected(1)),
                ("tuple-key-src", Part::Expected(2)),
                ("tuple-key-dst", Part::Expected(3)),
            ],
            Self::Icmp => {
                &[("icmp-type", Part::Type), ("icmp-code", Part::Code), ("icmp-id", Part::Id)]
            }
            Self::Icmp6 => {
                &[("icmpv6-type", Part::Type), ("icmpv6-code", Part::Code), ("icmpv6-id", Part::Id)]
            }
            Self::Other => &[],
        }
    }

    /// A state by its name.
    pub(super) fn state(self, name: &str) -> Result<Shown, Complaint> {
        let wrong = |what: &str| Complaint::usage(format!("{what} state `{name}'"));
        match self {
            Self::Tcp => tcp::State::ALL
                .into_iter()
                // The tool has one name more for what once listened.
                .find(|state| {
                    state.name() == name || name == "LISTEN" && state.name() == "SYN_SENT2"
                })
                .map(Shown::Tcp)
                .ok_or_else(|| wrong("unknown TCP")),
            Self::Sctp => sctp::State::ALL
                .into_iter()
                .find(|state| state.name() == name)
                .map(Shown::Sctp)
                .ok_or_else(|| wrong("unknown SCTP")),
            _ => dccp::State::ALL
                .into_iter()
                .find(|state| state.name() == name)
                .map(Shown::Dccp)
                .ok_or_else(|| wrong("Unknown DCCP")),
        }
    }

    /// What is wrong with what was said of the protocol.
    pub(super) fn judge(
        self,
        command: Command,
        table: Table,
        said: impl Fn(Part) -> bool,
    ) -> Result<(), Complaint> {
        let makes = matches!(command, Command::Create | Command::Add);
        let needs = |part: Part, name: &str| match said(part) {
            true => Ok(()),
            false => Err(Complaint::usage(format!(
                "You need to supply the `--{name}' option for this command"
            ))),
        };
        let [source, destination] =
            if self == Self::Gre { ["srckey", "dstkey"] } else { ["sport", "dport"] };
        if table == Table::Expectations {
            if matches!(self, Self::Icmp | Self::Icmp6 | Self::Other) {
                return Ok(());
            }
            if makes || matches!(command, Command::Delete | Command::Get) {
                needs(Part::Port(0), source)?;
                needs(Part::Port(1), destination)?;
            }
            if makes {
                let kind = if self == Self::Gre { "key" } else { "port" };
                needs(Part::Expected(0), &format!("mask-{kind}-src"))?;
                needs(Part::Expected(1), &format!("mask-{kind}-dst"))?;
                needs(Part::Expected(2), &format!("tuple-{kind}-src"))?;
                needs(Part::Expected(3), &format!("tuple-{kind}-dst"))?;
            }
            return Ok(());
        }
        if makes {
            match self {
                Self::Tcp => needs(Part::State, "state")?,
                Self::Sctp => {
                    needs(Part::State, "state")?;
                    needs(Part::Tag(0), "orig-vtag")?;
                    needs(Part::Tag(1), "reply-vtag")?;
                }
                Self::Dccp => {
                    needs(Part::State, "state")?;
                    needs(Part::Role, "role")?;
                }
                _ => {}
            }
        }
        if !makes && command != Command::Get {
            return Ok(());
        }
        match self {
            Self::Icmp => {
                needs(Part::Type, "icmp-type")?;
                needs(Part::Code, "icmp-code")
            }
            Self::Icmp6 => {
                needs(Part::Type, "icmpv6-type")?;
                needs(Part::Code, "icmpv6-code")
            }
            Self::Other => Ok(()),
            _ => {
                let pair = |at| said(Part::Port(at)) && said(Part::Port(at + 1));
                if pair(0) || pair(2) {
                    return Ok(());
                }
                let reply = (said(Part::Port(2)) || said(Part::Port(3)))
                    && !said(Part::Port(0))
                    && !said(Part::Port(1));
                let names = match (reply, self) {
                    (true, Self::Gre) => "`--reply-key-src' and `--reply-key-dst'".to_owned(),
                    (true, _) => "`--reply-src-port' and `--reply-dst-port'".to_owned(),
                    (false, _) => format!("`--{source}' and `--{destination}'"),
                };
                Err(Complaint::usage(format!("you have to specify {names}")))
            }
        }
    }
}
