//! Inquiries of a running router: jobs go to workers and come back while packets flow.
//!
//! - takes: the words of `conntrack` from a client
//! - gives: rows of what it would print, piece by piece; events for as long as the client listens
//! - costs: a step of each worker at a time, and nothing waits for it

use std::time::Duration;

use super::{Inquiry, report::Report};
use crate::{
    netfilter::jobs::Job,
    telemetry::{
        desk::{Cursor, Desk, value},
        protocol::IpOutput,
        socket::Reply,
    },
};

/// How long to wait for workers.
const PAUSE: Duration = Duration::from_millis(1);
/// How often a listener is looked after.
const LISTEN: Duration = Duration::from_millis(10);
/// Events in one piece of an answer.
const PIECE: usize = 1000;

/// An inquiry under way.
#[derive(Debug)]
pub struct Errand {
    id: u64,
    inquiry: Inquiry,
    /// What is told is a report, and not what `conntrack` prints.
    report: Option<Report>,
    /// Jobs that wait for room, by worker.
    waiting: Vec<Option<Box<Job>>>,
    /// Workers that have a job.
    under_way: Vec<bool>,
}

impl Errand {
    fn jobs_out(&self) -> usize {
        self.under_way.iter().filter(|out| **out).count()
    }
}

fn rows(said: IpOutput) -> Vec<serde_json::Value> {
    if said.out.is_empty() && said.err.is_empty() { Vec::new() } else { vec![value(said)] }
}

fn last(inquiry: Inquiry, report: Option<Report>) -> Reply<Cursor> {
    let Some(report) = report else { return Reply::LastRows(vec![value(inquiry.end())]) };
    match report.rows(inquiry) {
        Ok(rows) => Reply::LastRows(rows),
        Err(error) => {
            let hint =
                "set `net.netfilter.nf_conntrack_acct` to 1; connections from then on are counted";
            Reply::Error { error: error.to_owned(), hint: Some(hint.to_owned()) }
        }
    }
}

impl Desk<'_> {
    /// Begins with a command of `conntrack`.
    pub(in crate::telemetry::desk) fn conntrack(&mut self, words: &[String]) -> Reply<Cursor> {
        let inquiry = match Inquiry::read(words) {
            Ok(inquiry) => inquiry,
            Err(said) => return Reply::LastRows(vec![value(said)]),
        };
        self.begin(inquiry, None)
    }

    /// Counts of connections by worker.
    pub(in crate::telemetry::desk) fn connection_rows(&mut self) -> Reply<Cursor> {
        self.begin(Inquiry::census(), Some(Report::Census))
    }

    /// Translated connections.
    pub(in crate::telemetry::desk) fn nat_rows(&mut self) -> Reply<Cursor> {
        let (report, ask) = Report::nat();
        self.begin(Inquiry::of(ask), Some(report))
    }

    /// Hosts that send and receive most.
    pub(in crate::telemetry::desk) fn talker_rows(&mut self, most: Option<u64>) -> Reply<Cursor> {
        let (report, ask) = Report::talkers(most);
        self.begin(Inquiry::of(ask), Some(report))
    }

    fn begin(&mut self, inquiry: Inquiry, report: Option<Report>) -> Reply<Cursor> {
        let Some(post) = self.post.as_deref_mut() else {
            return last(inquiry, report);
        };
        let id = post.enter();
        let workers = post.workers();
        let waiting: Vec<Option<Box<Job>>> =
            (0..workers).map(|at| inquiry.job(id, at, workers).map(Box::new)).collect();
        let errand = Errand { id, inquiry, report, waiting, under_way: vec![false; workers] };
        if errand.inquiry.listens() && !errand.inquiry.is_over() {
            post.listen(id);
        }
        self.more_flows(Box::new(errand))
    }

    /// Goes on with it.
    pub(in crate::telemetry::desk) fn more_flows(
        &mut self,
        mut errand: Box<Errand>,
    ) -> Reply<Cursor> {
        let now = self.now;
        let Some(post) = self.post.as_deref_mut() else {
            return last(errand.inquiry, errand.report);
        };
        post.turn();
        if errand.inquiry.listens() && !errand.inquiry.is_over() {
            let (news, missed) = post.news(errand.id, PIECE);
            let at = Duration::from_nanos(now + post.wall());
            let count = news.len();
            for mut event in news {
                if let Some(expected) = &mut event.expected {
                    expected.left = expected.left.saturating_sub(now);
                }
                errand.inquiry.happened(&event, at);
            }
            let pause = if count == PIECE { Duration::ZERO } else { LISTEN };
            if missed {
                errand.inquiry.missed();
            }
            let rows = rows(errand.inquiry.said());
            return Reply::Rows { rows, next: Cursor::Flows(errand), pause };
        }
        let mut moved = false;
        for worker in 0..errand.waiting.len() {
            if errand.under_way[worker]
                && let Some(job) = post.receive(errand.id, worker)
            {
                errand.under_way[worker] = false;
                match &mut errand.report {
                    None | Some(Report::Census) => errand.inquiry.take(worker, &job),
                    Some(report) => report.take(worker, &job),
                }
                moved = true;
                if job.next.is_some() && !errand.inquiry.is_over() {
                    errand.waiting[worker] = Some(job);
                }
            }
            if let Some(job) = errand.waiting[worker].take() {
                match post.send(worker, job) {
                    Ok(()) => errand.under_way[worker] = true,
                    Err(job) => errand.waiting[worker] = Some(job),
                }
            }
        }
        let over = errand.inquiry.is_over();
        if over || errand.jobs_out() == 0 && errand.waiting.iter().all(Option::is_none) {
            post.leave(errand.id, errand.jobs_out());
            return last(errand.inquiry, errand.report);
        }
        let rows = rows(errand.inquiry.said());
        let pause = if moved { Duration::ZERO } else { PAUSE };
        Reply::Rows { rows, next: Cursor::Flows(errand), pause }
    }

    /// The client has gone.
    pub(in crate::telemetry::desk) fn forget_flows(&mut self, errand: &Errand) {
        if let Some(post) = self.post.as_deref_mut() {
            post.leave(errand.id, errand.jobs_out());
            post.deafen(errand.id);
        }
    }
}
