//! Files that come with a message request, in base64.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use sendwheel_actors::engine::api::NewAttachment;

use super::checks::{at_most, line};
use super::faults::{At, Faults};
use super::json::{List, Text, request_object};

/// Files with an email.
const MAX_FILES: usize = 20;
/// Bytes of all files of an email, decoded.
const MAX_BYTES: usize = 10 * 1024 * 1024;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

request_object! {
    /// A file to go with an email.
    pub(crate) struct AttachmentRequest<'a> {
        /// The name that the recipient sees.
        #[schema(value_type = String, example = "invoice.pdf")]
        filename: Text<'a>,
        /// Its MIME type; default `application/octet-stream`.
        #[schema(value_type = Option<String>, example = "application/pdf")]
        content_type: Text<'a>,
        /// The bytes in base64.
        #[schema(value_type = String, format = Byte)]
        content: Text<'a>,
    }
}

/// `type/subtype` of RFC 6838 names, with parameters of visible ASCII.
fn is_mime_type(text: &str) -> bool {
    let is_name = |name: &str| {
        (1..=127).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let is_essence =
        essence.trim_end().split_once('/').is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype));
    is_essence && text.len() <= 255 && parameters.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

/// The files, as far as they are sound.
pub(crate) fn read(list: List<AttachmentRequest<'_>>, at: &At<'_>, faults: &mut Faults) -> Vec<NewAttachment> {
    if !at_most(list.total, MAX_FILES, at, faults) {
        return Vec::new();
    }
    let mut total = 0;
    let mut files = Vec::with_capacity(list.items.len());
    for (index, item) in list.items.into_iter().enumerate() {
        let at = at.item(index);
        let Some(file) = item.required(&at, faults) else { continue };
        let name_at = at.member("filename");
        let filename = file.filename.required(&name_at, faults).and_then(|name| {
            if name.chars().any(char::is_control) {
                faults.refuse(&name_at, "header_injection", "a file name is one line, without control characters");
                return None;
            }
            line(name, 255, &name_at, faults)
        });
        let kind_at = at.member("content_type");
        let content_type = file.content_type.optional(&kind_at, faults).unwrap_or("application/octet-stream".into());
        if !is_mime_type(&content_type) {
            let code =
                if content_type.chars().any(char::is_control) { "header_injection" } else { "invalid_content_type" };
            faults.refuse(&kind_at, code, "expected a MIME type such as application/pdf");
        }
        let content_at = at.member("content");
        let bytes = file.content.required(&content_at, faults).and_then(|content| {
            let decoded = BASE64.decode(content.as_bytes());
            if decoded.is_err() {
                faults.refuse(
                    &content_at,
                    "invalid_base64",
                    "expected base64 without line breaks (RFC 4648, section 4)",
                );
            }
            decoded.ok()
        });
        file.stray.refuse(&at, AttachmentRequest::NAMES, faults);
        let (Some(filename), Some(bytes)) = (filename, bytes) else { continue };
        total += bytes.len();
        files.push(NewAttachment { filename, content_type: content_type.into_owned(), bytes: bytes.into() });
    }
    if total > MAX_BYTES {
        faults.refuse(at, "too_large", format!("all files together: at most {MAX_BYTES} bytes, these have {total}"));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::super::json::Field;
    use super::*;

    fn read_all(json: &str) -> Result<Vec<NewAttachment>, Vec<(String, &'static str)>> {
        let list: Field<List<AttachmentRequest<'_>>> = serde_json::from_str(json).expect("valid JSON");
        let mut faults = Faults::default();
        let list = list.required(&At::Root, &mut faults).expect("a list");
        let files = read(list, &At::Root, &mut faults);
        let errors = faults.into_errors();
        if errors.is_empty() { Ok(files) } else { Err(errors.into_iter().map(|e| (e.pointer, e.code)).collect()) }
    }

    #[test]
    fn a_file_is_decoded_with_or_without_padding() {
        let files = read_all(
            r#"[{"filename": "a.txt", "content_type": "text/plain; charset=utf-8", "content": "aGk="},
                {"filename": "b", "content": "aGk"}]"#,
        )
        .expect("both are sound");
        assert_eq!(&files[0].bytes[..], b"hi");
        assert_eq!(&files[1].bytes[..], b"hi");
        assert_eq!(files[1].content_type, "application/octet-stream");
    }

    #[test]
    fn what_could_break_a_mail_s_headers_or_is_no_file_is_refused() {
        for (item, pointer, code) in [
            (r#"{"filename": "a\r\nBcc: x", "content": ""}"#, "/0/filename", "header_injection"),
            (
                r#"{"filename": "a", "content_type": "text/plain\nX: y", "content": ""}"#,
                "/0/content_type",
                "header_injection",
            ),
            (r#"{"filename": "a", "content_type": "text", "content": ""}"#, "/0/content_type", "invalid_content_type"),
            (r#"{"filename": "a", "content": "a b"}"#, "/0/content", "invalid_base64"),
            (r#"{"filename": " ", "content": ""}"#, "/0/filename", "empty"),
            (r#"{"content": ""}"#, "/0/filename", "required"),
            (r#"{"filename": "a"}"#, "/0/content", "required"),
            (r#"{"filename": "a", "content": "", "url": ""}"#, "/0/url", "unknown_field"),
            ("5", "/0", "invalid_type"),
        ] {
            assert_eq!(read_all(&format!("[{item}]")), Err(vec![(pointer.to_owned(), code)]), "{item}");
        }
    }

    #[test]
    fn too_many_and_too_large_files_are_refused() {
        let many = format!("[{}5]", "5,".repeat(20));
        assert_eq!(read_all(&many), Err(vec![(String::new(), "too_many")]));
        let content = "A".repeat(8 * 1024 * 1024);
        let large =
            format!(r#"[{{"filename": "a", "content": "{content}"}}, {{"filename": "b", "content": "{content}"}}]"#);
        assert_eq!(read_all(&large), Err(vec![(String::new(), "too_large")]));
    }
}
