//! Captures what the library logs, for all tests of this process.

use std::sync::{Mutex, Once};

use crate::fixture::wait_until;

struct Lines(Mutex<Vec<String>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().expect("the lines").push(format!("{} {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

/// Begins to keep what is logged.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        log::set_logger(&LINES).expect("no other logger");
        log::set_max_level(log::LevelFilter::Info);
    });
}

/// The lines that have all of `words`.
pub fn lines(words: &[&str]) -> Vec<String> {
    let lines = LINES.0.lock().expect("the lines");
    lines.iter().filter(|line| words.iter().all(|word| line.contains(word))).cloned().collect()
}

/// Does `work` again and again until a line has all of `words`.
pub fn work_until(words: &[&str], mut work: impl FnMut()) {
    wait_until(
        || format!("nothing about {words:?}"),
        || {
            work();
            (!lines(words).is_empty()).then_some(())
        },
    );
}
