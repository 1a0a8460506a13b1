//! The personal part of every stick, all sticks side by side.

use std::path::Path;

use gobag_bundle::{
    provision::{Provision, ProvisionImage, Provisioned, image_record, provision},
    repository::{StickEntry, StoredImage},
    stick::{StickOutcome, StickReport, put_file},
};
use gobag_format::{Monitor, keyslot::KdfCost, memory::Remember, org::EscrowRecipient};
use gobag_term::CliError;

use super::{
    OneReport, StickArgs, home::Home, page, people::Person, public_requirements, requirements_file,
    side_by_side, start_page,
};
use crate::{
    environment::Environment,
    error::OrExplain,
    office::OpenOffice,
    progress::{Part, Progress},
};

/// What all sticks of a run have in common.
pub(super) struct Personal<'a> {
    pub(super) args: &'a StickArgs,
    pub(super) office: &'a OpenOffice,
    pub(super) image: &'a StoredImage,
    pub(super) home: &'a Home,
    pub(super) segment_len: u32,
}

/// Bytes a personal part takes; the same for every stick of a run.
pub(super) fn personal_bytes(spec: &Personal<'_>) -> Result<u64, CliError> {
    Ok(spec.provision("", b"", &[]).personal_bytes())
}

impl Personal<'_> {
    fn provision<'a>(
        &'a self,
        user: &str,
        passphrase: &'a [u8],
        recipients: &'a [EscrowRecipient],
    ) -> Provision<'a> {
        let (secrets, manifest) = (&self.office.secrets, &self.image.manifest);
        let record = image_record(
            manifest.image,
            &manifest.name,
            manifest.version,
            self.image.manifest_digest,
            self.image.key.clone(),
        );
        let system = manifest
            .base()
            .map(|(number, volume)| (number, volume.size_bytes));
        Provision {
            org: secrets.org,
            org_name: secrets.profile.name.clone(),
            publisher: secrets.signing_key().verifying_key(),
            user: user.to_owned(),
            images: vec![ProvisionImage { record, system }],
            home_bytes: self.home.size_bytes(),
            system_space_bytes: self.args.system_space,
            initial_home: self.home.path(),
            passphrase,
            cost: KdfCost::DEFAULT,
            segment_len: self.segment_len,
            escrow: recipients.iter().map(EscrowRecipient::as_age).collect(),
        }
    }

    /// Makes one personal part.
    fn make(
        &self,
        target: &Path,
        person: &Person,
        environment: &Environment,
        monitor: &dyn Monitor,
    ) -> Result<Provisioned, CliError> {
        let profile = &self.office.secrets.profile;
        let recipients = profile
            .escrow_recipients
            .iter()
            .map(|text| EscrowRecipient::parse(text));
        let recipients = recipients.collect::<Result<Vec<_>, _>>().or_explain()?;
        let spec = self.provision(&person.user, person.passphrase.as_bytes(), &recipients);
        provision(target, &spec, self.args.replace, &environment.ambient, monitor).or_explain()
    }

    /// Writes the start page and enters the stick into the register.
    fn complete(
        &self,
        target: &Path,
        person: &Person,
        made: Provisioned,
        environment: &Environment,
    ) -> Result<(), CliError> {
        let profile = &self.office.secrets.profile;
        let html = page::start_page(
            &person.user,
            profile,
            made.bundle,
            Remember::of_policy(&self.image.manifest.policy),
        );
        put_file(target, start_page(), html.as_bytes()).or_explain()?;
        let manifest = &self.image.manifest;
        put_file(target, requirements_file(), &public_requirements(manifest)).or_explain()?;
        let entry = StickEntry {
            bundle: made.bundle,
            user: person.user.clone(),
            image: manifest.name.clone(),
            version: manifest.version,
            image_id: manifest.image,
            written_s: environment.now_s(),
            key: Some(made.keys.signing),
            code_key: Some(made.keys.codes),
        };
        self.office.office.repository.register_stick(&entry).or_explain()
    }
}

/// Makes the personal part of every stick whose shared part is right.
pub(super) fn provision_all(
    spec: &Personal<'_>,
    shared: Vec<StickOutcome>,
    people: &[Person],
    personal_bytes: u64,
    environment: &Environment,
    progress: &Progress,
) -> Vec<OneReport> {
    let good = shared.iter().filter(|outcome| outcome.result.is_ok()).count() as u64;
    let total = (personal_bytes + spec.home.content_bytes()) * good;
    progress.phase("preparing personal space", Some(total));
    let finish = |(outcome, person): (StickOutcome, &Person)| {
        let StickOutcome { target, result } = outcome;
        let (report, made) = match result {
            Ok(report) => (report, spec.make(&target, person, environment, &Part(progress))),
            Err(error) => (StickReport::default(), Err(error).or_explain()),
        };
        // From here on the stick opens with its passphrase, whatever becomes of the rest: it must be told.
        let bundle = made.as_ref().ok().map(|made| made.bundle);
        let made_up = bundle
            .filter(|_| person.generated)
            .map(|_| person.passphrase.to_string());
        let result = made.and_then(|made| spec.complete(&target, person, made, environment));
        OneReport {
            target,
            user: person.user.clone(),
            bundle: bundle.map(|bundle| bundle.to_string()),
            passphrase: made_up,
            written_bytes: report.written_bytes,
            kept_bytes: report.kept_bytes,
            error: result.err().map(|error| error.report()),
        }
    };
    side_by_side(shared.into_iter().zip(people), finish)
}
