//! Addresses that the router answers for, and questions whose answer is delayed so that their owner
//! may answer first.
//!
//! - obeys: RFC 4861 section 7.2.8; ledger 7.80, 7.81, 7.116, 7.118, 7.119

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{
    action::{Action, Lost, Refusal},
    entry::{Family, Key},
    machine::Neighbours,
    params::Var,
};
use crate::graph::Nanos;

/// A proxy entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proxied {
    /// Answers say that it is a router.
    pub router: bool,
    /// It is externally learned.
    pub ext_learned: bool,
    /// Who made it (`RTPROT_*`).
    pub protocol: u8,
    /// It stays while the carrier is gone.
    pub permanent: bool,
}

/// Proxy entries, and questions that wait.
#[derive(Debug)]
pub(super) struct Proxies<P> {
    entries: BTreeMap<(Option<u16>, IpAddr), Proxied>,
    waiting: BTreeMap<(Nanos, u64), (Key, P)>,
    serial: u64,
}

impl<P> Default for Proxies<P> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), waiting: BTreeMap::new(), serial: 0 }
    }
}

impl<P> Proxies<P> {
    pub(super) fn next_deadline(&self) -> Option<Nanos> {
        self.waiting.first_key_value().map(|(&(at, _), _)| at)
    }
}

impl<P> Neighbours<P> {
    /// Answers for an address on an interface, or on all (`pneigh_create`).
    pub fn add_proxy(&mut self, iface: Option<u16>, address: IpAddr, entry: Proxied) {
        let known = self.proxies.entries.entry((iface, address)).or_default();
        let protocol = if entry.protocol == 0 { known.protocol } else { entry.protocol };
        *known = Proxied { protocol, ..entry };
    }

    /// Answers no more (`pneigh_delete`).
    ///
    /// # Errors
    /// When there is no such entry.
    pub fn delete_proxy(&mut self, iface: Option<u16>, address: IpAddr) -> Result<(), Refusal> {
        self.proxies.entries.remove(&(iface, address)).map(|_| ()).ok_or(Refusal::NotFound)
    }

    /// The proxy entry for an address on an interface (`pneigh_lookup`).
    pub fn proxy(&self, iface: u16, address: IpAddr) -> Option<Proxied> {
        let entries = &self.proxies.entries;
        entries.get(&(Some(iface), address)).or_else(|| entries.get(&(None, address))).copied()
    }

    /// All proxy entries.
    pub fn proxies(&self) -> impl Iterator<Item = (Option<u16>, IpAddr, Proxied)> {
        self.proxies.entries.iter().map(|(&(iface, address), &entry)| (iface, address, entry))
    }

    /// Has a question looked at again after a random time up to `proxy_delay`, or drops it when too
    /// many wait already (`pneigh_enqueue`).
    pub fn delay(&mut self, now: Nanos, iface: u16, family: Family, target: IpAddr, question: P) {
        let params = self.core.params(iface, family);
        let (longest, room) = (params.time(Var::ProxyDelay), params.get(Var::ProxyQlen));
        if params.proxied as u64 > room {
            self.core.actions.push(Action::Drop(Lost::ProxyQueueFull, vec![question]));
            return;
        }
        self.core.params_mut(iface, family).proxied += 1;
        let at = now.saturating_add(self.core.random_below(longest));
        self.proxies.serial += 1;
        let key = Key { iface, address: target };
        self.proxies.waiting.insert((at, self.proxies.serial), (key, question));
        self.core.held += 1;
    }

    pub(super) fn poll_proxies(&mut self, now: Nanos) {
        while let Some(first) = self.proxies.waiting.first_entry()
            && first.key().0 <= now
        {
            let (key, question) = first.remove();
            self.core.held -= 1;
            self.core.params_mut(key.iface, key.family()).proxied -= 1;
            self.core.actions.push(Action::Redo(question));
        }
    }

    /// Forgets the proxy entries of an interface, and the questions that wait there
    /// (`pneigh_ifdown`).
    pub(super) fn forget_proxies(&mut self, iface: u16, family: Family, keep: bool) {
        let mine = |address: IpAddr| Key { iface, address }.family() == family;
        self.proxies.entries.retain(|(on, address), entry| {
            *on != Some(iface) || !mine(*address) || keep && entry.permanent
        });
        let here: BTreeSet<(Nanos, u64)> = self
            .proxies
            .waiting
            .iter()
            .filter(|(_, (key, _))| key.iface == iface && key.family() == family)
            .map(|(at, _)| *at)
            .collect();
        let mut lost = Vec::new();
        for at in here {
            if let Some((key, question)) = self.proxies.waiting.remove(&at) {
                self.core.params_mut(iface, key.family()).proxied -= 1;
                lost.push(question);
            }
        }
        if !lost.is_empty() {
            self.core.held -= lost.len();
            self.core.actions.push(Action::Drop(Lost::Flushed, lost));
        }
    }
}
