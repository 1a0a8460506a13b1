//! `gobag-image recover`: a lost stick's volumes back from the company's server, as they were at a moment.

mod disk;
mod mount;
mod points;
mod scratch;
mod start;
mod stick;

use std::sync::Arc;

use clap::Subcommand;
use gobag_bundle::{
    base::{BaseImage, BaseOptions},
    org::OrgFolder,
    repository::{Access, RepositoryMedium},
    store::Base,
};
use gobag_format::{
    escrow,
    header::VolumeRole,
    ids::BundleId,
    org::EscrowIdentity,
    replica::{HeadImage, HeadVolume, ReplicaHead, ReplicaKeys},
    sign::VerifyingKey,
};
use gobag_protocol::{ids::ObjectId, points::Point};
use gobag_replica::{
    Archive as _, Archived, View,
    choose::{Moment, choose},
};
use gobag_term::{CliError, ExitCode, Interrupt, Ui};

use crate::{
    args::KeysArgs,
    environment::Environment,
    error::{OrExplain, said},
    escrow::{EscrowKeyArgs, identity_under},
    office::{Office, OpenOffice, unlock},
    server::{ServerArgs, number},
    time,
};

/// Seconds that the stick's and the server's clocks may be apart before it is said.
const MAX_APART_S: u64 = 3600;
/// Packs kept in memory while a point is read, bytes.
const CACHE_BYTES: u64 = 128 << 20;

/// Bring a workstation back from the company's server
///
/// The server keeps what each stick sent, sealed. This opens it with the escrow key, as it was at the newest moment, at a time
/// or at a bookmark: on a new stick, as a disk file, or at once in a folder. Nothing on the server changes, and the lost
/// stick may be revoked.
#[derive(Debug, clap::Args)]
pub(crate) struct RecoverArgs {
    #[command(subcommand)]
    command: RecoverCommand,
}

#[derive(Debug, Subcommand)]
enum RecoverCommand {
    Points(points::PointsArgs),
    Stick(stick::StickArgs),
    Disk(disk::DiskArgs),
    Mount(mount::MountArgs),
    Start(start::StartArgs),
}

/// Where the server is, and whose stick is wanted.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FromArgs {
    /// Number of the lost stick: 32 digits, in `gobag-image list --sticks`
    #[arg(value_name = "NUMBER")]
    number: String,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    escrow: EscrowKeyArgs,
    #[command(flatten)]
    keys: KeysArgs,
}

/// Which moment is wanted; the newest if nothing is said.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WhenArgs {
    /// As it was at this time: `2026-11-21 14:30` on this computer's clock, or `2026-11-21T13:30Z`
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// As it was at the bookmark of this name; without a name, at the newest bookmark
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    bookmark: Option<String>,
}

pub(crate) fn recover(
    args: &RecoverArgs,
    ui: &Ui,
    environment: &Environment,
    interrupt: &Interrupt,
) -> Result<ExitCode, CliError> {
    match &args.command {
        RecoverCommand::Points(args) => points::points(args, ui),
        RecoverCommand::Stick(args) => stick::stick(args, ui, environment),
        RecoverCommand::Disk(args) => disk::disk(args, ui),
        RecoverCommand::Mount(args) => mount::mount(args, ui, interrupt),
        RecoverCommand::Start(args) => start::start(args, ui, environment, interrupt),
    }
}

/// What the server keeps of one stick, and the office that can open it.
pub(crate) struct Lost {
    pub(crate) archived: Archived,
    pub(crate) bundle: BundleId,
    pub(crate) keys: ReplicaKeys,
    pub(crate) office: OpenOffice,
    pub(crate) identity: EscrowIdentity,
}

impl Lost {
    /// Asks for IT's passphrase, and the server for the key that it keeps sealed.
    pub(crate) fn open(from: &FromArgs, ui: &Ui) -> Result<Self, CliError> {
        let bundle = number(&from.number)?;
        let archived = Archived::new(from.server.people()?, bundle);
        let (office, identity) = unlocked(from, ui)?;
        let newest = archived.newest().or_explain()?.ok_or_else(nothing)?;
        let escrow = ReplicaHead::escrow_of(&newest.head).ok_or_else(|| {
            said(
                ExitCode::Failed,
                "recover.no-escrow",
                "the stick had no escrow file, so nobody but the stick itself can open this",
            )
        })?;
        let file = archived.get(ObjectId(escrow)).or_explain()?;
        let key = escrow::open(bundle, &file, identity.as_age()).or_explain()?;
        Ok(Self {
            archived,
            bundle,
            keys: ReplicaKeys::of_bundle(&key),
            office,
            identity,
        })
    }

    /// What the lost stick signed with, by IT's register.
    fn signer(&self, ui: &Ui) -> Result<Option<VerifyingKey>, CliError> {
        let sticks = self.office.office.repository.sticks().or_explain()?;
        let key = sticks
            .iter()
            .find(|stick| stick.bundle == self.bundle)
            .and_then(|stick| stick.key);
        if key.is_none() {
            ui.warn(
                "the register of sticks has no key of this one, so whoever runs the server could have made what it gives up; the server is believed",
            );
        }
        Ok(key)
    }

    /// The point that is meant, opened.
    pub(crate) fn view(self, when: &WhenArgs, ui: &Ui) -> Result<Found, CliError> {
        let moment = moment(when)?;
        let point = choose(&self.archived, &self.keys, &moment).or_explain()?;
        let point = point.ok_or_else(|| {
            let text = "the server has no such moment of this stick";
            said(ExitCode::Usage, "recover.no-point", text)
                .hint("see what there is with `gobag-image recover points`")
        })?;
        let stored = self
            .archived
            .point(point.generation)
            .or_explain()?
            .ok_or_else(nothing)?;
        let signer = self.signer(ui)?;
        let view = View::open(
            self.archived,
            self.keys,
            self.bundle,
            signer.as_ref(),
            &stored,
            CACHE_BYTES,
        )
        .or_explain()?;
        if !view.head().complete {
            let text = "the server gave a moment that is not whole: a step of a copy under way";
            return Err(said(ExitCode::Damaged, "recover.incomplete", text));
        }
        if point.time_doubtful {
            ui.warn("the server's clock was in doubt when it got this state, and still is: its time is what that clock said");
        }
        let apart_s = view.head().taken_s.abs_diff(stored.time_s);
        if apart_s > MAX_APART_S {
            let (by_stick, _) = time::both(view.head().taken_s);
            let (by_server, _) = time::both(stored.time_s);
            ui.warn(&format!(
                "by the stick's own clock this state is of {by_stick}, by the server's of {by_server}: one of the clocks was wrong, or the \
                 server gives an older state than it says"
            ));
        }
        Ok(Found {
            point,
            view: Arc::new(view),
            office: self.office,
            identity: self.identity,
        })
    }
}

/// A point that is about to be recovered.
pub(crate) struct Found {
    pub(crate) point: Point,
    pub(crate) view: Arc<View<Archived>>,
    pub(crate) office: OpenOffice,
    pub(crate) identity: EscrowIdentity,
}

impl Found {
    /// The volumes that can be recovered, with the names people know: `home`, and the image's for its system.
    pub(crate) fn volumes(&self) -> Vec<(String, HeadVolume)> {
        let head = self.view.head();
        let name = |volume: &HeadVolume| match volume.role {
            VolumeRole::Home => "home".to_owned(),
            VolumeRole::System { image, .. } => {
                let image = head.images.iter().find(|known| known.id == image);
                image.map_or_else(|| format!("volume-{}", volume.id.0), |image| image.name.clone())
            }
        };
        head.volumes
            .iter()
            .map(|volume| (name(volume), volume.clone()))
            .collect()
    }

    /// What lies below a volume: of a system volume the repository's image, of the very same version.
    pub(crate) fn base(&self, volume: &HeadVolume) -> Result<Option<Arc<dyn Base>>, CliError> {
        let VolumeRole::System {
            image,
            volume: number,
        } = volume.role
        else {
            return Ok(None);
        };
        let known = self.view.head().images.iter().find(|known| known.id == image);
        let known = known.ok_or_else(|| missing_image("an image that the stick no longer had"))?;
        let stored = self.image(known)?;
        let medium = Arc::new(RepositoryMedium::new(&self.office.office.repository, &stored));
        let manifest = Arc::new(stored.manifest.clone());
        let base = BaseImage::from_manifest(medium, manifest, &stored.key, &BaseOptions::default());
        Ok(Some(Arc::new(base.volume(number).or_explain()?)))
    }

    fn image(&self, known: &HeadImage) -> Result<gobag_bundle::repository::StoredImage, CliError> {
        let label = format!("{}@{}", known.name, known.version);
        let stored = self.office.image(&label)?;
        match stored.manifest.image == known.id {
            true => Ok(stored),
            false => Err(missing_image(&label)),
        }
    }
}

fn missing_image(label: &str) -> CliError {
    let text = format!("the repository does not have {label} as the stick had it");
    said(ExitCode::Failed, "recover.other-image", text)
        .hint("name the repository it was made from with `--repository FOLDER`")
        .hint("home can be recovered without it")
}

fn unlocked(from: &FromArgs, ui: &Ui) -> Result<(OpenOffice, EscrowIdentity), CliError> {
    let office = Office::open(&from.keys.org, Access::Shared)?;
    let (secrets, passphrase) = unlock(&office.org, &from.keys.passphrase.source(), ui)?;
    let org = OrgFolder::open(&from.keys.org.org).or_explain()?;
    let identity = identity_under(&org, &from.escrow, &passphrase)?;
    Ok((OpenOffice { office, secrets }, identity))
}

fn moment(when: &WhenArgs) -> Result<Moment, CliError> {
    let at = when.at.as_deref().map(time::parse).transpose()?;
    Ok(match (&when.bookmark, at) {
        (None, None) => Moment::Latest,
        (None, Some(time_s)) => Moment::At(time_s),
        (Some(name), before_s) => Moment::Bookmark {
            name: Some(name.clone()).filter(|name| !name.is_empty()),
            before_s,
        },
    })
}

fn nothing() -> CliError {
    said(
        ExitCode::Failed,
        "recover.nothing",
        "the server has nothing of this stick's volumes yet",
    )
}
