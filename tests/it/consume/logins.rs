//! Logins: that of `fink consume login`, and the credentials of fink-client.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::Consumer;
use crate::fixture::cluster::{User, python};

/// The program without a configuration, with a home of its own.
fn fink(consumer: &Consumer, arguments: &[&str], stdin: &str) -> (i32, String, String) {
    use std::io::Write;
    let home = consumer.fixture.path("home");
    std::fs::create_dir_all(&home).expect("a folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_fink"))
        .args(arguments)
        .current_dir(&home)
        .env_clear()
        .env("HOME", &home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the built program");
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("a pipe");
    let output = child.wait_with_output().expect("a child");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn a_login_is_written_tried_and_used() {
    let consumer = Consumer::new("login");
    consumer.send("ztf", "datum", "schema", 3);
    let cluster = consumer.fixture.cluster();
    let (servers, user) = (cluster.bootstrap_servers(), cluster.username(User::Consumer));
    let login = [
        "consume",
        "login",
        "--survey",
        "ztf",
        "--username",
        user,
        "--group",
        &consumer.group,
        "--servers",
        servers,
        "--topic",
        &consumer.topic.0,
        "--password-stdin",
    ];
    let (code, stdout, stderr) = fink(&consumer, &login, &cluster.password(User::Consumer));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains(&consumer.topic.0) && stderr.contains("the login works"), "{stdout} {stderr}");
    for name in ["consumer-ztf.toml", "consumer-ztf.password"] {
        let file = consumer.fixture.path("home/.config/fink").join(name);
        assert_eq!(file.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
    }
    let (code, stdout, stderr) = fink(&consumer, &["consume", "--limit", "1", "--format", "table"], "");
    assert!(code == 0 && stdout.contains("ZTF"), "{stdout} {stderr}");
    let (code, _, stderr) = fink(&consumer, &login, "x");
    assert!(code == 2 && stderr.contains("--replace"), "{stderr}");
    let again: Vec<&str> = login.iter().chain(&["--replace"]).copied().collect();
    let (code, _, stderr) = fink(&consumer, &again, "wrong password");
    assert!(code == 1 && stderr.contains("refused the login of user"), "{stderr}");
    assert!(stderr.contains("consumer-ztf.toml stays as it was"), "{stderr}");
    let (code, stdout, stderr) = fink(&consumer, &["consume", "--limit", "1", "--format", "table"], "");
    assert!(code == 0 && stdout.contains("ZTF"), "{stdout} {stderr}");
    let (code, _, stderr) = fink(&consumer, &again, &cluster.password(User::Consumer));
    assert!(code == 0 && stderr.contains("the login works"), "{stderr}");
    let left = consumer.fixture.path("home/.config/fink").read_dir().expect("a folder").count();
    assert_eq!(left, 2, "the login and its password");
}

#[test]
fn credentials_of_fink_client_are_read_as_they_are() {
    let consumer = Consumer::new("finkctl");
    consumer.send("ztf", "datum", "schema", 3);
    let cluster = consumer.fixture.cluster();
    let folder = consumer.fixture.path("home/.finkclient");
    std::fs::create_dir_all(&folder).expect("a folder");
    let text = format!(
        "groupid: {}\nmaxtimeout: 10\npassword: {}\nservers: {}\nsurvey: ztf\ntopics:\n  {}: {{}}\nusername: {}\n",
        consumer.group,
        cluster.password(User::Consumer),
        cluster.bootstrap_servers(),
        consumer.topic.0,
        cluster.username(User::Consumer)
    );
    std::fs::write(folder.join("ztf_credentials.yml"), text).expect("a file");
    let (code, stdout, stderr) =
        fink(&consumer, &["consume", "--until-end", "--format", "ndjson", "--fields", "objectId"], "");
    assert!(code == 0 && stdout.lines().count() == 3, "{stdout} {stderr}");
    assert!(stderr.contains("others can read the password"), "{stderr}");
    let (code, stdout, stderr) = fink(&consumer, &["consume", "stats", "--survey", "ztf"], "");
    assert!(code == 0 && stdout.contains(&consumer.topic.0), "{stderr}");
    let (code, _, stderr) = fink(&consumer, &["consume", "--survey", "lsst"], "");
    assert!(code == 2 && stderr.contains("there is no login for the survey `lsst`"), "{stderr}");
}

/// Runs a command on a terminal of its own, answers the first question with the line on stdin, and prints what the terminal shows.
const ON_A_TERMINAL: &str = r#"
import os, pty, sys
process, terminal = pty.fork()
if process == 0:
    os.execv(sys.argv[1], sys.argv[1:])
shown, is_answered = b"", False
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:
        break
    if not part:
        break
    shown += part
    if not is_answered and b"Password of" in shown:
        is_answered = True
        os.write(terminal, sys.stdin.readline().encode())
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"#;

#[test]
fn the_password_is_asked_for_on_a_terminal_and_not_shown() {
    use std::io::Write;
    let consumer = Consumer::new("terminal");
    let cluster = consumer.fixture.cluster();
    let home = consumer.fixture.path("home");
    std::fs::create_dir_all(&home).expect("a folder");
    let mut child = Command::new(python())
        .args(["-c", ON_A_TERMINAL, env!("CARGO_BIN_EXE_fink"), "consume", "login", "--survey", "ztf"])
        .args(["--username", cluster.username(User::Consumer), "--group", &consumer.group])
        .args(["--servers", cluster.bootstrap_servers(), "--topic", &consumer.topic.0])
        .env_clear()
        .env("HOME", &home)
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python");
    let password = cluster.password(User::Consumer);
    child.stdin.take().expect("a pipe").write_all(format!("{password}\n").as_bytes()).expect("a pipe");
    let output = child.wait_with_output().expect("a child");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("Password of ") && shown.contains("the login works"), "{shown}");
    assert!(!shown.contains(&password), "the password is shown");
}
