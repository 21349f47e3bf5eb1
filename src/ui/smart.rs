//! Smart send, as people are told of it: which moment of a window it is, and why that one.

use sendwheel_actors::domain::habit::Sureness;
use sendwheel_actors::domain::plan::smart::{Arm, Chosen};

/// How much likelier than another moment one is, where that is worth saying.
fn times(best: u16, other: u16) -> Option<String> {
    let ratio = f32::from(best) / f32::from(other.max(1));
    match ratio {
        ratio if ratio < 1.15 => None,
        ratio if ratio < 9.95 => Some(format!("{ratio:.1} times")),
        _ => Some("many times".to_owned()),
    }
}

/// Why the best moment is the best one.
fn best_words(chosen: &Chosen, name: &str) -> String {
    let known = match chosen.sureness {
        Sureness::TooLittle => {
            return format!(
                "Too little is known of {name} yet: it is the hour at which the account’s other contacts are there most."
            );
        }
        Sureness::Low => "a little is known",
        Sureness::Fair => "a fair amount is known",
        Sureness::High => "much is known",
    };
    match times(chosen.best, chosen.first) {
        Some(times) => {
            format!(
                "{name} is {times} as likely to be there as at the first moment, by what they did so far ({known})."
            )
        }
        None => format!("{name} is as likely to be there at once as at any later moment ({known})."),
    }
}

/// Why a message goes when it goes.
pub(super) fn why(chosen: &Chosen, name: &str) -> String {
    match chosen.arm {
        Arm::Chosen => best_words(chosen, name),
        Arm::Random => "Any moment of its window: a few messages show what choosing gains.".into(),
        Arm::Holdout => "The first moment of its window: a few messages show what choosing gains.".into(),
        Arm::AtOnce => format!("Too little is known of {name} yet, so it goes at the first moment."),
        Arm::Named => format!("Too little is known of {name} yet, so it goes when its author said."),
    }
}

/// What would be chosen: its share among those that do not go at the best moment is drawn later.
pub(super) fn would(chosen: &Chosen, name: &str) -> String {
    match chosen.arm {
        Arm::Random | Arm::Holdout => best_words(chosen, name),
        _ => why(chosen, name),
    }
}

#[cfg(test)]
mod tests {
    use sendwheel_actors::domain::clock::UnixMs;

    use super::*;

    const fn chosen(arm: Arm, sureness: Sureness, best: u16, first: u16) -> Chosen {
        Chosen { arm, sureness, best_at: UnixMs(0), best, first, others: 0 }
    }

    #[test]
    fn how_much_better_it_is_stands_beside_how_much_is_known() {
        let words = |sureness, best, first| why(&chosen(Arm::Chosen, sureness, best, first), "Maya");
        assert!(words(Sureness::Fair, 500, 200).contains("2.5 times as likely"));
        assert!(words(Sureness::Low, 500, 0).contains("many times as likely"));
        assert!(words(Sureness::High, 500, 480).contains("as likely to be there at once"));
        assert!(words(Sureness::TooLittle, 500, 200).contains("other contacts"));
    }

    #[test]
    fn what_is_compared_with_says_so_but_is_not_foretold() {
        for arm in [Arm::Random, Arm::Holdout] {
            let one = chosen(arm, Sureness::Fair, 500, 200);
            assert!(why(&one, "Maya").contains("what choosing gains"));
            assert!(would(&one, "Maya").contains("2.5 times"));
        }
        let unknown = chosen(Arm::AtOnce, Sureness::TooLittle, 0, 0);
        assert!(would(&unknown, "Maya").contains("first moment"));
    }
}
