//! Wagonway as the router: a replay of captures on a virtual clock, or live on the wires.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::frame::{BROADCAST, ether};
use crate::common::netns::{self, Namespace};
use crate::common::pcap;
use crate::common::process::{self, Process};
use crate::corpus::{Family, Step};
use crate::netfilter;
use crate::outcome::{Outcome, PORTS, Said, is_chatter};
use crate::record::{SPACING, START, directory, schedule};
use crate::topology::{Port, Topology, Vrf, colons};
use crate::wires::{Wires, carrier_of};

/// Replays a family through Wagonway and tells, for each frame, what left because of it.
pub(crate) fn play(family: &Family) -> Vec<Outcome> {
    replay(family, 1).0
}

/// The same with two workers, of which each has its own ports, so that most answers come to the one that
/// does not have their connection.
pub(crate) fn play_apart(family: &Family) -> Vec<Outcome> {
    replay(family, 2).0
}

/// Counters of these groups that are not 0 when a family has been replayed, as `IcmpInMsgs`.
pub(crate) fn counters(family: &Family, groups: &[&str]) -> BTreeMap<String, u64> {
    let report: serde_json::Value = serde_json::from_slice(&replay(family, 1).1).expect("a report");
    let rows = report["counters"].as_array().expect("a list of counters");
    let word = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or("").to_owned();
    rows.iter()
        .filter(|row| groups.contains(&word(row, "group").as_str()))
        .filter_map(|row| {
            let name = format!("{}{}", word(row, "group"), word(row, "name"));
            row["value"].as_u64().filter(|value| *value > 0).map(|value| (name, value))
        })
        .collect()
}

/// What left because of each frame, and the report.
fn replay(family: &Family, workers: u16) -> (Vec<Outcome>, Vec<u8>) {
    let here = directory(family, "wagonway-given");
    let there = directory(family, "wagonway-wrote");
    for directory in [&here, &there] {
        match std::fs::remove_dir_all(directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                panic!("clear {}: {error}", directory.display())
            }
            _ => std::fs::create_dir_all(directory).expect("create a directory for captures"),
        }
    }
    let config = here.join("wagonway.toml");
    std::fs::write(&config, toml(&family.topology, None)).expect("write the configuration");
    for file in &family.topology.rules {
        std::fs::copy(netfilter::rule_file(file), here.join(file)).expect("copy the rules");
    }

    let times = schedule(&family.steps);
    let mut command = Command::new(env!("CARGO_BIN_EXE_wagonway"));
    command.args(["replay", "--json"]).arg("--config").arg(&config).arg("--write").arg(&there);
    command.args(["--strict-mac", "--strict-neighbours", "--workers", &workers.to_string()]);
    let (batch, script) = (here.join("batch"), here.join("commands"));
    std::fs::write(&batch, family.topology.more_batch()).expect("write the batch");
    command.arg("--ip-batch").arg(&batch);
    std::fs::write(&script, script_of(&family.steps, &times)).expect("write the commands");
    command.arg("--commands").arg(&script);
    for port in PORTS {
        let capture = here.join(format!("{port}.pcap"));
        write_input(&capture, port, &family.steps, &times);
        command.arg("--port").arg(format!("{port}={}", capture.display()));
    }
    let output = netns::run(&mut command);
    netns::check("wagonway replay", &output);
    let report: Report = serde_json::from_slice(&output.stdout).expect("a report");

    let mut outcomes = vec![Outcome::default(); family.steps.len() + 1];
    let asked = family.steps.iter().zip(&mut outcomes).filter(|(step, _)| step.command.is_some());
    asked.zip(report.commands).for_each(|((step, outcome), said)| {
        let of_netfilter = step.command.as_deref().is_some_and(|it| netfilter::call(it).is_some());
        outcome.say(if of_netfilter { said.of_netfilter() } else { said });
    });
    for port in PORTS {
        for sent in
            pcap::read(&there.join(format!("{port}.pcap"))).expect("read what Wagonway sent")
        {
            if !family.topology.chatty && is_chatter(&sent.frame) {
                continue;
            }
            let begun = times.partition_point(|begin| *begin <= sent.at);
            let step = match begun.checked_sub(1) {
                Some(step) => step,
                // What the router says of itself as it starts is nobody's effect.
                None if is_chatter(&sent.frame) => continue,
                None => panic!("sent before the first frame came: {:?}", sent.frame),
            };
            outcomes[step].push(port, sent.frame);
        }
    }
    let late = outcomes.pop().expect("one more than steps");
    assert!(late.is_nothing(), "sent after everything was over: {}", late.brief());
    (outcomes, output.stdout)
}

/// What is read of a replay's report.
#[derive(serde::Deserialize)]
struct Report {
    #[serde(default)]
    commands: Vec<Said>,
}

/// The commands among the steps with their times since the first frame.
fn script_of(steps: &[Step], times: &[Duration]) -> String {
    let commands = steps.iter().zip(times).filter_map(|(step, at)| {
        let since = *at - (START - SPACING);
        Some(format!(
            "{}.{:09} {}\n",
            since.as_secs(),
            since.subsec_nanos(),
            netfilter::spelled(step.command.as_ref()?)
        ))
    });
    commands.collect()
}

/// Runs Wagonway live on packet sockets and gives it a family frame by frame.
pub(crate) fn play_live(family: &Family) -> Vec<Outcome> {
    let namespace = Namespace::new("wagonway");
    let mut wires = Wires::new(family.topology.chatty);
    for port in family.topology.ports.iter().filter(|port| port.vlan.is_none()) {
        wires.plug(&namespace, port.name);
        namespace.ip(&format!("link set {} address {}", port.name, colons(port.mac)));
        namespace.ip(&format!("link set {} mtu {} up", port.name, port.mtu));
    }
    let config = process::write(&toml(&family.topology, Some("af_packet")));
    let batch = process::write(&family.topology.more_batch());
    let mut run = Command::new(env!("CARGO_BIN_EXE_wagonway"));
    run.arg("run").arg("--config").arg(config).arg("--ip-batch").arg(batch);
    let mut router = Process::spawn(&namespace, &mut run);
    let topology = &family.topology;
    if !topology.vrfs.is_empty() {
        let moment = Duration::from_millis(200);
        router.wait_until(|| wires.ask_ends(topology, moment, &mut Outcome::default()));
        // What was asked while it started may still be answered.
        sleep(moment);
        wires.ask_ends(topology, moment, &mut Outcome::default());
        let command = |words: &str| command_live(&namespace, words);
        return wires.play_with_answers(topology, &family.steps, command);
    }
    if topology.sysctls.iter().any(|(name, _)| name == "net.ipv6.conf.lan.accept_dad") {
        // Its addresses of the start are asked for as well.
        router.wait_until(|| wires.answer_questions());
        sleep(Duration::from_secs(2));
        wires.calm();
    }
    if !family.is_unsteady() {
        router.wait_until(|| wires.answer());
        return wires.play_with_sentinels(&family.steps);
    }
    router.wait_until(|| wires.answer_questions());
    wires.play_with_questions(&family.steps, |words| command_live(&namespace, words))
}

/// Carries a command out in the live router; a cable is pulled out of its device.
fn command_live(namespace: &Namespace, words: &str) -> Said {
    if let Some(netfilter::Call { program, args }) = netfilter::call(words) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wagonway"));
        command.args([program, "--instance", &instance()]).args(args);
        return Said::from(netns::run(&mut command)).of_netfilter();
    }
    let ask = |words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wagonway"));
        command.args(["ip", "--instance", &instance()]).args(words.split_whitespace());
        Said::from(netns::run(&mut command))
    };
    let Some((link, carrier)) = carrier_of(words) else { return ask(words) };
    namespace.ip(words);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let shown = ask(&format!("link show {link}"));
        if shown.out.contains("NO-CARRIER") != carrier {
            return Said::default();
        }
        assert!(Instant::now() < deadline, "carrier of {link}: {}", shown.out);
        sleep(Duration::from_millis(10));
    }
}

fn instance() -> String {
    format!("oracle-{}", std::process::id())
}

/// The frames that enter by one port. At the very beginning and the very end stands one that means
/// nothing to anybody, so that the clock runs from before the first step until the last is over.
fn write_input(path: &Path, port: &str, steps: &[Step], times: &[Duration]) {
    let last = ether(BROADCAST, [2, 0xee, 0, 0, 0, 1], 0x88b5, &[0; 46]);
    let given = steps
        .iter()
        .zip(times)
        .filter(|(step, _)| step.port == port)
        .map(|(step, at)| (*at, step.frame.as_slice()));
    let mut frames: Vec<(Duration, &[u8])> = vec![(START - SPACING, &last)];
    frames.extend(given);
    frames.push((times[steps.len()], &last));
    pcap::write(path, frames).expect("write a capture");
}

/// The configuration file that says what `ip -batch` says to Linux.
fn toml(topology: &Topology, driver: Option<&str>) -> String {
    let mut text = format!(
        "[instance]\nname = \"{}\"\n\n[workers]\ncount = 1\nspread = \"off\"\nidle = \"adaptive\"\n\n\
         [dpdk]\nhuge = \"never\"\nin-memory = true\n",
        instance()
    );
    for Vrf { name, table, addresses } in &topology.vrfs {
        let own = topology.ports.iter().filter(|port| port.vrf == Some(*name));
        let interfaces: Vec<_> = own.map(|port| port.name).collect();
        put(
            &mut text,
            format_args!(
                "\n[[vrf]]\nname = \"{name}\"\ntable = {table}\ninterfaces = {interfaces:?}\n\
                 addresses = {addresses:?}"
            ),
        );
    }
    for Port { name, mac, mtu, addresses, vlan, group, .. } in &topology.ports {
        let mac = colons(*mac);
        let which = match vlan {
            None => {
                let device = driver
                    .map(|driver| format!("device = \"{driver}:{name}\"\n"))
                    .unwrap_or_default();
                format!("[[port]]\nname = \"{name}\"\n{device}mac = \"{mac}\"")
            }
            Some((parent, vid)) => {
                format!("[[vlan]]\nname = \"{name}\"\nport = \"{parent}\"\nid = {vid}")
            }
        };
        put(&mut text, format_args!("\n{which}\naddresses = {addresses:?}\nmtu = {mtu}"));
        put(&mut text, format_args!("group = {group}"));
    }
    for route in &topology.routes {
        put(&mut text, format_args!("\n[[route]]\nto = \"{}\"", route.to));
        if let Some(kind) = route.kind {
            put(&mut text, format_args!("type = \"{kind}\""));
        }
        for (word, value) in &route.words {
            let hex = value.strip_prefix("0x").map(|hex| u32::from_str_radix(hex, 16));
            match hex.unwrap_or_else(|| value.parse::<u32>()) {
                Ok(number) => put(&mut text, format_args!("{word} = {number}")),
                Err(_) => put(&mut text, format_args!("{word} = \"{value}\"")),
            }
        }
    }
    for (_, toml) in &topology.statements {
        put(&mut text, format_args!("\n{toml}"));
    }
    for neighbour in &topology.neighbours {
        let (address, mac, port) = (neighbour.address, colons(neighbour.mac), neighbour.port);
        put(
            &mut text,
            format_args!(
                "\n[[neighbour]]\naddress = \"{address}\"\nlladdr = \"{mac}\"\ndev = \"{port}\""
            ),
        );
    }
    if !topology.rules.is_empty() {
        put(&mut text, format_args!("\n[netfilter]"));
    }
    for file in &topology.rules {
        let program = match file.rsplit_once('.') {
            Some((_, "v6")) => "ip6tables",
            Some((_, "json")) => "nftables",
            _ => "iptables",
        };
        // Beside the configuration where that has a place of its own.
        let path = match driver {
            None => file.clone(),
            Some(_) => netfilter::rule_file(file).display().to_string(),
        };
        put(&mut text, format_args!("{program} = \"{path}\""));
    }
    put(&mut text, format_args!("\n[sysctl]"));
    // Where Linux has no IPv6, it does not look for duplicates of its addresses either.
    if !topology.six && !format!("{topology:?}").contains("inet6") {
        for which in ["all", "default"] {
            put(&mut text, format_args!("\"net.ipv6.conf.{which}.disable_ipv6\" = 1"));
        }
    }
    for (name, value) in &topology.sysctls {
        match value.parse::<i64>() {
            Ok(value) => put(&mut text, format_args!("\"{name}\" = {value}")),
            Err(_) => put(&mut text, format_args!("\"{name}\" = \"{value}\"")),
        }
    }
    text
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("write to a string");
}
