//! Hit rates with intervals.
//!
//! The moments of one contact are not independent: the same habit is met again and again. So the contacts are
//! the sample. A rate over all moments is then a ratio of two sums over contacts, and its variance that of the
//! linearised ratio (Cochran, Sampling Techniques, 6.4).

/// The normal quantile of a 95 % interval.
const Z95: f64 = 1.959_964;

/// A value and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) ci95: [f64; 2],
}

/// The ratio of the sums of (gained, tried) over contacts, within bounds; both bounds for a single contact, whose
/// spread nobody knows.
pub(super) fn ratio(contacts: impl Iterator<Item = (f64, f64)> + Clone, bounds: [f64; 2]) -> Estimate {
    let (mut gained, mut tried, mut count) = (0.0, 0.0, 0.0);
    for (of_contact, tries) in contacts.clone().filter(|(_, tries)| *tries > 0.0) {
        gained += of_contact;
        tried += tries;
        count += 1.0;
    }
    if count == 0.0 {
        return Estimate { value: 0.0, ci95: bounds };
    }
    let value = gained / tried;
    if count < 2.0 {
        return Estimate { value, ci95: bounds };
    }
    let squares: f64 = contacts.map(|(of_contact, tries)| (of_contact - value * tries).powi(2)).sum();
    let half = Z95 * (squares * count / (count - 1.0)).sqrt() / tried;
    Estimate { value, ci95: [(value - half).max(bounds[0]), (value + half).min(bounds[1])] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_that_of_the_contacts_not_of_the_moments() {
        // Two contacts, always and never hit: a thousand moments each say no more than one each.
        let few = ratio([(1.0, 1.0), (0.0, 1.0)].into_iter(), [-9.0, 9.0]);
        let many = ratio([(1000.0, 1000.0), (0.0, 1000.0)].into_iter(), [-9.0, 9.0]);
        assert_eq!(few, many);
        // value 0.5; squares 0.25 + 0.25; × 2 → 1; √1 ÷ 2.
        assert!((few.value - 0.5).abs() < 1e-12);
        assert!((few.ci95[1] - (0.5 + Z95 * 0.5)).abs() < 1e-9, "{few:?}");
    }

    #[test]
    fn contacts_that_are_alike_leave_no_doubt_and_one_contact_leaves_all() {
        let alike = ratio([(1.0, 4.0), (2.0, 8.0)].into_iter(), [0.0, 1.0]);
        assert_eq!(alike, Estimate { value: 0.25, ci95: [0.25, 0.25] });
        assert_eq!(ratio([(1.0, 4.0)].into_iter(), [0.0, 1.0]), Estimate { value: 0.25, ci95: [0.0, 1.0] });
    }
}
