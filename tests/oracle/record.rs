//! What was seen, left under `target/` for whoever wonders.

use std::collections::HashMap;
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

/// What a frame is said to cause whose outcome stands in the family's record.
pub(crate) const RECORDED: &str = "?";

/// The record of a family: what Linux did when it was asked for it, a line a frame.
pub(crate) fn of(family: &Family) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/recorded");
    root.join(format!("{}.txt", family.name))
}

/// Whether records are to be made anew: `WAGONWAY_RECORD=1` with the tests of Linux alone.
fn is_recording() -> bool {
    std::env::var_os("WAGONWAY_RECORD").is_some()
}

/// The family as it is asked, with what its record says in the place of [`RECORDED`].
pub(crate) fn expected(family: Family) -> Family {
    let mut family = family.asking_once();
    if is_recording() || family.steps.iter().all(|step| step.expect != RECORDED) {
        return family;
    }
    let path = of(&family);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("the record {}: {error}", path.display()));
    let outcomes: HashMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once(" -> ")).collect();
    for step in family.steps.iter_mut().filter(|step| step.expect == RECORDED) {
        if let Some(outcome) = outcomes.get(step.name.as_str()) {
            step.expect = (*outcome).to_owned();
        }
    }
    family
}

/// Writes the record of a family anew, if that is asked for; the family then expects it.
pub(crate) fn renew(family: &Family, outcomes: &[Outcome]) -> Family {
    let mut text = String::new();
    let mut family = family.clone();
    let steps = family.steps.iter_mut().zip(outcomes);
    for (step, outcome) in steps.filter(|(step, _)| is_recording() && step.expect == RECORDED) {
        step.expect = outcome.brief();
        writeln!(text, "{} -> {}", step.name, step.expect).expect("write to a string");
    }
    if !text.is_empty() {
        std::fs::write(of(&family), text).expect("write the record");
    }
    family
}
