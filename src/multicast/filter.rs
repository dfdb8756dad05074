//! A group that an interface listens to, and from which sources: what all who listen want, as one.
//!
//! - obeys: RFC 3376 section 3.2, RFC 3810 section 4.2; rows [8.157] to [8.163]

use crate::graph::Nanos;

/// Whether sources are named that are wanted, or that are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// These alone.
    Include,
    /// All but these.
    Exclude,
}

/// A source that somebody names.
#[derive(Clone, Debug)]
pub struct Source<A> {
    /// Its address.
    pub address: A,
    /// Filters that want it.
    pub include: u32,
    /// Filters that do not want it.
    pub exclude: u32,
    /// It stood in reports before a change.
    pub(super) was_in: bool,
    /// How often a change is still to be told.
    pub(super) left: u8,
    /// A query has asked for it.
    pub(super) asked: bool,
}

impl<A> Source<A> {
    const fn new(address: A) -> Self {
        Self { address, include: 0, exclude: 0, was_in: false, left: 0, asked: false }
    }

    fn count(&mut self, mode: Mode) -> &mut u32 {
        match mode {
            Mode::Include => &mut self.include,
            Mode::Exclude => &mut self.exclude,
        }
    }
}

/// A source was taken from a filter that does not name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unknown;

/// A group.
#[derive(Clone, Debug)]
pub struct Group<A> {
    /// Its address.
    pub address: A,
    /// How many listen.
    pub users: u32,
    /// What is told of it: sources wanted, or not wanted.
    pub mode: Mode,
    /// Filters that want some sources.
    pub includes: u32,
    /// Filters that want all but some.
    pub excludes: u32,
    /// Sources that somebody names, in the order in which they came.
    pub sources: Vec<Source<A>>,
    /// When it is told of for a query, or once more.
    pub timer: Option<Nanos>,
    /// We told of it last.
    pub reporter: bool,
    /// Sources that nobody names any more, as long as that is to be told; newest first.
    pub(super) gone: Vec<Source<A>>,
    /// How often a change of mode is still to be told.
    pub(super) left: u8,
    /// How often it is still to be told of without being asked, in an old version's words.
    pub(super) unsolicited: u8,
    /// Only some of its sources were asked for.
    pub(super) some_asked: bool,
}

/// What a change of filters makes to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Sources,
    Mode,
}

impl<A: Copy + Eq> Group<A> {
    /// A group that nobody listened to until now.
    pub(super) fn new(address: A, mode: Mode) -> Self {
        let (includes, excludes) = match mode {
            Mode::Include => (1, 0),
            Mode::Exclude => (0, 1),
        };
        Self {
            address,
            users: 1,
            mode,
            includes,
            excludes,
            sources: Vec::new(),
            timer: None,
            reporter: false,
            gone: Vec::new(),
            left: 0,
            unsolicited: 0,
            some_asked: false,
        }
    }

    fn filters(&mut self, mode: Mode) -> &mut u32 {
        match mode {
            Mode::Include => &mut self.includes,
            Mode::Exclude => &mut self.excludes,
        }
    }

    /// Whether packets from a source are wanted.
    pub fn permits(&self, source: A) -> bool {
        match self.sources.iter().find(|known| known.address == source) {
            Some(known) => known.include > 0 || known.exclude != self.excludes,
            None => self.excludes > 0,
        }
    }

    /// Whether a source stands in what is told: it is wanted, or nobody wants it.
    fn stands(source: &Source<A>, excludes: u32) -> bool {
        match excludes {
            0 => source.include > 0,
            _ => source.exclude == excludes && source.include == 0,
        }
    }

    fn mark(&mut self) {
        let excludes = self.excludes;
        for source in &mut self.sources {
            source.was_in = Self::stands(source, excludes);
        }
    }

    /// Compares with what [`Group::mark`] saw; true when there is something to tell.
    fn settle(&mut self, robustness: u8) -> bool {
        let (excludes, mut changed) = (self.excludes, false);
        for source in &mut self.sources {
            match (Self::stands(source, excludes), source.was_in) {
                (true, false) => {
                    self.gone.retain(|gone| gone.address != source.address);
                    source.left = robustness;
                    changed = true;
                }
                (false, true) => {
                    source.left = 0;
                    let place = self.gone.iter().position(|gone| gone.address == source.address);
                    let place = place.unwrap_or_else(|| {
                        self.gone.insert(0, source.clone());
                        0
                    });
                    self.gone[place].left = robustness;
                    changed = true;
                }
                _ => {}
            }
        }
        changed
    }

    fn change_mode(&mut self, mode: Mode, robustness: u8) -> Change {
        self.mode = mode;
        self.left = robustness;
        for source in &mut self.sources {
            source.left = 0;
        }
        Change::Mode
    }

    /// Sources are named by a filter; `whole` when the filter is new and not only longer.
    pub(super) fn add(&mut self, mode: Mode, sources: &[A], whole: bool, robustness: u8) -> Change {
        let excluded = self.mode == Mode::Exclude;
        self.mark();
        if whole {
            *self.filters(mode) += 1;
        }
        for &address in sources {
            let place = self.sources.iter().position(|known| known.address == address);
            let place = place.unwrap_or_else(|| {
                self.sources.push(Source::new(address));
                self.sources.len() - 1
            });
            *self.sources[place].count(mode) += 1;
        }
        if excluded == (self.excludes > 0) {
            return if self.settle(robustness) { Change::Sources } else { Change::None };
        }
        let mode = match (self.excludes, self.includes) {
            (1.., _) => Mode::Exclude,
            (0, 1..) => Mode::Include,
            // Nobody filters: what was told last is told on.
            (0, 0) => self.mode,
        };
        self.change_mode(mode, robustness)
    }

    /// Sources are named no more; `keeps` whether what nobody names any more is to be told.
    pub(super) fn remove(
        &mut self,
        mode: Mode,
        sources: &[A],
        whole: bool,
        robustness: u8,
        keeps: bool,
    ) -> Result<Change, Unknown> {
        self.mark();
        if whole {
            *self.filters(mode) = self.filters(mode).checked_sub(1).ok_or(Unknown)?;
        }
        let (mut changed, mut unknown) = (false, false);
        for &address in sources {
            let found = self.sources.iter().position(|known| known.address == address);
            let Some(place) = found.filter(|place| *self.sources[*place].count(mode) > 0) else {
                unknown = true;
                continue;
            };
            *self.sources[place].count(mode) -= 1;
            let (include, exclude) = (self.sources[place].include, self.sources[place].exclude);
            if include == 0 && exclude == 0 {
                let mut source = self.sources.remove(place);
                if source.was_in && keeps {
                    source.left = robustness;
                    self.gone.insert(0, source);
                    changed = true;
                }
            }
        }
        let leaves_exclude = self.mode == Mode::Exclude && self.excludes == 0 && self.includes > 0;
        let change = if leaves_exclude {
            self.change_mode(Mode::Include, robustness)
        } else if self.settle(robustness) || changed {
            Change::Sources
        } else {
            Change::None
        };
        if unknown { Err(Unknown) } else { Ok(change) }
    }

    /// A query asks for sources; true when it concerns us.
    pub(super) fn ask(&mut self, asked: &[A]) -> bool {
        if self.mode == Mode::Exclude {
            let excludes = self.excludes;
            let refused = self
                .sources
                .iter()
                .filter(|source| Self::stands(source, excludes) && asked.contains(&source.address));
            // All of them are refused by everybody: we have nothing to say.
            let all = refused.count() == asked.len();
            self.some_asked = false;
            return !all;
        }
        let mut found = false;
        for source in self.sources.iter_mut().filter(|source| asked.contains(&source.address)) {
            source.asked = true;
            found = true;
        }
        self.some_asked = found;
        found
    }
}
