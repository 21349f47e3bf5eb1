//! How late messages went since the node started, out of what it keeps for `/metrics`.

use super::chart::Chart;

const BUCKET: &str = "sendwheel_lateness_seconds_bucket{";

/// Upper bounds in seconds with how many went within them, over all channels, in the order of the bounds.
fn buckets(metrics: &str) -> Vec<(f64, u64)> {
    let mut sums: Vec<(f64, u64)> = Vec::new();
    for line in metrics.lines().filter_map(|line| line.strip_prefix(BUCKET)) {
        let Some((labels, count)) = line.rsplit_once("} ") else { continue };
        let bound = labels.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
        let bound = bound.and_then(|text| if text == "+Inf" { Some(f64::INFINITY) } else { text.parse().ok() });
        let (Some(bound), Ok(count)) = (bound, count.trim().parse::<u64>()) else { continue };
        match sums.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, sum)) => *sum += count,
            None => sums.push((bound, count)),
        }
    }
    sums.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    sums
}

fn bound_words(bound: f64) -> String {
    match bound {
        bound if bound.is_infinite() => "more".into(),
        bound if bound < 1.0 => format!("{} ms", (bound * 1_000.0).round()),
        bound if bound < 60.0 => format!("{bound} s"),
        bound => format!("{} min", bound / 60.0),
    }
}

/// The least bound within which this share went.
fn within(buckets: &[(f64, u64)], share: f64) -> Option<f64> {
    let all = buckets.last()?.1;
    buckets.iter().find(|(_, count)| *count as f64 >= share * all as f64).map(|(bound, _)| *bound)
}

/// The histogram.
pub(super) fn chart(metrics: &str) -> Chart {
    let buckets = buckets(metrics);
    let all = buckets.last().map_or(0, |(_, count)| *count);
    let desc = match (within(&buckets, 0.5), within(&buckets, 0.99)) {
        (Some(half), Some(most)) if all > 0 => format!(
            "Of {all} hand-overs since the node started, half began within {} of their due time and 99 % within {}.",
            bound_words(half),
            bound_words(most)
        ),
        _ => "Nothing was handed over since the node started.".to_owned(),
    };
    let mut before = 0;
    let counts = buckets.iter().map(|(bound, count)| {
        let own = count.saturating_sub(before);
        before = *count;
        (bound_words(*bound), own)
    });
    let counts = counts.collect();
    Chart::of(("lateness", "Lateness of hand-overs", "Within"), desc, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "# TYPE sendwheel_lateness_seconds histogram\n\
        sendwheel_lateness_seconds_bucket{channel=\"sms\",le=\"0.005\"} 3\n\
        sendwheel_lateness_seconds_bucket{channel=\"sms\",le=\"+Inf\"} 4\n\
        sendwheel_lateness_seconds_bucket{channel=\"email\",le=\"0.005\"} 5\n\
        sendwheel_lateness_seconds_bucket{channel=\"email\",le=\"+Inf\"} 5\n\
        sendwheel_lateness_seconds_count{channel=\"email\"} 5\n";

    #[test]
    fn lateness_is_summed_over_the_channels() {
        assert_eq!(buckets(METRICS), [(0.005, 8), (f64::INFINITY, 9)]);
        assert_eq!(within(&buckets(METRICS), 0.5), Some(0.005));
        assert_eq!(within(&buckets(METRICS), 0.99), Some(f64::INFINITY));
        assert_eq!(buckets("sendwheel_lateness_seconds_bucket{le=\"x\"} y\nother 1"), []);
    }

    #[test]
    fn bounds_are_told_in_their_unit() {
        for (bound, words) in [(0.001, "1 ms"), (0.5, "500 ms"), (5.0, "5 s"), (300.0, "5 min")] {
            assert_eq!(bound_words(bound), words);
        }
    }
}
