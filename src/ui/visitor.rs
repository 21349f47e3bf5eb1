//! Who looks at a page: somebody signed in, with the zone that their browser shows times in.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::{FromRequest, HttpRequest, web};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::directory::User;
use sendwheel_actors::domain::ids::ContactId;
use sendwheel_actors::domain::zone::TimeZone;
use sendwheel_actors::engine::Engine;
use sendwheel_actors::engine::api::Caller;

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

    /// What stands around a page of this section.
    pub(super) fn frame(&self, section: &'static str) -> Frame {
        Frame {
            assets: paths(),
            csrf: self.csrf.clone(),
            user: self.user().map(user_name).unwrap_or_default(),
            account: self.auth.directory.account(self.caller().account).map_or_else(String::new, |it| it.name.clone()),
            zone: self.zone.name().to_owned(),
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

/// What stands around every page.
pub(super) struct Frame {
    pub(super) assets: &'static Paths,
    pub(super) csrf: String,
    pub(super) user: String,
    pub(super) account: String,
    pub(super) zone: String,
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

/// The contact that a path names. What is no id names nobody, and that is a page too.
pub(super) struct Whose(pub(super) ContactId);

impl FromRequest for Whose {
    type Error = PageError;
    type Future = Ready<Result<Self, PageError>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(|text| text.parse().ok());
        ready(id.map(Self).ok_or(PageError::not_found()))
    }
}
