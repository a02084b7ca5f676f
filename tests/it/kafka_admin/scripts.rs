//! The scripts around `fink kafka`: 2019's manager, and those for cron.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use super::bootstrap::{new_cluster, password};
use crate::fixture::cluster::User;
use crate::fixture::kafka_cli::KafkaCli;

const PASSWORD: &str = "given-by-dash-p 4711";
/// Another, since the arguments of other tests' programs are looked at as well.
const OTHER_PASSWORD: &str = "given-by-dash-p 0815";

fn script(cli: &KafkaCli, name: &str) -> Command {
    // Writes the configuration.
    cli.ok(&["list-topics", "--quiet", "nothing-begins-so"]);
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name));
    command.env("FINK", env!("CARGO_BIN_EXE_fink")).current_dir(cli.fixture.folder.path());
    command
}

fn said(output: &Output) -> String {
    format!(
        "{:?}\n{}{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn manager(cli: &KafkaCli, arguments: &[&str], code: i32) -> String {
    let output = script(cli, "fink_kafka").args(["-c", "fink.toml"]).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
    said(&output)
}

#[test]
fn the_options_of_2019_still_work() {
    let cli = KafkaCli::new("old");
    let (user, topic) = (cli.name(" O'Brien"), cli.name("_t"));
    manager(&cli, &["--create-topic", &topic], 0);
    manager(&cli, &["--create-topic", &topic], 0);
    assert!(manager(&cli, &["--describe-topic", &topic], 0).contains("partitions: "));
    assert!(manager(&cli, &["--list-topics"], 0).contains(&topic));

    let added = manager(&cli, &["--authentication", "-a", "-u", &user, "-p", PASSWORD], 0);
    assert!(added.contains("warning") && !added.contains(PASSWORD), "{added}");
    assert!(cli.logs_in(&user, PASSWORD));
    assert!(!manager(&cli, &["--authentication", "-u", &user, "-pother-password"], 0).contains("stands for no key"));
    assert!(cli.logs_in(&user, "other-password"));

    let consumer = ["-u", &user, "-H", "*", "-c", "group one", "-t", &topic];
    let producer = ["-u", &user, "-H", "127.0.0.1", "-p", "-t", &topic];
    manager(&cli, &[&["--authorization", "-a"], &consumer[..]].concat(), 0);
    manager(&cli, &[&["--authorization", "-a"], &producer[..]].concat(), 0);
    assert_eq!(cli.acls(&user).len(), 3);
    assert!(manager(&cli, &["--list-acl"], 0).contains("may use"));
    manager(&cli, &[&["--authorization", "-d"], &consumer[..]].concat(), 0);
    assert_eq!(cli.acls(&user).len(), 1);
    manager(&cli, &["--authentication", "-d", "-u", &user], 0);
    assert!(!cli.logs_in(&user, "other-password"));
    assert_eq!(cli.acls(&user).len(), 1, "as in 2019, rights are taken by --authorization");
    manager(&cli, &["--delete-topic", &topic], 0);
    manager(&cli, &["--describe-topic", &topic], 1);

    for wrong in
        [&["--authentication"][..], &["--authorization", "-a", "-u", &user], &["--create-topic"], &["--nonsense"], &[]]
    {
        manager(&cli, wrong, 2);
    }
    // What `-H *` without quotes becomes in a folder with files.
    let expanded = ["--authorization", "-a", "-u", &user, "-H", "a.txt", "fink.toml", "-c", "g", "-t", &topic];
    assert!(manager(&cli, &expanded, 2).contains("file names in the place of a *"));
}

#[test]
fn a_shell_configuration_is_read_as_in_2019() {
    let cli = KafkaCli::new("shell");
    let cluster = cli.fixture.cluster();
    let text = format!(
        "DISTRIBUTION_SERVERS=\"{}\"\nDISTRIBUTION_TOPIC=\"{}\"\nFINK_KAFKA_ADMIN_USERNAME={}\nFINK_KAFKA_ADMIN_PASSWORD_FILE='{}'\n",
        cluster.bootstrap_servers(),
        cli.fixture.name,
        cluster.username(User::Admin),
        cluster.password_file(User::Admin),
    );
    let output = script(&cli, "fink_kafka");
    drop(output);
    std::fs::remove_file(cli.fixture.path("fink.toml")).unwrap();
    std::fs::write(cli.fixture.path("fink.conf"), text).unwrap();
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/fink_kafka"));
    command.env("FINK", env!("CARGO_BIN_EXE_fink")).current_dir(cli.fixture.folder.path());
    let output = command.args(["--conf", "fink.conf", "--create-topic", &cli.fixture.name]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(cli.admin().partitions(&cli.fixture.name).unwrap().is_some());
}

#[test]
fn a_password_of_dash_p_is_in_no_arguments_once_the_script_has_begun() {
    let cli = KafkaCli::new("argv");
    let (user, seen) = (cli.name("_u"), cli.fixture.path("seen"));
    // Stands for fink, and writes down the arguments and the environment of every process that it can see.
    let spy = cli.fixture.path("spy");
    let text = format!(
        "#!/bin/sh\ncat /proc/[0-9]*/cmdline /proc/$PPID/environ /proc/self/environ 2>/dev/null | tr '\\0' '\\n' >'{}'\nexec '{}' \"$@\"\n",
        seen.display(),
        env!("CARGO_BIN_EXE_fink")
    );
    std::fs::write(&spy, text).unwrap();
    std::fs::set_permissions(&spy, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = script(&cli, "fink_kafka");
    command.env("FINK", &spy).args(["-c", "fink.toml", "--authentication", "-a", "-u", &user, "-p", OTHER_PASSWORD]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let seen = std::fs::read(seen).unwrap();
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains(&user) && seen.contains("--password-stdin"), "the spy saw it");
    assert!(!seen.contains(OTHER_PASSWORD), "{seen}");
    assert!(cli.logs_in(&user, OTHER_PASSWORD));
}

#[test]
fn start_on_a_running_cluster_makes_what_fink_needs_there() {
    let cli = new_cluster("start");
    let folder = cli.fixture.cluster().folder.clone();
    let mut command = script(&cli, "fink_kafka");
    let output = command.env("FINK_CLUSTER_DIR", &folder).args(["-c", "fink.toml", "start"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let (producer, topic) = (cli.name("_producer"), cli.fixture.name.clone());
    assert!(cli.logs_in(&producer, &password(&cli, "producer.password")));
    assert_eq!(cli.acls(&producer).len(), 9);
    let consumer = cli.fixture.cluster().username(User::Consumer).to_owned();
    let of_start = ["--consume", "--topic", &topic, "--group-prefix", "fink", "--host", "127.0.0.1", "--yes"];
    cli.ok(&[&["revoke", &consumer], &of_start[..]].concat());
}

#[test]
fn users_of_a_table_are_added_and_a_second_run_changes_nothing() {
    let cli = KafkaCli::new("csv");
    let (odd, plain) = (cli.name(", the \"odd\""), cli.name("_plain"));
    let topic = cli.name("_t");
    let quoted = odd.replace('"', "\"\"");
    let table = format!(
        "user,topics,groups,host\n\"{quoted}\",{topic} {topic}_x...,,*\n{plain},{topic},{plain}_groups,127.0.0.1\n"
    );
    std::fs::write(cli.fixture.path("users.csv"), table).unwrap();
    let run = |file: &str| {
        script(&cli, "kafka-add-users")
            .args([file, "--passwords", "passwords", "--config", "fink.toml"])
            .output()
            .unwrap()
    };
    let first = run("users.csv");
    assert!(first.status.success(), "{}", said(&first));
    let password = |name: &str| {
        let path = cli.fixture.path(&format!("passwords/{name}.password"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::read_to_string(path).unwrap().trim_end().to_owned()
    };
    for name in [&odd, &plain] {
        assert!(cli.logs_in(name, &password(name)), "{name}");
        assert!(!said(&first).contains(&password(name)));
    }
    let rules = (cli.acls(&odd), cli.acls(&plain));
    assert_eq!((rules.0.len(), rules.1.len()), (3, 2));

    std::fs::remove_file(cli.fixture.path(&format!("passwords/{plain}.password"))).unwrap();
    let second = run("users.csv");
    assert!(second.status.success() && second.stdout.is_empty() && second.stderr.is_empty(), "{}", said(&second));
    assert_eq!((cli.acls(&odd), cli.acls(&plain)), rules);
    assert!(!cli.fixture.path(&format!("passwords/{plain}.password")).exists());

    // A host that is no address fails for its line alone; a wrong table is refused whole.
    let bad = cli.name("_bad");
    std::fs::write(cli.fixture.path("bad.csv"), format!("user,topics,host\n{bad},{topic},nowhere\n{plain},{topic},\n"))
        .unwrap();
    let partial = run("bad.csv");
    assert_eq!(partial.status.code(), Some(1));
    assert!(said(&partial).contains("1 of 2 lines are not done"), "{}", said(&partial));
    for (text, words) in [
        ("user,topic\na,b\n", "unknown column 'topic'"),
        ("user\na\n", "'topics' is missing"),
        ("user,topics\na\n", "wrong.csv:2"),
        ("user,topics\na/b,c\n", "cannot name a password file"),
    ] {
        std::fs::write(cli.fixture.path("wrong.csv"), text).unwrap();
        let wrong = run("wrong.csv");
        assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
        assert!(said(&wrong).contains(words), "{}", said(&wrong));
    }
}

#[test]
fn the_report_says_who_has_come_and_gone_and_what_deserves_a_look() {
    let cli = KafkaCli::new("report");
    let (alice, ghost) = (cli.name("_alice"), cli.name("_ghost"));
    let run = || {
        let output =
            script(&cli, "kafka-report").args(["--config", "fink.toml", "--state", "state.json"]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run().contains("this is the first report"));
    cli.add_user(&alice, "password-of-alice");
    cli.ok(&["grant", &alice, "--consume", "--all-topics", "--any-host", "--yes"]);
    cli.ok(&["grant", &ghost, "--consume", "--topic", &cli.name("_t"), "--any-host", "--yes"]);
    let report = run();
    for words in [
        format!("+ user {alice}, SCRAM-SHA-512"),
        format!("+ {alice} may read topic * from *"),
        format!("wide: {alice} may read topic *"),
        format!("{ghost} has ACLs but no password"),
    ] {
        assert!(report.contains(&words), "no `{words}` in {report}");
    }
    cli.ok(&["remove-user", &alice, &ghost, "--yes"]);
    let report = run();
    assert!(report.contains(&format!("- user {alice}, SCRAM-SHA-512")), "{report}");
    assert!(!report.contains("password-of-alice"));
    std::fs::write(cli.fixture.path("state.json"), "[]").unwrap();
    let output = script(&cli, "kafka-report").args(["--config", "fink.toml", "--state", "state.json"]).output();
    assert_eq!(output.unwrap().status.code(), Some(1));
}
