//! Why a content could not be filled in, in words that are safe to store and to show.

use minijinja::ErrorKind;

/// Longest excerpt of the author's own source in an error, in bytes.
const MAX_EXCERPT: usize = 80;

/// Why a field could not be filled in. Shows names from the template, never a contact's values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}{}: {kind}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct TemplateError {
    /// `subject`, `body` or `html` (`template` when a text was checked by itself).
    pub field: &'static str,
    /// The line within the field, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub kind: TemplateErrorKind,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateErrorKind {
    /// It cannot be compiled; the text is the engine's, about the source alone.
    #[error("syntax error: {0}")]
    Syntax(String),
    /// It names a variable that this contact does not have.
    #[error(
        "{} is not known for this contact: fill it in, or provide for it with `| default(\"…\")` or `is defined`",
        quoted(.0.as_ref(), "a variable")
    )]
    Undefined(Option<String>),
    /// It names a filter, test or function that does not exist.
    #[error(
        "{} uses a filter, test or function that is not available: check its spelling",
        quoted(.0.as_ref(), "an expression")
    )]
    UnknownName(Option<String>),
    /// An expression does not work with its values.
    #[error(
        "{} cannot be computed: check that its values are of the kind it expects",
        quoted(.0.as_ref(), "an expression")
    )]
    Failed(Option<String>),
    /// It takes too many steps.
    #[error("the template takes too much work: shorten its loops")]
    TooCostly,
    /// The source is too long.
    #[error("the template is too long: at most {limit} bytes")]
    SourceTooLong {
        /// Bytes.
        limit: usize,
    },
    /// One tag is too long.
    #[error("a tag is too long: at most {} bytes between its braces", super::MAX_TAG)]
    TagTooLong,
    /// Too many `elif` branches.
    #[error("the template has too many `elif` branches: at most {}", super::scan::MAX_ELIF)]
    TooManyBranches,
    /// The rendered text is too long.
    #[error("the filled-in text is too long: at most {limit} bytes")]
    OutputTooLong {
        /// Bytes.
        limit: usize,
    },
}

fn quoted(expression: Option<&String>, otherwise: &str) -> String {
    expression.map_or_else(|| otherwise.to_owned(), |expression| format!("`{expression}`"))
}

impl TemplateErrorKind {
    /// The stable code shown in the API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "template_syntax",
            Self::Undefined(_) => "template_undefined",
            Self::UnknownName(_) => "template_unknown_name",
            Self::Failed(_) => "template_failed",
            Self::TooCostly => "template_too_costly",
            Self::SourceTooLong { .. } | Self::TagTooLong | Self::TooManyBranches => "template_too_long",
            Self::OutputTooLong { .. } => "content_too_long",
        }
    }
}

impl TemplateError {
    pub(super) const fn new(field: &'static str, kind: TemplateErrorKind) -> Self {
        Self { field, line: None, kind }
    }

    /// The engine's own words may quote values, so that only those about the source are kept.
    pub(super) fn of_engine(field: &'static str, source: &str, error: &minijinja::Error) -> Self {
        let expression = || error.range().and_then(|range| source.get(range)).and_then(excerpt);
        let kind = match error.kind() {
            ErrorKind::SyntaxError => {
                TemplateErrorKind::Syntax(error.detail().and_then(excerpt).unwrap_or_else(|| "check its tags".into()))
            }
            ErrorKind::UndefinedError => TemplateErrorKind::Undefined(
                error
                    .range()
                    .and_then(|range| source.get(start_of_path(source, range.start)..range.end))
                    .and_then(excerpt),
            ),
            ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod => TemplateErrorKind::UnknownName(expression()),
            ErrorKind::OutOfFuel => TemplateErrorKind::TooCostly,
            ErrorKind::WriteFailure => TemplateErrorKind::OutputTooLong { limit: super::MAX_OUTPUT },
            _ => TemplateErrorKind::Failed(expression()),
        };
        Self { field, line: error.line(), kind }
    }
}

/// The engine marks only the last step of a path (`.b` in `a.b`): goes back to where the path begins.
fn start_of_path(source: &str, marked: usize) -> usize {
    let before = source.get(..marked).unwrap_or_default();
    let path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    before.len() - before.chars().rev().take_while(|c| path(*c)).map(char::len_utf8).sum::<usize>()
}

/// A short piece of the author's source, on one line.
fn excerpt(text: &str) -> Option<String> {
    let mut line = super::single_line(text.trim().trim_start_matches("{{").trim_end_matches("}}").trim());
    if line.len() > MAX_EXCERPT {
        let end = (0..=MAX_EXCERPT).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    (!line.is_empty()).then_some(line)
}
