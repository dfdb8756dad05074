//! What workers know of each other's connections.
//!
//! - takes: how ports spread flows over workers
//! - gives: each worker's part in finding the owner of a packet; nothing for a lone one

use std::sync::Arc;

use crate::{
    config::Config,
    conntrack::{Affinity, Directory, Homes},
    netfilter::flows::Flows,
};

/// What all workers read.
#[derive(Debug)]
pub struct Shared {
    all: Option<(Arc<Homes>, Arc<Directory>)>,
    seed: u64,
}

impl Shared {
    /// For so many workers; `seed` is what nobody outside can foretell.
    pub fn new(config: &Config, workers: usize, homes: Homes, seed: u64) -> Self {
        let all = (workers > 1).then(|| {
            // Two tuples a connection.
            let flows = config.limits.connections as usize * 2;
            (Arc::new(homes), Arc::new(Directory::new(flows, seed)))
        });
        Self { all, seed }
    }

    /// Gives worker `index` its part.
    pub fn give(&self, index: usize, flows: &mut Flows) {
        if let Some((homes, directory)) = &self.all {
            let (homes, directory) = (Arc::clone(homes), Arc::clone(directory));
            flows.conntrack.set_affinity(Affinity { homes, directory, me: index as u16 });
        }
    }

    /// What nobody outside can foretell, and is the same for all.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The directory, where there is one.
    pub fn directory(&self) -> Option<&Arc<Directory>> {
        self.all.as_ref().map(|(_, directory)| directory)
    }
}
