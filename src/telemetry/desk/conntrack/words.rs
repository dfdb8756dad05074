//! The words of `conntrack`.
//!
//! - takes: a command line, words of a shell
//! - gives: a [`Call`], or the [`Complaint`] that the real program would utter
//! - obeys: conntrack-tools 1.4.7, and `getopt_long` in how options are written

use std::net::IpAddr;

use super::{
    legal::{LONG, Legal, OPTIONS, Value, legal, option},
    protocols::{Kind, Part, number},
};
use crate::{
    conntrack::{Addr, entry::status, show::Shown},
    netfilter::jobs::{Net, To},
};

/// What is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Command {
    #[default]
    None,
    Help,
    List,
    Create,
    Add,
    Update,
    Delete,
    Get,
    Flush,
    Event,
    Count,
    Stats,
    Version,
}

/// To which table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Table {
    #[default]
    Connections,
    Expectations,
    Dying,
    Unconfirmed,
}

/// Why a command line is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Complaint {
    /// Lines before, as of the library.
    pub(super) before: String,
    pub(super) text: String,
    pub(super) status: u8,
}

impl Complaint {
    /// The command line is wrong.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: 2, ..Self::default() }
    }

    /// Something else is.
    pub(super) fn other(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: 1, ..Self::default() }
    }
}

/// How connections are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) xml: bool,
    pub(super) extended: bool,
    pub(super) timestamp: bool,
    pub(super) id: bool,
    pub(super) ktimestamp: bool,
    pub(super) labels: bool,
    pub(super) userspace: bool,
    pub(super) save: bool,
}

/// A command line that has been understood.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    pub(super) command: Command,
    pub(super) table: Table,
    /// Options that were given, as bits by their place in [`OPTIONS`].
    pub(super) given: u32,
    pub(super) six: Option<bool>,
    pub(super) protocol: Option<u8>,
    /// Source and destination of the original, then of the reply direction.
    pub(super) addresses: [Option<Addr>; 4],
    pub(super) masks: [Option<Addr>; 2],
    /// The same of what is expected.
    pub(super) expected: [Option<Addr>; 2],
    /// Source and destination port or key of the original, then of the reply direction.
    pub(super) ports: [Option<u16>; 4],
    /// Masks of the ports that are expected, and these ports.
    pub(super) expected_ports: [Option<u16>; 4],
    /// Type, code and identifier of ICMP.
    pub(super) icmp: [Option<u16>; 3],
    pub(super) state: Option<Shown>,
    pub(super) tags: [Option<u32>; 2],
    pub(super) role: Option<bool>,
    pub(super) timeout: u32,
    /// Status bits, and whether none of them was meant.
    pub(super) status: u32,
    pub(super) unreplied: bool,
    pub(super) mark: (u32, u32),
    pub(super) id: u32,
    pub(super) zones: [Option<u16>; 3],
    pub(super) labels: u128,
    pub(super) labels_add: u128,
    pub(super) labels_del: u128,
    pub(super) translated: [Option<To>; 3],
    pub(super) output: Output,
    /// Kinds of events: new, updates, the end.
    pub(super) events: [bool; 3],
    /// What is said beside.
    pub(super) warnings: String,
}

/// What `strtoul` reads of a text, and the rest.
fn leading(text: &str, mut radix: u32) -> (u64, &str) {
    let mut rest = text.trim_start();
    let negative = rest.starts_with('-');
    rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    if radix == 0 {
        let hex = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"));
        match hex.filter(|hex| hex.starts_with(|c: char| c.is_ascii_hexdigit())) {
            Some(hex) => (radix, rest) = (16, hex),
            None => radix = if rest.starts_with('0') { 8 } else { 10 },
        }
    }
    let end = rest.find(|c: char| !c.is_digit(radix)).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    let value = match digits {
        "" => 0,
        digits => u64::from_str_radix(digits, radix).unwrap_or(u64::MAX),
    };
    (if negative { value.wrapping_neg() } else { value }, after)
}

fn unsigned(text: &str) -> u64 {
    leading(text, 0).0
}

fn decimal(text: &str) -> u64 {
    leading(text, 10).0
}

/// Which of some words a list names, by their beginnings and in any case.
fn listed(text: &str, words: &[&str], mut each: impl FnMut(usize)) -> Result<(), Complaint> {
    for part in text.split(',') {
        let begins = |word: &&str| -> bool {
            word.get(..part.len()).is_some_and(|start| start.eq_ignore_ascii_case(part))
        };
        match words.iter().position(begins) {
            Some(at) if !part.is_empty() => each(at),
            _ => return Err(Complaint::usage(format!("Bad parameter `{part}'"))),
        }
    }
    Ok(())
}

/// Labels by number; names are those of a file that a router does not have.
fn labels(text: &str) -> Result<u128, Complaint> {
    let mut all = 0;
    for name in text.split(',') {
        match name.parse::<u32>() {
            Ok(bit @ 0..128) => all |= 1 << bit,
            _ => {
                let before = NO_LABELS.to_owned();
                let text = format!("unknown label '{name}'");
                return Err(Complaint { before, text, status: 2 });
            }
        }
    }
    Ok(all)
}

/// What the library says where labels have no names.
pub(super) const NO_LABELS: &str = "nfct_labelmap_new: No such file or directory\n";

/// The words as they are taken one after another.
struct Rest<'a> {
    words: &'a [String],
    at: usize,
}

impl<'a> Rest<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    /// A word that is no option.
    fn plain(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at)?;
        if word.starts_with(['-', '!']) {
            return None;
        }
        self.next()
    }
}

/// An option as it was found.
enum Found {
    Letter(char),
    Of(Part),
}

impl Call {
    /// Reads a command line.
    ///
    /// # Errors
    /// What the program says in its place.
    pub(super) fn read(words: &[String]) -> Result<Self, Complaint> {
        let mut call = Self { events: [false; 3], ..Self::default() };
        let mut command = None;
        let mut rest = Rest { words, at: 0 };
        while let Some(word) = rest.next() {
            if word == "--" {
                break;
            }
            if let Some(long) = word.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (long, None),
                };
                let (found, wants) = call.long(name)?;
                let value = match (wants, value) {
                    (Value::Yes, None) => Some(rest.next().ok_or_else(|| {
                        Complaint::usage(format!("option `--{name}' requires an argument"))
                    })?),
                    (_, value) => value,
                };
                call.take(
                    &found,
                    value.unwrap_or_default(),
                    value.is_some(),
                    &mut command,
                    &mut rest,
                )?;
            } else if let Some(mut letters) = word.strip_prefix('-').filter(|it| !it.is_empty()) {
                while let Some(letter) = letters.chars().next() {
                    letters = &letters[letter.len_utf8()..];
                    let wants = LONG.iter().find(|(_, own, _)| *own == letter).map(|it| it.2);
                    let known = wants.filter(|_| !"[]{}<>()".contains(letter));
                    let Some(wants) = known else {
                        return Err(Complaint::usage(format!("unknown option `-{letter}'")));
                    };
                    // `-S` alone of the commands has no table of its own to name.
                    let value = match wants {
                        Value::No => None,
                        Value::Maybe if letters.is_empty() => None,
                        Value::Yes if letters.is_empty() => Some(rest.next().ok_or_else(|| {
                            Complaint::usage(format!("option `-{letter}' requires an argument"))
                        })?),
                        _ => Some(std::mem::take(&mut letters)),
                    };
                    let has = value.is_some();
                    let value = value.unwrap_or_default();
                    call.take(&Found::Letter(letter), value, has, &mut command, &mut rest)?;
                }
            }
        }
        call.command = command.unwrap_or_default();
        call.judge()?;
        Ok(call)
    }

    /// The option of a long name or of its unmistakable beginning.
    fn long(&self, name: &str) -> Result<(Found, Value), Complaint> {
        let own = self.protocol.map_or(&[][..], |protocol| Kind::of(protocol).options());
        let own = own.iter().filter(|(name, _)| !name.is_empty());
        if let Some((_, part)) = own.clone().find(|(option, _)| *option == name) {
            return Ok((Found::Of(*part), Value::Yes));
        }
        if let Some((_, letter, value)) = LONG.iter().find(|(option, ..)| *option == name) {
            return Ok((Found::Letter(*letter), *value));
        }
        let mut letters: Vec<(char, Value)> = LONG
            .iter()
            .filter(|(option, ..)| option.starts_with(name))
            .map(|(_, letter, value)| (*letter, *value))
            .collect();
        letters.dedup();
        let mut parts: Vec<Part> =
            own.filter(|(option, _)| option.starts_with(name)).map(|(_, part)| *part).collect();
        parts.dedup();
        match (&letters[..], &parts[..]) {
            ([(letter, value)], []) => Ok((Found::Letter(*letter), *value)),
            ([], [part]) => Ok((Found::Of(*part), Value::Yes)),
            _ => Err(Complaint::usage(format!("unknown option `--{name}'"))),
        }
    }

    fn take(
        &mut self,
        found: &Found,
        value: &str,
        attached: bool,
        command: &mut Option<Command>,
        rest: &mut Rest<'_>,
    ) -> Result<(), Complaint> {
        let letter = match found {
            Found::Of(part) => return self.take_part(*part, value),
            Found::Letter(letter) => *letter,
        };
        // What is written onto the option is not read.
        let plain =
            |rest: &mut Rest<'_>| if attached { None } else { rest.plain().map(str::to_owned) };
        let order = match letter {
            'L' => Some(Command::List),
            'I' => Some(Command::Create),
            'A' => Some(Command::Add),
            'U' => Some(Command::Update),
            'D' => Some(Command::Delete),
            'G' => Some(Command::Get),
            'F' => Some(Command::Flush),
            'E' => Some(Command::Event),
            'C' => Some(Command::Count),
            'S' => Some(Command::Stats),
            'V' => Some(Command::Version),
            'h' => Some(Command::Help),
            _ => None,
        };
        if let Some(order) = order {
            if !matches!(order, Command::Version | Command::Help) {
                self.table = table(plain(rest).as_deref())?;
                if matches!(self.table, Table::Dying | Table::Unconfirmed) && order != Command::List
                {
                    let text = "Can't do that command with tables `dying' and `unconfirmed'";
                    return Err(Complaint::usage(text));
                }
                if self.table == Table::Expectations && order == Command::Update {
                    return Err(Complaint::usage("Can't do --update on expectations"));
                }
            }
            if command.replace(order).is_some() {
                return Err(Complaint::usage("Invalid commands combination"));
            }
            return Ok(());
        }
        if let Some(at) = option(letter) {
            self.given |= 1 << at;
        }
        match letter {
            's' | 'd' => {
                let at = usize::from(letter == 'd');
                let (address, mask) = self.network(value)?;
                self.addresses[at] = Some(address);
                if let Some(mask) = mask {
                    self.given |= 1 << (11 + at);
                    self.masks[at] = Some(mask);
                }
            }
            'r' | 'q' => {
                self.addresses[if letter == 'r' { 2 } else { 3 }] = Some(self.bare(value, letter)?)
            }
            '[' | ']' => {
                self.expected[usize::from(letter == ']')] = Some(self.bare(value, letter)?)
            }
            '{' | '}' => self.masks[usize::from(letter == '}')] = Some(self.bare(value, letter)?),
            'p' => match number(value) {
                Some(number) => self.protocol = Some(number),
                None => return Err(Complaint::usage(format!("`{value}' unsupported protocol"))),
            },
            't' => self.timeout = decimal(value) as u32,
            'u' => {
                const WORDS: [&str; 8] = [
                    "ASSURED",
                    "SEEN_REPLY",
                    "UNSET",
                    "FIXED_TIMEOUT",
                    "EXPECTED",
                    "OFFLOAD",
                    "HW_OFFLOAD",
                    "UNREPLIED",
                ];
                const BITS: [u32; 8] = [
                    status::ASSURED,
                    status::SEEN_REPLY,
                    0,
                    status::FIXED_TIMEOUT,
                    status::EXPECTED,
                    status::OFFLOAD,
                    status::HW_OFFLOAD,
                    0,
                ];
                listed(value, &WORDS, |at| {
                    self.status |= BITS[at];
                    self.unreplied |= at == 7;
                })?;
            }
            'e' => listed(value, &["ALL", "NEW", "UPDATES", "DESTROY"], |at| match at {
                0 => self.events = [true; 3],
                at => self.events[at - 1] = true,
            })?,
            'o' => {
                const WORDS: [&str; 8] = [
                    "xml",
                    "extended",
                    "timestamp",
                    "id",
                    "ktimestamp",
                    "labels",
                    "userspace",
                    "save",
                ];
                let output = &mut self.output;
                listed(value, &WORDS, |at| {
                    let flags = [
                        &mut output.xml,
                        &mut output.extended,
                        &mut output.timestamp,
                        &mut output.id,
                        &mut output.ktimestamp,
                        &mut output.labels,
                        &mut output.userspace,
                        &mut output.save,
                    ];
                    for (place, flag) in flags.into_iter().enumerate() {
                        *flag |= place == at;
                    }
                })?;
                if output.labels {
                    self.warnings = NO_LABELS.to_owned();
                }
                if output.save && *output != (Output { save: true, ..Output::default() }) {
                    let text = "cannot combine save output with any other output type, \
                                use -o save only";
                    return Err(Complaint::other(text));
                }
            }
            'm' => {
                let (mark, after) = leading(value, 0);
                let mask = after.strip_prefix('/').map_or(u32::MAX, |mask| unsigned(mask) as u32);
                self.mark = (mark as u32, mask);
            }
            'i' => self.id = unsigned(value) as u32,
            'a' => self.warnings = "WARNING: ignoring -a, deprecated option.\n".to_owned(),
            'f' => {
                let six = match value {
                    "ipv4" => false,
                    "ipv6" => true,
                    _ => return Err(Complaint::usage(format!("`{value}' unsupported protocol"))),
                };
                self.family(six)?;
            }
            'n' | 'g' | 'j' => {
                let at = match letter {
                    'n' => 0,
                    'g' => 1,
                    _ => 2,
                };
                self.translated[at] = Some(match plain(rest) {
                    None => To::default(),
                    Some(text) => self.endpoint(&text)?,
                });
            }
            'w' | '(' | ')' => {
                let at = match letter {
                    'w' => 0,
                    '(' => 1,
                    _ => 2,
                };
                self.zones[at] = Some(unsigned(value) as u16);
            }
            'l' => self.labels |= labels(value)?,
            '<' => self.labels_add |= labels(value)?,
            '>' => {
                self.labels_del |= match plain(rest) {
                    None => u128::MAX,
                    Some(text) => labels(&text)?,
                }
            }
            'R' => {
                return Err(Complaint::usage(format!("Failed to open file {value} for reading")));
            }
            // The size of a socket's buffer and marks of SELinux are nothing here.
            _ => {}
        }
        Ok(())
    }

    fn take_part(&mut self, part: Part, value: &str) -> Result<(), Complaint> {
        let kind = self.protocol.map_or(Kind::Other, Kind::of);
        let port = |value: &str| match kind {
            Kind::Gre => unsigned(value) as u16,
            _ => decimal(value) as u16,
        };
        match part {
            Part::Port(at) => self.ports[at] = Some(port(value)),
            Part::Expected(at) => self.expected_ports[at] = Some(port(value)),
            Part::State => self.state = Some(kind.state(value)?),
            Part::Tag(at) => self.tags[at] = Some(unsigned(value) as u32),
            Part::Role => {
                self.role = Some(match value {
                    "client" => false,
                    "server" => true,
                    _ => return Err(Complaint::usage(format!("Unknown DCCP role `{value}'"))),
                });
            }
            Part::Type => self.icmp[0] = Some(decimal(value) as u8 as u16),
            Part::Code => self.icmp[1] = Some(decimal(value) as u8 as u16),
            Part::Id => self.icmp[2] = Some(decimal(value) as u16),
        }
        Ok(())
    }

    fn family(&mut self, six: bool) -> Result<(), Complaint> {
        match self.six.replace(six) {
            Some(before) if before != six => Err(Complaint::usage("mismatched address family")),
            _ => Ok(()),
        }
    }

    fn address(&mut self, text: &str) -> Result<Addr, Complaint> {
        let address: IpAddr =
            text.parse().map_err(|_| Complaint::usage(format!("Invalid IP address `{text}'")))?;
        self.family(address.is_ipv6())?;
        Ok(address.into())
    }

    /// An address without a mask.
    fn bare(&mut self, text: &str, letter: char) -> Result<Addr, Complaint> {
        if text.contains('/') {
            let name = option(letter).map_or("", |at| OPTIONS[at]);
            let text = format!("CIDR notation unavailable for `--{name}'");
            return Err(Complaint::usage(text));
        }
        self.address(text)
    }

    /// An address that may have a mask.
    fn network(&mut self, text: &str) -> Result<(Addr, Option<Addr>), Complaint> {
        let Some((address, mask)) = text.split_once('/') else {
            return Ok((self.address(text)?, None));
        };
        let address = self.address(address)?;
        let six = self.six == Some(true);
        let width = if six { 128 } else { 32 };
        let mask = match mask.parse::<u32>() {
            Ok(len) if len <= width => mask_of(len),
            _ => return Err(Complaint::usage("Invalid netmask")),
        };
        Ok((address, Some(mask)))
    }

    /// An address with or without a port.
    fn endpoint(&mut self, text: &str) -> Result<To, Complaint> {
        let whole = text.parse::<IpAddr>().is_ok();
        let (address, port) = match text.rsplit_once(':').filter(|_| !whole) {
            Some((address, port)) => (address, Some(port)),
            None => (text, None),
        };
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let port = match port {
            None => None,
            Some(text) => match text.parse::<u16>() {
                Ok(port) => Some(port),
                Err(_) => {
                    self.address(address)?;
                    return Err(Complaint::usage(format!("Invalid port `{text}'")));
                }
            },
        };
        Ok(To { address: Some(self.address(address)?), port })
    }

    /// Whether an option was given, by its letter.
    pub(super) fn has(&self, letter: char) -> bool {
        option(letter).is_some_and(|at| self.given >> at & 1 == 1)
    }

    /// What is wrong with the whole.
    fn judge(&self) -> Result<(), Complaint> {
        for (at, (side, mask)) in [("src", "mask-src"), ("dst", "mask-dst")].into_iter().enumerate()
        {
            let masked = self.given >> (11 + at) & 1 == 1;
            if masked && self.addresses[at].is_none() {
                return Err(Complaint::usage(format!("Can't use --{mask} without --{side}")));
            }
        }
        for (at, name) in OPTIONS.iter().enumerate() {
            let given = self.given >> at & 1 == 1;
            // What is out of use is told of and not judged.
            match legal(self.command, self.table, at) {
                Legal::No if given && *name != "nat-range" => {
                    let text = format!("Illegal option `--{name}' with this command");
                    return Err(Complaint::usage(text));
                }
                Legal::Must if !given => {
                    let text = format!("You need to supply the `--{name}' option for this command");
                    return Err(Complaint::usage(text));
                }
                _ => {}
            }
        }
        let makes = matches!(self.command, Command::Create | Command::Add | Command::Get);
        if makes && self.table == Table::Connections {
            let both = |at: usize| self.addresses[at].is_some() && self.addresses[at + 1].is_some();
            if !both(0) && !both(2) {
                let reply = self.addresses[2..].iter().any(Option::is_some)
                    && self.addresses[..2].iter().all(Option::is_none);
                let names =
                    if reply { "`--reply-src' and `--reply-dst'" } else { "`--src' and `--dst'" };
                return Err(Complaint::usage(format!("you have to specify {names}")));
            }
        }
        self.judge_protocol()?;
        let compares = "sdrqpmcuiwl()".chars().any(|letter| self.has(letter));
        if self.has('z') && compares {
            return Err(Complaint::usage("Can't use -z with filtering parameters"));
        }
        Ok(())
    }

    /// What is wrong with what was said of the protocol.
    fn judge_protocol(&self) -> Result<(), Complaint> {
        let Some(protocol) = self.protocol else { return Ok(()) };
        Kind::of(protocol).judge(self.command, self.table, |part| match part {
            Part::Port(at) => self.ports[at].is_some(),
            Part::Expected(at) => self.expected_ports[at].is_some(),
            Part::State => self.state.is_some(),
            Part::Tag(at) => self.tags[at].is_some(),
            Part::Role => self.role.is_some(),
            Part::Type => self.icmp[0].is_some(),
            Part::Code => self.icmp[1].is_some(),
            Part::Id => self.icmp[2].is_some(),
        })
    }

    /// A side of the original direction under its mask.
    pub(super) fn net(&self, at: usize) -> Option<Net> {
        let address = u128::from_be_bytes(self.addresses[at]?.0);
        let mask = self.masks.get(at).copied().flatten();
        Some(Net { address, mask: mask.map_or(u128::MAX, |mask| u128::from_be_bytes(mask.0)) })
    }
}

/// The mask of a prefix length; one of IPv4 stands in the first octets, as its addresses do.
fn mask_of(len: u32) -> Addr {
    let bits = if len == 0 { 0 } else { u128::MAX << (128 - len) };
    Addr(bits.to_be_bytes())
}

/// A table by the beginning of its name.
fn table(name: Option<&str>) -> Result<Table, Complaint> {
    let Some(name) = name else { return Ok(Table::Connections) };
    let tables = [
        ("expect", Table::Expectations),
        ("conntrack", Table::Connections),
        ("dying", Table::Dying),
        ("unconfirmed", Table::Unconfirmed),
    ];
    let found = tables.into_iter().find(|(table, _)| table.starts_with(name));
    found.map(|(_, table)| table).ok_or_else(|| Complaint::usage(format!("unknown type `{name}'")))
}
