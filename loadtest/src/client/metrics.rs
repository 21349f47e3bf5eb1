//! Reads `/metrics` in Prometheus' text format, as much of it as the figures need.

use std::collections::BTreeMap;

/// One sample: name, labels, value.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// A snapshot of every sample.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    samples: Vec<Sample>,
}

fn parse_labels(text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.trim().to_owned(), value);
        rest = after[end + 1..].trim_start_matches([',', ' ']);
    }
    Some(labels)
}

fn parse_sample(line: &str) -> Option<Sample> {
    let (name, labels, rest) = match line.split_once('{') {
        Some((name, rest)) => {
            let end = rest.rfind('}')?;
            (name, parse_labels(&rest[..end])?, &rest[end + 1..])
        }
        None => {
            let (name, rest) = line.split_once(' ')?;
            (name, BTreeMap::new(), rest)
        }
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

impl Metrics {
    /// Reads the text; lines that are no samples are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Self { samples: lines.filter_map(parse_sample).collect() }
    }

    fn matching<'a>(&'a self, name: &'a str, labels: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| {
            sample.name == name
                && labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|have| have == value))
        })
    }

    /// The sum of every sample of this name that has these labels; zero if there is none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    /// The histogram of this name, all series with these labels added up.
    #[must_use]
    pub fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Histogram {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for sample in self.matching(&format!("{name}_bucket"), labels) {
            let Some(bound) = sample.labels.get("le").and_then(|bound| bound.parse::<f64>().ok()) else { continue };
            match buckets.iter_mut().find(|(have, _)| *have == bound) {
                Some((_, count)) => *count += sample.value,
                None => buckets.push((bound, sample.value)),
            }
        }
        buckets.sort_by(|left, right| left.0.total_cmp(&right.0));
        Histogram { buckets }
    }
}

/// A histogram: cumulative counts by upper bound.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    buckets: Vec<(f64, f64)>,
}

impl Histogram {
    /// What came since `earlier`, an older snapshot of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |bound: f64| earlier.buckets.iter().find(|(have, _)| *have == bound).map_or(0.0, |(_, n)| *n);
        Self { buckets: self.buckets.iter().map(|&(bound, count)| (bound, count - before(bound))).collect() }
    }

    /// How many observations it has.
    #[must_use]
    pub fn count(&self) -> f64 {
        self.buckets.last().map_or(0.0, |(_, count)| *count)
    }

    /// A bound that no observation is above: the upper bound of the highest bucket that has one. Nothing if it is empty.
    #[must_use]
    pub fn at_most(&self) -> Option<f64> {
        let total = self.count();
        let (bound, _) = self.buckets.iter().find(|(_, count)| *count >= total)?;
        (total > 0.0).then_some(*bound)
    }

    /// The value below which the share `q` (0 to 1) of observations lies, interpolated within its bucket.
    /// In the bucket without an upper bound: the largest bound there is. Nothing if it is empty.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.count();
        if total <= 0.0 {
            return None;
        }
        let wanted = q * total;
        let (mut low, mut below) = (0.0, 0.0);
        for &(bound, count) in &self.buckets {
            if count >= wanted {
                if bound.is_infinite() || count <= below {
                    return Some(low);
                }
                return Some(low + (bound - low) * (wanted - below) / (count - below));
            }
            (low, below) = (bound, count);
        }
        Some(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP sendwheel_messages_total x
# TYPE sendwheel_messages_total counter
sendwheel_messages_total{channel="sms",outcome="submitted"} 41
sendwheel_messages_total{channel="email",outcome="submitted"} 1
sendwheel_messages_total{channel="sms",outcome="failed",why="a \"b\", c"} 5
sendwheel_pending 3 1700000000000

lateness_bucket{le="0.1"} 50
lateness_bucket{le="0.2"} 90
lateness_bucket{le="+Inf"} 100
"#;

    #[test]
    fn samples_are_found_by_name_and_labels() {
        let metrics = Metrics::parse(TEXT);
        assert_eq!(metrics.sum("sendwheel_messages_total", &[("outcome", "submitted")]), 42.0);
        assert_eq!(metrics.sum("sendwheel_messages_total", &[("why", "a \"b\", c")]), 5.0);
        assert_eq!(metrics.sum("sendwheel_pending", &[]), 3.0);
        assert_eq!(metrics.sum("sendwheel_missing", &[]), 0.0);
    }

    #[test]
    fn a_quantile_is_interpolated_and_never_beyond_the_last_bound() {
        let histogram = Metrics::parse(TEXT).histogram("lateness", &[]);
        assert_eq!(histogram.count(), 100.0);
        assert_eq!(histogram.quantile(0.5), Some(0.1));
        assert!((histogram.quantile(0.7).unwrap() - 0.15).abs() < 1e-9);
        assert_eq!(histogram.quantile(0.99), Some(0.2));
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn the_highest_bucket_with_an_observation_bounds_all_of_them() {
        let of = |buckets: &[(f64, f64)]| Histogram { buckets: buckets.to_vec() }.at_most();
        assert_eq!(of(&[(0.1, 5.0), (0.2, 9.0), (0.5, 9.0), (f64::INFINITY, 9.0)]), Some(0.2));
        assert_eq!(of(&[(0.1, 5.0), (f64::INFINITY, 6.0)]), Some(f64::INFINITY));
        assert_eq!(of(&[(0.1, 0.0), (f64::INFINITY, 0.0)]), None);
    }

    #[test]
    fn only_what_came_between_two_snapshots_counts() {
        let histogram = Metrics::parse(TEXT).histogram("lateness", &[]);
        let since = histogram.since(&Histogram { buckets: vec![(0.1, 50.0), (0.2, 50.0), (f64::INFINITY, 50.0)] });
        assert_eq!(since.count(), 50.0);
        assert!(since.quantile(0.1).unwrap() > 0.1);
    }
}
