//! From a configuration to a router: what `run`, `replay` and `bench` have in common.
//!
//! - takes: a [`Config`], and what the ports turned out to be
//! - gives: a running DPDK with its pool of packets ([`Machine`]), and a [`Router`] with all
//!   interfaces, addresses, neighbours and routes; what the router refuses becomes an error with its
//!   place in the file

mod captures;
mod crew;
mod shared;
mod six;

use std::sync::Arc;

use thiserror::Error;

pub use captures::Captures;
pub use crew::{Crew, received, unaccounted};
pub use shared::Shared;

use crate::{
    config::{self, At, Config, ConfigErrors, Cores, Sysctl},
    conntrack::{self, nat::carrier::Carrier},
    control::{IfaceSpec, Limits, NeighbourSpec, Router},
    dpdk::{
        eal::{Eal, EalError, EalOptions, Huge},
        mempool::{LARGE_ROOM, Pool, PoolError},
    },
    graph::Nanos,
    icmp::table::LimitRules,
    ip4::table::{ReassemblyRoom, ReassemblyRules},
    iptables,
    multicast::Knobs,
    ndisc::Conf,
    netfilter::{
        flows::Flows,
        rule::{Family, TableName},
        told::Teller,
    },
    packet::MacAddr,
    port::table::IfaceAddr6,
    publish::Epochs,
    route::{control::Verb, multipath::Multipath},
    tables::Tunables,
};

/// The machine did not give what a router needs.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The configuration does not serve.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// DPDK did not start.
    #[error(transparent)]
    Eal(#[from] EalError),
    /// There is no memory for packets.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// Memory for packets, ready for ports and workers.
pub struct Machine {
    /// What the operator should know about the start, a sentence each.
    pub notes: Vec<String>,
    /// Packet buffers.
    pub pool: Pool,
    // Last, so that it ends after everything above has let go.
    _eal: Eal,
}

/// Places of connections beyond their limit, as those that have ended.
const CARRIER_SLACK: u32 = 2048;
/// What a buffer takes beside its data: the head of the packet, and the pool's own.
const BUFFER_OVERHEAD: u64 = 256;
/// Buffers for packets that fit into no ordinary one; none lives for longer than a worker's turn, but while
/// a program decides on it.
const LARGE_BUFFERS: u32 = 255;
/// An ordinary page.
const PAGE: u64 = 4096;
/// What DPDK takes for itself.
const EAL_MIB: u64 = 32;

impl Machine {
    /// Starts DPDK and makes a pool of `count` buffers of `data_room` bytes. `pci` are the PCI
    /// devices to take.
    ///
    /// # Errors
    /// When DPDK does not start or there is no memory.
    pub fn start(
        config: &Config,
        count: u32,
        data_room: u16,
        pci: Vec<String>,
    ) -> Result<Self, SetupError> {
        let mut buffer = u64::from(data_room) + BUFFER_OVERHEAD;
        // Drivers of hardware read and write buffers by their pages, as the kernel does for af_xdp.
        let xdp = |port: &config::Port| {
            port.device.as_ref().is_some_and(|device| device.starts_with("af_xdp"))
        };
        let packed = pci.is_empty() && !config.ports.iter().any(xdp);
        // Without hugepages DPDK else lets no buffer cross the border of a page.
        if config.dpdk.huge != Huge::Always && !packed {
            buffer = buffer.next_multiple_of(PAGE);
        }
        let large = (u64::from(LARGE_ROOM) + BUFFER_OVERHEAD).next_multiple_of(PAGE);
        let bytes = u64::from(count) * buffer + u64::from(LARGE_BUFFERS) * large;
        let needed = (bytes >> 20) + (bytes >> 24) + EAL_MIB;
        let memory = config.dpdk.memory_mib.unwrap_or(u32::try_from(needed).unwrap_or(u32::MAX));
        let mut extra = config.dpdk.extra_args.clone();
        if let Some(simd) = config.dpdk.max_simd {
            extra.push(format!("--force-max-simd-bitwidth={}", simd.0));
        }
        let shares = |port: &config::Port| {
            port.device.as_ref().is_some_and(|device| device.contains("zero-copy=yes"))
        };
        let eal = Eal::start(&EalOptions {
            shares: config.ports.iter().any(shares),
            prefix: config.instance.name.to_string(),
            huge: config.dpdk.huge,
            in_memory: config.dpdk.in_memory,
            memory_mib: Some(memory),
            pci,
            extra,
            ..EalOptions::default()
        })?;
        let make = if packed && !eal.huge() { Pool::packed } else { Pool::new };
        let pool = make("packets", count, config.buffers_at_hand(), data_room, -1)?.with_large(
            "large",
            LARGE_BUFFERS,
            -1,
        )?;
        Ok(Self { notes: eal.notes().to_vec(), pool, _eal: eal })
    }
}

/// What a port turned out to be.
#[derive(Clone, Copy, Debug)]
pub struct PortFact {
    /// Number in DPDK.
    pub number: u16,
    /// Link-layer address.
    pub mac: MacAddr,
    /// The one that its device was made with, zero where that was made by software.
    pub permanent: MacAddr,
    /// There is a link.
    pub carrier: bool,
}

/// How a router that replays differs from a live one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leniency {
    /// Every unicast frame counts as addressed to the router.
    pub any_mac: bool,
    /// A neighbour that nobody has set gets an address of its own instead of being asked for.
    pub stand_in: bool,
    /// Links have hosts and routers that hear the router: it asks for duplicates and routers, and tells
    /// which groups it listens to.
    pub speaks: bool,
}

/// Builds the router of `config`; `facts` has one entry for each of its ports. The routes of a route
/// file are not in it yet: [`load_routes`].
///
/// # Errors
/// What the router refuses, with its place in the file.
pub fn router(
    config: &Config,
    facts: &[PortFact],
    pool: Pool,
    epochs: Arc<Epochs>,
    leniency: Leniency,
    seed: u64,
) -> Result<Router, ConfigErrors> {
    let limits = Limits {
        routes: config.limits.routes as usize,
        nexthops: config.limits.nexthops,
        neighbours: config.limits.neighbours as usize,
        fib_groups: config.limits.fib_groups,
    };
    let mut router =
        Router::new(&limits, Arc::clone(&epochs), pool, leniency.any_mac, leniency.stand_in, seed);
    router.set_speaks(leniency.speaks);
    apply_sysctls(config, &mut router);
    router.set_clamp_mss(config.tcp.clamp_mss);
    router.set_tracking(config.netfilter.track);
    router.set_log_rate(config.netfilter.log_rate);
    if let Some(net) = config.nat64 {
        router.set_cross(net);
    }
    router.set_flowtable(config.limits.flowtable > 0);
    let workers = epochs.readers();
    router.set_conntrack_rules(|rules| {
        for (word, value) in config.sysctls.conntrack() {
            config::netfilter::set(rules, word, value, workers);
        }
    });
    for (port, fact) in config.ports.iter().zip(facts) {
        let own = (&port.name, None, port.mtu, port.up, port.group);
        add_link(&mut router, config, own, fact)?;
    }
    // What stands on ports comes when all of them are there.
    for (port, fact) in config.ports.iter().zip(facts) {
        for vlan in &port.vlans {
            let own = (&vlan.name, Some(vlan.id), vlan.mtu, vlan.up, vlan.group);
            add_link(&mut router, config, own, fact)?;
        }
        router.set_carrier(fact.number, fact.carrier);
    }
    for vrf in &config.vrfs {
        add_vrf(&mut router, config, vrf)?;
    }
    apply_neigh(config, &mut router);
    // A port that goes into a VRF takes its VLANs down and up with it, whatever is said of them.
    for vlan in config.ports.iter().flat_map(|port| &port.vlans) {
        router
            .set_up(&vlan.name, vlan.up)
            .map_err(|error| config.error(vlan.name.place(), error.to_string(), None))?;
    }
    let of_vrfs = config.vrfs.iter().map(|vrf| (&vrf.name, &vrf.addresses));
    let of_ports = config.ports.iter().flat_map(|port| {
        let vlans = port.vlans.iter().map(|vlan| (&vlan.name, &vlan.addresses));
        std::iter::once((&port.name, &port.addresses)).chain(vlans)
    });
    for (name, addresses) in of_ports.chain(of_vrfs) {
        for address in addresses {
            router
                .add_address(name, **address, None)
                .map_err(|error| config.error(address.place(), error.to_string(), None))?;
        }
    }
    let of_vrfs = config.vrfs.iter().map(|vrf| (&vrf.name, &vrf.addresses6));
    let of_ports = config.ports.iter().flat_map(|port| {
        let vlans = port.vlans.iter().map(|vlan| (&vlan.name, &vlan.addresses6));
        std::iter::once((&port.name, &port.addresses6)).chain(vlans)
    });
    for (name, addresses) in of_ports.chain(of_vrfs) {
        for address in addresses {
            router
                .add_address6(name, IfaceAddr6::permanent(**address))
                .map_err(|error| config.error(address.place(), error.to_string(), None))?;
        }
    }
    for neighbour in &config.neighbours {
        let (address, mac) = (neighbour.address, neighbour.lladdr);
        router
            .set_neighbour(Verb::Add, &neighbour.dev, address, &NeighbourSpec::permanent(mac), 0)
            .map_err(|error| config.error(neighbour.place(), error.to_string(), None))?;
    }
    for nexthop in &config.nexthops {
        router
            .set_nexthop(Verb::Add, nexthop, 0)
            .map_err(|error| config.error(nexthop.place(), error.to_string(), None))?;
    }
    for rule in &config.rules {
        router
            .add_rule(rule)
            .map_err(|error| config.error(rule.place(), error.to_string(), None))?;
    }
    for route in &config.routes {
        router
            .route(Verb::Add, route)
            .map_err(|error| config.error(route.place(), error.to_string(), None))?;
    }
    for advertise in &config.advertise {
        if let Some(index) = router.iface(&advertise.dev).map(|iface| iface.index) {
            router.set_advertising(index, Some(advertise.settings.clone()));
        }
    }
    router.commit();
    Ok(router)
}

/// Gives the router the values of all tunables; those of interfaces come with the interfaces.
fn apply_sysctls(config: &Config, router: &mut Router) {
    let get = |sysctl| config.sysctls.get(sysctl);
    let on = |sysctl| config.sysctls.is_on(sysctl);
    // The reader of the file holds every value to its range, which fits the types below.
    let number = |sysctl| u32::try_from(get(sysctl)).unwrap_or(u32::MAX);
    let nanos = |sysctl, unit: Nanos| u64::try_from(get(sysctl)).unwrap_or(0).saturating_mul(unit);
    router.set_tunables(|tunables| {
        *tunables = Tunables {
            echo_ignore_all: on(Sysctl::IcmpEchoIgnoreAll),
            echo_ignore_broadcasts: on(Sysctl::IcmpEchoIgnoreBroadcasts),
            errors_use_inbound: on(Sysctl::IcmpErrorsUseInboundIfaddr),
            fwmark_reflect: on(Sysctl::FwmarkReflect),
            echo_probe: on(Sysctl::IcmpEchoEnableProbe),
            ignore_bogus_errors: on(Sysctl::IcmpIgnoreBogusErrorResponses),
            default_ttl: number(Sysctl::IpDefaultTtl) as u8,
            icmp: LimitRules {
                ratelimit_ms: number(Sysctl::IcmpRatelimit),
                ratemask: number(Sysctl::IcmpRatemask),
                msgs_per_sec: number(Sysctl::IcmpMsgsPerSec),
                msgs_burst: number(Sysctl::IcmpMsgsBurst),
                seed: tunables.multipath.seed,
            },
            multipath: Multipath {
                policy: number(Sysctl::FibMultipathHashPolicy) as u8,
                fields: number(Sysctl::FibMultipathHashFields) as u16,
                seed: match number(Sysctl::FibMultipathHashSeed) {
                    0 => tunables.multipath.seed,
                    stated => stated,
                },
            },
            redirects: (
                number(Sysctl::RouteRedirectNumber).min(255) as u8,
                number(Sysctl::RouteRedirectLoad),
                number(Sysctl::RouteRedirectSilence),
            ),
            forward_use_pmtu: on(Sysctl::IpForwardUsePmtu),
            reassembly: ReassemblyRules {
                time: nanos(Sysctl::IpfragTime, 1_000_000_000),
                high_thresh: number(Sysctl::IpfragHighThresh) as usize,
                max_dist: number(Sysctl::IpfragMaxDist),
            },
            six: six::tunables(config),
            destination_cache: config.cache.destinations,
        };
    });
    let least = number(Sysctl::RouteMinPmtu).min(u32::from(u16::MAX)) as u16;
    router.set_path_rules(least, nanos(Sysctl::RouteMtuExpires, 1_000_000_000));
    router.set_path_rules6(nanos(Sysctl::Ip6RouteMtuExpires, 1_000_000_000));
}

/// Gives the neighbour tables their tunables, when all interfaces are there.
fn apply_neigh(config: &Config, router: &mut Router) {
    for (name, value) in config.sysctls.neigh() {
        let iface = name.dev.as_ref().map(|dev| router.iface(dev).map(|iface| iface.index));
        if iface != Some(None) {
            router.with_neighbours(|neighbours| name.apply(neighbours, iface.flatten(), value));
        }
    }
}

/// A port or a VLAN: its name, VLAN, MTU, whether it is up, and its group.
type Link<'a> = (&'a At<String>, Option<u16>, u16, bool, u32);

fn add_link(
    router: &mut Router,
    config: &Config,
    (name, vlan, mtu, up, group): Link<'_>,
    fact: &PortFact,
) -> Result<(), ConfigErrors> {
    let spec = IfaceSpec {
        name: name.to_string(),
        port: fact.number,
        vlan,
        mac: fact.mac,
        mtu,
        conf: config.sysctls.iface_conf(name),
        conf6: config.sysctls.iface_conf6(name),
    };
    router
        .add_iface(spec)
        .and_then(|index| {
            // A VLAN's address is its port's, and none that it was made with.
            let hardware = if vlan.is_none() { fact.permanent } else { MacAddr::ZERO };
            apply_host_conf(config, router, index, name, hardware);
            router.set_group(name, group)
        })
        .and_then(|()| router.set_up(name, up))
        .map_err(|error| config.error(name.place(), error.to_string(), None))
}

/// Gives an interface its tunables as a host, before it comes up.
fn apply_host_conf(
    config: &Config,
    router: &mut Router,
    index: u16,
    name: &str,
    hardware: MacAddr,
) {
    let sysctls = &config.sysctls;
    router.set_host_conf(index, Conf { hardware, ..sysctls.host_conf(name) });
    let (mld_knobs, igmp_knobs) = (sysctls.mld_knobs(name), sysctls.igmp_knobs(name));
    router.with_mld(index, |mld, _| mld.set_knobs(Knobs { mtu: mld.knobs().mtu, ..mld_knobs }));
    router
        .with_igmp(index, |igmp, _| igmp.set_knobs(Knobs { mtu: igmp.knobs().mtu, ..igmp_knobs }));
}

/// Makes a VRF and puts its interfaces into it, before they have addresses.
fn add_vrf(
    router: &mut Router,
    config: &Config,
    vrf: &crate::config::Vrf,
) -> Result<(), ConfigErrors> {
    router
        .add_vrf(&vrf.name, vrf.table)
        .and_then(|_| router.set_conf(&vrf.name, config.sysctls.iface_conf(&vrf.name)))
        .and_then(|()| router.set_up(&vrf.name, vrf.up))
        .map_err(|error| config.error(vrf.name.place(), error.to_string(), None))?;
    for name in &vrf.interfaces {
        router
            .set_master(name, Some(&vrf.name))
            .map_err(|error| config.error(name.place(), error.to_string(), None))?;
    }
    Ok(())
}

/// Adds the routes of the configuration's route file; gives their number.
///
/// # Errors
/// When the file cannot be read, a line is no route, or the router refuses one.
pub fn load_routes(config: &Config, router: &mut Router) -> Result<usize, ConfigErrors> {
    let count = config.each_file_route(|route| {
        router
            .route(Verb::Append, &route)
            .map_err(|error| format!("route to {}: {error}", route.dst))
    })?;
    load_filter(config, router)?;
    router.commit();
    Ok(count)
}

/// Puts the files of rules in force that the configuration names.
fn load_filter(config: &Config, router: &mut Router) -> Result<(), ConfigErrors> {
    if let Some(path) = &config.netfilter.sets {
        let wrong = |message: String| config.error(path.place(), message, None);
        let text = std::fs::read_to_string(&**path)
            .map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?;
        let said = router.ipset(&["restore".to_owned()], Some(&text), iptables::service, 0);
        if said.status != 0 {
            return Err(wrong(format!("{}: {}", path.display(), said.err.trim_end())));
        }
    }
    if let Some(path) = &config.netfilter.nfct {
        let wrong = |message: String| config.error(path.place(), message, None);
        let text = std::fs::read_to_string(&**path)
            .map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        for (number, line) in lines.filter(|(_, line)| !line.trim_start().starts_with('#')) {
            let words = line.split_whitespace().skip_while(|word| *word == "nfct");
            let words: Vec<String> = words.map(str::to_owned).collect();
            let said = crate::telemetry::desk::nfct::nfct(router, &words);
            if said.status != 0 {
                let number = number + 1;
                return Err(wrong(format!("{}:{number}: {}", path.display(), said.err.trim_end())));
            }
        }
    }
    for (path, family) in config.netfilter.rules.iter().zip([Family::Four, Family::Six]) {
        let Some(path) = path else { continue };
        let wrong = |message: String| config.error(path.place(), message, None);
        let text = std::fs::read_to_string(&**path)
            .map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?;
        let mut tables = iptables::Tables::new(family);
        let how = iptables::RestoreOptions { counters: true, ..Default::default() };
        tables
            .restore(&text, how, &crate::telemetry::desk::tool::Near(router))
            .map_err(|error| wrong(format!("{}: {error}", path.display())))?;
        let rules = tables.rules().clone();
        router
            .set_filter_rules(rules, &TableName::ALL)
            .map_err(|fault| wrong(format!("{}: {fault}", path.display())))?;
    }
    if let Some(path) = &config.netfilter.nftables {
        let wrong = |message: String| config.error(path.place(), message, None);
        let text = std::fs::read_to_string(&**path)
            .map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?;
        let name = path.display().to_string();
        let words = ["-j", "-f", &name].map(str::to_owned);
        let said = router.nft(&words, Some(&text), iptables::service, 0);
        if said.status != 0 {
            return Err(wrong(said.err.trim_end().to_owned()));
        }
    }
    Ok(())
}

/// What each of `workers` workers may keep of fragments: its share of the whole. `seed` is what nobody
/// outside can foretell.
pub fn reassembly_room(config: &Config, workers: usize, seed: u64) -> ReassemblyRoom {
    let whole = usize::try_from(config.sysctls.get(Sysctl::IpfragHighThresh)).unwrap_or(0);
    ReassemblyRoom { memory: whole / workers.max(1), share: workers.max(1), seed }
}

/// What worker `index` of `workers` keeps of connections; what it tells of packets goes into `told`.
pub fn flows(
    config: &Config,
    index: usize,
    workers: usize,
    seed: u64,
    told: Teller,
    shared: &Shared,
) -> Flows {
    let entries = (config.limits.connections / workers.max(1) as u32).max(64);
    let limits = conntrack::Limits {
        entries,
        buckets: entries.next_power_of_two(),
        expects: (entries / 64).max(64),
        seqadj: (entries / 16).max(64),
        calls: 1024,
        events: 4096,
    };
    let mut flows = Flows::new(index, &limits, seed ^ index as u64, told)
        .with_flowtable(config.limits.flowtable);
    shared.give(index, &mut flows);
    flows.conntrack.carrier = carrier(config, index, workers, entries, shared.seed());
    flows
}

/// How worker `index` of `workers` translates as carriers do.
fn carrier(
    config: &Config,
    index: usize,
    workers: usize,
    entries: u32,
    seed: u64,
) -> Option<Box<Carrier>> {
    let mut ways = config.netfilter.ways.clone();
    ways.crosses = config.nat64.is_some();
    if let Some(plan) = &mut ways.blocks {
        // All together are to give a subscriber no more than it may have, but each one at least.
        let most = (usize::from(plan.per_subscriber) / workers.max(1)).max(1);
        plan.per_subscriber = most as u8;
        plan.share = (index as u32, workers.max(1) as u32);
    }
    Carrier::new(&ways, entries.saturating_add(CARRIER_SLACK), seed).map(Box::new)
}

/// Cores to run on; none when there are fewer than workers, or the configuration leaves the choice.
pub fn cores(config: &Config, workers: usize) -> Vec<usize> {
    if let Cores::List(cores) = &config.workers.cores
        && cores.len() == workers
    {
        return cores.iter().map(|core| usize::from(*core)).collect();
    }
    let all: Vec<_> = core_affinity::get_core_ids().unwrap_or_default();
    // The first core is where everything else runs: it is the last to be taken.
    let rotated = all.iter().skip(1).chain(all.iter().take(1));
    if workers > all.len() {
        Vec::new()
    } else {
        rotated.take(workers).map(|core| core.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbour::control::{Family, Var};

    #[test]
    fn every_tunable_of_the_file_reaches_the_router() {
        let text = r#"
            [dpdk]
            huge = "never"
            [cache]
            destinations = true
            [sysctl]
            "net.ipv4.ip_default_ttl" = 77
            "net.ipv4.icmp_echo_ignore_all" = 1
            "net.ipv4.icmp_echo_ignore_broadcasts" = 0
            "net.ipv4.icmp_errors_use_inbound_ifaddr" = 1
            "net.ipv4.icmp_echo_enable_probe" = 1
            "net.ipv4.icmp_ignore_bogus_error_responses" = 0
            "net.ipv4.icmp_ratelimit" = 250
            "net.ipv4.icmp_ratemask" = 1
            "net.ipv4.icmp_msgs_per_sec" = 7
            "net.ipv4.icmp_msgs_burst" = 3
            "net.ipv4.fib_multipath_hash_policy" = 1
            "net.ipv4.neigh.default.retrans_time_ms" = 10
            "net.ipv4.neigh.default.mcast_solicit" = 4
            "net.ipv4.neigh.default.unres_qlen_bytes" = 4096
            "net.ipv6.neigh.default.gc_thresh2" = 9
            "net.ipv4.neigh.b.mcast_solicit" = 5
            "net.ipv4.conf.b.forwarding" = 0
            [[port]]
            name = "a"
            [[port]]
            name = "b"
        "#;
        let config = Config::parse("tunables.toml", text).unwrap_or_else(|error| panic!("{error}"));
        let machine = Machine::start(&config, 1023, 2176, Vec::new()).unwrap();
        let fact = |number| PortFact {
            number,
            mac: MacAddr::new([2, 0, 0, 0, 0, number as u8]),
            permanent: MacAddr::ZERO,
            carrier: true,
        };
        let facts = [fact(0), fact(1)];
        let (pool, epochs) = (machine.pool, Epochs::new(0));
        let router = router(&config, &facts, pool, epochs, Leniency::default(), 9).unwrap();
        let is = router.tunables();
        assert!(is.echo_ignore_all && !is.echo_ignore_broadcasts && is.errors_use_inbound);
        assert!(is.destination_cache && is.echo_probe && !is.ignore_bogus_errors);
        assert_eq!((is.default_ttl, is.multipath.policy, is.multipath.seed), (77, 1, 9));
        let icmp =
            LimitRules { ratelimit_ms: 250, ratemask: 1, msgs_per_sec: 7, msgs_burst: 3, seed: 9 };
        assert_eq!(is.icmp, icmp);
        let b = router.iface("b").unwrap().index;
        let params = router.neighbours().params(Some(b), Family::Arp);
        assert_eq!(params.time(Var::RetransTime), 10_000_000);
        assert_eq!((params.get(Var::McastSolicit), params.get(Var::UnresQlenBytes)), (5, 4096));
        assert_eq!(router.neighbours().thresholds(Family::Ndisc).thresh2, 9);
        assert!(
            router.iface("a").unwrap().conf.forwarding
                && !router.iface("b").unwrap().conf.forwarding
        );
    }
    #[test]
    fn the_example_of_policy_routing_becomes_rules_objects_and_a_vrf() {
        use crate::{control::Query, packet::Flow};
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/policy.toml");
        let text = std::fs::read_to_string(path).unwrap();
        let text = text.replace("[workers]", "[dpdk]\nhuge = \"never\"\n[workers]");
        let config = Config::parse("policy.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        let machine = Machine::start(&config, 1023, 2176, Vec::new()).unwrap();
        let facts = [0, 1, 2, 3].map(|number| PortFact {
            number,
            mac: MacAddr::new([2, 0, 0, 0, 0, number as u8]),
            permanent: MacAddr::ZERO,
            carrier: true,
        });
        let (pool, epochs) = (machine.pool, Epochs::new(0));
        let router = router(&config, &facts, pool, epochs, Leniency::default(), 9).unwrap();
        let priorities: Vec<_> = router.rules().iter().filter_map(|rule| rule.priority).collect();
        assert_eq!(priorities, [0, 100, 110, 120, 130, 1000, 32_766, 32_767]);
        assert_eq!(router.objects().iter().count(), 3);
        let index = |name: &str| router.iface(name).unwrap().index;
        assert_eq!(router.iface("guests").unwrap().vrf, index("visitors"));
        // The way of a packet that comes in by an interface from an address to 203.0.113.9.
        let way = |iif: &str, src: [u8; 4], change: &dyn Fn(&mut Flow)| {
            let (src, dst) = (u32::from_be_bytes(src), u32::from_be_bytes([203, 0, 113, 9]));
            let mut flow = Flow { src, dst, ..Flow::default() };
            change(&mut flow);
            let found = router.explain(&Query { flow, iif: index(iif), oif: 0 })?;
            Some((
                found.kind,
                router.ifaces().iter().find(|own| own.index == found.iface)?.name.clone(),
            ))
        };
        let unicast = |name: &str| Some((crate::route::spec::RouteType::Unicast, name.to_owned()));
        let mail = |flow: &mut Flow| (flow.protocol, flow.dport) = (6, 25);
        assert_eq!(way("lan", [10, 0, 1, 25], &mail), unicast("isp2"));
        assert_eq!(way("guests", [10, 0, 1, 25], &|_| {}), unicast("isp2"));
        let prohibited = router.explain(&Query::<u32> {
            flow: Flow { src: 0x0a00_0142, dst: 0xcb00_7109, ..Flow::default() },
            iif: index("lan"),
            oif: 0,
        });
        let kind = prohibited.map(|found| found.kind);
        assert_eq!(kind, Some(crate::route::spec::RouteType::Prohibit));
        let both: std::collections::BTreeSet<_> = (0..64)
            .filter_map(|host| way("lan", [10, 0, 1, 100 + host], &|_| {}))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(both.into_iter().collect::<Vec<_>>(), ["isp1", "isp2"], "flows are shared");
    }
}
