//! A stick as a member of workspaces: what it holds of the company, in memory, for as long as it is plugged in.
//!
//! 1. The stick is unlocked, and let in as for a start: by its lease, and not if the company cut it off.
//! 2. The company is asked once, as a session does: lease and certificate are renewed, results handed over.
//! 3. What file sync needs is read from the ledger. The stick itself is then free for others.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use gobag_bundle::{Bundle, SessionOptions, SystemRandom, store::StoreMode};
use gobag_client::{Options, UploadLimit};
use gobag_commands::{Program, ReachError, Reached};
use gobag_format::{
    ids::{BundleId, OrgId},
    ledger::LedgerRecord,
};
use gobag_member::{Joined, Known, Membership};
use gobag_protocol::ids::{TenantName, WorkspaceName};
use gobag_term::{CliError, Interrupt, Ui};

use crate::{
    args::UnlockArgs,
    company::{Trouble, contact, desk::Desk, standing},
    environment::Environment,
    error::OrExplain,
    find, host_memory,
    open::Work,
    unlock,
};

/// What is needed of a stick.
pub(super) struct Carried {
    /// Where it is plugged in, and which it is; none: nothing of it is needed.
    stick: Option<(PathBuf, BundleId)>,
    member: Mutex<Membership>,
}

/// Unlocks the stick, and takes from it what file sync needs.
pub(super) fn unlocked(
    args: &UnlockArgs,
    ui: &Ui,
    environment: &Environment,
) -> Result<(Arc<Work>, Carried), CliError> {
    let stick = find::find(args.stick.stick.as_deref(), environment.program.as_deref()).or_explain()?;
    let bundle = unlock::unlock(args, &stick, true, ui)?;
    let (id, org) = (bundle.id(), bundle.record().org);
    let witness = Arc::new(host_memory::recall(&bundle, environment, ui));
    // Nothing of the volumes is touched.
    let options = SessionOptions {
        mode: StoreMode::ReadOnly,
        ..SessionOptions::default()
    };
    let work = Arc::new(Work::open(bundle, &stick, &options, witness).or_explain()?);
    standing::admit(&work, ui)?;
    let desk = Desk::new(&work);
    match contact::contact(&desk) {
        Ok(()) | Err(Trouble::NotEnrolled) => {}
        Err(Trouble::CutOff { .. }) => return Err(standing::cut_off(work.take_fate())),
        failed => contact::told(&failed, ui),
    }
    desk.leave();
    let ledger = work.session().bundle().ledger().or_explain()?;
    let carried = Carried {
        stick: Some((stick, id)),
        member: Mutex::new(member(&ledger, id, org)),
    };
    Ok((work, carried))
}

fn member(ledger: &LedgerRecord, bundle: BundleId, org: OrgId) -> Membership {
    let known = ledger.company.as_ref().and_then(|company| {
        Some(Known {
            servers: company.servers.clone(),
            ca: company.ca.clone(),
            tenant: TenantName::parse(&company.tenant)?,
            bundle,
            org,
            seed: ledger.signing_seed(),
            certificate: company.certificate.clone(),
            certificate_ends_s: company.certificate_ends_s,
        })
    });
    let joined = ledger.workspaces().iter().filter_map(|kept| {
        let name = WorkspaceName::parse(&kept.name)?;
        Some(Joined::at_server(kept.id, name, kept.key.clone()))
    });
    Membership::of(known, joined.collect())
}

impl Carried {
    /// For commands that need nothing of a stick.
    pub(super) fn nothing() -> Self {
        Self {
            stick: None,
            member: Mutex::new(Membership::of(None, Vec::new())),
        }
    }
}

impl Program for Carried {
    fn call(&self, command: &str) -> String {
        match command.split(' ').next() {
            Some("sync" | "enrol" | "join") => format!("gobag {command}"),
            _ => format!("gobag sync {command}"),
        }
    }

    fn reach(
        &self,
        workspace: &str,
        limit: &UploadLimit,
        _interrupt: Option<Interrupt>,
    ) -> Result<Reached, ReachError> {
        if !self.is_there() {
            return Err(ReachError::StickGone);
        }
        let mut member = self.member.lock().unwrap_or_else(PoisonError::into_inner);
        let joined = member.joined(workspace)?.clone();
        if member.bundle().is_none() {
            return Err(ReachError::StickUnknown);
        }
        let options = Options {
            upload: limit.clone(),
        };
        let client = member.connect(standing::now_s(), &options, &SystemRandom)?;
        Ok(Reached::at_server(&joined, client))
    }

    fn is_there(&self) -> bool {
        let Some((place, id)) = &self.stick else {
            return true;
        };
        Bundle::identify(place).is_ok_and(|found| found == *id)
    }
}
