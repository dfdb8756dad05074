//! The rules an operator states: tables, chains, rules, their matches and targets.
//!
//! - takes: nothing; the faces fill it in
//! - gives: plain values, of either family, that compare and hash
//! - obeys: the limits that the kernel's `ip_tables` and `x_tables` set at load
//!
//! Whatever a value can say that a packet cannot satisfy is still said: `! -s 0.0.0.0/0` is a rule.

mod basic;
mod conn;
mod header;
mod matches;
mod payload;
mod ports;
mod rate;
mod target;

use std::fmt;

pub use basic::{Basic, Bits, Family, Iface, Is, Masked, Prefix, Span};
pub use conn::{
    ConnBytes, ConnBytesMode, ConnLabel, ConnLimit, ConnSide, Conntrack, CtDirection, CtStates,
    CtStatus,
};
pub use header::{
    AddrType, AddrTypes, Ah, Compare, DevGroup, Ecn, ExtOption, ExtOptions, Frag, HeaderOption,
    IpRange, Ipv6Header, Owner, PacketType, Policy as IpsecPolicy, PolicyElement, PolicyMode,
    PolicyWay, RpFilter, Rt,
};
pub use matches::Match;
pub use payload::{Algorithm, StringMatch, U32, U32Op, U32Step, U32Test};
pub use ports::{
    Chunk, ChunkRule, Dccp, Icmp, Multiport, PortSide, Sctp, SctpChunks, Tcp, TcpFlags, Udp,
};
pub use rate::{
    HashLimit, HashRate, Limit, Quota, Recent, RecentAction, SetCounter, SetMatch, SetSide,
    Statistic, Time,
};
pub use target::{
    Audit, Connmark, Ct, CtTimeout, CtZone, Ecn as EcnTarget, Log, Masquerade, Nat, Nflog, Nfqueue,
    Npt, Redirect, Reject, SetTarget, SetUse, Synproxy, Target, Tcpmss, Tee, Ttl,
};

/// A point of a packet's way at which rules may look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    /// Just received, before it is routed.
    PreRouting,
    /// Routed to this host.
    LocalIn,
    /// Routed through this host.
    Forward,
    /// Sent by this host.
    LocalOut,
    /// About to leave.
    PostRouting,
}

impl Hook {
    /// All, in the kernel's order.
    pub const ALL: [Self; 5] =
        [Self::PreRouting, Self::LocalIn, Self::Forward, Self::LocalOut, Self::PostRouting];

    /// The built-in chain at this point.
    #[must_use]
    pub fn chain(self) -> &'static str {
        match self {
            Self::PreRouting => "PREROUTING",
            Self::LocalIn => "INPUT",
            Self::Forward => "FORWARD",
            Self::LocalOut => "OUTPUT",
            Self::PostRouting => "POSTROUTING",
        }
    }

    /// The point of a built-in chain.
    #[must_use]
    pub fn of_chain(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.chain() == name)
    }
}

/// Where at a hook something takes its turn: lower numbers come first.
pub mod priority {
    /// Fragments are put together.
    pub const DEFRAG: i32 = -400;
    /// Table raw.
    pub const RAW: i32 = -300;
    /// Packets get their connection.
    pub const CONNTRACK: i32 = -200;
    /// Table mangle.
    pub const MANGLE: i32 = -150;
    /// Table nat where destinations change.
    pub const NAT_DST: i32 = -100;
    /// Table filter.
    pub const FILTER: i32 = 0;
    /// Table security.
    pub const SECURITY: i32 = 50;
    /// Table nat where sources change.
    pub const NAT_SRC: i32 = 100;
    /// Helpers read what applications say.
    pub const HELPER: i32 = 300;
    /// Connections become known.
    pub const CONFIRM: i32 = i32::MAX;
}

/// A table of `iptables`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TableName {
    /// Before connections are tracked.
    Raw,
    /// Changes headers and marks.
    Mangle,
    /// Changes addresses, once a connection.
    Nat,
    /// Lets pass or not.
    Filter,
    /// As filter, after it.
    Security,
}

impl TableName {
    /// All, in the order packets meet them.
    pub const ALL: [Self; 5] = [Self::Raw, Self::Mangle, Self::Nat, Self::Filter, Self::Security];

    /// As `-t` calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Mangle => "mangle",
            Self::Nat => "nat",
            Self::Filter => "filter",
            Self::Security => "security",
        }
    }

    /// The table that `-t` calls so.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The hooks at which this table looks at packets, in the kernel's order.
    #[must_use]
    pub fn hooks(self) -> &'static [Hook] {
        use Hook::{Forward, LocalIn, LocalOut, PostRouting, PreRouting};
        match self {
            Self::Raw => &[PreRouting, LocalOut],
            Self::Mangle => &Hook::ALL,
            Self::Nat => &[PreRouting, LocalIn, LocalOut, PostRouting],
            Self::Filter | Self::Security => &[LocalIn, Forward, LocalOut],
        }
    }

    /// Its turn at a hook; nat changes destinations before routes are looked up, sources after.
    #[must_use]
    pub fn priority(self, hook: Hook) -> i32 {
        match self {
            Self::Raw => priority::RAW,
            Self::Mangle => priority::MANGLE,
            Self::Nat if matches!(hook, Hook::PreRouting | Hook::LocalOut) => priority::NAT_DST,
            Self::Nat => priority::NAT_SRC,
            Self::Filter => priority::FILTER,
            Self::Security => priority::SECURITY,
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Their bytes, headers of the network layer included.
    pub bytes: u64,
}

/// What the end of a built-in chain does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Goes on.
    #[default]
    Accept,
    /// Ends here.
    Drop,
}

/// A table: its built-in chains and those of the operator, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    /// Which.
    pub name: TableName,
    /// Built-in chains in the hooks' order, then user chains in the order they print.
    pub chains: Vec<Chain>,
}

impl Table {
    /// The table as it is before anybody stated a rule.
    #[must_use]
    pub fn new(name: TableName) -> Self {
        let built_in = |hook: &Hook| Chain {
            name: hook.chain().to_owned(),
            policy: Some(Policy::Accept),
            ..Chain::default()
        };
        Self { name, chains: name.hooks().iter().map(built_in).collect() }
    }

    /// A chain by name.
    #[must_use]
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.name == name)
    }

    /// A chain by name, to be changed.
    pub fn chain_mut(&mut self, name: &str) -> Option<&mut Chain> {
        self.chains.iter_mut().find(|chain| chain.name == name)
    }

    /// Puts a user chain where it belongs: built-in chains stand first, the others by name.
    pub fn add_chain(&mut self, chain: Chain) {
        let before =
            |have: &&Chain| have.policy.is_some() || have.name.as_str() < chain.name.as_str();
        let at = self.chains.iter().take_while(before).count();
        self.chains.insert(at, chain);
    }
}

/// A chain of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// What happens at its end; user chains have none and return.
    pub policy: Option<Policy>,
    /// What came to its end.
    pub counters: Counters,
    /// In order.
    pub rules: Vec<Rule>,
}

/// A rule: when all of it holds, its target has the packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rule {
    /// What every rule can ask.
    pub basic: Basic,
    /// What extensions ask, in the order given.
    pub matches: Vec<Match>,
    /// What is done.
    pub target: Target,
    /// How often it was.
    pub counters: Counters,
}

/// The tables of one family; one that is not here was never asked for and lets all pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ruleset {
    /// Whose packets.
    pub family: Family,
    /// In the order packets meet them.
    pub tables: Vec<Table>,
}

impl Ruleset {
    /// No table yet.
    #[must_use]
    pub fn new(family: Family) -> Self {
        Self { family, tables: Vec::new() }
    }

    /// A table, if it was ever asked for.
    #[must_use]
    pub fn table(&self, name: TableName) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// A table, made now if it was never asked for.
    pub fn table_mut(&mut self, name: TableName) -> &mut Table {
        let at = self.tables.partition_point(|table| table.name < name);
        if self.tables.get(at).is_none_or(|table| table.name != name) {
            self.tables.insert(at, Table::new(name));
        }
        &mut self.tables[at]
    }
}
