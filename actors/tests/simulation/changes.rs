//! What callers do to messages that exist.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::ids::MessageId;
use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::engine::api::{CancelOutcome, EngineResult, MessageEdit, NewIntent, Resolve};

use crate::model::Outcome;
use crate::workload::{CALLER, Callers, earliest, is_lost};

impl Callers {
    /// A message that nobody works on; now somebody does.
    pub fn some_message(&self, rng: &mut StdRng) -> Option<MessageId> {
        let mut model = self.world.model();
        let free = model.messages.iter().filter(|(_, known)| known.is_acknowledged && !known.is_busy);
        // The newest are the most alive.
        let mut free: Vec<_> = free.map(|(id, known)| (known.placed_at, *id)).collect();
        free.sort_unstable();
        let (_, id) = free.into_iter().rev().take(12).choose(rng)?;
        model.messages.get_mut(&id).unwrap().is_busy = true;
        Some(id)
    }

    /// Ends an operation on a message: its place, when it may be due, what it may say.
    pub fn settle(&self, id: MessageId, due: Option<Vec<i64>>, texts: Option<Vec<u32>>) {
        let now = self.world.elapsed();
        let mut model = self.world.model();
        let known = model.messages.get_mut(&id).unwrap();
        (known.is_busy, known.placed_at) = (false, now);
        known.dues = due.unwrap_or_else(|| std::mem::take(&mut known.dues));
        known.texts = texts.unwrap_or_else(|| std::mem::take(&mut known.texts));
    }

    pub fn cancel(&self, rng: &mut StdRng) {
        let Some(id) = self.some_message(rng) else { return };
        let me = self.clone();
        self.spawn(format!("cancel {id}"), async move {
            let answer = me.answer(me.engine.cancel(&CALLER, id)).await;
            me.settle(id, None, None);
            let now = me.world.elapsed();
            let mut model = me.world.model();
            let known = model.messages.get_mut(&id).unwrap();
            match &answer {
                Ok(CancelOutcome::Canceled | CancelOutcome::AlreadyHandedOver(StateName::Uncertain)) => {
                    known.canceled_at = Some(now);
                }
                Ok(CancelOutcome::AlreadyHandedOver(StateName::Sending)) => {
                    let begun = known.hands.iter().filter(|hand| hand.outcome != Outcome::NotStarted).count();
                    let is_begun = known.hands.last().is_some_and(|hand| hand.outcome_at(now) == Outcome::Pending);
                    known.hands_allowed = Some(begun + usize::from(!is_begun));
                }
                _ => {}
            }
            format!("{answer:?}")
        });
    }

    pub fn edit(&self, rng: &mut StdRng, number: u32) {
        let Some(id) = self.some_message(rng) else { return };
        let (intent, due) = if rng.random_bool(0.5) {
            let (intent, due) = self.some_due(rng);
            let earliest = if intent == NewIntent::Now { self.world.earliest_now() } else { due };
            (Some(intent), Some(earliest))
        } else {
            (None, None)
        };
        let text = rng.random_bool(0.4).then(|| Self::some_text(rng, number));
        let channel = if rng.random_bool(0.5) { Channel::Sms } else { Channel::Email };
        let edit = MessageEdit {
            intent,
            class: rng.random_bool(0.4).then(|| Self::some_class(rng)),
            from: if rng.random_bool(0.4) { self.some_sender(rng, channel) } else { None },
            text: text.clone(),
            ..MessageEdit::default()
        };
        let (dues, texts) = {
            let mut model = self.world.model();
            let known = model.messages.get_mut(&id).unwrap();
            let before = (known.dues.clone(), known.texts.clone());
            known.dues.extend(due);
            // Of one whose text is not known nothing is known until the edit is told.
            if !known.texts.is_empty() {
                known.texts.extend(text.as_ref().map(|_| number));
            }
            before
        };
        let me = self.clone();
        self.spawn(format!("edit {id} due {due:?} class {:?} from {:?}", edit.class, edit.from), async move {
            match me.answer(me.engine.edit(&CALLER, id, edit, None)).await {
                Ok(view) => {
                    me.settle(id, Some(vec![earliest(&view.message)]), text.map(|_| vec![number]));
                    format!("due {}", view.message.due_at.0)
                }
                Err(error) if is_lost(&error) => {
                    me.settle(id, None, None);
                    "lost".into()
                }
                Err(error) => {
                    me.settle(id, Some(dues), Some(texts));
                    error.to_string()
                }
            }
        });
    }

    pub fn send_now(&self, rng: &mut StdRng) {
        let Some(id) = self.some_message(rng) else { return };
        self.move_to_now(id, "send now", |me| async move {
            me.engine.send_now(&CALLER, id).await.map(|view| earliest(&view.message))
        });
    }

    pub fn resolve(&self, rng: &mut StdRng) {
        let Some(id) = self.some_message(rng) else { return };
        let how = if rng.random_bool(0.7) { Resolve::Retry } else { Resolve::Failed };
        if how == Resolve::Retry {
            let mut model = self.world.model();
            let known = model.messages.get_mut(&id).unwrap();
            // A person who wants it tried again takes an earlier cancel back. Until there is an answer that may be decided
            // any time.
            (known.retry_asked_at, known.hands_allowed) = (Some(i64::MAX), None);
        }
        self.move_to_now(id, "resolve", move |me| async move {
            let answer = me.engine.resolve(&CALLER, id, how).await;
            if how == Resolve::Retry {
                let now = me.world.elapsed();
                me.world.model().messages.get_mut(&id).unwrap().retry_asked_at = Some(now);
            }
            answer.map(|view| earliest(&view.message))
        });
    }

    fn move_to_now<F>(&self, id: MessageId, what: &str, ask: impl FnOnce(Self) -> F)
    where
        F: Future<Output = EngineResult<i64>> + 'static,
    {
        let now = self.world.earliest_now();
        let before = {
            let mut model = self.world.model();
            let known = model.messages.get_mut(&id).unwrap();
            let before = known.dues.clone();
            known.dues.push(now);
            before
        };
        let (me, asked) = (self.clone(), ask(self.clone()));
        self.spawn(format!("{what} {id}"), async move {
            match me.answer(asked).await {
                Ok(due) => {
                    me.settle(id, Some(vec![due]), None);
                    format!("due {due}")
                }
                Err(error) if is_lost(&error) => {
                    me.settle(id, None, None);
                    "lost".into()
                }
                Err(error) => {
                    me.settle(id, Some(before), None);
                    error.to_string()
                }
            }
        });
    }
}
