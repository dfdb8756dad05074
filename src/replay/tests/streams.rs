//! Captures that are read while they are played: the same as from memory, in bounded memory, to any end.

use std::fs;

use super::*;
use crate::{
    capture::PcapWriter,
    replay::{
        feed::{Feed, Next},
        load::{Entry, Frames, Loaded},
        records::Origin,
        stream::Stream,
    },
    telemetry::report::{NodeRow, ReplayReport},
};

/// A directory of captures.
struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes frames of these times.
    fn capture(&self, name: &str, frames: impl Iterator<Item = (u64, Vec<u8>)>) -> PathBuf {
        let path = self.path(name);
        let mut writer = PcapWriter::create(&path).unwrap();
        frames.for_each(|(ts_ns, frame)| writer.write(ts_ns, &frame).unwrap());
        writer.finish().unwrap();
        path
    }

    /// What a host sends to many, of every size: so many frames, which are some chunks.
    fn traffic(&self, name: &str, seed: u64, count: usize, first: u64) -> PathBuf {
        let mut random = Random::new(seed);
        let frames = (0..count as u64).map(move |n| {
            let mut byte = || random.below(250) as u8 + 1;
            let (host, server) = ([10, 0, 0, byte()], [198, 51, 100, byte()]);
            let len = [18, 300, 1400][n as usize % 3];
            let frame = FrameBuilder::new()
                .ethernet(MacAddr::new([2, 9, 9, 9, 9, 9]), MacAddr::new([2, 0, 0, 0, 0, 2]))
                .ipv4(host.into(), server.into())
                .udp(1000 + (n % 77) as u16, 2000)
                .id(n as u16)
                .payload_len(len);
            (1_700_000_000_000_000_000 + first + n * 1000, frame.build())
        });
        self.capture(name, frames)
    }
}

/// Enough for several chunks.
const MANY: usize = 30_000;

fn options(captures: &[(&str, &Path)], preload_mib: u64) -> Options {
    let captures = captures.iter().map(|(port, path)| ((*port).to_owned(), path.to_path_buf()));
    Options {
        config: world(),
        captures: captures.collect(),
        write: None,
        repeat: 1,
        preload_mib,
        workers: Some(1),
        strict_mac: false,
        strict_neighbours: false,
        strict_hosts: false,
        routes_auto: false,
        batch: None,
        commands: None,
        progress: false,
    }
}

/// What two replays must have alike: all but times and costs.
fn account(report: ReplayReport) -> (bool, ReplayReport) {
    assert!(report.is_sound(), "{report:?}");
    let (streamed, mut notes): (Vec<_>, Vec<_>) =
        report.notes.into_iter().partition(|note| note.contains("while they were replayed"));
    // The machine may be slow today.
    notes.retain(|note| !note.contains("a worker waited"));
    let nodes = report.nodes.into_iter().map(|node| NodeRow {
        batches: 0,
        cycles: 0,
        packets_per_batch: 0.0,
        cycles_per_packet: 0.0,
        ..node
    });
    let report = ReplayReport {
        seconds: 0.0,
        mpps: 0.0,
        gbps: 0.0,
        cycles_per_packet: 0.0,
        waited_seconds: 0.0,
        latency: None,
        rounds: Vec::new(),
        nodes: nodes.collect(),
        notes,
        ..report
    };
    (!streamed.is_empty(), report)
}

/// A replay in memory that is there already, as EAL starts once.
fn replayed(machine: &Machine, options: &Options) -> ReplayReport {
    replay_on(options, &read(options).unwrap(), machine).unwrap()
}

/// Replays from memory and from files; both must have the same account, which is given.
fn both(machine: &Machine, options: &Options) -> ReplayReport {
    let with =
        |preload_mib| account(replayed(machine, &Options { preload_mib, ..options.clone() }));
    let ((false, kept), (true, streamed)) = (with(512), with(0)) else {
        panic!("both the same way")
    };
    assert_eq!(kept, streamed);
    kept
}

#[test]
fn a_streamed_replay_has_the_account_of_one_from_memory() {
    let (dir, machine) = (Dir::new(), machine_for(&world()));
    let plain = dir.traffic("lan.pcap", 1, MANY, 0);
    let packed = dir.traffic("wan.pcap.gz", 2, MANY / 3, 500);
    let three = [("lan", &*plain), ("trunk", &*packed)];
    for (workers, repeat) in [(1, 1), (1, 3), (2, 2), (3, 1)] {
        let options = Options { workers: Some(workers), repeat, ..options(&three, 0) };
        let report = both(&machine, &options);
        let packets = (MANY + MANY / 3) as u64 * repeat;
        assert_eq!((report.packets_in, report.failed.as_deref()), (packets, None));
        assert!(report.transmitted > packets / 2, "{report:?}");
    }
    let routed = both(&machine, &Options { routes_auto: true, ..options(&three, 0) });
    assert!(routed.notes.is_empty(), "all destinations had routes: {routed:?}");
}

#[test]
fn the_same_bytes_leave_whether_captures_are_streamed_or_not() {
    let (dir, machine) = (Dir::new(), machine_for(&world()));
    let plain = dir.traffic("lan.pcap", 1, MANY / 3, 0);
    let packed = dir.traffic("wan.pcap.gz", 2, MANY / 6, 500);
    let written = |preload_mib: u64| {
        let write = Some(dir.path(&format!("out-{preload_mib}")));
        let own = options(&[("lan", &*plain), ("trunk", &*packed)], preload_mib);
        let report = replayed(&machine, &Options { write: write.clone(), repeat: 2, ..own });
        assert!(report.is_sound() && report.transmitted > MANY as u64 / 3, "{report:?}");
        ["lan", "wan", "trunk"]
            .map(|port| fs::read(write.as_ref().unwrap().join(format!("{port}.pcap"))).unwrap())
    };
    assert!(written(512) == written(0));
}

#[test]
fn routes_for_all_destinations_are_found_in_streamed_captures_too() {
    let (dir, machine) = (Dir::new(), machine_for(&world()));
    let frames = (0..MANY as u64).map(|n| {
        let dst = [20, 0, (n % 200) as u8, 1];
        let frame = FrameBuilder::new().ipv4([10, 0, 0, 7].into(), dst.into()).udp(1, 2);
        (n, frame.payload_len(200).build())
    });
    let capture = dir.capture("lan.pcap", frames);
    let report =
        both(&machine, &Options { routes_auto: true, ..options(&[("lan", &*capture)], 0) });
    assert_eq!(report.transmitted, MANY as u64);
    assert_eq!(report.notes, ["200 routes were added for destinations that had none"]);
}

#[test]
fn what_is_odd_about_a_capture_is_told_once_whatever_the_rounds() {
    let (dir, machine) = (Dir::new(), machine_for(&world()));
    let whole = fs::read(dir.traffic("whole.pcap", 1, MANY, 0)).unwrap();
    let cut = dir.path("cut.pcap");
    fs::write(&cut, &whole[..whole.len() - 100]).unwrap();
    let odd = dir.path("odd.pcap");
    let mut writer = PcapWriter::create(&odd).unwrap();
    writer.write(5, &[]).unwrap();
    writer.write_cut(6, &[1; 60], 1500).unwrap();
    writer.write(7, &[2; 65_500]).unwrap();
    writer.write(8, &[3; 60]).unwrap();
    writer.finish().unwrap();
    let report =
        both(&machine, &Options { repeat: 3, ..options(&[("lan", &*cut), ("wan", &*odd)], 0) });
    assert_eq!(report.packets_in, 3 * (MANY as u64 - 1 + 2));
    let notes = report.notes.join("\n");
    for said in [
        "cut.pcap: byte ",
        "what came before was replayed",
        "odd.pcap: 1 packets were captured in part only",
        "odd.pcap: 1 packets are longer than 65407 bytes and were left out",
        "odd.pcap: 1 packets were left out: the capture kept no byte of the packet",
    ] {
        assert_eq!(notes.matches(said).count(), 1, "{said}: {notes}");
    }
    // From memory packets go by their times; from a file they come as they stand, and that is told.
    let late = dir.capture("late.pcap", [3, 1, 2].map(|ts| (ts, vec![1; 60])).into_iter());
    for (preload, told) in [(512, 0), (0, 1)] {
        let report = replayed(&machine, &options(&[("lan", &*late)], preload));
        let early = report.notes.iter().filter(|note| note.contains("2 packets are earlier"));
        assert_eq!((early.count(), report.packets_in), (told, 3));
    }
}

/// Captures that have been read once, to be streamed.
fn surveyed(captures: &[(u16, &Path)]) -> Vec<Origin> {
    let origin = |(port, path): &(u16, &Path)| {
        Origin::new(*port, MacAddr::new([2, 0, 0, 0, 0, 2]), path.to_path_buf())
    };
    let loaded = Loaded::new(captures.iter().map(origin).collect(), 0).unwrap();
    let Frames::Streamed(origins) = loaded.frames() else { panic!("kept") };
    origins.to_vec()
}

/// The whole of what a worker plays, and where rounds end in it.
fn drain(feed: &mut Feed) -> (Vec<(Entry, Vec<u8>)>, Vec<usize>) {
    let (mut frames, mut ends) = (Vec::new(), Vec::new());
    loop {
        match feed.advance() {
            Next::Frames => {
                let (bytes, entries) = feed.frames();
                let frame = |entry: &Entry| (*entry, Arena::frame(bytes, entry).to_vec());
                frames.extend(entries.iter().map(frame));
            }
            Next::Later => std::thread::yield_now(),
            Next::Round => ends.push(frames.len()),
            Next::End => break,
        }
    }
    assert_eq!(feed.advance(), Next::End, "an end is an end");
    (frames, ends)
}

#[test]
fn several_captures_come_in_the_order_of_their_times_and_those_of_one_time_as_given() {
    let dir = Dir::new();
    let times = |times: &[u64], mark: u8| {
        let frames: Vec<_> = times.iter().map(|ts| (*ts, vec![mark; 60])).collect();
        frames.into_iter()
    };
    let captures = [
        dir.capture("0.pcap", times(&[10, 20, 20, 40], 0)),
        dir.capture("1.pcap", times(&[5, 20, 30, 40, 50], 1)),
        dir.capture("2.pcap.gz", times(&[], 2)),
    ];
    let given: Vec<_> = captures.iter().enumerate().map(|(n, path)| (n as u16, &**path)).collect();
    let one = |_: u16, _: &[u8]| 0;
    let (stream, mut feeds) = Stream::start(&surveyed(&given), 2, 1, &[], Box::new(one)).unwrap();
    let (frames, ends) = drain(&mut feeds[0]);
    let came: Vec<_> = frames.iter().map(|(entry, bytes)| (entry.ts_ns, bytes[0])).collect();
    let round = [(5, 1), (10, 0), (20, 0), (20, 0), (20, 1), (30, 1), (40, 0), (40, 1), (50, 1)];
    assert_eq!(came, [round, round].concat());
    assert!(frames.iter().all(|(entry, bytes)| u16::from(bytes[0]) == entry.port));
    assert_eq!(ends, [9, 18]);
    assert_eq!(stream.finish(), None);
}

#[test]
fn what_is_read_ahead_is_bounded_and_a_slow_worker_holds_nobody_up() {
    let dir = Dir::new();
    let capture = dir.traffic("lan.pcap", 1, MANY, 0);
    let origins = surveyed(&[(0, &capture)]);
    // 20 rounds are more than 300 MiB. The second worker has one frame in a hundred.
    let (rounds, rare) = (20, AtomicU64::new(0));
    let owner =
        move |_: u16, _: &[u8]| usize::from(rare.fetch_add(1, Ordering::Relaxed) % 100 == 0);
    let (stream, mut feeds) = Stream::start(&origins, rounds, 2, &[], Box::new(owner)).unwrap();
    let waiting = || feeds.iter().map(Feed::waiting).sum::<usize>();
    let most = stream.chunks();
    assert!(most <= 140, "{most} chunks");
    // The reader has filled all there are, and then rests. One may still be filled for the second.
    let began = Instant::now();
    while waiting() < most - 1 && began.elapsed().as_secs() < 20 {
        std::thread::yield_now();
    }
    assert!((most - 1..=most).contains(&waiting()), "{} of {most}", waiting());
    // What there is of the rare flows was not held back.
    assert!(feeds[1].waiting() > 0);
    let mut second = feeds.pop().unwrap();
    let mut first = feeds.pop().unwrap();
    let other = std::thread::spawn(move || drain(&mut second));
    let (frames, ends) = drain(&mut first);
    let (rare, rare_ends) = other.join().unwrap();
    assert_eq!(frames.len() + rare.len(), MANY * rounds as usize);
    assert_eq!(rare.len(), MANY * rounds as usize / 100);
    assert_eq!((ends.len(), rare_ends.len()), (20, 20));
    assert_eq!(stream.finish(), None);
}

#[test]
fn a_stream_that_nobody_plays_ends_when_it_is_dropped() {
    let dir = Dir::new();
    let capture = dir.traffic("lan.pcap", 1, MANY, 0);
    let origins = surveyed(&[(0, &capture)]);
    let (stream, mut feeds) =
        Stream::start(&origins, u64::MAX, 1, &[], Box::new(|_, _| 0)).unwrap();
    drop(stream);
    // What has been read is there all the same, and then there is an end.
    let (frames, _) = drain(&mut feeds[0]);
    assert!(frames.len() > MANY / 2, "{} frames", frames.len());
}

#[test]
fn a_reader_that_panics_ends_the_stream_and_is_told_of() {
    let dir = Dir::new();
    let capture = dir.traffic("lan.pcap", 1, 100, 0);
    let origins = surveyed(&[(0, &capture)]);
    let owner = |_: u16, _: &[u8]| -> usize { panic!("as the test wants it") };
    let (stream, mut feeds) = Stream::start(&origins, 1, 2, &[], Box::new(owner)).unwrap();
    assert!(feeds.iter_mut().all(|feed| drain(feed).0.is_empty()));
    assert_eq!(stream.finish().unwrap(), "the thread that reads captures has failed");
}

/// Changes the file before it is read again.
struct Changing {
    config: Config,
    path: PathBuf,
    into: Vec<u8>,
}

impl Beside for Changing {
    fn prepare(&mut self, router: &mut Router) -> Result<(), ReplayError> {
        fs::write(&self.path, &self.into).unwrap();
        setup::load_routes(&self.config, router)?;
        Ok(())
    }
}

#[test]
fn a_file_that_changes_is_told_of_and_what_was_read_before_is_accounted_for() {
    let dir = Dir::new();
    let capture = dir.traffic("lan.pcap", 1, MANY, 0);
    let whole = fs::read(&capture).unwrap();
    let origins = surveyed(&[(0, &capture)]);
    let (config, machine) = (world(), machine_for(&world()));
    let changed = |into: Vec<u8>, count: u64| {
        let one = rounds(count, &config, &machine, 2);
        let mut beside = Changing { config: config.clone(), path: capture.clone(), into };
        let played = play(&one, Frames::Streamed(&origins), &mut beside).unwrap();
        assert_eq!(played.unaccounted, 0);
        assert_eq!(setup::received(&played.rig.stats), played.packets);
        let (packets, failed) = (played.packets, played.failed);
        drop(played.rig);
        assert_eq!(machine.pool.in_use(), 0, "leaked");
        (packets, failed.unwrap_or_default())
    };
    let many = MANY as u64;
    // One that grows is played as far as it was read before.
    assert_eq!(changed([&whole[..], &whole[24..]].concat(), 2), (2 * many, String::new()));
    let (packets, failed) = changed(whole[..whole.len() - 1].to_vec(), 2);
    let said = "lan.pcap: changed while it was replayed: 29999 packets are left of 30000";
    assert!(packets == many - 1 && failed.ends_with(said), "{packets} packets: {failed}");
    let mut damaged = whole.clone();
    // The length of the first packet of the second half, whose place is that of none before it.
    let half =
        whole.windows(16).skip(whole.len() / 2).position(is_header).unwrap() + whole.len() / 2;
    damaged[half + 8..half + 12].copy_from_slice(&[0xff; 4]);
    let (packets, failed) = changed(damaged.clone(), 1);
    assert!((many / 3..many * 2 / 3).contains(&packets), "{packets}");
    assert!(failed.contains("is said to have 4294967295 bytes"), "{failed}");
    damaged[half + 8..half + 12].copy_from_slice(&5000_u32.to_le_bytes());
    let (_, failed) = changed(damaged, 1);
    assert!(failed.contains("has 5000 bytes, more than 1442"), "{failed}");
    let (packets, failed) = changed(b"no capture at all".to_vec(), 1);
    assert!(packets == 0 && failed.contains("not a pcap or pcapng capture"), "{failed}");
}

/// The header of a record of [`Dir::traffic`].
fn is_header(bytes: &[u8]) -> bool {
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    word(0) == 1_700_000_000 && word(8) == word(12) && [60, 342, 1442].contains(&word(8))
}

#[test]
fn what_is_no_plain_file_is_kept_whatever_its_length() {
    let dir = Dir::new();
    let capture = dir.traffic("lan.pcap", 1, 1000, 0);
    let fifo = dir.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let (from, to) = (capture, fifo.clone());
    let writes = std::thread::spawn(move || fs::copy(from, to));
    let report = replay(&Options { repeat: 2, ..options(&[("lan", &*fifo)], 0) }).unwrap();
    writes.join().unwrap().unwrap();
    assert_eq!((report.packets_in, account(report).0), (2000, false));
}
