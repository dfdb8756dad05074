//! Captures in memory, ready to be received: frames of Ethernet in the order of their times.

use std::{collections::BTreeMap, ops::Deref, path::PathBuf, sync::Arc};

use super::{ReplayError, fail};
use crate::{
    capture::{CaptureReader, to_ethernet},
    dpdk::pages,
    packet::MacAddr,
};

/// Longest frame that fits into a packet buffer.
const LONGEST: usize = 65_535 - 128;

/// A frame in an [`Arena`].
#[derive(Clone, Copy, Debug)]
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

/// The bytes of frames, in large pages where there may be any.
pub(super) struct Bytes(Box<[u8]>);

impl Bytes {
    fn new(of: &[u8]) -> Arc<Self> {
        let mut bytes = pages::zeroed(of.len());
        bytes.copy_from_slice(of);
        Arc::new(Self(bytes))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Frames with their bytes.
pub(super) struct Arena {
    pub(super) bytes: Arc<Bytes>,
    pub(super) entries: Vec<Entry>,
    /// Things worth knowing, one sentence each.
    pub(super) notes: Vec<String>,
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
        let (mut bytes, mut entries) = (Vec::new(), Vec::new());
        for (number, frame) in frames.iter().enumerate() {
            let (at, len) = (bytes.len() as u64, frame.len() as u32);
            bytes.extend_from_slice(frame);
            entries.push(Entry { at, len, port: 0, ts_ns: number as u64 * 1000 });
        }
        Self { bytes: Bytes::new(&bytes), entries, notes: Vec::new() }
    }

    /// Length of the longest frame.
    pub(super) fn longest(&self) -> usize {
        self.entries.iter().map(|entry| entry.len as usize).max().unwrap_or(0)
    }

    /// Time between the first frame and the last, in nanoseconds.
    pub(super) fn span(&self) -> u64 {
        let times = || self.entries.iter().map(|entry| entry.ts_ns);
        times().max().unwrap_or(0) - times().min().unwrap_or(0)
    }

    /// Reads captures: place of the port, its address, and the file. What is not Ethernet becomes
    /// Ethernet to that address.
    pub(super) fn load(captures: &[(u16, MacAddr, PathBuf)]) -> Result<Self, ReplayError> {
        let mut bytes = Vec::new();
        let mut entries = Vec::new();
        let mut notes = Vec::new();
        let mut frame = Vec::new();
        for (port, mac, path) in captures {
            let mut left_out: BTreeMap<String, u64> = BTreeMap::new();
            let (mut cut, mut long) = (0_u64, 0_u64);
            let mut capture = CaptureReader::open(path).map_err(|error| {
                let hint = "captures are pcap or pcapng files, plain or packed with gzip";
                fail(error.to_string(), hint)
            })?;
            let broken = |error: crate::capture::CaptureError| fail(error.to_string(), None);
            while let Some(record) = capture.next().map_err(broken)? {
                if let Err(why) = to_ethernet(&record, *mac, SENDER, &mut frame) {
                    *left_out.entry(why.to_string()).or_default() += 1;
                    continue;
                }
                if frame.len() > LONGEST {
                    long += 1;
                    continue;
                }
                cut += u64::from((record.data.len() as u64) < u64::from(record.orig_len));
                let at = bytes.len() as u64;
                bytes.extend_from_slice(&frame);
                let len = frame.len() as u32;
                entries.push(Entry { at, len, port: *port, ts_ns: record.ts_ns });
            }
            let name = path.display();
            if let Some(how) = capture.truncation() {
                notes.push(format!("{how}; what came before was replayed"));
            }
            if cut > 0 {
                notes.push(format!(
                    "{name}: {cut} packets were captured in part only, and count as cut short"
                ));
            }
            if long > 0 {
                notes.push(format!(
                    "{name}: {long} packets are longer than {LONGEST} bytes and were left out"
                ));
            }
            for (why, count) in left_out {
                notes.push(format!("{name}: {count} packets were left out: {why}"));
            }
        }
        // Stable: packets of one time and one capture keep their order.
        entries.sort_by_key(|entry| entry.ts_ns);
        Ok(Self { bytes: Bytes::new(&bytes), entries, notes })
    }
}

/// Sender of frames whose capture does not tell one.
const SENDER: MacAddr = MacAddr::new([0x02, 0x57, 0, 0, 0, 1]);
