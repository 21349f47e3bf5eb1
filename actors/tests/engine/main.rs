//! The engine as a whole, on the embedded store in a temporary folder, with a transport that records what
//! it is given and answers as it is told.

mod deletion;
mod delivery;
mod editing;
mod support;
