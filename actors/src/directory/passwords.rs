//! Passwords, checked away from the shards: argon2id takes tens of milliseconds and 19 MiB each, so only a few
//! are under way at once, and only some wait for their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::SecretString;
use tokio::sync::Semaphore;

use super::secrets::{hash_password, verify_password};
use crate::domain::password::Password;
use crate::domain::source::IdSource;
use crate::protocol::api::{EngineError, EngineResult};

/// Under way at once, at most.
const MAX_AT_ONCE: usize = 4;
/// Under way and waiting; more are refused with `Overloaded`.
const MAX_WAITING: usize = 64;

/// A password that nobody has, kept at the same cost as all others: whoever names a user who does not exist
/// waits as long as for one who does.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCE$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The few that are under way.
#[derive(Debug)]
pub(super) struct Passwords {
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Default for Passwords {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { slots: Arc::new(Semaphore::new(processors.min(MAX_AT_ONCE))), waiting: AtomicUsize::new(0) }
    }
}

/// One that is under way or waits: counted while it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Passwords {
    async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> EngineResult<T> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= MAX_WAITING {
            return Err(EngineError::Overloaded);
        }
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| EngineError::Stopping)?;
        // The slot goes with the work: a client that goes away does not make room for one more.
        let work = move || {
            let _slot = slot;
            job()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| EngineError::Unavailable)
    }

    /// A password as it is kept.
    pub(super) async fn hash(&self, password: &Password, ids: &IdSource) -> EngineResult<String> {
        let (password, ids) = (password.clone(), ids.clone());
        self.run(move || hash_password(password.secret(), &ids)).await?.map_err(|error| {
            tracing::error!(%error, "a password could not be hashed");
            EngineError::Unavailable
        })
    }

    /// Whether a password is the one that was kept; takes as long if there is none.
    pub(super) async fn verify(&self, password: SecretString, kept: Option<String>) -> EngineResult<bool> {
        self.run(move || {
            let is_kept = kept.is_some();
            verify_password(&password, kept.as_deref().unwrap_or(NOBODY)) && is_kept
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::phc::PasswordHash;

    use super::*;

    #[test]
    fn nobody_s_password_costs_as_much_as_everybody_s() {
        let password = Password::parse("correct horse battery").unwrap();
        let real = hash_password(password.secret(), &IdSource::seeded(1)).unwrap();
        let (real, nobody) = (PasswordHash::new(&real).unwrap(), PasswordHash::new(NOBODY).unwrap());
        assert_eq!((real.algorithm, real.version), (nobody.algorithm, nobody.version));
        assert_eq!(real.params.to_string(), nobody.params.to_string());
        assert_eq!(real.hash.unwrap().as_bytes().len(), nobody.hash.unwrap().as_bytes().len());
    }

    #[tokio::test]
    async fn nobody_has_a_password() {
        let passwords = Passwords::default();
        let password = Password::parse("correct horse battery").unwrap();
        let kept = passwords.hash(&password, &IdSource::seeded(1)).await.unwrap();
        assert_eq!(passwords.verify(password.secret().clone(), Some(kept.clone())).await, Ok(true));
        assert_eq!(passwords.verify(SecretString::from("wrong"), Some(kept)).await, Ok(false));
        assert_eq!(passwords.verify(password.secret().clone(), None).await, Ok(false));
    }

    #[tokio::test]
    async fn a_crowd_is_turned_away_and_leaves_no_trace() {
        let passwords = Passwords::default();
        passwords.waiting.store(MAX_WAITING, Ordering::Relaxed);
        let refused = passwords.verify(SecretString::from("x"), None).await;
        assert_eq!(refused, Err(EngineError::Overloaded));
        assert_eq!(passwords.waiting.load(Ordering::Relaxed), MAX_WAITING);
    }
}
