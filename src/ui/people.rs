//! The list at the left: everybody, by last activity, with what was said last and what goes next.

use actix_web::HttpRequest;
use askama::Template;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::contact::{Contact, Profile};
use sendwheel_actors::domain::ids::ContactId;
use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::engine::api::{ConversationFilter, Glance, PageRequest};

use super::answer::{Answer, ok};
use super::error::PageError;
use super::visitor::{Frame, Visitor};
use super::when;
use crate::api::paging::Query;

/// People of a page.
const PAGE: usize = 50;

/// Which of them are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Filter {
    #[default]
    All,
    Unread,
    Scheduled,
    Mine,
}

const FILTERS: [(Filter, &str, &str); 4] = [
    (Filter::All, "", "All"),
    (Filter::Unread, "unread", "Unread"),
    (Filter::Scheduled, "scheduled", "Scheduled"),
    (Filter::Mine, "mine", "Mine"),
];

/// What is asked of the list; pages carry it along.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    filter: Filter,
    search: String,
    cursor: Option<String>,
}

impl Asked {
    /// The parameters that the list knows.
    pub(super) const NAMES: [&'static str; 3] = ["filter", "q", "page"];

    pub(super) fn of(query: &mut Query) -> Self {
        let filter = query.parsed("filter", |text| {
            let found = FILTERS.iter().find(|(_, name, _)| *name == text);
            found.map(|(filter, ..)| *filter).ok_or(("unknown_value", "no such filter".to_owned()))
        });
        Self {
            filter: filter.unwrap_or_default(),
            search: query.take("q").unwrap_or_default().trim().to_owned(),
            cursor: query.take("page"),
        }
    }

    /// `?filter=…&q=…`, or nothing.
    fn kept(&self, filter: Filter, cursor: Option<&str>) -> String {
        let name = FILTERS.iter().find(|(one, ..)| *one == filter).map_or("", |(_, name, _)| name);
        let mut out = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in [("filter", name), ("q", &*self.search), ("page", cursor.unwrap_or_default())] {
            if !value.is_empty() {
                out.append_pair(key, value);
            }
        }
        match out.finish() {
            text if text.is_empty() => text,
            text => format!("?{text}"),
        }
    }
}

/// A filter to choose.
pub(super) struct FilterLink {
    pub(super) label: &'static str,
    pub(super) href: String,
    pub(super) is_chosen: bool,
}

/// One of the list.
pub(super) struct Row {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) initials: String,
    pub(super) tint: u8,
    pub(super) words: String,
    /// When they were last active.
    pub(super) at: Option<(String, String)>,
    pub(super) unread: u32,
    pub(super) next: Option<String>,
    pub(super) is_current: bool,
}

/// The list.
pub(super) struct People {
    pub(super) filters: Vec<FilterLink>,
    pub(super) search: String,
    pub(super) rows: Vec<Row>,
    pub(super) more: Option<String>,
    pub(super) first: Option<String>,
    /// Where it is read anew.
    pub(super) again: String,
    pub(super) nobody: &'static str,
    /// It stands beside a conversation, whose name is then the page's heading.
    pub(super) is_beside: bool,
}

/// What a contact is called: by name, else by an address.
pub(super) fn called(profile: &Profile) -> String {
    let address = || {
        let phone = profile.phones.iter().find(|phone| phone.primary).map(|phone| phone.number.as_str());
        let email = profile.emails.iter().find(|email| email.primary).map(|email| email.address.as_str());
        phone.or(email).unwrap_or("No name").to_owned()
    };
    profile.name.clone().filter(|name| !name.trim().is_empty()).unwrap_or_else(address)
}

/// One or two letters of a name.
pub(super) fn initials(name: &str) -> String {
    let mut letters = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = letters.next();
    first.into_iter().chain(letters.next_back()).flat_map(char::to_uppercase).collect()
}

/// Which of the colours an avatar has: the same for the same contact.
pub(super) fn tint(contact: ContactId) -> u8 {
    contact.as_bytes().iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) % 6
}

fn row(
    visitor: &Visitor,
    asked: &Asked,
    current: Option<ContactId>,
    contact: &Contact,
    glance: Glance,
    now: UnixMs,
) -> Row {
    let name = called(&contact.profile);
    let last = glance.last.filter(|last| !last.text.is_empty());
    let words = match last {
        Some(last) if last.is_ours => match last.state {
            Some(StateName::Canceled) => format!("Canceled: {}", last.text),
            Some(StateName::Expired | StateName::Failed) => format!("Not sent: {}", last.text),
            _ => format!("You: {}", last.text),
        },
        Some(last) => last.text,
        None if contact.conversation.last_activity_at.is_some() => String::new(),
        None if glance.next_due_at.is_some() => "Nothing sent yet".to_owned(),
        None => "No messages yet".to_owned(),
    };
    let at = contact.conversation.last_activity_at;
    Row {
        href: format!("/contacts/{}{}", contact.id, asked.kept(asked.filter, asked.cursor.as_deref())),
        initials: initials(&name),
        tint: tint(contact.id),
        words,
        at: at.map(|at| (when::short(&visitor.zone, at, now), at.to_string())),
        unread: contact.conversation.unread,
        next: glance.next_due_at.map(|at| when::moment(&visitor.zone, at, now)),
        is_current: current == Some(contact.id),
        name,
    }
}

impl People {
    /// Reads the list.
    pub(super) async fn read(visitor: &Visitor, asked: &Asked, current: Option<ContactId>) -> Result<Self, PageError> {
        let (engine, caller) = (visitor.engine(), visitor.caller());
        let request = PageRequest { cursor: asked.cursor.clone(), limit: PAGE };
        let of = |is_unread, assigned_to| ConversationFilter { is_unread, assigned_to };
        let page = match asked.filter {
            _ if !asked.search.is_empty() => engine.contacts(caller, Some(&asked.search), request).await?,
            Filter::All => engine.everybody(caller, request).await?,
            Filter::Unread => engine.conversations(caller, of(true, None), request).await?,
            Filter::Mine => engine.conversations(caller, of(false, Some(caller.user)), request).await?,
            Filter::Scheduled => engine.contacts_with_scheduled(caller, request).await?,
        };
        let glances = engine.glances(caller, &page.items).await?;
        let now = visitor.now();
        let rows = page.items.iter().zip(glances);
        let rows: Vec<_> = rows.map(|(contact, glance)| row(visitor, asked, current, contact, glance, now)).collect();
        let filters = FILTERS.iter().map(|(filter, _, label)| FilterLink {
            label,
            href: format!("/{}", Asked::default().kept(*filter, None)),
            is_chosen: *filter == asked.filter && asked.search.is_empty(),
        });
        let mut again = format!("/{}", asked.kept(asked.filter, asked.cursor.as_deref()));
        if let Some(current) = current {
            again.push(if again.contains('?') { '&' } else { '?' });
            again.push_str(&format!("current={current}"));
        }
        Ok(Self {
            filters: filters.collect(),
            more: page.next_cursor.map(|next| format!("/{}", asked.kept(asked.filter, Some(&next)))),
            first: asked.cursor.as_ref().map(|_| format!("/{}", asked.kept(asked.filter, None))),
            nobody: match asked.filter {
                _ if !asked.search.is_empty() => {
                    "Nobody is found by that. Try the beginning of a name, an address or a number."
                }
                Filter::All => "There are no contacts yet.",
                Filter::Unread => "Everything is read.",
                Filter::Scheduled => "Nothing is scheduled.",
                Filter::Mine => "No conversation is assigned to you.",
            },
            search: asked.search.clone(),
            rows,
            again,
            is_beside: current.is_some(),
        })
    }
}

#[derive(Template)]
#[template(path = "conversations.html")]
struct ConversationsPage {
    frame: Frame,
    people: People,
}

/// The page with the list alone.
pub(super) async fn conversations(visitor: Visitor, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &[&Asked::NAMES[..], &["current"]].concat());
    let asked = Asked::of(&mut query);
    let current =
        query.parsed("current", |text| text.parse::<ContactId>().map_err(|error| ("invalid_id", error.to_string())));
    query.finish()?;
    let people = People::read(&visitor, &asked, current).await?;
    ok(&ConversationsPage { frame: visitor.frame("conversations"), people })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_the_first_and_the_last_word_s() {
        for (name, letters) in
            [("Ann Baker", "AB"), ("Ann Maria van der Berg", "AB"), ("élan", "É"), ("+1212", "1"), ("", "")]
        {
            assert_eq!(initials(name), letters, "{name}");
        }
    }

    #[test]
    fn what_is_asked_of_the_list_goes_along_with_its_links() {
        let asked = Asked { filter: Filter::Mine, search: "a&b".into(), cursor: None };
        assert_eq!(asked.kept(Filter::Mine, Some("c")), "?filter=mine&q=a%26b&page=c");
        assert_eq!(Asked::default().kept(Filter::All, None), "");
    }
}
