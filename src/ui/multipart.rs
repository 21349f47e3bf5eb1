//! A form with files (`multipart/form-data`, RFC 7578) whose body was read as a whole, within its bound.
//!
//! Browsers write one kind of it: parts between boundary lines, each with a `Content-Disposition` that names the field,
//! and for files the file. Anything else is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Parts of a form.
const MAX_PARTS: usize = 200;

/// A file that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    name: String,
    kind: Option<String>,
    bytes: Vec<u8>,
}

impl File {
    /// As a request of the API has it.
    pub(super) fn request(&self) -> Value {
        let mut file = json!({"filename": self.name, "content": STANDARD.encode(&self.bytes)});
        if let Some(kind) = &self.kind {
            file["content_type"] = kind.as_str().into();
        }
        file
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A body that is no form as browsers write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// Fields and files of a form.
pub(super) type Parts = (Vec<(String, String)>, Vec<File>);

/// The boundary that a content type names.
pub(super) fn boundary_of(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|one| one.trim().strip_prefix("boundary="))?.trim_matches('"');
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        let at = from + at;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// A parameter of a `Content-Disposition`, as browsers write it: quotes and line breaks in it are percent-encoded.
fn parameter(disposition: &str, name: &str) -> Option<String> {
    let start = disposition.find(&format!("; {name}=\""))? + name.len() + 4;
    let value = disposition[start..].split('"').next()?;
    Some(value.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"))
}

/// Cuts a body into its parts.
pub(super) fn read(body: &[u8], boundary: &str) -> Result<Parts, Broken> {
    let opening = format!("--{boundary}");
    let separator = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(opening.as_bytes()).ok_or(Broken)?;
    let (mut fields, mut files) = (Vec::new(), Vec::new());
    for _ in 0..MAX_PARTS {
        if rest.starts_with(b"--") {
            return Ok((fields, files));
        }
        rest = rest.strip_prefix(b"\r\n").ok_or(Broken)?;
        let end = find(rest, separator.as_bytes()).ok_or(Broken)?;
        let part = &rest[..end];
        rest = &rest[end + separator.len()..];
        let head = find(part, b"\r\n\r\n").ok_or(Broken)?;
        let (head, value) = (str::from_utf8(&part[..head]).map_err(|_| Broken)?, &part[head + 4..]);
        let header = |name: &str| {
            let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
            lines.filter(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
        };
        let disposition = header("content-disposition").ok_or(Broken)?;
        let name = parameter(disposition, "name").ok_or(Broken)?;
        match parameter(disposition, "filename") {
            // A field of files in which none was chosen.
            Some(file) if file.is_empty() && value.is_empty() => {}
            Some(file) => {
                let kind = header("content-type").map(str::to_owned);
                files.push(File { name: file, kind, bytes: value.to_vec() });
            }
            None => fields.push((name, String::from_utf8(value.to_vec()).map_err(|_| Broken)?)),
        }
    }
    Err(Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"--XX\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\nHi\r\n--not it\r\n\
        --XX\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a %22b%22.txt\"\r\nContent-Type: text/plain\r\n\r\n\
        \x00\r\n--X\r\n--XX\r\nContent-Disposition: form-data; name=\"files\"; filename=\"\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n\r\n--XX--\r\n";

    #[test]
    fn fields_and_files_are_read_whole() {
        let (fields, files) = read(BODY, "XX").unwrap();
        assert_eq!(fields, [("message".to_owned(), "Hi\r\n--not it".to_owned())]);
        let file = File { name: "a \"b\".txt".into(), kind: Some("text/plain".into()), bytes: b"\x00\r\n--X".to_vec() };
        assert_eq!(files, [file]);
        assert_eq!(files[0].request()["content"], "AA0KLS1Y");
    }

    #[test]
    fn a_form_that_is_cut_off_anywhere_is_refused() {
        let whole = BODY.len() - b"--\r\n".len();
        for end in 0..whole {
            assert_eq!(read(&BODY[..end], "XX"), Err(Broken), "{end}");
        }
    }

    #[test]
    fn only_a_form_with_files_has_a_boundary() {
        assert_eq!(boundary_of("multipart/form-data; boundary=XX"), Some("XX"));
        assert_eq!(boundary_of("multipart/form-data; charset=utf-8; boundary=\"XX\""), Some("XX"));
        for other in ["multipart/form-data", "application/x-www-form-urlencoded", "multipart/form-data; boundary="] {
            assert_eq!(boundary_of(other), None, "{other}");
        }
    }
}
