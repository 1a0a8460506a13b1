//! The share of the company's that a stick wants besides its passphrase (`docs/format/lease.md`, section 6).
//!
//! Three moments: [`asked`] before anything is unlocked, by the card on the stick; [`settle`] at each contact of a session, which brings the header into
//! the mode that IT wants and gives it a fresh share; [`for_passphrase`] when the passphrase changes.
//!
//! In [`settle`] order makes a cut safe:
//! 1. the card is on the stick before the header wants anything that is asked for by it, and one of another server's, which the header may want until then, goes
//!    after it;
//! 2. the server knows the next share before the header is written with it, and gives the one before as well;
//! 3. only in the next session, which has read it from the stick, and when all copies of the header hold it, is the server told, and gives those from before
//!    no more: a stick that says that it has flushed what it has not would have lost the header by then, and still open.
//!
//! An answer that is lost before 2 leaves a share that nobody wants; one that is lost after 3 is asked for again at the next contact.

use std::{path::Path, sync::Arc};

use gobag_bundle::{
    Bundle, NewPassphrase, OpenError, ShareProof,
    card::{self, CardAccessError},
    share_proof,
};
use gobag_client::{Client, ClientError, Identity, Options};
use gobag_format::{
    card::{Card, CardError},
    keyslot::{Share, ShareName},
    lease::{LeasePolicy, UnlockMode},
    ledger::Company,
    sign::SigningKey,
};
use gobag_protocol::{
    error::Code,
    hello::SHARES,
    ids::TenantName,
    lease::CertificateRequest,
    share::{NextRequest, NextShare, QuestionRequest, ShareHeld, ShareRequest},
};
use gobag_term::{CliError, ExitCode, Ui, human};
use thiserror::Error;

use super::{Trouble, desk::Desk};
use crate::{
    error::{Explain, explained},
    open::Work,
};

/// For who has a stick that the company cut off, and did not erase.
const CUT_OFF: &str =
    "phone your IT, also if you think that this is a mistake; when they take it back, the stick opens again";

/// Why a locked stick got no share.
#[derive(Debug, Error)]
pub(crate) enum NoShare {
    /// The stick does not say where its company is.
    #[error("this stick opens only together with your company, and does not say where that is")]
    Nowhere(#[source] CardAccessError),
    /// The company has no share for the passphrase that is in force.
    #[error(
        "this stick opens only together with your company, which cannot help: it never heard of the passphrase that is in force"
    )]
    Nameless,
    /// Nobody answers who is the company.
    #[error("this stick opens only together with your company's server, and that does not answer")]
    NoServer(#[source] ClientError),
    /// It says that the passphrase is wrong, and perhaps how long the next has to wait.
    #[error("wrong passphrase")]
    WrongPassphrase(Option<String>),
    /// It says no.
    #[error("your company does not let this stick be opened")]
    Refused(#[source] ClientError),
    /// The stick cannot be read.
    #[error(transparent)]
    Stick(#[from] OpenError),
}

/// Asks the company for the share of a locked stick, for somebody who typed this passphrase.
pub(crate) fn asked(stick: &Path, passphrase: &[u8]) -> Result<Share, NoShare> {
    let cards = card::read(stick).map_err(NoShare::Nowhere)?;
    // Paid for before the question is asked, which counts for two minutes.
    let proof = share_proof(stick, passphrase)?.ok_or(NoShare::Nameless)?;
    let name = proof.name.ok_or(NoShare::Nameless)?;
    let ask = |client: &Client, tenant: &TenantName| {
        let request = QuestionRequest {
            tenant: tenant.clone(),
            bundle: proof.bundle,
        };
        let ShareProof { bundle, key, .. } = &proof;
        let question = client.share_question(&request)?;
        client.share(&ShareRequest::sign(
            tenant.clone(),
            *bundle,
            name,
            question,
            // Of the server that is asked, and nobody it could pass this on to.
            client.ca(),
            key,
        ))
    };
    let mut result = Err(NoShare::unusable());
    for card in &cards {
        let Some(tenant) = TenantName::parse(&card.tenant) else {
            continue;
        };
        let answer = at_any(&card.servers, |server| {
            ask(&Client::new(server, &card.ca, None, Options::default())?, &tenant)
        });
        match answer.map_err(NoShare::of) {
            // Who does not answer may be the one that has it.
            Err(error) if error.is_elsewhere() && matches!(result, Err(NoShare::NoServer(_))) => {}
            Err(error) if error.is_elsewhere() => result = Err(error),
            answer => return answer,
        }
    }
    result
}

/// What the first of the servers that answers says.
fn at_any<T>(servers: &[String], ask: impl Fn(&str) -> Result<T, ClientError>) -> Result<T, ClientError> {
    let mut result = Err(ClientError::Setup {
        reason: "the company has no address".to_owned(),
    });
    for server in servers {
        result = ask(server);
        // Another one may be well, and is the company's all the same.
        let is_elsewhere = |error: &ClientError| {
            let is_elsewhere = error.is_transient() || matches!(error, ClientError::OtherServer { .. });
            is_elsewhere && !error.is_refused(Code::ShareLocked)
        };
        if !result.as_ref().is_err_and(is_elsewhere) {
            break;
        }
    }
    result
}

/// What the header of an unlocked stick wants, and by whose passphrase.
struct Header {
    mode: UnlockMode,
    name: Option<ShareName>,
    /// Whether it was so when the stick was opened.
    is_old: bool,
    prover: SigningKey,
}

impl Header {
    /// None where it cannot be changed.
    fn of(work: &Work) -> Option<Self> {
        let bundle = work.session().bundle();
        let name = bundle.share_name();
        Some(Self {
            mode: bundle.unlock_mode(),
            name,
            is_old: name.is_some_and(|name| work.opened_with(&name)),
            prover: bundle.prover().filter(|_| bundle.is_writable())?,
        })
    }
}

/// Brings the header of an unlocked stick into the mode that IT wants; with a fresh share if `is_due`, or if it needs one. `stick` was let in by the
/// server.
pub(crate) fn settle(desk: &Desk, stick: &Client, is_due: bool) -> Result<(), Trouble> {
    let found = desk.with(|work| {
        let policy = LeasePolicy::of_policy(&work.session().manifest().policy);
        // An image without leases wants no share. With a policy that cannot be used the stick stays as it is.
        let wanted = policy.map(|policy| policy.map_or(UnlockMode::Offline, |policy| policy.unlock));
        (wanted, Header::of(work))
    })?;
    let (Ok(wanted), Some(header)) = found else {
        return Ok(());
    };
    if wanted == UnlockMode::Offline {
        return match header.mode {
            UnlockMode::Offline => Ok(()),
            _ => Ok(desk.with(|work| work.session().bundle().wrap_offline())??),
        };
    }
    if !stick.hello()?.has(SHARES) {
        return Ok(());
    }
    let mut is_whole = true;
    if header.mode != UnlockMode::Offline {
        let completed = desk.with(|work| work.session().bundle().complete_header())?;
        if let Err(error) = &completed {
            // A place of the medium that is dead keeps no other from what it needs; but it may hold a share of before.
            tracing::warn!(code = error.code(), %error, "a copy of the header is not the newest");
        }
        is_whole = completed.is_ok();
    }
    let company = desk.ledger()?.company.ok_or(Trouble::NotEnrolled)?;
    let card = Card::of(&company);
    desk.with(|work| work.session().bundle().begin_card(&card))??;
    let (stands, held) = match is_whole {
        true => stands(stick, &header)?,
        false => (header.name.is_some(), header.name),
    };
    if !stands || header.mode != wanted || is_due {
        let bundle = desk.with(|work| work.id())?;
        let next = stick.next_share(&NextRequest::sign(bundle, held, &header.prover))?;
        let keep = wanted == UnlockMode::Leased;
        desk.with(|work| work.session().bundle().rewrap(next.share, next.name, keep))??;
    }
    // Also where somebody altered it.
    Ok(desk.with(|work| work.session().bundle().keep_card(&card))??)
}

/// Whether the company can give the share that a header wants, and the share whose number the next one has to follow.
fn stands(stick: &Client, header: &Header) -> Result<(bool, Option<ShareName>), ClientError> {
    let Some(name) = header.name else {
        return Ok((false, None));
    };
    if !header.is_old {
        // The company made it in this session; it hears in the next that the header has it.
        return Ok((true, Some(name)));
    }
    let held = ShareHeld {
        name,
        proof_key: header.prover.verifying_key(),
    };
    match stick.share_held(&held) {
        Ok(()) => Ok((true, Some(name))),
        // The passphrase was changed offline, or the stick is an older copy that was lawfully put back.
        Err(error) if error.is_refused(Code::ShareOtherPassphrase) || error.is_refused(Code::ShareOld) => {
            Ok((false, Some(name)))
        }
        // Another server than the one that made it.
        Err(error) if error.is_refused(Code::ShareName) => Ok((false, None)),
        Err(error) => Err(error),
    }
}

/// A share for a stick that gets another passphrase. That the header wants it is said in the next session.
pub(crate) fn for_passphrase(bundle: &Bundle, new: &NewPassphrase) -> Result<NextShare, ClientError> {
    let unknown = || ClientError::Setup {
        reason: "this stick is not enrolled with your company's server".to_owned(),
    };
    let ledger = bundle.ledger().map_err(|_| unknown())?;
    let company = ledger.company.clone().ok_or_else(unknown)?;
    let key = Arc::new(ledger.signing_key());
    at_any(&company.servers, |server| {
        let stick = let_in(server, &company, bundle, &key)?;
        let request = NextRequest::sign(bundle.id(), bundle.share_name(), &new.prover());
        stick.next_share(&request)
    })
}

/// By a certificate of now: the stick's own may have ended.
fn let_in(
    server: &str,
    company: &Company,
    bundle: &Bundle,
    key: &Arc<SigningKey>,
) -> Result<Client, ClientError> {
    let tenant = TenantName::parse(&company.tenant).ok_or_else(|| ClientError::Setup {
        reason: "the stick does not know what its company is called".to_owned(),
    })?;
    let nobody = Client::new(server, &company.ca, None, Options::default())?;
    let certified = nobody.certificate(&CertificateRequest::sign(tenant, bundle.id(), key))?;
    let identity = Identity {
        certificate: certified.certificate,
        key: Arc::clone(key),
    };
    Client::new(server, &company.ca, Some(&identity), Options::default())
}

/// Says from now on what opens the stick, if that is another thing than before.
pub(crate) fn tell(before: UnlockMode, now: UnlockMode, ui: &Ui) {
    if before == now {
        return;
    }
    ui.say(match now {
        UnlockMode::Offline => "From now on your passphrase alone opens this stick, as your IT wants it.",
        UnlockMode::Leased => {
            "From now on your company can lock this stick from afar, as your IT wants it. You go on working offline as before."
        }
        UnlockMode::Online => {
            "From now on this stick opens only while your company's server answers, as your IT wants it: be online when you start it."
        }
    });
}

impl NoShare {
    /// Whether another server may have it: the stick may be on its way to that.
    fn is_elsewhere(&self) -> bool {
        match self {
            Self::Refused(error) => error.is_refused(Code::ShareName) || error.is_refused(Code::StickProof),
            Self::NoServer(_) | Self::Nowhere(_) => true,
            _ => false,
        }
    }

    /// The card leads nowhere.
    fn unusable() -> Self {
        Self::Nowhere(CardError::Damaged.into())
    }

    fn of(error: ClientError) -> Self {
        match &error {
            ClientError::Refused(refused) if refused.is(Code::ShareProof) => Self::WrongPassphrase(
                refused
                    .hint
                    .as_deref()
                    .map(|hint| human::printable(hint).into_owned()),
            ),
            ClientError::Refused(_) => Self::Refused(error),
            ClientError::Setup { .. } => Self::unusable(),
            _ => Self::NoServer(error),
        }
    }
}

impl Explain for NoShare {
    fn explain(self) -> CliError {
        match self {
            Self::Stick(error) => error.explain(),
            Self::Nowhere(_) | Self::Nameless => explained("unlock.escrow-needed", self),
            Self::NoServer(_) => explained("unlock.no-server", self),
            Self::WrongPassphrase(ref hint) => {
                let hint = hint.clone();
                let shown = explained("unlock.wrong-passphrase", self);
                hint.into_iter().fold(shown, CliError::hint)
            }
            Self::Refused(error) => {
                let is_cut_off = error.is_refused(Code::StickRevoked);
                let mut shown = error.explain();
                shown.exit = ExitCode::LockedOut;
                match is_cut_off {
                    true => shown.hint(CUT_OFF),
                    false => shown,
                }
            }
        }
    }
}
