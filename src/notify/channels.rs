//! The channels that receive notices, and the channel of a class.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::notice::NotifyError;

/// The class of objects without a class, which have no notices.
const UNKNOWN: &str = "Unknown";

/// The channels of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channels(BTreeSet<Arc<str>>);

impl Channels {
    /// Reads a file of channels: one a line, without the `#` of its name. Blank lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    /// The file cannot be read or is not UTF-8.
    pub fn load(path: &Path) -> Result<Self, NotifyError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| NotifyError::Channels { path: path.display().to_string(), reason: error.to_string() })?;
        let channels = Self::parse(&text);
        for name in channels.0.iter().filter(|name| channel_name(name) != ***name) {
            log::warn!(
                "{}: no class has the channel `{name}`: the channel of a class consists of lower-case letters",
                path.display()
            );
        }
        if channels.0.is_empty() {
            log::warn!("{} names no channel: no notices are sent", path.display());
        }
        Ok(channels)
    }

    fn parse(text: &str) -> Self {
        let names = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(names.map(Arc::from).collect())
    }

    /// The channel of a class: its letters, in lower case. `None`: the file does not name it, or the class is `Unknown`.
    pub fn for_class(&self, class: &str) -> Option<&Arc<str>> {
        self.0.get(channel_name(class).as_str()).filter(|_| class != UNKNOWN)
    }
}

fn channel_name(class: &str) -> String {
    class.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_skipped() {
        let channels = Channels::parse("# all that vary\n\n  rrlyr \n#eb\nvariablestar\r\n");
        assert_eq!(channels.0.iter().map(|name| &**name).collect::<Vec<_>>(), ["rrlyr", "variablestar"]);
    }

    #[test]
    fn the_channel_of_a_class_consists_of_its_letters() {
        let channels = Channels::parse("rrlyr\nebcandidate\nunknown\nγdor\n");
        let of = |class: &str| channels.for_class(class).map(|channel| channel.to_string());
        assert_eq!(of("RRLyr"), Some("rrlyr".to_owned()));
        assert_eq!(of("EB*_Candidate"), Some("ebcandidate".to_owned()));
        assert_eq!(of("ΓDor"), Some("γdor".to_owned()));
        assert_eq!((of("Unknown"), of("QSO"), of(""), of("RR")), (None, None, None, None));
    }
}
