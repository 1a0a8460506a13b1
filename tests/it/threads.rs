//! Several threads on one store with its background thread, cleaning all the while, until the stick is pulled.
//!
//! Each thread has blocks of its own and numbers its writes. After the crash its blocks must show one moment of
//! its own history, not before its last confirmed one; between threads no order is promised.

use std::{collections::HashMap, sync::Arc, thread, time::Duration};

use gobag_bundle::{Volume as _, VolumeError, store::Store};
use gobag_format::limits::BLOCK_LEN;
use gobag_tests::{
    rig::{Rig, Session, geometry},
    rng::Rng,
    sim::{Damage, Faults, SimMedium},
    sweep::sweep,
};

const THREADS: u64 = 4;
const BLOCKS: u64 = 12;
const BLOCK: u64 = BLOCK_LEN as u64;

/// What one thread knows when the stick is gone.
struct Diary {
    /// After each write, the number of the write that each block holds; the first entry is the start.
    states: Vec<[u64; BLOCKS as usize]>,
    /// The states before this one are behind a confirmed flush.
    confirmed: usize,
}

/// A block whose first bytes say which write it is from, and whose rest follows from them.
fn block(thread: u64, write: u64) -> [u8; BLOCK_LEN] {
    let mut bytes = [0; BLOCK_LEN];
    Rng::new(thread << 32 | write).fill(&mut bytes);
    bytes[..8].copy_from_slice(&write.to_le_bytes());
    bytes
}

/// Which write a block is from; panics when it is a mixture.
fn origin(thread: u64, bytes: &[u8]) -> u64 {
    let write = u64::from_le_bytes([
        bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
    ]);
    assert!(
        write == 0 && bytes.iter().all(|byte| *byte == 0) || bytes == block(thread, write),
        "thread {thread}: a block is a mixture"
    );
    write
}

fn write_until_gone(session: &Session, thread: u64, seed: u64, start: [u64; BLOCKS as usize]) -> Diary {
    let mut rng = Rng::new(seed ^ thread << 8);
    let volume = &session.volumes[1];
    let mut diary = Diary {
        states: vec![start],
        confirmed: 0,
    };
    let mut now = start;
    let mut number = start.iter().copied().max().unwrap_or(0);
    loop {
        let nth = rng.below(BLOCKS);
        let offset = (thread * BLOCKS + nth) * BLOCK;
        let done = match rng.below(10) {
            0..6 => {
                number += 1;
                now[nth as usize] = number;
                // Noted first: what fails half-way may be there all the same.
                diary.states.push(now);
                volume.write_at(offset, &block(thread, number))
            }
            6 => {
                now[nth as usize] = 0;
                diary.states.push(now);
                volume.trim(offset, BLOCK)
            }
            7..9 => {
                let mut bytes = [0; BLOCK_LEN];
                let read = volume.read_at(offset, &mut bytes);
                if read.is_ok() {
                    assert_eq!(
                        origin(thread, &bytes),
                        now[nth as usize],
                        "thread {thread} reads its writes"
                    );
                }
                read
            }
            _ => {
                let upto = diary.states.len() - 1;
                let flushed = volume.flush();
                if flushed.is_ok() {
                    diary.confirmed = upto;
                }
                flushed
            }
        };
        match done {
            Ok(()) => {}
            Err(VolumeError::Medium(_)) => return diary,
            Err(error) => panic!("thread {thread}: {error}"),
        }
    }
}

/// What the blocks of a thread show.
fn states_on(session: &Session) -> HashMap<u64, [u64; BLOCKS as usize]> {
    let read = |thread: u64| {
        let mut bytes = vec![0; (BLOCKS * BLOCK) as usize];
        session.volumes[1]
            .read_at(thread * BLOCKS * BLOCK, &mut bytes)
            .unwrap_or_else(|error| panic!("thread {thread}: {error}"));
        let mut state = [0; BLOCKS as usize];
        for (write, block) in state.iter_mut().zip(bytes.chunks(BLOCK_LEN)) {
            *write = origin(thread, block);
        }
        (thread, state)
    };
    (0..THREADS).map(read).collect()
}

fn one_life(rig: &Rig, medium: &Arc<SimMedium>, seed: u64, life: u64) -> Vec<Diary> {
    let session = rig.open_sound(medium);
    let start = states_on(&session);
    let mut rng = Rng::new(seed ^ life << 20);
    medium.set_faults(Faults {
        cut_at: Some(medium.operations() + rng.within(20..=400)),
        ..Faults::default()
    });
    thread::scope(|scope| {
        let store: &Store = &session.store;
        let background = scope.spawn(|| store.background(Duration::from_millis(1)));
        let workers: Vec<_> = (0..THREADS)
            .map(|number| {
                let (session, start) = (&session, start[&number]);
                scope.spawn(move || write_until_gone(session, number, seed ^ life, start))
            })
            .collect();
        let diaries = workers.into_iter().map(|worker| worker.join());
        let diaries: Vec<_> = diaries.collect();
        store.stop_background();
        background.join().expect("the background thread does not panic");
        diaries
            .into_iter()
            .map(|diary| diary.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[test]
fn every_thread_finds_a_moment_of_its_own_after_a_crash() {
    sweep(60, |seed| {
        // Room for little more than the blocks, so that cleaning never rests.
        let (rig, mut medium) = Rig::new(seed, geometry(12, 128, 96, 60), BLOCK, THREADS * BLOCKS * BLOCK);
        for life in 0..3 {
            let diaries = one_life(&rig, &medium, seed, life);
            medium = Arc::new(medium.crash(&mut Rng::new(seed ^ life), Damage::default()));
            let states = states_on(&rig.open_sound(&medium));
            medium.next_session();
            for (thread, diary) in (0..).zip(diaries) {
                let found = diary.states[diary.confirmed..].contains(&states[&thread]);
                assert!(
                    found,
                    "thread {thread} finds no moment at or after {} of {}",
                    diary.confirmed,
                    diary.states.len()
                );
            }
        }
    });
}
