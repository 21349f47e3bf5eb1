//! Where a number is at home: its country code and, if the numbering plan has areas, the area's.
//!
//! The plan's own way of writing a number shows the area: in `+1 212-555-0123` and `+44 20 7946 0958` it is the group
//! behind the country code. There is none where a plan has no prefix for calls to other areas (Denmark; Italy has none
//! either, but dials its areas with their zero), where a number is written in fewer groups, and in a mobile number
//! where those have prefixes of their own: two of one prefix are neighbours in nothing.

use phonenumber::{Mode, Type, metadata::DATABASE};

use super::PhoneNumber;
use crate::domain::sending_rules::Country;

impl PhoneNumber {
    /// The country that a number is at home in; `None` if it is none of any plan, or of no country.
    #[must_use]
    pub fn country(&self) -> Option<Country> {
        let parsed = phonenumber::parse(None, self.as_str()).ok()?;
        parsed.country().id().and_then(|id| Country::parse(id.as_ref()))
    }
}

/// A country code and the area code behind it, digits only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Area {
    country_code: u16,
    area_code: String,
}

impl Area {
    /// The area of a number; `None` if it has none, or is none of its country's plan.
    ///
    /// Walks the plan's patterns (some microseconds): for lists that people look at, not for every message.
    #[must_use]
    pub fn of(number: &PhoneNumber) -> Option<Self> {
        let parsed = phonenumber::parse(None, number.as_str()).ok()?;
        let country_code = parsed.country().code();
        // The library knows no kinds of numbers that begin with a zero; in Italy these are the fixed lines.
        let is_italian = number.as_str().starts_with("+390");
        let is_fixed = matches!(parsed.number_type(&DATABASE), Type::FixedLine | Type::FixedLineOrMobile);
        let has_areas = parsed.metadata(&DATABASE).is_some_and(|plan| plan.national_prefix().is_some());
        if !(is_italian || is_fixed && has_areas) {
            return None;
        }
        let written = parsed.format().mode(Mode::International).to_string();
        let mut groups = written.trim_start_matches('+').split(|character: char| !character.is_ascii_digit());
        let (_, area_code, rest) = (groups.next()?, groups.next()?, groups.next()?);
        let has_area = !area_code.is_empty() && !rest.is_empty();
        has_area.then(|| Self { country_code, area_code: area_code.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(text: &str) -> Option<(u16, String)> {
        let area = Area::of(&PhoneNumber::parse_valid(text).unwrap())?;
        Some((area.country_code, area.area_code))
    }

    #[test]
    fn a_number_with_an_area_is_at_home_there() {
        let at = |country_code, area_code: &str| Some((country_code, area_code.to_owned()));
        assert_eq!(area("+12125550123"), at(1, "212"));
        assert_eq!(area("+14165550123"), at(1, "416"));
        assert_eq!(area("+442079460958"), at(44, "20"));
        assert_eq!(area("+4930123456"), at(49, "30"));
        assert_eq!(area("+390612345678"), at(39, "06"));
    }

    #[test]
    fn a_number_is_at_home_in_a_country_also_where_several_share_a_code() {
        let country =
            |text: &str| PhoneNumber::parse(text).unwrap().country().map(|country| country.as_str().to_owned());
        for (text, expected) in
            [("+12125550123", "US"), ("+14165550123", "CA"), ("+4930123456", "DE"), ("+442079460958", "GB")]
        {
            assert_eq!(country(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(country("+9991234567"), None);
    }

    #[test]
    fn mobile_numbers_and_small_plans_have_no_area() {
        for text in
            ["+4915123456789", "+447400123456", "+4532123456", "+18005550199", "+2250123456789", "+393331234567"]
        {
            assert_eq!(area(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_that_is_none_has_no_area() {
        assert_eq!(Area::of(&PhoneNumber::parse("+9991234567").unwrap()), None);
    }
}
