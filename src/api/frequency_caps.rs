//! How many messages a contact gets, as callers write and see it.

use std::time::Duration;

use sendwheel_actors::domain::sending_rules::{Cap, SendingRules};
use serde::Serialize;
use utoipa::ToSchema;

use super::checks::each;
use super::faults::{At, Faults};
use super::json::{List, Text, request_object};
use super::schemas;
use super::sending_rules::{ScopeView, scope};
use super::times::{read_duration, show_duration};

request_object! {
    /// So many messages a contact gets at most in any period of a length; what is more waits. What is left out holds for
    /// all.
    pub(crate) struct CapRequest<'a> {
        /// Only for this channel.
        #[schema(value_type = Option<schemas::Channel>)]
        channel: Text<'a>,
        /// Only for recipients whose number is at home in this country: ISO 3166, two letters.
        #[schema(value_type = Option<String>, example = "US")]
        country: Text<'a>,
        /// Only for this class.
        #[schema(value_type = Option<schemas::Class>)]
        class: Text<'a>,
        /// How many: 1 to 50.
        #[schema(value_type = u8, minimum = 1, maximum = 50, example = 3)]
        limit: u32,
        /// In how long: a minute to 31 days.
        #[schema(value_type = String, example = "7d")]
        per: Text<'a>,
    }
}

impl CapRequest<'_> {
    fn read(self, here: &At<'_>, faults: &mut Faults) -> Option<Cap> {
        let before = faults.len();
        let scope = scope(self.channel, self.country, self.class, here, faults);
        let at = here.member("limit");
        let limit = self.limit.required(&at, faults).and_then(|limit| {
            let limit = u8::try_from(limit).ok().filter(|limit| (1..=Cap::MAX_LIMIT).contains(limit));
            if limit.is_none() {
                faults.refuse(&at, "out_of_range", format!("expected a whole number from 1 to {}", Cap::MAX_LIMIT));
            }
            limit
        });
        let at = here.member("per");
        let per = self.per.required(&at, faults).and_then(|text| {
            let is_one = |per: &Duration| (Cap::MIN_PERIOD..=Cap::MAX_PERIOD).contains(per);
            let per = read_duration(&text).filter(is_one);
            if per.is_none() {
                faults.refuse(&at, "invalid_duration", "expected a duration from \"1m\" to \"31d\"");
            }
            per
        });
        self.stray.refuse(here, Self::NAMES, faults);
        let cap = Cap { scope, limit: limit?, per: per? };
        (faults.len() == before).then_some(cap)
    }
}

/// The caps of a list.
pub(crate) fn caps(list: List<CapRequest<'_>>, at: &At<'_>, faults: &mut Faults) -> Option<Vec<Cap>> {
    each(list, SendingRules::MAX_CAPS, at, faults, CapRequest::read)
}

/// So many messages a contact gets at most in any period of a length.
#[derive(Serialize, ToSchema)]
#[schema(as = FrequencyCap)]
pub(crate) struct CapView {
    #[serde(flatten)]
    #[schema(inline)]
    scope: ScopeView,
    limit: u8,
    #[schema(example = "7d")]
    per: String,
}

impl CapView {
    pub(crate) fn of(cap: &Cap) -> Self {
        Self { scope: ScopeView::of(&cap.scope), limit: cap.limit, per: show_duration(cap.per) }
    }
}
