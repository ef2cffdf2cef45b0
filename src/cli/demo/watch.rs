//! The time from the crowd's coming to the end: wait for a line, then show how it goes.

use super::live::{Look, Screen, TICK};
use crate::host;
use crate::time::Span;
use std::io::{self, IsTerminal};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The address is shown once half of the line stands, so that whoever opens it at once waits as
/// well; after this long it is shown in any case.
const GATHERING_MAX: Span = Span::secs(10);

/// Ctrl-C and SIGTERM.
pub struct Ending {
    interrupt: Signal,
    terminate: Signal,
}

impl Ending {
    /// Listens from now on; needs a runtime around it.
    pub fn new() -> io::Result<Ending> {
        Ok(Ending {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn come(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What there is to see, how, and for how long.
pub struct Show<L, I> {
    /// One line at a time, whatever the output is.
    pub plain: bool,
    /// Visitors of the crowd that cannot all be inside.
    pub line: u32,
    /// The end, if it shall come by itself.
    pub minutes: Option<u32>,
    /// Looks at the demo.
    pub look: L,
    /// Says where to go, once.
    pub introduce: I,
}

/// Waits for a line to stand, then shows look after look until it is time to end.
pub async fn watch(show: Show<impl Fn() -> Look, impl Fn() -> io::Result<()>>, mut ending: Ending) {
    let line = u64::from(show.line);
    let show_at = host::now() + GATHERING_MAX;
    let end_at = show
        .minutes
        .map(|minutes| host::now() + Span::mins(u64::from(minutes)));
    let mut screen = None;
    let mut tick = tokio::time::interval(TICK.into());
    loop {
        tokio::select! {
            () = ending.come() => break,
            _ = tick.tick() => {}
        }
        let (now, look) = (host::now(), (show.look)());
        if end_at.is_some_and(|end| now >= end) {
            break;
        }
        if screen.is_none() && (look.waiting * 2 >= line || now >= show_at) {
            if (show.introduce)().is_err() {
                break;
            }
            screen = Some(Screen::new(show.plain || !io::stdout().is_terminal()));
        }
        if let Some(screen) = &mut screen
            && screen.show(&look).is_err()
        {
            break;
        }
    }
    if let Some(screen) = screen {
        screen.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test]
    async fn nobody_is_sent_there_before_half_of_the_line_stands() {
        let looks = Cell::new(0);
        let waiting_when_told = Cell::new(None);
        let show = Show {
            plain: true,
            line: 10,
            minutes: None,
            look: || {
                looks.set(looks.get() + 1);
                Look {
                    waiting: 2 * looks.get(),
                    ..Look::default()
                }
            },
            introduce: || {
                waiting_when_told.set(Some(2 * looks.get()));
                // Nobody reads it any more: that is the end.
                Err(io::ErrorKind::BrokenPipe.into())
            },
        };
        watch(show, Ending::new().unwrap()).await;
        assert_eq!(waiting_when_told.get(), Some(6));
    }
}
