//! The reader against archives of other programs, the writer against other readers, and both against each other.

use std::{io::Read, path::Path};

use proptest::prelude::*;

use super::*;
use crate::{
    entry::{Entry, EntryStream, Kind, Meta, ReadError, Timestamp},
    path::ImagePath,
};

fn stream(bytes: &[u8]) -> TarStream<&[u8]> {
    TarStream::new(bytes, "test.tar".to_owned(), true)
}

fn content(stream: &mut impl EntryStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0u8; 700];
    loop {
        match stream.read_content(&mut buffer).unwrap() {
            0 => return all,
            read => all.extend_from_slice(&buffer[..read]),
        }
    }
}

fn read_all(bytes: &[u8]) -> Vec<(Entry, Vec<u8>)> {
    let mut stream = stream(bytes);
    let mut all = Vec::new();
    while let Some(entry) = stream.next_entry().unwrap() {
        let content = content(&mut stream);
        all.push((entry, content));
    }
    stream.finish().unwrap();
    all
}

fn write_all(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = TarWriter::new(&mut bytes);
    for (entry, content) in entries {
        writer.entry(&entry.path, &entry.kind, &entry.meta).unwrap();
        writer.content(content).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test calls the tar program to have its archives"
)]
fn gnu_tar(folder: &Path, args: &[&str]) -> Vec<u8> {
    let output = std::process::Command::new("tar")
        .current_dir(folder)
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

fn names() -> impl Strategy<Value = ImagePath> {
    let name = prop_oneof![
        "[a-zé.]{1,8}",
        prop::collection::vec("[a-z ]{60,120}", 1..4).prop_map(|parts| parts.join("/")),
    ];
    name.prop_filter_map("a name", |name| ImagePath::parse(name.as_bytes()).ok())
        .prop_filter("not the root", |path| !path.is_root())
}

fn metas() -> impl Strategy<Value = Meta> {
    let records = prop::collection::btree_map(
        "SCHILY\\.xattr\\.user\\.[a-z]{1,5}",
        prop::collection::vec(any::<u8>(), 1..200),
        0..3,
    );
    let time = (-5_000_000_000i64..20_000_000_000, 0u32..1_000_000_000);
    (0u32..0o10000, any::<u32>(), any::<u32>(), time, records).prop_map(
        |(mode, uid, gid, (seconds, nanos), records)| Meta {
            mode,
            uid,
            gid,
            modified: Timestamp { seconds, nanos },
            records: records.into_iter().collect(),
        },
    )
}

fn entries() -> impl Strategy<Value = (Entry, Vec<u8>)> {
    let file = prop::collection::vec(any::<u8>(), 0..2000).prop_map(|content| {
        let size_bytes = content.len() as u64;
        let kind = Kind::File {
            size_bytes,
            stored_bytes: size_bytes,
        };
        (kind, content)
    });
    let symlink = prop_oneof!["[a-z/.]{1,20}", "[a-z/.]{101,300}"].prop_map(|target| {
        let target = target.into_bytes();
        (Kind::Symlink { target }, Vec::new())
    });
    let device = (any::<bool>(), 0u32..4096, 0u32..1_048_576).prop_map(|(block, major, minor)| {
        let kind = Kind::Device { block, major, minor };
        (kind, Vec::new())
    });
    let other = prop_oneof![Just(Kind::Folder), Just(Kind::Fifo)];
    let kind = prop_oneof![
        4 => file,
        1 => symlink,
        1 => device,
        1 => other.prop_map(|kind| (kind, Vec::new())),
    ];
    (names(), kind, metas()).prop_map(|(path, (kind, content), meta)| (Entry { path, kind, meta }, content))
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(entries in prop::collection::vec(entries(), 0..12)) {
        prop_assert_eq!(read_all(&write_all(&entries)), entries);
    }

    /// The `tar` crate as an independent reader: names, sizes, owners and content.
    #[test]
    fn another_reader_agrees(entries in prop::collection::vec(entries(), 0..12)) {
        let bytes = write_all(&entries);
        let mut archive = tar::Archive::new(bytes.as_slice());
        for (found, (entry, content)) in archive.entries().unwrap().zip(&entries) {
            let mut found = found.unwrap();
            let name = found.path_bytes().into_owned();
            prop_assert_eq!(&ImagePath::parse(&name).unwrap(), &entry.path);
            prop_assert_eq!(found.header().uid().unwrap(), u64::from(entry.meta.uid));
            if let Kind::Symlink { target } = &entry.kind {
                let link = found.link_name_bytes().unwrap().into_owned();
                prop_assert_eq!(&link, target);
            }
            let mut data = Vec::new();
            found.read_to_end(&mut data).unwrap();
            prop_assert_eq!(&data, content);
        }
    }

    /// Damaged archives end in an error or in other entries, never in a panic or an endless loop.
    #[test]
    fn damage_is_survived(
        entries in prop::collection::vec(entries(), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        fix_checksums: bool,
    ) {
        let mut bytes = write_all(&entries);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if fix_checksums {
            for block in bytes.chunks_exact_mut(BLOCK).filter(|block| &block[257..262] == b"ustar") {
                let mut header = tar::Header::from_byte_slice(block).clone();
                header.set_cksum();
                block.copy_from_slice(header.as_bytes());
            }
        }
        let mut stream = stream(&bytes);
        while let Ok(Some(_)) = stream.next_entry() {
            let mut buffer = [0u8; 4096];
            let mut total = 0usize;
            while let Ok(read) = stream.read_content(&mut buffer) {
                total += read;
                if read == 0 || total > 1 << 22 {
                    break;
                }
            }
        }
    }
}

#[test]
fn gnu_tar_lists_what_we_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = |text: &str| ImagePath::parse(text.as_bytes()).unwrap();
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    let meta = Meta {
        mode: 0o4750,
        uid: 3_000_000_000,
        gid: 7,
        modified: Timestamp {
            seconds: 1_700_000_000,
            nanos: 500_000_000,
        },
        records: Vec::new(),
    };
    let file = |text: &str| {
        let entry = Entry {
            path: path(text),
            kind: Kind::File {
                size_bytes: 3,
                stored_bytes: 3,
            },
            meta: meta.clone(),
        };
        (entry, b"abc".to_vec())
    };
    let link = Entry {
        path: path("link"),
        kind: Kind::HardLink { target: path(&long) },
        meta: meta.clone(),
    };
    let bytes = write_all(&[file(&long), (link, Vec::new())]);
    let archive = folder.path().join("a.tar");
    write(&archive, &bytes);
    let listing = gnu_tar(
        folder.path(),
        &["--numeric-owner", "--full-time", "--utc", "-tvf", "a.tar"],
    );
    let listing = String::from_utf8(listing).unwrap();
    let lines: Vec<&str> = listing.lines().collect();
    assert!(lines[0].starts_with("-rwsr-x--- 3000000000/7"), "{listing}");
    assert!(
        lines[0].ends_with(&format!("3 2023-11-14 22:13:20.5 {long}")),
        "{listing}"
    );
    assert!(lines[1].ends_with(&format!("link link to {long}")), "{listing}");
}

#[expect(clippy::disallowed_methods, reason = "the test makes its own files")]
fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn all_sparse_formats_of_gnu_tar_are_read() {
    use std::os::unix::fs::FileExt;

    let folder = tempfile::tempdir().unwrap();
    let mut expected = vec![0u8; 3_000_000];
    // More pieces than fit into one header, so that extension blocks are read as well.
    for piece in 0..40 {
        let at = piece * 70_000;
        expected[at..at + 5000].fill(piece as u8 + 1);
    }
    write(&folder.path().join("holes"), b"");
    let file = std::fs::File::options()
        .write(true)
        .open(folder.path().join("holes"))
        .unwrap();
    file.set_len(expected.len() as u64).unwrap();
    for piece in 0..40 {
        let at = piece * 70_000;
        file.write_all_at(&expected[at..at + 5000], at as u64).unwrap();
    }
    for args in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let args = [args, &["--sparse", "-cf", "-", "holes"]].concat();
        let bytes = gnu_tar(folder.path(), &args);
        assert!(bytes.len() < 1_000_000, "{args:?} is not sparse");
        let entries = read_all(&bytes);
        assert_eq!(entries.len(), 1);
        let (entry, content) = &entries[0];
        assert_eq!(entry.path.to_string(), "/holes", "{args:?}");
        assert!(matches!(
            entry.kind,
            Kind::File { size_bytes: 3_000_000, stored_bytes } if stored_bytes < 500_000
        ));
        assert!(content == &expected, "{args:?}: content differs");
    }
}

#[test]
fn a_cut_archive_is_noticed_wherever_it_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("one"), &[7; 1300]);
    write(&folder.path().join("two"), b"22");
    let bytes = gnu_tar(folder.path(), &["-b1", "-cf", "-", "one", "two"]);
    let data_end = bytes.len() - 2 * BLOCK;
    for end in 0..data_end {
        let mut stream = stream(&bytes[..end]);
        let result = loop {
            match stream.next_entry() {
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        assert!(
            matches!(result, Err(ReadError::Truncated { .. })),
            "cut at {end}: {result:?}"
        );
    }
}

/// A header with `size` in its size field and nothing behind it.
fn lone_header(kind: u8, size: u64, name: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn absurd_headers_are_refused_before_memory_is_spent() {
    for (kind, size, name, code) in [
        (b'L', 1 << 40, &b"a"[..], "import.limit"),
        (b'x', 1 << 40, b"a", "import.limit"),
        (b'g', 1 << 40, b"a", "import.limit"),
        (b'0', 1 << 60, b"a", "import.archive-header"),
        (b'0', 1, b"../../etc/passwd", "import.path-refused"),
        (b'1', 0, b"link", "ok"),
        (b'2', 0, b"link", "import.archive-header"),
        (b'M', 0, b"part", "import.entry-unsupported"),
        (b'S', 0, b"sparse", "ok"),
    ] {
        let bytes = lone_header(kind, size, name);
        let found = match stream(&bytes).next_entry() {
            Ok(_) => "ok",
            Err(error) => error.code(),
        };
        assert_eq!(found, code, "kind {}", char::from(kind));
    }
}

#[test]
fn global_headers_do_not_add_up_without_end() {
    let mut record = Vec::new();
    super::pax::encode(&mut record, "comment", &vec![b'x'; 900 << 10]);
    let mut one = lone_header(b'g', record.len() as u64, b"global");
    one.extend_from_slice(&record);
    one.resize(one.len().next_multiple_of(super::BLOCK), 0);
    let entry = lone_header(b'1', 0, b"link");
    let enough = [&one[..], &entry].concat();
    assert!(stream(&enough).next_entry().is_ok());
    let endless = [&one[..], &one, &entry].concat();
    assert_eq!(
        stream(&endless).next_entry().map(drop).unwrap_err().code(),
        "import.limit"
    );
}
