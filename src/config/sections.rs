//! The keys of the file: what the router is made of, how much it holds, and what it does at start.

use std::path::PathBuf;

use super::{
    advertise::AdvertiseTable,
    nat64::Nat64Table,
    policy::{NexthopTable, RuleTable, VrfTable},
    route::{NeighbourTable, RouteTable},
    section::section,
    sysctl::SysctlTable,
    value::{At, InterfaceAddress, InterfaceName, Word, choices, words},
};
use crate::{conntrack::nat::cone::Filtering, dpdk::eal::Huge, packet::MacAddr};

/// Largest MTU that DPDK's drivers take with an Ethernet header (`RTE_ETHER_MAX_JUMBO_FRAME_LEN`).
const MTU_MAX: i128 = 16_110;
/// Least MTU that IPv4 allows (RFC 791 section 3.1).
const MTU_MIN: i128 = 68;

section! {
    /// The whole file.
    pub(super) struct File {
        /// What this router is called.
        instance "instance": Instance = Instance::empty();
        /// How DPDK starts.
        dpdk "dpdk": Dpdk = Dpdk::empty();
        /// Memory that packets are kept in.
        buffers "buffers": Buffers = Buffers::empty();
        /// The threads that forward packets.
        workers "workers": WorkersTable = WorkersTable::empty();
        /// Memory of recent decisions, one a worker.
        cache "cache": Cache = Cache::empty();
        /// What is done with TCP connections in transit.
        tcp "tcp": Tcp = Tcp::empty();
        /// How much the tables hold; memory is taken as they fill.
        limits "limits": Limits = Limits::empty();
        /// The packet filter.
        netfilter "netfilter": Netfilter = Netfilter::empty();
        /// Translation between IPv6 and IPv4 (RFC 6146).
        nat64 "nat64": Nat64Table = Nat64Table::empty();
        /// Where tools ask the running router.
        telemetry "telemetry": Telemetry = Telemetry::empty();
        /// Ports: devices that packets come from and go to. One table for each.
        port "port": Vec<At<PortTable>> = Some(Vec::new());
        /// VLANs written apart from their ports; the same as `[[port.vlan]]` with `port` in addition.
        vlan "vlan": Vec<At<ApartVlanTable>> = Some(Vec::new());
        /// VRFs: interfaces with tables, local addresses and neighbours of their own. One table for
        /// each.
        vrf "vrf": Vec<At<VrfTable>> = Some(Vec::new());
        /// Next-hop objects, in the words of `ip nexthop`: routes name them by number. One table
        /// for each.
        nexthop "nexthop": Vec<At<NexthopTable>> = Some(Vec::new());
        /// Rules, in the words of `ip rule`: which table is asked for a packet. One table for each.
        rule "rule": Vec<At<RuleTable>> = Some(Vec::new());
        /// Routes, in the words of `ip route`. One table for each.
        route "route": Vec<At<RouteTable>> = Some(Vec::new());
        /// Routes from a file beside.
        routes "routes": RoutesTable = RoutesTable::empty();
        /// Neighbours that need no question. One table for each.
        neighbour "neighbour": Vec<At<NeighbourTable>> = Some(Vec::new());
        /// What hosts of a link are told, in the words of radvd. One table for each interface.
        advertise "advertise": Vec<At<AdvertiseTable>> = Some(Vec::new());
        /// Tunables by their names in /proc/sys, in quotes.
        sysctl "sysctl": SysctlTable = Some(SysctlTable::default());
    }
}

section! {
    /// What this router is called.
    pub struct Instance {
        /// Name that tells routers on one machine apart: small letters, digits and hyphens.
        name "name": InstanceName = InstanceName::parse("wagonway").ok();
    }
}

section! {
    /// How DPDK starts.
    pub struct Dpdk {
        /// Whether packet memory comes from hugepages: when there are enough, always, or never.
        huge "huge": Huge = Some(Huge::Auto);
        /// Leave no files behind and share nothing with other processes.
        in_memory "in-memory": bool = Some(true);
        /// MiB of packet memory to take at start; as much as the buffers need unless given.
        memory_mib "memory-mib": Option<u32> = Some(None), in 16..=1_048_576;
        /// Further arguments for DPDK's environment abstraction layer, last on its line.
        extra_args "extra-args": Vec<String> = Some(Vec::new());
        /// Widest vector instructions that DPDK may use, in bits.
        max_simd "max-simd": Option<Simd> = Some(None);
    }
}

choices!(Huge { "auto" = Huge::Auto, "always" = Huge::Always, "never" = Huge::Never });

section! {
    /// Memory that packets are kept in.
    pub struct Buffers {
        /// How many packets there is room for; what queues, workers and waiting packets need unless
        /// given.
        count "count": Option<u32> = Some(None), in 1024..=16_777_215;
        /// Buffers that each worker keeps at hand; 256, or twice `workers.burst` where that is more, unless
        /// given.
        cache "cache": Option<u32> = Some(None), in 0..=512;
        /// Bytes of one buffer, DPDK's headroom of 128 included; at least 2176, and a frame of the
        /// largest MTU, unless given.
        data_room "data-room": Option<u16> = Some(None), in 2176..=65_535;
    }
}

section! {
    /// The threads that forward packets.
    pub(super) struct WorkersTable {
        /// Processor cores to run on, one worker each.
        cores "cores": Option<At<Vec<u16>>> = Some(None);
        /// Number of workers, on cores that the router chooses; instead of `cores`.
        count "count": Option<At<u16>> = Some(None), in 1..=128;
        /// What a worker does when nothing comes: poll on, or sleep a little.
        idle "idle": IdleWord = Some(IdleWord::Adaptive);
        /// Microseconds that an adaptive worker polls on after the last packet.
        spin_us "spin-us": u32 = Some(50), in 0..=1_000_000;
        /// Longest sleep of an adaptive worker in microseconds: the most that a packet may wait.
        max_sleep_us "max-sleep-us": u32 = Some(200), in 1..=1_000_000;
        /// Most packets taken from a queue at once; of large ones at most 32.
        burst "burst": u16 = Some(128), in 1..=256;
        /// How packets are spread over workers: by the device's queues, by a hash in software, or
        /// not at all.
        spread "spread": Spread = Some(Spread::Rss);
    }
}

section! {
    /// Memory of recent decisions, one a worker.
    pub struct Cache {
        /// Remember the decision for recent destinations.
        destinations "destinations": bool = Some(false);
        /// Destinations that each worker remembers; rounded up to a power of two.
        entries "entries": u32 = Some(8192), in 2..=16_777_216;
    }
}

section! {
    /// What is done with TCP connections in transit.
    pub struct Tcp {
        /// Lower the maximum segment size that they agree on to the route's `advmss`, or to what the
        /// route's or the interface's MTU holds.
        clamp_mss "clamp-mss": bool = Some(false);
    }
}

section! {
    /// How much the tables hold; memory is taken as they fill.
    pub struct Limits {
        /// Routes.
        routes "routes": u32 = Some(2_000_000), in 16..=16_000_000;
        /// Forwarding entries: next hops, neighbours and groups of them.
        nexthops "nexthops": u32 = Some(65_536), in 64..=16_000_000;
        /// Neighbours.
        neighbours "neighbours": u32 = Some(16_384), in 16..=4_000_000;
        /// Blocks of 256 entries for routes longer than /24, of 1 KiB each.
        fib_groups "fib-groups": u32 = Some(65_536), in 16..=8_388_608;
        /// Connections that are tracked, over all workers, each of which has its share; of 256 bytes each,
        /// which are taken as they come.
        connections "connections": u32 = Some(262_144), in 64..=64_000_000;
        /// Connections, over all workers, whose memory is made ready as soon as any are tracked; at most
        /// `connections`. There is always room for 32,768 to 65,536 more than each worker has; one that
        /// makes them faster than that grows waits for the kernel, some milliseconds each time.
        connections_ready "connections-ready": At<u32> = Some(At::new(0, 0..0)), in 0..=64_000_000;
        /// Directions of established connections, of each worker and family, whose packets take the short
        /// way past rules that would say the same of each; 0 sends all the long way.
        flowtable "flowtable": u32 = Some(65_536), in 0..=16_000_000;
    }
}

section! {
    /// Where tools ask the running router.
    pub struct Telemetry {
        /// Path of the socket; /run/wagonway/NAME.sock for root, and a directory of one's own for
        /// everybody else, unless given.
        socket "socket": Option<PathBuf> = Some(None);
    }
}

section! {
    /// A port.
    pub(super) struct PortTable {
        /// Name of the interface.
        name "name": At<InterfaceName> = None;
        /// Where packets come from and go to: a PCI address such as "0000:01:00.0", or
        /// "af_xdp:IF", "af_packet:IF", "tap:NAME", "pcap:IN[,OUT]", "null", "ring", "memif:PATH",
        /// "vhost:PATH". `run` needs it, `replay` does not.
        device "device": Option<At<DeviceName>> = Some(None);
        /// Link-layer address to use in place of the device's.
        mac "mac": Option<MacAddr> = Some(None);
        /// Largest IPv4 packet in bytes.
        mtu "mtu": At<u16> = Some(At::new(1500, 0..0)), in MTU_MIN..=MTU_MAX;
        /// Receive queues; one a worker unless given.
        rx_queues "rx-queues": Option<u16> = Some(None), in 1..=128;
        /// Packets that each receive queue holds; 1024 unless given, and 4096 for af_xdp, whose
        /// worker may have to wait for a processor.
        rx_descriptors "rx-descriptors": Option<u16> = Some(None), in 32..=32_768;
        /// Packets that each transmit queue holds; as for `rx-descriptors`.
        tx_descriptors "tx-descriptors": Option<u16> = Some(None), in 32..=32_768;
        /// Administratively up.
        up "up": bool = Some(true);
        /// Group of interfaces, which `suppress-ifgroup` of a rule may name.
        group "group": u32 = Some(0);
        /// Addresses of the interface, each with the length of its subnet's prefix.
        addresses "addresses": Vec<At<InterfaceAddress>> = Some(Vec::new());
        /// Tunables of this interface by the last word of their names: { forwarding = 0 }.
        sysctl "sysctl": SysctlTable = Some(SysctlTable::default());
        /// The same of IPv6, `net.ipv6.conf`: { accept_ra = 2 }.
        sysctl6 "sysctl6": SysctlTable = Some(SysctlTable::default());
        /// VLANs on this port. One table for each.
        vlan "vlan": Vec<At<VlanTable>> = Some(Vec::new());
    }
}

section! {
    /// A VLAN on a port.
    pub(super) struct VlanTable {
        /// VLAN id (IEEE 802.1Q).
        id "id": At<u16> = None, in 1..=4094;
        /// Name of the interface; PORT.ID unless given.
        name "name": Option<At<InterfaceName>> = Some(None);
        /// Largest IPv4 packet in bytes; the port's unless given.
        mtu "mtu": Option<At<u16>> = Some(None), in MTU_MIN..=MTU_MAX;
        /// Administratively up.
        up "up": bool = Some(true);
        /// Group of interfaces, which `suppress-ifgroup` of a rule may name.
        group "group": u32 = Some(0);
        /// Addresses of the interface, each with the length of its subnet's prefix.
        addresses "addresses": Vec<At<InterfaceAddress>> = Some(Vec::new());
        /// Tunables of this interface by the last word of their names: { forwarding = 0 }.
        sysctl "sysctl": SysctlTable = Some(SysctlTable::default());
        /// The same of IPv6, `net.ipv6.conf`: { accept_ra = 2 }.
        sysctl6 "sysctl6": SysctlTable = Some(SysctlTable::default());
    }
}

section! {
    /// A VLAN, written apart from its port.
    pub(super) struct ApartVlanTable {
        /// Name of the port it is on.
        port "port": At<InterfaceName> = None;
        /// VLAN id (IEEE 802.1Q).
        id "id": At<u16> = None, in 1..=4094;
        /// Name of the interface; PORT.ID unless given.
        name "name": Option<At<InterfaceName>> = Some(None);
        /// Largest IPv4 packet in bytes; the port's unless given.
        mtu "mtu": Option<At<u16>> = Some(None), in MTU_MIN..=MTU_MAX;
        /// Administratively up.
        up "up": bool = Some(true);
        /// Group of interfaces, which `suppress-ifgroup` of a rule may name.
        group "group": u32 = Some(0);
        /// Addresses of the interface, each with the length of its subnet's prefix.
        addresses "addresses": Vec<At<InterfaceAddress>> = Some(Vec::new());
        /// Tunables of this interface by the last word of their names: { forwarding = 0 }.
        sysctl "sysctl": SysctlTable = Some(SysctlTable::default());
        /// The same of IPv6, `net.ipv6.conf`: { accept_ra = 2 }.
        sysctl6 "sysctl6": SysctlTable = Some(SysctlTable::default());
    }
}

section! {
    /// The packet filter.
    pub(super) struct Netfilter {
        /// Rules of IPv4 as `iptables-save` prints them; a relative path starts at the configuration
        /// file.
        iptables "iptables": Option<At<PathBuf>> = Some(None);
        /// Rules of IPv6 as `ip6tables-save` prints them.
        ip6tables "ip6tables": Option<At<PathBuf>> = Some(None);
        /// Rules as `nft -j list ruleset` prints them.
        nftables "nftables": Option<At<PathBuf>> = Some(None);
        /// Sets as `ipset save` prints them, which are there before the rules.
        ipset "ipset": Option<At<PathBuf>> = Some(None);
        /// Timeouts with names, a command of `nfct` a line, which are there before the rules.
        nfct "nfct": Option<At<PathBuf>> = Some(None);
        /// Track connections though no rule asks for it.
        track "track": bool = Some(false);
        /// Most lines about packets that are written to the log in a second; `wagonway show log` has
        /// the last of all.
        log_rate "log-rate": u32 = Some(100), in 0..=1_000_000;
        /// Directory for packets of `NFLOG`, one capture a group; nobody has them unless given.
        nflog "nflog": Option<At<PathBuf>> = Some(None);
        /// MiB of one capture of `NFLOG`; it gives way to a new one when it is full, and the one
        /// before is kept.
        nflog_mib "nflog-mib": u32 = Some(64), in 1..=1_000_000;
        /// Path of a socket by which programs decide on packets of `NFQUEUE`; there is none unless given.
        queues "queues": Option<At<PathBuf>> = Some(None);
        /// Which outer port a translated source has: one for each end that it talks with, as Linux
        /// chooses them, or one for all (RFC 4787 section 4.1).
        mapping "mapping": Mapping = Some(Mapping::AddressAndPortDependent);
        /// Who may send through an outer port: who was sent to from it, or anybody, which makes
        /// mappings independent of the other end as well (RFC 4787 section 5).
        filtering "filtering": Filtering = Some(Filtering::AddressAndPortDependent);
        /// Blocks of ports for each address inside, each logged when it is taken and given back (RFC 6888).
        /// `SNAT` and `MASQUERADE` without ports take theirs from them.
        blocks "blocks": BlocksTable = BlocksTable::empty();
    }
}

section! {
    /// Blocks of ports.
    pub(super) struct BlocksTable {
        /// Ports of a block; without it there are none.
        size "size": Option<At<u16>> = Some(None), in 8..=16_384;
        /// Most blocks of an address inside.
        most "most": u8 = Some(4), in 1..=8;
        /// First port that is given out.
        first "first": u16 = Some(1024), in 1..=65_535;
        /// Last one.
        last "last": u16 = Some(65_535), in 1..=65_535;
        /// Most addresses inside that have blocks at a time.
        subscribers "subscribers": u32 = Some(16_384), in 1..=4_000_000;
        /// Most outer addresses that blocks are taken of at a time.
        addresses "addresses": u32 = Some(64), in 1..=4096;
    }
}

/// Which outer port a translated source has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapping {
    AddressAndPortDependent,
    EndpointIndependent,
}

choices!(Mapping {
    "address-and-port-dependent" = Mapping::AddressAndPortDependent,
    "endpoint-independent" = Mapping::EndpointIndependent,
});

choices!(Filtering {
    "address-and-port-dependent" = Filtering::AddressAndPortDependent,
    "endpoint-independent" = Filtering::EndpointIndependent,
});

section! {
    /// Routes from a file beside.
    pub(super) struct RoutesTable {
        /// A file with one route a line, as `ip route show` prints them or as `ip route add` takes
        /// them; a relative path starts at the configuration file.
        file "file": Option<At<PathBuf>> = Some(None);
    }
}

/// How packets are spread over workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// By the receive queues of the device.
    Rss,
    /// By a hash over addresses and ports, in software.
    Hash,
    /// Not at all: each port belongs to one worker.
    Off,
}

choices!(Spread { "rss" = Spread::Rss, "hash" = Spread::Hash, "off" = Spread::Off });

/// `idle` as written; its times are keys of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdleWord {
    Poll,
    Adaptive,
}

choices!(IdleWord { "poll" = IdleWord::Poll, "adaptive" = IdleWord::Adaptive });

/// Width of vector instructions in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simd(pub u16);

impl super::value::Value for Simd {
    fn what() -> String {
        "64, 128, 256 or 512".into()
    }

    fn read(
        value: &toml::Spanned<toml::de::DeValue<'_>>,
        errors: &mut super::value::Errors,
    ) -> Option<Self> {
        match super::value::integer(value.get_ref()) {
            Some(bits @ (64 | 128 | 256 | 512)) => Some(Self(bits as u16)),
            _ => {
                errors.add(value.span(), format!("expected {}", Self::what()), None);
                None
            }
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

words!(InstanceName, DeviceName);

/// Name of a router on its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceName(String);

/// Longest name of an instance: it becomes part of file names and of DPDK's.
const INSTANCE_MAX: usize = 48;

impl InstanceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a name, as a command line gives it.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|(message, _)| message)
    }
}

impl std::fmt::Display for InstanceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl Word for InstanceName {
    const WHAT: &'static str = "a name of small letters, digits and hyphens";

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.starts_with('-') || !text.chars().all(good) {
            return Err((format!("{text:?} is not {}", Self::WHAT), None));
        }
        if text.len() > INSTANCE_MAX {
            return Err((format!("{text:?} is longer than {INSTANCE_MAX} characters"), None));
        }
        Ok(Self(text.to_owned()))
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// A device as written. Whether it is there is found out when the port is opened: a file may be
/// checked on another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceName(String);

impl std::ops::Deref for DeviceName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Kinds of devices, and whether something must follow the colon.
const DEVICE_KINDS: &[(&str, bool)] = &[
    ("af_xdp", true),
    ("af_packet", true),
    ("tap", true),
    ("pcap", true),
    ("null", false),
    ("ring", false),
    ("memif", true),
    ("vhost", true),
];

impl Word for DeviceName {
    const WHAT: &'static str = "a device such as \"0000:01:00.0\" or \"af_xdp:eth0\"";

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let short = text.split(['.', ':']).map(str::len).collect::<Vec<_>>();
        let hex = text.chars().all(|c| c.is_ascii_hexdigit() || c == ':' || c == '.');
        if hex && (short == [2, 2, 1] || short == [4, 2, 2, 1]) {
            return Ok(Self(text.to_owned()));
        }
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match DEVICE_KINDS.iter().find(|(known, _)| *known == kind) {
            Some((_, true)) if rest.is_empty() => Err((
                format!("nothing follows {kind:?} in {text:?}"),
                Some(format!("write \"{kind}:...\"")),
            )),
            Some(_) => Ok(Self(text.to_owned())),
            None => {
                let kinds = DEVICE_KINDS.iter().map(|(kind, _)| *kind);
                let hint = match super::error::suggest(kind, kinds) {
                    Some(near) => format!("did you mean \"{}\"?", text.replacen(kind, near, 1)),
                    None => format!(
                        "write a PCI address such as 0000:01:00.0, or for an interface of the kernel \
                         \"af_xdp:{text}\" or \"af_packet:{text}\""
                    ),
                };
                Err((format!("{text:?} is not a device"), Some(hint)))
            }
        }
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}
