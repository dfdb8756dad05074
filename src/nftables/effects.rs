//! What rules do beyond letting pass and writing: refuse, tell, hand over, copy, answer.
//!
//! - takes: the statements `reject`, `log`, `queue`, `dup`, `flow`, `synproxy`, `ct count`
//! - gives: a step each, and what the chain must be for it
//! - obeys: libnftables-json(5), "REJECT", "LOG", "QUEUE", "DUP", "FLOW", "SYNPROXY", "CT COUNT"

use std::sync::Arc;

use serde_json::Value;

use super::{
    build::{Build, hooks},
    error::{Error, Path},
    expr::{flags, no_others, number, text},
    names,
    types::{Kind, Type},
};
use crate::netfilter::{
    nft::{Conns, Op, State},
    rule::{self, Hook},
};

impl Build<'_> {
    pub(super) fn reject(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
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

    pub(super) fn log(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
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

    pub(super) fn queue(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
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
        self.demand(path, "queue", hooks::NETWORK, None);
        let flags = flags(inside, &["bypass", "fanout"], path)?;
        self.ops.push(Op::Queue(rule::Nfqueue {
            queues: rule::Span { first: number(&first), last: number(&last) },
            bypass: flags.contains(&"bypass"),
            cpu_fanout: flags.contains(&"fanout"),
        }));
        self.decided = true;
        Ok(())
    }

    pub(super) fn dup(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
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
        self.demand(path, "dup", hooks::NETWORK, None);
        self.program.gateways.push(gateway);
        self.ops.push(Op::Dup(gateway, device.transpose()?));
        Ok(())
    }

    /// `flow add`: a hint, as every flow takes the shortest way that it can.
    pub(super) fn flow(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
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
        self.demand(path, "flow add", hooks::bit(Hook::Forward), None);
        Ok(())
    }

    pub(super) fn synproxy(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
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
    /// `ct count`
    pub(super) fn conns(&mut self, inside: &Value, path: &Path<'_>) -> Result<(), Error> {
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
}
