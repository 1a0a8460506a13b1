//! The configuration: one TOML file, every field with a default, unknown fields refused with their line. `default-config` prints
//! [`DEFAULT`], which says the same as no file at all.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// Bytes of a configuration file.
const MAX_CONFIG: u64 = 1 << 20;

/// The commented file that `default-config` prints.
pub const DEFAULT: &str = include_str!("default-config.toml");

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no configuration.
    #[error("{} is no configuration: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line.
        reason: String,
    },
}

impl ConfigError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "server.config-read",
            Self::Malformed { .. } => "server.config-malformed",
        }
    }
}

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where sticks and people ask.
    pub listen: SocketAddr,
    /// Where Prometheus and the load balancer ask, without TLS.
    pub metrics_listen: SocketAddr,
    /// Names and addresses in the server's certificate.
    pub names: Vec<String>,
    /// The folder of SQLite, of objects, and of the CA.
    pub data: PathBuf,
    /// The CA's folder, if it is not in `data`.
    pub ca: Option<PathBuf>,
    /// A file with the address of PostgreSQL; without it SQLite in `data`.
    pub postgres: Option<Postgres>,
    /// A bucket for objects; without it a folder in `data`.
    pub s3: Option<S3>,
    /// Leases.
    pub leases: Leases,
    /// Hours from one pruning to the next; 0: only when asked.
    pub prune_every_hours: u64,
    /// How much one may store.
    pub quotas: Quotas,
    /// How often one may ask.
    pub rates: Rates,
    /// How much at once.
    pub most: Most,
}

/// PostgreSQL.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// A file with `postgres://user:password@host/database`.
    pub url_file: PathBuf,
    /// Connections of this replica.
    #[serde(default = "connections")]
    pub connections: u32,
}

fn connections() -> u32 {
    16
}

/// A bucket.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// Its name.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// Its address, if it is not Amazon's.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Whether the address may be without TLS.
    #[serde(default)]
    pub allow_http: bool,
    /// A file with certificates, PEM, that vouch for the address beside those the system trusts.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether whoever asks for it gets an object from the bucket itself, by an address that is good for some minutes.
    #[serde(default)]
    pub direct: bool,
    /// A file with the access key.
    pub access_key_file: PathBuf,
    /// A file with the secret key.
    pub secret_key_file: PathBuf,
}

impl S3 {
    /// Clients go nowhere without TLS.
    fn check(&self) -> Result<(), String> {
        let is_open = self
            .endpoint
            .as_ref()
            .is_some_and(|endpoint| endpoint.starts_with("http:"));
        match self.direct && is_open {
            true => Err("s3.direct: the bucket's address has to be https".to_owned()),
            false => Ok(()),
        }
    }
}

/// Fewest days that a lease lasts, if IT does not say otherwise: a company that is down for weeks must lock nobody out.
const LEASE_DAYS: u64 = 30;
/// Most days that any of them may be: 100 years.
const MOST_DAYS: u64 = 36_500;

/// Leases of sticks.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Leases {
    /// Days that one lasts.
    pub days: u64,
    /// Days until a stick renews it.
    pub renew_after_days: u64,
    /// Days before its end that the person is told.
    pub warn_days: u64,
    /// Whether one may last less than 30 days.
    pub short: bool,
}

/// How much one may store.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// A stick.
    pub stick_bytes: u64,
    /// A workspace.
    pub workspace_bytes: u64,
    /// All sticks and workspaces of a tenant.
    pub tenant_bytes: u64,
}

/// How often one may ask: so many a second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// A stick.
    pub stick: Rate,
    /// A tenant: its sticks and people together.
    pub tenant: Rate,
    /// An address that asks without certificate or token.
    pub address: Rate,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests a second, in the long run.
    pub a_second: u32,
    /// Requests at once.
    pub burst: u32,
}

/// How much at once.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Most {
    /// Connections.
    pub connections: usize,
    /// Bodies held in memory: each at most as large as the largest request.
    pub bodies: usize,
    /// Requests that wait for a newer point.
    pub waits: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            metrics_listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            data: PathBuf::from("gobag-server-data"),
            ca: None,
            postgres: None,
            s3: None,
            prune_every_hours: 0,
            leases: Leases::default(),
            quotas: Quotas::default(),
            rates: Rates::default(),
            most: Most::default(),
        }
    }
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            days: 45,
            renew_after_days: 1,
            warn_days: 10,
            short: false,
        }
    }
}

impl Leases {
    fn check(&self) -> Result<(), String> {
        if self.days < LEASE_DAYS && !self.short {
            return Err(format!(
                "leases.days: {} days are fewer than {LEASE_DAYS}; if the company may never be down for so long, set leases.short = true",
                self.days
            ));
        }
        match self.days <= MOST_DAYS && self.renew_after_days < self.days && self.warn_days < self.days {
            true => Ok(()),
            false => Err(format!(
                "leases: renew_after_days and warn_days are fewer than days, and days at most {MOST_DAYS}"
            )),
        }
    }
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            stick_bytes: 512 << 30,
            workspace_bytes: 512 << 30,
            tenant_bytes: 64 << 40,
        }
    }
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |a_second, burst| Rate { a_second, burst };
        Self {
            stick: rate(100, 1000),
            tenant: rate(5000, 20_000),
            address: rate(5, 50),
        }
    }
}

impl Default for Most {
    fn default() -> Self {
        Self {
            connections: 4096,
            bodies: 64,
            waits: 1024,
        }
    }
}

impl Config {
    /// What `file` says, or what no file says.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = file else {
            return Ok(Self::default());
        };
        let text = read_small(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|reason| ConfigError::Malformed {
            path: path.to_owned(),
            reason,
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self =
            toml_edit::de::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        config.leases.check()?;
        if let Some(s3) = &config.s3 {
            s3.check()?;
        }
        Ok(config)
    }

    /// The CA's folder.
    pub fn ca_folder(&self) -> PathBuf {
        self.ca.clone().unwrap_or_else(|| self.data.join("ca"))
    }

    /// The database where it is SQLite.
    pub fn sqlite_file(&self) -> PathBuf {
        let file = self.data.join("gobag.sqlite");
        std::path::absolute(&file).unwrap_or(file)
    }
}

/// A secret in a file, without the line's end.
pub(crate) fn read_secret(path: &Path) -> Result<String, ConfigError> {
    match read_small(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(source) => Err(ConfigError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn read_small(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MAX_CONFIG)
        .read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_file_says_what_no_file_says() {
        assert_eq!(Config::parse(DEFAULT).unwrap(), Config::default());
        assert_eq!(Config::parse("").unwrap(), Config::default());
        // What is commented out in it can be used as it stands.
        let all: String = DEFAULT
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n");
        let all = Config::parse(&all).unwrap();
        assert!(all.s3.is_some() && all.postgres.is_some() && all.ca.is_some());
    }

    #[test]
    fn what_is_misspelt_is_told_with_its_line() {
        let error = Config::parse("listen = \"0.0.0.0:1\"\nlisten_metrics = 1\n").unwrap_err();
        assert!(
            error.contains("line 2") && error.contains("listen_metrics"),
            "{error}"
        );
        assert!(
            Config::parse("[leases]\ndays = 29")
                .unwrap_err()
                .contains("short")
        );
        assert!(Config::parse("[leases]\ndays = 3\nshort = true\nwarn_days = 1").is_ok());
        assert!(Config::parse("[leases]\nwarn_days = 45").is_err());
        assert!(Config::parse("[leases]\ndays = 99999999999").is_err());
        let bucket =
            "[s3]\nbucket = 'b'\nregion = 'r'\naccess_key_file = 'a'\nsecret_key_file = 's'\ndirect = true\n";
        assert!(Config::parse(bucket).is_ok());
        assert!(
            Config::parse(&format!("{bucket}endpoint = 'http://s3'\n"))
                .unwrap_err()
                .contains("https")
        );
        assert!(Config::parse("[rates]\nstick = { a_second = -1, burst = 1 }").is_err());
    }
}
