//! What the integration tests share: the servers, a fixture of one's own on them, and the built program driven as a user would.
//!
//! Each test file uses its own part of this.
#![allow(dead_code, reason = "each test file is a program of its own, and uses some of this")]

pub mod proxy;
pub mod table;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The servers that `scripts/test` started, or `scripts/cluster up`.
pub struct Cluster {
    /// the folder
    pub folder: PathBuf,
    values: BTreeMap<String, String>,
}

impl Cluster {
    /// The cluster that the variable FINK_TEST_CLUSTER names.
    pub fn get() -> Self {
        let Ok(folder) = std::env::var("FINK_TEST_CLUSTER") else {
            panic!(
                "FINK_TEST_CLUSTER does not name a cluster's folder: run scripts/test, or `scripts/cluster up` first"
            );
        };
        let folder = PathBuf::from(folder);
        let text = std::fs::read_to_string(folder.join("cluster.env")).expect("the cluster's folder has a cluster.env");
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let values = lines.map(|(key, value)| (key.to_owned(), value.trim_matches(['\'', '"']).to_owned())).collect();
        Self { folder, values }
    }

    /// One of the cluster's variables.
    pub fn value(&self, name: &str) -> &str {
        self.values.get(name).unwrap_or_else(|| panic!("cluster.env has no {name}"))
    }

    /// Runs `scripts/cluster ARGUMENTS --dir FOLDER`.
    pub fn command(&self, arguments: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/cluster");
        let output = Command::new(script).args(arguments).arg("--dir").arg(&self.folder).output().expect("bash");
        assert!(output.status.success(), "scripts/cluster {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

static FIXTURES: AtomicU32 = AtomicU32::new(0);

/// A table, topics, a checkpoint and a folder that no other test touches.
pub struct Fixture {
    /// the cluster, where there is one
    pub cluster: Option<Cluster>,
    /// files
    pub folder: tempfile::TempDir,
    /// unique, fit for tables and topics; begins with `fink_`
    pub name: String,
    /// the configuration's text, to be changed before use
    pub config: String,
}

impl Fixture {
    /// A fixture on the real servers; the science database through Thrift 2.
    pub fn with_servers(what: &str) -> Self {
        let cluster = Cluster::get();
        let mut fixture = Self::new(what);
        let mut config = String::new();
        let line = |config: &mut String, text: std::fmt::Arguments<'_>| {
            config.write_fmt(text).expect("memory");
            config.push('\n');
        };
        let (name, folder) = (&fixture.name, fixture.folder.path().display());
        line(&mut config, format_args!("[science_db]\nkind = \"thrift2\""));
        line(&mut config, format_args!("address = \"{}\"", cluster.value("FINK_TEST_THRIFT2")));
        line(&mut config, format_args!("catalog = \"{folder}/catalog.json\""));
        line(&mut config, format_args!("[kafka]\nbootstrap_servers = \"{}\"", cluster.value("FINK_TEST_BOOTSTRAP")));
        line(&mut config, format_args!("security_protocol = \"sasl_plaintext\"\nsasl_mechanism = \"SCRAM-SHA-512\""));
        line(&mut config, format_args!("username = \"{}\"", cluster.value("FINK_TEST_PRODUCER_USER")));
        line(&mut config, format_args!("password_file = \"{}\"", cluster.value("FINK_TEST_PRODUCER_PASSWORD_FILE")));
        line(&mut config, format_args!("[distribution]\nname = \"{name}\"\noffset_file = \"{folder}/offset\""));
        line(&mut config, format_args!("rejected_topic = \"{name}_rejected\""));
        line(&mut config, format_args!("[[stream]]\nname = \"full\"\ntopic = \"{name}\"\npartitions = 4"));
        fixture.config = config;
        fixture.cluster = Some(cluster);
        fixture
    }

    /// A fixture without servers: the embedded science database.
    pub fn embedded(what: &str) -> Self {
        let mut fixture = Self::new(what);
        let folder = fixture.folder.path().display();
        fixture.config = format!(
            "[science_db]\nkind = \"embedded\"\npath = \"{folder}/science.db\"\ncatalog = \"{folder}/catalog.json\"\n"
        );
        fixture
    }

    fn new(what: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let number = FIXTURES.fetch_add(1, Ordering::Relaxed);
        let name = format!("fink_{what}_{}_{number}", std::process::id());
        Self { cluster: None, folder, name, config: String::new() }
    }

    /// A file of the fixture.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts `new` in the place of `old` in the configuration.
    pub fn replace(&mut self, old: &str, new: &str) {
        assert!(self.config.contains(old), "the configuration has no `{old}`:\n{}", self.config);
        self.config = self.config.replacen(old, new, 1);
    }

    /// Adds keys to a table of the configuration that has begun, such as `[distribution]`.
    pub fn add(&mut self, table: &str, lines: &str) {
        self.replace(&format!("{table}\n"), &format!("{table}\n{lines}\n"));
    }

    /// The program with these arguments, on the fixture's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let config = self.path("fink.toml");
        std::fs::write(&config, &self.config).expect("the fixture's folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_fink"));
        command.args(["--config".as_ref(), config.as_os_str()]).args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        // So that no test sees or ends a service of this machine.
        command.env("FINK_RUN_DIR", self.path("run"));
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        let output = self.command(arguments).output().expect("the built program");
        Finished::new(arguments, output)
    }

    /// Runs the program, which must succeed.
    pub fn ok(&self, arguments: &[&str]) -> Finished {
        let finished = self.run(arguments);
        assert_eq!(finished.code, 0, "{finished:?}");
        finished
    }

    /// Starts the program in the background; what it says on stderr goes to the file `log`.
    pub fn start(&self, arguments: &[&str], log: &str) -> Running {
        let log = self.path(log);
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("the fixture's folder");
        let child = self.command(arguments).stderr(stderr).stdout(Stdio::null()).spawn().expect("the built program");
        Running { child, log }
    }

    /// All alerts on a topic, as `distribution_test` prints them: one JSON document each. Ends when nothing more has come for a while.
    pub fn read(&self, topic: &str, expect: u64, within: &str) -> Vec<serde_json::Value> {
        let expect = expect.to_string();
        let mut command = self.command(&[
            "start",
            "distribution_test",
            "--topic",
            topic,
            "--from",
            "earliest",
            "--format",
            "ndjson",
            "--expect",
            &expect,
            "--exit-after",
            within,
        ]);
        let output = command.output().expect("the built program");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON document")).collect()
    }
}

/// The program in `folder`, with nothing in its environment but `PATH` and these variables. It sees only the services whose run files stand
/// in `folder`/run, so that no test ends a service of this machine.
pub fn command_without_env(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fink"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env_clear();
    command
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("FINK_RUN_DIR", folder.join("run"))
        .envs(variables.iter().copied());
    command
}

/// Runs [`command_without_env`] to its end.
pub fn run_without_env(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    Finished::new(arguments, command_without_env(folder, arguments, variables).output().expect("the built program"))
}

/// A run that is over.
#[derive(Debug)]
pub struct Finished {
    /// what was run
    pub arguments: String,
    /// its exit code; -1: a signal
    pub code: i32,
    /// data
    pub stdout: String,
    /// everything else
    pub stderr: String,
}

impl Finished {
    fn new(arguments: &[&str], output: Output) -> Self {
        Self {
            arguments: arguments.join(" "),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// That it ended with `code` and said each of `words` on stderr.
    pub fn assert_stderr(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "nothing about `{word}`: {self:?}");
        }
    }
}

/// A program in the background; killed when dropped.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// A program that was started in another way, whose stderr goes to `log`.
    pub fn from_child(child: Child, log: PathBuf) -> Self {
        Self { child, log }
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until its log has `words`.
    pub fn wait_for(&self, words: &str, within: Duration) {
        let until = Instant::now() + within;
        while !self.log().contains(words) {
            assert!(Instant::now() < until, "nothing about `{words}` within {within:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The file that [`log`](Self::log) reads.
    pub fn log_path(&self) -> PathBuf {
        self.log.clone()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("a running program");
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("a running program");
        self.child.wait().expect("a killed program");
    }

    /// SIGTERM, and its exit code.
    pub fn terminate(self) -> i32 {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a running program");
        self.end(Duration::from_secs(30))
    }

    /// The most memory that it has had so far, bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a running program");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// Its exit code, when it has ended by itself.
    pub fn end(mut self, within: Duration) -> i32 {
        let until = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < until, "still running after {within:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _gone = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}
