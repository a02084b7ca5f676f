//! Orders with several elements, some of which may fail among others that succeed.

use anyhow::bail;

/// Counts what became of the elements.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    all: usize,
    failed: usize,
}

impl Outcomes {
    /// Takes note of an element; an error is said at once. The word for its row: `done`, or `failed`.
    pub fn record<E: std::fmt::Display>(&mut self, result: &Result<(), E>, done: &'static str) -> &'static str {
        self.all += 1;
        match result {
            Ok(()) => done,
            Err(error) => {
                self.failed += 1;
                log::error!("{error}");
                "failed"
            }
        }
    }

    /// Fails where an element failed. `what`: the elements, in the plural.
    pub fn finish(self, what: &str) -> anyhow::Result<()> {
        match (self.failed, self.all) {
            (0, _) => Ok(()),
            (failed, all) if failed == all => bail!("none of {all} {what} was done"),
            (failed, all) => bail!("{failed} of {all} {what} failed, the others are done"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_failure_is_told_from_a_whole_one() {
        let finished = |results: &[Result<(), &str>]| {
            let mut outcomes = Outcomes::default();
            for result in results {
                outcomes.record(result, "added");
            }
            outcomes.finish("users").map_err(|error| error.to_string())
        };
        assert_eq!(finished(&[Ok(()), Ok(())]), Ok(()));
        assert_eq!(finished(&[]), Ok(()));
        assert_eq!(finished(&[Ok(()), Err("x")]), Err("1 of 2 users failed, the others are done".to_owned()));
        assert_eq!(finished(&[Err("x")]), Err("none of 1 users was done".to_owned()));
    }
}
