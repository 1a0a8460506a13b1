//! Where the parts of an image lie: files in a folder, or members of a tar archive that is read in place.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};
use serde::de::DeserializeOwned;

use super::{OciError, digest::Digest};
use crate::{
    archive::TarStream,
    entry::{EntryStream, Kind, ReadError},
    kind::open_source,
    limits::{MAX_ARCHIVE_MEMBERS, MAX_JSON_BYTES, MAX_MEMBER_HOPS},
    path::{ImagePath, printable},
};

/// The parts of an image by name.
pub(crate) struct Blobs {
    path: PathBuf,
    place: Place,
}

enum Place {
    Folder,
    Archive {
        file: File,
        members: HashMap<ImagePath, Member>,
    },
}

enum Member {
    File {
        offset: u64,
        size_bytes: u64,
    },
    /// Docker's older archives store a layer that is there twice as a link.
    Link {
        target: Vec<u8>,
    },
}

/// Whether a tar archive whose first named member is `first` holds an image rather than a root file system.
pub(crate) fn looks_like_image_archive(first: &ImagePath) -> bool {
    let Some(name) = first.components().next() else {
        return false;
    };
    let name = name.strip_prefix(b"sha256:").unwrap_or(name);
    let hex = name.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let documents = [
        &b"blobs"[..],
        b"oci-layout",
        b"index.json",
        b"manifest.json",
        b"repositories",
    ];
    documents.contains(&name) || (hex == 64 && matches!(&name[hex..], b"" | b".json" | b".tar" | b".tar.gz"))
}

impl Blobs {
    /// The files of a folder.
    pub(crate) fn folder(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            place: Place::Folder,
        }
    }

    /// The members of an uncompressed tar archive, whose headers are read now.
    pub(crate) fn archive(path: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Io {
            path: path.to_owned(),
            source,
        };
        let file = open_source(path).map_err(failed)?;
        let reader = BufReader::new(file.try_clone().map_err(failed)?);
        let mut stream = TarStream::seekable(reader, path.display().to_string());
        let mut members = HashMap::new();
        while let Some(entry) = stream.next_entry()? {
            let member = match entry.kind {
                Kind::File { size_bytes, .. } => match stream.content_offset() {
                    Some(offset) => Member::File { offset, size_bytes },
                    None => continue,
                },
                Kind::Symlink { target } => Member::Link { target },
                _ => continue,
            };
            members.insert(entry.path, member);
            if members.len() > MAX_ARCHIVE_MEMBERS {
                return Err(ReadError::Limit {
                    name: path.display().to_string(),
                    what: "the number of members",
                    limit: MAX_ARCHIVE_MEMBERS as u64,
                });
            }
        }
        Ok(Self {
            path: path.to_owned(),
            place: Place::Archive { file, members },
        })
    }

    /// The folder or archive.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a part of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.open(name).is_ok()
    }

    /// A part and its size in bytes.
    pub(super) fn open(&self, name: &str) -> Result<(Box<dyn Read + '_>, u64), OciError> {
        let missing = || OciError::Missing {
            path: self.path.clone(),
            name: printable(name.as_bytes()),
        };
        let member = ImagePath::parse(name.as_bytes()).map_err(|_| missing())?;
        match &self.place {
            Place::Folder => {
                let file = self.open_file(&member).map_err(|source| match source.kind() {
                    io::ErrorKind::NotFound => missing(),
                    _ => OciError::Read(ReadError::Io {
                        path: self.path.join(name),
                        source,
                    }),
                })?;
                let size_bytes = file.1;
                Ok((Box::new(file.0), size_bytes))
            }
            Place::Archive { file, members } => {
                let (position, size_bytes) = find(members, member).ok_or_else(missing)?;
                let range = Range {
                    file,
                    position,
                    end: position + size_bytes,
                };
                Ok((Box::new(range), size_bytes))
            }
        }
    }

    /// A regular file of the folder: what somebody else put there must not make us wait for a pipe.
    fn open_file(&self, member: &ImagePath) -> io::Result<(File, u64)> {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

        let path = self.path.join(OsStr::from_bytes(member.as_bytes()));
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        let found = file.metadata()?;
        match found.is_file() {
            true => Ok((file, found.len())),
            false => Err(io::Error::other("not a regular file")),
        }
    }

    /// Where a blob lies in an OCI layout.
    pub(super) fn blob_name(digest: &Digest) -> String {
        format!("blobs/{}/{}", digest.algorithm(), digest.hex())
    }

    /// A document that nothing vouches for.
    pub(super) fn document<T: DeserializeOwned>(&self, name: &str) -> Result<T, OciError> {
        self.parse(name, &self.small(name)?)
    }

    /// A document with its digest.
    pub(super) fn verified_document<T: DeserializeOwned>(
        &self,
        name: &str,
        digest: &Digest,
    ) -> Result<T, OciError> {
        let bytes = self.small(name)?;
        let found = digest.of_same_kind(&bytes);
        if found != *digest {
            return Err(OciError::Read(ReadError::Digest {
                name: format!("`{name}` in {}", self.path.display()),
                source: super::DigestMismatch::Digest {
                    expected: digest.to_string(),
                    found: found.to_string(),
                },
            }));
        }
        self.parse(name, &bytes)
    }

    fn parse<T: DeserializeOwned>(&self, name: &str, bytes: &[u8]) -> Result<T, OciError> {
        serde_json::from_slice(bytes).map_err(|source| OciError::Document {
            path: self.path.clone(),
            name: printable(name.as_bytes()),
            source,
        })
    }

    fn small(&self, name: &str) -> Result<Vec<u8>, OciError> {
        let (reader, size_bytes) = self.open(name)?;
        if size_bytes > MAX_JSON_BYTES {
            return Err(OciError::Limit {
                path: self.path.clone(),
                what: "the size of a JSON document",
                limit: MAX_JSON_BYTES,
            });
        }
        let mut bytes = Vec::new();
        reader.take(size_bytes).read_to_end(&mut bytes).map_err(|error| {
            ReadError::from_reader(&format!("`{name}` in {}", self.path.display()), error)
        })?;
        Ok(bytes)
    }
}

/// Follows links between members, which docker writes relative to the link.
fn find(members: &HashMap<ImagePath, Member>, mut path: ImagePath) -> Option<(u64, u64)> {
    for _ in 0..MAX_MEMBER_HOPS {
        match members.get(&path)? {
            Member::File { offset, size_bytes } => return Some((*offset, *size_bytes)),
            Member::Link { target } => {
                let (folder, _) = path.split_last()?;
                let mut names: Vec<&[u8]> = folder.components().collect();
                for name in target.split(|&byte| byte == b'/') {
                    match name {
                        b"" | b"." => {}
                        b".." => drop(names.pop()?),
                        name => names.push(name),
                    }
                }
                path = ImagePath::from_components(names).ok()?;
            }
        }
    }
    None
}

/// A part of a file, read without moving the file's own position.
struct Range<'a> {
    file: &'a File,
    position: u64,
    end: u64,
}

impl Read for Range<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = (self.end - self.position).min(buffer.len() as u64) as usize;
        if left == 0 {
            return Ok(0);
        }
        let read = self.file.read_at(&mut buffer[..left], self.position)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += read as u64;
        Ok(read)
    }
}
