//! Programs that meet a packet filter: files come through translation, and servers hear only of clients
//! that are there.
//!
//! ```text
//!   alice 10.1.0.10 ---+-- lan .1 | router | wan 192.0.2.1 --- 192.0.2.10 bob
//!   carol 10.1.0.20 ---+
//! ```

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, SendFlags, SocketType};

use crate::common::frame::Ip;
use crate::common::netns::Namespace;
use crate::common::process::Process;
use crate::plan::{Kind, Plan, Running};
use crate::world::on;

struct World {
    _switch: Namespace,
    router: Namespace,
    alice: Namespace,
    carol: Namespace,
    bob: Namespace,
}

impl World {
    fn new() -> Self {
        let switch = Namespace::new("switch");
        switch.ip("link add br0 type bridge");
        switch.ip("link set br0 up");
        let router = Namespace::new("router");
        let join = |machine: &Namespace, interface: &str, port: &str| {
            switch.cable(port, machine, interface);
            switch.ip(&format!("link set {port} master br0"));
        };
        join(&router, "lan", "to-router");
        let host = |name: &'static str, address: &str| {
            let machine = Namespace::new(name);
            join(&machine, "eth0", &format!("to-{name}"));
            machine.ip(&format!("addr add {address} dev eth0"));
            machine.ip("route add default via 10.1.0.1");
            machine
        };
        let alice = host("alice", "10.1.0.10/24");
        let carol = host("carol", "10.1.0.20/24");
        let bob = Namespace::new("bob");
        router.cable("wan", &bob, "eth0");
        // Bob knows no way to the hosts behind the router.
        bob.ip("addr add 192.0.2.10/24 dev eth0");
        Self { _switch: switch, router, alice, carol, bob }
    }

    fn start(&self, kind: Kind, sysctls: &[(&str, &str)], rules: &[&str]) -> Running<'_> {
        let plan = Plan {
            workers: 2,
            ports: &[("lan", "10.1.0.1/24", 1500), ("wan", "192.0.2.1/24", 1500)],
            routes: &[],
            sysctls,
        };
        let running = Running::start(kind, &self.router, &plan, &self.alice);
        for rule in rules {
            let said = running.iptables(rule);
            assert!(said.ok, "{}", said.text);
        }
        running
    }
}

/// A directory of a test's own with a file that cannot be guessed, gone when dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wagonway-files-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(path.join("files")).expect("create a directory");
        std::fs::write(path.join("files/file"), Self::content()).expect("write the file");
        Self(path)
    }

    /// More than a window, less than a test can wait for.
    fn content() -> Vec<u8> {
        (0..300_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 8).to_le_bytes()).collect()
    }

    pub(crate) fn files(&self) -> PathBuf {
        self.0.join("files")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server of files over FTP.
fn ftp_server(machine: &Namespace, address: &str, directory: &Directory) -> Process {
    let config = directory.0.join("vsftpd.conf");
    let empty = directory.0.join("empty");
    std::fs::create_dir_all(&empty).expect("create a directory");
    let text = format!(
        "listen=YES\nlisten_address={address}\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\n\
         no_anon_password=YES\nanon_root={}\nsecure_chroot_dir={}\nseccomp_sandbox=NO\n\
         connect_from_port_20=YES\nftp_username=daemon\n",
        directory.files().display(),
        empty.display()
    );
    std::fs::write(&config, text).expect("write its configuration");
    let mut server = Process::spawn(machine, Command::new("vsftpd").arg(&config));
    let to: SocketAddr = format!("{address}:21").parse().expect("an address");
    server.wait_until(|| {
        std::thread::sleep(Duration::from_millis(20));
        machine.enter(|| TcpStream::connect_timeout(&to, Duration::from_secs(1))).is_ok()
    });
    server
}

/// A file comes to a machine as it is.
#[track_caller]
pub(crate) fn fetches(machine: &Namespace, how: &str, url: &str, directory: &Directory) {
    let out = directory.0.join("fetched");
    let _ = std::fs::remove_file(&out);
    let words = format!("curl -sS --max-time 30 --noproxy * {how} -o {} {url}", out.display());
    let said = on(machine, &words);
    assert!(said.ok, "{}", said.text);
    assert!(same(&out), "{words}: another file came");
}

fn same(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes == Directory::content())
}

/// What passes only if a helper has announced it.
const STRICT: [&str; 4] = [
    "-P FORWARD DROP",
    "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
    "-t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp",
];

const PASSIVE: [&str; 2] = ["--disable-epsv", ""];
const ACTIVE: [&str; 2] = ["--disable-eprt --ftp-port -", "--ftp-port -"];

/// Shows [9.151], [9.161], [9.251]: FTP crosses a masquerade, whoever opens the data connection.
pub(crate) fn ftp_crosses_a_masquerade(kind: Kind) {
    let (world, directory) = (World::new(), Directory::new());
    let own = [
        "-A FORWARD -i lan -p tcp --dport 21 -j ACCEPT",
        "-t nat -A POSTROUTING -o wan -j MASQUERADE",
    ];
    let _router = world.start(kind, &[], &[&STRICT[..], &own].concat());
    let _server = ftp_server(&world.bob, "192.0.2.10", &directory);
    for how in PASSIVE.into_iter().chain(ACTIVE) {
        fetches(&world.alice, how, "ftp://192.0.2.10/file", &directory);
    }
}

/// Shows [9.251]: a server behind the router tells the router's address in place of its own.
pub(crate) fn ftp_reaches_a_server_behind_the_router(kind: Kind) {
    let (world, directory) = (World::new(), Directory::new());
    let own = [
        "-A FORWARD -i wan -p tcp --dport 21 -j ACCEPT",
        "-t nat -A PREROUTING -i wan -p tcp --dport 21 -j DNAT --to-destination 10.1.0.10",
    ];
    let _router = world.start(kind, &[], &[&STRICT[..], &own].concat());
    let _server = ftp_server(&world.alice, "10.1.0.10", &directory);
    for how in ["--no-ftp-skip-pasv-ip --disable-epsv", ""].into_iter().chain(ACTIVE) {
        fetches(&world.bob, how, "ftp://192.0.2.1/file", &directory);
    }
}

/// Shows [9.151]: answers of TFTP come from a port that nobody has asked.
pub(crate) fn tftp_crosses_a_masquerade(kind: Kind) {
    let (world, directory) = (World::new(), Directory::new());
    let own = [
        "-A FORWARD -i lan -p udp --dport 69 -j ACCEPT",
        "-t nat -A POSTROUTING -o wan -j MASQUERADE",
    ];
    let _router = world.start(kind, &[], &[&STRICT[..], &own].concat());
    let files = directory.files();
    let mut command = Command::new("in.tftpd");
    command.args(["-L", "-u", "root", "--address", "192.0.2.10:69", "-s"]).arg(&files);
    let mut server = Process::spawn(&world.bob, &mut command);
    server.wait_until_true(|_| on(&world.bob, "ss -Hlun sport = 69").contains("192.0.2.10:69"));
    let how = "--tftp-blksize 1400";
    fetches(&world.alice, how, "tftp://192.0.2.10/file", &directory);
}

/// A host that the router has never spoken to gets copies of packets to another (`-j TEE`).
pub(crate) fn copies_go_to_a_stranger(kind: Kind) {
    let world = World::new();
    let rule = "-t mangle -A PREROUTING -i lan -p icmp -j TEE --gateway 10.1.0.20";
    let _router = world.start(kind, &[], &[rule, "-t nat -A POSTROUTING -o wan -j MASQUERADE"]);
    let mut tcpdump = Command::new("tcpdump");
    tcpdump
        .args("-n -l -c 3 -i eth0 icmp and dst host 192.0.2.10 and src host 10.1.0.10".split(' '));
    let mut listener = Process::spawn(&world.carol, &mut tcpdump);
    listener.wait_until_true(|listener| listener.log().contains("listening on eth0"));
    on(&world.alice, "ping -n -c 5 -i 0.2 -W 2 192.0.2.10").expect(" 0% packet loss");
    assert!(listener.ends_within(Duration::from_secs(10)).success(), "{}", listener.log());
}

/// A server that gives back what it is sent.
pub(crate) fn echoes(machine: &Namespace, address: &str) {
    let listener = machine.enter(|| TcpListener::bind(address)).expect("bind");
    std::thread::spawn(move || {
        for mut peer in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(len @ 1..) = peer.read(&mut bytes) {
                    if peer.write_all(&bytes[..len]).is_err() {
                        break;
                    }
                }
            });
        }
    });
}

/// Says something large to who echoes, and hears it again; tells as whom.
#[track_caller]
pub(crate) fn hears_its_echo(machine: &Namespace, server: &str) -> SocketAddr {
    let server: SocketAddr = server.parse().expect("an address");
    machine.enter(|| {
        let limit = Duration::from_secs(20);
        let mut peer = TcpStream::connect_timeout(&server, limit)
            .unwrap_or_else(|error| panic!("connect to {server}: {error}"));
        peer.set_read_timeout(Some(limit)).expect("set a time limit");
        let said = Directory::content();
        let mut heard = vec![0; said.len()];
        let mut writer = peer.try_clone().expect("a second handle");
        std::thread::scope(|scope| {
            scope.spawn(|| writer.write_all(&said).expect("send"));
            peer.read_exact(&mut heard).expect("hear the echo");
        });
        assert!(heard == said, "another echo");
        peer.local_addr().expect("an address of its own")
    })
}

/// Status of curl when it cannot connect; when nothing answers it is another.
const CURL_REFUSED: i32 = 7;

/// Answers to pings come to workers by their addresses, which the one that translates cannot choose.
pub(crate) fn pings_to_many_come_back_through_a_masquerade(kind: Kind) {
    let world = World::new();
    let _router = world.start(
        kind,
        &[],
        &[
            "-t nat -A POSTROUTING -o wan -j MASQUERADE",
            "-P FORWARD DROP",
            "-A FORWARD -i lan -j ACCEPT",
            "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ],
    );
    for host in 20..40 {
        world.bob.ip(&format!("addr add 192.0.2.{host}/24 dev eth0"));
    }
    for host in 20..40 {
        let words = format!("ping -n -c 2 -i 0.05 -W 5 192.0.2.{host}");
        on(&world.alice, &words).expect(" 0% packet loss");
    }
    world.bob.sysctl("net.ipv4.icmp_ratelimit", "0");
    // Nobody listens there, and the error is of the connection.
    for host in 20..30 {
        let words = format!("curl -sS --max-time 5 --noproxy * http://192.0.2.{host}:81/");
        let said = on(&world.alice, &words);
        assert_eq!(said.status, Some(CURL_REFUSED), "192.0.2.{host}: {}", said.text);
        let words = format!("traceroute -n -U -p 9999 -q 1 -w 3 -m 3 192.0.2.{host}");
        on(&world.alice, &words).expect(&format!(" 2  192.0.2.{host} "));
    }
}

/// Shows [9.231]: two hosts of one network meet by the router's address.
pub(crate) fn neighbours_meet_by_the_address_of_the_router(kind: Kind) {
    let world = World::new();
    let _router = world.start(kind, &[], &[
        "-t nat -A PREROUTING -d 192.0.2.1 -p tcp --dport 8080 -j DNAT --to-destination 10.1.0.20:80",
        "-t nat -A POSTROUTING -s 10.1.0.0/24 -d 10.1.0.20 -p tcp --dport 80 -j MASQUERADE",
    ]);
    echoes(&world.carol, "10.1.0.20:80");
    assert_eq!(hears_its_echo(&world.alice, "192.0.2.1:8080").ip(), Ipv4Addr::new(10, 1, 0, 10));
}

/// Sends SYNs of nobody until told to stop; gives their number.
fn floods(machine: &Namespace, to: Ipv4Addr, stop: &AtomicBool) -> u32 {
    machine.enter(|| {
        let raw = Protocol::from_raw(std::num::NonZeroU32::new(255).expect("not 0"));
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::RAW, Some(raw))
            .expect("a raw socket");
        let to_address = SocketAddr::from((to, 0));
        let mut sent = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            let [_, _, c, d] = sent.to_be_bytes();
            let syn = Ip::new(Ipv4Addr::new(203, 0, c | 1, d), to)
                .tcp((1024 + (sent % 60_000) as u16, 80), sent.wrapping_mul(77), 0, 2, &[])
                .bytes();
            let _ = rustix::net::sendto(&socket, &syn, SendFlags::empty(), &to_address);
            sent += 1;
            if sent.is_multiple_of(32) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        sent
    })
}

/// Shows [9.190]: under a flood of SYNs clients that are there reach the server, which hears of no other.
pub(crate) fn a_flood_does_not_reach_the_server(kind: Kind) {
    let world = World::new();
    let _router = world.start(kind, &[("netfilter.nf_conntrack_tcp_loose", "0")], &[
        "-t raw -A PREROUTING -i lan -p tcp --dport 80 --syn -j CT --notrack",
        "-A FORWARD -i lan -p tcp --dport 80 -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY \
         --sack-perm --timestamp --wscale 7 --mss 1460",
        "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
    ]);
    world.bob.ip("route add default via 192.0.2.1");
    echoes(&world.bob, "192.0.2.10:80");
    let stop = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let flood = scope.spawn(|| floods(&world.carol, Ipv4Addr::new(192, 0, 2, 10), &stop));
        for _ in 0..5 {
            let own = hears_its_echo(&world.alice, "192.0.2.10:80");
            assert_eq!(own.ip(), Ipv4Addr::new(10, 1, 0, 10));
        }
        stop.store(true, Ordering::Relaxed);
        flood.join().expect("the flood ends")
    });
    assert!(sent > 100, "no flood: {sent}");
    let waiting = on(&world.bob, "ss -Htn state syn-recv");
    assert_eq!(waiting.text.lines().count(), 1, "the server waits for nobody: {}", waiting.text);
}
