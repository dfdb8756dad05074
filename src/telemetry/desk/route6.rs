//! `ip -6 route get`: the way of a packet, told as the route that it takes.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::Desk;
use super::ip::{Done, Refused};
use crate::{
    control::Query,
    iproute2::{
        Inet, Options, RouteFilter, RouteGet,
        show::{self, NextHopView, RouteView},
    },
    packet::Bits,
    route::{policy::Flow, spec::RouteType},
};

impl Desk<'_> {
    /// The way that a packet takes, by the tables that forward packets.
    pub(super) fn get_route6(&mut self, get: &RouteGet, dst: Ipv6Addr, options: &Options) -> Done {
        let index = |name: &Option<String>| match name {
            Some(name) => self.known(name).map(|own| own.index),
            None => Ok(0),
        };
        let (iif, named) = (index(&get.iif)?, index(&get.oif)?);
        let oif = match &get.vrf {
            Some(vrf) => self.vrf_index(vrf)?,
            None => named,
        };
        let query = Query {
            flow: Flow {
                src: get.from.and_then(u128::of).unwrap_or(0),
                dst: dst.to_bits(),
                mark: get.mark,
                tos: get.tos,
                protocol: get.ipproto.unwrap_or_default(),
                sport: get.sport.unwrap_or_default(),
                dport: get.dport.unwrap_or_default(),
                ..Flow::default()
            },
            iif,
            oif,
        };
        let unreachable = || Refused::new("RTNETLINK answers: Network is unreachable");
        let found = self.router.explain(&query).ok_or_else(unreachable)?;
        match found.kind {
            RouteType::Throw => return Err(unreachable()),
            RouteType::Blackhole => return Err(Refused::invalid()),
            RouteType::Unreachable => {
                return Err(Refused::new("RTNETLINK answers: No route to host"));
            }
            RouteType::Prohibit => {
                return Err(Refused::new("RTNETLINK answers: Permission denied"));
            }
            _ => {}
        }
        let rib = self.router.routes6().rib();
        let matched = found.alias.and_then(|alias| Some((alias, rib.info(alias.info)?)));
        let (alias, info) = matched.ok_or_else(unreachable)?;
        if self.router.objects().is_blackhole(info.nhid) {
            return Err(Refused::invalid());
        }
        // The table is told wherever it is not main.
        let filter = RouteFilter { family: Inet::Six, table: None, ..RouteFilter::default() };
        let whole = self.route_view(found.prefix.net(), alias.tos, info);
        if get.fibmatch {
            return Ok(show::show_routes(&[whole], &filter, options));
        }
        let own = matches!(info.kind, RouteType::Local | RouteType::Anycast);
        let prefsrc = match get.iif {
            Some(_) => None,
            None if info.kind == RouteType::Local => Some(dst),
            None => match info.prefsrc {
                Some(IpAddr::V6(stated)) => Some(stated),
                _ => self.router.source6(dst, found.iface),
            },
        };
        let dev = match own {
            true => "lo".to_owned(),
            false => self.name(found.iface),
        };
        let state = whole.nexthops.first().cloned().unwrap_or_default();
        let from = get.from.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let view = RouteView {
            dst: IpNet::from(IpAddr::V6(dst)),
            src: Some(IpNet::from(from)),
            prefsrc: prefsrc.map(IpAddr::V6),
            iif: get.iif.clone(),
            nexthops: vec![NextHopView { via: found.gateway, dev: Some(dev), ..state }],
            ..whole
        };
        let mut text = show::show_routes(&[view], &filter, options);
        if options.details && !options.json {
            text.push_str(&found.story);
        }
        Ok(text)
    }
}
