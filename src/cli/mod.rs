//! The command line: `wagonway run | replay | check | show | ip | trace | ping | traceroute |
//! arping | bench | sample`.
//!
//! - takes: the words of a shell
//! - gives: text for people, or JSON of the same rows; exit status 0 when all is well, 1 when it is
//!   not, 2 for a wrong use (and that of `ip` for `ip`)

mod arping;
mod ask;
mod bench;
mod counters;
mod icmp_words;
mod page;
mod ping;
mod probe;
mod report;
mod show;
mod show_filter;
mod traceroute;

use std::{
    ffi::OsString,
    io::{IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::{IpNet, Ipv4Net};
use serde::Serialize;

use self::ask::{Ask, AskError};
use crate::{
    capture::sample_capture,
    config::{Config, InstanceName, socket_path},
    dpdk::eal,
    live, replay,
    telemetry::{
        protocol::{IpBatch, IpOutput, Request, RouteQuery, Show, Tool, TraceRequest},
        report::TraceRow,
    },
};

/// A poll-mode software router that behaves like the Linux networking stack.
#[derive(Debug, Parser)]
#[command(name = "wagonway", disable_help_subcommand = true, arg_required_else_help = true)]
#[command(version = env!("WAGONWAY_VERSION"), long_version = long_version())]
struct Cli {
    #[command(subcommand)]
    command: Command,
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
enum Command {
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
struct ToolArgs {
    /// Name of the router.
    #[arg(long, value_name = "NAME", default_value = "wagonway")]
    instance: String,
    /// Socket of the router.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// What would follow the program's name.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
    words: Vec<String>,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// Configuration file; without it the built-in one, with the ports `lan` and `wan`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What comes in by a port: pcap or pcapng, plain or packed with gzip.
    #[arg(long = "port", value_name = "NAME=FILE", required = true, value_parser = capture_of)]
    ports: Vec<(String, PathBuf)>,
    /// Write what leaves each port to DIR/NAME.pcap, the same on every run, by the captures' clock.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// MiB of frames to keep in memory. Longer captures are read once before the first packet (with
    /// `--routes auto` twice), for the longest frame and all mistakes, and again in each round, in memory
    /// that does not grow with them. What is no plain file, as a pipe, is kept whatever its length.
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    preload: u64,
    /// How often to play the captures.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Workers, when not as configured.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=128))]
    workers: Option<u16>,
    /// `auto`: give every destination in the captures that has no route one over the ports.
    #[arg(long, value_name = "WHICH", default_value = "configured")]
    routes: Routes,
    /// Commands for ip(8) to carry out before the first packet, as `ip -batch` reads them.
    #[arg(long, value_name = "FILE")]
    ip_batch: Option<String>,
    /// Commands between packets: lines of seconds since the first packet and what follows `ip`.
    #[arg(long, value_name = "FILE", requires = "write")]
    commands: Option<String>,
    /// Only frames addressed to the router are taken.
    #[arg(long)]
    strict_mac: bool,
    /// A neighbour that is not known is asked for, and does not answer.
    #[arg(long)]
    strict_neighbours: bool,
    /// The router asks for duplicates of its addresses and tells which groups it listens to, as a live
    /// one does.
    #[arg(long)]
    strict_hosts: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Routes {
    /// Those of the configuration.
    Configured,
    /// And more where packets go that have none.
    Auto,
}

#[derive(Debug, Args)]
struct Where {
    /// Name of the router.
    #[arg(long, value_name = "NAME", default_value = "wagonway", global = true)]
    instance: String,
    /// Socket of the router.
    #[arg(long, value_name = "PATH", global = true)]
    socket: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    at: Where,
    /// Print rows as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
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
struct TraceArgs {
    /// How many packets.
    #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: u16,
    /// Source network.
    #[arg(long, value_name = "NET")]
    src: Option<Ipv4Net>,
    /// Destination network.
    #[arg(long, value_name = "NET")]
    dst: Option<Ipv4Net>,
    /// IPv4 protocol: a number, or icmp, tcp, udp.
    #[arg(long, value_name = "PROTO", value_parser = protocol)]
    proto: Option<u8>,
    /// Interface that they come in by.
    #[arg(long = "in", value_name = "IFACE")]
    input: Option<String>,
    #[command(flatten)]
    at: Where,
    /// Print steps as JSON, one a line.
    #[arg(long)]
    json: bool,
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

/// A command that failed; what to say is said already where the message is empty.
struct Failed {
    message: String,
    hint: Option<String>,
}

impl Failed {
    fn new(message: impl ToString, hint: Option<&str>) -> Self {
        Self { message: message.to_string(), hint: hint.map(str::to_owned) }
    }
}

impl From<crate::config::ConfigErrors> for Failed {
    fn from(errors: crate::config::ConfigErrors) -> Self {
        Self::new(errors, None)
    }
}

impl From<replay::ReplayError> for Failed {
    fn from(error: replay::ReplayError) -> Self {
        Self::new(&error, error.hint())
    }
}

impl From<live::LiveError> for Failed {
    fn from(error: live::LiveError) -> Self {
        Self::new(&error, error.hint())
    }
}

impl From<AskError> for Failed {
    fn from(error: AskError) -> Self {
        Self { hint: error.hint(), message: error.to_string() }
    }
}

/// Does what the words ask for.
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match dispatch(cli.command) {
        Ok(status) => status,
        Err(Failed { message, hint }) => {
            complain(&format!("error: {}", message.trim_end()));
            if let Some(hint) = hint {
                complain(&format!("hint: {hint}"));
            }
            ExitCode::FAILURE
        }
    }
}

fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints, and takes it well when nobody reads on.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn print_json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(&format!("{text}\n")),
        Err(error) => complain(&format!("error: {error}")),
    }
}

fn dispatch(command: Command) -> Result<ExitCode, Failed> {
    match command {
        Command::Run { config, ip_batch } => {
            let batch = ip_batch.map(batch_of).transpose()?;
            live::run(Config::load(&config)?, batch.as_ref())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Replay(args) => run_replay(args),
        Command::Check { files } => Ok(check(&files)),
        Command::Show(args) => run_show(&args),
        Command::Ip { instance, socket, words } => run_ip(&Where { instance, socket }, &words),
        Command::Iptables(args) => run_tool("iptables", args),
        Command::IptablesSave(args) => run_tool("iptables-save", args),
        Command::IptablesRestore(args) => run_tool("iptables-restore", args),
        Command::Ip6tables(args) => run_tool("ip6tables", args),
        Command::Ip6tablesSave(args) => run_tool("ip6tables-save", args),
        Command::Ip6tablesRestore(args) => run_tool("ip6tables-restore", args),
        Command::Ipset(args) => run_tool("ipset", args),
        Command::Nft(args) => run_tool("nft", args),
        Command::Conntrack(args) => run_tool("conntrack", args),
        Command::Nfct(args) => run_tool("nfct", args),
        Command::Trace(args) => run_trace(args),
        Command::Ping(args) => ping::run(&args).map(ExitCode::from),
        Command::Traceroute(args) => traceroute::run(&args).map(ExitCode::from),
        Command::Arping(args) => arping::run(&args).map(ExitCode::from),
        Command::Bench(args) => bench::run(args),
        Command::Sample { file, packets, seed, ipv6 } => {
            sample_capture(&file, packets, seed, ipv6).map_err(|error| Failed::new(error, None))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The configuration of a file, or the built-in one.
fn config_or_default(file: Option<&Path>) -> Result<Config, Failed> {
    Ok(match file {
        Some(file) => Config::load(file)?,
        None => Config::embedded_default()?,
    })
}

fn run_replay(args: ReplayArgs) -> Result<ExitCode, Failed> {
    let options = replay::Options {
        config: config_or_default(args.config.as_deref())?,
        captures: args.ports,
        write: args.write,
        repeat: args.repeat,
        preload_mib: args.preload,
        workers: args.workers,
        strict_mac: args.strict_mac,
        strict_neighbours: args.strict_neighbours,
        strict_hosts: args.strict_hosts,
        routes_auto: args.routes == Routes::Auto,
        batch: args.ip_batch.map(batch_of).transpose()?,
        commands: args.commands.map(batch_of).transpose()?,
        progress: std::io::stderr().is_terminal(),
    };
    let report = replay::replay(&options)?;
    if args.json {
        print_json(&report)
    } else {
        print(&report::replay(&report))
    }
    if report.is_sound() {
        return match report.failed {
            None => Ok(ExitCode::SUCCESS),
            Some(why) => Err(Failed::new(why, Some("the report is of what was read before"))),
        };
    }
    let message = format!(
        "{} packets are unaccounted for and {} buffers did not come back",
        report.unaccounted, report.leaked
    );
    Err(Failed::new(message, Some("this is a mistake of the router; please report it")))
}

/// Reads each file, and its route file; tells what is wrong, or what it holds.
fn check(files: &[PathBuf]) -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    for file in files {
        let checked = Config::load(file).and_then(|config| {
            let more = config.each_file_route(|_| Ok(()))?;
            Ok((config, more))
        });
        match checked {
            Ok((config, more)) => print(&format!(
                "{}: ok ({} ports, {} routes, {} workers)\n",
                file.display(),
                config.ports.len(),
                config.routes.len() + more,
                config.workers.cores.workers()
            )),
            Err(errors) => {
                complain(&format!("error: {}", errors.to_string().trim_end()));
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}

/// The socket of the router that is meant.
fn socket(at: &Where) -> Result<PathBuf, Failed> {
    Ok(match &at.socket {
        Some(path) => path.clone(),
        None => {
            let name = InstanceName::new(&at.instance)
                .map_err(|error| Failed::new(error, Some("see `instance.name` of the router")))?;
            socket_path(&name)
        }
    })
}

fn ask(at: &Where) -> Result<Ask, Failed> {
    Ok(Ask::connect(&socket(at)?)?)
}

fn run_show(args: &ShowArgs) -> Result<ExitCode, Failed> {
    let show = match &args.what {
        What::Interfaces => Show::Interfaces,
        What::Routes { prefix, six, table, limit } => {
            let host = |prefix: &IpNet| prefix.prefix_len() == prefix.max_prefix_len();
            let address = prefix.filter(host);
            Show::Routes(RouteQuery {
                six: *six,
                within: prefix.filter(|_| address.is_none()),
                covering: address.map(|address| address.addr()),
                table: *table,
                limit: *limit,
            })
        }
        What::Neighbours => Show::Neighbours,
        What::Counters { .. } => Show::Counters,
        What::Drops => Show::Drops,
        What::Graph => Show::Graph,
        What::Workers => Show::Workers,
        What::Memory => Show::Memory,
        What::Rules => Show::Rules,
        What::Nexthops => Show::Nexthops,
        What::Vrfs => Show::Vrfs,
        What::Exceptions => Show::Exceptions,
        What::Sessions => Show::Sessions,
        What::Connections => Show::Connections,
        What::Log { most } => Show::Log(*most),
        What::Filter { most } => Show::Filter(*most),
        What::Sets => Show::Sets,
        What::Nat => Show::Nat,
        What::Queues => Show::Queues,
        What::Talkers { most } => Show::Talkers(*most),
    };
    let mut ask = ask(&args.at)?;
    let mut rows = Vec::new();
    ask.request(&Request::Show(show), |row| {
        rows.push(row);
        true
    })?;
    if let What::Counters { patterns, all } = &args.what {
        rows.retain(|row| counters::wanted(row, patterns, *all));
    }
    if args.json {
        print_json(&rows);
        return Ok(ExitCode::SUCCESS);
    }
    let page = show::page((&args.what).into(), rows).map_err(|error| {
        let message = format!("the router's answer cannot be read: {error}");
        Failed::new(message, Some("is the router of another version?"))
    })?;
    print(&page);
    Ok(ExitCode::SUCCESS)
}

impl From<&What> for show::Page {
    fn from(what: &What) -> Self {
        match what {
            What::Interfaces => Self::Interfaces,
            What::Routes { .. } => Self::Routes,
            What::Neighbours => Self::Neighbours,
            What::Counters { .. } => Self::Counters,
            What::Drops => Self::Drops,
            What::Graph => Self::Graph,
            What::Workers => Self::Workers,
            What::Memory => Self::Memory,
            What::Rules => Self::Rules,
            What::Nexthops => Self::Nexthops,
            What::Vrfs => Self::Vrfs,
            What::Exceptions => Self::Exceptions,
            What::Sessions => Self::Sessions,
            What::Connections => Self::Connections,
            What::Log { .. } => Self::Log,
            What::Filter { .. } => Self::Filter,
            What::Sets => Self::Sets,
            What::Nat => Self::Nat,
            What::Queues => Self::Queues,
            What::Talkers { .. } => Self::Talkers,
        }
    }
}

/// Reads the file of `-batch`; `-` is the standard input.
fn read_batch(name: &str) -> Result<String, Failed> {
    let mut text = String::new();
    let read = match name {
        "-" => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        _ => std::fs::read_to_string(name).map(|read| text = read),
    };
    read.map_err(|error| Failed::new(format!("Cannot open file \"{name}\": {error}"), None))?;
    Ok(text)
}

/// The batch in a file.
fn batch_of(name: String) -> Result<IpBatch, Failed> {
    Ok(IpBatch { text: read_batch(&name)?, name, options: Vec::new() })
}

fn run_ip(at: &Where, words: &[String]) -> Result<ExitCode, Failed> {
    let plain: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["-V" | "-Version" | "--version"] = plain[..] {
        print(&format!("ip utility of wagonway {}\n", env!("WAGONWAY_VERSION")));
        return Ok(ExitCode::SUCCESS);
    }
    // What is no command at all needs no router to say so.
    let request = match crate::iproute2::parse(&plain) {
        Err(error) => {
            complain(error.to_string().trim_end());
            return Ok(ExitCode::from(error.exit_status()));
        }
        Ok(command) => match command.action {
            crate::iproute2::Action::Batch(file) => Request::IpBatch(IpBatch {
                text: read_batch(&file)?,
                name: file,
                options: words.to_vec(),
            }),
            _ => Request::Ip(words.to_vec()),
        },
    };
    let mut status = 0;
    ask(at)?.request(&request, |row| {
        let said: IpOutput = serde_json::from_value(row).unwrap_or_default();
        print(&said.out);
        let _ = std::io::stderr().write_all(said.err.as_bytes());
        status = said.status;
        true
    })?;
    Ok(ExitCode::from(status))
}

/// A command of one of the packet filter's programs; one that restores has its file or standard input
/// read here.
fn run_tool(program: &str, args: ToolArgs) -> Result<ExitCode, Failed> {
    let ToolArgs { instance, socket, mut words } = args;
    let restores = |word: &String| matches!(word.as_str(), "restore" | "-R" | "--restore");
    let input = match program.ends_with("-restore") {
        false if program == "ipset" && words.iter().any(restores) => {
            let is_file = |word: &String| matches!(word.as_str(), "-f" | "-file" | "--file");
            let file = words.iter().position(is_file).and_then(|at| words.get(at + 1));
            Some(read_batch(file.map_or("-", String::as_str))?)
        }
        false if program == "nft" => {
            let is_file = |word: &String| matches!(word.as_str(), "-f" | "--file");
            let file = words.iter().position(is_file);
            let name = file.map(|at| words.get(at + 1).map_or("-", String::as_str));
            name.map(read_batch).transpose()?
        }
        true => {
            let plain = words.last().is_some_and(|word| !word.starts_with('-'));
            let named =
                words.iter().rev().nth(1).is_some_and(|word| word == "-T" || word == "--table");
            let file = if plain && !named { words.pop() } else { None };
            Some(read_batch(file.as_deref().unwrap_or("-"))?)
        }
        false => None,
    };
    let request = Request::Tool(Tool { program: program.to_owned(), words, input });
    let mut status = 0;
    ask(&Where { instance, socket })?.request(&request, |row| {
        let said: IpOutput = serde_json::from_value(row).unwrap_or_default();
        print(&said.out);
        let _ = std::io::stderr().write_all(said.err.as_bytes());
        status = said.status;
        true
    })?;
    Ok(ExitCode::from(status))
}

fn run_trace(args: TraceArgs) -> Result<ExitCode, Failed> {
    let request = Request::Trace(TraceRequest {
        count: args.count,
        src: args.src,
        dst: args.dst,
        proto: args.proto,
        ethertype: None,
        input: args.input,
    });
    let mut pages = show::Trace::default();
    let json = args.json;
    ask(&args.at)?.request(&request, |row| {
        if json {
            print(&format!("{row}\n"));
        } else if let Ok(row) = serde_json::from_value::<TraceRow>(row) {
            print(&pages.step(&row));
        }
        true
    })?;
    print(&pages.end());
    Ok(ExitCode::SUCCESS)
}
