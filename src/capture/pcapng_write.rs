//! Writing IP packets to a pcapng file, with what is known of each.
//!
//! - takes: packets from their network headers on, their interface, and words about them
//! - gives: a file of one section in little-endian order, times in nanoseconds
//! - obeys: draft-ietf-opsawg-pcapng §3.5 (options), §4.1, §4.2, §4.3

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
/// Packets that begin with their IP header, of either family.
const LINKTYPE_RAW: u16 = 101;
/// What an option is.
mod option {
    pub(super) const COMMENT: u16 = 1;
    pub(super) const APPLICATION: u16 = 4;
    pub(super) const NAME: u16 = 2;
    pub(super) const RESOLUTION: u16 = 9;
    pub(super) const FLAGS: u16 = 2;
}
/// Bytes that are gathered before the system gets them.
const CHUNK: usize = 64 * 1024;

/// A packet, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Noted<'a> {
    /// Nanoseconds since 1970.
    pub wall: u64,
    /// Its bytes from the network header on, or the first of them.
    pub bytes: &'a [u8],
    /// Its length.
    pub len: u32,
    /// Number of its interface.
    pub interface: u32,
    /// Whether it came by it, or leaves by it.
    pub inbound: bool,
    /// Words about it, a comment each.
    pub comments: &'a [&'a str],
}

/// A file of packets.
#[derive(Debug)]
pub struct PcapngWriter {
    file: File,
    staged: Vec<u8>,
    written: u64,
    interfaces: u32,
}

/// A block, made from what stands in it.
fn block(into: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = into.len();
    into.extend_from_slice(&kind.to_le_bytes());
    into.extend_from_slice(&[0; 4]);
    body(into);
    let len = (into.len() - start + 4) as u32;
    into[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    into.extend_from_slice(&len.to_le_bytes());
}

fn padded(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend_from_slice(bytes);
    into.resize(into.len() + bytes.len().wrapping_neg() % 4, 0);
}

fn option(into: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    into.extend_from_slice(&code.to_le_bytes());
    into.extend_from_slice(&(value.len() as u16).to_le_bytes());
    padded(into, value);
}

fn end(into: &mut Vec<u8>) {
    into.extend_from_slice(&[0; 4]);
}

impl PcapngWriter {
    /// Creates the file; one of that name is replaced.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut staged = Vec::with_capacity(2 * CHUNK);
        block(&mut staged, SECTION, |body| {
            body.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
            body.extend_from_slice(&[1, 0, 0, 0]);
            // How long the section will be nobody knows yet.
            body.extend_from_slice(&u64::MAX.to_le_bytes());
            option(body, option::APPLICATION, b"wagonway");
            end(body);
        });
        Ok(Self { file: File::create(path)?, staged, written: 0, interfaces: 0 })
    }

    /// Describes an interface; gives its number.
    pub fn interface(&mut self, name: &str) -> u32 {
        block(&mut self.staged, INTERFACE, |body| {
            body.extend_from_slice(&LINKTYPE_RAW.to_le_bytes());
            body.extend_from_slice(&[0; 6]);
            option(body, option::NAME, name.as_bytes());
            option(body, option::RESOLUTION, &[9]);
            end(body);
        });
        self.interfaces += 1;
        self.interfaces - 1
    }

    /// Adds a packet.
    ///
    /// # Errors
    /// When the system takes no more.
    pub fn packet(&mut self, noted: &Noted<'_>) -> io::Result<()> {
        block(&mut self.staged, PACKET, |body| {
            let kept = noted.bytes.len() as u32;
            let words = [noted.interface, (noted.wall >> 32) as u32, noted.wall as u32, kept];
            for word in words.into_iter().chain([noted.len]) {
                body.extend_from_slice(&word.to_le_bytes());
            }
            padded(body, noted.bytes);
            for comment in noted.comments {
                option(body, option::COMMENT, comment.as_bytes());
            }
            let way: u32 = if noted.inbound { 1 } else { 2 };
            option(body, option::FLAGS, &way.to_le_bytes());
            end(body);
        });
        if self.staged.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    /// Bytes of the file, with those that the system has not got yet.
    pub fn len(&self) -> u64 {
        self.written + self.staged.len() as u64
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives the system what was gathered.
    ///
    /// # Errors
    /// When it does not take it.
    pub fn flush(&mut self) -> io::Result<()> {
        let staged = std::mem::take(&mut self.staged);
        self.written += staged.len() as u64;
        let done = self.file.write_all(&staged);
        self.staged = staged;
        self.staged.clear();
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{CaptureReader, LinkType};

    #[test]
    fn packets_are_read_back_with_their_times_and_lengths() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("out.pcapng");
        let mut writer = PcapngWriter::create(&path).unwrap();
        assert_eq!((writer.interface("lan"), writer.interface("wan")), (0, 1));
        let packet = |len: usize, interface| Noted {
            wall: 1_700_000_000_123_456_789 + len as u64,
            bytes: &[0x45; 64][..len],
            len: 1500,
            interface,
            inbound: interface == 0,
            comments: &["a prefix", ""],
        };
        (1..60).for_each(|len| writer.packet(&packet(len, len as u32 % 2)).unwrap());
        writer.flush().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), writer.len());
        let mut reader = CaptureReader::open(&path).unwrap();
        for len in 1..60 {
            let record = reader.next().unwrap().unwrap();
            assert_eq!(record.link, LinkType::RawIp(101));
            assert_eq!((record.data.len(), record.orig_len), (len, 1500));
            assert_eq!(record.ts_ns, 1_700_000_000_123_456_789 + len as u64);
        }
        assert!(reader.next().unwrap().is_none());
    }
}
