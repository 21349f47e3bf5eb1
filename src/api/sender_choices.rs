//! `GET /v1/contacts/{id}/senders`: what a message to a contact can be sent from and to, and what is
//! taken when the caller does not say.

use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::address::{Area, Channel, PhoneNumber};
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::directory::{SenderAddress, Snapshot};
use sendwheel_actors::domain::ids::ContactId;
use sendwheel_actors::domain::permissions::{Choice, Why, choose_sender, permitted_senders};
use sendwheel_actors::engine::api::Caller;
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, PathId, ok};
use super::auth::Authenticated;
use super::checks::CHANNELS;
use super::faults::At;
use super::paging::Query;
use super::routes::Shared;
use super::sender_view::SenderView;

/// A sender to choose.
#[derive(Serialize, ToSchema)]
pub(crate) struct FromChoice<'a> {
    #[schema(value_type = SenderView)]
    pub(crate) sender: SenderView<'a>,
    /// Whether it is taken when the caller does not say.
    pub(crate) default: bool,
    /// `last_used`, `assigned` (to you), `default` (of the account); else `local` for a number of the recipient's
    /// country and area code; else `unassigned`, or `role` (an admin uses all).
    #[schema(value_type = String)]
    pub(crate) why: &'static str,
    /// Whether it shares the country and the area code of the contact's number that is taken by default.
    local: bool,
}

/// An address of the contact to choose.
#[derive(Serialize, ToSchema)]
pub(crate) struct ToChoice<'a> {
    #[schema(value_type = String)]
    pub(crate) address: &'a str,
    #[schema(value_type = Option<String>)]
    pub(crate) label: Option<&'a str>,
    /// Whether it is taken when the caller does not say.
    pub(crate) default: bool,
    /// `last_used`, `primary` or `other`.
    #[schema(value_type = String)]
    pub(crate) why: &'static str,
}

/// What a message to a contact can be sent from and to.
#[derive(Serialize, ToSchema)]
pub(crate) struct SenderChoices<'a> {
    /// The senders that the caller may use.
    pub(crate) data: Vec<FromChoice<'a>>,
    /// Always `null`: the list is whole.
    next_cursor: Option<String>,
    /// The contact's addresses on this channel.
    pub(crate) to: Vec<ToChoice<'a>>,
}

/// What a message to this contact can be sent from and to.
pub(crate) fn choices<'a>(
    contact: &'a Contact,
    channel: Channel,
    caller: &Caller,
    directory: &'a Snapshot,
) -> SenderChoices<'a> {
    let senders: Vec<_> = directory.senders_of(caller.account).filter(|sender| sender.channel() == channel).collect();
    let last_used = contact.last_used(channel).sender;
    let senders = senders.iter().copied();
    let default = choose_sender(caller.role, caller.user, senders.clone(), last_used).map(|choice| choice.sender.id);
    let last = contact.last_used(channel).address.as_ref().map(|address| address.as_str());
    let profile = &contact.profile;
    let addresses: Vec<(&str, Option<&str>, bool)> = match channel {
        Channel::Email => {
            profile.emails.iter().map(|one| (one.address.as_str(), one.label.as_deref(), one.primary)).collect()
        }
        Channel::Sms => {
            profile.phones.iter().map(|one| (one.number.as_str(), one.label.as_deref(), one.primary)).collect()
        }
        // Not among the choices.
        Channel::Webhook => Vec::new(),
    };
    let last_is_there = addresses.iter().any(|(address, ..)| Some(*address) == last);
    let to = |(address, label, is_primary): (&'a str, Option<&'a str>, bool)| {
        let why = match () {
            () if Some(address) == last => "last_used",
            () if is_primary => "primary",
            () => "other",
        };
        ToChoice { address, label, default: why == "last_used" || (why == "primary" && !last_is_there), why }
    };
    let to: Vec<_> = addresses.into_iter().map(to).collect();

    let number = to.iter().find(|choice| choice.default).and_then(|choice| PhoneNumber::parse(choice.address).ok());
    let home = number.as_ref().and_then(Area::of);
    let from = |Choice { sender, why }: Choice<'a>| {
        let area = if let SenderAddress::Phone(number) = &sender.address { Area::of(number) } else { None };
        let local = area.is_some() && area == home;
        let why = match why {
            Why::Unassigned | Why::Role if local => "local",
            why => why.as_str(),
        };
        FromChoice { sender: SenderView::of(sender), default: Some(sender.id) == default, why, local }
    };
    let data = permitted_senders(caller.role, caller.user, senders, last_used).into_iter().map(from).collect();
    SenderChoices { data, next_cursor: None, to }
}

/// What a message to this contact can be sent from and to, and what is taken when the caller does not say.
#[utoipa::path(get, path = "/v1/contacts/{id}/senders", tag = "contacts",
    params(("id" = String, Path), ("channel" = super::schemas::Channel, Query)),
    responses((status = 200, body = SenderChoices)))]
pub(crate) async fn list_sender_choices(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<ContactId>,
) -> Answer {
    let mut query = Query::of(&request, &["channel"]);
    let channel = query.parsed("channel", |text| {
        let found = CHANNELS.iter().find(|(name, _)| *name == text);
        found.map(|(_, channel)| *channel).ok_or(("unknown_value", "expected one of: email, sms".to_owned()))
    });
    if channel.is_none() && query.faults.is_empty() {
        let root = At::Root;
        query.faults.refuse(&root.member("channel"), "required", "say which channel: email or sms");
    }
    let channel = query.faults.finish(channel)?;
    let contact = shared.state.engine.contact(&auth.caller, id).await?;
    Ok(ok(&choices(&contact, channel, &auth.caller, &auth.directory)))
}

#[cfg(test)]
mod tests {
    use sendwheel_actors::domain::clock::UnixMs;
    use sendwheel_actors::domain::contact::{ContactPhone, LastUsed, Life, Merges, Profile};
    use sendwheel_actors::domain::directory::{Role, Sender};
    use sendwheel_actors::domain::ids::{AccountNo, LaneNo, SenderId, UserId};
    use sendwheel_actors::domain::message::Author;

    use super::*;

    const ME: UserId = UserId::from_bytes([1; 16]);

    fn sender(no: u32, assigned_user: Option<UserId>, is_default: bool) -> Sender {
        Sender {
            id: SenderId::from_bytes([no as u8; 16]),
            lane: LaneNo(no),
            account: AccountNo(1),
            version: 1,
            address: SenderAddress::ShortOrName(format!("{no}{no}{no}")),
            label: None,
            is_default,
            assigned_user,
            limit: None,
            country: None,
            paused: false,
            created_at: UnixMs(0),
            updated_at: UnixMs(0),
            request_hash: None,
        }
    }

    fn contact(last: Option<u32>) -> Contact {
        let phone =
            |number: &str, primary| ContactPhone { number: PhoneNumber::parse(number).unwrap(), label: None, primary };
        Contact {
            id: ContactId::from_bytes([9; 16]),
            account: AccountNo(1),
            version: 1,
            life: Life::Live,
            merges: Merges::default(),
            profile: Profile {
                phones: vec![phone("+12125550100", true), phone("+12125550101", false)],
                ..Profile::default()
            },
            last_email: LastUsed::default(),
            last_sms: LastUsed { address: None, sender: last.map(|no| SenderId::from_bytes([no as u8; 16])) },
            conversation: Default::default(),
            created_at: UnixMs(0),
            updated_at: UnixMs(0),
            request_hash: None,
            habit: None,
            sent: Vec::new(),
        }
    }

    #[test]
    fn a_choice_is_shown_with_its_reason_and_one_is_the_default() {
        let mut directory = Snapshot::default();
        let other = UserId::from_bytes([2; 16]);
        for one in [sender(1, None, true), sender(2, Some(ME), false), sender(3, Some(other), false)] {
            directory.put_sender(one);
        }
        let shown = |last: Option<u32>| {
            let role = Role::User;
            let author = Author::User(ME);
            let caller =
                Caller { account: AccountNo(1), author, role, user: Some(ME), test: false, origin: None, bulk: false };
            let contact = contact(last);
            let all = choices(&contact, Channel::Sms, &caller, &directory);
            all.data.iter().map(|one| (one.why, one.default)).collect::<Vec<_>>()
        };
        assert_eq!(shown(None), [("assigned", true), ("default", false)]);
        assert_eq!(shown(Some(3)), [("last_used", true), ("default", false), ("assigned", false)]);
    }

    #[test]
    fn a_number_of_the_recipient_s_area_is_marked_and_is_a_reason_of_its_own() {
        let mut directory = Snapshot::default();
        let numbers = ["+12125550170", "+13105550170", "+12125550171"];
        for (no, number) in (1..).zip(numbers) {
            let address = SenderAddress::Phone(PhoneNumber::parse(number).unwrap());
            directory.put_sender(Sender { address, ..sender(no, None, no == 3) });
        }
        let (author, role) = (Author::User(ME), Role::User);
        let caller =
            Caller { account: AccountNo(1), author, role, user: Some(ME), test: false, origin: None, bulk: false };
        let contact = contact(None);
        let all = choices(&contact, Channel::Sms, &caller, &directory);
        let shown: Vec<_> = all.data.iter().map(|one| (one.why, one.local)).collect();
        assert_eq!(shown, [("default", true), ("local", true), ("unassigned", false)]);
    }

    #[test]
    fn the_primary_address_is_the_default_until_another_was_used() {
        let caller = Caller {
            account: AccountNo(1),
            author: Author::System,
            role: Role::User,
            user: None,
            test: false,
            origin: None,
            bulk: false,
        };
        let directory = Snapshot::default();
        let mut contact = contact(None);
        let defaults = |contact: &Contact| {
            let all = choices(contact, Channel::Sms, &caller, &directory);
            all.to.iter().map(|one| one.default).collect::<Vec<_>>()
        };
        assert_eq!(defaults(&contact), [true, false]);
        let last =
            |number: &str| Some(sendwheel_actors::domain::address::Address::Phone(PhoneNumber::parse(number).unwrap()));
        contact.last_sms.address = last("+12125550101");
        assert_eq!(defaults(&contact), [false, true]);
        contact.last_sms.address = last("+12125550199");
        assert_eq!(defaults(&contact), [true, false], "a last used address that was removed counts for nothing");
    }
}
