//! Where logins for reading are kept.

use std::path::PathBuf;

use crate::cli::outcome::UsageError;

/// The user's home.
pub(super) fn home() -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    home.map(PathBuf::from).ok_or_else(|| UsageError("the variable HOME is not set".to_owned()).into())
}

/// The name of a survey, as it stands in the name of a file.
pub(super) fn survey_name(text: &str) -> Result<String, String> {
    match !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        true => Ok(text.to_owned()),
        false => Err("a survey's name is made of letters, digits, `_` and `-`".to_owned()),
    }
}

/// The folder of logins.
pub(super) fn login_folder() -> anyhow::Result<PathBuf> {
    let configured = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    Ok(match configured {
        Some(folder) => folder.join("fink"),
        None => home()?.join(".config/fink"),
    })
}

/// The login of a survey.
pub(super) fn login_file(survey: &str) -> anyhow::Result<PathBuf> {
    let survey = survey_name(survey).map_err(UsageError)?;
    Ok(login_folder()?.join(format!("consumer-{survey}.toml")))
}
