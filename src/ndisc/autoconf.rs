//! Addresses that an interface makes itself of a router's prefixes, and how addresses grow old.
//!
//! - obeys: RFC 4862 sections 5.5.3 (two hours) and 5.5.4, RFC 8981 (temporary addresses); rows [8.80],
//!   [8.81], [8.83], [8.85], [8.86]

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::{
    Address, Flags, SECOND,
    address::{FOREVER, NewAddress},
    identifier::{eui64, join, random, stable},
    interface::{Action, Interface, RouteKind},
};
use crate::{
    graph::Nanos,
    packet::ndisc::{Preference, PrefixInfo},
};

/// Below this a router that nobody knows cannot shorten an address's life.
const TWO_HOURS: u32 = 7200;

impl Interface {
    /// A router tells of a prefix; `tells_mac` whether it said where it is.
    pub(super) fn handle_prefix(&mut self, now: Nanos, info: &PrefixInfo, tells_mac: bool) {
        let PrefixInfo { prefix, len, valid, preferred, .. } = *info;
        if prefix.is_multicast() || prefix.is_unicast_link_local() || preferred > valid || len > 128
        {
            return;
        }
        if valid != 0 && valid < self.conf.accept_ra_min_lft {
            return;
        }
        if info.on_link {
            let network = Ipv6Net::new_assert(prefix, len).trunc();
            let expires = (valid != FOREVER).then(|| now + Nanos::from(valid) * SECOND);
            match valid {
                0 => self.delete_route(RouteKind::OnLink, network, None),
                _ => {
                    let medium = Preference::Medium;
                    self.set_route(RouteKind::OnLink, network, None, 256, expires, medium);
                }
            }
        }
        let delegated = self.conf.ra_honor_pio_pflag && info.prefers_delegation;
        if !info.autonomous || !self.conf.autoconf || delegated || len != 64 {
            return;
        }
        let made = match (self.conf.addr_gen_mode, self.secret()) {
            (2 | 3, Some(secret)) => {
                stable(prefix, secret, self.conf.hardware, 0, self.conf.idgen_retries)
            }
            _ => None,
        };
        let (address, stable_privacy) = match made {
            Some(address) => (address, true),
            None => (join(prefix, eui64(self.mac)), false),
        };
        self.handle_own_prefix(now, address, (valid, preferred), stable_privacy, tells_mac);
    }

    /// Makes an address of a prefix, or lets it live on.
    fn handle_own_prefix(
        &mut self,
        now: Nanos,
        address: Ipv6Addr,
        (mut valid, preferred): (u32, u32),
        stable_privacy: bool,
        tells_mac: bool,
    ) {
        let mut created = false;
        if self.position(address).is_none() {
            let most = self.conf.max_addresses;
            if valid == 0 || most > 0 && self.addresses.len() >= most {
                return;
            }
            let optimistic = self.is_optimistic() && tells_mac;
            let flags = Flags {
                mngtmpaddr: true,
                // Its network's route is the router's to tell.
                noprefixroute: false,
                stable_privacy,
                optimistic,
                ..Flags::default()
            };
            let new = NewAddress { address, len: 64, flags, valid, preferred, metric: 0 };
            if self.insert(now, new).is_err() {
                return;
            }
            if let Some(place) = self.position(address) {
                // Without an end it is for ever, and yet not an operator's.
                self.addresses[place].flags.permanent = false;
            }
            created = true;
            self.begin(now, address);
        }
        let Some(place) = self.position(address) else { return };
        let known = &mut self.addresses[place];
        let (stored, _) = known.remaining(now);
        if !created && stored > 0 {
            if !self.conf.ra_honor_pio_life {
                valid = valid.max(stored.min(TWO_HOURS));
            }
            (known.valid, known.preferred, known.stamp) = (valid, preferred, now);
            known.flags.deprecated = false;
            if !known.flags.tentative {
                self.tell(address);
            }
        }
        self.manage_temporary(now, address, valid, preferred, created);
        self.age(now);
    }

    /// Seconds before its end at which a temporary address gets a successor.
    fn regen_advance(&self) -> u32 {
        let tries = self.conf.regen_max_retry.saturating_mul(self.conf.dad_transmits);
        let seconds = Nanos::from(tries) * self.conf.probe_interval() / SECOND;
        self.conf.regen_min_advance.saturating_add(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// Temporary addresses live no longer than the one beside which they were made.
    pub(super) fn manage_temporary(
        &mut self,
        now: Nanos,
        public: Ipv6Addr,
        valid: u32,
        preferred: u32,
        mut create: bool,
    ) {
        let (most_valid, most_preferred) = (self.conf.temp_valid_lft, self.conf.temp_prefered_lft);
        let desync = self.desync.unwrap_or(0);
        let mut told = Vec::new();
        for known in self.addresses.iter_mut().filter(|known| known.public == Some(public)) {
            let age = u32::try_from(now.saturating_sub(known.created) / SECOND).unwrap_or(u32::MAX);
            known.valid = valid.min(most_valid.saturating_sub(age));
            known.preferred =
                preferred.min(most_preferred.saturating_sub(desync).saturating_sub(age));
            known.stamp = now;
            if known.preferred > 0 {
                known.flags.deprecated = false;
            }
            if !known.flags.tentative {
                told.push(Action::Tell(known.clone()));
            }
        }
        self.actions.extend(told);
        let none = !self.addresses.iter().any(|known| known.flags.temporary);
        if none && (valid > 0 || preferred > 0) {
            create = true;
        }
        if create && self.conf.use_tempaddr > 0 {
            self.make_temporary(now, public);
        }
    }

    /// Makes a temporary address beside another.
    pub(super) fn make_temporary(&mut self, now: Nanos, public: Ipv6Addr) {
        if self.conf.use_tempaddr <= 0 || self.no_temporary {
            return;
        }
        // As often as `regen_max_retry` says, for an address of chance may be somebody's.
        loop {
            let Some(place) = self.position(public) else { return };
            let advance = self.regen_advance();
            let known = &mut self.addresses[place];
            known.regenerated += 1;
            if known.regenerated > self.conf.regen_max_retry {
                self.no_temporary = true;
                return;
            }
            let known = self.addresses[place].clone();
            let age = known.age(now);
            let room = self.conf.temp_prefered_lft.saturating_sub(advance);
            let most = self.conf.max_desync_factor.min(room);
            if self.desync.is_none_or(|desync| desync > most) {
                self.desync = Some(self.chance.below(most.into()) as u32);
            }
            let desync = self.desync.unwrap_or(0);
            let valid = known.valid.min(self.conf.temp_valid_lft.saturating_add(age));
            let span = self.conf.temp_prefered_lft.saturating_add(age).saturating_sub(desync);
            let mut preferred = known.preferred.min(span);
            // One that would get a successor at once is not made, unless it may live a little longer.
            if preferred <= advance.saturating_add(age) {
                preferred = advance.saturating_add(age).saturating_add(1);
                if preferred > valid || preferred > known.preferred {
                    return;
                }
            }
            let address = random(public, &mut self.chance);
            let flags = Flags {
                temporary: true,
                optimistic: known.flags.optimistic,
                noprefixroute: false,
                ..Flags::default()
            };
            let new = NewAddress { address, len: known.len, flags, valid, preferred, metric: 0 };
            if self.insert(now, new).is_err() {
                continue;
            }
            if let Some(place) = self.position(address) {
                let made = &mut self.addresses[place];
                made.public = Some(public);
                made.stamp = known.stamp;
                made.flags.permanent = false;
            }
            return self.begin(now, address);
        }
    }

    /// Whether a temporary address still waits for its successor.
    fn awaits_successor(known: &Address) -> bool {
        let Flags { temporary, tentative, .. } = known.flags;
        temporary
            && !tentative
            && known.preferred != FOREVER
            && known.regenerated == 0
            && known.public.is_some()
    }

    /// When something happens to an address.
    pub(super) fn address_deadline(&self, known: &Address) -> Option<Nanos> {
        let successor = Self::awaits_successor(known)
            .then(|| known.at(known.preferred.saturating_sub(self.regen_advance())));
        let lasts = known.flags.permanent && known.preferred == FOREVER;
        let end = (!lasts && known.valid != FOREVER).then(|| known.at(known.valid));
        let aging = !lasts && known.preferred != FOREVER && !known.flags.deprecated;
        let deprecation = aging.then(|| known.at(known.preferred));
        [known.deadline, successor, end, deprecation].into_iter().flatten().min()
    }

    /// Lets addresses grow old.
    pub(super) fn age(&mut self, now: Nanos) {
        let advance = self.regen_advance();
        let mut place = 0;
        while place < self.addresses.len() {
            let known = &mut self.addresses[place];
            let (address, age) = (known.address, known.age(now));
            if known.flags.permanent && known.preferred == FOREVER {
                place += 1;
                continue;
            }
            if Self::awaits_successor(known) && age.saturating_add(advance) >= known.preferred {
                known.regenerated = 1;
                if let Some(public) = known.public {
                    if let Some(beside) = self.position(public) {
                        self.addresses[beside].regenerated = 0;
                    }
                    self.make_temporary(now, public);
                }
                // The list is another now.
                place = 0;
                continue;
            }
            if known.valid != FOREVER && age >= known.valid {
                self.delete(address);
                place = 0;
                continue;
            }
            if known.preferred != FOREVER && age >= known.preferred && !known.flags.deprecated {
                known.flags.deprecated = true;
                self.tell(address);
            }
            place += 1;
        }
    }
}
