//! Ports: devices, their queues, link state and counters.

mod spec;

use std::{ffi::CString, sync::Arc};

use dpdk_sys as sys;
use thiserror::Error;

use super::{
    eal::{describe, last_error},
    mbuf::{BURST_MAX, Burst},
    mempool::Pool,
};
use crate::packet::MacAddr;

pub use spec::{Device, SpecError};

/// A port could not be opened.
#[derive(Debug, Error)]
pub enum PortError {
    /// The device's name.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// DPDK refused.
    #[error("device {device}: {step}: {why}")]
    Device {
        /// The device.
        device: String,
        /// What was being done.
        step: &'static str,
        /// DPDK's reason.
        why: String,
    },
}

/// How a port is opened.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// Receive queues wanted.
    pub rx_queues: u16,
    /// Transmit queues wanted; one a worker.
    pub tx_queues: u16,
    /// Receive descriptors a queue.
    pub rx_desc: u16,
    /// Transmit descriptors a queue.
    pub tx_desc: u16,
    /// Largest IPv4 packet.
    pub mtu: u16,
    /// Link-layer address to use in place of the device's.
    pub mac: Option<MacAddr>,
}

/// What the device turned out to be.
#[derive(Clone, Debug)]
pub struct PortInfo {
    /// DPDK's number.
    pub id: u16,
    /// Driver.
    pub driver: String,
    /// Link-layer address.
    pub mac: MacAddr,
    /// NUMA socket, or -1.
    pub socket: i32,
    /// Receive queues it opened with.
    pub rx_queues: u16,
    /// Transmit queues it opened with.
    pub tx_queues: u16,
}

/// State of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Link {
    /// There is one.
    pub up: bool,
    /// In Mb/s, where known.
    pub speed: Option<u32>,
}

/// What a device counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets lost because nobody took them in time.
    pub rx_missed: u64,
    /// Broken packets received.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
}

/// A started device; it stops when the port and all of its queues are gone.
struct Started {
    id: u16,
    name: Option<CString>,
}

impl Drop for Started {
    fn drop(&mut self) {
        // SAFETY: the port was started by `Port::open`, and no queue is left that could poll it.
        unsafe {
            sys::rte_eth_dev_stop(self.id);
            sys::rte_eth_dev_close(self.id);
            if let Some(name) = &self.name {
                sys::rte_eal_hotplug_remove(c"vdev".as_ptr(), name.as_ptr());
            }
        }
    }
}

/// A port.
pub struct Port {
    started: Arc<Started>,
    info: PortInfo,
}

/// One receive queue; it belongs to one worker.
pub struct RxQueue {
    started: Arc<Started>,
    queue: u16,
}

/// One transmit queue; it belongs to one worker.
pub struct TxQueue {
    started: Arc<Started>,
    queue: u16,
}

/// Symmetric Toeplitz key: both directions of a flow hash alike.
const RSS_KEY: [u8; 52] = {
    let mut key = [0x6d; 52];
    let mut at = 0;
    while at < key.len() {
        key[at + 1] = 0x5a;
        at += 2;
    }
    key
};

impl Port {
    /// Opens and starts a device. `number` makes its name unique; packets come from `pool`.
    ///
    /// # Errors
    /// When the device is not there, or refuses its configuration.
    pub fn open(
        text: &str,
        number: usize,
        config: &PortConfig,
        pool: &Pool,
    ) -> Result<(Self, Vec<RxQueue>, Vec<TxQueue>), PortError> {
        let fail = |step: &'static str, code: i32| PortError::Device {
            device: text.to_owned(),
            step,
            why: if code == 0 { last_error() } else { describe(code) },
        };
        let (name, plugged) = match Device::parse(text, config.mtu)? {
            Device::Pci(address) => (address, false),
            Device::Virtual { driver, args } => {
                let name = format!("{driver}{number}");
                let queues = match driver {
                    "net_af_packet" => {
                        format!(",qpairs={}", config.rx_queues.max(config.tx_queues))
                    }
                    "net_af_xdp" if config.rx_queues > 1 => {
                        format!(",queue_count={}", config.rx_queues)
                    }
                    _ => String::new(),
                };
                let args = cstring(args.trim_start_matches(',').to_owned() + &queues);
                let c_name = cstring(name.clone());
                // SAFETY: all three are C strings that outlive the call.
                let code = unsafe {
                    sys::rte_eal_hotplug_add(c"vdev".as_ptr(), c_name.as_ptr(), args.as_ptr())
                };
                if code != 0 {
                    return Err(fail("attach", code));
                }
                (name, true)
            }
        };
        let c_name = cstring(name.clone());
        let mut id = 0;
        // SAFETY: the name is a C string and `id` a place to write.
        let code = unsafe { sys::rte_eth_dev_get_port_by_name(c_name.as_ptr(), &mut id) };
        if code != 0 {
            return Err(fail("find", code));
        }
        let started = Arc::new(Started { id, name: plugged.then_some(c_name) });
        // SAFETY: `id` is a port, and the struct is written by DPDK.
        let facts = unsafe {
            let mut facts = sys::rte_eth_dev_info::default();
            match sys::rte_eth_dev_info_get(id, &mut facts) {
                0 => facts,
                code => return Err(fail("ask", code)),
            }
        };
        let rx_queues = config.rx_queues.clamp(1, facts.max_rx_queues.max(1));
        let tx_queues = config.tx_queues.clamp(1, facts.max_tx_queues.max(1));
        let mut conf = sys::rte_eth_conf::default();
        if rx_queues > 1 {
            let types = (sys::RTE_ETH_RSS_IPV4 as u64
                | sys::RTE_ETH_RSS_NONFRAG_IPV4_TCP as u64
                | sys::RTE_ETH_RSS_NONFRAG_IPV4_UDP as u64)
                & facts.flow_type_rss_offloads;
            if types != 0 {
                conf.rxmode.mq_mode = sys::RTE_ETH_MQ_RX_RSS;
                conf.rx_adv_conf.rss_conf.rss_key = RSS_KEY.as_ptr().cast_mut();
                conf.rx_adv_conf.rss_conf.rss_key_len = facts.hash_key_size.min(52);
                conf.rx_adv_conf.rss_conf.rss_hf = types;
            }
        }
        let room = u32::from(pool.data_room()) - sys::RTE_PKTMBUF_HEADROOM;
        let frame = u32::from(config.mtu) + 18;
        let scatter = sys::RTE_ETH_RX_OFFLOAD_SCATTER as u64;
        if frame > room && facts.rx_offload_capa & scatter != 0 {
            conf.rxmode.offloads |= scatter;
        }
        let multi = sys::RTE_ETH_TX_OFFLOAD_MULTI_SEGS as u64;
        conf.txmode.offloads |= multi & facts.tx_offload_capa;
        // SAFETY: `id` is a port that is not started, and `conf` outlives the call.
        let code = unsafe { sys::rte_eth_dev_configure(id, rx_queues, tx_queues, &conf) };
        if code != 0 {
            return Err(fail("configure", code));
        }
        let (mut rx_desc, mut tx_desc) = (config.rx_desc, config.tx_desc);
        // SAFETY: as above; drivers without limits leave the numbers alone.
        unsafe { sys::rte_eth_dev_adjust_nb_rx_tx_desc(id, &mut rx_desc, &mut tx_desc) };
        // SAFETY: as above. Devices that know no MTU take any frame that fits their buffers.
        unsafe { sys::rte_eth_dev_set_mtu(id, config.mtu) };
        // SAFETY: as above.
        let socket = unsafe { sys::rte_eth_dev_socket_id(id) };
        for queue in 0..rx_queues {
            // SAFETY: as above; a null configuration asks for the driver's defaults, and the pool
            // lives as long as the process.
            let code = unsafe {
                let (any, none) = (socket as u32, std::ptr::null());
                sys::rte_eth_rx_queue_setup(id, queue, rx_desc, any, none, pool.as_ptr())
            };
            if code != 0 {
                return Err(fail("set up receive queue", code));
            }
        }
        for queue in 0..tx_queues {
            // SAFETY: as above.
            let code = unsafe {
                sys::rte_eth_tx_queue_setup(id, queue, tx_desc, socket as u32, std::ptr::null())
            };
            if code != 0 {
                return Err(fail("set up transmit queue", code));
            }
        }
        if let Some(mac) = config.mac {
            let mut address = sys::rte_ether_addr { addr_bytes: mac.octets() };
            // SAFETY: as above. A device that cannot change its address receives promiscuously
            // below, and frames carry the address that `info` says.
            unsafe { sys::rte_eth_dev_default_mac_addr_set(id, &mut address) };
        }
        // SAFETY: as above.
        let code = unsafe { sys::rte_eth_dev_start(id) };
        if code != 0 {
            return Err(fail("start", code));
        }
        let mac = match config.mac {
            Some(mac) => {
                // SAFETY: `id` is a started port.
                unsafe { sys::rte_eth_promiscuous_enable(id) };
                mac
            }
            None => {
                let mut address = sys::rte_ether_addr::default();
                // SAFETY: `id` is a port and the address a place to write.
                unsafe { sys::rte_eth_macaddr_get(id, &mut address) };
                MacAddr::new(address.addr_bytes)
            }
        };
        // SAFETY: DPDK's driver names are C strings that live as long as the driver.
        let driver = unsafe { std::ffi::CStr::from_ptr(facts.driver_name) };
        let driver = driver.to_string_lossy().into_owned();
        let info = PortInfo { id, driver, mac, socket, rx_queues, tx_queues };
        let rx = (0..rx_queues).map(|queue| RxQueue { started: Arc::clone(&started), queue });
        let tx = (0..tx_queues).map(|queue| TxQueue { started: Arc::clone(&started), queue });
        let (rx, tx) = (rx.collect(), tx.collect());
        Ok((Self { started, info }, rx, tx))
    }

    /// What the device turned out to be.
    pub fn info(&self) -> &PortInfo {
        &self.info
    }

    /// State of the link, without waiting for it.
    pub fn link(&self) -> Link {
        let mut link = sys::rte_eth_link::default();
        // SAFETY: the port is started and `link` a place to write.
        if unsafe { sys::rte_eth_link_get_nowait(self.started.id, &mut link) } != 0 {
            return Link::default();
        }
        let speed = match link.link_speed {
            0 | u32::MAX => None,
            speed => Some(speed),
        };
        Link { up: link.link_status() != 0, speed }
    }

    /// What the device has counted.
    pub fn stats(&self) -> DeviceStats {
        let mut stats = sys::rte_eth_stats::default();
        // SAFETY: the port is started and `stats` a place to write.
        unsafe { sys::rte_eth_stats_get(self.started.id, &mut stats) };
        DeviceStats {
            rx_packets: stats.ipackets,
            tx_packets: stats.opackets,
            rx_missed: stats.imissed + stats.rx_nombuf,
            rx_errors: stats.ierrors,
            tx_errors: stats.oerrors,
        }
    }
}

fn cstring(text: String) -> CString {
    // Names and arguments come from configuration, where a zero byte cannot be written.
    CString::new(text).unwrap_or_default()
}

impl RxQueue {
    /// Adds up to `max` received packets to `burst`; gives their number.
    #[inline]
    pub fn recv(&mut self, burst: &mut Burst, max: usize) -> usize {
        let len = burst.len();
        let room = (BURST_MAX - len).min(max);
        // SAFETY: there is room for `room` pointers behind `len`; the driver fills the first
        // `count` of them with buffers that become ours. One thread polls a queue, as `&mut self`.
        unsafe {
            let into = burst.as_mut_ptr().add(len).cast::<*mut sys::rte_mbuf>();
            let count = sys::rte_eth_rx_burst(self.started.id, self.queue, into, room as u16);
            burst.set_len(len + usize::from(count));
            usize::from(count)
        }
    }
}

impl TxQueue {
    /// Sends what the device takes; the rest stays in `burst`, in order.
    #[inline]
    pub fn send(&mut self, burst: &mut Burst) {
        let len = burst.len();
        // SAFETY: the driver takes the first `sent` of the `len` buffers, which we own and forget
        // here by moving the rest to the front. One thread sends on a queue, as `&mut self`.
        unsafe {
            let packets = burst.as_mut_ptr().cast::<*mut sys::rte_mbuf>();
            let sent = sys::rte_eth_tx_burst(self.started.id, self.queue, packets, len as u16);
            let rest = len - usize::from(sent);
            if rest > 0 && sent > 0 {
                packets.copy_from(packets.add(usize::from(sent)), rest);
            }
            burst.set_len(rest);
        }
    }
}
