//! Every source, every refusal; and the dialogue on a real pseudo-terminal.

use clap::Parser;

use super::*;
use crate::args::GlobalArgs;

fn from_bytes(bytes: &[u8]) -> Result<String, &'static str> {
    match read_line(bytes, "here".to_owned()) {
        Ok(passphrase) => Ok(passphrase.expose().to_owned()),
        Err(error) => Err(error.code()),
    }
}

#[test]
fn one_line_is_taken_and_everything_else_refused() {
    let longest = vec![b'x'; MAX_PASSPHRASE_BYTES];
    let too_long = vec![b'x'; MAX_PASSPHRASE_BYTES + 1];
    let endless = vec![b'x'; 1 << 20];
    for (bytes, expected) in [
        (&b"secret"[..], Ok("secret")),
        (b"secret\n", Ok("secret")),
        (b"secret\r\n", Ok("secret")),
        (b" spaces stay \n", Ok(" spaces stay ")),
        ("grün\n".as_bytes(), Ok("grün")),
        (&longest, Ok(std::str::from_utf8(&longest).expect("text"))),
        (
            &[&longest[..], b"\r\n"].concat(),
            Ok(std::str::from_utf8(&longest).expect("text")),
        ),
        (b"", Err("term.passphrase-empty")),
        (b"\n", Err("term.passphrase-empty")),
        (b"secret\n\n", Err("term.passphrase-not-a-line")),
        (b"two\nlines\n", Err("term.passphrase-not-a-line")),
        (b"nul\0", Err("term.passphrase-not-a-line")),
        (b"\xff\xfe", Err("term.passphrase-not-a-line")),
        (&too_long, Err("term.passphrase-too-long")),
        (&[&too_long[..], b"\n"].concat(), Err("term.passphrase-too-long")),
        (&endless, Err("term.passphrase-too-long")),
    ] {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]).into_owned();
        assert_eq!(from_bytes(bytes), expected.map(str::to_owned), "{start:?}");
    }
}

#[test]
fn a_file_is_read_and_a_missing_one_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("phrase");
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .open(&path)
        .expect("made");
    io::Write::write_all(&mut file, b"from a file\n").expect("written");
    let (ui, captured) = Ui::captured(&GlobalArgs::default());
    let passphrase = ui
        .passphrase(&PassphraseSource::File(path), "unused: ")
        .expect("read");
    assert_eq!(passphrase.expose(), "from a file");

    let missing = folder.path().join("missing");
    let error = read_file(&missing).err().expect("refused");
    assert_eq!(error.code(), "term.passphrase-unreadable");
    assert!(error.to_string().contains("missing"), "{error}");
    assert_eq!(captured.stderr(), "");
}

#[test]
fn a_descriptor_is_read() {
    use std::os::fd::AsRawFd;
    let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
    rustix::io::write(&writer, b"from a pipe\n").expect("written");
    drop(writer);
    let number = u32::try_from(reader.as_raw_fd()).expect("positive");
    let passphrase = read_descriptor(number).expect("read");
    assert_eq!(passphrase.expose(), "from a pipe");
}

#[test]
fn a_descriptor_that_is_not_open_is_named() {
    let error = read_descriptor(987_654).err().expect("refused");
    assert_eq!(
        error.to_string(),
        "cannot read the passphrase from file descriptor 987654"
    );
}

#[test]
fn weak_ones_get_a_hint_and_good_ones_none() {
    for (passphrase, hint) in [
        ("", Some("short")),
        ("hunter2", Some("short")),
        ("äöüäöüäöüäöüäö", Some("short")),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", Some("repeats")),
        ("abababABABababABAB", Some("repeats")),
        ("123456789012345678", Some("only digits")),
        ("correct horse battery staple", None),
    ] {
        match (weakness(passphrase), hint) {
            (None, None) => {}
            (Some(said), Some(hint)) => assert!(said.contains(hint), "{passphrase}: {said}"),
            other => panic!("{passphrase}: {other:?}"),
        }
    }
}

#[test]
fn a_weak_new_one_from_a_file_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("phrase");
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .open(&path)
        .expect("made");
    io::Write::write_all(&mut file, b"short\n").expect("written");
    let (ui, captured) = Ui::captured(&GlobalArgs::default());
    ui.new_passphrase(&PassphraseSource::File(path), "unused: ")
        .expect("taken");
    assert!(
        captured.stderr().starts_with("warn this passphrase is short"),
        "{}",
        captured.stderr()
    );
}

#[derive(Debug, clap::Parser)]
struct Program {
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    new: NewPassphraseArgs,
}

#[test]
fn options_choose_the_source() {
    for (line, expected) in [
        (&["p"][..], PassphraseSource::Terminal),
        (
            &["p", "--passphrase-file", "/x"],
            PassphraseSource::File("/x".into()),
        ),
        (&["p", "--passphrase-fd", "3"], PassphraseSource::Descriptor(3)),
    ] {
        let program = Program::try_parse_from(line).expect("accepted");
        assert_eq!(program.passphrase.source(), expected);
        assert_eq!(program.new.source(), PassphraseSource::Terminal);
    }
    for line in [
        &["p", "--passphrase-file", "/x", "--passphrase-fd", "3"][..],
        &["p", "--new-passphrase-file", "/x", "--new-passphrase-fd", "3"],
        &["p", "--passphrase-fd", "-1"],
        &["p", "--passphrase", "secret"],
    ] {
        assert!(Program::try_parse_from(line).is_err(), "{line:?}");
    }
}

mod dialogue {
    //! A person who types: each prompt is awaited before its answer.

    use std::sync::mpsc;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    /// Types `answers` at the prompts of a new passphrase; gives the outcome and what was said.
    fn choose(answers: &[&str]) -> (Result<String, &'static str>, String) {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&person).expect("granted");
        unlockpt(&person).expect("unlocked");
        let name = ptsname(&person, Vec::new()).expect("has a name");
        let tty = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().expect("text"));
        let tty = tty.expect("opened");
        let (ui, captured) = Ui::captured(&GlobalArgs::default());
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let outcome = ui.ask_twice(&tty, "New: ");
            let told = outcome
                .map(|chosen| chosen.expose().to_owned())
                .map_err(|error| error.code());
            // The test may have failed and gone.
            let _ = sender.send(told);
        });
        let mut person = File::from(person);
        for (index, answer) in answers.iter().enumerate() {
            let prompt = if index % 2 == 0 { "New: " } else { "again: " };
            await_text(&mut person, prompt);
            io::Write::write_all(&mut person, format!("{answer}\r").as_bytes()).expect("typed");
        }
        (
            receiver.recv_timeout(DEADLINE).expect("in time"),
            captured.stderr(),
        )
    }

    fn await_text(person: &mut File, end: &str) {
        let mut shown = String::new();
        while !shown.ends_with(end) {
            let timeout = Timespec::try_from(DEADLINE).expect("fits");
            let mut fds = [PollFd::new(person, PollFlags::IN)];
            assert_ne!(
                poll(&mut fds, Some(&timeout)),
                Ok(0),
                "waited for {end:?} after {shown:?}"
            );
            let mut byte = [0];
            person.read_exact(&mut byte).expect("reads");
            shown.push(char::from(byte[0]));
        }
    }

    #[test]
    fn the_same_twice_is_taken() {
        assert_eq!(
            choose(&["good one", "good one"]),
            (Ok("good one".to_owned()), String::new())
        );
    }

    #[test]
    fn a_typing_mistake_may_be_repeated() {
        let (outcome, said) = choose(&["good one", "good onw", "good two", "", "good", "good"]);
        assert_eq!(outcome, Ok("good".to_owned()));
        assert_eq!(said.matches("the two are different").count(), 2);
    }

    #[test]
    fn three_mistakes_are_enough() {
        let (outcome, _) = choose(&["a", "b", "a", "b", "a", "b"]);
        assert_eq!(outcome, Err("term.passphrase-mismatch"));
    }

    #[test]
    fn an_empty_one_is_refused() {
        assert_eq!(choose(&[""]).0, Err("term.passphrase-empty"));
    }
}
