//! The OpenAPI document, from the code, and its page. Both are served from the binary: the page loads
//! nothing from elsewhere.

use actix_web::http::header;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpResponse, web::Redirect};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, ResponseBuilder, ServerBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::cookie::SessionCookie;
use super::routes::{Shared, needs_caller};
use super::{
    account, accounts, api_keys, audit, batch, contacts, conversations, error, events, health, import, message_actions,
    messages, passwords, reports, schedule, sender_choices, senders, series, sessions, suppressions, templates, thread,
    unsubscribe, users, webhooks,
};
use crate::admin::{dead_letters, drain, lanes, nodes, partitions};
use crate::inbound::{email, tracking, twilio};

/// Every endpoint of the API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sendwheel",
        description = "Schedules email and SMS to contacts and hands each message over at its moment, once.\n\n\
            Times are RFC 3339 with an offset. Refusals are `application/problem+json` (RFC 9457) with a stable \
            `code` and, for input, every refused field with its JSON pointer. Lists are paged with `cursor`. \
            A creating POST takes an `Idempotency-Key`: a repetition answers 200 with what the first one made; the \
            same key with other content is a 409. Unknown fields and parameters are refused.\n\n\
            Programs send an API key; people sign in (`POST /v1/sessions`) and then have a cookie. With the cookie, \
            whatever changes something must come from the installation's own pages and carry the session's \
            `csrf_token` in `X-CSRF-Token`. An operator acts in another account by naming it in the header \
            `Sendwheel-Account`.\n\n\
            Beside it stands the Twilio-compatible API under `/2010-04-01/`, which is as Twilio describes it and not in \
            this document.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        contacts::create_contact, contacts::list_contacts, contacts::get_contact, contacts::patch_contact, contacts::delete_contact, contacts::merge_contacts, import::import_contacts,
        conversations::list_conversations, conversations::patch_conversation, conversations::create_note, conversations::undo,
        suppressions::list_suppressions, suppressions::create_suppression, suppressions::delete_suppression,
        suppressions::import_suppressions, suppressions::export_suppressions,
        email::receive_email, twilio::receive_message, twilio::receive_status,
        thread::get_thread, sender_choices::list_sender_choices,
        messages::schedule_message, messages::get_message, messages::list_messages, messages::edit_message, messages::cancel_message,
        schedule::list_schedule, series::get_series, series::cancel_series,
        batch::schedule_batch, message_actions::cancel_messages, message_actions::send_message_now, message_actions::resolve_message,
        message_actions::requeue_message,
        senders::create_sender, senders::list_senders, senders::get_sender, senders::patch_sender, senders::delete_sender,
        api_keys::create_api_key, api_keys::list_api_keys, api_keys::get_api_key, api_keys::revoke_api_key,
        webhooks::create_webhook, webhooks::list_webhooks, webhooks::get_webhook, webhooks::patch_webhook, webhooks::delete_webhook,
        templates::create_template, templates::list_templates, templates::get_template, templates::patch_template, templates::delete_template,
        webhooks::test_webhook, webhooks::rotate_webhook_secret,
        account::get_account, account::patch_account, events::listen_to_events, reports::smart_send_report,
        accounts::create_account, accounts::list_accounts, accounts::get_account_by_id, accounts::patch_account_by_id, accounts::delete_account,
        users::create_user, users::list_users, users::get_me, users::get_user, users::patch_user, users::delete_user,
        passwords::invite_user, passwords::forgot_password, passwords::choose_password, passwords::password_page, passwords::set_password,
        sessions::sign_in, sessions::list_sessions, sessions::sign_out, sessions::end_session, audit::list_audit,
        unsubscribe::unsubscribe_page, unsubscribe::unsubscribe, tracking::opened, tracking::clicked,
        health::healthz, health::readyz, health::metrics, openapi_document,
        nodes::list_nodes, partitions::list_partitions, lanes::list_lanes, lanes::pause_lane, lanes::resume_lane, lanes::set_lane_rate,
        dead_letters::list_dead_letters, dead_letters::requeue_dead_letter, drain::get_drain, drain::set_drain,
    ),
    components(schemas(error::Problem)),
    tags(
        (name = "contacts", description = "People and companies that messages go to"),
        (name = "messages", description = "Scheduled and sent messages"),
        (name = "conversations", description = "People at work on what contacts write"),
        (name = "suppressions", description = "Addresses that nothing is sent to"),
        (name = "callbacks", description = "What providers call; signed"),
        (name = "senders", description = "Phone numbers and email identities that messages are sent from"),
        (name = "api-keys", description = "Keys to this API"),
        (name = "webhooks", description = "URLs that are told what happens, signed as Standard Webhooks has it"),
        (name = "templates", description = "What is said again and again"),
        (name = "account", description = "The caller's account"),
        (name = "accounts", description = "Accounts of the installation, for operators"),
        (name = "users", description = "People who sign in"),
        (name = "sessions", description = "Signing in and out"),
        (name = "audit", description = "Who changed what, when, from where"),
        (name = "reports", description = "What was gained"),
        (name = "events", description = "What happens, as it happens"),
        (name = "recipients", description = "For those who get messages"),
        (name = "operations", description = "For those who run a node; no key needed"),
        (name = "admin", description = "For operators"),
    ),
    modifiers(&Common),
)]
struct Api;

/// What every endpoint has: who may ask it, and how it refuses.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("sw_…").build();
        let components = document.components.get_or_insert_default();
        components.security_schemes.insert("api_key".into(), SecurityScheme::Http(scheme).into());
        let cookie = ApiKey::Cookie(ApiKeyValue::new(SessionCookie::of("").name()));
        components.security_schemes.insert("session".into(), SecurityScheme::ApiKey(cookie).into());
        for (path, item) in &mut document.paths.paths {
            let operations = [
                ("GET", &mut item.get),
                ("POST", &mut item.post),
                ("PATCH", &mut item.patch),
                ("DELETE", &mut item.delete),
            ];
            for (method, operation) in operations {
                let Some(operation) = operation else { continue };
                refuse(operation);
                if needs_caller(method, path) {
                    let one = |scheme: &str| SecurityRequirement::new(scheme, Vec::<String>::new());
                    operation.security = Some(vec![one("api_key"), one("session")]);
                }
            }
        }
    }
}

fn refuse(operation: &mut Operation) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new()
        .description("A refusal: 400 malformed, 401 no valid key or session, 403 not permitted, 404 not there, 409 conflict, 412 \
             changed meanwhile, 413 too large, 415 wrong kind, 422 refused fields, 429 and 503 try again, 507 out of space")
        .content("application/problem+json", content);
    operation.responses.responses.insert("default".into(), RefOr::T(response.build()));
}

/// The document, for an installation at this URL.
pub(crate) fn document(public_url: &str) -> Bytes {
    let mut document = Api::openapi();
    document.servers = Some(vec![ServerBuilder::new().url(public_url).build()]);
    document.to_json().expect("the document has string keys").into()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operations",
    responses((status = 200, body = Object, description = "OpenAPI 3.1")))]
pub(crate) async fn openapi_document(shared: web::Data<Shared>) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(shared.document.clone())
}

/// Mounts the page at `/docs/`.
pub(crate) fn configure_page(config: &mut ServiceConfig) {
    config.service(web::resource("/docs").route(web::get().to(|| async { Redirect::to("/docs/").see_other() })));
    config.service(SwaggerUi::new("/docs/{_:.*}").config(Config::from("/openapi.json")));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::routes::{endpoints, is_foreign};
    use super::*;

    fn shown() -> Value {
        serde_json::from_slice(&document("https://example.com")).expect("the document is JSON")
    }

    #[test]
    fn every_route_is_documented_and_nothing_else_is() {
        let document = shown();
        let mut documented = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for method in item.as_object().expect("methods").keys() {
                documented.insert((path.clone(), method.to_uppercase()));
            }
        }
        let mut mounted = BTreeSet::new();
        for endpoint in endpoints().into_iter().filter(|endpoint| !is_foreign(endpoint.path)) {
            for method in endpoint.methods() {
                mounted.insert((endpoint.path.to_owned(), method.to_owned()));
            }
        }
        assert_eq!(documented, mounted);
    }

    fn refs(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member {
                        Value::String(text) if name == "$ref" => {
                            found.insert(text.clone());
                        }
                        member => refs(member, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| refs(item, found)),
            _ => {}
        }
    }

    #[test]
    fn the_document_is_whole() {
        let document = shown();
        assert!(document["openapi"].as_str().expect("a version").starts_with("3.1"));
        let mut found = BTreeSet::new();
        refs(&document, &mut found);
        assert!(!found.is_empty());
        for one in found {
            let pointer = one.strip_prefix('#').expect("references stay in the document");
            assert!(document.pointer(pointer).is_some(), "{one} is referred to and not there");
        }
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("methods") {
                let id = operation["operationId"].as_str().expect("an id");
                assert!(ids.insert(id.to_owned()), "{id} is there twice");
                assert!(operation["responses"]["default"].is_object(), "{method} {path}");
                for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                    let parameters = operation["parameters"].as_array().expect("parameters");
                    assert!(parameters.iter().any(|one| one["in"] == "path" && one["name"] == name), "{method} {path}");
                }
                let needs_caller = needs_caller(&method.to_uppercase(), path);
                assert_eq!(operation["security"].is_array(), needs_caller, "{method} {path}");
            }
        }
    }
}
