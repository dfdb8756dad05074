//! Who listens to what: the filters of those who asked, by which a group's filter is made.
//!
//! - obeys: RFC 3376 section 3.1, RFC 3678; errors are those of the socket calls; rows [6.25] to
//!   [6.27], [8.139] to [8.142], [8.158] to [8.162]

use super::{Mode, Protocol, host::Host};
use crate::graph::Nanos;

/// One who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner(pub u64);

/// Why a membership is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a group, or a filter of the other mode.
    #[error("Invalid argument")]
    Invalid,
    /// The owner listens to that group already.
    #[error("Address already in use")]
    InUse,
    /// The owner does not listen to that group, or the source is in the filter already or not at all.
    #[error("Cannot assign requested address")]
    NotAvailable,
    /// As many groups or sources as one may have.
    #[error("No buffer space available")]
    NoBuffers,
}

/// What an owner wants to hear of a group.
#[derive(Clone, Debug)]
pub(super) struct Membership<A> {
    pub(super) owner: Owner,
    pub(super) group: A,
    mode: Mode,
    /// None at all is another thing than an empty list was never: the mode may then still change.
    sources: Option<Vec<A>>,
}

impl<P: Protocol> Host<P> {
    fn membership(&self, owner: Owner, group: P::Address) -> Option<usize> {
        self.memberships.iter().position(|known| known.owner == owner && known.group == group)
    }

    fn enrol(
        &mut self,
        now: Nanos,
        owner: Owner,
        group: P::Address,
        mode: Mode,
    ) -> Result<(), Error> {
        if !P::is_group(group) {
            return Err(Error::Invalid);
        }
        if self.membership(owner, group).is_some() {
            return Err(Error::InUse);
        }
        let count = self.memberships.iter().filter(|known| known.owner == owner).count();
        if count >= self.knobs().max_memberships {
            return Err(Error::NoBuffers);
        }
        self.memberships.push(Membership { owner, group, mode, sources: None });
        self.hold_as(now, group, mode);
        Ok(())
    }

    /// An owner listens to a group, whoever sends.
    pub fn join(&mut self, now: Nanos, owner: Owner, group: P::Address) -> Result<(), Error> {
        self.enrol(now, owner, group, Mode::Exclude)
    }

    /// An owner listens to a group no more.
    pub fn leave(&mut self, now: Nanos, owner: Owner, group: P::Address) -> Result<(), Error> {
        let place = self.membership(owner, group).ok_or(Error::NotAvailable)?;
        let known = self.memberships.remove(place);
        self.unfilter(now, group, known.mode, known.sources.as_deref().unwrap_or_default(), true);
        self.release(now, group);
        Ok(())
    }

    /// An owner is gone, with all that it listened to.
    pub fn leave_all(&mut self, now: Nanos, owner: Owner) {
        while let Some(known) = self.memberships.iter().find(|known| known.owner == owner) {
            let group = known.group;
            let _ = self.leave(now, owner, group);
        }
    }

    /// An owner listens to one more source of a group, or to the first.
    pub fn join_source(
        &mut self,
        now: Nanos,
        owner: Owner,
        group: P::Address,
        source: P::Address,
    ) -> Result<(), Error> {
        match self.enrol(now, owner, group, Mode::Include) {
            Ok(()) | Err(Error::InUse) => {}
            Err(error) => return Err(error),
        }
        self.add_source(now, owner, group, Mode::Include, source)
    }

    /// An owner listens to one source of a group no more.
    pub fn leave_source(
        &mut self,
        now: Nanos,
        owner: Owner,
        group: P::Address,
        source: P::Address,
    ) -> Result<(), Error> {
        self.remove_source(now, owner, group, Mode::Include, source)
    }

    /// An owner that listens to all sources of a group does not want this one.
    pub fn block_source(
        &mut self,
        now: Nanos,
        owner: Owner,
        group: P::Address,
        source: P::Address,
    ) -> Result<(), Error> {
        self.add_source(now, owner, group, Mode::Exclude, source)
    }

    /// An owner wants a source again that it did not want.
    pub fn unblock_source(
        &mut self,
        now: Nanos,
        owner: Owner,
        group: P::Address,
        source: P::Address,
    ) -> Result<(), Error> {
        self.remove_source(now, owner, group, Mode::Exclude, source)
    }

    /// Where a membership is, in the mode that a change of it needs.
    fn in_mode(
        &mut self,
        now: Nanos,
        owner: Owner,
        group: P::Address,
        mode: Mode,
    ) -> Result<usize, Error> {
        let place = self.membership(owner, group).ok_or(Error::Invalid)?;
        let known = &mut self.memberships[place];
        if known.mode != mode {
            if known.sources.is_some() {
                return Err(Error::Invalid);
            }
            // A filter without sources may change its mode.
            let old = std::mem::replace(&mut known.mode, mode);
            self.filter(now, group, mode, &[], true);
            self.unfilter(now, group, old, &[], true);
        }
        Ok(place)
    }

    fn add_source(
        &mut self,
        now: Nanos,
        owner: Owner,
        group: P::Address,
        mode: Mode,
        source: P::Address,
    ) -> Result<(), Error> {
        let place = self.in_mode(now, owner, group, mode)?;
        let most = self.knobs().max_sources;
        let sources = self.memberships[place].sources.get_or_insert_default();
        if sources.len() >= most {
            return Err(Error::NoBuffers);
        }
        if sources.contains(&source) {
            return Err(Error::NotAvailable);
        }
        sources.push(source);
        self.filter(now, group, mode, &[source], false);
        Ok(())
    }

    fn remove_source(
        &mut self,
        now: Nanos,
        owner: Owner,
        group: P::Address,
        mode: Mode,
        source: P::Address,
    ) -> Result<(), Error> {
        let place = self.in_mode(now, owner, group, mode)?;
        let sources = self.memberships[place].sources.as_mut().ok_or(Error::NotAvailable)?;
        let found = sources.iter().position(|known| *known == source);
        let found = found.ok_or(Error::NotAvailable)?;
        if sources.len() == 1 && mode == Mode::Include {
            // Nothing of nobody is wanted: that is to leave.
            return self.leave(now, owner, group);
        }
        sources.remove(found);
        self.unfilter(now, group, mode, &[source], false);
        Ok(())
    }

    /// An owner's whole filter for a group in one step; to include nothing is to leave.
    pub fn set_filter(
        &mut self,
        now: Nanos,
        owner: Owner,
        group: P::Address,
        mode: Mode,
        sources: &[P::Address],
    ) -> Result<(), Error> {
        if !P::is_group(group) {
            return Err(Error::Invalid);
        }
        if sources.len() > self.knobs().max_sources {
            return Err(Error::NoBuffers);
        }
        if mode == Mode::Include && sources.is_empty() {
            return self.leave(now, owner, group);
        }
        let place = self.membership(owner, group).ok_or(Error::Invalid)?;
        self.filter(now, group, mode, sources, true);
        let known = &mut self.memberships[place];
        let list = (!sources.is_empty()).then(|| sources.to_vec());
        let (old, before) = (known.mode, std::mem::replace(&mut known.sources, list));
        known.mode = mode;
        self.unfilter(now, group, old, before.as_deref().unwrap_or_default(), true);
        Ok(())
    }
}
