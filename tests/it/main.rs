//! Black-box tests: one binary, so that linking happens once.

mod sources;
