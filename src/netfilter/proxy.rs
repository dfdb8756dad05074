//! What `SYNPROXY` needs beyond packets: options of TCP, cookies, and what is kept of a connection.
//!
//! - takes: headers of segments, the time, a secret
//! - gives: [`Options`], [`Cookies`], and [`Proxies`], bounded and taken once
//! - obeys: `nf_synproxy_core.c` and `syncookies.c` of the kernel; RFC 4987 section 3.6
//! - costs: two keyed hashes a handshake

use crate::{
    conntrack::{Addr, ConnId},
    graph::Nanos,
    netfilter::rule::Synproxy,
    packet::tcp::HEADER_LEN,
};

/// Bits of [`Options::has`].
pub(super) mod has {
    /// Maximum segment size.
    pub(crate) const MSS: u8 = 1;
    /// Window scale.
    pub(crate) const SCALE: u8 = 2;
    /// Selective acknowledgments.
    pub(crate) const SACK: u8 = 4;
    /// Timestamps.
    pub(crate) const STAMP: u8 = 8;
    /// Explicit congestion notification, which is no option but is treated as one.
    pub(crate) const ECN: u8 = 16;
}

/// Options of a segment of a handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// Which there are.
    pub(super) has: u8,
    pub(super) mss: u16,
    pub(super) scale: u8,
    /// The sender's time, and the other's that it echoes.
    pub(super) stamp: u32,
    pub(super) echo: u32,
}

/// Greatest scale that counts.
const MAX_SCALE: u8 = 14;
/// The scale in a cookie that stands for none.
const NO_SCALE: u32 = 0xf;
const COOKIE_SACK: u32 = 1 << 4;
const COOKIE_ECN: u32 = 1 << 5;

impl Options {
    /// Most bytes that they take.
    pub(super) const MOST: usize = 20;

    /// Those of a segment; nothing where its header is not whole.
    pub(super) fn of(segment: &[u8]) -> Option<Self> {
        let end = usize::from(segment.get(12)? >> 4) * 4;
        let mut rest = segment.get(HEADER_LEN..end)?;
        let mut options = Self::default();
        loop {
            let (kind, len) = match *rest {
                [] | [0, ..] => return Some(options),
                [1, ..] => {
                    rest = &rest[1..];
                    continue;
                }
                [kind, len @ (2..), ..] => (kind, usize::from(len)),
                _ => return Some(options),
            };
            let Some((option, behind)) = rest.split_at_checked(len) else { return Some(options) };
            match (kind, &option[2..]) {
                (2, &[high, low]) => {
                    options.has |= has::MSS;
                    options.mss = u16::from_be_bytes([high, low]);
                }
                (3, &[scale]) => {
                    options.has |= has::SCALE;
                    options.scale = scale.min(MAX_SCALE);
                }
                (4, &[]) => options.has |= has::SACK,
                (8, &[a, b, c, d, e, f, g, h]) => {
                    options.has |= has::STAMP;
                    options.stamp = u32::from_be_bytes([a, b, c, d]);
                    options.echo = u32::from_be_bytes([e, f, g, h]);
                }
                _ => {}
            }
            rest = behind;
        }
    }

    pub(super) const fn is(&self, bit: u8) -> bool {
        self.has & bit != 0
    }

    /// Writes them, and says how many bytes they are.
    pub(super) fn write(&self, into: &mut [u8; Self::MOST]) -> usize {
        let mut at = 0;
        let mut put = |word: [u8; 4]| {
            into[at..at + 4].copy_from_slice(&word);
            at += 4;
        };
        if self.is(has::MSS) {
            let [high, low] = self.mss.to_be_bytes();
            put([2, 4, high, low]);
        }
        match (self.is(has::STAMP), self.is(has::SACK)) {
            (true, sack) => {
                put(if sack { [4, 2, 8, 10] } else { [1, 1, 8, 10] });
                put(self.stamp.to_be_bytes());
                put(self.echo.to_be_bytes());
            }
            (false, true) => put([1, 1, 4, 2]),
            (false, false) => {}
        }
        if self.is(has::SCALE) {
            put([1, 3, 3, self.scale]);
        }
        at
    }

    /// What is offered to a client in the server's stead; in the time stands what it has offered.
    pub(super) fn offer(self, how: &Synproxy, now: Nanos) -> Self {
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        let allowed = bit(how.mss.is_some(), has::MSS)
            | bit(how.window_scale.is_some(), has::SCALE)
            | bit(how.sack, has::SACK)
            | bit(how.timestamp, has::STAMP)
            | bit(how.ecn, has::ECN);
        let mut offer = Self { has: self.has & allowed, mss: how.mss.unwrap_or(0), ..self };
        if !offer.is(has::STAMP) {
            offer.has &= has::MSS;
            return offer;
        }
        offer.echo = self.stamp;
        offer.stamp = (now / 1_000_000) as u32 & !0x3f;
        if offer.is(has::SCALE) {
            offer.stamp |= u32::from(self.scale);
            offer.scale = how.window_scale.unwrap_or(0);
        } else {
            offer.stamp |= NO_SCALE;
        }
        if offer.is(has::SACK) {
            offer.stamp |= COOKIE_SACK;
        }
        if offer.is(has::ECN) {
            offer.stamp |= COOKIE_ECN;
        }
        offer
    }

    /// What a client had offered, of the time that it echoes.
    pub(super) fn recall(mut self, mss: u16) -> Self {
        self.has |= has::MSS;
        self.mss = mss;
        if self.is(has::STAMP) {
            self.scale = (self.echo & NO_SCALE) as u8;
            if u32::from(self.scale) != NO_SCALE {
                self.has |= has::SCALE;
            }
            if self.echo & COOKIE_SACK != 0 {
                self.has |= has::SACK;
            }
            if self.echo & COOKIE_ECN != 0 {
                self.has |= has::ECN;
            }
        }
        self
    }
}

/// Both ends of a flow in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) six: bool,
    pub(super) src: Addr,
    pub(super) dst: Addr,
    pub(super) sport: u16,
    pub(super) dport: u16,
}

impl Ends {
    /// The same the other way.
    pub(super) const fn back(self) -> Self {
        Self { src: self.dst, dst: self.src, sport: self.dport, dport: self.sport, six: self.six }
    }
}

/// Sequence numbers that say who they were given to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cookies([u64; 2]);

/// Sizes of segments that a cookie can tell, by family.
const SIZES: [u16; 4] = [536, 1300, 1440, 1460];
const SIZES6: [u16; 4] = [1280 - 60, 1480 - 60, 1500 - 60, 9000 - 60];
/// Bits of a cookie that do not tell its minute.
const COOKIE: u32 = 0x00ff_ffff;
const MINUTE: Nanos = 60_000_000_000;
/// Minutes that a cookie is good for.
const AGE: u32 = 2;

impl Cookies {
    /// With this secret.
    pub(super) const fn new(secret: u64) -> Self {
        Self([secret, secret.rotate_left(29) ^ 0x9e37_79b9_7f4a_7c15])
    }

    fn hash(&self, ends: &Ends, count: u32, which: u64) -> u32 {
        let [a, b] = halves(ends.src);
        let [c, d] = halves(ends.dst);
        let ports = u64::from(ends.sport) << 48 | u64::from(ends.dport) << 32 | u64::from(count);
        siphash(self.0, &[a, b, c, d, ports, which]) as u32
    }

    /// The number that a client is answered with, whose segments may be of this size.
    pub(super) fn number(&self, ends: &Ends, seq: u32, mss: u16, now: Nanos) -> u32 {
        let sizes = if ends.six { SIZES6 } else { SIZES };
        let size = sizes.iter().rposition(|size| mss >= *size).unwrap_or(0);
        let count = (now / MINUTE) as u32;
        let data = self.hash(ends, count, 1).wrapping_add(size as u32) & COOKIE;
        self.hash(ends, 0, 0).wrapping_add(seq).wrapping_add(count << 24).wrapping_add(data)
    }

    /// The size of segments of whom a number was given to, where it was.
    pub(super) fn size(&self, ends: &Ends, seq: u32, number: u32, now: Nanos) -> Option<u16> {
        let rest = number.wrapping_sub(self.hash(ends, 0, 0)).wrapping_sub(seq);
        let count = (now / MINUTE) as u32;
        let age = count.wrapping_sub(rest >> 24) & 0xff;
        if age >= AGE {
            return None;
        }
        let size = rest.wrapping_sub(self.hash(ends, count.wrapping_sub(age), 1)) & COOKIE;
        let sizes = if ends.six { SIZES6 } else { SIZES };
        sizes.get(size as usize).copied()
    }
}

fn halves(address: Addr) -> [u64; 2] {
    let bits = u128::from_be_bytes(address.0);
    [bits as u64, (bits >> 64) as u64]
}

/// SipHash-2-4 over whole words.
fn siphash([k0, k1]: [u64; 2], words: &[u64]) -> u64 {
    const fn round([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        [a, b, c, d]
    }
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let length = (words.len() as u64 * 8) << 56;
    for word in words.iter().copied().chain([length]) {
        v[3] ^= word;
        v = round(round(v));
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    v = round(round(round(round(v))));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

/// What is kept of a connection whose handshake was answered in the server's stead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Proxied {
    /// The number that the client was answered with.
    pub(super) first: u32,
    /// The time that it was told.
    pub(super) told: u32,
    /// By how much the server's clock is ahead of that.
    pub(super) ahead: u32,
    /// What the server's numbers are to be corrected by, once its handshake is finished.
    pub(super) correction: Option<i32>,
}

/// Those of one worker.
#[derive(Debug)]
pub(super) struct Proxies {
    places: Vec<(ConnId, Proxied)>,
    /// Where the search for connections that have ended goes on.
    cursor: u32,
}

/// Places that are looked at for one that is free again.
const LOOKS: u32 = 64;
const NOBODY: ConnId = ConnId { index: 0, generation: 0 };

impl Proxies {
    /// Room for so many; place 0 is none.
    pub(super) fn new(capacity: u32) -> Self {
        let mut places = Vec::with_capacity(capacity as usize + 1);
        places.push((NOBODY, Proxied::default()));
        Self { places, cursor: 0 }
    }

    /// A place for a connection, unless all are taken.
    pub(super) fn take(&mut self, conn: ConnId, lives: impl Fn(ConnId) -> bool) -> Option<u32> {
        if self.places.len() < self.places.capacity() {
            self.places.push((conn, Proxied::default()));
            return Some(self.places.len() as u32 - 1);
        }
        let last = self.places.len() as u32 - 1;
        for _ in 0..LOOKS.min(last) {
            self.cursor = self.cursor % last + 1;
            let place = &mut self.places[self.cursor as usize];
            if !lives(place.0) {
                *place = (conn, Proxied::default());
                return Some(self.cursor);
            }
        }
        None
    }

    /// What is kept of a connection, if this place is its own.
    pub(super) fn get_mut(&mut self, place: u32, conn: ConnId) -> Option<&mut Proxied> {
        let (owner, proxied) = self.places.get_mut(place as usize)?;
        (place != 0 && *owner == conn).then_some(proxied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(six: bool) -> Ends {
        Ends { six, src: Addr([1; 16]), dst: Addr([2; 16]), sport: 1000, dport: 80 }
    }

    #[test]
    fn a_hash_is_that_of_its_inventors() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        assert_eq!(siphash(key, &[]), 0x726f_db47_dd0e_0e31);
        assert_eq!(siphash(key, &[0x0706_0504_0302_0100]), 0x93f5_f579_9a93_2462);
    }

    #[test]
    fn a_cookie_tells_the_size_to_whom_it_was_given_and_for_two_minutes() {
        let cookies = Cookies::new(7);
        let now = 1000 * MINUTE;
        for six in [false, true] {
            for (mss, size) in [(0, 0), (1300, 1), (1440, 2), (9000, 3)] {
                let sizes = if six { SIZES6 } else { SIZES };
                let size = sizes[if six { [0, 0, 2, 3][size] } else { size }];
                let number = cookies.number(&ends(six), 99, mss, now);
                assert_eq!(cookies.size(&ends(six), 99, number, now + MINUTE), Some(size));
                assert_eq!(cookies.size(&ends(six), 99, number, now + 2 * MINUTE), None);
                assert_eq!(cookies.size(&ends(six), 5000, number, now), None);
                assert_eq!(cookies.size(&ends(six).back(), 99, number, now), None);
                assert_eq!(Cookies::new(8).size(&ends(six), 99, number, now), None);
            }
        }
    }

    #[test]
    fn options_come_back_as_they_were_written() {
        bolero::check!().with_type::<(u8, u16, u8, u32, u32)>().for_each(
            |&(bits, mss, scale, stamp, echo)| {
                let has = bits & (has::MSS | has::SCALE | has::SACK | has::STAMP);
                let all = Options { has, mss, scale: scale.min(MAX_SCALE), stamp, echo };
                let mut bytes = [0; Options::MOST];
                let len = all.write(&mut bytes);
                let mut segment = vec![0; HEADER_LEN];
                segment[12] = (((HEADER_LEN + len) / 4) << 4) as u8;
                segment.extend(&bytes[..len]);
                let read = Options::of(&segment).unwrap();
                assert_eq!(read.has, has);
                assert!(has & has::MSS == 0 || read.mss == mss);
                assert!(has & has::SCALE == 0 || read.scale == all.scale);
                assert!(has & has::STAMP == 0 || (read.stamp, read.echo) == (stamp, echo));
            },
        );
    }

    #[test]
    fn any_bytes_have_options_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = Options::of(bytes);
        });
    }

    #[test]
    fn what_a_client_offered_comes_back_in_its_echo() {
        let how = Synproxy {
            mss: Some(1460),
            window_scale: Some(7),
            sack: true,
            timestamp: true,
            ecn: true,
            lax: false,
        };
        let all = has::MSS | has::SCALE | has::SACK | has::STAMP | has::ECN;
        let asked = Options { has: all, mss: 1400, scale: 3, stamp: 5, echo: 0 };
        let offer = asked.offer(&how, 123_456_789_000);
        assert_eq!((offer.has, offer.mss, offer.scale, offer.echo), (all, 1460, 7, 5));
        let echoed = Options { has: has::STAMP, echo: offer.stamp, ..Options::default() };
        let recalled = echoed.recall(1300);
        assert_eq!((recalled.has, recalled.scale, recalled.mss), (all, 3, 1300));
        // Without a time there is nothing to remember the rest by.
        let bare = Options { has: all & !has::STAMP, ..asked }.offer(&how, 0);
        assert_eq!(bare.has, has::MSS);
    }

    #[test]
    fn places_of_the_dead_are_found_again() {
        let conn = |index| ConnId { index, generation: 1 };
        let mut proxies = Proxies::new(2);
        assert_eq!(proxies.take(conn(1), |_| true), Some(1));
        assert_eq!(proxies.take(conn(2), |_| true), Some(2));
        assert_eq!(proxies.take(conn(3), |_| true), None);
        assert_eq!(proxies.take(conn(3), |owner| owner != conn(1)), Some(1));
        assert_eq!(proxies.get_mut(1, conn(1)), None);
        assert!(proxies.get_mut(1, conn(3)).is_some() && proxies.get_mut(0, NOBODY).is_none());
    }
}
