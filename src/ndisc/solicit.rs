//! Asking for routers: when the link comes up, and less and less often.
//!
//! - obeys: RFC 4861 section 6.3.7, RFC 7559, RFC 3315 section 14 (waits); rows [8.69], [8.70]

use std::net::Ipv6Addr;

use super::interface::{Action, Interface};
use crate::{
    graph::Nanos,
    packet::ndisc::{ALL_ROUTERS, RouterSolicitation},
};

/// Where asking for routers is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Solicit {
    /// How often was asked.
    asked: i32,
    interval: Nanos,
    pub(super) deadline: Option<Nanos>,
    /// A router has told of itself since.
    pub(super) heard: bool,
}

impl Interface {
    /// A time about `base`, a tenth less or more, times `times`.
    fn about(&mut self, base: Nanos, times: u64) -> Nanos {
        let scaled = 1_000_000 * times - 100_000 + self.chance.below(200_001);
        (u128::from(base) * u128::from(scaled) / 1_000_000) as Nanos
    }

    fn solicit(&mut self, src: Ipv6Addr) {
        let mac = Some(self.mac).filter(|_| !src.is_unspecified());
        let question = RouterSolicitation { src, dst: ALL_ROUTERS, mac };
        self.actions.push(Action::Send(question.to_bytes()));
    }

    /// The first address of the link is there: asks for the first time.
    pub(super) fn begin_solicitations(&mut self, now: Nanos) {
        if !self.conf.hears_routers() || self.conf.router_solicitations == 0 {
            return;
        }
        let Some(src) = self.link_local() else { return };
        self.solicit(src);
        let interval = self.about(self.conf.router_solicitation_interval, 1);
        let deadline = Some(now + interval);
        self.solicit = Solicit { asked: 1, interval, deadline, heard: false };
    }

    /// Asks once more where nobody has answered.
    pub(super) fn poll_solicitations(&mut self, now: Nanos) {
        if self.solicit.deadline.take_if(|at| *at <= now).is_none() {
            return;
        }
        if !self.up || !self.conf.hears_routers() || self.solicit.heard {
            return;
        }
        let most = self.conf.router_solicitations;
        let asked = self.solicit.asked;
        self.solicit.asked = asked.saturating_add(1);
        if most >= 0 && asked >= most {
            return;
        }
        if let Some(src) = self.link_local() {
            self.solicit(src);
        }
        let mut interval = self.about(self.solicit.interval, 2);
        let longest = self.conf.router_solicitation_max_interval;
        if interval > longest {
            interval = self.about(longest, 1);
        }
        self.solicit.interval = interval;
        // Who has asked for the last time need not wait long.
        let last = self.solicit.asked == most;
        let wait = if last { self.conf.router_solicitation_delay } else { interval };
        self.solicit.deadline = Some(now + wait);
    }
}
