//! A full table: a million routes from a file, in a router that runs.

use std::{
    fmt::Write as _,
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use wagonway::route::synth;

/// Kills what is left of a program.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A number of KiB out of `/proc/PID/status`.
fn status(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("read the status");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().expect("a number")
}

#[test]
fn a_full_table_loads_in_seconds_and_little_memory() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let mut routes = String::new();
    for net in synth::prefixes(1_000_000, 1) {
        writeln!(routes, "{net} via 10.0.1.2 dev wan proto static").expect("a string");
    }
    fs::write(at("full.routes"), &routes).expect("write");
    drop(routes);
    let socket = at("full.sock");
    let config = format!(
        "[instance]\nname = \"full\"\n[dpdk]\nhuge = \"never\"\n[workers]\ncount = 1\n\
         [buffers]\ncount = 2047\n[telemetry]\nsocket = \"{}\"\n[routes]\nfile = \"full.routes\"\n",
        socket.display()
    );
    let port = |name: &str, net: &str| {
        format!(
            "[[port]]\nname = \"{name}\"\ndevice = \"null\"\nrx-descriptors = 64\n\
             tx-descriptors = 64\naddresses = [\"{net}\"]\n"
        )
    };
    let config = config + &port("lan", "10.0.0.1/24") + &port("wan", "10.0.1.1/24");
    fs::write(at("full.toml"), config).expect("write");

    let began = Instant::now();
    let log = fs::File::create(at("log")).expect("a log");
    let child = Command::new(env!("CARGO_BIN_EXE_wagonway"))
        .args(["run", "--config"])
        .arg(at("full.toml"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("start");
    let mut running = Running(child);
    let said = || fs::read_to_string(at("log")).unwrap_or_default();
    while !said().contains("answers on") {
        assert!(running.0.try_wait().expect("ask").is_none(), "it ended: {}", said());
        assert!(began.elapsed() < Duration::from_secs(60), "it does not start: {}", said());
        std::thread::sleep(Duration::from_millis(10));
    }
    let took = began.elapsed();
    let memory = status(running.0.id(), "VmHWM");
    println!("a million routes: running after {took:.2?}, {} MiB at most", memory >> 10);
    // With packet buffers and DPDK's own, which count on top of what is allowed.
    assert!(memory < 300 << 10, "{memory} KiB");
    // A build without optimisation takes longer, which says nothing.
    let limit = if cfg!(debug_assertions) { 20 } else { 3 };
    assert!(took < Duration::from_secs(limit), "{took:?}");

    let ask = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_wagonway"))
            .args(words)
            .arg("--socket")
            .arg(&socket)
            .output()
            .expect("ask");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let memory = ask(&["show", "memory", "--json"]);
    assert!(memory.contains("\"used\": 1000006"), "{memory}");
    let some = synth::prefixes(1_000_000, 1).nth(500_000).expect("a prefix");
    let found = ask(&["show", "routes", &format!("{}/32", some.addr())]);
    assert!(found.contains(&some.to_string().replace("/32", "")), "{some} is not in {found}");
}
