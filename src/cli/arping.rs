//! `wagonway arping`: what `arping` of iputils prints, about ARP that the router sends.
//!
//! - takes: events of a session
//! - gives: the lines and the exit status of `arping(8)`, or events as JSON

use std::net::{IpAddr, Ipv4Addr};

use clap::Args;

use super::{
    Where, print,
    probe::{self, Complaint, number},
};
use crate::{
    control::probe::spec::{ArpingMode, ArpingSpec, Event, Unsendable},
    telemetry::protocol::Request,
};

/// Words of `arping(8)`.
#[derive(Debug, Args)]
pub(super) struct ArpingArgs {
    /// Host or address.
    host: String,
    /// Stop after so many packets.
    #[arg(short = 'c', value_name = "COUNT")]
    count: Option<String>,
    /// Seconds after which it ends in any case.
    #[arg(short = 'w', value_name = "DEADLINE")]
    deadline: Option<String>,
    /// Seconds from one packet to the next.
    #[arg(short = 'i', value_name = "INTERVAL")]
    interval: Option<String>,
    /// Interface; the only one that speaks ARP unless given.
    #[arg(short = 'I', value_name = "IFACE")]
    iface: Option<String>,
    /// Source address.
    #[arg(short = 's', value_name = "ADDRESS")]
    source: Option<String>,
    /// Ask whether another station has the address: 0 when none has.
    #[arg(short = 'D')]
    duplicate: bool,
    /// Tell neighbours of an address by requests.
    #[arg(short = 'U')]
    update: bool,
    /// Tell neighbours of an address by replies.
    #[arg(short = 'A')]
    answer: bool,
    /// Ask everybody, even after an answer.
    #[arg(short = 'b')]
    broadcast: bool,
    /// End with the first answer.
    #[arg(short = 'f')]
    first: bool,
    /// Print nothing.
    #[arg(short = 'q')]
    quiet: bool,
    #[command(flatten)]
    at: Where,
    /// Print events as JSON, one a line.
    #[arg(long)]
    json: bool,
}

/// The first IPv4 address of a host.
fn resolve(host: &str) -> Result<Ipv4Addr, String> {
    let foreign = || "Address family for hostname not supported".to_owned();
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => return Ok(address),
        Ok(IpAddr::V6(_)) => return Err(foreign()),
        Err(_) => {}
    }
    let four = probe::look_up(host)?.into_iter().find_map(|address| match address {
        IpAddr::V4(four) => Some(four),
        IpAddr::V6(_) => None,
    });
    four.ok_or_else(foreign)
}

impl ArpingArgs {
    fn spec(&self) -> Result<ArpingSpec, Complaint> {
        let most = i32::MAX as u64;
        let read = |text: &Option<String>, least| {
            text.as_deref().map(|text| number(text, least, most)).transpose()
        };
        let count = read(&self.count, 1)?;
        let deadline = read(&self.deadline, 0)?.filter(|seconds| *seconds > 0);
        let interval = read(&self.interval, 1)?;
        let host =
            resolve(&self.host).map_err(|why| Complaint::usage(format!("{}: {why}", self.host)))?;
        let mut spec = ArpingSpec::to(host);
        (spec.count, spec.deadline_ms) = (count, deadline.map(|seconds| seconds * 1000));
        spec.interval_ms = interval.map_or(spec.interval_ms, |seconds| seconds * 1000);
        spec.iface = self.iface.clone();
        spec.source = match &self.source {
            None => None,
            Some(text) => {
                let bad = |_| Complaint::usage(format!("invalid source {text}"));
                Some(text.parse().map_err(bad)?)
            }
        };
        // As of the words of iputils, answers are updates too.
        spec.mode = match (self.duplicate, self.answer, self.update) {
            (true, ..) => ArpingMode::Duplicate,
            (_, true, _) => ArpingMode::Answer,
            (.., true) => ArpingMode::Update,
            _ => ArpingMode::Ask,
        };
        (spec.keep_broadcasting, spec.first_reply) = (self.broadcast, self.first);
        Ok(spec)
    }
}

/// Asks; gives the exit status.
pub(super) fn run(args: &ArpingArgs) -> Result<u8, super::Failed> {
    let complain = |complaint: Complaint| {
        super::complain(&complaint.text);
        Ok(complaint.status)
    };
    let spec = match args.spec() {
        Ok(spec) => spec,
        Err(Complaint { text, status }) => {
            return complain(Complaint { text: format!("arping: {text}"), status });
        }
    };
    let mut arping = Arping::new(&spec);
    let (json, quiet) = (args.json, args.quiet);
    let ended = probe::follow(&args.at, &Request::Arping(spec), |row| {
        if let Ok(event) = serde_json::from_value::<Event>(row.clone()) {
            let said = arping.event(&event);
            match json {
                true => print(&format!("{row}\n")),
                false if quiet => {}
                false => print(&said),
            }
        }
    });
    match ended {
        Err(probe::Ended::Refused(why)) => {
            return complain(Complaint::usage(refused(args.iface.as_deref(), &why)));
        }
        Err(probe::Ended::Failed(failed)) => return Err(failed),
        Ok(()) => {}
    }
    if !json && !quiet {
        print(&arping.finish());
    }
    Ok(arping.status())
}

/// The router's refusal in `arping`'s words.
fn refused(iface: Option<&str>, why: &str) -> String {
    let is = |unsendable: Unsendable| why == unsendable.to_string();
    match iface {
        Some(iface) if is(Unsendable::NoDevice) => {
            format!("arping: Device {iface} not available.")
        }
        Some(iface) if is(Unsendable::LinkDown) => format!("arping: Interface \"{iface}\" is down"),
        Some(iface) if is(Unsendable::NotArpable) => {
            format!("Interface \"{iface}\" is not ARPable")
        }
        None if is(Unsendable::NoDevice) => {
            "arping: Suitable device could not be determined. Please, use option -I.".into()
        }
        _ if is(Unsendable::ForeignSource) => format!("arping: bind: {why}"),
        _ if is(Unsendable::OutOfRange) || is(Unsendable::Full) => format!("arping: {why}"),
        _ => format!("arping: connect: {why}"),
    }
}

/// What `arping` knows while it runs.
struct Arping {
    host: Ipv4Addr,
    mode: ArpingMode,
    /// What has to be answered when there is a deadline.
    count: Option<u64>,
    source: Ipv4Addr,
    sent: u64,
    broadcasts: u64,
    received: u64,
    requests_heard: u64,
    broadcasts_heard: u64,
}

impl Arping {
    fn new(spec: &ArpingSpec) -> Self {
        Self {
            host: spec.host,
            mode: spec.mode,
            count: spec.count.filter(|_| spec.deadline_ms.is_some()),
            source: Ipv4Addr::UNSPECIFIED,
            sent: 0,
            broadcasts: 0,
            received: 0,
            requests_heard: 0,
            broadcasts_heard: 0,
        }
    }

    fn event(&mut self, event: &Event) -> String {
        match event {
            Event::ArpStart { source, dev } => {
                self.source = *source;
                format!("ARPING {} from {source} {dev}\n", self.host)
            }
            Event::ArpSent { broadcast } => {
                self.sent += 1;
                self.broadcasts += u64::from(*broadcast);
                String::new()
            }
            Event::ArpHeard { from, mac, request, broadcast, target, target_mac, rtt } => {
                self.received += 1;
                self.requests_heard += u64::from(*request);
                self.broadcasts_heard += u64::from(*broadcast);
                let how = if *broadcast { "Broadcast" } else { "Unicast" };
                let what = if *request { "request" } else { "reply" };
                let mac = mac.to_uppercase();
                let mut line = format!("{how} {what} from {from} [{mac}] ");
                if let Some(target) = target {
                    line += &format!("for {target} ");
                }
                if let Some(other) = target_mac {
                    let before = if target.is_none() { "for " } else { "" };
                    line += &format!("{before}[{}]", other.to_uppercase());
                }
                line += &match rtt.map(|rtt| rtt / 1000) {
                    Some(micros) => format!(" {}.{:03}ms\n", micros / 1000, micros % 1000),
                    None => " UNSOLICITED?\n".to_owned(),
                };
                line
            }
            _ => String::new(),
        }
    }

    fn finish(&self) -> String {
        let heard = match (self.requests_heard, self.broadcasts_heard) {
            (0, 0) => String::new(),
            (0, broadcasts) => format!(" ({broadcasts} broadcast(s))"),
            (requests, 0) => format!(" ({requests} request(s))"),
            (requests, broadcasts) => {
                format!(" ({requests} request(s), {broadcasts} broadcast(s))")
            }
        };
        format!(
            "Sent {} probes ({} broadcast(s))\nReceived {} response(s){heard}\n",
            self.sent, self.broadcasts, self.received
        )
    }

    /// 0 when somebody has answered; with a deadline, when as many have as were asked for; where
    /// duplicates are looked for, when nobody has.
    fn status(&self) -> u8 {
        let good = match self.mode {
            ArpingMode::Duplicate => self.received == 0,
            ArpingMode::Update | ArpingMode::Answer => true,
            ArpingMode::Ask => self.received >= self.count.unwrap_or(1),
        };
        u8::from(!good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 10);

    fn told(change: impl FnOnce(&mut ArpingSpec), events: &[Event]) -> (String, u8) {
        let mut spec = ArpingSpec::to(HOST);
        change(&mut spec);
        let mut arping = Arping::new(&spec);
        let text: String = events.iter().map(|event| arping.event(event)).collect();
        (text + &arping.finish(), arping.status())
    }

    fn start(source: [u8; 4]) -> Event {
        Event::ArpStart { source: source.into(), dev: "lan".into() }
    }

    fn heard(request: bool, target: Option<Ipv4Addr>) -> Event {
        let other = (request).then(|| "00:00:00:00:00:00".to_owned());
        Event::ArpHeard {
            from: HOST,
            mac: "6a:48:72:22:39:80".into(),
            request,
            broadcast: request,
            target,
            target_mac: other,
            rtt: Some(535_999),
        }
    }

    #[test]
    fn answers_read_as_those_of_arping() {
        let sent = |broadcast| Event::ArpSent { broadcast };
        let events =
            [start([10, 1, 0, 1]), sent(true), heard(false, None), sent(false), heard(false, None)];
        let (text, status) = told(|_| {}, &events);
        assert_eq!(
            text,
            "ARPING 10.1.0.10 from 10.1.0.1 lan\n\
             Unicast reply from 10.1.0.10 [6A:48:72:22:39:80]  0.535ms\n\
             Unicast reply from 10.1.0.10 [6A:48:72:22:39:80]  0.535ms\n\
             Sent 2 probes (1 broadcast(s))\n\
             Received 2 response(s)\n"
        );
        assert_eq!(status, 0);
        let (text, status) =
            told(|spec| spec.mode = ArpingMode::Duplicate, &[heard(true, Some(HOST))]);
        let line = "Broadcast request from 10.1.0.10 [6A:48:72:22:39:80] for 10.1.0.10 \
                    [00:00:00:00:00:00] 0.535ms\n";
        assert!(text.starts_with(line), "{text}");
        assert!(text.ends_with("Received 1 response(s) (1 request(s), 1 broadcast(s))\n"));
        assert_eq!(status, 1);
    }

    #[test]
    fn the_exit_status_is_that_of_arping() {
        let status = |change: &dyn Fn(&mut ArpingSpec), answers: usize| {
            let events = vec![heard(false, None); answers];
            told(change, &events).1
        };
        assert_eq!((status(&|_| {}, 0), status(&|_| {}, 1)), (1, 0));
        let mode = |mode| move |spec: &mut ArpingSpec| spec.mode = mode;
        assert_eq!(status(&mode(ArpingMode::Duplicate), 0), 0);
        assert_eq!(status(&mode(ArpingMode::Update), 0), 0);
        let bounded =
            |spec: &mut ArpingSpec| (spec.count, spec.deadline_ms) = (Some(3), Some(1000));
        assert_eq!((status(&bounded, 2), status(&bounded, 3)), (1, 0));
        assert_eq!(refused(Some("eth9"), "No such device"), "arping: Device eth9 not available.");
    }
}
