//! `loadgen`: see the library's documentation for the map of the house.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadgen::cli::main(std::env::args_os())
}
