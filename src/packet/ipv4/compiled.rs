//! IPv4 options as a router deals with them: checked and filled in when a packet comes, finished when
//! it leaves, turned round for its answer.
//!
//! - takes: a header of 20 to 60 bytes, in place; addresses and time are the caller's
//! - gives: [`Compiled`], which goes with the packet so that nobody walks the options again, and the
//!   place of the first byte that is wrong
//! - obeys: RFC 791 §3.1, RFC 1812 §5.2.4 and §5.3.13, RFC 2113; `net/ipv4/ip_options.c`; rows
//!   [4.41] to [4.54], [4.57] to [4.73], [4.78], [4.79], [3.16], [3.27], [3.35]

use std::net::Ipv4Addr;

use arrayvec::ArrayVec;

use super::{HEADER_LEN, MAX_HEADER_LEN, checksum, field, option};

/// Bytes of all options at most.
const MOST: usize = MAX_HEADER_LEN - HEADER_LEN;

/// The three kinds of timestamp option, by the low nibble of its fourth byte.
mod stamp {
    /// Times alone.
    pub(super) const TIME: u8 = 0;
    /// Addresses and times.
    pub(super) const ADDRESS: u8 = 1;
    /// Times of the routers that the sender names.
    pub(super) const NAMED: u8 = 3;
}

const CHANGED: u8 = 1;
const RECORDED: u8 = 2;
const STAMPED: u8 = 4;
const STAMPED_ADDRESS: u8 = 8;
const STRICT: u8 = 16;
const ALERT: u8 = 32;

/// What the options of a header call for. Offsets count from the start of the header; 0 is for an
/// option that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compiled {
    source_route: u8,
    record_route: u8,
    timestamp: u8,
    cipso: u8,
    /// The slot of the source route that names the next router, once it is known.
    next: u8,
    flags: u8,
}

/// What the router knows of itself.
pub trait Router {
    /// The address to which the packet came, or that of the way back to its sender
    /// (`fib_compute_spec_dst`).
    fn own_address(&self) -> Ipv4Addr;
    /// Whether an address is neither the router's nor one of broadcast (`inet_addr_type`).
    fn is_elsewhere(&self, address: Ipv4Addr) -> bool;
    /// Milliseconds since midnight UTC.
    fn time(&self) -> u32;
}

/// Four bytes at an offset, where they are all there.
fn address_at(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    bytes.get(at..)?.first_chunk::<4>().map(|octets| (*octets).into())
}

/// Writes four bytes at an offset, where there is room for all.
fn put(bytes: &mut [u8], at: usize, word: [u8; 4]) {
    if let Some(slot) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) {
        *slot = word;
    }
}

impl Compiled {
    /// Checks the options of a packet that has come and writes into them what a router writes at once.
    ///
    /// An error is the offset of the bad byte, for the pointer of a Parameter Problem; what was found
    /// before it stands, since the error's own options are made of it. The checksum is left for
    /// [`forward`](Self::forward): an error about the packet quotes the one that it came with.
    pub fn new(header: &mut [u8], router: &impl Router) -> (Self, Result<(), u8>) {
        let mut found = Self::default();
        let end = header.len().min(MAX_HEADER_LEN);
        let mut at = HEADER_LEN;
        while at < end {
            let rest = &mut header[at..end];
            let room = rest.len();
            let len = match rest {
                [option::END, garbage @ ..] => {
                    // Nothing is valid behind the end [4.42].
                    if garbage.iter().any(|byte| *byte != option::END) {
                        garbage.fill(option::END);
                        found.flags |= CHANGED;
                    }
                    break;
                }
                [option::NOP, ..] => {
                    at += 1;
                    continue;
                }
                [_, len, ..] if *len >= 2 && usize::from(*len) <= room => usize::from(*len),
                _ => return (found, Err(at as u8)),
            };
            if let Err(inside) = found.one(&mut rest[..len], at as u8, router) {
                return (found, Err(at as u8 + inside));
            }
            at += len;
        }
        (found, Ok(()))
    }

    /// One option whose length is sound; an error is an offset inside of it.
    fn one(&mut self, option: &mut [u8], at: u8, router: &impl Router) -> Result<(), u8> {
        match option[0] {
            option::LOOSE_SOURCE_ROUTE | option::STRICT_SOURCE_ROUTE => {
                least(option, 3, 4)?;
                // Which of two would hold is not said anywhere, so RFC 1812 §5.2.4.1 allows one.
                if self.source_route != 0 {
                    return Err(0);
                }
                if option[0] == option::STRICT_SOURCE_ROUTE {
                    self.flags |= STRICT;
                }
                self.source_route = at;
            }
            option::RECORD_ROUTE => {
                if self.record_route != 0 {
                    return Err(0);
                }
                least(option, 3, 4)?;
                self.record(option, router)?;
                self.record_route = at;
            }
            option::TIMESTAMP => {
                if self.timestamp != 0 {
                    return Err(0);
                }
                least(option, 4, 5)?;
                self.stamp(option, router)?;
                self.timestamp = at;
            }
            option::ROUTER_ALERT => match option {
                [_, _, 0, 0, ..] => self.flags |= ALERT,
                [_, _, _, _, ..] => {}
                _ => return Err(1),
            },
            option::CIPSO => {
                if self.cipso != 0 {
                    return Err(0);
                }
                self.cipso = at;
                // A label is of a domain of interpretation, and this router has been told of none.
                return Err(if option.len() < 8 { 1 } else { 2 });
            }
            _ => {}
        }
        Ok(())
    }

    /// Claims the next place of a record route [4.57] to [4.59].
    fn record(&mut self, option: &mut [u8], router: &impl Router) -> Result<(), u8> {
        let pointer = usize::from(option[2]);
        if pointer > option.len() {
            return Ok(());
        }
        if pointer + 3 > option.len() {
            return Err(2);
        }
        put(option, pointer - 1, router.own_address().octets());
        option[2] += 4;
        self.flags |= CHANGED | RECORDED;
        Ok(())
    }

    /// Writes the next time, or counts that there was no place for it [4.61] to [4.66].
    fn stamp(&mut self, option: &mut [u8], router: &impl Router) -> Result<(), u8> {
        let (pointer, kind) = (usize::from(option[2]), option[3] & 0x0f);
        if pointer > option.len() {
            if kind == stamp::NAMED {
                return Ok(());
            }
            if option[3] >> 4 == 15 {
                return Err(3);
            }
            option[3] += 0x10;
            self.flags |= CHANGED;
            return Ok(());
        }
        if pointer + 3 > option.len() {
            return Err(2);
        }
        let with_address = matches!(kind, stamp::ADDRESS | stamp::NAMED);
        if with_address && pointer + 7 > option.len() {
            return Err(2);
        }
        match kind {
            stamp::TIME => {}
            stamp::ADDRESS => {
                put(option, pointer - 1, router.own_address().octets());
                self.flags |= STAMPED_ADDRESS;
            }
            stamp::NAMED => {
                // The turn is another's [4.64].
                if address_at(option, pointer - 1).is_none_or(|next| router.is_elsewhere(next)) {
                    return Ok(());
                }
            }
            _ => return Ok(()),
        }
        let step = if with_address { 8 } else { 4 };
        put(option, pointer + step - 5, router.time().to_be_bytes());
        option[2] += step as u8;
        self.flags |= CHANGED | STAMPED;
        Ok(())
    }

    /// The options as a number, to be kept in a packet's notes.
    pub const fn to_bits(self) -> u64 {
        u64::from_le_bytes([
            self.source_route,
            self.record_route,
            self.timestamp,
            self.cipso,
            self.next,
            self.flags,
            0,
            0,
        ])
    }

    /// Reads [`to_bits`](Self::to_bits).
    pub const fn from_bits(bits: u64) -> Self {
        let [source_route, record_route, timestamp, cipso, next, flags, _, _] = bits.to_le_bytes();
        Self { source_route, record_route, timestamp, cipso, next, flags }
    }

    /// Whether there is a source route, used up or not.
    pub const fn is_source_routed(self) -> bool {
        self.source_route != 0
    }

    /// Whether only links may lead to the next router.
    pub const fn is_strict(self) -> bool {
        self.flags & STRICT != 0
    }

    /// Whether all routers on the way are asked to look at the packet [4.47].
    pub const fn is_alert(self) -> bool {
        self.flags & ALERT != 0
    }

    /// The same after all who wanted have looked.
    pub const fn heeded(self) -> Self {
        Self { flags: self.flags & !ALERT, ..self }
    }

    /// Whether something was written into the header that its checksum does not cover yet.
    pub const fn is_changed(self) -> bool {
        self.flags & CHANGED != 0
    }

    /// Whether the packet goes on to a router that its source route names.
    pub const fn is_rerouted(self) -> bool {
        self.next != 0
    }

    /// Addresses of the source route that have not been visited, with their offsets. A last place that
    /// is too small for an address is an error, whose offset in the header is that of the pointer.
    pub fn unvisited(
        self,
        header: &[u8],
    ) -> impl Iterator<Item = Result<(u8, Ipv4Addr), u8>> + use<> {
        let mut slots = ArrayVec::<_, MOST>::new();
        let start = usize::from(self.source_route);
        if start != 0
            && let Some(&[_, len, pointer]) = header.get(start..start + 3)
        {
            for place in (pointer.max(4)..=len).step_by(4) {
                let at = start + usize::from(place) - 1;
                let whole = usize::from(place) + 3 <= usize::from(len);
                slots.push(match address_at(header, at).filter(|_| whole) {
                    Some(address) => Ok((at as u8, address)),
                    None => Err(self.source_route + 2),
                });
            }
        }
        slots.into_iter()
    }

    /// Notes that the packet came to an address of its source route that is the router's own, and
    /// goes on from there as if sent to the next one.
    pub fn pass_through(&mut self, header: &mut [u8], address: Ipv4Addr) {
        put(header, field::DST.start, address.octets());
        self.flags |= CHANGED;
    }

    /// Notes the next router of a source route, by the offset of its address.
    pub fn reroute(&mut self, slot: u8) {
        self.next = slot;
        self.flags |= CHANGED;
    }

    /// The address to which the packet goes now: what its source route says, or else its header.
    pub fn destination(self, header: &[u8]) -> Option<Ipv4Addr> {
        let at = if self.is_rerouted() { self.next.into() } else { field::DST.start };
        address_at(header, at)
    }

    /// Finishes the options of a packet that is about to leave and mends its checksum
    /// (`ip_forward_options`). `source_for` tells the router's address on the way to a destination.
    pub fn forward(self, header: &mut [u8], source_for: impl Fn(Ipv4Addr) -> Ipv4Addr) {
        let destination =
            |header: &[u8]| address_at(header, field::DST.start).unwrap_or(Ipv4Addr::UNSPECIFIED);
        if self.flags & RECORDED != 0 {
            let own = source_for(destination(header)).octets();
            self.put_before(header, self.record_route, 5, own);
        }
        if self.is_rerouted() {
            let slot = usize::from(self.next);
            let next = address_at(header, slot).unwrap_or(Ipv4Addr::UNSPECIFIED);
            put(header, field::DST.start, next.octets());
            let own = source_for(next).octets();
            put(header, slot, own);
            let start = usize::from(self.source_route);
            if let Some(pointer) = header.get_mut(start + 2) {
                *pointer = (slot - start + 5) as u8;
            }
            if self.flags & STAMPED_ADDRESS != 0 {
                self.put_before(header, self.timestamp, 9, own);
            }
        }
        if self.flags & CHANGED != 0 {
            checksum::ipv4_header_fill(header);
        }
    }

    /// Writes an address `back` bytes before where the pointer of an option points to.
    fn put_before(self, header: &mut [u8], start: u8, back: usize, word: [u8; 4]) {
        let start = usize::from(start);
        if let Some(at) = header
            .get(start + 2)
            .and_then(|pointer| (start + usize::from(*pointer)).checked_sub(back))
            .filter(|at| *at >= HEADER_LEN)
        {
            put(header, at, word);
        }
    }

    /// The options of an answer to the packet: its route turned round, its records continued
    /// (`__ip_options_echo`). `None` where no answer can be given.
    pub fn echo(self, header: &[u8], router: &impl Router) -> Option<Echo> {
        let mut echo = Echo::default();
        if self.record_route != 0 {
            echo.continue_record(self.bytes(header, self.record_route)?, self.flags)?;
        }
        if self.timestamp != 0 {
            echo.continue_stamps(self.bytes(header, self.timestamp)?, self.flags, router)?;
        }
        if self.source_route != 0 {
            let src = address_at(header, field::SRC.start)?;
            echo.turn_route(self.bytes(header, self.source_route)?, src)?;
        }
        if self.cipso != 0 {
            echo.push(self.bytes(header, self.cipso)?)?;
        }
        while echo.options.len() % 4 != 0 {
            echo.options.push(option::END);
        }
        Some(echo)
    }

    /// The whole option that stands at an offset.
    fn bytes(self, header: &[u8], start: u8) -> Option<&[u8]> {
        let start = usize::from(start);
        let len = usize::from(*header.get(start + 1)?);
        header.get(start..start + len)
    }
}

/// Length and pointer are at least these; an error is the offset of the one that is not.
fn least(option: &[u8], len: usize, pointer: u8) -> Result<(), u8> {
    match option.get(2) {
        None => Err(1),
        Some(_) if option.len() < len => Err(1),
        Some(found) if *found < pointer => Err(2),
        Some(_) => Ok(()),
    }
}

/// The options of an answer. Slots that hold the sender's own address and time are written last, by
/// [`finish`](Self::finish).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Echo {
    options: ArrayVec<u8, MOST>,
    first_hop: Option<Ipv4Addr>,
    /// Places for the answer's source.
    address: ArrayVec<u8, 2>,
    /// Place for the time.
    time: Option<u8>,
    /// Place for the answer's destination.
    destination: Option<u8>,
}

impl Echo {
    /// The router to which the answer goes first, when the request came by a source route.
    pub const fn first_hop(&self) -> Option<Ipv4Addr> {
        self.first_hop
    }

    /// Bytes of the options, a multiple of four.
    pub fn len(&self) -> usize {
        self.options.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.options.is_empty()
    }

    /// Writes the addresses of the answer and the time into their places, and gives the options.
    pub fn finish(&mut self, src: Ipv4Addr, dst: Ipv4Addr, time: u32) -> &[u8] {
        let options = &mut self.options;
        if let Some(at) = self.destination {
            put(options, at.into(), dst.octets());
        }
        for at in &self.address {
            put(options, usize::from(*at), src.octets());
        }
        if let Some(at) = self.time {
            put(options, at.into(), time.to_be_bytes());
        }
        options
    }

    /// Adds an option and gives where it starts.
    fn push(&mut self, option: &[u8]) -> Option<usize> {
        let start = self.options.len();
        self.options.try_extend_from_slice(option).ok()?;
        Some(start)
    }

    fn continue_record(&mut self, option: &[u8], flags: u8) -> Option<()> {
        let start = self.push(option)?;
        let pointer = usize::from(*option.get(2)?);
        if flags & RECORDED != 0 && pointer <= option.len() {
            if pointer + 3 > option.len() {
                return None;
            }
            self.options[start + 2] += 4;
            self.address.push((start + pointer - 1) as u8);
        }
        Some(())
    }

    fn continue_stamps(&mut self, option: &[u8], flags: u8, router: &impl Router) -> Option<()> {
        let start = self.push(option)?;
        let (mut pointer, len) = (usize::from(*option.get(2)?), option.len());
        let kind = option.get(3)? & 0x0f;
        if pointer > len {
            return Some(());
        }
        if flags & STAMPED_ADDRESS != 0 {
            if pointer + 3 > len {
                return None;
            }
            self.address.push((start + pointer - 1) as u8);
            pointer += 4;
        }
        if flags & STAMPED != 0 {
            if pointer + 3 > len {
                return None;
            }
            if kind != stamp::NAMED {
                self.time = Some((start + pointer - 1) as u8);
                pointer += 4;
            } else if pointer + 7 <= len
                && address_at(option, pointer - 1).is_some_and(|next| !router.is_elsewhere(next))
            {
                self.time = Some((start + pointer + 3) as u8);
                pointer += 8;
            }
        }
        self.options[start + 2] = pointer as u8;
        Some(())
    }

    /// The addresses that were visited, in the other order; the first of them is the first hop, and
    /// the last place is the requester's.
    fn turn_route(&mut self, option: &[u8], src: Ipv4Addr) -> Option<()> {
        let pointer = usize::from(*option.get(2)?).min(option.len() + 1);
        let mut slot = pointer.checked_sub(4)?;
        if slot <= 3 {
            return Some(());
        }
        let first = address_at(option, slot - 1)?;
        let mut turned = ArrayVec::<u8, MOST>::new();
        turned.try_extend_from_slice(&[option[0], 0, 4]).ok()?;
        slot -= 4;
        while slot > 3 {
            let address = address_at(option, slot - 1)?;
            turned.try_extend_from_slice(&address.octets()).ok()?;
            slot -= 4;
        }
        // A sender that put itself first is not visited twice.
        if address_at(option, slot + 3) != Some(src) {
            turned.try_extend_from_slice(&[0; 4]).ok()?;
        }
        if turned.len() > 3 {
            turned[1] = turned.len() as u8;
            let start = self.push(&turned)?;
            self.destination = Some((start + turned.len() - 4) as u8);
            self.first_hop = Some(first);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::ipv4::Ipv4Spec;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
    const OUT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const SRC: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 10);
    const DST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

    struct Fixed;

    impl Router for Fixed {
        fn own_address(&self) -> Ipv4Addr {
            OWN
        }

        fn is_elsewhere(&self, address: Ipv4Addr) -> bool {
            address != OWN && address != OUT
        }

        fn time(&self) -> u32 {
            0x0102_0304
        }
    }

    fn header(options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 60];
        let spec = Ipv4Spec {
            tos: 0,
            id: 1,
            fragment_word: 0,
            ttl: 9,
            protocol: 17,
            src: SRC,
            dst: DST,
            options,
            payload_len: 0,
        };
        let len = spec.emit(&mut bytes).unwrap();
        bytes.truncate(len);
        bytes
    }

    /// Options after receive, or the pointer of a Parameter Problem.
    fn received(options: &[u8]) -> Result<Vec<u8>, u8> {
        let mut header = header(options);
        let (_, sound) = Compiled::new(&mut header, &Fixed);
        sound.map(|()| header[20..].to_vec())
    }

    /// Options after receive and forward.
    fn forwarded(options: &[u8]) -> Vec<u8> {
        let mut header = header(options);
        let (compiled, sound) = Compiled::new(&mut header, &Fixed);
        assert_eq!(sound, Ok(()));
        Compiled::from_bits(compiled.to_bits()).forward(&mut header, |_| OUT);
        assert!(checksum::ipv4_header(&header));
        header[20..].to_vec()
    }

    /// The options of an answer from [`OWN`].
    fn answered(options: &[u8]) -> (Vec<u8>, Option<Ipv4Addr>) {
        let mut header = header(options);
        let (compiled, _) = Compiled::new(&mut header, &Fixed);
        let mut echo = compiled.echo(&header, &Fixed).unwrap();
        let first = echo.first_hop();
        (echo.finish(OWN, SRC, 7).to_vec(), first)
    }

    /// Shows [4.57] to [4.59].
    #[test]
    fn a_record_route_is_claimed_on_receive_and_signed_on_the_way_out() {
        let empty = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(received(&empty), Ok(vec![7, 11, 8, 10, 1, 0, 1, 0, 0, 0, 0, 0]));
        assert_eq!(forwarded(&empty), [7, 11, 8, 192, 0, 2, 1, 0, 0, 0, 0, 0]);
        let full = [7, 7, 8, 9, 9, 9, 9, 0];
        assert_eq!(forwarded(&full), full, "a full one passes");
    }

    /// Shows [4.61] to [4.66].
    #[test]
    fn timestamps_are_written_in_each_mode_and_overflow_is_counted() {
        assert_eq!(forwarded(&[68, 8, 5, 0, 0, 0, 0, 0]), [68, 8, 9, 0, 1, 2, 3, 4]);
        assert_eq!(
            forwarded(&[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            [68, 12, 13, 1, 10, 1, 0, 1, 1, 2, 3, 4],
            "the address is that of receiving"
        );
        let named = |address: [u8; 4]| [&[68, 12, 5, 3][..], &address, &[0; 4]].concat();
        assert_eq!(forwarded(&named(OUT.octets())), [68, 12, 13, 3, 192, 0, 2, 1, 1, 2, 3, 4]);
        assert_eq!(forwarded(&named([9; 4])), named([9; 4]), "another's turn");
        assert_eq!(forwarded(&[68, 8, 9, 0xe0, 5, 5, 5, 5]), [68, 8, 9, 0xf0, 5, 5, 5, 5]);
        assert_eq!(received(&[68, 8, 9, 0xf0, 5, 5, 5, 5]), Err(23), "the sixteenth");
        assert_eq!(forwarded(&[68, 8, 5, 2, 0, 0, 0, 0]), [68, 8, 5, 2, 0, 0, 0, 0]);
    }

    /// Shows [4.52], [4.54], [4.58], [4.62].
    #[test]
    fn each_malformation_is_pointed_at() {
        for (options, pointer) in [
            (&[94, 0, 1, 1][..], 20),
            (&[94, 1, 1, 1], 20),
            (&[94, 5, 1, 1], 20),
            (&[1, 1, 1, 94], 23),
            (&[7, 2, 1, 1], 21),
            (&[7, 7, 3, 0, 0, 0, 0, 0], 22),
            (&[7, 7, 5, 0, 0, 0, 0, 0], 22),
            (&[7, 3, 4, 7, 3, 4, 0, 0], 23),
            (&[68, 3, 5, 0], 21),
            (&[68, 8, 4, 0, 0, 0, 0, 0], 22),
            (&[68, 8, 6, 0, 0, 0, 0, 0], 22),
            (&[68, 8, 5, 1, 0, 0, 0, 0], 22),
            (&[68, 8, 5, 3, 0, 0, 0, 0], 22),
            (&[68, 4, 5, 0, 68, 4, 5, 0], 24),
            (&[131, 2, 0, 0], 21),
            (&[131, 7, 3, 0, 0, 0, 0, 0], 22),
            (&[131, 3, 4, 137, 3, 4, 0, 0], 23),
            (&[148, 3, 0, 0], 21),
            (&[134, 6, 0, 0, 0, 1, 0, 0], 21),
            (&[134, 8, 0, 0, 0, 1, 1, 2], 22),
        ] {
            assert_eq!(received(options), Err(pointer), "{options:?}");
        }
    }

    /// Shows [4.42].
    #[test]
    fn what_stands_behind_the_end_is_wiped() {
        assert_eq!(forwarded(&[1, 0, 7, 7, 4, 0, 0, 0]), [1, 0, 0, 0, 0, 0, 0, 0]);
    }

    /// Shows [4.68] to [4.71].
    #[test]
    fn a_source_route_goes_on_to_its_first_address_elsewhere() {
        let route = [131, 11, 4, 10, 1, 0, 1, 198, 51, 100, 7, 0];
        let mut header = header(&route);
        let (mut compiled, _) = Compiled::new(&mut header, &Fixed);
        let places: Vec<_> = compiled.unvisited(&header).collect();
        let far = Ipv4Addr::new(198, 51, 100, 7);
        assert_eq!(places, [Ok((23, OWN)), Ok((27, far))]);
        compiled.pass_through(&mut header, OWN);
        compiled.reroute(27);
        compiled.forward(&mut header, |_| OUT);
        assert_eq!(header[16..20], far.octets());
        assert_eq!(header[20..], [131, 11, 12, 10, 1, 0, 1, 192, 0, 2, 1, 0]);
        assert!(checksum::ipv4_header(&header));
        let crooked = super::tests::header(&[131, 6, 4, 1, 1, 1, 0, 0]);
        let (compiled, _) = Compiled::new(&mut crooked.clone(), &Fixed);
        assert_eq!(compiled.unvisited(&crooked).collect::<Vec<_>>(), [Err(22)]);
    }

    /// Shows [3.16], [3.27].
    #[test]
    fn an_answer_continues_records_and_turns_the_route_round() {
        let record = [7, 15, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let continued = [7, 15, 12, 10, 1, 0, 1, 10, 1, 0, 1, 0, 0, 0, 0, 0];
        assert_eq!(answered(&record), (continued.to_vec(), None));
        let stamps = [68, 20, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let both = [68, 20, 21, 1, 10, 1, 0, 1, 1, 2, 3, 4, 10, 1, 0, 1, 0, 0, 0, 7];
        assert_eq!(answered(&stamps), (both.to_vec(), None));
        let routed = [131, 11, 12, 10, 0, 0, 1, 10, 0, 0, 2, 0];
        assert_eq!(
            answered(&routed),
            (vec![131, 11, 4, 10, 0, 0, 1, 10, 1, 0, 10, 0], Some([10, 0, 0, 2].into()))
        );
        let by_itself = [131, 11, 12, 10, 1, 0, 10, 10, 0, 0, 2, 0];
        assert_eq!(
            answered(&by_itself),
            (vec![131, 7, 4, 10, 1, 0, 10, 0], Some([10, 0, 0, 2].into())),
            "a sender that put itself first"
        );
        assert_eq!(answered(&[148, 4, 0, 0, 130, 4, 0, 0]), (vec![], None), "the rest is dropped");
    }

    #[test]
    fn router_alert_of_value_zero_alone_asks_to_be_looked_at() {
        let alert = |options: &[u8]| Compiled::new(&mut header(options), &Fixed).0.is_alert();
        assert!(alert(&[148, 4, 0, 0]) && alert(&[1, 1, 148, 4, 0, 0]));
        assert!(!alert(&[148, 4, 0, 1]) && !alert(&[7, 3, 4]));
    }
}
