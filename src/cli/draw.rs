//! `preau draw`: checks a rank that was drawn by lot.

use crate::front;
use crate::room::{Order, Seed};
use clap::Args;
use std::io::{self, Write};
use std::process::ExitCode;

/// Check the rank of a number in the draw of an opening.
///
/// Everything that it needs is in the visitor's own status (`/.preau/status`, member `draw`), and in
/// the status of the desk. The seed must have the SHA-256 that was published before the draw.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit status:\n  0  shown\n  2  the numbers make no sense")]
pub struct Draw {
    /// The seed: 64 hexadecimal digits.
    #[arg(long, value_name = "HEX", value_parser = seed)]
    seed: Seed,
    /// The first number that took part.
    #[arg(long)]
    first: u64,
    /// The last number that took part.
    #[arg(long)]
    last: u64,
    /// The number whose rank is wanted.
    #[arg(long)]
    number: u64,
}

/// Runs the command.
pub fn run(args: &Draw) -> ExitCode {
    let Some(end) = args.last.checked_add(1).filter(|end| args.first < *end) else {
        eprintln!("--last {} is before --first {}", args.last, args.first);
        return ExitCode::from(2);
    };
    let order = Order::new(&args.seed, args.first..end);
    if !order.has(args.number) {
        let (number, first, last) = (args.number, args.first, args.last);
        eprintln!("--number {number} took no part: it is not from {first} to {last}");
        return ExitCode::from(2);
    }
    let rank = order.slot(args.number) - args.first + 1;
    let all = end - args.first;
    let text = format!(
        "SHA-256 of the seed: {}\nnumber {}: rank {rank} of {all}\n",
        front::commitment(&args.seed),
        args.number
    );
    // Somebody who closes the pipe early has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn seed(text: &str) -> Result<Seed, String> {
    let wrong = || "a seed has 64 hexadecimal digits".to_owned();
    let mut seed = Seed::default();
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.len() != 2 * seed.len() || !digits {
        return Err(wrong());
    }
    for (at, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_read_as_it_is_published() {
        let bytes: Seed = std::array::from_fn(|at| at as u8 * 7);
        assert_eq!(seed(&front::hex(&bytes)), Ok(bytes));
        for wrong in [
            "",
            "00",
            &"0g".repeat(32),
            &"é".repeat(32),
            &"+1".repeat(32),
        ] {
            assert!(seed(wrong).is_err(), "{wrong}");
        }
    }
}
