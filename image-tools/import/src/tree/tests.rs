//! Flattening against a model that does the same the slow way: it keeps every layer as a map of whole paths, applies
//! the rules of the OCI image specification word by word, and carries content around instead of inodes.

use std::collections::{BTreeMap, BTreeSet};

use gobag_format::{Monitor, Silent};
use proptest::prelude::*;

use super::*;
use crate::{
    archive::{TarStream, TarWriter},
    entry::{EntryStream, Kind, Layer, ReadError},
    flatten::{Changes, flatten},
};

/// A layer in memory, as a tar archive.
struct Memory(Vec<u8>);

impl Layer for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn size_bytes(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }

    fn open<'a>(&'a self, _monitor: &'a dyn Monitor) -> Result<Box<dyn EntryStream + 'a>, ReadError> {
        Ok(Box::new(TarStream::new(self.0.as_slice(), self.name(), true)))
    }
}

/// One line of a layer in a test.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Line {
    Folder(&'static str, u32),
    File(&'static str, String),
    Symlink(&'static str, &'static str),
    Link(&'static str, &'static str),
    Gone(&'static str),
    Opaque(&'static str),
}

fn pack(lines: &[Line]) -> Box<dyn Layer> {
    let mut bytes = Vec::new();
    let mut writer = TarWriter::new(&mut bytes);
    let path = |text: &str| ImagePath::parse(text.as_bytes()).unwrap();
    for line in lines {
        let mut meta = Meta {
            mode: 0o644,
            ..Meta::default()
        };
        let (path, kind, content) = match line {
            Line::Folder(at, mode) => {
                meta.mode = *mode;
                (path(at), Kind::Folder, "")
            }
            Line::File(at, content) => {
                let size_bytes = content.len() as u64;
                let kind = Kind::File {
                    size_bytes,
                    stored_bytes: size_bytes,
                };
                (path(at), kind, content.as_str())
            }
            Line::Symlink(at, target) => {
                let target = target.as_bytes().to_vec();
                (path(at), Kind::Symlink { target }, "")
            }
            Line::Link(at, target) => {
                let target = path(target);
                (path(at), Kind::HardLink { target }, "")
            }
            Line::Gone(at) => {
                let (folder, name) = at.rsplit_once('/').unwrap_or(("", at));
                (path(&format!("{folder}/.wh.{name}")), empty(), "")
            }
            Line::Opaque(at) => (path(&format!("{at}/.wh..wh..opq")), empty(), ""),
        };
        writer.entry(&path, &kind, &meta).unwrap();
        writer.content(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
    Box::new(Memory(bytes))
}

fn empty() -> Kind {
    Kind::File {
        size_bytes: 0,
        stored_bytes: 0,
    }
}

/// What is at a path in the end. Files with the same group number are one file with several names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Thing {
    Folder(u32),
    File(String, usize),
    Symlink(String),
}

type Listing = BTreeMap<String, Thing>;

/// Flattens for real and unpacks the resulting stream into a listing, checking its promises on the way.
fn flattened(layers: &[Vec<Line>]) -> Result<Listing, ReadError> {
    let layers: Vec<_> = layers.iter().map(|lines| pack(lines)).collect();
    let tree = build(&layers, true, |_, _| None, &Silent)?;
    let mut bytes = Vec::new();
    flatten(&tree, &layers, &Changes::default(), &mut bytes, None, &Silent).unwrap();
    Ok(listing(&bytes))
}

fn listing(bytes: &[u8]) -> Listing {
    let mut stream = TarStream::new(bytes, "flat".to_owned(), true);
    let mut listing = Listing::new();
    let mut groups = 0;
    while let Some(entry) = stream.next_entry().unwrap() {
        let name = entry.path.to_string();
        if let Some((parent, _)) = name.rsplit_once('/').filter(|_| name != "/") {
            let parent = if parent.is_empty() { "/" } else { parent };
            assert!(
                matches!(listing.get(parent), Some(Thing::Folder(_))),
                "{name} comes before its folder"
            );
        }
        let thing = match entry.kind {
            Kind::Folder => Thing::Folder(entry.meta.mode),
            Kind::File { size_bytes, .. } => {
                let mut content = vec![0; size_bytes as usize];
                let read = stream.read_content(&mut content).unwrap();
                assert_eq!(read as u64, size_bytes);
                groups += 1;
                Thing::File(String::from_utf8(content).unwrap(), groups)
            }
            Kind::Symlink { target } => Thing::Symlink(String::from_utf8(target).unwrap()),
            Kind::HardLink { target } => listing[&target.to_string()].clone(),
            Kind::Device { .. } | Kind::Fifo => unreachable!("the test has none"),
        };
        assert!(listing.insert(name.clone(), thing).is_none(), "{name} twice");
    }
    listing
}

/// The model. Paths are strings with a leading slash; "/" is the root.
#[derive(Default)]
struct Model {
    things: Listing,
    groups: usize,
}

impl Model {
    fn join(folder: &str, name: &str) -> String {
        format!("{}/{name}", folder.trim_end_matches('/'))
    }

    fn remove_below(&mut self, path: &str) {
        let below = format!("{}/", path.trim_end_matches('/'));
        self.things
            .retain(|name, _| name == "/" || !name.starts_with(&below));
    }

    fn remove(&mut self, path: &str) {
        self.things.remove(path);
        self.remove_below(path);
    }

    /// Where a folder's path leads, link by link.
    fn folder_of(&self, path: &str) -> Option<String> {
        let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut at = "/".to_owned();
        let mut hops = 0;
        while let Some(name) = todo.pop() {
            match name.as_str() {
                "" | "." => {}
                ".." => {
                    let end = at.rfind('/').unwrap();
                    at.truncate(end.max(1));
                }
                name => match self.things.get(&Self::join(&at, name)) {
                    Some(Thing::Symlink(target)) => {
                        hops += 1;
                        if hops > 40 {
                            return None;
                        }
                        if target.starts_with('/') {
                            at = "/".to_owned();
                        }
                        todo.extend(target.split('/').rev().map(str::to_owned));
                    }
                    _ => at = Self::join(&at, name),
                },
            }
        }
        Some(at)
    }

    fn make_folders(&mut self, path: &str) {
        self.things.entry("/".to_owned()).or_insert(Thing::Folder(0o755));
        let mut at = "/".to_owned();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = Self::join(&at, name);
            if !matches!(self.things.get(&at), Some(Thing::Folder(_))) {
                self.things.insert(at.clone(), Thing::Folder(0o755));
            }
        }
    }

    /// Applies a layer; false when it cannot be applied.
    fn apply(&mut self, lines: &[Line], lowest: bool) -> bool {
        self.make_folders("/");
        for line in lines.iter().filter(|_| !lowest) {
            let (folder, name) = match line {
                Line::Gone(at) => at.rsplit_once('/').unwrap_or(("", at)),
                Line::Opaque(at) => (*at, ""),
                _ => continue,
            };
            let Some(folder) = self.folder_of(folder) else {
                return false;
            };
            match name {
                "" if matches!(self.things.get(&folder), Some(Thing::Folder(_))) => {
                    self.remove_below(&folder);
                }
                "" => {}
                name => self.remove(&Self::join(&folder, name)),
            }
        }
        for line in lines {
            let (at, thing) = match line {
                Line::Gone(_) | Line::Opaque(_) => continue,
                Line::Folder(at, mode) => (at, Thing::Folder(*mode)),
                Line::File(at, content) => {
                    self.groups += 1;
                    (at, Thing::File(content.clone(), self.groups))
                }
                Line::Symlink(at, target) => (at, Thing::Symlink((*target).to_owned())),
                Line::Link(at, target) => {
                    let (folder, name) = target.rsplit_once('/').unwrap_or(("", target));
                    let Some(folder) = self.folder_of(folder) else {
                        return false;
                    };
                    match self.things.get(&Self::join(&folder, name)) {
                        Some(Thing::Folder(_)) | None => return false,
                        Some(thing) => (at, thing.clone()),
                    }
                }
            };
            let (folder, name) = at.rsplit_once('/').unwrap_or(("", at));
            let Some(folder) = self.folder_of(folder) else {
                return false;
            };
            self.make_folders(&folder);
            let path = Self::join(&folder, name);
            if !matches!(thing, Thing::Folder(_)) {
                self.remove(&path);
            }
            self.things.insert(path, thing);
        }
        true
    }
}

/// Renumbers groups by first appearance, and forgets those of single names.
fn normal(mut listing: Listing) -> Listing {
    let mut order = Vec::new();
    for thing in listing.values_mut() {
        if let Thing::File(_, group) = thing {
            let known = order.iter().position(|known| known == group);
            *group = known.unwrap_or_else(|| {
                order.push(*group);
                order.len() - 1
            });
        }
    }
    listing
}

const PATHS: [&str; 16] = [
    "a", "b", "c", "a/a", "a/b", "b/a", "b/b", "c/a", "a/a/a", "a/a/b", "a/b/c", "b/a/a", "b/a/c", "c/a/b",
    "c/b", "c/b/a",
];

fn lines() -> impl Strategy<Value = Line> {
    let path = || prop::sample::select(PATHS.as_slice());
    let target = prop::sample::select(["a", "/b", "../a", "a/b", "/c/../b", "nowhere/x", ".."].as_slice());
    prop_oneof![
        3 => (path(), 0u32..8).prop_map(|(at, mode)| Line::Folder(at, mode)),
        4 => (path(), "[0-9]{1,6}").prop_map(|(at, content)| Line::File(at, content)),
        1 => (path(), target).prop_map(|(at, target)| Line::Symlink(at, target)),
        2 => (path(), path()).prop_map(|(at, target)| Line::Link(at, target)),
        2 => path().prop_map(Line::Gone),
        1 => prop_oneof![path(), Just("")].prop_map(Line::Opaque),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn layers_flatten_as_the_model_says(
        layers in prop::collection::vec(prop::collection::vec(lines(), 0..8), 1..4)
    ) {
        let mut model = Model::default();
        let possible = layers
            .iter()
            .enumerate()
            .all(|(number, lines)| model.apply(lines, number == 0));
        match flattened(&layers) {
            Ok(found) => {
                prop_assert!(possible, "the model refuses, we made {found:?}");
                prop_assert_eq!(normal(found), normal(model.things));
            }
            Err(error) => prop_assert!(!possible, "we refuse with {error}: {:?}", model.things),
        }
    }
}

fn file(at: &'static str, content: &str) -> Line {
    Line::File(at, content.to_owned())
}

fn paths(listing: &Listing) -> BTreeSet<&str> {
    listing.keys().map(String::as_str).collect()
}

#[test]
fn content_survives_when_its_first_name_is_deleted_above() {
    let found = flattened(&[
        vec![file("a", "data"), Line::Link("b", "a"), Line::Link("c/a", "a")],
        vec![Line::Gone("a")],
    ])
    .unwrap();
    assert_eq!(paths(&found), ["/", "/b", "/c", "/c/a"].into());
    assert_eq!(found["/b"], found["/c/a"]);
    assert!(matches!(&found["/b"], Thing::File(content, _) if content == "data"));
}

#[test]
fn a_link_into_a_lower_layer_shares_the_file() {
    let found = flattened(&[vec![file("a", "data")], vec![Line::Link("b", "a")]]).unwrap();
    assert_eq!(found["/a"], found["/b"]);
}

#[test]
fn whiteouts_hide_only_what_is_below_wherever_they_stand() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let upper = [Line::Opaque("a"), Line::Gone("b"), file("a/b", "new")];
        let upper = order
            .iter()
            .map(|&index| upper[index].clone())
            .chain([file("b", "new b")]);
        let found = flattened(&[vec![file("a/a", "old"), file("b", "old b")], upper.collect()]).unwrap();
        assert_eq!(paths(&found), ["/", "/a", "/a/b", "/b"].into());
        assert!(matches!(&found["/b"], Thing::File(content, _) if content == "new b"));
    }
}

#[test]
fn a_merged_usr_is_followed_and_never_left() {
    let found = flattened(&[
        vec![Line::Symlink("a", "/../../b"), Line::Folder("b", 0o700)],
        vec![file("a/a", "through the link")],
    ])
    .unwrap();
    assert_eq!(found["/a"], Thing::Symlink("/../../b".to_owned()));
    assert!(found.contains_key("/b/a"));
    assert_eq!(found["/b"], Thing::Folder(0o700));
}

#[test]
fn circles_and_missing_link_targets_are_refused() {
    let circle = flattened(&[vec![
        Line::Symlink("a", "b"),
        Line::Symlink("b", "a"),
        file("a/a", "x"),
    ]]);
    assert_eq!(circle.unwrap_err().code(), "import.symlink-loop");
    let missing = flattened(&[vec![Line::Link("a", "b")]]);
    assert_eq!(missing.unwrap_err().code(), "import.hard-link-broken");
    let folder = flattened(&[vec![Line::Folder("b", 0o755), Line::Link("a", "b")]]);
    assert_eq!(folder.unwrap_err().code(), "import.hard-link-broken");
}

#[test]
fn whiteout_names_that_mean_a_folder_itself_are_nothing() {
    let found = flattened(&[
        vec![file("a/a", "kept")],
        vec![
            file("a/.wh...", ""),
            file("a/.wh..", ""),
            file("a/.wh.", ""),
            file("a/.wh..wh.plnk", ""),
        ],
    ])
    .unwrap();
    assert_eq!(paths(&found), ["/", "/a", "/a/a"].into());
}

#[test]
fn without_whiteouts_such_names_are_names() {
    let layers = [pack(&[file("a/.wh.b", "x"), file("a/b", "y")])];
    let tree = build(&layers, false, |_, _| None, &Silent).unwrap();
    assert!(tree.lookup("/a/.wh.b").is_some());
    assert!(tree.lookup("/a/b").is_some());
}
