//! Network namespaces that cannot outlive the test.
//!
//! A namespace is created under a name, opened, and its name removed again at once: from then on
//! only this process's descriptor (and whatever still runs inside) keeps it. The kernel takes it
//! down with every interface, route and address in it when the test ends, however it ends.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace of this test's own.
#[derive(Debug)]
pub(crate) struct Namespace {
    fd: File,
    label: &'static str,
}

impl Namespace {
    /// A fresh namespace with only `lo`, which is up, and with IPv6 off for interfaces to come.
    pub(crate) fn new(label: &'static str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("wagonway-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        check("ip netns add", &run(Command::new("ip").args(["netns", "add", &name])));
        let fd = File::open(format!("/run/netns/{name}"));
        check("ip netns del", &run(Command::new("ip").args(["netns", "del", &name])));
        let namespace = Self { fd: fd.expect("open the new namespace"), label };
        namespace.sysctl("net.ipv6.conf.all.disable_ipv6", "1");
        namespace.sysctl("net.ipv6.conf.default.disable_ipv6", "1");
        namespace.ip("link set lo up");
        namespace
    }

    /// What the test calls it.
    pub(crate) fn label(&self) -> &'static str {
        self.label
    }

    /// What `ip link ... netns` takes to mean this namespace.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.fd.as_raw_fd()).into()
    }

    /// Runs `work` on a thread that lives in this namespace; processes it starts live there too.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(self.fd.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("enter the namespace (root is needed)");
                work()
            });
            match inside.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Runs a command inside to its end and returns what it said.
    pub(crate) fn output<S: AsRef<OsStr> + Sync>(&self, program: &str, args: &[S]) -> Output {
        self.enter(|| run(Command::new(program).args(args)))
    }

    /// Runs `ip` inside with these words; panics with its complaint if it fails.
    pub(crate) fn ip(&self, words: &str) {
        let args: Vec<&str> = words.split_whitespace().collect();
        check(&format!("[{}] ip {words}", self.label), &self.output("ip", &args));
    }

    /// Waits until the kernel has noticed that a link lost its carrier or has one again, which it
    /// does in its own time.
    pub(crate) fn wait_for_carrier(&self, link: &str, carrier: bool) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let shown = self.output("ip", &["-o", "link", "show", link]);
            let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
            if shown.contains("LOWER_UP") == carrier && shown.contains("NO-CARRIER") != carrier {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "carrier of {link}: {shown}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Feeds these lines to `ip -batch -` inside.
    pub(crate) fn ip_batch(&self, lines: &str) {
        let output = self.enter(|| {
            let mut child = Command::new("ip")
                .args(["-batch", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("start ip");
            let mut stdin = child.stdin.take().expect("a pipe was asked for");
            stdin.write_all(lines.as_bytes()).expect("write the batch");
            drop(stdin);
            child.wait_with_output().expect("wait for ip")
        });
        check(&format!("[{}] ip -batch of:\n{lines}", self.label), &output);
    }

    /// Sets a kernel parameter of this namespace, named with dots.
    pub(crate) fn sysctl(&self, name: &str, value: &str) {
        let path = sysctl_path(name);
        self.enter(|| {
            std::fs::write(&path, value)
                .unwrap_or_else(|error| panic!("sysctl {name}={value} ({path}): {error}"));
        });
    }

    /// One end of a new cable: `here` in this namespace, `there` in the other, both up, offloads off.
    pub(crate) fn cable(&self, here: &str, other: &Self, there: &str) {
        self.ip(&format!(
            "link add {here} type veth peer name {there} netns {}",
            other.path().display()
        ));
        for (namespace, end) in [(self, here), (other, there)] {
            namespace.no_offloads(end);
            namespace.ip(&format!("link set {end} up"));
        }
    }

    /// Makes an interface carry only what a wire would: whole checksums and no super-sized frames.
    pub(crate) fn no_offloads(&self, interface: &str) {
        let words =
            ["-K", interface, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off"];
        check("ethtool -K", &self.output("ethtool", &words));
    }
}

/// The file of a kernel parameter.
pub(crate) fn sysctl_path(name: &str) -> String {
    // An interface name may hold a dot (`wan.10`), which sysctl's own notation writes as a slash.
    for family in ["ipv4", "ipv6"] {
        for kind in ["conf", "neigh"] {
            if let Some(rest) = name.strip_prefix(&format!("net.{family}.{kind}.")) {
                let (interface, key) = rest.rsplit_once('.').expect("an interface and a key");
                return format!("/proc/sys/net/{family}/{kind}/{interface}/{key}");
            }
        }
    }
    format!("/proc/sys/{}", name.replace('.', "/"))
}

/// Runs a command to its end with nothing on its standard input.
pub(crate) fn run(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

/// Panics with everything a command said if it failed.
#[track_caller]
pub(crate) fn check(what: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{what}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
