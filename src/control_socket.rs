//! The local socket of a running service: one line of request, one line of response. It is in the directory of the run file, which only the user of
//! the service may enter.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a connection may be silent.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest request or response, bytes.
const MAX_BYTES: u64 = 4 << 20;

/// A socket that a thread listens on until this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    stop: Arc<AtomicBool>,
}

impl ControlSocket {
    /// Listens on `path`, in the place of a former process. `respond` turns a request into the response; several threads call it.
    ///
    /// # Errors
    /// The socket cannot be created: its path is longer than about 100 bytes, for example.
    pub fn listen(path: &Path, respond: impl Fn(&str) -> String + Send + Sync + 'static) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let respond = Arc::new(respond);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let respond = Arc::clone(&respond);
                std::thread::spawn(move || {
                    if let Err(error) = answer(stream, &*respond) {
                        log::debug!("control socket: {error}");
                    }
                });
            }
        });
        Ok(Self { path: path.to_owned(), stop })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread.
        let _ended = UnixStream::connect(&self.path);
        let _gone = fs::remove_file(&self.path);
    }
}

fn answer(stream: UnixStream, respond: &dyn Fn(&str) -> String) -> io::Result<()> {
    let request = read_line(&stream)?;
    let mut response = respond(request.trim());
    response.push('\n');
    (&stream).write_all(response.as_bytes())
}

fn read_line(stream: &UnixStream) -> io::Result<String> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut line = String::new();
    BufReader::new(stream.take(MAX_BYTES)).read_line(&mut line)?;
    match line.ends_with('\n') {
        true => Ok(line),
        false => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other side ended early")),
    }
}

/// Makes a request to the service that listens on `path`, and returns its response.
///
/// # Errors
/// No service listens there, or it does not answer in time.
pub fn request(path: &Path, request: &str) -> io::Result<String> {
    let stream = UnixStream::connect(path)?;
    (&stream).write_all(format!("{request}\n").as_bytes())?;
    let mut response = read_line(&stream)?;
    response.truncate(response.trim_end().len());
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_until_the_socket_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        fs::write(&path, "left by a process that was killed").unwrap();
        let socket = ControlSocket::listen(&path, |request| format!("<{request}>")).unwrap();
        assert_eq!(request(&path, "status").unwrap(), "<status>");
        assert_eq!(request(&path, "").unwrap(), "<>");
        drop(socket);
        assert!(request(&path, "status").is_err() && !path.exists());
    }
}
