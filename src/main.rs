//! Runs a command and prints one error.

use std::process::ExitCode;

/// Gives memory back that nobody has used for ten seconds, from a thread of its own. The system's allocator
/// keeps most of what a storm of requests took.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match artigate::cli::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("artigate: {error}");
            error.exit_code()
        }
    }
}
