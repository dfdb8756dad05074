//! Captures, ready to be received: frames of Ethernet in the order of their times.
//!
//! - takes: captures, and how much memory their frames may take
//! - gives: what holds of all their frames, and the frames themselves where they fit; others are read anew
//!   in each round, a little ahead of those who play them (`stream.rs`)

use std::{path::Path, sync::Arc};

use super::{
    ReplayError, fail,
    records::{Origin, Reader},
};
use crate::{capture::CaptureError, dpdk::pages};

/// A frame among the bytes of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where its bytes start.
    pub(super) at: u64,
    /// How many there are.
    pub(super) len: u32,
    /// Place of its port in the configuration.
    pub(super) port: u16,
    /// When it came, in nanoseconds since 1970.
    pub(super) ts_ns: u64,
}

/// Frames with their bytes.
pub(super) struct Arena {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) entries: Vec<Entry>,
}

impl Arena {
    /// The frame of an entry.
    #[inline]
    pub(super) fn frame<'a>(bytes: &'a [u8], entry: &Entry) -> &'a [u8] {
        let at = entry.at as usize;
        &bytes[at..at + entry.len as usize]
    }

    /// Frames of the first port, a microsecond apart.
    pub(super) fn of(frames: &[Vec<u8>]) -> Self {
        let all = frames.iter().map(|frame| frame.len() as u64).sum();
        let Keeping { mut bytes, mut entries } = Keeping::new(all, frames.len() as u64);
        for (number, frame) in frames.iter().enumerate() {
            let (at, len) = (bytes.len() as u64, frame.len() as u32);
            bytes.extend_from_slice(frame);
            entries.push(Entry { at, len, port: 0, ts_ns: number as u64 * 1000 });
        }
        Self { bytes: Arc::new(bytes), entries }
    }
}

/// What holds of all frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) packets: u64,
    /// Length of the longest.
    pub(super) longest: usize,
    /// Time of the first, in nanoseconds since 1970.
    pub(super) first: u64,
    /// Time of the last.
    pub(super) last: u64,
}

impl Facts {
    const NONE: Self = Self { packets: 0, longest: 0, first: u64::MAX, last: 0 };

    fn add(&mut self, len: usize, ts_ns: u64) {
        self.packets += 1;
        self.longest = self.longest.max(len);
        self.first = self.first.min(ts_ns);
        self.last = self.last.max(ts_ns);
    }

    /// Time between the first frame and the last, in nanoseconds.
    pub(super) const fn span(&self) -> u64 {
        self.last.saturating_sub(self.first)
    }
}

/// Captures that have been read once.
pub(super) struct Loaded {
    pub(super) facts: Facts,
    /// Things worth knowing, one sentence each.
    pub(super) notes: Vec<String>,
    /// The frames, where they fit into memory.
    kept: Option<Arena>,
    origins: Vec<Origin>,
}

/// Frames to play: those in memory, or those of files.
#[derive(Clone, Copy)]
pub(super) enum Frames<'a> {
    /// All of them.
    Kept(&'a Arena),
    /// Where to read them.
    Streamed(&'a [Origin]),
}

impl<'a> From<&'a Arena> for Frames<'a> {
    fn from(arena: &'a Arena) -> Self {
        Self::Kept(arena)
    }
}

/// What a frame takes in a file, from the smallest on.
const LEAST: u64 = 60 + 16;
/// What an entry takes beside the frame's bytes.
const ENTRY: u64 = size_of::<Entry>() as u64;

/// Frames that are kept while captures are read.
struct Keeping {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl Keeping {
    /// With room for so many bytes and frames, in large pages.
    fn new(len: u64, frames: u64) -> Self {
        fn room<T>(items: u64) -> Vec<T> {
            let mut room = Vec::with_capacity(usize::try_from(items).unwrap_or(0));
            pages::prefer_large(room.spare_capacity_mut());
            room
        }
        Self { bytes: room(len), entries: room(frames) }
    }

    fn add(&mut self, reader: &Reader) {
        let Some(frame) = reader.frame() else { return };
        let (at, len) = (self.bytes.len() as u64, frame.len() as u32);
        self.bytes.extend_from_slice(frame.header());
        self.bytes.extend_from_slice(frame.rest);
        self.entries.push(Entry { at, len, port: frame.port, ts_ns: frame.ts_ns });
    }

    const fn len(&self) -> u64 {
        self.bytes.len() as u64 + self.entries.len() as u64 * ENTRY
    }

    fn arena(mut self) -> Arena {
        // Stable: packets of one time and one capture keep their order.
        self.entries.sort_by_key(|entry| entry.ts_ns);
        Arena { bytes: Arc::new(self.bytes), entries: self.entries }
    }
}

/// A file that can be read again and again, with its length; none for pipes and the like.
fn file_len(path: &Path) -> Option<u64> {
    let facts = std::fs::metadata(path).ok()?;
    facts.is_file().then_some(facts.len())
}

impl Loaded {
    /// Reads captures, and keeps their frames while they take no more than `most` bytes. What can be
    /// read only once is kept in any case.
    pub(super) fn new(mut origins: Vec<Origin>, most: u64) -> Result<Self, ReplayError> {
        let lens: Vec<_> = origins.iter().map(|origin| file_len(&origin.path)).collect();
        let again = lens.iter().all(Option::is_some);
        let len = lens.iter().flatten().sum::<u64>();
        let mut keeping = (!again || len <= most).then(|| Keeping::new(len, len / LEAST));
        let (mut facts, mut readers) = (Facts::NONE, Vec::new());
        for origin in &mut origins {
            let mut reader = Reader::open(origin).map_err(|error| {
                let hint = "captures are pcap or pcapng files, plain or packed with gzip";
                fail(error.to_string(), hint)
            })?;
            let broken = |error: CaptureError| fail(error.to_string(), None);
            let mut own = Facts::NONE;
            while let Some((len, ts_ns)) = reader.advance().map_err(broken)? {
                own.add(len, ts_ns);
                facts.add(len, ts_ns);
                if let Some(kept) = &mut keeping {
                    kept.add(&reader);
                    if again && kept.len() > most {
                        keeping = None;
                    }
                }
            }
            (origin.packets, origin.longest) = (own.packets, own.longest);
            readers.push(reader);
        }
        let notes = readers.iter().flat_map(|reader| reader.notes(keeping.is_none())).collect();
        Ok(Self { facts, notes, kept: keeping.map(Keeping::arena), origins })
    }

    pub(super) const fn frames(&self) -> Frames<'_> {
        match &self.kept {
            Some(arena) => Frames::Kept(arena),
            None => Frames::Streamed(self.origins.as_slice()),
        }
    }

    /// Whether the files are read while frames are played.
    pub(super) const fn streams(&self) -> bool {
        self.kept.is_none()
    }
}
