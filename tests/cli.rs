//! What people type, and what they get.

use std::fs;

use assert_cmd::Command;

fn wagonway() -> Command {
    Command::new(env!("CARGO_BIN_EXE_wagonway"))
}

/// Standard output, standard error and exit status.
fn said(command: &mut Command) -> (String, String, i32) {
    let output = command.output().expect("run wagonway");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(output.stdout), text(output.stderr), output.status.code().unwrap_or(-1))
}

#[test]
fn wrong_use_ends_with_2_and_help_with_0() {
    let (_, error, status) = said(wagonway().arg("fly"));
    assert_eq!(status, 2);
    assert!(error.contains("unrecognized subcommand"), "{error}");
    let (out, _, status) = said(wagonway().arg("--help"));
    assert_eq!(status, 0);
    for command in ["run", "replay", "check", "show", "ip", "trace", "bench", "sample"] {
        assert!(out.contains(&format!("  {command} ")), "{command} is not in\n{out}");
    }
    let (out, _, status) = said(wagonway().arg("--version"));
    assert_eq!(status, 0);
    assert!(out.contains("DPDK"), "{out}");
}

#[test]
fn each_kind_of_mistake_is_shown_where_it_is_with_a_hint() {
    let port = "[[port]]\nname = \"lan\"\naddresses = [\"10.0.0.1/24\"]\n";
    let cases = [
        ("[instance\n", "1:", ""),
        ("[instanse]\nname = \"x\"\n", "1:2", "did you mean `instance`?"),
        ("[workers]\nidel = \"poll\"\n", "2:1", "did you mean `idle`?"),
        ("[workers]\nidle = \"sleepy\"\n", "2:8", ""),
        ("[workers]\ncount = 1000\n", "2:9", "1 to 128"),
        ("[workers]\ncount = \"two\"\n", "2:9", ""),
        ("[[port]]\nname = \"lan\"\naddresses = [\"10.0.0.1/33\"]\n", "3:14", ""),
        ("[[port]]\nname = \"lan\"\ndevice = \"af_xpd:eth0\"\n", "3:10", "did you mean"),
        ("[[route]]\nto = \"10.0.0.0/8\"\n", "1:1", "the route leads nowhere"),
        ("[[route]]\nto = \"10.0.0.0/8\"\nvia = \"10.0.0.2\"\ndev = \"wan\"\n", "4:7", "wan"),
        ("[sysctl]\n\"net.ipv4.ip_fowrard\" = 1\n", "2:1", "net.ipv4.ip_forward"),
        ("[sysctl]\n\"net.ipv4.ip_default_ttl\" = 0\n", "2:29", "1 to 255"),
    ];
    let directory = tempfile::tempdir().expect("a directory");
    for (number, (text, place, word)) in cases.iter().enumerate() {
        let file = directory.path().join(format!("{number}.toml"));
        let text =
            if text.contains("[[port]]") { (*text).to_owned() } else { format!("{text}{port}") };
        fs::write(&file, &text).expect("write");
        let (_, error, status) = said(wagonway().arg("check").arg(&file));
        assert_eq!(status, 1, "{text}\n{error}");
        let at = format!("{}:{place}", file.display());
        assert!(error.contains(&at) && error.contains(word), "no {at} and {word:?} in\n{error}");
    }
    let (_, error, status) = said(wagonway().args(["check", "no-such-file.toml"]));
    assert_eq!(status, 1);
    assert!(error.contains("no-such-file.toml"), "{error}");
}

#[test]
fn questions_to_a_router_that_does_not_run_say_so() {
    for words in [&["show", "routes"][..], &["ip", "route"], &["trace"]] {
        let (_, error, status) =
            said(wagonway().args(words).env("XDG_RUNTIME_DIR", "/nonexistent"));
        assert_eq!(status, 1, "{words:?}");
        assert!(error.contains("no router answers") && error.contains("hint:"), "{error}");
    }
    let (_, error, status) = said(wagonway().args(["ip", "root", "show"]));
    assert_eq!((status, error.as_str()), (1, "Object \"root\" is unknown, try \"ip help\".\n"));
}

/// A sample in a directory of its own.
fn sample(packets: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("sample.pcap.gz");
    wagonway().arg("sample").arg(&file).args(["--packets", packets]).assert().success();
    (directory, file)
}

#[test]
fn a_replay_accounts_for_every_packet_and_tells_where_they_went() {
    let (_directory, file) = sample("20000");
    let port = format!("lan={}", file.display());
    let (out, error, status) =
        said(wagonway().args(["replay", "--json", "--repeat", "3", "--port", &port]));
    assert_eq!(status, 0, "{error}");
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {out}"));
    assert_eq!(number("packets_in"), 60_000);
    assert_eq!((report["unaccounted"].as_i64(), report["leaked"].as_i64()), (Some(0), Some(0)));
    let ended = number("transmitted") + number("dropped") + number("delivered");
    assert_eq!(number("packets_in") + number("made"), ended);
    assert!(report["latency"]["p9999"].as_u64() >= report["latency"]["p50"].as_u64());
    let (out, _, _) = said(wagonway().args(["replay", "--port", &port]));
    for word in [
        "Mpps",
        "Gb/s",
        "cycles a packet",
        "ip4-lookup",
        "ttl_exceeded",
        "p99.99",
        "unaccounted = 0",
    ] {
        assert!(out.contains(word), "no {word} in\n{out}");
    }
}

#[test]
fn a_million_packets_are_all_accounted_for_and_two_runs_write_the_same_bytes() {
    let (directory, file) = sample("1000000");
    let port = format!("lan={}", file.display());
    let (out, error, status) = said(wagonway().args(["replay", "--json", "--port", &port]));
    assert_eq!(status, 0, "{error}");
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(report["packets_in"], 1_000_000);
    assert_eq!((report["unaccounted"].as_i64(), report["leaked"].as_i64()), (Some(0), Some(0)));
    let written = ["1", "2"].map(|workers| {
        let to = directory.path().join(format!("out-{workers}"));
        wagonway()
            .args(["replay", "--port", &port, "--workers", workers, "--write"])
            .arg(&to)
            .assert()
            .success();
        ["lan.pcap", "wan.pcap"].map(|name| fs::read(to.join(name)).expect("what was written"))
    });
    assert!(written[0][1].len() > 100_000_000, "{} bytes", written[0][1].len());
    assert!(written[0] == written[1], "one worker and two wrote different bytes");
}

#[test]
fn captures_that_cannot_be_read_are_named_with_the_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).expect("write");
        format!("lan={}", path.display())
    };
    let (_sample_directory, whole) = sample("100");
    let whole = fs::read(whole).expect("the sample");
    let cases = [
        (format!("lan={}/nothing.pcap", directory.path().display()), "nothing.pcap"),
        (file("empty.pcap", b""), "empty.pcap"),
        (file("text.pcap", b"this is no capture at all, but a text"), "text.pcap"),
        (file("header.pcap", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]), "header.pcap"),
        (file("image.pcap", b"\x89PNG\r\n\x1a\n0000000000000000000000"), "image.pcap"),
        ("dmz=whatever.pcap".to_owned(), "no port \"dmz\""),
    ];
    for (port, word) in cases {
        let (_, error, status) = said(wagonway().args(["replay", "--port", &port]));
        assert_eq!(status, 1, "{port}: {error}");
        assert!(error.contains(word) && error.starts_with("error: "), "{port}: {error}");
    }
    // One that ends in the middle of a packet gives what came before, and says so.
    let cut = file("cut.pcap.gz", &whole[..whole.len() * 2 / 3]);
    let (out, error, status) = said(wagonway().args(["replay", "--port", &cut]));
    assert_eq!(status, 0, "{error}");
    assert!(out.contains("note: ") && out.contains("cut.pcap.gz"), "{out}");
}

#[test]
fn a_full_disk_is_reported_and_ends_with_1() {
    let (_directory, file) = sample("20000");
    let out = tempfile::tempdir().expect("a directory");
    // Writing to this device fails as a full disk does.
    std::os::unix::fs::symlink("/dev/full", out.path().join("wan.pcap")).expect("a link");
    let port = format!("lan={}", file.display());
    let (_, error, status) =
        said(wagonway().args(["replay", "--port", &port, "--write"]).arg(out.path()));
    assert_eq!(status, 1, "{error}");
    assert!(error.contains("wan.pcap") && error.contains("No space left"), "{error}");
}

#[test]
fn without_enough_hugepages_it_says_how_many_are_missing() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("huge.toml");
    let text = "[dpdk]\nhuge = \"always\"\nmemory-mib = 1000000\n[[port]]\nname = \"lan\"\naddresses = [\"10.0.0.1/24\"]\n";
    fs::write(&file, text).expect("write");
    let (_sample_directory, sample) = sample("10");
    let port = format!("lan={}", sample.display());
    let (_, error, status) =
        said(wagonway().args(["replay", "--port", &port, "--config"]).arg(&file));
    assert_eq!(status, 1);
    assert!(error.contains("hugepages") && error.contains("vm.nr_hugepages"), "{error}");
}

#[test]
fn bench_measures_what_it_was_asked_for() {
    let words = ["bench", "--json", "--sizes", "64,imix", "--flows", "100", "--packets", "100000"];
    let (out, error, status) = said(wagonway().args(words));
    assert_eq!(status, 0, "{error}");
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert!(
            row["packets"].as_u64() >= Some(100_000) && row["mpps"].as_f64() > Some(0.0),
            "{row}"
        );
    }
    for more in [&["--routes", "50000"][..], &["--ipv6"]] {
        let words = ["bench", "--json", "--sizes", "64", "--packets", "100000"];
        let (out, error, status) = said(wagonway().args(words).args(more));
        assert_eq!(status, 0, "{error}");
        assert!(!out.contains("not forwarded"), "{out}");
    }
}

/// What a default route covers are groups, what no host may have, and what other routes refuse, too.
#[test]
fn bench_sends_where_the_router_forwards_to() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("office.toml");
    let port = |name, four, six| {
        format!("[[port]]\nname = \"{name}\"\naddresses = [\"{four}/24\", \"{six}/64\"]\n")
    };
    let route = |to, rest| format!("[[route]]\nto = \"{to}\"\n{rest}\n");
    let text = port("lan", "192.168.1.1", "2001:db8:1::1")
        + &port("wan", "203.0.113.2", "2001:db8:2::1")
        + &route("0.0.0.0/0", "via = \"203.0.113.1\"")
        + &route("0.0.0.0/1", "type = \"unreachable\"")
        + &route("::/0", "via = \"2001:db8:2::2\"")
        + &route("8000::/1", "type = \"prohibit\"");
    fs::write(&file, text).expect("write");
    for more in [&[][..], &["--ipv6"]] {
        let words = ["bench", "--json", "--sizes", "64", "--packets", "100000", "--config"];
        let (out, error, status) = said(wagonway().args(words).arg(&file).args(more));
        assert_eq!(status, 0, "{error}");
        assert!(!out.contains("not forwarded"), "{out}");
    }
}

#[test]
fn a_generator_gets_back_what_it_sends() {
    // Long enough that a thread which is stopped for some milliseconds is not late for all of them.
    for (count, more) in [
        (1_000_000, &["--sizes", "64,imix"][..]),
        (1_000_000, &["--sizes", "128", "--workers", "2"]),
        (20_000, &["--sizes", "64", "--rate", "50000"]),
        (1_000_000, &["--sizes", "70", "--ipv6"]),
    ] {
        let packets = count.to_string();
        let words = ["bench", "--json", "--generator", "--flows", "100", "--packets", &packets];
        let (out, error, status) = said(wagonway().args(words).args(more));
        assert_eq!(status, 0, "{error}");
        let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert!(!out.contains("not forwarded") && !out.contains("were lost"), "{out}");
        for row in report["rows"].as_array().expect("rows") {
            let buckets = row["histogram"].as_array().expect("a histogram");
            let timed = buckets.iter().filter_map(|bucket| bucket["packets"].as_u64()).sum::<u64>();
            let packets = row["packets"].as_u64();
            assert!(packets >= Some(count * 95 / 100), "{row}");
            let waited = out.contains("waited for the generator");
            assert!(
                packets == Some(timed) || waited && packets > Some(timed) && timed > 0,
                "{row}"
            );
            // A second is more than any packet waits, and what is no stamp would seem to be longer than that.
            let slow = |bucket: &&serde_json::Value| bucket["upto"].as_u64() > Some(1_000_000_000);
            assert_eq!(buckets.iter().filter(slow).count(), 0, "{row}");
        }
    }
}

#[test]
fn bench_draws_what_it_measured_and_says_first_when_it_cannot() {
    let directory = tempfile::tempdir().expect("a directory");
    let page = directory.path().join("bench.html");
    let words = ["bench", "--json", "--sizes", "64,imix", "--flows", "64", "--packets", "20000"];
    let more = ["--search", "--trial", "0.05", "--html"];
    let (out, error, status) = said(wagonway().args(words).args(more).arg(&page));
    assert_eq!(status, 0, "{error}");
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let text = fs::read_to_string(&page).expect("a page");
    assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>\n"));
    let mpps = |row: &serde_json::Value| format!("{:.2}", row["mpps"].as_f64().expect("a number"));
    let grid = report["grid"].as_array().expect("a grid");
    assert_eq!(grid.len(), 4 * 3);
    assert_eq!(
        (grid[0]["routes"].as_u64(), grid[11]["routes"].as_u64()),
        (Some(16), Some(1_000_000))
    );
    for row in report["rows"].as_array().expect("rows").iter().chain(grid) {
        assert!(text.contains(&format!("<td>{}</td>", mpps(row))), "{row}");
    }
    let searches = report["searches"].as_array().expect("searches");
    assert_eq!(searches.len(), 2);
    for search in searches {
        // A busy machine may lose something at any rate.
        let percents: Vec<_> = search["loads"].as_array().expect("loads").iter().collect();
        assert!(percents.len() == 3 || search["mpps"].as_f64() == Some(0.0), "{search}");
    }

    // Nothing is measured when the page has no place: so many packets would take hours.
    let nowhere = directory.path().join("none/bench.html");
    let words = ["bench", "--packets", "1000000000000", "--html"];
    let (_, error, status) = said(wagonway().args(words).arg(&nowhere));
    assert_eq!(status, 1);
    assert!(error.contains("cannot write") && error.contains("No such file"), "{error}");
    // And what could not be measured leaves no empty page.
    let file = directory.path().join("none.toml");
    fs::write(&file, "").expect("write");
    let left = directory.path().join("left.html");
    let (_, error, status) =
        said(wagonway().args(["bench", "--config"]).arg(&file).arg("--html").arg(&left));
    assert!(status == 1 && !left.exists(), "{error}");
    let (_, _, status) = said(wagonway().args(["bench", "--search", "--rate", "1000"]));
    assert_eq!(status, 2);
}

#[test]
fn nobody_reading_on_is_no_crash() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_wagonway"))
        .arg("--help")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("end");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!error.contains("panicked"), "{error}");
}
