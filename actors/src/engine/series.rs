//! Series: read, taken back, and that undone.

use super::handle::{Engine, unexpected};
use crate::contact::command::{Answer, ContactCommand};
use crate::domain::conversation::{ItemKind, ThreadItem};
use crate::domain::ids::{ContactId, SeriesId};
use crate::domain::series::SeriesState;
use crate::protocol::api::{Caller, EngineError, EngineResult, SeriesView};
use crate::shard::Step;

impl Engine {
    /// A series. One that moved with a merged contact is found under its old id, too.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn series(&self, caller: &Caller, id: SeriesId) -> EngineResult<SeriesView> {
        let (item, _) = self.item(caller, id.entry()).await?;
        view(item)
    }

    /// Takes a series back: when this answers, nothing of it is handed over any more. It can be repeated.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn cancel_series(&self, caller: &Caller, id: SeriesId) -> EngineResult<SeriesView> {
        let (view, was_changed) = self.series_canceled(caller, id).await?;
        if was_changed {
            self.remember(caller, view.contact, Step::CanceledSeries(view.id));
        }
        Ok(view)
    }

    pub(super) async fn series_canceled(&self, caller: &Caller, id: SeriesId) -> EngineResult<(SeriesView, bool)> {
        let found = self.series(caller, id).await?;
        match self.ask(found.contact, ContactCommand::CancelSeries(*caller, found.id)).await? {
            Answer::Item(item, was_changed) => Ok((view(*item)?, was_changed)),
            other => Err(unexpected(&other)),
        }
    }

    /// Lets a cancelled series go on.
    pub(super) async fn restore_series(
        &self,
        caller: &Caller,
        contact: ContactId,
        id: SeriesId,
    ) -> EngineResult<SeriesView> {
        match self.ask(contact, ContactCommand::RestoreSeries(*caller, id)).await? {
            Answer::Item(item, _) => view(*item),
            other => Err(unexpected(&other)),
        }
    }
}

fn view(item: ThreadItem) -> EngineResult<SeriesView> {
    let ThreadItem { id, contact, version, kind, .. } = item;
    match kind {
        ItemKind::Series(series) => Ok(SeriesView { id: SeriesId::of_entry(id), contact, version, series: *series }),
        _ => Err(EngineError::NotFound),
    }
}

impl SeriesView {
    /// Whether messages of it are still to come.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.series.state == SeriesState::Active
    }
}
