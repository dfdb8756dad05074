//! Rules and tables to measure policy routing with.
//!
//! One rule in four takes the packets of some sources to a table of its own, which has a default
//! route and a few more; the others look at each kind of field and fit nothing that comes, so that
//! every packet has to be held against all of them. What no rule takes goes by the main table.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{ReplayError, fail, synthetic::BenchOptions};
use crate::{
    control::Router,
    route::{
        control::Verb,
        spec::{NextHopSpec, RouteSpec, RuleAction, RuleSpec},
        synth,
    },
};

/// Number of the first table.
const FIRST_TABLE: u32 = 1000;
/// Priority of the first rule.
const FIRST_PRIORITY: u32 = 1000;
/// Routes of each table beside the default.
const ROUTES: usize = 100;

/// Adds the tables and the rules that `options` ask for.
pub(super) fn add(
    options: &BenchOptions,
    via: Ipv4Addr,
    port: Option<&str>,
    router: &mut Router,
) -> Result<(), ReplayError> {
    if options.rules == 0 {
        return Ok(());
    }
    for table in 0..options.tables {
        let seed = options.seed + u64::from(table);
        let nets = synth::prefixes(ROUTES, seed).chain([Ipv4Net::default()]);
        for dst in nets {
            let hop = NextHopSpec {
                via: Some(via.into()),
                dev: port.map(str::to_owned),
                weight: 1,
                onlink: true,
            };
            let spec = RouteSpec { table: FIRST_TABLE + table, ..RouteSpec::through(dst, hop) };
            router
                .route(Verb::Append, &spec)
                .map_err(|error| fail(format!("route to {dst}: {error}"), None))?;
        }
    }
    let own = options.config.ports.first().and_then(|port| port.addresses.first());
    let subnet = own.map_or_else(Ipv4Net::default, |own| own.trunc());
    for number in 0..options.rules {
        let rule = rule(number, options, subnet);
        let done = router.add_rule(&rule);
        done.map_err(|error| fail(format!("rule {number}: {error}"), None))?;
    }
    Ok(())
}

fn rule(number: u32, options: &BenchOptions, subnet: Ipv4Net) -> RuleSpec {
    let table = FIRST_TABLE + number % options.tables;
    let low = (number % 0xff) as u8;
    let rule = RuleSpec {
        priority: Some(FIRST_PRIORITY + number),
        action: RuleAction::Lookup(table),
        ..RuleSpec::lookup(table)
    };
    match number % 4 {
        // Every eighth host of the first port's subnet is taken by some rule.
        0 => {
            let host = subnet.addr().to_bits() + (number / 4 * 8) % 256;
            RuleSpec { from: Ipv4Net::from(Ipv4Addr::from_bits(host)).into(), ..rule }
        }
        1 => {
            let net = Ipv4Addr::new(240, low, (number / 0xff) as u8, 0);
            RuleSpec { to: Ipv4Net::new_assert(net, 24).into(), ..rule }
        }
        2 => {
            let port = (number % 1000) as u16 + 1;
            RuleSpec { ipproto: 132, dport: Some((port, port + 10)), ..rule }
        }
        _ => RuleSpec { fwmark: number + 1, fwmask: u32::MAX, ..rule },
    }
}
