//! Writing what left the box to a capture file, without losing an error on the way.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::MAX_RECORD_LEN;

/// How many bytes are gathered before the system gets them.
const CHUNK: usize = 1024 * 1024;
/// The longest record.
const RECORD: usize = 16 + MAX_RECORD_LEN;

/// A capture file that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system would not take the bytes.
    #[error("{}: cannot be written, {packets} packets are safe: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Packets that the system had taken before.
        packets: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A packet is longer than a capture may hold.
    #[error("{}: packet {packet} has {len} bytes, and a capture holds {MAX_RECORD_LEN}", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The packet, counted from 1.
        packet: u64,
        /// Its length.
        len: usize,
    },
}

enum Sink {
    Plain(File),
    Gzip(Box<GzEncoder<File>>),
}

impl Sink {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
        }
    }

    /// Ends the file and asks the system whether all of it is truly kept.
    fn finish(self) -> io::Result<()> {
        let mut file = match self {
            Self::Plain(file) => file,
            Self::Gzip(encoder) => encoder.finish()?,
        };
        file.flush()?;
        // A quota or a network disk may refuse bytes only now. Pipes have nothing to ask.
        if file.metadata()?.is_file() { file.sync_data() } else { Ok(()) }
    }
}

/// Writes Ethernet frames to a pcap file of nanoseconds, little-endian on every machine.
///
/// Nothing is sure to be kept before [`finish`](Self::finish) has said so. A writer that is dropped
/// without it, as when its thread panics, still hands over what it has, but nobody learns whether it
/// was taken.
#[must_use = "only finish() tells whether the file was kept"]
pub struct PcapWriter {
    path: PathBuf,
    /// There until the file is ended.
    sink: Option<Sink>,
    staged: Vec<u8>,
    packets: u64,
    /// Packets whose bytes the sink took.
    safe: u64,
    /// The first failure; it is told again to whoever asks later.
    failed: Option<(io::ErrorKind, String)>,
}

impl PcapWriter {
    /// Creates the file, packed when its name ends in `.gz`; a file of that name is replaced.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, WriteError> {
        let path = path.as_ref().to_path_buf();
        let file = match File::create(&path) {
            Ok(file) => file,
            Err(source) => {
                return Err(WriteError::Io { path, packets: 0, source });
            }
        };
        let sink = match path.extension() {
            Some(extension) if extension == "gz" => {
                Sink::Gzip(Box::new(GzEncoder::new(file, Compression::fast())))
            }
            _ => Sink::Plain(file),
        };
        let mut staged = Vec::with_capacity(CHUNK + RECORD);
        staged.extend_from_slice(&0xa1b2_3c4d_u32.to_le_bytes());
        staged.extend_from_slice(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        staged.extend_from_slice(&(MAX_RECORD_LEN as u32).to_le_bytes());
        staged.extend_from_slice(&1u32.to_le_bytes());
        Ok(Self { path, sink: Some(sink), staged, packets: 0, safe: 0, failed: None })
    }

    /// Adds a frame that is kept as a whole.
    pub fn write(&mut self, ts_ns: u64, frame: &[u8]) -> Result<(), WriteError> {
        let orig_len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        self.write_cut(ts_ns, frame, orig_len)
    }

    /// Adds a frame of which only the start is kept.
    ///
    /// Times after 2106 do not fit the format and become its last second.
    pub fn write_cut(&mut self, ts_ns: u64, start: &[u8], orig_len: u32) -> Result<(), WriteError> {
        self.not_failed()?;
        let packet = self.packets + 1;
        let len = start.len();
        if len > MAX_RECORD_LEN {
            return Err(WriteError::TooLong { path: self.path.clone(), packet, len });
        }
        let seconds = u32::try_from(ts_ns / 1_000_000_000).unwrap_or(u32::MAX);
        let fraction = (ts_ns % 1_000_000_000) as u32;
        let mut header = [0; 16];
        for (to, word) in
            header.as_chunks_mut().0.iter_mut().zip([seconds, fraction, len as u32, orig_len])
        {
            *to = word.to_le_bytes();
        }
        self.staged.extend_from_slice(&header);
        self.staged.extend_from_slice(start);
        self.packets = packet;
        if self.staged.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    /// How many frames were added.
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends the file and tells how many frames it holds, or why it does not hold them.
    pub fn finish(mut self) -> Result<u64, WriteError> {
        self.not_failed()?;
        self.flush()?;
        match self.sink.take().map_or(Ok(()), Sink::finish) {
            Ok(()) => Ok(self.packets),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Hands the gathered bytes over.
    fn flush(&mut self) -> Result<(), WriteError> {
        if let Some(sink) = &mut self.sink {
            let taken = sink.write_all(&self.staged);
            self.staged.clear();
            match (taken, sink) {
                (Err(error), _) => return Err(self.fail(error)),
                (Ok(()), Sink::Plain(_)) => self.safe = self.packets,
                // What a packer has taken it may still hold, so only its end makes packets safe.
                (Ok(()), Sink::Gzip(_)) => {}
            }
        }
        Ok(())
    }

    fn fail(&mut self, source: io::Error) -> WriteError {
        self.failed = Some((source.kind(), source.to_string()));
        self.sink = None;
        WriteError::Io { path: self.path.clone(), packets: self.safe, source }
    }

    fn not_failed(&self) -> Result<(), WriteError> {
        match &self.failed {
            None => Ok(()),
            Some((kind, text)) => Err(WriteError::Io {
                path: self.path.clone(),
                packets: self.safe,
                source: io::Error::new(*kind, text.clone()),
            }),
        }
    }
}

impl Drop for PcapWriter {
    fn drop(&mut self) {
        let _ = self.flush();
        if let Some(sink) = self.sink.take() {
            let _ = sink.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{CaptureReader, LinkType};
    use tempfile::TempDir;

    /// What a file holds, as time, wire length and bytes.
    fn read(path: &Path) -> Vec<(u64, u32, Vec<u8>)> {
        let mut reader = CaptureReader::open(path).unwrap();
        let mut records = Vec::new();
        while let Some(record) = reader.next().unwrap() {
            assert_eq!(record.link, LinkType::Ethernet);
            records.push((record.ts_ns, record.orig_len, record.data.to_vec()));
        }
        assert!(reader.truncation().is_none());
        records
    }

    #[test]
    fn the_bytes_of_a_file_are_the_same_on_every_machine() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("out.pcap");
        let mut writer = PcapWriter::create(&path).unwrap();
        writer.write(3_000_000_005, &[0xaa, 0xbb]).unwrap();
        assert_eq!(writer.finish().unwrap(), 1);
        let want = [
            0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0,
            0, // file
            3, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0xaa, 0xbb,
        ];
        assert_eq!(std::fs::read(&path).unwrap(), want);
    }

    #[test]
    fn what_is_written_is_what_is_read_plain_and_packed() {
        let dir = TempDir::new().unwrap();
        let names = ["out.pcap", "out.pcap.gz"].map(|name| dir.path().join(name));
        bolero::check!()
            .with_type::<(bool, Vec<(u64, u8, Vec<u8>)>)>()
            .with_iterations(60)
            .for_each(|(packed, records)| {
                let path = &names[usize::from(*packed)];
                let mut writer = PcapWriter::create(path).unwrap();
                let mut want = Vec::new();
                for (ts_ns, more, data) in records {
                    let ts_ns = ts_ns % 4_294_967_296_000_000_000;
                    let orig_len = data.len() as u32 + u32::from(*more);
                    writer.write_cut(ts_ns, data, orig_len).unwrap();
                    want.push((ts_ns, orig_len, data.clone()));
                }
                assert_eq!(writer.packets(), want.len() as u64);
                assert_eq!(writer.finish().unwrap(), want.len() as u64);
                assert_eq!(read(path), want);
            });
        let start = std::fs::read(&names[1]).unwrap_or_default();
        assert!(start.is_empty() || start.starts_with(&[0x1f, 0x8b]));
    }

    #[test]
    fn a_file_larger_than_the_stage_is_whole() {
        let dir = TempDir::new().unwrap();
        for name in ["long.pcap", "long.pcap.gz"] {
            let path = dir.path().join(name);
            let mut writer = PcapWriter::create(&path).unwrap();
            for at in 0..1000 {
                writer.write(at, &[at as u8; 1514]).unwrap();
            }
            writer.finish().unwrap();
            let records = read(&path);
            assert_eq!(records.len(), 1000);
            assert!(records.iter().enumerate().all(|(at, record)| record.2 == [at as u8; 1514]));
        }
    }

    #[test]
    fn a_full_disk_is_told_with_the_file_and_what_is_safe() {
        for (frames, told_early) in [(1, false), (1000, true)] {
            let mut writer = PcapWriter::create("/dev/full").unwrap();
            let early = (0..frames).any(|at| writer.write(at, &[0; 1514]).is_err());
            assert_eq!(early, told_early);
            // The failure is told again to whoever asks later.
            let again = writer.write(0, &[0; 1514]).is_err();
            assert_eq!(again, told_early);
            let error = writer.finish().unwrap_err();
            let text = error.to_string();
            let said = "/dev/full: cannot be written, 0 packets are safe: No space left on device";
            assert!(text.starts_with(said), "{text}");
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told_at_once() {
        let error = PcapWriter::create("/nowhere/out.pcap").err().unwrap().to_string();
        assert!(error.starts_with("/nowhere/out.pcap: cannot be written"), "{error}");
    }

    #[test]
    fn a_frame_too_long_is_refused_and_the_file_stays_sound() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("out.pcap");
        let mut writer = PcapWriter::create(&path).unwrap();
        assert!(matches!(
            writer.write(0, &vec![0; MAX_RECORD_LEN + 1]),
            Err(WriteError::TooLong { packet: 1, .. })
        ));
        writer.write(u64::MAX, &vec![7; MAX_RECORD_LEN]).unwrap();
        assert_eq!(writer.finish().unwrap(), 1);
        let records = read(&path);
        assert_eq!((records.len(), records[0].2.len()), (1, MAX_RECORD_LEN));
        assert_eq!(records[0].0 / 1_000_000_000, u64::from(u32::MAX), "the last second");
    }

    #[test]
    fn a_writer_that_is_dropped_leaves_a_file_that_can_be_read() {
        let dir = TempDir::new().unwrap();
        for name in ["dropped.pcap", "dropped.pcap.gz"] {
            let path = dir.path().join(name);
            let mut writer = PcapWriter::create(&path).unwrap();
            writer.write(1, &[1, 2, 3]).unwrap();
            drop(writer);
            assert_eq!(read(&path), [(1, 3, vec![1, 2, 3])]);
        }
    }
}
