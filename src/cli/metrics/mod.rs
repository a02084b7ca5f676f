//! A running distribution over HTTP: the status page `/`, `/metrics` for Prometheus, `/healthz` and `/readyz`.

mod exposition;
mod last_hour;
mod monitor;
mod process;
mod status_page;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use prometheus_client::encoding::prometheus_text;

use self::exposition::Exposition;
pub(super) use self::monitor::Monitor;
use self::process::Process;
use super::service_status::lane;
use crate::cancel::CancellationToken;
use crate::distribution::instruments::Instruments;
use crate::distribution::stats::{Lane, Stats};
use crate::http_server::{HttpServer, Request, Response, RunningServer};
use crate::timestamp::Timestamp;

/// A service with a longer lag is not ready.
const MAX_READY_LAG: Duration = Duration::from_secs(60);
/// A service is not ready while a server has not answered for longer: single requests that fail are normal.
const MAX_READY_OUTAGE: Duration = Duration::from_secs(10);
/// Time between two samples for the last hour, and between two events of the status page.
const INTERVAL: Duration = Duration::from_secs(1);

const TEXT: &str = "text/plain; charset=utf-8";

/// Answers requests until it is dropped.
#[derive(Debug)]
pub(super) struct MetricsServer {
    _server: RunningServer,
    stop: CancellationToken,
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Answers requests about a distribution, and keeps its last hour, until the result is dropped.
///
/// # Errors
/// The address is in use, or not one of this machine.
pub(super) fn serve(address: SocketAddr, monitor: Monitor) -> anyhow::Result<MetricsServer> {
    let server = HttpServer::bind(address).with_context(|| format!("cannot listen on metrics.listen = {address}"))?;
    let address = server.address();
    log::info!("metrics on http://{address}/metrics, status page on http://{address}/");
    let (monitor, stop) = (Arc::new(monitor), CancellationToken::new());
    let (sampled, until) = (Arc::clone(&monitor), stop.clone());
    std::thread::spawn(move || {
        loop {
            sampled.latest.read(|stats, _| sampled.last_hour().add(stats, Timestamp::now()));
            if until.wait(INTERVAL) {
                return;
            }
        }
    });
    let server = server.serve(move |request| answer(request, address, &monitor));
    Ok(MetricsServer { _server: server, stop })
}

fn answer(request: &Request, address: SocketAddr, monitor: &Arc<Monitor>) -> Response {
    match request.path.as_str() {
        "/metrics" => metrics(monitor),
        "/healthz" => Response::ok(TEXT, b"ok\n".to_vec()),
        "/readyz" => match monitor.latest.read(|stats, _| not_ready(stats, &monitor.instruments, Timestamp::now())) {
            None => Response::ok(TEXT, b"ready\n".to_vec()),
            Some(reason) => Response::error(503, &reason),
        },
        "/" | "/events" if !is_allowed_host(&request.host, address) => {
            Response::error(403, "use the IP address or `localhost`: metrics.listen is for this machine only")
        }
        "/" => {
            let page = status_page::page();
            let headers = vec![
                ("Content-Security-Policy", page.policy),
                ("Cross-Origin-Opener-Policy", "same-origin".to_owned()),
                ("Cross-Origin-Resource-Policy", "same-origin".to_owned()),
            ];
            Response { headers, ..Response::ok("text/html; charset=utf-8", page.html.into_bytes()) }
        }
        "/events" => {
            let monitor = Arc::clone(monitor);
            let headers = vec![("Cross-Origin-Resource-Policy", "same-origin".to_owned())];
            Response { headers, ..Response::events(INTERVAL, move || status_page::event(&monitor)) }
        }
        _ => Response::error(404, "there are /, /metrics, /healthz and /readyz"),
    }
}

fn metrics(monitor: &Monitor) -> Response {
    let (stats, rate) = monitor.latest.get();
    let exposition = Exposition {
        name: monitor.name.clone(),
        stats,
        rate,
        instruments: monitor.instruments.clone(),
        process: Process::read(),
        started: monitor.started,
        now: Timestamp::now(),
    };
    match exposition.text() {
        Ok(text) => Response::ok(prometheus_text::CONTENT_TYPE, text.into_bytes()),
        Err(error) => Response::error(500, &error.to_string()),
    }
}

/// Whether a browser may show the page under this name. At an address of this machine alone, a page of another site could have its own name resolved
/// to it (DNS rebinding); it cannot do so with an IP address or `localhost`. The port may be that of a tunnel.
fn is_allowed_host(host: &str, address: SocketAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    !address.ip().is_loopback()
        || name.eq_ignore_ascii_case("localhost")
        || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// Why the service is not ready; `None`: it is connected and its lag is short.
fn not_ready(stats: &Stats, instruments: &Instruments, now: Timestamp) -> Option<String> {
    let at = lane(stats.lane);
    if stats.lane == Lane::Start {
        return Some("starting: the science database or kafka has not answered yet".to_owned());
    }
    for (server, health) in [("the science database", &instruments.science_db), ("kafka", &instruments.kafka)] {
        if let Some(outage) = health.outage(now).filter(|outage| *outage > MAX_READY_OUTAGE) {
            return Some(format!("{at}: {server} has not answered for {} s", outage.as_secs()));
        }
    }
    match stats.lag(now) {
        Some(lag) if stats.lane == Lane::Live && lag <= MAX_READY_LAG => None,
        Some(lag) => Some(format!("{at}, lag {:.1} s, more than {} s", lag.as_secs_f64(), MAX_READY_LAG.as_secs())),
        None => Some(format!("{at}: nothing recent is published yet")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_ready_in_the_live_lane_with_a_short_lag() {
        let (mut stats, instruments) = (Stats::new(1), Instruments::default());
        (stats.lane, stats.published_until) = (Lane::Live, Some(Timestamp::from_millis(1_000)));
        assert_eq!(not_ready(&stats, &instruments, Timestamp::from_millis(3_500)), None);
        let late = not_ready(&stats, &instruments, Timestamp::from_millis(90_000));
        assert_eq!(late.as_deref(), Some("live, lag 89.0 s, more than 60 s"));
        stats.lane = Lane::Start;
        let starting = not_ready(&stats, &instruments, Timestamp::from_millis(3_500));
        assert!(starting.is_some_and(|reason| reason.starts_with("starting")));
    }

    #[test]
    fn a_service_is_not_ready_while_a_server_does_not_answer() {
        let (mut stats, instruments) = (Stats::new(1), Instruments::default());
        (stats.lane, stats.published_until) = (Lane::Live, Some(Timestamp::from_millis(1_000)));
        instruments.kafka.begin_outage(Timestamp::from_millis(2_000));
        assert_eq!(not_ready(&stats, &instruments, Timestamp::from_millis(11_000)), None, "a request that failed");
        let away = not_ready(&stats, &instruments, Timestamp::from_millis(17_500));
        assert_eq!(away.as_deref(), Some("live: kafka has not answered for 15 s"));
        instruments.kafka.end_outage();
        assert_eq!(not_ready(&stats, &instruments, Timestamp::from_millis(17_500)), None);
    }

    #[test]
    fn a_page_for_this_machine_is_not_shown_under_the_name_of_another_site() {
        let local: SocketAddr = "127.0.0.1:9464".parse().unwrap();
        for host in ["127.0.0.1:9464", "localhost:8080", "Localhost", "[::1]:9464", "10.1.2.3"] {
            assert!(is_allowed_host(host, local), "{host}");
        }
        for host in ["", "evil.example:9464", "127.0.0.1.evil.example", "localhost.evil.example:9464"] {
            assert!(!is_allowed_host(host, local), "{host}");
        }
        assert!(is_allowed_host("fink.example:9464", "192.0.2.1:9464".parse().unwrap()));
    }
}
