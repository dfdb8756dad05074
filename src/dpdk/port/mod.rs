//! Ports: devices, their queues, link state and counters.
//!
//! - takes: a device by the name that an operator gives it
//! - gives: queues for workers, link state and counters for the management core
//! - costs: a burst costs one call into the driver (`benches/side-by-side`)

mod config;
mod kernel;
mod open;
mod queue;
mod rings;
mod spec;
#[cfg(test)]
mod tests;

use std::{
    ffi::{CStr, CString},
    sync::{Arc, OnceLock},
};

use dpdk_sys as sys;

use self::{kernel::Interface, rings::Rings};
use super::eal::describe;
use crate::packet::MacAddr;

pub use config::{DeviceStats, Link, PortConfig, PortError, PortInfo, Spreading};
pub use queue::{RxQueue, TxQueue};
pub use rings::{Cable, CableEnd};
pub use spec::{Device, SpecError};

/// A device in DPDK; it stops and leaves when the port and all of its queues are gone.
#[derive(Debug)]
struct Started {
    id: u16,
    bus: &'static CStr,
    name: CString,
    /// Put back to what it was after the device has let go of it.
    interface: Option<Interface>,
    /// Sockets of an `af_xdp` device.
    xdp_sockets: OnceLock<Vec<u64>>,
    /// The link-layer address of a kernel interface that has been given another.
    first_mac: OnceLock<MacAddr>,
    /// Queues of its own making, which it needs until it has closed.
    _rings: Option<Arc<Rings>>,
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(mac) = self.first_mac.get() {
            let mut address = sys::rte_ether_addr { addr_bytes: mac.octets() };
            // SAFETY: the port is started still and the address is read only. An interface that is
            // gone needs nothing put back.
            unsafe { sys::rte_eth_dev_default_mac_addr_set(self.id, &mut address) };
        }
        // SAFETY: the port was found by `Port::open`, and no queue is left that could poll it.
        // Stopping one that never started does nothing.
        unsafe {
            sys::rte_eth_dev_stop(self.id);
            sys::rte_eth_dev_close(self.id);
            sys::rte_eal_hotplug_remove(self.bus.as_ptr(), self.name.as_ptr());
        }
        if let Some(sockets) = self.xdp_sockets.get() {
            kernel::close_xdp_sockets(sockets);
        }
    }
}

/// A port.
#[derive(Debug)]
pub struct Port {
    started: Arc<Started>,
    info: PortInfo,
}

const IFF_PROMISC: u32 = 0x100;
const IFF_ALLMULTI: u32 = 0x200;

impl Port {
    /// What the device turned out to be.
    pub fn info(&self) -> &PortInfo {
        &self.info
    }

    /// State of the link, without waiting for it.
    pub fn link(&self) -> Link {
        if let Some(interface) = &self.started.interface {
            return interface.link().unwrap_or_default();
        }
        let (mut up, mut speed, mut full) = (0, 0, 0);
        // SAFETY: the port is started and the numbers are places to write.
        if unsafe { sys::dpdk_link(self.started.id, &mut up, &mut speed, &mut full) } != 0 {
            return Link::default();
        }
        Link { up: up != 0, speed: (speed != 0).then_some(speed), full_duplex: full != 0 }
    }

    /// What the device has counted.
    pub fn stats(&self) -> DeviceStats {
        let mut stats = sys::rte_eth_stats::default();
        // SAFETY: the port is started and `stats` a place to write.
        unsafe { sys::rte_eth_stats_get(self.started.id, &mut stats) };
        DeviceStats {
            rx_packets: stats.ipackets,
            tx_packets: stats.opackets,
            rx_bytes: stats.ibytes,
            tx_bytes: stats.obytes,
            rx_missed: stats.imissed,
            rx_errors: stats.ierrors,
            rx_no_buffer: stats.rx_nombuf,
            tx_errors: stats.oerrors,
        }
    }

    /// Everything that the driver counts, by the driver's names.
    pub fn xstats(&self) -> Vec<(String, u64)> {
        let id = self.started.id;
        // SAFETY: the port is started; no place to write and room for none ask for the number.
        let count = unsafe { sys::rte_eth_xstats_get(id, std::ptr::null_mut(), 0) };
        let Ok(room) = u32::try_from(count) else {
            return Vec::new();
        };
        let mut names = vec![sys::rte_eth_xstat_name::default(); room as usize];
        let mut values = vec![sys::rte_eth_xstat::default(); room as usize];
        // SAFETY: both arrays have `room` places.
        let (named, valued) = unsafe {
            (
                sys::rte_eth_xstats_get_names(id, names.as_mut_ptr(), room),
                sys::rte_eth_xstats_get(id, values.as_mut_ptr(), room),
            )
        };
        // A driver whose list grew in between is asked again the next time.
        if named != count || valued != count {
            return Vec::new();
        }
        let name = |value: &sys::rte_eth_xstat| {
            let bytes = names.get(value.id as usize)?.name.map(|c| c as u8);
            let name = CStr::from_bytes_until_nul(&bytes).ok()?;
            Some((name.to_string_lossy().into_owned(), value.value))
        };
        values.iter().filter_map(name).collect()
    }

    /// Gives the device another link-layer address.
    ///
    /// # Errors
    /// When the driver cannot.
    pub fn set_mac(&mut self, mac: MacAddr) -> Result<(), PortError> {
        let mut address = sys::rte_ether_addr { addr_bytes: mac.octets() };
        // SAFETY: the port is started and the address is read only.
        let code = unsafe { sys::rte_eth_dev_default_mac_addr_set(self.started.id, &mut address) };
        self.check("set link-layer address", code)?;
        if self.started.interface.is_some() {
            // The first change alone tells what was there before.
            let _ = self.started.first_mac.set(self.info.mac);
        }
        self.info.mac = mac;
        Ok(())
    }

    /// Receives frames for all stations, or no longer.
    ///
    /// # Errors
    /// When the driver cannot.
    pub fn set_promiscuous(&self, on: bool) -> Result<(), PortError> {
        let id = self.started.id;
        // SAFETY: the port is started.
        let code = unsafe {
            if on {
                sys::rte_eth_promiscuous_enable(id)
            } else {
                sys::rte_eth_promiscuous_disable(id)
            }
        };
        self.check_flag("set promiscuous", code, IFF_PROMISC, on)
    }

    /// Receives frames for all groups, or no longer.
    ///
    /// # Errors
    /// When the driver cannot.
    pub fn set_allmulticast(&self, on: bool) -> Result<(), PortError> {
        let id = self.started.id;
        // SAFETY: the port is started.
        let code = unsafe {
            if on {
                sys::rte_eth_allmulticast_enable(id)
            } else {
                sys::rte_eth_allmulticast_disable(id)
            }
        };
        self.check_flag("set all-multicast", code, IFF_ALLMULTI, on)
    }

    /// Changes the largest packet that the device carries.
    ///
    /// # Errors
    /// When the device, or its buffers, cannot.
    pub fn set_mtu(&mut self, mtu: u16) -> Result<(), PortError> {
        match &self.started.interface {
            // The ring and the buffers were made for the MTU that the port was opened with.
            Some(interface) if mtu <= self.info.mtu => {
                interface.set_mtu(mtu).map_err(|error| PortError::Kernel {
                    device: self.info.name.clone(),
                    step: "set MTU",
                    error,
                })?;
            }
            Some(_) => {
                return Err(PortError::Mtu {
                    device: self.info.name.clone(),
                    wanted: mtu,
                    min: 68,
                    max: self.info.mtu,
                });
            }
            None => {
                // SAFETY: the port is started.
                let code = unsafe { sys::rte_eth_dev_set_mtu(self.started.id, mtu) };
                self.check("set MTU", code)?;
                self.info.mtu = mtu;
            }
        }
        Ok(())
    }

    /// A setting that the driver may not know but the kernel interface below does.
    fn check_flag(
        &self,
        step: &'static str,
        code: i32,
        flag: u32,
        on: bool,
    ) -> Result<(), PortError> {
        match &self.started.interface {
            Some(interface) if code != 0 => interface
                .set_flag(flag, on)
                .map_err(|error| PortError::Kernel { device: self.info.name.clone(), step, error }),
            _ => self.check(step, code),
        }
    }

    fn check(&self, step: &'static str, code: i32) -> Result<(), PortError> {
        if code == 0 {
            return Ok(());
        }
        Err(PortError::Device { device: self.info.name.clone(), step, why: describe(code) })
    }
}
