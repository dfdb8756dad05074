//! Wagonway as the router: a replay of captures on a virtual clock, or live on the wires.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::frame::{BROADCAST, ether};
use crate::common::netns::{self, Namespace};
use crate::common::pcap;
use crate::common::process::Process;
use crate::corpus::{Family, Step};
use crate::outcome::{Outcome, PORTS};
use crate::record::{directory, schedule};
use crate::topology::{Port, Topology, colons};
use crate::wires::Wires;

/// Replays a family through Wagonway and tells, for each frame, what left because of it.
pub(crate) fn play(family: &Family) -> Vec<Outcome> {
    replay(family).0
}

/// Counters of these groups that are not 0 when a family has been replayed, as `IcmpInMsgs`.
pub(crate) fn counters(family: &Family, groups: &[&str]) -> BTreeMap<String, u64> {
    let report: serde_json::Value = serde_json::from_slice(&replay(family).1).expect("a report");
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
fn replay(family: &Family) -> (Vec<Outcome>, Vec<u8>) {
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

    let times = schedule(&family.steps);
    let mut command = Command::new(env!("CARGO_BIN_EXE_wagonway"));
    command.args(["replay", "--json"]).arg("--config").arg(&config).arg("--write").arg(&there);
    command.args(["--strict-mac", "--strict-neighbours"]);
    for port in PORTS {
        let capture = here.join(format!("{port}.pcap"));
        write_input(&capture, port, &family.steps, &times);
        command.arg("--port").arg(format!("{port}={}", capture.display()));
    }
    let output = netns::run(&mut command);
    netns::check("wagonway replay", &output);

    let mut outcomes = vec![Outcome::default(); family.steps.len() + 1];
    for port in PORTS {
        for sent in
            pcap::read(&there.join(format!("{port}.pcap"))).expect("read what Wagonway sent")
        {
            let begun = times.partition_point(|begin| *begin <= sent.at);
            let step = begun.checked_sub(1).expect("nothing is sent before the first frame comes");
            outcomes[step].push(port, sent.frame);
        }
    }
    let late = outcomes.pop().expect("one more than steps");
    assert!(late.is_nothing(), "sent after everything was over: {}", late.brief());
    (outcomes, output.stdout)
}

/// Runs Wagonway live on packet sockets and gives it a family frame by frame.
pub(crate) fn play_live(family: &Family) -> Vec<Outcome> {
    let namespace = Namespace::new("wagonway");
    let mut wires = Wires::new();
    for port in family.topology.ports.iter().filter(|port| port.vlan.is_none()) {
        wires.plug(&namespace, port.name);
        namespace.ip(&format!("link set {} address {}", port.name, colons(port.mac)));
        namespace.ip(&format!("link set {} mtu {} up", port.name, port.mtu));
    }
    let mut router = Process::start(&namespace, &toml(&family.topology, Some("af_packet")));
    router.wait_until(|| wires.answer());
    wires.play_with_sentinels(&family.steps)
}

/// The frames that enter by one port, and at the very end one that means nothing to anybody, so
/// that the clock runs on until the last step is over.
fn write_input(path: &Path, port: &str, steps: &[Step], times: &[Duration]) {
    let last = ether(BROADCAST, [2, 0xee, 0, 0, 0, 1], 0x88b5, &[0; 46]);
    let mut frames: Vec<(Duration, &[u8])> = steps
        .iter()
        .zip(times)
        .filter(|(step, _)| step.port == port)
        .map(|(step, at)| (*at, step.frame.as_slice()))
        .collect();
    frames.push((times[steps.len()], &last));
    pcap::write(path, frames).expect("write a capture");
}

/// The configuration file that says what `ip -batch` says to Linux.
fn toml(topology: &Topology, driver: Option<&str>) -> String {
    let mut text = format!(
        "[instance]\nname = \"oracle-{}\"\n\n[workers]\ncount = 1\nidle = \"adaptive\"\n\n\
         [dpdk]\nhuge = \"never\"\nin-memory = true\n",
        std::process::id()
    );
    for Port { name, mac, mtu, addresses, vlan, group } in &topology.ports {
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
    put(&mut text, format_args!("\n[sysctl]"));
    for (name, value) in &topology.sysctls {
        put(&mut text, format_args!("\"{name}\" = {value}"));
    }
    text
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("write to a string");
}
