//! Webhooks that said that nobody listens there any more, until the directory has switched them off.
//!
//! Memory of this process: if it dies before, the next notice hears the same.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::domain::ids::{AccountNo, WebhookId};

/// Webhooks that are to be switched off; there are as many as there are webhooks, at most.
#[derive(Debug, Default)]
pub struct GoneWebhooks {
    waiting: Mutex<BTreeSet<(AccountNo, WebhookId)>>,
    news: Notify,
}

impl GoneWebhooks {
    /// Notes one.
    pub fn add(&self, account: AccountNo, id: WebhookId) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert((account, id));
        self.news.notify_one();
    }

    /// All that were noted since; waits for the first.
    pub async fn next(&self) -> BTreeSet<(AccountNo, WebhookId)> {
        loop {
            let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if !waiting.is_empty() {
                return waiting;
            }
            self.news.notified().await;
        }
    }
}
