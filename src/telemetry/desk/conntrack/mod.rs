//! `conntrack` at the desk: what workers are asked about their connections, and how it is told.
//!
//! - takes: the words of `conntrack`, and jobs that workers have done a step of
//! - gives: jobs for workers, and what the real program would print, piece by piece
//! - obeys: conntrack-tools 1.4.7
//!
//! An [`Inquiry`] knows nothing of how jobs come and go: a replay turns the workers by hand, the live
//! router has a [`Post`](post::Post).

mod help;
mod legal;
mod live;
pub mod post;
mod print;
mod protocols;
mod report;
mod words;

pub use self::live::Errand;

use self::{
    protocols::Kind,
    words::{Call, Command, Complaint, Table},
};
use crate::{
    conntrack::{
        Addr, Expect, Stats, Tuple, Zone,
        entry::status,
        events::{Event, Message},
        manage::{Change, Denied},
    },
    netfilter::jobs::{Ask, Job, Key, Net, To, Translated, Which},
    packet::{flow, flow6},
    telemetry::{protocol::IpOutput, report::ConnectionsRow},
};

/// How the program calls itself.
const NAME: &str = "conntrack v1.4.7 (wagonway)";

/// What a worker has counted.
#[derive(Clone, Copy, Debug)]
struct Counted {
    worker: usize,
    stats: Stats,
    count: u64,
    limit: u64,
}

/// A question to workers, and what has been told so far.
#[derive(Debug)]
pub struct Inquiry {
    call: Call,
    ask: Option<Ask>,
    /// What has been said and not taken yet.
    said: IpOutput,
    counted: Vec<Counted>,
    count: u64,
    refused: Option<Denied>,
    /// Nothing more is to be asked: why.
    over: Option<Complaint>,
    /// The frame of XML has been begun.
    framed: bool,
}

/// A complaint as the program prints it.
fn complain(complaint: &Complaint) -> IpOutput {
    let Complaint { before, text, status } = complaint;
    let hint = match status {
        2 => "Try `conntrack -h' or 'conntrack --help' for more information.\n",
        _ => "",
    };
    let err = format!("{before}{NAME}: {text}\n{hint}");
    IpOutput { out: String::new(), err, status: *status }
}

/// The kernel's errors in the program's words.
fn told(denied: Denied) -> &'static str {
    match denied {
        Denied::Exists => "Such conntrack exists, try -U to update",
        Denied::Gone => "such conntrack doesn't exist",
        Denied::Full => "not enough memory",
        Denied::Busy => "Device or resource busy",
        Denied::Invalid => "invalid parameters",
    }
}

impl Inquiry {
    /// Reads a command line.
    ///
    /// # Errors
    /// What is told in its place.
    pub fn read(words: &[String]) -> Result<Self, IpOutput> {
        let call = Call::read(words).map_err(|complaint| complain(&complaint))?;
        let plain = |out: String| IpOutput { out, ..IpOutput::default() };
        match call.command {
            Command::None | Command::Help => return Err(plain(help::TEXT.to_owned())),
            Command::Version => return Err(plain(format!("{NAME}\n"))),
            _ => {}
        }
        let (ask, over) = match ask(&call) {
            Ok(ask) => (ask, None),
            Err(complaint) => (None, Some(complaint)),
        };
        let err = call.warnings.clone();
        let said = IpOutput { err, ..IpOutput::default() };
        Ok(Self {
            call,
            ask,
            said,
            counted: Vec::new(),
            count: 0,
            refused: None,
            over,
            framed: false,
        })
    }

    /// Asks for counts, to be told by [`Inquiry::rows`].
    pub fn census() -> Self {
        Self {
            call: Call { command: Command::Count, ..Call::default() },
            ask: Some(Ask::Count),
            said: IpOutput::default(),
            counted: Vec::new(),
            count: 0,
            refused: None,
            over: None,
            framed: false,
        }
    }

    /// Asks for connections, which a report tells of.
    fn of(ask: Ask) -> Self {
        Self { ask: Some(ask), ..Self::census() }
    }

    /// What workers have counted, by worker.
    pub fn rows(mut self) -> Vec<ConnectionsRow> {
        self.counted.sort_by_key(|one| one.worker);
        let row = |Counted { worker, stats, count, limit }| ConnectionsRow {
            worker: worker as u64,
            connections: count,
            limit,
            new: stats.new,
            ended: stats.delete_list,
            invalid: stats.invalid,
            insert_failed: stats.insert_failed,
            drop: stats.drop,
            early_drop: stats.early_drop,
            expected: stats.expect_create,
        };
        self.counted.into_iter().map(row).collect()
    }

    /// Whether it asks for what happens from now on.
    pub fn listens(&self) -> bool {
        self.call.command == Command::Event
    }

    /// The question as one of the workers gets it, if it gets any.
    pub fn job(&self, id: u64, worker: usize, workers: usize) -> Option<Job> {
        let ask = self.ask.filter(|_| self.over.is_none())?;
        match ask {
            Ask::Create { original, .. } if home(&original, workers) != worker => None,
            Ask::Announce { master, .. } if home(&master, workers) != worker => None,
            ask => Some(Job::new(id, ask)),
        }
    }

    /// Whether nothing more is to be asked.
    pub fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// A worker has done a step.
    pub fn take(&mut self, worker: usize, job: &Job) {
        if self.is_over() {
            return;
        }
        let output = self.call.output;
        let silent = self.call.command == Command::Flush;
        for one in job.found.iter().filter(|_| !silent) {
            if self.call.command == Command::Update && self.call.six.is_none() {
                // The program sends the family that it was told, and this is none.
                let text = "Operation failed: Operation not supported";
                self.over =
                    Some(Complaint { before: format!("{text}\n"), ..Complaint::other(text) });
                return;
            }
            self.frame();
            self.said.out += &print::connection(one, output);
        }
        let mut expected = 0;
        let of = |six: bool| self.call.six.is_none_or(|wanted| wanted == six);
        for one in job.expected.iter().filter(|one| of(one.expect.tuple.six)) {
            if matches!(self.call.command, Command::List | Command::Get) {
                self.said.out += &print::expectation(one, output);
            }
            expected += 1;
        }
        if let Ask::Expectations(_) = job.ask {
            self.count += expected;
        }
        if job.next.is_none() {
            match job.ask {
                Ask::Expectations(_) => {}
                _ => self.count += job.count,
            }
            if let Ask::Count = job.ask {
                let Job { stats, count, limit, .. } = *job;
                self.counted.push(Counted { worker, stats, count, limit });
            }
        }
        if let Some(denied) = job.refused {
            if self.call.command == Command::Update {
                self.said.err += &format!("Operation failed: {}\n", told(denied));
            }
            self.refused = Some(denied);
        }
    }

    /// Something has happened at this time of day.
    pub fn happened(&mut self, event: &Event, at: std::time::Duration) {
        let wanted = match event.message() {
            Message::New => self.call.events[0],
            Message::Update => self.call.events[1],
            Message::Destroy => self.call.events[2],
        };
        let all = !self.call.has('e');
        let expects = self.call.table == Table::Expectations;
        if !(all || wanted) || expects != event.expected.is_some() {
            return;
        }
        match &event.expected {
            Some(expected) => {
                self.said.out += &print::expected_event(event, expected, self.call.output, at);
            }
            None if which(&self.call).holds(&event.snapshot) => {
                self.frame();
                self.said.out += &print::event(event, self.call.output, at);
            }
            None => return,
        }
        self.count += 1;
    }

    /// Records were lost.
    pub fn missed(&mut self) {
        self.said.err += "WARNING: We have hit ENOBUFS! We are losing events.\n\
                          This message means that the current netlink socket buffer size is too \
                          small.\nPlease, check --buffer-size in conntrack(8) manpage.\n";
    }

    fn frame(&mut self) {
        if self.call.output.xml && !std::mem::replace(&mut self.framed, true) {
            self.said.out += "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n";
        }
    }

    /// What has been said since the last time.
    pub fn said(&mut self) -> IpOutput {
        std::mem::take(&mut self.said)
    }

    /// What is told when all workers have done all steps.
    pub fn end(mut self) -> IpOutput {
        let last = self.last();
        let mut said = self.said();
        if self.framed {
            said.out += "</conntrack>\n";
        }
        said.out += &last.out;
        said.err += &last.err;
        said.status = last.status;
        said
    }

    fn last(&mut self) -> IpOutput {
        if let Some(over) = &self.over {
            return complain(over);
        }
        let expects = self.call.table == Table::Expectations;
        let failed = |text: &str| complain(&Complaint::other(format!("Operation failed: {text}")));
        let command = self.call.command;
        let fails = !matches!(command, Command::List | Command::Update);
        match self.refused.filter(|_| fails) {
            Some(Denied::Exists) if command == Command::Add => {}
            Some(Denied::Exists) if expects => return failed("File exists"),
            Some(Denied::Gone) if expects => return failed("master conntrack not found"),
            Some(Denied::Invalid) if expects => return failed("Operation not supported"),
            Some(denied) => return failed(told(denied)),
            None => {}
        }
        let did = match command {
            Command::Create if expects => return IpOutput::default(),
            Command::Flush => {
                let table = if expects { "expectation" } else { "connection tracking" };
                let err = format!("{NAME}: {table} table has been emptied.\n");
                return IpOutput { err, ..IpOutput::default() };
            }
            Command::Count | Command::Stats => return self.counted(expects),
            Command::Get | Command::Delete if self.count == 0 && expects => {
                return failed("such expectation doesn't exist");
            }
            Command::Get if self.count == 0 => return failed(told(Denied::Gone)),
            Command::Create => "created",
            Command::Add => "added",
            Command::Update => "updated",
            Command::Delete => "deleted",
            _ => "shown",
        };
        let what = match (expects, self.listens()) {
            (true, _) => "expectations",
            (false, true) => "flow events",
            (false, false) => "flow entries",
        };
        let none = matches!(command, Command::Delete | Command::Update) && self.count == 0;
        let err = format!("{NAME}: {} {what} have been {did}.\n", self.count);
        IpOutput { out: String::new(), err, status: u8::from(none) }
    }

    /// The counters.
    fn counted(&mut self, expects: bool) -> IpOutput {
        self.counted.sort_by_key(|one| one.worker);
        let out = match (self.call.command, expects) {
            (Command::Count, _) => format!("{}\n", self.count),
            (_, false) => {
                self.counted.iter().map(|one| one.stats.line(one.worker) + "\n").collect()
            }
            (_, true) => self
                .counted
                .iter()
                .map(|Counted { worker, stats, .. }| {
                    let Stats { expect_new, expect_create, expect_delete, .. } = stats;
                    format!(
                        "cpu={worker:<4}\texpect_new={expect_new} expect_create={expect_create} \
                         expect_delete={expect_delete} \n"
                    )
                })
                .collect(),
        };
        IpOutput { out, ..IpOutput::default() }
    }
}

/// Which connections a command is about.
fn which(call: &Call) -> Which {
    let exactly = |at: usize| -> Option<Net> {
        let address = u128::from_be_bytes(call.addresses[at]?.0);
        Some(Net { address, mask: u128::MAX })
    };
    let port = |at: usize| call.ports[at].map(Key::exactly);
    let mut ports = [port(0), port(1)];
    if let [ty, code, id] = call.icmp
        && (ty.is_some() || code.is_some() || id.is_some())
    {
        let half =
            |part: Option<u16>, shift: u32| part.map_or((0, 0), |it| (it << shift, 0xff << shift));
        let ((ty, ty_mask), (code, code_mask)) = (half(ty, 8), half(code, 0));
        ports = [id.map(Key::exactly), Some(Key { value: ty | code, mask: ty_mask | code_mask })];
    }
    let any = call.translated[2];
    // What is set by an update is no condition of it.
    let updates = call.command == Command::Update;
    Which {
        six: call.six,
        protocol: call.protocol,
        original: [call.net(0), call.net(1)],
        reply: [exactly(2), exactly(3)],
        ports,
        reply_ports: [port(2), port(3)],
        mark: call.has('m').then_some((call.mark.0, call.mark.1)).filter(|_| !updates),
        zones: call.zones,
        status: match (updates, call.unreplied) {
            (true, _) => (0, 0),
            (false, true) => (call.status, status::SEEN_REPLY),
            (false, false) => (call.status, 0),
        },
        state: call.state.filter(|_| !updates),
        labels: call.labels,
        number: call.has('i').then_some(call.id),
        seconds: call.has('t').then_some(call.timeout).filter(|_| !updates),
        translated: Translated {
            source: call.translated[0].or(any),
            destination: call.translated[1].or(any),
            either: any.is_some(),
        },
    }
}

/// What workers are asked for a command; nothing where nobody has to be.
fn ask(call: &Call) -> Result<Option<Ask>, Complaint> {
    let ask = match (call.command, call.table) {
        (_, Table::Dying | Table::Unconfirmed) => return Ok(None),
        (Command::List, Table::Expectations) => Ask::Expectations(None),
        (Command::Count, Table::Expectations) => Ask::Expectations(None),
        (Command::Flush, Table::Expectations) => Ask::Forget(None),
        (Command::Get, Table::Expectations) => Ask::Expectations(Some(expected(call))),
        (Command::Delete, Table::Expectations) => Ask::Forget(Some(expected(call))),
        (Command::Create | Command::Add, Table::Expectations) => announce(call),
        (Command::List, _) => {
            if call.has('u') && call.status == 0 && !call.unreplied {
                // A mask without bits is none to the kernel.
                return Err(Complaint::other("Operation failed: invalid parameters"));
            }
            Ask::List { which: which(call), clear: call.has('z') }
        }
        (Command::Delete, _) => Ask::Delete(which(call)),
        (Command::Flush, _) => Ask::Delete(Which { six: call.six, ..Which::default() }),
        (Command::Update, _) => Ask::Change(which(call), change(call)),
        (Command::Get, _) => {
            // Only the original tuple is sent.
            if call.addresses[0].is_none() || call.addresses[1].is_none() {
                return Err(Complaint::other("Operation failed: invalid parameters"));
            }
            Ask::Get(tuple(call, 0))
        }
        (Command::Create | Command::Add, _) => create(call)?,
        (Command::Count | Command::Stats, _) => Ask::Count,
        (Command::Event | Command::None | Command::Help | Command::Version, _) => return Ok(None),
    };
    Ok(Some(match ask {
        // The program fails where something would change, so nothing may.
        Ask::Change(which, change) if call.six.is_none() && !would_stay(&change) => {
            Ask::List { which, clear: false }
        }
        ask => ask,
    }))
}

/// Whether a change changes nothing.
fn would_stay(change: &Change) -> bool {
    change.mark.is_none()
        && change.timeout.is_none()
        && change.status.unwrap_or(0) == 0
        && change.state.is_none()
        && change.labels.is_none()
}

fn change(call: &Call) -> Change {
    let adds = call.labels_add | call.labels_del;
    Change {
        mark: call.has('m').then_some(call.mark),
        timeout: call.has('t').then(|| u64::from(call.timeout) * 1_000_000_000),
        status: call.has('u').then_some(call.status),
        state: call.state,
        labels: (adds != 0).then_some((call.labels_add, adds)),
        ..Change::default()
    }
}

/// A direction of the connection that a command line spells out: of the original or the reply.
fn tuple(call: &Call, from: usize) -> Tuple {
    let protocol = call.protocol.unwrap_or_default();
    let mut tuple = Tuple {
        src: call.addresses[from].unwrap_or_default(),
        dst: call.addresses[from + 1].unwrap_or_default(),
        sport: call.ports[from].unwrap_or_default(),
        dport: call.ports[from + 1].unwrap_or_default(),
        proto: protocol,
        six: call.six.unwrap_or_default(),
        zone: 0,
    };
    if matches!(Kind::of(protocol), Kind::Icmp | Kind::Icmp6) {
        let [ty, code, id] = call.icmp.map(Option::unwrap_or_default);
        (tuple.sport, tuple.dport) = (id, ty << 8 | code);
    }
    tuple
}

/// The tuple of an expectation.
fn expected(call: &Call) -> Tuple {
    tuple(call, 0)
}

/// The expectation that is to be made. The real program sends none of what is said of its protocol.
fn announce(call: &Call) -> Ask {
    let master = tuple(call, 0);
    let [mask_sport, _, sport, dport] = call.expected_ports.map(Option::unwrap_or_default);
    let [src, dst] = call.expected.map(Option::unwrap_or_default);
    let expect = Expect {
        tuple: Tuple { src, dst, sport, dport, ..master },
        mask_src: call.masks[0].unwrap_or_default(),
        mask_sport,
        ..Expect::default()
    };
    Ask::Announce { master, expect }
}

/// The connection that is to be made.
fn create(call: &Call) -> Result<Ask, Complaint> {
    let invalid = || Complaint::other("Operation failed: invalid parameters");
    let has = |at: usize| call.addresses[at].is_some() && call.addresses[at + 1].is_some();
    let kind = Kind::of(call.protocol.unwrap_or_default());
    let (mut original, mut reply);
    if !has(0) {
        reply = tuple(call, 2);
        original = reply.inverse().ok_or_else(invalid)?;
    } else {
        original = tuple(call, 0);
        reply = original.inverse().ok_or_else(invalid)?;
        if has(2) || call.addresses[2].is_some() || call.addresses[3].is_some() {
            let ported = !matches!(kind, Kind::Icmp | Kind::Icmp6 | Kind::Other);
            if !has(2) || ported && (call.ports[2].is_none() || call.ports[3].is_none()) {
                return Err(invalid());
            }
            reply = tuple(call, 2);
            if !ported {
                (reply.sport, reply.dport) =
                    original.inverse().map_or((0, 0), |back| (back.sport, back.dport));
            }
        }
    }
    let zone = match call.zones {
        [Some(id), ..] => Zone::both(id),
        [_, Some(id), _] => Zone { id, original: true, reply: false },
        [_, _, Some(id)] => Zone { id, original: false, reply: true },
        _ => Zone::DEFAULT,
    };
    let mut bits = call.status;
    for (at, to) in call.translated[..2].iter().enumerate() {
        let Some(To { address, port }) = to else { continue };
        let (own, number) = match at {
            0 => (&mut reply.dst, &mut reply.dport),
            _ => (&mut reply.src, &mut reply.sport),
        };
        *own = address.unwrap_or(*own);
        *number = port.unwrap_or(*number);
        bits |= if at == 0 { status::SRC_NAT } else { status::DST_NAT } | status::NAT_DONE_MASK;
    }
    (original.zone, reply.zone) = (zone.of(false), zone.of(true));
    let change = Change {
        mark: call.has('m').then_some((call.mark.0, u32::MAX)),
        status: Some(bits & !status::UNCHANGEABLE),
        timeout: None,
        ..change(call)
    };
    let nat = bits & (status::NAT_MASK | status::NAT_DONE_MASK);
    Ok(Ask::Create { original, reply, timeout: call.timeout, change, zone, nat })
}

/// The worker that packets of a flow come to, where software spreads them.
fn home(tuple: &Tuple, workers: usize) -> usize {
    let ports = match Kind::of(tuple.proto) {
        Kind::Tcp | Kind::Udp | Kind::Sctp | Kind::Dccp => (tuple.sport, tuple.dport),
        _ => (0, 0),
    };
    let four = |address: Addr| u32::from_be_bytes(address.first4());
    let six = |address: Addr| u128::from_be_bytes(address.0);
    let hash = if tuple.six {
        flow6::tuple_hash6(six(tuple.src), six(tuple.dst), tuple.proto, ports.0, ports.1, 0)
    } else {
        flow::tuple_hash(four(tuple.src), four(tuple.dst), tuple.proto, ports.0, ports.1, 0)
    };
    ((u64::from(hash) * workers as u64) >> 32) as usize
}

#[cfg(test)]
mod tests;
