//! Reading a capture file record by record, whatever its format.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use super::error::{CaptureError, CaptureFault};
use super::input::{Filled, Input};
use super::link::LinkType;
use super::{MAX_RECORD_LEN, pcap, pcapng};

/// One packet of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was seen, in nanoseconds since 1970.
    pub ts_ns: u64,
    /// How long it was on the wire, frame check sequence not counted.
    pub orig_len: u32,
    /// What was kept of it, frame check sequence not included.
    pub data: &'a [u8],
    /// What its first header is.
    pub link: LinkType,
}

/// What a format's reader found next, but for the bytes, which are in the buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) ts_ns: u64,
    pub(super) orig_len: u32,
    /// Number of the link. A type with parts would be written in parts and read as a whole, for which a
    /// processor has to wait until everything before is written: that cost as much as all else.
    pub(super) link: u32,
    /// Bytes of frame check sequence that the wire length counts.
    pub(super) fcs_len: u8,
}

/// Why a format's reader stopped; the offset is where the faulty thing starts.
#[derive(Debug)]
pub(super) enum Stop {
    /// The file ended where it may.
    End,
    /// The file ended where it may not.
    Cut { within: &'static str, need: usize, have: usize },
    /// The file is damaged or foreign.
    Fault { offset: u64, fault: CaptureFault },
}

impl From<CaptureFault> for Stop {
    fn from(fault: CaptureFault) -> Self {
        Self::Fault { offset: u64::MAX, fault }
    }
}

/// Where the bytes of the record at hand lie.
enum Place {
    /// In the buffer of the file.
    Input(Range<usize>),
    /// In a buffer of their own.
    Aside,
}

/// Bytes of a file, and those of the record at hand.
pub(super) struct Source {
    pub(super) input: Input,
    place: Place,
    aside: Vec<u8>,
    /// Records given out.
    pub(super) packets: u64,
}

impl Source {
    /// The bytes of the record at hand.
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        match &self.place {
            Place::Input(taken) => self.input.bytes(taken.clone()),
            Place::Aside => &self.aside,
        }
    }

    /// Keeps the bytes of the record at hand while more is read behind them.
    pub(super) fn set_aside(&mut self) {
        if let Place::Input(taken) = &self.place {
            self.aside.clear();
            self.aside.extend_from_slice(self.input.bytes(taken.clone()));
            self.place = Place::Aside;
        }
    }

    /// Reads an array that must be there.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self, within: &'static str) -> Result<[u8; N], Stop> {
        let (filled, taken) = self.input.take(N)?;
        match (filled, self.input.bytes(taken).first_chunk()) {
            (_, Some(bytes)) => Ok(*bytes),
            (Filled::Part(have), _) => Err(Stop::Cut { within, need: N, have }),
            _ => Err(Stop::Cut { within, need: N, have: 0 }),
        }
    }

    /// Reads an array that may be there as a whole or not at all.
    pub(super) fn array_or_end<const N: usize>(
        &mut self,
        within: &'static str,
    ) -> Result<[u8; N], Stop> {
        match self.array(within) {
            Err(Stop::Cut { have: 0, .. }) => Err(Stop::End),
            other => other,
        }
    }

    /// Reads a packet's bytes, when their number is one that a packet can have.
    #[inline]
    pub(super) fn packet(&mut self, len: u32, said_at: u64) -> Result<(), Stop> {
        if len as usize > MAX_RECORD_LEN {
            let fault = CaptureFault::PacketLength { packet: self.packets + 1, len };
            return Err(Stop::Fault { offset: said_at, fault });
        }
        self.bytes(len as usize, "the data")
    }

    /// Reads so many bytes, which are then the record at hand.
    #[inline]
    pub(super) fn bytes(&mut self, need: usize, within: &'static str) -> Result<(), Stop> {
        let (filled, taken) = self.input.take(need)?;
        self.place = Place::Input(taken);
        match filled {
            Filled::Whole => Ok(()),
            Filled::End => Err(Stop::Cut { within, need, have: 0 }),
            Filled::Part(have) => Err(Stop::Cut { within, need, have }),
        }
    }

    /// Passes over so many bytes that must be there.
    pub(super) fn skip(&mut self, len: u64, within: &'static str) -> Result<(), Stop> {
        let have = self.input.skip(len)?;
        if have == len {
            return Ok(());
        }
        let capped = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Err(Stop::Cut { within, need: capped(len), have: capped(have) })
    }
}

enum Format {
    Pcap(pcap::Header),
    Pcapng(pcapng::Section),
}

/// Gives the records of one capture file in their order.
///
/// A file that ends within a record gives all records before it, then the end;
/// [`truncation`](Self::truncation) tells, so that a caller can warn and count.
pub struct CaptureReader {
    source: Source,
    format: Format,
    /// The record at hand, but for its bytes.
    found: Option<Found>,
    ended: bool,
    truncation: Option<CaptureError>,
}

impl CaptureReader {
    /// Opens a capture file and reads its header.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        Self::start(Input::open(path.as_ref())?)
    }

    /// Reads a capture from anywhere; errors call it by `name`.
    pub fn new(
        name: impl AsRef<Path>,
        source: impl Read + Send + 'static,
    ) -> Result<Self, CaptureError> {
        Self::start(Input::new(name.as_ref(), source)?)
    }

    fn start(input: Input) -> Result<Self, CaptureError> {
        let place = Place::Aside;
        let mut source = Source { input, place, aside: Vec::new(), packets: 0 };
        let format = match Self::format(&mut source) {
            Ok(format) => format,
            Err(stop) => return Err(explain(&source, stop)),
        };
        Ok(Self { source, format, found: None, ended: false, truncation: None })
    }

    fn format(source: &mut Source) -> Result<Format, Stop> {
        let (_, taken) = source.input.take(4)?;
        let start = source.input.bytes(taken);
        let fault = match start.first_chunk() {
            Some(&pcapng::MAGIC) => return pcapng::Section::first(source).map(Format::Pcapng),
            Some(magic) => match pcap::Order::of(*magic) {
                Some(order) => return pcap::Header::read(source, order).map(Format::Pcap),
                None => not_a_capture(start),
            },
            None if start.is_empty() => return Err(Stop::End),
            None => not_a_capture(start),
        };
        Err(Stop::Fault { offset: 0, fault })
    }

    /// The next record, or none at the end of the file.
    ///
    /// After an error there are no more records.
    #[allow(clippy::should_implement_trait)] // Records borrow the buffer, which no Iterator can.
    #[inline]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, CaptureError> {
        if self.ended {
            return Ok(None);
        }
        self.found = None;
        let found = match &mut self.format {
            Format::Pcap(header) => header.next(&mut self.source),
            Format::Pcapng(section) => section.next(&mut self.source),
        };
        match found {
            Ok(found) => {
                self.source.packets += 1;
                self.found = Some(found);
                Ok(Some(record(found, self.source.data())))
            }
            Err(stop) => {
                self.ended = true;
                if matches!(stop, Stop::End) && !self.source.input.packed_cut {
                    return Ok(None);
                }
                let error = explain(&self.source, stop);
                if error.is_truncation() {
                    self.truncation = Some(error);
                    return Ok(None);
                }
                Err(error)
            }
        }
    }

    /// The record that [`next`](Self::next) gave last, if it was not the end.
    #[inline]
    pub fn current(&self) -> Option<Record<'_>> {
        self.found.map(|found| record(found, self.source.data()))
    }

    /// How many records were given out.
    pub const fn packets(&self) -> u64 {
        self.source.packets
    }

    /// How the file ended too early, when it did; known once [`next`](Self::next) gave the end.
    pub const fn truncation(&self) -> Option<&CaptureError> {
        self.truncation.as_ref()
    }

    /// The file's name as errors have it.
    pub fn path(&self) -> &Path {
        &self.source.input.path
    }
}

/// A record without the frame check sequence that some captures keep.
fn record(found: Found, buffer: &[u8]) -> Record<'_> {
    let Found { ts_ns, orig_len, link, fcs_len } = found;
    let wire_len = orig_len.saturating_sub(u32::from(fcs_len));
    let data = match fcs_len {
        0 => buffer,
        _ => buffer.get(..wire_len as usize).unwrap_or(buffer),
    };
    Record { ts_ns, orig_len: wire_len, data, link: LinkType::from_number(link) }
}

/// What the first bytes of a file that is no capture tell about it.
fn not_a_capture(magic: &[u8]) -> CaptureFault {
    match *magic {
        [0x28, 0xb5, 0x2f, 0xfd] => CaptureFault::Compressed { by: "zstd" },
        [0xfd, b'7', b'z', b'X'] => CaptureFault::Compressed { by: "xz" },
        [b'B', b'Z', b'h', _] => CaptureFault::Compressed { by: "bzip2" },
        [0x04, 0x22, 0x4d, 0x18] => CaptureFault::Compressed { by: "lz4" },
        _ => CaptureFault::NotACapture { magic: magic.to_vec() },
    }
}

/// Adds to a stop the file and the place.
fn explain(source: &Source, stop: Stop) -> CaptureError {
    let Input { offset: now, path, packed_cut, .. } = &source.input;
    let (offset, fault) = match stop {
        Stop::Fault { offset, fault } => (offset.min(*now), fault),
        Stop::Cut { within, need, have } => {
            (*now, CaptureFault::Truncated { packet: source.packets + 1, within, need, have })
        }
        Stop::End if *packed_cut => (*now, CaptureFault::PackedCut { packets: source.packets }),
        Stop::End => (*now, CaptureFault::Empty),
    };
    CaptureError { path: path.clone(), offset, fault }
}
