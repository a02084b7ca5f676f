//! What takes its login from variables: a schema registry, and Slack.

use super::settings::ConsumerLogin;
use crate::cli::outcome::UsageError;
use crate::consume::notices::Notices;
use crate::messages::{RegistryAccess, RegistryClient};
use crate::notify::{Notifier, TOKEN_VARIABLE};
use crate::secret::Secret;

/// A client of a registry, with the login of its variables.
pub(crate) fn registry_client(address: &str) -> Result<RegistryClient, UsageError> {
    RegistryClient::new(address, &RegistryAccess::from_environment().map_err(UsageError)?).map_err(UsageError)
}

/// The way to a Slack channel.
pub(super) fn notices(channel: &str, login: &ConsumerLogin) -> anyhow::Result<Notices> {
    let token = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()).map(Secret::new);
    if token.is_none() {
        return Err(UsageError(format!("--slack takes a token: set the variable {TOKEN_VARIABLE}")).into());
    }
    let notifier = Notifier::start(&login.settings.slack.endpoint, token.as_ref())?;
    Ok(Notices::new(notifier, channel.trim_start_matches('#')))
}
