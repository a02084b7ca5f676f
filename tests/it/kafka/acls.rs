use fink::cancel::CancellationToken;
use fink::config::{KafkaSettings, Login, Secret};
use fink::kafka::Identity;
use fink::kafka::acls::{
    self, AclBinding, AclFilter, Match, Operation, Pattern, PatternFilter, Permission, ResourceType,
};
use fink::kafka::consumer::{Consumer, ConsumerOptions, StartAt};
use fink::kafka::roles;
use fink::kafka::scram::{CredentialChange, DEFAULT_ITERATIONS, ScramCredential, ScramMechanism};
use fink::kafka::{Admin, CommitOutcome, Error, Producer};

use crate::fixture::topics::*;
use crate::fixture::wait_until;

/// A user that is gone, with its rules, when the test ends.
struct User(String);

impl Drop for User {
    fn drop(&mut self) {
        let admin = admin();
        let _ = admin.delete_acls(&[AclFilter::of_user(&self.0)]);
        let remove = |mechanism| CredentialChange::Delete { user: self.0.clone(), mechanism };
        let _ = admin.alter_users(&[remove(ScramMechanism::ScramSha256), remove(ScramMechanism::ScramSha512)]);
    }
}

fn set(user: &str, mechanism: ScramMechanism, iterations: i32, password: &str) -> CredentialChange {
    CredentialChange::Upsert {
        user: user.to_owned(),
        mechanism,
        iterations,
        password: Secret::new(password.to_owned()),
    }
}

fn credentials(name: &str) -> Option<Vec<ScramCredential>> {
    admin().describe_users().unwrap().into_iter().find(|u| u.name == name).map(|u| u.credentials)
}

/// Waits until what an administrator changed has reached the broker, which is soon but not at once.
fn eventually<T>(attempt: impl FnMut() -> Option<T>) -> T {
    wait_until(|| "the change has not reached the broker".to_owned(), attempt)
}

fn as_user(name: &str, password: &str) -> KafkaSettings {
    let login = Login { username: name.to_owned(), password: Secret::new(password.to_owned()) };
    KafkaSettings { login: Some(login), admin: None, ..settings() }
}

#[test]
fn users_are_added_changed_and_removed_and_one_failed_change_is_reported() {
    let (good, bad) = (User(unique("good")), User(unique("bad")));
    let admin = admin();
    let results = admin
        .alter_users(&[
            set(&good.0, ScramMechanism::ScramSha512, DEFAULT_ITERATIONS, "one"),
            set(&good.0, ScramMechanism::ScramSha256, 8192, "one"),
            set(&bad.0, ScramMechanism::ScramSha512, 3, "two"),
        ])
        .unwrap();
    assert_eq!(results.len(), 3);
    assert!(results[..2].iter().all(|altered| altered.error.is_none()), "{results:?}");
    let text = results[2].error.as_ref().unwrap().to_string();
    assert!(text.contains(&bad.0) && text.contains("iteration"), "{text}");
    let found = eventually(|| credentials(&good.0));
    let has = |mechanism, iterations| found.contains(&ScramCredential { mechanism, iterations });
    assert!(
        has(ScramMechanism::ScramSha512, DEFAULT_ITERATIONS) && has(ScramMechanism::ScramSha256, 8192),
        "{found:?}"
    );
    assert_eq!(credentials(&bad.0), None);

    // Without rights the user gets in, but sees nothing; with another password it does not get in.
    let topic = Topic::new("users", 1);
    let look =
        |password| Admin::open(&as_user(&good.0, password), Identity::User, TIMEOUT).unwrap().partitions(&topic.0);
    assert!(matches!(look("one"), Err(Error::NotAuthorized { .. })));
    assert!(matches!(look("two"), Err(Error::AuthenticationRefused { .. })));
    let done = admin.alter_users(&[set(&good.0, ScramMechanism::ScramSha512, DEFAULT_ITERATIONS, "two")]).unwrap();
    assert!(done.iter().all(|altered| altered.error.is_none()));
    eventually(|| matches!(look("two"), Err(Error::NotAuthorized { .. })).then_some(()));

    let remove = |mechanism| CredentialChange::Delete { user: good.0.clone(), mechanism };
    let done = admin.alter_users(&[remove(ScramMechanism::ScramSha256), remove(ScramMechanism::ScramSha512)]).unwrap();
    assert!(done.iter().all(|altered| altered.error.is_none()), "{done:?}");
    eventually(|| credentials(&good.0).is_none().then_some(()));
    let done = admin.alter_users(&[remove(ScramMechanism::ScramSha512)]).unwrap();
    assert!(done.iter().all(|altered| altered.error.is_some()), "a user that does not exist: {done:?}");
}

#[test]
fn granted_acls_suffice_and_revoked_acls_are_gone() {
    let (writer, reader) = (User(unique("writer")), User(unique("reader")));
    let admin = admin();
    let changes = [&writer, &reader].map(|u| set(&u.0, ScramMechanism::ScramSha512, DEFAULT_ITERATIONS, "p"));
    assert!(admin.alter_users(&changes).unwrap().iter().all(|altered| altered.error.is_none()));

    let name = unique("granted");
    let (stream, checkpoint) =
        (Topic::named(format!("{name}_stream")), Topic::named(format!("fink_checkpoint_{name}")));
    let rules = [
        roles::producer_acls(&writer.0, "*", &[Pattern::Literal(stream.0.clone())], Some(&name), true),
        roles::consumer_acls(
            &reader.0,
            "127.0.0.1",
            &[Pattern::Literal(stream.0.clone())],
            &[Pattern::Prefixed(name.clone())],
        ),
    ]
    .concat();
    for _ in ["new", "a second time changes nothing"] {
        assert!(admin.create_acls(&rules).unwrap().iter().all(|created| created.error.is_none()));
    }

    let settings = as_user(&writer.0, "p");
    let spec = fink::kafka::topics::TopicSpec::stream(2);
    eventually(|| Admin::open(&settings, Identity::User, TIMEOUT).unwrap().ensure_topic(&stream.0, &spec).ok());
    fink::kafka::checkpoint::ensure(
        &Admin::open(&settings, Identity::User, TIMEOUT).unwrap(),
        &checkpoint.0,
        &fink::kafka::checkpoint::topic_spec(),
    )
    .unwrap();
    let producer = Producer::open(&settings, &options(&format!("{name}-0")), &CancellationToken::new()).unwrap();
    producer.begin().unwrap();
    producer.send(&message(&stream.0, b"k", b"v")).unwrap();
    producer.send(&message(&checkpoint.0, b"watermark", b"1")).unwrap();
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
    let user = Admin::open(&settings, Identity::User, TIMEOUT).unwrap();
    let read = fink::kafka::checkpoint::read(&user, &checkpoint.0, &[0], &CancellationToken::new()).unwrap();
    assert_eq!(read[&0].len(), 1);

    let open = |topic: &Topic| {
        let options = ConsumerOptions {
            topics: vec![topic.0.clone()],
            group: Some(format!("{name}_group")),
            start: StartAt::Earliest,
            timeout: TIMEOUT,
        };
        Consumer::open(&as_user(&reader.0, "p"), &options)
    };
    let mut consumer = open(&stream).unwrap();
    let value = eventually(|| match consumer.next(TIMEOUT).unwrap() {
        Some(fink::kafka::consumer::Event::Message(message)) => message.value,
        _ => None,
    });
    assert_eq!(value, b"v");
    assert!(matches!(open(&checkpoint), Err(Error::NotAuthorized { .. })), "not granted");

    let of_reader = AclFilter::of_user(&reader.0);
    let gone = admin.delete_acls(&[of_reader.clone(), AclFilter::of_user("fink_nobody")]).unwrap();
    assert_eq!(gone.len(), 2);
    assert_eq!((gone[0].acls.len(), &gone[0].error), (2, &None));
    assert_eq!((gone[1].acls.len(), &gone[1].error), (0, &None));
    eventually(|| admin.describe_acls(&of_reader).unwrap().is_empty().then_some(()));
    eventually(|| matches!(open(&stream), Err(Error::NotAuthorized { .. })).then_some(()));
    drop(consumer);
}

#[test]
fn acls_are_found_by_filter_and_an_invalid_one_is_named() {
    let user = User(unique("rules"));
    let admin = admin();
    let rule = |pattern, operation| AclBinding {
        principal: acls::principal(&user.0),
        host: "*".to_owned(),
        resource_type: ResourceType::Topic,
        pattern,
        operation,
        permission: Permission::Allow,
    };
    let literal = rule(Pattern::Literal(format!("{}_a", user.0)), Operation::Read);
    let prefixed = rule(Pattern::Prefixed(user.0.clone()), Operation::Write);
    // There is only one cluster.
    let nonsense =
        AclBinding { resource_type: ResourceType::Cluster, ..rule(Pattern::Literal("x".to_owned()), Operation::Alter) };
    let results = admin.create_acls(&[literal.clone(), nonsense, prefixed.clone()]).unwrap();
    assert_eq!(
        results.iter().map(|created| created.error.is_none()).collect::<Vec<_>>(),
        [true, false, true],
        "{results:?}"
    );
    let unknown = AclBinding { operation: Operation::Unknown, ..literal.clone() };
    assert!(matches!(admin.create_acls(&[unknown]), Err(Error::Settings(_))));

    let find = |filter: &AclFilter| admin.describe_acls(filter).unwrap();
    let mine = AclFilter::of_user(&user.0);
    eventually(|| (find(&mine).len() == 2).then_some(()));
    assert_eq!(find(&AclFilter::from(&literal)), std::slice::from_ref(&literal));
    let named = |pattern| AclFilter { pattern, ..mine.clone() };
    let a = format!("{}_a", user.0);
    assert_eq!(find(&named(PatternFilter::Named(a.clone()))), std::slice::from_ref(&literal));
    assert_eq!(find(&named(PatternFilter::Matching(a))).len(), 2);
    assert_eq!(
        find(&AclFilter { operation: Match::Is(Operation::Write), ..mine.clone() }),
        std::slice::from_ref(&prefixed)
    );
    assert!(find(&AclFilter { host: Match::Is("127.0.0.1".to_owned()), ..mine.clone() }).is_empty());
    assert!(find(&AclFilter::any()).len() >= 2);

    let gone = admin.delete_acls(&[AclFilter::from(&prefixed)]).unwrap();
    assert_eq!((gone.len(), &gone[0].acls, &gone[0].error), (1, &vec![prefixed], &None));
    eventually(|| (find(&mine) == [literal.clone()]).then_some(()));

    let denied = Admin::open(&settings(), Identity::User, TIMEOUT).unwrap();
    let text = denied.describe_acls(&AclFilter::any()).unwrap_err().to_string();
    assert!(text.contains("`finkProducer` is not authorized to describe the ACLs of the cluster"), "{text}");
    let text = denied.describe_users().unwrap_err().to_string();
    assert!(text.contains("not authorized to list the users of the cluster"), "{text}");
}
