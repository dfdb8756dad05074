//! Matches that remember: rates, lists of addresses, sets, quotas, and the time of day.
//!
//! - takes: nothing
//! - gives: [`Limit`], [`HashLimit`], [`Recent`], [`SetMatch`], [`Quota`], [`Statistic`], [`Time`]
//! - obeys: xt_limit, xt_hashlimit, xt_recent, xt_set, xt_quota, xt_statistic, xt_time

use std::net::IpAddr;

use super::basic::{Bits, Is};

/// `-m limit`: a bucket that all packets of the rule share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// `--limit`, as ten-thousandths of a second from one packet to the next.
    pub period: u32,
    /// `--limit-burst`
    pub burst: u32,
}

impl Limit {
    /// Parts of a second that a period counts.
    pub const SCALE: u32 = 10_000;
}

/// `--hashlimit-upto`, `--hashlimit-above`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashRate {
    /// Packets.
    Packets {
        /// Millionths of a second from one packet to the next.
        period: u64,
        /// `--hashlimit-burst`, packets.
        burst: u64,
    },
    /// Bytes.
    Bytes {
        /// A whole of 2^32 - 1, divided by one more than the units of 16 bytes a second; see
        /// [`HashRate::bytes`].
        cost: u64,
        /// `--hashlimit-burst`, in seconds at this rate; 0 if none was given.
        burst: u64,
    },
}

impl HashRate {
    /// Parts of a second that a period counts.
    pub const SCALE: u64 = 1_000_000;

    /// The cost of so many bytes a second.
    #[must_use]
    pub fn cost(bytes: u64) -> u64 {
        let units = (bytes >> 4) & u64::from(u32::MAX);
        u64::from(u32::MAX) / ((units + 1) & u64::from(u32::MAX)).max(1)
    }

    /// Bytes a second at a cost.
    #[must_use]
    pub fn bytes(cost: u64) -> u64 {
        let units = u64::from(u32::MAX).checked_div(cost).unwrap_or(u64::from(u32::MAX));
        units.wrapping_sub(1) << 4
    }
}

/// `-m hashlimit`: a bucket for each group of packets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HashLimit {
    /// `--hashlimit-name`
    pub name: String,
    /// `--hashlimit-above`: holds when there is more.
    pub above: bool,
    /// How much.
    pub rate: HashRate,
    /// `--hashlimit-mode dstip`
    pub by_destination: bool,
    /// `--hashlimit-mode srcip`
    pub by_source: bool,
    /// `--hashlimit-mode dstport`
    pub by_destination_port: bool,
    /// `--hashlimit-mode srcport`
    pub by_source_port: bool,
    /// `--hashlimit-srcmask`
    pub source_mask: u8,
    /// `--hashlimit-dstmask`
    pub destination_mask: u8,
    /// `--hashlimit-htable-size`; 0 leaves it to the table.
    pub buckets: u32,
    /// `--hashlimit-htable-max`; 0 leaves it to the table.
    pub max: u32,
    /// `--hashlimit-htable-gcinterval`, milliseconds.
    pub gc_interval: u32,
    /// `--hashlimit-htable-expire`, milliseconds.
    pub expire: u32,
    /// `--hashlimit-rate-match`: asks of the last interval alone whether it had more than
    /// [`HashRate::SCALE`] divided by `period` packets.
    pub rate_match: bool,
    /// `--hashlimit-rate-interval`, seconds; 0 without `rate_match`.
    pub rate_interval: u32,
}

/// What is done with the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecentAction {
    /// `--set`: puts the address there.
    Set,
    /// `--rcheck`: is it there?
    Check,
    /// `--update`: is it there? Then it was seen again.
    Update,
    /// `--remove`: was it there? It no longer is.
    Remove,
}

/// `-m recent`: a list of addresses that were seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recent {
    /// `--name`
    pub name: String,
    /// What is done.
    pub action: Is<RecentAction>,
    /// `--seconds`: not longer ago; 0 is any time.
    pub seconds: u32,
    /// `--reap`: older ones are forgotten.
    pub reap: bool,
    /// `--hitcount`: seen at least so often; 0 is not asked.
    pub hit_count: u32,
    /// `--rttl`: with the same TTL.
    pub same_ttl: bool,
    /// `--mask`
    pub mask: IpAddr,
    /// `--rdest` instead of `--rsource`.
    pub destination: bool,
}

/// From which side of a packet a set's element takes a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetSide {
    /// `src`
    Source,
    /// `dst`
    Destination,
}

/// A counter of a set's element, compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetCounter {
    /// `--packets-eq`, `--bytes-eq`
    Equal(u64),
    /// `! --packets-eq`, `! --bytes-eq`
    NotEqual(u64),
    /// `--packets-lt`, `--bytes-lt`
    Less(u64),
    /// `--packets-gt`, `--bytes-gt`
    Greater(u64),
}

/// `-m set`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetMatch {
    /// `--match-set`
    pub name: Is<String>,
    /// One to six, in the order of the set's type.
    pub sides: Vec<SetSide>,
    /// `--return-nomatch`: elements that are marked so are found.
    pub return_nomatch: bool,
    /// `! --update-counters`
    pub keep_counters: bool,
    /// `! --update-subcounters`
    pub keep_subcounters: bool,
    /// `--packets-...`
    pub packets: Option<SetCounter>,
    /// `--bytes-...`
    pub bytes: Option<SetCounter>,
}

/// `-m quota`: holds until so many bytes were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    /// `--quota`
    pub bytes: u64,
}

/// `-m statistic`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Statistic {
    /// `--mode random`
    Random {
        /// `--probability`, of 2^31.
        probability: u32,
    },
    /// `--mode nth`
    Nth {
        /// `--every`, less one.
        every: u32,
        /// `--packet`: which of them, from 0.
        packet: u32,
    },
}

/// `-m time`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    /// `--datestart`, seconds since 1970.
    pub date_start: u32,
    /// `--datestop`, seconds since 1970.
    pub date_stop: u32,
    /// `--timestart`, seconds of the day.
    pub day_start: u32,
    /// `--timestop`, seconds of the day; before the start it is over midnight.
    pub day_stop: u32,
    /// `--monthdays`: bits 1 to 31.
    pub month_days: Bits,
    /// `--weekdays`: Monday is bit 1, Sunday bit 7.
    pub week_days: u8,
    /// `--contiguous`: a time over midnight belongs to the day it began.
    pub contiguous: bool,
    /// `--kerneltz`: of the clock on the wall instead of UTC.
    pub local: bool,
}

impl Time {
    /// Asks nothing.
    pub const ALWAYS: Self = Self {
        date_start: 0,
        date_stop: i32::MAX as u32,
        day_start: 0,
        day_stop: 24 * 60 * 60 - 1,
        month_days: Self::ALL_MONTH_DAYS,
        week_days: Self::ALL_WEEK_DAYS,
        contiguous: false,
        local: false,
    };
    /// All days of a month.
    pub const ALL_MONTH_DAYS: Bits = 0xFFFF_FFFE;
    /// All days of a week.
    pub const ALL_WEEK_DAYS: u8 = 0xFE;
}
