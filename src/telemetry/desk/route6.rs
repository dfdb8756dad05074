//! `ip -6 route get`: the way of a packet, told as the route that it takes.

use std::{
    cmp::Reverse,
    net::{IpAddr, Ipv6Addr},
};

use ipnet::IpNet;

use super::Desk;
use super::ip::{Done, Refused};
use crate::{
    control::{Learned, Query},
    iproute2::{
        Inet, Options, RouteFilter, RouteGet,
        show::{self, NextHopView, RouteView},
    },
    packet::Bits,
    route::{
        policy::Flow,
        rib::{Prefix, RouteInfo},
        spec::RouteType,
    },
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
        let prefsrc = match (&get.iif, info.prefsrc) {
            (Some(_), _) => None,
            (None, Some(IpAddr::V6(stated))) => Some(stated),
            // Of its own addresses none is nearer.
            _ if self.router.has_address6(dst) => Some(dst),
            _ => self.router.source6(dst, found.iface),
        };
        let dev = match own {
            true => "lo".to_owned(),
            false => self.name(found.iface),
        };
        let state = whole.nexthops.first().cloned().unwrap_or_default();
        let from = get.from.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let learned = found.expires.is_some();
        let way = NextHopView { via: found.gateway, dev: Some(dev), ..state };
        let view = RouteView {
            src: Some(IpNet::from(from)),
            prefsrc: prefsrc.map(IpAddr::V6),
            iif: get.iif.clone(),
            ..match learned {
                true => known(dst, way, found.mtu, found.expires, whole),
                false => {
                    let dst = IpNet::from(IpAddr::V6(dst));
                    RouteView { dst, nexthops: vec![way], grouped: false, ..whole }
                }
            }
        };
        let mut text = show::show_routes(&[view], &filter, options);
        if options.details && !options.json {
            text.push_str(&found.story);
        }
        Ok(text)
    }

    /// What was learned about destinations, by the keys of the exceptions, as routes.
    pub(super) fn learned6(&self) -> Vec<((u32, IpAddr), RouteView)> {
        let hops = self.router.hops().table();
        let rib = self.router.routes6().rib();
        let view = |(hop, dst, learned): (u32, IpAddr, &Learned)| {
            let IpAddr::V6(to) = dst else { return None };
            let iface = hops.get(hop).out().iface;
            let flow = Flow { dst: to.to_bits(), ..Flow::default() };
            let found = self.router.explain(&Query { flow, iif: 0, oif: iface })?;
            let alias = found.alias?;
            let whole = self.route_view(found.prefix.net(), alias.tos, rib.info(alias.info)?);
            let stated = hops.gateway6(hop).map(IpAddr::V6);
            let via = learned.gateway.or(stated).filter(|via| *via != dst);
            let way = NextHopView { via, dev: Some(self.name(iface)), ..NextHopView::default() };
            let left = Some(learned.left(self.now) / 1_000_000_000);
            Some(((hop, dst), known(to, way, learned.mtu.map(u32::from), left, whole)))
        };
        self.router.exceptions().filter_map(view).collect()
    }
}

/// What was learned about a destination beside a route. Only a path MTU tells when it ends.
fn known(
    dst: Ipv6Addr,
    way: NextHopView,
    mtu: Option<u32>,
    left: Option<u64>,
    whole: RouteView,
) -> RouteView {
    RouteView {
        dst: IpNet::from(IpAddr::V6(dst)),
        src: None,
        nexthops: vec![way],
        expires: left.filter(|_| mtu.is_some()).and_then(|left| u32::try_from(left).ok()),
        mtu: mtu.or(whole.mtu),
        learned: true,
        grouped: false,
        ..whole
    }
}

/// Whether a place in the kernel's tree is that of the routes for some sources, which it tells on the
/// way into a prefix, or that of the other ones, which it tells on the way out.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    In(u8),
    Out(Reverse<u8>),
}

/// The place of a route to a prefix among those that `ip route show` prints.
pub(super) fn place(prefix: &Prefix<u128>, info: &RouteInfo) -> impl Ord + use<> {
    let out = |prefix: Prefix<u128>| {
        (prefix.bits | !u128::mask(prefix.len), Way::Out(Reverse(prefix.len)))
    };
    let src = info.src.and_then(Prefix::<u128>::of_net);
    let of = match src {
        Some(_) => (prefix.bits, Way::In(prefix.len)),
        None => out(*prefix),
    };
    (of, src.map(out))
}
