//! Reaching a place: from what a person wrote to a service of OpenDAL's. Nothing is taken from the environment but proxies, which the HTTP library asks it for,
//! nor from files that other programs keep keys in; only `ssh` reads its own configuration.

use std::path::PathBuf;

use gobag_format::ids::BundleId;
use gobag_protocol::place::{Credentials, Place};
use opendal::{Operator, services};

use crate::{ElsewhereError, calls::Calls};

/// A place, and what it takes to get in.
#[derive(Clone)]
pub struct Access {
    /// Where.
    pub place: Place,
    /// None: nothing is asked there, or `ssh` has it.
    pub credentials: Option<Credentials>,
}

/// Which member this is.
#[derive(Debug, Clone)]
pub struct Me {
    /// A number of its own.
    pub member: BundleId,
    /// By what name it goes, for people.
    pub name: String,
}

impl Access {
    /// Whether it is of a kind that may honour conditions.
    pub fn may_be_conditional(&self) -> bool {
        matches!(self.place, Place::S3 { .. })
    }

    pub(crate) fn calls(&self) -> Result<Calls, ElsewhereError> {
        opendal::install_default();
        let place = self.place.to_string();
        let folder = match &self.place {
            // OpenDAL would make it: where a share is not mounted, nothing is to be made.
            Place::Folder(path) if !PathBuf::from(path).is_dir() => {
                return Err(ElsewhereError::NotThere { place });
            }
            Place::Folder(path) => Some(PathBuf::from(path)),
            Place::WebDav { host, .. } if self.credentials.is_some() && !host.secure && !host.is_here() => {
                return Err(ElsewhereError::Plain { place });
            }
            _ => None,
        };
        let operator = self.operator().map_err(|error| ElsewhereError::Setup {
            place: place.clone(),
            source: Box::new(error),
        })?;
        Calls::new(operator, place, folder)
    }

    fn operator(&self) -> Result<Operator, opendal::Error> {
        let credentials = self.credentials.as_ref();
        match &self.place {
            Place::Folder(path) => Operator::new(services::Fs::default().root(path)),
            Place::S3 {
                bucket,
                prefix,
                region,
                endpoint,
            } => {
                let endpoint = match endpoint {
                    Some(endpoint) => endpoint.to_string(),
                    None => format!("https://s3.{region}.amazonaws.com"),
                };
                let mut service = services::S3::default()
                    .bucket(bucket)
                    .root(prefix)
                    .region(region)
                    .endpoint(&endpoint)
                    .disable_config_load()
                    .disable_ec2_metadata();
                service = match credentials {
                    Some(credentials) => service
                        .access_key_id(&credentials.name)
                        .secret_access_key(&credentials.secret),
                    None => service.skip_signature(),
                };
                if let Some(session) = credentials.and_then(|credentials| credentials.session.as_ref()) {
                    service = service.session_token(session);
                }
                Operator::new(service)
            }
            Place::Sftp {
                user,
                host,
                port,
                path,
            } => {
                let port = port.map_or(String::new(), |port| format!(":{port}"));
                let service = services::Sftp::default()
                    .endpoint(&format!("ssh://{host}{port}"))
                    .root(path)
                    .known_hosts_strategy("strict");
                Operator::new(match user {
                    Some(user) => service.user(user),
                    None => service,
                })
            }
            Place::WebDav { host, path } => {
                let mut service = services::Webdav::default().endpoint(&host.to_string()).root(path);
                if let Some(credentials) = credentials {
                    service = service.username(&credentials.name).password(&credentials.secret);
                }
                Operator::new(service)
            }
        }
    }
}
