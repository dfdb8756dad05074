//! Statements: what a rule asks and does.
//!
//! - takes: JSON statements of libnftables-json(5)
//! - gives: steps; what the chain must be for them to stand in it
//! - obeys: libnftables-json(5), "STATEMENTS"

use std::sync::Arc;

use serde_json::Value;

use super::{
    build::{Build, Says, only},
    error::{Error, Path},
    expr::{no_others, text},
    rates::{counted, quota, rate},
    types::{Kind, Type},
};
use crate::netfilter::nft::{Cmp, Count, Decision, Limit, Object, Op, Quota, State};

impl Build<'_> {
    /// Adds the steps of a statement.
    pub(super) fn statement(&mut self, value: &Value, path: &Path<'_>) -> Result<(), Error> {
        self.release();
        let Some((kind, inside)) = only(value) else {
            let hint = "write an object with one member, as {\"accept\": null}";
            return Err(Error::new(path, format!("{value} is no statement"), hint));
        };
        if self.decided {
            let what = "Statement after terminal statement has no effect";
            return Err(Error::new(path, what, "put what decides last"));
        }
        let outer = path;
        let path = &outer.key(kind);
        match kind {
            "match" => self.compare(inside, path),
            "accept" | "drop" | "return" | "continue" | "jump" | "goto" => {
                let decision = self.verdict(value, outer)?;
                self.decided = decision != Decision::Continue;
                self.ops.push(Op::Decide(decision));
                Ok(())
            }
            "vmap" => self.vmap(inside, path),
            "counter" | "limit" | "quota" => self.stating(kind, inside, path),
            "mangle" => self.mangle(inside, path),
            "snat" | "dnat" | "masquerade" | "redirect" => self.nat(kind, inside, path),
            "reject" => self.reject(inside, path),
            "log" => self.log(inside, path),
            "queue" => self.queue(inside, path),
            "set" | "map" => self.update(kind, inside, path),
            "meter" => self.meter(inside, path),
            "notrack" => {
                self.demand(path, "notrack", super::build::hooks::NETWORK, None);
                self.ops.push(Op::NoTrack);
                Ok(())
            }
            "ct helper" => {
                let name = inside.as_str().unwrap_or_default();
                let object = self.object("ct helper", name, path)?;
                self.ops.push(Op::Object(object));
                Ok(())
            }
            "ct count" => self.conns(inside, path),
            "dup" => self.dup(inside, path),
            "flow" => self.flow(inside, path),
            "synproxy" => self.synproxy(inside, path),
            other => {
                let hint = match other {
                    "fwd" => "frames go where routes lead; write a route",
                    "tproxy" => "a router has no sockets that packets are for",
                    "ct timeout" => "set the sysctls net.netfilter.nf_conntrack_*_timeout",
                    "ct expectation" => "connections are announced by helpers: write ct helper",
                    "xt" => "write the rule in nft's own words, or load it by iptables-restore",
                    "last" => "write counter",
                    "secmark" => "there is no SELinux here",
                    _ => {
                        "what may stand here: match, counter, limit, quota, mangle, set, map, meter, \
                         vmap, log, reject, snat, dnat, masquerade, redirect, queue, notrack, dup, flow, \
                         ct helper, ct count, synproxy, accept, drop, return, continue, jump, goto"
                    }
                };
                Err(Error::new(path, format!("{other} is not supported"), hint))
            }
        }
    }

    /// `match`
    fn compare(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        no_others(inside, &["op", "left", "right"], path)?;
        let missing = |key: &str| {
            Error::new(&path.key(key), "this is missing", "a match has op, left and right")
        };
        let left = inside.get("left").ok_or_else(|| missing("left"))?;
        let right = inside.get("right").ok_or_else(|| missing("right"))?;
        let op = text(inside, "op", path)?;
        let how = match op {
            "==" | "in" => Cmp::Equal,
            "!=" => Cmp::NotEqual,
            "<" => Cmp::Less,
            "<=" => Cmp::AtMost,
            ">" => Cmp::Greater,
            ">=" => Cmp::AtLeast,
            "!" => Cmp::NotEqual,
            other => {
                let what = format!("the operator {other:?} is not supported");
                let hint = "what may stand here: ==, !=, <, <=, >, >=, in, !";
                return Err(Error::new(&path.key("op"), what, hint));
            }
        };
        let own = self.expr(left, &path.key("left"))?;
        let path = &path.key("right");
        let not = how == Cmp::NotEqual;
        if right.as_str().is_some_and(|name| name.starts_with('@'))
            || matches!(only(right), Some(("set", _)))
        {
            if !matches!(how, Cmp::Equal | Cmp::NotEqual) {
                let what = "a value is in a set, or it is not";
                return Err(Error::new(path, what, "write == or !="));
            }
            let named = match right.as_str() {
                Some(name) => self.set(name, path)?.clone(),
                None => self.anonymous(&own.types, Says::Nothing, right, path)?,
            };
            self.fits(&own, &named, path)?;
            self.ops.push(Op::Lookup(named.set, own.at, not));
            return Ok(());
        }
        if !Self::is_constant(right) {
            let what = "two values of a packet cannot be compared";
            return Err(Error::new(path, what, "compare each with a value"));
        }
        self.learn(left, right, how);
        let (from, to) = self.ends(right, &own.types, path)?;
        let flags = own.types.len() == 1 && own.types[0].is_flags();
        if flags && matches!(op, "in" | "!") {
            // Any of these bits.
            let (and, xor) = (from.clone().into(), vec![0; from.len()].into());
            self.ops.push(Op::Bits { at: own.at, and, xor });
            let none = vec![0; from.len()].into();
            let how = if op == "in" { Cmp::NotEqual } else { Cmp::Equal };
            self.ops.push(Op::Compare(own.at, how, none));
            return Ok(());
        }
        if from == to {
            self.ops.push(Op::Compare(own.at, how, from.into()));
            return Ok(());
        }
        if own.types.len() > 1 {
            let what = "a range stands in a concatenation";
            return Err(Error::new(path, what, "write {\"set\": [...]} around it"));
        }
        match how {
            Cmp::Equal | Cmp::NotEqual => {
                self.ops.push(Op::Range(own.at, not, from.into(), to.into()));
                Ok(())
            }
            _ => Err(Error::new(path, "a range has no order", "write == or !=")),
        }
    }

    /// What a comparison tells of the packets behind it.
    fn learn(&mut self, left: &Value, right: &Value, how: Cmp) {
        if how != Cmp::Equal {
            return;
        }
        let key = |kind: &str| left.get(kind).and_then(|inside| inside.get("key")?.as_str());
        let field = |header: &str| {
            let inside = left.get("payload")?;
            let of = inside.get("protocol")?.as_str()?;
            (of == header).then(|| inside.get("field")?.as_str()).flatten()
        };
        let read = |kind: Kind, bits: u32| {
            let bytes = Type::new(kind, bits).read(right, &Path::Root, self.near).ok()?;
            Some(bytes.iter().fold(0_u16, |all, byte| all << 8 | u16::from(*byte)))
        };
        let transport = key("meta") == Some("l4proto") || field("ip") == Some("protocol");
        if transport && self.transport.is_none() {
            self.transport = read(Kind::Protocol, 8).map(|protocol| protocol as u8);
        }
        if key("meta") == Some("nfproto") && self.network.is_none() {
            self.network = match read(Kind::NfProto, 8) {
                Some(2) => Some(0x0800),
                Some(10) => Some(0x86dd),
                _ => None,
            };
        }
        let link = key("meta") == Some("protocol") || field("ether") == Some("type");
        if link && self.network.is_none() {
            let known = read(Kind::EtherType, 16);
            self.network = known.filter(|known| matches!(known, 0x0800 | 0x86dd | 0x0806));
        }
    }

    fn vmap(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        no_others(inside, &["key", "data"], path)?;
        let missing =
            |key: &str| Error::new(&path.key(key), "this is missing", "a vmap has key and data");
        let key = inside.get("key").ok_or_else(|| missing("key"))?;
        let data = inside.get("data").ok_or_else(|| missing("data"))?;
        let own = self.expr(key, &path.key("key"))?;
        let path = path.key("data");
        let named = match data.as_str() {
            Some(name) => {
                let named = self.set(name, &path)?.clone();
                // Chains that its elements call are called from here.
                let bare = name.strip_prefix('@').unwrap_or(name);
                for chain in self.members.calls_of(bare) {
                    self.calls.push((chain, path.to_string()));
                }
                named
            }
            None => self.anonymous(&own.types, Says::Verdict, data, &path)?,
        };
        if named.says != Says::Verdict {
            let what = "the map says no verdicts";
            return Err(Error::new(&path, what, "declare it with \"map\": \"verdict\""));
        }
        self.fits(&own, &named, &path)?;
        self.ops.push(Op::Vmap(named.set, own.at));
        Ok(())
    }

    /// `counter`, `limit`, `quota`: its own, one with a name, or one that a map says.
    fn stating(&mut self, kind: &str, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        if let Some(name) = inside.as_str() {
            let object = self.object(kind, name, path)?;
            self.ops.push(Op::Object(object));
            return Ok(());
        }
        if let Some(("map", map)) = only(inside) {
            let path = path.key("map");
            no_others(map, &["key", "data"], &path)?;
            let key = map.get("key").unwrap_or(&Value::Null);
            let own = self.expr(key, &path.key("key"))?;
            let path = path.key("data");
            let says = Says::Object(kind.to_owned());
            let named = match map.get("data") {
                Some(Value::String(name)) => self.set(name, &path)?.clone(),
                data => {
                    let data = data.unwrap_or(&Value::Null);
                    self.anonymous(&own.types, says.clone(), data, &path)?
                }
            };
            if named.says != says {
                let what = format!("the map leads to no {kind}");
                return Err(Error::new(&path, what, format!("declare it with \"map\": {kind:?}")));
            }
            self.fits(&own, &named, &path)?;
            self.ops.push(Op::Objects(named.set, own.at));
            return Ok(());
        }
        let (state, over) = self.stateful(kind, inside, path)?;
        self.ops.push(match state {
            State::Count(count) => Op::Count(count),
            State::Limit(limit) => Op::Limit(limit, over),
            State::Quota(quota) => Op::Quota(quota, over),
            State::Number(_) | State::Table(_) | State::Conns(_) => return Ok(()),
        });
        Ok(())
    }

    /// What a statement remembers; whether what is over goes on.
    pub(super) fn stateful(
        &mut self,
        kind: &str,
        value: &Value,
        path: &Path<'_>,
    ) -> Result<(State, bool), Error> {
        match kind {
            "counter" => {
                let (packets, bytes) = counted(value, path)?;
                let workers = self.workers;
                let begin = || State::Count(Arc::new(Count::new(workers, packets, bytes)));
                Ok((self.state(path, begin), false))
            }
            "limit" => {
                let (rate, over) = rate(value, path)?;
                Ok((self.state(path, || State::Limit(Arc::new(Limit::new(rate)))), over))
            }
            _ => {
                let (most, used, over) = quota(value, path)?;
                Ok((self.state(path, || State::Quota(Arc::new(Quota::new(most, used)))), over))
            }
        }
    }

    /// An object by its kind and name.
    fn object(&self, kind: &str, name: &str, path: &Path<'_>) -> Result<Object, Error> {
        let found = self.members.objects.get(&(kind.to_owned(), name.to_owned()));
        found.cloned().ok_or_else(|| {
            let what = format!("No such file or directory: {kind} {name:?}");
            Error::new(path, what, "declare it in the same table, before it is named")
        })
    }
}
