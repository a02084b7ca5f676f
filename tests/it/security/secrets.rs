//! Passwords appear nowhere: not in the list of processes, not in logs of any level, not in errors.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::fixture::Finished;
use crate::fixture::cluster::User;
use crate::fixture::kafka_cli::KafkaCli;

const PASSWORD: &str = "never-in-a-list-71625";
const FROM_FILE: &str = "never-in-a-list-90411";

/// Every command line of this machine that is seen while something runs.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(BTreeSet<String>, u64)>,
}

impl Watch {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut seen, mut looks) = (BTreeSet::new(), 0);
            while !stopped.load(Ordering::Relaxed) {
                for process in std::fs::read_dir("/proc").expect("/proc").flatten() {
                    if process.file_name().to_string_lossy().starts_with(|c: char| c.is_ascii_digit())
                        && let Ok(line) = std::fs::read(process.path().join("cmdline"))
                    {
                        seen.insert(String::from_utf8_lossy(&line).replace('\0', " "));
                    }
                }
                if looks % 200 == 0 {
                    let listed = Command::new("ps").args(["-eo", "args"]).output().expect("ps");
                    seen.extend(String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned));
                }
                looks += 1;
                // A short-lived process is there for several times as long.
                std::thread::sleep(Duration::from_millis(3));
            }
            (seen, looks)
        });
        Self { stop, thread }
    }

    fn end(self) -> (BTreeSet<String>, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the watch")
    }
}

#[test]
fn no_command_shows_a_password_to_other_users_or_in_its_log() {
    let mut cli = KafkaCli::new("secrets");
    cli.fixture.replace("[distribution]", "[kafka.librdkafka]\ndebug = \"all\"\n[distribution]");
    let file = cli.fixture.path("password");
    std::fs::write(&file, FROM_FILE).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.display().to_string();
    let (a, b, c, topic) = (cli.name("_a"), cli.name("_b"), cli.name("_c"), cli.name("_t"));
    let cluster = cli.fixture.cluster();
    let mut secrets = vec![PASSWORD.to_owned(), FROM_FILE.to_owned()];
    secrets.extend([User::Admin, User::Producer, User::Consumer].map(|user| cluster.password(user)));

    let watch = Watch::start();
    let mut said: Vec<Finished> = Vec::new();
    let stdin = |arguments: &[&str]| cli.with_stdin(&[&["-vv", "kafka"], arguments].concat(), PASSWORD);
    said.push(stdin(&["add-user", &a, "--password-stdin"]));
    said.push(stdin(&["add-user", &a, "--password-stdin", "--replace"]));
    said.push(cli.run(&["add-user", &b, "--password-file", &file]));
    let generated = cli.rows(0, &["add-user", &c, "--generate"]);
    secrets.push(generated[0]["password"].as_str().unwrap().to_owned());
    let wrong = format!("kafka.admin.password_file={file}");
    let misfit = format!("kafka.bootstrap_servers={}", cluster.value("FINK_TEST_TLS_BOOTSTRAP"));
    let kafka: &[&[&str]] = &[
        &["list-users"],
        &["list-users", "--set", &wrong],
        &["list-users", "--set", &misfit],
        &["create-topic", &topic],
        &["list-topics"],
        &["describe-topic", &topic],
        &["grant", &a, "--consume", "--topic", &topic, "--group", &a, "--any-host", "--yes"],
        &["list-acls"],
        &["revoke", &a, "--consume", "--topic", &topic, "--group", &a, "--any-host", "--yes"],
        &["delete-topic", &topic, "--yes"],
        &["bootstrap", "--any-host", "--dry-run"],
        &["remove-user", &a, &b, &c, "--yes"],
    ];
    for arguments in kafka {
        let mut command = cli.fixture.command(&[&["-vv", "kafka"], *arguments].concat());
        let output = command.env("FINK_LOG", "trace").output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        said.push(Finished {
            arguments: arguments.join(" "),
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        });
    }
    said.push(cli.fixture.run(&["-vv", "doctor"]));
    said.push(cli.fixture.run(&["-vv", "doctor", "--set", &wrong]));
    said.push(cli.fixture.run(&["-vv", "config", "show"]));
    let (seen, looks) = watch.end();

    for secret in &secrets {
        let shown: Vec<&String> = seen.iter().filter(|line| line.contains(secret)).collect();
        assert!(shown.is_empty(), "{shown:?}");
        for finished in &said {
            assert!(
                !finished.stdout.contains(secret) && !finished.stderr.contains(secret),
                "fink {}",
                finished.arguments
            );
        }
    }
    // That there was something to see.
    for verb in ["add-user", "list-acls", "remove-user", "bootstrap"] {
        assert!(
            seen.iter().any(|line| line.contains(&format!("kafka {verb}"))),
            "{verb} was not seen in {looks} looks"
        );
    }
    let loud = |words: &str| said.iter().any(|finished| finished.stderr.contains(words));
    assert!(
        loud("SASLMECHS") && loud("refused the login") && loud("requires TLS"),
        "the logs are not at their loudest"
    );
}
