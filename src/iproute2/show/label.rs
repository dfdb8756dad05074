//! `ip addrlabel list`.

use ipnet::Ipv6Net;

use super::super::Options;
use super::out::Listing;

/// A label, and the interface on which it holds.
pub type LabelView = (Ipv6Net, Option<String>, u32);

/// What `ip addrlabel list` prints.
pub fn show_labels(labels: impl IntoIterator<Item = LabelView>, options: &Options) -> String {
    let mut listing = Listing::new(options);
    for (net, dev, label) in labels {
        listing.entry(|entry| {
            entry.field("address", net.addr().to_string(), format_args!("prefix {}", net.addr()));
            let len = u32::from(net.prefix_len());
            entry.field("prefixlen", len, format_args!("/{len} "));
            if let Some(dev) = dev {
                entry.field("ifname", dev.as_str(), format_args!("dev {dev} "));
            }
            entry.field("label", label, format_args!("label {label} "));
            entry.text(format_args!("\n"));
        });
    }
    listing.finish()
}
