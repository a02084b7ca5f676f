//! The name that somebody probably meant.

/// Names longer than this are not compared: the time grows with the product of the lengths.
const MAX_NAME_BYTES: usize = 100;

/// The known name nearest to `wrong`, if one is near at all.
pub(super) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    if wrong.is_empty() || wrong.len() > MAX_NAME_BYTES {
        return None;
    }
    let mut same = known.clone().filter(|name| name.eq_ignore_ascii_case(wrong));
    if let Some(name) = same.next() {
        return Some(name);
    }
    let (name, likeness) = known
        .map(|name| (name, strsim::normalized_damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase())))
        .max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (likeness >= 0.6).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        let meant = |wrong| nearest(wrong, ["select", "drop", "filter"].into_iter());
        assert_eq!(meant("Select"), Some("select"));
        assert_eq!(meant("fliter"), Some("filter"));
        assert_eq!(meant("selects"), Some("select"));
        assert_eq!(meant("column"), None);
        assert_eq!(meant(""), None);
        assert_eq!(meant(&"x".repeat(1 << 20)), None);
    }
}
