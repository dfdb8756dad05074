//! Next-hop objects (`ip nexthop`): routes refer to them by number, and follow each change of one
//! in a single step.
//!
//! - obeys: `ip-nexthop(8)`; `net/ipv4/nexthop.c`; ledger 6.133 to 6.142

use std::net::IpAddr;

use super::{Router, events::What, links::View};
use crate::{
    graph::Nanos,
    route::{
        control::Verb,
        nexthops::{self, Around, NexthopError},
        spec::{NextHopSpec, NexthopSpec, table},
    },
};

impl Router {
    /// Adds a next-hop object or changes one; gives its number.
    ///
    /// # Errors
    /// When it cannot be as stated, is there, or is not; nothing has changed then.
    pub fn set_nexthop(
        &mut self,
        verb: Verb,
        spec: &NexthopSpec,
        now: Nanos,
    ) -> Result<u32, NexthopError> {
        let Self { routes, routes6, objects, hops, ifaces, neighbours, .. } = self;
        let view = View { ifaces, neighbours };
        let resolve = |hop: &NextHopSpec| match hop.via {
            Some(IpAddr::V6(_)) => Ok(routes6.resolve_nexthop(table::MAIN, hop, &view)?),
            _ => Ok(routes.resolve_nexthop(table::MAIN, hop, &view)?),
        };
        let serves_six = routes6.rib().all_infos().any(|(_, info)| info.nhid == spec.id);
        let around = Around { now, resolve: &resolve, serves_six: spec.id != 0 && serves_six };
        let done = objects.set(verb, spec, &around, &view, hops);
        self.dirty = true;
        self.note_hop_changes();
        if let Ok(id) = &done {
            self.tell_nexthop(*id);
            if verb != Verb::Add {
                self.tell_routes_through(*id);
            }
        }
        done
    }

    /// Deletes a next-hop object, the routes through it, and it from its groups.
    ///
    /// # Errors
    /// When there is none of this number.
    pub fn delete_nexthop(&mut self, id: u32, now: Nanos) -> Result<(), NexthopError> {
        let was = self.objects.get(id).cloned();
        let groups = self.objects.groups_with(id);
        let Self { routes, routes6, objects, hops, ifaces, neighbours, .. } = self;
        let gone = objects.delete(id, now, &View { ifaces, neighbours }, hops);
        let done = gone.map(|gone| {
            for (id, heads) in gone {
                routes.flush(hops, objects, |_, info| info.nhid == id);
                routes6.flush(hops, objects, |_, info| info.nhid == id);
                nexthops::release(hops, heads);
            }
        });
        self.policy_changed();
        self.note_hop_changes();
        if let (Ok(()), Some(was)) = (&done, was) {
            self.tell(true, |_| Some(What::Nexthop(id, was)));
            for group in groups {
                self.tell_nexthop(group);
            }
        }
        done
    }

    /// Deletes the objects that cannot be without an interface (`nexthop_flush_dev`).
    pub(super) fn delete_nexthops_by(&mut self, iface: u16) {
        for id in self.objects.by_iface(iface) {
            // It is there: it was just found.
            let _ = self.delete_nexthop(id, self.now);
        }
    }
}
