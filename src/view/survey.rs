//! Which survey an alert is of.

use serde_json::Value;

/// Which survey an alert is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survey {
    /// the Zwicky Transient Facility
    Ztf,
    /// Rubin's LSST
    Rubin,
    /// any other
    Other,
}

impl Survey {
    /// From the packet's fields. Other surveys have copied ZTF's layout with other filters and another orientation, so that its names are
    /// not enough.
    pub fn of(alert: &Value) -> Self {
        let candidate = &alert["candidate"];
        let begins = |field: &str| alert[field].as_str().is_some_and(|text| text.starts_with("ZTF"));
        let source = &alert["diaSource"];
        if (begins("objectId") || begins("publisher"))
            && candidate.get("fid").is_some()
            && candidate.get("jd").is_some()
        {
            Self::Ztf
        } else if source.get("psfFlux").is_some() && source.get("midpointMjdTai").is_some() {
            Self::Rubin
        } else {
            Self::Other
        }
    }
}

/// The name of a filter that is a number, where the survey is none whose numbers are known as ZTF's.
pub fn filter_name(alert: &Value, number: i64) -> String {
    let names: &[&str] = match alert["publisher"].as_str() {
        Some(publisher) if publisher.starts_with("WINTER") => &["Y", "J", "H", "K"],
        _ => &[],
    };
    let known = usize::try_from(number).ok().and_then(|number| names.get(number));
    known.map_or_else(|| format!("filter {number}"), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn surveys_are_told_apart() {
        let candidate = json!({"fid": 2, "jd": 2_460_000.5});
        assert_eq!(Survey::of(&json!({"objectId": "ZTF18abc", "candidate": candidate})), Survey::Ztf);
        assert_eq!(Survey::of(&json!({"publisher": "WINTER-mirar", "candidate": candidate})), Survey::Other);
        assert_eq!(Survey::of(&json!({"diaSource": {"psfFlux": 1.0, "midpointMjdTai": 60_000.0}})), Survey::Rubin);
        assert_eq!(Survey::of(&json!({"diaSource": {"psFlux": 1.0, "midPointTai": 60_000.0}})), Survey::Other);
        assert_eq!(Survey::of(&json!({})), Survey::Other);
    }
}
