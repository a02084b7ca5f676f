//! The status page, and the events that keep it up to date.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::last_hour::Point;
use super::monitor::Monitor;
use crate::cli::service_status::ServiceStatus;
use crate::distribution::instruments::ServerHealth;
use crate::html_page::{Page, PageParts};
use crate::timestamp::Timestamp;

const PARTS: PageParts = PageParts {
    html: include_str!("assets/page.html"),
    style: include_str!("assets/style.css"),
    modules: &[
        ("dom", include_str!("../../view/assets/dom.js")),
        ("format", include_str!("../../view/assets/format.js")),
        ("ticks", include_str!("../../view/assets/ticks.js")),
        ("text", include_str!("assets/text.js")),
        ("chart", include_str!("assets/chart.js")),
        ("main", include_str!("assets/main.js")),
    ],
};

/// The page.
pub(super) fn page() -> Page {
    PARTS.served()
}

/// What the page shows at one time.
#[derive(Debug, Serialize)]
struct PageData<'a> {
    #[serde(flatten)]
    status: ServiceStatus,
    /// ms since 1970
    now: i64,
    /// when the process started, ms since 1970
    started: i64,
    /// seconds since the last commit of the checkpoint
    checkpoint_age: Option<f64>,
    ledger_alerts: u64,
    /// seconds that the servers have not answered for; empty: all answer
    outages: BTreeMap<&'static str, f64>,
    points: &'a VecDeque<Point>,
    /// of the last hour
    late_in_hour: u64,
    /// of the last hour, by stream
    rejected_in_hour: BTreeMap<&'a str, u64>,
}

/// The data of an event: JSON without line breaks.
pub(super) fn event(monitor: &Monitor) -> String {
    let now = Timestamp::now();
    let outage = |name, health: &ServerHealth| health.outage(now).map(|outage| (name, outage.as_secs_f64()));
    let outages =
        [outage("the science database", &monitor.instruments.science_db), outage("Kafka", &monitor.instruments.kafka)];
    let status = ServiceStatus::new(&monitor.name, &monitor.latest, &monitor.problems);
    let (checkpoint_at, ledger_alerts) = monitor.latest.read(|stats, _| (stats.checkpoint_at, stats.ledger_alerts));
    let hour = monitor.last_hour();
    let data = PageData {
        status,
        now: now.as_millis(),
        started: monitor.started.as_millis(),
        checkpoint_age: checkpoint_at.map(|at| at.elapsed().as_secs_f64()),
        ledger_alerts,
        outages: outages.into_iter().flatten().collect(),
        points: hour.points(),
        late_in_hour: hour.late(),
        rejected_in_hour: hour.rejected(),
    };
    serde_json::to_string(&data).unwrap_or_else(|error| serde_json::json!({"fault": error.to_string()}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html_page::check_modules;

    #[test]
    fn modules_can_be_joined() {
        check_modules(&PARTS);
    }

    #[test]
    fn the_page_brings_everything_along() {
        let page = page();
        assert!(!page.html.contains("<!--script-->") && !page.html.contains("src=") && page.html.len() < 100_000);
        assert!(page.policy.starts_with("default-src 'none'"));
    }
}
