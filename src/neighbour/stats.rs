//! What the neighbour tables count (`/proc/net/stat/arp_cache`, `ndisc_cache`).
//!
//! - obeys: ledger 7.164 to 7.166; the kernel's `neigh_statistics`

macro_rules! statistics {
    ($(#[doc = $help:literal] $field:ident,)*) => {
        /// Counters of one table.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Stats {
            $(#[doc = $help] pub $field: u64,)*
        }

        impl Stats {
            /// What each counts, in the kernel's order.
            pub const HELP: [&'static str; 12] = [$($help.trim_ascii(),)*];

            /// Names and values, in the kernel's order.
            pub const fn all(&self) -> [(&'static str, u64); 12] {
                [$((stringify!($field), self.$field),)*]
            }
        }
    };
}

statistics! {
    /// Entries made.
    allocs,
    /// Entries taken away.
    destroys,
    /// Times that the kernel's hash table would have doubled.
    hash_grows,
    /// Resolutions without an answer.
    res_failed,
    /// Questions to the table by the control protocols and the administrator.
    lookups,
    /// Those that found an entry.
    hits,
    /// Solicitations received by multicast.
    rcv_probes_mcast,
    /// Solicitations received by unicast.
    rcv_probes_ucast,
    /// Periodic runs of the collector.
    periodic_gc_runs,
    /// Runs because the table was full.
    forced_gc_runs,
    /// Packets that left a full queue.
    unres_discards,
    /// Entries refused because the table was full.
    table_fulls,
}
