//! What connection tracking has counted, by the kernel's names.
//!
//! - obeys: row [9.145]; `struct ip_conntrack_stat`

/// Declares the counters once: the struct, its sum and its names.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// Counters of one worker.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Stats {
            $($(#[doc = $doc])+ pub $name: u64,)*
        }

        impl Stats {
            /// All counters with their names, in the order of the kernel's structure.
            pub const fn named(&self) -> [(&'static str, u64); Self::LEN] {
                [$((stringify!($name), self.$name),)*]
            }

            const LEN: usize = [$(stringify!($name)),*].len();

            /// Adds another worker's counters.
            pub const fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Look-ups of packets.
    searched,
    /// Look-ups that found an entry; what `conntrack -S` calls found is `taken`.
    found,
    /// Tuples asked for by NAT that were taken already.
    taken,
    /// Entries made.
    new,
    /// Packets that belong to no connection.
    invalid,
    /// Packets left alone because they had an entry or were exempt.
    ignore,
    /// Entries freed.
    delete,
    /// Entries taken out of the table.
    delete_list,
    /// Entries put into the table by packets; what `conntrack -S` calls insert is `created`.
    insert,
    /// Entries put into the table by hand.
    created,
    /// Entries that could not be put into the table.
    insert_failed,
    /// Clashes in which both packets could go on.
    clash_resolve,
    /// Packets dropped.
    drop,
    /// Entries that made room for others.
    early_drop,
    /// Malformed messages of ICMP and ICMPv6, and errors about nothing known.
    error,
    /// Entries made for an expectation.
    expect_new,
    /// Expectations made.
    expect_create,
    /// Expectations gone.
    expect_delete,
    /// Look-ups begun again; a table with one owner never has to.
    search_restart,
    /// Insertions refused because of a long chain.
    chaintoolong,
    /// Entries whose time was over.
    expired,
    /// Entries given up before they were confirmed.
    abandoned,
}
