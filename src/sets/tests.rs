//! Sets beside the real `ipset`, beside a model, and under packets.

use std::{collections::BTreeMap, sync::Arc};

use super::{Around, Book, Compare, How, Packet, Said, Sets, fuzz};

const CORPUS: &str = include_str!("tests/corpus.txt");
const SECOND: u64 = 1_000_000_000;

fn services(name: &str, _: &str) -> Option<u16> {
    (name == "http").then_some(80)
}

/// Words of a line as a shell reads them.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' => word.get_or_insert_default().extend(letters.next()),
            letter if letter.is_whitespace() && !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

fn tell(book: &mut Book, line: &str, now: u64) -> Said {
    book.command(&words(line), None, &Around { now, uses: &|_| 0, services })
}

fn restore(book: &mut Book, line: &str, text: &str) -> Said {
    let around = Around { now: SECOND, uses: &|_| 0, services };
    book.command(&words(line), Some(text), &around)
}

/// A book where all these commands have been carried out.
fn book(lines: &[&str]) -> Book {
    let mut book = Book::default();
    for line in lines {
        let said = tell(&mut book, line, SECOND);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{line}");
    }
    book
}

/// What was printed, without what two right routers may print differently: the order of elements, seeds,
/// sizes, and seconds that pass.
fn steady(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("Size in memory")) {
        let mut before = "";
        let told: Vec<String> = line
            .split(' ')
            .map(|word| {
                let last = std::mem::replace(&mut before, word);
                match word.parse::<u64>() {
                    Ok(seconds) if last == "timeout" => seconds.next_multiple_of(10).to_string(),
                    _ if last == "initval" => "SEED".to_owned(),
                    _ => word.to_owned(),
                }
            })
            .collect();
        lines.push(told.join(" "));
    }
    // Headings stay where they are; elements stand below them.
    let is_element = |line: &String| {
        line.starts_with("add ") || line.starts_with(|first: char| first.is_ascii_digit())
    };
    for group in lines.chunk_by_mut(|one, other| is_element(one) && is_element(other)) {
        group.sort();
    }
    lines
}

fn theirs(lines: &[&str], input: bool) -> Option<Vec<(u8, Vec<String>, String)>> {
    let mut script = String::from("set -f; command -v ipset >/dev/null || exit 1\n");
    for line in lines {
        let run = match input {
            true => format!("printf '%b' '{}' | ipset restore", line.replace('\n', "\\n")),
            false => format!("ipset {line}"),
        };
        script += &format!(
            "{run} >/tmp/.wagonway-out.$$ 2>/tmp/.wagonway-err.$$; s=$?; \
             cat /tmp/.wagonway-out.$$; printf '\\001'; cat /tmp/.wagonway-err.$$; printf '\\001%s\\002' $s\n"
        );
        if input {
            script += "ipset destroy\n";
        }
    }
    script += "rm -f /tmp/.wagonway-out.$$ /tmp/.wagonway-err.$$\n";
    let text = crate::iproute2::oracle::shell(script)?;
    let told = text.split_terminator('\u{2}').map(|one| {
        let mut parts = one.split('\u{1}');
        let mut part = || parts.next().unwrap_or_default();
        let (out, err, status) = (part(), part(), part());
        (status.parse().expect("a status"), steady(out), err.to_owned())
    });
    Some(told.collect())
}

#[test]
fn commands_are_carried_out_as_the_real_ones() {
    let lines: Vec<&str> = CORPUS.lines().collect();
    let Some(theirs) = theirs(&lines, false) else { return };
    assert_eq!(theirs.len(), lines.len());
    let mut book = Book::default();
    for (line, theirs) in lines.iter().zip(theirs) {
        let Said { out, err, status } = tell(&mut book, line, 100 * SECOND);
        assert_eq!((status, steady(&out), err), theirs, "ipset {line}");
    }
}

#[test]
fn files_are_restored_as_by_the_real_one() {
    let files = [
        "create a hash:ip\nadd a 1.1.1.1\nadd a 1.1.1.1\nadd a 1.1.1.2\nsave\n",
        "create a hash:ip\nadd a 1.1.1.x\n",
        "create a hash:ip\nadd a 1.1.1.1\nadd a 1.1.1.2\nflush a\nlist a\n",
        "# hi\n\n create a hash:net\n add a 10.0.0.0/8 \nsave\n",
        "add b 1.1.1.1\n",
        "create a hash:ip\nswap a b\n",
        "create a hash:ip\nrename a b\nsave\n",
        "restore\n",
        "add\n",
        "create\n",
        "create c hash:ip foo\n",
        "quit\ncreate q hash:ip\n",
        "create a hash:ip\ntest a 1.1.1.1\nlist a\n",
        "create a hash:ip\nadd a 1.1.1.1\ndel a 1.1.1.2\n",
        "COMMIT\n",
    ];
    let Some(theirs) = theirs(&files, true) else { return };
    for (file, theirs) in files.iter().zip(theirs) {
        let Said { out, err, status } = restore(&mut Book::default(), "restore", file);
        assert_eq!((status, steady(&out), err), theirs, "{file}");
    }
}

#[test]
fn what_waits_is_lost_with_words_that_are_no_command() {
    let mut book = Book::default();
    let said = restore(&mut book, "restore", "create a hash:ip\nadd a 1.1.1.1\nfoo\n");
    assert_eq!(said.status, 2);
    assert_eq!(tell(&mut book, "save", SECOND).out.lines().count(), 1);
    let said = restore(&mut book, "-! restore", "create a hash:ip\nadd a 1.1.1.1\nadd a 1.1.1.1\n");
    assert_eq!((said.status, tell(&mut book, "save", SECOND).out.lines().count()), (0, 2));
}

#[test]
fn bytes_are_no_sets_or_are_saved_as_they_were_read() {
    fuzz::sets(CORPUS.as_bytes());
    bolero::check!().for_each(|bytes: &[u8]| fuzz::sets(bytes));
}

/// A packet of TCP from 10.1.0.10:1000 to 192.0.2.10:80.
fn packet() -> Packet<'static> {
    Packet {
        six: false,
        addresses: [0x0a01_000a, 0xc000_020a],
        proto: Some(6),
        ports: [1000, 80],
        macs: Some([[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]]),
        ifaces: ["lan", "wan"],
        len: 60,
        now: 2 * SECOND,
    }
}

fn how(sides: &str) -> How {
    let sides: Vec<&str> = sides.split(',').collect();
    let bits = sides.iter().enumerate().map(|(at, side)| u8::from(*side == "src") << at);
    How { sides: (sides.len() as u8, bits.fold(0, |all, bit| all | bit)), ..How::default() }
}

fn holds(sets: &Sets, name: &str, sides: &str) -> bool {
    sets.find(name, &packet(), &how(sides)).is_some()
}

#[test]
fn packets_are_found_by_each_kind() {
    let kinds = [
        ("bitmap:ip range 10.1.0.0/24", "10.1.0.10", "src"),
        ("bitmap:ip range 10.1.0.0/16 netmask 24", "10.1.0.0", "src"),
        ("bitmap:ip,mac range 10.1.0.0/24", "10.1.0.10,02:00:00:00:00:01", "src,src"),
        ("bitmap:port range 0-100", "80", "dst"),
        ("hash:ip", "192.0.2.10", "dst"),
        ("hash:ip netmask 24", "192.0.2.99", "dst"),
        ("hash:mac", "02:00:00:00:00:02", "dst"),
        ("hash:ip,port", "192.0.2.10,80", "dst,dst"),
        ("hash:ip,port,ip", "192.0.2.10,80,10.1.0.10", "dst,dst,src"),
        ("hash:ip,port,net", "10.1.0.10,1000,192.0.0.0/8", "src,src,dst"),
        ("hash:ip,mac", "10.1.0.10,02:00:00:00:00:01", "src,src"),
        ("hash:net", "192.0.2.0/24", "dst"),
        ("hash:net,net", "10.0.0.0/8,192.0.2.0/25", "src,dst"),
        ("hash:net,port", "192.0.2.0/28,80", "dst,dst"),
        ("hash:net,iface", "0.0.0.0/0,lan", "src,src"),
    ];
    for (kind, element, sides) in kinds {
        let mut book = book(&[&format!("create s {kind}"), "create l list:set", "add l s"]);
        let sets = book.sets();
        assert!(!holds(&sets, "s", sides), "{kind}");
        assert_eq!(tell(&mut book, &format!("add s {element}"), SECOND).err, "", "{kind}");
        // What comes into a set is seen at once.
        assert!(holds(&sets, "s", sides) && holds(&sets, "l", sides), "{kind}");
        let other = sides.replace("src", "-").replace("dst", "src").replace('-', "dst");
        assert!(!holds(&sets, "s", &other), "{kind}");
        let few = sides.rsplit_once(',').map_or("", |(few, _)| few);
        assert!(few.is_empty() || !holds(&sets, "s", few), "{kind}");
        let six = Packet { six: true, ..packet() };
        let any = matches!(kind, "hash:mac") || kind.starts_with("bitmap:port");
        assert_eq!(sets.find("s", &six, &how(sides)).is_some(), any, "{kind}");
    }
}

#[test]
fn packets_put_themselves_in_and_take_themselves_out() {
    let mut book = book(&["create s hash:ip,port timeout 10 counters", "create n hash:net"]);
    let sets = book.sets();
    assert!(sets.add("s", &packet(), &how("src,dst")));
    assert!(!sets.add("s", &packet(), &how("src,dst")));
    assert!(holds(&sets, "s", "src,dst"));
    let listed = tell(&mut book, "save s", 2 * SECOND).out;
    assert!(
        listed.ends_with("add s 10.1.0.10,tcp:80 timeout 10 packets 2 bytes 120\n"),
        "{listed}"
    );
    let later = Packet { now: 13 * SECOND, ..packet() };
    assert!(sets.find("s", &later, &how("src,dst")).is_none());
    assert!(sets.add("s", &later, &How { timeout: Some(100), ..how("src,dst") }));
    assert!(sets.del("s", &later, &how("src,dst")) && !sets.del("s", &later, &how("src,dst")));
    // A prefix has the length of the longest that is there.
    assert_eq!(tell(&mut book, "add n 10.0.0.0/24", SECOND).err, "");
    assert!(sets.add("n", &packet(), &how("src")));
    assert!(tell(&mut book, "save n", SECOND).out.contains("add n 10.1.0.0/24\n"));
}

#[test]
fn exempt_elements_and_counters_decide() {
    let mut book = book(&[
        "create n hash:net counters",
        "add n 192.0.0.0/8",
        "add n 192.0.2.0/24 nomatch",
        "create c hash:ip counters skbinfo",
        "add c 10.1.0.10 packets 5 skbmark 0x5/0xff skbprio 1:10 skbqueue 3",
    ]);
    let sets = book.sets();
    assert!(!holds(&sets, "n", "dst"));
    assert!(sets.find("n", &packet(), &How { return_nomatch: true, ..how("dst") }).is_some());
    // It counts before it compares.
    let six = How { packets: Some(Compare::Equal(6)), ..how("src") };
    assert!(sets.find("c", &packet(), &six).is_some());
    assert!(sets.find("c", &packet(), &six).is_none());
    let still = How { keep_counters: true, bytes: Some(Compare::Greater(100)), ..how("src") };
    let found = sets.find("c", &packet(), &still).expect("it is there");
    assert_eq!((found.mark, found.priority, found.queue), ((5, 255), 0x0001_0010, 3));
}

#[test]
fn an_address_takes_the_first_mac_it_is_seen_with() {
    let mut book = book(&["create m bitmap:ip,mac range 10.1.0.0/24", "add m 10.1.0.10"]);
    let sets = book.sets();
    assert!(holds(&sets, "m", "src,src"));
    let other = Packet { macs: Some([[2; 6], [3; 6]]), ..packet() };
    assert!(sets.find("m", &other, &how("src,src")).is_none());
    assert!(tell(&mut book, "save m", SECOND).out.contains("add m 10.1.0.10,02:00:00:00:00:01\n"));
}

#[test]
fn what_rules_use_stays() {
    let mut book = book(&["create a hash:ip", "create b hash:ip"]);
    let around = Around { now: SECOND, uses: &|name| u32::from(name == "a"), services };
    let mut tell = |line: &str| book.command(&words(line), None, &around);
    for line in ["destroy a", "destroy", "rename a c"] {
        assert_eq!(tell(line).status, 1, "{line}");
    }
    assert!(tell("list a").out.contains("References: 1\n"));
    assert_eq!((tell("swap a b").status, tell("destroy b").status), (0, 0));
}

#[test]
fn a_swap_is_seen_with_the_next_snapshot() {
    let mut book = book(&["create a hash:ip", "create b hash:ip", "add a 10.1.0.10"]);
    let before = book.sets();
    assert!(!book.is_changed());
    assert_eq!(tell(&mut book, "swap a b", SECOND).status, 0);
    assert!(book.is_changed());
    let after = book.sets();
    assert!(holds(&before, "a", "src") && !holds(&after, "a", "src") && holds(&after, "b", "src"));
}

#[test]
fn all_do_as_a_plain_map_would() {
    #[derive(Debug, bolero::TypeGenerator)]
    enum Step {
        Add(u8),
        Del(u8),
        Test(u8),
        Flush,
        Wait(u8),
    }
    bolero::check!().with_type::<Vec<Step>>().for_each(|steps| {
        let mut book = book(&["create s hash:ip timeout 20 maxelem 24"]);
        let (mut model, mut now) = (BTreeMap::<u8, u64>::new(), 10 * SECOND);
        for step in steps {
            let at = |host: &u8| format!("10.0.0.{}", host % 32 + 1);
            model.retain(|_, until| *until >= now);
            match step {
                Step::Add(host) => {
                    let said = tell(&mut book, &format!("add s {}", at(host)), now);
                    let key = host % 32;
                    let fits = !model.contains_key(&key) && model.len() < 24;
                    assert_eq!(said.status == 0, fits, "{}", said.err);
                    if fits {
                        model.insert(key, now + 20 * SECOND);
                    }
                }
                Step::Del(host) => {
                    let said = tell(&mut book, &format!("del s {}", at(host)), now);
                    assert_eq!(said.status == 0, model.remove(&(host % 32)).is_some());
                }
                Step::Test(host) => {
                    let said = tell(&mut book, &format!("test s {}", at(host)), now);
                    assert_eq!(said.status == 0, model.contains_key(&(host % 32)));
                }
                Step::Flush => {
                    tell(&mut book, "flush s", now);
                    model.clear();
                }
                Step::Wait(seconds) => now += u64::from(*seconds) * SECOND / 8,
            }
        }
        model.retain(|_, until| *until >= now);
        assert_eq!(tell(&mut book, "save s", now).out.lines().count(), model.len() + 1);
    });
}

/// Which of them the kernel takes hangs on the seed of its hash, so that it cannot be asked.
#[test]
fn a_full_set_with_forceadd_takes_what_shares_a_place_and_nothing_else() {
    let mut book = book(&["create s hash:ip maxelem 2 forceadd"]);
    let mut there = |host: u32| {
        let host = std::net::Ipv4Addr::from_bits(0x0a00_0000 + host);
        let added = tell(&mut book, &format!("add s {host}"), SECOND);
        let held = tell(&mut book, "save s", SECOND).out;
        let held: Vec<_> = held.lines().filter(|line| line.starts_with("add ")).collect();
        let is_in = held.contains(&&*format!("add s {host}"));
        assert_eq!((added.status == 0, added.err.is_empty()), (is_in, is_in));
        (is_in, held.len())
    };
    assert_eq!((there(0), there(1)), ((true, 1), (true, 2)));
    let taken = (2..2000).filter(|host| {
        let (is_in, held) = there(*host);
        assert_eq!(held, 2);
        is_in
    });
    // Two of 64 places are taken.
    let taken = taken.count();
    assert!((1..500).contains(&taken), "{taken}");
}

#[test]
fn workers_that_put_the_same_in_at_once_leave_it_once() {
    let mut book = book(&["create s hash:ip maxelem 100000"]);
    let sets: Arc<Sets> = book.sets();
    std::thread::scope(|scope| {
        for turn in 0..4_u128 {
            let sets = &sets;
            scope.spawn(move || {
                for step in 0..20_000_u128 {
                    let address = (step * 7 + turn) % 5000 + 1;
                    let packet = Packet { addresses: [address, 0], ..packet() };
                    if step % 3 == turn % 3 {
                        sets.del("s", &packet, &how("src"));
                    } else {
                        sets.add("s", &packet, &how("src"));
                    }
                }
                for address in 1..=5000_u128 {
                    sets.add("s", &Packet { addresses: [address, 0], ..packet() }, &how("src"));
                }
            });
        }
    });
    let text = tell(&mut book, "list s", SECOND).out;
    assert!(text.contains("Number of entries: 5000\n"), "{}", &text[..300.min(text.len())]);
    for address in 1..=5000_u128 {
        let packet = Packet { addresses: [address, 0], ..packet() };
        assert!(sets.find("s", &packet, &how("src")).is_some());
    }
}
