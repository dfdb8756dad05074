//! A packet of a connection that its worker has found without looking it up.
//!
//! - takes: the connection, and a plain packet of it that begins and ends nothing
//! - gives: whether it has been tracked; where not, nothing has changed, and it goes the usual way
//! - obeys: what [`Conntrack::enter`] and [`Conntrack::confirm`] would make of it, word for word
//! - costs: the checksum where it is to be verified, and two lines of the entry; of streams of UDP none
//!   of them, as a packet only moves their end, which stands beside the entry, four to a line
//!
//! Who reads when such an entry ends asks [`Conntrack::ends`].

use super::{
    Nanos,
    entry::{ConnId, Dir, Entry, dirs, feature, status},
    rules::Rules,
    table::Conntrack,
    track::{self, Facts, Step},
};

/// What a connection must be, and what of it must not be, for packets to be known.
const WANTED: u32 = status::CONFIRMED | status::SEEN_REPLY;
const UNWANTED: u32 = status::DYING | status::SEQ_ADJUST | status::NAT_CLASH | status::TEMPLATE;

/// When an entry ends, for those whose packets change nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Life {
    /// The entry's end, or an earlier one where the entry knows better.
    pub(super) expires: Nanos,
    /// The entry's generation; 0 where its packets change more.
    generation: u32,
}

/// A packet, and which connection it is known to be of.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The connection.
    pub conn: ConnId,
    /// Which way the packet goes.
    pub dir: Dir,
    /// All of it, from its network header on.
    pub packet: &'a [u8],
    /// Where its transport header stands.
    pub l4: usize,
    /// It is of UDP, and else of TCP.
    pub udp: bool,
    /// The connection's packets are counted.
    pub counts: bool,
}

impl Conntrack {
    /// Whether packets of a connection may be known: nobody reads or changes more of them than their
    /// headers.
    #[inline]
    pub fn is_known(&self, conn: ConnId) -> bool {
        self.get(conn).is_some_and(is_steady)
    }

    /// Asks for the lines of an entry that a known packet needs.
    #[inline(always)]
    pub fn lines(&self, conn: u64) -> Option<(&u32, &super::entry::Proto)> {
        self.entries.get(conn as u32 as usize).map(|entry| (&entry.status, &entry.proto))
    }

    /// Asks for the line that a packet of a known stream needs.
    #[inline(always)]
    pub(crate) fn life(&self, conn: u64) -> Option<&impl Sized> {
        self.lives.get(conn as u32 as usize)
    }

    /// Whether packets and octets of a connection are counted.
    pub fn counts_packets(&self, conn: ConnId) -> bool {
        self.get(conn).is_some_and(|entry| entry.nodes[0].features & feature::ACCT != 0)
    }

    /// How long a connection lives from each packet on, where from now on a packet changes nothing but
    /// that; not of those whose packets are counted.
    pub fn stream(&mut self, conn: ConnId, rules: &Rules, now: Nanos) -> Option<Nanos> {
        let entry = self.get(conn).filter(|entry| is_steady(entry))?;
        if entry.nodes[0].features & feature::ACCT != 0 {
            return None;
        }
        let timeout = track::udp::stream(entry, rules.timeouts_of(entry.policy), now)?;
        let entry = &mut self.entries[conn.index as usize];
        entry.zone_dirs |= dirs::KNOWN;
        let expires = entry.expires;
        self.lives[conn.index as usize] = Life { expires, generation: conn.generation };
        Some(timeout)
    }

    /// A packet of a known stream passes, which the caller counts ([`Conntrack::count_streams`]).
    /// `timeout` is what [`Conntrack::stream`] said; `packet` begins with its network header, which is
    /// without options.
    #[inline(always)]
    pub fn pass_stream<const SIX: bool>(
        &mut self,
        conn: ConnId,
        packet: &[u8],
        timeout: Nanos,
        now: Nanos,
        verify: bool,
    ) -> bool {
        let Some(life) = self.lives.get_mut(conn.index as usize) else { return false };
        let lives = (life.generation == conn.generation) & (life.expires > now);
        if !lives || !track::udp::is_sound::<SIX>(packet, verify) {
            return false;
        }
        life.expires = now.saturating_add(timeout);
        true
    }

    /// Counts packets of known streams that have passed, as all packets are counted that belong to a
    /// connection.
    pub const fn count_streams(&mut self, packets: u64) {
        self.stats.searched += packets;
        self.stats.found += packets;
    }

    /// A packet of a known connection passes.
    #[inline]
    pub fn pass_known(&mut self, known: &Known<'_>, now: Nanos, rules: &Rules) -> bool {
        let Known { conn, dir, packet, l4, .. } = *known;
        let index = conn.index;
        let Some(entry) = self.entries.get_mut(index as usize) else { return false };
        let alive = entry.live && entry.generation == conn.generation && entry.expires > now;
        if !alive || !is_steady(entry) {
            return false;
        }
        let facts = Facts {
            packet,
            l4: packet.get(l4..).unwrap_or_default(),
            six: l4 == 40,
            dir,
            fresh: false,
            verify: rules.checksum,
            now,
            rules,
            timeouts: rules.timeouts_of(entry.policy),
            seqadj: None,
        };
        let step = if known.udp {
            // It changes nothing before it is sure.
            track::udp::packet(entry, &facts)
        } else {
            let before = (entry.status, entry.events, entry.proto);
            let step = track::tcp::packet(entry, &facts);
            if !matches!(step, Step::Refresh(_)) {
                (entry.status, entry.events, entry.proto) = before;
            }
            step
        };
        let Step::Refresh(timeout) = step else { return false };
        self.refresh(index, timeout, now);
        if known.counts {
            let counts = &mut self.acct[index as usize];
            counts[dir.index() * 2] += 1;
            counts[dir.index() * 2 + 1] += packet.len() as u64;
        }
        self.stats.searched += 1;
        self.stats.found += 1;
        let entry = &mut self.entries[index as usize];
        if entry.events != 0 {
            let what = std::mem::take(&mut entry.events);
            self.tell(index, what, now);
        }
        true
    }

    /// When an entry of the table ends.
    #[inline]
    pub(crate) fn ends(&self, index: u32) -> Nanos {
        let entry = &self.entries[index as usize];
        match entry.zone_dirs & dirs::KNOWN {
            0 => entry.expires,
            _ => self.lives[index as usize].expires.max(entry.expires),
        }
    }

    /// Whether an entry's time is over, having looked at all that is known of it.
    #[inline]
    pub(crate) fn is_over(&mut self, index: u32, now: Nanos) -> bool {
        if !self.entries[index as usize].is_expired(now) {
            return false;
        }
        self.entries[index as usize].expires = self.ends(index);
        self.entries[index as usize].is_expired(now)
    }

    /// Packets of an entry are to be looked at again.
    pub(crate) fn unknow(&mut self, index: u32) {
        let expires = self.ends(index);
        let entry = &mut self.entries[index as usize];
        if entry.zone_dirs & dirs::KNOWN != 0 {
            entry.expires = expires;
            entry.zone_dirs &= !dirs::KNOWN;
            self.lives[index as usize] = Life::default();
        }
    }
}

#[inline(always)]
const fn is_steady(entry: &Entry) -> bool {
    entry.status & (WANTED | UNWANTED) == WANTED && entry.helper == 0 && entry.seqadj == 0
}
