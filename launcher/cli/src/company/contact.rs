//! One contact with the company: the lease and the certificate are renewed if they are due, what waits is handed over, and a stick that
//! was cut off erases itself.
//!
//! A renewal survives being cut anywhere: its number is in the ledger before it is asked, and stays there until the answer is
//! (`docs/format/lease.md`, section 4). A lease that cannot be had keeps nothing from being sent.

use std::sync::Arc;

use gobag_bundle::{Ambient, SystemRandom};
use gobag_client::{Client, ClientError, Identity, Options};
use gobag_format::{
    envelope::Envelope,
    ids::{BundleId, RenewalId},
    lease::{LEASE, Lease, LeaseError, UnlockMode, effective_s},
    ledger::{Company, LedgerRecord, Renewal},
    sign::SigningKey,
};
use gobag_protocol::{
    error::Code,
    ids::{RequestId, TenantName},
    lease::{CertificateRequest, Erased, RenewRequest},
};
use gobag_term::Ui;
use serde_json::Map;

use super::{Trouble, desk::Desk, share, standing};
use crate::open::Fate;

/// Seconds before its end from which a certificate is renewed.
const CERTIFICATE_DUE_S: u64 = 24 * 3600;

/// Speaks to the company once, at the first of its addresses that answers.
pub(crate) fn contact(desk: &Desk) -> Result<(), Trouble> {
    let servers = desk.ledger()?.company.ok_or(Trouble::NotEnrolled)?.servers;
    let mut result = Err(Trouble::NotEnrolled);
    for server in &servers {
        // Anew for each: one that broke off may have renewed the lease before, or begun to.
        let ledger = desk.ledger()?;
        let company = ledger.company.as_ref().ok_or(Trouble::NotEnrolled)?;
        result = Visit::begin(desk, &ledger, company, server).and_then(|mut visit| visit.run());
        // Another one may be well, and is the company's all the same.
        let is_elsewhere = |error: &Trouble| {
            error
                .client()
                .is_some_and(|error| error.is_transient() || error.code() == "client.other-server")
        };
        if !result.as_ref().is_err_and(is_elsewhere) {
            break;
        }
    }
    result
}

/// The company cut the stick off. What unlocks it is erased, or, where a share of the company's is a part of that, the share is taken off the stick, and
/// can be given again. What is left, if not all of it could be reached, goes when the stick is next opened. The ledger notes it in the first case alone:
/// a note that outlived the share would erase a stick that the company had taken back.
pub(crate) fn cut_off(desk: &Desk) -> Trouble {
    let fate = desk.with(|work| {
        work.note_cut_off();
        let bundle = work.session().bundle();
        let (done, fate) = match bundle.unlock_mode() {
            UnlockMode::Offline => {
                if let Err(error) = bundle.cut_off() {
                    tracing::warn!(code = error.code(), %error, "the ledger does not note that the stick was cut off");
                }
                (bundle.erase(), Fate::Erased)
            }
            // The company knows nothing of the passphrase, which was changed since it was last reached: it cannot give this share back.
            UnlockMode::Leased if bundle.share_name().is_none() => (bundle.forget_share(), Fate::Escrow),
            UnlockMode::Leased => (bundle.forget_share(), Fate::Kept),
            // Nothing, unless copies of the header are from before it wanted a share.
            UnlockMode::Online => (bundle.complete_header(), Fate::Kept),
        };
        let fate = done.map_or_else(Fate::Left, |()| fate);
        let told = Trouble::CutOff {
            is_done: !matches!(fate, Fate::Left(_)),
            fate: fate.to_string(),
        };
        // For the session's last word.
        work.note_fate(fate);
        told
    });
    fate.unwrap_or_else(|over| over)
}

struct Visit<'a> {
    desk: &'a Desk,
    ledger: &'a LedgerRecord,
    company: Company,
    server: &'a str,
    bundle: BundleId,
    tenant: TenantName,
    key: Arc<SigningKey>,
    /// Without a certificate.
    nobody: Client,
    /// The lease was renewed in this visit.
    renewed: bool,
}

impl<'a> Visit<'a> {
    fn begin(
        desk: &'a Desk,
        ledger: &'a LedgerRecord,
        company: &Company,
        server: &'a str,
    ) -> Result<Self, Trouble> {
        let bundle = desk.with(|work| work.id())?;
        let tenant = TenantName::parse(&company.tenant).ok_or(Trouble::NotEnrolled)?;
        let nobody = Client::new(server, &company.ca, None, Options::default())?;
        desk.speak_by(&nobody)?;
        Ok(Self {
            desk,
            ledger,
            company: company.clone(),
            server,
            bundle,
            tenant,
            key: Arc::new(ledger.signing_key()),
            nobody,
            renewed: false,
        })
    }

    fn run(&mut self) -> Result<(), Trouble> {
        let renewed = self.heard(|visit| visit.renew_if_due());
        match renewed {
            Err(error @ (Trouble::CutOff { .. } | Trouble::Over)) => return Err(error),
            Err(error) if error.client().is_some_and(ClientError::is_transient) => return Err(error),
            _ => {}
        }
        let now_s = self.now_s();
        if self.company.certificate_ends_s <= now_s.saturating_add(CERTIFICATE_DUE_S) {
            self.heard(Self::certify)?;
        }
        let delivered = match self.heard(Self::deliver) {
            // The server knows better what day it is.
            Err(Trouble::Client(ClientError::Certificate { .. } | ClientError::Setup { .. })) => {
                self.heard(Self::certify)?;
                self.heard(Self::deliver)
            }
            delivered => delivered,
        };
        let settled = match &delivered {
            Ok(()) => self.heard(Self::settle),
            Err(_) => Ok(()),
        };
        delivered.and(renewed).and(settled)
    }

    /// What opens the stick besides its passphrase is as IT wants it; fresh, if the lease was renewed.
    fn settle(&mut self) -> Result<(), Trouble> {
        let stick = self.stick()?;
        share::settle(self.desk, &stick, self.renewed)
    }

    /// By the certificate that the stick has now.
    fn stick(&self) -> Result<Client, Trouble> {
        let identity = Identity {
            certificate: self.company.certificate.clone(),
            key: Arc::clone(&self.key),
        };
        let options = Options {
            upload: self.desk.upload_limit(),
        };
        let stick = Client::new(self.server, &self.company.ca, Some(&identity), options)?;
        self.desk.speak_by(&stick)?;
        Ok(stick)
    }

    /// With a connection that works: what waits for the company goes there, and replication begins or goes on by it.
    fn deliver(&mut self) -> Result<(), Trouble> {
        let stick = self.stick()?;
        // Whether the stick is still let in, though nothing may wait.
        stick.memory()?;
        let waiting = self.desk.ledger()?.results().to_vec();
        for result in &waiting {
            match stick.result(&result.envelope) {
                Ok(()) => {}
                // It will never be taken.
                Err(error) if error.is_refused(Code::RequestMalformed) => {
                    tracing::warn!(%error, "a result of a check is refused");
                }
                Err(error) => return Err(error.into()),
            }
            self.desk
                .change(|ledger| ledger.delivered(std::slice::from_ref(result)))?;
        }
        self.desk.replicate_by(&stick)
    }

    fn renew_if_due(&mut self) -> Result<(), Trouble> {
        let Some(renewal) = &self.ledger.renewal else {
            return Ok(());
        };
        if !self.is_due() {
            return Ok(());
        }
        let request = self.begun(renewal)?;
        let asked = RenewRequest::sign(
            self.tenant.clone(),
            self.bundle,
            renewal.token.clone(),
            RequestId(request.0),
            &self.key,
        );
        let renewed = self.nobody.renew(&asked)?;
        self.check_certificate(&renewed.certificate)?;
        let lease = self.desk.with(|work| standing::verified(work, &renewed.lease))?;
        (self.company.certificate, self.company.certificate_ends_s) =
            (renewed.certificate, renewed.certificate_ends_s);
        let company = self.company.clone();
        let mut kept = Ok(());
        self.desk.change(|ledger| {
            let before = ledger.lease.clone();
            kept = ledger.renewed(&renewed.lease, renewed.renewal_token);
            match &lease {
                // The company's word of now: it may have been wrong before, and its stick must not stay locked for that.
                Ok(Some(lease)) => ledger.high_water_s = lease.issued_s,
                Ok(None) => {}
                // The token is used up, and the lease of before may still do.
                Err(_) => ledger.lease = before,
            }
            ledger.company = Some(company);
        })?;
        kept.map_err(|error| Trouble::Lease(LeaseError::Envelope(error)))?;
        self.renewed = true;
        lease.map(drop).map_err(Trouble::Lease)
    }

    /// The number of this renewal, which is in the ledger: the one that was begun, or a new one.
    fn begun(&self, renewal: &Renewal) -> Result<RenewalId, Trouble> {
        if let Some(request) = renewal.request {
            return Ok(request);
        }
        let request = RenewalId::generate(&SystemRandom);
        let token = renewal.token.clone();
        let mut noted = Err(Trouble::Over);
        self.desk.change(|ledger| match &ledger.renewal {
            // Never over one that was begun, nor over a token that came meanwhile.
            Some(now) if now.token == token => {
                let request = now.request.unwrap_or(request);
                ledger.renewal = Some(Renewal {
                    token,
                    request: Some(request),
                    later: Map::new(),
                });
                noted = Ok(request);
            }
            _ => {}
        })?;
        noted
    }

    fn certify(&mut self) -> Result<(), Trouble> {
        let asked = CertificateRequest::sign(self.tenant.clone(), self.bundle, &self.key);
        let certified = self.nobody.certificate(&asked)?;
        self.check_certificate(&certified.certificate)?;
        (self.company.certificate, self.company.certificate_ends_s) =
            (certified.certificate, certified.certificate_ends_s);
        let company = self.company.clone();
        self.desk.change(|ledger| ledger.company = Some(company))
    }

    /// A certificate that can be used, and kept: the ledger holds nothing that it would not read again.
    fn check_certificate(&self, certificate: &str) -> Result<(), Trouble> {
        let identity = Identity {
            certificate: certificate.to_owned(),
            key: Arc::clone(&self.key),
        };
        Client::new(self.server, &self.company.ca, Some(&identity), Options::default())?;
        let company = Company {
            certificate: certificate.to_owned(),
            ..self.company.clone()
        };
        match company.fits() {
            true => Ok(()),
            false => Err(Trouble::Client(ClientError::Protocol {
                server: self.server.to_owned(),
                reason: "its certificate is too large".to_owned(),
            })),
        }
    }

    /// A lease that cannot be read, or that says it is time.
    fn is_due(&self) -> bool {
        let kept = self.ledger.lease.as_deref();
        let envelope = kept.and_then(|text| Envelope::parse(text.as_bytes()).ok());
        let payload = envelope.and_then(|envelope| envelope.unverified(LEASE).ok());
        let lease: Option<Lease> = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
        let begun = self
            .ledger
            .renewal
            .as_ref()
            .is_some_and(|renewal| renewal.request.is_some());
        let clock_s = (Ambient::system().clock)();
        let is_behind = |lease: &Lease| {
            let high_water_s = self.ledger.high_water_s.max(lease.issued_s);
            effective_s(high_water_s, clock_s).is_err()
        };
        begun || lease.is_none_or(|lease| lease.renew_after_s <= self.now_s() || is_behind(&lease))
    }

    fn now_s(&self) -> u64 {
        (Ambient::system().clock)().max(self.ledger.high_water_s)
    }

    /// Does a part of the visit; if the company says that the stick is cut off, carries that out, and says so to the company.
    fn heard(&mut self, part: impl FnOnce(&mut Self) -> Result<(), Trouble>) -> Result<(), Trouble> {
        let result = part(self);
        let is_cut_off = |error: &Trouble| {
            let client = error.client();
            client.is_some_and(|error| error.is_refused(Code::StickRevoked))
        };
        if !result.as_ref().is_err_and(is_cut_off) {
            return result;
        }
        let cut_off = cut_off(self.desk);
        if matches!(cut_off, Trouble::CutOff { is_done: true, .. }) {
            let erased = Erased::sign(self.tenant.clone(), self.bundle, &self.key);
            // It is erased in any case; the company shows it as cut off, and not yet as erased.
            if let Err(error) = self.nobody.revoked(&erased) {
                tracing::warn!(code = error.code(), %error, "the company does not know that the stick is erased");
            }
        }
        Err(cut_off)
    }
}

/// What a person should hear of a contact before a start.
pub(crate) fn told(result: &Result<(), Trouble>, ui: &Ui) {
    if let Err(error) = result {
        tracing::info!(code = error.code(), %error, "the company");
        ui.say(&format!("Your company could not be asked: {error}."));
    }
}
