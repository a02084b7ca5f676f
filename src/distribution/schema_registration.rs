//! Registers the schemas of streams with schema registries, before anything is sent.

use std::time::{Duration, Instant};

use serde_json::json;

use super::error::DistributionError;
use super::pipeline::Pipeline;
use super::settings::StreamSettings;
use crate::cancel::CancellationToken;
use crate::messages::{RegistryAccess, RegistryClient, RegistryError};

/// The waits before a registry that is away is asked again.
const MIN_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// Time between two log lines about one that is away.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Registers the schema of each stream that has a registry, under the subject `<topic>-value`. Returns the ids by stream; registering a
/// schema that is registered already returns its id. Waits for registries that are away, until `cancel` is cancelled.
///
/// # Errors
/// A registry refuses a schema or the login.
pub(super) fn register_schemas(
    streams: &[StreamSettings],
    pipeline: &Pipeline,
    cancel: &CancellationToken,
) -> Result<Vec<Option<u32>>, DistributionError> {
    let access = RegistryAccess::from_environment();
    let mut ids = Vec::with_capacity(streams.len());
    for (index, stream) in streams.iter().enumerate() {
        let (Some(address), Some(schema)) = (&stream.registry, pipeline.schema(index)) else {
            ids.push(None);
            continue;
        };
        let refused = |reason: String| DistributionError::Registration { stream: stream.name.clone(), reason };
        let client = access.clone().and_then(|access| RegistryClient::new(address, &access)).map_err(refused)?;
        let id = register(&client, &format!("{}-value", stream.topic), schema, cancel)?.map_err(refused)?;
        log::info!("stream `{}`: the schema has the id {id} in the registry {address}", stream.name);
        ids.push(Some(id));
    }
    Ok(ids)
}

/// The id of a schema; or why the registry refuses it.
fn register(
    client: &RegistryClient,
    subject: &str,
    schema: &str,
    cancel: &CancellationToken,
) -> Result<Result<u32, String>, DistributionError> {
    let (mut backoff, mut logged): (_, Option<Instant>) = (MIN_BACKOFF, None);
    loop {
        let answer = match client.post(&format!("/subjects/{subject}/versions"), &json!({ "schema": schema })) {
            Ok(answer) => answer,
            Err(RegistryError::Refused(reason)) => return Ok(Err(format!("the schema registry: {reason}"))),
            Err(error @ RegistryError::Away(_)) => {
                if logged.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL) {
                    log::warn!("{error}; trying again until it answers");
                    logged = Some(Instant::now());
                }
                if cancel.wait(backoff) {
                    let server = format!("the schema registry at {}", client.address());
                    return Err(DistributionError::NoAnswer { server });
                }
                backoff = (backoff * 2).min(MAX_BACKOFF);
                continue;
            }
        };
        if logged.is_some() {
            log::info!("the schema registry answers again");
        }
        let id = answer.body["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        return Ok(match (answer.status, id) {
            (200, Some(id)) => Ok(id),
            (status, _) => {
                let address = client.address();
                let words = answer.body["message"].as_str().map_or_else(String::new, |words| format!(": {words}"));
                Err(format!(
                    "the schema registry {address} refuses the schema for the subject `{subject}` (http status {status}){words}"
                ))
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_is_away_is_waited_for_until_the_start_is_cancelled() {
        let nowhere =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let client = RegistryClient::new(&format!("http://{nowhere}"), &RegistryAccess::default()).expect("an address");
        let cancel = CancellationToken::new().child_with_deadline(Some(Instant::now() + Duration::from_millis(700)));
        let error = register(&client, "t-value", "\"long\"", &cancel).expect_err("no registry");
        assert!(error.to_string().contains("the schema registry at http://127.0.0.1"), "{error}");
    }
}
