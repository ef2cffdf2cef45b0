//! The command line.

mod advise;
mod certificates;
pub mod check;
pub mod demo;
mod doubts;
mod draw;
mod hours;
mod load;
mod presets;
mod reload;
mod schedules;
mod serve;
mod simulate;
mod status;
mod summary;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Source, parse};
    use clap::CommandFactory as _;

    /// How a default that is written by hand begins in a help text.
    const WRITTEN: &str = "[default: ";

    /// The defaults in the help text of `command`, by option: those that clap knows, and those that are
    /// written by hand.
    fn defaults(command: &str) -> Vec<(String, String)> {
        let all = Arguments::command();
        let command = all.find_subcommand(command).unwrap();
        let arguments = command.get_arguments();
        arguments
            .filter_map(|argument| {
                let help = argument.get_help().unwrap_or_default().to_string();
                let written = help.split_once(WRITTEN).map(|(_, rest)| {
                    let (value, _) = rest.split_once(']').unwrap();
                    value.to_owned()
                });
                let known = argument.get_default_values().first();
                let known = known.map(|value| value.to_string_lossy().into_owned());
                let value = written.or(known.filter(|_| argument.get_action().takes_values()))?;
                Some((argument.get_id().to_string(), value))
            })
            .collect()
    }

    /// A configuration with these values set beside the portal.
    fn with(set: &[String]) -> Config {
        let mut overrides = vec!["portal.servers=http://10.0.0.5".to_owned()];
        overrides.extend_from_slice(set);
        let source = Source {
            name: "defaults",
            text: "",
            overrides: &overrides,
        };
        parse(source).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Panics unless `key` of the file is `value` if nothing is said.
    fn assert_default(key: &str, value: &str) {
        let said = with(&[format!("{key}={value}")]);
        let unsaid = with(&[]);
        assert_eq!(
            format!("{said:?}"),
            format!("{unsaid:?}"),
            "{key} = {value}"
        );
    }

    #[test]
    fn serve_says_the_defaults_that_hold() {
        let said = defaults("serve");
        let options: Vec<&str> = said.iter().map(|(option, _)| option.as_str()).collect();
        assert_eq!(options, ["seats", "listen", "admin", "state"]);
        for (option, value) in &said {
            match option.as_str() {
                "seats" => assert_default("room.seats", value),
                key => assert_default(key, value),
            }
        }
    }

    #[test]
    fn the_desk_is_looked_for_where_it_is() {
        for command in ["status", "advise"] {
            let said = defaults(command);
            assert_eq!(said.len(), 1, "{said:?}");
            assert_eq!(said[0].0, "admin");
            assert_default("admin", &said[0].1);
        }
    }

    /// Every other default that a help text names is clap's own, or listed here beside what holds.
    #[test]
    fn no_default_is_only_a_word() {
        let crowd = format!("{} times the seats", f64::from(demo::CROWD_QUARTERS) / 4.0);
        let listen = format!("{}, or a free port if that is taken", demo::LISTEN);
        let file = serve::DEFAULT_FILE.to_owned();
        let held = [
            ("demo", "listen", listen),
            ("demo", "visitors", crowd),
            ("demo", "minutes", "run until Ctrl-C".to_owned()),
            ("check", "config", file),
        ];
        let all = Arguments::command();
        let names = all.get_subcommands().map(|it| it.get_name().to_owned());
        let others = names.filter(|it| !["serve", "status", "advise"].contains(&it.as_str()));
        for command in others {
            let command_of = all.find_subcommand(&command).unwrap();
            for (option, value) in defaults(&command) {
                let of_clap = command_of.get_arguments().any(|argument| {
                    argument.get_id() == option.as_str()
                        && !argument.get_default_values().is_empty()
                });
                let held = held.iter().find(|it| (it.0, it.1) == (&command, &option));
                match held {
                    Some((.., expected)) => assert_eq!(value, *expected, "{command} --{option}"),
                    None => assert!(of_clap, "{command} --{option}: is {value:?} true?"),
                }
            }
        }
    }
}
