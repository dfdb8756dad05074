//! `time`: when rules hold.
//!
//! - takes: `--datestart`, `--timestart`, `--weekdays` and their like
//! - gives: [`Match::Time`]
//! - obeys: `iptables-extensions(8)`; dates are of UTC

use std::fmt::Write as _;

use crate::netfilter::rule::{Is, Match, Time};

use super::super::error::{Error, Parse};
use super::super::options::{Args, Kind, bad_word, opt};
use super::super::registry::{Families, MatchEntry, Place, free};
use super::super::words;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const A_DAY: i64 = 86_400;

/// Days since 1970 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the day that is not always there is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The year, month and day of so many days since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted - era * 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// A number of decimal digits within bounds, `010` being ten.
fn part(text: &str, least: i64, most: i64) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = text.parse().ok().filter(|_| digits)?;
    (least..=most).contains(&number).then_some(number)
}

/// `YYYY[-MM[-DD[Thh[:mm[:ss]]]]]`
fn date_of(text: &str) -> Option<u32> {
    let (day, clock) = match text.split_once('T') {
        Some((day, clock)) => (day, Some(clock)),
        None => (text, None),
    };
    let mut words = day.split('-');
    let year = part(words.next()?, 1970, 2038)?;
    let month = words.next();
    let of_month = words.next();
    if words.next().is_some() || (clock.is_some() && of_month.is_none()) {
        return None;
    }
    let month = month.map_or(Some(1), |text| part(text, 1, 12))?;
    let day = of_month.map_or(Some(1), |text| part(text, 1, 31))?;
    let mut clock = clock.map(|text| text.split(':')).into_iter().flatten();
    let mut next = |most| clock.next().map_or(Some(0), |text| part(text, 0, most));
    let seconds = next(23)? * 3600 + next(59)? * 60 + next(59)?;
    if clock.next().is_some() {
        return None;
    }
    u32::try_from(days(year, month, day) * A_DAY + seconds).ok()
}

/// `YYYY-MM-DD hh:mm:ss` of UTC, with another character between.
pub(crate) fn date_text(seconds: u32, between: char) -> String {
    let seconds = i64::from(seconds);
    let (year, month, day) = date(seconds.div_euclid(A_DAY));
    let clock = clock_text(seconds.rem_euclid(A_DAY));
    format!("{year:04}-{month:02}-{day:02}{between}{clock}")
}

fn clock_text(seconds: i64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `hh:mm[:ss]`
fn clock_of(text: &str) -> Option<u32> {
    let mut words = text.split(':');
    let hours = part(words.next()?, 0, 23)?;
    let minutes = part(words.next()?, 0, 59)?;
    let seconds = words.next().map_or(Some(0), |text| part(text, 0, 59))?;
    if words.next().is_some() {
        return None;
    }
    u32::try_from(hours * 3600 + minutes * 60 + seconds).ok()
}

fn bad_date(text: &str) -> Error {
    let after = "\" specified. Should be YYYY[-MM[-DD[Thh[:mm[:ss]]]]]";
    bad_word("Invalid date \"", text, after)
}

fn bad_clock(text: &str) -> Error {
    let after = "\" specified, should be hh:mm[:ss] format and within the boundaries";
    bad_word("invalid time \"", text, after)
}

fn month_days(words: &str) -> Parse<u32> {
    let mut bits = 0;
    for word in words.split(',') {
        let Some(day) = words::number(word).filter(|day| (1..=31).contains(day)) else {
            return Err(bad_word("", word, " is not a valid day for --monthdays"));
        };
        bits |= 1 << day;
    }
    Ok(bits)
}

fn week_days(words: &str) -> Parse<u8> {
    let mut bits = 0;
    for word in words.split(',') {
        let numbered = words::number(word).filter(|day| (1..=7).contains(day));
        let begins = |name: &str| {
            word.len() >= 2
                && name.get(..2).is_some_and(|start| {
                    word.get(..2).is_some_and(|word| word.eq_ignore_ascii_case(start))
                })
        };
        let named = || DAYS.iter().position(|name| begins(name)).map(|at| at as u64 + 1);
        let Some(day) = numbered.or_else(named) else {
            return Err(bad_word("", word, " is not a valid day specifier"));
        };
        bits |= 1 << day;
    }
    Ok(bits)
}

fn build(args: &Args) -> Parse<Match> {
    let read =
        |name: &str, reads: fn(&str) -> Option<u32>, bad: fn(&str) -> Error, default| match args
            .text(name)
        {
            None => Ok(default),
            Some(words) => reads(words.value).ok_or_else(|| bad(words.value)),
        };
    let mut time = Time {
        date_start: read("datestart", date_of, bad_date, 0)?,
        date_stop: read("datestop", date_of, bad_date, Time::ALWAYS.date_stop)?,
        day_start: read("timestart", clock_of, bad_clock, 0)?,
        day_stop: read("timestop", clock_of, bad_clock, Time::ALWAYS.day_stop)?,
        contiguous: args.has("contiguous"),
        local: args.has("kerneltz"),
        ..Time::ALWAYS
    };
    if let Some(Is { not, value }) = args.text("monthdays") {
        let bits = month_days(value)?;
        time.month_days = if not { bits ^ Time::ALL_MONTH_DAYS } else { bits };
    }
    if let Some(Is { not, value }) = args.text("weekdays") {
        let bits = week_days(value)?;
        time.week_days = if not { bits ^ Time::ALL_WEEK_DAYS } else { bits };
    }
    Ok(Match::Time(time))
}

fn months_text(bits: u32, ordinal: bool) -> String {
    let suffix = |day: u32| match day % 10 {
        _ if !ordinal => "",
        1 => "st",
        2 => "nd",
        3 => "rd",
        _ => "th",
    };
    let set = (1..32u32).filter(|day| bits >> day & 1 != 0);
    set.map(|day| format!("{day}{}", suffix(day))).collect::<Vec<_>>().join(",")
}

fn weeks_text(bits: u8) -> String {
    let set = (1..=7usize).filter(|day| bits >> day & 1 != 0);
    set.map(|day| DAYS[day - 1]).collect::<Vec<_>>().join(",")
}

pub(super) static TIME: MatchEntry = MatchEntry {
    name: "time",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["contiguous"], Kind::Flag),
        opt(&["datestart"], Kind::Text),
        opt(&["datestop"], Kind::Text),
        opt(&["kerneltz", "localtz"], Kind::Flag).excludes(&["utc"]),
        opt(&["monthdays"], Kind::Text).inverts(),
        opt(&["timestart"], Kind::Text),
        opt(&["timestop"], Kind::Text),
        opt(&["utc"], Kind::Flag).excludes(&["kerneltz"]),
        opt(&["weekdays"], Kind::Text).inverts(),
    ],
    build,
    save: |of, out| {
        let Match::Time(of) = of else { return false };
        if of.day_start != 0 || of.day_stop != Time::ALWAYS.day_stop {
            let (start, stop) = (clock_text(of.day_start.into()), clock_text(of.day_stop.into()));
            let _ = write!(out, " --timestart {start} --timestop {stop}");
        }
        if of.month_days != Time::ALL_MONTH_DAYS {
            let _ = write!(out, " --monthdays {}", months_text(of.month_days, false));
        }
        if of.week_days != Time::ALL_WEEK_DAYS {
            let _ = write!(out, " --weekdays {}", weeks_text(of.week_days));
        }
        if of.date_start != 0 {
            let _ = write!(out, " --datestart {}", date_text(of.date_start, 'T'));
        }
        let _ = write!(out, " --datestop {}", date_text(of.date_stop, 'T'));
        out.push_str(if of.local { " --kerneltz" } else { "" });
        out.push_str(if of.contiguous { " --contiguous" } else { "" });
        true
    },
    list: |of, out, _| {
        let Match::Time(of) = of else { return false };
        out.push_str(" TIME");
        if of.day_start != 0 || of.day_stop != Time::ALWAYS.day_stop {
            let (start, stop) = (clock_text(of.day_start.into()), clock_text(of.day_stop.into()));
            let _ = write!(out, " from {start} to {stop}");
        }
        if of.week_days != Time::ALL_WEEK_DAYS {
            let _ = write!(out, " on {}", weeks_text(of.week_days));
        }
        if of.month_days != Time::ALL_MONTH_DAYS {
            let _ = write!(out, " on {}", months_text(of.month_days, true));
        }
        if of.date_start != 0 {
            let _ = write!(out, " starting from {}", date_text(of.date_start, ' '));
        }
        if of.date_stop != Time::ALWAYS.date_stop {
            let _ = write!(out, " until date {}", date_text(of.date_stop, ' '));
        }
        out.push_str(if of.local { "" } else { " UTC" });
        out.push_str(if of.contiguous { " contiguous" } else { "" });
        true
    },
    check: free,
};
