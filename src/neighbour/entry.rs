//! One neighbour: its key, its state, and the packets that wait for it.
//!
//! - obeys: RFC 4861 section 7.3.2; ledger 7.2, 7.9, 7.23 to 7.25, 7.46 to 7.48

use std::{collections::VecDeque, net::IpAddr};

use crate::{graph::Nanos, packet::MacAddr};

/// A neighbour: the interface it is on, and its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Interface.
    pub iface: u16,
    /// Address.
    pub address: IpAddr,
}

impl Key {
    /// The table that it is in.
    pub const fn family(&self) -> Family {
        match self.address {
            IpAddr::V4(_) => Family::Arp,
            IpAddr::V6(_) => Family::Ndisc,
        }
    }
}

/// The two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4, by ARP.
    Arp,
    /// IPv6, by neighbour discovery.
    Ndisc,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Arp, Self::Ndisc];

    /// Name as `ip ntable` has it.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Arp => "arp_cache",
            Self::Ndisc => "ndisc_cache",
        }
    }
}

/// States of `ip neigh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Nothing has been asked yet.
    None,
    /// Asked, not answered yet.
    Incomplete,
    /// Known to answer.
    Reachable,
    /// Known, but not confirmed for a while.
    Stale,
    /// In use again; asked soon unless something confirms it.
    Delay,
    /// Being asked again by unicast.
    Probe,
    /// Did not answer.
    Failed,
    /// Never asked.
    Noarp,
    /// Set by the administrator.
    Permanent,
}

impl State {
    /// All of them, in the order of the kernel's bits.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::Incomplete,
        Self::Reachable,
        Self::Stale,
        Self::Delay,
        Self::Probe,
        Self::Failed,
        Self::Noarp,
        Self::Permanent,
    ];

    /// Name as `ip neigh` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Incomplete => "INCOMPLETE",
            Self::Reachable => "REACHABLE",
            Self::Stale => "STALE",
            Self::Delay => "DELAY",
            Self::Probe => "PROBE",
            Self::Failed => "FAILED",
            Self::Noarp => "NOARP",
            Self::Permanent => "PERMANENT",
        }
    }

    /// Packets may be sent to its address (`NUD_VALID`).
    pub const fn is_valid(self) -> bool {
        !matches!(self, Self::None | Self::Incomplete | Self::Failed)
    }

    /// Its address is beyond doubt (`NUD_CONNECTED`).
    pub const fn is_connected(self) -> bool {
        matches!(self, Self::Reachable | Self::Noarp | Self::Permanent)
    }

    /// A timer runs (`NUD_IN_TIMER`).
    pub const fn in_timer(self) -> bool {
        matches!(self, Self::Incomplete | Self::Reachable | Self::Delay | Self::Probe)
    }
}

/// Marks of an entry beside its state (`NTF_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryFlags {
    /// It says that it is a router.
    pub router: bool,
    /// Somebody else than this machine learned it, and takes it away too.
    pub ext_learned: bool,
    /// It is kept resolved without traffic.
    pub managed: bool,
}

/// How an update is meant (`NEIGH_UPDATE_F_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpdateFlags {
    /// A new link-layer address replaces the old one.
    pub overrides: bool,
    /// One that does not replace the old one casts doubt on it.
    pub weak: bool,
    /// What is said about being a router counts.
    pub overrides_router: bool,
    /// It is a router.
    pub router: bool,
    /// It comes from the administrator.
    pub admin: bool,
    /// Only asks for the neighbour to be resolved.
    pub probes: bool,
    /// It is externally learned.
    pub ext_learned: bool,
    /// It is to be kept resolved.
    pub managed: bool,
}

impl UpdateFlags {
    /// A new address replaces the old one.
    pub const OVERRIDE: Self = Self {
        overrides: true,
        weak: false,
        overrides_router: false,
        router: false,
        admin: false,
        probes: false,
        ext_learned: false,
        managed: false,
    };

    /// As by the administrator, who replaces what is there.
    pub const ADMIN: Self = Self { admin: true, overrides_router: true, ..Self::OVERRIDE };
}

/// Moments before the clock began count too.
pub(super) type Stamp = i64;

/// One neighbour.
#[derive(Debug)]
pub struct Entry<P> {
    /// State.
    pub state: State,
    /// Link-layer address, of meaning while the state is valid.
    pub mac: Option<MacAddr>,
    /// Marks.
    pub flags: EntryFlags,
    /// Questions asked since the last answer, from `ucast_solicit` on for a first resolution.
    pub probes: u32,
    /// Who made it (`RTPROT_*`), 0 for nobody in particular.
    pub protocol: u8,
    pub(super) confirmed: Stamp,
    pub(super) used: Stamp,
    pub(super) updated: Stamp,
    pub(super) deadline: Option<(Nanos, u64)>,
    pub(super) queue: Queue<P>,
    /// Where the collector finds it.
    pub(super) place: Place,
    /// What workers send it to.
    pub(super) shown: Option<MacAddr>,
    /// Workers are to say when they use it.
    pub(super) watched: bool,
}

/// Ages of an entry, as `ip -s neigh` prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// Since it was last used.
    pub used: Nanos,
    /// Since it was last known to answer.
    pub confirmed: Nanos,
    /// Since its state or address changed.
    pub updated: Nanos,
}

impl<P> Entry<P> {
    pub(super) fn new(now: Stamp, confirmed: Stamp) -> Self {
        Self {
            state: State::None,
            mac: None,
            flags: EntryFlags::default(),
            probes: 0,
            protocol: 0,
            confirmed,
            used: now,
            updated: now,
            deadline: None,
            queue: Queue::default(),
            place: Place::default(),
            shown: None,
            watched: false,
        }
    }

    /// Its link-layer address, while packets may be sent there.
    pub fn valid_mac(&self) -> Option<MacAddr> {
        self.mac.filter(|_| self.state.is_valid())
    }

    /// Workers are to say when they use it.
    pub fn is_watched(&self) -> bool {
        self.watched
    }

    /// How long ago things happened to it.
    pub fn ages(&self, now: Nanos) -> Ages {
        let since = |then: Stamp| Nanos::try_from(now as Stamp - then).unwrap_or(0);
        Ages {
            used: since(self.used),
            confirmed: since(self.confirmed),
            updated: since(self.updated),
        }
    }

    /// When its timer runs out.
    pub fn deadline(&self) -> Option<Nanos> {
        self.deadline.map(|(at, _)| at)
    }

    /// Packets that wait for it.
    pub fn waiting(&self) -> usize {
        self.queue.packets.len()
    }

    /// What a permanent or externally learned entry is: not the collector's.
    pub(super) fn is_exempt(&self) -> bool {
        self.state == State::Permanent || self.flags.ext_learned
    }
}

/// Where the collector finds an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// It counts against the thresholds.
    pub(super) counted: bool,
    /// Its rank for a forced run.
    pub(super) forced: Option<Stamp>,
    /// When a periodic run may take it.
    pub(super) aged: Option<Stamp>,
}

/// Packets that wait for one neighbour, the oldest first, bounded in bytes.
#[derive(Debug)]
pub(super) struct Queue<P> {
    packets: VecDeque<(P, u64)>,
    bytes: u64,
}

impl<P> Default for Queue<P> {
    fn default() -> Self {
        Self { packets: VecDeque::new(), bytes: 0 }
    }
}

/// What a waiting packet costs beside its bytes, about the kernel's `skb->truesize` overhead.
const PACKET_OVERHEAD: u64 = 768;

impl<P> Queue<P> {
    /// Adds a packet of `len` bytes; gives those that had to go for it. The newest stays whatever
    /// its size.
    pub(super) fn push(&mut self, packet: P, len: usize, limit: u64) -> Vec<P> {
        let size = len as u64 + PACKET_OVERHEAD;
        let mut over = Vec::new();
        while self.bytes + size > limit
            && let Some((oldest, cost)) = self.packets.pop_front()
        {
            self.bytes -= cost;
            over.push(oldest);
        }
        self.packets.push_back((packet, size));
        self.bytes += size;
        over
    }

    pub(super) fn take(&mut self) -> Vec<P> {
        self.bytes = 0;
        std::mem::take(&mut self.packets).into_iter().map(|(packet, _)| packet).collect()
    }

    pub(super) fn newest(&self) -> Option<&P> {
        self.packets.back().map(|(packet, _)| packet)
    }
}
