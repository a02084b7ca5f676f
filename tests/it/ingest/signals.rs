//! SIGTERM, whatever has become of stderr and stdin.

use std::io::{PipeReader, Write};
use std::process::{Command, Stdio};

use super::schemas::text;
use super::topics::Stream;
use crate::fixture::Running;
use crate::fixture::wait_until;

/// A stderr of the program.
#[derive(Clone, Copy, Debug)]
enum Stderr {
    /// a pipe that is full and is not read
    Full,
    /// a pipe without a reader
    Closed,
}

/// Starts the program with it, and with a closed stdin. What is returned keeps the pipe open.
fn start(command: &Command, stderr: Stderr, stream: &Stream) -> (Running, Option<PipeReader>) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let reader = match stderr {
        Stderr::Full => {
            writer.write_all(&vec![b'\n'; rustix::pipe::fcntl_getpipe_size(&writer).unwrap()]).unwrap();
            Some(reader)
        }
        Stderr::Closed => None,
    };
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" <&-"]).arg(command.get_program()).args(command.get_args());
    shell.current_dir(stream.fixture.folder.path());
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    shell.envs(variables).stdout(Stdio::null()).stderr(writer);
    (Running::from_child(shell.spawn().unwrap(), stream.fixture.path("none")), reader)
}

/// Every alert is logged by librdkafka and by fink, at this verbosity.
#[test]
fn the_first_sigterm_ends_a_load_whose_stderr_nobody_reads() {
    let stream = Stream::new("stderr", 1);
    let schema = r#"{"type": "record", "name": "a", "fields": [{"name": "id", "type": "string"}, {"name": "name", "type": "string"}]}"#;
    std::fs::write(stream.fixture.path("a.avsc"), schema).unwrap();
    let mut sent = 0;
    for stderr in [Stderr::Full, Stderr::Closed] {
        for is_idle in [true, false] {
            let count = if is_idle { 20 } else { 3000 };
            let alerts: Vec<Vec<u8>> =
                (sent..sent + count).map(|id: i64| [text(&id.to_string()), text("x")].concat()).collect();
            sent += count;
            stream.send(&alerts);
            let arguments = ["-vv", "--schema", "a.avsc", "--row-key", "id", "--rate", "200"];
            let command = stream.fixture.command(&stream.arguments(&arguments));
            let before = stream.keys().len();
            let (running, pipe) = start(&command, stderr, &stream);
            let wanted = before + if is_idle { 20 } else { 100 };
            let state = || format!("{stderr:?}, idle: {is_idle}: fewer than {wanted} rows");
            wait_until(state, || (stream.keys().len() >= wanted).then_some(()));
            running.terminate();
            drop(pipe);
        }
    }
    // What was not written then is loaded now.
    stream.load(&["--schema", "a.avsc", "--row-key", "id"]);
    assert_eq!(stream.keys().len() as i64, sent);
}
