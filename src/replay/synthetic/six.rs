//! The half of a measurement that is over IPv6: routes, and where packets come from.

use std::net::Ipv6Addr;

use super::BenchOptions;
use crate::{
    config::Config,
    control::Router,
    packet::generate::Addresses,
    replay::{ReplayError, fail},
    route::{
        control::Verb,
        spec::{NextHopSpec, RouteSpec},
        synth,
    },
};

/// Hosts behind a port that packets come from.
const SOURCES: u128 = 200;

/// The address of a port that stands at a place of its first subnet, counted from the router's own.
fn beside(config: &Config, port: usize, place: u128) -> Option<Ipv6Addr> {
    let own = config.ports.get(port)?.addresses6.first()?;
    let (network, host) = (own.network().to_bits(), own.hostmask().to_bits());
    Some(Ipv6Addr::from_bits(network | own.addr().to_bits().wrapping_add(place) & host))
}

/// Adds the synthetic routes, all behind the neighbour of the last port.
pub(super) fn prepare(options: &BenchOptions, router: &mut Router) -> Result<(), ReplayError> {
    if options.rules > 0 {
        return Err(fail("a measurement over IPv6 has no rules", "leave out --ipv6 or --rules"));
    }
    let config = &options.config;
    let last = config.ports.len().saturating_sub(1);
    let Some(via) = beside(config, last, 1) else {
        return Err(fail("the last port has no IPv6 address", "give it one, as 2001:db8:2::1/64"));
    };
    let dev = config.ports.last().map(|port| port.name.to_string());
    for dst in synth::prefixes6(options.routes.unwrap_or(0) as usize, options.seed) {
        let hop = NextHopSpec { via: Some(via.into()), dev: dev.clone(), weight: 1, onlink: true };
        router
            .route(Verb::Append, &RouteSpec::through(dst, hop))
            .map_err(|error| fail(format!("route to {dst}: {error}"), None))?;
    }
    Ok(())
}

/// Hosts behind the first port.
pub(super) fn sources(config: &Config) -> Addresses {
    let hosts = (1..=SOURCES).filter_map(|place| beside(config, 0, place));
    Addresses::from(hosts.collect::<Vec<_>>())
}
