//! Capture files: recorded packets in, what left the box out.
//!
//! - takes: pcap (micro- and nanoseconds) and pcapng of either byte order, plain or gzip
//! - gives: records one by one from a buffer that is reused, and pcap files of nanoseconds
//! - obeys: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng

mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod input;
mod link;
mod pcap;
mod pcapng;
mod pcapng_write;
mod read;
pub mod sample;
mod write;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

pub use error::{CaptureError, CaptureFault};
pub use link::{LinkType, Unsupported, ethernet, to_ethernet};
pub use pcapng_write::{Noted, PcapngWriter};
pub use read::{CaptureReader, Record};
pub use sample::sample_capture;
pub use write::{PcapWriter, WriteError};

/// The longest packet that a record may hold; a longer one is the mark of a damaged file.
pub const MAX_RECORD_LEN: usize = 256 * 1024;
