//! Capture files made byte by byte, in every format, whole, cut and damaged.

use std::io::{Cursor, Read, Write};

use super::*;

/// What a record holds, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    ts_ns: u64,
    orig_len: u32,
    link: u32,
    data: Vec<u8>,
}

fn kept(ts_ns: u64, link: u32, data: &[u8]) -> Kept {
    Kept { ts_ns, orig_len: data.len() as u32, link, data: data.to_vec() }
}

fn open(bytes: &[u8]) -> Result<CaptureReader, CaptureError> {
    CaptureReader::new("test.pcap", Cursor::new(bytes.to_vec()))
}

/// All records, and how the file ended.
fn read(bytes: &[u8]) -> (Vec<Kept>, Result<(), CaptureError>) {
    let mut records = Vec::new();
    let mut reader = match open(bytes) {
        Ok(reader) => reader,
        Err(error) => return (records, Err(error)),
    };
    loop {
        match reader.next() {
            Ok(Some(Record { ts_ns, orig_len, data, link })) => {
                let (link, data) = (link.number(), data.to_vec());
                records.push(Kept { ts_ns, orig_len, link, data });
            }
            Ok(None) => break,
            Err(error) => {
                assert!(reader.next().unwrap().is_none(), "nothing follows an error");
                return (records, Err(error));
            }
        }
    }
    assert_eq!(reader.packets(), records.len() as u64);
    (records, Ok(()))
}

fn whole(bytes: &[u8]) -> Vec<Kept> {
    let (records, end) = read(bytes);
    end.unwrap();
    records
}

fn fault(bytes: &[u8]) -> (u64, String) {
    let error = read(bytes).1.unwrap_err();
    assert!(error.to_string().starts_with("test.pcap: byte "), "{error}");
    (error.offset, error.fault.to_string())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes numbers in one byte order.
#[derive(Clone, Copy)]
struct Order {
    big: bool,
}

impl Order {
    fn u16(self, n: u16) -> [u8; 2] {
        if self.big { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    fn u32(self, n: u32) -> [u8; 4] {
        if self.big { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    fn words(self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| self.u32(*word)).collect()
    }

    fn pcap(self, nano: bool, link: u32) -> Vec<u8> {
        let magic = if nano { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
        let version = [self.u16(2), self.u16(4)].concat();
        [self.words(&[magic]), version, self.words(&[0, 0, 65_535, link])].concat()
    }

    fn record(self, seconds: u32, fraction: u32, data: &[u8]) -> Vec<u8> {
        let len = data.len() as u32;
        [self.words(&[seconds, fraction, len, len]), data.to_vec()].concat()
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let len = body.len() as u32 + 12;
        [self.words(&[kind, len]), body, self.words(&[len])].concat()
    }

    fn section(self) -> Vec<u8> {
        let version = [self.u16(1), self.u16(0)].concat();
        let body = [self.words(&[0x1a2b_3c4d]), version, vec![0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    fn interface(self, link: u16, snap_len: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = [self.u16(link), self.u16(0)].concat();
        body.extend(self.u32(snap_len));
        for (code, value) in options {
            body.extend(self.u16(*code));
            body.extend(self.u16(value.len() as u16));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        self.block(1, &body)
    }

    fn enhanced(self, interface: u32, count: u64, data: &[u8], options: &[u8]) -> Vec<u8> {
        let len = data.len() as u32;
        let mut body = self.words(&[interface, (count >> 32) as u32, count as u32, len, len]);
        body.extend(data);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(options);
        self.block(6, &body)
    }

    fn obsolete(self, interface: u16, count: u64, data: &[u8]) -> Vec<u8> {
        let len = data.len() as u32;
        let mut body = [self.u16(interface), self.u16(9)].concat();
        body.extend(self.words(&[(count >> 32) as u32, count as u32, len, len]));
        body.extend(data);
        self.block(2, &body)
    }

    fn simple(self, orig_len: u32, data: &[u8]) -> Vec<u8> {
        self.block(3, &[&self.u32(orig_len)[..], data].concat())
    }
}

const LITTLE: Order = Order { big: false };
const BIG: Order = Order { big: true };

#[test]
fn the_classic_format_is_read_in_either_byte_order_and_unit_of_time() {
    for order in [LITTLE, BIG] {
        for (nano, unit) in [(false, 1000), (true, 1)] {
            let bytes = [
                order.pcap(nano, 1),
                order.record(1, 999_999, &[1; 60]),
                order.record(4_000_000_000, 2, &[2; 1514]),
                order.record(2, 0, &[]),
            ]
            .concat();
            let want = [
                kept(1_000_000_000 + 999_999 * unit, 1, &[1; 60]),
                kept(4_000_000_000_000_000_000 + 2 * unit, 1, &[2; 1514]),
                kept(2_000_000_000, 1, &[]),
            ];
            assert_eq!(whole(&bytes), want);
            assert_eq!(whole(&gzip(&bytes)), want);
            let parts = [gzip(&bytes[..100]), gzip(&bytes[100..])].concat();
            assert_eq!(whole(&parts), want, "packed in two parts");
        }
    }
}

#[test]
fn a_literal_file_of_tcpdump_is_read() {
    let bytes = [
        0xd4, 0xc3, 0xb2, 0xa1, 0x02, 0x00, 0x04, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x00, 0x04,
        0x00, 0x71, 0, 0, 0, // Linux cooked
        0x10, 0x27, 0x00, 0x00, 0x40, 0xe2, 0x01, 0x00, 0x02, 0, 0, 0, 0x05, 0, 0, 0, 0xab, 0xcd,
    ];
    let want = Kept { ts_ns: 10_000_123_456_000, orig_len: 5, link: 113, data: vec![0xab, 0xcd] };
    assert_eq!(whole(&bytes), [want]);
}

#[test]
fn frame_check_sequences_that_a_capture_kept_are_taken_off() {
    let with = LITTLE.record(0, 0, &[1, 2, 3, 4, 0xf, 0xc, 0x5, 0]);
    let bytes = [LITTLE.pcap(false, 0x2400_0001), with.clone()].concat();
    assert_eq!(whole(&bytes), [kept(0, 1, &[1, 2, 3, 4])]);
    let unmarked = [LITTLE.pcap(false, 0x2000_0001), with].concat();
    assert_eq!(whole(&unmarked)[0].data.len(), 8, "a length without its mark says nothing");
    let bytes = [
        BIG.section(),
        BIG.interface(1, 0, &[(13, &[4])]),
        BIG.enhanced(0, 0, &[1, 2, 3, 4, 0xf, 0xc, 0x5, 0], &[]),
    ]
    .concat();
    assert_eq!(whole(&bytes), [kept(0, 1, &[1, 2, 3, 4])]);
}

/// A file with everything in it, and its records.
fn everything(order: Order, other: Order) -> (Vec<Vec<u8>>, Vec<Option<Kept>>) {
    let offset = if order.big { 100i64.to_be_bytes() } else { 100i64.to_le_bytes() };
    let pieces = [
        (order.section(), None),
        (order.block(0xbad, &[1; 33]), None),
        (order.interface(1, 0, &[(2, b"wan"), (9, &[9]), (0, &[])]), None),
        (order.interface(113, 96, &[(14, &offset)]), None),
        (order.interface(101, 0, &[(9, &[0x80 | 1])]), None),
        (order.enhanced(0, 1_000_000_007, &[1; 61], &[]), Some(kept(1_000_000_007, 1, &[1; 61]))),
        (order.enhanced(1, 3, &[2; 60], &[7; 12]), Some(kept(100_000_003_000, 113, &[2; 60]))),
        (order.enhanced(2, 3, &[0x45; 20], &[]), Some(kept(1_500_000_000, 101, &[0x45; 20]))),
        (order.obsolete(1, 1, &[3; 5]), Some(kept(100_000_001_000, 113, &[3; 5]))),
        (order.simple(7, &[4; 7]), Some(kept(100_000_001_000, 1, &[4; 7]))),
        (order.block(5, &[0; 20]), None),
        (other.section(), None),
        (other.interface(276, 16, &[]), None),
        (other.enhanced(0, 1 << 32, &[5; 3], &[]), Some(kept(4_294_967_296_000, 276, &[5; 3]))),
        (
            other.simple(1000, &[6; 16]),
            Some(Kept { orig_len: 1000, ..kept(4_294_967_296_000, 276, &[6; 16]) }),
        ),
    ];
    pieces.into_iter().unzip()
}

/// Sound files of both formats and both byte orders.
pub(super) fn everything_in_bytes() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for (order, other) in [(LITTLE, BIG), (BIG, LITTLE)] {
        files.push(everything(order, other).0.concat());
        for (nano, link) in [(false, 1), (true, 113), (false, 0), (true, 0x2400_0001)] {
            files.push([order.pcap(nano, link), order.record(1, 2, &[0x45; 61])].concat());
        }
    }
    files
}

#[test]
fn the_newer_format_is_read_with_its_interfaces_clocks_and_sections() {
    for (order, other) in [(LITTLE, BIG), (BIG, LITTLE), (LITTLE, LITTLE), (BIG, BIG)] {
        let (pieces, records) = everything(order, other);
        let want: Vec<_> = records.into_iter().flatten().collect();
        assert_eq!(whole(&pieces.concat()), want);
        assert_eq!(whole(&gzip(&pieces.concat())), want);
    }
}

/// Cuts a file at every byte: what stands before the cut is read, and the cut is told.
fn cut_everywhere(header_len: usize, pieces: &[Vec<u8>], records: &[Option<Kept>]) {
    let bytes = pieces.concat();
    // Ends of pieces, and the records that are whole there.
    let (mut ends, mut at, mut count) = (Vec::new(), 0, 0);
    for (piece, record) in pieces.iter().zip(records) {
        at += piece.len();
        count += usize::from(record.is_some());
        ends.push((at, count));
    }
    let want: Vec<_> = records.iter().flatten().cloned().collect();
    for cut in 0..bytes.len() {
        if cut < header_len {
            let error = open(&bytes[..cut]).err().expect("a header that is not whole");
            assert_eq!(error.is_truncation(), cut >= 4, "{cut}: {error}");
            continue;
        }
        let mut reader = open(&bytes[..cut]).unwrap();
        let mut seen = Vec::new();
        while let Some(Record { ts_ns, orig_len, data, link }) = reader.next().unwrap() {
            seen.push(Kept { ts_ns, orig_len, link: link.number(), data: data.to_vec() });
        }
        let before = ends.iter().rev().find(|(end, _)| *end <= cut).map_or(0, |(_, count)| *count);
        assert_eq!(seen, want[..before], "cut at {cut}");
        let at_an_end = ends.iter().any(|(end, _)| *end == cut);
        match reader.truncation() {
            None => assert!(at_an_end, "cut at {cut}"),
            Some(error) => {
                assert!(!at_an_end, "cut at {cut}");
                assert_eq!(error.offset, cut as u64);
                let said = format!("after {before} packets");
                assert!(error.to_string().contains(&said), "{error}");
            }
        }
    }
}

#[test]
fn a_file_cut_at_any_byte_gives_what_stands_before_the_cut() {
    for order in [LITTLE, BIG] {
        let data = [9; 21];
        let pieces =
            [order.pcap(true, 1), order.record(0, 1, &data), order.record(0, 2, &[])].to_vec();
        cut_everywhere(24, &pieces, &[None, Some(kept(1, 1, &data)), Some(kept(2, 1, &[]))]);
        let (pieces, records) = everything(order, order);
        cut_everywhere(28, &pieces, &records);
    }
}

#[test]
fn a_packed_file_cut_at_any_byte_gives_whole_records_and_no_panic() {
    let records: Vec<_> = (0..40).flat_map(|at| LITTLE.record(at, 0, &[at as u8; 90])).collect();
    let packed = gzip(&[LITTLE.pcap(false, 1), records].concat());
    for cut in 0..packed.len() {
        let Ok(mut reader) = open(&packed[..cut]) else {
            continue;
        };
        let mut count = 0;
        while let Some(record) = reader.next().unwrap() {
            assert_eq!(record.data, [count; 90]);
            count += 1;
        }
        assert!(reader.truncation().is_some() || count == 40, "{cut}");
    }
}

#[test]
fn damage_inside_a_packed_file_is_told_and_is_no_mere_cut() {
    let records: Vec<_> = (0..400u32)
        .flat_map(|at| LITTLE.record(at, 0, &at.wrapping_mul(0x9e37_79b9).to_le_bytes()))
        .collect();
    let mut packed = gzip(&[LITTLE.pcap(false, 1), records].concat());
    let end = packed.len();
    packed[end - 8] ^= 1; // The check sum of the contents.
    let (records, end) = read(&packed);
    assert!(!end.unwrap_err().is_truncation());
    assert!(records.len() >= 399);
}

#[test]
fn files_that_are_no_capture_are_told_what_they_are() {
    assert_eq!(fault(b""), (0, "the file is empty".into()));
    assert_eq!(fault(&gzip(b"")), (0, "the file is empty".into()));
    let text = "not a pcap or pcapng capture: it starts with 68 65 6c 6c";
    assert_eq!(fault(b"hello"), (0, text.into()));
    assert_eq!(fault(&gzip(b"hello")), (0, text.into()));
    assert!(fault(&[0xd4, 0xc3]).1.ends_with("it starts with d4 c3"));
    assert!(fault(&[0x28, 0xb5, 0x2f, 0xfd, 0]).1.contains("zstd"));
    let error = CaptureReader::open("/nowhere/in.pcap").err().unwrap().to_string();
    assert!(error.starts_with("/nowhere/in.pcap: byte 0: cannot be read: No such file"), "{error}");
    let error = CaptureReader::open("/").err().unwrap().to_string();
    assert!(error.starts_with("/: byte 0: cannot be read: Is a directory"), "{error}");
}

#[test]
fn headers_of_files_that_cannot_be_used_are_told_with_their_place() {
    let mut version = LITTLE.pcap(true, 1);
    version[6] = 3;
    assert_eq!(fault(&version), (4, "version 2.3 of the capture format is not read".into()));
    let (at, text) = fault(&BIG.pcap(false, 127));
    assert!(at == 20 && text.starts_with("link type 127 cannot be replayed"), "{text}");
    let mut section = BIG.section();
    section[8] = 0;
    assert_eq!(fault(&section).0, 8);
    let mut section = LITTLE.section();
    section[12] = 2;
    assert_eq!(fault(&section), (12, "version 2.0 of the capture format is not read".into()));
}

#[test]
fn a_packet_of_absurd_length_ends_the_reading_and_those_before_stand() {
    let sound = LITTLE.record(0, 7, &[1; 60]);
    let most = LITTLE.record(0, 8, &vec![2; MAX_RECORD_LEN]);
    let absurd = LITTLE.words(&[0, 0, MAX_RECORD_LEN as u32 + 1, 60]);
    let bytes = [LITTLE.pcap(true, 1), sound, most, absurd].concat();
    let (records, end) = read(&bytes);
    assert_eq!(records.len(), 2);
    let error = end.unwrap_err();
    assert_eq!(error.offset, bytes.len() as u64 - 8);
    let said = "packet 3 is said to have 262145 bytes: the file is damaged";
    assert_eq!(error.fault.to_string(), said);
    assert!(!error.is_truncation());
}

#[test]
fn damaged_blocks_are_told_with_their_place() {
    let start = [LITTLE.section(), LITTLE.interface(1, 0, &[])].concat();
    let sound = LITTLE.enhanced(0, 1, &[1; 4], &[]);
    let at = (start.len() + sound.len()) as u64;
    let with = |block: &[u8]| {
        let bytes = [&start[..], &sound, block].concat();
        let (records, end) = read(&bytes);
        assert_eq!(records.len(), 1);
        let error = end.unwrap_err();
        assert!(!error.is_truncation(), "{error}");
        (error.offset - at, error.fault.to_string())
    };
    let changed = |block: &[u8], place: usize, value: u8| {
        let mut block = block.to_vec();
        block[place] = value;
        with(&block)
    };
    let (place, text) = changed(&sound, 4, 35);
    assert_eq!((place, &text[..]), (4, "a block is said to have 35 bytes: the file is damaged"));
    assert_eq!(changed(&sound, 4, 8).0, 4);
    assert_eq!(changed(&sound, 4, 28).0, 4, "too short for its fixed part");
    let (place, text) = changed(&sound, 32, 40);
    assert!(
        place == 32 && text.contains("starts with length 36 and ends with length 40"),
        "{text}"
    );
    let (place, text) = changed(&sound, 8, 3);
    let said = "packet 2 is of interface 3, and only 1 are described";
    assert_eq!((place, &text[..]), (8, said));
    let (place, text) = changed(&sound, 20, 9);
    assert_eq!((place, &text[..]), (0, "packet 2 is said to have 9 bytes: the file is damaged"));
    let (_, text) = with(&LITTLE.simple(u32::MAX, &[0; 8]));
    assert!(text.starts_with("packet 2 is said to have 4294967295 bytes"), "{text}");
    let long = LITTLE.words(&[1, 2 * 1024 * 1024]);
    assert_eq!(with(&[long, vec![0; 40]].concat()).0, 4);
    let only = [LITTLE.section(), LITTLE.simple(4, &[0; 4])].concat();
    assert!(fault(&only).1.contains("only 0 are described"));
}

#[test]
fn packets_of_a_foreign_interface_do_not_hide_those_of_others() {
    let bytes = [
        LITTLE.section(),
        LITTLE.interface(127, 0, &[]),
        LITTLE.interface(1, 0, &[]),
        LITTLE.enhanced(0, 1, &[1; 4], &[]),
        LITTLE.enhanced(1, 2, &[2; 14], &[]),
    ]
    .concat();
    assert_eq!(whole(&bytes), [kept(1000, 127, &[1; 4]), kept(2000, 1, &[2; 14])]);
    let mut reader = open(&bytes).unwrap();
    let record = reader.next().unwrap().unwrap();
    let mac = crate::packet::MacAddr::ZERO;
    let made = to_ethernet(&record, mac, mac, &mut Vec::new());
    assert_eq!(made, Err(Unsupported::Link(127)));
}

/// Gives as many bytes at a time as chance has it.
struct Drops {
    bytes: Cursor<Vec<u8>>,
    random: crate::packet::generate::Random,
}

impl Read for Drops {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let bits = self.random.below(21);
        let most = buf.len().min(1 + self.random.below(1 << bits) as usize);
        self.bytes.read(&mut buf[..most])
    }
}

#[test]
fn records_are_whole_wherever_a_read_ends() {
    let mut random = crate::packet::generate::Random::new(11);
    let (mut pcap, mut pcapng) = (LITTLE.pcap(true, 1), LITTLE.section());
    pcapng.extend(LITTLE.interface(1, 0, &[(9, &[9])]));
    let mut want = Vec::new();
    for n in 0..2000_u32 {
        // The longest that may be, now and then, and ends that are longer than what is read as one.
        let len = if n % 400 == 0 { MAX_RECORD_LEN } else { 1 + random.below(3000) as usize };
        let options = vec![7; if n % 500 == 3 { 700_000 } else { 4 * random.below(5) as usize }];
        let data: Vec<u8> = (0..len).map(|_| random.next_u64() as u8).collect();
        pcap.extend(LITTLE.record(0, n, &data));
        pcapng.extend(LITTLE.enhanced(0, n.into(), &data, &options));
        want.push(kept(n.into(), 1, &data));
    }
    for bytes in [pcap, pcapng] {
        let drops = Drops { bytes: Cursor::new(bytes), random: random.clone() };
        let mut reader = CaptureReader::new("drops", drops).unwrap();
        assert!(reader.current().is_none());
        for want in &want {
            let Record { ts_ns, orig_len, data, link } = reader.next().unwrap().unwrap();
            assert_eq!((ts_ns, orig_len, link.number()), (want.ts_ns, want.orig_len, want.link));
            assert!(data == want.data, "record {ts_ns}");
            assert!(reader.current().unwrap().data == want.data, "record {ts_ns}, asked again");
        }
        assert!(reader.next().unwrap().is_none() && reader.current().is_none());
        assert!(reader.truncation().is_none());
    }
    // What is too long to be read as one piece may be cut as well.
    let long = LITTLE.enhanced(0, 1, &[1; 60], &vec![7; 700_000]);
    let start = [LITTLE.section(), LITTLE.interface(1, 0, &[])].concat();
    let mut reader = open(&[&start[..], &long[..long.len() - 5]].concat()).unwrap();
    assert!(reader.next().unwrap().is_none() && reader.truncation().is_some());
}
