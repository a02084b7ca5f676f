//! A scene with an administrator, whose users, rights and topics vanish with the test.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use fink::config::{KafkaSettings, Login, Secret, SecurityProtocol};
use fink::kafka::Admin;
use fink::kafka::acls::{Filter, Rule};
use fink::kafka::client::As;
use fink::kafka::users::Change;
use serde_json::Value;

use crate::common::{Ended, Scene};

pub const WITHIN: Duration = Duration::from_secs(20);

pub struct Stage {
    pub scene: Scene,
    settings: KafkaSettings,
}

impl Stage {
    pub fn new(what: &str) -> Self {
        let mut scene = Scene::real(&format!("kadm_{what}"));
        let cluster = scene.cluster.as_ref().expect("a cluster");
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
        scene.config.push_str(&section);
        Self { scene, settings }
    }

    /// A name of this test's own.
    pub fn name(&self, more: &str) -> String {
        format!("{}{more}", self.scene.name)
    }

    pub fn admin(&self) -> Admin {
        Admin::open(&self.settings, As::Admin, WITHIN).expect("the administrator")
    }

    /// The settings of a user with this password.
    pub fn as_user(&self, name: &str, password: &str) -> KafkaSettings {
        let login = Login { username: name.to_owned(), password: Secret::new(password.to_owned()) };
        KafkaSettings { login: Some(login), admin: None, ..self.settings.clone() }
    }

    /// Whether the user can log in with this password.
    pub fn logs_in(&self, name: &str, password: &str) -> bool {
        match Admin::open(&self.as_user(name, password), As::User, WITHIN).expect("a client").list_topics() {
            Ok(_) => true,
            Err(fink::kafka::Error::AuthenticationRefused { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// What the user may do.
    pub fn rules(&self, name: &str) -> Vec<Rule> {
        self.admin().rules(&Filter::of_user(name)).expect("rules")
    }

    /// `fink kafka ARGUMENTS`.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.scene.run(&[&["kafka"], arguments].concat())
    }

    /// The same, which must succeed.
    pub fn ok(&self, arguments: &[&str]) -> Ended {
        self.scene.ok(&[&["kafka"], arguments].concat())
    }

    /// The rows that the command prints as JSON; it must end with `code`.
    pub fn rows(&self, code: i32, arguments: &[&str]) -> Vec<Value> {
        let ended = self.run(&[arguments, &["--format", "json"]].concat());
        assert_eq!(ended.code, code, "{ended:?}");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
    }

    /// `fink ARGUMENTS` with this text on stdin.
    pub fn with_stdin(&self, arguments: &[&str], text: &str) -> Ended {
        let mut command = self.scene.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("fink");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("fink reads stdin");
        let output = child.wait_with_output().expect("fink");
        Ended {
            arguments: arguments.join(" "),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Adds a user with this password.
    pub fn add_user(&self, name: &str, password: &str) {
        let ended = self.with_stdin(&["kafka", "add-user", name, "--password-stdin"], password);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let admin = self.admin();
        let is_mine = |name: &str| name.contains(&self.scene.name);
        let rules = admin.rules(&Filter::any()).unwrap_or_default();
        let mine: Vec<Filter> = rules.iter().filter(|rule| is_mine(&rule.principal)).map(Filter::from).collect();
        if !mine.is_empty() {
            let _ = admin.remove_rules(&mine);
        }
        for user in admin.users().unwrap_or_default().into_iter().filter(|user| is_mine(&user.name)) {
            let remove =
                |c: &fink::kafka::users::Credential| Change::Remove { user: user.name.clone(), mechanism: c.mechanism };
            let changes: Vec<Change> = user.credentials.iter().map(remove).collect();
            let _ = admin.change_users(&changes);
        }
        for topic in admin.list_topics().unwrap_or_default().into_iter().filter(|topic| is_mine(&topic.name)) {
            let _ = admin.delete_topic(&topic.name);
        }
    }
}
