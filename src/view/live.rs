//! Alerts of topics as they come, without a group: no offset is committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::ViewError;
use super::store::{AlertReader, AlertStore, NewAlert, Origin};
use crate::distribution::TIMESTAMP_HEADER;
use crate::kafka::consumer::{Consumer, ConsumerOptions, Event, StartAt};
use crate::kafka::{KafkaSettings, Message};
use crate::messages::MessageDecoder;
use crate::signals::Stop;

/// How long to wait for the brokers before that is said.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest wait for messages between two checks for a stop request.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long to wait before another attempt to connect.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Broken messages that are named each; further ones are only counted.
const MAX_NAMED_BROKEN: u64 = 100;

/// Where alerts are read.
#[derive(Clone, Debug)]
pub struct Topics {
    /// the connection
    pub kafka: KafkaSettings,
    /// the topics, at least one
    pub names: Vec<String>,
    /// where to begin
    pub start: StartAt,
}

/// Adds the alerts of topics to the store until a stop is requested, or, with `until_end`, until all that is there is read. Waits for brokers
/// that are away.
///
/// # Errors
/// Kafka refuses the login, or a topic.
pub fn follow(
    topics: &Topics,
    decoder: &mut MessageDecoder,
    store: &AlertStore,
    until_end: bool,
    stop: &Stop,
) -> Result<(), ViewError> {
    let Some(mut consumer) = open(topics, store, stop)? else { return Ok(()) };
    let mut reader = AlertReader::default();
    let mut at_end: BTreeMap<(String, i32), bool> = BTreeMap::new();
    let mut away: Option<Instant> = None;
    while !stop.requested() {
        match consumer.next(POLL_INTERVAL)? {
            Some(Event::Message(message)) => {
                at_end.insert((message.topic.clone(), message.partition), false);
                add(&message, decoder, &mut reader, store);
            }
            Some(Event::EndOfPartition { topic, partition, .. }) => {
                at_end.insert((topic, partition), true);
            }
            Some(Event::Assigned(places)) => at_end.extend(places.into_iter().map(|place| (place, false))),
            Some(Event::Revoked(_)) | None => {}
        }
        if until_end && !at_end.is_empty() && at_end.values().all(|is_at_end| *is_at_end) {
            break;
        }
        let fault = consumer.connection().status().fault();
        match (&fault, away) {
            (Some(fault), None) => {
                log::warn!("kafka cannot be reached: {}; waiting for it", fault.reason);
                store.set_problem(Some(format!("Kafka cannot be reached: {}", fault.reason)));
                away = Some(Instant::now());
            }
            (None, Some(since)) => {
                log::info!("kafka can be reached again after {} s", since.elapsed().as_secs());
                store.set_problem(None);
                away = None;
            }
            _ => {}
        }
    }
    Ok(())
}

fn open(topics: &Topics, store: &AlertStore, stop: &Stop) -> Result<Option<Consumer>, ViewError> {
    let options = ConsumerOptions { topics: topics.names.clone(), group: None, start: topics.start, timeout: TIMEOUT };
    let mut is_told = false;
    loop {
        match Consumer::open(&topics.kafka, &options) {
            Ok(consumer) => {
                store.set_problem(None);
                return Ok(Some(consumer));
            }
            Err(error) if error.is_transient() => {
                if !std::mem::replace(&mut is_told, true) {
                    log::warn!("{error}; waiting for it");
                }
                store.set_problem(Some(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
        if stop.wait(RETRY_INTERVAL) {
            return Ok(None);
        }
    }
}

fn add(message: &Message, decoder: &mut MessageDecoder, reader: &mut AlertReader, store: &AlertStore) {
    let received = jiff::Timestamp::now().as_millisecond();
    let mut put = |alert: NewAlert| -> Result<(), String> {
        let (observation, survey) = reader.read(&alert).map_err(|error| error.to_string())?;
        store.push(alert, observation, survey);
        Ok(())
    };
    let done = decoder.decode(message).map_err(|error| error.to_string()).and_then(|alerts| {
        alerts.into_iter().try_for_each(|alert| {
            let origin = Origin::Message {
                topic: message.topic.clone(),
                partition: message.partition,
                offset: message.offset,
                written: written(message),
                received,
            };
            put(NewAlert { decoder: Arc::clone(&alert.decoder), datum: alert.datum.into_owned(), origin })
        })
    });
    if let Err(reason) = done {
        store.count_broken();
        if store.read().broken() <= MAX_NAMED_BROKEN {
            log::warn!("{}[{}]@{}: {reason}", message.topic, message.partition, message.offset);
        }
    }
}

/// When the row was written to the science database, as the message's header says.
fn written(message: &Message) -> Option<i64> {
    let (_, value) = message.headers.iter().find(|(name, _)| name == TIMESTAMP_HEADER)?;
    std::str::from_utf8(value.as_deref()?).ok()?.parse().ok()
}
