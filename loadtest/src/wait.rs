//! Waiting for a condition, always with a deadline.

use std::future::Future;
use std::time::Duration;

use crate::wall::Stopwatch;

/// How often a condition that cannot tell of its change is looked at.
const POLL: Duration = Duration::from_millis(20);

/// A condition did not come true in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("gave up after {waited_ms} ms waiting for {what}")]
pub struct TimedOut {
    /// What was waited for.
    pub what: String,
    /// How long, in milliseconds.
    pub waited_ms: u64,
}

impl TimedOut {
    pub(crate) fn new(what: &str, waited: Duration) -> Self {
        Self { what: what.to_owned(), waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX) }
    }
}

/// Looks at a condition every 20 ms until it gives a value.
///
/// # Errors
/// [`TimedOut`] when `within` has passed; the condition is looked at once more after that.
pub async fn until<T, F, Fut>(what: &str, within: Duration, mut condition: F) -> Result<T, TimedOut>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let watch = Stopwatch::start();
    loop {
        let is_last = watch.is_past(within);
        if let Some(value) = condition().await {
            return Ok(value);
        }
        if is_last {
            return Err(TimedOut::new(what, watch.elapsed()));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The same on a thread of its own: yields until the condition holds.
#[cfg(test)]
pub(crate) fn until_blocking(mut condition: impl FnMut() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test]
    async fn a_condition_that_comes_true_ends_the_wait() {
        let looks = Cell::new(0);
        let got = until("the third look", Duration::from_secs(5), || {
            looks.set(looks.get() + 1);
            let seen = looks.get();
            async move { (seen == 3).then_some(seen) }
        })
        .await;
        assert_eq!(got, Ok(3));
    }

    #[tokio::test]
    async fn a_condition_that_stays_false_names_itself() {
        let got: Result<(), _> = until("the sky to fall", Duration::from_millis(1), || async { None }).await;
        assert!(got.unwrap_err().to_string().ends_with("waiting for the sky to fall"));
    }
}
