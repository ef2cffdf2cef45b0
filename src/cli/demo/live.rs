//! What the operator sees of the demo in the terminal: a few lines redrawn in place, or one
//! line at a time where nothing can be redrawn.

use super::crowd::Tally;
use super::machine::Gauges;
use crate::room::Promise;
use crate::time::Span;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Time between two looks at the demo.
pub const TICK: Span = Span(500);
/// Looks from one plain line, or one mark of the line's history, to the next.
pub const TICKS_PER_MARK: u64 = 4;

/// Marks in the line's history: the last minute.
const MARKS: usize = 30;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One look at the demo.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Seats in the room.
    pub seats: u32,
    /// Seats taken.
    pub taken: u32,
    /// Tickets called that have not come in yet.
    pub called: u32,
    /// Tickets that wait.
    pub waiting: u64,
    /// What somebody would be promised who came now.
    pub promise: Option<Promise>,
    /// Visits let in so far.
    pub entered: u64,
    /// The proxy finds the portal well.
    pub portal_up: bool,
    /// The portal itself.
    pub portal: Gauges,
    /// What the crowd has seen.
    pub crowd: Seen,
}

/// The crowd's counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Visitors who came.
    pub arrived: u64,
    /// Visits that ended well.
    pub finished: u64,
    /// Visitors who left the line or gave up.
    pub gave_up: u64,
    /// Polls sent from the line.
    pub polls: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Errors without words.
    pub blank: u64,
    /// The longest wait in line that ended inside.
    pub longest_wait: Span,
}

impl From<&Tally> for Seen {
    fn from(tally: &Tally) -> Seen {
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        Seen {
            arrived: count(&tally.arrived),
            finished: count(&tally.finished),
            gave_up: count(&tally.gave_up),
            polls: count(&tally.polls),
            errors: count(&tally.errors),
            blank: count(&tally.blank),
            longest_wait: Span(count(&tally.longest_wait)),
        }
    }
}

/// Where looks are shown.
pub struct Screen {
    drawn: Option<Drawn>,
    history: VecDeque<u64>,
    ticks: u64,
}

impl Screen {
    /// A screen that redraws, or a plain one: then one line every [`TICKS_PER_MARK`] looks.
    pub fn new(plain: bool) -> Screen {
        Screen {
            drawn: (!plain).then(Drawn::new),
            history: VecDeque::with_capacity(MARKS),
            ticks: 0,
        }
    }

    /// Shows one look; an error if nobody reads the plain lines any more.
    pub fn show(&mut self, look: &Look) -> io::Result<()> {
        let marks = self.ticks.is_multiple_of(TICKS_PER_MARK);
        self.ticks += 1;
        if marks {
            if self.history.len() == MARKS {
                self.history.pop_front();
            }
            self.history.push_back(look.waiting);
        }
        match &self.drawn {
            Some(drawn) => drawn.draw(look, &spark(&self.history)),
            None if marks => writeln!(io::stdout(), "{}", plain_line(look))?,
            None => {}
        }
        Ok(())
    }

    /// Leaves the last look standing.
    pub fn end(self) {
        if let Some(drawn) = self.drawn {
            drawn.end();
        }
    }
}

/// What a row says of a look, given the chart of the line.
type Words = fn(&Look, &str) -> String;

/// The lines that are redrawn in place.
struct Drawn {
    all: MultiProgress,
    seats: ProgressBar,
    rows: [(ProgressBar, Words); 5],
}

impl Drawn {
    fn new() -> Drawn {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let add = |template: &str, name: &'static str| {
            let style = ProgressStyle::with_template(template)
                .expect("the template is a constant")
                .progress_chars("█▌░");
            let row = ProgressBar::new(0).with_style(style).with_prefix(name);
            all.add(row)
        };
        let seats = add(
            "  {prefix:8} {bar:30.green} {pos} of {len} taken{msg}",
            "seats",
        );
        let row = |name| add("  {prefix:8} {wide_msg}", name);
        Drawn {
            seats,
            rows: [
                (row("line"), line_row),
                (row("promise"), |look, _| promise_words(look)),
                (row("served"), |look, _| served_row(look)),
                (row("portal"), |look, _| portal_row(look)),
                (row("crowd"), |look, _| crowd_row(look)),
            ],
            all,
        }
    }

    fn draw(&self, look: &Look, spark: &str) {
        self.seats.set_length(u64::from(look.seats));
        self.seats.set_position(u64::from(look.taken));
        self.seats.set_message(match look.called {
            0 => String::new(),
            called => format!(", {called} called"),
        });
        for (row, words) in &self.rows {
            row.set_message(words(look, spark));
        }
    }

    fn end(&self) {
        // The terminal has written "^C" below the rows: drawing once more would be a line off.
        self.all.set_draw_target(ProgressDrawTarget::hidden());
    }
}

fn line_row(look: &Look, spark: &str) -> String {
    format!("{:<5} {spark} last minute", look.waiting)
}

fn served_row(look: &Look) -> String {
    format!(
        "{} entered, {} visits finished, longest wait {} s",
        look.entered,
        look.crowd.finished,
        look.crowd.longest_wait.ceil_secs()
    )
}

fn portal_row(look: &Look) -> String {
    let state = match (look.portal.broken, look.portal_up) {
        (true, _) => "broken down",
        (false, false) => "taken for down",
        (false, true) => "well",
    };
    format!(
        "{state}, {} in flight, answers in {} ms, breakdowns {}",
        look.portal.in_flight, look.portal.answer_time.0, look.portal.breakdowns
    )
}

fn crowd_row(look: &Look) -> String {
    let crowd = look.crowd;
    format!(
        "{} came, {} left, {} polls, {} errors, {} blank pages",
        crowd.arrived, crowd.gave_up, crowd.polls, crowd.errors, crowd.blank
    )
}

/// The promise for somebody who would come now, as an operator reads it.
fn promise_words(look: &Look) -> String {
    if look.taken < look.seats && look.waiting == 0 {
        return "no wait".to_owned();
    }
    match look.promise {
        None => "not known yet".to_owned(),
        Some(Promise { low, high }) if high <= Span::mins(2) => {
            range(low.0 / 10_000 * 10, high.0.div_ceil(10_000) * 10, "seconds")
        }
        Some(Promise { low, high }) => range(low.0 / 60_000, high.0.div_ceil(60_000), "minutes"),
    }
}

fn range(low: u64, high: u64, unit: &str) -> String {
    match low {
        _ if low >= high => format!("about {high} {unit}"),
        0 => format!("up to {high} {unit}"),
        _ => format!("between {low} and {high} {unit}"),
    }
}

/// One look as one line of `key=value` pairs.
fn plain_line(look: &Look) -> String {
    let seconds = |span: Span| span.ceil_secs().to_string();
    let (low, high) = match look.promise {
        Some(promise) => (seconds(promise.low), seconds(promise.high)),
        None => ("unknown".to_owned(), "unknown".to_owned()),
    };
    let (portal, crowd) = (look.portal, look.crowd);
    format!(
        "seats={} taken={} called={} waiting={} promise_low_s={low} promise_high_s={high} \
         entered={} finished={} left={} longest_wait_s={} portal_up={} in_flight={} \
         answer_ms={} breakdowns={} polls={} errors={} blank={}",
        look.seats,
        look.taken,
        look.called,
        look.waiting,
        look.entered,
        crowd.finished,
        crowd.gave_up,
        crowd.longest_wait.ceil_secs(),
        look.portal_up,
        portal.in_flight,
        portal.answer_time.0,
        portal.breakdowns,
        crowd.polls,
        crowd.errors,
        crowd.blank
    )
}

/// A small chart of `values`, one character each, the highest of them at full height.
fn spark(values: &VecDeque<u64>) -> String {
    let top = values.iter().copied().max().unwrap_or(0).max(1);
    let level = |value: u64| (value * (LEVELS.len() as u64 - 1)).div_ceil(top) as usize;
    values.iter().map(|&value| LEVELS[level(value)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full_room() -> Look {
        Look {
            seats: 30,
            taken: 30,
            called: 1,
            waiting: 42,
            promise: Some(Promise {
                low: Span::secs(41),
                high: Span::secs(63),
            }),
            portal_up: true,
            ..Look::default()
        }
    }

    #[test]
    fn the_promise_is_said_in_words_and_never_narrower_than_it_is() {
        let words = |low, high| {
            promise_words(&Look {
                promise: Some(Promise { low, high }),
                ..full_room()
            })
        };
        assert_eq!(promise_words(&full_room()), "between 40 and 70 seconds");
        assert_eq!(words(Span::secs(3), Span::secs(9)), "up to 10 seconds");
        assert_eq!(
            words(Span::secs(70), Span::secs(130)),
            "between 1 and 3 minutes"
        );
        assert_eq!(words(Span::mins(3), Span::mins(3)), "about 3 minutes");
        let unknown = Look {
            promise: None,
            ..full_room()
        };
        assert_eq!(promise_words(&unknown), "not known yet");
        let free = Look {
            taken: 29,
            waiting: 0,
            ..full_room()
        };
        assert_eq!(promise_words(&free), "no wait");
    }

    #[test]
    fn the_plain_line_can_be_searched() {
        let line = plain_line(&full_room());
        for part in [
            "taken=30 ",
            "waiting=42 ",
            "promise_low_s=41 ",
            "promise_high_s=63 ",
            "portal_up=true ",
            "blank=0",
        ] {
            assert!(line.contains(part), "{line}");
        }
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn the_chart_reaches_from_empty_to_full() {
        assert_eq!(spark(&VecDeque::from([0, 1, 35, 70])), "▁▂▅█");
        assert_eq!(spark(&VecDeque::from([0, 0])), "▁▁");
        assert_eq!(spark(&VecDeque::new()), "");
    }

    #[test]
    fn history_is_the_last_minute() {
        let mut screen = Screen::new(true);
        for waiting in 0..200 {
            let look = Look {
                waiting,
                ..Look::default()
            };
            screen.show(&look).unwrap();
        }
        assert_eq!(screen.history.len(), MARKS);
        assert_eq!(screen.history.back(), Some(&196));
        let shown = MARKS as u64 * TICKS_PER_MARK * TICK.0;
        assert_eq!(Span(shown), Span::mins(1));
    }
}
