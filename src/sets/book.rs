//! All sets on the management core, and the commands of `ipset`.
//!
//! - takes: the words of a command, and what `restore` reads
//! - gives: what `ipset` prints, its exit status, and [`Sets`] for the workers
//! - obeys: `ipset` 7.17; sets that rules or lists refer to stay

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use super::{
    change::{self, Change},
    create,
    error::Error,
    kind::{Kind, Spec},
    names::Services,
    packet::{Row, Sets},
    show,
    table::Table,
};
use crate::graph::Nanos;

/// The longest name of a set.
const LONGEST: usize = 31;

/// A set.
#[derive(Debug)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its elements.
    pub(super) table: Arc<Table>,
    /// Of a list: names of its members in order, and their numbers in the table.
    pub(super) members: Vec<(String, u64)>,
    /// Comments by their numbers.
    pub(super) comments: HashMap<u64, String>,
}

/// What there is to tell of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// Its name.
    pub name: String,
    /// Its type, as `hash:ip`.
    pub kind: &'static str,
    /// Its elements.
    pub entries: u64,
    /// Most elements that it takes.
    pub limit: u64,
    /// Bytes that it may take.
    pub memory: u64,
    /// Rules and lists that refer to it.
    pub references: u32,
}

/// What is around a command.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Time.
    pub now: Nanos,
    /// How many rules refer to a set.
    pub uses: &'a dyn Fn(&str) -> u32,
    /// Ports of services.
    pub services: Services,
}

/// What a command prints, and how it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// To standard output.
    pub out: String,
    /// To standard error.
    pub err: String,
    /// Exit status.
    pub status: u8,
}

/// Sets by the order in which they were made.
#[derive(Debug)]
pub struct Book {
    places: Vec<Option<Named>>,
    /// Comments and members of lists are numbered.
    pub(super) serial: u64,
    seed: u64,
    sets: Option<Arc<Sets>>,
}

impl Default for Book {
    fn default() -> Self {
        Self { places: Vec::new(), serial: 0, seed: RandomState::new().hash_one(0_u8), sets: None }
    }
}

/// The options of a command, which may stand anywhere.
#[derive(Debug, Default)]
struct Options {
    exist: bool,
    quiet: bool,
    names: bool,
    terse: bool,
    save: bool,
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Create,
    Add,
    Del,
    Test,
    Destroy,
    List,
    Save,
    Restore,
    Flush,
    Rename,
    Swap,
    Help,
    Version,
    Quit,
}

const VERBS: [(Verb, &[&str]); 14] = [
    (Verb::Create, &["create", "new", "n", "-N", "--create"]),
    (Verb::Add, &["add", "-A", "--add"]),
    (Verb::Del, &["del", "delete", "-D", "--del"]),
    (Verb::Test, &["test", "-T", "--test"]),
    (Verb::Destroy, &["destroy", "x", "-X", "--destroy"]),
    (Verb::List, &["list", "-L", "--list"]),
    (Verb::Save, &["save", "-S", "--save"]),
    (Verb::Restore, &["restore", "-R", "--restore"]),
    (Verb::Flush, &["flush", "-F", "--flush"]),
    (Verb::Rename, &["rename", "e", "-E", "--rename"]),
    (Verb::Swap, &["swap", "w", "-W", "--swap"]),
    (Verb::Help, &["help", "-h", "-H", "--help"]),
    (Verb::Version, &["version", "-v", "-V", "--version"]),
    (Verb::Quit, &["quit"]),
];

/// Takes the options out of a command's words.
fn options(words: &[String]) -> Result<(Options, Vec<&str>), Error> {
    let mut options = Options::default();
    let mut rest = Vec::new();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let plain = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or("");
        match plain {
            "exist" | "!" => options.exist = true,
            "quiet" | "q" => options.quiet = true,
            "name" | "n" => options.names = true,
            "terse" | "t" => options.terse = true,
            "sorted" | "s" | "resolve" | "r" => {}
            "output" | "o" => match words.next() {
                Some("plain") => options.save = false,
                Some("save") => options.save = true,
                Some(mode) => {
                    return Err(Error::syntax(format!("unsupported output mode `{mode}'")));
                }
                None => {
                    return Err(Error::words(format!(
                        "Missing mandatory argument to option {word}"
                    )));
                }
            },
            "file" | "f" => {
                words.next();
            }
            _ => rest.push(word),
        }
    }
    Ok((options, rest))
}

/// Words of a line; what stands between double quotes is one.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for letter in line.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            letter if letter.is_whitespace() && !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

pub(super) fn no_set() -> Error {
    Error::kernel("The set with the given name does not exist")
}

fn name_of(word: &str) -> Result<String, Error> {
    if word.len() > LONGEST {
        let why = format!("setname '{word}' is longer than {LONGEST} characters");
        return Err(Error::syntax(why));
    }
    Ok(word.to_owned())
}

impl Book {
    /// Whether there is a set of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.iter().all(Option::is_none)
    }

    pub(super) fn find(&self, name: &str) -> Option<&Named> {
        self.places.iter().flatten().find(|set| set.name == name)
    }

    pub(super) fn find_mut(&mut self, name: &str) -> Option<&mut Named> {
        self.places.iter_mut().flatten().find(|set| set.name == name)
    }

    /// What workers read, as the sets are now.
    pub fn sets(&mut self) -> Arc<Sets> {
        if let Some(sets) = &self.sets {
            return Arc::clone(sets);
        }
        let mut named: Vec<&Named> = self.places.iter().flatten().collect();
        named.sort_by(|one, other| one.name.cmp(&other.name));
        let place = |name: &str| named.binary_search_by(|set| set.name.as_str().cmp(name)).ok();
        let rows = named.iter().map(|set| Row {
            name: set.name.clone(),
            table: Arc::clone(&set.table),
            members: set
                .members
                .iter()
                .filter_map(|(name, number)| Some((place(name)?, *number)))
                .collect(),
        });
        let sets = Arc::new(Sets::new(rows.collect()));
        self.sets = Some(Arc::clone(&sets));
        sets
    }

    /// Whether what workers read is not yet as the sets are.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.sets.is_none()
    }

    /// Which sets there are, or what is in lists, is about to change.
    pub(super) fn change(&mut self) {
        self.sets = None;
    }

    /// What there is to tell of each set, in the order in which they were made.
    pub fn census(&self, around: &Around<'_>) -> Vec<Census> {
        let sets = self.places.iter().flatten();
        let census = |set: &Named| Census {
            name: set.name.clone(),
            kind: set.table.spec().kind.name(),
            entries: show::members(set, around.now).len() as u64,
            limit: set.table.most(),
            memory: set.table.size() as u64,
            references: self.references(&set.name, around),
        };
        sets.map(census).collect()
    }

    /// How many rules and lists refer to a set.
    fn references(&self, name: &str, around: &Around<'_>) -> u32 {
        let listed = self.places.iter().flatten().flat_map(|set| &set.members);
        (around.uses)(name) + listed.filter(|(member, _)| member == name).count() as u32
    }

    /// An empty table; each has a seed of its own.
    fn table(&mut self, spec: &Spec) -> Arc<Table> {
        self.serial += 1;
        let seed = (self.seed ^ self.serial).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Arc::new(Table::new(spec, seed))
    }

    /// Carries a command out.
    pub fn command(&mut self, words: &[String], input: Option<&str>, around: &Around<'_>) -> Said {
        let quiet = words.iter().any(|word| matches!(word.as_str(), "-q" | "-quiet" | "--quiet"));
        let mut said = Said::default();
        let verb = words.iter().find_map(|word| verb(word));
        let done = match verb {
            Some(Verb::Restore) => self.restore(words, input, around, &mut said),
            _ => self.one(words, around, &mut said),
        };
        if let Err(error) = done {
            said.err.push_str(&error.render());
            said.status = error.status();
        }
        if quiet {
            said.err.clear();
        }
        said
    }

    fn restore(
        &mut self,
        words: &[String],
        input: Option<&str>,
        around: &Around<'_>,
        said: &mut Said,
    ) -> Result<(), Error> {
        let (given, rest) = options(words)?;
        if let Some(extra) = rest.get(1) {
            return Err(Error::words(format!("Unknown argument {extra}")));
        }
        let mut waiting: Vec<(usize, Change)> = Vec::new();
        for (at, line) in input.unwrap_or_default().lines().enumerate() {
            let line_number = at + 1;
            let text = line.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if text == "COMMIT" {
                self.carry_out(&mut waiting, around)?;
                continue;
            }
            let mut words = split(text);
            if given.exist {
                words.push("-exist".into());
            }
            let (own, rest) = options(&words)?;
            let what = rest.first().and_then(|word| verb(word));
            match what {
                Some(Verb::Quit) => break,
                Some(Verb::Restore) => {
                    let why = "Command `restore' is invalid in restore mode.";
                    return Err(Error::words(why));
                }
                Some(what @ (Verb::Add | Verb::Del)) => {
                    // What comes together goes to the kernel together.
                    let together = waiting.last().is_some_and(|(_, last)| {
                        last.is_with(what == Verb::Del, rest.get(1).copied().unwrap_or_default())
                    });
                    if !together && rest.len() > 2 {
                        self.carry_out(&mut waiting, around)?;
                    }
                    let change = self.read_change(what, &rest, own.exist, around);
                    waiting
                        .push((line_number, change.map_err(|error| error.in_line(line_number))?));
                }
                _ => {
                    if what.is_some() {
                        self.carry_out(&mut waiting, around)?;
                    }
                    self.one(&words, around, said).map_err(|error| error.in_line(line_number))?;
                    if said.status != 0 {
                        return Ok(());
                    }
                }
            }
        }
        self.carry_out(&mut waiting, around)
    }

    fn carry_out(
        &mut self,
        waiting: &mut Vec<(usize, Change)>,
        around: &Around<'_>,
    ) -> Result<(), Error> {
        waiting.drain(..).try_for_each(|(line, change)| {
            change::make(self, change, around.now).map_err(|error| error.in_line(line))
        })
    }

    fn read_change(
        &self,
        verb: Verb,
        rest: &[&str],
        exist: bool,
        around: &Around<'_>,
    ) -> Result<Change, Error> {
        let (command, name, element) = two(rest, if verb == Verb::Del { "del" } else { "add" })?;
        debug_assert!(!command.is_empty());
        let set = self.find(&name_of(name)?).ok_or_else(no_set)?;
        change::read(set, element, &rest[3..], verb == Verb::Del, exist, around.services)
    }

    /// Carries one command out.
    fn one(&mut self, words: &[String], around: &Around<'_>, said: &mut Said) -> Result<(), Error> {
        let (options, rest) = options(words)?;
        let Some(first) = rest.first() else {
            return Err(Error::words("No command specified."));
        };
        let Some(what) = verb(first) else {
            return Err(Error::words(format!("No command specified: unknown argument {first}")));
        };
        let most = match what {
            Verb::Create | Verb::Add | Verb::Del | Verb::Test => usize::MAX,
            Verb::Rename | Verb::Swap => 3,
            _ => 2,
        };
        if let Some(extra) = rest.get(most) {
            return Err(Error::words(format!("Unknown argument {extra}")));
        }
        let named = rest.get(1).copied();
        match what {
            Verb::Create => self.create(&rest, options.exist, around),
            Verb::Add | Verb::Del => {
                let change = self.read_change(what, &rest, options.exist, around)?;
                change::make(self, change, around.now)
            }
            Verb::Test => {
                let (_, name, element) = two(&rest, "test")?;
                let set = self.find(&name_of(name)?).ok_or_else(no_set)?;
                let (held, told) =
                    change::test(set, element, &rest[3..], around.now, around.services)?;
                if held {
                    said.err.push_str(&format!("Warning: {told} is in set {name}.\n"));
                } else {
                    said.err.push_str(&format!("{told} is NOT in set {name}.\n"));
                    said.status = 1;
                }
                Ok(())
            }
            Verb::Destroy => self.destroy(named, options.exist, around),
            Verb::Flush => self.flush(named),
            Verb::List | Verb::Save => {
                self.list(named, what == Verb::Save || options.save, &options, around, said)
            }
            Verb::Rename => self.rename(&rest, around),
            Verb::Swap => self.swap(&rest),
            Verb::Version => {
                said.out.push_str("ipset v7.17, protocol version: 7\n");
                Ok(())
            }
            Verb::Help => {
                said.out.push_str("ipset v7.17\n\nUsage: ipset [options] COMMAND\n");
                Ok(())
            }
            Verb::Quit | Verb::Restore => Ok(()),
        }
    }

    fn create(&mut self, rest: &[&str], exist: bool, around: &Around<'_>) -> Result<(), Error> {
        let (_, name, kind) = two(rest, "create")?;
        let name = name_of(name)?;
        let Some(kind) = Kind::of(kind) else {
            return Err(Error::syntax(format!("typename '{kind}' is unknown")));
        };
        let mut spec = create::read(kind, &rest[3..], self.serial + 1, around.services)?;
        if let Some(had) = self.find(&name) {
            // A seed that was not said is no difference.
            spec.initval = had.table.spec().initval;
            if exist && had.table.spec().is_like(&spec) {
                return Ok(());
            }
            let why = "Set cannot be created: set with the same name already exists";
            return Err(Error::kernel(why));
        }
        let table = self.table(&spec);
        let set = Named { name, table, members: Vec::new(), comments: HashMap::new() };
        match self.places.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(set),
            None => self.places.push(Some(set)),
        }
        self.change();
        Ok(())
    }

    fn destroy(
        &mut self,
        named: Option<&str>,
        exist: bool,
        around: &Around<'_>,
    ) -> Result<(), Error> {
        let busy = || Error::kernel("Set cannot be destroyed: it is in use by a kernel component");
        match named {
            Some(name) => {
                if !self.has(&name_of(name)?) {
                    return if exist { Ok(()) } else { Err(no_set()) };
                }
                if self.references(name, around) > 0 {
                    return Err(busy());
                }
                for place in &mut self.places {
                    place.take_if(|set| set.name == name);
                }
            }
            None => {
                if self.places.iter().flatten().any(|set| self.references(&set.name, around) > 0) {
                    return Err(busy());
                }
                self.places.clear();
            }
        }
        self.change();
        Ok(())
    }

    fn flush(&mut self, named: Option<&str>) -> Result<(), Error> {
        let names: Vec<String> = match named {
            Some(name) => vec![self.find(&name_of(name)?).ok_or_else(no_set)?.name.clone()],
            None => self.places.iter().flatten().map(|set| set.name.clone()).collect(),
        };
        for name in names {
            let Some(spec) = self.find(&name).map(|set| set.table.spec().clone()) else { continue };
            let table = self.table(&spec);
            if let Some(set) = self.find_mut(&name) {
                set.table = table;
                set.members.clear();
                set.comments.clear();
            }
        }
        self.change();
        Ok(())
    }

    fn list(
        &self,
        named: Option<&str>,
        saves: bool,
        options: &Options,
        around: &Around<'_>,
        said: &mut Said,
    ) -> Result<(), Error> {
        let chosen: Vec<&Named> = match named {
            Some(name) => vec![self.find(&name_of(name)?).ok_or_else(no_set)?],
            None => {
                let is_list = |set: &&Named| set.table.spec().kind == Kind::List;
                let all = || self.places.iter().flatten();
                // What lists refer to comes before them.
                all().filter(|set| !is_list(set)).chain(all().filter(is_list)).collect()
            }
        };
        for (at, set) in chosen.iter().enumerate() {
            if options.names {
                said.out.push_str(&set.name);
                said.out.push('\n');
            } else if saves {
                said.out.push_str(&show::save(set, around.now));
            } else {
                if at > 0 {
                    said.out.push('\n');
                }
                let references = self.references(&set.name, around);
                said.out.push_str(&show::list(set, references, options.terse, around.now));
            }
        }
        Ok(())
    }

    fn rename(&mut self, rest: &[&str], around: &Around<'_>) -> Result<(), Error> {
        let (_, from, to) = two(rest, "rename")?;
        let (from, to) = (name_of(from)?, name_of(to)?);
        if !self.has(&from) {
            return Err(no_set());
        }
        if self.references(&from, around) > 0 {
            let why = "Set cannot be renamed: it is in use by another system";
            return Err(Error::kernel(why));
        }
        if self.has(&to) {
            let why = "Set cannot be renamed: a set with the new name already exists";
            return Err(Error::kernel(why));
        }
        if let Some(set) = self.find_mut(&from) {
            set.name = to;
        }
        self.change();
        Ok(())
    }

    fn swap(&mut self, rest: &[&str]) -> Result<(), Error> {
        let (_, from, to) = two(rest, "swap")?;
        let (from, to) = (name_of(from)?, name_of(to)?);
        let place = |name: &str| {
            self.places.iter().position(|set| set.as_ref().is_some_and(|set| set.name == name))
        };
        let one = place(&from).ok_or_else(no_set)?;
        let other = place(&to).ok_or_else(|| {
            Error::kernel("Sets cannot be swapped: the second set does not exist")
        })?;
        let what = |at: usize| {
            let spec = self.places[at].as_ref().map(|set| set.table.spec());
            spec.map(|spec| (spec.kind, spec.six))
        };
        if what(one) != what(other) {
            let why = "The sets cannot be swapped: their type does not match";
            return Err(Error::kernel(why));
        }
        self.places.swap(one, other);
        for (at, name) in [(one, from), (other, to)] {
            if let Some(set) = &mut self.places[at] {
                set.name = name;
            }
        }
        self.change();
        Ok(())
    }
}

fn verb(word: &str) -> Option<Verb> {
    VERBS.iter().find(|(_, names)| names.contains(&word)).map(|(verb, _)| *verb)
}

/// A command and its two arguments.
fn two<'a>(rest: &[&'a str], command: &str) -> Result<(&'a str, &'a str, &'a str), Error> {
    match *rest {
        [command, first, second, ..] => Ok((command, first, second)),
        [_, _] => {
            let why = format!("Missing second mandatory argument to command {command}");
            Err(Error::words(why))
        }
        _ => Err(Error::words(format!("Missing mandatory argument to command {command}"))),
    }
}
