//! Volumes at a block socket, and a client of it written from the protocol's document alone.

use std::{
    collections::HashSet,
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::PathBuf,
};

use gobag_mount::{
    Export,
    socket::{Address, BlockSocket, SocketOptions, listen},
};
use tempfile::TempDir;

use super::{Client, PATIENCE};

const SECRET: &str = "5ecre75ecre75ecre75ecre75ecre75e";

const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;
const TRIM: u16 = 4;
const WRITE_ZEROES: u16 = 6;
const FUA: u16 = 1;

pub(super) struct Door {
    socket: BlockSocket,
    path: PathBuf,
    _folder: TempDir,
}

impl Door {
    pub(super) fn open(exports: Vec<Export>, loopback: bool) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("gobag-")
            .tempdir_in("/tmp")
            .unwrap();
        let path = folder.path().join("nbd.sock");
        let address = match loopback {
            true => Address::Loopback {
                secret: SECRET.to_owned(),
            },
            false => Address::Unix(path.clone()),
        };
        Self {
            socket: listen(exports, &address, &SocketOptions::default()).unwrap(),
            path,
            _folder: folder,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the client of a door on this computer")]
    fn connect(&self, name: &str) -> Connection {
        match self.socket.loopback() {
            None => Connection::new(UnixStream::connect(&self.path).unwrap(), name),
            Some(address) => {
                Connection::new(TcpStream::connect(address).unwrap(), &format!("{SECRET}/{name}"))
            }
        }
    }
}

impl super::Door for Door {
    fn target(&self, name: &str) -> String {
        self.socket.uri(name)
    }

    fn client(&self, names: &[&str]) -> Box<dyn Client> {
        // Two connections to each: what one wrote the other sees and flushes.
        let both = |name: &&str| [self.connect(name), self.connect(name)];
        Box::new(Connections {
            volumes: names.iter().map(both).collect(),
            turn: 0,
        })
    }

    fn close(&mut self) {
        self.socket.close(PATIENCE).unwrap();
    }
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

struct Connection {
    stream: Box<dyn Stream>,
    requests: u64,
}

impl Connection {
    fn new(mut stream: impl Stream + 'static, name: &str) -> Self {
        let mut greeting = [0; 18];
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting[..16], b"NBDMAGICIHAVEOPT");
        let mut hello = 3_u32.to_be_bytes().to_vec();
        // GO: the name, and no wish for information.
        hello.extend(b"IHAVEOPT");
        hello.extend(7_u32.to_be_bytes());
        hello.extend((name.len() as u32 + 6).to_be_bytes());
        hello.extend((name.len() as u32).to_be_bytes());
        hello.extend(name.as_bytes());
        hello.extend([0, 0]);
        stream.write_all(&hello).unwrap();
        loop {
            let mut header = [0; 20];
            stream.read_exact(&mut header).unwrap();
            let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
            let mut data = vec![0; number(16) as usize];
            stream.read_exact(&mut data).unwrap();
            match number(12) {
                1 => break,
                3 => {}
                other => panic!("the server said {other:#x}"),
            }
        }
        Self {
            stream: Box::new(stream),
            requests: 0,
        }
    }

    /// Sends a request; its mark.
    fn ask(&mut self, flags: u16, kind: u16, offset: u64, len: u32, data: &[u8]) -> io::Result<u64> {
        self.requests += 1;
        let mut request = 0x2560_9513_u32.to_be_bytes().to_vec();
        request.extend(flags.to_be_bytes());
        request.extend(kind.to_be_bytes());
        request.extend(self.requests.to_be_bytes());
        request.extend(offset.to_be_bytes());
        request.extend(len.to_be_bytes());
        request.extend(data);
        self.stream.write_all(&request)?;
        Ok(self.requests)
    }

    /// The mark of the next answer, which must be a good one.
    fn answer(&mut self) -> io::Result<u64> {
        let mut header = [0; 16];
        self.stream.read_exact(&mut header)?;
        assert_eq!(header[..4], 0x6744_6698_u32.to_be_bytes());
        match u32::from_be_bytes(header[4..8].try_into().unwrap()) {
            0 => Ok(u64::from_be_bytes(header[8..].try_into().unwrap())),
            number => Err(io::Error::from_raw_os_error(number as i32)),
        }
    }

    fn call(&mut self, flags: u16, kind: u16, offset: u64, len: u32, data: &[u8]) -> io::Result<()> {
        let asked = self.ask(flags, kind, offset, len, data)?;
        assert_eq!(self.answer()?, asked);
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A door that has gone is no news.
        let _ = self.ask(0, DISCONNECT, 0, 0, b"");
    }
}

struct Connections {
    volumes: Vec<[Connection; 2]>,
    turn: usize,
}

impl Connections {
    fn next(&mut self, volume: usize) -> &mut Connection {
        self.turn += 1;
        &mut self.volumes[volume][self.turn % 2]
    }
}

impl Client for Connections {
    fn read(&mut self, volume: usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let connection = self.next(volume);
        connection.call(0, READ, offset, buffer.len() as u32, b"")?;
        connection.stream.read_exact(buffer)
    }

    fn write(&mut self, volume: usize, offset: u64, data: &[u8]) -> io::Result<()> {
        self.next(volume).call(0, WRITE, offset, data.len() as u32, data)
    }

    fn write_durably(&mut self, volume: usize, offset: u64, data: &[u8]) -> io::Result<()> {
        self.next(volume)
            .call(FUA, WRITE, offset, data.len() as u32, data)
    }

    fn clear(&mut self, volume: usize, offset: u64, len: u64, trim: bool) -> io::Result<()> {
        let kind = if trim { TRIM } else { WRITE_ZEROES };
        self.next(volume).call(0, kind, offset, len as u32, b"")
    }

    fn flush(&mut self, volume: usize) -> io::Result<()> {
        self.next(volume).call(0, FLUSH, 0, 0, b"")
    }

    fn write_together(&mut self, volume: usize, writes: &[(u64, Vec<u8>)]) -> io::Result<()> {
        let connection = self.next(volume);
        let mut asked = HashSet::new();
        for (offset, data) in writes {
            asked.insert(connection.ask(0, WRITE, *offset, data.len() as u32, data)?);
        }
        let mut failed = None;
        for _ in writes {
            match connection.answer() {
                Ok(mark) => assert!(asked.remove(&mark), "{mark} was answered twice or never asked"),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
