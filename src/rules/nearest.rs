//! The known name that a misspelt one probably stands for.

/// Maximum length of a name that is compared with others: the time grows with the product of the lengths.
pub(super) const MAX_NAME_BYTES: usize = 100;

/// The known name that is most similar to `wrong`; `None` if none is similar enough.
pub(super) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    if wrong.is_empty() || wrong.len() > MAX_NAME_BYTES {
        return None;
    }
    let mut same = known.clone().filter(|name| name.eq_ignore_ascii_case(wrong));
    if let Some(name) = same.next() {
        return Some(name);
    }
    let (name, similarity) = known
        .map(|name| (name, strsim::normalized_damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase())))
        .max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (similarity >= 0.6).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_name_is_recognised() {
        let meant = |wrong| nearest(wrong, ["select", "drop", "filter"].into_iter());
        assert_eq!(meant("Select"), Some("select"));
        assert_eq!(meant("fliter"), Some("filter"));
        assert_eq!(meant("selects"), Some("select"));
        assert_eq!(meant("column"), None);
        assert_eq!(meant(""), None);
        assert_eq!(meant(&"x".repeat(1 << 20)), None);
    }
}
