//! What a run gives: named figures with units, and what the reader must know beside them.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::growth::Step;
use super::timeline::Timeline;

/// One measured figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
}

/// The result of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Which scenario.
    pub scenario: String,
    /// Which store the node used.
    pub store: String,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// What the reader must know beside them.
    pub notes: Vec<String>,
    /// The run from second to second, where it was followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Timeline>,
    /// What a message cost at every size, where that was measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub growth: Vec<Step>,
}

impl Outcome {
    /// An outcome without figures yet.
    #[must_use]
    pub fn new(scenario: &str, store: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            store: store.to_owned(),
            figures: Vec::new(),
            notes: Vec::new(),
            timeline: None,
            growth: Vec::new(),
        }
    }

    /// Adds a figure.
    pub fn figure(&mut self, name: &str, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: name.to_owned(), value, unit });
    }

    /// Adds a note.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Adds p50, p99 and the maximum of a histogram of microseconds, in milliseconds.
    pub fn latencies(&mut self, name: &str, micros: &Histogram<u64>) {
        for (label, value) in
            [("p50", micros.value_at_quantile(0.5)), ("p99", micros.value_at_quantile(0.99)), ("max", micros.max())]
        {
            self.figure(&format!("{name} {label}"), value as f64 / 1_000.0, "ms");
        }
    }
}

/// A table of every figure, one a line.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> String {
    let width = |of: fn(&Outcome, &Figure) -> usize| {
        outcomes.iter().flat_map(|outcome| outcome.figures.iter().map(move |figure| of(outcome, figure))).max()
    };
    let scenario = width(|outcome, _| outcome.scenario.len()).unwrap_or(0);
    let store = width(|outcome, _| outcome.store.len()).unwrap_or(0);
    let name = width(|_, figure| figure.name.len()).unwrap_or(0);
    let mut text = String::new();
    for outcome in outcomes {
        for figure in &outcome.figures {
            let value = readable(figure.value);
            // Writing to a string cannot fail.
            let _written = writeln!(
                text,
                "{:scenario$}  {:store$}  {:name$}  {value:>12} {}",
                outcome.scenario, outcome.store, figure.name, figure.unit
            );
        }
        for note in &outcome.notes {
            let _written = writeln!(text, "{:scenario$}  {:store$}  note: {note}", outcome.scenario, outcome.store);
        }
    }
    text
}

/// Whole numbers as they are; else three digits behind the point below ten, one below a hundred; groups of thousands.
pub(crate) fn readable(value: f64) -> String {
    if value.fract() != 0.0 && value.abs() < 10.0 {
        return format!("{value:.3}");
    }
    if value.fract() != 0.0 && value.abs() < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 && text != "-" {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable_at_every_size() {
        let shown: Vec<_> = [0.1234, 12.34, 123.4, 7.0, 1_234.0, 1_234_567.0].map(readable).into();
        assert_eq!(shown, ["0.123", "12.3", "123", "7", "1,234", "1,234,567"]);
    }

    #[test]
    fn the_table_has_a_line_for_every_figure_and_note() {
        let mut outcome = Outcome::new("drain", "redis");
        outcome.figure("rate", 5_000.0, "messages/s");
        outcome.note("on one machine");
        let text = table(&[outcome]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("5,000 messages/s") && text.contains("note: on one machine"), "{text}");
    }
}
