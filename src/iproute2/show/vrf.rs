//! `ip vrf show`.

use super::super::Options;
use super::out::Listing;

/// One VRF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VrfView {
    /// Name of its interface.
    pub name: String,
    /// The table in which its routes stand.
    pub table: u32,
}

/// What `ip vrf show` prints for these VRFs.
#[must_use]
pub fn show_vrfs(vrfs: &[VrfView], options: &Options) -> String {
    let mut listing = Listing::new(options);
    for VrfView { name, table } in vrfs {
        listing.entry(|entry| {
            entry.field("name", name.as_str(), format_args!("{name:<16}"));
            entry.field("table", *table, format_args!(" {table:>5}"));
            entry.text(format_args!("\n"));
        });
    }
    let rows = listing.finish();
    if options.json {
        return rows;
    }
    let none = if vrfs.is_empty() { "No VRF has been configured\n" } else { "" };
    format!("{:<16}  {:>5}\n{}\n{rows}{none}", "Name", "Table", "-".repeat(23))
}
