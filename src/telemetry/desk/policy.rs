//! Rules, next-hop objects and VRFs: commands of iproute2 about them, carried out.

use super::Desk;
use super::ip::{Done, Refused};
use crate::{
    iproute2::{
        BucketFilter, Inet, LinkChange, Master, NexthopCommand, NexthopFilter, Options,
        ResilientWords, RuleCommand, RuleFilter, VrfCommand,
        show::{self, BucketView, NexthopView, ResilientView, RuleView, VrfView},
    },
    route::{
        control::Verb,
        nexthops::{Object, ObjectKind, Resilient},
        spec::{NexthopKind, NexthopSpec, ResilientSpec, RuleAction, RuleSpec, scope},
    },
};

/// Nanoseconds of a hundredth of a second.
const CENTI: u64 = 10_000_000;

impl Desk<'_> {
    // ---- rules ----

    pub(super) fn rule(&mut self, command: &RuleCommand, options: &Options) -> Done {
        match command {
            RuleCommand::Show(filter) => Ok(self.show_rules(filter, options)),
            RuleCommand::Add(spec) => {
                let mut spec = spec.clone();
                if spec.action == RuleAction::Lookup(0) && !spec.l3mdev {
                    spec.action = RuleAction::Lookup(self.free_table(spec.is_six()));
                }
                self.router.add_rule(&spec).map_err(Refused::new)?;
                Ok(String::new())
            }
            RuleCommand::Del(pattern) => {
                let six = pattern.said.is_six();
                self.router.delete_rule(six, |rule| pattern.fits(rule)).map_err(Refused::new)?;
                Ok(String::new())
            }
            RuleCommand::Flush(filter) => {
                let six = filter.family == Inet::Six;
                while self.router.delete_rule(six, |rule| filter.flushes(rule)).is_ok() {}
                Ok(String::new())
            }
        }
    }

    fn show_rules(&self, filter: &RuleFilter, options: &Options) -> String {
        let rules = self.router.rules_of(filter.family == Inet::Six).iter();
        let rules = rules.filter(|rule| filter.accepts(rule));
        show::show_rules(rules.map(|rule| self.rule_view(rule)), options)
    }

    pub(super) fn rule_view<'r>(&self, rule: &'r RuleSpec) -> RuleView<'r> {
        let absent = |name: &Option<String>| {
            name.as_ref().is_some_and(|name| name != "lo" && self.router.iface(name).is_none())
        };
        let unresolved = match rule.action {
            RuleAction::Goto(target) => {
                let rules = self.router.rules_of(rule.is_six());
                !rules.iter().any(|other| other.priority == Some(target))
            }
            _ => false,
        };
        RuleView {
            rule,
            iif_detached: absent(&rule.iif),
            oif_detached: absent(&rule.oif),
            unresolved,
        }
    }

    /// The first table that nothing is in and no rule names, for a rule that names none.
    fn free_table(&self, six: bool) -> u32 {
        let count = |table| match six {
            true => self.router.routes6().rib().prefix_count(table),
            false => self.router.routes().rib().prefix_count(table),
        };
        let rules = self.router.rules_of(six);
        let named = |table| rules.iter().any(|rule| rule.action == RuleAction::Lookup(table));
        (1..253).find(|table| count(*table) == 0 && !named(*table)).unwrap_or(252)
    }

    // ---- next-hop objects ----

    pub(super) fn nexthop(&mut self, command: &NexthopCommand, options: &Options) -> Done {
        match command {
            NexthopCommand::Add(spec, said) => self.set_nexthop(Verb::Add, spec, *said),
            NexthopCommand::Replace(spec, said) => self.set_nexthop(Verb::Replace, spec, *said),
            NexthopCommand::Del(id) => self.delete_nexthop(*id),
            NexthopCommand::Flush(filter) => self.flush_nexthops(filter),
            NexthopCommand::Show(NexthopFilter { id: Some(id), .. }) | NexthopCommand::Get(id) => {
                let view = self.nexthop_view(*id).ok_or_else(no_entry)?;
                Ok(show::show_nexthops(&[view], options))
            }
            NexthopCommand::Show(filter) => {
                Ok(show::show_nexthops(&self.nexthops_by(filter)?, options))
            }
            NexthopCommand::ShowBuckets(filter) => {
                Ok(show::show_nexthop_buckets(&self.buckets_by(filter)?, options))
            }
            NexthopCommand::GetBucket { id, index } => {
                let object = self.router.objects().get(*id).ok_or_else(no_entry)?;
                let Some(resilient) = resilient(object) else {
                    return Err(Refused::new(not_resilient(object)));
                };
                if usize::from(*index) >= resilient.buckets.len() {
                    return Err(Refused::new("Error: Bucket index out of bounds."));
                }
                let all = self.bucket_views(*id, resilient);
                let one: Vec<_> = all.into_iter().filter(|own| own.index == *index).collect();
                Ok(show::show_nexthop_buckets(&one, options))
            }
        }
    }

    fn set_nexthop(&mut self, verb: Verb, spec: &NexthopSpec, said: ResilientWords) -> Done {
        if let NexthopKind::Via { dev: Some(dev), .. } = &spec.kind {
            self.device_of_nexthop(dev)?;
        }
        let mut spec = spec.clone();
        if let NexthopKind::Group { resilient: Some(stated), .. } = &mut spec.kind {
            let there = self.router.objects().get(spec.id).and_then(resilient);
            *stated = said.over(there.map(|there| there.spec));
        }
        self.router.set_nexthop(verb, &spec, self.now).map_err(Refused::new)?;
        Ok(String::new())
    }

    fn delete_nexthop(&mut self, id: u32) -> Done {
        self.router.delete_nexthop(id, self.now).map_err(Refused::new)?;
        Ok(String::new())
    }

    fn flush_nexthops(&mut self, filter: &NexthopFilter) -> Done {
        if let Some(id) = filter.id {
            return self.delete_nexthop(id);
        }
        let all = *filter == NexthopFilter::default();
        let mut found = self.nexthops_by(filter)?;
        if all {
            // Groups first, so that none goes by itself with its last member.
            found.sort_by_key(|view| view.group.is_empty());
        }
        let ids = found.iter().map(|view| view.id);
        let gone = ids.filter(|id| self.router.delete_nexthop(*id, self.now).is_ok()).count();
        Ok(match gone {
            0 => "Nothing to flush\n".to_owned(),
            gone => format!("Flushed {gone} nexthops\n"),
        })
    }

    /// The device of a next-hop object, in the words of `ip nexthop`.
    fn device_of_nexthop(&self, name: &str) -> Result<u16, Refused> {
        match self.router.iface(name) {
            Some(iface) => Ok(iface.index),
            None => Err(Refused::argument(name, "Device does not exist\n")),
        }
    }

    /// The index of a VRF that a filter names.
    fn master_of_filter(&self, name: &str, is_vrf: bool) -> Result<u16, Refused> {
        if is_vrf {
            return self.vrf_index(name);
        }
        self.device_of_nexthop(name)
    }

    fn nexthops_by(&self, filter: &NexthopFilter) -> Result<Vec<NexthopView>, Refused> {
        let dev = filter.dev.as_ref().map(|dev| self.device_of_nexthop(dev)).transpose()?;
        let master = filter.master.as_ref();
        let master =
            master.map(|name| self.master_of_filter(name, filter.master_is_vrf)).transpose()?;
        let objects = self.router.objects();
        let fits = |object: &Object| {
            let iface = match &object.kind {
                ObjectKind::Via(hop) => Some(hop.iface),
                _ => None,
            };
            let group = matches!(object.kind, ObjectKind::Group { .. });
            (filter.family == Inet::Any || !group && filter.family.takes(object.six))
                && (!filter.groups || group)
                && dev.is_none_or(|dev| iface == Some(dev))
                && master.is_none_or(|vrf| iface.is_some_and(|iface| self.is_in(iface, vrf)))
                && (filter.protocol == 0 || filter.protocol == object.protocol)
        };
        let found = objects.iter().filter(|(_, object)| fits(object));
        Ok(found.map(|(id, object)| self.view_of(id, object)).collect())
    }

    fn is_in(&self, iface: u16, vrf: u16) -> bool {
        self.router.ifaces().iter().any(|own| own.index == iface && own.vrf == vrf)
    }

    pub(super) fn nexthop_view(&self, id: u32) -> Option<NexthopView> {
        Some(self.view_of(id, self.router.objects().get(id)?))
    }

    pub(super) fn view_of(&self, id: u32, object: &Object) -> NexthopView {
        let mut view = NexthopView { id, protocol: object.protocol, ..NexthopView::default() };
        match &object.kind {
            ObjectKind::Blackhole => view.blackhole = true,
            ObjectKind::Via(hop) => {
                let iface = self.router.ifaces().iter().find(|iface| iface.index == hop.iface);
                view.via = hop.gateway;
                view.dev = iface.map(|iface| iface.name.clone());
                view.scope =
                    if view.via.is_some() || object.six { scope::LINK } else { scope::HOST };
                view.onlink = hop.onlink;
                view.dead = iface.is_some_and(|iface| !iface.serves());
                view.linkdown = iface.is_some_and(|iface| !iface.up || !iface.carrier);
            }
            ObjectKind::Group { members, resilient } => {
                view.group = members.clone();
                view.resilient = resilient.as_ref().map(|state| {
                    let ResilientSpec { buckets, idle_timer, unbalanced_timer } = state.spec;
                    let since = state.unbalanced_since.map(|since| self.now.saturating_sub(since));
                    let unbalanced_time = since.unwrap_or(0) / CENTI;
                    ResilientView { buckets, idle_timer, unbalanced_timer, unbalanced_time }
                });
            }
        }
        view
    }

    fn buckets_by(&self, filter: &BucketFilter) -> Result<Vec<BucketView>, Refused> {
        let dev = filter.dev.as_ref().map(|dev| self.device_of_nexthop(dev)).transpose()?;
        let master = filter.master.as_ref();
        let master =
            master.map(|name| self.master_of_filter(name, filter.master_is_vrf)).transpose()?;
        let objects = self.router.objects();
        if let Some(id) = filter.id {
            let ended = || Refused::new("Dump terminated");
            let object = objects.get(id).ok_or_else(ended)?;
            if resilient(object).is_none() {
                return Err(Refused::new(format!("{}\nDump terminated", not_resilient(object))));
            }
        }
        let leads = |nhid: u32| match objects.get(nhid).map(|object| &object.kind) {
            Some(ObjectKind::Via(hop)) => Some(hop.iface),
            _ => None,
        };
        let mut found = Vec::new();
        for (id, object) in objects.iter() {
            let Some(state) = resilient(object).filter(|_| filter.id.is_none_or(|own| own == id))
            else {
                continue;
            };
            found.extend(self.bucket_views(id, state).into_iter().filter(|bucket| {
                let iface = leads(bucket.nhid);
                filter.nhid.is_none_or(|nhid| nhid == bucket.nhid)
                    && dev.is_none_or(|dev| iface == Some(dev))
                    && master.is_none_or(|vrf| iface.is_some_and(|iface| self.is_in(iface, vrf)))
            }));
        }
        Ok(found)
    }

    fn bucket_views(&self, id: u32, state: &Resilient) -> Vec<BucketView> {
        let idle =
            |bucket| self.router.objects().idle_time(id, bucket, self.now, self.router.hops());
        let views = state.buckets.iter().zip(0..).map(|(nhid, index)| BucketView {
            id,
            index,
            idle_time: idle(u32::from(index)) / CENTI,
            nhid: *nhid,
        });
        views.collect()
    }

    // ---- VRFs ----

    pub(super) fn vrf(&self, command: &VrfCommand, options: &Options) -> Done {
        let VrfCommand::Show(name) = command;
        let views = self.router.ifaces().iter().filter_map(|iface| {
            Some(VrfView { name: iface.name.clone(), table: iface.vrf_table? })
        });
        match name {
            None => Ok(show::show_vrfs(&views.collect::<Vec<_>>(), options)),
            Some(name) => match views.into_iter().find(|view| view.name == *name) {
                Some(view) => Ok(format!("{} {}\n", view.name, view.table)),
                None => Err(Refused { message: "Invalid VRF".to_owned(), status: 255 }),
            },
        }
    }

    /// The index of a VRF.
    pub(super) fn vrf_index(&self, name: &str) -> Result<u16, Refused> {
        match self.router.iface(name) {
            Some(iface) if iface.vrf_table.is_some() => Ok(iface.index),
            _ => Err(Refused::argument(name, "Invalid VRF\n")),
        }
    }

    /// The table of a VRF.
    pub(super) fn vrf_table(&self, name: &str) -> Result<u32, Refused> {
        match self.router.iface(name).and_then(|iface| iface.vrf_table) {
            Some(table) => Ok(table),
            None => Err(Refused::argument(name, "Invalid VRF\n")),
        }
    }

    /// That the master that `ip link` or `ip addr` names is there.
    pub(super) fn check_master(&self, master: Option<&Master>) -> Result<(), Refused> {
        match master {
            Some(Master::Device(name)) if self.router.iface(name).is_none() => {
                Err(Refused::argument(name, "Device does not exist\n"))
            }
            Some(Master::Vrf(name)) if self.vrf_index(name).is_err() => {
                Err(Refused::argument(name, "Not a valid VRF name\n"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn add_vrf(&mut self, name: &str, table: u32, change: &LinkChange) -> Done {
        self.router.add_vrf(name, table).map_err(Refused::new)?;
        self.change_link(name, change)
    }

    pub(super) fn set_master(&mut self, dev: &str, master: &Master) -> Result<(), Refused> {
        self.check_master(Some(master))?;
        let name = match master {
            Master::None => None,
            Master::Device(name) | Master::Vrf(name) => {
                let vrf = self.router.iface(name).and_then(|iface| iface.vrf_table);
                vrf.ok_or_else(Refused::unsupported)?;
                Some(name.as_str())
            }
        };
        self.router.set_master(dev, name).map_err(Refused::new)
    }
}

fn no_entry() -> Refused {
    Refused::new("RTNETLINK answers: No such file or directory")
}

fn resilient(object: &Object) -> Option<&Resilient> {
    match &object.kind {
        ObjectKind::Group { resilient, .. } => resilient.as_ref(),
        _ => None,
    }
}

/// What the kernel says of an object that has no buckets.
fn not_resilient(object: &Object) -> &'static str {
    match object.kind {
        ObjectKind::Group { .. } => "Error: Nexthop group not of type resilient.",
        _ => "Error: Not a nexthop group.",
    }
}
