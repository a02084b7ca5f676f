//! The service on a terminal of 80 columns. `script` of util-linux gives the program one.

use std::fs::File;
use std::io::Write as _;
use std::process::{ChildStdin, Command, Stdio};

use super::operation::behind_proxy;
use crate::fixture::{Fixture, Running, wait_until};

const COLUMNS: usize = 80;

/// A program on a terminal; its log is what the terminal was sent.
struct Terminal {
    running: Running,
    keys: ChildStdin,
}

impl Terminal {
    /// Starts `fink` with these arguments. The settings of the terminal before and after that go to the files `before` and `after`.
    fn start(fixture: &Fixture, arguments: &str, log: &str) -> Self {
        // Writes the configuration.
        fixture.command(&[]);
        let config = fixture.path("fink.toml");
        let line = format!(
            "trap : INT; stty rows 24 cols {COLUMNS}; stty -g > before; '{}' --config '{}' {arguments}; code=$?; stty -g > after; exit $code",
            env!("CARGO_BIN_EXE_fink"),
            config.display()
        );
        let screen = File::create(fixture.path(log)).expect("the fixture's folder");
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"])
            .current_dir(fixture.folder.path())
            .env("FINK_RUN_DIR", fixture.path("run"))
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(screen)
            .spawn()
            .expect("script, of util-linux");
        let keys = child.stdin.take().expect("a pipe");
        Self { running: Running::from_child(child, fixture.path(log)), keys }
    }

    /// Types Ctrl-C. Returns the exit code, and what the terminal was sent.
    fn interrupt(mut self) -> (i32, String) {
        self.keys.write_all(b"\x03").expect("a terminal");
        self.running.wait()
    }
}

/// What the terminal was sent, without colors: the lines that stay on it, and the versions of the line that is cleared and written again.
fn lines_and_versions(sent: &str) -> (Vec<String>, Vec<String>) {
    const CLEARED: char = '\x07';
    let text = sent.replace("\r\n", "\n").replace("\r\x1b[2K", &CLEARED.to_string());
    let mut parts = text.split('\x1b');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (color, rest) = part.split_once('m').unwrap_or_else(|| panic!("an unknown sequence: {part:?}"));
        assert!(color.starts_with('[') && color[1..].chars().all(|c| c.is_ascii_digit() || c == ';'), "{part:?}");
        plain.push_str(rest);
    }
    let (mut lines, mut versions, mut line) = (Vec::new(), Vec::new(), String::new());
    for letter in plain.chars() {
        match letter {
            '\n' => lines.push(std::mem::take(&mut line)),
            CLEARED => versions.push(std::mem::take(&mut line)),
            '\r' => panic!("the line is written over: {line:?}"),
            letter => line.push(letter),
        }
    }
    lines.push(line);
    (lines, versions)
}

/// The lag in the newest version of the status line, seconds.
fn lag(sent: &str) -> f64 {
    let lag = sent.rsplit(", lag ").next().and_then(|rest| rest.split(" s").next());
    lag.and_then(|lag| lag.parse().ok()).unwrap_or(0.0)
}

#[test]
fn the_status_line_fits_the_terminal_goes_on_in_an_outage_and_leaves_nothing_behind() {
    let (mut table, proxy) = behind_proxy("tty");
    let long = "a_stream_whose_name_alone_takes_a_good_part_of_a_line_of_eighty_columns";
    let stream = format!("[[stream]]\nname = \"{long}\"\ntopic = \"{}_long\"\n", table.fixture.name);
    table.fixture.config.push_str(&stream);
    table.put(0..20, None);
    let terminal = Terminal::start(&table.fixture, "start distribution --from earliest", "screen");
    let running = &terminal.running;
    running.wait_for("20 alerts, 40 sent");
    table.fixture.ok(&["pause", long]);
    running.wait_for("40 sent, 1 paused");

    let watch = Terminal::start(&table.fixture, "status --watch --every 1s", "watch");
    watch.running.wait_for("paused since 20");
    let (code, watched) = watch.interrupt();
    assert_eq!(code, 0, "{watched}");
    for line in watched.replace("\x1b[H\x1b[2J", "").lines() {
        assert!(line.chars().count() <= COLUMNS, "{line:?}");
    }

    proxy.refuse(true);
    proxy.disconnect_all();
    running.wait_for("; trying again until it answers");
    wait_until(|| format!("the lag stands still: {}", running.log()), || (lag(&running.log()) > 3.0).then_some(()));
    proxy.refuse(false);
    running.wait_for("the science database answers again, after");

    let pid = serde_json::from_str::<serde_json::Value>(&table.fixture.ok(&["status", "--format", "json"]).stdout);
    let pid = pid.expect("JSON")["pid"].as_i64().and_then(|pid| rustix::process::Pid::from_raw(pid as i32));
    rustix::process::kill_process(pid.expect("a process"), rustix::process::Signal::HUP).expect("a process");
    running.wait_for("SIGHUP: reading the configuration again");
    running.wait_for("the new configuration is in force");
    table.put(20..30, None);
    running.wait_for("10 alerts, 10 sent, 1 paused");

    let (code, sent) = terminal.interrupt();
    assert_eq!(code, 130, "{sent}");
    let settings = |name: &str| std::fs::read_to_string(table.fixture.path(name)).expect("settings of the terminal");
    assert_eq!(settings("before"), settings("after"));
    let (lines, versions) = lines_and_versions(&sent);
    let is_status = |line: &String| line.starts_with(|first: char| ('\u{2800}'..='\u{28ff}').contains(&first));
    assert!(!lines.iter().any(is_status), "{lines:#?}");
    assert!(versions.len() > 20, "{versions:#?}");
    for version in versions {
        assert!(version.chars().count() <= COLUMNS, "{version:?}");
    }
}
