//! Reads the configuration of a running service again, at SIGHUP. A wrong one is refused, and the service goes on with the former one.

use std::sync::mpsc::{Receiver, TryRecvError, channel};

use super::context::Context;
use crate::cancel::CancellationToken;
use crate::config::RequiredLogin;
use crate::distribution::settings::Settings;
use crate::distribution::{Request, check_settings};
use crate::signals::Hangup;

/// Waits for SIGHUP, and checks the new configuration in a thread.
pub(super) struct Reload {
    hangup: Hangup,
    context: Context,
    checking: Option<Receiver<anyhow::Result<Settings>>>,
    settings: Option<Settings>,
}

impl Reload {
    /// Receives SIGHUP from now on.
    ///
    /// # Errors
    /// The handler cannot be installed.
    pub fn on_signal(context: &Context) -> std::io::Result<Self> {
        Ok(Self { hangup: Hangup::on_signal()?, context: context.clone(), checking: None, settings: None })
    }

    /// Starts to check the configuration after a SIGHUP, and cancels `restart` once a new one is good. Does not wait. `name`: the distribution.name,
    /// which must not change.
    pub fn poll(&mut self, request: &Request, name: &str, restart: &CancellationToken) {
        if self.hangup.take() {
            if request.is_job() || request.dry_run {
                log::warn!("SIGHUP is ignored: only a service reads its configuration again");
            } else if self.checking.is_none() {
                log::info!("SIGHUP: reading the configuration again");
                self.checking = Some(self.check(request, name));
            }
        }
        let Some(checking) = &self.checking else { return };
        match checking.try_recv() {
            Err(TryRecvError::Empty) => return,
            Ok(Ok(settings)) => {
                self.settings = Some(settings);
                restart.cancel();
            }
            Ok(Err(error)) => refused(&format!("{error:#}")),
            Err(TryRecvError::Disconnected) => refused("the check of the new one failed"),
        }
        self.checking = None;
    }

    fn check(&self, request: &Request, name: &str) -> Receiver<anyhow::Result<Settings>> {
        let (sender, receiver) = channel();
        let (context, request, name) = (self.context.clone(), request.clone(), name.to_owned());
        std::thread::spawn(move || {
            let _ended = sender.send(read(&context, &request, &name));
        });
        receiver
    }

    /// The new settings, once `restart` is cancelled.
    pub fn take(&mut self) -> Option<Settings> {
        self.settings.take()
    }
}

fn read(context: &Context, request: &Request, name: &str) -> anyhow::Result<Settings> {
    let settings = context.settings(RequiredLogin::User)?;
    if settings.distribution.name != name {
        anyhow::bail!(
            "distribution.name is `{}` now: a change of the name needs a restart",
            settings.distribution.name
        );
    }
    // Its message contains those of its causes.
    check_settings(&settings, request, &CancellationToken::new()).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(settings)
}

/// Logs that the former configuration stays.
pub(super) fn refused(reason: &str) {
    for line in reason.lines() {
        log::error!("{line}");
    }
    log::error!("the new configuration is refused: the service goes on with the former one");
}
