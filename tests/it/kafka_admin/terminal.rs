//! Prompts on a terminal. `script` of util-linux gives the program one.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::fixture::kafka_cli::KafkaCli;

/// The program on a pseudo terminal.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    shown: String,
}

impl Terminal {
    fn start(cli: &KafkaCli, line: &str) -> Self {
        cli.ok(&["list-topics", "--quiet", "nothing-begins-so"]);
        let config = cli.fixture.path("fink.toml");
        let line = format!("{} --config '{}' kafka {line}", env!("CARGO_BIN_EXE_fink"), config.display());
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script, of util-linux");
        let (keys, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, keys, screen, shown: String::new() }
    }

    /// Waits for words on the screen, then types.
    fn answer(&mut self, words: &str, keys: &str) {
        let mut bytes = [0; 256];
        while !self.shown.contains(words) {
            let count = self.screen.read(&mut bytes).unwrap();
            assert!(count > 0, "no `{words}` in: {}", self.shown);
            self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// The exit code, and all that was on the screen.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = Vec::new();
        self.screen.read_to_end(&mut rest).unwrap();
        drop(self.keys);
        let code = self.child.wait().unwrap().code();
        (code, self.shown + &String::from_utf8_lossy(&rest))
    }
}

#[test]
fn a_password_is_asked_for_twice_and_never_shown() {
    let cli = KafkaCli::new("prompt");
    let name = cli.name("_a");
    let ask = |second: &str| {
        let mut terminal = Terminal::start(&cli, &format!("add-user {name}"));
        terminal.answer("New password of", "typed-by-hand-1\r");
        terminal.answer("The same again", second);
        terminal.end()
    };
    let (code, shown) = ask("something-else\r");
    assert!(code == Some(1) && shown.contains("the two passwords differ"), "{shown}");
    let (code, shown) = ask("\u{3}");
    assert!(code == Some(130) && shown.contains("interrupted"), "{code:?} {shown}");
    let (code, shown) = ask("typed-by-hand-1\r");
    assert!(code == Some(0) && !shown.contains("typed-by-hand"), "{shown}");
    assert!(cli.logs_in(&name, "typed-by-hand-1"));
}

#[test]
fn nothing_is_done_unless_the_answer_is_yes() {
    let cli = KafkaCli::new("consent");
    let user = cli.name("_u");
    let line = format!("grant {user} --consume --topic {} --any-host", cli.name("_t"));
    for no in ["\r", "n\r", "yep\r"] {
        let mut terminal = Terminal::start(&cli, &line);
        terminal.answer("[y/N]", no);
        let (code, shown) = terminal.end();
        assert!(code == Some(1) && shown.contains("nothing was changed"), "{code:?} {shown}");
        assert!(shown.find("may read") < shown.find("[y/N]"), "what is asked for is shown first: {shown}");
        assert!(cli.acls(&user).is_empty());
    }
    let mut terminal = Terminal::start(&cli, &line);
    terminal.answer("[y/N]", "y\r");
    assert_eq!(terminal.end().0, Some(0));
    assert_eq!(cli.acls(&user).len(), 1);
}
