//! Reports that are made of all connections: which are translated, and who sends most.

use std::{collections::HashMap, net::IpAddr};

use super::Inquiry;
use crate::{
    conntrack::{Snapshot, Tuple, entry::status, show},
    netfilter::jobs::{Ask, Job, To, Translated, Which},
    telemetry::{
        desk::value,
        report::{NatRow, TalkerRow},
    },
};

/// Talkers that are told of, unless more are wanted.
const TALKERS: u64 = 10;

/// What a report has found so far.
#[derive(Debug)]
pub(super) enum Report {
    /// How many connections each worker has.
    Census,
    /// Translated connections.
    Nat(Vec<NatRow>),
    /// Octets and connections of each host.
    Talkers {
        /// Most hosts to tell of.
        most: u64,
        /// What each has sent and received.
        hosts: HashMap<IpAddr, TalkerRow>,
        /// Some connection is counted.
        counted: bool,
        /// There is some connection.
        any: bool,
    },
}

impl Report {
    /// Translated connections.
    pub(super) fn nat() -> (Self, Ask) {
        let any = Some(To::default());
        let translated = Translated { source: any, destination: any, either: true };
        let which = Which { translated, ..Which::default() };
        (Self::Nat(Vec::new()), Ask::List { which, clear: false })
    }

    /// Who sends and receives most.
    pub(super) fn talkers(most: Option<u64>) -> (Self, Ask) {
        let most = most.unwrap_or(TALKERS);
        let report = Self::Talkers { most, hosts: HashMap::new(), counted: false, any: false };
        (report, Ask::List { which: Which::default(), clear: false })
    }

    /// A worker has done a step.
    pub(super) fn take(&mut self, worker: usize, job: &Job) {
        match self {
            Self::Census => {}
            Self::Nat(rows) => rows.extend(job.found.iter().map(|one| translated(worker, one))),
            Self::Talkers { hosts, counted, any, .. } => {
                for one in &job.found {
                    *any = true;
                    *counted |= one.counts.is_some();
                    count(hosts, one);
                }
            }
        }
    }

    /// What it tells; a sentence where it cannot.
    pub(super) fn rows(self, inquiry: Inquiry) -> Result<Vec<serde_json::Value>, &'static str> {
        Ok(match self {
            Self::Census => inquiry.rows().into_iter().map(value).collect(),
            Self::Nat(rows) => rows.into_iter().map(value).collect(),
            Self::Talkers { any: true, counted: false, .. } => {
                return Err("packets and octets of connections are not counted");
            }
            Self::Talkers { most, hosts, .. } => {
                let mut rows: Vec<TalkerRow> = hosts.into_values().collect();
                rows.sort_by(|one, other| {
                    let sum = |row: &TalkerRow| row.sent_bytes + row.received_bytes;
                    sum(other).cmp(&sum(one)).then_with(|| one.host.cmp(&other.host))
                });
                rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
                rows.into_iter().map(value).collect()
            }
        })
    }
}

/// An address with its port, in the words of a line.
fn end(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V6(address) => format!("[{address}]:{port}"),
        IpAddr::V4(address) => format!("{address}:{port}"),
    }
}

fn ends(tuple: &Tuple) -> [String; 2] {
    let (src, dst) = (tuple.src.ip(tuple.six), tuple.dst.ip(tuple.six));
    [end(src, tuple.sport), end(dst, tuple.dport)]
}

/// The row of a translated connection: how its packets come, and how they leave.
fn translated(worker: usize, one: &Snapshot) -> NatRow {
    let [original, reply] = &one.tuples;
    let [source, destination] = ends(original);
    // Answers come the other way.
    let [new_destination, new_source] = ends(reply);
    let kind = match (one.is(status::SRC_NAT), one.is(status::DST_NAT)) {
        (true, true) => "both",
        (true, false) => "source",
        _ => "destination",
    };
    NatRow {
        worker: worker as u64,
        protocol: show::transport(original.proto).to_owned(),
        kind: kind.to_owned(),
        source,
        destination,
        new_source,
        new_destination,
        state: one.state.name().unwrap_or_default().to_owned(),
        seconds: one.left / 1_000_000_000,
    }
}

/// Adds a connection to both of its hosts.
fn count(hosts: &mut HashMap<IpAddr, TalkerRow>, one: &Snapshot) {
    let original = &one.tuples[0];
    let [packets, bytes, back, back_bytes] = one.counts.unwrap_or_default();
    let sides = [
        (original.src, [packets, bytes], [back, back_bytes]),
        (original.dst, [back, back_bytes], [packets, bytes]),
    ];
    for (address, sent, received) in sides {
        let host = address.ip(original.six);
        let row = hosts
            .entry(host)
            .or_insert_with(|| TalkerRow { host: host.to_string(), ..TalkerRow::default() });
        row.connections += 1;
        row.sent_packets += sent[0];
        row.sent_bytes += sent[1];
        row.received_packets += received[0];
        row.received_bytes += received[1];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conntrack::Addr;

    fn connection(src: &str, port: u16, counts: Option<[u64; 4]>) -> Snapshot {
        let address = |text: &str| Addr::from(text.parse::<IpAddr>().unwrap());
        let tuple = |src, sport, dst, dport| Tuple {
            src: address(src),
            dst: address(dst),
            sport,
            dport,
            proto: 17,
            ..Tuple::default()
        };
        let tuples =
            [tuple(src, port, "192.0.2.9", 53), tuple("192.0.2.9", 53, "192.0.2.1", 1024 + port)];
        let status = status::SRC_NAT;
        Snapshot { tuples, status, counts, left: 30_000_000_000, ..Snapshot::default() }
    }

    fn job(found: Vec<Snapshot>, ask: Ask) -> Job {
        let mut job = Job::new(0, ask);
        job.found = found;
        job
    }

    #[test]
    fn translated_connections_are_told_as_they_come_and_as_they_leave() {
        let (mut report, ask) = Report::nat();
        report.take(1, &job(vec![connection("10.0.0.7", 5, None)], ask));
        let Report::Nat(rows) = report else { panic!() };
        let row = &rows[0];
        assert_eq!((row.worker, row.kind.as_str(), row.seconds), (1, "source", 30));
        assert_eq!((row.source.as_str(), row.destination.as_str()), ("10.0.0.7:5", "192.0.2.9:53"));
        assert_eq!(row.new_source, "192.0.2.1:1029");
        assert_eq!(row.new_destination, row.destination);
    }

    #[test]
    fn hosts_are_told_by_their_octets() {
        let (mut report, ask) = Report::talkers(Some(2));
        let found = vec![
            connection("10.0.0.7", 1, Some([1, 100, 2, 50])),
            connection("10.0.0.7", 2, Some([1, 100, 0, 0])),
            connection("10.0.0.8", 3, Some([1, 10, 0, 0])),
        ];
        report.take(0, &job(found, ask));
        let rows = report.rows(Inquiry::census()).unwrap();
        let told = |at: usize, field: &str| rows[at][field].clone();
        assert_eq!(rows.len(), 2);
        assert_eq!((told(0, "host"), told(0, "received_bytes")), ("192.0.2.9".into(), 210.into()));
        assert_eq!((told(1, "host"), told(1, "sent_bytes")), ("10.0.0.7".into(), 200.into()));
        assert_eq!((told(1, "received_bytes"), told(1, "connections")), (50.into(), 2.into()));
        let (mut report, ask) = Report::talkers(None);
        report.take(0, &job(vec![connection("10.0.0.7", 1, None)], ask));
        assert!(report.rows(Inquiry::census()).is_err(), "nobody counts");
    }
}
