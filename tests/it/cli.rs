//! The command line: help, completions, manual, run files, exit codes.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::fixture::{run_without_env, wait_until};
use clap::CommandFactory;
use fink::cli::Cli;
use serde_json::{Value, json};

/// The paths of all commands that do something, such as `config show`.
fn commands(command: &clap::Command, path: &[String], found: &mut Vec<Vec<String>>) {
    let inner: Vec<&clap::Command> = command.get_subcommands().filter(|command| command.get_name() != "help").collect();
    if inner.is_empty() {
        found.push(path.to_vec());
    }
    for command in inner {
        let mut path = path.to_vec();
        path.push(command.get_name().to_owned());
        commands(command, &path, found);
    }
}

fn all_commands() -> Vec<Vec<String>> {
    let mut found = Vec::new();
    commands(&Cli::command(), &[], &mut found);
    assert!(found.len() > 5);
    found
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn both_spellings_are_accepted() {
    let is_taken = |arguments: &[&str]| Cli::command().try_get_matches_from(arguments).is_ok();
    for start in [&["fink", "start"][..], &["fink"]] {
        for name in ["distribution", "distribution_test", "distribution-test"] {
            for option in ["--exit-after", "--exit_after"] {
                assert!(is_taken(&[start, &[name, option, "90"]].concat()), "{start:?} {name} {option}");
                assert!(!is_taken(&[start, &[name, option, "soon"]].concat()), "{start:?} {name} {option}");
            }
        }
        assert!(is_taken(
            &[start, &["distribution", "--from", "earliest", "--until", "2019-11-01T00:00:00Z"]].concat()
        ));
        assert!(!is_taken(&[start, &["distribution", "--from", "yesterday"]].concat()));
        assert!(!is_taken(&[start, &["distribution", "--until", "latest"]].concat()));
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    for path in all_commands() {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let finished = run_without_env(folder.path(), &arguments, &[]);
        assert_eq!(finished.code, 0);
        let example = finished
            .stdout
            .lines()
            .find(|line| line.starts_with("Example"))
            .unwrap_or_else(|| panic!("{path:?} has no example"));
        assert!(example.contains("fink "), "{example}");
    }
}

#[test]
fn every_command_has_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    run_without_env(folder.path(), &["man", "--out", "pages"], &[]).assert_stderr(0, &["wrote the pages"]);
    for path in all_commands() {
        let arguments: Vec<&str> = ["man"].into_iter().chain(path.iter().map(String::as_str)).collect();
        let finished = run_without_env(folder.path(), &arguments, &[]);
        assert_eq!(finished.code, 0, "{finished:?}");
        assert!(finished.stdout.contains(".SH SYNOPSIS"), "{path:?}");
        let hidden = path
            .first()
            .is_some_and(|name| Cli::command().find_subcommand(name).is_some_and(clap::Command::is_hide_set));
        if !hidden {
            let page =
                fs::read_to_string(folder.path().join("pages").join(format!("fink-{}.1", path.join("-")))).unwrap();
            assert_eq!(page, finished.stdout);
        }
    }
    run_without_env(folder.path(), &["man", "config", "frobnicate"], &[]).assert_stderr(2, &["`frobnicate`"]);
}

#[test]
fn completions_are_scripts() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let finished = run_without_env(folder.path(), &["completions", shell], &[]);
        assert_eq!(finished.code, 0, "{finished:?}");
        assert!(finished.stdout.contains("fink") && finished.stdout.len() > 1000, "{shell}");
        if shell == "bash" {
            let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
            bash.stdin.take().unwrap().write_all(finished.stdout.as_bytes()).unwrap();
            assert!(bash.wait().unwrap().success());
        }
    }
}

#[test]
fn wrong_usage_has_code_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["frobnicate"][..],
        &["config", "show", "--format", "xml"],
        &["-v", "-q", "config", "show"],
        &["--set", "x", "show"],
        &[],
    ] {
        let finished = run_without_env(folder.path(), arguments, &[]);
        assert_eq!((finished.code, finished.stdout.as_str()), (2, ""), "{finished:?}");
        assert!(!finished.stderr.is_empty(), "{finished:?}");
    }
}

#[test]
fn quiet_prints_nothing_but_errors() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run_without_env(folder.path(), &["-q", "config", "init"], &[]).stderr, "");
    run_without_env(folder.path(), &["-q", "config", "init"], &[]).assert_stderr(2, &["error: "]);
    assert_eq!(run_without_env(folder.path(), &["config", "init", "--force"], &[("FINK_LOG", "off")]).stderr, "");
    run_without_env(folder.path(), &["-v", "config", "show"], &[("FINK_LOG", "off")])
        .assert_stderr(0, &["DEBUG", "fink.toml"]);
}

/// A process that sleeps, with a locked run file in `folder`/run as a service has; `obeys`: whether a SIGTERM ends it.
fn service(folder: &Path, name: &str, obeys: bool) -> std::process::Child {
    let run = folder.join("run");
    fs::create_dir_all(&run).unwrap();
    let file = run.join(format!("distribution-{name}.json"));
    fs::write(&file, "").unwrap();
    let trap = if obeys { "trap 'rm \"$0\"; exit 0' TERM" } else { "trap '' TERM" };
    let script = format!("exec 9<>\"$0\"; flock 9; {trap}; : >\"$0.ready\"; while :; do sleep 0.05 9>&-; done");
    let child = Command::new("bash").args(["-c", &script]).arg(&file).spawn().unwrap();
    let ready = run.join(format!("distribution-{name}.json.ready"));
    wait_until(|| "the service does not start".to_owned(), || ready.exists().then_some(()));
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let start: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let text = json!({"service": "distribution", "name": name, "pid": child.id(), "process_start": start, "host": host,
        "config": "/etc/fink/fink.toml", "started": 1_572_566_400_000_u64});
    fs::write(&file, text.to_string()).unwrap();
    child
}

#[test]
fn services_are_shown_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    run_without_env(here, &["stop", "distribution"], &[]).assert_stderr(1, &["no distribution is running"]);
    let (mut first, mut second) = (service(here, "first", true), service(here, "second", false));

    let finished = run_without_env(here, &["show", "--format", "json"], &[]);
    let shown: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(shown[0]["name"], "first");
    assert_eq!(shown[0]["pid"], first.id());
    assert_eq!(shown[0]["started"], "2019-11-01T00:00:00Z");
    assert_eq!(shown[1]["name"], "second");

    run_without_env(here, &["stop", "distribution"], &[]).assert_stderr(2, &["first, second", "--name"]);
    run_without_env(here, &["stop", "distribution", "--name", "third"], &[]).assert_stderr(1, &["`third`"]);
    run_without_env(here, &["stop", "distribution", "--name", "second", "--timeout", "200ms"], &[])
        .assert_stderr(1, &["has not stopped after 200ms"]);
    std::thread::scope(|scope| {
        scope.spawn(|| first.wait().unwrap());
        run_without_env(here, &["stop", "distribution", "--name", "first"], &[])
            .assert_stderr(0, &["`first` has stopped"]);
    });

    second.kill().unwrap();
    second.wait().unwrap();
    assert_eq!(run_without_env(here, &["show", "--format", "json"], &[]).stdout.trim(), "[]");
    let left = fs::read_dir(here.join("run")).unwrap();
    assert!(left.flatten().all(|entry| entry.path().extension().is_some_and(|extension| extension == "ready")));
}
