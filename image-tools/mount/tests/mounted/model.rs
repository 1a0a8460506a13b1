//! Random operations through the kernel against a plain vector.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    sync::Arc,
    time::Duration,
};

use rustix::fs::{FallocateFlags, fallocate};

use crate::{Fixture, has_fuse, volume::Memory};

const SIZE: usize = 6 << 20;
const OPERATIONS: usize = 20_000;
const LONGEST: usize = 80 << 10;

/// xorshift64*: small, seeded, good enough to choose operations.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit
    }

    /// An offset and a length inside `size`: often odd, often at a block border, sometimes larger than one request.
    fn range(&mut self, size: usize) -> (usize, usize) {
        let longest = if self.below(200) == 0 { 3 << 20 } else { LONGEST };
        let mut len = 1 + self.below(longest);
        let mut offset = self.below(size);
        if self.below(3) == 0 {
            (offset, len) = (offset & !4095, (len + 4095) & !4095);
        }
        (offset, len.min(size - offset))
    }
}

struct Player<'a> {
    file: &'a File,
    /// Where this player's part of the disk begins.
    base: usize,
    model: Vec<u8>,
    dice: Dice,
}

impl Player<'_> {
    fn step(&mut self) {
        let (offset, len) = self.dice.range(self.model.len());
        if len == 0 {
            return;
        }
        let at = (self.base + offset) as u64;
        match self.dice.below(100) {
            0..45 => {
                let seed = self.dice.next();
                let data: Vec<u8> = (0..len).map(|i| (seed >> (i % 57)) as u8 ^ i as u8).collect();
                self.file.write_all_at(&data, at).expect("write");
                self.model[offset..offset + len].copy_from_slice(&data);
            }
            45..88 => {
                let mut data = vec![0xAA; len];
                self.file.read_exact_at(&mut data, at).expect("read");
                assert!(
                    data == self.model[offset..offset + len],
                    "read {len} bytes at {at}"
                );
            }
            88..97 => {
                let how = match self.dice.below(2) {
                    0 => FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
                    _ => FallocateFlags::ZERO_RANGE,
                };
                fallocate(self.file, how, at, len as u64).expect("fallocate");
                self.model[offset..offset + len].fill(0);
            }
            _ => self.file.sync_data().expect("fdatasync"),
        }
    }
}

#[test]
fn random_operations_read_as_a_plain_vector() {
    if !has_fuse() {
        return;
    }
    let volume = Arc::new(Memory::new(SIZE));
    let mut fixture = Fixture::with_volume(volume.clone());
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(fixture.disk())
        .expect("open");
    // Three players at once, each on its own third, so that requests really overlap.
    let part = SIZE / 3;
    let models: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let players = [11, 22, 33].map(|seed| {
            let mut player = Player {
                file: &file,
                base: (seed as usize / 11 - 1) * part,
                model: vec![0; part],
                dice: Dice(seed),
            };
            scope.spawn(move || {
                (0..OPERATIONS / 3 + 1).for_each(|_| player.step());
                player.model
            })
        });
        players
            .map(|player| player.join().expect("player"))
            .into_iter()
            .collect()
    });
    drop(file);
    fixture.mounted.unmount(Duration::from_secs(10)).expect("unmount");
    assert!(
        volume.contents() == models.concat(),
        "the volume holds what the model holds"
    );
}
