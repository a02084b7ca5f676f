//! `fink hbase show-peer`: shows the replication peer.

use anyhow::bail;
use serde_json::{Value, json};

use super::peer::{LAG_ADVICE, MAX_LAG, open, tables};
use crate::cli::context::Context;
use crate::cli::output::{self, Format, OutputArgs};
use crate::science_db::{Peer, SourceStatus, registered_sinks};

/// `fink hbase show-peer`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: fink hbase show-peer --format json

`longest lag` is the longest time from the write of an entry to its acknowledgement, since the region server last took a snapshot of its metrics,
which it may never do. It counts times in which no service was registered. `waiting` is how long the oldest entry waits that is not sent. Region
servers report both every few seconds. The service logs the lag of what it receives if that is above one second.")]
pub struct Args {
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (settings, mut admin) = open(context)?;
    let id = &settings.replication.peer;
    let Some(peer) = admin.peers()?.into_iter().find(|peer| peer.id == *id) else {
        bail!("HBase has no replication peer `{id}` (science_db.push_peer): `fink hbase add-peer` adds it");
    };
    let is_scoped = admin.is_scoped()?;
    let sources = admin.sources(id)?;
    let sinks = registered_sinks(&settings.replication);
    let sinks = sinks.map_err(|error| error.to_string());
    let document = document(&peer, is_scoped, &sources, &sinks);
    match args.output.format {
        Format::Table => output::print(text(&document, &sinks).as_bytes())?,
        Format::Json => output::print(format!("{document:#}\n").as_bytes())?,
        Format::Ndjson => output::print(format!("{document}\n").as_bytes())?,
    }
    if let Err(error) = sinks {
        log::warn!("{error}");
    }
    if !is_scoped {
        log::warn!("the column family is not scoped: HBase pushes nothing; `fink hbase add-peer` scopes it");
    }
    if sources.iter().any(|source| source.longest_lag > MAX_LAG) {
        log::warn!(
            "entries were sent later than {MAX_LAG:?} after their write: unless the service was away, {LAG_ADVICE}"
        );
    }
    Ok(())
}

fn document(peer: &Peer, is_scoped: bool, sources: &[SourceStatus], sinks: &Result<Vec<String>, String>) -> Value {
    let source = |source: &SourceStatus| {
        json!({
            "server": source.server,
            "longest_lag_ms": source.longest_lag.as_millis() as u64,
            "waiting_ms": source.lag.as_millis() as u64,
            "last_sent": source.last_sent.map(|sent| sent.as_millis()),
            "wals": source.wals,
        })
    };
    json!({
        "peer": peer.id,
        "state": if peer.is_enabled { "enabled" } else { "disabled" },
        "cluster": peer.cluster_key,
        "tables": tables(peer),
        "serial": peer.serial,
        "scoped": is_scoped,
        "services": sinks.as_ref().ok(),
        "region_servers": sources.iter().map(source).collect::<Vec<_>>(),
    })
}

/// The document for people: a line for each value, and one for each region server.
fn text(document: &Value, sinks: &Result<Vec<String>, String>) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let services = match sinks {
        Ok(sinks) if sinks.is_empty() => "none is registered".to_owned(),
        Ok(sinks) => sinks.join(" "),
        Err(_) => "unknown".to_owned(),
    };
    let mut text = String::new();
    for key in ["peer", "state", "cluster", "tables", "serial", "scoped"] {
        text += &format!("{key:<14} {}\n", word(&document[key]));
    }
    text += &format!("{:<14} {services}\n", "services");
    for source in document["region_servers"].as_array().into_iter().flatten() {
        text += &format!(
            "{:<14} {}: longest lag {} ms, waiting {} ms, WALs {}\n",
            "region server",
            word(&source["server"]),
            source["longest_lag_ms"],
            source["waiting_ms"],
            source["wals"]
        );
    }
    text
}
