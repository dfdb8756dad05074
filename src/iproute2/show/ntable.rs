//! `ip ntable show`.

use super::super::{NtableFilter, Options};
use super::out::{Entry, Listing};

/// A neighbour table, or an interface's parameters in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NtableView {
    /// `inet` or `inet6`.
    pub family: &'static str,
    /// `arp_cache` or `ndisc_cache`.
    pub name: &'static str,
    /// The interface; the table itself without.
    pub dev: Option<String>,
    /// `thresh1` to `thresh3`, and `gc_int` in milliseconds: of a table only.
    pub thresholds: Option<[u64; 4]>,
    /// Bytes of a key and of an entry, entries, and questions that wait for a proxy's answer.
    pub config: [u64; 4],
    /// In the order of [`PARAMS`].
    pub params: [u64; 14],
    /// Names and values of the table's counters.
    pub stats: Vec<(&'static str, u64)>,
}

/// Names of parameters in the order in which `ip` prints them; those after `true` begin a line.
const PARAMS: [(&str, bool); 14] = [
    ("refcnt", true),
    ("reachable", false),
    ("base_reachable", false),
    ("retrans", false),
    ("gc_stale", true),
    ("delay_probe", false),
    ("queue", false),
    ("app_probes", true),
    ("ucast_probes", false),
    ("mcast_probes", false),
    ("anycast_delay", true),
    ("proxy_delay", false),
    ("proxy_queue", false),
    ("locktime", false),
];

/// Counters that begin a line.
const STAT_LINES: [&str; 5] =
    ["allocs", "res_failed", "rcv_probes_mcast", "periodic_gc_runs", "table_fulls"];

impl NtableFilter {
    fn accepts(&self, view: &NtableView) -> bool {
        self.dev.as_ref().is_none_or(|dev| view.dev.as_ref() == Some(dev))
            && self.name.as_ref().is_none_or(|name| name == view.name)
    }
}

/// What `ip ntable show` prints for these tables, those that the filter refuses left out.
#[must_use]
pub fn show_ntables(views: &[NtableView], filter: &NtableFilter, options: &Options) -> String {
    let mut listing = Listing::new(options);
    for view in views.iter().filter(|view| filter.accepts(view)) {
        listing.entry(|entry| print_table(entry, view, options));
    }
    listing.finish()
}

fn print_table(entry: &mut Entry<'_>, view: &NtableView, options: &Options) {
    entry.field("family", view.family, format_args!("{} ", view.family));
    entry.field("name", view.name, format_args!("{} ", view.name));
    entry.text(format_args!("\n"));
    if let Some(dev) = &view.dev {
        entry.field("dev", dev.as_str(), format_args!("    dev {dev} \n"));
    }
    if let Some([thresh1, thresh2, thresh3, interval]) = view.thresholds {
        entry.field("thresh1", thresh1, format_args!("    thresh1 {thresh1} "));
        entry.field("thresh2", thresh2, format_args!("thresh2 {thresh2} "));
        entry.field("thresh3", thresh3, format_args!("thresh3 {thresh3} "));
        entry.field("gc_interval", interval, format_args!("gc_int {interval} \n"));
    }
    let whole = options.statistics > 0 && view.thresholds.is_some();
    if whole {
        let [key, size, entries, waiting] = view.config;
        entry.field("key_length", key, format_args!("    config key_len {key} "));
        entry.field("entry_size", size, format_args!("entry_size {size} "));
        entry.field("entries", entries, format_args!("entries {entries} \n"));
        entry.field("proxy_qlen", waiting, format_args!("        proxy_qlen {waiting} \n"));
    }
    for (number, (value, (name, begins))) in view.params.into_iter().zip(PARAMS).enumerate() {
        let before = if begins { "    " } else { "" };
        let ends = PARAMS.get(number + 1).is_none_or(|(_, begins)| *begins);
        let after = if ends { "\n" } else { "" };
        entry.field(name, value, format_args!("{before}{name} {value} {after}"));
    }
    if whole {
        for (number, &(name, value)) in view.stats.iter().enumerate() {
            let before = match name {
                "allocs" => "    stats ",
                _ if STAT_LINES.contains(&name) => "    ",
                _ => "",
            };
            let next = view.stats.get(number + 1);
            let ends = next.is_none_or(|(next, _)| STAT_LINES.contains(next));
            let after = if ends { "\n" } else { "" };
            entry.field(name, value, format_args!("{before}{name} {value} {after}"));
        }
    }
    entry.text(format_args!("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> NtableView {
        NtableView {
            family: "inet",
            name: "arp_cache",
            dev: None,
            thresholds: Some([128, 512, 1024, 30_000]),
            config: [4, 336, 7, 0],
            params: [1, 26_752, 30_000, 1000, 60_000, 5000, 101, 0, 3, 3, 1000, 800, 64, 1000],
            stats: [
                "allocs",
                "destroys",
                "hash_grows",
                "res_failed",
                "lookups",
                "hits",
                "rcv_probes_mcast",
                "rcv_probes_ucast",
                "periodic_gc_runs",
                "forced_gc_runs",
                "table_fulls",
            ]
            .into_iter()
            .zip(1..)
            .collect(),
        }
    }

    #[test]
    fn a_table_is_printed_as_ip_prints_it() {
        let dev = NtableView { dev: Some("va".into()), thresholds: None, ..table() };
        let filter = NtableFilter::default();
        let text = show_ntables(&[table(), dev], &filter, &Options::default());
        assert_eq!(
            text,
            "\
inet arp_cache \n    thresh1 128 thresh2 512 thresh3 1024 gc_int 30000 \n    \
refcnt 1 reachable 26752 base_reachable 30000 retrans 1000 \n    \
gc_stale 60000 delay_probe 5000 queue 101 \n    \
app_probes 0 ucast_probes 3 mcast_probes 3 \n    \
anycast_delay 1000 proxy_delay 800 proxy_queue 64 locktime 1000 \n\n\
inet arp_cache \n    dev va \n    \
refcnt 1 reachable 26752 base_reachable 30000 retrans 1000 \n    \
gc_stale 60000 delay_probe 5000 queue 101 \n    \
app_probes 0 ucast_probes 3 mcast_probes 3 \n    \
anycast_delay 1000 proxy_delay 800 proxy_queue 64 locktime 1000 \n\n"
        );
        let options = Options { statistics: 1, ..Options::default() };
        let text = show_ntables(&[table()], &filter, &options);
        assert!(
            text.ends_with(
                "    stats allocs 1 destroys 2 hash_grows 3 \n    \
res_failed 4 lookups 5 hits 6 \n    rcv_probes_mcast 7 rcv_probes_ucast 8 \n    \
periodic_gc_runs 9 forced_gc_runs 10 \n    table_fulls 11 \n\n"
            ),
            "{text}"
        );
    }
}
