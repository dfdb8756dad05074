//! Pages of `show` and `trace` as text.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::page::{Table, bytes, grouped, time};
use super::show_filter;
use crate::control::probe::spec::SessionRow;
use crate::iptables::date_text;
use crate::telemetry::report::{
    ConnectionsRow, DropRow, ExceptionRow, InterfaceRow, LogRow, MemoryRow, NeighbourRow,
    NexthopRow, NodeRow, RouteRow, RuleRow, TraceRow, VrfRow, WorkerRow,
};

macro_rules! put {
    ($to:expr, $($rest:tt)*) => { let _ = writeln!($to, $($rest)*); };
}

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Interfaces,
    Routes,
    Neighbours,
    Counters,
    Drops,
    Graph,
    Workers,
    Memory,
    Rules,
    Nexthops,
    Vrfs,
    Exceptions,
    Sessions,
    Connections,
    Log,
    Filter,
    Sets,
    Nat,
    Queues,
    Talkers,
}

fn read<T: DeserializeOwned>(rows: Vec<Value>) -> Result<Vec<T>, serde_json::Error> {
    rows.into_iter().map(serde_json::from_value).collect()
}

/// The page of these rows.
pub(super) fn page(page: Page, rows: Vec<Value>) -> Result<String, serde_json::Error> {
    Ok(match page {
        Page::Interfaces => interfaces(&read(rows)?),
        Page::Routes => routes(&read(rows)?),
        Page::Neighbours => neighbours(&read(rows)?),
        Page::Counters => super::counters::page(&read(rows)?),
        Page::Drops => drops(&read(rows)?),
        Page::Graph => graph(&read(rows)?),
        Page::Workers => workers(&read(rows)?),
        Page::Memory => memory(&read(rows)?),
        Page::Rules => rules(&read(rows)?),
        Page::Nexthops => nexthops(&read(rows)?),
        Page::Vrfs => vrfs(&read(rows)?),
        Page::Exceptions => exceptions(&read(rows)?),
        Page::Sessions => sessions(&read(rows)?),
        Page::Connections => connections(&read(rows)?),
        Page::Log => log(&read(rows)?),
        Page::Filter => show_filter::filter(&read(rows)?),
        Page::Sets => show_filter::sets(&read(rows)?),
        Page::Nat => show_filter::nat(&read(rows)?),
        Page::Queues => show_filter::queues(&read(rows)?),
        Page::Talkers => show_filter::talkers(&read(rows)?),
    })
}

/// The page, or a word where there is nothing to tell.
fn or(table: &Table, nothing: &str) -> String {
    if table.is_empty() { format!("{nothing}\n") } else { table.text() }
}

fn interfaces(rows: &[InterfaceRow]) -> String {
    let mut text = String::new();
    for row in rows {
        let what = match (&row.device, &row.parent, row.vlan) {
            (Some(device), ..) => {
                let driver = row.driver.as_deref().unwrap_or("?");
                format!("{device} ({driver})")
            }
            (None, Some(parent), Some(vlan)) => format!("VLAN {vlan} on {parent}"),
            _ => row.table.map_or(String::new(), |table| format!("VRF of table {table}")),
        };
        let what = match &row.master {
            Some(master) => format!("{what}  in {master}"),
            None => what,
        };
        put!(
            text,
            "{}: {}  <{}>  {}  mtu {}  {}",
            row.index,
            row.name,
            row.flags.join(","),
            row.state,
            row.mtu,
            what
        );
        let speed = row.speed.map_or(String::new(), |speed| format!("  {speed} Mb/s"));
        let addresses: Vec<_> =
            row.addresses.iter().map(|own| format!("{}/{}", own.local, own.prefixlen)).collect();
        put!(text, "    {}{speed}  {}", row.mac, addresses.join(" "));
        put!(
            text,
            "    in  {} packets, {}; {} broken, {} missed by the device",
            grouped(row.rx_packets),
            bytes(row.rx_bytes),
            grouped(row.rx_errors),
            grouped(row.rx_missed)
        );
        put!(
            text,
            "    out {} packets, {}; {} not sent, {} failed in the device",
            grouped(row.tx_packets),
            bytes(row.tx_bytes),
            grouped(row.tx_dropped),
            grouped(row.tx_errors)
        );
    }
    text
}

fn routes(rows: &[RouteRow]) -> String {
    let mut text = String::new();
    for row in rows {
        let mut words = Vec::new();
        words.extend(row.kind.clone());
        words.push(row.dst.clone());
        let mut pair = |word: &str, value: &Option<String>| {
            if let Some(value) = value {
                words.push(format!("{word} {value}"));
            }
        };
        pair("from", &row.from);
        pair("tos", &row.tos);
        pair("nhid", &row.nhid.map(|id| id.to_string()));
        pair("via", &row.gateway);
        pair("via inet6", &row.via.as_ref().map(|via| via.host.clone()));
        pair("dev", &row.dev);
        pair("table", &row.table);
        pair("proto", &row.protocol);
        pair("scope", &row.scope);
        pair("src", &row.prefsrc);
        pair("metric", &row.metric.map(|metric| metric.to_string()));
        words.extend(row.flags.iter().cloned());
        for metrics in &row.metrics {
            words.extend(metrics.iter().map(|(name, value)| format!("{name} {value}")));
        }
        put!(text, "{}", words.join(" "));
        for hop in &row.nexthops {
            let mut via = hop.gateway.as_ref().map_or(String::new(), |via| format!(" via {via}"));
            if let Some(other) = &hop.via {
                via = format!(" via {} {}", other.family, other.host);
            }
            let dev = hop.dev.as_ref().map_or(String::new(), |dev| format!(" dev {dev}"));
            let flags: String = hop.flags.iter().map(|flag| format!(" {flag}")).collect();
            put!(text, "    nexthop{via}{dev} weight {}{flags}", hop.weight);
        }
    }
    if text.is_empty() { "no routes\n".into() } else { text }
}

fn neighbours(rows: &[NeighbourRow]) -> String {
    let mut table = Table::new(&[
        "address",
        "interface",
        "link-layer address",
        "state",
        ">timer",
        ">used",
        ">confirmed",
        ">updated",
        ">probes",
        ">waiting",
    ]);
    for row in rows {
        let lladdr = row.lladdr.clone().unwrap_or_else(|| "-".into());
        let words: Vec<&str> = row.state.iter().chain(&row.flags).map(String::as_str).collect();
        let timer = row.timer.map_or_else(|| "-".into(), |left| format!("{left:.1} s"));
        let mut cells = vec![row.dst.clone(), row.dev.clone(), lladdr, words.join(" "), timer];
        // A proxy entry is never used.
        let ages = [row.used, row.confirmed, row.updated].map(|age| match row.state.is_empty() {
            true => "-".into(),
            false => format!("{age} s"),
        });
        cells.extend(ages);
        cells.extend([row.probes.to_string(), row.waiting.to_string()]);
        table.row(cells);
    }
    or(&table, "no neighbours")
}

fn drops(rows: &[DropRow]) -> String {
    let mut table = Table::new(&["reason", ">packets", "meaning"]);
    for row in rows {
        table.row([row.reason.clone(), grouped(row.count), row.help.clone()]);
    }
    or(&table, "nothing was dropped")
}

/// Each node with what it cost, and below it where its packets went.
fn graph(rows: &[NodeRow]) -> String {
    let mut text = String::new();
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    for row in rows.iter().filter(|row| row.packets > 0) {
        put!(
            text,
            "{:<width$}  {:>15} packets  {:>6.1} a batch  {:>8.1} cycles a packet{}",
            row.name,
            grouped(row.packets),
            row.packets_per_batch,
            row.cycles_per_packet,
            if row.input { "  (input)" } else { "" }
        );
        for edge in row.edges.iter().filter(|edge| edge.packets > 0) {
            let mark = if edge.drop { "x" } else { ">" };
            put!(text, "{:width$}  {:>15} {mark} {}", "", grouped(edge.packets), edge.to);
        }
    }
    let idle: Vec<_> =
        rows.iter().filter(|row| row.packets == 0).map(|row| row.name.as_str()).collect();
    if !idle.is_empty() {
        put!(text, "no packets yet: {}", idle.join(", "));
    }
    text
}

fn workers(rows: &[WorkerRow]) -> String {
    let mut table = Table::new(&[
        ">worker",
        ">core",
        "idle",
        ">busy",
        ">asleep",
        ">packets in",
        ">out",
        ">dropped",
        ">punted",
        ">handed on",
        ">cycles a packet",
        ">longest turn",
        ">over 100 us",
    ]);
    for row in rows {
        table.row([
            row.id.to_string(),
            row.core.map_or("any".into(), |core| core.to_string()),
            row.idle.clone(),
            format!("{:.1} %", row.busy_percent),
            format!("{:.1} %", row.asleep_percent),
            grouped(row.rx_packets),
            grouped(row.tx_packets),
            grouped(row.dropped),
            grouped(row.punted),
            grouped(row.handed_out),
            format!("{:.0}", row.cycles_per_packet),
            match row.longest_turn {
                0 => "under 10 us".into(),
                nanos => time(nanos),
            },
            grouped(row.stalls),
        ]);
    }
    table.text()
}

fn memory(rows: &[MemoryRow]) -> String {
    let mut table = Table::new(&["what", ">in use", ">limit", ">full", ">memory", "when full"]);
    for row in rows {
        let limited = row.limit > 0;
        let full = 100.0 * row.used as f64 / row.limit.max(1) as f64;
        table.row([
            row.name.clone(),
            grouped(row.used),
            if limited { grouped(row.limit) } else { "-".into() },
            if limited { format!("{full:.1} %") } else { "-".into() },
            if row.bytes > 0 { bytes(row.bytes) } else { "-".into() },
            row.help.clone(),
        ]);
    }
    table.text()
}

fn rules(rows: &[RuleRow]) -> String {
    let mut table = Table::new(&[">priority", "rule"]);
    for row in rows {
        table.row([row.priority.to_string(), row.words.clone()]);
    }
    table.text()
}

fn nexthops(rows: &[NexthopRow]) -> String {
    let mut table = Table::new(&[">id", "object", "buckets"]);
    for row in rows {
        let shares = row.shares.iter().map(|share| format!("{} of {}", share.buckets, share.id));
        let shares: Vec<_> = shares.collect();
        table.row([row.id.to_string(), row.words.clone(), shares.join(", ")]);
    }
    or(&table, "no next-hop objects")
}

fn vrfs(rows: &[VrfRow]) -> String {
    let mut table = Table::new(&["VRF", ">table", ">prefixes", "interfaces"]);
    for row in rows {
        table.row([
            row.name.clone(),
            row.table.to_string(),
            grouped(row.prefixes),
            row.interfaces.join(" "),
        ]);
    }
    or(&table, "no VRFs")
}

fn exceptions(rows: &[ExceptionRow]) -> String {
    let mut table = Table::new(&["destination", "gateway", ">path MTU", ">seconds left"]);
    for row in rows {
        let lock = if row.locked { "lock " } else { "" };
        table.row([
            row.dst.clone(),
            row.gateway.clone().unwrap_or_else(|| "-".into()),
            row.mtu.map_or("-".into(), |mtu| format!("{lock}{mtu}")),
            row.expires.to_string(),
        ]);
    }
    or(&table, "nothing was learned")
}

fn sessions(rows: &[SessionRow]) -> String {
    let mut table = Table::new(&[">id", "what", "to", "from", "by", ">sent", ">answered"]);
    for row in rows {
        table.row([
            row.id.to_string(),
            row.kind.clone(),
            row.host.to_string(),
            row.source.to_string(),
            row.dev.clone().unwrap_or_else(|| "-".into()),
            grouped(row.sent),
            grouped(row.received),
        ]);
    }
    or(&table, "no sessions")
}

fn connections(rows: &[ConnectionsRow]) -> String {
    let mut table = Table::new(&[
        ">worker",
        ">connections",
        ">limit",
        ">new",
        ">ended",
        ">invalid",
        ">insert failed",
        ">drop",
        ">early drop",
        ">expected",
    ]);
    let line = |name: String, row: &ConnectionsRow| {
        let counts = [
            row.connections,
            row.limit,
            row.new,
            row.ended,
            row.invalid,
            row.insert_failed,
            row.drop,
            row.early_drop,
            row.expected,
        ];
        let mut cells = vec![name];
        cells.extend(counts.map(grouped));
        cells
    };
    let mut all = ConnectionsRow::default();
    for row in rows {
        table.row(line(row.worker.to_string(), row));
        all.connections += row.connections;
        all.limit += row.limit;
        all.new += row.new;
        all.ended += row.ended;
        all.invalid += row.invalid;
        all.insert_failed += row.insert_failed;
        all.drop += row.drop;
        all.early_drop += row.early_drop;
        all.expected += row.expected;
    }
    if rows.len() > 1 {
        table.row(line("all".into(), &all));
    }
    or(&table, "no workers")
}

/// Lines with their times, as the log of a machine has them.
pub(crate) fn log(rows: &[LogRow]) -> String {
    let mut text = String::new();
    for row in rows {
        let (seconds, micros) = (row.at / 1_000_000_000, row.at / 1000 % 1_000_000);
        let when = date_text(seconds as u32, 'T');
        put!(text, "{when}.{micros:06}Z {}: {}", row.level, row.text);
    }
    if text.is_empty() { "no rule has told of a packet\n".into() } else { text }
}

/// Steps of packets, in the order in which they come; each packet that begins has a heading.
#[derive(Default)]
pub(super) struct Trace {
    steps: u64,
    packet: u32,
}

impl Trace {
    /// The lines of a step.
    pub(super) fn step(&mut self, row: &TraceRow) -> String {
        self.steps += 1;
        let mut text = String::new();
        if row.input {
            put!(
                text,
                "packet {}  +{}  by {}  {}",
                row.packet,
                time(row.at),
                row.node,
                row.summary
            );
            self.packet = row.packet;
            return text;
        }
        if row.node.is_empty() {
            let which =
                if self.packet == row.packet { "" } else { &format!("packet {} ", row.packet) };
            put!(text, "        {which}{}", row.summary);
            return text;
        }
        // Where packets leave the graph nobody tells an edge.
        let gone = match row.node.as_str() {
            "tx" => Some("given to the device"),
            "arp-input" | "ip4-resolve" => Some("given to the management core"),
            _ => None,
        };
        let Some(to) = row.to.as_deref().or(gone) else { return text };
        // Steps of packets that travel together take turns.
        let which = if self.packet == row.packet {
            String::new()
        } else {
            format!("packet {} ", row.packet)
        };
        let mark = if row.drop { "ends:" } else { "->" };
        put!(text, "    {which}{} {mark} {to}  ({} bytes)", row.node, row.len);
        text
    }

    pub(super) fn end(&self) -> String {
        if self.steps == 0 { "no packet matched\n".into() } else { String::new() }
    }
}
