//! The other side of the rig: this same test program, run by the guest's `init` over the exFAT stick.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use gobag_bundle::Session;
use gobag_tests::{model::Op, rng::FixedRandom};

use super::{
    Job, Plan, VOLUMES,
    log::{MARK_MAGIC, MARK_SECTOR, SECTOR},
    peers, rekey, update,
};
use crate::stick::{PASSPHRASE, ambient, open};

/// What `init` is told: [`Plan::text`].
pub(super) const PLAN: &str = "/plan";
const STICK: &str = "/mnt";
const DEVICE: &str = "/dev/sda";
/// Operations between two sessions; every second one ends without being closed.
const SESSION: usize = 120;
/// Linux: no page cache, and durable before the call returns.
const O_DIRECT_SYNC: i32 = 0o40000 | 0o4_010_000;

#[test]
#[ignore = "the part that runs inside the rig's guest"]
fn inside() {
    let Ok(plan) = fs::read_to_string(PLAN) else {
        eprintln!("skipped: not in the rig's guest");
        return;
    };
    let plan = Plan::parse(&plan).unwrap();
    match plan.job {
        Job::Operations => operate(&plan),
        Job::Rekey => rekey::work(&plan, Path::new(STICK)),
        Job::Update => update::work(&plan, Path::new(STICK)),
        Job::Ours => {
            let session = open(
                Path::new(STICK),
                PASSPHRASE,
                true,
                ambient(Arc::new(FixedRandom::new(1000))),
            );
            peers::work(&plan, &peers::Ours(&session));
        }
        Job::Peer => peers::work(&plan, &peers::Served::open(Path::new(&plan.word))),
    }
    println!("ALL_DONE");
}

fn operate(plan: &Plan) {
    let mut random = 1000;
    let mut start = || {
        random += 1;
        let random = Arc::new(FixedRandom::new(random));
        open(Path::new(STICK), PASSPHRASE, true, ambient(random))
    };
    let mut session = start();
    let sizes = VOLUMES.map(|name| volume(&session, name).size_bytes());
    mark(0);
    for (nth, op) in plan.operations(&sizes).iter().enumerate() {
        let at = |index: usize| volume(&session, VOLUMES[index]);
        match op {
            Op::Write { volume, offset, data } => at(*volume).write_at(*offset, data).unwrap(),
            Op::Trim { volume, offset, len } => at(*volume).trim(*offset, *len).unwrap(),
            Op::Flush => {
                at(0).flush().unwrap();
                mark(nth + 1);
            }
            Op::Reset { .. } => unreachable!("not drawn"),
        }
        if (nth + 1) % SESSION == 0 {
            if (nth + 1) % (2 * SESSION) == 0 {
                session.close().unwrap();
            }
            // A dropped session loses what was not flushed, but here nobody pulled anything: make it the end of history.
            volume(&session, VOLUMES[0]).flush().unwrap();
            drop(session);
            session = start();
        }
    }
    session.close().unwrap();
}

pub(super) fn volume<'a>(session: &'a Session, name: &str) -> &'a dyn gobag_bundle::Volume {
    let found = session.volumes().iter().find(|volume| volume.name == name);
    &*found.unwrap().volume
}

/// Puts into the log of the stick's writes that so many operations are confirmed.
pub(super) fn mark(operations: usize) {
    let mut buffer = vec![0; 2 * SECTOR];
    // Such a write must start at a multiple of the sector in memory too.
    let start = buffer.as_ptr().align_offset(SECTOR);
    let sector = &mut buffer[start..start + SECTOR];
    sector[..8].copy_from_slice(&MARK_MAGIC);
    sector[8..16].copy_from_slice(&(operations as u64).to_le_bytes());
    let mut device: File = File::options()
        .write(true)
        .custom_flags(O_DIRECT_SYNC)
        .open(DEVICE)
        .unwrap();
    std::io::Seek::seek(&mut device, std::io::SeekFrom::Start(MARK_SECTOR * SECTOR as u64)).unwrap();
    device.write_all(sector).unwrap();
}
