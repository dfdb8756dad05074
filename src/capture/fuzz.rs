//! What must hold of any bytes that are read as a capture file; shared by tests and by `fuzz/`.

use std::io::Cursor;

use super::{CaptureReader, MAX_RECORD_LEN, to_ethernet};
use crate::packet::MacAddr;

/// How much is read of a file; a packed one may promise more than anybody would wait for.
const MOST: usize = 4 * 1024 * 1024;

/// Reads bytes as a capture file, and makes frames of its records.
pub fn file(bytes: &[u8]) {
    let Ok(mut reader) = CaptureReader::new("fuzz", Cursor::new(bytes.to_vec())) else {
        return;
    };
    let (mut packets, mut kept, mut frame) = (0u64, 0, Vec::new());
    while let Ok(Some(record)) = reader.next() {
        assert!(record.data.len() <= MAX_RECORD_LEN);
        let made = to_ethernet(&record, MacAddr::BROADCAST, MacAddr::ZERO, &mut frame);
        if made.is_ok() {
            assert!(!frame.is_empty() && frame.len() <= record.data.len() + 14);
        }
        kept += record.data.len() + 16;
        packets += 1;
        if kept > MOST {
            return;
        }
    }
    assert_eq!(reader.packets(), packets);
    // Whatever ended the file ended it for good.
    assert!(matches!(reader.next(), Ok(None)));
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        assert!(kept <= bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sample::SampleSpec;
    use crate::capture::tests::everything_in_bytes;
    use std::time::Duration;

    /// Sound files of every kind.
    fn sound() -> Vec<Vec<u8>> {
        let dir = tempfile::TempDir::new().unwrap();
        let mut sound = everything_in_bytes();
        for name in ["sample.pcap", "sample.pcap.gz"] {
            let path = dir.path().join(name);
            SampleSpec::default().write(&path, 5).unwrap();
            sound.push(std::fs::read(&path).unwrap());
        }
        sound
    }

    #[test]
    #[ignore = "writes fuzz/seeds/capture anew"]
    fn seeds_are_written() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/capture");
        std::fs::create_dir_all(dir).unwrap();
        for (at, bytes) in sound().iter().enumerate() {
            std::fs::write(format!("{dir}/{at:02}"), bytes).unwrap();
        }
    }

    #[test]
    fn damaged_files_keep_every_promise() {
        let sound = sound();
        for bytes in &sound {
            file(bytes);
        }
        bolero::check!()
            .with_type::<(u8, u16, Vec<(u16, u8)>)>()
            .with_test_time(Duration::from_secs(2))
            .for_each(|(which, cut, changes)| {
                let mut bytes = sound[usize::from(*which) % sound.len()].clone();
                for (place, value) in changes.iter().take(6) {
                    let place = usize::from(*place) % bytes.len();
                    bytes[place] = *value;
                }
                bytes.truncate(usize::from(*cut).max(8));
                file(&bytes);
            });
    }

    #[test]
    fn bytes_of_chance_keep_every_promise() {
        bolero::check!().for_each(file);
    }
}
