//! The stick is pulled while the guest writes, and comes back: no byte is lost, and the guest never learns of it.

use std::time::Duration;

use gobag_engine::guest::{Event, Guest, PauseReason};

use crate::{
    console::Console,
    flaky::Flaky,
    machine::{bench, wait_for, wait_for_exit},
    require,
};

const BLOCK_BYTES: usize = 4096;
const BLOCKS: usize = 150;

/// Numbered blocks, each flushed before it is acknowledged on the console; the output of a failed `dd` too.
const WRITER: &str = "i=0; while [ $i -lt 150 ]; do i=$((i+1)); printf 'block %08d' $i | \
    dd of=/dev/vda bs=4096 seek=$i conv=sync,fsync 2>/tmp/dd || { echo FAILED $i; cat /tmp/dd; }; \
    echo ACK $i; done";

fn acknowledged(console: &mut Console) -> usize {
    let line = console.line();
    let number = line.strip_prefix("ACK ");
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("guest: {line}"))
}

fn wait_for_io_error(guest: &Guest) -> Event {
    wait_for(guest, "pause", |event| matches!(event, Event::Paused { .. }))
}

fn mount(folder: &std::path::Path) -> Option<Flaky> {
    let mounted = Flaky::mount(folder, (BLOCKS + 1).next_multiple_of(256) * BLOCK_BYTES);
    let missing = mounted.as_ref().err().map(|error| format!("no fuse: {error}"));
    require::have("fuse", missing).then_some(mounted.ok()?)
}

#[test]
fn guest_that_writes_all_the_while_loses_nothing() {
    let Some(mut bench) = bench() else { return };
    let stick = tempfile::tempdir().unwrap();
    let Some(stick) = mount(stick.path()) else {
        return;
    };
    bench.disk("gobag-system", &stick.disk());
    let (guest, mut console) = bench.start();
    console.ready();
    console.send(WRITER);
    let mut last = 0;
    for pull in 1..=3 {
        while last < 30 * pull {
            last = acknowledged(&mut console);
        }
        stick.medium().failing = true;
        assert!(is_io_error(&wait_for_io_error(&guest)), "pull {pull}");
        assert_eq!(guest.status().unwrap().state, "io-error");
        // Impatience does no harm.
        guest.cont().unwrap();
        wait_for(&guest, "resume", |event| *event == Event::Resumed);
        assert!(is_io_error(&wait_for_io_error(&guest)), "pull {pull}");

        assert!(stick.medium().refused > 0);
        stick.medium().failing = false;
        guest.cont().unwrap();
        wait_for(&guest, "resume", |event| *event == Event::Resumed);
    }
    while last < BLOCKS {
        let next = acknowledged(&mut console);
        assert_eq!(next, last + 1);
        last = next;
    }
    assert_eq!(console.line(), "=== 0");
    let errors = console.run("dmesg | grep -i -c 'i/o error\\|blk_update\\|buffer i/o' || true");
    assert_eq!(errors.trim(), "0");
    for number in 1..=BLOCKS {
        let block = &stick.medium().flushed[number * BLOCK_BYTES..][..BLOCK_BYTES];
        let text = format!("block {number:08}");
        assert!(
            block.starts_with(text.as_bytes()),
            "block {number} is not on the medium"
        );
        assert!(block[text.len()..].iter().all(|&byte| byte == 0));
    }
    console.send("poweroff -f");
    assert!(wait_for_exit(&guest).0);
}

fn is_io_error(event: &Event) -> bool {
    let Event::Paused { reason } = event else {
        return false;
    };
    matches!(reason, PauseReason::IoError { disk, .. } if disk == "gobag-system")
}

#[test]
fn a_read_waits_for_the_stick_too() {
    let Some(mut bench) = bench() else { return };
    let stick = tempfile::tempdir().unwrap();
    let Some(stick) = mount(stick.path()) else {
        return;
    };
    bench.disk("gobag-system", &stick.disk());
    let (guest, mut console) = bench.start();
    console.ready();
    stick.medium().failing = true;
    console.send("dd if=/dev/vda bs=4096 skip=7 count=1 iflag=direct 2>/dev/null | wc -c");
    let event = wait_for_io_error(&guest);
    let Event::Paused {
        reason: PauseReason::IoError { operation, .. },
    } = event
    else {
        panic!("{event:?}")
    };
    assert_eq!(operation, "read");
    stick.medium().failing = false;
    guest.cont().unwrap();
    assert_eq!(console.line(), "4096");
}

#[test]
fn a_guest_whose_stick_never_comes_back_can_be_ended() {
    let Some(mut bench) = bench() else { return };
    let stick = tempfile::tempdir().unwrap();
    let Some(stick) = mount(stick.path()) else {
        return;
    };
    bench.disk("gobag-system", &stick.disk());
    let (guest, mut console) = bench.start();
    console.ready();
    stick.medium().failing = true;
    console.send("echo lost | dd of=/dev/vda bs=4096 conv=sync,fsync");
    wait_for_io_error(&guest);
    guest.quit().unwrap();
    wait_for_exit(&guest);
    assert!(guest.wait(Duration::ZERO).is_some());
}
