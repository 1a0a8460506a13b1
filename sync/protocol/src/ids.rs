//! Names on the wire. Every one is checked where it is read, so that what has the type has the form.

use std::fmt;

pub use gobag_format::{
    digest::Digest,
    ids::{BundleId, OrgId, WorkspaceId},
    sign::VerifyingKey,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{MAX_GROUP_NAME, MAX_LINE_NAME, MAX_PERSON_NAME, MAX_TENANT_NAME, MAX_WORKSPACE_NAME};

/// An object: the BLAKE3 digest of its sealed bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectId(pub Digest);

impl ObjectId {
    /// The id of these sealed bytes.
    pub fn of(sealed: &[u8]) -> Self {
        Self(Digest::of(sealed))
    }

    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        Digest::parse(text).map(Self)
    }

    /// The digest's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One attempt at something: drawn by the stick, the same when it tries again. 16 bytes, 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestId(pub [u8; 16]);

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The text form of 16 bytes is written in one place.
        serializer.collect_str(&BundleId(self.0))
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BundleId::deserialize(deserializer).map(|id| Self(id.0))
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(String);

        impl $name {
            /// Reads it; `None` if it does not have the form.
            pub fn parse(text: &str) -> Option<Self> {
                let valid: fn(&str) -> bool = $valid;
                valid(text).then(|| Self(text.to_owned()))
            }

            /// Its text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom($what))
            }
        }
    };
}

name!(
    /// One history of a stick: `volumes`, `files`.
    LineName,
    "the name of a line has 1 to 64 of a-z, 0-9, `:` and `-`",
    |text| of(text, MAX_LINE_NAME, |byte| plain(byte) || byte == b':')
);
name!(
    /// One customer of the server.
    TenantName,
    "the name of a tenant has 1 to 32 of a-z, 0-9 and `-`",
    |text| of(text, MAX_TENANT_NAME, plain)
);
name!(
    /// A group of sticks, by which officers extend leases.
    GroupName,
    "the name of a group has 1 to 64 of a-z, 0-9 and `-`",
    |text| of(text, MAX_GROUP_NAME, plain)
);
name!(
    /// A workspace, as IT calls it.
    WorkspaceName,
    "the name of a workspace has 1 to 64 of a-z, 0-9 and `-`",
    |text| of(text, MAX_WORKSPACE_NAME, plain)
);
name!(
    /// A person, as IT calls them: one line of text.
    PersonName,
    "the name of a person is one line of 1 to 128 bytes",
    |text| {
        let fits = !text.is_empty() && text.len() <= MAX_PERSON_NAME && text.trim() == text;
        fits && !text.chars().any(char::is_control)
    }
);

impl Default for GroupName {
    /// Of sticks that IT put into no other.
    fn default() -> Self {
        Self("everyone".to_owned())
    }
}

fn of(text: &str, most: usize, valid: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.len() <= most && text.bytes().all(valid)
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_objects_id_is_the_digest_of_its_bytes() {
        // BLAKE3 of nothing, from its test vectors.
        let text = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(ObjectId::of(b"").to_string(), text);
        assert_eq!(ObjectId::parse(text), Some(ObjectId::of(b"")));
        for bad in ["", "af13", &text[1..], &text.replace('a', "g")] {
            assert_eq!(ObjectId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_that_could_be_paths_or_lines_are_none() {
        for (text, is_line, is_tenant) in [
            ("volumes", true, true),
            ("files:home-1", true, false),
            ("", false, false),
            ("..", false, false),
            ("a/b", false, false),
            ("A", false, false),
            ("a b", false, false),
            ("a\n", false, false),
            ("ä", false, false),
        ] {
            assert_eq!(LineName::parse(text).is_some(), is_line, "{text:?}");
            assert_eq!(TenantName::parse(text).is_some(), is_tenant, "{text:?}");
        }
        assert!(LineName::parse(&"x".repeat(64)).is_some());
        assert!(LineName::parse(&"x".repeat(65)).is_none());
        assert!(TenantName::parse(&"x".repeat(33)).is_none());
        assert!(PersonName::parse("Ada Lovelace").is_some());
        assert!(PersonName::parse(" Ada").is_none() && PersonName::parse("A\u{1b}[2J").is_none());
    }

    proptest! {
        #[test]
        fn a_request_survives_its_text(bytes: [u8; 16]) {
            let text = serde_json::to_string(&RequestId(bytes)).unwrap();
            prop_assert_eq!(text.len(), 34);
            prop_assert_eq!(serde_json::from_str::<RequestId>(&text).unwrap(), RequestId(bytes));
        }
    }
}
