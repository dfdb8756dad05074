//! Parameters of the neighbour tables: those of a table, and those of an interface in it.
//!
//! An interface's parameters begin as a copy of the table's defaults. A default that is changed
//! reaches the interfaces where that parameter was never set by itself, as in the kernel.
//!
//! - obeys: `arp(7)`, `ip-ntable(8)`; ledger 7.10, 7.36, 7.51 to 7.54, 7.59

use super::entry::Family;
use crate::graph::Nanos;

pub(super) const SECOND: Nanos = 1_000_000_000;
const MILLISECOND: Nanos = 1_000_000;
/// A hundredth of a second: `locktime` and the proxy delays are counted in these (`USER_HZ`).
const TICK: Nanos = 10 * MILLISECOND;
/// A full Ethernet frame as the kernel's buffers count, by which `unres_qlen` is converted.
const FRAME_TRUESIZE: u64 = 2090;
/// How often the random reachable times are drawn anew.
pub(super) const REACHABLE_RENEWAL: Nanos = 300 * SECOND;
/// No timer is shorter (`HZ / 100`).
pub(super) const SHORTEST_TIMER: Nanos = TICK;

/// What a parameter's number is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Packets, questions or bytes.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Hundredths of a second.
    Ticks,
    /// Seconds.
    Seconds,
}

impl Unit {
    const fn nanos(self) -> Nanos {
        match self {
            Self::Count => 1,
            Self::Milliseconds => MILLISECOND,
            Self::Ticks => TICK,
            Self::Seconds => SECOND,
        }
    }
}

macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident = $sysctl:literal, $unit:ident, $arp:expr, $ndisc:expr;)*) => {
        /// A parameter of an interface in a table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Var {
            $($(#[$doc])* $name,)*
        }

        impl Var {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            const COUNT: usize = Self::ALL.len();

            /// Name under `net.ipv4.neigh.DEV`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $sysctl,)* }
            }

            /// What its number is counted in there.
            pub const fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit,)* }
            }

            const fn initial(self, family: Family) -> u64 {
                let [arp, ndisc] = match self { $(Self::$name => [$arp, $ndisc],)* };
                match family { Family::Arp => arp, Family::Ndisc => ndisc }
            }
        }
    };
}

parameters! {
    /// Broadcast or multicast questions for an address.
    McastSolicit = "mcast_solicit", Count, 3, 3;
    /// Unicast questions to a known address.
    UcastSolicit = "ucast_solicit", Count, 3, 3;
    /// Questions to those who watch, before any is broadcast.
    AppSolicit = "app_solicit", Count, 0, 0;
    /// Broadcast questions after unicast ones without an answer.
    McastResolicit = "mcast_resolicit", Count, 0, 0;
    /// Between two questions.
    RetransTime = "retrans_time_ms", Milliseconds, 1000, 1000;
    /// Mean time for which an answer counts.
    BaseReachableTime = "base_reachable_time_ms", Milliseconds, 30_000, 30_000;
    /// From the first use of a stale entry to the first question.
    DelayFirstProbeTime = "delay_first_probe_time", Seconds, 5, 5;
    /// Between two looks at managed entries.
    IntervalProbeTime = "interval_probe_time_ms", Milliseconds, 5000, 5000;
    /// After which an entry that nobody uses may go.
    GcStaleTime = "gc_stale_time", Seconds, 60, 60;
    /// Bytes of packets that wait for one neighbour.
    UnresQlenBytes = "unres_qlen_bytes", Count, 212_992, 212_992;
    /// Questions that wait for a proxy's answer.
    ProxyQlen = "proxy_qlen", Count, 64, 64;
    /// Longest wait before the answer for an anycast address.
    AnycastDelay = "anycast_delay", Ticks, 100, 100;
    /// Longest wait before a proxy's answer.
    ProxyDelay = "proxy_delay", Ticks, 80, 80;
    /// For which a new link-layer address is not replaced by another claim.
    Locktime = "locktime", Ticks, 100, 0;
}

/// Parameters of one interface, or a table's defaults.
#[derive(Clone, Debug)]
pub struct Params {
    values: [u64; Var::COUNT],
    set: u32,
    pub(super) reachable_time: Nanos,
    /// Questions that wait for a proxy's answer.
    pub(super) proxied: usize,
}

impl Params {
    pub(super) fn new(family: Family) -> Self {
        let mut values = [0; Var::COUNT];
        for &var in Var::ALL {
            values[var as usize] = var.initial(family);
        }
        Self { values, set: 0, reachable_time: 30 * SECOND, proxied: 0 }
    }

    /// A copy for an interface that has appeared.
    pub(super) fn for_device(&self) -> Self {
        Self { set: 0, proxied: 0, ..self.clone() }
    }

    /// A parameter, in its unit.
    pub const fn get(&self, var: Var) -> u64 {
        self.values[var as usize]
    }

    /// A parameter that is a time.
    pub const fn time(&self, var: Var) -> Nanos {
        self.values[var as usize].saturating_mul(var.unit().nanos())
    }

    /// `unres_qlen`: the bytes as full frames.
    pub const fn unres_qlen(&self) -> u64 {
        self.get(Var::UnresQlenBytes) / FRAME_TRUESIZE
    }

    /// The bytes that so many full frames are.
    pub const fn unres_qlen_bytes(frames: u64) -> u64 {
        frames.saturating_mul(FRAME_TRUESIZE)
    }

    /// For how long an answer counts here: the mean times 0.5 to 1.5, drawn anew every 300 s.
    pub const fn reachable_time(&self) -> Nanos {
        self.reachable_time
    }

    /// Questions that wait for a proxy's answer.
    pub const fn proxied(&self) -> usize {
        self.proxied
    }

    /// `retrans_time_ms` as timers take it.
    pub(super) fn retrans(&self) -> Nanos {
        self.time(Var::RetransTime).max(SHORTEST_TIMER)
    }

    pub(super) fn set(&mut self, var: Var, value: u64) {
        self.values[var as usize] = value;
        self.set |= 1 << var as u32;
    }

    /// Follows a change of the default, unless it was set here.
    pub(super) fn follow(&mut self, var: Var, value: u64) -> bool {
        let follows = self.set & 1 << var as u32 == 0;
        if follows {
            self.values[var as usize] = value;
        }
        follows
    }

    /// Questions after which an entry fails, being asked again or for the first time.
    pub(super) fn most_probes(&self, again: bool) -> u64 {
        let broadcast = if again { Var::McastResolicit } else { Var::McastSolicit };
        self.get(Var::UcastSolicit) + self.get(Var::AppSolicit) + self.get(broadcast)
    }
}

/// Thresholds of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// `gc_interval`, in seconds; shown and not used, as in the kernel.
    pub interval: u64,
    /// `gc_thresh1`: with fewer entries the periodic collector takes none.
    pub thresh1: usize,
    /// `gc_thresh2`: from here on a new entry has old ones collected, every 5 s at most.
    pub thresh2: usize,
    /// `gc_thresh3`: no more entries than these.
    pub thresh3: usize,
}

impl Thresholds {
    /// The kernel's.
    pub const LINUX: Self = Self { interval: 30, thresh1: 128, thresh2: 512, thresh3: 1024 };

    /// A table of so many entries, in the kernel's proportions.
    pub const fn of(limit: usize) -> Self {
        Self { interval: 30, thresh1: limit / 8, thresh2: limit / 2, thresh3: limit }
    }
}
