//! What hosts of a link are told, `[[advertise]]`, in the words and with the figures of
//! `radvd.conf(5)`.
//!
//! - obeys: RFC 4861 section 6.2.1; what radvd refuses is refused here

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::{
    build::Names,
    section::section,
    value::{At, Errors, InterfaceName, Word, choices, whole, words},
};
use crate::{
    ndisc::{AdvertisedRoute, Domains, Prefix, Servers, Settings},
    packet::ndisc::{Pref64, Preference, PrefixInfo},
};

const SECOND: u64 = 1_000_000_000;
/// The most that a lifetime holds, which is for ever.
const FOREVER: i128 = u32::MAX as i128;

section! {
    /// Router advertisements of an interface.
    pub(super) struct AdvertiseTable {
        /// Interface.
        dev "dev": At<InterfaceName> = None;
        /// Longest time between advertisements to all, in seconds (MaxRtrAdvInterval).
        max_interval "max-interval": At<u32> = Some(At::new(600, 0..0)), in 4..=1800;
        /// Shortest time, in seconds (MinRtrAdvInterval); a third of the longest unless given.
        min_interval "min-interval": Option<At<u32>> = Some(None), in 3..=1350;
        /// Shortest time between two advertisements to all whatever is asked, in seconds
        /// (MinDelayBetweenRAs).
        min_delay "min-delay": u32 = Some(3), in 1..=1800;
        /// Tell only those who ask (UnicastOnly).
        unicast_only "unicast-only": bool = Some(false);
        /// Answer those who ask alone, and not all (AdvRASolicitedUnicast).
        unicast_answers "unicast-answers": bool = Some(true);
        /// Hosts get addresses by DHCPv6 (AdvManagedFlag).
        managed "managed": bool = Some(false);
        /// Hosts get other things by DHCPv6 (AdvOtherConfigFlag).
        other_config "other-config": bool = Some(false);
        /// MTU of the link (AdvLinkMTU).
        mtu "mtu": Option<u32> = Some(None), in 1280..=65_535;
        /// Milliseconds for which a neighbour that answered counts as reachable (AdvReachableTime); 0
        /// leaves it to hosts.
        reachable_time "reachable-time": u32 = Some(0), in 0..=3_600_000;
        /// Milliseconds between two questions for a neighbour (AdvRetransTimer); 0 leaves it to hosts.
        retrans_timer "retrans-timer": u32 = Some(0);
        /// Hop limit of what hosts send (AdvCurHopLimit); 0 leaves it to hosts.
        hop_limit "hop-limit": u8 = Some(64);
        /// Seconds for which this is a default router (AdvDefaultLifetime), 0 for never; three times
        /// the longest interval unless given.
        lifetime "lifetime": Option<At<u16>> = Some(None);
        /// Rank among default routers (AdvDefaultPreference).
        preference "preference": Preference = Some(Preference::Medium);
        /// Tell the router's link-layer address (AdvSourceLLAddress).
        source_lladdr "source-lladdr": bool = Some(true);
        /// Prefixes of the link. One table for each.
        prefix "prefix": Vec<At<PrefixTable>> = Some(Vec::new());
        /// Prefixes behind the router (RFC 4191). One table for each.
        route "route": Vec<At<RouteTable>> = Some(Vec::new());
        /// Servers of names (RFC 8106). One table for each.
        rdnss "rdnss": Vec<At<RdnssTable>> = Some(Vec::new());
        /// Domains where short names are looked for (RFC 8106). One table for each.
        dnssl "dnssl": Vec<At<DnsslTable>> = Some(Vec::new());
        /// Prefixes of NAT64 (RFC 8781). One table for each.
        nat64prefix "nat64prefix": Vec<At<Nat64Table>> = Some(Vec::new());
        /// Where the captive portal tells of itself (AdvCaptivePortalAPI, RFC 8910).
        captive_portal "captive-portal": Option<String> = Some(None);
        /// Hosts that alone are told (clients).
        clients "clients": Vec<Host6> = Some(Vec::new());
    }
}

section! {
    /// A prefix of the link.
    pub(super) struct PrefixTable {
        /// The prefix.
        prefix "prefix": At<Net6> = None;
        /// Its addresses are on the link (AdvOnLink).
        on_link "on-link": bool = Some(true);
        /// Hosts make addresses of it (AdvAutonomous).
        autonomous "autonomous": bool = Some(true);
        /// Seconds for which it is valid (AdvValidLifetime); 4294967295 for ever.
        valid_lifetime "valid-lifetime": u32 = Some(86_400), in 0..=FOREVER;
        /// Seconds for which its addresses are preferred (AdvPreferredLifetime).
        preferred_lifetime "preferred-lifetime": u32 = Some(14_400), in 0..=FOREVER;
        /// Lifetimes decrease from the start on (DecrementLifetimes).
        decrement_lifetimes "decrement-lifetimes": bool = Some(false);
        /// Take it back when the router ends (DeprecatePrefix).
        deprecate "deprecate": bool = Some(false);
    }
}

section! {
    /// A prefix behind the router.
    pub(super) struct RouteTable {
        /// The prefix.
        prefix "prefix": At<Net6> = None;
        /// Seconds for which it holds (AdvRouteLifetime); three times the longest interval unless given.
        lifetime "lifetime": Option<u32> = Some(None), in 0..=FOREVER;
        /// Rank among routers that tell the same (AdvRoutePreference).
        preference "preference": Preference = Some(Preference::Medium);
        /// Take it back when the router ends (RemoveRoute).
        remove "remove": bool = Some(true);
    }
}

section! {
    /// Servers of names.
    pub(super) struct RdnssTable {
        /// Their addresses.
        servers "servers": At<Vec<Host6>> = None;
        /// Seconds for which they may be asked (AdvRDNSSLifetime); three times the longest interval
        /// unless given.
        lifetime "lifetime": Option<u32> = Some(None), in 0..=FOREVER;
        /// Take them back when the router ends (FlushRDNSS).
        flush "flush": bool = Some(true);
    }
}

section! {
    /// Domains where short names are looked for.
    pub(super) struct DnsslTable {
        /// The domains.
        domains "domains": At<Vec<String>> = None;
        /// Seconds for which that holds (AdvDNSSLLifetime); three times the longest interval unless
        /// given.
        lifetime "lifetime": Option<u32> = Some(None), in 0..=FOREVER;
        /// Take them back when the router ends (FlushDNSSL).
        flush "flush": bool = Some(true);
    }
}

section! {
    /// A prefix of NAT64.
    pub(super) struct Nat64Table {
        /// The prefix, of 96, 64, 56, 48, 40 or 32 bits.
        prefix "prefix": At<Net6> = None;
        /// Seconds for which it holds (AdvValidLifetime), rounded down to a multiple of 8; three times
        /// the longest interval unless given.
        lifetime "lifetime": Option<u32> = Some(None), in 0..=65_528;
    }
}

choices!(Preference {
    "low" = Preference::Low,
    "medium" = Preference::Medium,
    "high" = Preference::High,
});

words!(Net6, Host6);

/// A prefix of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Net6(Ipv6Net);

impl Word for Net6 {
    const WHAT: &'static str = "a prefix such as \"2001:db8:1::/64\"";

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let net: Ipv6Net =
            text.parse().map_err(|_| (format!("{text:?} is not {}", Self::WHAT), None))?;
        whole(text, net.into())?;
        Ok(Self(net))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// An address of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Host6(Ipv6Addr);

impl Word for Host6 {
    const WHAT: &'static str = "an IPv6 address such as \"2001:db8::53\"";

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        text.parse().map(Self).map_err(|_| (format!("{text:?} is not {}", Self::WHAT), None))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// What an interface tells hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertise {
    /// The interface.
    pub dev: At<String>,
    /// What it tells.
    pub settings: Settings,
}

impl AdvertiseTable {
    fn settings(&self) -> Settings {
        let three = 3 * *self.max_interval;
        let prefix = |table: &At<PrefixTable>| Prefix {
            info: PrefixInfo {
                prefix: table.prefix.0.network(),
                len: table.prefix.0.prefix_len(),
                on_link: table.on_link,
                autonomous: table.autonomous,
                router_address: false,
                prefers_delegation: false,
                valid: table.valid_lifetime,
                preferred: table.preferred_lifetime,
            },
            decrements: table.decrement_lifetimes,
            deprecates: table.deprecate,
        };
        let route = |table: &At<RouteTable>| AdvertisedRoute {
            prefix: table.prefix.0.network(),
            len: table.prefix.0.prefix_len(),
            preference: table.preference,
            lifetime: table.lifetime,
            removes: table.remove,
        };
        let rdnss = |table: &At<RdnssTable>| Servers {
            servers: table.servers.iter().map(|server| server.0).collect(),
            lifetime: table.lifetime,
            flushes: table.flush,
        };
        let dnssl = |table: &At<DnsslTable>| Domains {
            domains: table.domains.to_vec(),
            lifetime: table.lifetime,
            flushes: table.flush,
        };
        let nat64 = |table: &At<Nat64Table>| Pref64 {
            prefix: table.prefix.0.network(),
            len: table.prefix.0.prefix_len(),
            lifetime: (table.lifetime.unwrap_or(three).min(65_528) & !7) as u16,
        };
        Settings {
            max_interval: u64::from(*self.max_interval) * SECOND,
            min_interval: self.min_interval.as_ref().map(|seconds| u64::from(**seconds) * SECOND),
            min_delay: u64::from(self.min_delay) * SECOND,
            unicast_only: self.unicast_only,
            unicast_answers: self.unicast_answers,
            managed: self.managed,
            other: self.other_config,
            mtu: self.mtu,
            reachable_time: self.reachable_time,
            retrans_timer: self.retrans_timer,
            hop_limit: self.hop_limit,
            lifetime: self.lifetime.as_ref().map(|seconds| **seconds),
            preference: self.preference,
            source_mac: self.source_lladdr,
            prefixes: self.prefix.iter().map(prefix).collect(),
            routes: self.route.iter().map(route).collect(),
            servers: self.rdnss.iter().map(rdnss).collect(),
            domains: self.dnssl.iter().map(dnssl).collect(),
            captive_portal: self.captive_portal.clone(),
            nat64: self.nat64prefix.iter().map(nat64).collect(),
            clients: self.clients.iter().map(|host| host.0).collect(),
        }
    }
}

/// Reads what is told to hosts, once for each interface.
pub(super) fn advertise(
    tables: &[At<AdvertiseTable>],
    names: &Names,
    errors: &mut Errors,
) -> Vec<Advertise> {
    let mut read: Vec<Advertise> = Vec::new();
    for table in tables {
        names.known(&table.dev, table.dev.place(), errors);
        if read.iter().any(|other| *other.dev == table.dev.0) {
            errors.add(
                table.dev.place(),
                "there is another [[advertise]] for this interface",
                None,
            );
            continue;
        }
        for nat64 in &table.nat64prefix {
            let len = nat64.prefix.0.prefix_len();
            if ![96, 64, 56, 48, 40, 32].contains(&len) {
                let message = "a prefix of NAT64 has 96, 64, 56, 48, 40 or 32 bits";
                errors.add(nat64.prefix.place(), message, None);
            }
        }
        for dnssl in &table.dnssl {
            let good = |name: &String| {
                let labels = name.trim_end_matches('.').split('.');
                let sound = |label: &str| {
                    (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_ascii_graphic())
                };
                name.len() <= 253 && labels.into_iter().all(sound)
            };
            if let Some(wrong) = dnssl.domains.iter().find(|name| !good(name)) {
                errors.add(dnssl.domains.place(), format!("{wrong:?} is not a domain"), None);
            }
        }
        let settings = table.settings();
        if let Err(error) = settings.check() {
            errors.add(table.place(), error.to_string(), None);
        }
        read.push(Advertise { dev: At::new(table.dev.0.clone(), table.dev.place()), settings });
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const PORT: &str = "[[port]]\nname = \"lan\"\n[[advertise]]\ndev = \"lan\"\n";

    fn read(words: &str) -> Result<Settings, String> {
        match Config::parse("advertise.toml", &format!("{PORT}{words}")) {
            Ok(config) => Ok(config.advertise[0].settings.clone()),
            Err(errors) => Err(errors.to_string()),
        }
    }

    /// The words of radvd with its figures. [8.71] [8.87]
    #[test]
    fn what_radvd_tells_can_be_written() {
        assert_eq!(read(""), Ok(Settings::default()));
        let settings = read(
            r#"
            max-interval = 100
            managed = true
            preference = "high"
            mtu = 1400
            prefix = [{ prefix = "2001:db8:1::/64", deprecate = true }]
            route = [{ prefix = "2001:db8:5::/48", lifetime = 777 }]
            rdnss = [{ servers = ["2001:db8::53"] }]
            dnssl = [{ domains = ["example.org"], lifetime = 5 }]
            nat64prefix = [{ prefix = "64:ff9b::/96" }]
            "#,
        )
        .unwrap();
        assert_eq!((settings.max_interval, settings.mtu), (100 * SECOND, Some(1400)));
        assert!(settings.managed && settings.preference == Preference::High);
        let info = settings.prefixes[0].info;
        assert_eq!((info.valid, info.preferred, info.on_link), (86_400, 14_400, true));
        assert_eq!(settings.routes[0].lifetime, Some(777));
        assert_eq!(settings.nat64[0].lifetime, 296);
    }

    #[test]
    fn what_radvd_refuses_is_refused() {
        for (words, why) in [
            ("max-interval = 3", "must be 4 to 1800"),
            ("min-interval = 451", "3/4 of max-interval"),
            ("lifetime = 599", "at least max-interval"),
            ("prefix = [{ prefix = \"2001:db8:1::1/64\" }]", "behind its length"),
            ("prefix = [{ prefix = \"fe80::/64\" }]", "cannot be advertised"),
            ("prefix = [{ prefix = \"2001:db8::/64\", valid-lifetime = 1 }]", "preferred"),
            ("nat64prefix = [{ prefix = \"64:ff9b::/95\" }]", "96, 64"),
            ("dnssl = [{ domains = [\"a..b\"] }]", "not a domain"),
            ("[[advertise]]\ndev = \"lan\"", "another [[advertise]]"),
            ("[[advertise]]\ndev = \"lon\"", "there is no interface"),
        ] {
            let error = read(words).expect_err(words);
            assert!(error.contains(why), "{words}: {error}");
        }
    }
}
