//! What all senders of an account together may send, by channel.

use sendwheel_actors::domain::directory::{AccountLimits, Limit};
use serde::Serialize;
use utoipa::ToSchema;

use super::checks::LimitRequest;
use super::faults::{At, Faults};
use super::json::request_object;
use super::sender_view::LimitView;

request_object! {
    /// Limits of an account, by channel: what is left out stays as it is, null takes a limit away.
    pub(crate) struct AccountLimitsRequest<'a> {
        /// Mails.
        #[schema(value_type = Option<LimitRequest>)]
        email: LimitRequest<'a>,
        /// Segments.
        #[schema(value_type = Option<LimitRequest>)]
        sms: LimitRequest<'a>,
    }
}

/// A limit to set, to take away (`Some(None)`) or to leave alone.
type Changed = Option<Option<Limit>>;

/// The changes of email's limit and of that of SMS. Without limits at all both go.
pub(super) fn changed(
    request: Option<Option<AccountLimitsRequest<'_>>>,
    at: &At<'_>,
    faults: &mut Faults,
) -> (Changed, Changed) {
    let Some(request) = request else { return (None, None) };
    let Some(request) = request else { return (Some(None), Some(None)) };
    let mut read = |limit: super::json::Field<LimitRequest<'_>>, name: &str| {
        let at = at.member(name);
        limit.clearable(&at, faults).map(|limit| limit.and_then(|limit| limit.read(&at, faults)))
    };
    let both = (read(request.email, "email"), read(request.sms, "sms"));
    request.stray.refuse(at, AccountLimitsRequest::NAMES, faults);
    both
}

/// The limits of an account, by channel; null: it has none.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountLimits)]
pub(crate) struct AccountLimitsView {
    /// Mails.
    email: Option<LimitView>,
    /// Segments.
    sms: Option<LimitView>,
}

impl AccountLimitsView {
    pub(super) fn of(limits: AccountLimits) -> Self {
        Self { email: limits.email.map(LimitView::of), sms: limits.sms.map(LimitView::of) }
    }
}
