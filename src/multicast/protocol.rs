//! What IGMP and MLD differ in.

use std::{
    fmt::Debug,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::Outgoing;
use crate::{
    graph::Nanos,
    packet::{
        igmp, mld,
        record::{Address, Newer, Query, from_code8, from_code16},
    },
};

const MILLISECOND: Nanos = 1_000_000;
const SECOND: Nanos = 1_000 * MILLISECOND;
/// Longest delay that an old querier's code can mean where a new query is read in the old way.
const MLD1_MOST: u16 = 0x7fff;

/// Tunables of an interface, times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// The version that is forced (`force_igmp_version`, `force_mld_version`), 0 for none.
    pub force: u8,
    /// How often a change is told (`igmp_qrv`, `mld_qrv`).
    pub robustness: u8,
    /// Longest time between reports that nobody asked for, in an old version's words
    /// (`igmpv2_unsolicited_report_interval`, `mldv1_unsolicited_report_interval`).
    pub unsolicited_old: Nanos,
    /// The same in the newest version's words (`igmpv3_…`, `mldv2_unsolicited_report_interval`).
    pub unsolicited_new: Nanos,
    /// Groups that one owner may hear (`igmp_max_memberships`).
    pub max_memberships: usize,
    /// Sources that one filter may name (`igmp_max_msf`, `mld_max_msf`).
    pub max_sources: usize,
    /// Groups of the link are reported too (`igmp_link_local_mcast_reports`).
    pub link_local_reports: bool,
    /// Bytes of the longest packet of the interface.
    pub mtu: usize,
}

/// What the querier of a link is thought to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How often a change is told.
    pub robustness: u8,
    /// Time between queries.
    pub interval: Nanos,
    /// Longest delay of an answer.
    pub response: Nanos,
}

/// IGMP or MLD.
pub trait Protocol {
    /// Addresses of groups and sources.
    type Address: Address + Copy + Eq + Debug;
    /// The newest version.
    const NEWEST: u8;
    /// The first report of an old version goes at once; otherwise when what came with it is known.
    const REPORTS_AT_ONCE: bool;
    /// A query in an old version's words stops an answer to a general query as well.
    const OLD_STOPS_ANSWERS: bool;
    /// Bytes of a report before its records, from the IP header on.
    const OVERHEAD: usize;
    /// Least MTU with which a report is sent at all.
    const LEAST_MTU: usize;

    /// Tunables as the kernel has them.
    fn knobs() -> Knobs;

    /// The version that is forced, from the words for all interfaces and for this one.
    fn force(all: u8, iface: u8) -> u8;

    /// Whether queries of this version are not heard where one is forced.
    fn is_deaf(force: u8, version: u8) -> bool;

    /// Whether an address is a group.
    fn is_group(address: Self::Address) -> bool;

    /// Whether no report ever tells of a group.
    fn is_silent(group: Self::Address, knobs: &Knobs) -> bool;

    /// Whether a query asks for all groups.
    fn is_general(query: &Query<Self::Address>) -> bool;

    /// The version of a query.
    fn version(query: &Query<Self::Address>) -> u8;

    /// The longest delay that a query allows to one who speaks this version.
    fn delay(query: &Query<Self::Address>, speaks: u8) -> Nanos;

    /// What a query of the newest version tells of the querier.
    fn learn(timing: &mut Timing, newer: &Newer<Self::Address>, delay: Nanos, knobs: &Knobs);

    /// Whether members of this version say farewell.
    fn has_leave(version: u8) -> bool;

    /// The packet, from the IP header on; `id` where the protocol has an identification.
    fn packet(out: &Outgoing<Self::Address>, src: Self::Address, id: u16) -> Vec<u8>;
}

/// IGMP.
#[derive(Clone, Copy, Debug)]
pub enum Igmp {}

impl Protocol for Igmp {
    type Address = Ipv4Addr;
    const NEWEST: u8 = 3;
    const REPORTS_AT_ONCE: bool = false;
    const OLD_STOPS_ANSWERS: bool = false;
    const OVERHEAD: usize = 24 + 8;
    const LEAST_MTU: usize = 68;

    fn knobs() -> Knobs {
        Knobs {
            force: 0,
            robustness: 2,
            unsolicited_old: 10 * SECOND,
            unsolicited_new: SECOND,
            max_memberships: 20,
            max_sources: 10,
            link_local_reports: true,
            mtu: 1500,
        }
    }

    fn force(all: u8, iface: u8) -> u8 {
        // The older of the two that were asked for; forcing the newest forces nothing.
        let asked = [all, iface].into_iter().filter(|version| matches!(version, 1 | 2));
        asked.min().unwrap_or(0)
    }

    fn is_deaf(_force: u8, _version: u8) -> bool {
        false
    }

    fn is_group(address: Ipv4Addr) -> bool {
        address.is_multicast()
    }

    fn is_silent(group: Ipv4Addr, knobs: &Knobs) -> bool {
        group == igmp::ALL_HOSTS
            || group.octets().starts_with(&[224, 0, 0]) && !knobs.link_local_reports
    }

    fn is_general(query: &Query<Ipv4Addr>) -> bool {
        query.group.is_unspecified()
    }

    fn version(query: &Query<Ipv4Addr>) -> u8 {
        match (&query.newer, query.code) {
            (Some(_), _) => 3,
            (None, 0) => 1,
            (None, _) => 2,
        }
    }

    fn delay(query: &Query<Ipv4Addr>, speaks: u8) -> Nanos {
        let tenths = match (speaks, &query.newer) {
            (1, _) => 100,
            (_, None) => query.code.into(),
            // What a host of version 2 reads in a new query is anybody's guess: the kernel's is this.
            (_, Some(_)) => from_code8(query.code as u8),
        };
        (Nanos::from(tenths) * 100 * MILLISECOND).max(MILLISECOND)
    }

    fn learn(timing: &mut Timing, newer: &Newer<Ipv4Addr>, _delay: Nanos, knobs: &Knobs) {
        timing.robustness = if newer.robustness == 0 { knobs.robustness } else { newer.robustness };
        timing.interval = match from_code8(newer.interval) {
            0 => 125 * SECOND,
            seconds => Nanos::from(seconds) * SECOND,
        };
        // RFC 3376 section 8.3: answers come sooner than the next query.
        if timing.response >= timing.interval {
            timing.response = timing.interval - SECOND;
        }
    }

    fn has_leave(version: u8) -> bool {
        version == 2
    }

    fn packet(out: &Outgoing<Ipv4Addr>, src: Ipv4Addr, id: u16) -> Vec<u8> {
        match out {
            Outgoing::Report(group, version) => {
                igmp::Message::Report { src, group: *group, first: *version == 1 }
            }
            Outgoing::Leave(group) => igmp::Message::Leave { src, group: *group },
            Outgoing::Records(records) => igmp::Message::Records { src, records: records.clone() },
        }
        .to_bytes(id)
    }
}

/// MLD.
#[derive(Clone, Copy, Debug)]
pub enum Mld {}

impl Protocol for Mld {
    type Address = Ipv6Addr;
    const NEWEST: u8 = 2;
    const REPORTS_AT_ONCE: bool = true;
    const OLD_STOPS_ANSWERS: bool = true;
    const OVERHEAD: usize = 40 + 8 + 8;
    const LEAST_MTU: usize = 1280;

    fn knobs() -> Knobs {
        Knobs {
            force: 0,
            robustness: 2,
            unsolicited_old: 10 * SECOND,
            unsolicited_new: SECOND,
            max_memberships: usize::MAX,
            max_sources: 64,
            link_local_reports: true,
            mtu: 1500,
        }
    }

    fn force(all: u8, iface: u8) -> u8 {
        if all == 0 { iface } else { all }
    }

    fn is_deaf(force: u8, version: u8) -> bool {
        force == 2 && version == 1
    }

    fn is_group(address: Ipv6Addr) -> bool {
        address.is_multicast()
    }

    fn is_silent(group: Ipv6Addr, _knobs: &Knobs) -> bool {
        let scope = group.octets()[1] & 0xf;
        scope < 2 || group == Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)
    }

    fn is_general(query: &Query<Ipv6Addr>) -> bool {
        query.group.is_unspecified()
    }

    fn version(query: &Query<Ipv6Addr>) -> u8 {
        if query.newer.is_some() { 2 } else { 1 }
    }

    fn delay(query: &Query<Ipv6Addr>, speaks: u8) -> Nanos {
        let milliseconds = match (speaks, &query.newer) {
            (1, Some(_)) => query.code.min(MLD1_MOST).into(),
            (_, None) => query.code.into(),
            (_, Some(_)) => from_code16(query.code),
        };
        (Nanos::from(milliseconds) * MILLISECOND).max(MILLISECOND)
    }

    fn learn(timing: &mut Timing, newer: &Newer<Ipv6Addr>, delay: Nanos, knobs: &Knobs) {
        if newer.robustness > 0 {
            timing.robustness = newer.robustness;
        }
        timing.robustness = timing.robustness.max(knobs.robustness.min(2));
        timing.interval = Nanos::from(from_code8(newer.interval)) * SECOND;
        timing.response = delay;
    }

    fn has_leave(_version: u8) -> bool {
        true
    }

    fn packet(out: &Outgoing<Ipv6Addr>, src: Ipv6Addr, _id: u16) -> Vec<u8> {
        match out {
            Outgoing::Report(group, _) => mld::Message::Report { src, group: *group },
            Outgoing::Leave(group) => mld::Message::Done { src, group: *group },
            Outgoing::Records(records) => mld::Message::Records { src, records: records.clone() },
        }
        .to_bytes()
    }
}
