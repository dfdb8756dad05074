//! Link layer: which frames are ours, and what they carry.

pub mod nodes;
