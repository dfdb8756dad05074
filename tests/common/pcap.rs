//! Classic pcap files, read and written without any help from the router's own code.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

/// Nanosecond pcap, Ethernet, this machine's byte order.
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const LINKTYPE_ETHERNET: u32 = 1;

/// A frame and when it was on the wire, counted from the epoch of the capture's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamped {
    pub(crate) at: Duration,
    pub(crate) frame: Vec<u8>,
}

/// Writes a nanosecond capture.
pub(crate) fn write<'a>(
    path: &Path,
    frames: impl IntoIterator<Item = (Duration, &'a [u8])>,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(std::fs::File::create(path)?);
    out.write_all(&MAGIC_NANOS.to_le_bytes())?;
    out.write_all(&2u16.to_le_bytes())?;
    out.write_all(&4u16.to_le_bytes())?;
    out.write_all(&[0; 8])?;
    out.write_all(&65535u32.to_le_bytes())?;
    out.write_all(&LINKTYPE_ETHERNET.to_le_bytes())?;
    for (at, frame) in frames {
        let len = u32::try_from(frame.len()).expect("a frame is short");
        let seconds = u32::try_from(at.as_secs()).expect("a time before 2106");
        for word in [seconds, at.subsec_nanos(), len, len] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(frame)?;
    }
    out.flush()
}

/// Reads a capture of either time unit, in this machine's byte order.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Stamped>> {
    let bytes = std::fs::read(path)?;
    let bad = |what: &str| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()))
    };
    let word = |at: usize| -> io::Result<u32> {
        bytes
            .get(at..at + 4)
            .and_then(|four| four.try_into().ok())
            .map(u32::from_le_bytes)
            .ok_or_else(|| bad("cut short"))
    };
    let unit = match word(0)? {
        MAGIC_NANOS => 1,
        MAGIC_MICROS => 1000,
        _ => return Err(bad("not a pcap file of this byte order")),
    };
    if word(20)? != LINKTYPE_ETHERNET {
        return Err(bad("not a capture of Ethernet"));
    }
    let mut frames = Vec::new();
    let mut at = 24;
    while at < bytes.len() {
        let when = Duration::new(u64::from(word(at)?), word(at + 4)? * unit);
        let (stored, original) = (word(at + 8)? as usize, word(at + 12)? as usize);
        if stored != original {
            return Err(bad("a frame was cut when captured"));
        }
        let frame = bytes.get(at + 16..at + 16 + stored).ok_or_else(|| bad("cut short"))?;
        frames.push(Stamped { at: when, frame: frame.to_vec() });
        at += 16 + stored;
    }
    Ok(frames)
}
