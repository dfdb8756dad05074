//! How fast and how often: `limit`, `hashlimit`, `quota`, `statistic`.
//!
//! - takes: their options
//! - gives: [`Match::Limit`] and its like
//! - obeys: `iptables-extensions(8)`; rates print as the largest unit that loses nothing much

use std::fmt::Write as _;

use crate::netfilter::rule::{HashLimit, HashRate, Is, Limit, Match, Quota, Statistic};

use super::super::error::{Fact, Parse, Refused};
use super::super::options::{Args, Kind, bad_word, opt};
use super::super::registry::{Families, MatchEntry, Place, free};
use super::super::words::{self, bang, quote};

const UNITS: [(&str, &str, u64); 4] =
    [("second", "sec", 1), ("minute", "min", 60), ("hour", "hour", 3600), ("day", "day", 86400)];

/// `5/minute` as parts of a second from one to the next, and the seconds of its unit.
fn period(text: &str, scale: u64) -> Parse<(u64, u64)> {
    let bad = || bad_word("bad rate \"", text, "\"'");
    let (count, unit) = match text.split_once('/') {
        Some((count, unit)) if !unit.is_empty() => (count, unit),
        Some(_) => return Err(bad()),
        None => (text, "second"),
    };
    let named = |(name, _, _): &&(&str, &str, u64)| {
        name.get(..unit.len()).is_some_and(|start| start.eq_ignore_ascii_case(unit))
    };
    let (_, _, seconds) = UNITS.iter().find(named).ok_or_else(bad)?;
    let count: u64 = count.parse().ok().filter(|n| *n != 0).ok_or_else(bad)?;
    match scale * seconds / count {
        0 => Err(bad_word("Rate too fast \"", text, "\"\n")),
        period => Ok((period, *seconds)),
    }
}

/// A period as a rate, and the seconds of its unit.
fn rate_text(period: u64, scale: u64) -> (String, u64) {
    let period = period.max(1);
    let mut shown = UNITS[3];
    for unit in UNITS.iter().rev().skip(1) {
        let whole = unit.2 * scale;
        if period > whole || whole / period < whole % period {
            break;
        }
        shown = *unit;
    }
    (format!("{}/{}", shown.2 * scale / period, shown.1), shown.2)
}

/// The default of `--limit`.
const THREE_AN_HOUR: u32 = Limit::SCALE * 1200;
const BURST: u32 = 5;

/// What the kernel makes of a period: parts of a jiffy, in 32 bits.
fn credits(user: u32) -> u32 {
    const A_SECOND: u32 = 32_000;
    if user > u32::MAX / A_SECOND {
        (user / Limit::SCALE).wrapping_mul(A_SECOND)
    } else {
        user.wrapping_mul(A_SECOND) / Limit::SCALE
    }
}

fn overflow(what: &str) -> (Refused, String) {
    (Refused::Range, format!("{what}: overflow, try lower rate or burst"))
}

pub(super) static LIMIT: MatchEntry = MatchEntry {
    name: "limit",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["limit"], Kind::Text), opt(&["limit-burst"], Kind::Uint(0, 10000))],
    build: |args| {
        let period = match args.text("limit") {
            None => THREE_AN_HOUR,
            Some(words) => {
                let (period, _) = period(words.value, Limit::SCALE.into())?;
                u32::try_from(period).unwrap_or(u32::MAX)
            }
        };
        let burst = args.uint("limit-burst").map_or(BURST, |burst| burst.value);
        Ok(Match::Limit(Limit { period, burst }))
    },
    save: |of, out| {
        let Match::Limit(of) = of else { return false };
        let _ = write!(out, " --limit {}", rate_text(of.period.into(), Limit::SCALE.into()).0);
        if of.burst != BURST {
            let _ = write!(out, " --limit-burst {}", of.burst);
        }
        true
    },
    list: |of, out, _| {
        let Match::Limit(of) = of else { return false };
        let (rate, _) = rate_text(of.period.into(), Limit::SCALE.into());
        let _ = write!(out, " limit: avg {rate} burst {}", of.burst);
        true
    },
    check: |of, _| {
        let Match::Limit(of) = of else { return Ok(()) };
        if of.burst == 0 || credits(of.period.wrapping_mul(of.burst)) < credits(of.period) {
            return Err(overflow("limit"));
        }
        Ok(())
    },
};

/// Bytes with a unit: `512kb`.
fn bytes_of(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match text[digits.len()..].to_ascii_lowercase().as_str() {
        "b" => Some(number),
        "kb" => number.checked_mul(1 << 10),
        "mb" => number.checked_mul(1 << 20),
        _ => None,
    }
}

fn bytes_text(bytes: u64) -> String {
    match bytes {
        _ if bytes >= 1 << 20 => format!("{}mb", bytes >> 20),
        _ if bytes >= 1 << 10 => format!("{}kb", bytes >> 10),
        _ => format!("{bytes}b"),
    }
}

const GC_INTERVAL: u32 = 1000;
/// Seconds after which an entry of bytes is forgotten when no burst says otherwise.
const BYTES_EXPIRE: u64 = 15;
const BURST_MAX: u64 = 1_000_000;

/// The rate, and milliseconds until an entry is forgotten.
fn hash_rate(args: &Args, text: &str) -> Parse<(HashRate, u64, u64)> {
    let given = args.text("hashlimit-burst").map(|words| words.value);
    let bad_burst = || {
        let says = "bad value for option \"--hashlimit-burst\", or out of range (1-1000000).";
        Fact::Says(says)
    };
    let Some(bytes) = text.strip_suffix("/s").filter(|bytes| bytes.ends_with(['b', 'B'])) else {
        let burst = match given {
            None => BURST.into(),
            Some(text) => words::number(text)
                .filter(|burst| (1..=BURST_MAX).contains(burst))
                .ok_or_else(bad_burst)?,
        };
        let (period, unit) = period(text, HashRate::SCALE)?;
        return Ok((HashRate::Packets { period, burst }, unit * 1000, unit));
    };
    let bytes = bytes_of(bytes).ok_or_else(|| bad_word("bad rate \"", text, "\"'"))?;
    if bytes >> 4 >= u64::from(u32::MAX) {
        return Err(bad_word("Rate value too large \"", text, "\"\n"));
    }
    let cost = HashRate::cost(bytes);
    let each = HashRate::bytes(cost);
    let burst = match given {
        None => 0,
        Some(text) => {
            let bytes = bytes_of(text).ok_or_else(bad_burst)?;
            if bytes < each {
                let says = format!("burst cannot be smaller than {each}b");
                return Err(Fact::Tells(says).into());
            }
            // A rate below one unit of the kernel's 16 bytes: iptables 1.8.9 divides by zero.
            if each == 0 {
                return Err(Fact::Says("a rate below 16b/s has no burst").into());
            }
            bytes.div_ceil(each)
        }
    };
    let expire = if burst == 0 { BYTES_EXPIRE } else { burst } * 1000;
    Ok((HashRate::Bytes { cost, burst }, expire, 1))
}

fn build_hash(args: &Args) -> Parse<Match> {
    let upto = args.text("hashlimit-upto");
    let Some(limit) = upto.or_else(|| args.text("hashlimit-above")) else {
        return Err(Fact::Says("You have to specify --hashlimit").into());
    };
    let (mut rate, expire, unit) = hash_rate(args, limit.value)?;
    let given = |name: &str| args.uint::<u32>(name).map(|number| number.value);
    let mask = |name: &str| args.uint::<u8>(name).map_or(args.family.bits(), |number| number.value);
    let rate_match = args.has("hashlimit-rate-match");
    let mut rate_interval = 0;
    if rate_match {
        let default = u32::try_from(unit).unwrap_or(1);
        rate_interval = given("hashlimit-rate-interval").unwrap_or(default);
        if let HashRate::Packets { period, .. } = &mut rate {
            *period = (*period / unit).max(1);
        }
    }
    let mut of = HashLimit {
        name: args.text("hashlimit-name").map(|words| words.value.to_owned()).unwrap_or_default(),
        above: upto.is_none() != limit.not,
        rate,
        by_destination: false,
        by_source: false,
        by_destination_port: false,
        by_source_port: false,
        source_mask: mask("hashlimit-srcmask"),
        destination_mask: mask("hashlimit-dstmask"),
        buckets: given("hashlimit-htable-size").unwrap_or(0),
        max: given("hashlimit-htable-max").unwrap_or(0),
        gc_interval: given("hashlimit-htable-gcinterval").unwrap_or(GC_INTERVAL),
        expire: given("hashlimit-htable-expire")
            .unwrap_or(u32::try_from(expire).unwrap_or(u32::MAX)),
        rate_match,
        rate_interval,
    };
    for word in
        args.text("hashlimit-mode").map(|words| words.value.split(',')).into_iter().flatten()
    {
        match word.to_ascii_lowercase().as_str() {
            "dstip" => of.by_destination = true,
            "srcip" => of.by_source = true,
            "dstport" => of.by_destination_port = true,
            "srcport" => of.by_source_port = true,
            _ => {
                let all = args.text("hashlimit-mode").map(|words| words.value.to_owned());
                let all = all.unwrap_or_default();
                return Err(Fact::BadChoice("hashlimit", "hashlimit-mode", all).into());
            }
        }
    }
    Ok(Match::HashLimit(Box::new(of)))
}

fn print_hash(of: &HashLimit, out: &mut String, family_bits: Option<u8>, save: bool) {
    let name =
        |long: &'static str| if save { format!("--hashlimit-{long}") } else { long.to_owned() };
    let which = match (of.above, save) {
        (true, _) => "above",
        (false, true) => "upto",
        (false, false) => "up to",
    };
    if save {
        let _ = write!(out, " --hashlimit-{which}");
    } else {
        let _ = write!(out, " limit: {which}");
    }
    let expire = match of.rate {
        HashRate::Packets { period, burst } => {
            let (rate, unit) = rate_text(period, HashRate::SCALE);
            let _ = write!(out, " {rate} {} {burst}", name("burst"));
            unit
        }
        HashRate::Bytes { cost, burst } => {
            let bytes = HashRate::bytes(cost);
            let _ = write!(out, " {}/s", bytes_text(bytes));
            if burst != 0 {
                let all = bytes_text(bytes.saturating_mul(burst));
                let _ = write!(out, " {} {all}", name("burst"));
            }
            if burst == 0 { BYTES_EXPIRE } else { burst }
        }
    };
    let modes = [
        (of.by_source, "srcip"),
        (of.by_source_port, "srcport"),
        (of.by_destination, "dstip"),
        (of.by_destination_port, "dstport"),
    ];
    let modes: Vec<&str> = modes.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
    if !modes.is_empty() {
        let _ = write!(out, " {} {}", name("mode"), modes.join(if save { "," } else { "-" }));
    }
    if save {
        out.push_str(" --hashlimit-name");
        quote(out, &of.name);
    }
    let mut put = |long: &'static str, shown: bool, value: u32| {
        if shown {
            let _ = write!(out, " {} {value}", name(long));
        }
    };
    put("htable-size", of.buckets != 0, of.buckets);
    put("htable-max", of.max != 0, of.max);
    put("htable-gcinterval", of.gc_interval != GC_INTERVAL, of.gc_interval);
    put("htable-expire", u64::from(of.expire) != expire.saturating_mul(1000), of.expire);
    let bits = family_bits.unwrap_or(if of.source_mask > 32 || of.destination_mask > 32 {
        128
    } else {
        32
    });
    put("srcmask", of.source_mask != bits, of.source_mask.into());
    put("dstmask", of.destination_mask != bits, of.destination_mask.into());
    if of.rate_match {
        let _ = write!(out, " {}", name("rate-match"));
        let _ = write!(out, " {} {}", name("rate-interval"), of.rate_interval);
    }
}

/// What the kernel makes of a period of hashlimit, in 64 bits.
fn hash_credits(user: u64) -> u64 {
    const A_SECOND: u64 = 250 << 39;
    if user > u64::MAX / A_SECOND {
        (user / HashRate::SCALE).wrapping_mul(A_SECOND)
    } else {
        user.wrapping_mul(A_SECOND) / HashRate::SCALE
    }
}

pub(super) static HASHLIMIT: MatchEntry = MatchEntry {
    name: "hashlimit",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["hashlimit-upto", "hashlimit"], Kind::Text).inverts().excludes(&["hashlimit-above"]),
        opt(&["hashlimit-above"], Kind::Text).inverts().excludes(&["hashlimit-upto"]),
        opt(&["hashlimit-srcmask"], Kind::Length),
        opt(&["hashlimit-dstmask"], Kind::Length),
        opt(&["hashlimit-burst"], Kind::Text),
        opt(&["hashlimit-htable-size"], Kind::Uint(0, u32::MAX as u64)),
        opt(&["hashlimit-htable-max"], Kind::Uint(0, u32::MAX as u64)),
        opt(&["hashlimit-htable-gcinterval"], Kind::Uint(0, u32::MAX as u64)),
        opt(&["hashlimit-htable-expire"], Kind::Uint(0, u32::MAX as u64)),
        opt(&["hashlimit-mode"], Kind::Text),
        opt(&["hashlimit-name"], Kind::Cut(254)).required(),
        opt(&["hashlimit-rate-interval"], Kind::Uint(0, u32::MAX as u64))
            .also(&["hashlimit-rate-match"]),
        opt(&["hashlimit-rate-match"], Kind::Flag),
    ],
    build: build_hash,
    save: |of, out| {
        let Match::HashLimit(of) = of else { return false };
        print_hash(of, out, None, true);
        true
    },
    list: |of, out, look| {
        let Match::HashLimit(of) = of else { return false };
        print_hash(of, out, Some(look.family.bits()), false);
        true
    },
    check: |of, _| {
        let Match::HashLimit(of) = of else { return Ok(()) };
        if of.gc_interval == 0 || of.expire == 0 {
            return Err((Refused::Invalid, "hashlimit: intervals are not zero".to_owned()));
        }
        if let HashRate::Packets { period, burst } = of.rate {
            let all = hash_credits(period.wrapping_mul(burst));
            if burst == 0 || all < hash_credits(period) {
                return Err(overflow("hashlimit"));
            }
        }
        Ok(())
    },
};

pub(super) static QUOTA: MatchEntry = MatchEntry {
    name: "quota",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["quota"], Kind::Uint(0, u64::MAX)).inverts().required()],
    build: |args| {
        let quota = args.uint("quota").unwrap_or(Is::so(0));
        Ok(Match::Quota(Is { not: quota.not, value: Quota { bytes: quota.value } }))
    },
    save: |of, out| {
        let Match::Quota(of) = of else { return false };
        bang(out, of.not);
        let _ = write!(out, " --quota {}", of.value.bytes);
        true
    },
    list: |of, out, _| {
        let Match::Quota(of) = of else { return false };
        let _ = write!(out, " quota: {} bytes", of.value.bytes);
        true
    },
    check: free,
};

/// A probability of one.
const ONE: f64 = 2_147_483_648.0;

/// A probability as parts of 2^31.
fn probability(text: &str) -> Option<u32> {
    let of: f64 = text.parse().ok().filter(|of| (0.0..=1.0).contains(of))?;
    // In range by the line above, and rounded as C does.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some((of * ONE).round_ties_even() as u32)
}

fn build_statistic(args: &Args) -> Parse<Match> {
    let mode = args.text("mode").map_or("random", |words| words.value);
    match mode {
        "random" => {
            let Some(words) = args.text("probability") else {
                let says = "--probability must be specified when using random mode";
                return Err(Fact::Says(says).into());
            };
            let probability = probability(words.value).ok_or(Fact::OutOfRange(
                "statistic",
                "probability",
                0,
                1,
            ))?;
            let value = Statistic::Random { probability };
            Ok(Match::Statistic(Is { not: words.not, value }))
        }
        "nth" => {
            let (Some(every), Some(packet)) = (args.uint::<u32>("every"), args.uint("packet"))
            else {
                let says = "--every and --packet must be specified when using nth mode";
                return Err(Fact::Says(says).into());
            };
            let of = Statistic::Nth { every: every.value - 1, packet: packet.value };
            if packet.value >= every.value {
                return Err(Fact::Says("the --packet p must be 0 <= p <= n-1").into());
            }
            Ok(Match::Statistic(Is { not: every.not, value: of }))
        }
        _ => Err(bad_word("Bad mode \"", mode, "\"")),
    }
}

fn print_statistic(of: &Is<Statistic>, out: &mut String, dashes: &str) {
    match of.value {
        Statistic::Random { probability } => {
            let _ = write!(out, " {dashes}mode random");
            bang(out, of.not);
            let _ = write!(out, " {dashes}probability {:.11}", f64::from(probability) / ONE);
        }
        Statistic::Nth { every, packet } => {
            let _ = write!(out, " {dashes}mode nth");
            bang(out, of.not);
            let every = u64::from(every) + 1;
            let _ = write!(out, " {dashes}every {every}");
            // Lists leave the first out.
            if packet != 0 || !dashes.is_empty() {
                let _ = write!(out, " {dashes}packet {packet}");
            }
        }
    }
}

pub(super) static STATISTIC: MatchEntry = MatchEntry {
    name: "statistic",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["mode"], Kind::Text),
        opt(&["probability"], Kind::Text).inverts().excludes(&["every", "packet"]),
        opt(&["every"], Kind::Uint(1, u32::MAX as u64))
            .inverts()
            .excludes(&["probability"])
            .also(&["packet"]),
        opt(&["packet"], Kind::Uint(0, u32::MAX as u64))
            .excludes(&["probability"])
            .also(&["every"]),
    ],
    build: build_statistic,
    save: |of, out| {
        let Match::Statistic(of) = of else { return false };
        print_statistic(of, out, "--");
        true
    },
    list: |of, out, _| {
        let Match::Statistic(of) = of else { return false };
        out.push_str(" statistic");
        print_statistic(of, out, "");
        true
    },
    check: free,
};
