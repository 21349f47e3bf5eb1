//! Every path of the API with its methods: the one table that the server mounts and that a test holds
//! against the OpenAPI document.

use std::sync::Arc;

use actix_web::guard;
use actix_web::http::{Method, header};
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, ResponseError as _, Route};
use tokio::sync::Semaphore;

use super::body::{self, LargeBodies};
use super::cookie::SessionCookie;
use super::error::ApiError;
use super::paging::Query;
use super::state::ApiState;
use super::{
    account, accounts, api_keys, audit, batch, contacts, conversations, events, health, import, message_actions,
    messages, openapi, passwords, reports, schedule, sender_choices, senders, series, sessions, suppressions,
    templates, thread, unsubscribe, users, webhooks,
};
use crate::admin::{dead_letters, drain, lanes, nodes, partitions};
use crate::inbound::{email, tracking, twilio};
use crate::twilio::error::TwilioError;
use crate::twilio::{create, instance, list};
use crate::ui::routes as ui;

/// What the handlers of one server share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// What it was mounted with.
    pub(crate) state: ApiState,
    /// Memory for large bodies.
    pub(crate) large: LargeBodies,
    /// Room for listeners to events.
    pub(crate) listeners: Arc<Semaphore>,
    /// The OpenAPI document.
    pub(crate) document: Bytes,
    /// The cookie of sessions.
    pub(crate) cookie: SessionCookie,
}

impl Shared {
    pub(crate) fn new(state: ApiState) -> Self {
        Self {
            large: LargeBodies::new(&state.settings),
            listeners: Arc::new(Semaphore::new(state.settings.event_listeners)),
            document: openapi::document(&state.settings.public_url),
            cookie: SessionCookie::of(&state.settings.public_url),
            state,
        }
    }

    /// Reads a JSON body of the usual size. Whatever comes with one takes no query parameters.
    pub(crate) async fn json(&self, request: &HttpRequest, payload: &mut web::Payload) -> Result<body::Body, ApiError> {
        Query::of(request, &[]).finish()?;
        let settings = &self.state.settings;
        body::read_json(request, payload, settings.json_bytes, &self.large, settings).await
    }
}

/// A path with its methods.
pub(crate) struct Endpoint {
    /// As actix and OpenAPI both spell it.
    pub(crate) path: &'static str,
    routes: Vec<(Method, Route)>,
}

/// A path, to which methods are added.
pub(crate) const fn at(path: &'static str) -> Endpoint {
    Endpoint { path, routes: Vec::new() }
}

impl Endpoint {
    fn with<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        // RFC 9110 section 9.1: what answers GET answers HEAD; the server leaves the body out.
        let route = match method {
            Method::GET => web::route().guard(guard::Any(guard::Get()).or(guard::Head())),
            _ => web::method(method.clone()),
        };
        self.routes.push((method, route.to(handler)));
        self
    }

    /// With `GET`.
    pub(crate) fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with(Method::GET, handler)
    }

    /// With `POST`.
    pub(crate) fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with(Method::POST, handler)
    }

    fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with(Method::PATCH, handler)
    }

    fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with(Method::DELETE, handler)
    }

    /// The methods, as the header `Allow` lists them.
    pub(crate) fn methods(&self) -> Vec<&str> {
        self.routes.iter().map(|(method, _)| method.as_str()).collect()
    }

    pub(crate) fn into_resource(self) -> Resource {
        let mut allow = self.methods().join(", ");
        if allow.contains("GET") {
            allow.push_str(", HEAD");
        }
        let is_foreign = is_foreign(self.path);
        let refused = move || {
            let allow = allow.clone();
            async move {
                Err::<HttpResponse, actix_web::Error>(if is_foreign {
                    TwilioError::method_not_allowed(allow).into()
                } else {
                    ApiError::MethodNotAllowed(allow.into()).into()
                })
            }
        };
        let resource = web::resource(self.path);
        let resource = self.routes.into_iter().fold(resource, |resource, (_, route)| resource.route(route));
        resource.default_service(web::to(refused))
    }
}

/// Whether an endpoint answers only those who say who they are.
pub(crate) fn needs_caller(method: &str, path: &str) -> bool {
    let is_signing_in = method == "POST" && matches!(path, "/v1/sessions" | "/v1/password-resets" | "/v1/passwords");
    (path.starts_with("/v1/") || path.starts_with("/admin/")) && !is_signing_in
}

/// Whether a path is of another's interface, which speaks and is described as its owner has it.
pub(crate) fn is_foreign(path: &str) -> bool {
    path.starts_with(crate::twilio::PREFIX)
}

/// Every endpoint. The busiest paths stand first: they are tried in this order.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        at("/v1/messages:batch").post(batch::schedule_batch),
        at("/v1/contacts/{id}/messages").post(messages::schedule_message),
        at("/v1/messages/{id}")
            .get(messages::get_message)
            .patch(messages::edit_message)
            .delete(messages::cancel_message),
        at("/v1/series/{id}").get(series::get_series).delete(series::cancel_series),
        at("/v1/messages").get(messages::list_messages),
        at("/v1/schedule").get(schedule::list_schedule),
        at("/v1/messages:cancel").post(message_actions::cancel_messages),
        at("/v1/messages/{id}/send-now").post(message_actions::send_message_now),
        at("/v1/messages/{id}/resolve").post(message_actions::resolve_message),
        at("/v1/messages/{id}/requeue").post(message_actions::requeue_message),
        at("/v1/contacts").get(contacts::list_contacts).post(contacts::create_contact),
        at("/v1/contacts:import").post(import::import_contacts),
        at("/v1/contacts/{id}")
            .get(contacts::get_contact)
            .patch(contacts::patch_contact)
            .delete(contacts::delete_contact),
        at("/v1/contacts/{id}/merge").post(contacts::merge_contacts),
        at("/v1/contacts/{id}/thread").get(thread::get_thread),
        at("/v1/contacts/{id}/undo").post(conversations::undo),
        at("/v1/contacts/{id}/conversation").patch(conversations::patch_conversation),
        at("/v1/contacts/{id}/notes").post(conversations::create_note),
        at("/v1/conversations").get(conversations::list_conversations),
        at("/v1/contacts/{id}/senders").get(sender_choices::list_sender_choices),
        at("/v1/senders").get(senders::list_senders).post(senders::create_sender),
        at("/v1/senders/{id}").get(senders::get_sender).patch(senders::patch_sender).delete(senders::delete_sender),
        at("/v1/api-keys").get(api_keys::list_api_keys).post(api_keys::create_api_key),
        at("/v1/api-keys/{id}").get(api_keys::get_api_key).delete(api_keys::revoke_api_key),
        at("/v1/webhooks").get(webhooks::list_webhooks).post(webhooks::create_webhook),
        at("/v1/webhooks/{id}")
            .get(webhooks::get_webhook)
            .patch(webhooks::patch_webhook)
            .delete(webhooks::delete_webhook),
        at("/v1/webhooks/{id}/test").post(webhooks::test_webhook),
        at("/v1/webhooks/{id}/rotate-secret").post(webhooks::rotate_webhook_secret),
        at("/v1/templates").get(templates::list_templates).post(templates::create_template),
        at("/v1/templates/{id}")
            .get(templates::get_template)
            .patch(templates::patch_template)
            .delete(templates::delete_template),
        at("/v1/suppressions").get(suppressions::list_suppressions).post(suppressions::create_suppression),
        at("/v1/suppressions:import").post(suppressions::import_suppressions),
        at("/v1/suppressions:export").get(suppressions::export_suppressions),
        at("/v1/suppressions/{address}").delete(suppressions::delete_suppression),
        at("/v1/account").get(account::get_account).patch(account::patch_account),
        at("/v1/accounts").get(accounts::list_accounts).post(accounts::create_account),
        at("/v1/accounts/{id}")
            .get(accounts::get_account_by_id)
            .patch(accounts::patch_account_by_id)
            .delete(accounts::delete_account),
        at("/v1/users").get(users::list_users).post(users::create_user),
        at("/v1/users/me").get(users::get_me),
        at("/v1/users/{id}").get(users::get_user).patch(users::patch_user).delete(users::delete_user),
        at("/v1/users/{id}/invite").post(passwords::invite_user),
        at("/v1/password-resets").post(passwords::forgot_password),
        at("/v1/passwords").post(passwords::choose_password),
        at("/v1/sessions").get(sessions::list_sessions).post(sessions::sign_in),
        at("/v1/sessions/current").delete(sessions::sign_out),
        at("/v1/sessions/{id}").delete(sessions::end_session),
        at("/v1/reports/smart-send").get(reports::smart_send_report),
        at("/v1/audit").get(audit::list_audit),
        at("/v1/events").get(events::listen_to_events),
        at("/2010-04-01/Accounts/{account}/Messages.json").get(list::list_messages).post(create::create_message),
        at("/2010-04-01/Accounts/{account}/Messages/{sid}.json")
            .get(instance::fetch_message)
            .post(instance::update_message)
            .delete(instance::delete_message),
        at("/inbound/email").post(email::receive_email),
        at("/inbound/twilio/message").post(twilio::receive_message),
        at("/inbound/twilio/status").post(twilio::receive_status),
        at("/password/{token}").get(passwords::password_page).post(passwords::set_password),
        at("/t/o/{token}").get(tracking::opened),
        at("/t/c/{token}").get(tracking::clicked),
        at("/u/{token}").get(unsubscribe::unsubscribe_page).post(unsubscribe::unsubscribe),
        at("/healthz").get(health::healthz),
        at("/readyz").get(health::readyz),
        at("/metrics").get(health::metrics),
        at("/openapi.json").get(openapi::openapi_document),
        at("/admin/v1/nodes").get(nodes::list_nodes),
        at("/admin/v1/partitions").get(partitions::list_partitions),
        at("/admin/v1/lanes").get(lanes::list_lanes),
        at("/admin/v1/lanes/{id}/pause").post(lanes::pause_lane),
        at("/admin/v1/lanes/{id}/resume").post(lanes::resume_lane),
        at("/admin/v1/lanes/{id}/rate").post(lanes::set_lane_rate),
        at("/admin/v1/dead-letters").get(dead_letters::list_dead_letters),
        at("/admin/v1/dead-letters/{id}/requeue").post(dead_letters::requeue_dead_letter),
        at("/admin/v1/drain").get(drain::get_drain).post(drain::set_drain),
    ]
}

/// The answer to an unknown path: to a browser that looks for a page, a page.
async fn unknown_path(request: HttpRequest) -> HttpResponse {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let is_page = request.method() == Method::GET && accepts.is_some_and(|kinds| kinds.contains("text/html"));
    if is_page { ui::nothing_here() } else { ApiError::UnknownRoute.error_response() }
}

/// What every server thread mounts: made once, cloned into each.
#[derive(Clone, Debug)]
pub struct Api(web::Data<Shared>);

impl Api {
    /// The API around an engine. Its bounds (large bodies, listeners) hold over all server threads
    /// that mount it.
    #[must_use]
    pub fn new(state: ApiState) -> Self {
        Self(web::Data::new(Shared::new(state)))
    }

    /// Mounts every route, the page of the OpenAPI document at `/docs`, and the answer to unknown paths.
    pub fn configure(&self, config: &mut ServiceConfig) {
        config.app_data(self.0.clone());
        for endpoint in endpoints() {
            config.service(endpoint.into_resource());
        }
        openapi::configure_page(config);
        ui::configure(config);
        config.default_service(web::to(unknown_path));
    }
}
