use sendwheel_actors::domain::address::Address;
use sendwheel_actors::domain::ids::{AccountNo, CampaignNo, LaneNo};
use sendwheel_actors::domain::message::{Class, Content, Message, State, StoredContent};
use sendwheel_actors::domain::schedule::WallClock;
use sendwheel_actors::domain::verdict::Failure;
use serde_json::json;

use super::*;

fn seen() -> Seen {
    let content = Content { text: Some("Hi".into()), render: true, ..Content::default() };
    Seen {
        message: Message {
            id: MessageId::from_bytes([1; 16]),
            origin: None,
            account: AccountNo(1),
            contact: ContactId::from_bytes([2; 16]),
            version: 3,
            channel: Channel::Sms,
            class: Class::Transactional,
            sender: SenderId::from_bytes([3; 16]),
            lane: LaneNo(4),
            to: Address::parse(Channel::Sms, "+12125550123").unwrap(),
            content: StoredContent::Inline(content.clone()),
            attachments: Vec::new(),
            state: State::Scheduled,
            reason: Some(Reason::RetryAfter("http_503".into())),
            intent: Intent::Wall(WallClock {
                local: "2027-03-14T02:30".into(),
                zone: "America/New_York".into(),
                zone_of_contact: true,
                gap: GapPolicy::Forward,
                fold: FoldPolicy::First,
                resolution: Resolution::Gap,
            }),
            due_at: UnixMs(1_796_115_600_123),
            if_late: IfLate::SkipAfter(std::time::Duration::from_secs(21_600)),
            quiet_hours: QuietHoursPolicy::Defer,
            cancel_on_reply: false,
            created_us: 1_796_000_000_000_000,
            updated_at: UnixMs(1_796_000_000_000),
            since: UnixMs(1_796_000_000_000),
            is_cancel_requested: false,
            author: Author::System,
            campaign: CampaignNo(0),
            estimated_cost: 1,
            attempts: vec![Attempt {
                number: 1,
                started_at: UnixMs(1_796_115_600_000),
                finished_at: None,
                outcome: AttemptOutcome::Transient,
                provider_id: None,
                failure: Some(Failure::provider("http_503", "the provider is busy")),
                cost: 2,
            }],
            history: Vec::new(),
            request_hash: None,
            metadata: BTreeMap::new(),
            requeue_of: None,
            reply: Default::default(),
            thread: None,
            receipt: None,
            test: false,
            plan: None,
            response: Default::default(),
            series: None,
            callback_url: None,
        },
        content,
        queued: None,
    }
}

#[test]
fn a_message_is_shown_with_the_contract_s_names() {
    let (seen, directory) = (seen(), Snapshot::default());
    let shown = serde_json::to_value(MessageView::of(&seen, &directory).explained(&seen)).unwrap();
    for name in [
        "id",
        "version",
        "created_at",
        "updated_at",
        "contact_id",
        "channel",
        "to",
        "from",
        "subject",
        "body",
        "text",
        "html",
        "class",
        "state",
        "reason",
        "due_at",
        "attempts",
        "send",
        "metadata",
        "segments",
    ] {
        assert!(shown.get(name).is_some(), "{name}");
    }
    assert_eq!(shown["due_at"], "2026-12-01T09:00:00.123Z");
    assert_eq!(shown["body"], "Hi");
    assert_eq!(shown["segments"], 2, "as last charged");
    assert_eq!(shown["if_late"], json!({"skip_after": "6h"}));
    assert_eq!(shown["send"]["resolution"], "gap");
    assert_eq!(shown["send"]["time_zone"], "contact");
    assert_eq!(shown["reason"]["code"], "retry");
    assert_eq!(shown["attempts"][0]["code"], "http_503");
    assert_eq!(shown["explain"]["plan"]["resolution"], "gap");
    assert_eq!(shown["who"], "system");
}

#[test]
fn a_message_that_waits_in_its_lane_is_queued_and_says_for_what() {
    let seen = Seen { queued: Some(LaneReason::LanePaused), ..seen() };
    let directory = Snapshot::default();
    let shown = serde_json::to_value(MessageView::of(&seen, &directory)).unwrap();
    assert_eq!((shown["state"].as_str(), shown["reason"]["code"].as_str()), (Some("queued"), Some("lane_paused")));
}
