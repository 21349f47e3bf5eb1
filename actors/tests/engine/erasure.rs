//! Erasing a contact: what is left of it afterwards, in every record and entry of the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use sendwheel_actors::domain::address::{Address, Channel, EmailAddress, PhoneNumber};
use sendwheel_actors::domain::clock::{SystemClock, UnixMs};
use sendwheel_actors::domain::contact::{Consent, ConsentByChannel, ContactEmail, ContactPhone, Profile, Removal};
use sendwheel_actors::domain::conversation::OptVia;
use sendwheel_actors::domain::ids::{AccountNo, ContactId, PartitionCount};
use sendwheel_actors::domain::message::{Class, Content, StateName};
use sendwheel_actors::domain::source::IdSource;
use sendwheel_actors::domain::suppression::SuppressionReason;
use sendwheel_actors::engine::api::{
    Incoming, NewAttachment, NewContact, NewIntent, NewMessage, PageRequest, ProfilePatch,
};
use sendwheel_actors::store::memory::{MemoryStore, no_faults};
use sendwheel_actors::store::{Index, Member, RangeQuery, RecordKey, SharedStore, Table, keys};

use super::support::{Node, settings, sms, until};

/// Everything of the person by which they could be known, none of which anybody else has.
const TRACES: [&str; 12] = [
    "Grizelda",
    "Quackenbush",
    "grizelda@example.net",
    "grizelda",
    "+12125559876",
    "2125559876",
    "crm-gq-77",
    "vip-gq",
    "Marmalade street",
    "a text to her",
    "a text of hers",
    "a note on her",
];

fn person() -> Profile {
    Profile {
        name: Some("Grizelda Quackenbush".into()),
        emails: vec![ContactEmail {
            address: EmailAddress::parse("grizelda@example.net").unwrap(),
            label: None,
            primary: true,
        }],
        phones: vec![ContactPhone { number: PhoneNumber::parse("+12125559876").unwrap(), label: None, primary: true }],
        tags: vec!["vip-gq".into()],
        attributes: BTreeMap::from([("home".into(), "Marmalade street".into())]),
        consent: ConsentByChannel { email: Consent::Granted, sms: Consent::Granted },
        ..Profile::default()
    }
}

fn address() -> Address {
    Address::Email(EmailAddress::parse("grizelda@example.net").unwrap())
}

/// Sent, pending, received and noted, small and large; her email address suppressed; an external id set later.
async fn acquaint(node: &Node) -> ContactId {
    node.sms_sender("+12125550100").await;
    node.email_sender("Acme <hi@acme.example>").await;
    let new = NewContact { profile: person(), idempotency: None };
    let contact = node.engine.create_contact(&node.caller, new).await.unwrap().into_inner().id;
    let external_id = Some(Some("crm-gq-77".into()));
    let patch = ProfilePatch { external_id, ..ProfilePatch::default() };
    node.engine.patch_contact(&node.caller, contact, patch, None).await.unwrap();
    let mail = |text: String, intent| NewMessage {
        channel: Channel::Email,
        class: Some(Class::Transactional),
        content: Content { subject: Some("a text to her".into()), text: Some(text), ..Content::default() },
        attachments: vec![NewAttachment {
            filename: "Quackenbush.pdf".into(),
            content_type: "application/pdf".into(),
            bytes: Bytes::from_static(b"a text to her, attached"),
        }],
        ..sms("", intent)
    };
    let large = "a text to her ".repeat(200);
    let sent = node.engine.schedule(&node.caller, contact, mail(large.clone(), NewIntent::Now)).await.unwrap();
    node.until_state(sent.into_inner().message.id, StateName::Submitted).await;
    let _ = node.engine.schedule(&node.caller, contact, mail(large, Node::in_ms(600_000))).await.unwrap();
    node.sms(contact, "a text to her", Node::in_ms(600_000)).await;
    let received = Incoming {
        account: node.caller.account,
        from: Address::Phone(PhoneNumber::parse("+12125559876").unwrap()),
        to: "+12125550100".into(),
        sender: None,
        contact: None,
        own_id: "SM1".into(),
        provider_id: Some("SM1".into()),
        name: None,
        content: Content { text: Some("a text of hers ".repeat(200)), ..Content::default() },
        attachments: Vec::new(),
        raw: None,
        mail: None,
        is_automatic: false,
    };
    assert_eq!(node.engine.receive(received).await.unwrap().contact, contact);
    let _ = node.engine.note(&node.caller, contact, "a note on her".into(), None).await.unwrap();
    let _ = node.engine.opt_out(node.caller.account, &address(), OptVia::Keyword).await.unwrap();
    contact
}

async fn erase(node: &Node, contact: ContactId) {
    node.engine.delete_contact(&node.caller, contact, Removal::Erase).await.unwrap();
    until("it is all gone", async || {
        let new = NewContact {
            profile: Profile { external_id: Some("crm-gq-77".into()), ..Profile::default() },
            idempotency: None,
        };
        // Its external id is free once nothing is left of it.
        match node.engine.create_contact(&node.caller, new).await {
            Ok(made) => {
                let made = made.into_inner().id;
                node.engine.delete_contact(&node.caller, made, Removal::Delete).await.unwrap();
                true
            }
            Err(_) => false,
        }
    })
    .await;
}

/// Suppressed as before, though nobody can read whom.
async fn assert_still_suppressed(node: &Node) {
    let found = node.engine.suppression(node.caller.account, &address()).await.unwrap().expect("it is suppressed");
    assert_eq!((found.address, found.reason), (None, SuppressionReason::Unsubscribed));
    let page = PageRequest { cursor: None, limit: 10 };
    assert_eq!(node.engine.suppressions(&node.caller, page).await.unwrap().items.len(), 1);
    let new = NewContact { profile: person(), idempotency: None };
    let again = node.engine.create_contact(&node.caller, new).await.unwrap().into_inner();
    let mail = NewMessage {
        channel: Channel::Email,
        content: Content { subject: Some("x".into()), text: Some("x".into()), ..Content::default() },
        ..sms("", NewIntent::Now)
    };
    let before = node.email.seen().len();
    let id = node.engine.schedule(&node.caller, again.id, mail).await.unwrap().into_inner().message.id;
    node.until_state(id, StateName::Canceled).await;
    assert_eq!(node.email.seen().len(), before);
}

fn traces_in(bytes: &[u8]) -> Vec<&'static str> {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    TRACES.into_iter().filter(|trace| text.contains(&trace.to_lowercase())).collect()
}

#[actix::test]
async fn of_an_erased_contact_no_record_and_no_entry_of_the_store_says_anything() {
    let folder = tempfile::tempdir().unwrap();
    let partitions = PartitionCount::new(16).unwrap();
    let data = MemoryStore::new(partitions, Arc::new(SystemClock), IdSource::seeded(1), no_faults());
    let handle: SharedStore = Arc::new(data.reopen(no_faults()));
    let node = Node::start_on(folder.path(), settings(), |_| handle).await;
    let contact = acquaint(&node).await;
    let found = || {
        let contents = data.contents();
        let records = contents
            .records
            .iter()
            .map(|((_, table, key), value)| (format!("{table:?}"), [traces_in(key), traces_in(value)].concat()));
        let entries = contents.entries.iter().map(|(_, index, _, member)| (format!("{index:?}"), traces_in(member)));
        let found: Vec<_> = records.chain(entries).filter(|(_, traces)| !traces.is_empty()).collect();
        found
    };
    for table in ["Contact", "Message", "Blob", "Item", "Alias", "Suppression", "Search"] {
        assert!(found().iter().any(|(place, _)| place.starts_with(table)), "the search looks into {table}");
    }
    erase(&node, contact).await;
    until("nothing is found", async || found().is_empty()).await;
    assert_still_suppressed(&node).await;
    node.stop().await;
}

/// What the embedded store shows of an account through the store's own questions: members of every index, and the
/// records that lie under the keys of the contact.
async fn shown(store: &SharedStore, account: AccountNo, keys: &[RecordKey]) -> Vec<String> {
    let partitions: Vec<_> = store.partitions().iter().collect();
    let mut found = Vec::new();
    for partition in partitions {
        for index in [
            Index::Due,
            Index::Held(account),
            Index::Attention(account),
            Index::Contacts(account),
            Index::Inbox(account),
            Index::Suppressions(account),
            Index::Search(account),
            Index::Audit(account),
        ] {
            let query = RangeQuery { partition, index, after: None, to: UnixMs::MAX, limit: 1_000, descending: false };
            let entries = store.ranges(&[query]).await.unwrap().remove(0);
            let seen = |member: &Member| !traces_in(member).is_empty();
            found.extend(entries.iter().filter(|entry| seen(&entry.member)).map(|_| format!("{index:?}")));
        }
    }
    let records = store.get(keys).await.unwrap();
    let there =
        keys.iter().zip(records).filter(|(_, value)| value.as_deref().is_some_and(|it| !traces_in(it).is_empty()));
    found.extend(there.map(|(key, _)| format!("{:?}", key.table)));
    found
}

#[actix::test]
async fn of_an_erased_contact_the_embedded_store_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = None;
    let node = Node::start_on(folder.path(), settings(), |store| {
        kept = Some(Arc::clone(&store));
        store
    })
    .await;
    let store = kept.unwrap();
    let contact = acquaint(&node).await;
    let page = PageRequest { cursor: None, limit: 100 };
    let thread = node.engine.thread(&node.caller, contact, page).await.unwrap();
    assert!(thread.items.len() >= 5, "sent, pending, received, noted");
    let (account, partitions) = (node.caller.account, store.partitions());
    let partition = partitions.of_contact(contact);
    let digest = keys::address_digest(account, &address());
    let holder = ContactId::from_external_id(account, "crm-gq-77");
    let mut wanted = vec![
        RecordKey { partition, table: Table::Contact, key: keys::contact(contact) },
        RecordKey {
            partition: partitions.of_contact(holder),
            table: Table::Alias,
            key: keys::alias(account, "crm-gq-77"),
        },
        RecordKey {
            partition: partitions.of_contact(ContactId::of_address_digest(&digest)),
            table: Table::Suppression,
            key: keys::suppression(account, digest),
        },
    ];
    for query in [Index::Pending(contact), Index::Timeline(contact)] {
        let query = RangeQuery { partition, index: query, after: None, to: UnixMs::MAX, limit: 100, descending: false };
        for entry in store.ranges(&[query]).await.unwrap().remove(0) {
            let id = match keys::TimelineMember::decode(&entry.member).unwrap() {
                keys::TimelineMember::Message(id) => {
                    wanted.push(RecordKey { partition, table: Table::Message, key: keys::message(id) });
                    id
                }
                keys::TimelineMember::Item(id) => {
                    wanted.push(RecordKey { partition, table: Table::Item, key: keys::item(id) });
                    id
                }
            };
            for number in [0, 1, 255] {
                let blob = sendwheel_actors::domain::message::BlobKey { message: id, number };
                wanted.push(RecordKey { partition, table: Table::Blob, key: keys::blob(blob) });
            }
        }
    }
    assert!(shown(&store, account, &wanted).await.len() >= 8, "the search finds what is there");
    erase(&node, contact).await;
    until("nothing is shown", async || shown(&store, account, &wanted).await.is_empty()).await;
    assert_still_suppressed(&node).await;
    node.stop().await;
}
