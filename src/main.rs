//! The `freehold` binary: hands its arguments to [`freehold::cli`].

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    freehold::cli::main()
}
