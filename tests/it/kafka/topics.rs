use fink::kafka::Identity;
use fink::kafka::retention::{self, Retention};
use fink::kafka::topics::{CreateOutcome, TopicSpec};
use fink::kafka::{Admin, Error};

use crate::fixture::topics::*;
use crate::fixture::wait_until;

#[test]
fn a_topic_is_made_once_and_another_shape_is_named() {
    let topic = Topic::named(unique("spec"));
    let admin = admin();
    let mut spec = TopicSpec::stream(3);
    spec.config.push(("retention.ms".to_owned(), "3600000".to_owned()));
    assert_eq!(admin.partitions(&topic.0), Ok(None));
    assert_eq!(admin.create_topic(&topic.0, &spec), Ok(CreateOutcome::Created));
    assert_eq!(admin.create_topic(&topic.0, &spec), Ok(CreateOutcome::AlreadyExists));
    spec.partitions = Some(4);
    spec.config[1].1 = "7200000".to_owned();
    let error = admin.create_topic(&topic.0, &spec).unwrap_err();
    assert!(matches!(error, Error::TopicMismatch { .. }));
    let text = error.to_string();
    assert!(text.contains("it has 3 partitions, not 4, retention.ms is 3600000, not 7200000"), "{text}");

    let [described] = &admin.describe_topics(&[&topic.0]).unwrap()[..] else { panic!("one description") };
    assert_eq!(described.error, None);
    assert_eq!(described.partitions.len(), 3);
    assert!(described.partitions.iter().all(|p| p.leader.is_some() && !p.in_sync.is_empty()));
    let [config] = &admin.describe_configs(&[&topic.0]).unwrap()[..] else { panic!("one configuration") };
    let own: Vec<_> = config.entries.iter().filter(|entry| entry.is_override).map(|entry| &entry.name).collect();
    assert_eq!(own, ["cleanup.policy", "retention.ms"]);
    assert!(admin.list_topics().unwrap().iter().any(|t| t.name == topic.0 && t.partitions == 3));

    admin.delete_topic(&topic.0).unwrap();
    // The controller has deleted it; the broker that is asked hears of it soon.
    wait_until(|| "it is still there".to_owned(), || (admin.partitions(&topic.0) == Ok(None)).then_some(()));
    assert!(matches!(admin.delete_topic(&topic.0), Err(Error::UnknownTopic { .. })));
    let [described] = &admin.describe_topics(&[&topic.0]).unwrap()[..] else { panic!("one description") };
    assert!(matches!(described.error, Some(Error::UnknownTopic { .. })), "{described:?}");
}

#[test]
fn ensure_keeps_what_is_there_and_makes_what_is_not() {
    let topic = Topic::named(unique("ensure"));
    assert_eq!(
        Admin::open(&settings(), Identity::User, TIMEOUT).unwrap().ensure_topic(&topic.0, &TopicSpec::stream(2)),
        Ok(2)
    );
    assert_eq!(
        Admin::open(&settings(), Identity::User, TIMEOUT).unwrap().ensure_topic(&topic.0, &TopicSpec::stream(5)),
        Ok(2)
    );
    let missing = unique("ensure");
    let consumer = Admin::open(&consumer_settings(), Identity::User, TIMEOUT).unwrap();
    let error = consumer.ensure_topic(&missing, &TopicSpec::stream(1)).unwrap_err().to_string();
    assert!(error.contains("`finkConsumer` is not authorized to create it"), "{error}");
    assert!(error.contains(&format!("fink kafka create-topic {missing}")), "{error}");
}

#[test]
fn the_policies_of_many_topics_are_returned_in_their_order() {
    let compacted = Topic::with("policy", 1, &[("cleanup.policy", "compact,delete")]);
    let short = Topic::with("policy", 1, &[("retention.ms", "60000")]);
    let good: Vec<Topic> = (0..3).map(|_| Topic::with("policy", 1, &[("cleanup.policy", "delete")])).collect();
    let names = [&good[0].0, &short.0, &good[1].0, &compacted.0, &good[2].0].map(String::as_str);
    let policies = retention::retentions(&admin(), &names).unwrap();
    let [
        Retention::Sufficient,
        Retention::Short(short),
        Retention::Sufficient,
        Retention::Lossy(bad),
        Retention::Sufficient,
    ] = &policies[..]
    else {
        panic!("{policies:?}");
    };
    assert!(short.contains("after 1m") && bad.contains(names[3]), "{policies:?}");
    let error = retention::require_retention(&admin(), &names).unwrap_err();
    assert!(matches!(&error, Error::TopicMismatch { topic, .. } if topic == names[3]), "{error}");
    assert_eq!(retention::require_retention(&admin(), &names[..3]), Ok(()));
    assert_eq!(retention::retentions(&admin(), &[]), Ok(Vec::new()));

    // Who may not see the configuration is not kept from working.
    let reader = Admin::open(&consumer_settings(), Identity::User, TIMEOUT).unwrap();
    assert_eq!(retention::retentions(&reader, &names[2..4]), Ok(vec![Retention::Unknown; 2]));
    assert_eq!(retention::require_retention(&reader, &names), Ok(()));
    let with_missing = retention::retentions(&admin(), &[names[0], &unique("policy")]);
    assert_eq!(with_missing, Ok(vec![Retention::Sufficient, Retention::Unknown]));
}

#[test]
fn every_call_reports_a_refused_administrator() {
    let mut settings = settings();
    settings.admin.as_mut().unwrap().password = fink::config::Secret::new("wrong".to_owned());
    let admin = Admin::open(&settings, Identity::Admin, TIMEOUT).unwrap();
    for error in [
        admin.partitions("fink_x").unwrap_err(),
        admin.delete_topic("fink_x").unwrap_err(),
        admin.list_topics().unwrap_err(),
    ] {
        assert!(matches!(error, Error::AuthenticationRefused { .. }), "{error}");
    }
}
