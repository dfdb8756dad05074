//! Connections of a running router, as an operator sees, cuts and follows them.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::process::Process;
use crate::router::{AfPacket, Router as _, Wagonway, instance};
use crate::world::{Said, World, on};

/// Long enough for a busy machine, short enough to call a hang a hang.
const SOON: Duration = Duration::from_secs(10);

fn tool(world: &World, program: &str, words: &str) -> Said {
    let wagonway = env!("CARGO_BIN_EXE_wagonway");
    on(&world.router, &format!("{wagonway} {program} --instance {} {words}", instance()))
}

/// Waits until a process has said this.
#[track_caller]
fn hear(process: &Process, what: &str) {
    let began = Instant::now();
    while !process.log().contains(what) {
        assert!(began.elapsed() < SOON, "not told {what:?}:\n{}", process.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What hides behind one address is listed, followed and cut while it flows.
pub(crate) fn masqueraded_connections_are_seen_cut_and_followed() {
    let world = World::new();
    let _router = Wagonway::<AfPacket>::start(&world);
    let conntrack = |words: &str| tool(&world, "conntrack", words);
    // Nothing is tracked before a rule asks for it, and the question is answered all the same.
    conntrack("-L").expect("0 flow entries have been shown.");
    let masquerade = tool(&world, "iptables", "-t nat -A POSTROUTING -o wan -j MASQUERADE");
    assert!(masquerade.ok, "{}", masquerade.text);

    let wagonway = env!("CARGO_BIN_EXE_wagonway");
    let listen = |words: &[&str]| {
        let mut command = Command::new(wagonway);
        command.args(["conntrack", "--instance"]).arg(instance()).arg("-E").args(words);
        Process::spawn(&world.router, &mut command)
    };
    let (mut all, mut ends) = (listen(&[]), listen(&["-e", "DESTROY", "-p", "icmp"]));
    // They listen from some time soon on.
    let began = Instant::now();
    while all.log().is_empty() || ends.log().is_empty() {
        assert!(began.elapsed() < SOON, "nothing is told: {}{}", all.log(), ends.log());
        on(&world.alice, "ping -n -c 1 -W 2 192.0.2.10").expect(" 0% packet loss");
        conntrack("-D -p icmp");
    }

    on(&world.alice, "ping -n -c 2 -i 0.1 -W 2 192.0.2.10").expect(" 0% packet loss");
    let seen = conntrack("-L -p icmp");
    seen.expect("icmp     1 ")
        .expect("src=10.1.0.10 dst=192.0.2.10 type=8 code=0 id=")
        .expect("src=192.0.2.10 dst=192.0.2.1 type=0 code=0 id=")
        .expect("1 flow entries have been shown.");
    conntrack("-L --src-nat").expect("dst=192.0.2.1 ");
    conntrack("-L -p tcp --dst-nat").expect("0 flow entries have been shown.");
    hear(&all, "    [NEW] icmp     1 30 src=10.1.0.10 dst=192.0.2.10 type=8 code=0 id=");
    hear(&all, " [UPDATE] icmp     1 30 src=10.1.0.10 dst=192.0.2.10 type=8 code=0 id=");

    // The same in tables, and for programs.
    let show = |words: &str| tool(&world, "show", words);
    show("nat").expect("10.1.0.10:").expect("192.0.2.1:").expect("icmp");
    show("nat --json").expect("\"kind\": \"source\"");
    show("filter").expect("-o wan -j MASQUERADE").expect("policy ACCEPT");
    show("filter --top 1 --json").expect("\"packets\"");
    show("talkers").expect("are not counted").expect("nf_conntrack_acct");
    show("sets").expect("no sets");
    let short = tool(&world, "nfct", "add timeout short inet icmp timeout 77");
    assert!(short.ok, "{}", short.text);
    tool(&world, "nfct", "list timeout").expect(".TIMEOUT = 77,");
    let gives = tool(&world, "iptables", "-t raw -A PREROUTING -p icmp -j CT --timeout short");
    assert!(gives.ok, "{}", gives.text);
    conntrack("-D -p icmp");
    on(&world.alice, "ping -n -c 1 -W 2 192.0.2.10").expect(" 0% packet loss");
    conntrack("-L -p icmp").expect("icmp     1 7");
    let cleared = tool(&world, "iptables", "-t raw -F");
    assert!(cleared.ok, "{}", cleared.text);

    // Something that goes on: cut, it is another connection from the next packet on.
    let server = Process::spawn(
        &world.bob,
        Command::new("iperf3").args(["-s", "-1", "-p", "5300", "--forceflush"]),
    );
    hear(&server, "listening");
    let mut load = Process::spawn(
        &world.alice,
        Command::new("iperf3").args(["-c", "192.0.2.10", "-p", "5300", "-t", "4", "-i", "1"]),
    );
    hear(&all, "ESTABLISHED src=10.1.0.10 dst=192.0.2.10 sport=");
    let began = Instant::now();
    for round in 0_u32.. {
        let listed = conntrack("-L -p tcp --dport 5300");
        listed.expect("2 flow entries have been shown.").expect("[ASSURED]");
        let counted = tool(&world, "show", "connections");
        assert!(counted.ok && counted.contains("worker"), "{}", counted.text);
        if round >= 10 {
            println!("11 lists under load took {:?}", began.elapsed());
            break;
        }
    }
    let status = load.ends_within(SOON);
    assert!(status.success(), "{}", load.log());

    let cut = conntrack("-D -p icmp");
    cut.expect("src=10.1.0.10 dst=192.0.2.10 type=8").expect("1 flow entries have been deleted.");
    assert_eq!(conntrack("-D -p icmp").status, Some(1));
    hear(&ends, "[DESTROY] icmp     1 ");
    assert!(!ends.log().contains("NEW") && !ends.log().contains("tcp"), "{}", ends.log());
    let made =
        conntrack("-I -p udp -s 10.1.0.10 -d 192.0.2.10 --sport 7 --dport 8 --timeout 100 -m 3");
    made.expect("1 flow entries have been created.");
    hear(
        &all,
        "    [NEW] udp      17 100 src=10.1.0.10 dst=192.0.2.10 sport=7 dport=8 [UNREPLIED]",
    );
    conntrack("-U -s 10.1.0.10 -p udp -m 4").expect("mark=4");
    hear(&all, " [UPDATE] udp      17 ");
    conntrack("-G -p udp -s 10.1.0.10 -d 192.0.2.10 --sport 7 --dport 8").expect("mark=4");
    conntrack("-F").expect("connection tracking table has been emptied.");
    conntrack("-L").expect("0 flow entries have been shown.");
    for listener in [&mut all, &mut ends] {
        listener.signal(Signal::INT);
        listener.ends_within(SOON);
    }
    // The last listener gone, others may still ask.
    conntrack("-C").expect("0\n");
    conntrack("-S").expect("cpu=0   \tfound=");
}
