//! What comes in from people and providers, read into what the engine decides by. Pure: no I/O, no clock.
//!
//! - [`keywords`]: whether a text message is a word that carriers give a meaning to (STOP, START, HELP).

pub mod keywords;
