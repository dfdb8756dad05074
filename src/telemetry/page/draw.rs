//! Plots as SVG: lines, histograms and stacked bars.
//!
//! Lines differ by mark and by dash as well as by colour, and every mark tells its numbers to who
//! points at it.

use std::fmt::Write as _;

use super::text::{escaped, short};

/// `write!` to a string cannot fail.
macro_rules! put {
    ($to:expr, $($rest:tt)*) => { let _ = writeln!($to, $($rest)*); };
}

const WIDTH: f64 = 780.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 52.0;
/// Colours that the style sheet knows.
pub(super) const COLOURS: usize = 7;

/// How numbers become places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From 0.
    Linear,
    /// By powers of ten.
    Log,
}

/// What is smaller is drawn as nothing, and what is larger is no measurement.
const LEAST: f64 = 1e-9;
const MOST: f64 = 1e21;

/// Numbers along a side of a plot.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    /// Where `low` and `high` are drawn.
    ends: (f64, f64),
}

impl Axis {
    /// One that has room for all of `values`.
    fn of(scale: Scale, values: impl IntoIterator<Item = f64>, ends: (f64, f64)) -> Self {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for value in values.into_iter().filter(|value| (LEAST..=MOST).contains(value)) {
            (least, most) = (least.min(value), most.max(value));
        }
        if most <= 0.0 {
            (least, most) = (1.0, 1.0);
        }
        let (low, high) = match scale {
            Scale::Linear => (0.0, (most / step(most)).ceil() * step(most)),
            Scale::Log => round_out(least, most),
        };
        Self { scale, low, high, ends }
    }

    fn at(&self, value: f64) -> f64 {
        let value = if value.is_finite() { value.clamp(self.low, self.high) } else { self.low };
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        self.ends.0 + share * (self.ends.1 - self.ends.0)
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = step(self.high);
                let count = (self.high / step).round().clamp(1.0, 20.0) as u32;
                (0..=count).map(|number| f64::from(number) * step).collect()
            }
            Scale::Log => {
                let fine = self.high / self.low < 2000.0;
                let parts: &[f64] = if fine { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let first = self.low.log10().floor() as i32;
                let last = self.high.log10().ceil() as i32;
                let all = (first..=last)
                    .flat_map(|power| parts.iter().map(move |part| part * 10_f64.powi(power)));
                let inside =
                    |tick: &f64| *tick >= self.low * 0.999_999 && *tick <= self.high * 1.000_001;
                all.filter(inside).collect()
            }
        }
    }
}

/// A step of 1, 2 or 5 that divides `most` into a handful.
fn step(most: f64) -> f64 {
    let rough = most / 5.0;
    let power = 10_f64.powi(rough.log10().floor() as i32);
    let part = [1.0, 2.0, 5.0].into_iter().find(|part| part * power >= rough * 0.999);
    part.unwrap_or(10.0) * power
}

/// The nearest of 1, 2, 5 and their powers of ten around a range.
fn round_out(least: f64, most: f64) -> (f64, f64) {
    let power = |value: f64| 10_f64.powi(value.log10().floor() as i32);
    let parts = [1.0, 2.0, 5.0, 10.0];
    let low = parts.iter().rev().map(|part| part * power(least)).find(|edge| *edge <= least);
    let high = parts.iter().map(|part| part * power(most)).find(|edge| *edge >= most);
    let (low, high) = (low.unwrap_or(least), high.unwrap_or(most));
    if high > low { (low, high) } else { (low, low * 10.0) }
}

/// The start of a plot of some height.
fn open(title: &str, height: f64) -> String {
    let title = escaped(title);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\" \
         xmlns=\"http://www.w3.org/2000/svg\">\n"
    )
}

/// Words at a place, anchored at their `start`, `middle` or `end`.
fn words(to: &mut String, (x, y): (f64, f64), anchor: &str, class: &str, text: &str) {
    let text = escaped(text);
    put!(
        to,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>"
    );
}

fn rule(to: &mut String, from: (f64, f64), end: (f64, f64), class: &str) {
    put!(
        to,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" class=\"{class}\"/>",
        from.0,
        from.1,
        end.0,
        end.1
    );
}

/// The vertical axis with its lines over the width, and its name.
fn vertical(to: &mut String, axis: &Axis, right: f64, name: &str, label: impl Fn(f64) -> String) {
    for tick in axis.ticks() {
        let y = axis.at(tick);
        rule(to, (LEFT, y), (right, y), "grid");
        words(to, (LEFT - 8.0, y + 4.0), "end", "tick", &label(tick));
    }
    let middle = f64::midpoint(axis.ends.0, axis.ends.1);
    put!(
        to,
        "<text transform=\"translate(16 {middle:.1}) rotate(-90)\" text-anchor=\"middle\" \
         class=\"name\">{}</text>",
        escaped(name)
    );
}

/// A mark of its own for each number.
fn mark(to: &mut String, kind: usize, (x, y): (f64, f64), title: &str) {
    let colour = kind % COLOURS;
    put!(to, "<g class=\"f{colour}\"><title>{}</title>", escaped(title));
    match kind % 4 {
        0 => {
            put!(to, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>");
        }
        1 => {
            let (x, y) = (x - 4.0, y - 4.0);
            put!(to, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"8\" height=\"8\"/>");
        }
        2 => {
            put!(to, "<path d=\"M{x:.1} {y:.1}m0 -5.5l5.5 9.5h-11z\"/>");
        }
        _ => {
            put!(to, "<path d=\"M{x:.1} {y:.1}m0 -6l6 6l-6 6l-6 -6z\"/>");
        }
    }
    put!(to, "</g>");
}

/// A line of a plot: a number for each place, or none.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
    /// Which colour and mark; none for a limit.
    pub(super) kind: Option<usize>,
}

/// Lines over places.
pub(super) struct Lines<'a> {
    pub(super) title: &'a str,
    pub(super) across: &'a str,
    pub(super) up: &'a str,
    pub(super) unit: &'a str,
    pub(super) scale: Scale,
    pub(super) places: Vec<String>,
    /// The place that has nothing to do with those before it.
    pub(super) apart: Option<usize>,
    pub(super) lines: Vec<Line>,
}

impl Lines<'_> {
    pub(super) fn svg(&self) -> String {
        let height = 400.0;
        let right = WIDTH - 144.0;
        let bottom = height - BOTTOM;
        let mut svg = open(self.title, height);
        let all = self.lines.iter().flat_map(|line| line.values.iter().copied());
        let axis = Axis::of(self.scale, all, (bottom, TOP));
        vertical(&mut svg, &axis, right, self.up, short);
        let room = (right - LEFT) / self.places.len().max(1) as f64;
        let x = |place: usize| LEFT + (place as f64 + 0.5) * room;
        for (place, name) in self.places.iter().enumerate() {
            words(&mut svg, (x(place), bottom + 18.0), "middle", "tick", name);
        }
        let middle = f64::midpoint(LEFT, right);
        words(&mut svg, (middle, height - 10.0), "middle", "name", self.across);
        rule(&mut svg, (LEFT, bottom), (right, bottom), "axis");
        let mut labels = Vec::new();
        for (number, line) in self.lines.iter().enumerate() {
            let class = match line.kind {
                Some(kind) => format!("line s{} d{}", kind % COLOURS, kind % 4),
                None => format!("limit d{}", number % 4),
            };
            let mut path = String::new();
            for (place, value) in line.values.iter().enumerate() {
                let apart = place == 0 || self.apart == Some(place);
                let (x, y) = (x(place), axis.at(*value));
                // A limit shows at a place that stands alone too.
                if apart && line.kind.is_none() {
                    let _ = write!(path, "M{:.1} {y:.1}H{x:.1}", x - room * 0.4);
                } else {
                    let _ = write!(path, "{}{x:.1} {y:.1}", if apart { 'M' } else { 'L' });
                }
                let ends = place + 1 == line.values.len() || self.apart == Some(place + 1);
                if ends && line.kind.is_none() {
                    let _ = write!(path, "H{:.1}", x + room * 0.4);
                }
            }
            put!(
                svg,
                "<path d=\"{path}\" class=\"{class}\"><title>{}</title></path>",
                escaped(&line.name)
            );
            for (place, value) in line.values.iter().enumerate() {
                let (Some(kind), Some(name)) = (line.kind, self.places.get(place)) else { break };
                let title = format!("{}, {name}: {value:.2} {}", line.name, self.unit);
                mark(&mut svg, kind, (x(place), axis.at(*value)), &title);
            }
            if let Some(last) = line.values.last() {
                labels.push((axis.at(*last), line));
            }
        }
        // Names beside the ends of their lines, and not over one another.
        labels.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut free = TOP;
        let mut places = Vec::new();
        for (y, _) in &labels {
            free = y.max(free);
            places.push(free);
            free += 15.0;
        }
        let mut most = bottom;
        for place in places.iter_mut().rev() {
            *place = place.min(most);
            most = *place - 15.0;
        }
        for ((_, line), y) in labels.into_iter().zip(places) {
            if let Some(kind) = line.kind {
                mark(&mut svg, kind, (right + 12.0, y), &line.name);
            }
            let class = if line.kind.is_some() { "label" } else { "tick" };
            words(&mut svg, (right + 22.0, y + 4.0), "start", class, &line.name);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// How many packets took how long, both by powers of ten.
pub(super) struct Histogram<'a> {
    pub(super) title: &'a str,
    /// Most of each bucket, in nanoseconds, and packets.
    pub(super) buckets: Vec<(u64, u64)>,
    /// Least and most that are drawn, so that plots may be compared.
    pub(super) span: (u64, u64),
    /// Names and places of percentiles.
    pub(super) marks: Vec<(&'a str, u64)>,
    pub(super) kind: usize,
}

/// Share of a bucket's bound that it holds at most: they are of an eighth.
const BUCKET: f64 = 8.0 / 9.0;

impl Histogram<'_> {
    pub(super) fn svg(&self) -> String {
        let height = 270.0;
        let right = WIDTH - 30.0;
        let (top, bottom) = (TOP + 44.0, height - BOTTOM);
        let mut svg = open(self.title, height);
        let all = self.buckets.iter().map(|(_, packets)| *packets).sum::<u64>().max(1) as f64;
        let share = |packets: u64| 100.0 * packets as f64 / all;
        let shares = self.buckets.iter().map(|(_, packets)| share(*packets));
        let up = Axis::of(Scale::Log, shares.chain([100.0]), (bottom, top));
        let ends = [self.span.0 as f64 * BUCKET, self.span.1 as f64];
        let across = Axis::of(Scale::Log, ends.map(|end| end.max(1.0)), (LEFT, right));
        // An empty one is seen to be empty, and the rarest is still seen.
        let up = Axis { low: up.low / 2.0, ..up };
        vertical(&mut svg, &up, right, "share of packets (%)", short);
        for tick in across.ticks() {
            let x = across.at(tick);
            rule(&mut svg, (x, bottom), (x, bottom + 4.0), "axis");
            words(&mut svg, (x, bottom + 18.0), "middle", "tick", &short(tick / 1e3));
        }
        let mut before = 0.0;
        for (upto, packets) in &self.buckets {
            let high = (*upto as f64).max(1.0);
            let low = if before >= high * BUCKET * 0.97 { before } else { high * BUCKET };
            before = high;
            let (from, to) = (across.at(low), across.at(high));
            let y = up.at(share(*packets));
            let title =
                format!("up to {} us: {:.5} % of packets", short(high / 1e3), share(*packets));
            put!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
                 class=\"bar f{}\"><title>{}</title></rect>",
                (to - from).max(1.0),
                bottom - y,
                self.kind % COLOURS,
                escaped(&title)
            );
        }
        for (number, (name, at)) in self.marks.iter().enumerate() {
            let x = across.at((*at as f64).max(1.0));
            let y = TOP + 13.0 * number as f64;
            rule(&mut svg, (x, y - 8.0), (x, bottom), "percentile");
            let text = format!("{name} {} us", short(*at as f64 / 1e3));
            let near_end = x > right - 120.0;
            let (x, anchor) = if near_end { (x - 4.0, "end") } else { (x + 4.0, "start") };
            words(&mut svg, (x, y), anchor, "label", &text);
        }
        rule(&mut svg, (LEFT, bottom), (right, bottom), "axis");
        let middle = f64::midpoint(LEFT, right);
        let name = "time from receive to transmit (microseconds)";
        words(&mut svg, (middle, height - 10.0), "middle", "name", name);
        svg.push_str("</svg>\n");
        svg
    }
}

/// Bars of parts that add up.
pub(super) struct Stack<'a> {
    pub(super) title: &'a str,
    pub(super) across: &'a str,
    /// Name of each bar, and its parts: which part it is, and how long.
    pub(super) bars: Vec<(String, Vec<(usize, f64)>)>,
    pub(super) parts: Vec<String>,
}

/// Names in a line.
const LEGEND: usize = 5;

impl Stack<'_> {
    pub(super) fn svg(&self) -> String {
        let (thick, pitch) = (34.0, 44.0);
        let right = WIDTH - 60.0;
        // Names of the parts first: not every part has room for its own.
        let lines = self.parts.len().div_ceil(LEGEND).max(1) as f64;
        let top = TOP + 20.0 * lines;
        let bottom = top + pitch * self.bars.len() as f64;
        let height = bottom + BOTTOM;
        let mut svg = open(self.title, height);
        for (number, name) in self.parts.iter().enumerate() {
            let x = LEFT + (right - LEFT) / LEGEND as f64 * (number % LEGEND) as f64;
            let y = TOP + 20.0 * (number / LEGEND) as f64;
            let colour = number % COLOURS;
            put!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" class=\"part f{colour}\"/>",
                y - 8.0
            );
            words(&mut svg, (x + 18.0, y + 2.0), "start", "label", name);
        }
        let length = |parts: &[(usize, f64)]| parts.iter().map(|(_, part)| part).sum::<f64>();
        let lengths = self.bars.iter().map(|(_, parts)| length(parts));
        let across = Axis::of(Scale::Linear, lengths, (LEFT, right));
        for tick in across.ticks() {
            let x = across.at(tick);
            rule(&mut svg, (x, top), (x, bottom), "grid");
            words(&mut svg, (x, bottom + 18.0), "middle", "tick", &short(tick));
        }
        for (number, (name, parts)) in self.bars.iter().enumerate() {
            let y = top + pitch * number as f64;
            let line = y + thick / 2.0 + 4.0;
            words(&mut svg, (LEFT - 8.0, line), "end", "label", name);
            let mut done = 0.0;
            for (part, long) in parts {
                let (from, to) = (across.at(done), across.at(done + long));
                done += long;
                let word = self.parts.get(*part).map_or("", String::as_str);
                let title = format!("{name}, {word}: {long:.1} cycles a packet");
                put!(svg, "<g><title>{}</title>", escaped(&title));
                put!(
                    svg,
                    "<rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{thick}\" \
                     class=\"part f{}\"/>",
                    to - from,
                    part % COLOURS
                );
                let room = to - from - 8.0;
                let long = [format!("{word} {long:.0}"), format!("{long:.0}")];
                if let Some(text) = long.iter().find(|text| text.len() as f64 * 6.8 < room) {
                    let middle = f64::midpoint(from, to);
                    words(&mut svg, (middle, line), "middle", "inside", text);
                }
                put!(svg, "</g>");
            }
            let end = across.at(done) + 6.0;
            words(&mut svg, (end, line), "start", "label", &format!("{done:.0}"));
        }
        rule(&mut svg, (LEFT, top), (LEFT, bottom), "axis");
        let middle = f64::midpoint(LEFT, right);
        words(&mut svg, (middle, height - 10.0), "middle", "name", self.across);
        svg.push_str("</svg>\n");
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_what_is_drawn() {
        let axis = Axis::of(Scale::Linear, [3.0, 21.5], (0.0, 100.0));
        assert_eq!(axis.ticks(), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]);
        let axis = Axis::of(Scale::Log, [0.8, 148.8], (0.0, 100.0));
        assert_eq!((axis.low, axis.high), (0.5, 200.0));
        let near = |found: Vec<f64>, wanted: &[f64]| {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(one, other)| (one / other - 1.0).abs() < 1e-9)
        };
        assert!(near(axis.ticks(), &[0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0]));
    }

    #[test]
    fn every_number_has_a_place_between_the_ends() {
        bolero::check!().with_type::<(Vec<u64>, u64, bool)>().for_each(|(bits, one, log)| {
            let scale = if *log { Scale::Log } else { Scale::Linear };
            let values = bits.iter().map(|bits| f64::from_bits(*bits)).filter(|v| v.abs() < 1e200);
            let values: Vec<f64> = values.filter(|v| v.abs() > 1e-200).collect();
            let axis = Axis::of(scale, values, (10.0, 90.0));
            let place = axis.at(f64::from_bits(*one));
            assert!((9.999..=90.001).contains(&place), "{place}");
            assert!(axis.ticks().len() < 1000);
        });
    }
}
