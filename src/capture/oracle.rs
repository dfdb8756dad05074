//! Captures against the tools that operators read them with: tshark and editcap must be installed.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{CaptureReader, PcapWriter};
use crate::packet::FrameBuilder;

/// What a tool printed; a tool that is missing or unhappy fails the test.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("tshark and editcap are installed (apt: tshark)");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Writes 60 frames of growing length, half a second and a nanosecond apart.
fn write(path: &Path) {
    let mut writer = PcapWriter::create(path).unwrap();
    for at in 0..60 {
        let frame = FrameBuilder::new().udp(at, 53).payload_len(usize::from(at) * 20).build();
        writer.write(1_700_000_000_000_000_000 + u64::from(at) * 500_000_001, &frame).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), 60);
}

/// Times, lengths and bytes of all records.
fn read(path: &Path) -> Vec<(u64, u32, Vec<u8>)> {
    let mut reader = CaptureReader::open(path).unwrap();
    let mut records = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        records.push((record.ts_ns, record.orig_len, record.data.to_vec()));
    }
    assert!(reader.truncation().is_none());
    records
}

#[test]
fn tshark_reads_in_our_files_what_we_wrote() {
    let dir = TempDir::new().unwrap();
    for name in ["ours.pcap", "ours.pcap.gz"] {
        let path = dir.path().join(name);
        write(&path);
        let fields = ["frame.time_epoch", "frame.len", "udp.srcport"];
        let mut tshark = Command::new("tshark");
        tshark.arg("-n").arg("-r").arg(&path).args(["-T", "fields"]);
        let printed = run(tshark.args(fields.iter().flat_map(|field| ["-e", field])));
        let want: Vec<_> = read(&path)
            .iter()
            .enumerate()
            .map(|(port, (ts_ns, len, _))| {
                let (seconds, fraction) = (ts_ns / 1_000_000_000, ts_ns % 1_000_000_000);
                format!("{seconds}.{fraction:09}\t{len}\t{port}")
            })
            .collect();
        assert_eq!(printed.lines().collect::<Vec<_>>(), want);
    }
}

#[test]
fn what_editcap_makes_of_our_files_reads_back_the_same() {
    let dir = TempDir::new().unwrap();
    let ours = dir.path().join("ours.pcap");
    write(&ours);
    let want = read(&ours);
    for (format, unit) in [("pcapng", 1), ("nsecpcap", 1), ("pcap", 1000)] {
        let theirs = dir.path().join(format);
        run(Command::new("editcap").args(["-F", format]).args([&ours, &theirs]));
        let want: Vec<_> = want
            .iter()
            .map(|(ts_ns, len, data)| (ts_ns / unit * unit, *len, data.clone()))
            .collect();
        assert_eq!(read(&theirs), want, "{format}");
    }
}

#[test]
fn what_editcap_cut_short_reads_with_its_length_on_the_wire() {
    let dir = TempDir::new().unwrap();
    let (ours, cut) = (dir.path().join("ours.pcap"), dir.path().join("cut.pcapng"));
    write(&ours);
    run(Command::new("editcap").args(["-s", "40"]).args([&ours, &cut]));
    for ((_, len, data), (_, want, whole)) in read(&cut).iter().zip(read(&ours)) {
        assert_eq!((*len, &data[..]), (want, &whole[..40]));
    }
}
