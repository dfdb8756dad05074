//! Frames straight from capture files, one at a time; those of several files in the order of their times.
//!
//! - takes: files, the ports that their packets come in by, and what is known of them from before
//! - gives: frames of Ethernet in the buffers that the files are read into, and notes about what was left out

use std::path::PathBuf;

use super::{
    ReplayError, fail,
    load::{Arena, Frames},
};
use crate::{
    capture::{CaptureError, CaptureReader, Unsupported, ethernet},
    packet::MacAddr,
};

/// Longest frame that fits into a packet buffer.
const LONGEST: usize = 65_535 - 128;
/// Sender of frames whose capture does not tell one.
const SENDER: MacAddr = MacAddr::new([0x02, 0x57, 0, 0, 0, 1]);

/// A capture.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// Place of the port in the configuration.
    pub(super) port: u16,
    /// Address of the port: what is not Ethernet becomes Ethernet to it.
    pub(super) mac: MacAddr,
    pub(super) path: PathBuf,
    /// Frames that were found in it; as many as there are unless it has been read.
    pub(super) packets: u64,
    /// Length of the longest of them.
    pub(super) longest: usize,
}

impl Origin {
    /// A capture that has not been read yet.
    pub(super) const fn new(port: u16, mac: MacAddr, path: PathBuf) -> Self {
        Self { port, mac, path, packets: u64::MAX, longest: LONGEST }
    }
}

/// A frame in the buffer of its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    header: Option<[u8; 14]>,
    /// What stands behind the header, or all of it.
    pub(super) rest: &'a [u8],
    /// Place of its port in the configuration.
    pub(super) port: u16,
    /// When it came, in nanoseconds since 1970.
    pub(super) ts_ns: u64,
}

impl<'a> Frame<'a> {
    /// The Ethernet header of a frame whose capture has none.
    #[inline]
    pub(super) fn header(&self) -> &[u8] {
        self.header.as_ref().map_or(&[], |header| &header[..])
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.header().len() + self.rest.len()
    }

    /// The frame in one piece, in `room` unless it is so already.
    #[inline]
    pub(super) fn whole<'b>(&self, room: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        let Some(header) = &self.header else { return self.rest };
        room.clear();
        room.extend_from_slice(header);
        room.extend_from_slice(self.rest);
        room
    }
}

/// Reads one capture.
pub(super) struct Reader {
    capture: CaptureReader,
    port: u16,
    mac: MacAddr,
    left_out: Vec<(Unsupported, u64)>,
    cut: u64,
    long: u64,
    /// Frames before which a later one stands.
    early: u64,
    latest: u64,
}

impl Reader {
    pub(super) fn open(origin: &Origin) -> Result<Self, CaptureError> {
        let Origin { port, mac, ref path, .. } = *origin;
        let capture = CaptureReader::open(path)?;
        let (left_out, cut, long, early, latest) = (Vec::new(), 0, 0, 0, 0);
        Ok(Self { capture, port, mac, left_out, cut, long, early, latest })
    }

    /// Goes to the next frame, and tells its length and time.
    #[inline]
    pub(super) fn advance(&mut self) -> Result<Option<(usize, u64)>, CaptureError> {
        while let Some(record) = self.capture.next()? {
            let len = match ethernet(&record, self.mac, SENDER) {
                Ok((header, rest)) => header.map_or(0, |header| header.len()) + rest.len(),
                Err(why) => {
                    match self.left_out.iter_mut().find(|(known, _)| *known == why) {
                        Some((_, count)) => *count += 1,
                        None => self.left_out.push((why, 1)),
                    }
                    continue;
                }
            };
            if len > LONGEST {
                self.long += 1;
                continue;
            }
            self.cut += u64::from((record.data.len() as u64) < u64::from(record.orig_len));
            self.early += u64::from(record.ts_ns < self.latest);
            self.latest = self.latest.max(record.ts_ns);
            return Ok(Some((len, record.ts_ns)));
        }
        Ok(None)
    }

    /// The frame that [`advance`](Self::advance) went to.
    #[inline]
    pub(super) fn frame(&self) -> Option<Frame<'_>> {
        let record = self.capture.current()?;
        let (header, rest) = ethernet(&record, self.mac, SENDER).ok()?;
        Some(Frame { header, rest, port: self.port, ts_ns: record.ts_ns })
    }

    /// What is worth knowing of a capture that has been read to its end, and is played in its own order
    /// or in that of its times.
    pub(super) fn notes(&self, own_order: bool) -> Vec<String> {
        let name = self.capture.path().display();
        let mut notes = Vec::new();
        if let Some(how) = self.capture.truncation() {
            notes.push(format!("{how}; what came before was replayed"));
        }
        let mut count = |count: u64, what: &str| {
            if count > 0 {
                notes.push(format!("{name}: {count} packets {what}"));
            }
        };
        count(self.cut, "were captured in part only, and count as cut short");
        count(self.long, &format!("are longer than {LONGEST} bytes and were left out"));
        let mut left_out: Vec<_> =
            self.left_out.iter().map(|(why, count)| (why.to_string(), *count)).collect();
        left_out.sort();
        for (why, packets) in left_out {
            count(packets, &format!("were left out: {why}"));
        }
        if own_order {
            count(
                self.early,
                "are earlier than one before them, and were replayed where they stand",
            );
        }
        notes
    }
}

/// Reads several captures at once.
pub(super) struct Merged<'a> {
    files: Vec<File<'a>>,
    /// The file of the frame given last.
    at: Option<usize>,
}

struct File<'a> {
    origin: &'a Origin,
    reader: Reader,
    /// Frames that it has had.
    had: u64,
    /// Time of the next one.
    next: Option<u64>,
}

impl File<'_> {
    /// Goes on. The frames that were found when the file was read before are all there are: it may have
    /// grown since.
    fn advance(&mut self) -> Result<(), String> {
        if self.had == self.origin.packets {
            self.next = None;
            return Ok(());
        }
        let found = self.reader.advance().map_err(|error| error.to_string())?;
        let changed = |how: String| {
            Err(format!("{}: changed while it was replayed: {how}", self.origin.path.display()))
        };
        self.next = match found {
            Some((len, _)) if len > self.origin.longest => {
                let (packet, most) = (self.had + 1, self.origin.longest);
                return changed(format!("packet {packet} has {len} bytes, more than {most}"));
            }
            Some((_, ts_ns)) => Some(ts_ns),
            None if self.origin.packets == u64::MAX => None,
            None => {
                let (had, before) = (self.had, self.origin.packets);
                return changed(format!("{had} packets are left of {before}"));
            }
        };
        self.had += 1;
        Ok(())
    }
}

impl<'a> Merged<'a> {
    /// Opens the captures; errors are for operators to read, here and later.
    pub(super) fn open(origins: &'a [Origin]) -> Result<Self, String> {
        let files = origins.iter().map(|origin| {
            let reader = Reader::open(origin).map_err(|error| error.to_string())?;
            let mut file = File { origin, reader, had: 0, next: None };
            file.advance()?;
            Ok(file)
        });
        Ok(Self { files: files.collect::<Result<_, String>>()?, at: None })
    }

    /// The next frame by time; of those of one time, that of the capture given first.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Frame<'_>>, String> {
        if let Some(at) = self.at {
            self.files[at].advance()?;
        }
        let nexts = self.files.iter().enumerate();
        let nexts = nexts.filter_map(|(at, file)| file.next.map(|ts_ns| (ts_ns, at)));
        self.at = nexts.min().map(|(_, at)| at);
        Ok(self.at.and_then(|at| self.files[at].reader.frame()))
    }
}

impl Frames<'_> {
    /// Calls `each` with the port and the bytes of every frame.
    pub(super) fn each(self, mut each: impl FnMut(u16, &[u8])) -> Result<(), ReplayError> {
        match self {
            Self::Kept(arena) => {
                for entry in &arena.entries {
                    each(entry.port, Arena::frame(&arena.bytes, entry));
                }
            }
            Self::Streamed(origins) => {
                let broken = |error: String| fail(error, None);
                let mut merged = Merged::open(origins).map_err(broken)?;
                let mut room = Vec::new();
                while let Some(frame) = merged.next().map_err(broken)? {
                    each(frame.port, frame.whole(&mut room));
                }
            }
        }
        Ok(())
    }
}
