//! The packet filter's rules and sets at the desk, as tables of numbers.

use super::Desk;
use crate::{
    iptables::{self, rule_words},
    netfilter::rule::{Family, Policy},
    telemetry::report::{FilterRow, QueueRow, SetRow},
};

impl Desk<'_> {
    /// Each rule with its counts; with `most` those that were met most often, and no more of them.
    pub(super) fn filter_rows(&self, most: Option<u64>) -> Vec<FilterRow> {
        let mut rows = Vec::new();
        for six in [false, true] {
            let rules = self.router.filter_rules(six);
            let family = if rules.family == Family::Six { "ipv6" } else { "ipv4" };
            for table in &rules.tables {
                for chain in &table.chains {
                    let row =
                        |number, counters: crate::netfilter::rule::Counters, rule| FilterRow {
                            family: family.to_owned(),
                            table: table.name.name().to_owned(),
                            chain: chain.name.clone(),
                            number,
                            packets: counters.packets,
                            bytes: counters.bytes,
                            rule,
                        };
                    let each = chain.rules.iter().zip(1..);
                    rows.extend(each.map(|(rule, number)| {
                        row(Some(number), rule.counters, rule_words(rule, rules.family))
                    }));
                    let policy = match chain.policy {
                        Some(Policy::Accept) => "policy ACCEPT",
                        Some(Policy::Drop) => "policy DROP",
                        None => continue,
                    };
                    rows.push(row(None, chain.counters, policy.to_owned()));
                }
            }
        }
        if let Some(most) = most {
            rows.sort_by_key(|row| std::cmp::Reverse(row.packets));
            rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        }
        rows
    }

    /// Programs that decide on packets.
    pub(super) fn queue_rows(&self) -> Vec<QueueRow> {
        let listeners = self.router.queue_listeners().iter();
        let row = |one: &crate::control::queues::Listener| QueueRow {
            first: one.bind.served.first,
            last: one.bind.served.last,
            program: one.program,
            waiting: one.waiting.into(),
            limit: one.bind.limit.into(),
            range: one.bind.range.into(),
            fail_open: one.bind.fail_open,
            offered: one.offered,
            full: one.full,
        };
        listeners.map(row).collect()
    }

    /// Each set, in the order in which they were made.
    pub(super) fn set_rows(&self) -> Vec<SetRow> {
        let sets = self.router.set_census(iptables::service, self.now).into_iter();
        let row = |set: crate::sets::Census| SetRow {
            name: set.name,
            kind: set.kind.to_owned(),
            entries: set.entries,
            limit: set.limit,
            memory: set.memory,
            references: set.references,
        };
        sets.map(row).collect()
    }
}
