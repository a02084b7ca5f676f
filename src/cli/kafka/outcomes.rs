//! Commands with several elements, of which some may fail.

use std::fmt::Display;

use anyhow::bail;

/// Counts the outcomes.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    all: usize,
    failed: usize,
}

impl Outcomes {
    /// Records a success. Returns the word for its row.
    pub fn succeed(&mut self, word: &'static str) -> &'static str {
        self.all += 1;
        word
    }

    /// Records a failure and logs it. Returns the word for its row.
    pub fn fail(&mut self, error: impl Display) -> &'static str {
        self.all += 1;
        self.failed += 1;
        log::error!("{error}");
        "failed"
    }

    /// Records an outcome. Returns the word for its row: `word`, or `failed`.
    pub fn record(&mut self, error: Option<impl Display>, word: &'static str) -> &'static str {
        match error {
            None => self.succeed(word),
            Some(error) => self.fail(error),
        }
    }

    /// Fails where an element failed. `what`: the elements, in the plural.
    pub fn finish(self, what: &str) -> anyhow::Result<()> {
        match (self.failed, self.all) {
            (0, _) => Ok(()),
            (failed, all) if failed == all => bail!("{failed} of {all} {what} failed"),
            (failed, all) => bail!("{failed} of {all} {what} failed, the others are done"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_failure_differs_from_a_complete_one() {
        let finished = |errors: &[Option<&str>]| {
            let mut outcomes = Outcomes::default();
            for error in errors {
                outcomes.record(*error, "added");
            }
            outcomes.finish("users").map_err(|error| error.to_string())
        };
        assert_eq!(finished(&[None, None]), Ok(()));
        assert_eq!(finished(&[]), Ok(()));
        assert_eq!(finished(&[None, Some("x")]), Err("1 of 2 users failed, the others are done".to_owned()));
        assert_eq!(finished(&[Some("x")]), Err("1 of 1 users failed".to_owned()));
    }
}
