//! A line to a server that can be cut.

#![expect(
    clippy::disallowed_methods,
    reason = "the line between launcher and server is the test's own"
)]

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
};

pub(crate) struct Line {
    pub(crate) address: String,
    is_cut: Arc<AtomicBool>,
    ends: Arc<Mutex<Vec<TcpStream>>>,
    accepting: JoinHandle<()>,
}

impl Line {
    pub(crate) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (is_cut, ends) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (over, both, server) = (Arc::clone(&is_cut), Arc::clone(&ends), server.to_owned());
        let accepting = thread::spawn(move || {
            for client in listener.incoming() {
                if over.load(SeqCst) {
                    return;
                }
                carry(client.unwrap(), TcpStream::connect(&server).unwrap(), &both);
            }
        });
        Self {
            address,
            is_cut,
            ends,
            accepting,
        }
    }

    /// Breaks all connections; nobody answers at the address any more.
    pub(crate) fn cut(self) {
        self.is_cut.store(true, SeqCst);
        // For the one who waits for it.
        drop(TcpStream::connect(&self.address));
        self.accepting.join().unwrap();
        for end in self.ends.lock().unwrap().drain(..) {
            // It may have ended already.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn carry(client: TcpStream, server: TcpStream, ends: &Mutex<Vec<TcpStream>>) {
    let both = [(&client, &server), (&server, &client)];
    for (mut from, mut to) in both.map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap())) {
        thread::spawn(move || {
            // However it ends, the other one hears of it.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    ends.lock().unwrap().extend([client, server]);
}
