//! Child processes: the only place of the house that starts one.
//!
//! A command is shown before it runs (`$ …`), unless it only asks a question. Arguments go to the program as they
//! are; there is no shell in between.

#![expect(
    clippy::disallowed_methods,
    reason = "xtask drives the tools of the build; this is its one door to processes and their environment"
)]

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::error::{Error, Result};

/// A program, its arguments and the changes to its environment.
#[derive(Clone, Debug)]
pub(crate) struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
    quiet: bool,
}

impl Cmd {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            envs: Vec::new(),
            dir: None,
            quiet: false,
        }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.envs
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The same command, started by another one that takes it as its last arguments.
    pub(crate) fn inside(mut self, starter: Self) -> Self {
        let program = std::mem::replace(&mut self.program, starter.program);
        let args = std::mem::replace(&mut self.args, starter.args);
        self.args.push(program);
        self.args.extend(args);
        self
    }

    pub(crate) fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Does not show the command line before it runs.
    pub(crate) fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Runs with the terminal's own input and output; a non-zero exit is an error.
    pub(crate) fn run(self) -> Result<()> {
        self.announce();
        let status = self.command().status().map_err(|cause| self.not_started(cause))?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::new(format!("`{}` ended with {status}", self.line())))
        }
    }

    /// Runs, shows standard error and output as they come, and returns both mixed in order of arrival per stream.
    pub(crate) fn tee(self) -> Result<(bool, String)> {
        self.announce();
        let mut child = self
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|cause| self.not_started(cause))?;
        let stdout = child
            .stdout
            .take()
            .map(|pipe| copy_lines(pipe, std::io::stdout()));
        let stderr = child
            .stderr
            .take()
            .map(|pipe| copy_lines(pipe, std::io::stderr()));
        let mut text = String::new();
        for thread in [stdout, stderr].into_iter().flatten() {
            text.push_str(&thread.join().unwrap_or_default());
        }
        let status = child.wait().map_err(|cause| self.not_started(cause))?;
        Ok((status.success(), text))
    }

    /// Runs silently and returns everything, whatever the exit code.
    pub(crate) fn output(self) -> Result<Output> {
        self.command()
            .stdin(Stdio::null())
            .output()
            .map_err(|cause| self.not_started(cause))
    }

    /// Runs silently; whether it went well, and standard error.
    pub(crate) fn captured(self) -> Result<(bool, String)> {
        let output = self.output()?;
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
    }

    /// Runs silently and returns standard output; a non-zero exit is an error that carries standard error.
    pub(crate) fn text(self) -> Result<String> {
        let line = self.line();
        text_of(line, &self.output()?)
    }

    /// [`Cmd::text`] with a file as standard input.
    pub(crate) fn text_from(self, input: &Path) -> Result<String> {
        let unreadable = |cause| Error::because(format!("cannot open {}", input.display()), cause);
        let file = std::fs::File::open(input).map_err(unreadable)?;
        let line = self.line();
        let output = self
            .command()
            .stdin(file)
            .output()
            .map_err(|cause| self.not_started(cause))?;
        text_of(line, &output)
    }

    /// Starts with the given ends and leaves the child to the caller.
    pub(crate) fn spawn(self, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> Result<std::process::Child> {
        self.command()
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .map_err(|cause| self.not_started(cause))
    }

    /// The command as a person would type it (without quoting).
    pub(crate) fn line(&self) -> String {
        let mut words = vec![self.program.to_string_lossy().into_owned()];
        words.extend(self.args.iter().map(|arg| arg.to_string_lossy().into_owned()));
        words.join(" ")
    }

    fn announce(&self) {
        if !self.quiet {
            eprintln!("$ {}", self.line());
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    fn not_started(&self, cause: std::io::Error) -> Error {
        Error::because(format!("cannot run `{}`", self.program.to_string_lossy()), cause)
    }
}

/// Standard output of a command that went well; else an error that carries standard error.
fn text_of(line: String, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::because(
        format!("`{line}` ended with {}", output.status),
        stderr,
    ))
}

fn copy_lines(
    pipe: impl std::io::Read + Send + 'static,
    mut to: impl Write + Send + 'static,
) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(count) if count > 0) {
            // A closed terminal must not stop the child; the collected text is still needed.
            let _ = to.write_all(&line);
            text.push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
        text
    })
}

/// An environment variable of this process, if it is set to something that is text and not empty.
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a program of this name stands on the search path (administrator folders included).
pub(crate) fn on_path(program: &str) -> bool {
    let path = env("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .any(|dir| dir.join(program).is_file())
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    // The owner of /proc/self is the effective user; no library call is needed for that.
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_and_streams_are_told_apart() {
        let output = Cmd::new("sh")
            .args(["-c", "echo out; echo err >&2; exit 3"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(output.stdout, b"out\n");
        assert_eq!(output.stderr, b"err\n");
    }

    #[test]
    fn a_failed_question_carries_standard_error() {
        let error = Cmd::new("sh")
            .args(["-c", "echo broken >&2; exit 1"])
            .text()
            .unwrap_err();
        assert!(error.report().contains("caused by: broken"), "{}", error.report());
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Cmd::new("/nonexistent/tool").output().unwrap_err();
        assert!(error.to_string().contains("/nonexistent/tool"));
        assert!(!on_path("surely-no-such-program"));
        assert!(on_path("sh"));
    }
}
