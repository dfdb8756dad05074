//! The bytes of a capture file in order, unpacked, with the place where each stands.

use std::fs::File;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::error::{CaptureError, CaptureFault};

/// How many bytes are asked of the system at a time.
const CHUNK: usize = 256 * 1024;

/// How far a request for bytes was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// All bytes are there.
    Whole,
    /// The file ended just before the first.
    End,
    /// The file ended after so many.
    Part(usize),
}

/// The unpacked bytes of one file.
pub(super) struct Input {
    source: BufReader<Box<dyn Read + Send>>,
    /// Where the next byte stands.
    pub(super) offset: u64,
    /// What errors call the file.
    pub(super) path: PathBuf,
    /// Whether a packed file ended before what packs it said so.
    pub(super) packed_cut: bool,
}

impl Input {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self, CaptureError> {
        match File::open(path) {
            Ok(file) => Self::new(path, file),
            Err(error) => Err(CaptureError { path: path.into(), offset: 0, fault: error.into() }),
        }
    }

    /// Takes bytes from anywhere, and unpacks them when they start as gzip does.
    pub(super) fn new(
        path: &Path,
        mut source: impl Read + Send + 'static,
    ) -> Result<Self, CaptureError> {
        let mut start = [0; 2];
        let have = fill(&mut source, &mut start, &mut false).map_err(|error| CaptureError {
            path: path.into(),
            offset: 0,
            fault: error.into(),
        })?;
        let whole = Cursor::new(start).take(have as u64).chain(source);
        let unpacked: Box<dyn Read + Send> = match start {
            [0x1f, 0x8b] => Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, whole))),
            _ => Box::new(whole),
        };
        let source = BufReader::with_capacity(CHUNK, unpacked);
        Ok(Self { source, offset: 0, path: path.into(), packed_cut: false })
    }

    /// Reads exactly `buf.len()` bytes, or says how many there were.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> Result<Filled, CaptureFault> {
        let have = fill(&mut self.source, buf, &mut self.packed_cut)?;
        self.offset += have as u64;
        Ok(match have {
            _ if have == buf.len() => Filled::Whole,
            0 => Filled::End,
            _ => Filled::Part(have),
        })
    }

    /// Passes over so many bytes, and says how many there were.
    pub(super) fn skip(&mut self, len: u64) -> Result<u64, CaptureFault> {
        let have = match io::copy(&mut self.source.by_ref().take(len), &mut io::sink()) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.packed_cut = true;
                0
            }
            done => done?,
        };
        self.offset += have;
        Ok(have)
    }
}

/// Reads until the buffer is full or the source ends.
///
/// A packed file that ends too early is one that ends, and not one that cannot be read.
fn fill(source: &mut impl Read, buf: &mut [u8], packed_cut: &mut bool) -> io::Result<usize> {
    let mut have = 0;
    while have < buf.len() {
        match source.read(&mut buf[have..]) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                *packed_cut = true;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}
