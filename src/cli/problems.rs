//! The last warnings and errors of this process, for its status.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use log::{Level, Record};
use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// How many are kept.
const MAX_PROBLEMS: usize = 50;

/// A warning or an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// RFC 3339
    pub time: String,
    /// `WARN` or `ERROR`
    pub level: String,
    pub message: String,
}

/// The last warnings and errors. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    problems: Arc<Mutex<VecDeque<Problem>>>,
}

impl Problems {
    /// Adds a line of the log, if it is a warning or an error.
    pub fn add(&self, record: &Record<'_>) {
        if record.level() > Level::Warn {
            return;
        }
        let problem = Problem {
            time: Timestamp::now().rfc3339(),
            level: record.level().to_string(),
            message: record.args().to_string(),
        };
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if problems.len() == MAX_PROBLEMS {
            problems.pop_front();
        }
        problems.push_back(problem);
    }

    /// The problems, the newest last.
    pub fn all(&self) -> Vec<Problem> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_warnings_and_errors_are_kept() {
        let problems = Problems::default();
        let add = |level, text: &str| {
            problems.add(&Record::builder().level(level).args(format_args!("{text}")).build());
        };
        add(Level::Info, "all is well");
        assert!(problems.all().is_empty());
        for number in 0..MAX_PROBLEMS + 2 {
            add(Level::Warn, &format!("problem {number}"));
        }
        let all = problems.all();
        assert_eq!((all.len(), all[0].message.as_str()), (MAX_PROBLEMS, "problem 2"));
    }
}
