//! What the installation itself writes to people: invitations, links for forgotten passwords, alerts.
//!
//! Such a mail goes the way of every other one, with its retries and dead letters. Its contact belongs to the
//! installation's own account, so that no account sees it in its lists, and it is made when it is first needed: one
//! for each address, known by a digest of it. Whoever is removed as a user is removed there, too.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::handle::Engine;
use crate::domain::address::{Address, Channel, EmailAddress};
use crate::domain::clock::UnixMs;
use crate::domain::contact::{ContactEmail, Profile, Removal};
use crate::domain::directory::people::sign_in_name;
use crate::domain::directory::{Role, User};
use crate::domain::ids::{AccountNo, ContactId};
use crate::domain::message::{Author, Class, Content, ReplyChoice};
use crate::domain::password::Password;
use crate::domain::password_link::{INVITATION_LASTS, RESET_LASTS};
use crate::domain::schedule::{IfLate, QuietHoursPolicy};
use crate::protocol::api::{
    Caller, Created, EngineError, EngineResult, Idempotency, NewContact, NewIntent, NewMessage, Upserted,
};

/// One mail of a kind is sent to a user within this long, however often it is asked for.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// The installation, writing to its users.
const SYSTEM: Caller = Caller {
    account: AccountNo::SYSTEM,
    author: Author::System,
    role: Role::Operator,
    user: None,
    test: false,
    origin: None,
    bulk: false,
};

/// What a mail of the installation says.
pub(super) struct Notice {
    pub(super) to: EmailAddress,
    pub(super) subject: String,
    pub(super) text: String,
    /// The same one is sent once.
    pub(super) key: String,
}

/// The external id of the contact behind an address.
pub(super) fn addressee(address: &EmailAddress) -> String {
    hex::encode(&Sha256::digest(sign_in_name(address).as_bytes())[..16])
}

/// A name for the mails of one kind that are sent to a user in one stretch of time.
fn key_of(kind: &str, user: &User, now: UnixMs) -> String {
    let stretch = now.0 / i64::try_from(AGAIN_AFTER.as_millis()).unwrap_or(i64::MAX);
    format!("{kind}.{}.{}.{stretch}", user.id, addressee(&user.email))
}

fn greeting(user: &User) -> String {
    user.name.as_deref().map_or_else(|| "Hello,".to_owned(), |name| format!("Hello {name},"))
}

impl Engine {
    /// Sends a mail of the installation's own.
    pub(super) async fn notify(&self, notice: Notice) -> EngineResult<()> {
        let address = Address::Email(notice.to.clone());
        let email = ContactEmail { address: notice.to.clone(), label: None, primary: true };
        let profile = Profile { emails: vec![email], external_id: Some(addressee(&notice.to)), ..Profile::default() };
        let contact = match self.upsert_contact(&SYSTEM, NewContact { profile, idempotency: None }).await? {
            Upserted::Created(contact) | Upserted::Updated(contact) => contact,
        };
        let request_hash = Sha256::digest(notice.key.as_bytes())[..16].try_into().expect("16 bytes");
        let text = Some(notice.text);
        let new = NewMessage {
            channel: Channel::Email,
            to: Some(address),
            from: None,
            content: Content { subject: Some(notice.subject), text, html: None, render: false },
            template: None,
            attachments: Vec::new(),
            intent: NewIntent::Now,
            class: Some(Class::Transactional),
            if_late: IfLate::Send,
            quiet_hours: QuietHoursPolicy::Ignore,
            cancel_on_reply: false,
            reply: ReplyChoice::None,
            metadata: Default::default(),
            recurrence: None,
            callback_url: None,
            idempotency: Some(Idempotency { key: notice.key, request_hash }),
        };
        match self.schedule(&SYSTEM, contact.id, new).await? {
            Created::New(_) | Created::Replayed(_) => Ok(()),
        }
    }

    /// Invites a user who has no password, by mail. Asked again within ten minutes, it is the same mail.
    ///
    /// # Errors
    /// They have a password already, the store.
    pub async fn invite(&self, user: &User) -> EngineResult<()> {
        if user.has_password() {
            let detail = "this user has a password already: let them ask for another one if they forgot it";
            return Err(EngineError::Conflict { code: "has_password", detail: detail.into() });
        }
        let directory = self.directory();
        let account = directory.account(user.account).map_or_else(String::new, |account| account.name.clone());
        let link = self.password_url(user, INVITATION_LASTS);
        let text = format!(
            "{}\n\nyou are invited to {account} on Sendwheel. Choose your password here:\n\n{link}\n\n\
             The link works once, within seven days. If you did not expect this mail, leave it be.\n",
            greeting(user)
        );
        let key = key_of("invitation", user, self.node.clock.now());
        let subject = format!("You are invited to {account}");
        self.notify(Notice { to: user.email.clone(), subject, text, key }).await
    }

    /// Sends whoever signs in with this address a link to choose another password, if there is such a user in an
    /// account that is not suspended. Nobody is told whether there is.
    pub async fn forgot_password(&self, email: &EmailAddress) {
        let directory = self.directory();
        let user = directory.user_by_email(email).filter(|user| directory.is_active(user.account));
        let Some(user) = user else { return };
        let link = self.password_url(user, RESET_LASTS);
        let text = format!(
            "{}\n\nsomebody asked for another password for you. Choose it here:\n\n{link}\n\n\
             The link works once, within an hour. If it was not you, leave it be: your password stays as it is.\n",
            greeting(user)
        );
        let key = key_of("forgotten", user, self.node.clock.now());
        let notice = Notice { to: user.email.clone(), subject: "Choose another password".into(), text, key };
        if let Err(error) = self.notify(notice).await {
            tracing::warn!(user = %user.id, %error, "a mail for a forgotten password could not be sent");
        }
    }

    /// Whether a link to choose a password can be used now.
    #[must_use]
    pub fn is_password_link(&self, token: &str) -> bool {
        self.directory.is_password_link(&self.node, token)
    }

    /// Gives whoever has a link the password that they chose; it ends their sessions.
    ///
    /// # Errors
    /// A link that is not valid any more, a guessable password, the store.
    pub async fn choose_password(
        &self,
        token: &str,
        password: &Password,
        from: Option<std::net::IpAddr>,
    ) -> EngineResult<()> {
        self.directory.choose_password(&self.node, token, password, from).await
    }

    /// Forgets an address that the installation wrote to: its user is gone.
    pub(super) async fn forget_addressee(&self, address: &EmailAddress) {
        let contact = ContactId::from_external_id(AccountNo::SYSTEM, &addressee(address));
        match self.delete_contact(&SYSTEM, contact, Removal::Delete).await {
            Ok(_) | Err(EngineError::NotFound) => {}
            Err(error) => tracing::warn!(%error, "what was written to a removed user stays until its retention ends"),
        }
    }

    fn password_url(&self, user: &User, lasts: Duration) -> String {
        let token = self.directory.password_link(&self.node, user, lasts);
        format!("{}/password/{token}", self.node.settings.public_url)
    }
}
