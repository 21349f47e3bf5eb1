//! The binary. Everything it does is in the library's `cli`.

use std::process::ExitCode;

/// A quarter of a drain's time on a shard went into glibc's allocator: contacts come and go by the thousand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // TLS is built without a default provider, so that exactly this one is linked; the first one wins.
    let _ = rustls::crypto::ring::default_provider().install_default();
    sendwheel::cli::main()
}
