//! The bytes of a capture file in order, unpacked, with the place where each stands.
//!
//! - gives: bytes where they lie in one buffer that is filled by large reads, so that none is copied twice

use std::fs::File;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use rustix::fs::{Advice, fadvise};

use super::error::{CaptureError, CaptureFault};

/// How many bytes are asked of the system at a time: few enough to stay in a processor's cache.
const CHUNK: usize = 256 * 1024;
/// The same of a packed file.
const PACKED: usize = 256 * 1024;

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
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that have been read and not yet taken.
    ready: Range<usize>,
    /// The source has ended.
    ended: bool,
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
            Ok(file) => {
                // The system may read further ahead then. A pipe cannot, and does not need to.
                let _ = fadvise(&file, 0, None, Advice::Sequential);
                Self::new(path, file)
            }
            Err(error) => Err(CaptureError { path: path.into(), offset: 0, fault: error.into() }),
        }
    }

    /// Takes bytes from anywhere, and unpacks them when they start as gzip does.
    pub(super) fn new(
        path: &Path,
        source: impl Read + Send + 'static,
    ) -> Result<Self, CaptureError> {
        let mut input = Self {
            source: Box::new(source),
            buffer: vec![0; CHUNK],
            ready: 0..0,
            ended: false,
            offset: 0,
            path: path.into(),
            packed_cut: false,
        };
        let told = |fault| CaptureError { path: path.into(), offset: 0, fault };
        input.gather(2).map_err(told)?;
        if input.peek().starts_with(&[0x1f, 0x8b]) {
            let start = Cursor::new(input.peek().to_vec());
            let packed = start.chain(std::mem::replace(&mut input.source, Box::new(io::empty())));
            let packed = BufReader::with_capacity(PACKED, packed);
            input.source = Box::new(MultiGzDecoder::new(packed));
            (input.ready, input.ended) = (0..0, false);
        }
        Ok(input)
    }

    /// Bytes that lie ready.
    fn peek(&self) -> &[u8] {
        &self.buffer[self.ready.clone()]
    }

    /// Bytes that were taken, as long as nothing else is asked.
    #[inline]
    pub(super) fn bytes(&self, taken: Range<usize>) -> &[u8] {
        &self.buffer[taken]
    }

    /// Sees to it that so many bytes lie ready in one piece. False when the source ends before.
    #[inline]
    pub(super) fn gather(&mut self, need: usize) -> Result<bool, CaptureFault> {
        if self.ready.len() >= need { Ok(true) } else { self.fill(need) }
    }

    /// A packed file that ends too early is one that ends, and not one that cannot be read.
    #[cold]
    fn fill(&mut self, need: usize) -> Result<bool, CaptureFault> {
        let have = self.ready.len();
        self.buffer.copy_within(self.ready.clone(), 0);
        self.ready = 0..have;
        if need > self.buffer.len() {
            self.buffer.resize(need, 0);
        }
        while self.ready.len() < need && !self.ended {
            match self.source.read(&mut self.buffer[self.ready.end..]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.ready.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    (self.packed_cut, self.ended) = (true, true);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.ready.len() >= need)
    }

    /// Takes exactly `need` bytes, or as many as there are: how far, and where they lie.
    #[inline]
    pub(super) fn take(&mut self, need: usize) -> Result<(Filled, Range<usize>), CaptureFault> {
        self.gather(need)?;
        let have = self.ready.len().min(need);
        let taken = self.ready.start..self.ready.start + have;
        self.ready.start = taken.end;
        self.offset += have as u64;
        let filled = match have {
            _ if have == need => Filled::Whole,
            0 => Filled::End,
            _ => Filled::Part(have),
        };
        Ok((filled, taken))
    }

    /// Passes over so many bytes, and says how many there were.
    pub(super) fn skip(&mut self, len: u64) -> Result<u64, CaptureFault> {
        let mut left = len;
        while left > 0 {
            let need = left.min(CHUNK as u64) as usize;
            let have = self.take(need)?.1.len();
            left -= have as u64;
            if have < need {
                break;
            }
        }
        Ok(len - left)
    }
}
