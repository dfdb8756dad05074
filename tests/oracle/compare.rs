//! Two routers' answers side by side.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::common::decode::verbose;
use crate::corpus::{Family, Step};
use crate::outcome::{Outcome, PORTS};
use crate::record::directory;

/// How many differences are decoded in full; the rest are named.
const DECODED: usize = 3;

/// A difference that is accepted: family, name of the frame, and the reason.
pub(crate) type Known = (&'static str, &'static str, &'static str);

/// Fails with every difference that is not known, and with every known one that is none.
pub(crate) fn compare(
    family: &Family,
    linux: &[Outcome],
    wagonway: &[Outcome],
    known: &[Known],
) -> Result<(), String> {
    let mut report = String::new();
    let mut count = 0;
    let answers = linux.iter().zip(wagonway);
    for (step, (linux, wagonway)) in family.steps.iter().zip(answers) {
        let (left, right) = (linux.normalised(&step.frame), wagonway.normalised(&step.frame));
        let same = match step.is_free() {
            true => step.is_kept(wagonway) && left.packets() == right.packets(),
            false => left == right,
        };
        let reason = known
            .iter()
            .find(|(of, name, _)| *of == family.name && *name == step.name)
            .map(|(_, _, reason)| reason);
        match (same, reason) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(reason)) => {
                put(
                    &mut report,
                    format_args!("{}: no longer differs, though listed: {reason}", step.name),
                );
            }
            (false, None) => {
                count += 1;
                difference(&mut report, family, step, linux, wagonway, count <= DECODED);
            }
        }
    }
    let unsteady = wavering(family, wagonway);
    count += unsteady.lines().count();
    report += &unsteady;
    if report.is_empty() {
        return Ok(());
    }
    let of = family.steps.len();
    Err(format!("family {}: {count} of {of} frames differ\n{report}", family.name))
}

/// Flows that are free to go several ways, and did not stay with the one they took first.
pub(crate) fn wavering(family: &Family, outcomes: &[Outcome]) -> String {
    let mut report = String::new();
    let mut ways: HashMap<&[u8], &Outcome> = HashMap::new();
    for (step, outcome) in family.steps.iter().zip(outcomes) {
        if step.command.is_some() {
            ways.clear();
        } else if step.is_free() && *ways.entry(&step.frame).or_insert(outcome) != outcome {
            put(&mut report, format_args!("{}: a flow that changed its way", step.name));
        }
    }
    report
}

fn difference(
    report: &mut String,
    family: &Family,
    step: &Step,
    linux: &Outcome,
    wagonway: &Outcome,
    decode: bool,
) {
    put(report, format_args!("{} [{}]", step.name, step.place()));
    put(report, format_args!("    Linux    {}", linux.brief()));
    put(report, format_args!("    Wagonway {}", wagonway.brief()));
    if !decode || step.command.is_some() {
        return;
    }
    let scratch = directory(family, "difference.pcap");
    let given = vec![step.frame.clone()];
    put(report, format_args!("  given:\n{}", verbose(&given, &scratch)));
    for port in PORTS {
        let (linux, wagonway) = (linux.normalised(&step.frame), wagonway.normalised(&step.frame));
        let (linux, wagonway) = (linux.of(port), wagonway.of(port));
        if linux != wagonway {
            let linux = verbose(&linux, &scratch);
            let wagonway = verbose(&wagonway, &scratch);
            put(
                report,
                format_args!(
                    "  {port}, - Linux, + Wagonway:\n{}",
                    lines_that_differ(&linux, &wagonway)
                ),
            );
        }
    }
}

/// The longest common lines, and what each side has besides.
fn lines_that_differ(left: &str, right: &str) -> String {
    let (left, right): (Vec<&str>, Vec<&str>) = (left.lines().collect(), right.lines().collect());
    // common[i][j]: how many lines `left[i..]` and `right[j..]` have in common, in order.
    let mut common = vec![vec![0u32; right.len() + 1]; left.len() + 1];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            common[i][j] = if left[i] == right[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut text = String::new();
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == right.len() || i < left.len() && common[i + 1][j] >= common[i][j + 1] {
            put(&mut text, format_args!("    - {}", left[i]));
            i += 1;
        } else {
            put(&mut text, format_args!("    + {}", right[j]));
            j += 1;
        }
    }
    text
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("write to a string");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::frame::IPV4;

    fn ask(frames: &[&[u8]]) -> Vec<Outcome> {
        let outcome = |frame: &&[u8]| {
            let mut outcome = Outcome::default();
            outcome.push("lan", frame.to_vec());
            outcome
        };
        frames.iter().map(outcome).collect()
    }

    #[test]
    fn a_difference_is_named_and_a_known_one_must_be_one() {
        let mut family = crate::corpus::forward::family();
        family.name = "comparison";
        family.steps.truncate(2);
        let name: &'static str = Box::leak(family.steps[0].name.clone().into_boxed_str());
        let frame = |byte: u8| [&[byte; 12][..], &IPV4.to_be_bytes()].concat();
        let (a, b) = (frame(1), frame(2));
        let (linux, same, other) = (ask(&[&a, &a]), ask(&[&a, &a]), ask(&[&b, &a]));
        let known: &[Known] = &[("comparison", name, "for a test")];

        assert_eq!(compare(&family, &linux, &same, &[]), Ok(()));
        assert_eq!(compare(&family, &linux, &other, known), Ok(()));
        let report = compare(&family, &linux, &other, &[]).expect_err("a difference");
        assert!(report.contains("1 of 2 frames differ") && report.contains(name), "{report}");
        let report = compare(&family, &linux, &same, known).expect_err("a stale entry");
        assert!(report.contains("no longer differs"), "{report}");
    }

    #[test]
    fn only_the_lines_that_differ_are_shown() {
        assert_eq!(
            lines_that_differ("a\nb\nc\nd", "a\nx\nc\ne"),
            "    - b\n    + x\n    - d\n    + e\n"
        );
        assert_eq!(lines_that_differ("a", "a"), "");
    }
}
