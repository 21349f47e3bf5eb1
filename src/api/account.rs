//! `/v1/account`: the account that the caller acts in.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::address::EmailAddress;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::{Account, Alerts, Role};
use sendwheel_actors::domain::ids::AccountId;
use sendwheel_actors::domain::segments;
use sendwheel_actors::engine::api::Caller;
use sendwheel_actors::engine::people::AccountPatch;
use serde::Serialize;
use utoipa::ToSchema;

use super::account_limits::AccountLimitsView;
use super::answers::{Answer, resource};
use super::auth::{Admin, Authenticated};
use super::body;
use super::checks::{at_most, email_address, line, zone_name};
use super::contact_view::{as_text, as_text_or_null};
use super::error::ApiError;
use super::faults::{At, Faults};
use super::frequency_caps::{CapRequest, CapView, caps};
use super::json::{self, List, Text, request_object};
use super::paging::Query;
use super::routes::Shared;
use super::schemas;
use super::sending_rules::{HolidayRequest, HolidayView, HoursRequest, HoursView, holidays as holidays_of, hours};
use super::smart_view::{SharesRequest, SharesView};

request_object! {
    /// Changes to an account.
    pub(crate) struct AccountChange<'a> {
        /// Shown name: at most 200 bytes.
        #[schema(value_type = Option<String>)]
        name: Text<'a>,
        /// IANA zone: for contacts without one of their own.
        #[schema(value_type = Option<String>, example = "Europe/Berlin")]
        time_zone: Text<'a>,
        /// Who gets a mail, every few minutes at most, about messages that are held, failed or of unknown outcome: at
        /// most ten addresses. Given, the list is replaced.
        #[schema(value_type = Option<Vec<String>>)]
        alert_emails: List<Text<'a>>,
        /// When nothing is sent, on the recipient's clock (its own zone, else the account's): at most 32. Given, the
        /// list is replaced; likewise the next two.
        #[schema(value_type = Option<Vec<HoursRequest>>)]
        quiet_hours: List<HoursRequest<'a>>,
        /// When something may be sent: at most 32. Windows of one scope add up; those of different scopes narrow each
        /// other. None: at any time.
        #[schema(value_type = Option<Vec<HoursRequest>>)]
        send_windows: List<HoursRequest<'a>>,
        /// Days on which nothing is sent: at most 200.
        #[schema(value_type = Option<Vec<HolidayRequest>>)]
        holidays: List<HolidayRequest<'a>>,
        /// Whether messages of class `conversation` go at any time all the same; default no.
        #[schema(value_type = Option<bool>)]
        conversation_exempt: bool,
        /// Answers an SMS that asks for help (HELP, INFO and the like), at most once an hour for each contact and number;
        /// null: nothing does. Leave it so where Twilio's Advanced Opt-Out answers already.
        #[schema(value_type = Option<String>, example = "Acme: for help call +1 212 555 0100. Reply STOP to end.")]
        help_reply: Text<'a>,
        /// Which messages with a smart window do not go at its best moment.
        #[schema(value_type = Option<SharesRequest>)]
        smart_send: SharesRequest<'a>,
        /// Whether the HTML of emails tells of opens (by a picture) and clicks (its links lead by this server); default
        /// no.
        #[schema(value_type = Option<bool>)]
        tracking: bool,
        /// How many messages a contact gets in a period, by its rules' channel, country and class: at most 8. Given, the
        /// list is replaced.
        #[schema(value_type = Option<Vec<CapRequest>>)]
        frequency_caps: List<CapRequest<'a>>,
    }
}

impl AccountChange<'_> {
    /// The changes that are asked for.
    pub(crate) fn into_patch(self) -> Result<AccountPatch, ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, AccountChange::NAMES, all);
        let at = root.member("name");
        let name = self.name.changed(&at, all).and_then(|text| line(text, 200, &at, all));
        let at = root.member("time_zone");
        let time_zone = self.time_zone.changed(&at, all).and_then(|text| zone_name(text, &at, all));
        let at = root.member("alert_emails");
        let alert_emails = self.alert_emails.changed(&at, all).and_then(|list| emails(list, &at, all));
        let at = root.member("quiet_hours");
        let quiet_hours = self.quiet_hours.changed(&at, all).and_then(|list| hours(list, &at, all));
        let at = root.member("send_windows");
        let send_windows = self.send_windows.changed(&at, all).and_then(|list| hours(list, &at, all));
        let at = root.member("holidays");
        let holidays = self.holidays.changed(&at, all).and_then(|list| holidays_of(list, &at, all));
        let conversation_exempt = self.conversation_exempt.changed(&root.member("conversation_exempt"), all);
        let at = root.member("help_reply");
        let help_reply = self.help_reply.clearable(&at, all).and_then(|text| match text {
            None => Some(None),
            Some(text) => sms_text(&text, &at, all).map(Some),
        });
        let at = root.member("smart_send");
        let smart_send = self.smart_send.changed(&at, all).and_then(|shares| shares.read(&at, all));
        let tracking = self.tracking.changed(&root.member("tracking"), all);
        let at = root.member("frequency_caps");
        let frequency_caps = self.frequency_caps.changed(&at, all).and_then(|list| caps(list, &at, all));
        faults.finish(Some(AccountPatch {
            name,
            time_zone,
            alert_emails,
            quiet_hours,
            send_windows,
            holidays,
            conversation_exempt,
            help_reply,
            smart_send,
            tracking,
            frequency_caps,
            ..AccountPatch::default()
        }))
    }
}

/// The addresses of a list.
fn emails(list: List<Text<'_>>, at: &At<'_>, faults: &mut Faults) -> Option<Vec<EmailAddress>> {
    if !at_most(list.total, Alerts::MAX_EMAILS, at, faults) {
        return None;
    }
    let mut emails = Vec::with_capacity(list.items.len());
    for (index, email) in list.items.into_iter().enumerate() {
        let at = at.item(index);
        let email = email.required(&at, faults).and_then(|text| email_address(&text, &at, faults));
        emails.extend(email.filter(|email| !emails.contains(email)));
    }
    Some(emails)
}

/// A text that one SMS can carry.
fn sms_text(text: &str, at: &At<'_>, faults: &mut Faults) -> Option<String> {
    if text.trim().is_empty() {
        faults.refuse(at, "empty", "give the text of the answer, or null for none");
        return None;
    }
    match segments::check(text) {
        Ok(_) => Some(text.to_owned()),
        Err(error) => {
            faults.refuse(at, "too_many_segments", error.to_string());
            None
        }
    }
}

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountView<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "account_01h455vb4pex5vsknk084sn02q")]
    id: AccountId,
    /// Counts changes, from 1; for `If-Match`.
    version: u32,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    created_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: UnixMs,
    #[schema(value_type = String)]
    name: &'a str,
    #[schema(value_type = String)]
    time_zone: &'a str,
    /// `AC` and 32 hex digits: the account's name in the Twilio-compatible API.
    #[schema(value_type = String)]
    twilio_sid: &'a str,
    /// Signs what is posted to a `StatusCallback` of the Twilio-compatible API (`X-Twilio-Signature`): what a library's
    /// `RequestValidator` takes. It is no password. Shown to admins, of their own account.
    #[schema(value_type = Option<String>)]
    twilio_auth_token: Option<String>,
    /// Who gets a mail about messages that need attention.
    #[schema(value_type = Vec<String>)]
    alert_emails: Vec<&'a str>,
    /// When nothing is sent, on the recipient's clock.
    quiet_hours: Vec<HoursView>,
    /// When something may be sent; none: at any time.
    send_windows: Vec<HoursView>,
    /// Days on which nothing is sent.
    holidays: Vec<HolidayView>,
    /// Whether messages of class `conversation` go at any time all the same.
    conversation_exempt: bool,
    /// What answers an SMS that asks for help, if anything does.
    #[schema(value_type = Option<String>)]
    help_reply: Option<&'a str>,
    smart_send: SharesView,
    /// Whether emails tell of opens and clicks.
    tracking: bool,
    /// How many messages a contact gets in a period.
    frequency_caps: Vec<CapView>,
    /// What all of its senders together may send; set by an operator.
    limits: AccountLimitsView,
    /// `active` or `suspended`: then its keys and sessions are refused, and what is due is held.
    #[schema(value_type = schemas::AccountStatus)]
    status: &'static str,
    /// Since when it is suspended, if it is.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    suspended_at: Option<UnixMs>,
}

impl<'a> AccountView<'a> {
    /// With what signs its callbacks, if the caller may see it.
    fn own(account: &'a Account, caller: &Caller, shared: &Shared) -> Self {
        let token = || shared.state.engine.callback_token(caller).expose().to_owned();
        Self { twilio_auth_token: (caller.role >= Role::Admin).then(token), ..Self::of(account) }
    }

    pub(crate) fn of(account: &'a Account) -> Self {
        Self {
            id: account.id,
            version: account.version,
            created_at: account.created_at,
            updated_at: account.updated_at,
            name: &account.name,
            time_zone: &account.time_zone,
            twilio_sid: &account.twilio_sid,
            twilio_auth_token: None,
            alert_emails: account.alerts.emails.iter().map(EmailAddress::as_str).collect(),
            quiet_hours: account.rules.quiet_hours.iter().map(HoursView::of).collect(),
            send_windows: account.rules.send_windows.iter().map(HoursView::of).collect(),
            holidays: account.rules.holidays.iter().map(HolidayView::of).collect(),
            conversation_exempt: account.rules.conversation_exempt,
            help_reply: account.help_reply.as_deref(),
            smart_send: SharesView::of(account.smart_send),
            tracking: account.tracking,
            frequency_caps: account.rules.caps.iter().map(CapView::of).collect(),
            limits: AccountLimitsView::of(account.limits),
            status: if account.is_active() { "active" } else { "suspended" },
            suspended_at: account.suspended_at,
        }
    }
}

/// The caller's account.
#[utoipa::path(get, path = "/v1/account", tag = "account", responses((status = 200, body = AccountView)))]
pub(crate) async fn get_account(auth: Authenticated, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    Query::of(&request, &[]).finish()?;
    let account = auth.directory.account(auth.caller.account).ok_or(ApiError::not_found())?;
    Ok(resource(StatusCode::OK, account.version, &AccountView::own(account, &auth.caller, &shared)))
}

/// Changes the caller's account: what is left out stays as it is.
#[utoipa::path(patch, path = "/v1/account", tag = "account", request_body = AccountChange,
    params(("If-Match" = Option<String>, Header, description = "The version that is to be changed")),
    responses((status = 200, body = AccountView)))]
pub(crate) async fn patch_account(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    let if_match = body::if_match(&request)?;
    let body = shared.json(&request, &mut payload).await?;
    let patch = json::read::<AccountChange<'_>>(&body.bytes)?.into_patch()?;
    let account = shared.state.engine.patch_account(&auth.caller, auth.caller.account, patch, if_match).await?;
    Ok(resource(StatusCode::OK, account.version, &AccountView::own(&account, &auth.caller, &shared)))
}
