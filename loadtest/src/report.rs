//! The page of a run: its figures as tables, and its timeline as charts. One file, no script, nothing fetched.

use std::fmt::Write as _;

use crate::scenario::Outcome;
use crate::scenario::figures::readable;
use crate::scenario::growth::Step;
use crate::scenario::timeline::{Mark, Sample, Second, Timeline};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 180.0;
/// Room for the numbers on the left, and for those below.
const LEFT: f64 = 64.0;
const BELOW: f64 = 24.0;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1c2430;background:#fff}table{border-collapse:collapse}td{padding:.15rem .9rem .15rem 0}\
td.n{text-align:right;font-variant-numeric:tabular-nums}svg{width:100%;height:auto;margin:.3rem 0 1rem}\
.g{stroke:#d9dee6}.t{fill:#5b6675;font-size:12px}.a{fill:none;stroke:#1f5fd0;stroke-width:1.6}\
.b{fill:none;stroke:#c2410c;stroke-width:1.6}.m{stroke:#b91c1c;stroke-dasharray:3 3}\
@media(prefers-color-scheme:dark){body{color:#e4e8ee;background:#14181f}.g{stroke:#2c3440}.t{fill:#9aa5b4}\
.a{stroke:#6ea3ff}.b{stroke:#fb923c}.m{stroke:#f87171}}";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The page of some outcomes.
#[must_use]
pub fn html(outcomes: &[Outcome]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Load test</title><style>{STYLE}</style><h1>Load test</h1>"
    );
    for outcome in outcomes {
        // Writing to a string cannot fail; the same below.
        let _written = write!(page, "<h2>{} on {}</h2><table>", escape(&outcome.scenario), escape(&outcome.store));
        for figure in &outcome.figures {
            let value = readable(figure.value);
            let _written =
                write!(page, "<tr><td>{}<td class=\"n\">{value}<td>{}</tr>", escape(&figure.name), escape(figure.unit));
        }
        page.push_str("</table>");
        for note in &outcome.notes {
            let _written = write!(page, "<p>{}</p>", escape(note));
        }
        if let Some(timeline) = &outcome.timeline {
            charts(&mut page, timeline);
        }
        if !outcome.growth.is_empty() {
            growth_chart(&mut page, &outcome.growth);
        }
    }
    page.push_str("</html>\n");
    page
}

/// One line of a chart.
struct Line<'a> {
    name: &'a str,
    class: &'a str,
    /// Second and value; where there is none, the line is broken.
    points: Vec<(f64, Option<f64>)>,
}

fn charts(page: &mut String, timeline: &Timeline) {
    // A second in which nothing was handed over has no lateness.
    let seconds = |of: fn(Option<&Second>) -> Option<f64>| {
        let (mut points, mut next) = (Vec::new(), 0);
        for second in &timeline.seconds {
            points.extend((next..second.at_s).map(|at_s| (at_s as f64, of(None))));
            points.push((second.at_s as f64, of(Some(second))));
            next = second.at_s + 1;
        }
        points
    };
    let samples =
        |of: fn(&Sample) -> Option<f64>| timeline.samples.iter().map(|sample| (sample.at_s, of(sample))).collect();
    let p50 = Line { name: "p50", class: "a", points: seconds(|second| Some(second?.p50_ms as f64)) };
    let p99 = Line { name: "p99", class: "b", points: seconds(|second| Some(second?.p99_ms as f64)) };
    let marks = &timeline.marks;
    let last = (timeline.seconds.last().map_or(0.0, |second| second.at_s as f64))
        .max(timeline.samples.last().map_or(0.0, |sample| sample.at_s))
        .max(1.0);
    let chart = |page: &mut String, title: &str, lines: &[Line<'_>]| chart(page, title, lines, marks, last);
    chart(page, "Lateness by second of hand-over, ms", &[p50, p99]);
    let taken = Line {
        name: "handed over",
        class: "a",
        points: seconds(|second| Some(second.map_or(0.0, |second| second.handed_over as f64))),
    };
    chart(page, "Hand-overs a second", &[taken]);
    chart(page, "Messages pending", &[Line { name: "pending", class: "a", points: samples(|sample| sample.pending) }]);
    let resident = samples(|sample| sample.resident.map(|bytes| bytes as f64 / 1_048_576.0));
    chart(page, "Resident memory, MiB", &[Line { name: "resident", class: "a", points: resident }]);
    if !marks.is_empty() {
        page.push_str("<h3>Faults</h3><table>");
        for Mark { at_s, what } in marks {
            let _written = write!(page, "<tr><td class=\"n\">{at_s:.1} s<td>{}</tr>", escape(what));
        }
        page.push_str("</table>");
    }
}

/// Processor time a message against what waits, in powers of ten.
fn growth_chart(page: &mut String, steps: &[Step]) {
    let size = |step: &Step| (step.pending.max(1) as f64).log10();
    let (first, last) = (steps.iter().map(size).fold(f64::MAX, f64::min), steps.iter().map(size).fold(1.0, f64::max));
    let points =
        |of: fn(&Step) -> Option<f64>| steps.iter().map(|step| (size(step) - first, of(step))).collect::<Vec<_>>();
    let mut lines = vec![Line { name: "node", class: "a", points: points(|step| Some(step.node_us)) }];
    if steps.iter().any(|step| step.redis_us.is_some()) {
        lines.insert(0, Line { name: "Redis", class: "b", points: points(|step| step.redis_us) });
    }
    let title = "Processor time a message, µs, by powers of ten of what waits";
    let labels: Vec<_> = steps.iter().map(|step| (size(step) - first, readable(step.pending as f64))).collect();
    draw(page, title, &lines, &[], &labels, (last - first).max(0.1));
}

/// The next of 1, 2, 5, 10, … that is not below.
fn round_up(value: f64) -> f64 {
    let mut step = 1.0;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if step * factor >= value {
                return step * factor;
            }
        }
        step *= 10.0;
    }
}

fn chart(page: &mut String, title: &str, lines: &[Line<'_>], marks: &[Mark], end: f64) {
    let seconds: Vec<_> =
        (0..=4).map(|part| end * f64::from(part) / 4.0).map(|at| (at, format!("{at:.0} s"))).collect();
    draw(page, title, lines, marks, &seconds, end);
}

/// Draws lines from 0 to `end`, with `labels` where they belong below.
fn draw(page: &mut String, title: &str, lines: &[Line<'_>], marks: &[Mark], labels: &[(f64, String)], end: f64) {
    let all = || lines.iter().flat_map(|line| &line.points);
    let top = round_up(all().filter_map(|(_, value)| *value).fold(1.0, f64::max));
    let x = |at: f64| LEFT + at.max(0.0) / end * (WIDTH - LEFT);
    let y = |value: f64| HEIGHT - value / top * (HEIGHT - 12.0);
    let _written = write!(
        page,
        "<h3>{title}</h3><svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{title}\">",
        HEIGHT + BELOW
    );
    for value in [0.0, top / 2.0, top] {
        let _written = write!(
            page,
            "<path class=\"g\" d=\"M{LEFT} {0:.1}H{WIDTH}\"/><text class=\"t\" x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\">{value}</text>",
            y(value),
            LEFT - 8.0,
            y(value) + 4.0
        );
    }
    for (at, label) in labels {
        let anchor = if *at >= end { "end" } else { "start" };
        let _written = write!(
            page,
            "<text class=\"t\" x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{label}</text>",
            x(*at),
            HEIGHT + 18.0
        );
    }
    for mark in marks {
        let _written = write!(
            page,
            "<path class=\"m\" d=\"M{:.1} 8V{HEIGHT}\"><title>{}</title></path>",
            x(mark.at_s),
            escape(&mark.what)
        );
    }
    for line in lines {
        let mut path = String::new();
        let mut is_broken = true;
        for (at, value) in &line.points {
            let Some(value) = value else {
                is_broken = true;
                continue;
            };
            let _written = write!(path, "{}{:.1} {:.1}", if is_broken { 'M' } else { 'L' }, x(*at), y(*value));
            is_broken = false;
        }
        let _written = write!(page, "<path class=\"{}\" d=\"{path}\"><title>{}</title></path>", line.class, line.name);
    }
    page.push_str("</svg>");
    if lines.len() > 1 {
        let names: Vec<_> = lines.iter().map(|line| line.name).collect();
        let _written = write!(page, "<p class=\"t\">{}, from the lower line up</p>", names.join(" and "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn scales_end_at_round_numbers() {
        assert_eq!([0.3, 1.0, 3.0, 6.0, 120.0, 5_001.0].map(round_up), [1.0, 1.0, 5.0, 10.0, 200.0, 10_000.0]);
    }

    #[test]
    fn growth_is_one_chart_with_every_size_below_it() {
        let mut outcome = Outcome::new("growth", "redis");
        let step = |pending, node_us| Step { pending, node_us, redis_us: Some(9.0), ..Step::default() };
        outcome.growth = vec![step(10_000, 40.0), step(1_000_000, 41.0)];
        let page = html(&[outcome]);
        assert_eq!(page.matches("<svg").count(), 1);
        assert!(page.contains(">10,000<") && page.contains(">1,000,000<"), "{page}");
        assert!(page.contains("class=\"a\"") && page.contains("class=\"b\""));
    }

    #[test]
    fn a_page_shows_figures_and_charts_and_runs_nothing() {
        let mut outcome = Outcome::new("faults", "redis");
        outcome.figure("<script>", 1_234.0, "messages");
        outcome.timeline = Some(Timeline {
            samples: vec![
                Sample { at_s: 0.0, pending: Some(1.0), resident: Some(1_048_576) },
                Sample { at_s: 1.0, pending: None, resident: None },
                Sample { at_s: 2.0, pending: Some(4.0), resident: Some(2_097_152) },
            ],
            seconds: vec![Second { at_s: 1, handed_over: 3, p50_ms: 2, p99_ms: 9 }],
            marks: vec![Mark { at_s: 1.5, what: "node killed".into() }],
        });
        let page = html(&[outcome]);
        assert!(!page.contains("<script") && page.contains("1,234"), "{page}");
        assert_eq!(page.matches("<svg").count(), 4);
        assert!(page.contains("node killed"));
        // The gap in what was known is a gap in the line.
        let chart = page.split("<h3>Messages pending").nth(1).unwrap();
        let line = chart.split("class=\"a\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(line.matches('M').count(), 2, "{line}");
    }
}
