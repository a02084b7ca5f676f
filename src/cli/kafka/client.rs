//! The administrator's client.

use std::time::{Duration, Instant};

use crate::cli::context::Context;
use crate::config::RequiredLogin;
use crate::kafka::{self, Admin, Identity};

/// The timeout of each request.
pub(super) const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a change may take to reach all brokers.
const PROPAGATION_TIMEOUT: Duration = Duration::from_secs(5);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A client that logs in as the administrator.
pub(super) fn admin(context: &Context) -> anyhow::Result<Admin> {
    Ok(Admin::open(&context.settings(RequiredLogin::Admin)?.kafka, Identity::Admin, KAFKA_TIMEOUT)?)
}

/// Waits until the brokers show a change: the controller has made it, and the brokers learn of it with a short delay.
pub(super) fn wait_until_visible(mut is_visible: impl FnMut() -> kafka::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PROPAGATION_TIMEOUT;
    while !is_visible()? {
        if Instant::now() >= deadline {
            log::warn!("Kafka has accepted the change, but its brokers do not show it after {PROPAGATION_TIMEOUT:?}");
            return Ok(());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}
