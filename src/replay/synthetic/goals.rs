//! Where the packets of a measurement go: addresses that the router forwards them to.

use std::net::IpAddr;

use crate::{
    control::{Router, families::Kept},
    packet::{
        generate::{Addresses, Random},
        ipv4,
        ipv6::address,
    },
    route::{
        policy::Flow,
        spec::{RouteType, table},
        table::HopKind,
    },
    tables::Tables,
};

/// Sources of which each is to reach a destination; rules may look at them.
const SOURCES: u64 = 8;
/// Most hosts on links that are gone to: each is looked for when the first packet to it comes.
const HOSTS: usize = 256;
/// Addresses in a row that nobody forwards to, after which no other is tried.
const PATIENCE: u32 = 1000;

/// A family that measurements are made over.
pub(super) trait Goal: Kept {
    /// Hop of a flow.
    fn route(tables: &Tables, flow: &Flow<Self>) -> u32;
    /// Any address.
    fn any(random: &mut Random) -> Self;
    /// Whether packets to an address may be forwarded at all.
    fn may_be_far(self) -> bool;
}

impl Goal for u32 {
    fn route(tables: &Tables, flow: &Flow) -> u32 {
        tables.route(flow)
    }

    fn any(random: &mut Random) -> Self {
        random.next_u64() as Self
    }

    fn may_be_far(self) -> bool {
        !(ipv4::is_multicast(self)
            || ipv4::is_class_e(self)
            || ipv4::is_loopback(self)
            || ipv4::is_zeronet(self))
    }
}

impl Goal for u128 {
    fn route(tables: &Tables, flow: &Flow<Self>) -> u32 {
        tables.route6(flow)
    }

    fn any(random: &mut Random) -> Self {
        Self::from(random.next_u64()) << 64 | Self::from(random.next_u64())
    }

    fn may_be_far(self) -> bool {
        address::scope_of(self) == address::scope::GLOBAL
    }
}

/// The ways of packets that come by one port.
struct Ways<'a, B> {
    tables: &'a Tables,
    sources: Vec<B>,
    /// Number of that port's interface.
    iif: u16,
    /// Packets may leave by it.
    back: bool,
}

impl<B: Goal> Ways<'_, B> {
    fn lead_to(&self, dst: B) -> bool {
        let vrf = self.tables.vrf(self.iif);
        let each = |src: &B| {
            let (src, iif) = (*src, self.iif);
            self.leaves(B::route(self.tables, &Flow { src, dst, iif, vrf, ..Flow::default() }))
        };
        dst.may_be_far() && self.sources.iter().all(each)
    }

    fn leaves(&self, index: u32) -> bool {
        let hop = self.tables.hops.get(index);
        match hop.kind() {
            HopKind::Neighbour | HopKind::Link => self.back || hop.out().iface != self.iif,
            HopKind::Group => self.tables.hops.members(hop).all(|member| self.leaves(member)),
            _ => false,
        }
    }
}

/// An address for each of `flows`, or fewer: behind a gateway where there is any, else on a link, and behind
/// another port than the first, `iif`, by which packets come from `sources`, unless all go back by that.
pub(super) fn destinations<B: Goal>(
    router: &Router,
    (iif, sources): (u16, &Addresses),
    (flows, seed): (u32, u64),
) -> Vec<IpAddr> {
    let rib = B::routes(router).rib();
    let mut nets: Vec<(bool, B, u8)> = Vec::new();
    for (table_id, prefix) in rib.prefixes() {
        let infos = rib.get(table_id, prefix).iter().filter_map(|alias| rib.info(alias.info));
        let Some(info) = infos.into_iter().find(|info| info.table == table::MAIN) else { continue };
        if info.kind == RouteType::Unicast {
            let through = info.nexthops.iter().any(|hop| hop.gateway.is_some());
            nets.push((through, prefix.bits, prefix.len));
        }
    }
    if nets.iter().any(|(through, ..)| *through) {
        nets.retain(|(through, ..)| *through);
    }
    nets.sort_unstable();
    let most = flows as usize;
    let most = if nets.iter().any(|(through, ..)| *through) { most } else { most.min(HOSTS) };
    let mut reader = router.reader();
    let count = sources.count();
    let step = (count / SOURCES).max(1);
    let some = (0..count.min(SOURCES)).filter_map(|at| B::of(sources.at(at * step)?)).collect();
    let mut ways = Ways { tables: reader.refresh(), sources: some, iif, back: false };
    let mut chosen = choose(&nets, &ways, most, seed);
    if chosen.is_empty() {
        ways.back = true;
        chosen = choose(&nets, &ways, most, seed);
    }
    chosen
}

fn choose<B: Goal>(
    nets: &[(bool, B, u8)],
    ways: &Ways<'_, B>,
    most: usize,
    seed: u64,
) -> Vec<IpAddr> {
    let mut random = Random::new(seed);
    let mut chosen = Vec::with_capacity(most);
    let mut missed = 0;
    while chosen.len() < most && !nets.is_empty() && missed < PATIENCE {
        let (_, bits, len) = nets[random.below(nets.len() as u64) as usize];
        let dst = bits | B::any(&mut random) & !B::mask(len);
        if ways.lead_to(dst) {
            chosen.push(dst.address());
            missed = 0;
        } else {
            missed += 1;
        }
    }
    chosen
}
