//! What each extension wants of the rule that it stands in.
//!
//! - takes: a rule, its table, the hooks from which its chain is reached
//! - gives: what is [`Wrong`], if anything
//! - obeys: the `table`, `hooks` and `proto` of each `xt_match` and `xt_target`, and their
//!   `checkentry`

use super::{Wrong, bit};
use crate::conntrack::helper::Helper;
use crate::netfilter::rule::{
    Basic, Connmark, Family, HashRate, Hook, Limit, Match, PolicyWay, Reject, Rule, TableName,
    Target,
};
use crate::packet::ipv4::protocol::{AH, DCCP, ESP, ICMP, SCTP, TCP, UDP, UDPLITE};
use crate::packet::ipv6::next_header::{ICMPV6, MOBILITY};

/// IP payload compression.
const IPCOMP: u8 = 108;

const PRE: u8 = bit(Hook::PreRouting);
const IN: u8 = bit(Hook::LocalIn);
const FORWARD: u8 = bit(Hook::Forward);
const OUT: u8 = bit(Hook::LocalOut);
const POST: u8 = bit(Hook::PostRouting);

/// What an extension is good for.
struct Demands {
    name: &'static str,
    family: Option<Family>,
    table: Option<TableName>,
    hooks: u8,
    protocols: &'static [(u8, &'static str)],
}

/// An extension that can stand anywhere.
fn anywhere(name: &'static str) -> Demands {
    Demands {
        name,
        family: None,
        table: None,
        hooks: PRE | IN | FORWARD | OUT | POST,
        protocols: &[],
    }
}

/// One for some protocols.
fn of(name: &'static str, protocols: &'static [(u8, &'static str)]) -> Demands {
    Demands { protocols, ..anywhere(name) }
}

/// One of a family.
fn only(family: Family, name: &'static str) -> Demands {
    Demands { family: Some(family), ..anywhere(name) }
}

/// One of a table.
fn within(table: TableName, name: &'static str) -> Demands {
    Demands { table: Some(table), ..anywhere(name) }
}

/// One of some hooks.
fn at(hooks: u8, name: &'static str) -> Demands {
    Demands { hooks, ..anywhere(name) }
}

const TCP_ONLY: &[(u8, &str)] = &[(TCP, "tcp")];
const PORTS: &[(u8, &str)] =
    &[(TCP, "tcp"), (UDP, "udp"), (UDPLITE, "udplite"), (SCTP, "sctp"), (DCCP, "dccp")];

impl Demands {
    fn check(
        &self,
        family: Family,
        table: TableName,
        hooks: u8,
        basic: &Basic,
    ) -> Result<(), Wrong> {
        if self.family.is_some_and(|of| of != family) {
            return Err(Wrong::Family(self.name));
        }
        if let Some(of) = self.table
            && of != table
        {
            return Err(Wrong::Table(self.name, of.name()));
        }
        let outside = hooks & !self.hooks;
        if let Some(hook) = Hook::ALL.into_iter().find(|hook| outside & bit(*hook) != 0) {
            return Err(Wrong::Hook(self.name, hook.chain()));
        }
        let asked = basic.protocol.filter(|protocol| !protocol.not).map(|protocol| protocol.value);
        match self.protocols {
            [] => Ok(()),
            all if all.iter().any(|(number, _)| asked == Some(*number)) => Ok(()),
            [(_, first), ..] => Err(Wrong::Protocol(self.name, first)),
        }
    }
}

/// Whether a rule can stand in a chain of this table that is reached from these hooks.
pub(super) fn check(family: Family, table: TableName, hooks: u8, rule: &Rule) -> Result<(), Wrong> {
    let basic = &rule.basic;
    let prefixes = [&basic.source, &basic.destination];
    let other = prefixes.into_iter().flatten().any(|is| Family::of(is.value.address) != family);
    if other || basic.fragment.is_some() && family == Family::Six {
        return Err(Wrong::Family("the rule"));
    }
    if rule.matches.len() > usize::from(u16::MAX) {
        return Err(Wrong::Range("matches"));
    }
    for asked in &rule.matches {
        of_match(asked, rule).check(family, table, hooks, basic)?;
        numbers(asked)?;
    }
    of_target(rule).check(family, table, hooks, basic)?;
    target(rule)?;
    match &rule.target {
        Target::Ct(ct) => ct.helper.as_ref().map_or(Ok(()), |name| helper(name, family, basic)),
        _ => Ok(()),
    }
}

/// Whether there is a helper of this name for the one protocol that the rule is about, and its family.
fn helper(name: &str, family: Family, basic: &Basic) -> Result<(), Wrong> {
    let asked = basic.protocol.filter(|protocol| !protocol.not).map(|protocol| protocol.value);
    let found = Helper::named(name).map(Helper::info).filter(|info| {
        (info.six || family == Family::Four)
            && asked.is_some_and(|asked| info.protocols.contains(&asked))
    });
    found.map(|_| ()).ok_or_else(|| Wrong::NoHelper(name.to_owned()))
}

fn of_match(asked: &Match, rule: &Rule) -> Demands {
    let (four, six) = (|name| only(Family::Four, name), |name| only(Family::Six, name));
    match asked {
        Match::Tcp(_) => of("tcp", TCP_ONLY),
        Match::Udp(_) => of("udp", &[(UDP, "udp")]),
        Match::UdpLite(_) => of("udplite", &[(UDPLITE, "udplite")]),
        Match::Sctp(_) => of("sctp", &[(SCTP, "sctp")]),
        Match::Dccp(_) => of("dccp", &[(DCCP, "dccp")]),
        Match::Icmp(_) => Demands { protocols: &[(ICMP, "icmp")], ..four("icmp") },
        Match::Icmp6(_) => Demands { protocols: &[(ICMPV6, "ipv6-icmp")], ..six("icmp6") },
        Match::Multiport(_) => of("multiport", PORTS),
        Match::TcpMss(_) => of("tcpmss", TCP_ONLY),
        Match::Ah(_) if rule.basic.protocol.is_some() => of("ah", &[(AH, "ah")]),
        Match::Esp(_) => of("esp", &[(ESP, "esp")]),
        Match::Ipcomp(_) => of("ipcomp", &[(IPCOMP, "ipcomp")]),
        Match::Ecn(ecn) if ecn.cwr.is_some() || ecn.ece.is_some() => of("ecn", TCP_ONLY),
        Match::Mobility(_) => Demands { protocols: &[(MOBILITY, "mh")], ..six("mh") },
        Match::Ttl(_) => four("ttl"),
        Match::HopLimit(_) => six("hl"),
        Match::Frag(_) => six("frag"),
        Match::Ipv6Header(_) => six("ipv6header"),
        Match::Rt(_) => six("rt"),
        Match::HopByHop(_) => six("hbh"),
        Match::DestinationOptions(_) => six("dst"),
        Match::Eui64 => Demands { hooks: PRE | IN | FORWARD, ..six("eui64") },
        Match::Realm(_) => at(IN | FORWARD | OUT | POST, "realm"),
        Match::Mac(_) => at(PRE | IN | FORWARD, "mac"),
        Match::Owner(_) => at(OUT | POST, "owner"),
        Match::RpFilter(_) => at(PRE, "rpfilter"),
        Match::AddrType(ask) if ask.limit_in => at(PRE | IN | FORWARD, "addrtype --limit-iface-in"),
        Match::AddrType(ask) if ask.limit_out => {
            at(FORWARD | OUT | POST, "addrtype --limit-iface-out")
        }
        Match::DevGroup(ask) => {
            let mut hooks = PRE | IN | FORWARD | OUT | POST;
            if ask.source.is_some() {
                hooks &= PRE | IN | FORWARD;
            }
            if ask.destination.is_some() {
                hooks &= OUT | FORWARD | POST;
            }
            at(hooks, "devgroup")
        }
        Match::Policy(ask) if ask.way == PolicyWay::In => at(PRE | IN | FORWARD, "policy --dir in"),
        Match::Policy(_) => at(FORWARD | OUT | POST, "policy --dir out"),
        _ => anywhere("match"),
    }
}

fn of_target(rule: &Rule) -> Demands {
    use TableName::{Filter, Mangle, Nat, Raw};
    let mangle = |name| within(Mangle, name);
    match &rule.target {
        Target::Reject(Reject::TcpReset) => {
            Demands { hooks: IN | FORWARD | OUT, protocols: TCP_ONLY, ..within(Filter, "REJECT") }
        }
        Target::Reject(reject) => {
            let family = match reject {
                Reject::Icmp6(_) => Family::Six,
                _ => Family::Four,
            };
            let family = Some(family);
            Demands { hooks: IN | FORWARD | OUT, family, ..within(Filter, "REJECT") }
        }
        Target::Classify(_) => at(OUT | FORWARD | POST, "CLASSIFY"),
        Target::Dscp(_) => mangle("DSCP"),
        Target::Tos(_) => mangle("TOS"),
        Target::Ecn(ecn) => {
            let tcp = ecn.cwr.is_some() || ecn.ece.is_some();
            let protocols = if tcp { TCP_ONLY } else { &[] };
            Demands { family: Some(Family::Four), protocols, ..mangle("ECN") }
        }
        Target::Ttl(_) => Demands { family: Some(Family::Four), ..mangle("TTL") },
        Target::HopLimit(_) => Demands { family: Some(Family::Six), ..mangle("HL") },
        Target::Tcpmss(crate::netfilter::rule::Tcpmss::Clamp) => {
            Demands { protocols: TCP_ONLY, ..at(FORWARD | OUT | POST, "TCPMSS") }
        }
        Target::Tcpmss(_) => of("TCPMSS", TCP_ONLY),
        Target::Tcpoptstrip(_) => Demands { protocols: TCP_ONLY, ..mangle("TCPOPTSTRIP") },
        Target::Ct(_) => within(Raw, "CT"),
        Target::Notrack => within(Raw, "NOTRACK"),
        Target::Trace => within(Raw, "TRACE"),
        Target::Checksum => mangle("CHECKSUM"),
        Target::Snat(_) => Demands { hooks: POST | IN, ..within(Nat, "SNAT") },
        Target::Dnat(_) => Demands { hooks: PRE | OUT, ..within(Nat, "DNAT") },
        Target::Masquerade(_) => Demands { hooks: POST, ..within(Nat, "MASQUERADE") },
        Target::Redirect(_) => Demands { hooks: PRE | OUT, ..within(Nat, "REDIRECT") },
        Target::Netmap(_) => Demands { hooks: PRE | POST | OUT | IN, ..within(Nat, "NETMAP") },
        Target::Snpt(_) => {
            Demands { hooks: IN | POST, family: Some(Family::Six), ..mangle("SNPT") }
        }
        Target::Dnpt(_) => {
            Demands { hooks: PRE | OUT, family: Some(Family::Six), ..mangle("DNPT") }
        }
        Target::Synproxy(_) => Demands { protocols: TCP_ONLY, ..at(IN | FORWARD, "SYNPROXY") },
        _ => anywhere("target"),
    }
}

/// Numbers that the kernel refuses.
fn numbers(asked: &Match) -> Result<(), Wrong> {
    match asked {
        Match::Limit(limit) if !fits_limit(limit) => Err(Wrong::Range("limit")),
        Match::HashLimit(limit) if !fits_hashlimit(&limit.rate) => Err(Wrong::Range("hashlimit")),
        Match::HashLimit(limit) if limit.gc_interval == 0 || limit.expire == 0 => {
            Err(Wrong::Invalid("hashlimit"))
        }
        Match::Recent(recent) if recent.hit_count >= 256 || recent.reap && recent.seconds == 0 => {
            Err(Wrong::Invalid("recent"))
        }
        Match::String(text)
            if text.from > text.to || text.pattern.is_empty() || text.pattern.len() > 128 =>
        {
            Err(Wrong::Invalid("string"))
        }
        Match::Time(time) if time.day_start > 86_399 || time.day_stop > 86_399 => {
            Err(Wrong::Range("time"))
        }
        Match::ConnLabel(label) if label.label.value > 127 => Err(Wrong::Invalid("connlabel")),
        _ => Ok(()),
    }
}

fn fits_limit(limit: &Limit) -> bool {
    use crate::netfilter::matches::limit::credits;
    let all = limit.period.checked_mul(limit.burst);
    limit.period != 0
        && limit.burst != 0
        && all.is_some_and(|all| credits(all) >= credits(limit.period))
}

fn fits_hashlimit(rate: &HashRate) -> bool {
    match rate {
        HashRate::Packets { period, burst } => {
            let all = period.checked_mul(*burst);
            *period != 0
                && *burst != 0
                && all.and_then(crate::netfilter::matches::hashlimit::credits).is_some()
        }
        HashRate::Bytes { cost, .. } => *cost != 0,
    }
}

/// What a target wants of the rest of the rule.
fn target(rule: &Rule) -> Result<(), Wrong> {
    match &rule.target {
        Target::Tcpmss(_) => {
            let syn = |asked: &Match| {
                matches!(asked, Match::Tcp(tcp) if tcp.flags.is_some_and(|flags| {
                    !flags.not && flags.value.value & 2 != 0 && flags.value.mask & 2 != 0
                }))
            };
            let any = rule.matches.iter().any(syn);
            any.then_some(()).ok_or(Wrong::Invalid("TCPMSS works only on SYN packets"))
        }
        Target::Nfqueue(queue) if queue.queues.first > queue.queues.last => {
            Err(Wrong::Range("NFQUEUE"))
        }
        Target::Dscp(dscp) if *dscp > 63 => Err(Wrong::Range("DSCP")),
        Target::Connmark(Connmark::Set(_)) => Ok(()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netfilter::rule::Is;

    #[test]
    fn a_helper_is_for_its_own_protocols_and_families() {
        let asked = |protocol| Basic { protocol, ..Basic::default() };
        let so = |value| Some(Is { not: false, value });
        let all = [
            ("ftp", Family::Four, so(TCP), true),
            ("ftp", Family::Six, so(TCP), true),
            ("ftp", Family::Four, so(UDP), false),
            ("ftp", Family::Four, None, false),
            ("ftp", Family::Four, Some(Is { not: true, value: TCP }), false),
            ("sip", Family::Four, so(UDP), true),
            ("irc", Family::Six, so(TCP), false),
            ("nobody", Family::Four, so(TCP), false),
        ];
        for (name, family, protocol, good) in all {
            assert_eq!(helper(name, family, &asked(protocol)).is_ok(), good, "{name} {protocol:?}");
        }
    }
}
