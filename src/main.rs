//! The `preau` command: arguments in, exit status out.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A request takes and gives back some fifty pieces of memory.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    preau::cli::main()
}
