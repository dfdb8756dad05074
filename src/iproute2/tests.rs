//! What an operator sees when typing `ip` lines.

use super::*;

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn abbreviated_objects_and_verbs_are_understood() {
    assert_eq!(parse(&words("r")), parse(&words("route list table main")));
    assert_eq!(parse(&words("a s")), parse(&words("address show")));
    assert_eq!(parse(&words("n")), parse(&words("neighbour list")));
    assert_eq!(parse(&words("l")), parse(&words("link show")));
}
