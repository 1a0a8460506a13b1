//! Digests as OCI and docker write them, and a reader that does not let the last byte pass before they fit.

use std::{
    fmt,
    io::{self, Read},
    str::FromStr,
};

use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256, Sha512};

/// The digest of a blob; holding one means that it is well formed, so it is safe as a file name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Digest {
    Sha256([u8; 32]),
    Sha512([u8; 64]),
}

impl Digest {
    /// `sha256` or `sha512`.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
        }
    }

    /// The hexadecimal part.
    pub(crate) fn hex(&self) -> String {
        let bytes: &[u8] = match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What docker archives use as a name: 64 hexadecimal digits, without the algorithm.
    pub(crate) fn from_sha256_hex(hex: &str) -> Option<Self> {
        parse_hex(hex).map(Self::Sha256)
    }

    /// The digest of these bytes, of the same kind as this one.
    pub(crate) fn of_same_kind(&self, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::for_kind_of(self);
        hasher.update(bytes);
        hasher.finish()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.hex())
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = match text.split_once(':') {
            Some(("sha256", hex)) => parse_hex(hex).map(Self::Sha256),
            Some(("sha512", hex)) => parse_hex(hex).map(Self::Sha512),
            _ => None,
        };
        parsed.ok_or_else(|| format!("not a sha256 or sha512 digest: {}", text.escape_debug()))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Lower-case hexadecimal digits of exactly `N` bytes, as the OCI specification wants them.
fn parse_hex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if hex.len() != 2 * N || !hex.bytes().all(lower) {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Bytes are not those that a digest or a size promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestMismatch {
    /// The digest differs.
    #[error("digest is {found}, not {expected}")]
    Digest {
        /// As promised.
        expected: String,
        /// As found.
        found: String,
    },
    /// The number of bytes differs.
    #[error("size is not {expected} bytes")]
    Size {
        /// As promised.
        expected: u64,
    },
}

enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    fn for_kind_of(digest: &Digest) -> Self {
        match digest {
            Digest::Sha256(_) => Self::Sha256(Sha256::new()),
            Digest::Sha512(_) => Self::Sha512(Sha512::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest::Sha256(hasher.finalize().into()),
            Self::Sha512(hasher) => Digest::Sha512(hasher.finalize().into()),
        }
    }
}

/// Passes `R` through; at its end, and when more comes than `size` allows, the digest decides whether that is an error.
pub(crate) struct Verified<R> {
    inner: R,
    expected: Digest,
    size: Option<u64>,
    passed: u64,
    hasher: Option<Hasher>,
}

impl<R: Read> Verified<R> {
    pub(crate) fn new(inner: R, expected: Digest, size: Option<u64>) -> Self {
        let hasher = Some(Hasher::for_kind_of(&expected));
        Self {
            inner,
            expected,
            size,
            passed: 0,
            hasher,
        }
    }

    fn check_size(&self, at_end: bool) -> io::Result<()> {
        match self.size {
            Some(size) if self.passed > size || (at_end && self.passed < size) => {
                Err(io::Error::other(DigestMismatch::Size { expected: size }))
            }
            _ => Ok(()),
        }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.passed += read as u64;
        if read > 0 || buffer.is_empty() {
            self.check_size(false)?;
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..read]);
            }
            return Ok(read);
        }
        self.check_size(true)?;
        let found = self.hasher.take().map(Hasher::finish);
        match found {
            Some(found) if found != self.expected => Err(io::Error::other(DigestMismatch::Digest {
                expected: self.expected.to_string(),
                found: found.to_string(),
            })),
            _ => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn only_well_formed_digests_are_taken() {
        let digest: Digest = ABC.parse().unwrap();
        assert_eq!(digest.to_string(), ABC);
        assert!(ABC.to_uppercase().parse::<Digest>().is_err());
        assert!("md5:900150983cd24fb0d6963f7d28e17f72".parse::<Digest>().is_err());
        assert!("sha256:../../../etc/passwd".parse::<Digest>().is_err());
        assert!(ABC[..ABC.len() - 1].parse::<Digest>().is_err());
    }

    #[test]
    fn the_last_read_tells() {
        let read = |bytes: &'static [u8], size| {
            let mut all = Vec::new();
            let digest = ABC.parse().unwrap();
            Verified::new(bytes, digest, size)
                .read_to_end(&mut all)
                .map_err(|error| error.to_string())
        };
        assert_eq!(read(b"abc", Some(3)), Ok(3));
        assert_eq!(read(b"abc", None), Ok(3));
        assert!(read(b"abd", Some(3)).unwrap_err().contains("not sha256:ba78"));
        assert_eq!(read(b"abc", Some(2)).unwrap_err(), "size is not 2 bytes");
        assert_eq!(read(b"abc", Some(4)).unwrap_err(), "size is not 4 bytes");
    }
}
