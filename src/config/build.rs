//! From tables as written to a configuration: relations between keys, each error at its place.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use toml::de::DeTable;

use super::{
    Config, ConfigErrors, Cores, Neighbour, Port, Source, Sysctls, Vlan, Vrf, Workers,
    error::{ConfigError, suggest},
    policy,
    sections::{
        ApartVlanTable, BlocksTable, File, Limits, Mapping, Netfilter, PortTable, VlanTable,
        WorkersTable,
    },
    value::{At, Errors, InterfaceAddress, InterfaceName, Word},
};
use crate::conntrack::nat::{blocks::Plan, carrier::Ways};

/// Reads and checks the text of `source`.
pub(super) fn build(source: Arc<Source>) -> Result<Config, ConfigErrors> {
    let (table, wrong) = DeTable::parse_recoverable(&source.text);
    let syntax = wrong.into_iter().map(|error| ConfigError {
        message: error.message().to_owned(),
        hint: None,
        at: error.span(),
    });
    let mut errors = Errors(syntax.collect());
    if !errors.0.is_empty() {
        // What could be read of a broken text would give errors that are none.
        return Err(ConfigErrors::new(source, errors.0));
    }
    let file = File::read_table(table.get_ref(), 0..0, &mut errors);
    let config = file.and_then(|file| assemble(file, &source, &mut errors));
    match config {
        Some(config) if errors.0.is_empty() => Ok(config),
        _ => Err(ConfigErrors::new(source, errors.0)),
    }
}

fn assemble(mut file: File, source: &Arc<Source>, errors: &mut Errors) -> Option<Config> {
    attach_vlans(&mut file, errors);
    let mut sysctls = Sysctls::default();
    file.sysctl.apply("", &mut sysctls, errors);
    let mut names = Names::default();
    let ports: Vec<_> =
        file.port.iter().map(|table| port(table, &mut names, &mut sysctls, errors)).collect();
    let vrfs = policy::vrfs(&file.vrf, &mut names, errors);
    check_addresses(&ports, &vrfs, errors);
    for (name, _) in &file.sysctl.numbers {
        let interface = match super::SysctlName::find(name) {
            Ok(super::SysctlName::Interface(interface, _)) => Some(interface),
            Ok(super::SysctlName::Neigh(neigh)) => neigh.dev,
            _ => None,
        };
        if let Some(interface) = interface {
            names.known(&interface, name.place(), errors);
        }
    }
    let nexthops = policy::nexthops(&file.nexthop, &names, errors);
    let rules = policy::rules(&file.rule, &names, errors);
    let routes = routes(&file, &names, &vrfs, errors);
    let neighbours = neighbours(&file, &names, errors);
    let advertise = super::advertise::advertise(&file.advertise, &names, errors);
    let workers = workers(&file.workers, errors);
    check_limits(&file.limits, errors);
    let beside = Path::new(&source.name).parent().unwrap_or(Path::new(""));
    let route_file =
        file.routes.file.as_ref().map(|path| At::new(beside.join(&**path), path.place()));
    let file_of = |path: &Option<At<PathBuf>>| {
        path.as_ref().map(|path| At::new(beside.join(&**path), path.place()))
    };
    let netfilter = super::Netfilter {
        rules: [file_of(&file.netfilter.iptables), file_of(&file.netfilter.ip6tables)],
        nftables: file_of(&file.netfilter.nftables),
        sets: file_of(&file.netfilter.ipset),
        nfct: file_of(&file.netfilter.nfct),
        track: file.netfilter.track,
        log_rate: file.netfilter.log_rate,
        queues: file_of(&file.netfilter.queues),
        nflog: file_of(&file.netfilter.nflog),
        nflog_mib: file.netfilter.nflog_mib,
        ways: ways(&file.netfilter, workers.as_ref(), errors),
    };
    Some(Config {
        source: Arc::clone(source),
        instance: file.instance,
        dpdk: file.dpdk,
        buffers: file.buffers,
        workers: workers?,
        cache: file.cache,
        tcp: file.tcp,
        limits: file.limits,
        telemetry: file.telemetry,
        ports,
        vrfs,
        nexthops,
        rules,
        routes,
        route_file,
        netfilter,
        nat64: super::nat64::net64(&file.nat64),
        neighbours,
        advertise,
        sysctls,
    })
}

/// Memory is made ready for no more than there can be.
fn check_limits(limits: &Limits, errors: &mut Errors) {
    let (ready, most) = (&limits.connections_ready, limits.connections);
    if **ready > most {
        let message = format!("`connections-ready` is more than `connections`, {most}");
        let hint = format!("write {most} or less, or raise `connections`");
        errors.add(ready.place(), message, hint);
    }
}

/// How sources are translated; each worker is to have a block of every address.
fn ways(table: &Netfilter, workers: Option<&Workers>, errors: &mut Errors) -> Ways {
    let BlocksTable { size, most, first, last, subscribers, addresses } = &table.blocks;
    let workers = workers.map_or(1, |workers| workers.cores.workers().max(1));
    let ports = (usize::from(*last) + 1).saturating_sub(usize::from(*first));
    if let Some(size) = size
        && ports < usize::from(**size) * workers
    {
        let message = format!("{ports} ports have no block of {} for each worker", **size);
        errors.add(size.place(), message, "make blocks smaller".to_owned());
    }
    let plan = size.as_ref().map(|size| Plan {
        addresses: *addresses,
        first_port: *first,
        last_port: *last,
        size: **size,
        per_subscriber: *most,
        subscribers: *subscribers,
        share: (0, 1),
    });
    Ways {
        blocks: plan,
        cones: table.mapping == Mapping::EndpointIndependent,
        filtering: table.filtering,
        crosses: false,
    }
}

/// VLANs written apart go to their ports.
fn attach_vlans(file: &mut File, errors: &mut Errors) {
    for apart in std::mem::take(&mut file.vlan) {
        let place = apart.place();
        let ApartVlanTable { port, id, name, mtu, up, group, addresses, sysctl, sysctl6 } =
            apart.into_inner();
        let vlan = VlanTable { id, name, mtu, up, group, addresses, sysctl, sysctl6 };
        match file.port.iter_mut().find(|table| *table.name == *port) {
            Some(table) => table.get_mut().vlan.push(At::new(vlan, place)),
            None => {
                let names = file.port.iter().map(|table| table.name.0.as_str());
                let hint = suggest(&port.0, names).map(|near| format!("did you mean {near:?}?"));
                errors.add(port.place(), format!("there is no port {:?}", port.0), hint);
            }
        }
    }
}

/// Names of interfaces so far.
#[derive(Default)]
pub(super) struct Names(HashMap<String, usize>);

impl Names {
    /// Takes a name, once.
    pub(super) fn take(&mut self, name: &str, place: std::ops::Range<usize>, errors: &mut Errors) {
        if self.0.insert(name.to_owned(), place.start).is_some() {
            errors.add(place, format!("there is another interface named {name:?}"), None);
        }
    }

    /// Notes an error when nothing has this name.
    pub(super) fn known(&self, name: &str, place: std::ops::Range<usize>, errors: &mut Errors) {
        if self.0.contains_key(name) {
            return;
        }
        let mut names: Vec<_> = self.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        let hint = match suggest(name, names.iter().copied()) {
            Some(near) => Some(format!("did you mean {near:?}?")),
            None if names.is_empty() => None,
            None => Some(format!("interfaces are {}", names.join(", "))),
        };
        errors.add(place, format!("there is no interface {name:?}"), hint);
    }
}

fn port(
    table: &At<PortTable>,
    names: &mut Names,
    sysctls: &mut Sysctls,
    errors: &mut Errors,
) -> Port {
    let name = table.name.0.clone();
    names.take(&name, table.name.place(), errors);
    table.sysctl.apply(&format!("net.ipv4.conf.{name}."), sysctls, errors);
    table.sysctl6.apply(&format!("net.ipv6.conf.{name}."), sysctls, errors);
    let mut ids = Vec::new();
    let vlans = table
        .vlan
        .iter()
        .map(|vlan| {
            if ids.contains(&*vlan.id) {
                let message = format!("there is another VLAN {} on {name:?}", *vlan.id);
                errors.add(vlan.id.place(), message, None);
            }
            ids.push(*vlan.id);
            self::vlan(vlan, table, names, sysctls, errors)
        })
        .collect();
    let on_xdp = table.device.as_ref().is_some_and(|device| device.starts_with("af_xdp"));
    let ring = if on_xdp { XDP_RING } else { RING };
    Port {
        name: At::new(name, table.name.place()),
        device: table.device.clone(),
        mac: table.mac,
        mtu: *table.mtu,
        rx_queues: table.rx_queues,
        rx_descriptors: table.rx_descriptors.unwrap_or(ring),
        tx_descriptors: table.tx_descriptors.unwrap_or(ring),
        up: table.up,
        group: table.group,
        addresses: addresses(&table.addresses),
        addresses6: addresses6(&table.addresses),
        vlans,
    }
}

/// Packets that a queue holds when nothing is said: what devices like, and what TCP may send at once
/// while the worker waits for a processor.
const RING: u16 = 1024;
const XDP_RING: u16 = 4096;

fn vlan(
    table: &VlanTable,
    port: &PortTable,
    names: &mut Names,
    sysctls: &mut Sysctls,
    errors: &mut Errors,
) -> Vlan {
    let name = match &table.name {
        Some(name) => At::new(name.0.clone(), name.place()),
        None => {
            let name = format!("{}.{}", port.name.0, *table.id);
            if InterfaceName::parse(&name).is_err() {
                let message = format!("the name {name:?} would be too long for an interface");
                errors.add(table.id.place(), message, "add a `name`".to_owned());
            }
            At::new(name, table.id.place())
        }
    };
    names.take(&name, name.place(), errors);
    table.sysctl.apply(&format!("net.ipv4.conf.{}.", *name), sysctls, errors);
    table.sysctl6.apply(&format!("net.ipv6.conf.{}.", *name), sysctls, errors);
    let mtu = table.mtu.as_ref().map_or(*port.mtu, |mtu| **mtu);
    if let Some(own) = table.mtu.as_ref().filter(|own| ***own > *port.mtu) {
        let message = format!("the MTU of a VLAN cannot exceed its port's, which is {}", *port.mtu);
        errors.add(own.place(), message, None);
    }
    let (up, group) = (table.up, table.group);
    Vlan {
        id: *table.id,
        name,
        mtu,
        up,
        group,
        addresses: addresses(&table.addresses),
        addresses6: addresses6(&table.addresses),
    }
}

/// Those of IPv4.
pub(super) fn addresses(written: &[At<InterfaceAddress>]) -> Vec<At<Ipv4Net>> {
    let four = |address: &At<InterfaceAddress>| match address.0 {
        IpNet::V4(net) => Some(At::new(net, address.place())),
        IpNet::V6(_) => None,
    };
    written.iter().filter_map(four).collect()
}

/// Those of IPv6.
pub(super) fn addresses6(written: &[At<InterfaceAddress>]) -> Vec<At<Ipv6Net>> {
    let six = |address: &At<InterfaceAddress>| match address.0 {
        IpNet::V6(net) => Some(At::new(net, address.place())),
        IpNet::V4(_) => None,
    };
    written.iter().filter_map(six).collect()
}

/// An address belongs to one interface of a VRF, once. Interfaces without a subnet of their own may
/// share one.
fn check_addresses(ports: &[Port], vrfs: &[Vrf], errors: &mut Errors) {
    let mut seen: HashMap<_, (usize, &str, u8)> = HashMap::new();
    let vrf_of = |name: &str| {
        let holds = |vrf: &Vrf| *vrf.name == name || vrf.interfaces.iter().any(|own| **own == name);
        vrfs.iter().position(holds)
    };
    let of_ports = ports.iter().map(|port| (&port.name, &port.addresses));
    let of_vlans =
        ports.iter().flat_map(|port| &port.vlans).map(|vlan| (&vlan.name, &vlan.addresses));
    let of_vrfs = vrfs.iter().map(|vrf| (&vrf.name, &vrf.addresses));
    for (number, (name, addresses)) in of_ports.chain(of_vlans).chain(of_vrfs).enumerate() {
        let vrf = vrf_of(name);
        for address in addresses {
            let entry = (number, name.as_str(), address.prefix_len());
            let Some((first, owner, length)) = seen.insert((vrf, address.addr()), entry) else {
                continue;
            };
            if first == number && length == address.prefix_len() {
                let message = format!("{name:?} has this address already", name = **name);
                errors.add(address.place(), message, None);
            } else if first != number && length != 32 && address.prefix_len() != 32 {
                let hint = "interfaces can share an address only when one of them has it as /32";
                let message = format!("{} belongs to {owner:?} already", address.addr());
                errors.add(address.place(), message, hint.to_owned());
            }
        }
    }
}

fn routes(
    file: &File,
    names: &Names,
    vrfs: &[Vrf],
    errors: &mut Errors,
) -> Vec<At<crate::route::spec::RouteSpec>> {
    let mut seen = HashSet::new();
    let mut routes = Vec::with_capacity(file.route.len());
    for table in &file.route {
        for dev in table.devices() {
            names.known(dev, dev.place(), errors);
        }
        if let Some(id) = &table.nhid
            && !file.nexthop.iter().any(|nexthop| *nexthop.id == **id)
        {
            let hint = "add a [[nexthop]] with this `id`".to_owned();
            errors.add(id.place(), format!("there is no object with number {}", **id), hint);
        }
        let Some(spec) = table.spec(table.place(), vrfs, errors) else { continue };
        if !seen.insert((spec.table, spec.dst, spec.src, spec.tos, spec.metric)) {
            let hint = "give it another `metric`, or put several gateways into `nexthops`";
            let message = "there is another route to this destination with the same metric";
            errors.add(table.to.place(), message, hint.to_owned());
        }
        routes.push(At::new(spec, table.place()));
    }
    routes
}

fn neighbours(file: &File, names: &Names, errors: &mut Errors) -> Vec<At<Neighbour>> {
    let mut seen = HashSet::new();
    let mut neighbours = Vec::with_capacity(file.neighbour.len());
    for table in &file.neighbour {
        names.known(&table.dev, table.dev.place(), errors);
        if !seen.insert((*table.address, table.dev.0.as_str())) {
            let message = "there is another neighbour of this address on the interface";
            errors.add(table.address.place(), message, None);
        }
        let neighbour =
            Neighbour { address: *table.address, lladdr: table.lladdr, dev: table.dev.0.clone() };
        neighbours.push(At::new(neighbour, table.place()));
    }
    neighbours
}

fn workers(table: &WorkersTable, errors: &mut Errors) -> Option<Workers> {
    let cores = match (&table.cores, &table.count) {
        (Some(cores), Some(count)) => {
            let hint = "leave one of them out: `cores` says how many workers there are, too";
            errors.add(count.place(), "`cores` and `count` are both given", hint.to_owned());
            Cores::List(cores.clone())
        }
        (Some(cores), None) => Cores::List(cores.clone()),
        (None, count) => Cores::Count(count.as_ref().map_or(1, |count| **count)),
    };
    if let Cores::List(list) = &cores {
        let mut sorted = (**list).clone();
        sorted.sort_unstable();
        if sorted.is_empty() {
            errors.add(list.place(), "there is no core to run on", None);
        } else if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            errors.add(list.place(), "a core is listed twice", None);
        }
    }
    Some(Workers {
        cores,
        idle: super::idle(table.idle, table.spin_us, table.max_sleep_us),
        burst: table.burst,
        spread: table.spread,
    })
}
