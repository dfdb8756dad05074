//! Sets, maps and their elements as texts state them.
//!
//! - takes: the objects `set`, `map` and `element`, and what is to be done with them
//! - gives: the same in a [`Ruleset`]
//! - obeys: libnftables-json(5), "SET", "MAP", "ELEMENT"

use serde_json::Value;

use super::{
    build::{Build, Members, Says, States, only},
    error::{Error, Path},
    expr::{no_others, number, text},
    model::{Element, Ruleset, Set},
    rates::SECOND,
    read::{Verb, body, exists, listed, missing, words},
    set::{bare, parts},
    types::{Near, Type},
};
use crate::{
    graph::Nanos,
    netfilter::nft::{Family, Program},
};

impl Ruleset {
    pub(super) fn add_set(
        &mut self,
        verb: Verb,
        is_map: bool,
        inside: &Value,
        path: &Path<'_>,
        now: Nanos,
    ) -> Result<(), Error> {
        let known = [
            "family",
            "table",
            "name",
            "handle",
            "type",
            "map",
            "policy",
            "flags",
            "elem",
            "timeout",
            "gc-interval",
            "size",
            "auto-merge",
            "stmt",
            "comment",
        ];
        no_others(inside, &known, path)?;
        let name = text(inside, "name", path)?;
        let table = self.table_mut(inside, path)?;
        let flags = words(inside, "flags", path)?;
        let known = ["constant", "interval", "timeout", "dynamic"];
        if let Some(flag) = flags.iter().find(|flag| !known.contains(&flag.as_str())) {
            let what = format!("the flag {flag:?} is not supported");
            let hint = format!("what may stand here: {}", known.join(", "));
            return Err(Error::new(&path.key("flags"), what, hint));
        }
        let elements = listed(inside.get("elem"));
        if let Some(set) = table.set_mut(name) {
            if verb == Verb::Create {
                return Err(exists(path, "set", name));
            }
            return add_elements(set, verb, &elements, &path.key("elem"), now);
        }
        let family = table.family;
        let types = types(inside.get("type"), family, &path.key("type"))?;
        let says = match inside.get("map") {
            None if is_map => {
                let what = "what the map leads to is missing";
                return Err(Error::new(&path.key("map"), what, "add \"map\" with a type"));
            }
            None => Says::Nothing,
            Some(Value::String(word)) => match word.as_str() {
                "verdict" => Says::Verdict,
                "counter" | "quota" | "limit" | "ct helper" => Says::Object(word.clone()),
                _ => Says::Values(types_of(inside.get("map"), family, &path.key("map"))?),
            },
            other => Says::Values(types_of(other, family, &path.key("map"))?),
        };
        let seconds = number(inside, "timeout", Some(0), path)?;
        let size = inside.get("size").map(|_| number(inside, "size", None, path)).transpose()?;
        let mut kept = body(inside);
        kept.remove("elem");
        let mut set = Set {
            name: name.to_owned(),
            handle: table.next(),
            is_map,
            types,
            says,
            flags,
            timeout: seconds.saturating_mul(SECOND),
            size: size.map(|size| size.min(1 << 20) as u32),
            stated: listed(inside.get("stmt")).into_iter().cloned().collect(),
            merges: inside.get("auto-merge").and_then(Value::as_bool).unwrap_or(false),
            body: kept,
            elements: Vec::new(),
            states: States::new(),
            live: None,
            removed: Vec::new(),
            cleared: false,
            origin: path.to_string(),
        };
        add_elements(&mut set, Verb::Add, &elements, &path.key("elem"), now)?;
        table.sets.push(set);
        Ok(())
    }

    pub(super) fn edit_set(
        &mut self,
        verb: Verb,
        inside: &Value,
        path: &Path<'_>,
    ) -> Result<(), Error> {
        let name = text(inside, "name", path)?;
        let table = self.table_mut(inside, path)?;
        match (table.set_mut(name), verb) {
            (Some(set), Verb::Flush) => {
                set.elements.clear();
                set.states.clear();
                set.cleared = true;
            }
            (Some(_), _) => table.sets.retain(|set| set.name != name),
            (None, Verb::Destroy) => {}
            (None, _) => return Err(missing(path, "set", name)),
        }
        Ok(())
    }

    pub(super) fn edit_elements(
        &mut self,
        verb: Verb,
        inside: &Value,
        path: &Path<'_>,
        now: Nanos,
    ) -> Result<(), Error> {
        no_others(inside, &["family", "table", "name", "elem"], path)?;
        let name = text(inside, "name", path)?;
        let table = self.table_mut(inside, path)?;
        let Some(set) = table.set_mut(name) else { return Err(missing(path, "set", name)) };
        add_elements(set, verb, &listed(inside.get("elem")), &path.key("elem"), now)
    }
}

/// The types of a set's keys.
fn types(value: Option<&Value>, family: Family, path: &Path<'_>) -> Result<Vec<Type>, Error> {
    let found = types_of(value, family, path)?;
    match found.len() {
        0 => Err(Error::new(path, "the type is missing", "add \"type\", as \"ipv4_addr\"")),
        _ => Ok(found),
    }
}

fn types_of(value: Option<&Value>, family: Family, path: &Path<'_>) -> Result<Vec<Type>, Error> {
    if let Some(("typeof", expr)) = value.and_then(only) {
        return types_like(expr, family, &path.key("typeof"));
    }
    let one = |word: &str| {
        Type::declared(word).ok_or_else(|| {
            let what = format!("the type {word:?} is not supported");
            let hint = "what may stand here: ipv4_addr, ipv6_addr, ether_addr, inet_proto, inet_service, \
                        ifname, iface_index, mark and other types of nft(8)";
            Error::new(path, what, hint)
        })
    };
    let mut found = Vec::new();
    for value in listed(value) {
        let Some(text) = value.as_str() else {
            let what = format!("{value} is no type");
            return Err(Error::new(path, what, "write the name of a type"));
        };
        // What a map leads to may be several, in one word.
        for word in text.split(" . ") {
            found.push(one(word.trim())?);
        }
    }
    Ok(found)
}

/// Adds elements to a set, or takes them away.
fn add_elements(
    set: &mut Set,
    verb: Verb,
    elements: &[&Value],
    path: &Path<'_>,
    now: Nanos,
) -> Result<(), Error> {
    for (at, value) in elements.iter().enumerate() {
        let path = path.at(at);
        let key = bare(parts(value).0);
        let is = |element: &Element| bare(parts(&element.value).0) == key;
        let known = set.elements.iter().position(is);
        match verb {
            Verb::Delete | Verb::Destroy => match known {
                Some(at) => drop(set.elements.remove(at)),
                None if set.live.is_some() => set.removed.push((*value).clone()),
                None if verb == Verb::Destroy => {}
                None => return Err(missing(&path, "element", &key.to_string())),
            },
            Verb::Create if known.is_some() => {
                return Err(exists(&path, "element", &key.to_string()));
            }
            _ if known.is_some() => {}
            _ => {
                let elem = parts(value).0.get("elem");
                let seconds = |name: &str| elem.and_then(|elem| elem.get(name)?.as_u64());
                let own = seconds("timeout").map(|seconds| seconds.saturating_mul(SECOND));
                let whole = own.unwrap_or(set.timeout);
                if own.is_some() && set.timeout == 0 && !set.has_flag("timeout") {
                    let what = "Invalid argument: the elements of this set have no timeout";
                    return Err(Error::new(&path, what, "give the set the flag timeout"));
                }
                let left = seconds("expires").map_or(whole, |s| s.saturating_mul(SECOND));
                let until = (whole != 0).then(|| now.saturating_add(left));
                let (value, origin) = ((*value).clone(), path.to_string());
                set.elements.push(Element { value, until, origin });
            }
        }
    }
    Ok(())
}

/// The types of what an expression reads.
fn types_like(expr: &Value, family: Family, path: &Path<'_>) -> Result<Vec<Type>, Error> {
    let near = Near { links: &[], services: |_, _| None, again: true };
    let (members, mut program, mut states) =
        (Members::default(), Program::default(), States::new());
    let mut build = Build::new(near, family, &members, &mut program, &mut states, 1);
    Ok(build.expr(expr, path)?.types)
}
