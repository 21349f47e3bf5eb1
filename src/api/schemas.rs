//! The choices of the API for its document: their names are the domain's, a test compares them.

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::send_request::{IfLateRequest, SendRequest};

/// The way a message to a person travels.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema")]
pub(crate) enum Channel {
    Email,
    Sms,
}

/// How urgent a message is within its lane.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema")]
pub(crate) enum Class {
    Conversation,
    Transactional,
    Campaign,
}

/// Where a message stands.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema")]
pub(crate) enum State {
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
#[expect(dead_code, reason = "a schema")]
pub(crate) enum Consent {
    Unknown,
    Granted,
    Denied,
}

/// What a caller may do.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema")]
pub(crate) enum Role {
    User,
    Admin,
    Operator,
}

/// Whether an account may do anything.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema")]
pub(crate) enum AccountStatus {
    Active,
    Suspended,
}

/// What to do with a message that falls into quiet hours.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema")]
pub(crate) enum QuietHours {
    Defer,
    Skip,
    Ignore,
}

/// How a wall-clock time met a clock change.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema")]
pub(crate) enum Resolution {
    Exact,
    Gap,
    Fold,
}

/// What to do with a wall-clock time that a clock change skips.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema")]
pub(crate) enum Gap {
    Forward,
    Backward,
    Reject,
}

/// What to do with a wall-clock time that a clock change repeats.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema")]
pub(crate) enum Fold {
    First,
    Last,
    Reject,
}

/// What came of an attempt.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema")]
pub(crate) enum AttemptOutcome {
    Pending,
    Submitted,
    Transient,
    Permanent,
    Unknown,
}

/// How a person settles an uncertain message.
#[derive(ToSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema")]
pub(crate) enum ResolveAs {
    Submitted,
    Failed,
    Canceled,
    Retry,
}

/// Changes to a pending message: what is left out stays as it is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema: a message request without what cannot be changed")]
pub(crate) struct MessageChange {
    to: Option<String>,
    from: Option<String>,
    subject: Option<String>,
    body: Option<String>,
    text: Option<String>,
    html: Option<String>,
    #[schema(value_type = Option<SendRequest>)]
    send: (),
    class: Option<Class>,
    #[schema(value_type = Option<IfLateRequest>)]
    if_late: (),
    quiet_hours: Option<QuietHours>,
    cancel_on_reply: Option<bool>,
    /// Replaces all labels.
    metadata: Option<BTreeMap<String, String>>,
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
        let mut channels = address::Channel::TO_PEOPLE.map(address::Channel::name);
        channels.sort_unstable();
        assert_eq!(names::<Channel>(), channels);
        assert_eq!(names::<Class>(), message::Class::ALL.map(message::Class::name));
    }

    #[test]
    fn a_change_has_the_fields_of_a_message_that_can_be_changed() {
        let schema = serde_json::to_value(MessageChange::schema()).expect("a schema is JSON");
        let fixed = ["channel", "attachments", "render", "recurrence", "reply_to_message", "template"];
        let mut expected: Vec<_> = MessageRequest::NAMES.iter().filter(|name| !fixed.contains(name)).collect();
        expected.sort_unstable();
        let mut names: Vec<_> = schema["properties"].as_object().expect("fields").keys().collect();
        names.sort_unstable();
        assert_eq!(names, expected);
    }
}
