//! The rules of the module's header, one by one, on a small device.

use super::*;

/// Units of 4 pages of 1000 bytes, two of them open; 1 byte takes 1 µs however it is moved.
const SMALL: Preset = Preset {
    name: "small",
    read_rate: 1_000_000,
    write_rate: 1_000_000,
    copy_rate: 1_000_000,
    command_us: 7,
    read_access_us: 11,
    write_access_us: 13,
    sync_us: 17,
    page_bytes: 1000,
    unit_bytes: 4000,
    open_units: 2,
    cluster_bytes: 1000,
    capacity_bytes: 1_000_000,
};

fn small() -> Model {
    Model::new(SMALL, None)
}

fn read(model: &mut Model, address: u64, len: u64) -> Cost {
    model.charge(Op::Read { address, len }, true)
}

fn write(model: &mut Model, address: u64, len: u64) -> (u64, u64) {
    let cost = model.charge(Op::Write { address, len }, true);
    (cost.programmed_bytes, cost.copied_bytes)
}

#[test]
fn only_an_idle_device_waits_for_the_command() {
    let mut model = small();
    assert_eq!(model.charge(Op::Sync, false).total_ns(), 24_000);
    assert_eq!(model.charge(Op::Sync, true).total_ns(), 17_000);
}

#[test]
fn a_read_that_continues_has_no_access_time() {
    let mut model = small();
    assert_eq!(read(&mut model, 0, 100).total_ns(), 111_000);
    assert_eq!(read(&mut model, 100, 100).total_ns(), 100_000);
    assert_eq!(read(&mut model, 900, 100).total_ns(), 111_000);
    assert_eq!(
        read(&mut model, 200, 100).total_ns(),
        100_000,
        "two streams side by side"
    );
    for far in 1..=4 {
        read(&mut model, far * 10_000, 100);
    }
    assert_eq!(read(&mut model, 300, 100).total_ns(), 111_000, "too many streams");
}

#[test]
fn writing_in_order_copies_nothing_and_programs_each_page_once() {
    let mut model = small();
    let pieces = [(0, 500), (500, 700), (1200, 2800), (4000, 4000), (8000, 1000)];
    let all: Vec<_> = pieces
        .into_iter()
        .map(|(at, len)| write(&mut model, at, len))
        .collect();
    assert_eq!(all, [(1000, 0), (1000, 0), (2000, 0), (4000, 0), (1000, 0)]);
}

#[test]
fn a_third_place_closes_the_oldest_unit_and_copies_it() {
    let mut model = small();
    assert_eq!(write(&mut model, 1000, 10), (1000, 0));
    assert_eq!(write(&mut model, 5000, 10), (1000, 0));
    assert_eq!(write(&mut model, 1500, 10), (1000, 0), "still open");
    assert_eq!(
        write(&mut model, 9000, 10),
        (1000, 4000),
        "closes the second, not the first"
    );
    assert_eq!(write(&mut model, 1700, 10), (1000, 0), "the first is open still");
}

#[test]
fn a_unit_begun_in_order_is_completed_instead_of_copied() {
    let mut model = small();
    write(&mut model, 0, 2500);
    write(&mut model, 4000, 10);
    assert_eq!(
        write(&mut model, 9000, 10),
        (1000, 1000),
        "three of four pages were there"
    );
}

#[test]
fn a_full_log_is_merged() {
    let mut model = small();
    for _ in 0..4 {
        assert_eq!(write(&mut model, 100, 10), (1000, 0));
    }
    assert_eq!(write(&mut model, 100, 10), (1000, 4000));
    assert_eq!(write(&mut model, 100, 10), (1000, 0));
}

#[test]
fn a_whole_unit_replaces_what_was_open() {
    let mut model = small();
    write(&mut model, 100, 10);
    assert_eq!(write(&mut model, 0, 4000), (4000, 0));
    write(&mut model, 4100, 10);
    assert_eq!(write(&mut model, 100, 10), (1000, 0), "a place was free");
}

#[test]
fn a_flush_ends_a_page_and_the_order_of_the_log() {
    let mut model = small();
    write(&mut model, 0, 500);
    model.charge(Op::Sync, true);
    assert_eq!(
        write(&mut model, 500, 500),
        (1000, 0),
        "the page is programmed again"
    );
    model.charge(Op::Sync, true);
    assert_eq!(
        write(&mut model, 1000, 2000),
        (2000, 0),
        "a full page needs no end"
    );
    assert_eq!(write(&mut model, 3000, 1000), (1000, 4000), "five pages for four");

    let mut model = small();
    write(&mut model, 0, 1000);
    model.charge(Op::Sync, true);
    write(&mut model, 1000, 3000);
    write(&mut model, 4000, 10);
    write(&mut model, 8000, 10);
    let (_, copied) = write(&mut model, 12_000, 10);
    assert_eq!(copied, 3000, "flushes between whole pages leave a unit in order");
}

#[test]
fn a_request_over_several_units_is_their_sum() {
    let mut model = small();
    let cost = model.charge(
        Op::Write {
            address: 3500,
            len: 5000,
        },
        true,
    );
    assert_eq!(
        (cost.programmed_bytes, cost.copied_bytes),
        (1000 + 4000 + 1000, 0)
    );
    assert_eq!(cost.access_ns, 13_000);
    assert_eq!(cost.program_ns, 6_000_000);
}

#[test]
fn stalls_come_with_the_bytes_programmed() {
    let stalls = Stalls {
        every_bytes: 2500,
        duration_ms: 3,
    };
    let mut model = Model::new(SMALL, Some(stalls));
    let counts: Vec<u64> = (0..6)
        .map(|page| {
            let write = Op::Write {
                address: page * 1000,
                len: 1000,
            };
            model.charge(write, true).stalls
        })
        .collect();
    assert_eq!(counts, [0, 0, 1, 0, 1, 0]);
}
