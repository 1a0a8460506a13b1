//! A path inside an image: always relative to the image's root, always normal.
//!
//! Holding one of these is the proof that it has no `..`, no empty or `.` component, no NUL, and a sane length, so the
//! rest of the crate never asks again. Names are bytes: Linux file names need not be UTF-8.

use std::fmt;

use crate::limits::{MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_PATH_DEPTH};

/// What is wrong with a path found in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathProblem {
    /// It has a `..` component.
    #[error("it has a `..` component")]
    Climbs,
    /// It holds a NUL byte.
    #[error("it has a NUL byte")]
    Nul,
    /// It is longer than [`MAX_PATH_BYTES`].
    #[error("it is longer than {MAX_PATH_BYTES} bytes")]
    TooLong,
    /// One of its names is longer than [`MAX_NAME_BYTES`].
    #[error("one of its names is longer than {MAX_NAME_BYTES} bytes")]
    NameTooLong,
    /// It is deeper than [`MAX_PATH_DEPTH`].
    #[error("it is deeper than {MAX_PATH_DEPTH} folders")]
    TooDeep,
}

/// A normal path relative to the root of an image; the root itself is empty.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ImagePath(Vec<u8>);

impl ImagePath {
    /// The root of the image.
    pub(crate) fn root() -> Self {
        Self::default()
    }

    /// Takes a path as archives have it: leading `/` and `./` mean the root, empty and `.` components say nothing.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, PathProblem> {
        let components = raw
            .split(|&byte| byte == b'/')
            .filter(|part| !part.is_empty() && *part != b".");
        Self::from_components(components)
    }

    /// Joins components, each of which must be a plain name.
    pub(crate) fn from_components<'a>(
        components: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, PathProblem> {
        let mut path = Vec::new();
        let mut depth = 0;
        for part in components {
            if part == b".." {
                return Err(PathProblem::Climbs);
            }
            if part.contains(&0) {
                return Err(PathProblem::Nul);
            }
            if part.len() > MAX_NAME_BYTES {
                return Err(PathProblem::NameTooLong);
            }
            depth += 1;
            if depth > MAX_PATH_DEPTH {
                return Err(PathProblem::TooDeep);
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(part);
            if path.len() > MAX_PATH_BYTES {
                return Err(PathProblem::TooLong);
            }
        }
        Ok(Self(path))
    }

    /// The bytes, without a leading slash.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The names from the root down.
    pub(crate) fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|part| !part.is_empty())
    }

    /// The folder and the last name; nothing for the root.
    pub(crate) fn split_last(&self) -> Option<(ImagePath, &[u8])> {
        if self.is_root() {
            return None;
        }
        let name = self.file_name();
        let folder = self.0.len() - name.len();
        Some((Self(self.0[..folder.saturating_sub(1)].to_vec()), name))
    }

    /// The last name; empty for the root.
    pub(crate) fn file_name(&self) -> &[u8] {
        let slash = self.0.iter().rposition(|&byte| byte == b'/');
        &self.0[slash.map_or(0, |slash| slash + 1)..]
    }

    /// This path below `folder`, when it is: the folder itself becomes the root.
    pub(crate) fn strip_prefix(&self, folder: &ImagePath) -> Option<ImagePath> {
        if folder.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(folder.as_bytes())? {
            [] => Some(Self::root()),
            [b'/', rest @ ..] => Some(Self(rest.to_vec())),
            _ => None,
        }
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", printable(&self.0))
    }
}

impl fmt::Debug for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bytes from an image for a message: control characters and broken UTF-8 are escaped, and the length is bounded.
pub(crate) fn printable(bytes: &[u8]) -> String {
    const SHOWN: usize = 200;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    let mut shown: String = text
        .chars()
        .flat_map(|c| {
            let escape = c.is_control().then(|| c.escape_default());
            let plain = (!c.is_control()).then_some(c);
            escape.into_iter().flatten().chain(plain)
        })
        .collect();
    if bytes.len() > SHOWN {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(raw: &[u8]) -> Result<String, PathProblem> {
        ImagePath::parse(raw).map(|path| path.to_string())
    }

    #[test]
    fn archive_spellings_of_one_path_are_one_path() {
        for raw in [&b"a/b"[..], b"/a/b", b"./a/b", b"a//b/", b"//./a/./b/."] {
            assert_eq!(parsed(raw).unwrap(), "/a/b", "{}", printable(raw));
        }
        for raw in [&b""[..], b"/", b".", b"./", b".//."] {
            assert!(ImagePath::parse(raw).unwrap().is_root());
        }
    }

    #[test]
    fn what_climbs_or_is_absurd_is_refused() {
        assert_eq!(parsed(b"../a"), Err(PathProblem::Climbs));
        assert_eq!(parsed(b"a/../b"), Err(PathProblem::Climbs));
        assert_eq!(parsed(b"a/.."), Err(PathProblem::Climbs));
        assert_eq!(parsed(b"a\0b"), Err(PathProblem::Nul));
        assert_eq!(parsed(&[b'x'; 256]), Err(PathProblem::NameTooLong));
        assert_eq!(parsed(&b"a/".repeat(513)), Err(PathProblem::TooDeep));
        let long = [&[b'x'; 250][..], b"/"].concat().repeat(17);
        assert_eq!(parsed(&long), Err(PathProblem::TooLong));
        assert_eq!(parsed(b"a/..b/...").unwrap(), "/a/..b/...");
    }

    #[test]
    fn prefixes_end_at_a_slash() {
        let home = ImagePath::parse(b"home").unwrap();
        let below = |raw: &[u8]| ImagePath::parse(raw).unwrap().strip_prefix(&home);
        assert_eq!(below(b"home").unwrap(), ImagePath::root());
        assert_eq!(below(b"home/a/b").unwrap(), ImagePath::parse(b"a/b").unwrap());
        assert_eq!(below(b"homes/a"), None);
        assert_eq!(below(b"a/home"), None);
    }

    #[test]
    fn messages_carry_no_control_characters() {
        assert_eq!(printable(b"a\x1b[31m\n"), "a\\u{1b}[31m\\n");
        assert!(printable(&[b'x'; 5000]).len() < 300);
    }
}
