//! Contacts: create, upsert, read, list, change, delete.

use super::handle::{Engine, unexpected};
use super::lists::Source;
use super::merging::Patience;
use crate::contact::command::{Answer, ContactCommand};
use crate::domain::address::{Address, Channel};
use crate::domain::clock::UnixMs;
use crate::domain::contact::{Consent, Contact, ContactEmail, ContactPhone, Life, Merging, Profile, Removal};
use crate::domain::conversation::OptVia;
use crate::domain::directory::Role;
use crate::domain::ids::{AccountNo, ContactId};
use crate::domain::lift::Tally;
use crate::domain::message::Author;
use crate::domain::tracking::{Engagement, TokenError, Tracked};
use crate::domain::unsubscribe::Unsubscribe;
use crate::domain::zone::TimeZone;
use crate::protocol::api::{
    Caller, Created, EngineError, EngineResult, NewContact, Page, PageRequest, ProfilePatch, Upserted,
};
use crate::store::{Entry, Index, Member, RecordKey, Table, codec, keys};

/// Aliases point at a contact, never at another alias; one that outlived its contact is dropped, and the way begins
/// anew.
const MAX_HOPS: usize = 3;

impl Engine {
    fn new_contact_id(&self, caller: &Caller, new: &NewContact) -> ContactId {
        match (&new.profile.external_id, &new.idempotency) {
            (Some(external_id), _) => ContactId::from_external_id(caller.account, external_id),
            (None, Some(idempotency)) => ContactId::from_idempotency_key(caller.account, &idempotency.key),
            (None, None) => self.node.ids.contact(self.node.clock.now()),
        }
    }

    /// Creates a contact.
    ///
    /// # Errors
    /// A conflict with an external id or an idempotency key, an unknown zone, the store.
    pub async fn create_contact(&self, caller: &Caller, mut new: NewContact) -> EngineResult<Created<Contact>> {
        self.check_growth()?;
        check_zone(&mut new.profile.time_zone)?;
        let id = self.new_contact_id(caller, &new);
        for _ in 0..MAX_HOPS {
            match self.ask(id, ContactCommand::Create(*caller, Box::new(new.clone()))).await? {
                Answer::Created(created) => return Ok(created),
                Answer::StandsFor(other) => self.is_taken(caller, id, new.profile.external_id.clone(), other).await?,
                other => return Err(unexpected(&other)),
            }
        }
        Err(EngineError::Unavailable)
    }

    /// Creates a contact, or merges what is given into the one with its external id. Without an external
    /// id it always creates.
    ///
    /// # Errors
    /// An unknown zone, the store.
    pub async fn upsert_contact(&self, caller: &Caller, mut new: NewContact) -> EngineResult<Upserted> {
        self.check_growth()?;
        check_zone(&mut new.profile.time_zone)?;
        let id = self.new_contact_id(caller, &new);
        for _ in 0..MAX_HOPS {
            let other = match self.ask(id, ContactCommand::Upsert(*caller, Box::new(new.clone()))).await? {
                Answer::Upserted(upserted) => return Ok(upserted),
                Answer::StandsFor(other) => self.survivor(other).await?,
                other => return Err(unexpected(&other)),
            };
            match self.ask(other, ContactCommand::UpsertAliased(*caller, Box::new(new.clone()))).await {
                Ok(Answer::Upserted(upserted)) => return Ok(upserted),
                // Merged since: the way begins anew.
                Ok(Answer::StandsFor(_)) => {}
                Ok(other) => return Err(unexpected(&other)),
                Err(EngineError::NotFound) => {
                    self.drop_alias(caller, id, new.profile.external_id.clone(), other).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(EngineError::Unavailable)
    }

    /// Makes the contact of an address that no contact has. Its id is derived from the address, so that concurrent
    /// requests, and what comes in from there, meet.
    ///
    /// # Errors
    /// It is being deleted, the store.
    pub async fn create_contact_at(&self, caller: &Caller, address: &Address) -> EngineResult<Contact> {
        self.check_growth()?;
        let mut profile = Profile::default();
        match address.clone() {
            Address::Email(address) => profile.emails.push(ContactEmail { address, label: None, primary: true }),
            Address::Phone(number) => profile.phones.push(ContactPhone { number, label: None, primary: true }),
            Address::Url(_) => {
                return Err(EngineError::field("/to", "invalid_address", "a URL is no contact's address"));
            }
        }
        let id = ContactId::from_address_digest(&keys::address_digest(caller.account, address));
        let new = NewContact { profile, idempotency: None };
        match self.ask(id, ContactCommand::Upsert(*caller, Box::new(new))).await? {
            Answer::Upserted(upserted) => Ok(upserted.into_inner()),
            // It was merged, and the contact that survived has that address no more.
            Answer::StandsFor(other) => self.contact(caller, self.survivor(other).await?).await,
            other => Err(unexpected(&other)),
        }
    }

    /// An alias leads from one contact's id to another. If that one is gone, or has another external id, the alias is
    /// gone now, too; otherwise the external id is taken.
    async fn is_taken(
        &self,
        caller: &Caller,
        holder: ContactId,
        external_id: Option<String>,
        other: ContactId,
    ) -> EngineResult<()> {
        match self.contact(caller, other).await {
            Err(EngineError::NotFound) => self.drop_alias(caller, holder, external_id, other).await,
            Err(error) => Err(error),
            Ok(contact) if contact.profile.external_id.is_some() && contact.profile.external_id != external_id => {
                self.drop_alias(caller, holder, external_id, other).await
            }
            Ok(_) => Err(EngineError::Conflict {
                code: "external_id_taken",
                detail: format!("contact {other} has this external id: change that one"),
            }),
        }
    }

    async fn drop_alias(
        &self,
        caller: &Caller,
        holder: ContactId,
        external_id: Option<String>,
        target: ContactId,
    ) -> EngineResult<()> {
        let Some(external_id) = external_id else { return Ok(()) };
        match self.ask(holder, ContactCommand::DropAlias(caller.account, external_id, target)).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// One contact.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn contact(&self, caller: &Caller, id: ContactId) -> EngineResult<Contact> {
        let contact = self.contact_record(id).await?.filter(|contact| contact.account == caller.account);
        let contact = contact.ok_or(EngineError::NotFound)?;
        match contact.life {
            _ if contact.is_whole() => Ok(contact),
            Life::Merging(Merging { into, .. }) | Life::Merged(into) => Err(EngineError::Merged(into)),
            Life::Live | Life::Tombstone { .. } => Err(EngineError::NotFound),
        }
    }

    /// The live ones among these contacts of the caller's account.
    ///
    /// # Errors
    /// The store.
    pub async fn contacts_among(&self, caller: &Caller, ids: &[ContactId]) -> EngineResult<Vec<Contact>> {
        self.read_contacts(caller.account, ids).await
    }

    /// The live ones among these contacts.
    pub(super) async fn read_contacts(&self, account: AccountNo, ids: &[ContactId]) -> EngineResult<Vec<Contact>> {
        let wanted: Vec<_> = ids
            .iter()
            .map(|id| RecordKey { partition: self.partition_of(*id), table: Table::Contact, key: keys::contact(*id) })
            .collect();
        let mut contacts = Vec::with_capacity(ids.len());
        for bytes in self.read_records(&wanted).await?.into_iter().flatten() {
            let contact: Contact = codec::decode(&bytes).map_err(|error| super::lists::unreadable(&error))?;
            if contact.account == account && contact.is_whole() {
                contacts.push(contact);
            }
        }
        Ok(contacts)
    }

    /// An account's contacts, oldest first; with `query`: those with a term that begins so.
    ///
    /// # Errors
    /// A cursor that is none, the store.
    pub async fn contacts(
        &self,
        caller: &Caller,
        query: Option<&str>,
        page: PageRequest,
    ) -> EngineResult<Page<Contact>> {
        let query = query.map(str::trim).filter(|query| !query.is_empty()).map(str::to_lowercase);
        let Some(prefix) = query else {
            let listed = self.merged(Source::Up(Index::Contacts(caller.account)), None, UnixMs::MAX, &page).await?;
            let ids: Vec<_> =
                listed.items.iter().filter_map(|entry| keys::contact_of_member(&entry.member).ok()).collect();
            let items = self.read_contacts(caller.account, &ids).await?;
            return Ok(Page { items, next_cursor: listed.next_cursor });
        };
        // Digits of a number are found with or without the plus.
        let prefix = prefix.trim_start_matches('+').to_owned();
        let start = Entry { score: UnixMs(0), member: Member::from_slice(prefix.as_bytes()) };
        let mut listed = self.merged(Source::Up(Index::Search(caller.account)), Some(start), UnixMs(0), &page).await?;
        let before = listed.items.len();
        listed.items.retain(|entry| entry.member.starts_with(prefix.as_bytes()));
        let next_cursor = if listed.items.len() < before { None } else { listed.next_cursor };
        let mut ids = Vec::new();
        for entry in &listed.items {
            if let Ok(found) = keys::SearchMember::decode(&entry.member)
                && !ids.contains(&found.contact)
            {
                ids.push(found.contact);
            }
        }
        Ok(Page { items: self.read_contacts(caller.account, &ids).await?, next_cursor })
    }

    /// Changes a contact.
    ///
    /// # Errors
    /// Not found, another version, an external id that is taken, an unknown zone, the store.
    pub async fn patch_contact(
        &self,
        caller: &Caller,
        id: ContactId,
        mut patch: ProfilePatch,
        if_match: Option<u32>,
    ) -> EngineResult<Contact> {
        if let Some(zone) = &mut patch.time_zone {
            check_zone(zone)?;
        }
        if let Some(Some(external_id)) = patch.external_id.clone() {
            self.claim_external_id(caller, id, external_id).await?;
        }
        match self.ask(id, ContactCommand::Patch(*caller, Box::new(patch), if_match)).await? {
            Answer::Contact(contact) => Ok(*contact),
            other => Err(unexpected(&other)),
        }
    }

    /// The alias is committed first, so that an upsert by this external id meets the contact.
    async fn claim_external_id(&self, caller: &Caller, id: ContactId, external_id: String) -> EngineResult<()> {
        let holder = ContactId::from_external_id(caller.account, &external_id);
        let contact = self.contact(caller, id).await?;
        if holder == id || contact.profile.external_id.is_some() {
            return Ok(());
        }
        for _ in 0..MAX_HOPS {
            match self.ask(holder, ContactCommand::ClaimAlias(*caller, external_id.clone(), id)).await? {
                Answer::Done => return Ok(()),
                Answer::StandsFor(other) => self.is_taken(caller, holder, Some(external_id.clone()), other).await?,
                other => return Err(unexpected(&other)),
            }
        }
        Err(EngineError::Unavailable)
    }

    /// Deletes a contact with everything of it. How many pending messages went with it. From the answer on
    /// nothing of it is handed over; what it was goes afterwards.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn delete_contact(&self, caller: &Caller, id: ContactId, removal: Removal) -> EngineResult<u64> {
        match self.ask(id, ContactCommand::Delete(*caller, removal)).await? {
            Answer::Deleted(count) => Ok(count),
            other => Err(unexpected(&other)),
        }
    }

    /// Whose mail the picture of this token is in.
    ///
    /// # Errors
    /// It is none of ours.
    pub fn opened_by(&self, token: &str) -> Result<Tracked, TokenError> {
        self.node.tracking.verify_open(token)
    }

    /// Whose mail the link of this token is in, and where it leads.
    ///
    /// # Errors
    /// It is none of ours.
    pub fn clicked_by(&self, token: &str) -> Result<(Tracked, String), TokenError> {
        self.node.tracking.verify_click(token)
    }

    /// Keeps that a contact opened a mail, or followed a link of it.
    ///
    /// # Errors
    /// The store.
    pub async fn tracked(&self, what: Tracked, engagement: Engagement) -> EngineResult<()> {
        // It may have moved to another contact since, with this one.
        let message = match self.record_of(None, what.message).await {
            Ok(message) => message,
            Err(EngineError::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        };
        match self.ask(message.contact, ContactCommand::Tracked(message.id, engagement)).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// What became of the account's messages with a smart window.
    #[must_use]
    pub fn smart_send_tally(&self, caller: &Caller) -> Tally {
        self.node.habits.tally(caller.account)
    }

    /// Opts out by the signed token of a List-Unsubscribe link: nothing goes to the address that the mail was for any
    /// more, as after a STOP from there. If its contact has given that address up since, the contact is opted out of the
    /// channel. The channel it was for.
    ///
    /// # Errors
    /// Not found for a token that is none of ours or a contact that is gone; the store.
    pub async fn unsubscribe(&self, token: &str) -> EngineResult<Channel> {
        let who = self.node.unsubscribe.verify(token).map_err(|_| EngineError::NotFound)?;
        let mut patience = Patience::default();
        loop {
            match self.unsubscribe_once(who).await {
                Err(error) if patience.waits(&error).await => {}
                answered => return answered.map(|()| who.channel),
            }
        }
    }

    async fn unsubscribe_once(&self, who: Unsubscribe) -> EngineResult<()> {
        let caller = Caller {
            account: who.account,
            author: Author::System,
            role: Role::Admin,
            user: None,
            test: false,
            origin: None,
            bulk: false,
        };
        let contact = self.contact(&caller, self.survivor(who.contact).await?).await?;
        let is_meant = |address: &Address| keys::address_digest(who.account, address) == who.address;
        if let Some(address) = contact.profile.addresses().find(is_meant) {
            return self.opt_out(who.account, &address, OptVia::Link).await.map(drop);
        }
        let denied = Some(Consent::Denied);
        let patch = match who.channel {
            Channel::Email => ProfilePatch { consent_email: denied, ..ProfilePatch::default() },
            Channel::Sms => ProfilePatch { consent_sms: denied, ..ProfilePatch::default() },
            // No link is made out for it.
            Channel::Webhook => ProfilePatch::default(),
        };
        self.patch_contact(&caller, contact.id, patch, None).await.map(drop)
    }
}

/// The canonical spelling of a zone, or a refusal.
fn check_zone(zone: &mut Option<String>) -> EngineResult<()> {
    if let Some(name) = zone {
        let parsed = TimeZone::parse(name)
            .map_err(|error| EngineError::field("/time_zone", "unknown_time_zone", error.to_string()))?;
        *name = parsed.name().to_owned();
    }
    Ok(())
}
