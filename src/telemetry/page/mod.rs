//! What `bench` measured as one page: plots, and the same numbers in tables.
//!
//! - takes: a [`BenchReport`]
//! - gives: HTML that needs nothing else: no script, no font, no file; light or dark as the reader's
//!   browser is
//! - obeys: well-formed XML within HTML 5, so that a test can read it; Ethernet's 20 bytes of preamble
//!   and gap beside each frame (IEEE 802.3) where the speed of a link is a limit

mod draw;
mod text;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use self::{
    draw::{Histogram, Line, Lines, Scale, Stack},
    text::{escaped, short},
};
use super::{
    report::{BenchReport, BenchRow, BucketRow, LoadRow, Percentiles, ratio},
    words::{grouped, time},
};

/// `write!` to a string cannot fail.
macro_rules! put {
    ($to:expr, $($rest:tt)*) => { let _ = writeln!($to, $($rest)*); };
}

/// Speeds of Ethernet that are drawn, in Gb/s.
const LINKS: [f64; 4] = [10.0, 25.0, 40.0, 100.0];
/// Check sequence, preamble and gap, which no frame in memory has.
const ON_THE_WIRE: f64 = 24.0;
/// What frames of a mix are called.
const MIX: &str = "imix";

/// A page about `report`.
pub fn bench(report: &BenchReport) -> String {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>Wagonway bench</title>\n<style>\n",
    );
    page.push_str(include_str!("style.css"));
    page.push_str("</style>\n</head>\n<body>\n<h1>Wagonway bench</h1>\n");
    put!(page, "<p>{}</p>", escaped(&report.machine));
    facts(&mut page, report);
    sizes(&mut page, report);
    by_routes_and_flows(&mut page, &report.grid);
    latency(&mut page, &report.rows);
    searches(&mut page, report);
    nodes(&mut page, &report.rows);
    if !report.notes.is_empty() {
        page.push_str("<h2>Notes</h2>\n<ul>\n");
        for note in &report.notes {
            put!(page, "<li>{}</li>", escaped(note));
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</body>\n</html>\n");
    page
}

/// A table with a line of headings; the first cell of each row is its name.
fn table(to: &mut String, head: &[String], rows: impl IntoIterator<Item = Vec<String>>) {
    to.push_str("<div class=\"wide\"><table>\n<thead><tr>");
    for cell in head {
        let _ = write!(to, "<th scope=\"col\">{}</th>", escaped(cell));
    }
    to.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        to.push_str("<tr>");
        for (place, cell) in row.iter().enumerate() {
            let cell = escaped(cell);
            let _ = match place {
                0 => write!(to, "<th scope=\"row\">{cell}</th>"),
                _ => write!(to, "<td>{cell}</td>"),
            };
        }
        to.push_str("</tr>\n");
    }
    to.push_str("</tbody>\n</table></div>\n");
}

fn heads(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn facts(page: &mut String, report: &BenchReport) {
    if report.facts.is_empty() {
        return;
    }
    page.push_str("<div class=\"wide facts\"><table><tbody>\n");
    for fact in &report.facts {
        let (name, value) = (escaped(&fact.name), escaped(&fact.value));
        put!(page, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
    }
    page.push_str("</tbody></table></div>\n");
    page.push_str(
        "<p>Packets come out of memory and go nowhere: copying them into packet buffers is part of the \
         figures, and a device is not.</p>\n",
    );
}

/// Millions of packets a second that a link of so many Gb/s carries of the frames of `row`.
fn line_rate(row: &BenchRow, link: f64) -> f64 {
    let bytes = ratio(row.gbps * 1e3, row.mpps * 8.0) + ON_THE_WIRE;
    ratio(link * 1e3, bytes * 8.0)
}

fn place(row: &BenchRow) -> String {
    of_size(&row.size)
}

fn of_size(size: &str) -> String {
    if size == MIX { size.to_owned() } else { format!("{size} B") }
}

fn sizes(page: &mut String, report: &BenchReport) {
    let rows = &report.rows;
    let Some(first) = rows.first() else { return };
    page.push_str("<h2>Throughput by frame size</h2>\n");
    put!(
        page,
        "<p>{} flows, {} routes, {} worker{}. Dashed: what links of Ethernet carry at most.</p>",
        grouped(first.flows),
        grouped(first.routes),
        first.workers,
        if first.workers == 1 { "" } else { "s" }
    );
    let line = |name: String, kind: Option<usize>, of: &dyn Fn(&BenchRow) -> f64| Line {
        name,
        values: rows.iter().map(of).collect(),
        kind,
    };
    let mut lines: Vec<_> = LINKS
        .iter()
        .map(|link| line(format!("{link} GbE"), None, &|row| line_rate(row, *link)))
        .collect();
    lines.push(line("measured".into(), Some(0), &|row| row.mpps));
    if report.searches.len() == rows.len() {
        let values = report.searches.iter().map(|row| row.mpps).collect();
        lines.push(Line { name: "without loss".into(), values, kind: Some(1) });
    }
    let plot = Lines {
        title: "Millions of packets a second by frame size",
        across: "frame size (bytes, check sequence included)",
        up: "Mpps (log scale)",
        unit: "Mpps",
        scale: Scale::Log,
        places: rows.iter().map(|row| row.size.clone()).collect(),
        apart: rows.iter().position(|row| row.size == MIX),
        lines,
    };
    page.push_str(&plot.svg());
    let mut head = heads(&["size", "Mpps", "Gb/s", "cycles a packet"]);
    head.extend(LINKS.iter().map(|link| format!("{link} GbE (Mpps)")));
    let cells = rows.iter().map(|row| {
        let mut cells = vec![
            place(row),
            format!("{:.2}", row.mpps),
            format!("{:.2}", row.gbps),
            format!("{:.0}", row.cycles_per_packet),
        ];
        cells.extend(LINKS.iter().map(|link| format!("{:.2}", line_rate(row, *link))));
        cells
    });
    table(page, &head, cells);
}

/// The numbers that stand in a column, each once and sorted.
fn steps(grid: &[BenchRow], of: fn(&BenchRow) -> u64) -> Vec<u64> {
    let mut all: Vec<_> = grid.iter().map(of).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn by_routes_and_flows(page: &mut String, grid: &[BenchRow]) {
    let Some(first) = grid.first() else { return };
    let routes: fn(&BenchRow) -> u64 = |row| row.routes;
    let flows: fn(&BenchRow) -> u64 = |row| row.flows;
    let ways = [("routes", routes, "flows", flows), ("flows", flows, "routes", routes)];
    for (across, at, beside, of) in ways {
        put!(page, "<h2>Throughput by {across}</h2>");
        put!(
            page,
            "<p>Frames of {}; each flow has a destination of its own, behind a route chosen at random.</p>",
            escaped(&place(first))
        );
        let (places, kinds) = (steps(grid, at), steps(grid, of));
        let value = |place: u64, kind: u64| {
            let row = grid.iter().find(|row| at(row) == place && of(row) == kind);
            row.map_or(f64::NAN, |row| row.mpps)
        };
        let lines = kinds.iter().enumerate().map(|(number, kind)| Line {
            name: format!("{} {beside}", grouped(*kind)),
            values: places.iter().map(|place| value(*place, *kind)).collect(),
            kind: Some(number),
        });
        let plot = Lines {
            title: &format!("Millions of packets a second by number of {across}"),
            across,
            up: "Mpps",
            unit: "Mpps",
            scale: Scale::Linear,
            places: places.iter().map(|place| grouped(*place)).collect(),
            apart: None,
            lines: lines.collect(),
        };
        page.push_str(&plot.svg());
        let mut head = vec![across.to_owned()];
        head.extend(kinds.iter().map(|kind| format!("{} {beside} (Mpps)", grouped(*kind))));
        let rows = places.iter().map(|place| {
            let values = kinds.iter().map(|kind| format!("{:.2}", value(*place, *kind)));
            std::iter::once(grouped(*place)).chain(values).collect()
        });
        table(page, &head, rows);
    }
}

/// Name of a percentile, and where it is.
type Percentile = (&'static str, fn(&Percentiles) -> u64);

/// Percentiles that stand in the tables.
const PERCENTILES: [Percentile; 6] = [
    ("p50", |latency| latency.p50),
    ("p90", |latency| latency.p90),
    ("p99", |latency| latency.p99),
    ("p99.9", |latency| latency.p999),
    ("p99.99", |latency| latency.p9999),
    ("most", |latency| latency.max),
];

fn percentiles(latency: Option<&Percentiles>) -> impl Iterator<Item = String> {
    PERCENTILES.into_iter().map(move |(_, of)| latency.map(of).map_or("-".into(), time))
}

/// Least and most of several histograms.
fn span<'a>(all: impl Iterator<Item = &'a [BucketRow]>) -> (u64, u64) {
    let all = all.flatten().map(|bucket| bucket.upto);
    all.fold((u64::MAX, 1), |(least, most), upto| (least.min(upto), most.max(upto)))
}

fn histogram(
    page: &mut String,
    title: &str,
    (buckets, latency): (&[BucketRow], Option<&Percentiles>),
    span: (u64, u64),
    kind: usize,
) {
    let marks = [0, 2, 4].map(|place| PERCENTILES[place]);
    let plot = Histogram {
        title,
        buckets: buckets.iter().map(|bucket| (bucket.upto, bucket.packets)).collect(),
        span,
        marks: latency.map_or_else(Vec::new, |latency| {
            marks.iter().map(|(name, of)| (*name, of(latency))).collect()
        }),
        kind,
    };
    page.push_str(&plot.svg());
    page.push_str("<details><summary>the numbers of this plot</summary>\n");
    let rows = buckets.iter().map(|bucket| vec![time(bucket.upto), grouped(bucket.packets)]);
    table(page, &heads(&["up to", "packets"]), rows);
    page.push_str("</details>\n");
}

fn latency(page: &mut String, rows: &[BenchRow]) {
    let Some(first) = rows.iter().find(|row| !row.histogram.is_empty()) else { return };
    page.push_str("<h2>Latency at full speed</h2>\n");
    put!(
        page,
        "<p>From when the worker takes a packet to when it leaves, all packets of a burst alike, while \
         packets are taken as fast as can be; the plot is of frames of {}.</p>",
        escaped(&place(first))
    );
    let (buckets, found) = (&first.histogram[..], first.latency.as_ref());
    let title = "Latency at full speed";
    histogram(page, title, (buckets, found), span([buckets].into_iter()), 0);
    let mut head = heads(&["size"]);
    head.extend(PERCENTILES.iter().map(|(name, _)| (*name).to_owned()));
    let cells = rows
        .iter()
        .map(|row| std::iter::once(place(row)).chain(percentiles(row.latency.as_ref())).collect());
    table(page, &head, cells);
}

fn searches(page: &mut String, report: &BenchReport) {
    let Some(first) = report.searches.first() else { return };
    page.push_str("<h2>Rate without loss, and latency below it</h2>\n");
    put!(
        page,
        "<p>The highest rate at which nothing is lost in {} s, found by halving (RFC 2544) within 1 %; then \
         the time from when a packet comes, whether or not the worker is ready, to when it leaves.</p>",
        short(first.seconds)
    );
    let title = |load: &LoadRow| format!("{} % load: {:.2} Mpps", load.percent, load.mpps);
    let span = span(first.loads.iter().map(|load| &load.histogram[..]));
    for (kind, load) in first.loads.iter().enumerate() {
        let title = format!("{}, frames of {}", title(load), of_size(&first.size));
        put!(page, "<h3>{}</h3>", escaped(&title));
        histogram(page, &title, (&load.histogram, load.latency.as_ref()), span, kind);
    }
    let mut head = heads(&["size", "no-drop Mpps", "Gb/s", "trials", "load", "Mpps", "lost"]);
    head.extend(PERCENTILES.iter().map(|(name, _)| (*name).to_owned()));
    let rows = report.searches.iter().flat_map(|row| {
        let start = vec![
            of_size(&row.size),
            format!("{:.2}", row.mpps),
            format!("{:.2}", row.gbps),
            row.trials.to_string(),
        ];
        let loads: Vec<Vec<String>> = row
            .loads
            .iter()
            .map(|load| {
                let mut cells = start.clone();
                cells.push(format!("{} %", load.percent));
                cells.push(format!("{:.2}", load.mpps));
                cells.push(grouped(load.lost));
                cells.extend(percentiles(load.latency.as_ref()));
                cells
            })
            .collect();
        if loads.is_empty() { vec![start] } else { loads }
    });
    table(page, &head, rows);
}

/// What the nodes do not account for.
const REST: &str = "between nodes";

fn nodes(page: &mut String, rows: &[BenchRow]) {
    if rows.iter().all(|row| row.nodes.is_empty()) {
        return;
    }
    page.push_str("<h2>Cycles by node</h2>\n");
    page.push_str(
        "<p>TSC cycles for each packet that came in. A node that only some packets meet costs the less.</p>\n",
    );
    let mut parts: Vec<String> = Vec::new();
    for node in rows.iter().flat_map(|row| &row.nodes) {
        if !parts.contains(&node.name) {
            parts.push(node.name.clone());
        }
    }
    parts.push(REST.into());
    let costs = |row: &BenchRow| -> Vec<f64> {
        let cost = |name: &String| {
            let found = row.nodes.iter().find(|node| node.name == *name);
            found.map_or(0.0, |node| node.cycles_per_packet)
        };
        let mut costs: Vec<_> = parts[..parts.len() - 1].iter().map(cost).collect();
        costs.push((row.cycles_per_packet - costs.iter().sum::<f64>()).max(0.0));
        costs
    };
    let bars = rows.iter().map(|row| {
        let parts = costs(row).into_iter().enumerate().filter(|(_, long)| *long > 0.0);
        (place(row), parts.collect())
    });
    let plot = Stack {
        title: "Cycles of each packet by node",
        across: "TSC cycles a packet",
        bars: bars.collect(),
        parts: parts.clone(),
    };
    page.push_str(&plot.svg());
    let mut head = heads(&["node"]);
    head.extend(rows.iter().map(place));
    let all: Vec<_> = rows.iter().map(costs).collect();
    let cells = parts.iter().enumerate().map(|(number, name)| {
        let costs = all.iter().map(|costs| format!("{:.1}", costs[number]));
        std::iter::once(name.clone()).chain(costs).collect()
    });
    table(page, &head, cells);
}
