//! Opening a port: the device is plugged in, asked what it can do, configured and started.

use std::{
    ffi::{CStr, CString},
    path::Path,
    sync::{Arc, OnceLock},
};

use dpdk_sys as sys;

use super::{
    Device, Interface, Port, PortConfig, PortError, PortInfo, RxQueue, Spreading, Started, TxQueue,
    kernel::{XDP_RELEASE, xdp_sockets},
};
use crate::{
    dpdk::{
        eal::describe,
        log,
        mbuf::{BURST_MAX, Burst},
        mempool::Pool,
    },
    packet::MacAddr,
};

/// Toeplitz key in which every 16 bits are alike, so that both directions of a flow hash alike.
const RSS_KEY: [u8; 52] = {
    let mut key = [0x6d; 52];
    let mut at = 0;
    while at < key.len() {
        key[at + 1] = 0x5a;
        at += 2;
    }
    key
};

/// Key that devices use when they do not say how long theirs is.
const RSS_KEY_LEN: u8 = 40;

/// Entries of a group of a device's table of queues.
const RETA_GROUP: usize = 64;

/// Buffers that each queue of an `af_xdp` port holds while it waits for packets.
const XDP_RING: u32 = 2048;

/// Bytes in front of a packet that the kernel keeps for XDP programs.
const XDP_HEADROOM: u32 = 256;

/// Bytes of a buffer that are not its data room: the pool's header and the mbuf.
const BUFFER_HEAD: u32 = 64 + sys::DPDK_MBUF_SIZE;

/// Ethernet header, two VLAN tags.
pub(super) const LINK_HEADER: u32 = 14 + 8;

/// A device while it is being opened.
pub(super) struct Opening<'a> {
    pub(super) text: &'a str,
    pub(super) config: &'a PortConfig,
    pub(super) driver: String,
    pub(super) notes: Vec<String>,
}

impl Opening<'_> {
    /// Makes a fact of a refusal: the driver's own words, or those of the error number.
    pub(super) fn refused(&self, step: &'static str, code: i32, mark: u64) -> PortError {
        let told = log::since(mark);
        PortError::Device {
            device: self.text.into(),
            step,
            why: if told.is_empty() { describe(code) } else { told },
        }
    }

    fn check(&self, step: &'static str, mark: u64, code: i32) -> Result<(), PortError> {
        if code == 0 { Ok(()) } else { Err(self.refused(step, code, mark)) }
    }

    /// Drivers whose transmit queue is the other side of a receive queue. A receive queue that
    /// exists gets its share of the packets, so each must be opened and polled.
    fn is_paired(&self) -> bool {
        ["net_af_packet", "net_af_xdp", "net_tap"].contains(&self.driver.as_str())
    }

    /// Queues that a virtual device is made with: the number, and the argument that says so.
    fn queues(&mut self, args: &str, interface: Option<&Interface>) -> (u16, Option<String>) {
        let wanted = self.config.rx_queues.max(self.config.tx_queues).max(1);
        let key = match self.driver.as_str() {
            "net_af_packet" => "qpairs",
            "net_af_xdp" => "queue_count",
            "net_vhost" => "queues",
            _ => return (wanted, None),
        };
        let given = args.split(',').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        if let Some(given) = given.and_then(|number| number.parse().ok()) {
            return (given, None);
        }
        let mut count = wanted;
        if let Some(interface) = interface.filter(|_| self.driver == "net_af_xdp") {
            let channels = interface.channels();
            count = count.min(channels);
            if count < channels {
                self.notes.push(format!(
                    "{channels} queues share the traffic of the interface and {count} of them are \
                     read; packets of the others go to the kernel (`ethtool -L IF combined {count}`)"
                ));
            }
        }
        (count, Some(format!("{key}={count}")))
    }

    /// Refuses buffers in which the device's packets, or which in the device's rings, do not fit.
    fn check_buffers(&self, pool: &Pool, args: &str, queues: u16) -> Result<(), PortError> {
        let frame = u32::from(self.config.mtu) + LINK_HEADER;
        let have = u32::from(pool.data_room());
        let (least, most) = match self.driver.as_str() {
            "net_af_packet" => {
                let ring = args.split(',').find_map(|word| word.strip_prefix("framesz="));
                // The driver wants room for a frame of the ring without the kernel's note.
                let frame = ring.and_then(|size| size.parse().ok()).unwrap_or(2048);
                (frame - 32 + sys::RTE_PKTMBUF_HEADROOM, u32::MAX)
            }
            // The kernel writes into the buffer itself, which lies within a page.
            "net_af_xdp" => (frame + sys::RTE_PKTMBUF_HEADROOM + XDP_HEADROOM, 4096 - BUFFER_HEAD),
            _ => return Ok(()),
        };
        if have < least || have > most {
            return Err(PortError::BufferSize { device: self.text.into(), least, most, have });
        }
        let needed = XDP_RING * u32::from(queues);
        let free = pool.available();
        if self.driver == "net_af_xdp" && free < needed {
            return Err(PortError::BufferCount { device: self.text.into(), needed, free });
        }
        Ok(())
    }

    fn check_mtu(&self, facts: &sys::rte_eth_dev_info) -> Result<(), PortError> {
        let wanted = self.config.mtu;
        // Drivers that say nothing about their largest packet name the largest number.
        let overhead = if facts.max_mtu != u16::MAX && facts.max_rx_pktlen > facts.max_mtu.into() {
            facts.max_rx_pktlen - u32::from(facts.max_mtu)
        } else {
            18
        };
        let longest = facts.max_rx_pktlen.saturating_sub(overhead).min(u16::MAX.into()) as u16;
        let max = match self.driver.as_str() {
            // Its frames are as long as its ring was made for, whatever it says.
            "net_af_packet" => u16::MAX,
            _ => longest.min(facts.max_mtu),
        };
        if wanted > max || wanted < facts.min_mtu {
            return Err(PortError::Mtu {
                device: self.text.into(),
                wanted,
                min: facts.min_mtu,
                max,
            });
        }
        Ok(())
    }

    /// What the device is asked to do: only what it offers.
    fn configuration(
        &self,
        facts: &sys::rte_eth_dev_info,
        pool: &Pool,
        rx_queues: u16,
        interrupts: bool,
    ) -> sys::rte_eth_conf {
        let mut conf = sys::rte_eth_conf::default();
        let mut rx = u64::from(sys::RTE_ETH_RX_OFFLOAD_IPV4_CKSUM)
            | u64::from(sys::RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
            | u64::from(sys::RTE_ETH_RX_OFFLOAD_TCP_CKSUM);
        if rx_queues > 1 {
            let types = u64::from(sys::RTE_ETH_RSS_IPV4)
                | u64::from(sys::RTE_ETH_RSS_FRAG_IPV4)
                | u64::from(sys::RTE_ETH_RSS_NONFRAG_IPV4_TCP)
                | u64::from(sys::RTE_ETH_RSS_NONFRAG_IPV4_UDP)
                | u64::from(sys::RTE_ETH_RSS_NONFRAG_IPV4_SCTP)
                | u64::from(sys::RTE_ETH_RSS_IPV6)
                | u64::from(sys::RTE_ETH_RSS_FRAG_IPV6)
                | u64::from(sys::RTE_ETH_RSS_NONFRAG_IPV6_TCP)
                | u64::from(sys::RTE_ETH_RSS_NONFRAG_IPV6_UDP)
                | u64::from(sys::RTE_ETH_RSS_NONFRAG_IPV6_SCTP);
            let types = types & facts.flow_type_rss_offloads;
            if types != 0 {
                conf.rxmode.mq_mode = sys::RTE_ETH_MQ_RX_RSS;
                conf.rx_adv_conf.rss_conf.rss_hf = types;
                rx |= u64::from(sys::RTE_ETH_RX_OFFLOAD_RSS_HASH);
                let len = match facts.hash_key_size {
                    0 => RSS_KEY_LEN,
                    len => len,
                };
                // A longer key than ours stays the driver's own.
                if usize::from(len) <= RSS_KEY.len() {
                    conf.rx_adv_conf.rss_conf.rss_key = RSS_KEY.as_ptr().cast_mut();
                    conf.rx_adv_conf.rss_conf.rss_key_len = len;
                }
            }
        }
        let room = u32::from(pool.data_room()) - sys::RTE_PKTMBUF_HEADROOM;
        let long = u32::from(self.config.mtu) + LINK_HEADER > room;
        if long {
            rx |= u64::from(sys::RTE_ETH_RX_OFFLOAD_SCATTER);
        }
        conf.rxmode.offloads = rx & facts.rx_offload_capa;
        // A chain keeps some drivers from their fastest way to send, so it is announced only where
        // packets may be longer than a buffer.
        let tx = if long {
            u64::from(sys::RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
        } else if self.config.fast_free {
            u64::from(sys::RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE)
        } else {
            0
        };
        conf.txmode.offloads = tx & facts.tx_offload_capa;
        if u32::from(self.config.mtu) + 18 <= facts.max_rx_pktlen {
            conf.rxmode.mtu = self.config.mtu.into();
        }
        if interrupts {
            conf.intr_conf.set_rxq(1);
        }
        conf
    }

    /// Configures and starts the device.
    fn start(
        &self,
        id: u16,
        conf: &sys::rte_eth_conf,
        (rx_queues, tx_queues): (u16, u16),
        pool: &Pool,
    ) -> Result<(), PortError> {
        let mark = log::mark();
        // SAFETY: `id` is a port that is not started, and `conf` outlives the call.
        let code = unsafe { sys::rte_eth_dev_configure(id, rx_queues, tx_queues, conf) };
        self.check("configure", mark, code)?;
        let (mut rx_desc, mut tx_desc) = (self.config.rx_desc, self.config.tx_desc);
        // SAFETY: as above; drivers without limits leave the numbers alone.
        unsafe { sys::rte_eth_dev_adjust_nb_rx_tx_desc(id, &mut rx_desc, &mut tx_desc) };
        // SAFETY: as above.
        let socket = unsafe { sys::rte_eth_dev_socket_id(id) } as u32;
        for queue in 0..rx_queues {
            // SAFETY: as above; a null configuration asks for the driver's defaults, and the pool
            // lives as long as the process.
            let set_up = || unsafe {
                let none = std::ptr::null();
                sys::rte_eth_rx_queue_setup(id, queue, rx_desc, socket, none, pool.as_ptr())
            };
            let mut code = set_up();
            // The queue may still be that of a process that has just ended. A failed attempt
            // costs the buffers of a ring, so there are few.
            for wait in 1..=2 {
                let again = code != 0 && self.driver == "net_af_xdp";
                if again && pool.available() >= XDP_RING {
                    std::thread::sleep(XDP_RELEASE * 2 * wait);
                    code = set_up();
                }
            }
            self.check("set up receive queue", mark, code)?;
        }
        for queue in 0..tx_queues {
            // SAFETY: as above.
            let code = unsafe {
                sys::rte_eth_tx_queue_setup(id, queue, tx_desc, socket, std::ptr::null())
            };
            self.check("set up transmit queue", mark, code)?;
        }
        // SAFETY: as above.
        let code = unsafe { sys::rte_eth_dev_start(id) };
        self.check("start", mark, code)
    }

    /// Why a PCI device that exists is not DPDK's.
    fn unbound(&self, address: &str) -> PortError {
        let link = Path::new("/sys/bus/pci/devices").join(address).join("driver");
        let driver = std::fs::read_link(link).ok();
        let driver = driver.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        let bind = format!("`dpdk-devbind.py -b vfio-pci {address}`");
        PortError::Device {
            device: self.text.into(),
            step: "find",
            why: match driver {
                None => format!("no driver has it; bind it with {bind}"),
                Some("vfio-pci" | "uio_pci_generic" | "igb_uio") => {
                    "no driver of DPDK knows it, or another process has it".into()
                }
                Some(driver) => format!("the kernel's driver {driver} has it; bind it with {bind}"),
            },
        }
    }
}

/// What a started device says of how it spreads packets; nothing where it does not say all of it.
fn spreading(id: u16, facts: &sys::rte_eth_dev_info) -> Option<Spreading> {
    let mut key = [0; RSS_KEY.len()];
    let len = match facts.hash_key_size {
        0 => RSS_KEY_LEN,
        len => len,
    };
    let key = key.get_mut(..usize::from(len))?;
    let mut conf = sys::rte_eth_rss_conf {
        rss_key: key.as_mut_ptr(),
        rss_key_len: len,
        ..sys::rte_eth_rss_conf::default()
    };
    // SAFETY: the port is started, and the key has room for as many bytes as are told.
    if unsafe { sys::rte_eth_dev_rss_hash_conf_get(id, &mut conf) } != 0 || facts.reta_size == 0 {
        return None;
    }
    let groups = usize::from(facts.reta_size).div_ceil(RETA_GROUP);
    let ask = sys::rte_eth_rss_reta_entry64 { mask: u64::MAX, ..Default::default() };
    let mut reta = vec![ask; groups];
    // SAFETY: as above, and there is a group for each 64 entries.
    let code = unsafe { sys::rte_eth_dev_rss_reta_query(id, reta.as_mut_ptr(), facts.reta_size) };
    let on = |types: u32| conf.rss_hf & u64::from(types) != 0;
    let queues = reta.iter().flat_map(|group| group.reta).take(facts.reta_size.into());
    (code == 0).then(|| Spreading {
        fields: [
            [
                on(sys::RTE_ETH_RSS_IPV4),
                on(sys::RTE_ETH_RSS_NONFRAG_IPV4_TCP),
                on(sys::RTE_ETH_RSS_NONFRAG_IPV4_UDP),
            ],
            [
                on(sys::RTE_ETH_RSS_IPV6),
                on(sys::RTE_ETH_RSS_NONFRAG_IPV6_TCP),
                on(sys::RTE_ETH_RSS_NONFRAG_IPV6_UDP),
            ],
        ],
        key: key.to_vec(),
        queues: queues.collect(),
    })
}

/// Drops what came in before the port was open: among it may be what the host itself sent, before
/// the socket was told to leave that out.
fn empty(queue: &mut RxQueue) {
    let mut burst = Burst::new();
    // As many as a ring holds, since a busy wire never falls silent.
    for _ in 0..1024 / BURST_MAX {
        if queue.recv(&mut burst, BURST_MAX) == 0 {
            break;
        }
        burst.clear();
    }
}

impl Port {
    /// Opens and starts a device. `number` makes its name unique; packets come from `pool`.
    ///
    /// The device may have fewer queues than wanted, and more receive queues than wanted where
    /// its driver knows only pairs: all that come back are to be polled.
    ///
    /// # Errors
    /// When the device is not there, or refuses its configuration.
    pub fn open(
        text: &str,
        number: usize,
        config: &PortConfig,
        pool: &Pool,
    ) -> Result<(Self, Vec<RxQueue>, Vec<TxQueue>), PortError> {
        let mut opening = Opening { text, config, driver: String::new(), notes: Vec::new() };
        let (started, pairs) = opening.plug(number, pool)?;
        opening.open(started, pairs, pool)
    }
}

impl Opening<'_> {
    /// Configures and starts a device that is DPDK's, made with `pairs` pairs of queues where that counts.
    pub(super) fn open(
        mut self,
        started: Started,
        pairs: u16,
        pool: &Pool,
    ) -> Result<(Port, Vec<RxQueue>, Vec<TxQueue>), PortError> {
        let config = self.config;
        let id = started.id;
        let started = Arc::new(started);

        let mark = log::mark();
        let mut facts = sys::rte_eth_dev_info::default();
        // SAFETY: `id` is a port, and the struct is written by DPDK.
        let code = unsafe { sys::rte_eth_dev_info_get(id, &mut facts) };
        self.check("ask", mark, code)?;
        self.check_mtu(&facts)?;

        let limit = |wanted: u16, max: u16| wanted.clamp(1, max.max(1));
        let (rx_queues, tx_queues) = if self.is_paired() {
            let pairs = limit(pairs, facts.max_rx_queues.min(facts.max_tx_queues));
            (pairs, pairs)
        } else {
            (
                limit(config.rx_queues, facts.max_rx_queues),
                limit(config.tx_queues, facts.max_tx_queues),
            )
        };
        // Some devices take an address only while they stand still.
        let (own, mac) = self.set_mac(id, mark)?;
        let mut conf = self.configuration(&facts, pool, rx_queues, config.rx_interrupts);
        let before = xdp_sockets();
        let mut result = self.start(id, &conf, (rx_queues, tx_queues), pool);
        if result.is_err() && config.rx_interrupts {
            // Some drivers refuse to start with interrupts that they cannot have.
            conf = self.configuration(&facts, pool, rx_queues, false);
            // SAFETY: the port is not started.
            unsafe { sys::rte_eth_dev_stop(id) };
            result = self.start(id, &conf, (rx_queues, tx_queues), pool);
            if result.is_ok() {
                self.notes.push("the device has no receive interrupts".into());
            }
        }
        if self.driver == "net_af_xdp" {
            let opened = xdp_sockets().into_iter().filter(|socket| !before.contains(socket));
            // Nobody else has set them: the device has just been made.
            let _ = started.xdp_sockets.set(opened.collect());
        }
        result?;
        let rss = conf.rx_adv_conf.rss_conf.rss_hf != 0;
        if rx_queues > 1 && facts.flow_type_rss_offloads != 0 && !rss {
            self.notes.push("the device cannot spread packets over queues by flow".into());
        }

        // SAFETY: DPDK's driver names are C strings that live as long as the driver.
        let driver = unsafe { CStr::from_ptr(facts.driver_name) };
        let interface = started.interface.as_ref().map(Interface::name);
        let port = Port {
            info: PortInfo {
                id,
                driver: driver.to_string_lossy().into_owned(),
                name: started.name.to_string_lossy().into_owned(),
                interface,
                mac,
                // A driver that was named here is one of software.
                permanent: if self.driver.is_empty() { own } else { MacAddr::ZERO },
                mtu: config.mtu,
                // SAFETY: the port is started.
                socket: unsafe { sys::rte_eth_dev_socket_id(id) },
                rx_queues,
                tx_queues,
                max_rx_queues: facts.max_rx_queues,
                max_tx_queues: facts.max_tx_queues,
                rx_offloads: conf.rxmode.offloads,
                tx_offloads: conf.txmode.offloads,
                rss,
                spreading: rss.then(|| spreading(id, &facts)).flatten(),
                notes: self.notes,
            },
            started: Arc::clone(&started),
        };
        if config.promiscuous {
            port.set_promiscuous(true)?;
        }
        let mut rx: Vec<_> = (0..rx_queues).map(|queue| RxQueue::new(&started, queue)).collect();
        let tx = (0..tx_queues).map(|queue| TxQueue::new(&started, queue)).collect();
        if self.driver == "net_af_packet" {
            rx.iter_mut().for_each(empty);
        }
        Ok((port, rx, tx))
    }

    /// Makes the device known to DPDK; gives it and the number of queues it was made with.
    fn plug(&mut self, number: usize, pool: &Pool) -> Result<(Started, u16), PortError> {
        let (bus, name, args, interface, pairs) = match Device::parse(self.text, self.config.mtu)? {
            Device::Pci(address) => (c"pci", address, String::new(), None, 0),
            Device::Virtual { driver, name, args, interface } => {
                self.driver.clone_from(&driver);
                let mut under = None;
                if let Some(name) = interface {
                    let mut interface =
                        Interface::find(&name).map_err(|error| self.kernel("find", error))?;
                    interface
                        .prepare(self.config.mtu)
                        .map_err(|(step, error)| self.kernel(step, error))?;
                    under = Some(interface);
                }
                let (pairs, more) = self.queues(&args, under.as_ref());
                self.check_buffers(pool, &args, pairs)?;
                let args: Vec<String> =
                    [args].into_iter().chain(more).filter(|word| !word.is_empty()).collect();
                let name = name.unwrap_or_else(|| format!("{driver}{number}"));
                (c"vdev", name, args.join(","), under, pairs)
            }
        };
        // `Device::parse` let no zero byte through.
        let c_name = CString::new(name.clone()).unwrap_or_default();
        let args = CString::new(args).unwrap_or_default();
        let mut id = 0;
        // SAFETY: the name is a C string and `id` a place to write.
        let found =
            |id: &mut u16| unsafe { sys::rte_eth_dev_get_port_by_name(c_name.as_ptr(), id) == 0 };
        let mark = log::mark();
        if found(&mut id) && bus == c"vdev" {
            return Err(PortError::Device {
                device: self.text.into(),
                step: "attach",
                why: format!("there is a device named {name} already"),
            });
        }
        if !found(&mut id) {
            // SAFETY: all three are C strings that outlive the call.
            let code =
                unsafe { sys::rte_eal_hotplug_add(bus.as_ptr(), c_name.as_ptr(), args.as_ptr()) };
            if !found(&mut id) {
                if bus == c"pci" {
                    return Err(self.unbound(&name));
                }
                return Err(self.refused("attach", code, mark));
            }
        }
        if self.driver == "net_af_packet"
            && let Some(interface) = &interface
        {
            interface.ignore_outgoing();
        }
        let started = Started {
            id,
            bus,
            name: c_name,
            interface,
            xdp_sockets: OnceLock::new(),
            first_mac: OnceLock::new(),
            _rings: None,
        };
        Ok((started, pairs))
    }

    fn kernel(&self, step: &'static str, error: std::io::Error) -> PortError {
        PortError::Kernel { device: self.text.into(), step, error }
    }

    /// Gives the device the wanted link-layer address. Where it cannot have another, it receives
    /// frames for all stations, so that those for the wanted address are among them. Gives the address
    /// that it had before, and the one that it has now.
    fn set_mac(&mut self, id: u16, mark: u64) -> Result<(MacAddr, MacAddr), PortError> {
        let mut address = sys::rte_ether_addr::default();
        // SAFETY: `id` is a port and the address a place to write.
        let code = unsafe { sys::rte_eth_macaddr_get(id, &mut address) };
        self.check("read link-layer address", mark, code)?;
        let own = MacAddr::new(address.addr_bytes);
        let Some(wanted) = self.config.mac.filter(|wanted| *wanted != own) else {
            return Ok((own, own));
        };
        address.addr_bytes = wanted.octets();
        // SAFETY: as above.
        if unsafe { sys::rte_eth_dev_default_mac_addr_set(id, &mut address) } != 0 {
            // SAFETY: as above.
            let code = unsafe { sys::rte_eth_promiscuous_enable(id) };
            // Devices without stations have no address to filter by.
            if code != 0 {
                self.notes.push(format!(
                    "the device can neither take the address {wanted} nor receive for all stations"
                ));
            }
        }
        Ok((own, wanted))
    }
}
