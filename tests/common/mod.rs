//! What the tests that need a network share: namespaces, wires into them, frames and captures.
//!
//! Every name in here is of something an operator could do by hand with `ip`, `tcpdump` and a
//! cable; nothing depends on the router that is tested.

// Each test binary takes only part of this module.
#![allow(dead_code)]

pub(crate) mod decode;
pub(crate) mod decode6;
pub(crate) mod frame;
pub(crate) mod frame6;
pub(crate) mod guest;
pub(crate) mod netns;
pub(crate) mod pcap;
pub(crate) mod process;
pub(crate) mod skip;
pub(crate) mod tap;
