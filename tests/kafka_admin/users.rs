use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::stage::Stage;

fn write_file(stage: &Stage, name: &str, text: &str, mode: u32) -> String {
    let path = stage.scene.path(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path.display().to_string()
}

#[test]
fn a_user_is_added_listed_given_another_password_and_removed() {
    let stage = Stage::new("user");
    let name = stage.name("_a");
    let file = write_file(&stage, "first", "first-password\n", 0o600);
    let rows = stage.rows(0, &["add-user", &name, "--password-file", &file]);
    assert_eq!(rows[0]["result"], "added");
    assert_eq!(rows[0]["password"], Value::Null, "{rows:?}");
    assert!(stage.logs_in(&name, "first-password") && !stage.logs_in(&name, "another"));

    let rows = stage.rows(0, &["list-users", &name]);
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["mechanism"], &rows[0]["iterations"]), (&"SCRAM-SHA-512".into(), &8192.into()));

    stage
        .run(&["add-user", &name, "--password-file", &file])
        .says(1, &[&name, "--replace", "--if-missing", "none of 1"]);
    let left = stage.rows(0, &["add-user", &name, "--generate", "--if-missing"]);
    assert_eq!((&left[0]["result"], &left[0]["password"]), (&"was there".into(), &Value::Null));
    let ended = stage.with_stdin(&["kafka", "add-user", &name, "--replace", "--password-stdin"], "second-password\n");
    assert!(ended.code == 0 && ended.stdout.contains("replaced"), "{ended:?}");
    assert!(stage.logs_in(&name, "second-password") && !stage.logs_in(&name, "first-password"));

    assert_eq!(stage.rows(0, &["remove-user", &name, "--yes"])[0]["result"], "removed");
    assert!(!stage.logs_in(&name, "second-password"));
    stage.run(&["list-users", &name]).says(1, &["no such user", &name]);
    stage.run(&["remove-user", &name, "--yes"]).says(1, &["there is no user", &name]);
}

#[test]
fn names_may_hold_blanks_quotes_and_commas() {
    let stage = Stage::new("names");
    for odd in [" O'Brien", "_\"quoted\"", "_a,b=c", "_$HOME;ls", "_\\ -x"] {
        let name = stage.name(odd);
        let rows = stage.rows(0, &["add-user", &name, "--generate"]);
        let password = rows[0]["password"].as_str().unwrap().to_owned();
        assert_eq!(rows[0]["user"], name.as_str());
        assert!(password.len() >= 24 && stage.logs_in(&name, &password), "{name}");
        stage.ok(&["grant", &name, "--consume", "--topic", &stage.name("_t"), "--group", &name, "--any-host", "--yes"]);
        assert_eq!(stage.rows(0, &["list-acls", "--user", &name]).len(), 2, "{name}");
        stage.ok(&["remove-user", "--yes", "--", &name]);
        assert!(stage.rules(&name).is_empty() && !stage.logs_in(&name, &password), "{name}");
    }
    for wrong in ["*", "", "User:bob", "a\nb", "Zoë"] {
        stage.run(&["add-user", wrong, "--generate"]).says(2, &["NAME"]);
    }
}

#[test]
fn letters_of_all_scripts_are_for_passwords_and_for_rights_but_not_for_names_that_log_in() {
    let stage = Stage::new("scripts");
    let (name, foreign) = (stage.name("_a"), stage.name("_Zoë_星"));
    stage.add_user(&name, "pässwörd 星星星");
    assert!(stage.logs_in(&name, "pässwörd 星星星"));
    stage.run(&["add-user", &foreign, "--generate"]).says(2, &["not ASCII"]);
    // A principal that logs in by certificate, or one that another tool has added.
    stage.ok(&["grant", &foreign, "--consume", "--topic", &name, "--group", &foreign, "--any-host", "--yes"]);
    assert_eq!(stage.rows(0, &["list-acls", "--user", &foreign])[1]["user"], foreign.as_str());
    stage.ok(&["remove-user", &foreign, "--yes"]);
    assert!(stage.rules(&foreign).is_empty());
}

#[test]
fn one_of_several_fails_and_is_told_apart() {
    let stage = Stage::new("partial");
    let (old, new) = (stage.name("_old"), stage.name("_new"));
    stage.add_user(&old, "old-password");
    let rows = stage.rows(1, &["add-user", &old, &new, "--generate"]);
    let of = |name: &str| rows.iter().find(|row| row["user"] == name).unwrap();
    assert_eq!((&of(&old)["result"], &of(&old)["password"]), (&"failed".into(), &Value::Null));
    assert_eq!(of(&new)["result"], "added");
    assert!(stage.logs_in(&old, "old-password"), "the one that failed is as it was");
    let ended = stage.run(&["remove-user", &new, &stage.name("_nobody"), &old, "--yes"]);
    ended.says(1, &["_nobody", "1 of 3 elements failed, the others are done"]);
    assert!(!stage.logs_in(&old, "old-password"));
}

#[test]
fn every_mechanism_of_a_user_gets_the_new_password_unless_one_is_named() {
    let stage = Stage::new("mechanisms");
    let name = stage.name("_both");
    let both = ["--mechanism", "SCRAM-SHA-256", "--mechanism", "scram-sha-512"];
    let first = stage.rows(0, &[&["add-user", &name, "--generate"], &both[..]].concat());
    assert_eq!(first.len(), 2);
    assert_eq!(first[0]["password"], first[1]["password"]);
    let first = first[0]["password"].as_str().unwrap().to_owned();

    let ended = stage.with_stdin(
        &["kafka", "add-user", &name, "--replace", "--mechanism", "SCRAM-SHA-256", "--password-stdin"],
        "only-for-sha-256",
    );
    ended.says(0, &["for SCRAM-SHA-512 stays as it was"]);
    assert!(stage.logs_in(&name, &first));
    let ended =
        stage.with_stdin(&["kafka", "add-user", &name, "--replace", "--password-stdin"], "the-new-one-for-both");
    assert_eq!(ended.stdout.matches("replaced").count(), 2, "{ended:?}");
    assert!(stage.logs_in(&name, "the-new-one-for-both") && !stage.logs_in(&name, &first));
}

#[test]
fn a_password_is_refused_as_an_argument_from_an_open_file_and_where_nobody_can_be_asked() {
    let stage = Stage::new("refused");
    let name = stage.name("_a");
    for argument in [&["--password=hush-hush-hush"][..], &["--password", "hush-hush-hush"]] {
        let ended = stage.run(&[&["add-user", &name], argument].concat());
        ended.says(2, &["--password-stdin", "can be read by everybody"]);
        assert!(!ended.stderr.contains("hush-hush"), "{ended:?}");
    }
    let open = write_file(&stage, "open", "hush-hush-hush\n", 0o644);
    let ended = stage.run(&["add-user", &name, "--password-file", &open]);
    ended.says(2, &["chmod 600"]);
    assert!(!ended.stderr.contains("hush-hush"), "{ended:?}");
    stage.run(&["add-user", &name]).says(2, &["no terminal", "--password-stdin"]);
    stage.with_stdin(&["kafka", "add-user", &name, "--password-stdin"], "\n").says(2, &["is empty"]);
    stage.with_stdin(&["kafka", "add-user", &name, "--password-stdin"], "a\nb\n").says(2, &["line break"]);
    stage.with_stdin(&["kafka", "add-user", &name, "x", "--password-stdin"], "abc").says(2, &["of its own"]);
    stage.run(&["add-user", &name, "--generate", "--iterations", "4096"]).says(2, &["8192"]);
    stage.run(&["remove-user", &name]).says(1, &["there is no user"]);
    assert!(stage.admin().users().unwrap().iter().all(|user| user.name != name));
}

#[test]
fn a_password_is_in_no_output_however_much_is_said() {
    let stage = Stage::new("quiet");
    let (name, password) = (stage.name("_a"), "never-to-be-seen-84213");
    let mut said = String::new();
    let mut note = |ended: &crate::common::Ended| {
        said.push_str(&ended.stdout);
        said.push_str(&ended.stderr);
    };
    note(&stage.with_stdin(&["-vv", "kafka", "add-user", &name, "--password-stdin"], password));
    note(&stage.with_stdin(&["-vv", "kafka", "add-user", &name, "--replace", "--password-stdin"], password));
    note(&stage.with_stdin(&["-vv", "kafka", "add-user", &name, "--password-stdin"], password));
    note(&stage.run(&["-vv", "list-users"]));
    note(&stage.run(&["-vv", "remove-user", &name, "--dry-run"]));
    let file = write_file(&stage, "wrong", password, 0o600);
    let with = format!("kafka.admin.password_file={file}");
    note(&stage.run(&["-vv", "list-users", "--set", &with]));
    assert!(said.contains("refused the login"), "{said}");
    assert!(!said.contains(password), "{said}");
}

#[test]
fn who_may_not_administer_is_told_so() {
    let stage = Stage::new("denied");
    let producer = stage.scene.cluster.as_ref().unwrap().value("FINK_TEST_PRODUCER_USER").to_owned();
    let file = stage.scene.cluster.as_ref().unwrap().value("FINK_TEST_PRODUCER_PASSWORD_FILE").to_owned();
    let (user, file) = (format!("kafka.admin.username={producer}"), format!("kafka.admin.password_file={file}"));
    let as_producer = |arguments: &[&str]| stage.run(&[arguments, &["--set", &user, "--set", &file]].concat());
    let name = stage.name("_a");
    as_producer(&["add-user", &name, "--generate"]).says(1, &["has no right to", &producer]);
    as_producer(&["list-acls"]).says(1, &["has no right to see the access rules"]);
    as_producer(&["grant", &name, "--consume", "--topic", "x", "--any-host", "--yes"]).says(1, &["has no right to"]);
    as_producer(&["create-topic", "elsewhere"]).says(1, &["has no right to"]);
}
