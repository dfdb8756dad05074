//! The command line: `wagonway run | replay | check | show | ip | trace | ping | traceroute |
//! arping | bench | sample`.
//!
//! - takes: the words of a shell
//! - gives: text for people, or JSON of the same rows; exit status 0 when all is well, 1 when it is
//!   not, 2 for a wrong use (and that of `ip` for `ip`)

mod args;
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

use clap::Parser as _;
use ipnet::IpNet;
use serde::Serialize;

use self::{
    args::{Cli, Command, ReplayArgs, Routes, ShowArgs, ToolArgs, TraceArgs, What, Where},
    ask::{Ask, AskError},
};
use crate::{
    capture::sample_capture,
    config::{Config, InstanceName, socket_path},
    live, replay,
    telemetry::{
        protocol::{IpBatch, IpOutput, Request, RouteQuery, Show, Tool, TraceRequest},
        report::TraceRow,
    },
};

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
