//! What was seen, left under `target/` for whoever wonders.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::pcap;
use crate::corpus::{Family, Step};
use crate::outcome::{Outcome, PORTS};

/// Frames enter this far apart on the virtual clock.
pub(crate) const SPACING: Duration = Duration::from_millis(1);

/// When the first frame enters: some time after the epoch, so that no clock can be mistaken for it.
pub(crate) const START: Duration = Duration::from_secs(1_700_000_000);

/// When each step's frame enters, and at the end when the last step is over.
pub(crate) fn schedule(steps: &[Step]) -> Vec<Duration> {
    let mut now = START;
    let mut times = vec![now];
    for step in steps {
        now += SPACING + step.settle;
        times.push(now);
    }
    times
}

/// The directory where a family's captures are, apart for each test: several may run at once.
pub(crate) fn directory(family: &Family, router: &str) -> PathBuf {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("main").replace("::", "/");
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle");
    root.join(test).join(family.name).join(router)
}

/// Writes `outcomes.txt` and a capture of what left each port.
pub(crate) fn write(family: &Family, router: &str, outcomes: &[Outcome]) {
    let directory = directory(family, router);
    std::fs::create_dir_all(&directory).expect("create the directory for captures");
    let mut text = String::new();
    for (step, outcome) in family.steps.iter().zip(outcomes) {
        writeln!(text, "{} [{}] -> {}", step.name, step.place(), outcome.brief())
            .expect("write to a string");
    }
    std::fs::write(directory.join("outcomes.txt"), text).expect("write the outcomes");
    let times = schedule(&family.steps);
    for port in PORTS {
        let frames: Vec<(Duration, Vec<u8>)> = times
            .iter()
            .zip(outcomes)
            .flat_map(|(at, outcome)| outcome.of(port).into_iter().map(|frame| (*at, frame)))
            .collect();
        let frames = frames.iter().map(|(at, frame)| (*at, frame.as_slice()));
        pcap::write(&directory.join(format!("{port}.pcap")), frames).expect("write a capture");
    }
}
