//! The socket as clients meet it; what real clients say is in `tests/it/doors.rs`.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gobag_bundle::{Volume, VolumeError};

use super::*;
use crate::Export;

const SIZE: usize = 8 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// A disk in memory that counts its flushes.
struct Memory {
    bytes: Mutex<Vec<u8>>,
    flushes: AtomicUsize,
    /// Bytes of the longest write.
    longest: AtomicUsize,
    is_gone: AtomicBool,
}

impl Memory {
    fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self {
            bytes: Mutex::new(vec![0; SIZE]),
            flushes: AtomicUsize::new(0),
            longest: AtomicUsize::new(0),
            is_gone: AtomicBool::new(false),
        })
    }
}

impl Volume for Memory {
    fn size_bytes(&self) -> u64 {
        SIZE as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        let offset = offset as usize;
        buffer.copy_from_slice(&self.bytes.lock().unwrap()[offset..offset + buffer.len()]);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VolumeError> {
        if data.starts_with(b"full") {
            return Err(VolumeError::Full);
        }
        self.longest.fetch_max(data.len(), Ordering::SeqCst);
        if self.is_gone.load(Ordering::SeqCst) {
            return Err(VolumeError::Medium(std::io::ErrorKind::NotConnected.into()));
        }
        let offset = offset as usize;
        self.bytes.lock().unwrap()[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn flush(&self) -> Result<(), VolumeError> {
        if self.is_gone.load(Ordering::SeqCst) {
            return Err(VolumeError::Medium(std::io::ErrorKind::NotConnected.into()));
        }
        self.flushes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn trim(&self, offset: u64, len: u64) -> Result<(), VolumeError> {
        self.bytes.lock().unwrap()[offset as usize..(offset + len) as usize].fill(0);
        Ok(())
    }
}

struct Scene {
    memory: std::sync::Arc<Memory>,
    door: Option<BlockSocket>,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self::with(&SocketOptions::default())
    }

    fn with(options: &SocketOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new();
        let exports = vec![Export::volume("home", memory.clone())];
        let address = Address::Unix(folder.path().join("socket"));
        let door = listen(exports, &address, options).unwrap();
        Self {
            memory,
            door: Some(door),
            folder,
        }
    }

    /// A connection that has answered the greeting.
    fn connect(&self) -> UnixStream {
        let mut stream = UnixStream::connect(self.folder.path().join("socket")).unwrap();
        let mut greeting = [0; 18];
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting[..16], b"NBDMAGICIHAVEOPT");
        stream.write_all(&3_u32.to_be_bytes()).unwrap();
        stream
    }

    /// A connection to the volume, chosen the old way.
    fn client(&self) -> UnixStream {
        let mut stream = self.connect();
        option(&mut stream, 1, b"home");
        let mut export = [0; 10];
        stream.read_exact(&mut export).unwrap();
        assert_eq!(export[..8], (SIZE as u64).to_be_bytes());
        stream
    }
}

fn option(stream: &mut UnixStream, kind: u32, data: &[u8]) {
    let header = [
        b"IHAVEOPT",
        &kind.to_be_bytes()[..],
        &(data.len() as u32).to_be_bytes(),
    ]
    .concat();
    stream.write_all(&[&header, data].concat()).unwrap();
}

/// The kind and the data of the next answer to an option.
fn answer(stream: &mut UnixStream) -> (u32, Vec<u8>) {
    let mut header = [0; 20];
    stream.read_exact(&mut header).unwrap();
    let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
    let mut data = vec![0; number(16) as usize];
    stream.read_exact(&mut data).unwrap();
    (number(12), data)
}

fn ask(stream: &mut UnixStream, flags: u16, kind: u16, offset: u64, len: u32, data: &[u8]) {
    let mut bytes = 0x2560_9513_u32.to_be_bytes().to_vec();
    bytes.extend_from_slice(&flags.to_be_bytes());
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&offset.to_be_bytes());
    bytes.extend_from_slice(&offset.to_be_bytes());
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(data);
    stream.write_all(&bytes).unwrap();
}

/// The error number of the next answer, and its mark.
fn error(stream: &mut UnixStream) -> (u32, u64) {
    let mut header = [0; 16];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[..4], 0x6744_6698_u32.to_be_bytes());
    let number = u32::from_be_bytes(header[4..8].try_into().unwrap());
    (number, u64::from_be_bytes(header[8..].try_into().unwrap()))
}

#[test]
fn what_is_written_is_read_and_flushed_when_asked() {
    let scene = Scene::new();
    let mut client = scene.client();
    ask(&mut client, 1, 1, 100, 5, b"hello");
    assert_eq!(error(&mut client), (0, 100));
    assert_eq!(scene.memory.flushes.load(Ordering::SeqCst), 1, "FUA");
    ask(&mut client, 0, 0, 99, 7, b"");
    assert_eq!(error(&mut client), (0, 99));
    let mut read = [0; 7];
    client.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"\0hello\0");
    ask(&mut client, 0, 6, 102, 2, b"");
    assert_eq!(error(&mut client), (0, 102));
    ask(&mut client, 0, 3, 0, 0, b"");
    assert_eq!(error(&mut client), (0, 0));
    assert_eq!(scene.memory.flushes.load(Ordering::SeqCst), 2);
    assert_eq!(&scene.memory.bytes.lock().unwrap()[100..105], b"he\0\0o");
}

#[test]
fn a_request_that_cannot_be_done_is_answered_and_the_next_one_too() {
    let scene = Scene::new();
    let mut client = scene.client();
    let size = SIZE as u64;
    for (kind, offset, len) in [
        (0, size, 1),
        (0, u64::MAX, 2),
        (4, size - 1, 2),
        (5, 0, 1),
        (9, 0, 0),
    ] {
        ask(&mut client, 0, kind, offset, len, b"");
        assert_eq!(error(&mut client).0, 22, "{kind} {offset}");
    }
    ask(&mut client, 0, 1, size - 1, 2, b"xx");
    assert_eq!(error(&mut client).0, 22, "a write beyond the end");
    ask(&mut client, 0, 1, 0, 4, b"full");
    assert_eq!(error(&mut client).0, 28, "a full stick pauses the guest");
    ask(&mut client, 0, 1, 0, 4, b"fine");
    assert_eq!(error(&mut client).0, 0);
}

#[test]
fn an_export_is_listed_described_and_chosen() {
    let scene = Scene::new();
    let mut client = scene.connect();
    option(&mut client, 3, b"");
    assert_eq!(answer(&mut client), (2, b"\0\0\0\x04home".to_vec()));
    assert_eq!(answer(&mut client), (1, Vec::new()));
    option(&mut client, 8, b"");
    assert_eq!(
        answer(&mut client).0,
        (1 << 31) | 1,
        "structured replies are not offered"
    );
    option(&mut client, 6, b"\0\0\0\x05wrong\0\0");
    assert_eq!(answer(&mut client).0, (1 << 31) | 6);
    option(&mut client, 6, b"\0\0\0\xffhome\0\0");
    assert_eq!(answer(&mut client).0, (1 << 31) | 3);
    option(&mut client, 7, b"\0\0\0\x04home\0\0");
    let (kind, export) = answer(&mut client);
    assert_eq!((kind, export.len()), (3, 12));
    assert_eq!(answer(&mut client).1[..2], [0, 3], "block sizes");
    assert_eq!(answer(&mut client).0, 1);
    ask(&mut client, 0, 3, 0, 0, b"");
    assert_eq!(error(&mut client).0, 0, "the transmission has begun");
}

#[test]
fn nonsense_ends_the_connection_and_nothing_else() {
    let scene = Scene::new();
    let ended = |stream: &mut UnixStream| stream.read_to_end(&mut Vec::new()).is_ok();
    let mut unknown = scene.connect();
    option(&mut unknown, 1, b"wrong");
    assert!(ended(&mut unknown));
    let mut endless = scene.connect();
    endless
        .write_all(&[&b"IHAVEOPT"[..], &7_u32.to_be_bytes(), &u32::MAX.to_be_bytes()].concat())
        .unwrap();
    assert!(ended(&mut endless));
    let mut huge = scene.client();
    ask(&mut huge, 0, 1, 0, u32::MAX, b"");
    assert!(ended(&mut huge));
    let mut other = scene.client();
    other
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    assert!(ended(&mut other));
    ask(&mut scene.client(), 0, 2, 0, 0, b"");
    let mut client = scene.client();
    ask(&mut client, 0, 3, 0, 0, b"");
    assert_eq!(error(&mut client).0, 0);
}

#[test]
fn closing_waits_for_clients_and_makes_their_writes_durable() {
    let mut scene = Scene::new();
    let mut client = scene.client();
    ask(&mut client, 0, 1, 0, 4, b"last");
    assert_eq!(error(&mut client).0, 0);
    let mut door = scene.door.take().unwrap();
    let busy = door.close(Duration::ZERO).unwrap_err();
    assert_eq!(busy.code(), "socket.busy");
    let me = format!("(process {}) in home", std::process::id());
    assert!(busy.to_string().contains(&me), "{busy}");
    ask(&mut client, 0, 0, 0, 4, b"");
    assert_eq!(error(&mut client).0, 0, "a busy door stays open");
    client.read_exact(&mut [0; 4]).unwrap();
    let flushes = scene.memory.flushes.load(Ordering::SeqCst);
    let idle = scene.connect();
    drop(client);
    door.close(PATIENCE).unwrap();
    assert!(scene.memory.flushes.load(Ordering::SeqCst) > flushes);
    assert!(UnixStream::connect(scene.folder.path().join("socket")).is_err());
    assert_eq!(
        (&idle).read(&mut [0]).unwrap(),
        0,
        "who was choosing is sent away"
    );
    door.close(Duration::ZERO).unwrap();
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the client of a door on this computer's own network"
)]
fn a_loopback_door_opens_only_to_the_secret() {
    let memory = Memory::new();
    let exports = || vec![Export::volume("home", memory.clone())];
    let open = |secret: &str| {
        let address = Address::Loopback {
            secret: secret.to_owned(),
        };
        assert!(!format!("{address:?}").contains(secret));
        listen(exports(), &address, &SocketOptions::default())
    };
    assert_eq!(
        open("short").err().map(|error| error.code()),
        Some("socket.secret")
    );
    let secret = "0123456789abcdef0123456789abcdef";
    let door = open(secret).unwrap();
    assert_eq!(
        door.uri("home"),
        format!("nbd://{}/{secret}/home", door.loopback().unwrap())
    );
    let choose = |name: &str| {
        let mut stream = std::net::TcpStream::connect(door.loopback().unwrap()).unwrap();
        stream.read_exact(&mut [0; 18]).unwrap();
        let data = [&(name.len() as u32).to_be_bytes()[..], name.as_bytes(), &[0, 0]].concat();
        let option = [
            b"IHAVEOPT",
            &6_u32.to_be_bytes()[..],
            &(data.len() as u32).to_be_bytes(),
            &data,
        ]
        .concat();
        stream
            .write_all(&[&3_u32.to_be_bytes()[..], &option].concat())
            .unwrap();
        let mut header = [0; 20];
        stream.read_exact(&mut header).unwrap();
        u32::from_be_bytes(header[12..16].try_into().unwrap())
    };
    assert_eq!(choose(&format!("{secret}/home")), 3);
    for wrong in [
        "home",
        "/home",
        &format!("{}/home", "f".repeat(32)),
        &secret[1..],
        secret,
    ] {
        assert_eq!(choose(wrong), (1 << 31) | 6, "{wrong}");
    }
}

#[test]
fn a_long_write_comes_in_pieces_and_a_long_read_leaves_as_one() {
    let scene = Scene::new();
    let mut client = scene.client();
    let data: Vec<u8> = (0..5_000_001_u32).map(|at| ((at * 7) >> 3) as u8).collect();
    ask(&mut client, 1, 1, 1234, data.len() as u32, &data);
    assert_eq!(error(&mut client), (0, 1234));
    assert_eq!(scene.memory.flushes.load(Ordering::SeqCst), 1, "FUA");
    assert_eq!(scene.memory.longest.load(Ordering::SeqCst), 1 << 20);
    ask(&mut client, 0, 0, 1234, data.len() as u32, b"");
    assert_eq!(error(&mut client).0, 0);
    let mut read = vec![0; data.len()];
    client.read_exact(&mut read).unwrap();
    assert!(read == data);
    ask(
        &mut client,
        0,
        1,
        SIZE as u64 - 4_999_999,
        data.len() as u32,
        &data,
    );
    assert_eq!(
        error(&mut client).0,
        22,
        "beyond the end, and the next request is found"
    );
    ask(&mut client, 0, 3, 0, 0, b"");
    assert_eq!(error(&mut client).0, 0);
}

#[test]
fn those_who_say_nothing_make_room_for_those_who_do() {
    let scene = Scene::new();
    let silent: Vec<UnixStream> = (0..100)
        .map(|_| UnixStream::connect(scene.folder.path().join("socket")).unwrap())
        .collect();
    let mut client = scene.client();
    ask(&mut client, 0, 3, 0, 0, b"");
    assert_eq!(error(&mut client).0, 0);
    drop(silent);
}

#[test]
fn more_clients_than_there_are_places_are_sent_away_and_the_others_go_on() {
    let scene = Scene::new();
    let mut served: Vec<UnixStream> = (0..16).map(|_| scene.client()).collect();
    for client in &mut served {
        ask(client, 0, 3, 0, 0, b"");
        assert_eq!(error(client).0, 0);
    }
    let mut late = scene.client();
    assert_eq!(late.read(&mut [0]).unwrap(), 0);
    ask(&mut served[0], 0, 3, 0, 0, b"");
    assert_eq!(error(&mut served[0]).0, 0);
}

fn until_held(hold: &crate::Hold) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while hold.held() == 0 {
        assert!(std::time::Instant::now() < deadline, "the request is not held");
        std::thread::yield_now();
    }
}

#[test]
fn a_held_request_is_waited_for_and_done_when_the_stick_is_back() {
    let hold = std::sync::Arc::new(crate::Hold::default());
    let mut scene = Scene::with(&SocketOptions {
        hold: Some(hold.clone()),
        on_error: None,
    });
    let mut client = scene.client();
    scene.memory.is_gone.store(true, Ordering::SeqCst);
    ask(&mut client, 0, 1, 0, 4, b"last");
    until_held(&hold);
    let mut door = scene.door.take().unwrap();
    assert_eq!(door.close(Duration::ZERO).unwrap_err().code(), "socket.flush");
    // The client leaves without waiting for its answer.
    drop(client);
    scene.memory.is_gone.store(false, Ordering::SeqCst);
    assert_eq!(door.close(Duration::ZERO).unwrap_err().code(), "socket.stuck");
    hold.release();
    door.close(PATIENCE).unwrap();
    assert_eq!(&scene.memory.bytes.lock().unwrap()[..4], b"last");
}

#[test]
fn a_door_dropped_while_a_request_is_held_does_not_wait_for_the_stick() {
    let hold = std::sync::Arc::new(crate::Hold::default());
    let mut scene = Scene::with(&SocketOptions {
        hold: Some(hold.clone()),
        on_error: None,
    });
    let mut client = scene.client();
    scene.memory.is_gone.store(true, Ordering::SeqCst);
    ask(&mut client, 0, 1, 0, 4, b"last");
    until_held(&hold);
    drop(scene.door.take());
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the client is sent away");
    hold.give_up();
}
