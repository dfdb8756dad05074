//! What rules tell of packets, from the worker to the log.

use super::{fragments::Lab, *};
use crate::{netfilter::told::Why, telemetry::desk::Desk};

fn iptables(lab: &mut Lab, words: &str) {
    let said = lab.tool("iptables", words, None);
    assert_eq!((said.err.as_str(), said.status), ("", 0));
}

fn udp() -> Vec<u8> {
    let (src, dst) = ([10, 0, 0, 7].into(), [198, 51, 100, 9].into());
    FrameBuilder::new()
        .ethernet(MacAddr::new([2, 0, 0, 0, 0, 7]), MacAddr::new([2, 0, 0, 0, 0, 2]))
        .ipv4(src, dst)
        .udp(1000, 53)
        .payload(&[7; 400])
        .build()
}

fn log(lab: &mut Lab) -> Vec<String> {
    let (pool, now) = (lab.pool(), lab.now());
    let rows = Desk::bare(lab.router(), &pool, now).log_rows(None);
    rows.into_iter().map(|row| format!("{}: {}", row.level, row.text)).collect()
}

#[test]
fn log_audit_and_trace_come_as_lines() {
    let machine = machine_for(&world());
    let mut lab = Lab::new(&machine, 2, "");
    iptables(&mut lab, "-A FORWARD -p udp -j LOG --log-level info --log-prefix seen:");
    iptables(&mut lab, "-A FORWARD -j AUDIT --type drop");
    iptables(&mut lab, "-t raw -A PREROUTING -j TRACE");
    lab.give(&udp());
    let lines = log(&mut lab);
    let rest = "MAC=02:00:00:00:00:02:02:00:00:00:00:07:08:00 SRC=10.0.0.7 DST=198.51.100.9 LEN=428 \
                TOS=0x00 PREC=0x00";
    let udp = "PROTO=UDP SPT=1000 DPT=53 LEN=408";
    let found = |line: &str| {
        let line = line.replace("ID=0 ", "").replace("DF ", "");
        lines.iter().any(|other| other.replace("ID=0 ", "").replace("DF ", "") == line)
    };
    let seen =
        |level: &str, start: &str, ttl: u8| format!("{level}: {start} {rest} TTL={ttl} {udp}");
    assert!(found(&seen("info", "seen:IN=lan OUT=wan", 63)), "{lines:#?}");
    let policy = "TRACE: raw:PREROUTING:policy:2 IN=lan OUT=";
    assert!(found(&seen("warning", policy, 64)), "{lines:#?}");
    let rule = "TRACE: filter:FORWARD:rule:1 IN=lan OUT=wan";
    assert!(found(&seen("warning", rule, 63)), "{lines:#?}");
    let audit = "mark=0x0 saddr=10.0.0.7 daddr=198.51.100.9 proto=17";
    assert!(lines.iter().any(|line| line.starts_with("notice: audit:") && line.ends_with(audit)));
    let said = lab.command("show log");
    assert_eq!(said.lines().collect::<Vec<_>>(), lines, "a command between packets");
    assert!(lab.command("show weather").contains("there is no report"));
    // Linux's order: traces of a rule come before what the rule does.
    let at = |what: &str| lines.iter().position(|line| line.contains(what)).unwrap();
    assert!(at("FORWARD:rule:1") < at("seen:") && at("seen:") < at("FORWARD:rule:2"));
    lab.finish();
}

#[test]
fn what_belongs_to_no_connection_is_told_of_where_that_is_wanted() {
    let machine = machine_for(&world());
    let sysctl = "[netfilter]\ntrack = true\n";
    let mut lab = Lab::new(&machine, 1, sysctl);
    let (src, dst) = ([10, 0, 0, 7].into(), [198, 51, 100, 9].into());
    // A segment that has SYN and FIN.
    let odd = FrameBuilder::new().ipv4(src, dst).tcp(1000, 80, 3).build();
    lab.give(&odd);
    assert!(log(&mut lab).is_empty());
    for (wanted, lines) in [(6, 1), (17, 1), (255, 2)] {
        lab.router().set_conntrack_rules(|rules| rules.log_invalid = wanted);
        lab.router().commit();
        lab.settle();
        lab.give(&odd);
        assert_eq!(log(&mut lab).len(), lines, "{wanted}");
    }
    let line = "notice: nf_ct_proto_6: invalid tcp flag combination IN=lan OUT= MAC=";
    let lines = log(&mut lab);
    assert!(lines[0].starts_with(line), "{}", lines[0]);
    assert!(lines[0].contains(" SPT=1000 DPT=80 SEQ=") && lines[0].contains(" SYN FIN URGP=0"));
    lab.finish();
}

#[test]
fn packets_for_captures_are_whole_or_as_long_as_the_rule_says() {
    let machine = machine_for(&world());
    let mut lab = Lab::new(&machine, 1, "");
    lab.router().set_captured(true);
    iptables(&mut lab, "-A FORWARD -j NFLOG --nflog-group 3 --nflog-prefix whole");
    iptables(&mut lab, "-A FORWARD -j NFLOG --nflog-group 4 --nflog-size 60");
    let frame = udp();
    lab.give(&frame);
    let told = lab.router().take_captured();
    let groups: Vec<_> = told.iter().map(|told| (told.about.why, told.bytes.len())).collect();
    let group = |group| Why::Nflog { group };
    assert_eq!(groups, [(group(3), frame.len() - 14), (group(4), 60)]);
    assert_eq!(told[0].about.words.text(), "whole");
    assert_eq!(told[0].bytes[20..], frame[34..]);

    let directory = tempfile::tempdir().unwrap();
    let mut captures = setup::Captures::new(directory.path(), 1);
    let many: Vec<_> =
        std::iter::repeat_n(told[0].clone(), 3000).chain([told[1].clone()]).collect();
    assert!(captures.write(&many, &|iface| format!("port{iface}")).is_empty());
    captures.flush();
    let len = |name: &str| std::fs::metadata(directory.path().join(name)).map_or(0, |is| is.len());
    // The first has been full.
    let (old, new) = (len("group-3.pcapng.1"), len("group-3.pcapng"));
    assert!((1 << 20..2 << 20).contains(&old) && (1..1 << 20).contains(&new), "{old} {new}");
    let mut reader =
        crate::capture::CaptureReader::open(directory.path().join("group-3.pcapng")).unwrap();
    let record = reader.next().unwrap().unwrap();
    assert_eq!((record.data, record.orig_len), (&told[0].bytes[..], 428));
    assert!(len("group-4.pcapng") > 0);
    // What cannot be written is told once.
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut captures = setup::Captures::new(&file, 1);
    assert_eq!(captures.write(&told[..1], &|_| String::new()).len(), 1);
    assert!(captures.write(&told[..1], &|_| String::new()).is_empty());
    lab.finish();
}

#[test]
fn rules_are_steps_of_a_followed_packet_that_nothing_logs() {
    use crate::graph::trace::{Filter, Session, Where};
    let machine = machine_for(&world());
    let mut lab = Lab::new(&machine, 1, "");
    iptables(&mut lab, "-A FORWARD -p udp -m comment --comment here");
    let session = Session::new(Filter::default(), 1);
    lab.router().set_trace(Some(Arc::clone(&session)));
    lab.router().commit();
    lab.settle();
    lab.give(&udp());
    lab.give(&udp());
    let events = std::iter::from_fn(|| session.pop());
    let rules = events.filter_map(|event| match event.place {
        Where::Rule(number) => {
            let words = String::from_utf8_lossy(&event.head[..usize::from(event.head_len)]);
            Some((event.id, format!("{words}:{number}")))
        }
        _ => None,
    });
    let rules: Vec<_> = rules.collect();
    let step = |words: &str| (1, words.to_owned());
    assert_eq!(rules, [step("filter:FORWARD:rule:1"), step("filter:FORWARD:policy:2")]);
    assert!(log(&mut lab).is_empty(), "nothing asked for the log");
    lab.router().set_trace(None);
    lab.router().commit();
    lab.finish();
}
