//! Users that `fink` adds work with every other Kafka client, and the other way round.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::fixture::cluster::{Cluster, User, python};
use crate::fixture::kafka_cli::KafkaCli;
use crate::fixture::{skip, wait_until};

const PASSWORD: &str = "password of ümläuts, 'quotes' and \"more\"";

/// The output of a command that must succeed.
fn done(mut command: Command, stdin: &str) -> String {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a program");
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("the program reads");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("its end");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {stdout}{stderr}");
    format!("{stdout}{stderr}")
}

struct Reader {
    cli: KafkaCli,
    user: String,
    topic: String,
}

impl Reader {
    /// A user of `fink kafka add-user` and `grant`, and a topic with one message.
    fn new(what: &str) -> Self {
        let cli = KafkaCli::new(what);
        let (user, topic) = (cli.name("_u"), cli.name("_t"));
        cli.add_user(&user, PASSWORD);
        cli.ok(&["create-topic", &topic, "--partitions", "1"]);
        cli.ok(&["grant", &user, "--produce", "--topic", &topic, "--any-host", "--yes"]);
        cli.ok(&["grant", &user, "--consume", "--topic", &topic, "--group", &user, "--any-host", "--yes"]);
        Self { cli, user, topic }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.cli.fixture.path(name);
        std::fs::write(&path, text).expect("the fixture's folder");
        path
    }

    fn cluster(&self) -> &Cluster {
        self.cli.fixture.cluster()
    }

    /// One of Kafka's own tools.
    fn java(&self, class: &str) -> Command {
        let class_path =
            std::fs::read_to_string(self.cluster().value("FINK_TEST_KAFKA_CLASSPATH")).expect("the class path");
        let mut command = Command::new("java");
        command.env("CLASSPATH", class_path.trim()).args(["-Xmx256m", "-XX:TieredStopAtLevel=1", class]);
        command.args(["--bootstrap-server", self.cluster().bootstrap_servers()]);
        command
    }

    /// A properties file of Java's for a login.
    fn properties(&self, name: &str, user: &str, password: &str) -> String {
        let escaped = password.replace('\\', "\\\\").replace('"', "\\\"");
        // Java reads such files as Latin-1 and escapes.
        let escaped: String = escaped
            .chars()
            .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", c as u32) })
            .collect();
        let escaped = escaped.replace("\\\"", "\\\\\"");
        let text = format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule \
             required username=\"{user}\" password=\"{escaped}\";\n"
        );
        self.file(name, &text).display().to_string()
    }
}

/// The version in `Version 1.7.1 (JSON, Transactions, librdkafka 2.0.2 builtin.features=…`.
fn librdkafka_version(text: &str) -> [u32; 3] {
    let words = text.split_whitespace().skip_while(|word| *word != "librdkafka");
    let version = words.skip(1).flat_map(|version| version.split('.')).map_while(|number| number.parse().ok());
    <[u32; 3]>::try_from(version.take(3).collect::<Vec<u32>>()).unwrap_or_else(|_| panic!("no version: {text}"))
}

#[test]
fn a_user_of_fink_writes_and_reads_with_kcat() {
    let Ok(kcat) = Command::new("kcat").arg("-V").output() else {
        skip("kcat is not installed (Debian: apt-get install kcat)");
        return;
    };
    if librdkafka_version(&String::from_utf8_lossy(&kcat.stdout)) < [2, 6, 1] {
        skip("the librdkafka of kcat is older than 2.6.1: it cannot log in to Kafka 4 with SCRAM");
        return;
    }
    let reader = Reader::new("kcat");
    let config = format!(
        "bootstrap.servers={}\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanisms=SCRAM-SHA-512\nsasl.username={}\nsasl.password={PASSWORD}\n",
        reader.cluster().bootstrap_servers(),
        reader.user
    );
    let config = reader.file("kcat.config", &config).display().to_string();
    let kcat = |arguments: &[&str]| {
        let mut command = Command::new("kcat");
        command.args(["-F", &config]).args(arguments);
        command
    };
    done(kcat(&["-P", "-t", &reader.topic]), "sent by kcat\n");
    let read = done(kcat(&["-C", "-t", &reader.topic, "-o", "beginning", "-e"]), "");
    assert!(read.contains("sent by kcat"), "{read}");
    let config = config.replace("kcat.config", "kcat.wrong");
    let text = std::fs::read_to_string(reader.cli.fixture.path("kcat.config")).unwrap();
    std::fs::write(&config, text.replace("ümläuts", "umlauts")).unwrap();
    let refused = Command::new("kcat").args(["-F", &config, "-L", "-m", "3"]).output().unwrap();
    assert!(!refused.status.success(), "a wrong password got in");
}

#[test]
fn a_user_of_fink_reads_with_fink_client() {
    let reader = Reader::new("fink_client");
    let python = python();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/login.py");
    let mut command = Command::new(python);
    command.args([script, reader.cluster().bootstrap_servers(), &reader.user, &reader.user, &reader.topic]);
    let said = done(command, PASSWORD);
    assert!(said.contains("logged in, nothing to read"), "{said}");
}

#[test]
fn users_of_fink_and_of_kafkas_own_tools_are_the_same() {
    let reader = Reader::new("java");
    let properties = reader.properties("user.properties", &reader.user, PASSWORD);
    let mut writes = reader.java("org.apache.kafka.tools.ConsoleProducer");
    writes.args(["--topic", &reader.topic, "--producer.config", &properties]);
    writes.args(["--producer-property", "enable.idempotence=false"]);
    done(writes, "sent by Java\n");
    let mut reads = reader.java("org.apache.kafka.tools.consumer.ConsoleConsumer");
    reads.args(["--topic", &reader.topic, "--consumer.config", &properties, "--group", &reader.user]);
    reads.args(["--from-beginning", "--max-messages", "1", "--timeout-ms", "30000"]);
    let read = done(reads, "");
    assert!(read.contains("sent by Java"), "{read}");

    let password = reader.cluster().password(User::Admin);
    let admin = reader.properties("admin.properties", reader.cluster().username(User::Admin), &password);
    let theirs = reader.cli.name("_java");
    let mut adds = reader.java("kafka.admin.ConfigCommand");
    adds.args(["--command-config", &admin, "--alter", "--entity-type", "users", "--entity-name", &theirs]);
    adds.args(["--add-config", "SCRAM-SHA-256=[iterations=10000,password=made-by-java]"]);
    done(adds, "");
    // The broker that is asked hears of the user a moment later.
    let is_listed = || (reader.cli.run(&["list-users", &theirs]).code == 0).then_some(());
    wait_until(|| format!("there is no user {theirs}"), is_listed);
    let rows = reader.cli.rows(0, &["list-users", &theirs]);
    assert_eq!((&rows[0]["mechanism"], &rows[0]["iterations"]), (&"SCRAM-SHA-256".into(), &10_000.into()), "{rows:?}");
}
