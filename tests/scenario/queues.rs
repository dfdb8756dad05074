//! A program that decides on packets, and what rules tell of them: as an operator has both.

use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::common::process::Process;
use crate::router::{configuration, instance};
use crate::world::{Said, World, on};

/// Long enough for a busy machine, short enough to call a hang a hang.
const SOON: Duration = Duration::from_secs(10);

/// A packet as a program gets it.
struct Packet {
    id: u64,
    queue: u16,
    hook: u8,
    interfaces: [String; 2],
    bytes: Vec<u8>,
}

/// The least that a program needs: messages with their lengths in front, numbers in network order.
struct Program(UnixStream);

impl Program {
    /// Connects, and listens to a queue.
    fn bind(path: &PathBuf, queue: u16) -> Result<Self, String> {
        let stream = UnixStream::connect(path).map_err(|error| error.to_string())?;
        let mut program = Self(stream);
        // Kind, first and last queue, packets that may wait, bytes of each, flags.
        let mut wish = vec![b'B'];
        wish.extend(queue.to_be_bytes());
        wish.extend(queue.to_be_bytes());
        wish.extend(0_u32.to_be_bytes());
        wish.extend(0xffff_u32.to_be_bytes());
        wish.push(0);
        program.say(&wish);
        match program.hear().expect("an answer").split_first() {
            Some((b'O', _)) => Ok(program),
            Some((b'E', why)) => Err(String::from_utf8_lossy(why).into_owned()),
            other => panic!("this is no answer: {other:?}"),
        }
    }

    fn say(&mut self, message: &[u8]) {
        self.0.write_all(&(message.len() as u32).to_be_bytes()).expect("write to the router");
        self.0.write_all(message).expect("write to the router");
    }

    fn hear(&mut self) -> Option<Vec<u8>> {
        let mut len = [0; 4];
        self.0.read_exact(&mut len).ok()?;
        let mut message = vec![0; u32::from_be_bytes(len) as usize];
        self.0.read_exact(&mut message).ok()?;
        Some(message)
    }

    /// The next packet; none when the socket has been shut.
    fn packet(&mut self) -> Option<Packet> {
        let message = self.hear()?;
        assert_eq!(message[0], b'P');
        let number = |at: usize, len: usize| {
            message[at..at + len].iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet))
        };
        // Number, queue, hook, mark, time and length, then three texts with a length each.
        let mut at = 1 + 8 + 2 + 1 + 4 + 8 + 4;
        let mut text = || {
            let len = usize::from(message[at]);
            at += 1 + len;
            String::from_utf8_lossy(&message[at - len..at]).into_owned()
        };
        let interfaces = [text(), text()];
        text();
        Some(Packet {
            id: number(1, 8),
            queue: number(9, 2) as u16,
            hook: message[11],
            interfaces,
            bytes: message[at..].to_vec(),
        })
    }

    /// Drops (0) or accepts (1) a packet, with other bytes where there are any.
    fn decide(&mut self, packet: &Packet, verdict: u8, bytes: Option<&[u8]>) {
        let mut message = vec![b'V'];
        message.extend(packet.id.to_be_bytes());
        message.push(verdict);
        message.extend(0_u16.to_be_bytes());
        message.push(if bytes.is_some() { 2 } else { 0 });
        message.extend(0_u32.to_be_bytes());
        message.extend(bytes.unwrap_or_default());
        self.say(&message);
    }

    /// Does so with each packet that comes while `work` runs; gives what work gave, and how many came.
    fn while_doing<T>(
        mut self,
        mut with: impl FnMut(&mut Self, &Packet) + Send,
        work: impl FnOnce() -> T,
    ) -> (T, usize) {
        let end = self.0.try_clone().expect("another end");
        std::thread::scope(|scope| {
            let decides = scope.spawn(move || {
                let mut count = 0;
                while let Some(packet) = self.packet() {
                    with(&mut self, &packet);
                    count += 1;
                }
                count
            });
            let done = work();
            end.shutdown(std::net::Shutdown::Both).expect("go");
            (done, decides.join().expect("the program"))
        })
    }
}

/// A router that has a socket for programs, and captures.
struct Middle<'a> {
    world: &'a World,
    process: Process,
    directory: tempfile::TempDir,
}

impl<'a> Middle<'a> {
    fn start(world: &'a World) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path().display();
        let mut config = configuration("af_packet", &instance());
        config += &format!(
            "\n[netfilter]\nqueues = \"{at}/queues\"\nnflog = \"{at}/captures\"\nlog-rate = 5\n"
        );
        let mut process = Process::start(&world.router, &config);
        process.wait_until(|| on(&world.alice, "ping -n -c 1 -W 1 10.1.0.1").ok);
        Self { world, process, directory }
    }

    fn tool(&self, words: &str) -> Said {
        let (program, rest) = words.split_once(' ').expect("a program and its words");
        let wagonway = env!("CARGO_BIN_EXE_wagonway");
        let words = format!("{wagonway} {program} --instance {} {rest}", instance());
        let said = on(&self.world.router, &words);
        assert!(said.ok, "{}", said.text);
        said
    }

    fn queues(&self) -> PathBuf {
        self.directory.path().join("queues")
    }

    fn ping(&self, count: usize) -> Said {
        on(&self.world.alice, &format!("ping -n -c {count} -i 0.05 -W 1 192.0.2.10"))
    }

    /// A program that listens; one before it may not be quite gone.
    fn program(&self) -> Program {
        let began = Instant::now();
        loop {
            match Program::bind(&self.queues(), 3) {
                Ok(program) => return program,
                Err(why) => assert!(began.elapsed() < SOON, "{why}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A program lets pings pass, drops them, changes what is said, and goes.
pub(crate) fn a_program_accepts_drops_and_changes_packets() {
    let world = World::new();
    let middle = Middle::start(&world);
    middle.tool("iptables -A FORWARD -p icmp -i lan -j NFQUEUE --queue-num 3");
    middle.ping(2).expect("100% packet loss");
    middle.tool("show drops").expect("nf_queue_nobody");

    let program = middle.program();
    let second = Program::bind(&middle.queues(), 3).err();
    assert_eq!(second.as_deref(), Some("Device or resource busy"));
    let accept = |program: &mut Program, packet: &Packet| {
        assert_eq!((packet.queue, packet.hook), (3, 2));
        assert_eq!(packet.interfaces, ["lan", "wan"]);
        assert_eq!(packet.bytes[12..20], [10, 1, 0, 10, 192, 0, 2, 10]);
        program.decide(packet, 1, None);
    };
    let (said, count) = program.while_doing(accept, || middle.ping(5));
    said.expect(" 0% packet loss");
    assert_eq!(count, 5);

    let drop = |program: &mut Program, packet: &Packet| program.decide(packet, 0, None);
    let (said, count) = middle.program().while_doing(drop, || middle.ping(3));
    said.expect("100% packet loss");
    assert_eq!(count, 3);
    middle.tool("show drops").expect("nf_queue_drop");

    // What is asked is changed on its way: one word longer, with a checksum that nobody has to make.
    middle.tool("iptables -A FORWARD -p udp -i lan -j NFQUEUE --queue-num 3");
    let server = world.bob.enter(|| UdpSocket::bind("192.0.2.10:5000").expect("a server"));
    server.set_read_timeout(Some(SOON)).expect("a time limit");
    let client = world.alice.enter(|| UdpSocket::bind("10.1.0.10:0").expect("a client"));
    let change = |program: &mut Program, packet: &Packet| {
        let mut bytes = packet.bytes.clone();
        bytes[28..].make_ascii_uppercase();
        bytes.extend_from_slice(b" INDEED");
        let (ip, udp) = (bytes.len() as u16, bytes.len() as u16 - 20);
        bytes[2..4].copy_from_slice(&ip.to_be_bytes());
        bytes[24..26].copy_from_slice(&udp.to_be_bytes());
        bytes[26..28].fill(0);
        bytes[10..12].fill(0);
        let sum = bytes[..20].chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1]));
        let sum: u32 = sum.sum();
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        program.decide(packet, 1, Some(&bytes));
    };
    let (heard, count) = middle.program().while_doing(change, || {
        client.send_to(b"who is there?", "192.0.2.10:5000").expect("ask");
        let mut heard = [0; 100];
        let (len, _) = server.recv_from(&mut heard).expect("a question comes");
        heard[..len].to_vec()
    });
    assert_eq!((String::from_utf8_lossy(&heard).as_ref(), count), ("WHO IS THERE? INDEED", 1));

    // With the bypass nobody is missed.
    middle.tool("iptables -R FORWARD 1 -p icmp -i lan -j NFQUEUE --queue-num 3 --queue-bypass");
    let began = Instant::now();
    while !middle.ping(1).ok {
        assert!(began.elapsed() < SOON, "the program is gone, and pings do not pass");
    }
    // A program that waits with its packet takes it along when it goes.
    let mut program = middle.program();
    let lost = std::thread::scope(|scope| {
        let pings = scope.spawn(|| middle.ping(1));
        assert!(program.packet().is_some());
        std::mem::drop(program);
        pings.join().expect("pings")
    });
    lost.expect("100% packet loss");
}

/// The program of docs/netfilter.md, and what goes by it.
pub(crate) fn the_documented_program_lets_a_file_pass() {
    let world = World::new();
    let middle = Middle::start(&world);
    let page = include_str!("../../docs/netfilter.md");
    let program = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
    let path = middle.queues().display().to_string();
    let program = program.expect("a program").replace("/run/wagonway/queues", &path);
    middle.tool("iptables -A FORWARD -j NFQUEUE --queue-balance 0:3");
    middle.ping(1).expect("100% packet loss");
    let mut python = std::process::Command::new("python3");
    let mut decides = Process::spawn(&world.router, python.args(["-c", &program]));
    decides.wait_until(|| middle.ping(1).ok);
    let mut serve = std::process::Command::new("iperf3");
    let server = Process::spawn(&world.bob, serve.args(["-s", "-1", "-p", "5400", "--forceflush"]));
    let began = Instant::now();
    while !server.log().contains("listening") {
        assert!(began.elapsed() < SOON, "{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    middle.tool("show queues").expect("0 to 3").expect("drop");
    middle.tool("show counters NfQueue*").expect("Offered");
    let said = on(&world.alice, "iperf3 -c 192.0.2.10 -p 5400 -n 20M");
    assert!(said.ok, "{}", said.text);
    said.expect("receiver");
    assert!(decides.is_running(), "{}", decides.log());
}

/// What rules tell of packets is in the log, at the desk, and in captures.
pub(crate) fn rules_tell_of_packets() {
    let world = World::new();
    let middle = Middle::start(&world);
    middle.tool("iptables -A FORWARD -p icmp -i lan -j LOG --log-prefix asked: --log-level info");
    middle.tool("iptables -A FORWARD -p icmp -i lan -j NFLOG --nflog-group 7 --nflog-prefix seven");
    middle.ping(1).expect(" 0% packet loss");
    let line = "asked:IN=lan OUT=wan MAC=";
    let rest = "SRC=10.1.0.10 DST=192.0.2.10 LEN=84 TOS=0x00 PREC=0x00 TTL=63 ID=";
    let began = Instant::now();
    while !middle.process.log().contains(line) {
        assert!(began.elapsed() < SOON, "nothing is logged:\n{}", middle.process.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    middle
        .tool("show log")
        .expect("Z info: ")
        .expect(line)
        .expect(rest)
        .expect("PROTO=ICMP TYPE=8");
    let json = middle.tool("show log -n 1 --json");
    json.expect("\"level\": \"info\"").expect("\"text\": \"asked:IN=lan");
    // A flood does not fill the log: what is too much is counted.
    middle.ping(40).expect(" 0% packet loss");
    middle.tool("show counters NfLog*").expect("Suppressed");
    let lines = middle.process.log().matches(line).count();
    assert!(lines < 41, "{lines} lines");

    let capture = middle.directory.path().join("captures/group-7.pcapng");
    let began = Instant::now();
    while std::fs::metadata(&capture).map_or(0, |is| is.len()) < 41 * 84 {
        assert!(began.elapsed() < SOON, "the capture does not grow");
        std::thread::sleep(Duration::from_millis(20));
    }
    let tcpdump = on(&world.alice, &format!("tcpdump -n -c 1 -r {}", capture.display()));
    tcpdump.expect("IP 10.1.0.10 > 192.0.2.10: ICMP echo request");

    // A packet that is followed shows its rules.
    let wagonway = env!("CARGO_BIN_EXE_wagonway");
    let mut follow = std::process::Command::new(wagonway);
    follow.args(["trace", "-n", "1", "--proto", "icmp", "--instance"]).arg(instance());
    let mut trace = Process::spawn(&world.router, &mut follow);
    let began = Instant::now();
    while trace.is_running() {
        assert!(began.elapsed() < SOON, "nothing is traced: {}", trace.log());
        middle.ping(1);
    }
    assert!(trace.log().contains("filter:FORWARD:rule:1"), "{}", trace.log());
}
