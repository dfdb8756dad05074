//! What rules write: fields of packets, what goes with them, elements of sets.
//!
//! - takes: the statements `mangle`, `set`, `map`, `meter`
//! - gives: steps that write
//! - obeys: libnftables-json(5), "MANGLE", "SET", "METER"

use std::sync::Arc;

use serde_json::Value;

use super::{
    build::{Build, Says, Typed, hooks, only, raw},
    error::{Error, Path},
    expr::{no_others, number, text},
    rates::{ROOM, SECOND, stated},
    set::bare,
    types::{Kind, Type},
};
use crate::netfilter::{
    nft::{Base, Elements, Join, Op, Set, SetUpdate, State, Store, Table},
    rule,
};

impl Build<'_> {
    /// `mangle`
    pub(super) fn mangle(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
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
                if matches!(field.base, Base::Link) {
                    return unable(
                        "ether",
                        "headers of the link layer are written as packets leave",
                    );
                }
                if matches!(self.transport, Some(132))
                    && field.sums.own.is_none()
                    && field.base == Base::Transport
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
            self.demand(path, "what is noted of a packet", hooks::NETWORK, None);
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
        let how = Join::Or;
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
        self.demand(path, "ct zone set", hooks::NETWORK, None);
        if let Some(demand) = self.demands.last_mut() {
            demand.early = true;
        }
        self.ops.push(Op::Template(number as u16));
        Ok(())
    }

    /// `set` and `map`: changes of a set.
    pub(super) fn update(
        &mut self,
        kind: &str,
        inside: &Value,
        path: &Path<'_>,
    ) -> Result<(), Error> {
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
    pub(super) fn meter(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
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
}
