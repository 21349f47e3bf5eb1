//! The hash maps of the lanes.
//!
//! A decision asks ten of them, and the standard library's hash, which withstands chosen keys, took most of its
//! time. These keys nobody outside chooses: the installation numbers and draws them. The hash has a seed all
//! the same.

use std::collections::HashMap;

use foldhash::fast::RandomState;

pub(super) type QuickMap<K, V> = HashMap<K, V, RandomState>;
