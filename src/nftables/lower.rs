//! From what an operator stated to what workers run.
//!
//! - takes: a [`Ruleset`], the interfaces there are
//! - gives: a [`Program`]; or the first [`Error`]
//! - obeys: `nft_chain_validate`, `nft_chain_type`, and what each expression wants of the chains it stands in

use std::sync::Arc;

use serde_json::Value;

use super::{
    build::{Build, Demand, Members, Named, Says, hooks, only},
    error::{Error, Path},
    model::{self, Ruleset, Table},
    rates::{ROOM, counted, quota, rate, stated},
    set::Shape,
    types::Near,
};
use crate::{
    conntrack::helper::Helper,
    graph::Nanos,
    netfilter::{
        nft::{
            At, BaseChain, Chain, Count, Elements, Family, Kind, Limit, MOST_CALLS, Object,
            Program, Quota, Set, State, Table as Live,
        },
        rule::{Hook, priority},
    },
};

/// What a rule set is compiled for.
#[derive(Clone, Copy)]
pub(super) struct For<'a> {
    pub(super) near: Near<'a>,
    pub(super) ports: &'a [u16],
    pub(super) workers: usize,
    pub(super) now: Nanos,
}

/// What chains call: for each the chains, and the rule and place that do.
type Calls = Vec<Vec<(u32, String)>>;

/// What is known of all chains while rules are made.
#[derive(Default)]
struct All {
    calls: Calls,
    demands: Vec<Vec<(Demand, String)>>,
    names: Vec<String>,
    /// Where the chains that packets come to stand: bits of hooks, kind, priority.
    entries: Vec<(u32, u8, Kind, i32)>,
}

/// Makes a program of a rule set.
pub(super) fn compile(ruleset: &mut Ruleset, how: For<'_>) -> Result<Program, Error> {
    let mut program = Program { names: names(how.near), ..Program::default() };
    let mut all = All::default();
    let mut first = 0;
    let mut bases: Vec<(u64, BaseChain)> = Vec::new();
    for table in &mut ruleset.tables {
        let mut members = Members::default();
        for (at, chain) in table.chains.iter().enumerate() {
            members.chains.insert(chain.name.clone(), first + at as u32);
            all.names.push(format!("{} {} {}", table.family.name(), table.name, chain.name));
        }
        program.chains.resize(first as usize + table.chains.len(), Chain::default());
        all.calls.resize(program.chains.len(), Vec::new());
        all.demands.resize(program.chains.len(), Vec::new());
        members.flowtables = table.flowtables.iter().map(|one| one.name.clone()).collect();
        objects(table, &mut members, how)?;
        sets(table, &mut members, &mut program, how)?;
        rules(table, &members, &mut program, &mut all, first, how)?;
        for (at, chain) in table.chains.iter().enumerate() {
            let Some(base) = &chain.base else { continue };
            let number = first + at as u32;
            for base in stand(table, chain, base, number, how)? {
                if !table.dormant {
                    all.entries.push((number, bit(base.at), base.kind, base.priority));
                    bases.push((chain.serial, base));
                }
                if base.kind == Kind::Nat {
                    for (six, tracks) in program.tracks.iter_mut().enumerate() {
                        *tracks |= base.family.takes(six != 0);
                    }
                }
            }
        }
        first += table.chains.len() as u32;
    }
    check(&all)?;
    // Of chains with one priority the younger one comes first.
    bases.sort_by_key(|(serial, base)| (base.priority, std::cmp::Reverse(*serial)));
    program.bases = bases.into_iter().map(|(_, base)| base).collect();
    program.settle();
    Ok(program)
}

fn names(near: Near<'_>) -> Vec<[u8; 16]> {
    let most = near.links.iter().map(|(index, _)| usize::from(*index)).max().unwrap_or(0);
    let mut names = vec![[0; 16]; most + 1];
    for (index, name) in near.links {
        let len = name.len().min(15);
        names[usize::from(*index)][..len].copy_from_slice(&name.as_bytes()[..len]);
    }
    names
}

fn bit(at: At) -> u8 {
    match at {
        At::Hook(hook) => hooks::bit(hook),
        At::Ingress(_) => hooks::INGRESS,
    }
}

/// The objects of a table.
fn objects(table: &mut Table, members: &mut Members, how: For<'_>) -> Result<(), Error> {
    let family = table.family;
    for object in &mut table.objects {
        let mut body = object.body.clone();
        body.remove("comment");
        let value = Value::Object(body);
        let made = match object.kind {
            "counter" => counted(&value, &Path::Root).map(|(packets, bytes)| {
                let begin = || State::Count(Arc::new(Count::new(how.workers, packets, bytes)));
                match object.state.get_or_insert_with(begin) {
                    State::Count(count) => Some(Object::Count(count.clone())),
                    _ => None,
                }
            }),
            "limit" => rate(&value, &Path::Root).map(|(rate, over)| {
                let begin = || State::Limit(Arc::new(Limit::new(rate)));
                match object.state.get_or_insert_with(begin) {
                    State::Limit(limit) => Some(Object::Limit(limit.clone(), over)),
                    _ => None,
                }
            }),
            "quota" => quota(&value, &Path::Root).map(|(most, used, over)| {
                let begin = || State::Quota(Arc::new(Quota::new(most, used)));
                match object.state.get_or_insert_with(begin) {
                    State::Quota(quota) => Some(Object::Quota(quota.clone(), over)),
                    _ => None,
                }
            }),
            _ => helper(&value, family).map(Some),
        };
        let whose =
            || format!("{} {} of {} {}", object.kind, object.name, family.name(), table.name);
        let made = made.map_err(|error| error.below(&object.origin).of(whose))?;
        if let Some(made) = made {
            members.objects.insert((object.kind.to_owned(), object.name.clone()), made);
        }
    }
    Ok(())
}

/// `ct helper`
fn helper(value: &Value, family: Family) -> Result<Object, Error> {
    let root = Path::Root;
    super::expr::no_others(value, &["type", "protocol", "l3proto"], &root)?;
    let name = super::expr::text(value, "type", &root)?;
    let protocol = match super::expr::text(value, "protocol", &root)? {
        "tcp" => 6,
        "udp" => 17,
        other => {
            let what = format!("no helper reads {other}");
            return Err(Error::new(&root.key("protocol"), what, "write tcp or udp"));
        }
    };
    let six = match value.get("l3proto").and_then(Value::as_str) {
        None => family.six(),
        Some("ip") => Some(false),
        Some("ip6") => Some(true),
        Some("inet") => None,
        Some(other) => {
            let what = format!("no helper reads {other}");
            return Err(Error::new(&root.key("l3proto"), what, "write ip, ip6 or inet"));
        }
    };
    let found = Helper::named(name).filter(|helper| helper.info().protocols.contains(&protocol));
    let Some(found) = found else {
        let what = format!("No such file or directory: helper {name:?} of this protocol");
        let hint = "what may stand here: ftp, tftp, sip, irc, amanda, pptp, sane, snmp, netbios-ns";
        return Err(Error::new(&root.key("type"), what, hint));
    };
    Ok(Object::Helper(found.number(), protocol, six))
}

/// Names of sets that statements of a table change.
fn changed(table: &Table) -> Vec<(String, Vec<Value>)> {
    let mut found = Vec::new();
    let rules = table.chains.iter().flat_map(|chain| &chain.rules);
    for (kind, inside) in rules.flat_map(|rule| &rule.expr).filter_map(only) {
        if let ("set" | "map", Some(name)) = (kind, inside.get(kind).and_then(Value::as_str)) {
            let stated = match inside.get("stmt") {
                Some(Value::Array(all)) => all.clone(),
                Some(one) => vec![one.clone()],
                None => Vec::new(),
            };
            found.push((name.strip_prefix('@').unwrap_or(name).to_owned(), stated));
        }
    }
    found
}

/// The sets of a table that have names.
fn sets(
    table: &mut Table,
    members: &mut Members,
    program: &mut Program,
    how: For<'_>,
) -> Result<(), Error> {
    let changed = changed(table);
    let (family, name) = (table.family, table.name.clone());
    for set in &mut table.sets {
        let origin = set.origin.clone();
        let word = format!("{} {} of {} {name}", set.word(), set.name, family.name());
        let elements: Vec<_> = set.elements.iter().map(|one| one.origin.clone()).collect();
        // An element has a place of its own, where a command of its own has brought it.
        let wrong = |mut error: Error| {
            let rest = error.path.strip_prefix("elem[").and_then(|rest| rest.split_once(']'));
            let own = rest.and_then(|(at, rest)| {
                let own = elements.get(at.parse::<usize>().ok()?)?;
                (!own.is_empty()).then(|| format!("{own}{rest}"))
            });
            match own {
                Some(own) => error.path = own,
                None => error = error.below(&origin),
            }
            error.of(|| word.clone())
        };
        let stated_here = changed.iter().find(|(of, stated)| *of == set.name && !stated.is_empty());
        let is_changed = changed.iter().any(|(of, _)| *of == set.name);
        let can = !set.has_flag("interval") && matches!(set.says, Says::Nothing | Says::Values(_));
        let mut states = std::mem::take(&mut set.states);
        let mut build = Build::new(how.near, family, members, program, &mut states, how.workers);
        let lives = is_changed || set.has_flag("dynamic") || set.live.is_some();
        let made = if lives && can {
            let texts = match stated_here {
                Some((_, stated)) if set.stated.is_empty() => stated,
                _ => &set.stated,
            };
            let stated = stated(texts, &Path::Root.key("stmt")).map_err(wrong)?;
            live(set, stated, &build).map_err(wrong)
        } else {
            let list: Vec<_> = set.elements.iter().map(|one| (&one.value, one.until)).collect();
            let (stated, merges) = (&set.stated, set.merges);
            stated_kinds(stated).map_err(wrong)?;
            let shape = Shape { types: &set.types, says: &set.says, stated, merges, named: true };
            let made = build.elements(&shape, &list, &Path::Root.key("elem"));
            made.map_err(wrong)
        };
        let (made, spans) = made?;
        let calls = build.calls.iter().map(|(chain, _)| *chain).collect();
        set.states = states;
        let (types, says) = (set.types.clone(), set.says.clone());
        let named = Named { set: Arc::new(made), types, says, spans, timeout: set.timeout };
        members.sets.insert(set.name.clone(), named);
        members.calls.insert(set.name.clone(), calls);
    }
    Ok(())
}

/// Refuses statements of elements that are not known.
fn stated_kinds(statements: &[Value]) -> Result<(), Error> {
    stated(statements, &Path::Root.key("stmt")).map(|_| ())
}

/// A set that packets change.
fn live(
    set: &mut model::Set,
    stated: Vec<crate::netfilter::nft::Stated>,
    build: &Build<'_>,
) -> Result<(Set, bool), Error> {
    let key_len: usize = set.types.iter().map(|of| of.len()).sum();
    let data_len = match &set.says {
        Says::Values(types) => types.iter().map(|of| of.len()).sum(),
        _ => 0,
    };
    // What cannot be read is found before anything is in force.
    for (at, element) in set.elements.iter().enumerate() {
        let read = super::live::Stated::read(element, set, build);
        read.map_err(|mut error| {
            let rest = error.path.strip_prefix("elem").unwrap_or_default().to_owned();
            error.path = format!("elem[{at}]{rest}");
            error
        })?;
    }
    let size = set.size.unwrap_or(ROOM);
    let fits = |table: &Arc<Live>| table.stated == stated && table.data_len == data_len;
    let table = match set.live.as_ref().filter(|table| fits(table)) {
        Some(table) => table.clone(),
        None => Arc::new(Live::new(key_len, data_len, size, stated)),
    };
    set.live = Some(table.clone());
    let fields = set.types.iter().map(|of| of.len() as u8).collect();
    let elements = Elements::Live(table);
    Ok((Set { key_len, fields, elements, otherwise: None }, false))
}

/// The rules of a table.
fn rules(
    table: &mut Table,
    members: &Members,
    program: &mut Program,
    all: &mut All,
    first: u32,
    how: For<'_>,
) -> Result<(), Error> {
    let (family, name) = (table.family, table.name.clone());
    for (at, chain) in table.chains.iter_mut().enumerate() {
        let number = first as usize + at;
        let start = program.rules.len() as u32;
        for rule in &mut chain.rules {
            let handle = rule.handle;
            let whose = || format!("rule {handle} of {} {name} {}", family.name(), chain.name);
            let wrong = |error: Error| error.below(&rule.origin).of(whose);
            let mut build =
                Build::new(how.near, family, members, program, &mut rule.states, how.workers);
            let root = Path::Root.key("expr");
            for (at, statement) in rule.expr.iter().enumerate() {
                build.statement(statement, &root.at(at)).map_err(wrong)?;
            }
            let Build { ops, calls, demands, .. } = build;
            for (six, tracks) in program.tracks.iter_mut().enumerate() {
                *tracks |= family.takes(six != 0) && ops.iter().any(|op| op.needs_tracking());
            }
            let from = program.ops.len() as u32;
            program.ops.extend(ops);
            program.rules.push((from, program.ops.len() as u32));
            let place = |path: &str| {
                let error = Error { path: path.to_owned(), ..Error::new(&Path::Root, "", "") };
                let error = error.below(&rule.origin).of(whose);
                format!("{} ({})", error.path, error.whose)
            };
            let called = calls.iter().map(|(to, path)| (*to, place(path)));
            all.calls[number].extend(called);
            let demanded = demands.into_iter().map(|demand| {
                let place = place(&demand.path);
                (demand, place)
            });
            all.demands[number].extend(demanded);
        }
        program.chains[number] = Chain { start, end: program.rules.len() as u32 };
    }
    Ok(())
}

/// Where a base chain stands: at one hook, or where frames of some interfaces come in.
fn stand(
    table: &Table,
    chain: &model::Chain,
    base: &model::Base,
    number: u32,
    how: For<'_>,
) -> Result<Vec<BaseChain>, Error> {
    let near = how.near;
    let wrong = |key: &str, what: &str, hint: &str| {
        let whose = || format!("chain {} of {} {}", chain.name, table.family.name(), table.name);
        Err(Error::new(&Path::Root.key(key), what, hint).below(&chain.origin).of(whose))
    };
    let made = |at: At| BaseChain {
        family: table.family,
        kind: base.kind,
        at,
        priority: base.priority,
        policy: base.policy,
        chain: number,
    };
    let hook = match (base.hook.as_str(), table.family) {
        ("ingress", Family::Netdev | Family::Inet) => {
            if base.kind != Kind::Filter {
                return wrong("type", "Operation not supported", "write filter");
            }
            if base.devices.is_empty() {
                return wrong(
                    "dev",
                    "the interface of the chain is missing",
                    "add \"dev\" with its name",
                );
            }
            let mut all = Vec::new();
            for name in &base.devices {
                match near.links.iter().find(|(_, known)| known == name) {
                    Some((index, _)) if how.ports.contains(index) => {
                        all.push(made(At::Ingress(*index)));
                    }
                    Some(_) => {
                        let what = format!("no frames come in by {name:?}");
                        return wrong("dev", &what, "name the port that the interface is on");
                    }
                    None if near.again => {}
                    None => {
                        let hint = "name an interface of this router";
                        return wrong("dev", &format!("Interface {name:?} does not exist"), hint);
                    }
                }
            }
            return Ok(all);
        }
        (_, Family::Netdev) => {
            return wrong(
                "hook",
                "Operation not supported: no such hook of netdev",
                "write ingress",
            );
        }
        ("prerouting", _) => Hook::PreRouting,
        ("input", _) => Hook::LocalIn,
        ("forward", _) => Hook::Forward,
        ("output", _) => Hook::LocalOut,
        ("postrouting", _) => Hook::PostRouting,
        (other, _) => {
            let hint =
                "what may stand here: prerouting, input, forward, output, postrouting, ingress";
            return wrong("hook", &format!("no hook {other:?}"), hint);
        }
    };
    if !base.devices.is_empty() {
        return wrong("dev", "the hook is one of all interfaces", "ask by iifname or oifname");
    }
    match base.kind {
        Kind::Nat if hook == Hook::Forward => wrong(
            "hook",
            "Operation not supported: nothing is translated there",
            "write prerouting or postrouting",
        ),
        Kind::Nat if base.priority <= priority::CONNTRACK => wrong(
            "prio",
            "Operation not supported: connections are not known yet",
            "write a number above -200",
        ),
        Kind::Route if hook != Hook::LocalOut => wrong(
            "hook",
            "Operation not supported: chains of type route stand at output",
            "write output",
        ),
        _ => Ok(vec![made(At::Hook(hook))]),
    }
}

/// Chains that call each other in a circle or too deep, and rules in chains where they cannot work.
fn check(all: &All) -> Result<(), Error> {
    let plain = |what: String, hint: &str| Error {
        path: String::new(),
        whose: String::new(),
        what,
        hint: hint.to_owned(),
    };
    // How deep the calls below each chain go. Without recursion: files choose the depth.
    let mut depth: Vec<Option<usize>> = vec![None; all.calls.len()];
    for start in 0..all.calls.len() {
        let mut open = vec![(start, 0)];
        let mut on_way = vec![false; all.calls.len()];
        on_way[start] = true;
        while let Some((at, next)) = open.last_mut() {
            let at = *at;
            if depth[at].is_some() {
                on_way[at] = false;
                open.pop();
                continue;
            }
            let Some((to, place)) = all.calls[at].get(*next) else {
                let below = all.calls[at].iter().filter_map(|(to, _)| depth[*to as usize]).max();
                let deep = below.map_or(0, |below| below + 1);
                if deep > MOST_CALLS {
                    let what = format!("Too many links: chain {} calls too deep", all.names[at]);
                    return Err(plain(what, "call up to 16 chains one from another"));
                }
                depth[at] = Some(deep);
                continue;
            };
            *next += 1;
            let to = *to as usize;
            if on_way[to] {
                let what = format!("{place}: Too many levels of symbolic links");
                return Err(plain(what, "chains must not call each other in a circle"));
            }
            if depth[to].is_none() {
                on_way[to] = true;
                open.push((to, 0));
            }
        }
    }
    for (entry, hook, kind, priority) in &all.entries {
        let mut seen = vec![false; all.calls.len()];
        let mut open = vec![*entry as usize];
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            for (demand, place) in &all.demands[at] {
                let late = demand.early && *priority >= priority::CONNTRACK;
                if demand.hooks & hook == 0
                    || demand.kind.is_some_and(|wanted| wanted != *kind)
                    || late
                {
                    let what = format!(
                        "{place}: Operation not supported: {} cannot stand in what {} reaches",
                        demand.name, all.names[*entry as usize]
                    );
                    let hint = match demand.kind {
                        Some(_) => "put it into a chain of type nat at the hook where it works",
                        None if late => "put it into a chain whose priority is below -200",
                        None => "put it into a chain at another hook",
                    };
                    return Err(plain(what, hint));
                }
            }
            open.extend(all.calls[at].iter().map(|(to, _)| *to as usize));
        }
    }
    Ok(())
}
