//! The large IPv6 forwarding table.

use std::sync::Arc;

use super::{
    family::{Family, Fib, FibWriter},
    fib::FibFull,
    trie::{TrieId, Tries, TriesWriter},
};
use crate::publish::Epoch;

/// What readers hold.
pub struct Fib6 {
    tries: Arc<Tries<u128>>,
    id: TrieId,
}

/// The one writer.
pub struct Fib6Writer {
    fib: Arc<Fib6>,
    tries: TriesWriter<u128>,
}

impl Fib6 {
    /// Values of the longest routes that cover each of `dst`.
    #[inline]
    pub fn lookup_batch(&self, dst: &[u128], found: &mut [u32]) {
        for (dst, found) in dst.iter().zip(found) {
            *found = self.tries.lookup(self.id, *dst);
        }
    }
}

impl Family for u128 {
    type Fib = Fib6;
    type Writer = Fib6Writer;
}

impl Fib<u128> for Fib6 {
    fn lookup(&self, dst: u128) -> u32 {
        self.tries.lookup(self.id, dst)
    }

    fn lookup_with_len(&self, dst: u128) -> (u32, u8) {
        self.tries.lookup_with_len(self.id, dst)
    }
}

impl FibWriter<u128> for Fib6Writer {
    type Fib = Fib6;
    const FREE_LEN: u8 = 0;

    fn with_groups(groups: u32) -> Self {
        let mut tries = TriesWriter::new(1, groups.max(1));
        // There is room for the first one.
        let id = tries.create().unwrap_or(TrieId::from_number(0));
        Self { fib: Arc::new(Fib6 { tries: Arc::clone(tries.tables()), id }), tries }
    }

    fn table(&self) -> &Arc<Fib6> {
        &self.fib
    }

    fn insert(&mut self, prefix: u128, len: u8, value: u32) -> Result<(), FibFull> {
        self.tries.insert(self.fib.id, prefix, len, value)
    }

    fn remove(&mut self, prefix: u128, len: u8, cover: Option<(u8, u32)>) {
        self.tries.remove(self.fib.id, prefix, len, cover);
    }

    fn has_unlinked(&self) -> bool {
        self.tries.has_unlinked()
    }

    fn retire(&mut self, epoch: Epoch) {
        self.tries.retire(epoch);
    }

    fn reclaim(&mut self, safe: Epoch) {
        self.tries.reclaim(safe);
    }

    fn usage(&self) -> (u64, u64) {
        (self.tries.groups().into(), u64::from(self.tries.groups()) * 1024)
    }
}
