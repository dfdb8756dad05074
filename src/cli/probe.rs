//! What `ping` and `traceroute` have in common: words about where probes come from, and following
//! a session until it ends or the operator has seen enough.

use std::net::{IpAddr, Ipv6Addr, ToSocketAddrs as _};

use clap::Args;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    signal::unix::{SignalKind, signal},
};

use super::{Failed, Where, ask::AskError};
use crate::{
    control::probe::spec::Origin,
    telemetry::protocol::{Line, Request},
};

/// A wrong use, in the words and with the exit status of the program whose words these are.
#[derive(Debug)]
pub(super) struct Complaint {
    pub(super) text: String,
    pub(super) status: u8,
}

impl Complaint {
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: 2 }
    }
}

/// Words about where probes come from and where they go.
#[derive(Debug, Args)]
pub(super) struct OriginArgs {
    /// Use IPv4 alone.
    #[arg(short = '4', conflicts_with = "six")]
    four: bool,
    /// Use IPv6 alone.
    #[arg(short = '6', id = "six")]
    six: bool,
    /// VRF in which to route.
    #[arg(long, value_name = "NAME")]
    vrf: Option<String>,
}

impl OriginArgs {
    /// `from` is an interface, a VRF or an address, which may name its interface.
    pub(super) fn origin(&self, from: Option<&str>) -> Origin {
        let (address, link) = from.map_or(("", None), link_of);
        let source = address.parse().ok();
        let iface = match source {
            Some(_) => link,
            None => from,
        };
        Origin { iface: iface.map(str::to_owned), vrf: self.vrf.clone(), source, tos: 0 }
    }

    fn allows(&self, host: IpAddr) -> bool {
        if host.is_ipv6() { !self.four } else { !self.six }
    }

    /// The addresses of a host, in the order in which they are to be tried.
    pub(super) fn resolve(&self, name: &str) -> Result<Vec<Target>, String> {
        let foreign = || "Address family for hostname not supported".to_owned();
        let (text, link) = link_of(name);
        let literal = match text.parse::<IpAddr>() {
            Ok(host) if link.is_none() || is_of_link(host) => Some(host),
            _ => None,
        };
        if let Some(host) = literal {
            let target = Target { host, link: link.map(str::to_owned) };
            return self.allows(host).then(|| vec![target]).ok_or_else(foreign);
        }
        let hosts = look_up(name)?.into_iter().filter(|host| self.allows(*host));
        let mut targets: Vec<Target> = Vec::new();
        for host in hosts {
            if targets.iter().all(|known| known.host != host) {
                targets.push(Target { host, link: None });
            }
        }
        if targets.is_empty() { Err(foreign()) } else { Ok(targets) }
    }
}

/// The addresses of a host that has a name, as the machine knows them.
pub(super) fn look_up(name: &str) -> Result<Vec<IpAddr>, String> {
    let found = (name, 0).to_socket_addrs().map_err(|error| {
        let text = error.to_string();
        // What getaddrinfo says stands behind what std says.
        text.rsplit(": ").next().unwrap_or_default().to_owned()
    })?;
    Ok(found.map(|found| found.ip()).collect())
}

/// Where probes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: IpAddr,
    /// The interface that was named behind the address.
    pub(super) link: Option<String>,
}

impl Target {
    /// Binds probes to the link of the address; false when they are bound to another.
    #[must_use]
    pub(super) fn bind(&self, origin: &mut Origin) -> bool {
        let Some(link) = &self.link else { return true };
        origin.iface.get_or_insert_with(|| link.clone()) == link
    }
}

/// An address and the interface behind it.
fn link_of(text: &str) -> (&str, Option<&str>) {
    match text.split_once('%') {
        Some((address, link)) => (address, Some(link)),
        None => (text, None),
    }
}

/// Whether an address means something on one link alone.
pub(super) fn is_of_link(host: IpAddr) -> bool {
    let group = |six: Ipv6Addr| matches!(six.octets(), [0xff, flags, ..] if flags & 0xf <= 2);
    matches!(host, IpAddr::V6(six) if six.is_unicast_link_local() || group(six))
}

/// An address as it is shown, with its link where it needs one.
pub(super) fn shown(host: IpAddr, link: Option<&str>) -> String {
    match link.filter(|_| is_of_link(host)) {
        Some(link) => format!("{host}%{link}"),
        None => host.to_string(),
    }
}

/// A number within bounds, as iputils reads it.
pub(super) fn number(text: &str, least: u64, most: u64) -> Result<u64, Complaint> {
    match text.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(_) => Err(Complaint {
            text: format!("invalid argument: '{text}': out of range: {least} <= value <= {most}"),
            status: 1,
        }),
        Err(_) => Err(Complaint { text: format!("invalid argument: '{text}'"), status: 1 }),
    }
}

/// A type of service, decimal or hexadecimal.
pub(super) fn tos(text: &str) -> Result<u8, Complaint> {
    let read = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    match read {
        Ok(tos) => u8::try_from(tos).map_err(|_| {
            let range = "the decimal value of TOS bits must be in range 0-255";
            Complaint::usage(format!("{range}: {tos}"))
        }),
        Err(_) => Err(Complaint::usage(format!("bad TOS value: {text}"))),
    }
}

/// Why a session did not come to its end.
pub(super) enum Ended {
    /// The router said no.
    Refused(String),
    /// There is no router, or no answer.
    Failed(Failed),
}

impl From<AskError> for Ended {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Refused { error, .. } => Self::Refused(error),
            other => Self::Failed(other.into()),
        }
    }
}

/// Asks for a session and gives its rows to `row`, until it ends or somebody interrupts.
pub(super) fn follow(at: &Where, request: &Request, row: impl FnMut(Value)) -> Result<(), Ended> {
    let path = super::socket(at).map_err(Ended::Failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(AskError::Broken)?;
    runtime.block_on(async {
        let stream = UnixStream::connect(&path).await;
        let stream = stream.map_err(|error| AskError::NoRouter { path, error })?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(AskError::Broken)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(AskError::Broken)?;
        tokio::select! {
            ended = converse(stream, request, row) => ended.map_err(Ended::from),
            // The router notices that nobody listens any more, and stops.
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    })
}

async fn converse(
    stream: UnixStream,
    request: &Request,
    mut row: impl FnMut(Value),
) -> Result<(), AskError> {
    let mut text =
        serde_json::to_string(request).map_err(|error| AskError::Unreadable(error.to_string()))?;
    text.push('\n');
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(text.as_bytes()).await.map_err(AskError::Broken)?;
    loop {
        let mut text = String::new();
        if stream.read_line(&mut text).await.map_err(AskError::Broken)? == 0 {
            return Err(AskError::Broken(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let line: Line =
            serde_json::from_str(&text).map_err(|error| AskError::Unreadable(error.to_string()))?;
        if let Some(error) = line.error {
            return Err(AskError::Refused { error, hint: line.hint });
        }
        line.rows.into_iter().flatten().for_each(&mut row);
        if line.end {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(four: bool, six: bool) -> OriginArgs {
        OriginArgs { four, six, vrf: None }
    }

    #[test]
    fn an_address_may_name_its_link() {
        let of = |name| words(false, false).resolve(name);
        let one = |host: &str, link: Option<&str>| {
            Ok(vec![Target { host: host.parse().unwrap(), link: link.map(str::to_owned) }])
        };
        assert_eq!(of("fe80::1%lan"), one("fe80::1", Some("lan")));
        assert_eq!(of("ff02::1%lan"), one("ff02::1", Some("lan")));
        assert_eq!(of("2001:db8::1"), one("2001:db8::1", None));
        let foreign = Err("Address family for hostname not supported".to_owned());
        assert_eq!(words(true, false).resolve("2001:db8::1"), foreign);
        assert_eq!(words(false, true).resolve("192.0.2.1"), foreign);
        assert_eq!(shown("fe80::1".parse().unwrap(), Some("lan")), "fe80::1%lan");
        assert_eq!(shown("2001:db8::1".parse().unwrap(), Some("lan")), "2001:db8::1");
    }

    #[test]
    fn probes_come_from_an_interface_an_address_or_both() {
        let origin = words(false, false).origin(Some("fe80::1%lan"));
        let source = Some("fe80::1".parse().unwrap());
        assert_eq!((origin.iface.as_deref(), origin.source), (Some("lan"), source));
        let origin = words(false, false).origin(Some("lan"));
        assert_eq!((origin.iface.as_deref(), origin.source), (Some("lan"), None));
        let target = Target { host: "fe80::2".parse().unwrap(), link: Some("lan".into()) };
        assert!(target.bind(&mut origin.clone()));
        assert!(!target.bind(&mut words(false, false).origin(Some("wan"))));
    }
}
