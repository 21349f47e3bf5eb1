//! The clock of a phone number's home, where that is certain: in a country, or behind a North American area code, where
//! every clock shows the same time.
//!
//! `scripts/zones` makes the table, from the zone table of the time-zone database and from libphonenumber. Where it has
//! nothing, nothing is guessed: a country of several times has no time of its own.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::TimeZone;
use crate::domain::address::PhoneNumber;

/// By country (`DE`), or by country code and area code (`1212`).
static HOMES: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| include_str!("homes.txt").lines().filter_map(|line| line.split_once(' ')).collect());

impl TimeZone {
    /// The zone of a number's home, if it is certain.
    ///
    /// Reads the number by its country's plan (some microseconds) unless it is a North American one.
    #[must_use]
    pub fn of_number(number: &PhoneNumber) -> Option<Self> {
        let by_area = number.as_str().strip_prefix('+').and_then(|digits| HOMES.get(digits.get(..4)?));
        let by_country = || HOMES.get(number.country()?.as_str());
        Self::parse(by_area.or_else(by_country)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_a_clock_where_its_country_or_area_has_one() {
        for (number, zone) in [
            ("+4930123456", Some("Europe/Berlin")),
            ("+442079460958", Some("Europe/London")),
            ("+919876543210", Some("Asia/Kolkata")),
            ("+12125550123", Some("America/New_York")),
            ("+14165550123", Some("America/Toronto")),
            ("+16845550123", Some("Pacific/Pago_Pago")),
            // Florida's 850 and Idaho's 208 have two times; toll-free numbers have none; nor has Australia.
            ("+18505550123", None),
            ("+12085550123", None),
            ("+18005550123", None),
            ("+61412345678", None),
            ("+9991234567", None),
        ] {
            let found = TimeZone::of_number(&PhoneNumber::parse(number).unwrap());
            assert_eq!(found.as_ref().map(TimeZone::name), zone, "{number}");
        }
    }

    #[test]
    fn every_zone_of_the_table_is_one() {
        assert!(HOMES.len() > 500);
        for (home, zone) in HOMES.iter() {
            assert!(TimeZone::parse(zone).is_ok(), "{home} {zone}");
        }
    }
}
