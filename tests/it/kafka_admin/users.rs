use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::fixture::cluster::User;
use crate::fixture::kafka_cli::KafkaCli;

fn write_file(cli: &KafkaCli, name: &str, text: &str, mode: u32) -> String {
    let path = cli.fixture.path(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path.display().to_string()
}

#[test]
fn a_user_is_added_listed_given_another_password_and_removed() {
    let cli = KafkaCli::new("user");
    let name = cli.name("_a");
    let file = write_file(&cli, "first", "first-password\n", 0o600);
    let rows = cli.rows(0, &["add-user", &name, "--password-file", &file]);
    assert_eq!(rows[0]["result"], "added");
    assert_eq!(rows[0]["password"], Value::Null, "{rows:?}");
    assert!(cli.logs_in(&name, "first-password") && !cli.logs_in(&name, "another"));

    let rows = cli.rows(0, &["list-users", &name]);
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["mechanism"], &rows[0]["iterations"]), (&"SCRAM-SHA-512".into(), &8192.into()));

    cli.run(&["add-user", &name, "--password-file", &file])
        .assert_stderr(1, &[&name, "--replace", "--if-missing", "1 of 1"]);
    let left = cli.rows(0, &["add-user", &name, "--generate", "--if-missing"]);
    assert_eq!((&left[0]["result"], &left[0]["password"]), (&"was there".into(), &Value::Null));
    let finished = cli.with_stdin(&["kafka", "add-user", &name, "--replace", "--password-stdin"], "second-password\n");
    assert!(finished.code == 0 && finished.stdout.contains("replaced"), "{finished:?}");
    assert!(cli.logs_in(&name, "second-password") && !cli.logs_in(&name, "first-password"));

    assert_eq!(cli.rows(0, &["remove-user", &name, "--yes"])[0]["result"], "removed");
    assert!(!cli.logs_in(&name, "second-password"));
    cli.run(&["list-users", &name]).assert_stderr(1, &["no such user", &name]);
    cli.run(&["remove-user", &name, "--yes"]).assert_stderr(1, &["does not exist", &name]);
}

#[test]
fn names_may_contain_blanks_quotes_and_commas() {
    let cli = KafkaCli::new("names");
    for odd in [" O'Brien", "_\"quoted\"", "_a,b=c", "_$HOME;ls", "_\\ -x"] {
        let name = cli.name(odd);
        let rows = cli.rows(0, &["add-user", &name, "--generate"]);
        let password = rows[0]["password"].as_str().unwrap().to_owned();
        assert_eq!(rows[0]["user"], name.as_str());
        assert!(password.len() >= 24 && cli.logs_in(&name, &password), "{name}");
        cli.ok(&["grant", &name, "--consume", "--topic", &cli.name("_t"), "--group", &name, "--any-host", "--yes"]);
        assert_eq!(cli.rows(0, &["list-acls", "--user", &name]).len(), 2, "{name}");
        cli.ok(&["remove-user", "--yes", "--", &name]);
        assert!(cli.acls(&name).is_empty() && !cli.logs_in(&name, &password), "{name}");
    }
    for wrong in ["*", "", "User:bob", "a\nb", "Zoë"] {
        cli.run(&["add-user", wrong, "--generate"]).assert_stderr(2, &["NAME"]);
    }
}

#[test]
fn non_ascii_is_allowed_in_passwords_and_acls_but_not_in_names_that_log_in() {
    let cli = KafkaCli::new("scripts");
    let (name, foreign) = (cli.name("_a"), cli.name("_Zoë_星"));
    cli.add_user(&name, "pässwörd 星星星");
    assert!(cli.logs_in(&name, "pässwörd 星星星"));
    cli.run(&["add-user", &foreign, "--generate"]).assert_stderr(2, &["only ASCII user names"]);
    // A principal that logs in by certificate, or one that another tool has added.
    cli.ok(&["grant", &foreign, "--consume", "--topic", &name, "--group", &foreign, "--any-host", "--yes"]);
    assert_eq!(cli.rows(0, &["list-acls", "--user", &foreign])[1]["user"], foreign.as_str());
    cli.ok(&["remove-user", &foreign, "--yes"]);
    assert!(cli.acls(&foreign).is_empty());
}

#[test]
fn one_of_several_fails_and_is_named() {
    let cli = KafkaCli::new("partial");
    let (old, new) = (cli.name("_old"), cli.name("_new"));
    cli.add_user(&old, "old-password");
    let rows = cli.rows(1, &["add-user", &old, &new, "--generate"]);
    let of = |name: &str| rows.iter().find(|row| row["user"] == name).unwrap();
    assert_eq!((&of(&old)["result"], &of(&old)["password"]), (&"failed".into(), &Value::Null));
    assert_eq!(of(&new)["result"], "added");
    assert!(cli.logs_in(&old, "old-password"), "the one that failed is as it was");
    let finished = cli.run(&["remove-user", &new, &cli.name("_nobody"), &old, "--yes"]);
    finished.assert_stderr(1, &["_nobody", "1 of 3 elements failed, the others are done"]);
    assert!(!cli.logs_in(&old, "old-password"));
}

#[test]
fn every_mechanism_of_a_user_gets_the_new_password_unless_one_is_named() {
    let cli = KafkaCli::new("mechanisms");
    let name = cli.name("_both");
    let both = ["--mechanism", "SCRAM-SHA-256", "--mechanism", "scram-sha-512"];
    let first = cli.rows(0, &[&["add-user", &name, "--generate"], &both[..]].concat());
    assert_eq!(first.len(), 2);
    assert_eq!(first[0]["password"], first[1]["password"]);
    let first = first[0]["password"].as_str().unwrap().to_owned();

    let finished = cli.with_stdin(
        &["kafka", "add-user", &name, "--replace", "--mechanism", "SCRAM-SHA-256", "--password-stdin"],
        "only-for-sha-256",
    );
    finished.assert_stderr(0, &["for SCRAM-SHA-512 stays as it was"]);
    assert!(cli.logs_in(&name, &first));
    let finished =
        cli.with_stdin(&["kafka", "add-user", &name, "--replace", "--password-stdin"], "the-new-one-for-both");
    assert_eq!(finished.stdout.matches("replaced").count(), 2, "{finished:?}");
    assert!(cli.logs_in(&name, "the-new-one-for-both") && !cli.logs_in(&name, &first));
}

#[test]
fn a_password_is_refused_as_an_argument_from_a_readable_file_and_without_a_terminal() {
    let cli = KafkaCli::new("refused");
    let name = cli.name("_a");
    for argument in [&["--password=hush-hush-hush"][..], &["--password", "hush-hush-hush"]] {
        let finished = cli.run(&[&["add-user", &name], argument].concat());
        finished.assert_stderr(2, &["--password-stdin", "can read a password in an argument"]);
        assert!(!finished.stderr.contains("hush-hush"), "{finished:?}");
    }
    let open = write_file(&cli, "open", "hush-hush-hush\n", 0o644);
    let finished = cli.run(&["add-user", &name, "--password-file", &open]);
    finished.assert_stderr(2, &["chmod 600"]);
    assert!(!finished.stderr.contains("hush-hush"), "{finished:?}");
    cli.run(&["add-user", &name]).assert_stderr(2, &["stdin is not a terminal", "--password-stdin"]);
    cli.with_stdin(&["kafka", "add-user", &name, "--password-stdin"], "\n").assert_stderr(2, &["is empty"]);
    cli.with_stdin(&["kafka", "add-user", &name, "--password-stdin"], "a\nb\n").assert_stderr(2, &["line break"]);
    cli.with_stdin(&["kafka", "add-user", &name, "x", "--password-stdin"], "abc")
        .assert_stderr(2, &["its own password"]);
    cli.run(&["add-user", &name, "--generate", "--iterations", "4096"]).assert_stderr(2, &["8192"]);
    cli.run(&["remove-user", &name]).assert_stderr(1, &["does not exist"]);
    assert!(cli.admin().describe_users().unwrap().iter().all(|user| user.name != name));
}

#[test]
fn a_password_is_in_no_output_however_much_is_said() {
    let cli = KafkaCli::new("quiet");
    let (name, password) = (cli.name("_a"), "never-to-be-seen-84213");
    let mut said = String::new();
    let mut note = |finished: &crate::fixture::Finished| {
        said.push_str(&finished.stdout);
        said.push_str(&finished.stderr);
    };
    note(&cli.with_stdin(&["-vv", "kafka", "add-user", &name, "--password-stdin"], password));
    note(&cli.with_stdin(&["-vv", "kafka", "add-user", &name, "--replace", "--password-stdin"], password));
    note(&cli.with_stdin(&["-vv", "kafka", "add-user", &name, "--password-stdin"], password));
    note(&cli.run(&["-vv", "list-users"]));
    note(&cli.run(&["-vv", "remove-user", &name, "--dry-run"]));
    let file = write_file(&cli, "wrong", password, 0o600);
    let with = format!("kafka.admin.password_file={file}");
    note(&cli.run(&["-vv", "list-users", "--set", &with]));
    assert!(said.contains("refused the login"), "{said}");
    assert!(!said.contains(password), "{said}");
}

#[test]
fn a_user_who_may_not_administer_gets_an_error() {
    let cli = KafkaCli::new("denied");
    let producer = cli.fixture.cluster().username(User::Producer).to_owned();
    let file = cli.fixture.cluster().password_file(User::Producer).to_owned();
    let (user, file) = (format!("kafka.admin.username={producer}"), format!("kafka.admin.password_file={file}"));
    let as_producer = |arguments: &[&str]| cli.run(&[arguments, &["--set", &user, "--set", &file]].concat());
    let name = cli.name("_a");
    as_producer(&["add-user", &name, "--generate"]).assert_stderr(1, &["is not authorized to", &producer]);
    as_producer(&["list-acls"]).assert_stderr(1, &["is not authorized to describe the ACLs"]);
    as_producer(&["grant", &name, "--consume", "--topic", "x", "--any-host", "--yes"])
        .assert_stderr(1, &["is not authorized to"]);
    as_producer(&["create-topic", "elsewhere"]).assert_stderr(1, &["is not authorized to"]);
}
