//! Decisions, command by command, on a store of plain maps.
//!
//! After every command the fixture holds the maps against a second, independent statement of which
//! entries, blobs and counters the records stand for.

#![expect(unused_must_use, reason = "many a command here only leads to the next one; `World::tell` has checked it")]

mod calling_back;
mod capping;
mod changing;
mod consenting;
mod contacts;
mod deleting;
mod entries;
mod habits;
mod merging;
mod model;
mod noticing;
mod outcomes;
mod people;
mod permits;
mod planned;
mod receipts;
mod receiving;
mod removing;
mod repeating;
mod scheduling;
mod smart;
mod standing;
mod suspended;
mod threading;
mod tracking;
mod trailing;
mod world;
