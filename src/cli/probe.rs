//! What `ping` and `traceroute` have in common: words about where probes come from, and following
//! a session until it ends or the operator has seen enough.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};

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

/// Words about where probes come from.
#[derive(Debug, Args)]
pub(super) struct OriginArgs {
    /// VRF in which to route.
    #[arg(long, value_name = "NAME")]
    vrf: Option<String>,
}

impl OriginArgs {
    /// `from` is an interface, a VRF or an address.
    pub(super) fn origin(&self, from: Option<&str>) -> Origin {
        let source = from.and_then(|from| from.parse().ok());
        let iface = from.filter(|_| source.is_none()).map(str::to_owned);
        Origin { iface, vrf: self.vrf.clone(), source, tos: 0 }
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

/// The first IPv4 address of a host.
pub(super) fn resolve(host: &str) -> Result<Ipv4Addr, String> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let found = (host, 0).to_socket_addrs().map_err(|error| {
        let text = error.to_string();
        // What getaddrinfo says stands behind what std says.
        text.rsplit(": ").next().unwrap_or_default().to_owned()
    })?;
    let mut v4 = found.filter_map(|address| match address {
        SocketAddr::V4(v4) => Some(*v4.ip()),
        SocketAddr::V6(_) => None,
    });
    v4.next().ok_or_else(|| "Address family for hostname not supported".to_owned())
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
