//! Tunables of IPv6 from the configuration.

use crate::{
    config::{Config, Sysctl},
    icmp6::table::Rules,
    ip6::table::{ReassemblyRules, Tunables6},
    packet::ipv6::option::Limits,
};

/// Values of the tunables of IPv6.
pub(super) fn tunables(config: &Config) -> Tunables6 {
    let get = |sysctl| config.sysctls.get(sysctl);
    let on = |sysctl| config.sysctls.is_on(sysctl);
    let number = |sysctl| u32::try_from(get(sysctl)).unwrap_or(u32::MAX);
    let limits = |count, len| Limits {
        count: get(count).clamp(i32::MIN.into(), i32::MAX.into()) as i32,
        len: get(len).clamp(0, i32::MAX.into()) as i32,
    };
    Tunables6 {
        hop_by_hop: limits(Sysctl::Ip6MaxHbhOptsNumber, Sysctl::Ip6MaxHbhLength),
        destination: limits(Sysctl::Ip6MaxDstOptsNumber, Sysctl::Ip6MaxDstOptsLength),
        reassembly: ReassemblyRules {
            time: u64::from(number(Sysctl::Ip6fragTime)) * 1_000_000_000,
            high_thresh: number(Sysctl::Ip6fragHighThresh) as usize,
        },
        icmp: Rules {
            ratelimit_ms: number(Sysctl::Icmp6Ratelimit),
            echo_ignore_all: on(Sysctl::Icmp6EchoIgnoreAll),
            echo_ignore_multicast: on(Sysctl::Icmp6EchoIgnoreMulticast),
            echo_ignore_anycast: on(Sysctl::Icmp6EchoIgnoreAnycast),
            anycast_source: on(Sysctl::AnycastSrcEchoReply),
            errors_to_anycast: on(Sysctl::Icmp6ErrorAnycastAsUnicast),
            ratemask: config.sysctls.icmp6_ratemask(),
        },
        auto_flowlabels: number(Sysctl::AutoFlowlabels) as u8,
        flowlabel_reflect: number(Sysctl::FlowlabelReflect) as u8,
        fwmark_reflect: on(Sysctl::Ip6FwmarkReflect),
        flowlabel_state_ranges: on(Sysctl::FlowlabelStateRanges),
    }
}
