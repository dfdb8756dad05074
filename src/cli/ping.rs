//! `wagonway ping`: what `ping` of iputils prints, about requests that the router sends.
//!
//! - takes: events of a session
//! - gives: the lines and the exit status of `ping(8)`, or events as JSON

use std::{fmt::Write as _, net::Ipv4Addr};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::{
    Where, print,
    probe::{self, Complaint, OriginArgs, number},
};
use crate::{
    control::probe::spec::{Discovery, Event, PingSpec, Unsendable},
    telemetry::protocol::Request,
};

/// Words of `ping(8)`; those that have no meaning for a router are left out.
#[derive(Debug, Args)]
pub(super) struct PingArgs {
    /// Host or address.
    host: String,
    /// Stop after so many requests.
    #[arg(short = 'c', value_name = "COUNT")]
    count: Option<String>,
    /// Seconds from one request to the next; at least 0.002.
    #[arg(short = 'i', value_name = "INTERVAL")]
    interval: Option<String>,
    /// Bytes of data.
    #[arg(short = 's', value_name = "SIZE")]
    size: Option<String>,
    /// Time to live.
    #[arg(short = 't', value_name = "TTL")]
    ttl: Option<String>,
    /// Path MTU discovery: do, want or dont.
    #[arg(short = 'M', value_name = "HOW")]
    discovery: Option<String>,
    /// Seconds to wait for an answer when none has come, 0 for ever.
    #[arg(short = 'W', value_name = "TIMEOUT")]
    timeout: Option<String>,
    /// Seconds after which it ends in any case.
    #[arg(short = 'w', value_name = "DEADLINE")]
    deadline: Option<String>,
    /// Interface, VRF or source address.
    #[arg(short = 'I', value_name = "IFACE|ADDRESS")]
    from: Option<String>,
    /// Type of service.
    #[arg(short = 'Q', value_name = "TOS")]
    tos: Option<String>,
    /// Only the summary.
    #[arg(short = 'q')]
    quiet: bool,
    /// Addresses only; it prints no names in any case.
    #[arg(short = 'n')]
    numeric: bool,
    #[command(flatten)]
    origin: OriginArgs,
    #[command(flatten)]
    at: Where,
    /// Print events as JSON, one a line, and a summary at the end.
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str, what: &str) -> Result<u64, Complaint> {
    let bad = || Complaint::usage(format!("{what}: {text}"));
    let seconds: f64 = text.parse().map_err(|_| bad())?;
    if !(0.0..=2_147_483.0).contains(&seconds) {
        return Err(bad());
    }
    Ok((seconds * 1000.0).round() as u64)
}

impl PingArgs {
    fn spec(&self) -> Result<PingSpec, Complaint> {
        let most = i64::MAX as u64;
        let count = self.count.as_deref().map(|text| number(text, 1, most)).transpose()?;
        let mut spec = PingSpec::to(Ipv4Addr::UNSPECIFIED);
        spec.count = count;
        if let Some(text) = &self.interval {
            spec.interval_ms = seconds(text, "bad timing interval")?;
            if spec.interval_ms < PingSpec::MIN_INTERVAL_MS {
                return Err(Complaint::usage(
                    "cannot flood, minimal interval is 2 ms, use -i 0.002 (or higher)",
                ));
            }
        }
        if let Some(text) = &self.size {
            spec.size = number(text, 0, PingSpec::MAX_SIZE.into())? as u16;
        }
        if let Some(text) = &self.ttl {
            let ttl = number(text, 0, 255)? as u8;
            if ttl == 0 {
                let text = "cannot set unicast time-to-live: Invalid argument";
                return Err(Complaint::usage(text));
            }
            spec.ttl = Some(ttl);
        }
        if let Some(text) = &self.discovery {
            spec.discovery = match text.as_str() {
                "do" => Discovery::Do,
                "want" => Discovery::Want,
                "dont" => Discovery::Dont,
                _ => return Err(Complaint::usage(format!("invalid -M argument: {text}"))),
            };
        }
        if let Some(text) = &self.timeout {
            spec.timeout_ms = seconds(text, "bad linger time")?;
        }
        if let Some(text) = &self.deadline {
            spec.deadline_ms = Some(seconds(text, "bad wait time")?.max(1));
        }
        spec.origin = self.origin.origin(self.from.as_deref());
        spec.origin.tos = match &self.tos {
            Some(text) => probe::tos(text)?,
            None => 0,
        };
        Ok(spec)
    }
}

/// Pings; gives the exit status.
pub(super) fn run(args: &PingArgs) -> Result<u8, super::Failed> {
    let complain = |complaint: Complaint| {
        super::complain(&format!("ping: {}", complaint.text));
        Ok(complaint.status)
    };
    let mut spec = match args.spec() {
        Ok(spec) => spec,
        Err(complaint) => return complain(complaint),
    };
    spec.host = match probe::resolve(&args.host) {
        Ok(host) => host,
        Err(why) => return complain(Complaint::usage(format!("{}: {why}", args.host))),
    };
    let mut ping = Ping::new(&args.host, args.from.as_deref(), &spec, args.quiet);
    let json = args.json;
    let ended = probe::follow(&args.at, &Request::Ping(spec), |row| {
        if let Ok(event) = serde_json::from_value::<Event>(row.clone()) {
            let said = ping.event(&event);
            match json {
                true => print(&format!("{row}\n")),
                false => {
                    print(&said.out);
                    said.err.iter().for_each(|line| super::complain(line));
                }
            }
        }
    });
    match ended {
        Err(probe::Ended::Refused(why)) => return complain(ping.refused(&why)),
        Err(probe::Ended::Failed(failed)) => return Err(failed),
        Ok(()) => {}
    }
    match json {
        true => print(&format!("{}\n", ping.summary())),
        false => print(&ping.finish()),
    }
    Ok(ping.status())
}

/// What `ping` knows while it runs.
struct Ping {
    name: String,
    from: Option<String>,
    vrf: Option<String>,
    host: Ipv4Addr,
    size: u16,
    quiet: bool,
    deadline: bool,
    count: Option<u64>,
    began: Option<u64>,
    last: u64,
    sent: u64,
    received: u64,
    duplicates: u64,
    errors: u64,
    /// Most requests under way at a time.
    pipe: u64,
    times: Times,
}

#[derive(Default)]
struct Times {
    count: u64,
    least: u64,
    most: u64,
    sum: u64,
    squares: u128,
}

impl Times {
    fn add(&mut self, time: u64) {
        self.least = if self.count == 0 { time } else { self.least.min(time) };
        self.most = self.most.max(time);
        self.count += 1;
        self.sum += time;
        self.squares += u128::from(time) * u128::from(time);
    }

    /// The mean, and the deviation from it.
    fn mean(&self, total: u64) -> (u64, u64) {
        let total = total.max(1);
        let mean = self.sum / total;
        let square_of_sum = u128::from(self.sum) * u128::from(self.sum);
        let total = u128::from(total);
        let variance = self.squares.saturating_sub(square_of_sum / total) / total;
        (mean, variance.isqrt() as u64)
    }
}

#[derive(Serialize)]
struct Summary {
    event: &'static str,
    transmitted: u64,
    received: u64,
    duplicates: u64,
    errors: u64,
    loss_percent: f64,
    time_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ms: Option<RttSummary>,
}

#[derive(Serialize)]
struct RttSummary {
    min: f64,
    avg: f64,
    max: f64,
    mdev: f64,
}

/// What is to be printed, and where.
#[derive(Default)]
struct Said {
    out: String,
    err: Vec<String>,
}

/// Microseconds as milliseconds.
fn millis(micros: u64) -> String {
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

/// A round trip in a line, with as many digits as `ping` finds worth printing.
fn rounded(micros: u64) -> String {
    match micros {
        99_950.. => format!("{}", (micros + 500) / 1000),
        9_995.. => format!("{}.{}", (micros + 50) / 1000, (micros + 50) % 1000 / 100),
        1_000.. => format!("{}.{:02}", (micros + 5) / 1000, (micros + 5) % 1000 / 10),
        _ => millis(micros),
    }
}

/// A share as C's `%g` prints it.
fn percent(part: u64, whole: u64) -> String {
    let share = (part as f64 * 100.0 / whole as f64) as f32;
    let digits = if share >= 100.0 {
        3
    } else if share >= 10.0 {
        4
    } else {
        5
    };
    let text = format!("{share:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() { "0".into() } else { text.into() }
}

/// An ICMP error in `ping`'s words.
fn words(kind: u8, code: u8, info: u32) -> String {
    let text = match (kind, code) {
        (3, 0) => "Destination Net Unreachable",
        (3, 1) => "Destination Host Unreachable",
        (3, 2) => "Destination Protocol Unreachable",
        (3, 3) => "Destination Port Unreachable",
        (3, 4) => return format!("Frag needed and DF set (mtu = {})", info & 0xffff),
        (3, 5) => "Source Route Failed",
        (3, 6) => "Destination Net Unknown",
        (3, 7) => "Destination Host Unknown",
        (3, 8) => "Source Host Isolated",
        (3, 9) => "Destination Net Prohibited",
        (3, 10) => "Destination Host Prohibited",
        (3, 11) => "Destination Net Unreachable for Type of Service",
        (3, 12) => "Destination Host Unreachable for Type of Service",
        (3, 13) => "Packet filtered",
        (3, 14) => "Precedence Violation",
        (3, 15) => "Precedence Cutoff",
        (3, code) => return format!("Dest Unreachable, Bad Code: {code}"),
        (4, _) => "Source Quench",
        (5, code) => {
            let what = match code {
                0 => "Redirect Network",
                1 => "Redirect Host",
                2 => "Redirect Type of Service and Network",
                3 => "Redirect Type of Service and Host",
                code => return format!("Redirect, Bad Code: {code}"),
            };
            return format!("{what}(New nexthop: {})", Ipv4Addr::from_bits(info));
        }
        (11, 0) => "Time to live exceeded",
        (11, 1) => "Frag reassembly time exceeded",
        (11, code) => return format!("Time exceeded, Bad Code: {code}"),
        (12, _) => return format!("Parameter problem: pointer = {}", info >> 24),
        (kind, _) => return format!("Bad ICMP type: {kind}"),
    };
    text.to_owned()
}

impl Ping {
    fn new(name: &str, from: Option<&str>, spec: &PingSpec, quiet: bool) -> Self {
        Self {
            name: name.to_owned(),
            from: from.map(str::to_owned),
            vrf: spec.origin.vrf.clone(),
            host: spec.host,
            size: spec.size,
            quiet,
            deadline: spec.deadline_ms.is_some(),
            count: spec.count,
            began: None,
            last: 0,
            sent: 0,
            received: 0,
            duplicates: 0,
            errors: 0,
            pipe: 0,
            times: Times::default(),
        }
    }

    /// The router's refusal in `ping`'s words.
    fn refused(&self, why: &str) -> Complaint {
        let is = |unsendable: Unsendable| why == unsendable.to_string();
        Complaint::usage(if is(Unsendable::Prohibited) {
            "Do you want to ping broadcast? Then -b. If not, check your local firewall rules".into()
        } else if is(Unsendable::NoDevice) {
            let dev = self.from.as_ref().or(self.vrf.as_ref()).map_or("", String::as_str);
            format!("SO_BINDTODEVICE {dev}: {why}")
        } else if is(Unsendable::ForeignSource) {
            format!("bind: {why}")
        } else if is(Unsendable::OutOfRange) || is(Unsendable::Full) {
            why.to_owned()
        } else {
            format!("connect: {why}")
        })
    }

    /// A request was answered for or against.
    fn acknowledge(&mut self, seq: u16) {
        let behind = (self.sent as u16).wrapping_sub(seq);
        if behind <= 0x7fff {
            self.pipe = self.pipe.max(u64::from(behind) + 1);
        }
    }

    fn event(&mut self, event: &Event) -> Said {
        let mut said = Said::default();
        match event {
            Event::Start { source, elsewhere } => {
                if *elsewhere {
                    let dev = self.from.as_deref().unwrap_or_default();
                    let warning = "Warning: source address might be selected on device other than";
                    said.err.push(format!("ping: {warning}: {dev}"));
                }
                let from = match &self.from {
                    Some(from) => {
                        let dev = if from.parse::<Ipv4Addr>().is_ok() { "" } else { from };
                        format!("from {source} {dev}: ")
                    }
                    None => String::new(),
                };
                let (name, host, size) = (&self.name, self.host, self.size);
                let whole = u32::from(size) + 28;
                said.out = format!("PING {name} ({host}) {from}{size}({whole}) bytes of data.\n");
            }
            Event::Sent { seq, at } => {
                self.sent = *seq;
                self.began.get_or_insert(*at);
                self.last = *at;
            }
            Event::Reply { seq, from, bytes, ttl, rtt, duplicate } => {
                self.acknowledge(*seq);
                if *duplicate {
                    self.duplicates += 1;
                } else {
                    self.received += 1;
                }
                let micros = rtt.map(|rtt| rtt / 1000);
                micros.into_iter().for_each(|micros| self.times.add(micros));
                if !self.quiet {
                    let who = self.who(*from);
                    let mut line = format!("{bytes} bytes from {who}: icmp_seq={seq} ttl={ttl}");
                    if let Some(micros) = micros {
                        let _ = write!(line, " time={} ms", rounded(micros));
                    }
                    line += if *duplicate { " (DUP!)\n" } else { "\n" };
                    said.out = line;
                }
            }
            Event::Error { seq, from, kind, code, info } => {
                let lost = !matches!(kind, 4 | 5);
                if lost {
                    self.acknowledge(*seq);
                    self.errors += 1;
                }
                if !self.quiet {
                    // What is no failure is heard on another socket, whose lines have a colon.
                    let colon = if lost { "" } else { ":" };
                    let text = words(*kind, *code, *info);
                    let who = self.who(*from);
                    said.out = format!("From {who}{colon} icmp_seq={seq} {text}\n");
                }
            }
            Event::NotSent { why: Unsendable::TooLong { mtu } } => {
                self.errors += 1;
                if !self.quiet {
                    said.err.push(format!("ping: local error: message too long, mtu={mtu}"));
                }
            }
            Event::NotSent { why } => {
                if !self.quiet {
                    said.err.push(format!("ping: sendmsg: {why}"));
                }
            }
            Event::Probe { .. } => {}
        }
        said
    }

    /// An address, with the name by which it was asked for where it is that.
    fn who(&self, address: Ipv4Addr) -> String {
        match address == self.host && self.name.parse::<Ipv4Addr>().is_err() {
            true => format!("{} ({address})", self.name),
            false => address.to_string(),
        }
    }

    fn time_ms(&self) -> u64 {
        (self.last - self.began.unwrap_or(self.last)) / 1_000_000
    }

    /// The statistics.
    fn finish(&self) -> String {
        let mut text = format!("\n--- {} ping statistics ---\n", self.name);
        let _ = write!(text, "{} packets transmitted, {} received", self.sent, self.received);
        if self.duplicates > 0 {
            let _ = write!(text, ", +{} duplicates", self.duplicates);
        }
        if self.errors > 0 {
            let _ = write!(text, ", +{} errors", self.errors);
        }
        if self.sent > 0 {
            let loss = percent(self.sent.saturating_sub(self.received), self.sent);
            let _ = write!(text, ", {loss}% packet loss, time {}ms", self.time_ms());
        }
        text.push('\n');
        let timed = self.received > 0 && self.times.count > 0;
        if timed {
            let (mean, deviation) = self.times.mean(self.received + self.duplicates);
            let [least, mean, most, deviation] =
                [self.times.least, mean, self.times.most, deviation].map(millis);
            let _ = write!(text, "rtt min/avg/max/mdev = {least}/{mean}/{most}/{deviation} ms");
        }
        if self.pipe > 1 {
            let _ = write!(text, "{}pipe {}", if timed { ", " } else { "" }, self.pipe);
        }
        text.push('\n');
        text
    }

    fn summary(&self) -> Value {
        let ms = |micros: u64| micros as f64 / 1000.0;
        let (mean, deviation) = self.times.mean(self.received + self.duplicates);
        let lost = self.sent.saturating_sub(self.received);
        let summary = Summary {
            event: "summary",
            transmitted: self.sent,
            received: self.received,
            duplicates: self.duplicates,
            errors: self.errors,
            loss_percent: lost as f64 * 100.0 / self.sent.max(1) as f64,
            time_ms: self.time_ms(),
            rtt_ms: (self.times.count > 0).then(|| RttSummary {
                min: ms(self.times.least),
                avg: ms(mean),
                max: ms(self.times.most),
                mdev: ms(deviation),
            }),
        };
        serde_json::to_value(summary).unwrap_or_default()
    }

    /// 0 when something was answered; with a deadline, when all was.
    fn status(&self) -> u8 {
        let missing = self.deadline && self.count.is_some_and(|count| self.received < count);
        u8::from(self.received == 0 || missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

    fn told(spec: &PingSpec, from: Option<&str>, events: &[Event]) -> (String, u8) {
        let mut ping = Ping::new("192.0.2.10", from, spec, false);
        let mut text = String::new();
        for event in events {
            let said = ping.event(event);
            text += &said.out;
            text.extend(said.err.iter().map(|line| format!("{line}\n")));
        }
        (text + &ping.finish(), ping.status())
    }

    fn reply(seq: u16, rtt: u64) -> Event {
        Event::Reply { seq, from: HOST, bytes: 64, ttl: 63, rtt: Some(rtt), duplicate: false }
    }

    fn sent(seq: u64) -> Event {
        Event::Sent { seq, at: seq * 202_000_000 }
    }

    #[test]
    fn answers_read_as_those_of_ping() {
        let start = Event::Start { source: [10, 1, 0, 10].into(), elsewhere: false };
        let events = [start, sent(1), reply(1, 214_000), sent(2), reply(2, 73_900), sent(3)];
        let (text, status) = told(&PingSpec::to(HOST), Some("e0"), &events);
        assert_eq!(
            text,
            "PING 192.0.2.10 (192.0.2.10) from 10.1.0.10 e0: 56(84) bytes of data.\n\
             64 bytes from 192.0.2.10: icmp_seq=1 ttl=63 time=0.214 ms\n\
             64 bytes from 192.0.2.10: icmp_seq=2 ttl=63 time=0.073 ms\n\
             \n--- 192.0.2.10 ping statistics ---\n\
             3 packets transmitted, 2 received, 33.3333% packet loss, time 404ms\n\
             rtt min/avg/max/mdev = 0.073/0.143/0.214/0.070 ms\n"
        );
        assert_eq!(status, 0);
    }

    #[test]
    fn errors_read_as_those_of_ping() {
        let error =
            |seq| Event::Error { seq, from: [10, 1, 0, 10].into(), kind: 3, code: 1, info: 0 };
        let events = [sent(1), sent(2), sent(3), error(1), error(2), error(3)];
        let (text, status) = told(&PingSpec::to(HOST), None, &events);
        assert_eq!(
            text,
            "From 10.1.0.10 icmp_seq=1 Destination Host Unreachable\n\
             From 10.1.0.10 icmp_seq=2 Destination Host Unreachable\n\
             From 10.1.0.10 icmp_seq=3 Destination Host Unreachable\n\
             \n--- 192.0.2.10 ping statistics ---\n\
             3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 404ms\n\
             pipe 3\n"
        );
        assert_eq!(status, 1);
        let large = [sent(1), Event::NotSent { why: Unsendable::TooLong { mtu: 1400 } }];
        let (text, _) = told(&PingSpec::to(HOST), None, &large);
        assert!(text.starts_with("ping: local error: message too long, mtu=1400\n"), "{text}");
    }

    #[test]
    fn numbers_are_rounded_as_ping_rounds_them() {
        let all = [(18, "0.018"), (1004, "1.00"), (1005, "1.01"), (9994, "9.99"), (9995, "10.0")];
        for (micros, text) in all {
            assert_eq!(rounded(micros), text);
        }
        assert_eq!((rounded(12_345).as_str(), rounded(99_949).as_str()), ("12.3", "99.9"));
        assert_eq!((rounded(99_950).as_str(), rounded(3_060_478).as_str()), ("100", "3060"));
        assert_eq!(
            (percent(0, 4), percent(1, 3), percent(1, 1)),
            ("0".into(), "33.3333".into(), "100".into())
        );
        assert_eq!((percent(1, 7), percent(1, 30)), ("14.2857".into(), "3.33333".into()));
    }

    #[test]
    fn words_out_of_range_are_refused_in_pings_words() {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            ping: PingArgs,
        }
        let refusal = |words: &str| {
            let line = Line::parse_from(format!("ping {words} 10.0.0.1").split_whitespace());
            let complaint = line.ping.spec().unwrap_err();
            (complaint.text, complaint.status)
        };
        let range = "invalid argument: '0': out of range: 1 <= value <= 9223372036854775807";
        assert_eq!(refusal("-c 0"), (range.into(), 1));
        assert_eq!(refusal("-M foo"), ("invalid -M argument: foo".into(), 2));
        let tos = "the decimal value of TOS bits must be in range 0-255: 300";
        assert_eq!(refusal("-Q 300"), (tos.into(), 2));
        assert!(refusal("-i 0.001").0.starts_with("cannot flood"));
        assert_eq!(refusal("-t 0").0, "cannot set unicast time-to-live: Invalid argument");
    }
}
