//! An address of an interface: from the search for duplicates to the end of its life.
//!
//! - obeys: RFC 4862 sections 5.4 and 5.5.4, RFC 4429, RFC 7527; rows [7.157] to [7.162], [8.83]

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::{
    SECOND,
    identifier::{eui64, join, stable},
    interface::{Action, Interface, RouteKind},
    select::scope,
};
use crate::{
    graph::Nanos,
    packet::ndisc::{ALL_NODES, Advertisement, Neighbour, link_local, solicited_node},
};

/// A lifetime without end.
pub const FOREVER: u32 = u32::MAX;
const LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);

/// What is said of an address, by the names of `ip address`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// It has no end.
    pub permanent: bool,
    /// Nobody has said yet that it is no duplicate.
    pub tentative: bool,
    /// It is used all the same.
    pub optimistic: bool,
    /// Somebody else has it.
    pub dadfailed: bool,
    /// It is no longer preferred.
    pub deprecated: bool,
    /// It was made of chance and does not last.
    pub temporary: bool,
    /// Temporary addresses are made beside it.
    pub mngtmpaddr: bool,
    /// It was made of a secret.
    pub stable_privacy: bool,
    /// Nobody is asked whether it is a duplicate.
    pub nodad: bool,
    /// Its network is not on the link.
    pub noprefixroute: bool,
    /// It is a home address.
    pub home: bool,
}

/// Where the search for duplicates is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not begun: the link is down, or it is too early.
    Before,
    /// So many questions are still to be asked, the next at the address's deadline.
    Asking(u32),
    /// It is over.
    After,
}

/// An address.
#[derive(Clone, Debug)]
pub struct Address {
    /// The address.
    pub address: Ipv6Addr,
    /// Length of its prefix.
    pub len: u8,
    /// What is said of it.
    pub flags: Flags,
    /// Seconds for which it is valid, from `stamp` on.
    pub valid: u32,
    /// Seconds for which it is preferred, from `stamp` on.
    pub preferred: u32,
    /// Metric of its network's route.
    pub metric: u32,
    /// When its lifetimes were last set.
    pub stamp: Nanos,
    /// When it was made.
    pub created: Nanos,
    pub(super) phase: Phase,
    pub(super) nonce: Option<[u8; 6]>,
    pub(super) deadline: Option<Nanos>,
    /// The address beside which a temporary one was made.
    pub(super) public: Option<Ipv6Addr>,
    /// How often a temporary address was made beside it; of a temporary one, whether its successor was.
    pub(super) regenerated: u32,
    /// How many addresses of the same secret were duplicates before it.
    pub(super) retry: u8,
    /// Its local route is there.
    pub(super) receives: bool,
}

impl Address {
    /// How far it reaches.
    pub fn scope(&self) -> u8 {
        scope(self.address)
    }

    /// Its network.
    pub fn network(&self) -> Ipv6Net {
        Ipv6Net::new_assert(self.address, self.len.min(128)).trunc()
    }

    /// Seconds that have gone since its lifetimes were set.
    pub(super) fn age(&self, now: Nanos) -> u32 {
        u32::try_from(now.saturating_sub(self.stamp) / SECOND).unwrap_or(u32::MAX)
    }

    /// Seconds for which it is still valid and still preferred.
    pub fn remaining(&self, now: Nanos) -> (u32, u32) {
        let age = self.age(now);
        let left = |seconds: u32| match seconds {
            FOREVER => FOREVER,
            _ => seconds.saturating_sub(age),
        };
        (left(self.valid), left(self.preferred))
    }

    /// What our questions for it carry.
    pub fn nonce(&self) -> Option<[u8; 6]> {
        self.nonce
    }

    /// When so many seconds of its life have gone.
    pub(super) fn at(&self, seconds: u32) -> Nanos {
        self.stamp + Nanos::from(seconds) * SECOND
    }
}

/// An address to be added.
#[derive(Clone, Copy, Debug)]
pub struct NewAddress {
    /// The address.
    pub address: Ipv6Addr,
    /// Length of its prefix.
    pub len: u8,
    /// What is said of it; what only time can say is left out.
    pub flags: Flags,
    /// Seconds for which it is valid.
    pub valid: u32,
    /// Seconds for which it is preferred.
    pub preferred: u32,
    /// Metric of its network's route, 0 for the usual one.
    pub metric: u32,
}

impl NewAddress {
    /// An address for ever.
    pub const fn permanent(address: Ipv6Addr, len: u8) -> Self {
        let flags = Flags {
            permanent: true,
            tentative: false,
            optimistic: false,
            dadfailed: false,
            deprecated: false,
            temporary: false,
            mngtmpaddr: false,
            stable_privacy: false,
            nodad: false,
            noprefixroute: false,
            home: false,
        };
        Self { address, len, flags, valid: FOREVER, preferred: FOREVER, metric: 0 }
    }
}

/// Why an address is not added or taken away, in the kernel's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The prefix is longer than an address.
    #[error("Invalid prefix length")]
    Length,
    /// It would be preferred longer than valid, or not valid at all.
    #[error("address lifetime invalid")]
    Lifetime,
    /// Temporary addresses need a prefix of 64 bits.
    #[error("address with \"mngtmpaddr\" flag must have a prefix length of 64")]
    Manages,
    /// IPv6 is off.
    #[error("IPv6 is disabled on this device")]
    Disabled,
    /// It cannot be an interface's.
    #[error("Cannot assign requested address")]
    NotAssignable,
    /// The interface has it.
    #[error("address already assigned")]
    Exists,
    /// The interface does not have it.
    #[error("address not found")]
    NotFound,
}

impl Interface {
    pub(super) fn position(&self, address: Ipv6Addr) -> Option<usize> {
        self.addresses.iter().position(|known| known.address == address)
    }

    /// Adds an address that an operator wants.
    pub fn add(&mut self, now: Nanos, new: NewAddress) -> Result<(), AddressError> {
        if new.len > 128 {
            return Err(AddressError::Length);
        }
        if new.valid == 0 || new.preferred > new.valid {
            return Err(AddressError::Lifetime);
        }
        if new.flags.mngtmpaddr && new.len != 64 {
            return Err(AddressError::Manages);
        }
        let address = new.address;
        self.insert(now, new)?;
        self.connect(now, address);
        if !new.flags.nodad && !new.flags.optimistic {
            self.tell(address);
        }
        self.begin(now, address);
        if new.flags.mngtmpaddr {
            self.manage_temporary(now, address, new.valid, new.preferred, true);
        }
        Ok(())
    }

    /// Sets lifetimes and flags of an address anew.
    pub fn change(&mut self, now: Nanos, new: NewAddress) -> Result<(), AddressError> {
        if new.valid == 0 || new.preferred > new.valid {
            return Err(AddressError::Lifetime);
        }
        let place = self.position(new.address).ok_or(AddressError::NotFound)?;
        let known = &mut self.addresses[place];
        let (tentative, managed) = (known.flags.tentative, known.flags.mngtmpaddr);
        if new.flags.mngtmpaddr && (known.flags.temporary || known.len != 64) {
            return Err(AddressError::Manages);
        }
        (known.valid, known.preferred, known.stamp) = (new.valid, new.preferred, now);
        known.flags.permanent = new.valid == FOREVER;
        known.flags.deprecated = new.preferred == 0;
        known.flags.mngtmpaddr = new.flags.mngtmpaddr;
        known.flags.home = new.flags.home;
        known.flags.nodad = new.flags.nodad;
        let connected = !known.flags.noprefixroute;
        known.flags.noprefixroute = new.flags.noprefixroute;
        if new.metric != 0 {
            known.metric = new.metric;
        }
        if new.flags.noprefixroute && connected {
            let known = self.addresses[place].clone();
            self.disconnect(&known);
        } else {
            self.connect(now, new.address);
        }
        if !tentative {
            self.tell(new.address);
        }
        if managed || new.flags.mngtmpaddr {
            let (valid, preferred) =
                if new.flags.mngtmpaddr { (new.valid, new.preferred) } else { (0, 0) };
            self.manage_temporary(now, new.address, valid, preferred, !managed);
        }
        Ok(())
    }

    /// Takes an address away.
    pub fn remove(&mut self, now: Nanos, address: Ipv6Addr) -> Result<(), AddressError> {
        let place = self.position(address).ok_or(AddressError::NotFound)?;
        let managed = self.addresses[place].flags.mngtmpaddr;
        self.delete(address);
        if managed {
            self.manage_temporary(now, address, 0, 0, false);
        }
        Ok(())
    }

    /// Puts an address into the list: the farther it reaches the nearer to the front, the newest
    /// before others.
    pub(super) fn insert(&mut self, now: Nanos, new: NewAddress) -> Result<(), AddressError> {
        let NewAddress { address, len, mut flags, valid, preferred, metric } = new;
        if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
            return Err(AddressError::NotAssignable);
        }
        if self.conf.disable_ipv6 {
            return Err(AddressError::Disabled);
        }
        if self.position(address).is_some() {
            return Err(AddressError::Exists);
        }
        flags.permanent = valid == FOREVER;
        flags.tentative = !flags.nodad;
        flags.deprecated = preferred == 0;
        let metric = if metric == 0 { 256 } else { metric };
        let place = self.addresses.iter().position(|known| known.scope() <= scope(address));
        let made = Address {
            address,
            len,
            flags,
            valid,
            preferred,
            metric,
            stamp: now,
            created: now,
            phase: Phase::Before,
            nonce: None,
            deadline: None,
            public: None,
            regenerated: 0,
            retry: 0,
            receives: false,
        };
        self.addresses.insert(place.unwrap_or(self.addresses.len()), made);
        Ok(())
    }

    /// The route to an address's network, which ends with it.
    pub(super) fn connect(&mut self, now: Nanos, address: Ipv6Addr) {
        let Some(place) = self.position(address) else { return };
        let known = &self.addresses[place];
        if !self.up || known.flags.noprefixroute {
            return;
        }
        let expires = (known.valid != FOREVER).then(|| known.at(known.valid).max(now));
        let (network, metric) = (known.network(), known.metric);
        self.set_route(RouteKind::Connected, network, None, metric, expires, Default::default());
    }

    /// Takes the route to an address's network away where no other address holds it: as in the kernel
    /// one that asked for no route holds the route of another (`check_cleanup_prefix_route`).
    fn disconnect(&mut self, gone: &Address) {
        let network = gone.network();
        let held = self
            .addresses
            .iter()
            .any(|other| other.network() == network && other.address != gone.address);
        if !held {
            self.delete_route(RouteKind::Connected, network, None);
        }
    }

    /// Takes an address out of the list, and all that stood on it.
    pub(super) fn delete(&mut self, address: Ipv6Addr) {
        let Some(place) = self.position(address) else { return };
        self.actions.push(Action::Gone(self.addresses[place].clone()));
        self.silence(place);
        let gone = self.addresses.remove(place);
        if gone.phase != Phase::Before || gone.flags.dadfailed {
            self.actions.push(Action::Leave(solicited_node(address)));
        }
        if gone.flags.permanent && !gone.flags.noprefixroute {
            self.disconnect(&gone);
        }
        for other in &mut self.addresses {
            other.public = other.public.filter(|public| *public != address);
        }
        self.actions.push(Action::Forget(address));
    }

    /// Tells those who watch what an address is now.
    pub(super) fn tell(&mut self, address: Ipv6Addr) {
        if let Some(place) = self.position(address) {
            self.actions.push(Action::Tell(self.addresses[place].clone()));
        }
    }

    /// An address is heard no more.
    fn silence(&mut self, place: usize) {
        let known = &mut self.addresses[place];
        if std::mem::take(&mut known.receives) {
            let (address, anycast) = (known.address, anycast(known));
            if let Some(anycast) = anycast.filter(|_| self.conf.forwarding) {
                self.give_up(anycast);
            }
            self.actions.push(Action::Refuse(address));
        }
    }

    /// Tells all neighbours of an address that nobody has asked for.
    pub(super) fn announce_address(&mut self, address: Ipv6Addr) {
        let says =
            Advertisement { router: self.conf.forwarding, solicited: false, overrides: true };
        let told = Neighbour {
            src: address,
            dst: ALL_NODES,
            target: address,
            mac: Some(self.mac),
            nonce: None,
            advertisement: Some(says),
        };
        self.actions.push(Action::Send(told.to_bytes()));
    }

    /// An address is heard from now on.
    fn receive(&mut self, place: usize) {
        let known = &mut self.addresses[place];
        if !std::mem::replace(&mut known.receives, true) {
            let (address, anycast) = (known.address, anycast(known));
            self.actions.push(Action::Receive(address));
            if let Some(anycast) = anycast.filter(|_| self.conf.forwarding) {
                self.take_up(anycast);
            }
        }
    }

    /// Routers listen to the address of their network.
    fn take_up(&mut self, address: Ipv6Addr) {
        match self.anycast.iter_mut().find(|(known, _)| *known == address) {
            Some((_, users)) => *users += 1,
            None => {
                self.anycast.push((address, 1));
                self.actions.push(Action::Join(solicited_node(address)));
                self.actions.push(Action::Anycast(address, true));
            }
        }
    }

    fn give_up(&mut self, address: Ipv6Addr) {
        let Some(place) = self.anycast.iter().position(|(known, _)| *known == address) else {
            return;
        };
        self.anycast[place].1 -= 1;
        if self.anycast[place].1 == 0 {
            self.anycast.remove(place);
            self.actions.push(Action::Leave(solicited_node(address)));
            self.actions.push(Action::Anycast(address, false));
        }
    }

    /// The interface became a router's, or a host's.
    pub(super) fn turn(&mut self, forwards: bool) {
        let heard = self.addresses.iter().filter(|known| known.receives && !known.flags.tentative);
        let anycasts: Vec<Ipv6Addr> = heard.filter_map(anycast).collect();
        for address in anycasts {
            if forwards { self.take_up(address) } else { self.give_up(address) }
        }
    }

    /// Begins to ask whether somebody else has the address, or takes it at once.
    pub(super) fn begin(&mut self, now: Nanos, address: Ipv6Addr) {
        let Some(place) = self.position(address) else { return };
        if !self.up {
            // A permanent address waits for the link, others have nothing to wait for.
            if !self.addresses[place].flags.permanent {
                self.delete(address);
            }
            return;
        }
        if self.addresses[place].phase == Phase::Before {
            self.actions.push(Action::Join(solicited_node(address)));
        }
        let flags = self.addresses[place].flags;
        if self.conf.accept_dad < 1 || !flags.tentative || flags.nodad {
            self.complete(now, address);
            return;
        }
        if flags.optimistic {
            // Who is optimistic receives at once.
            self.receive(place);
            if self.conf.use_optimistic {
                self.tell(address);
            }
        }
        let most = self.conf.router_solicitation_delay.max(1);
        let delay = if flags.optimistic { 0 } else { self.chance.below(most) };
        let nonce = self.conf.enhanced_dad.then(|| self.chance.nonce());
        let known = &mut self.addresses[place];
        known.nonce = nonce;
        known.phase = Phase::Asking(self.conf.dad_transmits);
        known.deadline = Some(now + delay);
    }

    /// Asks once more, or takes the address because nobody has answered.
    pub(super) fn probe(&mut self, now: Nanos, address: Ipv6Addr) {
        let Some(place) = self.position(address) else { return };
        let interval = self.conf.probe_interval();
        let known = &mut self.addresses[place];
        match known.phase {
            // An address made anew after a duplicate has waited long enough.
            Phase::Before => return self.begin(now, address),
            Phase::Asking(left @ 1..) => {
                known.phase = Phase::Asking(left - 1);
                known.deadline = Some(now + interval);
            }
            Phase::Asking(0) | Phase::After => return self.complete(now, address),
        }
        let question = Neighbour {
            src: Ipv6Addr::UNSPECIFIED,
            dst: solicited_node(address),
            target: address,
            mac: None,
            nonce: known.nonce,
            advertisement: None,
        };
        self.actions.push(Action::Send(question.to_bytes()));
    }

    /// The address is ours.
    fn complete(&mut self, now: Nanos, address: Ipv6Addr) {
        let Some(place) = self.position(address) else { return };
        let known = &mut self.addresses[place];
        let announce = known.flags.tentative && !known.flags.optimistic && !known.flags.nodad;
        known.flags.tentative = false;
        known.flags.optimistic = false;
        known.flags.dadfailed = false;
        (known.phase, known.deadline) = (Phase::After, None);
        let of_link = known.scope() == 2;
        self.tell(address);
        self.receive(place);
        let lonely = of_link
            && !self.addresses.iter().any(|other| {
                let Flags { permanent, tentative, optimistic, dadfailed, .. } = other.flags;
                let usable = permanent && !tentative && !optimistic && !dadfailed;
                other.address != address && other.scope() == 2 && usable
            });
        if lonely {
            self.actions.push(Action::Ready);
        }
        if announce && self.conf.ndisc_notify {
            self.announce_address(address);
        }
        if lonely {
            self.begin_solicitations(now);
        }
    }

    /// Somebody else has an address that we were about to take. [7.161]
    pub fn handle_duplicate(&mut self, now: Nanos, address: Ipv6Addr) {
        let Some(place) = self.position(address) else { return };
        let known = self.addresses[place].clone();
        if !known.flags.tentative || known.phase == Phase::After {
            return;
        }
        self.addresses[place].phase = Phase::After;
        self.addresses[place].deadline = None;
        if known.flags.stable_privacy {
            self.try_next(now, &known);
        }
        let of_mac = known.address == link_local(self.mac);
        let disable = self.conf.accept_dad > 1 && of_mac && !known.flags.stable_privacy;
        self.fail(now, address);
        if disable {
            self.conf.disable_ipv6 = true;
            self.actions.push(Action::Disable);
            self.handle_down(now);
        }
    }

    /// The next address of the same secret, after a while.
    fn try_next(&mut self, now: Nanos, known: &Address) {
        let Some(secret) = self.secret() else { return };
        let most = self.conf.idgen_retries;
        let full = self.conf.max_addresses > 0 && self.addresses.len() >= self.conf.max_addresses;
        if known.retry > most || full {
            return;
        }
        let retry = known.retry + 1;
        let next = stable(known.address, secret, self.conf.hardware, retry, most);
        let Some(next) = next.filter(|_| retry <= most) else { return };
        let flags = Flags { tentative: false, optimistic: false, ..known.flags };
        let new = NewAddress {
            address: next,
            len: known.len,
            flags,
            valid: known.valid,
            preferred: known.preferred,
            metric: known.metric,
        };
        if self.insert(now, new).is_ok()
            && let Some(place) = self.position(next)
        {
            self.addresses[place].retry = retry;
            self.addresses[place].deadline = Some(now + self.conf.idgen_delay);
        }
    }

    /// An address is a duplicate: it stays to be seen where it is permanent, and is never used.
    fn fail(&mut self, now: Nanos, address: Ipv6Addr) {
        let Some(place) = self.position(address) else { return };
        let known = &mut self.addresses[place];
        known.flags.dadfailed = true;
        known.flags.optimistic = false;
        let (permanent, public) = (known.flags.permanent, known.public);
        self.silence(place);
        if self.addresses[place].flags.temporary {
            if let Some(public) = public {
                self.make_temporary(now, public);
            }
            self.delete(address);
        } else if permanent {
            self.tell(address);
        } else {
            self.delete(address);
        }
    }

    /// Makes the interface's own address of the link. [8.67]
    pub(super) fn make_link_local(&mut self, now: Nanos) {
        let (address, stable_privacy) = match self.conf.addr_gen_mode {
            0 => (join(LINK, eui64(self.mac)), false),
            1 => return,
            mode => {
                if mode == 3 && self.conf.stable_secret.is_none() && self.chosen_secret.is_none() {
                    let (high, low) = (self.chance.next_u64(), self.chance.next_u64());
                    self.chosen_secret =
                        Some(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)));
                }
                let Some(secret) = self.secret() else { return };
                match stable(LINK, secret, self.conf.hardware, 0, self.conf.idgen_retries) {
                    Some(address) => (address, true),
                    None => return,
                }
            }
        };
        let mut new = NewAddress::permanent(address, 64);
        new.flags.stable_privacy = stable_privacy;
        new.flags.optimistic = self.is_optimistic();
        if self.insert(now, new).is_ok() {
            self.connect(now, address);
            self.begin(now, address);
        }
    }

    /// An address outlives the link, and is asked for anew when that comes back.
    pub(super) fn suspend(&mut self, address: Ipv6Addr) {
        let Some(place) = self.position(address) else { return };
        self.silence(place);
        let known = &mut self.addresses[place];
        if known.phase != Phase::Before {
            self.actions.push(Action::Leave(solicited_node(address)));
        }
        (known.phase, known.deadline) = (Phase::Before, None);
        known.flags.tentative = !known.flags.nodad;
        known.flags.dadfailed = false;
    }

    pub(super) fn is_optimistic(&self) -> bool {
        self.conf.optimistic_dad && !self.conf.all_forwarding
    }
}

/// The subnet-router anycast address of an address's network (RFC 4291 section 2.6.1).
fn anycast(known: &Address) -> Option<Ipv6Addr> {
    let network = known.network().network();
    (known.len < 127 && !network.is_unspecified()).then_some(network)
}
