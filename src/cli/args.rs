//! The words of each command, as clap reads them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::{IpNet, Ipv4Net};

use super::{arping, bench, ping, traceroute};
use crate::dpdk::eal;

/// A poll-mode software router that behaves like the Linux networking stack.
#[derive(Debug, Parser)]
#[command(name = "wagonway", disable_help_subcommand = true, arg_required_else_help = true)]
#[command(version = env!("WAGONWAY_VERSION"), long_version = long_version())]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

fn long_version() -> &'static str {
    let built = env!("WAGONWAY_DPDK_VERSION");
    let text = format!(
        "{}\nbuilt for DPDK {built}, runs with {}",
        env!("WAGONWAY_VERSION"),
        eal::version()
    );
    Box::leak(text.into_boxed_str())
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Route packets until SIGINT or SIGTERM.
    Run {
        /// Configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Commands for ip(8) to carry out before the first packet, as `ip -batch` reads them.
        #[arg(long, value_name = "FILE")]
        ip_batch: Option<String>,
    },
    /// Send captures through the router, as fast as it can or reproducibly.
    Replay(ReplayArgs),
    /// Tell what is wrong with configuration files.
    Check {
        /// Configuration files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Look inside the running router.
    Show(ShowArgs),
    /// Change or show the running router's links, addresses, routes and neighbours, as ip(8) does.
    #[command(disable_help_flag = true)]
    Ip {
        /// Name of the router.
        #[arg(long, value_name = "NAME", default_value = "wagonway")]
        instance: String,
        /// Socket of the router.
        #[arg(long, value_name = "PATH")]
        socket: Option<PathBuf>,
        /// What would follow `ip`, such as `route add 10.0.0.0/8 via 192.0.2.1`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
        words: Vec<String>,
    },
    /// Change or show the running router's rules of IPv4, as iptables(8) does.
    #[command(disable_help_flag = true)]
    Iptables(ToolArgs),
    /// Print the running router's rules of IPv4, as iptables-save(8) does.
    #[command(disable_help_flag = true)]
    IptablesSave(ToolArgs),
    /// Replace the running router's rules of IPv4, as iptables-restore(8) does.
    #[command(disable_help_flag = true)]
    IptablesRestore(ToolArgs),
    /// Change or show the running router's rules of IPv6, as ip6tables(8) does.
    #[command(disable_help_flag = true)]
    Ip6tables(ToolArgs),
    /// Print the running router's rules of IPv6, as ip6tables-save(8) does.
    #[command(disable_help_flag = true)]
    Ip6tablesSave(ToolArgs),
    /// Replace the running router's rules of IPv6, as ip6tables-restore(8) does.
    #[command(disable_help_flag = true)]
    Ip6tablesRestore(ToolArgs),
    /// Change or show the running router's sets, as ipset(8) does.
    #[command(disable_help_flag = true)]
    Ipset(ToolArgs),
    /// Replace, change or show the running router's rules of nftables as JSON, as nft(8) does.
    #[command(disable_help_flag = true)]
    Nft(ToolArgs),
    /// List or change the running router's connections, as conntrack(8) does.
    #[command(disable_help_flag = true)]
    Conntrack(ToolArgs),
    /// Name timeouts of the running router's connections, as nfct(8) does.
    #[command(disable_help_flag = true)]
    Nfct(ToolArgs),
    /// Follow packets through the running router, node by node.
    Trace(TraceArgs),
    /// Ping a host from the running router, as ping(8) does.
    Ping(ping::PingArgs),
    /// Show the way of packets from the running router to a host, as traceroute(8) does.
    Traceroute(traceroute::TracerouteArgs),
    /// Ask by ARP from the running router who has an address, as arping(8) does.
    Arping(arping::ArpingArgs),
    /// Measure with synthetic traffic.
    Bench(bench::BenchArgs),
    /// Write a capture to try the router with.
    Sample {
        /// Capture to write; packed when its name ends in `.gz`.
        file: PathBuf,
        /// How many packets.
        #[arg(long, default_value_t = 100_000)]
        packets: u64,
        /// What chance starts from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// With IPv6 too, a third of all: hosts in 2001:db8:0:1::/64, servers in 2001:db8:100::/40.
        #[arg(long)]
        ipv6: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct ToolArgs {
    /// Name of the router.
    #[arg(long, value_name = "NAME", default_value = "wagonway")]
    pub(super) instance: String,
    /// Socket of the router.
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
    /// What would follow the program's name.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
    pub(super) words: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Configuration file; without it the built-in one, with the ports `lan` and `wan`.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// What comes in by a port: pcap or pcapng, plain or packed with gzip.
    #[arg(long = "port", value_name = "NAME=FILE", required = true, value_parser = capture_of)]
    pub(super) ports: Vec<(String, PathBuf)>,
    /// Write what leaves each port to DIR/NAME.pcap, the same on every run, by the captures' clock.
    #[arg(long, value_name = "DIR")]
    pub(super) write: Option<PathBuf>,
    /// MiB of frames to keep in memory. Longer captures are read once before the first packet (with
    /// `--routes auto` twice), for the longest frame and all mistakes, and again in each round, in memory
    /// that does not grow with them. What is no plain file, as a pipe, is kept whatever its length.
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    pub(super) preload: u64,
    /// How often to play the captures.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) repeat: u64,
    /// Workers, when not as configured.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=128))]
    pub(super) workers: Option<u16>,
    /// `auto`: give every destination in the captures that has no route one over the ports.
    #[arg(long, value_name = "WHICH", default_value = "configured")]
    pub(super) routes: Routes,
    /// Commands for ip(8) to carry out before the first packet, as `ip -batch` reads them.
    #[arg(long, value_name = "FILE")]
    pub(super) ip_batch: Option<String>,
    /// Commands between packets: lines of seconds since the first packet and what follows `ip`.
    #[arg(long, value_name = "FILE", requires = "write")]
    pub(super) commands: Option<String>,
    /// Only frames addressed to the router are taken.
    #[arg(long)]
    pub(super) strict_mac: bool,
    /// A neighbour that is not known is asked for, and does not answer.
    #[arg(long)]
    pub(super) strict_neighbours: bool,
    /// The router asks for duplicates of its addresses and tells which groups it listens to, as a live
    /// one does.
    #[arg(long)]
    pub(super) strict_hosts: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Routes {
    /// Those of the configuration.
    Configured,
    /// And more where packets go that have none.
    Auto,
}

#[derive(Debug, Args)]
pub(super) struct Where {
    /// Name of the router.
    #[arg(long, value_name = "NAME", default_value = "wagonway", global = true)]
    pub(super) instance: String,
    /// Socket of the router.
    #[arg(long, value_name = "PATH", global = true)]
    pub(super) socket: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(subcommand)]
    pub(super) what: What,
    #[command(flatten)]
    pub(super) at: Where,
    /// Print rows as JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum What {
    /// Ports and VLANs, their state and counters.
    Interfaces,
    /// The routing table.
    Routes {
        /// Only this prefix and those within it; for an address, the routes that cover it.
        #[arg(value_parser = prefix_or_address)]
        prefix: Option<IpNet>,
        /// Routes of IPv6, where no prefix tells the family.
        #[arg(short = '6', long = "inet6")]
        six: bool,
        /// Routing table: its number, or main, local, default; main unless given.
        #[arg(long, value_name = "N", value_parser = table)]
        table: Option<u32>,
        /// Most routes to show.
        #[arg(long)]
        limit: Option<u64>,
    },
    /// The rules that choose routing tables.
    Rules,
    /// Next-hop objects and the buckets of resilient groups.
    Nexthops,
    /// VRFs, their tables and interfaces.
    Vrfs,
    /// What was learned about destinations: path MTUs and redirects.
    Exceptions,
    /// Link-layer addresses of neighbours.
    Neighbours,
    /// Counters by the kernel's names, as nstat(8) prints them.
    Counters {
        /// Only names that fit one of these patterns, such as `Icmp*`.
        patterns: Vec<String>,
        /// Those that are zero as well.
        #[arg(long, short)]
        all: bool,
    },
    /// Why packets were dropped.
    Drops,
    /// Nodes, where packets went from each, and what they cost.
    Graph,
    /// What each worker does with its time.
    Workers,
    /// How full buffers and tables are.
    Memory,
    /// Pings and traceroutes under way.
    Sessions,
    /// How many connections each worker tracks, and what became of others; `wagonway conntrack -L` lists
    /// them.
    Connections,
    /// The rules of the packet filter with what each has met.
    Filter {
        /// Only so many, those that met most packets first.
        #[arg(long = "top", short = 'n', value_name = "N")]
        most: Option<u64>,
    },
    /// Sets that the packet filter asks about.
    Sets,
    /// Translated connections: how their packets come, and how they leave.
    Nat,
    /// Programs that decide on packets, and what waits for each.
    Queues,
    /// The hosts that send and receive most, where `nf_conntrack_acct` counts.
    Talkers {
        /// How many.
        #[arg(long = "top", short = 'n', value_name = "N")]
        most: Option<u64>,
    },
    /// What rules told of packets: LOG, AUDIT and TRACE.
    Log {
        /// Most lines to show, of the last ones.
        #[arg(long = "last", short = 'n', value_name = "N")]
        most: Option<u64>,
    },
}

#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    /// How many packets.
    #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(super) count: u16,
    /// Source network.
    #[arg(long, value_name = "NET")]
    pub(super) src: Option<Ipv4Net>,
    /// Destination network.
    #[arg(long, value_name = "NET")]
    pub(super) dst: Option<Ipv4Net>,
    /// IPv4 protocol: a number, or icmp, tcp, udp.
    #[arg(long, value_name = "PROTO", value_parser = protocol)]
    pub(super) proto: Option<u8>,
    /// Interface that they come in by.
    #[arg(long = "in", value_name = "IFACE")]
    pub(super) input: Option<String>,
    #[command(flatten)]
    pub(super) at: Where,
    /// Print steps as JSON, one a line.
    #[arg(long)]
    pub(super) json: bool,
}

fn capture_of(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), file.into()))
        }
        _ => Err("write NAME=FILE, as in lan=capture.pcap".into()),
    }
}

fn protocol(text: &str) -> Result<u8, String> {
    match text {
        "icmp" => Ok(1),
        "igmp" => Ok(2),
        "tcp" => Ok(6),
        "udp" => Ok(17),
        _ => text.parse().map_err(|_| "write a number up to 255, or icmp, igmp, tcp, udp".into()),
    }
}

fn prefix_or_address(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| "write a prefix or an address".into())
}

fn table(text: &str) -> Result<u32, String> {
    let named = crate::iproute2::names::TABLES.iter().find(|(name, _)| *name == text);
    match named.map(|(_, number)| *number).or_else(|| text.parse().ok()) {
        Some(number @ 1..) => Ok(number),
        _ => Err("write a number from 1, or main, local, default".into()),
    }
}
