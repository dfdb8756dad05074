//! Word from the kernel that a link came or went, so that packets leave it at once.
//!
//! - takes: rtnetlink's messages about links in this network namespace
//! - gives: a reason to look at the links; what the messages say is not read
//! - costs: nothing while no link changes
//!
//! Where there is no such socket, and for devices that the kernel does not know, links are looked at
//! now and then.

use std::{future::pending, os::fd::OwnedFd};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, recv,
        socket_with,
    },
};
use tokio::io::unix::AsyncFd;

/// `RTMGRP_LINK`.
const LINKS: u32 = 1;

/// Where the kernel tells of links.
pub(super) struct LinkNews(Option<AsyncFd<OwnedFd>>);

impl LinkNews {
    /// Listens from now on, if it can.
    pub(super) fn listen() -> Self {
        Self(open().ok())
    }

    /// Waits for word of a link.
    pub(super) async fn heard(&self) {
        let Some(socket) = &self.0 else { return pending().await };
        loop {
            let Ok(mut ready) = socket.readable().await else { return pending().await };
            let mut heard = false;
            loop {
                let mut message = [0_u8; 64];
                match recv(socket, &mut message[..], RecvFlags::DONTWAIT) {
                    Ok(_) => heard = true,
                    Err(Errno::INTR) => {}
                    // There was more than the socket holds.
                    Err(Errno::NOBUFS) => heard = true,
                    Err(_) => break,
                }
            }
            ready.clear_ready();
            if heard {
                return;
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "an owned descriptor is all that the newer, unsafe function asks for"
)]
fn open() -> std::io::Result<AsyncFd<OwnedFd>> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    // `NETLINK_ROUTE` is protocol 0.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, LINKS))?;
    AsyncFd::new(socket)
}
