//! What the management core keeps for each family: routes, rules, and what follows from them.

use super::{Router, links::View};
use crate::{
    neighbour::control::Neighbours,
    port::table::Iface,
    route::{
        control::{RouteControl, World},
        family::Family,
        spec::RuleSpec,
    },
};

/// A family whose routes a router has.
pub trait Kept: Family {
    /// The routes.
    fn routes(router: &Router) -> &RouteControl<Self>;
    /// The rules, in the order in which they are asked.
    fn rules(router: &Router) -> &[RuleSpec];
    #[doc(hidden)]
    fn parts(router: &mut Router) -> Parts<'_, Self>;
}

/// What a change of routes needs of a router, all at once.
pub struct Parts<'a, B: Family> {
    pub(super) routes: &'a mut RouteControl<B>,
    ifaces: &'a [Iface],
    neighbours: &'a Neighbours<crate::dpdk::mbuf::Packet>,
    hops: &'a mut crate::route::hops::Hops,
    objects: &'a crate::route::nexthops::Nexthops,
    now: u64,
}

impl<'a, B: Family> Parts<'a, B> {
    /// Does something with the routes and all that stands beside them.
    pub(super) fn with<T>(
        self,
        change: impl FnOnce(&mut RouteControl<B>, &mut World<'_>) -> T,
    ) -> T {
        let links = &View { ifaces: self.ifaces, neighbours: self.neighbours };
        let Self { hops, objects, now, .. } = self;
        let mut world = World { links, hops, objects, now };
        change(self.routes, &mut world)
    }
}

macro_rules! parts {
    ($router:expr, $routes:ident) => {{
        let Router { $routes: routes, objects, hops, ifaces, neighbours, now, .. } = $router;
        Parts { routes, ifaces, neighbours, hops, objects, now: *now }
    }};
}

impl Kept for u32 {
    fn routes(router: &Router) -> &RouteControl {
        &router.routes
    }

    fn rules(router: &Router) -> &[RuleSpec] {
        &router.rules
    }

    fn parts(router: &mut Router) -> Parts<'_, Self> {
        parts!(router, routes)
    }
}

impl Kept for u128 {
    fn routes(router: &Router) -> &RouteControl<Self> {
        &router.routes6
    }

    fn rules(router: &Router) -> &[RuleSpec] {
        &router.rules6
    }

    fn parts(router: &mut Router) -> Parts<'_, Self> {
        parts!(router, routes6)
    }
}
