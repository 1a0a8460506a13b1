//! The client against a peer of ours that speaks QMP over a socket pair.

use super::*;

const LONG: Duration = Duration::from_secs(10);
const GREETING_LINE: &str = r#"{"QMP":{"version":{},"capabilities":[]}}"#;

/// The other side of the connection.
struct Peer {
    reader: BufReader<UnixStream>,
}

impl Peer {
    fn send(&mut self, line: &str) {
        let mut stream = self.reader.get_ref();
        stream.write_all(line.as_bytes()).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }

    fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Receives a command and answers `answer` with its id.
    fn serve(&mut self, command: &str, answer: &str) {
        let request = self.receive();
        assert_eq!(request["execute"], command);
        self.send(&format!(r#"{{{answer},"id":{}}}"#, request["id"]));
    }
}

/// Runs `client` against the thread `peer`; the peer greets first.
fn talk(peer: impl FnOnce(&mut Peer) + Send + 'static, client: impl FnOnce(&Client, &Receiver<QmpEvent>)) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let thread = thread::spawn(move || {
        let mut other = Peer {
            reader: BufReader::new(theirs),
        };
        other.send(GREETING_LINE);
        other.serve("qmp_capabilities", r#""return":{}"#);
        peer(&mut other);
    });
    let (connection, events) = Client::connect(ours, LONG).unwrap();
    client(&connection, &events);
    drop(connection);
    thread.join().unwrap();
}

#[test]
fn an_answer_comes_back_and_events_between_are_queued() {
    let peer = |peer: &mut Peer| {
        let stop = r#"{"timestamp":{"seconds":1,"microseconds":2},"event":"STOP"}"#;
        peer.send(stop);
        peer.send(r#"{"event":"RESET","data":{"guest":true}}"#);
        peer.serve("query-status", r#""return":{"status":"running"}"#);
    };
    talk(peer, |client, events| {
        let status = client.execute("query-status", json!({}), LONG).unwrap();
        assert_eq!(status["status"], "running");
        assert_eq!(events.recv_timeout(LONG).unwrap().name, "STOP");
        let reset = events.recv_timeout(LONG).unwrap();
        assert_eq!(reset.data["guest"], true);
    });
}

#[test]
fn answers_out_of_order_find_their_questions() {
    let peer = |peer: &mut Peer| {
        let (one, two) = (peer.receive(), peer.receive());
        for request in [two, one] {
            let (name, id) = (&request["execute"], &request["id"]);
            peer.send(&json!({"return": name, "id": id}).to_string());
        }
    };
    talk(peer, |client, _| {
        thread::scope(|scope| {
            for name in ["one", "two"] {
                scope.spawn(move || {
                    let answer = client.execute(name, json!({}), LONG).unwrap();
                    assert_eq!(answer, name);
                });
            }
        });
    });
}

#[test]
fn a_refusal_carries_qemus_words() {
    let refusal = r#""error":{"class":"GenericError","desc":"no such disk"}"#;
    talk(
        move |peer| peer.serve("eject", refusal),
        |client, _| {
            let error = client.execute("eject", json!({}), LONG).unwrap_err();
            assert_eq!(error.code(), "engine.qmp-refused");
            assert!(error.to_string().contains("no such disk"));
        },
    );
}

#[test]
fn silence_ends_at_the_deadline_and_the_late_answer_disturbs_nobody() {
    let peer = |peer: &mut Peer| {
        let slow = peer.receive();
        let next = peer.receive();
        peer.send(&json!({"return": "late", "id": slow["id"]}).to_string());
        peer.send(&json!({"return": "right", "id": next["id"]}).to_string());
    };
    talk(peer, |client, _| {
        let short = Duration::from_millis(50);
        let error = client.execute("slow", json!({}), short).unwrap_err();
        assert_eq!(error.code(), "engine.qmp-deadline");
        assert_eq!(client.execute("next", json!({}), LONG).unwrap(), "right");
    });
}

#[test]
fn a_hang_up_ends_every_wait_and_the_events() {
    let peer = |peer: &mut Peer| {
        peer.receive();
    };
    talk(peer, |client, events| {
        let error = client.execute("quit", json!({}), LONG).unwrap_err();
        assert_eq!(error.code(), "engine.qmp-closed");
        let ended = events.recv_timeout(LONG).unwrap_err();
        assert_eq!(ended, RecvTimeoutError::Disconnected);
        let error = client.execute("cont", json!({}), LONG).unwrap_err();
        assert_eq!(error.code(), "engine.qmp-closed");
    });
}

#[test]
fn what_is_not_qmp_ends_the_connection() {
    for garbage in ["hello", r#"{"return":{}}"#, r#"{"return":{},"id":"x"}"#, "[]"] {
        talk(
            move |peer| {
                peer.receive();
                peer.send(garbage);
                assert_eq!(peer.reader.read(&mut [0]).unwrap(), 0, "hung up");
            },
            |client, _| {
                let error = client.execute("cont", json!({}), LONG).unwrap_err();
                assert_eq!(error.code(), "engine.qmp-closed", "{garbage}");
            },
        );
    }
}

#[test]
fn an_endless_line_is_not_swallowed() {
    let peer = |peer: &mut Peer| {
        let mut stream = peer.reader.get_ref();
        let piece = [b' '; 64 << 10];
        // The client hangs up in the middle.
        while stream.write_all(&piece).is_ok() {}
    };
    talk(peer, |client, _| {
        let error = client.execute("cont", json!({}), LONG).unwrap_err();
        assert_eq!(error.code(), "engine.qmp-closed");
    });
}

#[test]
fn a_flood_of_events_loses_events_not_answers() {
    let peer = |peer: &mut Peer| {
        for _ in 0..2 * QMP_EVENTS {
            peer.send(r#"{"event":"RTC_CHANGE"}"#);
        }
        peer.serve("query-status", r#""return":{}"#);
    };
    talk(peer, |client, events| {
        client.execute("query-status", json!({}), LONG).unwrap();
        assert_eq!(events.len(), QMP_EVENTS);
    });
}

#[test]
fn a_peer_without_a_greeting_is_given_up() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let error = Client::connect(ours, Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.code(), "engine.qmp-deadline");
}
