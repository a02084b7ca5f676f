//! The settings of notices: `[slack]`.

use std::path::PathBuf;

use crate::notify::endpoint::Endpoint;
use crate::secret::Secret;

/// `[slack]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlackSettings {
    /// the file of channels; `None`: no notices
    pub channels: Option<PathBuf>,
    /// the URL that messages are posted to
    pub endpoint: Endpoint,
    /// the token, from the variable SLACK_API_TOKEN; read only where `channels` is set
    pub token: Option<Secret>,
}
