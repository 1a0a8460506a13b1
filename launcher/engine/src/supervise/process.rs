//! One QEMU process: started, listened to, reaped.

use std::{
    io::{self, Read},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::net::UnixStream,
    },
    process::{Child, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
};

use super::StartOptions;
use crate::{
    child::{self, Watch},
    guest::Exit,
    limits::{QEMU_END_GRACE, TOOL_STDERR_BYTES},
    machine::{MachineSpec, RuntimePaths, qemu_args},
    runtime::{Recorded, record},
};

/// One QEMU process.
pub(super) struct Process {
    child: Child,
    watch: Arc<Watch>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    /// For [`crate::runtime::end_orphan`]; goes when the process has been reaped.
    _record: Recorded,
}

impl Process {
    /// Starts QEMU; returns our end of its monitor too. The calling thread must outlive the process.
    pub(super) fn start(
        spec: &MachineSpec,
        options: &StartOptions,
        console: Option<BorrowedFd<'_>>,
    ) -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let paths = RuntimePaths {
            folder: options.folder.clone(),
            qmp_fd: theirs.as_raw_fd(),
            console_fd: console.map(|fd| fd.as_raw_fd()),
        };
        let mut keep = vec![theirs.as_fd()];
        keep.extend(console);
        let mut command = child::command(&options.qemu);
        command
            .args(qemu_args(spec, &paths))
            .envs(options.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&options.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = child::spawn(&mut command, &keep)?;
        let watched = Watch::new(&child).and_then(|watch| Ok((watch, record(&options.folder, child.id())?)));
        let (watch, record) = watched.inspect_err(|_| {
            let _ = child.kill();
            let _ = child.wait();
        })?;
        let mut process = Self {
            child,
            watch: Arc::new(watch),
            stderr: None,
            _record: record,
        };
        process.listen_to_stderr();
        Ok((process, ours))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch)
    }

    pub(super) fn kill(&self) {
        self.watch.kill();
    }
    /// Reads QEMU's standard error for ever, so that it never blocks on it, and keeps the beginning.
    fn listen_to_stderr(&mut self) {
        let Some(mut stderr) = self.child.stderr.take() else {
            return;
        };
        let listen = move || {
            let mut kept = Vec::new();
            let mut piece = [0; 4096];
            while let Ok(count) = stderr.read(&mut piece) {
                let room = TOOL_STDERR_BYTES - kept.len();
                kept.extend_from_slice(&piece[..count.min(room)]);
                if count == 0 {
                    break;
                }
            }
            kept
        };
        let thread = thread::Builder::new().name("qemu-stderr".into());
        self.stderr = thread.spawn(listen).ok();
    }

    /// Waits for its end, killing it at once or after a grace, and reaps it.
    pub(super) fn end(mut self, at_once: bool) -> Exit {
        if at_once || !self.watch.has_ended(QEMU_END_GRACE).unwrap_or(false) {
            self.watch.kill_group();
        }
        let status = self.child.wait();
        let stderr = self.stderr.and_then(|thread| thread.join().ok());
        match status {
            Ok(status) => Exit::new(status, &stderr.unwrap_or_default()),
            Err(error) => Exit {
                success: false,
                status: format!("unknown: {error}"),
                stderr: String::new(),
            },
        }
    }
}
