//! Packs. A pack has 1 MiB of noise, so there is one file, the good one, and `EDITS`: a line for each vector with its
//! name, what is done to the good pack, and what reading the result must say.
//!
//! An edit is a word, a place and perhaps more; a place is a number, or the name of a part and `+` a number.
//!
//! | edit | does |
//! |---|---|
//! | `flip AT` | flips the lowest bit |
//! | `set AT HEX` | writes these bytes |
//! | `fill AT LEN BYTE` | writes this byte so often |
//! | `swap A B LEN` | exchanges two stretches |
//! | `cut LEN`, `grow LEN` | makes the file this long, with zeros at its end |
//! | `seal PART AT HEX` | writes these bytes inside the part's seal and seals it again; the footer knows |
//!
//! Two readers look: IT's, which has the owner key and goes through header, footer and directory, and a stick's, which
//! has the pack's key from the manifest and reads frames. The second says a letter a chunk, `!` for damage.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use gobag_bundle::{
    base::{BaseImage, BaseOptions},
    medium::FileRef,
};
use gobag_format::{
    chunk::{ChunkDecoder, ChunkNamer},
    crypto::{Cipher, Key, TAG_LEN, position_nonce},
    digest::Digest,
    ids::PackId,
    limits::CHUNK_LEN,
    pack::{Directory, FrameAddress, PACK_FOOTER_LEN, PACK_HEADER_LEN, PackCipher, PackError, PackHeader},
};

use super::{
    MOST_MEMORY, blessing,
    image::{Files, GOOD, IMAGE, image_key, owner_key},
    map,
};

const DIRECTORY: u8 = 2;
const FOOTER: u8 = 3;

fn id() -> PackId {
    GOOD.manifest.packs[0].id
}

fn key() -> &'static Key {
    &GOOD.manifest.packs[0].key
}

/// What both readers say.
fn open(bytes: &[u8]) -> String {
    let owner = owner_reads(bytes).unwrap_or_else(|error| error.code().to_owned());
    format!("{owner} / {}", stick_reads(bytes))
}

/// Header, footer, directory, then every frame and the chunk in it.
fn owner_reads(bytes: &[u8]) -> Result<String, PackError> {
    let len = bytes.len() as u64;
    let Some(header) = bytes.first_chunk::<PACK_HEADER_LEN>() else {
        return Ok("shorter than a header".to_owned());
    };
    let header = PackHeader::parse(header, len)?;
    header.expect_id(id())?;
    let cipher = PackCipher::new(header.id(), &header.open_owner_slot(&owner_key())?);
    let directory = directory(&cipher, &header, bytes)?;
    let namer = ChunkNamer::new(GOOD.manifest.chunk_key.clone());
    let mut chunk = vec![0; CHUNK_LEN];
    let damaged = directory.entries().iter().enumerate().filter(|(_, entry)| {
        let at = entry.address.offset();
        let mut frame = bytes[at as usize..entry.address.end() as usize].to_vec();
        let opened = cipher
            .open_frame(at, &mut frame)
            .and_then(|payload| ChunkDecoder::new().decode(payload, &mut chunk));
        opened.is_err() || namer.id(&chunk) != entry.chunk
    });
    let damaged: Vec<String> = damaged.map(|(nth, _)| format!(", frame {nth} damaged")).collect();
    Ok(format!(
        "ok: {} frames{}",
        directory.entries().len(),
        damaged.concat()
    ))
}

fn directory(cipher: &PackCipher, header: &PackHeader, bytes: &[u8]) -> Result<Directory, PackError> {
    let len = bytes.len() as u64;
    // `parse` has seen to it that a header and a footer fit.
    let footer = cipher.open_footer(*bytes.last_chunk::<PACK_FOOTER_LEN>().unwrap(), len)?;
    let at = footer.directory_offset() as usize;
    let mut sealed = bytes[at..at + footer.directory_len()].to_vec();
    cipher.open_directory(&footer, header, &mut sealed)
}

fn stick_reads(bytes: &[u8]) -> String {
    let mut files = Files::default();
    files.0.insert(FileRef::Map(IMAGE, 0), GOOD.maps[0].clone());
    files.0.insert(FileRef::Pack(id()), bytes.to_vec());
    let options = BaseOptions {
        read_ahead_chunks: 0,
        ..BaseOptions::default()
    };
    let manifest = Arc::new(GOOD.manifest.clone());
    map::read(&BaseImage::from_manifest(
        Arc::new(files),
        manifest,
        &image_key(),
        &options,
    ))
}

/// Where the parts of the good pack begin.
fn parts() -> BTreeMap<String, usize> {
    let header = PackHeader::parse(GOOD.pack.first_chunk().unwrap(), GOOD.pack.len() as u64).unwrap();
    let directory = directory(&PackCipher::new(id(), key()), &header, &GOOD.pack).unwrap();
    let addresses = directory.entries().iter().map(|entry| entry.address);
    let frames = addresses
        .clone()
        .enumerate()
        .map(|(nth, frame)| (format!("frame{nth}"), frame.offset() as usize));
    let end = addresses
        .map(|frame: FrameAddress| frame.end() as usize)
        .max()
        .unwrap();
    let rest = [
        ("directory".to_owned(), end),
        ("footer".to_owned(), GOOD.pack.len() - PACK_FOOTER_LEN),
    ];
    frames.chain(rest).collect()
}

/// Carries out the edits, separated by commas.
fn edited(good: &[u8], edits: &str, parts: &BTreeMap<String, usize>) -> Vec<u8> {
    let number = |text: &str| {
        text.parse::<usize>()
            .unwrap_or_else(|_| panic!("`{text}` is no number"))
    };
    let place = |text: &str| match text.split_once('+') {
        Some((part, more)) => parts[part] + number(more),
        None => parts.get(text).copied().unwrap_or_else(|| number(text)),
    };
    let mut bytes = good.to_vec();
    for edit in edits.split(',').map(str::trim).filter(|edit| *edit != "-") {
        let words: Vec<&str> = edit.split_whitespace().collect();
        match words[..] {
            ["flip", at] => bytes[place(at)] ^= 1,
            ["set", at, text] => put(&mut bytes, place(at), &hex(text)),
            ["fill", at, len, byte] => put(&mut bytes, place(at), &vec![hex(byte)[0]; number(len)]),
            ["swap", a, b, len] => {
                let (a, b, len) = (place(a), place(b), number(len));
                let (front, back) = bytes.split_at_mut(b);
                front[a..a + len].swap_with_slice(&mut back[..len]);
            }
            ["cut" | "grow", len] => bytes.resize(number(len), 0),
            ["seal", "footer", at, text] => seal_footer(&mut bytes, number(at), &hex(text)),
            ["seal", "directory", at, text] => {
                seal_part(
                    &mut bytes,
                    DIRECTORY,
                    parts["directory"],
                    parts["footer"],
                    number(at),
                    &hex(text),
                );
                let digest = Digest::of(&bytes[parts["directory"]..parts["footer"]]);
                seal_footer(&mut bytes, 4 + 4 + 4 + 32, &digest.0);
            }
            _ => panic!("`{edit}` is no edit"),
        }
    }
    bytes
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}

fn seal_footer(bytes: &mut [u8], at: usize, new: &[u8]) {
    let end = bytes.len();
    seal_part(bytes, FOOTER, end - PACK_FOOTER_LEN, end, at, new);
}

fn seal_part(bytes: &mut [u8], domain: u8, from: usize, end: usize, at: usize, new: &[u8]) {
    let (cipher, nonce) = (Cipher::gcm(key()), position_nonce(domain, from as u64));
    let aad = [&id().0[..], &(from as u64).to_le_bytes()].concat();
    let mut plain = bytes[from..end].to_vec();
    cipher.open(nonce, &aad, &mut plain).unwrap();
    plain.truncate(end - from - TAG_LEN);
    put(&mut plain, at, new);
    cipher.seal(nonce, &aad, &mut plain, 0);
    bytes[from..end].copy_from_slice(&plain);
}

fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
    pairs
        .map(|pair| byte(pair).unwrap_or_else(|_| panic!("`{text}` is no hexadecimal text")))
        .collect()
}

#[test]
fn packs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/pack");
    if blessing() {
        super::write_vector(&folder.join("good.bin.zst"), &GOOD.pack);
    }
    let packed = fs::read(folder.join("good.bin.zst")).unwrap();
    let good = zstd::bulk::decompress(&packed, 2 << 20).unwrap();
    assert!(good == GOOD.pack, "the good pack differs from what is made");
    let (parts, text) = (parts(), fs::read_to_string(folder.join("EDITS")).unwrap());
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let (mut faults, mut count) = (Vec::new(), 0);
    for line in lines {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, edits, expected] = columns[..] else {
            panic!("`{line}` has not three columns");
        };
        let bytes = edited(&good, edits, &parts);
        assert!(edits == "-" || bytes != good, "{name}: nothing is edited");
        let mut said = String::new();
        let memory = allocation_counter::measure(|| said = open(&bytes));
        if said != expected {
            faults.push(format!("{name}: says `{said}`, not `{expected}`"));
        }
        if memory.bytes_max > MOST_MEMORY {
            faults.push(format!("{name}: took {} bytes of memory", memory.bytes_max));
        }
        count += 1;
    }
    assert!(faults.is_empty(), "packs:\n{}", faults.join("\n"));
    assert!(count > 40, "only {count} vectors");
}
