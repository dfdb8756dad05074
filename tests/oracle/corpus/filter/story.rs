//! Stories: a step a line.
//!
//! ```text
//! # Whatever one should know.
//! six                          the router has IPv6 as well
//! sysctl NAME VALUE
//! rules FILE                   other rules than those of the story's name; `none` for none
//! $ COMMAND                    a program of netfilter or, without its name, `ip`
//! include NAME                 the lines of `streams/NAME.txt`
//! wait MILLISECONDS            after the step before
//! SPEC                         a packet, see `spec`
//! 3x LINE                      the same three times
//! hello A > B [seen C > D]     three segments that begin a connection of TCP
//! say, bye, reset              what follows: a request and its answer; the end; another end
//! talk A > B [seen C > D]      all of a connection
//! ask A > B [seen C > D]       a datagram and its answer
//! ping A > B [seen C > D]      an echo and its answer; `id=N`
//! ```
//!
//! `seen C > D` is how the other end sees what A sends to B, so that it answers from D to C. In any line `{a,b}`
//! and `{1..9}` stand for one line for each.

use std::collections::HashMap;
use std::time::Duration;

use super::super::{Family, Step};
use super::spec::Spec;
use crate::netfilter::{call, rule_file};
use crate::record::RECORDED;
use crate::topology::Topology;

/// Reads a story. The family is called `nf-NAME`.
pub(crate) fn story(name: &'static str) -> Family {
    let file = name.strip_prefix("nf-").expect("a name of netfilter's");
    let text = read("stories", file);
    let mut story = Story {
        family: Family { name, topology: Topology::standard(), steps: Vec::new() },
        seen: HashMap::new(),
        count: 0,
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.filter(|line| !line.starts_with('#')).collect();
    if lines.contains(&"six") {
        story.family.topology = Topology::six()
            .sysctl("net.ipv6.conf.default.mldv2_unsolicited_report_interval", "1")
            .sysctl("net.ipv6.conf.default.router_solicitations", "0");
    }
    let own = lines.iter().find_map(|line| line.strip_prefix("rules "));
    let rules = own.unwrap_or(file);
    if story.family.topology.six {
        story.begin(rules);
    }
    for line in lines {
        match line.split_once(' ') {
            Some(("sysctl", rest)) => {
                let (name, value) = rest.split_once(' ').expect("a name and a value");
                story.family.topology = story.family.topology.clone().sysctl(name, value);
            }
            Some(("rules", _)) => {}
            _ if line == "six" => {}
            Some(("include", stream)) => {
                let text = read("streams", stream);
                let lines = text.lines().filter(|line| !line.starts_with('#'));
                lines.flat_map(expand).for_each(|line| story.line(&line));
            }
            _ => expand(line).iter().for_each(|line| story.line(line)),
        }
    }
    for version in ["v4", "v6", "json"] {
        let file = format!("{rules}.{version}");
        if rule_file(&file).exists() {
            story.family.topology.rules.push(file);
        }
    }
    story.line("$ conntrack -L");
    if rule_file(&format!("{rules}.json")).exists() {
        story.line("$ nft -j list ruleset");
    } else {
        story.line("$ iptables-save -c");
    }
    if story.family.topology.six {
        story.line("$ conntrack -L -f ipv6");
    }
    if story.family.topology.six && !rule_file(&format!("{rules}.json")).exists() {
        story.line("$ ip6tables-save -c");
    }
    story.family
}

/// A text of the corpus.
fn read(kind: &str, name: &str) -> String {
    let path = rule_file("").join(format!("../{kind}/{name}.txt"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

struct Story {
    family: Family,
    /// How often each name has stood.
    seen: HashMap<String, usize>,
    /// Frames so far, each of which has an identification of its own.
    count: u16,
}

impl Story {
    /// Lets a router of IPv6 say all of itself before it is counted.
    fn begin(&mut self, rules: &str) {
        self.line("$ conntrack -C");
        self.line("wait 300");
        let path = rule_file(&format!("{rules}.v6"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for table in text.lines().filter_map(|line| line.strip_prefix('*')) {
            self.line(&format!("$ ip6tables -t {table} -Z"));
        }
    }

    fn line(&mut self, line: &str) {
        if let Some((times, rest)) = line.split_once("x ")
            && let Ok(times) = times.parse::<usize>()
        {
            (0..times).for_each(|_| self.line(rest));
            return;
        }
        if let Some(command) = line.strip_prefix("$ ") {
            let name = match call(command) {
                Some(_) => command.to_owned(),
                None => format!("ip {command}"),
            };
            let name = self.name(&name);
            let step = Step {
                name,
                port: "",
                frame: Vec::new(),
                command: Some(command.to_owned()),
                expect: RECORDED.to_owned(),
                leads_to: None,
                settle: Duration::ZERO,
            };
            self.family.steps.push(step);
            return;
        }
        let Some((verb, rest)) = line.split_once(' ') else { panic!("what is {line:?}?") };
        match verb {
            "wait" => {
                let time = rest.parse().expect("milliseconds");
                self.family.settle(Duration::from_millis(time));
            }
            "hello" | "say" | "bye" | "reset" | "talk" | "ask" | "ping" => self.tell(verb, rest),
            _ => self.frame(line, line),
        }
    }

    /// Adds a conversation.
    fn tell(&mut self, verb: &str, rest: &str) {
        // A > B [seen C > D] [words]
        let words: Vec<&str> = rest.split_whitespace().collect();
        let (a, b) = (words[0], words[2]);
        assert_eq!(words[1], ">", "from one to another in {rest:?}");
        let (c, d, more) = match words.get(3) {
            Some(&"seen") => (words[4], words[6], &words[7..]),
            _ => (a, b, &words[3..]),
        };
        let more = more.join(" ");
        let there = |what: &str| format!("{a} > {b} {what} {more}");
        let back = |what: &str| format!("{d} > {c} {what} {more}");
        let hello = [
            there("tcp S seq=1000 mss=1460"),
            back("tcp SA seq=5000 ack=1001 mss=1460"),
            there("tcp A seq=1001 ack=5001"),
        ];
        let say = [
            there("tcp PA seq=1001 ack=5001 data=request"),
            back("tcp A seq=5001 ack=1008"),
            back("tcp PA seq=5001 ack=1008 data=response"),
            there("tcp A seq=1008 ack=5009"),
        ];
        let bye = [
            there("tcp FA seq=1008 ack=5009"),
            back("tcp A seq=5009 ack=1009"),
            back("tcp FA seq=5009 ack=1009"),
            there("tcp A seq=1009 ack=5010"),
        ];
        let reset = [there("tcp R seq=1008")];
        let six = Spec::parse(&there("udp")).is_six();
        let (echo, reply) = if six { ("icmp6 128/0", "icmp6 129/0") } else { ("echo", "reply") };
        let frames = match verb {
            "hello" => hello.to_vec(),
            "say" => say.to_vec(),
            "bye" => bye.to_vec(),
            "reset" => reset.to_vec(),
            "talk" => [&hello[..], &say, &bye].concat(),
            "ask" => vec![there("udp data=question"), back("udp data=answer")],
            _ => vec![there(echo), back(reply)],
        };
        for frame in frames {
            self.frame(frame.trim(), frame.trim());
        }
    }

    /// Adds a packet, or the pieces of one.
    fn frame(&mut self, name: &str, spec: &str) {
        self.count += 1;
        let spec = Spec::parse(spec);
        let port = spec.port();
        let frames = spec.frames(0x4000 + self.count);
        let several = frames.len() > 1;
        for (n, frame) in frames.into_iter().enumerate() {
            let name = if several { format!("{name}, piece {n}") } else { name.to_owned() };
            let name = self.name(&name);
            self.family.add(name, port, frame, RECORDED);
        }
    }

    /// A name that has not stood yet.
    fn name(&mut self, name: &str) -> String {
        let count = self.seen.entry(name.to_owned()).or_default();
        *count += 1;
        match *count {
            1 => name.to_owned(),
            count => format!("{name}, time {count}"),
        }
    }
}

/// One line for each of what stands in braces.
fn expand(line: &str) -> Vec<String> {
    let Some((before, rest)) = line.split_once('{') else { return vec![line.to_owned()] };
    let (inside, after) = rest.split_once('}').expect("a closing brace");
    let choices: Vec<String> = match inside.split_once("..") {
        Some((from, to)) => {
            let from: u32 = from.parse().expect("a number");
            let to: u32 = to.parse().expect("a number");
            (from..=to).map(|n| n.to_string()).collect()
        }
        None => inside.split(',').map(str::to_owned).collect(),
    };
    choices.iter().flat_map(|choice| expand(&format!("{before}{choice}{after}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_stand_for_a_line_each() {
        assert_eq!(expand("a{1..2}b{x,y}"), ["a1bx", "a1by", "a2bx", "a2by"]);
    }
}
