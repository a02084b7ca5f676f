//! Which gateways answer: what the sessions of one process know of them together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::wait::Wait;
use super::{CallError, Connection, Interface, Timeouts};

/// Time between two probes of a gateway that is silent in the middle of a call.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// Time from a gateway's failure to its next probe, which doubles up to the longest.
const MIN_RETRY_INTERVAL: Duration = Duration::from_secs(5);
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// Time between two lines of log about one gateway's silence.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The state of each gateway, shared by the sessions that may use it.
#[derive(Debug)]
pub struct Health {
    addresses: Vec<String>,
    interface: Interface,
    timeouts: Timeouts,
    gateways: Mutex<Vec<Gateway>>,
}

#[derive(Clone, Debug, Default)]
struct Gateway {
    failed: Option<Failed>,
    is_probed: bool,
    last_probe: Option<Instant>,
    logged: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Failed {
    since: Instant,
    retry_at: Instant,
    next_retry: Duration,
}

impl Health {
    /// Gateways that are taken to answer until they fail.
    pub fn new(addresses: &[String], interface: Interface, timeouts: Timeouts) -> Self {
        let gateways = Mutex::new(vec![Gateway::default(); addresses.len()]);
        Self { addresses: addresses.to_vec(), interface, timeouts, gateways }
    }

    /// The gateways' addresses, `host:port`.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The address of one.
    pub fn address(&self, gateway: usize) -> &str {
        self.addresses.get(gateway).map_or("", String::as_str)
    }

    /// Which of the two interfaces the gateways have.
    pub fn interface(&self) -> Interface {
        self.interface
    }

    /// The time-outs.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// The gateways in the order in which to try them: from `home` on, those that have failed last.
    pub fn order(&self, home: usize) -> Vec<usize> {
        let gateways = self.lock();
        let count = gateways.len();
        let mut order: Vec<usize> = (0..count).map(|step| (home + step) % count).collect();
        order.sort_by_key(|gateway| gateways[*gateway].failed.is_some());
        order
    }

    /// Whether the gateway has failed while another one is available.
    pub fn is_replaceable(&self, gateway: usize) -> bool {
        let gateways = self.lock();
        gateways[gateway].failed.is_some() && has_other(&gateways, gateway)
    }

    /// Whether the gateway has failed.
    pub fn has_failed(&self, gateway: usize) -> bool {
        self.lock()[gateway].failed.is_some()
    }

    /// Whether another gateway is available.
    pub fn has_other(&self, gateway: usize) -> bool {
        has_other(&self.lock(), gateway)
    }

    /// The gateway has answered on a new connection.
    pub fn mark_healthy(&self, gateway: usize) {
        let failed = self.lock()[gateway].failed.take();
        if let Some(failed) = failed.filter(|_| self.addresses.len() > 1) {
            let seconds = failed.since.elapsed().as_secs_f64();
            log::info!("the gateway at {} answers again, after {seconds:.1} s", self.address(gateway));
        }
    }

    /// The gateway has answered a call. Where it is taken to have failed, a new connection is to show soon that it has not.
    pub fn mark_answered(&self, gateway: usize) {
        if let Some(failed) = &mut self.lock()[gateway].failed {
            failed.retry_at = Instant::now();
        }
    }

    /// The gateway has not taken a new connection, or has not answered on it.
    pub fn mark_failed(&self, gateway: usize, reason: &str) {
        let mut gateways = self.lock();
        let is_replaced = has_other(&gateways, gateway);
        let now = Instant::now();
        let state = &mut gateways[gateway].failed;
        if let Some(failed) = state {
            failed.retry_at = now + failed.next_retry;
            failed.next_retry = (failed.next_retry * 2).min(MAX_RETRY_INTERVAL);
            return;
        }
        *state = Some(Failed { since: now, retry_at: now + MIN_RETRY_INTERVAL, next_retry: 2 * MIN_RETRY_INTERVAL });
        drop(gateways);
        let address = self.address(gateway);
        match is_replaced {
            true => log::warn!("the gateway at {address} failed ({reason}); requests go to the other gateways"),
            // With a single gateway the call's own error says so.
            false if self.addresses.len() > 1 => {
                log::warn!("the gateway at {address} failed ({reason}); no other gateway is available");
            }
            false => {}
        }
    }

    /// Whether the caller may say now that the gateway is silent; nobody else may then for a minute.
    pub fn should_log_silence(&self, gateway: usize) -> bool {
        let mut gateways = self.lock();
        let logged = &mut gateways[gateway].logged;
        let may = logged.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL);
        if may {
            *logged = Some(Instant::now());
        }
        may
    }

    /// Finds out in the background whether a gateway that is silent takes new connections, unless somebody has asked just now.
    pub fn probe(self: &Arc<Self>, gateway: usize) {
        let mut gateways = self.lock();
        let state = &mut gateways[gateway];
        if state.failed.is_none() && state.last_probe.is_none_or(|last| last.elapsed() >= PROBE_INTERVAL) {
            self.start_probe(state, gateway);
        }
    }

    /// Finds out in the background whether gateways that have failed answer again, each when its time has come.
    pub fn probe_failed(self: &Arc<Self>) {
        let now = Instant::now();
        for (gateway, state) in self.lock().iter_mut().enumerate() {
            if state.failed.as_ref().is_some_and(|failed| failed.retry_at <= now) {
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
            let outcome = Connection::open(Wait::for_probe(&health, gateway));
            let reason = match outcome {
                Err(CallError::Disconnected(reason) | CallError::TimedOut(reason) | CallError::Protocol(reason)) => {
                    Some(reason)
                }
                Ok(_) | Err(_) => None,
            };
            match reason {
                Some(reason) => health.mark_failed(gateway, &reason),
                None => health.mark_healthy(gateway),
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

fn has_other(gateways: &[Gateway], gateway: usize) -> bool {
    gateways.iter().enumerate().any(|(other, state)| other != gateway && state.failed.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(count: usize) -> Arc<Health> {
        let addresses: Vec<String> = (0..count).map(|number| format!("gateway{number}:9090")).collect();
        let interface = Interface { kind: "thrift2", other: 1, handshake: |_| Ok(()) };
        Arc::new(Health::new(&addresses, interface, Timeouts::default()))
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
    fn gateway_is_not_replaceable_where_all_others_have_failed() {
        let health = health(2);
        health.mark_failed(0, "no answer");
        health.mark_failed(1, "no answer");
        assert!(!health.is_replaceable(0) && !health.is_replaceable(1));
        assert_eq!(health.order(1), [1, 0]);
    }

    #[test]
    fn silence_is_told_by_one_session() {
        let health = health(1);
        assert_eq!([health.should_log_silence(0), health.should_log_silence(0)], [true, false]);
    }
}
