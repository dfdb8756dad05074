//! `SYNPROXY`: clients prove themselves before a server hears of them.
//!
//! - takes: segments that a rule hands over, and those of connections whose client has proved itself
//! - gives: answers in the server's stead, the client's SYN to the server, what finishes both
//!   handshakes; later, segments whose numbers and times each side knows
//! - obeys: `ipt_SYNPROXY`, `ip6t_SYNPROXY`, `nf_synproxy_core.c`, in the order of their checks
//!
//! The numbers that the server chose differ from those that the client was told: they are corrected as
//! behind a rewritten payload, from the server's acknowledgement on.

use super::{
    around::Around,
    hooked::{PROXIED, PROXY},
    own::{Maker, Segment},
    pass::{Fate, Passage, done, is_whole, note_of},
};
use crate::{
    conntrack::{
        Addr, ConnId, CtInfo, Dir, entry::Proto, events, headers, nat::sequence, track::tcp::State,
    },
    dpdk::mbuf::Meta,
    graph::{Cx, Nanos},
    netfilter::{
        DropCause, Verdict, View,
        flows::Flows,
        proxy::{Ends, Options, has},
        rule::Synproxy,
    },
    packet::{
        ipv4::protocol,
        tcp::{field, flag},
    },
    tables::Tables,
};

/// What is read of a segment.
#[derive(Clone, Copy)]
struct Heard {
    ends: Ends,
    seq: u32,
    ack: u32,
    flags: u8,
    window: u16,
    options: Option<Options>,
}

impl Heard {
    fn of(ip: &[u8]) -> Option<Self> {
        let found = headers::find(ip).filter(|found| found.proto == protocol::TCP)?;
        let segment = ip.get(found.l4..)?;
        let head = segment.first_chunk::<20>()?;
        let word =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let half = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let (src, dst) = if found.six {
            let address = |at: usize| ip.get(at..)?.first_chunk().copied().map(Addr);
            (address(8)?, address(24)?)
        } else {
            let address = |at: usize| ip.get(at..)?.first_chunk().copied().map(Addr::four);
            (address(12)?, address(16)?)
        };
        let ends = Ends { six: found.six, src, dst, sport: half(0), dport: half(2) };
        Some(Self {
            ends,
            seq: word(field::SEQ.start),
            ack: word(field::ACK.start),
            flags: head[field::FLAGS],
            window: half(field::WINDOW.start),
            options: Options::of(segment),
        })
    }

    const fn is(&self, set: u8, clear: u8) -> bool {
        self.flags & (set | clear) == set
    }
}

/// A client that has acknowledged what it was answered has the server hear of it.
fn hear(
    heard: &Heard,
    options: Options,
    seq: u32,
    maker: &Maker<'_>,
    own: &mut Flows,
    now: Nanos,
) -> bool {
    let number = heard.ack.wrapping_sub(1);
    let seq = seq.wrapping_sub(1);
    let Some(mss) = own.cookies.size(&heard.ends, seq, number, now) else { return false };
    let options = options.recall(mss);
    let ecn = if options.is(has::ECN) { flag::ECE | flag::CWR } else { 0 };
    let syn = Segment {
        ends: heard.ends,
        seq,
        // Tells the connection that it makes which number the client knows.
        ack: number,
        flags: flag::SYN | ecn,
        window: heard.window,
        options,
    };
    let meta = Meta { done: done::PROXIED, ..Meta::default() };
    let _ = maker.send(&syn, meta, own);
    true
}

/// A rule hands a segment over.
pub(super) fn answer(around: &mut Around<'_>, how: &Synproxy, view: &View<'_>) -> Verdict {
    let failed = Verdict::Drop(DropCause::Target);
    let ip = view.bytes();
    if !is_whole(ip) {
        return failed;
    }
    let Some((heard, options)) = Heard::of(ip).and_then(|heard| Some((heard, heard.options?)))
    else {
        return failed;
    };
    let maker = around.maker();
    let (not_syn, not_ack) = match how.lax {
        true => (0, flag::SYN),
        false => (flag::ACK | flag::FIN | flag::RST, flag::FIN | flag::RST | flag::SYN),
    };
    if heard.is(flag::SYN, not_syn) {
        let asks_ecn = heard.is(flag::ECE | flag::CWR, 0);
        let asked = Options { has: options.has | if asks_ecn { has::ECN } else { 0 }, ..options };
        let offer = asked.offer(how, around.now);
        let mss = if options.is(has::MSS) { options.mss } else { 0 };
        let seq = around.own.cookies.number(&heard.ends, heard.seq, mss, around.now);
        let ecn = if offer.is(has::ECN) { flag::ECE } else { 0 };
        let answer = Segment {
            ends: heard.ends.back(),
            seq,
            ack: heard.seq.wrapping_add(1),
            flags: flag::SYN | flag::ACK | ecn,
            window: 0,
            options: offer,
        };
        let conn = view.about.conn.id;
        let info = if conn == 0 { 0 } else { note_of(CtInfo::EstablishedReply) };
        let _ = maker.send(&answer, Meta { conn, info, ..Meta::default() }, around.own);
        return Verdict::Stolen;
    }
    if heard.is(flag::ACK, not_ack) {
        return match hear(&heard, options, heard.seq, &maker, around.own, around.now) {
            true => Verdict::Stolen,
            false => Verdict::Drop(DropCause::Cookie),
        };
    }
    Verdict::Accept
}

/// The SYN to a server has made its connection.
pub(super) fn begin(conn: ConnId, own: &mut Flows) -> bool {
    let table = &own.conntrack;
    let Some(place) = own.proxies.take(conn, |conn| table.get(conn).is_some()) else {
        return false;
    };
    if let Some(entry) = own.conntrack.get_mut(conn) {
        entry.set_proxy(place);
    }
    true
}

/// The server's handshake is finished: from now on its numbers are corrected.
pub(super) fn finish(conn: ConnId, own: &mut Flows) {
    let place = own.conntrack.get(conn).map_or(0, |entry| entry.proxy());
    let proxied = own.proxies.get_mut(place, conn);
    if let Some(by) = proxied.and_then(|proxied| proxied.correction.take()) {
        correct(conn, Dir::Reply, by, own);
    }
}

/// `nf_ct_seqadj_init`
fn correct(conn: ConnId, dir: Dir, by: i32, own: &mut Flows) {
    if by != 0
        && let Some(corrections) = own.conntrack.seqadj_mut(conn)
    {
        let way = &mut corrections.ways[dir.index()];
        (way.before, way.after) = (by, by);
    }
}

/// A segment of a connection whose client has proved itself leaves.
pub(super) fn watch(
    passage: &mut Passage<'_>,
    conn: ConnId,
    place: u32,
    cx: &mut Cx<'_, Tables>,
) -> Fate {
    let Some(heard) = Heard::of(passage.ip()) else { return Fate::On };
    let dir = passage.info().dir();
    let Some(Proto::Tcp(tcp)) = cx.own.conntrack.get(conn).map(|entry| &entry.proto) else {
        return Fate::On;
    };
    let (state, client_window) = (tcp.state(), tcp.seen[Dir::Original.index()].maxwin);
    let maker = passage.maker(cx);
    let own = &mut *cx.own;
    let Some(proxied) = own.proxies.get_mut(place, conn) else { return Fate::On };
    let original = dir == Dir::Original;
    match state {
        State::Close if heard.is(flag::RST, 0) && !original => {
            let by = proxied.first.wrapping_sub(heard.seq).wrapping_add(1);
            correct(conn, dir, by as i32, own);
        }
        State::Close if !heard.is(flag::SYN, flag::ACK) || !original => {}
        State::Close | State::SynSent => {
            if state == State::Close {
                proxied.ahead = 0;
            }
            let Some(options) = heard.options else { return Fate::Edge(PROXY) };
            if heard.is(flag::ACK, flag::SYN) && original {
                // What keeps a connection alive is numbered one lower.
                let seq = heard.seq.wrapping_add(1);
                return match hear(&heard, options, seq, &maker, own, cx.now) {
                    true => Fate::Edge(PROXIED),
                    false => Fate::Edge(PROXY),
                };
            }
            proxied.first = heard.ack;
            if options.is(has::STAMP) {
                proxied.told = options.echo;
            }
            happened(conn, events::SYNPROXY, own);
        }
        State::SynRecv if heard.is(flag::SYN | flag::ACK, 0) => {
            let Some(options) = heard.options else { return Fate::Edge(PROXY) };
            if options.is(has::STAMP) {
                proxied.ahead = options.stamp.wrapping_sub(proxied.told);
            }
            proxied.correction = Some(proxied.first.wrapping_sub(heard.seq) as i32);
            let times = Options { has: options.has & has::STAMP, ..options };
            let to_server = Segment {
                ends: heard.ends.back(),
                seq: heard.ack,
                ack: heard.seq.wrapping_add(1),
                flags: flag::ACK,
                window: client_window as u16,
                options: Options { stamp: times.echo, echo: times.stamp, ..times },
            };
            let to_client = Segment {
                ends: heard.ends,
                seq: heard.seq.wrapping_add(1),
                ack: heard.ack,
                flags: flag::ACK,
                window: heard.window.checked_shr(u32::from(options.scale)).unwrap_or(0),
                options: times,
            };
            let _ = maker.send(&to_server, Meta::default(), own);
            let info = note_of(CtInfo::EstablishedReply);
            let meta = Meta { conn: conn.to_bits(), info, done: done::FINISHES, ..Meta::default() };
            let _ = maker.send(&to_client, meta, own);
            happened(conn, events::SYNPROXY, own);
            return Fate::Edge(PROXIED);
        }
        _ => {}
    }
    let ahead = own.proxies.get_mut(place, conn).map_or(0, |proxied| proxied.ahead);
    if ahead != 0 && !tell_time(passage.ip_mut(), ahead, original) {
        return Fate::Edge(PROXY);
    }
    Fate::On
}

fn happened(conn: ConnId, event: u16, own: &mut Flows) {
    if let Some(entry) = own.conntrack.get_mut(conn) {
        entry.happened(event);
    }
}

/// Each side is told the time that it knows; false where the options cannot be read.
fn tell_time(ip: &mut [u8], ahead: u32, original: bool) -> bool {
    let Some(found) = headers::find(ip) else { return true };
    let Some(segment) = ip.get_mut(found.l4..) else { return true };
    let end = segment.get(field::DATA_OFFSET).map_or(0, |words| usize::from(words >> 4) * 4);
    let mut at = 20;
    while at < end {
        match segment.get(at..end) {
            Some([0, ..]) => return true,
            Some([1, ..]) => at += 1,
            Some([8, 10, rest @ ..]) if rest.len() >= 8 => {
                let changed = if original {
                    sequence::change_at(segment, at + 6, |echo| echo.wrapping_add(ahead))
                } else {
                    sequence::change_at(segment, at + 2, |stamp| stamp.wrapping_sub(ahead))
                };
                return changed.is_some();
            }
            Some([_, len @ (2..), ..]) if at + usize::from(*len) <= end => at += usize::from(*len),
            _ => return false,
        }
    }
    true
}
