//! Statements: what a rule asks and does.
//!
//! - takes: JSON statements of libnftables-json(5)
//! - gives: steps; what the chain must be for them to stand in it
//! - obeys: libnftables-json(5), "STATEMENTS"

use std::sync::Arc;

use serde_json::Value;

use super::{
    build::{Build, Named, Says, Typed, only, raw},
    error::{Error, Path},
    expr::{flags, no_others, number, text},
    set::bare,
    types::{Kind, Type},
};
use crate::netfilter::{
    nft::{
        Cmp, Conns, Count, Decision, Elements, Limit, Object, Op, Quota, Rate, Set, SetUpdate,
        State, Store, Table,
    },
    rule::{self, Hook},
};

const SECOND: u64 = 1_000_000_000;

/// Elements that a meter or a set has room for where nothing is said.
pub(super) const ROOM: u32 = 65_535;

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

    /// `ct count`
    fn conns(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        no_others(inside, &["val", "inv"], path)?;
        let most = number(inside, "val", None, path)?;
        let Ok(value) = u32::try_from(most) else {
            let what = "Numerical result out of range";
            return Err(Error::new(&path.key("val"), what, "write a smaller number"));
        };
        let not = inside.get("inv").and_then(Value::as_bool).unwrap_or(false);
        let workers = self.workers;
        let State::Conns(conns) = self.state(path, || State::Conns(Arc::new(Conns::new(workers))))
        else {
            return Ok(());
        };
        self.program.conns.push(conns.clone());
        self.ops.push(Op::Conns(conns, rule::Is { not, value }));
        Ok(())
    }

    /// An object by its kind and name.
    fn object(&self, kind: &str, name: &str, path: &Path<'_>) -> Result<Object, Error> {
        let found = self.members.objects.get(&(kind.to_owned(), name.to_owned()));
        found.cloned().ok_or_else(|| {
            let what = format!("No such file or directory: {kind} {name:?}");
            Error::new(path, what, "declare it in the same table, before it is named")
        })
    }

    /// `mangle`
    fn mangle(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        no_others(inside, &["key", "value"], path)?;
        let key = inside.get("key").unwrap_or(&Value::Null);
        let value = inside.get("value").unwrap_or(&Value::Null);
        let outer = path;
        let path = &outer.key("key");
        let Some((kind, what)) = only(key) else {
            let hint = "what may stand here: payload, meta, ct, tcp option";
            return Err(Error::new(path, "this cannot be written to", hint));
        };
        let path = &path.key(kind);
        let unable = |name: &str, hint: &str| {
            Err(Error::new(path, format!("{kind} {name} cannot be set"), hint))
        };
        let (store, of) = match kind {
            "meta" => match text(what, "key", path)? {
                "mark" => (Store::Mark, Type::new(Kind::Mark, 32)),
                "priority" => (Store::Priority, Type::new(Kind::Class, 32)),
                "nftrace" => return unable("nftrace", "packets are traced by `wagonway trace`"),
                other => return unable(other, "what can be set: mark, priority"),
            },
            "ct" => match text(what, "key", path)? {
                "mark" => (Store::ConnMark, Type::new(Kind::Mark, 32)),
                "label" => (Store::ConnLabel, Type::new(Kind::CtLabel, 128)),
                "zone" => return self.zone(what, value, outer),
                other => return unable(other, "what can be set: mark, label, zone"),
            },
            "payload" => {
                if what.get("base").is_some() {
                    return unable("by place", "name the field, so that checksums can be mended");
                }
                let field = self.field(what, path)?;
                self.need_types(field.types, path)?;
                if matches!(field.base, crate::netfilter::nft::Base::Link) {
                    return unable(
                        "ether",
                        "headers of the link layer are written as packets leave",
                    );
                }
                if matches!(self.transport, Some(132))
                    && field.sums.own.is_none()
                    && field.base == crate::netfilter::nft::Base::Transport
                {
                    return unable("sctp", "its checksum cannot be mended");
                }
                let (base, bit, bits, sums) = (field.base, field.bit, field.of.bits, field.sums);
                (Store::Payload { base, bit, bits, sums }, field.of)
            }
            "tcp option" => {
                no_others(what, &["name", "field"], path)?;
                if text(what, "name", path)? != "maxseg" || text(what, "field", path)? != "size" {
                    return unable("of this kind", "what can be set: maxseg size");
                }
                (Store::TcpOption(2, 2, 2), raw(16))
            }
            other => return unable(other, "what can be set: payload, meta, ct, tcp option"),
        };
        if !matches!(store, Store::Payload { .. } | Store::TcpOption(..)) {
            // What is noted of a packet begins behind ingress.
            self.demand(path, "what is noted of a packet", super::build::hooks::NETWORK, None);
        }
        let own = self.value(value, &[of], &outer.key("value"))?;
        let own = self.widened(own, store.len(), &outer.key("value"))?;
        self.ops.push(Op::Store(store, own.at));
        Ok(())
    }

    /// A value in so many bytes.
    fn widened(&mut self, own: Typed, len: usize, path: &Path<'_>) -> Result<Typed, Error> {
        let has = own.len();
        if has == len {
            return Ok(own);
        }
        if has > len {
            let what = "datatype mismatch: the value is too large for where it is to go";
            return Err(Error::new(path, what, "read a smaller field"));
        }
        let at = self.room(len, path)?;
        self.ops.push(Op::Value(vec![0; len].into(), at));
        let to = at + (len - has) as u8;
        let how = crate::netfilter::nft::Join::Or;
        self.ops.push(Op::Join { at: to, with: own.at, len: has as u8, how });
        Ok(Typed { at, types: vec![raw(len as u32 * 8)] })
    }

    /// `ct zone set`
    fn zone(&mut self, what: &Value, value: &Value, path: &Path<'_>) -> Result<(), Error> {
        let Some(id) = value.as_u64().and_then(|id| u16::try_from(id).ok()) else {
            let what = "the zone is no number";
            return Err(Error::new(&path.key("value"), what, "write a number from 0 to 65535"));
        };
        let zone = match what.get("dir").and_then(Value::as_str) {
            None => rule::CtZone::Both(id),
            Some("original") => rule::CtZone::Original(id),
            Some("reply") => rule::CtZone::Reply(id),
            Some(_) => {
                let what = "a connection has no such direction";
                return Err(Error::new(&path.key("key"), what, "write original or reply"));
            }
        };
        let ct = rule::Ct { zone: Some(zone), ..rule::Ct::default() };
        let have = self.program.templates.iter().position(|have| *have == ct);
        let number = have.unwrap_or_else(|| {
            self.program.templates.push(ct);
            self.program.templates.len() - 1
        });
        if number > 100 {
            let what = "there are too many zones";
            return Err(Error::new(path, what, "use up to 100 zones in all rules"));
        }
        self.demand(path, "ct zone set", super::build::hooks::NETWORK, None);
        if let Some(demand) = self.demands.last_mut() {
            demand.early = true;
        }
        self.ops.push(Op::Template(number as u16));
        Ok(())
    }

    fn reject(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        use super::{build::hooks, names};
        if !inside.is_null() {
            no_others(inside, &["type", "expr"], path)?;
        }
        let default = match self.network {
            Some(0x0800) => "icmp",
            Some(0x86dd) => "icmpv6",
            _ => "icmpx",
        };
        let kind = inside.get("type").map_or(Ok(default), |_| text(inside, "type", path))?;
        let code = |names: names::Names, otherwise: u64| match inside.get("expr") {
            None => Ok(otherwise as u8),
            Some(Value::Number(number)) if number.as_u64().is_some_and(|code| code < 16) => {
                Ok(number.as_u64().unwrap_or(0) as u8)
            }
            Some(word) => {
                let found = names.iter().find(|(name, _)| word.as_str() == Some(name));
                found.map(|(_, code)| *code as u8).ok_or_else(|| {
                    let words: Vec<_> = names.iter().map(|(name, _)| *name).collect();
                    let hint = format!("what may stand here: {}", words.join(", "));
                    Error::new(&path.key("expr"), format!("no code {word}"), hint)
                })
            }
        };
        let (four, six) = match kind {
            "icmp" => {
                self.need_network(0x0800, path)?;
                let code = code(names::ICMP_CODES, 3)?;
                (rule::Reject::Icmp(code), rule::Reject::Icmp6(4))
            }
            "icmpv6" => {
                self.need_network(0x86dd, path)?;
                let code = code(names::ICMP6_CODES, 4)?;
                (rule::Reject::Icmp(3), rule::Reject::Icmp6(code))
            }
            "icmpx" => {
                let both = [(0, 0), (3, 4), (1, 3), (13, 1)];
                let code = usize::from(code(names::ICMPX_CODES, 1)?);
                let Some((four, six)) = both.get(code) else {
                    let what = format!("no code {code}");
                    return Err(Error::new(&path.key("expr"), what, "write a number from 0 to 3"));
                };
                (rule::Reject::Icmp(*four), rule::Reject::Icmp6(*six))
            }
            "tcp reset" => {
                self.need_transport(6, path)?;
                (rule::Reject::TcpReset, rule::Reject::TcpReset)
            }
            other => {
                let what = format!("reject with {other} is not supported");
                let hint = "what may stand here: icmp, icmpv6, icmpx, tcp reset";
                return Err(Error::new(&path.key("type"), what, hint));
            }
        };
        let at = [Hook::PreRouting, Hook::LocalIn, Hook::Forward, Hook::LocalOut];
        let at = at.into_iter().fold(0, |bits, hook| bits | hooks::bit(hook));
        self.demand(path, "reject", at, None);
        self.ops.push(Op::Reject(four, six));
        self.decided = true;
        Ok(())
    }

    fn log(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        const LEVELS: [&str; 8] =
            ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];
        let known = ["prefix", "group", "snaplen", "queue-threshold", "level", "flags"];
        if !inside.is_null() {
            no_others(inside, &known, path)?;
        }
        let prefix = inside.get("prefix").map_or(Ok(""), |_| text(inside, "prefix", path))?;
        if prefix.len() > 127 {
            let what = "the prefix is too long";
            return Err(Error::new(&path.key("prefix"), what, "write up to 127 letters"));
        }
        let prefix = prefix.to_owned();
        let all = ["tcp sequence", "tcp options", "ip options", "skuid", "ether", "all"];
        let flags = flags(inside, &all, path)?;
        let small = |key: &str, most: u64| {
            let value = number(inside, key, Some(0), path)?;
            let what = || {
                let hint = format!("write a number from 0 to {most}");
                Error::new(&path.key(key), "the number is too large", hint)
            };
            (value <= most).then_some(value).ok_or_else(what)
        };
        if inside.get("group").is_some() {
            let size = inside.get("snaplen").is_some();
            let size = size.then(|| small("snaplen", u32::MAX.into())).transpose()?;
            self.ops.push(Op::Nflog(Box::new(rule::Nflog {
                group: small("group", 0xffff)? as u16,
                prefix,
                range: 0,
                size: size.map(|size| size as u32),
                threshold: small("queue-threshold", 0xffff)? as u16,
            })));
            return Ok(());
        }
        let level = match inside.get("level").map(|_| text(inside, "level", path)).transpose()? {
            None => 4,
            Some("audit") => {
                self.ops.push(Op::Audit);
                return Ok(());
            }
            Some(word) => LEVELS.iter().position(|level| *level == word).ok_or_else(|| {
                let hint = format!("what may stand here: {}, audit", LEVELS.join(", "));
                Error::new(&path.key("level"), format!("no level {word:?}"), hint)
            })?,
        };
        let has = |flag: &str| flags.contains(&flag) || flags.contains(&"all");
        self.ops.push(Op::Log(Box::new(rule::Log {
            level: level as u8,
            prefix,
            tcp_sequence: has("tcp sequence"),
            tcp_options: has("tcp options"),
            ip_options: has("ip options"),
            uid: has("skuid"),
            mac_decode: has("ether"),
        })));
        Ok(())
    }

    fn queue(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        if !inside.is_null() {
            no_others(inside, &["num", "flags"], path)?;
        }
        let all = [Type::new(Kind::Integer, 16)];
        let none = Value::from(0);
        let num = inside.get("num").unwrap_or(&none);
        if !Self::is_constant(num) {
            let what = "the queue is no number";
            return Err(Error::new(&path.key("num"), what, "write a number, or a range of some"));
        }
        let (first, last) = self.ends(num, &all, &path.key("num"))?;
        let number =
            |bytes: &[u8]| bytes.iter().fold(0_u16, |all, byte| all << 8 | u16::from(*byte));
        self.demand(path, "queue", super::build::hooks::NETWORK, None);
        let flags = flags(inside, &["bypass", "fanout"], path)?;
        self.ops.push(Op::Queue(rule::Nfqueue {
            queues: rule::Span { first: number(&first), last: number(&last) },
            bypass: flags.contains(&"bypass"),
            cpu_fanout: flags.contains(&"fanout"),
        }));
        self.decided = true;
        Ok(())
    }

    /// `set` and `map`: changes of a set.
    fn update(&mut self, kind: &str, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        no_others(inside, &["op", "elem", "data", "set", "map", "stmt"], path)?;
        let how = match text(inside, "op", path)? {
            "add" => SetUpdate::Add,
            "update" => SetUpdate::Update,
            "delete" => SetUpdate::Delete,
            other => {
                let what = format!("the change {other:?} is not supported");
                return Err(Error::new(&path.key("op"), what, "write add, update or delete"));
            }
        };
        let named = self.set(text(inside, kind, path)?, &path.key(kind))?.clone();
        let elem = inside.get("elem").unwrap_or(&Value::Null);
        let own = self.expr(bare(elem), &path.key("elem"))?;
        self.fits(&own, &named, &path.key("elem"))?;
        let Elements::Live(table) = &named.set.elements else {
            let what = "Operation not supported: packets cannot change this set";
            let hint = "declare it with the flag dynamic, and without the flag interval";
            return Err(Error::new(&path.key(kind), what, hint));
        };
        let timeout = match elem.get("elem").and_then(|elem| elem.get("timeout")) {
            None => named.timeout,
            Some(_) => {
                let elem = elem.get("elem").unwrap_or(&Value::Null);
                number(elem, "timeout", None, &path.key("elem").key("elem"))?.saturating_mul(SECOND)
            }
        };
        let data = match (&named.says, inside.get("data")) {
            (Says::Nothing, None) => 0,
            (Says::Values(types), Some(data)) => {
                let types = types.clone();
                let len = types.iter().map(|of| of.len()).sum();
                let data = self.value(data, &types, &path.key("data"))?;
                self.widened(data, len, &path.key("data"))?.at
            }
            _ if how == SetUpdate::Delete => 0,
            _ => {
                let what = "the element says nothing, or the set says other things";
                return Err(Error::new(&path.key("data"), what, "give values to maps alone"));
            }
        };
        let asks = !table.stated.is_empty();
        let (set, at) = (named.set.clone(), own.at);
        self.ops.push(Op::Update { set, how, at, data, timeout, asks });
        Ok(())
    }

    /// `meter`: a set without a declaration, each of whose elements limits.
    fn meter(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        no_others(inside, &["name", "key", "stmt", "size"], path)?;
        let key = inside.get("key").unwrap_or(&Value::Null);
        let own = self.expr(bare(key), &path.key("key"))?;
        let statement = inside.get("stmt").unwrap_or(&Value::Null);
        let stated = stated(std::slice::from_ref(statement), &path.key("stmt"))?;
        let size = number(inside, "size", Some(u64::from(ROOM)), path)?;
        let size = u32::try_from(size).unwrap_or(u32::MAX).clamp(1, 1 << 20);
        let elem = key.get("elem").filter(|elem| elem.get("timeout").is_some());
        let timeout = elem.map_or(Ok(0), |elem| number(elem, "timeout", None, &path.key("key")))?;
        let key_len = own.len();
        let begin = || State::Table(Arc::new(Table::new(key_len, 0, size, stated)));
        let State::Table(table) = self.state(path, begin) else { return Ok(()) };
        let fields = own.types.iter().map(|of| of.len() as u8).collect();
        let set = Set { key_len, fields, elements: Elements::Live(table), otherwise: None };
        self.ops.push(Op::Update {
            set: Arc::new(set),
            how: if timeout == 0 { SetUpdate::Add } else { SetUpdate::Update },
            at: own.at,
            data: 0,
            timeout: timeout.saturating_mul(SECOND),
            asks: true,
        });
        Ok(())
    }

    fn dup(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        no_others(inside, &["addr", "dev"], path)?;
        let of = match self.family.six() {
            Some(false) => Type::new(Kind::Ip4, 32),
            Some(true) => Type::new(Kind::Ip6, 128),
            None => {
                let what = "dup stands in a table of family ip or ip6";
                return Err(Error::new(path, what, "move the rule to a table of its family"));
            }
        };
        let gateway = inside.get("addr").unwrap_or(&Value::Null);
        if !Self::is_constant(gateway) {
            let what = "the neighbour is no address";
            return Err(Error::new(&path.key("addr"), what, "write one address"));
        }
        let bytes = self.constant(gateway, &[of], &path.key("addr"))?;
        let gateway = match (bytes.first_chunk::<16>(), bytes.first_chunk::<4>()) {
            (Some(six), _) => (*six).into(),
            (None, four) => std::net::IpAddr::from(*four.unwrap_or(&[0; 4])),
        };
        let device = inside.get("dev").map(|device| {
            let index = Type::new(Kind::IfIndex, 32);
            let bytes = index.read(device, &path.key("dev"), self.near)?;
            Ok(bytes.iter().fold(0_u16, |all, byte| all << 8 | u16::from(*byte)))
        });
        self.demand(path, "dup", super::build::hooks::NETWORK, None);
        self.program.gateways.push(gateway);
        self.ops.push(Op::Dup(gateway, device.transpose()?));
        Ok(())
    }

    /// `flow add`: a hint, as every flow takes the shortest way that it can.
    fn flow(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        no_others(inside, &["op", "flowtable"], path)?;
        let name = text(inside, "flowtable", path)?;
        let bare = name.strip_prefix('@').unwrap_or(name);
        if text(inside, "op", path)? != "add" {
            return Err(Error::new(&path.key("op"), "flows are added alone", "write add"));
        }
        if !self.members.flowtables.iter().any(|known| known == bare) {
            let what = format!("No such file or directory: flowtable {bare:?}");
            return Err(Error::new(&path.key("flowtable"), what, "declare it in the same table"));
        }
        self.demand(path, "flow add", super::build::hooks::bit(Hook::Forward), None);
        Ok(())
    }

    fn synproxy(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        use super::build::hooks;
        if !inside.is_null() {
            no_others(inside, &["mss", "wscale", "flags"], path)?;
        }
        let flags = flags(inside, &["timestamp", "sack-perm"], path)?;
        let small = |key: &str, most: u64| match inside.get(key) {
            None => Ok(None),
            Some(_) => {
                let value = number(inside, key, None, path)?;
                let what = || {
                    let hint = format!("write a number from 0 to {most}");
                    Error::new(&path.key(key), "the number is too large", hint)
                };
                (value <= most).then_some(Some(value)).ok_or_else(what)
            }
        };
        self.need_transport(6, path)?;
        let at = hooks::bit(Hook::LocalIn) | hooks::bit(Hook::Forward);
        self.demand(path, "synproxy", at, None);
        self.ops.push(Op::Synproxy(rule::Synproxy {
            mss: small("mss", 0xffff)?.map(|mss| mss as u16),
            window_scale: small("wscale", 14)?.map(|scale| scale as u8),
            sack: flags.contains(&"sack-perm"),
            timestamp: flags.contains(&"timestamp"),
            ecn: false,
            lax: true,
        }));
        Ok(())
    }
}

/// Packets and bytes that a counter begins with.
pub(super) fn counted(value: &Value, path: &Path<'_>) -> Result<(u64, u64), Error> {
    if value.is_null() {
        return Ok((0, 0));
    }
    no_others(value, &["packets", "bytes"], path)?;
    let of = |key| number(value, key, Some(0), path);
    Ok((of("packets")?, of("bytes")?))
}

/// Bytes of a unit.
fn unit(value: &Value, key: &str, path: &Path<'_>) -> Result<Option<u64>, Error> {
    let Some(unit) = value.get(key) else { return Ok(None) };
    Ok(match unit.as_str() {
        Some("packets") => None,
        Some("bytes") => Some(1),
        Some("kbytes") => Some(1 << 10),
        Some("mbytes") => Some(1 << 20),
        _ => {
            let what = format!("no unit {unit}");
            let hint = "what may stand here: packets, bytes, kbytes, mbytes";
            return Err(Error::new(&path.key(key), what, hint));
        }
    })
}

/// How fast a limit fills; whether what is over goes on.
pub(super) fn rate(value: &Value, path: &Path<'_>) -> Result<(Rate, bool), Error> {
    no_others(value, &["rate", "per", "burst", "rate_unit", "burst_unit", "inv"], path)?;
    let period = match value.get("per").map(|_| text(value, "per", path)).transpose()? {
        None | Some("second") => 1,
        Some("minute") => 60,
        Some("hour") => 3600,
        Some("day") => 86_400,
        Some("week") => 604_800,
        Some(other) => {
            let what = format!("no period {other:?}");
            let hint = "what may stand here: second, minute, hour, day, week";
            return Err(Error::new(&path.key("per"), what, hint));
        }
    };
    let scale = unit(value, "rate_unit", path)?;
    let rate = number(value, "rate", None, path)?;
    let burst = number(value, "burst", Some(if scale.is_some() { 0 } else { 5 }), path)?;
    let burst = match scale.is_some() {
        true => burst.checked_mul(unit(value, "burst_unit", path)?.unwrap_or(1)),
        // A limit of packets has a burst.
        false => Some(if burst == 0 { 5 } else { burst }),
    };
    let rate = rate.checked_mul(scale.unwrap_or(1)).filter(|rate| *rate > 0);
    let (Some(rate), Some(burst)) = (rate, burst.filter(|burst| *burst < 1 << 40)) else {
        let what = "Numerical result out of range";
        return Err(Error::new(path, what, "write a rate above 0 and a smaller burst"));
    };
    let over = value.get("inv").and_then(Value::as_bool).unwrap_or(false);
    Ok((Rate { rate, period: period * SECOND, burst, bytes: scale.is_some() }, over))
}

/// Bytes that a quota has, and that are used; whether what is over goes on.
pub(super) fn quota(value: &Value, path: &Path<'_>) -> Result<(u64, u64, bool), Error> {
    no_others(value, &["val", "val_unit", "used", "used_unit", "inv", "bytes"], path)?;
    let of = |key: &str, unit_key: &str, otherwise| {
        let scale = unit(value, unit_key, path)?.unwrap_or(1);
        let bytes = number(value, key, otherwise, path)?.checked_mul(scale);
        bytes.ok_or_else(|| {
            let what = "Numerical result out of range";
            Error::new(&path.key(key), what, "write fewer bytes")
        })
    };
    let most = if value.get("bytes").is_some() { "bytes" } else { "val" };
    let over = value.get("inv").and_then(Value::as_bool).unwrap_or(false);
    Ok((of(most, "val_unit", None)?, of("used", "used_unit", Some(0))?, over))
}

/// What each element of a set remembers.
pub(super) fn stated(
    statements: &[Value],
    path: &Path<'_>,
) -> Result<Vec<crate::netfilter::nft::Stated>, Error> {
    use crate::netfilter::nft::{STATES, Stated};
    if statements.len() > STATES {
        let what = "elements have too many statements";
        return Err(Error::new(path, what, format!("write up to {STATES}")));
    }
    let one = |statement: &Value| match only(statement) {
        Some(("counter", inside)) => {
            counted(inside, &path.key("counter"))?;
            Ok(Stated::Count)
        }
        Some(("limit", inside)) => {
            let (rate, over) = rate(inside, &path.key("limit"))?;
            Ok(Stated::Limit(rate, over))
        }
        Some(("quota", inside)) => {
            let (most, _, over) = quota(inside, &path.key("quota"))?;
            Ok(Stated::Quota(most, over))
        }
        _ => {
            let what = format!("{statement} is not supported in elements");
            Err(Error::new(path, what, "what may stand here: counter, limit, quota"))
        }
    };
    statements.iter().map(one).collect()
}

/// What a set leads to is not needed of this name beyond its table.
impl Named {
    /// Bytes of what its elements say.
    pub(super) fn data_len(&self) -> usize {
        match &self.says {
            Says::Values(types) => types.iter().map(|of| of.len()).sum(),
            _ => 0,
        }
    }
}
