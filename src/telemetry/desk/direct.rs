//! The desk without a socket: commands from the files that start a router or drive a replay.

use super::{Counters, Desk, Rings, line};
use crate::{
    control::Router,
    dpdk::mempool::Pool,
    graph::Nanos,
    iproute2::batch,
    telemetry::protocol::{IpBatch, IpOutput},
};

impl<'a> Desk<'a> {
    /// A desk that knows of no devices and no counters.
    pub fn bare(router: &'a mut Router, pool: &'a Pool, now: Nanos) -> Self {
        Self {
            router,
            tally: Counters { stats: &[], inputs: &[], shape: &[] },
            workers: &[],
            devices: &Vec::new,
            set_mac: &|_, _| Ok(()),
            pool,
            rings: Rings::default(),
            post: None,
            now,
        }
    }

    /// Carries one command out, given without `ip`; the next packet meets what it has changed.
    pub fn command(&mut self, words: &[&str]) -> IpOutput {
        let said = self.one_command(words);
        self.router.commit();
        said
    }

    /// Carries a batch out up to the first line that fails; gives what was printed.
    ///
    /// # Errors
    /// What `ip -batch` says: the complaint, and the line that it is about.
    pub fn whole_batch(&mut self, given: &IpBatch) -> Result<String, String> {
        let mut out = String::new();
        for (number, words) in batch::lines(&given.text) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let said = self.one_command(words.strip_prefix(&["ip"]).unwrap_or(&words));
            out += &said.out;
            if said.status != 0 {
                let complaint = line(&said.err);
                return Err(format!("{complaint}Command failed {}:{number}", given.name));
            }
        }
        self.router.commit();
        Ok(out)
    }
}
