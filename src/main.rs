//! Process start: the allocator and the command line.
fn main() {}
