//! Measured runs.
