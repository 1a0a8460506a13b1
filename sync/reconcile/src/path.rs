//! Names and paths: bytes, as Linux has them, that lead nowhere but down.

use std::{cmp::Ordering, fmt};

use thiserror::Error;

/// Most bytes of a name: Linux's own file systems have 255, those that count letters up to four times as many, and FUSE this.
const MAX_NAME: usize = 1024;

/// Why bytes are no name of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadName {
    /// Nothing, `.` or `..`.
    #[error("it is no name of a file")]
    Reserved,
    /// A slash or a NUL is in it.
    #[error("it has a slash or a NUL in it")]
    Separator,
    /// It is longer than file systems allow.
    #[error("it is longer than {MAX_NAME} bytes")]
    Long,
}

/// The name of a file or folder within its folder; any bytes but a slash or NUL, and never `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Takes bytes for a name.
    pub fn new(bytes: &[u8]) -> Result<Self, BadName> {
        match bytes {
            b"" | b"." | b".." => Err(BadName::Reserved),
            _ if bytes.len() > MAX_NAME => Err(BadName::Long),
            _ if bytes.iter().any(|byte| matches!(byte, b'/' | 0)) => Err(BadName::Separator),
            _ => Ok(Self(bytes.into())),
        }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// A path below a root: names with slashes between them; no names: the root itself. Paths are in the order of their names: what is in a folder comes right after it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct RelPath(Vec<u8>);

impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, other) = (&self.0[..], &other.0[..]);
        match one.iter().zip(other).find(|(a, b)| a != b) {
            // No byte of a name is smaller than what ends it.
            Some((a, b)) => (*a != b'/', a).cmp(&(*b != b'/', b)),
            None => one.len().cmp(&other.len()),
        }
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl RelPath {
    /// The root.
    pub fn root() -> Self {
        Self::default()
    }

    /// Takes bytes for a path; each part has to be a name.
    pub fn new(bytes: &[u8]) -> Result<Self, BadName> {
        if !bytes.is_empty() {
            for part in bytes.split(|byte| *byte == b'/') {
                Name::new(part)?;
            }
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The path of `name` in this folder.
    pub fn join(&self, name: &Name) -> Self {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.0.len());
        bytes.extend_from_slice(&self.0);
        if !bytes.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(&name.0);
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The folder that it is in; none of the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0[..end].to_vec()))
    }

    /// The last part; none of the root.
    pub fn name(&self) -> Option<&[u8]> {
        (!self.is_root()).then(|| self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default())
    }

    /// Whether it is `other`, or somewhere in it.
    pub fn is_within(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(&other.0[..]);
        rest.is_some_and(|rest| other.is_root() || rest.is_empty() || rest[0] == b'/')
    }

    /// Its parts.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty())
    }

    /// How many folders it is below the root, itself counted.
    pub fn depth(&self) -> usize {
        self.names().count()
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_root() {
            true => out.write_str("."),
            false => out.write_str(&String::from_utf8_lossy(&self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_up_or_elsewhere() {
        for bad in [b"" as &[u8], b".", b"..", b"a/b", b"a\0", &[b'a'; 1025]] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        for bad in [b"/a" as &[u8], b"a//b", b"a/../b", b"a/", b"./a"] {
            assert!(RelPath::new(bad).is_err(), "{bad:?}");
        }
        Name::new(b"\xff\n").unwrap();
    }

    #[test]
    fn what_is_in_a_folder_comes_right_after_it() {
        let mut sorted = ["a b/c", "a/b", "a", "", "a.b", "a/b/c", "b", "a/!"].map(path);
        sorted.sort();
        assert_eq!(
            sorted,
            ["", "a", "a/!", "a/b", "a/b/c", "a b/c", "a.b", "b"].map(path)
        );
        let within = |one: &str, other: &str| path(one).is_within(&path(other));
        assert!(within("a/b", "a") && within("a", "a") && within("a", "") && within("", ""));
        assert!(!within("ab", "a") && !within("a", "a/b"));
    }

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_path_is_its_names() {
        let path = RelPath::new(b"a/b/c").unwrap();
        assert_eq!(path.parent().unwrap().join(&Name::new(b"c").unwrap()), path);
        assert_eq!((path.name(), path.depth()), (Some(b"c" as &[u8]), 3));
        let top = RelPath::new(b"a").unwrap();
        assert!(top.parent().unwrap().is_root() && RelPath::root().parent().is_none());
        assert_eq!((RelPath::root().name(), RelPath::root().depth()), (None, 0));
    }
}
