//! Whether a segment fits into what both sides have said before.
//!
//! - obeys: rows [9.128] to [9.130], [9.135], [9.136]; Guido van Rooij, "Real Stateful TCP Packet
//!   Filtering in IP Filter"; `tcp_in_window`

use crate::packet::tcp::flag as flags;

use super::{Class, Segment, Side, State, Tcp, Why, flag};
use crate::conntrack::{
    entry::Dir,
    seqadj::{after, before},
    track::Facts,
};

/// Least that an acknowledgement may lag behind.
const LEAST_ACK_WINDOW: u32 = 66_000;

/// What the window says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Accept,
    /// It may pass, but nothing is learned from it.
    Ignore,
    Invalid(Why),
}

impl Side {
    fn ack_window(&self) -> u32 {
        self.maxwin.max(LEAST_ACK_WINDOW)
    }

    /// Begins with a SYN.
    fn begin(&mut self, other: &mut Self, segment: &Segment<'_>, dir: Dir) {
        self.end = segment.end();
        self.maxend = self.end;
        self.maxwin = u32::from(segment.window).max(1);
        segment.read_options(self);
        // Scaling counts only where both sides offer it (RFC 7323 section 1.3).
        if dir == Dir::Reply && self.flags & other.flags & flag::WINDOW_SCALE == 0 {
            self.scale = 0;
            other.scale = 0;
        }
    }
}

impl Tcp {
    /// Judges a segment and learns from it.
    #[inline]
    pub(super) fn in_window(&mut self, segment: &Segment<'_>, facts: &Facts<'_>) -> Judgement {
        let dir = facts.dir;
        let [original, reply] = &mut self.seen;
        let (sender, receiver) = match dir {
            Dir::Original => (original, reply),
            Dir::Reply => (reply, original),
        };
        let syn = segment.has(flags::SYN);
        let has_ack = segment.has(flags::ACK);
        let (mut seq, mut end) = (segment.seq, segment.end());
        let mut ack = segment.ack;
        let mut sack =
            if receiver.flags & flag::SACK_PERM != 0 { segment.highest_ack() } else { ack };
        if let Some(adj) = facts.seqadj {
            let offset = adj.offset(dir.other().index(), ack.wrapping_sub(1)) as u32;
            ack = ack.wrapping_sub(offset);
            sack = sack.wrapping_sub(offset);
        }
        let mut win = u32::from(segment.window);

        if sender.maxwin == 0 {
            if syn {
                sender.begin(receiver, segment, dir);
                if !has_ack {
                    return Judgement::Accept;
                }
            } else {
                // Its history is lost; what it says must do.
                sender.end = end;
                sender.maxwin = (win << sender.scale).max(1);
                sender.maxend = end.wrapping_add(sender.maxwin);
                if receiver.maxwin == 0 {
                    receiver.end = sack;
                    receiver.maxend = sack;
                } else if sack == receiver.end.wrapping_add(1) {
                    // Most likely the answer to a probe that keeps the connection alive.
                    receiver.end = sack;
                }
            }
        } else if syn
            && after(end, sender.end)
            && matches!(self.state, State::SynSent | State::SynRecv)
        {
            // Opened again with higher numbers (RFC 793 page 30).
            sender.begin(receiver, segment, dir);
            if dir == Dir::Reply && !has_ack {
                return Judgement::Accept;
            }
        }

        let rst = segment.has(flags::RST);
        if !has_ack || rst && ack == 0 {
            // Some set ACK with a zero in their resets.
            ack = receiver.end;
            sack = ack;
        }
        if rst && seq == 0 && self.state == State::SynSent {
            // A reset that answers a SYN.
            seq = sender.end;
            end = seq;
        }

        if let Some(judgement) = judge(sender, receiver, seq, end, sack) {
            let liberal = facts.rules.tcp_be_liberal || sender.flags & flag::BE_LIBERAL != 0;
            return if liberal { Judgement::Accept } else { judgement };
        }

        if !syn {
            win <<= sender.scale;
        }
        sender.maxwin = sender.maxwin.max(win.wrapping_add(sack.wrapping_sub(ack)));
        if after(end, sender.end) {
            sender.end = end;
            sender.flags |= flag::DATA_UNACKNOWLEDGED;
        }
        if has_ack && (sender.flags & flag::MAXACK_SET == 0 || after(ack, sender.maxack)) {
            sender.maxack = ack;
            sender.flags |= flag::MAXACK_SET;
        }
        if receiver.maxwin != 0 && after(end, sender.maxend) {
            receiver.maxwin = receiver.maxwin.wrapping_add(end.wrapping_sub(sender.maxend));
        }
        let offered = sack.wrapping_add(win);
        if after(offered, receiver.maxend.wrapping_sub(1)) {
            // A closed window may be probed with one octet.
            receiver.maxend = offered.wrapping_add(u32::from(win == 0));
        }
        if ack == receiver.end {
            receiver.flags &= !flag::DATA_UNACKNOWLEDGED;
        }

        if segment.class() == Class::Ack {
            let now = (dir, seq, ack, end, segment.window);
            let last = (self.last_dir, self.last_seq, self.last_ack, self.last_end, self.last_win);
            if now == last {
                self.retrans = self.retrans.saturating_add(1);
            } else {
                (self.last_dir, self.last_seq, self.last_ack, self.last_end, self.last_win) = now;
                self.retrans = 0;
            }
        }
        Judgement::Accept
    }
}

/// The four conditions; nothing when all hold.
fn judge(sender: &mut Side, receiver: &Side, seq: u32, end: u32, sack: u32) -> Option<Judgement> {
    let lower_ack = receiver.end.wrapping_sub(sender.ack_window()).wrapping_sub(1);
    let lower_seq = sender.end.wrapping_sub(receiver.maxwin).wrapping_sub(1);
    let upper_ack = receiver.end.wrapping_add(1);
    if !before(seq, sender.maxend.wrapping_add(1)) {
        let overshot = end.wrapping_sub(sender.maxend).wrapping_add(1);
        let in_window = receiver.maxwin != 0 && after(end, lower_seq);
        if in_window
            && after(sack, lower_ack)
            && overshot <= receiver.maxwin
            && before(sack, upper_ack)
        {
            // Some send more than they may; should it be acknowledged, that must be no surprise.
            sender.end = end;
            sender.flags |= flag::DATA_UNACKNOWLEDGED;
            return Some(Judgement::Ignore);
        }
        return Some(Judgement::Invalid(Why::SeqOver));
    }
    if !before(sack, upper_ack) {
        return Some(Judgement::Invalid(Why::AckOver));
    }
    let in_window = receiver.maxwin == 0 || after(end, lower_seq);
    if !in_window || !after(sack, lower_ack) {
        return Some(Judgement::Ignore);
    }
    None
}
