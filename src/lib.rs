//! The server: the only layer that knows HTTP, files, flags and signals. The engine is `sendwheel_actors`.

pub mod config;
