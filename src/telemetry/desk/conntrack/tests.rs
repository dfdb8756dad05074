//! The words of `conntrack` against those of the real one, where that can be asked.

use std::process::Command as Process;

use super::*;
use crate::conntrack::{Conntrack, Limits, Rules};

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// One worker's connections, and commands upon them.
struct Bench {
    table: Conntrack,
    rules: Rules,
}

impl Bench {
    fn new() -> Self {
        let limits =
            Limits { entries: 64, buckets: 64, expects: 8, seqadj: 8, calls: 8, events: 64 };
        Self { table: Conntrack::new(&limits, 1, 0), rules: Rules::default() }
    }

    fn ask(&mut self, line: &str) -> IpOutput {
        let mut inquiry = match Inquiry::read(&words(line)) {
            Ok(inquiry) => inquiry,
            Err(said) => return said,
        };
        if let Some(mut job) = inquiry.job(0, 0, 1) {
            while job.next.is_some() && !inquiry.is_over() {
                job.step(&mut self.table, &self.rules, 1);
                inquiry.take(0, &job);
            }
        }
        inquiry.end()
    }
}

/// What the real program says to the same lines, in a network namespace of its own.
fn asked_of_the_real_one(lines: &[&str]) -> Option<Vec<IpOutput>> {
    let script: String = lines
        .iter()
        .map(|line| {
            let quoted: String = words(line).iter().map(|word| format!(" '{word}'")).collect();
            format!("conntrack{quoted} 2>&3; printf '\\036%s\\036' $?; printf '\\036' >&3\n")
        })
        .collect();
    // What is said of errors goes to another file than what is said.
    let script = format!("exec 3>&2\n{script}");
    let mut shell = Process::new("unshare");
    let done = shell.args(["-n", "sh", "-c", &script]).output().ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    if !err.contains("conntrack v1.4.7 ") {
        return None;
    }
    let mut out = out.split('\u{1e}');
    let mut err = err.split('\u{1e}');
    let mut said = Vec::new();
    for _ in lines {
        let (out, status) = (out.next()?.to_owned(), out.next()?.parse().ok()?);
        said.push(IpOutput { out, err: err.next()?.to_owned(), status });
    }
    Some(said)
}

/// Without what differs by nature: names, times and who uses an entry; lines in no order.
fn plain(said: &IpOutput) -> (Vec<String>, String, u8) {
    let steady = |line: &str| -> String {
        let words = line.split(' ').filter(|word| !word.is_empty() && !word.starts_with("use="));
        let words = words.map(|word| match word.parse::<u64>() {
            Ok(90..=100) => "soon",
            Ok(990..=1000) => "later",
            _ => word,
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let mut lines: Vec<String> = said.out.lines().map(steady).collect();
    lines.sort();
    (lines, said.err.replace("(wagonway)", "(conntrack-tools)"), said.status)
}

fn compare(lines: &[&str]) {
    let Some(real) = asked_of_the_real_one(lines) else {
        eprintln!("skipped: conntrack 1.4.7 cannot be asked here");
        return;
    };
    let mut bench = Bench::new();
    let mut wrong = String::new();
    for (line, real) in lines.iter().zip(&real) {
        let (own, real) = (plain(&bench.ask(line)), plain(real));
        if own != real {
            wrong += &format!("conntrack {line}\n  here {own:?}\n  real {real:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn refusals_are_those_of_the_real_one() {
    compare(&[
        "-L",
        "-Q",
        "-L -Q",
        "-L --foo",
        "-L --st ESTABLISHED",
        "-L -s",
        "-L --src",
        "-L -p bogus",
        "-L -p 300",
        "-L -s bogus",
        "-L -s 1.1.1.1 -d ::1",
        "-L -f ipv6 -s 1.1.1.1",
        "-L -n 5.5.5.5 -f ipv6",
        "-L -s 1.1.1.0/33",
        "-L -s 1.0.0.0/x",
        "-L -r 1.1.1.0/24",
        "-L -q 1.1.1.1:80",
        "-L -n 5.5.5.5:x",
        "-L -u FOO",
        "-L -u UNSET",
        "-L -o bogus",
        "-L -o save,extended",
        "-L -l foo",
        "-L -f bogus",
        "-L --sport 1",
        "-L --state ESTABLISHED -p tcp",
        "-L -p tcp --state FOO",
        "-L -p udp --state FOO",
        "-L -p icmp --sport 1",
        "-L -t 5",
        "-L -e NEW",
        "-L -b 5",
        "-L -i 5",
        "-L -D",
        "-L -L",
        "-L bogus",
        "-L conntrack bar",
        "-L --mask-src 255.255.255.0",
        "-L --tuple-src 1.1.1.1",
        "-L expect -s 1.1.1.1",
        "-L expect -p tcp",
        "-L expect",
        "-L exp",
        "-L dying",
        "-L unconfirmed",
        "-D dying",
        "-F dying",
        "-C dying",
        "-U expect",
        "-I",
        "-I -p tcp",
        "-I -p tcp -s 1.1.1.1 -d 2.2.2.2",
        "-I -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 --timeout 5",
        "-I -p udp -s 1.1.1.1 -d 2.2.2.2 -t 5",
        "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 7 -t 5",
        "-I -p udp -s 1.1.1.1 -t 5 --sport 1 --dport 1",
        "-I -p udp -s 1.1.1.1 -q 5.5.5.5 -t 5 --sport 1 --dport 1",
        "-I -p udp -s 1.1.1.1/24 -d 2.2.2.2 --sport 1 --dport 2 -t 5",
        "-I -p icmp -s 1.1.1.1 -d 2.2.2.2 -t 5",
        "-I -p icmp -s 1.1.1.1 -d 2.2.2.2 -t 5 --icmp-type 8",
        "-I -p icmpv6 -s ::1 -d ::2 -t 5 --icmpv6-type 128",
        "-I -p icmpv6 -s ::1 -d ::2 -t 5 --icmp-type 128",
        "-I -p gre -s 1.1.1.1 -d 2.2.2.2 -t 5",
        "-I -p sctp -s 1.1.1.1 -d 2.2.2.2 -t 5 --sport 1 --dport 2 --state ESTABLISHED",
        "-I -p dccp -s 1.1.1.1 -d 2.2.2.2 -t 5 --sport 1 --dport 2 --state OPEN",
        "-I -p dccp -s 1.1.1.1 -d 2.2.2.2 -t 5 --sport 1 --dport 2 --state FOO",
        "-I -s 1.1.1.1 -d 2.2.2.2 -t 10",
        "-I -p udplite -r 1.1.1.1 -q 2.2.2.2 -t 5 --reply-port-src 1",
        "-G",
        "-G -p tcp",
        "-G -p tcp -s 1.1.1.1 -d 2.2.2.2",
        "-G -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -w 3",
        "-G -p udp -r 2.2.2.2 -q 1.1.1.1 --reply-port-src 2 --reply-port-dst 1",
        "-G -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2",
        "-G expect -p tcp",
        "-D expect --tuple-src 1.1.1.1",
        "-D expect -s 1.1.1.1 -d 2.2.2.2 -p udp",
        "-D -z",
        "-D",
        "-U",
        "-U -w 3",
        "-C -p tcp",
        "-C",
        "-C expect",
        "--count",
        "-F -p tcp",
        "-F",
        "-F expect",
        "-S -p tcp",
        "-E -z",
        "-E -e FOO",
        "-E dying",
        "-p tcp",
        "-R /nonexistent",
        "-I expect -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 1 --dport 2 -t 5",
        "-I expect -s 1.1.1.1 -d 2.2.2.2 --tuple-src 1.1.1.1 --tuple-dst 2.2.2.2 --mask-src \
         255.255.255.255 --mask-dst 255.255.255.255 -p tcp --sport 1 --dport 2 -t 100",
        "-I expect -s 1.1.1.1 -d 2.2.2.2 --tuple-src 1.1.1.1 --tuple-dst 2.2.2.2 --mask-src \
         255.255.255.255 --mask-dst 255.255.255.255 -p tcp --sport 1 --dport 2 -t 100 --tuple-port-src \
         0 --tuple-port-dst 9 --mask-port-src 0 --mask-port-dst 65535",
        "-L -a 1.1.1.1",
        "-Lp tcp",
        "-LU",
        "--dump",
        "--del",
    ]);
}

#[test]
fn expectations_are_made_by_hand_and_told_of() {
    use crate::conntrack::helper::Helper;
    let mut bench = Bench::new();
    let made = bench
        .ask("-I -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 21 -t 100 --state ESTABLISHED");
    assert_eq!(made.status, 0, "{}", made.err);
    let expect = "-I expect -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 21 -t 30 --tuple-src \
        10.0.0.1 --tuple-dst 10.0.0.2 --tuple-port-src 0 --tuple-port-dst 78 --mask-src 255.255.255.0 \
        --mask-dst 255.255.255.0 --mask-port-src 0 --mask-port-dst 65535";
    let none = bench.ask(&expect.replace("--dport 21", "--dport 22"));
    assert!(none.err.contains("Operation failed: master conntrack not found"), "{}", none.err);
    let helpless = bench.ask(expect);
    assert!(helpless.err.contains("Operation failed: Operation not supported"), "{}", helpless.err);
    let (conn, _) = {
        let Ok(call) = Call::read(&words("-G -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 21"))
        else {
            panic!()
        };
        bench.table.lookup(&tuple(&call, 0), 1).unwrap()
    };
    bench.table.get_mut(conn).unwrap().helper = Helper::named("ftp").unwrap().number();
    bench.table.listen(true);
    assert_eq!(bench.ask(expect), IpOutput::default());
    // As Linux shows it, but for the protocol and its ports, which the real program forgets to send.
    let line = "300 proto=6 src=10.0.0.1 dst=10.0.0.2 sport=0 dport=78 mask-src=255.255.255.0 \
        mask-dst=255.255.255.255 sport=0 dport=65535 master-src=1.1.1.1 master-dst=2.2.2.2 sport=1 \
        dport=21 class=0 helper=ftp\n";
    assert_eq!(bench.ask("-L expect").out, line);
    assert!(bench.ask(expect).err.contains("Operation failed: File exists"));
    bench.ask("-F expect");
    let mut follows = Inquiry::read(&words("-E expect")).unwrap();
    let mut others = Inquiry::read(&words("-E")).unwrap();
    while let Some(mut event) = bench.table.events().pop() {
        if let Some(expected) = &mut event.expected {
            expected.left -= 1;
        }
        follows.happened(&event, std::time::Duration::ZERO);
        others.happened(&event, std::time::Duration::ZERO);
    }
    assert_eq!(follows.said().out, format!("    [NEW] {line}[DESTROY] {line}"));
    assert!(!others.said().out.contains("master-src"));
}

#[test]
fn connections_are_made_found_and_shown_as_by_the_real_one() {
    compare(&[
        "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 100 -u SEEN_REPLY,ASSURED",
        "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 100",
        "-A -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 100",
        "-A -p udp -s 9.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 100",
        "-I -p udp -s ::1 -d ::2 --sport 1 --dport 2 -t 100",
        "-I -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 100 --state ESTABLISHED -m 0x10",
        "-I -p icmp -s 1.1.1.1 -d 2.2.2.2 --icmp-type 8 --icmp-code 0 --icmp-id 7 -t 100",
        "-I -p icmp -s 1.1.1.1 -d 2.2.2.2 --icmp-type 3 --icmp-code 0 -t 3",
        "-I -p gre -s 1.1.1.1 -d 2.2.2.2 --srckey 7 --dstkey 8 -t 100",
        "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 100 -w 3",
        "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 21 --dport 2 -t 100 -n 5.5.5.5",
        "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 22 --dport 2 -t 100 -g 6.6.6.6:77",
        "-I -p udp -r 1.1.1.1 -q 2.2.2.2 --reply-port-src 1 --reply-port-dst 2 -t 100",
        "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 9 --dport 9 -r 2.2.2.2 -q 3.3.3.3 -t 100",
        "-I -p sctp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 100 --state ESTABLISHED \
         --orig-vtag 1 --reply-vtag 2",
        "-I -p 50 -s 1.1.1.1 -d 2.2.2.2 -t 100",
        "-C",
        "-L",
        "-L -o extended",
        "-L -f ipv6",
        "-L -p udp",
        "-L -p tcp --state ESTABLISHED",
        "-L -p tcp --state CLOSE",
        "-L -p icmp --icmp-id 7",
        "-L -p icmp --icmp-type 8",
        "-L -p icmp --icmp-type 256",
        "-L -p gre --dstkey 0x8",
        "-L -p tcp --sport x",
        "-L -u SEEN_REPLY",
        "-L -u seen,assured",
        "-L -u UNREPLIED",
        "-L -w 3",
        "-L --zone 4",
        "-L -w x",
        "-L --orig-zone 3",
        "-L -m 0x10",
        "-L -m 0/1",
        "-L -m x",
        "-L -m 1/x",
        "-L --mark=0x10",
        "-L -n",
        "-L -g",
        "-L -j",
        "-L -n -g",
        "-L -n 5.5.5.5",
        "-L -n 5.5.5.6",
        "-L -n ::1",
        "-L -g 6.6.6.6:77",
        "-L -g 6.6.6.6:78",
        "-L -s 1.0.0.0/8",
        "-L -s 1.1.0.0/255.255.0.0 -d 2.2.2.2",
        "-L -s 1.0.0.0 --mask-src 255.0.0.0",
        "-L -s 8.0.0.0/8",
        "-L -s ::/0",
        "-L -r 2.2.2.2 -q 5.5.5.5",
        "-L -p tcp -p udp -w 3",
        "-L -o labels -w 3",
        "-L -w 3 -z",
        "-Lconntrack -w 3",
        "-L con -w 3",
        "conntrack -L -w 3",
        "-L -w 3 -o save",
        "-L -n -o save",
        "-L -g -o save",
        "-L -p icmp -o save",
        "-L -p gre -o save",
        "-L -p 50",
        "-G -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2",
        "-G -p icmp -s 1.1.1.1 -d 2.2.2.2 --icmp-type 8 --icmp-code 0",
        "-U -p udp -u UNSET",
        "-U -p udp -m 7",
        "-U -p udp -s 9.9.9.9 -m 7",
        "-U -p udp -s 9.1.1.1 -m 7",
        "-U -f ipv4 -p udp -s 9.1.1.1 -m 9/1",
        "-U -p udp -s 9.1.1.1 -t 999",
        "-U -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 --state CLOSE",
        "-U -p udp -s 9.1.1.1 -u ASSURED",
        "-L -s 9.1.1.1",
        "-D -p udp -u ASSURED",
        "-D -p udp -t 5 -g",
        "-D --zone 3",
        "-D -f ipv6",
        "-D -s 8.8.8.8",
        "-D",
        "-C",
        "-L",
    ]);
}

#[test]
fn xml_is_that_of_the_real_one_but_for_numbers() {
    let lines = [
        "-I -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 100 --state ESTABLISHED",
        "-L -o xml",
    ];
    let said = { lines.map(|line| Bench::new().ask(line)) };
    assert_eq!(said[1].out, "");
    let mut bench = Bench::new();
    let said = lines.map(|line| bench.ask(line));
    let id = said[1].out.split("<id>").nth(1).and_then(|rest| rest.split('<').next());
    let expected = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n<flow><meta direction=\"original\">\
         <layer3 protonum=\"2\" protoname=\"ipv4\"><src>1.1.1.1</src><dst>2.2.2.2</dst></layer3>\
         <layer4 protonum=\"6\" protoname=\"tcp\"><sport>1</sport><dport>2</dport></layer4></meta>\
         <meta direction=\"reply\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>2.2.2.2</src>\
         <dst>1.1.1.1</dst></layer3><layer4 protonum=\"6\" protoname=\"tcp\"><sport>2</sport>\
         <dport>1</dport></layer4></meta><meta direction=\"independent\"><state>ESTABLISHED</state>\
         <timeout>100</timeout><mark>0</mark><use>1</use><id>{}</id><unreplied/></meta></flow>\n\
         </conntrack>\n",
        id.unwrap_or_default()
    );
    assert_eq!(said[1].out, expected);
}

/// Whatever is typed is understood or refused.
#[test]
fn no_command_line_is_too_odd() {
    const WORDS: &[&str] = &[
        "-L",
        "-D",
        "-I",
        "-U",
        "-G",
        "-E",
        "-S",
        "-C",
        "-F",
        "expect",
        "conntrack",
        "-p",
        "tcp",
        "icmp",
        "gre",
        "--state",
        "ESTABLISHED",
        "-s",
        "-d",
        "1.1.1.1",
        "::1",
        "1.0.0.0/8",
        "-m",
        "1/2",
        "0x",
        "-n",
        "1.1.1.1:80",
        "[::1]:5",
        "-u",
        "ASSURED,",
        "-o",
        "xml,id",
        "--",
        "-",
        "--=",
        "--sport",
        "é",
        "-é",
        "-l",
        "1,2",
        "-t",
        "99999999999999999999",
        "-w",
        "-1",
        "--mark=5",
    ];
    bolero::check!().with_type::<(Vec<u8>, String)>().for_each(|(picks, text)| {
        let mut line: Vec<String> =
            picks.iter().map(|pick| WORDS[usize::from(*pick) % WORDS.len()].to_owned()).collect();
        line.extend(text.split(' ').map(str::to_owned));
        let _ = Inquiry::read(&line);
    });
}
