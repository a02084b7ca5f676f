//! What an operator gets to see when something is wrong: one message that names it, and an exit code.

use super::checkpoint_transfer::{assert_once, counts_at, use_kafka};
use crate::fixture::alert_table::{Table, with_catalog};
use crate::fixture::cluster::User;
use crate::fixture::second_kafka::SecondKafka;
use crate::fixture::wait_until;

#[test]
fn a_catalog_that_is_no_json_is_refused() {
    let fixture = with_catalog("nojson", "");
    std::fs::write(fixture.path("catalog.json"), "{\"table\": oops}").expect("the fixture's folder");
    fixture.run(&["start", "distribution"]).assert_stderr(2, &["catalog.json", "line 1", "column"]);
}

#[test]
fn an_unknown_type_is_refused_with_its_column() {
    let fixture = with_catalog("type", r#", "odd": {"cf": "i", "col": "odd", "type": "decimal"}"#);
    fixture.run(&["start", "distribution"]).assert_stderr(2, &["`odd`", "decimal"]);
}

#[test]
fn a_missing_table_ends_the_service_with_its_name() {
    let mut fixture = with_catalog("notable", "");
    fixture.add("[science_db]", "table = \"nowhere\"");
    fixture.run(&["start", "distribution"]).assert_stderr(1, &["default:nowhere", "fink ingest"]);
}

#[test]
fn a_thrift_1_server_is_recognised() {
    let mut fixture = with_catalog("thrift1", "");
    fixture.use_gateways();
    let cluster = fixture.cluster();
    let (two, one) = (cluster.value("FINK_TEST_THRIFT2").to_owned(), cluster.value("FINK_TEST_THRIFT1").to_owned());
    fixture.replace(&two, &one);
    fixture.run(&["start", "distribution"]).assert_stderr(1, &[&one, "Thrift 1", "kind"]);
}

#[test]
fn a_gateway_is_recognised_where_a_region_server_was_expected() {
    let mut fixture = with_catalog("nogateway", "");
    let cluster = fixture.cluster();
    let (hbase, gateway) = (cluster.value("FINK_TEST_HBASE").to_owned(), cluster.thrift2().remove(0));
    fixture.replace(&hbase, &gateway);
    let words = [&gateway, "Thrift 2 gateway", "science_db.kind = \"thrift2\""];
    fixture.run(&["start", "distribution"]).assert_stderr(1, &words);
}

#[test]
fn a_broker_is_recognised_where_a_region_server_was_expected() {
    let mut fixture = with_catalog("nobroker", "");
    let cluster = fixture.cluster();
    let (hbase, broker) = (cluster.value("FINK_TEST_HBASE").to_owned(), cluster.bootstrap_servers().to_owned());
    fixture.replace(&hbase, &broker);
    fixture.run(&["start", "distribution"]).assert_stderr(1, &[&broker, "Kafka broker"]);
}

#[test]
fn a_missing_namespace_ends_the_service_with_the_table() {
    let mut fixture = with_catalog("nonamespace", "");
    fixture.add("[science_db]", "table = \"nowhere_at_all:alerts\"");
    fixture.run(&["start", "distribution"]).assert_stderr(1, &["nowhere_at_all:alerts", "fink ingest"]);
}

#[test]
fn a_wrong_password_ends_the_service() {
    let mut table = Table::new("password");
    let wrong = table.fixture.path("wrong.password");
    std::fs::write(&wrong, "not-the-password").expect("the fixture's folder");
    std::fs::set_permissions(&wrong, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a file");
    let right = table.fixture.cluster().password_file(User::Producer).to_owned();
    table.fixture.replace(&right, &wrong.display().to_string());
    let finished = table.fixture.run(&["start", "distribution"]);
    finished.assert_stderr(1, &["refused the login of user `finkProducer`"]);
    assert!(!finished.stderr.contains("not-the-password"), "{finished:?}");
}

#[test]
fn no_right_to_write_is_named() {
    let mut table = Table::new("noright");
    // The producer may write to topics that begin with `fink_` only.
    let topic = format!("topic = \"{}\"", table.fixture.name);
    table.fixture.replace(&topic, "topic = \"other_topic\"");
    table.fixture.run(&["start", "distribution"]).assert_stderr(1, &["other_topic"]);
}

#[test]
fn a_missing_topic_that_may_not_be_created_is_named() {
    let mut table = Table::new("notopic");
    let cluster = table.fixture.cluster();
    let (producer, consumer) =
        (cluster.password_file(User::Producer).to_owned(), cluster.password_file(User::Consumer).to_owned());
    table.fixture.replace("finkProducer", "finkConsumer");
    table.fixture.replace(&producer, &consumer);
    let finished = table.fixture.run(&["start", "distribution"]);
    finished.assert_stderr(1, &["finkConsumer"]);
}

#[test]
fn a_job_that_ends_before_it_begins_is_wrong_usage() {
    let fixture = with_catalog("order", "");
    fixture
        .run(&["start", "distribution", "--from", "2000", "--until", "1000"])
        .assert_stderr(2, &["--from", "--until"]);
}

#[test]
fn a_job_that_ends_in_the_future_is_wrong_usage() {
    let fixture = with_catalog("future", "");
    fixture
        .run(&["start", "distribution", "--until", "2999-01-01T00:00:00Z"])
        .assert_stderr(2, &["--until", "ahead of now"]);
}

#[test]
fn an_unknown_key_of_the_configuration_is_named_with_the_nearest() {
    let mut fixture = with_catalog("key", "");
    fixture.add("[distribution]", "repare = \"10m\"");
    fixture.run(&["start", "distribution"]).assert_stderr(2, &["repare", "repair", "fink.toml"]);
}

#[test]
fn an_unknown_stream_is_named_with_those_there_are() {
    let fixture = with_catalog("stream", "");
    fixture.run(&["start", "distribution", "--stream", "fool"]).assert_stderr(2, &["fool", "full"]);
}

#[test]
fn a_start_waits_for_brokers_that_have_not_joined_the_cluster_yet() {
    let mut table = Table::with_short_intervals("joining");
    table.put(0..20, None);
    let mut second = SecondKafka::start(table.fixture.cluster());
    second.start_suspended();
    use_kafka(&mut table, &second);
    table.fixture.add("[distribution]", "replication = 2");
    let running = table.fixture.start(&["start", "distribution", "--from", "earliest"], "log");
    running.wait_for("it needs 2 brokers for its replicas, and the cluster has 1 broker");
    second.join();
    let published = || counts_at([&second.address, "-", "-"], &[&table.fixture.name]);
    wait_until(|| running.log(), || (published().len() == 20).then_some(()));
    let log = running.terminate();
    assert!(log.contains("kafka has answered, after") && !log.contains("ERROR"), "{log}");
    assert_once(&published(), 0..20);
}
