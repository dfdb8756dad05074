//! Which worker a connection belongs to, as one of several workers sees it.
//!
//! - takes: the tuples of this worker's connections as they come to be known and as they end; tuples
//!   that this worker does not know
//! - gives: entries of the [`Directory`], and the worker that a packet is to be handed to
//! - obeys: nothing of the kernel's
//! - costs: nothing for a lone worker; a look-up of the directory for a packet that is of no connection
//!   here
//!
//! A connection is found from everywhere: its tuples are at home at its worker, or stand in the
//! directory. Those of a translated one always stand there, so that no two workers choose the same.

use std::sync::Arc;

use super::{
    directory::{Directory, Kind, Refused},
    entry::{Dir, feature, status},
    homes::Homes,
    rules::Zone,
    table::Conntrack,
    tuple::Tuple,
};

/// What a worker among others knows of them.
#[derive(Debug, Clone)]
pub struct Affinity {
    /// To which worker flows come.
    pub homes: Arc<Homes>,
    /// Whose flows are that come elsewhere.
    pub directory: Arc<Directory>,
    /// This worker.
    pub me: u16,
}

impl Affinity {
    /// The other worker that a directory has for a tuple.
    fn listed(&self, kind: Kind, tuple: &Tuple) -> Option<u16> {
        self.directory.find(kind, tuple).filter(|owner| *owner != self.me)
    }

    /// Whether a tuple of this worker's is to stand in the directory.
    fn lists(&self, tuple: &Tuple, translated: bool) -> bool {
        translated || self.homes.of(tuple) != Some(self.me)
    }
}

/// The bit of [`feature`] that says that a direction's tuple stands in the directory.
const fn bit(dir: Dir) -> u8 {
    match dir {
        Dir::Original => feature::LISTED,
        Dir::Reply => feature::LISTED_REPLY,
    }
}

impl Conntrack {
    /// Makes it one of several.
    pub fn set_affinity(&mut self, affinity: Affinity) {
        self.affinity = Some(affinity);
    }

    /// Whether packets with this tuple come to this worker, or to one that no port decides.
    #[inline]
    pub fn is_home(&self, tuple: &Tuple) -> bool {
        self.affinity.as_ref().is_none_or(|own| {
            !own.homes.is_by_ports(tuple) || own.homes.of(tuple).is_none_or(|home| home == own.me)
        })
    }

    /// The worker that a packet belongs to which is of no connection here; nothing where that is this one.
    #[inline]
    pub(super) fn owner(&self, tuple: &Tuple, zone: Zone) -> Option<u16> {
        let affinity = self.affinity.as_ref()?;
        affinity.owner(tuple, zone)
    }

    /// Whether another worker has a connection with this tuple, or expects one.
    pub(super) fn is_others(&self, tuple: &Tuple) -> bool {
        let listed = |kind| move |own: &Affinity| own.listed(kind, tuple).is_some();
        let affinity = self.affinity.as_ref();
        affinity.is_some_and(listed(Kind::Tuple)) || affinity.is_some_and(listed(Kind::Towards))
    }

    /// Lists a direction's tuple where that is needed.
    pub(super) fn list(&mut self, index: u32, dir: Dir) -> Result<(), Refused> {
        let Some(affinity) = &self.affinity else { return Ok(()) };
        let entry = &mut self.entries[index as usize];
        let translated = entry.status & status::NAT_MASK != 0 || entry.is_crossing();
        let tuple = *entry.tuple(dir);
        if entry.nodes[0].features & bit(dir) != 0 || !affinity.lists(&tuple, translated) {
            return Ok(());
        }
        affinity.directory.insert(Kind::Tuple, &tuple, affinity.me)?;
        entry.nodes[0].features |= bit(dir);
        Ok(())
    }

    /// Takes what is listed of an entry out.
    pub(super) fn unlist(&mut self, index: u32) {
        let Some(affinity) = &self.affinity else { return };
        let entry = &mut self.entries[index as usize];
        for dir in [Dir::Original, Dir::Reply] {
            if entry.nodes[0].features & bit(dir) != 0 {
                entry.nodes[0].features &= !bit(dir);
                affinity.directory.remove(Kind::Tuple, entry.tuple(dir), affinity.me);
            }
        }
    }

    /// Lists an end that packets are expected at, or takes it out.
    pub(super) fn list_end(&self, kind: Kind, tuple: &Tuple, there: bool) {
        let Some(affinity) = &self.affinity else { return };
        if there {
            // Without a place packets that are expected elsewhere are taken for new.
            let _ = affinity.directory.insert(kind, tuple, affinity.me);
        } else {
            affinity.directory.remove(kind, tuple, affinity.me);
        }
    }
}

impl Affinity {
    fn owner(&self, tuple: &Tuple, zone: Zone) -> Option<u16> {
        let directory = &self.directory;
        let other = tuple.in_zone(zone.of(true));
        let found = directory
            .find(Kind::Tuple, tuple)
            .or_else(|| (other != *tuple).then(|| directory.find(Kind::Tuple, &other))?)
            .or_else(|| directory.find(Kind::Towards, tuple))
            .or_else(|| directory.find(Kind::From, tuple));
        found.or_else(|| self.homes.of(tuple)).filter(|owner| *owner != self.me)
    }
}
