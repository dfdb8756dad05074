//! What is done with a packet for which a rule holds.
//!
//! - takes: nothing
//! - gives: [`Target`], one variant for each that is understood
//! - obeys: `iptables-extensions(8)`, "TARGET EXTENSIONS"

use std::net::{IpAddr, Ipv6Addr};

use super::basic::{Masked, Prefix, Span};
use super::rate::SetSide;

/// What a rule does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Target {
    /// No `-j`: counts and goes on.
    #[default]
    None,
    /// `ACCEPT`
    Accept,
    /// `DROP`
    Drop,
    /// `RETURN`
    Return,
    /// `-j CHAIN`
    Jump(String),
    /// `-g CHAIN`
    Goto(String),
    /// `QUEUE` (ip_queue): queue 0.
    Queue,
    /// `NFQUEUE` (xt_NFQUEUE)
    Nfqueue(Nfqueue),
    /// `REJECT` (ipt_REJECT, ip6t_REJECT)
    Reject(Reject),
    /// `LOG` (xt_LOG)
    Log(Log),
    /// `NFLOG` (xt_NFLOG)
    Nflog(Nflog),
    /// `MARK` (xt_mark): the bits of the mask are cleared, then the value is xored in.
    Mark(Masked<u32>),
    /// `CONNMARK` (xt_connmark)
    Connmark(Connmark),
    /// `CLASSIFY` (xt_CLASSIFY): a queueing discipline's class, major number in the upper half.
    Classify(u32),
    /// `DSCP` (xt_dscp)
    Dscp(u8),
    /// `TOS` (xt_dscp): the bits of the mask are cleared, then the value is xored in.
    Tos(Masked<u8>),
    /// `ECN` (ipt_ECN); IPv4 only.
    Ecn(Ecn),
    /// `TTL` (xt_HL); IPv4 only.
    Ttl(Ttl),
    /// `HL` (xt_HL); IPv6 only.
    HopLimit(Ttl),
    /// `TCPMSS` (xt_TCPMSS)
    Tcpmss(Tcpmss),
    /// `TCPOPTSTRIP` (xt_TCPOPTSTRIP): kinds of options, in order.
    Tcpoptstrip(Vec<u8>),
    /// `CT` (xt_CT); `NOTRACK` is `CT --notrack` but prints as it was written.
    Ct(Box<Ct>),
    /// `NOTRACK` (xt_CT)
    Notrack,
    /// `TRACE` (xt_TRACE)
    Trace,
    /// `AUDIT` (xt_AUDIT)
    Audit(Audit),
    /// `SET` (xt_set)
    Set(Box<SetTarget>),
    /// `TEE` (xt_TEE)
    Tee(Tee),
    /// `SNAT` (xt_nat)
    Snat(Nat),
    /// `DNAT` (xt_nat)
    Dnat(Nat),
    /// `MASQUERADE` (xt_MASQUERADE)
    Masquerade(Masquerade),
    /// `REDIRECT` (xt_REDIRECT)
    Redirect(Redirect),
    /// `NETMAP` (xt_NETMAP)
    Netmap(Prefix),
    /// `SNPT` (ip6t_NPT); IPv6 only.
    Snpt(Npt),
    /// `DNPT` (ip6t_NPT); IPv6 only.
    Dnpt(Npt),
    /// `SYNPROXY` (ipt_SYNPROXY, ip6t_SYNPROXY)
    Synproxy(Synproxy),
    /// `CHECKSUM --checksum-fill` (xt_CHECKSUM)
    Checksum,
}

/// `-j NFQUEUE`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nfqueue {
    /// `--queue-num`, or with more than one `--queue-balance`.
    pub queues: Span<u16>,
    /// `--queue-bypass`: passes when nobody listens.
    pub bypass: bool,
    /// `--queue-cpu-fanout`: the queue of the worker.
    pub cpu_fanout: bool,
}

/// `--reject-with`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// An ICMP destination unreachable with this code.
    Icmp(u8),
    /// An ICMPv6 destination unreachable with this code.
    Icmp6(u8),
    /// A TCP reset.
    TcpReset,
}

/// `-j LOG`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Log {
    /// `--log-level`
    pub level: u8,
    /// `--log-prefix`, at most 29 characters.
    pub prefix: String,
    /// `--log-tcp-sequence`
    pub tcp_sequence: bool,
    /// `--log-tcp-options`
    pub tcp_options: bool,
    /// `--log-ip-options`
    pub ip_options: bool,
    /// `--log-uid`
    pub uid: bool,
    /// `--log-macdecode`
    pub mac_decode: bool,
}

/// `-j NFLOG`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Nflog {
    /// `--nflog-group`
    pub group: u16,
    /// `--nflog-prefix`, at most 63 characters.
    pub prefix: String,
    /// `--nflog-range`, which was always without effect.
    pub range: u32,
    /// `--nflog-size`: bytes of a packet that are handed on; all of it if not said.
    pub size: Option<u32>,
    /// `--nflog-threshold`: packets handed on at once.
    pub threshold: u16,
}

/// `-j CONNMARK`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Connmark {
    /// `--set-xmark`: `(ctmark & !mask) ^ value`.
    Set(Masked<u32>),
    /// `--save-mark`: `(ctmark & !ct_mask) ^ (nfmark & nf_mask)`.
    Save {
        /// `--ctmask`
        ct_mask: u32,
        /// `--nfmask`
        nf_mask: u32,
    },
    /// `--restore-mark`: `(nfmark & !nf_mask) ^ (ctmark & ct_mask)`.
    Restore {
        /// `--ctmask`
        ct_mask: u32,
        /// `--nfmask`
        nf_mask: u32,
    },
}

/// `-j ECN`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ecn {
    /// `--ecn-ip-ect`: the two bits of the network header.
    pub ip: Option<u8>,
    /// `--ecn-tcp-remove` has both bits false; the others set one.
    pub cwr: Option<bool>,
    /// See `cwr`.
    pub ece: Option<bool>,
}

/// `-j TTL`, `-j HL`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ttl {
    /// `--ttl-set`
    Set(u8),
    /// `--ttl-dec`
    Decrease(u8),
    /// `--ttl-inc`
    Increase(u8),
}

/// `-j TCPMSS`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tcpmss {
    /// `--set-mss`
    Set(u16),
    /// `--clamp-mss-to-pmtu`
    Clamp,
}

/// In which direction a packet is in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CtZone {
    /// `--zone`
    Both(u16),
    /// `--zone-orig`
    Original(u16),
    /// `--zone-reply`
    Reply(u16),
    /// `--zone mark`: the packet's mark is its zone.
    Mark,
    /// `--zone-orig mark`
    OriginalMark,
    /// `--zone-reply mark`
    ReplyMark,
}

/// `--timeout`: the name of a policy.
pub type CtTimeout = String;

/// `-j CT`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ct {
    /// `--notrack`
    pub notrack: bool,
    /// `--zone`, `--zone-orig`, `--zone-reply`
    pub zone: Option<CtZone>,
    /// `--helper`
    pub helper: Option<String>,
    /// `--timeout`
    pub timeout: Option<CtTimeout>,
    /// `--ctevents`, a bit each: new, related, destroy, reply, assured, protoinfo, helper, mark,
    /// natseqinfo, secmark. 0 is all.
    pub events: u32,
    /// `--expevents`: new is bit 0.
    pub expect_events: u32,
}

/// `-j AUDIT --type`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audit {
    /// `accept`
    Accept,
    /// `drop`
    Drop,
    /// `reject`
    Reject,
}

/// A set, and the parts of a packet that make its element.
pub type SetUse = (String, Vec<SetSide>);

/// `-j SET`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SetTarget {
    /// `--add-set`
    pub add: Option<SetUse>,
    /// `--del-set`
    pub del: Option<SetUse>,
    /// `--map-set`: mark, priority and queue are taken from the element.
    pub map: Option<SetUse>,
    /// `--exist`: an element that is there has its timeout set anew.
    pub exist: bool,
    /// `--timeout`, seconds; the set's own if not said.
    pub timeout: Option<u32>,
    /// `--map-mark`
    pub map_mark: bool,
    /// `--map-prio`
    pub map_priority: bool,
    /// `--map-queue`
    pub map_queue: bool,
}

/// `-j TEE`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tee {
    /// `--gateway`
    pub gateway: IpAddr,
    /// `--oif`
    pub output: Option<String>,
}

/// `-j SNAT`, `-j DNAT`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Nat {
    /// The addresses to choose from; the packet's own if not said.
    pub addresses: Option<Span<IpAddr>>,
    /// The ports to choose from.
    pub ports: Option<Span<u16>>,
    /// `DNAT --to-destination :p-q/BASE`: ports are shifted by their distance from this one.
    pub base_port: Option<u16>,
    /// `--random`
    pub random: bool,
    /// `--random-fully`
    pub random_fully: bool,
    /// `--persistent`
    pub persistent: bool,
}

/// `-j MASQUERADE`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Masquerade {
    /// `--to-ports`
    pub ports: Option<Span<u16>>,
    /// `--random`
    pub random: bool,
    /// `--random-fully`
    pub random_fully: bool,
}

/// `-j REDIRECT`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Redirect {
    /// `--to-ports`
    pub ports: Option<Span<u16>>,
    /// `--random`
    pub random: bool,
}

/// `-j SNPT`, `-j DNPT`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Npt {
    /// `--src-pfx`
    pub from: (Ipv6Addr, u8),
    /// `--dst-pfx`
    pub to: (Ipv6Addr, u8),
}

/// `-j SYNPROXY`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Synproxy {
    /// `--mss`
    pub mss: Option<u16>,
    /// `--wscale`
    pub window_scale: Option<u8>,
    /// `--sack-perm`
    pub sack: bool,
    /// `--timestamp`
    pub timestamp: bool,
    /// `--ecn`
    pub ecn: bool,
    /// As nftables has it: what else a segment says beside SYN or ACK is not looked at.
    pub lax: bool,
}
