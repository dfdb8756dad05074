//! Readers of control connections, which announce the connections that follow from them.
//!
//! - takes: a payload with the facts of its connection ([`Cx`]), what the reader remembers of it, and
//!   a [`Desk`] that takes announcements and edits
//! - gives: expectations; under translation the edits of the payload that tell the other side the
//!   translated address; or that the packet is to be dropped
//! - obeys: rows [9.150] to [9.176]; the helpers of the kernel, `nf_conntrack_*` and `nf_nat_*`
//! - costs: a few searches of the payload, which is never longer than a packet; no allocation
//!
//! [`HELPERS`] has them all with their ports, classes and times; [`Registry`] knows which ports they
//! were told to read. [`follow()`] says how an expected connection is translated as its master is.

use super::entry::{ConnId, Dir};
use super::expect::{Expect, Refused};
use super::nat::mangle::Edits;
use super::tuple::{Addr, Tuple};
use super::{Nanos, timeouts::SECOND};

mod after;
pub mod amanda;
pub mod broadcast;
pub mod ftp;
pub mod irc;
mod memory;
pub mod pptp;
mod registry;
pub mod run;
#[cfg(test)]
mod sample;
pub mod sane;
pub mod sip;
mod text;
pub mod tftp;

pub use after::follow;
pub use memory::{Memories, Memory};

pub use registry::{Class, HELPERS, Helper, Info, MAX_PORTS, Registry};
pub use run::{Heard, Helpers};

/// What a packet says and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Cx<'a> {
    /// What the transport header carries.
    pub payload: &'a [u8],
    /// Sequence number of a segment of TCP.
    pub seq: u32,
    /// Direction of the packet.
    pub dir: Dir,
    /// Tuples of the connection by direction.
    pub tuples: &'a [Tuple; 2],
    /// Packets have been seen both ways (`ESTABLISHED`).
    pub established: bool,
    /// Source or destination of the connection is translated.
    pub translated: bool,
    /// Another connection has announced this one.
    pub expected: bool,
    /// The connection.
    pub conn: ConnId,
    /// The time.
    pub now: Nanos,
}

impl Cx<'_> {
    /// The tuple of the packet's direction.
    pub const fn this(&self) -> &Tuple {
        &self.tuples[self.dir.index()]
    }

    /// The tuple of the other direction.
    pub const fn other(&self) -> &Tuple {
        &self.tuples[self.dir.other().index()]
    }

    /// An expectation of a connection between two addresses from any port, in a class of a helper.
    pub fn expect(&self, helper: Helper, class: u8, src: Option<Addr>, dst: (Addr, u16)) -> Expect {
        let six = self.tuples[0].six;
        let all = if six { Addr([0xff; 16]) } else { Addr::four([0xff; 4]) };
        let seconds =
            helper.info().classes.get(usize::from(class)).map_or(0, |class| class.timeout);
        Expect {
            tuple: Tuple {
                src: src.unwrap_or_default(),
                dst: dst.0,
                sport: 0,
                dport: dst.1,
                proto: crate::packet::ipv4::protocol::TCP,
                six,
                zone: self.tuples[0].zone,
            },
            mask_src: if src.is_some() { all } else { Addr::default() },
            mask_sport: 0,
            master: self.conn,
            class,
            flags: 0,
            helper: 0,
            follow: follow::NONE,
            dir: Dir::Original,
            saved_addr: Addr::default(),
            saved_port: 0,
            expires: self.now.saturating_add(Nanos::from(seconds) * SECOND),
        }
    }
}

/// What a reader asks of whoever owns the connection.
pub trait Desk {
    /// Announces a connection; `most` is how many of its class its master may expect.
    fn expect(&mut self, expect: Expect, most: u32) -> Result<(), Refused>;

    /// Takes an announcement back.
    fn unexpect(&mut self, expect: &Expect);

    /// Where edits of the payload go.
    fn edits(&mut self) -> &mut Edits;

    /// A random number.
    fn random(&mut self) -> u32;

    /// The connection lives this many seconds from now on.
    fn refresh(&mut self, seconds: u32);

    /// The calls of GRE that a connection has announced, by direction; false without room for them.
    fn add_calls(&mut self, calls: &[Tuple; 2]) -> bool;

    /// Ends the calls and takes back their announcements.
    fn end_calls(&mut self, calls: &[Tuple; 2]);

    /// Takes back announcements of the connection: all, or with `Some` the newest of its first class
    /// (`true`), or all of other classes (`false`).
    fn forget(&mut self, first_class: Option<bool>);

    /// Has an inactive announcement of a class count for so many seconds; false where there is none.
    fn activate(&mut self, class: u8, proto: u8, dst: (Addr, u16), seconds: u32) -> bool;
}

/// What becomes of a packet that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, with the edits that it was given.
    Accept,
    /// It is to be dropped.
    Drop(Why),
}

/// Why a packet is dropped by its reader, in the kernel's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// A command may go on in the next segment.
    #[error("partial matching of `{0}'")]
    Partial(&'static str),
    /// No port is free for what is expected.
    #[error("all ports in use")]
    PortsInUse,
    /// The expectation is not taken.
    #[error("cannot add expectation")]
    NoExpectation,
    /// The payload cannot be edited.
    #[error("cannot mangle packet")]
    NoEdit,
    /// A message breaks the rules of its protocol in a way that cannot be let through.
    #[error("cannot parse message")]
    Unreadable,
}

/// What readers were told by operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// FTP: listeners on other hosts than the sender are taken for real (`loose`).
    pub ftp_loose: bool,
    /// SIP: how many seconds a registered connection lives (`sip_timeout`).
    pub sip_timeout: u32,
    /// SIP: calls come from the registrar alone (`sip_direct_signalling`).
    pub sip_direct_signalling: bool,
    /// SIP: media come from the ends of the signalling alone (`sip_direct_media`).
    pub sip_direct_media: bool,
}

impl Default for Options {
    /// As the kernel's modules without parameters.
    fn default() -> Self {
        Self {
            ftp_loose: false,
            sip_timeout: 3600,
            sip_direct_signalling: true,
            sip_direct_media: true,
        }
    }
}

/// Has a helper read a packet of a connection that it was attached to.
///
/// Queries to all are the router's own to be read: [`broadcast`].
pub fn read(
    helper: Helper,
    cx: &Cx<'_>,
    memory: &mut Memory,
    options: &Options,
    desk: &mut impl Desk,
) -> Verdict {
    match (helper, memory) {
        (Helper::Ftp, Memory::Ftp(lines)) => ftp::read(cx, lines, options.ftp_loose, desk),
        (Helper::Tftp, _) => tftp::read(cx, desk),
        (Helper::Irc, _) => irc::read(cx, desk),
        (Helper::Sip, Memory::Sip(dialogue)) => sip::read(cx, dialogue, options, desk),
        (Helper::Pptp, Memory::Pptp(control)) => pptp::read(cx, control, desk),
        (Helper::Amanda, _) => amanda::read(cx, desk),
        (Helper::Sane, Memory::Sane(started)) => sane::read(cx, started, desk),
        _ => Verdict::Accept,
    }
}

/// How an expected connection is translated, as [`Expect::follow`] has it.
pub mod follow {
    /// As any other.
    pub const NONE: u16 = 0;
    /// As its master, towards the port that was announced before the edit.
    pub const MASTER: u16 = 1;
    /// A call of PPTP.
    pub const CALL: u16 = 2;
    /// What SIP has announced: to where it was announced before the edit.
    pub const SIP: u16 = 3;
}

/// Takes ports for an expectation until one is free: first its own, then others above it
/// (`nf_nat_exp_find_port`).
fn expect_port(desk: &mut impl Desk, expect: &mut Expect, most: u32) -> Option<u16> {
    const ATTEMPTS: u16 = 128;
    let first = expect.tuple.dport;
    let range = u16::MAX - first;
    let mut left = range.min(ATTEMPTS);
    loop {
        match desk.expect(*expect, most) {
            Ok(()) => return Some(expect.tuple.dport),
            Err(Refused::Busy) if left != 0 => {
                left -= 1;
                expect.tuple.dport = first + (desk.random() % u32::from(range)) as u16;
            }
            Err(_) => return None,
        }
    }
}

/// Announces a connection as it is.
fn expect_plain(desk: &mut impl Desk, expect: Expect, helper: Helper) -> Verdict {
    match desk.expect(expect, helper.most(expect.class)) {
        Ok(()) => Verdict::Accept,
        Err(_) => Verdict::Drop(Why::NoExpectation),
    }
}

/// Announces a connection that follows its master's translation, and has the payload tell so.
fn expect_translated(
    desk: &mut impl Desk,
    mut expect: Expect,
    helper: Helper,
    dir: Dir,
    edit: impl FnOnce(&mut Edits, u16) -> bool,
) -> Verdict {
    expect.saved_port = expect.tuple.dport;
    expect.dir = dir;
    expect.follow = follow::MASTER;
    let most = helper.most(expect.class);
    let Some(port) = expect_port(desk, &mut expect, most) else {
        return Verdict::Drop(Why::PortsInUse);
    };
    if edit(desk.edits(), port) {
        return Verdict::Accept;
    }
    desk.unexpect(&expect);
    Verdict::Drop(Why::NoEdit)
}
