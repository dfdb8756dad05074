//! Commands between packets: lines of a time and a command of iproute2.
//!
//! The time is in seconds since the first packet. A command comes before the packets of its own time,
//! and what fails is told in the report and holds nothing up.

use super::{ReplayError, fail, lockstep::Lockstep};
use crate::{
    graph::Nanos,
    iproute2::batch,
    telemetry::{
        desk::{Desk, conntrack::Inquiry, tool::is_tool},
        protocol::{IpBatch, IpOutput, Tool},
        report::CommandRow,
    },
};

/// A command and when it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timed {
    /// Nanoseconds since the first packet.
    pub(super) at: Nanos,
    line: usize,
    words: Vec<String>,
}

/// Nanoseconds of a number of seconds.
fn time(text: &str) -> Option<Nanos> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if part.len() > 9 || !digits(part) || !digits(whole) {
        return None;
    }
    let whole: Nanos = whole.parse().ok()?;
    let part: Nanos = format!("{part:0<9}").parse().ok()?;
    whole.checked_mul(1_000_000_000)?.checked_add(part)
}

/// Reads the lines, which are in the order of their times.
pub(super) fn read(file: &IpBatch) -> Result<Vec<Timed>, ReplayError> {
    let mut script: Vec<Timed> = Vec::new();
    for (line, mut words) in batch::lines(&file.text) {
        let wrong = |why: &str| {
            let hint = "write seconds since the first packet and a command, \
                        as in `0.5 route del 10.0.0.0/8`";
            fail(format!("{}:{line}: {why}", file.name), hint)
        };
        let at = time(&words.remove(0)).ok_or_else(|| wrong("this is no time"))?;
        if words.first().is_some_and(|word| word == "ip") {
            words.remove(0);
        }
        if words.is_empty() {
            return Err(wrong("there is no command"));
        }
        if script.last().is_some_and(|last| last.at > at) {
            return Err(wrong("this is before the line above"));
        }
        script.push(Timed { at, line, words });
    }
    Ok(script)
}

impl Lockstep {
    /// Carries a command out now.
    pub(super) fn command(&mut self, command: &Timed) {
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        let said = match command.words.split_first() {
            Some((program, rest)) if program == "conntrack" => self.conntrack(rest),
            Some((program, rest)) if program == "show" => self.show(rest),
            Some((program, rest)) if is_tool(program) => self.tool(program, rest),
            _ => Desk::bare(&mut self.rig.router, &self.pool, self.now).command(&words),
        };
        self.settle();
        self.said.push(CommandRow {
            at: command.at as f64 / 1e9,
            line: command.line as u64,
            command: words.join(" "),
            out: said.out,
            err: said.err,
            status: said.status,
        });
    }
}

impl Lockstep {
    /// A command of the packet filter's programs; one that restores reads its file.
    fn tool(&mut self, program: &str, words: &[String]) -> IpOutput {
        let sets = program == "ipset" && words.first().is_some_and(|word| word == "restore");
        let named = words.iter().position(|word| word == "-f" || word == "--file");
        let file = match program {
            "nft" => named.and_then(|at| words.get(at + 1)),
            _ => words.last().filter(|_| sets || program.ends_with("-restore")),
        };
        let input = match file.map(std::fs::read_to_string) {
            Some(Err(error)) => {
                let err = format!("{program}: {error}\n");
                return IpOutput { out: String::new(), err, status: 1 };
            }
            Some(Ok(text)) => Some(text),
            None => None,
        };
        let tool = Tool { program: program.to_owned(), words: words.to_vec(), input };
        Desk::bare(&mut self.rig.router, &self.pool, self.now).tool(&tool)
    }

    /// What rules have told of packets.
    fn show(&mut self, words: &[String]) -> IpOutput {
        if words != ["log"] {
            let err = format!("there is no report {:?} between packets\n", words.join(" "));
            return IpOutput { out: String::new(), err, status: 1 };
        }
        let rows = Desk::bare(&mut self.rig.router, &self.pool, self.now).log_rows(None);
        let out = rows.into_iter().map(|row| format!("{}: {}\n", row.level, row.text)).collect();
        IpOutput { out, ..IpOutput::default() }
    }

    /// Asks all workers, which stand still.
    fn conntrack(&mut self, words: &[String]) -> IpOutput {
        let mut inquiry = match Inquiry::read(words) {
            Ok(inquiry) => inquiry,
            Err(said) => return said,
        };
        let now = self.now;
        let workers = self.rig.workers.len();
        for (number, worker) in self.rig.workers.iter_mut().enumerate() {
            let Some(mut job) = inquiry.job(0, number, workers) else { continue };
            while job.next.is_some() && !inquiry.is_over() {
                worker.answer(&mut job, now);
                inquiry.take(number, &job);
            }
        }
        inquiry.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Timed>, String> {
        let file = IpBatch { text: text.into(), name: "f".into(), ..IpBatch::default() };
        read(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn times_are_read_to_the_nanosecond() {
        for (text, nanos) in [("0", 0), ("1.5", 1_500_000_000), ("2.000000001", 2_000_000_001)] {
            assert_eq!(time(text), Some(nanos), "{text}");
        }
        for text in ["", "-1", "1e3", "0.0000000001", "x", "1.5s", "99999999999999999999"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn lines_hold_a_time_and_a_command() {
        let script = read_text("# first\n0.001 ip link set lan down\n2 route flush \\\n table 5\n");
        let script = script.unwrap();
        let lines: Vec<_> =
            script.iter().map(|one| (one.at, one.line, one.words.join(" "))).collect();
        assert_eq!(
            lines,
            [
                (1_000_000, 2, "link set lan down".to_owned()),
                (2_000_000_000, 4, "route flush table 5".to_owned())
            ]
        );
        assert_eq!(read_text("route show").unwrap_err(), "f:1: this is no time");
        assert_eq!(read_text("1 ip").unwrap_err(), "f:1: there is no command");
        assert_eq!(
            read_text("1 link\n0.5 link").unwrap_err(),
            "f:2: this is before the line above"
        );
    }
}
