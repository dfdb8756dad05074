//! Next-hop objects (`ip nexthop`): routes refer to them by number, and follow each change of one
//! in a single step.
//!
//! - obeys: `ip-nexthop(8)`; `net/ipv4/nexthop.c`; ledger 6.133 to 6.142

use super::{Router, events::What, links::View};
use crate::{
    graph::Nanos,
    route::{control::Verb, nexthops::NexthopError, spec::NexthopSpec},
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
        let Self { routes, hops, ifaces, neighbours, .. } = self;
        let done = routes.set_object(verb, spec, now, &View { ifaces, neighbours }, hops);
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
        let was = self.routes.objects().get(id).cloned();
        let groups = self.routes.objects().groups_with(id);
        let Self { routes, hops, ifaces, neighbours, .. } = self;
        let done = routes.delete_object(id, now, &View { ifaces, neighbours }, hops);
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
        for id in self.routes.objects().by_iface(iface) {
            // It is there: it was just found.
            let _ = self.delete_nexthop(id, self.now);
        }
    }
}
