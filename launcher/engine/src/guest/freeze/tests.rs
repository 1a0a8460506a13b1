//! With agents of our own, on a socket in a folder of its own.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// What an agent does about a command: answers, says nothing, or hangs up.
enum Does {
    Answer(Value),
    Nothing,
    HangUp,
}

/// An agent that plays `does`, and notes what it was asked.
struct Played {
    folder: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
    frozen: Arc<AtomicBool>,
}

fn play(does: impl Fn(usize, &str) -> Does + Send + 'static) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(crate::machine::agent_socket(folder.path())).unwrap();
    let (asked, frozen) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let played = Played {
        folder,
        asked: Arc::clone(&asked),
        frozen: Arc::clone(&frozen),
    };
    thread::spawn(move || {
        for (nth, stream) in listener.incoming().enumerate() {
            serve(stream.unwrap(), |command| {
                asked.lock().unwrap().push(command.to_owned());
                let does = does(nth, command);
                match (command, &does) {
                    // Also one that does not answer may have done it.
                    ("guest-fsfreeze-freeze", Does::Nothing | Does::HangUp) => {
                        frozen.store(true, Ordering::SeqCst);
                    }
                    ("guest-fsfreeze-freeze", Does::Answer(answer)) if answer.get("return").is_some() => {
                        frozen.store(true, Ordering::SeqCst);
                    }
                    ("guest-fsfreeze-thaw", Does::Answer(_)) => frozen.store(false, Ordering::SeqCst),
                    _ => {}
                }
                does
            });
        }
    });
    played
}

fn serve(stream: UnixStream, mut does: impl FnMut(&str) -> Does) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
            return;
        }
        let text = line.strip_prefix(&[0xff]).unwrap_or(&line);
        let request: Value = serde_json::from_slice(text).unwrap();
        let command = request["execute"].as_str().unwrap();
        let mut answer = Vec::new();
        let said = match command {
            "guest-sync-delimited" => {
                answer.push(0xff);
                Does::Answer(json!({ "return": request["arguments"]["id"] }))
            }
            command => does(command),
        };
        match said {
            Does::Answer(value) => answer.extend(format!("{value}\n").into_bytes()),
            Does::Nothing => {}
            Does::HangUp => return,
        }
        if reader.get_ref().write_all(&answer).is_err() {
            return;
        }
    }
}

impl Played {
    fn while_frozen(&self, act: impl FnOnce()) -> Result<(), FreezeError> {
        while_frozen(self.folder.path(), act)
    }

    fn wait_until_thawed(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.frozen.load(Ordering::SeqCst) {
            assert!(Instant::now() < deadline, "{:?}", self.asked.lock().unwrap());
            thread::yield_now();
        }
    }
}

fn good(_: usize, _: &str) -> Does {
    Does::Answer(json!({"return": 2}))
}

#[test]
fn it_is_done_between_freeze_and_thaw() {
    let played = play(good);
    let mut was_frozen = None;
    played
        .while_frozen(|| was_frozen = Some(played.frozen.load(Ordering::SeqCst)))
        .unwrap();
    assert_eq!(was_frozen, Some(true));
    // The end waits for the thaw.
    assert!(!played.frozen.load(Ordering::SeqCst));
    assert_eq!(
        *played.asked.lock().unwrap(),
        ["guest-fsfreeze-freeze", "guest-fsfreeze-thaw"]
    );
}

#[test]
fn without_an_agent_it_is_done_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut acted = 0;
    let error = while_frozen(folder.path(), || acted += 1).unwrap_err();
    assert_eq!((error.code(), acted), ("engine.agent-connect", 1));
}

#[test]
fn a_refusal_or_nothing_frozen_is_thawed_and_said() {
    for (answer, code) in [
        (json!({"error": {"desc": "disabled"}}), "engine.agent-refused"),
        (json!({"return": 0}), "engine.freeze-nothing"),
    ] {
        let played = play(move |_, command| match command {
            "guest-fsfreeze-freeze" => Does::Answer(answer.clone()),
            _ => Does::Answer(json!({"return": 0})),
        });
        let mut acted = 0;
        let error = played.while_frozen(|| acted += 1).unwrap_err();
        assert_eq!((error.code(), acted), (code, 1));
        played.wait_until_thawed();
    }
}

#[test]
fn a_guest_goes_on_though_what_is_done_takes_for_ever() {
    let played = play(good);
    // It ends only when the guest goes on.
    let error = played.while_frozen(|| played.wait_until_thawed()).unwrap_err();
    assert_eq!(error.code(), "engine.freeze-too-long");
}

#[test]
fn a_thaw_that_is_lost_is_asked_for_again() {
    let losses: [fn() -> Does; 2] = [|| Does::HangUp, || Does::Nothing];
    for lost in losses {
        let played = play(move |nth, command| match command {
            "guest-fsfreeze-thaw" if nth < 2 => lost(),
            _ => Does::Answer(json!({"return": 1})),
        });
        played.while_frozen(|| ()).unwrap();
        played.wait_until_thawed();
    }
}

#[test]
fn an_agent_that_dies_in_the_freeze_is_thawed_by_the_next_one() {
    let played = play(|nth, command| match (nth, command) {
        (0, "guest-fsfreeze-freeze") => Does::HangUp,
        _ => Does::Answer(json!({"return": 1})),
    });
    let mut acted = 0;
    let error = played.while_frozen(|| acted += 1).unwrap_err();
    assert_eq!((error.code(), acted), ("engine.agent-lost", 1));
    played.wait_until_thawed();
}

#[test]
fn an_agent_that_refuses_both_is_not_asked_for_ever() {
    let socket = |played: &Played| crate::machine::agent_socket(played.folder.path());
    let refuse = |_, _: &str| Does::Answer(json!({"error": {"desc": "disabled"}}));
    let played = play(refuse);
    // It ends.
    insist(&socket(&played), true);
    let error = played.while_frozen(|| ()).unwrap_err();
    assert_eq!(error.code(), "engine.agent-refused");
    for thawed in [Thawed::Some, Thawed::Nothing] {
        assert!(thawed.is_end(true) && thawed.is_end(false));
    }
    assert!(Thawed::Refused.is_end(true) && !Thawed::Refused.is_end(false));
    assert!(!Thawed::Unknown.is_end(true));
}

#[test]
fn file_systems_that_others_thawed_did_not_stand_still() {
    let played = play(|_, command| match command {
        "guest-fsfreeze-thaw" => Does::Answer(json!({"return": 0})),
        _ => Does::Answer(json!({"return": 2})),
    });
    let error = played.while_frozen(|| ()).unwrap_err();
    assert_eq!(error.code(), "engine.freeze-too-long");
}
