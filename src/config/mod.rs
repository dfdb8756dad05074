//! The configuration file: what an operator wants the router to be, read once and checked whole.
//!
//! - takes: a TOML file; docs/configuration.md lists its keys, from the same lists that read them
//! - gives: a [`Config`] whose parts fit together, or all errors of the file, each with its place
//! - obeys: names and meanings of iproute2 and of `/proc/sys`
//!
//! Whether devices, cores and memory are there is found out at start; errors of that time can point
//! into the file too ([`Config::error`]).

mod advertise;
mod build;
mod docs;
mod error;
mod host;
mod nat64;
mod neigh;
pub mod netfilter;
mod policy;
mod route;
mod route_file;
mod section;
mod sections;
mod sysctl;
mod texts;
mod value;

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ipnet::{Ipv4Net, Ipv6Net};

pub use advertise::Advertise;
pub use docs::manual;
pub use error::{ConfigError, ConfigErrors, Source, suggest};
pub use neigh::{NeighName, NeighWhat};
pub use route::Neighbour;
pub use route_file::each_route;
pub use sections::{
    Buffers, Cache, DeviceName, Dpdk, Instance, InstanceName, Limits, Simd, Spread, Tcp, Telemetry,
};
pub use sysctl::{ConfSysctl, Sysctl, SysctlError, SysctlName, Sysctls};
pub use value::{At, InterfaceName};

use crate::{
    conntrack::nat::{carrier::Ways, cross::Net64},
    packet::MacAddr,
    route::spec::{NexthopSpec, RouteSpec, RuleSpec},
    worker::Idle,
};

/// The configuration that is built in: what `replay` uses when no file is given.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

/// A configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where it was read from.
    pub source: Arc<Source>,
    /// What this router is called.
    pub instance: Instance,
    /// How DPDK starts.
    pub dpdk: Dpdk,
    /// Memory that packets are kept in.
    pub buffers: Buffers,
    /// The threads that forward packets.
    pub workers: Workers,
    /// Memory of recent decisions.
    pub cache: Cache,
    /// What is done with TCP connections in transit.
    pub tcp: Tcp,
    /// How much the tables hold.
    pub limits: Limits,
    /// Where tools ask the running router.
    pub telemetry: Telemetry,
    /// Ports in the order of the file.
    pub ports: Vec<Port>,
    /// VRFs in the order of the file.
    pub vrfs: Vec<Vrf>,
    /// Next-hop objects, groups behind what they are made of.
    pub nexthops: Vec<At<NexthopSpec>>,
    /// Rules in the order of the file, in addition to those that there are from the start.
    pub rules: Vec<At<RuleSpec>>,
    /// Routes in the order of the file.
    pub routes: Vec<At<RouteSpec>>,
    /// File with more routes; its path starts at the configuration file.
    pub route_file: Option<At<PathBuf>>,
    /// The packet filter.
    pub netfilter: Netfilter,
    /// Translation between IPv6 and IPv4.
    pub nat64: Option<Net64>,
    /// Neighbours that need no question.
    pub neighbours: Vec<At<Neighbour>>,
    /// What hosts of links are told.
    pub advertise: Vec<Advertise>,
    /// A value for every tunable.
    pub sysctls: Sysctls,
}

/// The packet filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netfilter {
    /// Files with rules of IPv4 and IPv6; their paths start at the configuration file.
    pub rules: [Option<At<PathBuf>>; 2],
    /// A file with rules of nftables.
    pub nftables: Option<At<PathBuf>>,
    /// A file with sets.
    pub sets: Option<At<PathBuf>>,
    /// A file with commands of `nfct`.
    pub nfct: Option<At<PathBuf>>,
    /// Connections are tracked though no rule asks for it.
    pub track: bool,
    /// Socket for programs that decide on packets.
    pub queues: Option<At<PathBuf>>,
    /// Lines about packets in a second.
    pub log_rate: u32,
    /// Directory for packets of `NFLOG`.
    pub nflog: Option<At<PathBuf>>,
    /// MiB of one capture there.
    pub nflog_mib: u32,
    /// How sources are translated where Linux has one way alone.
    pub ways: Ways,
}

/// The threads that forward packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Where they run.
    pub cores: Cores,
    /// What they do when nothing comes.
    pub idle: Idle,
    /// Most packets taken from a queue at once.
    pub burst: u16,
    /// How packets are spread over them.
    pub spread: Spread,
}

/// Where workers run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cores {
    /// On these cores, one worker each.
    List(At<Vec<u16>>),
    /// So many workers, on cores that the router chooses.
    Count(u16),
}

impl Cores {
    /// Number of workers.
    pub fn workers(&self) -> usize {
        match self {
            Self::List(cores) => cores.len(),
            Self::Count(count) => usize::from(*count),
        }
    }
}

/// A port.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Name of the interface.
    pub name: At<String>,
    /// Where packets come from and go to.
    pub device: Option<At<DeviceName>>,
    /// Link-layer address to use in place of the device's.
    pub mac: Option<MacAddr>,
    /// Largest IPv4 packet.
    pub mtu: u16,
    /// Receive queues; one a worker unless given.
    pub rx_queues: Option<u16>,
    /// Packets that each receive queue holds.
    pub rx_descriptors: u16,
    /// Packets that each transmit queue holds.
    pub tx_descriptors: u16,
    /// Administratively up.
    pub up: bool,
    /// Group of interfaces, which rules may name.
    pub group: u32,
    /// Addresses with the length of their subnets' prefixes.
    pub addresses: Vec<At<Ipv4Net>>,
    /// The same of IPv6.
    pub addresses6: Vec<At<Ipv6Net>>,
    /// VLANs on it.
    pub vlans: Vec<Vlan>,
}

/// A VLAN on a port.
#[derive(Clone, Debug, PartialEq)]
pub struct Vlan {
    /// Its id.
    pub id: u16,
    /// Name of the interface.
    pub name: At<String>,
    /// Largest IPv4 packet.
    pub mtu: u16,
    /// Administratively up.
    pub up: bool,
    /// Group of interfaces, which rules may name.
    pub group: u32,
    /// Addresses with the length of their subnets' prefixes.
    pub addresses: Vec<At<Ipv4Net>>,
    /// The same of IPv6.
    pub addresses6: Vec<At<Ipv6Net>>,
}

/// A VRF.
#[derive(Clone, Debug, PartialEq)]
pub struct Vrf {
    /// Name of its interface.
    pub name: At<String>,
    /// Table in which its routes stand.
    pub table: u32,
    /// Interfaces in it.
    pub interfaces: Vec<At<String>>,
    /// Administratively up.
    pub up: bool,
    /// Addresses of its own interface.
    pub addresses: Vec<At<Ipv4Net>>,
    /// The same of IPv6.
    pub addresses6: Vec<At<Ipv6Net>>,
}

/// What DPDK keeps free before each packet, and what Ethernet and two VLAN tags add to the MTU.
const HEADROOM: u32 = 128;
const FRAME_OVERHEAD: u32 = 14 + 2 * 4;
/// A frame of 1500 bytes and room to spare, as DPDK's own default.
const LEAST_DATA_ROOM: u32 = 2048 + HEADROOM;

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let hint = match error.kind() {
                std::io::ErrorKind::NotFound => {
                    Some("the examples in config/ are good to start from".to_owned())
                }
                std::io::ErrorKind::InvalidData => {
                    Some("configuration files are UTF-8 text".to_owned())
                }
                _ => None,
            };
            ConfigErrors::whole(&name, format!("cannot read the configuration: {error}"), hint)
        })?;
        Self::parse(&name, &text)
    }

    /// Reads a text; `name` stands before errors, and relative paths in the text start beside it.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigErrors> {
        let source = Arc::new(Source { name: name.to_owned(), text: text.to_owned() });
        build::build(source)
    }

    /// The configuration that is built in.
    ///
    /// # Errors
    /// Never, as a test shows.
    pub fn embedded_default() -> Result<Self, ConfigErrors> {
        Self::parse("(built-in default)", DEFAULT)
    }

    /// An error about something in this file that was found out later.
    pub fn error(
        &self,
        place: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> ConfigErrors {
        let error = ConfigError { message: message.into(), hint, at: Some(place) };
        ConfigErrors::new(Arc::clone(&self.source), vec![error])
    }

    /// That every port has a device, which a live router needs and a replay does not.
    ///
    /// # Errors
    /// The ports that have none.
    pub fn require_devices(&self) -> Result<(), ConfigErrors> {
        let error = |message: String, hint: &str, at| ConfigError {
            message,
            hint: Some(hint.to_owned()),
            at,
        };
        if self.ports.is_empty() {
            let hint = "add a [[port]] with a name and a device";
            let error = error("there is no port".to_owned(), hint, None);
            return Err(ConfigErrors::new(Arc::clone(&self.source), vec![error]));
        }
        let without = self.ports.iter().filter(|port| port.device.is_none());
        let errors: Vec<_> = without
            .map(|port| {
                let message = format!("port {:?} has no device", *port.name);
                let hint = "add device = \"af_xdp:INTERFACE\", a PCI address, or another one of \
                            docs/configuration.md";
                error(message, hint, Some(port.name.place()))
            })
            .collect();
        if errors.is_empty() {
            return Ok(());
        }
        Err(ConfigErrors::new(Arc::clone(&self.source), errors))
    }

    /// Names of all interfaces but VRFs: each port, then its VLANs.
    pub fn interfaces(&self) -> impl Iterator<Item = &str> {
        self.ports.iter().flat_map(|port| {
            std::iter::once(port.name.as_str()).chain(port.vlans.iter().map(|v| v.name.as_str()))
        })
    }

    /// Bytes of one packet buffer: as given, or what the largest frame needs.
    pub fn data_room(&self) -> u16 {
        self.buffers.data_room.unwrap_or_else(|| {
            let mtu = self.ports.iter().map(|port| u32::from(port.mtu)).max().unwrap_or(0);
            let frame = (mtu + FRAME_OVERHEAD).next_multiple_of(64) + HEADROOM;
            u16::try_from(frame.max(LEAST_DATA_ROOM)).unwrap_or(u16::MAX)
        })
    }

    /// Buffers that each worker keeps at hand: as given, or enough that a burst comes from there and goes
    /// back there.
    pub fn buffers_at_hand(&self) -> u32 {
        self.buffers.cache.unwrap_or_else(|| (2 * u32::from(self.workers.burst)).max(256))
    }

    /// Number of packet buffers for `workers` workers: as given, or enough to fill all queues of all
    /// ports, the workers' hands, and the queues of the management core.
    pub fn buffer_count(&self, workers: usize) -> u32 {
        const MANAGEMENT: usize = 4096;
        const FRAMES_IN_HAND: usize = 16;
        self.buffers.count.unwrap_or_else(|| {
            let queues: usize = self
                .ports
                .iter()
                .map(|port| {
                    let rx = port.rx_queues.map_or(workers, usize::from);
                    rx * usize::from(port.rx_descriptors)
                        + workers * usize::from(port.tx_descriptors)
                })
                .sum();
            let hands = self.buffers_at_hand() as usize * 3 / 2
                + FRAMES_IN_HAND * usize::from(self.workers.burst);
            let needed = queues + workers * hands + MANAGEMENT;
            // A mempool's ring is fullest with one less than a power of two.
            u32::try_from(needed.next_power_of_two() - 1).unwrap_or(u32::MAX)
        })
    }

    /// Path of the socket on which the running router answers.
    pub fn socket_path(&self) -> PathBuf {
        self.telemetry.socket.clone().unwrap_or_else(|| socket_path(&self.instance.name))
    }
}

/// Where the router of this name answers unless its file says otherwise.
pub fn socket_path(instance: &InstanceName) -> PathBuf {
    let user = rustix::process::geteuid();
    let directory = if user.is_root() {
        PathBuf::from("/run/wagonway")
    } else {
        match std::env::var_os("XDG_RUNTIME_DIR") {
            Some(directory) if !directory.is_empty() => PathBuf::from(directory).join("wagonway"),
            _ => PathBuf::from(format!("/tmp/wagonway-{}", user.as_raw())),
        }
    };
    directory.join(format!("{instance}.sock"))
}

fn idle(word: sections::IdleWord, spin_us: u32, max_sleep_us: u32) -> Idle {
    match word {
        sections::IdleWord::Poll => Idle::Poll,
        sections::IdleWord::Adaptive => Idle::Adaptive {
            spin: Duration::from_micros(u64::from(spin_us)),
            max_sleep: Duration::from_micros(u64::from(max_sleep_us)),
        },
    }
}

#[cfg(test)]
mod tests;
