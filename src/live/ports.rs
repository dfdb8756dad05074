//! Ports of a live router, and which worker polls and sends on which queue.

use std::sync::Arc;

use super::LiveError;
use crate::{
    config::{Config, Spread as How},
    conntrack::{
        Homes,
        homes::{Fields, Rss},
    },
    dpdk::{
        mempool::Pool,
        port::{Link, Port, PortConfig, PortError, RxQueue, Spreading, TxQueue},
    },
    graph::Input,
    packet::{MacAddr, toeplitz::Pattern},
    port::nodes::{DeviceRx, Handover, HandoverRx, Sink, Spread},
    setup::PortFact,
    tables::Tables,
    telemetry::desk::DeviceFacts,
};

/// Frames on the way from one worker to another; many may hold a packet or two each while the other
/// sleeps.
const HANDOVER_FRAMES: usize = 256;

/// All ports, in the order of the configuration.
pub(super) struct Ports {
    ports: Vec<(String, Port)>,
    /// Devices, as the configuration writes them.
    names: Vec<String>,
    links: Vec<Link>,
    handovers: Vec<Arc<Handover>>,
    /// How each port spreads flows; nothing where that is not known.
    spreads: Vec<Option<Homes>>,
    notes: Vec<String>,
}

/// What one worker polls and sends on.
#[derive(Default)]
pub(super) struct End {
    /// Name of the input, number of the port, queue, and node that gets the packets.
    rx: Vec<(String, u16, RxQueue, &'static str)>,
    handovers: Vec<HandoverRx>,
    /// Number of the port, and where its packets go.
    pub(super) sinks: Vec<(u16, Sink)>,
    pub(super) spread: Option<Spread>,
}

impl End {
    /// The inputs; `iface` tells the interface of a port.
    pub(super) fn inputs(
        &mut self,
        burst: usize,
        iface: impl Fn(u16) -> u16,
    ) -> Vec<Box<dyn Input<Tables>>> {
        let mut inputs: Vec<Box<dyn Input<Tables>>> = Vec::new();
        for (name, port, queue, target) in self.rx.drain(..) {
            inputs.push(Box::new(DeviceRx::new(name, queue, iface(port), burst, target)));
        }
        for handover in self.handovers.drain(..) {
            inputs.push(Box::new(handover));
        }
        inputs
    }
}

/// PCI devices that the configuration names.
pub(super) fn pci(config: &Config) -> Vec<String> {
    let devices = config.ports.iter().filter_map(|port| port.device.as_ref());
    let is_pci = |name: &&str| {
        name.chars().all(|c| c.is_ascii_hexdigit() || c == ':' || c == '.') && name.contains('.')
    };
    devices.map(|device| &***device).filter(is_pci).map(str::to_owned).collect()
}

/// To which of `workers` workers flows come that a device spreads.
fn homes(rss: &Spreading, workers: usize) -> Option<Homes> {
    let fields = |addresses, tcp, udp| Fields { addresses, tcp, udp };
    Some(Homes::Rss(Rss {
        pattern: Pattern::of(&rss.key)?,
        fields: rss.fields.map(|[addresses, tcp, udp]| fields(addresses, tcp, udp)),
        workers: rss.queues.iter().map(|queue| queue % workers as u16).collect(),
    }))
}

/// `CAP_NET_ADMIN` and `CAP_NET_RAW` in the kernel's sets.
const NETWORK_RIGHTS: u64 = 1 << 12 | 1 << 13;

/// Whether the process may not do what devices of the kernel ask for.
fn lacks_rights() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set & NETWORK_RIGHTS != NETWORK_RIGHTS)
}

/// What to do about a device that cannot be had. Drivers do not always say what was missing.
fn hint(error: &PortError) -> Option<&'static str> {
    let named = matches!(error, PortError::Device { .. } | PortError::Kernel { .. });
    (named && lacks_rights()).then_some(
        "run as root, or give the program the capabilities CAP_NET_RAW and CAP_NET_ADMIN (af_xdp \
         needs CAP_BPF and CAP_SYS_ADMIN too)",
    )
}

impl Ports {
    /// Opens all ports and shares their queues out among `workers` workers.
    pub(super) fn open(
        config: &Config,
        pool: Pool,
        workers: usize,
    ) -> Result<(Self, Vec<End>), LiveError> {
        let mut all = Self {
            ports: Vec::new(),
            names: Vec::new(),
            links: Vec::new(),
            handovers: Vec::new(),
            spreads: Vec::new(),
            notes: Vec::new(),
        };
        let mut ends: Vec<End> = (0..workers).map(|_| End::default()).collect();
        let spreading = config.workers.spread;
        let mut next = 0;
        let mut in_software = false;
        for (place, port) in config.ports.iter().enumerate() {
            let Some(device) = &port.device else { continue };
            let wanted = match spreading {
                How::Rss => workers as u16,
                How::Hash | How::Off => 1,
            };
            let wanted = PortConfig {
                rx_queues: port.rx_queues.unwrap_or(wanted),
                tx_queues: workers as u16,
                rx_desc: port.rx_descriptors,
                tx_desc: port.tx_descriptors,
                mtu: port.mtu,
                mac: port.mac,
                ..PortConfig::default()
            };
            let (opened, rx, tx) = Port::open(device, place, &wanted, &pool).map_err(|error| {
                // Where it is said, the device is meant: the place in the file tells which.
                let message = format!("port {}: {error}", *port.name);
                let errors = config.error(device.place(), message, hint(&error).map(str::to_owned));
                LiveError::Config(errors)
            })?;
            let info = opened.info();
            all.notes.extend(info.notes.iter().map(|note| format!("port {}: {note}", *port.name)));
            let number = info.id;
            let few = rx.len() < workers || (rx.len() > 1 && !info.rss);
            let spread = workers > 1
                && match spreading {
                    How::Rss => few,
                    How::Hash => true,
                    How::Off => false,
                };
            in_software |= spread;
            let target = if spread { "spread" } else { "classify" };
            for queue in rx {
                let name = format!("{}-rx{}", *port.name, queue.number());
                // A device's table of queues is to lead to the same workers by every port.
                let place = if info.rss { usize::from(queue.number()) } else { next };
                ends[place % workers].rx.push((name, number, queue, target));
                next += 1;
            }
            all.spreads.push(match (spread, &info.spreading) {
                (true, _) => Some(Homes::Hash(workers as u32)),
                (false, Some(rss)) => homes(rss, workers),
                (false, None) => None,
            });
            all.share_tx(number, tx, &mut ends);
            all.names.push(device.to_string());
            all.links.push(opened.link());
            all.ports.push((port.name.to_string(), opened));
        }
        if in_software {
            all.spread(&mut ends);
        }
        Ok((all, ends))
    }

    /// A queue to send on for each worker; who has none sends through another worker.
    fn share_tx(&mut self, port: u16, queues: Vec<TxQueue>, ends: &mut [End]) {
        let owners = queues.len();
        for (end, queue) in ends.iter_mut().zip(queues) {
            end.sinks.push((port, Sink::Device(queue)));
        }
        for from in owners..ends.len() {
            let way = Handover::new(HANDOVER_FRAMES);
            self.handovers.push(Arc::clone(&way));
            ends[from].sinks.push((port, Sink::Worker(Arc::clone(&way))));
            // Every device has at least one queue.
            let owner = from % owners.max(1);
            ends[owner].handovers.push(HandoverRx::new(from, way, "tx"));
        }
    }

    /// Ways from each worker to each other.
    fn spread(&mut self, ends: &mut [End]) {
        let workers = ends.len();
        for me in 0..workers {
            let mut ways = Vec::new();
            for (to, end) in ends.iter_mut().enumerate() {
                if to == me {
                    ways.push(None);
                    continue;
                }
                let way = Handover::new(HANDOVER_FRAMES);
                self.handovers.push(Arc::clone(&way));
                end.handovers.push(HandoverRx::new(me, Arc::clone(&way), "classify"));
                ways.push(Some(way));
            }
            ends[me].spread = Some(Spread::new(me, ways));
        }
    }

    /// To which worker flows come, as far as all ports agree on it.
    pub(super) fn homes(&self, workers: usize) -> Homes {
        match &self.spreads[..] {
            _ if workers == 1 => Homes::Unknown,
            [Some(first), rest @ ..] if rest.iter().all(|one| one.as_ref() == Some(first)) => {
                first.clone()
            }
            _ => Homes::Unknown,
        }
    }

    /// Facts for the router, by port.
    pub(super) fn facts(&self) -> Vec<PortFact> {
        let ports = self.ports.iter().zip(&self.links);
        ports
            .map(|((_, port), link)| PortFact {
                number: port.info().id,
                mac: port.info().mac,
                permanent: port.info().permanent,
                carrier: link.up,
            })
            .collect()
    }

    /// What the operator should know, a sentence each.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Ports whose links came or went since the last call.
    pub(super) fn changed_links(&mut self) -> Vec<(u16, bool)> {
        let mut changed = Vec::new();
        for ((_, port), link) in self.ports.iter().zip(&mut self.links) {
            let now = port.link();
            if now.up != link.up {
                changed.push((port.info().id, now.up));
            }
            *link = now;
        }
        changed
    }

    /// Gives the device of a port another link-layer address.
    pub(super) fn set_mac(&mut self, number: u16, mac: MacAddr) -> Result<(), String> {
        let Some((_, port)) = self.ports.iter_mut().find(|(_, port)| port.info().id == number)
        else {
            return Ok(());
        };
        port.set_mac(mac).map_err(|error| error.to_string())
    }

    /// What the devices tell of themselves.
    pub(super) fn devices(&self) -> Vec<DeviceFacts> {
        let ports = self.ports.iter().zip(&self.links).zip(&self.names);
        ports
            .map(|(((_, port), link), device)| DeviceFacts {
                port: port.info().id,
                device: device.clone(),
                driver: port.info().driver.clone(),
                link: *link,
                stats: port.stats(),
            })
            .collect()
    }

    /// Frees what was on the way between workers; they must have stopped.
    pub(super) fn clear_handovers(&self) -> usize {
        self.handovers.iter().map(|way| way.clear()).sum()
    }
}
