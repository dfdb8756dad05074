//! Packets and a table that they go through, for tests and for `fuzz/`.

use std::net::IpAddr;

use super::*;
use crate::packet::checksum;

/// A second of the virtual clock.
pub const S: Nanos = timeouts::SECOND;

/// A packet of either family with a transport payload; checksums are right.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Where from.
    pub src: IpAddr,
    /// Where to.
    pub dst: IpAddr,
    /// Protocol number.
    pub proto: u8,
    /// The transport part.
    pub l4: Vec<u8>,
}

/// An address.
pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

impl Packet {
    /// A packet with this transport part.
    pub fn new(src: &str, dst: &str, proto: u8, l4: Vec<u8>) -> Self {
        Self { src: ip(src), dst: ip(dst), proto, l4 }
    }

    /// UDP with a payload.
    pub fn udp(src: &str, sport: u16, dst: &str, dport: u16, data: &[u8]) -> Self {
        let mut l4 = [sport.to_be_bytes(), dport.to_be_bytes()].concat();
        l4.extend((8 + data.len() as u16).to_be_bytes());
        l4.extend([0, 0]);
        l4.extend(data);
        Self::new(src, dst, 17, l4)
    }

    /// A message of ICMP with identifier and sequence number.
    pub fn icmp(src: &str, dst: &str, ty: u8, code: u8, id: u16) -> Self {
        let [high, low] = id.to_be_bytes();
        let proto = if src.contains(':') { 58 } else { 1 };
        Self::new(src, dst, proto, vec![ty, code, 0, 0, high, low, 0, 1, 7, 7])
    }

    /// An error that quotes a packet.
    pub fn error(src: &str, dst: &str, ty: u8, code: u8, quoted: &[u8]) -> Self {
        let mut packet = Self::icmp(src, dst, ty, code, 0);
        packet.l4[6..].fill(0);
        packet.l4.truncate(8);
        packet.l4.extend(quoted);
        packet
    }

    /// The same with another transport part.
    pub fn l4(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.l4);
        self
    }

    /// The bytes as they are, without a transport checksum.
    pub fn raw(&self) -> Vec<u8> {
        let len = self.l4.len();
        let mut out = match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let mut out = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, self.proto, 0, 0];
                out[2..4].copy_from_slice(&(20 + len as u16).to_be_bytes());
                out.extend(src.octets());
                out.extend(dst.octets());
                out
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let mut out = vec![0x60, 0, 0, 0, 0, 0, self.proto, 64];
                out[4..6].copy_from_slice(&(len as u16).to_be_bytes());
                out.extend(src.octets());
                out.extend(dst.octets());
                out
            }
            _ => Vec::new(),
        };
        out.extend(&self.l4);
        out
    }

    /// The bytes with their transport checksum.
    pub fn bytes(&self) -> Vec<u8> {
        let mut packet = self.clone();
        let at = match packet.proto {
            6 => 16,
            17 | 33 | 136 => 6,
            1 | 58 => 2,
            _ => return packet.raw(),
        };
        if packet.l4.len() < (at + 2).max(6) {
            return packet.raw();
        }
        let cover = match (packet.proto, usize::from(packet.l4[4]) << 8 | usize::from(packet.l4[5]))
        {
            (136, cover @ 1..) => cover,
            _ => packet.l4.len(),
        };
        packet.l4[at..at + 2].fill(0);
        let plain = packet.raw();
        let addresses = if packet.src.is_ipv6() { &plain[8..40] } else { &plain[12..20] };
        let mut sum = checksum::sum(&packet.l4[..cover.min(packet.l4.len())]);
        if packet.proto != 1 {
            sum = checksum::add(sum, checksum::sum(addresses));
            sum = checksum::add(sum, packet.l4.len() as u16);
            sum = checksum::add(sum, u16::from(packet.proto));
        }
        packet.l4[at..at + 2].copy_from_slice(&(!sum).to_be_bytes());
        packet.raw()
    }
}

/// A table with its rules and a clock.
pub struct Bench {
    /// The table.
    pub ct: Conntrack,
    /// Its rules.
    pub rules: Rules,
    /// The time.
    pub now: Nanos,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// A table of a usual size.
    pub fn new() -> Self {
        Self::sized(1000)
    }

    /// A table of so many entries.
    pub fn sized(entries: u32) -> Self {
        let limits =
            Limits { entries, buckets: entries, expects: 64, seqadj: 8, calls: 8, events: 256 };
        let now = 1000 * S;
        Self { ct: Conntrack::new(&limits, 1, now), rules: Rules::default(), now }
    }

    /// A packet comes in.
    pub fn enter(&mut self, packet: &[u8]) -> Entered {
        let cx = EnterCx::new(self.now, &self.rules);
        self.ct.enter(packet, &cx)
    }

    /// A packet goes through: in and out.
    pub fn pass(&mut self, packet: &[u8]) -> Entered {
        let entered = self.enter(packet);
        let Some(conn) = entered.conn else { return entered };
        let verdict = self.ct.confirm(conn, entered.info, self.now);
        Entered { verdict, ..entered }
    }

    /// What it is to its connection, or why it belongs to none.
    pub fn info(&mut self, packet: &[u8]) -> Result<CtInfo, Why> {
        let entered = self.pass(packet);
        entered.why.map_or(Ok(entered.info), Err)
    }

    /// Time goes by, and the worker turns.
    pub fn wait(&mut self, time: Nanos) {
        self.now += time;
        for _ in 0..64 {
            self.ct.run(self.now, &self.rules, 4096);
        }
        self.balanced();
    }

    /// All connections of the table as they are listed, sorted.
    pub fn list(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.ct.walk(0, u32::MAX, self.now, |conn, _| {
            let snapshot = self.ct.snapshot(conn, self.now).expect("a connection");
            lines.push(snapshot.line(&show::Options::default()));
        });
        lines.sort();
        lines
    }

    /// The only connection.
    pub fn only(&self) -> Snapshot {
        let mut found = Vec::new();
        self.ct.walk(0, u32::MAX, self.now, |conn, _| found.push(conn));
        assert_eq!(found.len(), 1, "{:#?}", self.list());
        self.ct.snapshot(found[0], self.now).expect("a connection")
    }

    /// Every entry made is there, or was freed, or waits to be.
    pub fn balanced(&self) {
        let stats = &self.ct.stats;
        let live = self.ct.entries.iter().filter(|entry| entry.live);
        let dying = live.clone().filter(|entry| entry.is(status::DYING)).count() as u64;
        assert_eq!(stats.new - stats.delete, live.count() as u64);
        assert_eq!(stats.new - stats.delete, u64::from(self.ct.count()) + dying);
        let mut pending = 0;
        let mut table = 0;
        for entry in self.ct.entries.iter().filter(|entry| entry.live) {
            match entry.status & (status::CONFIRMED | status::DYING) {
                0 => pending += 1,
                status::CONFIRMED => table += 1,
                _ => {}
            }
        }
        assert_eq!((pending, pending + table), (self.ct.pending(), self.ct.count()));
        assert_eq!(stats.expect_create - stats.expect_delete, u64::from(self.ct.expects()));
    }
}

/// What a run of bytes does to a table: packets built from few values, so that they meet.
pub fn drive(bytes: &[u8]) {
    let mut bench = Bench::sized(24);
    bench.ct.listen(true);
    bench.rules.acct = true;
    bench.rules.timestamp = true;
    let mut held = Vec::new();
    let mut rest = bytes;
    while let Some((&[what, a, b, c], behind)) = rest.split_first_chunk::<4>() {
        let (payload, behind) = behind.split_at(behind.len().min(usize::from(c) % 48));
        rest = behind;
        let hosts = ["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"];
        let six = a & 4 != 0;
        let pair = if a & 1 == 0 { [0, 1] } else { [1, 0] };
        let [src, dst] = pair.map(|n| hosts[n + usize::from(six) * 2]);
        let protos = [1, 6, 6, 6, 17, 33, 47, 58, 89, 132, 132, 136, 1, 58];
        let proto = protos[usize::from(b) % protos.len()];
        // The ports follow the direction, so that answers are answers.
        let mut l4 = if a & 1 == 0 { vec![0, 1, 0, 2] } else { vec![0, 2, 0, 1] };
        if matches!(proto, 1 | 58 | 47) {
            l4.clear();
        }
        l4.extend(payload);
        let packet = Packet::new(src, dst, proto, l4);
        bench.rules.checksum = a & 8 == 0;
        match what % 8 {
            0 | 1 => {
                let _ = bench.pass(&packet.raw());
            }
            2 | 3 => {
                let _ = bench.pass(&packet.bytes());
            }
            4 => held.push(bench.enter(&packet.bytes())),
            5 => {
                // Whatever was let in goes out or ends.
                for entered in std::mem::take(&mut held) {
                    let Some(conn) = entered.conn else { continue };
                    if a & 2 == 0 {
                        bench.ct.confirm(conn, entered.info, bench.now);
                    } else {
                        bench.ct.release(conn, bench.now);
                    }
                }
            }
            6 => {
                bench.now += Nanos::from(c) * 100_000_000;
                bench.ct.run(bench.now, &bench.rules, u32::from(a));
            }
            _ => {
                let inner = packet.bytes();
                let ty = if six { 1 } else { 3 };
                let _ =
                    bench.pass(&Packet::error("192.0.2.1", dst_of(six, a), ty, 0, &inner).any());
                let _ = bench.pass(payload);
                let found = bench.ct.lookup(&Tuple::of(&inner).unwrap_or_default(), bench.now);
                if let Some((conn, _)) = found
                    && a & 0x30 == 0
                {
                    bench.ct.kill(conn, bench.now);
                }
            }
        }
        for line in bench.list() {
            assert!(line.ends_with("use=1"));
        }
        while let Some(event) = bench.ct.events().pop() {
            assert!(event.line(&show::Options::default()).contains("src="));
        }
        bench.balanced();
    }
}

fn dst_of(six: bool, a: u8) -> &'static str {
    match (six, a & 2) {
        (false, 0) => "10.0.0.1",
        (false, _) => "10.0.0.2",
        (true, 0) => "fd00::1",
        (true, _) => "fd00::2",
    }
}

impl Packet {
    /// The bytes, with a source of the destination's family.
    fn any(mut self) -> Vec<u8> {
        if self.src.is_ipv4() != self.dst.is_ipv4() {
            self.src = ip("fd00::ff");
            self.proto = 58;
        }
        self.bytes()
    }
}
