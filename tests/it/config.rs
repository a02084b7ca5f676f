//! The configuration: where values come from, and the errors for wrong ones.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::fixture::{command_without_env, run_without_env};
use fink::config::{Configuration, Environment, example_toml};
use serde_json::{Value, json};

const SHOW: &[&str] = &["config", "show", "--format", "json"];

/// The value of `key`, and where it came from, as `config show` prints them.
fn shown(folder: &Path, arguments: &[&str], variables: &[(&str, &str)], key: &str) -> (Value, String, Value) {
    let arguments: Vec<&str> = SHOW.iter().chain(arguments).copied().collect();
    let finished = run_without_env(folder, &arguments, variables);
    assert_eq!(finished.code, 0, "{finished:?}");
    let rows: Vec<Value> = serde_json::from_str(&finished.stdout).unwrap();
    let row = rows.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("no {key}: {finished:?}"));
    (row["value"].clone(), row["source"].as_str().unwrap().to_owned(), row["place"].clone())
}

#[test]
fn a_flag_precedes_the_environment_precedes_the_file_precedes_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.toml");
    // For each key: how the file says it, then the words of environment and flag, then what is shown of default, file, environment, flag.
    let cases = [
        ("science_db.kind", "\"thrift1\"", "embedded", "THRIFT2", ["hbase", "thrift1", "embedded", "thrift2"]),
        ("kafka.bootstrap_servers", "\"a:1\"", "b:2, c:3", "d:4", ["127.0.0.1:9093", "a:1", "b:2,c:3", "d:4"]),
        ("distribution.poll", "2", "1m", "90s", ["500ms", "2s", "1m", "1m30s"]),
        ("distribution.start", "2019-11-01T00:00:00Z", "now", "100", ["latest", "1572566400000", "now", "100"]),
        ("distribution.memory", "64000000", "64MiB", "1GB", ["256MB", "64MB", "64MiB", "1GB"]),
        (
            "distribution.rejected_topic",
            "\"fink_a\"",
            "fink_b",
            "fink_c",
            ["fink_rejected", "fink_a", "fink_b", "fink_c"],
        ),
    ];
    for (key, in_file, in_environment, in_flag, [default, from_file, from_environment, from_flag]) in cases {
        let (section, name) = key.split_once('.').unwrap();
        fs::write(&file, format!("# a comment\n[{section}]\n{name} = {in_file}\n")).unwrap();
        let variable = format!("FINK_{}", key.replace('.', "_").to_uppercase());
        let set = format!("{key}={in_flag}");
        let (with_file, with_variable) = (["-c", "my.toml"], [(variable.as_str(), in_environment)]);
        let with_flag = ["-c", "my.toml", "--set", &set];

        assert_eq!(shown(folder.path(), &[], &[], key), (json!(default), "default".to_owned(), Value::Null));
        assert_eq!(
            shown(folder.path(), &with_file, &[], key),
            (json!(from_file), "file".to_owned(), json!("my.toml:3"))
        );
        assert_eq!(
            shown(folder.path(), &[], &with_variable, key),
            (json!(from_environment), "environment".to_owned(), json!(variable))
        );
        assert_eq!(shown(folder.path(), &with_file, &with_variable, key).0, json!(from_environment));
        let flag = (json!(from_flag), "flag".to_owned(), json!(format!("--set {key}")));
        assert_eq!(shown(folder.path(), &with_flag, &[], key), flag);
        assert_eq!(shown(folder.path(), &with_flag, &with_variable, key), flag);
        assert_eq!(shown(folder.path(), &with_file, &[(variable.as_str(), "")], key).0, json!(from_file));
    }
}

#[test]
fn skipped_rows_are_a_list_of_prefixes_none_of_them_empty() {
    let folder = tempfile::tempdir().unwrap();
    let key = "science_db.skip_rows";
    assert_eq!(shown(folder.path(), &[], &[], key).0, json!(["schema_"]));
    let variables = [("FINK_SCIENCE_DB_SKIP_ROWS", "schema_, test")];
    assert_eq!(shown(folder.path(), &[], &variables, key).0, json!(["schema_", "test"]));
    let file = folder.path().join("fink.toml");
    fs::write(&file, "[science_db]\nskip_rows = []\n").unwrap();
    assert_eq!(shown(folder.path(), &[], &[], key).0, json!([]));
    fs::write(&file, "[science_db]\nskip_rows = [\"schema_\", \"\"]\n").unwrap();
    run_without_env(folder.path(), SHOW, &[]).assert_stderr(2, &["fink.toml:2", "science_db.skip_rows", "empty"]);
}

#[test]
fn the_variables_of_2019_stand_behind_their_keys_own() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("DISTRIBUTION_SERVERS", "kafka.bootstrap_servers", "a:1", "b:2"),
        ("DISTRIBUTION_TOPIC", "stream.full.topic", "fink_a", "fink_b"),
        ("DISTRIBUTION_SCHEMA", "stream.full.schema", "a.avsc", "b.avsc"),
        ("DISTRIBUTION_OFFSET", "distribution.start", "earliest", "now"),
        ("DISTRIBUTION_OFFSET_FILE", "distribution.offset_file", "a", "b"),
        ("DISTRIBUTION_RULES_XML", "stream.full.rules", "a.xml", "b.xml"),
        ("SCIENCE_DB_NAME", "science_db.table", "a", "b:b"),
        ("SCIENCE_DB_CATALOG", "science_db.catalog", "a.json", "b.json"),
    ];
    for (old, key, one, other) in cases {
        let new = format!("FINK_{}", key.replace('.', "_").to_uppercase());
        assert_eq!(shown(folder.path(), &[], &[(old, one)], key), (json!(one), "environment".to_owned(), json!(old)));
        assert_eq!(shown(folder.path(), &[], &[(old, one), (&new, other)], key).0, json!(other));
        assert_eq!(shown(folder.path(), &[], &[(old, "")], key).1, "default");
    }
}

#[test]
fn a_shell_file_of_2019_can_be_sourced() {
    let folder = tempfile::tempdir().unwrap();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/fink.conf.distribution");
    let script =
        format!("set -aeu; . '{example}'; set +a; exec '{}' config show --format json", env!("CARGO_BIN_EXE_fink"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).env_clear().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let place = |key: &str| rows.iter().find(|row| row["key"] == key).map(|row| row["place"].clone()).unwrap();
    assert_eq!(place("kafka.bootstrap_servers"), "DISTRIBUTION_SERVERS");
    assert_eq!(place("stream.full.topic"), "DISTRIBUTION_TOPIC");
    assert_eq!(place("distribution.start"), "DISTRIBUTION_OFFSET");
    assert_eq!(place("science_db.catalog"), "SCIENCE_DB_CATALOG");
    assert_eq!(place("stream.full.rules"), Value::Null);

    // As in 2019, but now a mistake that is explained: the shell's file as the configuration file.
    run_without_env(folder.path(), &["-c", example, "config", "show"], &[])
        .assert_stderr(2, &["fink.conf.distribution:", "set -a; . "]);
}

#[test]
fn old_stream_variables_are_refused_where_there_are_several_streams() {
    let folder = tempfile::tempdir().unwrap();
    let two = "[[stream]]\nname = \"a\"\ntopic = \"fink_a\"\n[[stream]]\nname = \"b-c\"\ntopic = \"fink_b\"\n";
    fs::write(folder.path().join("fink.toml"), two).unwrap();
    run_without_env(folder.path(), SHOW, &[("DISTRIBUTION_TOPIC", "fink_x")])
        .assert_stderr(2, &["DISTRIBUTION_TOPIC", "several streams"]);
    let own = [("FINK_STREAM_B_C_TOPIC", "fink_x")];
    assert_eq!(shown(folder.path(), &[], &own, "stream.b-c.topic").0, "fink_x");
    assert_eq!(shown(folder.path(), &[], &own, "stream.a.topic").0, "fink_a");
    assert_eq!(shown(folder.path(), &["--set", "stream.a.topic=fink_y"], &[], "stream.a.topic").0, "fink_y");
}

#[test]
fn a_file_that_is_not_named_is_searched_in_three_places() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let write = |path: &str, name: &str| {
        let path = here.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("[distribution]\nname = \"{name}\"\n")).unwrap();
    };
    let xdg = here.join("xdg");
    let variables = [("XDG_CONFIG_HOME", xdg.to_str().unwrap())];
    write("xdg/fink/fink.toml", "in-xdg");
    assert_eq!(shown(here, &[], &variables, "distribution.name").0, "in-xdg");
    write("home/.config/fink/fink.toml", "in-home");
    assert_eq!(shown(here, &[], &[("HOME", here.join("home").to_str().unwrap())], "distribution.name").0, "in-home");
    write("fink.toml", "here");
    assert_eq!(shown(here, &[], &variables, "distribution.name").0, "here");
    write("named.toml", "named");
    assert_eq!(shown(here, &[], &[("FINK_CONFIG", "named.toml")], "distribution.name").0, "named");
    assert_eq!(shown(here, &["-c", "fink.toml"], &[("FINK_CONFIG", "named.toml")], "distribution.name").0, "here");
    run_without_env(here, SHOW, &[("FINK_CONFIG", "missing.toml")]).assert_stderr(2, &["missing.toml"]);
}

#[test]
fn paths_in_a_file_start_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("conf")).unwrap();
    let text = "[science_db]\ncatalog = \"catalog.json\"\n[filters]\npath = [\"filters\", \"/opt/filters\"]\n";
    fs::write(folder.path().join("conf/fink.toml"), text).unwrap();
    let arguments = ["-c", "conf/fink.toml"];
    assert_eq!(shown(folder.path(), &arguments, &[], "science_db.catalog").0, "conf/catalog.json");
    assert_eq!(shown(folder.path(), &arguments, &[], "filters.path").0, json!(["conf/filters", "/opt/filters"]));
    let variables = [("FINK_SCIENCE_DB_CATALOG", "catalog.json"), ("FINK_FILTERS_PATH", "a,b")];
    assert_eq!(shown(folder.path(), &arguments, &variables, "science_db.catalog").0, "catalog.json");
    assert_eq!(shown(folder.path(), &arguments, &variables, "filters.path").0, json!(["a", "b"]));
}

#[test]
fn every_error_is_reported_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &[&str]); 29] = [
        ("[science_db]\nadress = \"a:1\"", &["fink.toml:2", "`science_db.adress`", "`science_db.address`"]),
        ("[kafak]\nusername = \"me\"", &["fink.toml:1", "`kafak`", "`kafka`"]),
        (
            "[[stream]]\nname = \"a\"\ntopic = \"t\"\npartition = 1",
            &["fink.toml:4", "`stream.partition`", "`stream.partitions`"],
        ),
        ("[distribution]\n\ntopic = \"t\"", &["fink.toml:3", "`distribution.topic`", "`stream.topic`"]),
        (
            "[distribution]\npoll = \"5 minutes\"",
            &["fink.toml:2", "`distribution.poll`", "`5 minutes` is not a duration"],
        ),
        ("[distribution]\nstart = \"yesterday\"", &["fink.toml:2", "`yesterday` is not a start"]),
        ("[distribution]\nmemory = \"much\"", &["fink.toml:2", "`much` is not a size"]),
        ("[distribution]\nstatus = \"yes\"", &["fink.toml:2", "expected true or false, found a string"]),
        ("[distribution]\noverlap = \"0s\"", &["fink.toml:2", "distribution.settle"]),
        ("[distribution]\nrepair = \"1s\"", &["fink.toml:2", "distribution.overlap"]),
        (
            "[distribution]\nreplication = 2\nmin_insync_replicas = 3",
            &["fink.toml:3", "at most replication, 2, or nothing can be sent"],
        ),
        ("[distribution]\nrejected_retention = 0", &["fink.toml:2", "at least 1ms"]),
        (
            "[[stream]]\nname = \"a\"\ntopic = \"t\"\nreplication = 1\nmin_insync_replicas = 2",
            &["fink.toml:5", "at most replication, 1"],
        ),
        ("[science_db]\naddress = \"localhost\"", &["fink.toml:2", "it has no port"]),
        ("[science_db]\ncatalog = 5", &["fink.toml:2", "expected a path, found an integer"]),
        ("[filters]\nworkers = 0", &["fink.toml:2", "from 1 to 1024"]),
        ("[[stream]]\nname = \"a\"\ntopic = \"t\"\nfilters = [\"a.b\"]", &["fink.toml:4", "package.module:function"]),
        ("[[stream]]\nname = \"a\"", &["fink.toml:1", "`stream.a.topic` is missing"]),
        ("[[stream]]\ntopic = \"a\"", &["fink.toml:1", "`stream.name` is missing"]),
        ("[[stream]]\nname = \"a\"\ntopic = \"t\"\nencoding = \"confluent\"", &["fink.toml:4", "schema_id"]),
        (
            "[[stream]]\nname = \"a\"\ntopic = \"t\"\n[[stream]]\nname = \"b\"\ntopic = \"t\"",
            &["fink.toml:6", "stream `a`"],
        ),
        (
            "[[stream]]\nname = \"a\"\ntopic = \"t\"\ntransactions = false\npartitions = 10001",
            &["fink.toml:5", "at most 10000"],
        ),
        (
            "[[stream]]\nname = \"a\"\ntopic = \"t\"\nschema_topic = true\n[[stream]]\nname = \"b\"\ntopic = \"t_schema\"",
            &["fink.toml:7", "the schema of the stream `a` is written to it"],
        ),
        (
            "[[stream]]\nname = \"b\"\ntopic = \"t_schema\"\n[[stream]]\nname = \"a\"\ntopic = \"t\"\nschema_topic = true",
            &["fink.toml:7", "the stream `b` is sent to `t_schema`"],
        ),
        (
            "[distribution]\nrejected_topic = \"t_schema\"\n[[stream]]\nname = \"a\"\ntopic = \"t\"\nschema_topic = true",
            &["fink.toml:6", "`t_schema` is a topic of the distribution already"],
        ),
        ("[kafka.librdkafka]\n\"bootstrap.servers\" = \"a:1\"", &["fink.toml:2", "kafka.bootstrap_servers"]),
        ("[kafka.librdkafka]\nacks = 1", &["fink.toml:2", "each alert is sent once"]),
        ("[kafka.librdkafka]\n\"linger.mss\" = 50", &["fink.toml:2", "linger.mss"]),
        ("[kafka.librdkafka]\nlinger.ms = \"soon\"", &["fink.toml:2", "linger.ms"]),
    ];
    for (text, words) in cases {
        fs::write(folder.path().join("fink.toml"), text).unwrap();
        run_without_env(folder.path(), SHOW, &[]).assert_stderr(2, words);
    }
    fs::write(folder.path().join("fink.toml"), "[kafak]\n[distribution]\npol = 1\nrepair = \"x\"").unwrap();
    run_without_env(folder.path(), SHOW, &[]).assert_stderr(2, &["fink.toml:1", "fink.toml:3", "fink.toml:4"]);
    fs::remove_file(folder.path().join("fink.toml")).unwrap();
    run_without_env(folder.path(), &["config", "show", "--set", "kafka.usernam=me"], &[])
        .assert_stderr(2, &["--set kafka.usernam", "`kafka.username`"]);
    run_without_env(folder.path(), SHOW, &[("FINK_DISTRIBUTION_POLL", "x")])
        .assert_stderr(2, &["environment variable FINK_DISTRIBUTION_POLL"]);
    run_without_env(folder.path(), SHOW, &[("FINK_KAFKA_USERNAM", "x")])
        .assert_stderr(0, &["FINK_KAFKA_USERNAM", "FINK_KAFKA_USERNAME"]);
}

#[test]
fn secrets_are_never_printed() {
    const SECRET: &str = "hunter2";
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let password = here.join("password");
    fs::write(&password, SECRET).unwrap();
    let mut finished = Vec::new();
    for mode in [0o600, 0o644] {
        fs::set_permissions(&password, fs::Permissions::from_mode(mode)).unwrap();
        let text = format!(
            "[kafka]\nusername = \"me\"\npassword_file = \"password\"\n[kafka.librdkafka]\n\"ssl.keystore.password\" = \"{SECRET}\"\n[kafka.admin]\nusername = \"admin\"\n"
        );
        fs::write(here.join("fink.toml"), text).unwrap();
        for format in ["table", "json", "ndjson"] {
            finished.push(run_without_env(
                here,
                &["-vv", "config", "show", "--format", format],
                &[("FINK_KAFKA_ADMIN_PASSWORD", SECRET)],
            ));
        }
        assert!(finished.iter().all(|finished| finished.code == 0 && finished.stdout.contains("***")), "{finished:?}");
    }
    for text in [
        format!("[kafka]\npassword = \"{SECRET}\"\n"),
        format!("[kafka]\npassword = \"{SECRET}\n"),
        format!("[kafka]\npassword = {SECRET}\n"),
        format!("[kafka.librdkafka]\n\"sasl.password\" = \"{SECRET}\"\n"),
        format!("[kafka.librdkafka]\n\"ssl.keystore.password\" = [\"{SECRET}\"]\n"),
    ] {
        fs::write(here.join("fink.toml"), text).unwrap();
        finished.push(run_without_env(here, &["-vv", "config", "show"], &[]));
        assert_eq!(finished.last().unwrap().code, 2);
    }
    fs::remove_file(here.join("fink.toml")).unwrap();
    let set = format!("kafka.password={SECRET}");
    finished.push(run_without_env(here, &["-vv", "config", "show", "--set", &set], &[]));
    for finished in finished {
        assert!(!finished.stdout.contains(SECRET) && !finished.stderr.contains(SECRET), "{finished:?}");
    }

    let variables = [("FINK_KAFKA_USERNAME", "me"), ("FINK_KAFKA_PASSWORD", SECRET)];
    let environment: Environment =
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    let text = format!("[kafka.librdkafka]\n\"ssl.keystore.password\" = \"{SECRET}\"\n");
    let configuration = Configuration::parse(Path::new("fink.toml"), &text, &[], &environment).unwrap();
    let settings = configuration.settings(fink::config::RequiredLogin::User).unwrap();
    assert_eq!(settings.kafka.login.as_ref().unwrap().password.reveal(), SECRET);
    assert!(!format!("{settings:?} {:?}", configuration.entries).contains(SECRET));
}

#[test]
fn a_login_is_required_only_where_it_is_used() {
    use fink::config::RequiredLogin;
    let parse = |text: &str| Configuration::parse(Path::new("fink.toml"), text, &[], &Environment::default()).unwrap();
    let error = |text: &str, logins| parse(text).settings(logins).unwrap_err().to_string();
    assert!(parse("").settings(RequiredLogin::None).is_ok());
    assert!(error("", RequiredLogin::User).contains("`kafka.username` is missing"));
    assert!(error("[kafka]\nusername = \"me\"", RequiredLogin::User).contains("FINK_KAFKA_PASSWORD"));
    assert!(error("[kafka.admin]\nusername = \"me\"", RequiredLogin::Admin).contains("FINK_KAFKA_ADMIN_PASSWORD"));
    assert!(
        error("[kafka]\nusername = \"me\"\npassword_file = \"/nowhere\"", RequiredLogin::User)
            .starts_with("fink.toml:3: ")
    );
    assert!(error("[kafka]\nusername = \"me\"", RequiredLogin::Admin).contains("FINK_KAFKA_PASSWORD"));
    assert_eq!(parse("[kafka]\nsecurity_protocol = \"ssl\"").settings(RequiredLogin::User).unwrap().kafka.login, None);
}

#[test]
fn the_example_in_conf_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/fink.toml");
    if std::env::var_os("FINK_UPDATE_DOCS").is_some() {
        fs::write(&path, example_toml()).unwrap();
    }
    let is_current = fs::read_to_string(&path).unwrap() == example_toml();
    assert!(is_current, "conf/fink.toml is out of date: run FINK_UPDATE_DOCS=1 cargo test --test it config:: docs::");
}

#[test]
fn the_file_that_init_writes_contains_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    run_without_env(folder.path(), &["config", "init"], &[]).assert_stderr(0, &["wrote fink.toml"]);
    assert_eq!(fs::read_to_string(folder.path().join("fink.toml")).unwrap(), example_toml());
    fs::write(folder.path().join("fink.toml"), "[kafka]\n").unwrap();
    run_without_env(folder.path(), &["config", "init"], &[]).assert_stderr(2, &["fink.toml already exists", "--force"]);
    assert_eq!(fs::read_to_string(folder.path().join("fink.toml")).unwrap(), "[kafka]\n");
    run_without_env(folder.path(), &["config", "init", "--force"], &[]).assert_stderr(0, &[]);
    let init = ["config", "init", "--force"];
    run_without_env(folder.path(), &init, &[("FINK_CONFIG", "other.toml")])
        .assert_stderr(0, &["FINK_CONFIG names other.toml, so other commands do not read fink.toml"]);
    let same = run_without_env(folder.path(), &init, &[("FINK_CONFIG", "./fink.toml")]);
    assert!(!same.stderr.contains("FINK_CONFIG"), "{same:?}");
    run_without_env(folder.path(), &["config", "init", "no/such/folder.toml"], &[])
        .assert_stderr(1, &["cannot write no/such/folder.toml"]);

    let parse = |text: &str| Configuration::parse(Path::new("fink.toml"), text, &[], &Environment::default()).unwrap();
    let settings = |text: &str| parse(text).settings(fink::config::RequiredLogin::None).unwrap();
    let example = example_toml();
    assert_eq!(settings(&example), settings(""));

    // With its keys uncommented it names every key, and where a key has a default, that.
    let uncommented: String = example
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') && !rest.is_empty()).unwrap_or(line))
        .fold(String::new(), |text, line| match line.starts_with("schema_id") {
            true => text + line + "\nencoding = \"confluent\"\n",
            false if line.starts_with("encoding") => text,
            false => text + line + "\n",
        });
    let (full, defaults) = (parse(&uncommented), parse(""));
    for entry in &defaults.entries {
        let here = full.entries.iter().find(|other| other.key == entry.key).unwrap();
        if entry.key.ends_with(".password") {
            continue;
        }
        assert_eq!(here.origin.kind(), "file", "{}", entry.key);
        let is_example = entry.value.is_null() || entry.value == json!([]) || entry.key.ends_with(".encoding");
        assert!(
            is_example || here.value == entry.value,
            "{}: {} in the file, {} by default",
            entry.key,
            here.value,
            entry.value
        );
    }
}

#[test]
fn a_closed_pipe_is_a_normal_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command_without_env(folder.path(), &["config", "show"], &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));

    let script = format!("'{}' completions bash | head -1; echo \"${{PIPESTATUS[0]}}\"", env!("CARGO_BIN_EXE_fink"));
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("\n0\n"), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
