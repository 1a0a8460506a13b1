//! The systems: ours, and what an expert would build from existing parts.
//!
//! Each stores the same disk in a folder of its own ([`Peer::prepare`]), which may then be seen through a slow medium
//! and served from there ([`Peer::serve`]). Passphrases are words: nothing here is secret. Key derivation is made
//! cheap where a system allows it, for it is not what is measured.

use std::path::Path;

use crate::bench::office::{Office, PASSPHRASE, Rooms, squash, words};
use crate::bench::qcow;
use crate::bench::served::{Served, Target};
use crate::disk;
use crate::error::Result;
use crate::programs;
use crate::sh::Cmd;

/// A system under measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Our bundle by FUSE.
    Gobag,
    /// The same by our block socket.
    GobagNbd,
    /// The file as it is, on the medium's own file system.
    Plain,
    Gocryptfs,
    Securefs,
    /// qcow2 with LUKS through the FUSE export of `qemu-storage-daemon`.
    QcowFuse,
    /// qcow2 with LUKS through `qemu-nbd`.
    QcowNbd,
    /// An overlay in memory and temporary files over the plain file, by nbdkit.
    NbdkitCow,
    /// squashfs with zstd, read only.
    Squashfuse,
}

/// All of them, ours first.
pub(super) const PEERS: &[Peer] = &[
    Peer::Gobag,
    Peer::GobagNbd,
    Peer::Plain,
    Peer::Gocryptfs,
    Peer::Securefs,
    Peer::QcowFuse,
    Peer::QcowNbd,
    Peer::NbdkitCow,
    Peer::Squashfuse,
];

impl Peer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gobag => "gobag",
            Self::GobagNbd => "gobag, NBD",
            Self::Plain => "plain file",
            Self::Gocryptfs => "gocryptfs",
            Self::Securefs => "securefs",
            Self::QcowFuse => "qcow2+LUKS, FUSE",
            Self::QcowNbd => "qcow2+LUKS, NBD",
            Self::NbdkitCow => "nbdkit cow",
            Self::Squashfuse => "squashfuse",
        }
    }

    /// Whether it is a door of our bundle.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Gobag | Self::GobagNbd)
    }

    /// Whether it can do the job at all.
    pub(super) fn takes(self, writes: bool) -> bool {
        !(writes && self == Self::Squashfuse)
    }

    /// Whether it is measured on a slow medium too, where every second counts: the encrypted ones with a name, and
    /// the plain file. Our doors come out alike there.
    pub(super) fn is_for_sticks(self) -> bool {
        !matches!(
            self,
            Self::GobagNbd | Self::Securefs | Self::NbdkitCow | Self::Squashfuse
        )
    }

    /// Stores `corpus` in the empty folder `store`.
    pub(super) fn prepare(self, corpus: &Path, store: &Path) -> Result<()> {
        match self {
            Self::Gobag | Self::GobagNbd => prepare_gobag(corpus, store),
            Self::Plain | Self::NbdkitCow => copy(corpus, &store.join("disk.raw")),
            Self::Gocryptfs => {
                let cipher = store.join("cipher");
                disk::make_dir(&cipher)?;
                Cmd::new("gocryptfs")
                    .args(["-q", "-init", "-scryptn", "10", "-extpass"])
                    .arg(format!("echo {PASSPHRASE}"))
                    .arg(&cipher)
                    .text()?;
                copy_into(self, corpus, store)
            }
            Self::Securefs => {
                let cipher = store.join("cipher");
                disk::make_dir(&cipher)?;
                Cmd::new("securefs")
                    .args(["create", "--rounds", "1", "--pass", PASSPHRASE])
                    .arg(&cipher)
                    .text()?;
                copy_into(self, corpus, store)
            }
            Self::QcowFuse | Self::QcowNbd => qcow::make(corpus, &store.join("disk.qcow2")),
            Self::Squashfuse => squash(corpus, &store.join("disk.sqfs")),
        }
    }

    /// Serves what [`Peer::prepare`] made, from `store`; doors are made below the folder `doors`.
    pub(super) fn serve(self, store: &Path, doors: &Path) -> Result<Served> {
        disk::remove(doors)?;
        let folder = doors.join("disk");
        disk::make_dir(&folder)?;
        let socket = doors.join("socket");
        match self {
            Self::Gobag => {
                let program = gobag_mount(store, doors)?.arg(&folder);
                Served::mounted(program, &folder, "system.img").map(Served::ended_by_signal)
            }
            Self::GobagNbd => {
                let program = gobag_mount(store, doors)?
                    .args(["--door", "nbd"])
                    .env("XDG_RUNTIME_DIR", doors);
                // In the private folder of a run, which has a name of its own.
                Served::listening(program, &doors.join("gobag/*/nbd.sock"), "system.img")
            }
            Self::Plain => Ok(Served::plain(store.join("disk.raw"))),
            Self::Gocryptfs => {
                let program = Cmd::new("gocryptfs")
                    .args(["-q", "-fg", "-extpass"])
                    .arg(format!("echo {PASSPHRASE}"))
                    .arg(store.join("cipher"))
                    .arg(&folder);
                Served::mounted(program, &folder, "disk.raw")
            }
            Self::Securefs => {
                let program = Cmd::new("securefs")
                    .args(["mount", "--pass", PASSPHRASE])
                    .arg(store.join("cipher"))
                    .arg(&folder);
                Served::mounted(program, &folder, "disk.raw").map(Served::through_the_cache)
            }
            Self::QcowFuse => {
                let door = doors.join("disk.raw");
                disk::write(&door, "")?;
                let program = Cmd::new("qemu-storage-daemon")
                    .args(["--object", qcow::SECRET, "--blockdev"])
                    .arg(format!(
                        "driver=file,node-name=file,filename={}",
                        store.join("disk.qcow2").display()
                    ))
                    .args([
                        "--blockdev",
                        "driver=qcow2,node-name=disk,file=file,encrypt.format=luks,encrypt.key-secret=key",
                    ])
                    .arg("--export")
                    .arg(format!(
                        "type=fuse,id=door,node-name=disk,writable=on,mountpoint={}",
                        door.display()
                    ));
                // It does not notice that it was unmounted from outside.
                Served::mounted(program, &door, "").map(Served::ended_by_signal)
            }
            Self::QcowNbd => {
                let program = Cmd::new("qemu-nbd")
                    .args(["--object", qcow::SECRET, "--persistent", "--shared=8", "--socket"])
                    .arg(&socket)
                    .arg("--image-opts")
                    .arg(qcow::options(&store.join("disk.qcow2")));
                Served::listening(program, &socket, "")
            }
            Self::NbdkitCow => {
                let program = Cmd::new("nbdkit")
                    .args(["--foreground", "--unix"])
                    .arg(&socket)
                    .args(["--filter=cow", "file"])
                    .arg(store.join("disk.raw"))
                    .env("TMPDIR", store);
                Served::listening(program, &socket, "")
            }
            Self::Squashfuse => {
                let program = Cmd::new("squashfuse")
                    .arg("-f")
                    .arg(store.join("disk.sqfs"))
                    .arg(&folder);
                Served::mounted(program, &folder, "corpus.raw")
            }
        }
    }
}

/// `gobag mount` for the stick `store`, its door still to be named.
fn gobag_mount(store: &Path, doors: &Path) -> Result<Cmd> {
    let passphrase = doors.join("passphrase");
    words(&passphrase)?;
    Ok(Cmd::new(programs::folder().join("gobag"))
        .args(["mount", "--stick"])
        .arg(store)
        .arg("--passphrase-file")
        .arg(&passphrase))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    Cmd::new("cp")
        .arg("--sparse=never")
        .arg(from)
        .arg(to)
        .text()
        .map(drop)
}

/// Through the system itself, as there is no other way.
fn copy_into(peer: Peer, corpus: &Path, store: &Path) -> Result<()> {
    let doors = store.with_extension("doors");
    let served = peer.serve(store, &doors)?;
    if let Target::File(disk) | Target::CachedFile(disk) = &served.target {
        copy(corpus, disk)?;
    }
    served.end()?;
    disk::remove(&doors)
}

fn prepare_gobag(corpus: &Path, store: &Path) -> Result<()> {
    const ROOMS: Rooms = Rooms {
        home: "0",
        system: "2GiB",
    };
    let folder = store.with_extension("office");
    disk::remove(&folder)?;
    let office = Office::found(&folder)?;
    office.build(corpus)?;
    office.stick(&ROOMS, store)?;
    disk::remove(office.words())?;
    disk::remove(&folder)
}
