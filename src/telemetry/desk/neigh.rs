//! `ip neighbour`, carried out.

use std::net::IpAddr;

use super::Desk;
use super::ip::{Done, Refused};
use crate::{
    iproute2::{
        NeighCommand, NeighFilter, NeighSpec, NudState, Options,
        show::{self, NeighStats, NeighView},
    },
    neighbour::control::{Key, State},
    packet::MacAddr,
    route::control::Verb,
};

impl Desk<'_> {
    pub(super) fn neigh(&mut self, command: &NeighCommand, options: &Options) -> Done {
        match command {
            NeighCommand::Add(spec) => self.set_neighbour(Verb::Add, spec),
            NeighCommand::Replace(spec) => self.set_neighbour(Verb::Replace, spec),
            NeighCommand::Change(spec) => self.set_neighbour(Verb::Change, spec),
            NeighCommand::Del(spec) => {
                self.known(&spec.dev)?;
                self.router.delete_neighbour(&spec.dev, spec.addr.into()).map_err(Refused::new)?;
                Ok(String::new())
            }
            NeighCommand::Flush(filter) => self.flush_neighbours(filter),
            NeighCommand::Show(filter) => {
                self.check_filter(filter.dev.as_ref())?;
                Ok(show::show_neighbours(&self.neigh_views(), filter, options))
            }
            NeighCommand::Get { addr, dev, proxy } => {
                self.known(dev)?;
                let mut views = self.neigh_views();
                views.retain(|view| view.dst == IpAddr::V4(*addr) && view.dev == *dev && !proxy);
                if views.is_empty() {
                    return Err(Refused::new("RTNETLINK answers: No such file or directory"));
                }
                let filter = NeighFilter { nud: Some(NudState(0xff)), ..NeighFilter::default() };
                Ok(show::show_neighbours(&views, &filter, options))
            }
        }
    }

    fn set_neighbour(&mut self, verb: Verb, spec: &NeighSpec) -> Done {
        self.known(&spec.dev)?;
        if spec.proxy || spec.router || spec.use_now || spec.managed || spec.extern_learn {
            return Err(Refused::unsupported());
        }
        let state = match spec.nud {
            NudState::PERMANENT => State::Permanent,
            NudState::REACHABLE => State::Reachable,
            NudState::STALE => State::Stale,
            NudState::NOARP => State::Noarp,
            _ => return Err(Refused::invalid()),
        };
        let missing = || Refused::new("Error: No link layer address given.");
        let mac = MacAddr::new(spec.lladdr.ok_or_else(missing)?);
        self.router
            .set_neighbour(verb, &spec.dev, spec.addr.into(), mac, state, self.now)
            .map_err(Refused::new)?;
        Ok(String::new())
    }

    fn flush_neighbours(&mut self, filter: &NeighFilter) -> Done {
        self.check_filter(filter.dev.as_ref())?;
        let lasting = NudState::PERMANENT.0 | NudState::NOARP.0;
        let going = |view: &NeighView| {
            filter.accepts(view) && (filter.nud.is_some() || view.state & lasting == 0)
        };
        let going: Vec<_> = self.neigh_views().into_iter().filter(going).collect();
        if going.is_empty() {
            return Ok("Nothing to flush.\n".to_owned());
        }
        for view in going {
            self.router.delete_neighbour(&view.dev, view.dst).map_err(Refused::new)?;
        }
        Ok(String::new())
    }

    fn neigh_views(&self) -> Vec<NeighView> {
        let mut entries: Vec<(&Key, _)> = self.router.neighbours().iter().collect();
        entries.sort_by_key(|(key, _)| **key);
        let views = entries.into_iter().map(|(key, entry)| {
            let seconds = (self.now.saturating_sub(entry.updated) / 1_000_000_000) as u32;
            NeighView {
                stats: NeighStats {
                    updated: seconds,
                    probes: entry.probes,
                    ..NeighStats::default()
                },
                ..self.neigh_view(*key, entry.mac, entry.state)
            }
        });
        views.collect()
    }

    pub(super) fn neigh_view(&self, key: Key, mac: Option<MacAddr>, state: State) -> NeighView {
        let nud = match state {
            State::Incomplete => NudState::INCOMPLETE,
            State::Reachable => NudState::REACHABLE,
            State::Stale => NudState::STALE,
            State::Probe => NudState::PROBE,
            State::Failed => NudState::FAILED,
            State::Permanent => NudState::PERMANENT,
            State::Noarp => NudState::NOARP,
        };
        NeighView {
            dst: key.address,
            dev: self.name(key.iface),
            lladdr: mac.filter(|_| state.is_valid()).map(MacAddr::octets),
            state: nud.0,
            router: false,
            proxy: false,
            managed: false,
            extern_learn: false,
            protocol: 0,
            stats: NeighStats::default(),
        }
    }
}
