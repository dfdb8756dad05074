//! What a report says of a group: its state, or what changed in it.
//!
//! - obeys: RFC 3376 section 5, RFC 3810 section 6; rows [8.144] to [8.147], [8.159], [8.160]

use super::{Group, Knobs, Mode, Outgoing, Protocol, filter::Source};
use crate::packet::record::{Record, RecordKind};

/// A report is no longer than a page, however long packets may be.
const MOST: usize = 3712;

/// Records gathered into packets.
pub(super) struct Pack<'a, P: Protocol> {
    knobs: &'a Knobs,
    room: usize,
    open: Vec<Record<P::Address>>,
    done: Vec<Outgoing<P::Address>>,
}

/// Which of a group's sources a record tells of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Of {
    pub(super) kind: RecordKind,
    /// The group is not listened to any more.
    pub(super) group_gone: bool,
    /// Sources that nobody names any more.
    pub(super) sources_gone: bool,
    /// It is told of even without sources.
    pub(super) always: bool,
}

impl Of {
    pub(super) const fn state(kind: RecordKind) -> Self {
        Self { kind, group_gone: false, sources_gone: false, always: false }
    }
}

/// Whether a source stands in such a record.
fn stands<A>(group: &Group<A>, source: &Source<A>, of: Of) -> bool {
    let gone = of.group_gone || of.sources_gone;
    let refused_by_all = group.excludes == source.exclude;
    match of.kind {
        RecordKind::IsInclude | RecordKind::IsExclude => {
            if gone || group.some_asked && !source.asked {
                return false;
            }
            match (group.mode, source.include) {
                (Mode::Include, _) => true,
                (Mode::Exclude, 1..) => of.kind == RecordKind::IsInclude,
                (Mode::Exclude, 0) => refused_by_all,
            }
        }
        RecordKind::ToInclude => !gone && source.include > 0,
        RecordKind::ToExclude => {
            !gone && group.excludes > 0 && source.include == 0 && refused_by_all
        }
        RecordKind::Allow => {
            !of.group_gone && source.left > 0 && (group.mode == Mode::Include) != of.sources_gone
        }
        RecordKind::Block => match group.mode {
            Mode::Include => of.group_gone || source.left > 0 && of.sources_gone,
            Mode::Exclude => source.left > 0 && !gone,
        },
    }
}

impl<'a, P: Protocol> Pack<'a, P> {
    pub(super) fn new(knobs: &'a Knobs) -> Self {
        let room = knobs.mtu.min(MOST).saturating_sub(P::OVERHEAD);
        Self { knobs, room, open: Vec::new(), done: Vec::new() }
    }

    fn used(&self) -> usize {
        let size = |record: &Record<P::Address>| Record::<P::Address>::size(record.sources.len());
        self.open.iter().map(size).sum()
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.done.push(Outgoing::Records(std::mem::take(&mut self.open)));
        }
    }

    /// Tells of a group. Changes that were told are told once less.
    pub(super) fn tell(&mut self, group: &mut Group<P::Address>, of: Of) {
        if P::is_silent(group.address, self.knobs) || self.knobs.mtu < P::LEAST_MTU {
            return;
        }
        let answers = matches!(of.kind, RecordKind::IsInclude | RecordKind::IsExclude);
        let changes = matches!(of.kind, RecordKind::Allow | RecordKind::Block);
        // A list of what is not wanted may be cut, one of what is wanted goes on in the next packet.
        let cut = matches!(of.kind, RecordKind::IsExclude | RecordKind::ToExclude);
        let mut sources =
            std::mem::take(if of.sources_gone { &mut group.gone } else { &mut group.sources });
        let size = Record::<P::Address>::size;
        if cut {
            let count = sources.iter().filter(|source| stands(group, source, of)).count();
            if self.used() + size(count) > self.room {
                self.close();
            }
        }
        let (mut first, mut total, mut full) = (true, 0, false);
        for source in &mut sources {
            if full || !stands(group, source, of) {
                continue;
            }
            // A change of mode tells of sources as well.
            let mode_changes = match of.group_gone {
                true => group.mode == Mode::Exclude,
                false => group.left > 0,
            };
            if mode_changes && changes && source.left > 0 {
                source.left -= 1;
                continue;
            }
            if answers {
                source.asked = false;
            }
            let need = if first { size(1) } else { size(1) - size(0) };
            if self.used() + need > self.room {
                if cut && !first {
                    full = true;
                    continue;
                }
                self.close();
                first = true;
            }
            if first {
                let record = Record { kind: of.kind, group: group.address, sources: Vec::new() };
                self.open.push(record);
                first = false;
            }
            if let Some(record) = self.open.last_mut() {
                record.sources.push(source.address);
            }
            total += 1;
            if changes && source.left > 0 {
                source.left -= 1;
            }
        }
        if changes && (of.sources_gone || of.group_gone) {
            sources.retain(|source| source.left > 0);
        }
        *(if of.sources_gone { &mut group.gone } else { &mut group.sources }) = sources;
        if total == 0 && !changes && (group.left > 0 || answers || of.always) {
            if self.used() + size(0) > self.room {
                self.close();
            }
            self.open.push(Record { kind: of.kind, group: group.address, sources: Vec::new() });
        }
        if answers {
            group.some_asked = false;
        }
    }

    /// Tells the state of a group.
    pub(super) fn state(&mut self, group: &mut Group<P::Address>) {
        let kind = if group.excludes > 0 { RecordKind::IsExclude } else { RecordKind::IsInclude };
        self.tell(group, Of::state(kind));
    }

    /// Tells what changed in a group.
    pub(super) fn change(&mut self, group: &mut Group<P::Address>) {
        let (added, gone) = match group.excludes {
            0 => (RecordKind::Allow, RecordKind::Block),
            _ => (RecordKind::Block, RecordKind::Allow),
        };
        self.tell(group, Of::state(added));
        self.tell(group, Of { sources_gone: true, ..Of::state(gone) });
        if group.left > 0 {
            let kind = match group.mode {
                Mode::Exclude => RecordKind::ToExclude,
                Mode::Include => RecordKind::ToInclude,
            };
            self.tell(group, Of::state(kind));
            group.left -= 1;
        }
    }

    /// Tells that a group is not listened to any more. False when all has been told.
    pub(super) fn farewell(&mut self, group: &mut Group<P::Address>) -> bool {
        if group.mode == Mode::Include {
            let block = Of { group_gone: true, ..Of::state(RecordKind::Block) };
            self.tell(group, block);
            self.tell(group, Of { sources_gone: true, ..block });
        }
        if group.left > 0 {
            if group.mode == Mode::Exclude {
                self.tell(group, Of { group_gone: true, ..Of::state(RecordKind::ToInclude) });
            }
            group.left -= 1;
            if group.left == 0 {
                group.gone.retain(|source| source.left > 0);
                group.sources.retain(|source| source.left > 0);
            }
        }
        group.left > 0 || !group.gone.is_empty() || !group.sources.is_empty()
    }

    /// The packets.
    pub(super) fn finish(mut self) -> Vec<Outgoing<P::Address>> {
        self.close();
        self.done
    }
}
