//! `time`: dates, days and hours.
//!
//! - takes: seconds since 1970
//! - gives: whether they are among those asked for
//! - obeys: xt_time of the kernel

use crate::netfilter::rule::Time;

const DAY: i64 = 24 * 60 * 60;

/// Whether a time is one of those asked for; `west` is how many minutes the clock on the wall is behind
/// UTC.
pub(super) fn holds(ask: &Time, seconds: i64, west: i64) -> bool {
    let mut stamp = if ask.local { seconds - 60 * west } else { seconds };
    if stamp < ask.date_start.into() || stamp > ask.date_stop.into() {
        return false;
    }
    let of_day = stamp.rem_euclid(DAY);
    let (start, stop) = (i64::from(ask.day_start), i64::from(ask.day_stop));
    if start < stop {
        if of_day < start || of_day > stop {
            return false;
        }
    } else {
        if of_day < start && of_day > stop {
            return false;
        }
        // Behind midnight it is still the day on which it began.
        if ask.contiguous && of_day <= stop {
            stamp -= DAY;
        }
    }
    let days = stamp.div_euclid(DAY);
    // The first day of 1970 was a Thursday, which is day 4.
    let week_day = (days + 3).rem_euclid(7) + 1;
    if ask.week_days >> week_day & 1 == 0 {
        return false;
    }
    ask.month_days == Time::ALL_MONTH_DAYS || ask.month_days >> month_day(days) & 1 != 0
}

/// The day of the month, from 1, so many days behind the first of 1970.
fn month_day(days: i64) -> i64 {
    // Years that begin in March have their leap day last, and months of 30 or 31 days in a row that
    // repeats every 153 days.
    let of_era = (days + 719_468).rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    of_year - (153 * month + 2) / 5 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thursday, 26 November 2026, 12:00 UTC.
    const NOON: i64 = 1_795_694_400;

    #[test]
    fn days_of_months_are_those_of_the_calendar() {
        assert_eq!(month_day(0), 1);
        assert_eq!(month_day(NOON / DAY), 26);
        let mut days = 0;
        for year in 1970..2110 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let february = if leap { 29 } else { 28 };
            for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
                for day in 1..=len {
                    assert_eq!(month_day(days), day, "{year}");
                    days += 1;
                }
            }
        }
    }

    #[test]
    fn hours_days_and_dates_are_told_apart() {
        let hour = |h: u32| h * 3600;
        let hours = |from, to| Time { day_start: hour(from), day_stop: hour(to), ..Time::ALWAYS };
        assert!(holds(&Time::ALWAYS, NOON, 0));
        assert!(holds(&hours(12, 13), NOON, 0) && !holds(&hours(13, 14), NOON, 0));
        assert!(holds(&hours(22, 13), NOON, 0) && !holds(&hours(22, 11), NOON, 0));
        // In a zone an hour ahead of UTC it is one.
        let local = Time { local: true, ..hours(13, 14) };
        assert!(holds(&local, NOON, -60) && !holds(&local, NOON, 0));
        let week = |day: u8| Time { week_days: 1 << day, ..Time::ALWAYS };
        assert!(holds(&week(4), NOON, 0) && !holds(&week(5), NOON, 0));
        let month = |day: u32| Time { month_days: 1 << day, ..Time::ALWAYS };
        assert!(holds(&month(26), NOON, 0) && !holds(&month(27), NOON, 0));
        let until = Time { date_stop: NOON as u32 - 1, ..Time::ALWAYS };
        assert!(!holds(&until, NOON, 0) && holds(&until, NOON - 1, 0));
        // Friday at one in the morning belongs to Thursday's night.
        let night = Time { week_days: 1 << 4, ..hours(22, 2) };
        assert!(!holds(&night, NOON + 13 * 3600, 0));
        assert!(holds(&Time { contiguous: true, ..night }, NOON + 13 * 3600, 0));
    }
}
