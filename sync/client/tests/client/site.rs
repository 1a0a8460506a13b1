//! Sticks of a server, and a line that can be cut.

#![expect(
    clippy::disallowed_methods,
    reason = "the line between client and server is the test's own"
)]

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use gobag_client::{Client, Identity, Options};
use gobag_format::{
    crypto::{Key, Random},
    sign::SigningKey,
};
use gobag_protocol::{
    enrol::{EnrolRequest, Enrolled},
    ids::{BundleId, LineName, ObjectId, OrgId, RequestId},
    points::NewPoint,
};
use gobag_server::testing::Site;

pub(crate) const BUNDLE: BundleId = BundleId([1; 16]);
pub(crate) const ORG: OrgId = OrgId([3; 16]);

/// Waits of a client are as short as they can be.
pub(crate) struct Least;

impl Random for Least {
    fn fill(&self, out: &mut [u8]) {
        out.fill(0);
    }
}

pub(crate) fn key(number: u8) -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed(&Key::from_bytes([number; 32])))
}

pub(crate) fn nobody(site: &Site) -> Client {
    Client::new(&site.address(), site.ca(), None, Options::default()).unwrap()
}

pub(crate) fn enrolled(site: &Site, number: u8) -> Enrolled {
    let bundle = BundleId([number; 16]);
    let request = EnrolRequest::sign(site.token("acme", bundle), bundle, ORG, &key(number));
    nobody(site).enrol(&request).unwrap()
}

/// Who stick 1 is, enrolled now.
pub(crate) fn identity(site: &Site) -> Identity {
    Identity {
        certificate: enrolled(site, 1).certificate,
        key: key(1),
    }
}

/// Stick 1, enrolled now.
pub(crate) fn stick(site: &Site) -> Client {
    let identity = identity(site);
    Client::new(&site.address(), site.ca(), Some(&identity), Options::default()).unwrap()
}

pub(crate) fn volumes() -> LineName {
    LineName::parse("volumes").unwrap()
}

pub(crate) fn point(generation: u64, adds: &[ObjectId]) -> NewPoint {
    NewPoint {
        all_adds: None,
        all_drops: None,
        request: RequestId([generation as u8; 16]),
        generation,
        after: None,
        complete: true,
        head: gobag_protocol::bytes::Sealed::new(b"sealed".to_vec()).unwrap(),
        adds: gobag_protocol::bounded::Bounded::new(adds.to_vec()).unwrap(),
        drops: Default::default(),
        bookmarks: Default::default(),
    }
}

/// A line to a server. Each direction breaks, with all connections of that moment, when so many bytes have passed; once.
pub(crate) struct Wire {
    pub(crate) address: String,
    up: Arc<AtomicUsize>,
    down: Arc<AtomicUsize>,
    broken: Receiver<()>,
}

impl Wire {
    pub(crate) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (up, down) = (
            Arc::new(AtomicUsize::new(usize::MAX)),
            Arc::new(AtomicUsize::new(usize::MAX)),
        );
        let (broke, broken) = channel();
        let (server, left) = (server.to_owned(), (Arc::clone(&up), Arc::clone(&down)));
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let Ok(server) = TcpStream::connect(&server) else {
                    continue;
                };
                let copies = [
                    (client.try_clone().unwrap(), server.try_clone().unwrap(), &left.0),
                    (server, client, &left.1),
                ];
                for (from, to, left) in copies {
                    let (left, broke) = (Arc::clone(left), broke.clone());
                    thread::spawn(move || carry(from, to, &left, &broke));
                }
            }
        });
        Self {
            address,
            up,
            down,
            broken,
        }
    }

    /// Breaks when the client has sent so many more bytes.
    pub(crate) fn break_up_after(&self, bytes: usize) {
        self.up.store(bytes, SeqCst);
    }

    /// Breaks when the server has answered so many more bytes.
    pub(crate) fn break_down_after(&self, bytes: usize) {
        self.down.store(bytes, SeqCst);
    }

    /// Waits until it broke.
    pub(crate) fn wait_broken(&self) {
        self.broken.recv().unwrap();
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, left: &AtomicUsize, broke: &Sender<()>) {
    let mut buffer = [0; 4096];
    loop {
        let len = from.read(&mut buffer).unwrap_or(0);
        let before = left.load(SeqCst);
        if before != usize::MAX {
            left.store(before.saturating_sub(len), SeqCst);
        }
        if len == 0 || before < len {
            if before < len {
                left.store(usize::MAX, SeqCst);
                let _ = broke.send(());
            }
            for side in [&from, &to] {
                let _ = side.shutdown(Shutdown::Both);
            }
            return;
        }
        if to.write_all(&buffer[..len]).is_err() {
            let _ = from.shutdown(Shutdown::Both);
            return;
        }
    }
}
