//! `snat`, `dnat`, `masquerade`, `redirect`.
//!
//! - takes: the statement, with addresses and ports that stand in it or that maps say
//! - gives: one step that asks for the translation
//! - obeys: libnftables-json(5), "NAT"

use serde_json::Value;

use super::{
    build::{Build, Says, hooks, only},
    error::{Error, Path},
    expr::{flags, no_others},
    types::{Kind, Type},
};
use crate::netfilter::{
    nft::{Kind as ChainKind, NatOp, NatWhat, Op},
    rule::Hook,
};

const PORT: Type = Type::new(Kind::Service, 16);

/// Places of the first and the last value.
type Ends = (u8, u8);

impl Build<'_> {
    /// Adds the steps of a translation.
    pub(super) fn nat(&mut self, name: &str, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
        let what = match name {
            "snat" => NatWhat::Snat,
            "dnat" => NatWhat::Dnat,
            "masquerade" => NatWhat::Masquerade,
            _ => NatWhat::Redirect,
        };
        let to = matches!(what, NatWhat::Snat | NatWhat::Dnat);
        let known: &[&str] = match to {
            true => &["addr", "port", "family", "flags", "type_flags"],
            false => &["port", "flags"],
        };
        if !inside.is_null() {
            no_others(inside, known, path)?;
        }
        let words = flags(inside, &["random", "fully-random", "persistent", "netmap"], path)?;
        let prefix = match inside.get("type_flags") {
            None => false,
            Some(flags) => {
                let all: Vec<&Value> = match flags {
                    Value::Array(all) => all.iter().collect(),
                    one => vec![one],
                };
                let known = |flag: &&Value| {
                    !matches!(flag.as_str(), Some("prefix" | "interval" | "concat"))
                };
                if let Some(flag) = all.iter().find(|flag| known(flag)) {
                    let what = format!("the flag {flag} is not supported here");
                    let hint = "what may stand here: prefix, interval, concat";
                    return Err(Error::new(&path.key("type_flags"), what, hint));
                }
                all.iter().any(|flag| flag.as_str() == Some("prefix"))
            }
        };
        let six = self.nat_family(inside, path)?;
        let (mut addresses, mut ports) = (None, None);
        if let Some(addr) = inside.get("addr").filter(|_| to) {
            let Some(six) = six else {
                let what = "ip or ip6 must be specified with address for inet tables";
                return Err(Error::new(path, what, "add \"family\" with ip or ip6"));
            };
            self.need_network(if six { 0x86dd } else { 0x0800 }, path)?;
            (addresses, ports) = self.nat_address(addr, six, &path.key("addr"))?;
        }
        if let Some(port) = inside.get("port") {
            ports = Some(self.nat_span(port, PORT, &path.key("port"))?);
        }
        if to && addresses.is_none() && ports.is_none() {
            let what = "neither an address nor a port is there";
            return Err(Error::new(path, what, "add \"addr\" or \"port\""));
        }
        let at = match what {
            NatWhat::Snat => [Hook::PostRouting, Hook::LocalIn],
            NatWhat::Masquerade => [Hook::PostRouting; 2],
            NatWhat::Dnat | NatWhat::Redirect => [Hook::PreRouting, Hook::LocalOut],
        };
        let at = at.into_iter().fold(0, |bits, hook| bits | hooks::bit(hook));
        let name = match what {
            NatWhat::Snat => "snat",
            NatWhat::Dnat => "dnat",
            NatWhat::Masquerade => "masquerade",
            NatWhat::Redirect => "redirect",
        };
        self.demand(path, name, at, Some(ChainKind::Nat));
        let has = |word: &str| words.contains(&word);
        self.ops.push(Op::Nat(NatOp {
            what,
            six: six.unwrap_or(false),
            addresses,
            ports,
            random: has("random"),
            random_fully: has("fully-random"),
            persistent: has("persistent"),
            netmap: has("netmap") || prefix,
        }));
        self.decided = true;
        Ok(())
    }

    fn nat_family(&self, inside: &Value, path: &Path<'_>) -> Result<Option<bool>, Error> {
        let known = self.network.filter(|known| *known != 0x0806).map(|known| known == 0x86dd);
        match inside.get("family").map(Value::as_str) {
            None => Ok(known),
            Some(Some("ip")) if self.family.takes(false) => Ok(Some(false)),
            Some(Some("ip6")) if self.family.takes(true) => Ok(Some(true)),
            Some(_) => {
                let what = "the table has no packets of this family";
                Err(Error::new(&path.key("family"), what, "write ip or ip6"))
            }
        }
    }

    /// Places of addresses, and of ports where a map says both.
    fn nat_address(
        &mut self,
        value: &Value,
        six: bool,
        path: &Path<'_>,
    ) -> Result<(Option<Ends>, Option<Ends>), Error> {
        let of = if six { Type::new(Kind::Ip6, 128) } else { Type::new(Kind::Ip4, 32) };
        if Self::is_constant(value) {
            return Ok((Some(self.nat_span(value, of, path)?), None));
        }
        let Some(("map", inside)) = only(value) else {
            let own = self.expr(value, path)?;
            if own.len() != of.len() {
                let what = "datatype mismatch: this is no address of the family";
                return Err(Error::new(path, what, "read an address, or look it up in a map"));
            }
            return Ok((Some((own.at, own.at)), None));
        };
        let path = &path.key("map");
        no_others(inside, &["key", "data"], path)?;
        let key = self.expr(inside.get("key").unwrap_or(&Value::Null), &path.key("key"))?;
        let data = inside.get("data").unwrap_or(&Value::Null);
        let data_path = path.key("data");
        let named = match data.as_str() {
            Some(name) => self.set(name, &data_path)?.clone(),
            None => {
                let types = if says_both(data) { vec![of, PORT] } else { vec![of] };
                self.anonymous(&key.types, Says::Values(types), data, &data_path)?
            }
        };
        let own = self.look(&key, &named, path)?;
        let lens: Vec<_> = own.types.iter().map(|of| of.len()).collect();
        let both = lens == [of.len(), 2];
        if !both && lens != [of.len()] {
            let what = "datatype mismatch: the map says no addresses of the family";
            return Err(Error::new(
                &data_path,
                what,
                "name a map to addresses, or to addresses and ports",
            ));
        }
        let last = if named.spans { own.at + named.data_len() as u8 } else { own.at };
        let ports = both.then(|| (own.at + of.len() as u8, last + of.len() as u8));
        Ok((Some((own.at, last)), ports))
    }

    /// Places of the first and the last of some values.
    fn nat_span(&mut self, value: &Value, of: Type, path: &Path<'_>) -> Result<Ends, Error> {
        if Self::is_constant(value) {
            let (first, last) = self.ends(value, &[of], path)?;
            let at = self.room(of.len() * 2, path)?;
            let to = at + of.len() as u8;
            self.ops.push(Op::Value(first.into(), at));
            self.ops.push(Op::Value(last.into(), to));
            return Ok((at, to));
        }
        let own = match only(value) {
            Some(("map", inside)) => {
                let path = path.key("map");
                no_others(inside, &["key", "data"], &path)?;
                let key = self.expr(inside.get("key").unwrap_or(&Value::Null), &path.key("key"))?;
                let data = inside.get("data").unwrap_or(&Value::Null);
                let data_path = path.key("data");
                let named = match data.as_str() {
                    Some(name) => self.set(name, &data_path)?.clone(),
                    None => {
                        let says = Says::Values(vec![of]);
                        self.anonymous(&key.types, says, data, &data_path)?
                    }
                };
                let own = self.look(&key, &named, &path)?;
                if own.len() == of.len() && named.spans {
                    return Ok((own.at, own.at + of.len() as u8));
                }
                own
            }
            _ => self.expr(value, path)?,
        };
        if own.len() != of.len() {
            // What is read of a number is wider than a port.
            let narrow = own.types.len() == 1 && own.len() > of.len() && own.len() <= 8;
            if !narrow {
                let what = "datatype mismatch: this is no port";
                return Err(Error::new(path, what, "read a port, or look it up in a map"));
            }
            let at = own.at + (own.len() - of.len()) as u8;
            return Ok((at, at));
        }
        Ok((own.at, own.at))
    }
}

/// Whether the elements of a map say an address and a port.
fn says_both(data: &Value) -> bool {
    let list = data.get("set").and_then(Value::as_array);
    let first = list.and_then(|list| list.first()).and_then(Value::as_array);
    first.and_then(|pair| pair.get(1)).is_some_and(|says| says.get("concat").is_some())
}
