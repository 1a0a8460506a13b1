//! Flattening when the source changes, the output fails, the person stops; and `/home` on a stream of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use gobag_format::Silent;

use super::*;
use crate::{archive::TarStream, entry::Metered, tree};

/// A layer that gives another archive each time it is opened, the last one from then on.
struct Changing {
    archives: Vec<Vec<u8>>,
    opened: AtomicUsize,
}

impl Layer for Changing {
    fn name(&self) -> String {
        "changing".to_owned()
    }

    fn size_bytes(&self) -> Option<u64> {
        None
    }

    fn open<'a>(&'a self, monitor: &'a dyn Monitor) -> Result<Box<dyn EntryStream + 'a>, ReadError> {
        let index = self
            .opened
            .fetch_add(1, Ordering::Relaxed)
            .min(self.archives.len() - 1);
        let input = Metered::new(self.archives[index].as_slice(), monitor);
        Ok(Box::new(TarStream::new(input, self.name(), true)))
    }
}

fn layers(archives: &[&[(&str, &str)]]) -> [Box<dyn Layer>; 1] {
    let archives = archives.iter().map(|files| archive(files)).collect();
    let opened = AtomicUsize::new(0);
    [Box::new(Changing { archives, opened })]
}

/// Files by name and content; `=name` as content is a hard link.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = TarWriter::new(&mut bytes);
    for (name, content) in files {
        let path = |name: &str| ImagePath::parse(name.as_bytes()).unwrap();
        let kind = match content.strip_prefix('=') {
            Some(target) => Kind::HardLink { target: path(target) },
            None if name.ends_with('/') => Kind::Folder,
            None => file_kind(content.as_bytes()),
        };
        writer.entry(&path(name), &kind, &Meta::default()).unwrap();
        if matches!(kind, Kind::File { .. }) {
            writer.content(content.as_bytes()).unwrap();
        }
    }
    writer.finish().unwrap();
    bytes
}

/// The members of a stream, as [`archive`] takes them.
fn listed(bytes: &[u8]) -> Vec<String> {
    let mut stream = TarStream::new(bytes, "output".to_owned(), true);
    let mut seen = Vec::new();
    while let Some(entry) = stream.next_entry().unwrap() {
        let mut content = [0; 64];
        let read = stream.read_content(&mut content).unwrap();
        let content = String::from_utf8_lossy(&content[..read]).into_owned();
        seen.push(match entry.kind {
            Kind::HardLink { target } => format!("{} ={target}", entry.path),
            _ => format!("{} {content}", entry.path).trim_end().to_owned(),
        });
    }
    seen
}

fn flattened(layers: &[Box<dyn Layer>]) -> Result<Vec<u8>, FlattenError> {
    let tree = tree::build(layers, false, |_, _| None, &Silent)?;
    let mut bytes = Vec::new();
    flatten(&tree, layers, &Changes::default(), &mut bytes, None, &Silent)?;
    Ok(bytes)
}

#[test]
fn a_source_that_changes_between_the_readings_is_noticed() {
    let first: &[(&str, &str)] = &[("a", "one"), ("b", "two")];
    assert!(flattened(&layers(&[first, first])).is_ok());
    let changed: [&[(&str, &str)]; 4] = [
        &[("a", "longer"), ("b", "two")],
        &[("a/", ""), ("b", "two")],
        &[("a", "one"), ("b", "=a")],
        &[("a", "one")],
    ];
    for second in changed {
        let error = flattened(&layers(&[first, second])).unwrap_err();
        assert_eq!(error.code(), "import.source-changed", "{second:?}");
    }
}

#[test]
fn home_becomes_a_stream_and_links_across_keep_their_content_on_both_sides() {
    let layers = layers(&[&[
        ("etc/shared", "both"),
        ("home/anna/shared", "=etc/shared"),
        ("home/anna/again", "=etc/shared"),
        ("home/anna/own", "hers"),
        ("homestead", "not home"),
        ("usr/shared", "=etc/shared"),
    ]]);
    let tree = tree::build(&layers, false, |_, _| None, &Silent).unwrap();
    let changes = Changes {
        split: Some(ImagePath::parse(b"home").unwrap()),
        ..Changes::default()
    };
    let (mut system, mut home) = (Vec::new(), Vec::new());
    flatten(&tree, &layers, &changes, &mut system, Some(&mut home), &Silent).unwrap();
    assert_eq!(
        listed(&system),
        [
            "/",
            "/etc",
            "/home",
            "/usr",
            "/etc/shared both",
            "/usr/shared =/etc/shared",
            "/homestead not home"
        ]
    );
    assert_eq!(
        listed(&home),
        [
            "/",
            "/anna",
            "/anna/again both",
            "/anna/shared =/anna/again",
            "/anna/own hers"
        ]
    );
}

#[test]
fn replaced_added_and_copied_files() {
    let layers = layers(&[&[
        ("etc/fstab", "old"),
        ("etc/link", "=etc/fstab"),
        ("boot/kernel", "kernel"),
    ]]);
    let tree = tree::build(&layers, false, |_, _| None, &Silent).unwrap();
    let id = |path| match tree.lookup(path) {
        Some(Found::Inode(id)) => id,
        other => panic!("{other:?}"),
    };
    let copy = tempfile::NamedTempFile::new().unwrap();
    let changes = Changes {
        split: None,
        replaced: HashMap::from([(id("etc/fstab"), b"new text".to_vec())]),
        added: vec![(
            ImagePath::parse(b"etc/added").unwrap(),
            Meta::default(),
            b"added".to_vec(),
        )],
        copied: HashMap::from([(id("boot/kernel"), copy.as_file())]),
    };
    let mut bytes = Vec::new();
    flatten(&tree, &layers, &changes, &mut bytes, None, &Silent).unwrap();
    assert_eq!(
        listed(&bytes),
        [
            "/",
            "/boot",
            "/etc",
            "/etc/added added",
            "/etc/fstab new text",
            "/etc/link =/etc/fstab",
            "/boot/kernel kernel"
        ]
    );
    assert_eq!(std::fs::read(copy.path()).unwrap(), b"kernel");
}

/// Takes `left` bytes and then fails.
struct Full {
    left: usize,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_fails_anywhere_is_an_error() {
    let layers = layers(&[&[("a/b", "content"), ("a/c", "=a/b"), ("d", &"x".repeat(2000))]]);
    let tree = tree::build(&layers, false, |_, _| None, &Silent).unwrap();
    let whole = flattened(&layers).unwrap().len();
    for left in (0..whole).step_by(100) {
        let mut output = Full { left };
        let error = flatten(&tree, &layers, &Changes::default(), &mut output, None, &Silent).unwrap_err();
        assert_eq!(error.code(), "import.output", "full after {left}");
    }
}

/// Stops at the `left`-th question.
struct Impatient {
    left: AtomicUsize,
}

impl Monitor for Impatient {
    fn phase(&self, _name: &str, _total_bytes: Option<u64>) {}

    fn advance(&self, _bytes: u64) {}

    fn is_cancelled(&self) -> bool {
        let before = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_sub(1))
            });
        before == Ok(0)
    }
}

#[test]
fn stopping_is_possible_at_every_read() {
    let layers = layers(&[&[("a", "one"), ("b", "two"), ("c", &"x".repeat(3000))]]);
    let mut stopped = 0;
    for left in 0.. {
        let monitor = Impatient {
            left: AtomicUsize::new(left),
        };
        let result = tree::build(&layers, false, |_, _| None, &monitor)
            .map_err(FlattenError::from)
            .and_then(|tree| {
                flatten(
                    &tree,
                    &layers,
                    &Changes::default(),
                    &mut io::sink(),
                    None,
                    &monitor,
                )
            });
        match result {
            Ok(()) => break,
            Err(error) => assert_eq!(error.code(), "import.cancelled"),
        }
        stopped += 1;
    }
    assert!(stopped > 10, "{stopped}");
}
