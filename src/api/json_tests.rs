use super::*;

request_object! {
    /// An object for the tests.
    struct Probe<'a> {
        /// A text.
        #[schema(value_type = String)]
        name: Text<'a>,
        /// A number.
        #[schema(value_type = Option<u32>)]
        count: u32,
        /// A list.
        #[schema(value_type = Option<Vec<String>>)]
        tags: List<Text<'a>>,
    }
}

fn faults_of(json: &str) -> Vec<(String, &'static str)> {
    let probe: Probe<'_> = match read(json.as_bytes()) {
        Ok(probe) => probe,
        Err(ApiError::Invalid(errors)) => return errors.into_iter().map(|e| (e.pointer, e.code)).collect(),
        Err(other) => panic!("{other}"),
    };
    let mut faults = Faults::default();
    probe.name.required(&At::Root.member("name"), &mut faults);
    probe.count.optional(&At::Root.member("count"), &mut faults);
    let tags_at = At::Root.member("tags");
    for (index, tag) in probe.tags.optional(&tags_at, &mut faults).into_iter().flat_map(|l| l.items).enumerate() {
        tag.required(&tags_at.item(index), &mut faults);
    }
    probe.stray.refuse(&At::Root, Probe::NAMES, &mut faults);
    faults.into_errors().into_iter().map(|e| (e.pointer, e.code)).collect()
}

#[test]
fn every_bad_field_is_found_in_one_reading() {
    let found = faults_of(r#"{"name": {"x": [1]}, "count": -1, "tags": ["a", 5, null], "nmae": [{}], "count": 2.5}"#);
    let found: Vec<_> = found.iter().map(|(pointer, code)| (pointer.as_str(), *code)).collect();
    assert_eq!(
        found,
        [
            ("/name", "invalid_type"),
            ("/count", "invalid_type"),
            ("/tags/1", "invalid_type"),
            ("/tags/2", "required"),
            ("/nmae", "unknown_field"),
            ("/count", "repeated_field"),
        ]
    );
}

#[test]
fn a_request_that_is_not_an_object_is_refused_as_a_whole() {
    for json in ["[]", "1", "1.5", "\"x\"", "null", "true"] {
        let found = faults_of(json);
        assert_eq!(found.len(), 1, "{json}");
        assert_eq!(found[0].0, "", "{json}");
    }
}

#[test]
fn malformed_json_is_told_with_its_place() {
    let error = read::<Probe<'_>>(b"{\"name\":\n  oops}").err().expect("it is malformed");
    assert!(matches!(error, ApiError::Malformed { line: 2, .. }), "{error:?}");
    assert!(read::<Probe<'_>>(b"{\"name\": \"\xff\"}").is_err(), "JSON is UTF-8");
    assert!(read::<Probe<'_>>(b"{} {}").is_err(), "one value is a request");
}

#[test]
fn a_long_list_is_counted_but_not_kept() {
    let json = format!(r#"{{"name": "n", "tags": [{}0]}}"#, "0,".repeat(5_000));
    let probe: Probe<'_> = read(json.as_bytes()).expect("a list of anything is read");
    let tags = probe.tags.optional(&At::Root, &mut Faults::default()).expect("it is a list");
    assert_eq!((tags.items.len(), tags.total), (MAX_ITEMS, 5_001));
}
