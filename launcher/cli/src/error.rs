//! From every library's error to an exit code and to what the person can do.
//!
//! The libraries' stable codes decide, in one table: the exit codes are an interface (`docs/exit-codes.md`), and so is
//! the meaning of a code. Hints name an exact command where there is one.

use std::{error::Error, io, path::Path};

use gobag_bundle::{ChangeError, OpenError, SessionError, ledger::LedgerAccessError, memory::Refused};
use gobag_checklists::{TextsError, regular::is_not_regular};
use gobag_client::ClientError;
use gobag_engine::{
    accel::ProveError,
    container::{ContainerError, StaleError, VolumeError as ContainerVolumeError},
    machine::{MachineTypeError, SpecError, UefiError},
    qmp::QmpError,
    supervise::StartError,
    tools::NotFound,
    userns::UsernsError,
};
use gobag_format::{
    lease::{LeaseError, PolicyError, phone::PhoneError},
    memory::Remember,
    waiver::WaiverError,
};
use gobag_mount::{
    MountError, UnmountError,
    socket::{CloseError, SocketError},
};
use gobag_protocol::error::Code;
use gobag_term::{CliError, ExitCode, human};

use crate::{boot_files::BlobError, control::ControlError, find::FindError, run_folder::RunFolderError};

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
    BlobError,
    ChangeError,
    CloseError,
    ContainerError,
    ContainerVolumeError,
    ControlError,
    FindError,
    LeaseError,
    LedgerAccessError,
    PhoneError,
    PolicyError,
    MachineTypeError,
    MountError,
    NotFound,
    OpenError,
    ProveError,
    QmpError,
    RunFolderError,
    SocketError,
    SpecError,
    StaleError,
    StartError,
    UnmountError,
    UsernsError,
    WaiverError,
    UefiError,
);

impl Explain for ClientError {
    fn explain(self) -> CliError {
        let Self::Refused(refused) = &self else {
            let code = match &self {
                Self::Offline { .. } => "client.offline",
                Self::OtherServer { .. } => "client.other-server",
                Self::Certificate { .. } => "client.certificate",
                Self::Setup { .. } => "client.setup",
                _ => "client.protocol",
            };
            return explained(code, self);
        };
        let known = Code::ALL.iter().find(|code| refused.is(**code));
        let code = known.map_or("client.refused", |code| code.as_str());
        let hint = refused.hint.clone();
        let shown = CliError::new(ExitCode::Refused, code, self);
        let shown = hints(code).iter().fold(shown, |shown, hint| shown.hint(*hint));
        match hint {
            Some(hint) => shown.hint(human::printable(&hint)),
            None => shown,
        }
    }
}

impl Explain for SessionError {
    fn explain(self) -> CliError {
        match self {
            Self::Refused(refused) => refused.explain(),
            other => explained(other.code(), other),
        }
    }
}

impl Explain for Box<Refused> {
    fn explain(self) -> CliError {
        let (code, may_accept) = match &*self {
            Refused::SetBack { code, rule, .. } => (Some(code.clone()), *rule == Remember::Ask),
            Refused::Token { code, .. } => (Some(code.clone()), false),
            _ => (None, false),
        };
        let mut shown = explained(self.code(), self);
        if let Some(code) = code {
            shown = shown
                .hint(format!(
                    "phone your IT, at the number you know (START-HERE.html on the stick has one, too), and read them this: {code}"
                ))
                .hint("if they agree, they send you a restore token; then `gobag start --restore-token FILE`");
        }
        match may_accept {
            true => shown.hint(
                "or go on without them, with `gobag start --accept-earlier-state`; what came after the earlier state is gone",
            ),
            false => shown,
        }
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
    let shown = CliError::new(exit(code), code, error);
    hints(code).iter().fold(shown, |shown, hint| shown.hint(*hint))
}

/// A file that somebody named cannot be used: `what` says which and what for.
pub(crate) fn unusable(code: &'static str, what: &str, path: &Path, error: &io::Error) -> CliError {
    let text = format!("cannot {what} {}: {error}", path.display());
    pointed(said(ExitCode::Usage, code, text), is_not_regular(error))
}

/// Texts that somebody named cannot be used.
pub(crate) fn unusable_texts(error: TextsError) -> CliError {
    let is_pipe = is_not_regular(&error);
    pointed(CliError::new(ExitCode::Usage, error.code(), error), is_pipe)
}

fn pointed(shown: CliError, is_pipe: bool) -> CliError {
    match is_pipe {
        true => shown.hint(NOT_REGULAR),
        false => shown,
    }
}

/// An error of this program itself, in words.
pub(crate) fn said(exit: ExitCode, code: &'static str, text: impl Into<String>) -> CliError {
    CliError::new(exit, code, text.into())
}

fn exit(code: &str) -> ExitCode {
    let (area, _) = code.split_once('.').unwrap_or((code, ""));
    match code {
        "bundle.busy" | "mount.busy" | "socket.busy" => ExitCode::Busy,
        "header.cut-off"
        | "unlock.wrong-passphrase"
        | "unlock.passphrase-replaced"
        | "unlock.share-needed"
        | "unlock.escrow-needed"
        | "unlock.wrong-share"
        | "unlock.no-server"
        | "keyslot.wrong-passphrase" => ExitCode::LockedOut,
        "mount.fuse-missing"
        | "mount.fuse-denied"
        | "mount.fusermount-missing"
        | "engine.tool-missing"
        | "engine.userns-refused"
        | "engine.userns-helper"
        | "engine.container-namespaces"
        | "engine.machine-type-missing"
        | "engine.uefi-missing" => ExitCode::HostUnfit,
        "gobag.not-a-stick" | "gobag.several-sticks" | "session.no-such-image" => ExitCode::Usage,
        "lease.revoked" | "lease.none" | "lease.clock-behind" | "lease.not-yet" | "lease.ended"
        | "lease.old-image" | "lease.other-stick" => ExitCode::LockedOut,
        "memory.earlier-state" | "memory.other-history" => ExitCode::Damaged,
        "keyslot.passphrase-length" => ExitCode::Failed,
        _ if code.ends_with(".newer-format") || code.contains(".unknown-feature") => ExitCode::Failed,
        _ if code.ends_with(".medium") => ExitCode::Failed,
        _ if code.ends_with("cancelled") => ExitCode::Interrupted,
        "store.full" | "store.other-state" | "header.write" | "header.not-kept" | "session.no-image"
        | "map.other-image" => ExitCode::Failed,
        _ => match area {
            "header" | "keyslot" | "manifest" | "map" | "pack" | "store" | "base" | "volume" => {
                ExitCode::Damaged
            }
            "engine" => ExitCode::GuestFailed,
            _ => ExitCode::Failed,
        },
    }
}

fn hints(code: &str) -> &'static [&'static str] {
    match code {
        "gobag.no-stick" => &[
            "plug the stick in and open it in the file manager once, then try again",
            "or say where it is: `gobag start --stick FOLDER`",
        ],
        "gobag.several-sticks" => &["say which one: add `--stick FOLDER`"],
        "gobag.not-a-stick" => &["name the stick's own folder, the one with START-HERE.html in it"],
        "gobag.session-gone" | "gobag.session-lost" => {
            &["start again with `gobag start`; nothing saved is lost"]
        }
        "bundle.busy" => &[
            "see what uses it with `gobag status`",
            "end it in good order with `gobag stop`",
        ],
        "header.cut-off" => &[
            "what was sent to the company before is there; phone your IT, also if you think that this is a mistake",
        ],
        "unlock.wrong-passphrase" => &[
            "check Caps Lock and the keyboard's language; trying again erases nothing",
            "if you forgot it, phone your IT: they can set a new one",
        ],
        "unlock.share-needed" | "unlock.wrong-share" => &[
            "go online: your company's server gives the stick what it needs, and refuses one that was cut off",
            "or phone your IT: their escrow key opens it, too",
        ],
        "unlock.escrow-needed" => &[
            "phone your IT: their escrow key opens the stick, and nothing on it is lost; being online does not help",
        ],
        "unlock.no-server" => &[
            "connect this computer to the internet and try again; in a hotel or café, first open any page in the browser",
            "your IT chose that sticks open only while your company's server answers; if it is down, phone your IT: their escrow key opens the stick, too",
        ],
        "engine.uefi-missing" => &["on Debian and Ubuntu it is the package `ovmf`"],
        "unlock.passphrase-replaced" => &["use your newest passphrase"],
        "header.newer-format"
        | "header.unknown-features"
        | "manifest.newer-format"
        | "manifest.unknown-feature"
        | "map.newer-format"
        | "map.unknown-feature"
        | "pack.newer-format"
        | "pack.unknown-feature" => {
            &["use the program that lies on the stick itself; this one is older than the stick"]
        }
        "store.earlier-state" => &[
            "go on from the intact earlier state with `gobag start --accept-earlier-state`; what came after it is gone",
            "or phone your IT first: the company may have a later copy",
        ],
        "memory.earlier-state" | "memory.other-history" => &[
            "nothing was changed, and what is on the stick is still there: an earlier copy of it was put back, or it lost what it had saved",
        ],
        "token.malformed" | "token.bad-signature" | "token.too-large" => {
            &["take the file as IT sent it, whole and unchanged"]
        }
        "waiver.malformed" | "waiver.bad-signature" | "waiver.too-large" => {
            &["take the file as IT sent it, whole and unchanged"]
        }
        "waiver.other-bundle" | "waiver.other-org" => {
            &["ask your IT for a waiver for this stick; its number is in START-HERE.html"]
        }
        "ledger.none" => &["your IT can give it one, with `gobag-image update`; you can work without it"],
        "lease.none" => &[
            "connect this computer to the internet, and enrol the stick with the letter that your IT gives you: `gobag enrol LETTER`",
        ],
        "lease.ended" => &[
            "connect this computer to the internet and try again: the stick then asks your company for a new lease",
            "if your company's server is gone, ask your company for an emergency letter; then `gobag lease extend LETTER`",
            "nothing on the stick is lost",
        ],
        "lease.clock-behind" | "lease.not-yet" => {
            &["set this computer's clock and date, and try again; nothing is lost, and nothing was erased"]
        }
        "lease.old-image" => &["your IT has a newer version for your stick; ask them to update it"],
        "lease.other-stick" | "lease.malformed" | "lease.policy" => {
            &["phone your IT: the stick must be enrolled again, or its image is wrong"]
        }
        "letter.malformed" | "workspace-letter.malformed" => {
            &["take the letter as your IT sent it, whole and unchanged"]
        }
        "workspace-letter.newer-format" => {
            &["use the program that lies on the stick; if it is that one, ask your IT to update it"]
        }
        "enrol.token" => &["the letter counts once, and for 15 minutes; ask your IT for a new one"],
        "client.offline" => &[
            "check that this computer is online: open any page in its browser",
            "if it is, your company's server may be down; try again later, or phone your IT",
        ],
        "client.other-server" => &[
            "in a hotel or café, first open any page in the browser and agree to what it asks",
            "else phone your IT before you try again: somebody may stand between you and your company",
        ],
        "token.other-bundle" => &["ask your IT for a token for this stick; its number is in START-HERE.html"],
        "memory.not-written" => &["make room on this computer, or start it as another user, and try again"],
        "phone.mistyped" => {
            &["have it read to you once more; it has the digits 0 to 9 and the letters without I, L, O and U"]
        }
        "phone.other-day" => &["set this computer's clock, and ask for a new question with the same command"],
        "phone.too-many-wrong" => &["begin anew with the same command, and a new question"],
        "phone.no-codes" => {
            &["ask your IT for a letter, and give it to the stick with `gobag lease extend FILE`"]
        }
        "store.full" => &["start it, delete what you do not need, and shut down"],
        "store.other-state" => &["start again with `gobag start`; what is on the stick is safe"],
        "unlock.medium" | "session.medium" | "base.medium" | "store.medium" | "bundle.medium" => {
            &["pull the stick out, plug it in again (best into another socket), and try again"]
        }
        "mount.fuse-missing" | "mount.fuse-denied" | "mount.fusermount-missing" => &[
            "see what this computer lacks, and what to do, with `gobag check`",
            "or do without FUSE: a virtual machine with `gobag start --door nbd`, the disks with `gobag mount --door nbd`",
        ],
        "engine.tool-missing" => &["see what this computer lacks, and what to do, with `gobag check`"],
        "engine.userns-refused" | "engine.userns-helper" | "engine.container-namespaces" => &[
            "see what this computer lacks with `gobag check --mode container`",
            "a virtual machine may work: `gobag start --mode vm`",
        ],
        "engine.qemu-ended" => &["try without a window: `gobag start --headless`"],
        "mount.busy" | "socket.busy" => &["close the programs named above, then try again"],
        "mount.flush" | "mount.stuck" | "socket.flush" | "socket.stuck" => {
            &["plug the stick in again; leave it in until it says \"safe to remove\""]
        }
        "manifest.bad-signature"
        | "manifest.rolled-back"
        | "manifest.sealed"
        | "manifest.not-the-recorded" => &[
            "the image on this stick was altered or damaged; phone your IT, and use another stick if you have one",
        ],
        _ if code.starts_with("header.") && exit(code) == ExitCode::Damaged => {
            &["leave the stick as it is and phone your IT: they may rescue what is on it"]
        }
        _ if exit(code) == ExitCode::Damaged => &["list all damage with `gobag verify`, and phone your IT"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_documented_exits() {
        for (code, expected) in [
            ("bundle.busy", ExitCode::Busy),
            ("mount.busy", ExitCode::Busy),
            ("socket.busy", ExitCode::Busy),
            ("socket.listen", ExitCode::Failed),
            ("unlock.wrong-passphrase", ExitCode::LockedOut),
            ("unlock.no-server", ExitCode::LockedOut),
            ("unlock.share-needed", ExitCode::LockedOut),
            ("unlock.escrow-needed", ExitCode::LockedOut),
            ("unlock.medium", ExitCode::Failed),
            ("header.damaged", ExitCode::Damaged),
            ("header.newer-format", ExitCode::Failed),
            ("header.unknown-features", ExitCode::Failed),
            ("manifest.bad-signature", ExitCode::Damaged),
            ("manifest.unknown-feature", ExitCode::Failed),
            ("store.earlier-state", ExitCode::Damaged),
            ("memory.earlier-state", ExitCode::Damaged),
            ("memory.other-history", ExitCode::Damaged),
            ("memory.not-written", ExitCode::Failed),
            ("token.used", ExitCode::Failed),
            ("store.full", ExitCode::Failed),
            ("engine.tool-missing", ExitCode::HostUnfit),
            ("engine.qemu-ended", ExitCode::GuestFailed),
            ("engine.container-lost", ExitCode::GuestFailed),
            ("engine.container-cancelled", ExitCode::Interrupted),
            ("engine.ext4-cancelled", ExitCode::Interrupted),
            ("mount.fuse-missing", ExitCode::HostUnfit),
            ("mount.refused", ExitCode::Failed),
            ("gobag.no-stick", ExitCode::Failed),
            ("gobag.several-sticks", ExitCode::Usage),
        ] {
            assert_eq!(exit(code), expected, "{code}");
        }
    }

    #[test]
    fn damage_always_says_what_to_do() {
        for code in [
            "header.damaged",
            "pack.sealed",
            "store.damaged",
            "volume.damaged",
            "manifest.invalid",
        ] {
            assert!(!hints(code).is_empty(), "{code}");
        }
    }
}
