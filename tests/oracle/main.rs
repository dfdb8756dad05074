//! Wagonway against Linux: the same configuration, the same frames, the same answers.
//!
//! Each test takes one family of frames. Linux, in a namespace of its own, is given every frame
//! over TAP interfaces; Wagonway is given them as captures. What leaves each port because of each
//! frame is compared byte for byte, except for the fields that [`outcome`] names.
//!
//! The frames say themselves what they are meant to cause, and Linux is held to it first: a frame
//! that Linux drops for another reason than its name says would prove nothing about Wagonway.

#[path = "../common/mod.rs"]
mod common;

mod corpus;
mod linux;
mod outcome;
mod record;
mod topology;

use std::collections::BTreeSet;

use common::skip::need_root;
use corpus::Family;
use linux::LinuxRouter;
use outcome::Outcome;

/// Gives a family to Linux and holds Linux to what the frames' names promise.
fn ask_linux(family: &Family) -> Result<Vec<Outcome>, String> {
    let outcomes = LinuxRouter::new(&family.topology).play(&family.steps);
    record::write(family, "linux", &outcomes);
    let mut wrong = String::new();
    for (step, outcome) in family.steps.iter().zip(&outcomes) {
        let did = outcome.brief();
        if did != step.expect {
            wrong += &format!("  {} [{}]\n    expected {}\n    Linux    {did}\n", step.name, step.port, step.expect);
        }
    }
    if wrong.is_empty() { Ok(outcomes) } else { Err(format!("family {}:\n{wrong}", family.name)) }
}

#[test]
fn linux_itself_does_what_each_frame_is_named_for() {
    need_root!("oracle::linux_itself_does_what_each_frame_is_named_for");
    let families = corpus::all();
    let frames: usize = families.iter().map(|family| family.steps.len()).sum();
    println!("{frames} frames in {} families", families.len());
    let wrong: String = families.iter().filter_map(|family| ask_linux(family).err()).collect();
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_corpus_is_large_and_every_frame_has_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for family in corpus::all() {
        for step in &family.steps {
            assert!(names.insert(format!("{}: {}", family.name, step.name)), "{} twice", step.name);
        }
    }
    assert!(names.len() >= 500, "only {} frames", names.len());
}
