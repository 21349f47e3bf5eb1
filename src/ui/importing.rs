//! Many contacts at once: rows are checked first, those that are refused are shown with what is wrong, then the good ones
//! are taken. By the same code as the API's import; with a script a file goes there straight, with a progress bar.

use actix_web::http::StatusCode;
use askama::Template;

use super::answer::{Answer, ok, page};
use super::error::sentence;
use super::form::Posted;
use super::visitor::{Frame, Visitor};
use crate::api::ApiError;
use crate::api::import::{Summary, import_csv};

/// A row that is refused.
struct Refused {
    line: u64,
    wrong: String,
}

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage<'a> {
    frame: Frame,
    rows: &'a str,
    /// What came of it, in words.
    told: Option<String>,
    /// Good rows of a check.
    valid: u64,
    refused: Vec<Refused>,
    unshown: u64,
    wrong: Option<String>,
}

impl ImportPage<'_> {
    fn of(visitor: &Visitor) -> Self {
        let frame = visitor.frame("conversations");
        Self { frame, rows: "", told: None, valid: 0, refused: Vec::new(), unshown: 0, wrong: None }
    }
}

fn counted(count: u64) -> String {
    if count == 1 { "1 row".into() } else { format!("{count} rows") }
}

fn told(summary: &Summary, is_check: bool) -> String {
    let refused = match summary.refused {
        0 => "none is refused".to_owned(),
        1 => "1 row is refused".to_owned(),
        count => format!("{count} rows are refused"),
    };
    if is_check {
        format!("{} can be imported, {refused}.", counted(summary.valid))
    } else {
        format!("{} created, {} updated, {refused}.", summary.created, summary.updated)
    }
}

/// What is wrong with a row, in one sentence.
fn wrong(error: &ApiError) -> String {
    let ApiError::Invalid(errors) = error else { return sentence(&error.to_string()) };
    let one = |error: &sendwheel_actors::engine::api::FieldError| match error.pointer.trim_start_matches('/') {
        "" => sentence(&error.detail),
        column => format!("{column}: {}", sentence(&error.detail)),
    };
    errors.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// The page.
pub(super) async fn import_page(visitor: Visitor) -> Answer {
    ok(&ImportPage::of(&visitor))
}

/// Checks rows, or takes them.
pub(super) async fn import(Posted { visitor, form }: Posted) -> Answer {
    let (rows, is_check) = (form.get("rows"), form.get("do") != "import");
    let done = import_csv(visitor.auth.clone(), visitor.shared.clone(), rows.to_owned(), is_check).await;
    let page_of = ImportPage::of(&visitor);
    match done {
        Ok(summary) => {
            let first = summary.first_refused.iter();
            let refused: Vec<_> = first.map(|(line, error)| Refused { line: *line, wrong: wrong(error) }).collect();
            ok(&ImportPage {
                rows: if is_check { rows } else { "" },
                told: Some(told(&summary, is_check)),
                valid: summary.valid,
                unshown: summary.refused - refused.len() as u64,
                refused,
                ..page_of
            })
        }
        Err(error @ ApiError::Invalid(_)) => {
            let again = ImportPage { rows, wrong: Some(wrong(&error)), ..page_of };
            Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &again))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_an_import_is_told_in_one_sentence() {
        let checked = Summary { valid: 1, refused: 2, ..Summary::default() };
        assert_eq!(told(&checked, true), "1 row can be imported, 2 rows are refused.");
        let taken = Summary { created: 3, updated: 1, ..Summary::default() };
        assert_eq!(told(&taken, false), "3 created, 1 updated, none is refused.");
    }
}
