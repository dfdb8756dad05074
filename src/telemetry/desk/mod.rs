//! The desk at which a running router answers: reports, commands of iproute2, and traces.
//!
//! - takes: [`Request`]s, one at a time, on the management core
//! - gives: rows, or what `ip` would print; changes take effect with the next publication
//! - costs: workers notice nothing of it; a long answer is made in pieces, packets in between

pub mod conntrack;
mod direct;
mod filter;
mod ip;
mod label;
mod log;
mod maddr;
mod monitor;
mod neigh;
pub mod nfct;
mod policy;
mod probe;
mod route;
mod route6;
mod rows;
pub mod tool;

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;
use serde::Serialize;
use serde_json::Value;

use super::{
    protocol::{IpBatch, IpOutput, Request, RouteQuery, Show, TraceRequest},
    report::TraceRow,
    socket::{Answer, Reply},
    tally::{Tally, target},
};
use crate::{
    control::{Router, families::Kept},
    dpdk::{
        eal::tsc_hz,
        mempool::Pool,
        port::{DeviceStats, Link},
    },
    graph::{
        Nanos,
        trace::{Filter, Session, Where},
    },
    iproute2::{self, Inet, Options},
    packet::MacAddr,
    route::rib::{Prefix, shelf},
};

/// A device under a port.
#[derive(Clone, Debug, Default)]
pub struct DeviceFacts {
    /// Number in DPDK.
    pub port: u16,
    /// As the configuration writes it.
    pub device: String,
    /// Its driver.
    pub driver: String,
    /// State of its link.
    pub link: Link,
    /// What it has counted.
    pub stats: DeviceStats,
}

/// A limit of the router outside of its tables: packets in rings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rings {
    /// Packets that wait for the management core.
    pub punted: u64,
    /// Packets that wait for workers.
    pub injected: u64,
    /// Room for each.
    pub limit: u64,
}

/// All that there is to tell.
pub struct Desk<'a> {
    /// The tables.
    pub router: &'a mut Router,
    /// The counters.
    pub tally: Counters<'a>,
    /// Each worker's core and idle policy.
    pub workers: &'a [(Option<usize>, &'static str)],
    /// Devices, by port.
    pub devices: &'a dyn Fn() -> Vec<DeviceFacts>,
    /// Gives the device of a port another link-layer address, or says why not.
    pub set_mac: &'a dyn Fn(u16, MacAddr) -> Result<(), String>,
    /// Packet buffers.
    pub pool: &'a Pool,
    /// How full the rings are.
    pub rings: Rings,
    /// The way to the workers' connections, where they run by themselves.
    pub post: Option<&'a mut conntrack::post::Post>,
    /// The router's clock.
    pub now: Nanos,
}

/// What a [`Tally`] adds up, but for what the router itself has dropped.
#[derive(Clone, Copy)]
pub struct Counters<'a> {
    /// By worker.
    pub stats: &'a [Arc<crate::graph::Stats>],
    /// Names of each worker's inputs.
    pub inputs: &'a [Vec<String>],
    /// Nodes and their edges.
    pub shape: &'a [(&'static str, &'static [crate::graph::Edge])],
}

/// Lines of a batch between two looks at the packets.
const BATCH_LINES: usize = 1000;
/// Routes in one piece of an answer.
const ROUTES: usize = 2000;
/// How often a trace is looked after.
const TRACE_PAUSE: Duration = Duration::from_millis(20);

/// Where a long answer goes on.
pub enum Cursor {
    /// Prefixes of which rows are wanted, the next one, the table, and how many rows are left.
    Routes(Vec<IpNet>, usize, u32, u64),
    /// Commands of a batch, and where the next one starts.
    Batch(Box<Batch>),
    /// What `ip monitor` has to tell, by the number of the watcher.
    Monitor(Box<monitor::Watch>),
    /// A trace, and its first time.
    Trace(Arc<Session>, Option<Nanos>),
    /// A ping or a traceroute.
    Probe(u16),
    /// What workers are asked about their connections.
    Flows(Box<conntrack::Errand>),
}

/// A batch under way.
pub struct Batch {
    name: String,
    force: bool,
    json: Options,
    lines: std::vec::IntoIter<(usize, Vec<String>)>,
    status: u8,
}

fn value(row: impl Serialize) -> Value {
    serde_json::to_value(row).unwrap_or(Value::Null)
}

fn rows(all: Vec<impl Serialize>) -> Reply<Cursor> {
    Reply::LastRows(all.into_iter().map(value).collect())
}

impl<'a> Desk<'a> {
    fn tally(&self) -> Tally<'_> {
        Tally {
            stats: self.tally.stats,
            inputs: self.tally.inputs,
            shape: self.tally.shape,
            dropped: self.router.dropped(),
            counted: self.router.counts(),
        }
    }

    fn show(&mut self, show: Show) -> Reply<Cursor> {
        match show {
            Show::Interfaces => rows(self.interface_rows()),
            Show::Routes(query) => self.routes(&query),
            Show::Neighbours => rows(self.neighbour_rows()),
            Show::Counters => {
                let mut all = self.tally().counters();
                all.extend(self.neighbour_counters());
                all.extend(self.log_counters());
                all.extend(self.queue_counters());
                rows(all)
            }
            Show::Drops => rows(self.tally().drops()),
            Show::Graph => rows(self.tally().nodes()),
            Show::Workers => rows(self.tally().workers(self.workers, tsc_hz())),
            Show::Memory => rows(self.memory_rows()),
            Show::Rules => rows(self.rule_rows()),
            Show::Nexthops => rows(self.nexthop_rows()),
            Show::Vrfs => rows(self.vrf_rows()),
            Show::Exceptions => rows(self.exception_rows()),
            Show::Sessions => self.session_rows(),
            Show::Connections => self.connection_rows(),
            Show::Log(most) => rows(self.log_rows(most)),
            Show::Filter(most) => rows(self.filter_rows(most)),
            Show::Sets => rows(self.set_rows()),
            Show::Nat => self.nat_rows(),
            Show::Queues => rows(self.queue_rows()),
            Show::Talkers(most) => self.talker_rows(most),
        }
    }

    fn routes(&mut self, query: &RouteQuery) -> Reply<Cursor> {
        let six = query.six
            || query.covering.is_some_and(|address| address.is_ipv6())
            || query.within.is_some_and(|net| matches!(net, IpNet::V6(_)));
        let prefixes =
            if six { self.prefixes_for::<u128>(query) } else { self.prefixes_for::<u32>(query) };
        let table = query.table.unwrap_or(crate::route::spec::table::MAIN);
        let most = query.limit.unwrap_or(u64::MAX);
        self.more_routes(prefixes, 0, table, most)
    }

    fn prefixes_for<B: Kept>(&self, query: &RouteQuery) -> Vec<IpNet> {
        let rib = B::routes(self.router).rib();
        let table = query.table.unwrap_or(crate::route::spec::table::MAIN);
        if let Some(address) = query.covering.and_then(B::of) {
            return rib.matches(table, address).map(|(prefix, _)| prefix.net()).collect();
        }
        let here = |(of, prefix): (u32, Prefix<B>)| (of == shelf(table)).then_some(prefix.net());
        let within = |net: &IpNet| query.within.is_none_or(|whole| whole.contains(net));
        rib.sorted().into_iter().filter_map(here).filter(within).collect()
    }

    fn more_routes(
        &mut self,
        prefixes: Vec<IpNet>,
        from: usize,
        table: u32,
        most: u64,
    ) -> Reply<Cursor> {
        let to = prefixes.len().min(from + ROUTES);
        let mut found = Vec::new();
        for prefix in &prefixes[from..to] {
            found.extend(self.route_rows_of(*prefix, table).into_iter().map(value));
        }
        let left = most.saturating_sub(found.len() as u64);
        found.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        if to == prefixes.len() || left == 0 {
            return Reply::LastRows(found);
        }
        let next = Cursor::Routes(prefixes, to, table, left);
        Reply::Rows { rows: found, next, pause: Duration::ZERO }
    }

    fn one_command(&mut self, words: &[&str]) -> IpOutput {
        let command = match iproute2::parse(words) {
            Ok(command) => command,
            Err(error) => {
                let (err, status) = (line(&error.to_string()), error.exit_status());
                return IpOutput { out: String::new(), err, status };
            }
        };
        match self.execute(&command) {
            Ok(out) => IpOutput { out, ..IpOutput::default() },
            Err(refused) => {
                let (err, status) = (line(&refused.message), refused.status);
                IpOutput { out: String::new(), err, status }
            }
        }
    }

    fn batch(&mut self, batch: IpBatch) -> Reply<Cursor> {
        let words: Vec<&str> = batch.options.iter().map(String::as_str).collect();
        let mut with_object = words.clone();
        with_object.push("link");
        let options = iproute2::parse(&with_object).map(|command| command.options);
        let options = options.unwrap_or_default();
        let lines: Vec<_> = iproute2::batch::lines(&batch.text).collect();
        let batch = Batch {
            name: batch.name,
            force: options.force,
            json: options,
            lines: lines.into_iter(),
            status: 0,
        };
        self.more_lines(Box::new(batch))
    }

    fn more_lines(&mut self, mut batch: Box<Batch>) -> Reply<Cursor> {
        let mut said = IpOutput::default();
        let mut done = 0;
        while done < BATCH_LINES
            && let Some((number, words)) = batch.lines.next()
        {
            done += 1;
            let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
            if words.first() == Some(&"ip") {
                words.remove(0);
            }
            if batch.json.json {
                words.insert(0, "-json");
            }
            match batch.json.family {
                Inet::Any => {}
                Inet::Four => words.insert(0, "-4"),
                Inet::Six => words.insert(0, "-6"),
            }
            let one = self.one_command(&words);
            said.out += &one.out;
            said.err += &one.err;
            if one.status != 0 {
                batch.status = 1;
                said.err += &format!("Command failed {}:{number}\n", batch.name);
                if !batch.force {
                    batch.lines = Vec::new().into_iter();
                }
            }
        }
        self.router.commit();
        said.status = batch.status;
        if batch.lines.len() == 0 {
            return Reply::LastRows(vec![value(said)]);
        }
        let rows =
            if said.out.is_empty() && said.err.is_empty() { vec![] } else { vec![value(said)] };
        Reply::Rows { rows, next: Cursor::Batch(batch), pause: Duration::ZERO }
    }

    fn trace(&mut self, request: &TraceRequest) -> Reply<Cursor> {
        let input = match &request.input {
            None => None,
            Some(name) => match self.router.iface(name) {
                Some(iface) => Some(iface.port),
                None => {
                    let error = format!("there is no interface {name:?}");
                    let hint = Some("`wagonway show interfaces` lists them".to_owned());
                    return Reply::Error { error, hint };
                }
            },
        };
        if self.router.trace().is_some() {
            let hint = Some("wait until it has ended".to_owned());
            return Reply::Error { error: "somebody else is tracing".into(), hint };
        }
        let filter = Filter {
            src: request.src,
            dst: request.dst,
            proto: request.proto,
            ethertype: request.ethertype,
            port: input,
        };
        let session = Session::new(filter, request.count.max(1));
        self.router.set_trace(Some(Arc::clone(&session)));
        self.router.commit();
        Reply::Rows { rows: Vec::new(), next: Cursor::Trace(session, None), pause: TRACE_PAUSE }
    }

    fn more_steps(&mut self, session: Arc<Session>, mut first: Option<Nanos>) -> Reply<Cursor> {
        // Before the events are taken: what completes it has then been noted, or comes next time.
        let complete = session.complete();
        let mut found = Vec::new();
        while let Some(event) = session.pop() {
            let start = *first.get_or_insert(event.at);
            let node = |node: u8| self.tally.shape.get(usize::from(node)).copied();
            let name = |place: u8| node(place).map_or("?", |(name, _)| name).to_owned();
            let head = &event.head[..usize::from(event.head_len)];
            let mut row = TraceRow {
                packet: u32::from(event.id),
                at: event.at.saturating_sub(start),
                node: String::new(),
                to: None,
                drop: false,
                input: false,
                summary: String::new(),
                len: event.len,
                head: head.iter().map(|byte| format!("{byte:02x}")).collect(),
            };
            match event.place {
                Where::Input(input) => {
                    let names = self.tally.inputs.first();
                    let name = names.and_then(|names| names.get(usize::from(input)));
                    row.node = name.cloned().unwrap_or_default();
                    row.input = true;
                    row.summary = summary(head);
                }
                Where::Node(place) => row.node = name(place),
                Where::Edge(place, edge) => {
                    row.node = name(place);
                    let edge = node(place).and_then(|(_, edges)| edges.get(usize::from(edge)));
                    if let Some((to, drop)) = edge.map(target) {
                        (row.to, row.drop) = (Some(to.to_owned()), drop);
                    }
                }
                Where::Rule(number) => {
                    row.head.clear();
                    row.summary = format!("{}:{number}", String::from_utf8_lossy(head));
                }
            }
            found.push(value(row));
        }
        if complete && found.is_empty() {
            self.end_trace();
            return Reply::LastRows(found);
        }
        Reply::Rows { rows: found, next: Cursor::Trace(session, first), pause: TRACE_PAUSE }
    }

    fn end_trace(&mut self) {
        self.router.set_trace(None);
        self.router.commit();
    }
}

/// A line of its own.
fn line(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

/// A packet in a line.
fn summary(frame: &[u8]) -> String {
    use crate::packet::{ipv4::Ipv4View, vlan};
    let Ok(peeled) = vlan::peel(frame) else { return "no whole Ethernet header".into() };
    let kind = frame.get(peeled.offset - 2..peeled.offset).unwrap_or_default();
    let tag = peeled.tags().first().map_or(String::new(), |tag| format!("vlan {} ", tag.tci.vid()));
    match kind {
        [8, 0] => match Ipv4View::new_quoted(peeled.payload) {
            Ok(ip) => format!(
                "{tag}IPv4 {} > {} proto {} ttl {} length {}",
                ip.src(),
                ip.dst(),
                ip.protocol(),
                ip.ttl(),
                ip.total_len()
            ),
            Err(_) => format!("{tag}IPv4, broken"),
        },
        [8, 6] => format!("{tag}ARP"),
        [high, low, ..] => format!("{tag}ethertype 0x{high:02x}{low:02x}"),
        _ => tag,
    }
}

impl Answer for Desk<'_> {
    type Cursor = Cursor;

    fn answer(&mut self, request: Request) -> Reply<Cursor> {
        match request {
            Request::Show(show) => self.show(show),
            Request::Ip(words) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                if let Some(reply) = self.monitor(&words) {
                    return reply;
                }
                let said = self.one_command(&words);
                self.router.commit();
                Reply::LastRows(vec![value(said)])
            }
            Request::IpBatch(batch) => self.batch(batch),
            Request::Tool(tool) if tool.program == "conntrack" => self.conntrack(&tool.words),
            Request::Tool(tool) => Reply::LastRows(vec![value(self.tool(&tool))]),
            Request::Trace(request) => self.trace(&request),
            Request::Arping(spec) => self.arping(spec),
            Request::Ping(spec) => self.ping(spec),
            Request::Traceroute(spec) => self.traceroute(spec),
        }
    }

    fn resume(&mut self, cursor: Cursor) -> Reply<Cursor> {
        match cursor {
            Cursor::Routes(prefixes, from, table, left) => {
                self.more_routes(prefixes, from, table, left)
            }
            Cursor::Batch(batch) => self.more_lines(batch),
            Cursor::Monitor(watch) => self.more_news(watch),
            Cursor::Trace(session, first) => self.more_steps(session, first),
            Cursor::Probe(id) => self.more_events(id),
            Cursor::Flows(errand) => self.more_flows(errand),
        }
    }

    fn abandon(&mut self, cursor: Cursor) {
        match cursor {
            Cursor::Trace(..) => self.end_trace(),
            Cursor::Monitor(watch) => self.router.unwatch(watch.id()),
            Cursor::Probe(id) => self.router.end_probe(id),
            Cursor::Flows(errand) => self.forget_flows(&errand),
            Cursor::Routes(..) | Cursor::Batch(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
