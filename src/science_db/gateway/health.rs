//! Which gateways answer, as seen by all sessions of the process together.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::call_error::CallError;
use crate::science_db::timeouts::Timeouts;

/// Time between two probes of a gateway that is silent during a call.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// Time between the failure of a gateway and its next probe. It doubles with each failed probe, up to the maximum.
const MIN_RETRY_INTERVAL: Duration = Duration::from_secs(5);
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// Time between two log lines about the silence of one gateway.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Opens a new connection to a gateway and closes it: shows whether the gateway answers.
pub(crate) type Probe = Box<dyn Fn(&Arc<Health>, usize) -> Result<(), CallError> + Send + Sync>;

/// The state of each gateway, shared by the sessions that may use it. A gateway is its index in the list of addresses.
pub(crate) struct Health {
    addresses: Vec<String>,
    timeouts: Timeouts,
    probe: Probe,
    gateways: Mutex<Vec<Gateway>>,
}

#[derive(Clone, Debug, Default)]
struct Gateway {
    failure: Option<Failure>,
    is_probed: bool,
    last_probe: Option<Instant>,
    last_logged: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Failure {
    since: Instant,
    retry_at: Instant,
    next_interval: Duration,
}

impl Health {
    /// Gateways at `addresses` (`host:port`), which count as healthy until they fail.
    pub(crate) fn new(addresses: &[String], timeouts: Timeouts, probe: Probe) -> Self {
        let gateways = Mutex::new(vec![Gateway::default(); addresses.len()]);
        Self { addresses: addresses.to_vec(), timeouts, probe, gateways }
    }

    /// The addresses of the gateways.
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The address of one gateway.
    pub(crate) fn address(&self, gateway: usize) -> &str {
        &self.addresses[gateway]
    }

    /// The time-outs of the sessions.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// The order in which to try the gateways: from `home` on, failed ones last.
    pub(crate) fn order(&self, home: usize) -> Vec<usize> {
        let gateways = self.lock();
        let count = gateways.len();
        let mut order: Vec<usize> = (0..count).map(|step| (home + step) % count).collect();
        order.sort_by_key(|gateway| gateways[*gateway].failure.is_some());
        order
    }

    /// Whether the gateway has failed while another one is healthy.
    pub(crate) fn is_replaceable(&self, gateway: usize) -> bool {
        let gateways = self.lock();
        gateways[gateway].failure.is_some() && has_other(&gateways, gateway)
    }

    /// Whether the gateway has failed.
    pub(crate) fn has_failed(&self, gateway: usize) -> bool {
        self.lock()[gateway].failure.is_some()
    }

    /// Whether another gateway is healthy.
    pub(crate) fn has_other(&self, gateway: usize) -> bool {
        has_other(&self.lock(), gateway)
    }

    /// Records that the gateway answered on a new connection.
    pub(crate) fn mark_healthy(&self, gateway: usize) {
        let failure = self.lock()[gateway].failure.take();
        if let Some(failure) = failure.filter(|_| self.addresses.len() > 1) {
            let seconds = failure.since.elapsed().as_secs_f64();
            log::info!("gateway {} answers again, after {seconds:.1} s", self.address(gateway));
        }
    }

    /// Records that the gateway answered a call. If it counts as failed, the next probe comes soon: only an answer on a new connection
    /// makes it healthy.
    pub(crate) fn mark_answered(&self, gateway: usize) {
        if let Some(failure) = &mut self.lock()[gateway].failure {
            failure.retry_at = Instant::now();
        }
    }

    /// Records that the gateway did not accept a new connection, or did not answer on it.
    pub(crate) fn mark_failed(&self, gateway: usize, reason: &str) {
        let mut gateways = self.lock();
        let is_replaced = has_other(&gateways, gateway);
        let now = Instant::now();
        let state = &mut gateways[gateway].failure;
        if let Some(failure) = state {
            failure.retry_at = now + failure.next_interval;
            failure.next_interval = (failure.next_interval * 2).min(MAX_RETRY_INTERVAL);
            return;
        }
        *state =
            Some(Failure { since: now, retry_at: now + MIN_RETRY_INTERVAL, next_interval: 2 * MIN_RETRY_INTERVAL });
        drop(gateways);
        let address = self.address(gateway);
        match is_replaced {
            true => log::warn!("gateway {address} failed ({reason}); requests go to the other gateways"),
            // The error of the call itself reports the failure of a single gateway.
            false if self.addresses.len() > 1 => {
                log::warn!("gateway {address} failed ({reason}); no other gateway is available");
            }
            false => {}
        }
    }

    /// Whether the caller should log that the gateway is silent: true once per [`LOG_INTERVAL`] over all sessions, until it answers.
    pub(crate) fn should_log_silence(&self, gateway: usize) -> bool {
        let mut gateways = self.lock();
        let last_logged = &mut gateways[gateway].last_logged;
        let is_due = last_logged.is_none_or(|last| last.elapsed() >= LOG_INTERVAL);
        if is_due {
            *last_logged = Some(Instant::now());
        }
        is_due
    }

    /// Records that the silence of the gateway is over: the next one is another one. Returns whether it was logged.
    pub(crate) fn end_silence(&self, gateway: usize) -> bool {
        self.lock()[gateway].last_logged.take().is_some()
    }

    /// Probes a silent gateway in the background, unless it was probed within [`PROBE_INTERVAL`].
    pub(crate) fn probe(self: &Arc<Self>, gateway: usize) {
        let mut gateways = self.lock();
        let state = &mut gateways[gateway];
        if state.failure.is_none() && state.last_probe.is_none_or(|last| last.elapsed() >= PROBE_INTERVAL) {
            self.start_probe(state, gateway);
        }
    }

    /// Probes in the background each failed gateway whose next probe is due.
    pub(crate) fn probe_failed(self: &Arc<Self>) {
        let now = Instant::now();
        for (gateway, state) in self.lock().iter_mut().enumerate() {
            if state.failure.as_ref().is_some_and(|failure| failure.retry_at <= now) {
                self.start_probe(state, gateway);
            }
        }
    }

    fn start_probe(self: &Arc<Self>, state: &mut Gateway, gateway: usize) {
        if state.is_probed {
            return;
        }
        let health = Arc::clone(self);
        let probe = move || {
            match (health.probe)(&health, gateway) {
                Err(error) if error.breaks_connection() => health.mark_failed(gateway, &error.to_string()),
                Ok(()) | Err(_) => health.mark_healthy(gateway),
            }
            health.lock()[gateway].is_probed = false;
        };
        state.last_probe = Some(Instant::now());
        state.is_probed = std::thread::Builder::new().name(String::from("probe")).spawn(probe).is_ok();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Gateway>> {
        self.gateways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("addresses", &self.addresses).field("gateways", &self.gateways).finish()
    }
}

fn has_other(gateways: &[Gateway], gateway: usize) -> bool {
    gateways.iter().enumerate().any(|(other, state)| other != gateway && state.failure.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(count: usize) -> Arc<Health> {
        let addresses: Vec<String> = (0..count).map(|number| format!("gateway{number}:9090")).collect();
        Arc::new(Health::new(&addresses, Timeouts::default(), Box::new(|_, _| Ok(()))))
    }

    #[test]
    fn failed_gateway_is_tried_last_until_it_answers() {
        let health = health(3);
        assert_eq!(health.order(1), [1, 2, 0]);
        health.mark_failed(1, "no answer");
        health.mark_failed(1, "no answer");
        assert_eq!(health.order(1), [2, 0, 1]);
        assert!(health.is_replaceable(1) && !health.is_replaceable(0));
        health.mark_healthy(1);
        assert_eq!(health.order(1), [1, 2, 0]);
    }

    #[test]
    fn gateway_is_not_replaceable_if_all_others_have_failed() {
        let health = health(2);
        health.mark_failed(0, "no answer");
        health.mark_failed(1, "no answer");
        assert!(!health.is_replaceable(0) && !health.is_replaceable(1));
        assert_eq!(health.order(1), [1, 0]);
    }

    #[test]
    fn a_silence_is_logged_by_one_session_and_the_next_one_again() {
        let health = health(1);
        assert_eq!([health.should_log_silence(0), health.should_log_silence(0)], [true, false]);
        health.end_silence(0);
        assert!(health.should_log_silence(0));
    }
}
