//! Programs that run beside the test.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::netns::Namespace;

/// A running program with its output in a file; killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `wagonway run` with this configuration, and returns at once.
    pub(crate) fn start(machine: &Namespace, config: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wagonway"));
        command.arg("run").arg("--config").arg(write(config));
        Self::spawn(machine, &mut command)
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

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("ask for the process").is_none()
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `answers` does, which may take a little itself; panics if the process ends.
    pub(crate) fn wait_until(&mut self, mut answers: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !answers() {
            if let Some(status) = self.child.try_wait().expect("ask for the process") {
                panic!("it ended with {status} before it answered:\n{}", self.log());
            }
            assert!(Instant::now() < deadline, "it does not answer:\n{}", self.log());
        }
    }

    /// Waits until the process has come so far; panics if it ends before.
    pub(crate) fn wait_until_true(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !done(self) {
            if let Some(status) = self.child.try_wait().expect("ask for the process") {
                panic!("it ended with {status}:\n{}", self.log());
            }
            assert!(Instant::now() < deadline, "it does not come so far:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
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
            eprintln!("--- what the program said:\n{}---", self.log());
        }
        // Only this very process: its number cannot be anybody else's before it was waited for.
        let _ = self.child.kill();
        if let Ok(status) = self.child.wait()
            && status.core_dumped()
        {
            eprintln!("dumped core: {status}");
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
    let path = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/logs"));
    std::fs::create_dir_all(path).expect("create the directory for logs");
    path
}

fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{count}", std::process::id())
}
