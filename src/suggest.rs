//! Names that resemble an unknown name, for error messages.

const MAX_SUGGESTIONS: usize = 3;

/// The comparison takes time in proportion to the product of the lengths.
const MAX_NAME_BYTES: usize = 100;

/// Less similar names mislead more often than they help.
const MIN_SIMILARITY: f64 = 0.6;

/// How much less similar than the first suggestion a further one may be.
const MAX_DIFFERENCE: f64 = 0.15;

/// The names of `known` that resemble `unknown`, best first, at most three.
///
/// Case does not count, and `.` equals `_`, since a column `candidate_ra` is also written `candidate.ra`. Names are compared as a whole and
/// by what follows their last dot: `distribution.topic` resembles `stream.topic`. A name that begins or ends with the unknown one, up to a
/// separator, resembles it too.
pub(crate) fn similar_names<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if unknown.is_empty() || unknown.len() > MAX_NAME_BYTES {
        return Vec::new();
    }
    let unknown = unknown.to_lowercase();
    let candidates = known.into_iter().filter(|name| name.len() <= MAX_NAME_BYTES);
    let mut scored: Vec<(f64, &str)> =
        candidates.map(|name| (similarity(&unknown, &name.to_lowercase()), name)).collect();
    let best = scored.iter().map(|(score, _)| *score).fold(0.0, f64::max);
    scored.retain(|(score, _)| *score >= MIN_SIMILARITY && *score >= best - MAX_DIFFERENCE);
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    scored.dedup();
    scored.truncate(MAX_SUGGESTIONS);
    scored.into_iter().map(|(_, name)| name).collect()
}

/// From 0 to 1, of names in lower case.
fn similarity(unknown: &str, known: &str) -> f64 {
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    let by_last = strsim::normalized_damerau_levenshtein(&last(unknown), &last(known)) * 0.95;
    let (unknown, known) = (unknown.replace('.', "_"), known.replace('.', "_"));
    let by_whole = strsim::normalized_damerau_levenshtein(&unknown, &known);
    let is_part = known.strip_prefix(&unknown).is_some_and(|rest| rest.starts_with('_'))
        || known.strip_suffix(&unknown).is_some_and(|rest| rest.ends_with('_'));
    by_whole.max(by_last).max(if is_part { 0.95 } else { 0.0 })
}

/// `did you mean `a`?`, or `did you mean `a`, `b` or `c`?`; `None` without suggestions.
pub(crate) fn did_you_mean(suggestions: &[impl AsRef<str>]) -> Option<String> {
    let quoted: Vec<String> = suggestions.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.as_slice() {
        [] => None,
        [one] => Some(format!("did you mean {one}?")),
        [several @ .., last] => Some(format!("did you mean {} or {last}?", several.join(", "))),
    }
}

/// The end of an error message about `unknown`: `: did you mean `a`?`, or nothing.
pub(crate) fn suggestion(unknown: &str, known: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let known: Vec<_> = known.into_iter().collect();
    let similar = similar_names(unknown, known.iter().map(AsRef::as_ref));
    did_you_mean(&similar).map_or_else(String::new, |question| format!(": {question}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_recognised() {
        let similar = |unknown| similar_names(unknown, ["select", "drop", "filter"]);
        assert_eq!(similar("Select"), ["select"]);
        assert_eq!(similar("fliter"), ["filter"]);
        assert_eq!(similar("selects"), ["select"]);
        assert!(similar("column").is_empty());
        assert!(similar("").is_empty());
        assert!(similar(&"x".repeat(1 << 20)).is_empty());
    }

    #[test]
    fn parts_of_a_name_are_recognised() {
        let columns = ["objectId", "candidate_ra", "candidate_dec", "candidate_magpsf", "cross_match_alerts_per_batch"];
        assert_eq!(similar_names("candidate.ra", columns), ["candidate_ra"]);
        assert_eq!(similar_names("magpsf", columns), ["candidate_magpsf"]);
        assert_eq!(similar_names("cross_match", columns), ["cross_match_alerts_per_batch"]);
        let keys = ["distribution.poll", "stream.topic", "kafka.username"];
        assert_eq!(similar_names("distribution.topic", keys).first(), Some(&"stream.topic"));
        assert_eq!(similar_names("kafak.username", keys), ["kafka.username"]);
    }

    #[test]
    fn suggestions_are_a_question() {
        assert_eq!(did_you_mean(&["a"]).as_deref(), Some("did you mean `a`?"));
        assert_eq!(did_you_mean(&["a", "b", "c"]).as_deref(), Some("did you mean `a`, `b` or `c`?"));
        assert_eq!(suggestion("xyz", ["abc"]), "");
        assert_eq!(suggestion("abd", ["abc"]), ": did you mean `abc`?");
    }
}
