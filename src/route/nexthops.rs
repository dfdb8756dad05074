//! Next-hop objects: next hops with a number of their own that routes refer to, and groups of them.
//!
//! A route through an object leads to one hop of kind group; giving the object another next hop
//! rewrites that hop's buckets, and no route is touched. The buckets of a resilient group stay with
//! their next hops when another one goes, and move to a new one only when no flow has used them for
//! a while.
//!
//! - obeys: `ip-nexthop(8)`; errors in the words of the kernel; RFC 2992 for groups by weight

use std::{borrow::Cow, collections::BTreeMap};

use thiserror::Error;

use super::{
    control::{Links, RouteError, Verb, via_hop},
    hops::{HopSpec, Hops, HopsFull},
    rib::{Nexthop, RouteInfo},
    spec::{NextHopSpec, NexthopKind, NexthopSpec, ResilientSpec},
    table::HopKind,
};

/// A change of a next-hop object that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NexthopError {
    /// There is one of this number.
    #[error("RTNETLINK answers: File exists")]
    Exists,
    /// There is none of this number.
    #[error("RTNETLINK answers: No such file or directory")]
    NotFound,
    /// A member of a group is not there.
    #[error("Error: Invalid nexthop id.")]
    NoMember,
    /// A member of a group is a group itself.
    #[error("Error: Hash-threshold group can not be a nexthop within a group.")]
    Nested,
    /// A member of a group is a resilient group.
    #[error("Error: Resilient group can not be a nexthop within a group.")]
    NestedResilient,
    /// A blackhole beside other members.
    #[error("Error: Blackhole nexthop can not be used in a group with more than 1 path.")]
    BlackholeMember,
    /// A group in the place of a next hop.
    #[error("Error: Can not replace a nexthop with a nexthop group.")]
    GroupForHop,
    /// A next hop in the place of a group.
    #[error("Error: Can not replace a nexthop group with a nexthop.")]
    HopForGroup,
    /// A resilient group in the place of a plain one, or the other way.
    #[error("Error: Can not replace a nexthop group with one of a different type.")]
    GroupType,
    /// The number of buckets cannot change.
    #[error("Error: Can not change number of buckets of a resilient nexthop group.")]
    BucketCount,
    /// Neither a device nor a gateway.
    #[error("Error: Device attribute required for non-blackhole and non-fdb nexthops.")]
    Incomplete,
    /// One that routes of IPv6 could not lead through, which lead through it.
    #[error(transparent)]
    OfFour(RouteError),
    /// The next hop cannot be as stated.
    #[error("{0}")]
    Route(String),
    /// The hop table is full.
    #[error(transparent)]
    Hops(#[from] HopsFull),
}

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// Drops what comes.
    Blackhole,
    /// One next hop.
    Via(Nexthop),
    /// Several, by their numbers and weights.
    Group {
        /// Members.
        members: Vec<(u32, u16)>,
        /// The buckets of a resilient group.
        resilient: Option<Resilient>,
    },
}

/// State of a resilient group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resilient {
    /// As stated; times in hundredths of a second.
    pub spec: ResilientSpec,
    /// Member that each bucket belongs to.
    pub buckets: Vec<u32>,
    /// Since when some member has more or fewer buckets than its weight says (ns).
    pub unbalanced_since: Option<u64>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Who made it.
    pub protocol: u8,
    /// Of IPv6; a group is of its members' families.
    pub six: bool,
    /// What it is.
    pub kind: ObjectKind,
    /// The hops that routes of IPv4 and of IPv6 lead to.
    hops: [u32; 2],
    /// The hops that a single next hop leads to, in the same order.
    leaves: [u32; 2],
}

/// All objects, by number.
#[derive(Clone, Default)]
pub struct Nexthops {
    all: BTreeMap<u32, Object>,
    /// Bytes that mark when buckets were used are read at most once in this time.
    next_look: u64,
}

/// How often the use of buckets is looked at while a group is out of balance (ns).
const LOOK: u64 = 100_000_000;
/// A hundredth of a second in nanoseconds.
const CENTI: u64 = 10_000_000;

/// Finds the interface of a next hop.
pub type Resolve<'a> = dyn Fn(&NextHopSpec) -> Result<Nexthop, NexthopError> + 'a;

/// What surrounds an object that is changed.
pub struct Around<'a> {
    /// The router's time.
    pub now: u64,
    /// Finds the interface of its next hop.
    pub resolve: &'a Resolve<'a>,
    /// Whether routes of IPv6 lead through it.
    pub serves_six: bool,
}

impl Nexthops {
    /// All objects, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Object)> {
        self.all.iter().map(|(id, object)| (*id, object))
    }

    /// The object of a number.
    pub fn get(&self, id: u32) -> Option<&Object> {
        self.all.get(&id)
    }

    /// True when there is an object of this number.
    pub fn contains(&self, id: u32) -> bool {
        self.all.contains_key(&id)
    }

    /// The hop that routes of a family through an object lead to.
    pub fn hop(&self, id: u32, six: bool) -> Option<u32> {
        self.all.get(&id).map(|object| object.hops[usize::from(six)])
    }

    /// The next hops of a route, those of its object when it has one.
    pub fn of<'a>(&self, info: &'a RouteInfo) -> Cow<'a, [Nexthop]> {
        match info.nhid {
            0 => Cow::Borrowed(&info.nexthops),
            id => Cow::Owned(self.nexthops(id)),
        }
    }

    /// Next hops of an object, those of its members for a group.
    pub fn nexthops(&self, id: u32) -> Vec<Nexthop> {
        match self.all.get(&id).map(|object| &object.kind) {
            None | Some(ObjectKind::Blackhole) => Vec::new(),
            Some(ObjectKind::Via(hop)) => vec![hop.clone()],
            Some(ObjectKind::Group { members, .. }) => members
                .iter()
                .filter_map(|(id, weight)| match &self.all.get(id)?.kind {
                    ObjectKind::Via(hop) => Some(Nexthop { weight: *weight, ..hop.clone() }),
                    _ => None,
                })
                .collect(),
        }
    }

    /// True for an object that drops what comes.
    pub fn is_blackhole(&self, id: u32) -> bool {
        match self.all.get(&id).map(|object| &object.kind) {
            Some(ObjectKind::Blackhole) => true,
            Some(ObjectKind::Group { members, .. }) => {
                members.iter().any(|(id, _)| self.is_blackhole(*id))
            }
            _ => false,
        }
    }

    /// True for a group.
    pub fn is_group(&self, id: u32) -> bool {
        matches!(self.get(id), Some(Object { kind: ObjectKind::Group { .. }, .. }))
    }

    /// Whether routes of IPv6 may lead through an object (`fib6_check_nexthop`).
    ///
    /// # Errors
    /// When it is of IPv4, or one of its members is.
    pub fn check_six(&self, id: u32) -> Result<(), RouteError> {
        match self.get(id) {
            Some(object) => self.check_kind_six(&object.kind, object.six),
            None => Ok(()),
        }
    }

    fn check_kind_six(&self, kind: &ObjectKind, six: bool) -> Result<(), RouteError> {
        let fits = match kind {
            ObjectKind::Group { members, .. } => {
                let of_six = |id: u32| self.get(id).is_none_or(|member| member.six);
                members.iter().all(|(id, _)| of_six(*id))
            }
            _ => six,
        };
        if fits { Ok(()) } else { Err(RouteError::ObjectOfFour) }
    }

    /// Adds an object, or puts another in the place of one.
    ///
    /// # Errors
    /// When it cannot be as stated, is there, or is not; nothing has changed then.
    pub fn set(
        &mut self,
        verb: Verb,
        spec: &NexthopSpec,
        around: &Around<'_>,
        links: &dyn Links,
        hops: &mut Hops,
    ) -> Result<u32, NexthopError> {
        let now = around.now;
        let id = match spec.id {
            0 => (1..).find(|id| !self.contains(*id)).unwrap_or(1),
            id => id,
        };
        let old = self.all.get(&id);
        match (verb, old) {
            (Verb::Add, Some(_)) => return Err(NexthopError::Exists),
            (Verb::Change, None) => return Err(NexthopError::NotFound),
            _ => {}
        }
        let kind = self.kind_of(spec, old.map(|old| &old.kind), around.resolve)?;
        if around.serves_six {
            self.check_kind_six(&kind, spec.six).map_err(NexthopError::OfFour)?;
        }
        let leaves = match &kind {
            ObjectKind::Blackhole => both(hops, links, |_| HopSpec::Plain(HopKind::Blackhole))?,
            ObjectKind::Via(hop) => both(hops, links, |six| via_hop(hop, six, None))?,
            ObjectKind::Group { .. } => [0; 2],
        };
        let fresh = old.is_none();
        let heads = match old {
            Some(old) => old.hops,
            None => match both(hops, links, |six| HopSpec::Object(id, six)) {
                Ok(heads) => heads,
                Err(full) => {
                    release(hops, leaves);
                    return Err(full.into());
                }
            },
        };
        // The kernel keeps the origin of a group whatever takes its place.
        let protocol = match (&kind, old) {
            (ObjectKind::Group { .. }, Some(old)) => old.protocol,
            _ => spec.protocol,
        };
        let object = Object { protocol, six: spec.six, kind, hops: heads, leaves };
        let before = self.all.insert(id, object);
        let done = self.rewrite(id, now, links, hops);
        let gone = match (&done, before) {
            (Ok(()), before) => before.map_or([0; 2], |before| before.leaves),
            (Err(_), Some(before)) => {
                self.all.insert(id, before);
                leaves
            }
            (Err(_), None) => {
                self.all.remove(&id);
                leaves
            }
        };
        release(hops, gone);
        if done.is_err() && fresh {
            release(hops, heads);
        }
        done?;
        for group in self.groups_with(id) {
            self.rewrite(group, now, links, hops)?;
        }
        Ok(id)
    }

    fn kind_of(
        &self,
        spec: &NexthopSpec,
        old: Option<&ObjectKind>,
        resolve: &Resolve<'_>,
    ) -> Result<ObjectKind, NexthopError> {
        let was_group = old.map(|old| matches!(old, ObjectKind::Group { .. }));
        match (&spec.kind, was_group) {
            (NexthopKind::Group { .. }, Some(false)) => return Err(NexthopError::GroupForHop),
            (NexthopKind::Blackhole | NexthopKind::Via { .. }, Some(true)) => {
                return Err(NexthopError::HopForGroup);
            }
            _ => {}
        }
        Ok(match &spec.kind {
            NexthopKind::Blackhole => ObjectKind::Blackhole,
            NexthopKind::Via { dev: None, .. } => return Err(NexthopError::Incomplete),
            NexthopKind::Via { via, dev, onlink } => {
                let stated =
                    NextHopSpec { via: *via, dev: dev.clone(), weight: 1, onlink: *onlink };
                ObjectKind::Via(resolve(&stated)?)
            }
            NexthopKind::Group { members, resilient } => {
                for (id, _) in members {
                    match self.all.get(id).map(|member| &member.kind) {
                        None => return Err(NexthopError::NoMember),
                        Some(ObjectKind::Group { resilient: None, .. }) => {
                            return Err(NexthopError::Nested);
                        }
                        Some(ObjectKind::Group { .. }) => {
                            return Err(NexthopError::NestedResilient);
                        }
                        Some(ObjectKind::Blackhole) if members.len() > 1 => {
                            return Err(NexthopError::BlackholeMember);
                        }
                        Some(_) => {}
                    }
                }
                let resilient = match (old, resilient) {
                    (Some(ObjectKind::Group { resilient: Some(was), .. }), Some(spec)) => {
                        if was.spec.buckets != spec.buckets {
                            return Err(NexthopError::BucketCount);
                        }
                        Some(Resilient { spec: *spec, ..was.clone() })
                    }
                    (Some(ObjectKind::Group { resilient: was, .. }), spec)
                        if was.is_some() != spec.is_some() =>
                    {
                        return Err(NexthopError::GroupType);
                    }
                    (_, Some(spec)) => Some(Resilient {
                        spec: *spec,
                        buckets: vec![0; usize::from(spec.buckets)],
                        unbalanced_since: None,
                    }),
                    (_, None) => None,
                };
                ObjectKind::Group { members: members.clone(), resilient }
            }
        })
    }

    /// The groups that an object is in.
    pub fn groups_with(&self, member: u32) -> Vec<u32> {
        let has = |object: &Object| match &object.kind {
            ObjectKind::Group { members, .. } => members.iter().any(|(id, _)| *id == member),
            _ => false,
        };
        self.all.iter().filter(|(_, object)| has(object)).map(|(id, _)| *id).collect()
    }

    fn leaf(&self, id: u32, family: usize) -> u32 {
        self.all.get(&id).map_or(0, |object| object.leaves[family])
    }

    /// Writes the hop of an object anew.
    fn rewrite(
        &mut self,
        id: u32,
        now: u64,
        links: &dyn Links,
        hops: &mut Hops,
    ) -> Result<(), HopsFull> {
        let Some(object) = self.all.get(&id) else { return Ok(()) };
        let heads = object.hops;
        match object.kind.clone() {
            ObjectKind::Blackhole | ObjectKind::Via(_) => {
                let leaves = object.leaves;
                heads
                    .into_iter()
                    .zip(leaves)
                    .try_for_each(|(head, leaf)| hops.set_members(head, vec![(leaf, 1)], links))
            }
            ObjectKind::Group { members, resilient: None } => {
                heads.into_iter().enumerate().try_for_each(|(family, head)| {
                    let each = members.iter().map(|(id, weight)| (self.leaf(*id, family), *weight));
                    hops.set_members(head, each.collect(), links)
                })
            }
            ObjectKind::Group { members, resilient: Some(mut resilient) } => {
                let idle = |bucket: usize| {
                    let used = last_use(hops, heads, bucket as u32);
                    idle_for(used, now) >= u64::from(resilient.spec.idle_timer) * CENTI
                };
                let busy: Vec<bool> =
                    (0..resilient.buckets.len()).map(|bucket| !idle(bucket)).collect();
                let over = balance(&mut resilient.buckets, &members, |bucket| !busy[bucket]);
                resilient.unbalanced_since =
                    over.then(|| resilient.unbalanced_since.unwrap_or(now));
                for (family, head) in heads.into_iter().enumerate() {
                    let leaf = |id: u32| self.leaf(id, family);
                    let each: Vec<u32> = resilient.buckets.iter().map(|id| leaf(*id)).collect();
                    let list = members.iter().map(|(id, weight)| (leaf(*id), *weight)).collect();
                    hops.set_buckets(head, list, &each)?;
                    hops.note_use(head);
                }
                if let Some(object) = self.all.get_mut(&id) {
                    object.kind = ObjectKind::Group { members, resilient: Some(resilient) };
                }
                Ok(())
            }
        }
    }

    /// Takes an object away. Gives what routes must no longer use: numbers and hops.
    ///
    /// # Errors
    /// When there is none of this number.
    pub fn delete(
        &mut self,
        id: u32,
        now: u64,
        links: &dyn Links,
        hops: &mut Hops,
    ) -> Result<Vec<(u32, [u32; 2])>, NexthopError> {
        if !self.contains(id) {
            return Err(NexthopError::NotFound);
        }
        let mut gone = Vec::new();
        for group in self.groups_with(id) {
            let mut empty = false;
            if let Some(Object { kind: ObjectKind::Group { members, .. }, .. }) =
                self.all.get_mut(&group)
            {
                members.retain(|(member, _)| *member != id);
                empty = members.is_empty();
            }
            if empty {
                if let Some(group_object) = self.all.remove(&group) {
                    gone.push((group, group_object.hops));
                }
            } else {
                self.rewrite(group, now, links, hops)?;
            }
        }
        if let Some(object) = self.all.remove(&id) {
            gone.push((id, object.hops));
            release(hops, object.leaves);
        }
        Ok(gone)
    }

    /// Nanoseconds since a packet used a bucket of a resilient group; since the router's start for
    /// one that was never used.
    pub fn idle_time(&self, id: u32, bucket: u32, now: u64, hops: &Hops) -> u64 {
        let used = self.all.get(&id).map_or(0, |object| last_use(hops, object.hops, bucket));
        now.saturating_sub(u64::from(used) * LOOK)
    }

    /// Objects that cannot be without an interface.
    pub fn by_iface(&self, iface: u16) -> Vec<u32> {
        let by = |object: &Object| match &object.kind {
            ObjectKind::Via(hop) => hop.iface == iface,
            _ => false,
        };
        self.all.iter().filter(|(_, object)| by(object)).map(|(id, _)| *id).collect()
    }

    /// An interface came or went: plain groups share their flows anew.
    pub fn heal(&mut self, iface: u16, links: &dyn Links, hops: &mut Hops) {
        let mut groups: Vec<u32> =
            self.by_iface(iface).into_iter().flat_map(|id| self.groups_with(id)).collect();
        groups.sort_unstable();
        groups.dedup();
        for id in groups {
            if let Some(Object { kind: ObjectKind::Group { resilient: None, .. }, .. }) =
                self.all.get(&id)
            {
                // Without room for new buckets the old ones stay.
                let _ = self.rewrite(id, 0, links, hops);
            }
        }
    }

    /// Moves buckets of resilient groups that are out of balance, once no flow uses them or the
    /// time for waiting is over.
    pub fn poll(&mut self, now: u64, hops: &mut Hops) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK;
        let ids: Vec<u32> = self.all.keys().copied().collect();
        for id in ids {
            let Some(Object { kind, hops: heads, .. }) = self.all.get(&id) else { continue };
            let ObjectKind::Group { members, resilient: Some(resilient) } = kind else { continue };
            let Some(since) = resilient.unbalanced_since else { continue };
            let (heads, members) = (*heads, members.clone());
            let spec = resilient.spec;
            let forced = spec.unbalanced_timer != 0
                && now.saturating_sub(since) >= u64::from(spec.unbalanced_timer) * CENTI;
            let may_move = |bucket: usize| {
                let used = last_use(hops, heads, bucket as u32);
                forced || idle_for(used, now) >= u64::from(spec.idle_timer) * CENTI
            };
            let mut buckets = resilient.buckets.clone();
            let over = balance(&mut buckets, &members, may_move);
            for (bucket, (old, new)) in resilient.buckets.iter().zip(&buckets).enumerate() {
                if old != new {
                    for (family, head) in heads.into_iter().enumerate() {
                        hops.move_bucket(head, bucket as u32, self.leaf(*new, family));
                    }
                }
            }
            if let Some(Object {
                kind: ObjectKind::Group { resilient: Some(resilient), .. }, ..
            }) = self.all.get_mut(&id)
            {
                resilient.buckets = buckets;
                resilient.unbalanced_since = over.then_some(since);
            }
        }
    }

    /// When [`Nexthops::poll`] has something to do.
    pub fn next_deadline(&self) -> Option<u64> {
        let waits = |object: &Object| {
            matches!(&object.kind, ObjectKind::Group { resilient: Some(resilient), .. }
                if resilient.unbalanced_since.is_some())
        };
        self.all.values().any(waits).then_some(self.next_look)
    }
}

/// A hop for each family; both or none.
fn both(
    hops: &mut Hops,
    links: &dyn Links,
    spec: impl Fn(bool) -> HopSpec,
) -> Result<[u32; 2], HopsFull> {
    let four = hops.acquire(spec(false), links)?;
    match hops.acquire(spec(true), links) {
        Ok(six) => Ok([four, six]),
        Err(full) => {
            hops.release(four);
            Err(full)
        }
    }
}

/// Gives the hops of both families back.
pub fn release(hops: &mut Hops, both: [u32; 2]) {
    both.into_iter().filter(|hop| *hop != 0).for_each(|hop| hops.release(hop));
}

/// When a bucket of a resilient group was last used by a packet of either family.
fn last_use(hops: &Hops, heads: [u32; 2], bucket: u32) -> u32 {
    let used = |head| hops.first_bucket(head).map_or(0, |first| hops.table().used(first + bucket));
    heads.into_iter().map(used).max().unwrap_or(0)
}

/// How long ago a bucket was used, by its mark in tenths of a second.
fn idle_for(mark: u32, now: u64) -> u64 {
    if mark == 0 { u64::MAX } else { now.saturating_sub(u64::from(mark) * LOOK) }
}

/// Gives each member as many buckets as its weight says: buckets of nobody first, then those that
/// `may_move` away from members with too many. True when some still have too many.
fn balance(buckets: &mut [u32], members: &[(u32, u16)], may_move: impl Fn(usize) -> bool) -> bool {
    let total: u64 = members.iter().map(|(_, weight)| u64::from((*weight).max(1))).sum();
    let (mut sum, mut before) = (0, 0);
    let mut wants: BTreeMap<u32, i64> = BTreeMap::new();
    for (id, weight) in members {
        sum += u64::from((*weight).max(1));
        let end = (sum * buckets.len() as u64).div_ceil(total.max(1)) as i64;
        *wants.entry(*id).or_default() += end - before;
        before = end;
    }
    for owner in buckets.iter() {
        if let Some(wants) = wants.get_mut(owner) {
            *wants -= 1;
        }
    }
    for (number, owner) in buckets.iter_mut().enumerate() {
        let orphan = !members.iter().any(|(id, _)| id == owner);
        let over = wants.get(owner).is_some_and(|wants| *wants < 0);
        if orphan || over && may_move(number) {
            let under = members.iter().find(|(id, _)| wants.get(id).is_some_and(|want| *want > 0));
            let Some((taker, _)) = under else { continue };
            *wants.entry(*taker).or_default() -= 1;
            if let Some(wants) = wants.get_mut(owner).filter(|_| over) {
                *wants += 1;
            }
            *owner = *taker;
        }
    }
    wants.values().any(|want| *want < 0)
}

impl From<RouteError> for NexthopError {
    fn from(error: RouteError) -> Self {
        Self::Route(error.to_string())
    }
}

#[cfg(test)]
mod tests;
