//! The manual of the configuration file, written from the lists that read it.

use std::fmt::Write as _;

use super::{
    neigh::{self, NeighName, NeighWhat},
    section::{KeyDoc, SectionDoc},
    sections::File,
    sysctl::{ConfSysctl, FIXED, FIXED_CONF, Sysctl},
    texts::TEXTS,
    value::Value,
};
use crate::neighbour::control::{Family, Neighbours};

const HEAD: &str = "\
<!-- Written by `WAGONWAY_UPDATE_DOCS=1 cargo test --lib config::`; edit src/config instead. -->

# Configuration

One TOML file says what the router is. `wagonway check FILE` reads it and tells all that is wrong with
it, `wagonway run --config FILE` starts a router from it, and `wagonway replay --config FILE` plays
captures through one. Without `--config`, `replay` uses the built-in
[config/default.toml](../config/default.toml). The other files in [config/](../config) are examples
for real deployments.

Keys that are not listed here are refused. Names of interfaces are those of `name`, never those of
devices.
";

/// The manual as Markdown: docs/configuration.md.
pub fn manual() -> String {
    let mut out = HEAD.to_owned();
    let Some(file) = File::section() else { return out };
    for key in &file.keys {
        if key.name == "sysctl" {
            sysctls(&mut out, &key.help);
        } else if let Some(section) = &key.section {
            write_section(&mut out, key.name, is_array(key), &key.help, section);
        }
    }
    out
}

fn is_array(key: &KeyDoc) -> bool {
    key.what.starts_with("an array")
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{line}");
}

fn write_section(out: &mut String, path: &str, array: bool, help: &str, section: &SectionDoc) {
    let (open, close) = if array { ("[[", "]]") } else { ("[", "]") };
    put(out, format_args!("\n## `{open}{path}{close}`\n\n{help}\n"));
    put(out, format_args!("| key | value | default | meaning |\n| --- | --- | --- | --- |"));
    for key in &section.keys {
        let value = match &key.range {
            Some(range) => format!("{}, {} to {}", key.what, range.start(), range.end()),
            None => key.what.clone(),
        };
        let default = match &key.default {
            Some(default) => format!("`{default}`"),
            None if key.required => "must be given".to_owned(),
            None => String::new(),
        };
        put(out, format_args!("| `{}` | {value} | {default} | {} |", key.name, key.help));
    }
    for key in &section.keys {
        if let Some(below) = &key.section {
            let path = format!("{path}.{}", key.name);
            write_section(out, &path, is_array(key), &key.help, below);
        }
    }
}

fn sysctls(out: &mut String, help: &str) {
    put(out, format_args!("\n## `[sysctl]`\n\n{help}\n"));
    put(
        out,
        format_args!(
            "```toml\n[sysctl]\n\"net.ipv4.icmp_ratelimit\" = 100\n\
             \"net.ipv4.conf.wan.forwarding\" = false\n```\n\n\
             Slashes may stand for dots. Defaults are those of Linux unless the table says otherwise.\n\n\
             | name | value | default | meaning |\n| --- | --- | --- | --- |"
        ),
    );
    for sysctl in Sysctl::ALL {
        let (range, default) = (sysctl.range(), sysctl.default());
        let differs = match sysctl.linux_default() {
            linux if linux == default => String::new(),
            linux => format!(" (Linux: `{linux}`)"),
        };
        put(
            out,
            format_args!(
                "| `{}` | {} to {} | `{default}`{differs} | {} |",
                sysctl.name(),
                range.start(),
                range.end(),
                sysctl.help()
            ),
        );
    }
    for sysctl in ConfSysctl::ALL {
        put(
            out,
            format_args!(
                "| `net.{}.conf.IFACE.{}` | {} to {} | `{}`; {} | {} |",
                sysctl.family(),
                sysctl.name(),
                sysctl.range().start(),
                sysctl.range().end(),
                match sysctl {
                    ConfSysctl::Forwarding | ConfSysctl::Forwarding6 => 1,
                    _ => sysctl.defaults().1,
                },
                sysctl.combine().help(),
                sysctl.help()
            ),
        );
    }
    for (name, value, default, help) in TEXTS {
        put(out, format_args!("| `{name}` | {value} | {default} | {help} |"));
    }
    let tables = Neighbours::<()>::new(usize::MAX, 0);
    for (word, what) in neigh::all() {
        let value = |family| NeighName { family, dev: None, what }.value(&tables, None);
        let (four, six) = (value(Family::Arp), value(Family::Ndisc));
        let default = match what {
            NeighWhat::Thresh(_) => String::new(),
            _ if four == six => format!("`{four}`"),
            _ => format!("`{four}`; IPv6 `{six}`"),
        };
        let dev = if what.is_of_table() { "default" } else { "IFACE" };
        let range = what.range();
        put(
            out,
            format_args!(
                "| `net.ipv4.neigh.{dev}.{word}`, `net.ipv6...` | {} to {} | {default} | {} |",
                range.start(),
                range.end(),
                what.help()
            ),
        );
    }
    for (word, range, default, help) in super::netfilter::all() {
        let (name, least, most) = (super::netfilter::PREFIX, range.start(), range.end());
        put(out, format_args!("| `{name}{word}` | {least} to {most} | `{default}` | {help} |"));
    }
    put(
        out,
        format_args!(
            "\nFiles for Linux often set more than that. These names are accepted with the one value \
             that says what this router does, and refused with any other:\n\n\
             | name | value |\n| --- | --- |"
        ),
    );
    for (name, only) in FIXED {
        put(out, format_args!("| `net.ipv4.{name}` | {only} |"));
    }
    for (name, only) in FIXED_CONF {
        put(out, format_args!("| `net.ipv4.conf.IFACE.{name}` | {only} |"));
    }
}
