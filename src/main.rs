//! The `preau` command: arguments in, exit status out.

use std::process::ExitCode;

fn main() -> ExitCode {
    preau::cli::main()
}
