//! From every library's error to an exit code and to what the person can do.
//!
//! The libraries' stable codes decide, in one table: the exit codes are an interface (`docs/exit-codes.md`), and so is
//! the meaning of a code. Hints name an exact command where there is one.

use std::{error::Error, io, path::Path};

use gobag_bundle::{
    ChangeError, FileError, OpenError, SessionError, VolumeError,
    base::BaseError,
    build::BuildError,
    ledger::LedgerAccessError,
    org::OrgFolderError,
    probe::ProbeError,
    provision::ProvisionError,
    repository::{RemoveError, RepositoryError, VerifyError},
    stick::StickError,
    update::UpdateError,
};
use gobag_checklists::{TextsError, plan::PlanFileError, regular::is_not_regular};
use gobag_client::ClientError;
use gobag_engine::{
    ext4::Ext4Error,
    machine::{MachineTypeError, UefiError},
    qemu_img::ConvertError,
    qmp::QmpError,
    run::RunError,
    supervise::StartError,
    tools::NotFound,
};
use gobag_format::{
    envelope::EnvelopeError, escrow::EscrowError, lease::LeaseError, lease::phone::PhoneError,
    officer::OfficerError, org::OrgError, token::CodeError, waiver::WaiverError,
};
use gobag_import::ImportError;
use gobag_mount::{MountError, UnmountError};
use gobag_replica::{ReadError, RemoteError};
use gobag_term::{CliError, ExitCode};

use crate::stick::home::HomeError;

/// For whoever named a pipe.
const NOT_REGULAR: &str = "save what comes out of it in a file, and name that file";

/// An error that a program can end with.
pub(crate) trait Explain {
    /// The error with its exit code and hints.
    fn explain(self) -> CliError;
}

macro_rules! explain {
    ($($error:ty),* $(,)?) => {
        $(impl Explain for $error {
            fn explain(self) -> CliError {
                explained(self.code(), self)
            }
        })*
    };
}

explain!(
    BaseError,
    MachineTypeError,
    QmpError,
    StartError,
    UefiError,
    BuildError,
    ChangeError,
    CodeError,
    ConvertError,
    EnvelopeError,
    EscrowError,
    Ext4Error,
    FileError,
    HomeError,
    ImportError,
    NotFound,
    OfficerError,
    OpenError,
    OrgError,
    OrgFolderError,
    PhoneError,
    PlanFileError,
    ProbeError,
    ProvisionError,
    RemoveError,
    LeaseError,
    LedgerAccessError,
    MountError,
    ReadError,
    RemoteError,
    RepositoryError,
    RunError,
    SessionError,
    StickError,
    TextsError,
    UnmountError,
    UpdateError,
    VerifyError,
    WaiverError,
);

impl Explain for ClientError {
    fn explain(self) -> CliError {
        // A server's code may be one that this program does not know; it is in the message.
        let code = match self {
            Self::Refused(_) => "client.refused",
            Self::Offline { .. } => "client.offline",
            Self::OtherServer { .. } => "client.other-server",
            _ => "client.failed",
        };
        explained(code, self)
    }
}

impl Explain for VolumeError {
    fn explain(self) -> CliError {
        explained("recover.volume", self)
    }
}

/// A result whose error ends the program.
pub(crate) trait OrExplain<T> {
    /// The value, or the explained error.
    fn or_explain(self) -> Result<T, CliError>;
}

impl<T, E: Explain> OrExplain<T> for Result<T, E> {
    fn or_explain(self) -> Result<T, CliError> {
        self.map_err(Explain::explain)
    }
}

/// Any error with this code.
pub(crate) fn explained(code: &'static str, error: impl Error + Send + Sync + 'static) -> CliError {
    if is_not_regular(&error) {
        return CliError::new(ExitCode::Usage, code, error).hint(NOT_REGULAR);
    }
    let shown = CliError::new(exit(code), code, error);
    hints(code).iter().fold(shown, |shown, hint| shown.hint(*hint))
}

/// A file that somebody named cannot be used: `what` says which and what for.
pub(crate) fn unusable(code: &'static str, what: &str, path: &Path, error: &io::Error) -> CliError {
    let shown = said(
        ExitCode::Usage,
        code,
        format!("cannot {what} {}: {error}", path.display()),
    );
    match is_not_regular(error) {
        true => shown.hint(NOT_REGULAR),
        false => shown,
    }
}

/// An error of this program itself, in words.
pub(crate) fn said(exit: ExitCode, code: &'static str, text: impl Into<String>) -> CliError {
    CliError::new(exit, code, text.into())
}

fn exit(code: &str) -> ExitCode {
    let (area, what) = code.split_once('.').unwrap_or((code, ""));
    match code {
        "header.cut-off"
        | "org.sealed"
        | "unlock.wrong-passphrase"
        | "unlock.share-needed"
        | "unlock.wrong-share" => ExitCode::LockedOut,
        "engine.tool-missing" | "engine.uefi-missing" | "engine.machine-type-missing" => ExitCode::HostUnfit,
        "client.refused" => ExitCode::Refused,
        "build.name"
        | "repository.no-such-image"
        | "org.not-a-recipient"
        | "org.no-such-recipient"
        | "org.officer-exists"
        | "org.no-such-officer"
        | "org.officers-needed"
        | "envelope.malformed"
        | "envelope.other-kind"
        | "envelope.other-words"
        | "envelope.too-large"
        | "lease.malformed"
        | "phone.mistyped"
        | "phone.days"
        | "officer.malformed"
        | "officer.name"
        | "org.not-an-org"
        | "repository.not-a-repository"
        | "token.code-mistyped"
        | "plan.file-too-long"
        | "plan.syntax"
        | "plan.missing"
        | "plan.wrong-value"
        | "plan.unknown-field"
        | "plan.repeated"
        | "plan.condition"
        | "plan.contract"
        | "stick.not-a-folder"
        | "update.no-such-image"
        | "texts.no-such-language"
        | "texts.not-fluent"
        | "texts.read"
        | "texts.too-many"
        | "update.older"
        | "waiver.malformed" => ExitCode::Usage,
        "stick.source-damaged"
        | "update.source-damaged"
        | "update.link"
        | "remove.unreadable-image"
        | "store.earlier-state"
        | "store.no-checkpoint"
        | "store.mismatch"
        | "store.damaged" => ExitCode::Damaged,
        _ if what.ends_with("cancelled") => ExitCode::Interrupted,
        _ if what.ends_with("busy") => ExitCode::Busy,
        _ if what.starts_with("newer-format") || what.starts_with("unknown-feature") => ExitCode::Failed,
        _ => match area {
            "header" | "keyslot" | "manifest" | "map" | "pack" => ExitCode::Damaged,
            _ => ExitCode::Failed,
        },
    }
}

fn hints(code: &str) -> &'static [&'static str] {
    match code {
        "org.not-an-org" => &[
            "name the organisation's folder with `--org FOLDER`",
            "or make one with `gobag-image init FOLDER --name NAME`",
        ],
        "org.sealed" => &["check Caps Lock and the keyboard's language"],
        "org.last-recipient" => &["add another one first: `gobag-image escrow add RECIPIENT`"],
        "org.officer-exists" => &[
            "see who is on the list with `gobag-image officer list`",
            "a new key takes the place of an old one after `gobag-image officer rm NAME`",
        ],
        "org.officers-needed" => {
            &["add officers first, or say a smaller number with `gobag-image officer needed COUNT`"]
        }
        "officer.malformed" => &["take the line whole, as `gobag-image officer new` printed it"],
        "repository.not-a-repository" => &["name it with `--repository FOLDER`"],
        "repository.no-such-image" => &["see what is there with `gobag-image list`"],
        "repository.busy" => &["wait until the other gobag-image has ended; nothing is lost"],
        "build.cancelled" => &["run the same command again: what is stored already is not stored twice"],
        "stick.cancelled" | "provision.cancelled" | "update.cancelled" => {
            &["run the same command again: what is on the stick already is kept"]
        }
        "build.version-taken" => &["leave `--version` out to get the next one"],
        "stick.no-space" => &[
            "choose a smaller `--home-size` or `--system-space`",
            "or a larger stick",
        ],
        "update.no-space" => &[
            "delete what else is on the stick",
            "or write a larger stick with `gobag-image stick`",
        ],
        "update.no-such-image" => &["see what is on it with `gobag-image escrow open FOLDER`"],
        "update.moved" => &["put the stick back in that was asked about, and run the same command again"],
        "update.older" => &["versions only go up: build the older content again as a new version"],
        "update.same-number" => &["build the image again, as a higher version"],
        "update.too-large" => &["copy what home holds, and write the stick anew with `gobag-image stick`"],
        "update.switch" => &["run the same command again: it completes the switch, or begins anew"],
        "store.earlier-state" | "store.no-checkpoint" | "store.mismatch" | "store.damaged" => &[
            "the version on the stick and what was saved are as before; look at the stick with `gobag verify` first",
        ],
        "stick.read-back" | "update.read-back" => {
            &["do not use this stick; it is failing, or holds less than it claims"]
        }
        "stick.held-up" => &["put the other target right, or leave it out, and run the command again"],
        "stick.source-damaged" | "update.source-damaged" | "remove.unreadable-image" => &[
            "see all damage with `gobag-image verify`",
            "build the image again: damaged packs are not used",
        ],
        "token.code-mistyped" => &[
            "have it read to you once more; it has the digits 0 to 9 and the letters without I, L, O and U",
            "compare the stick's number with the one in its START-HERE.html",
        ],
        "phone.mistyped" => &[
            "have the question read to you once more; it has the digits 0 to 9 and the letters without I, L, O and U",
            "compare the stick's number with the one in its START-HERE.html",
        ],
        "phone.other-day" => {
            &["let the other person read the date of their computer to you, and ask for a new question"]
        }
        "token.code-newer-format" => {
            &["use the newest gobag-image: the stick's program is newer than this one"]
        }
        "provision.already-a-bundle" => &["`--replace` overwrites it, with everything its user saved"],
        "unlock.share-needed" | "unlock.wrong-share" => {
            &["open it with the escrow key, which needs neither passphrase nor share"]
        }
        "ledger.none" | "ledger.damaged" => {
            &["`gobag-image update` gives the stick a new one; results that waited in a damaged one are lost"]
        }
        "file.no-space" => &["make room, and run the same command again"],
        "client.refused" => {
            &["a token counts for one company, and what changes something needs the role operator"]
        }
        "client.other-server" => &["`--ca` names the certificate that your company's `gobag-server` keeps"],
        "engine.ext4-attributes" | "import.attributes" => {
            &["run the same command as root: `sudo gobag-image build …`"]
        }
        "engine.tool-missing" => &["install it: `apt-get install qemu-utils e2fsprogs`"],
        _ if exit(code) == ExitCode::Damaged => &["see all damage with `gobag-image verify`"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_documented_exits() {
        for (code, expected) in [
            ("org.sealed", ExitCode::LockedOut),
            ("build.cancelled", ExitCode::Interrupted),
            ("engine.convert-cancelled", ExitCode::Interrupted),
            ("repository.busy", ExitCode::Busy),
            ("bundle.busy", ExitCode::Busy),
            ("manifest.bad-signature", ExitCode::Damaged),
            ("manifest.newer-format", ExitCode::Failed),
            ("pack.unknown-feature", ExitCode::Failed),
            ("repository.no-such-image", ExitCode::Usage),
            ("file.no-space", ExitCode::Failed),
            ("update.cancelled", ExitCode::Interrupted),
            ("update.older", ExitCode::Usage),
            ("update.no-space", ExitCode::Failed),
            ("update.source-damaged", ExitCode::Damaged),
            ("update.link", ExitCode::Damaged),
            ("update.moved", ExitCode::Failed),
            ("store.earlier-state", ExitCode::Damaged),
            ("engine.tool-missing", ExitCode::HostUnfit),
        ] {
            assert_eq!(exit(code), expected, "{code}");
        }
    }

    #[test]
    fn whoever_was_stopped_learns_how_to_go_on() {
        for code in [
            "build.cancelled",
            "stick.cancelled",
            "provision.cancelled",
            "update.cancelled",
        ] {
            assert!(hints(code)[0].contains("again"), "{code}");
        }
    }
}
