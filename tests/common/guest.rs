//! Another kernel in a machine of its own, for what the kernel of this one was built without.
//!
//! QEMU boots a Debian kernel with a shell for `init`; nothing of it touches this machine's network:
//! each of its cards is a pair of datagram sockets in a directory of its own, a frame a datagram.
//! The machine is as fast as an interpreter can be (no hardware help is asked for), so that it runs
//! anywhere, and starts in some seconds.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::frame::Mac;
use super::netns::{check, run};

/// Where `scripts/install-deps` unpacks the kernel.
const HOME: &str = "/var/cache/wagonway/guest";
/// Long enough for a start on a machine that does much else.
const BOOT: Duration = Duration::from_secs(90);
/// The same for one command.
const ANSWER: Duration = Duration::from_secs(30);

/// What runs in the guest: mounts, drivers, then one line after another from its second serial port.
const INIT: &str = r#"#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /proc /sys /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for module in $($b cat /modules); do $b insmod /lib/$module || echo "no $module"; done
exec </dev/ttyS1 >/dev/ttyS1 2>&1
$b stty raw -echo
echo ready
while read -r line; do
    said=$(eval "$line" 2>&1)
    status=$?
    echo "$said"
    echo "= $status"
done
"#;

/// A running machine; off when dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    machine: Child,
    control: BufReader<UnixStream>,
    directory: tempfile::TempDir,
}

/// The far end of one of its cards.
#[derive(Debug)]
pub(crate) struct Nic {
    socket: UnixDatagram,
    name: String,
}

/// Why there can be no guest, if there cannot.
pub(crate) fn missing() -> Option<String> {
    let tools = ["qemu-system-x86_64", "busybox", "ip"];
    let lacks = tools.into_iter().find(|tool| find(tool).is_none());
    let lacks = lacks.map(|tool| format!("{tool} is not installed"));
    lacks.or_else(|| kernel().err()).map(|why| format!("{why}; scripts/install-deps gets it"))
}

fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|directory| directory.join(tool))
        .find(|file| file.is_file())
}

/// The kernel, and the directory of its modules.
fn kernel() -> Result<(PathBuf, PathBuf), String> {
    let only = |directory: &str, start: &str| {
        let directory = Path::new(HOME).join(directory);
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(start)))
            .collect();
        found.sort();
        found.pop().ok_or_else(|| format!("there is no kernel in {}", directory.display()))
    };
    Ok((only("boot", "vmlinuz-")?, only("lib/modules", "")?))
}

/// The modules that these need, in the order in which they can be loaded; what is built in is left
/// out.
fn load_order(modules: &Path, wanted: &[&str]) -> Vec<String> {
    let list = fs::read_to_string(modules.join("modules.dep")).expect("read modules.dep");
    let mut order: Vec<String> = Vec::new();
    for name in wanted {
        let of = |line: &&str| {
            let file = line.split(':').next().unwrap_or_default();
            Path::new(file).file_stem().is_some_and(|stem| stem.to_string_lossy() == *name)
        };
        let Some(line) = list.lines().find(of) else { continue };
        let (own, needs) = line.split_once(':').expect("a module and what it needs");
        // What is needed stands before what needs it when read from the end.
        for file in needs.split_whitespace().rev().chain([own]) {
            if !order.iter().any(|known| known == file) {
                order.push(file.to_owned());
            }
        }
    }
    order
}

/// Packs what the guest needs into a file that its kernel unpacks into memory.
fn pack(directory: &Path, modules: &Path, wanted: &[&str]) -> PathBuf {
    let root = directory.join("root");
    let put = |from: &Path, to: &Path| {
        let to = root.join(to.strip_prefix("/").unwrap_or(to));
        fs::create_dir_all(to.parent().expect("a directory")).expect("make a directory");
        fs::copy(from, &to).unwrap_or_else(|error| panic!("copy {}: {error}", from.display()));
    };
    put(&find("busybox").expect("busybox"), Path::new("/bin/busybox"));
    let ip = find("ip").expect("ip");
    put(&ip, Path::new("/bin/iproute2"));
    let libraries = run(Command::new("ldd").arg(&ip));
    for word in String::from_utf8_lossy(&libraries.stdout).split_whitespace() {
        if word.starts_with('/') {
            put(Path::new(word), Path::new(word));
        }
    }
    let order = load_order(modules, wanted);
    let mut names = String::new();
    for file in &order {
        let name = Path::new(file).file_name().expect("a name");
        put(&modules.join(file), &Path::new("/lib").join(name));
        names += &format!("{}\n", name.to_string_lossy());
    }
    fs::write(root.join("modules"), names).expect("write the list of modules");
    let init = root.join("init");
    fs::write(&init, INIT).expect("write init");
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).expect("make init run");
    symlink("busybox", root.join("bin/sh")).expect("a link");
    let packed = directory.join("root.cpio");
    let words = "cd root && find . | busybox cpio -o -H newc >../root.cpio";
    check("cpio", &run(Command::new("sh").args(["-c", words]).current_dir(directory)));
    packed
}

impl Guest {
    /// Boots a machine with these kernel modules and a card for each name and address, with IPv6 or
    /// without; gives the cables of the cards. Interfaces have the names and are down.
    pub(crate) fn boot(modules: &[&str], cards: &[(&str, Mac)], six: bool) -> (Self, Vec<Nic>) {
        let (kernel, tree) = kernel().unwrap_or_else(|why| panic!("{why}"));
        let directory = tempfile::Builder::new().prefix("guest").tempdir().expect("a directory");
        let here = directory.path();
        let wanted: Vec<&str> =
            ["virtio_pci", "virtio_net"].into_iter().chain(modules.iter().copied()).collect();
        let packed = pack(here, &tree, &wanted);
        let log = fs::File::create(here.join("qemu.log")).expect("create a log");
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .args(["-machine", "pc", "-accel", "tcg", "-smp", "1", "-m", "160"])
            .arg("-kernel")
            .arg(kernel)
            .arg("-initrd")
            .arg(packed)
            .arg("-append")
            .arg(format!(
                "console=ttyS0 quiet panic=-1 no_timer_check ipv6.disable={} random.trust_cpu=on",
                u8::from(!six)
            ))
            .args(["-serial", "file:console.log", "-serial", "chardev:control"])
            .args(["-chardev", "socket,id=control,path=control,server=on,wait=off"]);
        let mut sockets = Vec::new();
        for (name, mac) in cards {
            sockets.push(UnixDatagram::bind(here.join(format!("{name}.here"))).expect("a socket"));
            let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
            command.arg("-netdev").arg(format!(
                "dgram,id={name},local.type=unix,local.path={name}.there,remote.type=unix,\
                 remote.path={name}.here"
            ));
            command.arg("-device").arg(format!("virtio-net-pci,netdev={name},mac={mac},romfile="));
        }
        let err = log.try_clone().expect("share the log");
        let machine = command
            .current_dir(here)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(err)
            .spawn()
            .expect("start qemu-system-x86_64");
        let (machine, control) = Self::connect(machine, here);
        let mut guest = Self { machine, control, directory };
        let ready = guest.line(BOOT);
        assert_eq!(ready, "ready", "{}", guest.log());
        let nics = sockets.into_iter().zip(cards).map(|(socket, (name, _))| {
            let there = guest.directory.path().join(format!("{name}.there"));
            socket.connect(there).expect("reach the card");
            socket.set_nonblocking(true).expect("do not wait");
            Nic { socket, name: (*name).to_owned() }
        });
        let nics: Vec<Nic> = nics.collect();
        for (number, nic) in nics.iter().enumerate() {
            guest.ip(&format!("link set eth{number} name {}", nic.name));
        }
        guest.ip("link set lo up");
        (guest, nics)
    }

    /// Waits until the machine has its sockets, and takes the one to command it by.
    fn connect(mut machine: Child, here: &Path) -> (Child, BufReader<UnixStream>) {
        let deadline = Instant::now() + BOOT;
        loop {
            if let Ok(control) = UnixStream::connect(here.join("control")) {
                return (machine, BufReader::new(control));
            }
            let ended = machine.try_wait().expect("ask for the machine");
            if ended.is_some() || Instant::now() > deadline {
                let _ = machine.kill();
                let _ = machine.wait();
                let said = fs::read_to_string(here.join("qemu.log")).unwrap_or_default();
                panic!("qemu-system-x86_64 does not start ({ended:?}):\n{said}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What it said on its console, and QEMU about it.
    fn log(&self) -> String {
        let read = |name: &str| {
            let text = fs::read(self.directory.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&text).into_owned()
        };
        format!("--- qemu:\n{}--- console:\n{}---", read("qemu.log"), read("console.log"))
    }

    fn line(&mut self, limit: Duration) -> String {
        self.control.get_ref().set_read_timeout(Some(limit)).expect("set a time limit");
        let mut line = String::new();
        match self.control.read_line(&mut line) {
            Ok(1..) => line.trim_end().to_owned(),
            other => panic!("the guest does not answer in {limit:?}: {other:?}\n{}", self.log()),
        }
    }

    /// Runs a line of shell; panics with what it said if it fails.
    pub(crate) fn shell(&mut self, line: &str) -> String {
        let (status, said) = self.run(line);
        assert_eq!(status, 0, "[guest] {line}:\n{said}");
        said
    }

    /// Runs a line of shell; gives its status and what it said.
    pub(crate) fn run(&mut self, line: &str) -> (u8, String) {
        let control = self.control.get_mut();
        writeln!(control, "{line}").expect("command the guest");
        let mut said = String::new();
        loop {
            let more = self.line(ANSWER);
            match more.strip_prefix("= ") {
                None if more.is_empty() && said.is_empty() => {}
                None => said += &format!("{more}\n"),
                Some(status) => return (status.parse().unwrap_or(u8::MAX), said),
            }
        }
    }

    /// Runs `ip` with these words.
    pub(crate) fn ip(&mut self, words: &str) -> String {
        self.shell(&format!("/bin/iproute2 {words}"))
    }

    /// Feeds these lines to `ip -batch -`.
    pub(crate) fn ip_batch(&mut self, lines: &str) {
        let words: String = lines.lines().map(|line| format!(" '{line}'")).collect();
        if !words.is_empty() {
            self.shell(&format!("printf '%s\\n'{words} | /bin/iproute2 -batch -"));
        }
    }

    /// Sets a kernel parameter, named with dots.
    pub(crate) fn sysctl(&mut self, name: &str, value: &str) {
        let path = super::netns::sysctl_path(name);
        self.shell(&format!("echo {value} >{path}"));
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        // Only this very process: its number cannot be anybody else's before it was waited for.
        let _ = self.machine.kill();
        let _ = self.machine.wait();
    }
}

impl Nic {
    /// The interface's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Puts one frame on the wire; waits for the machine to take what went before.
    pub(crate) fn send(&self, frame: &[u8]) {
        let deadline = Instant::now() + ANSWER;
        loop {
            match self.socket.send(frame) {
                Ok(sent) => return assert_eq!(sent, frame.len(), "short write on {}", self.name),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(Instant::now() < deadline, "{} takes no frames", self.name);
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("inject {} bytes on {}: {error}", frame.len(), self.name),
            }
        }
    }

    /// The next frame that the machine has put on the wire, if there is one now.
    pub(crate) fn receive(&self) -> Option<Vec<u8>> {
        let mut buffer = [0; 16 * 1024];
        match self.socket.recv(&mut buffer) {
            Ok(len) => Some(buffer[..len].to_vec()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("read from {}: {error}", self.name),
        }
    }
}
