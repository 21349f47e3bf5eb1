//! The engine as a whole, on the embedded store in a temporary folder, with a transport that records what
//! it is given and answers as it is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod alerts;
mod deletion;
mod delivery;
mod directory;
mod editing;
mod erasure;
mod lists;
mod merging;
mod moments;
mod notices;
mod people;
mod redis;
mod room;
mod sessions;
mod slow_commits;
mod slow_store;
mod support;
mod unsubscribing;
