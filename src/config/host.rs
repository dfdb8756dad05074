//! What the tunables say of an interface as a host of its link: its addresses, the routers that it
//! hears, and how it speaks IGMP and MLD.

use super::sysctl::{ConfSysctl as Knob, Sysctl, Sysctls};
use crate::{
    multicast::{Igmp, Knobs, Mld, Protocol},
    ndisc::Conf,
};

const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;
/// In the place of an interface's name, for those that say nothing themselves.
const DEFAULT: &str = "default";

impl Sysctls {
    /// An interface as a host; what [`Sysctls::iface_conf6`] says is left out.
    pub fn host_conf(&self, interface: &str) -> Conf {
        let get = |sysctl| self.of_interface(interface, sysctl);
        let on = |sysctl| get(sysctl) != 0;
        let number = |sysctl| u32::try_from(get(sysctl)).unwrap_or(0);
        let seconds = |sysctl| u64::from(number(sysctl)) * SECOND;
        let secret = self.secrets.get(interface).or_else(|| self.secrets.get(DEFAULT)).copied();
        // Who says a secret wants addresses of it (`addrconf_sysctl_stable_secret`).
        let by_secret = secret.is_some() && !self.states(interface, Knob::AddrGenMode);
        Conf {
            accept_ra: number(Knob::AcceptRa) as u8,
            accept_ra_defrtr: on(Knob::AcceptRaDefrtr),
            accept_ra_pinfo: on(Knob::AcceptRaPinfo),
            accept_ra_rtr_pref: on(Knob::AcceptRaRtrPref),
            accept_ra_rt_info_min_plen: number(Knob::AcceptRaRtInfoMinPlen) as u8,
            accept_ra_rt_info_max_plen: number(Knob::AcceptRaRtInfoMaxPlen) as u8,
            accept_ra_mtu: on(Knob::AcceptRaMtu),
            accept_ra_min_hop_limit: number(Knob::AcceptRaMinHopLimit) as u16,
            accept_ra_min_lft: number(Knob::AcceptRaMinLft),
            accept_ra_from_local: on(Knob::AcceptRaFromLocal),
            ra_defrtr_metric: number(Knob::RaDefrtrMetric),
            ra_honor_pio_life: on(Knob::RaHonorPioLife),
            ra_honor_pio_pflag: on(Knob::RaHonorPioPflag),
            autoconf: on(Knob::Autoconf),
            max_addresses: number(Knob::MaxAddresses) as usize,
            router_solicitations: get(Knob::RouterSolicitations) as i32,
            router_solicitation_delay: seconds(Knob::RouterSolicitationDelay),
            router_solicitation_interval: seconds(Knob::RouterSolicitationInterval),
            router_solicitation_max_interval: seconds(Knob::RouterSolicitationMaxInterval),
            router_probe_interval: seconds(Knob::RouterProbeInterval),
            dad_transmits: number(Knob::DadTransmits),
            accept_dad: get(Knob::AcceptDad) as i32,
            optimistic_dad: on(Knob::OptimisticDad),
            use_optimistic: on(Knob::UseOptimistic),
            enhanced_dad: on(Knob::EnhancedDad),
            use_tempaddr: get(Knob::UseTempaddr) as i32,
            temp_valid_lft: number(Knob::TempValidLft),
            temp_prefered_lft: number(Knob::TempPreferedLft),
            regen_max_retry: number(Knob::RegenMaxRetry),
            regen_min_advance: number(Knob::RegenMinAdvance),
            max_desync_factor: number(Knob::MaxDesyncFactor),
            addr_gen_mode: if by_secret { 2 } else { number(Knob::AddrGenMode) as u8 },
            stable_secret: secret,
            idgen_retries: u8::try_from(self.get(Sysctl::IdgenRetries)).unwrap_or(u8::MAX),
            idgen_delay: u64::try_from(self.get(Sysctl::IdgenDelay)).unwrap_or(0) * SECOND,
            keep_addr_on_down: get(Knob::KeepAddrOnDown) > 0,
            ndisc_notify: on(Knob::NdiscNotify),
            drop_unsolicited_na: on(Knob::DropUnsolicitedNa),
            accept_untracked_na: number(Knob::AcceptUntrackedNa) as u8,
            force_tllao: on(Knob::ForceTllao),
            ..Conf::default()
        }
    }

    /// How an interface speaks MLD.
    pub fn mld_knobs(&self, interface: &str) -> Knobs {
        let get = |sysctl| u64::try_from(self.of_interface(interface, sysctl)).unwrap_or(0);
        let whole = |sysctl| usize::try_from(self.get(sysctl)).unwrap_or(0);
        Knobs {
            force: get(Knob::ForceMldVersion) as u8,
            robustness: u8::try_from(self.get(Sysctl::MldQrv)).unwrap_or(u8::MAX),
            unsolicited_old: get(Knob::Mldv1UnsolicitedReportInterval) * MILLISECOND,
            unsolicited_new: get(Knob::Mldv2UnsolicitedReportInterval) * MILLISECOND,
            max_sources: whole(Sysctl::MldMaxMsf),
            ..Mld::knobs()
        }
    }

    /// How an interface speaks IGMP.
    pub fn igmp_knobs(&self, interface: &str) -> Knobs {
        let get = |sysctl| u64::try_from(self.of_interface(interface, sysctl)).unwrap_or(0);
        let whole = |sysctl| usize::try_from(self.get(sysctl)).unwrap_or(0);
        // Forcing the newest version forces nothing, unlike in MLD.
        let force = Igmp::force(0, get(Knob::ForceIgmpVersion) as u8);
        Knobs {
            force,
            robustness: u8::try_from(self.get(Sysctl::IgmpQrv)).unwrap_or(u8::MAX),
            unsolicited_old: get(Knob::Igmpv2UnsolicitedReportInterval) * MILLISECOND,
            unsolicited_new: get(Knob::Igmpv3UnsolicitedReportInterval) * MILLISECOND,
            max_memberships: whole(Sysctl::IgmpMaxMemberships),
            max_sources: whole(Sysctl::IgmpMaxMsf),
            link_local_reports: self.is_on(Sysctl::IgmpLinkLocalMcastReports),
            ..Igmp::knobs()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_is_what_linux_does() {
        let sysctls = Sysctls::default();
        assert_eq!(sysctls.host_conf("lan"), Conf::default());
        assert_eq!(sysctls.mld_knobs("lan"), Mld::knobs());
        assert_eq!(sysctls.igmp_knobs("lan"), Igmp::knobs());
    }

    /// Shows [8.88].
    #[test]
    fn a_secret_makes_addresses_unless_another_way_is_said() {
        let mut sysctls = Sysctls::default();
        let secret = |text: &str| text.parse().ok();
        let of = |sysctls: &Sysctls, name: &str| {
            let conf = sysctls.host_conf(name);
            (conf.addr_gen_mode, conf.stable_secret)
        };
        sysctls.set_list("net/ipv6/conf/lan.5/stable_secret", "2001:db8::5").unwrap();
        assert_eq!(of(&sysctls, "lan.5"), (2, secret("2001:db8::5")));
        assert_eq!(of(&sysctls, "wan"), (0, None));
        sysctls.set_list("net.ipv6.conf.default.stable_secret", "::7").unwrap();
        sysctls.set("net.ipv6.conf.wan.addr_gen_mode", 0).unwrap();
        assert_eq!(of(&sysctls, "lan.5"), (2, secret("2001:db8::5")));
        assert_eq!((of(&sysctls, "dmz"), of(&sysctls, "wan").0), ((2, secret("::7")), 0));
        for (name, value) in [("all", "::1"), ("lan", "10.0.0.1"), ("lan", "")] {
            let name = format!("net.ipv6.conf.{name}.stable_secret");
            assert!(sysctls.set_list(&name, value).is_err(), "{name} {value}");
        }
    }
}
