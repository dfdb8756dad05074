//! The management core's side of the hop table: which hops exist, who uses them, when one is free.
//!
//! Equal requests share one hop, as routes share a `fib_info` in the kernel [5.25 to 5.28]. A hop
//! that nobody uses is retired and reused only when no worker can hold its index.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use thiserror::Error;

use super::{
    table::{Attrs, HopKind, HopOut, HopTable},
    trie::TrieId,
};
use crate::{
    packet::MacAddr,
    publish::{Epoch, Retired},
};

/// What a hop is asked to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HopSpec {
    /// A kind that needs nothing else.
    Plain(HopKind),
    /// By an interface, to a gateway or to whoever the destination is.
    Via {
        /// Interface.
        iface: u16,
        /// Packets by it are of IPv6.
        six: bool,
        /// Gateway, of either family; `None` for destinations on the link.
        gateway: Option<IpAddr>,
        /// MTU of the route, when it has one of its own.
        mtu: Option<u16>,
        /// Preferred source; `None` to choose by the interface.
        prefsrc: Option<IpAddr>,
        /// Metrics for the router's own packets.
        attrs: Attrs,
    },
    /// To this router, and out of it to all stations of the interface's link.
    Broadcast {
        /// Interface.
        iface: u16,
        /// Preferred source; `None` to choose by the interface.
        prefsrc: Option<IpAddr>,
    },
    /// One of several, with weights from 1.
    Group(Vec<(u32, u16)>),
    /// The hop for each DSCP; 64 of them.
    Choice(Box<[u32]>),
    /// A next-hop object for a family (IPv6 when true): members come and go, see [`Hops::set_members`].
    Object(u32, bool),
    /// The hop for each source, by a table of sources.
    Sources(TrieId),
}

/// What a hop needs to know of the interface it leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressFacts {
    /// DPDK port.
    pub port: u16,
    /// MTU of the interface.
    pub mtu: u16,
    /// The same for IPv6.
    pub mtu6: u16,
    /// Its link-layer address.
    pub mac: MacAddr,
    /// VLAN id of a sub-interface.
    pub vlan: Option<u16>,
    /// Flows may take this interface: it is up, and its link too where that counts.
    pub usable: bool,
    /// It is a VRF: packets go on by the routes of its table.
    pub vrf: bool,
}

/// What a hop needs to know of interfaces and neighbours.
pub trait Egress {
    /// An interface.
    fn egress(&self, iface: u16) -> Option<EgressFacts>;
    /// Where a neighbour is, if that is known, and whether that is in doubt.
    fn neighbour(&self, iface: u16, address: IpAddr) -> Option<(MacAddr, bool)>;
}

/// No hop or bucket is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("all {limit} forwarding entries are in use; raise `limits.nexthops`")]
pub struct HopsFull {
    /// The configured limit.
    pub limit: u32,
}

/// What must happen at the interface and neighbour side after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A hop by an interface came into being.
    Added(u32, HopSpec),
    /// A hop is no longer used.
    Removed(u32, HopSpec),
}

struct Record {
    spec: HopSpec,
    users: u32,
    /// First bucket, and how many with the list of members.
    buckets: Option<(u32, u32)>,
    /// Members of an object.
    members: Vec<(u32, u16)>,
}

/// A hop and buckets that no worker may find any more.
type Gone = (Option<u32>, Option<(u32, u32)>);

/// Buckets that were written for a group: `count` from `first`, and a list of its members behind.
#[derive(Clone, Copy, Default)]
struct Laid {
    first: u32,
    count: u32,
    members: u32,
}

impl Laid {
    /// As it is taken and given back.
    const fn room(self) -> (u32, u32) {
        (self.first, (self.count + self.members).next_power_of_two())
    }
}

impl HopSpec {
    /// Hops that this one leads to.
    fn members(&self) -> Vec<u32> {
        match self {
            Self::Group(members) => members.iter().map(|(member, _)| *member).collect(),
            Self::Choice(hops) => hops.to_vec(),
            _ => Vec::new(),
        }
    }
}

/// The hops in use.
pub struct Hops {
    table: Arc<HopTable>,
    limit: u32,
    next: u32,
    free: Vec<u32>,
    records: HashMap<u32, Record>,
    by_spec: HashMap<HopSpec, u32>,
    next_bucket: u32,
    free_buckets: HashMap<u32, Vec<u32>>,
    unlinked: Vec<Gone>,
    retired: Retired<Gone>,
    changes: Vec<Change>,
}

/// Most buckets of one group, its members left out.
const MAX_BUCKETS: u32 = 1000;

impl Hops {
    /// Keeps up to `limit` hops.
    pub fn new(limit: u32) -> Self {
        let table = Arc::new(HopTable::new(limit, limit.max(4096) * 2));
        Self {
            table,
            limit,
            // Index 0 stands for no route.
            next: 1,
            free: Vec::new(),
            records: HashMap::new(),
            by_spec: HashMap::new(),
            next_bucket: 0,
            free_buckets: HashMap::new(),
            unlinked: Vec::new(),
            retired: Retired::default(),
            changes: Vec::new(),
        }
    }

    /// The table that workers read.
    pub fn table(&self) -> &Arc<HopTable> {
        &self.table
    }

    /// Hops in use.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True when no hop is in use.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What a hop was asked to be.
    pub fn spec(&self, index: u32) -> Option<&HopSpec> {
        self.records.get(&index).map(|record| &record.spec)
    }

    /// Takes a hop that is as `spec` says, an existing one where there is one.
    ///
    /// # Errors
    /// When all hops are in use; nothing has changed then.
    pub fn acquire(
        &mut self,
        spec: HopSpec,
        links: &(impl Egress + ?Sized),
    ) -> Result<u32, HopsFull> {
        if let Some(&index) = self.by_spec.get(&spec)
            && let Some(record) = self.records.get_mut(&index)
        {
            record.users += 1;
            return Ok(index);
        }
        let full = HopsFull { limit: self.limit };
        let laid = match &spec {
            HopSpec::Group(members) => Some(self.lay_out(members, links).ok_or(full)?),
            HopSpec::Choice(hops) => Some(self.lay_flat(hops).ok_or(full)?),
            _ => None,
        };
        let buckets = laid.map(Laid::room);
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.next < self.limit => {
                self.next += 1;
                self.next - 1
            }
            None => {
                if let Some((first, count)) = buckets {
                    self.free_buckets.entry(count).or_default().push(first);
                }
                return Err(full);
            }
        };
        match &spec {
            HopSpec::Plain(kind) => {
                let out = HopOut { kind: *kind, ..HopOut::default() };
                self.table.write(index, out, None, None);
            }
            HopSpec::Sources(trie) => {
                self.table.set_group(index, 0, trie.number(), 0);
                let out = HopOut { kind: HopKind::Sources, ..HopOut::default() };
                self.table.write(index, out, None, None);
            }
            HopSpec::Broadcast { .. } => self.fill(index, &spec, links),
            HopSpec::Via { .. } => {
                self.fill(index, &spec, links);
                self.changes.push(Change::Added(index, spec.clone()));
            }
            HopSpec::Group(_) | HopSpec::Choice(_) | HopSpec::Object(..) => {
                for member in spec.members() {
                    if let Some(record) = self.records.get_mut(&member) {
                        record.users += 1;
                    }
                }
                let Laid { first, count, members } = laid.unwrap_or_default();
                self.table.set_group(index, first, count, members);
                let kind = match spec {
                    HopSpec::Choice(_) => HopKind::Choice,
                    _ => HopKind::Group,
                };
                let out = HopOut { kind, ..HopOut::default() };
                self.table.write(index, out, None, None);
            }
        }
        self.by_spec.insert(spec.clone(), index);
        self.records.insert(index, Record { spec, users: 1, buckets, members: Vec::new() });
        Ok(index)
    }

    /// Takes one more share in a hop that is in use.
    pub fn share(&mut self, index: u32) {
        if let Some(record) = self.records.get_mut(&index) {
            record.users += 1;
        }
    }

    /// Gives a next-hop object other members, for all routes through it in one step. The object
    /// takes shares of its own in them.
    ///
    /// # Errors
    /// When no buckets are left; nothing has changed then.
    pub fn set_members(
        &mut self,
        index: u32,
        members: Vec<(u32, u16)>,
        links: &(impl Egress + ?Sized),
    ) -> Result<(), HopsFull> {
        let full = HopsFull { limit: self.limit };
        let laid = self.lay_out(&members, links).ok_or(full)?;
        for (member, _) in &members {
            self.share(*member);
        }
        self.put(index, laid);
        let Some(record) = self.records.get_mut(&index) else { return Ok(()) };
        for (member, _) in std::mem::replace(&mut record.members, members) {
            self.release(member);
        }
        Ok(())
    }

    /// Gives a next-hop object buckets that the caller has chosen, one by one (resilient groups).
    ///
    /// # Errors
    /// When no buckets are left; nothing has changed then.
    pub fn set_buckets(
        &mut self,
        index: u32,
        members: Vec<(u32, u16)>,
        buckets: &[u32],
    ) -> Result<(), HopsFull> {
        let full = HopsFull { limit: self.limit };
        let each: Vec<u32> = members.iter().map(|(member, _)| *member).collect();
        let laid = self.lay(buckets, &each).ok_or(full)?;
        for member in &each {
            self.share(*member);
        }
        self.put(index, laid);
        let Some(record) = self.records.get_mut(&index) else { return Ok(()) };
        for (member, _) in std::mem::replace(&mut record.members, members) {
            self.release(member);
        }
        Ok(())
    }

    /// Has the use of a group's buckets noted from now on.
    pub fn note_use(&self, index: u32) {
        let out = HopOut { kind: HopKind::Group, resilient: true, ..HopOut::default() };
        self.table.set_out(index, out);
    }

    /// Moves one bucket of a resilient group to another member.
    pub fn move_bucket(&self, index: u32, bucket: u32, member: u32) {
        if let Some((first, _)) = self.records.get(&index).and_then(|record| record.buckets) {
            self.table.set_bucket(first + bucket, member);
        }
    }

    /// First bucket of a group, counted over all groups.
    pub fn first_bucket(&self, index: u32) -> Option<u32> {
        self.records.get(&index)?.buckets.map(|(first, _)| first)
    }

    /// Points a group at buckets that are complete, and gives up those it had.
    fn put(&mut self, index: u32, laid: Laid) {
        self.table.set_group(index, laid.first, laid.count, laid.members);
        let Some(record) = self.records.get_mut(&index) else { return };
        if let Some(old) = record.buckets.replace(laid.room()) {
            self.unlinked.push((None, Some(old)));
        }
    }

    /// Shares the flows of groups anew that have a member by this interface: it came or went.
    pub fn heal(&mut self, iface: u16, links: &(impl Egress + ?Sized)) {
        let by = |member: &u32| match self.records.get(member).map(|record| &record.spec) {
            Some(HopSpec::Via { iface: own, .. }) => *own == iface,
            _ => false,
        };
        let ill: Vec<(u32, Vec<(u32, u16)>)> = self
            .records
            .iter()
            .filter_map(|(index, record)| match &record.spec {
                HopSpec::Group(members) => Some((*index, members.clone())),
                _ => None,
            })
            .filter(|(_, members)| members.iter().any(|(member, _)| by(member)))
            .collect();
        for (index, members) in ill {
            if let Some(laid) = self.lay_out(&members, links) {
                self.put(index, laid);
            }
        }
    }

    /// Gives a hop back. Its place is free again once [`Hops::retire`] and the workers allow it.
    pub fn release(&mut self, index: u32) {
        let Some(record) = self.records.get_mut(&index) else {
            return;
        };
        record.users -= 1;
        if record.users > 0 {
            return;
        }
        let Some(record) = self.records.remove(&index) else {
            return;
        };
        self.by_spec.remove(&record.spec);
        self.unlinked.push((Some(index), record.buckets));
        for member in record.spec.members() {
            self.release(member);
        }
        for (member, _) in &record.members {
            self.release(*member);
        }
        self.changes.push(Change::Removed(index, record.spec));
    }

    /// Writes a hop by an interface, complete before anybody is led to it.
    fn fill(&self, index: u32, spec: &HopSpec, links: &(impl Egress + ?Sized)) {
        let (iface, gateway, mtu, prefsrc, six, to_all) = match spec {
            HopSpec::Via { iface, six, gateway, mtu, prefsrc, attrs } => {
                self.table.set_attrs(index, *attrs);
                (iface, *gateway, *mtu, *prefsrc, *six, false)
            }
            HopSpec::Broadcast { iface, prefsrc } => (iface, None, None, *prefsrc, false, true),
            _ => return,
        };
        let kind = match (to_all, gateway) {
            (true, _) => HopKind::Broadcast,
            (false, Some(_)) => HopKind::Neighbour,
            (false, None) => HopKind::Link,
        };
        let Some(facts) = links.egress(*iface) else {
            let kind = if to_all { kind } else { HopKind::NoRoute };
            self.table.set_out(index, HopOut { kind, ..HopOut::default() });
            return;
        };
        if facts.vrf {
            let out = HopOut { kind: HopKind::Vrf, iface: *iface, ..HopOut::default() };
            self.table.write(index, out, None, prefsrc);
            return;
        }
        let mac = match kind {
            HopKind::Broadcast => Some((MacAddr::new([0xff; 6]), false)),
            _ => gateway.and_then(|gateway| links.neighbour(*iface, gateway)),
        };
        if let Some((mac, _)) = mac {
            self.table.set_header(index, mac.octets(), facts.mac.octets(), facts.vlan, six);
        }
        let link_mtu = if six { facts.mtu6 } else { facts.mtu };
        let out = HopOut {
            kind,
            resolved: mac.is_some(),
            tagged: facts.vlan.is_some(),
            resilient: false,
            suspect: mac.is_some_and(|(_, suspect)| suspect),
            port: facts.port,
            iface: *iface,
            mtu: mtu.map_or(link_mtu, |mtu| mtu.min(link_mtu)),
        };
        self.table.write(index, out, gateway, prefsrc);
    }

    /// Writes a hop anew after its interface or neighbour has changed.
    pub fn refresh(&self, index: u32, links: &(impl Egress + ?Sized)) {
        if let Some(record) = self.records.get(&index) {
            self.fill(index, &record.spec, links);
        }
    }

    /// Hops that leave by an interface.
    pub fn by_iface(&self, wanted: u16) -> Vec<u32> {
        let by = |record: &Record| match record.spec {
            HopSpec::Via { iface, .. } | HopSpec::Broadcast { iface, .. } => iface == wanted,
            _ => false,
        };
        self.records.iter().filter(|(_, record)| by(record)).map(|(index, _)| *index).collect()
    }

    /// What has changed since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// True when released hops wait for an epoch.
    pub fn has_unlinked(&self) -> bool {
        !self.unlinked.is_empty()
    }

    /// Tags what was released with an epoch that began after it was unlinked.
    pub fn retire(&mut self, epoch: Epoch) {
        for place in self.unlinked.drain(..) {
            self.retired.push(epoch, place);
        }
    }

    /// Makes the places free that no worker can hold.
    pub fn reclaim(&mut self, safe: Epoch) {
        while let Some((index, buckets)) = self.retired.pop(safe) {
            self.free.extend(index);
            if let Some((first, count)) = buckets {
                self.free_buckets.entry(count).or_default().push(first);
            }
        }
    }

    /// Writes buckets and a list of members to a free place.
    fn lay(&mut self, buckets: &[u32], members: &[u32]) -> Option<Laid> {
        // A group of nobody leads nowhere.
        let buckets = if buckets.is_empty() { &[0] } else { buckets };
        let (count, extra) = (buckets.len() as u32, members.len() as u32);
        let room = (count + extra).next_power_of_two();
        let first = match self.free_buckets.get_mut(&room).and_then(Vec::pop) {
            Some(first) => first,
            None if self.next_bucket + room <= self.table.bucket_capacity() => {
                self.next_bucket += room;
                self.next_bucket - room
            }
            None => return None,
        };
        for (bucket, member) in (first..).zip(buckets.iter().chain(members)) {
            self.table.set_bucket(bucket, *member);
        }
        Some(Laid { first, count, members: extra })
    }

    fn lay_flat(&mut self, hops: &[u32]) -> Option<Laid> {
        self.lay(hops, &[])
    }

    /// Lays out members by weight; those whose interface cannot be used get no flows, unless none
    /// can.
    fn lay_out(&mut self, members: &[(u32, u16)], links: &(impl Egress + ?Sized)) -> Option<Laid> {
        let usable = |member: &u32| match self.records.get(member).map(|record| &record.spec) {
            Some(HopSpec::Via { iface, .. }) => {
                links.egress(*iface).is_none_or(|facts| facts.usable)
            }
            _ => true,
        };
        let mut live: Vec<(u32, u16)> =
            members.iter().copied().filter(|(member, _)| usable(member)).collect();
        if live.is_empty() {
            live = members.to_vec();
        }
        let total: u32 = live.iter().map(|&(_, weight)| u32::from(weight.max(1))).sum();
        // 64 buckets a unit of weight hold each share within 1 % as long as the bound allows.
        let count = match live.len() {
            0 | 1 => live.len() as u32,
            _ => (total * 64).min(MAX_BUCKETS).max(live.len() as u32),
        };
        let mut buckets = Vec::with_capacity(count as usize);
        let mut sum = 0;
        for &(member, weight) in &live {
            sum += u64::from(weight.max(1));
            let end = (sum * u64::from(count)).div_ceil(u64::from(total)) as usize;
            buckets.resize(end.max(buckets.len()), member);
        }
        buckets.truncate(count as usize);
        let each: Vec<u32> = members.iter().map(|(member, _)| *member).collect();
        self.lay(&buckets, &each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    struct NoLinks;

    impl Egress for NoLinks {
        fn egress(&self, _: u16) -> Option<EgressFacts> {
            None
        }

        fn neighbour(&self, _: u16, _: IpAddr) -> Option<(MacAddr, bool)> {
            None
        }
    }

    fn via(last: u8) -> HopSpec {
        HopSpec::Via {
            iface: 1,
            six: false,
            gateway: Some(Ipv4Addr::new(192, 0, 2, last).into()),
            mtu: None,
            prefsrc: None,
            attrs: Attrs::default(),
        }
    }

    #[test]
    fn equal_requests_share_a_hop_until_the_last_user_leaves() {
        let mut hops = Hops::new(16);
        let a = hops.acquire(via(1), &NoLinks).unwrap();
        assert_eq!(hops.acquire(via(1), &NoLinks), Ok(a));
        assert_ne!(hops.acquire(via(2), &NoLinks), Ok(a));
        hops.release(a);
        assert_eq!(hops.acquire(via(1), &NoLinks), Ok(a));
        hops.release(a);
        hops.release(a);
        assert_ne!(
            hops.acquire(via(3), &NoLinks),
            Ok(a),
            "its index may still be in a worker's hands"
        );
        hops.retire(Epoch(2));
        hops.reclaim(Epoch(1));
        assert_ne!(hops.acquire(via(4), &NoLinks), Ok(a));
        hops.reclaim(Epoch(2));
        assert_eq!(hops.acquire(via(5), &NoLinks), Ok(a));
    }

    #[test]
    fn a_full_table_refuses_and_loses_nothing() {
        let mut hops = Hops::new(4);
        let taken: Vec<_> =
            (1..=3).map(|last| hops.acquire(via(last), &NoLinks).unwrap()).collect();
        assert_eq!(hops.acquire(via(9), &NoLinks), Err(HopsFull { limit: 4 }));
        assert_eq!(hops.len(), 3);
        hops.release(taken[0]);
        hops.retire(Epoch(1));
        hops.reclaim(Epoch(1));
        assert!(hops.acquire(via(9), &NoLinks).is_ok());
    }

    #[test]
    fn a_group_shares_flows_by_weight_within_two_percent() {
        let mut hops = Hops::new(16);
        let (a, b, c) = (
            hops.acquire(via(1), &NoLinks).unwrap(),
            hops.acquire(via(2), &NoLinks).unwrap(),
            hops.acquire(via(3), &NoLinks).unwrap(),
        );
        let group = hops.acquire(HopSpec::Group(vec![(a, 1), (b, 2), (c, 4)]), &NoLinks).unwrap();
        let hop = hops.table.get(group);
        let mut counts = HashMap::new();
        for flow in 0..100_000_u32 {
            let hash = crate::packet::l3_hash(flow, 0x0a00_0001, 7);
            *counts.entry(hops.table.member(hop, hash)).or_insert(0) += 1;
        }
        for (member, weight) in [(a, 1), (b, 2), (c, 4)] {
            let share = f64::from(counts[&member]) / 100_000.0;
            assert!((share - f64::from(weight) / 7.0).abs() < 0.02, "{member}: {share}");
        }
        hops.release(a);
        assert!(hops.spec(a).is_some(), "the group still uses it");
        hops.release(group);
        assert!(hops.spec(a).is_none());
    }
}
