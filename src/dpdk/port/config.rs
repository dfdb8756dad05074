//! What a port is asked for, what it turned out to be, and why it could not be opened.

use std::io;

use thiserror::Error;

use super::spec::SpecError;
use crate::packet::MacAddr;

/// A port could not be opened or changed.
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
    /// The kernel refused to change the interface that the port stands on.
    #[error("device {device}: {step}: {error}")]
    Kernel {
        /// The device.
        device: String,
        /// What was being done.
        step: &'static str,
        /// The kernel's reason.
        error: io::Error,
    },
    /// Packets of this size cannot be carried.
    #[error("device {device}: its MTU can be {min} to {max}, not {wanted}")]
    Mtu {
        /// The device.
        device: String,
        /// MTU asked for.
        wanted: u16,
        /// Smallest that it can do.
        min: u16,
        /// Largest that it can do.
        max: u16,
    },
    /// Packet buffers have the wrong size for the device.
    #[error(
        "device {device}: its packets need buffers of {least} to {most} bytes, and the pool's have \
         {have}; change `buffers.data-room`, or the port's MTU"
    )]
    BufferSize {
        /// The device.
        device: String,
        /// Smallest that does, headroom included.
        least: u32,
        /// Largest that does, headroom included.
        most: u32,
        /// The pool's, headroom included.
        have: u32,
    },
    /// Packet buffers are too few for the device.
    #[error(
        "device {device}: its queues hold {needed} packet buffers and {free} are free; raise \
         `buffers.count`"
    )]
    BufferCount {
        /// The device.
        device: String,
        /// Buffers that the queues take.
        needed: u32,
        /// Buffers that are free.
        free: u32,
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
    /// Receive frames for all stations.
    pub promiscuous: bool,
    /// Receive interrupts, for workers that sleep.
    pub rx_interrupts: bool,
    /// Every packet that this port sends comes from one pool and is held once, so that the driver
    /// may give buffers back unseen.
    pub fast_free: bool,
}

impl Default for PortConfig {
    fn default() -> Self {
        Self {
            rx_queues: 1,
            tx_queues: 1,
            rx_desc: 1024,
            tx_desc: 1024,
            mtu: 1500,
            mac: None,
            promiscuous: false,
            rx_interrupts: false,
            fast_free: false,
        }
    }
}

/// What the device turned out to be.
#[derive(Clone, Debug)]
pub struct PortInfo {
    /// DPDK's number.
    pub id: u16,
    /// Driver.
    pub driver: String,
    /// Name of the device in DPDK.
    pub name: String,
    /// Kernel interface that it stands on.
    pub interface: Option<String>,
    /// Link-layer address.
    pub mac: MacAddr,
    /// The one that it was made with, zero where it was made by software.
    pub permanent: MacAddr,
    /// Largest IPv4 packet.
    pub mtu: u16,
    /// NUMA socket, or -1.
    pub socket: i32,
    /// Receive queues it opened with.
    pub rx_queues: u16,
    /// Transmit queues it opened with.
    pub tx_queues: u16,
    /// Receive queues it could have.
    pub max_rx_queues: u16,
    /// Transmit queues it could have.
    pub max_tx_queues: u16,
    /// Receive offloads in use, `RTE_ETH_RX_OFFLOAD_*`.
    pub rx_offloads: u64,
    /// Transmit offloads in use, `RTE_ETH_TX_OFFLOAD_*`.
    pub tx_offloads: u64,
    /// Its receive queues are told apart by a hash that is the same for both directions of a flow.
    pub rss: bool,
    /// How that hash leads to queues, where the device tells.
    pub spreading: Option<Spreading>,
    /// What the operator should know, a sentence each.
    pub notes: Vec<String>,
}

/// How a device spreads packets over its queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spreading {
    /// Key of its Toeplitz hash.
    pub key: Vec<u8>,
    /// Of IPv4 and of IPv6: whether it hashes addresses, ports of TCP and ports of UDP.
    pub fields: [[bool; 3]; 2],
    /// The queue of each entry of its table.
    pub queues: Vec<u16>,
}

/// State of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Link {
    /// There is one.
    pub up: bool,
    /// In Mb/s, where known.
    pub speed: Option<u32>,
    /// Both directions at once.
    pub full_duplex: bool,
}

/// What a device counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets lost because nobody took them in time.
    pub rx_missed: u64,
    /// Broken packets received.
    pub rx_errors: u64,
    /// Packets lost because there was no buffer for them.
    pub rx_no_buffer: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
}
