//! The account: its name, its zone, who is alerted, and when nothing is sent.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use askama::Template;
use sendwheel_actors::domain::directory::Account;
use sendwheel_actors::domain::sending_rules::{SendingRules, Weekdays};
use serde_json::{Map, Value, json};

use super::around::{Around, admin};
use crate::api::account::AccountChange;
use crate::api::sending_rules::{HolidayView, HoursView};
use crate::api::{ApiError, json as reader};
use crate::ui::answer::{Answer, ok, page, see};
use crate::ui::composer::zones;
use crate::ui::error::PageError;
use crate::ui::form::{Form, Posted};
use crate::ui::visitor::Visitor;

/// Hours of some days, as a line of the form.
#[derive(Default, Debug, PartialEq, Eq)]
struct Hours {
    days: Vec<String>,
    from: String,
    to: String,
    channel: String,
    country: String,
    class: String,
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

impl Hours {
    /// As the API shows them.
    fn of(view: &Value) -> Self {
        let days = view["days"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let [from, to, channel, country, class] =
            ["from", "to", "channel", "country", "class"].map(|name| text(view, name));
        Self { days: days.collect(), from, to, channel, country, class }
    }

    /// The lines of a form that say when they begin or end.
    fn of_form(form: &Form, kind: &str, most: usize) -> Vec<Self> {
        let line = |number: usize| {
            let field = |name: &str| form.get(&format!("{kind}-{number}-{name}")).trim().to_owned();
            let [from, to, channel, country, class] = ["from", "to", "channel", "country", "class"].map(field);
            let days = form.all(&format!("{kind}-{number}-day")).map(str::to_owned).collect();
            Self { days, from, to, channel, country, class }
        };
        (0..=most).map(line).filter(|line| !line.from.is_empty() || !line.to.is_empty()).collect()
    }

    fn request(&self) -> Value {
        let mut request = Map::new();
        for (name, value) in [
            ("from", &self.from),
            ("to", &self.to),
            ("channel", &self.channel),
            ("country", &self.country),
            ("class", &self.class),
        ] {
            if !value.is_empty() {
                request.insert(name.into(), value.as_str().into());
            }
        }
        if !self.days.is_empty() {
            request.insert("days".into(), json!(self.days));
        }
        Value::Object(request)
    }

    fn has(&self, day: &str) -> bool {
        self.days.iter().any(|one| one == day)
    }
}

/// A holiday in a line: the date, then what it is limited to.
fn holiday_line(view: &Value) -> String {
    let parts = ["date", "channel", "country", "class"].map(|name| text(view, name));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What a line says: words after the date are a channel, a country of two capitals, or a class.
fn holiday_request(line: &str) -> Value {
    let mut words = line.split_whitespace();
    let mut request = json!({"date": words.next().unwrap_or_default()});
    for word in words {
        let name = match word {
            "sms" | "email" => "channel",
            word if word.len() == 2 => "country",
            _ => "class",
        };
        request[name] = word.into();
    }
    request
}

/// The form.
struct Fields {
    version: String,
    name: String,
    zone: String,
    alerts: String,
    quiet: Vec<Hours>,
    windows: Vec<Hours>,
    holidays: String,
    is_exempt: bool,
    help: String,
}

fn shown<T>(views: impl Iterator<Item = T>) -> Vec<Value>
where
    T: serde::Serialize,
{
    views.map(|view| serde_json::to_value(view).expect("a view has only strings and numbers")).collect()
}

impl Fields {
    fn of(account: &Account) -> Self {
        let rules = &account.rules;
        let hours = |list: &[sendwheel_actors::domain::sending_rules::Hours]| {
            shown(list.iter().map(HoursView::of)).iter().map(Hours::of).collect()
        };
        let holidays = shown(rules.holidays.iter().map(HolidayView::of));
        Self {
            version: account.version.to_string(),
            name: account.name.clone(),
            zone: account.time_zone.clone(),
            alerts: account.alerts.emails.iter().map(|email| email.as_str()).collect::<Vec<_>>().join(", "),
            quiet: hours(&rules.quiet_hours),
            windows: hours(&rules.send_windows),
            holidays: holidays.iter().map(holiday_line).collect::<Vec<_>>().join("\n"),
            is_exempt: rules.conversation_exempt,
            help: account.help_reply.clone().unwrap_or_default(),
        }
    }

    fn of_form(form: &Form) -> Self {
        let field = |name: &str| form.get(name).trim().to_owned();
        Self {
            version: field("version"),
            name: field("name"),
            zone: field("zone"),
            alerts: field("alerts"),
            quiet: Hours::of_form(form, "quiet", SendingRules::MAX_HOURS),
            windows: Hours::of_form(form, "window", SendingRules::MAX_HOURS),
            holidays: field("holidays"),
            is_exempt: form.get("exempt") == "yes",
            help: field("help"),
        }
    }

    fn request(&self) -> Value {
        let alerts: Vec<&str> = self.alerts.split([',', ' ', '\n']).filter(|one| !one.is_empty()).collect();
        let holidays = self.holidays.lines().filter(|line| !line.trim().is_empty());
        json!({
            "name": self.name, "time_zone": self.zone, "alert_emails": alerts,
            "quiet_hours": self.quiet.iter().map(Hours::request).collect::<Vec<_>>(),
            "send_windows": self.windows.iter().map(Hours::request).collect::<Vec<_>>(),
            "holidays": holidays.map(holiday_request).collect::<Vec<_>>(),
            "conversation_exempt": self.is_exempt,
            "help_reply": if self.help.is_empty() { Value::Null } else { self.help.as_str().into() },
        })
    }
}

#[derive(Template)]
#[template(path = "settings/account.html")]
struct AccountPage {
    frame: Around,
    fields: Fields,
    zones: &'static [String],
    days: [&'static str; 7],
}

impl AccountPage {
    /// With an empty line at the end of each list.
    fn of(frame: Around, mut fields: Fields) -> Self {
        for lines in [&mut fields.quiet, &mut fields.windows] {
            if lines.len() < SendingRules::MAX_HOURS {
                lines.push(Hours::default());
            }
        }
        Self { frame, fields, zones: zones(), days: Weekdays::NAMES }
    }
}

fn account(visitor: &Visitor) -> Result<&Account, PageError> {
    visitor.auth.directory.account(visitor.caller().account).ok_or(PageError::not_found())
}

/// The page.
pub(in crate::ui) async fn account_page(visitor: Visitor, request: HttpRequest) -> Answer {
    admin(&visitor)?;
    let frame = Around::told(&visitor, "account", &request)?;
    ok(&AccountPage::of(frame, Fields::of(account(&visitor)?)))
}

async fn changed(visitor: &Visitor, fields: &Fields) -> Result<(), ApiError> {
    let request = fields.request().to_string();
    let patch = reader::read::<AccountChange<'_>>(request.as_bytes())?.into_patch()?;
    let (caller, version) = (visitor.caller(), fields.version.parse().ok());
    visitor.engine().patch_account(caller, caller.account, patch, version).await?;
    Ok(())
}

/// Changes it.
pub(in crate::ui) async fn change(Posted { visitor, form }: Posted) -> Answer {
    admin(&visitor)?;
    let fields = Fields::of_form(&form);
    match changed(&visitor, &fields).await {
        Ok(()) => Ok(see("/settings/account?told=saved")),
        Err(error) => {
            let frame = Around::refused(&visitor, "account", error)?;
            Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &AccountPage::of(frame, fields)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_holidays_go_through_the_form_as_they_are() {
        let view = json!({"channel": "sms", "days": ["sat", "sun"], "from": "21:00", "to": "08:00"});
        let hours = Hours::of(&view);
        assert!(hours.has("sat") && !hours.has("mon"));
        assert_eq!(hours.request(), view);
        let view = json!({"date": "12-25", "channel": "sms", "country": "US", "class": "campaign"});
        assert_eq!(holiday_line(&view), "12-25 sms US campaign");
        assert_eq!(holiday_request("12-25 sms US campaign"), view);
    }

    #[test]
    fn an_empty_line_of_hours_is_none() {
        let fields = [("quiet-1-from", "22:00"), ("quiet-1-to", "07:00"), ("quiet-1-day", "mon"), ("quiet-2-from", "")];
        let form = Form::of(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        let lines = Hours::of_form(&form, "quiet", 32);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].request(), json!({"from": "22:00", "to": "07:00", "days": ["mon"]}));
    }
}
