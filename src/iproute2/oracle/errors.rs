//! Every line of a corpus is refused with the same words and the same status by both, or by neither.

use super::super::{Fact, parse};
use super::run;

/// Lines that leave the namespace as it is or nearly so; each stands for itself.
const CORPUS: &str = include_str!("corpus.txt");

fn corpus() -> Vec<String> {
    CORPUS
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn wrong_lines_are_refused_in_the_words_of_ip() {
    let lines = corpus();
    let Some(outcomes) = run(&lines) else { return };
    let mut wrong = Vec::new();
    for (line, real) in lines.iter().zip(&outcomes) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ours = parse(&words);
        let first = real.stderr.lines().next().unwrap_or("");
        // The kernel answered, or a device is missing: iproute2 itself took the words.
        let taken = real.status == 0
            || real.status == 2
            || first.starts_with("Cannot find device")
            || first.starts_with("Device \"");
        let problem = match &ours {
            Ok(_) if taken => None,
            Ok(_) => Some("taken here, refused by ip".to_owned()),
            Err(error) if matches!(error.fact, Fact::Usage(_)) => {
                (!real.stderr.starts_with("Usage:")).then(|| "help here, not by ip".to_owned())
            }
            Err(error) => (error.to_string().lines().next() != Some(first)
                || error.exit_status() != real.status)
                .then(|| format!("{} {error}", error.exit_status())),
        };
        if let Some(problem) = problem {
            wrong
                .push(format!("ip {line}\n    here: {problem}\n    ip:   {} {first}", real.status));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
}

/// Lines that are refused here and not by `ip`, or help where `ip` gives none: on purpose.
const STRICTER: &[(&str, &str)] = &[
    // ip reads a negative time as a huge one.
    (
        "route add 10.7.0.0/16 dev d0 rtt -5",
        "Error: argument \"-5\" is wrong: \"rtt\" value is invalid",
    ),
    // ip stops reading at what is no number.
    ("rule add sport 5-x table 9", "Error: argument \"5-x\" is wrong: invalid port range"),
    // ip forgets what follows the first hexadecimal digits.
    ("neigh add 192.0.2.5 dev d0 lladdr 0:1:2:3:4:5-6", "\"5-6\" is invalid lladdr."),
];

#[test]
fn lines_that_ip_takes_by_oversight_are_refused() {
    let lines: Vec<String> = STRICTER.iter().map(|(line, _)| (*line).to_owned()).collect();
    for (line, answer) in STRICTER {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(parse(&words).expect_err(line).to_string(), *answer, "{line}");
    }
    let Some(outcomes) = run(&lines) else { return };
    for (line, real) in lines.iter().zip(&outcomes) {
        assert_eq!(real.status, 0, "ip refuses {line} too: {}", real.stderr);
    }
}

#[test]
fn the_corpus_has_good_and_bad_lines() {
    let (good, bad): (Vec<_>, Vec<_>) = corpus().into_iter().partition(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        parse(&words).is_ok()
    });
    assert!(good.len() > 100, "{} good lines", good.len());
    assert!(bad.len() > 100, "{} bad lines", bad.len());
}
