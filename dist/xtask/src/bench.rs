//! `cargo xtask bench`: measurements that a person can repeat. Each is one file; figures go to standard output.

mod build;
mod company;
mod document;
mod limits;
pub(crate) mod machine;
mod medium;
mod office;
mod qcow;
mod replication;
mod served;
mod site;
mod start;
mod store;
mod sync;

use crate::error::{Error, Result};

/// The benches by name, with what they measure.
const BENCHES: &[(&str, &str)] = &[
    (
        "build",
        "an image and its next version beside restic, borg, mksquashfs, qemu-img and rsync: time, work, bytes",
    ),
    (
        "company",
        "the company's servers with 200 sticks: syncs, points, processor time, on SQLite and PostgreSQL, with replicas and history",
    ),
    (
        "limits",
        "what must not be exceeded: memory, opening, replication, wear, work of a build",
    ),
    (
        "replication",
        "what keeping the company in step saves, costs and risks, at the write rates of a published comparison",
    ),
    (
        "start",
        "a login prompt and a package installed then, from a stick and from raw files in the same QEMU; memory; unlocking",
    ),
    (
        "store",
        "the block layer beside gocryptfs, qcow2 with LUKS and others, on this disk and on models of sticks",
    ),
    (
        "sync",
        "two folders kept the same beside rsync, Unison and rclone bisync: nothing to do, small edits, first copy, large files; time, work, memory",
    ),
];

pub(crate) fn run(args: &[&str]) -> Result<()> {
    match args {
        [] => {
            for (name, what) in BENCHES {
                println!("{name:<12} {what}");
            }
            Ok(())
        }
        ["build", rest @ ..] => build::run(rest),
        ["company", rest @ ..] => company::run(rest),
        ["limits", rest @ ..] => limits::run(rest),
        ["replication", rest @ ..] => replication::run(rest),
        ["start", rest @ ..] => start::run(rest),
        ["store", rest @ ..] => store::run(rest),
        ["sync", rest @ ..] => sync::run(rest),
        [other, ..] => Err(Error::usage(format!("there is no bench `{other}`"))),
    }
}
