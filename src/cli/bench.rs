//! `wagonway bench`.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::{Failed, config_or_default, print, print_json, report as text};
use crate::{
    packet::generate::Popularity,
    replay,
    telemetry::{page, report::FactRow},
};

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Configuration file; without it the built-in one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sizes of frames in bytes, check sequence included, or `imix`.
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = size, default_value = "64,128,256,512,1024,1280,1518,imix")]
    sizes: Vec<replay::Size>,
    /// Distinct flows.
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    flows: u32,
    /// Flows by chance instead of in turn, that at rank n as often as 1/n^S (Zipf's law).
    #[arg(long, value_name = "S", value_parser = zipf)]
    zipf: Option<Popularity>,
    /// So many routes of a synthetic Internet table beside the configuration's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    routes: Option<u32>,
    /// So many rules of policy routing, of which one in four takes packets to a table of its own.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    rules: u32,
    /// So many tables beside the main one, for the rules.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    tables: u32,
    /// Remember the decision for recent destinations, as `cache.destinations` does.
    #[arg(long)]
    cache: bool,
    /// Workers, when not as configured.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=128))]
    workers: Option<u16>,
    /// Packets of each measurement.
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    packets: u64,
    /// Packets a second to offer; what is not taken in time is lost, and told.
    #[arg(long, value_name = "PPS", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Let another core make the packets and take them back, over devices of DPDK (net_ring). Times are from
    /// when it sends to when it receives.
    #[arg(long)]
    generator: bool,
    /// Over IPv6; frames are of 70 bytes at least then.
    #[arg(long)]
    ipv6: bool,
    /// What chance starts from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Look for the highest rate at which nothing is lost, and how long packets take at 10, 50 and 90 %
    /// of it.
    #[arg(long, conflicts_with = "rate")]
    search: bool,
    /// Seconds of each trial of --search.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = trial)]
    trial: f64,
    /// Write a page with plots, and measure by numbers of routes and of flows for it.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

fn size(text: &str) -> Result<replay::Size, String> {
    match text {
        "imix" => Ok(replay::Size::Imix),
        _ => match text.parse() {
            Ok(size @ 64..=9216) => Ok(replay::Size::Fixed(size)),
            _ => Err("write a number of bytes from 64 to 9216, or imix".into()),
        },
    }
}

fn zipf(text: &str) -> Result<Popularity, String> {
    match text.parse::<f64>() {
        Ok(exponent) if (0.01..=5.0).contains(&exponent) => {
            Ok(Popularity::Zipf((exponent * 100.0).round() as u16))
        }
        _ => Err("write an exponent from 0.01 to 5".into()),
    }
}

fn trial(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("write seconds from 0.01 to 3600".into()),
    }
}

pub(super) fn run(args: BenchArgs) -> Result<ExitCode, Failed> {
    let mut config = config_or_default(args.config.as_deref())?;
    config.cache.destinations |= args.cache;
    let options = replay::BenchOptions {
        config,
        rules: args.rules,
        tables: args.tables,
        sizes: args.sizes,
        flows: args.flows,
        popularity: args.zipf.unwrap_or_default(),
        routes: args.routes,
        workers: args.workers,
        packets: args.packets,
        rate: args.rate,
        search: args.search.then_some(args.trial),
        sweeps: args.html.is_some(),
        generator: args.generator,
        ipv6: args.ipv6,
        seed: args.seed,
        progress: std::io::stderr().is_terminal(),
    };
    // What cannot be written is told before anything is measured.
    let page = args.html.as_deref().map(Output::open).transpose()?;
    let mut report = replay::bench(&options)?;
    report.facts.push(FactRow { name: "Command".into(), value: command_line() });
    if let Some(page) = page {
        page.write(&page::bench(&report))?;
    }
    if args.json {
        print_json(&report)
    } else {
        print(&text::bench(&report))
    }
    Ok(ExitCode::SUCCESS)
}

/// What was typed, with quotes where a shell needs them.
fn command_line() -> String {
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or(OsStr::new("wagonway")).to_owned();
    let words = std::iter::once(program).chain(words).map(|word| {
        let word = word.to_string_lossy().into_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A file that is there before there is anything to write to it.
struct Output<'a> {
    path: &'a Path,
    file: File,
    /// It was not there before, and is to go again unless it is written.
    empty: bool,
}

impl<'a> Output<'a> {
    fn open(path: &'a Path) -> Result<Self, Failed> {
        let empty = fs::symlink_metadata(path).is_err();
        // What stands in it stays until there is something better.
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(|error| cannot_write(path, &error))?;
        Ok(Self { path, file, empty })
    }

    fn write(mut self, text: &str) -> Result<(), Failed> {
        let done = self.replace(text).map_err(|error| cannot_write(self.path, &error));
        self.empty &= done.is_err();
        done
    }

    fn replace(&mut self, text: &str) -> io::Result<()> {
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.file.write_all(text.as_bytes())
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        if self.empty {
            let _ = fs::remove_file(self.path);
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failed {
    Failed::new(format!("cannot write {}: {error}", path.display()), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_of_zipf_are_positive_and_small() {
        assert_eq!(zipf("1"), Ok(Popularity::Zipf(100)));
        assert_eq!(zipf("0.85"), Ok(Popularity::Zipf(85)));
        for bad in ["0", "-1", "5.1", "nan", "inf", "", "one"] {
            assert!(zipf(bad).is_err(), "{bad}");
        }
    }
}
