//! `ip ntable`: parameters of the neighbour tables as the operator writes them.

use super::error::Fact;
use super::usage::{Object, Usage};
use super::words::{Parse, Words, abbreviates, c_number};

/// What `ip ntable` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NtableCommand {
    /// Print the tables that fit.
    Show(NtableFilter),
    /// Change a table, or an interface's parameters in it.
    Change(NtableSpec),
}

/// Which tables `show` prints; `None` takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NtableFilter {
    /// The interface.
    pub dev: Option<String>,
    /// The table.
    pub name: Option<String>,
}

/// What can be changed of a table as a whole, by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NtableThreshold {
    /// `thresh1`
    Thresh1,
    /// `thresh2`
    Thresh2,
    /// `thresh3`
    Thresh3,
    /// `gc_int`, in milliseconds.
    Interval,
}

/// A parameter of an interface or a table's default, by its word; times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NtableParam {
    /// `base_reachable`
    BaseReachable,
    /// `retrans`
    Retrans,
    /// `gc_stale`
    GcStale,
    /// `delay_probe`
    DelayProbe,
    /// `queue`, in full frames.
    Queue,
    /// `app_probes`
    AppProbes,
    /// `ucast_probes`
    UcastProbes,
    /// `mcast_probes`
    McastProbes,
    /// `anycast_delay`
    AnycastDelay,
    /// `proxy_delay`
    ProxyDelay,
    /// `proxy_queue`
    ProxyQueue,
    /// `locktime`
    Locktime,
}

/// A change as stated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NtableSpec {
    /// The table.
    pub name: String,
    /// The interface; without one the table's defaults are meant.
    pub dev: Option<String>,
    /// Of the whole table.
    pub thresholds: Vec<(NtableThreshold, u64)>,
    /// Of the interface, or of all that follow the default.
    pub params: Vec<(NtableParam, u64)>,
}

type Known<T> = (&'static str, T, bool, &'static str);

/// Words, whether they hold 64 bits, and what iproute2 says of a bad value.
const THRESHOLDS: &[Known<NtableThreshold>] = &[
    ("thresh1", NtableThreshold::Thresh1, false, "\"thresh1\" value is invalid"),
    ("thresh2", NtableThreshold::Thresh2, false, "\"thresh2\" value is invalid"),
    ("thresh3", NtableThreshold::Thresh3, false, "\"thresh3\" value is invalid"),
    ("gc_int", NtableThreshold::Interval, true, "\"gc_int\" value is invalid"),
];

const PARAMS: &[Known<NtableParam>] = &[
    ("base_reachable", NtableParam::BaseReachable, true, "\"base_reachable\" value is invalid"),
    ("retrans", NtableParam::Retrans, true, "\"retrans\" value is invalid"),
    ("gc_stale", NtableParam::GcStale, true, "\"gc_stale\" value is invalid"),
    ("delay_probe", NtableParam::DelayProbe, true, "\"delay_probe\" value is invalid"),
    ("queue", NtableParam::Queue, false, "\"queue\" value is invalid"),
    ("app_probes", NtableParam::AppProbes, false, "\"app_probes\" value is invalid"),
    ("ucast_probes", NtableParam::UcastProbes, false, "\"ucast_probes\" value is invalid"),
    ("mcast_probes", NtableParam::McastProbes, false, "\"mcast_probes\" value is invalid"),
    ("anycast_delay", NtableParam::AnycastDelay, true, "\"anycast_delay\" value is invalid"),
    ("proxy_delay", NtableParam::ProxyDelay, true, "\"proxy_delay\" value is invalid"),
    ("proxy_queue", NtableParam::ProxyQueue, false, "\"proxy_queue\" value is invalid"),
    ("locktime", NtableParam::Locktime, true, "\"locktime\" value is invalid"),
];

pub(super) fn read(words: &mut Words<'_>) -> Parse<NtableCommand> {
    let Some(verb) = words.take() else {
        return Ok(NtableCommand::Show(NtableFilter::default()));
    };
    let is = |full: &str| abbreviates(verb, full);
    if is("change") || verb == "chg" {
        read_spec(words).map(NtableCommand::Change)
    } else if is("show") || is("lst") || is("list") {
        read_filter(words).map(NtableCommand::Show)
    } else if is("help") {
        words.fail(Fact::Usage(Usage(Some(Object::Ntable))))
    } else {
        words.fail(Fact::UnknownCommand { word: verb.to_owned(), object: "ntable" })
    }
}

fn read_filter(words: &mut Words<'_>) -> Parse<NtableFilter> {
    let mut filter = NtableFilter::default();
    while let Some(word) = words.take() {
        match word {
            "dev" => filter.dev = Some(words.value()?.to_owned()),
            "name" => filter.name = Some(words.value()?.to_owned()),
            _ => return words.wrong(word, "unknown"),
        }
    }
    Ok(filter)
}

fn read_spec(words: &mut Words<'_>) -> Parse<NtableSpec> {
    let mut spec = NtableSpec::default();
    let mut name: Option<&str> = None;
    while let Some(word) = words.take() {
        if word == "name" {
            let value = words.value()?;
            words.once(name.is_some(), "NAME", value)?;
            name = Some(value);
        } else if word == "dev" {
            let value = words.value()?;
            words.once(spec.dev.is_some(), "DEV", value)?;
            spec.dev = Some(value.to_owned());
        } else if let Some(&(_, which, wide, what)) = THRESHOLDS.iter().find(|it| it.0 == word) {
            spec.thresholds.push((which, read_number(words, wide, what)?));
        } else if let Some(&(_, which, wide, what)) = PARAMS.iter().find(|it| it.0 == word) {
            spec.params.push((which, read_number(words, wide, what)?));
        } else {
            return words.wrong(word, "unknown");
        }
    }
    let Some(name) = name else {
        return words.fail_end(Fact::ArgumentRequired("NAME"));
    };
    if spec.thresholds.is_empty() && spec.params.is_empty() {
        return words.fail_end(Fact::NtableNothing);
    }
    spec.name = name.to_owned();
    Ok(spec)
}

fn read_number(words: &mut Words<'_>, wide: bool, what: &'static str) -> Parse<u64> {
    let word = words.value()?;
    let most = if wide { u64::MAX } else { u32::MAX.into() };
    match c_number(word, 0).filter(|number| *number <= most) {
        Some(number) => Ok(number),
        None => words.wrong(word, what),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, parse};
    use super::*;

    fn said(line: &str) -> Result<NtableCommand, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match parse(&words) {
            Ok(command) => match command.action {
                Action::Ntable(ntable) => Ok(ntable),
                other => panic!("{other:?}"),
            },
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_change_names_a_table_and_what_to_change() {
        let command = said("ntable change name arp_cache dev wan queue 20 locktime 0x10");
        let spec = NtableSpec {
            name: "arp_cache".into(),
            dev: Some("wan".into()),
            thresholds: vec![],
            params: vec![(NtableParam::Queue, 20), (NtableParam::Locktime, 16)],
        };
        assert_eq!(command, Ok(NtableCommand::Change(spec)));
        assert_eq!(said("nt"), Ok(NtableCommand::Show(NtableFilter::default())));
    }

    #[test]
    fn errors_are_those_of_ip() {
        for (line, expected) in [
            ("ntable change dev wan queue 20", "Error: argument \"NAME\" is required"),
            (
                "ntable change name arp_cache dev wan",
                "Not enough information: changeable attributes required.",
            ),
            ("ntable bla", "Command \"bla\" is unknown, try \"ip ntable help\"."),
            ("ntable show bla", "Error: argument \"bla\" is wrong: unknown"),
            (
                "ntable change name arp_cache queue x",
                "Error: argument \"x\" is wrong: \"queue\" value is invalid",
            ),
            (
                "ntable change name a name b",
                "Error: duplicate \"NAME\": \"b\" is the second value.",
            ),
        ] {
            assert_eq!(said(line), Err(expected.into()), "{line}");
        }
    }
}
