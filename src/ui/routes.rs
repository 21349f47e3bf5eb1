//! Every path of a page.

use actix_web::middleware::Compress;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, ResponseError as _};

use super::error::PageError;
use super::{assets, composer, contacts, moment, people, signing, steps, thread};
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
        at("/contacts/new").get(contacts::new_contact_page).post(contacts::new_contact),
        at("/contacts/{id}/delete").get(contacts::delete_page).post(contacts::delete),
        at("/contacts/{id}").get(thread::conversation),
        at("/contacts/{id}/thread").get(thread::timeline),
        at("/contacts/{id}/when").get(moment::when_page),
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
