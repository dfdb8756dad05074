//! The rule set as a JSON text that can be loaded again.
//!
//! - takes: a [`Ruleset`]
//! - gives: what `nft -j list ruleset` prints, with what was counted
//! - obeys: libnftables-json(5)

use serde_json::{Map, Value, json};

use super::{
    build::States,
    error::Path,
    model::{Base, Object, Ruleset, Set, Table},
    set::{bare, parts},
    types::Near,
};
use crate::{
    graph::Nanos,
    netfilter::{
        nft::{Kind, Rate, State},
        rule::Policy,
    },
};

const SECOND: u64 = 1_000_000_000;

/// All of it.
pub(super) fn list(ruleset: &Ruleset, near: Near<'_>, now: Nanos) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let mut all = vec![json!({
        "metainfo": { "version": version, "release_name": "Wagonway", "json_schema_version": 1 }
    })];
    ruleset.tables.iter().for_each(|table| list_table(table, near, now, &mut all));
    json!({ "nftables": all })
}

fn list_table(table: &Table, near: Near<'_>, now: Nanos, all: &mut Vec<Value>) {
    let family = table.family.name();
    let mut head = json!({ "family": family, "name": table.name, "handle": table.handle });
    if let (Some(comment), Some(head)) = (&table.comment, head.as_object_mut()) {
        head.insert("comment".into(), comment.clone());
    }
    if let (true, Some(head)) = (table.dormant, head.as_object_mut()) {
        head.insert("flags".into(), json!("dormant"));
    }
    all.push(json!({ "table": head }));
    let member = |name: &str, handle: u64, mut body: Map<String, Value>| {
        body.insert("family".into(), family.into());
        body.insert("table".into(), table.name.clone().into());
        body.insert("name".into(), name.into());
        body.insert("handle".into(), handle.into());
        body
    };
    // Elements of maps may call chains, which therefore stand first.
    for chain in &table.chains {
        let mut body = member(&chain.name, chain.handle, Map::new());
        if let Some(base) = &chain.base {
            list_base(base, &mut body);
        }
        if let Some(comment) = &chain.comment {
            body.insert("comment".into(), comment.clone());
        }
        all.push(one("chain", body));
    }
    for object in &table.objects {
        let body = member(&object.name, object.handle, counted(object));
        all.push(one(object.kind, body));
    }
    for set in &table.sets {
        let mut body = member(&set.name, set.handle, set.body.clone());
        let elements = elements(set, near, now);
        if !elements.is_empty() {
            body.insert("elem".into(), elements.into());
        }
        all.push(one(set.word(), body));
    }
    for flowtable in &table.flowtables {
        let body = member(&flowtable.name, flowtable.handle, flowtable.body.clone());
        all.push(one("flowtable", body));
    }
    for chain in &table.chains {
        for rule in &chain.rules {
            let root = Path::Root.key("expr");
            let with = |(at, value)| patched(value, &root.at(at), &rule.states);
            let expr: Vec<Value> = rule.expr.iter().enumerate().map(with).collect();
            let mut body = json!({
                "family": family, "table": table.name, "chain": chain.name, "handle": rule.handle,
                "expr": expr,
            });
            if let (Some(comment), Some(body)) = (&rule.comment, body.as_object_mut()) {
                body.insert("comment".into(), comment.clone());
            }
            all.push(json!({ "rule": body }));
        }
    }
}

fn one(kind: &str, body: Map<String, Value>) -> Value {
    Value::Object(Map::from_iter([(kind.to_owned(), Value::Object(body))]))
}

fn list_base(base: &Base, body: &mut Map<String, Value>) {
    let kind = match base.kind {
        Kind::Filter => "filter",
        Kind::Nat => "nat",
        Kind::Route => "route",
    };
    let policy = match base.policy {
        Policy::Accept => "accept",
        Policy::Drop => "drop",
    };
    body.insert("type".into(), kind.into());
    body.insert("hook".into(), base.hook.clone().into());
    body.insert("prio".into(), base.priority.into());
    body.insert("policy".into(), policy.into());
    match base.devices.as_slice() {
        [] => {}
        [one] => drop(body.insert("dev".into(), one.clone().into())),
        all => drop(body.insert("dev".into(), all.into())),
    }
}

/// An object's text with what it has counted.
fn counted(object: &Object) -> Map<String, Value> {
    let mut body = object.body.clone();
    match &object.state {
        Some(State::Count(count)) => {
            let (packets, bytes) = count.sum();
            body.insert("packets".into(), packets.into());
            body.insert("bytes".into(), bytes.into());
        }
        Some(State::Quota(quota)) => {
            body.remove("used_unit");
            body.insert("used".into(), quota.used().into());
        }
        _ => {}
    }
    body
}

/// A value with what those that remember in it have counted.
fn patched(value: &Value, path: &Path<'_>, states: &States) -> Value {
    match value {
        Value::Array(all) => {
            let with = |(at, value)| patched(value, &path.at(at), states);
            all.iter().enumerate().map(with).collect()
        }
        Value::Object(map) => {
            let with = |(key, value): (&String, &Value)| {
                let path = path.key(key);
                let new = match states.get(&path.to_string()) {
                    Some(state) => of_state(state, value),
                    None => patched(value, &path, states),
                };
                (key.clone(), new)
            };
            Value::Object(map.iter().map(with).collect())
        }
        other => other.clone(),
    }
}

/// A statement's text with what it has counted.
fn of_state(state: &State, value: &Value) -> Value {
    match state {
        State::Count(count) => {
            let (packets, bytes) = count.sum();
            json!({ "packets": packets, "bytes": bytes })
        }
        State::Quota(quota) => {
            let mut new = value.clone();
            if let (Some(new), used @ 1..) = (new.as_object_mut(), quota.used()) {
                let (used, unit) = scaled(used);
                new.insert("used".into(), used.into());
                new.insert("used_unit".into(), unit.into());
            }
            new
        }
        _ => value.clone(),
    }
}

/// Bytes in the largest unit that holds them whole.
fn scaled(bytes: u64) -> (u64, &'static str) {
    let units = [(1 << 20, "mbytes"), (1 << 10, "kbytes")];
    let whole = units.into_iter().find(|(unit, _)| bytes.is_multiple_of(*unit));
    whole.map_or((bytes, "bytes"), |(unit, name)| (bytes / unit, name))
}

/// A limit as a statement.
pub(super) fn limit(rate: &Rate, over: bool) -> Value {
    let periods = [(604_800, "week"), (86_400, "day"), (3600, "hour"), (60, "minute")];
    let period = periods.into_iter().find(|(seconds, _)| rate.period == seconds * SECOND);
    let per = period.map_or("second", |(_, name)| name);
    let mut shown = json!({ "rate": rate.rate, "burst": rate.burst, "per": per });
    if let Some(shown) = shown.as_object_mut() {
        if rate.bytes {
            let ((rate, rate_unit), (burst, unit)) = (scaled(rate.rate), scaled(rate.burst));
            shown.insert("rate".into(), rate.into());
            shown.insert("rate_unit".into(), rate_unit.into());
            if burst > 0 {
                shown.insert("burst".into(), burst.into());
                shown.insert("burst_unit".into(), unit.into());
            }
        }
        if over {
            shown.insert("inv".into(), true.into());
        }
    }
    shown
}

/// A quota as a statement.
pub(super) fn quota(most: u64, used: u64, over: bool) -> Value {
    let ((most, unit), (used, used_unit)) = (scaled(most), scaled(used.min(most)));
    let mut shown = json!({ "val": most, "val_unit": unit, "used": used, "used_unit": used_unit });
    if let (true, Some(shown)) = (over, shown.as_object_mut()) {
        shown.insert("inv".into(), true.into());
    }
    shown
}

/// The elements of a set.
fn elements(set: &Set, near: Near<'_>, now: Nanos) -> Vec<Value> {
    if set.live.is_some() {
        return super::live::list(set, near, now);
    }
    let lives = |element: &&super::model::Element| element.until.is_none_or(|until| now < until);
    let shown = set.elements.iter().filter(lives).map(|element| {
        let (key, data) = parts(&element.value);
        let name = bare(key).to_string();
        let root = Path::Root;
        let root = root.key(&name);
        let states = ["counter", "limit", "quota"].into_iter().filter_map(|kind| {
            let state = set.states.get(&root.key(kind).to_string())?;
            let stated = set.stated.iter().find_map(|stated| stated.get(kind));
            let own = key.get("elem").and_then(|elem| elem.get(kind));
            Some((kind.to_owned(), of_state(state, own.or(stated).unwrap_or(&Value::Null))))
        });
        let mut elem = key.get("elem").and_then(Value::as_object).cloned().unwrap_or_default();
        elem.extend(states);
        if let Some(until) = element.until {
            elem.insert("expires".into(), ((until - now) / SECOND).into());
        }
        let key = match elem.is_empty() {
            true => key.clone(),
            false => {
                elem.insert("val".into(), bare(key).clone());
                json!({ "elem": elem })
            }
        };
        data.map_or(key.clone(), |data| json!([key, data]))
    });
    shown.collect()
}
