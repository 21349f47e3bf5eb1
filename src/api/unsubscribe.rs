//! `/u/{token}`: the link of `List-Unsubscribe` (RFC 8058).
//!
//! Mail programs post to it; people open it and press a button. Opening it changes nothing, since link
//! scanners open everything. The token is signed by the engine and says whom it is for; it is neither
//! logged nor shown, and without it nothing is told about anyone.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::engine::api::EngineError;

use super::body;
use super::error::ApiError;
use super::page::page_with;
use super::routes::Shared;

/// Bytes of a form with one field.
const FORM_BYTES: usize = 4 * 1024;
/// Bytes of a token.
const MAX_TOKEN: usize = 512;

/// The page with the button.
#[utoipa::path(get, path = "/u/{token}", tag = "recipients", params(("token" = String, Path)),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(crate) async fn unsubscribe_page() -> HttpResponse {
    page_with(
        StatusCode::OK,
        "Unsubscribe",
        "<p>Do you want to stop receiving these messages?</p>\n\
         <form method=\"post\"><input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\
         <button type=\"submit\">Unsubscribe</button></form>",
    )
}

/// Whether a form says `List-Unsubscribe=One-Click`, in either of the encodings that RFC 8058 allows.
fn is_one_click(content_type: &str, form: &[u8]) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/x-www-form-urlencoded" => url::form_urlencoded::parse(form).any(|(name, value)| {
            name.eq_ignore_ascii_case("list-unsubscribe") && value.eq_ignore_ascii_case("one-click")
        }),
        "multipart/form-data" => {
            // One short field: its part is found by its name, its value is the line after the blank one.
            let text = String::from_utf8_lossy(form).to_ascii_lowercase().replace("\r\n", "\n");
            text.split("\n\n").zip(text.split("\n\n").skip(1)).any(|(head, value)| {
                head.contains("name=\"list-unsubscribe\"") && value.lines().next() == Some("one-click")
            })
        }
        _ => false,
    }
}

/// Unsubscribes at once: what a mail program, or the button, posts.
#[utoipa::path(post, path = "/u/{token}", tag = "recipients", params(("token" = String, Path)),
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "`List-Unsubscribe=One-Click`"),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(crate) async fn unsubscribe(
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(&request, &mut payload, FORM_BYTES, &shared.large, &shared.state.settings).await?;
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !is_one_click(content_type.unwrap_or_default(), &body.bytes) {
        return Err(ApiError::field("", "one_click_required", "post the form field List-Unsubscribe=One-Click"));
    }
    let token = request.match_info().get("token").filter(|token| token.len() <= MAX_TOKEN);
    let outcome = match token {
        Some(token) => shared.state.engine.unsubscribe(token).await,
        None => Err(EngineError::NotFound),
    };
    match outcome {
        Ok(channel) => {
            let what = match channel {
                Channel::Email => "emails",
                Channel::Sms => "text messages",
                Channel::Webhook => "notices",
            };
            let text = format!("<p>You will not receive further {what} from this sender.</p>");
            Ok(page_with(StatusCode::OK, "You are unsubscribed", &text))
        }
        Err(EngineError::NotFound) => Ok(page_with(
            StatusCode::NOT_FOUND,
            "This link does not work",
            "<p>It is incomplete, or no longer valid. Use the link of a newer message, or answer that message.</p>",
        )),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_form_encodings_of_the_standard_are_understood() {
        let multipart =
            "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
        for (kind, form, expected) in [
            ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", true),
            ("application/x-www-form-urlencoded; charset=utf-8", "a=b&List-Unsubscribe=One-Click", true),
            ("multipart/form-data; boundary=b", multipart, true),
            ("application/x-www-form-urlencoded", "", false),
            ("application/x-www-form-urlencoded", "List-Unsubscribe=Later", false),
            ("multipart/form-data; boundary=b", "--b--", false),
            ("text/plain", "List-Unsubscribe=One-Click", false),
            ("", "List-Unsubscribe=One-Click", false),
        ] {
            assert_eq!(is_one_click(kind, form.as_bytes()), expected, "{kind}: {form}");
        }
    }
}
