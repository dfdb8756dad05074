//! What must hold of any packets that go through translation and helpers; shared by tests and by
//! `fuzz/`.

use super::super::helper::{Helpers, Verdict, run};
use super::super::sample::{Bench, Packet, S};
use super::super::tuple::{Addr, Seed, Tuple};
use super::super::{CtInfo, headers, status};
use super::choose::flag;
use super::nat64::{How, translate};
use super::prefix::Npt;
use super::sample::settle;
use super::setup::Env;
use super::sources::Sources;
use super::{Manip, Range, applies, manip, manip_error, quote, sequence};
use crate::packet::generate::Random;

/// Helpers by number, and beginnings of what they read.
const TEXTS: [(u16, &[u8]); 10] = [
    (1, b"PORT 10,0,0,1,4,1\r\n"),
    (1, b"EPRT |2|fd00::1|1025|\r\n"),
    (1, b"227 (10,0,0,2,4,1)\r\n"),
    (1, b"PORT 10,0,0,1,"),
    (2, b"\x00\x01name\x00"),
    (3, b"PRIVMSG x :\x01DCC SEND f 167772161 1025\x01\n"),
    (6, b"CONNECT DATA 10 MESG 2\n"),
    (5, b"\x00\x9c\x00\x01\x1a\x2b\x3c\x4d\x00"),
    (4, b"INVITE sip:b@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1\r\nCSeq: 1 INVITE\r\n\
      Contact: <sip:a@10.0.0.1>\r\nContent-Length: 3\r\n\r\nv=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 "),
    (4, b"SIP/2.0 200 OK\r\nCSeq: 1 REGISTER\r\nm: <sip:a@10.0.0.1>\r\n"),
];

/// A router whose rules are the bytes' own.
struct Router {
    bench: Bench,
    sources: Sources,
    helpers: Helpers,
    random: Random,
    done: Done,
}

/// How often what was to be tried came about.
#[derive(Debug, Default, Clone, Copy)]
struct Done {
    translated: u32,
    errors: u32,
    edited: u32,
    corrected: u32,
    expected: u32,
}

impl Router {
    /// One packet through all; `good` says that its checksums were right.
    fn forward(&mut self, mut packet: Vec<u8>, good: bool, rule: u8, helper: u16) {
        let entered = self.bench.enter(&packet);
        let Some(conn) = entered.conn else { return };
        let (now, dir) = (self.bench.now, entered.info.dir());
        let expect = self.bench.ct.fulfilled().copied();
        let six = packet[0] >> 4 == 6;
        let mut env = Env {
            table: &mut self.bench.ct,
            sources: &mut self.sources,
            steers: |reply: &Tuple| reply.dport & 1 == u16::from(rule >> 7),
            random: || self.random.next_u64() as u16,
            now,
        };
        let error = matches!(entered.info, CtInfo::Related | CtInfo::RelatedReply)
            && headers::find(&packet).is_some_and(|found| matches!(found.proto, 1 | 58));
        if entered.info == CtInfo::Related
            && let Some(expect) = expect
        {
            run::begin(&mut env, conn, &expect);
            self.done.expected += 1;
        } else if entered.info == CtInfo::New
            && let Some(entry) = env.table.get_mut(conn)
        {
            entry.helper = helper;
        }
        let mut written = true;
        for which in [Manip::Dst, Manip::Src] {
            if !error {
                env.setup(conn, &range(rule, six, which), which);
            }
            let Some(entry) = env.table.get(conn) else { return };
            if applies(entry.status, dir, which) {
                let other = *entry.tuple(dir.other());
                self.done.translated += 1;
                self.done.errors += u32::from(error);
                written &= match other.inverse() {
                    _ if error => {
                        !quote::is_redirect(&packet) && manip_error(&mut packet, &other, which)
                    }
                    Some(target) => manip(&mut packet, &target, which),
                    None => true,
                };
            }
        }
        let len = packet.len();
        packet.resize(len + 256, 0);
        let mut random = || 3;
        let heard = self.helpers.run(
            &mut self.bench.ct,
            conn,
            entered.info,
            &mut packet,
            len,
            &self.bench.rules,
            now,
            &mut random,
        );
        packet.truncate(heard.len);
        self.done.edited += u32::from(heard.len != len);
        written &= heard.verdict == Verdict::Accept;
        if !written {
            self.bench.ct.release(conn, now);
            return;
        }
        self.bench.ct.confirm(conn, entered.info, now);
        let corrections = self.bench.ct.seqadj(conn).copied();
        if let Some(corrections) = corrections
            && !error
            && self.bench.ct.get(conn).is_some_and(|entry| entry.is(status::SEQ_ADJUST))
            && !sequence::adjust(&mut packet, &corrections, dir.index())
        {
            return;
        }
        self.done.corrected += u32::from(corrections.is_some());
        if good {
            let mut whole = packet.clone();
            settle(&mut whole);
            assert_eq!(packet, whole, "right checksums stay right");
        }
    }
}

/// A range of few addresses and ports, so that flows meet.
fn range(rule: u8, six: bool, which: Manip) -> Range {
    let wanted = match which {
        Manip::Src => rule & 1 == 0,
        Manip::Dst => rule & 6 == 6,
    };
    if !wanted {
        return Range::NONE;
    }
    let address = |last| if six { Addr([last; 16]) } else { Addr::four([192, 0, 2, last]) };
    let mut range = Range::address(address(1));
    range.max = address(1 + (rule >> 6 & 1));
    if rule & 8 != 0 {
        range = range.with_ports(1, 3);
    }
    range.with([0, flag::PROTO_RANDOM, flag::PERSISTENT, flag::NETMAP][usize::from(rule >> 4 & 3)])
}

/// What a run of bytes does to a router: packets built from few values, so that they meet.
pub fn drive(bytes: &[u8]) {
    go(bytes);
}

fn go(bytes: &[u8]) -> Done {
    let mut router = Router {
        bench: Bench::sized(24),
        sources: Sources::new(2000, Seed::new(1)),
        helpers: Helpers::new(3),
        random: Random::new(1),
        done: Done::default(),
    };
    let mut rest = bytes;
    let mut seq = [[1_u32; 2]; 10];
    while let Some((&[what, rule, b, c], behind)) = rest.split_first_chunk::<4>() {
        let (payload, behind) = behind.split_at(behind.len().min(usize::from(c & 0x0f)));
        rest = behind;
        let six = what & 0x0c == 0x0c;
        let back = what & 1 != 0;
        let hosts = if six { ["fd00::1", "fd00::2"] } else { ["10.0.0.1", "10.0.0.2"] };
        let [src, dst] = if back { [hosts[1], hosts[0]] } else { hosts };
        // Answers go to where translated flows come from.
        let dst = match (back && what & 0x12 != 0, six) {
            (true, false) => "192.0.2.1",
            (true, true) => "101:101:101:101:101:101:101:101",
            _ => dst,
        };
        let (helper, text) = TEXTS[usize::from(b >> 4) % TEXTS.len()];
        // Mostly the text alone, and a few times followed by anything.
        let data = if c & 0x40 == 0 { text.to_vec() } else { [text, payload].concat() };
        // Each helper has connections of its own.
        let service = 20 + helper;
        let ports = if back { [service, 1] } else { [1, service] };
        let packet = match b & 15 {
            0..=6 => {
                let (this, seq) = (usize::from(back), &mut seq[usize::from(helper)]);
                let mut l4 = ports.map(u16::to_be_bytes).concat();
                l4.extend(seq[this].to_be_bytes());
                l4.extend(seq[1 - this].to_be_bytes());
                let flags = if c < 0xe0 { 0x18 } else { [2, 0x12, 0x11, 4][usize::from(c & 3)] };
                l4.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
                let data: &[u8] = if flags & 2 != 0 { &[] } else { &data };
                l4.extend(data);
                seq[this] = seq[this].wrapping_add(data.len() as u32 + u32::from(flags & 3 != 0));
                Packet::new(src, dst, 6, l4)
            }
            7..=9 => Packet::udp(src, ports[0], dst, ports[1], &data),
            10 => {
                let echo = if six { 128 } else { 8 };
                Packet::icmp(src, dst, echo + u8::from(back && six), 0, 7)
            }
            11 => Packet::new(src, dst, 47, [&[0x30, 1, 0x88, 0x0b, 0, 0, 0, 9], payload].concat()),
            12 => {
                let inner = Packet::udp(dst, ports[1], src, ports[0], payload);
                let ty = if six { 1 } else { 3 };
                Packet::error(src, dst, ty, 0, &inner.bytes())
            }
            n => Packet::new(src, dst, [132, 136, 89][usize::from(n) % 3], data.clone()),
        };
        let family = packet.src.is_ipv4() == packet.dst.is_ipv4();
        let mut right = packet.bytes();
        if family {
            settle(&mut right);
            router.forward(right.clone(), true, rule, helper);
        }
        router.forward([&[if six { 0x60 } else { 0x45 }], payload].concat(), false, rule, helper);
        if what >= 0xf8 {
            router.bench.now += u64::from(c) * S;
            router.bench.ct.run(router.bench.now, &router.bench.rules, u32::from(b));
        }
        router.bench.balanced();
        stateless(&right, payload, family, six);
    }
    router.done
}

/// What needs no connection.
fn stateless(packet: &[u8], raw: &[u8], family: bool, six: bool) {
    let target = Tuple { six: !six, sport: 9, dport: 10, ..Tuple::default() };
    let how = How { mtu4: 1500, mtu6: 1500, id: 1, clear_tos: false };
    let mut out = [0; 4096];
    for (bytes, good) in [(packet, family), (raw, false)] {
        if let Ok(done) = translate(bytes, &target, Some(&target), &how, &mut out)
            && good
        {
            let mut whole = out[..done.len].to_vec();
            settle(&mut whole);
            assert_eq!(out[..done.len], whole, "right checksums stay right");
        }
    }
    if let Ok(npt) = Npt::new((0xfd << 120, 48), (0x2001_0db8 << 96, 48)) {
        for which in [Manip::Src, Manip::Dst] {
            let _ = npt.translate(&mut raw.to_vec(), which);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_reach_all_that_they_are_to_try() {
        let mut random = Random::new(7);
        let mut all = Done::default();
        for _ in 0..100 {
            let bytes: Vec<u8> = (0..1000).flat_map(|_| random.next_u64().to_ne_bytes()).collect();
            let done = go(&bytes);
            all.translated += done.translated;
            all.errors += done.errors;
            all.edited += done.edited;
            all.corrected += done.corrected;
            all.expected += done.expected;
        }
        let Done { translated, errors, edited, corrected, expected } = all;
        for count in [translated, errors, edited, corrected, expected] {
            assert!(count > 10, "{all:?}");
        }
    }

    #[test]
    fn any_packets_go_through() {
        bolero::check!().for_each(|bytes: &[u8]| drive(bytes));
    }
}
