//! The domain: pure types and rules. Nothing here does I/O, reads a clock or draws a random number;
//! [`clock`] and [`source`] are where the rest of the engine gets those from.

pub mod address;
pub mod audit;
pub mod backoff;
pub mod clock;
pub mod contact;
pub mod directory;
pub mod ids;
pub mod instant;
pub mod message;
pub mod password;
pub mod permissions;
pub mod plan;
pub mod reason;
pub mod schedule;
pub mod segments;
pub mod session;
pub mod source;
pub mod template;
pub mod ticket;
pub mod unsubscribe;
pub mod verdict;
pub mod zone;
