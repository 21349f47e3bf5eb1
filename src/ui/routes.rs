//! Every path of a page.

use actix_web::middleware::Compress;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, ResponseError as _};

use super::error::PageError;
use super::{
    assets, composer, contacts, edit_contact, fill, importing, moment, ops, people, preview, schedule, settings,
    signing, steps, thread,
};
use crate::api::routes::at;

/// Mounts them.
pub(crate) fn configure(config: &mut ServiceConfig) {
    // Only what is the same for everybody is compressed: the length of a page that has a token and something of a
    // request in it would tell of the token.
    config.service(
        web::resource("/assets/{version}/{name}").wrap(Compress::default()).route(web::get().to(assets::asset)),
    );
    let pages = [
        at("/sign-in").get(signing::sign_in_page).post(signing::sign_in),
        at("/sign-out").post(signing::sign_out),
        at("/").get(people::conversations),
        at("/schedule").get(schedule::schedule).post(schedule::change),
        at("/schedule/undo").post(schedule::undo),
        at("/ops").get(ops::page::ops_page),
        at("/ops/lanes/{id}").post(ops::actions::lane),
        at("/ops/dead-letters/{id}").post(ops::actions::requeue),
        at("/ops/drain").post(ops::actions::drain),
        at("/settings").get(settings::you::you_page).post(settings::you::change),
        at("/settings/account").get(settings::account::account_page).post(settings::account::change),
        at("/settings/senders").get(settings::senders::senders_page).post(settings::senders::add),
        at("/settings/senders/{id}").get(settings::senders::sender_page).post(settings::senders::change),
        at("/settings/templates").get(settings::templates::templates_page).post(settings::templates::add),
        at("/settings/templates/{id}").get(settings::templates::template_page).post(settings::templates::change),
        at("/settings/users").get(settings::users::users_page).post(settings::users::invite),
        at("/settings/users/{id}").get(settings::users::user_page).post(settings::users::change),
        at("/settings/keys").get(settings::keys::keys_page).post(settings::keys::make),
        at("/settings/keys/{id}/revoke").post(settings::keys::revoke),
        at("/settings/webhooks").get(settings::webhooks::webhooks_page).post(settings::webhooks::add),
        at("/settings/webhooks/{id}").get(settings::webhooks::webhook_page).post(settings::webhooks::change),
        at("/contacts/new").get(contacts::new_contact_page).post(contacts::new_contact),
        at("/contacts/import").get(importing::import_page).post(importing::import),
        at("/contacts/{id}/edit").get(edit_contact::edit_page).post(edit_contact::edit),
        at("/contacts/{id}/delete").get(contacts::delete_page).post(contacts::delete),
        at("/contacts/{id}").get(thread::conversation),
        at("/contacts/{id}/thread").get(thread::timeline),
        at("/contacts/{id}/when").get(moment::when_page),
        at("/contacts/{id}/fill").post(fill::fill),
        at("/contacts/{id}/preview").post(preview::preview),
        at("/contacts/{id}/length").post(composer::length_page),
        at("/contacts/{id}/messages").post(composer::write),
        at("/contacts/{id}/messages/{message}/edit").post(composer::edit),
        at("/contacts/{id}/messages/{message}/{step}").post(steps::with_message),
        at("/contacts/{id}/undo").post(steps::undo),
        at("/contacts/{id}/notes").post(steps::note),
        at("/contacts/{id}/conversation").post(steps::attend),
    ];
    for page in pages {
        config.service(page.into_resource());
    }
}

/// The page for an address at which there is none.
pub(crate) fn nothing_here() -> HttpResponse {
    PageError::not_found().error_response()
}
