//! Who looks at a page: somebody signed in, with the zone that their browser shows times in.

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::{FromRequest, HttpRequest, web};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::directory::{Role, User};
use sendwheel_actors::domain::ids::ContactId;
use sendwheel_actors::domain::zone::TimeZone;
use sendwheel_actors::engine::api::Caller;
use sendwheel_actors::engine::{Engine, Undoable};

use super::assets::{Paths, paths};
use super::error::PageError;
use crate::api::auth::Authenticated;
use crate::api::{ApiError, Shared};

/// The cookie in which our script says the browser's zone.
const ZONE_COOKIE: &str = "sendwheel_zone";

/// Somebody who is signed in.
pub(super) struct Visitor {
    pub(super) shared: web::Data<Shared>,
    pub(super) auth: Authenticated,
    /// The token that our forms carry.
    pub(super) csrf: String,
    /// The zone of their browser, else the account's.
    pub(super) zone: TimeZone,
}

impl Visitor {
    fn of(shared: &web::Data<Shared>, request: &HttpRequest, auth: Authenticated) -> Result<Self, PageError> {
        let csrf = auth.session().map(|session| shared.state.engine.csrf_token(session));
        let csrf = csrf.ok_or(PageError::SignIn { next: "/".into() })?;
        let told = request.cookie(ZONE_COOKIE).and_then(|cookie| TimeZone::parse(cookie.value()).ok());
        let zone = told.unwrap_or_else(|| account_zone(&auth));
        Ok(Self { shared: web::Data::clone(shared), auth, csrf, zone })
    }

    /// Whoever posted a form with this token.
    pub(super) fn of_form(shared: &web::Data<Shared>, request: &HttpRequest, token: &str) -> Result<Self, PageError> {
        Self::of(shared, request, Authenticated::of_form(request, token)?)
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.shared.state.engine
    }

    pub(super) const fn caller(&self) -> &Caller {
        &self.auth.caller
    }

    pub(super) fn now(&self) -> UnixMs {
        self.engine().clock().now()
    }

    fn user(&self) -> Option<&User> {
        self.auth.directory.user(self.auth.caller.user?)
    }

    /// The contact's zone, else the account's.
    pub(super) fn zone_of(&self, contact: &Contact) -> TimeZone {
        let own = contact.profile.time_zone.as_deref().and_then(|name| TimeZone::parse(name).ok());
        own.unwrap_or_else(|| account_zone(&self.auth))
    }

    /// The last steps that can be taken back, the latest first. What was to go at once cannot.
    pub(super) fn undoable(&self) -> impl Iterator<Item = Undoable> {
        let now = self.now();
        let all = self.engine().undoable(self.caller()).into_iter();
        all.filter(move |step| step.due_at.is_none_or(|due_at| due_at > now))
    }

    /// The last action that can be taken back: its step with each contact.
    fn last_action(&self) -> Vec<Undoable> {
        let mut steps = self.undoable().peekable();
        let last = steps.peek().map(|step| step.action);
        steps.take_while(|step| Some(step.action) == last).collect()
    }

    /// What stands around a page of this section.
    pub(super) fn frame(&self, section: &'static str) -> Frame {
        Frame {
            assets: paths(),
            csrf: self.csrf.clone(),
            user: self.user().map(user_name).unwrap_or_default(),
            account: self.auth.directory.account(self.caller().account).map_or_else(String::new, |it| it.name.clone()),
            zone: self.zone.name().to_owned(),
            undo: Undo::of(&self.last_action()),
            is_operator: self.caller().role >= Role::Operator,
            section,
        }
    }
}

fn account_zone(auth: &Authenticated) -> TimeZone {
    let account = auth.directory.account(auth.caller.account);
    account.and_then(|account| TimeZone::parse(&account.time_zone).ok()).unwrap_or_else(TimeZone::utc)
}

/// What people call a user.
pub(super) fn user_name(user: &User) -> String {
    user.name.clone().unwrap_or_else(|| user.email.as_str().to_owned())
}

/// An action that can be taken back.
pub(super) struct Undo {
    /// With whom.
    pub(super) contacts: Vec<ContactId>,
    /// For so many seconds.
    pub(super) left: u64,
    /// How many messages were cancelled; none if it scheduled.
    pub(super) canceled: usize,
    pub(super) words: String,
}

impl Undo {
    fn of(action: &[Undoable]) -> Option<Self> {
        let canceled = action.iter().map(|step| step.canceled).sum();
        let words = match canceled {
            0 => "Scheduled.".to_owned(),
            1 => "Canceled. It will not be sent.".to_owned(),
            count => format!("{count} messages canceled."),
        };
        let left = action.iter().map(|step| step.left.as_secs().max(1)).min()?;
        Some(Self { contacts: action.iter().map(|step| step.contact).collect(), left, canceled, words })
    }
}

/// What stands around every page.
pub(super) struct Frame {
    pub(super) assets: &'static Paths,
    pub(super) csrf: String,
    pub(super) user: String,
    pub(super) account: String,
    pub(super) zone: String,
    /// The last action, wherever it was done, while it can be taken back.
    pub(super) undo: Option<Undo>,
    pub(super) is_operator: bool,
    pub(super) section: &'static str,
}

impl FromRequest for Visitor {
    type Error = PageError;
    type Future = Ready<Result<Self, PageError>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let shared = request.app_data::<web::Data<Shared>>().expect("the routes are mounted with their state");
        let visitor = match Authenticated::of_page(request) {
            Ok(auth) => Self::of(shared, request, auth),
            Err(ApiError::Unauthorized(_)) => {
                let is_page = request.method() == Method::GET;
                let next = if is_page { request.uri().to_string() } else { "/".into() };
                Err(PageError::SignIn { next })
            }
            Err(error) => Err(error.into()),
        };
        ready(visitor)
    }
}

/// What a path names by its id. What is no id names nothing, and that is a page too.
pub(super) struct Named<T>(pub(super) T);

impl<T: FromStr> FromRequest for Named<T> {
    type Error = PageError;
    type Future = Ready<Result<Self, PageError>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(|text| text.parse().ok());
        ready(id.map(Self).ok_or(PageError::not_found()))
    }
}

/// The contact that a path names.
pub(super) type Whose = Named<ContactId>;
