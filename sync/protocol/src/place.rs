//! Where a workspace is kept that is not at the company's server, as a person writes it and a letter carries it, and what it takes to get in.
//!
//! ```text
//! /srv/share/sales                                          a folder, also one that a network file system has mounted
//! s3://BUCKET/PREFIX?region=eu-central-1&endpoint=https://s3.example:9000
//! sftp://ada@files.example:22/srv/sales                     by this user's own `ssh`
//! webdavs://files.example/dav/sales                         `webdav:` without TLS
//! ```
//!
//! Nothing is decoded and nothing guessed: a character that would mean something to a shell, to `ssh` or in an address is refused.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroize;

use crate::limits::{MAX_CREDENTIAL, MAX_PLACE};

/// The region where none is said: what most services other than Amazon's take for theirs.
const REGION: &str = "us-east-1";

/// Where a workspace is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// A folder, by its whole path.
    Folder(String),
    /// A bucket.
    S3 {
        /// Its name.
        bucket: String,
        /// What the names of all objects begin with.
        prefix: String,
        /// Where it is, in words of the service.
        region: String,
        /// Who serves it; none: Amazon.
        endpoint: Option<Host>,
    },
    /// A folder that `ssh` reaches.
    Sftp {
        /// Who asks; none: whom the configuration of `ssh` names.
        user: Option<String>,
        /// Who answers, or what the configuration of `ssh` calls it.
        host: String,
        /// Where it listens; none: where the configuration says.
        port: Option<u16>,
        /// The folder, by its whole path.
        path: String,
    },
    /// A folder that a web server has.
    WebDav {
        /// The server.
        host: Host,
        /// The folder, by its whole path.
        path: String,
    },
}

/// Who answers HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Whether by TLS.
    pub secure: bool,
    /// Name and perhaps port.
    pub name: String,
}

impl Host {
    /// Whether it is this computer, to which nobody listens.
    pub fn is_here(&self) -> bool {
        let name = match self.name.rsplit_once(':') {
            Some((name, _)) => name,
            None => &self.name,
        };
        matches!(name, "127.0.0.1" | "localhost")
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(out, "{scheme}://{}", self.name)
    }
}

/// Why a text names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// It begins as none does.
    #[error("a place begins with `/`, `s3://`, `sftp://`, `webdavs://` or `webdav://`")]
    Kind,
    /// Longer than any.
    #[error("the place is too long")]
    Long,
    /// A host's name or port, a user's or bucket's name.
    #[error(
        "the name of a host, user or bucket has only a-z, A-Z, 0-9, `.`, `-` and `_`, and begins with a letter or digit"
    )]
    Name,
    /// A path.
    #[error(
        "the path has to begin at the top, without `..`, and without characters that mean something in an address"
    )]
    Path,
    /// Behind the `?`.
    #[error("behind `?` there is `region=…` and `endpoint=https://…`, and nothing else")]
    Query,
}

impl PlaceError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        "place.malformed"
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        if text.len() > MAX_PLACE {
            return Err(PlaceError::Long);
        }
        if text.starts_with('/') {
            let is_plain = !text.chars().any(char::is_control) && !text.split('/').any(|part| part == "..");
            return is_plain
                .then(|| Self::Folder(text.to_owned()))
                .ok_or(PlaceError::Path);
        }
        let (scheme, rest) = text.split_once("://").ok_or(PlaceError::Kind)?;
        match scheme {
            "s3" => s3(rest),
            "sftp" => sftp(rest),
            "webdav" | "webdavs" => {
                let (name, path) = split_path(rest)?;
                let host = host(name, scheme == "webdavs")?;
                Ok(Self::WebDav { host, path })
            }
            _ => Err(PlaceError::Kind),
        }
    }
}

fn s3(rest: &str) -> Result<Place, PlaceError> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, prefix) = split_path(rest)?;
    let (mut region, mut endpoint) = (REGION.to_owned(), None);
    for word in query.split('&').filter(|word| !word.is_empty()) {
        match word.split_once('=').ok_or(PlaceError::Query)? {
            ("region", value) => region = name(value)?,
            ("endpoint", value) => {
                endpoint = Some(match value.split_once("://").ok_or(PlaceError::Query)? {
                    ("https", value) => host(value, true)?,
                    ("http", value) => host(value, false)?,
                    _ => return Err(PlaceError::Query),
                })
            }
            _ => return Err(PlaceError::Query),
        }
    }
    Ok(Place::S3 {
        bucket: name(bucket)?,
        prefix,
        region,
        endpoint,
    })
}

fn sftp(rest: &str) -> Result<Place, PlaceError> {
    let (authority, path) = split_path(rest)?;
    let (user, authority) = match authority.rsplit_once('@') {
        Some((user, authority)) => (Some(name(user)?), authority),
        None => (None, authority),
    };
    let (host, port) = split_port(authority)?;
    Ok(Place::Sftp {
        user,
        host: name(host)?,
        port,
        path,
    })
}

/// What is before the first `/`, and a path that leads only down.
fn split_path(text: &str) -> Result<(&str, String), PlaceError> {
    let (before, path) = text.split_once('/').unwrap_or((text, ""));
    let path = path.trim_end_matches('/');
    let is_plain = |character: char| !character.is_control() && !r#"?#%\"'<>|*"#.contains(character);
    let is_way_down = |part: &str| !matches!(part, "" | "." | "..");
    match path.is_empty() || (path.chars().all(is_plain) && path.split('/').all(is_way_down)) {
        true => Ok((before, format!("/{path}"))),
        false => Err(PlaceError::Path),
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), PlaceError> {
    match text.split_once(':') {
        Some((name, port)) => Ok((name, Some(port.parse().map_err(|_| PlaceError::Name)?))),
        None => Ok((text, None)),
    }
}

fn host(text: &str, secure: bool) -> Result<Host, PlaceError> {
    let (only, _) = split_port(text)?;
    name(only)?;
    let name = text.to_owned();
    Ok(Host { secure, name })
}

/// No word that `ssh` would take for an option, or a shell for more.
fn name(text: &str) -> Result<String, PlaceError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let begins = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    match begins && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(PlaceError::Name),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(out, "{path}"),
            Self::S3 {
                bucket,
                prefix,
                region,
                endpoint,
            } => {
                write!(out, "s3://{bucket}{prefix}?region={region}")?;
                match endpoint {
                    Some(endpoint) => write!(out, "&endpoint={endpoint}"),
                    None => Ok(()),
                }
            }
            Self::Sftp {
                user,
                host,
                port,
                path,
            } => {
                let user = user.as_ref().map_or(String::new(), |user| format!("{user}@"));
                let port = port.map_or(String::new(), |port| format!(":{port}"));
                write!(out, "sftp://{user}{host}{port}{path}")
            }
            Self::WebDav { host, path } => {
                let scheme = if host.secure { "webdavs" } else { "webdav" };
                write!(out, "{scheme}://{}{path}", host.name)
            }
        }
    }
}

impl TryFrom<String> for Place {
    type Error = PlaceError;

    fn try_from(text: String) -> Result<Self, PlaceError> {
        text.parse()
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

/// What a bucket or a web server asks of whoever comes. A secret: it shows itself to nobody.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The id of the access key; or the user.
    pub name: String,
    /// The secret access key; or the password.
    pub secret: String,
    /// The token of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.session.zeroize();
    }
}

impl Credentials {
    /// Reads a file of lines `name = …`, `secret = …` and perhaps `session = …`; empty lines and such that begin with `#` say nothing. None: it is no such
    /// file; where not is not told, for there are secrets in it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut read = Self {
            name: String::new(),
            secret: String::new(),
            session: None,
        };
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (word, value) = line.split_once('=')?;
            let value = value.trim();
            if value.len() > MAX_CREDENTIAL || value.chars().any(char::is_control) {
                return None;
            }
            match word.trim() {
                "name" => read.name = value.to_owned(),
                "secret" => read.secret = value.to_owned(),
                "session" => read.session = Some(value.to_owned()),
                _ => return None,
            }
        }
        (!read.name.is_empty() && !read.secret.is_empty()).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for text in [
            "/srv/share/the sales",
            "s3://sales/gobag?region=eu-central-1",
            "s3://sales/?region=us-east-1&endpoint=http://127.0.0.1:9000",
            "sftp://ada@files.example:2222/srv/sales",
            "sftp://files/srv",
            "webdavs://files.example:8443/dav/sales",
            "webdav://localhost/dav",
        ] {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
        }
        assert_eq!(
            "s3://b".parse::<Place>().unwrap().to_string(),
            "s3://b/?region=us-east-1"
        );
    }

    #[test]
    fn what_would_mean_more_is_refused() {
        for text in [
            "",
            "srv/share",
            "/srv/../etc",
            "/srv/\n",
            "ftp://files/srv",
            "sftp://-oProxyCommand=x/srv",
            "sftp://-l@files/srv",
            "sftp://files:99999/srv",
            "sftp://fi les/srv",
            "sftp://files/srv/../etc",
            "webdavs://files/a//b",
            "webdavs://files/a%2e%2e",
            "webdavs://ada:secret@files/dav",
            "s3://b/p?endpoint=ftp://x",
            "s3://b/p?profile=admin",
            "s3://b/p?endpoint=https://user@host",
            &format!("/{}", "a".repeat(MAX_PLACE)),
        ] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }

    #[test]
    fn credentials_are_lines_and_nothing_else() {
        let read = Credentials::parse("# of the bucket\nname = AKIA\n\nsecret=a=b \n").unwrap();
        assert_eq!((read.name.as_str(), read.secret.as_str()), ("AKIA", "a=b"));
        for bad in ["", "name = x", "name = x\nsecret = y\nprofile = z", "words"] {
            assert!(Credentials::parse(bad).is_none(), "{bad}");
        }
    }
}
