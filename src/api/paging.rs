//! Query strings: known parameters only, each at most once, and the page that a list is asked for.

use actix_web::HttpRequest;
use sendwheel_actors::engine::api::PageRequest;

use super::error::ApiError;
use super::faults::{At, Faults};

/// Items of a page unless asked otherwise.
const DEFAULT_LIMIT: usize = 50;
/// Most items of a page; more are asked for in vain.
const MAX_LIMIT: usize = 500;
/// Bytes of a parameter.
const MAX_VALUE: usize = 1_024;

/// The parameters of a request.
#[derive(Debug)]
pub(crate) struct Query {
    given: Vec<(String, String)>,
    /// What was found wrong with them.
    pub(crate) faults: Faults,
}

impl Query {
    /// The parameters, of which only these are known. Empty ones count as left out.
    pub(crate) fn of(request: &HttpRequest, known: &[&str]) -> Self {
        let mut query = Self { given: Vec::new(), faults: Faults::default() };
        for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
            let at = At::Root;
            let at = at.member(&name);
            if !known.contains(&&*name) {
                let detail = if known.is_empty() {
                    "this path takes no query parameters".to_owned()
                } else {
                    format!("unknown query parameter, known here are: {}", known.join(", "))
                };
                query.faults.refuse(&at, "unknown_parameter", detail);
            } else if query.given.iter().any(|(given, _)| *given == name) {
                query.faults.refuse(&at, "repeated_parameter", "the query parameter is there twice: give it once");
            } else if value.len() > MAX_VALUE {
                query.faults.refuse(&at, "too_long", format!("at most {MAX_VALUE} bytes"));
            } else if !value.is_empty() {
                query.given.push((name.into_owned(), value.into_owned()));
            }
        }
        query
    }

    /// The value of a parameter.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.given.iter().position(|(given, _)| given == name)?;
        Some(self.given.swap_remove(index).1)
    }

    /// The value of a parameter, read by `read`; a refusal leaves the code and the detail it returns.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, (&'static str, String)>,
    ) -> Option<T> {
        let text = self.take(name)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err((code, detail)) => {
                self.faults.refuse(&At::Root.member(name), code, detail);
                None
            }
        }
    }

    /// A switch: there, or `true`, or `false`.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        self.parsed(name, |text| match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(("unknown_value", "expected true or false".to_owned())),
        })
        .unwrap_or(false)
    }

    /// The page that is asked for.
    pub(crate) fn page(&mut self) -> PageRequest {
        let limit = self.parsed("limit", |text| {
            let is_number = text.bytes().all(|b| b.is_ascii_digit());
            match text.parse::<usize>() {
                Ok(0) => Err(("out_of_range", format!("a page has 1 to {MAX_LIMIT} items"))),
                Ok(limit) => Ok(limit.min(MAX_LIMIT)),
                // More digits than a number holds are still just too many items.
                Err(_) if is_number => Ok(MAX_LIMIT),
                Err(_) => Err(("invalid_number", format!("expected a number from 1 to {MAX_LIMIT}"))),
            }
        });
        PageRequest { cursor: self.take("cursor"), limit: limit.unwrap_or(DEFAULT_LIMIT) }
    }

    /// Whether every parameter was good.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        self.faults.finish(Some(()))
    }
}

/// The page of a list that is in memory: `after` says whether an item comes after the cursor, which
/// `cursor_of` spells for the page's last item. The list is in the order of its cursors.
pub(crate) fn page_of<T, K: Ord>(
    items: impl Iterator<Item = T>,
    page: &PageRequest,
    key_of: impl Fn(&T) -> K,
    read_key: impl Fn(&str) -> Option<K>,
    show_key: impl Fn(&K) -> String,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let after =
        match page.cursor.as_deref() {
            None => None,
            Some(text) => Some(read_key(text).ok_or_else(|| {
                ApiError::field("/cursor", "invalid_cursor", "use a next_cursor of this list as it is")
            })?),
        };
    let mut items: Vec<T> =
        items.filter(|item| after.as_ref().is_none_or(|after| key_of(item) > *after)).take(page.limit + 1).collect();
    let has_more = items.len() > page.limit;
    items.truncate(page.limit);
    let next = items.last().filter(|_| has_more).map(|last| show_key(&key_of(last)));
    Ok((items, next))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn page(query: &str) -> Result<PageRequest, Vec<(String, &'static str)>> {
        let request = TestRequest::get().uri(&format!("/x?{query}")).to_http_request();
        let mut query = Query::of(&request, &["limit", "cursor", "q"]);
        let page = query.page();
        match query.finish() {
            Ok(()) => Ok(page),
            Err(ApiError::Invalid(errors)) => Err(errors.into_iter().map(|e| (e.pointer, e.code)).collect()),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_limit_is_clamped_above_and_refused_below() {
        for (query, limit) in [
            ("", 50),
            ("limit=", 50),
            ("limit=1", 1),
            ("limit=500", 500),
            ("limit=501", 500),
            ("limit=99999999999999999999999", 500),
        ] {
            assert_eq!(page(query).expect(query).limit, limit, "{query}");
        }
        for query in ["limit=0", "limit=-1", "limit=ten", "limit=1.5", "limit=%20"] {
            assert_eq!(page(query).expect_err(query)[0].0, "/limit", "{query}");
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused_together() {
        assert_eq!(
            page("limt=5&cursor=a&cursor=b"),
            Err(vec![("/limt".into(), "unknown_parameter"), ("/cursor".into(), "repeated_parameter")])
        );
    }

    #[test]
    fn a_list_in_memory_is_paged_to_its_end() {
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let page = PageRequest { cursor, limit: 2 };
            let (items, next) = page_of(1..=5, &page, |n| *n, |text| text.parse().ok(), ToString::to_string)
                .expect("the cursor is good");
            seen.extend(items);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, [1, 2, 3, 4, 5]);
        let bad = PageRequest { cursor: Some("x".into()), limit: 2 };
        assert!(page_of(1..=5, &bad, |n| *n, |text| text.parse().ok(), ToString::to_string).is_err());
    }
}
