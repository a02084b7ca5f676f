//! A fixture with an administrator, whose users, rights and topics vanish with the test.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use fink::config::{KafkaSettings, Login, Secret, SecurityProtocol};
use fink::kafka::Admin;
use fink::kafka::acls::{AclBinding, AclFilter};
use fink::kafka::client::Identity;
use fink::kafka::users::CredentialChange;
use serde_json::Value;

use crate::common::{Finished, Fixture};

pub const TIMEOUT: Duration = Duration::from_secs(20);

pub struct KafkaCli {
    pub fixture: Fixture,
    settings: KafkaSettings,
}

impl KafkaCli {
    pub fn new(what: &str) -> Self {
        let mut fixture = Fixture::with_servers(&format!("kadm_{what}"));
        let cluster = fixture.cluster.as_ref().expect("a cluster");
        let (user, file) = (cluster.value("FINK_TEST_ADMIN_USER"), cluster.value("FINK_TEST_ADMIN_PASSWORD_FILE"));
        let password = std::fs::read_to_string(file).expect("the administrator's password");
        let login = Login { username: user.to_owned(), password: Secret::new(password.trim_end().to_owned()) };
        let settings = KafkaSettings {
            bootstrap_servers: cluster.value("FINK_TEST_BOOTSTRAP").to_owned(),
            security_protocol: SecurityProtocol::SaslPlaintext,
            sasl_mechanism: "SCRAM-SHA-512".to_owned(),
            login: None,
            admin: Some(login),
            ssl_ca: None,
            ssl_certificate: None,
            ssl_key: None,
            ssl_key_password: None,
            librdkafka: Vec::new(),
        };
        let section = format!("[kafka.admin]\nusername = \"{user}\"\npassword_file = \"{file}\"\n");
        fixture.config.push_str(&section);
        Self { fixture, settings }
    }

    /// A name of this test's own.
    pub fn name(&self, more: &str) -> String {
        format!("{}{more}", self.fixture.name)
    }

    pub fn admin(&self) -> Admin {
        Admin::open(&self.settings, Identity::Admin, TIMEOUT).expect("the administrator")
    }

    /// The settings of a user with this password.
    pub fn as_user(&self, name: &str, password: &str) -> KafkaSettings {
        let login = Login { username: name.to_owned(), password: Secret::new(password.to_owned()) };
        KafkaSettings { login: Some(login), admin: None, ..self.settings.clone() }
    }

    /// Whether the user can log in with this password.
    pub fn logs_in(&self, name: &str, password: &str) -> bool {
        match Admin::open(&self.as_user(name, password), Identity::User, TIMEOUT).expect("a client").list_topics() {
            Ok(_) => true,
            Err(fink::kafka::Error::AuthenticationRefused { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// What the user may do.
    pub fn acls(&self, name: &str) -> Vec<AclBinding> {
        self.admin().describe_acls(&AclFilter::of_user(name)).expect("rules")
    }

    /// `fink kafka ARGUMENTS`.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        self.fixture.run(&[&["kafka"], arguments].concat())
    }

    /// The same, which must succeed.
    pub fn ok(&self, arguments: &[&str]) -> Finished {
        self.fixture.ok(&[&["kafka"], arguments].concat())
    }

    /// The rows that the command prints as JSON; it must end with `code`.
    pub fn rows(&self, code: i32, arguments: &[&str]) -> Vec<Value> {
        let finished = self.run(&[arguments, &["--format", "json"]].concat());
        assert_eq!(finished.code, code, "{finished:?}");
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
    }

    /// `fink ARGUMENTS` with this text on stdin.
    pub fn with_stdin(&self, arguments: &[&str], text: &str) -> Finished {
        let mut command = self.fixture.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("fink");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("fink reads stdin");
        let output = child.wait_with_output().expect("fink");
        Finished {
            arguments: arguments.join(" "),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Adds a user with this password.
    pub fn add_user(&self, name: &str, password: &str) {
        let finished = self.with_stdin(&["kafka", "add-user", name, "--password-stdin"], password);
        assert_eq!(finished.code, 0, "{finished:?}");
    }
}

impl Drop for KafkaCli {
    fn drop(&mut self) {
        let admin = self.admin();
        let is_mine = |name: &str| name.contains(&self.fixture.name);
        let rules = admin.describe_acls(&AclFilter::any()).unwrap_or_default();
        let mine: Vec<AclFilter> = rules.iter().filter(|rule| is_mine(&rule.principal)).map(AclFilter::from).collect();
        if !mine.is_empty() {
            let _ = admin.delete_acls(&mine);
        }
        for user in admin.describe_users().unwrap_or_default().into_iter().filter(|user| is_mine(&user.name)) {
            let remove = |c: &fink::kafka::users::ScramCredential| CredentialChange::Delete {
                user: user.name.clone(),
                mechanism: c.mechanism,
            };
            let changes: Vec<CredentialChange> = user.credentials.iter().map(remove).collect();
            let _ = admin.alter_users(&changes);
        }
        for topic in admin.list_topics().unwrap_or_default().into_iter().filter(|topic| is_mine(&topic.name)) {
            let _ = admin.delete_topic(&topic.name);
        }
    }
}
