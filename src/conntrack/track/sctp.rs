//! SCTP: associations by their chunks and verification tags.
//!
//! - obeys: rows [9.142], [9.143]; RFC 9260 sections 8.4, 8.5; `nf_conntrack_proto_sctp.c`
//!
//! A HEARTBEAT opens an entry for a second path of an association.

mod crc;
#[cfg(test)]
mod tests;

use super::{
    super::{
        entry::{Dir, Entry, Proto},
        events,
    },
    Facts, Step, Why, assure,
};

/// States of an association, with the kernel's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Nothing seen.
    None,
    /// An INIT seen, or the end.
    Closed,
    /// An INIT ACK seen.
    CookieWait,
    /// A COOKIE ECHO seen.
    CookieEchoed,
    /// A COOKIE ACK seen.
    Established,
    /// A SHUTDOWN seen in the original direction.
    ShutdownSent,
    /// A SHUTDOWN seen in the reply direction.
    ShutdownRecd,
    /// Its acknowledgement seen.
    ShutdownAckSent,
    /// A HEARTBEAT seen on a new path.
    HeartbeatSent,
}

impl State {
    /// All, by number.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::Closed,
        Self::CookieWait,
        Self::CookieEchoed,
        Self::Established,
        Self::ShutdownSent,
        Self::ShutdownRecd,
        Self::ShutdownAckSent,
        Self::HeartbeatSent,
    ];

    /// As `conntrack -L` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Closed => "CLOSED",
            Self::CookieWait => "COOKIE_WAIT",
            Self::CookieEchoed => "COOKIE_ECHOED",
            Self::Established => "ESTABLISHED",
            Self::ShutdownSent => "SHUTDOWN_SENT",
            Self::ShutdownRecd => "SHUTDOWN_RECD",
            Self::ShutdownAckSent => "SHUTDOWN_ACK_SENT",
            Self::HeartbeatSent => "HEARTBEAT_SENT",
        }
    }
}

/// State of an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sctp {
    pub(crate) state: State,
    last_dir: Dir,
    /// A HEARTBEAT came with another tag than the connection's.
    heartbeat_failed: bool,
    /// Which sides have sent an INIT.
    init: [bool; 2],
    /// The tag that packets of each direction carry.
    tags: [u32; 2],
}

/// Types of chunks.
mod chunk {
    pub(super) const DATA: u8 = 0;
    pub(super) const INIT: u8 = 1;
    pub(super) const INIT_ACK: u8 = 2;
    pub(super) const HEARTBEAT: u8 = 4;
    pub(super) const HEARTBEAT_ACK: u8 = 5;
    pub(super) const ABORT: u8 = 6;
    pub(super) const SHUTDOWN: u8 = 7;
    pub(super) const SHUTDOWN_ACK: u8 = 8;
    pub(super) const ERROR: u8 = 9;
    pub(super) const COOKIE_ECHO: u8 = 10;
    pub(super) const COOKIE_ACK: u8 = 11;
    pub(super) const SHUTDOWN_COMPLETE: u8 = 14;
}

/// The machine: by direction, chunk and state; nothing where the packet cannot be.
const fn transition(dir: Dir, ty: u8, state: State) -> Option<State> {
    use State::{
        Closed as CL, CookieEchoed as CE, CookieWait as CW, Established as ES, HeartbeatSent as HS,
        None as NO, ShutdownAckSent as SA, ShutdownRecd as SR, ShutdownSent as SS,
    };
    // In the order of the states; the first and the last of the reply rows are treated below.
    let row: [State; 9] = match (dir, ty) {
        (Dir::Original, chunk::INIT) => [CL, CL, CW, CE, ES, CL, CL, SA, CW],
        (Dir::Original, chunk::INIT_ACK | chunk::ERROR) => [CL, CL, CW, CE, ES, SS, SR, SA, CL],
        (Dir::Original, chunk::ABORT) => [CL; 9],
        (Dir::Original, chunk::SHUTDOWN) => [CL, CL, CW, CE, SS, SS, SR, SA, CL],
        (Dir::Original, chunk::SHUTDOWN_ACK) => [SA, CL, CW, CE, ES, SA, SA, SA, SA],
        (Dir::Original, chunk::COOKIE_ECHO) => [CL, CL, CE, CE, ES, SS, SR, SA, CL],
        (Dir::Original, chunk::COOKIE_ACK) => [CL, CL, CW, ES, ES, SS, SR, SA, CL],
        (Dir::Original, chunk::SHUTDOWN_COMPLETE) => [CL, CL, CW, CE, ES, SS, SR, CL, CL],
        (Dir::Original, chunk::HEARTBEAT) => [HS, CL, CW, CE, ES, SS, SR, SA, HS],
        (Dir::Original, chunk::HEARTBEAT_ACK) => [CL, CL, CW, CE, ES, SS, SR, SA, HS],
        (Dir::Reply, chunk::INIT) => [NO, CL, CW, CE, ES, SS, SR, SA, NO],
        (Dir::Reply, chunk::INIT_ACK) => [NO, CW, CW, CE, ES, SS, SR, SA, NO],
        (Dir::Reply, chunk::ABORT) => [NO, CL, CL, CL, CL, CL, CL, CL, NO],
        (Dir::Reply, chunk::SHUTDOWN) => [NO, CL, CW, CE, SR, SS, SR, SA, NO],
        (Dir::Reply, chunk::SHUTDOWN_ACK) => [NO, CL, CW, CE, ES, SA, SA, SA, NO],
        (Dir::Reply, chunk::ERROR) => [NO, CL, CW, CL, ES, SS, SR, SA, NO],
        (Dir::Reply, chunk::COOKIE_ECHO) => [NO, CL, CE, CE, ES, SS, SR, SA, NO],
        (Dir::Reply, chunk::COOKIE_ACK) => [NO, CL, CW, ES, ES, SS, SR, SA, NO],
        (Dir::Reply, chunk::SHUTDOWN_COMPLETE) => [NO, CL, CW, CE, ES, SS, SR, CL, NO],
        (Dir::Reply, chunk::HEARTBEAT) => [NO, CL, CW, CE, ES, SS, SR, SA, HS],
        (Dir::Reply, chunk::HEARTBEAT_ACK) => [NO, CL, CW, CE, ES, SS, SR, SA, ES],
        // DATA, SACK and all others change nothing.
        _ => return Some(state),
    };
    match row[state as usize] {
        // From here no row leads back to nothing: it stands for what cannot be.
        NO => None,
        next => Some(next),
    }
}

/// A chunk: type, flags and what follows its header.
#[derive(Clone, Copy)]
struct Chunk<'a> {
    ty: u8,
    flags: u8,
    len: u16,
    rest: &'a [u8],
}

impl Chunk<'_> {
    /// The tag that an INIT or its acknowledgement names; the fixed part must be whole.
    fn tag(&self) -> Option<u32> {
        let &[a, b, c, d, ..] = self.rest.first_chunk::<16>()?;
        Some(u32::from_be_bytes([a, b, c, d]))
    }

    /// Whether the tag is the sender's own, reflected (the T bit).
    const fn reflected(&self) -> bool {
        self.flags & 1 != 0
    }
}

/// Chunks of a packet, until one that is not whole; a length of zero ends the walk as well.
fn chunks(l4: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = l4.get(12..).unwrap_or_default();
    let mut over = false;
    std::iter::from_fn(move || {
        let &[ty, flags, high, low] = rest.first_chunk().filter(|_| !over)?;
        let len = u16::from_be_bytes([high, low]);
        let chunk = Chunk { ty, flags, len, rest: &rest[4..] };
        over = len == 0;
        rest = rest.get(usize::from(len).next_multiple_of(4)..).unwrap_or_default();
        Some(chunk)
    })
}

/// Which types a packet has.
#[derive(Clone, Copy, Default)]
struct Map([u64; 4]);

impl Map {
    const fn set(&mut self, ty: u8) {
        self.0[ty as usize / 64] |= 1 << (ty % 64);
    }

    const fn has(&self, ty: u8) -> bool {
        self.0[ty as usize / 64] & 1 << (ty % 64) != 0
    }

    /// The types of a packet, where its chunks may stand so.
    fn of(l4: &[u8]) -> Option<Self> {
        let mut map = Self::default();
        let mut alone = false;
        let mut count = 0;
        for chunk in chunks(l4) {
            alone |= matches!(chunk.ty, chunk::INIT | chunk::INIT_ACK | chunk::SHUTDOWN_COMPLETE);
            let first = alone || matches!(chunk.ty, chunk::COOKIE_ACK | chunk::COOKIE_ECHO);
            if first && count != 0 || chunk.len == 0 {
                return None;
            }
            map.set(chunk.ty);
            count += 1;
        }
        (count != 0).then_some(map)
    }
}

impl Sctp {
    const NEW: Self = Self {
        state: State::None,
        last_dir: Dir::Original,
        heartbeat_failed: false,
        init: [false; 2],
        tags: [0; 2],
    };

    /// The state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The tags that packets of each direction carry.
    pub const fn tags(&self) -> [u32; 2] {
        self.tags
    }

    /// An association made by hand.
    pub const fn in_state(state: State, tags: [u32; 2]) -> Self {
        Self { state, tags, ..Self::NEW }
    }

    pub(crate) const fn is_closing(&self) -> bool {
        matches!(self.state, State::ShutdownSent | State::ShutdownRecd | State::ShutdownAckSent)
    }

    /// The state of an association whose first packet this is.
    fn begin(l4: &[u8], tag: u32) -> Option<Self> {
        let mut sctp = Self::NEW;
        for chunk in chunks(l4) {
            if transition(Dir::Original, chunk.ty, State::None)? == State::None {
                return None;
            }
            match chunk.ty {
                chunk::INIT if tag != 0 => return None,
                chunk::INIT => sctp.tags[1] = chunk.tag()?,
                chunk::HEARTBEAT => sctp.tags[0] = tag,
                // An acknowledged shutdown out of the blue is answered with its own tag.
                chunk::SHUTDOWN_ACK => sctp.tags[1] = tag,
                _ => {}
            }
        }
        Some(sctp)
    }

    /// Checks the tag where a chunk has a rule of its own. `Some(true)`: the chunk changes nothing.
    fn tag_allows(&mut self, chunk: &Chunk<'_>, tag: u32, dir: Dir, quiet: bool) -> Option<bool> {
        let (here, there) = (dir.index(), dir.other().index());
        match chunk.ty {
            chunk::INIT if tag != 0 => return None,
            chunk::ABORT | chunk::SHUTDOWN_COMPLETE => {
                let wanted = if chunk.reflected() { self.tags[there] } else { self.tags[here] };
                if tag != wanted {
                    return None;
                }
            }
            chunk::COOKIE_ECHO if tag != self.tags[here] => return None,
            chunk::COOKIE_ACK => self.init = [false; 2],
            chunk::HEARTBEAT | chunk::HEARTBEAT_ACK => {
                if self.tags[here] == 0 {
                    self.tags[here] = tag;
                } else if tag == self.tags[here] {
                    self.heartbeat_failed = false;
                } else if quiet {
                    return None;
                } else if chunk.ty == chunk::HEARTBEAT {
                    self.heartbeat_failed = true;
                    self.last_dir = dir;
                    return Some(true);
                } else {
                    // The answer with the new tag shows that the association was made anew.
                    if !self.heartbeat_failed || self.last_dir == dir {
                        return None;
                    }
                    self.heartbeat_failed = false;
                    self.tags[here] = tag;
                    self.tags[there] = 0;
                }
            }
            _ => {}
        }
        Some(false)
    }

    /// Learns the tag that an INIT or its acknowledgement names.
    fn learn(&mut self, chunk: &Chunk<'_>, dir: Dir) -> Option<()> {
        let (here, there) = (dir.index(), dir.other().index());
        match chunk.ty {
            chunk::INIT => {
                let tag = chunk.tag()?;
                if self.init[here] && self.init[there] {
                    self.init[there] = false;
                }
                self.init[here] = true;
                self.tags[there] = tag;
            }
            chunk::INIT_ACK => {
                let tag = chunk.tag()?;
                let known = self.tags[there];
                let collision = self.init[here] && self.init[there];
                if known != tag && (!self.init[there] && known != 0 || collision) {
                    return None;
                }
                self.tags[there] = tag;
            }
            _ => {}
        }
        Some(())
    }
}

/// A packet of an association.
pub(crate) fn packet(entry: &mut Entry, facts: &Facts<'_>) -> Step {
    let Some(&[_, _, _, _, a, b, c, d, crc @ ..]) = facts.l4.first_chunk::<12>() else {
        return Step::Invalid(Why::Short);
    };
    if facts.verify && crc::of_packet(facts.l4) != u32::from_le_bytes(crc) {
        return Step::Invalid(Why::BadChecksum);
    }
    let tag = u32::from_be_bytes([a, b, c, d]);
    let Some(map) = Map::of(facts.l4) else { return Step::Invalid(Why::BadChunks) };
    let any = |types: &[u8]| types.iter().any(|&ty| map.has(ty));
    if facts.fresh {
        // Out of the blue, and nobody would answer (RFC 9260 section 8.4).
        if any(&[chunk::ABORT, chunk::SHUTDOWN_COMPLETE, chunk::COOKIE_ACK]) {
            return Step::Invalid(Why::NoStart);
        }
        match Sctp::begin(facts.l4, tag) {
            Some(sctp) => entry.proto = Proto::Sctp(sctp),
            None => return Step::Invalid(Why::NoStart),
        }
    }
    let Proto::Sctp(sctp) = &mut entry.proto else { return Step::Invalid(Why::BadState) };
    let dir = facts.dir;
    let own_rule = any(&[
        chunk::INIT,
        chunk::SHUTDOWN_COMPLETE,
        chunk::COOKIE_ECHO,
        chunk::ABORT,
        chunk::SHUTDOWN_ACK,
        chunk::HEARTBEAT,
        chunk::HEARTBEAT_ACK,
    ]);
    if !own_rule && tag != sctp.tags[dir.index()] {
        return Step::Invalid(Why::BadTag);
    }

    let data = map.has(chunk::DATA);
    let mut ignore = false;
    let (mut happened, mut established) = (false, false);
    let mut state = State::None;
    for chunk in chunks(facts.l4) {
        match sctp.tag_allows(&chunk, tag, dir, data || ignore) {
            None => return Step::Invalid(Why::BadTag),
            Some(true) => {
                ignore = true;
                continue;
            }
            Some(false) => {}
        }
        let old = sctp.state;
        let Some(new) = transition(dir, chunk.ty, old) else {
            return Step::Invalid(Why::BadState);
        };
        if sctp.learn(&chunk, dir).is_none() {
            return Step::Invalid(Why::BadTag);
        }
        // An INIT sent again does not keep an entry, with its translation, alive for ever.
        ignore |=
            chunk.ty == chunk::INIT && (old, new) == (State::Closed, State::Closed) && !facts.fresh;
        sctp.state = new;
        state = new;
        happened |= old != new;
        established |= old != new && new == State::Established;
    }
    if happened {
        entry.happened(events::PROTOINFO);
    }
    if established {
        assure(entry);
    }
    if ignore { Step::Pass } else { Step::Refresh(facts.timeouts.sctp[state as usize]) }
}
