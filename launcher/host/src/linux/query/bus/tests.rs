//! Against a real bus where one can be started, and against what is none.

use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use gobag_engine::run::Run;

use super::*;

const DAEMON: &str = "/usr/bin/dbus-daemon";

fn is_owned(bus: &Path, name: &str) -> Capture {
    asked_at(bus, async |bus: &Connection| {
        let service = "org.freedesktop.DBus";
        let reply = bus
            .call_method(
                Some(service),
                "/org/freedesktop/DBus",
                Some(service),
                "NameHasOwner",
                &(name,),
            )
            .await?;
        let owned: bool = reply.body().deserialize()?;
        Ok(answer(&Owner { owned }))
    })
}

#[test]
fn p25_no_bus_is_missing_and_one_that_hangs_up_is_a_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("bus");
    assert!(is_owned(&socket, "org.example").is_missing());
    let listener = UnixListener::bind(&socket).expect("bound");
    let refusing = std::thread::spawn(move || drop(listener.accept()));
    let capture = is_owned(&socket, "org.example");
    assert!(
        matches!(capture, Capture::Failed { .. }) && !capture.is_missing(),
        "{capture:?}"
    );
    refusing.join().expect("ended");
}

#[test]
fn a_real_bus_answers() {
    if !Path::new(DAEMON).exists() {
        println!("skipped: no {DAEMON}");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("bus");
    let address = format!("--address=unix:path={}", socket.display());
    let (ready, is_ready) = channel();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut tell = |_: &[u8]| {
                // Said more than once, nobody listens any more.
                let _ = ready.send(());
            };
            let cancel = || done.load(Ordering::Relaxed);
            // Ended by us, so how it ended says nothing.
            let _ = Run::new(Path::new(DAEMON))
                .args(["--session", "--nofork", "--print-address=1", address.as_str()])
                .on_stdout(&mut tell)
                .cancel(&cancel)
                .run();
        });
        let is_ready = is_ready.recv_timeout(Duration::from_secs(20));
        let answers = is_ready.map(|()| {
            [
                is_owned(&socket, "org.freedesktop.DBus"),
                is_owned(&socket, "org.fedoraproject.FirewallD1"),
            ]
        });
        done.store(true, Ordering::Relaxed);
        let owned: Vec<Owner> = answers
            .expect("the bus came up")
            .iter()
            .map(|capture| capture.json().expect("an answer"))
            .collect();
        assert_eq!(owned, [Owner { owned: true }, Owner { owned: false }]);
    });
}
