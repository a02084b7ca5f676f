//! `fink view`: its page in a real browser, its server, and its drawings. What it computes is compared with fastavro, numpy and astropy.

mod drawings;
mod numbers;
mod page;
mod pictures;
mod server;
mod topics;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::fixture::cluster::python;
use crate::fixture::{Fixture, skip};

/// A server of `fink view`; it ends when this is dropped.
struct Viewer {
    child: Child,
    /// the address of the page
    url: String,
}

impl Viewer {
    fn start(fixture: &Fixture, arguments: &[&str]) -> Self {
        let mut command = fixture.command(&[&["view"], arguments].concat());
        command.env_remove("SSH_CONNECTION").env("FINK_LOG", "warn");
        Self::of(command)
    }

    /// With these variables; what it says on stderr goes to the file `view.log`.
    fn start_with(fixture: &Fixture, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let log = std::fs::File::create(fixture.path("view.log")).expect("the fixture's folder");
        let mut command = fixture.command(&[&["view"], arguments].concat());
        command.env_remove("SSH_CONNECTION").envs(variables.iter().copied()).stderr(log);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the built program");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut url).expect("the address of the page");
        Self { child, url: url.trim().to_owned() }
    }

    /// The address of the server, and the token.
    fn address_and_token(&self) -> (&str, &str) {
        let rest = self.url.strip_prefix("http://").unwrap_or_else(|| panic!("no address: `{}`", self.url));
        rest.trim_end_matches('/').split_once('/').expect("a token")
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A script of tests/python, with its arguments to come.
fn script(name: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name));
    command
}

fn run(mut command: Command) {
    let output = command.output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Looks at a page in the browser; `scenario` is a function of tests/python/view_page.py.
fn look(scenario: &str, url: &str) {
    let mut command = script("view_page.py");
    command.args([scenario, url]);
    command.args(std::env::var_os("FINK_TEST_SCREENSHOTS").map(PathBuf::from).inspect(|folder| {
        std::fs::create_dir_all(folder).expect("the folder of the screenshots");
    }));
    run(command);
}

/// Whether there is a browser; says so where there is none.
fn has_browser() -> bool {
    let found = script("view_page.py").arg("find").status().expect("python").success();
    if !found {
        skip("there is no Chromium: apt-get install chromium");
    }
    found
}

/// Simulated alerts in a folder of the fixture.
fn simulate(fixture: &Fixture, survey: &str, count: &str) -> String {
    let folder = fixture.path(survey).display().to_string();
    fixture.ok(&["simulate", "--survey", survey, "--alerts", count, "--seed", "3", "--out", &folder]);
    folder
}

/// The folders of real alerts that can be read, where `FINK_TEST_ALERTS` names one that holds them. They may be links, which `fink view` does
/// not follow; what is in archives, or needs a schema of its own, is left out.
fn real_alerts(fixture: &Fixture) -> Vec<String> {
    let Some(folder) = std::env::var_os("FINK_TEST_ALERTS") else {
        skip("FINK_TEST_ALERTS does not name a folder of real alerts");
        return Vec::new();
    };
    let entries =
        std::fs::read_dir(folder).expect("the folder of real alerts").map(|entry| entry.expect("an entry").path());
    let all = entries.filter(|path| path.is_dir()).map(|path| std::fs::canonicalize(path).expect("a path"));
    let is_readable = |folder: &String| {
        let finished = fixture.run(&["view", folder, "--terminal"]);
        assert!(finished.code == 0 || finished.stderr.contains("no alert can be read"), "{finished:?}");
        finished.code == 0
    };
    let found: Vec<String> = all.map(|path| path.display().to_string()).filter(is_readable).collect();
    assert!(!found.is_empty(), "no folder of FINK_TEST_ALERTS can be read");
    found
}
