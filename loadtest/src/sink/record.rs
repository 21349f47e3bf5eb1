//! What a sink recorded: bounded, and awaitable without polling.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::wait::TimedOut;

/// A list that only grows, up to its limit; what comes after is counted, not kept.
#[derive(Debug)]
pub struct Record<T> {
    items: Mutex<Vec<T>>,
    /// Everything ever pushed, also past the limit.
    pushed: watch::Sender<usize>,
    limit: usize,
}

impl<T: Clone> Record<T> {
    /// An empty record that keeps at most `limit` items.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { items: Mutex::new(Vec::new()), pushed: watch::Sender::new(0), limit }
    }

    fn items(&self) -> MutexGuard<'_, Vec<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item, or only counts it when the record is full.
    pub fn push(&self, item: T) {
        {
            let mut items = self.items();
            if items.len() < self.limit {
                items.push(item);
            }
        }
        self.pushed.send_modify(|count| *count += 1);
    }

    /// How many items came, kept or not.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.pushed.borrow()
    }

    /// How many items came after the record was full. A check of completeness must find zero here.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.count().saturating_sub(self.items().len())
    }

    /// A copy of everything kept.
    #[must_use]
    pub fn all(&self) -> Vec<T> {
        self.items().clone()
    }

    /// Looks at everything kept without copying it.
    pub fn with<R>(&self, look: impl FnOnce(&[T]) -> R) -> R {
        look(&self.items())
    }

    /// Waits until `is_met` holds for what is kept, looking again at every new item.
    ///
    /// # Errors
    /// [`TimedOut`] when `within` has passed.
    pub async fn wait_for(
        &self,
        what: &str,
        within: Duration,
        mut is_met: impl FnMut(&[T]) -> bool,
    ) -> Result<Vec<T>, TimedOut> {
        let mut pushed = self.pushed.subscribe();
        let look = async {
            loop {
                pushed.borrow_and_update();
                if self.with(&mut is_met) {
                    return self.all();
                }
                // The sender lives in `self`, so the channel is open for as long as we wait.
                if pushed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match tokio::time::timeout(within, look).await {
            Ok(items) => Ok(items),
            Err(_) => Err(TimedOut::new(what, within)),
        }
    }

    /// Waits until at least `count` items came, kept or not.
    ///
    /// # Errors
    /// [`TimedOut`] when `within` has passed.
    pub async fn wait_for_count(&self, count: usize, within: Duration) -> Result<(), TimedOut> {
        let mut pushed = self.pushed.subscribe();
        match tokio::time::timeout(within, pushed.wait_for(|seen| *seen >= count)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(TimedOut::new(&format!("{count} items, have {}", self.count()), within)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_comes_past_the_limit_is_counted_not_kept() {
        let record = Record::with_limit(2);
        for item in 0..5 {
            record.push(item);
        }
        assert_eq!(record.all(), [0, 1]);
        assert_eq!((record.count(), record.dropped()), (5, 3));
    }

    #[tokio::test]
    async fn a_waiter_wakes_when_the_item_comes() {
        let record = Arc::new(Record::with_limit(10));
        let waiter = {
            let record = Arc::clone(&record);
            tokio::spawn(
                async move { record.wait_for("a seven", Duration::from_secs(5), |items| items.contains(&7)).await },
            )
        };
        record.push(1);
        record.push(7);
        assert_eq!(waiter.await.unwrap().unwrap(), [1, 7]);
    }

    #[tokio::test]
    async fn a_waiter_gives_up_at_its_deadline() {
        let record = Record::<u8>::with_limit(1);
        assert!(record.wait_for("anything", Duration::from_millis(5), |items| !items.is_empty()).await.is_err());
        assert!(record.wait_for_count(1, Duration::from_millis(5)).await.is_err());
    }
}
