//! The command line.

mod advise;
mod certificates;
pub mod check;
pub mod demo;
mod draw;
mod hours;
mod presets;
mod schedules;
mod serve;
mod simulate;
mod status;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A waiting room in front of a portal that cannot be changed.
#[derive(Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Front the portals of a file, or of the command line.
    Serve(serve::Serve),
    Check(check::Check),
    Demo(demo::Demo),
    Presets(presets::Presets),
    Draw(draw::Draw),
    Simulate(simulate::Simulate),
    /// Show how the rooms of a running preau stand.
    Status(status::Status),
    /// Say what seats, slots and idle should be, by what a running preau has seen.
    Advise(advise::Advise),
}

/// Parses the arguments, runs the command, and returns its exit status.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Presets(args) => presets::run(&args),
        Command::Draw(args) => draw::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Advise(args) => advise::run(&args),
    }
}
