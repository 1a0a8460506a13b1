//! The block socket: what a client says before it has chosen, and requests, against a second reading of the protocol.

use std::sync::{Arc, Mutex};

use gobag_bundle::{Volume, VolumeError};
use gobag_mount::{Export, socket::rehearse};

use crate::fixture::split;

const SIZE: usize = 16 << 10;
const SECRET: &str = "s3cret";
const REQUEST_MAGIC: u32 = 0x2560_9513;
const REPLY_MAGIC: u32 = 0x6744_6698;
const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
const EINVAL: u32 = 22;
/// Longest write that is not nonsense, bytes.
const MAX_WRITE: u32 = 32 << 20;

/// A disk in memory.
struct Memory(Mutex<Vec<u8>>);

impl Memory {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(vec![0; SIZE])))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        work(&mut self.0.lock().expect("nobody panics while holding the disk"))
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
        self.with(|bytes| buffer.copy_from_slice(&bytes[offset..offset + buffer.len()]));
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VolumeError> {
        let offset = offset as usize;
        self.with(|bytes| bytes[offset..offset + data.len()].copy_from_slice(data));
        Ok(())
    }

    fn flush(&self) -> Result<(), VolumeError> {
        Ok(())
    }

    fn trim(&self, offset: u64, len: u64) -> Result<(), VolumeError> {
        self.with(|bytes| bytes[offset as usize..(offset + len) as usize].fill(0));
        Ok(())
    }
}

fn option(kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = OPTION_MAGIC.to_be_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&(data.len() as u32).to_be_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// The client's flags: fixed newstyle, no zeroes.
fn flags() -> Vec<u8> {
    3u32.to_be_bytes().to_vec()
}

/// A flag, then all that a client says; with an odd flag the door has a secret.
pub(super) fn handshake(input: &[u8]) {
    let ([flag], says) = split(input);
    let secret = (flag % 2 == 1).then(|| SECRET.to_owned());
    let is_secret = secret.is_some();
    let exports = vec![
        Export::volume("home", Memory::new()),
        Export::bytes("kernel", vec![7; 64]),
    ];
    let mut hears = Vec::new();
    let chosen = rehearse(exports, secret, says, &mut hears);
    assert!(hears.starts_with(b"NBDMAGICIHAVEOPT"));
    let knows_it = says.windows(SECRET.len() + 1).any(|words| words == b"s3cret/");
    if let Some(name) = &chosen {
        assert!(name == "home" || name == "kernel");
        assert!(
            !is_secret || knows_it,
            "a volume was given to somebody without the secret"
        );
    }
    let has_name = |words: &[u8]| words.windows(4).any(|name| name == b"home");
    // What a client said itself may come back as the number of an option.
    let tells = has_name(&hears) && !has_name(says);
    assert!(
        !is_secret || knows_it || !tells,
        "somebody without the secret learned a name"
    );
}

pub(super) fn handshakes() -> Vec<Vec<u8>> {
    let choice = |name: &[u8]| {
        let mut data = (name.len() as u32).to_be_bytes().to_vec();
        data.extend_from_slice(name);
        data.extend_from_slice(&[0, 2, 0, 1, 0, 3]);
        data
    };
    let say = |flag: u8, words: &[Vec<u8>]| [&[flag], &flags()[..], &words.concat()].concat();
    vec![
        say(
            0,
            &[
                option(3, b""),
                option(6, &choice(b"home")),
                option(7, &choice(b"home")),
            ],
        ),
        say(0, &[option(8, b""), option(1, b"kernel")]),
        say(1, &[option(3, b""), option(7, &choice(b"s3cret/home"))]),
        say(1, &[option(7, &choice(b"wrong!/home")), option(2, b"")]),
    ]
}

/// Requests of a client that has chosen `home`.
pub(super) fn requests(input: &[u8]) {
    let says = [&flags()[..], &option(1, b"home"), input].concat();
    let (disk, mut hears) = (Memory::new(), Vec::new());
    let exports = vec![Export::volume("home", disk.clone())];
    let chosen = rehearse(exports, None, &says[..], &mut hears);
    assert_eq!(chosen.as_deref(), Some("home"));
    let mut model = vec![0; SIZE];
    let expected = answers(input, &mut model);
    // The greeting, the size and the flags come first.
    assert_eq!(hears[28..], expected);
    assert!(
        disk.with(|bytes| *bytes == model),
        "the volume holds something else"
    );
}

/// What a server has to answer, one request after the other; a reading of the protocol of its own.
fn answers(mut says: &[u8], disk: &mut [u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while says.len() >= 28 {
        let (header, rest) = split::<28>(says);
        says = rest;
        let word =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (flags, kind) = (word(4) >> 16, word(4) & 0xffff);
        let offset = (u64::from(word(16)) << 32) | u64::from(word(20));
        let len = word(24);
        if word(0) != REQUEST_MAGIC || kind == 2 {
            break;
        }
        let data = if kind == 1 { len } else { 0 };
        if data > MAX_WRITE || data as usize > says.len() {
            break;
        }
        let (data, rest) = says.split_at(data as usize);
        says = rest;
        // Force-unit-access everywhere; write zeroes may also be told not to make a hole.
        let allowed = if kind == 6 { 3 } else { 1 };
        let known = matches!(kind, 0 | 1 | 3 | 4 | 6) && flags & !allowed == 0;
        let end = offset.checked_add(len.into());
        let inside = end.is_some_and(|end| end <= SIZE as u64);
        let good = known && (kind == 3 || inside);
        out.extend_from_slice(&REPLY_MAGIC.to_be_bytes());
        out.extend_from_slice(&if good { 0 } else { EINVAL }.to_be_bytes());
        out.extend_from_slice(&header[8..16]);
        if !good || kind == 3 {
            continue;
        }
        let range = &mut disk[offset as usize..][..len as usize];
        match kind {
            0 => out.extend_from_slice(range),
            1 => range.copy_from_slice(data),
            _ => range.fill(0),
        }
    }
    out
}

pub(super) fn conversations() -> Vec<Vec<u8>> {
    let request = |flags: u16, kind: u16, offset: u64, len: u32, data: &[u8]| {
        let mut bytes = REQUEST_MAGIC.to_be_bytes().to_vec();
        bytes.extend_from_slice(&flags.to_be_bytes());
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&u64::from(kind).to_be_bytes());
        bytes.extend_from_slice(&offset.to_be_bytes());
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(data);
        bytes
    };
    let all = [
        request(1, 1, 4000, 200, &[5; 200]),
        request(0, 0, 3996, 16, b""),
        request(0, 4, 4100, 50, b""),
        request(3, 6, 4000, 2, b""),
        request(0, 3, 0, 0, b""),
        request(0, 0, SIZE as u64 - 1, 2, b""),
        request(0, 7, 0, 0, b""),
        request(0, 2, 0, 0, b""),
    ];
    vec![all.concat(), all[0].clone(), all[1].clone()]
}
