//! The side of `gobag status` and `gobag stop`.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

use super::{LINE_BYTES, Report, Request, SOCKET};

/// How long a session may take for its first answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a session did not answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ControlError {
    /// Nobody listens: the session has ended, or its launcher was killed.
    #[error("nobody answers at {path}", path = .socket.display())]
    Gone {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The connection ended before the last answer.
    #[error("the running session ended without a last word")]
    Lost,
    /// The answer makes no sense.
    #[error("the running session speaks another language; is it an older version?")]
    Language(#[source] serde_json::Error),
}

impl ControlError {
    /// Stable code for scripts.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Gone { .. } => "gobag.session-gone",
            Self::Lost => "gobag.session-lost",
            Self::Language(_) => "gobag.session-language",
        }
    }
}

/// What the session whose folder this is does now.
pub(crate) fn status(folder: &Path) -> Result<Report, ControlError> {
    let mut answers = Answers::ask(folder, Request::Status)?;
    answers.next()?.ok_or(ControlError::Lost)
}

/// Asks the session to end and waits for it, however long it takes; `progress` hears every change. Returns the last
/// report.
pub(crate) fn stop(
    folder: &Path,
    now: bool,
    mut progress: impl FnMut(&Report),
) -> Result<Report, ControlError> {
    let mut answers = Answers::ask(folder, Request::Stop { now })?;
    while let Some(report) = answers.next()? {
        progress(&report);
        if report.state.is_last() {
            return Ok(report);
        }
        // It has answered, so it is alive: from now on it may take its time.
        answers.be_patient(None);
    }
    Err(ControlError::Lost)
}

/// Asks the session to name the state of its volumes. `is_done` is asked of each report; returns the first of which it is so, or the
/// session's last, or `None` if it was not so within `patience`.
pub(crate) fn mark(
    folder: &Path,
    name: &str,
    patience: Duration,
    is_done: impl Fn(&Report) -> bool,
) -> Result<Option<Report>, ControlError> {
    let name = name.to_owned();
    let mut answers = Answers::ask(folder, Request::Mark { name })?;
    answers.be_patient(Some(patience));
    let deadline = std::time::Instant::now() + patience;
    while std::time::Instant::now() < deadline {
        let report = match answers.next() {
            Ok(Some(report)) => report,
            Ok(None) => return Err(ControlError::Lost),
            Err(ControlError::Gone { source, .. }) if is_late(&source) => return Ok(None),
            Err(error) => return Err(error),
        };
        if is_done(&report) || report.state.is_last() {
            return Ok(Some(report));
        }
    }
    Ok(None)
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

struct Answers {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Answers {
    fn ask(folder: &Path, request: Request) -> Result<Self, ControlError> {
        let socket = folder.join(SOCKET);
        let gone = |source| ControlError::Gone {
            socket: socket.clone(),
            source,
        };
        let mut stream = UnixStream::connect(&socket).map_err(gone)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(gone)?;
        let mut line = serde_json::to_vec(&request).map_err(ControlError::Language)?;
        line.push(b'\n');
        stream.write_all(&line).map_err(gone)?;
        Ok(Self {
            stream: BufReader::new(stream),
            socket,
        })
    }

    fn be_patient(&mut self, patience: Option<Duration>) {
        // Cannot fail on an open socket for a time that is not zero.
        let _ = self.stream.get_ref().set_read_timeout(patience);
    }

    fn next(&mut self) -> Result<Option<Report>, ControlError> {
        let mut line = String::new();
        let read = (&mut self.stream).take(LINE_BYTES).read_line(&mut line);
        match read {
            Ok(0) => Ok(None),
            Ok(_) => serde_json::from_str(&line)
                .map(Some)
                .map_err(ControlError::Language),
            Err(source) => Err(ControlError::Gone {
                socket: self.socket.clone(),
                source,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::unbounded;

    use super::{
        super::{Board, Command, Server, SessionState},
        *,
    };

    #[test]
    fn status_tells_the_report_of_the_moment() {
        let folder = tempfile::tempdir().unwrap();
        let (board, (commands, wishes)) = (Board::default(), unbounded());
        let _server = Server::start(folder.path(), &board, commands).unwrap();
        assert_eq!(status(folder.path()).unwrap().state, SessionState::Starting);
        board.update(|report| {
            report.state = SessionState::Running;
            report.user = Some("anna".to_owned());
        });
        let report = status(folder.path()).unwrap();
        assert_eq!(
            (report.state, report.user.as_deref()),
            (SessionState::Running, Some("anna"))
        );
        assert!(wishes.try_recv().is_err(), "asking changes nothing");
    }

    #[test]
    fn stop_hears_every_change_until_the_last_although_the_server_ends_then() {
        let folder = tempfile::tempdir().unwrap();
        let (board, (commands, wishes)) = (Board::default(), unbounded());
        let server = Server::start(folder.path(), &board, commands).unwrap();
        let session = std::thread::spawn(move || {
            let deadline = Duration::from_secs(10);
            assert_eq!(wishes.recv_timeout(deadline), Ok(Command::Stop { now: true }));
            board.update(|report| report.state = SessionState::SafeToRemove);
            drop(server);
        });
        let mut heard = Vec::new();
        let last = stop(folder.path(), true, |report| heard.push(report.state)).unwrap();
        session.join().unwrap();
        assert_eq!(last.state, SessionState::SafeToRemove);
        assert_eq!(heard.last(), Some(&SessionState::SafeToRemove));
    }

    #[test]
    fn a_dead_session_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(status(folder.path()).unwrap_err().code(), "gobag.session-gone");
        // A socket whose launcher was killed.
        drop(std::os::unix::net::UnixListener::bind(folder.path().join(SOCKET)).unwrap());
        assert_eq!(
            stop(folder.path(), false, |_| ()).unwrap_err().code(),
            "gobag.session-gone"
        );
    }

    #[test]
    fn rubbish_and_endless_lines_do_not_disturb_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let (board, (commands, _wishes)) = (Board::default(), unbounded());
        let _server = Server::start(folder.path(), &board, commands).unwrap();
        for rubbish in [&b"hello\n"[..], &[b'x'; 100 << 10]] {
            let mut stream = UnixStream::connect(folder.path().join(SOCKET)).unwrap();
            // It may hang up while we are still writing.
            let _ = stream.write_all(rubbish);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.is_empty());
        }
        assert!(status(folder.path()).is_ok());
    }

    #[test]
    fn a_report_of_a_later_version_is_understood() {
        let line = r#"{"state":"dreaming","pid":7,"mood":"good"}"#;
        let report: Report = serde_json::from_str(line).unwrap();
        assert_eq!((report.state, report.pid), (SessionState::Unknown, 7));
    }
}
