//! What stands in the middle of the world: a Linux router, or Wagonway.

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::netns::Namespace;
use crate::world::{PORTS, ROUTES, World, on};

/// Something that routes between the router's cables until dropped.
pub(crate) trait Router: Sized {
    /// Starts it; packets are forwarded when this returns.
    fn start(world: &World) -> Self;
}

/// The kernel of this machine, which shows that the stories are true ones.
pub(crate) struct Linux;

impl Router for Linux {
    fn start(world: &World) -> Self {
        for (port, address, mtu) in PORTS {
            world.router.ip(&format!("link set {port} mtu {mtu}"));
            world.router.ip(&format!("addr add {address} brd + dev {port}"));
        }
        for route in ROUTES {
            world.router.ip(&format!("route add {route}"));
        }
        world.router.sysctl("net.ipv4.ip_forward", "1");
        Self
    }
}

/// Wagonway, running, with its ports opened by the driver that `D` names.
pub(crate) struct Wagonway<D> {
    process: Process,
    driver: std::marker::PhantomData<D>,
}

/// How a port takes an interface of the kernel's.
pub(crate) trait Driver {
    /// The word before the interface's name in a port's `device`.
    const NAME: &'static str;
}

/// Packet sockets.
pub(crate) struct AfPacket;

impl Driver for AfPacket {
    const NAME: &'static str = "af_packet";
}

/// XDP sockets.
pub(crate) struct AfXdp;

impl Driver for AfXdp {
    const NAME: &'static str = "af_xdp";
}

impl<D: Driver> Router for Wagonway<D> {
    fn start(world: &World) -> Self {
        let config = configuration(D::NAME, &instance());
        let mut process = Process::start(world, &config);
        process.wait_until_it_answers(world);
        Self { process, driver: std::marker::PhantomData }
    }
}

impl<D> Wagonway<D> {
    /// The process, to be stopped in a way of the story's own.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// A name that no other test uses at the same time.
pub(crate) fn instance() -> String {
    format!("scenario-{}", std::process::id())
}

/// The configuration file of the router in the middle.
pub(crate) fn configuration(driver: &str, instance: &str) -> String {
    let mut text = format!(
        "[instance]\nname = \"{instance}\"\n\n[workers]\ncount = 1\nidle = \"adaptive\"\n\n\
         [dpdk]\nhuge = \"never\"\nin-memory = true\n"
    );
    for (port, address, mtu) in PORTS {
        put(
            &mut text,
            format_args!(
                "\n[[port]]\nname = \"{port}\"\ndevice = \"{driver}:{port}\"\naddresses = [\"{address}\"]\nmtu = {mtu}"
            ),
        );
    }
    for route in ROUTES {
        let (kind, rest) = match route.split_once(' ') {
            Some((kind @ ("unreachable" | "prohibit" | "blackhole"), rest)) => (Some(kind), rest),
            _ => (None, route),
        };
        let mut words = rest.split_whitespace();
        put(&mut text, format_args!("\n[[route]]\nto = \"{}\"", words.next().unwrap_or_default()));
        if let Some(kind) = kind {
            put(&mut text, format_args!("type = \"{kind}\""));
        }
        while let (Some(word), Some(value)) = (words.next(), words.next()) {
            put(&mut text, format_args!("{word} = \"{value}\""));
        }
    }
    text
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("write to a string");
}

/// A `wagonway run` in the router's namespace; killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it with this configuration, and returns at once.
    pub(crate) fn start(world: &World, config: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wagonway"));
        command.arg("run").arg("--config").arg(write(config));
        Self::spawn(&world.router, &mut command)
    }

    /// Starts any command on a machine, with its output in a file.
    pub(crate) fn spawn(machine: &Namespace, command: &mut Command) -> Self {
        let log = scratch().join(format!("{}.log", unique()));
        let out = File::create(&log).expect("create the log");
        let err = out.try_clone().expect("share the log");
        let child = machine.enter(|| {
            command
                .stdin(Stdio::null())
                .stdout(out)
                .stderr(err)
                .spawn()
                .unwrap_or_else(|error| panic!("start {command:?}: {error}"))
        });
        Self { child, log }
    }

    /// What it said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn wait_until_it_answers(&mut self, world: &World) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !on(&world.alice, "ping -n -c 1 -W 1 10.1.0.1").ok {
            if let Some(status) = self.child.try_wait().expect("ask for the process") {
                panic!("wagonway ended with {status} before it answered:\n{}", self.log());
            }
            assert!(Instant::now() < deadline, "wagonway does not answer:\n{}", self.log());
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("signal the process");
    }

    /// Waits for its end for so long.
    pub(crate) fn ends_within(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("ask for the process") {
                return status;
            }
            assert!(Instant::now() < deadline, "still running after {limit:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- what wagonway said:\n{}---", self.log());
        }
        // Only this very process: its number cannot be anybody else's before it was waited for.
        let _ = self.child.kill();
        if let Ok(status) = self.child.wait()
            && status.core_dumped()
        {
            eprintln!("wagonway dumped core: {status}");
        }
    }
}

/// Writes a configuration to a file of its own.
pub(crate) fn write(config: &str) -> PathBuf {
    let path = scratch().join(format!("{}.toml", unique()));
    std::fs::write(&path, config).expect("write the configuration");
    path
}

fn scratch() -> &'static Path {
    let path = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/scenario"));
    std::fs::create_dir_all(path).expect("create the directory for logs");
    path
}

fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{count}", std::process::id())
}
