//! From the first byte of a connection to the volume it is about.
//!
//! Whatever a client says here is either answered or ends the connection; every length is checked before a byte of it
//! is taken in.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use super::wire::{
    self, FIXED_NEWSTYLE, GOOD_BLOCK, INFO_BLOCK_SIZE, INFO_EXPORT, INFO_NAME, INIT_MAGIC, MAX_OPTION,
    MAX_TRANSFER, MIN_BLOCK, NO_ZEROES, OPT_ABORT, OPT_EXPORT_NAME, OPT_GO, OPT_INFO, OPT_LIST,
    OPTION_HEADER_LEN, OPTION_MAGIC, REP_ACK, REP_ERR_INVALID, REP_ERR_POLICY, REP_ERR_TOO_BIG,
    REP_ERR_UNKNOWN, REP_ERR_UNSUP, REP_INFO, REP_SERVER,
};
use crate::served::Served;

/// Options one client may name before it chooses; more is not a client.
const MAX_OPTIONS: usize = 64;

/// What a client may choose from, and what it must know.
pub(super) struct Menu {
    pub(super) exports: Vec<Arc<Served>>,
    /// Stands before the name of every export, and lists nothing: whoever does not know it sees nothing.
    pub(super) secret: Option<Secret>,
}

/// The one-time secret of a door that others on this computer can reach.
pub(super) struct Secret(pub(super) String);

impl Menu {
    fn find(&self, name: &str) -> Option<&Arc<Served>> {
        let name = match &self.secret {
            None => name,
            Some(Secret(secret)) => {
                let (given, name) = name.split_once('/')?;
                is_equal(given, secret).then_some(name)?
            }
        };
        self.exports.iter().find(|served| served.name() == name)
    }
}

/// Compares without telling by time how much was right.
fn is_equal(given: &str, secret: &str) -> bool {
    let differences = given
        .bytes()
        .zip(secret.bytes())
        .fold(0, |seen, (a, b)| seen | (a ^ b));
    // The hint keeps the compiler from ending the comparison at the first difference.
    given.len() == secret.len() && std::hint::black_box(differences) == 0
}

/// Speaks with a client until it has chosen; `None` when it went away without.
pub(super) fn shake_hands(stream: &mut (impl Read + Write), menu: &Menu) -> io::Result<Option<Arc<Served>>> {
    let mut greeting = Vec::with_capacity(18);
    greeting.extend_from_slice(&INIT_MAGIC.to_be_bytes());
    greeting.extend_from_slice(&OPTION_MAGIC.to_be_bytes());
    greeting.extend_from_slice(&(FIXED_NEWSTYLE | NO_ZEROES).to_be_bytes());
    stream.write_all(&greeting)?;
    let mut flags = [0; 4];
    stream.read_exact(&mut flags)?;
    let flags = u32::from_be_bytes(flags);
    if flags & u32::from(FIXED_NEWSTYLE) == 0 || flags & !u32::from(FIXED_NEWSTYLE | NO_ZEROES) != 0 {
        return Err(not_the_protocol());
    }
    let no_zeroes = flags & u32::from(NO_ZEROES) != 0;
    for _ in 0..MAX_OPTIONS {
        let mut header = [0; OPTION_HEADER_LEN];
        stream.read_exact(&mut header)?;
        let (option, len) = wire::parse_option(&header).ok_or_else(not_the_protocol)?;
        if len > MAX_OPTION {
            // What follows is too long to be skipped in peace: say why, and end.
            stream.write_all(&wire::option_reply(option, REP_ERR_TOO_BIG, b""))?;
            return Err(not_the_protocol());
        }
        let mut data = vec![0; len as usize];
        stream.read_exact(&mut data)?;
        match option {
            OPT_EXPORT_NAME => {
                // The old way has no word for "no": the connection ends.
                let name = std::str::from_utf8(&data).map_err(|_| not_the_protocol())?;
                let served = menu
                    .find(name)
                    .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
                let mut answer = export(served).to_vec();
                if !no_zeroes {
                    answer.extend_from_slice(&[0; 124]);
                }
                stream.write_all(&answer)?;
                return Ok(Some(Arc::clone(served)));
            }
            OPT_ABORT => {
                stream.write_all(&wire::option_reply(option, REP_ACK, b""))?;
                return Ok(None);
            }
            OPT_LIST => stream.write_all(&list(menu, &data))?,
            OPT_INFO | OPT_GO => {
                let (answer, chosen) = choose(menu, option, &data);
                stream.write_all(&answer)?;
                if let Some(served) = chosen.filter(|_| option == OPT_GO) {
                    return Ok(Some(served));
                }
            }
            _ => stream.write_all(&wire::option_reply(option, REP_ERR_UNSUP, b""))?,
        }
    }
    Err(not_the_protocol())
}

fn list(menu: &Menu, data: &[u8]) -> Vec<u8> {
    if !data.is_empty() {
        return wire::option_reply(OPT_LIST, REP_ERR_INVALID, b"");
    }
    if menu.secret.is_some() {
        return wire::option_reply(OPT_LIST, REP_ERR_POLICY, b"");
    }
    let mut answer = Vec::new();
    for served in &menu.exports {
        let name = served.name().as_bytes();
        let mut entry = (name.len() as u32).to_be_bytes().to_vec();
        entry.extend_from_slice(name);
        answer.extend(wire::option_reply(OPT_LIST, REP_SERVER, &entry));
    }
    answer.extend(wire::option_reply(OPT_LIST, REP_ACK, b""));
    answer
}

fn choose(menu: &Menu, option: u32, data: &[u8]) -> (Vec<u8>, Option<Arc<Served>>) {
    let Some((name, wanted)) = wire::parse_choice(data) else {
        return (wire::option_reply(option, REP_ERR_INVALID, b""), None);
    };
    let Some(served) = menu.find(name) else {
        return (wire::option_reply(option, REP_ERR_UNKNOWN, b""), None);
    };
    let mut answer = Vec::new();
    let mut tell = |kind: u16, data: &[u8]| {
        let info = [&kind.to_be_bytes()[..], data].concat();
        answer.extend(wire::option_reply(option, REP_INFO, &info));
    };
    tell(INFO_EXPORT, &export(served));
    if wanted.contains(&INFO_NAME) {
        tell(INFO_NAME, name.as_bytes());
    }
    // Told to everybody: who does not ask may send what it likes, and we take it.
    let sizes = [MIN_BLOCK, GOOD_BLOCK, MAX_TRANSFER].map(u32::to_be_bytes);
    tell(INFO_BLOCK_SIZE, sizes.as_flattened());
    answer.extend(wire::option_reply(option, REP_ACK, b""));
    (answer, Some(Arc::clone(served)))
}

/// Size and transmission flags.
fn export(served: &Served) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&served.size_bytes().to_be_bytes());
    bytes[8..].copy_from_slice(&wire::export_flags(served.is_read_only()).to_be_bytes());
    bytes
}

fn not_the_protocol() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the client does not speak NBD's fixed newstyle",
    )
}
