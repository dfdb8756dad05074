//! What rules do beyond letting pass, ending, and calling other chains.
//!
//! - takes: a packet, what is around it
//! - gives: [`Effect`], compiled of a [`Target`]; it ends the packet's way through the table, or not
//! - obeys: each file names the kernel's modules whose effects it has

mod header;
mod npt;
mod tcp;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use super::compile::Build;
use super::env::{Env, NatKind, NatRequest, Record, RecordKind, SetAsk};
use super::eval::{DropCause, Site, Verdict};
use super::rule::{self, Connmark, Masked, Target};
use super::view::{ConnState, View};

/// One effect.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    Queue(rule::Nfqueue),
    Reject(rule::Reject),
    Log(Box<rule::Log>),
    Nflog(Box<rule::Nflog>),
    Audit(rule::Audit),
    Trace,
    Mark(Masked<u32>),
    Connmark(Connmark),
    Classify(u32),
    Tos(Masked<u8>),
    Ecn(rule::EcnTarget),
    Ttl(rule::Ttl),
    TcpMss(rule::Tcpmss),
    TcpStrip(Box<[u64; 4]>),
    Template(u16),
    NoTrack,
    Set(Box<rule::SetTarget>),
    Tee(IpAddr, Option<Option<u16>>),
    Snat(Box<rule::Nat>),
    Dnat(Box<rule::Nat>),
    Masquerade(rule::Masquerade),
    Redirect(rule::Redirect),
    Netmap(Box<rule::Prefix>),
    Snpt(Box<npt::Map>),
    Dnpt(Box<npt::Map>),
    Synproxy(rule::Synproxy),
    /// What only a packet that is still to be finished needs.
    Nothing,
}

impl Effect {
    /// Of a target that is none of those that every rule can have.
    pub(super) fn of(target: &Target, build: &mut Build<'_>) -> Self {
        match target {
            Target::Queue => Self::Queue(rule::Nfqueue {
                queues: rule::Span::only(0),
                bypass: false,
                cpu_fanout: false,
            }),
            Target::Nfqueue(queue) => Self::Queue(*queue),
            Target::Reject(how) => Self::Reject(*how),
            Target::Log(log) => Self::Log(Box::new(log.clone())),
            Target::Nflog(log) => Self::Nflog(Box::new(log.clone())),
            Target::Mark(bits) => Self::Mark(*bits),
            Target::Connmark(how) => Self::Connmark(*how),
            Target::Classify(class) => Self::Classify(*class),
            Target::Dscp(dscp) => Self::Tos(Masked { value: dscp << 2, mask: 0xfc }),
            Target::Tos(bits) => Self::Tos(*bits),
            Target::Ecn(ecn) => Self::Ecn(*ecn),
            Target::Ttl(ttl) | Target::HopLimit(ttl) => Self::Ttl(*ttl),
            Target::Tcpmss(mss) => Self::TcpMss(*mss),
            Target::Tcpoptstrip(kinds) => {
                let mut set = [0; 4];
                for kind in kinds {
                    set[usize::from(*kind) / 64] |= 1 << (kind % 64);
                }
                Self::TcpStrip(Box::new(set))
            }
            Target::Ct(ct) if ct.notrack => Self::NoTrack,
            Target::Notrack => Self::NoTrack,
            Target::Ct(ct) => Self::Template(build.template(ct)),
            Target::Trace => Self::Trace,
            Target::Audit(kind) => Self::Audit(*kind),
            Target::Set(set) => Self::Set(set.clone()),
            Target::Tee(tee) => {
                Self::Tee(tee.gateway, tee.output.as_ref().map(|name| build.link(name)))
            }
            Target::Snat(nat) => Self::Snat(Box::new(*nat)),
            Target::Dnat(nat) => Self::Dnat(Box::new(*nat)),
            Target::Masquerade(masquerade) => Self::Masquerade(*masquerade),
            Target::Redirect(redirect) => Self::Redirect(*redirect),
            Target::Netmap(net) => Self::Netmap(Box::new(*net)),
            Target::Snpt(npt) => Self::Snpt(Box::new(npt::Map::new(npt))),
            Target::Dnpt(npt) => Self::Dnpt(Box::new(npt::Map::new(npt))),
            Target::Synproxy(proxy) => Self::Synproxy(*proxy),
            // Every packet here is whole, its checksum included.
            Target::Checksum => Self::Nothing,
            Target::None
            | Target::Accept
            | Target::Drop
            | Target::Return
            | Target::Jump(_)
            | Target::Goto(_) => Self::Nothing,
        }
    }

    /// Whether it may make packets longer.
    pub(super) fn grows(&self) -> bool {
        matches!(self, Self::TcpMss(_))
    }

    /// The gateway that it copies packets to.
    pub(super) const fn gateway(&self) -> Option<IpAddr> {
        match self {
            Self::Tee(gateway, _) => Some(*gateway),
            _ => None,
        }
    }

    /// Whether it is about connections.
    pub(super) fn needs_tracking(&self) -> bool {
        matches!(
            self,
            Self::Connmark(_)
                | Self::Template(_)
                | Self::Snat(_)
                | Self::Dnat(_)
                | Self::Masquerade(_)
                | Self::Redirect(_)
                | Self::Netmap(_)
                | Self::Synproxy(_)
        )
    }

    /// Whether it does the same to all packets of a flow, and nothing that has to be done again.
    pub(super) const fn is_steady(&self) -> bool {
        matches!(self, Self::Mark(_) | Self::Nothing)
    }

    /// Whether the packet is another one for later rules, by its addresses.
    pub(super) fn moves_packet(&self) -> bool {
        matches!(self, Self::Snpt(_) | Self::Dnpt(_))
    }

    /// Does it; nothing if the packet goes on to the next rule.
    pub(super) fn run<E: Env>(
        &self,
        view: &mut View<'_>,
        env: &mut E,
        site: &Site,
    ) -> Option<Verdict> {
        match self {
            Self::Nothing => None,
            Self::Queue(queue) => Some(Verdict::Queue {
                number: queue_of(queue, view, site.worker),
                bypass: queue.bypass,
            }),
            Self::Reject(how) => Some(Verdict::Reject(*how)),
            Self::Log(log) => tell(RecordKind::Log(log), view, env, site),
            Self::Nflog(log) => tell(RecordKind::Nflog(log), view, env, site),
            Self::Audit(kind) => tell(RecordKind::Audit(*kind), view, env, site),
            Self::Trace => {
                view.about.traced = true;
                None
            }
            Self::Mark(bits) => {
                view.about.mark = view.about.mark & !bits.mask ^ bits.value;
                None
            }
            Self::Connmark(how) => {
                connmark(how, view, env);
                None
            }
            Self::Classify(class) => {
                view.about.priority = *class;
                None
            }
            Self::Tos(bits) => {
                header::set_tos(view, view.tos() & !bits.mask ^ bits.value);
                None
            }
            Self::Ecn(ecn) => header::ecn(view, ecn),
            Self::Ttl(how) => {
                header::ttl(view, how);
                None
            }
            Self::TcpMss(mss) => tcp::mss(view, env, mss),
            Self::TcpStrip(kinds) => tcp::strip(view, kinds),
            Self::Template(number) => {
                // What was said or looked up before stands.
                if is_fresh(view) {
                    view.about.template = Some(*number);
                }
                None
            }
            Self::NoTrack => {
                if is_fresh(view) {
                    view.about.conn.state = ConnState::Untracked;
                }
                None
            }
            Self::Set(set) => {
                change_sets(set, view, env);
                None
            }
            Self::Tee(gateway, output) => {
                // An interface that is not there carries nothing.
                if *output != Some(None) {
                    env.tee(*gateway, output.flatten(), view);
                }
                None
            }
            Self::Snat(nat) => ask(NatKind::Snat(nat), view, env, site),
            Self::Dnat(nat) => ask(NatKind::Dnat(nat), view, env, site),
            Self::Masquerade(how) => ask(NatKind::Masquerade(how), view, env, site),
            Self::Redirect(how) => ask(NatKind::Redirect(how), view, env, site),
            Self::Netmap(net) => ask(NatKind::Netmap(net), view, env, site),
            Self::Snpt(map) => npt::source(view, map),
            Self::Dnpt(map) => npt::destination(view, map),
            Self::Synproxy(proxy) => {
                // What is of no handshake goes on to the next rule.
                Some(env.synproxy(proxy, view)).filter(|verdict| *verdict != Verdict::Accept)
            }
        }
    }
}

/// What ends a packet that a target cannot do with as it should.
fn failed() -> Option<Verdict> {
    Some(Verdict::Drop(DropCause::Target))
}

fn tell<E: Env>(
    kind: RecordKind<'_>,
    view: &View<'_>,
    env: &mut E,
    site: &Site,
) -> Option<Verdict> {
    env.record(&Record { table: site.entry.table, hook: site.entry.hook, kind }, view);
    None
}

fn ask<E: Env>(
    kind: NatKind<'_>,
    view: &mut View<'_>,
    env: &mut E,
    site: &Site,
) -> Option<Verdict> {
    Some(env.nat(&NatRequest { hook: site.entry.hook, kind }, view))
}

/// Whether nobody has yet said anything of the packet's connection.
fn is_fresh(view: &View<'_>) -> bool {
    view.about.conn.state == ConnState::None && view.about.template.is_none()
}

/// The queue of a packet: both directions of a connection have the same.
pub(super) fn queue_of(queue: &rule::Nfqueue, view: &View<'_>, worker: usize) -> u16 {
    let count = u64::from(queue.queues.last.saturating_sub(queue.queues.first)) + 1;
    let place =
        if queue.cpu_fanout { worker as u64 % count } else { (mixed(view, 0) * count) >> 32 };
    queue.queues.first + place as u16
}

/// 32 bits that both directions between two addresses have alike.
fn mixed(view: &View<'_>, more: u16) -> u64 {
    let facts = view.facts();
    let both = facts.src ^ facts.dst;
    let folded = both as u64 ^ (both >> 64) as u64 ^ u64::from(facts.protocol) << 32;
    (folded ^ u64::from(more) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// The same for the two directions of a flow, by its ports too.
pub(super) fn flow_hash(view: &View<'_>) -> u32 {
    let (src, dst) = view.ports();
    mixed(view, src ^ dst) as u32
}

/// `CONNMARK`
fn connmark<E: Env>(how: &Connmark, view: &mut View<'_>, env: &mut E) {
    let conn = view.about.conn;
    if !conn.state.is_tracked() {
        return;
    }
    let Some(mark) = env.conn_mark(&conn) else { return };
    let new = match *how {
        Connmark::Set(bits) => mark & !bits.mask ^ bits.value,
        Connmark::Save { ct_mask, nf_mask } => mark & !ct_mask ^ view.about.mark & nf_mask,
        Connmark::Restore { ct_mask, nf_mask } => {
            view.about.mark = view.about.mark & !nf_mask ^ mark & ct_mask;
            return;
        }
    };
    if new != mark {
        env.set_conn_mark(&conn, new);
    }
}

/// `SET`
fn change_sets<E: Env>(set: &rule::SetTarget, view: &mut View<'_>, env: &mut E) {
    if let Some((name, sides)) = &set.add {
        let ask = SetAsk { exist: set.exist, timeout: set.timeout, ..SetAsk::new(name, sides) };
        env.set_add(&ask, view);
    }
    if let Some((name, sides)) = &set.del {
        env.set_del(&SetAsk::new(name, sides), view);
    }
    if let Some((name, sides)) = &set.map
        && let Some(found) = env.set_find(&SetAsk::new(name, sides), view)
    {
        if set.map_mark {
            let (mark, mask) = found.mark;
            view.about.mark = view.about.mark & !mask ^ mark;
        }
        if set.map_priority {
            view.about.priority = found.priority;
        }
        if set.map_queue {
            view.about.queue = Some(found.queue);
        }
    }
}
