//! All targets.

mod archive;
mod checkpoint;
mod header;
mod host;
mod ledger;
mod log;
mod manifest;
mod map;
mod memory;
mod pack;
mod people;
mod planner;
mod replica;
mod socket;

use crate::Target;

/// What one input may take where nothing larger is made of it.
const SMALL: u64 = 1 << 20;
/// What one may take where pages are made, or the tables of a whole computer.
const PAGE: u64 = 16 << 20;

/// Every target, in the order in which a stick is opened; what IT reads comes last.
pub const TARGETS: &[Target] = &[
    target("header", 4096, SMALL, header::slot, header::slots),
    target("header-record", 4096, SMALL, header::record, header::records),
    target("keyslot", 128, SMALL, header::key_slot, header::key_slots),
    target(
        "escrow-file",
        1024,
        SMALL,
        people::escrow_file,
        people::escrow_files,
    ),
    target(
        "escrow-text",
        512,
        SMALL,
        people::escrow_text,
        people::escrow_texts,
    ),
    target("org-public", 2048, SMALL, people::public, people::publics),
    target("image-key", 128, SMALL, people::image_key, people::image_keys),
    target("manifest-file", 8192, SMALL, manifest::file, manifest::files),
    target(
        "manifest-payload",
        4096,
        SMALL,
        manifest::payload,
        manifest::payloads,
    ),
    target("map-root", 4096, SMALL, map::root, map::roots),
    target("map-leaf", 4096, SMALL, map::leaf, map::leaves),
    target("pack", 4096, SMALL, pack::directory, pack::directories),
    target("pack-frame", 4096, SMALL, pack::frame, pack::frames),
    target("segment-head", 128, SMALL, log::head, log::heads),
    target("record", 4096, SMALL, log::record, log::records),
    target("unit", 4200, SMALL, log::unit, log::units),
    target("checkpoint-head", 64, SMALL, checkpoint::head, checkpoint::heads),
    // A run of zeros in three bytes stands for a leaf of 512 words.
    target("checkpoint", 4096, 8 << 20, checkpoint::body, checkpoint::bodies),
    target("memory", 192, SMALL, memory::memory, memory::memories),
    target("ledger", 4096, PAGE, ledger::ledger, ledger::ledgers),
    target("envelope", 4096, SMALL, ledger::envelope, ledger::envelopes),
    target("change-pack", 16_384, SMALL, replica::pack, replica::packs),
    target("index-part", 4096, SMALL, replica::index, replica::indexes),
    target("replica-head", 4096, SMALL, replica::head, replica::heads),
    target("restore-token", 2100, SMALL, memory::token, memory::tokens),
    target("waiver", 2100, SMALL, memory::waiver, memory::waivers),
    target("restore-code", 300, SMALL, memory::code, memory::codes),
    target(
        "nbd-handshake",
        1024,
        SMALL,
        socket::handshake,
        socket::handshakes,
    ),
    // A long write is taken in by pieces of a MiB.
    target(
        "nbd-requests",
        2048,
        4 << 20,
        socket::requests,
        socket::conversations,
    ),
    target("tar", 8192, 4 << 20, archive::tar, archive::tars),
    // The largest partition table that is read has 1 MiB.
    target("disk", 4096, 2 << 20, archive::disk, archive::disks),
    target("host-linux", 8192, PAGE, host::linux, host::linuxes),
    target("host-windows", 8192, PAGE, host::windows, host::windowses),
    target("host-macos", 8192, PAGE, host::macos, host::macoses),
    target("recording", 4096, PAGE, host::recording, host::recordings),
    target(
        "requirements",
        4096,
        PAGE,
        host::requirements,
        host::many_requirements,
    ),
    target("coverage", 4096, PAGE, host::coverage, host::coverages),
    target("answers", 4096, PAGE, planner::answers, planner::many_answers),
    target(
        "questions",
        4096,
        PAGE,
        planner::questions,
        planner::many_questions,
    ),
    target("prices", 8192, PAGE, planner::prices, planner::many_prices),
    target("texts", 4096, PAGE, planner::texts, planner::many_texts),
];

const fn target(
    name: &'static str,
    max_len: usize,
    max_memory: u64,
    run: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
) -> Target {
    Target {
        name,
        max_len,
        max_memory,
        run,
        seeds,
    }
}
