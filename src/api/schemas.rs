//! The choices of the API for its document: their names are the domain's, a test compares them.

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::send_request::{IfLateRequest, SendRequest};

/// The way a message travels.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, dead_code, reason = "a schema: the names say it")]
pub enum Channel {
    Email,
    Sms,
}

/// How urgent a message is within its lane.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, dead_code, reason = "a schema: the names say it")]
pub enum Class {
    Conversation,
    Transactional,
    Campaign,
}

/// Where a message stands.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, dead_code, reason = "a schema: the names say it")]
pub enum State {
    Scheduled,
    Queued,
    Sending,
    Submitted,
    Delivered,
    Undelivered,
    Bounced,
    Held,
    Uncertain,
    Failed,
    Canceled,
    Expired,
}

/// What a contact agreed to on one channel.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, dead_code, reason = "a schema: the names say it")]
pub enum Consent {
    Unknown,
    Granted,
    Denied,
}

/// What a caller may do.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, dead_code, reason = "a schema: the names say it")]
pub enum Role {
    User,
    Admin,
    Operator,
}

/// What to do with a message that falls into quiet hours.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, dead_code, reason = "a schema: the names say it")]
pub enum QuietHours {
    Defer,
    Skip,
    Ignore,
}

/// How a wall-clock time met a clock change.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, dead_code, reason = "a schema: the names say it")]
pub enum Resolution {
    Exact,
    Gap,
    Fold,
}

/// What to do with a wall-clock time that a clock change skips.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, dead_code, reason = "a schema: the names say it")]
pub enum Gap {
    Forward,
    Backward,
    Reject,
}

/// What to do with a wall-clock time that a clock change repeats.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, dead_code, reason = "a schema: the names say it")]
pub enum Fold {
    First,
    Last,
    Reject,
}

/// What came of an attempt.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, dead_code, reason = "a schema: the names say it")]
pub enum AttemptOutcome {
    Pending,
    Submitted,
    Transient,
    Permanent,
    Unknown,
}

/// How a person settles an uncertain message.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, dead_code, reason = "a schema: the names say it")]
pub enum ResolveAs {
    Submitted,
    Failed,
    Canceled,
    Retry,
}

/// Changes to a pending message: what is left out stays as it is.
#[derive(ToSchema)]
#[expect(missing_docs, dead_code, reason = "a schema: a message request without what cannot be changed")]
pub struct MessageChange {
    pub to: Option<String>,
    pub from: Option<String>,
    pub subject: Option<String>,
    pub body: Option<String>,
    pub text: Option<String>,
    pub html: Option<String>,
    #[schema(value_type = Option<SendRequest>)]
    pub send: (),
    pub class: Option<Class>,
    #[schema(value_type = Option<IfLateRequest>)]
    pub if_late: (),
    pub quiet_hours: Option<QuietHours>,
    pub cancel_on_reply: Option<bool>,
    /// Replaces all labels.
    pub metadata: Option<BTreeMap<String, String>>,
}

#[cfg(test)]
mod tests {
    use sendwheel_actors::domain::message::StateName;
    use sendwheel_actors::domain::{address, message};
    use utoipa::PartialSchema;

    use super::super::message_request::MessageRequest;
    use super::*;

    fn names<T: PartialSchema>() -> Vec<String> {
        let schema = serde_json::to_value(T::schema()).expect("a schema is JSON");
        let names = schema["enum"].as_array().expect("a choice").iter();
        names.map(|name| name.as_str().expect("a name").to_owned()).collect()
    }

    #[test]
    fn the_document_s_choices_are_the_domain_s() {
        assert_eq!(names::<State>(), StateName::ALL.map(StateName::as_str));
        let mut channels = address::Channel::ALL.map(address::Channel::name);
        channels.sort_unstable();
        assert_eq!(names::<Channel>(), channels);
        assert_eq!(names::<Class>(), message::Class::ALL.map(message::Class::name));
    }

    #[test]
    fn a_change_has_the_fields_of_a_message_that_can_be_changed() {
        let schema = serde_json::to_value(MessageChange::schema()).expect("a schema is JSON");
        let fixed = ["channel", "attachments", "render", "recurrence", "reply_to_message"];
        let mut expected: Vec<_> = MessageRequest::NAMES.iter().filter(|name| !fixed.contains(name)).collect();
        expected.sort_unstable();
        let mut names: Vec<_> = schema["properties"].as_object().expect("fields").keys().collect();
        names.sort_unstable();
        assert_eq!(names, expected);
    }
}
