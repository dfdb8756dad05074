//! Captures of what rules hand to `NFLOG`: one file a group, and the one before it.
//!
//! - takes: packets that are told of
//! - gives: `group-N.pcapng` in a directory, and `group-N.pcapng.1` when that has been full; both together
//!   are never longer than twice the bound
//! - obeys: the rule's `--nflog-group`, `--nflog-prefix` and `--nflog-size`

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use crate::{
    capture::{Noted, PcapngWriter},
    netfilter::told::{Told, Why},
};

/// A group's file.
struct Group {
    writer: PcapngWriter,
    /// Names of interfaces that it knows.
    interfaces: Vec<String>,
}

impl Group {
    fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { writer: PcapngWriter::create(path)?, interfaces: Vec::new() })
    }

    fn add(&mut self, told: &Told, names: [&str; 2]) -> io::Result<()> {
        let about = &told.about;
        let inbound = about.input != 0;
        let name = names[usize::from(!inbound)];
        let known = self.interfaces.iter().position(|known| known == name);
        let interface = known.map_or_else(
            || {
                self.interfaces.push(name.to_owned());
                self.writer.interface(name)
            },
            |place| place as u32,
        );
        let prefix = about.words.text();
        let (table, hook) = (about.table.name(), about.hook.chain());
        let way = format!("{table} {hook} IN={} OUT={} MARK={:#x}", names[0], names[1], about.mark);
        let both = [prefix.as_str(), way.as_str()];
        let comments = if prefix.is_empty() { &both[1..] } else { &both[..] };
        self.writer.packet(&Noted {
            wall: about.wall,
            bytes: &told.bytes,
            len: about.len,
            interface,
            inbound,
            comments,
        })
    }
}

/// The captures of all groups.
pub struct Captures {
    directory: PathBuf,
    /// Bytes of one file.
    most: u64,
    groups: BTreeMap<u16, Group>,
    /// Groups that could not be written, whose failure has been told.
    failed: Vec<u16>,
}

impl Captures {
    /// In a directory, which is made when there is something to write; files of `mib` MiB.
    pub fn new(directory: &Path, mib: u32) -> Self {
        let most = u64::from(mib) << 20;
        let directory = directory.to_owned();
        Self { directory, most, groups: BTreeMap::new(), failed: Vec::new() }
    }

    /// Makes the directory.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn prepare(&self) -> io::Result<()> {
        std::fs::create_dir_all(&self.directory)
    }

    /// The file of a group.
    fn path(&self, group: u16) -> PathBuf {
        self.directory.join(format!("group-{group}.pcapng"))
    }

    /// Writes packets; `name` tells names of interfaces. Gives sentences about what could not be written,
    /// each once a group.
    pub fn write(&mut self, packets: &[Told], name: &dyn Fn(u16) -> String) -> Vec<String> {
        let mut notes = Vec::new();
        for told in packets {
            let Why::Nflog { group } = told.about.why else { continue };
            if let Err(error) = self.add(group, told, name) {
                self.groups.remove(&group);
                if !self.failed.contains(&group) {
                    self.failed.push(group);
                    notes.push(format!("cannot write {}: {error}", self.path(group).display()));
                }
            }
        }
        notes
    }

    fn add(&mut self, group: u16, told: &Told, name: &dyn Fn(u16) -> String) -> io::Result<()> {
        let path = self.path(group);
        let full = self.groups.get(&group).is_some_and(|group| group.writer.len() >= self.most);
        if full && let Some(mut old) = self.groups.remove(&group) {
            old.writer.flush()?;
        }
        if !self.groups.contains_key(&group) {
            self.prepare()?;
        }
        if !self.groups.contains_key(&group) && path.exists() {
            std::fs::rename(&path, path.with_extension("pcapng.1"))?;
        }
        let about = &told.about;
        let named = |iface| if iface == 0 { String::new() } else { name(iface) };
        let names = [named(about.input), named(about.output)];
        let file = match self.groups.entry(group) {
            std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(Group::create(&path)?)
            }
        };
        file.add(told, [&names[0], &names[1]])
    }

    /// Gives the system what was gathered.
    pub fn flush(&mut self) {
        // What it does not take now, the next packet tells of.
        self.groups.values_mut().for_each(|group| drop(group.writer.flush()));
    }
}

impl Drop for Captures {
    fn drop(&mut self) {
        self.flush();
    }
}
