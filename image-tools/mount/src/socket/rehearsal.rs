//! One client's whole conversation without a socket, a door or a second thread: how fuzzing meets the protocol.

use std::io::{self, Read, Write};
use std::sync::Arc;

use super::{
    handshake::{Menu, Secret, shake_hands},
    transmission::{self, Budget},
};
use crate::{Export, report::Reporter, served::Served};

/// A client that says something and takes in answers.
struct Client<R, W> {
    says: R,
    hears: W,
}

impl<R: Read, W> Read for Client<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.says.read(buffer)
    }
}

impl<R, W: Write> Write for Client<R, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.hears.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hears.flush()
    }
}

/// Answers everything that a client `says`, from the first byte to the last, as a door with these `exports` does. With
/// a `secret` it is a door that others on this computer can reach. Returns the name of the volume that was chosen.
pub fn rehearse(
    exports: Vec<Export>,
    secret: Option<String>,
    says: impl Read,
    hears: impl Write,
) -> Option<String> {
    let served = |export| Arc::new(Served::new(export, Reporter::new(None), None));
    let menu = Menu {
        exports: exports.into_iter().map(served).collect(),
        secret: secret.map(Secret),
    };
    let mut client = Client { says, hears };
    // What went wrong is the client's business; here nobody is left to be told.
    let chosen = shake_hands(&mut client, &menu).ok().flatten()?;
    transmission::serve_alone(&chosen, client.says, client.hears, &Budget::default());
    Some(chosen.name().to_owned())
}
