//! Filling in a message's text: `{{ contact.name }}` in subject, body and HTML.
//!
//! Templates are written by users and filled with what others wrote into contacts, so that both are held in bounds:
//! - A template names values, filters them, and has `if` and `for`; it includes, defines and sets nothing. Its work
//!   is paid in fuel, what fuel does not cover is refused beforehand (`scan`), source and output are bounded. The worst
//!   one ends within milliseconds, on whatever thread it runs.
//! - What is not there is an error, never an empty place in a message that a customer reads.
//! - HTML is escaped; a subject stays one line, since a line break in it would begin a header of its own.
//! - An error names the field, the line and the variable, and never a value: it is stored as the message's reason
//!   and shown.
//!
//! Pure: the same content and contact give the same text, so that an attempt after a crash sends what the first
//! one would have sent.

mod context;
mod error;
mod scan;

use std::io;
use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

pub use context::{AccountFields, ContactFields, SenderFields, TemplateContext};
pub use error::{TemplateError, TemplateErrorKind};

use super::message::Content;

/// Steps that rendering one field may take; a step is an instruction or about 64 bytes of data.
const FUEL: u64 = 50_000;
/// Longest subject or body, in bytes of source.
pub const MAX_TEXT_SOURCE: usize = 64 * 1024;
/// Longest HTML, in bytes of source.
pub const MAX_HTML_SOURCE: usize = 512 * 1024;
/// Longest rendered field, in bytes.
pub const MAX_OUTPUT: usize = 1024 * 1024;
/// Longest rendered subject, in bytes (RFC 5322 §2.1.1: a line of 998).
pub const MAX_SUBJECT: usize = 998;
/// Longest single `{{ … }}` or `{% … %}`, in bytes: what the stack bears.
pub const MAX_TAG: usize = 2 * 1024;

const SUBJECT: &str = "subject";
const BODY: &str = "body";
const HTML: &str = "html";

/// Filters that build lists: a message needs none, and each is one more way to spend memory. What is left works
/// on one text or number, or picks from a list.
const REMOVED_FILTERS: [&str; 26] = [
    "attr",
    "batch",
    "chain",
    "dictsort",
    "format",
    "groupby",
    "indent",
    "items",
    "lines",
    "list",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "reverse",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "sum",
    "tojson",
    "unique",
    "zip",
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("no delimiter was changed"));
    environment.set_auto_escape_callback(|name| if name == HTML { AutoEscape::Html } else { AutoEscape::None });
    for name in ["debug", "dict", "namespace", "range"] {
        environment.remove_global(name);
    }
    for name in REMOVED_FILTERS {
        environment.remove_filter(name);
    }
    environment
});

/// Whether a text has anything to fill in.
#[must_use]
pub fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| text.contains(open))
}

/// Checks that a text can be compiled; variables are not looked up.
///
/// # Errors
/// Says what is wrong, in which line.
pub fn check_syntax(source: &str) -> Result<(), TemplateError> {
    compile("template", source, MAX_HTML_SOURCE, |_| Ok(()))
}

/// Checks every field of a content as [`check_syntax`] does, if it is to be rendered.
///
/// # Errors
/// Names the field.
pub fn check_content(content: &Content) -> Result<(), TemplateError> {
    if !content.render {
        return Ok(());
    }
    for (field, source, limit) in fields(content) {
        compile(field, source, limit, |_| Ok(()))?;
    }
    Ok(())
}

/// Fills a content in. The result is plain text (`render` is off), and its subject is one line; content that is
/// not to be rendered is given back with only its subject so treated.
///
/// # Errors
/// Names the field, the line and, where it is known, the variable.
pub fn render(content: &Content, context: &TemplateContext) -> Result<Content, TemplateError> {
    let mut rendered = Content { render: false, ..content.clone() };
    if content.render && fields(content).any(|(_, source, _)| is_template(source)) {
        let context = Value::from(Serde(context));
        for (field, source, limit) in fields(content) {
            let text = compile(field, source, limit, |template| {
                let mut output = Bounded(Vec::with_capacity(source.len().min(MAX_OUTPUT)));
                template.render_captured_to(context.clone(), &mut output)?;
                Ok(String::from_utf8(output.0).expect("a template writes nothing but text"))
            })?;
            match field {
                SUBJECT => rendered.subject = Some(text),
                BODY => rendered.text = Some(text),
                _ => rendered.html = Some(text),
            }
        }
    }
    with_one_line_subject(rendered)
}

/// A content that has nothing to fill in, as it is sent: what [`render`] gives for it, without a context.
///
/// # Errors
/// Refuses a subject that is too long.
pub fn verbatim(content: &Content) -> Result<Content, TemplateError> {
    with_one_line_subject(Content { render: false, ..content.clone() })
}

fn with_one_line_subject(mut content: Content) -> Result<Content, TemplateError> {
    if let Some(subject) = &mut content.subject {
        *subject = single_line(subject);
        if subject.len() > MAX_SUBJECT {
            return Err(TemplateError::new(SUBJECT, TemplateErrorKind::OutputTooLong { limit: MAX_SUBJECT }));
        }
    }
    Ok(content)
}

/// The fields there are: name, source, longest source.
fn fields(content: &Content) -> impl Iterator<Item = (&'static str, &str, usize)> {
    [
        (SUBJECT, &content.subject, MAX_TEXT_SOURCE),
        (BODY, &content.text, MAX_TEXT_SOURCE),
        (HTML, &content.html, MAX_HTML_SOURCE),
    ]
    .into_iter()
    .filter_map(|(field, source, limit)| source.as_deref().map(|source| (field, source, limit)))
}

/// Compiles a source and works with it; errors are turned into ones that are safe to show.
fn compile<T>(
    field: &'static str,
    source: &str,
    limit: usize,
    then: impl FnOnce(&minijinja::Template<'_, '_>) -> Result<T, minijinja::Error>,
) -> Result<T, TemplateError> {
    if source.len() > limit {
        return Err(TemplateError::new(field, TemplateErrorKind::SourceTooLong { limit }));
    }
    scan::check(field, source)?;
    let environment: &Environment<'_> = &ENVIRONMENT;
    environment
        .template_from_named_str(field, source)
        .and_then(|template| then(&template))
        .map_err(|error| TemplateError::of_engine(field, source, &error))
}

/// Every run of control characters and line separators becomes one space.
fn single_line(text: &str) -> String {
    let is_break = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}';
    if !text.contains(is_break) {
        return text.to_owned();
    }
    text.split(is_break).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A buffer that refuses what goes beyond [`MAX_OUTPUT`].
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
