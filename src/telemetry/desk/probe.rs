//! Pings, traceroutes and arpings of an operator's: each is a session that ends when its client goes.

use std::time::Duration;

use super::{Cursor, Desk, rows, value};
use crate::{
    control::probe::spec::{ArpingSpec, PingSpec, TracerouteSpec, Unsendable},
    telemetry::socket::Reply,
};

/// How often a session is asked for news.
const PAUSE: Duration = Duration::from_millis(10);

impl Desk<'_> {
    pub(super) fn ping(&mut self, spec: PingSpec) -> Reply<Cursor> {
        let started = self.router.start_ping(self.now, spec);
        self.began(started)
    }

    pub(super) fn traceroute(&mut self, spec: TracerouteSpec) -> Reply<Cursor> {
        let started = self.router.start_traceroute(spec);
        self.began(started)
    }

    pub(super) fn arping(&mut self, spec: ArpingSpec) -> Reply<Cursor> {
        let started = self.router.start_arping(self.now, spec);
        self.began(started)
    }

    fn began(&mut self, started: Result<u16, Unsendable>) -> Reply<Cursor> {
        match started {
            // Workers look out for answers from the next publication on, and requests follow it.
            Ok(id) => self.more_events(id),
            Err(why) => Reply::Error { error: why.to_string(), hint: None },
        }
    }

    pub(super) fn more_events(&mut self, id: u16) -> Reply<Cursor> {
        let (events, over) = self.router.probe_events(id);
        let found = events.into_iter().map(value).collect();
        if over {
            self.router.end_probe(id);
            return Reply::LastRows(found);
        }
        Reply::Rows { rows: found, next: Cursor::Probe(id), pause: PAUSE }
    }

    pub(super) fn session_rows(&self) -> Reply<Cursor> {
        rows(self.router.probe_sessions())
    }
}
