//! `nfct` at the desk: named policies of timeouts, which `CT --timeout` gives to connections.
//!
//! - takes: the words of `nfct`
//! - gives: what the real one prints; the next packet meets what it has changed
//! - obeys: conntrack-tools 1.4.7, `nfct(8)`, the subsystem `timeout`

use crate::{
    conntrack::{Policy, Timeouts, tuple::ICMPV6},
    control::Router,
    netfilter::rule::{Ruleset, Target},
    packet::ipv4::protocol,
    telemetry::protocol::IpOutput,
};

const SECOND: u64 = 1_000_000_000;
/// Longest name of a policy.
const LONGEST: usize = 31;
/// Most policies that there ever were.
const MOST: usize = 60_000;

const USAGE: &str = "Usage: nfct command subsystem [parameters]...\n";
const PARAMETERS: &str = "missing parameters\n\
    syntax: nfct add timeout name family protocol state1 timeout1 ...";
const NO_NAME: &str = "missing timeout policy name";
const TOO_MANY: &str = "too many arguments";
const BUSY: &str = "netlink error: Device or resource busy";
const NO_POLICY: &str = "netlink error: No such file or directory";

/// A protocol, and its states with the names of their timeouts.
struct Kind {
    name: &'static str,
    number: u8,
    states: &'static [(&'static str, &'static str)],
}

/// Protocols that policies are made for.
static KINDS: &[Kind] = &[
    Kind {
        name: "tcp",
        number: protocol::TCP,
        states: &[
            ("SYN_SENT", "tcp_timeout_syn_sent"),
            ("SYN_RECV", "tcp_timeout_syn_recv"),
            ("ESTABLISHED", "tcp_timeout_established"),
            ("FIN_WAIT", "tcp_timeout_fin_wait"),
            ("CLOSE_WAIT", "tcp_timeout_close_wait"),
            ("LAST_ACK", "tcp_timeout_last_ack"),
            ("TIME_WAIT", "tcp_timeout_time_wait"),
            ("CLOSE", "tcp_timeout_close"),
            ("SYN_SENT2", "tcp_timeout_syn_sent2"),
            ("RETRANS", "tcp_timeout_retrans"),
            ("UNACKNOWLEDGED", "tcp_timeout_unacknowledged"),
        ],
    },
    Kind {
        name: "udp",
        number: protocol::UDP,
        states: &[("UNREPLIED", "udp_timeout"), ("REPLIED", "udp_timeout_stream")],
    },
    Kind {
        name: "udplite",
        number: protocol::UDPLITE,
        states: &[("UNREPLIED", "udplite_timeout"), ("REPLIED", "udplite_timeout_stream")],
    },
    Kind {
        name: "gre",
        number: protocol::GRE,
        states: &[("UNREPLIED", "gre_timeout"), ("REPLIED", "gre_timeout_stream")],
    },
    Kind { name: "icmp", number: protocol::ICMP, states: &[("TIMEOUT", "icmp_timeout")] },
    Kind { name: "icmpv6", number: ICMPV6, states: &[("TIMEOUT", "icmpv6_timeout")] },
    Kind { name: "generic", number: u8::MAX, states: &[("TIMEOUT", "generic_timeout")] },
    Kind {
        name: "sctp",
        number: protocol::SCTP,
        states: &[
            ("CLOSED", "sctp_timeout_closed"),
            ("COOKIE_WAIT", "sctp_timeout_cookie_wait"),
            ("COOKIE_ECHOED", "sctp_timeout_cookie_echoed"),
            ("ESTABLISHED", "sctp_timeout_established"),
            ("SHUTDOWN_SENT", "sctp_timeout_shutdown_sent"),
            ("SHUTDOWN_RECD", "sctp_timeout_shutdown_recd"),
            ("SHUTDOWN_ACK_SENT", "sctp_timeout_shutdown_ack_sent"),
        ],
    },
];

/// Whether connections of a protocol have timeouts of their own.
pub(super) fn has_tracker(protocol: u8) -> bool {
    KINDS.iter().any(|kind| kind.number == protocol)
}

type Done = Result<String, String>;

/// A family, a protocol, and its timeouts with those changed that are stated.
struct Stated {
    six: bool,
    kind: &'static Kind,
    timeouts: Timeouts,
    /// Some timeout is stated.
    any: bool,
}

/// Reads a family, a protocol and pairs of states and seconds.
fn stated(words: &[&str], before: &Timeouts) -> Result<Stated, String> {
    let [family, protocol, pairs @ ..] = words else { return Err(PARAMETERS.to_owned()) };
    let six = match *family {
        "inet" => false,
        "inet6" => true,
        _ => return Err("unknown layer 3 protocol".to_owned()),
    };
    if *protocol == "dccp" {
        return Err("netlink error: Operation not supported".to_owned());
    }
    let kind = KINDS.iter().find(|kind| kind.name == *protocol);
    let kind = kind.ok_or("unknown layer 4 protocol")?;
    let mut timeouts = *before;
    for pair in pairs.chunks(2) {
        let same = |(state, _): &&(&str, &str)| state.eq_ignore_ascii_case(pair[0]);
        let (_, place) =
            kind.states.iter().find(same).ok_or_else(|| {
                format!("Wrong state name: `{}' for protocol `{protocol}'", pair[0])
            })?;
        let value = pair.get(1).ok_or("missing value for this timeout")?;
        let digits = value.bytes().take_while(u8::is_ascii_digit).count();
        let seconds: u32 = value[..digits].parse().unwrap_or(0);
        if let Some(place) = timeouts.place(place) {
            *place = u64::from(seconds) * SECOND;
        }
    }
    Ok(Stated { six, kind, timeouts, any: !pairs.is_empty() })
}

/// The body of a policy as it is printed.
fn body(six: bool, kind: &Kind, timeouts: &Timeouts) -> String {
    let mut timeouts = *timeouts;
    let family = if six { 10 } else { 2 };
    let mut out =
        format!("\t.l3proto = {family},\n\t.l4proto = {},\n\t.policy = {{\n", kind.number);
    for (state, place) in kind.states {
        let seconds = timeouts.place(place).map_or(0, |nanos| *nanos / SECOND);
        out += &format!("\t\t.{state} = {seconds},\n");
    }
    out + "\t},\n};\n"
}

fn text(policy: &Policy) -> String {
    let kind = KINDS.iter().find(|kind| kind.number == policy.proto);
    let six = policy.six == Some(true);
    let body = kind.map_or_else(String::new, |kind| body(six, kind, &policy.timeouts));
    format!(".{} = {{\n{body}", policy.name)
}

/// Whether a rule gives connections a policy.
fn uses(rules: &Ruleset, name: &str) -> bool {
    let chains = rules.tables.iter().flat_map(|table| &table.chains);
    let mut rules = chains.flat_map(|chain| &chain.rules);
    rules.any(|rule| matches!(&rule.target, Target::Ct(ct) if ct.timeout.as_deref() == Some(name)))
}

/// Carries a command of `nfct` out.
pub fn nfct(router: &mut Router, words: &[String]) -> IpOutput {
    Policies { router }.carry_out(words)
}

/// The policies of a router.
struct Policies<'a> {
    router: &'a mut Router,
}

impl Policies<'_> {
    fn carry_out(&mut self, words: &[String]) -> IpOutput {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let done = match words[..] {
            [command, "timeout", ref rest @ ..] => self.timeouts(command, rest),
            [command, _, ..] => Err(unknown(command)),
            _ => Err(USAGE.to_owned()),
        };
        self.router.commit();
        match done {
            Ok(out) => IpOutput { out, ..IpOutput::default() },
            Err(usage) if usage == USAGE => IpOutput { out: String::new(), err: usage, status: 1 },
            Err(error) => {
                let err = format!("nfct v1.4.7: {}\n", error.trim_end());
                IpOutput { out: String::new(), err, status: 1 }
            }
        }
    }

    fn timeouts(&mut self, command: &str, words: &[&str]) -> Done {
        match (command, words) {
            ("list", []) => Ok(self.policies().map(text).collect()),
            ("flush", []) => {
                let names = self.policies().map(|policy| policy.name.clone());
                let free: Vec<_> = names.filter(|name| !self.is_used(name)).collect();
                free.iter().for_each(|name| self.forget(name));
                Ok(String::new())
            }
            ("get" | "delete", []) => Err(NO_NAME.to_owned()),
            ("list" | "flush", _) | ("get" | "delete", [_, _, ..]) => Err(TOO_MANY.to_owned()),
            ("get", [name]) => {
                let found = self.policies().find(|policy| policy.name == *name);
                found.map(text).ok_or_else(|| NO_POLICY.to_owned())
            }
            ("delete", [name]) => {
                let there = self.policies().any(|policy| policy.name == *name);
                if !there || self.is_used(name) {
                    return Err(if there { BUSY } else { NO_POLICY }.to_owned());
                }
                self.forget(name);
                Ok(String::new())
            }
            ("add", [name, rest @ ..]) if rest.len() >= 2 => self.add_policy(name, rest),
            ("add", _) => Err(PARAMETERS.to_owned()),
            ("default-get", [_, _]) => {
                let default = self.router.conntrack_rules().timeouts;
                let Stated { six, kind, .. } = stated(words, &default)?;
                Ok(body(six, kind, &default))
            }
            ("default-set", [_, _, _, ..]) => {
                let default = self.router.conntrack_rules().timeouts;
                let timeouts = stated(words, &default)?.timeouts;
                self.router.set_conntrack_rules(|rules| rules.timeouts = timeouts);
                Ok(String::new())
            }
            ("default-get" | "default-set", _) => Err(PARAMETERS.to_owned()),
            _ => Err(unknown(command)),
        }
    }

    fn add_policy(&mut self, name: &str, words: &[&str]) -> Done {
        let default = self.router.conntrack_rules().timeouts;
        let Stated { six, kind, timeouts, any } = stated(words, &default)?;
        if !any {
            return Err("netlink error: Invalid argument".to_owned());
        }
        let name: String = name.chars().take(LONGEST).collect();
        let places = self.router.conntrack_rules().policies.len();
        if self.policies().any(|policy| policy.name == name) {
            return Err(BUSY.to_owned());
        }
        if places >= MOST {
            return Err("netlink error: Cannot allocate memory".to_owned());
        }
        let policy = Policy { name, six: Some(six), proto: kind.number, timeouts };
        self.router.set_conntrack_rules(|rules| rules.policies.push(policy));
        Ok(String::new())
    }

    /// Policies that there are; those that are gone have left places without names.
    fn policies(&self) -> impl Iterator<Item = &Policy> {
        let all = self.router.conntrack_rules().policies.iter();
        all.filter(|policy| !policy.name.is_empty())
    }

    fn is_used(&self, name: &str) -> bool {
        [false, true].into_iter().any(|six| uses(&self.router.filter_rules(six), name))
    }

    /// Takes a policy's name away: connections that have it live as others do from now on.
    fn forget(&mut self, name: &str) {
        self.router.set_conntrack_rules(|rules| {
            for policy in rules.policies.iter_mut().filter(|policy| policy.name == *name) {
                policy.name.clear();
            }
        });
    }
}

fn unknown(command: &str) -> String {
    format!("Unknown subsystem: {command}\n{USAGE}")
}
