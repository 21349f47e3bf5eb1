//! Bars, as SVG from the server. Every chart has a title, a description in words, and a table with its figures.

use askama::Template;

/// Width and height of the drawing, in its own units.
const WIDE: f64 = 600.0;
const HIGH: f64 = 140.0;
/// Room for the labels below the bars.
const FOOT: f64 = 18.0;
/// Labels below the bars, at most.
const LABELS: usize = 8;

/// A bar.
#[derive(Debug, Clone, PartialEq)]
struct Bar {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    label: String,
    /// Written below the bar, where there is room.
    mark: Option<f64>,
    count: u64,
}

/// A chart of counts.
#[derive(Template)]
#[template(path = "ops/chart.html")]
pub(super) struct Chart {
    id: &'static str,
    title: &'static str,
    desc: String,
    /// What a bar stands for.
    what: &'static str,
    bars: Vec<Bar>,
    most: u64,
}

impl Chart {
    /// A bar for each label with its count.
    pub(super) fn of(
        (id, title, what): (&'static str, &'static str, &'static str),
        desc: String,
        counts: Vec<(String, u64)>,
    ) -> Self {
        let most = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
        let step = WIDE / counts.len().max(1) as f64;
        let every = counts.len().div_ceil(LABELS).max(1);
        let bar = |(number, (label, count)): (usize, (String, u64))| {
            // What is there is seen, however little it is.
            let share = if most == 0 { 0.0 } else { count as f64 / most as f64 };
            let height = if count == 0 { 0.0 } else { (share * (HIGH - FOOT - 14.0)).max(2.0) };
            let x = number as f64 * step;
            Bar {
                x: x + step * 0.1,
                y: HIGH - FOOT - height,
                width: step * 0.8,
                height,
                label,
                mark: number.is_multiple_of(every).then_some(x + step / 2.0),
                count,
            }
        };
        Self { id, title, what, desc, bars: counts.into_iter().enumerate().map(bar).collect(), most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(counts: &[u64]) -> Chart {
        let counts = counts.iter().enumerate().map(|(number, count)| (format!("<{number}>"), *count)).collect();
        Chart::of(("due", "Due", "Minute"), "In words.".into(), counts)
    }

    #[test]
    fn bars_are_as_high_as_their_counts_and_what_is_there_is_seen() {
        let bars = chart(&[0, 1, 1_000, 500]).bars;
        assert_eq!(bars[0].height, 0.0);
        assert_eq!(bars[1].height, 2.0);
        assert!((bars[2].height - 2.0 * bars[3].height).abs() < 0.01);
        assert!(bars.iter().all(|bar| bar.y >= 0.0 && bar.x + bar.width <= WIDE));
    }

    #[test]
    fn a_chart_says_in_words_and_figures_what_it_shows() {
        let html = chart(&[3; 40]).render().unwrap();
        assert!(html.contains("<title id=\"due-title\">Due</title>") && html.contains("In words."), "{html}");
        assert_eq!(html.matches("<td class=\"num\">3</td>").count(), 40);
        assert_eq!(html.matches("<text ").count(), 1 + LABELS);
        assert!(!html.contains("<0>"), "labels are escaped");
        assert!(chart(&[]).render().unwrap().contains("Nothing"));
    }
}
