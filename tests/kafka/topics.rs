use fink::kafka::client::As;
use fink::kafka::topics::{self, Created, TopicShape};
use fink::kafka::{Admin, Error};

use crate::cluster::*;

#[test]
fn a_topic_is_made_once_and_another_shape_is_named() {
    let topic = Topic::named(unique("shape"));
    let admin = admin();
    let mut shape = TopicShape::stream(3);
    shape.config.push(("retention.ms".to_owned(), "3600000".to_owned()));
    assert_eq!(admin.partitions(&topic.0), Ok(None));
    assert_eq!(admin.create_topic(&topic.0, &shape), Ok(Created::Now));
    assert_eq!(admin.create_topic(&topic.0, &shape), Ok(Created::Before));
    shape.partitions = 4;
    shape.config[0].1 = "7200000".to_owned();
    let error = admin.create_topic(&topic.0, &shape).unwrap_err();
    assert!(matches!(error, Error::TopicShape { .. }));
    let text = error.to_string();
    assert!(text.contains("it has 3 partitions, not 4, retention.ms is 3600000, not 7200000"), "{text}");

    let described = admin.describe_topic(&topic.0).unwrap().unwrap();
    assert_eq!(described.partitions.len(), 3);
    assert!(described.partitions.iter().all(|p| p.leader >= 0 && !p.in_sync.is_empty()));
    let own: Vec<_> = described.options.unwrap().into_iter().filter(|o| o.is_own).map(|o| o.name).collect();
    assert_eq!(own, ["retention.ms"]);
    assert!(admin.list_topics().unwrap().iter().any(|t| t.name == topic.0 && t.partitions == 3));

    admin.delete_topic(&topic.0).unwrap();
    // The controller has deleted it; the broker that is asked hears of it soon.
    let deadline = std::time::Instant::now() + WITHIN;
    while admin.partitions(&topic.0) != Ok(None) {
        assert!(std::time::Instant::now() < deadline, "it is still there");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(matches!(admin.delete_topic(&topic.0), Err(Error::UnknownTopic { .. })));
    assert_eq!(admin.describe_topic(&topic.0), Ok(None));
}

#[test]
fn ensure_keeps_what_is_there_and_makes_what_is_not() {
    let topic = Topic::named(unique("ensure"));
    assert_eq!(
        topics::ensure(&Admin::open(&settings(), As::User, WITHIN).unwrap(), &topic.0, &TopicShape::stream(2)),
        Ok(2)
    );
    assert_eq!(
        topics::ensure(&Admin::open(&settings(), As::User, WITHIN).unwrap(), &topic.0, &TopicShape::stream(5)),
        Ok(2)
    );
    let missing = unique("ensure");
    let error =
        topics::ensure(&Admin::open(&consumer_settings(), As::User, WITHIN).unwrap(), &missing, &TopicShape::stream(1))
            .unwrap_err()
            .to_string();
    assert!(error.contains("`finkConsumer` has no right to create it"), "{error}");
    assert!(error.contains(&format!("fink kafka create-topic {missing}")), "{error}");
}

#[test]
fn a_refused_administrator_is_told_soon() {
    let mut settings = settings();
    settings.admin.as_mut().unwrap().password = fink::config::Secret::new("wrong".to_owned());
    let admin = Admin::open(&settings, As::Admin, WITHIN).unwrap();
    let start = std::time::Instant::now();
    for error in [
        admin.partitions("fink_x").unwrap_err(),
        admin.delete_topic("fink_x").unwrap_err(),
        admin.list_topics().unwrap_err(),
    ] {
        assert!(matches!(error, Error::AuthenticationRefused { .. }), "{error}");
    }
    assert!(start.elapsed().as_secs() < 5);
}
