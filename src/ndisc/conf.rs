//! Tunables of an interface, as `net.ipv6.conf.*` has them.

use std::net::Ipv6Addr;

use crate::{graph::Nanos, packet::MacAddr};

const SECOND: Nanos = 1_000_000_000;

/// Tunables of an interface by their names, those for all interfaces already counted in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conf {
    /// The interface is a router's (`forwarding`).
    pub forwarding: bool,
    /// `net.ipv6.conf.all.forwarding`.
    pub all_forwarding: bool,
    /// `disable_ipv6`.
    pub disable_ipv6: bool,
    /// `accept_ra`: never, on hosts, always.
    pub accept_ra: u8,
    /// `accept_ra_defrtr`.
    pub accept_ra_defrtr: bool,
    /// `accept_ra_pinfo`.
    pub accept_ra_pinfo: bool,
    /// `accept_ra_rtr_pref`.
    pub accept_ra_rtr_pref: bool,
    /// `accept_ra_rt_info_min_plen`.
    pub accept_ra_rt_info_min_plen: u8,
    /// `accept_ra_rt_info_max_plen`.
    pub accept_ra_rt_info_max_plen: u8,
    /// `accept_ra_mtu`.
    pub accept_ra_mtu: bool,
    /// `accept_ra_min_hop_limit`.
    pub accept_ra_min_hop_limit: u16,
    /// `accept_ra_min_lft`, seconds.
    pub accept_ra_min_lft: u32,
    /// `accept_ra_from_local`.
    pub accept_ra_from_local: bool,
    /// `ra_defrtr_metric`.
    pub ra_defrtr_metric: u32,
    /// `ra_honor_pio_life`.
    pub ra_honor_pio_life: bool,
    /// `ra_honor_pio_pflag`.
    pub ra_honor_pio_pflag: bool,
    /// `autoconf`.
    pub autoconf: bool,
    /// `max_addresses`, 0 for any number.
    pub max_addresses: usize,
    /// `router_solicitations`, negative for no end.
    pub router_solicitations: i32,
    /// `router_solicitation_delay`.
    pub router_solicitation_delay: Nanos,
    /// `router_solicitation_interval`.
    pub router_solicitation_interval: Nanos,
    /// `router_solicitation_max_interval`.
    pub router_solicitation_max_interval: Nanos,
    /// `router_probe_interval`.
    pub router_probe_interval: Nanos,
    /// `dad_transmits`.
    pub dad_transmits: u32,
    /// `accept_dad`, the greater of all's and the interface's.
    pub accept_dad: i32,
    /// `optimistic_dad`.
    pub optimistic_dad: bool,
    /// `use_optimistic`.
    pub use_optimistic: bool,
    /// `enhanced_dad`.
    pub enhanced_dad: bool,
    /// `use_tempaddr`.
    pub use_tempaddr: i32,
    /// `temp_valid_lft`, seconds.
    pub temp_valid_lft: u32,
    /// `temp_prefered_lft`, seconds.
    pub temp_prefered_lft: u32,
    /// `regen_max_retry`.
    pub regen_max_retry: u32,
    /// `regen_min_advance`, seconds.
    pub regen_min_advance: u32,
    /// `max_desync_factor`, seconds.
    pub max_desync_factor: u32,
    /// `addr_gen_mode`: EUI-64, none, stable, stable with a secret of chance.
    pub addr_gen_mode: u8,
    /// `stable_secret`.
    pub stable_secret: Option<Ipv6Addr>,
    /// Link-layer address that the device was made with, zero where it has none: part of what the
    /// secret makes addresses of.
    pub hardware: MacAddr,
    /// `net.ipv6.idgen_retries`.
    pub idgen_retries: u8,
    /// `net.ipv6.idgen_delay`.
    pub idgen_delay: Nanos,
    /// `keep_addr_on_down`.
    pub keep_addr_on_down: bool,
    /// `ndisc_notify`.
    pub ndisc_notify: bool,
    /// `drop_unsolicited_na`.
    pub drop_unsolicited_na: bool,
    /// `accept_untracked_na`.
    pub accept_untracked_na: u8,
    /// `proxy_ndp`.
    pub proxy_ndp: bool,
    /// `force_tllao`.
    pub force_tllao: bool,
    /// `accept_redirects`.
    pub accept_redirects: bool,
    /// `net.ipv6.neigh.*.retrans_time_ms`, which times the search for duplicates.
    pub retrans_time: Nanos,
}

impl Default for Conf {
    fn default() -> Self {
        Self {
            forwarding: false,
            all_forwarding: false,
            disable_ipv6: false,
            accept_ra: 1,
            accept_ra_defrtr: true,
            accept_ra_pinfo: true,
            accept_ra_rtr_pref: true,
            accept_ra_rt_info_min_plen: 0,
            accept_ra_rt_info_max_plen: 0,
            accept_ra_mtu: true,
            accept_ra_min_hop_limit: 1,
            accept_ra_min_lft: 0,
            accept_ra_from_local: false,
            ra_defrtr_metric: 1024,
            ra_honor_pio_life: false,
            ra_honor_pio_pflag: false,
            autoconf: true,
            max_addresses: 16,
            router_solicitations: -1,
            router_solicitation_delay: SECOND,
            router_solicitation_interval: 4 * SECOND,
            router_solicitation_max_interval: 3600 * SECOND,
            router_probe_interval: 60 * SECOND,
            dad_transmits: 1,
            accept_dad: 1,
            optimistic_dad: false,
            use_optimistic: false,
            enhanced_dad: true,
            use_tempaddr: 0,
            temp_valid_lft: 604_800,
            temp_prefered_lft: 86_400,
            regen_max_retry: 3,
            regen_min_advance: 2,
            max_desync_factor: 600,
            addr_gen_mode: 0,
            stable_secret: None,
            hardware: MacAddr::ZERO,
            idgen_retries: 3,
            idgen_delay: SECOND,
            keep_addr_on_down: false,
            ndisc_notify: false,
            drop_unsolicited_na: false,
            accept_untracked_na: 0,
            proxy_ndp: false,
            force_tllao: false,
            accept_redirects: true,
            retrans_time: SECOND,
        }
    }
}

impl Conf {
    /// Whether router advertisements are heard: on hosts by 1, on routers by 2. [8.76]
    pub const fn hears_routers(&self) -> bool {
        match self.forwarding {
            true => self.accept_ra == 2,
            false => self.accept_ra > 0,
        }
    }

    /// Time between questions for duplicates.
    pub fn probe_interval(&self) -> Nanos {
        self.retrans_time.max(SECOND / 100)
    }
}
