//! The way from other programs to the stick's disks: files by FUSE, or a block socket that speaks NBD.
//!
//! Both end in the same order and with the same kinds of trouble (see [`crate::session`]), so that whoever puts a session
//! away need not know which it is.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gobag_bundle::Ambient;
use gobag_format::crypto::Random;
use gobag_mount::{
    EndHook, ErrorHook, Export, Hold, MountError, MountOptions, Mounted, UnmountError, mount,
    socket::{Address, BlockSocket, CloseError, SocketError, SocketOptions, listen},
};
use gobag_term::CliError;
use thiserror::Error;

use crate::{error::Explain, run_folder::RunFolder};

/// Of a secret for the loopback network.
const SECRET_BYTES: usize = 16;

/// Disks that other programs can reach.
pub(crate) struct Door {
    way: Way,
    hold: Option<Arc<Hold>>,
}

enum Way {
    Files(Mounted),
    Socket(BlockSocket),
}

/// What a door needs besides its disks.
#[derive(Clone, Default)]
pub(crate) struct DoorOptions {
    /// Hears of errors of the medium.
    pub(crate) on_error: Option<ErrorHook>,
    /// Where requests wait that the medium does not answer.
    pub(crate) hold: Option<Arc<Hold>>,
    /// Told when files are gone, also where somebody else has unmounted them. A block socket is closed by us only.
    pub(crate) on_end: Option<EndHook>,
}

/// Why a door stays open.
#[derive(Debug, Error)]
pub(crate) enum DoorError {
    /// Files.
    #[error(transparent)]
    Unmount(#[from] UnmountError),
    /// Block socket.
    #[error(transparent)]
    Close(#[from] CloseError),
}

/// What can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The stick does not answer.
    Stick,
    /// Somebody uses the disks.
    Busy,
    /// Nothing.
    Other,
}

impl DoorError {
    /// Stable code for scripts.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unmount(error) => error.code(),
            Self::Close(error) => error.code(),
        }
    }

    pub(crate) fn obstacle(&self) -> Obstacle {
        match self {
            Self::Unmount(UnmountError::Flush { .. } | UnmountError::Stuck { .. })
            | Self::Close(CloseError::Flush { .. } | CloseError::Stuck) => Obstacle::Stick,
            Self::Unmount(UnmountError::Busy { .. }) | Self::Close(CloseError::Busy { .. }) => Obstacle::Busy,
            Self::Unmount(_) | Self::Close(_) => Obstacle::Other,
        }
    }
}

/// Whether an error says that this computer has no FUSE for this user.
pub(crate) fn is_without_fuse(error: &MountError) -> bool {
    matches!(
        error,
        MountError::DeviceMissing
            | MountError::Device(_)
            | MountError::HelperMissing
            | MountError::Refused { .. }
    )
}

impl Door {
    /// Every export as a file in `place`.
    pub(crate) fn files(
        exports: Vec<Export>,
        place: &Path,
        options: &DoorOptions,
    ) -> Result<Self, MountError> {
        let DoorOptions {
            on_error,
            hold,
            on_end,
        } = options.clone();
        let mount_options = MountOptions {
            on_error,
            hold: hold.clone(),
            on_end,
            ..MountOptions::default()
        };
        let way = Way::Files(mount(exports, place, &mount_options)?);
        Ok(Self { way, hold })
    }

    /// Every export at a Unix socket in the run's private folder.
    pub(crate) fn socket(
        exports: Vec<Export>,
        folder: &RunFolder,
        options: &DoorOptions,
    ) -> Result<Self, SocketError> {
        Self::listen(exports, &Address::Unix(folder.block_socket()), options)
    }

    /// Every export on the loopback network, behind a secret made for this run.
    pub(crate) fn loopback(exports: Vec<Export>, options: &DoorOptions) -> Result<Self, SocketError> {
        let secret = new_secret(&*Ambient::system().random);
        Self::listen(exports, &Address::Loopback { secret }, options)
    }

    fn listen(exports: Vec<Export>, address: &Address, options: &DoorOptions) -> Result<Self, SocketError> {
        let DoorOptions { on_error, hold, .. } = options.clone();
        let socket_options = SocketOptions {
            on_error,
            hold: hold.clone(),
        };
        let way = Way::Socket(listen(exports, address, &socket_options)?);
        Ok(Self { way, hold })
    }

    /// The file of the export `name`, where there are files.
    pub(crate) fn file(&self, name: &str) -> Option<PathBuf> {
        match &self.way {
            Way::Files(mounted) => Some(mounted.file(name)),
            Way::Socket(_) => None,
        }
    }

    /// Where the files are.
    pub(crate) fn mountpoint(&self) -> Option<&Path> {
        match &self.way {
            Way::Files(mounted) => Some(mounted.mountpoint()),
            Way::Socket(_) => None,
        }
    }

    /// The block socket, if it is one.
    pub(crate) fn block_socket(&self) -> Option<&BlockSocket> {
        match &self.way {
            Way::Files(_) => None,
            Way::Socket(socket) => Some(socket),
        }
    }

    /// Ends it; after an error it stands as before, and this can be called again.
    pub(crate) fn close(&mut self, patience: Duration) -> Result<(), DoorError> {
        match &mut self.way {
            Way::Files(mounted) => mounted.unmount(patience)?,
            Way::Socket(socket) => socket.close(patience)?,
        }
        Ok(())
    }

    /// The stick is back: requests that waited for it are tried again.
    pub(crate) fn release(&self) {
        if let Some(hold) = &self.hold {
            hold.release();
        }
    }
}

fn new_secret(random: &dyn Random) -> String {
    let mut bytes = [0; SECRET_BYTES];
    random.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Explain for DoorError {
    fn explain(self) -> CliError {
        match self {
            Self::Unmount(error) => error.explain(),
            Self::Close(error) => error.explain(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_new_each_time_and_hard_to_guess() {
        let random = Ambient::system().random;
        let secrets = [0; 3].map(|_| new_secret(&*random));
        assert!(secrets.iter().all(|secret| secret.len() == 32));
        assert!(secrets[0] != secrets[1] && secrets[1] != secrets[2]);
    }
}
