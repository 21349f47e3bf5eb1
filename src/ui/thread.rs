//! A conversation: the list at the left, everything that was and will be said in one timeline, the composer, and
//! who the contact is.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use sendwheel_actors::contact::command::Attend;
use sendwheel_actors::domain::contact::{Consent, Contact};
use sendwheel_actors::domain::ids::{ContactId, MessageId};
use sendwheel_actors::engine::api::PageRequest;

use super::answer::{Answer, ok, page};
use super::composer::Composer;
use super::entry::{Entry, Telling};
use super::error::PageError;
use super::people::{Asked, People, called, initials, tint};
use super::visitor::{Frame, Named, Visitor, Whose, user_name};
use super::when;
use crate::api::paging::Query;

/// Entries of a page.
const PAGE: usize = 50;

/// Everything that was and will be said, as far as a page has it.
pub(super) struct Timeline {
    contact: ContactId,
    csrf: String,
    past: Vec<Entry>,
    pending: Vec<Entry>,
    earlier: Option<String>,
    /// Looked at from further back: leads to the newest.
    is_back: bool,
}

impl Timeline {
    async fn read(visitor: &Visitor, contact: &Contact, cursor: Option<String>) -> Result<Self, PageError> {
        let is_back = cursor.is_some();
        let request = PageRequest { cursor, limit: PAGE };
        let found = visitor.engine().thread(visitor.caller(), contact.id, request).await?;
        let name = called(&contact.profile);
        let telling = Telling {
            directory: &visitor.auth.directory,
            contact,
            now: visitor.now(),
            mine: &visitor.zone,
            theirs: &visitor.zone_of(contact),
            name: &name,
        };
        let (pending, mut past): (Vec<_>, Vec<_>) =
            found.items.iter().map(|entry| Entry::of(entry, &telling)).partition(|entry| entry.is_pending);
        past.reverse();
        let earlier = found.next_cursor.map(|next| format!("/contacts/{}?before={next}", contact.id));
        Ok(Self { contact: contact.id, csrf: visitor.csrf.clone(), past, pending, earlier, is_back })
    }
}

/// A user to whom a conversation can be assigned.
struct Assignee {
    id: String,
    name: String,
    is_chosen: bool,
}

/// Who the contact is.
struct Side {
    name: String,
    initials: String,
    tint: u8,
    zone: String,
    clock: String,
    phones: Vec<(String, String)>,
    emails: Vec<(String, String)>,
    consent: [(&'static str, &'static str, &'static str); 2],
    tags: Vec<String>,
    attributes: Vec<(String, String)>,
    assignees: Vec<Assignee>,
    is_assigned: bool,
    is_unknown: bool,
}

const fn consent_words(consent: Consent) -> (&'static str, &'static str) {
    match consent {
        Consent::Granted => ("Agreed", "good"),
        Consent::Denied => ("Opted out", "bad"),
        Consent::Unknown => ("Not recorded", "past"),
    }
}

impl Side {
    fn of(visitor: &Visitor, contact: &Contact) -> Self {
        let (profile, zone) = (&contact.profile, visitor.zone_of(contact));
        let name = called(profile);
        let note = |label: Option<&String>, is_primary: bool| match (label, is_primary) {
            (Some(label), _) => label.clone(),
            (None, true) => "primary".into(),
            (None, false) => String::new(),
        };
        let (email, sms) = (consent_words(profile.consent.email), consent_words(profile.consent.sms));
        let assigned = contact.conversation.assigned_to;
        let users = visitor.auth.directory.users_of(visitor.caller().account);
        Self {
            initials: initials(&name),
            tint: tint(contact.id),
            clock: when::moment(&zone, visitor.now(), visitor.now()).replace("Today ", ""),
            phones: profile
                .phones
                .iter()
                .map(|it| (it.number.to_string(), note(it.label.as_ref(), it.primary)))
                .collect(),
            emails: profile
                .emails
                .iter()
                .map(|it| (it.address.to_string(), note(it.label.as_ref(), it.primary)))
                .collect(),
            consent: [("SMS", sms.0, sms.1), ("Email", email.0, email.1)],
            tags: profile.tags.clone(),
            attributes: profile.attributes.clone().into_iter().collect(),
            assignees: users
                .into_iter()
                .map(|user| Assignee {
                    id: user.id.to_string(),
                    name: user_name(user),
                    is_chosen: assigned == Some(user.id),
                })
                .collect(),
            is_assigned: assigned.is_some(),
            is_unknown: contact.conversation.is_unknown,
            zone: zone.name().to_owned(),
            name,
        }
    }
}

#[derive(Template)]
#[template(path = "thread.html")]
struct ThreadPage {
    frame: Frame,
    people: People,
    contact: ContactId,
    side: Side,
    timeline: Timeline,
    composer: Composer,
    /// What was done just now.
    told: Option<&'static str>,
    /// Seconds for which the last step can be taken back.
    undo_left: Option<u64>,
}

#[derive(Template)]
#[template(path = "timeline.html")]
struct TimelinePart {
    timeline: Timeline,
}

const SCHEDULED: &str = "Scheduled.";
const CANCELED: &str = "Canceled. It will not be sent.";
const UNREAD: &str = "Marked as unread.";

/// What a page tells after a step, by the word in its address.
const TOLD: [(&str, &str); 9] = [
    ("scheduled", SCHEDULED),
    ("sent", "On its way."),
    ("canceled", CANCELED),
    ("changed", "Changed."),
    ("undone", "Taken back."),
    ("too_late", "Too late: it was already handed over. No further attempt is made."),
    ("undo_over", "There is nothing to take back any more: that works for ten seconds."),
    ("noted", "Note kept."),
    ("unread", UNREAD),
];

/// What is looked at.
#[derive(Default)]
pub(super) struct Look {
    asked: Asked,
    before: Option<String>,
    told: Option<&'static str>,
}

/// The whole page around a composer.
pub(super) async fn around(
    visitor: &Visitor,
    contact: Contact,
    composer: Composer,
    look: Look,
    status: StatusCode,
) -> Result<HttpResponse, PageError> {
    let people = People::read(visitor, &look.asked, Some(contact.id)).await?;
    let timeline = Timeline::read(visitor, &contact, look.before).await?;
    let own = visitor.undoable().find(|step| step.contact == contact.id);
    let is_step = matches!(look.told, None | Some(SCHEDULED | CANCELED));
    // Whoever comes back in time finds their last step again.
    let step = own.filter(|_| is_step).map(|step| if step.canceled > 0 { CANCELED } else { SCHEDULED });
    let undo_left = own.filter(|_| is_step).map(|step| step.left.as_secs().max(1));
    let told = if is_step { step } else { look.told };
    let mut frame = visitor.frame("conversations");
    frame.undo = frame.undo.filter(|_| told.is_none());
    let side = Side::of(visitor, &contact);
    Ok(page(status, &ThreadPage { frame, people, contact: contact.id, side, timeline, composer, told, undo_left }))
}

/// The page of a conversation. Looking at it marks it as read.
pub(super) async fn conversation(visitor: Visitor, request: HttpRequest, Named(id): Whose) -> Answer {
    let known = [&Asked::NAMES[..], &["before", "told", "edit", "reschedule", "again"]].concat();
    let mut query = Query::of(&request, &known);
    let asked = Asked::of(&mut query);
    let word = query.take("told");
    let told = word.and_then(|word| TOLD.iter().find(|(name, _)| *name == word)).map(|(_, text)| *text);
    let mut message =
        |name| query.parsed(name, |text| text.parse::<MessageId>().map_err(|error| ("invalid_id", error.to_string())));
    let (edit, reschedule, again) = (message("edit"), message("reschedule"), message("again"));
    let before = query.take("before");
    query.finish()?;
    let mut contact = visitor.engine().contact(visitor.caller(), id).await?;
    if contact.conversation.unread > 0 && told != Some(UNREAD) {
        let attend = Attend { is_read: Some(true), assigned_to: None };
        contact = visitor.engine().attend(visitor.caller(), id, attend).await?;
    }
    let composer = match (edit.or(reschedule), again) {
        (Some(message), _) => Composer::change(&visitor, &contact, message, reschedule.is_some()).await?,
        (None, Some(message)) => Composer::again(&visitor, &contact, message).await?,
        (None, None) => Composer::new(&visitor, &contact),
    };
    around(&visitor, contact, composer, Look { asked, before, told }, StatusCode::OK).await
}

/// The timeline alone, read anew when something happened.
pub(super) async fn timeline(visitor: Visitor, request: HttpRequest, Named(id): Whose) -> Answer {
    let mut query = Query::of(&request, &["before"]);
    let before = query.take("before");
    query.finish()?;
    let contact = visitor.engine().contact(visitor.caller(), id).await?;
    ok(&TimelinePart { timeline: Timeline::read(&visitor, &contact, before).await? })
}
