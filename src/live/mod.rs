//! The live router: ports, workers and the management core, until a signal.
//!
//! - takes: a configuration whose ports all have devices
//! - gives: a router that forwards and answers on its status socket
//! - costs: the management core wakes once a millisecond, and more often while it is asked

mod news;
mod ports;

use std::{
    cell::RefCell,
    io::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use thiserror::Error;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use self::{news::LinkNews, ports::Ports};
use crate::{
    config::{Config, ConfigErrors},
    control::Router,
    dpdk::eal::tsc_hz,
    graph::{Edge, Stats},
    netfilter::room::Room,
    publish::Epochs,
    setup::{self, Captures, Crew, Leniency, Machine, PortFact, SetupError, Shared},
    telemetry::{
        desk::{Counters, Cursor, Desk, Rings, conntrack::post::Post},
        protocol::IpBatch,
        queues::{self, Message, Programs, Said},
        socket::{BindError, Bound, Call},
    },
    worker::{
        Clock, Running, Worker,
        pipeline::{self, Parts},
        spawn,
    },
};

/// A router that could not start, or had to end.
#[derive(Debug, Error)]
pub enum LiveError {
    /// The configuration does not serve.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// Something else: what, and what to do about it.
    #[error("{message}")]
    Other {
        /// What.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl LiveError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Config(_) => None,
            Self::Other { hint, .. } => hint.as_deref(),
        }
    }

    fn new<'a>(message: impl ToString, hint: impl Into<Option<&'a str>>) -> Self {
        Self::Other { message: message.to_string(), hint: hint.into().map(str::to_owned) }
    }
}

impl From<SetupError> for LiveError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Config(errors) => Self::Config(errors),
            other => Self::new(other, None),
        }
    }
}

impl From<BindError> for LiveError {
    fn from(error: BindError) -> Self {
        Self::new(&error, error.hint())
    }
}

/// How often the management core looks at its rings.
const TICK: Duration = Duration::from_millis(1);
/// Most time for the last packets.
const FAREWELL: Duration = Duration::from_millis(100);
/// Sayings of programs between two looks at the rings.
const SAYINGS: usize = 256;
/// How often the links are looked at unasked.
const LOOK: Duration = Duration::from_millis(20);

/// Runs until SIGINT or SIGTERM; the commands of `batch` come before the first packet.
///
/// # Errors
/// When a device, the socket or memory is not to be had, a command or a worker fails.
pub fn run(config: Config, batch: Option<&IpBatch>) -> Result<(), LiveError> {
    config.require_devices()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| LiveError::new(format!("cannot start the event loop: {error}"), None))?;
    runtime.block_on(live(config, batch))
}

/// The parts of a live router, in the order in which they end.
struct Live {
    running: Vec<Running>,
    /// Workers that have ended; their queues keep the ports open.
    ended: Vec<Worker>,
    stats: Vec<Arc<Stats>>,
    inputs: Vec<Vec<String>>,
    workers: Vec<(Option<usize>, &'static str)>,
    shape: Vec<(&'static str, &'static [Edge])>,
    crew: Crew,
    post: Post,
    router: Router,
    programs: Programs,
    captures: Option<Captures>,
    /// The log goes to systemd's journal, which reads levels in front of lines.
    journald: bool,
    ports: Ports,
    clock: Clock,
    machine: Machine,
}

async fn live(config: Config, batch: Option<&IpBatch>) -> Result<(), LiveError> {
    // First, so that a second router of this name does not touch the devices of the first.
    let bound = Bound::bind(&config.socket_path())?;
    let mut terminate = signals(SignalKind::terminate())?;
    let mut interrupt = signals(SignalKind::interrupt())?;
    // Ended terminals and operators who expect a reload must not end the router.
    let mut hangup = signals(SignalKind::hangup())?;

    let mut live = Live::start(&config, batch)?;
    let socket = bound.path().display().to_string();
    say(&format!(
        "wagonway {}: {} ports, {} workers, answers on {socket}",
        config.instance.name,
        config.ports.len(),
        live.running.len()
    ));

    let (serving, mut calls) = bound
        .serve::<Cursor>()
        .map_err(|error| LiveError::new(format!("cannot serve {socket}: {error}"), None))?;
    let serving = tokio::spawn(serving);

    let mut programs = match &config.netfilter.queues {
        None => None,
        Some(path) => Some(queues::serve(path).map_err(|error| {
            let message = format!("cannot serve {}: {error}", path.display());
            config.error(path.place(), message, None)
        })?),
    };
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let news = LinkNews::listen();
    // Time and not ticks: on a busy machine these are late one after another.
    let mut looked = Instant::now();
    let result = loop {
        tokio::select! {
            biased;
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            _ = hangup.recv() => say("SIGHUP is not used; change the router with `wagonway ip`"),
            // Packets go before questions, however many are asked.
            _ = tick.tick() => {
                live.pump();
                if looked.elapsed() >= LOOK {
                    live.follow_links();
                    live.flush_captures();
                    looked = Instant::now();
                }
                if live.running.iter().any(Running::is_finished) {
                    break Err(LiveError::new("a worker has ended", None));
                }
            }
            () = news.heard() => {
                live.follow_links();
                live.pump();
            }
            Some(said) = hear(&mut programs) => {
                live.hear(said);
                // What else has been said, up to a burst, before the packets go on.
                for _ in 0..SAYINGS {
                    let Some(Ok(said)) = programs.as_mut().map(mpsc::Receiver::try_recv) else {
                        break;
                    };
                    live.hear(said);
                }
                live.pump();
            }
            Some(call) = calls.recv() => live.answer(call),
        }
    };
    // The socket goes first, so that nobody asks a router that is ending.
    serving.abort();
    let _ = serving.await;
    if let Some(path) = &config.netfilter.queues {
        // One that another has put in its place goes as well, and is made anew by its owner.
        let _ = std::fs::remove_file(&**path);
    }
    let stopped = live.stop();
    result.and(stopped)
}

/// What programs say that decide on packets.
async fn hear(programs: &mut Option<mpsc::Receiver<Said>>) -> Option<Said> {
    match programs {
        Some(programs) => programs.recv().await,
        None => std::future::pending().await,
    }
}

fn signals(kind: SignalKind) -> Result<tokio::signal::unix::Signal, LiveError> {
    signal(kind).map_err(|error| LiveError::new(format!("cannot wait for signals: {error}"), None))
}

/// A line for the operator or the log; nobody may be listening.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Live {
    fn start(config: &Config, batch: Option<&IpBatch>) -> Result<Self, LiveError> {
        let workers = config.workers.cores.workers().max(1);
        let cores = setup::cores(config, workers);
        let pci = ports::pci(config);
        let machine =
            Machine::start(config, config.buffer_count(workers), config.data_room(), pci)?;
        let (ports, ends) = Ports::open(config, machine.pool, workers)?;
        for note in machine.notes.iter().chain(ports.notes()) {
            say(&format!("note: {note}"));
        }
        let epochs = Epochs::new(workers);
        let facts: Vec<PortFact> = ports.facts();
        let mut router = setup::router(
            config,
            &facts,
            machine.pool,
            Arc::clone(&epochs),
            Leniency { speaks: true, ..Leniency::default() },
            seed(),
        )?;
        setup::load_routes(config, &mut router)?;
        let mut crew = Crew::new(workers);
        let shared = Shared::new(config, workers, ports.homes(workers), seed());
        let clock = Clock::new(tsc_hz());
        if let Some(batch) = batch {
            let done = Desk::bare(&mut router, &machine.pool, clock.now()).whole_batch(batch);
            let said = done.map_err(|message| LiveError::new(message, None))?;
            let _ = std::io::stdout().write_all(said.as_bytes());
        }

        let iface = |port: u16| {
            let own =
                |iface: &&crate::port::table::Iface| iface.port == port && iface.vlan.is_none();
            router.ifaces().iter().find(own).map_or(0, |iface| iface.index)
        };
        let mut graphs = Vec::new();
        for (index, mut end) in ends.into_iter().enumerate() {
            graphs.push(pipeline::graph(Parts {
                inputs: end.inputs(usize::from(config.workers.burst), iface),
                sinks: end
                    .sinks
                    .into_iter()
                    .map(|(port, sink)| (port, iface(port), sink))
                    .collect(),
                punt: crew.punt(index),
                queue: crew.queue(index),
                spread: end.spread,
                handed: (index, crew.handed()),
                cache_entries: config.cache.entries as usize,
                reassembly: setup::reassembly_room(config, workers, seed()),
            }));
        }
        let shape = graphs.first().map(|graph| graph.shape()).unwrap_or_default();
        let inputs = graphs.iter().map(|graph| graph.input_names()).collect();
        let (mut running, mut stats) = (Vec::new(), Vec::new());
        for (index, graph) in graphs.into_iter().enumerate() {
            let flows = setup::flows(config, index, workers, seed(), crew.teller(index), &shared);
            let ready = (*config.limits.connections_ready as usize).div_ceil(workers.max(1));
            router.add_room(Room::new(&flows, ready));
            let worker = Worker::new(
                graph,
                flows,
                router.reader(),
                epochs.guard(index),
                machine.pool,
                (crew.inject(index), crew.jobs(index)),
                clock.wall_offset(),
            );
            crew.watch(Arc::clone(worker.stats()));
            stats.push(Arc::clone(worker.stats()));
            let core = cores.get(index).copied();
            let name = format!("worker-{index}");
            let started = spawn(name, worker, core, config.workers.idle, clock, || false);
            running.push(started.map_err(|error| {
                LiveError::new(format!("cannot start a worker: {error}"), None)
            })?);
        }
        let captures = match &config.netfilter.nflog {
            Some(path) => {
                let captures = Captures::new(path, config.netfilter.nflog_mib);
                captures.prepare().map_err(|error| {
                    let message = format!("cannot make the directory {}: {error}", path.display());
                    config.error(path.place(), message, None)
                })?;
                Some(captures)
            }
            None => None,
        };
        router.set_captured(captures.is_some());
        let ended = Vec::new();
        let post = Post::new((0..workers).map(|at| crew.jobs(at)).collect(), clock.wall_offset());
        let idle = config.workers.idle.name();
        let workers = running.iter().map(|running: &Running| (running.core, idle)).collect();
        Ok(Self {
            running,
            ended,
            stats,
            inputs,
            workers,
            shape,
            crew,
            post,
            router,
            programs: Programs::default(),
            captures,
            journald: std::env::var_os("JOURNAL_STREAM").is_some(),
            ports,
            clock,
            machine,
        })
    }

    fn answer(&mut self, call: Call<Cursor>) {
        let (punted, injected, limit) = self.crew.waiting();
        let rings = Rings { punted: punted as u64, injected: injected as u64, limit: limit as u64 };
        let ports = RefCell::new(&mut self.ports);
        let mut desk = Desk {
            router: &mut self.router,
            tally: Counters { stats: &self.stats, inputs: &self.inputs, shape: &self.shape },
            workers: &self.workers,
            devices: &|| ports.borrow().devices(),
            set_mac: &|port, mac| ports.borrow_mut().set_mac(port, mac),
            pool: &self.machine.pool,
            rings,
            post: Some(&mut self.post),
            now: self.clock.now(),
        };
        call.put_to(&mut desk);
    }

    /// A program that decides on packets has come, gone, or says something.
    fn hear(&mut self, said: Said) {
        match said {
            Said::Came(program, sender) => self.programs.add(program, sender),
            Said::Gone(program) => self.dismiss(program),
            Said::Says(program, message) => {
                let there = match Message::read(&message) {
                    Ok(Message::Bind(bind)) => {
                        let done = self.router.bind_queues(program, bind);
                        self.router.commit();
                        self.programs.answer(program, done)
                    }
                    Ok(Message::Ruling(ruling)) => {
                        let now = self.clock.now();
                        // Of a packet that it has not, a program is not told.
                        let _ = self.router.handle_ruling(now, program, &ruling);
                        true
                    }
                    Err(error) => {
                        say(&format!("note: a program of NFQUEUE is cut off: {error}"));
                        false
                    }
                };
                if !there {
                    self.dismiss(program);
                }
            }
        }
    }

    /// A program has gone, or does not read what it gets.
    fn dismiss(&mut self, program: u64) {
        self.programs.remove(program);
        self.router.forget_program(program);
        self.router.commit();
    }

    fn pump(&mut self) {
        self.crew.pump(&mut self.router, self.clock.now());
        let wall = self.clock.now() + self.clock.wall_offset();
        for offered in self.router.take_offered() {
            if !self.programs.offer(&offered, wall) {
                self.dismiss(offered.program);
            }
        }
        self.post.turn();
        for line in self.router.take_log() {
            match self.journald {
                true => say(&format!("<{}>{}", line.level, line.text)),
                false => say(&line.text),
            }
        }
        if let Some(captures) = &mut self.captures {
            let told = self.router.take_captured();
            for note in captures.write(&told, &|iface| self.router.link_name(iface)) {
                say(&format!("note: {note}"));
            }
        }
    }

    /// Who looks at a capture is not to wait for more packets.
    fn flush_captures(&mut self) {
        if let Some(captures) = &mut self.captures {
            captures.flush();
        }
    }

    fn follow_links(&mut self) {
        for (number, up) in self.ports.changed_links() {
            self.router.set_carrier(number, up);
        }
    }

    /// Hosts are told that the router goes, and workers are given the time to send that.
    fn say_farewell(&mut self) {
        self.router.cease(self.clock.now());
        self.pump();
        let began = Instant::now();
        while self.crew.waiting().1 > 0 && began.elapsed() < FAREWELL {
            std::thread::sleep(TICK);
        }
    }

    /// Ends the workers, then the ports.
    fn stop(mut self) -> Result<(), LiveError> {
        self.say_farewell();
        let mut failed = None;
        for running in self.running.drain(..) {
            match running.stop() {
                Ok(worker) => self.ended.push(worker),
                Err(panic) => failed = Some(format!("a worker failed: {panic}")),
            }
        }
        self.ports.clear_handovers();
        self.crew.clear(&mut self.router);
        let unaccounted = setup::unaccounted(&self.stats, &self.router);
        if unaccounted != 0 {
            say(&format!("note: {unaccounted} packets are unaccounted for"));
        }
        failed.map_or(Ok(()), |message| Err(LiveError::new(message, None)))
    }
}

/// Nobody outside can foretell what the router chooses by chance.
fn seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish()
}
