use super::*;
use crate::telemetry::report::{FactRow, NodeCost, SearchRow};

/// What stands between tags, and the tags: well-formed, or the test fails.
fn read(page: &str) -> (Vec<String>, Vec<String>) {
    let (mut tags, mut texts, mut open) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = page.strip_prefix("<!DOCTYPE html>\n").expect("a page");
    while let Some(at) = rest.find('<') {
        texts.push(rest[..at].to_owned());
        let (tag, after) = rest[at + 1..].split_once('>').expect("the end of a tag");
        assert!(!tag.contains('<'), "{tag}");
        assert!(tag.matches('"').count() % 2 == 0, "{tag}");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{tag}");
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default().to_owned();
        if !tag.ends_with('/') {
            open.push(name);
        }
        tags.push(tag.to_owned());
    }
    assert!(open.is_empty() && rest.trim().is_empty());
    (tags, texts)
}

const TAGS: &[&str] = &[
    "body", "circle", "details", "div", "g", "h1", "h2", "h3", "head", "html", "li", "line",
    "meta", "p", "path", "rect", "style", "summary", "svg", "table", "tbody", "td", "text", "th",
    "thead", "title", "tr", "ul",
];

fn latency(p50: u64) -> Option<Percentiles> {
    let (p90, p99, p999) = (p50.saturating_add(1), p50.saturating_add(2), p50.saturating_add(3));
    let (p9999, max) = (p50.saturating_add(4), p50.saturating_add(5));
    Some(Percentiles { p50, p90, p99, p999, p9999, max })
}

/// A report with the given words and numbers all over it.
fn report(words: &str, bits: &[u64]) -> BenchReport {
    let whole = |place: usize| bits.get(place % bits.len().max(1)).copied().unwrap_or(place as u64);
    // Any number at all, infinite ones too.
    let real = |place: usize| f64::from_bits(whole(place));
    let histogram: Vec<_> = (0..5)
        .map(|place| BucketRow { upto: whole(place), packets: whole(place + 1) >> 8 })
        .collect();
    let row = |place: usize| BenchRow {
        size: if place == 2 { "imix".into() } else { words.to_owned() },
        flows: whole(place),
        routes: whole(place + 1),
        packets: whole(place + 2),
        mpps: real(place + 3),
        gbps: real(place + 4),
        cycles_per_packet: real(place + 5),
        latency: latency(whole(place)),
        histogram: histogram.clone(),
        nodes: (0..9)
            .map(|node| NodeCost {
                name: format!("{words}{node}"),
                cycles_per_packet: real(place + node),
            })
            .collect(),
        ..BenchRow::default()
    };
    let load = LoadRow {
        percent: 50,
        mpps: real(1),
        latency: latency(whole(3)),
        histogram: histogram.clone(),
        ..LoadRow::default()
    };
    let search = SearchRow {
        size: words.to_owned(),
        mpps: real(0),
        loads: vec![load],
        ..SearchRow::default()
    };
    BenchReport {
        machine: words.to_owned(),
        facts: vec![FactRow { name: words.to_owned(), value: words.to_owned() }],
        rows: (0..3).map(row).collect(),
        grid: (3..7).map(row).collect(),
        searches: vec![search.clone(), search.clone(), search],
        notes: vec![words.to_owned()],
    }
}

#[test]
fn whatever_was_measured_every_tag_is_ours_and_nothing_is_fetched() {
    bolero::check!().with_type::<(String, Vec<u64>)>().for_each(|(words, bits)| {
        let page = bench(&report(words, bits));
        let (tags, _) = read(&page);
        for tag in tags {
            let name = tag.split([' ', '/']).next().unwrap_or_default();
            assert!(TAGS.contains(&name), "{tag}");
            let inside = tag.replace("http://www.w3.org/2000/svg", "");
            for word in [" src=", " href=", " on", "url("] {
                // Words of the report are in quotes that they cannot end.
                let own: String = inside.split('"').step_by(2).collect();
                assert!(!own.contains(word), "{tag}");
            }
        }
        for place in page.split(['"', '>', '<']).filter(|text| text.starts_with("NaN")) {
            assert!(words.contains("NaN") || place == "NaN", "{place}");
        }
    });
    let style = include_str!("style.css");
    assert!(!style.contains("url(") && !style.contains("@import"));
    assert!(!style.contains(['<', '>']));
}

/// The cells of the rows of all tables.
fn cells(page: &str) -> Vec<Vec<String>> {
    let rows = page.split("<tr>").skip(1).map(|row| {
        let row = row.split("</tr>").next().unwrap_or_default();
        let cells = row.split("</t").map(|cell| cell.rsplit('>').next().unwrap_or_default());
        let mut cells: Vec<_> = cells.map(str::to_owned).collect();
        cells.pop();
        cells
    });
    rows.collect()
}

#[test]
fn the_tables_tell_what_the_report_tells() {
    let row = |size: &str, flows, routes, mpps| BenchRow {
        size: size.into(),
        flows,
        routes,
        workers: 1,
        mpps,
        gbps: mpps * 60.0 * 8.0 / 1e3,
        cycles_per_packet: 121.4,
        latency: latency(2800),
        histogram: vec![
            BucketRow { upto: 2800, packets: 999_999 },
            BucketRow { upto: 88_200, packets: 1 },
        ],
        nodes: vec![
            NodeCost { name: "replay".into(), cycles_per_packet: 60.25 },
            NodeCost { name: "classify".into(), cycles_per_packet: 50.0 },
        ],
        ..BenchRow::default()
    };
    let load = LoadRow {
        percent: 90,
        mpps: 18.0,
        lost: 3,
        latency: latency(31_000),
        ..LoadRow::default()
    };
    let search = SearchRow {
        size: "64".into(),
        seconds: 1.0,
        trials: 9,
        mpps: 20.0,
        gbps: 9.6,
        loads: vec![load],
        ..SearchRow::default()
    };
    let report = BenchReport {
        machine: "A <fast> one".into(),
        facts: vec![FactRow { name: "Kernel".into(), value: "6.1 & more".into() }],
        rows: vec![row("64", 4000, 8, 21.523)],
        grid: vec![row("64", 64, 16, 24.0), row("64", 4000, 16, 22.0)],
        searches: vec![search],
        notes: vec!["a note".into()],
    };
    let page = bench(&report);
    let rows = cells(&page);
    let has = |wanted: &[&str]| {
        assert!(rows.iter().any(|row| row == wanted), "{wanted:?} is not in {rows:#?}");
    };
    has(&["Kernel", "6.1 &amp; more"]);
    // 64 bytes and 20 more are 14.88 Mpps of 10 GbE.
    has(&["64 B", "21.52", "10.33", "121", "14.88", "37.20", "59.52", "148.81"]);
    has(&["16", "24.00", "22.00"]);
    has(&["64", "24.00"]);
    has(&["4 000", "22.00"]);
    has(&["2.8 us", "999 999"]);
    has(&["64 B", "2.8 us", "2.8 us", "2.8 us", "2.8 us", "2.8 us", "2.8 us"]);
    let found = ["31.0 us"; 6];
    let start = ["64 B", "20.00", "9.60", "9", "90 %", "18.00", "3"];
    has(&[&start[..], &found[..]].concat());
    has(&["replay", "60.2"]);
    has(&["between nodes", "11.2"]);
    assert!(page.contains("A &lt;fast&gt; one") && page.contains("<li>a note</li>"));
    // A point tells what the table does.
    assert!(page.contains("<title>measured, 64: 21.52 Mpps</title>"));
    read(&page);
}

#[test]
fn a_report_without_sweeps_or_search_has_no_plots_of_them() {
    let mut report = report("64", &[7, 1 << 62]);
    report.grid.clear();
    report.searches.clear();
    let page = bench(&report);
    assert!(!page.contains("by routes") && !page.contains("without loss"));
    assert!(page.contains("by frame size") && page.contains("Cycles by node"));
    read(&bench(&BenchReport::default()));
}
