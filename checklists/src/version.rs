//! Version numbers of the programs we depend on: compared by number, never as text (`10` is newer than `9`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A `major.minor.patch` version; missing parts count as zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

impl Version {
    /// Builds a version from its numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
}

/// The text is not a version number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a version number like 7.2.22")]
pub struct VersionError {
    /// The refused text.
    text: String,
}

impl VersionError {
    /// Stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "checklist.bad-version"
    }
}

impl FromStr for Version {
    type Err = VersionError;

    /// Accepts one to three numbers with dots between them, and nothing else.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let refused = || VersionError {
            text: text.chars().take(40).collect(),
        };
        let mut numbers = [0_u32; 3];
        for (index, part) in text.split('.').enumerate() {
            let number = numbers.get_mut(index).ok_or_else(refused)?;
            // `parse` alone would take a leading plus sign.
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(refused());
            }
            *number = part.parse().map_err(|_| refused())?;
        }
        Ok(Self::new(numbers[0], numbers[1], numbers[2]))
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_a_version_and_nothing_else() {
        for (text, expected) in [
            ("7.2.22", Some(Version::new(7, 2, 22))),
            ("10.0", Some(Version::new(10, 0, 0))),
            ("9", Some(Version::new(9, 0, 0))),
            ("", None),
            ("7.", None),
            ("7..2", None),
            ("7.2.22.1", None),
            ("+7.2", None),
            ("7.2-rc1", None),
            (" 7.2", None),
            ("99999999999.0", None),
        ] {
            assert_eq!(text.parse::<Version>().ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn ten_is_newer_than_nine() {
        assert!(Version::new(10, 0, 0) > Version::new(9, 2, 4));
        assert!(Version::new(7, 2, 10) > Version::new(7, 2, 9));
    }

    #[test]
    fn the_error_names_the_text_but_not_all_of_it() {
        let error = "x".repeat(500).parse::<Version>().expect_err("not a version");
        assert!(error.to_string().len() < 100);
        assert_eq!(error.code(), "checklist.bad-version");
    }
}
