//! Expressions: what a rule reads.
//!
//! - takes: JSON expressions of libnftables-json(5)
//! - gives: steps that leave the value in the scratch, and its types
//! - obeys: libnftables-json(5), "EXPRESSIONS"

use std::{collections::hash_map::RandomState, hash::BuildHasher, sync::atomic::Ordering::Relaxed};

use serde_json::Value;

use super::{
    build::{Build, Says, Typed, only, raw},
    error::{Error, Path},
    fields::{self, Need},
    names,
    types::{Kind, Type},
};
use crate::netfilter::nft::{
    Base, ConnKey, FibResult, Join, Load, MetaKey, Op, RtKey, State, WIDEST,
};

/// A member of an object as a text.
pub(super) fn text<'v>(map: &'v Value, key: &str, path: &Path<'_>) -> Result<&'v str, Error> {
    map.get(key).and_then(Value::as_str).ok_or_else(|| {
        Error::new(&path.key(key), "a text is missing here", format!("add {key:?} with its value"))
    })
}

/// A member of an object as a number, or what it is where it is not there.
pub(super) fn number(
    map: &Value,
    key: &str,
    otherwise: Option<u64>,
    path: &Path<'_>,
) -> Result<u64, Error> {
    let wrong = || {
        Error::new(&path.key(key), "a number is missing here", format!("add {key:?} with a number"))
    };
    match map.get(key) {
        None => otherwise.ok_or_else(wrong),
        Some(value) => value.as_u64().ok_or_else(wrong),
    }
}

/// Refuses members of an object beside those that are known.
pub(super) fn no_others(map: &Value, known: &[&str], path: &Path<'_>) -> Result<(), Error> {
    let Some(all) = map.as_object() else {
        return Err(Error::new(path, "an object is missing here", known.join(", ")));
    };
    match all.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Error::new(
            &path.key(key),
            format!("{key:?} is not supported here"),
            format!("what may stand here: {}", known.join(", ")),
        )),
    }
}

/// Flags, one or several.
pub(super) fn flags<'v>(
    map: &'v Value,
    known: &[&str],
    path: &Path<'_>,
) -> Result<Vec<&'v str>, Error> {
    let path = path.key("flags");
    let all: Vec<&Value> = match map.get("flags") {
        None => Vec::new(),
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
    };
    all.into_iter()
        .map(|flag| {
            flag.as_str().filter(|flag| known.contains(flag)).ok_or_else(|| {
                Error::new(
                    &path,
                    format!("the flag {flag} is not supported here"),
                    format!("what may stand here: {}", known.join(", ")),
                )
            })
        })
        .collect()
}

/// A number that nobody can foresee.
fn chance() -> u64 {
    RandomState::new().hash_one(0_u8)
}

impl Build<'_> {
    /// Whether an expression is a value that stands in the text, not one that packets have.
    pub(super) fn is_constant(value: &Value) -> bool {
        match value {
            Value::Object(_) => match only(value) {
                Some(("prefix" | "range" | "set", _)) => true,
                Some(("concat" | "|", Value::Array(all))) => all.iter().all(Self::is_constant),
                _ => false,
            },
            _ => true,
        }
    }

    /// Reads an expression into the scratch.
    pub(super) fn expr(&mut self, value: &Value, path: &Path<'_>) -> Result<Typed, Error> {
        let Some((kind, inside)) = only(value) else {
            return Err(Error::new(
                path,
                format!("{value} is no expression that packets have a value of"),
                "write an object as {\"payload\": {...}} or {\"meta\": {...}}",
            ));
        };
        let path = &path.key(kind);
        match kind {
            "concat" => self.concat(inside, path),
            "&" | "|" | "^" | "<<" | ">>" => self.binary(kind, inside, path),
            "map" => self.map(inside, &[], path),
            "jhash" | "symhash" => self.hash(kind, inside, path),
            "socket" | "osf" | "ipsec" | "tunnel" => Err(Error::new(
                path,
                format!("{kind} is not supported"),
                match kind {
                    "socket" => "a router has no sockets that packets are for",
                    _ => "ask by another field",
                },
            )),
            _ => {
                let (load, of) = self.load(kind, inside, path)?;
                let at = self.room(load.len(), path)?;
                self.ops.push(Op::Load(load, at));
                Ok(Typed { at, types: vec![of] })
            }
        }
    }

    /// What a single expression reads.
    fn load(&mut self, kind: &str, inside: &Value, path: &Path<'_>) -> Result<(Load, Type), Error> {
        match kind {
            "payload" => self.payload(inside, path),
            "meta" => {
                no_others(inside, &["key"], path)?;
                self.meta(text(inside, "key", path)?, &path.key("key"))
            }
            "ct" => self.conn(inside, path),
            "fib" => self.fib(inside, path),
            "rt" => {
                no_others(inside, &["key", "family"], path)?;
                match text(inside, "key", path)? {
                    "mtu" => Ok((Load::Route(RtKey::Mtu), raw(16))),
                    "classid" => Ok((Load::Meta(MetaKey::Realm), raw(32))),
                    other => Err(Error::new(
                        &path.key("key"),
                        format!("rt {other} is not supported"),
                        "what may stand here: mtu, classid",
                    )),
                }
            }
            "tcp option" => self.option(inside, path, names::TCP_OPTIONS, Need::Transport(6)),
            "ip option" => self.option(inside, path, names::IP_OPTIONS, Need::Network(0x0800)),
            "exthdr" => self.option(inside, path, names::EXTENSIONS, Need::Network(0x86dd)),
            "numgen" => {
                no_others(inside, &["mode", "mod", "offset"], path)?;
                let count = number(inside, "mod", None, path)?;
                let first = number(inside, "offset", Some(0), path)?;
                let (Ok(count @ 1..), Ok(first)) = (u32::try_from(count), u32::try_from(first))
                else {
                    let what = "Value too large for defined data type";
                    return Err(Error::new(path, what, "write a smaller mod and offset"));
                };
                let load = match text(inside, "mode", path)? {
                    "random" => Load::Any(count, first),
                    "inc" => {
                        let begin = || State::number(u64::from(count) - 1);
                        match self.state(path, begin) {
                            State::Number(last) => Load::Next(last, count, first),
                            _ => Load::Any(count, first),
                        }
                    }
                    other => {
                        let what = format!("numgen {other} is not supported");
                        return Err(Error::new(&path.key("mode"), what, "write inc or random"));
                    }
                };
                Ok((load, Type::new(Kind::Mark, 32)))
            }
            other => Err(Error::new(
                path,
                format!("{other} is not supported"),
                "what may stand here: payload, meta, ct, fib, rt, numgen, jhash, symhash, map, concat, exthdr, \
                 tcp option, ip option, &, |, ^, <<, >>",
            )),
        }
    }

    fn payload(&mut self, inside: &Value, path: &Path<'_>) -> Result<(Load, Type), Error> {
        if inside.get("base").is_some() {
            no_others(inside, &["base", "offset", "len"], path)?;
            let base = match text(inside, "base", path)? {
                "ll" => Base::Link,
                "nh" => Base::Network,
                "th" => Base::Transport,
                "ih" => Base::Inner,
                other => {
                    let what = format!("the base {other:?} is not supported");
                    return Err(Error::new(&path.key("base"), what, "write ll, nh, th or ih"));
                }
            };
            let bit = number(inside, "offset", None, path)?;
            let bits = number(inside, "len", None, path)?;
            let whole = bit % 8 == 0 && bits % 8 == 0;
            if bits == 0 || bits > if whole { 128 } else { 56 } || bit > 0xffff {
                return Err(Error::new(
                    path,
                    format!("{bits} bits from {bit} cannot be read at once"),
                    "read up to 128 bits that begin and end with a byte, or up to 56 others",
                ));
            }
            let (bit, bits) = (bit as u32, bits as u32);
            return Ok((Load::Payload { base, bit, bits }, raw(bits)));
        }
        let field = self.field(inside, path)?;
        self.need_types(field.types, path)?;
        let fields::Field { base, bit, of, .. } = field;
        Ok((Load::Payload { base, bit, bits: of.bits }, of))
    }

    /// A field by its names, of packets that have it.
    pub(super) fn field(
        &mut self,
        inside: &Value,
        path: &Path<'_>,
    ) -> Result<fields::Field, Error> {
        no_others(inside, &["protocol", "field"], path)?;
        let protocol = text(inside, "protocol", path)?;
        let name = text(inside, "field", path)?;
        let Some(found) = fields::field(protocol, name) else {
            let (path, hint) = match fields::header(protocol) {
                None => (
                    path.key("protocol"),
                    "read it by its place: {\"payload\": {\"base\": \"th\", \"offset\": 0, \"len\": 16}}"
                        .to_owned(),
                ),
                Some(names) => {
                    let names: Vec<_> = names.collect();
                    (path.key("field"), format!("what may stand here: {}", names.join(", ")))
                }
            };
            return Err(Error::new(&path, format!("{protocol} {name} is not supported"), hint));
        };
        self.need(found.need, path)?;
        Ok(found)
    }

    fn meta(&mut self, key: &str, path: &Path<'_>) -> Result<(Load, Type), Error> {
        let of = Type::new;
        let (key, of) = match key {
            "length" => (MetaKey::Length, raw(32)),
            "protocol" => (MetaKey::Protocol, of(Kind::EtherType, 16)),
            "nfproto" => (MetaKey::NfProto, of(Kind::NfProto, 8)),
            "l4proto" => (MetaKey::L4Proto, of(Kind::Protocol, 8)),
            "mark" => (MetaKey::Mark, of(Kind::Mark, 32)),
            "priority" => (MetaKey::Priority, of(Kind::Class, 32)),
            "iif" => (MetaKey::Iif, of(Kind::IfIndex, 32)),
            "oif" => (MetaKey::Oif, of(Kind::IfIndex, 32)),
            "iifname" => (MetaKey::IifName, of(Kind::IfName, 128)),
            "oifname" => (MetaKey::OifName, of(Kind::IfName, 128)),
            "iifgroup" => (MetaKey::IifGroup, raw(32)),
            "oifgroup" => (MetaKey::OifGroup, raw(32)),
            "pkttype" => (MetaKey::PacketType, of(Kind::PacketType, 8)),
            "cpu" => (MetaKey::Cpu, raw(32)),
            "random" => (MetaKey::Random, raw(32)),
            "time" => (MetaKey::Time, of(Kind::Time, 64)),
            "day" => (MetaKey::Day, of(Kind::Day, 8)),
            "hour" => (MetaKey::Hour, of(Kind::Hour, 32)),
            "rtclassid" => (MetaKey::Realm, raw(32)),
            "skuid" | "skgid" => (MetaKey::Socket, raw(32)),
            "ipsec" | "secpath" => (MetaKey::Ipsec, of(Kind::Boolean, 8)),
            other => {
                let hint = match other {
                    "nftrace" => "packets are traced by `wagonway trace`",
                    "iiftype" | "oiftype" | "iifkind" | "oifkind" => "ask by iifname or oifname",
                    _ => {
                        "what may stand here: length, protocol, nfproto, l4proto, mark, priority, \
                          iif, oif, iifname, oifname, iifgroup, oifgroup, pkttype, cpu, random, time, \
                          day, hour, rtclassid, skuid, skgid, ipsec"
                    }
                };
                return Err(Error::new(path, format!("meta {other} is not supported"), hint));
            }
        };
        Ok((Load::Meta(key), of))
    }

    fn conn(&mut self, inside: &Value, path: &Path<'_>) -> Result<(Load, Type), Error> {
        no_others(inside, &["key", "dir", "family"], path)?;
        let reply = match inside.get("dir").map(Value::as_str) {
            None => None,
            Some(Some("original")) => Some(false),
            Some(Some("reply")) => Some(true),
            Some(_) => {
                let what = "a connection has no such direction";
                return Err(Error::new(&path.key("dir"), what, "write original or reply"));
            }
        };
        let name = text(inside, "key", path)?;
        let of = Type::new;
        // Addresses are of the family that the key names, or the table is of.
        let family = match (name.split_once(' '), inside.get("family").and_then(Value::as_str)) {
            (Some(("ip6", _)), _) | (_, Some("ip6")) => Some(true),
            (Some(("ip", _)), _) | (_, Some("ip")) => Some(false),
            _ => self.family.six(),
        };
        let bare = name.split_once(' ').map_or(name, |(_, bare)| bare);
        let (key, of) = match bare {
            "state" => (ConnKey::State, of(Kind::CtState, 32)),
            "direction" => (ConnKey::Direction, of(Kind::CtDir, 8)),
            "status" => (ConnKey::Status, of(Kind::CtStatus, 32)),
            "mark" => (ConnKey::Mark, of(Kind::Mark, 32)),
            "expiration" => (ConnKey::Expiration, of(Kind::Seconds, 32)),
            "helper" => (ConnKey::Helper, of(Kind::Text, 128)),
            "label" => (ConnKey::Label, of(Kind::CtLabel, 128)),
            "l3proto" => (ConnKey::L3Proto, of(Kind::NfProto, 8)),
            "protocol" => (ConnKey::Protocol, of(Kind::Protocol, 8)),
            "proto-src" => (ConnKey::ProtoSrc, of(Kind::Service, 16)),
            "proto-dst" => (ConnKey::ProtoDst, of(Kind::Service, 16)),
            "packets" => (ConnKey::Packets, raw(64)),
            "bytes" => (ConnKey::Bytes, raw(64)),
            "avgpkt" => (ConnKey::AvgPkt, raw(64)),
            "zone" => (ConnKey::Zone, raw(16)),
            "saddr" | "daddr" => {
                let key = if bare == "saddr" { ConnKey::Saddr } else { ConnKey::Daddr };
                let of = match family {
                    Some(false) => of(Kind::Ip4, 32),
                    Some(true) => of(Kind::Ip6, 128),
                    None => {
                        let what = "the family of the address is missing";
                        let hint = "write \"ip saddr\" or \"ip6 saddr\"";
                        return Err(Error::new(&path.key("key"), what, hint));
                    }
                };
                (key, of)
            }
            other => {
                return Err(Error::new(
                    &path.key("key"),
                    format!("ct {other} is not supported"),
                    "what may stand here: state, direction, status, mark, expiration, helper, label, \
                     l3proto, protocol, saddr, daddr, proto-src, proto-dst, packets, bytes, avgpkt, zone",
                ));
            }
        };
        if matches!(key, ConnKey::Saddr | ConnKey::Daddr | ConnKey::ProtoSrc | ConnKey::ProtoDst)
            && reply.is_none()
        {
            let what = format!("the direction of ct {bare} is missing");
            return Err(Error::new(path, what, "add \"dir\" with original or reply"));
        }
        Ok((Load::Conn(key, reply, of.len() as u8), of))
    }

    fn fib(&mut self, inside: &Value, path: &Path<'_>) -> Result<(Load, Type), Error> {
        no_others(inside, &["result", "flags"], path)?;
        let flags = flags(inside, &["saddr", "daddr", "mark", "iif", "oif"], path)?;
        let has = |flag| flags.contains(&flag);
        let (source, input, output, mark) = (has("saddr"), has("iif"), has("oif"), has("mark"));
        if source == has("daddr") || input && output {
            let what = "this asks about no address, or about two";
            return Err(Error::new(path, what, "write saddr or daddr, and iif or oif at most"));
        }
        let (result, of) = match text(inside, "result", path)? {
            "type" => (FibResult::Type, Type::new(Kind::FibType, 32)),
            "oif" | "oifname" => (FibResult::Exists, Type::new(Kind::Boolean, 8)),
            other => {
                let what = format!("fib {other} is not supported");
                return Err(Error::new(&path.key("result"), what, "write oif, oifname or type"));
            }
        };
        if result == FibResult::Exists {
            use super::build::hooks;
            use crate::netfilter::rule::Hook;
            let (pre, input_hook) = (hooks::bit(Hook::PreRouting), hooks::bit(Hook::LocalIn));
            self.demand(path, "fib oif", pre | input_hook | hooks::bit(Hook::Forward), None);
        }
        Ok((Load::Fib { result, source, input, output, mark }, of))
    }

    /// A field of an option or an extension header, or whether it is there.
    fn option(
        &mut self,
        inside: &Value,
        path: &Path<'_>,
        known: &[(&str, u8, names::OptionFields)],
        need: Need,
    ) -> Result<(Load, Type), Error> {
        no_others(inside, &["name", "field"], path)?;
        let name = text(inside, "name", path)?;
        let Some((_, kind, fields)) = known.iter().find(|(known, ..)| *known == name) else {
            let names: Vec<_> = known.iter().map(|(name, ..)| *name).collect();
            let what = format!("{name:?} is not supported");
            let hint = format!("what may stand here: {}", names.join(", "));
            return Err(Error::new(&path.key("name"), what, hint));
        };
        // A segment without an option is what a packet of another kind is.
        if !matches!(need, Need::Transport(_)) {
            self.need(need, path)?;
        }
        let Some(field) = inside.get("field") else {
            let load = match need {
                Need::Transport(_) => Load::HasTcpOption(*kind),
                Need::Network(0x0800) => Load::HasIpOption(*kind),
                _ => Load::HasExtension(*kind),
            };
            return Ok((load, Type::new(Kind::Boolean, 8)));
        };
        let found = fields.iter().find(|(known, ..)| field.as_str() == Some(known));
        let Some((field, bit, bits)) = found else {
            let names: Vec<_> = fields.iter().map(|(name, ..)| *name).collect();
            let hint = format!("what may stand here: {}", names.join(", "));
            let what = format!("{name} has no {field}");
            return Err(Error::new(&path.key("field"), what, hint));
        };
        let of = match *field {
            "nexthdr" => Type::new(Kind::Protocol, 8),
            "addr" => Type::new(Kind::Ip4, 32),
            _ => raw(*bits),
        };
        Ok((
            match need {
                Need::Transport(_) => Load::TcpOption(*kind, *bit, *bits),
                Need::Network(0x0800) => Load::IpOption(*kind, *bit, *bits),
                _ => Load::Extension(*kind, *bit, *bits),
            },
            of,
        ))
    }

    /// `jhash` and `symhash`: one of so many numbers.
    fn hash(&mut self, kind: &str, inside: &Value, path: &Path<'_>) -> Result<Typed, Error> {
        no_others(inside, &["mod", "seed", "offset", "expr"], path)?;
        let small = |key: &str, otherwise| {
            let value = number(inside, key, otherwise, path)?;
            u32::try_from(value).map_err(|_| {
                let what = "Value too large for defined data type";
                Error::new(&path.key(key), what, "write a smaller number")
            })
        };
        let (count, first) = (small("mod", None)?, small("offset", Some(0))?);
        if count == 0 {
            return Err(Error::new(
                &path.key("mod"),
                "there is nothing to choose from",
                "write 1 or more",
            ));
        }
        let of = match kind {
            "jhash" => {
                let own =
                    self.expr(inside.get("expr").unwrap_or(&Value::Null), &path.key("expr"))?;
                (own.at, own.types.iter().map(|of| of.len() as u8).collect())
            }
            _ => (0, Box::default()),
        };
        // Without one, nobody can foresee the numbers.
        let seed = match inside.get("seed") {
            Some(_) => small("seed", None)?,
            None => {
                let begin = || State::number(chance());
                match self.state(path, begin) {
                    State::Number(seed) => seed.load(Relaxed) as u32,
                    _ => 0,
                }
            }
        };
        let at = self.room(4, path)?;
        self.ops.push(Op::Hash { of, at, count, first, seed });
        Ok(Typed { at, types: vec![Type::new(Kind::Mark, 32)] })
    }

    /// Several values, one behind the other.
    fn concat(&mut self, inside: &Value, path: &Path<'_>) -> Result<Typed, Error> {
        let Some(all) = inside.as_array().filter(|all| all.len() > 1) else {
            return Err(Error::new(path, "a list is missing here", "write two values or more"));
        };
        // What a packet must be is asked first, so that the values lie side by side.
        let mut loads = Vec::new();
        for (at, value) in all.iter().enumerate() {
            let path = path.at(at);
            let Some((kind, inside)) = only(value) else {
                let what = format!("{value} is no expression");
                return Err(Error::new(&path, what, "write objects as {\"meta\": {...}}"));
            };
            if matches!(kind, "map" | "concat") {
                let what = format!("{kind} is not supported in a concatenation");
                return Err(Error::new(&path, what, "read the value of a map for itself"));
            }
            if matches!(kind, "&" | "|" | "^" | "<<" | ">>") {
                let what = "changed bits are not supported in a concatenation";
                return Err(Error::new(&path, what, "compare them for themselves"));
            }
            loads.push(self.load(kind, inside, &path.key(kind))?);
        }
        let len: usize = loads.iter().map(|(load, _)| load.len()).sum();
        if len > WIDEST {
            let what = "the concatenation is too long";
            return Err(Error::new(path, what, format!("join up to {WIDEST} bytes")));
        }
        let at = self.room(len, path)?;
        let (mut place, mut types) = (usize::from(at), Vec::new());
        for (load, of) in loads {
            let len = load.len();
            self.ops.push(Op::Load(load, place as u8));
            place += len;
            types.push(of);
        }
        Ok(Typed { at, types })
    }

    /// Bits of a value, changed.
    fn binary(&mut self, kind: &str, inside: &Value, path: &Path<'_>) -> Result<Typed, Error> {
        let Some([left, rest @ ..]) = inside.as_array().map(Vec::as_slice) else {
            return Err(Error::new(path, "a list is missing here", "write two values"));
        };
        let own = self.expr(left, &path.at(0))?;
        let [of] = own.types[..] else {
            let what = "bits of a concatenation cannot be changed";
            return Err(Error::new(path, what, "change them one by one"));
        };
        if rest.is_empty() {
            return Err(Error::new(path, "a second value is missing", "write two values"));
        }
        for (at, right) in rest.iter().enumerate() {
            let path = path.at(at + 1);
            if matches!(kind, "<<" | ">>") {
                let steps = right.as_i64().and_then(|steps| i8::try_from(steps).ok());
                let steps = steps.filter(|steps| (0..64).contains(steps) && own.len() <= 8);
                let steps = steps.ok_or_else(|| {
                    Error::new(&path, "bits cannot be moved so", "write a number from 0 to 63")
                })?;
                let by = if kind == "<<" { steps } else { -steps };
                self.ops.push(Op::Shift { at: own.at, len: own.len() as u8, by });
                continue;
            }
            if !Self::is_constant(right) {
                let other = self.expr(right, &path)?;
                if other.len() != own.len() {
                    let what = "values of different sizes cannot be joined";
                    return Err(Error::new(&path, what, "join a mark with a mark"));
                }
                let how = match kind {
                    "&" => Join::And,
                    "|" => Join::Or,
                    _ => Join::Xor,
                };
                let (with, len) = (other.at, own.len() as u8);
                self.ops.push(Op::Join { at: own.at, with, len, how });
                continue;
            }
            let mask = of.read(right, &path, self.near)?;
            let all = vec![0xff; mask.len()];
            let none = vec![0; mask.len()];
            let not: Vec<u8> = mask.iter().map(|byte| !byte).collect();
            let (and, xor) = match kind {
                "&" => (mask, none),
                "|" => (not, mask),
                _ => (all, mask),
            };
            self.ops.push(Op::Bits { at: own.at, and: and.into(), xor: xor.into() });
        }
        Ok(own)
    }

    /// A value of these types: one that stands in the text, or one that packets have.
    pub(super) fn value(
        &mut self,
        value: &Value,
        types: &[Type],
        path: &Path<'_>,
    ) -> Result<Typed, Error> {
        if Self::is_constant(value) {
            let bytes = self.constant(value, types, path)?;
            let at = self.room(bytes.len(), path)?;
            self.ops.push(Op::Value(bytes.into(), at));
            return Ok(Typed { at, types: types.to_vec() });
        }
        match only(value) {
            Some(("map", inside)) => self.map(inside, types, &path.key("map")),
            _ => self.expr(value, path),
        }
    }

    /// What a map says of a key: values of these types, where the map has no name.
    pub(super) fn map(
        &mut self,
        inside: &Value,
        types: &[Type],
        path: &Path<'_>,
    ) -> Result<Typed, Error> {
        no_others(inside, &["key", "data"], path)?;
        let missing =
            |key: &str| Error::new(&path.key(key), "this is missing", "a map has key and data");
        let key = inside.get("key").ok_or_else(|| missing("key"))?;
        let data = inside.get("data").ok_or_else(|| missing("data"))?;
        let own = self.expr(key, &path.key("key"))?;
        let data_path = path.key("data");
        let named = match data {
            Value::String(name) => self.set(name, &data_path)?.clone(),
            _ if !types.is_empty() => {
                let says = Says::Values(types.to_vec());
                self.anonymous(&own.types, says, data, &data_path)?
            }
            _ => {
                let hint = "a map here leads to values that can be read from their form";
                return Err(Error::new(
                    &data_path,
                    "the type of the values is not known here",
                    hint,
                ));
            }
        };
        self.look(&own, &named, &path.key("key"))
    }

    /// The value that a set says of a key.
    pub(super) fn look(
        &mut self,
        own: &Typed,
        named: &super::build::Named,
        path: &Path<'_>,
    ) -> Result<Typed, Error> {
        self.fits(own, named, path)?;
        let Says::Values(types) = &named.says else {
            let what = "the set says no values of its elements";
            return Err(Error::new(path, what, "name a map"));
        };
        let len: usize = types.iter().map(|of| of.len()).sum();
        let times = if named.spans { 2 } else { 1 };
        // What a table has of an element is written in whole.
        let at = self.room((len * times).max(24), path)?;
        self.ops.push(Op::Map(named.set.clone(), own.at, at));
        Ok(Typed { at, types: types.clone() })
    }

    /// Whether a key is of the types that a set has.
    pub(super) fn fits(
        &self,
        own: &Typed,
        named: &super::build::Named,
        path: &Path<'_>,
    ) -> Result<(), Error> {
        let lens = |types: &[Type]| types.iter().map(|of| of.len()).collect::<Vec<_>>();
        if lens(&own.types) == lens(&named.types) {
            return Ok(());
        }
        Err(Error::new(
            path,
            "datatype mismatch: the set holds keys of other types",
            "name a set whose type is that of the expression",
        ))
    }
}
