//! The rooms that loom checks; run by `scripts/test` with `--cfg loom`.

#[path = "../../src/publish/mod.rs"]
pub mod publish;
