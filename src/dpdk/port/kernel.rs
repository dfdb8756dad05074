//! The kernel interface under an `af_packet` or `af_xdp` port: its link, its MTU, and the settings
//! that forwarding needs. The drivers of such ports take the link for always up.

use std::{ffi::CString, io, time::Duration};

use dpdk_sys as sys;

use super::Link;

const IFF_UP: u32 = 1;

/// The kernel takes a queue back from a closed XDP socket a moment later, and says nothing when.
pub(super) const XDP_RELEASE: Duration = Duration::from_millis(50);

/// An interface of the kernel, in the network namespace of this process.
#[derive(Debug)]
pub(super) struct Interface {
    name: CString,
    brought_up: bool,
    gro_was_on: bool,
    old_mtu: Option<i32>,
}

fn check(code: i32) -> io::Result<u32> {
    u32::try_from(code).map_err(|_| io::Error::from_raw_os_error(-code))
}

impl Interface {
    /// Finds an interface by name.
    pub(super) fn find(name: &str) -> io::Result<Self> {
        let name = CString::new(name).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: the name is a C string that outlives the call.
        check(unsafe { sys::dpdk_if_index(name.as_ptr()) })?;
        Ok(Self { name, brought_up: false, gro_was_on: false, old_mtu: None })
    }

    /// Its name.
    pub(super) fn name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    /// Brings the interface up, gives it the MTU of the port, and turns off that received packets
    /// are merged: a router sends on what came in. What was changed is put back at the end.
    pub(super) fn prepare(&mut self, mtu: u16) -> Result<(), (&'static str, io::Error)> {
        let name = self.name.as_ptr();
        // SAFETY: the name is a C string that outlives this and the following calls.
        let flags = check(unsafe { sys::dpdk_if_flags(name) }).map_err(|e| ("read flags", e))?;
        // SAFETY: as above.
        let old = unsafe { sys::dpdk_if_mtu(name) };
        if old != i32::from(mtu) {
            // SAFETY: as above.
            check(unsafe { sys::dpdk_if_set_mtu(name, mtu.into()) }).map_err(|e| ("set MTU", e))?;
            self.old_mtu = Some(old);
        }
        if flags & IFF_UP == 0 {
            // SAFETY: as above.
            check(unsafe { sys::dpdk_if_change_flags(name, IFF_UP, 0) })
                .map_err(|e| ("bring up", e))?;
            self.brought_up = true;
        }
        // SAFETY: as above. An interface that cannot merge says that it does not.
        if unsafe { sys::dpdk_if_gro(name) } == 1 {
            // SAFETY: as above.
            check(unsafe { sys::dpdk_if_set_gro(name, 0) }).map_err(|e| ("turn off GRO", e))?;
            self.gro_was_on = true;
        }
        Ok(())
    }

    /// Queues that share the interface's traffic, as the `af_xdp` driver counts them.
    pub(super) fn channels(&self) -> u16 {
        // SAFETY: the name is a C string that outlives the call.
        let count = unsafe { sys::dpdk_if_channels(self.name.as_ptr()) };
        u16::try_from(count).unwrap_or(1).max(1)
    }

    /// Keeps packet sockets of this process from seeing what the host sends on the interface.
    pub(super) fn ignore_outgoing(&self) {
        // SAFETY: the name is a C string; the second call takes a number only. When the kernel is
        // too old for it, the router sees the host's packets as any station on the wire would.
        unsafe {
            sys::dpdk_packet_sockets_ignore_outgoing(sys::dpdk_if_index(self.name.as_ptr()));
        }
    }

    /// State of the link, or `None` when the interface is gone.
    pub(super) fn link(&self) -> Option<Link> {
        let name = self.name.as_ptr();
        // SAFETY: the name is a C string that outlives the call.
        let flags = check(unsafe { sys::dpdk_if_flags(name) }).ok()?;
        // SAFETY: as above.
        let carrier = unsafe { sys::dpdk_if_carrier(name) };
        let (mut speed, mut full) = (0, 0);
        // SAFETY: as above, and both numbers are places to write.
        let known = unsafe { sys::dpdk_if_speed(name, &mut speed, &mut full) } == 0;
        Some(Link {
            up: flags & IFF_UP != 0 && carrier == 1,
            speed: (known && speed != 0).then_some(speed),
            full_duplex: !known || full != 0,
        })
    }

    /// Sets or clears one of the interface's `IFF_*` flags.
    pub(super) fn set_flag(&self, flag: u32, on: bool) -> io::Result<()> {
        let (set, clear) = if on { (flag, 0) } else { (0, flag) };
        // SAFETY: the name is a C string that outlives the call.
        check(unsafe { sys::dpdk_if_change_flags(self.name.as_ptr(), set, clear) }).map(|_| ())
    }

    /// Sets the interface's MTU.
    pub(super) fn set_mtu(&self, mtu: u16) -> io::Result<()> {
        // SAFETY: the name is a C string that outlives the call.
        check(unsafe { sys::dpdk_if_set_mtu(self.name.as_ptr(), mtu.into()) }).map(|_| ())
    }
}

/// XDP sockets that this process has open, by the numbers that the kernel knows them by.
pub(super) fn xdp_sockets() -> Vec<u64> {
    let mut inodes = vec![0; 1024];
    // SAFETY: there is room for as many numbers as the call is told.
    let count = unsafe { sys::dpdk_xdp_sockets(inodes.as_mut_ptr(), 1024) };
    inodes.truncate(usize::try_from(count).unwrap_or(0));
    inodes
}

/// Closes those of the sockets that their driver forgot.
pub(super) fn close_xdp_sockets(inodes: &[u64]) {
    // SAFETY: the array is as long as the call is told. A socket that is still open when its
    // device has left DPDK belongs to nobody.
    let closed = unsafe { sys::dpdk_xdp_close(inodes.as_ptr(), inodes.len() as i32) };
    if closed > 0 {
        std::thread::sleep(XDP_RELEASE);
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        let name = self.name.as_ptr();
        // SAFETY: the name is a C string that outlives the calls. An interface that is gone needs
        // nothing put back.
        unsafe {
            if self.gro_was_on {
                sys::dpdk_if_set_gro(name, 1);
            }
            if let Some(mtu) = self.old_mtu {
                sys::dpdk_if_set_mtu(name, mtu);
            }
            if self.brought_up {
                sys::dpdk_if_change_flags(name, 0, IFF_UP);
            }
        }
    }
}
