//! Whole files of rules, as `iptables-save` writes them.
//!
//! - takes: the text of a file
//! - gives: the tables it states, in the place of those there were
//! - obeys: `iptables-restore(8)`, but for one thing: a file is carried out whole or not at all, also
//!   where it has more than one table

use crate::netfilter::rule::{Chain, Counters, Rule, Table, TableName};

use super::basic;
use super::check::{Surroundings, check_table};
use super::error::{Error, Fact, Parse, Refused, try_help};
use super::line;
use super::statement::Op;
use super::tables::{Tables, carry_out, set_policy};

/// How a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// `-c`: with the counters in the file.
    pub counters: bool,
    /// `-n`: rules that are not in the file stay.
    pub noflush: bool,
    /// `-t`: nothing is changed.
    pub test: bool,
    /// `-T`: of the file, this table alone.
    pub table: Option<TableName>,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {error}")]
pub struct RestoreError {
    /// From 1.
    pub line: usize,
    /// What.
    pub error: Error,
}

impl RestoreError {
    /// The status with which `iptables-restore` would leave the shell.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        self.error.exit_status()
    }

    /// All that a program of this name prints on its standard error.
    #[must_use]
    pub fn render(&self, program: &str) -> String {
        let line = self.line;
        let mut text = match &self.error.fact {
            Fact::Kernel(_) => format!("{program}: line {line} failed\n"),
            Fact::CommitExpected => format!("{program}: COMMIT expected at line {line}\n"),
            Fact::BadArgument(_) => format!("{}\n", self.error.fact),
            fact => format!("{program} {}: {fact}\n", super::VERSION),
        };
        if let (Some(hint), _) = (&self.error.hint, line) {
            text.push_str(&format!("{program}: {hint}\n"));
        }
        if self.error.exit_status() == 2 {
            text.push_str(&format!("Error occurred at line: {line}\n"));
            text.push_str(&try_help(program));
        }
        text
    }
}

/// The words of a line: blanks part them, `"` keeps them together, and in quotes `\` keeps what follows.
///
/// The second of each pair tells whether there were quotes.
pub(super) fn split(line: &str) -> Parse<Vec<(String, bool)>> {
    let mut words = Vec::new();
    let (mut word, mut quoted, mut open) = (String::new(), false, false);
    let mut rest = line.chars();
    while let Some(next) = rest.next() {
        match next {
            '\\' if open => word.extend(rest.next()),
            '"' => {
                quoted = true;
                open = !open;
                // A quote that closes ends the word too.
                if !open {
                    words.push((std::mem::take(&mut word), true));
                    quoted = false;
                }
            }
            _ if open => word.push(next),
            ' ' | '\t' | '\n' => {
                if !word.is_empty() {
                    words.push((std::mem::take(&mut word), quoted));
                    quoted = false;
                }
            }
            _ => word.push(next),
        }
    }
    if open {
        return Err(Fact::Says("a quote is not closed").into());
    }
    if !word.is_empty() {
        words.push((word, quoted));
    }
    Ok(words)
}

/// A file while it is read.
struct File<'a> {
    tables: &'a Tables,
    around: &'a dyn Surroundings,
    options: RestoreOptions,
    program: &'static str,
    /// The table that is open.
    open: Option<Table>,
    /// Where its rules stand in the file.
    stated: Vec<(String, Rule, usize)>,
    /// Whether the table that is open is not asked for.
    passing: bool,
    done: Vec<Table>,
    told: String,
}

impl Tables {
    /// Carries out a file; gives what is printed.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, and then nothing is changed.
    pub fn restore(
        &mut self,
        text: &str,
        options: RestoreOptions,
        around: &dyn Surroundings,
    ) -> Result<String, RestoreError> {
        let mut file = File {
            tables: self,
            around,
            options,
            program: super::restore_program(self.rules().family),
            open: None,
            stated: Vec::new(),
            passing: false,
            done: Vec::new(),
            told: String::new(),
        };
        let mut last = 0;
        for (at, line) in text.lines().enumerate() {
            last = at + 1;
            file.line(line, last).map_err(|error| RestoreError { line: last, error })?;
        }
        if file.open.is_some() || file.passing {
            let error = Error::from(Fact::CommitExpected);
            return Err(RestoreError { line: last + 1, error });
        }
        let File { done, told, .. } = file;
        if !options.test {
            self.replace(done);
        }
        Ok(told)
    }
}

impl File<'_> {
    fn line(&mut self, line: &str, at: usize) -> Parse<()> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if self.passing {
            self.passing = line != "COMMIT";
            return Ok(());
        }
        if let Some(mut table) = self.open.take() {
            if line == "COMMIT" {
                self.check(&table)?;
                self.done.retain(|done| done.name != table.name);
                self.done.push(table);
                return Ok(());
            }
            let done = match line.strip_prefix(':') {
                Some(rest) => self.chain(&mut table, rest, at),
                None => self.statement(&mut table, line, at),
            };
            self.open = Some(table);
            return done;
        }
        match line.strip_prefix('*') {
            Some(name) => self.begin(name),
            None => {
                let why = "before *TABLE and after COMMIT there are only comments";
                Err(Error::because(Fact::Kernel(Refused::Invalid), why))
            }
        }
    }

    fn begin(&mut self, word: &str) -> Parse<()> {
        let word = word.split_ascii_whitespace().next().unwrap_or_default();
        let unknown = || Fact::FileTable(word.to_owned(), self.program.to_owned());
        let name = TableName::of(word).ok_or_else(unknown)?;
        if self.options.table.is_some_and(|only| only != name) {
            self.passing = true;
            return Ok(());
        }
        self.stated.clear();
        let before = self.done.iter().find(|table| table.name == name);
        let before = before.or_else(|| self.tables.rules().table(name));
        let mut table = before.cloned().unwrap_or_else(|| Table::new(name));
        if !self.options.noflush {
            table.chains.retain(|chain| chain.policy.is_some());
            table.chains.iter_mut().for_each(|chain| chain.rules.clear());
        }
        // What no line of the file says anything of begins anew, as at every change (libiptc's
        // `COUNTER_MAP_ZEROED`).
        for chain in table.chains.iter_mut().filter(|chain| chain.policy.is_some()) {
            chain.counters = Counters::default();
        }
        self.open = Some(table);
        Ok(())
    }

    fn chain(&self, table: &mut Table, rest: &str, line: usize) -> Parse<()> {
        let program = || self.program.to_owned();
        let mut words = rest.split_ascii_whitespace();
        let Some(name) = words.next() else {
            return Err(Fact::ChainMissing { program: program(), line }.into());
        };
        if name.len() > basic::CHAIN_NAME {
            return Err(Fact::FileChainLong(name.to_owned()).into());
        }
        // A name that no line could speak of.
        if name.starts_with(['-', '!']) || name.contains('"') {
            return Err(Fact::ChainSpace(name.to_owned()).into());
        }
        match table.chain_mut(name) {
            Some(chain) if chain.policy.is_some() => {}
            Some(chain) if self.options.noflush => chain.rules.clear(),
            None if !basic::is_target(name, self.tables.rules().family) => {
                table.add_chain(Chain { name: name.to_owned(), ..Chain::default() });
            }
            _ => return Err(Fact::FileChain(name.to_owned()).into()),
        }
        let Some(policy) = words.next() else {
            return Err(Fact::PolicyMissing { program: program(), line }.into());
        };
        if policy == "-" {
            return Ok(());
        }
        let mut counters = Counters::default();
        if self.options.counters {
            let given = words.next().and_then(|word| {
                let (packets, bytes) =
                    word.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
                Some(Counters { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? })
            });
            counters = given.ok_or_else(|| Fact::PolicyCounters(name.to_owned()))?;
        }
        set_policy(table, name, policy, Some(counters)).map_err(|error| {
            let why = match error.fact {
                Fact::Kernel(Refused::BuiltIn) => "Bad built-in chain name",
                _ => "Bad policy name",
            };
            let (policy, chain) = (policy.to_owned(), name.to_owned());
            Fact::PolicyRefused { policy, chain, line, why }.into()
        })
    }

    fn statement(&mut self, table: &mut Table, line: &str, at: usize) -> Parse<()> {
        let (counters, rest) = match line.strip_prefix('[') {
            None => (None, line),
            Some(rest) => {
                let (numbers, rest) = rest.split_once(']').ok_or(Fact::CountersOpen(at, ']'))?;
                let (packets, bytes) =
                    numbers.split_once(':').ok_or(Fact::CountersOpen(at, ']'))?;
                (Some((packets.to_owned(), bytes.to_owned())), rest)
            }
        };
        let mut words = Vec::new();
        if let Some((packets, bytes)) = counters.filter(|_| self.options.counters) {
            words.extend(["--set-counters".to_owned(), packets, bytes]);
        }
        for (word, quoted) in split(rest)? {
            if !quoted && names_table(&word) {
                return Err(Fact::NotInFile("t", self.program.to_owned()).into());
            }
            words.push(word);
        }
        let family = self.tables.rules().family;
        let Some(mut statement) = line::read(&words, family, true)? else { return Ok(()) };
        table.name.name().clone_into(&mut statement.table);
        if let Op::Append { chain, rules } | Op::Insert { chain, rules, .. } = &statement.op {
            self.stated.extend(rules.iter().map(|rule| (chain.clone(), rule.clone(), at)));
        }
        self.told.push_str(&carry_out(table, &statement, family, self.around)?);
        Ok(())
    }

    /// Checks a table, and tells on which line the rule stands that is wrong.
    fn check(&self, table: &Table) -> Parse<()> {
        let family = self.tables.rules().family;
        check_table(table, family, self.around).map_err(|fault| {
            let rule = table
                .chain(&fault.chain)
                .and_then(|chain| chain.rules.get(fault.rule.checked_sub(1)?));
            let stated = self
                .stated
                .iter()
                .find(|(chain, stated, _)| *chain == fault.chain && Some(stated) == rule);
            let mut error = Error::from(fault);
            if let (Some((.., line)), Some(hint)) = (stated, &mut error.hint) {
                *hint = format!("line {line}: {hint}");
            }
            error
        })
    }
}

/// Whether a word of a line in a file names a table.
fn names_table(word: &str) -> bool {
    let short =
        word.strip_prefix('-').is_some_and(|rest| !rest.starts_with('-') && rest.contains('t'));
    short || (word.starts_with("--t") && "--table".starts_with(word))
}
