//! How far a long step is: a bar where somebody looks, a line now and then
//! where the output goes to a file.

use std::io::{IsTerminal, Write, stderr};

use parking_lot::Mutex;

use crate::service::migration::{Note, Part, Patience, Watcher};

/// Characters of the bar.
const BAR_WIDTH: u64 = 30;
/// Lines of a step where nobody looks.
const LINES: u64 = 10;

/// Somebody at a terminal, who sees the step that is under way.
#[derive(Default)]
pub(super) struct Terminal(Mutex<Option<Progress>>);

impl Watcher for Terminal {
    fn begins(&self, part: Part, total: u64) {
        let what = match part {
            Part::Records => "records",
            Part::Blobs => "blobs",
        };
        *self.0.lock() = Some(Progress::new(what, total));
    }

    fn advances(&self, more: u64) {
        if let Some(progress) = self.0.lock().as_mut() {
            progress.advance(more);
        }
    }

    fn ends(&self) {
        if let Some(progress) = self.0.lock().take() {
            progress.end();
        }
    }

    fn notes(&self, note: Note) {
        eprintln!("  {note}");
    }

    fn patience(&self) -> Patience {
        Patience::Long
    }
}

/// A step of which so much is done.
struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    terminal: bool,
}

impl Progress {
    /// Begins with nothing done.
    fn new(what: &'static str, total: u64) -> Self {
        let mut progress = Self { what, total, done: 0, terminal: stderr().is_terminal() };
        progress.show();
        progress
    }

    /// Says that `more` is done.
    fn advance(&mut self, more: u64) {
        let before = self.part();
        self.done += more;
        if self.terminal || self.part() > before {
            self.show();
        }
    }

    /// Leaves the bar as it is and goes to the next line.
    fn end(self) {
        if self.terminal {
            let _ = writeln!(stderr());
        }
    }

    fn part(&self) -> u64 {
        (self.done * LINES).checked_div(self.total).unwrap_or(LINES)
    }

    /// What cannot be shown does not stop a move.
    fn show(&mut self) {
        let Self { what, done, total, .. } = *self;
        let _ = match self.terminal {
            true => write!(stderr(), "\r  {what:<8} [{}] {done}/{total} ", bar(done, total))
                .and_then(|()| stderr().flush()),
            false => writeln!(stderr(), "  {what} {done}/{total}"),
        };
    }
}

fn bar(done: u64, total: u64) -> String {
    let full = (done * BAR_WIDTH).checked_div(total).unwrap_or(BAR_WIDTH).min(BAR_WIDTH) as usize;
    format!("{}{}", "#".repeat(full), "-".repeat(BAR_WIDTH as usize - full))
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn a_bar_fills_from_the_left() {
        assert_eq!(bar(0, 40), "-".repeat(30));
        assert_eq!(bar(20, 40), format!("{}{}", "#".repeat(15), "-".repeat(15)));
        assert_eq!(bar(41, 40), "#".repeat(30));
        assert_eq!(bar(0, 0), "#".repeat(30));
    }
}
