//! TLS 1.3: to the company with the organisation's CA as the only root, and the stick's own key as its identity; to its bucket as everybody does.
//!
//! The computer's clock does not count: a stick must reach the company from a PC whose clock is wrong by years, and a certificate of the
//! organisation's own CA is the company's server on any day. Everything else about the server's certificate is checked: who signed it,
//! the name, what it is for. The stick's key stays where it is: it signs handshakes, and its bytes are never handed out.

use std::{
    fmt,
    io::{Read as _, Write as _},
    sync::Arc,
};

use gobag_format::sign::SigningKey;
use gobag_protocol::ids::Digest;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error as TlsError,
    RootCertStore, SignatureAlgorithm, SignatureScheme, StreamOwned,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs::default_provider},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    sign::{CertifiedKey, Signer, SingleCertAndKey},
};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use crate::{error::ClientError, pace::Pace};

/// Bytes that are encrypted at once; small enough for a slow line to be kept to its pace.
const BUFFER_LEN: usize = 16 << 10;

/// Who a stick is to the server.
#[derive(Clone)]
pub struct Identity {
    /// The certificate the server gave it, PEM.
    pub certificate: String,
    /// The key it is for.
    pub key: Arc<SigningKey>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identity")
    }
}

/// What every connection of a client does: trusts `ca` (PEM) alone, and shows `identity`. Also BLAKE3 of the certificate that is trusted.
pub(crate) fn config(ca: &str, identity: Option<&Identity>) -> Result<(ClientConfig, Digest), ClientError> {
    let mut roots = RootCertStore::empty();
    let digest = trust(&mut roots, ca)?;
    let provider = Arc::new(default_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| setup(error.to_string()))?;
    let builder = ClientConfig::builder_with_provider(Arc::<CryptoProvider>::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| setup(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyDay(inner)));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = vec![read("what the stick was given", &identity.certificate)?];
            let key = CertifiedKey::new(chain, Arc::new(StickKey(Arc::clone(&identity.key))));
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, digest))
}

/// What every connection to a bucket does: trusts the public's CAs and `ca`, each on its days, and shows nothing. Where the computer's clock
/// is wrong the server is asked instead.
pub(crate) fn bucket_config(ca: &str) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    trust(&mut roots, ca)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| setup(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn setup(reason: String) -> ClientError {
    ClientError::Setup { reason }
}

fn read(what: &str, pem: &str) -> Result<CertificateDer<'static>, ClientError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| setup(format!("{what} is no certificate")))
}

/// BLAKE3 of the certificate.
fn trust(roots: &mut RootCertStore, ca: &str) -> Result<Digest, ClientError> {
    let ca = read("what is known of the company", ca)?;
    let digest = Digest::of(&ca);
    roots.add(ca).map_err(|error| setup(error.to_string()))?;
    Ok(digest)
}

/// Checks a server's certificate as usual, but for the day.
#[derive(Debug)]
struct AnyDay(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyDay {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let on = |day| {
            self.0
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, day)
        };
        match on(now) {
            Err(TlsError::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                on(not_after)
            }
            Err(TlsError::InvalidCertificate(CertificateError::NotValidYetContext {
                not_before, ..
            })) => on(not_before),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Signs handshakes with the stick's key.
struct StickKey(Arc<SigningKey>);

impl fmt::Debug for StickKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stick's key")
    }
}

impl rustls::sign::SigningKey for StickKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ED25519)
            .then(|| Box::new(Self(Arc::clone(&self.0))) as _)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for StickKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TlsError> {
        let signature = self.0.sign_handshake(message);
        let signature = signature.ok_or_else(|| TlsError::General("this is no handshake".to_owned()))?;
        Ok(signature.to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// Puts TLS on connections.
pub(crate) struct Secured {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) pace: Arc<Pace>,
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secured")
    }
}

impl<In: Transport> Connector<In> for Secured {
    type Out = SecuredTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<SecuredTransport>, ureq::Error> {
        let Some(transport) = chained else {
            return Ok(None);
        };
        let host = details.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|_| ureq::Error::HostNotFound)?;
        let tls = |error| ureq::Error::Io(std::io::Error::other(error));
        let mut conn = ClientConnection::new(Arc::clone(&self.config), name).map_err(tls)?;
        let mut sock = TransportAdapter::new(transport.boxed(), Arc::clone(&details.current_time));
        sock.set_timeout(details.timeout);
        while conn.is_handshaking() {
            conn.complete_io(&mut sock)?;
        }
        Ok(Some(SecuredTransport {
            buffers: LazyBuffers::new(BUFFER_LEN * 4, BUFFER_LEN),
            stream: StreamOwned { conn, sock },
            pace: Arc::clone(&self.pace),
        }))
    }
}

pub(crate) struct SecuredTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    pace: Arc<Pace>,
}

impl fmt::Debug for SecuredTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecuredTransport")
    }
}

impl Transport for SecuredTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if !self.pace.take(amount) {
            return Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into());
        }
        self.stream.get_mut().set_timeout(timeout);
        let output = &self.buffers.output()[..amount];
        self.stream.write_all(output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
        KeyUsagePurpose,
    };
    use std::time::Duration;
    use time::OffsetDateTime;

    const YEAR_S: u64 = 365 * 86_400;

    fn at(time_s: u64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(time_s as i64).unwrap()
    }

    fn ca() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// What is found of a server's certificate that counts from the 50th to the 51st year after 1970, in another year.
    fn found(
        year: u64,
        name: &str,
        trusted: &CertifiedIssuer<'_, KeyPair>,
        issuer: &CertifiedIssuer<'_, KeyPair>,
    ) -> Result<(), TlsError> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (at(50 * YEAR_S), at(51 * YEAR_S));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(trusted.der().clone()).unwrap();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
        let day = UnixTime::since_unix_epoch(Duration::from_secs(year * YEAR_S));
        let server = ServerName::try_from("server").unwrap();
        AnyDay(verifier.build().unwrap())
            .verify_server_cert(certificate.der(), &[], &server, &[], day)
            .map(drop)
    }

    #[test]
    fn any_day_will_do_and_nothing_else_is_let_pass_with_it() {
        let (ca, other) = (ca(), ca());
        for year in [10, 50, 90] {
            found(year, "server", &ca, &ca).unwrap();
            let refused = [
                found(year, "servant", &ca, &ca),
                found(year, "server", &ca, &other),
            ];
            for refused in refused {
                assert!(matches!(refused, Err(TlsError::InvalidCertificate(_))), "{year}");
            }
        }
    }
}
