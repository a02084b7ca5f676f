//! librdkafka alone: the time and the CPU time to send as many messages of the same size as the distribution, with the same settings. The
//! messages are built before measuring.
//!
//! `scripts/dev/bench` runs it with the path of a JSON file with the servers, the topic and the messages. It prints one line of JSON.

use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Number of different values, sent in turn: a single one would stay in the processor's cache, unlike real messages.
const VALUES: usize = 512;

#[derive(Deserialize)]
struct Job {
    bootstrap_servers: String,
    security_protocol: String,
    sasl_mechanism: String,
    username: String,
    password_file: String,
    producer: Map<String, Value>,
    topic: String,
    partitions: i32,
    messages: usize,
    key_bytes: usize,
    value_bytes: usize,
}

#[derive(Default)]
struct Deliveries {
    done: AtomicUsize,
    failed: AtomicUsize,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.done.fetch_add(1, Ordering::Release);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(path) = std::env::args().nth(1).filter(|argument| !argument.starts_with('-')) else {
        println!("librdkafka alone needs a Kafka: scripts/dev/bench runs it beside fink");
        return Ok(());
    };
    let job: Job = serde_json::from_str(&fs::read_to_string(path)?)?;
    let producer = producer(&job)?;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut bytes = |len| {
        let mut bytes = vec![0; len];
        random.fill_bytes(&mut bytes);
        bytes
    };
    let key = bytes(job.key_bytes);
    let values: Vec<_> = (0..VALUES.min(job.messages)).map(|_| bytes(job.value_bytes)).collect();

    let start = Instant::now();
    for (number, value) in values.iter().cycle().take(job.messages).enumerate() {
        let mut record = BaseRecord::<[u8], [u8]>::to(&job.topic).payload(value);
        if job.key_bytes > 0 {
            record = record.key(&key);
        }
        send(&producer, record.partition(number as i32 % job.partitions))?;
    }
    let deliveries = producer.context();
    while deliveries.done.load(Ordering::Acquire) < job.messages {
        std::thread::sleep(Duration::from_millis(1));
    }
    let seconds = start.elapsed().as_secs_f64();
    let failed = deliveries.failed.load(Ordering::Relaxed);
    if failed > 0 {
        return Err(format!("{failed} of {} messages were not delivered", job.messages).into());
    }
    println!("{}", json!({"messages": job.messages, "seconds": seconds}));
    Ok(())
}

fn producer(job: &Job) -> Result<ThreadedProducer<Deliveries>, Box<dyn Error>> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &job.bootstrap_servers)
        .set("security.protocol", &job.security_protocol)
        .set("sasl.mechanism", &job.sasl_mechanism)
        .set("sasl.username", &job.username)
        .set("sasl.password", fs::read_to_string(&job.password_file)?.trim_end())
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("queue.buffering.max.messages", "0")
        // As much as fink lets be under way.
        .set("queue.buffering.max.kbytes", "65536");
    for (name, value) in &job.producer {
        config.set(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    let producer: ThreadedProducer<_> = config.create_with_context(Deliveries::default())?;
    // Connects and logs in before the clock starts.
    producer.client().fetch_metadata(Some(&job.topic), Duration::from_secs(30))?;
    Ok(producer)
}

fn send(producer: &ThreadedProducer<Deliveries>, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<(), KafkaError> {
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((error, back)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                record = back;
                std::thread::sleep(Duration::from_millis(1));
            }
            Err((error, _)) => return Err(error),
        }
    }
}
