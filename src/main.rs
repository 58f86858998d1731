//! Runs a command and prints one error.

use std::process::ExitCode;

/// Returns memory that was unused for ten seconds to the system, from a background thread. The system's
/// allocator keeps most of the memory that a burst of requests took.
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
