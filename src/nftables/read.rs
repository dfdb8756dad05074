//! JSON texts as `nft -j -f` takes them.
//!
//! - takes: a listing, or commands: add, create, insert, replace, delete, destroy, flush, rename
//! - gives: the [`Ruleset`] that they leave; or the first [`Error`], and then nothing has changed
//! - obeys: libnftables-json(5)

use serde_json::{Map, Value};

use super::{
    build::{States, only},
    error::{Error, Path},
    expr::{no_others, number, text},
    model::{Base, Chain, Flowtable, Object, Rule, Ruleset, Table},
};
use crate::{
    graph::Nanos,
    netfilter::{
        nft::{Family, Kind},
        rule::{Hook, Policy, TableName},
    },
};

/// Kinds of objects that a text may hold.
const OBJECTS: [&str; 13] = [
    "table",
    "chain",
    "rule",
    "set",
    "map",
    "element",
    "flowtable",
    "counter",
    "quota",
    "limit",
    "ct helper",
    "ct timeout",
    "ct expectation",
];

/// Commands that a text may hold.
const COMMANDS: [&str; 8] =
    ["add", "create", "insert", "replace", "delete", "destroy", "flush", "rename"];

/// What a command does with what is there, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Create,
    Insert,
    Replace,
    Delete,
    Destroy,
    Flush,
    Rename,
}

pub(super) fn missing(path: &Path<'_>, what: &str, name: &str) -> Error {
    let message = format!("No such file or directory: {what} {name:?}");
    Error::new(path, message, "name one that is there; `wagonway nft -j list ruleset` shows all")
}

pub(super) fn exists(path: &Path<'_>, what: &str, name: &str) -> Error {
    let message = format!("File exists: {what} {name:?}");
    Error::new(path, message, "delete it first, or write add")
}

/// What a text makes of a rule set.
pub(super) fn read(before: &Ruleset, input: &str, now: Nanos) -> Result<Ruleset, Error> {
    let root = Path::Root;
    let whole: Value = serde_json::from_str(input).map_err(|error| {
        Error::new(&root, format!("this is no JSON: {error}"), "nft -j list ruleset writes it")
    })?;
    no_others(&whole, &["nftables"], &root)?;
    let path = root.key("nftables");
    let Some(all) = whole.get("nftables").and_then(Value::as_array) else {
        let hint = "write {\"nftables\": [...]}";
        return Err(Error::new(&path, "a list is missing here", hint));
    };
    let plain = |item: &Value| only(item).is_some_and(|(kind, _)| OBJECTS.contains(&kind));
    let commands = |item: &Value| only(item).is_some_and(|(kind, _)| COMMANDS.contains(&kind));
    // A listing stands for all that is to be there; commands change what is there.
    let listing = all.iter().any(plain) && !all.iter().any(commands);
    let mut rules = if listing { Ruleset::default() } else { before.clone() };
    for (at, item) in all.iter().enumerate() {
        let path = path.at(at);
        let Some((kind, inside)) = only(item) else {
            let what = "a command or an object is missing here";
            return Err(Error::new(&path, what, "write {\"add\": {...}} or {\"table\": {...}}"));
        };
        let inner = path.key(kind);
        let verb = match kind {
            "metainfo" => {
                metainfo(inside, &inner)?;
                continue;
            }
            "add" => Verb::Add,
            "create" => Verb::Create,
            "insert" => Verb::Insert,
            "replace" => Verb::Replace,
            "delete" => Verb::Delete,
            "destroy" => Verb::Destroy,
            "flush" => Verb::Flush,
            "rename" => Verb::Rename,
            kind if OBJECTS.contains(&kind) => {
                rules.change(Verb::Add, kind, inside, &inner, now)?;
                continue;
            }
            other => {
                let what = format!("{other} is not supported here");
                let hint = match other {
                    "list" | "reset" => "ask by `wagonway nft -j list ruleset`",
                    _ => {
                        "what may stand here: add, create, insert, replace, delete, destroy, flush, rename"
                    }
                };
                return Err(Error::new(&inner, what, hint));
            }
        };
        let Some((kind, inside)) = only(inside) else {
            let what = "what the command is about is missing";
            return Err(Error::new(&inner, what, "write one object, as {\"table\": {...}}"));
        };
        rules.change(verb, kind, inside, &inner.key(kind), now)?;
    }
    Ok(rules)
}

fn metainfo(inside: &Value, path: &Path<'_>) -> Result<(), Error> {
    match inside.get("json_schema_version").map(Value::as_u64) {
        None | Some(Some(0..=1)) => Ok(()),
        Some(_) => {
            let what = "the text is of a later form";
            Err(Error::new(&path.key("json_schema_version"), what, "this router reads version 1"))
        }
    }
}

fn family(inside: &Value, path: &Path<'_>) -> Result<Family, Error> {
    match text(inside, "family", path)? {
        "ip" => Ok(Family::Ip),
        "ip6" => Ok(Family::Ip6),
        "inet" => Ok(Family::Inet),
        "netdev" => Ok(Family::Netdev),
        other => {
            let what = format!("the family {other:?} is not supported");
            Err(Error::new(&path.key("family"), what, "what may stand here: ip, ip6, inet, netdev"))
        }
    }
}

/// A list, or a single one.
pub(super) fn listed(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
    }
}

pub(super) fn words(inside: &Value, key: &str, path: &Path<'_>) -> Result<Vec<String>, Error> {
    let word = |value: &Value| {
        let wrong = || Error::new(&path.key(key), format!("{value} is no text"), "write a text");
        value.as_str().map(str::to_owned).ok_or_else(wrong)
    };
    listed(inside.get(key)).into_iter().map(word).collect()
}

/// The text of an object without what says which it is.
pub(super) fn body(inside: &Value) -> Map<String, Value> {
    let mut body = inside.as_object().cloned().unwrap_or_default();
    for key in ["family", "table", "name", "handle"] {
        body.remove(key);
    }
    body
}

impl Ruleset {
    pub(super) fn table_mut(
        &mut self,
        inside: &Value,
        path: &Path<'_>,
    ) -> Result<&mut Table, Error> {
        let (family, name) = (family(inside, path)?, text(inside, "table", path)?);
        let found = self.tables.iter_mut().find(|one| one.family == family && one.name == name);
        found.ok_or_else(|| missing(&path.key("table"), family.name(), name))
    }

    fn change(
        &mut self,
        verb: Verb,
        kind: &str,
        inside: &Value,
        path: &Path<'_>,
        now: Nanos,
    ) -> Result<(), Error> {
        use Verb::{Add, Create, Delete, Destroy, Flush, Insert, Rename, Replace};
        match (kind, verb) {
            ("ruleset", Flush) => {
                match inside.get("family") {
                    None => self.tables.clear(),
                    Some(_) => {
                        let family = family(inside, path)?;
                        self.tables.retain(|table| table.family != family);
                    }
                }
                Ok(())
            }
            ("table", Add | Create) => self.add_table(verb, inside, path),
            ("table", Delete | Destroy) => self.delete_table(verb, inside, path),
            ("table", Flush) => {
                let (family, name) = (family(inside, path)?, text(inside, "name", path)?);
                let found =
                    self.tables.iter_mut().find(|one| one.family == family && one.name == name);
                let table = found.ok_or_else(|| missing(path, "table", name))?;
                table.chains.iter_mut().for_each(|chain| chain.rules.clear());
                Ok(())
            }
            ("chain", Add | Create) => self.add_chain(verb, inside, path),
            ("chain", Delete | Destroy | Flush | Rename) => self.edit_chain(verb, inside, path),
            ("rule", Add | Create | Insert | Replace) => self.add_rule(verb, inside, path),
            ("rule", Delete | Destroy) => self.delete_rule(verb, inside, path),
            ("set" | "map", Add | Create) => self.add_set(verb, kind == "map", inside, path, now),
            ("set" | "map", Delete | Destroy | Flush) => self.edit_set(verb, inside, path),
            ("element", Add | Create | Delete | Destroy) => {
                self.edit_elements(verb, inside, path, now)
            }
            ("counter" | "quota" | "limit" | "ct helper", Add | Create) => {
                self.add_object(verb, kind, inside, path)
            }
            ("counter" | "quota" | "limit" | "ct helper", Delete | Destroy) => {
                let name = text(inside, "name", path)?;
                let table = self.table_mut(inside, path)?;
                let before = table.objects.len();
                table.objects.retain(|object| object.kind != kind || object.name != name);
                if verb == Delete && table.objects.len() == before {
                    return Err(missing(path, kind, name));
                }
                Ok(())
            }
            ("flowtable", Add | Create) => self.add_flowtable(verb, inside, path),
            ("flowtable", Delete | Destroy) => {
                let name = text(inside, "name", path)?;
                let table = self.table_mut(inside, path)?;
                let before = table.flowtables.len();
                table.flowtables.retain(|flowtable| flowtable.name != name);
                if verb == Delete && table.flowtables.len() == before {
                    return Err(missing(path, "flowtable", name));
                }
                Ok(())
            }
            _ => {
                let hint = match kind {
                    "ct timeout" => "set the sysctls net.netfilter.nf_conntrack_*_timeout",
                    "ct expectation" => "connections are announced by helpers: write ct helper",
                    "synproxy" => "write the statement synproxy with its values",
                    "secmark" => "there is no SELinux here",
                    _ => {
                        "what may stand here: table, chain, rule, set, map, element, flowtable, counter, \
                          quota, limit, ct helper, ruleset"
                    }
                };
                Err(Error::new(path, format!("{kind} is not supported here"), hint))
            }
        }
    }

    fn add_table(&mut self, verb: Verb, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        no_others(inside, &["family", "name", "handle", "flags", "comment"], path)?;
        let (family, name) = (family(inside, path)?, text(inside, "name", path)?);
        let flags = words(inside, "flags", path)?;
        if let Some(flag) = flags.iter().find(|flag| *flag != "dormant") {
            let what = format!("the flag {flag:?} is not supported");
            return Err(Error::new(&path.key("flags"), what, "what may stand here: dormant"));
        }
        let dormant = !flags.is_empty();
        let known = self.tables.iter_mut().find(|one| one.family == family && one.name == name);
        if let Some(table) = known {
            if verb == Verb::Create {
                return Err(exists(path, "table", name));
            }
            table.dormant = dormant;
            return Ok(());
        }
        self.last += 1;
        self.tables.push(Table {
            family,
            name: name.to_owned(),
            handle: self.last,
            comment: inside.get("comment").cloned(),
            dormant,
            last: 0,
            chains: Vec::new(),
            sets: Vec::new(),
            objects: Vec::new(),
            flowtables: Vec::new(),
        });
        Ok(())
    }

    fn delete_table(&mut self, verb: Verb, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        let family = family(inside, path)?;
        let handle = inside.get("handle").and_then(Value::as_u64);
        let name = inside.get("name").and_then(Value::as_str);
        let before = self.tables.len();
        self.tables.retain(|table| {
            let named = name.is_some_and(|name| name == table.name);
            let other = name.is_some() || handle != Some(table.handle);
            table.family != family || !named && other
        });
        if self.tables.len() == before && verb == Verb::Delete {
            return Err(missing(path, "table", name.unwrap_or_default()));
        }
        Ok(())
    }

    fn add_chain(&mut self, verb: Verb, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        let known = [
            "family", "table", "name", "handle", "type", "hook", "prio", "dev", "policy", "comment",
        ];
        no_others(inside, &known, path)?;
        let name = text(inside, "name", path)?;
        let family = family(inside, path)?;
        self.chains += 1;
        let serial = self.chains;
        let table = self.table_mut(inside, path)?;
        let policy = match inside.get("policy").map(|_| text(inside, "policy", path)).transpose()? {
            None => None,
            Some("accept") => Some(Policy::Accept),
            Some("drop") => Some(Policy::Drop),
            Some(other) => {
                let what = format!("no policy {other:?}");
                return Err(Error::new(&path.key("policy"), what, "write accept or drop"));
            }
        };
        if let Some(chain) = table.chain_mut(name) {
            if verb == Verb::Create {
                return Err(exists(path, "chain", name));
            }
            if let (Some(base), Some(policy)) = (&mut chain.base, policy) {
                base.policy = policy;
            }
            return Ok(());
        }
        let base = match inside.get("hook") {
            None => {
                let stray = ["type", "prio", "dev", "policy"];
                let stray = stray.into_iter().find(|key| inside.get(key).is_some());
                if let Some(key) = stray {
                    let what = format!("a chain without a hook has no {key}");
                    return Err(Error::new(&path.key(key), what, "add \"hook\""));
                }
                None
            }
            Some(_) => {
                let kind = match text(inside, "type", path)? {
                    "filter" => Kind::Filter,
                    "nat" => Kind::Nat,
                    "route" => Kind::Route,
                    other => {
                        let what = format!("chains of type {other:?} are not supported");
                        let hint = "what may stand here: filter, nat, route";
                        return Err(Error::new(&path.key("type"), what, hint));
                    }
                };
                let hook = text(inside, "hook", path)?.to_owned();
                let priority = priority(inside, &hook, family, path)?;
                let devices = words(inside, "dev", path)?;
                let policy = policy.unwrap_or_default();
                Some(Base { kind, hook, priority, policy, devices })
            }
        };
        let chain = Chain {
            name: name.to_owned(),
            handle: table.next(),
            comment: inside.get("comment").cloned(),
            base,
            rules: Vec::new(),
            serial,
            origin: path.to_string(),
        };
        table.chains.push(chain);
        Ok(())
    }

    fn edit_chain(&mut self, verb: Verb, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        let name = inside.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let handle = inside.get("handle").and_then(Value::as_u64);
        let table = self.table_mut(inside, path)?;
        let is = |chain: &&mut Chain| {
            chain.name == name || name.is_empty() && handle == Some(chain.handle)
        };
        let Some(chain) = table.chains.iter_mut().find(is) else {
            return match verb {
                Verb::Destroy => Ok(()),
                _ => Err(missing(path, "chain", &name)),
            };
        };
        match verb {
            Verb::Flush => chain.rules.clear(),
            Verb::Rename => {
                let new = text(inside, "newname", path)?.to_owned();
                chain.name.clone_from(&new);
                if table.chains.iter().filter(|chain| chain.name == new).count() > 1 {
                    return Err(exists(path, "chain", &new));
                }
            }
            _ if !chain.rules.is_empty() => {
                let what = format!("Device or resource busy: chain {name:?} has rules");
                return Err(Error::new(path, what, "flush the chain first"));
            }
            _ => {
                let handle = chain.handle;
                table.chains.retain(|chain| chain.handle != handle);
            }
        }
        Ok(())
    }

    fn add_rule(&mut self, verb: Verb, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        let known = ["family", "table", "chain", "handle", "index", "expr", "comment"];
        no_others(inside, &known, path)?;
        let name = text(inside, "chain", path)?;
        let table = self.table_mut(inside, path)?;
        let new = table.last + 1;
        let Some(chain) = table.chain_mut(name) else {
            return Err(missing(&path.key("chain"), "chain", name));
        };
        let Some(expr) = inside.get("expr").and_then(Value::as_array) else {
            let hint = "write a list of statements";
            return Err(Error::new(&path.key("expr"), "a list is missing here", hint));
        };
        let handle = inside.get("handle").and_then(Value::as_u64);
        let index = inside.get("index").and_then(Value::as_u64).map(|index| index as usize);
        // In a listing each rule has a handle, which says nothing of where it belongs.
        let outer = path.to_string();
        let is_command = COMMANDS.iter().any(|word| outer.contains(&format!(".{word}.")));
        let at = match (handle.filter(|_| is_command), index) {
            (Some(handle), _) => {
                let at = chain.rules.iter().position(|rule| rule.handle == handle);
                Some(at.ok_or_else(|| missing(&path.key("handle"), "rule", &handle.to_string()))?)
            }
            (None, Some(index)) if index < chain.rules.len() => Some(index),
            (None, Some(index)) => {
                return Err(missing(&path.key("index"), "rule", &index.to_string()));
            }
            (None, None) => None,
        };
        let rule = Rule {
            handle: new,
            comment: inside.get("comment").cloned(),
            expr: expr.clone(),
            states: States::new(),
            origin: outer,
        };
        match (verb, at) {
            (Verb::Replace, Some(at)) => chain.rules[at] = rule,
            (Verb::Replace, None) => {
                let what = "which rule is to go is missing";
                return Err(Error::new(path, what, "add \"handle\" with the rule's"));
            }
            (Verb::Insert, at) => chain.rules.insert(at.unwrap_or(0), rule),
            (_, Some(at)) => chain.rules.insert(at + 1, rule),
            (_, None) => chain.rules.push(rule),
        }
        table.last = new;
        Ok(())
    }

    fn delete_rule(&mut self, verb: Verb, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        let name = text(inside, "chain", path)?;
        let handle = number(inside, "handle", None, path)?;
        let table = self.table_mut(inside, path)?;
        let Some(chain) = table.chain_mut(name) else {
            return Err(missing(&path.key("chain"), "chain", name));
        };
        let before = chain.rules.len();
        chain.rules.retain(|rule| rule.handle != handle);
        if verb == Verb::Delete && chain.rules.len() == before {
            return Err(missing(&path.key("handle"), "rule", &handle.to_string()));
        }
        Ok(())
    }

    fn add_object(
        &mut self,
        verb: Verb,
        kind: &str,
        inside: &Value,
        path: &Path<'_>,
    ) -> Result<(), Error> {
        let name = text(inside, "name", path)?;
        let table = self.table_mut(inside, path)?;
        let known = ["counter", "quota", "limit", "ct helper"];
        let kind = known.into_iter().find(|known| *known == kind).unwrap_or_default();
        if table.objects.iter().any(|object| object.kind == kind && object.name == name) {
            return match verb {
                Verb::Create => Err(exists(path, kind, name)),
                _ => Ok(()),
            };
        }
        let body = body(inside);
        let handle = table.next();
        let (name, origin) = (name.to_owned(), path.to_string());
        table.objects.push(Object { kind, name, handle, body, state: None, origin });
        Ok(())
    }

    fn add_flowtable(&mut self, verb: Verb, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        let known = ["family", "table", "name", "handle", "hook", "prio", "dev", "flags"];
        no_others(inside, &known, path)?;
        let name = text(inside, "name", path)?;
        let table = self.table_mut(inside, path)?;
        if table.flowtables.iter().any(|flowtable| flowtable.name == name) {
            return match verb {
                Verb::Create => Err(exists(path, "flowtable", name)),
                _ => Ok(()),
            };
        }
        let handle = table.next();
        let (name, body) = (name.to_owned(), body(inside));
        table.flowtables.push(Flowtable { name, handle, body });
        Ok(())
    }
}

/// The turn of a base chain: a number, or a name and a distance.
fn priority(inside: &Value, hook: &str, family: Family, path: &Path<'_>) -> Result<i32, Error> {
    let path = path.key("prio");
    let wrong = || {
        let hint = "write a number, or raw, mangle, dstnat, filter, security, srcnat";
        Error::new(&path, "the priority is missing, or is none", hint)
    };
    let named = |name: &str| {
        let of = |table: TableName, hook| Some(table.priority(hook));
        match name {
            "raw" if family != Family::Netdev => of(TableName::Raw, Hook::PreRouting),
            "mangle" if family != Family::Netdev => of(TableName::Mangle, Hook::PreRouting),
            "dstnat" if matches!(hook, "prerouting" | "output") => {
                of(TableName::Nat, Hook::PreRouting)
            }
            "srcnat" if matches!(hook, "postrouting" | "input") => {
                of(TableName::Nat, Hook::PostRouting)
            }
            "filter" => of(TableName::Filter, Hook::Forward),
            "security" if family != Family::Netdev => of(TableName::Security, Hook::Forward),
            _ => None,
        }
    };
    match inside.get("prio") {
        Some(Value::Number(number)) => {
            number.as_i64().and_then(|number| i32::try_from(number).ok()).ok_or_else(wrong)
        }
        Some(Value::String(text)) => named(text).ok_or_else(wrong),
        Some(_) => Err(wrong()),
        None => Err(wrong()),
    }
}
