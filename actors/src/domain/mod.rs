//! The domain: pure types and rules. Nothing here does I/O, reads a clock or draws a random number;
//! [`clock`] and [`source`] are where the rest of the engine gets those from.

pub mod address;
pub mod clock;
pub mod contact;
pub mod directory;
pub mod ids;
pub mod message;
pub mod reason;
pub mod schedule;
pub mod source;
pub mod ticket;
pub mod verdict;
