//! `ip route`: routes as the operator writes them.

mod asked;

use ipnet::IpNet;

pub use asked::{PrefixFilter, RouteFilter, RouteGet};
use asked::{read_filter, read_get};

use super::error::{Fact, ParseError};
use super::metrics;
use super::names;
use super::usage::{Object, Usage};
use super::words::{Inet, Parse, Words, abbreviates, c_number, named_number};
use crate::route::spec::{NextHopSpec, Pref, RouteSpec, RouteType, proto, scope, table};

/// What `ip route` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteCommand {
    /// Add a route; it is an error if one with the same prefix, TOS and metric is there.
    Add(RouteSpec),
    /// Add a route in place of the one with the same prefix, TOS and metric.
    Replace(RouteSpec),
    /// Replace a route that must be there.
    Change(RouteSpec),
    /// Add a route after those with the same prefix, TOS and metric.
    Append(RouteSpec),
    /// Add a route before those with the same prefix, TOS and metric.
    Prepend(RouteSpec),
    /// Take away the first route that fits what is said.
    Del {
        /// What was said; origin 0, metric 0 and scope `None` fit any route.
        spec: RouteSpec,
        /// The type if it was said; `None` fits any route.
        kind: Option<RouteType>,
    },
    /// Take away all routes that fit.
    Flush(RouteFilter),
    /// Print the routes that fit.
    Show(RouteFilter),
    /// Say which way a packet would take.
    Get(RouteGet),
    /// The same with the table of a VRF, which was named in the place of a table.
    InVrf {
        /// The VRF.
        vrf: String,
        /// What is asked for.
        command: Box<Self>,
    },
}

pub(super) fn read(words: &mut Words<'_>) -> Parse<RouteCommand> {
    let Some(verb) = words.take() else {
        let family = words.family().or_four();
        return Ok(RouteCommand::Show(RouteFilter { family, ..RouteFilter::default() }));
    };
    let is = |full: &str| abbreviates(verb, full);
    if is("list") || is("show") || is("lst") {
        read_filter(words).map(|read| read.within(RouteCommand::Show))
    } else if is("add") {
        read_spec(words, Form::Command).map(|read| read.within(RouteCommand::Add))
    } else if is("change") || verb == "chg" {
        read_spec(words, Form::Command).map(|read| read.within(RouteCommand::Change))
    } else if is("replace") {
        read_spec(words, Form::Command).map(|read| read.within(RouteCommand::Replace))
    } else if is("prepend") {
        read_spec(words, Form::Command).map(|read| read.within(RouteCommand::Prepend))
    } else if is("append") {
        read_spec(words, Form::Command).map(|read| read.within(RouteCommand::Append))
    } else if is("test") {
        words.unsupported("route test")
    } else if is("delete") {
        let read = read_spec(words, Form::Delete)?;
        let kind = read.kind;
        Ok(read.within(|spec| RouteCommand::Del { spec, kind }))
    } else if is("get") {
        read_get(words).map(RouteCommand::Get)
    } else if is("flush") {
        if words.is_empty() {
            return words.fail_end(Fact::RouteFlushRequiresArguments);
        }
        read_filter(words).map(|read| read.within(RouteCommand::Flush))
    } else if is("save") || is("restore") || is("showdump") {
        words.unsupported(format!("route {verb}"))
    } else if is("help") {
        words.fail(Fact::Usage(Usage(Some(Object::Route))))
    } else {
        words.fail(Fact::UnknownCommand { word: verb.to_owned(), object: "route" })
    }
}

/// Reads one route.
///
/// With `verb_known` the words are those after `ip route add`. Without it they are what
/// `ip route show` prints, or a whole `ip route add ...` line: state flags at the end (`linkdown`,
/// `dead`, ...) are accepted and forgotten, and a scope that is not printed is `global`.
///
/// # Errors
/// The error that `ip` would print, or that the router cannot do it yet.
pub fn parse_route_words(verb_known: bool, words: &[&str]) -> Result<RouteSpec, ParseError> {
    let mut cursor = Words::new(words);
    if verb_known {
        return read_spec(&mut cursor, Form::Command).and_then(|read| read.without_vrf(&cursor));
    }
    cursor.skip("ip");
    if cursor.skip("route") {
        let Some(verb) = cursor.take() else {
            return cursor.fail_end(Fact::Incomplete);
        };
        if !["add", "replace", "append", "prepend"].contains(&verb) {
            return cursor.fail(Fact::UnknownCommand { word: verb.to_owned(), object: "route" });
        }
        return read_spec(&mut cursor, Form::Command).and_then(|read| read.without_vrf(&cursor));
    }
    if ["add", "replace", "append", "prepend"].iter().any(|verb| cursor.skip(verb)) {
        return read_spec(&mut cursor, Form::Command).and_then(|read| read.without_vrf(&cursor));
    }
    read_spec(&mut cursor, Form::Shown).and_then(|read| read.without_vrf(&cursor))
}

/// Where the words of a route come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Command,
    Delete,
    Shown,
}

/// A route and what its fields cannot say.
struct Read {
    spec: RouteSpec,
    /// The type if it was said.
    kind: Option<RouteType>,
    vrf: Option<String>,
}

impl Read {
    fn within(self, command: impl FnOnce(RouteSpec) -> RouteCommand) -> RouteCommand {
        in_vrf(self.vrf, command(self.spec))
    }

    /// The route where the VRFs are not known yet.
    fn without_vrf(self, words: &Words<'_>) -> Parse<RouteSpec> {
        match self.vrf {
            None => Ok(self.spec),
            Some(_) => words.unsupported("vrf"),
        }
    }
}

fn in_vrf(vrf: Option<String>, command: RouteCommand) -> RouteCommand {
    match vrf {
        None => command,
        Some(vrf) => RouteCommand::InVrf { vrf, command: Box::new(command) },
    }
}

/// Flags and state that `ip route show` appends to a next hop.
const SHOWN_FLAGS: &[&str] = &[
    "dead",
    "pervasive",
    "offload",
    "trap",
    "notify",
    "linkdown",
    "unresolved",
    "rt_offload",
    "rt_trap",
    "rt_offload_failed",
    "cache",
];

fn read_spec(words: &mut Words<'_>, form: Form) -> Parse<Read> {
    let del = form == Form::Delete;
    let mut dst: Option<Option<IpNet>> = None;
    let mut kind: Option<RouteType> = None;
    let mut table_given: Option<u32> = None;
    let mut single = NextHopSpec { weight: 1, ..NextHopSpec::default() };
    let mut via_given = false;
    let mut vrf = None;
    let mut has_nexthops = false;
    let mut spec = RouteSpec {
        dst: words.family().everything(),
        src: None,
        kind: RouteType::Unicast,
        tos: 0,
        table: table::MAIN,
        metric: 0,
        proto: if del { 0 } else { proto::BOOT },
        scope: None,
        prefsrc: None,
        mtu: None,
        mtu_locked: false,
        metrics: Vec::new(),
        nexthops: Vec::new(),
        nhid: None,
        pref: Pref::Medium,
        expires: None,
    };
    if words.is_empty() {
        return words.fail_end(Fact::Usage(Usage(Some(Object::Route))));
    }
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        if word == "src" {
            spec.prefsrc = words.address()?;
        } else if word == "as" {
            return words.unsupported("as");
        } else if word == "via" {
            if via_given {
                return words.wrong(word, "use nexthop syntax to specify multiple via");
            }
            via_given = true;
            read_gateway(words, &mut single)?;
        } else if word == "from" {
            spec.src = words.filter_net()?;
        } else if word == "tos" || is("dsfield") {
            spec.tos = words.dsfield("\"tos\" value is invalid")?;
        } else if word == "expires" {
            spec.expires = Some(read_expires(words, form)?);
        } else if is("metric") || is("priority") || word == "preference" {
            spec.metric = words.number(u32::MAX, "\"metric\" value is invalid")?;
        } else if word == "scope" {
            spec.scope = Some(words.named(names::SCOPES, 0, "invalid \"scope\" value")?);
        } else if metrics::read(words, word, &mut spec)? {
        } else if is("realms") {
            let value = words.value()?;
            match read_realms(value) {
                Some(realms) => metrics::set(&mut spec.metrics, "realms", realms),
                None => return words.wrong(value, "\"realm\" value is invalid"),
            }
        } else if word == "onlink" {
            single.onlink = true;
        } else if word == "nexthop" {
            has_nexthops = true;
            break;
        } else if word == "nhid" {
            let id = words.number(u32::MAX, "\"id\" value is invalid")?;
            spec.nhid = Some(id).filter(|id| *id != 0);
        } else if is("protocol") {
            spec.proto = words.named(names::PROTOS, 0, "\"protocol\" value is invalid")?;
        } else if is("table") {
            table_given = Some(words.table("\"table\" value is invalid")?);
        } else if word == "vrf" {
            vrf = Some(words.value()?.to_owned());
        } else if word == "dev" || word == "oif" {
            single.dev = Some(words.value()?.to_owned());
        } else if is("pref") {
            spec.pref = read_pref(words)?;
        } else if word == "encap" || word == "ttl-propagate" || word == "error" {
            return words.unsupported(word);
        } else if is("fastopen_no_cookie") {
            return words.unsupported("fastopen_no_cookie");
        } else if form == Form::Shown && SHOWN_FLAGS.contains(&word) {
            // State of the moment, not of the route.
        } else {
            let mut word = if word == "to" { words.value()? } else { word };
            let said = read_type(word);
            if let Some(said) = said {
                kind = said.ok();
                word = words.value()?;
            }
            if abbreviates(word, "help") {
                return words.fail(Fact::Usage(Usage(Some(Object::Route))));
            }
            words.once_or_garbage(dst.is_some(), "to", word)?;
            words.back();
            dst = Some(words.net()?);
            if let Some(Err(kind)) = said {
                return words.unsupported(kind);
            }
        }
    }
    let Some(dst) = dst else {
        return words.fail_end(Fact::Usage(Usage(Some(Object::Route))));
    };
    let mut nexthops = Vec::new();
    if has_nexthops {
        read_nexthops(words, form, &mut nexthops)?;
    }
    let six = words.family() == Inet::Six;
    let everything = words.family().everything();
    spec.dst = match dst {
        Some(dst) if dst.prefix_len() == 0 => everything,
        Some(dst) => dst,
        None => everything,
    };
    if six {
        // Scopes are a matter of IPv4: what is said of one is forgotten.
        spec.scope = (!del).then_some(scope::UNIVERSE);
        if std::mem::take(&mut spec.tos) != 0 && !del {
            return words.fail_end(Fact::Kernel(
                "Error: Invalid dsfield (tos): option not available for IPv6.",
            ));
        }
        spec.metrics.retain(|(name, _)| *name != "realms");
    } else {
        // The kernel takes these for IPv4 and passes over them.
        (spec.src, spec.expires, spec.pref) = (None, None, Pref::Medium);
    }
    spec.kind = kind.unwrap_or_default();
    spec.table = match (table_given, spec.kind) {
        (Some(table), _) if table != 0 => table,
        (None, RouteType::Local | RouteType::Broadcast | RouteType::Anycast) => table::LOCAL,
        _ => table::MAIN,
    };
    if form == Form::Shown && spec.scope.is_none() {
        spec.scope = Some(scope::UNIVERSE);
    }
    let leads = single.via.is_some() || single.dev.is_some();
    if spec.nhid.is_some() && !del {
        if leads || !nexthops.is_empty() {
            return words.fail_end(Fact::Kernel(
                "Error: Nexthop specification and nexthop id are mutually exclusive.",
            ));
        }
        single.onlink = false;
    }
    if leads || single.onlink {
        match nexthops.first() {
            None => nexthops.push(single),
            Some(first) => agree(words, &single, first)?,
        }
    }
    spec.nexthops = nexthops;
    if !del {
        accept_nexthops(words, &spec)?;
    }
    Ok(Read { spec, kind, vrf })
}

/// The gateway of a next hop; the later word counts.
fn read_gateway(words: &mut Words<'_>, hop: &mut NextHopSpec) -> Parse<()> {
    hop.via = words.gateway()?;
    Ok(())
}

/// What the kernel says when a next hop stands beside a list of next hops.
fn agree(words: &Words<'_>, single: &NextHopSpec, first: &NextHopSpec) -> Parse<()> {
    if single.dev.is_some() && single.dev != first.dev {
        return words.fail_end(Fact::Kernel("Error: Nexthop device index does not match RTA_OIF."));
    }
    if single.via.is_some() && single.via != first.via {
        return words.fail_end(Fact::Kernel(
            "Error: Nexthop gateway does not match RTA_GATEWAY or RTA_VIA.",
        ));
    }
    Ok(())
}

/// What the kernel says of next hops that do not fit the type.
fn accept_nexthops(words: &Words<'_>, spec: &RouteSpec) -> Parse<()> {
    if words.family() == Inet::Six {
        let other = |hop: &NextHopSpec| hop.via.is_some_and(|via| via.is_ipv4());
        return if spec.nexthops.iter().any(other) {
            words.fail_end(Fact::Kernel("Error: IPv6 does not support RTA_VIA attribute."))
        } else {
            Ok(())
        };
    }
    let none_taken = matches!(
        spec.kind,
        RouteType::Blackhole | RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw
    );
    if none_taken && !spec.nexthops.is_empty() {
        return words.fail_end(Fact::Kernel(
            "Error: Gateway, device and multipath can not be specified for this route type.",
        ));
    }
    let nowhere = |hop: &NextHopSpec| hop.via.is_some_and(|via| via.is_ipv6()) && hop.dev.is_none();
    if spec.nexthops.iter().any(nowhere) {
        return words.fail_end(Fact::Kernel("Error: Egress device not specified."));
    }
    Ok(())
}

/// Seconds, which `ip route show` writes with their unit.
fn read_expires(words: &mut Words<'_>, form: Form) -> Parse<u32> {
    let word = words.value()?;
    let digits = match form {
        Form::Shown => word.strip_suffix("sec").unwrap_or(word),
        _ => word,
    };
    match c_number(digits, 0).and_then(|n| u32::try_from(n).ok()) {
        Some(seconds) => Ok(seconds),
        None => words.wrong(word, "\"expires\" value is invalid"),
    }
}

/// Preference among default routers (RFC 4191).
fn read_pref(words: &mut Words<'_>) -> Parse<Pref> {
    let word = words.value()?;
    Ok(match word {
        "low" => Pref::Low,
        "medium" => Pref::Medium,
        "high" => Pref::High,
        _ => match c_number(word, 0).filter(|n| *n <= 255) {
            Some(1) => Pref::High,
            Some(3) => Pref::Low,
            // The kernel takes what is reserved for the usual.
            Some(_) => Pref::Medium,
            None => return words.wrong(word, "\"pref\" value is invalid"),
        },
    })
}

/// The type that a word names, or the name of one that this router does not have; `None` if the
/// word names no type.
fn read_type(word: &str) -> Option<Result<RouteType, &'static str>> {
    Some(Ok(match word {
        _ if word.starts_with(|c: char| c.is_ascii_digit()) => return None,
        "local" => RouteType::Local,
        "throw" => RouteType::Throw,
        "brd" => RouteType::Broadcast,
        "nat" => return Some(Err("nat")),
        _ if abbreviates(word, "broadcast") => RouteType::Broadcast,
        _ if abbreviates(word, "anycast") => RouteType::Anycast,
        _ if abbreviates(word, "multicast") => RouteType::Multicast,
        _ if abbreviates(word, "prohibit") => RouteType::Prohibit,
        _ if abbreviates(word, "unreachable") => RouteType::Unreachable,
        _ if abbreviates(word, "blackhole") => RouteType::Blackhole,
        _ if abbreviates(word, "xresolve") => return Some(Err("xresolve")),
        _ if abbreviates(word, "unicast") => RouteType::Unicast,
        _ => return None,
    }))
}

/// The number of a route type (`RTN_*`) by its name or as a number.
pub(super) fn route_type_number(word: &str) -> Option<u64> {
    match read_type(word) {
        Some(Ok(kind)) => names::TYPES.iter().position(|(_, other)| *other == kind),
        Some(Err("nat")) => Some(9),
        Some(Err(_)) => Some(10),
        None => return c_number(word, 0).filter(|n| *n <= 255),
    }
    // The table of names is in the order of the kernel's numbers, from 1.
    .map(|place| place as u64 + 1)
}

/// The words from the first `nexthop` to the end.
fn read_nexthops(words: &mut Words<'_>, form: Form, out: &mut Vec<NextHopSpec>) -> Parse<()> {
    loop {
        if words.is_empty() {
            return words.fail_end(Fact::NexthopEmpty);
        }
        let mut hop = NextHopSpec { weight: 1, ..NextHopSpec::default() };
        loop {
            let Some(word) = words.take() else {
                out.push(hop);
                return Ok(());
            };
            if word == "via" {
                read_gateway(words, &mut hop)?;
            } else if word == "dev" {
                hop.dev = Some(words.value()?.to_owned());
            } else if word == "weight" {
                let value = words.value()?;
                match c_number(value, 0).and_then(|n| u16::try_from(n).ok()) {
                    Some(weight @ 1..=256) => hop.weight = weight,
                    _ => return words.wrong(value, "\"weight\" is invalid"),
                }
            } else if word == "onlink" {
                hop.onlink = true;
            } else if abbreviates(word, "realms") || word == "encap" || word == "as" {
                return words.unsupported(format!("nexthop {word}"));
            } else if form == Form::Shown && SHOWN_FLAGS.contains(&word) {
                // State of the moment, not of the route.
            } else if word == "nexthop" {
                break;
            } else {
                return words.fail(Fact::NexthopExpected(word.to_owned()));
            }
        }
        out.push(hop);
    }
}

/// `TO`, `FROM/TO`, `FROM/` or a raw number: the kernel's `RTA_FLOW`, source realm above.
fn read_realms(word: &str) -> Option<u32> {
    const REALMS: &[(&str, u8)] = &[("cosmos", 0)];
    match word.split_once('/') {
        None => named_number(REALMS, word, 0)
            .map(u32::from)
            .or_else(|| c_number(word, 0).and_then(|n| u32::try_from(n).ok())),
        Some((from, "")) => Some(u32::from(named_number(REALMS, from, 0)?) << 16),
        Some((from, to)) => {
            let from = u32::from(named_number(REALMS, from, 0)?);
            Some(from << 16 | u32::from(named_number(REALMS, to, 0)?))
        }
    }
}
