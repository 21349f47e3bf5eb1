//! A contact in a row of comma-separated values.

use sendwheel_actors::domain::address::{EmailAddress, PhoneNumber};
use sendwheel_actors::domain::contact::{Consent, ContactEmail, ContactPhone, Profile, limits};

use super::checks::{address_code, bounded, choice, line, zone_name};
use super::contact_request::CONSENTS;
use super::error::ApiError;
use super::faults::{At, Faults};

/// What a column is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    Name,
    Email,
    Phone,
    TimeZone,
    Tags,
    ExternalId,
    ConsentEmail,
    ConsentSms,
    Attribute(String),
}

/// The columns of an import, from its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns(Vec<(String, Column)>);

/// The cells of a row, or none if it is no CSV in UTF-8.
fn cells(row: &[u8]) -> Option<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(row.len().clamp(64, 8_192))
        .from_reader(row);
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).ok().filter(|was_read| *was_read)?;
    Some(record)
}

impl Columns {
    /// Most columns of an import.
    const MAX: usize = 200;

    /// Reads the header.
    pub(crate) fn read(header: &[u8]) -> Result<Self, ApiError> {
        let mut faults = Faults::default();
        let Some(names) = cells(header) else {
            return Err(ApiError::field("", "invalid_csv", "expected a header row of comma-separated values in UTF-8"));
        };
        if names.len() > Self::MAX {
            return Err(ApiError::field("", "too_many", format!("at most {} columns", Self::MAX)));
        }
        let mut columns: Vec<(String, Column)> = Vec::with_capacity(names.len());
        let mut is_known = false;
        for name in &names {
            let name = name.trim();
            let column = match name.to_ascii_lowercase().as_str() {
                "name" => Column::Name,
                "email" => Column::Email,
                "phone" => Column::Phone,
                "time_zone" => Column::TimeZone,
                "tags" => Column::Tags,
                "external_id" => Column::ExternalId,
                "consent_email" => Column::ConsentEmail,
                "consent_sms" => Column::ConsentSms,
                _ => Column::Attribute(name.to_owned()),
            };
            let root = At::Root;
            let at = root.member(name);
            if let Column::Attribute(name) = &column {
                line(name.as_str().into(), limits::TAG_BYTES, &at, &mut faults);
            } else {
                is_known = true;
            }
            if columns.iter().any(|(_, other)| *other == column) {
                faults.refuse(&at, "repeated_column", "the header has this column twice: keep one of them");
            }
            columns.push((name.to_owned(), column));
        }
        if !is_known {
            let detail = "the first row must be a header with some of: name, email, phone, time_zone, tags, \
                          external_id, consent_email, consent_sms";
            faults.refuse(&At::Root, "header_required", detail);
        }
        faults.finish(Some(Self(columns)))
    }

    /// The contact that a row is.
    pub(crate) fn profile(&self, row: &[u8], faults: &mut Faults) -> Profile {
        let mut profile = Profile::default();
        let root = At::Root;
        let Some(cells) = cells(row) else {
            faults.refuse(&root, "invalid_csv", "the row is not comma-separated values in UTF-8");
            return profile;
        };
        if cells.len() > self.0.len() {
            let detail = format!("the row has {} cells and the header {}: quote commas", cells.len(), self.0.len());
            faults.refuse(&root, "too_many_cells", detail);
            return profile;
        }
        for ((name, column), cell) in self.0.iter().zip(&cells) {
            let at = root.member(name);
            let cell = cell.trim();
            if cell.is_empty() {
                continue;
            }
            read_cell(&mut profile, column, cell, &at, faults);
        }
        if faults.is_empty() && profile == Profile::default() {
            faults.refuse(&root, "empty", "the row has no values");
        }
        profile.choose_primaries();
        profile
    }
}

fn read_cell(profile: &mut Profile, column: &Column, cell: &str, at: &At<'_>, faults: &mut Faults) {
    let mut consent = |consent: &mut Consent| {
        if let Some(given) = choice(&cell.to_ascii_lowercase(), CONSENTS, at, faults) {
            *consent = given;
        }
    };
    match column {
        Column::ConsentEmail => consent(&mut profile.consent.email),
        Column::ConsentSms => consent(&mut profile.consent.sms),
        Column::Name => profile.name = line(cell.into(), limits::NAME_BYTES, at, faults),
        Column::TimeZone => profile.time_zone = zone_name(cell.into(), at, faults),
        Column::ExternalId => profile.external_id = line(cell.into(), limits::EXTERNAL_ID_BYTES, at, faults),
        Column::Email => match EmailAddress::parse(cell) {
            Ok(address) => profile.emails.push(ContactEmail { address, label: None, primary: true }),
            Err(error) => faults.refuse(at, address_code(error), error.to_string()),
        },
        Column::Phone => match PhoneNumber::parse_valid(cell) {
            Ok(number) => profile.phones.push(ContactPhone { number, label: None, primary: true }),
            Err(error) => faults.refuse(at, address_code(error), error.to_string()),
        },
        Column::Tags => {
            for tag in cell.split([',', ';', '|']).map(str::trim).filter(|tag| !tag.is_empty()) {
                let Some(tag) = line(tag.into(), limits::TAG_BYTES, at, faults) else { return };
                if !profile.tags.contains(&tag) {
                    profile.tags.push(tag);
                }
            }
            if profile.tags.len() > limits::TAGS {
                faults.refuse(at, "too_many", format!("at most {} tags", limits::TAGS));
            }
        }
        Column::Attribute(name) => {
            if profile.attributes.len() == limits::ATTRIBUTES {
                faults.refuse(at, "too_many", format!("at most {} attributes", limits::ATTRIBUTES));
                return;
            }
            if let Some(value) = bounded(cell.into(), limits::ATTRIBUTE_BYTES, at, faults) {
                profile.attributes.insert(name.clone(), value.into_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"Name,email,phone,time_zone,tags,external_id,consent_email,consent_sms,plan";

    fn row(text: &str) -> Result<Profile, Vec<(String, &'static str)>> {
        let columns = Columns::read(HEADER).expect("the header is sound");
        let mut faults = Faults::default();
        let profile = columns.profile(text.as_bytes(), &mut faults);
        let errors = faults.into_errors();
        if errors.is_empty() { Ok(profile) } else { Err(errors.into_iter().map(|e| (e.pointer, e.code)).collect()) }
    }

    #[test]
    fn a_row_is_a_contact_and_other_columns_are_attributes() {
        let profile =
            row("\"Lovelace, Ada\",ada@example.com,+12125550123,Europe/London,\"vip; eu,vip\",42,GRANTED,,pro")
                .unwrap();
        assert_eq!(profile.name.as_deref(), Some("Lovelace, Ada"));
        assert!(profile.emails[0].primary && profile.phones[0].primary);
        assert_eq!(profile.tags, ["vip", "eu"]);
        assert_eq!((profile.consent.email, profile.consent.sms), (Consent::Granted, Consent::Unknown));
        assert_eq!(profile.attributes["plan"], "pro");
        assert_eq!(row("Ada").unwrap().name.as_deref(), Some("Ada"));
    }

    #[test]
    fn every_wrong_cell_of_a_row_is_named() {
        assert_eq!(
            row("Ada,nobody,123,,,,yes,,"),
            Err(vec![
                ("/email".into(), "invalid_email"),
                ("/phone".into(), "invalid_phone_number"),
                ("/consent_email".into(), "unknown_value")
            ])
        );
        assert_eq!(row(",,,,,,,,"), Err(vec![(String::new(), "empty")]));
        assert_eq!(row("a,,,,,,,,,,,"), Err(vec![(String::new(), "too_many_cells")]));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let columns = Columns::read(HEADER).unwrap();
        let mut faults = Faults::default();
        let _ = columns.profile(b"\xff\xfe,a@b.de", &mut faults);
        assert_eq!(faults.into_errors()[0].code, "invalid_csv");
    }

    #[test]
    fn a_header_must_say_something_and_not_twice() {
        for (header, code) in [
            (&b"plan,color"[..], "header_required"),
            (b"a@b.de,+12125550123", "header_required"),
            (b"email,Email", "repeated_column"),
            (b"email,plan,plan", "repeated_column"),
            (b"email,", "empty"),
            (b"\xff", "invalid_csv"),
        ] {
            let Err(ApiError::Invalid(errors)) = Columns::read(header) else { panic!("{header:?} was taken") };
            assert_eq!(errors[0].code, code, "{header:?}");
        }
    }
}
