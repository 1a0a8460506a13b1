//! The program at a terminal of its own, as a person has it: what it asks there, and what is typed.

use std::{
    ffi::OsStr,
    fs::File,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    process::{Child, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Instant,
};

use rustix::{
    fs::OFlags,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

use crate::program::{Desk, PATIENCE};

/// A terminal with the program in it; the program is killed when this is dropped.
pub(crate) struct Screen {
    keyboard: File,
    shown: Receiver<Vec<u8>>,
    /// Everything that was shown and not yet waited for.
    rest: String,
    child: Child,
}

impl Screen {
    /// Starts the program there.
    pub(crate) fn start(desk: &Desk, args: &[&dyn AsRef<OsStr>]) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let open = || {
            let mut options = File::options();
            let options = options.read(true).write(true);
            options
                .custom_flags(OFlags::NOCTTY.bits().cast_signed())
                .open(&name)
        };
        let mut command = desk.through("setsid", &["--ctty", "--wait"], args);
        let child = command
            .stdin(Stdio::from(open().unwrap()))
            .stdout(Stdio::from(open().unwrap()))
            .stderr(Stdio::from(open().unwrap()))
            .spawn()
            .unwrap();
        let keyboard = File::from(ours);
        let mut screen = keyboard.try_clone().unwrap();
        let (sender, shown) = channel();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            // Ends with an error when nobody has the other side open.
            while let Ok(len @ 1..) = screen.read(&mut piece) {
                if sender.send(piece[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            keyboard,
            shown,
            rest: String::new(),
            child,
        }
    }

    /// What is shown up to and with `text`.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.rest.find(text) {
                let after = self.rest.split_off(at + text.len());
                return std::mem::replace(&mut self.rest, after);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.shown.recv_timeout(left) {
                Ok(piece) => self.rest.push_str(&String::from_utf8_lossy(&piece)),
                Err(error) => panic!("no `{text}` ({error}) in {}", self.rest),
            }
        }
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Its exit code; it must end by itself.
    pub(crate) fn finish(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // One that has ended cannot be killed again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
