//! Side by side with the real `ip`, in a network namespace of its own.
//!
//! These tests need root and `ip` with `unshare`; without them they say so and pass.

mod errors;

use std::io::Write;
use std::process::{Command, Stdio};

/// What the real `ip` did with one line.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

const SETUP: &str = "ip link add d0 type veth peer name d1 && ip link set lo up && \
    ip link set d0 up && ip link set d1 up && echo 1 >/proc/sys/net/ipv4/ip_forward && ip addr add 192.0.2.1/24 dev d0 || exit 77\n";

const SETUP_SIX: &str = "echo 0 >/proc/sys/net/ipv6/conf/default/dad_transmits && \
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding && \
    ip link add d0 address 02:00:00:00:00:01 type veth peer name d1 address 02:00:00:00:00:02 && \
    ip link set lo up && ip link set d0 up && ip link set d1 up && \
    ip addr add 192.0.2.1/24 dev d0 && ip addr add 2001:db8:1::1/64 dev d0 nodad || exit 77\n\
    for own in 1 2; do until ip -6 route show table local | grep -q \"local fe80::ff:fe00:$own\"; \
    do sleep 0.01; done; done\n";

/// Runs lines of `ip` one after another in one fresh namespace that has the pair of interfaces
/// `d0` (192.0.2.1/24, up) and `d1` (up). `None` when this machine cannot do it.
pub(crate) fn run(lines: &[String]) -> Option<Vec<Outcome>> {
    run_after(SETUP, lines)
}

/// The same with 2001:db8:1::1/64 at `d0`, IPv6 forwarded, and no duplicates looked for.
pub(crate) fn run_six(lines: &[String]) -> Option<Vec<Outcome>> {
    run_after(SETUP_SIX, lines)
}

fn run_after(setup: &str, lines: &[String]) -> Option<Vec<Outcome>> {
    let mut script = String::from("LC_ALL=C; export LC_ALL\n");
    script.push_str(setup);
    script.push_str("dir=$(mktemp -d) || exit 77; trap 'rm -r $dir' EXIT\n");
    for line in lines {
        let quoted: Vec<String> =
            line.split_whitespace().map(|w| format!("'{}'", w.replace('\'', "'\\''"))).collect();
        let quoted = quoted.join(" ");
        script.push_str(&format!("ip {quoted} >$dir/out 2>$dir/err </dev/null; status=$?\n"));
        script.push_str("printf '%s\\001' $status; cat $dir/out; printf '\\001'; ");
        script.push_str("cat $dir/err; printf '\\002'\n");
    }
    let text = shell(script)?;
    let outcomes: Vec<Outcome> = text
        .split_terminator('\u{2}')
        .map(|record| {
            let mut parts = record.split('\u{1}');
            Outcome {
                status: parts.next().expect("status").parse().expect("number"),
                stdout: parts.next().expect("stdout").to_owned(),
                stderr: parts.next().expect("stderr").to_owned(),
            }
        })
        .collect();
    assert_eq!(outcomes.len(), lines.len(), "one outcome for each line");
    Some(outcomes)
}

/// What `ip -4 monitor` with these words tells while lines are run as [`run`] runs them.
pub(crate) fn watch(words: &str, lines: &[String]) -> Option<String> {
    let mut script = String::from("LC_ALL=C; export LC_ALL\n");
    script.push_str(SETUP);
    script.push_str("dir=$(mktemp -d) || exit 77\n");
    script.push_str(&format!("ip -4 monitor {words} >$dir/told 2>&1 & watcher=$!\n"));
    script.push_str("trap 'kill $watcher; rm -r $dir' EXIT\n");
    // It listens from the first thing on that it tells.
    script.push_str(
        "while [ ! -s $dir/told ]; do ip rule add pref 9 table 9; ip rule del pref 9; done\n",
    );
    for line in lines {
        script.push_str(&format!("ip {line} >/dev/null 2>&1\n"));
    }
    script.push_str("ip rule add pref 11 table 9\n");
    script.push_str("until grep -q 'RULE.11:' $dir/told; do sleep 0.01; done; cat $dir/told\n");
    let text = shell(script)?;
    let own = |line: &&str| !line.contains("RULE]") || !line.contains("lookup 9");
    Some(text.split_inclusive('\n').filter(own).collect())
}

/// Runs a script in a fresh namespace; what it prints, or `None` when this machine cannot.
pub(crate) fn shell(script: String) -> Option<String> {
    let mut child = Command::new("unshare")
        .args(["-n", "sh", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || {
        // A namespace that was refused closes the pipe early; the exit status tells.
        let _ = stdin.write_all(script.as_bytes());
    });
    let output = child.wait_with_output().expect("output of the shell");
    writer.join().expect("writer of the script");
    if !output.status.success() {
        eprintln!("skipped: needs root, unshare, and the real program");
        return None;
    }
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
