//! What takes its login from variables: a schema registry, and Slack.

use super::settings::ConsumerLogin;
use crate::cli::outcome::UsageError;
use crate::consume::error::ConsumeError;
use crate::consume::notices::Notices;
use crate::consume::registry::{Registry, RegistryLogin};
use crate::notify::{Notifier, TOKEN_VARIABLE};
use crate::secret::Secret;

/// A registry, with the login of its variables.
pub(crate) fn registry(address: &str) -> Result<Registry, ConsumeError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let login = variable("FINK_REGISTRY_USERNAME").map(|username| RegistryLogin {
        username,
        password: Secret::new(variable("FINK_REGISTRY_PASSWORD").unwrap_or_default()),
    });
    Registry::new(address, login.as_ref())
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
