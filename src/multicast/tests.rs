//! Stories of hosts and queriers, with the kernel's numbers.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::{
    graph::Nanos,
    packet::record::{Newer, Query, RecordKind},
};

const MS: Nanos = 1_000_000;
const SECOND: Nanos = 1_000 * MS;
const ME: Owner = Owner(1);
const YOU: Owner = Owner(2);

fn six(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn four(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// The records of a packet.
type Told<A> = Vec<(RecordKind, A, Vec<A>)>;

/// A machine, and its time.
struct Story<P: Protocol> {
    host: Host<P>,
    now: Nanos,
}

impl<P: Protocol> Story<P> {
    fn new() -> Self {
        Self::with(P::knobs())
    }

    fn with(knobs: Knobs) -> Self {
        let mut host = Host::new(knobs, 7);
        host.handle_up(0);
        Self { host, now: 0 }
    }

    /// What is sent until a time, and when.
    fn until(&mut self, end: Nanos) -> Vec<(Nanos, Outgoing<P::Address>)> {
        let mut sent = Vec::new();
        loop {
            sent.extend(self.host.take_actions().into_iter().map(|out| (self.now, out)));
            match self.host.next_deadline().filter(|at| *at <= end) {
                Some(at) => self.now = at.max(self.now),
                None => break,
            }
            self.host.poll(self.now);
        }
        self.now = end;
        sent
    }

    /// What is sent in the next seconds.
    fn hear(&mut self, seconds: u64) -> Vec<Outgoing<P::Address>> {
        self.until(self.now + seconds * SECOND).into_iter().map(|(_, out)| out).collect()
    }

    /// The records that are sent in the next seconds, packet by packet.
    fn records(&mut self, seconds: u64) -> Vec<Told<P::Address>> {
        let sent = self.hear(seconds).into_iter().map(|out| match out {
            Outgoing::Records(records) => {
                records.into_iter().map(|r| (r.kind, r.group, r.sources)).collect()
            }
            other => panic!("{other:?}"),
        });
        sent.collect()
    }

    fn join(&mut self, owner: Owner, group: P::Address) {
        self.host.join(self.now, owner, group).expect("joins");
    }

    fn leave(&mut self, owner: Owner, group: P::Address) {
        self.host.leave(self.now, owner, group).expect("leaves");
    }
}

fn query6(group: &str, milliseconds: u16, newer: bool, sources: &[&str]) -> Query<Ipv6Addr> {
    let sources = sources.iter().map(|source| six(source)).collect();
    let newer = newer.then_some(Newer { suppress: false, robustness: 2, interval: 125, sources });
    Query { src: six("fe80::1"), group: six(group), code: milliseconds, newer }
}

fn query4(group: &str, code: u16, newer: bool) -> Query<Ipv4Addr> {
    let newer =
        newer.then_some(Newer { suppress: false, robustness: 2, interval: 125, sources: vec![] });
    Query { src: four("192.0.2.1"), group: four(group), code, newer }
}

/// A join and a farewell are told as often as robustness says, within a second of each other; what
/// is joined twice is told once. [8.142] [8.156]
#[test]
fn a_change_is_told_twice() {
    let mut story = Story::<Mld>::new();
    let group = six("ff1e::9");
    story.join(ME, group);
    story.join(YOU, group);
    let sent = story.until(10 * SECOND);
    let want =
        Outgoing::Records(vec![Record { kind: RecordKind::ToExclude, group, sources: vec![] }]);
    assert_eq!(sent.iter().map(|(_, out)| out.clone()).collect::<Vec<_>>(), [want.clone(), want]);
    assert!(sent[0].0 <= 10 * MS && sent[1].0 - sent[0].0 <= SECOND + 8 * MS);
    story.leave(ME, group);
    assert!(story.hear(10).is_empty(), "another still listens");
    story.leave(YOU, group);
    assert_eq!(story.records(10), vec![vec![(RecordKind::ToInclude, group, vec![])]; 2]);
    assert!(story.host.groups().is_empty());
}

/// Neither all nodes nor groups that do not leave the node are told of. [8.136] [8.143]
#[test]
fn some_groups_are_never_told() {
    let mut story = Story::<Mld>::new();
    for group in ["ff02::1", "ff01::1", "ff01::2"] {
        story.host.hold(0, six(group));
    }
    assert!(story.hear(10).is_empty());
    story.host.handle_query(story.now, &query6("::", 10_000, true, &[]));
    assert!(story.hear(20).is_empty());
    let mut story = Story::<Igmp>::new();
    story.host.hold(0, four("224.0.0.1"));
    assert!(story.hear(10).is_empty());
    let mut story = Story::<Igmp>::with(Knobs { link_local_reports: false, ..Igmp::knobs() });
    story.host.hold(0, four("224.0.0.5"));
    assert!(story.hear(10).is_empty());
}

/// Sources are added one by one, each told on its own. [8.158] [8.159]
#[test]
fn a_source_more_is_told_as_one_more() {
    let mut story = Story::<Mld>::new();
    let (group, a, b) = (six("ff1e::9"), six("2001::1"), six("2001::2"));
    story.host.join_source(0, ME, group, a).unwrap();
    assert_eq!(story.records(5), vec![vec![(RecordKind::Allow, group, vec![a])]; 2]);
    story.host.join_source(story.now, ME, group, b).unwrap();
    assert_eq!(story.records(5), vec![vec![(RecordKind::Allow, group, vec![b])]; 2]);
    story.host.leave_source(story.now, ME, group, a).unwrap();
    assert_eq!(story.records(5), vec![vec![(RecordKind::Block, group, vec![a])]; 2]);
    assert!(story.host.permits(group, Some(b)) && !story.host.permits(group, Some(a)));
    // The last one is the group itself.
    story.host.leave_source(story.now, ME, group, b).unwrap();
    assert_eq!(story.records(5), vec![vec![(RecordKind::Block, group, vec![b])]; 2]);
    assert!(story.host.groups().is_empty());
}

/// A whole filter in one step: the book's example. [8.160]
#[test]
fn a_filter_is_told_as_a_change_of_mode() {
    let mut story = Story::<Mld>::new();
    let group = six("ff1e::9");
    let [a, b, c] = ["2001::1", "2001::2", "2001::3"].map(six);
    story.join(ME, group);
    story.hear(5);
    story.host.set_filter(story.now, ME, group, Mode::Include, &[a, b, c]).unwrap();
    assert_eq!(story.records(5), vec![vec![(RecordKind::ToInclude, group, vec![a, b, c])]; 2]);
    story.host.set_filter(story.now, ME, group, Mode::Exclude, &[a, b]).unwrap();
    assert_eq!(story.records(5), vec![vec![(RecordKind::ToExclude, group, vec![a, b])]; 2]);
    story.host.set_filter(story.now, ME, group, Mode::Include, &[]).unwrap();
    assert_eq!(story.records(5), vec![vec![(RecordKind::ToInclude, group, vec![])]; 2]);
}

/// Two who want different things: what one of them wants is let in. [8.162] [8.163]
#[test]
fn filters_are_merged() {
    let group = six("ff1e::9");
    let [a, b, c] = ["2001::1", "2001::2", "2001::3"].map(six);
    // Filters of one and of the other, and which of a, b and c get in.
    type Filter<'a> = (Mode, &'a [Ipv6Addr]);
    let cases: [(Filter<'_>, Filter<'_>, [bool; 3]); 6] = [
        ((Mode::Include, &[a]), (Mode::Include, &[b]), [true, true, false]),
        ((Mode::Include, &[a]), (Mode::Exclude, &[a]), [true, true, true]),
        ((Mode::Include, &[a]), (Mode::Exclude, &[a, b]), [true, false, true]),
        ((Mode::Exclude, &[a, b]), (Mode::Exclude, &[b, c]), [true, false, true]),
        ((Mode::Exclude, &[]), (Mode::Exclude, &[a]), [true, true, true]),
        ((Mode::Exclude, &[a]), (Mode::Exclude, &[a]), [false, true, true]),
    ];
    for (one, other, want) in cases {
        let mut story = Story::<Mld>::new();
        for (owner, (mode, sources)) in [(ME, one), (YOU, other)] {
            story.join(owner, group);
            story.host.set_filter(story.now, owner, group, mode, sources).unwrap();
        }
        let lets_in = [a, b, c].map(|source| story.host.permits(group, Some(source)));
        assert_eq!(lets_in, want, "{one:?} {other:?}");
        assert!(story.host.permits(group, None) && !story.host.permits(six("ff1e::8"), None));
    }
}

/// Errors are those of the socket calls. [6.26] [6.27] [8.141]
#[test]
fn what_cannot_be_is_refused() {
    let mut story = Story::<Igmp>::new();
    let group = four("239.0.0.1");
    assert_eq!(story.host.join(0, ME, four("192.0.2.1")), Err(Error::Invalid));
    assert_eq!(story.host.leave(0, ME, group), Err(Error::NotAvailable));
    for n in 1..=20 {
        story.join(ME, Ipv4Addr::new(239, 0, 0, n));
    }
    assert_eq!(story.host.join(0, ME, four("239.0.0.21")), Err(Error::NoBuffers));
    assert_eq!(Error::NoBuffers.to_string(), "No buffer space available");
    story.join(YOU, four("239.0.0.21"));
    assert_eq!(story.host.join(0, ME, group), Err(Error::InUse));
    story.host.block_source(0, ME, group, four("10.0.0.1")).unwrap();
    let again = story.host.block_source(0, ME, group, four("10.0.0.1"));
    assert_eq!(again, Err(Error::NotAvailable));
    let mixed = story.host.join_source(0, ME, group, four("10.0.0.2"));
    assert_eq!(mixed, Err(Error::Invalid));
    for n in 2..=10 {
        story.host.block_source(0, ME, group, Ipv4Addr::new(10, 0, 0, n)).unwrap();
    }
    let more = story.host.block_source(0, ME, group, four("10.0.0.11"));
    assert_eq!(more, Err(Error::NoBuffers));
    let unknown = story.host.unblock_source(0, ME, group, four("10.0.0.99"));
    assert_eq!(unknown, Err(Error::NotAvailable));
    story.host.leave_all(0, ME);
    assert_eq!(story.host.groups().len(), 1);
}

/// A general query is answered once for all groups, within the time that it allows. [8.151]
#[test]
fn a_general_query_is_answered_once_for_all() {
    let mut story = Story::<Mld>::new();
    let (a, b) = (six("ff1e::a"), six("ff1e::b"));
    story.join(ME, a);
    story.join(ME, b);
    story.hear(5);
    let mut delays = Vec::new();
    for _ in 0..50 {
        let asked = story.now;
        story.host.handle_query(asked, &query6("::", 10_000, true, &[]));
        let sent = story.until(asked + 20 * SECOND);
        let [(at, Outgoing::Records(records))] = &sent[..] else { panic!("{sent:?}") };
        let kinds: Vec<_> = records.iter().map(|record| (record.kind, record.group)).collect();
        assert_eq!(kinds, [(RecordKind::IsExclude, b), (RecordKind::IsExclude, a)]);
        delays.push(at - asked);
    }
    assert!(delays.iter().all(|delay| *delay <= 10 * SECOND + 8 * MS));
    let early = delays.iter().filter(|delay| **delay < 5 * SECOND).count();
    assert!((10..=40).contains(&early), "{early} of 50 come early");
    story.host.handle_query(story.now, &query6("::", 10_000, true, &["2001::1"]));
    assert!(story.hear(20).is_empty(), "a general query has no sources");
}

/// A query for sources is answered where one of them counts. [6.19]
#[test]
fn a_query_for_sources_is_answered_for_those() {
    let mut story = Story::<Mld>::new();
    let group = six("ff1e::9");
    let [a, b] = ["2001::1", "2001::2"].map(six);
    story.host.join_source(0, ME, group, a).unwrap();
    story.host.join_source(0, ME, group, b).unwrap();
    story.hear(5);
    let ask = |sources: &[&str]| query6("ff1e::9", 1000, true, sources);
    story.host.handle_query(story.now, &ask(&["2001::2", "2001::9"]));
    assert_eq!(story.records(5), [[(RecordKind::IsInclude, group, vec![b])]]);
    story.host.handle_query(story.now, &ask(&["2001::9"]));
    assert!(story.hear(5).is_empty());
    story.host.handle_query(story.now, &ask(&[]));
    assert_eq!(story.records(5), [[(RecordKind::IsInclude, group, vec![a, b])]]);
    story.host.handle_query(story.now, &query6("ff1e::8", 1000, true, &[]));
    assert!(story.hear(5).is_empty(), "another group");
}

/// Who hears an old querier speaks its words for 2 x 125 + 10 seconds. [8.152] [6.18]
#[test]
fn an_old_querier_is_answered_in_its_words() {
    let mut story = Story::<Mld>::new();
    let group = six("ff1e::9");
    story.join(ME, group);
    story.hear(5);
    story.host.handle_query(story.now, &query6("::", 10_000, false, &[]));
    let from = story.now;
    assert_eq!(story.hear(20), [Outgoing::Report(group, 1)]);
    assert_eq!(story.host.version(from + 260 * SECOND - 1), 1);
    assert_eq!(story.host.version(from + 260 * SECOND), 2);
    story.leave(ME, group);
    assert_eq!(story.hear(5), [Outgoing::Leave(group)]);
    // A join: at once, and once more within ten seconds.
    story.join(ME, group);
    assert_eq!(story.hear(11), [Outgoing::Report(group, 1), Outgoing::Report(group, 1)]);
    // A new query is read in the old way.
    story.host.handle_query(story.now, &query6("::", 10_000, true, &[]));
    assert_eq!(story.hear(11), [Outgoing::Report(group, 1)]);
    story.until(from + 300 * SECOND);
    story.host.handle_query(story.now, &query6("::", 10_000, true, &[]));
    assert_eq!(story.records(11), [[(RecordKind::IsExclude, group, vec![])]]);

    let mut story = Story::<Igmp>::new();
    let group = four("239.1.2.3");
    story.join(ME, group);
    story.hear(5);
    story.host.handle_query(story.now, &query4("0.0.0.0", 100, false));
    assert_eq!(story.hear(11), [Outgoing::Report(group, 2)]);
    story.host.handle_query(story.now, &query4("239.9.9.9", 0, false));
    assert_eq!(story.hear(11), [Outgoing::Report(group, 1)], "IGMPv1 asks for all groups");
    story.leave(ME, group);
    assert!(story.hear(11).is_empty(), "and knows no farewell");
}

/// Another's report stands for ours; who was not the last to report leaves silently. [6.20] [8.154]
#[test]
fn a_report_of_another_stands_for_ours() {
    let knobs = Knobs { force: 1, ..Mld::knobs() };
    let mut story = Story::<Mld>::with(knobs);
    let group = six("ff1e::9");
    story.join(ME, group);
    assert_eq!(story.until(0).len(), 1, "the first report goes at once");
    story.host.handle_report(group);
    assert!(story.hear(20).is_empty());
    story.leave(ME, group);
    assert!(story.hear(20).is_empty());
    let mut story = Story::<Igmp>::with(Knobs { force: 2, ..Igmp::knobs() });
    let group = four("239.1.2.3");
    story.join(ME, group);
    assert_eq!(story.hear(20), vec![Outgoing::Report(group, 2); 2]);
    story.host.handle_query(story.now, &query4("0.0.0.0", 100, false));
    story.host.handle_report(group);
    assert!(story.hear(20).is_empty());
    story.leave(ME, group);
    assert!(story.hear(20).is_empty());
}

/// A version that is forced: MLDv2 is deaf to old queries, IGMPv3 is not. [8.153]
#[test]
fn a_version_may_be_forced() {
    let group = six("ff1e::9");
    let mut story = Story::<Mld>::with(Knobs { force: 2, ..Mld::knobs() });
    story.join(ME, group);
    story.hear(5);
    story.host.handle_query(story.now, &query6("::", 1000, false, &[]));
    assert!(story.hear(20).is_empty());
    assert_eq!((Mld::force(1, 2), Mld::force(0, 2)), (1, 2));
    assert_eq!((Igmp::force(2, 1), Igmp::force(0, 3), Igmp::force(3, 2)), (1, 0, 2));
}

/// Reports that do not fit into one packet go on in the next. [8.145]
#[test]
fn many_groups_take_several_packets() {
    let mut story = Story::<Mld>::with(Knobs { mtu: 1280, ..Mld::knobs() });
    for n in 0..100 {
        story.join(ME, Ipv6Addr::new(0xff1e, 0, 0, 0, 0, 0, 0, n));
    }
    let packets = story.records(5);
    assert_eq!(packets.iter().map(Vec::len).collect::<Vec<_>>(), [61, 39, 61, 39]);
    let src = six("fe80::1");
    story.host.handle_query(story.now, &query6("::", 1000, true, &[]));
    for out in story.hear(5) {
        assert!(Mld::packet(&out, src, 0).len() <= 1280);
    }
}

/// A link that comes back is told all; what was said before an address was there is said again.
/// [6.30] [8.156]
#[test]
fn a_link_that_comes_back_is_told_all() {
    let mut story = Story::<Mld>::new();
    let group = six("ff1e::9");
    story.join(ME, group);
    story.hear(5);
    story.host.handle_down();
    assert!(story.hear(5).is_empty() && story.host.next_deadline().is_none());
    story.host.handle_up(story.now);
    assert_eq!(story.records(5), vec![vec![(RecordKind::ToExclude, group, vec![])]; 2]);
    story.host.handle_address(story.now);
    assert_eq!(story.records(5), vec![vec![(RecordKind::ToExclude, group, vec![])]; 2]);
}

/// Any order of joins, filters and leaves keeps the merged filter equal to what a plain reading of
/// the owners' filters says. [8.162] [8.163]
#[test]
fn merged_filters_are_as_a_plain_reading_says() {
    bolero::check!().with_type::<Vec<(u8, u8, u8)>>().for_each(|steps| {
        let group = six("ff1e::9");
        let sources = ["2001::1", "2001::2", "2001::3"].map(six);
        let mut story = Story::<Mld>::new();
        let mut plain: [Option<(Mode, Vec<Ipv6Addr>)>; 3] = [const { None }; 3];
        for (what, who, which) in steps.iter().take(40) {
            let (slot, owner) = (usize::from(who % 3), Owner(u64::from(who % 3)));
            let list: Vec<_> =
                (0..3).filter(|bit| which >> bit & 1 == 1).map(|n| sources[n]).collect();
            let mode = if which & 8 == 0 { Mode::Include } else { Mode::Exclude };
            match what % 3 {
                0 if story.host.join(story.now, owner, group).is_ok() => {
                    plain[slot] = Some((Mode::Exclude, vec![]));
                }
                1 if story.host.leave(story.now, owner, group).is_ok() => plain[slot] = None,
                2 if story.host.set_filter(story.now, owner, group, mode, &list).is_ok() => {
                    let leaves = mode == Mode::Include && list.is_empty();
                    plain[slot] = (!leaves).then_some((mode, list));
                }
                _ => {}
            }
            if what & 0x80 != 0 {
                story.hear(1);
            }
        }
        for source in sources {
            let wanted = plain
                .iter()
                .flatten()
                .any(|(mode, list)| (*mode == Mode::Include) == list.contains(&source));
            assert_eq!(story.host.permits(group, Some(source)), wanted);
        }
        assert_eq!(story.host.groups().is_empty(), plain.iter().all(Option::is_none));
        story.hear(30);
        assert!(story.host.next_deadline().is_none(), "all is told in the end");
    });
}
