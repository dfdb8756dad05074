//! The far end of a router's port, held in the test's hand.
//!
//! A TAP interface is a network card whose cable ends in a file descriptor. It is used rather than
//! a veth pair with a packet socket because the kernel takes a written frame through its whole IP
//! stack before `write` returns: what a frame causes can be read at once, without waiting.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::OFlags;
use rustix::ioctl::{Setter, ioctl, opcode};

use super::netns::Namespace;

/// `struct ifreq` as far as `TUNSETIFF` reads it: a name, flags, and room to the kernel's size.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

/// Ethernet frames, where the alternative is bare IP packets.
const IFF_TAP: u16 = 0x0002;
/// No four extra bytes before each frame.
const IFF_NO_PI: u16 = 0x1000;

/// A wire: writing gives the router a frame, reading takes one that it sent.
#[derive(Debug)]
pub(crate) struct Tap {
    file: File,
    name: String,
}

impl Tap {
    /// Creates interface `name` in the namespace and takes hold of its cable; it is still down.
    pub(crate) fn new(namespace: &Namespace, name: &str) -> Self {
        let file = namespace.enter(|| {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(OFlags::NONBLOCK.bits() as i32)
                .open("/dev/net/tun")
                .expect("open /dev/net/tun");
            let mut request =
                InterfaceRequest { name: [0; 16], flags: IFF_TAP | IFF_NO_PI, rest: [0; 22] };
            request.name[..name.len()].copy_from_slice(name.as_bytes());
            // SAFETY: TUNSETIFF is `_IOW('T', 202, int)` and reads one `struct ifreq`, whose layout
            // and size (40 bytes on 64-bit) `InterfaceRequest` has; the name is NUL-terminated.
            unsafe {
                ioctl(
                    &file,
                    Setter::<{ opcode::write::<std::ffi::c_int>(b'T', 202) }, _>::new(request),
                )
            }
            .unwrap_or_else(|error| panic!("create TAP interface {name}: {error}"));
            file
        });
        Self { file, name: name.to_owned() }
    }

    /// The interface's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Puts one frame on the wire.
    pub(crate) fn send(&self, frame: &[u8]) {
        let sent = (&self.file).write(frame).unwrap_or_else(|error| {
            panic!("inject {} bytes on {}: {error}", frame.len(), self.name)
        });
        assert_eq!(sent, frame.len(), "short write on {}", self.name);
    }

    /// The next frame that the router has put on the wire, if there is one now.
    pub(crate) fn receive(&self) -> Option<Vec<u8>> {
        let mut buffer = [0; 16 * 1024];
        match (&self.file).read(&mut buffer) {
            Ok(len) => Some(buffer[..len].to_vec()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("read from {}: {error}", self.name),
        }
    }
}

const _: () = assert!(size_of::<InterfaceRequest>() == 40);
