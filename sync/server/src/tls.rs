//! The organisation's CA, the server's certificate, and certificates of sticks. TLS 1.3 alone.
//!
//! The CA is made at the first start and stays: sticks have it pinned. Its key is written and flushed before its certificate, and the
//! certificate's name is given last, so a start that was cut off leaves nothing that looks like a CA.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_protocol::{
    ids::{BundleId, Digest, TenantName, VerifyingKey},
    limits::CERTIFICATE_S,
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use x509_parser::{extensions::GeneralName, prelude::FromDer as _};

use crate::{clock::Clock, secret, store::StickKey};

/// Seconds by which a certificate begins before it is made, for clocks that are behind.
const BEFORE_S: u64 = 3600;
/// Seconds that the CA counts: sticks are enrolled again before.
const CA_S: u64 = 20 * 365 * 24 * 3600;
/// Seconds that the server's certificate counts; made again at each start.
const SERVER_S: u64 = 825 * 24 * 3600;
/// What an Ed25519 public key begins with as SubjectPublicKeyInfo (RFC 8410).
const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Why there is no CA or no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file of the CA.
    #[error("cannot read or write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The CA's files are not what was written there.
    #[error("{} is no certificate or no key", path.display())]
    NoCa {
        /// The file.
        path: PathBuf,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate")]
    Certificate {
        /// What the library said.
        source: rcgen::Error,
    },
    /// A name cannot stand in a certificate.
    #[error("`{name}` cannot stand in a certificate")]
    Name {
        /// The name.
        name: String,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Setup {
        /// What the library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TlsError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "server.ca-file",
            Self::NoCa { .. } => "server.ca-damaged",
            Self::Certificate { .. } => "server.certificate",
            Self::Name { .. } => "server.name",
            Self::Setup { .. } => "server.tls",
        }
    }
}

impl From<rcgen::Error> for TlsError {
    fn from(source: rcgen::Error) -> Self {
        Self::Certificate { source }
    }
}

/// The organisation's CA.
pub struct Ca {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    /// The CA in `folder`, which is made if it is not there.
    pub fn open_or_make(folder: &Path, clock: &Clock) -> Result<Self, TlsError> {
        let certificate = folder.join("ca.pem");
        if !certificate.exists() {
            make(folder, clock)?;
        }
        let read = |path: &Path| {
            std::fs::read_to_string(path).map_err(|source| TlsError::File {
                path: path.to_owned(),
                source,
            })
        };
        let pem = read(&certificate)?;
        let no_ca = |path: PathBuf| move |_| TlsError::NoCa { path };
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| TlsError::NoCa {
            path: certificate.clone(),
        })?;
        let key = folder.join("ca-key.pem");
        let pair = KeyPair::from_pem(&read(&key)?).map_err(no_ca(key))?;
        let issuer = Issuer::from_ca_cert_der(&der, pair).map_err(no_ca(certificate))?;
        Ok(Self { pem, der, issuer })
    }

    /// As sticks get it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What proofs of passphrases are for.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// What enrolment letters say: SHA-256 of the certificate.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.der);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What the server's port does.
    pub fn server(&self, names: &[String], clock: &Clock) -> Result<ServerConfig, TlsError> {
        let setup = |source: Box<dyn std::error::Error + Send + Sync>| TlsError::Setup { source };
        let pair = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(
                    name.as_str()
                        .try_into()
                        .map_err(|_| TlsError::Name { name: name.clone() })?,
                ),
            });
        }
        self.fill(&mut params, "gobag-server", SERVER_S, clock)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&pair, &self.issuer)?;
        let mut roots = RootCertStore::empty();
        roots
            .add(self.der.clone())
            .map_err(|error| setup(Box::new(error)))?;
        let provider = Arc::new(default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(|error| setup(Box::new(error)))?;
        let key = PrivateKeyDer::try_from(pair.serialize_der()).map_err(|error| setup(error.into()))?;
        // Whether a stick's certificate has ended is judged by the clock that it was made by.
        let mut config = ServerConfig::builder_with_details(provider, Arc::new(clock.clone()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| setup(Box::new(error)))?
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![certificate.der().clone(), self.der.clone()], key)
            .map_err(|error| setup(Box::new(error)))?;
        // A resumed session would not look at the certificate's end again.
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// A stick's certificate, PEM, and when it ends.
    pub fn certify(
        &self,
        stick: &StickKey,
        key: &VerifyingKey,
        clock: &Clock,
    ) -> Result<(String, u64), TlsError> {
        let name = format!("spiffe://gobag/{}/stick/{}", stick.tenant, stick.bundle);
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(
            name.as_str()
                .try_into()
                .map_err(|_| TlsError::Name { name: name.clone() })?,
        )];
        let ends_s = self.fill(&mut params, &stick.bundle.to_string(), CERTIFICATE_S, clock)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = SubjectPublicKeyInfo::from_der(&[&ED25519_SPKI[..], &key.0].concat())?;
        Ok((params.signed_by(&key, &self.issuer)?.pem(), ends_s))
    }

    fn fill(
        &self,
        params: &mut CertificateParams,
        name: &str,
        counts_s: u64,
        clock: &Clock,
    ) -> Result<u64, TlsError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        describe(params, name, counts_s, clock)
    }
}

/// Who a certificate says somebody is, that the handshake found to be of our CA.
pub fn who(certificate: &CertificateDer<'_>) -> Option<(StickKey, VerifyingKey)> {
    let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    let [GeneralName::URI(name)] = names.value.general_names.as_slice() else {
        return None;
    };
    let (tenant, bundle) = name.strip_prefix("spiffe://gobag/")?.split_once("/stick/")?;
    let key = parsed.public_key().raw.strip_prefix(&ED25519_SPKI[..])?;
    let stick = StickKey {
        tenant: TenantName::parse(tenant)?,
        bundle: BundleId::parse(bundle)?,
    };
    Some((stick, VerifyingKey(key.try_into().ok()?)))
}

fn describe(
    params: &mut CertificateParams,
    name: &str,
    counts_s: u64,
    clock: &Clock,
) -> Result<u64, TlsError> {
    let now = clock.now_s();
    let time = |seconds: u64| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| TlsError::Certificate {
            source: rcgen::Error::Time,
        })
    };
    params.not_before = time(now.saturating_sub(BEFORE_S))?;
    params.not_after = time(now + counts_s)?;
    let mut serial: [u8; 16] = secret::random().map_err(|error| TlsError::Setup {
        source: Box::new(error),
    })?;
    // A serial number is positive and has no leading zeros.
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(now + counts_s)
}

fn make(folder: &Path, clock: &Clock) -> Result<(), TlsError> {
    let pair = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    describe(&mut params, "Gobag organisation CA", CA_S, clock)?;
    let pem = params.self_signed(&pair)?.pem();
    let file = |path: PathBuf| move |source| TlsError::File { path, source };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(file(folder.to_owned()))?;
    let key = folder.join("ca-key.pem");
    write_private(&key, &pair.serialize_pem()).map_err(file(key))?;
    let certificate = folder.join("ca.pem");
    write_private(&certificate, &pem).map_err(file(certificate))
}

/// For its owner alone: under another name first, flushed, then given its name.
#[expect(
    clippy::disallowed_methods,
    reason = "the server's own files; nothing of this is on a stick"
)]
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_stays_and_its_certificates_say_who_somebody_is() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::default();
        let ca = Ca::open_or_make(&folder.path().join("ca"), &clock).unwrap();
        let again = Ca::open_or_make(&folder.path().join("ca"), &clock).unwrap();
        assert_eq!(ca.fingerprint(), again.fingerprint());
        let stick = StickKey {
            tenant: TenantName::parse("acme").unwrap(),
            bundle: BundleId([7; 16]),
        };
        let key = VerifyingKey([9; 32]);
        let (pem, ends_s) = again.certify(&stick, &key, &clock).unwrap();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        assert_eq!(who(&der), Some((stick, key)));
        assert!(ends_s.abs_diff(clock.now_s() + CERTIFICATE_S) <= 2);
        assert_eq!(who(&ca.der), None);
    }

    #[test]
    fn the_key_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        Ca::open_or_make(folder.path(), &Clock::default()).unwrap();
        let mode = std::fs::metadata(folder.path().join("ca-key.pem"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
