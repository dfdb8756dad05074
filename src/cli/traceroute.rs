//! `wagonway traceroute`: what `traceroute(8)` prints, about probes that the router sends.

use std::{fmt::Write as _, net::IpAddr};

use clap::Args;

use super::{
    Where, print,
    probe::{self, Complaint, OriginArgs, Target, shown},
};
use crate::{
    control::probe::spec::{Event, Method, TracerouteSpec, Unsendable},
    telemetry::protocol::Request,
};

/// Words of `traceroute(8)`.
#[derive(Debug, Args)]
pub(super) struct TracerouteArgs {
    /// Host or address; `ADDRESS%INTERFACE` for one of a link.
    host: String,
    /// Bytes of a whole probe.
    len: Option<u16>,
    /// Send echo requests.
    #[arg(short = 'I')]
    icmp: bool,
    /// Send SYN segments.
    #[arg(short = 'T', conflicts_with = "icmp")]
    tcp: bool,
    /// Must not be fragmented.
    #[arg(short = 'F')]
    dont_fragment: bool,
    /// First time to live, or hop limit.
    #[arg(short = 'f', value_name = "FIRST")]
    first: Option<u32>,
    /// Last time to live, or hop limit.
    #[arg(short = 'm', value_name = "MAX")]
    max: Option<u32>,
    /// Probes under way at a time.
    #[arg(short = 'N', value_name = "PROBES")]
    simultaneous: Option<u32>,
    /// First port of UDP, first sequence number of ICMP, the port of TCP.
    #[arg(short = 'p', value_name = "PORT")]
    port: Option<u16>,
    /// Probes for each hop.
    #[arg(short = 'q', value_name = "PROBES")]
    queries: Option<u32>,
    /// Seconds to wait for an answer: at most, and as multiples of what another of the same hop and
    /// of a later one took.
    #[arg(short = 'w', value_name = "MAX[,HERE[,NEAR]]")]
    wait: Option<String>,
    /// Type of service, or traffic class.
    #[arg(short = 't', value_name = "TOS")]
    tos: Option<String>,
    /// Interface or VRF.
    #[arg(short = 'i', value_name = "IFACE")]
    iface: Option<String>,
    /// Source address.
    #[arg(short = 's', value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// Addresses only.
    #[arg(short = 'n')]
    numeric: bool,
    #[command(flatten)]
    origin: OriginArgs,
    #[command(flatten)]
    at: Where,
    /// Print probes as JSON, one a line.
    #[arg(long)]
    json: bool,
}

/// Reads `-w`: times in ms, and factors.
fn waits(text: &str, spec: &mut TracerouteSpec) -> Option<()> {
    let mut words = text.split([',', '/']);
    let wait: f64 = words.next()?.parse().ok()?;
    if !(0.0..=86_400.0).contains(&wait) {
        return None;
    }
    spec.wait_ms = (wait * 1000.0).round() as u64;
    let mut factor = |default: u32| match words.next() {
        Some(word) => word.parse().ok(),
        // A bound alone is the only one.
        None => Some(default),
    };
    (spec.here, spec.near) = (factor(spec.here)?, factor(spec.near)?);
    Some(())
}

impl TracerouteArgs {
    fn spec(&self, host: IpAddr) -> Result<TracerouteSpec, Complaint> {
        let mut spec = TracerouteSpec::to(host);
        let usage = |text: &str| Complaint::usage(text);
        spec.method = match (self.icmp, self.tcp) {
            (true, _) => Method::Icmp,
            (_, true) => Method::Tcp,
            _ => Method::Udp,
        };
        if let Some(max) = self.max {
            spec.max_ttl =
                u8::try_from(max).map_err(|_| usage("max hops cannot be more than 255"))?;
        }
        let first = self.first.unwrap_or(1);
        if first == 0 || first > u32::from(spec.max_ttl) {
            return Err(usage("first hop out of range"));
        }
        spec.first_ttl = first as u8;
        spec.queries = match self.queries {
            None => spec.queries,
            Some(queries @ 1..=10) => queries as u8,
            Some(_) => return Err(usage("no more than 10 probes per hop")),
        };
        if let Some(many) = self.simultaneous {
            spec.simultaneous = many.clamp(1, TracerouteSpec::MAX_SIMULTANEOUS.into()) as u8;
        }
        if let Some(text) = &self.wait {
            waits(text, &mut spec).ok_or_else(|| {
                Complaint::usage(format!("bad wait specifications `{text}' used"))
            })?;
        }
        // What is asked for is raised to the headers, and lowered to what a datagram holds.
        let least = match spec.method {
            Method::Udp | Method::Icmp => 28,
            Method::Tcp => 60,
        };
        let least = if host.is_ipv6() { least + 20 } else { least };
        spec.len = self.len.unwrap_or(spec.len).max(least);
        spec.port = self.port;
        spec.dont_fragment = self.dont_fragment;
        spec.origin = self.origin.origin(self.iface.as_deref());
        spec.origin.source = self.source.or(spec.origin.source);
        spec.origin.tos = match &self.tos {
            Some(text) => probe::tos(text)?,
            None => 0,
        };
        Ok(spec)
    }
}

/// Traces; gives the exit status.
pub(super) fn run(args: &TracerouteArgs) -> Result<u8, super::Failed> {
    let complain = |complaint: Complaint| {
        super::complain(&complaint.text);
        Ok(complaint.status)
    };
    let mut targets = match args.origin.resolve(&args.host) {
        Ok(targets) => targets,
        Err(why) => {
            let host = &args.host;
            let cannot =
                format!("Cannot handle \"host\" cmdline arg `{host}' on position 1 (argc 1)");
            return complain(Complaint::usage(format!("{host}: {why}\n{cannot}")));
        }
    };
    let target = targets.swap_remove(0);
    let mut spec = match args.spec(target.host) {
        Ok(spec) => spec,
        Err(complaint) => return complain(complaint),
    };
    if !target.bind(&mut spec.origin) {
        return complain(Complaint { text: "send: Invalid argument".into(), status: 1 });
    }
    let json = args.json;
    let mut trace =
        Trace { numeric: args.numeric, link: spec.origin.iface.clone(), ..Trace::default() };
    let mut failed = None;
    let head = head(&args.host, &target, &spec);
    let mut headed = false;
    let mut print_head = || {
        if !json && !std::mem::replace(&mut headed, true) {
            print(&head);
        }
    };
    let ended = probe::follow(&args.at, &Request::Traceroute(spec), |row| {
        print_head();
        match serde_json::from_value::<Event>(row.clone()) {
            Ok(Event::NotSent { why }) => failed = Some(why),
            Ok(_) if json => print(&format!("{row}\n")),
            Ok(event) => print(&trace.event(&event)),
            Err(_) => {}
        }
    });
    let complaint = match ended {
        Err(probe::Ended::Failed(failed)) => return Err(failed),
        Err(probe::Ended::Refused(why)) => {
            print_head();
            let is = |unsendable: Unsendable| why == unsendable.to_string();
            Some(if is(Unsendable::NoDevice) {
                format!("setsockopt SO_BINDTODEVICE: {why}")
            } else if is(Unsendable::ForeignSource) {
                format!("bind: {why}")
            } else if is(Unsendable::OutOfRange) || is(Unsendable::Full) {
                why
            } else {
                format!("connect: {why}")
            })
        }
        Ok(()) => failed.map(|why| format!("send: {why}")),
    };
    if !json {
        print("\n");
    }
    match complaint {
        Some(text) => complain(Complaint { text, status: 1 }),
        None => Ok(0),
    }
}

/// The first line.
fn head(name: &str, target: &Target, spec: &TracerouteSpec) -> String {
    let host = shown(target.host, target.link.as_deref());
    let (most, len) = (spec.max_ttl, spec.len);
    format!("traceroute to {name} ({host}), {most} hops max, {len} byte packets")
}

/// What was printed last.
#[derive(Default)]
struct Trace {
    numeric: bool,
    last: Option<IpAddr>,
    /// Interface that probes are bound to.
    link: Option<String>,
}

impl Trace {
    /// What a probe adds to the line of its hop, or to the next.
    fn event(&mut self, event: &Event) -> String {
        let Event::Probe { ttl, query, from, rtt, mark } = event else { return String::new() };
        let mut text = String::new();
        if *query == 0 {
            let _ = write!(text, "\n{ttl:2} ");
            self.last = None;
        }
        match from {
            None => text += " *",
            Some(from) => {
                if self.last != Some(*from) {
                    let shown = shown(*from, self.link.as_deref());
                    let _ = match self.numeric {
                        true => write!(text, " {shown}"),
                        false => write!(text, " {shown} ({shown})"),
                    };
                    self.last = Some(*from);
                }
            }
        }
        if let Some(rtt) = rtt {
            let _ = write!(text, "  {}.{:03} ms", rtt / 1_000_000, rtt / 1000 % 1000);
        }
        if !mark.is_empty() {
            let _ = write!(text, " {mark}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1));
    const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 2));

    fn probe(ttl: u8, query: u8, from: Option<IpAddr>, mark: &str) -> Event {
        let rtt = from.map(|_| 1_053_999);
        Event::Probe { ttl, query, from, rtt, mark: mark.into() }
    }

    #[test]
    fn hops_read_as_those_of_traceroute() {
        let mut trace = Trace { numeric: true, ..Trace::default() };
        let text: String = [
            probe(1, 0, Some(NEAR), ""),
            probe(1, 1, Some(NEAR), ""),
            probe(1, 2, Some(FAR), "!H"),
            probe(10, 0, None, ""),
            probe(10, 1, Some(NEAR), "!X"),
            probe(10, 2, None, ""),
        ]
        .iter()
        .map(|event| trace.event(event))
        .collect();
        assert_eq!(
            text,
            "\n 1  10.1.0.1  1.053 ms  1.053 ms 10.1.0.2  1.053 ms !H\n\
             10  * 10.1.0.1  1.053 ms !X *"
        );
        let mut named = Trace::default();
        assert_eq!(
            named.event(&probe(1, 0, Some(NEAR), "")),
            "\n 1  10.1.0.1 (10.1.0.1)  1.053 ms"
        );
    }

    #[test]
    fn waits_are_read_as_traceroute_reads_them() {
        let read = |text| {
            let mut spec = TracerouteSpec::to(NEAR);
            waits(text, &mut spec).map(|()| (spec.wait_ms, spec.here, spec.near))
        };
        assert_eq!(read("0.5"), Some((500, 3, 10)));
        assert_eq!(read("2,4,8"), Some((2000, 4, 8)));
        assert_eq!((read("x"), read("1,y"), read("-1")), (None, None, None));
    }
}
