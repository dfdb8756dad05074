//! What tools and the router say to each other: JSON, one value a line.
//!
//! A tool writes a [`Request`] in one line. A short answer is one line, `{"ok":true,"data":...}` or
//! `{"ok":false,"error":...}`. A long one starts with `{"ok":true,"stream":true}`, goes on with lines
//! `{"rows":[...]}`, and closes with `{"end":true}` or with an error. Then comes the next request.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::control::probe::spec::{ArpingSpec, PingSpec, TracerouteSpec};

/// Longest request in bytes.
pub const MAX_REQUEST: usize = 1 << 20;

/// Longest request with a batch in bytes.
pub const MAX_BATCH: usize = 64 << 20;

/// How a line with a batch begins; this tells its bound before all of it has come.
pub const BATCH_START: &str = "{\"ip_batch\":";

/// How a line with a command of the packet filter begins, which may hold a file of rules.
pub const TOOL_START: &str = "{\"tool\":";

/// What a tool asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub enum Request {
    /// A report.
    Show(Show),
    /// A command of iproute2; the words after `ip`.
    Ip(Vec<String>),
    /// Many of them.
    IpBatch(IpBatch),
    /// A command of one of the packet filter's programs.
    Tool(Tool),
    /// To follow packets.
    Trace(TraceRequest),
    /// To ping from the router; rows are events.
    Ping(PingSpec),
    /// To trace a route from the router; rows are events.
    Traceroute(TracerouteSpec),
    /// To ask by ARP from the router; rows are events.
    Arping(ArpingSpec),
}

/// A report that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Show {
    /// Rows of `InterfaceRow`.
    Interfaces,
    /// Rows of `RouteRow`.
    Routes(RouteQuery),
    /// Rows of `NeighbourRow`.
    Neighbours,
    /// Rows of `CounterRow`.
    Counters,
    /// Rows of `DropRow`.
    Drops,
    /// Rows of `NodeRow`.
    Graph,
    /// Rows of `WorkerRow`.
    Workers,
    /// Rows of `MemoryRow`.
    Memory,
    /// Rows of `RuleRow`.
    Rules,
    /// Rows of `NexthopRow`.
    Nexthops,
    /// Rows of `VrfRow`.
    Vrfs,
    /// Rows of `ExceptionRow`.
    Exceptions,
    /// Rows of `SessionRow`.
    Sessions,
    /// Rows of `ConnectionsRow`.
    Connections,
    /// Rows of `LogRow`, at most so many of the last.
    Log(Option<u64>),
    /// Rows of `FilterRow`; with a number those that were met most often.
    Filter(Option<u64>),
    /// Rows of `SetRow`.
    Sets,
    /// Rows of `NatRow`.
    Nat,
    /// Rows of `QueueRow`.
    Queues,
    /// Rows of `TalkerRow`, at most so many.
    Talkers(Option<u64>),
}

/// Which routes to show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteQuery {
    /// Routes of IPv6, where nothing else tells the family.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub six: bool,
    /// This prefix and those within it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<IpNet>,
    /// The routes that cover this address, the one in force first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covering: Option<IpAddr>,
    /// Routing table; `main` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// Most routes to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// A batch of iproute2's commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpBatch {
    /// The lines.
    pub text: String,
    /// Name of the file, for errors.
    pub name: String,
    /// Options that stood before `-batch`.
    pub options: Vec<String>,
}

/// A command line of `iptables` and its kin, of `ipset` or of `conntrack`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tool {
    /// Which: `iptables`, `ip6tables-restore`, `conntrack`, ...
    pub program: String,
    /// Its words.
    pub words: Vec<String>,
    /// What it would read from a file or from standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

/// Rows of an answer to [`Request::Ip`], [`Request::IpBatch`] and [`Request::Tool`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IpOutput {
    /// For standard output.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub out: String,
    /// For standard error.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub err: String,
    /// Exit status of `ip`; that of the last row counts.
    pub status: u8,
}

/// Which packets to follow. Rows of the answer are `TraceRow`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceRequest {
    /// How many.
    pub count: u16,
    /// IPv4 source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src: Option<Ipv4Net>,
    /// IPv4 destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst: Option<Ipv4Net>,
    /// IPv4 protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proto: Option<u8>,
    /// Ethertype.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ethertype: Option<u16>,
    /// Interface that they come in by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

/// A request as it is written.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wire {
    // First, so that a line with one begins with TOOL_START or BATCH_START.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<Tool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_batch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    show: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    routes: Option<RouteQuery>,
    #[serde(skip_serializing_if = "Option::is_none")]
    most: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<TraceRequest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ping: Option<PingSpec>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceroute: Option<TracerouteSpec>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arping: Option<ArpingSpec>,
}

impl Show {
    /// Its word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Interfaces => "interfaces",
            Self::Routes(_) => "routes",
            Self::Neighbours => "neighbours",
            Self::Counters => "counters",
            Self::Drops => "drops",
            Self::Graph => "graph",
            Self::Workers => "workers",
            Self::Memory => "memory",
            Self::Rules => "rules",
            Self::Nexthops => "nexthops",
            Self::Vrfs => "vrfs",
            Self::Exceptions => "exceptions",
            Self::Sessions => "sessions",
            Self::Connections => "connections",
            Self::Log(_) => "log",
            Self::Filter(_) => "filter",
            Self::Sets => "sets",
            Self::Nat => "nat",
            Self::Queues => "queues",
            Self::Talkers(_) => "talkers",
        }
    }
}

const ONE_OF: &str =
    "a request has one of show, ip, ip_batch, tool, trace, ping, traceroute and arping";

impl From<Request> for Wire {
    fn from(request: Request) -> Self {
        let mut wire = Self::default();
        match request {
            Request::Show(show) => {
                wire.show = Some(show.word().to_owned());
                match show {
                    Show::Routes(query) if query != RouteQuery::default() => {
                        wire.routes = Some(query);
                    }
                    Show::Log(most) | Show::Filter(most) | Show::Talkers(most) => {
                        wire.most = most;
                    }
                    _ => {}
                }
            }
            Request::Ip(words) => wire.ip = Some(words),
            Request::IpBatch(batch) => {
                wire.ip_batch = Some(batch.text);
                wire.name = Some(batch.name);
                wire.options = Some(batch.options);
            }
            Request::Tool(tool) => wire.tool = Some(tool),
            Request::Trace(trace) => wire.trace = Some(trace),
            Request::Ping(ping) => wire.ping = Some(ping),
            Request::Traceroute(traceroute) => wire.traceroute = Some(traceroute),
            Request::Arping(arping) => wire.arping = Some(arping),
        }
        wire
    }
}

impl TryFrom<Wire> for Request {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        let (routes, most) = (wire.routes, wire.most);
        let show = |word: String| {
            Ok(Self::Show(match word.as_str() {
                "interfaces" => Show::Interfaces,
                "routes" => Show::Routes(routes.clone().unwrap_or_default()),
                "neighbours" => Show::Neighbours,
                "counters" => Show::Counters,
                "drops" => Show::Drops,
                "graph" => Show::Graph,
                "workers" => Show::Workers,
                "memory" => Show::Memory,
                "rules" => Show::Rules,
                "nexthops" => Show::Nexthops,
                "vrfs" => Show::Vrfs,
                "exceptions" => Show::Exceptions,
                "sessions" => Show::Sessions,
                "connections" => Show::Connections,
                "log" => Show::Log(most),
                "filter" => Show::Filter(most),
                "sets" => Show::Sets,
                "nat" => Show::Nat,
                "queues" => Show::Queues,
                "talkers" => Show::Talkers(most),
                _ => return Err(format!("there is no report {word:?}")),
            }))
        };
        let other = match (wire.ping, wire.traceroute, wire.arping, wire.tool) {
            (Some(ping), None, None, None) => Some(Self::Ping(ping)),
            (None, Some(traceroute), None, None) => Some(Self::Traceroute(traceroute)),
            (None, None, Some(arping), None) => Some(Self::Arping(arping)),
            (None, None, None, Some(tool)) => Some(Self::Tool(tool)),
            (None, None, None, None) => None,
            _ => return Err(ONE_OF.to_owned()),
        };
        if let Some(probe) = other {
            let alone = wire.show.is_none()
                && wire.ip.is_none()
                && wire.ip_batch.is_none()
                && wire.trace.is_none();
            return alone.then_some(probe).ok_or_else(|| ONE_OF.to_owned());
        }
        match (wire.show, wire.ip, wire.ip_batch, wire.trace) {
            (Some(word), None, None, None) => show(word),
            (None, Some(words), None, None) => Ok(Self::Ip(words)),
            (None, None, Some(text), None) => Ok(Self::IpBatch(IpBatch {
                text,
                name: wire.name.unwrap_or_else(|| "-".to_owned()),
                options: wire.options.unwrap_or_default(),
            })),
            (None, None, None, Some(trace)) => Ok(Self::Trace(trace)),
            _ => Err(ONE_OF.to_owned()),
        }
    }
}

/// One line of an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// False for an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    /// All of a short answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Rows follow.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// Some rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<Value>>,
    /// No more rows follow.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub end: bool,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Line {
    /// A short answer.
    pub fn data(data: Value) -> Self {
        Self { ok: Some(true), data: Some(data), ..Self::default() }
    }

    /// Rows follow.
    pub fn stream() -> Self {
        Self { ok: Some(true), stream: true, ..Self::default() }
    }

    /// Some rows.
    pub fn rows(rows: Vec<Value>) -> Self {
        Self { rows: Some(rows), ..Self::default() }
    }

    /// No more rows follow.
    pub fn end() -> Self {
        Self { end: true, ..Self::default() }
    }

    /// What is wrong, and what to do about it.
    pub fn error(error: impl Into<String>, hint: Option<String>) -> Self {
        Self { ok: Some(false), error: Some(error.into()), hint, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(request: &Request) -> String {
        let text = serde_json::to_string(request).unwrap();
        assert_eq!(&serde_json::from_str::<Request>(&text).unwrap(), request, "{text}");
        text
    }

    #[test]
    fn requests_are_short_enough_to_type() {
        assert_eq!(wire(&Request::Show(Show::Drops)), r#"{"show":"drops"}"#);
        let query = RouteQuery {
            within: Some("10.0.0.0/8".parse().unwrap()),
            limit: Some(5),
            ..RouteQuery::default()
        };
        assert_eq!(
            wire(&Request::Show(Show::Routes(query))),
            r#"{"show":"routes","routes":{"within":"10.0.0.0/8","limit":5}}"#
        );
        assert_eq!(
            wire(&Request::Show(Show::Routes(RouteQuery::default()))),
            r#"{"show":"routes"}"#
        );
        let words = ["route", "show"].map(str::to_owned).to_vec();
        assert_eq!(wire(&Request::Ip(words)), r#"{"ip":["route","show"]}"#);
        let trace = TraceRequest { count: 3, proto: Some(1), ..TraceRequest::default() };
        assert_eq!(wire(&Request::Trace(trace)), r#"{"trace":{"count":3,"proto":1}}"#);
        // The rest has the values that ping and traceroute have.
        let read = |text: &str| serde_json::from_str::<Request>(text).unwrap();
        let host = "192.0.2.1".parse().unwrap();
        assert_eq!(read(r#"{"ping":{"host":"192.0.2.1"}}"#), Request::Ping(PingSpec::to(host)));
        let trace = Request::Traceroute(TracerouteSpec::to(host));
        assert_eq!(read(r#"{"traceroute":{"host":"192.0.2.1"}}"#), trace);
        wire(&trace);
        let arping = Request::Arping(ArpingSpec::to(std::net::Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(read(r#"{"arping":{"host":"192.0.2.1"}}"#), arping);
        wire(&arping);
    }

    #[test]
    fn a_batch_can_be_told_by_its_first_bytes() {
        let batch = IpBatch { text: "route show\n".into(), name: "-".into(), options: vec![] };
        assert!(wire(&Request::IpBatch(batch)).starts_with(BATCH_START));
    }

    #[test]
    fn a_request_that_is_none_says_why() {
        let why = |text: &str| serde_json::from_str::<Request>(text).unwrap_err().to_string();
        assert!(why(r#"{"show":"weather"}"#).contains("there is no report \"weather\""));
        assert!(why(r#"{"show":"drops","ip":[]}"#).contains("one of show, ip"));
        assert!(why("{}").contains("one of show, ip"));
        assert!(why(r#"{"shwo":"drops"}"#).contains("unknown field `shwo`"));
    }
}
