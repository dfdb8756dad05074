//! `wagonway ping`: what `ping` of iputils prints, about requests that the router sends.
//!
//! - takes: events of a session
//! - gives: the lines and the exit status of `ping(8)`, or events as JSON

use std::{fmt::Write as _, net::IpAddr};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::{
    Where,
    icmp_words::{words, words6},
    print,
    probe::{self, Complaint, OriginArgs, Target, number, shown},
};
use crate::{
    control::probe::spec::{Discovery, Event, PingSpec, Unsendable},
    telemetry::protocol::Request,
};

/// Words of `ping(8)`; those that have no meaning for a router are left out.
#[derive(Debug, Args)]
pub(super) struct PingArgs {
    /// Host or address; `ADDRESS%INTERFACE` for one of a link.
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
    /// Time to live, or hop limit.
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
    /// Type of service, or traffic class.
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
    fn spec(&self, host: IpAddr) -> Result<PingSpec, Complaint> {
        let most = i64::MAX as u64;
        let count = self.count.as_deref().map(|text| number(text, 1, most)).transpose()?;
        let mut spec = PingSpec::to(host);
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
            if ttl == 0 && host.is_ipv4() {
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
    let mut targets = match args.origin.resolve(&args.host) {
        Ok(targets) => targets.into_iter().peekable(),
        Err(why) => return complain(Complaint::usage(format!("{}: {why}", args.host))),
    };
    while let Some(target) = targets.next() {
        let mut spec = match args.spec(target.host) {
            Ok(spec) => spec,
            Err(complaint) => return complain(complaint),
        };
        if !target.bind(&mut spec.origin) {
            return complain(Complaint::usage("sendmsg: Invalid argument"));
        }
        match ping_one(args, &target, spec)? {
            Outcome::Ended(status) => return Ok(status),
            // Another address of the host may be within reach.
            Outcome::Refused { unreachable: true, .. } if targets.peek().is_some() => {}
            Outcome::Refused { complaint, .. } => return complain(complaint),
        }
    }
    Ok(2)
}

enum Outcome {
    Ended(u8),
    Refused { complaint: Complaint, unreachable: bool },
}

fn ping_one(args: &PingArgs, target: &Target, spec: PingSpec) -> Result<Outcome, super::Failed> {
    let mut ping = Ping::new(&args.host, args.from.as_deref(), &spec, args.quiet);
    ping.named = target.link.is_some();
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
        Err(probe::Ended::Refused(why)) => {
            let is = |unsendable: Unsendable| why == unsendable.to_string();
            let unreachable = is(Unsendable::NoRoute) || is(Unsendable::HostUnreachable);
            return Ok(Outcome::Refused { complaint: ping.refused(&why), unreachable });
        }
        Err(probe::Ended::Failed(failed)) => return Err(failed),
        Ok(()) => {}
    }
    match json {
        true => print(&format!("{}\n", ping.summary())),
        false => print(&ping.finish()),
    }
    Ok(Outcome::Ended(ping.status()))
}

/// What `ping` knows while it runs.
struct Ping {
    name: String,
    from: Option<String>,
    vrf: Option<String>,
    host: IpAddr,
    /// Interface that probes are bound to.
    link: Option<String>,
    /// It was named behind the address.
    named: bool,
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

impl Ping {
    fn new(name: &str, from: Option<&str>, spec: &PingSpec, quiet: bool) -> Self {
        Self {
            name: name.to_owned(),
            from: from.map(str::to_owned),
            vrf: spec.origin.vrf.clone(),
            host: spec.host,
            link: spec.origin.iface.clone(),
            named: false,
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
        Complaint::usage(if is(Unsendable::Prohibited) && self.host.is_ipv4() {
            "Do you want to ping broadcast? Then -b. If not, check your local firewall rules".into()
        } else if is(Unsendable::NoDevice) && self.named {
            format!("{}: Name or service not known", self.name)
        } else if is(Unsendable::NoDevice) && self.host.is_ipv6() && self.from.is_some() {
            format!("unknown iface: {}", self.from.as_deref().unwrap_or_default())
        } else if is(Unsendable::NoDevice) {
            let dev = self.from.as_ref().or(self.vrf.as_ref()).map_or("", String::as_str);
            format!("SO_BINDTODEVICE {dev}: {why}")
        } else if is(Unsendable::ForeignSource) && self.host.is_ipv6() {
            // Where none was named there is no address to come from yet.
            let named = self.from.as_deref().and_then(|from| from.split('%').next());
            match named.is_some_and(|named| named.parse::<IpAddr>().is_ok()) {
                true => format!("bind icmp socket: {why}"),
                false => format!("connect: {why}"),
            }
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
                        let is_address = from.parse::<IpAddr>().is_ok();
                        let dev = match from.split_once('%') {
                            Some((_, link)) => link,
                            None if is_address => "",
                            None => from,
                        };
                        format!("from {} {dev}: ", self.shown(*source))
                    }
                    None => String::new(),
                };
                let (name, host, size) = (&self.name, self.host, self.size);
                said.out = match host {
                    IpAddr::V4(_) => {
                        let whole = u32::from(size) + 28;
                        format!("PING {name} ({host}) {from}{size}({whole}) bytes of data.\n")
                    }
                    IpAddr::V6(_) => {
                        let host = shown(host, self.link.as_deref().filter(|_| self.named));
                        format!("PING {name}({host}) {from}{size} data bytes\n")
                    }
                };
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
                let six = self.host.is_ipv6();
                let lost = six || !matches!(kind, 4 | 5);
                self.errors += u64::from(lost);
                // Of errors of IPv6 iputils does not note which request they take from its way.
                if lost && !six {
                    self.acknowledge(*seq);
                }
                if !self.quiet {
                    // What is no failure is heard on another socket, whose lines have a colon.
                    let colon = if lost { "" } else { ":" };
                    let words = if six { words6 } else { words };
                    let text = words(*kind, *code, *info);
                    let who = self.who(*from);
                    said.out = format!("From {who}{colon} icmp_seq={seq} {text}\n");
                }
            }
            Event::NotSent { why: Unsendable::TooLong { mtu } } => {
                self.errors += 1;
                if !self.quiet {
                    let is = if self.host.is_ipv6() { ": " } else { "=" };
                    said.err.push(format!("ping: local error: message too long, mtu{is}{mtu}"));
                }
            }
            Event::NotSent { why } => {
                if !self.quiet {
                    said.err.push(format!("ping: sendmsg: {why}"));
                }
            }
            // Of other kinds of sessions.
            Event::Probe { .. }
            | Event::ArpStart { .. }
            | Event::ArpSent { .. }
            | Event::ArpHeard { .. } => {}
        }
        said
    }

    /// An address, with the name by which it was asked for where it is that.
    fn who(&self, address: IpAddr) -> String {
        let literal = self.name.split('%').next().unwrap_or_default();
        let shown = self.shown(address);
        match address == self.host && literal.parse::<IpAddr>().is_err() {
            true => format!("{} ({shown})", self.name),
            false => shown,
        }
    }

    fn shown(&self, address: IpAddr) -> String {
        shown(address, self.link.as_deref())
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
    use std::net::Ipv4Addr;

    use super::*;

    const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));

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
        let start = Event::Start { source: IpAddr::from([10, 1, 0, 10]), elsewhere: false };
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
        let error = |seq| Event::Error {
            seq,
            from: IpAddr::from([10, 1, 0, 10]),
            kind: 3,
            code: 1,
            info: 0,
        };
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
    fn ipv6_reads_as_ping_has_it() {
        let host = "fe80::2".parse().unwrap();
        let mut spec = PingSpec::to(host);
        spec.origin.iface = Some("lan".into());
        let mut ping = Ping::new("fe80::2%lan", None, &spec, false);
        ping.named = true;
        let reply =
            Event::Reply { seq: 1, from: host, bytes: 64, ttl: 64, rtt: None, duplicate: false };
        let error = Event::Error { seq: 2, from: host, kind: 2, code: 0, info: 1300 };
        let events = [
            Event::Start { source: "fe80::1".parse().unwrap(), elsewhere: false },
            sent(1),
            reply,
            error,
        ];
        let text: String = events.iter().map(|event| ping.event(event).out).collect();
        assert_eq!(
            text,
            "PING fe80::2%lan(fe80::2%lan) 56 data bytes\n\
             64 bytes from fe80::2%lan: icmp_seq=1 ttl=64\n\
             From fe80::2%lan icmp_seq=2 Packet too big: mtu=1300\n"
        );
        assert_eq!(ping.errors, 1);
        let large = Event::NotSent { why: Unsendable::TooLong { mtu: 1300 } };
        let local = "ping: local error: message too long, mtu: 1300";
        assert_eq!(ping.event(&large).err, [local]);
        let refused = |why: Unsendable| ping.refused(&why.to_string()).text;
        assert_eq!(refused(Unsendable::NoRoute), "connect: Network is unreachable");
        assert_eq!(refused(Unsendable::NoDevice), "fe80::2%lan: Name or service not known");
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
            let complaint = line.ping.spec(HOST).unwrap_err();
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
