//! What connection tracking is told from outside: sysctls, zones, templates, policies.
//!
//! - gives: plain values; the management core changes them, workers read them
//! - obeys: rows [9.112], [9.145], [9.148], [9.154], [9.177] to [9.181]

use super::{
    Nanos,
    timeouts::{SECOND, Timeouts},
};

/// A zone: which flows are kept apart although they look alike, and in which directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    /// Its number.
    pub id: u16,
    /// It counts for tuples of the original direction.
    pub original: bool,
    /// It counts for tuples of the reply direction.
    pub reply: bool,
}

impl Zone {
    /// The zone of packets that no rule and no interface puts into another.
    pub const DEFAULT: Self = Self::both(0);

    /// A zone of both directions.
    pub const fn both(id: u16) -> Self {
        Self { id, original: true, reply: true }
    }

    /// The number that counts in a direction (0 original, 1 reply).
    #[inline]
    pub const fn of(self, reply: bool) -> u16 {
        if if reply { self.reply } else { self.original } { self.id } else { 0 }
    }
}

/// What a rule of the raw table (`-j CT`) wants of the entry that the packet will make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// The zone, where the rule names one.
    pub zone: Option<Zone>,
    /// Helper to attach, 0 for none.
    pub helper: u16,
    /// Timeout policy to attach, 0 for none.
    pub policy: u16,
    /// Events that may be told; all bits without `--ctevents`.
    pub event_mask: u16,
}

impl Default for Template {
    fn default() -> Self {
        Self { zone: None, helper: 0, policy: 0, event_mask: u16::MAX }
    }
}

/// A named timeout policy (`nfct add timeout`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Whether it is for IPv6; nothing for either.
    pub six: Option<bool>,
    /// The protocol that it is for.
    pub proto: u8,
    /// Its timeouts; only those of its protocol count.
    pub timeouts: Timeouts,
}

/// Sysctls and policies of connection tracking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Most entries of one worker: its share of `nf_conntrack_max`; 0 is no limit but the table's.
    pub max: u32,
    /// `nf_conntrack_checksum`.
    pub checksum: bool,
    /// `nf_conntrack_acct`.
    pub acct: bool,
    /// `nf_conntrack_timestamp`.
    pub timestamp: bool,
    /// `nf_conntrack_events`, with somebody who listens.
    pub events: bool,
    /// `nf_conntrack_tcp_be_liberal`.
    pub tcp_be_liberal: bool,
    /// `nf_conntrack_tcp_loose`.
    pub tcp_loose: bool,
    /// `nf_conntrack_tcp_max_retrans`.
    pub tcp_max_retrans: u8,
    /// `nf_conntrack_tcp_ignore_invalid_rst`.
    pub tcp_ignore_invalid_rst: bool,
    /// `nf_conntrack_dccp_loose`.
    pub dccp_loose: bool,
    /// `nf_conntrack_log_invalid`: the protocol of which it is told what belongs to no connection, 255 for
    /// all and 0 for none.
    pub log_invalid: u8,
    /// Most expectations of one worker: its share of `nf_conntrack_expect_max`.
    pub expect_max: u32,
    /// `nf_conntrack_frag6_timeout`.
    pub frag6_timeout: Nanos,
    /// `nf_conntrack_frag6_high_thresh`: with more bytes of fragments than that nothing more is taken.
    pub frag6_high_thresh: u64,
    /// `nf_conntrack_frag6_low_thresh`, by which nothing goes.
    pub frag6_low_thresh: u64,
    /// All `nf_conntrack_*_timeout*`.
    pub timeouts: Timeouts,
    /// Timeout policies; an entry names one by its place, counted from 1.
    pub policies: Vec<Policy>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max: 262_144,
            checksum: true,
            acct: false,
            timestamp: false,
            events: false,
            tcp_be_liberal: false,
            tcp_loose: true,
            tcp_max_retrans: 3,
            tcp_ignore_invalid_rst: false,
            dccp_loose: true,
            log_invalid: 0,
            expect_max: 4096,
            frag6_timeout: 60 * SECOND,
            frag6_high_thresh: 4 << 20,
            frag6_low_thresh: 3 << 20,
            timeouts: Timeouts::default(),
            policies: Vec::new(),
        }
    }
}

impl Rules {
    /// The timeouts of an entry with this policy.
    #[inline]
    pub(crate) fn timeouts_of(&self, policy: u16) -> &Timeouts {
        match policy {
            0 => &self.timeouts,
            // Without a name it is gone.
            n => match self.policies.get(usize::from(n) - 1) {
                Some(policy) if !policy.name.is_empty() => &policy.timeouts,
                _ => &self.timeouts,
            },
        }
    }
}
