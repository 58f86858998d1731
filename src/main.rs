//! Runs a command and prints one error.

use std::process::ExitCode;

fn main() -> ExitCode {
    match artigate::cli::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("artigate: {error}");
            error.exit_code()
        }
    }
}
