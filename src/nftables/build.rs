//! A rule on its way to steps: what it has come to so far, and what it may refer to.
//!
//! - takes: the members of its table
//! - gives: [`Build`], to which expressions and statements add their steps
//! - obeys: the dependencies that nft puts before expressions of its own accord

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::Value;

use super::{
    error::{Error, Path},
    fields::Need,
    types::{Kind, Near, Type},
};
use crate::{
    graph::Nanos,
    netfilter::nft::{
        Base, Cmp, Family, Kind as ChainKind, Load, MetaKey, Object, Op, Program, SCRATCH, Set,
        State,
    },
    netfilter::rule::Hook,
};

/// What a set says of its elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// Nothing.
    Nothing,
    /// Values of these types, one behind the other.
    Values(Vec<Type>),
    /// What becomes of a packet.
    Verdict,
    /// An object of this kind.
    Object(String),
}

/// A set that rules may name.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) set: Arc<Set>,
    pub(super) types: Vec<Type>,
    pub(super) says: Says,
    /// Whether values are ranges: first and last, one behind the other.
    pub(super) spans: bool,
    /// How long elements stay that packets add, 0 for ever.
    pub(super) timeout: Nanos,
}

impl Named {
    /// Bytes of what its elements say.
    pub(super) fn data_len(&self) -> usize {
        match &self.says {
            Says::Values(types) => types.iter().map(|of| of.len()).sum(),
            _ => 0,
        }
    }
}

/// What a table has that rules may name.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) chains: HashMap<String, u32>,
    pub(super) sets: HashMap<String, Named>,
    pub(super) objects: HashMap<(String, String), Object>,
    pub(super) flowtables: Vec<String>,
    /// Chains that elements of maps call.
    pub(super) calls: HashMap<String, Vec<u32>>,
}

impl Members {
    /// Chains that elements of a map call.
    pub(super) fn calls_of(&self, set: &str) -> Vec<u32> {
        self.calls.get(set).cloned().unwrap_or_default()
    }
}

/// What rules remember, by where in their text it stands.
pub(super) type States = BTreeMap<String, State>;

/// A chain that must be reached only from such places.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    pub(super) path: String,
    pub(super) name: &'static str,
    /// A bit for each hook; bit 5 is ingress.
    pub(super) hooks: u8,
    pub(super) kind: Option<ChainKind>,
    /// Only before connections are looked up.
    pub(super) early: bool,
}

/// Bits of [`Demand::hooks`].
pub(super) mod hooks {
    use super::Hook;

    pub(in crate::nftables) const INGRESS: u8 = 1 << 5;
    pub(in crate::nftables) const NETWORK: u8 = 0x1f;

    pub(in crate::nftables) const fn bit(hook: Hook) -> u8 {
        1 << hook as u8
    }
}

/// A value in the scratch.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) at: u8,
    pub(super) types: Vec<Type>,
}

impl Typed {
    pub(super) fn len(&self) -> usize {
        self.types.iter().map(|of| of.len()).sum()
    }
}

/// A rule in the making.
pub(super) struct Build<'a> {
    pub(super) near: Near<'a>,
    pub(super) family: Family,
    pub(super) members: &'a Members,
    pub(super) program: &'a mut Program,
    pub(super) workers: usize,
    pub(super) states: &'a mut States,
    pub(super) ops: Vec<Op>,
    free: usize,
    /// What the link layer says that packets here are, where that is known.
    pub(super) network: Option<u16>,
    /// Their protocol, where it is known.
    pub(super) transport: Option<u8>,
    /// Chains that it calls.
    pub(super) calls: Vec<(u32, String)>,
    pub(super) demands: Vec<Demand>,
    /// Whether nothing may stand behind what stands there.
    pub(super) decided: bool,
}

impl<'a> Build<'a> {
    pub(super) fn new(
        near: Near<'a>,
        family: Family,
        members: &'a Members,
        program: &'a mut Program,
        states: &'a mut States,
        workers: usize,
    ) -> Self {
        let network = match family {
            Family::Ip => Some(0x0800),
            Family::Ip6 => Some(0x86dd),
            Family::Inet | Family::Netdev => None,
        };
        Self {
            near,
            family,
            members,
            program,
            workers,
            states,
            ops: Vec::new(),
            free: 0,
            network,
            transport: None,
            calls: Vec::new(),
            demands: Vec::new(),
            decided: false,
        }
    }

    /// Room for so many bytes.
    pub(super) fn room(&mut self, len: usize, path: &Path<'_>) -> Result<u8, Error> {
        let at = self.free;
        self.free += len;
        if self.free > SCRATCH {
            return Err(Error::new(
                path,
                "the values of this rule are too large together",
                "divide the rule into two",
            ));
        }
        Ok(at as u8)
    }

    /// What was in use is free again, as the values of a statement are used up with it.
    pub(super) fn release(&mut self) {
        self.free = 0;
    }

    /// What stands at a place of the text remembers, or begins to.
    pub(super) fn state(&mut self, path: &Path<'_>, begin: impl FnOnce() -> State) -> State {
        self.states.entry(path.to_string()).or_insert_with(begin).clone()
    }

    /// Packets that are not so leave the rule.
    pub(super) fn need(&mut self, need: Need, path: &Path<'_>) -> Result<(), Error> {
        match need {
            Need::Nothing => Ok(()),
            Need::Link => Ok(()),
            Need::Tag => {
                self.demand(path, "vlan", hooks::INGRESS, None);
                let at = self.room(2, path)?;
                let load = Load::Payload { base: Base::Link, bit: 96, bits: 16 };
                self.ops.push(Op::Load(load, at));
                self.ops.push(Op::Compare(at, Cmp::Equal, [0x81, 0x00].into()));
                Ok(())
            }
            Need::Network(ethertype) => self.need_network(ethertype, path),
            Need::Transport(protocol) => self.need_transport(protocol, path),
        }
    }

    pub(super) fn need_network(&mut self, ethertype: u16, path: &Path<'_>) -> Result<(), Error> {
        if self.network == Some(ethertype) {
            return Ok(());
        }
        let others = |message: String| {
            Err(Error::new(
                path,
                message,
                "divide the rule, or put it into a table of another family",
            ))
        };
        if let Some(known) = self.network {
            return others(format!(
                "conflicting protocols specified: {} vs. {}",
                name_of(known),
                name_of(ethertype)
            ));
        }
        if ethertype == 0x0806 && self.family != Family::Netdev {
            return others(format!("packets of family {} are none of arp", self.family.name()));
        }
        let at = self.room(2, path)?;
        match self.family {
            Family::Netdev => {
                self.ops.push(Op::Load(Load::Meta(MetaKey::Protocol), at));
                let value = ethertype.to_be_bytes().into();
                self.ops.push(Op::Compare(at, Cmp::Equal, value));
            }
            _ => {
                self.ops.push(Op::Load(Load::Meta(MetaKey::NfProto), at));
                let family = if ethertype == 0x0800 { 2 } else { 10 };
                self.ops.push(Op::Compare(at, Cmp::Equal, [family].into()));
            }
        }
        self.network = Some(ethertype);
        Ok(())
    }

    pub(super) fn need_transport(&mut self, protocol: u8, path: &Path<'_>) -> Result<(), Error> {
        match protocol {
            1 | 2 => self.need_network(0x0800, path)?,
            58 => self.need_network(0x86dd, path)?,
            _ => {}
        }
        if self.transport == Some(protocol) {
            return Ok(());
        }
        if let Some(known) = self.transport {
            return Err(Error::new(
                path,
                format!("conflicting protocols specified: {known} vs. {protocol}"),
                "divide the rule into one for each protocol",
            ));
        }
        let at = self.room(1, path)?;
        self.ops.push(Op::Load(Load::Meta(MetaKey::L4Proto), at));
        self.ops.push(Op::Compare(at, Cmp::Equal, [protocol].into()));
        self.transport = Some(protocol);
        Ok(())
    }

    /// Messages of other types leave the rule.
    pub(super) fn need_types(&mut self, types: &[u8], path: &Path<'_>) -> Result<(), Error> {
        let (Some(first), Some(last)) = (types.first(), types.last()) else { return Ok(()) };
        let at = self.room(1, path)?;
        self.ops.push(Op::Load(Load::Payload { base: Base::Transport, bit: 0, bits: 8 }, at));
        match types.len() {
            1 => self.ops.push(Op::Compare(at, Cmp::Equal, [*first].into())),
            // Echoes of IPv4 are types 0 and 8: alike but for one bit. Those of IPv6 stand side by side.
            _ if *first == 0 => {
                let (and, xor) = ([!8].into(), [0].into());
                self.ops.push(Op::Bits { at, and, xor });
                self.ops.push(Op::Compare(at, Cmp::Equal, [0].into()));
            }
            _ => self.ops.push(Op::Range(at, false, [*first].into(), [*last].into())),
        }
        Ok(())
    }

    /// The chain is to be reached only from such places.
    pub(super) fn demand(
        &mut self,
        path: &Path<'_>,
        name: &'static str,
        hooks: u8,
        kind: Option<ChainKind>,
    ) {
        let path = path.to_string();
        self.demands.push(Demand { path, name, hooks, kind, early: false });
    }

    /// The name of a member behind the sign that names begin with.
    pub(super) fn set(&self, name: &str, path: &Path<'_>) -> Result<&'a Named, Error> {
        let bare = name.strip_prefix('@').unwrap_or(name);
        self.members.sets.get(bare).ok_or_else(|| {
            Error::new(
                path,
                format!("No such file or directory: set {bare:?}"),
                "declare the set in the same table, before it is named",
            )
        })
    }
}

/// The name of what the link layer says.
fn name_of(ethertype: u16) -> &'static str {
    match ethertype {
        0x0800 => "ip",
        0x86dd => "ip6",
        0x0806 => "arp",
        _ => "unknown",
    }
}

/// The type of what one reads as bytes alone.
pub(super) const fn raw(bits: u32) -> Type {
    Type::new(Kind::Integer, bits)
}

/// An object's single member.
pub(super) fn only(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.iter().next().map(|(key, value)| (key.as_str(), value))
}
