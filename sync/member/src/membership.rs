//! Who this is to the company, and the workspaces whose keys it has.

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_client::{Backoff, Client, ClientError, Identity, Options};
use gobag_format::{
    crypto::{Key, Random, random_bytes},
    ids::{BundleId, OrgId, WorkspaceId},
    sign::SigningKey,
};
use gobag_protocol::{
    enrol::{EnrolRequest, Enrolled},
    ids::TenantName,
    lease::CertificateRequest,
    letter::EnrolmentLetter,
    workspace_letter::WorkspaceLetter,
};

use crate::{
    MemberError,
    kept::{Company, Elsewhere, Joined, Kept, Proved, file_error},
};

/// How often each address is asked.
const TRIES: u32 = 3;
/// Seconds before its end from which a certificate is renewed.
const CERTIFICATE_DUE_S: u64 = 24 * 3600;

/// What is kept of a member: in a folder of its own, or elsewhere by whoever asks.
pub struct Membership {
    /// None: what changes is in memory alone.
    folder: Option<PathBuf>,
    kept: Kept,
}

/// Who somebody is to a company that knows them already, such as a stick.
pub struct Known {
    /// Where the company answers, `host:port`.
    pub servers: Vec<String>,
    /// Who vouches for its servers, PEM.
    pub ca: String,
    /// What the company is called there.
    pub tenant: TenantName,
    /// Which stick it is.
    pub bundle: BundleId,
    /// Its organisation.
    pub org: OrgId,
    /// What its key comes from.
    pub seed: Key,
    /// Its certificate, PEM; one that has ended is renewed by the key.
    pub certificate: String,
    /// When that ends, seconds since 1970 UTC.
    pub certificate_ends_s: u64,
}

impl Membership {
    /// Opens the folder; one that is not there is made.
    pub fn open(folder: &Path) -> Result<Self, MemberError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| file_error(folder, source))?;
        Ok(Self {
            folder: Some(folder.to_owned()),
            kept: Kept::read(folder)?,
        })
    }

    /// A member that is kept elsewhere: nothing of it is written, and a renewed certificate is gone with this.
    pub fn of(known: Option<Known>, workspaces: Vec<Joined>) -> Self {
        let company = known.map(|known| Company {
            servers: known.servers,
            ca: known.ca,
            tenant: known.tenant,
            bundle: known.bundle,
            org: known.org,
            seed: known.seed,
            certificate: Some(known.certificate),
            certificate_ends_s: known.certificate_ends_s,
        });
        Self {
            folder: None,
            kept: Kept::of(company, workspaces),
        }
    }

    /// Makes this member known to the company, by a letter whose token counts once, and again with the same key for as long as the letter does: so whatever is
    /// cut here, doing it again works; until it is through, who this was before counts. Gives the server that answered.
    pub fn enrol(&mut self, letter: &EnrolmentLetter, random: &dyn Random) -> Result<String, MemberError> {
        let known = [&self.kept.begun, &self.kept.company].into_iter().flatten();
        // By the same key: the answer may have got lost, or somebody runs it twice.
        let known = known.into_iter().find(|company| company.bundle == letter.bundle);
        let mut company = match known {
            Some(company) => company.clone(),
            None => Company {
                servers: Vec::new(),
                ca: String::new(),
                tenant: TenantName::parse("unknown").expect("it has the form of one"),
                bundle: letter.bundle,
                // Of leases, which a member needs none of.
                org: OrgId(random_bytes(random)),
                seed: Key::generate(random),
                certificate: None,
                certificate_ends_s: 0,
            },
        };
        company.servers.clone_from(&letter.servers);
        company.ca.clone_from(&letter.ca);
        self.change(|kept| kept.begun = Some(company.clone()))?;
        let key = SigningKey::from_seed(&company.seed);
        let request = EnrolRequest::sign(letter.token.clone(), company.bundle, company.org, &key);
        let (server, enrolled) = first_that_answers(&company, random, |client| {
            client.hello()?;
            client.enrol(&request)
        })?;
        let Enrolled {
            tenant,
            certificate,
            certificate_ends_s,
            ..
        } = enrolled;
        let company = Company {
            tenant,
            certificate: Some(certificate),
            certificate_ends_s,
            ..company
        };
        self.change(|kept| {
            kept.company = Some(company);
            kept.begun = None;
        })?;
        Ok(server)
    }

    /// Keeps the key of a workspace, and, if it is kept elsewhere, where, and how one gets in there. Joined again, it is the same member.
    pub fn join(&mut self, letter: &WorkspaceLetter, random: &dyn Random) -> Result<(), MemberError> {
        let before = self
            .kept
            .workspaces
            .iter()
            .find(|known| known.workspace == letter.workspace)
            .and_then(|known| known.elsewhere.as_ref());
        let elsewhere = letter.place.clone().map(|place| Elsewhere {
            place,
            credentials: letter.credentials.clone().or_else(|| {
                // Only for the place that they are of: whoever has the letter could name another.
                let same = before.filter(|before| Some(&before.place) == letter.place.as_ref());
                same.and_then(|before| before.credentials.clone())
            }),
            member: before.map_or_else(|| BundleId::generate(random), |before| before.member),
            proved: None,
            later: serde_json::Map::new(),
        });
        let joined = Joined {
            workspace: letter.workspace,
            name: letter.name.clone(),
            key: letter.key.clone(),
            elsewhere,
            later: serde_json::Map::new(),
        };
        let known = self
            .kept
            .workspaces
            .iter()
            .find(|known| known.name == joined.name);
        let same = self
            .kept
            .workspaces
            .iter()
            .find(|known| known.workspace == joined.workspace);
        let is_other_key = same.is_some_and(|known| known.key.expose() != joined.key.expose());
        if is_other_key || known.is_some_and(|known| known.workspace != joined.workspace) {
            let name = joined.name.to_string();
            return Err(MemberError::OtherJoined { name });
        }
        self.change(|kept| {
            kept.workspaces
                .retain(|known| known.workspace != joined.workspace);
            kept.workspaces.push(joined);
        })
    }

    /// Forgets a workspace: its key is kept no longer.
    pub fn leave(&mut self, workspace: WorkspaceId) -> Result<(), MemberError> {
        self.change(|kept| kept.workspaces.retain(|joined| joined.workspace != workspace))
    }

    /// Remembers how it was proved that a workspace's store keeps to conditions.
    pub fn note_proved(&mut self, workspace: WorkspaceId, proved: Proved) -> Result<(), MemberError> {
        self.change(|kept| {
            let mut joined = kept.workspaces.iter_mut();
            let joined = joined.find(|joined| joined.workspace == workspace);
            if let Some(elsewhere) = joined.and_then(|joined| joined.elsewhere.as_mut()) {
                elsewhere.proved = Some(proved);
            }
        })
    }

    /// The workspace of this name.
    pub fn joined(&self, name: &str) -> Result<&Joined, MemberError> {
        let found = self
            .kept
            .workspaces
            .iter()
            .find(|known| known.name.as_str() == name);
        found.ok_or_else(|| MemberError::NotJoined {
            name: name.to_owned(),
        })
    }

    /// Which stick it is to the company.
    pub fn bundle(&self) -> Option<BundleId> {
        self.kept.company.as_ref().map(|company| company.bundle)
    }

    /// A client of the first server that answers, by a certificate that counts: one that ends soon is renewed. `now_s` is seconds since 1970 UTC by this computer's clock.
    pub fn connect(
        &mut self,
        now_s: u64,
        options: &Options,
        random: &dyn Random,
    ) -> Result<Client, MemberError> {
        let company = self.kept.company.clone().ok_or(MemberError::NotEnrolled)?;
        if company.certificate.is_none() {
            return Err(MemberError::NotEnrolled);
        }
        let company = match company.certificate_ends_s <= now_s.saturating_add(CERTIFICATE_DUE_S) {
            true => self.certify(company, random)?,
            false => company,
        };
        match said_hello(&company, options, random) {
            // The server knows better what day it is.
            Err(ClientError::Certificate { .. } | ClientError::Setup { .. }) => {
                let company = self.certify(company, random)?;
                Ok(said_hello(&company, options, random)?)
            }
            said => Ok(said?),
        }
    }

    fn certify(&mut self, company: Company, random: &dyn Random) -> Result<Company, MemberError> {
        let key = SigningKey::from_seed(&company.seed);
        let request = CertificateRequest::sign(company.tenant.clone(), company.bundle, &key);
        let (_, certified) = first_that_answers(&company, random, |client| client.certificate(&request))?;
        let company = Company {
            certificate: Some(certified.certificate),
            certificate_ends_s: certified.certificate_ends_s,
            ..company
        };
        self.change(|kept| kept.company = Some(company.clone()))?;
        Ok(company)
    }

    /// Changes what is kept, durably; what another program of this member changed meanwhile stays.
    fn change(&mut self, change: impl FnOnce(&mut Kept)) -> Result<(), MemberError> {
        match &self.folder {
            Some(folder) => self.kept = Kept::change(folder, change)?,
            None => change(&mut self.kept),
        }
        Ok(())
    }
}

/// Asks one address after the other, without a certificate.
fn first_that_answers<T>(
    company: &Company,
    random: &dyn Random,
    ask: impl Fn(&Client) -> Result<T, ClientError>,
) -> Result<(String, T), ClientError> {
    each_server(company, |server| {
        let client = Client::new(server, &company.ca, None, Options::default())?;
        let mut backoff = Backoff::new(random, Some(TRIES));
        let answer = client.retry(&mut backoff, &ask)?;
        Ok((server.to_owned(), answer))
    })
}

/// A client with the certificate, of a server that answers it.
fn said_hello(company: &Company, options: &Options, random: &dyn Random) -> Result<Client, ClientError> {
    let identity = company.certificate.as_ref().map(|certificate| Identity {
        certificate: certificate.clone(),
        key: Arc::new(SigningKey::from_seed(&company.seed)),
    });
    each_server(company, |server| {
        let client = Client::new(server, &company.ca, identity.as_ref(), options.clone())?;
        let mut backoff = Backoff::new(random, Some(TRIES));
        client.retry(&mut backoff, Client::hello)?;
        Ok(client)
    })
}

fn each_server<T>(company: &Company, ask: impl Fn(&str) -> Result<T, ClientError>) -> Result<T, ClientError> {
    let mut offline = None;
    for server in &company.servers {
        match ask(server) {
            Err(error) if error.is_transient() => offline = Some(error),
            answered => return answered,
        }
    }
    Err(offline.unwrap_or_else(|| ClientError::Setup {
        reason: "no address of the company's server is known".to_owned(),
    }))
}
